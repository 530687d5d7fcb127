//! The hash of an account's picture in its presence, so that everybody who sees it learns of another picture (XEP-0153,
//! and XEP-0398 section 4, which has the server put it there).

use std::sync::Arc;

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::cluster::Cached;
use crate::error::Result;
use crate::rooms::occupants::Seat;
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

/// What becomes of presence that the server has put the hash of a picture into, once there is another picture or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repictured {
    /// What everybody is told.
    pub(crate) shown: Stanza,
    /// What is kept: where there is no picture any more, that the client says nothing about one, so that the next is shown.
    pub(crate) kept: Stanza,
}

impl Repictured {
    /// `before` is the hash of the picture that was there.
    pub(crate) fn of(mut presence: Stanza, before: Option<&str>, hash: Option<&str>) -> Self {
        let photo = presence.child(ns::VCARD_UPDATE, "x").and_then(|x| x.child(ns::VCARD_UPDATE, "photo"));
        if before.is_some() && photo.map(|photo| photo.text().into_owned()).as_deref() == before {
            presence.element.retain_children(|child| !child.is(ns::VCARD_UPDATE, "x"));
            presence.append(Element::new(ns::VCARD_UPDATE, "x"));
        }
        let shown = with_photo_hash(presence.clone(), hash);
        let kept = if hash.is_some() { shown.clone() } else { presence };
        Self { shown, kept }
    }
}

impl Chat {
    /// Shows everybody who sees an account's sessions that its picture is another one: contacts, and those in the same rooms. No
    /// client has to send its presence to a room again (XEP-0398 section 5.1). What else a client said directly to somebody
    /// is not known any more, and so not said again.
    pub(crate) async fn show_photo_hash(&self, owner: &Owner, before: Option<&str>) -> Result<()> {
        self.tell_changed(&owner.jid, Cached::Photo);
        self.show_photo_hash_here(owner, before).await
    }

    /// The same for the sessions of this node, which another node has changed the picture of: what they show says which it was.
    pub(crate) async fn show_photo_changed_elsewhere(&self, owner: &Owner) -> Result<()> {
        let shown = self.sessions.of(&owner.jid).into_iter().filter_map(|session| session.presence());
        let photo = |presence: Arc<Outgoing>| {
            let update = presence.stanza().child(ns::VCARD_UPDATE, "x")?;
            Some(update.child(ns::VCARD_UPDATE, "photo")?.text().into_owned())
        };
        let before = shown.filter_map(photo).find(|photo| !photo.is_empty());
        self.show_photo_hash_here(owner, before.as_deref()).await
    }

    async fn show_photo_hash_here(&self, owner: &Owner, before: Option<&str>) -> Result<()> {
        self.show_photo_to_contacts(owner, before).await?;
        let Some(profile) = self.profile(&owner.jid).await? else {
            return Ok(());
        };
        for session in self.sessions.of(&owner.jid) {
            for place in session.rooms() {
                let (seat, hash) = (Seat::Local(Arc::clone(&session)), profile.photo_hash.clone());
                let before = before.map(str::to_owned);
                let shown = self
                    .in_room(&place, move |room| {
                        Box::pin(
                            async move { room.another_picture(&seat, before.as_deref(), hash.as_deref()) },
                        )
                    })
                    .await;
                if let Err(error) = shown.and_then(|shown| shown) {
                    tracing::warn!(%error, room = %place, "a room was not shown another picture");
                }
            }
        }
        Ok(())
    }

    async fn show_photo_to_contacts(&self, owner: &Owner, before: Option<&str>) -> Result<()> {
        let _lock = self.rosters.lock(&owner.jid).await;
        let Some(profile) = self.profile(&owner.jid).await? else {
            return Ok(());
        };
        let contacts = self.contacts(owner).await?;
        let delivered = self.sessions.mark(&owner.jid).map_or(ArchiveId(0), |mark| mark.reached());
        for session in self.sessions.of(&owner.jid) {
            if let (Some(presence), Some(priority)) = (session.presence(), session.priority()) {
                let hash = profile.photo_hash.as_deref();
                let Repictured { shown, kept } = Repictured::of(presence.stanza().clone(), before, hash);
                session.set_presence(Some((priority, Arc::new(Outgoing::new(kept)))), delivered);
                self.tell_presence(&session);
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

    /// A picture that goes is said to be gone, and the next one is shown again; what a client wishes stays.
    #[test]
    fn a_picture_goes_and_another_comes() {
        let presence = |content: &str| {
            let xml = format!("<presence xmlns='jabber:client'><show>away</show>{content}</presence>");
            Stanza::from_element(Element::parse(&xml).unwrap()).unwrap()
        };
        let update = |content: &str| presence(&format!("<x xmlns='vcard-temp:x:update'>{content}</x>"));
        let gone = Repictured::of(update("<photo>abc</photo>"), Some("abc"), None);
        assert_eq!(gone.shown, update("<photo/>"));
        let back = Repictured::of(gone.kept, None, Some("def"));
        assert_eq!((&back.shown, &back.kept), (&update("<photo>def</photo>"), &update("<photo>def</photo>")));
        let other = Repictured::of(back.kept, Some("def"), Some("abc"));
        assert_eq!(other.shown, update("<photo>abc</photo>"));
        let none = Repictured::of(update("<photo/>"), None, Some("abc"));
        assert_eq!(none.shown, update("<photo/>"));
        assert_eq!(Repictured::of(presence(""), Some("abc"), None).shown, presence(""));
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
