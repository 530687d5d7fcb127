//! The commands of a room (XEP-0050): what its admins and owners do by forms.

use super::*;

const COMMANDS: &str = "http://jabber.org/protocol/commands";
const DATA: &str = "jabber:x:data";
const LIST: &str =
    "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>";

fn payload(end: &str, action: &str, fields: Option<&[(&str, &[&str])]>) -> String {
    let value = |value: &&str| format!("<value>{value}</value>");
    let field = |(var, values): &(&str, &[&str])| {
        format!("<field var='{var}'>{}</field>", values.iter().map(value).collect::<String>())
    };
    let form = fields.map(|fields| {
        format!("<x xmlns='{DATA}' type='submit'>{}</x>", fields.iter().map(field).collect::<String>())
    });
    let form = form.unwrap_or_default();
    format!("<command xmlns='{COMMANDS}' node='urn:waxwing:room:{end}' action='{action}'>{form}</command>")
}

/// Fills in a command's form; answers the error, or how far it came.
async fn fill(client: &mut Client, end: &str, fields: &[(&str, &[&str])]) -> String {
    said(&client.ask("set", Some(ROOM), &payload(end, "complete", Some(fields))).await)
}

async fn begin(client: &mut Client, end: &str) -> Element {
    client.ask("set", Some(ROOM), &payload(end, "execute", None)).await
}

fn said(answer: &Element) -> String {
    let status = answer.find(COMMANDS, "command").and_then(|command| command.attr("status"));
    status.map_or_else(|| outcome(answer), str::to_owned)
}

/// The lines of the table that a command answers, without what is empty.
fn lines(answer: &Element) -> Vec<String> {
    let form = answer.find(DATA, "x").unwrap_or_else(|| panic!("{answer}"));
    let items = form.children().filter(|child| child.name == "item");
    items
        .map(|item| {
            let values = item.children().flat_map(|field| field.children().map(|value| value.text()));
            let cells: Vec<String> = values.filter(|text| !text.is_empty()).collect();
            cells.join(" ")
        })
        .collect()
}

async fn offered(client: &mut Client) -> Vec<String> {
    let answer = client.ask("get", Some(ROOM), LIST).await;
    let query = answer.children().next().expect("a query");
    let nodes = query.children().filter_map(|item| item.attr("node"));
    nodes.filter_map(|node| node.strip_prefix("urn:waxwing:room:")).map(str::to_owned).collect()
}

/// Each sees, and may run, what he may do.
#[tokio::test]
async fn a_room_offers_commands_to_those_who_run_it() {
    let world = world().await;
    let mut crone = owner(&world, &[("muc#roomconfig_persistentroom", &["1"])]).await;
    let mut wise = entered(&world, "wise/desk", "wise").await;
    let mut hag = entered(&world, "hag/pda", "hag").await;
    affiliate(&mut crone, "wise", "admin").await;
    let admins = ["affiliated", "affiliate", "occupants", "change-role", "set-subject"];
    let all = [&admins[..], &["configure", "destroy"]].concat();
    assert_eq!(offered(&mut crone).await, all);
    assert_eq!(offered(&mut wise).await, admins);
    assert!(offered(&mut hag).await.is_empty());
    for end in &all {
        assert_eq!(said(&begin(&mut hag, end).await), "auth forbidden", "{end}");
        assert_eq!(fill(&mut hag, end, &[]).await, "auth forbidden", "{end}");
    }
    for end in ["configure", "destroy"] {
        assert_eq!(said(&begin(&mut wise, end).await), "auth forbidden", "{end}");
    }
    assert_eq!(said(&begin(&mut crone, "dance").await), "cancel item-not-found");
    let about = format!(
        "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:waxwing:room:{}'/>",
        "configure"
    );
    assert!(crone.ask("get", Some(ROOM), &about).await.to_string().contains("command-node"));
    assert_eq!(outcome(&wise.ask("get", Some(ROOM), &about).await), "auth forbidden");
    let cancelled = crone.ask("set", Some(ROOM), &payload("destroy", "cancel", None)).await;
    assert_eq!(said(&cancelled), "canceled");
}

