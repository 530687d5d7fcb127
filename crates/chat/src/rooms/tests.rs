//! Rooms in a little world: who is told what, who may do what, and what lasts.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::moderation::{Change, Named};
use super::ownership::Farewell;
use super::role::Role;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::history::HistoryQuery;
use crate::testing::{Client, START_MS, World, jid};

const ROOM: &str = "cave@rooms.localhost";

fn stanza(xml: &str) -> Stanza {
    let name_end = xml.find([' ', '/', '>']).expect("a name");
    let xml = format!("{} xmlns='jabber:client'{}", &xml[..name_end], &xml[name_end..]);
    Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza")
}

async fn say(client: &Client, xml: &str) -> Result<()> {
    let stanza = stanza(xml).with_from(client.session.jid.clone());
    client.chat.send(&client.session, stanza).await?.await
}

async fn groupchat(client: &Client, content: &str) -> Result<()> {
    say(client, &format!("<message to='{ROOM}' type='groupchat' id='m'>{content}</message>")).await
}

async fn enter(client: &Client, nick: &str, content: &str) -> Result<()> {
    let join = "<x xmlns='http://jabber.org/protocol/muc'>";
    client.try_send(&format!("<presence to='{ROOM}/{nick}'>{join}{content}</x></presence>")).await
}

/// What came, each in a few words: who and what, with the status codes.
fn told(client: &mut Client) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = client.events.try_recv() {
        match event {
            Event::Stanza(delivery) => told.push(describe(&delivery.stanza)),
            Event::Batch(stanzas) => told.extend(stanzas.iter().map(describe)),
            _ => {}
        }
    }
    told
}

/// Forgets what came so far.
fn hush<const N: usize>(clients: [&mut Client; N]) {
    for client in clients {
        told(client);
    }
}

fn describe(outgoing: &Arc<Outgoing>) -> String {
    let stanza = outgoing.stanza();
    let from = stanza.from.as_ref();
    let who = from.and_then(|from| from.resource()).unwrap_or("room");
    let mut text = who.to_owned();
    if stanza.kind.type_str() == Some("unavailable") {
        text.push_str(" leaves");
    }
    if let Some(body) = stanza.child(ns::CLIENT, "body") {
        text.push_str(&format!(" says {}", body.text()));
    } else if let Some(subject) = stanza.child(ns::CLIENT, "subject") {
        text.push_str(&format!(" subject <{}>", subject.text()));
    }
    if let Some(x) = stanza.child(ns::MUC_USER, "x") {
        if let Some(item) = x.child(ns::MUC_USER, "item") {
            text.push_str(&format!(
                " {}/{}",
                item.attr("affiliation").unwrap_or("-"),
                item.attr("role").unwrap_or("-")
            ));
            if let Some(jid) = item.attr("jid") {
                text.push_str(&format!(" {}", jid.replace("@localhost", "")));
            }
        }
        for status in x.children().filter(|child| child.is(ns::MUC_USER, "status")) {
            text.push_str(&format!(" {}", status.attr("code").unwrap_or_default()));
        }
        for name in ["invite", "decline", "destroy"] {
            if x.child(ns::MUC_USER, name).is_some() {
                text.push_str(&format!(" {name}"));
            }
        }
    }
    text
}

/// A room made by romeo, who is in it as `romeo`; open to others.
async fn cave(names: &[&str]) -> (World, Client) {
    let world = World::of(names).await;
    let mut romeo = world.online("romeo", "orchard").await;
    enter(&romeo, "romeo", "").await.expect("the room is made");
    let room = jid(ROOM);
    romeo.chat.configure_room(&room, Some(&romeo.session.jid), Vec::new()).await.expect("it is unlocked");
    told(&mut romeo);
    (world, romeo)
}

async fn configure(romeo: &Client, var: &str, value: &str) {
    let fields = vec![(var.to_owned(), vec![value.to_owned()])];
    romeo.chat.configure_room(&jid(ROOM), Some(&romeo.session.jid), fields).await.expect("it is configured");
}

