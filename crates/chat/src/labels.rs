//! What a message is found by beside its words: which message it is about, whom it mentions, what it holds. Derived from the
//! stanza in this place only.

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::ElementRef;

use crate::mentions::mentioned;

/// How many labels a message has at most; further ones are left out.
pub const LABELS_LIMIT: usize = 64;

/// How many bytes a label has at most; a longer one is left out.
pub const LABEL_BYTES_LIMIT: usize = 1_024;

/// What a message does to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Puts other content in its place (XEP-0308).
    Corrects,
    /// Takes it back (XEP-0424), or has it taken back by a moderator (XEP-0425).
    Retracts,
    /// Reacts to it (XEP-0444).
    Reacts,
}

/// The label of messages that change or answer the one with this id.
pub fn about(id: &str) -> String {
    format!("about {id}")
}

/// The label of messages in the thread that began with the one of this id (RFC 6121 section 5.2.5).
pub fn thread(id: &str) -> String {
    format!("thread {id}")
}

/// The label of messages that mention somebody, or everybody in a room (XEP-0372).
pub fn mentions(address: &str) -> String {
    format!("mentions {address}")
}

/// The label of messages that hold something of a kind: `file`, `image`, `link` or `poll`.
pub fn has(kind: &str) -> String {
    format!("has {kind}")
}

/// What a message does to another one, and to which.
pub fn deed(message: &Stanza) -> Option<(Deed, &str)> {
    let named = |ns, name| message.child(ns, name).and_then(|child| child.attr("id"));
    if let Some(id) = named(ns::RETRACTION, "retract") {
        return Some((Deed::Retracts, id));
    }
    if let Some(id) = named(ns::CORRECTION, "replace") {
        return Some((Deed::Corrects, id));
    }
    named(ns::REACTIONS, "reactions").map(|id| (Deed::Reacts, id))
}

/// Whether a message says something of its own, and is not only about another one.
pub fn says_something(message: &Stanza) -> bool {
    deed(message).is_none()
        && (message.child(ns::CLIENT, "body").is_some()
            || message.child(ns::RETRACTION, "retracted").is_some())
}

/// All labels of a message. Nearly all messages have none, so one look at each of their children has to suffice.
pub fn of(message: &Stanza) -> Vec<String> {
    let mut labels = Vec::new();
    for child in message.children() {
        match (child.ns(), child.name()) {
            (ns::CLIENT, "body") if child.text().as_bytes().windows(3).any(|three| three == b"://") => {
                labels.push(has("link"));
            }
            (ns::CLIENT, "thread") => labels.push(thread(&child.text())),
            (ns::RETRACTION, "retract") | (ns::CORRECTION, "replace") | (ns::REACTIONS, "reactions") => {
                labels.extend(child.attr("id").map(about));
            }
            (ns::REFERENCE, _) => labels.extend(mentioned(child).map(|address| mentions(bare(address)))),
            (ns::OOB, _) | (ns::FILE_SHARING, _) | (ns::JSON_MESSAGE, _) => labels.extend(held(child)),
            _ => {}
        }
    }
    if !labels.is_empty() {
        labels.retain(|label| label.len() <= LABEL_BYTES_LIMIT && !label.contains('\n'));
        labels.sort_unstable();
        labels.dedup();
        labels.truncate(LABELS_LIMIT);
    }
    labels
}

fn held(child: ElementRef<'_>) -> Vec<String> {
    if child.is(ns::OOB, "x") {
        return vec![has("file")];
    }
    if child.is(ns::FILE_SHARING, "file-sharing") {
        let kind = child
            .child(ns::FILE_METADATA, "file")
            .and_then(|file| file.child(ns::FILE_METADATA, "media-type"))
            .map(|kind| kind.text().into_owned());
        let image = kind.is_some_and(|kind| kind.starts_with("image/")).then(|| has("image"));
        return std::iter::once(has("file")).chain(image).collect();
    }
    if child.is(ns::JSON_MESSAGE, "payload") && child.attr("datatype") == Some(ns::POLL) {
        return vec![has("poll")];
    }
    Vec::new()
}

/// The bare form of an address in a reference.
fn bare(address: &str) -> &str {
    address.split('/').next().unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_xmpp::xml::Element;

    fn message(content: &str) -> Stanza {
        let xml = format!("<message xmlns='jabber:client'>{content}</message>");
        Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza")
    }

    #[test]
    fn a_message_is_found_by_what_it_is_about() {
        for (content, wanted) in [
            ("<body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='a'/>", Deed::Corrects),
            ("<retract xmlns='urn:xmpp:message-retract:1' id='a'/>", Deed::Retracts),
            (
                "<reactions xmlns='urn:xmpp:reactions:0' id='a'><reaction>👍</reaction></reactions>",
                Deed::Reacts,
            ),
        ] {
            let message = message(content);
            assert_eq!(deed(&message), Some((wanted, "a")));
            assert_eq!(of(&message), ["about a"]);
            assert!(!says_something(&message));
        }
        assert!(says_something(&message("<body>x</body>")));
    }

    #[test]
    fn what_it_holds_and_whom_it_mentions() {
        let file = "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>\
                    <media-type>image/png</media-type></file></file-sharing>";
        assert_eq!(of(&message(file)), ["has file", "has image"]);
        let mention = "<body>see https://example.org @juliet</body><thread>t1</thread>\
                       <reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:juliet@capulet.lit/balcony'/>";
        assert_eq!(of(&message(mention)), ["has link", "mentions juliet@capulet.lit", "thread t1"]);
        let long = format!("<thread>{}</thread>", "x".repeat(LABEL_BYTES_LIMIT));
        assert!(of(&message(&long)).is_empty());
    }
}
