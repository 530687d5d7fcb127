//! The port's calls, each handed to where it is done.

use std::path::Path;

use async_trait::async_trait;
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

use super::attempts::{reading, reading_at_once, writing};
use super::{Postgres, accounts, audit, belongings, migrations, numbers, rosters};

#[async_trait]
impl Store for Postgres {
    async fn create_account(&self, new: NewAccount) -> StoreResult<Account> {
        writing!(self, |db| accounts::create(db, &new).await)
    }

    async fn account(&self, jid: &Jid) -> StoreResult<Option<Account>> {
        reading!(self, |db| accounts::find(db, jid).await)
    }

    async fn accounts(
        &self,
        domain: Option<&str>,
        after: Option<&Jid>,
        limit: usize,
    ) -> StoreResult<Vec<Account>> {
        reading!(self, |db| accounts::list(db, domain, after, limit).await)
    }

    async fn change_account(&self, id: AccountId, change: AccountChange) -> StoreResult<()> {
        writing!(self, |db| accounts::change(db, id, &change).await)
    }

    async fn delete_account(&self, id: AccountId) -> StoreResult<()> {
        writing!(self, |db| accounts::delete(db, id).await)?;
        self.erase(id).await
    }

    async fn roster(&self, owner: AccountId) -> StoreResult<RosterSnapshot> {
        reading_at_once!(self, |db| rosters::whole(db, owner).await)
    }

    async fn roster_changes(&self, owner: AccountId, since: u64) -> StoreResult<Option<RosterChanges>> {
        reading_at_once!(self, |db| rosters::changes(db, owner, since).await)
    }

    async fn roster_item(&self, owner: AccountId, contact: &Jid) -> StoreResult<Option<RosterItem>> {
        reading!(self, |db| rosters::one(db, owner, contact).await)
    }

    async fn put_roster_item(&self, owner: AccountId, item: RosterItem) -> StoreResult<u64> {
        writing!(self, |db| rosters::put(db, owner, &item).await)
    }

    async fn remove_roster_item(&self, owner: AccountId, contact: &Jid) -> StoreResult<u64> {
        writing!(self, |db| rosters::remove(db, owner, contact).await)
    }

    async fn roster_size(&self, owner: AccountId) -> StoreResult<usize> {
        reading!(self, |db| rosters::size(db, owner).await)
    }

    fn append(&self, message: Append, done: OnCommit) {
        Self::append(self, message, done);
    }

    async fn archive_page(&self, query: ArchiveQuery) -> StoreResult<ArchivePage> {
        Self::archive_page(self, query).await
    }

    async fn labelled(
        &self,
        owner: AccountId,
        labels: Vec<String>,
        limit: usize,
    ) -> StoreResult<Vec<Archived>> {
        Self::labelled(self, owner, labels, limit).await
    }

    async fn archived(&self, owner: AccountId, ids: &[ArchiveId]) -> StoreResult<Vec<Archived>> {
        Self::archived(self, owner, ids).await
    }

    async fn archive_bounds(&self, owner: AccountId) -> StoreResult<Option<ArchiveBounds>> {
        Self::archive_bounds(self, owner).await
    }

    async fn waiting(&self, owner: AccountId, after: ArchiveId, limit: usize) -> StoreResult<Vec<Archived>> {
        Self::waiting(self, owner, after, limit).await
    }

    async fn set_delivered(&self, owner: AccountId, mark: ArchiveId) -> StoreResult<()> {
        Self::set_delivered(self, owner, mark).await
    }

    async fn import_archive(&self, owner: AccountId, messages: Vec<ImportedMessage>) -> StoreResult<()> {
        Self::import_archive(self, owner, messages).await
    }

    async fn expire_archive(&self, before: ArchiveId, limit: usize) -> StoreResult<usize> {
        Self::expire_archive(self, before, limit).await
    }

    async fn blocked(&self, owner: AccountId) -> StoreResult<Vec<Jid>> {
        reading!(self, |db| belongings::blocked(db, owner).await)
    }

    async fn block(&self, owner: AccountId, contacts: &[Jid]) -> StoreResult<()> {
        writing!(self, |db| belongings::block(db, owner, contacts).await)
    }

    async fn unblock(&self, owner: AccountId, contacts: Option<&[Jid]>) -> StoreResult<()> {
        writing!(self, |db| belongings::unblock(db, owner, contacts).await)
    }

    async fn document(&self, owner: AccountId, kind: DocumentKind, key: &str) -> StoreResult<Option<String>> {
        reading!(self, |db| belongings::document(db, owner, kind, key).await)
    }

