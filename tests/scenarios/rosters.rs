//! Rosters: RFC 6121 section 2, with versions.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, Setup};

use crate::world::{world, world_with};

const ROSTER: &str = "jabber:iq:roster";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

async fn set(client: &mut Client, item: &str) -> Element {
    client.ask("set", None, &format!("<query xmlns='{ROSTER}'>{item}</query>")).await
}

async fn get(client: &mut Client) -> Vec<Element> {
    let answer = client.ask("get", None, &format!("<query xmlns='{ROSTER}'/>")).await;
    answer.child(ROSTER, "query").expect("a roster").children().cloned().collect()
}

fn push(item: &str) -> String {
    format!("<iq type='set' id='{{any}}'><query xmlns='{ROSTER}' _='...'>{item}</query></iq>")
}

/// covers: RFC 6121 2.1.3; RFC 6121 2.1.4; RFC 6121 2.2
#[tokio::test]
async fn an_empty_roster_is_returned() {
    let world = world().await;
    let mut juliet = world.connected("juliet/balcony").await;
    juliet.send(&format!("<iq id='r' type='get'><query xmlns='{ROSTER}'/></iq>")).await;
    juliet.expect(&format!("<iq id='r' type='result'><query xmlns='{ROSTER}' _='...'/></iq>")).await;
}

/// covers: RFC 6121 2.3.1; RFC 6121 2.3.2; RFC 6121 2.1.6; RFC 6121 2.4.1; RFC 6121 2.4.2
#[tokio::test]
async fn items_are_added_and_changed_and_pushed_to_interested_resources() {
    let world = world().await;
    let mut balcony = world.online("juliet/balcony").await;
    let mut chamber = world.online("juliet/chamber").await;
    let mut deaf = world.connected("juliet/deaf").await;
    balcony.clear().await;
    for (sent, pushed) in [
        (
            "<item jid='nurse@example.com' name='Nurse'><group>Servants</group></item>",
            "<item jid='nurse@example.com' name='Nurse' subscription='none'><group>Servants</group></item>",
        ),
        (
            "<item jid='nurse@example.com' name='My &lt;Nurse&gt;'><group>A</group><group>B</group></item>",
            "<item jid='nurse@example.com' name='My &lt;Nurse&gt;' subscription='none'><group>A</group><group>B</group></item>",
        ),
        ("<item jid='nurse@example.com'/>", "<item jid='nurse@example.com' subscription='none'/>"),
    ] {
        balcony.send(&format!("<iq id='s' type='set'><query xmlns='{ROSTER}'>{sent}</query></iq>")).await;
        balcony.expect_all(&["<iq id='s' type='result'/>", &push(pushed)]).await;
        chamber.expect(&push(pushed)).await;
    }
    assert_eq!(get(&mut balcony).await.len(), 1);
    deaf.expect_nothing().await;
}

/// covers: RFC 6121 2.5.1; RFC 6121 2.5.2; RFC 6121 2.5.3
#[tokio::test]
async fn items_are_deleted() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    set(&mut juliet, "<item jid='nurse@example.com'/>").await;
    juliet.clear().await;
    juliet.send(&format!("<iq id='d' type='set'><query xmlns='{ROSTER}'><item jid='nurse@example.com' subscription='remove'/></query></iq>")).await;
    juliet
        .expect_all(&[
            "<iq id='d' type='result'/>",
            &push("<item jid='nurse@example.com' subscription='remove'/>"),
        ])
        .await;
    assert!(get(&mut juliet).await.is_empty());
    let answer = set(&mut juliet, "<item jid='nurse@example.com' subscription='remove'/>").await;
    assert!(answer.find(STANZAS, "item-not-found").is_some(), "{answer}");
}

/// covers: RFC 6121 2.5.2 subscriptions
#[tokio::test]
async fn deleting_an_item_ends_its_subscriptions() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    set(&mut romeo, "<item jid='juliet@localhost' subscription='remove'/>").await;
    romeo.settle().await;
    let given: Vec<Element> = juliet.drain().await.into_iter().filter(|e| e.name == "presence").collect();
    let kinds: Vec<&str> = given.iter().filter_map(|presence| presence.attr("type")).collect();
    for kind in ["unsubscribe", "unsubscribed", "unavailable"] {
        assert!(kinds.contains(&kind), "{kind} is missing in {given:?}");
    }
    let items = get(&mut juliet).await;
    assert_eq!(items[0].attr("subscription"), Some("none"), "{items:?}");
    assert!(get(&mut romeo).await.is_empty());
    romeo.send("<presence><status>alone</status></presence>").await;
    juliet.clear().await;
    juliet.expect_nothing_from(&mut romeo).await;
}

