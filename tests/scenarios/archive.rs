//! The archive: XEP-0313 example by example, with XEP-0059 paging, XEP-0359 ids, XEP-0431 search, XEP-0441 preferences.

use waxwing_tests::xml::{CLIENT, Element};
use waxwing_tests::{Client, World};

use crate::world::world;

const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";
const SID: &str = "urn:xmpp:sid:0";
const FORWARD: &str = "urn:xmpp:forward:0";
const DATA: &str = "jabber:x:data";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// One archived message, as a result shows it.
#[derive(Debug, PartialEq, Eq)]
struct Hit {
    id: String,
    body: String,
    from: String,
    stamp: String,
}

/// A page: the messages, and the `<fin/>` or the error.
struct Page {
    hits: Vec<Hit>,
    answer: Element,
}

impl Page {
    fn bodies(&self) -> Vec<&str> {
        self.hits.iter().map(|hit| hit.body.as_str()).collect()
    }

    fn complete(&self) -> bool {
        self.answer.find(MAM, "fin").is_some_and(|fin| matches!(fin.attr("complete"), Some("true" | "1")))
    }

    fn rsm(&self, name: &str) -> Option<String> {
        self.answer.find(RSM, "set")?.child(RSM, name).map(Element::text)
    }
}

/// Asks the archive; the form's fields and what else the query holds.
async fn query(client: &mut Client, fields: &[(&str, &str)], more: &str) -> Page {
    let mut form = String::new();
    if !fields.is_empty() {
        form.push_str(&format!("<x xmlns='{DATA}' type='submit'><field var='FORM_TYPE' type='hidden'><value>{MAM}</value></field>"));
        for (name, value) in fields {
            form.push_str(&format!("<field var='{name}'><value>{value}</value></field>"));
        }
        form.push_str("</x>");
    }
    client.clear().await;
    let answer =
        client.ask("set", None, &format!("<query xmlns='{MAM}' queryid='q'>{form}{more}</query>")).await;
    let mut hits = Vec::new();
    for message in client.drain().await {
        let result = message.child(MAM, "result").unwrap_or_else(|| panic!("not a result: {message}"));
        assert_eq!(result.attr("queryid"), Some("q"));
        let forwarded = result.child(FORWARD, "forwarded").expect("a forwarded message");
        let delay = forwarded.child("urn:xmpp:delay", "delay").expect("when it was archived");
        let original = forwarded.child("jabber:client", "message").expect("the message");
        hits.push(Hit {
            id: result.attr("id").expect("an id").to_owned(),
            body: original.child("jabber:client", "body").map(Element::text).unwrap_or_default(),
            from: original.attr("from").unwrap_or_default().to_owned(),
            stamp: delay.attr("stamp").unwrap_or_default().to_owned(),
        });
    }
    Page { hits, answer }
}

/// Romeo with an archive of messages to Juliet and Mercutio: `j1 m2 j3 m4 ..`, `count` in all.
async fn archive(world: &World, count: usize) -> Client {
    world.user("juliet");
    world.user("mercutio");
    let mut romeo = world.online("romeo/orchard").await;
    for number in 1..=count {
        let (letter, to) = if number % 2 == 1 { ("j", "juliet") } else { ("m", "mercutio") };
        romeo
            .send(&format!(
                "<message to='{to}@localhost' type='chat'><body>{letter}{number}</body></message>"
            ))
            .await;
    }
    wait_for(&mut romeo, count).await;
    romeo
}

/// Waits until so many messages are in the archive.
async fn wait_for(client: &mut Client, count: usize) {
    for _ in 0..1000 {
        let page = query(client, &[], &format!("<set xmlns='{RSM}'><max>0</max></set>")).await;
        match page.rsm("count").and_then(|text| text.parse::<usize>().ok()) {
            Some(there) if there < count => {}
            _ => return,
        }
    }
    panic!("{count} messages never came into the archive");
}

fn max(count: usize, more: &str) -> String {
    format!("<set xmlns='{RSM}'><max>{count}</max>{more}</set>")
}

