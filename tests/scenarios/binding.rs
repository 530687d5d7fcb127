//! Resource binding: RFC 6120 section 7.

use waxwing_tests::login::BIND;

use crate::world::world;

const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// covers: RFC 6120 7.3.1; RFC 6120 7.4
#[tokio::test]
async fn binding_is_offered_after_signing_in() {
    let world = world().await;
    assert!(world.secured().await.features.child(BIND, "bind").is_none());
    assert!(world.authenticated("romeo").await.features.child(BIND, "bind").is_some());
}

/// covers: RFC 6120 7.6.1
#[tokio::test]
async fn the_server_makes_a_resource() {
    let world = world().await;
    let one = world.connected("romeo/").await;
    let other = world.connected("romeo/").await;
    assert!(one.full().starts_with("romeo@localhost/"), "{}", one.full());
    assert_ne!(one.full(), other.full());
}

/// covers: RFC 6120 7.7.1
#[tokio::test]
async fn the_client_names_its_resource() {
    let world = world().await;
    for resource in ["orchard", "with space", "\u{6f22}\u{5b57}", "a/b@c"] {
        let client = world.connected(&format!("romeo/{resource}")).await;
        assert_eq!(client.full(), format!("romeo@localhost/{resource}"));
    }
}

/// covers: RFC 6120 7.7.2.1; RFC 6120 7.6.2.1
#[tokio::test]
async fn a_resource_that_is_none_is_refused() {
    let world = world().await;
    let mut client = world.authenticated("romeo").await;
    let resources =
        [format!("<resource>{}</resource>", "x".repeat(1024)), "<resource>a&#x7f;b</resource>".to_owned()];
    for wish in resources {
        let answer = client.ask("set", None, &format!("<bind xmlns='{BIND}'>{wish}</bind>")).await;
        assert_eq!(answer.attr("type"), Some("error"), "{answer}");
        assert!(answer.find(STANZAS, "bad-request").is_some(), "{answer}");
    }
    client.bind("orchard").await.unwrap();
}

/// covers: RFC 6120 7.7.2.2 same name
#[tokio::test]
async fn a_second_binding_on_a_stream_is_refused() {
    let world = world().await;
    let mut client = world.connected("romeo/orchard").await;
    let wish = format!("<bind xmlns='{BIND}'><resource>other</resource></bind>");
    let answer = client.ask("set", None, &wish).await;
    assert_eq!(answer.attr("type"), Some("error"), "{answer}");
}

/// covers: RFC 6121 1.4
#[tokio::test]
async fn the_session_of_old_clients_is_answered() {
    let world = world().await;
    let mut client = world.authenticated("romeo").await;
    let session = "urn:ietf:params:xml:ns:xmpp-session";
    if let Some(offer) = client.features.child(session, "session") {
        assert!(offer.child(session, "optional").is_some(), "{offer}");
    }
    client.bind("orchard").await.unwrap();
    let answer = client.ask("set", None, &format!("<session xmlns='{session}'/>")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
}
