//! Access tokens: secrets by which a program acts for an account, each within its scopes. Only their hashes are kept.

use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq as _;
use waxwing_xmpp::sasl::Hash;

use crate::account::{Account, AccountId, Role};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rosters::Owner;

/// What every token begins with, so that people and scanners for lost secrets know one when they see it.
pub const TOKEN_PREFIX: &str = "wxw_";

/// Bytes of the name that somebody gives a token.
pub const TOKEN_NAME_BYTES_LIMIT: usize = 100;

/// How many tokens one account may have.
pub const TOKENS_PER_ACCOUNT_LIMIT: usize = 50;

/// How many tokens one answer lists.
pub const TOKENS_PAGE: usize = 200;

/// How much time passes before it is written down again that a token was used, in milliseconds.
pub const USE_NOTED_EVERY_MS: u64 = 60_000;

/// How many characters the id in a token has.
const ID_CHARS: usize = 12;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A group of things that a token may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope { $($(#[$doc])* $name,)* }

        impl Scope {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// How it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

scopes! {
    /// Read conversations and their messages.
    MessagesRead = "messages:read",
    /// Send, change and take back messages, and react to them.
    MessagesWrite = "messages:write",
    /// See rooms and their members.
    RoomsRead = "rooms:read",
    /// Make and change rooms, join and leave them.
    RoomsWrite = "rooms:write",
    /// Look for people.
    People = "people",
    /// Upload files.
    Files = "files",
    /// Make and withdraw webhooks of the own account.
    Webhooks = "webhooks",
    /// Administrator's commands that only look.
    AdminView = "admin:view",
    /// Administrator's commands about accounts.
    AdminAccounts = "admin:accounts",
    /// Administrator's commands about the installation.
    AdminInstallation = "admin:installation",
}

impl Scope {
    /// Whether it is of use to administrators alone.
    pub fn is_administrative(self) -> bool {
        matches!(self, Self::AdminView | Self::AdminAccounts | Self::AdminInstallation)
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|scope| scope.as_str() == word);
        found.ok_or(Error::BadRequest("there is no such scope"))
    }
}

/// A set of scopes, written as words with spaces between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u32);

impl Scopes {
    /// Whether the scope is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u32 != 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u32))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Scopes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split([' ', ',']).filter(|word| !word.is_empty()).map(Scope::from_str).collect()
    }
}

/// An access token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its id, which is no secret.
    pub id: String,
    /// For whom it acts.
    pub owner: Owner,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// What the whole token is known by, a code by SHA-256.
    pub hash: Vec<u8>,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Milliseconds since the Unix epoch from which it is refused.
    pub expires_ms: Option<u64>,
    /// About when it was last used, milliseconds since the Unix epoch.
    pub used_ms: Option<u64>,
}

/// A token that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOrder {
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Milliseconds since the Unix epoch from which it is refused.
    pub expires_ms: Option<u64>,
}

/// Somebody who has shown a good token.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The account he acts for.
    pub account: Account,
    /// The token.
    pub token: AccessToken,
}

impl Bearer {
    /// Whether he may do what belongs to this scope: the token says so and its account still may.
    pub fn may(&self, scope: Scope) -> bool {
        self.token.scopes.has(scope)
            && (!scope.is_administrative() || self.account.role == Role::Administrator)
    }
}

/// What is kept of a secret, a code by SHA-256: each has 160 random bits, so no slow hash is needed.
pub(crate) fn hash_of(secret: &str) -> Vec<u8> {
    Hash::Sha256.hmac(b"waxwing access", &[secret.as_bytes()]).into_vec()
}

/// Whether a secret is the one that was hashed, in a time that does not tell how much of it is right.
pub(crate) fn is_hashed(secret: &str, hash: &[u8]) -> bool {
    hash_of(secret).ct_eq(hash).into()
}

