//! A little world for the unit tests of the domain: a store in memory, a clock that stands, clients that keep what they
//! are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use crate::account::{Account, Role};
use crate::accounts::NewPerson;
use crate::archive::Direction;
use crate::chat::Chat;
use crate::error::Result;
use crate::event::{AccountEvent, Event, RosterChange};
use crate::memory_store::MemoryStore;
use crate::port::{Clock, SystemRandom};
use crate::queue::Events;
use crate::rooms::news::RoomEvent;
use crate::roster::RosterItem;
use crate::rosters::{Owner, RosterEdit};
use crate::session::{ClientInfo, Session};
use crate::settings::Settings;

/// A clock that moves when it is told to.
#[derive(Debug)]
pub(crate) struct StandingClock(AtomicU64);

impl Clock for StandingClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) const START_MS: u64 = 1_800_000_000_000;

/// A domain of its own.
pub(crate) struct World {
    pub(crate) chat: Arc<Chat>,
    clock: Arc<StandingClock>,
}

impl World {
    /// With the domain `localhost`, and nobody in it.
    pub(crate) fn empty() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(StandingClock(AtomicU64::new(START_MS)));
        let mut settings = Settings { scram_iterations: 4096, scram_sha1: false, ..Settings::default() };
        change(&mut settings);
        let store = Arc::new(MemoryStore::default());
        let chat = Chat::new(store, Arc::<StandingClock>::clone(&clock), Arc::new(SystemRandom), settings);
        Self { chat, clock }
    }

    /// With accounts of these names, whose passwords are their names.
    pub(crate) async fn of(names: &[&str]) -> Self {
        let world = Self::empty();
        for name in names {
            world.account(name).await;
        }
        world
    }

    pub(crate) async fn account(&self, name: &str) -> Account {
        let new = NewPerson { jid: jid(name), name: None, role: Role::Member, password: name };
        self.chat.create_account(new, "local").await.expect("an account")
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.clock.0.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) async fn owner(&self, name: &str) -> Owner {
        Owner::from(&self.chat.account(&jid(name)).await.expect("an account"))
    }

    /// A session that has sent nothing yet.
    pub(crate) async fn connect(&self, name: &str, resource: &str) -> Client {
        let account = self.chat.account(&jid(name)).await.expect("an account");
        let (session, events) =
            self.chat.bind(&account, None, resource, ClientInfo::default()).await.expect("a session");
        Client { chat: Arc::clone(&self.chat), session, events }
    }

    /// A session that asked for its roster and is available, and has read what came of that.
    pub(crate) async fn online(&self, name: &str, resource: &str) -> Client {
        let mut client = self.connect(name, resource).await;
        client.chat.roster(&client.session, None).await.expect("a roster");
        client.send("<presence/>").await;
        client.told();
        client
    }

    /// Makes the first a contact of the second and the other way round, with this subscription of the first.
    pub(crate) async fn contacts(&self, one: &str, subscription: &str, other: &str) {
        let opposite = match subscription {
            "to" => "from",
            "from" => "to",
            same => same,
        };
        for (owner, subscription, contact) in [(one, subscription, other), (other, opposite, one)] {
            let mut item = crate::rosters::blank(jid(contact));
            item.listed = true;
            item.subscription = match subscription {
                "to" => crate::roster::Subscription::To,
                "from" => crate::roster::Subscription::From,
                "both" => crate::roster::Subscription::Both,
                _ => crate::roster::Subscription::None,
            };
            let owner = self.owner(owner).await;
            self.chat.put_item(&owner, item, false).await.expect("an item");
        }
    }

    pub(crate) async fn add(&self, owner: &str, contact: &str) -> Result<()> {
        let edit = RosterEdit { jid: jid(contact), name: None, groups: Vec::new() };
        self.chat.set_contact(&self.owner(owner).await, edit).await
    }

    /// What the roster of one says of the other, as clients see it: `none`, `none ask`, `from approved`, ...
    pub(crate) async fn item(&self, owner: &str, contact: &str) -> Option<String> {
        let item = self.chat.contact(&self.owner(owner).await, &jid(contact)).await.expect("an item");
        item.map(|item| describe(&item))
    }

    /// The state with which one keeps the other, pending inbound request included, whether clients see it or not.
    pub(crate) async fn state(&self, owner: &str, contact: &str) -> crate::subscription::State {
        let owner = self.owner(owner).await;
        let item = self.chat.store.roster_item(owner.account, &jid(contact)).await.expect("an item");
        crate::subscription::State::of(item.as_ref())
    }
}

/// `romeo` is short for `romeo@localhost`, `romeo/a` for `romeo@localhost/a`.
pub(crate) fn jid(text: &str) -> Jid {
    if text.contains('@') || text.contains('.') {
        return Jid::new(text).expect("an address");
    }
    let (name, resource) =
        text.split_once('/').map_or((text, None), |(name, resource)| (name, Some(resource)));
    Jid::from_parts(Some(name), "localhost", resource).expect("an address")
}

pub(crate) fn describe(item: &RosterItem) -> String {
    let mut text = format!("{:?}", item.subscription).to_lowercase();
    for (said, word) in [(item.ask, " ask"), (item.approved, " approved")] {
        if said {
            text.push_str(word);
        }
    }
    text
}

fn short(jid: Option<&Jid>) -> String {
    jid.map_or_else(|| "-".to_owned(), |jid| jid.as_str().replace("@localhost", ""))
}

/// One client, with what it has been told.
pub(crate) struct Client {
    pub(crate) chat: Arc<Chat>,
    pub(crate) session: Arc<Session>,
    pub(crate) events: Events,
}

