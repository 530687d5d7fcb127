//! Accounts: registration in-band (XEP-0077) and by invitation (XEP-0379, 0401, 0445), passwords, disabling.

use waxwing_tests::world::password;
use waxwing_tests::xml::Element;
use waxwing_tests::{Client, Setup, World};

use crate::world::{world, world_with};

const REGISTER: &str = "jabber:iq:register";
const COMMANDS: &str = "http://jabber.org/protocol/commands";
const DATA: &str = "jabber:x:data";
const PARS: &str = "urn:xmpp:pars:0";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// Registers on a stream that nobody has signed in on.
async fn register(client: &mut Client, user: &str) -> Element {
    let payload = format!(
        "<query xmlns='{REGISTER}'><username>{user}</username><password>{}</password></query>",
        password(user)
    );
    client.ask("set", Some("localhost"), &payload).await
}

/// The link of an invitation that an account makes.
async fn invite(client: &mut Client, node: &str, form: &str) -> String {
    let start = format!("<command xmlns='{COMMANDS}' node='{node}' action='execute'/>");
    let mut answer = client.ask("set", Some("localhost"), &start).await;
    let session = answer
        .find(COMMANDS, "command")
        .and_then(|command| command.attr("sessionid"))
        .unwrap_or_default()
        .to_owned();
    if answer.find(COMMANDS, "command").and_then(|command| command.attr("status")) == Some("executing") {
        let next = format!(
            "<command xmlns='{COMMANDS}' node='{node}' sessionid='{session}'><x xmlns='{DATA}' type='submit'>{form}</x></command>"
        );
        answer = client.ask("set", Some("localhost"), &next).await;
    }
    let form = answer.find(DATA, "x").unwrap_or_else(|| panic!("no invitation: {answer}"));
    let field = form.children().find(|field| field.attr("var") == Some("uri")).expect("a link");
    field.children().map(Element::text).collect()
}

/// The part of a link with this name.
fn part(uri: &str, name: &str) -> String {
    let parts = uri.split(['?', ';', '&']);
    parts.filter_map(|part| part.strip_prefix(name)?.strip_prefix('=')).next().unwrap_or_default().to_owned()
}

async fn signs_in(world: &World, user: &str, secret: &str) -> bool {
    let mut client = world.secured().await;
    client.authenticate("SCRAM-SHA-256", user, secret).await.unwrap().name == "success"
}

/// covers: XEP-0077 3.1; XEP-0077 off
#[tokio::test]
async fn nobody_registers_unasked() {
    let world = world().await;
    let mut client = world.secured().await;
    let answer = register(&mut client, "stranger").await;
    assert_eq!(answer.attr("type"), Some("error"), "{answer}");
    assert!(!signs_in(&world, "stranger", &password("stranger")).await);
}

/// covers: XEP-0077 3.3; XEP-0077 3.1 registered
#[tokio::test]
async fn a_password_is_changed() {
    let world = world().await;
    let mut romeo = world.connected("romeo/orchard").await;
    let mut other = world.connected("romeo/other").await;
    let query = |user: &str| {
        format!(
            "<query xmlns='{REGISTER}'><username>{user}</username><password>a-new-secret-9</password></query>"
        )
    };
    world.user("tybalt");
    let answer = romeo.ask("set", Some("localhost"), &query("tybalt")).await;
    assert_eq!(answer.attr("type"), Some("error"), "another's password: {answer}");
    let answer = romeo.ask("set", Some("localhost"), &query("romeo")).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    assert!(!signs_in(&world, "romeo", &password("romeo")).await);
    assert!(signs_in(&world, "romeo", "a-new-secret-9").await);
    assert!(signs_in(&world, "tybalt", &password("tybalt")).await);
    // The other session was opened with the old password.
    while let Ok(Some(_)) = other.next_item().await {}
}

/// covers: XEP-0077 3.2
#[tokio::test]
async fn an_account_is_removed() {
    let world = world().await;
    let mut romeo = world.connected("romeo/orchard").await;
    romeo.send(&format!("<iq type='set' id='x'><query xmlns='{REGISTER}'><remove/></query></iq>")).await;
    let answer = romeo.next().await.unwrap();
    assert!(answer.attr("type") == Some("result") || answer.name == "error", "{answer}");
    while let Ok(Some(_)) = romeo.next_item().await {}
    assert!(!signs_in(&world, "romeo", &password("romeo")).await);
}

