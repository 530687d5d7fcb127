//! What moderators do: kicking, and giving and taking voice (XEP-0045 sections 7.13 and 8.2 to 8.6).

use super::*;

/// The first witch owns the room, the second is an admin, the third moderates without being an admin.
async fn order(world: &World, fields: &[(&str, &[&str])]) -> [Client; 3] {
    let mut crone = owner(world, fields).await;
    affiliate(&mut crone, "wicca", "admin").await;
    let mut wicca = entered(world, "wicca/laptop", "secondwitch").await;
    let mut hag = entered(world, "hag/pda", "thirdwitch").await;
    assert_eq!(set(&mut crone, "admin", "<item nick='thirdwitch' role='moderator'/>").await, "result");
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    [crone, wicca, hag]
}

/// covers: XEP-0045 example 89; XEP-0045 example 90; XEP-0045 example 91; XEP-0045 example 92; XEP-0045 example 93
#[tokio::test]
async fn a_moderator_kicks_whom_he_may() {
    let world = world().await;
    let [mut crone, mut wicca, mut hag] = order(&world, &[]).await;
    let mut pistol = entered(&world, "pistol/harfleur", "pistol").await;
    quiet([&mut crone, &mut wicca, &mut hag, &mut pistol]).await;
    let kick = "<item nick='pistol' role='none'><reason>Avaunt, you cullion!</reason></item>";
    assert_eq!(set(&mut hag, "admin", kick).await, "result");
    let inside = "<actor nick='thirdwitch'/><reason>Avaunt, you cullion!</reason>";
    pistol
        .expect(&told(
            "pistol",
            "unavailable",
            &format!(
                "<item affiliation='none' jid='pistol@localhost/harfleur' role='none'>{inside}</item>\
                 <status code='110'/><status code='307'/>"
            ),
        ))
        .await;
    for client in [&mut crone, &mut wicca, &mut hag] {
        let item =
            format!("<item affiliation='none' role='none' _='...'>{inside}</item><status code='307'/>");
        client.expect(&told("pistol", "unavailable", &item)).await;
    }
    for (nick, expected) in [
        ("secondwitch", "cancel not-allowed"),
        ("firstwitch", "cancel not-allowed"),
        ("nobody", "cancel item-not-found"),
    ] {
        let kick = format!("<item nick='{nick}' role='none'/>");
        assert_eq!(set(&mut hag, "admin", &kick).await, expected, "{nick}");
    }
    // An admin may not kick an owner, and who has no rank nobody.
    assert_eq!(set(&mut wicca, "admin", "<item nick='firstwitch' role='none'/>").await, "cancel not-allowed");
    enter(&mut pistol, "pistol").await;
    assert_eq!(set(&mut pistol, "admin", "<item nick='thirdwitch' role='none'/>").await, "auth forbidden");
    // An item changes a role or an affiliation, never both.
    let both = "<item nick='pistol' role='none' affiliation='outcast'/>";
    assert_eq!(set(&mut crone, "admin", both).await, "modify bad-request");
}

/// covers: XEP-0045 example 94; XEP-0045 example 95; XEP-0045 example 96; XEP-0045 example 97; XEP-0045 example 98; XEP-0045 example 99; XEP-0045 example 100; XEP-0045 example 101; XEP-0045 example 102
#[tokio::test]
async fn voice_is_given_and_taken() {
    let world = world().await;
    let [mut crone, mut wicca, mut hag] = order(&world, &[("muc#roomconfig_moderatedroom", &["1"])]).await;
    let mut pistol = entered(&world, "pistol/harfleur", "pistol").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    let say = format!("<message to='{ROOM}' type='groupchat' id='p'><body>hear me</body></message>");
    pistol.send(&say).await;
    assert_eq!(outcome(&pistol.next().await.unwrap()), "auth forbidden");
    for (role, reason) in [
        ("participant", ""),
        ("visitor", ""),
        ("participant", "<reason>A worthy witch indeed!</reason>"),
        ("visitor", "<reason>Not so worthy after all!</reason>"),
    ] {
        let item = format!("<item nick='pistol' role='{role}'>{reason}</item>");
        assert_eq!(set(&mut hag, "admin", &item).await, "result");
        let seen = |own: &str| {
            told(
                "pistol",
                "",
                &format!("<item affiliation='none' role='{role}' _='...'>{{...}}{reason}</item>{own}"),
            )
        };
        for client in [&mut crone, &mut wicca, &mut hag] {
            client.expect(&seen("")).await;
        }
        pistol.expect(&seen("<status code='110'/>")).await;
    }
    for nick in ["secondwitch", "firstwitch"] {
        let item = format!("<item nick='{nick}' role='visitor'/>");
        assert_eq!(set(&mut hag, "admin", &item).await, "cancel not-allowed", "{nick}");
    }
    assert_eq!(
        set(&mut crone, "admin", "<item nick='secondwitch' role='visitor'/>").await,
        "cancel not-allowed"
    );
}

