//! A simulation of several nodes: people write to each other and into a room while frames are late or lost, nodes die and others
//! come, all from one seed; a checker that knows nothing of how it works compares what was acknowledged, kept and delivered.
//!
//! `WAXWING_SIMULATION_SEEDS=10000 cargo test -p waxwing-chat --lib cluster::simulation` runs many.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Stanza};

use super::tests::{quiet, stanza};
use super::*;
use crate::account::Role;
use crate::archive::{ArchiveId, ArchiveQuery, PageFrom};
use crate::event::{Delivery, Event};
use crate::memory_bus::Hub;
use crate::memory_nodes::SharedLog;
use crate::memory_store::MemoryStore;
use crate::port::{Clock, SystemRandom};
use crate::queue::Events;
use crate::session::ClientInfo;
use crate::settings::Settings;
use crate::store::Store as _;
use crate::testing::jid;

/// Seeds that have found something once, and some that have not.
const CORPUS: [u64; 24] = [
    1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 1008, 1085, 2117, 2332, 20_023, 20_094, 40_051, 40_082,
    50_309, 700_330, 900_411, 900_784,
];

const PEOPLE: [&str; 3] = ["romeo", "juliet", "mercutio"];
const DEVICES: usize = 3;
const STEPS: usize = 80;
/// No step takes as long, whatever happens.
const STEP_TIMEOUT: Duration = Duration::from_secs(600);
const ROOM: &str = "cave@rooms.localhost";

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

struct Node {
    id: NodeId,
    chat: Arc<Chat>,
    store: Arc<MemoryStore>,
}

/// What one session of a device was handed, in order.
#[derive(Default)]
struct Record {
    direct: Vec<ArchiveId>,
    room: Vec<ArchiveId>,
    bodies: BTreeSet<String>,
}

struct Device {
    person: &'static str,
    resource: String,
    /// Its session, where it is, and what that was handed.
    online: Option<(NodeId, Arc<Session>, Events, Record, usize)>,
    /// What former sessions were handed.
    former: Vec<Record>,
    /// It enters the room.
    enters: bool,
}

/// A message that its sender has been told is safe.
#[derive(Clone, Debug)]
struct Acknowledged {
    body: String,
    to: Option<&'static str>,
    from: &'static str,
    step: usize,
}

/// The time of the simulation, which all nodes have in common.
struct Timepiece(Instant);

impl Clock for Timepiece {
    fn now_ms(&self) -> u64 {
        1_700_000_000_000 + u64::try_from(self.0.elapsed().as_millis()).unwrap_or(0)
    }
}

