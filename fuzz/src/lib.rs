//! What must hold for any input: the checks that the fuzz targets run, and seeded cases that need no fuzzer.
//!
//! `cargo fuzz run scanner` hunts for inputs; `cargo test --lib` runs the seeded cases against the same parsers.

mod budget;
mod expat;
mod libxml2;
mod negotiation;
#[path = "../../crates/xmpp/tests/oracle/mod.rs"]
mod oracle;
mod sasl;

pub use budget::within;
pub use negotiation::{negotiation, websocket};
pub use sasl::sasl;

use oracle::{Reading, read, read_with_rxml};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::{Element, Framing, Limits, Scanner, Token, XmlError};

/// Reads a stream with the scanner and three other parsers. What ours accepts, each of them reads in the same way.
pub fn scanner(input: &[u8]) {
    let mut ours = Reading { stanzas: Vec::new(), closed: false, error: None };
    // Only ours is held to its time: what the others take is not ours to mend.
    within(input, |input| ours = read(input, Limits::default(), || usize::MAX));
    assert_eq!(ours, read(input, Limits::default(), || 1), "the pieces matter");
    let mut piece = 0;
    let growing = || {
        piece = piece % 7 + 1;
        piece
    };
    assert_eq!(ours, read(input, Limits::default(), growing), "the pieces matter");
    agree("rxml", &ours, read_with_rxml(input));
    agree("expat", &ours, expat::read(input));
    // libxml2 decodes ahead, so damage behind a stanza can keep it from the stanza: it reads whole streams only.
    if let Some(length) = oracle::length(input) {
        agree("libxml2", &ours, libxml2::read(&input[..length]));
    }
}

/// Another parser has seen every stanza that ours gave out, and the end of the stream if ours did.
fn agree<E: std::fmt::Debug>(name: &str, ours: &Reading<XmlError>, theirs: Reading<E>) {
    assert_eq!(
        Some(&ours.stanzas[..]),
        theirs.stanzas.get(..ours.stanzas.len()),
        "{name}: {:?}",
        theirs.error
    );
    assert!(theirs.closed || !ours.closed, "{name}: {:?}", theirs.error);
}

/// What is written of an element is read as the same element, and as the same stanza.
pub fn stanza(input: &[u8]) {
    let Ok((_, Some(Token::Element(element)))) =
        Scanner::new(Framing::WebSocket, Limits::default()).feed(input)
    else {
        return;
    };
    let written = element.to_xml();
    assert_eq!(Element::parse(&written).as_ref(), Ok(&element), "{written}");
    assert_eq!(element.root().to_element(), element);
    if let Ok(stanza) = Stanza::from_element(element) {
        let mut out = Vec::new();
        stanza.write(&mut out, "");
        let text = String::from_utf8(out).expect("canonical XML is UTF-8");
        let again = Stanza::from_element(Element::parse(&text).expect("canonical XML is well-formed"));
        let again = again.expect("a written stanza is a stanza");
        assert_eq!((again.kind, &again.from, &again.to), (stanza.kind, &stanza.from, &stanza.to));
        assert_eq!((&again.id, &again.lang), (&stanza.id, &stanza.lang));
        assert!(again.element.nodes().count() <= stanza.element.nodes().count());
    }
}

/// An address is its own normal form, and the sum of its parts.
pub fn address(input: &[u8]) {
    let Some(jid) = std::str::from_utf8(input).ok().and_then(|text| Jid::new(text).ok()) else { return };
    assert_eq!(Jid::new(jid.as_str()).as_ref(), Ok(&jid));
    assert_eq!(Jid::from_parts(jid.local(), jid.domain(), jid.resource()).as_ref(), Ok(&jid));
    assert!(jid.to_bare().is_bare() && jid.to_bare().same_bare(&jid));
}

#[cfg(test)]
mod tests {
    use super::oracle::generator::{self, Random};

    fn cases() -> u64 {
        std::env::var("XML_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
    }

    #[test]
    fn well_formed_streams() {
        for seed in 0..cases() {
            let input = generator::stream(&mut Random::new(seed));
            std::panic::catch_unwind(|| super::scanner(&input))
                .unwrap_or_else(|_| panic!("seed {seed}: {}", input.escape_ascii()));
        }
    }

    #[test]
    fn damaged_streams() {
        for seed in 0..cases() {
            let mut random = Random::new(!seed);
            let mut input = generator::stream(&mut random);
            generator::disturb(&mut random, &mut input);
            std::panic::catch_unwind(|| super::scanner(&input))
                .unwrap_or_else(|_| panic!("seed {seed}: {}", input.escape_ascii()));
        }
    }
}
