//! The contract of every store, kept by SQLite.

mod contract;
mod scratch;

use std::sync::Arc;

use scratch::Scratch;
use waxwing_chat::store::Store;
use waxwing_storage::sqlite::{Options, Sqlite};

fn open() -> (Arc<dyn Store>, Scratch) {
    let scratch = Scratch::new();
    let store = Sqlite::open(&scratch.database(), Options::default()).expect("the store opens");
    (Arc::new(store), scratch)
}

contract::every_contract!(crate::open());
