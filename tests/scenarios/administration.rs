//! Administrators at work with their clients: ad-hoc commands of the registry (XEP-0050) and XEP-0133.

use waxwing_tests::world::password;
use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::world::world;

const COMMANDS: &str = "http://jabber.org/protocol/commands";
const ADMIN: &str = "http://jabber.org/protocol/admin";
const DATA: &str = "jabber:x:data";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// An administrator who is there.
async fn bard(world: &World) -> Client {
    let add = ["user", "add", "bard@localhost", "--administrator", "--password-stdin"];
    world.server.admin(&add, &format!("{}\n", password("bard"))).expect("an administrator");
    let mut bard = world.existing("bard/globe").await;
    bard.ask("get", None, "<query xmlns='jabber:iq:roster'/>").await;
    bard.send("<presence/>").await;
    bard.clear().await;
    bard
}

fn node(name: &str) -> String {
    if name.starts_with("urn:") { name.to_owned() } else { format!("{ADMIN}#{name}") }
}

async fn step(client: &mut Client, name: &str, attributes: &str, content: &str) -> Element {
    let node = node(name);
    let payload = format!("<command xmlns='{COMMANDS}' node='{node}' {attributes}>{content}</command>");
    client.ask("set", Some("localhost"), &payload).await
}

fn form(fields: &[(&str, &[&str])]) -> String {
    let value = |value: &&str| format!("<value>{value}</value>");
    let field = |(var, values): &(&str, &[&str])| {
        format!("<field var='{var}'>{}</field>", values.iter().map(value).collect::<String>())
    };
    let fields: String = fields.iter().map(field).collect();
    let kind = "<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/admin</value></field>";
    format!("<x xmlns='{DATA}' type='submit'>{kind}{fields}</x>")
}

/// Asks for the form and fills it in; the command of the last answer.
async fn fill(client: &mut Client, name: &str, fields: &[(&str, &[&str])]) -> Element {
    let asked = step(client, name, "action='execute'", "").await;
    let command = asked.find(COMMANDS, "command").unwrap_or_else(|| panic!("{name}: {asked}"));
    assert_eq!(command.attr("status"), Some("executing"), "{name}: {asked}");
    let offered = command.find(DATA, "x").unwrap_or_else(|| panic!("no form: {asked}"));
    assert_eq!(values(offered, "FORM_TYPE"), [ADMIN]);
    for (var, _) in fields {
        let there = offered.children().any(|field| field.attr("var") == Some(var));
        assert!(there, "{name} does not ask for {var}: {asked}");
    }
    let session = format!("sessionid='{}'", command.attr("sessionid").expect("a session"));
    step(client, name, &session, &form(fields)).await
}

/// The same, for what has to succeed.
async fn done(client: &mut Client, name: &str, fields: &[(&str, &[&str])]) -> Element {
    let answer = fill(client, name, fields).await;
    completed(name, &answer)
}

fn completed(name: &str, answer: &Element) -> Element {
    let command = answer.find(COMMANDS, "command").unwrap_or_else(|| panic!("{name}: {answer}"));
    assert_eq!(command.attr("status"), Some("completed"), "{name}: {answer}");
    assert_eq!(command.attr("node"), Some(node(name).as_str()));
    command.clone()
}

/// What needs no form.
async fn at_once(client: &mut Client, name: &str) -> Element {
    let answer = step(client, name, "action='execute'", "").await;
    completed(name, &answer)
}

fn values(form: &Element, var: &str) -> Vec<String> {
    let field = form.children().find(|field| field.attr("var") == Some(var));
    let field = field.unwrap_or_else(|| panic!("no {var}: {form}"));
    field.children().filter(|child| child.name == "value").map(Element::text).collect()
}

/// The values of a field of the form in an answer.
fn told(command: &Element, var: &str) -> Vec<String> {
    values(command.find(DATA, "x").unwrap_or_else(|| panic!("no form: {command}")), var)
}

