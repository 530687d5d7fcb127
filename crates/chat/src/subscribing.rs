//! Asking for presence, granting, refusing and cancelling it (RFC 6121 section 3), by the tables in `subscription`.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Outgoing, PresenceType, Stanza};

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::presence::push;
use crate::roster::{RosterItem, Subscription};
use crate::rosters::{Owner, blank};
use crate::session::Session;
use crate::subscription::{Act, Showing, State, inbound, outbound};

/// Bytes of a waiting request that are kept whole (RFC 6121 section 3.1.3 rule 4); of a larger one only the request.
pub const REQUEST_BYTES_LIMIT: usize = 8192;

/// What an account answers to a request of a contact, once nobody's lock is held.
struct Answer {
    owner: Owner,
    contact: Jid,
    /// The contact came by an invitation: the account asks for his presence in turn (XEP-0379 section 3.5).
    ask_back: bool,
}

impl Act {
    fn of(stanza: &Stanza) -> Option<Self> {
        match stanza.kind {
            Kind::Presence(PresenceType::Subscribe) => Some(Self::Subscribe),
            Kind::Presence(PresenceType::Subscribed) => Some(Self::Subscribed),
            Kind::Presence(PresenceType::Unsubscribe) => Some(Self::Unsubscribe),
            Kind::Presence(PresenceType::Unsubscribed) => Some(Self::Unsubscribed),
            _ => None,
        }
    }
}

impl Chat {
    /// A client manages a subscription: the stanza goes out in the name of its account (RFC 6121 sections 3.1.2, 3.1.5,
    /// 3.2.2, 3.3.2).
    pub(crate) async fn manage_subscription(
        &self,
        session: &Arc<Session>,
        stanza: Stanza,
        contact: &Jid,
    ) -> Result<()> {
        let owner = Owner::from(&**session);
        // An account sees its own sessions anyway (section 4.2.2).
        if *contact == owner.jid {
            return Ok(());
        }
        let profile = self.profile(&owner.jid).await?.ok_or(Error::Forbidden)?;
        if profile.blocks(contact) {
            return Err(Error::Blocked);
        }
        let stanza = stanza.with_from(owner.jid.clone()).with_to(contact.clone());
        let _pair = self.rosters.lock_pair(&owner.jid, contact).await;
        self.act(&owner, contact, stanza).await
    }

    /// Changes the owner's side and passes the stanza on. The caller holds the pair's lock.
    async fn act(&self, owner: &Owner, contact: &Jid, stanza: Stanza) -> Result<()> {
        let act = Act::of(&stanza).ok_or(Error::BadRequest("not a subscription"))?;
        let lock = self.rosters.lock(&owner.jid).await;
        let item = self.store.roster_item(owner.account, contact).await?;
        let before = State::of(item.as_ref());
        let transition = outbound(before, act);
        if transition.state != before {
            let new = item.as_ref().is_none_or(|item| !item.listed);
            if new && !transition.state.looks_like(before) {
                self.check_room(owner).await?;
            }
            self.put_state(owner, contact, item, transition.state, None)
                .await?;
        }
        if transition.showing == Showing::Unavailable {
            self.show_unavailable(owner, contact).await?;
        }
        drop(lock);
        if transition.forward {
            if !self.is_local(contact.domain()) {
                return self.to_remote(stanza);
            }
            self.pass_subscription(stanza).await;
        }
        if transition.showing == Showing::Current {
            let _lock = self.rosters.lock(&owner.jid).await;
            self.show_current(owner, contact).await?;
        }
        Ok(())
    }

    /// Hands a subscription stanza, both addresses bare, to the account it is for, and that account's automatic answer
    /// back. The caller holds the pair's lock, and no account's.
    pub(crate) async fn pass_subscription(&self, stanza: Stanza) {
        let Some(answer) = self.arrive(stanza).await else {
            return;
        };
        let Answer {
            owner,
            contact,
            ask_back,
        } = answer;
        let granted = Stanza::presence(PresenceType::Subscribed)
            .with_from(owner.jid.clone())
            .with_to(contact.clone());
        // An approval is never answered.
        self.arrive(granted).await;
        let lock = self.rosters.lock(&owner.jid).await;
        let mut outcome = self.show_current(&owner, &contact).await;
        drop(lock);
        if ask_back && outcome.is_ok() {
            let request = Stanza::presence(PresenceType::Subscribe)
                .with_from(owner.jid.clone())
                .with_to(contact.clone());
            outcome = Box::pin(self.act(&owner, &contact, request)).await;
        }
        if let Err(error) = outcome {
            tracing::warn!(%error, "a subscription was granted but not followed up");
        }
    }

    async fn arrive(&self, stanza: Stanza) -> Option<Answer> {
        let local = stanza.to.as_ref().is_some_and(|to| self.is_local(to.domain()));
        let outcome = if local {
            self.deliver_subscription(stanza).await
        } else {
            self.to_remote(stanza).map(|()| None)
        };
        outcome.unwrap_or_else(|error| {
            if !matches!(error, Error::RemoteServerNotFound) {
                tracing::warn!(%error, "a subscription stanza was not delivered");
            }
            None
        })
    }

