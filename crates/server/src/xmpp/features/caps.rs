//! Entity capabilities (XEP-0115, XEP-0390): the server's service discovery as hashes in its stream features, so that a
//! client that knows them need not ask.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Advertised, At, Feature, Spec, disco};
use crate::xmpp::config::Config;

/// XEP-0115 and XEP-0390.
pub const FEATURE: Feature = Feature {
    name: "entity capabilities",
    summary: "Announces a hash of what the server offers, so that clients need not ask again.",
    specs: &[
        Spec {
            name: "XEP-0115",
            version: "1.6.0",
            note: "The server's own; presence is passed on as it is.",
        },
        Spec { name: "XEP-0390", version: "0.3.2", note: "The server's own, with SHA-256." },
        Spec { name: "XEP-0300", version: "1.0.0", note: "SHA-256 only." },
    ],
    advertises: &[
        Advertised { at: At::Server, var: ns::CAPS },
        Advertised { at: At::Server, var: ns::CAPS2 },
    ],
    ..Feature::EMPTY
};

/// Names this software in XEP-0115 hashes. It has to be a URI that nobody else uses; this one depends on no domain.
const SOFTWARE: &str = "urn:uuid:5c2f9a8e-7d14-4c3b-9e0a-1f6b8d27c4e3";

const CAPS2_PREFIX: &str = "urn:xmpp:caps#sha-256.";

/// How many announcements are remembered. XEP-0390 section 6.1 wants the latest three answered.
const REMEMBERED: usize = 8;

/// What was announced, the latest last: two nodes that name it, and what it was.
static ANNOUNCED: Mutex<VecDeque<([String; 2], Element)>> = Mutex::new(VecDeque::new());

/// The elements for the server's stream features (XEP-0115 section 6.2, XEP-0390 section 5.2). What they name can be
/// asked for from now on, also by clients that were told before the configuration changed.
pub fn stream_features(config: &Config) -> [Element; 2] {
    let info = disco::server_info(config);
    remember(&info);
    let c = Element::new(ns::CAPS, "c")
        .with_attr("hash", "sha-1")
        .with_attr("node", SOFTWARE)
        .with_attr("ver", &verification_string(&info));
    let hash = Element::new(ns::HASHES, "hash").with_attr("algo", "sha-256").with_text(&hash(&info));
    [c, Element::new(ns::CAPS2, "c").with_child(hash)]
}

/// What a node of service discovery names: `node#ver` (XEP-0115 section 6.1) or a capability hash node (XEP-0390
/// section 4.3), as it was announced.
pub fn announced(node: &str) -> Option<Element> {
    let announced = ANNOUNCED.lock().unwrap_or_else(PoisonError::into_inner);
    let found = announced.iter().find(|(nodes, _)| nodes.iter().any(|known| known == node));
    found.map(|(_, info)| info.clone())
}

fn remember(info: &Element) {
    let nodes =
        [format!("{SOFTWARE}#{}", verification_string(info)), format!("{CAPS2_PREFIX}{}", hash(info))];
    let mut announced = ANNOUNCED.lock().unwrap_or_else(PoisonError::into_inner);
    announced.retain(|(known, _)| *known != nodes);
    announced.push_back((nodes, info.clone()));
    if announced.len() > REMEMBERED {
        announced.pop_front();
    }
}

/// XEP-0115 section 5.1, with SHA-1.
pub(super) fn verification_string(info: &Element) -> String {
    BASE64.encode(Sha1::digest(verified(info).as_bytes()))
}

/// XEP-0115 section 5.1, with SHA-256.
pub(super) fn verification_string_sha256(info: &Element) -> String {
    BASE64.encode(Sha256::digest(verified(info).as_bytes()))
}

/// What is hashed. Sorting bytes is the collation "i;octet".
fn verified(info: &Element) -> String {
    let mut s = String::new();
    let mut push = |text: &str| {
        s.push_str(text);
        s.push('<');
    };
    let mut identities: Vec<String> = identities(info).map(|identity| identity.join("/")).collect();
    identities.sort_unstable();
    identities.iter().for_each(|identity| push(identity));
    let mut features: Vec<&str> = features(info).collect();
    features.sort_unstable();
    features.into_iter().for_each(&mut push);
    let mut forms: Vec<(String, Vec<Field>)> = forms(info).filter_map(typed).collect();
    forms.sort_unstable();
    for (form_type, mut fields) in forms {
        push(&form_type);
        fields.sort_unstable();
        for (var, mut values) in fields {
            push(&var);
            values.sort_unstable();
            values.iter().for_each(|value| push(value));
        }
    }
    s
}

