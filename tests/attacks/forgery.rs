//! Stanzas that pretend to be somebody else's: carbons, results of the archive, roster pushes, stanza ids.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::world::{figure, world};

const CARBONS: &str = "urn:xmpp:carbons:2";
const MAM: &str = "urn:xmpp:mam:2";
const SID: &str = "urn:xmpp:sid:0";
const OCCUPANT: &str = "urn:xmpp:occupant-id:0";
const ROSTER: &str = "jabber:iq:roster";

const INNER: &str = "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/>\
                     <message xmlns='jabber:client' from='juliet@localhost/balcony' to='romeo@localhost/orchard' \
                     type='chat'><body>send money</body></message></forwarded>";

/// Sends each payload to a victim in messages of every type, to the account and to the resource, and returns all that
/// arrived.
async fn received(romeo: &mut Client, mallory: &mut Client, payload: &str) -> Vec<Element> {
    for kind in ["chat", "normal", "headline", "error", "groupchat"] {
        for to in ["romeo@localhost", "romeo@localhost/orchard"] {
            let message = format!("<message to='{to}' type='{kind}'><body>x</body>{payload}</message>");
            mallory.send(&message).await;
        }
    }
    mallory.settle().await;
    let arrived = romeo.drain().await;
    assert!(!arrived.is_empty(), "nothing arrived, so nothing was tested");
    arrived
}

async fn victim_and_forger(world: &World) -> (Client, Client) {
    let [mut romeo, mallory] = world.all_online(["romeo/orchard", "mallory/x"]).await;
    romeo.send(&format!("<iq type='set' id='c'><enable xmlns='{CARBONS}'/></iq>")).await;
    romeo.clear().await;
    (romeo, mallory)
}

fn says(element: &Element, text: &str) -> bool {
    element.to_string().contains(text)
}

/// The message says who sent it, and holds nothing of what was forged. A carbon that the server made itself holds a message
/// of which the same is true.
fn is_honest(element: &Element) {
    let carbon = element.child(CARBONS, "received");
    let inner = carbon.and_then(|carbon| carbon.find("jabber:client", "message"));
    if inner.is_some() {
        assert_eq!(element.attr("from"), Some("romeo@localhost"), "{element}");
    }
    assert_eq!(inner.unwrap_or(element).attr("from"), Some("mallory@localhost/x"), "{element}");
    assert!(!says(element, "send money"), "{element}");
}

/// CVE-2017-5589 to 5605: a client that trusts what is wrapped must not get it from a stranger.
#[tokio::test]
async fn forged_carbons_are_taken_out() {
    let world = world().await;
    let (mut romeo, mut mallory) = victim_and_forger(&world).await;
    let mut sent = 0;
    for name in ["received", "sent"] {
        for element in
            received(&mut romeo, &mut mallory, &format!("<{name} xmlns='{CARBONS}'>{INNER}</{name}>")).await
        {
            is_honest(&element);
            sent += 1;
        }
    }
    figure(&format!("forged carbons: {sent} messages arrived, 0 with a carbon in them"));
}

/// A result of the archive comes from the archive alone (XEP-0313 section 10).
#[tokio::test]
async fn forged_results_of_the_archive_are_taken_out() {
    let world = world().await;
    let (mut romeo, mut mallory) = victim_and_forger(&world).await;
    let mut arrived = 0;
    for attributes in ["queryid='q' id='1'", "id='1'", ""] {
        let payload = format!("<result xmlns='{MAM}' {attributes}>{INNER}</result>");
        for element in received(&mut romeo, &mut mallory, &payload).await {
            is_honest(&element);
            assert!(element.find(MAM, "result").is_none(), "{element}");
            arrived += 1;
        }
    }
    // Nor from the archive itself when it is read.
    romeo.send(&format!("<iq type='set' id='m'><query xmlns='{MAM}' queryid='mine'/></iq>")).await;
    for element in romeo.drain().await {
        if element.name == "message" {
            let result = element.child(MAM, "result").expect("a result of the archive");
            assert_eq!(result.attr("queryid"), Some("mine"), "{element}");
            assert!(!says(&element, "send money"), "{element}");
        }
    }
    figure(&format!("forged results of the archive: {arrived} messages arrived, 0 with a result in them"));
}