impl Chat {
    /// Makes a token for an account; the second part of the answer is the secret, which nobody can be told again.
    pub async fn create_access_token(
        &self,
        account: &Account,
        order: TokenOrder,
        actor: &str,
    ) -> Result<(AccessToken, String)> {
        let TokenOrder { name, scopes, expires_ms } = order;
        if name.trim().is_empty() || name.len() > TOKEN_NAME_BYTES_LIMIT || name.chars().any(char::is_control)
        {
            return Err(Error::NotAcceptable("a token needs a short name"));
        }
        if scopes == Scopes::default() {
            return Err(Error::NotAcceptable("a token needs a scope at least"));
        }
        if scopes.iter().any(Scope::is_administrative) && account.role != Role::Administrator {
            return Err(Error::Forbidden);
        }
        if expires_ms.is_some_and(|end| end <= self.now_ms()) {
            return Err(Error::NotAcceptable("the token would have expired already"));
        }
        let _lock = self.rosters.lock(&account.jid).await;
        let known = self.store.access_tokens(Some(account.id), None, TOKENS_PER_ACCOUNT_LIMIT).await?;
        if known.len() >= TOKENS_PER_ACCOUNT_LIMIT {
            return Err(Error::ResourceConstraint("the account has too many tokens"));
        }
        let id: String = self.token().chars().take(ID_CHARS).collect();
        let secret = format!("{TOKEN_PREFIX}{id}_{}", self.token());
        let token = AccessToken {
            id,
            owner: Owner::from(account),
            name,
            scopes,
            hash: hash_of(&secret),
            created_ms: self.now_ms(),
            expires_ms,
            used_ms: None,
        };
        self.store.put_access_token(token.clone()).await?;
        let detail = format!("{} {scopes}", token.id);
        self.record(actor, "token.create", account.jid.as_str(), &detail).await?;
        Ok((token, secret))
    }

    /// Tokens of an account or of all, in the order of their ids, beginning behind `after`; at most [`TOKENS_PAGE`].
    pub async fn access_tokens(
        &self,
        owner: Option<AccountId>,
        after: Option<&str>,
    ) -> Result<Vec<AccessToken>> {
        Ok(self.store.access_tokens(owner, after, TOKENS_PAGE).await?)
    }

    /// Withdraws a token; with an owner only if it is his.
    pub async fn revoke_access_token(&self, id: &str, owner: Option<AccountId>, actor: &str) -> Result<()> {
        let token = self.store.access_token(id).await?.ok_or(Error::NotFound)?;
        if owner.is_some_and(|owner| owner != token.owner.account) {
            return Err(Error::NotFound);
        }
        self.store.delete_access_token(id).await?;
        self.record(actor, "token.revoke", token.owner.jid.as_str(), id).await
    }

    /// Whose token this is. Whatever is wrong with it, or with its account, the answer is `NotAuthorized`.
    pub async fn bearer(&self, secret: &str) -> Result<Bearer> {
        let id = secret.strip_prefix(TOKEN_PREFIX).and_then(|rest| rest.split_once('_')).map(|(id, _)| id);
        let id = id.filter(|id| id.len() == ID_CHARS).ok_or(Error::NotAuthorized)?;
        let token = self.store.access_token(id).await?.ok_or(Error::NotAuthorized)?;
        let now = self.now_ms();
        if !is_hashed(secret, &token.hash) || token.expires_ms.is_some_and(|end| end <= now) {
            return Err(Error::NotAuthorized);
        }
        let account = self.acting(&token.owner).await?.ok_or(Error::NotAuthorized)?;
        if token.used_ms.is_none_or(|used| used + USE_NOTED_EVERY_MS <= now) {
            self.store.note_access(id, now).await?;
        }
        Ok(Bearer { account, token })
    }

