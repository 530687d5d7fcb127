//! What a node does when another tells it something.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use super::frame::BatchMessage;
use super::order::Arrived;
use super::{ANSWER_TIMEOUT, Answer, Cached, Cluster, Content, Gone, Handing, Question, lock};
use crate::account::AccountId;
use crate::archive::Direction;
use crate::chat::Chat;
use crate::deliver::Parties;
use crate::error::Result;
use crate::event::{Close, RosterChange};
use crate::nodes::{Batch, CommittedMessage, NodeId};
use crate::presence::push;
use crate::rosters::Owner;

impl Cluster {
    /// Delivers what another node has committed to the sessions of this one.
    pub(super) async fn deliver_batch(&self, number: u64, arrived: Arrived) {
        let Some(chat) = self.chat() else { return };
        let mut messages = match arrived {
            Arrived::Sent(messages) => messages,
            Arrived::Read(batch) => told(&batch),
        };
        if let (Some(last), Some(log)) = (messages.last(), self.log()) {
            log.dealt_with(last.id);
        }
        let wanted = |message: &BatchMessage| message.owners.iter().any(|(owner, _)| self.concerns(*owner));
        if messages.iter().any(|message| message.xml.is_none() && wanted(message)) {
            match self.read_batch(number).await {
                Some(batch) => messages = told(&batch),
                None => return,
            }
        }
        for message in messages {
            self.note_owners(&chat, &message);
            if let (true, Some(xml)) = (wanted(&message), &message.xml) {
                self.deliver_committed(&chat, &message, xml);
            }
        }
    }

    /// Whether what is committed for an owner concerns somebody here.
    fn concerns(&self, owner: AccountId) -> bool {
        lock(&self.locals).contains_key(&owner)
    }

    /// What follows from the mere fact that somebody has a message more.
    fn note_owners(&self, chat: &Arc<Chat>, message: &BatchMessage) {
        for (owner, _) in &message.owners {
            chat.followed.wake(*owner);
            if owner.0 < 0 {
                chat.rooms.newest.note(*owner, message.id);
                self.kept_elsewhere(chat, *owner, message.id);
            }
        }
    }

    /// Reads a batch whose content was not sent. Tried until it is there: nothing is delivered before it.
    async fn read_batch(&self, number: u64) -> Option<Batch> {
        let mut patience = super::GAP_PATIENCE;
        loop {
            let read = self.log()?.batches(number - 1, 1).await;
            match read {
                Ok(batches) => {
                    if let Some(batch) = batches.into_iter().find(|batch| batch.number == number) {
                        return Some(batch);
                    }
                }
                Err(crate::store::StoreError::NotFound) => {
                    tracing::error!(
                        batch = number,
                        "a batch is not kept any more; sessions end and read the archive"
                    );
                    self.chat()?.sessions.close_all(Close::Reset);
                    return None;
                }
                Err(error) => tracing::warn!(%error, batch = number, "a batch could not be read"),
            }
            tokio::time::sleep(patience).await;
            patience = (patience * 2).min(std::time::Duration::from_secs(1));
        }
    }

    fn deliver_committed(&self, chat: &Chat, message: &BatchMessage, xml: &Bytes) {
        let Some(stanza) = parse(xml) else {
            tracing::error!(id = %message.id, "a committed message cannot be read");
            return;
        };
        let local = |direction: Direction| {
            let copy = message.owners.iter().find(|(_, way)| *way == direction);
            copy.and_then(|(owner, _)| self.local(*owner))
        };
        let recipient = local(Direction::Incoming);
        let from = stanza.from.as_ref().map(Jid::to_bare);
        // Of what somebody sends himself there is one copy, which came in.
        let to_self = recipient.clone().filter(|recipient| from.as_ref() == Some(recipient));
        let own = local(Direction::Outgoing).or(to_self);
        let to = stanza.to.clone().or_else(|| recipient.clone()).or(from);
        let Some(to) = to else { return };
        let parties = Parties { to: &to, recipient: recipient.as_ref(), own: own.as_ref(), sender: None };
        chat.hand_to_sessions(stanza, parties, Some(message.id));
    }

