//! Who is connected to the other nodes: account to sessions, in as little memory as may be. It is a hint: what matters
//! is asked of the node itself, or read from the store.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;

use super::frame::Presence;
use crate::account::AccountId;
use crate::nodes::NodeId;

const SHARDS: usize = 64;

/// How many nodes may be in a cluster.
pub const NODES_LIMIT: usize = 64;

const NOT_AVAILABLE: i16 = i16::MIN;

/// A session of another node.
#[derive(Debug)]
struct Entry {
    resource: Box<str>,
    session: u64,
    since_ms: u64,
    /// What it last broadcast; shared by all that broadcast the same.
    presence: Option<Arc<Stanza>>,
    priority: i16,
    node: u8,
}

#[derive(Debug)]
struct Account {
    id: AccountId,
    sessions: Vec<Entry>,
}

/// A session of another node, as it is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) node: NodeId,
    pub(crate) resource: Box<str>,
    pub(crate) session: u64,
    pub(crate) priority: Option<i8>,
    pub(crate) since_ms: u64,
}

/// A session that is not there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) jid: Jid,
    pub(crate) available: bool,
}

/// Some of the accounts, by their bare addresses.
type Shard = RwLock<HashMap<Box<str>, Account>>;

/// The sessions of all other nodes.
#[derive(Debug)]
pub(crate) struct Directory {
    shards: Box<[Shard]>,
    /// The nodes with sessions of an account, a bit for each, by the account's number.
    nodes_of: Box<[RwLock<HashMap<AccountId, u64>>]>,
    slots: RwLock<Vec<Option<NodeId>>>,
    /// The presence that sessions broadcast, each kind once, by the hash of its content.
    presences: Mutex<HashMap<u64, Weak<Stanza>>>,
    hasher: RandomState,
}

/// So many forms of presence that nobody shows any more may be remembered before they are looked through.
const PRESENCES_SLACK: usize = 1024;

impl Default for Directory {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            nodes_of: (0..SHARDS).map(|_| RwLock::default()).collect(),
            slots: RwLock::default(),
            presences: Mutex::default(),
            hasher: RandomState::new(),
        }
    }
}

impl Entry {
    fn priority(&self) -> Option<i8> {
        i8::try_from(self.priority).ok()
    }
}

impl Directory {
    fn shard(&self, bare: &str) -> &RwLock<HashMap<Box<str>, Account>> {
        let hash = self.hasher.hash_one(bare);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }

    fn by_number(&self, account: AccountId) -> &RwLock<HashMap<AccountId, u64>> {
        let at = account.0.unsigned_abs() % SHARDS as u64;
        &self.nodes_of[usize::try_from(at).unwrap_or_default()]
    }

