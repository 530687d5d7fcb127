//! Messages in JSON and in XMPP: each row of `docs/messages.md`, from one face to the other and back, as it comes and from the
//! archive.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use waxwing_tests::json::{Json, by_password};
use waxwing_tests::world::password;
use waxwing_tests::xml::{CLIENT, Element};
use waxwing_tests::{Client, Setup, World, pattern};

use crate::world::world_with;

const TABLES: &str = include_str!("../../docs/messages.md");
const DESCRIPTION: &str = include_str!("../../docs/openrpc.json");

const ROMEO: &str = "romeo@example.org";
const JULIET: &str = "juliet@example.org";
const HALL: &str = "hall@rooms.example.org";

const MAM: &str = "urn:xmpp:mam:2";
const FORWARD: &str = "urn:xmpp:forward:0";
const JSON: &str = "urn:xmpp:json:0";

/// A row of a table.
#[derive(Debug, Clone)]
struct Row {
    json: Value,
    xml: String,
    from_json: bool,
    from_xmpp: bool,
    in_room: bool,
}

/// The rows of the table under a heading. The last column says which ways they hold.
fn rows(heading: &str) -> Vec<Row> {
    let section = TABLES.split("\n## ").find(|section| section.starts_with(heading)).expect("the section");
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let rows = lines.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(|cell| cell.trim()).collect();
        let [_, json, xml, place] = cells[..] else { panic!("four cells: {line}") };
        let code = |cell: &str| cell.trim_matches('`').to_owned();
        Row {
            json: serde_json::from_str(&code(json)).unwrap_or_else(|error| panic!("{json}: {error}")),
            xml: code(xml),
            from_json: place != "from XMPP",
            from_xmpp: place != "from JSON",
            in_room: place == "in rooms",
        }
    });
    rows.collect()
}

/// Everything in the first column of all tables.
fn fields_in_tables() -> BTreeSet<&'static str> {
    let rows = TABLES.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|line| line.split('`').nth(1)).collect()
}

/// A page of Romeo's and a client of Juliet's.
struct Stage {
    world: World,
    romeo: Json,
    juliet: Client,
    count: u32,
}

/// A message that others speak of, or something is done to.
struct Known {
    origin: String,
    id: String,
}

impl Stage {
    async fn set() -> Self {
        let files = "[files]\nurl = \"https://example.org/files/\"";
        let world = world_with(Setup::default().domains(&["example.org"]).section(files)).await;
        world.user("romeo");
        let mut romeo = Json::connect(&world.server).await.expect("connected");
        romeo.ask("session.sign_in", by_password(ROMEO, &password("romeo"), "page")).await;
        romeo.ask("sync.open", json!({})).await;
        let mut juliet = world.online("juliet/balcony").await;
        let hall = json!({ "name": "Hall", "address": "hall", "public": true, "members_only": false });
        romeo.ask("room.create", hall).await;
        let enter = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>";
        juliet.send(&format!("<presence to='{HALL}/juliet'>{enter}</presence>")).await;
        juliet.settle().await;
        juliet.clear().await;
        Self { world, romeo, juliet, count: 0 }
    }

    fn next(&mut self) -> String {
        self.count += 1;
        format!("n{}", self.count)
    }

    /// The next message that Juliet is told.
    async fn heard(&mut self) -> Element {
        self.juliet.next().await.unwrap_or_else(|error| panic!("{error:#}\n{}", self.world.server.log()))
    }

    /// Something that Romeo has said to Juliet.
    async fn known(&mut self) -> Known {
        let origin = self.next();
        let said = json!({ "conversation": JULIET, "client_id": origin, "text": "But soft" });
        let id = text(&self.romeo.ask("message.send", said).await["message"]["id"]);
        self.heard().await;
        Known { origin, id }
    }

    /// Something that Juliet has said to Romeo.
    async fn known_of_juliet(&mut self) -> Known {
        let origin = self.next();
        let id = self.say(JULIET, &origin, "<body>But soft</body>").await["id"].clone();
        Known { origin, id: text(&id) }
    }

    /// Juliet sends this, and Romeo is told a message.
    async fn say(&mut self, conversation: &str, id: &str, content: &str) -> Value {
        let (to, kind) = if conversation == HALL { (HALL, "groupchat") } else { (ROMEO, "chat") };
        self.juliet.send(&format!("<message to='{to}' type='{kind}' id='{id}'>{content}</message>")).await;
        self.romeo.event("message").await["message"].clone()
    }

    /// Every message in Juliet's archive, or in the room's, the oldest first.
    async fn archived(&mut self, of: Option<&str>) -> Vec<Element> {
        self.juliet.clear().await;
        let set = "<set xmlns='http://jabber.org/protocol/rsm'><max>100</max></set>";
        self.juliet.ask("set", of, &format!("<query xmlns='{MAM}' queryid='q'>{set}</query>")).await;
        let results = self.juliet.drain().await;
        let forwarded = results.iter().filter_map(|result| result.find(FORWARD, "forwarded"));
        forwarded.filter_map(|forwarded| forwarded.child(CLIENT, "message").cloned()).collect()
    }