#[tokio::test]
async fn admins_run_a_room_by_commands() {
    let world = world().await;
    let mut crone = owner(&world, &[("muc#roomconfig_persistentroom", &["1"])]).await;
    let mut wise = entered(&world, "wise/desk", "wise").await;
    affiliate(&mut crone, "wise", "admin").await;
    let mut hag = entered(&world, "hag/pda", "hag").await;
    assert_eq!(said(&begin(&mut wise, "affiliate").await), "executing");
    let two: &[(&str, &[&str])] = &[
        ("people", &["hag@localhost", "iago@venice.example"]),
        ("affiliation", &["member"]),
        ("reason", &["A worthy witch!"]),
    ];
    assert_eq!(fill(&mut wise, "affiliate", two).await, "completed");
    let listed = lines(&begin(&mut crone, "affiliated").await);
    assert_eq!(
        listed,
        [
            "crone@localhost firstwitch owner moderator",
            "wise@localhost wise admin moderator",
            "hag@localhost hag member participant A worthy witch!",
            "iago@venice.example member A worthy witch!",
        ]
    );
    // What an admin may not do by a command either.
    let owners: &[(&str, &[&str])] = &[("people", &["hag@localhost"]), ("affiliation", &["owner"])];
    assert_eq!(fill(&mut wise, "affiliate", owners).await, "auth forbidden");
    for wrong in [
        &[("people", &["hag@localhost"][..]), ("affiliation", &["king"][..])][..],
        &[("affiliation", &["member"][..])][..],
    ] {
        assert_eq!(fill(&mut wise, "affiliate", wrong).await, "modify bad-request");
    }
    let present = lines(&begin(&mut wise, "occupants").await);
    assert_eq!(present.len(), 3, "{present:?}");
    quiet([&mut crone, &mut wise, &mut hag]).await;
    assert_eq!(fill(&mut wise, "set-subject", &[("subject", &["Fire burn"])]).await, "completed");
    let subject = |stanzas: Vec<Element>| {
        let mut children = stanzas.iter().flat_map(Element::children);
        children.any(|child| child.name == "subject" && child.text() == "Fire burn")
    };
    hag.round_trip().await;
    assert!(subject(hag.drain().await));
    let out: &[(&str, &[&str])] = &[("nick", &["hag"]), ("role", &["none"]), ("reason", &["Avaunt"])];
    assert_eq!(fill(&mut wise, "change-role", out).await, "completed");
    hag.round_trip().await;
    let told = hag.drain().await;
    assert!(told.iter().any(|one| one.to_string().contains("307")), "{told:?}");
    assert_eq!(fill(&mut wise, "change-role", out).await, "cancel item-not-found");
}

#[tokio::test]
async fn owners_configure_and_destroy_a_room_by_commands() {
    let world = world().await;
    let mut crone = owner(&world, &[("muc#roomconfig_persistentroom", &["1"])]).await;
    let mut hag = entered(&world, "hag/pda", "hag").await;
    quiet([&mut crone, &mut hag]).await;
    let asked = begin(&mut crone, "configure").await;
    assert!(asked.to_string().contains("muc#roomconfig_roomname"), "{asked}");
    let configured = payload(
        "configure",
        "complete",
        Some(&[
            ("FORM_TYPE", &["http://jabber.org/protocol/muc#roomconfig"]),
            ("muc#roomconfig_roomname", &["A Dark Cave"]),
        ]),
    );
    assert_eq!(said(&crone.ask("set", Some(ROOM), &configured).await), "completed");
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    assert!(hag.ask("get", Some(ROOM), info).await.to_string().contains("A Dark Cave"));
    hag.clear().await;
    let farewell: &[(&str, &[&str])] = &[
        ("reason", &["Macbeth doth come."]),
        ("alternate", &["coven@rooms.localhost"]),
        ("password", &["cauldron"]),
    ];
    assert_eq!(fill(&mut crone, "destroy", farewell).await, "completed");
    hag.round_trip().await;
    let told = hag.drain().await;
    let gone = told.iter().map(ToString::to_string).find(|one| one.contains("destroy")).expect("a farewell");
    for part in ["coven@rooms.localhost", "cauldron", "Macbeth doth come."] {
        assert!(gone.contains(part), "{gone}");
    }
    assert_eq!(said(&begin(&mut crone, "destroy").await), "cancel item-not-found");
}
