//! The contract of every store, kept by PostgreSQL, and what only a store of several nodes does.

mod contract;
// Of the faults only what skips a test loudly is used here.
#[allow(dead_code)]
mod faults;
mod scratch;
mod server;

use std::sync::Arc;

use waxwing_chat::account::AccountChange;
use waxwing_chat::audit::AuditEntry;
use waxwing_chat::nodes::Leases;
use waxwing_chat::store::{Store, StoreError};
use waxwing_storage::postgres::{OpenError, Options, Postgres};

/// Options for a new database of the server that all tests here share; `None` where there is no PostgreSQL.
fn new_database() -> Option<Options> {
    faults::need("the contract on PostgreSQL", server::shared()).map(server::Server::new_database)
}

async fn open_at(options: Options) -> Arc<Postgres> {
    Arc::new(Postgres::open(options).await.expect("the store opens"))
}

async fn open() -> Option<(Arc<dyn Store>, ())> {
    Some((open_at(new_database()?).await, ()))
}

async fn open_leases() -> Option<(Arc<dyn Leases>, ())> {
    Some((open_at(new_database()?).await, ()))
}

contract::every_contract!(crate::open().await);

mod of_nodes {
    crate::contract::lease_contract!(crate::open_leases().await);
}

/// Several nodes that start at once on an empty database make its schema once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_migrate_once() {
    let Some(options) = new_database() else { return };
    let starts: Vec<_> = (0..4).map(|_| tokio::spawn(open_at(options.clone()))).collect();
    for start in starts {
        start.await.expect("it starts").ping().await.expect("it answers");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(options) = new_database() else { return };
    open_at(options.clone()).await.close().await;
    let database = options.url.rsplit('/').next().expect("a database");
    let server = server::shared().expect("it runs");
    server.run_in(database, "UPDATE schema_version SET version = 1000");
    let Err(OpenError::Schema(reason)) = Postgres::open(options).await else { panic!("it is refused") };
    assert!(reason.contains("schema 1000"), "{reason}");
}

#[tokio::test]
async fn settings_that_lose_messages_are_overridden() {
    let Some(options) = new_database() else { return };
    let database = options.url.rsplit('/').next().expect("a database");
    let server = server::shared().expect("it runs");
    server.run(&format!("ALTER DATABASE {database} SET synchronous_commit = off"));
    open_at(options).await.ping().await.expect("it answers");
}

/// Every node adds to one chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_nodes_write_one_audit_log() {
    let Some(options) = new_database() else { return };
    let nodes = [open_at(options.clone()).await, open_at(options).await];
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let node = nodes[writer % 2].clone();
            tokio::spawn(async move {
                for n in 0..10 {
                    let entry = AuditEntry {
                        at_ms: n,
                        actor: format!("node {writer}"),
                        action: "user.add".into(),
                        target: format!("u{n}@localhost"),
                        detail: String::new(),
                    };
                    node.append_audit(entry).await.expect("it is added");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("it ends");
    }
    assert_eq!(nodes[0].verify_audit().await.expect("an answer"), None);
    let newest = nodes[1].audit(None, 1).await.expect("an answer");
    assert_eq!(newest.first().map(|record| record.number), Some(80));
}

/// Whatever one node changes, another sees at once: nothing is remembered in between.
#[tokio::test]
async fn nodes_see_each_others_changes() {
    let Some(options) = new_database() else { return };
    let (one, other) = (open_at(options.clone()).await, open_at(options).await);
    let shared: Arc<dyn Store> = one.clone();
    let juliet = contract::account(&shared, "juliet@capulet.example").await;
    assert_eq!(other.account_changes(), None, "only reading tells");
    one.change_account(juliet.id, AccountChange::Disabled(true)).await.expect("changed");
    let seen = other.account(&juliet.jid).await.expect("an answer").expect("the account");
    assert!(seen.disabled);
    let first = one.setting_or("secret", "one").await.expect("an answer");
    assert_eq!(other.setting_or("secret", "other").await.expect("an answer"), first);
    other.delete_account(juliet.id).await.expect("deleted");
    assert!(matches!(one.delete_account(juliet.id).await, Err(StoreError::NotFound)));
}

/// A server that goes and comes back is waited for, by reads and writes alike; one that stays away is `Unavailable`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_waited_for() {
    let Some(mut server) = faults::need("restarts of PostgreSQL", server::Server::start(&[])) else { return };
    let patient = Options { patience: std::time::Duration::from_secs(60), ..server.new_database() };
    let store = open_at(patient).await;
    let shared: Arc<dyn Store> = store.clone();
    let juliet = contract::account(&shared, "juliet@capulet.example").await;
    server.stop_at_once();
    let reading = tokio::spawn({
        let (store, jid) = (store.clone(), juliet.jid.clone());
        async move { store.account(&jid).await }
    });
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.change_account(juliet.id, AccountChange::Name(Some("Juliet".into()))).await }
    });
    server.resume().expect("it starts again");
    reading.await.expect("it ends").expect("an answer").expect("the account");
    writing.await.expect("it ends").expect("it is changed");
    let options = Options { patience: std::time::Duration::from_millis(200), ..server.new_database() };
    let impatient = open_at(options).await;
    server.stop();
    assert!(matches!(impatient.ping().await, Err(StoreError::Unavailable)));
    impatient.close().await;
    assert!(matches!(impatient.ping().await, Err(StoreError::Unavailable)), "closed");
}