    /// The message as the archive of the JSON face has it.
    async fn kept(&mut self, conversation: &str, id: &Value) -> Value {
        let asked = json!({ "conversation": conversation, "limit": 100 });
        let page = self.romeo.ask("conversation.history", asked).await;
        let messages = page["messages"].as_array().expect("messages");
        messages
            .iter()
            .find(|message| message["id"] == *id)
            .unwrap_or_else(|| panic!("{id} in {page}"))
            .clone()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}

fn filled(template: &str, known: &Known) -> String {
    template
        .replace("ORIGIN", &known.origin)
        .replace("\"ID\"", &format!("\"{}\"", known.id))
        .replace("'ID'", &format!("'{}'", known.id))
        .replace(">ID<", &format!(">{}<", known.id))
}

/// What is sent to the JSON face: an answer names the message alone.
fn request(json: &Value) -> Map<String, Value> {
    let mut request = json.as_object().expect("fields").clone();
    if let Some(answered) = request.get("reply_to").map(|reply| reply["id"].clone()) {
        request.insert("reply_to".to_owned(), answered);
    }
    request
}

/// Every field of a row is shown so; in what holds more, what stands in the row.
fn assert_shown(shown: &Value, expected: &Value, row: &Row) {
    for (field, value) in expected.as_object().expect("fields") {
        match field.as_str() {
            "reply_to" => assert_eq!(shown["reply_to"]["id"], value["id"], "{row:?}: {shown}"),
            _ => assert_eq!(shown[field], *value, "{field} of {row:?}: {shown}"),
        }
    }
}

/// Objects of JSON have braces, which stand for something else in patterns: their content is compared by itself.
fn assert_xml(actual: &Element, content: &str, more: &str, row: &Row) {
    let whole = Element::parse(&format!("<message>{content}</message>")).expect("XML");
    let mut wanted = content.to_owned();
    for value in jsons(&whole) {
        wanted = wanted.replace(&value, "{any}");
    }
    let wanted = format!("<message from='{{any}}' _='...'>{wanted}{more}</message>");
    let wanted = Element::parse(&wanted).unwrap_or_else(|error| panic!("{wanted}: {error:#}"));
    let own = format!("{JULIET}/balcony");
    let compared = pattern::compare(&wanted, actual, Some(&own), &mut BTreeMap::new());
    compared.unwrap_or_else(|why| panic!("{why}\n{row:?}\n{actual}"));
    let values = |element: &Element| -> Vec<Value> {
        jsons(element).iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
    };
    assert_eq!(values(actual), values(&whole), "{row:?}");
}

/// The texts of all elements that hold JSON.
fn jsons(element: &Element) -> Vec<String> {
    let own = element.is(JSON, "json").then(|| element.text());
    own.into_iter().chain(element.children().flat_map(jsons)).collect()
}

/// What stands beside the content of whatever the JSON face sends.
const BESIDE: &str =
    "<origin-id xmlns='urn:xmpp:sid:0' id='{any}'/><markable xmlns='urn:xmpp:chat-markers:0'/>";
const IN_ROOMS: &str = "{...}";

#[tokio::test]
async fn what_a_message_says_is_the_same_on_both_faces() {
    let mut stage = Stage::set().await;
    for row in rows("What a message says") {
        let (conversation, archive, beside) = match row.in_room {
            true => (HALL, Some(HALL), IN_ROOMS),
            false => (JULIET, None, BESIDE),
        };
        let known = stage.known().await;
        let expected: Value = serde_json::from_str(&filled(&row.json.to_string(), &known)).expect("JSON");
        let content = filled(&row.xml, &known);
        if row.from_json {
            let client_id = stage.next();
            let mut said = request(&expected);
            said.insert("conversation".to_owned(), json!(conversation));
            said.insert("client_id".to_owned(), json!(client_id));
            let answer = stage.romeo.ask("message.send", Value::Object(said)).await["message"].clone();
            assert_shown(&answer, &expected, &row);
            let heard = stage.heard().await;
            assert_xml(&heard, &content, beside, &row);
            assert_eq!(heard.attr("id"), Some(&*client_id));
            let archived = stage.archived(archive).await;
            assert_xml(archived.last().expect("a message"), &content, beside, &row);
            let kept = stage.kept(conversation, &answer["id"]).await;
            assert_shown(&kept, &expected, &row);
            stage.romeo.told();
        }
        if row.from_xmpp {
            let id = stage.next();
            // The root of a thread is told once more, with what was answered.
            let mut told = stage.say(conversation, &id, &content).await;
            while told["client_id"] != *id {
                told = stage.romeo.event("message").await["message"].clone();
            }
            assert_shown(&told, &expected, &row);
            let kept = stage.kept(conversation, &told["id"]).await;
            assert_shown(&kept, &expected, &row);
            stage.juliet.settle().await;
            stage.juliet.clear().await;
        }
    }
}

/// What is shown of a message to which something was done.
fn done(row: &Row, by: &str) -> Value {
    match row.json["method"].as_str().expect("a method") {
        "message.edit" => json!({ "text": row.json["text"] }),
        "message.react" => {
            let emojis = row.json["emojis"].as_array().expect("emojis").iter();
            json!({ "reactions": emojis.map(|emoji| json!({ "emoji": emoji, "by": [by] })).collect::<Vec<_>>() })
        }
        "message.recall" => json!({ "text": "", "reactions": null }),
        other => panic!("what does {other} do?"),
    }
}

#[tokio::test]
async fn what_is_done_to_a_message_is_the_same_on_both_faces() {
    let mut stage = Stage::set().await;
    let field = |row: &Row| match row.json["method"].as_str() {
        Some("message.edit") => "edited",
        Some("message.react") => "reactions",
        _ => "recalled",
    };
    for row in rows("What is done to a message") {
        let known = stage.known().await;
        let mut request = row.json.as_object().expect("fields").clone();
        let method = text(&request.remove("method").expect("a method"));
        request.insert("conversation".to_owned(), json!(JULIET));
        request.insert("id".to_owned(), json!(known.id));
        let answer = stage.romeo.ask(&method, Value::Object(request)).await["message"].clone();
        assert_shown(&answer, &done(&row, ROMEO), &row);
        assert!(!answer[field(&row)].is_null(), "{row:?}: {answer}");
        let content = filled(&row.xml, &known);
        let about = filled("<about xmlns='urn:waxwing:message:0' id='ID'/>", &known);
        let beside = format!("{about}<origin-id xmlns='urn:xmpp:sid:0' id='{{any}}'/>");
        let heard = stage.heard().await;
        assert_xml(&heard, &content, &beside, &row);
        let archived = stage.archived(None).await;
        assert_xml(archived.last().expect("a message"), &content, &beside, &row);
        assert_shown(&stage.kept(JULIET, &json!(known.id)).await, &done(&row, ROMEO), &row);
        stage.romeo.told();

        let known = stage.known_of_juliet().await;
        let id = stage.next();
        let told = stage.say(JULIET, &id, &filled(&row.xml, &known)).await;
        assert_eq!(told["id"], json!(known.id), "{row:?}");
        assert_shown(&told, &done(&row, JULIET), &row);
        assert!(!told[field(&row)].is_null(), "{row:?}: {told}");
        assert_eq!(stage.kept(JULIET, &told["id"]).await, told, "{row:?}");
        stage.juliet.settle().await;
        stage.juliet.clear().await;
    }
}

#[tokio::test]
async fn what_every_message_has_comes_from_where_the_table_says() {
    let mut stage = Stage::set().await;
    let said = json!({ "conversation": JULIET, "client_id": "c1", "text": "But soft" });
    let sent = stage.romeo.ask("message.send", said).await["message"].clone();
    let heard = stage.heard().await;
    let origin = heard.child("urn:xmpp:sid:0", "origin-id").and_then(|origin| origin.attr("id"));
    assert_eq!((origin, heard.attr("id")), (Some("c1"), Some("c1")));
    let given =
        heard.child("urn:xmpp:sid:0", "stanza-id").and_then(|given| given.attr("id").map(str::to_owned));
    assert_eq!(given.as_deref(), sent["id"].as_str());
    let told = stage.say(JULIET, "x1", "<body>Ay me</body>").await;
    assert_eq!(
        (&told["client_id"], &told["conversation"], &told["from"]["address"], &told["kind"]),
        (&json!("x1"), &json!(JULIET), &json!(JULIET), &json!("message"))
    );
    let origin = "<body>He speaks</body><origin-id xmlns='urn:xmpp:sid:0' id='o2'/>";
    assert_eq!(stage.say(JULIET, "x2", origin).await["client_id"], "o2");
    assert!(told["position"].as_u64() > sent["position"].as_u64());
    let answered = format!("<body>I shall</body><thread>{}</thread>", text(&sent["id"]));
    let root = stage.say(JULIET, "x3", &answered).await;
    assert_eq!((&root["id"], &root["replies"]["count"]), (&sent["id"], &json!(1)));
    assert_eq!(root["replies"]["people"], json!([JULIET]));
}

/// Each field of a message stands in a table, and nothing else does.
#[test]
fn the_tables_hold_every_field() {
    let document: Value = serde_json::from_str(DESCRIPTION).expect("JSON");
    let message = &document["components"]["schemas"]["Message"]["properties"];
    let fields: BTreeSet<&str> = message.as_object().expect("fields").keys().map(String::as_str).collect();
    assert_eq!(fields_in_tables(), fields);
}
