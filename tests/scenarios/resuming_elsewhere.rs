//! Streams that are resumed at another node than the one that has them (XEP-0198), with three processes over one database and bus.

use waxwing_tests::login::BIND;
use waxwing_tests::world::password;
use waxwing_tests::xml::Element;
use waxwing_tests::{Client, Setup, World};

use crate::modern_login;
use crate::nodes::{Nats, nodes, until};
use crate::shared_database::on_database;
use crate::world::world_with;

const SM: &str = "urn:xmpp:sm:3";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const NO_STORE: &str = "<no-store xmlns='urn:xmpp:hints'/>";

/// Three nodes that have found each other, and romeo and juliet.
struct Installation {
    nodes: Vec<World>,
    nats: Nats,
}

impl Installation {
    async fn start(database: &str) -> Option<Self> {
        let (Some(nats), Some(setup)) = (Nats::start(), on_database(database)) else { return None };
        let setup: Setup = setup.section(&nats.section());
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(world_with(setup.clone()).await);
        }
        for user in ["romeo", "juliet"] {
            all[0].user(user);
            all[1..].iter().for_each(|world| world.has(user));
        }
        for world in &all {
            let three = |listed: &serde_json::Value| listed["nodes"].as_array().unwrap().len() == 3;
            until("the others", async || nodes(world), three).await;
        }
        Some(Self { nodes: all, nats })
    }

    /// Romeo's client at the first node, whose stream can be resumed under this id, and juliet's at the third.
    async fn both(&self) -> (Romeo, Client) {
        let mut client = self.nodes[0].connected("romeo/orchard").await;
        client.send(&format!("<enable xmlns='{SM}' resume='true'/>")).await;
        let enabled = client.expect(&format!("<enabled xmlns='{SM}' _='...'/>")).await;
        let id = enabled.attr("id").expect("it can be resumed").to_owned();
        let mut romeo = Romeo { client, id, handled: 0, sent: 0 };
        romeo.send("<presence/>").await;
        romeo.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>").await;
        while romeo.next().await.attr("id") != Some("r") {}
        (romeo, self.nodes[2].online("juliet/balcony").await)
    }
}

/// A client that counts what it is sent (XEP-0198 section 4).
struct Romeo {
    client: Client,
    id: String,
    handled: u32,
    sent: u32,
}

impl Romeo {
    async fn send(&mut self, stanza: &str) {
        self.client.send(stanza).await;
        self.sent += 1;
    }

    /// The next stanza.
    async fn next(&mut self) -> Element {
        loop {
            let element =
                self.client.next().await.unwrap_or_else(|error| panic!("{error}\n{}", self.client.said()));
            match element.name.as_str() {
                "r" => self.client.send(&format!("<a xmlns='{SM}' h='{}'/>", self.handled)).await,
                "a" => {}
                _ => {
                    self.handled += 1;
                    return element;
                }
            }
        }
    }

    /// What comes next is all of this, in its order and each once. What no archive keeps has an order of its own: it comes to the
    /// stream's node on another way.
    async fn hears(&mut self, all: Vec<String>) {
        let mut heard = Vec::new();
        for _ in 0..all.len() {
            heard.push(called(&self.next().await));
        }
        let parted =
            |all: Vec<String>| all.into_iter().partition::<Vec<_>, _>(|one| one.starts_with("passing"));
        assert_eq!(parted(heard), parted(all), "{}", self.client.full());
    }

    /// The server has handled all.
    async fn acknowledged(&mut self) {
        self.client.send(&format!("<r xmlns='{SM}'/>")).await;
        self.client.expect(&format!("<a xmlns='{SM}' h='{}'/>", self.sent)).await;
    }

    /// Resumes on a stream that has signed in; gives back the connection that it had.
    async fn resume_on(&mut self, mut client: Client) -> Client {
        let (id, h) = (&self.id, self.handled);
        client.send(&format!("<resume xmlns='{SM}' h='{h}' previd='{id}'/>")).await;
        client.expect(&format!("<resumed xmlns='{SM}' previd='{id}' h='{}'/>", self.sent)).await;
        client.jid = Some("romeo@localhost/orchard".to_owned());
        std::mem::replace(&mut self.client, client)
    }
}

/// A long text in few words.
fn brief(text: &str) -> String {
    if text.len() < 100 { text.to_owned() } else { format!("{} and so on, {} bytes", &text[..8], text.len()) }
}

fn called(element: &Element) -> String {
    let body = element.child("jabber:client", "body").map(Element::text);
    let body = body.map(|body| brief(&body));
    body.or(element.child("jabber:client", "status").map(Element::text)).unwrap_or(element.name.clone())
}

