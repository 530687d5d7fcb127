//! Several subscriptions of one address, and several changes at once (XEP-0060 sections 6.1.6, 8.8.2.4 and 8.9.2.4).

use super::*;

const SHIM: &str = "http://jabber.org/protocol/shim";

/// Subscribes on these terms; answers the id of the subscription.
async fn subscribe_on(client: &mut Client, options: &[(&str, &str)]) -> String {
    let (jid, terms) = (client.bare().to_owned(), form("subscribe_options", options));
    let payload = pubsub(&format!("<subscribe node='{NODE}' jid='{jid}'/><options>{terms}</options>"));
    let answer = client.ask("set", Some(SERVICE), &payload).await;
    listed(&answer, &[(PUBSUB, "pubsub")], &["subid"]).first().expect("a subscription").clone()
}

/// What came: the ids of the items, with the ids of the subscriptions that each came for.
async fn told_for(client: &mut Client) -> Vec<String> {
    let stanzas = client.drain().await;
    let events = stanzas.iter().filter(|stanza| stanza.child(EVENT, "event").is_some());
    let told = events.map(|stanza| {
        let items = listed(stanza, &[(EVENT, "event"), (EVENT, "items")], &["id"]).join(" ");
        let last = stanza.children().last().expect("a child");
        let mut subids: Vec<String> = match last.is(SHIM, "headers") {
            true => last
                .children()
                .map(|header| format!(" {}={}", header.attr("name").unwrap_or_default(), header.text()))
                .collect(),
            false => Vec::new(),
        };
        subids.sort();
        format!("{items}{}", subids.concat())
    });
    told.collect()
}

fn for_these(item: &str, subids: &[&str]) -> String {
    let mut subids: Vec<String> = subids.iter().map(|subid| format!(" SubID={subid}")).collect();
    subids.sort();
    format!("{item}{}", subids.concat())
}

/// covers: XEP-0060 example 49; XEP-0060 example 60; XEP-0060 example 84; XEP-0060 example 85
/// covers: XEP-0060 example 104; XEP-0060 example 118; XEP-0060 example 17; XEP-0060 example 23
#[tokio::test]
async fn an_address_subscribes_several_times() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("send_last_published_item", "never")]).await;
    let always = subscribe_on(&mut francisco, &[("deliver", "1")]).await;
    let away = subscribe_on(&mut francisco, &[("show-values", "away")]).await;
    let silent = subscribe_on(&mut francisco, &[("deliver", "0")]).await;
    // What asks for the same stays one subscription, and so does a request without terms.
    assert_eq!(subscribe_on(&mut francisco, &[("show-values", "away")]).await, away);
    assert_eq!(subscribe(&mut francisco).await, "result");
    let path = [(PUBSUB, "pubsub"), (PUBSUB, "subscriptions")];
    for asked in ["<subscriptions/>".to_owned(), format!("<subscriptions node='{NODE}'/>")] {
        let answer = francisco.ask("get", Some(SERVICE), &pubsub(&asked)).await;
        let mut seen = listed(&answer, &path, &["subid"]);
        let mut all = vec![always.clone(), away.clone(), silent.clone()];
        seen.sort();
        all.sort();
        assert_eq!(seen, all);
    }
    // One notification, however many subscriptions it is for.
    publish(&mut hamlet, "a").await;
    assert_eq!(told_for(&mut francisco).await, [for_these("a", &[&always])]);
    francisco.send("<presence><show>away</show></presence>").await;
    francisco.round_trip().await;
    publish(&mut hamlet, "b").await;
    assert_eq!(told_for(&mut francisco).await, [for_these("b", &[&always, &away])]);
    done(&mut hamlet, &pubsub(&format!("<retract node='{NODE}' notify='1'><item id='b'/></retract>"))).await;
    assert_eq!(told_for(&mut francisco).await, [for_these("b", &[&always, &away])]);

    let options = |subid: &str| pubsub(&format!("<options node='{NODE}' jid='francisco@localhost'{subid}/>"));
    let items = |subid: &str| pubsub(&format!("<items node='{NODE}'{subid}/>"));
    let leave =
        |subid: &str| pubsub(&format!("<unsubscribe node='{NODE}' jid='francisco@localhost'{subid}/>"));
    let (named, wrong) = (format!(" subid='{away}'"), " subid='wrong'");
    for (kind, asked) in [("get", &options as &dyn Fn(&str) -> String), ("get", &items), ("set", &leave)] {
        assert_eq!(ask(&mut francisco, kind, &asked("")).await, "modify bad-request subid-required");
        assert_eq!(ask(&mut francisco, kind, &asked(wrong)).await, "modify not-acceptable invalid-subid");
        assert_eq!(ask(&mut francisco, kind, &asked(&named)).await, "result");
    }
    // The one that was named is gone, and the others are not.
    let answer = francisco.ask("get", Some(SERVICE), &pubsub("<subscriptions/>")).await;
    assert!(!listed(&answer, &path, &["subid"]).contains(&away), "{answer}");
    // With one left nothing has to be named, and nothing is noted.
    let ended = francisco.ask("set", Some(SERVICE), &leave(&format!(" subid='{silent}'"))).await;
    let seen = listed(&ended, &[(PUBSUB, "pubsub")], &["subid", "subscription"]);
    assert_eq!(seen, [format!("{silent} none")]);
    publish(&mut hamlet, "c").await;
    assert_eq!(told_for(&mut francisco).await, ["c"]);
    assert_eq!(ask(&mut francisco, "set", &leave("")).await, "result");
}

