//! Personal eventing: XEP-0163, example by example, and what entity capabilities have to do with it.

use base64::Engine as _;
use sha1::Sha1;
use sha2::Digest as _;
use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::federation::{Proof, two};
use crate::world::world;

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const EVENT: &str = "http://jabber.org/protocol/pubsub#event";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const TUNE: &str = "http://jabber.org/protocol/tune";

/// What a client answers that is interested in the tune.
fn features() -> String {
    format!("<identity category='client' type='pc'/><feature var='{TUNE}+notify'/>")
}

/// XEP-0115 section 5.1.
fn ver() -> String {
    let hashed = Sha1::digest(format!("client/pc//<{TUNE}+notify<"));
    base64::engine::general_purpose::STANDARD.encode(hashed)
}

/// Sends presence with capabilities. If the server asks what they mean, it is told. Answers whether it asked, and what
/// notifications came.
async fn show_interest(client: &mut Client) -> (bool, Vec<String>) {
    let ver = ver();
    client
        .send(&format!(
            "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='{ver}'/></presence>"
        ))
        .await;
    let stanzas = client.drain().await;
    let Some(asked) = stanzas.iter().find(|stanza| stanza.name == "iq") else {
        return (false, events(&stanzas));
    };
    let query = asked.child(INFO, "query").expect("a question");
    assert_eq!(query.attr("node"), Some(format!("urn:client#{ver}").as_str()));
    let (id, from) = (asked.attr("id").expect("an id"), asked.attr("from").expect("an address"));
    client
        .send(&format!(
            "<iq type='result' to='{from}' id='{id}'><query xmlns='{INFO}' node='urn:client#{ver}'>{}</query></iq>",
            features()
        ))
        .await;
    (true, told(client).await)
}

async fn publish(client: &mut Client, id: &str) {
    let item = format!("<item id='{id}'><tune xmlns='{TUNE}'><title>{id}</title></tune></item>");
    let payload = format!("<pubsub xmlns='{PUBSUB}'><publish node='{TUNE}'>{item}</publish></pubsub>");
    let answer = client.ask("set", None, &payload).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
}

/// Who told what, by the ids of items; last items are marked by their delay.
async fn told(client: &mut Client) -> Vec<String> {
    events(&client.drain().await)
}

fn events(stanzas: &[Element]) -> Vec<String> {
    let told = stanzas.iter().filter_map(|stanza| {
        let content = stanza.child(EVENT, "event")?.children().next()?;
        let items: Vec<_> = content.children().filter_map(|item| item.attr("id")).collect();
        let late = stanza.child("urn:xmpp:delay", "delay").map(|_| " late").unwrap_or_default();
        let from = stanza.attr("from").unwrap_or_default().split('@').next().unwrap_or_default();
        Some(format!("{from} {} {}{late}", content.name, items.join(" ")))
    });
    told.collect()
}

async fn stage() -> (World, Client, Client) {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    world.befriend(&mut juliet, &mut romeo).await;
    (world, juliet, romeo)
}

/// covers: XEP-0163 example 1; XEP-0163 example 2; XEP-0163 example 3; XEP-0163 example 4; XEP-0163 example 5
/// covers: XEP-0163 example 6; XEP-0060 example 232; XEP-0060 example 212; XEP-0060 example 213; XEP-0060 example 214
/// covers: XEP-0060 example 215
#[tokio::test]
async fn contacts_and_own_clients_are_told() {
    let (world, mut juliet, mut romeo) = stage().await;
    let mut tybalt = world.online("tybalt/street").await;
    assert!(show_interest(&mut juliet).await.0);
    // One client has been asked for all of its kind.
    for client in [&mut romeo, &mut tybalt, &mut juliet] {
        assert!(!show_interest(client).await.0);
    }
    juliet.clear().await;
    romeo.clear().await;
    publish(&mut juliet, "1").await;
    let own = format!(
        "<message from='juliet@localhost' to='juliet@localhost/balcony' type='headline' id='{{any}}'>\
         <event xmlns='{EVENT}'><items node='{TUNE}'><item id='1'><tune xmlns='{TUNE}'><title>1</title></tune></item></items></event>\
         <addresses xmlns='http://jabber.org/protocol/address'><address type='replyto' jid='juliet@localhost/balcony'/></addresses></message>"
    );
    juliet.expect(&own).await;
    romeo.expect(&own.replace("to='juliet@localhost/balcony'", "to='romeo@localhost/orchard'")).await;
    assert!(told(&mut tybalt).await.is_empty());
}

