//! Outgoing webhooks: what is said is read from the archive behind the webhook's position, and posted in that order. The
//! position moves once a message is delivered or given up, so a restart repeats at most one message and loses none.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::{DEAD_LETTERS_LIMIT, DeadLetter, Way, Webhook};
use crate::account::AccountId;
use crate::archive::{ArchiveId, ArchiveQuery, Archived, Direction, PageFrom};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::messages::Checked;
use crate::route::Destination;
use crate::service::Service;

/// How many messages one reading of the archive takes.
const PAGE: usize = 50;

/// How long a webhook rests that may not read at the moment, or whose archive cannot be read.
const REST: Duration = Duration::from_secs(60);

/// What happened, as an address is told.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its place in the archive.
    pub id: ArchiveId,
    /// The room or person.
    pub conversation: Jid,
    /// Who said it: outside of rooms his address, in a room his address there.
    pub from: Jid,
    /// The message as the archive has it.
    pub message: Stanza,
}

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The address has taken it.
    Delivered,
    /// A later attempt may succeed; the address may have said when, in milliseconds.
    Again(String, Option<u64>),
    /// No later attempt will.
    Refused(String),
}

/// The port through which messages are posted.
#[async_trait]
pub trait Outlet: Send + Sync + 'static {
    /// Whether an address may be posted to at all.
    fn accepts(&self, url: &str) -> bool;
    /// Tries once.
    async fn deliver(&self, hook: &Webhook, told: &Told) -> Outcome;
}

/// The outgoing webhooks that are followed, each by a task.
#[derive(Default)]
pub(crate) struct Followed {
    outlet: OnceLock<(Arc<dyn Outlet>, Handle)>,
    count: AtomicUsize,
    /// By the owner of the archive that is read.
    wakers: Mutex<HashMap<AccountId, Arc<Notify>>>,
    tasks: Mutex<HashMap<String, AbortHandle>>,
}

