//! Measures pages of 50 from a small archive and from a large one: `archive_scale FOLDER [small] [large] [rounds] [people in
//! the small one] [people in the large one] [MiB of cache] [MiB mapped] [cold]`.
//!
//! Each archive is made once and found again in the folder. People write alike in both, and a question finds as many
//! messages in the one as in the other, so that what differs is the size. Both are asked by turns, and the median of
//! the turns counts. With `cold` set to 1, and as root, the system's page cache is dropped before each kind of question and
//! each is asked once.

#![allow(clippy::print_stdout)]

mod load;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use load::{Person, Random};
use waxwing_chat::archive::{ArchiveId, ArchiveQuery, PageFrom};
use waxwing_chat::store::Store;
use waxwing_storage::sqlite::{Options, Sqlite};

/// What is asked, and how many messages at most are on the page: as many as the small archive has for it.
const KINDS: [(&str, usize); 11] = [
    ("newest", 50),
    ("oldest", 50),
    ("before an id", 50),
    ("from a time", 50),
    ("with a contact, newest", 50),
    ("a common word, newest", 50),
    ("a common word, oldest", 50),
    ("two words", 5),
    ("a rare word", 50),
    ("no such word", 50),
    ("what waits", 50),
];

/// How often the two archives take turns with each kind of question.
const TURNS: usize = 7;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().expect("a folder");
    let mut number = |default: usize| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (small, large, rounds) = (number(10_000), number(10_000_000), number(2000));
    let people = [number(10), number(1000)];
    let defaults = Options::default();
    let reading = Options {
        readers: 1,
        reader_cache_bytes: number(defaults.reader_cache_bytes >> 20) << 20,
        reader_map_bytes: (number((defaults.reader_map_bytes >> 20) as usize) as u64) << 20,
        ..defaults
    };
    let cold = number(0) == 1;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder).expect("the folder");
    let mut archives = Vec::new();
    for (messages, people) in [(small, people[0]), (large, people[1])] {
        let path = folder.join(format!("{messages}.db"));
        let people = make(&path, messages, people).await;
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, reading.clone()).expect("the store"));
        let status = store.status().await.expect("the status");
        println!(
            "{} messages of {} people, {} bytes each on disk",
            status.messages,
            people.len(),
            status.bytes / status.messages
        );
        archives.push(Archive { store, people });
    }
    println!(
        "{:24} {:>22} {:>22}  CPU ratio",
        "µs a page (CPU)",
        format!("of {small}"),
        format!("of {large}")
    );
    for kind in KINDS {
        let mut asked = Vec::new();
        for archive in &archives {
            asked.push(archive.questions(kind, rounds / 10).await);
        }
        if cold {
            std::fs::write("/proc/sys/vm/drop_caches", "3").expect("only root can");
            let mut columns = Vec::new();
            for (archive, questions) in archives.iter().zip(&asked) {
                // What the questions were made with is in the cache of the store as well.
                columns.push(archive.turn(questions, questions.len()).await);
            }
            report(kind.0, &columns);
            continue;
        }
        let mut turns = [Vec::new(), Vec::new()];
        for turn in 0..=TURNS {
            for (n, archive) in archives.iter().enumerate() {
                let result = archive.turn(&asked[n], rounds / TURNS).await;
                // The first warms the caches.
                if turn > 0 {
                    turns[n].push(result);
                }
            }
        }
        report(kind.0, &turns.map(median));
    }
    for archive in archives {
        archive.store.close().await;
    }
}

/// What a page took in a turn, in microseconds, and how many messages were on it.
#[derive(Clone, Copy)]
struct Turn {
    wall: f64,
    cpu: f64,
    items: f64,
}

fn median(mut turns: Vec<Turn>) -> Turn {
    turns.sort_unstable_by(|one, other| one.cpu.total_cmp(&other.cpu));
    turns[turns.len() / 2]
}

fn report(kind: &str, columns: &[Turn]) {
    let column = |turn: &Turn| format!("{:.0} ({:.0}) for {:.1}", turn.wall, turn.cpu, turn.items);
    let (small, large) = (&columns[0], &columns[1]);
    println!("{kind:24} {:>22} {:>22}  {:.2}", column(small), column(large), large.cpu / small.cpu);
}

