//! Publish-subscribe at a service: XEP-0060, example by example.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, Setup, World};

use crate::world::{world, world_with};

mod fleeting;
mod several;

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const EVENT: &str = "http://jabber.org/protocol/pubsub#event";
const SERVICE: &str = "pubsub.localhost";
const NODE: &str = "princely_musings";

fn pubsub(content: &str) -> String {
    format!("<pubsub xmlns='{PUBSUB}'>{content}</pubsub>")
}

fn owner(content: &str) -> String {
    format!("<pubsub xmlns='{OWNER}'>{content}</pubsub>")
}

/// A submitted form of one of the types of publish-subscribe.
fn form(kind: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='pubsub#{var}'><value>{value}</value></field>"))
        .collect();
    format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
         <value>{PUBSUB}#{kind}</value></field>{fields}</x>"
    )
}

fn entry(id: &str) -> String {
    format!("<item id='{id}'><entry xmlns='http://www.w3.org/2005/Atom'><title>{id}</title></entry></item>")
}

/// Asks the service, and says what came: `result`, or the error's type, condition and detail.
async fn ask(client: &mut Client, kind: &str, payload: &str) -> String {
    verdict(&client.ask(kind, Some(SERVICE), payload).await)
}

fn verdict(answer: &Element) -> String {
    if answer.attr("type") == Some("result") {
        return "result".to_owned();
    }
    let error = answer.children().find(|child| child.name == "error").expect("an error");
    let names = error.children().filter(|child| child.name != "text").map(|child| {
        let feature = child.attr("feature").map(|feature| format!(" {feature}")).unwrap_or_default();
        format!(" {}{feature}", child.name)
    });
    format!("{}{}", error.attr("type").unwrap_or_default(), names.collect::<String>())
}

async fn done(client: &mut Client, payload: &str) {
    assert_eq!(ask(client, "set", payload).await, "result", "{payload}");
}

async fn create(client: &mut Client, options: &[(&str, &str)]) {
    let configure = form("node_config", options);
    done(client, &pubsub(&format!("<create node='{NODE}'/><configure>{configure}</configure>"))).await;
}

async fn publish(client: &mut Client, id: &str) {
    done(client, &pubsub(&format!("<publish node='{NODE}'>{}</publish>", entry(id)))).await;
}

async fn subscribe(client: &mut Client) -> String {
    let jid = client.bare().to_owned();
    ask(client, "set", &pubsub(&format!("<subscribe node='{NODE}' jid='{jid}'/>"))).await
}

/// What notifications came: what happened, and the ids in it.
async fn told(client: &mut Client) -> Vec<String> {
    let stanzas = client.drain().await;
    let events = stanzas.iter().filter_map(|stanza| stanza.child(EVENT, "event"));
    let told = events.filter_map(|event| {
        let content = event.children().next()?;
        let state = content.attr("subscription").map(|state| format!(" {state}")).unwrap_or_default();
        let items = content.children().filter(|child| child.name != "x").map(|item| {
            let payload = if item.name == "item" && item.children().next().is_none() { " bare" } else { "" };
            format!(" {} {}{payload}", item.name, item.attr("id").or(item.attr("uri")).unwrap_or("-"))
        });
        Some(format!("{}{state}{}", content.name, items.collect::<String>()))
    });
    told.collect()
}

fn section(setting: &str) -> Setup {
    Setup { sections: vec![format!("[pubsub]\n{setting}\n")], ..Setup::default() }
}

async fn stage() -> (World, Client, Client) {
    let world = world().await;
    let [hamlet, francisco] = world.all_online(["hamlet/elsinore", "francisco/barracks"]).await;
    (world, hamlet, francisco)
}

/// The children of an element of an answer, each by its attributes.
fn listed(answer: &Element, path: &[(&str, &str)], attributes: &[&str]) -> Vec<String> {
    let mut at = answer;
    for (namespace, name) in path {
        at = at.child(namespace, name).unwrap_or_else(|| panic!("no {name} in {answer}"));
    }
    at.children()
        .map(|child| attributes.iter().filter_map(|name| child.attr(name)).collect::<Vec<_>>().join(" "))
        .collect()
}

/// covers: XEP-0060 example 1; XEP-0060 example 2; XEP-0060 example 28; XEP-0060 example 29; XEP-0060 example 96
/// covers: XEP-0060 example 98; XEP-0060 example 100; XEP-0060 example 102; XEP-0060 example 47; XEP-0060 example 48
#[tokio::test]
async fn subscribers_are_told_what_is_published() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    assert_eq!(subscribe(&mut francisco).await, "result");
    hamlet
        .send(&format!(
            "<iq type='set' to='{SERVICE}' id='p'>{}</iq>",
            pubsub(&format!("<publish node='{NODE}'>{}</publish>", entry("a")))
        ))
        .await;
    hamlet
        .expect(&format!(
            "<iq type='result' from='{SERVICE}' id='p'><pubsub xmlns='{PUBSUB}'><publish node='{NODE}'><item id='a'/></publish></pubsub></iq>"
        ))
        .await;
    francisco
        .expect(&format!(
            "<message from='{SERVICE}' type='headline' id='{{any}}'><event xmlns='{EVENT}'><items node='{NODE}'>{}</items></event></message>",
            entry("a")
        ))
        .await;
    let bare = francisco.bare().to_owned();
    done(&mut francisco, &pubsub(&format!("<unsubscribe node='{NODE}' jid='{bare}'/>"))).await;
    publish(&mut hamlet, "b").await;
    assert!(told(&mut francisco).await.is_empty());
}

