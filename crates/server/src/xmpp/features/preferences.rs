//! Archive preferences (XEP-0441): what of an account's conversations is kept.

use waxwing_chat::preferences::{ArchivePreferences, DefaultPolicy};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::archive::{others, own};
use super::{Feature, Reply, Request, Spec};
use crate::xmpp::error::stanza_error;

/// XEP-0441.
pub const FEATURE: Feature = Feature {
    name: "archive preferences",
    summary: "Lets an account decide whose messages are kept.",
    specs: &[Spec { name: "XEP-0441", version: "0.2.0", note: "" }],
    handles: &[
        own(IqType::Get, "prefs", |request| Box::pin(get(request))),
        own(IqType::Set, "prefs", |request| Box::pin(set(request))),
        others(IqType::Get, "prefs"),
        others(IqType::Set, "prefs"),
    ],
    stores: &["The preferences."],
    ..Feature::EMPTY
};

async fn get(request: Request<'_>) -> Reply {
    let owner = request.owner()?;
    let preferences = request.chat.archive_preferences(&owner).await.map_err(|error| stanza_error(&error))?;
    Ok(render(&preferences).into())
}

/// Section 2.1: the answer tells what is in force now.
async fn set(request: Request<'_>) -> Reply {
    let owner = request.owner()?;
    let preferences = read(request.payload)?;
    request.chat.set_archive_preferences(&owner, &preferences).await.map_err(|error| stanza_error(&error))?;
    Ok(render(&preferences).into())
}

fn read(prefs: ElementRef<'_>) -> Result<ArchivePreferences, StanzaError> {
    let default = match prefs.attr("default") {
        Some("always") => DefaultPolicy::Always,
        Some("never") => DefaultPolicy::Never,
        Some("roster") => DefaultPolicy::Roster,
        _ => {
            return Err(
                StanzaError::new(Condition::BadRequest).with_text("default is always, never or roster")
            );
        }
    };
    Ok(ArchivePreferences { default, always: list(prefs, "always")?, never: list(prefs, "never")? })
}

/// Sections 2.1.2 and 2.1.3: a list that is missing is empty.
fn list(prefs: ElementRef<'_>, name: &str) -> Result<Vec<Jid>, StanzaError> {
    let Some(list) = prefs.child(ns::MAM, name) else {
        return Ok(Vec::new());
    };
    let jids = list.children().filter(|child| child.is(ns::MAM, "jid"));
    jids.map(|jid| Jid::new(jid.text().trim()).map_err(|_| StanzaError::new(Condition::JidMalformed)))
        .collect()
}

fn render(preferences: &ArchivePreferences) -> Element {
    let default = match preferences.default {
        DefaultPolicy::Always => "always",
        DefaultPolicy::Never => "never",
        DefaultPolicy::Roster => "roster",
    };
    let list = |name, jids: &[Jid]| {
        jids.iter().fold(Element::new(ns::MAM, name), |list, jid| {
            list.with_child(Element::new(ns::MAM, "jid").with_text(jid.as_str()))
        })
    };
    Element::new(ns::MAM, "prefs")
        .with_attr("default", default)
        .with_child(list("always", &preferences.always))
        .with_child(list("never", &preferences.never))
}

#[cfg(test)]
mod tests {
    use super::super::testing::House;
    use super::*;

    /// Section 2.1, the example "Updating archiving preferences".
    #[test]
    fn what_is_set_is_what_is_told() {
        let prefs = "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>romeo@montague.lit</jid></always>\
            <never><jid>montague@montague.lit</jid></never></prefs>";
        let prefs = Element::parse(prefs).unwrap();
        assert_eq!(render(&read(prefs.root()).unwrap()), prefs);
    }

    /// Sections 2.1.1 to 2.1.3.
    #[test]
    fn lists_may_be_missing_and_the_default_may_not() {
        let read = |xml: &str| read(Element::parse(xml).unwrap().root()).map_err(|error| error.condition);
        let never = ArchivePreferences { default: DefaultPolicy::Never, ..ArchivePreferences::default() };
        assert_eq!(read("<prefs xmlns='urn:xmpp:mam:2' default='never'/>"), Ok(never));
        assert_eq!(read("<prefs xmlns='urn:xmpp:mam:2'/>"), Err(Condition::BadRequest));
        assert_eq!(read("<prefs xmlns='urn:xmpp:mam:2' default='maybe'/>"), Err(Condition::BadRequest));
    }

    /// Section 2.3.
    #[tokio::test]
    async fn what_is_not_wanted_is_not_archived() {
        let house = House::of(&["romeo/orchard", "juliet/balcony"]).await;
        let never = "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>";
        assert_eq!(
            house.ask("juliet/balcony", "set", "", never).await.as_deref(),
            Ok(normal(never).as_str())
        );
        house
            .say("romeo/orchard", "<message to='juliet@localhost' type='chat'><body>hush</body></message>")
            .await;
        let ask = "<query xmlns='urn:xmpp:mam:2'/>";
        assert_eq!(house.answers("juliet/balcony", "set", "", ask).await.len(), 1);
        assert_eq!(house.answers("romeo/orchard", "set", "", ask).await.len(), 2);
        let other =
            house.ask("romeo/orchard", "get", "juliet@localhost", "<prefs xmlns='urn:xmpp:mam:2'/>").await;
        assert_eq!(other, Err("forbidden".to_owned()));
    }

    fn normal(xml: &str) -> String {
        Element::parse(xml).unwrap().to_xml()
    }
}