async fn make(actor: &Client, who: &str, affiliation: Affiliation) -> Result<()> {
    let change = Change {
        who: Named::Jid(jid(who)),
        role: None,
        affiliation: Some(affiliation),
        nick: None,
        reason: None,
    };
    actor.chat.change_in_room(&jid(ROOM), &actor.session.jid, vec![change]).await
}

async fn set_role(actor: &Client, nick: &str, role: Role) -> Result<()> {
    let change = Change {
        who: Named::Nick(nick.to_owned()),
        role: Some(role),
        affiliation: None,
        nick: None,
        reason: None,
    };
    actor.chat.change_in_room(&jid(ROOM), &actor.session.jid, vec![change]).await
}

/// Sections 7.2.2, 7.2.3 and 10.1: first the others, then oneself, then the past, then the subject.
#[tokio::test]
async fn entering_has_its_order() {
    let world = World::of(&["romeo", "juliet"]).await;
    let mut romeo = world.online("romeo", "orchard").await;
    let mut juliet = world.online("juliet", "balcony").await;
    enter(&romeo, "romeo", "").await.unwrap();
    assert_eq!(told(&mut romeo), ["romeo owner/moderator romeo/orchard 201 170 110", "room subject <>"]);
    assert!(matches!(enter(&juliet, "juliet", "").await, Err(Error::NotFound)), "it is locked");
    romeo.chat.configure_room(&jid(ROOM), Some(&romeo.session.jid), Vec::new()).await.unwrap();
    groupchat(&romeo, "<body>before</body>").await.unwrap();
    told(&mut romeo);
    enter(&juliet, "juliet", "").await.unwrap();
    assert_eq!(
        told(&mut juliet),
        [
            "romeo owner/moderator",
            "juliet none/participant juliet/balcony 170 110",
            "romeo says before",
            "room subject <>",
        ],
        "no address of others in a semi-anonymous room"
    );
    assert_eq!(told(&mut romeo), ["juliet none/participant juliet/balcony"]);
}

/// Sections 7.2.5 to 7.2.9 and 7.2.17.
#[tokio::test]
async fn those_who_may_not_enter_are_told_why() {
    let (world, romeo) = cave(&["romeo", "juliet", "tybalt"]).await;
    let juliet = world.online("juliet", "balcony").await;
    let mut tybalt = world.online("tybalt", "street").await;
    assert!(matches!(enter(&juliet, "ROMEO", "").await, Err(Error::Conflict)));
    assert!(matches!(
        juliet
            .try_send(&format!(
                "<presence to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
            ))
            .await,
        Err(Error::JidMalformed)
    ));
    make(&romeo, "tybalt", Affiliation::Outcast).await.unwrap();
    assert!(matches!(enter(&tybalt, "tybalt", "").await, Err(Error::Forbidden)));
    let fields =
        [("muc#roomconfig_passwordprotectedroom", "1"), ("muc#roomconfig_roomsecret", "cauldronburn")];
    let fields = fields.map(|(var, value)| (var.to_owned(), vec![value.to_owned()])).to_vec();
    romeo.chat.configure_room(&jid(ROOM), Some(&romeo.session.jid), fields).await.unwrap();
    assert!(matches!(enter(&juliet, "juliet", "").await, Err(Error::NotAuthorized)));
    assert!(matches!(
        enter(&juliet, "juliet", "<password>wrong</password>").await,
        Err(Error::NotAuthorized)
    ));
    enter(&juliet, "juliet", "<password>cauldronburn</password>").await.unwrap();
    configure(&romeo, "muc#roomconfig_membersonly", "1").await;
    let paris = enter(&juliet, "juliet", "<password>cauldronburn</password>").await;
    assert!(matches!(paris, Err(Error::RegistrationRequired)), "she was put out, and is no member");
    tybalt.send(&format!("<presence to='{ROOM}/tybalt'/>")).await;
    assert_eq!(told(&mut tybalt), ["tybalt leaves none/none 110 307 333"]);
    configure(&romeo, "muc#roomconfig_membersonly", "0").await;
    configure(&romeo, "muc#roomconfig_passwordprotectedroom", "0").await;
    configure(&romeo, "muc#roomconfig_maxusers", "1").await;
    assert!(matches!(enter(&juliet, "juliet", "").await, Err(Error::Crowded)));
    make(&romeo, "juliet", Affiliation::Admin).await.unwrap();
    enter(&juliet, "juliet", "").await.expect("a place is kept for admins");
}