#[tokio::test]
async fn nobody_subscribes_without_end() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    let subscribe =
        |number: usize| pubsub(&format!("<subscribe node='{NODE}' jid='francisco@localhost/{number}'/>"));
    for number in 0..64 {
        done(&mut francisco, &subscribe(number)).await;
    }
    assert_eq!(
        ask(&mut francisco, "set", &subscribe(64)).await,
        "wait policy-violation too-many-subscriptions"
    );
    let jid = francisco.bare().to_owned();
    done(&mut francisco, &pubsub(&format!("<unsubscribe node='{NODE}' jid='{jid}/7'/>"))).await;
    done(&mut francisco, &subscribe(64)).await;
}

/// covers: XEP-0060 example 184; XEP-0060 example 185; XEP-0060 example 194; XEP-0060 example 195
#[tokio::test]
async fn changes_of_subscriptions_fail_one_by_one() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("access_model", "authorize"), ("send_last_published_item", "never")]).await;
    let affiliate = "<affiliation jid='bernardo@localhost' affiliation='outcast'/>";
    done(&mut hamlet, &owner(&format!("<affiliations node='{NODE}'>{affiliate}</affiliations>"))).await;
    let change = |lines: &[(&str, &str)]| {
        let lines: String = lines
            .iter()
            .map(|(whose, state)| format!("<subscription {whose} subscription='{state}'/>"))
            .collect();
        owner(&format!("<subscriptions node='{NODE}'>{lines}</subscriptions>"))
    };
    // Requests that wait do not stand in the list of subscriptions.
    assert_eq!(subscribe(&mut francisco).await, "result");
    let path = [(OWNER, "pubsub"), (OWNER, "subscriptions")];
    let read = owner(&format!("<subscriptions node='{NODE}'/>"));
    let answer = hamlet.ask("get", Some(SERVICE), &read).await;
    assert!(listed(&answer, &path, &["jid"]).is_empty(), "{answer}");

    let lines = [
        ("jid='francisco@localhost'", "subscribed"),
        ("jid='bernardo@localhost'", "subscribed"),
        ("jid='francisco@localhost' subid='wrong'", "none"),
        ("jid='horatio@localhost'", "unconfigured"),
    ];
    let answer = hamlet.ask("set", Some(SERVICE), &change(&lines)).await;
    assert_eq!(verdict(&answer), "modify not-acceptable");
    assert_eq!(answer.children().last().map(|child| child.name.as_str()), Some("error"));
    let stays = listed(&answer, &path, &["jid", "subscription"]);
    assert_eq!(
        stays,
        ["bernardo@localhost none", "francisco@localhost subscribed", "horatio@localhost none"]
    );
    // What the answer does not name was done.
    let again = subscribe_on(&mut francisco, &[("deliver", "0")]).await;
    let answer = hamlet.ask("get", Some(SERVICE), &read).await;
    assert_eq!(listed(&answer, &path, &["jid"]), ["francisco@localhost", "francisco@localhost"]);
    // One of several is ended by its id, and all of them without.
    let named = format!("jid='francisco@localhost' subid='{again}'");
    done(&mut hamlet, &change(&[(named.as_str(), "none")])).await;
    let answer = hamlet.ask("get", Some(SERVICE), &read).await;
    let left = listed(&answer, &path, &["subid"]);
    assert!(left.len() == 1 && left[0] != again, "{answer}");
    subscribe_on(&mut francisco, &[("deliver", "0")]).await;
    done(&mut hamlet, &change(&[("jid='francisco@localhost'", "none")])).await;
    let answer = hamlet.ask("get", Some(SERVICE), &read).await;
    assert!(listed(&answer, &path, &["jid"]).is_empty(), "{answer}");
}

