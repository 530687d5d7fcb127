//! Measures looking for people among many: what a page costs, for names that few have, that many have, and that nobody has.
//!
//! `cargo run --release -p waxwing-storage --example people_scale FOLDER [ACCOUNTS]`

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;

use waxwing_chat::account::{NewAccount, Role};
use waxwing_chat::people::Findable;
use waxwing_chat::people::card::{Card, Person};
use waxwing_chat::people::search::{PeoplePlace, PeopleQuery, Wanted};
use waxwing_chat::store::Store;
use waxwing_storage::sqlite::{Options, Sqlite};
use waxwing_xmpp::jid::Jid;

const FAMILIES: &[&str] = &[
    "Capulet",
    "Montague",
    "Müller",
    "Nowak",
    "Rossi",
    "Papadopoulos",
    "Johansson",
    "王",
    "García",
    "Okafor",
];

/// Processor time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let ticks: u64 = stat
        .rsplit(") ")
        .next()
        .into_iter()
        .flat_map(|rest| rest.split(' ').skip(11).take(2))
        .map(|ticks| ticks.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder");
    let accounts: usize = arguments.next().map_or(100_000, |text| text.parse().expect("a number"));
    let path = std::path::Path::new(&folder).join("people.db");
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, Options::default()).expect("a store"));
    let known = store.account_counts(None).await.expect("a count").registered;
    let before = cpu();
    let mut making = Vec::new();
    for number in usize::try_from(known).expect("few")..accounts {
        let store = Arc::clone(&store);
        making.push(tokio::spawn(async move { make(&*store, number).await }));
        if making.len() >= 256 {
            for one in making.drain(..) {
                one.await.expect("made");
            }
        }
    }
    for one in making {
        one.await.expect("made");
    }
    println!("{accounts} accounts; made with {:?} of processor time", cpu() - before);
    for (what, word) in [
        ("nobody", "zzyzx"),
        ("nobody, of common parts", "capmont"),
        ("one, by all of the name", "given 54321"),
        ("a few", "4321 müll"),
        ("a tenth", "nowak"),
        ("a tenth, by one character", "王"),
        ("everybody", "a"),
        ("the last ones alone", "last"),
    ] {
        let wanted = Wanted { any_name: word.to_owned(), ..Wanted::default() };
        let query = || PeopleQuery {
            domain: "capulet.example".to_owned(),
            findable: Findable::Everyone,
            wanted: wanted.clone(),
            place: PeoplePlace::After(None),
            limit: 51,
        };
        let (before, mut times, mut found) = (cpu(), 0u32, 0);
        while times < 5 || (cpu() - before < Duration::from_millis(500) && times < 2_000) {
            found = store.people(query()).await.expect("an answer").len();
            times += 1;
        }
        println!("{what:28} \"{word}\": {found:3} found, {:?} of processor time", (cpu() - before) / times);
    }
}

async fn make(store: &dyn Store, number: usize) {
    let jid = Jid::new(&format!("user{:06}@capulet.example", number * 7919 % 1_000_003)).expect("an address");
    let new = NewAccount { jid, name: None, role: Role::Member, verifiers: Vec::new(), created_ms: 0 };
    let account = store.create_account(new).await.expect("an account");
    let family = FAMILIES[number % FAMILIES.len()];
    // Some thousands of people whose addresses are the last.
    let given = if account.jid.as_str() > "user970000" { "Last" } else { "Given" };
    let person = Person {
        full_name: format!("{given} {number} {family}"),
        given_name: format!("{given} {number}"),
        family_name: family.to_owned(),
        ..Person::default()
    };
    let card = Card { xml: "<vCard xmlns='vcard-temp'/>".to_owned(), person, photo_hash: None };
    store.put_card(account.id, Some(card)).await.expect("a card");
}
