//! The JSON face: what is another's is not there, for every method and in every way to name it; what makes no sense is refused
//! by its field. The matrix is drawn from the server's own description, so that nothing new can be left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use waxwing_tests::json::{Json, by_password};
use waxwing_tests::receiver::Receiver;
use waxwing_tests::world::password;
use waxwing_tests::{Setup, World};

use crate::world::{figure, world, world_with};

/// The description of the face, which the checks of the project hold true.
const DESCRIPTION: &str = include_str!("../../docs/openrpc.json");

/// Fields that name something which may be another's.
const NAMING: [&str; 5] = ["conversation", "room", "id", "root", "endpoint"];

/// Methods that name nothing which could be another's: they act on the account that asks, make something new, or tell what
/// everybody may know. Whoever adds a method thinks about it here.
const OWN: [&str; 38] = [
    "contact.accept",
    "contact.add",
    "contact.block",
    "contact.change",
    "contact.list",
    "contact.refuse",
    "contact.remove",
    "contact.unblock",
    "conversation.list",
    "device.list",
    "file.begin",
    "inbox.mentions",
    "inbox.saved",
    "people.get",
    "people.search",
    "preferences.change",
    "preferences.get",
    "presence.set",
    "presence.watch",
    "profile.change",
    "profile.get",
    "profile.set_avatar",
    "profile.set_password",
    "push.key",
    "room.browse",
    "room.create",
    "scheduled.list",
    "session.active",
    "session.ping",
    "session.renew",
    "session.sign_in",
    "session.sign_out",
    "sync.changes",
    "sync.open",
    "thread.list",
    "token.create",
    "token.list",
    // Asks whose push services it names, and keeps its own subscription alone.
    "push.subscribe",
];

/// What stands in everything that is said where the attacker may not read.
const SECRET: &str = "nightingale";

const ROMEO: &str = "romeo@localhost";
const JULIET: &str = "juliet@localhost";
const TYBALT: &str = "tybalt@localhost";
const HALL: &str = "hall@rooms.localhost";
const OWN_ROOM: &str = "street@rooms.localhost";

/// A method as it is described: its name, its fields, and which of them have to be there.
struct Method {
    name: String,
    fields: Map<String, Value>,
    required: Vec<String>,
}

fn methods() -> Vec<Method> {
    let document: Value = serde_json::from_str(DESCRIPTION).expect("JSON");
    let described = document["methods"].as_array().expect("methods").iter().map(|method| {
        let reference = method["params"][0]["schema"]["$ref"].as_str().expect("a type");
        let schema = document.pointer(reference.trim_start_matches('#')).expect("a schema");
        let required = schema["required"].as_array().into_iter().flatten();
        Method {
            name: method["name"].as_str().expect("a name").to_owned(),
            fields: schema["properties"].as_object().cloned().unwrap_or_default(),
            required: required.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        }
    });
    described.collect()
}

impl Method {
    fn names_something(&self) -> bool {
        NAMING.iter().any(|field| self.fields.contains_key(*field))
    }