/// Sections 7.4, 7.5 and 8.1; XEP-0421 section 4.
#[tokio::test]
async fn what_is_said_reaches_all_in_order() {
    let (world, mut romeo) = cave(&["romeo", "juliet", "tybalt"]).await;
    let mut juliet = world.online("juliet", "balcony").await;
    enter(&juliet, "juliet", "").await.unwrap();
    let tybalt = world.online("tybalt", "street").await;
    told(&mut juliet);
    told(&mut romeo);
    let forged = "<body>hi</body><occupant-id xmlns='urn:xmpp:occupant-id:0' id='romeo'/>\
                  <x xmlns='http://jabber.org/protocol/muc#user'><item jid='romeo@localhost'/></x>\
                  <stanza-id xmlns='urn:xmpp:sid:0' id='1' by='cave@rooms.localhost'/>";
    groupchat(&juliet, forged).await.unwrap();
    let Some(Event::Stanza(delivery)) = romeo.events.try_recv() else { panic!("nothing came") };
    let heard = delivery.stanza.stanza();
    assert_eq!(heard.from, Some(jid("cave@rooms.localhost/juliet")));
    assert_eq!(heard.id.as_deref(), Some("m"));
    let ids: Vec<_> = heard.children().filter(|child| child.ns() == ns::OCCUPANT_ID).collect();
    assert!(ids.len() == 1 && ids[0].attr("id") != Some("romeo"));
    assert_eq!(heard.children().filter(|child| child.ns() == ns::STANZA_ID).count(), 1);
    assert!(heard.child(ns::MUC_USER, "x").is_none());
    assert_eq!(told(&mut juliet), ["juliet says hi"]);
    assert!(matches!(groupchat(&tybalt, "<body>x</body>").await, Err(Error::NotAcceptable(_))));
    assert!(matches!(groupchat(&juliet, "<subject>mine</subject>").await, Err(Error::Forbidden)));
    groupchat(&romeo, "<subject>Fire Burn and Cauldron Bubble!</subject>").await.unwrap();
    assert_eq!(told(&mut juliet), ["romeo subject <Fire Burn and Cauldron Bubble!>"]);
    say(&juliet, &format!("<message to='{ROOM}/romeo' type='chat'><body>psst</body></message>"))
        .await
        .unwrap();
    assert!(told(&mut romeo).last().unwrap().starts_with("juliet says psst"));
    let wrong =
        say(&juliet, &format!("<message to='{ROOM}/romeo' type='groupchat'><body>x</body></message>")).await;
    assert!(matches!(wrong, Err(Error::BadRequest(_))));
    let nobody =
        say(&juliet, &format!("<message to='{ROOM}/paris' type='chat'><body>x</body></message>")).await;
    assert!(matches!(nobody, Err(Error::NotFound)));
    let stranger =
        say(&tybalt, &format!("<message to='{ROOM}/romeo' type='chat'><body>x</body></message>")).await;
    assert!(matches!(stranger, Err(Error::NotAcceptable(_))));
}

/// The same message again, as after a lost connection, is archived and heard once; another's with the same id is heard.
#[tokio::test]
async fn a_repeated_message_is_said_once() {
    let (world, mut romeo) = cave(&["romeo", "juliet"]).await;
    let juliet = world.online("juliet", "balcony").await;
    enter(&juliet, "juliet", "").await.unwrap();
    told(&mut romeo);
    let once = "<body>once</body><origin-id xmlns='urn:xmpp:sid:0' id='same'/>";
    for client in [&romeo, &romeo, &juliet] {
        groupchat(client, once).await.unwrap();
    }
    assert_eq!(told(&mut romeo), ["romeo says once", "juliet says once"]);
    let page =
        romeo.chat.room_history(&jid(ROOM), &romeo.session.jid, HistoryQuery::default()).await.unwrap();
    assert_eq!(page.page.items.len(), 2);
}

