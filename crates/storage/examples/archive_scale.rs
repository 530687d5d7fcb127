//! Measures pages of 50 from a small archive and from a large one: `archive_scale FOLDER [small] [large] [rounds]
//! [searchable]`.
//!
//! Each archive is made once and found again in the folder. The same kinds of question are asked of both; the people asking
//! in the large one have a hundred times as many messages of their own.

#![allow(clippy::print_stdout)]

mod load;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use load::{Person, Random};
use waxwing_chat::archive::{ArchiveId, ArchiveQuery, PageFrom};
use waxwing_chat::store::Store;
use waxwing_storage::sqlite::{Options, Sqlite};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().expect("a folder");
    let mut number = |default: usize| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (small, large, rounds) = (number(10_000), number(10_000_000), number(2000));
    let searchable = number(1) == 1;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).expect("the folder");
    let mut columns = Vec::new();
    for (messages, people) in [(small, 100), (large, 1000)] {
        let path = folder.join(format!("{messages}.db"));
        let (store, people) = archive(&path, messages, people, searchable).await;
        let status = store.status().await.expect("the status");
        println!(
            "{} messages of {} people, {} bytes each on disk",
            status.messages,
            people.len(),
            status.bytes / status.messages
        );
        columns.push(measure(&store, &people, rounds).await);
        store.close().await;
    }
    println!("{:28} {:>22} {:>22}", "a page of 50", format!("of {small}"), format!("of {large}"));
    for (one, other) in columns[0].iter().zip(&columns[1]) {
        println!("{:28} {:>22} {:>22}", one.0, one.1, other.1);
    }
}

/// Opens the archive, and makes what is missing of it, without syncing.
async fn archive(
    path: &Path,
    messages: usize,
    people: usize,
    searchable: bool,
) -> (Arc<dyn Store>, Vec<Person>) {
    // Everything is to be found in the tables, nothing in the tail.
    let options = || Options { writer_cache_bytes: 512 << 20, ..Options::default() };
    let store: Arc<dyn Store> =
        Arc::new(Sqlite::open_losing_messages_at_power_cuts(path, options()).expect("the store"));
    let found = store.accounts(None, None, people).await.expect("the accounts");
    let mut all: Vec<_> = found.into_iter().map(|a| Person { id: a.id, jid: a.jid }).collect();
    if all.is_empty() {
        all = load::people(&store, people, "person").await;
    }
    let there = usize::try_from(store.status().await.expect("the status").messages).expect("a count");
    let start = Instant::now();
    let mut next = there;
    while next < messages {
        let step = (messages - next).min(500_000);
        load::fill(&store, &all, (next, step), 2048, searchable).await;
        next += step;
        println!("{next} messages after {:.0} s", start.elapsed().as_secs_f64());
    }
    // The end of an account makes runs of what is still in the tail. Then there is time to merge them.
    let passing = load::people(&store, 1, "passing").await.remove(0);
    store.delete_account(passing.id).await.expect("it is deleted");
    tokio::time::sleep(std::time::Duration::from_secs(if there < messages { 20 } else { 1 })).await;
    store.close().await;
    drop(store);
    let reading = Options { readers: 1, ..Options::default() };
    (Arc::new(Sqlite::open(path, reading).expect("the store")), all)
}

/// Microseconds a page: the time it takes, and the processor time of all threads.
async fn measure(store: &Arc<dyn Store>, people: &[Person], rounds: usize) -> Vec<(&'static str, String)> {
    let kinds = [
        "newest",
        "oldest",
        "before an id",
        "from a time",
        "with a contact, newest",
        "a common word, newest",
        "a common word, oldest",
        "two words",
        "a rare word",
        "no such word",
        "what waits",
    ];
    let mut results = Vec::new();
    for kind in kinds {
        let mut random = Random::new(4711);
        let mut questions = Vec::new();
        for _ in 0..rounds / 10 {
            let at = random.below(people.len());
            questions.push((at, question(store, people, at, kind, &mut random).await));
        }
        let mut items = 0;
        let (mut began, mut cpu) = (Instant::now(), 0);
        for round in 0..rounds + questions.len() {
            if round == questions.len() {
                // The first time round has warmed the caches.
                (began, cpu, items) = (Instant::now(), load::cpu_ns(""), 0);
            }
            let (at, query) = &questions[round % questions.len()];
            items += match query {
                Some(query) => store.archive_page(query.clone()).await.expect("a page").items.len(),
                None => store.waiting(people[*at].id, ArchiveId(0), 50).await.expect("a page").len(),
            };
        }
        let each = |ns: f64| ns / rounds as f64 / 1000.0;
        let (wall, cpu) = (each(began.elapsed().as_nanos() as f64), each((load::cpu_ns("") - cpu) as f64));
        let result = format!("{wall:.0} µs ({cpu:.0} CPU)");
        println!("{kind}: {result}, {} messages a page", items / rounds);
        results.push((kind, result));
    }
    results
}

async fn question(
    store: &Arc<dyn Store>,
    people: &[Person],
    at: usize,
    kind: &str,
    random: &mut Random,
) -> Option<ArchiveQuery> {
    let owner = people[at].id;
    let plain = ArchiveQuery::page(owner, PageFrom::End, 50);
    let text = |text: &str| ArchiveQuery { text: Some(text.to_owned()), ..plain.clone() };
    Some(match kind {
        "newest" => plain,
        "oldest" => ArchiveQuery { page: PageFrom::Start, ..plain },
        "before an id" | "from a time" => {
            let bounds = store.archive_bounds(owner).await.expect("the ends").expect("not empty");
            let middle = ArchiveId(bounds.first.0 / 2 + bounds.last.0 / 2);
            let from = ArchiveQuery { start: Some(middle), page: PageFrom::Start, ..plain.clone() };
            if kind == "from a time" {
                return Some(from);
            }
            let page = store.archive_page(ArchiveQuery { limit: 1, ..from }).await.expect("a page");
            ArchiveQuery {
                page: page.items.first().map_or(PageFrom::End, |i| PageFrom::Before(i.id)),
                ..plain
            }
        }
        "with a contact, newest" => {
            let contact = &people[(at + 1 + random.below(20)) % people.len()];
            ArchiveQuery { with: Some(contact.jid.clone()), ..plain }
        }
        "a common word, newest" => text("w0"),
        "a common word, oldest" => ArchiveQuery { page: PageFrom::Start, ..text("w0") },
        "two words" => text("w3 w5"),
        "a rare word" => text("w7fa0"),
        "no such word" => text("nothing"),
        _ => return None,
    })
}