/// covers: XEP-0401 4; XEP-0445 3; XEP-0445 4; XEP-0379 4.1
#[tokio::test]
async fn a_member_invites_a_friend_who_registers() {
    let world = world_with(Setup::default().section("[xmpp]\nmembers_invite_accounts = true")).await;
    let mut romeo = world.online("romeo/orchard").await;
    let uri = invite(&mut romeo, "urn:xmpp:invite#invite", "").await;
    assert!(uri.starts_with("xmpp:romeo@localhost?roster"), "{uri}");
    let token = part(&uri, "preauth");
    assert!(token.len() >= 16, "{uri}");
    let mut client = world.secured().await;
    let feature = client.features.children().any(|feature| feature.is("urn:xmpp:ibr-token:0", "register"));
    assert!(feature, "{}", client.features);
    let wrong =
        client.ask("set", Some("localhost"), &format!("<preauth xmlns='{PARS}' token='wrong'/>")).await;
    assert!(wrong.find(STANZAS, "item-not-found").is_some(), "{wrong}");
    let right =
        client.ask("set", Some("localhost"), &format!("<preauth xmlns='{PARS}' token='{token}'/>")).await;
    assert_eq!(right.attr("type"), Some("result"), "{right}");
    let answer = register(&mut client, "benvolio").await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    assert!(signs_in(&world, "benvolio", &password("benvolio")).await);
    // An invitation is used once.
    let mut second = world.secured().await;
    let again =
        second.ask("set", Some("localhost"), &format!("<preauth xmlns='{PARS}' token='{token}'/>")).await;
    let refused = again.attr("type") == Some("error")
        || register(&mut second, "balthasar").await.attr("type") == Some("error");
    assert!(refused);
}

/// covers: XEP-0379 3.3; XEP-0379 3.4
#[tokio::test]
async fn an_invited_contact_is_approved_at_once() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    let uri = invite(&mut romeo, "urn:xmpp:invite#invite", "").await;
    let token = part(&uri, "preauth");
    juliet.send(&format!("<presence to='romeo@localhost' type='subscribe'><preauth xmlns='{PARS}' token='{token}'/></presence>")).await;
    juliet.settle().await;
    let given = juliet.drain().await;
    let kinds: Vec<&str> = given.iter().filter_map(|element| element.attr("type")).collect();
    assert!(kinds.contains(&"subscribed"), "{given:?}");
    let roster = juliet.ask("get", None, "<query xmlns='jabber:iq:roster'/>").await;
    let item = roster.find("jabber:iq:roster", "item").expect("the inviter");
    assert!(matches!(item.attr("subscription"), Some("to" | "both")), "{item}");
}

/// What an organisation wants: its members make contacts by invitation, and only administrators make accounts.
/// covers: XEP-0401 5.1 ibr
#[tokio::test]
async fn a_members_invitation_makes_no_account() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let uri = invite(&mut romeo, "urn:xmpp:invite#invite", "").await;
    assert!(!uri.contains("ibr=y"), "{uri}");
    let token = part(&uri, "preauth");
    let mut client = world.secured().await;
    let preauth = format!("<preauth xmlns='{PARS}' token='{token}'/>");
    let answer = client.ask("set", Some("localhost"), &preauth).await;
    assert_eq!(answer.attr("type"), Some("error"), "{answer}");
    let answer = register(&mut client, "benvolio").await;
    assert_eq!(answer.attr("type"), Some("error"), "{answer}");
    assert!(!signs_in(&world, "benvolio", &password("benvolio")).await);
}

