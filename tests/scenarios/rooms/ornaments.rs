//! What rooms have besides talk: hats (XEP-0317), avatars (XEP-0486), search (XEP-0433), and copies of what is whispered
//! (XEP-0280).

use super::*;

const COMMANDS: &str = "http://jabber.org/protocol/commands";
const HATS: &str = "urn:xmpp:hats:0";
const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";

/// Runs one of the room's commands with a filled-in form.
async fn command(client: &mut Client, end: &str, fields: &[(&str, &str)]) -> Element {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    let form = match fields.is_empty() {
        true => String::new(),
        false => format!(
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:hats:commands</value>\
             </field>{fields}</x>"
        ),
    };
    let payload = format!(
        "<command xmlns='{COMMANDS}' node='urn:xmpp:hats:commands:{end}' action='execute'>{form}</command>"
    );
    client.ask("set", Some(ROOM), &payload).await
}

/// What the fields of a line hold.
fn values(item: &Element) -> Vec<String> {
    item.children().flat_map(Element::children).map(Element::text).collect()
}

fn status(answer: &Element) -> String {
    answer.find(COMMANDS, "command").and_then(|command| command.attr("status")).unwrap_or_default().to_owned()
}

fn wearing(nick: &str, hats: &str, own: &str) -> String {
    let hats = if hats.is_empty() { String::new() } else { format!("<hats xmlns='{HATS}'>{hats}</hats>") };
    format!(
        "<presence from='{ROOM}/{nick}'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='{{any}}'/>{hats}\
         <x xmlns='{MUC}#user'><item affiliation='none' role='participant' _='...'/>{own}</x></presence>"
    )
}

const TEACHER: &[(&str, &str)] =
    &[("hats#title", "Teacher"), ("hats#uri", "urn:hats:teacher"), ("hats#hue", "327.255249")];

const GIVEN: &[(&str, &str)] = &[("hats#jid", "terry@localhost"), ("hats#uri", "urn:hats:teacher")];

/// covers: XEP-0317 create; XEP-0317 assign; XEP-0317 unassign; XEP-0317 destroy; XEP-0317 list; XEP-0317 presence
#[tokio::test]
async fn hats_are_made_given_and_taken_by_admins() {
    let world = world().await;
    let mut crone = owner(&world, &[("muc#roomconfig_persistentroom", &["1"])]).await;
    let mut terry = entered(&world, "terry/desk", "terry").await;
    quiet([&mut crone, &mut terry]).await;
    for end in ["create", "destroy", "assign", "unassign", "list-assigned"] {
        assert_eq!(outcome(&command(&mut terry, end, &[]).await), "auth forbidden", "{end}");
    }
    assert_eq!(status(&command(&mut crone, "create", &[]).await), "executing");
    assert_eq!(outcome(&command(&mut crone, "assign", GIVEN).await), "cancel item-not-found");
    assert_eq!(status(&command(&mut crone, "create", TEACHER).await), "completed");
    let changed = format!(
        "<message from='{ROOM}' type='groupchat'><x xmlns='{MUC}#user'><status code='104'/></x></message>"
    );
    terry.expect(&changed).await;
    crone.expect(&changed).await;
    // What a client says of its own hats is not passed on.
    terry
        .send(&format!("<presence to='{ROOM}/terry'><hats xmlns='{HATS}'><hat title='Dean' uri='urn:hats:dean'/></hats></presence>"))
        .await;
    crone.expect(&wearing("terry", "", "")).await;
    terry.clear().await;
    assert_eq!(status(&command(&mut crone, "assign", GIVEN).await), "completed");
    let hat = "<hat title='Teacher' uri='urn:hats:teacher' hue='327.255249'/>";
    crone.expect(&wearing("terry", hat, "")).await;
    terry.expect(&wearing("terry", hat, "<status code='110'/>")).await;
    let list = command(&mut terry, "list", &[]).await;
    let item = list.find("jabber:x:data", "item").unwrap_or_else(|| panic!("{list}"));
    assert_eq!(values(item), ["Teacher", "urn:hats:teacher", "327.255249"]);
    let given = command(&mut crone, "list-assigned", &[]).await;
    let item = given.find("jabber:x:data", "item").unwrap_or_else(|| panic!("{given}"));
    assert_eq!(values(item)[0], "terry@localhost");
    let about = terry.ask("get", Some(ROOM), INFO).await.standalone();
    assert!(about.contains("urn:xmpp:hats:0") && about.contains("hats#hash"), "{about}");
    // A newcomer sees them; they stay over a restart.
    let mut hag = world.online("hag/pda").await;
    hag.clear().await;
    enter(&mut hag, "hag").await;
    hag.expect(&told("firstwitch", "", "<item affiliation='owner' role='moderator'/>")).await;
    hag.expect(&wearing("terry", hat, "")).await;
    quiet([&mut crone, &mut terry, &mut hag]).await;
    assert_eq!(status(&command(&mut crone, "unassign", GIVEN).await), "completed");
    hag.expect(&wearing("terry", "", "")).await;
    assert_eq!(status(&command(&mut crone, "assign", GIVEN).await), "completed");
    hag.expect(&wearing("terry", hat, "")).await;
    assert_eq!(
        status(&command(&mut crone, "destroy", &[("hats#uri", "urn:hats:teacher")]).await),
        "completed"
    );
    hag.expect(&wearing("terry", "", "")).await;
    hag.expect(&changed).await;
}