struct World {
    began: Instant,
    dice: Dice,
    hub: Arc<Hub>,
    log: Arc<SharedLog>,
    base: MemoryStore,
    nodes: Vec<Node>,
    made: u64,
    binds: u64,
    devices: Vec<Device>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    sent: usize,
    cut: Vec<(NodeId, NodeId)>,
    /// Where the room was seen to be at home last.
    homes: Vec<NodeId>,
    wrong: Vec<String>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let hub: Arc<Hub> = Arc::default();
        let mut pace = Dice(seed ^ 0xb05);
        hub.set_pace(Box::new(move || Duration::from_micros(pace.next() % 20_000)));
        let mut world = Self {
            began: Instant::now(),
            dice: Dice(seed),
            hub,
            log: Arc::default(),
            base: MemoryStore::default(),
            nodes: Vec::new(),
            made: 0,
            binds: 0,
            devices: Vec::new(),
            acknowledged: Arc::default(),
            sent: 0,
            cut: Vec::new(),
            homes: Vec::new(),
            wrong: Vec::new(),
        };
        for _ in 0..3 {
            world.add_node().await;
        }
        for person in PEOPLE {
            // No password: deriving what verifies one takes most of the time, and nobody signs in by it.
            let new = crate::account::NewAccount {
                jid: jid(person),
                name: None,
                role: Role::Member,
                verifiers: Vec::new(),
                created_ms: 0,
            };
            world.base.create_account(new).await.expect("an account");
            for number in 0..DEVICES {
                let (resource, enters) = (format!("d{number}"), number == 0);
                world.devices.push(Device { person, resource, online: None, former: Vec::new(), enters });
            }
        }
        let room = jid(ROOM);
        world.nodes[0].chat.create_room(&room, &jid("romeo")).await.expect("a room");
        for at in 0..world.devices.len() {
            world.connect(at, 0).await;
        }
        world.settle().await;
        world
    }

    async fn add_node(&mut self) {
        self.made += 1;
        let id = NodeId(self.made);
        let cluster = Cluster::new(self.hub.node(id));
        let turns: Arc<dyn crate::nodes::Turns> = Arc::<Cluster>::clone(&cluster);
        let store = Arc::new(self.base.for_node(id, &self.log, turns));
        let settings = Settings { scram_iterations: 4096, ..Settings::default() };
        let own: Arc<dyn crate::store::Store> = Arc::<MemoryStore>::clone(&store);
        let clock = Arc::new(Timepiece(self.began));
        let chat = Chat::new(own, clock, Arc::new(SystemRandom), settings);
        let (leases, log) = (Arc::<SharedLog>::clone(&self.log), Arc::<SharedLog>::clone(&self.log));
        chat.join(&cluster, leases, log).await.expect("it joins");
        self.nodes.push(Node { id, chat, store });
    }

    /// Lets some time pass, and every device take what came.
    async fn settle(&mut self) {
        let pause = Duration::from_millis(self.dice.next() % 40);
        tokio::time::sleep(pause).await;
        self.take_all();
    }

    fn take_all(&mut self) {
        for device in &mut self.devices {
            device.take();
        }
        let homes = self
            .nodes
            .iter()
            .filter(|node| node.chat.cluster().is_some_and(|cluster| is_home(cluster, &self.log)));
        let homes: Vec<NodeId> = homes.map(|node| node.id).collect();
        if homes != self.homes {
            eprintln!("the room is at home at {homes:?}");
            self.homes.clone_from(&homes);
        }
        if homes.len() > 1 {
            self.wrong.push("two homes of one room at once".to_owned());
        }
    }

    /// A device comes online at some node, and takes what waited for it.
    async fn connect(&mut self, at: usize, step: usize) {
        let node = self.dice.below(self.nodes.len());
        let (id, chat) = (self.nodes[node].id, Arc::clone(&self.nodes[node].chat));
        // No two come at the same moment, however fast they are here.
        self.binds += 1;
        let device = &mut self.devices[at];
        let Ok(account) = chat.account(&jid(device.person)).await else { return };
        let info = ClientInfo { since_ms: chat.now_ms() + self.binds, ..ClientInfo::default() };
        let Ok((session, events)) = chat.bind(&account, None, &device.resource, info).await else { return };
        session.set_carbons(true);
        let presence = stanza("<presence xmlns='jabber:client'/>");
        if chat.presence(&session, presence).await.is_err() {
            return;
        }
        eprintln!("step {step}: {} comes online at {id}", session.jid);
        let (mut record, mut events) = (Record::default(), events);
        loop {
            // As a face does: what came out of turn goes out first, and has no place in the order.
            while session.has_ahead()
                && let Some(event) = events.try_recv()
            {
                if let Event::Stanza(delivery) | Event::Carbon(_, delivery) = event {
                    record.bodies.extend(body(delivery.stanza.stanza()));
                }
            }
            match chat.replay(&session).await {
                Ok(page) if page.is_empty() => break,
                Ok(page) => page.iter().for_each(|delivery| record.note(delivery)),
                Err(_) => break,
            }
        }
        if device.enters {
            let join = format!(
                "<presence xmlns='jabber:client' to='{ROOM}/{}'><x xmlns='http://jabber.org/protocol/muc'>\
                 <history maxstanzas='0'/></x></presence>",
                device.person
            );
            if chat.presence(&session, stanza(&join)).await.is_err() {
                // Whoever is cut off from the room's home hears so; nothing is cut off for ever.
                heal_all(&self.hub, &mut self.cut);
                if let Err(error) = chat.presence(&session, stanza(&join)).await {
                    self.wrong.push(format!("{} could not enter the room: {error}", device.person));
                }
            }
        }
        device.online = Some((id, session, events, record, step));
    }

    /// A device goes, and says so.
    async fn disconnect(&mut self, at: usize) {
        let device = &mut self.devices[at];
        device.take();
        let Some((id, session, events, record, _)) = device.online.take() else { return };
        device.former.push(record);
        if let Some(node) = self.nodes.iter().find(|node| node.id == id) {
            node.chat.unbind(&session, None).await;
        }
        drop(events);
    }

    /// Somebody writes to somebody, or into the room.
    async fn write(&mut self, step: usize) {
        let at = self.dice.below(self.devices.len());
        let to_room = self.dice.below(3) == 0;
        let to = self.dice.pick(&PEOPLE);
        let device = &self.devices[at];
        let Some((id, session, ..)) = &device.online else { return };
        let Some(node) = self.nodes.iter().find(|node| node.id == *id) else { return };
        if (to_room && !device.enters) || (!to_room && to == device.person) {
            return;
        }
        self.sent += 1;
        let body = format!("{}", self.sent);
        eprintln!("step {step}: {} writes {body}", session.jid);
        let (kind, address) =
            if to_room { ("groupchat", ROOM.to_owned()) } else { ("chat", format!("{to}@localhost")) };
        let message = stanza(&format!(
            "<message xmlns='jabber:client' type='{kind}' to='{address}'><body>{body}</body>\
             <origin-id xmlns='urn:xmpp:sid:0' id='o{body}'/></message>"
        ));
        let message = message.with_from(session.jid.clone());
        let (chat, session) = (Arc::clone(&node.chat), Arc::clone(session));
        let told = Acknowledged { body, to: (!to_room).then_some(to), from: device.person, step };
        let acknowledged = Arc::clone(&self.acknowledged);
        tokio::spawn(async move {
            if let Ok(receipt) = chat.send(&session, message).await
                && receipt.await.is_ok()
            {
                acknowledged.lock().expect("no panic").push(told);
            }
        });
        // Half of the time it is waited for, the rest overlaps with what comes next.
        if self.dice.below(2) == 0 {
            self.settle().await;
        }
    }

    /// A node is gone from one moment to the next; another comes, and its clients come anew.
    async fn kill(&mut self, step: usize) {
        let at = self.dice.below(self.nodes.len());
        let node = self.nodes.remove(at);
        node.store.die();
        self.hub.kill(node.id);
        eprintln!("step {step}: {} is killed", node.id);
        self.cut.retain(|(from, to)| *from != node.id && *to != node.id);
        self.add_node().await;
        for at in 0..self.devices.len() {
            let device = &mut self.devices[at];
            if device.online.as_ref().is_some_and(|(id, ..)| *id == node.id) {
                device.take();
                if let Some((_, _, _, record, _)) = device.online.take() {
                    device.former.push(record);
                }
                self.connect(at, step).await;
            }
        }
    }

    async fn step(&mut self, step: usize) {
        match self.dice.below(40) {
            0 => self.kill(step).await,
            1..=3 => {
                let (one, two) = (self.dice.below(self.nodes.len()), self.dice.below(self.nodes.len()));
                if one != two {
                    let way = (self.nodes[one].id, self.nodes[two].id);
                    self.hub.cut(way.0, way.1);
                    eprintln!("step {step}: cut: {} to {}", way.0, way.1);
                    self.cut.push(way);
                }
            }
            4..=6 => {
                if let Some((from, to)) = self.cut.pop() {
                    self.hub.heal(from, to);
                    eprintln!("step {step}: healed: {from} to {to}");
                }
            }
            7 | 8 => {
                let at = self.dice.below(self.devices.len());
                self.disconnect(at).await;
                self.settle().await;
                self.connect(at, step).await;
            }
            9..=13 => self.settle().await,
            14 => {
                // As if it had been stopped for long, or cut off from the store: others may take what it holds.
                let at = self.dice.below(self.nodes.len());
                let node = &self.nodes[at];
                if let Some((_, name)) = node.chat.cluster().and_then(|cluster| cluster.leases()) {
                    eprintln!("step {step}: the life of {} ends", node.id);
                    self.log.end_life(name);
                }
            }
            _ => self.write(step).await,
        }
        self.take_all();
    }

    async fn run(&mut self) {
        for step in 1..=STEPS {
            if tokio::time::timeout(STEP_TIMEOUT, self.step(step)).await.is_err() {
                self.wrong.push(format!("step {step} did not end"));
                break;
            }
        }
        heal_all(&self.hub, &mut self.cut);
        for _ in 0..10 {
            tokio::time::sleep(HOME_TIMEOUT / 5).await;
            self.take_all();
        }
        quiet().await;
        self.take_all();
    }

    /// What is wrong in the end, in words.
    async fn check(&mut self) -> Vec<String> {
        let mut wrong = std::mem::take(&mut self.wrong);
        let acknowledged = self.acknowledged.lock().expect("no panic").clone();
        let mut archives: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for person in PEOPLE {
            let account = self.base.account(&jid(person)).await.expect("read").expect("an account");
            archives.insert(person, bodies(&self.base, account.id).await);
        }
        let room = self.base_room().await;
        for one in &acknowledged {
            let owners = match one.to {
                Some(to) => vec![(to, &archives[to]), (one.from, &archives[one.from])],
                None => vec![("the room", &room)],
            };
            for (owner, archive) in owners {
                let copies = archive.iter().filter(|body| **body == one.body).count();
                if copies != 1 {
                    wrong.push(format!("{one:?} is {copies} times in the archive of {owner}"));
                }
            }
        }
        for device in &self.devices {
            let name = format!("{}/{}", device.person, device.resource);
            let records = device.former.iter().chain(device.online.as_ref().map(|online| &online.3));
            for record in records {
                if !rising(&record.direct) {
                    wrong.push(format!(
                        "{name} was handed messages twice or out of order: {:?}",
                        record.direct
                    ));
                }
                if !rising(&record.room) {
                    wrong.push(format!("{name} heard the room twice or out of order: {:?}", record.room));
                }
            }
            let Some((_, session, _, record, since)) = &device.online else { continue };
            if let Some(reason) = session.close_reason() {
                wrong.push(format!("{name} was ended: {reason:?}"));
                continue;
            }
            for one in acknowledged.iter().filter(|one| one.step > *since) {
                let concerned = match one.to {
                    Some(to) => to == device.person || one.from == device.person,
                    None => device.enters,
                };
                let own = one.to.is_some() && one.from == device.person;
                if concerned && !own && !record.bodies.contains(&one.body) {
                    wrong.push(format!("{name} was not handed {one:?}"));
                }
            }
        }
        for one in &acknowledged {
            let Some(to) = one.to else { continue };
            let heard = self.devices.iter().filter(|device| device.person == to).any(|device| {
                let records = device.former.iter().chain(device.online.as_ref().map(|online| &online.3));
                records.into_iter().any(|record| record.bodies.contains(&one.body))
            });
            if !heard {
                wrong.push(format!("no device of {to} was handed {one:?}"));
            }
        }
        wrong
    }

    async fn base_room(&self) -> Vec<String> {
        use crate::rooms::store::RoomStore as _;
        let record = self.base.room(&jid(ROOM)).await.expect("read").expect("a room");
        bodies(&self.base, record.id.archive()).await
    }
}

