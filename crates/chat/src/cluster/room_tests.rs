//! Rooms of three nodes: where their home is makes no difference, and that it is lost is noticed by nobody.

use super::tests::{Nodes, quiet, try_send};
use super::*;
use crate::archive::Fence;
use crate::event::Event;
use crate::history::HistoryQuery;
use crate::rooms::affiliation::Affiliation;
use crate::rooms::hats::{Hat, HatChange};
use crate::rooms::moderation::{Change, Named};
use crate::rooms::opening::NewRoom;
use crate::rooms::ownership::Farewell;
use crate::rooms::role::Role;
use crate::store::DocumentKind;
use crate::testing::{Client, jid};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, PresenceType, Stanza};

const CAVE: &str = "cave@rooms.localhost";

async fn enter(client: &Client, nick: &str) {
    let join = "<x xmlns='http://jabber.org/protocol/muc'/>";
    client.send(&format!("<presence to='{CAVE}/{nick}'>{join}</presence>")).await;
    quiet().await;
}

async fn say(client: &Client, text: &str) -> crate::Result<()> {
    try_send(client, &format!("<message type='groupchat' to='{CAVE}'><body>{text}</body></message>")).await
}

fn describe(stanza: &Stanza) -> Option<String> {
    let who = stanza.from.as_ref()?.resource().unwrap_or("room");
    match stanza.kind {
        Kind::Presence(PresenceType::Available) => Some(format!("{who} is there")),
        Kind::Presence(PresenceType::Unavailable) => Some(format!("{who} leaves")),
        _ => Some(format!("{who}: {}", stanza.child(ns::CLIENT, "body")?.text())),
    }
}

/// What the room said: `nick: text`, `nick is there`, `nick leaves`.
fn told(client: &mut Client) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = client.events.try_recv() {
        match event {
            Event::Stanza(delivery) => told.extend(describe(delivery.stanza.stanza())),
            Event::Batch(stanzas) => told.extend(stanzas.iter().filter_map(|one| describe(one.stanza()))),
            _ => {}
        }
    }
    told.retain(|one| !one.contains("@"));
    told
}

/// Romeo's room, which he made at the first node, with juliet and mercutio in it from the others.
async fn cave(nodes: &Nodes) -> [Client; 3] {
    let romeo = nodes.online(0, "romeo", "a").await;
    enter(&romeo, "romeo").await;
    let room = jid(CAVE);
    romeo.chat.configure_room(&room, Some(&romeo.session.jid), Vec::new()).await.expect("unlocked");
    let juliet = nodes.online(1, "juliet", "one").await;
    let mercutio = nodes.online(2, "mercutio", "m").await;
    enter(&juliet, "juliet").await;
    enter(&mercutio, "mercutio").await;
    let mut all = [romeo, juliet, mercutio];
    all.iter_mut().for_each(|client| drop(told(client)));
    all
}

fn homes(nodes: &Nodes) -> Vec<bool> {
    (0..nodes.chats.len()).map(|at| nodes.cluster(at).is_home(&jid(CAVE))).collect()
}