async fn signs_in(world: &World, user: &str, secret: &str) -> bool {
    let mut client = world.secured().await;
    client.authenticate("SCRAM-SHA-256", user, secret).await.unwrap().name == "success"
}

/// covers: XEP-0133 example 1; XEP-0133 example 2; XEP-0133 example 3; XEP-0133 example 4
/// covers: XEP-0133 example 21; XEP-0133 example 22; XEP-0133 example 23; XEP-0133 example 24
/// covers: XEP-0050 example 10; XEP-0050 example 11; XEP-0050 example 12; XEP-0050 example 13
#[tokio::test]
async fn an_account_is_added_and_its_password_changed() {
    let world = world().await;
    let mut bard = bard(&world).await;
    let juliet: &[(&str, &[&str])] = &[
        ("accountjid", &["juliet@localhost"]),
        ("password", &["R0m30-wherefore"]),
        ("password-verify", &["R0m30-wherefore"]),
        ("email", &["juliet@capulet.com"]),
        ("given_name", &["Juliet"]),
        ("surname", &["Capulet"]),
    ];
    done(&mut bard, "add-user", juliet).await;
    assert!(signs_in(&world, "juliet", "R0m30-wherefore").await);
    let card = bard.ask("get", Some("juliet@localhost"), "<vCard xmlns='vcard-temp'/>").await;
    assert_eq!(card.find("vcard-temp", "GIVEN").map(Element::text).as_deref(), Some("Juliet"), "{card}");
    let again = fill(&mut bard, "add-user", juliet).await;
    assert!(again.find(STANZAS, "conflict").is_some(), "{again}");
    let change: &[(&str, &[&str])] =
        &[("accountjid", &["juliet@localhost"]), ("password", &["V3r0n4-forever"])];
    done(&mut bard, "change-user-password", change).await;
    assert!(!signs_in(&world, "juliet", "R0m30-wherefore").await);
    assert!(signs_in(&world, "juliet", "V3r0n4-forever").await);
    let audit = world.server.admin(&["audit", "--json"], "").unwrap();
    assert!(audit.contains("bard@localhost") && !audit.contains("V3r0n4"), "{audit}");
}

/// covers: XEP-0133 example 9; XEP-0133 example 10; XEP-0133 example 11; XEP-0133 example 12
/// covers: XEP-0133 example 13; XEP-0133 example 14; XEP-0133 example 15; XEP-0133 example 16
/// covers: XEP-0133 example 17; XEP-0133 example 18; XEP-0133 example 19; XEP-0133 example 20
/// covers: XEP-0133 example 5; XEP-0133 example 6; XEP-0133 example 7; XEP-0133 example 8
#[tokio::test]
async fn accounts_are_disabled_enabled_ended_and_deleted() {
    let world = world().await;
    let mut bard = bard(&world).await;
    let [mut orchard, mut garden] = world.all_online(["romeo/orchard", "romeo/garden"]).await;
    done(&mut bard, "end-user-session", &[("accountjids", &["romeo@localhost/garden"])]).await;
    while let Ok(Some(_)) = garden.next_item().await {}
    orchard.round_trip().await;
    let both: &[(&str, &[&str])] = &[("accountjids", &["romeo@localhost", "nobody@localhost"])];
    let some = done(&mut bard, "disable-user", both).await;
    let note = some.find(COMMANDS, "note").unwrap_or_else(|| panic!("nobody was missed: {some}"));
    assert_eq!(note.attr("type"), Some("error"));
    while let Ok(Some(_)) = orchard.next_item().await {}
    assert!(!signs_in(&world, "romeo", &password("romeo")).await);
    done(&mut bard, "reenable-user", &[("accountjids", &["romeo@localhost"])]).await;
    assert!(signs_in(&world, "romeo", &password("romeo")).await);
    done(&mut bard, "delete-user", &[("accountjids", &["romeo@localhost"])]).await;
    assert!(!signs_in(&world, "romeo", &password("romeo")).await);
    let gone = fill(&mut bard, "delete-user", &[("accountjids", &["romeo@localhost"])]).await;
    assert!(gone.find(STANZAS, "item-not-found").is_some(), "{gone}");
}

