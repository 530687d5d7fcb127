//! The hash of an account's picture in its presence, so that everybody who sees it learns of another picture (XEP-0153,
//! and XEP-0398 section 4, which has the server put it there).

use std::sync::Arc;

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::Result;
use crate::rosters::Owner;

/// The presence with the hash of the account's picture. A client that says that it shows none is left alone (XEP-0398
/// section 4); one that is not ready to say anything gets an answer even where there is no picture.
pub(crate) fn with_photo_hash(mut presence: Stanza, hash: Option<&str>) -> Stanza {
    if presence.kind != Kind::Presence(PresenceType::Available) {
        return presence;
    }
    let said = presence.child(ns::VCARD_UPDATE, "x");
    let photo = said.and_then(|update| update.child(ns::VCARD_UPDATE, "photo"));
    let shows_none = photo.is_some_and(|photo| photo.text().trim().is_empty());
    let unready = said.is_some() && photo.is_none();
    if shows_none || (hash.is_none() && !unready) {
        return presence;
    }
    presence.element.retain_children(|child| !child.is(ns::VCARD_UPDATE, "x"));
    let photo = Element::new(ns::VCARD_UPDATE, "photo").with_text(hash.unwrap_or_default());
    presence.with_child(Element::new(ns::VCARD_UPDATE, "x").with_child(photo))
}

impl Chat {
    /// Shows everybody who sees an account's sessions that its picture is another one.
    pub(crate) async fn show_photo_hash(&self, owner: &Owner) -> Result<()> {
        let _lock = self.rosters.lock(&owner.jid).await;
        let Some(profile) = self.profile(&owner.jid).await? else {
            return Ok(());
        };
        let contacts = self.contacts(owner).await?;
        let delivered = self.sessions.mark(&owner.jid).map_or(ArchiveId(0), |mark| mark.reached());
        for session in self.sessions.of(&owner.jid) {
            if let (Some(presence), Some(priority)) = (session.presence(), session.priority()) {
                let shown = with_photo_hash(presence.stanza().clone(), profile.photo_hash.as_deref());
                session.set_presence(Some((priority, Arc::new(Outgoing::new(shown.clone())))), delivered);
                self.broadcast(&profile, &contacts, &shown).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    fn shown(content: &str, hash: Option<&str>) -> String {
        let xml = format!("<presence xmlns='jabber:client'>{content}</presence>");
        let stanza = Stanza::from_element(Element::parse(&xml).unwrap()).unwrap();
        let stanza = with_photo_hash(stanza, hash);
        stanza.children().map(|child| child.to_element().to_xml()).collect()
    }

    /// XEP-0398 section 4.
    #[test]
    fn the_server_says_what_clients_do_not_know() {
        let update = |content: &str| format!("<x xmlns='vcard-temp:x:update'>{content}</x>");
        let parsed = |content: &str| Element::parse(&update(content)).unwrap().to_xml();
        let hash = parsed("<photo>abc</photo>");
        assert_eq!(shown("", Some("abc")), hash);
        assert_eq!(shown(&update(""), Some("abc")), hash);
        assert_eq!(shown(&update("<photo>other</photo>"), Some("abc")), hash);
        assert_eq!(shown(&update("<photo/>"), Some("abc")), parsed("<photo/>"));
        assert_eq!(shown("", None), "");
        assert_eq!(shown(&update(""), None), parsed("<photo/>"));
        assert_eq!(shown(&update("<photo>other</photo>"), None), parsed("<photo>other</photo>"));
    }

    /// XEP-0153 section 3.1: contacts learn of another picture, and rooms of the one that is there on entering.
    #[tokio::test]
    async fn contacts_learn_of_another_picture() {
        let world = World::of(&["juliet", "romeo"]).await;
        world.contacts("juliet", "from", "romeo").await;
        let mut romeo = world.online("romeo", "orchard").await;
        let juliet = world.online("juliet", "balcony").await;
        romeo.told();
        let owner = world.owner("juliet").await;
        let card = Element::parse(
            "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>YWJj</BINVAL></PHOTO></vCard>",
        )
        .unwrap();
        world.chat.set_card(&owner, card.root()).await.unwrap();
        assert_eq!(romeo.told().len(), 1);
        let presence = juliet.session.presence().unwrap();
        let update = presence.stanza().child(ns::VCARD_UPDATE, "x").unwrap();
        assert_eq!(update.text(), "");
        let photo = update.child(ns::VCARD_UPDATE, "photo").unwrap();
        assert_eq!(photo.text(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        world.chat.set_card(&owner, card.root()).await.unwrap();
        assert!(romeo.told().is_empty(), "it is the same picture");
        assert_eq!(
            world.chat.profile(&jid("juliet")).await.unwrap().unwrap().photo_hash.as_deref(),
            Some("a9993e364706816aba3e25717850c26c9cd0d89d")
        );
    }
}