    fn group(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// Two people who talk with each other and in a room of theirs, and what they keep.
struct Stage {
    world: World,
    romeo: Json,
    juliet: Json,
    /// The ids of what is theirs, by what it is.
    ids: BTreeMap<&'static str, String>,
    /// Where Romeo is pushed to, and its address.
    receiver: Receiver,
    endpoint: String,
    /// A moment in a day.
    later_ms: u64,
}

async fn page(world: &World, user: &str) -> Json {
    world.user(user);
    let device = format!("device of {user}");
    let signed_in = Json::signed_in(&world.server, user, &device).await;
    let mut client = signed_in.unwrap_or_else(|error| panic!("{error:#}")).0;
    client.ask("sync.open", json!({})).await;
    client
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

async fn say(client: &mut Json, conversation: &str, client_id: &str) -> String {
    let said = json!({ "conversation": conversation, "client_id": client_id, "text": format!("{SECRET} {client_id}") });
    text(&client.ask("message.send", said).await["message"]["id"])
}

impl Stage {
    async fn set() -> Self {
        let section = "[integrations]\nprivate_networks = [\"127.0.0.0/8\"]";
        let world = world_with(Setup::default().section(section)).await;
        let receiver = Receiver::start().await;
        let (mut romeo, mut juliet) = (page(&world, "romeo").await, page(&world, "juliet").await);
        let hall = json!({ "name": SECRET, "address": "hall", "public": false, "members_only": true, "members": [ROMEO] });
        juliet.ask("room.create", hall).await;
        let now_ms = romeo.ask("session.ping", json!({})).await["time_ms"].as_u64().expect("a time");
        let later_ms = now_ms + 86_400_000;
        let mut ids = BTreeMap::new();
        ids.insert("direct", say(&mut romeo, JULIET, "d1").await);
        let message = say(&mut romeo, HALL, "r1").await;
        let answer = json!({ "conversation": HALL, "client_id": "r2", "text": SECRET, "thread": message });
        juliet.ask("message.send", answer).await;
        juliet.ask("message.pin", json!({ "conversation": HALL, "id": message, "pinned": true })).await;
        romeo.ask("message.save", json!({ "conversation": HALL, "id": message, "saved": true })).await;
        let draft = json!({ "conversation": HALL, "draft": { "text": SECRET } });
        romeo.ask("conversation.draft", draft).await;
        romeo
            .ask("conversation.configure", json!({ "conversation": HALL, "settings": { "favourite": true } }))
            .await;
        let later = json!({ "conversation": HALL, "at_ms": later_ms, "text": SECRET });
        ids.insert("scheduled", text(&romeo.ask("scheduled.create", later).await["scheduled"]["id"]));
        let token = json!({ "name": SECRET, "scopes": ["people"] });
        ids.insert("token", text(&romeo.ask("token.create", token).await["token"]["id"]));
        ids.insert("device", "device of romeo".to_owned());
        ids.insert("message", message);
        let endpoint = format!("http://{}/send/romeo", receiver.address);
        // The device's key of RFC 8291 appendix A.
        let keys = json!({
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        });
        romeo.ask("push.subscribe", json!({ "endpoint": endpoint, "keys": keys })).await;
        Self { world, romeo, juliet, ids, receiver, endpoint, later_ms }
    }

    /// All that the two can see of what is theirs.
    async fn seen(&mut self) -> Vec<Value> {
        let mut seen = Vec::new();
        for client in [&mut self.romeo, &mut self.juliet] {
            for (method, params) in [
                ("conversation.list", json!({})),
                ("conversation.history", json!({ "conversation": HALL })),
                ("conversation.history", json!({ "conversation": JULIET })),
                ("conversation.pins", json!({ "conversation": HALL })),
                ("room.get", json!({ "room": HALL })),
                ("room.members", json!({ "room": HALL })),
                ("contact.list", json!({})),
                ("inbox.saved", json!({})),
                ("preferences.get", json!({})),
                ("profile.get", json!({})),
                ("scheduled.list", json!({})),
                ("thread.list", json!({})),
                ("token.list", json!({})),
            ] {
                let answer = client.ask(method, params).await;
                seen.push(json!({ "method": method, "answer": answer }));
            }
        }
        seen
    }

    /// A value that a field can have, from what is the two's own.
    fn value(&self, method: &Method, field: &str) -> Value {
        match field {
            "room" | "conversation" => json!(HALL),
            "id" => json!(match method.group() {
                "message" => &self.ids["message"],
                "scheduled" => &self.ids["scheduled"],
                "device" => &self.ids["device"],
                "token" => &self.ids["token"],
                group => panic!("{}: what does `id` name in the group {group}?", method.name),
            }),
            "root" | "thread" | "reply_to" => json!(self.ids["message"]),
            "endpoint" => json!(self.endpoint),
            "address" => json!(if method.name == "room.set_role" { TYBALT } else { ROMEO }),
            "addresses" => json!([TYBALT]),
            "role" => json!("owner"),
            "position" => json!(4_000_000_000_000_u64),
            "at_ms" => json!(self.later_ms),
            "settings" => json!({ "favourite": false, "hidden": true }),
            "draft" => json!({ "text": "mine" }),
            "state" => json!("composing"),
            "text" => json!("a plague"),
            "client_id" => json!("t1"),
            "emojis" => json!(["👎"]),
            "pinned" | "saved" | "following" | "archived" => json!(false),
            "name" | "topic" | "description" => json!("a plague"),
            field => panic!("{}: what does the field `{field}` stand for?", method.name),
        }
    }

    /// Ways to name what is the two's own.
    fn ways(&self, method: &Method) -> Vec<Value> {
        let mut plain = Map::new();
        for field in &method.required {
            plain.insert(field.clone(), self.value(method, field));
        }
        // What need not be there, and names something or says what is changed.
        for field in ["conversation", "text", "name", "topic", "archived", "thread", "reply_to", "draft"] {
            if method.fields.contains_key(field) && field != "thread" && field != "reply_to" {
                plain.insert(field.to_owned(), self.value(method, field));
            }
        }
        let mut ways = vec![Value::Object(plain.clone())];
        // In a room of one's own, about what was said in another.
        for field in ["reply_to", "thread"].into_iter().filter(|field| method.fields.contains_key(*field)) {
            let mut about = plain.clone();
            about.insert("conversation".to_owned(), json!(OWN_ROOM));
            about.insert("client_id".to_owned(), json!(format!("about {field}")));
            about.insert(field.to_owned(), self.value(method, field));
            ways.push(Value::Object(about));
        }
        if method.group() == "message" || method.group() == "thread" {
            let named = if method.fields.contains_key("root") { "root" } else { "id" };
            for conversation in [JULIET, ROMEO, TYBALT, OWN_ROOM] {
                for id in [&self.ids["direct"], &self.ids["message"]] {
                    if method.fields.contains_key(named) {
                        let mut other = plain.clone();
                        other.insert("conversation".to_owned(), json!(conversation));
                        other.insert(named.to_owned(), json!(id));
                        ways.push(Value::Object(other));
                    }
                }
            }
        }
        ways
    }
}

/// Nobody reads, changes or finds what is another's, whatever he asks and however he names it.
#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let mut stage = Stage::set().await;
    let mut tybalt = page(&stage.world, "tybalt").await;
    let own = json!({ "name": "Street", "address": "street", "public": false, "members_only": true });
    tybalt.ask("room.create", own).await;
    // He was there once, and knows every name and id.
    let member = |role: &str| json!({ "room": HALL, "address": TYBALT, "role": role });
    stage.juliet.ask("room.set_role", member("member")).await;
    let read = tybalt.ask("conversation.history", json!({ "conversation": HALL })).await;
    assert!(read.to_string().contains(SECRET), "{read}");
    stage.juliet.ask("room.set_role", member("none")).await;
    while tybalt.event("conversation_removed").await["address"] != HALL {}
    let before = stage.seen().await;
    stage.romeo.told();
    stage.juliet.told();
    let (mut tried, mut harmless) = (0, Vec::new());
    for method in methods() {
        if OWN.contains(&&*method.name) {
            assert!(
                !method.names_something() || method.name == "push.subscribe",
                "{} names something",
                method.name
            );
            continue;
        }
        assert!(method.names_something(), "{} is not known here", method.name);
        for params in stage.ways(&method) {
            let answer = tybalt.call(&method.name, params.clone()).await.expect("an answer");
            let said = answer.to_string();
            assert!(!said.contains(SECRET), "{} {params}: {answer}", method.name);
            match answer["error"]["data"]["condition"].as_str() {
                Some("not_found" | "forbidden" | "not_allowed") => {}
                Some(other) => panic!("{} {params}: refused as {other}: {answer}", method.name),
                None if method.name != "push.unsubscribe" && params["conversation"] != OWN_ROOM => {
                    panic!("{} {params}: carried out: {answer}", method.name)
                }
                None => harmless.push(format!("{} {params}: {}", method.name, answer["result"])),
            }
            tried += 1;
        }
    }
    println!("{}", harmless.join("\n"));
    assert_eq!(stage.seen().await, before, "something has changed");
    for (name, client) in [("Romeo", &mut stage.romeo), ("Juliet", &mut stage.juliet)] {
        assert_eq!(client.told(), [Value::Null; 0], "{name} was told something");
    }
    let found = tybalt.ask("search.messages", json!({ "text": SECRET })).await;
    assert_eq!(found["messages"], json!([]));
    let said = tybalt.ask("conversation.history", json!({ "conversation": OWN_ROOM })).await;
    assert!(!said.to_string().contains(SECRET), "{said}");
    // His subscription is still there.
    stage.romeo.ask("session.active", json!({ "active": false })).await;
    say(&mut stage.juliet, ROMEO, "d2").await;
    assert!(stage.receiver.next().await.head.starts_with("POST /send/romeo "));
    figure(&format!(
        "JSON: {tried} requests for what is another's, {} of them without effect",
        harmless.len()
    ));
}

/// Before somebody has signed in there is one method.
#[tokio::test]
async fn nothing_is_done_before_signing_in() {
    let world = world().await;
    world.user("romeo");
    let mut tried = 0;
    for method in methods().iter().filter(|method| method.name != "session.sign_in") {
        let mut client = Json::connect(&world.server).await.expect("connected");
        let refused = client.refused(&method.name, json!({ "conversation": ROMEO, "room": HALL })).await;
        assert_eq!(refused["data"]["condition"], "unauthorized", "{}", method.name);
        tried += 1;
    }
    figure(&format!("JSON: {tried} methods before signing in, 0 carried out"));
}

/// Texts that are no address, or the address of something that no account can be.
fn no_addresses() -> Vec<String> {
    let more = [
        "x".repeat(4_000),
        format!("{}@localhost", "x".repeat(1_100)),
        format!("romeo@{}", "x.".repeat(600)),
    ];
    let plain = [
        "",
        " ",
        "@",
        "romeo@",
        "@localhost",
        "romeo@localhost/",
        "romeo@localhost/orchard",
        "romeo@localhost@localhost",
        "ro meo@localhost",
        "ro\u{0}meo@localhost",
        "romeo@local host",
        "romeo@localhost\u{202e}",
        "<romeo@localhost>",
        "romeo'@localhost",
        "//localhost/romeo",
        "romeo@[::1",
        "\u{fffe}@localhost",
    ];
    plain.into_iter().map(str::to_owned).chain(more).collect()
}

/// What is no address is refused by the field in which it stands, and nothing is done.
#[tokio::test]
async fn what_is_no_address_is_refused_by_its_field() {
    let mut stage = Stage::set().await;
    let before = stage.seen().await;
    let mut romeo = page(&stage.world, "romeo").await;
    let mut tried = 0;
    for method in methods().iter().filter(|method| method.name != "session.sign_in") {
        for field in ["conversation", "room", "address", "addresses", "members"] {
            // The first part of an address, which is made of a room's name where it is absent.
            if !method.fields.contains_key(field) || (method.name == "room.create" && field == "address") {
                continue;
            }
            for wrong in no_addresses() {
                let mut params = Map::new();
                for required in &method.required {
                    let value = match (&*method.name, &**required) {
                        ("room.create", "public" | "members_only") => json!(false),
                        _ => stage.value(method, required),
                    };
                    params.insert(required.clone(), value);
                }
                let list = matches!(field, "addresses" | "members");
                params.insert(field.to_owned(), if list { json!([wrong]) } else { json!(wrong) });
                if method.name == "search.messages" {
                    params.insert("text".to_owned(), json!("x"));
                }
                let refused = romeo.refused(&method.name, Value::Object(params)).await;
                let data = &refused["data"];
                assert_eq!(
                    data["condition"], "invalid_params",
                    "{} {field} {wrong:?}: {refused}",
                    method.name
                );
                assert!(
                    data["field"].as_str().is_some_and(|named| named.starts_with(field)),
                    "{} {field} {wrong:?}: {refused}",
                    method.name
                );
                tried += 1;
            }
        }
    }
    assert_eq!(stage.seen().await, before, "something has changed");
    figure(&format!("JSON: {tried} requests with what is no address, 0 carried out"));
}

/// The kinds of JSON that a schema takes, as it calls them.
fn kinds(document: &Value, schema: &Value) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.trim_start_matches('#')).expect("a schema");
        return kinds(document, found);
    }
    let several = ["anyOf", "oneOf"].iter().filter_map(|name| schema[*name].as_array()).flatten();
    let mut all: Vec<String> = several.flat_map(|schema| kinds(document, schema)).collect();
    match &schema["type"] {
        Value::String(kind) => all.push(kind.clone()),
        Value::Array(kinds) => all.extend(kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned))),
        _ if !schema["const"].is_null() || !schema["enum"].is_null() => all.push("string".to_owned()),
        _ => {}
    }
    all
}

