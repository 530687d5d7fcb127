//! Creating, changing and deleting accounts; each change is written to the audit log.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::{Hash, MIN_ITERATIONS, Verifier};

use crate::account::{Account, AccountChange, NewAccount, Role};
use crate::audit::AuditEntry;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::Close;
use crate::rosters::Owner;
use crate::session::{Session, SessionId};
use crate::subscription::State;

/// Bytes of a password; PBKDF2 itself sets no bound.
pub const PASSWORD_BYTES_LIMIT: usize = 1024;

/// Bytes of the name of a person that is shown to others.
pub const PERSON_NAME_BYTES_LIMIT: usize = 256;

/// Who gets an account.
#[derive(Debug, Clone)]
pub struct NewPerson<'a> {
    /// The bare address.
    pub jid: Jid,
    /// The name shown to others.
    pub name: Option<String>,
    /// What the account may do.
    pub role: Role,
    /// The password.
    pub password: &'a str,
}

impl Chat {
    /// Creates an account. `actor` is who does it, for the audit log: an address, or `local`.
    pub async fn create_account(&self, new: NewPerson<'_>, actor: &str) -> Result<Account> {
        let NewPerson {
            jid,
            name,
            role,
            password,
        } = new;
        if jid.is_full() || jid.local().is_none() {
            return Err(Error::BadRequest(
                "an account has an address of the form user@domain",
            ));
        }
        if !self.is_local(jid.domain()) {
            return Err(Error::NotAcceptable("the domain is not one of this server's"));
        }
        check_name(name.as_deref())?;
        let verifiers = self.derive_verifiers(password, self.wanted_hashes()).await?;
        let new = NewAccount {
            jid,
            name,
            role,
            verifiers,
            created_ms: self.now_ms(),
        };
        let account = self.store.create_account(new).await?;
        self.profile_changed(&account.jid);
        let detail = if role == Role::Administrator {
            "administrator"
        } else {
            ""
        };
        self.record(actor, "user.create", account.jid.as_str(), detail)
            .await?;
        Ok(account)
    }

    /// The account of a bare address.
    pub async fn account(&self, jid: &Jid) -> Result<Account> {
        self.store.account(jid).await?.ok_or(Error::NotFound)
    }

    /// Accounts in the order of their addresses, of one domain or of all, beginning behind `after`.
    pub async fn accounts(
        &self,
        domain: Option<&str>,
        after: Option<&Jid>,
        limit: usize,
    ) -> Result<Vec<Account>> {
        Ok(self.store.accounts(domain, after, limit).await?)
    }

    /// Sets another password, for an administrator: sign-in tokens and sessions of the old one end.
    pub async fn set_password(&self, jid: &Jid, password: &str, actor: &str) -> Result<()> {
        let account = self.account(jid).await?;
        self.replace_password(&account, password, actor, None).await
    }

    /// Sets another password, for the owner: tokens and other sessions end, the one that asks goes on (XEP-0077
    /// section 3.3).
    pub async fn change_password(&self, session: &Session, password: &str) -> Result<()> {
        let account = self.account(&session.jid.to_bare()).await?;
        self.replace_password(&account, password, account.jid.as_str(), Some(session.id))
            .await
    }

    async fn replace_password(
        &self,
        account: &Account,
        password: &str,
        actor: &str,
        keep: Option<SessionId>,
    ) -> Result<()> {
        let verifiers = self.derive_verifiers(password, self.wanted_hashes()).await?;
        self.store
            .change_account(account.id, AccountChange::Verifiers(verifiers))
            .await?;
        self.store.delete_tokens(account.id, None, None).await?;
        self.end_sessions(&account.jid, Close::Revoked, keep);
        self.record(actor, "user.password", account.jid.as_str(), "")
            .await
    }

    /// Refuses or allows sign-in. Refusing ends sessions and sign-in tokens; nothing else is deleted.
    pub async fn set_disabled(&self, jid: &Jid, disabled: bool, actor: &str) -> Result<()> {
        let account = self.account(jid).await?;
        self.store
            .change_account(account.id, AccountChange::Disabled(disabled))
            .await?;
        self.profile_changed(jid);
        if disabled {
            self.store.delete_tokens(account.id, None, None).await?;
            self.end_sessions(jid, Close::Revoked, None);
        }
        self.record(
            actor,
            if disabled { "user.disable" } else { "user.enable" },
            jid.as_str(),
            "",
        )
        .await
    }

    /// Sets or clears the moment from which sign-in is refused, in milliseconds since the Unix epoch. One that has
    /// passed ends sessions at once.
    pub async fn set_expiry(&self, jid: &Jid, expires_ms: Option<u64>, actor: &str) -> Result<()> {
        let account = self.account(jid).await?;
        self.store
            .change_account(account.id, AccountChange::Expires(expires_ms))
            .await?;
        if expires_ms.is_some_and(|at| at <= self.now_ms()) {
            self.end_sessions(jid, Close::Revoked, None);
        }
        let detail = expires_ms.map_or_else(|| "never".to_owned(), crate::time::timestamp);
        self.record(actor, "user.expire", jid.as_str(), &detail).await
    }

