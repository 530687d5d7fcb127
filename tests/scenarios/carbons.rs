//! Message carbons: XEP-0280, example by example.

use waxwing_tests::Client;

use crate::world::world;

const CARBONS: &str = "urn:xmpp:carbons:2";

async fn enable(client: &mut Client) {
    let answer = client.ask("set", None, &format!("<enable xmlns='{CARBONS}'/>")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
}

/// A carbon as the account's other resources see it.
fn carbon(direction: &str, message: &str) -> String {
    format!(
        "<message from='romeo@localhost' type='chat' _='...'><{direction} xmlns='{CARBONS}'>\
         <forwarded xmlns='urn:xmpp:forward:0'>{message}</forwarded></{direction}></message>"
    )
}

/// covers: XEP-0280 example 1; XEP-0280 example 2
#[tokio::test]
async fn the_feature_is_announced() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let info = "http://jabber.org/protocol/disco#info";
    let answer = romeo.ask("get", Some("localhost"), &format!("<query xmlns='{info}'/>")).await;
    let query = answer.child(info, "query").expect("an answer");
    assert!(query.children().any(|feature| feature.attr("var") == Some(CARBONS)), "{query}");
}

/// covers: XEP-0280 example 3; XEP-0280 example 4; XEP-0280 example 6; XEP-0280 example 7
#[tokio::test]
async fn carbons_are_enabled_and_disabled() {
    let world = world().await;
    let [mut orchard, mut home, mut juliet] =
        world.all_online(["romeo/orchard", "romeo/home", "juliet/balcony"]).await;
    orchard.clear().await;
    home.send(&format!("<iq id='1' type='set'><enable xmlns='{CARBONS}'/></iq>")).await;
    home.expect("<iq id='1' type='result'/>").await;
    juliet.send("<message to='romeo@localhost/orchard' type='chat' id='a'><body>1</body></message>").await;
    let original = "<message xmlns='jabber:client' from='juliet@localhost/balcony' to='romeo@localhost/orchard' type='chat' id='a' _='...'>\
                    <body>1</body>{...}</message>";
    home.expect(&carbon("received", original)).await;
    home.send(&format!("<iq id='2' type='set'><disable xmlns='{CARBONS}'/></iq>")).await;
    home.expect("<iq id='2' type='result'/>").await;
    juliet.send("<message to='romeo@localhost/orchard' type='chat' id='b'><body>2</body></message>").await;
    home.expect_nothing_from(&mut juliet).await;
}

/// covers: XEP-0280 example 9; XEP-0280 example 10
#[tokio::test]
async fn what_one_resource_receives_the_others_are_told() {
    let world = world().await;
    let [mut orchard, mut home, mut garden, mut juliet] =
        world.all_online(["romeo/orchard", "romeo/home", "romeo/garden", "juliet/balcony"]).await;
    enable(&mut home).await;
    enable(&mut orchard).await;
    for client in [&mut orchard, &mut home, &mut garden] {
        client.clear().await;
    }
    let text = "<body>Wherefore art thou, Romeo?</body><thread>0e3141cd</thread>";
    juliet.send(&format!("<message to='romeo@localhost/orchard' type='chat' id='m'>{text}</message>")).await;
    orchard
        .expect(&format!("<message from='juliet@localhost/balcony' type='chat' id='m'>{text}</message>"))
        .await;
    let original = format!(
        "<message xmlns='jabber:client' from='juliet@localhost/balcony' to='romeo@localhost/orchard' type='chat' id='m' \
         _='...'>{text}{{...}}</message>"
    );
    home.expect(&carbon("received", &original)).await;
    garden.expect_nothing_from(&mut juliet).await;
    orchard.expect_nothing().await;
    home.expect_nothing().await;
}

/// covers: XEP-0280 example 12; XEP-0280 example 13
#[tokio::test]
async fn what_one_resource_sends_the_others_are_told() {
    let world = world().await;
    let [mut orchard, mut home, mut juliet] =
        world.all_online(["romeo/orchard", "romeo/home", "juliet/balcony"]).await;
    enable(&mut home).await;
    enable(&mut orchard).await;
    orchard.clear().await;
    let text = "<body>Neither, fair saint</body>";
    orchard
        .send(&format!("<message to='juliet@localhost/balcony' type='chat' id='m'>{text}</message>"))
        .await;
    juliet
        .expect(&format!("<message from='romeo@localhost/orchard' type='chat' id='m'>{text}</message>"))
        .await;
    let original = format!(
        "<message xmlns='jabber:client' from='romeo@localhost/orchard' to='juliet@localhost/balcony' type='chat' id='m' \
         _='...'>{text}{{...}}</message>"
    );
    home.expect(&carbon("sent", &original)).await;
    orchard.expect_nothing().await;
}

