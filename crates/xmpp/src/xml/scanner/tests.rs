//! What the scanner accepts and refuses, rule by rule; `tests/differential.rs` compares it with another parser.

use super::*;
use crate::error::StreamCondition;

const HEADER: &str = "<stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='example.com' version='1.0' xml:lang='en'>";

/// All tokens of an input given in pieces of `piece` bytes, and the error that ends it.
fn tokens(input: &[u8], piece: usize) -> (Vec<Token>, Option<XmlError>) {
    let mut scanner = Scanner::new(Framing::Stream, Limits::default());
    let mut tokens = Vec::new();
    for mut piece in input.chunks(piece) {
        while !piece.is_empty() {
            match scanner.feed(piece) {
                Ok((read, token)) => {
                    piece = &piece[read..];
                    tokens.extend(token);
                }
                Err(error) => return (tokens, Some(error)),
            }
        }
    }
    (tokens, None)
}

/// The same, after checking that the pieces do not matter.
fn read(input: &[u8]) -> (Vec<Token>, Option<StreamCondition>) {
    let (whole, error) = tokens(input, input.len());
    for piece in 1..4 {
        assert_eq!((&whole, error), (&tokens(input, piece).0, tokens(input, piece).1));
    }
    (whole, error.map(|error| error.condition()))
}

/// How a stream ends that goes on like this after its header.
fn refusal(after_header: impl AsRef<[u8]>) -> Option<StreamCondition> {
    read(&[HEADER.as_bytes(), after_header.as_ref()].concat()).1
}

fn assert_not_well_formed(inputs: &[&str]) {
    for input in inputs {
        assert_eq!(refusal(input), Some(StreamCondition::NotWellFormed), "{input}");
    }
}

/// The one stanza after a stream header, in canonical form.
fn canonical(stanza: &str) -> String {
    let (tokens, error) = read(format!("{HEADER}{stanza}</stream:stream>").as_bytes());
    match &tokens[..] {
        [Token::Open(_), Token::Element(element), Token::Close] => element.to_xml(),
        other => panic!("{stanza}: {other:?} {error:?}"),
    }
}