/// covers: XEP-0133 example 25; XEP-0133 example 26; XEP-0133 example 27; XEP-0133 example 28
/// covers: XEP-0133 example 29; XEP-0133 example 30; XEP-0133 example 31; XEP-0133 example 32
/// covers: XEP-0133 example 33; XEP-0133 example 34; XEP-0133 example 35; XEP-0133 example 36
#[tokio::test]
async fn what_is_known_of_an_account_is_told() {
    let world = world().await;
    let mut bard = bard(&world).await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    let roster = done(&mut bard, "get-user-roster", &[("accountjids", &["romeo@localhost"])]).await;
    let item = roster.find("jabber:iq:roster", "item").unwrap_or_else(|| panic!("no contact: {roster}"));
    assert_eq!((item.attr("jid"), item.attr("subscription")), (Some("juliet@localhost"), Some("both")));
    let last = done(&mut bard, "get-user-lastlogin", &[("accountjids", &["romeo@localhost"])]).await;
    assert!(told(&last, "lastlogin")[0].ends_with('Z'), "{last}");
    let statistics = done(&mut bard, "user-stats", &[("accountjid", &["romeo@localhost"])]).await;
    assert_eq!(told(&statistics, "ipaddresses"), ["127.0.0.1"]);
    assert_eq!(told(&statistics, "rostersize"), ["1"]);
    assert_eq!(told(&statistics, "onlineresources"), ["orchard"]);
}

/// covers: XEP-0133 example 45; XEP-0133 example 46; XEP-0133 example 47; XEP-0133 example 48
/// covers: XEP-0133 example 49; XEP-0133 example 50; XEP-0133 example 51; XEP-0133 example 52
/// covers: XEP-0133 example 53; XEP-0133 example 54
/// covers: XEP-0133 example 55; XEP-0133 example 56; XEP-0133 example 57; XEP-0133 example 58
/// covers: XEP-0133 example 59; XEP-0133 example 60; XEP-0133 example 61; XEP-0133 example 62
/// covers: XEP-0133 example 63; XEP-0133 example 64; XEP-0133 example 65; XEP-0133 example 66
/// covers: XEP-0133 example 67; XEP-0133 example 68; XEP-0133 example 69; XEP-0133 example 70
/// covers: XEP-0133 example 71; XEP-0133 example 72; XEP-0133 example 73; XEP-0133 example 74
/// covers: XEP-0050 example 8; XEP-0050 example 9
#[tokio::test]
async fn everybody_is_counted_and_listed() {
    let world = world().await;
    let mut bard = bard(&world).await;
    let mut juliet = world.online("juliet/balcony").await;
    juliet.send("<presence><show>away</show></presence>").await;
    juliet.round_trip().await;
    world.user("tybalt");
    done(&mut bard, "disable-user", &[("accountjids", &["tybalt@localhost"])]).await;
    // The first start made an administrator of its own.
    for (name, var, number) in [
        ("get-registered-users-num", "registeredusersnum", "4"),
        ("get-disabled-users-num", "disabledusersnum", "1"),
        ("get-online-users-num", "onlineusersnum", "2"),
        ("get-active-users-num", "activeusersnum", "1"),
        ("get-idle-users-num", "idleusersnum", "1"),
    ] {
        assert_eq!(told(&at_once(&mut bard, name).await, var), [number], "{name}");
    }
    for (name, var, people) in [
        ("get-registered-users-list", "registereduserjids", &["admin", "bard", "juliet", "tybalt"][..]),
        ("get-disabled-users-list", "disableduserjids", &["tybalt"]),
        ("get-online-users-list", "onlineuserjids", &["bard", "juliet"]),
        ("get-active-users", "activeuserjids", &["bard"]),
        ("get-idle-users", "activeuserjids", &["juliet"]),
    ] {
        let listed = done(&mut bard, name, &[("max_items", &["25"])]).await;
        let people: Vec<String> = people.iter().map(|name| format!("{name}@localhost")).collect();
        assert_eq!(told(&listed, var), people, "{name}");
    }
}