    /// Acts on what another node sent.
    pub(super) async fn act(self: &Arc<Self>, chat: &Arc<Chat>, node: NodeId, content: Content) {
        let done = match content {
            Content::Shown { stanza, to, past_block } => self.shown(chat, node, stanza, to, past_block).await,
            Content::Probe { from, contacts } => probed(chat, &from, &contacts).await,
            Content::Show { owner, contact, hidden } => shows(chat, &owner, &contact, hidden).await,
            Content::Hand { stanza, to, how } => {
                self.hand(chat, node, stanza, &to, how);
                Ok(())
            }
            Content::Passing { message, to, recipient, own, archived } => {
                let parties =
                    Parties { to: &to, recipient: recipient.as_ref(), own: own.as_ref(), sender: None };
                chat.hand_to_sessions(message, parties, archived);
                Ok(())
            }
            Content::Roster { owner, version, visible, change } => {
                self.roster_changed(chat, &owner, version, visible, change).await
            }
            Content::Blocked { owner, addresses } => chat.blocked_elsewhere(&owner, &addresses).await,
            Content::Unblocked { owner, addresses, freed } => {
                chat.unblocked_elsewhere(&owner, addresses, &freed).await
            }
            Content::Account { owner, event } => {
                chat.tell_account_here(&owner, event);
                Ok(())
            }
            Content::Notice { owner, node, stanza, to } => noticed(chat, &owner, &node, stanza, &to).await,
            Content::LastItems { owner, contact } => match chat.profile(&owner).await {
                Ok(Some(profile)) => {
                    chat.show_last_items_here(&Owner::from(&*profile), &contact).await;
                    Ok(())
                }
                outcome => outcome.map(drop),
            },
            Content::Changed { owner, what } => changed(chat, &owner, what).await,
            Content::End { account, reason, .. } => {
                chat.profiles.forget(&account);
                chat.end_sessions_here(&account, reason, None);
                Ok(())
            }
            Content::Ask { id, question } => {
                self.asked_by(chat, node, id, question);
                Ok(())
            }
            Content::Room(frame) => {
                self.room_told(chat, node, frame).await;
                Ok(())
            }
            // These have been taken at once.
            Content::Hello(_)
            | Content::Snapshot { .. }
            | Content::SnapshotWanted
            | Content::Present(_)
            | Content::Absent { .. }
            | Content::Batch { .. }
            | Content::Newest(_)
            | Content::Answer { .. }
            | Content::Tunnel { .. }
            | Content::Lost => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(%error, %node, "what another node told could not be acted on");
        }
    }

    /// Presence of a session of another node. What is said of one that has moved on meanwhile is out of date.
    async fn shown(
        &self,
        chat: &Chat,
        node: NodeId,
        stanza: Stanza,
        to: Vec<Jid>,
        past_block: bool,
    ) -> Result<()> {
        let Some(from) = stanza.from.clone() else { return Ok(()) };
        let moved = from.is_full()
            && chat.is_local(from.domain())
            && (chat.sessions.find(&from).is_some_and(|session| session.is_available())
                || self
                    .directory
                    .find(&from)
                    .is_some_and(|found| found.node != node && found.priority.is_some()));
        if moved {
            return Ok(());
        }
        let sender = match chat.is_local(from.domain()) && !past_block {
            true => chat.profile(&from.to_bare()).await?,
            false => None,
        };
        // What is shown to the person's own other sessions is shown to all who may see it.
        let person = from.to_bare();
        if let Some(profile) = sender.as_deref().filter(|_| to.contains(&person))
            && chat.watching.has(&person)
        {
            let contacts = chat.contacts(&Owner::from(profile)).await?;
            chat.tell_watching(profile, &contacts, &stanza).await;
        }
        for to in to {
            chat.show_here(sender.as_deref(), &stanza, &to).await?;
        }
        Ok(())
    }

