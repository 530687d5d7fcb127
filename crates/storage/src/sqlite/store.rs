//! The port's calls, each handed to the writer or to a reader.

use std::path::Path;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use rusqlite::Connection;
use waxwing_chat::account::{Account, AccountChange, AccountId, NewAccount};
use waxwing_chat::archive::{
    Append, ArchiveBounds, ArchiveId, ArchivePage, ArchiveQuery, Archived, ImportedMessage,
};
use waxwing_chat::audit::{AuditEntry, AuditRecord};
use waxwing_chat::invitation::Invitation;
use waxwing_chat::roster::{RosterChanges, RosterItem, RosterSnapshot};
use waxwing_chat::store::{DocumentKind, OnCommit, SavedStream, Store, StoreError, StoreResult, StoreStatus};
use waxwing_chat::token::Token;
use waxwing_xmpp::jid::Jid;

use super::tail::Entry;
use super::writer::Job;
use super::{
    Sqlite, accounts, answered, archive, audit, backup, belongings, connect, files, import, migrations,
    numbers, readers, remove, rosters, shut_down,
};

#[async_trait]
impl Store for Sqlite {
    async fn create_account(&self, new: NewAccount) -> StoreResult<Account> {
        self.write_account(move |db| accounts::create(db, &new)).await
    }

    async fn account(&self, jid: &Jid) -> StoreResult<Option<Account>> {
        let jid = jid.clone();
        self.read(move |db| accounts::find(db, &jid)).await
    }

    async fn accounts(
        &self,
        domain: Option<&str>,
        after: Option<&Jid>,
        limit: usize,
    ) -> StoreResult<Vec<Account>> {
        let (domain, after) = (domain.map(str::to_owned), after.cloned());
        self.read(move |db| accounts::list(db, domain.as_deref(), after.as_ref().map(Jid::bare_str), limit))
            .await
    }

    fn account_changes(&self) -> Option<u64> {
        Some(self.account_changes.load(Ordering::Acquire))
    }

    async fn change_account(&self, id: AccountId, change: AccountChange) -> StoreResult<()> {
        self.write_account(move |db| accounts::change(db, id, &change)).await
    }

    async fn delete_account(&self, id: AccountId) -> StoreResult<()> {
        self.write_account(move |db| accounts::delete(db, id)).await?;
        answered(self.erase(id)?).await
    }

    async fn roster(&self, owner: AccountId) -> StoreResult<RosterSnapshot> {
        self.read(move |db| rosters::whole(db, owner)).await
    }

    async fn roster_changes(&self, owner: AccountId, since: u64) -> StoreResult<Option<RosterChanges>> {
        self.read(move |db| rosters::changes(db, owner, since)).await
    }

    async fn roster_item(&self, owner: AccountId, contact: &Jid) -> StoreResult<Option<RosterItem>> {
        let contact = contact.clone();
        self.read(move |db| rosters::one(db, owner, &contact)).await
    }

    async fn put_roster_item(&self, owner: AccountId, item: RosterItem) -> StoreResult<u64> {
        self.write(move |db| rosters::put(db, owner, &item)).await
    }

    async fn remove_roster_item(&self, owner: AccountId, contact: &Jid) -> StoreResult<u64> {
        let contact = contact.clone();
        self.write(move |db| rosters::remove(db, owner, &contact)).await
    }

    async fn roster_size(&self, owner: AccountId) -> StoreResult<usize> {
        self.read(move |db| rosters::size(db, owner)).await
    }

    fn append(&self, message: Append, done: OnCommit) {
        let bytes = message.xml.len() + message.text.as_ref().map_or(0, String::len);
        if let Err(Job::Append(_, done)) = self.writes.push(bytes, Job::Append(message, done)) {
            done(Err(StoreError::Unavailable));
        }
    }

    async fn archive_page(&self, query: ArchiveQuery) -> StoreResult<ArchivePage> {
        let (keys, filters) = (self.keys, self.filters.clone());
        if let Some(label) = query.labels.first() {
            // Of what is new, only what carries the label is looked at.
            let (tail, key) = (self.tail.clone(), keys.of(query.owner).label(label));
            let work =
                move |db: &Connection, tail: &Vec<Entry>| archive::page(db, (keys, &filters), &query, tail);
            let (question, answer) = readers::ask_after(move || tail.labelled(key), work);
            self.questions.push(0, question).map_err(|_| StoreError::Unavailable)?;
            return answered(answer).await;
        }
        self.read_with_tail(query.owner, move |db, tail| archive::page(db, (keys, &filters), &query, tail))
            .await
    }