/// covers: XEP-0163 example 7; XEP-0163 example 8; XEP-0163 example 9; XEP-0163 section 4.3.4
#[tokio::test]
async fn the_last_item_is_sent_on_presence() {
    let (world, mut juliet, mut romeo) = stage().await;
    publish(&mut juliet, "1").await;
    publish(&mut juliet, "2").await;
    assert_eq!(show_interest(&mut romeo).await.1, ["juliet items 2 late"]);
    // Once: not with every presence that follows.
    assert!(show_interest(&mut romeo).await.1.is_empty());
    let mut chamber = world.online("juliet/chamber").await;
    assert_eq!(show_interest(&mut chamber).await.1, ["juliet items 2 late"]);
    let mut nurse = world.online("nurse/hall").await;
    assert!(show_interest(&mut nurse).await.1.is_empty());
    world.befriend(&mut juliet, &mut nurse).await;
    let items = format!("<pubsub xmlns='{PUBSUB}'><items node='{TUNE}'/></pubsub>");
    let answer = nurse.ask("get", Some("juliet@localhost"), &items).await;
    assert!(answer.to_string().contains("<title>2</title>"), "{answer}");
}

/// covers: XEP-0163 section 4.3.4
#[tokio::test]
async fn a_new_contact_is_sent_the_last_item() {
    let world = world().await;
    let [mut juliet, mut nurse] = world.all_online(["juliet/balcony", "nurse/hall"]).await;
    publish(&mut juliet, "1").await;
    show_interest(&mut nurse).await;
    nurse.send("<presence to='juliet@localhost' type='subscribe'/>").await;
    nurse.settle().await;
    juliet.send("<presence to='nurse@localhost' type='subscribed'/>").await;
    juliet.settle().await;
    assert_eq!(told(&mut nurse).await, ["juliet items 1 late"]);
}