/// covers: XEP-0060 example 97; XEP-0060 example 99; XEP-0060 example 131; XEP-0060 example 132
#[tokio::test]
async fn the_service_makes_names() {
    let (_world, mut hamlet, _francisco) = stage().await;
    let answer = hamlet.ask("set", Some(SERVICE), &pubsub("<create/>")).await;
    let created = answer.child(PUBSUB, "pubsub").and_then(|pubsub| pubsub.child(PUBSUB, "create"));
    let name = created.and_then(|create| create.attr("node")).expect("a name").to_owned();
    let item = entry("x").replace(" id='x'", "");
    let answer =
        hamlet.ask("set", Some(SERVICE), &pubsub(&format!("<publish node='{name}'>{item}</publish>"))).await;
    let ids = listed(&answer, &[(PUBSUB, "pubsub"), (PUBSUB, "publish")], &["id"]);
    assert!(ids.len() == 1 && ids[0].len() > 10, "{ids:?}");
}

/// covers: XEP-0060 example 3; XEP-0060 example 101; XEP-0060 example 113; XEP-0060 example 123; XEP-0060 example 168
#[tokio::test]
async fn a_transient_node_tells_and_forgets() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("persist_items", "0"), ("deliver_payloads", "0")]).await;
    subscribe(&mut francisco).await;
    done(&mut hamlet, &pubsub(&format!("<publish node='{NODE}'/>"))).await;
    assert_eq!(told(&mut francisco).await, ["items"]);
    let item = pubsub(&format!("<publish node='{NODE}'>{}</publish>", entry("a")));
    assert_eq!(ask(&mut hamlet, "set", &item).await, "modify bad-request item-forbidden");
    let unsupported = "cancel feature-not-implemented unsupported persistent-items";
    let retract = pubsub(&format!("<retract node='{NODE}'><item id='a'/></retract>"));
    assert_eq!(ask(&mut hamlet, "set", &retract).await, unsupported);
    assert_eq!(ask(&mut hamlet, "set", &owner(&format!("<purge node='{NODE}'/>"))).await, unsupported);
    let configure =
        format!("<configure node='{NODE}'>{}</configure>", form("node_config", &[("persist_items", "1")]));
    done(&mut hamlet, &owner(&configure)).await;
    publish(&mut hamlet, "b").await;
    assert_eq!(told(&mut francisco).await, ["items item b bare"]);
}

/// covers: XEP-0060 example 7; XEP-0060 example 8; XEP-0060 example 9; XEP-0060 example 10; XEP-0060 example 11
/// covers: XEP-0060 example 12; XEP-0060 example 13; XEP-0060 example 14; XEP-0060 example 15
#[tokio::test]
async fn nodes_are_discovered() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("title", "Princely Musings"), ("type", "http://www.w3.org/2005/Atom")]).await;
    publish(&mut hamlet, "a").await;
    subscribe(&mut francisco).await;
    let info = "http://jabber.org/protocol/disco#info";
    let items = "http://jabber.org/protocol/disco#items";
    let query = |namespace: &str, node: &str| format!("<query xmlns='{namespace}'{node}/>");
    let node = format!(" node='{NODE}'");
    let answer = francisco.ask("get", Some("localhost"), &query(items, "")).await;
    assert!(listed(&answer, &[(items, "query")], &["jid"]).contains(&SERVICE.to_owned()), "{answer}");
    let answer = francisco.ask("get", Some(SERVICE), &query(info, "")).await;
    let vars = listed(&answer, &[(info, "query")], &["category", "type", "var"]);
    for var in ["pubsub service", PUBSUB, &format!("{PUBSUB}#publish"), &format!("{PUBSUB}#subscribe")] {
        assert!(vars.contains(&var.to_owned()), "{var}: {vars:?}");
    }
    let answer = francisco.ask("get", Some(SERVICE), &query(items, "")).await;
    let nodes = listed(&answer, &[(items, "query")], &["jid", "node", "name"]);
    assert_eq!(nodes, [format!("{SERVICE} {NODE} Princely Musings")]);
    let answer = francisco.ask("get", Some(SERVICE), &query(info, &node)).await;
    let described = answer.child(info, "query").expect("a query").to_string();
    for part in ["leaf", "pubsub#meta-data", "pubsub#num_subscribers", "hamlet@localhost", "2005/Atom"] {
        assert!(described.contains(part), "{part}: {described}");
    }
    let answer = francisco.ask("get", Some(SERVICE), &query(items, &node)).await;
    assert_eq!(listed(&answer, &[(items, "query")], &["jid", "name"]), [format!("{SERVICE} a")]);
    let missing = francisco.ask("get", Some(SERVICE), &query(info, " node='x'")).await;
    assert_eq!(verdict(&missing), "cancel item-not-found");
}

