//! What people say about themselves, how they are found, and whom they recommend: XEP-0054, XEP-0055, XEP-0144.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, Setup};

use crate::world::{world, world_with};

const INFO: &str = "http://jabber.org/protocol/disco#info";
const SEARCH: &str = "jabber:iq:search";
const DATA: &str = "jabber:x:data";
const RSM: &str = "http://jabber.org/protocol/rsm";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const ASK: &str = "<vCard xmlns='vcard-temp'/>";

fn card(given: &str, family: &str, more: &str) -> String {
    format!(
        "<vCard xmlns='vcard-temp'><FN>{given} {family}</FN><N><FAMILY>{family}</FAMILY><GIVEN>{given}</GIVEN></N>{more}</vCard>"
    )
}

async fn set_card(client: &mut Client, card: &str) -> Element {
    client.ask("set", None, card).await
}

/// covers: XEP-0054 example 1; XEP-0054 example 2; XEP-0054 example 4; XEP-0054 example 5; XEP-0054 example 6
/// covers: XEP-0054 example 7; XEP-0054 example 8; XEP-0054 example 9; XEP-0054 example 10
/// covers: XEP-0054 example 11; XEP-0054 example 12; XEP-0054 example 14
#[tokio::test]
async fn a_card_is_kept_and_read_when_its_owner_is_away() {
    let mut world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    let none = juliet.ask("get", None, ASK).await;
    let empty = none.find("vcard-temp", "vCard").unwrap_or_else(|| panic!("{none}"));
    assert_eq!(empty.children().count(), 0);
    // Nobody learns whether an account is there.
    for to in ["juliet@localhost", "nobody@localhost"] {
        let none = romeo.ask("get", Some(to), ASK).await;
        assert!(none.find(STANZAS, "service-unavailable").is_some(), "{none}");
    }
    let content = card(
        "Juliet",
        "Capulet",
        "<PHOTO><TYPE>image/png</TYPE><BINVAL>aVZCT1J3</BINVAL></PHOTO><DESC>O &lt;Romeo&gt;</DESC>",
    );
    assert_eq!(set_card(&mut juliet, &content).await.attr("type"), Some("result"));
    let forged = romeo.ask("set", Some("juliet@localhost"), &card("Not", "Juliet", "")).await;
    assert!(forged.find(STANZAS, "forbidden").is_some(), "{forged}");
    let expected = Element::parse(&content).unwrap();
    let own = juliet.ask("get", Some("juliet@localhost"), ASK).await;
    assert_eq!(own.find("vcard-temp", "vCard"), Some(&expected));
    juliet.close().await;
    let read = romeo.ask("get", Some("juliet@localhost"), ASK).await;
    assert_eq!(read.find("vcard-temp", "vCard"), Some(&expected));
    world.server.kill().unwrap();
    world.server.launch().unwrap();
    let mut romeo = world.online("romeo/orchard").await;
    let read = romeo.ask("get", Some("juliet@localhost"), ASK).await;
    assert_eq!(read.find("vcard-temp", "vCard"), Some(&expected));
    let info = romeo.ask("get", Some("localhost"), &format!("<query xmlns='{INFO}'/>")).await;
    let query = info.find(INFO, "query").unwrap();
    assert!(query.children().any(|child| child.attr("var") == Some("vcard-temp")), "{info}");
}

/// covers: XEP-0153 3.1; XEP-0153 3.2; XEP-0398 4
#[tokio::test]
async fn a_picture_shows_in_presence() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    world.befriend(&mut juliet, &mut romeo).await;
    let picture = card("Juliet", "Capulet", "<PHOTO><TYPE>image/png</TYPE><BINVAL>YWJj</BINVAL></PHOTO>");
    set_card(&mut juliet, &picture).await;
    let update = "<x xmlns='vcard-temp:x:update'><photo>a9993e364706816aba3e25717850c26c9cd0d89d</photo></x>";
    let presence = |more: &str| {
        format!("<presence from='juliet@localhost/balcony' to='romeo@localhost'>{more}</presence>")
    };
    romeo.expect(&presence(update)).await;
    // A client that knows nothing of it, one that is not ready, and one that has another picture in mind.
    for said in
        ["", "<x xmlns='vcard-temp:x:update'/>", "<x xmlns='vcard-temp:x:update'><photo>00</photo></x>"]
    {
        juliet.send(&format!("<presence>{said}</presence>")).await;
        romeo.expect(&presence(update)).await;
    }
    let none = "<x xmlns='vcard-temp:x:update'><photo/></x>";
    juliet.send(&format!("<presence>{none}</presence>")).await;
    romeo.expect(&presence(none)).await;
    juliet.send("<presence to='tybalt@localhost'/>").await;
    // Rooms are told when one enters.
    juliet
        .send(
            "<presence to='hall@rooms.localhost/jule'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
        )
        .await;
    juliet.settle().await;
    let told = juliet.drain().await;
    let entered = told.iter().find(|element| element.attr("from") == Some("hall@rooms.localhost/jule"));
    let entered = entered.unwrap_or_else(|| panic!("{told:?}"));
    assert!(entered.find("vcard-temp:x:update", "photo").is_some(), "{entered}");
}