/// covers: XEP-0486 publish; XEP-0486 forbidden; XEP-0486 hash; XEP-0486 retrieve; XEP-0486 remove
#[tokio::test]
async fn a_room_has_a_picture() {
    let mut world = world().await;
    let mut crone = owner(&world, &[("muc#roomconfig_persistentroom", &["1"])]).await;
    let mut hag = entered(&world, "hag/pda", "hag").await;
    let vcard =
        "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>YWJj</BINVAL></PHOTO></vCard>";
    assert_eq!(outcome(&hag.ask("set", Some(ROOM), vcard).await), "auth forbidden");
    let hash = "a9993e364706816aba3e25717850c26c9cd0d89d";
    quiet([&mut crone, &mut hag]).await;
    assert_eq!(outcome(&crone.ask("set", Some(ROOM), vcard).await), "result");
    let changed = format!(
        "<message from='{ROOM}' type='groupchat'><x xmlns='{MUC}#user'><status code='104'/></x></message>"
    );
    hag.expect(&changed).await;
    for _ in ["before a restart", "behind it"] {
        assert!(hag.ask("get", Some(ROOM), INFO).await.standalone().contains(hash));
        let got = hag.ask("get", Some(ROOM), "<vCard xmlns='vcard-temp'/>").await;
        assert_eq!(got.find("vcard-temp", "BINVAL").map(Element::text).as_deref(), Some("YWJj"), "{got}");
        hag.close().await;
        world.server.terminate().expect("it stops");
        world.server.launch().expect("it starts");
        hag = world.online("hag/pda").await;
    }
    let mut crone = world.online("crone/desktop").await;
    assert_eq!(outcome(&crone.ask("set", Some(ROOM), "<vCard xmlns='vcard-temp'/>").await), "result");
    let about = hag.ask("get", Some(ROOM), INFO).await.standalone();
    assert!(!about.contains("muc#roominfo_avatarhash"), "{about}");
    assert!(about.contains("vcard-temp"), "{about}");
}

