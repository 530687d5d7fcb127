//! Registering with a room, and what is kept for those who have (XEP-0045 sections 7.10, 7.12 and 9.9).

use super::*;

const GET: &str = "<query xmlns='jabber:iq:register'/>";

fn submit(fields: &[(&str, &str)]) -> String {
    let fields: String = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"))
        .collect();
    format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MUC}#register</value></field>{fields}</x>"
    )
}

async fn register(client: &mut Client, nick: &str) -> String {
    let form = submit(&[("muc#register_roomnick", nick)]);
    let payload = format!("<query xmlns='jabber:iq:register'>{form}</query>");
    outcome(&client.ask("set", Some(ROOM), &payload).await)
}

async fn reserved(client: &mut Client) -> Option<String> {
    let ask = "<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>";
    let answer = client.ask("get", Some(ROOM), ask).await;
    let query =
        answer.child("http://jabber.org/protocol/disco#info", "query").unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(query.attr("node"), Some("x-roomuser-item"));
    let identity = query.children().find(|child| child.name == "identity")?;
    assert_eq!((identity.attr("category"), identity.attr("type")), (Some("conference"), Some("text")));
    identity.attr("name").map(str::to_owned)
}

/// covers: XEP-0045 example 66; XEP-0045 example 67; XEP-0045 example 69; XEP-0045 example 70; XEP-0045 example 71; XEP-0045 example 72; XEP-0045 example 74; XEP-0045 example 75; XEP-0045 example 76; XEP-0045 example 77; XEP-0045 example 78
#[tokio::test]
async fn a_nickname_is_kept_for_those_who_register() {
    let world = world().await;
    let mut hag = world.online("hag/pda").await;
    assert_eq!(outcome(&hag.ask("get", Some(ROOM), GET).await), "cancel item-not-found");
    let mut crone = owner(&world, &[]).await;
    enter(&mut hag, "somewitch").await;
    quiet([&mut hag, &mut crone]).await;
    assert_eq!(reserved(&mut hag).await, None);
    let form = hag.ask("get", Some(ROOM), GET).await;
    let x = form.find("jabber:x:data", "x").unwrap_or_else(|| panic!("{form}"));
    assert!(x.children().any(|field| field.attr("var") == Some("muc#register_roomnick")), "{form}");
    assert_eq!(register(&mut hag, "thirdwitch").await, "result");
    let item = "<item affiliation='member' jid='hag@localhost/pda' role='participant'>{...}</item>";
    crone.expect(&told("somewitch", "", item)).await;
    let known = hag.ask("get", Some(ROOM), GET).await;
    let query = known.child("jabber:iq:register", "query").unwrap();
    assert!(query.child("jabber:iq:register", "registered").is_some(), "{known}");
    assert_eq!(
        query.child("jabber:iq:register", "username").map(Element::text).as_deref(),
        Some("thirdwitch")
    );
    assert_eq!(reserved(&mut hag).await.as_deref(), Some("thirdwitch"));
    // What is kept for one is nobody else's, however it is written.
    let mut hecate = world.online("hecate/broom").await;
    hecate.clear().await;
    for nick in ["thirdwitch", "Third Witch"] {
        assert_eq!(register(&mut hecate, nick).await, "cancel conflict", "{nick}");
        enter(&mut hecate, nick).await;
        assert_eq!(outcome(&hecate.next().await.unwrap()), "cancel conflict", "{nick}");
    }
    for payload in ["", "<x xmlns='jabber:x:data' type='submit'/>", &submit(&[])] {
        let payload = format!("<query xmlns='jabber:iq:register'>{payload}</query>");
        assert_eq!(
            outcome(&hecate.ask("set", Some(ROOM), &payload).await),
            "modify bad-request",
            "{payload}"
        );
    }
    let remove = "<query xmlns='jabber:iq:register'><remove/></query>";
    assert_eq!(outcome(&hag.ask("set", Some(ROOM), remove).await), "result");
    assert_eq!(reserved(&mut hag).await, None);
}

