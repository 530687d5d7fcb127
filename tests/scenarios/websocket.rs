//! XMPP over WebSocket: RFC 7395, found by way of host-meta (XEP-0156).

use waxwing_tests::world::password;
use waxwing_tests::xml::STREAMS;
use waxwing_tests::{Client, World};

use crate::world::world;

const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";

async fn online(world: &World, user: &str, resource: &str) -> Client {
    world.user(user);
    let mut client = world.websocket().await;
    client.open().await.unwrap();
    client.sign_in(user, &password(user), resource).await.unwrap();
    client.send("<presence/>").await;
    client.clear().await;
    client
}

/// covers: RFC 7395 3.1; RFC 7395 3.3; RFC 7395 3.4
#[tokio::test]
async fn two_users_chat() {
    let world = world().await;
    let mut romeo = online(&world, "romeo", "orchard").await;
    let mut juliet = world.online("juliet/balcony").await;
    assert!(romeo.header.is(FRAMING, "open"), "{}", romeo.header);
    assert_eq!(romeo.header.attr("from"), Some("localhost"));
    assert_eq!(romeo.header.attr("version"), Some("1.0"));
    assert!(romeo.header.attr("id").is_some());
    romeo.send("<message to='juliet@localhost/balcony' type='chat'><body>1</body></message>").await;
    juliet.expect("<message from='romeo@localhost/orchard' type='chat'><body>1</body></message>").await;
    juliet.send("<message to='romeo@localhost/orchard' type='chat'><body>2</body></message>").await;
    romeo.expect("<message from='juliet@localhost/balcony' type='chat'><body>2</body></message>").await;
}

/// covers: RFC 7395 3.3.3; RFC 7395 3.9
#[tokio::test]
async fn features_are_without_starttls_and_carry_their_namespace() {
    let world = world().await;
    let mut client = world.websocket().await;
    client.open().await.unwrap();
    assert!(client.features.is(STREAMS, "features"));
    assert!(
        client.features.child("urn:ietf:params:xml:ns:xmpp-tls", "starttls").is_none(),
        "{}",
        client.features
    );
    assert!(!client.mechanisms().is_empty());
}

/// covers: RFC 7395 3.6; RFC 7395 3.6.1
#[tokio::test]
async fn a_stream_is_closed_by_both() {
    let world = world().await;
    let mut romeo = online(&world, "romeo", "orchard").await;
    romeo.send_raw(format!("<close xmlns='{FRAMING}'/>")).await.unwrap();
    romeo.expect_end().await;
}

/// covers: RFC 7395 3.5
#[tokio::test]
async fn an_error_is_followed_by_close() {
    let world = world().await;
    let mut romeo = online(&world, "romeo", "orchard").await;
    romeo.send_raw("<!-- no --><presence xmlns='jabber:client'/>").await.unwrap();
    romeo.expect_stream_error("restricted-xml").await;
    let mut client = world.websocket().await;
    client.send_raw(format!("<open xmlns='{FRAMING}' to='unknown.example' version='1.0'/>")).await.unwrap();
    client.read_header().await.unwrap();
    client.expect_stream_error("host-unknown").await;
}

/// covers: RFC 7395 3.3 frames
#[tokio::test]
async fn a_frame_holds_one_whole_element() {
    let world = world().await;
    for frame in [
        "<message xmlns='jabber:client'>",
        "<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>",
    ] {
        let mut romeo = online(&world, "romeo", "orchard").await;
        romeo.send_raw(frame).await.unwrap();
        let answer = romeo.next().await.unwrap();
        assert!(answer.is(STREAMS, "error"), "{frame}: {answer}");
    }
}

/// covers: RFC 7395 3.3.2
#[tokio::test]
async fn a_stream_header_is_not_for_a_websocket() {
    let world = world().await;
    let mut client = world.websocket().await;
    client
        .send_raw(format!(
            "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='{STREAMS}'>"
        ))
        .await
        .unwrap();
    while let Ok(Some(item)) = client.next_item().await {
        if let waxwing_tests::xml::Item::Element(element) = item {
            assert!(!element.is(STREAMS, "features"), "{element}");
        }
    }
}

/// covers: XEP-0198 WebSocket
#[tokio::test]
async fn a_stream_is_resumed_from_a_websocket_onto_tcp() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = online(&world, "romeo", "orchard").await;
    romeo.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    romeo.expect("<enabled xmlns='urn:xmpp:sm:3' id='{id}' resume='true' _='...'/>").await;
    romeo.cut();
    juliet.send("<message to='romeo@localhost/orchard' type='chat' id='m'><body>x</body></message>").await;
    juliet.settle().await;
    let mut again = world.authenticated("romeo").await;
    again.send("<resume xmlns='urn:xmpp:sm:3' h='0' previd='{id}'/>").await;
    again.expect("<resumed xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/>").await;
    let message = again.next().await.unwrap();
    assert_eq!(message.attr("id"), Some("m"), "{message}");
}

/// covers: RFC 7395 4; RFC 9266 2 WebSocket
#[tokio::test]
async fn channel_binding_works_through_a_websocket() {
    let world = world().await;
    world.user("romeo");
    let mut client = world.websocket().await;
    client.open().await.unwrap();
    if client.mechanisms().iter().any(|name| name == "SCRAM-SHA-256-PLUS") {
        let outcome = client.authenticate("SCRAM-SHA-256-PLUS", "romeo", &password("romeo")).await.unwrap();
        assert_eq!(outcome.name, "success", "{outcome}");
    }
}

/// covers: XEP-0156 3
#[tokio::test]
async fn host_meta_names_the_websocket() {
    let world = world().await;
    let port = world.server.addresses().https.rsplit(':').next().unwrap_or_default().to_owned();
    let url = format!("wss://localhost:{port}/xmpp-websocket");
    for path in ["/.well-known/host-meta", "/.well-known/host-meta.json"] {
        let (head, body) = world.get(path).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(body.contains("urn:xmpp:alt-connections:websocket") && body.contains(&url), "{body}");
    }
}

/// A page of a stranger's origin must not use the visitor's network position.
/// covers: RFC 7395 origin
#[tokio::test]
async fn pages_of_strangers_get_no_websocket() {
    let world = world().await;
    assert!(world.websocket_from("https://attacker.example").await.is_err());
}
