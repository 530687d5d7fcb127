//! The contract of every store, kept by SQLite.

mod contract;
mod scratch;

use std::sync::Arc;

use scratch::Scratch;
use waxwing_chat::store::Store;
use waxwing_storage::sqlite::{Options, Sqlite};

fn open(options: Options) -> Option<(Arc<dyn Store>, Scratch)> {
    let scratch = Scratch::new();
    let store = Sqlite::open(&scratch.database(), options).expect("the store opens");
    Some((Arc::new(store), scratch))
}

/// New messages stay in the tail for the whole test.
mod from_the_tail {
    crate::contract::every_contract!(crate::open(crate::Options::default()));
}

/// New messages become runs of the index at once, and runs are merged a few entries at a time.
mod from_the_tables {
    crate::contract::every_contract!(crate::open(crate::Options {
        tail_copies: 1,
        batch_jobs: 8,
        ..crate::Options::default()
    }));
}