/// covers: XEP-0433 form; XEP-0433 search; XEP-0433 errors
#[tokio::test]
async fn public_rooms_are_searched_for() {
    let world = world().await;
    let mut crone = world.online("crone/desktop").await;
    for (room, name, about, public) in [
        ("coven", "A Dark Cave", "The place for all good witches", "1"),
        ("heath", "A Lonely Heath", "Thunder and lightning", "1"),
        ("crypt", "A Dark Crypt", "Nobody's business", "0"),
    ] {
        let room = format!("{room}@rooms.localhost");
        crone.send(&format!("<presence to='{room}/w'><x xmlns='{MUC}'/></presence>")).await;
        let form = form(&[
            ("muc#roomconfig_roomname", &[name]),
            ("muc#roomconfig_roomdesc", &[about]),
            ("muc#roomconfig_publicroom", &[public]),
        ]);
        crone.ask("set", Some(&room), &format!("<query xmlns='{MUC}#owner'>{form}</query>")).await;
    }
    let mut hag = entered(&world, "hag/pda", "hag").await;
    let search = "urn:xmpp:channel-search:0:search";
    let template = hag.ask("get", Some("rooms.localhost"), &format!("<search xmlns='{search}'/>")).await;
    for var in ["q", "all", "sinname", "sindescription", "sinaddress", "types", "key"] {
        let form = template.find("jabber:x:data", "x").unwrap_or_else(|| panic!("{template}"));
        assert!(form.children().any(|field| field.attr("var") == Some(var)), "{var} in {template}");
    }
    let ask = |fields: &[(&str, &str)], set: &str| {
        let fields: String = fields
            .iter()
            .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
            .collect();
        format!(
            "<search xmlns='{search}'>{set}<x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>urn:xmpp:channel-search:0:search-params</value></field>{fields}</x></search>"
        )
    };
    let address = ("key", "{urn:xmpp:channel-search:0:order}address");
    for (fields, expected) in [
        (&[("q", "dark")][..], &["coven"][..]),
        (&[("q", "WITCHES good")], &["coven"]),
        (&[("q", "lightning"), ("sindescription", "false")], &[]),
        (&[("q", "heath")], &["heath"]),
        (&[("all", "true")], &["coven", "heath"]),
        (&[("all", "true"), ("types", "xep-0369")], &[]),
        (&[("all", "true"), address], &["coven", "heath"]),
    ] {
        let answer = hag.ask("get", Some("rooms.localhost"), &ask(fields, "")).await;
        let result = answer.find(search, "result").unwrap_or_else(|| panic!("{answer}"));
        let items = result.children().filter(|child| child.name == "item");
        let found: Vec<_> = items.map(|item| item.attr("address").unwrap_or_default().to_owned()).collect();
        let expected: Vec<_> = expected.iter().map(|room| format!("{room}@rooms.localhost")).collect();
        assert_eq!(found, expected, "{fields:?}");
    }
    let all = ask(&[("all", "1")], "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set>");
    let first = hag.ask("get", Some("rooms.localhost"), &all).await;
    let users = first.find(search, "nusers").map(Element::text);
    assert_eq!(users.as_deref(), Some("2"), "the fullest room comes first: {first}");
    let last = first.find("http://jabber.org/protocol/rsm", "last").expect("where the page ends").text();
    let on = ask(
        &[("all", "1")],
        &format!("<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><after>{last}</after></set>"),
    );
    let second = hag.ask("get", Some("rooms.localhost"), &on).await;
    assert!(second.standalone().contains("heath@rooms.localhost"), "{second}");
    for (fields, expected, more) in [
        (&[("key", "rank"), ("all", "1")][..], "modify feature-not-implemented", "invalid-sort-key"),
        (&[("q", "x")], "modify bad-request", "invalid-search-terms"),
        (&[("q", "dark"), ("all", "1")], "modify bad-request", "conflicting-fields"),
        (&[("sinname", "true")], "modify bad-request", "no-search-conditions"),
    ] {
        let answer = hag.ask("get", Some("rooms.localhost"), &ask(fields, "")).await;
        assert_eq!(outcome(&answer), expected, "{fields:?}");
        assert!(answer.find("urn:xmpp:channel-search:0:error", more).is_some(), "{answer}");
    }
}

/// covers: XEP-0280 6.1 whispering; XEP-0045 7.2.8
#[tokio::test]
async fn what_is_whispered_is_copied_to_ones_own_clients_in_the_room() {
    let world = world().await;
    let mut crone = owner(&world, &[]).await;
    let [mut desk, mut phone, mut elsewhere] =
        world.all_online(["hag/desk", "hag/phone", "hag/elsewhere"]).await;
    for client in [&mut desk, &mut phone, &mut elsewhere] {
        client.ask("set", None, "<enable xmlns='urn:xmpp:carbons:2'/>").await;
    }
    enter(&mut desk, "hag").await;
    enter(&mut phone, "hag").await;
    quiet([&mut crone, &mut phone, &mut desk]).await;
    elsewhere.clear().await;
    let to = format!("{ROOM}/firstwitch");
    desk.send(&format!(
        "<message to='{to}' type='chat' id='w'><body>psst</body><x xmlns='{MUC}#user'/></message>"
    ))
    .await;
    phone
        .expect(&format!(
            "<message from='hag@localhost' to='hag@localhost/phone' type='chat' _='...'><sent xmlns='urn:xmpp:carbons:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='hag@localhost/desk' to='{to}' \
             type='chat' id='w'><body>psst</body><x xmlns='{MUC}#user'/></message></forwarded></sent></message>"
        ))
        .await;
    elsewhere.expect_nothing_from(&mut desk).await;
    crone
        .expect(&format!("<message from='{ROOM}/hag' type='chat' id='w'><body>psst</body>{{...}}</message>"))
        .await;
    // What he is told reaches each of his clients in the room by itself, and is not copied.
    crone.send(&format!("<message to='{ROOM}/hag' type='chat' id='v'><body>hush</body></message>")).await;
    for client in [&mut desk, &mut phone] {
        client
            .expect(&format!("<message from='{to}' type='chat' id='v'><body>hush</body>{{...}}</message>"))
            .await;
        client.expect_nothing().await;
    }
    elsewhere.expect_nothing().await;
}
