//! What occupants do: talk, whisper, change their names, invite and leave (XEP-0045 sections 7.4 to 7.9, 7.14 and 8.1).

use super::*;

/// covers: XEP-0045 example 46; XEP-0045 example 47; XEP-0045 example 48
#[tokio::test]
async fn a_private_message_reaches_one_and_only_him() {
    let world = world().await;
    let mut crone = owner(&world, &[]).await;
    let mut wicca = entered(&world, "wicca/laptop", "secondwitch").await;
    let mut hag = entered(&world, "hag/pda", "thirdwitch").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    let to = |nick: &str, kind: &str| {
        format!(
            "<message to='{ROOM}/{nick}' type='{kind}' id='w'><body>I'll give thee a wind.</body>\
             <x xmlns='{MUC}#user'/></message>"
        )
    };
    wicca.send(&to("firstwitch", "chat")).await;
    crone
        .expect(&format!(
            "<message from='{ROOM}/secondwitch' type='chat' id='w'><body>I'll give thee a wind.</body>\
             <x xmlns='{MUC}#user'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='{{any}}'/></message>"
        ))
        .await;
    hag.expect_nothing_from(&mut wicca).await;
    for (nick, kind, expected) in
        [("firstwitch", "groupchat", "modify bad-request"), ("nobody", "chat", "cancel item-not-found")]
    {
        wicca.send(&to(nick, kind)).await;
        assert_eq!(outcome(&wicca.next().await.unwrap()), expected, "{nick} {kind}");
    }
    // From outside nobody is reached.
    let mut stranger = world.online("stranger/road").await;
    stranger.clear().await;
    stranger.send(&to("firstwitch", "chat")).await;
    assert_eq!(outcome(&stranger.next().await.unwrap()), "modify not-acceptable");
    crone.expect_nothing().await;
}

/// covers: XEP-0045 example 49; XEP-0045 example 50; XEP-0045 example 51; XEP-0045 example 52; XEP-0045 example 54; XEP-0045 example 55
#[tokio::test]
async fn names_and_states_change_before_everybody() {
    let world = world().await;
    let mut crone = owner(&world, &[]).await;
    let mut wicca = entered(&world, "wicca/laptop", "secondwitch").await;
    let mut hag = entered(&world, "hag/pda", "thirdwitch").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    let (open, hidden) = (
        "affiliation='none' role='participant' jid='hag@localhost/pda'",
        "affiliation='none' role='participant'",
    );
    hag.send(&format!("<presence to='{ROOM}/oldhag'/>")).await;
    let changes = |item: &str, own: &str| {
        (
            told(
                "thirdwitch",
                "unavailable",
                &format!("<item {item} nick='oldhag'/><status code='303'/>{own}"),
            ),
            told("oldhag", "", &format!("<item {item}/>{own}")),
        )
    };
    for (client, item, own) in
        [(&mut crone, open, ""), (&mut wicca, hidden, ""), (&mut hag, open, "<status code='110'/>")]
    {
        let (gone, come) = changes(item, own);
        client.expect(&gone).await;
        client.expect(&come).await;
    }
    // Spaces that are too many are taken out, and he who wanted them is told.
    hag.send(&format!("<presence to='{ROOM}/Old  Hag '/>")).await;
    hag.expect(&told(
        "oldhag",
        "unavailable",
        &format!("<item {open} nick='Old Hag'/><status code='303'/><status code='110'/>"),
    ))
    .await;
    hag.expect(&told("Old Hag", "", &format!("<item {open}/><status code='110'/><status code='210'/>")))
        .await;
    quiet([&mut crone, &mut wicca]).await;
    wicca.send(&format!("<presence to='{ROOM}/OldHag'/>")).await;
    wicca.expect(&refused("OldHag", "cancel conflict")).await;
    wicca
        .send(&format!("<presence to='{ROOM}/secondwitch'><show>xa</show><status>gone</status></presence>"))
        .await;
    crone
        .expect(&format!(
            "<presence from='{ROOM}/secondwitch'><show>xa</show><status>gone</status>{{...}}<x xmlns='{MUC}#user'>\
             <item affiliation='none' jid='wicca@localhost/laptop' role='participant'/></x></presence>"
        ))
        .await;
    hag.expect(&format!(
        "<presence from='{ROOM}/secondwitch'><show>xa</show><status>gone</status>{{...}}<x xmlns='{MUC}#user'>\
         <item affiliation='none' role='participant'/></x></presence>"
    ))
    .await;
}

