//! Thousands of random operations give the same answers as the store in memory, whatever is in runs, being merged, or
//! still in the tail, and however the process ended in between.

// Its helpers alone are used here.
#[allow(dead_code, unused_macros, unused_imports)]
mod contract;
mod scratch;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{account, appending, jid};
use scratch::Scratch;
use waxwing_chat::account::{Account, AccountId};
use waxwing_chat::archive::{
    Append, ArchiveCopy, ArchiveId, ArchiveQuery, Archived, Committed, Direction, ImportedMessage, PageFrom,
};
use waxwing_chat::memory_store::MemoryStore;
use waxwing_chat::store::{Store, StoreError};
use waxwing_storage::sqlite::{Options, Sqlite};

/// None is part of another, because the store in memory compares texts and not words.
const WORDS: [&str; 12] =
    ["alpha", "bravo", "coda", "delta", "echo", "foxtrot", "golf", "hotel", "阳", "中国", "ロミオ", "사랑"];
const PEOPLE: [&str; 4] =
    ["juliet@capulet.example", "romeo@montague.example", "nurse@capulet.example", "friar@verona.example"];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn text(&mut self) -> String {
        (0..1 + self.below(4)).map(|_| WORDS[self.below(WORDS.len())]).collect::<Vec<_>>().join(" ")
    }
}

/// Both stores, and what in one is what in the other.
struct Pair {
    seed: u64,
    random: Random,
    tested: Arc<dyn Store>,
    memory: Arc<dyn Store>,
    people: Vec<(Account, Account)>,
    /// Ids of messages in both, oldest first as far as they were appended.
    ids: Vec<(ArchiveId, ArchiveId)>,
    translated: HashMap<ArchiveId, ArchiveId>,
    number: usize,
    /// How many messages were found by queries.
    found: usize,
    tail_copies: usize,
    folder: PathBuf,
    generation: usize,
}

fn open(path: &Path, tail_copies: usize) -> Arc<dyn Store> {
    // No checkpoint while the store is open: then a copy of its files is what a killed process leaves.
    let options =
        Options { tail_copies, wal_start_bytes: 1 << 40, wal_max_bytes: 1 << 41, ..Options::default() };
    Arc::new(Sqlite::open(path, options).expect("the store opens"))
}

