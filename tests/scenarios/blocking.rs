//! Blocking: XEP-0191, example by example.

use waxwing_tests::Client;

use crate::world::world;

const BLOCKING: &str = "urn:xmpp:blocking";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

async fn command(client: &mut Client, name: &str, jids: &[&str]) {
    let items: String = jids.iter().map(|jid| format!("<item jid='{jid}'/>")).collect();
    client
        .send(&format!("<iq type='set' id='{name}'><{name} xmlns='{BLOCKING}'>{items}</{name}></iq>"))
        .await;
}

async fn block(client: &mut Client, jid: &str) {
    let answer =
        client.ask("set", None, &format!("<block xmlns='{BLOCKING}'><item jid='{jid}'/></block>")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    client.clear().await;
}

/// covers: XEP-0191 example 1; XEP-0191 example 2
#[tokio::test]
async fn the_feature_is_announced() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let info = "http://jabber.org/protocol/disco#info";
    let answer = juliet.ask("get", Some("localhost"), &format!("<query xmlns='{info}'/>")).await;
    let query = answer.child(info, "query").expect("an answer");
    assert!(query.children().any(|feature| feature.attr("var") == Some(BLOCKING)), "{query}");
}

/// covers: XEP-0191 example 3; XEP-0191 example 4; XEP-0191 example 5; XEP-0191 example 6; XEP-0191 example 7
#[tokio::test]
async fn the_list_is_kept() {
    let mut world = world().await;
    let mut juliet = world.connected("juliet/balcony").await;
    let get = format!("<blocklist xmlns='{BLOCKING}'/>");
    let empty = juliet.ask("get", None, &get).await;
    let list = empty.child(BLOCKING, "blocklist").expect("a list");
    assert_eq!(list.children().count(), 0, "{list}");
    juliet.send(&format!("<iq type='set' id='b'><block xmlns='{BLOCKING}'><item jid='romeo@localhost'/><item jid='verona.example'/></block></iq>")).await;
    juliet.expect("<iq type='result' id='b'/>").await;
    world.server.terminate().unwrap();
    world.server.launch().unwrap();
    let mut juliet = world.connected("juliet/balcony").await;
    juliet.send(&format!("<iq type='get' id='l'>{get}</iq>")).await;
    juliet
        .expect(&format!(
            "<iq type='result' id='l'><blocklist xmlns='{BLOCKING}'><item jid='romeo@localhost'/>\
             <item jid='verona.example'/></blocklist></iq>"
        ))
        .await;
}

/// covers: XEP-0191 example 8; XEP-0191 example 10; XEP-0191 example 11; XEP-0191 example 12
/// covers: XEP-0191 example 13; XEP-0191 example 14; XEP-0191 example 15
#[tokio::test]
async fn changes_are_pushed_to_resources_that_asked_for_the_list() {
    let world = world().await;
    let [mut chamber, mut balcony, mut tomb] =
        world.all_online(["juliet/chamber", "juliet/balcony", "juliet/tomb"]).await;
    for client in [&mut chamber, &mut balcony] {
        client.ask("get", None, &format!("<blocklist xmlns='{BLOCKING}'/>")).await;
    }
    for client in [&mut chamber, &mut balcony, &mut tomb] {
        client.clear().await;
    }
    let romeo = "<item jid='romeo@localhost'/>";
    for (name, jids, items) in [
        (
            "block",
            &["romeo@localhost", "tybalt@localhost"][..],
            "<item jid='romeo@localhost'/><item jid='tybalt@localhost'/>",
        ),
        ("unblock", &["romeo@localhost"][..], romeo),
        ("unblock", &[][..], ""),
    ] {
        command(&mut chamber, name, jids).await;
        let push = format!("<iq type='set' id='{{any}}'><{name} xmlns='{BLOCKING}'>{items}</{name}></iq>");
        chamber.expect_all(&[&format!("<iq type='result' id='{name}'/>"), &push]).await;
        balcony.expect(&push).await;
    }
    let list = chamber.ask("get", None, &format!("<blocklist xmlns='{BLOCKING}'/>")).await;
    assert_eq!(list.child(BLOCKING, "blocklist").map(|list| list.children().count()), Some(0), "{list}");
    tomb.expect_nothing().await;
}

