//! Made-up conversations for measuring, and the meters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use waxwing_chat::account::{AccountId, NewAccount, Role};
use waxwing_chat::archive::{Append, ArchiveCopy, Direction};
use waxwing_chat::store::Store;
use waxwing_xmpp::jid::Jid;

/// A small generator of numbers, the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// Somebody who writes and is written to.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: AccountId,
    pub(crate) jid: Jid,
}

pub(crate) async fn people(store: &Arc<dyn Store>, count: usize, name: &str) -> Vec<Person> {
    let mut people = Vec::with_capacity(count);
    let mut pending = Vec::new();
    for n in 0..count {
        let jid = Jid::new(&format!("{name}{n}@load.example")).expect("an address");
        let new = NewAccount { jid, name: None, role: Role::Member, verifiers: Vec::new(), created_ms: 0 };
        let store = store.clone();
        pending.push(tokio::spawn(async move { store.create_account(new).await.expect("an account") }));
        if pending.len() == 1000 || n + 1 == count {
            for account in pending.drain(..) {
                let account = account.await.expect("an account");
                people.push(Person { id: account.id, jid: account.jid });
            }
        }
    }
    people
}

/// A word; low numbers are common, as in real text.
pub(crate) fn word(random: &mut Random) -> String {
    let bound = 1 << (4 + random.below(12));
    format!("w{:x}", random.below(bound))
}

/// A message of some ten words between two people, each of whom talks with some twenty others.
pub(crate) fn message(people: &[Person], random: &mut Random, number: usize, searchable: bool) -> Append {
    let from = random.below(people.len());
    let to = (from + 1 + random.below(20)) % people.len();
    let (from, to) = (&people[from], &people[to]);
    let words: Vec<_> = (0..4 + random.below(12)).map(|_| word(random)).collect();
    let body = words.join(" ");
    let resource = "a1B2c3D4e5";
    let xml = format!(
        "<message from='{from}/{resource}' to='{to}' type='chat' id='{number:032x}' xml:lang='en'><body>{body}</body>\
         <active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>\
         <origin-id xmlns='urn:xmpp:sid:0' id='{number:032x}'/></message>",
        from = from.jid.as_str(),
        to = to.jid.as_str(),
    );
    let sender = Jid::new(&format!("{}/{resource}", from.jid.as_str())).expect("an address");
    Append {
        copies: vec![
            ArchiveCopy {
                owner: from.id,
                peer: to.jid.clone(),
                direction: Direction::Outgoing,
                kept: true,
                waits: true,
            },
            ArchiveCopy {
                owner: to.id,
                peer: sender,
                direction: Direction::Incoming,
                kept: true,
                waits: true,
            },
        ],
        dedupe: Some((from.id, format!("{number:032x}"))),
        xml: xml.into_bytes(),
        text: searchable.then_some(body),
        labels: Vec::new(),
        fence: None,
    }
}

/// Appends `count` messages, of which at most `window` are on their way at a time.
pub(crate) async fn fill(
    store: &Arc<dyn Store>,
    people: &[Person],
    (first, count): (usize, usize),
    window: usize,
    searchable: bool,
) {
    let mut random = Random::new(first as u64 + 7);
    let free = Arc::new(Semaphore::new(window));
    let failed = Arc::new(AtomicUsize::new(0));
    for n in first..first + count {
        let permit = free.clone().acquire_owned().await.expect("never closed");
        let failed = failed.clone();
        let done = Box::new(move |result: Result<_, _>| {
            if result.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            drop(permit);
        });
        store.append(message(people, &mut random, n, searchable), done);
    }
    drop(free.acquire_many(u32::try_from(window).expect("small")).await.expect("never closed"));
    assert_eq!(failed.load(Ordering::Relaxed), 0, "appends failed");
}

/// Nanoseconds of processor time of all threads alive, or of those whose name begins so.
pub(crate) fn cpu_ns(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    tasks
        .flatten()
        .filter(|task| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.starts_with(name))
        })
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