    /// A stanza for sessions of this node. A request that reaches nobody is refused.
    fn hand(&self, chat: &Chat, node: NodeId, stanza: Stanza, to: &Jid, how: Handing) {
        if to.is_full() {
            let Some(session) = chat.sessions.find(to) else {
                if stanza.kind.is_request()
                    && let Some(error) = stanza.error_reply(StanzaError::new(Condition::ServiceUnavailable))
                    && let Some(back) = error.to.clone()
                {
                    let content = Content::Hand { stanza: error, to: back, how: Handing::Session };
                    self.send(node, &content);
                }
                return;
            };
            let expected = stanza.from.as_ref().zip(stanza.id.as_deref());
            let waits = || expected.is_some_and(|(from, id)| session.asked(from, id));
            if how != Handing::Answer || waits() {
                push(&session, &Arc::new(Outgoing::new(stanza)));
            }
            return;
        }
        let stanza = Arc::new(Outgoing::new(stanza));
        chat.sessions.with(to, |all| {
            all.iter().filter(|session| how.takes(session)).for_each(|session| push(session, &stanza));
        });
    }

    /// A roster has been changed at another node. What is told late is told as it is by now.
    async fn roster_changed(
        &self,
        chat: &Chat,
        owner: &Jid,
        version: u64,
        visible: bool,
        change: RosterChange,
    ) -> Result<()> {
        chat.rosters.forget(owner);
        if chat.sessions.with(owner, |all| !all.is_empty()) != Some(true) {
            return Ok(());
        }
        if self.note_roster(owner, version) {
            chat.push_roster_here(owner, version, change, visible);
            return Ok(());
        }
        let Some(profile) = chat.profile(owner).await? else { return Ok(()) };
        let _lock = chat.rosters.lock(owner).await;
        let (RosterChange::Removed(contact)
        | RosterChange::Set(crate::roster::RosterItem { jid: contact, .. })) = change;
        let now = chat.store.roster_item(profile.account, &contact).await?;
        let version = lock(&self.rosters).get(owner).copied().unwrap_or(version);
        let change = now.map_or(RosterChange::Removed(contact), RosterChange::Set);
        chat.push_roster_here(owner, version, change, visible);
        Ok(())
    }

    /// Answers another node, beside the frames that come after the question.
    fn asked_by(self: &Arc<Self>, chat: &Arc<Chat>, node: NodeId, id: u64, question: Question) {
        let question = match question {
            // What is for a room keeps its order.
            Question::Room(question) => return self.room_asked(chat, node, id, question),
            question => question,
        };
        let (cluster, chat) = (Arc::clone(self), Arc::clone(chat));
        tokio::spawn(async move {
            let answer = cluster.answer(&chat, node, question).await;
            cluster.send(node, &Content::Answer { id, answer });
        });
    }

    async fn answer(self: &Arc<Self>, chat: &Arc<Chat>, node: NodeId, question: Question) -> Answer {
        match question {
            Question::Mark { account, replaced } => self.give_way(chat, &account, replaced).await,
            Question::Attention { account } => {
                let sessions = chat.sessions.of(&account);
                let connected = sessions.iter().filter(|session| session.is_connected());
                Answer::Attention {
                    attended: sessions.iter().any(|session| session.is_attended()),
                    connected: connected.filter_map(|s| s.jid.resource().map(str::to_owned)).collect(),
                }
            }
            Question::Sessions { account } => Answer::Sessions(chat.sessions_here(account.as_ref())),
            Question::End { session, reason } => {
                let found = chat.sessions.find(&session);
                found.iter().for_each(|session| session.close(reason));
                Answer::Ended(u64::from(found.is_some()))
            }
            Question::Resume { account, tunnel, asked } => {
                let Some(streams) = chat.streams.get() else { return Answer::Resumed(None) };
                let end = self.answer_tunnel(node, tunnel);
                let resumed = streams.resume(&account, &asked, end).await;
                if resumed.is_some() {
                    self.greet(node, tunnel);
                }
                Answer::Resumed(resumed)
            }
            Question::Room(_) => Answer::Nothing,
        }
    }

