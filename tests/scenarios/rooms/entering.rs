//! Entering a room, and being refused (XEP-0045 section 7.2).

use super::*;
use crate::world::world_with;
use waxwing_tests::Setup;

/// covers: XEP-0045 example 19; XEP-0045 example 29; XEP-0045 example 31; XEP-0045 example 43
#[tokio::test]
async fn who_may_not_enter_so_is_told_why() {
    let world = world().await;
    let mut crone = world.online("crone/desktop").await;
    let mut hag = world.online("hag/pda").await;
    crone.clear().await;
    hag.clear().await;
    enter(&mut crone, "firstwitch").await;
    crone.settle().await;
    // Nobody but its owner may enter until he has said what the room is to be.
    enter(&mut hag, "thirdwitch").await;
    hag.expect(&refused("thirdwitch", "cancel item-not-found")).await;
    assert_eq!(set(&mut crone, "owner", "<x xmlns='jabber:x:data' type='submit'/>").await, "result");
    hag.send(&format!("<presence to='{ROOM}'><x xmlns='{MUC}'/></presence>")).await;
    hag.expect(&format!(
        "<presence from='{ROOM}' type='error'>{{...}}<error type='modify' by='{ROOM}'>\
         <jid-malformed xmlns='{STANZAS}'/>{{...}}</error></presence>"
    ))
    .await;
    // Neither case nor spaces nor letters that only look the same make another nickname.
    for nick in ["firstwitch", "FirstWitch", "first witch", "ｆirstwitch"] {
        enter(&mut hag, nick).await;
        let refused = hag.next().await.unwrap();
        assert_eq!(outcome(&refused), "cancel conflict", "{nick}: {refused}");
    }
    hag.send(&format!("<presence to='{ROOM}/thirdwitch'/>")).await;
    hag.expect(&told(
        "thirdwitch",
        "unavailable",
        "<item affiliation='none' role='none'><reason>{any}</reason></item>\
         <status code='110'/><status code='307'/><status code='333'/>",
    ))
    .await;
}

/// covers: XEP-0045 example 23; XEP-0045 example 24
#[tokio::test]
async fn everybody_sees_addresses_where_nobody_is_anonymous() {
    let world = world().await;
    let mut crone = owner(&world, &[("muc#roomconfig_whois", &["anyone"])]).await;
    let mut hag = entered(&world, "hag/pda", "thirdwitch").await;
    crone
        .expect(&told(
            "thirdwitch",
            "",
            "<item affiliation='none' jid='hag@localhost/pda' role='participant'/>",
        ))
        .await;
    let mut hecate = world.online("hecate/broom").await;
    hecate.clear().await;
    enter(&mut hecate, "hecate").await;
    hecate
        .expect(&told(
            "firstwitch",
            "",
            "<item affiliation='owner' jid='crone@localhost/desktop' role='moderator'/>",
        ))
        .await;
    hecate
        .expect(&told(
            "thirdwitch",
            "",
            "<item affiliation='none' jid='hag@localhost/pda' role='participant'/>",
        ))
        .await;
    hecate
        .expect(&told(
            "hecate",
            "",
            "<item affiliation='none' jid='hecate@localhost/broom' role='participant'/>\
             <status code='100'/><status code='110'/><status code='170'/>",
        ))
        .await;
    hag.expect(&told(
        "hecate",
        "",
        "<item affiliation='none' jid='hecate@localhost/broom' role='participant'/>",
    ))
    .await;
}

