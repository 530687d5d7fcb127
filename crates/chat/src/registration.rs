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
        found.filter(|invitation| invitation.register_at.as_deref() == Some(domain)).ok_or(Error::NotFound)
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
            self.befriend(&Owner::from(&inviter), &Owner::from(&account)).await?;
        }
        Ok(account)
    }

    /// Uses the invitation up and creates the account. A failure gives the use back (XEP-0445 section 4: it counts only
    /// once the registration has succeeded).
    async fn create_by(&self, jid: Jid, password: &str, invitation: Option<&Invitation>) -> Result<Account> {
        if let Some(invitation) = invitation {
            // Its expiry was checked when the client showed it; as of its creation it has not expired.
            let redeemed = self.store.redeem_invitation(&invitation.token, invitation.created_ms).await?;
            redeemed.ok_or(Error::NotFound)?;
        }
        let actor = jid.to_string();
        let new = NewPerson { jid, name: None, role: Role::Member, password };
        let created = self.create_account(new, &actor).await;
        if let (Err(_), Some(invitation)) = (&created, invitation) {
            let now_left = self.store.invitation(&invitation.token).await?.map_or(0, |left| left.uses_left);
            self.store.put_invitation(Invitation { uses_left: now_left + 1, ..invitation.clone() }).await?;
        }
        created
    }

    /// Whether anybody may register here, and from this address now.
    fn admit_stranger(&self, domain: &str, address: Option<IpAddr>) -> Result<()> {
        if !self.settings().open_registration {
            return Err(Error::Forbidden);
        }
        if !self.settings().delay_attempts {
            return Ok(());
        }
        match self.throttle().attempt(&format!("registration at {domain}"), address, self.now_ms()) {
            Verdict::After(0) => Ok(()),
            Verdict::After(_) | Verdict::Refused => Err(Error::Wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invitations::InvitationOrder;
    use crate::testing::{World, jid};

    async fn invite(world: &World, inviter: Option<&str>, username: Option<&str>, uses: u32) -> Invitation {
        let order = InvitationOrder {
            inviter: inviter.map(jid),
            register_at: Some("localhost".to_owned()),
            username: username.map(str::to_owned),
            lifetime_ms: None,
            uses,
        };
        let made = world.chat.invite(order, "local").await.unwrap();
        world.chat.registration_invitation("localhost", &made.token).await.unwrap()
    }

    async fn register(world: &World, name: &str, invitation: Option<&Invitation>) -> Result<Account> {
        world.chat.register("localhost", name, "secret", invitation, None).await
    }

    /// XEP-0077 is off unless the settings say otherwise.
    #[tokio::test]
    async fn strangers_register_only_where_allowed() {
        let world = World::empty();
        assert!(matches!(register(&world, "romeo", None).await, Err(Error::Forbidden)));
        let world = World::with(|settings| settings.open_registration = true);
        register(&world, "Romeo", None).await.unwrap();
        assert!(
            world
                .chat
                .sign_in(&mut crate::auth::Attempt::new("localhost", None), "romeo", "secret")
                .await
                .is_ok()
        );
        assert!(matches!(register(&world, "romeo", None).await, Err(Error::Conflict)));
        assert!(matches!(register(&world, "admin", None).await, Err(Error::Conflict)));
        assert!(matches!(register(&world, "a b", None).await, Err(Error::NotAcceptable(_))));
    }

    #[tokio::test]
    async fn strangers_register_slowly() {
        async fn refused(delay_attempts: bool) -> u32 {
            let world = World::with(|settings| {
                settings.open_registration = true;
                settings.delay_attempts = delay_attempts;
            });
            let mut refused = 0;
            for i in 0..20 {
                let name = format!("u{i}");
                let address = Some("192.0.2.1".parse().unwrap());
                let made = world.chat.register("localhost", &name, "secret", None, address).await;
                refused += u32::from(matches!(made, Err(Error::Wait)));
            }
            refused
        }
        assert_eq!(refused(true).await, 20 - crate::throttle::FREE_ATTEMPTS_PER_PAIR);
        assert_eq!(refused(false).await, 0);
    }

    /// XEP-0401 section 4.3: inviter and invited are contacts of each other, and the inviter's clients are told.
    #[tokio::test]
    async fn an_invited_person_is_a_contact_at_once() {
        let world = World::of(&["romeo"]).await;
        let mut romeo = world.online("romeo", "orchard").await;
        let invitation = invite(&world, Some("romeo"), None, 1).await;
        register(&world, "juliet", Some(&invitation)).await.unwrap();
        assert_eq!(romeo.told(), ["roster juliet both"]);
        assert_eq!(world.item("juliet", "romeo").await.as_deref(), Some("both"));
        let mut juliet = world.online("juliet", "balcony").await;
        assert_eq!(romeo.told(), ["available juliet/balcony -> romeo"]);
        assert!(juliet.told().is_empty());
        assert!(matches!(register(&world, "nurse", Some(&invitation)).await, Err(Error::NotFound)));
    }

    /// XEP-0445 section 5: a name that was set aside is for the invited person only.
    #[tokio::test]
    async fn a_name_is_kept_for_the_invited() {
        let world = World::with(|settings| settings.open_registration = true);
        let invitation = invite(&world, None, Some("juliet"), 1).await;
        let other = invite(&world, None, None, 1).await;
        assert!(matches!(register(&world, "juliet", None).await, Err(Error::Conflict)));
        assert!(matches!(register(&world, "juliet", Some(&other)).await, Err(Error::Conflict)));
        assert!(matches!(register(&world, "nurse", Some(&invitation)).await, Err(Error::NotAcceptable(_))));
        register(&world, "juliet", Some(&invitation)).await.unwrap();
    }

    /// XEP-0445 section 4: used up by success only; expiry counts when the client shows it, not afterwards.
    #[tokio::test]
    async fn an_invitation_is_used_up_by_success() {
        let world = World::of(&["romeo"]).await;
        let invitation = invite(&world, None, None, 1).await;
        assert!(matches!(register(&world, "romeo", Some(&invitation)).await, Err(Error::Conflict)));
        let empty = world.chat.register("localhost", "juliet", "", Some(&invitation), None).await;
        assert!(matches!(empty, Err(Error::NotAcceptable(_))));
        world.pass(world.chat.settings().invitation_lifetime_ms + 1);
        let late = world.chat.registration_invitation("localhost", &invitation.token).await;
        assert!(matches!(late, Err(Error::NotFound)));
        register(&world, "juliet", Some(&invitation)).await.unwrap();
        assert!(matches!(register(&world, "nurse", Some(&invitation)).await, Err(Error::NotFound)));
    }

    /// A single use is a single use, however many come at the same moment.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_invitation_is_redeemed_once() {
        let world = World::empty();
        let invitation = invite(&world, None, None, 3).await;
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..10 {
            let (chat, invitation) = (std::sync::Arc::clone(&world.chat), invitation.clone());
            tasks.spawn(async move {
                chat.register("localhost", &format!("u{i}"), "secret", Some(&invitation), None).await.is_ok()
            });
        }
        let made = tasks.join_all().await.into_iter().filter(|made| *made).count();
        assert_eq!(made, 3);
    }

    #[tokio::test]
    async fn an_invitation_is_for_its_domain() {
        let world = World::with(|settings| settings.domains.push("example.org".to_owned()));
        let invitation = invite(&world, None, None, 1).await;
        let elsewhere = world.chat.registration_invitation("example.org", &invitation.token).await;
        assert!(matches!(elsewhere, Err(Error::NotFound)));
        let made = world.chat.register("example.org", "juliet", "secret", Some(&invitation), None).await;
        assert!(matches!(made, Err(Error::Forbidden)));
    }
}