/// XEP-0390 section 4.1, hashed with SHA-256.
pub(super) fn hash(info: &Element) -> String {
    let features = joined(features(info).map(|var| ended(var, 0x1f)), 0x1c);
    let identities = joined(
        identities(info).map(|identity| {
            let mut all: Vec<u8> = identity.iter().flat_map(|part| ended(part, 0x1f)).collect();
            all.push(0x1e);
            all
        }),
        0x1c,
    );
    let form = |fields: Vec<Field>| {
        let fields = fields.into_iter().map(|(var, values)| {
            let mut field = ended(&var, 0x1f);
            field.extend(joined(values.iter().map(|value| ended(value, 0x1f)), 0x1e));
            field
        });
        joined(fields, 0x1d)
    };
    let forms = joined(forms(info).map(form), 0x1c);
    BASE64.encode(Sha256::digest([features, identities, forms].concat()))
}

fn ended(text: &str, separator: u8) -> Vec<u8> {
    let mut octets = text.as_bytes().to_vec();
    octets.push(separator);
    octets
}

/// The octet strings from lesser to greater, and the separator that ends them.
fn joined(strings: impl Iterator<Item = Vec<u8>>, separator: u8) -> Vec<u8> {
    let mut strings: Vec<Vec<u8>> = strings.collect();
    strings.sort_unstable();
    strings.push(vec![separator]);
    strings.concat()
}

/// Category, type, language and name of each identity.
fn identities(info: &Element) -> impl Iterator<Item = [String; 4]> {
    info.children().filter(|child| child.is(ns::DISCO_INFO, "identity")).map(|identity| {
        [
            identity.attr("category"),
            identity.attr("type"),
            identity.attr_ns(ns::XML, "lang"),
            identity.attr("name"),
        ]
        .map(|part| part.unwrap_or_default().to_owned())
    })
}

fn features(info: &Element) -> impl Iterator<Item = &str> {
    info.children()
        .filter(|child| child.is(ns::DISCO_INFO, "feature"))
        .filter_map(|feature| feature.attr("var"))
}

type Field = (String, Vec<String>);

fn forms(info: &Element) -> impl Iterator<Item = Vec<Field>> {
    info.children().filter(|child| child.is(ns::DATA_FORMS, "x")).map(|form| {
        let fields = form.children().filter(|child| child.is(ns::DATA_FORMS, "field"));
        fields.map(field).collect()
    })
}

fn field(field: ElementRef<'_>) -> Field {
    let values = field.children().filter(|child| child.is(ns::DATA_FORMS, "value"));
    let var = field.attr("var").unwrap_or_default().to_owned();
    (var, values.map(|value| value.text().into_owned()).collect())
}