/// covers: XEP-0313 example 1; XEP-0313 example 28; XEP-0313 example 29; XEP-0359 3
#[tokio::test]
async fn a_delivered_message_carries_its_archive_id() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    let forged = format!("<stanza-id xmlns='{SID}' by='juliet@localhost' id='forged'/>");
    romeo.send(&format!("<message to='juliet@localhost/balcony' type='chat'><body>Call me but love</body>{forged}</message>")).await;
    juliet
        .expect(&format!(
            "<message from='romeo@localhost/orchard' type='chat'><body>Call me but love</body>\
             <stanza-id xmlns='{SID}' by='juliet@localhost' id='{{archived}}'/></message>"
        ))
        .await;
    assert_ne!(juliet.captured("archived"), "forged");
    let page = query(&mut juliet, &[], "").await;
    assert_eq!(page.hits.len(), 1, "{}", page.answer);
    assert_eq!(page.hits[0].id, juliet.captured("archived"));
    let info = "http://jabber.org/protocol/disco#info";
    let answer = juliet.ask("get", Some("juliet@localhost"), &format!("<query xmlns='{info}'/>")).await;
    let query = answer.child(info, "query").expect("an answer");
    let features: Vec<&str> = query.children().filter_map(|feature| feature.attr("var")).collect();
    for wanted in [MAM, "urn:xmpp:mam:2#extended", SID] {
        assert!(features.contains(&wanted), "{wanted} is missing in {features:?}");
    }
}

/// covers: XEP-0313 example 2; XEP-0313 example 3; XEP-0313 example 4
#[tokio::test]
async fn all_messages_of_both_directions() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    romeo.send("<message to='juliet@localhost/balcony' type='chat'><body>1</body></message>").await;
    juliet.expect("<message from='romeo@localhost/orchard' type='chat'><body>1</body></message>").await;
    juliet.send("<message to='romeo@localhost/orchard' type='chat'><body>2</body></message>").await;
    romeo.expect("<message from='juliet@localhost/balcony' type='chat'><body>2</body></message>").await;
    for client in [&mut romeo, &mut juliet] {
        let page = query(client, &[], "").await;
        assert_eq!(page.bodies(), ["1", "2"]);
        assert_eq!(page.hits[0].from, "romeo@localhost/orchard");
        assert!(page.complete(), "{}", page.answer);
        assert_eq!(page.rsm("first").as_deref(), Some(page.hits[0].id.as_str()));
        assert_eq!(page.rsm("last").as_deref(), Some(page.hits[1].id.as_str()));
        assert!(page.hits[0].stamp.ends_with('Z'), "{}", page.hits[0].stamp);
    }
}

