//! Who is connected: one sharded map from account to its sessions. Nothing waits, nor takes a second lock, while
//! holding a shard.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::error::{Error, Result};
use crate::event::Close;
use crate::queue::Events;
use crate::session::{ClientInfo, Session, SessionId};

/// How many sessions one account may have at once.
pub const SESSIONS_PER_ACCOUNT_LIMIT: usize = 50;

const SHARDS: usize = 64;

/// The sessions of one account, and how far its messages have come.
#[derive(Debug)]
pub struct Online {
    /// The account.
    pub account: AccountId,
    /// Every connected or resumable session.
    pub sessions: Vec<Arc<Session>>,
    /// Everything up to here has reached one of the account's clients.
    delivered: Arc<Mark>,
}

/// How far an account's messages have been delivered, shared by its sessions: in memory, and what of that has been written down.
#[derive(Debug, Default)]
pub struct Mark {
    reached: AtomicU64,
    written: AtomicU64,
    /// How many sessions share it.
    sessions: AtomicUsize,
}

impl Mark {
    pub(crate) fn at(id: ArchiveId) -> Self {
        Self { reached: AtomicU64::new(id.0), written: AtomicU64::new(id.0), sessions: AtomicUsize::new(0) }
    }

    /// How many sessions the account has.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    /// Everything up to here has been delivered.
    pub fn reached(&self) -> ArchiveId {
        ArchiveId(self.reached.load(Ordering::Acquire))
    }

    pub(crate) fn advance(&self, id: ArchiveId) {
        self.reached.fetch_max(id.0, Ordering::AcqRel);
    }

    pub(crate) fn rewind(&self, id: ArchiveId) {
        self.reached.fetch_min(id.0, Ordering::AcqRel);
    }

    /// The mark if it moved since it was last taken.
    pub(crate) fn take_unwritten(&self) -> Option<ArchiveId> {
        let reached = self.reached.load(Ordering::Acquire);
        (self.written.swap(reached, Ordering::AcqRel) != reached).then_some(ArchiveId(reached))
    }
}

type Shard = RwLock<HashMap<Jid, Online>>;

/// Everyone who is connected to this node.
#[derive(Debug)]
pub struct Sessions {
    shards: Box<[Shard]>,
    hasher: RandomState,
    next: AtomicU64,
    count: AtomicUsize,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
            next: AtomicU64::new(1),
            count: AtomicUsize::new(0),
        }
    }
}

/// What a new session takes over from an older one with the same resource.
pub(crate) struct Bound {
    pub session: Arc<Session>,
    pub events: Events,
    pub replaced: Option<Arc<Session>>,
}

impl Sessions {
    fn shard(&self, account: &Jid) -> &Shard {
        let hash = self.hasher.hash_one(account.as_str());
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }

    /// Adds a session under its full address. One that holds the address already is told to close and gives way
    /// (RFC 6120 section 7.7.2.2, the first of its three policies).
    pub(crate) fn add(
        &self,
        jid: Jid,
        account: AccountId,
        delivered: ArchiveId,
        info: ClientInfo,
    ) -> Result<Bound> {
        let bare = jid.to_bare();
        let id = SessionId(self.next.fetch_add(1, Ordering::Relaxed));
        let mut shard = self.shard(&bare).write().unwrap_or_else(PoisonError::into_inner);
        let online = shard.entry(bare.clone()).or_insert_with(|| Online {
            account,
            sessions: Vec::with_capacity(1),
            delivered: Arc::new(Mark::at(delivered)),
        });
        let replaced =
            online.sessions.iter().position(|s| s.jid == jid).map(|at| online.sessions.swap_remove(at));
        if online.sessions.len() >= SESSIONS_PER_ACCOUNT_LIMIT {
            return Err(Error::ResourceConstraint("too many sessions of this account"));
        }
        let (session, events) = Session::new(id, (bare, jid), account, Arc::clone(&online.delivered), info);
        online.sessions.push(Arc::clone(&session));
        online.delivered.sessions.store(online.sessions.len(), Ordering::Release);
        drop(shard);
        match &replaced {
            Some(old) => old.close(Close::Replaced),
            None => {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(Bound { session, events, replaced })
    }

    /// Takes a session out. Returns whether it was still there, and the account's mark when it was the last.
    pub(crate) fn remove(&self, session: &Session) -> Option<Arc<Mark>> {
        let bare = &session.bare;
        let mut shard = self.shard(bare).write().unwrap_or_else(PoisonError::into_inner);
        let online = shard.get_mut(bare)?;
        let at = online.sessions.iter().position(|s| s.id == session.id)?;
        online.sessions.swap_remove(at);
        let mark = Arc::clone(&online.delivered);
        mark.sessions.store(online.sessions.len(), Ordering::Release);
        if online.sessions.is_empty() {
            shard.remove(bare);
        }
        drop(shard);
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(mark)
    }

    /// Calls `f` with the sessions of an account; `None` when nobody is connected. `f` must not wait or lock.
    pub fn with<T>(&self, account: &Jid, f: impl FnOnce(&[Arc<Session>]) -> T) -> Option<T> {
        debug_assert!(account.is_bare());
        let shard = self.shard(account).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(account).map(|online| f(&online.sessions))
    }

    /// The sessions of an account.
    pub fn of(&self, account: &Jid) -> Vec<Arc<Session>> {
        self.with(account, <[_]>::to_vec).unwrap_or_default()
    }

    /// The session with this full address.
    pub fn find(&self, jid: &Jid) -> Option<Arc<Session>> {
        self.with(&jid.to_bare(), |all| all.iter().find(|s| s.jid == *jid).cloned()).flatten()
    }

    /// How far the messages of a connected account have come.
    pub(crate) fn mark(&self, account: &Jid) -> Option<Arc<Mark>> {
        let shard = self.shard(account).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(account).map(|online| Arc::clone(&online.delivered))
    }

    /// All sessions of this node, in no order.
    pub fn all(&self) -> Vec<Arc<Session>> {
        let mut all = Vec::with_capacity(self.count());
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.values().flat_map(|online| online.sessions.iter().cloned()));
        }
        all
    }

    /// Ends every session there is, the oldest first.
    pub fn close_all(&self, reason: Close) {
        let mut all = self.all();
        all.sort_unstable_by_key(|session| session.id);
        for session in all {
            session.close(reason);
        }
    }

    /// Ends the given share of the sessions that are not ending yet, one in `shares`, the oldest first, and at least one.
    pub fn close_share(&self, shares: usize, reason: Close) {
        let mut all = self.all();
        all.retain(|session| session.close_reason().is_none());
        all.sort_unstable_by_key(|session| session.id);
        let count = all.len().div_ceil(shares.max(1));
        for session in &all[..count] {
            session.close(reason);
        }
    }

    /// Marks that moved since they were last written down.
    pub(crate) fn unwritten_marks(&self) -> Vec<(AccountId, ArchiveId)> {
        let mut moved = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            moved.extend(
                shard.values().filter_map(|o| o.delivered.take_unwritten().map(|id| (o.account, id))),
            );
        }
        moved.sort_unstable();
        moved
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
