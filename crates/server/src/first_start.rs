//! The first start: an administrator is made, so that there is somebody to sign in as.

use waxwing_chat::Chat;
use waxwing_chat::account::Role;
use waxwing_chat::accounts::NewPerson;
use waxwing_chat::time::timestamp;
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

/// Makes the first administrator at the first domain, if this is the first start and no account is there yet.
pub async fn prepare(chat: &Chat) -> anyhow::Result<Option<Administrator>> {
    let store = chat.store();
    if store.setting(DONE).await?.is_some() {
        return Ok(None);
    }
    let made = match store.accounts(None, None, 1).await?.is_empty() {
        true => Some(make(chat).await?),
        // Accounts were added or imported before the first start; who made them can make an administrator.
        false => None,
    };
    store.put_setting(DONE, &timestamp(chat.now_ms())).await?;
    Ok(made)
}

async fn make(chat: &Chat) -> anyhow::Result<Administrator> {
    let settings = chat.settings();
    let domain = settings.domains.first().map_or("localhost", String::as_str);
    let address = Jid::from_parts(Some(NAME), domain, None)?;
    let password = password::generate(chat);
    let new = NewPerson { jid: address.clone(), name: None, role: Role::Administrator, password: &password };
    chat.create_account(new, "local").await?;
    Ok(Administrator { address, password })
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
