//! The `Store` port: what the domain needs kept, and the promises a store makes about it.
//!
//! A write is durable when its future resolves or its callback runs: committed and synced. A store never reports
//! success for anything less, and after a failed sync it reports nothing more at all.

use std::path::Path;

use async_trait::async_trait;
use waxwing_xmpp::jid::Jid;

use crate::account::{Account, AccountChange, AccountId, NewAccount};
use crate::archive::{
    Append, ArchiveBounds, ArchiveId, ArchivePage, ArchiveQuery, Archived, Committed, ImportedMessage,
};
use crate::audit::{AuditEntry, AuditRecord};
use crate::files::store::FileStore;
use crate::integrations::IntegrationStore;
use crate::invitation::Invitation;
use crate::people::store::PeopleStore;
use crate::pubsub::store::PubSubStore;
use crate::rooms::store::RoomStore;
use crate::roster::{RosterChanges, RosterItem, RosterSnapshot};
use crate::state::StateStore;
use crate::token::Token;

/// What a store can answer instead of a result.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The thing to be created exists already.
    #[error("it exists already")]
    Conflict,
    /// The thing to be changed does not exist.
    #[error("it does not exist")]
    NotFound,
    /// No space is left; reads go on, writes are refused until space is free.
    #[error("no space is left in the store")]
    Full,
    /// The store cannot be reached or is shutting down; a later attempt may succeed.
    #[error("the store is unavailable")]
    Unavailable,
    /// Another node holds by now what the write names (`Append::fence`).
    #[error("another node holds what this one acted on")]
    Fenced,
    /// Anything else; the cause is for the log, never for a peer.
    #[error("the store failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How many bytes of messages are read at most for one label ([`Store::labelled`]).
pub const LABELLED_BYTES_LIMIT: usize = 512 * 1024;

/// The result of a store's call.
pub type StoreResult<T> = Result<T, StoreError>;

/// Runs once the message is committed and synced, or has failed. Stores call these in commit order, one after the
/// other, so that whoever delivers from inside the callback delivers in archive order. It must not block.
pub type OnCommit = Box<dyn FnOnce(StoreResult<Committed>) + Send>;

/// The kinds of small documents kept for an account, each under a key of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// Private XML storage (XEP-0049); the key is `{namespace}name`.
    PrivateXml,
    /// Archiving preferences (XEP-0441); the key is empty.
    ArchivePreferences,
    /// What belongs to a room and is small: hats, those who ask to be registered, hashes of its avatar.
    Room,
    /// The vCard of a room (XEP-0486); the key is empty.
    RoomVcard,
    /// What of the texts for everybody the account has been told; the key is the text's name.
    Notices,
}

/// A stream that was suspended when the server stopped, so that its client can resume it afterwards (XEP-0198).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedStream {
    /// The resumption id given to the client.
    pub id: String,
    /// The account it belongs to.
    pub owner: AccountId,
    /// Milliseconds since the Unix epoch after which it may no longer be resumed.
    pub expires_ms: u64,
    /// Its state, in the form its face chose.
    pub state: Vec<u8>,
}

/// Figures about a store, for an administrator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Which store this is, with the version of its engine.
    pub engine: String,
    /// The version of the schema.
    pub schema: u32,
    /// Bytes on disk, all files together.
    pub bytes: u64,
    /// How many accounts there are.
    pub accounts: u64,
    /// How many messages the archive holds (each counted once, however many accounts share it).
    pub messages: u64,
}