/// covers: XEP-0060 example 208; XEP-0060 example 209
#[tokio::test]
async fn changes_of_affiliations_fail_one_by_one() {
    let (_world, mut hamlet, _francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    let change = |lines: &[(&str, &str)]| {
        let lines: String = lines
            .iter()
            .map(|(who, is)| format!("<affiliation jid='{who}@localhost' affiliation='{is}'/>"))
            .collect();
        owner(&format!("<affiliations node='{NODE}'>{lines}</affiliations>"))
    };
    let path = [(OWNER, "pubsub"), (OWNER, "affiliations")];
    let answer =
        hamlet.ask("set", Some(SERVICE), &change(&[("hamlet", "none"), ("bard", "publisher")])).await;
    assert_eq!(verdict(&answer), "modify not-acceptable");
    assert_eq!(listed(&answer, &path, &["jid", "affiliation"]), ["hamlet@localhost owner"]);
    let answer = hamlet.ask("get", Some(SERVICE), &owner(&format!("<affiliations node='{NODE}'/>"))).await;
    let seen = listed(&answer, &path, &["jid", "affiliation"]);
    assert_eq!(seen, ["bard@localhost publisher", "hamlet@localhost owner"]);
    // A node changes hands in one request.
    done(&mut hamlet, &change(&[("hamlet", "none"), ("bard", "owner")])).await;
    assert_eq!(
        ask(&mut hamlet, "get", &owner(&format!("<affiliations node='{NODE}'/>"))).await,
        "auth forbidden"
    );
}

/// Section 13.11: items are taken back together, or none of them.
#[tokio::test]
async fn items_are_taken_back_together() {
    let (_world, mut hamlet, _francisco) = stage().await;
    create(&mut hamlet, &[]).await;
    for id in ["a", "b"] {
        publish(&mut hamlet, id).await;
    }
    let retract = |items: &str| pubsub(&format!("<retract node='{NODE}'>{items}</retract>"));
    let all = "<item id='a'/><item id='b'/>";
    assert_eq!(
        ask(&mut hamlet, "set", &retract(&format!("{all}<item id='x'/>"))).await,
        "cancel item-not-found"
    );
    let items = pubsub(&format!("<items node='{NODE}'/>"));
    let path = [(PUBSUB, "pubsub"), (PUBSUB, "items")];
    let answer = hamlet.ask("get", Some(SERVICE), &items).await;
    assert_eq!(listed(&answer, &path, &["id"]), ["a", "b"]);
    done(&mut hamlet, &retract(all)).await;
    let answer = hamlet.ask("get", Some(SERVICE), &items).await;
    assert!(listed(&answer, &path, &["id"]).is_empty(), "{answer}");
}

/// Section 13.4: who can be told nothing is not told any more.
#[tokio::test]
async fn a_notification_that_comes_back_ends_the_subscription() {
    let (_world, mut hamlet, mut francisco) = stage().await;
    create(&mut hamlet, &[("notify_sub", "1")]).await;
    let jid = francisco.full().to_owned();
    done(&mut francisco, &pubsub(&format!("<subscribe node='{NODE}' jid='{jid}'/>"))).await;
    publish(&mut hamlet, "a").await;
    assert_eq!(told(&mut francisco).await, ["items item a"]);
    let bounce = |kind: &str, condition: &str| {
        format!(
            "<message type='error' to='{SERVICE}' id='n'><event xmlns='{EVENT}'><items node='{NODE}'/></event>\
             <error type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
    };
    // What may pass ends nothing.
    francisco.send(&bounce("wait", "remote-server-timeout")).await;
    francisco.round_trip().await;
    publish(&mut hamlet, "b").await;
    assert_eq!(told(&mut francisco).await, ["items item b"]);
    hamlet.settle().await;
    hamlet.clear().await;
    francisco.send(&bounce("cancel", "item-not-found")).await;
    francisco.round_trip().await;
    hamlet.settle().await;
    assert_eq!(told(&mut hamlet).await, ["subscription none"]);
    publish(&mut hamlet, "c").await;
    assert!(told(&mut francisco).await.is_empty());
}