impl Client {
    /// Sends a presence stanza, which is written without its namespace.
    pub(crate) async fn try_send(&self, xml: &str) -> Result<()> {
        let xml = xml.replacen("<presence", "<presence xmlns='jabber:client'", 1).replace('~', "@localhost");
        let element = Element::parse(&xml).expect("XML");
        self.chat.presence(&self.session, Stanza::from_element(element).expect("a stanza")).await
    }

    pub(crate) async fn send(&self, xml: &str) {
        self.try_send(xml).await.expect("presence");
    }

    pub(crate) async fn leave(self) -> Events {
        self.chat.unbind(&self.session, None).await;
        self.events
    }

    /// What came since the last time, each in a few words; addresses without `@localhost`. Presence reads
    /// `type from -> to`, with the status and anything else that was in it behind.
    pub(crate) fn told(&mut self) -> Vec<String> {
        told(&self.session.jid, &mut self.events)
    }
}

/// The messages that came since the last time: `body`, `sent body`, `received body`; replayed ones, too, once `replay` has put
/// them there.
pub(crate) fn heard(client: &mut Client) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(event) = client.events.try_recv() {
        let (word, delivery) = match event {
            Event::Stanza(delivery) => ("", delivery),
            Event::Carbon(Direction::Incoming, delivery) => ("received ", delivery),
            Event::Carbon(Direction::Outgoing, delivery) => ("sent ", delivery),
            _ => continue,
        };
        if let Some(body) = delivery.stanza.stanza().child(ns::CLIENT, "body") {
            heard.push(format!("{word}{}", body.text()));
        }
    }
    heard
}

pub(crate) fn told(receiver: &Jid, events: &mut Events) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = events.try_recv() {
        told.push(match event {
            Event::Stanza(delivery) => describe_outgoing(&delivery.stanza, receiver),
            Event::Batch(stanzas) => {
                stanzas.iter().map(|s| describe_stanza(s.stanza())).collect::<Vec<_>>().join("; ")
            }
            Event::Room(event) => describe_room(&event),
            Event::Account(event) => match &*event {
                AccountEvent::State(item) => {
                    let content = item.content.as_deref().unwrap_or("-");
                    format!("keeps {:?} {}: {content}", item.kind, item.key.replace("@localhost", ""))
                }
                AccountEvent::Read { conversation, .. } => format!("read by {}", short(Some(conversation))),
            },
            Event::Carbon(direction, _) => format!("carbon {direction:?}"),
            Event::RosterChanged { change, .. } => match &*change {
                RosterChange::Set(item) => format!("roster {} {}", short(Some(&item.jid)), describe(item)),
                RosterChange::Removed(jid) => format!("roster {} removed", short(Some(jid))),
            },
            Event::Blocked(list) => format!("blocked {}", names(&list)),
            Event::Unblocked(list) => format!("unblocked {}", names(&list)),
        });
    }
    told
}

/// `room/nick by romeo: content`, `room changed`, `room members romeo none`, `room belongs`, `room left`.
fn describe_room(event: &RoomEvent) -> String {
    let room = |jid: &Jid| jid.local().unwrap_or_default().to_owned();
    match event {
        RoomEvent::Said(said) => {
            let stanza = said.stanza.stanza();
            let from = stanza.from.as_ref().and_then(Jid::resource).unwrap_or("-");
            let by = said.by.as_ref().map_or("-", |by| by.local().unwrap_or_default());
            let body = stanza.child(ns::CLIENT, "body").or_else(|| stanza.child(ns::CLIENT, "subject"));
            let body = body.map(|body| body.text().into_owned()).unwrap_or_default();
            let kept = if said.archived.is_some() { "" } else { " (passing)" };
            format!("{}/{from} by {by}: {body}{kept}", room(&said.room))
        }
        RoomEvent::Pinned { room: jid, .. } => format!("{} pinned", room(jid)),
        RoomEvent::Changed(jid) => format!("{} changed", room(jid)),
        RoomEvent::Members { room: jid, changes } => {
            let each = changes.iter().map(|one| {
                format!(" {} {}", one.person.local().unwrap_or_default(), one.affiliation.as_str())
            });
            format!("{} members{}", room(jid), each.collect::<String>())
        }
        RoomEvent::Belongs { room: jid, by, .. } => {
            let by = by.as_ref().and_then(|by| by.local().map(|local| format!(" by {local}")));
            format!("{} belongs{}", room(jid), by.unwrap_or_default())
        }
        RoomEvent::Left(jid) => format!("{} left", room(jid)),
    }
}

fn names(list: &[Jid]) -> String {
    list.iter().map(|jid| short(Some(jid))).collect::<Vec<_>>().join(" ")
}

/// A stanza with the account in it that it was sent to; a room's goes to each session, which need not be said.
fn describe_outgoing(outgoing: &Outgoing, receiver: &Jid) -> String {
    let sent = outgoing.stanza_for(receiver);
    describe_stanza(if sent.to.as_ref().is_some_and(Jid::is_bare) { &sent } else { outgoing.stanza() })
}

fn describe_stanza(stanza: &Stanza) -> String {
    let type_ = match stanza.kind {
        Kind::Presence(type_) => format!("{type_:?}").to_lowercase(),
        other => format!("{other:?}"),
    };
    let mut text = format!("{type_} {} -> {}", short(stanza.from.as_ref()), short(stanza.to.as_ref()));
    if let Some(status) = stanza.child(ns::CLIENT, "status") {
        text.push_str(&format!(" ({})", status.text()));
    }
    text
}
