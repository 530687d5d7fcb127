//! Cards in the format of vCard4 (XEP-0292) and as vcard-temp (XEP-0054): the one from the other, by the mapping of
//! XEP-0292 section 7. Pictures are left out: they have nodes of their own (XEP-0084).

use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

/// Properties with one value: the name in vcard-temp, the name in vCard4, and the type of its value there.
const PLAIN: [(&str, &str, &str); 9] = [
    ("FN", "fn", "text"),
    ("NICKNAME", "nickname", "text"),
    ("BDAY", "bday", "date"),
    ("TITLE", "title", "text"),
    ("ROLE", "role", "text"),
    ("URL", "url", "uri"),
    ("UID", "uid", "uri"),
    ("TZ", "tz", "text"),
    ("DESC", "note", "text"),
];

/// The parts of a name.
const NAME: [(&str, &str); 5] = [
    ("FAMILY", "surname"),
    ("GIVEN", "given"),
    ("MIDDLE", "additional"),
    ("PREFIX", "prefix"),
    ("SUFFIX", "suffix"),
];

/// The parts of an address.
const ADDRESS: [(&str, &str); 7] = [
    ("POBOX", "pobox"),
    ("EXTADD", "ext"),
    ("STREET", "street"),
    ("LOCALITY", "locality"),
    ("REGION", "region"),
    ("PCODE", "code"),
    ("CTRY", "country"),
];

/// What kind of number or address something is. The others of vcard-temp were dropped (section 7.3).
const TYPES: [(&str, &str); 9] = [
    ("HOME", "home"),
    ("WORK", "work"),
    ("VOICE", "voice"),
    ("FAX", "fax"),
    ("CELL", "cell"),
    ("VIDEO", "video"),
    ("PAGER", "pager"),
    ("TEXT", "text"),
    ("TEXTPHONE", "textphone"),
];

fn old(name: &str) -> Element {
    Element::new(ns::VCARD, name)
}

fn new(name: &str) -> Element {
    Element::new(ns::VCARD4, name)
}

fn text_of(parent: ElementRef<'_>, namespace: &str, name: &str) -> String {
    let child = parent.child(namespace, name);
    child.map_or_else(String::new, |child| child.text().trim().to_owned())
}

/// The vCard4 that says what a card in the format of vcard-temp says.
pub fn from_temp(vcard: ElementRef<'_>) -> Element {
    let mut card = new("vcard");
    for child in vcard.children().filter(|child| child.ns() == ns::VCARD) {
        let plain = PLAIN.iter().find(|(name, ..)| *name == child.name());
        if let Some((_, name, kind)) = plain {
            append_plain(&mut card, name, kind, child.text().trim());
            continue;
        }
        match child.name() {
            "NOTE" => append_plain(&mut card, "note", "text", child.text().trim()),
            "JABBERID" if !child.text().trim().is_empty() => {
                append_plain(&mut card, "impp", "uri", &format!("xmpp:{}", child.text().trim()));
            }
            "N" => card.append(parts(child, new("n"), &NAME)),
            "ADR" => card.append(parts(child, with_types(child, new("adr")), &ADDRESS)),
            "ORG" => append_organisation(&mut card, child),
            "EMAIL" => append_typed(&mut card, child, "email", "text", &text_of(child, ns::VCARD, "USERID")),
            "TEL" => {
                let number = text_of(child, ns::VCARD, "NUMBER");
                let uri =
                    if number.is_empty() { number } else { format!("tel:{}", number.replace(' ', "-")) };
                append_typed(&mut card, child, "tel", "uri", &uri);
            }
            _ => {}
        }
    }
    card
}

/// The organisation and its units, in this order, each a text of its own (RFC 6350 section 6.6.4).
fn append_organisation(card: &mut Element, of: ElementRef<'_>) {
    let units = of.children().filter(|child| child.is(ns::VCARD, "ORGUNIT"));
    let units: Vec<String> = units.map(|unit| unit.text().trim().to_owned()).collect();
    let name = text_of(of, ns::VCARD, "ORGNAME");
    if !name.is_empty() || units.iter().any(|unit| !unit.is_empty()) {
        let all = std::iter::once(&name).chain(&units);
        card.append(all.fold(new("org"), |org, text| org.with_child(new("text").with_text(text))));
    }
}