/// covers: XEP-0045 example 151; XEP-0045 example 75; XEP-0045 example 68
#[tokio::test]
async fn an_admin_approves_who_registers_with_a_room_of_members() {
    let world = world().await;
    let mut crone =
        owner(&world, &[("muc#roomconfig_membersonly", &["1"]), ("muc#roomconfig_persistentroom", &["1"])])
            .await;
    let mut hag = world.online("hag/pda").await;
    let mut nym = world.online("nym/road").await;
    affiliate(&mut crone, "pistol", "outcast").await;
    quiet([&mut crone, &mut hag, &mut nym]).await;
    assert_eq!(register(&mut hag, "thirdwitch").await, "result");
    let asked = |nick: &str, user: &str| {
        format!(
            "<message from='{ROOM}' _='...'><x xmlns='jabber:x:data' type='form'>{{...}}\
             <field var='FORM_TYPE' type='hidden'><value>{MUC}#register</value></field>\
             <field var='muc#register_roomnick' type='text-single' _='...'><value>{nick}</value></field>\
             <field var='muc#jid' type='jid-single' _='...'><value>{user}@localhost</value></field>\
             <field var='muc#register_allow' type='boolean' _='...'><value>0</value></field></x>{{...}}</message>"
        )
    };
    crone.expect(&asked("thirdwitch", "hag")).await;
    // Asking again asks nobody again.
    assert_eq!(register(&mut hag, "thirdwitch").await, "result");
    crone.expect_nothing().await;
    assert_eq!(register(&mut nym, "thirdwitch").await, "cancel conflict");
    assert_eq!(register(&mut nym, "nym").await, "result");
    crone.expect(&asked("nym", "nym")).await;
    let answer = |user: &str, nick: &str, allow: &str| {
        let form =
            submit(&[("muc#register_roomnick", nick), ("muc#jid", user), ("muc#register_allow", allow)]);
        format!("<message to='{ROOM}' id='a'>{form}</message>")
    };
    // Nobody approves himself.
    hag.send(&answer("hag@localhost", "thirdwitch", "1")).await;
    assert_eq!(outcome(&hag.next().await.unwrap()), "auth forbidden");
    crone.send(&answer("hag@localhost", "thirdwitch", "1")).await;
    crone
        .expect(&format!(
            "<message from='{ROOM}'><x xmlns='{MUC}#user'>\
             <item affiliation='member' jid='hag@localhost' role='none'/></x></message>"
        ))
        .await;
    crone.send(&answer("nym@localhost", "nym", "0")).await;
    // What nobody has asked for cannot be approved.
    crone.send(&answer("pistol@localhost", "pistol", "1")).await;
    assert_eq!(outcome(&crone.next().await.unwrap()), "cancel item-not-found");
    hag.expect(&format!(
        "<message from='{ROOM}' to='hag@localhost' _='...'><x xmlns='{MUC}#user'><invite from='{{any}}'/></x>{{...}}</message>"
    ))
    .await;
    enter(&mut hag, "thirdwitch").await;
    hag.expect(&told("firstwitch", "", "<item affiliation='owner' role='moderator'/>")).await;
    enter(&mut nym, "nym").await;
    nym.expect(&refused("nym", "auth registration-required")).await;
    let mut pistol = world.online("pistol/road").await;
    assert_eq!(outcome(&pistol.ask("get", Some(ROOM), GET).await), "cancel not-allowed");
}

/// covers: XEP-0045 example 22; XEP-0045 example 53
#[tokio::test]
async fn where_nicknames_are_locked_everybody_has_the_one_that_is_kept_for_him() {
    let world = world().await;
    let mut crone = owner(&world, &[("{urn:waxwing:rooms}locknicks", &["1"])]).await;
    assert_eq!(
        set(&mut crone, "admin", "<item affiliation='member' jid='hag@localhost' nick='thirdwitch'/>").await,
        "result"
    );
    let mut hag = world.online("hag/pda").await;
    hag.clear().await;
    enter(&mut hag, "oldhag").await;
    hag.expect(&told("firstwitch", "", "<item affiliation='owner' role='moderator'/>")).await;
    hag.expect(&told(
        "thirdwitch",
        "",
        "<item affiliation='member' jid='hag@localhost/pda' role='participant'/>\
         <status code='110'/><status code='170'/><status code='210'/>",
    ))
    .await;
    quiet([&mut hag, &mut crone]).await;
    hag.send(&format!("<presence to='{ROOM}/oldhag'/>")).await;
    hag.expect(&refused("oldhag", "modify not-acceptable")).await;
    crone.expect_nothing().await;
}