/// What the domain needs kept.
#[async_trait]
pub trait Store:
    FileStore + PeopleStore + RoomStore + PubSubStore + StateStore + IntegrationStore + Send + Sync + 'static
{
    // Accounts.

    /// Creates an account. `Conflict` when the address is taken.
    async fn create_account(&self, new: NewAccount) -> StoreResult<Account>;
    /// The account of a bare address.
    async fn account(&self, jid: &Jid) -> StoreResult<Option<Account>>;
    /// Accounts in the order of their addresses, at most `limit`, beginning behind `after`; of one domain or of all.
    async fn accounts(
        &self,
        domain: Option<&str>,
        after: Option<&Jid>,
        limit: usize,
    ) -> StoreResult<Vec<Account>>;
    /// Counts changes of accounts, of whatever kind: as long as it is the same, every account is as it was. It has changed
    /// before whoever makes a change learns that it is made. `None` where only reading an account tells.
    fn account_changes(&self) -> Option<u64> {
        None
    }
    /// Changes one aspect of an account. `NotFound` when it is gone.
    async fn change_account(&self, id: AccountId, change: AccountChange) -> StoreResult<()>;
    /// Deletes an account and everything kept for it; its copies of messages go, other people's copies stay.
    async fn delete_account(&self, id: AccountId) -> StoreResult<()>;

    // Roster. Every change raises the account's roster version by at least one.

    /// The whole roster with its version, pending inbound requests included.
    async fn roster(&self, owner: AccountId) -> StoreResult<RosterSnapshot>;
    /// What changed after version `since`; `None` when the store no longer knows, and the whole must be sent.
    async fn roster_changes(&self, owner: AccountId, since: u64) -> StoreResult<Option<RosterChanges>>;
    /// One item.
    async fn roster_item(&self, owner: AccountId, contact: &Jid) -> StoreResult<Option<RosterItem>>;
    /// Creates or replaces an item; returns the roster's new version.
    async fn put_roster_item(&self, owner: AccountId, item: RosterItem) -> StoreResult<u64>;
    /// Removes an item and leaves a mark for `roster_changes`; returns the new version. `NotFound` when there is none.
    async fn remove_roster_item(&self, owner: AccountId, contact: &Jid) -> StoreResult<u64>;
    /// How many items the roster has, pending inbound requests included.
    async fn roster_size(&self, owner: AccountId) -> StoreResult<usize>;

    // Archive.

    /// Archives a message for each of its owners in one transaction and calls `done` once that is durable.
    fn append(&self, message: Append, done: OnCommit);
    /// A page of an owner's archive (XEP-0313). `NotFound` when the page is asked for behind an id that is not there.
    async fn archive_page(&self, query: ArchiveQuery) -> StoreResult<ArchivePage>;
    /// Messages of an owner's archive that carry any of these labels, oldest first, each once; of each label the newest `limit`, and
    /// no more than hold [`LABELLED_BYTES_LIMIT`].
    async fn labelled(
        &self,
        owner: AccountId,
        labels: Vec<String>,
        limit: usize,
    ) -> StoreResult<Vec<Archived>>;
    /// Single messages of an owner's archive by id, in the order asked; `NotFound` when one is missing.
    async fn archived(&self, owner: AccountId, ids: &[ArchiveId]) -> StoreResult<Vec<Archived>>;
    /// The first and last message of an owner's archive.
    async fn archive_bounds(&self, owner: AccountId) -> StoreResult<Option<ArchiveBounds>>;
    /// Messages that wait for the owner behind his delivery mark, oldest first: incoming and marked as offline-worthy.
    async fn waiting(&self, owner: AccountId, after: ArchiveId, limit: usize) -> StoreResult<Vec<Archived>>;
    /// Moves the owner's delivery mark: everything up to `mark` has reached one of his clients.
    async fn set_delivered(&self, owner: AccountId, mark: ArchiveId) -> StoreResult<()>;
    /// Puts messages into an owner's archive under the ids they had elsewhere, in one transaction. Where an id is taken by
    /// another message, the next free one is used; where it is taken by the same message, another owner's, both share it;
    /// a copy the owner has already is left as it is. Ids in the future become the present.
    async fn import_archive(&self, owner: AccountId, messages: Vec<ImportedMessage>) -> StoreResult<()>;
    /// Removes messages older than `before` from all archives, at most `limit`; returns how many.
    async fn expire_archive(&self, before: ArchiveId, limit: usize) -> StoreResult<usize>;

    // Small things of an account.

    /// Addresses the owner blocks (XEP-0191).
    async fn blocked(&self, owner: AccountId) -> StoreResult<Vec<Jid>>;
    /// Adds addresses to the blocklist; those already on it stay.
    async fn block(&self, owner: AccountId, contacts: &[Jid]) -> StoreResult<()>;
    /// Takes addresses off the blocklist; `None` empties it.
    async fn unblock(&self, owner: AccountId, contacts: Option<&[Jid]>) -> StoreResult<()>;
    /// A document of the account, or of the room whose archive this is.
    async fn document(&self, owner: AccountId, kind: DocumentKind, key: &str) -> StoreResult<Option<String>>;
    /// All documents of one kind, with their keys.
    async fn documents(&self, owner: AccountId, kind: DocumentKind) -> StoreResult<Vec<(String, String)>>;
    /// Writes a document, or removes it.
    async fn put_document(
        &self,
        owner: AccountId,
        kind: DocumentKind,
        key: &str,
        content: Option<&str>,
    ) -> StoreResult<()>;

    // Sign-in tokens (XEP-0484), one current and at most one previous for each client of an account.

    /// The tokens of one client of an account.
    async fn tokens(&self, owner: AccountId, agent: &str) -> StoreResult<Vec<Token>>;
    /// Writes a token; one with the same owner, agent and secret is replaced.
    async fn put_token(&self, token: Token) -> StoreResult<()>;
    /// Removes one token by its secret, all of one client, or all of the account.
    async fn delete_tokens(
        &self,
        owner: AccountId,
        agent: Option<&str>,
        secret: Option<&str>,
    ) -> StoreResult<()>;

    // Invitations (XEP-0379, 0401, 0445).

    /// Keeps an invitation.
    async fn put_invitation(&self, invitation: Invitation) -> StoreResult<()>;
    /// Looks at an invitation without using it up.
    async fn invitation(&self, token: &str) -> StoreResult<Option<Invitation>>;
    /// Uses one use of an invitation up, atomically; `None` when it does not exist, is spent, or expired at `now_ms`.
    async fn redeem_invitation(&self, token: &str, now_ms: u64) -> StoreResult<Option<Invitation>>;
    /// All invitations that can still be used.
    async fn invitations(&self) -> StoreResult<Vec<Invitation>>;
    /// Withdraws an invitation; `NotFound` when there is none.
    async fn delete_invitation(&self, token: &str) -> StoreResult<()>;

    /// Removes tokens and invitations that expired before `now_ms`, at most `limit` of each; returns how many.
    async fn remove_expired(&self, now_ms: u64, limit: usize) -> StoreResult<usize>;

    // Streams over a restart.

    /// Keeps suspended streams.
    async fn save_streams(&self, streams: Vec<SavedStream>) -> StoreResult<()>;
    /// Takes a suspended stream out, so that it can be resumed once only.
    async fn take_stream(&self, id: &str) -> StoreResult<Option<SavedStream>>;
    /// Takes all out whose time is over at `now_ms`, so that what they still held can be treated as undelivered.
    async fn take_expired_streams(&self, now_ms: u64) -> StoreResult<Vec<SavedStream>>;

    // The installation.

    /// A value of the installation, such as a secret made at the first start.
    async fn setting(&self, key: &str) -> StoreResult<Option<String>>;
    /// A value of the installation that the first to ask makes: the one that is there, or this one, which is there from then on.
    /// A store that several nodes write to decides between two that ask at once.
    async fn setting_or(&self, key: &str, fresh: &str) -> StoreResult<String> {
        if let Some(there) = self.setting(key).await? {
            return Ok(there);
        }
        self.put_setting(key, fresh).await?;
        Ok(fresh.to_owned())
    }
    /// Writes a value of the installation.
    async fn put_setting(&self, key: &str, value: &str) -> StoreResult<()>;
    /// Adds an entry to the audit log; the store numbers it and chains its hash to the one before.
    async fn append_audit(&self, entry: AuditEntry) -> StoreResult<()>;
    /// Audit records, newest first, at most `limit`, beginning before record number `before`.
    async fn audit(&self, before: Option<u64>, limit: usize) -> StoreResult<Vec<AuditRecord>>;
    /// Follows the audit log's chain of hashes; the number of the first record that is changed, missing or cut off, if any.
    async fn verify_audit(&self) -> StoreResult<Option<u64>>;
    /// Writes a consistent copy of everything to a new file while the store is in use.
    async fn backup(&self, target: &Path) -> StoreResult<()>;
    /// Answers when the store can read; used for readiness.
    async fn ping(&self) -> StoreResult<()>;
    /// Figures for an administrator.
    async fn status(&self) -> StoreResult<StoreStatus>;
    /// Stops taking writes, finishes those taken, and closes.
    async fn close(&self);
}