/// covers: XEP-0133 example 37; XEP-0133 example 38; XEP-0133 example 39; XEP-0133 example 40
#[tokio::test]
async fn the_blacklist_is_edited() {
    let world = world().await;
    let mut bard = bard(&world).await;
    let list: &[&str] = &["denmark.lit", "france.lit", "marlowe.lit"];
    done(&mut bard, "edit-blacklist", &[("blacklistjids", list)]).await;
    let asked = step(&mut bard, "edit-blacklist", "action='execute'", "").await;
    let asked = asked.find(COMMANDS, "command").cloned().unwrap_or_else(|| panic!("{asked}"));
    assert_eq!(told(&asked, "blacklistjids"), list);
    let listed = world.server.admin(&["federation", "blocked"], "").unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), list);
}

/// covers: XEP-0133 example 41; XEP-0133 example 42; XEP-0133 example 43; XEP-0133 example 44
#[tokio::test]
async fn the_whitelist_is_edited() {
    let world = world().await;
    let mut bard = bard(&world).await;
    let list: &[&str] = &["capulet.invalid", "england.invalid", "montague.invalid"];
    done(&mut bard, "edit-whitelist", &[("whitelistjids", list)]).await;
    let asked = step(&mut bard, "edit-whitelist", "action='execute'", "").await;
    let asked = asked.find(COMMANDS, "command").cloned().unwrap_or_else(|| panic!("{asked}"));
    assert_eq!(told(&asked, "whitelistjids"), list);
    let listed = world.server.admin(&["federation", "admitted"], "").unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), list);
}

/// covers: XEP-0133 example 75; XEP-0133 example 76; XEP-0133 example 77; XEP-0133 example 78
/// covers: XEP-0133 example 79; XEP-0133 example 80; XEP-0133 example 81; XEP-0133 example 82
/// covers: XEP-0133 example 83; XEP-0133 example 84; XEP-0133 example 85; XEP-0133 example 86
/// covers: XEP-0133 example 87; XEP-0133 example 88
#[tokio::test]
async fn everybody_is_told() {
    let mut world = world().await;
    let mut bard = bard(&world).await;
    let mut romeo = world.online("romeo/orchard").await;
    done(&mut bard, "announce", &[("announcement", &["The play", "begins."])]).await;
    let body = "<body>The play\nbegins.</body>";
    romeo.expect(&format!("<message type='headline' from='localhost'>{body}</message>")).await;
    done(&mut bard, "set-motd", &[("motd", &["The Globe opens."])]).await;
    let motd = "<message from='localhost'><body>The Globe opens.</body></message>";
    romeo.expect(motd).await;
    bard.clear().await;
    world.online("juliet/balcony").await.expect(motd).await;
    world.online("juliet/chamber").await.expect_nothing().await;
    let asked = step(&mut bard, "edit-motd", "action='execute'", "").await;
    let asked = asked.find(COMMANDS, "command").cloned().unwrap_or_else(|| panic!("{asked}"));
    assert_eq!(told(&asked, "motd"), ["The Globe opens."]);
    done(&mut bard, "edit-motd", &[("motd", &["The Globe reopens."])]).await;
    world.online("romeo/garden").await.expect_nothing().await;
    // It outlives the server.
    world.server.terminate().unwrap();
    world.server.launch().unwrap();
    world
        .online("nurse/kitchen")
        .await
        .expect("<message from='localhost'><body>The Globe reopens.</body></message>")
        .await;
    world.online("juliet/garden").await.expect_nothing().await;
    let mut bard = world.existing("bard/globe").await;
    at_once(&mut bard, "delete-motd").await;
    world.online("tybalt/street").await.expect_nothing().await;
    let gone = step(&mut bard, "delete-motd", "", "").await;
    assert!(gone.find(STANZAS, "item-not-found").is_some(), "{gone}");
}