/// Cards are bounded, and shown to whom the administrator lets read them.
/// covers: XEP-0054 5
#[tokio::test]
async fn an_administrator_decides_who_reads_cards() {
    let section = "[xmpp.people]\ncards_for = \"contacts\"\ncard_bytes_limit = 400";
    let world = world_with(Setup::default().section(section)).await;
    let [mut juliet, mut romeo, mut tybalt] =
        world.all_online(["juliet/balcony", "romeo/orchard", "tybalt/street"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    set_card(&mut juliet, &card("Juliet", "Capulet", "")).await;
    assert_eq!(romeo.ask("get", Some("juliet@localhost"), ASK).await.attr("type"), Some("result"));
    let refused = tybalt.ask("get", Some("juliet@localhost"), ASK).await;
    assert!(refused.find(STANZAS, "service-unavailable").is_some(), "{refused}");
    let large = set_card(&mut juliet, &card("Juliet", &"x".repeat(400), "")).await;
    assert!(large.find(STANZAS, "resource-constraint").is_some(), "{large}");
    let wrong =
        set_card(&mut juliet, &card("Juliet", "Capulet", "<PHOTO><BINVAL>&lt;script&gt;</BINVAL></PHOTO>"))
            .await;
    assert!(wrong.find(STANZAS, "bad-request").is_some(), "{wrong}");
}

async fn search(client: &mut Client, to: &str, content: &str) -> Element {
    client.ask("set", Some(to), &format!("<query xmlns='{SEARCH}'>{content}</query>")).await
}

fn found(answer: &Element) -> Vec<&str> {
    let query = answer.find(SEARCH, "query").unwrap_or_else(|| panic!("{answer}"));
    query.children().filter(|child| child.name == "item").filter_map(|item| item.attr("jid")).collect()
}

/// covers: XEP-0055 example 1; XEP-0055 example 2; XEP-0055 example 3; XEP-0055 example 4; XEP-0055 example 5
/// covers: XEP-0055 example 6; XEP-0055 example 7; XEP-0055 example 8; XEP-0055 example 9
#[tokio::test]
async fn people_are_found() {
    let world = world().await;
    let [mut juliet, mut tybalt, mut nurse, mut romeo] =
        world.all_online(["juliet/balcony", "tybalt/street", "nurse/kitchen", "romeo/orchard"]).await;
    set_card(&mut juliet, &card("Juliet", "Capulet", "<NICKNAME>JuliC</NICKNAME>")).await;
    set_card(&mut tybalt, &card("Tybalt", "Capulet", "<EMAIL><USERID>ty@mail.example</USERID></EMAIL>"))
        .await;
    set_card(&mut nurse, &card("Angelica", "Capulet", "<CLASS><PRIVATE/></CLASS>")).await;
    let info = romeo.ask("get", Some("localhost"), &format!("<query xmlns='{INFO}'/>")).await;
    let query = info.find(INFO, "query").unwrap();
    assert!(query.children().any(|child| child.attr("var") == Some(SEARCH)), "{info}");
    assert!(query.children().any(|child| child.attr("category") == Some("directory")), "{info}");
    let fields = romeo.ask("get", Some("localhost"), &format!("<query xmlns='{SEARCH}'/>")).await;
    for name in ["instructions", "first", "last", "nick", "email"] {
        assert!(fields.find(SEARCH, name).is_some(), "{fields}");
    }
    let form = fields.find(DATA, "x").unwrap_or_else(|| panic!("{fields}"));
    assert_eq!(form.attr("type"), Some("form"));
    // Whoever wants to be left alone is not found.
    let answer = search(&mut romeo, "localhost", "<last>capulet</last>").await;
    assert_eq!(found(&answer), ["juliet@localhost", "tybalt@localhost"]);
    assert_eq!(answer.find(SEARCH, "nick").map(Element::text).as_deref(), Some("JuliC"));
    assert!(found(&search(&mut romeo, "localhost", "<last>Montague</last>").await).is_empty());
    let form = |word: &str| {
        format!(
            "<x xmlns='{DATA}' type='submit'><field var='FORM_TYPE' type='hidden'><value>{SEARCH}</value></field>\
             <field var='x-name'><value>{word}</value></field></x>"
        )
    };
    let answer = search(&mut romeo, "localhost", &form("rome")).await;
    let table = answer.find(DATA, "x").unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(table.attr("type"), Some("result"));
    assert!(table.find(DATA, "reported").is_some(), "{table}");
    let item = table.children().find(|child| child.name == "item").unwrap_or_else(|| panic!("{table}"));
    let jid = item.children().find(|field| field.attr("var") == Some("jid")).unwrap();
    assert_eq!(jid.find(DATA, "value").map(Element::text).as_deref(), Some("romeo@localhost"));
    // Page by page (XEP-0059).
    let page = |after: &str| format!("<last>capulet</last><set xmlns='{RSM}'><max>1</max>{after}</set>");
    let first = search(&mut romeo, "localhost", &page("")).await;
    assert_eq!(found(&first), ["juliet@localhost"]);
    let last = first.find(RSM, "last").map(Element::text).unwrap_or_default();
    let second = search(&mut romeo, "localhost", &page(&format!("<after>{last}</after>"))).await;
    assert_eq!(found(&second), ["tybalt@localhost"]);
    let nothing = search(&mut romeo, "localhost", "").await;
    assert!(nothing.find(STANZAS, "not-acceptable").is_some(), "{nothing}");
}

/// Each searches his own domain, unless the administrator decides otherwise.
#[tokio::test]
async fn searching_ends_at_the_domain() {
    for (policy, elsewhere, here) in [("domain", "forbidden", true), ("off", "service-unavailable", false)] {
        let section = format!("[xmpp.people]\nsearch = {policy:?}");
        let world =
            world_with(Setup::default().domains(&["verona.example", "mantua.example"]).section(&section))
                .await;
        let mut romeo = world.online("romeo/orchard").await;
        let answer = search(&mut romeo, "mantua.example", "<nick>x</nick>").await;
        assert!(answer.find(STANZAS, elsewhere).is_some(), "{answer}");
        let own = search(&mut romeo, "verona.example", "<nick>x</nick>").await;
        assert_eq!(own.attr("type") == Some("result"), here, "{own}");
        let info = romeo.ask("get", Some("verona.example"), &format!("<query xmlns='{INFO}'/>")).await;
        let advertised =
            info.find(INFO, "query").unwrap().children().any(|child| child.attr("var") == Some(SEARCH));
        assert_eq!(advertised, here);
    }
}

/// What one client suggests to another passes as it is, and changes no roster here.
/// covers: XEP-0144 example 1; XEP-0144 example 2; XEP-0144 example 3
#[tokio::test]
async fn contacts_are_recommended() {
    let world = world().await;
    let [mut horatio, mut hamlet] = world.all_online(["horatio/castle", "hamlet/throne"]).await;
    for action in ["add", "delete", "modify"] {
        let x = format!(
            "<x xmlns='http://jabber.org/protocol/rosterx'><item action='{action}' jid='rosencrantz@localhost' \
             name='Rosencrantz'><group>Visitors</group></item></x>"
        );
        horatio
            .send(&format!("<message to='hamlet@localhost'><body>Some visitors!</body>{x}</message>"))
            .await;
        hamlet.expect(&format!("<message from='horatio@localhost/castle' to='hamlet@localhost'><body>Some visitors!</body>{x}</message>")).await;
        horatio.send(&format!("<iq type='set' id='{action}' to='hamlet@localhost/throne'>{x}</iq>")).await;
        hamlet
            .expect(&format!("<iq type='set' id='{action}' from='horatio@localhost/castle'>{x}</iq>"))
            .await;
    }
    let bare =
        "<x xmlns='http://jabber.org/protocol/rosterx'><item action='add' jid='rosencrantz@localhost'/></x>";
    let refused = horatio.ask("set", Some("hamlet@localhost"), bare).await;
    assert!(refused.find(STANZAS, "service-unavailable").is_some(), "{refused}");
    let roster = hamlet.ask("get", None, "<query xmlns='jabber:iq:roster'/>").await;
    assert!(roster.find("jabber:iq:roster", "item").is_none(), "{roster}");
}