/// Opens the archive, makes what is missing of it without syncing, and says who is in it.
async fn make(path: &Path, messages: usize, people: usize) -> Vec<Person> {
    // Everything is to be found in the tables, nothing in the tail.
    let options = || Options { writer_cache_bytes: 512 << 20, batch_jobs: 2048, ..Options::default() };
    let store: Arc<dyn Store> =
        Arc::new(Sqlite::open_losing_messages_at_power_cuts(path, options()).expect("the store"));
    let found = store.accounts(None, None, people).await.expect("the accounts");
    let mut all: Vec<_> = found.into_iter().map(|a| Person { id: a.id, jid: a.jid }).collect();
    if all.is_empty() {
        all = load::people(&store, people, "person").await;
    }
    // In the order in which they were made: each talks with those that come next.
    all.sort_unstable_by_key(|person| person.id.0);
    let there = usize::try_from(store.status().await.expect("the status").messages).expect("a count");
    let start = Instant::now();
    let mut next = there;
    while next < messages {
        let step = (messages - next).min(500_000);
        load::fill(&store, &all, (next, step), 8192, true).await;
        next += step;
        println!("{next} messages after {:.0} s", start.elapsed().as_secs_f64());
    }
    // The end of an account makes runs of what is still in the tail. Then there is time to merge them.
    let passing = load::people(&store, 1, "passing").await.remove(0);
    store.delete_account(passing.id).await.expect("it is deleted");
    tokio::time::sleep(Duration::from_secs(if there < messages { 20 } else { 1 })).await;
    store.close().await;
    all
}

/// An archive and who asks it.
struct Archive {
    store: Arc<dyn Store>,
    people: Vec<Person>,
}

/// Somebody's question; without a query it is what waits for him.
type Asked = (usize, Option<ArchiveQuery>);

impl Archive {
    async fn questions(&self, (kind, limit): (&str, usize), count: usize) -> Vec<Asked> {
        let mut random = Random::new(4711);
        let mut questions = Vec::new();
        for _ in 0..count {
            let at = random.below(self.people.len());
            let query = question(&self.store, &self.people, at, kind, &mut random).await;
            questions.push((at, query.map(|query| ArchiveQuery { limit, ..query })));
        }
        questions
    }

    /// Asks them in turn.
    async fn turn(&self, questions: &[Asked], rounds: usize) -> Turn {
        let mut items = 0;
        let (began, cpu) = (Instant::now(), load::cpu_ns(""));
        for round in 0..rounds {
            let (at, query) = &questions[round % questions.len()];
            let store = &self.store;
            items += match query {
                Some(query) => store.archive_page(query.clone()).await.expect("a page").items.len(),
                None => store.waiting(self.people[*at].id, ArchiveId(0), 50).await.expect("a page").len(),
            };
        }
        let each = |ns: f64| ns / rounds as f64 / 1000.0;
        Turn {
            wall: each(began.elapsed().as_nanos() as f64),
            cpu: each((load::cpu_ns("") - cpu) as f64),
            items: items as f64 / rounds as f64,
        }
    }
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
        "a rare word" => {
            // A word of one of the person's own messages that hardly another has.
            let word = loop {
                let page = rare_place(store, &plain, random).await;
                if let Some(word) = page.iter().find_map(|xml| rare_word(xml)) {
                    break word;
                }
            };
            text(&word)
        }
        "no such word" => text("nothing"),
        _ => return None,
    })
}

/// Some messages of somewhere in the archive.
async fn rare_place(store: &Arc<dyn Store>, plain: &ArchiveQuery, random: &mut Random) -> Vec<String> {
    let bounds = store.archive_bounds(plain.owner).await.expect("the ends").expect("not empty");
    let far = (bounds.last.0 - bounds.first.0) as f64 * random.below(1000) as f64 / 1000.0;
    let start = Some(ArchiveId(bounds.first.0 + far as u64));
    let query = ArchiveQuery { start, page: PageFrom::Start, limit: 20, ..plain.clone() };
    let page = store.archive_page(query).await.expect("a page");
    page.items.into_iter().map(|item| String::from_utf8(item.xml).expect("text")).collect()
}

/// A word of the text that is among the rarest there are.
fn rare_word(xml: &str) -> Option<String> {
    let body = xml.split_once("<body>")?.1.split_once('<')?.0;
    let rare = |word: &&str| word.len() == 5 && word.as_bytes()[1] >= b'4' && word.as_bytes()[1] <= b'7';
    body.split(' ').find(rare).map(str::to_owned)
}