    fn slot(&self, node: NodeId) -> Option<u8> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.iter().position(|known| *known == Some(node)).and_then(|at| u8::try_from(at).ok())
    }

    fn node(&self, slot: u8) -> Option<NodeId> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.get(usize::from(slot)).copied().flatten()
    }

    /// Another node is there. One more than `NODES_LIMIT` is not noted: what is for it goes to all.
    pub(crate) fn join(&self, node: NodeId) -> bool {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if slots.contains(&Some(node)) {
            return true;
        }
        if let Some(free) = slots.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(node);
        } else if slots.len() < NODES_LIMIT {
            slots.push(Some(node));
        } else {
            return false;
        }
        true
    }

    /// Presence as it is kept: the same as that of another session that shows the same.
    fn shared(&self, presence: &Stanza) -> Arc<Stanza> {
        let mut xml = Vec::with_capacity(256);
        presence.write(&mut xml, "");
        let hash = self.hasher.hash_one(&xml);
        let mut presences = self.presences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = presences.get(&hash).and_then(Weak::upgrade)
            && *known == *presence
        {
            return known;
        }
        if presences.len() > PRESENCES_SLACK && presences.len() == presences.capacity() {
            presences.retain(|_, presence| presence.strong_count() > 0);
        }
        let presence = Arc::new(presence.clone());
        presences.insert(hash, Arc::downgrade(&presence));
        presence
    }

    /// Notes a session, or what it is now. Says what its priority was before, if it was known.
    pub(crate) fn put(&self, node: NodeId, presence: &Presence) -> Option<Option<i8>> {
        let slot = self.slot(node)?;
        let bare = presence.jid.bare_str();
        let resource = presence.jid.resource().unwrap_or_default();
        let priority = presence.priority.map_or(NOT_AVAILABLE, i16::from);
        let shown = presence.presence.as_ref().map(|presence| self.shared(presence));
        let mut shard = self.shard(bare).write().unwrap_or_else(PoisonError::into_inner);
        let account = match shard.get_mut(bare) {
            Some(account) => account,
            None => shard
                .entry(bare.into())
                .or_insert_with(|| Account { id: presence.account, sessions: Vec::with_capacity(1) }),
        };
        let known =
            account.sessions.iter_mut().find(|one| one.node == slot && one.session == presence.session);
        let before = match known {
            Some(known) => {
                let before = known.priority();
                (known.priority, known.presence) = (priority, shown);
                Some(before)
            }
            None => {
                account.sessions.reserve_exact(1);
                account.sessions.push(Entry {
                    resource: resource.into(),
                    session: presence.session,
                    since_ms: presence.since_ms,
                    presence: shown,
                    priority,
                    node: slot,
                });
                None
            }
        };
        self.note_nodes(account);
        before
    }

    fn note_nodes(&self, account: &Account) {
        let nodes = account.sessions.iter().fold(0_u64, |nodes, one| nodes | 1 << one.node);
        let mut by_number = self.by_number(account.id).write().unwrap_or_else(PoisonError::into_inner);
        match nodes {
            0 => by_number.remove(&account.id),
            nodes => by_number.insert(account.id, nodes),
        };
    }

    /// Takes one session out; `None` when it was not known.
    pub(crate) fn remove(&self, node: NodeId, session: u64, jid: &Jid) -> Option<Gone> {
        let slot = self.slot(node)?;
        let bare = jid.bare_str();
        let mut shard = self.shard(bare).write().unwrap_or_else(PoisonError::into_inner);
        let account = shard.get_mut(bare)?;
        let at = account.sessions.iter().position(|one| one.node == slot && one.session == session)?;
        let gone = account.sessions.swap_remove(at);
        self.note_nodes(account);
        if account.sessions.is_empty() {
            shard.remove(bare);
        }
        Some(Gone { jid: jid.clone(), available: gone.priority().is_some() })
    }

    /// Takes all sessions of a node out but those that `stays` names, and forgets the node unless it stays itself.
    pub(crate) fn sweep(&self, node: NodeId, stays: impl Fn(u64) -> bool, forget: bool) -> Vec<Gone> {
        let Some(slot) = self.slot(node) else { return Vec::new() };
        let mut gone = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|bare, account| {
                let before = account.sessions.len();
                account.sessions.retain(|one| {
                    let keep = one.node != slot || stays(one.session);
                    if !keep && let Ok(jid) = Jid::new(&format!("{bare}/{}", one.resource)) {
                        gone.push(Gone { jid, available: one.priority().is_some() });
                    }
                    keep
                });
                if account.sessions.len() != before {
                    self.note_nodes(account);
                }
                !account.sessions.is_empty()
            });
        }
        if forget {
            let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
            slots.iter_mut().filter(|known| **known == Some(node)).for_each(|known| *known = None);
        }
        gone
    }

    /// Calls `f` with each session that an account has elsewhere.
    fn each(&self, bare: &str, mut f: impl FnMut(&Entry)) {
        let shard = self.shard(bare).read().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = shard.get(bare) {
            account.sessions.iter().for_each(&mut f);
        }
    }

    /// The sessions that an account has elsewhere.
    pub(crate) fn of(&self, account: &Jid) -> Vec<Found> {
        let mut entries = Vec::new();
        self.each(account.bare_str(), |one| {
            entries.push((one.node, one.resource.clone(), one.session, one.priority(), one.since_ms));
        });
        let found = |(slot, resource, session, priority, since_ms)| {
            Some(Found { node: self.node(slot)?, resource, session, priority, since_ms })
        };
        entries.into_iter().filter_map(found).collect()
    }

    /// The node that has the session with this full address: of several the one that was bound last.
    pub(crate) fn find(&self, jid: &Jid) -> Option<Found> {
        let resource = jid.resource()?;
        let mut all = self.of(jid);
        all.retain(|one| &*one.resource == resource);
        all.into_iter().max_by_key(|one| one.since_ms)
    }

    /// Whether an account has an available session elsewhere.
    pub(crate) fn is_available(&self, account: &Jid) -> bool {
        let mut available = false;
        self.each(account.bare_str(), |one| available |= one.priority().is_some());
        available
    }

    /// Whether an account has a session elsewhere that takes messages.
    pub(crate) fn takes_messages(&self, account: &Jid) -> bool {
        let mut takes = false;
        self.each(account.bare_str(), |one| takes |= one.priority >= 0);
        takes
    }

    /// The presence of those sessions of an account elsewhere that are available.
    pub(crate) fn presences_of(&self, account: &Jid) -> Vec<Stanza> {
        let mut found = Vec::new();
        self.each(account.bare_str(), |one| {
            let from = format!("{}/{}", account.bare_str(), one.resource);
            if let (Some(presence), Ok(from)) = (&one.presence, Jid::new(&from)) {
                found.push(Stanza::clone(presence).with_from(from));
            }
        });
        found
    }

    /// The nodes with sessions of an account.
    pub(crate) fn nodes_of(&self, account: &Jid) -> Vec<NodeId> {
        let mut slots = 0_u64;
        self.each(account.bare_str(), |one| slots |= 1 << one.node);
        self.nodes_in(slots)
    }

    /// The same, a bit for each, by the account's number.
    pub(crate) fn slots_of(&self, account: AccountId) -> u64 {
        let by_number = self.by_number(account).read().unwrap_or_else(PoisonError::into_inner);
        by_number.get(&account).copied().unwrap_or_default()
    }

    /// The bit of a node.
    pub(crate) fn bit(&self, node: NodeId) -> u64 {
        self.slot(node).map_or(0, |slot| 1 << slot)
    }

    fn nodes_in(&self, slots: u64) -> Vec<NodeId> {
        if slots == 0 {
            return Vec::new();
        }
        let known = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let in_it = known.iter().enumerate().filter(|(slot, _)| slots & 1 << slot != 0);
        in_it.filter_map(|(_, node)| *node).collect()
    }

    /// Bytes that it takes in memory, as far as its own tables say: allocators round up.
    #[cfg(test)]
    fn memory(&self) -> usize {
        /// A word before each piece that an allocator hands out, and what rounding costs.
        const PIECE: usize = 16;
        let mut bytes = 0;
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            bytes += shard.capacity() * (size_of::<(Box<str>, Account)>() + 1);
            for (bare, account) in shard.iter() {
                bytes += bare.len() + PIECE;
                bytes += account.sessions.capacity() * size_of::<Entry>() + PIECE;
                bytes += account.sessions.iter().map(|one| one.resource.len() + PIECE).sum::<usize>();
            }
        }
        for by_number in &self.nodes_of {
            let by_number = by_number.read().unwrap_or_else(PoisonError::into_inner);
            bytes += by_number.capacity() * (size_of::<(AccountId, u64)>() + 1);
        }
        bytes
    }

    /// How many sessions there are elsewhere.
    pub(crate) fn count(&self) -> usize {
        let count = |shard: &RwLock<HashMap<Box<str>, Account>>| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.values().map(|account| account.sessions.len()).sum::<usize>()
        };
        self.shards.iter().map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::stanza;
    use crate::testing::jid;

    fn presence(session: u64, account: i64, address: &str, priority: Option<i8>) -> Presence {
        let (account, jid) = (AccountId(account), jid(address));
        Presence { session, account, jid, priority, presence: None, since_ms: session }
    }

    #[test]
    fn sessions_come_change_and_go() {
        let (one, two) = (NodeId(1), NodeId(2));
        let directory = Directory::default();
        assert!(directory.join(one) && directory.join(two) && directory.join(one));
        assert_eq!(directory.put(one, &presence(1, 7, "romeo/a", None)), None);
        assert_eq!(directory.put(two, &presence(1, 7, "romeo/b", Some(-1))), None);
        let romeo = jid("romeo");
        assert!(directory.is_available(&romeo) && !directory.takes_messages(&romeo));
        assert_eq!(directory.put(one, &presence(1, 7, "romeo/a", Some(0))), Some(None));
        assert!(directory.takes_messages(&romeo));
        assert_eq!(directory.nodes_of(&romeo), [one, two]);
        assert_eq!(directory.slots_of(AccountId(7)), directory.bit(one) | directory.bit(two));
        assert_eq!(directory.find(&jid("romeo/b")).map(|found| found.node), Some(two));
        assert_eq!(directory.find(&jid("romeo/c")), None);
        let gone = directory.remove(one, 1, &jid("romeo/a"));
        assert_eq!(gone, Some(Gone { jid: jid("romeo/a"), available: true }));
        assert_eq!(directory.remove(one, 1, &jid("romeo/a")), None);
        assert_eq!(directory.sweep(two, |_| false, true).len(), 1);
        assert_eq!((directory.count(), directory.slots_of(AccountId(7))), (0, 0));
        assert!(directory.nodes_of(&romeo).is_empty());
    }

    /// Of two sessions with one address that nodes tell of, the one that was bound last counts.
    #[test]
    fn the_newer_of_two_is_found() {
        let (one, two) = (NodeId(1), NodeId(2));
        let directory = Directory::default();
        assert!(directory.join(one) && directory.join(two));
        directory.put(one, &presence(5, 7, "romeo/a", Some(0)));
        directory.put(two, &presence(9, 7, "romeo/a", Some(0)));
        assert_eq!(directory.find(&jid("romeo/a")).map(|found| found.node), Some(two));
        directory.sweep(two, |_| false, false);
        assert_eq!(directory.find(&jid("romeo/a")).map(|found| found.node), Some(one));
    }

    /// What a session of another node takes in memory, without what all share; told by `cargo test -- --nocapture`.
    #[test]
    fn a_hundred_thousand_sessions_are_small() {
        let directory = Directory::default();
        directory.join(NodeId(1));
        let presence = stanza("<presence xmlns='jabber:client'><c xmlns='urn:caps' ver='1'/></presence>");
        for number in 0..100_000_u64 {
            let address = format!("user{number}@chat.example.org/laptop-{:04x}", number % 7919);
            directory.put(
                NodeId(1),
                &Presence {
                    session: number,
                    account: AccountId(number as i64),
                    jid: Jid::new(&address).expect("an address"),
                    priority: Some(0),
                    presence: Some(presence.clone()),
                    since_ms: 1_800_000_000_000,
                },
            );
        }
        assert_eq!(directory.count(), 100_000);
        let each = directory.memory() / 100_000;
        eprintln!("{each} bytes a session");
        assert!(each < 256, "{each} bytes a session");
    }
}