/// covers: XEP-0133 example 89; XEP-0133 example 90; XEP-0133 example 91; XEP-0133 example 92
/// covers: XEP-0133 example 93; XEP-0133 example 94
#[tokio::test]
async fn newcomers_are_welcomed() {
    let world = world().await;
    let mut bard = bard(&world).await;
    world.online("juliet/balcony").await.close().await;
    done(&mut bard, "set-welcome", &[("welcome", &["Welcome to Verona."])]).await;
    let asked = step(&mut bard, "set-welcome", "action='execute'", "").await;
    let asked = asked.find(COMMANDS, "command").cloned().unwrap_or_else(|| panic!("{asked}"));
    assert_eq!(told(&asked, "welcome"), ["Welcome to Verona."]);
    let welcome = "<message from='localhost'><body>Welcome to Verona.</body>{...}</message>";
    let mut orchard = world.online("romeo/orchard").await;
    orchard.expect(welcome).await;
    // What a client has not confirmed would wait for the next one.
    orchard.settle().await;
    world.online("romeo/garden").await.expect_nothing().await;
    world.online("juliet/balcony").await.expect_nothing().await;
    at_once(&mut bard, "delete-welcome").await;
    world.online("tybalt/street").await.expect_nothing().await;
}

/// covers: XEP-0133 example 95; XEP-0133 example 96; XEP-0133 example 97; XEP-0133 example 98
/// covers: XEP-0133 5; XEP-0133 6; XEP-0050 2.1; XEP-0050 2.2
/// covers: XEP-0050 example 3; XEP-0050 example 4; XEP-0050 example 5; XEP-0050 example 6
#[tokio::test]
async fn only_administrators_have_commands_and_they_choose_who_is_one() {
    let world = world().await;
    let mut bard = bard(&world).await;
    let mut romeo = world.online("romeo/orchard").await;
    let nodes = async |client: &mut Client| {
        let answer = client
            .ask("get", Some("localhost"), &format!("<query xmlns='{ITEMS}' node='{COMMANDS}'/>"))
            .await;
        let query = answer.find(ITEMS, "query").cloned().unwrap_or_else(|| panic!("{answer}"));
        query.children().filter_map(|item| item.attr("node").map(str::to_owned)).collect::<Vec<_>>()
    };
    let ours = "urn:waxwing:command:";
    let special =
        |nodes: &[String]| nodes.iter().filter(|n| n.starts_with(ADMIN) || n.starts_with(ours)).count();
    assert_eq!(special(&nodes(&mut romeo).await), 0);
    for name in ["add-user", "shutdown", "get-user-password", "urn:waxwing:command:user-list"] {
        let answer = step(&mut romeo, name, "", "").await;
        assert!(answer.find(STANZAS, "forbidden").is_some(), "{name}: {answer}");
    }
    let node = node("add-user");
    let info = format!("<query xmlns='{INFO}' node='{node}'/>");
    let hidden = romeo.ask("get", Some("localhost"), &info).await;
    assert!(hidden.find(STANZAS, "forbidden").is_some(), "{hidden}");
    let shown = bard.ask("get", Some("localhost"), &info).await;
    let identity = shown.find(INFO, "identity").unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(identity.attr("type"), Some("command-node"));
    assert!(special(&nodes(&mut bard).await) > 50);
    let refused = step(&mut bard, "get-user-password", "", "").await;
    assert!(refused.find(STANZAS, "feature-not-implemented").is_some(), "{refused}");
    let all: &[&str] = &["admin@localhost", "bard@localhost", "romeo@localhost"];
    done(&mut bard, "edit-admin", &[("adminjids", all)]).await;
    assert!(special(&nodes(&mut romeo).await) > 50);
    done(&mut romeo, "edit-admin", &[("adminjids", &["romeo@localhost"])]).await;
    assert_eq!(special(&nodes(&mut bard).await), 0);
    let refused = step(&mut bard, "announce", "", "").await;
    assert!(refused.find(STANZAS, "forbidden").is_some(), "{refused}");
}

