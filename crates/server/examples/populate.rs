//! Makes up an organisation in an empty data folder, to measure with and to look at: `populate FOLDER [people] [rooms]
//! [messages]`. Everybody's password is `password`; whoever is called p0 is in every room and knows everybody in his department.
//! The server must not run on the folder meanwhile.

#![allow(clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use waxwing_chat::account::{Account, NewAccount, Role};
use waxwing_chat::archive::{ArchiveId, Direction, ImportedMessage};
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::configuration::Configuration;
use waxwing_chat::rooms::store::{Affiliate, RoomChange, RoomId, RoomRecord};
use waxwing_chat::roster::RosterItem;
use waxwing_chat::roster::Subscription;
use waxwing_chat::store::Store;
use waxwing_storage::sqlite::{Options, Sqlite};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::{Hash, Verifier};

const DOMAIN: &str = "localhost";
const GIVEN: [&str; 16] = [
    "Ada", "Ben", "Chiara", "Deniz", "Elif", "Farid", "Grete", "Hugo", "Ines", "Jun", "Kaito", "Lea",
    "Milan", "Nora", "思远", "雨桐",
];
const FAMILY: [&str; 16] = [
    "Adler", "Brandt", "Costa", "Demir", "Eriksen", "Fischer", "García", "Haddad", "Ito", "Jansen",
    "Kowalski", "Li", "Moreau", "Novák", "陈", "王",
];
const TOPICS: [&str; 12] = [
    "budget", "release", "hiring", "network", "library", "canteen", "security", "travel", "design",
    "support", "exams", "采购",
];
const WORDS: [&str; 40] = [
    "the",
    "plan",
    "for",
    "Monday",
    "is",
    "ready",
    "please",
    "look",
    "at",
    "page",
    "three",
    "we",
    "moved",
    "meeting",
    "to",
    "room",
    "twelve",
    "thanks",
    "I",
    "will",
    "send",
    "it",
    "tonight",
    "server",
    "restart",
    "worked",
    "numbers",
    "from",
    "last",
    "quarter",
    "are",
    "better",
    "than",
    "expected",
    "今天",
    "下午",
    "开会",
    "请",
    "看一下",
    "报告",
];
/// Messages go to the store in batches of this size, each of one conversation.
const BATCH: usize = 500;
const YEAR_US: u64 = 365 * 24 * 3_600 * 1_000_000;

/// A small generator of numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn text(&mut self) -> String {
        let count = 3 + self.below(16);
        (0..count).map(|_| WORDS[self.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
    }
}

