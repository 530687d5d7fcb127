//! Measures what a large room costs: `room_cost [members] [online] [messages]`. Nothing is kept on disk and nothing sent: what is
//! measured is the room itself, and writing what everybody gets into a buffer.

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use waxwing_chat::Chat;
use waxwing_chat::account::{NewAccount, Role};
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::event::Event;
use waxwing_chat::memory_store::MemoryStore;
use waxwing_chat::port::{SystemClock, SystemRandom};
use waxwing_chat::queue::Events;
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::configuration::Configuration;
use waxwing_chat::rooms::store::{Affiliate, RoomChange, RoomId, RoomRecord, RoomStore as _};
use waxwing_chat::service::Service;
use waxwing_chat::session::{ClientInfo, Session};
use waxwing_chat::settings::Settings;
use waxwing_chat::store::Store;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{Stanza, Wire};
use waxwing_xmpp::xml::Element;

const ROOM: &str = "hall@rooms.localhost";

/// Somebody who is online, and what he was sent in bytes.
struct Person {
    session: Arc<Session>,
    events: Events,
    sent: Vec<u8>,
}

impl Person {
    /// Writes all that came, and says how many stanzas that was.
    fn write(&mut self) -> usize {
        let mut count = 0;
        while let Some(event) = self.events.try_recv() {
            let stanzas = match event {
                Event::Stanza(delivery) => vec![delivery.stanza],
                Event::Batch(stanzas) => stanzas,
                _ => continue,
            };
            for stanza in &stanzas {
                stanza.write(&self.session.jid, Wire::Stream, &mut self.sent);
            }
            count += stanzas.len();
            if self.sent.len() > 1 << 16 {
                self.sent = Vec::new();
            }
        }
        count
    }
}

/// Nanoseconds that this thread has worked.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Bytes of memory that the process has.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn stanza(xml: &str) -> Stanza {
    Stanza::from_element(Element::parse(xml).expect("XML")).expect("a stanza")
}

async fn online(chat: &Arc<Chat>, store: &MemoryStore, name: &str) -> Person {
    let new = NewAccount {
        jid: Jid::new(&format!("{name}@localhost")).expect("an address"),
        name: None,
        role: Role::Member,
        verifiers: Vec::new(),
        created_ms: 0,
    };
    let account = store.create_account(new).await.expect("an account");
    let (session, mut events) =
        chat.bind(&account, None, "desk", ClientInfo::default()).await.expect("a session");
    let presence = stanza("<presence xmlns='jabber:client'/>").with_from(session.jid.clone());
    chat.presence(&session, presence).await.expect("presence");
    while events.try_recv().is_some() {}
    Person { session, events, sent: Vec::new() }
}

async fn enter(chat: &Arc<Chat>, person: &Person, nick: &str) {
    // With a state of his own nobody shares his presence with another.
    let status = match std::env::var_os("EACH_HIS_STATUS") {
        Some(_) => format!("<show>away</show><status>{nick} is at lunch</status>"),
        None => String::new(),
    };
    let join = format!(
        "<presence xmlns='jabber:client' to='{ROOM}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/>\
         <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' \
         ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>{status}</presence>"
    );
    chat.presence(&person.session, stanza(&join).with_from(person.session.jid.clone()))
        .await
        .expect("entered");
}

async fn make_room(store: &MemoryStore, members: usize) {
    let affiliate = |name: String, affiliation| Affiliate {
        jid: Jid::new(&format!("{name}@localhost")).expect("an address"),
        affiliation,
        nick: Some(format!("Nick of {name}")),
        reason: None,
        seen: ArchiveId::default(),
    };
    let record = RoomRecord {
        id: RoomId(0),
        jid: Jid::new(ROOM).expect("an address"),
        creator: Jid::new("person0@localhost").expect("an address"),
        created_ms: 0,
        locked: false,
        configuration: Configuration { persistent: true, members_only: true, ..Configuration::default() },
        subject: None,
        secret: vec![7; 32],
    };
    let owner = affiliate("person0".to_owned(), Affiliation::Owner);
    let id = store.create_room(record, owner).await.expect("a room");
    let list = (1..members).map(|n| affiliate(format!("person{n}"), Affiliation::Member)).collect();
    store.change_room(id, RoomChange::Affiliates(list), None).await.expect("members");
}

fn write_all(people: &mut [Person]) {
    for person in people {
        person.write();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |default: usize| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (members, present, messages) = (number(5000), number(1000), number(200));
    let store = Arc::new(MemoryStore::default());
    let settings = Settings { services: vec![Service::Rooms], ..Settings::default() };
    let chat = Chat::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom), settings);
    make_room(&store, members).await;
    let mut people = Vec::new();
    for n in 0..present {
        people.push(online(&chat, &store, &format!("person{n}")).await);
    }
    let before = cpu_ns();
    enter(&chat, &people[0], "Nick of person0").await;
    println!("waking a room of {members}: {:.1} ms", (cpu_ns() - before) as f64 / 1e6);
    people[0].write();
    let memory = resident();
    for n in 1..present - 1 {
        enter(&chat, &people[n], &format!("Nick of person{n}")).await;
        for person in &mut people[..=n] {
            person.write();
            person.sent = Vec::new();
        }
    }
    println!("memory an occupant: {} bytes", resident().saturating_sub(memory) / (present - 2));
    let mut last = people.pop().expect("somebody");
    let (mut inside, mut own, mut rest) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        let begun = Instant::now();
        enter(&chat, &last, "the last").await;
        inside = inside.min(begun.elapsed());
        let begun = Instant::now();
        assert!(last.write() > people.len());
        own = own.min(begun.elapsed());
        let begun = Instant::now();
        write_all(&mut people);
        rest = rest.min(begun.elapsed());
        let leave = format!("<presence xmlns='jabber:client' type='unavailable' to='{ROOM}/the last'/>");
        let leave = stanza(&leave).with_from(last.session.jid.clone());
        chat.presence(&last.session, leave).await.expect("gone");
        last.write();
        write_all(&mut people);
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "the last to enter: {:.1} ms in the room, {:.1} ms to write what he is told, {:.1} ms for the others",
        ms(inside),
        ms(own),
        ms(rest)
    );
    let present = people.len();
    let message = format!(
        "<message xmlns='jabber:client' to='{ROOM}' type='groupchat' id='m'><body>What light through yonder window \
         breaks?</body></message>"
    );
    let before = cpu_ns();
    let mut deliveries = 0;
    for n in 0..messages {
        let from = &people[n % present].session;
        let said = stanza(&message).with_from(from.jid.clone());
        chat.send(from, said).await.expect("taken").await.expect("safe");
        deliveries += people.iter_mut().map(Person::write).sum::<usize>();
    }
    let spent = cpu_ns() - before;
    println!(
        "{deliveries} deliveries of {messages} messages: {:.0} ns each",
        spent as f64 / deliveries as f64
    );
}
