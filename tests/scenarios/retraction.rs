//! Taking back what was said, with the files that went with it: XEP-0424, XEP-0425.

use waxwing_tests::web::{get, upload};
use waxwing_tests::{Client, World};

use crate::world::world;

const RETRACT: &str = "urn:xmpp:message-retract:1";
const MODERATE: &str = "urn:xmpp:message-moderate:1";
const MAM: &str = "urn:xmpp:mam:2";
const STANZA_ID: &str = "urn:xmpp:sid:0";
const ROOM: &str = "coven@rooms.localhost";

async fn chat(from: &mut Client, to: &str, id: &str, content: &str) {
    from.send(&format!("<message to='{to}' type='chat' id='{id}'>{content}</message>")).await;
    from.settle().await;
}

/// The messages of an archive, as text.
async fn archive(client: &mut Client, to: Option<&str>) -> Vec<String> {
    client.clear().await;
    let to = to.map(|to| format!(" to='{to}'")).unwrap_or_default();
    client.send(&format!("<iq type='set' id='mam'{to}><query xmlns='{MAM}'/></iq>")).await;
    let mut found = Vec::new();
    loop {
        let element = client.next().await.expect("a page");
        if element.name == "iq" {
            return found;
        }
        found.push(element.to_string());
    }
}

fn contents(world: &World) -> usize {
    let shelves = std::fs::read_dir(world.server.data().join("files")).expect("a folder").flatten();
    shelves.filter_map(|shelf| std::fs::read_dir(shelf.path()).ok()).map(Iterator::count).sum()
}

/// covers: XEP-0424 2; XEP-0424 3; XEP-0424 4 tombstones; XEP-0424 files
#[tokio::test]
async fn what_was_said_to_one_is_taken_back_with_its_file() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/garden", "juliet/balcony"]).await;
    let info = "http://jabber.org/protocol/disco#info";
    for (to, var) in [("localhost", RETRACT.to_owned()), ("romeo@localhost", format!("{RETRACT}#tombstone"))]
    {
        let answer = romeo.ask("get", Some(to), &format!("<query xmlns='{info}'/>")).await;
        assert!(answer.to_string().contains(&format!("var='{var}'")), "{answer}");
    }
    let file = upload(&world, &mut romeo, "a.png", "image/png", b"secret").await;
    let kept = upload(&world, &mut romeo, "b.png", "image/png", b"stays").await;
    let link = |link: &str| format!("<body>{link}</body><x xmlns='jabber:x:oob'><url>{link}</url></x>");
    chat(&mut romeo, "juliet@localhost", "one", &link(&file.link)).await;
    chat(&mut romeo, "juliet@localhost", "two", &link(&kept.link)).await;
    // Others repeat the link, and take that back.
    chat(&mut juliet, "romeo@localhost", "hers", &link(&file.link)).await;
    chat(&mut juliet, "romeo@localhost", "r0", &format!("<retract xmlns='{RETRACT}' id='hers'/>")).await;
    chat(&mut juliet, "romeo@localhost", "r1", &format!("<retract xmlns='{RETRACT}' id='one'/>")).await;
    assert_eq!(get(&world, &file.path, &[]).await.body, b"secret", "it is not hers");
    juliet.clear().await;
    // At once behind each other, as a client that notices a mistake.
    let late = upload(&world, &mut romeo, "c.png", "image/png", b"late").await;
    romeo
        .send(&format!(
            "<message to='juliet@localhost' type='chat' id='three'>{}</message>",
            link(&late.link)
        ))
        .await;
    chat(&mut romeo, "juliet@localhost", "r3", &format!("<retract xmlns='{RETRACT}' id='three'/>")).await;
    chat(&mut romeo, "juliet@localhost", "r4", &format!("<retract xmlns='{RETRACT}' id='one'/>")).await;
    juliet
        .expect("<message type='chat' id='three' from='romeo@localhost/garden' _='...'>{...}</message>")
        .await;
    for (id, what) in [("r3", "three"), ("r4", "one")] {
        let retraction = format!(
            "<message type='chat' id='{id}' from='romeo@localhost/garden' _='...'>\
             <retract xmlns='{RETRACT}' id='{what}'/>{{...}}</message>"
        );
        juliet.expect(&retraction).await;
    }
    for gone in [&file, &late] {
        assert_eq!(get(&world, &gone.path, &[]).await.status, 404);
    }
    assert_eq!(get(&world, &kept.path, &[]).await.body, b"stays");
    assert_eq!(contents(&world), 1, "the content is gone too");
    for client in [&mut romeo, &mut juliet] {
        let kept = archive(client, None).await;
        let tombstone = kept.iter().find(|message| message.contains("id='one'")).expect("a tombstone");
        assert!(tombstone.contains("<retracted ") && !tombstone.contains(&file.link), "{tombstone}");
        assert!(kept.iter().any(|message| message.contains("id='r4'")), "the retraction is kept");
    }
    let audit = world.server.admin(&["audit"], "").unwrap();
    assert_eq!(audit.matches("file.delete").count(), 2, "{audit}");
}

