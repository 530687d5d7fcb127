//! Reading and changing rosters, and telling the owner's clients (RFC 6121 section 2).
//!
//! Invariants of the locks in `Rosters`:
//! 1. A roster is read, changed and pushed under its account's lock, and presence leaves an account's sessions under it
//!    too, so that both reach others in one order.
//! 2. Nobody takes a second account's lock while holding one. What two accounts exchange is done one after the other
//!    under the pair's lock, which is always taken first. So no circle of waiting can form.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use tokio::sync::{Mutex, MutexGuard};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{PresenceType, Stanza};

use crate::account::{Account, AccountId};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::{Event, RosterChange};
use crate::profile::Profile;
use crate::roster::{RosterChanges, RosterItem, RosterSnapshot};
use crate::session::Session;
use crate::subscription::State;

/// Bytes of the name given to a contact.
pub const CONTACT_NAME_BYTES_LIMIT: usize = 1023;

/// Bytes of the name of a group.
pub const GROUP_NAME_BYTES_LIMIT: usize = 1023;

/// Groups that one contact may be in.
pub const GROUPS_PER_CONTACT_LIMIT: usize = 64;

/// Requests of strangers that wait in one roster; more are dropped (RFC 6121 section 3.1.3 leaves spam to the server).
pub const PENDING_REQUESTS_LIMIT: usize = 500;

/// Contacts remembered in each of the two generations of the cache.
pub const CONTACTS_CACHE_LIMIT: usize = 500_000;

const STRIPES: usize = 1024;

/// Whose data: an account with its bare address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The account.
    pub account: AccountId,
    /// Its bare address.
    pub jid: Jid,
}

impl From<&Session> for Owner {
    fn from(session: &Session) -> Self {
        Self { account: session.account, jid: session.jid.to_bare() }
    }
}

impl From<&Account> for Owner {
    fn from(account: &Account) -> Self {
        Self { account: account.id, jid: account.jid.clone() }
    }
}

impl From<&Profile> for Owner {
    fn from(profile: &Profile) -> Self {
        Self { account: profile.account, jid: profile.jid.clone() }
    }
}

/// What a client wants a roster item to be (RFC 6121 section 2.3.1). The rest of the item belongs to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEdit {
    /// The contact; its resource is ignored.
    pub jid: Jid,
    /// The name given to it.
    pub name: Option<String>,
    /// The groups it is in.
    pub groups: Vec<String>,
}

/// The answer to a request for the roster (RFC 6121 section 2.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterAnswer {
    /// The client has this version already.
    Unchanged,
    /// The client gets there by these changes, sent as pushes after an empty result.
    Changes(RosterChanges),
    /// Everything, without what clients must not see.
    Whole(RosterSnapshot),
}

/// Who sees whom in a roster: what broadcasting presence asks for.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    /// Those who see the owner, in order.
    pub(crate) watchers: Vec<Jid>,
    /// Those whom the owner sees, in order.
    pub(crate) watched: Vec<Jid>,
    /// Those who have not answered the owner's request.
    pub(crate) asked: Vec<Jid>,
    listed: usize,
    unlisted: usize,
    /// Some request waits for the owner's answer.
    pub(crate) requests: bool,
}

impl Contacts {
    fn new(snapshot: &RosterSnapshot) -> Self {
        let mut contacts = Self::default();
        for item in &snapshot.items {
            let state = State::of(Some(item));
            if state.shows() {
                contacts.watchers.push(item.jid.clone());
            }
            if state.sees() {
                contacts.watched.push(item.jid.clone());
            }
            if state.pending_out {
                contacts.asked.push(item.jid.clone());
            }
            contacts.requests |= state.pending_in;
            if item.listed {
                contacts.listed += 1;
            } else {
                contacts.unlisted += 1;
            }
        }
        contacts.watchers.sort_unstable();
        contacts.watched.sort_unstable();
        contacts
    }

    pub(crate) fn is_watcher(&self, contact: &Jid) -> bool {
        self.watchers.binary_search(contact).is_ok()
    }

    fn weight(&self) -> usize {
        1 + self.watchers.len() + self.watched.len() + self.asked.len()
    }
}