/// Whether the room has its home at a node whose word still counts: one that has lost it keeps nothing any more.
fn is_home(cluster: &Cluster, log: &SharedLog) -> bool {
    let fence = cluster.fence(&jid(ROOM));
    cluster.is_home(&jid(ROOM)) && fence.is_some_and(|fence| log.is_held(&fence))
}

fn heal_all(hub: &Hub, cut: &mut Vec<(NodeId, NodeId)>) {
    for (from, to) in std::mem::take(cut) {
        eprintln!("healed: {from} to {to}");
        hub.heal(from, to);
    }
}

async fn bodies(store: &MemoryStore, owner: AccountId) -> Vec<String> {
    let query = ArchiveQuery::page(owner, PageFrom::Start, 100_000);
    let page = store.archive_page(query).await.expect("a page");
    page.items.iter().filter_map(|item| body(&stanza(std::str::from_utf8(&item.xml).ok()?))).collect()
}

fn body(stanza: &Stanza) -> Option<String> {
    stanza.child(ns::CLIENT, "body").map(|body| body.text().into_owned())
}

fn rising(ids: &[ArchiveId]) -> bool {
    ids.windows(2).all(|pair| pair[0] < pair[1])
}

impl Record {
    fn note(&mut self, delivery: &Delivery) {
        let stanza = delivery.stanza.stanza();
        let Some(body) = body(stanza) else { return };
        self.bodies.insert(body);
        if stanza.kind == Kind::Message(MessageType::Groupchat) {
            let id = stanza.child(ns::STANZA_ID, "stanza-id");
            let id: Option<ArchiveId> = id.and_then(|id| id.attr("id")?.parse().ok());
            self.room.extend(id);
        } else {
            self.direct.extend(delivery.archived);
        }
    }
}