/// A room with those who speak in it.
struct Hall {
    id: RoomId,
    jid: Jid,
    members: Vec<usize>,
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().expect("a folder");
    let mut number = |default: usize| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (people, rooms, messages) = (number(5_000), number(500), number(1_000_000));
    std::fs::create_dir_all(&folder).expect("the folder");
    let store = Sqlite::open(&Path::new(&folder).join("waxwing.db"), Options::default()).expect("the store");
    let store: Arc<dyn Store> = Arc::new(store);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let accounts = hire(&store, people, &mut random).await;
    println!("{} people", accounts.len());
    let halls = build(&store, &accounts, rooms, &mut random).await;
    println!("{} rooms", halls.len());
    talk(&store, &accounts, &halls, messages, &mut random).await;
    println!("{} messages", store.status().await.expect("the status").messages);
    store.close().await;
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

async fn hire(store: &Arc<dyn Store>, count: usize, random: &mut Random) -> Vec<Account> {
    // One salt for all: these are no secrets, and deriving is slow on purpose.
    let verifiers = vec![
        Verifier::derive(Hash::Sha256, "password", b"made up for all.", 10_000)
            .expect("a password")
            .to_string(),
    ];
    let mut accounts = Vec::with_capacity(count);
    for n in 0..count {
        let name = format!("{} {}", GIVEN[random.below(GIVEN.len())], FAMILY[random.below(FAMILY.len())]);
        let new = NewAccount {
            jid: jid(&format!("p{n}@{DOMAIN}")),
            name: Some(name),
            role: if n == 0 { Role::Administrator } else { Role::Member },
            verifiers: verifiers.clone(),
            created_ms: now_us() / 1000,
        };
        accounts.push(store.create_account(new).await.expect("an account"));
    }
    // A department is twenty neighbours, who all see each other.
    for department in accounts.chunks(20).take(50) {
        for account in department {
            for other in department.iter().filter(|other| other.id != account.id) {
                let item = RosterItem {
                    jid: other.jid.clone(),
                    name: other.name.clone(),
                    groups: vec!["Department".to_owned()],
                    subscription: Subscription::Both,
                    ask: false,
                    approved: false,
                    request: None,
                    listed: true,
                };
                store.put_roster_item(account.id, item).await.expect("a contact");
            }
        }
    }
    accounts
}

async fn build(store: &Arc<dyn Store>, accounts: &[Account], count: usize, random: &mut Random) -> Vec<Hall> {
    let mut halls = Vec::with_capacity(count);
    for n in 0..count {
        let topic = TOPICS[random.below(TOPICS.len())];
        let record = RoomRecord {
            id: RoomId(0),
            jid: jid(&format!("r{n}@rooms.{DOMAIN}")),
            creator: accounts[0].jid.clone(),
            created_ms: now_us() / 1000,
            locked: false,
            configuration: Configuration {
                name: format!("{topic} {n}"),
                description: format!("All about {topic}."),
                persistent: true,
                non_anonymous: true,
                ..Configuration::default()
            },
            subject: None,
            secret: n.to_le_bytes().repeat(4),
        };
        let room = record.jid.clone();
        let owner = affiliate(&accounts[0], Affiliation::Owner);
        let id = store.create_room(record, owner).await.expect("a room");
        // A few rooms are for nearly all.
        let size = if n % 100 == 0 { accounts.len().min(2_000) } else { 10 + random.below(50) };
        let first = random.below(accounts.len());
        let members: Vec<usize> =
            (0..size.min(accounts.len())).map(|k| (first + k) % accounts.len()).collect();
        let listed = members.iter().filter(|&&member| member != 0);
        let listed: Vec<_> =
            listed.map(|&member| affiliate(&accounts[member], Affiliation::Member)).collect();
        store.change_room(id, RoomChange::Affiliates(listed), None).await.expect("members");
        halls.push(Hall { id, jid: room, members });
    }
    halls
}

async fn talk(
    store: &Arc<dyn Store>,
    accounts: &[Account],
    halls: &[Hall],
    messages: usize,
    random: &mut Random,
) {
    let (start, step) = (now_us() - YEAR_US, YEAR_US / (messages as u64 + 1));
    let mut made = 0;
    while made < messages {
        let count = BATCH.min(messages - made);
        let ids = (0..count).map(|k| ArchiveId(start + (made + k) as u64 * step)).collect::<Vec<_>>();
        if random.below(2) == 0 && !halls.is_empty() {
            let hall = &halls[random.below(halls.len())];
            say_in_room(store, accounts, hall, &ids, random).await;
        } else {
            // Half of the rest is the first person's.
            let one = if random.below(2) == 0 { 0 } else { random.below(accounts.len()) };
            let other = (one + 1 + random.below(300)) % accounts.len();
            say_to_one(store, &accounts[one], &accounts[other], &ids, random).await;
        }
        made += count;
    }
}

async fn say_in_room(
    store: &Arc<dyn Store>,
    accounts: &[Account],
    hall: &Hall,
    ids: &[ArchiveId],
    random: &mut Random,
) {
    let said = ids.iter().map(|id| {
        let member = &accounts[hall.members[random.below(hall.members.len())]];
        let (nick, text) = (member.jid.local().unwrap_or("somebody"), random.text());
        let from = format!("{}/{nick}", hall.jid.as_str());
        ImportedMessage {
            id: *id,
            peer: member.jid.clone(),
            direction: Direction::Incoming,
            waits: false,
            xml: format!(
                "<message xmlns='jabber:client' from='{from}' type='groupchat' id='{id}'><body>{text}</body></message>"
            )
            .into_bytes(),
            text: Some(text), labels: Vec::new() }
    });
    store.import_archive(hall.id.archive(), said.collect()).await.expect("messages");
}

async fn say_to_one(
    store: &Arc<dyn Store>,
    one: &Account,
    other: &Account,
    ids: &[ArchiveId],
    random: &mut Random,
) {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for id in ids {
        let (from, to) = if random.below(2) == 0 { (one, other) } else { (other, one) };
        let text = random.text();
        let xml = format!(
            "<message xmlns='jabber:client' from='{}/web' to='{}' type='chat' id='{id}'><body>{text}</body></message>",
            from.jid.as_str(),
            to.jid.as_str(),
        );
        for (owner, peer, copies) in [(one, other, &mut ones), (other, one, &mut others)] {
            let sent = owner.id == from.id;
            copies.push(ImportedMessage {
                id: *id,
                peer: if sent { peer.jid.clone() } else { jid(&format!("{}/web", peer.jid.as_str())) },
                direction: if sent { Direction::Outgoing } else { Direction::Incoming },
                waits: false,
                xml: xml.clone().into_bytes(),
                text: Some(text.clone()),
                labels: Vec::new(),
            });
        }
    }
    store.import_archive(one.id, ones).await.expect("messages");
    store.import_archive(other.id, others).await.expect("messages");
}

fn affiliate(account: &Account, affiliation: Affiliation) -> Affiliate {
    Affiliate {
        jid: account.jid.clone(),
        affiliation,
        nick: account.jid.local().map(str::to_owned),
        reason: None,
        seen: ArchiveId(0),
    }
}

fn jid(text: &str) -> Jid {
    Jid::new(text).expect("an address")
}