/// The locks of all rosters, and what is remembered of them.
#[derive(Debug)]
pub(crate) struct Rosters {
    accounts: Box<[Mutex<()>]>,
    pairs: Box<[Mutex<()>]>,
    hasher: RandomState,
    cache: SyncMutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    young: HashMap<Jid, Arc<Contacts>>,
    old: HashMap<Jid, Arc<Contacts>>,
    weight: usize,
    /// Counts changes, so that what was read before a change is not kept after it.
    changes: u64,
}

impl Cache {
    fn keep(&mut self, owner: Jid, contacts: Arc<Contacts>) {
        if self.weight >= CONTACTS_CACHE_LIMIT {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += contacts.weight();
        self.young.insert(owner, contacts);
    }
}

impl Default for Rosters {
    fn default() -> Self {
        let stripes = || (0..STRIPES).map(|_| Mutex::new(())).collect();
        Self {
            accounts: stripes(),
            pairs: stripes(),
            hasher: RandomState::new(),
            cache: SyncMutex::default(),
        }
    }
}

impl Rosters {
    fn stripe(&self, hash: u64) -> usize {
        usize::try_from(hash % STRIPES as u64).unwrap_or_default()
    }

    /// The lock of an account's roster and outgoing presence.
    pub(crate) async fn lock(&self, account: &Jid) -> MutexGuard<'_, ()> {
        self.accounts[self.stripe(self.hasher.hash_one(account.bare_str()))].lock().await
    }

    /// The lock of what two accounts exchange; taken before any account's lock.
    pub(crate) async fn lock_pair(&self, one: &Jid, other: &Jid) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one(one.bare_str()) ^ self.hasher.hash_one(other.bare_str());
        self.pairs[self.stripe(hash)].lock().await
    }

    fn cached(&self, owner: &Jid) -> (Option<Arc<Contacts>>, u64) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cache.young.get(owner) {
            return (Some(Arc::clone(found)), cache.changes);
        }
        let found = cache.old.remove(owner);
        if let Some(found) = &found {
            cache.keep(owner.clone(), Arc::clone(found));
        }
        (found, cache.changes)
    }

    fn remember(&self, owner: &Jid, contacts: &Arc<Contacts>, read_at: u64) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.changes == read_at {
            cache.keep(owner.clone(), Arc::clone(contacts));
        }
    }

    pub(crate) fn forget_all(&self) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        *cache = Cache { changes: cache.changes + 1, ..Cache::default() };
    }

    pub(crate) fn forget(&self, owner: &Jid) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.changes += 1;
        cache.old.remove(owner);
        if let Some(gone) = cache.young.remove(owner) {
            cache.weight = cache.weight.saturating_sub(gone.weight());
        }
    }
}

impl Chat {
    /// The roster for a client, which gets pushes from here on ("interested resource", RFC 6121 section 2.1.6).
    /// `known` is the version the client has (section 2.6.2).
    pub async fn roster(&self, session: &Session, known: Option<u64>) -> Result<RosterAnswer> {
        let owner = Owner::from(session);
        // Under the lock no push can fall between what is read here and the pushes that follow it.
        let _lock = self.rosters.lock(&owner.jid).await;
        session.set_roster_wanted();
        if let Some(known) = known
            && let Some(mut changes) = self.store.roster_changes(owner.account, known).await?
        {
            changes.changed.retain(|(_, item)| item.listed);
            return Ok(if changes.changed.is_empty() && changes.removed.is_empty() {
                RosterAnswer::Unchanged
            } else {
                RosterAnswer::Changes(changes)
            });
        }
        let mut whole = self.store.roster(owner.account).await?;
        if let Some(cluster) = self.cluster() {
            cluster.note_roster(&owner.jid, whole.version);
        }
        whole.items.retain(|item| item.listed);
        Ok(RosterAnswer::Whole(whole))
    }

    /// The roster with the requests that wait for an answer, for a client that attends: it gets pushes of both from here on,
    /// where others get requests as stanzas.
    pub async fn roster_and_requests(&self, session: &Session) -> Result<Vec<RosterItem>> {
        let owner = Owner::from(session);
        let _lock = self.rosters.lock(&owner.jid).await;
        session.set_roster_wanted();
        Ok(self.store.roster(owner.account).await?.items)
    }