/// Juliet says things that are kept and things that are not, asks something, and shows herself.
async fn talk(juliet: &mut Client, turn: usize) -> Vec<String> {
    let to = "romeo@localhost/orchard";
    let mut all = Vec::new();
    for number in 0..4 {
        let (kept, passing) = (format!("kept {turn} {number}"), format!("passing {turn} {number}"));
        juliet.send(&format!("<message to='{to}' type='chat'><body>{kept}</body></message>")).await;
        // What is not kept does not wait for what is on its way into the store.
        juliet.round_trip().await;
        juliet
            .send(&format!("<message to='{to}' type='chat'><body>{passing}</body>{NO_STORE}</message>"))
            .await;
        all.extend([kept, passing]);
    }
    let large = format!("{turn}{}", "long ".repeat(20_000));
    juliet.send(&format!("<message to='{to}' type='chat'><body>{large}</body></message>")).await;
    juliet.send(&format!("<presence to='{to}'><status>here {turn}</status></presence>")).await;
    juliet.send(&format!("<iq to='{to}' type='get' id='i{turn}'><ping xmlns='urn:xmpp:ping'/></iq>")).await;
    juliet.round_trip().await;
    all.extend([brief(&large), format!("here {turn}"), "iq".to_owned()]);
    all
}

/// What romeo's client writes comes to juliet in its order, and is acknowledged.
async fn answer(romeo: &mut Romeo, juliet: &mut Client, turn: usize) {
    let large = "x".repeat(100_000);
    romeo.send(&format!("<iq to='juliet@localhost/balcony' type='result' id='i{turn}'/>")).await;
    for body in [&format!("kept {turn}"), &large] {
        romeo
            .send(&format!("<message to='juliet@localhost' type='chat'><body>{body}</body></message>"))
            .await;
    }
    romeo.acknowledged().await;
    let passing = format!("<message to='juliet@localhost/balcony'><body>passing</body>{NO_STORE}</message>");
    romeo.send(&passing).await;
    romeo.acknowledged().await;
    // What no archive keeps comes on another way, and not always in turn with what is on its way into the store.
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(called(&juliet.next().await.expect("it comes")));
    }
    let (answers, said): (Vec<_>, Vec<_>) = heard.into_iter().partition(|one| one == "iq");
    assert_eq!(answers.len(), 1);
    assert_eq!(said, [format!("kept {turn}"), brief(&large), "passing".to_owned()]);
}

/// Through one node after the other, by each way there is to come; and back at its own.
/// covers: XEP-0198 5 at another node; operation nodes
#[tokio::test]
async fn a_stream_goes_on_at_any_node() {
    let Some(installation) = Installation::start("resuming").await else { return };
    let (mut romeo, mut juliet) = installation.both().await;
    for turn in 0..8 {
        let node = &installation.nodes[[1, 2, 1, 1, 2, 0, 2, 0][turn]];
        romeo.client.cut();
        let mut all = talk(&mut juliet, turn).await;
        let client = match turn {
            3 => {
                let (id, h) = (&romeo.id, romeo.handled);
                let inline = format!("<resume xmlns='{SM}' h='{h}' previd='{id}'/>");
                let (client, success) = modern_login::signed_in(node, "romeo", &inline).await;
                let resumed = success.child(SM, "resumed").unwrap_or_else(|| panic!("{success}"));
                assert_eq!(resumed.attr("h"), Some(romeo.sent.to_string().as_str()));
                romeo.client = client;
                None
            }
            4 | 7 => {
                let mut client = node.websocket().await;
                client.open().await.unwrap();
                client.authenticate("SCRAM-SHA-256", "romeo", &password("romeo")).await.unwrap();
                client.reopen().await.unwrap();
                Some(client)
            }
            _ => Some(node.authenticated("romeo").await),
        };
        if let Some(client) = client {
            drop(romeo.resume_on(client).await);
        }
        all.extend(talk(&mut juliet, turn + 100).await);
        romeo.hears(all).await;
        romeo.send(&format!("<iq to='juliet@localhost/balcony' type='result' id='i{}'/>", turn + 100)).await;
        juliet.expect(&format!("<iq type='result' id='i{}' _='...'/>", turn + 100)).await;
        answer(&mut romeo, &mut juliet, turn).await;
    }
    romeo.client.close().await;
}