/// Sections 7.6, 7.7 and 7.14, and section 7.2.8 for several clients of one.
#[tokio::test]
async fn nicknames_change_and_are_shared() {
    let (world, mut romeo) = cave(&["romeo", "juliet"]).await;
    let mut phone = world.online("juliet", "phone").await;
    let mut desk = world.online("juliet", "desk").await;
    enter(&phone, "juliet", "").await.unwrap();
    enter(&desk, "juliet", "").await.unwrap();
    hush([&mut romeo, &mut phone, &mut desk]);
    groupchat(&romeo, "<body>hi</body>").await.unwrap();
    assert_eq!(told(&mut phone), ["romeo says hi"]);
    assert_eq!(told(&mut desk), ["romeo says hi"]);
    told(&mut romeo);
    phone.send(&format!("<presence to='{ROOM}/jule'/>")).await;
    let renamed = ["juliet leaves none/participant 303 110", "jule none/participant 110"];
    assert_eq!(told(&mut romeo).len(), 2);
    for client in [&mut phone, &mut desk] {
        let told: Vec<String> =
            told(client).iter().map(|t| t.replace(" juliet/phone", "").replace(" juliet/desk", "")).collect();
        assert_eq!(told, renamed);
    }
    let taken = phone.try_send(&format!("<presence to='{ROOM}/romeo'/>")).await;
    assert!(matches!(taken, Err(Error::Conflict)));
    phone.send(&format!("<presence to='{ROOM}/jule' type='unavailable'/>")).await;
    assert!(told(&mut romeo).is_empty(), "the desk is still there");
    desk.leave().await;
    assert!(told(&mut romeo).last().unwrap().starts_with("jule leaves none/none"));
}

/// Sections 8.2, 9.1, 9.4 and 10.4.
#[tokio::test]
async fn rank_is_respected() {
    let (world, mut romeo) = cave(&["romeo", "juliet", "tybalt", "paris"]).await;
    let mut juliet = world.online("juliet", "balcony").await;
    let mut tybalt = world.online("tybalt", "street").await;
    enter(&juliet, "juliet", "").await.unwrap();
    enter(&tybalt, "tybalt", "").await.unwrap();
    assert!(matches!(set_role(&juliet, "tybalt", Role::None).await, Err(Error::Forbidden)));
    assert!(matches!(make(&juliet, "tybalt", Affiliation::Outcast).await, Err(Error::Forbidden)));
    make(&romeo, "juliet", Affiliation::Admin).await.unwrap();
    assert!(matches!(make(&juliet, "romeo", Affiliation::Outcast).await, Err(Error::NotAllowed)));
    assert!(matches!(make(&juliet, "paris", Affiliation::Owner).await, Err(Error::Forbidden)));
    assert!(matches!(make(&juliet, "juliet", Affiliation::Outcast).await, Err(Error::Conflict)));
    assert!(
        matches!(make(&romeo, "romeo", Affiliation::Admin).await, Err(Error::Conflict)),
        "the last owner"
    );
    assert!(matches!(set_role(&juliet, "romeo", Role::None).await, Err(Error::NotAllowed)));
    hush([&mut romeo, &mut juliet, &mut tybalt]);
    set_role(&juliet, "tybalt", Role::None).await.unwrap();
    assert_eq!(told(&mut tybalt), ["tybalt leaves none/none tybalt/street 307 110"]);
    assert_eq!(told(&mut romeo), ["tybalt leaves none/none tybalt/street 307"]);
    enter(&tybalt, "tybalt", "").await.unwrap();
    told(&mut tybalt);
    make(&juliet, "tybalt/anything", Affiliation::Outcast).await.unwrap();
    assert_eq!(told(&mut tybalt), ["tybalt leaves outcast/none tybalt/street 301 110"]);
    assert!(matches!(enter(&tybalt, "other", "").await, Err(Error::Forbidden)));
    let outcasts =
        romeo.chat.room_affiliated(&jid(ROOM), &juliet.session.jid, Affiliation::Outcast).await.unwrap();
    assert_eq!(outcasts[0].jid, Some(jid("tybalt")));
    let refused = romeo.chat.room_affiliated(&jid(ROOM), &jid("paris/x"), Affiliation::Member).await;
    assert!(matches!(refused, Err(Error::Forbidden)));
}