/// covers: XEP-0060 example 16; XEP-0060 example 17; XEP-0060 example 18; XEP-0060 example 20; XEP-0060 example 21
/// covers: XEP-0060 example 22; XEP-0060 example 23; XEP-0060 example 24; XEP-0060 example 26; XEP-0060 example 27
#[tokio::test]
async fn everybody_sees_what_he_is() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    let own = |what: &str, node: &str| pubsub(&format!("<{what}{node}/>"));
    let named = format!(" node='{NODE}'");
    for (what, attributes) in [("subscriptions", "subscription"), ("affiliations", "affiliation")] {
        let answer = francisco.ask("get", Some(SERVICE), &own(what, "")).await;
        assert!(listed(&answer, &[(PUBSUB, "pubsub"), (PUBSUB, what)], &[attributes]).is_empty());
    }
    create(&mut hamlet, &[]).await;
    subscribe(&mut francisco).await;
    for node in ["", &named] {
        let answer = francisco.ask("get", Some(SERVICE), &own("subscriptions", node)).await;
        let path = [(PUBSUB, "pubsub"), (PUBSUB, "subscriptions")];
        let seen = listed(&answer, &path, &["node", "jid", "subscription"]);
        assert_eq!(seen, [format!("{NODE} francisco@localhost subscribed")]);
        let answer = hamlet.ask("get", Some(SERVICE), &own("affiliations", node)).await;
        let path = [(PUBSUB, "pubsub"), (PUBSUB, "affiliations")];
        assert_eq!(listed(&answer, &path, &["node", "affiliation"]), [format!("{NODE} owner")]);
    }
}

/// covers: XEP-0060 example 30; XEP-0060 example 33; XEP-0060 example 37; XEP-0060 example 39; XEP-0060 example 41
/// covers: XEP-0060 example 38; XEP-0060 example 50; XEP-0060 example 51; XEP-0060 example 52; XEP-0060 example 53
#[tokio::test]
async fn subscriptions_are_refused() {
    let world = world_with(section("subscriptions_per_node_limit = 1")).await;
    let [mut hamlet, mut francisco] = world.all_online(["hamlet/elsinore", "francisco/barracks"]).await;
    assert_eq!(subscribe(&mut francisco).await, "cancel item-not-found");
    create(&mut hamlet, &[("access_model", "whitelist")]).await;
    let configure = |options: &[(&str, &str)]| {
        owner(&format!("<configure node='{NODE}'>{}</configure>", form("node_config", options)))
    };
    let other = pubsub(&format!("<subscribe node='{NODE}' jid='hamlet@localhost'/>"));
    assert_eq!(ask(&mut francisco, "set", &other).await, "modify bad-request invalid-jid");
    assert_eq!(subscribe(&mut francisco).await, "cancel not-allowed closed-node");
    done(&mut hamlet, &configure(&[("access_model", "open"), ("subscribe", "0")])).await;
    assert_eq!(subscribe(&mut francisco).await, "cancel feature-not-implemented unsupported subscribe");
    done(&mut hamlet, &configure(&[("subscribe", "1")])).await;
    let affiliate = |affiliation: &str| {
        owner(&format!(
            "<affiliations node='{NODE}'><affiliation jid='francisco@localhost' affiliation='{affiliation}'/></affiliations>"
        ))
    };
    done(&mut hamlet, &affiliate("outcast")).await;
    assert_eq!(subscribe(&mut francisco).await, "auth forbidden");
    done(&mut hamlet, &affiliate("none")).await;
    let leave = |jid: &str, more: &str| pubsub(&format!("<unsubscribe node='{NODE}' jid='{jid}'{more}/>"));
    assert_eq!(
        ask(&mut francisco, "set", &leave("francisco@localhost", "")).await,
        "cancel unexpected-request not-subscribed"
    );
    assert_eq!(subscribe(&mut francisco).await, "result");
    assert_eq!(subscribe(&mut francisco).await, "result");
    assert_eq!(subscribe(&mut hamlet).await, "wait policy-violation too-many-subscriptions");
    assert_eq!(ask(&mut hamlet, "set", &leave("francisco@localhost", "")).await, "auth forbidden");
    let wrong = leave("francisco@localhost", " subid='wrong'");
    assert_eq!(ask(&mut francisco, "set", &wrong).await, "modify not-acceptable invalid-subid");
    let missing = pubsub("<unsubscribe node='x' jid='francisco@localhost'/>");
    assert_eq!(ask(&mut francisco, "set", &missing).await, "cancel item-not-found");
}