    /// How far an account's messages have come here. A session that is to give way has ended before, so that what its client
    /// had not confirmed counts as not delivered.
    async fn give_way(&self, chat: &Chat, account: &Jid, replaced: Option<(Jid, u64)>) -> Answer {
        let mark = chat.sessions.mark(account);
        let replaced = replaced.and_then(|(jid, since_ms)| {
            // The question may have been on its way for long: whoever has come since is another.
            chat.sessions.find(&jid).filter(|session| session.info().since_ms == since_ms)
        });
        if let Some(session) = replaced {
            session.close(Close::Replaced);
            let deadline = Instant::now() + ANSWER_TIMEOUT / 2;
            loop {
                let went = self.went.notified();
                tokio::pin!(went);
                went.as_mut().enable();
                if session.has_left() || tokio::time::timeout_at(deadline, went).await.is_err() {
                    break;
                }
            }
        }
        Answer::Mark(mark.map(|mark| mark.reached()))
    }

    /// Sessions have gone with their node: whoever of this node sees them is told. That is found by who is here, since who is
    /// gone may be many.
    pub(super) async fn show_gone(&self, chat: &Chat, gone: &[Gone]) {
        let mut by_account: std::collections::HashMap<Jid, Vec<&Jid>> = std::collections::HashMap::new();
        for one in gone.iter().filter(|one| one.available) {
            let back = chat.sessions.find(&one.jid).is_some() || self.directory.find(&one.jid).is_some();
            if !back {
                by_account.entry(one.jid.to_bare()).or_default().push(&one.jid);
            }
        }
        if by_account.is_empty() {
            return;
        }
        let locals: Vec<(AccountId, Jid)> =
            lock(&self.locals).iter().map(|(id, (jid, _))| (*id, jid.clone())).collect();
        for (account, jid) in locals {
            let owner = Owner { account, jid };
            let contacts = match chat.contacts(&owner).await {
                Ok(contacts) => contacts,
                Err(error) => {
                    tracing::warn!(%error, account = %owner.jid, "who is gone could not be told");
                    continue;
                }
            };
            for contact in std::iter::once(&owner.jid).chain(&contacts.watched) {
                for from in by_account.get(contact).into_iter().flatten() {
                    let stanza = Stanza::presence(PresenceType::Unavailable).with_from(Jid::clone(from));
                    if let Err(error) = chat.show_here(None, &stanza, &owner.jid).await {
                        tracing::warn!(%error, "who is gone could not be told");
                    }
                }
            }
        }
    }

    /// Something of another node was lost. What is remembered may be wrong, and is read anew; presence is asked for once
    /// more; rosters are told from where they were. Clients that keep in step come anew, and are told what changed.
    pub(super) async fn catch_up(self: &Arc<Self>, chat: &Arc<Chat>, node: NodeId) {
        chat.profiles.forget_all();
        chat.rosters.forget_all();
        if let Err(error) = chat.read_push_subscriptions().await {
            tracing::warn!(%error, "subscriptions to pushes could not be read anew");
        }
        if let Err(error) = chat.follow_webhooks().await {
            tracing::warn!(%error, "webhooks could not be read anew");
        }
        chat.wake_schedule();
        let mut seen = HashSet::new();
        for session in chat.sessions.all() {
            if session.attends() {
                session.close(Close::Reset);
                continue;
            }
            let owner = Owner::from(&*session);
            if session.roster_wanted() && seen.insert(owner.account) {
                self.tell_roster_since(chat, &owner).await;
            }
            if session.is_available()
                && let Ok(contacts) = chat.contacts(&owner).await
            {
                let local = contacts.watched.iter().filter(|contact| chat.is_local(contact.domain()));
                let theirs = std::iter::once(&owner.jid).chain(local);
                let theirs = theirs.filter(|jid| self.directory.nodes_of(jid).contains(&node));
                self.probe(&session.jid, theirs);
            }
        }
        tokio::spawn(Arc::clone(self).rooms_missed(Arc::clone(chat), node));
    }