async fn say(from: &mut Client, id: &str, content: &str) {
    from.send(&format!("<message to='{ROOM}' type='groupchat' id='{id}'>{content}</message>")).await;
}

/// The id that the room gave to the message with this id of its sender.
async fn heard(client: &mut Client, id: &str) -> String {
    loop {
        let element = client.next().await.expect("a message");
        if element.attr("id") == Some(id) && element.attr("type") == Some("groupchat") {
            let own = element.child(STANZA_ID, "stanza-id").and_then(|id| id.attr("id"));
            return own.expect("an id of the room").to_owned();
        }
    }
}

/// covers: XEP-0425 3 files; XEP-0424 5 rooms
#[tokio::test]
async fn what_was_said_in_a_room_is_taken_back_with_its_file() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/garden", "juliet/balcony"]).await;
    let muc = "http://jabber.org/protocol/muc";
    romeo.send(&format!("<presence to='{ROOM}/romeo'><x xmlns='{muc}'/></presence>")).await;
    romeo.settle().await;
    let instant = format!("<query xmlns='{muc}#owner'><x xmlns='jabber:x:data' type='submit'/></query>");
    assert_eq!(romeo.ask("set", Some(ROOM), &instant).await.attr("type"), Some("result"));
    juliet.send(&format!("<presence to='{ROOM}/juliet'><x xmlns='{muc}'/></presence>")).await;
    juliet.settle().await;
    let hers = upload(&world, &mut juliet, "a.png", "image/png", b"hers").await;
    let again = upload(&world, &mut juliet, "b.png", "image/png", b"again").await;
    let his = upload(&world, &mut romeo, "c.png", "image/png", b"his").await;
    let body = |link: &str| format!("<body>look: {link}</body>");
    say(&mut juliet, "one", &body(&hers.link)).await;
    let one = heard(&mut romeo, "one").await;
    say(&mut juliet, "two", &body(&again.link)).await;
    let two = heard(&mut juliet, "two").await;
    // Somebody else's link is not hers to remove.
    say(&mut juliet, "three", &body(&his.link)).await;
    let three = heard(&mut juliet, "three").await;
    let moderate = format!("<moderate xmlns='{MODERATE}' id='{one}'><retract xmlns='{RETRACT}'/></moderate>");
    assert_eq!(juliet.ask("set", Some(ROOM), &moderate).await.attr("type"), Some("error"));
    assert_eq!(get(&world, &hers.path, &[]).await.body, b"hers");
    assert_eq!(romeo.ask("set", Some(ROOM), &moderate).await.attr("type"), Some("result"));
    assert_eq!(get(&world, &hers.path, &[]).await.status, 404);
    for (id, what) in [("r2", &two), ("r3", &three)] {
        say(&mut juliet, id, &format!("<retract xmlns='{RETRACT}' id='{what}'/>")).await;
        heard(&mut juliet, id).await;
    }
    juliet.settle().await;
    assert_eq!(get(&world, &again.path, &[]).await.status, 404);
    assert_eq!(get(&world, &his.path, &[]).await.body, b"his");
    let kept = archive(&mut romeo, Some(ROOM)).await;
    assert_eq!(kept.iter().filter(|message| message.contains("<retracted ")).count(), 3, "{kept:#?}");
    assert!(!kept.concat().contains("look: "));
    assert_eq!(contents(&world), 1);
    let audit = world.server.admin(&["audit"], "").unwrap();
    assert!(audit.contains("romeo@localhost") && audit.matches("file.delete").count() == 2, "{audit}");
}
