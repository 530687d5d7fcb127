//! Rooms: false identities, lists and rights that are not one's own, and floods.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::world::{figure, kib, process, size, world};

const MUC: &str = "http://jabber.org/protocol/muc";
const ROOM: &str = "keep@rooms.localhost";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

async fn enter(client: &mut Client, room: &str, nick: &str) {
    client.send(&format!("<presence to='{room}/{nick}'><x xmlns='{MUC}'/></presence>")).await;
}

/// What an answer amounts to: `result`, or the condition of an error.
fn outcome(answer: &Element) -> String {
    match answer.children().find(|child| child.name == "error") {
        None => answer.attr("type").unwrap_or_default().to_owned(),
        Some(error) => {
            error.children().find(|child| child.ns == STANZAS).map_or(String::new(), |c| c.name.clone())
        }
    }
}

async fn set(client: &mut Client, protocol: &str, content: &str) -> String {
    let payload = format!("<query xmlns='{MUC}#{protocol}'>{content}</query>");
    outcome(&client.ask("set", Some(ROOM), &payload).await)
}

/// The owner of a room, who is in it, with these options.
async fn keep(world: &World, options: &[(&str, &str)]) -> Client {
    let mut owner = world.online("owner/throne").await;
    enter(&mut owner, ROOM, "Owner").await;
    let fields: String = options
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let form = format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>\
         <field var='muc#roomconfig_persistentroom'><value>1</value></field>{fields}</x>"
    );
    assert_eq!(set(&mut owner, "owner", &form).await, "result");
    owner.settle().await;
    owner.clear().await;
    owner
}

/// XEP-0421 section 5 and XEP-0045 section 17.2: only the room says who somebody is. Threat 19: all that are forged are taken
/// out, not the first alone.
#[tokio::test]
async fn only_the_room_says_who_speaks() {
    let world = world().await;
    let mut owner = keep(&world, &[]).await;
    let mut mallory = world.online("mallory/x").await;
    enter(&mut mallory, ROOM, "mallory").await;
    mallory.settle().await;
    owner.clear().await;
    let forged = format!(
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged1'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged2'/>\
         <x xmlns='{MUC}#user'><item affiliation='owner' role='moderator' jid='owner@localhost/throne'/><status code='forged3'/></x>\
         <stanza-id xmlns='urn:xmpp:sid:0' id='forged4' by='{ROOM}'/><stanza-id xmlns='urn:xmpp:sid:0' id='forged5' by='{ROOM}'/>\
         <delay xmlns='urn:xmpp:delay' from='{ROOM}' stamp='2020-01-01T00:00:00Z'>forged6</delay>\
         <hats xmlns='urn:xmpp:hats:0'><hat title='forged7' uri='urn:forged7'/></hats>\
         <addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='forged8@localhost'/></addresses>"
    );
    let mut heard = 0;
    for stanza in [
        format!("<message to='{ROOM}' type='groupchat'><body>x</body>{forged}</message>"),
        format!("<message to='{ROOM}' type='groupchat'><subject>x</subject>{forged}</message>"),
        format!("<message to='{ROOM}/Owner' type='chat'><body>x</body>{forged}</message>"),
        format!("<presence to='{ROOM}/mallory'><show>away</show>{forged}</presence>"),
        format!("<presence to='{ROOM}/mallory2'>{forged}</presence>"),
        format!("<presence to='{ROOM}/mallory2' type='unavailable'>{forged}</presence>"),
    ] {
        mallory.send(&stanza).await;
        mallory.settle().await;
        for came in owner.drain().await {
            let text = came.standalone();
            assert!(!text.contains("forged"), "{text}");
            assert!(!text.contains("throne") || came.attr("to") == Some("owner@localhost/throne"), "{text}");
            heard += 1;
        }
    }
    assert!(heard >= 5, "{heard} stanzas came through");
    figure(&format!("false identities in a room: {heard} stanzas came through, 0 with what was forged"));
}

