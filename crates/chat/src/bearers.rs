//! Bearer tokens: a program that knows no SASL signs in with one instead of the password. The store has its hash only, so
//! that whoever reads the database cannot sign in.
//!
//! A device has at most one. Its text is the account's address, which says whose tokens to look at, and a secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::{Failure, Mechanism, Success, TokenBinding};

use crate::access;
use crate::account::{Account, AccountId};
use crate::auth::{Attempt, Grant};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::token::Token;
use crate::tokens::AGENT_BYTES_LIMIT;

/// What the store calls the mechanism of such a token.
pub const MECHANISM: &str = "BEARER";

/// What stands before a device's id in the name that its token is kept under, apart from those of XMPP clients.
const PREFIX: &str = "bearer:";

/// A fresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// What the program keeps, and shows to sign in.
    pub text: String,
    /// Milliseconds since the Unix epoch from which it is refused.
    pub expires_ms: u64,
}

/// The name under which a device is known among the account's clients.
pub fn agent(device: &str) -> String {
    format!("{PREFIX}{device}")
}

/// The device of a client by that name, if it is one of these.
pub fn device(agent: &str) -> Option<&str> {
    agent.strip_prefix(PREFIX)
}

impl Chat {
    /// Gives a device of an account a new token, in place of what it had. The account must just have been authenticated.
    pub async fn issue_bearer(&self, account: &Account, device: &str) -> Result<Bearer> {
        let agent = checked(device)?;
        let _lock = self.rosters.lock(&account.jid).await;
        let secret = self.token();
        let now = self.now_ms();
        let token = Token {
            owner: account.id,
            agent: agent.clone(),
            mechanism: MECHANISM.to_owned(),
            secret: kept(&secret),
            created_ms: now,
            expires_ms: now + self.settings().token_lifetime_ms,
            count: Some(0),
        };
        let expires_ms = token.expires_ms;
        self.store.delete_tokens(account.id, Some(&agent), None).await?;
        self.store.put_token(token).await?;
        let text = format!("{}.{secret}", URL_SAFE_NO_PAD.encode(account.jid.as_str()));
        Ok(Bearer { text, expires_ms })
    }

    /// Signs in with a token that was given to this device. Whoever may not sign in is answered as for a wrong password.
    pub async fn sign_in_by_bearer(
        &self,
        attempt: &mut Attempt,
        device: &str,
        text: &str,
    ) -> std::result::Result<Grant, Failure> {
        let (owner, secret) = read(text).ok_or(Failure::NotAuthorized)?;
        let agent = checked(device).map_err(|_| Failure::NotAuthorized)?;
        let username = owner.local().ok_or(Failure::NotAuthorized)?.to_owned();
        owner.domain().clone_into(&mut attempt.domain);
        self.delay(attempt, &username).await?;
        let now = self.now_ms();
        let failed = |error: Error| {
            tracing::error!(%error, "a sign-in token could not be checked");
            Failure::TemporaryAuthFailure
        };
        let credentials = self.credentials(&username, &attempt.domain).await.map_err(failed)?;
        // An account that does not exist is asked for its tokens like one that does.
        let account = credentials.account_id().unwrap_or(AccountId(0));
        let tokens = self.store.tokens(account, &agent).await.map_err(|error| failed(error.into()))?;
        let right = tokens.iter().any(|token| token.expires_ms > now && is_of(token, secret));
        if !right || !credentials.usable() {
            return Err(Failure::NotAuthorized);
        }
        let mechanism = Mechanism::HashedToken(TokenBinding::None);
        self.grant(attempt, Success { username, mechanism, data: None, token: None }).await
    }

    /// Whether a token still stands, and how old it is in milliseconds. Asked again once a session is bound: whoever
    /// withdraws the token meanwhile either finds the session or is seen here.
    pub async fn bearer_age_ms(&self, account: AccountId, device: &str, text: &str) -> Result<Option<u64>> {
        let Some((_, secret)) = read(text) else { return Ok(None) };
        let tokens = self.store.tokens(account, &checked(device)?).await?;
        let found = tokens.iter().find(|token| is_of(token, secret));
        Ok(found.map(|token| self.now_ms().saturating_sub(token.created_ms)))
    }

