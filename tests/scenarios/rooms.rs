//! Rooms: XEP-0045 over real sockets.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::world::world;

mod administration;
mod commands;
mod entering;
mod finding;
mod moderation;
mod ornaments;
mod ownership;
mod registration;
mod talking;

const MUC: &str = "http://jabber.org/protocol/muc";
const ROOM: &str = "coven@rooms.localhost";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

async fn enter(client: &mut Client, nick: &str) {
    client.send(&format!("<presence to='{ROOM}/{nick}'><x xmlns='{MUC}'/></presence>")).await;
}

/// What an answer amounts to: `result`, or the type and the condition of an error.
fn outcome(answer: &Element) -> String {
    match answer.children().find(|child| child.name == "error") {
        None => answer.attr("type").unwrap_or_default().to_owned(),
        Some(error) => {
            let condition = error.children().find(|child| child.ns == STANZAS && child.name != "text");
            let condition = condition.map(|child| child.name.clone()).unwrap_or_default();
            format!("{} {condition}", error.attr("type").unwrap_or_default())
        }
    }
}

/// Presence from somebody in the room, with its type if it has one, and what the room says in it.
fn told(nick: &str, kind: &str, x: &str) -> String {
    let kind = if kind.is_empty() { String::new() } else { format!(" type='{kind}'") };
    format!("<presence from='{ROOM}/{nick}'{kind}>{{...}}<x xmlns='{MUC}#user'>{x}</x></presence>")
}

/// An error to somebody who wanted to enter, which says that the room has sent it.
fn refused(nick: &str, error: &str) -> String {
    let (kind, condition) = error.split_once(' ').unwrap_or_default();
    format!(
        "<presence from='{ROOM}/{nick}' type='error'>{{...}}<error type='{kind}' by='{ROOM}'>\
         <{condition} xmlns='{STANZAS}'/>{{...}}</error></presence>"
    )
}

/// Asks a room's owner or moderators something, and says what came of it.
async fn set(client: &mut Client, protocol: &str, content: &str) -> String {
    let payload = format!("<query xmlns='{MUC}#{protocol}'>{content}</query>");
    outcome(&client.ask("set", Some(ROOM), &payload).await)
}

/// A filled-in form of configuration.
fn form(fields: &[(&str, &[&str])]) -> String {
    let fields: String = fields
        .iter()
        .map(|(var, values)| {
            let values: String = values.iter().map(|value| format!("<value>{value}</value>")).collect();
            format!("<field var='{var}'>{values}</field>")
        })
        .collect();
    format!(
        "<x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>{fields}</x>"
    )
}

/// The first witch, owner of a room that is configured so, with an empty inbox.
async fn owner(world: &World, fields: &[(&str, &[&str])]) -> Client {
    let mut crone = world.online("crone/desktop").await;
    enter(&mut crone, "firstwitch").await;
    assert_eq!(set(&mut crone, "owner", &form(fields)).await, "result");
    crone.settle().await;
    crone.clear().await;
    crone
}

/// Somebody who has entered, with an empty inbox.
async fn entered(world: &World, who: &str, nick: &str) -> Client {
    let mut client = world.online(who).await;
    enter(&mut client, nick).await;
    client.settle().await;
    client.clear().await;
    client
}

/// Gives somebody an affiliation.
async fn affiliate(owner: &mut Client, user: &str, affiliation: &str) {
    let item = format!("<item affiliation='{affiliation}' jid='{user}@localhost'/>");
    assert_eq!(set(owner, "admin", &item).await, "result");
}

/// Empties several inboxes, once all that any of them has sent has reached the others.
async fn quiet<const N: usize>(mut clients: [&mut Client; N]) {
    for client in &mut clients {
        client.settle().await;
    }
    for client in clients {
        client.clear().await;
    }
}