/// covers: XEP-0191 example 9
#[tokio::test]
async fn writing_to_a_blocked_contact_is_an_error() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/chamber", "romeo/orchard"]).await;
    block(&mut juliet, "romeo@localhost").await;
    juliet
        .send("<message to='romeo@localhost' type='chat' id='m'><body>Can you hear me now?</body></message>")
        .await;
    juliet
        .expect(&format!(
            "<message type='error' from='romeo@localhost' id='m' _='...'><error type='cancel' _='...'>\
             <not-acceptable xmlns='{STANZAS}'/><blocked xmlns='urn:xmpp:blocking:errors'/>{{...}}</error>{{...}}</message>"
        ))
        .await;
    romeo.expect_nothing_from(&mut juliet).await;
}

/// covers: XEP-0191 3.2 presence; XEP-0191 3.2 messages; XEP-0191 3.2 iq
#[tokio::test]
async fn a_blocked_contact_sees_someone_who_is_not_there() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/chamber", "romeo/orchard"]).await;
    world.befriend(&mut juliet, &mut romeo).await;
    block(&mut juliet, "romeo@localhost").await;
    // Section 3.2: the blocked contact is sent unavailable presence.
    romeo.expect("<presence from='juliet@localhost/chamber' type='unavailable'/>").await;
    romeo.send("<message to='juliet@localhost/chamber' type='chat' id='m'><body>x</body></message>").await;
    romeo.send("<message to='juliet@localhost' type='chat' id='n'><body>x</body></message>").await;
    for id in ["m", "n"] {
        let answer = romeo.next().await.unwrap();
        assert_eq!(answer.attr("id"), Some(id), "{answer}");
        assert!(answer.find(STANZAS, "service-unavailable").is_some(), "{answer}");
    }
    let answer =
        romeo.ask("get", Some("juliet@localhost/chamber"), "<query xmlns='jabber:iq:version'/>").await;
    assert!(answer.find(STANZAS, "service-unavailable").is_some(), "{answer}");
    romeo.send("<presence to='juliet@localhost' type='subscribe'/>").await;
    romeo.send("<presence><status>x</status></presence>").await;
    juliet.expect_nothing_from(&mut romeo).await;
    juliet.send("<presence><show>away</show></presence>").await;
    juliet.clear().await;
    romeo.discard(|element| element.attr("from").is_some_and(|from| from.starts_with("romeo@")));
    let seen = romeo.drain().await;
    let leak = seen
        .iter()
        .find(|e| e.name == "presence" && e.attr("from").is_some_and(|from| from.starts_with("juliet@")));
    assert!(leak.is_none(), "{leak:?}");
    // Unblocking shows the current presence again.
    let answer = juliet
        .ask("set", None, &format!("<unblock xmlns='{BLOCKING}'><item jid='romeo@localhost'/></unblock>"))
        .await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    romeo.expect("<presence from='juliet@localhost/chamber'><show>away</show></presence>").await;
}

/// covers: XEP-0191 3.1 matching
#[tokio::test]
async fn addresses_match_as_written() {
    let world = world().await;
    let [mut juliet, mut romeo, mut other] =
        world.all_online(["juliet/chamber", "romeo/orchard", "romeo/home"]).await;
    romeo.clear().await;
    block(&mut juliet, "romeo@localhost/orchard").await;
    romeo.send("<message to='juliet@localhost/chamber' type='chat' id='1'><body>x</body></message>").await;
    let refused = romeo.next().await.unwrap();
    assert!(refused.find(STANZAS, "service-unavailable").is_some(), "{refused}");
    other.send("<message to='juliet@localhost/chamber' type='chat' id='2'><body>x</body></message>").await;
    juliet.expect("<message from='romeo@localhost/home' type='chat' id='2'><body>x</body></message>").await;
}

/// covers: XEP-0191 3.3 errors
#[tokio::test]
async fn an_empty_block_command_is_refused() {
    let world = world().await;
    let mut juliet = world.online("juliet/chamber").await;
    for wrong in ["", "<item/>", "<item jid='a b@c'/>"] {
        let answer = juliet.ask("set", None, &format!("<block xmlns='{BLOCKING}'>{wrong}</block>")).await;
        assert_eq!(answer.attr("type"), Some("error"), "{wrong}: {answer}");
    }
}
