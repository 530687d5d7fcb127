//! How far somebody has read a conversation: one mark, whichever client moves it and by whatever words.
//!
//! Clients of the JSON face set it, others publish it (XEP-0490) or tell the other party (XEP-0333); each of these moves the same
//! mark, and a mark that is set is told in the others' words.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::keeping::Item;
use super::reading::Reading;
use crate::archive::{ArchiveId, Direction};
use crate::chat::Chat;
use crate::deliver::stanza_id;
use crate::error::Result;
use crate::event::AccountEvent;
use crate::people::following::private_options;
use crate::rosters::Owner;
use crate::session::{Session, SessionId};
use crate::state::StateKind;

/// Up to where somebody has read a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The newest message that was read.
    pub(super) seen: ArchiveId,
    /// The newest message there was when the mark was set back: only what came behind it shows that more was read.
    set_back_at: ArchiveId,
}

impl Mark {
    /// As it is kept.
    pub(super) fn read(kept: &str) -> Self {
        let (seen, set_back_at) = kept.split_once('@').unwrap_or((kept, ""));
        let id = |text: &str| text.parse().unwrap_or_default();
        Self { seen: id(seen), set_back_at: id(set_back_at) }
    }

    fn written(self) -> String {
        match self.set_back_at {
            ArchiveId(0) => self.seen.to_string(),
            at => format!("{}@{at}", self.seen),
        }
    }

    /// Something else shows that the conversation was read up to a message: an answer, or the room.
    pub(super) fn raise(&mut self, seen: ArchiveId) {
        if seen > self.set_back_at {
            self.seen = self.seen.max(seen);
        }
    }
}

/// Of how many conversations a session's markers wait to be looked up. More are let go: clients repeat themselves.
const MARKERS_LIMIT: usize = 64;

/// Markers that wait to be looked up, the newest of each conversation: of one session one is looked up at a time, since that reads
/// archives.
#[derive(Debug, Default)]
pub(crate) struct Markers(Mutex<HashMap<SessionId, HashMap<Jid, String>>>);

impl Markers {
    /// Says whether nobody looks the session's markers up yet; from now on the caller does.
    fn put(&self, session: SessionId, conversation: Jid, name: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !all.contains_key(&session);
        let waiting = all.entry(session).or_default();
        if waiting.len() < MARKERS_LIMIT || waiting.contains_key(&conversation) {
            waiting.insert(conversation, name.to_owned());
        }
        is_first
    }

    /// The next; `None` when there is none, and the caller has to do no more.
    fn take(&self, session: SessionId) -> Option<(Jid, String)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = all.get_mut(&session)?;
        let next = waiting.keys().next().cloned();
        let next = next.and_then(|conversation| waiting.remove_entry(&conversation));
        if next.is_none() {
            all.remove(&session);
        }
        next
    }
}

impl Chat {
    /// Notes that somebody has read a conversation up to a place, and tells his other clients and whoever wrote it. A mark
    /// that is further already stays.
    pub async fn mark_read(
        self: &Arc<Self>,
        session: &Arc<Session>,
        conversation: &Jid,
        up_to: ArchiveId,
    ) -> Result<()> {
        let reading = self.reading(session, conversation).await?;
        let owner = Owner::from(&**session);
        let up_to = up_to.min(self.store.position());
        if !self.note_read(&owner, conversation, up_to, reading.room).await? {
            return Ok(());
        }
        self.publish_read(&owner, conversation, up_to, reading.room).await;
        if !reading.room {
            self.send_marker(session, &reading, up_to).await;
        }
        Ok(())
    }

    /// Has a conversation count as unread from a place on, until it is read again or somebody answers.
    pub async fn mark_unread(&self, session: &Session, conversation: &Jid, first: ArchiveId) -> Result<()> {
        self.reading(session, conversation).await?;
        let mark = Mark { seen: ArchiveId(first.0.saturating_sub(1)), set_back_at: self.store.position() };
        self.put_mark(&Owner::from(session), conversation, mark).await
    }

    async fn put_mark(&self, owner: &Owner, conversation: &Jid, mark: Mark) -> Result<()> {
        let item = Item {
            owner: owner.clone(),
            kind: StateKind::Read,
            key: conversation.bare_str().to_owned(),
            content: Some(mark.written()),
        };
        self.keep_in_step(vec![item]).await.map(drop)
    }

    /// Up to where an account has read a conversation, as far as its mark says.
    pub(crate) async fn mark_of(&self, owner: &Owner, conversation: &Jid) -> Result<ArchiveId> {
        let kept = self.kept_in_step(owner, StateKind::Read, conversation.bare_str()).await?;
        Ok(kept.map(|mark| Mark::read(&mark).seen).unwrap_or_default())
    }