/// covers: XEP-0045 example 103; XEP-0045 example 104; XEP-0045 example 105; XEP-0045 example 106; XEP-0045 example 107
#[tokio::test]
async fn the_list_of_those_with_voice_is_changed_at_once() {
    let world = world().await;
    let [mut crone, _wicca, mut hag] = order(&world, &[("muc#roomconfig_moderatedroom", &["1"])]).await;
    let mut pistol = entered(&world, "pistol/harfleur", "pistol").await;
    let mut nym = entered(&world, "nym/harfleur", "nym").await;
    assert_eq!(set(&mut crone, "admin", "<item nick='nym' role='participant'/>").await, "result");
    let ask = format!("<query xmlns='{MUC}#admin'><item role='participant'/></query>");
    let list = hag.ask("get", Some(ROOM), &ask).await;
    let item = list.find(&format!("{MUC}#admin"), "item").unwrap_or_else(|| panic!("{list}"));
    for (name, value) in
        [("affiliation", "none"), ("jid", "nym@localhost/harfleur"), ("nick", "nym"), ("role", "participant")]
    {
        assert_eq!(item.attr(name), Some(value), "{list}");
    }
    quiet([&mut hag, &mut pistol, &mut nym]).await;
    // One of the changes is not allowed, so none is made.
    let changes = "<item nick='nym' role='visitor'/><item nick='firstwitch' role='visitor'/>";
    assert_eq!(set(&mut hag, "admin", changes).await, "cancel not-allowed");
    nym.expect_nothing().await;
    let changes = "<item nick='nym' role='visitor'/><item nick='pistol' role='participant'><reason>A worthy fellow.</reason></item>";
    assert_eq!(set(&mut hag, "admin", changes).await, "result");
    nym.expect(&told(
        "nym",
        "",
        "<item affiliation='none' role='visitor' _='...'>{...}</item><status code='110'/>",
    ))
    .await;
    nym.expect(&told("pistol", "", "<item affiliation='none' role='participant' _='...'>{...}</item>")).await;
    assert_eq!(outcome(&pistol.ask("get", Some(ROOM), &ask).await), "auth forbidden");
}

/// covers: XEP-0045 example 79; XEP-0045 example 108; XEP-0045 example 109
#[tokio::test]
async fn voice_is_asked_for_and_approved() {
    let world = world().await;
    let [mut crone, mut wicca, mut hag] = order(&world, &[("muc#roomconfig_moderatedroom", &["1"])]).await;
    let mut pistol = entered(&world, "pistol/harfleur", "pistol").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    let field = |var: &str, value: &str| format!("<field var='{var}'><value>{value}</value></field>");
    let request = field("FORM_TYPE", &format!("{MUC}#request")) + &field("muc#role", "participant");
    pistol
        .send(&format!("<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{request}</x></message>"))
        .await;
    let asked = format!(
        "<message from='{ROOM}' _='...'><x xmlns='jabber:x:data' type='form'>{{...}}\
         <field var='FORM_TYPE' type='hidden'><value>{MUC}#request</value></field>\
         <field var='muc#role' type='list-single' _='...'>{{...}}<value>participant</value></field>\
         <field var='muc#jid' type='jid-single' _='...'><value>pistol@localhost/harfleur</value></field>\
         <field var='muc#roomnick' type='text-single' _='...'><value>pistol</value></field>\
         <field var='muc#request_allow' type='boolean' _='...'><value>false</value></field></x></message>"
    );
    for client in [&mut crone, &mut wicca, &mut hag] {
        client.expect(&asked).await;
    }
    let answer = request
        + &field("muc#jid", "pistol@localhost/harfleur")
        + &field("muc#roomnick", "pistol")
        + &field("muc#request_allow", "true");
    hag.send(&format!("<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{answer}</x></message>"))
        .await;
    pistol
        .expect(&told(
            "pistol",
            "",
            "<item affiliation='none' role='participant' _='...'>{...}</item><status code='110'/>",
        ))
        .await;
    // Whoever has voice needs none.
    pistol
        .send(&format!(
            "<message to='{ROOM}'><x xmlns='jabber:x:data' type='submit'>{}</x></message>",
            field("FORM_TYPE", &format!("{MUC}#request")) + &field("muc#role", "participant")
        ))
        .await;
    assert_eq!(outcome(&pistol.next().await.unwrap()), "modify not-acceptable");
}
