//! Inviting people: to be a contact, to have an account, or both (XEP-0379, XEP-0401).

use waxwing_xmpp::jid::Jid;

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::invitation::Invitation;
use crate::rosters::Owner;
use crate::settings::Settings;

/// How many invitations of one inviter may be open at once.
pub const OPEN_INVITATIONS_LIMIT: usize = 100;

/// How often one invitation may be used at most.
pub const INVITATION_USES_LIMIT: u32 = 1000;

/// What an invitation should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationOrder {
    /// Who invites, and becomes a contact of whoever accepts.
    pub inviter: Option<Jid>,
    /// The domain at which an account may be made.
    pub register_at: Option<String>,
    /// The account name to be set aside.
    pub username: Option<String>,
    /// How long it is good for, if not as long as the settings say.
    pub lifetime_ms: Option<u64>,
    /// How often it may be used.
    pub uses: u32,
}

impl Invitation {
    /// The link that opens it in a client (XEP-0379 section 3.2, XEP-0445 section 2).
    pub fn uri(&self) -> String {
        let preauth = &self.token;
        match (&self.inviter, &self.username, &self.register_at) {
            (_, Some(username), Some(domain)) => {
                format!("xmpp:{username}@{domain}?register;preauth={preauth}")
            }
            (Some(inviter), None, Some(_)) => format!("xmpp:{inviter}?roster;preauth={preauth};ibr=y"),
            (Some(inviter), _, None) => format!("xmpp:{inviter}?roster;preauth={preauth}"),
            (None, _, Some(domain)) => format!("xmpp:{domain}?register;preauth={preauth}"),
            (None, _, None) => String::new(),
        }
    }

    /// The page that says what it is for, for a browser (XEP-0401 section 5.2); `None` when this server has none.
    pub fn page(&self, settings: &Settings) -> Option<String> {
        let domain = self.register_at.as_deref().or(self.inviter.as_ref().map(|jid| jid.domain()))?;
        let place = settings.invitation_url.as_ref()?.replace("{domain}", domain);
        Some(place + &self.token)
    }

    /// Whether it may still be used at this moment.
    pub fn is_open(&self, now_ms: u64) -> bool {
        self.uses_left > 0 && self.expires_ms > now_ms
    }
}

impl Chat {
    /// Makes an invitation. `actor` is who does it, for the audit log.
    pub async fn invite(&self, order: InvitationOrder, actor: &str) -> Result<Invitation> {
        let InvitationOrder { inviter, register_at, username, lifetime_ms, uses } = order;
        let inviter = inviter.map(|inviter| inviter.to_bare());
        if inviter.is_none() && register_at.is_none() {
            return Err(Error::BadRequest("an invitation needs an inviter or a domain"));
        }
        if uses == 0 || uses > INVITATION_USES_LIMIT {
            return Err(Error::NotAcceptable("an invitation can be used between 1 and 1000 times"));
        }
        if let Some(inviter) = &inviter {
            self.account(inviter).await?;
        }
        let open = self.invitations().await?;
        if inviter.is_some()
            && open.iter().filter(|other| other.inviter == inviter).count() >= OPEN_INVITATIONS_LIMIT
        {
            return Err(Error::ResourceConstraint("too many open invitations"));
        }
        let username = match (&register_at, username) {
            (None, Some(_)) => return Err(Error::BadRequest("a name can be set aside only at a domain")),
            (Some(domain), _) if !self.is_local(domain) => {
                return Err(Error::NotAcceptable("the domain is not one of this server's"));
            }
            (Some(domain), Some(username)) => Some(self.set_aside(domain, &username, &open).await?),
            (_, None) => None,
        };
        let now = self.now_ms();
        let invitation = Invitation {
            token: self.token(),
            register_at,
            uses_left: if username.is_some() { 1 } else { uses },
            username,
            inviter,
            created_ms: now,
            expires_ms: now.saturating_add(lifetime_ms.unwrap_or(self.settings().invitation_lifetime_ms)),
        };
        self.store.put_invitation(invitation.clone()).await?;
        let target =
            invitation.username.as_deref().or(invitation.register_at.as_deref()).unwrap_or("contact");
        self.record(actor, "invitation.create", target, "").await?;
        Ok(invitation)
    }

    /// XEP-0445 section 5: a name in an invitation is nobody else's until it expires.
    async fn set_aside(&self, domain: &str, username: &str, open: &[Invitation]) -> Result<String> {
        let jid = Jid::from_parts(Some(username), domain, None)
            .map_err(|_| Error::NotAcceptable("the name cannot be an account's"))?;
        if self.store.account(&jid).await?.is_some() || is_set_aside(open, &jid, self.now_ms()) {
            return Err(Error::Conflict);
        }
        Ok(jid.local().unwrap_or_default().to_owned())
    }

