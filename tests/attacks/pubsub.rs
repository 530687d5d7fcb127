//! Publish-subscribe: learning what one must not know, and publishing more than one's share.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, Setup};

use crate::world::{figure, world, world_with};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";

fn pubsub(content: &str) -> String {
    format!("<pubsub xmlns='{PUBSUB}'>{content}</pubsub>")
}

fn owner(content: &str) -> String {
    format!("<pubsub xmlns='{OWNER}'>{content}</pubsub>")
}

fn publish(node: &str, id: &str, text: &str) -> String {
    pubsub(&format!("<publish node='{node}'><item id='{id}'><x xmlns='urn:x'>{text}</x></item></publish>"))
}

/// What an answer says, without whose it is.
fn said(answer: &Element) -> String {
    let content: Vec<String> = answer.children().map(ToString::to_string).collect();
    format!("{} {}", answer.attr("type").unwrap_or_default(), content.join(""))
}

async fn done(client: &mut Client, payload: &str) {
    let answer = client.ask("set", None, payload).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
}

/// An account with nodes, one that blocks whoever asks, and one that is not there answer a stranger alike, whatever he asks,
/// whether the node is there or not.
#[tokio::test]
async fn strangers_cannot_tell_whether_an_account_is_there() {
    let world = world().await;
    let [mut juliet, mut nurse, mut mallory] =
        world.all_online(["juliet/balcony", "nurse/hall", "mallory/x"]).await;
    for client in [&mut juliet, &mut nurse] {
        done(client, &publish("urn:here", "1", "secret")).await;
        let private = "<field var='pubsub#access_model'><value>whitelist</value></field>";
        done(client, &publish("urn:private", "1", "secret")).await;
        let form = format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>{private}</x>"
        );
        done(client, &owner(&format!("<configure node='urn:private'>{form}</configure>"))).await;
    }
    nurse.ask("set", None, "<block xmlns='urn:xmpp:blocking'><item jid='mallory@localhost'/></block>").await;
    let mut asked = Vec::new();
    for node in ["", " node='urn:here'", " node='urn:private'", " node='urn:missing'"] {
        let me = "jid='mallory@localhost'";
        for get in ["items", "subscriptions", "affiliations", "default", "options"] {
            asked.push(("get", pubsub(&format!("<{get}{node} {me}/>"))));
            asked.push(("get", owner(&format!("<{get}{node}/>"))));
        }
        for set in ["subscribe", "unsubscribe", "options", "create", "publish", "retract"] {
            asked.push(("set", pubsub(&format!("<{set}{node} {me}/>"))));
        }
        asked.push((
            "set",
            pubsub(&format!("<publish{node}><item id='1'><x xmlns='urn:x'/></item></publish>")),
        ));
        asked.push(("set", pubsub(&format!("<retract{node}><item id='1'/></retract>"))));
        for set in ["configure", "purge", "delete", "affiliations", "subscriptions"] {
            asked.push(("set", owner(&format!("<{set}{node}/>"))));
        }
        for query in ["info", "items"] {
            asked.push(("get", format!("<query xmlns='http://jabber.org/protocol/disco#{query}'{node}/>")));
        }
    }
    asked.push((
        "set",
        format!("<command xmlns='http://jabber.org/protocol/commands' node='{PUBSUB}#get-pending'/>"),
    ));
    for (kind, payload) in &asked {
        let nobody = said(&mallory.ask(kind, Some("nobody@localhost"), payload).await);
        assert!(!nobody.contains("secret"), "{nobody}");
        for account in ["juliet@localhost", "nurse@localhost"] {
            assert_eq!(said(&mallory.ask(kind, Some(account), payload).await), nobody, "{account} {payload}");
        }
    }
    figure(&format!("requests of a stranger that tell accounts apart: 0 of {}", asked.len()));
}

/// Notifications say who published, and nobody but the account does.
#[tokio::test]
async fn nobody_publishes_for_another() {
    let world = world().await;
    let [mut juliet, mut mallory] = world.all_online(["juliet/balcony", "mallory/x"]).await;
    world.befriend(&mut juliet, &mut mallory).await;
    done(&mut juliet, &publish("urn:here", "1", "mine")).await;
    for payload in [
        publish("urn:here", "1", "forged"),
        publish("urn:new", "1", "forged"),
        pubsub("<retract node='urn:here'><item id='1'/></retract>"),
        pubsub("<create node='urn:new'/>"),
        owner("<delete node='urn:here'/>"),
        owner("<purge node='urn:here'/>"),
        owner("<configure node='urn:here'><x xmlns='jabber:x:data' type='submit'/></configure>"),
        owner(
            "<affiliations node='urn:here'><affiliation jid='mallory@localhost' affiliation='owner'/></affiliations>",
        ),
    ] {
        let answer = mallory.ask("set", Some("juliet@localhost"), &payload).await;
        assert_eq!(answer.attr("type"), Some("error"), "{payload}: {answer}");
    }
    let kept = juliet.ask("get", None, &pubsub("<items node='urn:here'/>")).await;
    assert!(kept.to_string().contains("mine") && !kept.to_string().contains("forged"), "{kept}");
}

/// Nodes, items and their size are bounded, whatever an owner decides.
#[tokio::test]
async fn nobody_publishes_more_than_his_share() {
    let limits = "[pubsub]\nnodes_per_owner_limit = 5\nitems_per_node_limit = 20\nitem_bytes_limit = 1000\n";
    let world = world_with(Setup::default().section(limits)).await;
    let mut mallory = world.online("mallory/x").await;
    let options = format!(
        "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
         <value>{PUBSUB}#publish-options</value></field><field var='pubsub#max_items'><value>4000000000</value></field></x></publish-options>"
    );
    let mut made = 0;
    for node in 0..10 {
        let payload = publish(&format!("urn:{node}"), "1", "x");
        let answer =
            mallory.ask("set", None, &payload.replace("</publish>", &format!("</publish>{options}"))).await;
        made += usize::from(answer.attr("type") == Some("result"));
    }
    for item in 0..100 {
        done(&mut mallory, &publish("urn:0", &format!("{item}"), "x")).await;
    }
    let kept = mallory.ask("get", None, &pubsub("<items node='urn:0'/>")).await;
    let kept = kept
        .child(PUBSUB, "pubsub")
        .and_then(|p| p.child(PUBSUB, "items"))
        .expect("items")
        .children()
        .count();
    let large = mallory.ask("set", None, &publish("urn:0", "l", &"x".repeat(1000))).await;
    assert!(large.to_string().contains("payload-too-big"), "{large}");
    assert_eq!((made, kept), (5, 20));
    figure("nodes and items beyond the limits that were kept: 0 of 5 and 0 of 80");
}