    /// One contact of an account, if clients may see it.
    pub async fn contact(&self, owner: &Owner, contact: &Jid) -> Result<Option<RosterItem>> {
        let item = self.store.roster_item(owner.account, &contact.to_bare()).await?;
        Ok(item.filter(|item| item.listed))
    }

    /// Adds a contact, or changes its name and groups (RFC 6121 sections 2.3 and 2.4). The subscription stays as it is,
    /// whatever the client says of it.
    pub async fn set_contact(&self, owner: &Owner, edit: RosterEdit) -> Result<()> {
        let RosterEdit { jid, name, groups } = edit;
        let jid = jid.to_bare();
        check_edit(owner, &jid, name.as_deref(), &groups)?;
        let _pair = self.lock_pair(&owner.jid, &jid).await;
        let _lock = self.rosters.lock(&owner.jid).await;
        let old = self.store.roster_item(owner.account, &jid).await?;
        if old.as_ref().is_none_or(|item| !item.listed) {
            self.check_room(owner).await?;
        }
        let name = name.filter(|name| !name.is_empty());
        let old = old.unwrap_or_else(|| blank(jid));
        self.put_item(owner, RosterItem { name, groups, listed: true, ..old }, true).await
    }

    /// Removes a contact, and with it what either side sees of the other (RFC 6121 section 2.5).
    pub async fn remove_contact(&self, owner: &Owner, contact: &Jid) -> Result<()> {
        let contact = contact.to_bare();
        let _pair = self.lock_pair(&owner.jid, &contact).await;
        let state = {
            let _lock = self.rosters.lock(&owner.jid).await;
            let item = self.store.roster_item(owner.account, &contact).await?;
            let item = item.filter(|item| item.listed).ok_or(Error::NotFound)?;
            let version = self.store.remove_roster_item(owner.account, &contact).await?;
            self.rosters.forget(&owner.jid);
            self.push_roster(&owner.jid, version, RosterChange::Removed(contact.clone()), true);
            let state = State::of(Some(&item));
            if state.shows() {
                self.show_unavailable(owner, &contact).await?;
            }
            state
        };
        self.end_subscriptions(owner, &contact, state).await;
        Ok(())
    }

    /// Tells a contact that neither sees the other any more, as far as one did or asked to. The caller holds the pair's
    /// lock, and no account's.
    pub(crate) async fn end_subscriptions(&self, owner: &Owner, contact: &Jid, state: State) {
        let ended = [
            (state.sees() || state.pending_out, PresenceType::Unsubscribe),
            (state.shows() || state.pending_in, PresenceType::Unsubscribed),
        ];
        for (due, type_) in ended {
            if due {
                let stanza = Stanza::presence(type_).with_from(owner.jid.clone()).with_to(contact.clone());
                self.pass_subscription(stanza).await;
            }
        }
    }

    /// Refuses one more contact when the roster is full.
    pub(crate) async fn check_room(&self, owner: &Owner) -> Result<()> {
        if self.contacts(owner).await?.listed >= self.settings().roster_items_limit {
            return Err(Error::ResourceConstraint("the roster is full"));
        }
        Ok(())
    }

    /// Whether one more stranger's request may wait.
    pub(crate) async fn has_room_for_request(&self, owner: &Owner) -> Result<bool> {
        Ok(self.contacts(owner).await?.unlisted < PENDING_REQUESTS_LIMIT)
    }

    /// Writes an item, and tells the owner's clients if they see a difference. The caller holds the owner's lock.
    pub(crate) async fn put_item(&self, owner: &Owner, item: RosterItem, visible: bool) -> Result<()> {
        let version = self.store.put_roster_item(owner.account, item.clone()).await?;
        self.rosters.forget(&owner.jid);
        self.push_roster(&owner.jid, version, RosterChange::Set(item), visible);
        Ok(())
    }

    /// Removes an item that no client has seen. The caller holds the owner's lock.
    pub(crate) async fn drop_item(&self, owner: &Owner, contact: &Jid) -> Result<()> {
        let version = self.store.remove_roster_item(owner.account, contact).await?;
        self.rosters.forget(&owner.jid);
        self.push_roster(&owner.jid, version, RosterChange::Removed(contact.clone()), false);
        Ok(())
    }