    /// The account in whose name something may act: it is still the same and could still sign in.
    pub(crate) async fn acting(&self, owner: &Owner) -> Result<Option<Account>> {
        let account = self.store.account(&owner.jid).await?;
        Ok(account.filter(|account| account.id == owner.account && self.may_sign_in(account)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START_MS, World, jid};

    fn order(scopes: &str) -> TokenOrder {
        TokenOrder { name: "a bot".to_owned(), scopes: scopes.parse().unwrap(), expires_ms: None }
    }

    #[test]
    fn scopes_are_written_as_they_are_read() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse::<Scope>().unwrap(), *scope);
        }
        let all: Scopes = Scope::ALL.iter().copied().collect();
        assert_eq!(all.to_string().parse::<Scopes>().unwrap(), all);
        assert_eq!("people, files".parse::<Scopes>().unwrap().to_string(), "people files");
        assert!("everything".parse::<Scopes>().is_err());
    }

    #[tokio::test]
    async fn a_token_is_good_until_it_is_revoked_or_over() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.chat.account(&jid("romeo")).await.unwrap();
        let timed = TokenOrder { expires_ms: Some(START_MS + 1000), ..order("people") };
        let (_, short) = world.chat.create_access_token(&romeo, timed, "local").await.unwrap();
        let made = world.chat.create_access_token(&romeo, order("messages:read"), "local").await;
        let (token, secret) = made.unwrap();
        let bearer = world.chat.bearer(&secret).await.unwrap();
        assert_eq!(bearer.account.jid, romeo.jid);
        assert!(bearer.may(Scope::MessagesRead) && !bearer.may(Scope::MessagesWrite));
        assert!(world.chat.bearer(&short).await.is_ok());
        world.pass(1000);
        for wrong in [&*short, "", "wxw_", &secret[..secret.len() - 1], &secret.replace("wxw_", "wxw-")] {
            assert!(matches!(world.chat.bearer(wrong).await, Err(Error::NotAuthorized)), "{wrong}");
        }
        let used = world.chat.store.access_token(&token.id).await.unwrap().unwrap().used_ms;
        assert_eq!(used, Some(START_MS));
        let juliet = world.chat.account(&jid("juliet")).await.unwrap().id;
        let foreign = world.chat.revoke_access_token(&token.id, Some(juliet), "juliet").await;
        assert!(matches!(foreign, Err(Error::NotFound)), "nobody revokes what is another's");
        world.chat.set_disabled(&romeo.jid, true, "local").await.unwrap();
        assert!(matches!(world.chat.bearer(&secret).await, Err(Error::NotAuthorized)));
        world.chat.set_disabled(&romeo.jid, false, "local").await.unwrap();
        world.chat.revoke_access_token(&token.id, Some(romeo.id), "romeo").await.unwrap();
        assert!(matches!(world.chat.bearer(&secret).await, Err(Error::NotAuthorized)));
        let log = world.chat.store.audit(None, 100).await.unwrap();
        assert!(!format!("{log:?}").contains(&secret[20..]), "no secret in the log");
    }

    /// What a token may do ends where its account's own rights end, whenever they change.
    #[tokio::test]
    async fn administrative_scopes_follow_the_account() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        let member = chat.account(&jid("romeo")).await.unwrap();
        let refused = chat.create_access_token(&member, order("admin:view"), "local").await;
        assert!(matches!(refused, Err(Error::Forbidden)));
        chat.set_role(&member.jid, Role::Administrator, "local").await.unwrap();
        let administrator = chat.account(&member.jid).await.unwrap();
        let made = chat.create_access_token(&administrator, order("admin:view"), "local").await;
        let (_, secret) = made.unwrap();
        assert!(chat.bearer(&secret).await.unwrap().may(Scope::AdminView));
        assert!(!chat.bearer(&secret).await.unwrap().may(Scope::AdminAccounts));
        chat.set_role(&member.jid, Role::Member, "local").await.unwrap();
        assert!(!chat.bearer(&secret).await.unwrap().may(Scope::AdminView));
    }
}
