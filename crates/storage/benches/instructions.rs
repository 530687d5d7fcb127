//! Work whose instructions `cargo xtask instructions` counts: `instructions CASE TIMES`.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use tokio::sync::oneshot;
use waxwing_chat::account::{AccountId, NewAccount, Role};
use waxwing_chat::archive::{Append, ArchiveCopy, ArchiveQuery, Direction, PageFrom};
use waxwing_chat::store::Store;
use waxwing_storage::sqlite::{Options, Sqlite};
use waxwing_xmpp::jid::Jid;

/// How many messages the archive holds that pages are read from.
const ARCHIVED: usize = 500;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    // Run by `cargo bench` or `cargo test --benches` without a case, there is nothing to count.
    let (Some(case), Some(times)) = (args.next(), args.next().and_then(|times| times.parse().ok())) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let folder = std::env::temp_dir().join(format!("waxwing-instructions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    match case.as_str() {
        "append" => runtime.block_on(append(&folder, times)),
        "page" => runtime.block_on(page(&folder, times)),
        other => panic!("no case is called {other}"),
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

struct World {
    store: Sqlite,
    romeo: AccountId,
    juliet: AccountId,
    addresses: [Jid; 2],
}

async fn world(folder: &Path) -> World {
    let path: PathBuf = folder.join("waxwing.db");
    // One reader, so that it is always the same connection that answers.
    let options = Options { readers: 1, ..Options::default() };
    let store = Sqlite::open(&path, options).expect("the store");
    let addresses = ["romeo@localhost", "juliet@localhost"].map(|text| Jid::new(text).expect("an address"));
    let mut ids = Vec::new();
    for jid in &addresses {
        let new = NewAccount {
            jid: jid.clone(),
            name: None,
            role: Role::Member,
            verifiers: Vec::new(),
            created_ms: 0,
        };
        ids.push(store.create_account(new).await.expect("an account").id);
    }
    World { store, romeo: ids[0], juliet: ids[1], addresses }
}

impl World {
    /// One message of 200 bytes with two copies, alone in its transaction.
    async fn say(&self, number: usize) {
        let copy = |owner, peer: &Jid, direction, waits| ArchiveCopy {
            owner,
            peer: peer.clone(),
            direction,
            kept: true,
            waits,
        };
        let [romeo, juliet] = &self.addresses;
        let body = format!("It is the east, and Juliet is the sun, said he for the {number:06}th time.");
        let message = Append {
            copies: vec![
                copy(self.romeo, juliet, Direction::Outgoing, false),
                copy(self.juliet, romeo, Direction::Incoming, true),
            ],
            dedupe: Some((self.romeo, format!("{number:06}"))),
            xml: format!(
                "<message xmlns='jabber:client' from='romeo@localhost/x' to='juliet@localhost' type='chat' \
                 id='{number:06}'><body>{body}</body></message>"
            )
            .into_bytes(),
            text: Some(body),
            labels: Vec::new(),
            fence: None,
        };
        let (done, safe) = oneshot::channel();
        self.store.append(black_box(message), Box::new(move |committed| drop(done.send(committed))));
        safe.await.expect("an answer").expect("safe");
    }
}

/// One message into the archives of two people, committed and synced.
async fn append(folder: &Path, times: usize) {
    let world = world(folder).await;
    for number in 0..times {
        world.say(number).await;
    }
    world.store.close().await;
}

/// The newest 50 messages of an archive.
async fn page(folder: &Path, times: usize) {
    let world = world(folder).await;
    for number in 0..ARCHIVED {
        world.say(number).await;
    }
    let query = ArchiveQuery::page(world.juliet, PageFrom::End, 50);
    for _ in 0..times {
        let page = world.store.archive_page(black_box(query.clone())).await.expect("a page");
        assert_eq!(page.items.len(), 50);
    }
    world.store.close().await;
}