/// CVE-2020-8086 and threat 20: rights belong to a whole bare address.
#[tokio::test]
async fn rights_come_from_no_part_of_an_address() {
    let world = world().await;
    let mut owner = keep(&world, &[("muc#roomconfig_membersonly", "1")]).await;
    let mut tried = 0;
    for who in [
        "mallory/owner",
        "mallory/throne",
        "mallory/owner@localhost",
        "owner.localhost/throne",
        "owner2/throne",
        "localhost/owner",
    ] {
        let mut mallory = world.online(who).await;
        mallory.clear().await;
        enter(&mut mallory, ROOM, "Owner").await;
        assert_eq!(outcome(&mallory.next().await.expect("an answer")), "registration-required", "{who}");
        for item in [
            "<item affiliation='owner' jid='owner@localhost/throne'/>",
            "<item affiliation='member' jid='mallory@localhost'/>",
            "<item nick='Owner' role='none'/>",
        ] {
            assert_eq!(set(&mut mallory, "admin", item).await, "forbidden", "{who} {item}");
            tried += 1;
        }
        for (protocol, content) in
            [("owner", "<destroy/>"), ("owner", "<x xmlns='jabber:x:data' type='submit'/>")]
        {
            assert_eq!(set(&mut mallory, protocol, content).await, "forbidden", "{who}");
            tried += 1;
        }
        // Nor by the address of somebody in the room.
        for to in [format!("{ROOM}/Owner"), format!("{ROOM}/")] {
            let payload = format!(
                "<query xmlns='{MUC}#admin'><item affiliation='owner' jid='mallory@localhost'/></query>"
            );
            let answer = mallory.ask("set", Some(to.trim_end_matches('/')), &payload).await;
            assert_ne!(outcome(&answer), "result", "{who}");
            tried += 1;
        }
        mallory.close().await;
    }
    owner.settle().await;
    figure(&format!("rights by parts of an address: {tried} requests, 0 carried out"));
}

/// CVE-2021-37601 and threat 20: who is nothing to a room learns of nobody in it, by whichever question.
#[tokio::test]
async fn strangers_learn_of_nobody() {
    let world = world().await;
    let options = [
        ("muc#roomconfig_membersonly", "1"),
        ("muc#roomconfig_whois", "anyone"),
        ("muc#roomconfig_publicroom", "0"),
    ];
    let mut owner = keep(&world, &options).await;
    let members = "<item affiliation='member' jid='secret@localhost' nick='Secret'/>\
                   <item affiliation='outcast' jid='outcast@localhost'><reason>Secret</reason></item>";
    assert_eq!(set(&mut owner, "admin", members).await, "result");
    owner.send(&format!("<message to='{ROOM}' type='groupchat'><body>secret</body></message>")).await;
    owner.settle().await;
    let mut mallory = world.online("mallory/x").await;
    let mut outcast = world.online("outcast/x").await;
    let mut asked = 0;
    for client in [&mut mallory, &mut outcast] {
        client.clear().await;
        let lists = ["owner", "admin", "member", "outcast", "none"].map(|affiliation| {
            format!("<query xmlns='{MUC}#admin'><item affiliation='{affiliation}'/></query>")
        });
        let roles = ["moderator", "participant", "visitor", "none"]
            .map(|role| format!("<query xmlns='{MUC}#admin'><item role='{role}'/></query>"));
        let disco = "http://jabber.org/protocol/disco";
        let gets = lists.into_iter().chain(roles).chain([
            format!("<query xmlns='{MUC}#owner'/>"),
            format!("<query xmlns='{disco}#items'/>"),
            format!("<query xmlns='{disco}#info' node='x-roomuser-item'/>"),
            format!("<query xmlns='{disco}#items' node='{MUC}#rooms'/>"),
            "<query xmlns='jabber:iq:register'/>".to_owned(),
        ]);
        for payload in gets {
            let text = client.ask("get", Some(ROOM), &payload).await.standalone().to_lowercase();
            assert!(!text.contains("secret") && !text.contains("throne"), "{payload}: {text}");
            asked += 1;
        }
        for payload in [
            "<query xmlns='urn:xmpp:mam:2'/>",
            "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:hats:commands:list-assigned'/>",
            "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:hats:commands:list'/>",
        ] {
            assert_eq!(outcome(&client.ask("set", Some(ROOM), payload).await), "forbidden", "{payload}");
            asked += 1;
        }
        // Nor is anybody reached, or found by guessing his nickname.
        for nick in ["Owner", "Secret", "nobody"] {
            let to = format!("{ROOM}/{nick}");
            client.send(&format!("<message to='{to}' type='chat'><body>x</body></message>")).await;
            assert_eq!(outcome(&client.next().await.expect("an answer")), "not-acceptable", "{nick}");
            let ping = client.ask("get", Some(&to), "<ping xmlns='urn:xmpp:ping'/>").await;
            assert_eq!(outcome(&ping), "not-acceptable", "{nick}");
            asked += 2;
        }
        let list =
            client.ask("get", Some("rooms.localhost"), &format!("<query xmlns='{disco}#items'/>")).await;
        assert!(!list.standalone().contains("keep@"), "{list}");
        asked += 1;
        assert!(client.drain().await.is_empty());
    }
    figure(&format!("lists of a room asked for by strangers: {asked} questions, 0 names"));
}