    async fn tell_roster_since(&self, chat: &Chat, owner: &Owner) {
        let Some(known) = lock(&self.rosters).get(&owner.jid).copied() else { return };
        let Ok(Some(changes)) = chat.store.roster_changes(owner.account, known).await else { return };
        self.note_roster(&owner.jid, changes.version);
        for (version, item) in changes.changed {
            let visible = item.listed;
            chat.push_roster_here(&owner.jid, version, RosterChange::Set(item), visible);
        }
        for (version, contact) in changes.removed {
            chat.push_roster_here(&owner.jid, version, RosterChange::Removed(contact), true);
        }
    }
}

async fn probed(chat: &Chat, from: &Jid, contacts: &[Jid]) -> Result<()> {
    for contact in contacts {
        chat.answer_probe_here(from, contact).await?;
    }
    Ok(())
}

/// The account's sessions of this node are shown to a contact, if he may still see them, or hidden from him.
async fn shows(chat: &Chat, owner: &Jid, contact: &Jid, hidden: bool) -> Result<()> {
    let Some(profile) = chat.profile(owner).await? else { return Ok(()) };
    let owner = Owner::from(&*profile);
    let _lock = chat.rosters.lock(&owner.jid).await;
    if hidden {
        return chat.show_unavailable_here(&owner, contact).await;
    }
    if chat.shows_presence_to(&owner, contact).await? {
        chat.show_current_here(&owner, contact).await?;
    }
    Ok(())
}

async fn noticed(chat: &Chat, owner: &Jid, node: &str, stanza: Stanza, to: &[Jid]) -> Result<()> {
    chat.pubsub.changed_elsewhere(owner, node);
    let Some(profile) = chat.profile(owner).await? else { return Ok(()) };
    let notice = Arc::new(Outgoing::for_many(stanza));
    chat.tell_interested_here(&profile, node, to, &notice, &mut HashSet::new()).await
}

async fn changed(chat: &Chat, account: &Jid, what: Cached) -> Result<()> {
    match what {
        Cached::Profile => chat.profiles.forget(account),
        Cached::Roster => chat.rosters.forget(account),
        Cached::Pushes => chat.read_push_subscriptions_of(account).await?,
        Cached::Rooms => chat.rooms.listening.changed_for(account),
        Cached::Webhooks => chat.follow_webhooks().await?,
        Cached::Scheduled => chat.wake_schedule(),
        Cached::Status | Cached::Photo => {
            chat.profiles.forget(account);
            let Some(profile) = chat.profile(account).await? else { return Ok(()) };
            let owner = Owner::from(&*profile);
            match what {
                Cached::Status => chat.show_status(&owner).await?,
                _ => chat.show_photo_changed_elsewhere(&owner).await?,
            }
        }
    }
    Ok(())
}

fn told(batch: &Batch) -> Vec<BatchMessage> {
    let one = |message: &CommittedMessage| BatchMessage {
        id: message.id,
        owners: message.copies.iter().map(|copy| (copy.owner, copy.direction)).collect(),
        xml: Some(message.xml.clone()),
    };
    batch.messages.iter().map(one).collect()
}

fn parse(xml: &[u8]) -> Option<Stanza> {
    let element = Element::parse(std::str::from_utf8(xml).ok()?).ok()?;
    Stanza::from_element(element).ok()
}