/// covers: XEP-0280 example 14; XEP-0280 example 15
#[tokio::test]
async fn a_private_message_is_not_copied() {
    let world = world().await;
    let [mut orchard, mut home, mut juliet] =
        world.all_online(["romeo/orchard", "romeo/home", "juliet/balcony"]).await;
    enable(&mut home).await;
    let marks = format!("<private xmlns='{CARBONS}'/><no-copy xmlns='urn:xmpp:hints'/>");
    orchard
        .send(&format!(
            "<message to='juliet@localhost/balcony' type='chat' id='m'><body>hush</body>{marks}</message>"
        ))
        .await;
    // Nothing is taken out on the way: it would let a sender manipulate delivery unseen (section 9).
    juliet
        .expect(&format!(
            "<message from='romeo@localhost/orchard' type='chat' id='m'><body>hush</body>{marks}</message>"
        ))
        .await;
    home.expect_nothing_from(&mut orchard).await;
    juliet
        .send(&format!(
            "<message to='romeo@localhost/orchard' type='chat' id='n'><body>hush</body>{marks}</message>"
        ))
        .await;
    home.expect_nothing_from(&mut juliet).await;
}

/// A client that is not the user's own account cannot make carbons: what looks like one is dropped on its way in, or
/// reaches the user with the true sender.
/// covers: XEP-0280 example 11
#[tokio::test]
async fn forged_carbons_do_not_come_from_the_account() {
    let world = world().await;
    let [mut romeo, mut tybalt] = world.all_online(["romeo/orchard", "tybalt/street"]).await;
    let forged = format!(
        "<received xmlns='{CARBONS}'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' \
         from='juliet@localhost/balcony' to='romeo@localhost/orchard' type='chat'><body>go away</body></message>\
         </forwarded></received>"
    );
    tybalt.send(&format!("<message to='romeo@localhost/orchard' type='chat'>{forged}</message>")).await;
    tybalt.settle().await;
    for element in romeo.drain().await {
        assert_eq!(element.attr("from"), Some("tybalt@localhost/street"), "{element}");
    }
}

/// covers: XEP-0280 6.1
#[tokio::test]
async fn which_messages_are_copied() {
    let world = world().await;
    let [mut orchard, mut home, mut juliet] =
        world.all_online(["romeo/orchard", "romeo/home", "juliet/balcony"]).await;
    enable(&mut home).await;
    orchard.clear().await;
    let cases = [
        ("<body>x</body>", "normal", true),
        ("<active xmlns='http://jabber.org/protocol/chatstates'/>", "chat", true),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", "normal", true),
        ("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", "chat", true),
        ("<x xmlns='urn:example:unknown'/>", "normal", false),
        ("<body>x</body>", "headline", false),
        ("<body>x</body>", "groupchat", false),
    ];
    for (content, kind, copied) in cases {
        juliet
            .send(&format!("<message to='romeo@localhost/orchard' type='{kind}'>{content}</message>"))
            .await;
        juliet.settle().await;
        let given = home.drain().await;
        assert_eq!(given.len(), usize::from(copied), "{kind} {content}: {given:?}");
        if copied {
            assert!(given[0].child(CARBONS, "received").is_some(), "{given:?}");
        }
    }
}

/// covers: XEP-0280 5
#[tokio::test]
async fn a_message_to_the_account_is_not_copied_to_whom_it_was_delivered() {
    let world = world().await;
    let [mut orchard, mut home, mut juliet] =
        world.all_online(["romeo/orchard", "romeo/home", "juliet/balcony"]).await;
    enable(&mut home).await;
    enable(&mut orchard).await;
    orchard.clear().await;
    home.clear().await;
    juliet.send("<message to='romeo@localhost' type='chat' id='m'><body>both</body></message>").await;
    for client in [&mut orchard, &mut home] {
        client
            .expect("<message from='juliet@localhost/balcony' type='chat' id='m'><body>both</body></message>")
            .await;
        client.expect_nothing_from(&mut juliet).await;
    }
}
