//! Creating, changing and deleting accounts; each change is written to the audit log.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::{Hash, MIN_ITERATIONS, Verifier};

use crate::access::TOKENS_PAGE;
use crate::account::{Account, AccountChange, NewAccount, Role};
use crate::audit::AuditEntry;
use crate::bearers;
use crate::chat::Chat;
use crate::cluster::Cached;
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
        let NewPerson { jid, name, role, password } = new;
        if jid.is_full() || jid.local().is_none() {
            return Err(Error::BadRequest("an account has an address of the form user@domain"));
        }
        if !self.is_local(jid.domain()) {
            return Err(Error::NotAcceptable("the domain is not one of this server's"));
        }
        check_name(name.as_deref())?;
        let verifiers = self.derive_verifiers(password, self.wanted_hashes()).await?;
        let new = NewAccount { jid, name, role, verifiers, created_ms: self.now_ms() };
        let account = self.store.create_account(new).await?;
        self.profile_changed(&account.jid);
        let detail = if role == Role::Administrator { "administrator" } else { "" };
        self.record(actor, "user.create", account.jid.as_str(), detail).await?;
        Ok(account)
    }

    /// The account of a bare address.
    pub async fn account(&self, jid: &Jid) -> Result<Account> {
        let mut account = self.store.account(jid).await?.ok_or(Error::NotFound)?;
        self.last_seen.show(&mut account);
        Ok(account)
    }

    /// Accounts in the order of their addresses, of one domain or of all, beginning behind `after`.
    pub async fn accounts(
        &self,
        domain: Option<&str>,
        after: Option<&Jid>,
        limit: usize,
    ) -> Result<Vec<Account>> {
        let mut accounts = self.store.accounts(domain, after, limit).await?;
        accounts.iter_mut().for_each(|account| self.last_seen.show(account));
        Ok(accounts)
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
        self.replace_password(&account, password, account.jid.as_str(), Some(session.id)).await
    }

    async fn replace_password(
        &self,
        account: &Account,
        password: &str,
        actor: &str,
        keep: Option<SessionId>,
    ) -> Result<()> {
        let verifiers = self.derive_verifiers(password, self.wanted_hashes()).await?;
        self.store.change_account(account.id, AccountChange::Verifiers(verifiers)).await?;
        self.shut_out(account, actor, keep).await?;
        self.record(actor, "user.password", account.jid.as_str(), "").await
    }

    /// Ends whatever was signed in or could sign in without the password, but one session: sign-in tokens, access tokens, other
    /// sessions, and what is pushed to devices.
    async fn shut_out(&self, account: &Account, actor: &str, keep: Option<SessionId>) -> Result<()> {
        let owner = Owner::from(account);
        let kept = self.sessions.of(&account.jid).into_iter().find(|session| Some(session.id) == keep);
        let agent = kept.as_ref().and_then(|session| session.info().agent);
        let device = agent.as_deref().and_then(bearers::device);
        let device = device.or_else(|| kept.as_ref()?.jid.resource());
        self.store.delete_tokens(account.id, None, None).await?;
        loop {
            let tokens = self.access_tokens(Some(account.id), None).await?;
            for token in &tokens {
                self.revoke_access_token(&token.id, Some(account.id), actor).await?;
            }
            if tokens.len() < TOKENS_PAGE {
                break;
            }
        }
        for subscription in self.push_subscriptions(&owner) {
            if Some(&*subscription.device) != device {
                self.unsubscribe_from_pushes(&owner, &subscription.key()).await?;
            }
        }
        self.end_sessions(&account.jid, Close::Revoked, keep);
        Ok(())
    }

    /// Refuses or allows sign-in. Refusing ends sessions and sign-in tokens; nothing else is deleted.
    pub async fn set_disabled(&self, jid: &Jid, disabled: bool, actor: &str) -> Result<()> {
        let account = self.account(jid).await?;
        self.store.change_account(account.id, AccountChange::Disabled(disabled)).await?;
        self.profile_changed(jid);
        if disabled {
            self.store.delete_tokens(account.id, None, None).await?;
            self.end_sessions(jid, Close::Revoked, None);
        }
        self.record(actor, if disabled { "user.disable" } else { "user.enable" }, jid.as_str(), "").await
    }

    /// Sets or clears the moment from which sign-in is refused, in milliseconds since the Unix epoch. One that has
    /// passed ends sessions at once.
    pub async fn set_expiry(&self, jid: &Jid, expires_ms: Option<u64>, actor: &str) -> Result<()> {
        let account = self.account(jid).await?;
        self.store.change_account(account.id, AccountChange::Expires(expires_ms)).await?;
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
        self.store.change_account(account.id, AccountChange::Name(name)).await?;
        self.profile_changed(&account.jid);
        self.record(actor, "user.name", jid.as_str(), "").await
    }

    /// Sets what an account may do.
    pub async fn set_role(&self, jid: &Jid, role: Role, actor: &str) -> Result<()> {
        let account = self.account(jid).await?;
        self.store.change_account(account.id, AccountChange::Role(role)).await?;
        let detail = if role == Role::Administrator { "administrator" } else { "member" };
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
        self.delete(&account, account.jid.as_str(), Some(session.id)).await
    }

    async fn delete(&self, account: &Account, actor: &str, keep: Option<SessionId>) -> Result<()> {
        let owner = Owner::from(account);
        // Nobody signs in any more from here on.
        self.store.change_account(account.id, AccountChange::Disabled(true)).await?;
        self.profile_changed(&owner.jid);
        for item in self.store.roster(account.id).await?.items {
            let _pair = self.lock_pair(&owner.jid, &item.jid).await;
            let state = State::of(Some(&item));
            if state.shows() {
                let _lock = self.rosters.lock(&owner.jid).await;
                self.show_unavailable(&owner, &item.jid).await?;
            }
            self.end_subscriptions(&owner, &item.jid, state).await;
        }
        self.end_sessions(&owner.jid, Close::Revoked, keep);
        self.store.delete_account(account.id).await?;
        self.last_seen.forget(account.id);
        self.profile_changed(&owner.jid);
        self.rosters.forget(&owner.jid);
        self.tell_changed(&owner.jid, Cached::Roster);
        self.record(actor, "user.delete", owner.jid.as_str(), "").await
    }

    /// Ends the sessions of an account, all but one. Answers how many were told.
    /// Those of other nodes end as well.
    pub fn end_sessions(&self, jid: &Jid, reason: Close, keep: Option<SessionId>) -> usize {
        let elsewhere = self.cluster().map_or(0, |cluster| cluster.end_sessions(jid, reason));
        elsewhere + self.end_sessions_here(jid, reason, keep)
    }

    /// The same on this node alone.
    pub(crate) fn end_sessions_here(&self, jid: &Jid, reason: Close, keep: Option<SessionId>) -> usize {
        let ended: Vec<Arc<Session>> =
            self.sessions.of(jid).into_iter().filter(|session| Some(session.id) != keep).collect();
        for session in &ended {
            session.close(reason);
        }
        ended.len()
    }

    /// Whether an account that has signed in could still do so. Asked once its session can be found: whoever disables the
    /// account or sets another password meanwhile either sees the session and ends it, or is seen here.
    pub(crate) async fn still_admits(&self, signed_in: &Account, as_of: Option<u64>) -> Result<bool> {
        if as_of.is_some() && as_of == self.store.account_changes() {
            return Ok(self.may_sign_in(signed_in));
        }
        let Some(now) = self.store.account(&signed_in.jid).await? else {
            return Ok(false);
        };
        // Another password has other salts; a verifier that was added leaves the others as they were.
        let same_password = signed_in.verifiers.is_empty()
            || signed_in.verifiers.iter().any(|verifier| now.verifiers.contains(verifier));
        Ok(now.id == signed_in.id && same_password && self.may_sign_in(&now))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START_MS, World, jid};

    fn person(address: &str) -> NewPerson<'static> {
        NewPerson {
            jid: Jid::new(address).unwrap(),
            name: Some("Somebody".to_owned()),
            role: Role::Member,
            password: "secret",
        }
    }

    #[tokio::test]
    async fn accounts_are_made_and_listed() {
        let world = World::empty();
        let chat = &world.chat;
        let romeo = chat.create_account(person("romeo@localhost"), "local").await.unwrap();
        assert_eq!((romeo.jid.clone(), romeo.created_ms, romeo.disabled), (jid("romeo"), START_MS, false));
        assert_eq!(chat.account(&jid("romeo")).await.unwrap(), romeo);
        assert!(matches!(
            chat.create_account(person("romeo@localhost"), "local").await,
            Err(Error::Conflict)
        ));
        for (address, bad) in
            [("localhost", true), ("romeo@localhost/orchard", true), ("romeo@elsewhere.lit", false)]
        {
            match chat.create_account(person(address), "local").await {
                Err(Error::BadRequest(_)) => assert!(bad, "{address}"),
                Err(Error::NotAcceptable(_)) => assert!(!bad, "{address}"),
                other => panic!("{address}: {other:?}"),
            }
        }
        chat.create_account(person("juliet@localhost"), "local").await.unwrap();
        let all = chat.accounts(None, None, 10).await.unwrap();
        assert_eq!(all.iter().map(|a| a.jid.clone()).collect::<Vec<_>>(), [jid("juliet"), jid("romeo")]);
        assert_eq!(chat.accounts(Some("localhost"), Some(&jid("juliet")), 10).await.unwrap().len(), 1);
        assert!(matches!(chat.account(&jid("nurse")).await, Err(Error::NotFound)));
    }

    #[tokio::test]
    async fn passwords_have_limits() {
        let world = World::of(&["romeo"]).await;
        for password in ["", "a\u{7}b", &"x".repeat(PASSWORD_BYTES_LIMIT + 1)] {
            let set = world.chat.set_password(&jid("romeo"), password, "local").await;
            assert!(matches!(set, Err(Error::NotAcceptable(_))));
        }
        let long_name = NewPerson { name: Some("x".repeat(257)), ..person("nurse@localhost") };
        assert!(matches!(world.chat.create_account(long_name, "local").await, Err(Error::NotAcceptable(_))));
    }

    /// Verifiers differ in salt, and are made for the hashes the settings ask for.
    #[tokio::test]
    async fn verifiers_are_made_for_the_wanted_hashes() {
        let world = World::with(|settings| settings.scram_sha1 = true);
        let schemes = |account: &Account| -> Vec<String> {
            account.verifiers.iter().map(|v| v.split('$').next().unwrap_or_default().to_owned()).collect()
        };
        let one = world.account("romeo").await;
        let other = world.account("juliet").await;
        assert_eq!(schemes(&one), ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]);
        assert_eq!(schemes(&World::of(&["a"]).await.chat.account(&jid("a")).await.unwrap()).len(), 2);
        assert_ne!(one.verifiers[1].split(':').nth(1), other.verifiers[1].split(':').nth(1));
    }

    /// A new password ends what the old one opened; whoever changes his own goes on.
    #[tokio::test]
    async fn a_new_password_ends_other_sessions() {
        let world = World::of(&["romeo"]).await;
        let orchard = world.online("romeo", "orchard").await;
        let garden = world.online("romeo", "garden").await;
        world.chat.change_password(&orchard.session, "another").await.unwrap();
        assert_eq!(
            (orchard.session.close_reason(), garden.session.close_reason()),
            (None, Some(Close::Revoked))
        );
        world.chat.set_password(&jid("romeo"), "a third", "local").await.unwrap();
        assert_eq!(orchard.session.close_reason(), Some(Close::Revoked));
    }

    #[tokio::test]
    async fn disabling_and_expiry_end_sessions() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "orchard").await;
        let juliet = world.online("juliet", "balcony").await;
        world.chat.set_disabled(&jid("romeo"), true, "local").await.unwrap();
        assert_eq!(romeo.session.close_reason(), Some(Close::Revoked));
        assert!(world.chat.profile(&jid("romeo")).await.unwrap().unwrap().disabled);
        world.chat.set_expiry(&jid("juliet"), Some(START_MS + 1000), "local").await.unwrap();
        world.chat.end_expired().await.unwrap();
        assert_eq!(juliet.session.close_reason(), None);
        world.pass(1000);
        world.chat.end_expired().await.unwrap();
        assert_eq!(juliet.session.close_reason(), Some(Close::Revoked));
    }

    /// What happens between a good proof and the session that follows from it counts.
    #[tokio::test]
    async fn a_session_is_not_opened_by_what_was_revoked() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        // With and without knowing how current the account is.
        let bind = async |(account, as_of): &(Account, Option<u64>)| {
            let info = crate::session::ClientInfo::default;
            let asked = chat.bind(account, None, "x", info()).await.map(drop);
            let counted = chat.bind(account, *as_of, "x", info()).await.map(drop);
            assert_eq!(asked.is_ok(), counted.is_ok());
            counted
        };
        let sign_in = async || (chat.account(&jid("romeo")).await.unwrap(), chat.store.account_changes());
        let signed_in = sign_in().await;
        assert!(signed_in.1.is_some(), "the store counts");
        chat.set_password(&jid("romeo"), "another", "local").await.unwrap();
        assert!(matches!(bind(&signed_in).await, Err(Error::Forbidden)));
        let signed_in = sign_in().await;
        assert!(bind(&signed_in).await.is_ok());
        chat.set_disabled(&jid("romeo"), true, "local").await.unwrap();
        assert!(matches!(bind(&signed_in).await, Err(Error::Forbidden)));
        chat.delete_account(&jid("romeo"), "local").await.unwrap();
        world.account("romeo").await;
        assert!(matches!(bind(&signed_in).await, Err(Error::Forbidden)));
        assert_eq!(chat.sessions().count(), 0);
    }

    /// XEP-0077 section 3.2: contacts lose the account's presence and both subscriptions.
    #[tokio::test]
    async fn deleting_an_account_tells_its_contacts() {
        let world = World::of(&["romeo", "juliet", "nurse"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let romeo = world.online("romeo", "orchard").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut nurse = world.online("nurse", "hall").await;
        nurse.send("<presence to='romeo~' type='subscribe'/>").await;
        nurse.told();
        world.chat.unregister(&romeo.session).await.unwrap();
        assert_eq!(romeo.session.close_reason(), None, "its own answer comes first");
        assert_eq!(
            juliet.told(),
            [
                "unavailable romeo/orchard -> juliet",
                "roster romeo to",
                "unsubscribe romeo -> juliet",
                "roster romeo none",
                "unsubscribed romeo -> juliet",
            ]
        );
        assert_eq!(nurse.told(), ["roster romeo none", "unsubscribed romeo -> nurse"]);
        romeo.leave().await;
        assert!(juliet.told().is_empty());
        assert!(matches!(world.chat.account(&jid("romeo")).await, Err(Error::NotFound)));
        // A later owner of the name starts with nothing.
        world.account("romeo").await;
        assert_eq!(world.item("romeo", "juliet").await, None);
    }

    #[tokio::test]
    async fn every_change_is_in_the_audit_log() {
        let world = World::empty();
        let chat = &world.chat;
        chat.create_account(person("romeo@localhost"), "local").await.unwrap();
        let romeo = jid("romeo");
        chat.set_password(&romeo, "another", "admin@localhost").await.unwrap();
        chat.set_disabled(&romeo, true, "local").await.unwrap();
        chat.set_disabled(&romeo, false, "local").await.unwrap();
        chat.set_expiry(&romeo, Some(START_MS + 1), "local").await.unwrap();
        chat.set_name(&romeo, None, "local").await.unwrap();
        chat.set_role(&romeo, Role::Administrator, "local").await.unwrap();
        chat.delete_account(&romeo, "local").await.unwrap();
        let mut log = chat.store.audit(None, 100).await.unwrap();
        log.reverse();
        let actions: Vec<&str> = log.iter().map(|record| record.entry.action.as_str()).collect();
        assert_eq!(
            actions,
            [
                "user.create",
                "user.password",
                "user.disable",
                "user.enable",
                "user.expire",
                "user.name",
                "user.role",
                "user.delete"
            ]
        );
        assert!(log.iter().all(|record| record.entry.target == "romeo@localhost"));
        assert_eq!(log[1].entry.actor, "admin@localhost");
        assert!(!format!("{log:?}").contains("another"), "no secret in the log");
    }
}