    /// Moves a mark forwards; says whether it did.
    pub(crate) async fn note_read(
        &self,
        owner: &Owner,
        conversation: &Jid,
        up_to: ArchiveId,
        in_room: bool,
    ) -> Result<bool> {
        let conversation = conversation.to_bare();
        if self.mark_of(owner, &conversation).await? >= up_to {
            return Ok(false);
        }
        self.put_mark(owner, &conversation, Mark { seen: up_to, ..Mark::default() }).await?;
        self.read_elsewhere(owner, &conversation);
        if in_room {
            self.seen_in_room(&conversation, &owner.jid, up_to).await?;
        } else if self.is_local(conversation.domain()) && conversation != owner.jid {
            let blocked = self.profile(&owner.jid).await?.is_some_and(|own| own.blocks(&conversation))
                || self.profile(&conversation).await?.is_some_and(|peer| peer.blocks(&owner.jid));
            if !blocked {
                let (by, at) = (owner.jid.clone(), owner.jid.clone());
                self.tell_account(&conversation, AccountEvent::Read { conversation: at, by, up_to });
            }
        }
        Ok(true)
    }

    /// XEP-0490: for the account's clients of XMPP, if any of them has ever published how far it has read.
    async fn publish_read(&self, owner: &Owner, conversation: &Jid, up_to: ArchiveId, in_room: bool) {
        match self.store.node(&owner.jid, ns::DISPLAYED, &owner.jid).await {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "whether marks are published is not known"),
        }
        let by = if in_room { conversation } else { &owner.jid };
        let displayed = Element::new(ns::DISPLAYED, "displayed")
            .with_child(stanza_id(&self.archive_ids().show(up_to), &by.to_bare()));
        let id = conversation.bare_str();
        if let Err(error) = self.derive(owner, ns::DISPLAYED, id, &displayed, &private_options()).await {
            tracing::warn!(%error, account = %owner.jid, "how far somebody has read could not be published");
        }
    }

    /// XEP-0333: for whoever wrote the message, if he wants to know.
    async fn send_marker(self: &Arc<Self>, session: &Arc<Session>, reading: &Reading, up_to: ArchiveId) {
        let Ok(Some(said)) = self.kept(reading, up_to).await else { return };
        let wanted = said.direction == Direction::Incoming
            && said.stanza.child(ns::CHAT_MARKERS, "markable").is_some();
        let Some(id) = said.stanza.id.as_deref().filter(|_| wanted) else { return };
        let marker = Element::new(ns::CHAT_MARKERS, "displayed").with_attr("id", id);
        let message = Stanza::message(MessageType::Chat)
            .with_to(said.peer.to_bare())
            .with_from(session.jid.clone())
            .with_id(&self.token())
            .with_child(marker);
        if let Err(error) = self.send(session, message).await {
            tracing::debug!(%error, "nobody is told that a message was read");
        }
    }

    /// A client tells by a marker (XEP-0333) up to where it has read.
    pub(crate) fn note_marker(self: &Arc<Self>, sender: &Arc<Session>, message: &Stanza) {
        let Some(marker) = message.child(ns::CHAT_MARKERS, "displayed") else { return };
        let (Some(to), Some(name)) = (message.to.as_ref().map(Jid::to_bare), marker.attr("id")) else {
            return;
        };
        // Clients of this server have moved their mark already.
        if sender.attends() {
            return;
        }
        if !self.markers.put(sender.id, to, name) {
            return;
        }
        let (chat, sender) = (Arc::clone(self), Arc::clone(sender));
        tokio::spawn(async move {
            while let Some((conversation, name)) = chat.markers.take(sender.id) {
                if let Err(error) = chat.read_by_marker(&sender, &conversation, &name).await {
                    tracing::debug!(%error, "how far somebody has read is not known");
                }
            }
        });
    }

    async fn read_by_marker(&self, sender: &Session, conversation: &Jid, name: &str) -> Result<()> {
        let reading = self.reading(sender, conversation).await?;
        let Some(said) = self.named(&reading, conversation, name, None).await? else { return Ok(()) };
        self.note_read(&Owner::from(sender), conversation, said.id, reading.room).await.map(drop)
    }

    /// A client has published (XEP-0490) up to where it has read.
    pub(crate) async fn read_by_publication(
        &self,
        owner: &Owner,
        conversation: &Jid,
        payload: &Element,
    ) -> Result<()> {
        let shown = payload.child(ns::STANZA_ID, "stanza-id").and_then(|id| id.attr("id").map(str::to_owned));
        let Some(up_to) = shown.and_then(|shown| self.archive_ids().read(&shown)) else { return Ok(()) };
        if up_to > self.store.position() {
            return Ok(());
        }
        let in_room = self.service(conversation.domain()).is_some();
        self.note_read(owner, conversation, up_to, in_room).await.map(drop)
    }
}