/// RFC 6121 section 2.1.6, CVE-2015-8688: a push comes from the account or from nobody; a stranger's set says whose it is.
#[tokio::test]
async fn forged_roster_pushes_show_their_sender_and_change_nothing() {
    let world = world().await;
    let (mut romeo, mut mallory) = victim_and_forger(&world).await;
    let item = format!(
        "<query xmlns='{ROSTER}' ver='x'><item jid='mallory@localhost' subscription='both'/></query>"
    );
    mallory.send(&format!("<iq type='set' id='push1' to='romeo@localhost/orchard'>{item}</iq>")).await;
    mallory.send(&format!("<iq type='result' id='push2' to='romeo@localhost/orchard'>{item}</iq>")).await;
    let answer = mallory.ask("set", Some("romeo@localhost"), &item).await;
    assert_eq!(answer.attr("type"), Some("error"), "{answer}");
    mallory.send("<presence to='romeo@localhost' type='subscribed'/>").await;
    mallory.send("<presence to='romeo@localhost' type='unsubscribed'/>").await;
    mallory.settle().await;
    for element in romeo.drain().await {
        let from = element.attr("from").unwrap_or_default();
        assert!(from.starts_with("mallory@localhost"), "{element}");
    }
    let roster = romeo.ask("get", None, &format!("<query xmlns='{ROSTER}'/>")).await;
    let items = roster.child(ROSTER, "query").map_or(0, |query| query.children().count());
    assert_eq!(items, 0, "{roster}");
    figure("forged roster pushes and answers: 3 tries, 0 without the forger's address, 0 changes");
}

/// XEP-0359 section 7: an id that this server is said to have given was given by this server.
#[tokio::test]
async fn forged_stanza_ids_are_taken_out() {
    let world = world().await;
    let (mut romeo, mut mallory) = victim_and_forger(&world).await;
    let ours = [
        "romeo@localhost",
        "localhost",
        "mallory@localhost",
        "ROMEO@LOCALHOST",
        "romeo@localhost/orchard",
        "",
        "@",
    ];
    let mut arrived = 0;
    for by in ours {
        let payload = format!(
            "<stanza-id xmlns='{SID}' id='forged' by='{by}'/><occupant-id xmlns='{OCCUPANT}' id='forged'/>"
        );
        for element in received(&mut romeo, &mut mallory, &payload).await {
            let ids = || element.children().filter(|child| child.is(SID, "stanza-id"));
            assert!(ids().all(|id| id.attr("id") != Some("forged")), "by={by:?}: {element}");
            assert!(ids().count() <= 1, "{element}");
            assert!(element.child(OCCUPANT, "occupant-id").is_none(), "{element}");
            arrived += 1;
        }
    }
    // Another server's id is that server's business and stays.
    let foreign = format!("<stanza-id xmlns='{SID}' id='theirs' by='room@muc.example'/>");
    let kept = received(&mut romeo, &mut mallory, &foreign).await;
    assert!(kept.iter().any(|element| says(element, "theirs")), "{kept:?}");
    figure(&format!("forged stanza ids: {arrived} messages arrived, 0 with a forged id of this server"));
}

/// CVE-2024-46957, threat 18: an answer reaches whom it is addressed to with the true sender; guessing the id of a request
/// to the server does not answer it.
#[tokio::test]
async fn answers_of_strangers_answer_nothing() {
    let world = world().await;
    let (mut romeo, mut mallory) = victim_and_forger(&world).await;
    romeo
        .send("<iq type='get' id='guessed' to='juliet@localhost/nowhere'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    for to in ["romeo@localhost/orchard", "romeo@localhost", "localhost"] {
        mallory.send(&format!("<iq type='result' id='guessed' to='{to}'/>")).await;
    }
    mallory.settle().await;
    for element in romeo.drain().await {
        let from = element.attr("from").unwrap_or_default();
        let honest = element.attr("type") == Some("error") && from == "juliet@localhost/nowhere";
        assert!(honest || from == "mallory@localhost/x", "{element}");
    }
}
