//! What goes with somebody's presence, and with time (XEP-0060 sections 13.5 and 17.5.4).

use super::*;

fn temporary(jid: &str) -> String {
    let terms = form("subscribe_options", &[("expire", "presence")]);
    pubsub(&format!("<subscribe node='{NODE}' jid='{jid}'/><options>{terms}</options>"))
}

/// How many subscriptions the node has.
async fn subscriptions(client: &mut Client) -> usize {
    let answer = client.ask("get", Some(SERVICE), &owner(&format!("<subscriptions node='{NODE}'/>"))).await;
    listed(&answer, &[(OWNER, "pubsub"), (OWNER, "subscriptions")], &["jid"]).len()
}

fn event(content: &str) -> String {
    format!("<message from='{SERVICE}' id='{{any}}'><event xmlns='{EVENT}'>{content}</event></message>")
}

async fn offline(client: &mut Client) {
    client.send("<presence type='unavailable'/>").await;
    client.round_trip().await;
}

/// covers: XEP-0060 example 222
#[tokio::test]
async fn a_temporary_subscription_ends_with_the_presence() {
    let (world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("notify_sub", "1")]).await;
    let (bare, full) = (francisco.bare().to_owned(), francisco.full().to_owned());
    done(&mut francisco, &temporary(&bare)).await;
    done(&mut francisco, &temporary(&full)).await;
    let options = pubsub(&format!("<options node='{NODE}' jid='{bare}'/>"));
    let answer = francisco.ask("get", Some(SERVICE), &options).await;
    assert!(answer.to_string().contains("<value>presence</value>"), "{answer}");
    publish(&mut hamlet, "a").await;
    assert!(!told(&mut francisco).await.is_empty());
    hamlet.settle().await;
    hamlet.clear().await;
    // Another of his clients is there for his bare address.
    let mut other = world.online("francisco/other").await;
    offline(&mut francisco).await;
    hamlet.settle().await;
    assert_eq!(told(&mut hamlet).await, ["subscription none"]);
    assert_eq!(subscriptions(&mut hamlet).await, 1);
    offline(&mut other).await;
    hamlet.settle().await;
    assert_eq!(told(&mut hamlet).await, ["subscription none"]);
    assert_eq!(subscriptions(&mut hamlet).await, 0);
    // It does not come back with him, and ends as well if his connection does.
    francisco.send("<presence/>").await;
    francisco.round_trip().await;
    publish(&mut hamlet, "b").await;
    assert!(told(&mut francisco).await.is_empty());
    done(&mut francisco, &temporary(&bare)).await;
    hamlet.settle().await;
    hamlet.clear().await;
    francisco.close().await;
    let ended = format!("<subscription node='{NODE}' jid='{bare}' subscription='none' subid='{{any}}'/>");
    hamlet.expect(&event(&ended)).await;
    assert_eq!(subscriptions(&mut hamlet).await, 0);
}

/// covers: XEP-0060 example 223
#[tokio::test]
async fn an_owner_makes_all_subscriptions_temporary() {
    let (world, mut hamlet, mut francisco) = stage().await;
    let mut bernardo = world.online("bernardo/watch").await;
    create(&mut hamlet, &[("send_last_published_item", "never")]).await;
    assert_eq!(subscribe(&mut francisco).await, "result");
    assert_eq!(subscribe(&mut bernardo).await, "result");
    offline(&mut bernardo).await;
    let configure = form("node_config", &[("tempsub", "true")]);
    done(&mut hamlet, &owner(&format!("<configure node='{NODE}'>{configure}</configure>"))).await;
    // Whoever is not there is not subscribed any more; whoever is, is until he goes.
    assert_eq!(subscriptions(&mut hamlet).await, 1);
    let mut horatio = world.online("horatio/castle").await;
    let terms = form("subscribe_options", &[("expire", "2106-02-28T23:59:00Z")]);
    let lease = format!("<subscribe node='{NODE}' jid='horatio@localhost'/><options>{terms}</options>");
    let answer = horatio.ask("set", Some(SERVICE), &pubsub(&lease)).await;
    assert!(answer.to_string().contains("<value>presence</value>"), "{answer}");
    for client in [&mut francisco, &mut horatio] {
        offline(client).await;
    }
    assert_eq!(subscriptions(&mut hamlet).await, 0);
}

/// The option `pubsub#purge_offline`.
#[tokio::test]
async fn items_go_with_their_publisher() {
    let (world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("publish_model", "open"), ("send_last_published_item", "never")]).await;
    let mut bernardo = world.online("bernardo/watch").await;
    publish(&mut francisco, "before").await;
    let configure = form("node_config", &[("purge_offline", "1")]);
    done(&mut hamlet, &owner(&format!("<configure node='{NODE}'>{configure}</configure>"))).await;
    assert_eq!(subscribe(&mut bernardo).await, "result");
    publish(&mut francisco, "f").await;
    publish(&mut hamlet, "h").await;
    bernardo.clear().await;
    let other = world.online("francisco/other").await;
    offline(&mut francisco).await;
    let items = pubsub(&format!("<items node='{NODE}'/>"));
    let path = [(PUBSUB, "pubsub"), (PUBSUB, "items")];
    let answer = hamlet.ask("get", Some(SERVICE), &items).await;
    assert_eq!(listed(&answer, &path, &["id"]), ["before", "f", "h"]);
    other.close().await;
    let retracted = format!("<items node='{NODE}'><retract id='before'/><retract id='f'/></items>");
    bernardo.expect(&event(&retracted).replace("<message", "<message type='headline'")).await;
    let answer = hamlet.ask("get", Some(SERVICE), &items).await;
    assert_eq!(listed(&answer, &path, &["id"]), ["h"]);
}

/// The option `pubsub#item_expire`: items go by the server's upkeep, whether or not anybody reads them.
#[tokio::test]
async fn items_go_with_time() {
    let (world, mut hamlet, _francisco) = stage().await;
    create(&mut hamlet, &[("item_expire", "1")]).await;
    publish(&mut hamlet, "a").await;
    let shown = || world.server.admin(&["pubsub", "show", SERVICE, NODE], "").expect("an answer");
    while !shown().contains("0 items") {
        world.server.admin(&["upkeep"], "").expect("an answer");
    }
}
