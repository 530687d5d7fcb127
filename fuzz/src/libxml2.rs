//! libxml2's reader as an oracle, through the few functions that this takes.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::oracle::{Lines, Reading, normalise_line_ends, start, text};

type Reader = *mut c_void;

/// No network, no messages on the terminal, no limits of its own.
const OPTIONS: c_int = (1 << 5) | (1 << 6) | (1 << 11) | (1 << 19);

const ELEMENT: c_int = 1;
const TEXT: c_int = 3;
const CDATA: c_int = 4;
const SPACE: c_int = 13;
const SIGNIFICANT_SPACE: c_int = 14;
const END: c_int = 15;

#[link(name = "xml2")]
unsafe extern "C" {
    fn xmlReaderForMemory(
        bytes: *const c_char,
        length: c_int,
        url: *const c_char,
        encoding: *const c_char,
        options: c_int,
    ) -> Reader;
    fn xmlTextReaderRead(reader: Reader) -> c_int;
    fn xmlTextReaderDepth(reader: Reader) -> c_int;
    fn xmlTextReaderNodeType(reader: Reader) -> c_int;
    fn xmlTextReaderIsEmptyElement(reader: Reader) -> c_int;
    fn xmlTextReaderConstLocalName(reader: Reader) -> *const c_char;
    fn xmlTextReaderConstNamespaceUri(reader: Reader) -> *const c_char;
    fn xmlTextReaderConstValue(reader: Reader) -> *const c_char;
    fn xmlTextReaderMoveToNextAttribute(reader: Reader) -> c_int;
    fn xmlTextReaderMoveToElement(reader: Reader) -> c_int;
    fn xmlTextReaderIsNamespaceDecl(reader: Reader) -> c_int;
    fn xmlFreeTextReader(reader: Reader);
}

/// Reads a stream with libxml2. Line ends are normalised before it: libxml2 2.9 keeps carriage returns in CDATA sections,
/// against XML 1.0 section 2.11.
pub(crate) fn read(input: &[u8]) -> Reading<c_int> {
    let input = normalise_line_ends(input);
    let mut reading = Reading { stanzas: Vec::new(), closed: false, error: None };
    let mut lines = Lines::new();
    // SAFETY: the reader is used within the life of `input` and freed once; its strings are copied before it moves on.
    unsafe {
        let null = std::ptr::null();
        let reader = xmlReaderForMemory(input.as_ptr().cast(), input.len() as c_int, null, null, OPTIONS);
        if reader.is_null() {
            reading.error = Some(-1);
            return reading;
        }
        loop {
            match xmlTextReaderRead(reader) {
                1 => step(reader, &mut lines, &mut reading),
                0 => break,
                error => {
                    reading.error = Some(error);
                    break;
                }
            }
        }
        xmlFreeTextReader(reader);
    }
    reading
}

/// Notes the node that the reader is at.
unsafe fn step(reader: Reader, lines: &mut Lines, reading: &mut Reading<c_int>) {
    // SAFETY: the caller's reader is valid.
    unsafe {
        let depth = xmlTextReaderDepth(reader);
        match xmlTextReaderNodeType(reader) {
            ELEMENT => {
                let is_empty = xmlTextReaderIsEmptyElement(reader) == 1;
                if depth > 0 {
                    describe(reader, lines);
                }
                if is_empty {
                    end(depth, lines, reading);
                }
            }
            END => end(depth, lines, reading),
            TEXT | CDATA | SPACE | SIGNIFICANT_SPACE if depth > 1 => {
                text(&string(xmlTextReaderConstValue(reader)), lines);
            }
            _ => {}
        }
    }
}

unsafe fn describe(reader: Reader, lines: &mut Lines) {
    // SAFETY: the caller's reader is valid and at an element.
    unsafe {
        let (ns, name) = name(reader);
        let mut attributes = Vec::new();
        while xmlTextReaderMoveToNextAttribute(reader) == 1 {
            if xmlTextReaderIsNamespaceDecl(reader) != 1 {
                let (ns, name) = self::name(reader);
                attributes.push((ns, name, string(xmlTextReaderConstValue(reader))));
            }
        }
        xmlTextReaderMoveToElement(reader);
        let attributes = attributes.iter().map(|(ns, name, value)| (&**ns, &**name, &**value)).collect();
        start(&ns, &name, attributes, lines);
    }
}

fn end(depth: c_int, lines: &mut Lines, reading: &mut Reading<c_int>) {
    if depth > 0 {
        lines.push("end".to_owned());
    }
    match depth {
        0 => reading.closed = true,
        1 => reading.stanzas.push(std::mem::take(lines)),
        _ => {}
    }
}

unsafe fn name(reader: Reader) -> (String, String) {
    // SAFETY: the caller's reader is valid.
    let (ns, name) = unsafe {
        (string(xmlTextReaderConstNamespaceUri(reader)), string(xmlTextReaderConstLocalName(reader)))
    };
    // libxml2 2.9 leaves an ampersand in a namespace name as a reference.
    (ns.replace("&#38;", "&"), name)
}

/// A copy of a string; libxml2 gives null for an empty one.
unsafe fn string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: what libxml2 gives is zero-terminated UTF-8.
    unsafe { CStr::from_ptr(text) }.to_str().expect("libxml2 gives UTF-8").to_owned()
}
