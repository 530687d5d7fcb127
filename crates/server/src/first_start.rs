//! The first start: an administrator is made, so that there is somebody to sign in as.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};
use waxwing_chat::account::Role;
use waxwing_chat::accounts::NewPerson;
use waxwing_chat::time::timestamp;
use waxwing_chat::{Chat, Error};
use waxwing_xmpp::jid::Jid;

use crate::admin::password;

/// Set once the first start is over, to when that was.
const DONE: &str = "first_start";

/// The name of the first administrator.
const NAME: &str = "admin";

/// The administrator made at the first start. The password is kept nowhere.
#[derive(Debug)]
pub struct Administrator {
    /// The account.
    pub address: Jid,
    /// Its password.
    pub password: String,
}

/// How long a node waits for another that is at it: longer than the life of one that died over it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// Makes the first administrator at the first domain, if this is the first start and no account is there yet. Of several nodes that
/// start at once one does it, and all return when it is done.
pub async fn prepare(chat: &Chat) -> anyhow::Result<Option<Administrator>> {
    let store = chat.store();
    let deadline = Instant::now() + PATIENCE;
    while store.setting(DONE).await?.is_none() {
        if chat.has_duty(DONE).await {
            return begin(chat).await;
        }
        ensure!(Instant::now() < deadline, "another node is at it, and does not come to an end");
        sleep(LOOK).await;
    }
    Ok(None)
}

async fn begin(chat: &Chat) -> anyhow::Result<Option<Administrator>> {
    let store = chat.store();
    // Whoever had the duty before may have done it.
    if store.setting(DONE).await?.is_some() {
        return Ok(None);
    }
    let made = match store.accounts(None, None, 1).await?.is_empty() {
        true => make(chat).await?,
        // Accounts were added or imported before the first start; who made them can make an administrator.
        false => None,
    };
    store.put_setting(DONE, &timestamp(chat.now_ms())).await?;
    Ok(made)
}

/// `None` where another node has made him, which was taken for dead over it.
async fn make(chat: &Chat) -> anyhow::Result<Option<Administrator>> {
    let settings = chat.settings();
    let domain = settings.domains.first().map_or("localhost", String::as_str);
    let address = Jid::from_parts(Some(NAME), domain, None)?;
    let password = password::generate(chat);
    let new = NewPerson { jid: address.clone(), name: None, role: Role::Administrator, password: &password };
    match chat.create_account(new, "local").await {
        Ok(_) => Ok(Some(Administrator { address, password })),
        Err(Error::Conflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use waxwing_chat::port::{SystemClock, SystemRandom};
    use waxwing_chat::settings::Settings;
    use waxwing_storage::sqlite::{Options, Sqlite};

    use super::*;
    use crate::tls::testing::Scratch;

    #[tokio::test]
    async fn one_administrator_is_made_once() {
        let scratch = Scratch::new();
        let store = Sqlite::open(&scratch.path().join("waxwing.db"), Options::default()).expect("opened");
        let settings = Settings { scram_iterations: 4096, ..Settings::default() };
        let chat = Chat::new(Arc::new(store), Arc::new(SystemClock), Arc::new(SystemRandom), settings);
        let made = prepare(&chat).await.expect("prepared").expect("made");
        assert_eq!(made.address.as_str(), "admin@localhost");
        let account = chat.account(&made.address).await.expect("there");
        assert_eq!(account.role, Role::Administrator);
        assert!(prepare(&chat).await.expect("prepared").is_none());
        chat.delete_account(&made.address, "local").await.expect("deleted");
        assert!(
            prepare(&chat).await.expect("prepared").is_none(),
            "not a second time, even without any account"
        );
    }
}
