//! `Chat`: the domain as one value that every face holds, with the ports it was given.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use waxwing_xmpp::jid::Jid;

use crate::archive::ArchiveId;
use crate::archive_ids::ArchiveIds;
use crate::at_once::{self, WRITES_AT_ONCE};
use crate::auth::SignIn;
use crate::barring::Barred;
use crate::bytestreams::Relay;
use crate::cluster::{Cluster, Streams};
use crate::conversations::marks::Markers;
use crate::conversations::scheduled::Schedule;
use crate::error::Result;
use crate::event::Close;
use crate::federation::Remote;
use crate::files::blobs::Blobs;
use crate::interests::KnownInterests;
use crate::last::LastSeen;
use crate::people::following::Following;
use crate::people::notices::Notices;
use crate::port::{Clock, Random};
use crate::profile::Profiles;
use crate::pubsub::PubSub;
use crate::push::deciding::Pushing;
use crate::push::subscriptions::Subscribed;
use crate::queue::Events;
use crate::rooms::Rooms;
use crate::rosters::Rosters;
use crate::session::{ClientInfo, Session};
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::status::Ends;
use crate::store::Store;
use crate::watching::Watching;
use crate::webhooks::outgoing::Followed;

/// The domain. Its operations stand in the files named for what they do: `messages`, `deliver`, `presence`, and so on.
pub struct Chat {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) sessions: Sessions,
    pub(crate) profiles: Profiles,
    pub(crate) rosters: Rosters,
    pub(crate) rooms: Rooms,
    pub(crate) watching: Watching,
    pub(crate) pubsub: PubSub,
    pub(crate) interests: KnownInterests,
    pub(crate) sign_in: SignIn,
    pub(crate) last_seen: LastSeen,
    pub(crate) notices: Notices,
    pub(crate) following: Following,
    pub(crate) ends: Ends,
    pub(crate) barred: Barred,
    pub(crate) subscribed: Subscribed,
    pub(crate) pushing: Pushing,
    pub(crate) followed: Followed,
    pub(crate) schedule: Schedule,
    pub(crate) markers: Markers,
    settings: RwLock<Arc<Settings>>,
    started_ms: u64,
    /// Names clients within this process, in a way nobody outside can compute.
    names: RandomState,
    pub(crate) archive_ids: OnceLock<ArchiveIds>,
    pub(crate) blobs: OnceLock<Arc<dyn Blobs>>,
    pub(crate) held_contents: Arc<AtomicUsize>,
    pub(crate) relay: OnceLock<Arc<dyn Relay>>,
    /// For the rooms, whose tasks outlive the calls that wake them.
    itself: Weak<Chat>,
    pub(crate) remote: Remote,
    pub(crate) cluster: OnceLock<Arc<Cluster>>,
    pub(crate) streams: OnceLock<Arc<dyn Streams>>,
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat").field("sessions", &self.sessions.count()).finish_non_exhaustive()
    }
}

