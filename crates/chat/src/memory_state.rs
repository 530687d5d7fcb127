//! What accounts keep in step, in the `Store` in memory, for tests.

use std::collections::BTreeMap;

use async_trait::async_trait;
use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::memory_store::MemoryStore;
use crate::state::{OnState, StateChange, StateItem, StateKind, StateStore};
use crate::store::StoreResult;

/// The items.
pub(crate) type StateTables = BTreeMap<(AccountId, StateKind, String), (ArchiveId, Option<String>)>;

fn item(
    ((_, kind, key), (position, content)): (&(AccountId, StateKind, String), &(ArchiveId, Option<String>)),
) -> StateItem {
    StateItem { kind: *kind, key: key.clone(), position: *position, content: content.clone() }
}

#[async_trait]
impl StateStore for MemoryStore {
    fn put_state(&self, changes: Vec<StateChange>, done: OnState) {
        let mut tables = match self.tables() {
            Ok(tables) => tables,
            Err(error) => return done(Err(error)),
        };
        let position = tables.next_position();
        for StateChange { owner, kind, key, content } in changes {
            tables.state.insert((owner, kind, key), (position, content));
        }
        match &self.side {
            // Numbered while the tables are locked, so that batches have the order of commits.
            Some(side) => side.commit(Vec::new(), Box::new(move || done(Ok(position)))),
            None => {
                drop(tables);
                done(Ok(position));
            }
        }
    }

    async fn state(&self, owner: AccountId, kind: StateKind) -> StoreResult<Vec<StateItem>> {
        let tables = self.tables()?;
        let own = tables.state.iter().filter(|((whose, what, _), _)| (*whose, *what) == (owner, kind));
        Ok(own.map(item).filter(|item| item.content.is_some()).collect())
    }

    async fn state_size(&self, owner: AccountId, kind: StateKind) -> StoreResult<(usize, u64)> {
        let all = self.state(owner, kind).await?;
        let bytes = all.iter().map(|item| item.key.len() + item.content.as_ref().map_or(0, String::len));
        Ok((all.len(), bytes.sum::<usize>() as u64))
    }

    async fn state_item(
        &self,
        owner: AccountId,
        kind: StateKind,
        key: &str,
    ) -> StoreResult<Option<StateItem>> {
        let tables = self.tables()?;
        let found = tables.state.get_key_value(&(owner, kind, key.to_owned()));
        Ok(found.map(item).filter(|item| item.content.is_some()))
    }

    async fn state_since(
        &self,
        owner: AccountId,
        since: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<StateItem>> {
        let tables = self.tables()?;
        let own = tables.state.iter().filter(|((whose, ..), _)| *whose == owner);
        let mut changed: Vec<StateItem> = own.map(item).filter(|item| item.position > since).collect();
        changed.sort_by_key(|item| item.position);
        changed.truncate(limit);
        Ok(changed)
    }

    async fn state_of_all(&self, kind: StateKind) -> StoreResult<Vec<(AccountId, StateItem)>> {
        let tables = self.tables()?;
        let all =
            tables.state.iter().filter(|((_, what, _), (_, content))| *what == kind && content.is_some());
        Ok(all.map(|entry| (entry.0.0, item(entry))).collect())
    }

    async fn sweep_state(&self, before: ArchiveId, limit: usize) -> StoreResult<usize> {
        let mut tables = self.tables()?;
        let gone =
            tables.state.iter().filter(|(_, (position, content))| content.is_none() && *position < before);
        let gone: Vec<_> = gone.map(|(key, _)| key.clone()).take(limit).collect();
        gone.iter().for_each(|key| drop(tables.state.remove(key)));
        Ok(gone.len())
    }

    async fn conversations(
        &self,
        owner: AccountId,
        before: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<(Jid, ArchiveId)>> {
        let tables = self.tables()?;
        let mut last = BTreeMap::new();
        for (_, message, archived) in tables.kept(owner) {
            if message.text.is_some() {
                last.insert(archived.peer.to_bare(), archived.id);
            }
        }
        let mut found: Vec<_> = last.into_iter().filter(|(_, id)| *id < before).collect();
        found.sort_by_key(|(_, id)| std::cmp::Reverse(*id));
        found.truncate(limit);
        Ok(found)
    }

    fn position(&self) -> ArchiveId {
        self.tables().map_or(ArchiveId(0), |tables| tables.newest_position())
    }
}
