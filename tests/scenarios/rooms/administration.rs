//! What admins do: banning, and making members and moderators (XEP-0045 section 9).

use super::*;

fn list(affiliation: &str) -> String {
    format!("<query xmlns='{MUC}#admin'><item {affiliation}/></query>")
}

/// The items of a list as they are written, in order.
async fn items(client: &mut Client, which: &str) -> Vec<String> {
    let answer = client.ask("get", Some(ROOM), &list(which)).await;
    assert_eq!(outcome(&answer), "result", "{answer}");
    let query = answer.child(&format!("{MUC}#admin"), "query").expect("a list");
    let show = |item: &Element| {
        let of = |name| item.attr(name).unwrap_or("-").to_owned();
        let reason: String = item.children().map(Element::text).collect();
        format!("{} {} {} {} {reason}", of("affiliation"), of("jid"), of("nick"), of("role"))
            .trim_end()
            .to_owned()
    };
    query.children().map(show).collect()
}

/// The first witch owns the room, the second is an admin, the third is nothing yet.
async fn coven(world: &World, fields: &[(&str, &[&str])]) -> [Client; 3] {
    let mut crone = owner(world, fields).await;
    affiliate(&mut crone, "wicca", "admin").await;
    let mut wicca = entered(world, "wicca/laptop", "secondwitch").await;
    let mut hag = entered(world, "hag/pda", "thirdwitch").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    [crone, wicca, hag]
}

/// covers: XEP-0045 example 110; XEP-0045 example 111; XEP-0045 example 112; XEP-0045 example 113; XEP-0045 example 114; XEP-0045 example 115; XEP-0045 example 116; XEP-0045 example 117; XEP-0045 example 118; XEP-0045 example 119; XEP-0045 example 28
#[tokio::test]
async fn the_banned_are_put_out_and_stay_out() {
    let world = world().await;
    let [mut crone, mut wicca, mut hag] = coven(&world, &[]).await;
    let ban = "<item affiliation='outcast' jid='hag@localhost/pda'><reason>Treason</reason></item>";
    assert_eq!(set(&mut wicca, "admin", ban).await, "result");
    let inside = "<actor nick='secondwitch'/><reason>Treason</reason>";
    hag.expect(&told(
        "thirdwitch",
        "unavailable",
        &format!(
            "<item affiliation='outcast' jid='hag@localhost/pda' role='none'>{inside}</item>\
             <status code='110'/><status code='301'/>"
        ),
    ))
    .await;
    for client in [&mut crone, &mut wicca] {
        let item =
            format!("<item affiliation='outcast' role='none' _='...'>{inside}</item><status code='301'/>");
        client.expect(&told("thirdwitch", "unavailable", &item)).await;
    }
    enter(&mut hag, "thirdwitch").await;
    hag.expect(&refused("thirdwitch", "auth forbidden")).await;
    // A whole domain may be banned, and somebody of it made an exception.
    let more = "<item affiliation='outcast' jid='scroop@example.com'/><item affiliation='outcast' jid='example.net'><reason>Spam</reason></item>";
    assert_eq!(set(&mut wicca, "admin", more).await, "result");
    assert_eq!(
        items(&mut wicca, "affiliation='outcast'").await,
        [
            "outcast example.net - - Spam",
            "outcast hag@localhost - - Treason",
            "outcast scroop@example.com - -"
        ]
    );
    for (item, expected) in [
        ("affiliation='outcast' jid='crone@localhost'", "cancel not-allowed"),
        ("affiliation='outcast' jid='wicca@localhost'", "cancel conflict"),
        ("affiliation='outcast' jid='@'", "modify jid-malformed"),
        ("affiliation='king' jid='hag@localhost'", "modify bad-request"),
        ("affiliation='member' jid='example.net'", "modify not-acceptable"),
    ] {
        // With a change that would be allowed beside it: nothing at all is done.
        let both = format!("<item affiliation='none' jid='hag@localhost'/><item {item}/>");
        assert_eq!(set(&mut wicca, "admin", &both).await, expected, "{item}");
    }
    assert_eq!(outcome(&hag.ask("get", Some(ROOM), &list("affiliation='outcast'")).await), "auth forbidden");
    assert_eq!(
        set(&mut hag, "admin", "<item affiliation='none' jid='hag@localhost'/>").await,
        "auth forbidden"
    );
    let pardon = "<item affiliation='none' jid='hag@localhost'/>";
    assert_eq!(set(&mut wicca, "admin", pardon).await, "result");
    hag.clear().await;
    enter(&mut hag, "thirdwitch").await;
    hag.expect(&told("firstwitch", "", "<item affiliation='owner' role='moderator'/>")).await;
}