    /// Ends the sessions of accounts that have expired since they signed in. Called now and then.
    pub async fn end_expired(&self) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        for session in self.sessions.all() {
            if seen.insert(session.account)
                && let Some(account) = self.store.account(&session.jid.to_bare()).await?
                && account.expires_ms.is_some_and(|at| at <= self.now_ms())
            {
                self.end_sessions(&account.jid, Close::Revoked, None);
            }
        }
        Ok(())
    }

    /// Sets or clears the name shown to others.
    pub async fn set_name(&self, jid: &Jid, name: Option<String>, actor: &str) -> Result<()> {
        check_name(name.as_deref())?;
        let account = self.account(jid).await?;
        self.store
            .change_account(account.id, AccountChange::Name(name))
            .await?;
        self.record(actor, "user.name", jid.as_str(), "").await
    }

    /// Sets what an account may do.
    pub async fn set_role(&self, jid: &Jid, role: Role, actor: &str) -> Result<()> {
        let account = self.account(jid).await?;
        self.store
            .change_account(account.id, AccountChange::Role(role))
            .await?;
        let detail = if role == Role::Administrator {
            "administrator"
        } else {
            "member"
        };
        self.record(actor, "user.role", jid.as_str(), detail).await
    }

    /// Deletes an account and everything kept for it; its contacts are told (XEP-0077 section 3.2).
    pub async fn delete_account(&self, jid: &Jid, actor: &str) -> Result<()> {
        let account = self.account(jid).await?;
        self.delete(&account, actor, None).await
    }

    /// Deletes the account a session belongs to, at its owner's wish. All its other sessions end; the face ends this one
    /// once it has answered.
    pub async fn unregister(&self, session: &Session) -> Result<()> {
        let account = self.account(&session.jid.to_bare()).await?;
        self.delete(&account, account.jid.as_str(), Some(session.id))
            .await
    }

    async fn delete(&self, account: &Account, actor: &str, keep: Option<SessionId>) -> Result<()> {
        let owner = Owner::from(account);
        // Nobody signs in any more from here on.
        self.store
            .change_account(account.id, AccountChange::Disabled(true))
            .await?;
        self.profile_changed(&owner.jid);
        for item in self.store.roster(account.id).await?.items {
            let _pair = self.rosters.lock_pair(&owner.jid, &item.jid).await;
            let state = State::of(Some(&item));
            if state.shows() {
                let _lock = self.rosters.lock(&owner.jid).await;
                self.show_unavailable(&owner, &item.jid).await?;
            }
            self.end_subscriptions(&owner, &item.jid, state).await;
        }
        self.end_sessions(&owner.jid, Close::Revoked, keep);
        self.store.delete_account(account.id).await?;
        self.profile_changed(&owner.jid);
        self.rosters.forget(&owner.jid);
        self.record(actor, "user.delete", owner.jid.as_str(), "").await
    }

    /// Ends the sessions of an account, all but one. Answers how many were told.
    pub fn end_sessions(&self, jid: &Jid, reason: Close, keep: Option<SessionId>) -> usize {
        let ended: Vec<Arc<Session>> = self
            .sessions
            .of(jid)
            .into_iter()
            .filter(|session| Some(session.id) != keep)
            .collect();
        for session in &ended {
            session.close(reason);
        }
        ended.len()
    }

    /// Writes to the audit log.
    pub async fn record(&self, actor: &str, action: &str, target: &str, detail: &str) -> Result<()> {
        let entry = AuditEntry {
            at_ms: self.now_ms(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            detail: detail.to_owned(),
        };
        Ok(self.store.append_audit(entry).await?)
    }

    /// The hashes for which an account should have a verifier.
    pub(crate) fn wanted_hashes(&self) -> Vec<Hash> {
        let mut hashes = vec![Hash::Sha512, Hash::Sha256];
        if self.settings().scram_sha1 {
            hashes.push(Hash::Sha1);
        }
        hashes
    }

    /// Makes verifiers of a password, away from the threads that serve connections.
    pub(crate) async fn derive_verifiers(&self, password: &str, hashes: Vec<Hash>) -> Result<Vec<String>> {
        if password.is_empty() {
            return Err(Error::NotAcceptable("the password is empty"));
        }
        if password.len() > PASSWORD_BYTES_LIMIT {
            return Err(Error::NotAcceptable("the password is too long"));
        }
        let iterations = self.settings().scram_iterations.max(MIN_ITERATIONS);
        let salts: Vec<(Hash, [u8; Verifier::SALT_LEN])> =
            hashes.into_iter().map(|hash| (hash, self.salt())).collect();
        let password = password.to_owned();
        let derived = tokio::task::spawn_blocking(move || {
            salts
                .iter()
                .map(|(hash, salt)| {
                    Verifier::derive(*hash, &password, salt, iterations).map(|v| v.to_string())
                })
                .collect::<std::result::Result<Vec<_>, _>>()
        });
        derived
            .await
            .map_err(|_| Error::ResourceConstraint("the server is stopping"))?
            .map_err(|_| Error::NotAcceptable("the password holds characters that are not allowed"))
    }

    /// A fresh salt.
    pub(crate) fn salt(&self) -> [u8; Verifier::SALT_LEN] {
        let mut salt = [0; Verifier::SALT_LEN];
        self.random.fill(&mut salt);
        salt
    }
}

fn check_name(name: Option<&str>) -> Result<()> {
    match name {
        Some(name) if name.len() > PERSON_NAME_BYTES_LIMIT => {
            Err(Error::NotAcceptable("the name is too long"))
        }
        Some(name) if name.chars().any(char::is_control) => {
            Err(Error::NotAcceptable("the name holds control characters"))
        }
        _ => Ok(()),
    }
}