    /// Tells the owner's clients of a change. Requests are no part of the roster, and only clients that attend see them as
    /// if they were.
    fn push_roster(&self, owner: &Jid, version: u64, change: RosterChange, visible: bool) {
        if let Some(cluster) = self.cluster() {
            cluster.tell_roster(owner, version, &change, visible);
        }
        self.push_roster_here(owner, version, change, visible);
    }

    /// The same on this node alone.
    pub(crate) fn push_roster_here(&self, owner: &Jid, version: u64, change: RosterChange, visible: bool) {
        let change = Arc::new(change);
        self.sessions.with(owner, |sessions| {
            for session in sessions.iter().filter(|s| s.roster_wanted() && (visible || s.attends())) {
                session.push(Event::RosterChanged { version, change: Arc::clone(&change) });
            }
        });
    }

    /// Who sees whom in an account's roster.
    pub(crate) async fn contacts(&self, owner: &Owner) -> Result<Arc<Contacts>> {
        let (cached, read_at) = self.rosters.cached(&owner.jid);
        if let Some(contacts) = cached {
            return Ok(contacts);
        }
        let contacts = Arc::new(Contacts::new(&self.store.roster(owner.account).await?));
        self.rosters.remember(&owner.jid, &contacts, read_at);
        Ok(contacts)
    }

    /// Whether somebody may see the account's presence: the account itself, and those with a subscription.
    pub async fn shows_presence_to(&self, owner: &Owner, other: &Jid) -> Result<bool> {
        let other = other.to_bare();
        Ok(other == owner.jid || self.contacts(owner).await?.is_watcher(&other))
    }
}

/// An item for a contact nothing is known of yet.
pub(crate) fn blank(jid: Jid) -> RosterItem {
    RosterItem {
        jid,
        name: None,
        groups: Vec::new(),
        subscription: crate::roster::Subscription::None,
        ask: false,
        approved: false,
        request: None,
        listed: false,
    }
}

