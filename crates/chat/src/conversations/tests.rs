//! Tests of conversations: what counts of what was done to a message, by whom, and what is told of it.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::folding::MessageView;
use super::listing::ConversationView;
use super::reading::Span;
use crate::archive::ArchiveId;
use crate::state::StateKind;
use crate::testing::{Client, World, jid};

const ROOM: &str = "cave@rooms.localhost";

async fn send(from: &Client, to: &str, attributes: &str, content: &str) {
    let xml = format!("<message xmlns='jabber:client' {attributes}>{content}</message>");
    let stanza = Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza");
    let stanza = stanza.with_to(jid(to)).with_from(from.session.jid.clone());
    from.chat.send(&from.session, stanza).await.expect("taken").await.expect("safe");
}

async fn say(from: &Client, to: &str, id: &str, content: &str) {
    send(from, to, &format!("type='chat' id='{id}'"), content).await;
}

async fn part(reader: &Client, conversation: &str) -> Vec<MessageView> {
    let conversation = jid(conversation);
    let part = reader.chat.conversation_part(&reader.session, &conversation, Span::Newest, 50);
    part.await.expect("a part").messages
}

fn body(stanza: &Stanza) -> String {
    stanza.child(ns::CLIENT, "body").map(|body| body.text().into_owned()).unwrap_or_default()
}

/// What somebody reads, each in a few words: who, what, and what was done to it.
fn described(views: &[MessageView]) -> Vec<String> {
    let describe = |view: &MessageView| {
        let mut text = format!("{}: {}", view.author.address.local().unwrap_or("-"), body(&view.content));
        if let Some(edited) = view.edited {
            text.push_str(&format!(" edited {}", edited.count));
        }
        for reaction in &view.reactions {
            let by: Vec<_> = reaction.by.iter().filter_map(Jid::local).collect();
            text.push_str(&format!(" {}{}", reaction.emoji, by.join(",")));
        }
        if view.retracted.is_some() {
            text.push_str(" retracted");
        }
        text
    };
    views.iter().map(describe).collect()
}

fn replaces(id: &str) -> String {
    format!("<replace xmlns='{}' id='{id}'/>", ns::CORRECTION)
}

fn reacts(id: &str, emojis: &[&str]) -> String {
    let each: String = emojis.iter().map(|emoji| format!("<reaction>{emoji}</reaction>")).collect();
    format!("<reactions xmlns='{}' id='{id}'>{each}</reactions>", ns::REACTIONS)
}

async fn couple(world: &World) -> (Client, Client) {
    (world.online("romeo", "a").await, world.online("juliet", "one").await)
}

/// XEP-0308 section 3 and XEP-0444 section 3.2: only the sender corrects; of each person the newest reaction counts.
#[tokio::test]
async fn what_counts_is_the_newest_by_the_right_person() {
    let world = World::of(&["romeo", "juliet"]).await;
    let (romeo, juliet) = couple(&world).await;
    say(&romeo, "juliet", "m1", "<body>one</body>").await;
    say(&juliet, "romeo", "j1", &format!("<body>forged</body>{}", replaces("m1"))).await;
    say(&romeo, "juliet", "e1", &format!("<body>two</body>{}", replaces("m1"))).await;
    say(&romeo, "juliet", "e2", &format!("<body>three</body>{}", replaces("m1"))).await;
    say(&juliet, "romeo", "r1", &reacts("m1", &["A", "B"])).await;
    say(&romeo, "juliet", "r2", &reacts("m1", &["B"])).await;
    say(&juliet, "romeo", "r3", &reacts("m1", &["B", "C"])).await;
    for (reader, with) in [(&romeo, "juliet"), (&juliet, "romeo")] {
        assert_eq!(described(&part(reader, with).await), ["romeo: three edited 2 Bromeo,juliet Cjuliet"]);
    }
    say(&juliet, "romeo", "x1", &format!("<retract xmlns='{}' id='m1'/>", ns::RETRACTION)).await;
    assert!(!described(&part(&juliet, "romeo").await)[0].contains("retracted"), "it is not hers");
    say(&romeo, "juliet", "x2", &format!("<retract xmlns='{}' id='m1'/>", ns::RETRACTION)).await;
    assert_eq!(described(&part(&juliet, "romeo").await), ["romeo:  retracted"]);
}

