//! Streams that can be resumed (XEP-0198): where a new connection finds the one it takes over from, in this process
//! or, after a restart, in the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_xmpp::jid::Jid;

use super::live::Live;

/// Asks the task that owns a stream to hand it over.
pub(crate) type Claim = oneshot::Sender<Box<Live>>;

/// How many claims may wait for one stream; a second one only comes from a client that resumes twice at once.
const CLAIMS_LIMIT: usize = 2;

/// The streams of this process that can be resumed, by their resumption id.
#[derive(Debug, Default)]
pub(crate) struct Resumable {
    streams: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    account: AccountId,
    claims: mpsc::Sender<Claim>,
}

/// Keeps a stream resumable; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Registration {
    id: String,
    resumable: Arc<Resumable>,
    pub(crate) claims: mpsc::Receiver<Claim>,
}

impl Registration {
    /// The resumption id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.resumable.streams.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Resumable {
    /// Makes a stream resumable under an id that nobody can guess.
    pub(crate) fn register(self: &Arc<Self>, id: String, account: AccountId) -> Registration {
        let (sender, claims) = mpsc::channel(CLAIMS_LIMIT);
        let entry = Entry { account, claims: sender };
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), entry);
        Registration { id, resumable: Arc::clone(self), claims }
    }

    /// Takes a stream over from the task that owns it. `None` when there is none with this id for this account: what
    /// belongs to somebody else answers like what does not exist.
    pub(crate) async fn claim(&self, id: &str, account: AccountId) -> Option<Box<Live>> {
        let claims = {
            let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = streams.get(id).filter(|entry| entry.account == account)?;
            entry.claims.clone()
        };
        let (claim, handed_over) = oneshot::channel();
        claims.send(claim).await.ok()?;
        handed_over.await.ok()
    }
}

/// A stream as it is kept over a restart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// The full address it was bound to.
    pub(crate) jid: String,
    /// How many stanzas of the client were handled.
    pub(crate) received: u32,
    /// How many stanzas the client has acknowledged.
    pub(crate) acknowledged: u32,
    /// What it has not acknowledged, oldest first.
    pub(crate) waiting: Vec<SavedStanza>,
    /// Its presence, if it was available.
    pub(crate) presence: Option<String>,
    /// Whom it sent directed presence.
    pub(crate) directed: Vec<String>,
    pub(crate) carbons: bool,
    pub(crate) roster_wanted: bool,
    pub(crate) blocklist_wanted: bool,
    /// Said that nobody looks at it (XEP-0352).
    pub(crate) inactive: bool,
    /// The client's own lasting id (XEP-0388 user-agent).
    pub(crate) agent: Option<String>,
    /// The name of its software.
    pub(crate) software: Option<String>,
}

/// A stanza that was not acknowledged.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedStanza {
    /// In canonical form, scope `jabber:client`.
    pub(crate) xml: String,
    /// Its place in the archive, if it has one.
    pub(crate) archived: Option<u64>,
}

impl Saved {
    /// The form that is stored.
    pub(crate) fn to_stored(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the stored form; `None` when another version of the server wrote it and it means nothing now.
    pub(crate) fn from_stored(stored: &[u8]) -> Option<Self> {
        serde_json::from_slice(stored).ok()
    }

    pub(crate) fn jid(&self) -> Option<Jid> {
        Jid::new(&self.jid).ok()
    }
}

impl SavedStanza {
    pub(crate) fn archived(&self) -> Option<ArchiveId> {
        self.archived.map(ArchiveId)
    }
}
