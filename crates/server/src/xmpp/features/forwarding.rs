//! Stanza forwarding (XEP-0297): a message inside another, as carbons and the archive send it.

use waxwing_chat::time::timestamp;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::{Feature, Spec};

/// XEP-0297 and XEP-0203.
pub const FEATURE: Feature = Feature {
    name: "stanza forwarding",
    summary: "Wraps messages that are passed on, and says when a delayed one was sent.",
    specs: &[
        Spec { name: "XEP-0297", version: "1.0", note: "" },
        Spec { name: "XEP-0203", version: "2.0", note: "" },
    ],
    ..Feature::EMPTY
};

/// Wraps a message, with the time it was received at if that was not now (section 3.2).
pub fn forwarded(message: Element, received_ms: Option<u64>) -> Element {
    let forwarded = Element::new(ns::FORWARD, "forwarded");
    let forwarded = match received_ms {
        Some(ms) => forwarded.with_child(Element::new(ns::DELAY, "delay").with_attr("stamp", &timestamp(ms))),
        None => forwarded,
    };
    forwarded.with_child(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 3.2: the namespace of the forwarded stanza is preserved.
    #[test]
    fn wraps_a_message() {
        let message = "<message xmlns='jabber:client'><body>Yet I should kill thee</body></message>";
        let expected = format!(
            "<forwarded xmlns='urn:xmpp:forward:0'>\
             <delay xmlns='urn:xmpp:delay' stamp='1970-01-01T00:00:00.000Z'/>{message}</forwarded>"
        );
        let wrapped = forwarded(Element::parse(message).unwrap(), Some(0));
        assert_eq!(wrapped, Element::parse(&expected).unwrap());
    }
}
