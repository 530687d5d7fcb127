//! Registering an account oneself: freely where that is allowed, or by invitation (XEP-0077, XEP-0401, XEP-0445).

use std::net::IpAddr;

use waxwing_xmpp::jid::Jid;

use crate::account::{Account, Role};
use crate::accounts::NewPerson;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::invitation::Invitation;
use crate::invitations::is_set_aside;
use crate::rosters::Owner;
use crate::throttle::Verdict;

/// Names that people mistake for the operator's (RFC 2142 and custom): only an administrator gives them away.
pub const RESERVED_NAMES: [&str; 16] = [
    "abuse",
    "admin",
    "administrator",
    "help",
    "hostmaster",
    "info",
    "noc",
    "noreply",
    "postmaster",
    "root",
    "security",
    "server",
    "support",
    "system",
    "waxwing",
    "webmaster",
];

impl Chat {
    /// The invitation of a token, if an account may be made with it at this domain (XEP-0445 section 4). It is not used
    /// up by this, and its expiry is checked here only.
    pub async fn registration_invitation(&self, domain: &str, token: &str) -> Result<Invitation> {
        let found = self.invitation(token).await?;
        found
            .filter(|invitation| invitation.register_at.as_deref() == Some(domain))
            .ok_or(Error::NotFound)
    }

    /// Registers an account: with an invitation from `registration_invitation`, or without one where anybody may.
    /// Whoever invited becomes a contact, both ways.
    pub async fn register(
        &self,
        domain: &str,
        username: &str,
        password: &str,
        invitation: Option<&Invitation>,
        address: Option<IpAddr>,
    ) -> Result<Account> {
        let jid = Jid::from_parts(Some(username), domain, None)
            .map_err(|_| Error::NotAcceptable("the name cannot be an account's"))?;
        let named = invitation.and_then(|invitation| invitation.username.as_deref());
        match invitation {
            None => self.admit_stranger(domain, address)?,
            Some(invitation) if invitation.register_at.as_deref() != Some(domain) => {
                return Err(Error::Forbidden);
            }
            Some(_) if named.is_some_and(|named| Some(named) != jid.local()) => {
                return Err(Error::NotAcceptable("the invitation is for another name"));
            }
            Some(_) => {}
        }
        if named.is_none() {
            let reserved = RESERVED_NAMES.contains(&jid.local().unwrap_or_default());
            if reserved || is_set_aside(&self.store.invitations().await?, &jid, self.now_ms()) {
                return Err(Error::Conflict);
            }
        }
        let account = {
            let _lock = self.rosters.lock(&jid).await;
            if self.store.account(&jid).await?.is_some() {
                return Err(Error::Conflict);
            }
            self.create_by(jid, password, invitation).await?
        };
        if let Some(inviter) = invitation.and_then(|invitation| invitation.inviter.as_ref())
            && let Some(inviter) = self.store.account(inviter).await?
        {
            self.befriend(&Owner::from(&inviter), &Owner::from(&account))
                .await?;
        }
        Ok(account)
    }

    /// Uses the invitation up and creates the account. A failure gives the use back (XEP-0445 section 4: it counts only
    /// once the registration has succeeded).
    async fn create_by(&self, jid: Jid, password: &str, invitation: Option<&Invitation>) -> Result<Account> {
        if let Some(invitation) = invitation {
            // Its expiry was checked when the client showed it; as of its creation it has not expired.
            let redeemed = self
                .store
                .redeem_invitation(&invitation.token, invitation.created_ms)
                .await?;
            redeemed.ok_or(Error::NotFound)?;
        }
        let actor = jid.to_string();
        let new = NewPerson {
            jid,
            name: None,
            role: Role::Member,
            password,
        };
        let created = self.create_account(new, &actor).await;
        if let (Err(_), Some(invitation)) = (&created, invitation) {
            let now_left = self
                .store
                .invitation(&invitation.token)
                .await?
                .map_or(0, |left| left.uses_left);
            self.store
                .put_invitation(Invitation {
                    uses_left: now_left + 1,
                    ..invitation.clone()
                })
                .await?;
        }
        created
    }

    /// Whether anybody may register here, and from this address now.
    fn admit_stranger(&self, domain: &str, address: Option<IpAddr>) -> Result<()> {
        if !self.settings().open_registration {
            return Err(Error::Forbidden);
        }
        match self
            .throttle()
            .attempt(&format!("registration at {domain}"), address, self.now_ms())
        {
            Verdict::After(0) => Ok(()),
            Verdict::After(_) | Verdict::Refused => Err(Error::Wait),
        }
    }
}