/// covers: XEP-0133 example 99; XEP-0133 example 100; XEP-0133 example 101; XEP-0133 example 102
/// covers: XEP-0133 example 103; XEP-0133 example 104; XEP-0133 example 105; XEP-0133 example 106
#[tokio::test]
async fn the_server_is_restarted_and_shut_down() {
    let mut world = world().await;
    let mut bard = bard(&world).await;
    let asked = step(&mut bard, "restart", "action='execute'", "").await;
    assert!(asked.find(DATA, "x").is_some(), "{asked}");
    let pid = world.server.pid();
    world.server.restart().unwrap();
    assert_eq!(world.server.pid(), pid);
    let mut bard = world.existing("bard/globe").await;
    let mut romeo = world.online("romeo/orchard").await;
    let wrong = fill(&mut bard, "shutdown", &[("delay", &["soon"])]).await;
    assert!(wrong.find(STANZAS, "not-acceptable").is_some(), "{wrong}");
    let answer = fill(&mut bard, "shutdown", &[("announcement", &["Good night."])]).await;
    completed("shutdown", &answer);
    romeo.expect("<message type='headline' from='localhost'><body>Good night.</body></message>").await;
    romeo.expect_stream_error("system-shutdown").await;
    assert!(world.server.wait().unwrap().success());
}

/// What the registry has beyond XEP-0133, by forms drawn from what each command takes.
/// covers: XEP-0050 2.4; XEP-0050 3.4; XEP-0050 4.3; XEP-0050 example 18; XEP-0050 example 19
#[tokio::test]
async fn every_command_of_the_registry_has_its_form() {
    let world = world().await;
    let mut bard = bard(&world).await;
    let status = step(&mut bard, "urn:waxwing:command:status", "", "").await;
    let status = completed("urn:waxwing:command:status", &status);
    assert_eq!(told(&status, "sessions"), ["1"]);
    let create = "urn:waxwing:command:room-create";
    let asked = step(&mut bard, create, "", "").await;
    let command = asked.find(COMMANDS, "command").unwrap_or_else(|| panic!("{asked}"));
    assert_eq!(command.attr("status"), Some("executing"));
    let session = format!("sessionid='{}' action='cancel'", command.attr("sessionid").unwrap());
    let cancelled = step(&mut bard, create, &session, "").await;
    let command = cancelled.find(COMMANDS, "command").unwrap_or_else(|| panic!("{cancelled}"));
    assert_eq!(command.attr("status"), Some("canceled"));
    let fields: &[(&str, &[&str])] = &[("room", &["globe@rooms.localhost"]), ("owner", &["bard@localhost"])];
    let made = step(&mut bard, create, "", &form(fields)).await;
    let made = completed(create, &made);
    assert!(made.find(COMMANDS, "note").is_some(), "{made}");
    let listed = step(&mut bard, "urn:waxwing:command:room-list", "", &form(&[])).await;
    let listed = completed("urn:waxwing:command:room-list", &listed);
    let form = listed.find(DATA, "x").unwrap();
    let item = form.children().find(|child| child.name == "item").unwrap_or_else(|| panic!("{form}"));
    assert_eq!(values(item, "room"), ["globe@rooms.localhost"]);
    let backup = step(&mut bard, "urn:waxwing:command:backup", "", "").await;
    assert!(backup.find(STANZAS, "item-not-found").is_some(), "{backup}");
}