    /// An invitation that may still be used.
    pub async fn invitation(&self, token: &str) -> Result<Option<Invitation>> {
        let found = self.store.invitation(token).await?;
        let Some(invitation) = found.filter(|invitation| invitation.is_open(self.now_ms())) else {
            return Ok(None);
        };
        // Nobody lets others in who may not come in himself.
        if let Some(inviter) = &invitation.inviter
            && !self.store.account(inviter).await?.is_some_and(|account| self.may_sign_in(&account))
        {
            return Ok(None);
        }
        Ok(Some(invitation))
    }

    /// All invitations that may still be used.
    pub async fn invitations(&self) -> Result<Vec<Invitation>> {
        let now = self.now_ms();
        Ok(self.store.invitations().await?.into_iter().filter(|invitation| invitation.is_open(now)).collect())
    }

    /// Withdraws an invitation.
    pub async fn revoke_invitation(&self, token: &str, actor: &str) -> Result<()> {
        self.store.delete_invitation(token).await?;
        self.record(actor, "invitation.revoke", "", "").await
    }

    /// Uses an invitation of `inviter` up for somebody who asks to be his contact.
    pub(crate) async fn redeem_contact_invitation(&self, token: &str, inviter: &Owner) -> Result<bool> {
        let Some(invitation) = self.invitation(token).await? else {
            return Ok(false);
        };
        if invitation.inviter.as_ref() != Some(&inviter.jid) {
            return Ok(false);
        }
        Ok(self.store.redeem_invitation(token, self.now_ms()).await?.is_some())
    }
}