    async fn labelled(
        &self,
        owner: AccountId,
        labels: Vec<String>,
        limit: usize,
    ) -> StoreResult<Vec<Archived>> {
        let (tail, filters) = (self.tail.clone(), self.filters.clone());
        let keys = self.keys.of(owner);
        let keyed = move || {
            let with_tail = |label: String| {
                let key = keys.label(&label);
                (label, key, tail.labelled(key))
            };
            labels.into_iter().map(with_tail).collect::<Vec<_>>()
        };
        let work =
            move |db: &Connection, labels: &Vec<_>| archive::labelled(db, &filters, owner, labels, limit);
        let (question, answer) = readers::ask_after(keyed, work);
        self.questions.push(0, question).map_err(|_| StoreError::Unavailable)?;
        answered(answer).await
    }

    async fn archived(&self, owner: AccountId, ids: &[ArchiveId]) -> StoreResult<Vec<Archived>> {
        let ids = ids.to_vec();
        self.read(move |db| archive::messages(db, owner, &ids)).await
    }

    async fn archive_bounds(&self, owner: AccountId) -> StoreResult<Option<ArchiveBounds>> {
        let (keys, filters) = (self.keys, self.filters.clone());
        self.read_with_tail(owner, move |db, tail| archive::bounds(db, (keys, &filters), owner, tail)).await
    }

    async fn waiting(&self, owner: AccountId, after: ArchiveId, limit: usize) -> StoreResult<Vec<Archived>> {
        let (keys, filters) = (self.keys, self.filters.clone());
        self.read_with_tail(owner, move |db, tail| {
            archive::waiting(db, (keys, &filters), owner, after, limit, tail)
        })
        .await
    }

    async fn set_delivered(&self, owner: AccountId, mark: ArchiveId) -> StoreResult<()> {
        self.write_account(move |db| {
            accounts::set_delivered(db, owner, mark)?;
            remove::delivered(db, owner, mark)
        })
        .await
    }

    async fn import_archive(&self, owner: AccountId, messages: Vec<ImportedMessage>) -> StoreResult<()> {
        let now_us = (self.options.now_us)();
        let numbers = self.numbers.clone();
        self.write_indexed(move |db| import::import(db, owner, &messages, now_us, &numbers)).await
    }

    async fn expire_archive(&self, before: ArchiveId, limit: usize) -> StoreResult<usize> {
        self.write(move |db| remove::expire(db, before, limit)).await
    }

    async fn blocked(&self, owner: AccountId) -> StoreResult<Vec<Jid>> {
        self.read(move |db| belongings::blocked(db, owner)).await
    }

    async fn block(&self, owner: AccountId, contacts: &[Jid]) -> StoreResult<()> {
        let contacts = contacts.to_vec();
        self.write(move |db| belongings::block(db, owner, &contacts)).await
    }

    async fn unblock(&self, owner: AccountId, contacts: Option<&[Jid]>) -> StoreResult<()> {
        let contacts = contacts.map(<[Jid]>::to_vec);
        self.write(move |db| belongings::unblock(db, owner, contacts.as_deref())).await
    }

    async fn document(&self, owner: AccountId, kind: DocumentKind, key: &str) -> StoreResult<Option<String>> {
        let key = key.to_owned();
        self.read(move |db| belongings::document(db, owner, kind, &key)).await
    }

    async fn documents(&self, owner: AccountId, kind: DocumentKind) -> StoreResult<Vec<(String, String)>> {
        self.read(move |db| belongings::documents(db, owner, kind)).await
    }

    async fn put_document(
        &self,
        owner: AccountId,
        kind: DocumentKind,
        key: &str,
        content: Option<&str>,
    ) -> StoreResult<()> {
        let (key, content) = (key.to_owned(), content.map(str::to_owned));
        self.write(move |db| belongings::put_document(db, owner, kind, &key, content.as_deref())).await
    }

    async fn tokens(&self, owner: AccountId, agent: &str) -> StoreResult<Vec<Token>> {
        let agent = agent.to_owned();
        self.read(move |db| belongings::tokens(db, owner, &agent)).await
    }

    async fn put_token(&self, token: Token) -> StoreResult<()> {
        self.write(move |db| belongings::put_token(db, &token)).await
    }

