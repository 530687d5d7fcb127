//! Asking for presence, granting, refusing and cancelling it (RFC 6121 section 3), by the tables in `subscription`.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Outgoing, PresenceType, Stanza};

use crate::chat::Chat;
use crate::cluster::Handing;
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
        let _pair = self.lock_pair(&owner.jid, contact).await;
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
            self.put_state(owner, contact, item, transition.state, None).await?;
        }
        if transition.showing == Showing::Unavailable {
            self.show_unavailable(owner, contact).await?;
        }
        drop(lock);
        if transition.forward {
            if self.is_local(contact.domain()) {
                self.pass_subscription(stanza).await;
            } else {
                self.to_remote(stanza)?;
            }
        }
        if transition.showing == Showing::Current {
            let lock = self.rosters.lock(&owner.jid).await;
            self.show_current(owner, contact).await?;
            drop(lock);
            self.show_last_items(owner, contact).await;
        }
        Ok(())
    }

    /// Hands a subscription stanza, both addresses bare, to the account it is for, and that account's automatic answer
    /// back. The caller holds the pair's lock, and no account's.
    pub(crate) async fn pass_subscription(&self, stanza: Stanza) {
        let Some(answer) = self.arrive(stanza).await else {
            return;
        };
        let Answer { owner, contact, ask_back } = answer;
        let granted =
            Stanza::presence(PresenceType::Subscribed).with_from(owner.jid.clone()).with_to(contact.clone());
        // An approval is never answered.
        self.arrive(granted).await;
        let lock = self.rosters.lock(&owner.jid).await;
        let mut outcome = self.show_current(&owner, &contact).await;
        drop(lock);
        self.show_last_items(&owner, &contact).await;
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
        let mut transition = inbound(State { approved: before.approved || invited, ..before }, act);
        transition.state.approved = before.approved;
        if item.is_none() && transition.state.pending_in && !self.has_room_for_request(&owner).await? {
            return Ok(None);
        }
        if transition.state != before {
            let request = transition.state.pending_in.then(|| kept_request(&stanza));
            self.put_state(&owner, &from, item, transition.state, request).await?;
        }
        if transition.showing == Showing::Unavailable {
            self.show_unavailable(&owner, &from).await?;
        }
        if transition.forward && !blocked {
            // A request goes to available sessions (3.1.3 rule 3), the rest to those that know the roster.
            let how = if act == Act::Subscribe { Handing::Available } else { Handing::KnowsRoster };
            self.hand_to_others(&stanza, &to, how);
            let stanza = Arc::new(Outgoing::new(stanza));
            self.sessions.with(&to, |all| {
                for session in all.iter() {
                    if how.takes(session) {
                        push(session, &stanza);
                    }
                }
            });
        }
        Ok(transition.reply.map(|_| Answer { owner, contact: from, ask_back: invited }))
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
            return if known { self.drop_item(owner, contact).await } else { Ok(()) };
        }
        let request = if state.pending_in { item.request.or(request) } else { None };
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
        let _pair = self.lock_pair(&one.jid, &other.jid).await;
        for (owner, contact) in [(one, &other.jid), (other, &one.jid)] {
            let _lock = self.rosters.lock(&owner.jid).await;
            let item = self.store.roster_item(owner.account, contact).await?;
            let approved = item.as_ref().is_some_and(|item| item.approved);
            let both =
                State { subscription: Subscription::Both, pending_out: false, pending_in: false, approved };
            self.put_state(owner, contact, item, both, None).await?;
        }
        for (owner, contact) in [(one, &other.jid), (other, &one.jid)] {
            let lock = self.rosters.lock(&owner.jid).await;
            self.show_current(owner, contact).await?;
            drop(lock);
            self.show_last_items(owner, contact).await;
        }
        Ok(())
    }

    /// Whether a request carries a token with which its owner invited somebody (XEP-0379 section 3.5). Using it up is
    /// part of the answer; a token that is unknown or spent makes an ordinary request (section 4.1).
    async fn accepts_invitation(&self, request: &Stanza, owner: &Owner) -> Result<bool> {
        let Some(token) = request.child(ns::PREAUTH, "preauth").and_then(|preauth| preauth.attr("token"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    fn none() -> Vec<String> {
        Vec::new()
    }

    /// RFC 6121 sections 3.1.2 to 3.1.6, from both sides, with the addresses stamped bare.
    #[tokio::test]
    async fn a_request_is_made_and_granted() {
        let world = World::of(&["romeo", "juliet"]).await;
        let mut romeo = world.online("romeo", "orchard").await;
        let mut garden = world.online("romeo", "garden").await;
        let mut juliet = world.online("juliet", "balcony").await;
        romeo.told();
        romeo
            .send("<presence to='juliet~/anything' type='subscribe'><status>it is I</status></presence>")
            .await;
        assert_eq!(romeo.told(), ["roster juliet none ask"]);
        assert_eq!(garden.told(), ["roster juliet none ask"]);
        assert_eq!(juliet.told(), ["subscribe romeo -> juliet (it is I)"]);
        // Section 3.1.3: clients do not see an item that only waits for an answer.
        assert_eq!(world.item("juliet", "romeo").await, None);
        juliet.send("<presence to='romeo~' type='subscribed'/>").await;
        assert_eq!(juliet.told(), ["roster romeo from"]);
        let granted = ["roster juliet to", "subscribed juliet -> romeo", "available juliet/balcony -> romeo"];
        assert_eq!(romeo.told(), granted);
        assert_eq!(garden.told(), granted);
        // The other way round.
        juliet.send("<presence to='romeo~' type='subscribe'/>").await;
        romeo.send("<presence to='juliet~' type='subscribed'/>").await;
        assert_eq!(world.item("juliet", "romeo").await.as_deref(), Some("both"));
        assert_eq!(world.item("romeo", "juliet").await.as_deref(), Some("both"));
        let mut told = juliet.told();
        told.sort();
        assert_eq!(
            told,
            [
                "available romeo/garden -> juliet",
                "available romeo/orchard -> juliet",
                "roster romeo both",
                "roster romeo from ask",
                "subscribed romeo -> juliet",
            ]
        );
    }

    /// RFC 6121 section 3.1.3 rule 4: whole, once a login, until it is answered.
    #[tokio::test]
    async fn a_request_waits_for_its_recipient() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "orchard").await;
        romeo.send("<presence to='juliet~' type='subscribe'><status>it is I</status></presence>").await;
        romeo.send("<presence to='juliet~' type='subscribe'><status>again</status></presence>").await;
        for resource in ["balcony", "chamber"] {
            let mut juliet = world.connect("juliet", resource).await;
            juliet.send("<presence/>").await;
            let told = juliet.told();
            let requests: Vec<_> = told.iter().filter(|t| t.starts_with("subscribe")).collect();
            assert_eq!(requests, ["subscribe romeo -> juliet (it is I)"]);
            juliet.send("<presence><show>away</show></presence>").await;
            assert!(!juliet.told().iter().any(|t| t.starts_with("subscribe")));
        }
        let juliet = world.connect("juliet", "hall").await;
        juliet.send("<presence to='romeo~' type='unsubscribed'/>").await;
        let mut juliet = world.connect("juliet", "street").await;
        juliet.send("<presence/>").await;
        assert!(!juliet.told().iter().any(|t| t.starts_with("subscribe")));
    }

    /// RFC 6121 section 3.2.2 and 3.3.2: a refusal reaches the asker; the refuser's roster never showed the request.
    #[tokio::test]
    async fn a_request_is_refused() {
        let world = World::of(&["romeo", "juliet"]).await;
        let mut romeo = world.online("romeo", "orchard").await;
        let mut juliet = world.online("juliet", "balcony").await;
        romeo.send("<presence to='juliet~' type='subscribe'/>").await;
        juliet.told();
        romeo.told();
        juliet.send("<presence to='romeo~' type='unsubscribed'/>").await;
        assert_eq!(juliet.told(), none());
        assert_eq!(romeo.told(), ["roster juliet none", "unsubscribed juliet -> romeo"]);
        assert_eq!(world.state("juliet", "romeo").await, State::default());
    }

    /// RFC 6121 sections 3.2.1 to 3.2.3: who cancels a contact's subscription disappears first.
    #[tokio::test]
    async fn a_subscription_is_cancelled() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut romeo = world.online("romeo", "orchard").await;
        let mut juliet = world.online("juliet", "balcony").await;
        romeo.told();
        juliet.send("<presence to='romeo~' type='unsubscribed'/>").await;
        assert_eq!(juliet.told(), ["roster romeo to"]);
        assert_eq!(
            romeo.told(),
            ["unavailable juliet/balcony -> romeo", "roster juliet from", "unsubscribed juliet -> romeo"]
        );
        // Presence no longer goes there, but still comes from there.
        juliet.send("<presence><show>away</show></presence>").await;
        assert_eq!(romeo.told(), none());
        romeo.send("<presence><show>away</show></presence>").await;
        assert_eq!(
            juliet.told(),
            ["available juliet/balcony -> juliet", "available romeo/orchard -> juliet"]
        );
    }

    /// RFC 6121 sections 3.3.1 to 3.3.3: who unsubscribes is shown the contact going.
    #[tokio::test]
    async fn a_subscription_is_given_up() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut romeo = world.online("romeo", "orchard").await;
        let mut juliet = world.online("juliet", "balcony").await;
        romeo.told();
        romeo.send("<presence to='juliet~' type='unsubscribe'/>").await;
        assert_eq!(romeo.told(), ["roster juliet from", "unavailable juliet/balcony -> romeo"]);
        assert_eq!(juliet.told(), ["roster romeo to", "unsubscribe romeo -> juliet"]);
    }

    /// RFC 6121 section 3.4: approval in advance is kept, shown in the roster, used, and taken back.
    #[tokio::test]
    async fn approval_in_advance() {
        let world = World::of(&["romeo", "juliet"]).await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut romeo = world.online("romeo", "orchard").await;
        juliet.send("<presence to='romeo~' type='subscribed'/>").await;
        assert_eq!(juliet.told(), ["roster romeo none approved"]);
        assert_eq!(romeo.told(), none());
        romeo.send("<presence to='juliet~' type='subscribe'/>").await;
        assert_eq!(juliet.told(), ["roster romeo from approved"]);
        assert_eq!(
            romeo.told(),
            [
                "roster juliet none ask",
                "roster juliet to",
                "subscribed juliet -> romeo",
                "available juliet/balcony -> romeo"
            ]
        );
        juliet.send("<presence to='romeo~' type='unsubscribed'/>").await;
        assert_eq!(juliet.told(), ["roster romeo none"]);
        romeo.told();
        romeo.send("<presence to='juliet~' type='subscribe'/>").await;
        assert_eq!(juliet.told(), ["subscribe romeo -> juliet"]);
    }

    /// RFC 6121 A.3: what nobody asked for is not shown, and changes nothing.
    #[tokio::test]
    async fn unasked_answers_are_dropped() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "none", "juliet").await;
        let juliet = world.online("juliet", "balcony").await;
        let mut romeo = world.online("romeo", "orchard").await;
        for type_ in ["unsubscribed", "unsubscribe"] {
            juliet.send(&format!("<presence to='romeo~' type='{type_}'/>")).await;
        }
        let forged =
            Stanza::presence(PresenceType::Subscribed).with_from(jid("juliet")).with_to(jid("romeo"));
        world.chat.receive_presence(forged).await.unwrap();
        assert_eq!(romeo.told(), none());
        assert_eq!(world.item("romeo", "juliet").await.as_deref(), Some("none"));
    }

    /// An account is not its own contact.
    #[tokio::test]
    async fn nobody_subscribes_to_himself() {
        let world = World::of(&["romeo"]).await;
        let mut romeo = world.online("romeo", "orchard").await;
        romeo.send("<presence to='romeo~' type='subscribe'/>").await;
        assert_eq!(romeo.told(), none());
        assert_eq!(world.state("romeo", "romeo").await, State::default());
    }

    #[tokio::test]
    async fn strangers_cannot_fill_a_roster() {
        let world = World::of(&["juliet"]).await;
        let juliet = world.owner("juliet").await;
        for i in 0..crate::rosters::PENDING_REQUESTS_LIMIT + 5 {
            let request = Stanza::presence(PresenceType::Subscribe)
                .with_from(jid(&format!("u{i}@montague.lit")))
                .with_to(jid("juliet"));
            world.chat.receive_presence(request).await.unwrap();
        }
        let kept = world.chat.store.roster_size(juliet.account).await.unwrap();
        assert_eq!(kept, crate::rosters::PENDING_REQUESTS_LIMIT);
        world.add("juliet", "nurse").await.unwrap();
    }

    #[tokio::test]
    async fn a_huge_request_is_kept_without_its_extras() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "orchard").await;
        let long = "x".repeat(REQUEST_BYTES_LIMIT);
        romeo
            .send(&format!("<presence to='juliet~' type='subscribe'><status>{long}</status></presence>"))
            .await;
        let mut juliet = world.connect("juliet", "balcony").await;
        juliet.send("<presence/>").await;
        assert!(juliet.told().contains(&"subscribe romeo -> juliet".to_owned()));
    }

    /// XEP-0191 section 3.3: a blocked contact's farewell is not shown, but both rosters agree after it.
    #[tokio::test]
    async fn a_blocked_contact_can_still_leave() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        world.chat.block(&world.owner("juliet").await, vec![jid("romeo")]).await.unwrap();
        let romeo = world.online("romeo", "orchard").await;
        romeo.send("<presence to='juliet~' type='unsubscribed'/>").await;
        assert_eq!(juliet.told(), ["roster romeo from"]);
        assert_eq!(world.item("juliet", "romeo").await.as_deref(), Some("from"));
    }

    /// Many at once, each pair in both directions: nobody waits for ever, and both sides agree in the end.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn crossing_requests_neither_block_nor_disagree() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let world = World::of(&names).await;
        let mut tasks = tokio::task::JoinSet::new();
        for one in names {
            for other in names.into_iter().filter(|other| *other != one) {
                let client = world.online(one, other).await;
                let acts =
                    ["subscribe", "subscribed", "unsubscribe", "subscribe", "unsubscribed", "subscribed"];
                tasks.spawn(async move {
                    for act in acts.iter().cycle().take(60) {
                        client.send(&format!("<presence to='{other}~' type='{act}'/>")).await;
                        tokio::task::yield_now().await;
                    }
                });
            }
        }
        let all = tasks.join_all();
        tokio::time::timeout(std::time::Duration::from_secs(60), all).await.expect("nobody waits for ever");
        for one in names {
            for other in names.iter().filter(|other| **other != one) {
                let (mine, theirs) = (world.state(one, other).await, world.state(other, one).await);
                assert_eq!(mine.sees(), theirs.shows(), "{one} {other}: {mine:?} {theirs:?}");
                assert_eq!(mine.pending_out, theirs.pending_in, "{one} {other}: {mine:?} {theirs:?}");
            }
        }
    }
}