/// The stream header that an input begins with.
fn header(input: &str) -> Result<StreamHeader, StreamCondition> {
    match read(input.as_bytes()) {
        (_, Some(condition)) => Err(condition),
        (mut tokens, None) => match tokens.remove(0) {
            Token::Open(header) => Ok(header),
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn a_stream_is_a_header_then_stanzas_then_the_end() {
    let input = format!("<?xml version='1.0'?>{HEADER} <presence/>\n\n<message/> </stream:stream>");
    let (tokens, error) = read(input.as_bytes());
    assert_eq!(error, None);
    let [Token::Open(header), Token::Element(first), Token::Element(second), Token::Close] = &tokens[..]
    else {
        panic!("{tokens:?}")
    };
    assert_eq!(header.to.as_deref(), Some("example.com"));
    assert_eq!(header.version.as_deref(), Some("1.0"));
    assert_eq!(header.lang.as_deref(), Some("en"));
    assert_eq!((header.from.as_deref(), header.id.as_deref()), (None, None));
    assert_eq!((&*header.prefix, &*header.default_ns), ("stream", "jabber:client"));
    assert!(first.is("jabber:client", "presence") && second.is("jabber:client", "message"));
}

#[test]
fn an_empty_root_opens_and_closes() {
    let input = HEADER.replace('>', "/>");
    let (tokens, error) = read(input.as_bytes());
    assert!(matches!(&tokens[..], [Token::Open(_), Token::Close]), "{tokens:?}");
    assert_eq!(error, None);
}

/// XML 1.0 section 2.8, RFC 6120 sections 11.4 and 11.6.
#[test]
fn the_xml_declaration() {
    for good in [
        "<?xml version='1.0'?>",
        "<?xml version=\"1.0\" encoding='UTF-8'?>\n",
        "<?xml\tversion = '1.0'\n encoding=\"utf-8\" standalone='no' ?>",
    ] {
        assert!(header(&format!("{good}{HEADER}")).is_ok(), "{good}");
    }
    for bad in [
        "<?xml?>",
        "<?xml version='1.1'?>",
        "<?xml version='1.0'encoding='UTF-8'?>",
        "<?xml encoding='UTF-8'?>",
        "<?xml version='1.0' standalone='maybe'?>",
        "<?xml version='1.0' lang='en'?>",
        "<?xml version='1.0?>",
        " <?xml version='1.0'?>x",
        "x",
    ] {
        let error = header(&format!("{bad}{HEADER}"));
        let expected = if bad.starts_with(' ') {
            StreamCondition::RestrictedXml
        } else {
            StreamCondition::NotWellFormed
        };
        assert_eq!(error, Err(expected), "{bad}");
    }
    for other in ["<?xml version='1.0' encoding='UTF-16'?>", "<?xml version='1.0' encoding='latin1'?>"] {
        assert_eq!(header(other), Err(StreamCondition::UnsupportedEncoding), "{other}");
    }
    assert_eq!(read(b"\xff\xfe<\0").1, Some(StreamCondition::UnsupportedEncoding));
    assert_eq!(read(b"\0<\0?").1, Some(StreamCondition::UnsupportedEncoding));
    // Section 11.6: a byte order mark is a character like any other.
    assert_eq!(read(b"\xef\xbb\xbf<").1, Some(StreamCondition::NotWellFormed));
    assert_eq!(refusal("<?xml version='1.0'?>"), Some(StreamCondition::RestrictedXml));
}

/// RFC 6120 sections 4.8.1, 4.8.5 and 4.9.3.10.
#[test]
fn the_root_is_a_stream() {
    assert_eq!(header("<stream xmlns='jabber:client'>"), Err(StreamCondition::InvalidNamespace));
    assert_eq!(header("<s:stream xmlns:s='urn:other'>"), Err(StreamCondition::InvalidNamespace));
    assert_eq!(header("<stream:stream xmlns='jabber:client'>"), Err(StreamCondition::BadNamespacePrefix));
    let wrong_name = HEADER.replace("<stream:stream", "<stream:steam");
    assert_eq!(header(&wrong_name), Err(StreamCondition::BadFormat));
    let other = header("<foo:stream xmlns:foo='http://etherx.jabber.org/streams'>").unwrap();
    assert_eq!((&*other.prefix, &*other.default_ns), ("foo", ""));
    let default = header("<stream xmlns='http://etherx.jabber.org/streams'>").unwrap();
    assert_eq!((&*default.prefix, &*default.default_ns), ("", "http://etherx.jabber.org/streams"));
}

/// RFC 6120 section 11.1.
#[test]
fn restricted_xml() {
    let restricted = Some(StreamCondition::RestrictedXml);
    for bad in [
        "<!-- c -->",
        "<?pi?>",
        "<!DOCTYPE x>",
        "<a>&custom;</a>",
        "<a b='&nbsp;'/>",
        "<a><!-- c --></a>",
        "<a><?pi?></a>",
        "<a>&amplitude;</a>",
    ] {
        assert_eq!(refusal(bad), restricted, "{bad}");
    }
    assert_eq!(read(b"<!DOCTYPE x [<!ENTITY a 'a'>]>").1, restricted);
    assert_eq!(read(b"<!-- c -->").1, restricted);
    assert_eq!(read(b"<?xml-stylesheet href='x'?>").1, restricted);
}

/// RFC 6120 section 4.9.3.1: between stanzas there is white space only.
#[test]
fn nothing_but_white_space_lies_between_stanzas() {
    for bad in ["x", "<presence/>x", "&#32;", "<![CDATA[ ]]>", "é"] {
        assert_eq!(refusal(bad), Some(StreamCondition::BadFormat), "{bad}");
    }
    assert_eq!(refusal("</stream:stream> "), Some(StreamCondition::NotWellFormed));
}

/// XML 1.0 sections 3 and 3.1.
#[test]
fn tags() {
    assert_eq!(canonical("<a  b = '1'\n\tc=\"2\" />"), "<a xmlns='jabber:client' b='1' c='2'/>");
    assert_eq!(canonical("<a><b></b ></a\n>"), "<a xmlns='jabber:client'><b/></a>");
    assert_not_well_formed(&[
        "< a/>",
        "<a b='1'c='2'/>",
        "<a b/>",
        "<a b=1/>",
        "<a b='1\"/><c d='",
        "<a b='<'/>",
        "<a/ >",
        "<a//>",
        "<a></b>",
        "<a></a b='1'>",
        "<a></aa>",
        "<aa></a>",
        "<a></ a>",
        "</a>",
        "</>",
        "<>",
        "<a b='1' b='2'/>",
        "<a><![CDATA[]]></b>",
        "<a><![cdata[",
    ]);
}

/// XML 1.0 section 2.3, Namespaces in XML 1.0 section 4.
#[test]
fn names() {
    assert_eq!(canonical("<é名-1._b/>"), "<é名-1._b xmlns='jabber:client'/>");
    assert_not_well_formed(&[
        "<1a/>",
        "<-a/>",
        "<.a/>",
        "<a§/>",
        "<:a/>",
        "<a:/>",
        "<stream:a:b/>",
        "<stream:1a/>",
        "<a xmlns:='urn:x'/>",
        "<a 1='x'/>",
        "<a b:='x'/>",
        "<\u{b7}a/>",
        "<×/>",
    ]);
}

/// Names of the fifth edition of XML 1.0 that expat refuses would end the streams of others.
#[test]
fn names_are_those_that_every_parser_knows() {
    assert_not_well_formed(&["<\u{10000}/>", "<a\u{feff}/>", "<\u{2c00}/>", "<a\u{203f}/>"]);
}

/// Namespaces in XML 1.0 sections 2.2, 3, 5 and 6.
#[test]
fn namespaces() {
    assert_eq!(
        canonical("<p:a xmlns:p='urn:x'><b/><p:c xmlns:p='urn:y' p:d='1'/><e xmlns=''><f/></e></p:a>"),
        "<a xmlns='urn:x'><b xmlns='jabber:client'/><c xmlns='urn:y' xmlns:a0='urn:y' a0:d='1'/>\
         <e xmlns=''><f/></e></a>"
    );
    assert_eq!(
        canonical("<a><b xmlns='urn:x'/><c/></a>"),
        "<a xmlns='jabber:client'><b xmlns='urn:x'/><c/></a>"
    );
    assert_eq!(canonical("<stream:a/>"), "<stream:a xmlns:stream='http://etherx.jabber.org/streams'/>");
    assert_eq!(canonical("<xml:a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>"), "<xml:a/>");
    for unbound in ["<p:a/>", "<a p:b='1'/>", "<a><b xmlns:p='urn:x'/><p:c/></a>", "<xmlns:a/>"] {
        assert_eq!(refusal(unbound), Some(StreamCondition::BadNamespacePrefix), "{unbound}");
    }
    assert_not_well_formed(&[
        "<a xmlns:p=''/>",
        "<a xmlns:xml='urn:x'/>",
        "<a xmlns:xmlns='urn:x'/>",
        "<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns='urn:x' xmlns='urn:y'/>",
        "<a xmlns:p='urn:x' xmlns:p='urn:x'/>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace' xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
    ]);
}

/// Namespaces in XML 1.0 section 6.3.
#[test]
fn attributes_are_unique_by_expanded_name() {
    assert_not_well_formed(&[
        "<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='1' q:b='2'/>",
        "<a xmlns:p='urn:x' p:b='1' xmlns:q='urn:&#120;' q:b='2'/>",
    ]);
    // An attribute without a prefix is in no namespace, whatever the default one is.
    let both = canonical("<a xmlns='urn:x' xmlns:p='urn:x' p:b='1' b='2'/>");
    assert_eq!(both, "<a xmlns='urn:x' xmlns:a0='urn:x' a0:b='1' b='2'/>");
}

/// XML 1.0 sections 2.2, 2.4, 2.7, 4.1 and 4.6.
#[test]
fn text_and_references() {
    assert_eq!(
        canonical("<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x42;&#x1F600;<![CDATA[<&]]]]><![CDATA[>]]></a>"),
        "<a xmlns='jabber:client'>&lt;&gt;&amp;'\"AB😀&lt;&amp;]]&gt;</a>"
    );
    assert_eq!(canonical("<a>]] ></a>"), "<a xmlns='jabber:client'>]] &gt;</a>");
    assert_eq!(canonical("<a>]]<b/>></a>"), "<a xmlns='jabber:client'>]]<b/>&gt;</a>");
    assert_eq!(
        canonical("<a>\u{7f}\u{80}\u{2028}\u{fffd}</a>"),
        "<a xmlns='jabber:client'>\u{7f}\u{80}\u{2028}\u{fffd}</a>"
    );
    assert_not_well_formed(&[
        "<a>]]></a>",
        "<a>]]]></a>",
        "<a>\u{1}</a>",
        "<a>\u{0}</a>",
        "<a>\u{fffe}</a>",
        "<a>é\u{ffff}</a>",
        "<a b='\u{8}'/>",
        "<a><![CDATA[\u{b}]]></a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#xFFFF;</a>",
        "<a>&#x110000;</a>",
        "<a>&#x1;</a>",
        "<a>&</a>",
        "<a>& </a>",
        "<a>&;</a>",
        "<a>&#;</a>",
        "<a>&#x;</a>",
        "<a>&#A;</a>",
        "<a>&#xG;</a>",
        "<a>&#X41;</a>",
        "<a>&lt</a>",
        "<a b='&#0;'/>",
    ]);
    assert_eq!(refusal("<a>&#000000065;</a>"), Some(StreamCondition::PolicyViolation));
}

/// RFC 6120 section 11.6: anything but UTF-8 is an encoding error.
#[test]
fn bytes_that_are_not_utf_8() {
    for bad in [
        &b"\xff"[..],
        b"\xc3",
        b"\x80",
        b"\xc0\xbc",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
    ] {
        for place in
            [(&b"<a>"[..], &b"</a>"[..]), (b"<a b='", b"'/>"), (b"<a><![CDATA[", b"]]></a>"), (b"<a", b"/>")]
        {
            let input = [place.0, bad, place.1].concat();
            assert_eq!(
                refusal(&input),
                Some(StreamCondition::UnsupportedEncoding),
                "{}",
                input.escape_ascii()
            );
        }
    }
}

/// XML 1.0 sections 2.11 and 3.3.3.
#[test]
fn line_ends_and_white_space_are_normalised() {
    let element = Element::parse(
        "<a b='1\r\n2\r3\n4\t5&#13;&#10;&#9;6\r'>1\r\n2\r3\n4\t5&#13;&#10;6\r<![CDATA[\r\n]]>\r]</a>",
    )
    .unwrap();
    assert_eq!(element.attr("b"), Some("1 2 3 4 5\r\n\t6 "));
    assert_eq!(element.text(), "1\n2\n3\n4\t5\r\n6\n\n\n]");
    // A carriage return and a line feed that markup separates are two line ends.
    assert_eq!(Element::parse("<a>\r<![CDATA[\n]]>\r&#10;\n</a>").unwrap().text(), "\n\n\n\n\n");
}

#[test]
fn limits_hold_at_their_very_value() {
    let limits =
        Limits { stanza_bytes: 200, depth: 3, attributes: 2, namespaces: 4, name_bytes: 10, items: 8 };
    let scanner = || {
        let mut scanner = Scanner::new(Framing::Stream, Limits::default());
        scanner.feed(HEADER.as_bytes()).unwrap();
        scanner.set_limits(limits);
        scanner
    };
    let feed = |stanza: &str| {
        let mut whole = scanner();
        let mut single = scanner();
        let whole = whole.feed(stanza.as_bytes()).map(|(_, token)| token.is_some());
        let single: Result<Vec<_>, _> = stanza.as_bytes().iter().map(|byte| single.feed(&[*byte])).collect();
        assert_eq!(whole.is_ok(), single.is_ok(), "{stanza}");
        whole
    };
    let text = |bytes: usize| format!("<a>{}</a>", "x".repeat(bytes - 7));
    for (allowed, refused) in [
        (text(200), text(201)),
        ("<a><b><c/></b></a>".into(), "<a><b><c><d/></c></b></a>".into()),
        ("<a b='' c=''/>".into(), "<a b='' c='' d=''/>".into()),
        ("<a xmlns='x'><b xmlns:p='x'/></a>".into(), "<a xmlns='x'><b xmlns:p='x' xmlns:q='x'/></a>".into()),
        ("<a234567890/>".into(), "<a2345678901/>".into()),
        ("<a xmlns='1234567890'/>".into(), "<a xmlns='12345678901'/>".into()),
        ("<a>1<b/>2<b/>3<b/>4</a>".into(), "<a>1<b/>2<b/>3<b/>4<b/></a>".into()),
    ] {
        assert_eq!(feed(&allowed), Ok(true), "{allowed}");
        let error = feed(&refused).expect_err(&refused);
        assert_eq!(error.condition(), StreamCondition::PolicyViolation, "{refused}");
    }
}

/// A prefix that stands for a long namespace is written as that namespace wherever it is used below another: what is
/// accepted may grow to so much and no more.
#[test]
fn prefixes_do_not_multiply_a_stanza() {
    let uri = "u".repeat(1000);
    let read = |children: usize, child: &str| {
        let mut scanner = Scanner::new(Framing::Stream, Limits::default());
        scanner.feed(HEADER.as_bytes()).unwrap();
        let stanza = format!("<message xmlns:p='{uri}'>{}</message>", child.repeat(children));
        let (_, token) = scanner.feed(stanza.as_bytes())?;
        let Some(Token::Element(element)) = token else { panic!("{token:?}") };
        let mut out = Vec::new();
        element.write(&mut out, "");
        Ok::<_, XmlError>(out.len())
    };
    let bytes = Limits::default().stanza_bytes;
    for child in ["<p:a/>", "<a p:b=''/>"] {
        assert!(read(bytes / 1000, child).unwrap() < 2 * bytes, "{child}");
        let error = read(bytes / 1000 + 1, child).unwrap_err();
        assert_eq!(error.condition(), StreamCondition::PolicyViolation, "{child}");
    }
    // A namespace that its parent has too is not written again.
    assert!(read(1, &format!("<p:a>{}</p:a>", "<p:b/>".repeat(10_000))).unwrap() < bytes);
}

/// What hostile input costs: work that grows with the bytes read and no faster, memory that a limit bounds.
#[test]
fn hostile_input_costs_no_more_than_its_length() {
    let attributes = (0..64).map(|number| format!(" a{number}=''")).collect::<String>();
    let declarations = (0..30).map(|number| format!(" xmlns:p{number}='u'")).collect::<String>();
    let hostile = [
        format!("<a{}", (0..80_000).map(|number| format!(" a{number}=''")).collect::<String>()),
        format!("<a{}", (0..80_000).map(|number| format!(" xmlns:a{number}='u'")).collect::<String>()),
        "<a>".repeat(1_000_000),
        format!("<{}", "a".repeat(10_000_000)),
        format!("<a {}", "a".repeat(10_000_000)),
        format!("<a b='{}", "a".repeat(10_000_000)),
        format!("<a>{}", "]".repeat(10_000_000)),
        format!("<a>{}", "&amp;".repeat(2_000_000)),
        format!("<a>{}", "\r".repeat(1_000_000)),
        format!("<a><![CDATA[{}", "]".repeat(1_000_000)),
        format!("<a>{}", format!("<b{attributes}/>").repeat(10_000)),
        format!("<a{declarations}>{}", "<p0:b p0:c=''/>".repeat(20_000)),
        format!("<a xmlns='{}'", "u".repeat(1_000_000)),
        format!("<a>{}", "x<b/>".repeat(1_000_000)),
    ];
    for input in &hostile {
        let name = &input[..30];
        for piece in [input.len(), 1000, 1] {
            let mut scanner = Scanner::new(Framing::Stream, Limits::default());
            scanner.feed(HEADER.as_bytes()).unwrap();
            scanner.work = 0;
            let (mut read, mut memory, mut refused) = (0, 0, false);
            for part in input.as_bytes().chunks(piece) {
                read += part.len().min(Limits::default().stanza_bytes);
                refused = scanner.feed(part).is_err();
                if refused {
                    break;
                }
                memory = memory.max(scanner.text.capacity() + size_of_val(&*scanner.tape));
            }
            assert!(refused, "{name}");
            assert!(scanner.work <= 64 * read + 1000, "{name}: {} for {read} bytes", scanner.work);
            assert!(memory <= 1_100_000, "{name}: {memory} bytes held");
            assert_eq!(
                scanner.text.capacity() + scanner.tape.capacity() + scanner.open.capacity(),
                0,
                "{name}"
            );
        }
    }
}

#[test]
fn between_stanzas_nothing_is_held() {
    let mut scanner = Scanner::new(Framing::Stream, Limits::default());
    for input in [HEADER, "<a><b xmlns='urn:x' c='d'>e</b></a>", " \n"] {
        assert_eq!(scanner.feed(input.as_bytes()).map(|(read, _)| read), Ok(input.len()));
        assert!(!scanner.is_inside());
        let held = (scanner.text.capacity(), scanner.tape.capacity(), scanner.open.capacity());
        assert_eq!(held, (0, 0, 0));
    }
    assert!(size_of::<Scanner>() <= 320, "{}", size_of::<Scanner>());
    scanner.feed(b"<a").unwrap();
    assert!(scanner.is_inside());
}

#[test]
fn an_error_stays() {
    let mut scanner = Scanner::new(Framing::Stream, Limits::default());
    let error = scanner.feed(b"<a/>").unwrap_err();
    assert_eq!(scanner.feed(HEADER.as_bytes()), Err(error));
}

/// RFC 7395 section 3.3.
#[test]
fn a_websocket_message_is_one_element() {
    let feed = |message: &str| Scanner::new(Framing::WebSocket, Limits::default()).feed(message.as_bytes());
    let open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>";
    let Ok((read, Some(Token::Element(element)))) = feed(open) else { panic!() };
    assert_eq!(read, open.len());
    assert!(element.is(crate::ns::FRAMING, "open"));
    for (bad, condition) in [
        ("", StreamCondition::NotWellFormed),
        ("<a>", StreamCondition::NotWellFormed),
        ("</a>", StreamCondition::NotWellFormed),
        ("<stream:features/>", StreamCondition::BadNamespacePrefix),
        ("<a/><b/>", StreamCondition::BadFormat),
        ("<a/>x", StreamCondition::BadFormat),
        (" <a/>", StreamCondition::BadFormat),
        ("x", StreamCondition::BadFormat),
        ("<?xml version='1.0'?><a/>", StreamCondition::RestrictedXml),
    ] {
        assert_eq!(feed(bad).map_err(|error| error.condition()), Err(condition), "{bad}");
    }
    // Nothing that one message declares holds in the next.
    let mut scanner = Scanner::new(Framing::WebSocket, Limits::default());
    assert!(scanner.feed(b"<p:a xmlns:p='urn:x' xmlns='urn:y'/>").is_ok());
    let Ok((_, Some(Token::Element(element)))) = scanner.feed(b"<a/>") else { panic!() };
    assert_eq!(element.ns(), "");
    assert!(scanner.feed(b"<p:a/>").is_err());
}
