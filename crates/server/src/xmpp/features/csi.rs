//! Client state indication (XEP-0352): what a client that nobody looks at need not be sent at once.

use waxwing_chat::archive::ArchiveId;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, PresenceType, Stanza};
use waxwing_xmpp::xml::ElementRef;

use super::{Feature, Spec};
use crate::xmpp::live::Sent;

/// XEP-0352.
pub const FEATURE: Feature = Feature {
    name: "client state",
    summary: "Holds back presence and chat states while nobody looks at a client.",
    specs: &[Spec { name: "XEP-0352", version: "1.0.0", note: "" }],
    ..Feature::EMPTY
};

/// How soon an inactive client has to have a stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Urgency {
    /// Now, and before it everything that waits, so that the order stays.
    Now,
    /// Once the client is active again or something urgent comes. A newer one with the same topic takes its place.
    CanWait(Topic),
    /// Not at all.
    Never,
}

/// What a stanza that can wait is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Whose presence or news.
    pub from: Option<Jid>,
    /// The node of the news; empty for presence.
    pub node: String,
}

/// Reads how soon an inactive client has to have a stanza (section 3.1). A copy is
/// as urgent as the message inside.
pub fn urgency(stanza: &Stanza) -> Urgency {
    match stanza.kind {
        Kind::Presence(PresenceType::Available | PresenceType::Unavailable) => of_presence(stanza),
        Kind::Message(MessageType::Headline | MessageType::Normal) if news_node(stanza).is_some() => {
            let node = news_node(stanza).unwrap_or_default().to_owned();
            // A news item that is removed must not take the place of one that is set: both count, so neither waits.
            if retracts(stanza) { Urgency::Now } else { can_wait(stanza, node) }
        }
        Kind::Message(_) if only_chat_state(stanza.element.root()) || copies_chat_state(stanza) => {
            Urgency::Never
        }
        _ => Urgency::Now,
    }
}

fn of_presence(stanza: &Stanza) -> Urgency {
    // What a room says with a presence (one's own entering, being removed, the room's end) is awaited.
    let awaited = stanza.child(ns::MUC_USER, "x").is_some_and(|x| x.child(ns::MUC_USER, "status").is_some());
    if awaited { Urgency::Now } else { can_wait(stanza, String::new()) }
}

fn can_wait(stanza: &Stanza, node: String) -> Urgency {
    Urgency::CanWait(Topic { from: stanza.from.clone(), node })
}

fn news_node(stanza: &Stanza) -> Option<&str> {
    stanza.child(ns::PUBSUB_EVENT, "event")?.child(ns::PUBSUB_EVENT, "items")?.attr("node")
}

fn retracts(stanza: &Stanza) -> bool {
    let items = stanza.child(ns::PUBSUB_EVENT, "event").and_then(|e| e.child(ns::PUBSUB_EVENT, "items"));
    items.is_some_and(|items| items.child(ns::PUBSUB_EVENT, "retract").is_some())
}

/// Section 3.1: a message with nothing in it but a chat state may be dropped. What servers add does not count, nor does
/// the thread it belongs to.
fn only_chat_state(message: ElementRef<'_>) -> bool {
    let mut has_state = false;
    let nothing_else = message.children().all(|child| {
        has_state |= child.ns() == ns::CHAT_STATES;
        let wrapping = matches!(child.ns(), ns::STANZA_ID | ns::HINTS | ns::DELAY)
            || (child.name() == "thread" && matches!(child.ns(), ns::CLIENT | ns::SERVER));
        child.ns() == ns::CHAT_STATES || wrapping
    });
    has_state && nothing_else
}

fn copies_chat_state(stanza: &Stanza) -> bool {
    let copy = stanza.child(ns::CARBONS, "received").or_else(|| stanza.child(ns::CARBONS, "sent"));
    let message = copy
        .and_then(|copy| copy.child(ns::FORWARD, "forwarded"))
        .and_then(|forwarded| forwarded.child(ns::CLIENT, "message"));
    message.is_some_and(only_chat_state)
}

/// What is held back while a client is inactive, in order and bounded. A stream begins active.
#[derive(Debug, Default)]
pub(crate) struct Held {
    inactive: bool,
    waiting: Vec<(Topic, Sent)>,
}

/// How many bytes are held back beside the number that the configuration allows.
const HELD_BYTES_LIMIT: usize = 1 << 20;

impl Held {
    /// Takes something that is on its way to the client. What comes back is to be sent now, in this order: at most
    /// `limit` stanzas are held back, and one more releases them all.
    pub(crate) fn pass(&mut self, sent: Sent, limit: usize) -> Vec<Sent> {
        if !self.inactive {
            return vec![sent];
        }
        match urgency(sent.stanza.stanza()) {
            // Who is not told of a message must be able to read it later.
            Urgency::Never if sent.archived.is_none() => Vec::new(),
            Urgency::Never | Urgency::Now => {
                let mut ready = self.release();
                ready.push(sent);
                ready
            }
            Urgency::CanWait(topic) => {
                self.waiting.retain(|(other, _)| *other != topic);
                self.waiting.push((topic, sent));
                let bytes: usize = self.waiting.iter().map(|(_, sent)| sent.stanza.memory()).sum();
                let full = self.waiting.len() > limit || bytes > HELD_BYTES_LIMIT;
                if full { self.release() } else { Vec::new() }
            }
        }
    }

