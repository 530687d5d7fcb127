//! Sends something hostile and reports what the server made of it.

use std::time::Duration;

use tokio::time::timeout;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::xml::{Element, Item, STREAMS};
use waxwing_tests::{Client, World};

const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";

/// How the server ended a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The condition of the stream error, if there was one.
    pub(crate) condition: Option<String>,
    /// Elements that came before it.
    pub(crate) before: Vec<Element>,
}

/// Writes bytes, although the server may hang up in the middle of them, and reads until the connection ends. That it
/// does end is part of what is tested: a server that keeps it open fails here.
pub(crate) async fn provoke(client: &mut Client, bytes: &[u8]) -> End {
    // The server reads no further than what it refuses, so the rest need not be taken.
    let sent = timeout(PATIENCE, client.transport_mut().write(bytes)).await;
    assert!(sent.is_ok(), "the server neither reads nor hangs up");
    end(client).await
}

/// Reads until the connection ends.
pub(crate) async fn end(client: &mut Client) -> End {
    let mut end = End { condition: None, before: Vec::new() };
    loop {
        match client.next_item().await {
            Ok(Some(Item::Element(element))) if element.is(STREAMS, "error") => {
                let condition = element.children().find(|child| child.ns == STREAM_ERRORS);
                end.condition = condition.map(|condition| condition.name.clone());
            }
            Ok(Some(Item::Element(element))) => end.before.push(element),
            Ok(Some(Item::Open(_) | Item::Close)) => {}
            Ok(None) => return end,
            Err(error) => panic!("{error:#}\n{}", client.said()),
        }
    }
}

/// How far a hostile stream has come before it turns hostile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was said.
    Connected,
    /// The stream is open, without TLS.
    Opened,
    /// A resource is bound, under TLS.
    Bound,
    /// The same on a WebSocket.
    WebSocket,
}

impl Stage {
    /// Comes this far as `mallory`.
    pub(crate) async fn reach(self, world: &World) -> Client {
        match self {
            Self::Connected => world.plain().await,
            Self::Opened => {
                let mut client = world.plain().await;
                client.open().await.unwrap();
                client
            }
            Self::Bound => world.connected("mallory/").await,
            Self::WebSocket => {
                world.user("mallory");
                let mut client = world.websocket().await;
                client.open().await.unwrap();
                let secret = waxwing_tests::world::password("mallory");
                client.sign_in("mallory", &secret, "").await.unwrap();
                client
            }
        }
    }
}

/// Microseconds, for people.
pub(crate) fn microseconds(time: Duration) -> String {
    format!("{:.0} us", time.as_secs_f64() * 1e6)
}
