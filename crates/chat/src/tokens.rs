//! Sign-in tokens: giving, using, renewing and withdrawing them (XEP-0484).
//!
//! A client has at most one token that it has used ("current") and one that it has not ("new"). A token counts as used
//! once its replay counter is set; counters that clients send begin at one, so zero stands for use without a counter.

use waxwing_xmpp::sasl::{Failure, Mechanism};

use crate::account::Account;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::token::Token;

/// Bytes of the id by which a client is known.
pub const AGENT_BYTES_LIMIT: usize = 256;

impl Chat {
    /// Gives a client a new token for a mechanism (XEP-0484 section 3.3). The account must just have been authenticated.
    pub async fn issue_token(&self, account: &Account, agent: &str, mechanism: Mechanism) -> Result<Token> {
        if !matches!(mechanism, Mechanism::HashedToken(_)) {
            return Err(Error::BadRequest("the mechanism takes no tokens"));
        }
        if agent.is_empty() || agent.len() > AGENT_BYTES_LIMIT {
            return Err(Error::BadRequest("the client must tell a short id of its own"));
        }
        let _lock = self.rosters.lock(&account.jid).await;
        self.replace_new_token(account, agent, mechanism.name()).await
    }

    /// Section 3.5: what was given before and never used is withdrawn; what is in use stays until the new one is used.
    async fn replace_new_token(&self, account: &Account, agent: &str, mechanism: &str) -> Result<Token> {
        let mut kept = self.store.tokens(account.id, agent).await?;
        kept.sort_by_key(|token| token.expires_ms);
        let current = kept.iter().rposition(|token| token.count.is_some());
        for (i, token) in kept.iter().enumerate() {
            if Some(i) != current {
                self.store.delete_tokens(account.id, Some(agent), Some(&token.secret)).await?;
            }
        }
        let now = self.now_ms();
        let latest = current.map_or(0, |i| kept[i].expires_ms);
        let token = Token {
            owner: account.id,
            agent: agent.to_owned(),
            mechanism: mechanism.to_owned(),
            secret: self.token(),
            created_ms: now,
            // Which of two tokens is the newer is told by their expiry (section 3.5).
            expires_ms: (now + self.settings().token_lifetime_ms).max(latest + 1),
            count: None,
        };
        self.store.put_token(token.clone()).await?;
        Ok(token)
    }

    /// A client has proven a token: checks what the proof does not cover, and answers a new token if this one grows old.
    pub(crate) async fn use_token(
        &self,
        account: &Account,
        used: &Token,
        count: Option<u32>,
        invalidate: bool,
    ) -> std::result::Result<Option<Token>, Failure> {
        let _lock = self.rosters.lock(&account.jid).await;
        let outcome = self.mark_used(account, used, count, invalidate).await;
        outcome.unwrap_or_else(|error| {
            tracing::error!(%error, "a sign-in token could not be used");
            Err(Failure::TemporaryAuthFailure)
        })
    }

    async fn mark_used(
        &self,
        account: &Account,
        used: &Token,
        count: Option<u32>,
        invalidate: bool,
    ) -> Result<std::result::Result<Option<Token>, Failure>> {
        // Read again under the lock: it may have been used or withdrawn since the proof was checked.
        let all = self.store.tokens(account.id, &used.agent).await?;
        let Some(token) = all.iter().find(|token| token.secret == used.secret) else {
            return Ok(Err(Failure::NotAuthorized));
        };
        let now = self.now_ms();
        if token.expires_ms <= now {
            return Ok(Err(Failure::CredentialsExpired));
        }
        // Section 3.4: a counter never stands still nor goes back, so that a copied request is good for nothing.
        if count.is_some_and(|count| count <= token.count.unwrap_or(0)) {
            return Ok(Err(Failure::NotAuthorized));
        }
        if invalidate {
            self.store.delete_tokens(account.id, Some(&token.agent), Some(&token.secret)).await?;
            return Ok(Ok(None));
        }
        for older in all.iter().filter(|other| other.expires_ms < token.expires_ms) {
            self.store.delete_tokens(account.id, Some(&older.agent), Some(&older.secret)).await?;
        }
        let seen = count.or(token.count).or(Some(0));
        if seen != token.count {
            self.store.put_token(Token { count: seen, ..token.clone() }).await?;
        }
        let lifetime = token.expires_ms.saturating_sub(token.created_ms);
        if now < token.created_ms + lifetime / 2 {
            return Ok(Ok(None));
        }
        Ok(Ok(Some(self.replace_new_token(account, &token.agent, &token.mechanism).await?)))
    }
}