/// covers: XEP-0060 example 36; XEP-0060 example 42; XEP-0060 example 86; XEP-0060 example 170; XEP-0060 example 171
/// covers: XEP-0060 example 172; XEP-0060 example 173; XEP-0060 example 174; XEP-0060 example 175
/// covers: XEP-0060 example 224; XEP-0060 example 225
#[tokio::test]
async fn an_owner_approves() {
    let (world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("access_model", "authorize")]).await;
    publish(&mut hamlet, "a").await;
    let items = pubsub(&format!("<items node='{NODE}'/>"));
    assert_eq!(ask(&mut francisco, "get", &items).await, "auth not-authorized not-subscribed");
    let answer = francisco
        .ask("set", Some(SERVICE), &pubsub(&format!("<subscribe node='{NODE}' jid='francisco@localhost'/>")))
        .await;
    assert_eq!(listed(&answer, &[(PUBSUB, "pubsub")], &["subscription"]), ["pending"]);
    assert_eq!(subscribe(&mut francisco).await, "auth not-authorized pending-subscription");
    hamlet.settle().await;
    let asked = hamlet.drain().await;
    assert!(asked.iter().any(|stanza| stanza.to_string().contains("subscribe_authorization")), "{asked:?}");
    let decide = |jid: &str, allow: &str| {
        let form =
            form("subscribe_authorization", &[("node", NODE), ("subscriber_jid", jid), ("allow", allow)]);
        format!("<message to='{SERVICE}'>{form}</message>")
    };
    hamlet.send(&decide("francisco@localhost", "1").replace("type='submit'", "type='cancel'")).await;
    hamlet.settle().await;
    assert!(told(&mut francisco).await.is_empty());
    // Nobody else decides.
    francisco.send(&decide("francisco@localhost", "1")).await;
    assert!(francisco.drain().await.iter().any(|stanza| stanza.attr("type") == Some("error")));
    hamlet.send(&decide("francisco@localhost", "true")).await;
    hamlet.settle().await;
    assert_eq!(told(&mut francisco).await, ["subscription subscribed", "items item a"]);
    assert_eq!(ask(&mut francisco, "get", &items).await, "result");
    let mut bernardo = world.online("bernardo/watch").await;
    subscribe(&mut bernardo).await;
    hamlet.send(&decide("bernardo@localhost", "0")).await;
    hamlet.settle().await;
    assert_eq!(told(&mut bernardo).await, ["subscription none"]);
    assert_eq!(subscribe(&mut bernardo).await, "result");
}

/// covers: XEP-0060 example 176; XEP-0060 example 177; XEP-0060 example 180; XEP-0060 example 181; XEP-0060 example 182
/// covers: XEP-0060 example 183
#[tokio::test]
async fn requests_that_wait_are_asked_for() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("access_model", "authorize")]).await;
    subscribe(&mut francisco).await;
    hamlet.clear().await;
    let command = |content: &str| {
        format!(
            "<command xmlns='http://jabber.org/protocol/commands' node='{PUBSUB}#get-pending' action='execute'>{content}</command>"
        )
    };
    let answer = hamlet.ask("set", Some(SERVICE), &command("")).await;
    assert!(answer.to_string().contains(NODE), "{answer}");
    let filled = |node: &str| command(&form("subscribe_authorization", &[("node", node)]));
    assert_eq!(ask(&mut francisco, "set", &filled(NODE)).await, "auth forbidden");
    assert_eq!(ask(&mut hamlet, "set", &filled("x")).await, "cancel item-not-found");
    assert_eq!(ask(&mut hamlet, "set", &filled(NODE)).await, "result");
    hamlet.settle().await;
    let again = hamlet.drain().await;
    assert!(again.iter().any(|stanza| stanza.to_string().contains("francisco@localhost")), "{again:?}");
}

/// covers: XEP-0060 example 45; XEP-0060 example 46; XEP-0060 example 54; XEP-0060 example 55; XEP-0060 example 56
/// covers: XEP-0060 example 57; XEP-0060 example 58; XEP-0060 example 59; XEP-0060 example 61; XEP-0060 example 63
/// covers: XEP-0060 example 64; XEP-0060 example 65; XEP-0060 example 66; XEP-0060 example 67; XEP-0060 example 68
/// covers: XEP-0060 example 69; XEP-0060 example 70; XEP-0060 example 71
#[tokio::test]
async fn subscriptions_have_options() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    publish(&mut hamlet, "a").await;
    let jid = "francisco@localhost";
    let options = |node: &str, more: &str, content: &str| {
        pubsub(&format!("<options node='{node}'{more}>{content}</options>"))
    };
    let mine = format!(" jid='{jid}'");
    assert_eq!(ask(&mut francisco, "get", &options(NODE, "", "")).await, "modify bad-request jid-required");
    assert_eq!(
        ask(&mut francisco, "get", &options(NODE, &mine, "")).await,
        "cancel unexpected-request not-subscribed"
    );
    assert_eq!(ask(&mut hamlet, "get", &options(NODE, &mine, "")).await, "auth forbidden");
    assert_eq!(ask(&mut francisco, "get", &options("x", &mine, "")).await, "cancel item-not-found");
    let terms = form("subscribe_options", &[("deliver", "1"), ("digest", "0"), ("show-values", "online")]);
    let subscribe = pubsub(&format!("<subscribe node='{NODE}' jid='{jid}'/><options>{terms}</options>"));
    let answer = francisco.ask("set", Some(SERVICE), &subscribe).await;
    assert!(
        answer.to_string().contains("subscribe-options") && answer.to_string().contains("online"),
        "{answer}"
    );
    assert_eq!(told(&mut francisco).await, ["items item a"]);
    let wrong = format!("{mine} subid='wrong'");
    assert_eq!(
        ask(&mut francisco, "get", &options(NODE, &wrong, "")).await,
        "modify not-acceptable invalid-subid"
    );
    let answer = francisco.ask("get", Some(SERVICE), &options(NODE, &mine, "")).await;
    assert!(answer.to_string().contains("pubsub#show-values"), "{answer}");
    francisco.send("<presence><show>dnd</show></presence>").await;
    francisco.round_trip().await;
    publish(&mut hamlet, "b").await;
    assert!(told(&mut francisco).await.is_empty());
    francisco.send("<presence/>").await;
    francisco.round_trip().await;
    publish(&mut hamlet, "c").await;
    assert_eq!(told(&mut francisco).await, ["items item c"]);
    let off = form("subscribe_options", &[("deliver", "0")]);
    assert_eq!(ask(&mut francisco, "set", &options(NODE, &mine, &off)).await, "result");
    publish(&mut hamlet, "d").await;
    assert!(told(&mut francisco).await.is_empty());
    let bad = form("subscribe_options", &[("deliver", "maybe")]);
    assert_eq!(
        ask(&mut francisco, "set", &options(NODE, &mine, &bad)).await,
        "modify bad-request invalid-options"
    );
    for node in ["", &format!(" node='{NODE}'")] {
        let answer = francisco.ask("get", Some(SERVICE), &pubsub(&format!("<default{node}/>"))).await;
        assert!(answer.to_string().contains("pubsub#deliver"), "{answer}");
    }
}

