//! What owners do: configuring a room, naming its owners and admins, and ending it (XEP-0045 section 10).

use super::*;

const EMPTY: &str = "<query xmlns='http://jabber.org/protocol/muc#owner'/>";

/// The values of every field of a form.
fn fields(answer: &Element) -> Vec<(String, Vec<String>)> {
    let form = answer.find("jabber:x:data", "x").unwrap_or_else(|| panic!("no form: {answer}"));
    let values = |field: &Element| {
        field.children().filter(|child| child.name == "value").map(Element::text).collect::<Vec<_>>()
    };
    form.children()
        .filter(|child| child.name == "field")
        .map(|field| (field.attr("var").unwrap_or_default().to_owned(), values(field)))
        .collect()
}

fn value(fields: &[(String, Vec<String>)], var: &str) -> Vec<String> {
    let found = fields.iter().find(|(known, _)| known == var);
    found.unwrap_or_else(|| panic!("{var} in {fields:?}")).1.clone()
}

/// covers: XEP-0045 example 153; XEP-0045 example 154; XEP-0045 example 156; XEP-0045 example 157; XEP-0045 example 159; XEP-0045 example 160; XEP-0045 example 161; XEP-0045 example 162; XEP-0045 example 163; XEP-0045 example 164; XEP-0045 example 165; XEP-0045 example 166
#[tokio::test]
async fn a_room_is_configured_by_its_owner() {
    let world = world().await;
    let mut crone = world.online("crone/desktop").await;
    let mut wicca = world.online("wicca/laptop").await;
    quiet([&mut crone, &mut wicca]).await;
    let born = told(
        "firstwitch",
        "",
        "<item affiliation='owner' jid='crone@localhost/desktop' role='moderator'/>\
         <status code='110'/><status code='170'/><status code='201'/>",
    );
    // Given up before it was configured, the room has never been.
    enter(&mut crone, "firstwitch").await;
    crone.expect(&born).await;
    assert_eq!(set(&mut crone, "owner", "<x xmlns='jabber:x:data' type='cancel'/>").await, "result");
    assert_eq!(outcome(&crone.ask("get", Some(ROOM), EMPTY).await), "cancel item-not-found");
    crone.clear().await;
    enter(&mut crone, "firstwitch").await;
    crone.expect(&born).await;
    let first = fields(&crone.ask("get", Some(ROOM), EMPTY).await);
    for (var, expected) in [
        ("FORM_TYPE", &["http://jabber.org/protocol/muc#roomconfig"][..]),
        ("muc#roomconfig_changesubject", &["0"]),
        ("muc#roomconfig_allowinvites", &["0"]),
        ("muc#roomconfig_allowpm", &["anyone"]),
        ("muc#roomconfig_presencebroadcast", &["moderator", "participant", "visitor"]),
        ("muc#roomconfig_getmemberlist", &["moderator", "participant", "visitor"]),
        ("muc#roomconfig_publicroom", &["1"]),
        ("muc#roomconfig_persistentroom", &["0"]),
        ("muc#roomconfig_moderatedroom", &["0"]),
        ("muc#roomconfig_membersonly", &["0"]),
        ("muc#roomconfig_passwordprotectedroom", &["0"]),
        ("muc#roomconfig_whois", &["moderators"]),
        ("muc#roomconfig_roomowners", &["crone@localhost"]),
        ("muc#roomconfig_roomadmins", &[]),
    ] {
        assert_eq!(value(&first, var), expected, "{var}");
    }
    // A password has to be one.
    let blank = form(&[("muc#roomconfig_passwordprotectedroom", &["1"])]);
    assert_eq!(set(&mut crone, "owner", &blank).await, "modify not-acceptable");
    let wanted: &[(&str, &[&str])] = &[
        ("muc#roomconfig_roomname", &["A Dark Cave"]),
        ("muc#roomconfig_roomdesc", &["The place for all good witches!"]),
        ("muc#roomconfig_enablelogging", &["0"]),
        ("muc#roomconfig_changesubject", &["1"]),
        ("muc#roomconfig_allowinvites", &["0"]),
        ("muc#roomconfig_allowpm", &["anyone"]),
        ("muc#roomconfig_maxusers", &["10"]),
        ("muc#roomconfig_publicroom", &["0"]),
        ("muc#roomconfig_persistentroom", &["0"]),
        ("muc#roomconfig_moderatedroom", &["0"]),
        ("muc#roomconfig_membersonly", &["0"]),
        ("muc#roomconfig_passwordprotectedroom", &["1"]),
        ("muc#roomconfig_roomsecret", &["cauldronburn"]),
        ("muc#roomconfig_whois", &["moderators"]),
        ("muc#maxhistoryfetch", &["50"]),
        ("muc#roomconfig_roomadmins", &["hecate@localhost", "wicca@localhost"]),
    ];
    assert_eq!(set(&mut crone, "owner", &form(wanted)).await, "result");
    let kept = fields(&crone.ask("get", Some(ROOM), EMPTY).await);
    for (var, expected) in wanted {
        assert_eq!(value(&kept, var), *expected, "{var}");
    }
    assert_eq!(set(&mut crone, "owner", "<x xmlns='jabber:x:data' type='cancel'/>").await, "result");
    assert_eq!(fields(&crone.ask("get", Some(ROOM), EMPTY).await), kept);
    assert_eq!(outcome(&wicca.ask("get", Some(ROOM), EMPTY).await), "auth forbidden");
    assert_eq!(set(&mut wicca, "owner", &form(&[])).await, "auth forbidden");
}

