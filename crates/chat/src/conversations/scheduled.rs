//! Messages that are sent at a later time: kept with their account, and sent by one task once they are due.
//!
//! A message has an id of its own (XEP-0359) from the moment it is kept. Whoever sends it twice, because the server died
//! between sending and forgetting, sends the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::keeping::Item;
use crate::account::AccountId;
use crate::chat::Chat;
use crate::cluster::Cached;
use crate::error::{Error, Result};
use crate::rosters::Owner;
use crate::session::{ClientInfo, Session};
use crate::state::{STATE_CONTENT_BYTES_LIMIT, StateItem, StateKind};

/// How many messages of one account may wait to be sent.
pub const SCHEDULED_LIMIT: usize = 200;

/// How far ahead a message may be due, in milliseconds.
pub const SCHEDULED_AHEAD_MS: u64 = 366 * 24 * 60 * 60 * 1000;

/// Characters that are kept of why a message could not be sent.
const FAILURE_CHARS_LIMIT: usize = 200;

/// How long the task sleeps at most, so that a clock that is set forwards is noticed.
const SLEEP_LIMIT: Duration = Duration::from_secs(60);

/// Wakes the task that sends.
#[derive(Debug, Default)]
pub(crate) struct Schedule(Notify);

/// A message that is to be sent.
#[derive(Debug, Clone)]
pub struct Due {
    /// Its id, as long as it waits.
    pub id: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Why it could not be sent; it waits for its owner then.
    pub failed: Option<String>,
    /// The message, addressed, without its sender.
    pub message: Stanza,
}

impl Due {
    /// Reads what is kept.
    pub fn read(item: &StateItem) -> Option<Self> {
        let mut parts = item.content.as_deref()?.splitn(3, '\n');
        let (at_ms, failed, xml) = (parts.next()?, parts.next()?, parts.next()?);
        let message = Stanza::from_element(Element::parse(xml).ok()?).ok()?;
        Some(Self {
            id: item.key.clone(),
            at_ms: at_ms.parse().ok()?,
            failed: Some(failed.to_owned()).filter(|failed| !failed.is_empty()),
            message,
        })
    }

    fn written(&self) -> String {
        let mut xml = Vec::new();
        self.message.write(&mut xml, "");
        let xml = String::from_utf8_lossy(&xml);
        let failed = self.failed.as_deref().unwrap_or_default().replace('\n', " ");
        format!("{}\n{failed}\n{xml}", self.at_ms)
    }
}

impl Chat {
    /// Keeps a message to be sent later, or in place of one that waits. `NotAcceptable` where it is due in the past or too far
    /// ahead.
    pub async fn schedule(&self, session: &Session, due: &Due) -> Result<()> {
        let now_ms = self.now_ms();
        if due.at_ms <= now_ms || due.at_ms > now_ms.saturating_add(SCHEDULED_AHEAD_MS) {
            return Err(Error::NotAcceptable("a message is sent later within a year"));
        }
        let written = due.written();
        if written.len() + FAILURE_CHARS_LIMIT * char::MAX.len_utf8() > STATE_CONTENT_BYTES_LIMIT {
            return Err(Error::NotAcceptable("the message is too large to be kept"));
        }
        let owner = Owner::from(session);
        let waiting = self.store.state(owner.account, StateKind::Scheduled).await?;
        if waiting.len() >= SCHEDULED_LIMIT && !waiting.iter().any(|item| item.key == due.id) {
            return Err(Error::ResourceConstraint("too many messages wait to be sent"));
        }
        let (kind, key) = (StateKind::Scheduled, due.id.clone());
        let jid = owner.jid.clone();
        self.keep_in_step(vec![Item { owner, kind, key, content: Some(written) }]).await?;
        self.wake_schedule();
        self.tell_changed(&jid, Cached::Scheduled);
        Ok(())
    }

    /// Something else may be due next.
    pub(crate) fn wake_schedule(&self) {
        self.schedule.0.notify_one();
    }

