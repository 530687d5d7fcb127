//! What a node tells the others of what happens here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::Instant;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;

use super::{Answer, Cached, Cluster, Content, Handing, ListedSession, Question, Streams, Tunnel, lock};
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::{AccountEvent, Close, RosterChange};
use crate::hints;
use crate::messages::Checked;
use crate::nodes::{Held, Leases, NodeId};
use crate::session::{ClientInfo, Session};

/// How long what two accounts exchange waits for another node that is at it.
pub const PAIR_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time between two looks whether it is free.
const PAIR_PATIENCE_LIMIT: Duration = Duration::from_millis(200);

/// Whether somebody looks at an account's clients at other nodes, and which devices are connected there.
#[derive(Debug, Default)]
pub(crate) struct Attention {
    pub(crate) attended: bool,
    pub(crate) connected: Vec<String>,
}

/// What two accounts exchange is done one after the other, on this node and on all others.
pub(crate) struct Pair<'a> {
    _here: MutexGuard<'a, ()>,
    held: Option<(Arc<dyn Leases>, String, Held)>,
}

impl Drop for Pair<'_> {
    fn drop(&mut self) {
        if let Some((leases, what, held)) = self.held.take() {
            tokio::spawn(async move {
                if let Err(error) = leases.release(&what, held).await {
                    tracing::debug!(%error, "a lease was not given back, and ends with this node's life");
                }
            });
        }
    }
}

impl Handing {
    /// Whether a session is among those that something is handed to.
    pub(crate) fn takes(self, session: &Session) -> bool {
        match self {
            Self::Session | Self::Answer => true,
            Self::TakesMessages => session.takes_messages(),
            Self::Available => session.is_available(),
            Self::KnowsRoster => session.roster_wanted(),
        }
    }
}

impl Cluster {
    /// Tells the other nodes of a message that no archive brings them: one that is not kept, or of which its sender keeps no
    /// copy.
    pub(crate) fn pass(&self, checked: &Checked, archived: Option<ArchiveId>) {
        let recipient = checked.recipient.as_ref().filter(|_| archived.is_none()).map(|to| &to.jid);
        let own = checked.sender.as_ref().map(|sender| &sender.session.bare);
        let own = own.filter(|own| {
            // Of what somebody sends himself there is one copy.
            let kept = archived.is_some()
                && (checked.own_copy || checked.recipient.as_ref().is_some_and(|to| to.jid == **own));
            !kept && hints::copied(&checked.message)
        });
        let mut nodes: BTreeMap<NodeId, [bool; 2]> = BTreeMap::new();
        for (at, account) in [recipient, own].into_iter().enumerate() {
            for node in account.map(|account| self.directory.nodes_of(account)).unwrap_or_default() {
                nodes.entry(node).or_default()[at] = true;
            }
        }
        for (node, [to_recipient, to_own]) in nodes {
            let content = Content::Passing {
                message: checked.message.clone(),
                to: checked.to.clone(),
                recipient: recipient.filter(|_| to_recipient).cloned(),
                own: own.filter(|_| to_own).cloned(),
                archived,
            };
            self.send(node, &content);
        }
    }

    /// Shows presence to the sessions of an address at other nodes.
    pub(crate) fn show(&self, stanza: &Stanza, to: &Jid, past_block: bool) {
        let content = Content::Shown { stanza: stanza.clone(), to: vec![to.clone()], past_block };
        match self.directory.find(to) {
            Some(found) => {
                self.send(found.node, &content);
            }
            None => self.broadcast(&content),
        }
    }