/// Votes count until a poll is closed, other reactions afterwards too, and no correction opens it again.
#[tokio::test]
async fn a_closed_poll_stays_as_it_was() {
    let world = World::of(&["romeo", "juliet"]).await;
    let (romeo, juliet) = couple(&world).await;
    let payload = format!("<payload xmlns='{}' datatype='{}'/>", ns::JSON_MESSAGE, ns::POLL);
    let closed = format!("{payload}<closed xmlns='{}'/>", ns::POLL);
    say(&romeo, "juliet", "m1", &format!("<body>whither</body>{payload}")).await;
    say(&juliet, "romeo", "r1", &reacts("m1", &["1\u{20e3}", "A"])).await;
    say(&juliet, "romeo", "c0", &format!("<body>forged</body>{closed}{}", replaces("m1"))).await;
    say(&juliet, "romeo", "r2", &reacts("m1", &["2\u{20e3}", "A"])).await;
    let before = part(&romeo, "juliet").await;
    assert!(before[0].closed.is_none(), "only who asked closes it");
    assert_eq!(described(&before), ["romeo: whither 2\u{20e3}juliet Ajuliet"]);
    say(&romeo, "juliet", "c1", &format!("<body>whither</body>{closed}{}", replaces("m1"))).await;
    say(&juliet, "romeo", "r3", &reacts("m1", &["3\u{20e3}", "B"])).await;
    say(&romeo, "juliet", "r4", &reacts("m1", &["3\u{20e3}"])).await;
    say(&romeo, "juliet", "c2", &format!("<body>anew</body>{}", replaces("m1"))).await;
    say(&romeo, "juliet", "c3", &format!("<body>anew</body>{payload}{}", replaces("m1"))).await;
    for (reader, with) in [(&romeo, "juliet"), (&juliet, "romeo")] {
        let views = part(reader, with).await;
        assert_eq!(described(&views), ["romeo: anew edited 3 2\u{20e3}juliet Bjuliet"]);
        let kept = views[0].closed.as_ref().map(|closed| body(&closed.content));
        assert_eq!(kept.as_deref(), Some("whither"));
    }
    say(&romeo, "juliet", "m2", "<body>no poll</body>").await;
    say(&romeo, "juliet", "c4", &format!("<body>none</body>{closed}{}", replaces("m2"))).await;
    assert!(part(&juliet, "romeo").await[1].closed.is_none(), "what asks nothing is not closed");
}

/// The same id in two conversations names two messages.
#[tokio::test]
async fn conversations_do_not_mix() {
    let world = World::of(&["romeo", "juliet", "nurse"]).await;
    let (romeo, juliet) = couple(&world).await;
    let nurse = world.online("nurse", "a").await;
    say(&romeo, "juliet", "m1", "<body>to juliet</body>").await;
    say(&romeo, "nurse", "m1", "<body>to nurse</body>").await;
    say(&nurse, "romeo", "r1", &reacts("m1", &["A"])).await;
    say(&romeo, "nurse", "e1", &format!("<body>edited</body>{}", replaces("m1"))).await;
    assert_eq!(described(&part(&romeo, "juliet").await), ["romeo: to juliet"]);
    assert_eq!(described(&part(&romeo, "nurse").await), ["romeo: edited edited 1 Anurse"]);
    assert_eq!(described(&part(&juliet, "romeo").await), ["romeo: to juliet"]);
    let by_place = part(&romeo, "juliet").await[0].id;
    let elsewhere = romeo.chat.conversation_message(&romeo.session, &jid("nurse"), by_place).await;
    assert!(elsewhere.is_err(), "a message is found in its own conversation alone");
}

/// A place that a client names beside the id is believed only where both agree.
#[tokio::test]
async fn a_hint_that_does_not_fit_is_not_believed() {
    let world = World::of(&["romeo", "juliet"]).await;
    let (romeo, juliet) = couple(&world).await;
    say(&romeo, "juliet", "m1", "<body>one</body>").await;
    say(&romeo, "juliet", "m2", "<body>two</body>").await;
    let first = part(&juliet, "romeo").await[0].id;
    let hint = juliet.chat.archive_ids().show(first);
    let reply = format!(
        "<body>answer</body><reply xmlns='{}' id='m2'/><about xmlns='{}' id='{hint}'/>",
        ns::REPLY,
        ns::MESSAGE
    );
    say(&juliet, "romeo", "a1", &reply).await;
    let answers = part(&romeo, "juliet").await.pop().and_then(|view| view.answers).expect("an answer");
    assert_eq!(answers.found.map(|quoted| body(&quoted.content)).as_deref(), Some("two"));
}

async fn listed(of: &Client, with: &str) -> ConversationView {
    of.chat.conversation(&of.session, &jid(with)).await.expect("a conversation")
}

/// One mark for all clients: set here, published (XEP-0490), or sent as a marker (XEP-0333).
#[tokio::test]
async fn a_mark_moves_by_whatever_words() {
    let world = World::of(&["romeo", "juliet"]).await;
    let (romeo, juliet) = couple(&world).await;
    for number in 1..=4 {
        say(&romeo, "juliet", &format!("m{number}"), &format!("<body>{number}</body>")).await;
    }
    let ids: Vec<ArchiveId> = part(&juliet, "romeo").await.iter().map(|view| view.id).collect();
    assert_eq!(listed(&juliet, "romeo").await.unread, 4);
    juliet.chat.mark_read(&juliet.session, &jid("romeo"), ids[0]).await.expect("marked");
    assert_eq!(listed(&juliet, "romeo").await.unread, 3);
    assert_eq!(listed(&romeo, "juliet").await.peer_seen, Some(ids[0]));
    say(&juliet, "romeo", "d1", &format!("<displayed xmlns='{}' id='m2'/>", ns::CHAT_MARKERS)).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(listed(&juliet, "romeo").await.unread, 2);
    juliet.chat.mark_read(&juliet.session, &jid("romeo"), ids[0]).await.expect("nothing happens");
    assert_eq!(listed(&juliet, "romeo").await.unread, 2, "a mark does not move backwards");
    juliet.chat.mark_unread(&juliet.session, &jid("romeo"), ids[2]).await.expect("marked");
    assert_eq!(listed(&juliet, "romeo").await.unread, 2);
    say(&juliet, "romeo", "a1", "<body>answer</body>").await;
    assert_eq!(listed(&juliet, "romeo").await.unread, 0, "whoever answers has read");
    juliet.chat.mark_unread(&juliet.session, &jid("romeo"), ids[3]).await.expect("marked");
    assert_eq!(listed(&juliet, "romeo").await.unread, 1, "an answer of before does not count");
    say(&juliet, "romeo", "a2", "<body>and another</body>").await;
    assert_eq!(listed(&juliet, "romeo").await.unread, 0);
}