impl std::fmt::Debug for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Followed").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Followed {
    /// Something was committed to this archive.
    pub(crate) fn wake(&self, archive: AccountId) {
        if self.count.load(Ordering::Acquire) > 0
            && let Some(waker) = lock(&self.wakers).get(&archive)
        {
            waker.notify_waiters();
        }
    }

    fn waker(&self, archive: AccountId) -> Arc<Notify> {
        Arc::clone(lock(&self.wakers).entry(archive).or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chat {
    /// Opens the way to webhooks' addresses, within the runtime, and begins to follow those that are there.
    pub async fn deliver_webhooks_by(&self, outlet: Arc<dyn Outlet>) -> Result<()> {
        if self.followed.outlet.set((outlet, Handle::current())).is_err() {
            return Err(Error::Conflict);
        }
        self.follow_webhooks().await
    }

    /// Follows those webhooks that are there and not followed yet.
    pub(crate) async fn follow_webhooks(&self) -> Result<()> {
        if self.outlet().is_none() {
            return Ok(());
        }
        for hook in self.store.webhooks().await? {
            if !lock(&self.followed.tasks).contains_key(&hook.id) {
                self.follow_webhook(&hook);
            }
        }
        Ok(())
    }

    pub(super) fn outlet(&self) -> Option<&Arc<dyn Outlet>> {
        self.followed.outlet.get().map(|(outlet, _)| outlet)
    }

    /// What is committed for both sides of a message may have to be told.
    pub(crate) fn wake_webhooks(&self, checked: &Checked) {
        if let Some(recipient) = &checked.recipient {
            self.followed.wake(recipient.account);
        }
    }

    pub(super) fn follow_webhook(&self, hook: &Webhook) {
        let Way::Outgoing { .. } = hook.way else { return };
        let Some((outlet, runtime)) = self.followed.outlet.get() else { return };
        let Some(chat) = self.itself() else { return };
        self.followed.count.fetch_add(1, Ordering::AcqRel);
        let task = runtime.spawn(follow(chat, Arc::clone(outlet), hook.id.clone()));
        lock(&self.followed.tasks).insert(hook.id.clone(), task.abort_handle());
    }

    pub(super) fn unfollow_webhook(&self, id: &str) {
        if let Some(task) = lock(&self.followed.tasks).remove(id) {
            task.abort();
            self.followed.count.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The dead letters of a webhook, oldest first.
    pub async fn dead_letters(&self, id: &str, owner: Option<&Jid>) -> Result<Vec<DeadLetter>> {
        self.webhook(id, owner).await?;
        Ok(self.store.dead_letters(id).await?)
    }

    /// Tries dead letters once more, all or one, in their order until one fails; answers how many went and how many are left.
    pub async fn redeliver(
        &self,
        id: &str,
        owner: Option<&Jid>,
        only: Option<ArchiveId>,
    ) -> Result<(usize, usize)> {
        let hook = self.webhook(id, owner).await?;
        let outlet = self.outlet().ok_or(Error::ServiceUnavailable)?;
        let mut letters = self.store.dead_letters(id).await?;
        letters.retain(|letter| only.is_none_or(|only| only == letter.message));
        if only.is_some() && letters.is_empty() {
            return Err(Error::NotFound);
        }
        let archive = self.hooked_archive(&hook).await?;
        let all = letters.len();
        for (gone, letter) in letters.into_iter().enumerate() {
            let query =
                ArchiveQuery { ids: vec![letter.message], ..ArchiveQuery::page(archive, PageFrom::Start, 1) };
            let found = self.store.archive_page(query).await;
            let told = found.ok().and_then(|page| read(&hook, page.items.first()?));
            // What is no longer in the archive cannot be told any more.
            if let Some(told) = told
                && outlet.deliver(&hook, &told).await != Outcome::Delivered
            {
                return Ok((gone, all - gone));
            }
            self.store.delete_dead_letter(id, letter.message).await?;
        }
        Ok((all, 0))
    }

    /// The archive that a webhook reads, as long as its account may.
    async fn hooked_archive(&self, hook: &Webhook) -> Result<AccountId> {
        self.acting(&hook.owner).await?.ok_or(Error::Forbidden)?;
        match &hook.way {
            Way::Outgoing { of: Some(of), .. }
                if matches!(self.locate(of), Destination::Service(Service::Rooms)) =>
            {
                Ok(self.readable_room(of, &hook.owner.jid).await?.0.account)
            }
            Way::Outgoing { .. } => Ok(hook.owner.account),
            Way::Incoming { .. } => Err(Error::NotFound),
        }
    }
}

/// The life of an outgoing webhook.
async fn follow(chat: Arc<Chat>, outlet: Arc<dyn Outlet>, id: String) {
    loop {
        let hook = match chat.store.webhook(&id).await {
            Ok(Some(hook)) => hook,
            Ok(None) => return chat.unfollow_webhook(&id),
            Err(error) => {
                tracing::warn!(%error, webhook = id, "a webhook could not be read");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        if !chat.has_duty(&format!("webhook/{id}")).await {
            tokio::time::sleep(REST).await;
            continue;
        }
        let archive = match chat.hooked_archive(&hook).await {
            Ok(archive) => archive,
            Err(error) => {
                tracing::debug!(%error, webhook = id, "a webhook may not read");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let waker = chat.followed.waker(archive);
        let woken = waker.notified();
        tokio::pin!(woken);
        // Whatever is committed from here on wakes, so nothing can fall between the reading and the waiting.
        woken.as_mut().enable();
        match step(&chat, &*outlet, &hook, archive).await {
            Ok(true) => {}
            Ok(false) => woken.await,
            Err(error) => {
                tracing::warn!(%error, webhook = id, "what a webhook is told could not be read");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Tells what lies behind the position; whether there was anything.
async fn step(chat: &Arc<Chat>, outlet: &dyn Outlet, hook: &Webhook, archive: AccountId) -> Result<bool> {
    let Way::Outgoing { of, position, .. } = &hook.way else { return Ok(false) };
    let with = of.clone().filter(|_| archive == hook.owner.account);
    let start = Some(ArchiveId(position.0 + 1));
    let page = ArchiveQuery { with, start, ..ArchiveQuery::page(archive, PageFrom::Start, PAGE) };
    let page = chat.store.archive_page(page).await?;
    let mut passed = None;
    for message in &page.items {
        if let Some(told) = read(hook, message) {
            let dead = persist(chat, outlet, hook, &told).await;
            chat.store.pass_webhook(&hook.id, message.id, dead, DEAD_LETTERS_LIMIT).await?;
            passed = None;
        } else {
            passed = Some(message.id);
        }
    }
    if let Some(passed) = passed {
        chat.store.pass_webhook(&hook.id, passed, None, DEAD_LETTERS_LIMIT).await?;
    }
    Ok(!page.items.is_empty())
}

/// Tries until a message is delivered or given up.
async fn persist(chat: &Chat, outlet: &dyn Outlet, hook: &Webhook, told: &Told) -> Option<DeadLetter> {
    for attempt in 1.. {
        let settings = chat.settings();
        let (reason, after_ms) = match outlet.deliver(hook, told).await {
            Outcome::Delivered => return None,
            Outcome::Again(reason, after_ms) => (reason, after_ms),
            Outcome::Refused(reason) => return Some(dead(chat, told, attempt, reason)),
        };
        tracing::debug!(webhook = hook.id, attempt, reason, "a webhook's address did not take a message");
        if attempt >= settings.webhooks.attempts {
            return Some(dead(chat, told, attempt, reason));
        }
        let doubled = settings.webhooks.first_pause_ms.saturating_mul(1 << (attempt - 1).min(30));
        let pause = after_ms.unwrap_or(0).max(doubled).min(settings.webhooks.longest_pause_ms);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    None
}

fn dead(chat: &Chat, told: &Told, attempts: u32, reason: String) -> DeadLetter {
    tracing::warn!(id = %told.id, attempts, reason, "a message for a webhook has become a dead letter");
    DeadLetter { message: told.id, attempts, reason, at_ms: chat.now_ms() }
}

/// What a webhook is told of a message of the archive; `None` for what its own account said, and for what says nothing.
fn read(hook: &Webhook, archived: &Archived) -> Option<Told> {
    let Way::Outgoing { of, .. } = &hook.way else { return None };
    if archived.direction == Direction::Outgoing || archived.peer.same_bare(&hook.owner.jid) {
        return None;
    }
    let element = Element::parse(std::str::from_utf8(&archived.xml).ok()?).ok()?;
    let message = Stanza::from_element(element).ok()?;
    let says = |namespace: &str, name: &str| message.child(namespace, name).is_some();
    if !says(ns::CLIENT, "body") && !says(ns::REACTIONS, "reactions") && !says(ns::RETRACTION, "retract") {
        return None;
    }
    let from = message.from.clone()?;
    let conversation = of.clone().unwrap_or_else(|| archived.peer.to_bare());
    Some(Told { id: archived.id, conversation, from, message })
}