#[tokio::test(start_paused = true)]
async fn all_hear_one_order_wherever_they_are() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [mut romeo, mut juliet, mut mercutio] = cave(&nodes).await;
    assert_eq!(homes(&nodes), [true, false, false]);
    assert_eq!(juliet.session.rooms(), [jid("cave@rooms.localhost/juliet")]);
    let mut expected = Vec::new();
    for number in 0..10 {
        for (client, nick) in [(&romeo, "romeo"), (&juliet, "juliet"), (&mercutio, "mercutio")] {
            say(client, &number.to_string()).await.expect("it is safe");
            expected.push(format!("{nick}: {number}"));
        }
    }
    quiet().await;
    for client in [&mut romeo, &mut juliet, &mut mercutio] {
        assert_eq!(told(client), expected, "{}", client.session.jid);
    }
    // Many at once: one order, whatever it is.
    let (one, two, three) = (say(&romeo, "x"), say(&juliet, "y"), say(&mercutio, "z"));
    let (one, two, three) = tokio::join!(one, two, three);
    one.and(two).and(three).expect("all are safe");
    quiet().await;
    let heard = told(&mut romeo);
    assert_eq!(heard.len(), 3);
    assert_eq!((told(&mut juliet), told(&mut mercutio)), (heard.clone(), heard));
    mercutio.leave().await;
    quiet().await;
    assert_eq!(told(&mut romeo), ["mercutio leaves"]);
    assert_eq!(told(&mut juliet), ["mercutio leaves"]);
    let refused = say(&nodes.online(2, "mercutio", "n").await, "outside").await;
    assert!(matches!(refused, Err(Error::NotAcceptable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_home_that_dies_is_replaced_unnoticed() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [romeo, mut juliet, mut mercutio] = cave(&nodes).await;
    say(&romeo, "before").await.expect("it is safe");
    quiet().await;
    assert_eq!(
        (told(&mut juliet), told(&mut mercutio)),
        (vec!["romeo: before".into()], vec!["romeo: before".into()])
    );
    // What the home says last reaches nobody but the store.
    nodes.hub.cut(NodeId(1), NodeId(2));
    nodes.hub.cut(NodeId(1), NodeId(3));
    say(&romeo, "unheard").await.expect("it is safe");
    nodes.hub.kill(NodeId(1));
    let (one, two) = tokio::join!(say(&juliet, "after"), say(&mercutio, "as well"));
    one.and(two).expect("both are safe");
    quiet().await;
    let heard = told(&mut juliet);
    assert_eq!(told(&mut mercutio), heard);
    let said: Vec<&str> = heard.iter().filter(|one| one.contains(':')).map(String::as_str).collect();
    assert_eq!(said.len(), 3, "{heard:?}");
    assert_eq!(said[0], "romeo: unheard");
    assert!(said.contains(&"juliet: after") && said.contains(&"mercutio: as well"), "{heard:?}");
    let other: Vec<&str> = heard.iter().filter(|one| !one.contains(':')).map(String::as_str).collect();
    assert_eq!(other, ["romeo leaves"]);
    assert_eq!(homes(&nodes)[1..].iter().filter(|home| **home).count(), 1);
}

/// The home cannot reach one node for a while, and says nothing afterwards that would show what is missing there.
#[tokio::test(start_paused = true)]
async fn whoever_was_cut_off_is_handed_what_was_said() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [romeo, mut juliet, mut mercutio] = cave(&nodes).await;
    nodes.hub.cut(NodeId(1), NodeId(2));
    for text in ["one", "two"] {
        say(&romeo, text).await.expect("it is safe");
    }
    quiet().await;
    let expected = ["romeo: one", "romeo: two"];
    assert_eq!(told(&mut mercutio), expected);
    assert_eq!(told(&mut juliet), [""; 0]);
    nodes.hub.heal(NodeId(1), NodeId(2));
    tokio::time::sleep(HOME_TIMEOUT).await;
    assert_eq!(told(&mut juliet), expected);
    assert_eq!(homes(&nodes), [true, false, false], "the home stays where it is");
    say(&romeo, "three").await.expect("it is safe");
    quiet().await;
    assert_eq!(
        (told(&mut juliet), told(&mut mercutio)),
        (vec!["romeo: three".into()], vec!["romeo: three".into()])
    );
}

/// A node that is slow to say who of its sessions is in a room does not cost them the room; once it has answered, a room in
/// which nobody is ends.
#[tokio::test(start_paused = true)]
async fn a_room_of_a_node_that_does_not_answer_stays() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [romeo, juliet, mut mercutio] = cave(&nodes).await;
    juliet.send(&format!("<presence type='unavailable' to='{CAVE}/juliet'/>")).await;
    say(&romeo, "before").await.expect("it is safe");
    quiet().await;
    told(&mut mercutio);
    let room = juliet.chat.store().room(&jid(CAVE)).await.expect("read").expect("it is there").id;
    let lost = nodes.cluster(0).fence(&jid(CAVE)).expect("it is its home");
    nodes.log.end_life(lost.held.node);
    for silent in [1, 3] {
        nodes.hub.cut(NodeId(silent), NodeId(2));
    }
    juliet.chat.end_deserted_rooms().await.expect("looked at");
    nodes.hub.kill(NodeId(1));
    enter(&juliet, "juliet").await;
    assert_eq!(homes(&nodes)[1..], [true, false]);
    juliet.send(&format!("<presence type='unavailable' to='{CAVE}/juliet'/>")).await;
    quiet().await;
    nodes.hub.heal(NodeId(3), NodeId(2));
    tokio::time::sleep(HOME_TIMEOUT).await;
    let found = juliet.chat.store().room(&jid(CAVE)).await.expect("read").map(|found| found.id);
    assert_eq!(found, Some(room));
    say(&mercutio, "after").await.expect("it is safe");
    quiet().await;
    assert_eq!(told(&mut mercutio).last().map(String::as_str), Some("mercutio: after"));
    mercutio.send(&format!("<presence type='unavailable' to='{CAVE}/mercutio'/>")).await;
    quiet().await;
    assert!(juliet.chat.store().room(&jid(CAVE)).await.expect("read").is_none());
}