    /// Shows presence to all of these at other nodes.
    pub(crate) fn broadcast_presence<'a>(&self, stanza: &Stanza, to: impl Iterator<Item = &'a Jid>) {
        if !self.bus.others().is_empty() {
            let to = to.cloned().collect();
            self.broadcast(&Content::Shown { stanza: stanza.clone(), to, past_block: false });
        }
    }

    /// Asks the nodes that have available sessions of these, or just these sessions. Says whether any is asked.
    pub(crate) fn probe<'a>(&self, from: &Jid, contacts: impl Iterator<Item = &'a Jid>) -> bool {
        let mut nodes: BTreeMap<NodeId, Vec<Jid>> = BTreeMap::new();
        for contact in contacts {
            let found = self.directory.of(contact).into_iter().filter(|one| {
                one.priority.is_some() && contact.resource().is_none_or(|wanted| *one.resource == *wanted)
            });
            for one in found {
                let asked = nodes.entry(one.node).or_default();
                if asked.last() != Some(contact) {
                    asked.push(contact.clone());
                }
            }
        }
        let mut asked = false;
        for (node, contacts) in nodes {
            asked |= self.send(node, &Content::Probe { from: from.clone(), contacts });
        }
        asked
    }

    /// Has the other sessions of an account shown to a contact, or hidden from him, by their nodes.
    pub(crate) fn have_shown(&self, owner: &Jid, contact: &Jid, hidden: bool) {
        let content = Content::Show { owner: owner.clone(), contact: contact.clone(), hidden };
        self.send_to_nodes_of(owner, &content);
    }

    pub(crate) fn tell_blocked(&self, owner: &Jid, addresses: &[Jid]) {
        self.broadcast(&Content::Blocked { owner: owner.clone(), addresses: addresses.to_vec() });
    }

    pub(crate) fn tell_unblocked(&self, owner: &Jid, addresses: &[Jid], freed: &[Jid]) {
        let (addresses, freed) = (addresses.to_vec(), freed.to_vec());
        self.broadcast(&Content::Unblocked { owner: owner.clone(), addresses, freed });
    }

    pub(crate) fn tell_account(&self, account: &Jid, event: &AccountEvent) {
        self.send_to_nodes_of(account, &Content::Account { owner: account.clone(), event: event.clone() });
    }

    pub(crate) fn tell_roster(&self, owner: &Jid, version: u64, change: &RosterChange, visible: bool) {
        self.note_roster(owner, version);
        let (owner, change) = (owner.clone(), change.clone());
        self.broadcast(&Content::Roster { owner, version, visible, change });
    }

    /// Notes the version that an account's sessions here have been told. Says whether it is newer than the last.
    pub(crate) fn note_roster(&self, owner: &Jid, version: u64) -> bool {
        let mut rosters = lock(&self.rosters);
        let known = rosters.entry(owner.clone()).or_default();
        let newer = version > *known;
        *known = version.max(*known);
        newer
    }

    pub(crate) fn tell_notice(&self, owner: &Jid, node: &str, notice: &Stanza, watchers: &[Jid]) {
        if !self.bus.others().is_empty() {
            let to = watchers.to_vec();
            let (owner, node, stanza) = (owner.clone(), node.to_owned(), notice.clone());
            self.broadcast(&Content::Notice { owner, node, stanza, to });
        }
    }

    pub(crate) fn send_last_items(&self, owner: &Jid, contact: &Jid) {
        let content = Content::LastItems { owner: owner.clone(), contact: contact.clone() };
        self.send_to_nodes_of(contact, &content);
    }

    /// Ends the sessions of an account at all other nodes, those as well that this one does not know of yet. Answers how
    /// many it knows of.
    pub(crate) fn end_sessions(&self, account: &Jid, reason: Close) -> usize {
        self.broadcast(&Content::End { account: account.clone(), reason, keep: None });
        self.directory.of(account).len()
    }

    fn send_to_nodes_of(&self, account: &Jid, content: &Content) {
        for node in self.directory.nodes_of(account) {
            self.send(node, content);
        }
    }
}

impl Chat {
    /// Tells the other nodes how a session is now.
    pub(crate) fn tell_presence(&self, session: &Session) {
        if let Some(cluster) = self.cluster() {
            cluster.changed(session);
        }
    }

    /// A session goes on with another connection of its client.
    pub fn resumed(&self, session: &Session, info: ClientInfo) {
        session.set_info(info);
        // Of two that hold one address the older gives way.
        self.tell_presence(session);
    }

    /// Tells the other nodes that what they remember of an account does not hold any more.
    pub(crate) fn tell_changed(&self, account: &Jid, what: Cached) {
        if let Some(cluster) = self.cluster() {
            cluster.broadcast(&Content::Changed { owner: account.clone(), what });
        }
    }