/// Values of every kind where another is due: each is refused by its field, and the connection goes on.
#[tokio::test]
async fn values_of_another_kind_are_refused() {
    let world = world().await;
    let mut romeo = page(&world, "romeo").await;
    let document: Value = serde_json::from_str(DESCRIPTION).expect("JSON");
    let values = [
        ("object", json!({ "a": {} })),
        ("array", json!([[]])),
        ("integer", json!(-1)),
        ("integer", json!(18_446_744_073_709_551_615_u64)),
        ("number", json!(1.5)),
        ("number", json!(1e300)),
        ("boolean", json!(true)),
        ("string", json!("\u{0}")),
        ("null", Value::Null),
    ];
    let mut tried = 0;
    let all = methods();
    for method in all.iter().filter(|method| method.name != "session.sign_in") {
        for (field, schema) in &method.fields {
            let taken = kinds(&document, schema);
            assert!(!taken.is_empty(), "{}: of what kind is `{field}`?", method.name);
            let numbers = |kind: &str| kind == "integer" && taken.iter().any(|taken| taken == "number");
            for (kind, wrong) in values.iter().filter(|(kind, _)| !taken.iter().any(|taken| taken == kind)) {
                if numbers(kind) {
                    continue;
                }
                let params = json!({ (field.clone()): wrong });
                let refused = romeo.refused(&method.name, params.clone()).await;
                let data = &refused["data"];
                assert_eq!(data["condition"], "invalid_params", "{} {params}: {refused}", method.name);
                assert!(
                    data["field"].as_str().is_some_and(|named| named.starts_with(&**field)),
                    "{} {params}: {refused}",
                    method.name
                );
                tried += 1;
            }
        }
    }
    romeo.ask("session.ping", json!({})).await;
    figure(&format!("JSON: {tried} values of another kind, 0 taken"));
}