/// covers: XEP-0313 example 5
#[tokio::test]
async fn nobody_reads_a_strangers_archive() {
    let world = world().await;
    let mut romeo = archive(&world, 2).await;
    let mut tybalt = world.online("tybalt/street").await;
    for to in ["romeo@localhost", "nobody@localhost"] {
        let answer = tybalt.ask("set", Some(to), &format!("<query xmlns='{MAM}'/>")).await;
        assert_eq!(answer.attr("type"), Some("error"), "{answer}");
    }
    tybalt.expect_nothing().await;
    // One's own archive may be named.
    let answer = romeo.ask("set", Some("romeo@localhost"), &format!("<query xmlns='{MAM}'/>")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
}

/// covers: XEP-0313 example 6
#[tokio::test]
async fn messages_with_a_contact() {
    let world = world().await;
    let mut romeo = archive(&world, 6).await;
    assert_eq!(query(&mut romeo, &[("with", "juliet@localhost")], "").await.bodies(), ["j1", "j3", "j5"]);
    assert_eq!(query(&mut romeo, &[("with", "nobody@localhost")], "").await.bodies(), [""; 0]);
    romeo.send("<message to='juliet@localhost/balcony' type='chat'><body>full</body></message>").await;
    wait_for(&mut romeo, 7).await;
    assert_eq!(query(&mut romeo, &[("with", "juliet@localhost/balcony")], "").await.bodies(), ["full"]);
    assert_eq!(
        query(&mut romeo, &[("with", "juliet@localhost")], "").await.bodies(),
        ["j1", "j3", "j5", "full"]
    );
}

/// covers: XEP-0313 example 7; XEP-0313 example 8
#[tokio::test]
async fn messages_of_a_time() {
    let world = world().await;
    let mut romeo = archive(&world, 4).await;
    let none = ("2010-06-07T00:00:00Z", "2010-07-07T13:23:54Z");
    assert!(query(&mut romeo, &[("start", none.0), ("end", none.1)], "").await.hits.is_empty());
    assert_eq!(query(&mut romeo, &[("start", none.0)], "").await.hits.len(), 4);
    assert_eq!(query(&mut romeo, &[("end", "2100-01-01T00:00:00Z")], "").await.hits.len(), 4);
    assert!(query(&mut romeo, &[("start", "2100-01-01T00:00:00Z")], "").await.hits.is_empty());
    let wrong = query(&mut romeo, &[("start", "yesterday")], "").await;
    assert!(wrong.answer.find(STANZAS, "bad-request").is_some(), "{}", wrong.answer);
}

/// covers: XEP-0313 example 9; XEP-0313 example 10; XEP-0313 example 11
#[tokio::test]
async fn messages_between_ids() {
    let world = world().await;
    let mut romeo = archive(&world, 5).await;
    let ids: Vec<String> = query(&mut romeo, &[], "").await.hits.into_iter().map(|hit| hit.id).collect();
    assert_eq!(query(&mut romeo, &[("after-id", &ids[1])], "").await.bodies(), ["j3", "m4", "j5"]);
    let between = [("after-id", ids[0].as_str()), ("before-id", ids[4].as_str())];
    assert_eq!(query(&mut romeo, &between, "").await.bodies(), ["m2", "j3", "m4"]);
    assert_eq!(query(&mut romeo, &[("before-id", &ids[2])], "").await.bodies(), ["j1", "m2"]);
    assert_eq!(query(&mut romeo, &[("ids", &ids[3])], "").await.bodies(), ["m4"]);
    let two = format!("{}</value><value>{}", ids[4], ids[0]);
    assert_eq!(query(&mut romeo, &[("ids", &two)], "").await.bodies(), ["j1", "j5"]);
    for field in ["after-id", "before-id", "ids"] {
        let page = query(&mut romeo, &[(field, "no-such-id")], "").await;
        assert!(page.answer.find(STANZAS, "item-not-found").is_some(), "{field}: {}", page.answer);
    }
}

/// covers: XEP-0313 example 14; XEP-0313 example 15; XEP-0431 3
#[tokio::test]
async fn the_form_names_the_fields() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let answer = romeo.ask("get", None, &format!("<query xmlns='{MAM}'/>")).await;
    let form = answer.find(DATA, "x").expect("a form");
    assert_eq!(form.attr("type"), Some("form"));
    let fields: Vec<&str> = form.children().filter_map(|field| field.attr("var")).collect();
    for wanted in
        ["FORM_TYPE", "with", "start", "end", "before-id", "after-id", "ids", "{urn:xmpp:fulltext:0}fulltext"]
    {
        assert!(fields.contains(&wanted), "{wanted} is missing in {fields:?}");
    }
}

/// covers: XEP-0313 example 16; XEP-0313 example 17; XEP-0431 4
#[tokio::test]
async fn messages_are_found_by_their_words() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = world.online("romeo/orchard").await;
    let bodies = [
        "But soft, what light",
        "through yonder window breaks",
        "\u{6211}\u{7231}\u{5317}\u{4eac}\u{5929}\u{5b89}\u{95e8}",
        "It is the east",
    ];
    for body in bodies {
        romeo
            .send(&format!("<message to='juliet@localhost' type='chat'><body>{body}</body></message>"))
            .await;
    }
    wait_for(&mut romeo, 4).await;
    for (words, found) in [
        ("window", vec![bodies[1]]),
        ("WINDOW yonder", vec![bodies[1]]),
        ("\u{5317}\u{4eac}", vec![bodies[2]]),
        ("\u{5929}\u{5b89}\u{95e8}", vec![bodies[2]]),
        ("sun", vec![]),
        ("light window", vec![]),
    ] {
        let page = query(&mut romeo, &[("{urn:xmpp:fulltext:0}fulltext", words)], "").await;
        assert_eq!(page.bodies(), found, "{words}");
    }
    let with = [("{urn:xmpp:fulltext:0}fulltext", "window"), ("with", "nobody@localhost")];
    assert!(query(&mut romeo, &with, "").await.hits.is_empty());
}