/// covers: XEP-0060 example 74; XEP-0060 example 75; XEP-0060 example 76; XEP-0060 example 77; XEP-0060 example 78
/// covers: XEP-0060 example 79; XEP-0060 example 80; XEP-0060 example 81; XEP-0060 example 82; XEP-0060 example 83
/// covers: XEP-0060 example 94; XEP-0060 example 95; XEP-0060 example 103
#[tokio::test]
async fn items_are_read() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    let path = [(PUBSUB, "pubsub"), (PUBSUB, "items")];
    let answer = francisco.ask("get", Some(SERVICE), &pubsub(&format!("<items node='{NODE}'/>"))).await;
    assert!(listed(&answer, &path, &["id"]).is_empty());
    for id in ["a", "b", "c", "d"] {
        publish(&mut hamlet, id).await;
    }
    let page = |content: &str| {
        format!("<items node='{NODE}'/><set xmlns='http://jabber.org/protocol/rsm'>{content}</set>")
    };
    for (asked, expected) in [
        (format!("<items node='{NODE}'/>"), "a b c d"),
        (format!("<items node='{NODE}' max_items='1'/>"), "d"),
        (format!("<items node='{NODE}' max_items='2'/>"), "c d"),
        (format!("<items node='{NODE}'><item id='c'/><item id='a'/><item id='x'/></items>"), "c a"),
        (format!("<items node='{NODE}'><item id='x'/></items>"), ""),
        (page("<max>2</max>"), "a b"),
        (page("<max>2</max><after>b</after>"), "c d"),
        (page("<max>1</max><before/>"), "d"),
        (page("<max>1</max><before>d</before>"), "c"),
    ] {
        let answer = francisco.ask("get", Some(SERVICE), &pubsub(&asked)).await;
        assert_eq!(listed(&answer, &path, &["id"]).join(" "), expected, "{asked}");
        if asked.contains("<after>") {
            let set =
                answer.child(PUBSUB, "pubsub").and_then(|p| p.child("http://jabber.org/protocol/rsm", "set"));
            let set = set.expect("a set").to_string();
            assert!(set.contains("index='2'") && set.contains(">4<"), "{set}");
        }
    }
    assert_eq!(ask(&mut francisco, "get", &pubsub("<items node='x'/>")).await, "cancel item-not-found");
    let lost = pubsub(&page("<max>1</max><after>x</after>"));
    assert_eq!(ask(&mut francisco, "get", &lost).await, "cancel item-not-found");
}

/// covers: XEP-0060 example 91; XEP-0060 example 93; XEP-0060 example 105; XEP-0060 example 107; XEP-0060 example 108
/// covers: XEP-0060 example 109; XEP-0060 example 110; XEP-0060 example 111; XEP-0060 example 112
#[tokio::test]
async fn publications_are_refused() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    let options = [
        ("max_items", "1"),
        ("publish_node_full", "reject"),
        ("max_payload_size", "200"),
        ("access_model", "whitelist"),
    ];
    create(&mut hamlet, &options).await;
    let publish = |content: &str| pubsub(&format!("<publish node='{NODE}'>{content}</publish>"));
    let items = pubsub(&format!("<items node='{NODE}'/>"));
    assert_eq!(ask(&mut francisco, "set", &publish(&entry("a"))).await, "auth forbidden");
    assert_eq!(ask(&mut francisco, "get", &items).await, "cancel not-allowed closed-node");
    let outcast = owner(&format!(
        "<affiliations node='{NODE}'><affiliation jid='francisco@localhost' affiliation='outcast'/></affiliations>"
    ));
    done(&mut hamlet, &outcast).await;
    assert_eq!(ask(&mut francisco, "get", &items).await, "auth forbidden");
    let large = format!("<item id='l'><x xmlns='urn:x'>{}</x></item>", "x".repeat(200));
    for (content, refusal) in [
        (String::new(), "modify bad-request item-required"),
        ("<item id='a'/>".to_owned(), "modify bad-request payload-required"),
        (
            "<item id='a'><x xmlns='urn:x'/><y xmlns='urn:x'/></item>".to_owned(),
            "modify bad-request invalid-payload",
        ),
        (large, "modify not-acceptable payload-too-big"),
        (entry("a"), "result"),
        (entry("a"), "result"),
        (entry("b"), "cancel conflict node-full"),
    ] {
        assert_eq!(ask(&mut hamlet, "set", &publish(&content)).await, refusal, "{content}");
    }
    // Where nodes are created by publishing, one is missing only to those who may create none.
    let missing = pubsub(&format!("<publish node='x'>{}</publish>", entry("a")));
    assert_eq!(ask(&mut francisco, "set", &missing).await, "result");
}