fn append_plain(card: &mut Element, name: &str, kind: &str, value: &str) {
    if !value.is_empty() {
        card.append(new(name).with_child(new(kind).with_text(value)));
    }
}

fn append_typed(card: &mut Element, of: ElementRef<'_>, name: &str, kind: &str, value: &str) {
    if !value.is_empty() {
        card.append(with_types(of, new(name)).with_child(new(kind).with_text(value)));
    }
}

/// The parts that vcard-temp has, in the order of vCard4.
fn parts(of: ElementRef<'_>, to: Element, names: &[(&str, &str)]) -> Element {
    names.iter().fold(to, |to, (from, name)| match text_of(of, ns::VCARD, from) {
        text if text.is_empty() => to,
        text => to.with_child(new(name).with_text(&text)),
    })
}

fn with_types(of: ElementRef<'_>, to: Element) -> Element {
    let mut types = new("type");
    for (flag, word) in TYPES {
        if of.child(ns::VCARD, flag).is_some() {
            types.append(new("text").with_text(word));
        }
    }
    let mut parameters = new("parameters");
    if types.children().next().is_some() {
        parameters.append(types);
    }
    if of.child(ns::VCARD, "PREF").is_some() {
        parameters.append(new("pref").with_child(new("integer").with_text("1")));
    }
    if parameters.children().next().is_some() { to.with_child(parameters) } else { to }
}

/// The card in the format of vcard-temp that says what a vCard4 says.
pub fn to_temp(card: ElementRef<'_>) -> Element {
    let mut vcard = old("vCard");
    for child in card.children().filter(|child| child.ns() == ns::VCARD4) {
        let plain = PLAIN.iter().find(|(_, name, _)| *name == child.name());
        if let Some((name, ..)) = plain {
            append_old(&mut vcard, name, &value(child));
            continue;
        }
        match child.name() {
            "n" => vcard.append(old_parts(child, old("N"), &NAME)),
            "adr" => vcard.append(old_parts(child, old_types(child, old("ADR")), &ADDRESS)),
            "org" => {
                let texts = child.children().filter(|text| text.is(ns::VCARD4, "text"));
                let named = texts.zip(std::iter::once("ORGNAME").chain(std::iter::repeat("ORGUNIT")));
                let said = named.map(|(text, name)| (name, text.text().trim().to_owned()));
                let org = said.filter(|(_, text)| !text.is_empty());
                let org =
                    org.fold(old("ORG"), |org, (name, text)| org.with_child(old(name).with_text(&text)));
                if org.children().next().is_some() {
                    vcard.append(org);
                }
            }
            "email" => {
                let user = old("USERID").with_text(&value(child));
                vcard.append(old_types(child, old("EMAIL").with_child(old("INTERNET"))).with_child(user));
            }
            "tel" => {
                let number = value(child);
                let number = old("NUMBER").with_text(number.strip_prefix("tel:").unwrap_or(&number));
                vcard.append(old_types(child, old("TEL")).with_child(number));
            }
            "impp" => {
                if let Some(address) = value(child).strip_prefix("xmpp:") {
                    append_old(&mut vcard, "JABBERID", address);
                }
            }
            _ => {}
        }
    }
    vcard
}

fn append_old(vcard: &mut Element, name: &str, value: &str) {
    if !value.is_empty() {
        vcard.append(old(name).with_text(value));
    }
}

/// The value of a property, of whatever type: what is not its parameters.
fn value(property: ElementRef<'_>) -> String {
    let value = property.children().find(|child| child.name() != "parameters");
    value.map_or_else(String::new, |value| value.text().trim().to_owned())
}

fn old_parts(of: ElementRef<'_>, to: Element, names: &[(&str, &str)]) -> Element {
    names.iter().fold(to, |to, (name, from)| match text_of(of, ns::VCARD4, from) {
        text if text.is_empty() => to,
        text => to.with_child(old(name).with_text(&text)),
    })
}