/// A node holds the lease on a room and does not know: giving it up failed, or nobody told it that it got it.
#[tokio::test(start_paused = true)]
async fn a_lease_without_a_home_keeps_nobody_out() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    let (leases, name) = nodes.cluster(0).leases().expect("it is alive");
    leases.hold(&format!("room/{CAVE}"), name).await.expect("it is free");
    let mut juliet = nodes.online(1, "juliet", "one").await;
    enter(&juliet, "juliet").await;
    assert_eq!(told(&mut juliet), ["juliet is there"]);
    assert_eq!(homes(&nodes), [false, true]);
    // Whoever wants the home has it given up as well.
    let held = leases.holder(&format!("room/{CAVE}")).await.expect("read").expect("held");
    leases.release(&format!("room/{CAVE}"), held).await.expect("released");
    let crypt = jid("crypt@rooms.localhost");
    leases.hold(&format!("room/{crypt}"), name).await.expect("it is free");
    juliet.chat.in_room(&crypt, |_| Box::pin(async {})).await.expect("it can be reached");
}

/// Whoever gives up half way what makes a node a room's home does not cost its sessions the room.
#[tokio::test(start_paused = true)]
async fn a_home_that_nobody_waits_for_keeps_those_who_are_in_it() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [_romeo, mut juliet, mercutio] = cave(&nodes).await;
    let lost = nodes.cluster(0).fence(&jid(CAVE)).expect("it is its home");
    nodes.log.end_life(lost.held.node);
    nodes.hub.cut(NodeId(1), NodeId(2));
    nodes.hub.cut(NodeId(3), NodeId(2));
    let room = jid(CAVE);
    let asked = juliet.chat.in_room_at_once(&room, |_| Box::pin(async {}));
    assert!(tokio::time::timeout(TICK, asked).await.is_err(), "nobody answers");
    nodes.hub.heal(NodeId(1), NodeId(2));
    nodes.hub.heal(NodeId(3), NodeId(2));
    tokio::time::sleep(HOME_TIMEOUT).await;
    say(&mercutio, "after").await.expect("it is safe");
    quiet().await;
    assert_eq!(told(&mut juliet).last().map(String::as_str), Some("mercutio: after"));
}

/// More than anybody could be handed: whoever was away is told that he is out, instead of having a gap that he knows nothing of.
#[tokio::test(start_paused = true)]
async fn whoever_missed_too_much_has_to_enter_anew() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [romeo, mut juliet, mut mercutio] = cave(&nodes).await;
    nodes.hub.cut(NodeId(1), NodeId(2));
    for number in 0..2100 {
        say(&romeo, &number.to_string()).await.expect("it is safe");
        if number % 100 == 0 {
            told(&mut mercutio);
        }
    }
    nodes.hub.heal(NodeId(1), NodeId(2));
    say(&romeo, "again").await.expect("it is safe");
    tokio::time::sleep(HOME_TIMEOUT).await;
    assert!(told(&mut juliet).contains(&"juliet leaves".to_owned()));
    assert!(juliet.session.rooms().is_empty());
    let refused = say(&juliet, "outside").await;
    assert!(matches!(refused, Err(Error::NotAcceptable(_))), "{refused:?}");
    enter(&juliet, "juliet").await;
    say(&juliet, "inside").await.expect("it is safe");
    quiet().await;
    assert_eq!(told(&mut mercutio).last().map(String::as_str), Some("juliet: inside"));
}

/// A role that is given for now is in no store: those who were told of it bring it along. It ends with the affiliation that it was
/// given beside.
#[tokio::test(start_paused = true)]
async fn roles_given_for_now_outlive_the_home() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [romeo, juliet, mercutio] = cave(&nodes).await;
    let room = jid(CAVE);
    let fields = vec![("muc#roomconfig_moderatedroom".to_owned(), vec!["1".to_owned()])];
    romeo.chat.configure_room(&room, Some(&romeo.session.jid), fields).await.expect("configured");
    let change = |who: &str, role| Change {
        who: Named::Nick(who.to_owned()),
        role: Some(role),
        affiliation: None,
        nick: None,
        reason: None,
    };
    let changes = vec![change("juliet", Role::Participant), change("mercutio", Role::Visitor)];
    romeo.chat.change_in_room(&room, &romeo.session.jid, changes).await.expect("they are given");
    quiet().await;
    nodes.hub.kill(NodeId(1));
    say(&juliet, "after").await.expect("she has a voice");
    let refused = say(&mercutio, "as well").await;
    assert!(matches!(refused, Err(Error::Forbidden)), "{refused:?}");
}

