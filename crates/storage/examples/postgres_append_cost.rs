//! Measures what an appended message costs on PostgreSQL, the server's own time counted: `postgres_append_cost URL DATA_FOLDER [messages]
//! [people] [window] [searchable]`.

#![allow(clippy::print_stdout)]

mod load;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use waxwing_chat::nodes::NodeId;
use waxwing_chat::store::Store;
use waxwing_storage::postgres::{Options, Postgres};

/// Nanoseconds of one tick in which Linux counts the time of processes that have ended.
const TICK_NS: u64 = 10_000_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let url = args.next().expect("the URL of an empty database");
    let data = PathBuf::from(args.next().expect("the server's data folder"));
    let mut number = |default: usize| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (messages, people, window) = (number(100_000), number(1000), number(512));
    let searchable = number(1) == 1;
    let store = Postgres::open(Options::new(url, NodeId(1))).await.expect("the store");
    let store: Arc<dyn Store> = Arc::new(store);
    let people = load::people(&store, people, "person").await;
    let rounds = 4;
    for round in 0..rounds {
        let before = (load::cpu_ns(""), server_ns(&data));
        let start = Instant::now();
        let count = messages / rounds;
        load::fill(&store, &people, (round * count, count), window, searchable).await;
        let spent = start.elapsed();
        let after = (load::cpu_ns(""), server_ns(&data));
        let each = |ns: u64| ns as f64 / count as f64 / 1000.0;
        println!(
            "{count} messages: {:.0}/s, CPU {:.1} µs each: server {:.1}, this process {:.1}",
            count as f64 / spent.as_secs_f64(),
            each(after.0 - before.0 + after.1 - before.1),
            each(after.1 - before.1),
            each(after.0 - before.0),
        );
    }
    let status = store.status().await.expect("the status");
    println!("{} bytes on disk, {} a message", status.bytes, status.bytes / status.messages.max(1));
    store.close().await;
}

/// Nanoseconds of processor time of the server's processes, those that have ended among them.
fn server_ns(data: &Path) -> u64 {
    let file = std::fs::read_to_string(data.join("postmaster.pid")).expect("the server runs");
    let first = file.lines().next().expect("a process").to_owned();
    let fields = |process: &str| -> Option<Vec<String>> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        Some(stat.rsplit(") ").next()?.split(' ').map(str::to_owned).collect())
    };
    let spent = |process: &str| -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
        stat.split(' ').next()?.parse().ok()
    };
    // Behind the name: the state, the parent; the times of ended children are fields 16 and 17 of all.
    let ended: u64 = fields(&first).map_or(0, |fields| {
        fields[13..15].iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * TICK_NS
    });
    let all = std::fs::read_dir("/proc").expect("Linux").flatten();
    let all = all.filter_map(|entry| entry.file_name().into_string().ok());
    let own = all.filter(|process| {
        *process == first || fields(process).is_some_and(|fields| fields.get(1) == Some(&first))
    });
    own.filter_map(|process| spent(&process)).sum::<u64>() + ended
}