    /// Withdraws the token of a device, if it has one.
    pub async fn withdraw_bearer(&self, account: AccountId, device: &str) -> Result<()> {
        Ok(self.store.delete_tokens(account, Some(&checked(device)?), None).await?)
    }
}

/// The name of a device's token, if the device's id is one.
fn checked(device: &str) -> Result<String> {
    let agent = agent(device);
    if device.is_empty() || agent.len() > AGENT_BYTES_LIMIT {
        return Err(Error::BadRequest("the device must have a short id of its own"));
    }
    Ok(agent)
}

/// The account that a token is for, and its secret.
fn read(text: &str) -> Option<(Jid, &str)> {
    let (address, secret) = text.split_once('.')?;
    let address = String::from_utf8(URL_SAFE_NO_PAD.decode(address).ok()?).ok()?;
    let jid = Jid::new(&address).ok().filter(Jid::is_bare)?;
    Some((jid, secret))
}

/// What the store has of a secret.
fn kept(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(access::hash_of(secret))
}

/// Whether a token of the store is one of these, and was made of this secret.
fn is_of(token: &Token, secret: &str) -> bool {
    let hash = URL_SAFE_NO_PAD.decode(&token.secret);
    token.mechanism == MECHANISM && hash.is_ok_and(|hash| access::is_hashed(secret, &hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    async fn sign_in(world: &World, device: &str, text: &str) -> std::result::Result<Grant, Failure> {
        world.chat.sign_in_by_bearer(&mut Attempt::new("", None), device, text).await
    }

    #[tokio::test]
    async fn a_token_is_good_for_its_device_until_it_is_replaced() {
        let world = World::of(&["romeo", "juliet"]).await;
        let account = world.chat.account(&jid("romeo")).await.expect("an account");
        let first = world.chat.issue_bearer(&account, "one").await.expect("a token");
        assert_eq!(sign_in(&world, "one", &first.text).await.expect("let in").account.jid, account.jid);
        let kept = world.chat.store.tokens(account.id, &agent("one")).await.expect("tokens");
        let secret = first.text.split('.').nth(1).expect("a secret");
        assert!(kept.iter().all(|token| !token.secret.contains(secret)), "only the hash is kept");
        let second = world.chat.issue_bearer(&account, "one").await.expect("a token");
        let other = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode("juliet@localhost"),
            second.text.split('.').nth(1).expect("one")
        );
        let nobody = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode("nobody@localhost"),
            second.text.split('.').nth(1).expect("one")
        );
        for (device, text) in [
            ("one", first.text.as_str()),
            ("two", &second.text),
            ("", &second.text),
            ("one", &other),
            ("one", &nobody),
            ("one", ""),
            ("one", "."),
            ("one", "x.y"),
            ("one", &second.text[..second.text.len() - 1]),
        ] {
            assert_eq!(
                sign_in(&world, device, text).await.err(),
                Some(Failure::NotAuthorized),
                "{device} {text}"
            );
        }
        sign_in(&world, "one", &second.text).await.expect("let in");
        world.chat.withdraw_bearer(account.id, "one").await.expect("withdrawn");
        assert_eq!(sign_in(&world, "one", &second.text).await.err(), Some(Failure::NotAuthorized));
    }

    #[tokio::test]
    async fn what_ends_an_account_ends_its_tokens() {
        let world = World::of(&["romeo"]).await;
        let account = world.chat.account(&jid("romeo")).await.expect("an account");
        let token = world.chat.issue_bearer(&account, "one").await.expect("a token");
        world.chat.set_expiry(&account.jid, Some(world.chat.now_ms()), "test").await.expect("expired");
        assert_eq!(sign_in(&world, "one", &token.text).await.err(), Some(Failure::NotAuthorized));
        world.chat.set_expiry(&account.jid, None, "test").await.expect("valid again");
        sign_in(&world, "one", &token.text).await.expect("let in");
        world.chat.set_password(&account.jid, "another password", "test").await.expect("changed");
        assert_eq!(sign_in(&world, "one", &token.text).await.err(), Some(Failure::NotAuthorized));
    }
}
