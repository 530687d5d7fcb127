//! What an account keeps in step on its clients: changed in the store, and told to those that follow it.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;

use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::{AccountEvent, Event};
use crate::rosters::Owner;
use crate::state::{
    STATE_BYTES_LIMIT, STATE_CONTENT_BYTES_LIMIT, STATE_ITEMS_LIMIT, STATE_KEY_BYTES_LIMIT, StateChange,
    StateItem, StateKind,
};

/// An item that is to be changed.
#[derive(Debug, Clone)]
pub struct Item {
    /// Whose.
    pub owner: Owner,
    /// What it is about.
    pub kind: StateKind,
    /// Which of its kind.
    pub key: String,
    /// What it says from now on; `None` removes it.
    pub content: Option<String>,
}

impl Chat {
    /// Changes items, all or none, and tells the clients of their owners once that is safe. Returns their new position.
    /// `ResourceConstraint` where an account has too many of a kind, `NotAcceptable` where one is too large.
    pub async fn keep_in_step(&self, items: Vec<Item>) -> Result<ArchiveId> {
        for item in &items {
            let bytes = item.content.as_ref().map_or(0, String::len);
            if item.key.len() > STATE_KEY_BYTES_LIMIT || bytes > STATE_CONTENT_BYTES_LIMIT {
                return Err(Error::NotAcceptable("it is too large to be kept"));
            }
            if item.content.is_some() {
                self.check_room_for(item, bytes).await?;
            }
        }
        let chat = self.itself().ok_or(Error::ServiceUnavailable)?;
        let changes = items.iter().map(|item| StateChange {
            owner: item.owner.account,
            kind: item.kind,
            key: item.key.clone(),
            content: item.content.clone(),
        });
        let changes = changes.collect();
        let (promise, receipt) = crate::receipt::Receipt::new();
        self.store.put_state(
            changes,
            Box::new(move |put| {
                if let Ok(position) = &put {
                    for Item { owner, kind, key, content } in items {
                        let item = StateItem { kind, key, position: *position, content };
                        chat.tell_account(&owner.jid, AccountEvent::State(item));
                    }
                }
                promise.keep(put.map(Some));
            }),
        );
        receipt.place().await?.ok_or(Error::ServiceUnavailable)
    }

    /// Whether an account may keep one more item, or one that grows.
    async fn check_room_for(&self, item: &Item, bytes: usize) -> Result<()> {
        let owner = item.owner.account;
        let known = self.store.state_item(owner, item.kind, &item.key).await?;
        let before = known.as_ref().map(|known| known.content.as_ref().map_or(0, String::len));
        if before.is_some_and(|before| bytes <= before) {
            return Ok(());
        }
        let (count, all) = self.store.state_size(owner, item.kind).await?;
        let more = bytes as u64 + if before.is_none() { item.key.len() as u64 } else { 0 };
        if before.is_none() && count >= STATE_ITEMS_LIMIT {
            return Err(Error::ResourceConstraint("there are too many of them"));
        }
        if all.saturating_sub(before.unwrap_or_default() as u64).saturating_add(more) > STATE_BYTES_LIMIT {
            return Err(Error::ResourceConstraint("they are too large together"));
        }
        Ok(())
    }

    /// Tells those clients of an account that keep in step with it. Never waits.
    pub(crate) fn tell_account(&self, account: &Jid, event: AccountEvent) {
        if let Some(cluster) = self.cluster() {
            cluster.tell_account(account, &event);
        }
        self.tell_account_here(account, event);
    }

    /// The same on this node alone.
    pub(crate) fn tell_account_here(&self, account: &Jid, event: AccountEvent) {
        let event = Arc::new(event);
        for session in self.sessions.of(account).iter().filter(|session| session.attends()) {
            session.push(Event::Account(Arc::clone(&event)));
        }
    }

    /// What an item of an account says.
    pub async fn kept_in_step(&self, owner: &Owner, kind: StateKind, key: &str) -> Result<Option<String>> {
        Ok(self.store.state_item(owner.account, kind, key).await?.and_then(|item| item.content))
    }

    /// All items of a kind that an account has.
    pub async fn all_in_step(&self, owner: &Owner, kind: StateKind) -> Result<Vec<StateItem>> {
        Ok(self.store.state(owner.account, kind).await?)
    }
}