/// The type of a form and its other fields.
fn typed(mut fields: Vec<Field>) -> Option<(String, Vec<Field>)> {
    let at = fields.iter().position(|(var, _)| var == "FORM_TYPE")?;
    let (_, values) = fields.remove(at);
    Some((values.into_iter().next()?, fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(content: &str) -> Element {
        Element::parse(&format!("<query xmlns='http://jabber.org/protocol/disco#info'>{content}</query>"))
            .unwrap()
    }

    fn vars(vars: &[&str]) -> String {
        vars.iter().map(|var| format!("<feature var='{var}'/>")).collect()
    }

    /// XEP-0115 section 5.2.
    #[test]
    fn the_simple_example_of_0115() {
        let features = vars(&[
            "http://jabber.org/protocol/disco#items",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/caps",
            "http://jabber.org/protocol/muc",
        ]);
        let info = info(&format!("<identity category='client' type='pc' name='Exodus 0.9.1'/>{features}"));
        assert_eq!(verification_string(&info), "QgayPKawpkPSDYmwT/WM94uAlu0=");
    }

    /// XEP-0115 section 5.3.
    #[test]
    fn the_complex_example_of_0115() {
        let features = vars(&[
            "http://jabber.org/protocol/caps",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/disco#items",
            "http://jabber.org/protocol/muc",
        ]);
        let info = info(&format!(
            "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>\
             <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>{features}\
             <x xmlns='jabber:x:data' type='result'>\
             <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>\
             <field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>\
             <field var='os'><value>Mac</value></field>\
             <field var='os_version'><value>10.5.1</value></field>\
             <field var='software'><value>Psi</value></field>\
             <field var='software_version'><value>0.11</value></field></x>"
        ));
        assert_eq!(verification_string(&info), "q07IKJEyjvHSyhy//CH0CxmKi8w=");
    }

    /// XEP-0390 section 4.5.1.
    #[test]
    fn the_simple_example_of_0390() {
        let features = vars(&[
            "http://jabber.org/protocol/si",
            "http://jabber.org/protocol/bytestreams",
            "http://jabber.org/protocol/chatstates",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/disco#items",
            "urn:xmpp:ping",
            "jabber:iq:time",
            "jabber:iq:privacy",
            "jabber:iq:version",
            "http://jabber.org/protocol/rosterx",
            "urn:xmpp:time",
            "jabber:x:oob",
            "http://jabber.org/protocol/ibb",
            "http://jabber.org/protocol/si/profile/file-transfer",
            "urn:xmpp:receipts",
            "jabber:iq:roster",
            "jabber:iq:last",
        ]);
        let info = info(&format!("<identity category='client' name='BombusMod' type='mobile'/>{features}"));
        assert_eq!(hash(&info), "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=");
    }

    /// XEP-0390 section 4.5.2.
    #[test]
    fn the_complex_example_of_0390() {
        let features = vars(COMPLEX);
        let info = info(&format!(
            "<identity category='client' name='Tkabber' type='pc' xml:lang='en'/>\
             <identity category='client' name='Ткаббер' type='pc' xml:lang='ru'/>{features}\
             <x xmlns='jabber:x:data' type='result'>\
             <field type='hidden' var='FORM_TYPE'><value>urn:xmpp:dataforms:softwareinfo</value></field>\
             <field var='software'><value>Tkabber</value></field>\
             <field var='software_version'><value>0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)</value></field>\
             <field var='os'><value>Windows</value></field>\
             <field var='os_version'><value>XP</value></field></x>"
        ));
        assert_eq!(hash(&info), "u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY=");
    }

    const COMPLEX: &[&str] = &[
        "games:board",
        "http://jabber.org/protocol/activity",
        "http://jabber.org/protocol/activity+notify",
        "http://jabber.org/protocol/bytestreams",
        "http://jabber.org/protocol/chatstates",
        "http://jabber.org/protocol/commands",
        "http://jabber.org/protocol/disco#info",
        "http://jabber.org/protocol/disco#items",
        "http://jabber.org/protocol/evil",
        "http://jabber.org/protocol/feature-neg",
        "http://jabber.org/protocol/geoloc",
        "http://jabber.org/protocol/geoloc+notify",
        "http://jabber.org/protocol/ibb",
        "http://jabber.org/protocol/iqibb",
        "http://jabber.org/protocol/mood",
        "http://jabber.org/protocol/mood+notify",
        "http://jabber.org/protocol/rosterx",
        "http://jabber.org/protocol/si",
        "http://jabber.org/protocol/si/profile/file-transfer",
        "http://jabber.org/protocol/tune",
        "http://www.facebook.com/xmpp/messages",
        "http://www.xmpp.org/extensions/xep-0084.html#ns-metadata+notify",
        "jabber:iq:avatar",
        "jabber:iq:browse",
        "jabber:iq:dtcp",
        "jabber:iq:filexfer",
        "jabber:iq:ibb",
        "jabber:iq:inband",
        "jabber:iq:jidlink",
        "jabber:iq:last",
        "jabber:iq:oob",
        "jabber:iq:privacy",
        "jabber:iq:roster",
        "jabber:iq:time",
        "jabber:iq:version",
        "jabber:x:data",
        "jabber:x:event",
        "jabber:x:oob",
        "urn:xmpp:avatar:metadata+notify",
        "urn:xmpp:ping",
        "urn:xmpp:receipts",
        "urn:xmpp:time",
    ];

    /// XEP-0115 section 6.1, XEP-0390 sections 5.5 and 6.1: what was announced can be asked for, also afterwards.
    #[test]
    fn announced_hashes_are_nodes() {
        let config = Config::default();
        let [c, c2] = stream_features(&config);
        let nodes = [
            format!("{SOFTWARE}#{}", c.attr("ver").unwrap()),
            format!("urn:xmpp:caps#sha-256.{}", c2.child(ns::HASHES, "hash").unwrap().text()),
        ];
        let mut later = Config::default();
        later.contact.admin.push("mailto:admin@localhost".to_owned());
        let [changed, _] = stream_features(&later);
        assert_ne!(changed, c);
        for node in nodes {
            assert_eq!(announced(&node), Some(disco::server_info(&config)), "{node}");
            assert_eq!(announced(&format!("{node}x")), None);
        }
        assert_eq!(announced("urn:xmpp:caps#sha-256."), None);
    }
}
