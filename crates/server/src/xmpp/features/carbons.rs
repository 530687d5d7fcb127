//! Message carbons (XEP-0280): every client of an account sees both sides of its conversations.

use waxwing_chat::archive::Direction;
use waxwing_chat::event::Delivery;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Kind, MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use super::forwarding::forwarded;
use super::{Advertised, Answer, At, DONE, Feature, Handler, Reply, Request, Spec, Target};

/// XEP-0280.
pub const FEATURE: Feature = Feature {
    name: "message carbons",
    summary: "Copies what one client of an account sends and receives to the account's other clients.",
    specs: &[Spec {
        name: "XEP-0280",
        version: "1.0.1",
        note: "Errors are copied when they hold what makes a message eligible.",
    }],
    advertises: &[
        Advertised { at: At::Server, var: ns::CARBONS },
        Advertised { at: At::Account, var: ns::CARBONS },
    ],
    handles: &[
        own("enable", |request| Box::pin(switch(request, true))),
        own("disable", |request| Box::pin(switch(request, false))),
        others("enable"),
        others("disable"),
    ],
    ..Feature::EMPTY
};

const fn own(name: &'static str, answer: Answer) -> Handler {
    let targets = &[Target::Server, Target::OwnAccount];
    Handler { kind: IqType::Set, namespace: ns::CARBONS, name, targets, answer }
}

/// Sections 4.1 and 5.1: nobody decides on another's copies.
const fn others(name: &'static str) -> Handler {
    Handler {
        kind: IqType::Set,
        namespace: ns::CARBONS,
        name,
        targets: &[Target::OtherAccount],
        answer: |_| Box::pin(async { Err(StanzaError::new(Condition::NotAllowed)) }),
    }
}

/// Section 10.1: asking for what is so already is no error.
async fn switch(request: Request<'_>, on: bool) -> Reply {
    request.session()?.set_carbons(on);
    Ok(DONE)
}

/// The copy of a message for one session (sections 7 and 8).
pub fn render(direction: Direction, delivery: &Delivery, to: &Jid) -> Stanza {
    let message = delivery.stanza.stanza();
    let name = match direction {
        Direction::Incoming => "received",
        Direction::Outgoing => "sent",
    };
    let kind = match message.kind {
        Kind::Message(kind) => kind,
        Kind::Presence(_) | Kind::Iq(_) => MessageType::Normal,
    };
    Stanza::message(kind)
        .with_from(to.to_bare())
        .with_to(to.clone())
        .with_child(Element::new(ns::CARBONS, name).with_child(forwarded(message.to_element(), None)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use waxwing_xmpp::stanza::Outgoing;

    use super::super::testing::House;
    use super::*;

    const MESSAGE: &str = "<message xmlns='jabber:client' from='juliet@capulet.example/balcony' \
        to='romeo@montague.example/garden' type='chat'>\
        <body>What man art thou that, thus bescreen'd in night, so stumblest on my counsel?</body>\
        <thread>0e3141cd80894871a68e6fe6b1ec56fa</thread></message>";

    fn copy(direction: Direction, to: &str) -> Element {
        let message = Stanza::from_element(Element::parse(MESSAGE).unwrap()).unwrap();
        let delivery = Delivery { stanza: Arc::new(Outgoing::new(message)), archived: None };
        render(direction, &delivery, &Jid::new(to).unwrap()).to_element()
    }

    fn expected(name: &str, account: &str, resource: &str) -> Element {
        Element::parse(&format!(
            "<message xmlns='jabber:client' from='{account}' to='{account}/{resource}' type='chat'>\
             <{name} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>{MESSAGE}</forwarded>\
             </{name}></message>"
        ))
        .unwrap()
    }

    /// Section 7, the example "Server sends carbon to Romeo's other clients".
    #[test]
    fn a_received_message_is_wrapped() {
        let copy = copy(Direction::Incoming, "romeo@montague.example/home");
        assert_eq!(copy, expected("received", "romeo@montague.example", "home"));
    }

    /// Section 8.
    #[test]
    fn a_sent_message_is_wrapped() {
        let copy = copy(Direction::Outgoing, "juliet@capulet.example/chamber");
        assert_eq!(copy, expected("sent", "juliet@capulet.example", "chamber"));
    }

    /// Sections 4, 5 and 10.1.
    #[tokio::test]
    async fn carbons_are_switched_as_often_as_one_likes() {
        let house = House::of(&["romeo/garden", "juliet/balcony"]).await;
        for (name, on) in [("enable", true), ("enable", true), ("disable", false), ("disable", false)] {
            let order = format!("<{name} xmlns='urn:xmpp:carbons:2'/>");
            assert_eq!(house.ask("romeo/garden", "set", "", &order).await, Ok(String::new()));
            assert_eq!(house.session("romeo/garden").carbons(), on);
            let others = house.ask("juliet/balcony", "set", "romeo@localhost", &order).await;
            assert_eq!(others, Err("not-allowed".to_owned()));
        }
    }
}
