//! What a message asks for by what it contains: whether it is kept, waits for someone offline, or is copied to the
//! account's other sessions (XEP-0160, 0280, 0313, 0334).

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Stanza};

/// How long a message lives beyond its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Delivered now or not at all.
    Nowhere,
    /// Waits for someone offline, and is gone once delivered.
    UntilDelivered,
    /// Archived.
    Archive,
}

/// Namespaces whose elements make a message worth keeping without a body: they change or answer what was said.
const LASTING: &[&str] = &[
    ns::RECEIPTS,
    ns::CHAT_MARKERS,
    ns::REACTIONS,
    ns::RETRACTION,
    ns::CORRECTION,
    ns::FASTENING,
    ns::ENCRYPTION,
    ns::OMEMO,
    ns::OMEMO_LEGACY,
    ns::OPENPGP,
    ns::OOB,
    ns::ROOM_INVITATION,
    ns::CALL_INVITATION,
];

/// Payloads typical of instant messaging, which make a message eligible for carbons whatever its type
/// (XEP-0280 section 6.1).
const CONVERSATIONAL: &[&str] = &[ns::RECEIPTS, ns::CHAT_STATES, ns::CHAT_MARKERS, ns::ROOM_INVITATION];

/// Reads the kind, body and hints of a message.
pub fn keeping(message: &Stanza) -> Keeping {
    if matches!(message.kind, Kind::Message(MessageType::Chat | MessageType::Normal)) {
        by_content(message)
    } else {
        Keeping::Nowhere
    }
}

/// The same for what is said in a room: it is archived there or nowhere, as it waits for nobody in particular.
pub fn keeping_in_room(message: &Stanza) -> Keeping {
    match by_content(message) {
        Keeping::Archive => Keeping::Archive,
        Keeping::UntilDelivered | Keeping::Nowhere => Keeping::Nowhere,
    }
}

fn by_content(message: &Stanza) -> Keeping {
    let hint = |name| message.child(ns::HINTS, name).is_some();
    if hint("no-store") || hint("no-storage") {
        Keeping::Nowhere
    } else if hint("no-permanent-store") || hint("no-permanent-storage") {
        Keeping::UntilDelivered
    } else if hint("store") || message.children().any(|child| is_lasting(child.ns(), child.name())) {
        Keeping::Archive
    } else {
        Keeping::Nowhere
    }
}

fn is_lasting(namespace: &str, name: &str) -> bool {
    if namespace == ns::CLIENT || namespace == ns::SERVER {
        return matches!(name, "body" | "subject");
    }
    // A request for a receipt or a marker says nothing by itself.
    let is_request = (namespace == ns::RECEIPTS && name == "request")
        || (namespace == ns::CHAT_MARKERS && name == "markable");
    !is_request && LASTING.contains(&namespace)
}

/// Whether the account's other sessions get a copy (XEP-0280 sections 6.1 and 9, XEP-0334 section 4.3).
pub fn copied(message: &Stanza) -> bool {
    let Kind::Message(kind) = message.kind else {
        return false;
    };
    if kind == MessageType::Groupchat || kind == MessageType::Headline {
        return false;
    }
    if message.child(ns::CARBONS, "private").is_some() {
        return false;
    }
    if kind != MessageType::Error && message.child(ns::HINTS, "no-copy").is_some() {
        return false;
    }
    let conversational = message.children().any(|child| {
        child.name() == "body" && matches!(child.ns(), ns::CLIENT | ns::SERVER)
            || CONVERSATIONAL.contains(&child.ns())
            || (child.is(ns::MUC_USER, "x") && child.child(ns::MUC_USER, "invite").is_some())
    });
    match kind {
        // A private message from an occupant of a room is sent by the room to each client itself.
        MessageType::Chat => true,
        _ => conversational,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_xmpp::xml::Element;

    fn message(xml: &str) -> Stanza {
        Stanza::from_element(Element::parse(xml).unwrap()).unwrap()
    }

    fn with(kind: &str, content: &str) -> Stanza {
        message(&format!("<message xmlns='jabber:client' type='{kind}'>{content}</message>"))
    }

    /// XEP-0313 section 6.1.1 and XEP-0334 section 4.
    #[test]
    fn keeps_what_was_said_and_what_answers_it() {
        let hint = |name: &str| format!("<body>hi</body><{name} xmlns='urn:xmpp:hints'/>");
        for (kind, content, expected) in [
            ("chat", "<body>hi</body>".to_owned(), Keeping::Archive),
            ("normal", "<subject>hi</subject>".to_owned(), Keeping::Archive),
            ("headline", "<body>hi</body>".to_owned(), Keeping::Nowhere),
            ("groupchat", "<body>hi</body>".to_owned(), Keeping::Nowhere),
            ("error", "<body>hi</body>".to_owned(), Keeping::Nowhere),
            ("chat", hint("no-store"), Keeping::Nowhere),
            ("chat", hint("no-permanent-store"), Keeping::UntilDelivered),
            ("chat", "<store xmlns='urn:xmpp:hints'/>".to_owned(), Keeping::Archive),
            (
                "chat",
                "<composing xmlns='http://jabber.org/protocol/chatstates'/>".to_owned(),
                Keeping::Nowhere,
            ),
            ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>".to_owned(), Keeping::Archive),
            ("chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>".to_owned(), Keeping::Archive),
            ("chat", "<markable xmlns='urn:xmpp:chat-markers:0'/>".to_owned(), Keeping::Nowhere),
        ] {
            assert_eq!(keeping(&with(kind, &content)), expected, "{kind} {content}");
        }
    }

    /// XEP-0280 section 6.1.
    #[test]
    fn copies_conversations() {
        for (kind, content, expected) in [
            ("chat", "", true),
            ("normal", "<body>hi</body>", true),
            ("normal", "<subject>hi</subject>", false),
            ("normal", "<received xmlns='urn:xmpp:receipts' id='1'/>", true),
            ("headline", "<body>hi</body>", false),
            ("groupchat", "<body>hi</body>", false),
            ("chat", "<private xmlns='urn:xmpp:carbons:2'/>", false),
            ("chat", "<no-copy xmlns='urn:xmpp:hints'/>", false),
            ("error", "<body>hi</body>", true),
        ] {
            assert_eq!(copied(&with(kind, content)), expected, "{kind} {content}");
        }
    }
}