/// Sections 8.3, 8.4, 8.6 and 7.13.
#[tokio::test]
async fn voice_is_asked_for_and_given() {
    let (world, mut romeo) = cave(&["romeo", "juliet"]).await;
    configure(&romeo, "muc#roomconfig_moderatedroom", "1").await;
    let mut juliet = world.online("juliet", "balcony").await;
    enter(&juliet, "juliet", "").await.unwrap();
    assert!(matches!(groupchat(&juliet, "<body>x</body>").await, Err(Error::Forbidden)));
    hush([&mut romeo, &mut juliet]);
    let form = |fields: &str| {
        format!(
            "<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>http://jabber.org/protocol/muc#request</value></field>{fields}</x></message>"
        )
    };
    say(&juliet, &form("<field var='muc#role'><value>participant</value></field>")).await.unwrap();
    assert_eq!(told(&mut romeo), ["room"]);
    let granting = "<field var='muc#roomnick'><value>juliet</value></field>\
                    <field var='muc#request_allow'><value>true</value></field>";
    say(&romeo, &form(granting)).await.unwrap();
    assert_eq!(told(&mut juliet), ["juliet none/participant juliet/balcony 110"]);
    groupchat(&juliet, "<body>x</body>").await.expect("she has voice");
}

/// Sections 7.8.2 and 9.5.
#[tokio::test]
async fn invitations_pass_through_the_room() {
    let (world, mut romeo) = cave(&["romeo", "juliet", "nurse"]).await;
    let mut juliet = world.online("juliet", "balcony").await;
    configure(&romeo, "muc#roomconfig_membersonly", "1").await;
    let invite = |to: &str| {
        format!(
            "<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='{to}'/></x></message>"
        )
    };
    // What waits for her goes by the replay, which has to end first.
    juliet.chat.replay(&juliet.session).await.unwrap();
    say(&romeo, &invite("juliet@localhost")).await.unwrap();
    assert!(told(&mut juliet).contains(&"room invite".to_owned()));
    enter(&juliet, "juliet", "").await.expect("whoever was invited is a member");
    assert!(matches!(say(&juliet, &invite("nurse@localhost")).await, Err(Error::Forbidden)));
    assert!(matches!(say(&romeo, &invite("nobody@localhost")).await, Err(Error::NotFound)));
    told(&mut romeo);
    let declined = format!(
        "<message to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc#user'><decline to='romeo@localhost'/></x></message>"
    );
    say(&juliet, &declined).await.unwrap();
    assert_eq!(told(&mut romeo), ["room decline"]);
}

/// Sections 7.14 and 10.9: a room that nothing keeps ends with its last occupant, another with its owner's word.
#[tokio::test]
async fn rooms_end() {
    let (world, romeo) = cave(&["romeo", "juliet"]).await;
    let mut juliet = world.online("juliet", "balcony").await;
    configure(&romeo, "muc#roomconfig_persistentroom", "1").await;
    romeo.send(&format!("<presence to='{ROOM}/romeo' type='unavailable'/>")).await;
    assert!(world.chat.store.room(&jid(ROOM)).await.unwrap().is_some());
    enter(&juliet, "juliet", "").await.unwrap();
    told(&mut juliet);
    let farewell = Farewell::default;
    let refused = world.chat.destroy_room(&jid(ROOM), Some(&juliet.session.jid), farewell()).await;
    assert!(matches!(refused, Err(Error::Forbidden)));
    world.chat.destroy_room(&jid(ROOM), Some(&romeo.session.jid), farewell()).await.unwrap();
    assert_eq!(told(&mut juliet), ["juliet leaves none/none juliet/balcony 110 destroy"]);
    assert!(world.chat.store.room(&jid(ROOM)).await.unwrap().is_none());
    assert!(juliet.session.rooms().is_empty());
    enter(&juliet, "juliet", "").await.expect("the address is free");
    juliet.leave().await;
    assert!(world.chat.store.room(&jid(ROOM)).await.unwrap().is_none(), "it was never configured");
}