impl Chat {
    /// Puts the domain together from its ports.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        settings: Settings,
    ) -> Arc<Self> {
        let started_ms = clock.now_ms();
        Arc::new_cyclic(|itself| Self {
            store,
            clock,
            random,
            sessions: Sessions::default(),
            profiles: Profiles::default(),
            rosters: Rosters::default(),
            rooms: Rooms::default(),
            watching: Watching::default(),
            pubsub: PubSub::default(),
            interests: KnownInterests::default(),
            sign_in: SignIn::default(),
            last_seen: LastSeen::default(),
            notices: Notices::default(),
            following: Following::default(),
            ends: Ends::default(),
            barred: Barred::default(),
            subscribed: Subscribed::default(),
            pushing: Pushing::default(),
            followed: Followed::default(),
            schedule: Schedule::default(),
            markers: Markers::default(),
            settings: RwLock::new(Arc::new(settings)),
            started_ms,
            names: RandomState::new(),
            archive_ids: OnceLock::new(),
            blobs: OnceLock::new(),
            held_contents: Arc::default(),
            relay: OnceLock::new(),
            itself: Weak::clone(itself),
            remote: Remote::default(),
            cluster: OnceLock::new(),
            streams: OnceLock::new(),
        })
    }

    /// The settings now in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other settings in force, for everything that begins from now on. Sessions at a domain that is no longer served
    /// end: one that is being bound meanwhile is either seen here, or sees the new settings (`still_admits`).
    pub fn reload(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        for session in self.sessions.all() {
            if !self.is_local(session.jid.domain()) {
                session.close(Close::HostGone);
            }
        }
    }

    /// Ends sessions at one domain, or all, so that their clients negotiate encryption and authentication anew
    /// (RFC 6120 section 4.9.3.16). Returns how many.
    pub fn reset_sessions(&self, domain: Option<&str>) -> usize {
        let mut sessions = self.sessions.all();
        sessions.retain(|session| domain.is_none_or(|domain| session.jid.domain() == domain));
        for session in &sessions {
            session.close(Close::Reset);
        }
        sessions.len()
    }

    /// Whether this server answers for the domain.
    pub fn is_local(&self, domain: &str) -> bool {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).domains.iter().any(|d| d == domain)
    }

    /// The domain itself, for a task of its own; `None` once it is being given up.
    pub(crate) fn itself(&self) -> Option<Arc<Self>> {
        self.itself.upgrade()
    }

    /// Who is connected.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The store, for what needs no rule of the domain: backup, status, settings of the installation.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Now, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Fills a buffer from the system's cryptographic generator.
    pub fn fill_random(&self, buffer: &mut [u8]) {
        self.random.fill(buffer);
    }

    /// A fresh secret (see `port::token`).
    pub fn token(&self) -> String {
        crate::port::token(&*self.random)
    }

    /// Adds a session for an account that has been authenticated. A session that holds the same resource is closed as
    /// replaced, and its unavailable presence sent before the new one can send any. `as_of` tells how current the account is
    /// (`Grant::as_of`); without it the account is read once more.
    pub async fn bind(
        &self,
        account: &crate::account::Account,
        as_of: Option<u64>,
        resource: &str,
        info: ClientInfo,
    ) -> Result<(Arc<Session>, Events)> {
        let jid = account
            .jid
            .with_resource(resource)
            .map_err(|_| crate::error::Error::BadRequest("the resource is not valid"))?;
        let delivered = match self.sessions.mark(&account.jid) {
            Some(mark) => mark.reached(),
            None => account.delivered,
        };
        let delivered = self.mark_elsewhere(&jid, delivered).await;
        let bound = self.sessions.add(jid, account.id, delivered, info)?;
        if let Some(old) = &bound.replaced {
            self.session_gone(old).await;
            self.tell_gone(old);
        }
        if let Some(cluster) = self.cluster() {
            cluster.came(&bound.session);
        }
        match self.still_admits(account, as_of).await {
            Ok(true) => Ok((bound.session, bound.events)),
            outcome => {
                self.unbind(&bound.session, None).await;
                Err(outcome.err().unwrap_or(crate::error::Error::Forbidden))
            }
        }
    }

    /// Takes a session out for good: its contacts are told, and its account's delivery mark is written down.
    /// `undelivered` is the oldest archived message that its client did not confirm.
    pub async fn unbind(&self, session: &Arc<Session>, undelivered: Option<ArchiveId>) {
        if let Some(oldest) = undelivered {
            self.undelivered(session, oldest);
        }
        let Some(mark) = self.sessions.remove(session) else {
            return;
        };
        if let Some(reached) = mark.take_unwritten()
            && let Err(error) = self.store.set_delivered(session.account, reached).await
        {
            tracing::warn!(%error, "the delivery mark could not be written; messages may be delivered again");
        }
        self.session_gone(session).await;
        self.tell_gone(session);
    }

    /// Tells the other nodes that a session has been taken out.
    fn tell_gone(&self, session: &Session) {
        if let Some(cluster) = self.cluster() {
            cluster.went(session);
        }
    }

    /// Writes the delivery marks that moved, and who has left. Called now and then; a crash in between repeats messages,
    /// never loses them.
    pub async fn write_marks(&self) {
        for some in self.sessions.unwritten_marks().chunks(WRITES_AT_ONCE) {
            let writes = some.iter().map(|(account, mark)| self.store.set_delivered(*account, *mark));
            if let Some(error) = at_once::all(writes).await.first() {
                tracing::warn!(%error, "a delivery mark could not be written; messages may be delivered again");
            }
        }
        self.write_last_seen().await;
    }

    /// The part of a resource that the server chooses: the same whenever the same client of the same account comes, so that
    /// it takes over from its own earlier session (XEP-0386 section 3.2.1), and otherwise one that nobody else has.
    pub fn resource_suffix(&self, account: &crate::account::Account, agent: Option<&str>) -> String {
        match agent {
            Some(agent) => format!("{:016x}", self.names.hash_one((account.jid.as_str(), agent))),
            None => self.token(),
        }
    }

    /// For how long the domain has been running, in milliseconds.
    pub fn uptime_ms(&self) -> u64 {
        self.now_ms().saturating_sub(self.started_ms)
    }

    /// Whether the address is one of this server's domains itself, without an account.
    pub fn is_server(&self, jid: &Jid) -> bool {
        jid.local().is_none() && jid.resource().is_none() && self.is_local(jid.domain())
    }
}