impl Pair {
    async fn new(seed: u64, folder: PathBuf) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let tail_copies = [1, 2, 7, 60, 32_768][random.below(5)];
        let tested = open(&folder.join("0.db"), tail_copies);
        let memory: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let mut people = Vec::new();
        for address in PEOPLE {
            people.push((account(&tested, address).await, account(&memory, address).await));
        }
        let (ids, translated) = (Vec::new(), HashMap::new());
        Self {
            seed,
            random,
            tested,
            memory,
            people,
            ids,
            translated,
            number: 0,
            found: 0,
            tail_copies,
            folder,
            generation: 0,
        }
    }

    async fn step(&mut self) {
        match self.random.below(100) {
            0..=54 => self.append().await,
            55..=57 => self.import().await,
            58 => self.expire().await,
            59..=62 => self.deliver().await,
            63 if self.random.one_in(3) => self.delete().await,
            64 if self.random.one_in(2) => self.end_and_begin().await,
            63..=69 => self.compare_ends_and_waiting().await,
            _ => self.compare_page().await,
        }
    }

    async fn append(&mut self) {
        self.number += 1;
        let random = &mut self.random;
        let (from, to) = (random.below(PEOPLE.len()), random.below(PEOPLE.len()));
        let text = (!random.one_in(6)).then(|| random.text());
        let (kept, waits) = [(true, true), (true, true), (true, false), (false, true)][random.below(4)];
        let dedupe = random.one_in(2).then(|| format!("id{}", random.below(self.number)));
        let resource = ["balcony", "orchard"][random.below(2)];
        let message = |of: &dyn Fn(&(Account, Account)) -> AccountId| {
            let copy = |n: usize, peer: &str, direction, kept, waits| ArchiveCopy {
                owner: of(&self.people[n]),
                peer: jid(peer),
                direction,
                kept,
                waits,
            };
            let mut copies = vec![copy(from, PEOPLE[to], Direction::Outgoing, true, true)];
            if from != to {
                let peer = format!("{}/{resource}", PEOPLE[from]);
                copies.push(copy(to, &peer, Direction::Incoming, kept, waits));
            }
            Append {
                copies,
                dedupe: dedupe.clone().map(|id| (of(&self.people[from]), id)),
                xml: format!("<message id='{}'/>", self.number).into_bytes(),
                text: text.clone(),
                labels: Vec::new(),
                fence: None,
            }
        };
        let tested = appending(&self.tested, message(&|p| p.0.id)).await.unwrap().unwrap();
        let memory = appending(&self.memory, message(&|p| p.1.id)).await.unwrap().unwrap();
        match (tested, memory) {
            (Committed::New(tested), Committed::New(memory)) => {
                self.ids.push((tested, memory));
                self.translated.insert(tested, memory);
            }
            (Committed::Duplicate(tested), Committed::Duplicate(memory))
                if self.translated[&tested] == memory => {}
            other => panic!("seed {}: {other:?}", self.seed),
        }
    }

    async fn import(&mut self) {
        let random = &mut self.random;
        let owner = random.below(PEOPLE.len());
        let mut messages = Vec::new();
        for _ in 0..1 + random.below(4) {
            let id = ArchiveId(1 + random.below(3000) as u64);
            self.translated.insert(id, id);
            messages.push(ImportedMessage {
                id,
                peer: jid(PEOPLE[random.below(PEOPLE.len())]),
                direction: [Direction::Incoming, Direction::Outgoing][random.below(2)],
                waits: random.one_in(2),
                xml: format!("<message id='old{}'/>", id.0 / 2).into_bytes(),
                text: Some(WORDS[(id.0 / 2) as usize % WORDS.len()].to_owned()),
                labels: Vec::new(),
            });
            self.ids.push((id, id));
        }
        let (tested, memory) = &self.people[owner];
        self.tested.import_archive(tested.id, messages.clone()).await.unwrap();
        self.memory.import_archive(memory.id, messages).await.unwrap();
        // Where an id was taken, another follows it.
        self.translated.extend((1..4000).map(|id| (ArchiveId(id), ArchiveId(id))));
    }

    /// An id that is or was there, in both stores.
    fn any_id(&mut self) -> (ArchiveId, ArchiveId) {
        let unknown = (ArchiveId(5), ArchiveId(5));
        if self.ids.is_empty() { unknown } else { self.ids[self.random.below(self.ids.len())] }
    }

    fn some_id(&mut self, one_in: usize) -> Option<(ArchiveId, ArchiveId)> {
        self.random.one_in(one_in).then(|| self.any_id())
    }

    async fn expire(&mut self) {
        // Mostly the old, or nothing would be left.
        let at = self.random.below(1 + self.ids.len() / 4);
        let Some((tested, memory)) = self.ids.get(at).copied() else { return };
        let limit = 1 + self.random.below(40);
        let tested = self.tested.expire_archive(tested, limit).await.unwrap();
        assert_eq!(tested, self.memory.expire_archive(memory, limit).await.unwrap(), "seed {}", self.seed);
    }

    async fn deliver(&mut self) {
        let (tested_mark, memory_mark) = self.any_id();
        let (tested, memory) = &self.people[self.random.below(PEOPLE.len())];
        self.tested.set_delivered(tested.id, tested_mark).await.unwrap();
        self.memory.set_delivered(memory.id, memory_mark).await.unwrap();
    }

    async fn delete(&mut self) {
        let n = self.random.below(PEOPLE.len());
        let (tested, memory) = &self.people[n];
        self.tested.delete_account(tested.id).await.unwrap();
        self.memory.delete_account(memory.id).await.unwrap();
        assert_eq!(self.tested.archive_bounds(tested.id).await.unwrap(), None, "seed {}", self.seed);
        self.people[n] = (account(&self.tested, PEOPLE[n]).await, account(&self.memory, PEOPLE[n]).await);
    }

    /// Closes the store and opens it again, or opens what a process killed now would leave.
    async fn end_and_begin(&mut self) {
        let path = self.folder.join(format!("{}.db", self.generation));
        if self.random.one_in(2) {
            self.tested.close().await;
            self.tested = open(&path, self.tail_copies);
            return;
        }
        self.generation += 1;
        let next = self.folder.join(format!("{}.db", self.generation));
        std::fs::copy(&path, &next).unwrap();
        let beside = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
        std::fs::copy(beside(&path), beside(&next)).unwrap();
        self.tested = open(&next, self.tail_copies);
    }

    fn translate(&self, items: Vec<Archived>) -> Vec<Archived> {
        let translate = |item: Archived| Archived { id: self.translated[&item.id], ..item };
        items.into_iter().map(translate).collect()
    }

    async fn compare_ends_and_waiting(&mut self) {
        let (after_tested, after_memory) = self.any_id();
        let limit = self.random.below(30);
        let (tested, memory) = &self.people[self.random.below(PEOPLE.len())];
        let bounds = self.tested.archive_bounds(tested.id).await.unwrap();
        let bounds = bounds.map(|b| (self.translated[&b.first], self.translated[&b.last]));
        let wanted = self.memory.archive_bounds(memory.id).await.unwrap();
        assert_eq!(bounds, wanted.map(|b| (b.first, b.last)), "seed {}", self.seed);
        let found = self.tested.waiting(tested.id, after_tested, limit).await.unwrap();
        let wanted = self.memory.waiting(memory.id, after_memory, limit).await.unwrap();
        assert_eq!(self.translate(found), wanted, "seed {}", self.seed);
    }

    async fn compare_page(&mut self) {
        let seed = self.seed;
        let (tested, memory) = self.query();
        let found = self.tested.archive_page(tested.clone()).await;
        match (found, self.memory.archive_page(memory).await) {
            (Ok(found), Ok(wanted)) => {
                self.found += found.items.len();
                assert_eq!(found.complete, wanted.complete, "seed {seed}: {tested:?}");
                assert_eq!(self.translate(found.items), wanted.items, "seed {seed}: {tested:?}");
            }
            (Err(StoreError::NotFound), Err(StoreError::NotFound)) => {}
            other => panic!("seed {seed}: {tested:?}: {other:?}"),
        }
    }

    fn query(&mut self) -> (ArchiveQuery, ArchiveQuery) {
        let n = self.random.below(PEOPLE.len());
        let mut tested = contract::query(self.people[n].0.id);
        let mut memory = contract::query(self.people[n].1.id);
        let (start, end) = (self.some_id(4), self.some_id(6));
        let (after, before) = (self.some_id(12), self.some_id(12));
        let ids: Vec<_> = self.some_id(12).into_iter().chain(self.some_id(1)).collect();
        let page = self.any_id();
        for (query, pick) in [(&mut tested, 0), (&mut memory, 1)] {
            let pick = |id: (ArchiveId, ArchiveId)| if pick == 0 { id.0 } else { id.1 };
            (query.start, query.end) = (start.map(pick), end.map(pick));
            (query.after_id, query.before_id) = (after.map(pick), before.map(pick));
            if ids.len() > 1 {
                query.ids = ids.iter().copied().map(pick).collect();
            }
        }
        let limit = self.random.below(20);
        let with = self.random.one_in(3).then(|| {
            let bare = PEOPLE[self.random.below(PEOPLE.len())];
            if self.random.one_in(4) { jid(&format!("{bare}/balcony")) } else { jid(bare) }
        });
        let text = self.random.one_in(2).then(|| self.random.text());
        let turn = self.random.below(6);
        for (query, id) in [(&mut tested, page.0), (&mut memory, page.1)] {
            query.limit = limit;
            query.with.clone_from(&with);
            query.text.clone_from(&text);
            query.page = match turn {
                0 | 1 => PageFrom::Start,
                2 => PageFrom::After(id),
                3 => PageFrom::Before(id),
                _ => PageFrom::End,
            };
        }
        (tested, memory)
    }
}

/// `WAXWING_RANDOM_SEEDS` sets how many sequences there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_like_the_store_in_memory() {
    let seeds = std::env::var("WAXWING_RANDOM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    for seed in 0..seeds {
        let scratch = Scratch::new();
        let mut pair = Pair::new(seed, scratch.path().to_owned()).await;
        for _ in 0..1200 {
            pair.step().await;
        }
        assert!(pair.found > 500, "seed {seed}: the sequence asks for nothing that is there");
        pair.tested.close().await;
    }
}
