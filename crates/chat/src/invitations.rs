//! Inviting people: to be a contact, to have an account, or both (XEP-0379, XEP-0401).

use waxwing_xmpp::jid::Jid;

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::invitation::Invitation;
use crate::rosters::Owner;

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

    /// Whether it may still be used at this moment.
    pub fn is_open(&self, now_ms: u64) -> bool {
        self.uses_left > 0 && self.expires_ms > now_ms
    }
}

impl Chat {
    /// Makes an invitation. `actor` is who does it, for the audit log.
    pub async fn invite(&self, order: InvitationOrder, actor: &str) -> Result<Invitation> {
        let InvitationOrder {
            inviter,
            register_at,
            username,
            lifetime_ms,
            uses,
        } = order;
        let inviter = inviter.map(|inviter| inviter.to_bare());
        if inviter.is_none() && register_at.is_none() {
            return Err(Error::BadRequest("an invitation needs an inviter or a domain"));
        }
        if uses == 0 || uses > INVITATION_USES_LIMIT {
            return Err(Error::NotAcceptable(
                "an invitation can be used between 1 and 1000 times",
            ));
        }
        if let Some(inviter) = &inviter {
            self.account(inviter).await?;
        }
        let open = self.store.invitations().await?;
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
        let target = invitation
            .username
            .as_deref()
            .or(invitation.register_at.as_deref())
            .unwrap_or("contact");
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
        Ok(found.filter(|invitation| invitation.is_open(self.now_ms())))
    }

    /// All invitations that may still be used.
    pub async fn invitations(&self) -> Result<Vec<Invitation>> {
        let now = self.now_ms();
        Ok(self
            .store
            .invitations()
            .await?
            .into_iter()
            .filter(|invitation| invitation.is_open(now))
            .collect())
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
        Ok(self
            .store
            .redeem_invitation(token, self.now_ms())
            .await?
            .is_some())
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
