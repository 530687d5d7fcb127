//! Private XML storage (XEP-0049): small documents that an account's clients keep for themselves.

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Advertised, At, DONE, Feature, Handler, Reply, Request, Spec, Target};
use crate::xmpp::error::stanza_error;

/// XEP-0049.
pub const FEATURE: Feature = Feature {
    name: "private storage",
    summary: "Keeps small documents of an account's clients, such as bookmarks and settings.",
    specs: &[Spec { name: "XEP-0049", version: "1.2", note: "" }],
    advertises: &[
        Advertised { at: At::Server, var: ns::PRIVATE },
        Advertised { at: At::Account, var: ns::PRIVATE },
    ],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::PRIVATE,
            name: "query",
            targets: &[Target::OwnAccount],
            answer: |request| Box::pin(get(request)),
        },
        Handler {
            kind: IqType::Set,
            namespace: ns::PRIVATE,
            name: "query",
            targets: &[Target::OwnAccount],
            answer: |request| Box::pin(set(request)),
        },
        forbidden(IqType::Get),
        forbidden(IqType::Set),
    ],
    stores: &["The documents, as they were sent."],
    ..Feature::EMPTY
};

/// Section 2.3: another's documents are forbidden.
const fn forbidden(kind: IqType) -> Handler {
    Handler {
        kind,
        namespace: ns::PRIVATE,
        name: "query",
        targets: &[Target::OtherAccount],
        answer: |_| Box::pin(async { Err(StanzaError::new(Condition::Forbidden)) }),
    }
}

async fn get(request: Request<'_>) -> Reply {
    let asked = documents(request.payload)?;
    let [asked] = asked[..] else {
        return Err(
            StanzaError::new(Condition::BadRequest).with_text("one document can be asked for at a time")
        );
    };
    let owner = request.owner()?;
    let stored = request
        .chat
        .private_document(&owner, asked.ns(), asked.name())
        .await
        .map_err(|error| stanza_error(&error))?;
    let document = match stored {
        Some(stored) => Element::parse(&stored).map_err(|error| {
            tracing::error!(%error, "a private document cannot be read");
            StanzaError::new(Condition::InternalServerError)
        })?,
        // What was never stored is as empty as what was asked for.
        None => asked.to_element(),
    };
    Ok(Element::new(ns::PRIVATE, "query").with_child(document).into())
}

async fn set(request: Request<'_>) -> Reply {
    let owner = request.owner()?;
    for document in documents(request.payload)? {
        let content = document.to_element().to_xml();
        let kept = request.chat.put_private_document(&owner, document.ns(), document.name(), &content).await;
        kept.map_err(|error| stanza_error(&error))?;
    }
    Ok(DONE)
}

/// Section 2.3: at least one child in a namespace of its own. The "Bad Format" of a get without one is no condition of
/// RFC 6120; "Not Acceptable" is what the text names beside it.
fn documents(query: ElementRef<'_>) -> Result<Vec<ElementRef<'_>>, StanzaError> {
    let documents: Vec<_> = query.children().collect();
    let foreign = |document: &ElementRef<'_>| !document.ns().is_empty() && document.ns() != ns::PRIVATE;
    if documents.is_empty() || !documents.iter().all(foreign) {
        let error = StanzaError::new(Condition::NotAcceptable);
        return Err(error.with_text("an element in a namespace of its own is needed"));
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::super::testing::House;
    use super::*;

    fn conditions(content: &str) -> Result<usize, Condition> {
        let query = Element::parse(&format!("<query xmlns='jabber:iq:private'>{content}</query>")).unwrap();
        documents(query.root()).map(|documents| documents.len()).map_err(|error| error.condition)
    }

    /// Section 2.3.
    #[test]
    fn needs_a_namespace_of_its_own() {
        assert_eq!(conditions(""), Err(Condition::NotAcceptable));
        assert_eq!(conditions("<exodus/>"), Err(Condition::NotAcceptable));
        assert_eq!(conditions("<exodus xmlns=''/>"), Err(Condition::NotAcceptable));
        assert_eq!(conditions("<exodus xmlns='exodus:prefs'/>"), Ok(1));
        assert_eq!(conditions("<a xmlns='exodus:prefs'/><b xmlns='exodus:prefs'/>"), Ok(2));
    }

    /// Section 2.3, its examples.
    #[tokio::test]
    async fn documents_are_kept_for_their_owner() {
        let house = House::of(&["hamlet/denmark", "macbeth/castle"]).await;
        let query = |content: &str| format!("<query xmlns='jabber:iq:private'>{content}</query>");
        let kept = query("<exodus xmlns='exodus:prefs'><defaultnick>Hamlet</defaultnick></exodus>");
        let asked = query("<exodus xmlns='exodus:prefs'/>");
        let normal = |xml: &str| Ok(Element::parse(xml).unwrap().to_xml());
        assert_eq!(house.ask("hamlet/denmark", "get", "", &asked).await, normal(&asked));
        assert_eq!(house.ask("hamlet/denmark", "set", "", &kept).await, Ok(String::new()));
        assert_eq!(house.ask("hamlet/denmark", "get", "", &asked).await, normal(&kept));
        for kind in ["get", "set"] {
            let answer = house.ask("macbeth/castle", kind, "hamlet@localhost", &asked).await;
            assert_eq!(answer, Err("forbidden".to_owned()));
        }
        let two = query("<a xmlns='exodus:prefs'/><b xmlns='exodus:prefs'/>");
        assert_eq!(house.ask("hamlet/denmark", "get", "", &two).await, Err("bad-request".to_owned()));
        let reserved = query("<vCard xmlns='vcard-temp'/>");
        assert_eq!(house.ask("hamlet/denmark", "set", "", &reserved).await, Err("not-acceptable".to_owned()));
    }
}