/// covers: XEP-0045 example 120; XEP-0045 example 121; XEP-0045 example 122; XEP-0045 example 123; XEP-0045 example 124; XEP-0045 example 125; XEP-0045 example 126; XEP-0045 example 127; XEP-0045 example 129; XEP-0045 example 130; XEP-0045 example 131; XEP-0045 example 132; XEP-0045 example 133; XEP-0045 example 136
#[tokio::test]
async fn members_come_and_go_in_an_open_room() {
    let world = world().await;
    let [mut crone, mut wicca, mut hag] = coven(&world, &[]).await;
    for (affiliation, reason) in [
        ("member", ""),
        ("none", ""),
        ("member", "<reason>A worthy witch indeed!</reason>"),
        ("none", "<reason>Not so worthy after all!</reason>"),
    ] {
        let nick = if affiliation == "member" { "nick='thirdwitch'" } else { "" };
        let item = format!("<item affiliation='{affiliation}' jid='hag@localhost' {nick}>{reason}</item>");
        assert_eq!(set(&mut wicca, "admin", &item).await, "result");
        let seen = format!(
            "<item affiliation='{affiliation}' jid='hag@localhost/pda' role='participant'>{{...}}{reason}</item>"
        );
        crone.expect(&told("thirdwitch", "", &seen)).await;
        wicca.expect(&told("thirdwitch", "", &seen)).await;
        hag.expect(&told("thirdwitch", "", &format!("{seen}<status code='110'/>"))).await;
    }
    let members = "<item affiliation='member' jid='hag@localhost' nick='thirdwitch'/><item affiliation='member' jid='nym@localhost'/>";
    assert_eq!(set(&mut crone, "admin", members).await, "result");
    assert_eq!(
        items(&mut crone, "affiliation='member'").await,
        ["member hag@localhost thirdwitch participant", "member nym@localhost - -"]
    );
    let delta =
        "<item affiliation='none' jid='hag@localhost'/><item affiliation='member' jid='hecate@localhost'/>";
    assert_eq!(set(&mut crone, "admin", delta).await, "result");
    assert_eq!(
        items(&mut crone, "affiliation='member'").await,
        ["member hecate@localhost - -", "member nym@localhost - -"]
    );
    assert_eq!(outcome(&hag.ask("get", Some(ROOM), &list("affiliation='member'")).await), "auth forbidden");
}

/// covers: XEP-0045 example 128; XEP-0045 example 134; XEP-0045 example 135
#[tokio::test]
async fn a_room_of_members_invites_whom_it_takes_in() {
    let world = world().await;
    let [mut crone, mut wicca, mut hag] = coven(&world, &[]).await;
    affiliate(&mut crone, "hag", "member").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    let fields: [(&str, &[&str]); 3] = [
        ("muc#roomconfig_membersonly", &["1"]),
        ("muc#roomconfig_passwordprotectedroom", &["1"]),
        ("muc#roomconfig_roomsecret", &["cauldronburn"]),
    ];
    assert_eq!(set(&mut crone, "owner", &form(&fields)).await, "result");
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    let mut hecate = world.online("hecate/broom").await;
    hecate.clear().await;
    hag.send(&format!(
        "<message to='{ROOM}' id='i'><x xmlns='{MUC}#user'><invite to='hecate@localhost'/></x></message>"
    ))
    .await;
    assert_eq!(outcome(&hag.next().await.unwrap()), "auth forbidden");
    affiliate(&mut crone, "hecate", "member").await;
    hecate
        .expect(&format!(
            "<message from='{ROOM}' to='hecate@localhost' _='...'><x xmlns='{MUC}#user'><invite from='{{any}}'/>\
             <password>cauldronburn</password></x>{{...}}</message>"
        ))
        .await;
    quiet([&mut crone]).await;
    assert_eq!(set(&mut wicca, "admin", "<item affiliation='none' jid='hag@localhost'/>").await, "result");
    hag.expect(&told(
        "thirdwitch",
        "unavailable",
        "<item affiliation='none' role='none' _='...'><actor nick='secondwitch'/></item>\
         <status code='110'/><status code='321'/>",
    ))
    .await;
    crone
        .expect(&told(
            "thirdwitch",
            "unavailable",
            "<item affiliation='none' role='none' _='...'><actor nick='secondwitch'/></item><status code='321'/>",
        ))
        .await;
    // Members may invite where the owner says so, and that makes members of those they invite.
    assert_eq!(set(&mut crone, "owner", &form(&[("muc#roomconfig_allowinvites", &["1"])])).await, "result");
    hecate
        .send(&format!(
            "<presence to='{ROOM}/hecate'><x xmlns='{MUC}'><password>cauldronburn</password></x></presence>"
        ))
        .await;
    hecate
        .send(&format!(
            "<message to='{ROOM}'><x xmlns='{MUC}#user'><invite to='hag@localhost'/></x></message>"
        ))
        .await;
    hecate.settle().await;
    let members = items(&mut crone, "affiliation='member'").await;
    assert!(members.iter().any(|member| member.starts_with("member hag@localhost")), "{members:?}");
}

