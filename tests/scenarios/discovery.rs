//! What a client asks a server for: discovery, capabilities, ping, version, time, last activity, private data, states.

use waxwing_tests::Client;
use waxwing_tests::xml::Element;

use crate::world::world;

const INFO: &str = "http://jabber.org/protocol/disco#info";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

async fn info(client: &mut Client, to: &str, node: &str) -> Element {
    let node = if node.is_empty() { String::new() } else { format!(" node='{node}'") };
    let answer = client.ask("get", Some(to), &format!("<query xmlns='{INFO}'{node}/>")).await;
    answer.child(INFO, "query").unwrap_or_else(|| panic!("no information: {answer}")).clone()
}

fn features(query: &Element) -> Vec<&str> {
    query.children().filter(|child| child.name == "feature").filter_map(|child| child.attr("var")).collect()
}

fn identities(query: &Element) -> Vec<(&str, &str)> {
    let identity = |child: &&Element| child.name == "identity";
    query
        .children()
        .filter(identity)
        .filter_map(|child| Some((child.attr("category")?, child.attr("type")?)))
        .collect()
}

/// covers: XEP-0030 3.1; XEP-0030 3.2; XEP-0030 4.1
#[tokio::test]
async fn the_server_says_what_it_is() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let query = info(&mut romeo, "localhost", "").await;
    assert!(identities(&query).contains(&("server", "im")), "{query}");
    let offered = features(&query);
    for wanted in [
        INFO,
        ITEMS,
        "urn:xmpp:ping",
        "jabber:iq:version",
        "urn:xmpp:time",
        "jabber:iq:last",
        "urn:xmpp:blocking",
    ] {
        assert!(offered.contains(&wanted), "{wanted} is missing in {offered:?}");
    }
    let mut unique = offered.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), offered.len(), "a feature is listed twice: {offered:?}");
    let answer = romeo.ask("get", Some("localhost"), &format!("<query xmlns='{ITEMS}'/>")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    let answer =
        romeo.ask("get", Some("localhost"), &format!("<query xmlns='{INFO}' node='no-such-node'/>")).await;
    assert!(answer.find(STANZAS, "item-not-found").is_some(), "{answer}");
}