/// covers: XEP-0060 example 114
#[tokio::test]
async fn options_of_a_publication_are_conditions() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    let publish = |model: &str| {
        let options = form("publish-options", &[("access_model", model)]);
        pubsub(&format!(
            "<publish node='{NODE}'>{}</publish><publish-options>{options}</publish-options>",
            entry("a")
        ))
    };
    assert_eq!(ask(&mut hamlet, "set", &publish("whitelist")).await, "result");
    assert_eq!(ask(&mut hamlet, "set", &publish("whitelist")).await, "result");
    assert_eq!(ask(&mut hamlet, "set", &publish("open")).await, "cancel conflict precondition-not-met");
    assert_eq!(subscribe(&mut francisco).await, "cancel not-allowed closed-node");
    let unknown = publish("whitelist").replace("pubsub#access_model", "pubsub#unheard_of");
    assert_eq!(ask(&mut hamlet, "set", &unknown).await, "modify not-acceptable");
}

/// covers: XEP-0060 example 115; XEP-0060 example 116; XEP-0060 example 117; XEP-0060 example 119; XEP-0060 example 120
/// covers: XEP-0060 example 121; XEP-0060 example 122; XEP-0060 example 163; XEP-0060 example 164; XEP-0060 example 165
/// covers: XEP-0060 example 167; XEP-0060 example 169
#[tokio::test]
async fn items_are_taken_back() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("notify_retract", "0")]).await;
    subscribe(&mut francisco).await;
    for id in ["a", "b"] {
        publish(&mut hamlet, id).await;
    }
    francisco.clear().await;
    let retract =
        |node: &str, more: &str, item: &str| pubsub(&format!("<retract{node}{more}>{item}</retract>"));
    let named = format!(" node='{NODE}'");
    let item = "<item id='a'/>";
    assert_eq!(ask(&mut francisco, "set", &retract(&named, "", item)).await, "auth forbidden");
    for (asked, verdict) in [
        (retract(&named, "", item), "result"),
        (retract(&named, "", item), "cancel item-not-found"),
        (retract(" node='x'", "", item), "cancel item-not-found"),
        (retract("", "", item), "modify bad-request nodeid-required"),
        (retract(&named, "", ""), "modify bad-request item-required"),
        (retract(&named, " notify='true'", "<item id='b'/>"), "result"),
    ] {
        assert_eq!(ask(&mut hamlet, "set", &asked).await, verdict, "{asked}");
    }
    assert_eq!(told(&mut francisco).await, ["items retract b"]);
    let configure =
        format!("<configure{named}>{}</configure>", form("node_config", &[("notify_retract", "1")]));
    done(&mut hamlet, &owner(&configure)).await;
    publish(&mut hamlet, "c").await;
    francisco.clear().await;
    let purge = |node: &str| owner(&format!("<purge node='{node}'/>"));
    assert_eq!(ask(&mut francisco, "set", &purge(NODE)).await, "auth forbidden");
    assert_eq!(ask(&mut hamlet, "set", &purge("x")).await, "cancel item-not-found");
    done(&mut hamlet, &purge(NODE)).await;
    assert_eq!(told(&mut francisco).await, ["purge"]);
}

/// covers: XEP-0060 example 125; XEP-0060 example 128; XEP-0060 example 129; XEP-0060 example 133; XEP-0060 example 134
/// covers: XEP-0060 example 135; XEP-0060 example 136; XEP-0060 example 137; XEP-0060 example 138
#[tokio::test]
async fn nodes_are_created() {
    let world = world_with(section("nodes_per_owner_limit = 2")).await;
    let mut hamlet = world.online("hamlet/elsinore").await;
    let create = |node: &str, options: &[(&str, &str)]| {
        let configure = if options.is_empty() {
            String::new()
        } else {
            format!("<configure>{}</configure>", form("node_config", options))
        };
        pubsub(&format!("<create node='{node}'/>{configure}"))
    };
    for (asked, verdict) in [
        (create("a", &[]), "result"),
        (create("a", &[]), "cancel conflict"),
        (create("b", &[("access_model", "king")]), "modify not-acceptable unsupported-access-model"),
        (create("b", &[("access_model", "presence")]), "modify not-acceptable unsupported-access-model"),
        (create("b", &[("access_model", "whitelist"), ("title", "B")]), "result"),
        (create("c", &[]), "cancel not-allowed max-nodes-exceeded"),
    ] {
        assert_eq!(ask(&mut hamlet, "set", &asked).await, verdict, "{asked}");
    }
    let world = world_with(section("creation = \"administrators\"")).await;
    let mut hamlet = world.online("hamlet/elsinore").await;
    assert_eq!(ask(&mut hamlet, "set", &create("a", &[])).await, "auth forbidden");
    let publish = pubsub(&format!("<publish node='a'>{}</publish>", entry("a")));
    assert_eq!(ask(&mut hamlet, "set", &publish).await, "cancel item-not-found");
}