    async fn documents(&self, owner: AccountId, kind: DocumentKind) -> StoreResult<Vec<(String, String)>> {
        reading!(self, |db| belongings::documents(db, owner, kind).await)
    }

    async fn put_document(
        &self,
        owner: AccountId,
        kind: DocumentKind,
        key: &str,
        content: Option<&str>,
    ) -> StoreResult<()> {
        writing!(self, |db| belongings::put_document(db, owner, kind, key, content).await)
    }

    async fn tokens(&self, owner: AccountId, agent: &str) -> StoreResult<Vec<Token>> {
        reading!(self, |db| belongings::tokens(db, owner, agent).await)
    }

    async fn put_token(&self, token: Token) -> StoreResult<()> {
        writing!(self, |db| belongings::put_token(db, &token).await)
    }

    async fn delete_tokens(
        &self,
        owner: AccountId,
        agent: Option<&str>,
        secret: Option<&str>,
    ) -> StoreResult<()> {
        writing!(self, |db| belongings::delete_tokens(db, owner, agent, secret).await)
    }

    async fn put_invitation(&self, invitation: Invitation) -> StoreResult<()> {
        writing!(self, |db| belongings::put_invitation(db, &invitation).await)
    }

    async fn invitation(&self, token: &str) -> StoreResult<Option<Invitation>> {
        reading!(self, |db| belongings::invitation(db, token).await)
    }

    async fn redeem_invitation(&self, token: &str, now_ms: u64) -> StoreResult<Option<Invitation>> {
        writing!(self, |db| belongings::redeem(db, token, now_ms).await)
    }

    async fn invitations(&self) -> StoreResult<Vec<Invitation>> {
        let now_ms = (self.options.now_us)() / 1000;
        reading!(self, |db| belongings::invitations(db, now_ms).await)
    }

    async fn delete_invitation(&self, token: &str) -> StoreResult<()> {
        writing!(self, |db| belongings::delete_invitation(db, token).await)
    }

    async fn remove_expired(&self, now_ms: u64, limit: usize) -> StoreResult<usize> {
        writing!(self, |db| belongings::remove_expired(db, now_ms, limit).await)
    }

    async fn save_streams(&self, streams: Vec<SavedStream>) -> StoreResult<()> {
        writing!(self, |db| belongings::save_streams(db, &streams).await)
    }

    async fn take_stream(&self, id: &str) -> StoreResult<Option<SavedStream>> {
        writing!(self, |db| belongings::take_stream(db, id).await)
    }

    async fn take_expired_streams(&self, now_ms: u64) -> StoreResult<Vec<SavedStream>> {
        writing!(self, |db| belongings::take_expired_streams(db, now_ms).await)
    }

    async fn setting(&self, key: &str) -> StoreResult<Option<String>> {
        reading!(self, |db| belongings::setting(db, key).await)
    }

    async fn setting_or(&self, key: &str, fresh: &str) -> StoreResult<String> {
        writing!(self, |db| belongings::setting_or(db, key, fresh).await)
    }

    async fn put_setting(&self, key: &str, value: &str) -> StoreResult<()> {
        writing!(self, |db| belongings::put_setting(db, key, value).await)
    }

    async fn append_audit(&self, entry: AuditEntry) -> StoreResult<()> {
        writing!(self, |db| audit::append(db, &entry).await)
    }

    async fn audit(&self, before: Option<u64>, limit: usize) -> StoreResult<Vec<AuditRecord>> {
        reading!(self, |db| audit::newest(db, before, limit).await)
    }

    async fn verify_audit(&self) -> StoreResult<Option<u64>> {
        reading_at_once!(self, |db| audit::verify(db).await)
    }

    async fn backup(&self, _target: &Path) -> StoreResult<()> {
        let instead = "the database is PostgreSQL's: back it up by pg_dump or pg_basebackup";
        Err(StoreError::Failed(instead.into()))
    }

    async fn ping(&self) -> StoreResult<()> {
        reading!(self, |db| migrations::version(db).await.map(drop))
    }

    async fn status(&self) -> StoreResult<StoreStatus> {
        reading!(self, |db| {
            let sql = "SELECT current_setting('server_version'), pg_database_size(current_database())";
            let row = db.only_row(sql, &[]).await?;
            Ok(StoreStatus {
                engine: format!("PostgreSQL {}", row.try_get::<_, &str>(0)?),
                schema: migrations::version(db).await?,
                bytes: numbers::uint(row.try_get(1)?),
                accounts: accounts::count(db).await?,
                messages: super::archive::count(db).await?,
            })
        })
    }

    async fn close(&self) {
        self.close_archive().await;
        self.primary.close();
        if let Some(replica) = &self.replica {
            replica.close();
        }
    }
}