/// covers: XEP-0401 5.2; XEP-0379 3.3 page
#[tokio::test]
async fn an_invitation_has_a_page() {
    let section = "[http]\ninvitation_url = \"https://chat.example/{domain}/\"";
    let world = world_with(Setup::default().section(section)).await;
    let made = world.server.admin(&["invite", "create", "--username", "benvolio", "--json"], "").unwrap();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let token = made["token"].as_str().expect("a token");
    assert_eq!(made["page"], format!("https://chat.example/localhost/{token}"));
    let shown = world.server.admin(&["invite", "create"], "").unwrap();
    assert!(
        shown.contains("https://chat.example/localhost/") && shown.contains("xmpp:localhost?register"),
        "{shown}"
    );
    let (head, body) = world.get(&format!("/invite/{token}")).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let head = head.to_ascii_lowercase();
    for wanted in [
        "content-type: text/html",
        "default-src 'none'; style-src 'self'",
        "referrer-policy: no-referrer",
        "no-store",
    ] {
        assert!(head.contains(wanted), "{wanted}: {head}");
    }
    assert!(body.contains("benvolio@localhost"), "{body}");
    assert!(body.contains(&format!("href=\"{}\"", made["uri"].as_str().expect("a link"))), "{body}");
    assert!(body.contains("lang=\"en\"") && !body.contains("<script"), "{body}");
    let (head, _) = world.get("/invite/style.css").await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/css"), "{head}");
    // It is a page about the invitation, and looking at it does not use it up.
    let mut client = world.secured().await;
    let preauth = format!("<preauth xmlns='{PARS}' token='{token}'/>");
    assert_eq!(client.ask("set", Some("localhost"), &preauth).await.attr("type"), Some("result"));
    assert_eq!(register(&mut client, "benvolio").await.attr("type"), Some("result"));
    for over in [token, "never-made"] {
        let (head, body) = world.get(&format!("/invite/{over}")).await.unwrap();
        assert!(head.starts_with("HTTP/1.1 404") && body.contains("not good any more"), "{head}\n{body}");
        assert!(!body.contains("benvolio"), "{body}");
    }
}

/// XEP-0077 asks servers for the old codes beside the conditions; XEP-0086 says which belong together.
/// covers: XEP-0077 9
#[tokio::test]
async fn errors_of_registration_carry_their_old_codes() {
    let world = world().await;
    let mut stranger = world.secured().await;
    let answer = register(&mut stranger, "stranger").await;
    let error = answer.child("jabber:client", "error").expect("an error");
    assert_eq!((error.attr("type"), error.attr("code")), (Some("cancel"), Some("405")), "{error}");
    let mut romeo = world.connected("romeo/orchard").await;
    let query = format!("<query xmlns='{REGISTER}'><username>romeo</username></query>");
    let answer = romeo.ask("set", Some("localhost"), &query).await;
    let error = answer.child("jabber:client", "error").expect("an error");
    assert_eq!((error.attr("type"), error.attr("code")), (Some("modify"), Some("400")), "{error}");
    let unknown = romeo.ask("get", Some("localhost"), "<query xmlns='urn:nobody:knows'/>").await;
    let error = unknown.child("jabber:client", "error").expect("an error");
    assert_eq!(error.attr("code"), None, "only registration is that old: {error}");
}

/// covers: XEP-0401 5
#[tokio::test]
async fn members_do_not_create_accounts() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let start =
        format!("<command xmlns='{COMMANDS}' node='urn:xmpp:invite#create-account' action='execute'/>");
    let answer = romeo.ask("set", Some("localhost"), &start).await;
    assert!(answer.find(STANZAS, "forbidden").is_some(), "{answer}");
}

/// Sessions of a disabled or deleted account end at once.
/// covers: operation disabling; operation deleting
#[tokio::test]
async fn disabling_ends_the_sessions() {
    let world = world().await;
    for (user, command) in [("romeo", "disable"), ("juliet", "delete")] {
        let mut client = world.online(&format!("{user}/a")).await;
        let jid = format!("{user}@localhost");
        world.server.admin(&["user", command, &jid], "").unwrap();
        let error = client.next().await.unwrap();
        assert!(error.name == "error", "{error}");
        client.expect_end().await;
        assert!(!signs_in(&world, user, &password(user)).await);
    }
}

/// covers: RFC 6120 13.9.1
#[tokio::test]
async fn a_changed_password_ends_the_sessions() {
    let world = world().await;
    let mut client = world.online("romeo/a").await;
    world
        .server
        .admin(&["user", "password", "romeo@localhost", "--password-stdin"], "a-new-secret-9\n")
        .unwrap();
    while let Ok(Some(_)) = client.next_item().await {}
    assert!(signs_in(&world, "romeo", "a-new-secret-9").await);
    assert!(!signs_in(&world, "romeo", &password("romeo")).await);
}