/// covers: XEP-0163 example 10; XEP-0163 example 11; XEP-0060 example 211
#[tokio::test]
async fn an_account_is_a_service() {
    let (_world, mut juliet, mut romeo) = stage().await;
    publish(&mut juliet, "1").await;
    for (client, to) in [(&mut juliet, None), (&mut romeo, Some("juliet@localhost"))] {
        let answer = client.ask("get", to, &format!("<query xmlns='{INFO}'/>")).await;
        let text = answer.to_string();
        for part in
            ["type='pep'", "pubsub#auto-create", "pubsub#filtered-notifications", "pubsub#access-presence"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
        let answer = client.ask("get", to, items).await;
        assert!(answer.to_string().contains(TUNE), "{answer}");
    }
}

/// covers: XEP-0060 example 31; XEP-0060 example 32; XEP-0060 example 89; XEP-0060 example 90
#[tokio::test]
async fn access_follows_the_roster() {
    let (world, mut juliet, mut romeo) = stage().await;
    let mut tybalt = world.online("tybalt/street").await;
    publish(&mut juliet, "1").await;
    let items = format!("<pubsub xmlns='{PUBSUB}'><items node='{TUNE}'/></pubsub>");
    let subscribe = |who: &str| {
        format!("<pubsub xmlns='{PUBSUB}'><subscribe node='{TUNE}' jid='{who}@localhost'/></pubsub>")
    };
    let refusal = |answer: Element| {
        assert_eq!(answer.attr("type"), Some("error"), "{answer}");
        let error = answer.children().find(|child| child.name == "error").expect("an error");
        error.children().map(|child| child.name.clone()).collect::<Vec<_>>().join(" ")
    };
    for (kind, asked) in [("get", items.clone()), ("set", subscribe("tybalt"))] {
        let answer = tybalt.ask(kind, Some("juliet@localhost"), &asked).await;
        assert_eq!(refusal(answer), "not-authorized presence-subscription-required");
        let answer = tybalt.ask(kind, Some("nobody@localhost"), &asked).await;
        assert_eq!(refusal(answer), "not-authorized presence-subscription-required");
    }
    let configure = format!(
        "<pubsub xmlns='{OWNER}'><configure node='{TUNE}'><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>\
         <field var='pubsub#access_model'><value>roster</value></field>\
         <field var='pubsub#roster_groups_allowed'><value>Friends</value></field></x></configure></pubsub>"
    );
    juliet.ask("set", None, &configure).await;
    for (kind, asked) in [("get", items.clone()), ("set", subscribe("romeo"))] {
        let answer = romeo.ask(kind, Some("juliet@localhost"), &asked).await;
        assert_eq!(refusal(answer), "not-authorized not-in-roster-group");
    }
    let group =
        "<query xmlns='jabber:iq:roster'><item jid='romeo@localhost'><group>Friends</group></item></query>";
    juliet.ask("set", None, group).await;
    let answer = romeo.ask("get", Some("juliet@localhost"), &items).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    show_interest(&mut romeo).await;
    romeo.clear().await;
    publish(&mut juliet, "2").await;
    assert_eq!(told(&mut romeo).await, ["juliet items 2"]);
}

/// covers: XEP-0163 section 4.3.3
#[tokio::test]
async fn the_blocked_are_told_nothing() {
    let (_world, mut juliet, mut romeo) = stage().await;
    show_interest(&mut romeo).await;
    juliet.ask("set", None, "<block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block>").await;
    romeo.clear().await;
    publish(&mut juliet, "1").await;
    assert!(told(&mut romeo).await.is_empty());
    let items = format!("<pubsub xmlns='{PUBSUB}'><items node='{TUNE}'/></pubsub>");
    let answer = romeo.ask("get", Some("juliet@localhost"), &items).await;
    assert_eq!(answer.attr("type"), Some("error"), "{answer}");
}

/// covers: XEP-0223 section 3; XEP-0060 section 4.5
#[tokio::test]
async fn private_data_stays_private_and_lasts() {
    let (mut world, mut juliet, mut romeo) = stage().await;
    let options = format!(
        "<publish-options><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>{PUBSUB}#publish-options</value></field>\
         <field var='pubsub#persist_items'><value>true</value></field>\
         <field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options>"
    );
    let publish = format!(
        "<pubsub xmlns='{PUBSUB}'><publish node='urn:secret'><item id='current'><x xmlns='urn:secret'>wherefore</x></item>\
         </publish>{options}</pubsub>"
    );
    juliet.ask("set", None, &publish).await;
    let items = format!("<pubsub xmlns='{PUBSUB}'><items node='urn:secret'/></pubsub>");
    let answer = romeo.ask("get", Some("juliet@localhost"), &items).await;
    assert!(answer.to_string().contains("closed-node"), "{answer}");
    world.server.terminate().unwrap();
    world.server.launch().unwrap();
    let mut juliet = world.online("juliet/balcony").await;
    let answer = juliet.ask("get", None, &items).await;
    assert!(answer.to_string().contains("wherefore"), "{answer}");
}

/// covers: XEP-0163 section 3.1
#[tokio::test]
async fn nodes_go_with_their_account() {
    let (world, mut juliet, romeo) = stage().await;
    publish(&mut juliet, "1").await;
    drop(romeo);
    world.server.admin(&["user", "delete", "juliet@localhost"], "").unwrap();
    let secret = waxwing_tests::world::password("juliet");
    world
        .server
        .admin(&["user", "add", "juliet@localhost", "--password-stdin"], &format!("{secret}\n"))
        .unwrap();
    let mut juliet = world.online("juliet/balcony").await;
    let items = format!("<pubsub xmlns='{PUBSUB}'><items node='{TUNE}'/></pubsub>");
    let answer = juliet.ask("get", None, &items).await;
    assert!(answer.to_string().contains("item-not-found"), "{answer}");
}

/// covers: XEP-0163 section 4.3.2; XEP-0060 section 9.1
#[tokio::test]
async fn contacts_at_other_servers_are_told() {
    let (verona, mantua) = two(Proof::Dialback, false).await;
    let mut romeo = verona.online("romeo/orchard").await;
    let mut friar = mantua.online("friar/cell").await;
    publish(&mut romeo, "1").await;
    friar.send("<presence to='romeo@verona.example' type='subscribe' id='s'/>").await;
    wait(&mut romeo, "subscribe").await;
    romeo.send("<presence to='friar@mantua.example' type='subscribed'/>").await;
    romeo.send("<presence to='friar@mantua.example' type='subscribe'/>").await;
    wait(&mut friar, "subscribe").await;
    friar.send("<presence to='romeo@verona.example' type='subscribed'/>").await;
    wait(&mut romeo, "subscribed").await;
    // The friar shows what he is interested in to his server, to Romeo, and so to Romeo's server, each of which asks.
    let ver = ver();
    friar
        .send(&format!(
            "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:client' ver='{ver}'/></presence>"
        ))
        .await;
    for _ in 0..2 {
        let asked = loop {
            let stanza = friar.next().await.expect("a stanza");
            if stanza.name == "iq" && stanza.child(INFO, "query").is_some() {
                break stanza;
            }
        };
        let (id, from) = (asked.attr("id").expect("an id"), asked.attr("from").expect("an address"));
        friar
            .send(&format!(
                "<iq type='result' to='{from}' id='{id}'><query xmlns='{INFO}' node='urn:client#{ver}'>{}</query></iq>",
                features()
            ))
            .await;
    }
    assert_eq!(notified(&mut friar).await, "romeo items 1 late");
    publish(&mut romeo, "2").await;
    assert_eq!(notified(&mut friar).await, "romeo items 2");
    friar.send("<presence type='unavailable'/>").await;
    wait(&mut romeo, "unavailable").await;
    publish(&mut romeo, "3").await;
    assert!(told(&mut friar).await.is_empty());
}

/// Waits for presence of this type.
async fn wait(client: &mut Client, kind: &str) {
    loop {
        let stanza = client.next().await.expect("a stanza");
        if stanza.name == "presence" && stanza.attr("type") == Some(kind) {
            return;
        }
    }
}

/// Waits for a notification.
async fn notified(client: &mut Client) -> String {
    loop {
        let stanza = client.next().await.expect("a stanza");
        if let Some(told) = events(&[stanza]).pop() {
            return told;
        }
    }
}