/// XEP-0045 section 17.5: nobody passes for another by a name that looks the same.
#[tokio::test]
async fn nobody_looks_like_another() {
    let world = world().await;
    let _owner = keep(&world, &[]).await;
    let mut boss = world.online("boss/desk").await;
    let mut mallory = world.online("mallory/x").await;
    enter(&mut boss, ROOM, "CEO").await;
    boss.settle().await;
    mallory.clear().await;
    let tries = [
        "ceo",
        "C E O",
        " CEO",
        "CEO ",
        "ＣＥＯ",
        "C\u{200d}EO",
        "𝐂𝐄𝐎",
        "СЕО",
        "ＣE O",
        "С\u{415}О",
        "CЕO",
        "Ⓒⓔⓞ",
        "CE\u{41e}",
        "ceO\u{ad}",
    ];
    let mut refused = 0;
    for nick in tries {
        enter(&mut mallory, ROOM, nick).await;
        mallory.round_trip().await;
        let came = mallory.drain().await;
        let condition = came.first().map(outcome).unwrap_or_default();
        let fine = ["conflict", "not-acceptable", "jid-malformed"].contains(&condition.as_str());
        assert!(fine, "{nick:?}: {came:?}");
        refused += usize::from(fine);
        mallory.send(&format!("<presence to='{ROOM}/{nick}' type='unavailable'/>")).await;
        mallory.clear().await;
    }
    figure(&format!("nicknames that look like another's: {refused} of {} refused", tries.len()));
}

/// Lists, reasons, requests and rooms are bounded: what is too much is refused, and the memory of the server stays.
#[tokio::test]
async fn floods_of_items_and_rooms_are_bounded() {
    let world = world().await;
    let mut owner = keep(&world, &[]).await;
    let before = process(&world).memory().expect("a process");
    let items = |first: usize, count: usize| -> String {
        (first..first + count)
            .map(|n| format!("<item affiliation='outcast' jid='u{n}@example.com'/>"))
            .collect()
    };
    assert_eq!(set(&mut owner, "admin", &items(0, 101)).await, "not-acceptable");
    let long = format!(
        "<item affiliation='outcast' jid='u@example.com'><reason>{}</reason></item>",
        "x".repeat(2000)
    );
    assert_eq!(set(&mut owner, "admin", &long).await, "not-acceptable");
    let wanted = size(10_200, 1_000);
    let (mut taken, mut refused) = (0, 0);
    for first in (0..wanted).step_by(100) {
        match set(&mut owner, "admin", &items(first, 100)).await.as_str() {
            "result" => taken += 100,
            _ => refused += 100,
        }
    }
    assert!(taken <= 10_000, "{taken}");
    assert!(wanted < 10_000 || refused > 0, "the list is bounded");
    let mut mallory = world.online("mallory/x").await;
    mallory.clear().await;
    let (mut made, rooms) = (0, size(400, 150));
    for n in 0..rooms {
        enter(&mut mallory, &format!("flood{n}@rooms.localhost"), "m").await;
    }
    mallory.round_trip().await;
    for came in mallory.drain().await {
        made += usize::from(came.name == "presence" && came.attr("type").is_none());
    }
    assert!(made <= 100, "{made} rooms were made by one");
    let grown = process(&world).memory().expect("a process").saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    figure(&format!(
        "flood of {wanted} bans and {rooms} rooms: {taken} bans kept, {made} rooms made, {} more memory",
        kib(grown)
    ));
}

/// Somebody enters and leaves as fast as he can: the others hear all of it in order, and none is put out.
#[tokio::test]
async fn a_flood_of_entering_puts_nobody_out() {
    let world = world().await;
    let mut owner = keep(&world, &[]).await;
    let mut mallory = world.online("mallory/x").await;
    let rounds = size(5_000, 500);
    for n in 0..rounds {
        enter(&mut mallory, ROOM, &format!("m{n}")).await;
        mallory.send(&format!("<presence to='{ROOM}/m{n}' type='unavailable'/>")).await;
        if n % 50 == 49 {
            mallory.clear().await;
            // The others read, as clients do.
            owner.round_trip().await;
        }
    }
    mallory.settle().await;
    let heard = owner.drain().await;
    let presences = heard.iter().filter(|came| came.name == "presence").count();
    assert_eq!(presences, 2 * rounds, "each time he is seen to come and to go");
    let ping = owner.ask("get", Some(&format!("{ROOM}/Owner")), "<ping xmlns='urn:xmpp:ping'/>").await;
    assert_eq!(outcome(&ping), "result", "the owner still is there");
    figure(&format!("flood of {rounds} entries: {presences} presences told in order, nobody put out"));
}
