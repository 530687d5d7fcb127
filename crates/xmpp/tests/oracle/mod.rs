//! What two parsers make of the same input, in a form that can be compared.

pub(crate) mod generator;

use rxml::Parse;
use waxwing_xmpp::xml::{ElementRef, Framing, Limits, Node, Scanner, Token, XmlError};

/// A tree written down as lines: start with attributes in a fixed order, text in one piece, end.
pub(crate) type Lines = Vec<String>;

/// What a parser made of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading<E> {
    /// The elements directly under the root that were read to their end.
    pub(crate) stanzas: Vec<Lines>,
    /// Whether the end of the root was read.
    pub(crate) closed: bool,
    /// What stopped it.
    pub(crate) error: Option<E>,
}

/// How many bytes the scanner takes up to the end of the stream, if it finds that.
#[allow(dead_code, reason = "the fuzz targets use it")]
pub(crate) fn length(input: &[u8]) -> Option<usize> {
    let mut scanner = Scanner::new(Framing::Stream, Limits::default());
    let mut length = 0;
    while length < input.len() {
        let (used, token) = scanner.feed(&input[length..]).ok()?;
        length += used;
        if token == Some(Token::Close) {
            return Some(length);
        }
    }
    None
}

/// Reads a stream with the scanner, given in pieces whose lengths `piece` chooses.
pub(crate) fn read(input: &[u8], limits: Limits, mut piece: impl FnMut() -> usize) -> Reading<XmlError> {
    let mut scanner = Scanner::new(Framing::Stream, limits);
    let mut reading = Reading { stanzas: Vec::new(), closed: false, error: None };
    let mut rest = input;
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(piece().clamp(1, rest.len()));
        rest = later;
        while !now.is_empty() {
            match scanner.feed(now) {
                Ok((used, token)) => {
                    now = &now[used..];
                    match token {
                        Some(Token::Element(element)) => {
                            let mut lines = Lines::new();
                            describe(element.root(), &mut lines);
                            reading.stanzas.push(lines);
                        }
                        Some(Token::Close) => {
                            reading.closed = true;
                            return reading;
                        }
                        Some(Token::Open(_)) | None => {}
                    }
                }
                Err(error) => {
                    reading.error = Some(error);
                    return reading;
                }
            }
        }
    }
    reading
}

/// Writes an element down.
pub(crate) fn describe(element: ElementRef<'_>, lines: &mut Lines) {
    let attributes =
        element.attrs().map(|attribute| (attribute.ns, attribute.name, attribute.value)).collect();
    start(element.ns(), element.name(), attributes, lines);
    for node in element.nodes() {
        match node {
            Node::Element(child) => describe(child, lines),
            Node::Text(run) => text(run, lines),
        }
    }
    lines.push("end".to_owned());
}

/// Reads a stream with rxml. Line ends are normalised before it, which is how XML 1.0 section 2.11 defines it: rxml 0.14
/// itself loses a carriage return before the closing quote of an attribute, and refuses one before a letter beyond ASCII.
pub(crate) fn read_with_rxml(input: &[u8]) -> Reading<rxml::Error> {
    let input = normalise_line_ends(input);
    let mut input = &input[..];
    let mut parser = rxml::Parser::new();
    let mut reading = Reading { stanzas: Vec::new(), closed: false, error: None };
    let mut lines = Lines::new();
    let mut depth = 0;
    loop {
        match parser.parse(&mut input, true) {
            Ok(Some(rxml::Event::StartElement(_, (ns, name), attributes))) => {
                if depth > 0 {
                    let attributes = attributes
                        .iter()
                        .map(|((ns, name), value)| (ns.as_str(), name.as_str(), value.as_str()))
                        .collect();
                    start(ns.as_str(), name.as_str(), attributes, &mut lines);
                }
                depth += 1;
            }
            Ok(Some(rxml::Event::EndElement(_))) => {
                depth -= 1;
                if depth > 0 {
                    lines.push("end".to_owned());
                }
                match depth {
                    0 => {
                        reading.closed = true;
                        return reading;
                    }
                    1 => reading.stanzas.push(std::mem::take(&mut lines)),
                    _ => {}
                }
            }
            Ok(Some(rxml::Event::Text(_, run))) if depth > 1 => text(&run, &mut lines),
            Ok(Some(rxml::Event::Text(..) | rxml::Event::XmlDeclaration(..))) => {}
            Ok(None) => return reading,
            Err(rxml::error::EndOrError::NeedMoreData) => return reading,
            Err(rxml::error::EndOrError::Error(error)) => {
                reading.error = Some(error);
                return reading;
            }
        }
    }
}

pub(crate) fn normalise_line_ends(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    for (at, byte) in input.iter().enumerate() {
        match byte {
            b'\r' if input.get(at + 1) == Some(&b'\n') => {}
            b'\r' => out.push(b'\n'),
            other => out.push(*other),
        }
    }
    out
}

pub(crate) fn start(ns: &str, name: &str, mut attributes: Vec<(&str, &str, &str)>, lines: &mut Lines) {
    attributes.sort_unstable();
    lines.push(format!("start {name:?} in {ns:?} with {attributes:?}"));
}

pub(crate) fn text(run: &str, lines: &mut Lines) {
    if run.is_empty() {
        return;
    }
    match lines.last_mut().filter(|line| line.starts_with("text ")) {
        Some(line) => line.push_str(run),
        None => lines.push(format!("text {run}")),
    }
}