/// Whether a name belongs to an open invitation.
pub(crate) fn is_set_aside(open: &[Invitation], jid: &Jid, now_ms: u64) -> bool {
    open.iter().any(|invitation| {
        invitation.is_open(now_ms)
            && invitation.username.as_deref() == jid.local()
            && invitation.username.is_some()
            && invitation.register_at.as_deref() == Some(jid.domain())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    pub(crate) fn order(
        inviter: Option<&str>,
        register_at: Option<&str>,
        username: Option<&str>,
    ) -> InvitationOrder {
        InvitationOrder {
            inviter: inviter.map(jid),
            register_at: register_at.map(str::to_owned),
            username: username.map(str::to_owned),
            lifetime_ms: None,
            uses: 1,
        }
    }

    /// Whoever may not come in any more lets nobody else in.
    #[tokio::test]
    async fn an_invitation_holds_as_long_as_whoever_made_it_may_sign_in() {
        let world = World::of(&["romeo"]).await;
        let made = world.chat.invite(order(Some("romeo"), None, None), "romeo@localhost").await.unwrap();
        assert!(world.chat.invitation(&made.token).await.unwrap().is_some());
        world.chat.set_disabled(&jid("romeo"), true, "admin").await.unwrap();
        assert_eq!(world.chat.invitation(&made.token).await.unwrap(), None);
    }

    /// XEP-0379 section 3: the token grants the subscription and asks back, once.
    #[tokio::test]
    async fn a_contact_comes_by_invitation() {
        let world = World::of(&["romeo", "juliet", "tybalt"]).await;
        let invitation =
            world.chat.invite(order(Some("romeo"), None, None), "romeo@localhost").await.unwrap();
        let mut romeo = world.online("romeo", "orchard").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut tybalt = world.online("tybalt", "street").await;
        let preauth = format!("<preauth xmlns='urn:xmpp:pars:0' token='{}'/>", invitation.token);
        // The client approves in advance, then asks.
        juliet.send("<presence to='romeo~' type='subscribed'/>").await;
        juliet.send(&format!("<presence to='romeo~' type='subscribe'>{preauth}</presence>")).await;
        assert_eq!(world.item("romeo", "juliet").await.as_deref(), Some("both"));
        assert_eq!(world.item("juliet", "romeo").await.as_deref(), Some("both approved"));
        let told = romeo.told();
        assert!(!told.iter().any(|t| t.starts_with("subscribe ")), "{told:?}");
        assert!(told.contains(&"available juliet/balcony -> romeo".to_owned()), "{told:?}");
        assert!(juliet.told().contains(&"available romeo/orchard -> juliet".to_owned()));
        // Spent: an ordinary request.
        tybalt.send(&format!("<presence to='romeo~' type='subscribe'>{preauth}</presence>")).await;
        assert_eq!(romeo.told(), ["subscribe tybalt -> romeo"]);
        assert_eq!(tybalt.told(), ["roster romeo none ask"]);
    }

    /// XEP-0379 section 4.1: what is unknown, expired or another's makes an ordinary request.
    #[tokio::test]
    async fn other_tokens_open_nothing() {
        let world = World::of(&["romeo", "juliet", "nurse"]).await;
        let others = world.chat.invite(order(Some("nurse"), None, None), "local").await.unwrap();
        let expired = world.chat.invite(order(Some("romeo"), None, None), "local").await.unwrap();
        world.pass(world.chat.settings().invitation_lifetime_ms);
        let juliet = world.online("juliet", "balcony").await;
        for token in [&others.token, &expired.token, "forged", ""] {
            let preauth = format!("<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>");
            juliet.send(&format!("<presence to='romeo~' type='subscribe'>{preauth}</presence>")).await;
            assert!(world.state("romeo", "juliet").await.pending_in);
            juliet.send("<presence to='romeo~' type='unsubscribe'/>").await;
        }
    }

    #[tokio::test]
    async fn invitations_are_checked_and_withdrawn() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        let refused = async |order: InvitationOrder| chat.invite(order, "local").await.unwrap_err();
        assert!(matches!(refused(order(None, None, None)).await, Error::BadRequest(_)));
        assert!(matches!(refused(order(Some("nobody"), None, None)).await, Error::NotFound));
        assert!(matches!(refused(order(Some("romeo"), None, Some("juliet"))).await, Error::BadRequest(_)));
        assert!(matches!(refused(order(None, Some("elsewhere.lit"), None)).await, Error::NotAcceptable(_)));
        assert!(matches!(
            refused(order(None, Some("localhost"), Some("a b"))).await,
            Error::NotAcceptable(_)
        ));
        assert!(matches!(refused(order(None, Some("localhost"), Some("romeo"))).await, Error::Conflict));
        let none = InvitationOrder { uses: 0, ..order(Some("romeo"), None, None) };
        assert!(matches!(refused(none).await, Error::NotAcceptable(_)));
        let good = chat.invite(order(None, Some("localhost"), Some("Juliet")), "local").await.unwrap();
        assert_eq!(good.username.as_deref(), Some("juliet"));
        // XEP-0445 section 5: the name is set aside.
        assert!(matches!(refused(order(None, Some("localhost"), Some("juliet"))).await, Error::Conflict));
        assert_eq!(chat.invitations().await.unwrap(), std::slice::from_ref(&good));
        chat.revoke_invitation(&good.token, "local").await.unwrap();
        assert_eq!(chat.invitation(&good.token).await.unwrap(), None);
        assert!(matches!(chat.revoke_invitation(&good.token, "local").await, Err(Error::NotFound)));
        assert!(!format!("{:?}", chat.store.audit(None, 10).await.unwrap()).contains(&good.token));
    }

    #[tokio::test]
    async fn open_invitations_are_limited() {
        let world = World::of(&["romeo"]).await;
        for _ in 0..OPEN_INVITATIONS_LIMIT {
            world.chat.invite(order(Some("romeo"), None, None), "local").await.unwrap();
        }
        let more = world.chat.invite(order(Some("romeo"), None, None), "local").await;
        assert!(matches!(more, Err(Error::ResourceConstraint(_))));
        world.pass(world.chat.settings().invitation_lifetime_ms);
        world.chat.invite(order(Some("romeo"), None, None), "local").await.unwrap();
    }

    /// XEP-0379 section 3.2, XEP-0401 sections 4.1 and 4.4, XEP-0445 section 2.
    #[tokio::test]
    async fn links_say_what_they_open() {
        let world = World::of(&["romeo"]).await;
        for (inviter, register_at, username, expected) in [
            (Some("romeo"), None, None, "xmpp:romeo@localhost?roster;preauth=TOKEN"),
            (Some("romeo"), Some("localhost"), None, "xmpp:romeo@localhost?roster;preauth=TOKEN;ibr=y"),
            (
                Some("romeo"),
                Some("localhost"),
                Some("juliet"),
                "xmpp:juliet@localhost?register;preauth=TOKEN",
            ),
            (None, Some("localhost"), None, "xmpp:localhost?register;preauth=TOKEN"),
        ] {
            let made = world.chat.invite(order(inviter, register_at, username), "local").await.unwrap();
            assert_eq!(made.uri().replace(&made.token, "TOKEN"), expected);
        }
    }
}
