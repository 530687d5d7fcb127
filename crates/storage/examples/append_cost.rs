//! Measures what an appended message costs: `append_cost FOLDER [messages] [people] [window] [searchable]`.

#![allow(clippy::print_stdout)]

mod load;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use waxwing_chat::store::Store;
use waxwing_storage::sqlite::{Options, Sqlite};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().expect("a folder"));
    let mut number = |default: usize| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (messages, people, window) = (number(200_000), number(1000), number(512));
    let searchable = number(1) == 1;
    std::fs::create_dir_all(&folder).expect("the folder");
    let path = folder.join("waxwing.db");
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, Options::default()).expect("the store"));
    let people = load::people(&store, people, "person").await;
    let rounds = 4;
    for round in 0..rounds {
        let names = ["", "store-writer", "store-checkpoin"];
        let before = names.map(load::cpu_ns);
        let start = Instant::now();
        let count = messages / rounds;
        load::fill(&store, &people, (round * count, count), window, searchable).await;
        let spent = start.elapsed();
        let after = names.map(load::cpu_ns);
        let each = |n: usize| (after[n] - before[n]) as f64 / count as f64 / 1000.0;
        println!(
            "{count} messages: {:.0}/s, CPU {:.1} µs each: writer {:.1}, checkpoints {:.1}, making them and the rest {:.1}",
            count as f64 / spent.as_secs_f64(),
            each(0),
            each(1),
            each(2),
            each(0) - each(1) - each(2),
        );
    }
    let status = store.status().await.expect("the status");
    println!("{} bytes on disk, {} a message", status.bytes, status.bytes / status.messages);
    store.close().await;
}
