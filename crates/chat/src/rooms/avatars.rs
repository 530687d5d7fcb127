//! The avatar of a room (XEP-0486): its vCard, and the hashes by which clients notice another one.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::news::RoomEvent;
use super::room::Room;
use super::store::RoomChange;
use super::telling;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::people::following::read;
use crate::store::DocumentKind;

/// Bytes of a room's vCard.
pub const VCARD_BYTES_LIMIT: usize = 192 * 1024;

/// How many pictures it may hold.
pub const PHOTOS_LIMIT: usize = 8;

/// Under which key the hashes are kept.
pub(super) const DOCUMENT: &str = "avatar";

impl Room {
    async fn set_vcard(&mut self, actor: &Jid, vcard: Option<String>, hashes: Vec<String>) -> Result<()> {
        self.must_own(actor)?;
        if vcard.as_ref().is_some_and(|vcard| vcard.len() > VCARD_BYTES_LIMIT) || hashes.len() > PHOTOS_LIMIT
        {
            return Err(Error::NotAcceptable("the vCard is too large"));
        }
        self.keep(RoomChange::Document(DocumentKind::RoomVcard, "", vcard)).await?;
        let kept = Some(hashes.join("\n")).filter(|lines| !lines.is_empty());
        self.keep(RoomChange::Document(DocumentKind::Room, DOCUMENT, kept)).await?;
        self.state_mut()?.avatar = hashes;
        self.say(telling::statuses(&self.jid, &[104]));
        self.tell_listeners(RoomEvent::Changed(self.jid.clone()));
        Ok(())
    }

    async fn vcard(&self, asker: &Jid) -> Result<Option<String>> {
        let state = self.visible_to(asker)?;
        if state.affiliation(&asker.to_bare()) == Affiliation::Outcast {
            return Err(Error::Forbidden);
        }
        Ok(self.chat.store.document(state.archive(), DocumentKind::RoomVcard, "").await?)
    }
}

/// Each picture of a vCard by itself.
fn pictures(vcard: &Element) -> Vec<Element> {
    let photos = vcard.children().filter(|child| child.is(ns::VCARD, "PHOTO"));
    photos.map(|photo| Element::new(ns::VCARD, "vCard").with_child(photo.to_element())).collect()
}

impl Chat {
    /// The pictures of a room among which one has this hash, each on a vCard of its own.
    pub(crate) async fn room_pictures(&self, room: &Jid, hash: &str) -> Result<Vec<Element>> {
        let hash = hash.to_owned();
        let found = self.look_into_room(room, move |room| {
            Box::pin(async move {
                let state = room.state()?;
                let archive = state.archive();
                if !state.avatar.contains(&hash) {
                    return Ok(None);
                }
                Ok(room.chat.store.document(archive, DocumentKind::RoomVcard, "").await?)
            })
        });
        match found.await? {
            Ok(vcard) => {
                Ok(vcard.map(|xml| read(&xml)).transpose()?.as_ref().map(pictures).unwrap_or_default())
            }
            Err(Error::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Gives a room another vCard in the name of one of its owners, with the hashes of the pictures in it; `None` removes it.
    pub async fn set_room_vcard(
        &self,
        room: &Jid,
        actor: &Jid,
        vcard: Option<String>,
        hashes: Vec<String>,
    ) -> Result<()> {
        let actor = actor.clone();
        self.in_room(room, move |room| Box::pin(async move { room.set_vcard(&actor, vcard, hashes).await }))
            .await?
    }

    /// The vCard of a room, for all who may know of the room.
    pub async fn room_vcard(&self, room: &Jid, asker: &Jid) -> Result<Option<String>> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.vcard(&asker).await })).await?
    }
}