/// A room that stays, made by romeo, who is in it.
async fn coven(world: &World) -> Client {
    let mut romeo = world.online("romeo/orchard").await;
    enter(&mut romeo, "romeo").await;
    romeo
        .expect(&format!(
            "<presence from='{ROOM}/romeo' _='...'>{{...}}<x xmlns='{MUC}#user'>\
             <item affiliation='owner' role='moderator' _='...'/>{{...}}<status code='201'/>{{...}}</x></presence>"
        ))
        .await;
    let form = "<x xmlns='jabber:x:data' type='submit'>\
        <field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
        <field var='muc#roomconfig_persistentroom'><value>1</value></field></x>";
    let answer = romeo.ask("set", Some(ROOM), &format!("<query xmlns='{MUC}#owner'>{form}</query>")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    romeo.settle().await;
    romeo.clear().await;
    romeo
}

/// covers: XEP-0045 example 18; XEP-0045 example 20; XEP-0045 example 21; XEP-0045 example 22; XEP-0045 example 32; XEP-0045 example 41; XEP-0045 example 153; XEP-0045 example 154; XEP-0045 example 155
#[tokio::test]
async fn a_room_is_made_and_entered() {
    let world = world().await;
    let mut romeo = coven(&world).await;
    let mut juliet = world.online("juliet/balcony").await;
    juliet.clear().await;
    enter(&mut juliet, "juliet").await;
    juliet
        .expect(&format!(
            "<presence from='{ROOM}/romeo' to='juliet@localhost/balcony'>{{...}}<x xmlns='{MUC}#user'>\
             <item affiliation='owner' role='moderator'/></x></presence>"
        ))
        .await;
    juliet
        .expect(&format!(
            "<presence from='{ROOM}/juliet' to='juliet@localhost/balcony' _='...'>{{...}}<x xmlns='{MUC}#user'>\
             <item affiliation='none' jid='juliet@localhost/balcony' role='participant'/>\
             <status code='170'/><status code='110'/></x></presence>"
        ))
        .await;
    juliet
        .expect(&format!(
            "<message from='{ROOM}' to='juliet@localhost/balcony' type='groupchat'><subject/></message>"
        ))
        .await;
    romeo
        .expect(&format!(
            "<presence from='{ROOM}/juliet' to='romeo@localhost/orchard'>{{...}}<x xmlns='{MUC}#user'>\
             <item affiliation='none' jid='juliet@localhost/balcony' role='participant'/></x></presence>"
        ))
        .await;
}

/// covers: XEP-0045 example 44; XEP-0045 example 45; XEP-0045 example 82
#[tokio::test]
async fn what_is_said_is_heard_by_all_and_found_again() {
    let world = world().await;
    let mut romeo = coven(&world).await;
    let mut juliet = world.online("juliet/balcony").await;
    enter(&mut juliet, "juliet").await;
    juliet.settle().await;
    juliet.clear().await;
    romeo.settle().await;
    romeo.clear().await;
    juliet.send(&format!("<message to='{ROOM}' type='groupchat' id='hi'><body>hi</body></message>")).await;
    for (client, to) in [(&mut romeo, "romeo@localhost/orchard"), (&mut juliet, "juliet@localhost/balcony")] {
        client
            .expect(&format!(
                "<message from='{ROOM}/juliet' to='{to}' type='groupchat' id='hi'><body>hi</body>{{...}}</message>"
            ))
            .await;
    }
    romeo.send(&format!("<iq type='set' to='{ROOM}' id='mam'><query xmlns='urn:xmpp:mam:2'/></iq>")).await;
    romeo
        .expect(&format!(
            "<message from='{ROOM}' to='romeo@localhost/orchard'><result xmlns='urn:xmpp:mam:2' _='...'>\
             <forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' _='...'/>\
             <message xmlns='jabber:client' from='{ROOM}/juliet' type='groupchat' id='hi'><body>hi</body>{{...}}\
             </message></forwarded></result></message>"
        ))
        .await;
    romeo.expect("<iq type='result' id='mam' _='...'>{...}</iq>").await;
    juliet.cut();
    drop(juliet);
    romeo
        .expect(&format!(
            "<presence from='{ROOM}/juliet' type='unavailable' _='...'>{{...}}<x xmlns='{MUC}#user'>\
             <item affiliation='none' role='none' _='...'/></x></presence>"
        ))
        .await;
}

/// covers: XEP-0045 example 28; XEP-0045 example 33; XEP-0045 example 40; XEP-0045 example 84; XEP-0045 example 85; XEP-0045 example 110; XEP-0045 example 112
#[tokio::test]
async fn a_room_remembers_over_a_restart() {
    let mut world = world().await;
    let mut romeo = coven(&world).await;
    romeo
        .send(&format!("<message to='{ROOM}' type='groupchat' id='s'><subject>brew</subject></message>"))
        .await;
    romeo.send(&format!("<message to='{ROOM}' type='groupchat' id='m'><body>before</body></message>")).await;
    romeo.settle().await;
    let ban =
        format!("<query xmlns='{MUC}#admin'><item affiliation='outcast' jid='tybalt@localhost'/></query>");
    let answer = romeo.ask("set", Some(ROOM), &ban).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    romeo.close().await;
    world.server.terminate().expect("it stops");
    world.server.launch().expect("it starts");
    let mut tybalt = world.online("tybalt/street").await;
    enter(&mut tybalt, "tybalt").await;
    tybalt
        .expect("<presence type='error' _='...'>{...}<error type='auth' _='...'>{...}</error></presence>")
        .await;
    let mut juliet = world.online("juliet/balcony").await;
    juliet.clear().await;
    enter(&mut juliet, "juliet").await;
    juliet
        .expect_all(&[
            &format!("<presence from='{ROOM}/juliet' _='...'>{{...}}</presence>"),
            &format!("<message from='{ROOM}/romeo' type='groupchat' id='m' _='...'><body>before</body>{{...}}</message>"),
            &format!("<message from='{ROOM}/romeo' type='groupchat' id='s' _='...'><subject>brew</subject>{{...}}</message>"),
        ])
        .await;
}
