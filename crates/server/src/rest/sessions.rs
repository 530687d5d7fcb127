//! Sessions by which bots send: one for each account, made when it is needed and ended when it no longer is. It is never
//! available, so it gets nothing and wakes nobody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use waxwing_chat::Chat;
use waxwing_chat::account::{Account, AccountId};
use waxwing_chat::error::{Error, Result};
use waxwing_chat::queue::Next;
use waxwing_chat::session::{ClientInfo, Session};

/// How long a session stays behind its last use.
const IDLE: Duration = Duration::from_secs(60);

/// Those that are there.
#[derive(Default)]
pub(super) struct Sessions {
    open: Arc<Open>,
}

type Open = Mutex<HashMap<AccountId, Held>>;

#[derive(Clone)]
struct Held {
    session: Arc<Session>,
    used: Arc<AtomicU64>,
}

fn lock(open: &Open) -> MutexGuard<'_, HashMap<AccountId, Held>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    /// The session of an account.
    pub(super) async fn of(&self, chat: &Arc<Chat>, account: &Account, token: &str) -> Result<Arc<Session>> {
        if let Some(held) =
            lock(&self.open).get(&account.id).filter(|held| held.session.close_reason().is_none())
        {
            held.used.fetch_add(1, Ordering::Relaxed);
            return Ok(Arc::clone(&held.session));
        }
        // In a task of its own, since whoever asked may give up half way, and a session would stay that nobody ends.
        let (chat, open) = (Arc::clone(chat), Arc::clone(&self.open));
        let (account, token) = (account.clone(), token.to_owned());
        tokio::spawn(async move { bound(chat, open, account, token).await })
            .await
            .map_err(|_| Error::ServiceUnavailable)?
    }
}

/// Binds a session, which ends by itself once it is not used any more.
async fn bound(chat: Arc<Chat>, open: Arc<Open>, account: Account, token: String) -> Result<Arc<Session>> {
    let info = ClientInfo {
        face: "rest",
        mechanism: "token".to_owned(),
        software: Some("bot".to_owned()),
        agent: Some(token),
        since_ms: chat.now_ms(),
        ..ClientInfo::default()
    };
    let resource = format!("bot-{}", chat.token());
    let (session, mut events) = chat.bind(&account, None, &resource, info).await?;
    let held = Held { session: Arc::clone(&session), used: Arc::default() };
    let id = account.id;
    lock(&open).insert(id, held.clone());
    tokio::spawn(async move {
        let mut seen = held.used.load(Ordering::Relaxed);
        loop {
            // What comes is in the archive, where bots read it.
            match tokio::time::timeout(IDLE, events.next(true)).await {
                Ok(Next::Event(_)) => {}
                Ok(Next::End(_)) => break,
                Err(_) => {
                    let mut all = lock(&open);
                    let used = held.used.load(Ordering::Relaxed);
                    if used == seen {
                        all.remove(&id);
                        break;
                    }
                    seen = used;
                }
            }
        }
        {
            let mut all = lock(&open);
            if all.get(&id).is_some_and(|other| Arc::ptr_eq(&other.session, &held.session)) {
                all.remove(&id);
            }
        }
        chat.unbind(&held.session, None).await;
    });
    Ok(session)
}