    /// Whether an account has an available session, here or elsewhere.
    pub(crate) fn is_online(&self, account: &Jid) -> bool {
        self.sessions.with(account, |all| all.iter().any(|s| s.is_available())) == Some(true)
            || self.cluster().is_some_and(|cluster| cluster.directory.is_available(account))
    }

    /// The presence of each available session of an account, here and elsewhere.
    pub fn presences_of(&self, account: &Jid) -> Vec<Stanza> {
        let here = self.sessions.of(account).into_iter().filter_map(|session| session.presence());
        let mut all: Vec<Stanza> = here.map(|presence| presence.stanza().clone()).collect();
        if let Some(cluster) = self.cluster() {
            all.extend(cluster.directory.presences_of(account));
        }
        all
    }

    /// The sessions of this node, of one account or all, as they are shown in lists.
    pub(crate) fn sessions_here(&self, account: Option<&Jid>) -> Vec<ListedSession> {
        let sessions = account.map_or_else(|| self.sessions.all(), |account| self.sessions.of(account));
        let node = self.cluster().map_or(NodeId(0), |cluster| cluster.node());
        let shown = |session: &Arc<Session>| ListedSession {
            node,
            jid: session.jid.clone(),
            priority: session.priority(),
            info: session.info(),
            suspended_since_ms: session.suspended_since_ms(),
        };
        sessions.iter().map(shown).collect()
    }

    /// The sessions of all nodes, of one account or all, in the order of their addresses. A node that does not answer is left
    /// out.
    pub async fn sessions_everywhere(&self, account: Option<&Jid>) -> Vec<ListedSession> {
        let mut all = self.sessions_here(account);
        if let Some(cluster) = self.cluster() {
            let nodes = match account {
                Some(account) => cluster.directory.nodes_of(account),
                None => cluster.bus.others().to_vec(),
            };
            let question = Question::Sessions { account: account.cloned() };
            for answer in cluster.ask_all(nodes, &question).await {
                if let Answer::Sessions(sessions) = answer {
                    all.extend(sessions);
                }
            }
        }
        all.sort_by(|one, other| one.jid.cmp(&other.jid));
        all
    }

    /// How many sessions an account has, here and elsewhere.
    pub fn count_sessions(&self, account: &Jid) -> usize {
        let here = self.sessions.with(account, <[_]>::len).unwrap_or_default();
        here + self.cluster().map_or(0, |cluster| cluster.directory.of(account).len())
    }

    /// Ends the session with this full address, on whatever node. Says whether there is one.
    pub async fn end_session(&self, session: &Jid, reason: Close) -> bool {
        if let Some(found) = self.sessions.find(session) {
            found.close(reason);
            return true;
        }
        let Some(cluster) = self.cluster() else { return false };
        let Some(found) = cluster.directory.find(session) else { return false };
        let question = Question::End { session: session.clone(), reason };
        matches!(cluster.ask(found.node, question).await, Some(Answer::Ended(1)))
    }

    /// Names the face whose streams can be resumed at other nodes; the first counts.
    pub fn resume_elsewhere_by(&self, streams: Arc<dyn Streams>) {
        let _ = self.streams.set(streams);
    }

    /// Asks the nodes that have sessions of an account to go on with one of its streams, whose client has come here. What is asked and
    /// answered is in the form of the face; with the answer comes the way to the stream.
    pub async fn resume_elsewhere(&self, account: &Jid, asked: &[u8]) -> Option<(Vec<u8>, Tunnel)> {
        let cluster = self.cluster()?;
        let questions = cluster.directory.nodes_of(account).into_iter().filter_map(|node| {
            let tunnel = cluster.open_tunnel(node);
            let (account, asked) = (account.clone(), asked.to_vec());
            let question = Question::Resume { account, tunnel: tunnel.number(), asked };
            cluster.ask_ahead(node, question).map(|answered| (tunnel, answered))
        });
        let questions: Vec<_> = questions.collect();
        let deadline = Instant::now() + super::ANSWER_TIMEOUT;
        for (tunnel, answered) in questions {
            if let Ok(Ok(Answer::Resumed(Some(resumed)))) = tokio::time::timeout_at(deadline, answered).await
            {
                return Some((resumed, tunnel));
            }
        }
        None
    }