    /// Does not send a message that waits. `NotFound` where none does.
    pub async fn unschedule(&self, owner: &Owner, id: &str) -> Result<()> {
        if self.kept_in_step(owner, StateKind::Scheduled, id).await?.is_none() {
            return Err(Error::NotFound);
        }
        let (kind, key) = (StateKind::Scheduled, id.to_owned());
        self.keep_in_step(vec![Item { owner: owner.clone(), kind, key, content: None }]).await.map(drop)
    }

    /// Sends messages as they fall due, as long as the server runs.
    pub async fn send_scheduled(self: Arc<Self>) {
        loop {
            let sleep = match self.send_due().await {
                Ok(next_ms) => next_ms.map_or(SLEEP_LIMIT, |at| {
                    Duration::from_millis(at.saturating_sub(self.now_ms())).min(SLEEP_LIMIT)
                }),
                Err(error) => {
                    tracing::warn!(%error, "messages that are due cannot be read");
                    SLEEP_LIMIT
                }
            };
            tokio::select! {
                () = self.schedule.0.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Sends what is due now; tells when the next is.
    pub async fn send_due(self: &Arc<Self>) -> Result<Option<u64>> {
        if !self.has_duty("scheduled").await {
            return Ok(None);
        }
        let now_ms = self.now_ms();
        let mut next = None;
        for (account, item) in self.store.state_of_all(StateKind::Scheduled).await? {
            let Some(due) = Due::read(&item) else {
                tracing::error!(id = item.key, "a message that is to be sent cannot be read");
                continue;
            };
            if due.failed.is_some() {
                continue;
            }
            if due.at_ms > now_ms {
                next = Some(next.map_or(due.at_ms, |next: u64| next.min(due.at_ms)));
                continue;
            }
            // One that cannot be sent keeps no other back.
            if let Err(error) = self.send_one(account, due).await {
                tracing::warn!(%error, id = item.key, "a message that is due could not be sent");
            }
        }
        Ok(next)
    }

    async fn send_one(self: &Arc<Self>, account: AccountId, mut due: Due) -> Result<()> {
        let Some(sender) = due.message.from.clone() else { return Ok(()) };
        let owner = Owner { account, jid: sender.to_bare() };
        let (kind, key) = (StateKind::Scheduled, due.id.clone());
        let content = match self.send_as(&owner, due.message.clone()).await {
            Ok(()) => None,
            // That may pass, and it is tried again with whatever is due next.
            Err(Error::Internal(error)) => return Err(Error::Internal(error)),
            Err(Error::ResourceConstraint(_) | Error::Crowded | Error::Wait | Error::ServiceUnavailable) => {
                tracing::debug!(account = %owner.jid, "a message that is due cannot be sent yet");
                return Ok(());
            }
            Err(error) => {
                due.failed = Some(error.to_string().chars().take(FAILURE_CHARS_LIMIT).collect());
                Some(due.written())
            }
        };
        self.keep_in_step(vec![Item { owner, kind, key, content }]).await.map(drop)
    }

    /// Sends a message for an account that need not be there.
    async fn send_as(self: &Arc<Self>, owner: &Owner, message: Stanza) -> Result<()> {
        let account = self.acting(owner).await?.ok_or(Error::Forbidden)?;
        let to = message.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        if self.is_room(&to) {
            let name = account.name.clone().or(owner.jid.local().map(str::to_owned)).unwrap_or_default();
            return self.say_in_room(&to, &owner.jid, &name, message).await?.await;
        }
        let info = ClientInfo { face: "scheduled", since_ms: self.now_ms(), ..ClientInfo::default() };
        let resource = format!("scheduled-{}", self.token());
        let (session, _events) = self.bind(&account, None, &resource, info).await?;
        let sent = match self.send(&session, message.with_from(session.jid.clone())).await {
            Ok(receipt) => receipt.await,
            Err(error) => Err(error),
        };
        self.unbind(&session, None).await;
        sent
    }

    /// The messages of an account that wait to be sent, those that are due first before the others.
    pub async fn scheduled(&self, owner: &Owner) -> Result<Vec<Due>> {
        let mut waiting: Vec<Due> =
            self.all_in_step(owner, StateKind::Scheduled).await?.iter().filter_map(Due::read).collect();
        waiting.sort_by_key(|due| due.at_ms);
        Ok(waiting)
    }
}