/// XEP-0424 section 5 and XEP-0425 sections 3 and 4.
#[tokio::test]
async fn what_is_taken_back_leaves_a_tombstone() {
    let (world, mut romeo) = cave(&["romeo", "juliet"]).await;
    let juliet = world.online("juliet", "balcony").await;
    enter(&juliet, "juliet", "").await.unwrap();
    told(&mut romeo);
    groupchat(&juliet, "<body>secret word</body>").await.unwrap();
    let Some(Event::Stanza(delivery)) = romeo.events.try_recv() else { panic!("nothing came") };
    let id =
        delivery.stanza.stanza().child(ns::STANZA_ID, "stanza-id").unwrap().attr("id").unwrap().to_owned();
    let room = jid(ROOM);
    let refused = world.chat.moderate_in_room(&room, &juliet.session.jid, id.clone(), None).await;
    assert!(matches!(refused, Err(Error::Forbidden)));
    let retract = format!("<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>");
    assert!(matches!(groupchat(&romeo, &retract).await, Err(Error::Forbidden)), "it is not his");
    world.chat.moderate_in_room(&room, &romeo.session.jid, id, None).await.unwrap();
    let all = || world.chat.room_history(&room, &romeo.session.jid, HistoryQuery::default());
    let page = all().await.unwrap().page;
    let first = String::from_utf8(page.items[0].xml.clone()).unwrap();
    assert!(
        !first.contains("secret") && first.contains("retracted") && first.contains("moderated"),
        "{first}"
    );
    let search = HistoryQuery { text: Some("secret".to_owned()), ..HistoryQuery::default() };
    let found = world.chat.room_history(&room, &romeo.session.jid, search).await.unwrap();
    assert!(found.page.items.is_empty());
}

/// Members have counts, whether or not they are there.
#[tokio::test]
async fn members_know_what_they_have_not_seen() {
    let (world, romeo) = cave(&["romeo", "juliet", "tybalt"]).await;
    make(&romeo, "juliet", Affiliation::Member).await.unwrap();
    for body in ["one", "Juliet, two", "three"] {
        groupchat(&romeo, &format!("<body>{body}</body>")).await.unwrap();
    }
    let unread = world.chat.unread_rooms(&jid("juliet")).await.unwrap();
    assert_eq!((unread[0].messages, unread[0].mentions), (3, 1));
    assert!(world.chat.unread_rooms(&jid("tybalt")).await.unwrap().is_empty());
    assert_eq!(world.chat.unread_rooms(&jid("romeo")).await.unwrap()[0].messages, 0, "his own");
    let page = world.chat.room_history(&jid(ROOM), &jid("juliet/x"), HistoryQuery::default()).await.unwrap();
    world.chat.seen_in_room(&jid(ROOM), &jid("juliet"), page.page.items[1].id).await.unwrap();
    let unread = world.chat.unread_rooms(&jid("juliet")).await.unwrap();
    assert_eq!((unread[0].messages, unread[0].mentions), (1, 0));
}