/// A page of another origin gets no socket, though its browser would send one.
#[tokio::test]
async fn pages_of_other_origins_get_no_socket() {
    let world = world().await;
    world.user("romeo");
    let here = &world.server.addresses().http;
    let (address, port) = here.rsplit_once(':').expect("an address");
    let others = [
        "null".to_owned(),
        "https://evil.example".to_owned(),
        format!("http://evil.example:{port}"),
        format!("http://localhost.evil.example:{port}"),
        format!("http://evil.localhost:{port}"),
        format!("http://localhost@evil.example:{port}"),
        format!("http://{address}:1"),
        format!("http://192.0.2.1:{port}"),
        "http://[::1]".to_owned(),
        "file://".to_owned(),
        "chrome-extension://abcdefghijklmnop".to_owned(),
        "http://localhost, http://evil.example".to_owned(),
        String::new(),
    ];
    for origin in &others {
        let headers = [("Sec-WebSocket-Protocol", "waxwing.v1"), ("Origin", origin)];
        let refused = Json::connect_with(&world.server, &headers).await;
        assert!(refused.err().is_some_and(|error| error.to_string().contains("403")), "{origin:?}");
    }
    for origin in
        ["http://localhost".to_owned(), format!("http://localhost:{port}"), format!("http://{here}")]
    {
        let headers = [("Sec-WebSocket-Protocol", "waxwing.v1"), ("Origin", &*origin)];
        let mut client = Json::connect_with(&world.server, &headers).await.expect("a page of this server");
        client.ask("session.sign_in", by_password("romeo", &password("romeo"), "page")).await;
    }
    figure(&format!("JSON: {} pages of other origins, 0 connected", others.len()));
}