/// covers: XEP-0060 example 139; XEP-0060 example 140; XEP-0060 example 142; XEP-0060 example 143; XEP-0060 example 145
/// covers: XEP-0060 example 146; XEP-0060 example 147; XEP-0060 example 148; XEP-0060 example 149; XEP-0060 example 150
/// covers: XEP-0060 example 151; XEP-0060 example 152; XEP-0060 example 153; XEP-0060 example 154
#[tokio::test]
async fn nodes_are_configured() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    subscribe(&mut francisco).await;
    let read = |node: &str| owner(&format!("<configure{node}/>"));
    let named = format!(" node='{NODE}'");
    let answer = hamlet.ask("get", Some(SERVICE), &read(&named)).await;
    let answer =
        answer.child(OWNER, "pubsub").and_then(|p| p.child(OWNER, "configure")).expect("a form").to_string();
    for var in ["title", "access_model", "max_items", "send_last_published_item", "item_expire", "itemreply"]
    {
        assert!(answer.contains(&format!("pubsub#{var}")), "{var}: {answer}");
    }
    assert_eq!(ask(&mut francisco, "get", &read(&named)).await, "auth forbidden");
    assert_eq!(ask(&mut hamlet, "get", &read("")).await, "modify bad-request nodeid-required");
    assert_eq!(ask(&mut hamlet, "get", &read(" node='x'")).await, "cancel item-not-found");
    let write = |options: &[(&str, &str)]| {
        owner(&format!("<configure{named}>{}</configure>", form("node_config", options)))
    };
    assert_eq!(ask(&mut francisco, "set", &write(&[("title", "X")])).await, "auth forbidden");
    assert_eq!(ask(&mut hamlet, "set", &write(&[("max_items", "many")])).await, "modify not-acceptable");
    assert_eq!(
        ask(&mut hamlet, "set", &write(&[("node_type", "collection")])).await,
        "modify not-acceptable"
    );
    let cancel = owner(&format!("<configure{named}><x xmlns='jabber:x:data' type='cancel'/></configure>"));
    done(&mut hamlet, &cancel).await;
    done(&mut hamlet, &write(&[("title", "Musings")])).await;
    assert!(told(&mut francisco).await.is_empty());
    done(&mut hamlet, &write(&[("notify_config", "1"), ("deliver_payloads", "0")])).await;
    assert_eq!(told(&mut francisco).await, ["configuration"]);
    done(&mut hamlet, &write(&[("deliver_payloads", "1")])).await;
    let event = francisco.drain().await;
    assert!(event.iter().any(|stanza| stanza.to_string().contains("Musings")), "{event:?}");
    let answer = francisco.ask("get", Some(SERVICE), &owner("<default/>")).await;
    assert!(answer.to_string().contains("pubsub#access_model"), "{answer}");
}

/// covers: XEP-0060 example 157; XEP-0060 example 158; XEP-0060 example 159; XEP-0060 example 160
/// covers: XEP-0060 example 161; XEP-0060 example 162
#[tokio::test]
async fn nodes_are_deleted() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    subscribe(&mut francisco).await;
    let uri = "xmpp:hamlet@localhost?;node=blog";
    let delete = owner(&format!("<delete node='{NODE}'><redirect uri='{uri}'/></delete>"));
    assert_eq!(ask(&mut francisco, "set", &delete).await, "auth forbidden");
    done(&mut hamlet, &delete).await;
    assert_eq!(told(&mut francisco).await, [format!("delete redirect {uri}")]);
    assert_eq!(ask(&mut hamlet, "set", &delete).await, "cancel item-not-found");
}

