//! Attacks by servers that are not what they say: forged domains, foreign keys, plaintext, stanzas before authentication.

use waxwing_tests::login::{SASL, TLS};
use waxwing_tests::transport::{Tls, Transport};
use waxwing_tests::xml::{Element, Item, STREAMS};
use waxwing_tests::{Client, Setup, World};

use crate::world::{figure, world_with};

/// A server that takes dialback, and finds the servers of evil.example at an address where nobody is.
async fn world() -> World {
    world_with(Setup::default().section(
        "[federation]\ncertificates = \"dialback\"\nretry_after_ms = 10\n[[federation.route]]\n\
             domain = \"evil.example\"\naddress = \"127.0.0.1:1\"\n",
    ))
    .await
}

fn header(from: &str, to: &str) -> String {
    format!(
        "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='{STREAMS}' \
         from='{from}' to='{to}' version='1.0'>"
    )
}

/// A connection to the listener for servers, as somebody who says to be evil.example.
async fn stranger(world: &World) -> Client {
    let transport = Transport::plain(&world.server.addresses().federation).await.expect("connected");
    let mut client = Client::new(transport, "localhost", Default::default());
    client.send_raw(header("evil.example", "localhost")).await.expect("sent");
    client
}

/// The same after STARTTLS.
async fn secured(world: &World) -> Client {
    let mut client = stranger(world).await;
    client.send_raw(format!("<starttls xmlns='{TLS}'/>")).await.expect("sent");
    while !element(&mut client).await.is_some_and(|element| element.is(TLS, "proceed")) {}
    client.upgrade(&Tls::default()).await.expect("TLS");
    client.send_raw(header("evil.example", "localhost")).await.expect("sent");
    let features = element(&mut client).await.expect("features");
    assert!(features.is(STREAMS, "features"), "{features}");
    client
}

/// The next element; nothing when the stream is over.
async fn element(client: &mut Client) -> Option<Element> {
    loop {
        match client.next_item().await {
            Ok(Some(Item::Element(element))) => return Some(element),
            Ok(Some(Item::Open(_))) => {}
            Ok(Some(Item::Close) | None) | Err(_) => return None,
        }
    }
}

/// What a stream says until it ends.
async fn end(client: &mut Client) -> String {
    let mut said = String::new();
    while let Some(element) = element(client).await {
        said.push_str(&element.to_string());
    }
    said
}

/// RFC 6120 sections 4.9.3.6, 4.9.3.7, 4.9.3.9 and 4.9.3.12.
/// covers: RFC 6120 4.9.3.7
#[tokio::test]
async fn servers_cannot_send_as_they_please() {
    let world = world().await;
    world.user("romeo");
    let message =
        |from: &str, to: &str| format!("<message from='{from}' to='{to}'><body>forged</body></message>");
    for (what, expected) in [
        (message("a@evil.example", "romeo@localhost"), "not-authorized"),
        (message("juliet@localhost", "romeo@localhost"), "not-authorized"),
        ("<message to='romeo@localhost'/>".to_owned(), "not-authorized"),
        ("<db:result from='evil.example' to='localhost' type='valid'/>".to_owned(), "policy-violation"),
        (
            "<db:verify from='evil.example' to='localhost' id='1' type='valid'/>".to_owned(),
            "policy-violation",
        ),
        ("<db:result to='localhost'>key</db:result>".to_owned(), "improper-addressing"),
    ] {
        let mut client = secured(&world).await;
        client.send_raw(&what).await.expect("sent");
        let said = end(&mut client).await;
        assert!(said.contains(expected), "{what}: {said}");
    }
    for (from, to, expected) in [
        ("evil.example", "elsewhere.example", "host-unknown"),
        ("localhost", "localhost", "invalid-from"),
        ("a@evil.example", "localhost", "improper-addressing"),
    ] {
        let transport = Transport::plain(&world.server.addresses().federation).await.expect("connected");
        let mut client = Client::new(transport, "localhost", Default::default());
        client.send_raw(header(from, to)).await.expect("sent");
        let said = end(&mut client).await;
        assert!(said.contains(expected), "{from} {to}: {said}");
    }
    let mut romeo = world.online("romeo/orchard").await;
    romeo.expect_nothing().await;
    figure("stanzas and headers of servers that have proven nothing: 9 tries, 0 delivered");
}

