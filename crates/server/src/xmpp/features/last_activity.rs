//! Last activity (XEP-0012): since when someone is away, and how long the server has been running.

use waxwing_chat::Chat;
use waxwing_xmpp::error::StanzaError;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Kind, Stanza};
use waxwing_xmpp::xml::Element;

use super::{Advertised, At, Feature, Handler, Reply, Request, Spec, Target};
use crate::xmpp::error::stanza_error;

/// XEP-0012.
pub const FEATURE: Feature = Feature {
    name: "last activity",
    summary: "Tells contacts since when an account is away, and anybody how long the server has been running.",
    specs: &[Spec { name: "XEP-0012", version: "2.0", note: "" }],
    advertises: &[
        Advertised { at: At::Server, var: ns::LAST_ACTIVITY },
        Advertised { at: At::Account, var: ns::LAST_ACTIVITY },
        Advertised { at: At::AccountOfContact, var: ns::LAST_ACTIVITY },
    ],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::LAST_ACTIVITY,
            name: "query",
            targets: &[Target::Server],
            answer: |request| Box::pin(uptime(request)),
        },
        Handler {
            kind: IqType::Get,
            namespace: ns::LAST_ACTIVITY,
            name: "query",
            targets: &[Target::OwnAccount, Target::OtherAccount],
            answer: |request| Box::pin(away(request)),
        },
    ],
    stores: &["When each account's last session ended, and with what status."],
    ..Feature::EMPTY
};

/// Section 5.
async fn uptime(request: Request<'_>) -> Reply {
    Ok(render(request.chat.uptime_ms() / 1000, None).into())
}

/// Section 3. Whoever may not see the account's presence is told nothing, not even whether there is such an account.
async fn away(request: Request<'_>) -> Reply {
    let last = request
        .chat
        .last_activity(request.from, &request.to())
        .await
        .map_err(|error| stanza_error(&error))?;
    Ok(render(last.seconds, last.status.as_deref()).into())
}

/// Section 4: a client is not even asked by someone who may not see its presence.
pub(crate) async fn check_passing(chat: &Chat, from: &Jid, iq: &Stanza) -> Result<(), StanzaError> {
    let asks = iq.kind == Kind::Iq(IqType::Get) && iq.child(ns::LAST_ACTIVITY, "query").is_some();
    match &iq.to {
        Some(to) if asks && chat.is_local(to.domain()) => {
            let told = chat.last_activity(from, &to.to_bare()).await;
            told.map(drop).map_err(|error| stanza_error(&error))
        }
        _ => Ok(()),
    }
}

fn render(seconds: u64, status: Option<&str>) -> Element {
    let query = Element::new(ns::LAST_ACTIVITY, "query").with_attr("seconds", &seconds.to_string());
    match status {
        Some(status) => query.with_text(status),
        None => query,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::House;
    use super::*;

    /// Section 3, the example "Last Activity Response by Server".
    #[test]
    fn tells_seconds_and_status() {
        let expected =
            Element::parse("<query xmlns='jabber:iq:last' seconds='903'>Heading Home</query>").unwrap();
        assert_eq!(render(903, Some("Heading Home")), expected);
    }

    /// Sections 3 and 8.
    #[tokio::test]
    async fn only_contacts_learn_when_someone_was_there() {
        let house = House::of(&["romeo/orchard", "juliet/balcony", "tybalt/street"]).await;
        house.befriend("romeo/orchard", "juliet/balcony").await;
        const ASK: &str = "<query xmlns='jabber:iq:last'/>";
        let here = Element::parse("<query xmlns='jabber:iq:last' seconds='0'/>").unwrap().to_xml();
        assert_eq!(house.ask("romeo/orchard", "get", "juliet@localhost", ASK).await, Ok(here));
        for to in ["juliet@localhost", "nobody@localhost"] {
            let answer = house.ask("tybalt/street", "get", to, ASK).await;
            assert_eq!(answer, Err("forbidden".to_owned()));
        }
        assert!(house.ask("tybalt/street", "get", "localhost", ASK).await.is_ok());
        // Section 4: a connected client is asked on behalf of its contacts only.
        let answer = house.ask("tybalt/street", "get", "juliet@localhost/balcony", ASK).await;
        assert_eq!(answer, Err("forbidden".to_owned()));
        assert!(house.events("juliet/balcony").is_empty());
        assert!(house.answers("romeo/orchard", "get", "juliet@localhost/balcony", ASK).await.is_empty());
        assert_eq!(house.events("juliet/balcony").len(), 1);
    }
}
