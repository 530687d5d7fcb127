//! Expat as an oracle, through the few functions that this takes.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::oracle::{Lines, Reading, start, text};

/// Between namespace and name; no XML has this character, so nothing can imitate it.
const SEPARATOR: char = '\u{1}';

type Parser = *mut c_void;
type StartHandler = unsafe extern "C" fn(*mut c_void, *const c_char, *const *const c_char);
type EndHandler = unsafe extern "C" fn(*mut c_void, *const c_char);
type TextHandler = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);

#[link(name = "expat")]
unsafe extern "C" {
    fn XML_ParserCreateNS(encoding: *const c_char, separator: c_char) -> Parser;
    fn XML_SetUserData(parser: Parser, data: *mut c_void);
    fn XML_SetElementHandler(parser: Parser, start: StartHandler, end: EndHandler);
    fn XML_SetCharacterDataHandler(parser: Parser, handler: TextHandler);
    fn XML_Parse(parser: Parser, bytes: *const c_char, length: c_int, is_final: c_int) -> c_int;
    fn XML_GetErrorCode(parser: Parser) -> c_int;
    fn XML_ParserFree(parser: Parser);
}

/// What the handlers have seen.
struct Seen {
    reading: Reading<c_int>,
    lines: Lines,
    depth: usize,
}

/// Reads a stream with expat.
pub(crate) fn read(input: &[u8]) -> Reading<c_int> {
    let reading = Reading { stanzas: Vec::new(), closed: false, error: None };
    let mut seen = Seen { reading, lines: Lines::new(), depth: 0 };
    // SAFETY: the parser and `seen` outlive the call of XML_Parse, which alone calls the handlers; it is freed once.
    unsafe {
        let parser = XML_ParserCreateNS(std::ptr::null(), SEPARATOR as c_char);
        XML_SetUserData(parser, (&raw mut seen).cast());
        XML_SetElementHandler(parser, on_start, on_end);
        XML_SetCharacterDataHandler(parser, on_text);
        if XML_Parse(parser, input.as_ptr().cast(), input.len() as c_int, 1) == 0 {
            seen.reading.error = Some(XML_GetErrorCode(parser));
        }
        XML_ParserFree(parser);
    }
    seen.reading
}

/// Expat gives zero-terminated UTF-8.
unsafe fn string<'a>(text: *const c_char) -> &'a str {
    unsafe { CStr::from_ptr(text) }.to_str().expect("expat gives UTF-8")
}

fn expanded(name: &str) -> (&str, &str) {
    name.split_once(SEPARATOR).unwrap_or(("", name))
}

unsafe extern "C" fn on_start(seen: *mut c_void, name: *const c_char, mut attributes: *const *const c_char) {
    // SAFETY: `read` set this pointer; expat gives a list of names and values that ends with a null.
    unsafe {
        let seen = &mut *seen.cast::<Seen>();
        let mut list = Vec::new();
        while !(*attributes).is_null() {
            let (ns, name) = expanded(string(*attributes));
            list.push((ns, name, string(*attributes.add(1))));
            attributes = attributes.add(2);
        }
        let (ns, name) = expanded(string(name));
        if seen.depth > 0 {
            start(ns, name, list, &mut seen.lines);
        }
        seen.depth += 1;
    }
}

unsafe extern "C" fn on_end(seen: *mut c_void, _name: *const c_char) {
    // SAFETY: `read` set this pointer.
    let seen = unsafe { &mut *seen.cast::<Seen>() };
    seen.depth -= 1;
    if seen.depth > 0 {
        seen.lines.push("end".to_owned());
    }
    match seen.depth {
        0 => seen.reading.closed = true,
        1 => seen.reading.stanzas.push(std::mem::take(&mut seen.lines)),
        _ => {}
    }
}

unsafe extern "C" fn on_text(seen: *mut c_void, run: *const c_char, length: c_int) {
    // SAFETY: `read` set this pointer; expat gives a run of that many bytes of UTF-8.
    unsafe {
        let seen = &mut *seen.cast::<Seen>();
        let run = std::slice::from_raw_parts(run.cast::<u8>(), length as usize);
        if seen.depth > 1 {
            text(std::str::from_utf8(run).expect("expat gives UTF-8"), &mut seen.lines);
        }
    }
}