/// Sections 6.3 to 6.5 and XEP-0313 section 6.2: nobody reads what is not his.
#[tokio::test]
async fn strangers_learn_nothing() {
    let (world, romeo) = cave(&["romeo", "juliet"]).await;
    let room = jid(ROOM);
    let stranger = jid("juliet/balcony");
    assert_eq!(world.chat.public_rooms("rooms.localhost", None).await.unwrap().len(), 1);
    assert!(world.chat.room_nicknames(&room, &stranger).await.unwrap().is_empty());
    assert_eq!(world.chat.room_nicknames(&room, &romeo.session.jid).await.unwrap().len(), 1);
    let read = |query| world.chat.room_history(&room, &stranger, query);
    assert!(read(HistoryQuery::default()).await.is_ok(), "whoever may enter may read");
    let by_author = HistoryQuery { with: Some(jid("romeo")), ..HistoryQuery::default() };
    assert!(matches!(read(by_author).await, Err(Error::Forbidden)));
    configure(&romeo, "muc#roomconfig_publicroom", "0").await;
    configure(&romeo, "muc#roomconfig_membersonly", "1").await;
    assert!(world.chat.public_rooms("rooms.localhost", None).await.unwrap().is_empty());
    assert!(matches!(read(HistoryQuery::default()).await, Err(Error::Forbidden)));
    let nothing = world.chat.about_room(&jid("nowhere@rooms.localhost"), &stranger).await;
    assert!(matches!(nothing, Err(Error::NotFound)));
}

/// XEP-0410 and section 17.4: an answer reaches the one who asked, from the one who was asked.
#[tokio::test]
async fn requests_pass_between_occupants() {
    let (world, mut romeo) = cave(&["romeo", "juliet"]).await;
    let mut juliet = world.online("juliet", "balcony").await;
    let ping = |nick: &str| {
        stanza(&format!("<iq type='get' id='p' to='{ROOM}/{nick}'><ping xmlns='urn:xmpp:ping'/></iq>"))
            .with_from(jid("juliet/balcony"))
    };
    let refused = world.chat.relay(&juliet.session.jid, ping("juliet")).await;
    assert!(matches!(refused, Err(Error::NotAcceptable(_))));
    enter(&juliet, "juliet", "").await.unwrap();
    hush([&mut romeo, &mut juliet]);
    world.chat.relay(&juliet.session.jid, ping("juliet")).await.unwrap();
    let Some(Event::Stanza(pong)) = juliet.events.try_recv() else { panic!("no pong") };
    assert_eq!(pong.stanza.stanza().id.as_deref(), Some("p"));
    world.chat.relay(&juliet.session.jid, ping("romeo")).await.unwrap();
    let Some(Event::Stanza(asked)) = romeo.events.try_recv() else { panic!("not asked") };
    let asked = asked.stanza.stanza_for(&romeo.session.jid).into_owned();
    assert_eq!(asked.from, Some(jid("cave@rooms.localhost/juliet")));
    world.chat.relay(&romeo.session.jid, asked.reply()).await.unwrap();
    let Some(Event::Stanza(answer)) = juliet.events.try_recv() else { panic!("no answer") };
    let answer = answer.stanza.stanza();
    assert_eq!(
        (answer.id.as_deref(), answer.from.clone()),
        (Some("p"), Some(jid("cave@rooms.localhost/romeo")))
    );
}

/// A stream that was kept over a restart is in its rooms again.
#[tokio::test]
async fn who_comes_back_after_a_restart_is_still_there() {
    let (world, romeo) = cave(&["romeo", "juliet"]).await;
    let place: Jid = jid("cave@rooms.localhost/juliet");
    let mut juliet = world.connect("juliet", "balcony").await;
    world.chat.reenter_room(&juliet.session, &place, Element::new(ns::CLIENT, "presence"), START_MS).await;
    assert!(juliet.session.rooms().contains(&place));
    assert_eq!(told(&mut juliet)[0], "romeo owner/moderator");
    romeo.chat.destroy_room(&jid(ROOM), None, Farewell::default()).await.unwrap();
    told(&mut juliet);
    world.chat.reenter_room(&juliet.session, &place, Element::new(ns::CLIENT, "presence"), START_MS).await;
    assert_eq!(told(&mut juliet), ["juliet leaves none/none 110 307 333"]);
}
