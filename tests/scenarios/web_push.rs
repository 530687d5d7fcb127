//! Web Push and tokens by way of the JSON face: a device asks for pushes, and a person makes a token for a program.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};
use waxwing_tests::receiver::Receiver;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::world::password;
use waxwing_tests::{Setup, World};

use crate::bots::ask;
use crate::world::world_with;

/// A program that speaks JSON and has signed in.
struct Page {
    socket: WebSocketStream<TcpStream>,
    id: u64,
}

impl Page {
    async fn sign_in(world: &World, user: &str) -> Self {
        world.user(user);
        let address = &world.server.addresses().http;
        let mut request = format!("ws://{address}/api/socket").into_client_request().expect("a request");
        request.headers_mut().insert("Sec-WebSocket-Protocol", "waxwing.v1".parse().expect("a value"));
        let stream = TcpStream::connect(address).await.expect("connected");
        let (socket, _) = client_async(request, stream).await.expect("a WebSocket");
        let mut page = Self { socket, id: 0 };
        let address = format!("{user}@localhost");
        let credentials = json!({"type": "password", "address": address, "password": password(user)});
        let client = json!({"name": "test", "device": "browser"});
        let params = json!({"protocol": 1, "credentials": credentials, "client": client});
        page.ask("session.sign_in", params).await.expect("signed in");
        page
    }

    /// The result, or the error's data.
    async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.id += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params});
        self.socket.send(Message::text(request.to_string())).await.expect("sent");
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await.expect("an answer in time");
            let Message::Text(text) = next.expect("the socket is open").expect("a frame") else { continue };
            let mut answer: Value = serde_json::from_str(&text).expect("JSON");
            if answer["id"] == json!(self.id) {
                let error = answer["error"]["data"].take();
                return if error.is_null() { Ok(answer["result"].take()) } else { Err(error) };
            }
        }
    }
}

fn keys() -> Value {
    // The device's key of RFC 8291 appendix A.
    json!({
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    })
}

#[tokio::test]
async fn a_browser_is_pushed_to_until_it_signs_out() {
    let section = "[integrations]\nprivate_networks = [\"127.0.0.0/8\"]";
    let world = world_with(Setup::default().section(section)).await;
    let mut receiver = Receiver::start().await;
    let mut page = Page::sign_in(&world, "romeo").await;
    let key = page.ask("push.key", json!({})).await.expect("a key");
    assert_eq!(key["key"].as_str().map(str::len), Some(87), "65 octets in base 64");
    let endpoint = format!("http://{}/send/romeo", receiver.address);
    let subscribe = json!({"endpoint": endpoint, "keys": keys()});
    page.ask("push.subscribe", subscribe).await.expect("subscribed");
    page.ask("session.active", json!({"active": false})).await.expect("noted");
    let mut juliet = world.online("juliet/balcony").await;
    juliet.send("<message to='romeo@localhost' type='chat'><body>Ay me!</body></message>").await;
    let posted = receiver.next().await;
    assert!(posted.head.starts_with("POST /send/romeo HTTP/1.1"), "{}", posted.head);
    assert_eq!(posted.header("content-encoding").as_deref(), Some("aes128gcm"));
    let authorization = posted.header("authorization").expect("who sends");
    assert!(authorization.ends_with(key["key"].as_str().expect("text")), "{authorization}");
    assert!(!String::from_utf8_lossy(&posted.body).contains("Ay me!"));
    page.ask("session.active", json!({"active": true})).await.expect("noted");
    page.ask("push.unsubscribe", json!({"endpoint": endpoint})).await.expect("unsubscribed");
    for (endpoint, keys, condition, field) in [
        ("https://10.0.0.1/x".to_owned(), keys(), "not_allowed", None),
        (endpoint.clone(), json!({"p256dh": "!", "auth": ""}), "invalid_params", Some("keys.p256dh")),
        (endpoint, json!({"p256dh": "AAAA", "auth": "AAAA"}), "invalid_params", None),
    ] {
        let refused = page.ask("push.subscribe", json!({"endpoint": endpoint, "keys": keys})).await;
        let refused = refused.expect_err("refused");
        assert_eq!(
            (&refused["condition"], refused["field"].as_str()),
            (&json!(condition), field),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_person_makes_tokens_for_himself() {
    let world = world_with(Setup::default()).await;
    let mut romeo = Page::sign_in(&world, "romeo").await;
    let made = json!({"name": "script", "scopes": ["people"]});
    let made = romeo.ask("token.create", made).await.expect("made");
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(ask(&world, &secret, "GET me", None).await.1["address"], json!("romeo@localhost"));
    let more = romeo.ask("token.create", json!({"name": "more", "scopes": ["admin:view"]})).await;
    assert_eq!(more.expect_err("refused")["condition"], json!("forbidden"));
    let unknown = romeo.ask("token.create", json!({"name": "x", "scopes": ["everything"]})).await;
    assert_eq!(unknown.expect_err("refused")["field"], json!("scopes"));
    let listed = romeo.ask("token.list", json!({})).await.expect("listed");
    assert_eq!(listed["tokens"][0]["id"], made["token"]["id"]);
    assert!(!listed.to_string().contains(&secret[17..]));
    let id = json!({"id": made["token"]["id"]});
    let mut tybalt = Page::sign_in(&world, "tybalt").await;
    let foreign = tybalt.ask("token.delete", id.clone()).await;
    assert_eq!(foreign.expect_err("refused")["condition"], json!("not_found"));
    romeo.ask("token.delete", id).await.expect("withdrawn");
    assert_eq!(ask(&world, &secret, "GET me", None).await.0, 401);
}
