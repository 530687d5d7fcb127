//! When an account was last there, for those who may see its presence (XEP-0012).
//!
//! It is written down every few seconds together with the delivery marks, and not at the end of each session, which would
//! cost every sign-out a transaction of its own. A crash forgets the last few seconds of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;

use crate::account::{Account, AccountChange, AccountId};
use crate::at_once::{self, WRITES_AT_ONCE};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rosters::Owner;
use crate::store::StoreError;

/// How many accounts may have left since it was last written down; one more has it written at once.
pub const LAST_SEEN_LIMIT: usize = 10_000;

/// Who has left, and how, since that was last written down.
#[derive(Debug, Default)]
pub(crate) struct LastSeen(Mutex<BTreeMap<AccountId, Seen>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    at_ms: u64,
    status: Option<String>,
}

impl LastSeen {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what is not written down yet into an account that was read.
    pub(crate) fn show(&self, account: &mut Account) {
        if let Some(seen) = self.lock().get(&account.id) {
            account.last_seen_ms = Some(seen.at_ms);
            account.last_status.clone_from(&seen.status);
        }
    }

    /// Forgets an account that is deleted.
    pub(crate) fn forget(&self, account: AccountId) {
        self.lock().remove(&account);
    }
}

/// The answer to when somebody was last there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastActivity {
    /// Seconds since then; zero when he is connected.
    pub seconds: u64,
    /// What his last unavailable presence said.
    pub status: Option<String>,
}

impl Chat {
    /// Notes that an account's last available session has ended.
    pub(crate) async fn note_last_seen(&self, account: AccountId, status: Option<String>) {
        let full = {
            let mut left = self.last_seen.lock();
            left.insert(account, Seen { at_ms: self.now_ms(), status });
            left.len() >= LAST_SEEN_LIMIT
        };
        if full {
            self.write_last_seen().await;
        }
    }

    /// Writes down who has left. What cannot be written is tried again the next time.
    pub(crate) async fn write_last_seen(&self) {
        let left: Vec<(AccountId, Seen)> =
            self.last_seen.lock().iter().map(|(account, seen)| (*account, seen.clone())).collect();
        for some in left.chunks(WRITES_AT_ONCE) {
            let writes = some.iter().map(|(account, seen)| {
                let change = AccountChange::LastSeen { at_ms: seen.at_ms, status: seen.status.clone() };
                self.store.change_account(*account, change)
            });
            let mut errors = at_once::all(writes).await;
            // Who is deleted was never seen.
            errors.retain(|error| !matches!(error, StoreError::NotFound));
            if let Some(error) = errors.first() {
                tracing::warn!(%error, "when somebody was last there could not be written");
                return;
            }
            let mut left = self.last_seen.lock();
            for (account, seen) in some {
                if left.get(account) == Some(seen) {
                    left.remove(account);
                }
            }
        }
    }

    /// When an account was last there (XEP-0012 section 3). Whoever may not see its presence learns nothing, not even
    /// whether it exists (section 8).
    pub async fn last_activity(&self, viewer: &Jid, account: &Jid) -> Result<LastActivity> {
        let Some(profile) = self.profile(&account.to_bare()).await? else {
            return Err(Error::Forbidden);
        };
        if !viewer.same_bare(account) && profile.blocks(viewer) {
            return Err(Error::ServiceUnavailable);
        }
        if !self.shows_presence_to(&Owner::from(&*profile), viewer).await? {
            return Err(Error::Forbidden);
        }
        let here = self.sessions.with(&profile.jid, |sessions| !sessions.is_empty()) == Some(true);
        if here || self.cluster().is_some_and(|cluster| !cluster.directory.of(&profile.jid).is_empty()) {
            return Ok(LastActivity { seconds: 0, status: None });
        }
        let account = self.account(&profile.jid).await?;
        // Somebody who was never there was last seen when he got his account.
        let at_ms = account.last_seen_ms.unwrap_or(account.created_ms);
        Ok(LastActivity { seconds: self.now_ms().saturating_sub(at_ms) / 1000, status: account.last_status })
    }
}

/// Bytes of a status text that are remembered for XEP-0012.
const STATUS_BYTES_LIMIT: usize = 1024;

/// What unavailable presence says, as far as it is remembered.
pub(crate) fn status(stanza: &Stanza) -> Option<String> {
    let text = stanza.child(ns::CLIENT, "status")?.text();
    let end = (0..=STATUS_BYTES_LIMIT.min(text.len())).rev().find(|end| text.is_char_boundary(*end))?;
    Some(text[..end].to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    /// XEP-0012 sections 3 and 8.
    #[tokio::test]
    async fn only_watchers_learn_when_somebody_left() {
        let world = World::of(&["juliet", "romeo", "tybalt"]).await;
        world.contacts("juliet", "from", "romeo").await;
        let chat = &world.chat;
        let ask = async |viewer: &str| chat.last_activity(&jid(viewer), &jid("juliet")).await;
        world.pass(7000);
        assert_eq!(ask("romeo/orchard").await.unwrap(), LastActivity { seconds: 7, status: None });
        let juliet = world.online("juliet", "balcony").await;
        world.pass(7000);
        assert_eq!(ask("romeo").await.unwrap(), LastActivity { seconds: 0, status: None });
        juliet.send("<presence type='unavailable'><status>Heading Home</status></presence>").await;
        juliet.leave().await;
        world.pass(903_999);
        let left = LastActivity { seconds: 903, status: Some("Heading Home".to_owned()) };
        assert_eq!(ask("romeo").await.unwrap(), left);
        assert_eq!(ask("juliet/chamber").await.unwrap(), left);
        assert!(matches!(ask("tybalt").await, Err(Error::Forbidden)));
        assert!(matches!(chat.last_activity(&jid("tybalt"), &jid("nobody")).await, Err(Error::Forbidden)));
        chat.block(&world.owner("juliet").await, vec![jid("romeo")]).await.unwrap();
        assert!(matches!(ask("romeo").await, Err(Error::ServiceUnavailable)));
    }

    /// It is known at once, and stands in the store when the marks have been written.
    #[tokio::test]
    async fn who_left_is_written_down_with_the_marks() {
        let world = World::of(&["juliet", "romeo"]).await;
        for name in ["juliet", "romeo"] {
            world.online(name, "here").await.leave().await;
        }
        let kept =
            async |name: &str| world.chat.store.account(&jid(name)).await.unwrap().unwrap().last_seen_ms;
        assert_eq!(kept("juliet").await, None);
        let known = world.chat.account(&jid("juliet")).await.unwrap().last_seen_ms;
        assert_eq!(known, Some(world.chat.now_ms()));
        world.chat.write_marks().await;
        assert_eq!((kept("juliet").await, kept("romeo").await), (known, known));
        assert!(world.chat.last_seen.lock().is_empty());
    }
}
