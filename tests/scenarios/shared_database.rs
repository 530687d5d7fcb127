//! Several nodes on one database: what one of them does for all, and who may serve beside whom.

use tokio::task::spawn_blocking;
use waxwing_tests::{Server, Setup};

use crate::nodes::Nats;
use crate::postgres;

const BINARY: &str = env!("CARGO_BIN_EXE_waxwing");

/// What goes into the log of a node that has made the first administrator.
const MADE: &str = "The first administrator has been made";

/// A setup on an empty database of this name; none where there is no PostgreSQL, which is said.
pub(crate) fn on_database(name: &str) -> Option<Setup> {
    match postgres::shared() {
        Ok(server) => {
            server.run(&format!("CREATE DATABASE {name}"));
            Some(Setup::default().section(&format!("[store]\nurl = {:?}", server.url(name))))
        }
        Err(error) => {
            assert!(std::env::var_os("WAXWING_TEST_ALL").is_none(), "PostgreSQL is needed: {error}");
            eprintln!("SKIPPED: PostgreSQL is needed: {error}");
            None
        }
    }
}

async fn start(setup: &Setup) -> anyhow::Result<Server> {
    let setup = setup.clone();
    spawn_blocking(move || Server::start(BINARY, &setup)).await.expect("no panic")
}

/// covers: operation nodes
#[tokio::test]
async fn nodes_that_start_at_once_make_one_administrator() {
    let (Some(nats), Some(setup)) = (Nats::start(), on_database("at_once")) else { return };
    let setup = setup.section(&nats.section());
    let (one, two, three) = tokio::join!(start(&setup), start(&setup), start(&setup));
    let nodes = [one, two, three].map(|node| node.expect("it starts"));
    let told = nodes.iter().filter(|node| node.log().contains(MADE)).count();
    assert_eq!(told, 1, "the password is told by whoever made it, and by nobody else");
    for node in &nodes {
        let listed = node.admin(&["user", "list", "--json"], "").expect("it answers");
        let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
        let users = listed["users"].as_array().expect("users");
        assert_eq!(users.len(), 1, "{listed}");
        assert_eq!(users[0]["administrator"], true, "{listed}");
    }
}

/// A node with a bus and one without would not hear of each other: whichever comes second is refused and says why, and serves once
/// the first has gone.
/// covers: operation nodes
#[tokio::test]
async fn a_node_alone_and_one_of_several_do_not_serve_together() {
    let (Some(nats), Some(alone)) = (Nats::start(), on_database("together")) else { return };
    let of_several = alone.clone().section(&nats.section());
    for (first, second, reason) in [
        (&alone, &of_several, "serves this database alone"),
        (&of_several, &alone, "nodes with [cluster] serve this database"),
    ] {
        let mut serves = start(first).await.expect("it starts");
        let refused = start(second).await.err().expect("it does not serve").to_string();
        assert!(refused.contains(reason), "{refused}");
        assert!(serves.terminate().expect("it ends").success());
        let mut after = start(second).await.expect("it starts");
        assert!(after.terminate().expect("it ends").success());
    }
}