/// covers: RFC 6121 2.3.3; RFC 6121 2.1.5
#[tokio::test]
async fn what_is_no_item_is_refused() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let cases = [
        ("<item jid='a@b.c'/><item jid='d@e.f'/>", "bad-request"),
        ("", "bad-request"),
        ("<item/>", "bad-request"),
        ("<item jid='a@b.c'><group>x</group><group>x</group></item>", "bad-request"),
        ("<item jid='a@b.c'><group/></item>", "not-acceptable"),
    ];
    for (item, condition) in cases {
        let answer = set(&mut juliet, item).await;
        assert!(answer.find(STANZAS, condition).is_some(), "{item}: {answer}");
    }
    for item in [
        format!("<item jid='a@b.c' name='{}'/>", "n".repeat(5000)),
        format!("<item jid='a@b.c'><group>{}</group></item>", "g".repeat(5000)),
    ] {
        let answer = set(&mut juliet, &item).await;
        assert!(answer.find(STANZAS, "not-acceptable").is_some(), "{answer}");
    }
    assert!(get(&mut juliet).await.is_empty());
    // The state of a subscription is the server's, whatever the client writes (section 2.1.2.5).
    let answer =
        set(&mut juliet, "<item jid='a@b.c' subscription='both' ask='subscribe' approved='true'/>").await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    let items = get(&mut juliet).await;
    assert_eq!((items[0].attr("subscription"), items[0].attr("ask")), (Some("none"), None), "{items:?}");
}

/// covers: RFC 6121 2.1.6 sender; RFC 6121 2.3.3 forbidden
#[tokio::test]
async fn nobody_reads_or_writes_a_strangers_roster() {
    let world = world().await;
    world.user("romeo");
    let mut tybalt = world.online("tybalt/street").await;
    for (kind, payload) in [("get", ""), ("set", "<item jid='tybalt@localhost'/>")] {
        let answer = tybalt
            .ask(kind, Some("romeo@localhost"), &format!("<query xmlns='{ROSTER}'>{payload}</query>"))
            .await;
        assert_eq!(answer.attr("type"), Some("error"), "{answer}");
    }
    let mut romeo = world.online("romeo/orchard").await;
    assert!(get(&mut romeo).await.is_empty());
}

async fn version(client: &mut Client, ver: &str) -> Element {
    client.ask("get", None, &format!("<query xmlns='{ROSTER}' ver='{ver}'/>")).await
}

/// covers: RFC 6121 2.6.1; RFC 6121 2.6.2; RFC 6121 2.6.3
#[tokio::test]
async fn only_what_changed_since_a_version_is_sent() {
    let world = world().await;
    let client = world.authenticated("juliet").await;
    assert!(client.features.child("urn:xmpp:features:rosterver", "ver").is_some(), "{}", client.features);
    drop(client);
    let mut juliet = world.online("juliet/balcony").await;
    for name in ["a", "b", "c"] {
        set(&mut juliet, &format!("<item jid='{name}@example.com'/>")).await;
    }
    juliet.clear().await;
    let full = version(&mut juliet, "").await;
    let query = full.child(ROSTER, "query").expect("the whole roster");
    assert_eq!(query.children().count(), 3);
    let ver = query.attr("ver").expect("a version").to_owned();
    juliet.close().await;
    let mut again = world.connected("juliet/again").await;
    let same = version(&mut again, &ver).await;
    assert_eq!((same.attr("type"), same.children().count()), (Some("result"), 0), "nothing changed: {same}");
    again.expect_nothing().await;
    set(&mut again, "<item jid='b@example.com' name='B'/>").await;
    set(&mut again, "<item jid='a@example.com' subscription='remove'/>").await;
    again.close().await;
    let mut third = world.connected("juliet/third").await;
    let answer = version(&mut third, &ver).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    if let Some(query) = answer.child(ROSTER, "query") {
        // The whole roster is allowed too.
        assert_eq!(query.children().count(), 2, "{query}");
    } else {
        let pushes = third.drain().await;
        let changes: Vec<(Option<&str>, Option<&str>)> = pushes
            .iter()
            .filter_map(|push| push.child(ROSTER, "query")?.children().next())
            .map(|item| (item.attr("jid"), item.attr("subscription")))
            .collect();
        assert!(changes.contains(&(Some("b@example.com"), Some("none"))), "{pushes:?}");
        assert!(changes.contains(&(Some("a@example.com"), Some("remove"))), "{pushes:?}");
        assert_eq!(changes.len(), 2, "{pushes:?}");
        let last = pushes.last().and_then(|push| push.child(ROSTER, "query")?.attr("ver"));
        assert!(last.is_some_and(|last| last != ver), "{pushes:?}");
    }
    // A version that the server never gave brings the whole roster.
    let unknown = version(&mut third, "no-such-version").await;
    assert_eq!(unknown.child(ROSTER, "query").map(|query| query.children().count()), Some(2), "{unknown}");
}

/// covers: RFC 6121 2.1 several domains
#[tokio::test]
async fn rosters_of_two_domains_are_apart() {
    let world = world_with(Setup::default().domains(&["localhost", "montague.example"])).await;
    let mut one = world.online("romeo/a").await;
    let mut other = world.online("romeo@montague.example/a").await;
    set(&mut one, "<item jid='juliet@localhost'/>").await;
    assert_eq!(get(&mut one).await.len(), 1);
    assert!(get(&mut other).await.is_empty());
}