/// covers: XEP-0060 example 184; XEP-0060 example 185; XEP-0060 example 187; XEP-0060 example 188; XEP-0060 example 189
/// covers: XEP-0060 example 190; XEP-0060 example 192; XEP-0060 example 193; XEP-0060 example 194
/// covers: XEP-0060 example 195; XEP-0060 example 196
#[tokio::test]
async fn owners_rule_over_subscriptions() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    let change = |node: &str, state: &str| {
        owner(&format!(
            "<subscriptions node='{node}'><subscription jid='francisco@localhost' subscription='{state}'/></subscriptions>"
        ))
    };
    let read = |node: &str| owner(&format!("<subscriptions node='{node}'/>"));
    for (kind, asked) in [("get", read(NODE)), ("set", change(NODE, "subscribed"))] {
        assert_eq!(ask(&mut francisco, kind, &asked).await, "auth forbidden");
    }
    for (kind, asked) in [("get", read("x")), ("set", change("x", "subscribed"))] {
        assert_eq!(ask(&mut hamlet, kind, &asked).await, "cancel item-not-found");
    }
    done(&mut hamlet, &change(NODE, "subscribed")).await;
    let path = [(OWNER, "pubsub"), (OWNER, "subscriptions")];
    let answer = hamlet.ask("get", Some(SERVICE), &read(NODE)).await;
    assert_eq!(listed(&answer, &path, &["jid", "subscription"]), ["francisco@localhost subscribed"]);
    done(&mut hamlet, &change(NODE, "none")).await;
    hamlet.settle().await;
    assert_eq!(told(&mut francisco).await, ["subscription subscribed", "subscription none"]);
    assert_eq!(ask(&mut hamlet, "set", &change(NODE, "unconfigured")).await, "modify not-acceptable");
}

/// covers: XEP-0060 example 197; XEP-0060 example 198; XEP-0060 example 200; XEP-0060 example 201; XEP-0060 example 202
/// covers: XEP-0060 example 203; XEP-0060 example 206; XEP-0060 example 207; XEP-0060 example 208
/// covers: XEP-0060 example 209; XEP-0060 example 210
#[tokio::test]
async fn owners_rule_over_affiliations() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    let change = |node: &str, jid: &str, affiliation: &str| {
        owner(&format!(
            "<affiliations node='{node}'><affiliation jid='{jid}@localhost' affiliation='{affiliation}'/></affiliations>"
        ))
    };
    let read = |node: &str| owner(&format!("<affiliations node='{node}'/>"));
    for (kind, asked) in [("get", read(NODE)), ("set", change(NODE, "francisco", "owner"))] {
        assert_eq!(ask(&mut francisco, kind, &asked).await, "auth forbidden");
    }
    for (kind, asked) in [("get", read("x")), ("set", change("x", "francisco", "owner"))] {
        assert_eq!(ask(&mut hamlet, kind, &asked).await, "cancel item-not-found");
    }
    let publication = pubsub(&format!("<publish node='{NODE}'>{}</publish>", entry("f")));
    done(&mut hamlet, &change(NODE, "francisco", "publish-only")).await;
    done(&mut francisco, &publication).await;
    let items = pubsub(&format!("<items node='{NODE}'/>"));
    assert_eq!(ask(&mut francisco, "get", &items).await, "auth forbidden");
    hamlet.settle().await;
    let seen = francisco.drain().await;
    assert!(seen.iter().any(|stanza| stanza.to_string().contains("publish-only")), "{seen:?}");
    publish(&mut hamlet, "h").await;
    done(&mut hamlet, &change(NODE, "francisco", "publisher")).await;
    let retract = |id: &str| pubsub(&format!("<retract node='{NODE}'><item id='{id}'/></retract>"));
    assert_eq!(ask(&mut francisco, "set", &retract("h")).await, "auth forbidden");
    done(&mut francisco, &retract("f")).await;
    let path = [(OWNER, "pubsub"), (OWNER, "affiliations")];
    let answer = hamlet.ask("get", Some(SERVICE), &read(NODE)).await;
    let seen = listed(&answer, &path, &["jid", "affiliation"]);
    assert_eq!(seen, ["francisco@localhost publisher", "hamlet@localhost owner"]);
    // Somebody has to own it.
    assert_eq!(ask(&mut hamlet, "set", &change(NODE, "hamlet", "none")).await, "modify not-acceptable");
}

/// covers: XEP-0060 example 226
#[tokio::test]
async fn a_node_may_say_who_published() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("itemreply", "publisher")]).await;
    subscribe(&mut francisco).await;
    publish(&mut hamlet, "a").await;
    let event = francisco.drain().await;
    assert!(
        event.iter().any(|stanza| stanza.to_string().contains("publisher='hamlet@localhost/elsinore'")),
        "{event:?}"
    );
}

/// covers: XEP-0060 example 227; XEP-0060 example 229
#[tokio::test]
async fn a_subscription_may_be_leased() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    let lease = |until: &str| {
        let terms = form("subscribe_options", &[("expire", until)]);
        pubsub(&format!("<subscribe node='{NODE}' jid='francisco@localhost'/><options>{terms}</options>"))
    };
    let past = ask(&mut francisco, "set", &lease("2006-02-28T23:59:00Z")).await;
    assert_eq!(past, "modify bad-request invalid-options");
    for until in ["2106-02-28T23:59:00Z", "2107-02-28T23:59:00Z"] {
        let answer = francisco.ask("set", Some(SERVICE), &lease(until)).await;
        let seen = listed(&answer, &[(PUBSUB, "pubsub")], &["subscription", "expiry"]);
        assert_eq!(seen[0], format!("subscribed {}", until.replace("00Z", "00.000Z")));
    }
    publish(&mut hamlet, "a").await;
    assert_eq!(told(&mut francisco).await, ["items item a"]);
}
