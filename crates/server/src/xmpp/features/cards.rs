//! Cards (XEP-0054): what accounts say about themselves, for whoever may read it, connected or not.

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;

use super::{Advertised, At, DONE, Feature, Handler, Reply, Request, Spec, Target};
use crate::xmpp::error::stanza_error;

/// XEP-0054 and XEP-0153.
pub const FEATURE: Feature = Feature {
    name: "cards",
    summary: "Keeps what accounts say about themselves, and shows it to others.",
    specs: &[
        Spec { name: "XEP-0054", version: "1.3.0", note: "" },
        Spec {
            name: "XEP-0153",
            version: "1.1.1",
            note: "The server puts the hash into presence (XEP-0398 section 4).",
        },
    ],
    advertises: &[
        Advertised { at: At::Server, var: ns::VCARD },
        Advertised { at: At::Account, var: ns::VCARD },
        Advertised { at: At::AccountOfContact, var: ns::VCARD },
    ],
    handles: &[
        handler(IqType::Get, Target::OwnAccount, |request| Box::pin(own(request))),
        handler(IqType::Set, Target::OwnAccount, |request| Box::pin(set(request))),
        handler(IqType::Get, Target::OtherAccount, |request| Box::pin(other(request))),
        handler(IqType::Set, Target::OtherAccount, |_| {
            // Section 3.2.
            Box::pin(async { Err(StanzaError::new(Condition::Forbidden)) })
        }),
    ],
    stores: &["The card of each account, with its picture."],
    ..Feature::EMPTY
};

const fn handler(kind: IqType, target: Target, answer: super::Answer) -> Handler {
    let targets: &[Target] = match target {
        Target::OwnAccount => &[Target::OwnAccount],
        _ => &[Target::OtherAccount],
    };
    Handler { kind, namespace: ns::VCARD, name: "vCard", targets, answer }
}

/// Section 3.1.
async fn own(request: Request<'_>) -> Reply {
    let card = request.chat.own_card(&request.owner()?).await.map_err(|error| stanza_error(&error))?;
    Ok(card.into())
}

/// Section 3.2.
async fn set(request: Request<'_>) -> Reply {
    let owner = request.owner()?;
    request.chat.set_card(&owner, request.payload).await.map_err(|error| stanza_error(&error))?;
    Ok(DONE)
}

/// Section 3.3.
async fn other(request: Request<'_>) -> Reply {
    let card = request.chat.card_of(request.from, &request.to()).await;
    Ok(card.map_err(|error| stanza_error(&error))?.into())
}

#[cfg(test)]
mod tests {
    use waxwing_xmpp::xml::Element;

    use super::super::testing::House;

    const CARD: &str = "<vCard xmlns='vcard-temp'><FN>Juliet</FN><DESC>x &lt; y</DESC></vCard>";
    const ASK: &str = "<vCard xmlns='vcard-temp'/>";

    /// Section 3, all of it.
    #[tokio::test]
    async fn a_card_is_set_and_read() {
        let house = House::of(&["juliet/balcony", "romeo/orchard"]).await;
        let none = house.ask("juliet/balcony", "get", "", ASK).await.unwrap();
        assert_eq!(Element::parse(&none).unwrap().children().count(), 0);
        for to in ["juliet@localhost", "nobody@localhost"] {
            let none = house.ask("romeo/orchard", "get", to, ASK).await;
            assert_eq!(none, Err("service-unavailable".to_owned()));
        }
        assert_eq!(house.ask("juliet/balcony", "set", "", CARD).await.unwrap(), "");
        let own = house.ask("juliet/balcony", "get", "juliet@localhost", ASK).await.unwrap();
        assert!(own.contains("Juliet") && own.contains("x &lt; y"), "{own}");
        assert_eq!(house.ask("romeo/orchard", "get", "juliet@localhost", ASK).await.unwrap(), own);
        let forged = house.ask("romeo/orchard", "set", "juliet@localhost", CARD).await;
        assert_eq!(forged, Err("forbidden".to_owned()));
    }
}