/// Nobody needs the room: it gets a home all the same, so that those who died with theirs are seen to leave.
#[tokio::test(start_paused = true)]
async fn a_quiet_room_gets_another_home() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [_romeo, mut juliet, mut mercutio] = cave(&nodes).await;
    nodes.hub.kill(NodeId(1));
    tokio::time::sleep(HOME_TIMEOUT).await;
    assert_eq!(told(&mut juliet), ["romeo leaves"]);
    assert_eq!(told(&mut mercutio), ["romeo leaves"]);
    say(&juliet, "still here").await.expect("it is safe");
    quiet().await;
    assert_eq!(told(&mut mercutio), ["juliet: still here"]);
}

/// What is done to a room moves its home to whoever does it, and nobody in it notices.
#[tokio::test(start_paused = true)]
async fn a_home_moves_to_where_it_is_needed() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [mut romeo, mut juliet, mut mercutio] = cave(&nodes).await;
    let room = jid(CAVE);
    let second = nodes.online(2, "romeo", "b").await;
    let fields = vec![("muc#roomconfig_roomname".to_owned(), vec!["Cave".to_owned()])];
    second.chat.configure_room(&room, Some(&second.session.jid), fields).await.expect("configured");
    quiet().await;
    assert_eq!(homes(&nodes), [false, false, true]);
    [&mut romeo, &mut juliet, &mut mercutio].into_iter().for_each(|client| drop(told(client)));
    for (client, text) in [(&romeo, "one"), (&juliet, "two"), (&mercutio, "three")] {
        say(client, text).await.expect("it is safe");
    }
    quiet().await;
    let expected = ["romeo: one", "juliet: two", "mercutio: three"];
    for client in [&mut romeo, &mut juliet, &mut mercutio] {
        assert_eq!(told(client), expected, "{}", client.session.jid);
    }
    // Looking moves nothing.
    let nicks = juliet.chat.room_nicknames(&room, &juliet.session.jid).await.expect("they may be seen");
    assert_eq!(nicks.len(), 3);
    assert_eq!(homes(&nodes), [false, false, true]);
    let page =
        romeo.chat.room_history(&room, &romeo.session.jid, HistoryQuery::default()).await.expect("a page");
    assert_eq!(page.page.items.len(), 3);
    // A node that goes on purpose gives its homes up.
    mercutio.chat.leave_cluster().await;
    say(&juliet, "four").await.expect("it is safe");
    quiet().await;
    let heard = told(&mut romeo);
    assert!(heard.contains(&"juliet: four".to_owned()), "{heard:?}");
}

/// Those who belong to a room hear it at every node without being in it, and write there.
#[tokio::test(start_paused = true)]
async fn members_hear_at_every_node() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let mut attending = Vec::new();
    for (at, name) in ["romeo", "juliet", "mercutio"].into_iter().enumerate() {
        let client = nodes.connect(at, name, "web").await;
        client.chat.attend(&client.session).await.expect("it attends");
        attending.push(client);
    }
    quiet().await;
    let new = NewRoom { name: "Cave".to_owned(), public: true, ..NewRoom::default() };
    let romeo = &attending[0];
    let room = romeo.chat.open_room(&romeo.session, new).await.expect("a room");
    assert_eq!(room, jid(CAVE));
    quiet().await;
    attending.iter_mut().for_each(|client| drop(client.told()));
    let romeo = &attending[0];
    for person in ["juliet", "mercutio"] {
        let actor = &romeo.session.jid;
        romeo
            .chat
            .set_room_affiliation(&room, actor, &jid(person), Affiliation::Member)
            .await
            .expect("a member");
    }
    quiet().await;
    for client in &mut attending[1..] {
        let told = client.told();
        assert!(told.contains(&"cave belongs by romeo".to_owned()), "{told:?}");
    }
    attending[0].told();
    say(&attending[1], "hi").await.expect("it is safe");
    quiet().await;
    for client in &mut attending {
        let told = client.told();
        assert_eq!(told.iter().filter(|one| one.ends_with("by juliet: hi")).count(), 1, "{told:?}");
    }
    let actor = attending[0].session.jid.clone();
    let chat = Arc::clone(&attending[0].chat);
    chat.set_room_affiliation(&room, &actor, &jid("mercutio"), Affiliation::Outcast).await.expect("banned");
    quiet().await;
    let told = attending[2].told();
    assert!(told.contains(&"cave left".to_owned()), "{told:?}");
    say(&attending[0], "without him").await.expect("it is safe");
    quiet().await;
    assert!(attending[2].told().is_empty());
    assert!(attending[1].told().iter().any(|one| one.ends_with("without him")));
}