    /// A subscription stanza arrives for a local account (RFC 6121 sections 3.1.3, 3.1.6, 3.2.3, 3.3.3).
    async fn deliver_subscription(&self, stanza: Stanza) -> Result<Option<Answer>> {
        let (Some(from), Some(to), Some(act)) = (stanza.from.clone(), stanza.to.clone(), Act::of(&stanza))
        else {
            return Ok(None);
        };
        // Section 8.5.1: to nobody, silently.
        let Some(profile) = self.profile(&to).await? else {
            return Ok(None);
        };
        // XEP-0191 section 3.2: nothing of a blocked contact reaches the owner. What the contact gives up or takes back
        // still counts, otherwise both sides would disagree after the block.
        let blocked = profile.blocks(&from);
        if blocked && matches!(act, Act::Subscribe | Act::Subscribed) {
            return Ok(None);
        }
        let owner = Owner::from(&*profile);
        let invited = act == Act::Subscribe && self.accepts_invitation(&stanza, &owner).await?;
        let _lock = self.rosters.lock(&to).await;
        let item = self.store.roster_item(owner.account, &from).await?;
        let before = State::of(item.as_ref());
        let mut transition = inbound(
            State {
                approved: before.approved || invited,
                ..before
            },
            act,
        );
        transition.state.approved = before.approved;
        if item.is_none() && transition.state.pending_in && !self.has_room_for_request(&owner).await? {
            return Ok(None);
        }
        if transition.state != before {
            let request = transition.state.pending_in.then(|| kept_request(&stanza));
            self.put_state(&owner, &from, item, transition.state, request)
                .await?;
        }
        if transition.showing == Showing::Unavailable {
            self.show_unavailable(&owner, &from).await?;
        }
        if transition.forward && !blocked {
            let stanza = Arc::new(Outgoing::new(stanza));
            self.sessions.with(&to, |all| {
                for session in all.iter() {
                    // A request goes to available sessions (3.1.3 rule 3), the rest to those that know the roster.
                    if if act == Act::Subscribe {
                        session.is_available()
                    } else {
                        session.roster_wanted()
                    } {
                        push(session, &stanza);
                    }
                }
            });
        }
        Ok(transition.reply.map(|_| Answer {
            owner,
            contact: from,
            ask_back: invited,
        }))
    }

    /// Writes a new state of a contact into the roster, and tells the owner's clients what they can see of it. An item
    /// is kept out of their sight while it only holds a request (RFC 6121 section 3.1.3). The caller holds the lock.
    async fn put_state(
        &self,
        owner: &Owner,
        contact: &Jid,
        item: Option<RosterItem>,
        state: State,
        request: Option<Vec<u8>>,
    ) -> Result<()> {
        let before = State::of(item.as_ref());
        let known = item.is_some();
        let item = item.unwrap_or_else(|| blank(contact.clone()));
        let visible = !state.looks_like(before);
        let listed = item.listed || visible;
        if !listed && !state.pending_in {
            return if known {
                self.drop_item(owner, contact).await
            } else {
                Ok(())
            };
        }
        let request = if state.pending_in {
            item.request.or(request)
        } else {
            None
        };
        let item = RosterItem {
            subscription: state.subscription,
            ask: state.pending_out,
            approved: state.approved,
            request,
            listed,
            ..item
        };
        self.put_item(owner, item, visible).await
    }

    /// Makes two accounts contacts of each other at once, as an invitation promises (XEP-0401 section 4.3). The caller
    /// holds no lock.
    pub(crate) async fn befriend(&self, one: &Owner, other: &Owner) -> Result<()> {
        let _pair = self.rosters.lock_pair(&one.jid, &other.jid).await;
        for (owner, contact) in [(one, &other.jid), (other, &one.jid)] {
            let _lock = self.rosters.lock(&owner.jid).await;
            let item = self.store.roster_item(owner.account, contact).await?;
            let approved = item.as_ref().is_some_and(|item| item.approved);
            let both = State {
                subscription: Subscription::Both,
                pending_out: false,
                pending_in: false,
                approved,
            };
            self.put_state(owner, contact, item, both, None).await?;
        }
        for (owner, contact) in [(one, &other.jid), (other, &one.jid)] {
            let _lock = self.rosters.lock(&owner.jid).await;
            self.show_current(owner, contact).await?;
        }
        Ok(())
    }

    /// Whether a request carries a token with which its owner invited somebody (XEP-0379 section 3.5). Using it up is
    /// part of the answer; a token that is unknown or spent makes an ordinary request (section 4.1).
    async fn accepts_invitation(&self, request: &Stanza, owner: &Owner) -> Result<bool> {
        let Some(token) = request
            .child(ns::PREAUTH, "preauth")
            .and_then(|preauth| preauth.attr("token"))
        else {
            return Ok(false);
        };
        self.redeem_contact_invitation(token, owner).await
    }
}

fn kept_request(stanza: &Stanza) -> Vec<u8> {
    let mut xml = Vec::new();
    stanza.write(&mut xml, "");
    if xml.len() > REQUEST_BYTES_LIMIT {
        let mut bare = Stanza::presence(PresenceType::Subscribe);
        (bare.from, bare.to, bare.id) = (stanza.from.clone(), stanza.to.clone(), stanza.id.clone());
        xml.clear();
        bare.write(&mut xml, "");
    }
    xml
}
