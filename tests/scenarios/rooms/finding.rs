//! Finding rooms and learning about them (XEP-0045 section 6).

use super::*;

const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
const ITEMS: &str = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
const ITEMS_NS: &str = "http://jabber.org/protocol/disco#items";

/// The addresses and names that an answer lists.
fn listed(answer: &Element) -> Vec<(String, String)> {
    let query = answer.child(ITEMS_NS, "query").unwrap_or_else(|| panic!("no list: {answer}"));
    let of = |item: &Element, name| item.attr(name).unwrap_or_default().to_owned();
    query
        .children()
        .filter(|child| child.name == "item")
        .map(|item| (of(item, "jid"), of(item, "name")))
        .collect()
}

fn features(answer: &Element) -> Vec<String> {
    let query = answer.find("http://jabber.org/protocol/disco#info", "query");
    let query = query.unwrap_or_else(|| panic!("no information: {answer}"));
    query
        .children()
        .filter(|child| child.name == "feature")
        .filter_map(|feature| feature.attr("var").map(str::to_owned))
        .collect()
}

/// covers: XEP-0045 example 1; XEP-0045 example 2; XEP-0045 example 3; XEP-0045 example 4; XEP-0045 example 5; XEP-0045 example 6; XEP-0045 example 7
#[tokio::test]
async fn the_service_and_its_public_rooms_are_found() {
    let world = world().await;
    let named = |name: &'static str, public: &'static str| {
        form(&[
            ("muc#roomconfig_roomname", &[name]),
            ("muc#roomconfig_publicroom", &[public]),
            ("muc#roomconfig_persistentroom", &["1"]),
        ])
    };
    let mut crone = world.online("crone/desktop").await;
    for (room, name, public) in
        [("coven", "A Dark Cave", "1"), ("heath", "A Lonely Heath", "1"), ("crypt", "", "0")]
    {
        crone.send(&format!("<presence to='{room}@rooms.localhost/w'><x xmlns='{MUC}'/></presence>")).await;
        let payload = format!("<query xmlns='{MUC}#owner'>{}</query>", named(name, public));
        crone.ask("set", Some(&format!("{room}@rooms.localhost")), &payload).await;
    }
    let mut hag = world.online("hag/pda").await;
    let services = listed(&hag.ask("get", Some("localhost"), ITEMS).await);
    assert!(services.iter().any(|(jid, name)| jid == "rooms.localhost" && !name.is_empty()), "{services:?}");
    let about = hag.ask("get", Some("rooms.localhost"), INFO).await;
    assert!(features(&about).contains(&MUC.to_owned()), "{about}");
    let identity = about.find("http://jabber.org/protocol/disco#info", "query").unwrap();
    let identity = identity.children().find(|child| child.name == "identity").unwrap();
    assert_eq!((identity.attr("category"), identity.attr("type")), (Some("conference"), Some("text")));
    let all = [
        ("coven@rooms.localhost".to_owned(), "A Dark Cave".to_owned()),
        ("heath@rooms.localhost".to_owned(), "A Lonely Heath".to_owned()),
    ];
    assert_eq!(listed(&hag.ask("get", Some("rooms.localhost"), ITEMS).await), all);
    let page = |place: &str| {
        format!(
            "<query xmlns='{ITEMS_NS}'><set xmlns='http://jabber.org/protocol/rsm'><max>1</max>{place}</set></query>"
        )
    };
    let first = hag.ask("get", Some("rooms.localhost"), &page("")).await;
    assert_eq!(listed(&first), all[..1]);
    let last = first.find("http://jabber.org/protocol/rsm", "last").expect("where the page ends").text();
    let second = hag.ask("get", Some("rooms.localhost"), &page(&format!("<after>{last}</after>"))).await;
    assert_eq!(listed(&second), all[1..]);
}

/// covers: XEP-0045 example 8; XEP-0045 example 9; XEP-0045 example 10; XEP-0045 example 218; XEP-0045 example 220
#[tokio::test]
async fn a_room_tells_what_it_is() {
    let world = world().await;
    let mut crone = owner(
        &world,
        &[
            ("muc#roomconfig_roomname", &["A Dark Cave"]),
            ("muc#roomconfig_roomdesc", &["The place for all good witches!"]),
            ("muc#roomconfig_lang", &["en"]),
            ("muc#roomconfig_publicroom", &["0"]),
            ("muc#roomconfig_passwordprotectedroom", &["1"]),
            ("muc#roomconfig_roomsecret", &["cauldronburn"]),
            ("muc#roomconfig_whois", &["anyone"]),
            ("muc#roomconfig_changesubject", &["1"]),
            ("muc#maxhistoryfetch", &["50"]),
            ("muc#roomconfig_pubsub", &["xmpp:pubsub.localhost?;node=coven"]),
        ],
    )
    .await;
    crone.send(&format!("<message to='{ROOM}' type='groupchat'><subject>Spells</subject></message>")).await;
    crone.settle().await;
    let mut hag = world.online("hag/pda").await;
    let about = hag.ask("get", Some(ROOM), INFO).await;
    let features = features(&about);
    for var in [
        MUC,
        "http://jabber.org/protocol/muc#stable_id",
        "muc_passwordprotected",
        "muc_hidden",
        "muc_temporary",
        "muc_open",
        "muc_unmoderated",
        "muc_nonanonymous",
    ] {
        assert!(features.iter().any(|feature| feature == var), "{var} in {about}");
    }
    let form = about.find("jabber:x:data", "x").expect("more about it");
    let value = |var: &str| {
        let field = form.children().find(|field| field.attr("var") == Some(var));
        field.unwrap_or_else(|| panic!("{var} in {about}")).children().map(Element::text).collect::<Vec<_>>()
    };
    for (var, expected) in [
        ("FORM_TYPE", "http://jabber.org/protocol/muc#roominfo"),
        ("muc#roominfo_description", "The place for all good witches!"),
        ("muc#roominfo_contactjid", "crone@localhost"),
        ("muc#roominfo_subject", "Spells"),
        ("muc#roomconfig_changesubject", "1"),
        ("muc#roominfo_occupants", "1"),
        ("muc#roominfo_lang", "en"),
        ("muc#maxhistoryfetch", "50"),
        ("muc#roomconfig_pubsub", "xmpp:pubsub.localhost?;node=coven"),
    ] {
        assert_eq!(value(var), [expected], "{var}");
    }
    let traffic = format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{MUC}#traffic'/>");
    assert_eq!(outcome(&hag.ask("get", Some(ROOM), &traffic).await), "cancel service-unavailable");
}

/// covers: XEP-0045 example 11; XEP-0045 example 12; XEP-0045 example 13
#[tokio::test]
async fn those_inside_learn_who_is_there_and_others_nothing() {
    let world = world().await;
    let mut crone = owner(&world, &[]).await;
    let mut hag = world.online("hag/pda").await;
    assert_eq!(listed(&hag.ask("get", Some(ROOM), ITEMS).await), []);
    enter(&mut hag, "thirdwitch").await;
    for client in [&mut hag, &mut crone] {
        let list = listed(&client.ask("get", Some(ROOM), ITEMS).await);
        let addresses: Vec<_> = list.iter().map(|(jid, _)| jid.as_str()).collect();
        assert_eq!(addresses, [format!("{ROOM}/firstwitch"), format!("{ROOM}/thirdwitch")]);
    }
}