    async fn delete_tokens(
        &self,
        owner: AccountId,
        agent: Option<&str>,
        secret: Option<&str>,
    ) -> StoreResult<()> {
        let (agent, secret) = (agent.map(str::to_owned), secret.map(str::to_owned));
        self.write(move |db| belongings::delete_tokens(db, owner, agent.as_deref(), secret.as_deref())).await
    }

    async fn put_invitation(&self, invitation: Invitation) -> StoreResult<()> {
        self.write(move |db| belongings::put_invitation(db, &invitation)).await
    }

    async fn invitation(&self, token: &str) -> StoreResult<Option<Invitation>> {
        let token = token.to_owned();
        self.read(move |db| belongings::invitation(db, &token)).await
    }

    async fn redeem_invitation(&self, token: &str, now_ms: u64) -> StoreResult<Option<Invitation>> {
        let token = token.to_owned();
        self.write(move |db| belongings::redeem(db, &token, now_ms)).await
    }

    async fn invitations(&self) -> StoreResult<Vec<Invitation>> {
        let now_ms = (self.options.now_us)() / 1000;
        self.read(move |db| belongings::invitations(db, now_ms)).await
    }

    async fn delete_invitation(&self, token: &str) -> StoreResult<()> {
        let token = token.to_owned();
        self.write(move |db| belongings::delete_invitation(db, &token)).await
    }

    async fn remove_expired(&self, now_ms: u64, limit: usize) -> StoreResult<usize> {
        // No index goes by expiry, so the looking is done where it holds up no write.
        let expired = self.read(move |db| belongings::expired(db, now_ms, limit)).await?;
        self.write(move |db| belongings::remove_expired(db, &expired, now_ms)).await
    }

    async fn save_streams(&self, streams: Vec<SavedStream>) -> StoreResult<()> {
        self.write(move |db| belongings::save_streams(db, &streams)).await
    }

    async fn take_stream(&self, id: &str) -> StoreResult<Option<SavedStream>> {
        let id = id.to_owned();
        self.write(move |db| belongings::take_stream(db, &id)).await
    }

    async fn take_expired_streams(&self, now_ms: u64) -> StoreResult<Vec<SavedStream>> {
        self.write(move |db| belongings::take_expired_streams(db, now_ms)).await
    }

    async fn setting(&self, key: &str) -> StoreResult<Option<String>> {
        let key = key.to_owned();
        self.read(move |db| belongings::setting(db, &key)).await
    }

    async fn put_setting(&self, key: &str, value: &str) -> StoreResult<()> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.write(move |db| belongings::put_setting(db, &key, &value)).await
    }

    async fn append_audit(&self, entry: AuditEntry) -> StoreResult<()> {
        self.write(move |db| audit::append(db, &entry)).await
    }

    async fn audit(&self, before: Option<u64>, limit: usize) -> StoreResult<Vec<AuditRecord>> {
        self.read(move |db| audit::newest(db, before, limit)).await
    }

    async fn verify_audit(&self) -> StoreResult<Option<u64>> {
        self.read(audit::verify).await
    }

    async fn backup(&self, target: &Path) -> StoreResult<()> {
        let source = connect::reader(&self.path, &self.options).map_err(super::errors::sql)?;
        let target = target.to_owned();
        // Not on a reader's thread: it would be missing there for as long as the copy takes.
        tokio::task::spawn_blocking(move || backup::backup(&source, &target).map_err(StoreError::from))
            .await
            .unwrap_or(Err(StoreError::Unavailable))
    }

    async fn ping(&self) -> StoreResult<()> {
        self.read(|db| Ok(migrations::version(db).map(drop)?)).await
    }

    async fn status(&self) -> StoreResult<StoreStatus> {
        let path = self.path.clone();
        self.read(move |db| {
            let added = numbers::counter(db, "appended")? + numbers::counter(db, "imported")?;
            Ok(StoreStatus {
                engine: format!("SQLite {}", rusqlite::version()),
                schema: migrations::version(db)?,
                bytes: files::bytes_on_disk(&path),
                accounts: accounts::count(db)?,
                messages: added.saturating_sub(numbers::counter(db, "removed")?),
            })
        })
        .await
    }

    async fn close(&self) {
        let (writes, questions) = (self.writes.clone(), self.questions.clone());
        let (checkpoints, threads) = (self.checkpoints.clone(), self.threads.clone());
        let closed =
            tokio::task::spawn_blocking(move || shut_down(&writes, &questions, &checkpoints, &threads));
        if closed.await.is_err() {
            tracing::error!("closing the store panicked");
        }
    }
}