    /// Hands a stanza to the session of another node that it is addressed to.
    pub(crate) fn hand_elsewhere(&self, stanza: Stanza, how: Handing) -> Result<()> {
        let to = stanza.to.clone().ok_or(Error::ServiceUnavailable)?;
        let cluster = self.cluster().ok_or(Error::ServiceUnavailable)?;
        let found = cluster.directory.find(&to).ok_or(Error::ServiceUnavailable)?;
        let sent = cluster.send(found.node, &Content::Hand { stanza, to, how });
        if sent { Ok(()) } else { Err(Error::ServiceUnavailable) }
    }

    /// Hands a stanza to sessions of an account at other nodes; a full address stands for one alone.
    pub(crate) fn hand_to_others(&self, stanza: &Stanza, to: &Jid, how: Handing) {
        let Some(cluster) = self.cluster() else { return };
        let content = Content::Hand { stanza: stanza.clone(), to: to.clone(), how };
        if to.is_full() {
            if let Some(found) = cluster.directory.find(to) {
                cluster.send(found.node, &content);
            }
        } else {
            cluster.send_to_nodes_of(to, &content);
        }
    }

    /// How far the messages of an account have come, for a session that is being bound under this address: as far as any other
    /// node says. One that another node has under the same address gives way before.
    pub(crate) async fn mark_elsewhere(&self, jid: &Jid, known: ArchiveId) -> ArchiveId {
        let Some(cluster) = self.cluster() else { return known };
        let account = jid.to_bare();
        let replaced = cluster.directory.find(jid).map(|found| (found.node, found.since_ms));
        let asked = cluster.directory.nodes_of(&account).into_iter().filter_map(|node| {
            let replaced =
                replaced.filter(|(known, _)| *known == node).map(|(_, since_ms)| (jid.clone(), since_ms));
            cluster.ask_ahead(node, Question::Mark { account: account.clone(), replaced })
        });
        let asked: Vec<_> = asked.collect();
        let deadline = Instant::now() + super::ANSWER_TIMEOUT;
        let mut marks = Vec::new();
        for answered in asked {
            if let Ok(Ok(Answer::Mark(Some(mark)))) = tokio::time::timeout_at(deadline, answered).await {
                marks.push(mark);
            }
        }
        // What the store has may be ahead of a mark that moved back since.
        marks.into_iter().max().unwrap_or(known)
    }

    /// Whether somebody looks at an account's clients at other nodes.
    pub(crate) async fn attention_elsewhere(&self, account: &Jid) -> Attention {
        let mut attention = Attention::default();
        let Some(cluster) = self.cluster() else { return attention };
        let nodes = cluster.directory.nodes_of(account);
        for answer in cluster.ask_all(nodes, &Question::Attention { account: account.clone() }).await {
            if let Answer::Attention { attended, connected } = answer {
                attention.attended |= attended;
                attention.connected.extend(connected);
            }
        }
        attention
    }

    /// Has what two accounts exchange done by one at a time, on whatever node. Taken before any account's lock.
    pub(crate) async fn lock_pair(&self, one: &Jid, other: &Jid) -> Pair<'_> {
        let here = self.rosters.lock_pair(one, other).await;
        let Some(cluster) = self.cluster() else {
            return Pair { _here: here, held: None };
        };
        let (first, second) = if one.bare_str() < other.bare_str() { (one, other) } else { (other, one) };
        let what = format!("pair/{}/{}", first.bare_str(), second.bare_str());
        let deadline = Instant::now() + PAIR_TIMEOUT;
        let mut patience = Duration::from_millis(2);
        while let Some((leases, name)) = cluster.leases() {
            match leases.hold(&what, name).await {
                Ok(held) if held.node == name => {
                    return Pair { _here: here, held: Some((Arc::clone(leases), what, held)) };
                }
                Ok(_) if Instant::now() < deadline => {
                    tokio::time::sleep(patience).await;
                    patience = (patience * 2).min(PAIR_PATIENCE_LIMIT);
                }
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "two accounts are not kept from exchanging things at two nodes");
                    break;
                }
            }
        }
        Pair { _here: here, held: None }
    }
}