/// The first node loses the room to the second, and does not notice.
async fn lose_home(nodes: &Nodes) -> Fence {
    let lost = nodes.cluster(0).fence(&jid(CAVE)).expect("it is its home");
    nodes.log.end_life(lost.held.node);
    let (leases, name) = nodes.cluster(1).leases().expect("it is alive");
    let taken = leases.hold(&lost.what, name).await.expect("it is free");
    assert!(taken.epoch > lost.held.epoch && nodes.cluster(0).is_home(&jid(CAVE)));
    lost
}

/// A home that was stopped, or cut off from the store, for so long that another has taken the room: what it still says is not
/// kept, and whoever said it hears so; those who are in the room through it go on being in it, and hear all that was kept.
#[tokio::test(start_paused = true)]
async fn a_home_that_was_lost_unnoticed_keeps_nothing() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
    let [mut romeo, mut juliet, mut mercutio] = cave(&nodes).await;
    say(&romeo, "before").await.expect("it is safe");
    quiet().await;
    lose_home(&nodes).await;
    // The message is on its way when another takes the room.
    assert!(say(&romeo, "too late").await.is_err(), "nobody is told that it is safe");
    say(&juliet, "behind").await.expect("it is safe");
    quiet().await;
    assert_eq!(homes(&nodes).iter().filter(|home| **home).count(), 1);
    say(&mercutio, "and on").await.expect("it is safe");
    quiet().await;
    for client in [&mut romeo, &mut juliet, &mut mercutio] {
        let told: Vec<String> = told(client).into_iter().filter(|one| one.contains(':')).collect();
        assert_eq!(told, ["romeo: before", "juliet: behind", "mercutio: and on"], "{}", client.session.jid);
    }
}

/// What is kept of the room besides its messages.
async fn kept(nodes: &Nodes) -> String {
    let store = nodes.chats[2].store();
    let Some(room) = store.room(&jid(CAVE)).await.expect("read") else { return "nothing".to_owned() };
    let affiliates = store.affiliates(room.id).await.expect("read");
    let documents = store.documents(room.id.archive(), DocumentKind::Room).await.expect("read");
    format!("{room:?} {affiliates:?} {documents:?}")
}

/// What an owner does to the room at the first node, one of several things.
async fn change(nodes: &Nodes, which: usize) -> Result<()> {
    let (chat, room, owner) = (&nodes.chats[0], jid(CAVE), jid("romeo/a"));
    match which {
        0 => {
            let name = ("muc#roomconfig_roomname".to_owned(), vec!["Crypt".to_owned()]);
            chat.configure_room(&room, Some(&owner), vec![name]).await
        }
        1 => chat.affiliate_with_room(&room, &jid("mercutio"), Affiliation::Outcast).await,
        2 => {
            let hat = Hat { uri: "urn:hat".to_owned(), title: "Hat".to_owned(), hue: None };
            chat.change_room_hats(&room, &owner, HatChange::Create(hat)).await
        }
        _ => chat.destroy_room(&room, Some(&owner), Farewell::default()).await,
    }
}

/// What such a home does to the room besides is not kept either. It gives the room up, and the same is done where that is then.
#[tokio::test(start_paused = true)]
async fn a_home_that_was_lost_unnoticed_changes_nothing() {
    for which in 0..4 {
        let nodes = Nodes::of(3, &["romeo", "juliet", "mercutio"]).await;
        let [_romeo, juliet, _mercutio] = cave(&nodes).await;
        lose_home(&nodes).await;
        let before = kept(&nodes).await;
        let refused = change(&nodes, which).await;
        assert!(matches!(refused, Err(Error::ResourceConstraint(_))), "{which}: {refused:?}");
        assert_eq!(kept(&nodes).await, before);
        say(&juliet, "behind").await.expect("it is safe");
        quiet().await;
        assert_eq!(homes(&nodes), [false, true, false]);
        tokio::time::sleep(TICK).await;
        change(&nodes, which).await.expect("it is done");
        assert_ne!(kept(&nodes).await, before);
    }
}