/// covers: XEP-0045 example 25; XEP-0045 example 26; XEP-0045 example 27; XEP-0045 example 30
#[tokio::test]
async fn a_password_a_list_and_a_limit_keep_people_out() {
    let world = world().await;
    let mut crone = owner(
        &world,
        &[
            ("muc#roomconfig_passwordprotectedroom", &["1"]),
            ("muc#roomconfig_roomsecret", &["cauldronburn"]),
            ("muc#roomconfig_maxusers", &["2"]),
        ],
    )
    .await;
    let mut hag = world.online("hag/pda").await;
    let mut hecate = world.online("hecate/broom").await;
    let with = |nick: &str, password: &str| {
        format!(
            "<presence to='{ROOM}/{nick}'><x xmlns='{MUC}'><password>{password}</password></x></presence>"
        )
    };
    quiet([&mut hag, &mut hecate]).await;
    enter(&mut hag, "thirdwitch").await;
    hag.expect(&refused("thirdwitch", "auth not-authorized")).await;
    hag.send(&with("thirdwitch", "wrong")).await;
    hag.expect(&refused("thirdwitch", "auth not-authorized")).await;
    hag.send(&with("thirdwitch", "cauldronburn")).await;
    hag.expect(&told("firstwitch", "", "<item affiliation='owner' role='moderator'/>")).await;
    quiet([&mut hag, &mut crone]).await;
    // The password is of no use to those who are one too many; an admin finds a place nevertheless.
    hecate.send(&with("hecate", "cauldronburn")).await;
    hecate.expect(&refused("hecate", "wait service-unavailable")).await;
    affiliate(&mut crone, "hecate", "admin").await;
    hecate.send(&with("hecate", "cauldronburn")).await;
    hecate
        .expect(
            &told("firstwitch", "", "<item affiliation='owner' {any}/>")
                .replace("{any}", "role='moderator' _='...'"),
        )
        .await;
    // Members only, from now on.
    let only = form(&[("muc#roomconfig_membersonly", &["1"])]);
    assert_eq!(set(&mut crone, "owner", &only).await, "result");
    quiet([&mut hag, &mut hecate]).await;
    hag.send(&with("thirdwitch", "cauldronburn")).await;
    hag.expect(&refused("thirdwitch", "auth registration-required")).await;
}

/// covers: XEP-0045 example 35; XEP-0045 example 36; XEP-0045 example 37; XEP-0045 example 38; XEP-0045 example 39; XEP-0045 example 33; XEP-0045 example 34
#[tokio::test]
async fn a_newcomer_gets_as_much_of_the_past_as_he_wants() {
    let world = world().await;
    let mut crone =
        owner(&world, &[("muc#maxhistoryfetch", &["4"]), ("muc#roomconfig_whois", &["anyone"])]).await;
    for n in 0..6 {
        crone
            .send(&format!("<message to='{ROOM}' type='groupchat' id='m{n}'><body>toil</body></message>"))
            .await;
    }
    crone.settle().await;
    for (n, (wish, expected)) in [
        ("", &["m2", "m3", "m4", "m5"][..]),
        ("<history maxstanzas='2'/>", &["m4", "m5"]),
        ("<history maxstanzas='20'/>", &["m0", "m1", "m2", "m3", "m4", "m5"]),
        ("<history maxchars='65000'/>", &["m2", "m3", "m4", "m5"]),
        ("<history maxchars='0'/>", &[]),
        ("<history seconds='180'/>", &["m2", "m3", "m4", "m5"]),
        ("<history since='1970-01-01T00:00:00Z'/>", &["m2", "m3", "m4", "m5"]),
        ("<history since='2999-01-01T00:00:00Z'/>", &[]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut hag = world.online(&format!("hag/{n}")).await;
        hag.clear().await;
        hag.send(&format!("<presence to='{ROOM}/thirdwitch'><x xmlns='{MUC}'>{wish}</x></presence>")).await;
        hag.settle().await;
        let came = hag.drain().await;
        let past: Vec<&Element> =
            came.iter().filter(|one| one.child("jabber:client", "body").is_some()).collect();
        let ids: Vec<_> = past.iter().map(|one| one.attr("id").unwrap_or_default()).collect();
        assert_eq!(ids, expected, "{wish}");
        for one in past {
            let delay = one.child("urn:xmpp:delay", "delay").expect("when it was said");
            assert_eq!(delay.attr("from"), Some(ROOM));
            assert_eq!(one.attr("from"), Some(&*format!("{ROOM}/firstwitch")));
            // Nobody is anonymous here, so it says who it was.
            let address = one.find("http://jabber.org/protocol/address", "address").expect("who said it");
            assert_eq!(
                (address.attr("type"), address.attr("jid")),
                (Some("ofrom"), Some("crone@localhost/desktop"))
            );
        }
        // The subject ends what a newcomer is told, even if there is none.
        let last = came.last().expect("a subject");
        assert!(last.child("jabber:client", "subject").is_some(), "{last}");
        hag.close().await;
    }
}

/// covers: XEP-0045 example 152
#[tokio::test]
async fn rooms_are_made_by_those_who_may() {
    let world = world_with(Setup::default().section("[rooms]\ncreation = \"administrators\"\n")).await;
    let mut hag = world.online("hag/pda").await;
    hag.clear().await;
    enter(&mut hag, "thirdwitch").await;
    hag.expect(&refused("thirdwitch", "cancel not-allowed")).await;
}
