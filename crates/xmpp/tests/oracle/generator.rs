//! Seeded XML: well-formed streams in every spelling, and streams with something wrong.

/// A small generator of random numbers (xorshift64*): the same seed gives the same cases everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const NAMES: &[&str] =
    &["body", "x", "query", "item", "a", "é", "_n-1.2", "名", "message", "stream", "xmlish"];
const PREFIXES: &[&str] = &["p", "q", "stream", "ü", "xm"];
const NAMESPACES: &[&str] =
    &["urn:a", "urn:b", "jabber:client", "http://etherx.jabber.org/streams", "urn:é&amp;b"];
const SPACES: &[&str] = &[" ", "  ", "\n", "\t", "\r\n", " \r "];
const TEXTS: &[&str] = &[
    "hello",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "&amp;",
    "&lt;",
    "&gt;",
    "&quot;",
    "&apos;",
    "&#65;",
    "&#x1F600;",
    "&#13;",
    "&#10;",
    "&#x9;",
    "&#00000097;",
    "]",
    "]]",
    "]]&gt;",
    "a>b",
    "é",
    "名前",
    "😀",
    "\u{85}",
    "\u{2028}",
    "\u{7f}",
    "\u{fffd}",
    "\u{feff}",
    "a longer run of plain text that is taken in one piece",
];
const CDATA: &[&str] = &[
    "<![CDATA[]]>",
    "<![CDATA[<&>]]>",
    "<![CDATA[]]]]>",
    "<![CDATA[a\r\nb\r]]>",
    "<![CDATA[]>é]]>",
    "<![CDATA[]] >]]>",
];

/// Tokens that matter to a parser, put in the middle of things that were well-formed.
const DISTURBANCES: &[&[u8]] = &[
    b"<",
    b">",
    b"/>",
    b"</",
    b"&",
    b"&amp;",
    b"&#",
    b"&#x",
    b";",
    b"'",
    b"\"",
    b"=",
    b" ",
    b"xmlns",
    b" xmlns='urn:c'",
    b" xmlns:p='urn:c'",
    b" xmlns:p=''",
    b" xmlns=''",
    b" xmlns:xml='urn:c'",
    b" xmlns:xmlns='urn:c'",
    b" xmlns:xml='http://www.w3.org/XML/1998/namespace'",
    b" xmlns='http://www.w3.org/XML/1998/namespace'",
    b" xml:lang='de'",
    b" p:a='1' q:a='2'",
    b"xml:",
    b":",
    b"p:",
    b"]]>",
    b"<![CDATA[",
    b"]]",
    b"<!--",
    b"-->",
    b"<!DOCTYPE a>",
    b"<?xml version='1.0'?>",
    b"<?pi?>",
    b"\0",
    b"\x01",
    b"\x1f",
    b"\r",
    b"\n",
    b"\xff",
    b"\xfe",
    b"\xc3",
    b"\xc0\x80",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xf0\x9f",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
    b"\xef\xbb\xbf",
    b"&#0;",
    b"&#1;",
    b"&#xD800;",
    b"&#xFFFE;",
    b"&#x110000;",
    b"&#x10FFFF;",
    b"&#99999999999;",
    b"&nbsp;",
    b"&a",
    b"&#xg;",
    b"&;",
    b"</stream:stream>",
    b"<stream:stream>",
    b"<a/>",
    b"<a>",
    b"</a>",
    b"0",
    b"-",
    b".",
    b"\xc2\xb7",
    b"\xcd\xbe",
    b"a='1' a='1'",
];

