//! People who belong to rooms without being in them, in a little world: what they hear and may do, and when that ends.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::opening::NewRoom;
use super::store::RoomChange;
use crate::archive::{ArchiveId, ArchiveQuery, PageFrom};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::history::HistoryQuery;
use crate::pubsub::publishing::NewItem;
use crate::testing::{Client, World, jid};

const CAVE: &str = "cave@rooms.localhost";

fn element(xml: &str) -> Element {
    Element::parse(xml).expect("XML")
}

/// A session that attends, and has read what came of that.
async fn attending(world: &World, name: &str) -> Client {
    let mut client = world.connect(name, "web").await;
    client.chat.attend(&client.session).await.expect("it attends");
    client.told();
    client
}

async fn write(client: &Client, room: &str, content: &str) -> Result<()> {
    let xml = format!("<message xmlns='jabber:client' type='groupchat' id='m'>{content}</message>");
    let stanza = Stanza::from_element(element(&xml)).expect("a stanza");
    let stanza = stanza.with_to(jid(room)).with_from(client.session.jid.clone());
    client.chat.send(&client.session, stanza).await?.await
}

async fn say(client: &Client, text: &str) -> Result<()> {
    write(client, CAVE, &format!("<body>{text}</body>")).await
}

async fn enter(client: &Client, nick: &str) -> Result<()> {
    client
        .try_send(&format!(
            "<presence to='{CAVE}/{nick}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        ))
        .await
}

/// A room of romeo's that is called cave.
async fn cave(world: &World, change: impl FnOnce(&mut NewRoom)) -> Client {
    let mut romeo = attending(world, "romeo").await;
    let mut new = NewRoom { name: "Cave".to_owned(), public: true, ..NewRoom::default() };
    change(&mut new);
    let room = romeo.chat.open_room(&romeo.session, new).await.expect("a room");
    assert_eq!(room.as_str(), CAVE);
    romeo.told();
    romeo
}

async fn make(actor: &Client, who: &str, to: Affiliation) -> Result<()> {
    actor.chat.set_room_affiliation(&jid(CAVE), &actor.session.jid, &jid(who), to).await
}

async fn configure(romeo: &Client, var: &str, value: &str) -> Result<()> {
    let fields = vec![(var.to_owned(), vec![value.to_owned()])];
    romeo.chat.configure_room(&jid(CAVE), Some(&romeo.session.jid), fields).await
}

async fn reads(client: &Client) -> Result<usize> {
    let page = client.chat.room_history(&jid(CAVE), &client.session.jid, HistoryQuery::default()).await?;
    Ok(page.page.items.len())
}

/// What stanzas came, as XML.
fn stanzas(client: &mut Client) -> Vec<Stanza> {
    let mut found = Vec::new();
    while let Some(event) = client.events.try_recv() {
        match event {
            Event::Stanza(delivery) => found.push(delivery.stanza.stanza().clone()),
            Event::Batch(all) => found.extend(all.iter().map(|one| one.stanza().clone())),
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn a_member_hears_and_writes_without_entering() {
    let world = World::of(&["romeo", "juliet", "nurse"]).await;
    let mut romeo = cave(&world, |_| ()).await;
    let mut juliet = attending(&world, "juliet").await;
    juliet.chat.join_room(&juliet.session, &jid(CAVE)).await.unwrap();
    assert_eq!(juliet.told(), ["cave belongs", "cave members juliet member"]);
    assert_eq!(romeo.told(), ["cave members juliet member"]);
    let mut nurse = world.online("nurse", "phone").await;
    enter(&nurse, "nurse").await.unwrap();
    stanzas(&mut nurse);
    assert!(juliet.told().is_empty(), "nobody is told of presence");
    say(&juliet, "hi").await.unwrap();
    assert_eq!(juliet.told(), ["cave/juliet by juliet: hi"]);
    assert_eq!(romeo.told(), ["cave/juliet by juliet: hi"]);
    let heard = stanzas(&mut nurse);
    assert_eq!(heard.len(), 1, "no presence of those who are not in the room");
    assert_eq!(heard[0].from.as_ref().map(Jid::as_str), Some("cave@rooms.localhost/juliet"));
    let id = heard[0].child(ns::OCCUPANT_ID, "occupant-id").and_then(|id| id.attr("id")).map(str::to_owned);
    // Entering later she is the same to everybody.
    let phone = world.online("juliet", "phone").await;
    enter(&phone, "juliet").await.unwrap();
    let presence = stanzas(&mut nurse).pop().unwrap();
    let same = presence.child(ns::OCCUPANT_ID, "occupant-id").and_then(|id| id.attr("id")).map(str::to_owned);
    assert!(id.is_some() && id == same);
    write(&juliet, CAVE, "<composing xmlns='http://jabber.org/protocol/chatstates'/>").await.unwrap();
    assert_eq!(romeo.told(), ["cave/juliet by juliet:  (passing)"]);
    assert_eq!(reads(&juliet).await.unwrap(), 1);
}

/// What is said is heard in the order of the archive, by those in the room and those who are not.
#[tokio::test]
async fn all_hear_the_order_of_the_archive() {
    let world = World::of(&["romeo", "juliet"]).await;
    let mut romeo = cave(&world, |_| ()).await;
    let juliet = attending(&world, "juliet").await;
    juliet.chat.join_room(&juliet.session, &jid(CAVE)).await.unwrap();
    romeo.told();
    let both = async |client: &Client, from: usize| {
        for n in 0..25 {
            say(client, &(2 * n + from).to_string()).await.unwrap();
        }
    };
    tokio::join!(both(&romeo, 0), both(&juliet, 1));
    let heard: Vec<String> = std::iter::from_fn(|| romeo.events.try_recv())
        .filter_map(|event| match event {
            Event::Room(event) => match &*event {
                super::news::RoomEvent::Said(said) => {
                    said.stanza.stanza().child(ns::CLIENT, "body").map(|body| body.text().into_owned())
                }
                _ => None,
            },
            _ => None,
        })
        .collect();
    let record = world.chat.store.room(&jid(CAVE)).await.unwrap().unwrap();
    let page = ArchiveQuery::page(record.id.archive(), PageFrom::Start, 100);
    let page = world.chat.store.archive_page(page).await.unwrap();
    let kept: Vec<String> = page
        .items
        .iter()
        .map(|item| {
            element(std::str::from_utf8(&item.xml).unwrap())
                .child(ns::CLIENT, "body")
                .unwrap()
                .text()
                .into_owned()
        })
        .collect();
    assert_eq!(heard, kept);
    assert_eq!(kept.len(), 50);
}

/// What a stranger tries answers alike, whatever there is.
#[tokio::test]
async fn strangers_are_refused_alike() {
    let world = World::of(&["romeo", "tybalt"]).await;
    let romeo = cave(&world, |new| (new.public, new.members_only) = (false, true)).await;
    say(&romeo, "secret").await.unwrap();
    let mut tybalt = attending(&world, "tybalt").await;
    let same = |one: Error, other: Error| assert_eq!(format!("{one:?}"), format!("{other:?}"));
    for content in [
        "<body>x</body>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>x</reaction></reactions>",
        "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>",
        "<replace xmlns='urn:xmpp:message-correct:0' id='1'/><body>y</body>",
        "<subject>mine</subject>",
    ] {
        let refused = write(&tybalt, CAVE, content).await.unwrap_err();
        same(refused, write(&tybalt, "nowhere@rooms.localhost", content).await.unwrap_err());
    }
    let (chat, me) = (Arc::clone(&tybalt.chat), tybalt.session.jid.clone());
    let nowhere = jid("nowhere@rooms.localhost");
    let (cave, nobody) = (jid(CAVE), vec![jid("tybalt")]);
    same(chat.room_view(&cave, &me).await.unwrap_err(), chat.room_view(&nowhere, &me).await.unwrap_err());
    same(
        chat.join_room(&tybalt.session, &cave).await.unwrap_err(),
        chat.join_room(&tybalt.session, &nowhere).await.unwrap_err(),
    );
    same(
        chat.leave_room(&tybalt.session, &cave).await.unwrap_err(),
        chat.leave_room(&tybalt.session, &nowhere).await.unwrap_err(),
    );
    same(
        chat.room_members(&cave, &me, None, 10, "").await.unwrap_err(),
        chat.room_members(&nowhere, &me, None, 10, "").await.unwrap_err(),
    );
    same(
        chat.invite_to_room(&cave, &me, nobody.clone(), None).await.unwrap_err(),
        chat.invite_to_room(&nowhere, &me, nobody, None).await.unwrap_err(),
    );
    same(
        chat.set_room_affiliation(&cave, &me, &me, Affiliation::Owner).await.unwrap_err(),
        chat.set_room_affiliation(&nowhere, &me, &me, Affiliation::Owner).await.unwrap_err(),
    );
    same(
        chat.room_readers(&cave, &me, ArchiveId(1)).await.unwrap_err(),
        chat.room_readers(&nowhere, &me, ArchiveId(1)).await.unwrap_err(),
    );
    assert!(reads(&tybalt).await.is_err());
    assert!(tybalt.told().is_empty());
    assert!(chat.browse_rooms(&me, "", None, 10).await.unwrap().rooms.is_empty());
}

/// A ban, a removal, a room of members and the end of a room end hearing, writing and reading at once.
#[tokio::test]
async fn what_ends_ends_at_once() {
    for how in ["ban", "remove", "domain", "destroy"] {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = cave(&world, |new| new.members_only = true).await;
        let invited =
            romeo.chat.invite_to_room(&jid(CAVE), &romeo.session.jid, vec![jid("juliet")], None).await;
        assert!(invited.unwrap().is_empty());
        let mut juliet = attending(&world, "juliet").await;
        say(&romeo, "before").await.unwrap();
        assert_eq!(juliet.told(), ["cave/romeo by romeo: before"]);
        assert_eq!(reads(&juliet).await.unwrap(), 1);
        match how {
            "ban" => make(&romeo, "juliet", Affiliation::Outcast).await.unwrap(),
            "remove" => make(&romeo, "juliet", Affiliation::None).await.unwrap(),
            "domain" => {
                make(&romeo, "juliet", Affiliation::None).await.unwrap();
                romeo
                    .chat
                    .affiliate_with_room(&jid(CAVE), &Jid::new("localhost").unwrap(), Affiliation::Outcast)
                    .await
                    .unwrap();
            }
            _ => romeo
                .chat
                .destroy_room(&jid(CAVE), Some(&romeo.session.jid), Default::default())
                .await
                .unwrap(),
        }
        assert_eq!(juliet.told(), ["cave left"], "{how}");
        if how != "destroy" {
            say(&romeo, "after").await.unwrap();
        }
        assert!(juliet.told().is_empty(), "{how}");
        assert!(say(&juliet, "x").await.is_err() && reads(&juliet).await.is_err(), "{how}");
        assert!(juliet.session.listens_to().is_empty(), "{how}");
    }
}

/// Only admins write; a member has a voice again when it is over.
#[tokio::test]
async fn announcements_and_archives_are_listened_to() {
    let world = World::of(&["romeo", "juliet", "nurse"]).await;
    let mut romeo = cave(&world, |_| ()).await;
    let mut juliet = attending(&world, "juliet").await;
    juliet.chat.join_room(&juliet.session, &jid(CAVE)).await.unwrap();
    let mut nurse = world.online("nurse", "phone").await;
    enter(&nurse, "nurse").await.unwrap();
    make(&romeo, "nurse", Affiliation::Member).await.unwrap();
    configure(&romeo, "{urn:waxwing:rooms}announcements", "1").await.unwrap();
    for client in [&juliet, &nurse] {
        assert!(matches!(say(client, "x").await, Err(Error::Forbidden)));
        let view = client.chat.room_view(&jid(CAVE), &client.session.jid).await.unwrap();
        assert!(!view.may_write);
        // Nor does a program in his name.
        let said = Stanza::from_element(element("<message xmlns='jabber:client'><body>x</body></message>"));
        let by_program =
            world.chat.say_in_room(&jid(CAVE), &client.session.bare, "bot", said.expect("a stanza")).await;
        assert!(matches!(by_program, Err(Error::Forbidden)));
    }
    say(&romeo, "hear").await.unwrap();
    assert!(juliet.told().contains(&"cave/romeo by romeo: hear".to_owned()));
    make(&romeo, "juliet", Affiliation::Admin).await.unwrap();
    say(&juliet, "me, too").await.unwrap();
    configure(&romeo, "{urn:waxwing:rooms}announcements", "0").await.unwrap();
    say(&nurse, "at last").await.unwrap();
    configure(&romeo, "{urn:waxwing:rooms}archived", "1").await.unwrap();
    for client in [&romeo, &juliet, &nurse] {
        assert!(matches!(say(client, "x").await, Err(Error::NotAllowed)));
    }
    assert_eq!(reads(&juliet).await.unwrap(), 3);
    assert!(world.chat.browse_rooms(&jid("nurse"), "cave", None, 10).await.unwrap().rooms.is_empty());
    configure(&romeo, "{urn:waxwing:rooms}archived", "0").await.unwrap();
    say(&juliet, "again").await.unwrap();
    assert!(romeo.told().contains(&"cave/juliet by juliet: again".to_owned()));
    stanzas(&mut nurse);
}

/// Nobody passes for another, whether in the room or not.
#[tokio::test]
async fn names_that_look_alike_are_told_apart() {
    let world = World::of(&["romeo", "juliet", "tybalt"]).await;
    world.chat.set_name(&jid("juliet"), Some("CTO".to_owned()), "local").await.unwrap();
    world.chat.set_name(&jid("tybalt"), Some("СТО".to_owned()), "local").await.unwrap();
    let mut romeo = cave(&world, |_| ()).await;
    let (juliet, tybalt) = (attending(&world, "juliet").await, attending(&world, "tybalt").await);
    for client in [&juliet, &tybalt] {
        client.chat.join_room(&client.session, &jid(CAVE)).await.unwrap();
    }
    romeo.told();
    say(&juliet, "I am").await.unwrap();
    say(&tybalt, "no, I").await.unwrap();
    assert_eq!(romeo.told(), ["cave/CTO by juliet: I am", "cave/СТО 2 by tybalt: no, I"]);
    // The name is kept for her: nobody enters under it.
    let nurse = world.online("romeo", "phone").await;
    assert!(matches!(enter(&nurse, "cto").await, Err(Error::Conflict)));
}

/// XEP-0402: what one face joins, the clients of the other enter, and the other way round.
#[tokio::test]
async fn bookmarks_follow_and_lead() {
    let world = World::of(&["romeo", "juliet"]).await;
    let romeo = cave(&world, |_| ()).await;
    let mut juliet = attending(&world, "juliet").await;
    let owner = world.owner("juliet").await;
    juliet.chat.join_room(&juliet.session, &jid(CAVE)).await.unwrap();
    let kept = juliet.chat.pep_item(&owner, ns::BOOKMARKS, CAVE).await.unwrap().expect("a bookmark");
    let payload = element(kept.payload.as_deref().unwrap());
    assert_eq!((payload.attr("autojoin"), payload.attr("name")), (Some("true"), Some("Cave")));
    juliet.chat.leave_room(&juliet.session, &jid(CAVE)).await.unwrap();
    assert!(juliet.chat.pep_item(&owner, ns::BOOKMARKS, CAVE).await.unwrap().is_none());
    juliet.told();
    say(&romeo, "alone").await.unwrap();
    assert!(juliet.told().is_empty());
    let payload = "<conference xmlns='urn:xmpp:bookmarks:1' autojoin='1'/>";
    let item = NewItem { id: Some(CAVE.to_owned()), payload: Some(payload.into()) };
    juliet.chat.pep_publish(&owner, ns::BOOKMARKS, item, &[]).await.unwrap();
    let rooms = juliet.chat.belongings(&owner).await.unwrap();
    assert_eq!(rooms.len(), 1);
    assert!(juliet.told().contains(&"cave belongs".to_owned()));
    say(&romeo, "together").await.unwrap();
    say(&juliet, "yes").await.unwrap();
    assert_eq!(juliet.told(), ["cave/romeo by romeo: together", "cave/juliet by juliet: yes"]);
    configure(&romeo, "muc#roomconfig_membersonly", "1").await.unwrap();
    assert_eq!(juliet.told(), ["cave left"]);
    say(&romeo, "closed").await.unwrap();
    assert!(juliet.told().is_empty() && say(&juliet, "x").await.is_err());
    assert!(juliet.chat.belongings(&owner).await.unwrap().is_empty());
}

/// Who has read what.
#[tokio::test]
async fn readers_are_told_by_their_marks() {
    let world = World::of(&["romeo", "juliet", "nurse"]).await;
    let romeo = cave(&world, |_| ()).await;
    let people = vec![jid("juliet"), jid("nurse"), jid("nobody")];
    let refused = romeo.chat.invite_to_room(&jid(CAVE), &romeo.session.jid, people, None).await.unwrap();
    assert_eq!(refused, [jid("nobody")]);
    say(&romeo, "read this").await.unwrap();
    let record = world.chat.store.room(&jid(CAVE)).await.unwrap().unwrap();
    let last = world.chat.store.archive_bounds(record.id.archive()).await.unwrap().unwrap().last;
    world.chat.seen_in_room(&jid(CAVE), &jid("juliet"), last).await.unwrap();
    // Another word on her does not take back what she has seen.
    make(&romeo, "juliet", Affiliation::Admin).await.unwrap();
    let readers = romeo.chat.room_readers(&jid(CAVE), &romeo.session.jid, last).await.unwrap();
    let names = |list: &[super::membership::Member]| {
        list.iter().map(|member| member.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!((names(&readers.read), names(&readers.unread)), (vec!["juliet".into()], vec!["nurse".into()]));
    let members = romeo.chat.room_members(&jid(CAVE), &romeo.session.jid, None, 2, "").await.unwrap();
    assert!(members.more && members.members.len() == 2);
    let after = members.members.last().map(|member| member.address.clone());
    let rest = romeo.chat.room_members(&jid(CAVE), &romeo.session.jid, after.as_ref(), 2, "").await.unwrap();
    assert_eq!((names(&rest.members), rest.more), (vec!["romeo".into()], false));
}

/// An owner who is not in the room takes back what others said (XEP-0425), and cannot leave it without an owner.
#[tokio::test]
async fn an_absent_owner_keeps_order() {
    let world = World::of(&["romeo", "juliet"]).await;
    let romeo = cave(&world, |_| ()).await;
    let mut juliet = attending(&world, "juliet").await;
    juliet.chat.join_room(&juliet.session, &jid(CAVE)).await.unwrap();
    say(&juliet, "rude").await.unwrap();
    let shown = std::iter::from_fn(|| juliet.events.try_recv()).find_map(|event| match event {
        Event::Room(event) => match &*event {
            super::news::RoomEvent::Said(said) => {
                said.stanza.stanza().child(ns::STANZA_ID, "stanza-id")?.attr("id").map(str::to_owned)
            }
            _ => None,
        },
        _ => None,
    });
    let shown = shown.expect("an id");
    let me = juliet.session.jid.clone();
    let refused = juliet.chat.moderate_in_room(&jid(CAVE), &me, shown.clone(), None).await;
    assert!(matches!(refused, Err(Error::Forbidden)));
    romeo.chat.moderate_in_room(&jid(CAVE), &romeo.session.jid, shown, None).await.unwrap();
    assert_eq!(juliet.told(), ["cave/- by romeo: "]);
    let last = romeo.chat.leave_room(&romeo.session, &jid(CAVE)).await;
    assert!(matches!(last, Err(Error::Conflict)));
}

/// Two rooms of one name have two addresses; some words are no addresses.
#[tokio::test]
async fn names_find_free_addresses() {
    let world = World::of(&["romeo"]).await;
    let romeo = attending(&world, "romeo").await;
    let open = async |name: &str, local: Option<&str>| {
        let new = NewRoom { name: name.to_owned(), local: local.map(str::to_owned), ..NewRoom::default() };
        romeo.chat.open_room(&romeo.session, new).await.map(|room| room.local().unwrap().to_owned())
    };
    assert_eq!(open("All hands", None).await.unwrap(), "all-hands");
    assert_eq!(open("all HANDS!", None).await.unwrap(), "all-hands-2");
    assert_eq!(open("Admin", None).await.unwrap(), "admin-2");
    assert!(open("🎉", None).await.unwrap().starts_with("room-"));
    assert!(matches!(open("x", Some("admin")).await, Err(Error::Conflict)));
    assert!(matches!(open("x", Some("all-hands")).await, Err(Error::Conflict)));
    assert!(matches!(open(" ", None).await, Err(Error::NotAcceptable(_))));
    assert!(matches!(open("x", Some("a b")).await, Err(Error::JidMalformed)));
}

/// The sends of a message do not grow with members who are not online.
#[tokio::test]
async fn only_those_who_are_online_cost() {
    let world = World::of(&["romeo"]).await;
    let mut romeo = cave(&world, |_| ()).await;
    let record = world.chat.store.room(&jid(CAVE)).await.unwrap().unwrap();
    let members = (0..2000).map(|n| super::store::Affiliate {
        jid: jid(&format!("m{n}")),
        affiliation: Affiliation::Member,
        nick: None,
        reason: None,
        seen: ArchiveId::default(),
    });
    world.chat.store.change_room(record.id, RoomChange::Affiliates(members.collect()), None).await.unwrap();
    let mut online = Vec::new();
    for n in 0..50 {
        world.account(&format!("m{n}")).await;
        online.push(attending(&world, &format!("m{n}")).await);
    }
    say(&romeo, "hi").await.unwrap();
    let list = world.chat.rooms.listening.of(record.id);
    assert_eq!(list.len(), 51);
    assert_eq!(romeo.told().len(), 1);
    for client in &mut online {
        assert_eq!(client.told(), ["cave/romeo by romeo: hi"]);
    }
    for client in online {
        client.leave().await;
    }
    assert_eq!(list.len(), 1);
}