impl Device {
    /// Takes what came, and confirms it.
    fn take(&mut self) {
        let Some((_, session, events, record, _)) = &mut self.online else { return };
        while let Some(event) = events.try_recv() {
            let delivery = match event {
                Event::Stanza(delivery) | Event::Carbon(_, delivery) => delivery,
                _ => continue,
            };
            // As a face does with what the replay has brought already.
            if delivery.archived.is_some_and(|id| session.is_repeated(id)) {
                continue;
            }
            record.note(&delivery);
            if let Some(id) = delivery.archived {
                session.delivered.advance(id);
            }
        }
    }
}

async fn run(seed: u64) -> Vec<String> {
    let mut world = World::new(seed).await;
    world.run().await;
    let acknowledged = world.acknowledged.lock().expect("no panic").len();
    let wrong = world.check().await;
    eprintln!("seed {seed}: {} sent, {acknowledged} acknowledged, {} wrong", world.sent, wrong.len());
    wrong
}

fn simulate(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let wrong = runtime.expect("a runtime").block_on(run(seed));
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
}

#[test]
fn the_corpus_holds() {
    CORPUS.into_iter().for_each(simulate);
}

/// As many as are asked for by `WAXWING_SIMULATION_SEEDS`, from `WAXWING_SIMULATION_FIRST` on.
#[test]
fn fresh_seeds_hold() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let Some(count) = number("WAXWING_SIMULATION_SEEDS") else {
        eprintln!("skipped: WAXWING_SIMULATION_SEEDS asks for none");
        return;
    };
    let first = number("WAXWING_SIMULATION_FIRST").unwrap_or(10_000);
    (first..first + count).for_each(simulate);
}

/// A store that forgets what it has acknowledged, and a client that was handed something twice: both are seen.
#[tokio::test(start_paused = true)]
async fn the_checker_sees_what_is_wrong() {
    let mut world = World::new(7).await;
    world.run().await;
    assert_eq!(world.check().await, Vec::<String>::new());
    let twice = world.devices.iter_mut().find_map(|device| {
        let record = &mut device.online.as_mut()?.3;
        let last = *record.direct.last()?;
        record.direct.push(last);
        Some(())
    });
    assert!(twice.is_some());
    let wrong = world.check().await;
    assert!(wrong.iter().any(|one| one.contains("twice")), "{wrong:?}");
    world.base.forget(1);
    let wrong = world.check().await;
    assert!(wrong.iter().any(|one| one.contains("0 times in the archive")), "{wrong:?}");
}