/// A whole stream that is well-formed and within the default limits.
pub(crate) fn stream(random: &mut Random) -> Vec<u8> {
    let mut out = String::new();
    match random.below(4) {
        0 => out.push_str("<?xml version='1.0'?>"),
        1 => out.push_str("<?xml  version = \"1.0\"\tencoding='utf-8' standalone='yes' ?>\n"),
        _ => {}
    }
    let default = random.pick(&["jabber:client", "jabber:client", "urn:a", ""]);
    out.push_str(
        "<stream:stream to='example.com' version=\"1.0\" xmlns:stream='http://etherx.jabber.org/streams'",
    );
    if !default.is_empty() {
        out.push_str(&format!(" xmlns='{default}'"));
    }
    if random.chance(30) {
        out.push_str(" xml:lang='en' xmlns:p='urn:header'");
    }
    out.push('>');
    for _ in 0..1 + random.below(3) {
        if random.chance(30) {
            out.push_str(random.pick(SPACES));
        }
        element(random, &mut out, 0, &mut vec!["stream"]);
    }
    out.push_str(random.pick(&["</stream:stream>", "</stream:stream >", "</stream:stream>\n"]));
    out.into_bytes()
}

fn element(random: &mut Random, out: &mut String, depth: usize, prefixes: &mut Vec<&'static str>) {
    let outer = prefixes.len();
    let mut tag = String::new();
    let mut declared = Vec::new();
    if random.chance(30) {
        let uri = if random.chance(20) { "" } else { random.pick(NAMESPACES) };
        tag.push_str(&format!(" xmlns={}", quoted(random, uri)));
    }
    while random.chance(25) {
        let prefix = random.pick(PREFIXES);
        if !declared.contains(&prefix) {
            declared.push(prefix);
            prefixes.push(prefix);
            let uri = random.pick(NAMESPACES);
            let uri = quoted(random, uri);
            tag.push_str(&format!("{}xmlns:{prefix}{}={uri}", random.pick(SPACES), random.pick(&["", " "])));
        }
    }
    let name = match random.below(3) {
        0 => format!("{}:{}", random.pick(prefixes), random.pick(NAMES)),
        _ => random.pick(NAMES).to_owned(),
    };
    // Names without prefixes differ from each other; one with a prefix cannot repeat any of those.
    for attribute in ["to", "id", "é", "x"] {
        if random.chance(20) {
            let value = text(random, 3);
            tag.push_str(&format!("{}{attribute} = {}", random.pick(SPACES), quoted(random, &value)));
        }
    }
    if random.chance(20) {
        tag.push_str(&format!(" {}:b='{}'", random.pick(prefixes), text(random, 2)));
    }
    if random.chance(10) {
        tag.push_str(" xml:lang='fr'");
    }
    out.push_str(&format!("<{name}{tag}"));
    if random.chance(25) {
        out.push_str(random.pick(&["/>", " />", "\n/>"]));
    } else {
        out.push_str(random.pick(&[">", " >"]));
        for _ in 0..random.below(5) {
            match random.below(6) {
                0 | 1 if depth < 8 => element(random, out, depth + 1, prefixes),
                2 => out.push_str(random.pick(CDATA)),
                _ => out.push_str(&text(random, 4)),
            }
        }
        out.push_str(&format!("</{name}{}>", random.pick(&["", " ", "\n"])));
    }
    prefixes.truncate(outer);
}

fn text(random: &mut Random, pieces: usize) -> String {
    (0..random.below(pieces + 1)).map(|_| random.pick(TEXTS)).collect()
}

fn quoted(random: &mut Random, value: &str) -> String {
    if random.chance(50) { format!("'{value}'") } else { format!("\"{value}\"") }
}

/// Damages an input in one to three places.
pub(crate) fn disturb(random: &mut Random, input: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        // The stream header is at the front of every case; most of the damage is wanted behind it.
        let start = if random.chance(80) { input.len().min(100) } else { 0 };
        let at = start + random.below(input.len() - start + 1);
        let end = (at + random.below(8)).min(input.len());
        match random.below(6) {
            0 if at < input.len() => input[at] = random.next() as u8,
            1 => drop(input.drain(at..end)),
            2 => {
                let copy = input[at..end].to_vec();
                let to = start + random.below(input.len() - start + 1);
                input.splice(to..to, copy);
            }
            _ => drop(input.splice(at..at, random.pick(DISTURBANCES).iter().copied())),
        }
    }
}
