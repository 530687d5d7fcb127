//! Running a server: restart, reload, status, metrics, health, limits of connections.

use tokio::time::timeout;
use waxwing_tests::Setup;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::xml::Element;

use crate::world::{world, world_with};

/// covers: operation restart
#[tokio::test]
async fn a_second_start_finds_everything_again() {
    let mut world = world().await;
    let romeo = world.online("romeo/orchard").await;
    let certificate = romeo.transport().certificate().expect("a certificate").to_vec();
    drop(romeo);
    assert!(world.server.terminate().unwrap().success());
    world.server.launch().unwrap();
    let romeo = world.online("romeo/orchard").await;
    assert_eq!(romeo.transport().certificate().expect("a certificate").to_vec(), certificate);
}

/// covers: operation one server a folder
#[tokio::test]
async fn a_folder_serves_one_server() {
    let world = world().await;
    let output = world.server.run(&[], "").unwrap();
    assert!(!output.status.success());
    world.connected("romeo/orchard").await;
}

/// covers: operation reload
#[tokio::test]
async fn a_reload_keeps_connections_and_takes_what_is_new() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let path = world.server.folder().join("waxwing.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n[xmpp]\nplain = false\n")).unwrap();
    world.server.signal("HUP").unwrap();
    let mut offered = true;
    for _ in 0..2000 {
        offered = world.secured().await.mechanisms().iter().any(|name| name == "PLAIN");
        if !offered {
            break;
        }
    }
    assert!(!offered, "the reloaded configuration was never used");
    romeo.round_trip().await;
    // A wrong file changes nothing.
    std::fs::write(&path, "no_such_key = 1\n").unwrap();
    world.server.signal("HUP").unwrap();
    romeo.round_trip().await;
    world.secured().await;
}

/// covers: RFC 6120 4.9.3.19
#[tokio::test]
async fn see_other_host_is_where_clients_go_when_the_server_drains() {
    let world = world_with(Setup::default().section("[xmpp]\nsee_other_host = \"other.example:5222\"")).await;
    let mut romeo = world.online("romeo/orchard").await;
    world.server.signal("TERM").unwrap();
    let error = romeo.expect_stream_error("see-other-host").await;
    let to = error.children().find(|child| child.name == "see-other-host").map(Element::text);
    assert_eq!(to.as_deref(), Some("other.example:5222"));
}

/// covers: operation metrics; operation health
#[tokio::test]
async fn metrics_and_health_are_served() {
    let world = world().await;
    let _romeo = world.online("romeo/orchard").await;
    let (head, body) = world.get("/metrics").await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(body.contains("waxwing_"), "{body}");
    assert!(!body.contains("romeo"), "names of users are not labels: {body}");
    for path in ["/health/live", "/health/ready"] {
        let (head, _) = world.get(path).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    }
}

/// covers: operation sessions; operation status
#[tokio::test]
async fn an_administrator_sees_sessions_and_status() {
    let world = world().await;
    let _romeo = world.online("romeo/orchard").await;
    let sessions = world.server.admin(&["sessions", "--json"], "").unwrap();
    assert!(sessions.contains("romeo@localhost") && sessions.contains("orchard"), "{sessions}");
    let status = world.server.admin(&["status", "--json"], "").unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&status).is_ok(), "{status}");
    let users = world.server.admin(&["user", "list", "--json"], "").unwrap();
    assert!(users.contains("romeo@localhost"), "{users}");
}

/// A session whose connection was lost says since when it waits for its client.
/// covers: operation suspended sessions
#[tokio::test]
async fn a_suspended_session_is_shown_as_such() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    let enabled = romeo.expect("<enabled xmlns='urn:xmpp:sm:3' _='...'/>").await;
    let listed = || {
        let listed = world.server.admin(&["sessions", "--json"], "").unwrap();
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        listed["sessions"][0].clone()
    };
    assert_eq!(
        (&listed()["state"], &listed()["suspended_since"]),
        (&"available".into(), &serde_json::Value::Null)
    );
    romeo.cut();
    let mut suspended = listed();
    for _ in 0..1000 {
        if suspended["state"] == "suspended" {
            break;
        }
        suspended = listed();
    }
    assert_eq!(suspended["state"], "suspended", "{suspended}");
    assert!(suspended["suspended_since"].as_str().is_some_and(|since| since.ends_with('Z')), "{suspended}");
    let shown = world.server.admin(&["sessions"], "").unwrap();
    assert!(shown.contains("suspended since 20"), "{shown}");
    let mut again = world.authenticated("romeo").await;
    let previd = enabled.attr("id").expect("an id");
    again.send(&format!("<resume xmlns='urn:xmpp:sm:3' h='0' previd='{previd}'/>")).await;
    again.expect("<resumed xmlns='urn:xmpp:sm:3' _='...'/>").await;
    assert_eq!(listed()["state"], "available");
}

/// covers: operation privacy of logs
#[tokio::test]
async fn the_log_holds_no_secrets() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send("<message to='romeo@localhost' type='chat'><body>xyzzy-in-confidence</body></message>").await;
    romeo.settle().await;
    let mut client = world.secured().await;
    client.authenticate("PLAIN", "romeo", "plugh-as-password").await.unwrap();
    let log = world.server.log();
    for secret in ["xyzzy-in-confidence", "plugh-as-password", "wherefore-art-thou"] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// covers: operation limits of connections
#[tokio::test]
async fn too_many_connections_are_turned_away() {
    let world = world_with(Setup::default().section("[limits]\nconnections_per_address = 3")).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut client = world.plain().await;
        client.open().await.unwrap();
        kept.push(client);
    }
    let mut fourth = world.plain().await;
    assert!(fourth.open().await.is_err(), "a fourth connection was served");
    kept.pop().expect("three").close().await;
    for _ in 0..1000 {
        if world.plain().await.open().await.is_ok() {
            return;
        }
    }
    panic!("the place of a closed connection was never given to another");
}

/// covers: operation upkeep
#[tokio::test]
async fn what_has_expired_is_removed_when_that_is_asked_for() {
    let world = world().await;
    let admin = |args: &[&str]| world.server.admin(args, "").unwrap();
    for _ in 0..3 {
        admin(&["invite", "create", "--lifetime", "0s"]);
    }
    admin(&["invite", "create", "--username", "nurse"]);
    assert!(admin(&["upkeep"]).starts_with("3 things that had expired"));
    assert!(admin(&["upkeep"]).starts_with("Nothing"));
    let left = admin(&["invite", "list"]);
    assert!(left.contains("nurse"), "{left}");
}

/// The same by the server's own timer.
/// covers: operation removal timer
#[tokio::test]
async fn what_has_expired_is_removed_in_time() {
    let world = world_with(Setup::default().section("removal_interval_ms = 100")).await;
    let admin = |args: &[&str]| world.server.admin(args, "").unwrap();
    for round in 1..=2 {
        admin(&["invite", "create", "--lifetime", "0s"]);
        let removed =
            || world.server.log().matches("expired tokens, invitations and items were removed").count();
        let seen = async {
            while removed() < round {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, seen).await.expect("the timer fires");
    }
    assert!(admin(&["upkeep"]).starts_with("Nothing"));
}