/// XEP-0220 section 2.2.1, CVE-2016-0756: a key is only as good as what the server of its domain says about it.
#[tokio::test]
async fn a_foreign_dialback_key_proves_nothing() {
    let world = world().await;
    let mut client = secured(&world).await;
    for key in ["", "00", &"0".repeat(64)] {
        client
            .send_raw(format!("<db:result from='evil.example' to='localhost'>{key}</db:result>"))
            .await
            .expect("sent");
        let answer = element(&mut client).await.expect("an answer");
        assert_eq!(answer.attr("type"), Some("error"), "{answer}");
        // Nor does this server call a key its own that it has not made.
        client
            .send_raw(format!("<db:verify from='evil.example' to='localhost' id='1'>{key}</db:verify>"))
            .await
            .expect("sent");
        let answer = element(&mut client).await.expect("an answer");
        assert_eq!(answer.attr("type"), Some("invalid"), "{answer}");
    }
    client.send_raw("<message from='a@evil.example' to='romeo@localhost'/>").await.expect("sent");
    assert!(end(&mut client).await.contains("not-authorized"));
}

/// RFC 6120 section 5.4.3.3, CVE-2016-10027: nothing but TLS before TLS, and nothing between `<starttls/>` and it.
#[tokio::test]
async fn servers_get_nothing_before_tls() {
    let world = world().await;
    let starttls = format!("<starttls xmlns='{TLS}'/>");
    let external = format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>");
    for injected in
        ["<presence/>", &external, &starttls, "</stream:stream>", &header("evil.example", "localhost")]
    {
        let mut client = stranger(&world).await;
        client.send_raw(format!("{starttls}{injected}")).await.expect("sent");
        let said = end(&mut client).await;
        assert!(said.contains("policy-violation") && !said.contains("proceed"), "{injected}: {said}");
    }
    let mut client = stranger(&world).await;
    client.send_raw(&external).await.expect("sent");
    let key = "<db:result from='evil.example' to='localhost'>key</db:result>";
    client.send_raw(key).await.expect("sent");
    client.send_raw("<presence from='a@evil.example' to='romeo@localhost'/>").await.expect("sent");
    let said = end(&mut client).await;
    for expected in ["encryption-required", "policy-violation", "not-authorized"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

/// XEP-0220 sections 2.2.1 and 2.2.2: the server of a domain is asked, and knows only what it has made itself for this very
/// stream; whoever came with something else is sent away, and what he said is not heard.
#[tokio::test]
async fn the_server_of_a_domain_says_what_a_key_is_worth() {
    let dialback = "[federation]\ncertificates = \"dialback\"\nretry_after_ms = 10\n";
    let real = world_with(Setup::default().domains(&["evil.example"]).section(dialback)).await;
    let route = format!(
        "[[federation.route]]\ndomain = \"evil.example\"\naddress = {:?}\n",
        real.server.addresses().federation
    );
    let world = world_with(Setup::default().section(&format!("{dialback}{route}"))).await;
    world.user("romeo");
    let keys = ["", "00", &"0".repeat(64), "<key xmlns='urn:x'/>"];
    for key in keys {
        let mut client = secured(&world).await;
        client
            .send_raw(format!(
                "<db:result from='evil.example' to='localhost'>{key}</db:result>\
                 <db:result from='evil.example' to='localhost'>{key}</db:result>"
            ))
            .await
            .expect("sent");
        // The second, while the first is asked about.
        let conflict = element(&mut client).await.expect("an answer");
        assert!(conflict.to_string().contains("conflict"), "{conflict}");
        let answer = element(&mut client).await.expect("an answer");
        assert_eq!(answer.attr("type"), Some("invalid"), "{key}: {answer}");
        assert_eq!(end(&mut client).await, "", "the stream is closed");
    }
    // Questions about domains that are not here, and by nobody.
    let mut client = secured(&world).await;
    for (from, to, expected) in
        [("evil.example", "elsewhere.example", "item-not-found"), ("localhost", "localhost", "invalid")]
    {
        client
            .send_raw(format!("<db:verify from='{from}' to='{to}' id='1'>{}</db:verify>", "0".repeat(64)))
            .await
            .expect("sent");
        let answer = element(&mut client).await.expect("an answer");
        assert!(answer.to_string().contains(expected) || answer.attr("type") == Some(expected), "{answer}");
    }
    for (from, to, expected) in [
        ("localhost", "localhost", "not-acceptable"),
        ("evil.example", "elsewhere.example", "item-not-found"),
    ] {
        client.send_raw(format!("<db:result from='{from}' to='{to}'>k</db:result>")).await.expect("sent");
        let answer = element(&mut client).await.expect("an answer");
        assert!(answer.to_string().contains(expected), "{answer}");
    }
    let mut romeo = world.online("romeo/orchard").await;
    romeo.expect_nothing().await;
    figure(&format!("{} keys that the server of the domain does not know: 0 taken", keys.len()));
}