/// covers: XEP-0030 8; RFC 6121 2.1 presence
#[tokio::test]
async fn an_account_answers_who_may_see_it() {
    let world = world().await;
    let [mut romeo, mut juliet, mut tybalt] =
        world.all_online(["romeo/orchard", "juliet/balcony", "tybalt/street"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    let query = info(&mut romeo, "juliet@localhost", "").await;
    assert!(identities(&query).contains(&("account", "registered")), "{query}");
    let own = info(&mut romeo, "romeo@localhost", "").await;
    assert!(identities(&own).contains(&("account", "registered")), "{own}");
    // A stranger learns nothing, and nothing else about an account that does not exist.
    let mut answers = Vec::new();
    for to in ["juliet@localhost", "nobody@localhost"] {
        let answer = tybalt.ask("get", Some(to), &format!("<query xmlns='{INFO}'/>")).await;
        let error = answer.find(STANZAS, "service-unavailable").map(|condition| condition.name.clone());
        answers.push((answer.attr("type").map(str::to_owned), error));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0.as_deref(), Some("error"));
    let items = romeo.ask("get", Some("juliet@localhost"), &format!("<query xmlns='{ITEMS}'/>")).await;
    let jids: Vec<&str> =
        items.find(ITEMS, "query").expect("items").children().filter_map(|item| item.attr("jid")).collect();
    assert!(jids.is_empty() || jids.contains(&"juliet@localhost/balcony"), "{jids:?}");
}

/// covers: XEP-0115 6.1; XEP-0390 4
#[tokio::test]
async fn capabilities_name_what_discovery_says() {
    use base64::Engine as _;
    use sha1::Digest as _;
    let world = world().await;
    let client = world.authenticated("romeo").await;
    let caps = client.features.child("http://jabber.org/protocol/caps", "c").expect("XEP-0115").clone();
    drop(client);
    let mut romeo = world.online("romeo/orchard").await;
    let (node, ver) = (caps.attr("node").expect("a node"), caps.attr("ver").expect("a hash"));
    assert_eq!(caps.attr("hash"), Some("sha-1"));
    let query = info(&mut romeo, "localhost", &format!("{node}#{ver}")).await;
    // XEP-0115 section 5.1, without forms' subtleties: identities, features, forms, each sorted.
    let mut parts: Vec<String> = query
        .children()
        .filter(|child| child.name == "identity")
        .map(|child| {
            let get = |name| child.attr(name).unwrap_or_default();
            format!(
                "{}/{}/{}/{}<",
                get("category"),
                get("type"),
                child.lang().unwrap_or_default(),
                get("name")
            )
        })
        .collect();
    parts.sort();
    let mut offered: Vec<String> =
        features(&query).into_iter().map(|feature| format!("{feature}<")).collect();
    offered.sort();
    parts.extend(offered);
    let mut forms: Vec<String> = query.children().filter(|child| child.name == "x").map(form).collect();
    forms.sort();
    parts.extend(forms);
    let hash = base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(parts.concat()));
    assert_eq!(hash, ver, "{query}");
}

/// A form as XEP-0115 hashes it.
fn form(x: &Element) -> String {
    let values = |field: &Element| -> Vec<String> {
        let mut values: Vec<String> =
            field.children().filter(|child| child.name == "value").map(Element::text).collect();
        values.sort();
        values
    };
    let fields: Vec<&Element> = x.children().filter(|child| child.name == "field").collect();
    let kind = fields
        .iter()
        .find(|field| field.attr("var") == Some("FORM_TYPE"))
        .map(|field| values(field).concat());
    let mut text = format!("{}<", kind.unwrap_or_default());
    let mut rest: Vec<&&Element> =
        fields.iter().filter(|field| field.attr("var") != Some("FORM_TYPE")).collect();
    rest.sort_by_key(|field| field.attr("var"));
    for field in rest {
        text.push_str(&format!("{}<", field.attr("var").unwrap_or_default()));
        for value in values(field) {
            text.push_str(&format!("{value}<"));
        }
    }
    text
}

/// covers: XEP-0199 4.1; XEP-0199 4.2
#[tokio::test]
async fn the_server_answers_a_ping() {
    let world = world().await;
    let mut romeo = world.connected("romeo/orchard").await;
    for to in [None, Some("localhost"), Some("romeo@localhost")] {
        let answer = romeo.ask("get", to, "<ping xmlns='urn:xmpp:ping'/>").await;
        assert_eq!((answer.attr("type"), answer.children().count()), (Some("result"), 0), "{answer}");
    }
}

/// covers: XEP-0092 3
#[tokio::test]
async fn the_server_tells_its_version() {
    let world = world().await;
    let mut romeo = world.connected("romeo/orchard").await;
    let answer = romeo.ask("get", Some("localhost"), "<query xmlns='jabber:iq:version'/>").await;
    let name = answer.find("jabber:iq:version", "name").map(Element::text);
    assert!(name.is_some_and(|name| !name.is_empty()), "{answer}");
    assert!(answer.find("jabber:iq:version", "version").is_some(), "{answer}");
}

/// covers: XEP-0202 3; XEP-0082 3.2
#[tokio::test]
async fn the_server_tells_the_time() {
    let world = world().await;
    let mut romeo = world.connected("romeo/orchard").await;
    let answer = romeo.ask("get", Some("localhost"), "<time xmlns='urn:xmpp:time'/>").await;
    let utc = answer.find("urn:xmpp:time", "utc").map(Element::text).expect("a time");
    assert!(utc.len() >= 20 && utc.ends_with('Z') && &utc[10..11] == "T", "{utc}");
    assert!(answer.find("urn:xmpp:time", "tzo").is_some(), "{answer}");
}

/// covers: XEP-0012 3; XEP-0012 4; XEP-0012 5
#[tokio::test]
async fn the_last_activity_is_told_to_friends() {
    let world = world().await;
    let [mut romeo, mut juliet, mut tybalt] =
        world.all_online(["romeo/orchard", "juliet/balcony", "tybalt/street"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    let last = "<query xmlns='jabber:iq:last'/>";
    let seconds = |answer: &Element| {
        answer.find("jabber:iq:last", "query").and_then(|query| query.attr("seconds").map(str::to_owned))
    };
    let uptime = romeo.ask("get", Some("localhost"), last).await;
    assert!(seconds(&uptime).is_some_and(|text| text.parse::<u64>().is_ok()), "{uptime}");
    let online = romeo.ask("get", Some("juliet@localhost"), last).await;
    assert_eq!(seconds(&online).as_deref(), Some("0"), "{online}");
    juliet.send("<presence type='unavailable'><status>Heading home</status></presence>").await;
    juliet.settle().await;
    juliet.close().await;
    let answer = romeo.ask("get", Some("juliet@localhost"), last).await;
    assert!(
        seconds(&answer).is_some_and(|text| text.parse::<u64>().is_ok_and(|seconds| seconds < 60)),
        "{answer}"
    );
    let text = answer.find("jabber:iq:last", "query").map(Element::text);
    assert_eq!(text.as_deref(), Some("Heading home"));
    let refused = tybalt.ask("get", Some("juliet@localhost"), last).await;
    assert_eq!(refused.attr("type"), Some("error"), "{refused}");
    assert!(seconds(&refused).is_none(), "{refused}");
}

/// covers: XEP-0049 3
#[tokio::test]
async fn private_data_is_kept_for_its_owner() {
    let world = world().await;
    let mut romeo = world.connected("romeo/orchard").await;
    let ask = "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>";
    romeo.send(&format!("<iq type='get' id='0'>{ask}</iq>")).await;
    romeo.expect(&format!("<iq type='result' id='0'>{ask}</iq>")).await;
    let data = "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'><nick>Hamlet &amp; co</nick></exodus></query>";
    romeo.send(&format!("<iq type='set' id='1'>{data}</iq>")).await;
    romeo.expect("<iq type='result' id='1'/>").await;
    let mut home = world.connected("romeo/home").await;
    home.send(&format!("<iq type='get' id='2'>{ask}</iq>")).await;
    home.expect(&format!("<iq type='result' id='2'>{data}</iq>")).await;
    let mut tybalt = world.connected("tybalt/street").await;
    let answer = tybalt.ask("get", Some("romeo@localhost"), ask).await;
    assert_eq!(answer.attr("type"), Some("error"), "{answer}");
}

/// covers: XEP-0352 4.1; XEP-0352 5
#[tokio::test]
async fn an_inactive_client_is_spared_presence_but_not_messages() {
    let world = world().await;
    let client = world.authenticated("romeo").await;
    assert!(client.features.child("urn:xmpp:csi:0", "csi").is_some(), "{}", client.features);
    drop(client);
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    romeo.send("<inactive xmlns='urn:xmpp:csi:0'/>").await;
    romeo.settle().await;
    juliet.send("<presence><show>away</show></presence>").await;
    juliet.send("<message to='romeo@localhost/orchard' type='chat' id='m'><body>x</body></message>").await;
    juliet.settle().await;
    // The message arrives whatever the state; presence may be held back, but comes before or with the activity.
    let mut seen: Vec<String> = Vec::new();
    while !seen.iter().any(|id| id == "m") {
        let element = romeo.next().await.unwrap();
        seen.push(element.attr("id").unwrap_or("presence").to_owned());
    }
    romeo.send("<active xmlns='urn:xmpp:csi:0'/>").await;
    let later: Vec<Element> = romeo.drain().await;
    let presence = |element: &Element| element.name == "presence";
    let count = later.iter().filter(|element| presence(element)).count()
        + seen.iter().filter(|id| *id == "presence").count();
    assert_eq!(count, 1, "{seen:?} {later:?}");
}

/// covers: XEP-0030 unknown; RFC 6120 8.2.3 unknown
#[tokio::test]
async fn an_unknown_request_to_the_server_is_refused() {
    let world = world().await;
    let mut romeo = world.connected("romeo/orchard").await;
    for kind in ["get", "set"] {
        let answer = romeo.ask(kind, Some("localhost"), "<query xmlns='urn:example:unknown'/>").await;
        assert!(answer.find(STANZAS, "service-unavailable").is_some(), "{answer}");
    }
}