/// covers: XEP-0045 example 167; XEP-0045 example 168; XEP-0045 example 169; XEP-0045 example 170; XEP-0045 example 171
#[tokio::test]
async fn a_configuration_tells_whom_it_concerns() {
    let world = world().await;
    let mut crone = owner(&world, &[]).await;
    let mut wicca = entered(&world, "wicca/laptop", "secondwitch").await;
    quiet([&mut crone, &mut wicca]).await;
    for (field, values, affiliation, role) in [
        ("muc#roomconfig_roomadmins", &["wicca@localhost"][..], "admin", "moderator"),
        ("muc#roomconfig_roomadmins", &[], "member", "participant"),
        ("muc#roomconfig_roomowners", &["crone@localhost", "wicca@localhost"], "owner", "moderator"),
    ] {
        assert_eq!(set(&mut crone, "owner", &form(&[(field, values)])).await, "result");
        let item = format!(
            "<item affiliation='{affiliation}' jid='wicca@localhost/laptop' role='{role}'>{{...}}</item>"
        );
        crone.expect(&told("secondwitch", "", &item)).await;
        wicca.expect(&told("secondwitch", "", &format!("{item}<status code='110'/>"))).await;
    }
    let both: [(&str, &[&str]); 2] = [
        ("muc#roomconfig_roomowners", &["crone@localhost"]),
        ("muc#roomconfig_roomadmins", &["wicca@localhost"]),
    ];
    assert_eq!(set(&mut crone, "owner", &form(&both)).await, "result");
    crone
        .expect(&told("secondwitch", "", "<item affiliation='admin' role='moderator' _='...'>{...}</item>"))
        .await;
    // The last owner stays one.
    let nobody = form(&[("muc#roomconfig_roomowners", &[])]);
    assert_eq!(set(&mut crone, "owner", &nobody).await, "cancel conflict");
    let mut hag = entered(&world, "hag/pda", "thirdwitch").await;
    quiet([&mut crone, &mut wicca, &mut hag]).await;
    for (field, on, code) in [
        ("muc#roomconfig_enablelogging", "0", 171),
        ("muc#roomconfig_enablelogging", "1", 170),
        ("muc#roomconfig_whois", "anyone", 172),
        ("muc#roomconfig_whois", "moderators", 173),
        ("muc#roomconfig_roomname", "A Dark Cave", 104),
    ] {
        assert_eq!(set(&mut crone, "owner", &form(&[(field, &[on])])).await, "result");
        hag.expect(&format!(
            "<message from='{ROOM}' type='groupchat'><x xmlns='{MUC}#user'><status code='{code}'/></x></message>"
        ))
        .await;
        if code == 172 {
            // Everybody sees at once whom he has been talking to.
            hag.expect_all(&[
                &told("firstwitch", "", "<item affiliation='owner' jid='crone@localhost/desktop' role='moderator'/>"),
                &told("secondwitch", "", "<item affiliation='admin' jid='wicca@localhost/laptop' role='moderator'/>"),
                &told("thirdwitch", "", "<item affiliation='none' jid='hag@localhost/pda' role='participant'/><status code='110'/>"),
            ])
            .await;
        }
        quiet([&mut crone, &mut wicca, &mut hag]).await;
    }
    assert_eq!(set(&mut crone, "owner", &form(&[("muc#roomconfig_membersonly", &["1"])])).await, "result");
    hag.expect(&told(
        "thirdwitch",
        "unavailable",
        "<item affiliation='none' role='none' _='...'/><status code='110'/><status code='322'/>",
    ))
    .await;
}