/// In a room, which notes by itself how far its members have come.
#[tokio::test]
async fn a_room_counts_as_unread_from_a_place_on() {
    let world = World::of(&["romeo", "juliet"]).await;
    let (romeo, juliet) = couple(&world).await;
    for client in [&romeo, &juliet] {
        client.chat.attend(&client.session).await.expect("attends");
    }
    cave(&romeo).await;
    juliet.chat.join_room(&juliet.session, &jid(ROOM)).await.expect("joined");
    for number in 1..=3 {
        send(&romeo, ROOM, &format!("type='groupchat' id='m{number}'"), "<body>so</body>").await;
    }
    let ids: Vec<ArchiveId> = part(&juliet, ROOM).await.iter().map(|view| view.id).collect();
    let last = *ids.last().expect("messages");
    let unread = async || juliet.chat.conversation(&juliet.session, &jid(ROOM)).await.expect("listed").unread;
    juliet.chat.mark_read(&juliet.session, &jid(ROOM), last).await.expect("marked");
    assert_eq!(unread().await, 0);
    juliet.chat.mark_unread(&juliet.session, &jid(ROOM), ids[ids.len() - 2]).await.expect("marked");
    assert_eq!(unread().await, 2);
    juliet.chat.join_room(&juliet.session, &jid(ROOM)).await.expect("joined again");
    assert_eq!(unread().await, 2, "coming back is not reading");
    juliet.chat.mark_read(&juliet.session, &jid(ROOM), last).await.expect("marked");
    assert_eq!(unread().await, 0);
}

/// Opens the room of these tests.
async fn cave(of: &Client) -> Jid {
    let room = of
        .chat
        .open_room(
            &of.session,
            crate::rooms::opening::NewRoom {
                name: "Cave".to_owned(),
                local: Some("cave".to_owned()),
                description: String::new(),
                public: true,
                members_only: false,
            },
        )
        .await
        .expect("a room");
    assert_eq!(room.as_str(), ROOM);
    room
}

/// In a room whose members are not known to each other nobody learns an address.
#[tokio::test]
async fn addresses_stay_hidden_where_the_room_hides_them() {
    let world = World::of(&["romeo", "juliet"]).await;
    let (romeo, juliet) = couple(&world).await;
    for client in [&romeo, &juliet] {
        client.chat.attend(&client.session).await.expect("attends");
    }
    let room = cave(&romeo).await;
    let hidden = vec![("muc#roomconfig_whois".to_owned(), vec!["moderators".to_owned()])];
    romeo.chat.configure_room(&room, Some(&romeo.session.jid), hidden).await.expect("configured");
    juliet.chat.join_room(&juliet.session, &room).await.expect("joined");
    send(&romeo, ROOM, "type='groupchat' id='m1'", "<body>who am I</body>").await;
    let seen = part(&juliet, ROOM).await.pop().expect("a message");
    assert_eq!((seen.author.address.bare_str(), seen.author.own), (ROOM, false));
    assert!(seen.author.address.resource().is_some());
    let own = part(&romeo, ROOM).await.pop().expect("a message");
    assert_eq!((own.author.address.clone(), own.author.own), (jid("romeo"), true));
}

/// What somebody keeps is told to those of his clients that follow.
#[tokio::test]
async fn what_is_kept_is_told() {
    let world = World::of(&["romeo"]).await;
    let mut first = world.online("romeo", "a").await;
    first.chat.attend(&first.session).await.expect("attends");
    let owner = world.owner("romeo").await;
    let item = super::keeping::Item {
        owner: owner.clone(),
        kind: StateKind::Draft,
        key: "juliet@localhost".to_owned(),
        content: Some("I".to_owned()),
    };
    first.chat.keep_in_step(vec![item.clone()]).await.expect("kept");
    assert_eq!(first.told(), ["keeps Draft juliet: I"]);
    let gone = super::keeping::Item { content: None, ..item };
    first.chat.keep_in_step(vec![gone]).await.expect("removed");
    assert_eq!(first.told(), ["keeps Draft juliet: -"]);
}