/// covers: XEP-0045 example 56; XEP-0045 example 57; XEP-0045 example 58; XEP-0045 example 59; XEP-0045 example 63; XEP-0045 example 64; XEP-0045 example 65; XEP-0045 example 62
#[tokio::test]
async fn invitations_go_by_the_room_and_may_be_declined() {
    let world = world().await;
    let mut crone = owner(
        &world,
        &[
            ("muc#roomconfig_passwordprotectedroom", &["1"]),
            ("muc#roomconfig_roomsecret", &["cauldronburn"]),
            ("muc#roomconfig_whois", &["anyone"]),
        ],
    )
    .await;
    let mut hecate = world.online("hecate/broom").await;
    hecate.clear().await;
    let invite =
        |content: &str| format!("<message to='{ROOM}'><x xmlns='{MUC}#user'>{content}</x></message>");
    crone.send(&invite("<invite to='hecate@localhost'><reason>Hey Hecate!</reason></invite>")).await;
    hecate
        .expect(&format!(
            "<message from='{ROOM}' to='hecate@localhost' _='...'><x xmlns='{MUC}#user'><invite from='crone@localhost'>\
             <reason>Hey Hecate!</reason></invite><password>cauldronburn</password></x>{{...}}</message>"
        ))
        .await;
    hecate
        .send(&invite("<decline to='crone@localhost'><reason>Sorry, I'm too busy.</reason></decline>"))
        .await;
    crone
        .expect(&format!(
            "<message from='{ROOM}'><x xmlns='{MUC}#user'><decline from='hecate@localhost'>\
             <reason>Sorry, I'm too busy.</reason></decline></x></message>"
        ))
        .await;
    crone.send(&invite("<invite to='nobody@localhost'/>")).await;
    assert_eq!(outcome(&crone.next().await.unwrap()), "cancel item-not-found");
    // A conversation between two becomes one between three: what was said is sent with its own times.
    crone
        .send(&format!(
            "<message to='{ROOM}' type='groupchat' id='old'><thread>t1</thread><body>Thrice</body>\
             <delay xmlns='urn:xmpp:delay' from='crone@localhost/desktop' stamp='2004-09-29T01:54:37Z'/></message>"
        ))
        .await;
    crone
        .send(&invite(
            "<invite to='hecate@localhost/broom'><continue thread='t1'/></invite>\
             <invite to='hag@localhost'><continue thread='t1'/></invite>",
        ))
        .await;
    hecate
        .expect(&format!(
            "<message from='{ROOM}' to='hecate@localhost' _='...'><x xmlns='{MUC}#user'><invite from='crone@localhost'>\
             <continue thread='t1'/></invite>{{...}}</x>{{...}}</message>"
        ))
        .await;
    hecate
        .send(&format!(
            "<presence to='{ROOM}/hecate'><x xmlns='{MUC}'><password>cauldronburn</password></x></presence>"
        ))
        .await;
    hecate
        .expect_all(&[
            &told("firstwitch", "", "<item affiliation='owner' role='moderator' _='...'/>"),
            &told("hecate", "", "<item affiliation='none' role='participant' _='...'/>{...}"),
            &format!(
                "<message from='{ROOM}/firstwitch' type='groupchat' id='old'><thread>t1</thread><body>Thrice</body>\
                 <delay xmlns='urn:xmpp:delay' _='...'/>{{...}}</message>"
            ),
            &format!("<message from='{ROOM}' type='groupchat'><subject/></message>"),
        ])
        .await;
}