/// covers: XEP-0313 example 18; XEP-0313 example 19; XEP-0313 example 20; XEP-0313 example 22; XEP-0059 2.2
#[tokio::test]
async fn a_result_comes_page_by_page() {
    let world = world().await;
    let mut romeo = archive(&world, 7).await;
    let start = [("start", "2010-08-07T00:00:00Z")];
    let first = query(&mut romeo, &start, &max(3, "")).await;
    assert_eq!(first.bodies(), ["j1", "m2", "j3"]);
    assert!(!first.complete(), "{}", first.answer);
    if let Some(count) = first.rsm("count") {
        assert_eq!(count, "7");
    }
    let after = |page: &Page| max(3, &format!("<after>{}</after>", page.rsm("last").unwrap_or_default()));
    let second = query(&mut romeo, &start, &after(&first)).await;
    assert_eq!(second.bodies(), ["m4", "j5", "m6"]);
    assert!(!second.complete(), "{}", second.answer);
    let third = query(&mut romeo, &start, &after(&second)).await;
    assert_eq!(third.bodies(), ["j7"]);
    assert!(third.complete(), "{}", third.answer);
    let fourth = query(&mut romeo, &start, &after(&third)).await;
    assert!(fourth.hits.is_empty() && fourth.complete(), "{}", fourth.answer);
}

/// covers: XEP-0313 example 21
#[tokio::test]
async fn a_page_after_an_unknown_id_is_not_found() {
    let world = world().await;
    let mut romeo = archive(&world, 2).await;
    for place in ["<after>no-such-id</after>", "<before>no-such-id</before>"] {
        let page = query(&mut romeo, &[], &max(10, place)).await;
        assert_eq!(page.answer.attr("type"), Some("error"), "{}", page.answer);
        assert!(page.answer.find(STANZAS, "item-not-found").is_some(), "{}", page.answer);
    }
}

/// covers: XEP-0313 example 23; XEP-0059 2.5
#[tokio::test]
async fn the_last_page_and_backwards() {
    let world = world().await;
    let mut romeo = archive(&world, 7).await;
    let last = query(&mut romeo, &[], &max(3, "<before/>")).await;
    assert_eq!(last.bodies(), ["j5", "m6", "j7"]);
    assert!(!last.complete(), "{}", last.answer);
    let before = |page: &Page| max(3, &format!("<before>{}</before>", page.rsm("first").unwrap_or_default()));
    let middle = query(&mut romeo, &[], &before(&last)).await;
    assert_eq!(middle.bodies(), ["m2", "j3", "m4"]);
    let first = query(&mut romeo, &[], &before(&middle)).await;
    assert_eq!(first.bodies(), ["j1"]);
    assert!(first.complete(), "{}", first.answer);
}

/// covers: XEP-0313 example 24
#[tokio::test]
async fn a_page_may_be_flipped() {
    let world = world().await;
    let mut romeo = archive(&world, 5).await;
    let flipped = query(&mut romeo, &[], &format!("{}<flip-page/>", max(3, ""))).await;
    assert_eq!(flipped.bodies(), ["j3", "m2", "j1"]);
    let last = query(&mut romeo, &[], &format!("{}<flip-page/>", max(2, "<before/>"))).await;
    assert_eq!(last.bodies(), ["j5", "m4"]);
}

/// covers: XEP-0313 example 25; XEP-0313 example 26
#[tokio::test]
async fn the_metadata_names_the_first_and_the_last_message() {
    let world = world().await;
    let mut empty = world.online("tybalt/street").await;
    let ask = format!("<metadata xmlns='{MAM}'/>");
    let answer = empty.ask("get", None, &ask).await;
    let metadata = answer.child(MAM, "metadata").expect("metadata");
    assert_eq!(metadata.children().count(), 0, "an empty archive has neither: {metadata}");
    let mut romeo = archive(&world, 3).await;
    let hits = query(&mut romeo, &[], "").await.hits;
    let answer = romeo.ask("get", None, &ask).await;
    let metadata = answer.child(MAM, "metadata").expect("metadata");
    for (name, hit) in [("start", &hits[0]), ("end", &hits[2])] {
        let end = metadata.child(MAM, name).expect("both ends");
        assert_eq!(end.attr("id"), Some(hit.id.as_str()));
        assert_eq!(end.attr("timestamp").map(|stamp| &stamp[..19]), Some(&hit.stamp[..19]));
    }
}