    /// Notes what the client says of itself. What waited comes back once it is active.
    pub(crate) fn set_active(&mut self, active: bool) -> Vec<Sent> {
        self.inactive = !active;
        if active { self.release() } else { Vec::new() }
    }

    /// Whether the client said that nobody looks.
    pub(crate) fn is_inactive(&self) -> bool {
        self.inactive
    }

    /// The oldest archived message among what waits.
    pub(crate) fn oldest_archived(&self) -> Option<ArchiveId> {
        self.waiting.iter().filter_map(|(_, sent)| sent.archived).min()
    }

    fn release(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, sent)| sent).collect()
    }
}

#[cfg(test)]
mod tests {
    use waxwing_xmpp::xml::Element;

    use super::*;

    fn of(xml: &str) -> Urgency {
        let (name, rest) = xml[1..].split_at(xml.find([' ', '>', '/']).unwrap() - 1);
        let xml = format!("<{name} xmlns='jabber:client' from='romeo@montague.lit/orchard'{rest}");
        urgency(&Stanza::from_element(Element::parse(&xml).unwrap()).unwrap())
    }

    fn topic(node: &str) -> Topic {
        Topic { from: Some(Jid::new("romeo@montague.lit/orchard").unwrap()), node: node.to_owned() }
    }

    /// Section 3.1.
    #[test]
    fn presence_waits_and_chat_states_are_dropped() {
        let state = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
        assert_eq!(of("<presence/>"), Urgency::CanWait(topic("")));
        assert_eq!(of("<presence type='unavailable'/>"), Urgency::CanWait(topic("")));
        assert_eq!(of(&format!("<message type='chat'>{state}</message>")), Urgency::Never);
        let with_thread = format!("<message type='chat'>{state}<thread>1</thread></message>");
        assert_eq!(of(&with_thread), Urgency::Never);
    }

    #[test]
    fn what_somebody_says_or_asks_does_not_wait() {
        let state = "<active xmlns='http://jabber.org/protocol/chatstates'/>";
        assert_eq!(of(&format!("<message type='chat'><body>hi</body>{state}</message>")), Urgency::Now);
        assert_eq!(of("<message type='chat'><encrypted xmlns='urn:xmpp:omemo:2'/></message>"), Urgency::Now);
        assert_eq!(of("<message/>"), Urgency::Now);
        assert_eq!(of("<presence type='subscribe'/>"), Urgency::Now);
        assert_eq!(of("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"), Urgency::Now);
        let entered = "<x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x>";
        assert_eq!(of(&format!("<presence>{entered}</presence>")), Urgency::Now);
    }

    #[test]
    fn the_latest_news_of_a_node_waits() {
        let news = |content: &str| {
            of(&format!(
                "<message type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'>\
                 <items node='urn:x'>{content}</items></event></message>"
            ))
        };
        assert_eq!(news("<item/>"), Urgency::CanWait(topic("urn:x")));
        assert_eq!(news("<retract id='1'/>"), Urgency::Now);
    }

    fn sent(xml: &str) -> Sent {
        Stanza::from_element(Element::parse(xml).unwrap()).unwrap().into()
    }

    fn presence(id: u32) -> Sent {
        sent(&format!("<presence xmlns='jabber:client' from='a{id}@b.lit/c' id='{id}'/>"))
    }

    fn message() -> Sent {
        sent("<message xmlns='jabber:client' id='m'><body>hi</body></message>")
    }

    fn ids(sent: &[Sent]) -> Vec<String> {
        sent.iter().map(|sent| sent.stanza.stanza().id.as_deref().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn an_active_client_gets_everything_at_once() {
        let mut held = Held::default();
        assert_eq!(ids(&held.pass(presence(1), 10)), ["1"]);
    }

    #[test]
    fn order_stays_and_the_newest_of_a_topic_is_sent() {
        let mut held = Held::default();
        assert!(held.set_active(false).is_empty());
        for id in [1, 2, 1] {
            assert!(held.pass(presence(id), 10).is_empty());
        }
        assert_eq!(ids(&held.pass(message(), 10)), ["2", "1", "m"]);
        assert!(held.set_active(true).is_empty());
    }

    /// Section 4: everything that waits is sent before the next request is dealt with.
    #[test]
    fn what_waits_is_released_when_somebody_looks() {
        let mut held = Held::default();
        held.set_active(false);
        held.pass(presence(1), 10);
        assert_eq!(ids(&held.set_active(true)), ["1"]);
        assert!(!held.is_inactive());
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut held = Held::default();
        held.set_active(false);
        assert!(held.pass(presence(1), 2).is_empty());
        assert!(held.pass(presence(2), 2).is_empty());
        assert_eq!(ids(&held.pass(presence(3), 2)), ["1", "2", "3"]);
    }
}