/// Whoever has the stream says so to its former client; what administrators see is its client where it is now.
/// covers: XEP-0198 5 at another node
#[tokio::test]
async fn the_last_to_come_has_the_stream() {
    let Some(installation) = Installation::start("last_to_come").await else { return };
    let (mut romeo, _juliet) = installation.both().await;
    for at in [1, 2, 0] {
        let mut former = romeo.resume_on(installation.nodes[at].authenticated("romeo").await).await;
        former.expect_stream_error("conflict").await;
        let listed =
            installation.nodes[1].server.admin(&["sessions", "--account", "romeo@localhost", "--json"], "");
        let listed: serde_json::Value = serde_json::from_str(&listed.unwrap()).unwrap();
        let sessions = listed["sessions"].as_array().unwrap();
        assert_eq!(sessions.len(), 1, "{listed}");
        assert_eq!(sessions[0]["state"], "available", "{listed}");
        assert!(sessions[0]["ip"].as_str().unwrap().starts_with("127.0.0.1:"), "{listed}");
        assert!(sessions[0]["tls"].as_str().unwrap().starts_with("TLS"), "{listed}");
    }
}

/// Whichever of the two nodes is killed, its clients connect anew; the stream lives on with its own node, and ends with that.
/// covers: XEP-0198 5 at another node
#[tokio::test]
async fn one_of_the_two_nodes_is_killed() {
    let Some(mut installation) = Installation::start("killed").await else { return };
    let (mut romeo, mut juliet) = installation.both().await;
    drop(romeo.resume_on(installation.nodes[1].authenticated("romeo").await).await);
    installation.nodes[1].server.kill().unwrap();
    assert!(!matches!(romeo.client.next_item().await, Ok(Some(_))), "the connection ends");
    let mut all = talk(&mut juliet, 1).await;
    drop(romeo.resume_on(installation.nodes[2].authenticated("romeo").await).await);
    all.extend(talk(&mut juliet, 2).await);
    romeo.hears(all).await;
    installation.nodes[0].server.kill().unwrap();
    while let Ok(Some(_)) = romeo.client.next_item().await {}
    let mut again = installation.nodes[2].authenticated("romeo").await;
    again.send(&format!("<resume xmlns='{SM}' h='{}' previd='{}'/>", romeo.handled, romeo.id)).await;
    let failed = format!("<failed xmlns='{SM}' _='...'><item-not-found xmlns='{STANZAS}'/>{{...}}</failed>");
    again.expect(&failed).await;
    assert!(again.features.child(BIND, "bind").is_some());
    again.bind("orchard").await.unwrap();
}

/// Either node leaves in order; the client is told, and goes on at another.
/// covers: XEP-0198 5 at another node; operation draining
#[tokio::test]
async fn one_of_the_two_nodes_leaves() {
    let Some(mut installation) = Installation::start("leaves").await else { return };
    let (mut romeo, mut juliet) = installation.both().await;
    drop(romeo.resume_on(installation.nodes[1].authenticated("romeo").await).await);
    let mut leaving = installation.nodes.remove(1);
    assert!(leaving.server.terminate().unwrap().success());
    romeo.client.expect_stream_error("system-shutdown").await;
    drop(romeo.resume_on(installation.nodes[1].authenticated("romeo").await).await);
    let all = talk(&mut juliet, 1).await;
    romeo.hears(all).await;
    let mut leaving = installation.nodes.remove(0);
    assert!(leaving.server.terminate().unwrap().success());
    romeo.client.expect_stream_error("system-shutdown").await;
    // It is in the store now, for whichever node is there.
    drop(romeo.resume_on(installation.nodes[0].authenticated("romeo").await).await);
    // Those who see his presence were told that he had gone.
    romeo.hears(vec!["presence".to_owned()]).await;
    let all = talk(&mut juliet, 2).await;
    romeo.hears(all).await;
}

/// Without the bus nobody finds it, and whoever comes signs in anew: the test would see a stream that did not go on.
#[tokio::test]
async fn without_the_bus_a_stream_is_at_its_own_node_alone() {
    let Some(mut installation) = Installation::start("without_bus").await else { return };
    let (mut romeo, _juliet) = installation.both().await;
    drop(romeo.resume_on(installation.nodes[1].authenticated("romeo").await).await);
    installation.nats.kill();
    let mut again = installation.nodes[2].authenticated("romeo").await;
    again.send(&format!("<resume xmlns='{SM}' h='{}' previd='{}'/>", romeo.handled, romeo.id)).await;
    let failed = format!("<failed xmlns='{SM}' _='...'><item-not-found xmlns='{STANZAS}'/>{{...}}</failed>");
    again.expect(&failed).await;
    drop(romeo.resume_on(installation.nodes[0].authenticated("romeo").await).await);
}
