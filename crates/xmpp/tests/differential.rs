//! The scanner against rxml: whatever ours accepts, another strict parser reads in the same way.

mod oracle;

use oracle::generator::{self, Random};
use oracle::{Reading, describe, read, read_with_rxml};
use waxwing_xmpp::xml::{Element, Framing, Limits, Scanner, Token, XmlError};

/// Cases of each kind; the environment can ask for more.
fn cases() -> u64 {
    std::env::var("XML_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

/// The reading of an input that does not depend on how it is cut into pieces.
fn read_in_any_pieces(input: &[u8], random: &mut Random) -> Reading<XmlError> {
    let whole = read(input, Limits::default(), || usize::MAX);
    let single = read(input, Limits::default(), || 1);
    let pieces = read(input, Limits::default(), || random.below(9) + 1);
    assert_eq!(whole, single, "read byte by byte: {}", input.escape_ascii());
    assert_eq!(whole, pieces, "read in pieces: {}", input.escape_ascii());
    whole
}

#[test]
fn well_formed_streams_are_read_like_rxml_reads_them() {
    for seed in 0..cases() {
        let mut random = Random::new(seed);
        let input = generator::stream(&mut random);
        let ours = read_in_any_pieces(&input, &mut random);
        let theirs = read_with_rxml(&input);
        let input = String::from_utf8_lossy(&input);
        assert!(ours.closed && theirs.closed, "seed {seed}: {ours:?} {theirs:?} {input}");
        assert_eq!(ours.stanzas, theirs.stanzas, "seed {seed}: {input}");
    }
}

#[test]
fn damaged_streams_never_show_us_what_rxml_does_not_see() {
    let mut accepted = 0;
    for seed in 0..cases() {
        let mut random = Random::new(!seed);
        let mut input = generator::stream(&mut random);
        generator::disturb(&mut random, &mut input);
        let ours = read_in_any_pieces(&input, &mut random);
        let theirs = read_with_rxml(&input);
        let seen = theirs.stanzas.get(..ours.stanzas.len());
        assert_eq!(seen, Some(&ours.stanzas[..]), "seed {seed}: {} {theirs:?}", input.escape_ascii());
        assert!(theirs.closed || !ours.closed, "seed {seed}: {} {theirs:?}", input.escape_ascii());
        // What is refused although rxml reads it must be refused for a reason of XMPP, not of XML; but for two rules of
        // Namespaces in XML that rxml does not check.
        if let Some(XmlError::NotWellFormed(reason) | XmlError::Encoding(reason)) = ours.error
            && !reason.starts_with("a namespace is declared twice")
            && !reason.starts_with("a reserved namespace")
        {
            assert!(!theirs.closed, "seed {seed}: {reason}: {}", input.escape_ascii());
        }
        accepted += u64::from(ours.closed);
    }
    // Damage that leaves everything well-formed, or nothing, would test little.
    assert!(accepted > cases() / 20 && accepted < cases() * 19 / 20, "{accepted} accepted");
}

#[test]
fn what_is_written_is_read_back_as_the_same_tree() {
    for seed in 0..cases() {
        let mut random = Random::new(seed);
        let input = generator::stream(&mut random);
        let mut scanner = Scanner::new(Framing::Stream, Limits::default());
        let mut rest = &input[..];
        while !rest.is_empty() {
            let (used, token) = scanner.feed(rest).expect("the generator makes well-formed streams");
            rest = &rest[used..];
            match token {
                Some(Token::Element(element)) => round_trip(&element),
                Some(Token::Close) => break,
                Some(Token::Open(_)) | None => {}
            }
        }
    }
}

/// Writes an element into a stream that has the namespace of clients, and reads it back with both parsers.
fn round_trip(element: &Element) {
    let mut lines = Vec::new();
    describe(element.root(), &mut lines);
    let mut out = Vec::new();
    out.extend_from_slice(b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>");
    element.write(&mut out, "jabber:client");
    out.extend_from_slice(b"</s:stream>");
    let written = String::from_utf8_lossy(&out);
    assert_eq!(read(&out, Limits::default(), || usize::MAX).stanzas, [lines.clone()], "{written}");
    assert_eq!(read_with_rxml(&out).stanzas, [lines], "{written}");
    let alone = element.to_xml();
    assert_eq!(Element::parse(&alone).as_ref(), Ok(element), "{alone}");
    assert_eq!(Element::parse(&alone).map(|again| again.to_xml()), Ok(alone));
    assert_eq!(element.root().to_element(), *element);
}