/// The errors of RFC 6121 section 2.3.3.
fn check_edit(owner: &Owner, contact: &Jid, name: Option<&str>, groups: &[String]) -> Result<()> {
    if *contact == owner.jid {
        return Err(Error::NotAcceptable("an account is not its own contact"));
    }
    if name.is_some_and(|name| name.len() > CONTACT_NAME_BYTES_LIMIT) {
        return Err(Error::NotAcceptable("the name is too long"));
    }
    if groups.len() > GROUPS_PER_CONTACT_LIMIT {
        return Err(Error::NotAcceptable("too many groups"));
    }
    for (i, group) in groups.iter().enumerate() {
        if group.is_empty() {
            return Err(Error::NotAcceptable("a group needs a name"));
        }
        if group.len() > GROUP_NAME_BYTES_LIMIT {
            return Err(Error::NotAcceptable("the group's name is too long"));
        }
        if groups[..i].contains(group) {
            return Err(Error::BadRequest("a group is named twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    fn edit(contact: &str, name: Option<&str>, groups: &[&str]) -> RosterEdit {
        RosterEdit {
            jid: jid(contact),
            name: name.map(str::to_owned),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        }
    }

    fn listed(answer: &RosterAnswer) -> Vec<&str> {
        match answer {
            RosterAnswer::Whole(whole) => whole.items.iter().map(|item| item.jid.as_str()).collect(),
            _ => panic!("not the whole roster: {answer:?}"),
        }
    }

    /// RFC 6121 sections 2.3.2 and 2.1.6: pushed to every session that asked for the roster, and to no other.
    #[tokio::test]
    async fn a_change_is_pushed_to_interested_sessions() {
        let world = World::of(&["romeo"]).await;
        let mut orchard = world.online("romeo", "orchard").await;
        let mut garden = world.online("romeo", "garden").await;
        let mut stranger = world.connect("romeo", "stranger").await;
        orchard.told();
        let owner = world.owner("romeo").await;
        world.chat.set_contact(&owner, edit("juliet", Some("Juliet"), &["Friends"])).await.unwrap();
        assert_eq!(orchard.told(), ["roster juliet none"]);
        assert_eq!(garden.told(), ["roster juliet none"]);
        assert!(stranger.told().is_empty());
        let item = world.chat.contact(&owner, &jid("juliet/balcony")).await.unwrap().unwrap();
        assert_eq!((item.name.as_deref(), item.groups), (Some("Juliet"), vec!["Friends".to_owned()]));
    }

    /// RFC 6121 section 2.1.2.5 and 2.4: a set changes name and groups only.
    #[tokio::test]
    async fn a_set_leaves_the_subscription_alone() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let owner = world.owner("romeo").await;
        world.chat.set_contact(&owner, edit("juliet", Some(""), &[])).await.unwrap();
        let item = world.chat.contact(&owner, &jid("juliet")).await.unwrap().unwrap();
        assert_eq!((item.subscription, item.name), (crate::roster::Subscription::Both, None));
    }

    /// RFC 6121 section 2.3.3.
    #[tokio::test]
    async fn wrong_items_are_refused() {
        let world = World::of(&["romeo"]).await;
        let owner = world.owner("romeo").await;
        let long = "x".repeat(1024);
        let many: Vec<String> = (0..=GROUPS_PER_CONTACT_LIMIT).map(|i| i.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let refused = |result: Result<()>| match result {
            Err(Error::BadRequest(_)) => "bad-request",
            Err(Error::NotAcceptable(_)) => "not-acceptable",
            _ => "other",
        };
        for (edit, expected) in [
            (edit("juliet", None, &["a", "b", "a"]), "bad-request"),
            (edit("juliet", None, &["a", ""]), "not-acceptable"),
            (edit("juliet", None, &[&long]), "not-acceptable"),
            (edit("juliet", None, &many), "not-acceptable"),
            (edit("juliet", Some(&long), &[]), "not-acceptable"),
            (edit("romeo/garden", None, &[]), "not-acceptable"),
        ] {
            assert_eq!(refused(world.chat.set_contact(&owner, edit.clone()).await), expected, "{edit:?}");
        }
        assert!(matches!(world.chat.remove_contact(&owner, &jid("juliet")).await, Err(Error::NotFound)));
    }

    #[tokio::test]
    async fn a_roster_is_limited() {
        let world = World::with(|settings| settings.roster_items_limit = 2);
        world.account("romeo").await;
        world.add("romeo", "a").await.unwrap();
        world.add("romeo", "b").await.unwrap();
        assert!(matches!(world.add("romeo", "c").await, Err(Error::ResourceConstraint(_))));
        world.add("romeo", "a").await.unwrap();
        let romeo = world.online("romeo", "orchard").await;
        let asked = romeo.try_send("<presence to='c~' type='subscribe'/>").await;
        assert!(matches!(asked, Err(Error::ResourceConstraint(_))));
        world.chat.remove_contact(&world.owner("romeo").await, &jid("b")).await.unwrap();
        world.add("romeo", "c").await.unwrap();
    }

    /// RFC 6121 section 2.5.2: the contact is told both, and sees the owner go.
    #[tokio::test]
    async fn removing_a_contact_ends_both_subscriptions() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut romeo = world.online("romeo", "orchard").await;
        let mut juliet = world.online("juliet", "balcony").await;
        romeo.told();
        world.chat.remove_contact(&world.owner("romeo").await, &jid("juliet")).await.unwrap();
        assert_eq!(romeo.told(), ["roster juliet removed", "unavailable juliet/balcony -> romeo"]);
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
        assert_eq!(world.item("romeo", "juliet").await, None);
    }

    /// RFC 6121 section 2.5.2 for what is only pending: a request is withdrawn, a waiting one refused.
    #[tokio::test]
    async fn removing_a_contact_ends_what_is_pending() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "orchard").await;
        let juliet = world.online("juliet", "balcony").await;
        world.add("juliet", "romeo").await.unwrap();
        romeo.send("<presence to='juliet~' type='subscribe'/>").await;
        juliet.send("<presence to='romeo~' type='subscribe'/>").await;
        world.chat.remove_contact(&world.owner("juliet").await, &jid("romeo")).await.unwrap();
        assert_eq!(world.state("romeo", "juliet").await, State::default());
        assert_eq!(world.state("juliet", "romeo").await, State::default());
    }

    /// RFC 6121 section 2.6: nothing for the same version, pushes from an older one, all of it for an unknown one.
    #[tokio::test]
    async fn versions_save_the_way() {
        let world = World::of(&["romeo"]).await;
        let romeo = world.connect("romeo", "orchard").await;
        world.add("romeo", "juliet").await.unwrap();
        world.add("romeo", "nurse").await.unwrap();
        let chat = &world.chat;
        let RosterAnswer::Whole(whole) = chat.roster(&romeo.session, None).await.unwrap() else {
            panic!("a client without a version gets the whole roster");
        };
        assert_eq!(chat.roster(&romeo.session, Some(whole.version)).await.unwrap(), RosterAnswer::Unchanged);
        world.add("romeo", "tybalt").await.unwrap();
        chat.remove_contact(&world.owner("romeo").await, &jid("nurse")).await.unwrap();
        let RosterAnswer::Changes(changes) = chat.roster(&romeo.session, Some(whole.version)).await.unwrap()
        else {
            panic!("the store knows the changes");
        };
        let changed: Vec<_> = changes.changed.iter().map(|(_, item)| item.jid.clone()).collect();
        let removed: Vec<_> = changes.removed.iter().map(|(_, jid)| jid.clone()).collect();
        assert_eq!((changed, removed), (vec![jid("tybalt")], vec![jid("nurse")]));
        let unknown = chat.roster(&romeo.session, Some(changes.version + 7)).await.unwrap();
        assert_eq!(listed(&unknown), ["juliet@localhost", "tybalt@localhost"]);
    }

    /// RFC 6121 section 3.1.3: a request that waits is not in the roster that clients get, in neither form.
    #[tokio::test]
    async fn waiting_requests_are_not_listed() {
        let world = World::of(&["romeo", "juliet"]).await;
        let juliet = world.connect("juliet", "balcony").await;
        world.online("romeo", "orchard").await.send("<presence to='juliet~' type='subscribe'/>").await;
        assert!(listed(&world.chat.roster(&juliet.session, None).await.unwrap()).is_empty());
        let since = world.chat.roster(&juliet.session, Some(0)).await.unwrap();
        assert_eq!(since, RosterAnswer::Unchanged);
        world.add("juliet", "romeo").await.unwrap();
        assert!(world.state("juliet", "romeo").await.pending_in);
    }

    /// Changes at the same time are all kept, and pushed in the order of their versions.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn changes_at_the_same_time_are_pushed_in_order() {
        let world = World::of(&["romeo"]).await;
        let mut romeo = world.online("romeo", "orchard").await;
        let owner = world.owner("romeo").await;
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..50 {
            let (chat, owner) = (Arc::clone(&world.chat), owner.clone());
            tasks.spawn(
                async move { chat.set_contact(&owner, edit(&format!("u{i}"), None, &[])).await.unwrap() },
            );
        }
        tasks.join_all().await;
        let mut versions = Vec::new();
        while let Some(Event::RosterChanged { version, .. }) = romeo.events.try_recv() {
            versions.push(version);
        }
        assert_eq!(versions.len(), 50);
        assert!(versions.is_sorted());
    }

    #[test]
    fn the_cache_forgets_and_is_bounded() {
        let rosters = Rosters::default();
        let contacts = Arc::new(Contacts { watchers: vec![jid("a"); 1000], ..Contacts::default() });
        let (_, read_at) = rosters.cached(&jid("romeo"));
        rosters.forget(&jid("romeo"));
        rosters.remember(&jid("romeo"), &contacts, read_at);
        assert!(rosters.cached(&jid("romeo")).0.is_none(), "read before the change");
        let (_, read_at) = rosters.cached(&jid("romeo"));
        rosters.remember(&jid("romeo"), &contacts, read_at);
        assert!(rosters.cached(&jid("romeo")).0.is_some());
        for i in 0..2000 {
            rosters.remember(&jid(&format!("u{i}")), &contacts, read_at);
        }
        let cache = rosters.cache.lock().unwrap();
        assert!((cache.young.len() + cache.old.len()) * 1001 <= 2 * CONTACTS_CACHE_LIMIT + 2 * 1001);
    }
}