/// covers: XEP-0045 example 137; XEP-0045 example 138; XEP-0045 example 139; XEP-0045 example 140; XEP-0045 example 141; XEP-0045 example 142; XEP-0045 example 143; XEP-0045 example 144; XEP-0045 example 145; XEP-0045 example 146; XEP-0045 example 147; XEP-0045 example 148; XEP-0045 example 149; XEP-0045 example 150
#[tokio::test]
async fn admins_make_and_unmake_moderators() {
    let world = world().await;
    let [mut crone, mut wicca, mut hag] = coven(&world, &[]).await;
    let mut hecate = entered(&world, "hecate/broom", "Hecate").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    for (role, reason) in [
        ("moderator", ""),
        ("participant", ""),
        ("moderator", "<reason>A worthy witch indeed!</reason>"),
        ("participant", "<reason>Not so worthy after all!</reason>"),
        ("moderator", ""),
    ] {
        let item = format!("<item nick='thirdwitch' role='{role}'>{reason}</item>");
        assert_eq!(set(&mut wicca, "admin", &item).await, "result");
        let seen = format!("<item affiliation='none' role='{role}' _='...'>{{...}}{reason}</item>");
        for client in [&mut crone, &mut wicca, &mut hecate] {
            client.expect(&told("thirdwitch", "", &seen)).await;
        }
        hag.expect(&told("thirdwitch", "", &format!("{seen}<status code='110'/>"))).await;
    }
    assert_eq!(
        items(&mut wicca, "role='moderator'").await,
        [
            "owner crone@localhost/desktop firstwitch moderator",
            "admin wicca@localhost/laptop secondwitch moderator",
            "none hag@localhost/pda thirdwitch moderator",
        ]
    );
    let delta = "<item nick='thirdwitch' role='participant'/><item nick='Hecate' role='moderator'/>";
    assert_eq!(set(&mut wicca, "admin", delta).await, "result");
    hag.expect(&told(
        "thirdwitch",
        "",
        "<item affiliation='none' role='participant' _='...'>{...}</item>{...}",
    ))
    .await;
    hag.expect(&told("Hecate", "", "<item affiliation='none' role='moderator' _='...'>{...}</item>")).await;
    for (client, nick, expected) in [
        (&mut wicca, "firstwitch", "cancel not-allowed"),
        (&mut crone, "secondwitch", "cancel not-allowed"),
        // One who moderates without being an admin makes no other.
        (&mut hecate, "thirdwitch", "auth forbidden"),
    ] {
        let role = if expected == "auth forbidden" { "moderator" } else { "participant" };
        let item = format!("<item nick='{nick}' role='{role}'/>");
        assert_eq!(set(client, "admin", &item).await, expected, "{nick}");
    }
    assert_eq!(outcome(&hag.ask("get", Some(ROOM), &list("role='moderator'")).await), "auth forbidden");
}
