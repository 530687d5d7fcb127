//! Messages that are pinned: in a room for everybody there, between two people for both.

use waxwing_xmpp::jid::Jid;

use super::keeping::Item;
use super::reading::Reading;
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rooms::news::RoomEvent;
use crate::rosters::Owner;
use crate::session::Session;
use crate::state::{StateItem, StateKind};

/// How many messages of a conversation may be pinned.
pub const PINS_LIMIT: usize = 100;

impl Chat {
    /// The messages of a conversation that are pinned, by their keys: the conversation's address for whoever reads, and the
    /// message's id.
    pub async fn pins(&self, session: &Session, conversation: &Jid) -> Result<Vec<StateItem>> {
        let reading = self.reading(session, conversation).await?;
        let begins = format!("{} ", conversation.bare_str());
        let mut all = self.store.state(reading.owner, StateKind::Pin).await?;
        all.retain(|item| item.key.starts_with(&begins));
        Ok(all)
    }

    /// What is kept about a message that is pinned.
    pub async fn pinned(&self, session: &Session, conversation: &Jid, key: &str) -> Result<Option<String>> {
        let owner = match self.service(conversation.domain()) {
            Some(_) => self.store.room(conversation).await?.ok_or(Error::NotFound)?.id.archive(),
            None => session.account,
        };
        Ok(self.store.state_item(owner, StateKind::Pin, key).await?.and_then(|item| item.content))
    }

    /// Pins a message with what is to be kept about that, or with `None` takes it off. In a room whoever may write there may;
    /// `ResourceConstraint` where too many are pinned.
    pub async fn pin(
        &self,
        session: &Session,
        conversation: &Jid,
        id: ArchiveId,
        content: Option<String>,
    ) -> Result<()> {
        let reading = self.reading(session, conversation).await?;
        self.message_view(&reading, id).await?;
        let pinned = self.pins(session, conversation).await?;
        if content.is_some() && pinned.len() >= PINS_LIMIT {
            return Err(Error::ResourceConstraint("too many messages are pinned here"));
        }
        if reading.room {
            return self.pin_in_room(session, &reading, conversation, id, content).await;
        }
        let shown = self.archive_ids().show(id);
        let item = |owner: Owner, with: &Jid| Item {
            owner,
            kind: StateKind::Pin,
            key: format!("{} {shown}", with.bare_str()),
            content: content.clone(),
        };
        let mut items = vec![item(Owner::from(session), conversation)];
        if self.is_local(conversation.domain())
            && *conversation != session.bare
            && let Some(peer) = self.profile(conversation).await?.filter(|peer| !peer.blocks(&session.bare))
        {
            items.push(item(Owner { account: peer.account, jid: peer.jid.clone() }, &session.bare));
        }
        self.keep_in_step(items).await.map(drop)
    }

    async fn pin_in_room(
        &self,
        session: &Session,
        reading: &Reading,
        room: &Jid,
        id: ArchiveId,
        content: Option<String>,
    ) -> Result<()> {
        if !self.room_view(room, &session.jid).await?.may_write {
            return Err(Error::Forbidden);
        }
        let key = format!("{} {}", room.bare_str(), self.archive_ids().show(id));
        let owner = Owner { account: reading.owner, jid: room.clone() };
        let item = Item { owner, kind: StateKind::Pin, key: key.clone(), content };
        let at = self.keep_in_step(vec![item]).await?;
        self.rooms.newest.note(reading.owner, at);
        self.tell_listeners(room, RoomEvent::Pinned { room: room.clone(), key, at }).await
    }
}