/// covers: XEP-0045 example 172; XEP-0045 example 173; XEP-0045 example 174; XEP-0045 example 175; XEP-0045 example 176; XEP-0045 example 177; XEP-0045 example 178; XEP-0045 example 179; XEP-0045 example 180; XEP-0045 example 181; XEP-0045 example 182; XEP-0045 example 183; XEP-0045 example 184; XEP-0045 example 185; XEP-0045 example 186; XEP-0045 example 187; XEP-0045 example 188; XEP-0045 example 189; XEP-0045 example 190; XEP-0045 example 191; XEP-0045 example 192; XEP-0045 example 193; XEP-0045 example 194; XEP-0045 example 195; XEP-0045 example 196; XEP-0045 example 197; XEP-0045 example 198; XEP-0045 example 199; XEP-0045 example 200
#[tokio::test]
async fn owners_and_admins_are_made_by_owners() {
    let world = world().await;
    let mut crone = owner(&world, &[]).await;
    let mut hecate = entered(&world, "hecate/broom", "hecate").await;
    quiet([&mut crone, &mut hecate]).await;
    let change = |affiliation: &str, who: &str, reason: &str| {
        format!("<item affiliation='{affiliation}' jid='{who}@localhost'>{reason}</item>")
    };
    let (worthy, unworthy) =
        ("<reason>A worthy witch indeed!</reason>", "<reason>Not so worthy after all!</reason>");
    for (affiliation, reason, role) in [
        ("owner", "", "moderator"),
        ("admin", "", "moderator"),
        ("owner", worthy, "moderator"),
        ("admin", unworthy, "moderator"),
        ("none", "", "participant"),
        ("admin", worthy, "moderator"),
        ("none", unworthy, "participant"),
    ] {
        assert_eq!(set(&mut crone, "admin", &change(affiliation, "hecate", reason)).await, "result");
        let item = format!(
            "<item affiliation='{affiliation}' jid='hecate@localhost/broom' role='{role}'>{{...}}{reason}</item>"
        );
        crone.expect(&told("hecate", "", &item)).await;
        hecate.expect(&told("hecate", "", &format!("{item}<status code='110'/>"))).await;
    }
    // Those who are not there are told of, too.
    for affiliation in ["owner", "admin", "none"] {
        assert_eq!(set(&mut crone, "admin", &change(affiliation, "wicca", "")).await, "result");
        crone
            .expect(&format!(
                "<message from='{ROOM}' _='...'><x xmlns='{MUC}#user'>\
                 <item affiliation='{affiliation}' jid='wicca@localhost' role='none'/></x></message>"
            ))
            .await;
        // Where people are anonymous only moderators may know whom it is about.
        hecate.expect_nothing().await;
    }
    let list =
        |affiliation: &str| format!("<query xmlns='{MUC}#admin'><item affiliation='{affiliation}'/></query>");
    for (level, who) in [("owner", "wicca"), ("admin", "hag")] {
        assert_eq!(set(&mut crone, "admin", &change(level, who, "")).await, "result");
        let answer = crone.ask("get", Some(ROOM), &list(level)).await;
        let query = answer.child(&format!("{MUC}#admin"), "query").unwrap();
        let listed: Vec<_> =
            query.children().map(|item| item.attr("jid").unwrap_or_default().to_owned()).collect();
        assert!(listed.contains(&format!("{who}@localhost")), "{answer}");
        assert!(query.children().all(|item| item.attr("affiliation") == Some(level)), "{answer}");
        assert_eq!(outcome(&hecate.ask("get", Some(ROOM), &list(level)).await), "auth forbidden");
        assert_eq!(set(&mut hecate, "admin", &change(level, "hecate", "")).await, "auth forbidden");
    }
    // An admin is no owner: neither list is his to change.
    assert_eq!(set(&mut crone, "admin", &change("admin", "hecate", "")).await, "result");
    for level in ["owner", "admin"] {
        assert_eq!(set(&mut hecate, "admin", &change(level, "hag", "")).await, "auth forbidden", "{level}");
        assert_eq!(outcome(&hecate.ask("get", Some(ROOM), &list(level)).await), "auth forbidden", "{level}");
    }
    // By the full address it is the same person; the last owner stays one.
    let full = "<item affiliation='member' jid='wicca@localhost/laptop'/>";
    assert_eq!(set(&mut crone, "admin", full).await, "result");
    assert_eq!(set(&mut crone, "admin", &change("admin", "crone", "")).await, "cancel conflict");
}

/// covers: XEP-0045 example 201; XEP-0045 example 202; XEP-0045 example 203; XEP-0045 example 204
#[tokio::test]
async fn a_room_is_ended_by_its_owner() {
    let world = world().await;
    let mut crone = owner(&world, &[("muc#roomconfig_persistentroom", &["1"])]).await;
    let mut wicca = entered(&world, "wicca/laptop", "secondwitch").await;
    quiet([&mut crone, &mut wicca]).await;
    let destroy = "<destroy jid='heath@rooms.localhost'><reason>Macbeth doth come.</reason><password>p</password></destroy>";
    assert_eq!(set(&mut wicca, "owner", destroy).await, "auth forbidden");
    assert_eq!(set(&mut crone, "owner", destroy).await, "result");
    for (client, nick) in [(&mut crone, "firstwitch"), (&mut wicca, "secondwitch")] {
        client
            .expect(&told(
                nick,
                "unavailable",
                "<item affiliation='none' role='none' _='...'/><destroy jid='heath@rooms.localhost'>\
                 <reason>Macbeth doth come.</reason><password>p</password></destroy>{...}",
            ))
            .await;
        client.expect_nothing().await;
    }
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    assert_eq!(outcome(&wicca.ask("get", Some(ROOM), info).await), "cancel item-not-found");
}