fn old_types(of: ElementRef<'_>, mut to: Element) -> Element {
    let Some(parameters) = of.child(ns::VCARD4, "parameters") else {
        return to;
    };
    let words: Vec<String> = parameters
        .child(ns::VCARD4, "type")
        .map(|types| types.children().map(|text| text.text().trim().to_lowercase()).collect())
        .unwrap_or_default();
    for (flag, word) in TYPES {
        if words.iter().any(|said| said == word) {
            to.append(old(flag));
        }
    }
    if parameters.child(ns::VCARD4, "pref").is_some() {
        to.append(old("PREF"));
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMP: &str = "<vCard xmlns='vcard-temp'><FN>Peter Saint-Andre</FN>\
        <N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN></N><NICKNAME>stpeter</NICKNAME><NICKNAME>psa</NICKNAME>\
        <BDAY>1966-08-06</BDAY>\
        <ADR><WORK/><PREF/><EXTADD>Suite 600</EXTADD><STREET>1899 Wynkoop Street</STREET><LOCALITY>Denver</LOCALITY>\
        <REGION>CO</REGION><PCODE>80202</PCODE><CTRY>USA</CTRY></ADR>\
        <TEL><WORK/><VOICE/><PREF/><NUMBER>+1-303-308-3282</NUMBER></TEL>\
        <EMAIL><INTERNET/><WORK/><USERID>psaintan@cisco.com</USERID></EMAIL>\
        <JABBERID>stpeter@jabber.org</JABBERID><ORG><ORGNAME>XSF</ORGNAME><ORGUNIT>Council</ORGUNIT></ORG>\
        <URL>https://stpeter.im/</URL>\
        <DESC>More about me</DESC></vCard>";

    const FOUR: &str = "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Peter Saint-Andre</text></fn>\
        <n><surname>Saint-Andre</surname><given>Peter</given></n>\
        <nickname><text>stpeter</text></nickname><nickname><text>psa</text></nickname>\
        <bday><date>1966-08-06</date></bday>\
        <adr><parameters><type><text>work</text></type><pref><integer>1</integer></pref></parameters><ext>Suite 600</ext>\
        <street>1899 Wynkoop Street</street><locality>Denver</locality><region>CO</region><code>80202</code>\
        <country>USA</country></adr>\
        <tel><parameters><type><text>work</text><text>voice</text></type><pref><integer>1</integer></pref></parameters>\
        <uri>tel:+1-303-308-3282</uri></tel>\
        <email><parameters><type><text>work</text></type></parameters><text>psaintan@cisco.com</text></email>\
        <impp><uri>xmpp:stpeter@jabber.org</uri></impp><org><text>XSF</text><text>Council</text></org>\
        <url><uri>https://stpeter.im/</uri></url>\
        <note><text>More about me</text></note></vcard>";

    /// XEP-0292 section 7, with the example of section 8.
    #[test]
    fn each_format_says_what_the_other_says() {
        let (temp, four) = (Element::parse(TEMP).unwrap(), Element::parse(FOUR).unwrap());
        assert_eq!(from_temp(temp.root()).to_xml(), four.to_xml());
        assert_eq!(to_temp(four.root()).to_xml(), temp.to_xml());
    }

    #[test]
    fn what_has_no_place_is_left_out() {
        let odd = "<vCard xmlns='vcard-temp'><TEL><HOME/><NUMBER/></TEL><PHOTO><BINVAL>YWJj</BINVAL></PHOTO>\
            <CLASS><PRIVATE/></CLASS><JABBERID/><x xmlns='urn:x'/></vCard>";
        let odd = Element::parse(odd).unwrap();
        assert_eq!(from_temp(odd.root()).children().count(), 0);
        let gender = "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><gender><sex><text>M</text></sex></gender></vcard>";
        assert_eq!(to_temp(Element::parse(gender).unwrap().root()).children().count(), 0);
    }
}