/// covers: XEP-0045 example 80; XEP-0045 example 81; XEP-0045 example 82; XEP-0045 example 83; XEP-0045 example 205; XEP-0045 example 206
#[tokio::test]
async fn who_leaves_is_seen_to_leave() {
    let world = world().await;
    let mut crone = owner(&world, &[]).await;
    let mut wicca = entered(&world, "wicca/laptop", "secondwitch").await;
    let mut hag = entered(&world, "hag/pda", "thirdwitch").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    hag.send(&format!("<presence to='{ROOM}/thirdwitch' type='unavailable'/>")).await;
    let jid = "jid='hag@localhost/pda'";
    hag.expect(&told(
        "thirdwitch",
        "unavailable",
        &format!("<item affiliation='none' {jid} role='none'/><status code='110'/>"),
    ))
    .await;
    crone
        .expect(&told("thirdwitch", "unavailable", &format!("<item affiliation='none' {jid} role='none'/>")))
        .await;
    wicca.expect(&told("thirdwitch", "unavailable", "<item affiliation='none' role='none'/>")).await;
    wicca
        .send(&format!(
            "<presence to='{ROOM}/secondwitch' type='unavailable'><status>gone</status></presence>"
        ))
        .await;
    wicca
        .expect(&told(
            "secondwitch",
            "unavailable",
            "<item affiliation='none' role='none' _='...'/><status code='110'/>",
        ))
        .await;
    crone
        .expect(&format!(
            "<presence from='{ROOM}/secondwitch' type='unavailable'><status>gone</status>{{...}}<x xmlns='{MUC}#user'>\
             <item affiliation='none' role='none' _='...'/></x></presence>"
        ))
        .await;
    // A client that answers what it is sent with an error of delivery is not there any more.
    enter(&mut hag, "thirdwitch").await;
    crone.expect(&format!("<presence from='{ROOM}/thirdwitch'>{{...}}</presence>")).await;
    quiet([&mut crone, &mut hag]).await;
    let error = |condition: &str| {
        format!(
            "<message to='{ROOM}/firstwitch' type='error' id='e'><error type='cancel'>\
             <{condition} xmlns='{STANZAS}'/></error></message>"
        )
    };
    hag.send(&error("service-unavailable")).await;
    hag.settle().await;
    crone.discard(|element| element.name == "message");
    crone.round_trip().await;
    crone.discard(|element| element.name == "message");
    crone.expect_nothing().await;
    hag.send(&error("recipient-unavailable")).await;
    crone
        .expect(&told(
            "thirdwitch",
            "unavailable",
            "<item affiliation='none' role='none' _='...'/><status code='333'/>",
        ))
        .await;
    hag.expect(&told(
        "thirdwitch",
        "unavailable",
        "<item affiliation='none' role='none' _='...'/><status code='110'/><status code='333'/>",
    ))
    .await;
}

/// covers: XEP-0045 example 87; XEP-0045 example 88; XEP-0045 example 84; XEP-0045 example 85; XEP-0045 example 40; XEP-0045 example 41
#[tokio::test]
async fn the_subject_is_the_moderators_business() {
    let world = world().await;
    let mut crone = owner(&world, &[]).await;
    let mut hag = entered(&world, "hag/pda", "thirdwitch").await;
    quiet([&mut crone, &mut hag]).await;
    let subject = |text: &str| {
        format!("<message to='{ROOM}' type='groupchat' id='s'><subject>{text}</subject></message>")
    };
    hag.send(&subject("Fire")).await;
    assert_eq!(outcome(&hag.next().await.unwrap()), "auth forbidden");
    for text in ["Fire Burn and Cauldron Bubble!", ""] {
        crone.send(&subject(text)).await;
        for client in [&mut crone, &mut hag] {
            client
                .expect(&format!(
                    "<message from='{ROOM}/firstwitch' type='groupchat' id='s'><subject>{text}</subject>{{...}}</message>"
                ))
                .await;
        }
        let mut hecate = world.online("hecate/broom").await;
        hecate.clear().await;
        enter(&mut hecate, "hecate").await;
        hecate.settle().await;
        let last = hecate.drain().await.pop().expect("what he is told");
        assert_eq!(
            last.child("jabber:client", "subject").map(Element::text).as_deref(),
            Some(text),
            "{last}"
        );
        hecate.close().await;
        quiet([&mut crone, &mut hag]).await;
    }
    assert_eq!(set(&mut crone, "owner", &form(&[("muc#roomconfig_changesubject", &["1"])])).await, "result");
    quiet([&mut crone, &mut hag]).await;
    hag.send(&subject("Mine")).await;
    crone
        .expect(&format!(
            "<message from='{ROOM}/thirdwitch' type='groupchat' id='s'><subject>Mine</subject>{{...}}</message>"
        ))
        .await;
}