/// covers: XEP-0313 4.2 unknown field
#[tokio::test]
async fn an_unknown_field_is_refused() {
    let world = world().await;
    let mut romeo = archive(&world, 1).await;
    let page = query(&mut romeo, &[("{urn:example:unknown}field", "x")], "").await;
    assert_eq!(page.answer.attr("type"), Some("error"), "{}", page.answer);
}

/// covers: XEP-0313 5.1; XEP-0334 4; XEP-0085 5
#[tokio::test]
async fn what_is_archived() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = world.online("romeo/orchard").await;
    let hint = |name: &str| format!("<body>{name}</body><{name} xmlns='urn:xmpp:hints'/>");
    let cases = [
        ("chat", "<body>body</body>".to_owned(), true),
        ("normal", "<body>normal</body>".to_owned(), true),
        ("headline", "<body>headline</body>".to_owned(), false),
        ("chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>".to_owned(), false),
        ("chat", hint("no-store"), false),
        ("chat", hint("no-permanent-store"), false),
        ("chat", "<x xmlns='urn:example:kept'/><store xmlns='urn:xmpp:hints'/>".to_owned(), true),
        ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>".to_owned(), true),
        ("chat", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>".to_owned(), true),
        ("chat", "<apply-to xmlns='urn:xmpp:fasten:0' id='1'/><body>fallback</body>".to_owned(), true),
        ("chat", "<reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>x</reaction></reactions><store xmlns='urn:xmpp:hints'/>".to_owned(), true),
    ];
    let mut expected = 0;
    for (kind, content, archived) in cases {
        romeo.send(&format!("<message to='juliet@localhost' type='{kind}'>{content}</message>")).await;
        // A last message that is archived for sure follows; what is before it is in the archive or never will be.
        romeo.send("<message to='juliet@localhost' type='chat'><body>after</body></message>").await;
        expected += usize::from(archived) + 1;
        wait_for(&mut romeo, expected).await;
        let hits = query(&mut romeo, &[], "").await.hits;
        assert_eq!(hits.len(), expected, "{kind} {content}: {hits:?}");
    }
}

/// covers: XEP-0441 2; XEP-0441 3
#[tokio::test]
async fn preferences_say_what_is_archived() {
    let world = world().await;
    world.user("juliet");
    world.user("mercutio");
    let mut romeo = world.online("romeo/orchard").await;
    let prefs = romeo.ask("get", None, &format!("<prefs xmlns='{MAM}'/>")).await;
    let before = prefs.child(MAM, "prefs").expect("preferences");
    assert!(matches!(before.attr("default"), Some("always" | "roster" | "never")), "{before}");
    let wish = format!(
        "<prefs xmlns='{MAM}' default='never'><always><jid>juliet@localhost</jid></always><never/></prefs>"
    );
    let answer = romeo.ask("set", None, &wish).await;
    let after = answer.child(MAM, "prefs").expect("the new preferences");
    assert_eq!(after.attr("default"), Some("never"), "{after}");
    romeo.send("<message to='mercutio@localhost' type='chat'><body>not kept</body></message>").await;
    romeo.send("<message to='juliet@localhost' type='chat'><body>kept</body></message>").await;
    wait_for(&mut romeo, 1).await;
    assert_eq!(query(&mut romeo, &[], "").await.bodies(), ["kept"]);
    let answer = romeo.ask("get", None, &format!("<prefs xmlns='{MAM}'/>")).await;
    let always = answer.child(MAM, "prefs").and_then(|prefs| prefs.child(MAM, "always")).expect("the list");
    assert_eq!(always.children().map(Element::text).collect::<Vec<_>>(), ["juliet@localhost"]);
    // The other side keeps its own archive.
    let mut mercutio = world.online("mercutio/street").await;
    mercutio.clear().await;
    assert_eq!(query(&mut mercutio, &[], "").await.bodies(), ["not kept"]);
}

/// covers: XEP-0160 2; XEP-0203 2; XEP-0313 7
#[tokio::test]
async fn what_was_sent_to_nobody_waits_and_is_given_once() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = world.online("romeo/orchard").await;
    for body in ["1", "2"] {
        romeo
            .send(&format!(
                "<message to='juliet@localhost' type='chat' id='{body}'><body>{body}</body></message>"
            ))
            .await;
    }
    romeo.settle().await;
    let mut juliet = world.online("juliet/balcony").await;
    for body in ["1", "2"] {
        juliet
            .expect(&format!(
                "<message from='romeo@localhost/orchard' to='{{any}}' type='chat' id='{body}'><body>{body}</body>\
                 <delay xmlns='urn:xmpp:delay' stamp='{{any}}' _='...'>{{...}}</delay></message>"
            ))
            .await;
    }
    juliet.expect_nothing().await;
    let mut second = world.online("juliet/chamber").await;
    second.expect_nothing().await;
    assert_eq!(query(&mut second, &[], "").await.bodies(), ["1", "2"]);
}

/// What is said in a room is in the room's archive; an account's holds none of it, whatever is asked for.
/// covers: XEP-0313 example 12; XEP-0313 example 13; XEP-0313 example 27
#[tokio::test]
async fn rooms_have_an_archive_of_their_own() {
    let world = world().await;
    let (room, muc) = ("coven@rooms.localhost", "http://jabber.org/protocol/muc");
    let mut romeo = world.online("romeo/orchard").await;
    let mut juliet = world.online("juliet/balcony").await;
    romeo.send(&format!("<presence to='{room}/firstwitch'><x xmlns='{muc}'/></presence>")).await;
    romeo.settle().await;
    let open = "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
                <field var='muc#roomconfig_whois'><value>anyone</value></field>";
    let form = format!("<query xmlns='{muc}#owner'><x xmlns='{DATA}' type='submit'>{open}</x></query>");
    assert_eq!(romeo.ask("set", Some(room), &form).await.attr("type"), Some("result"));
    juliet.send(&format!("<presence to='{room}/secondwitch'><x xmlns='{muc}'/></presence>")).await;
    juliet.settle().await;
    romeo
        .send(&format!("<message to='{room}' type='groupchat'><body>Thrice the brinded cat</body></message>"))
        .await;
    romeo.settle().await;
    juliet
        .send(&format!(
            "<message to='{room}' type='groupchat'><body>Thrice and once the hedge-pig</body></message>"
        ))
        .await;
    juliet.settle().await;
    juliet.send("<message to='romeo@localhost' type='chat'><body>to you alone</body></message>").await;
    juliet.settle().await;
    for value in ["true", "false", "1", "0"] {
        let page = query(&mut juliet, &[("include-groupchat", value)], "").await;
        assert!(page.bodies().contains(&"to you alone"), "{value}");
        assert!(!page.bodies().iter().any(|body| body.starts_with("Thrice")), "{value}");
    }
    let wrong = query(&mut juliet, &[("include-groupchat", "perhaps")], "").await;
    assert_eq!(wrong.answer.attr("type"), Some("error"));
    juliet.clear().await;
    juliet
        .send(&format!("<iq type='set' id='mam' to='{room}'><query xmlns='{MAM}' queryid='g27'/></iq>"))
        .await;
    for (nick, real, body) in [
        ("firstwitch", "romeo@localhost/orchard", "Thrice the brinded cat"),
        ("secondwitch", "juliet@localhost/balcony", "Thrice and once the hedge-pig"),
    ] {
        let message = juliet.next().await.unwrap();
        assert_eq!(message.attr("from"), Some(room));
        assert_eq!(message.child(MAM, "result").and_then(|result| result.attr("queryid")), Some("g27"));
        let kept = message.find(CLIENT, "message").expect("a message");
        assert_eq!(kept.attr("from"), Some(&*format!("{room}/{nick}")));
        assert_eq!((kept.attr("type"), kept.attr("to")), (Some("groupchat"), None));
        assert_eq!(kept.child(CLIENT, "body").map(Element::text).as_deref(), Some(body));
        let item = kept.find(&format!("{muc}#user"), "item").expect("who it really is");
        assert_eq!(item.attr("jid"), Some(real));
    }
    assert_eq!(juliet.next().await.unwrap().attr("type"), Some("result"));
}
