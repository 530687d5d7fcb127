//! One round trip to be online: SASL2 (XEP-0388), Bind 2 (XEP-0386), tokens (XEP-0484), stream management inlined.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use waxwing_tests::login::nonce;
use waxwing_tests::scram::{Hash, Scram};
use waxwing_tests::world::password;
use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::world::world;

const SASL2: &str = "urn:xmpp:sasl:2";
const BIND2: &str = "urn:xmpp:bind:0";
const FAST: &str = "urn:xmpp:fast:0";
const SM: &str = "urn:xmpp:sm:3";
const MAM: &str = "urn:xmpp:mam:2";
const CARBONS: &str = "urn:xmpp:carbons:2";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const AGENT: &str = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>AwesomeXMPP</software>\
                     <device>Kiva&apos;s Phone</device></user-agent>";

/// Authenticates with SCRAM over SASL2 and returns the server's last word.
async fn authenticate(
    client: &mut Client,
    mechanism: &str,
    user: &str,
    secret: &str,
    inline: &str,
) -> Element {
    let (gs2, binding) = client.binding_for(mechanism).unwrap();
    let hash = Hash::of(mechanism).expect("a SCRAM mechanism");
    let mut scram = Scram::new(hash, user, secret, &gs2, &binding, &nonce());
    let first = BASE64.encode(scram.first());
    client
        .send(&format!(
            "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{first}</initial-response>\
             {inline}</authenticate>"
        ))
        .await;
    let challenge = client.next().await.unwrap();
    if !challenge.is(SASL2, "challenge") {
        return challenge;
    }
    let server_first = String::from_utf8(BASE64.decode(challenge.text().trim()).unwrap()).unwrap();
    let answer = BASE64.encode(scram.answer(&server_first).unwrap());
    client.send(&format!("<response xmlns='{SASL2}'>{answer}</response>")).await;
    let outcome = client.next().await.unwrap();
    if let Some(data) = outcome.child(SASL2, "additional-data") {
        let server_final = String::from_utf8(BASE64.decode(data.text().trim()).unwrap()).unwrap();
        scram.check(&server_final).unwrap();
    }
    outcome
}

/// A fresh stream, authenticated by SASL2 with these inline requests; sets the client's address.
pub(crate) async fn signed_in(world: &World, user: &str, inline: &str) -> (Client, Element) {
    world.user(user);
    let mut client = world.secured().await;
    let success = authenticate(&mut client, "SCRAM-SHA-256-PLUS", user, &password(user), inline).await;
    assert!(success.is(SASL2, "success"), "{success}");
    client.jid = success.child(SASL2, "authorization-identifier").map(Element::text);
    (client, success)
}

fn authentication(client: &Client) -> &Element {
    client.features.child(SASL2, "authentication").expect("SASL2 is announced")
}

fn inline(client: &Client) -> &Element {
    authentication(client).child(SASL2, "inline").expect("inline features")
}

/// covers: XEP-0388 example 1; XEP-0388 example 2; XEP-0386 example 1; XEP-0198 example 27; XEP-0484 example 1
#[tokio::test]
async fn the_features_are_announced() {
    let world = world().await;
    let client = world.secured().await;
    let mechanisms: Vec<String> = authentication(&client)
        .children()
        .filter(|child| child.name == "mechanism")
        .map(Element::text)
        .collect();
    for wanted in
        ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"]
    {
        assert!(mechanisms.iter().any(|offered| offered == wanted), "{mechanisms:?}");
    }
    let inline = inline(&client);
    assert!(inline.child(SM, "sm").is_some(), "{inline}");
    let bind =
        inline.child(BIND2, "bind").and_then(|bind| bind.child(BIND2, "inline")).expect("inline of Bind 2");
    let features: Vec<&str> = bind.children().filter_map(|feature| feature.attr("var")).collect();
    for wanted in [SM, CARBONS, "urn:xmpp:csi:0"] {
        assert!(features.contains(&wanted), "{features:?}");
    }
    let fast = inline.child(FAST, "fast").expect("FAST");
    let tokens: Vec<String> = fast.children().map(Element::text).collect();
    assert!(tokens.iter().any(|mechanism| mechanism.starts_with("HT-SHA-256-")), "{tokens:?}");
    assert!(
        !matches!(fast.attr("tls-0rtt"), Some("true" | "1")),
        "early data is not protected against replay"
    );
}

/// covers: XEP-0388 example 3; XEP-0388 example 5; XEP-0388 example 7
#[tokio::test]
async fn scram_with_channel_binding() {
    let world = world().await;
    world.user("romeo");
    for mechanism in ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS", "SCRAM-SHA-256"] {
        let mut client = world.secured().await;
        let success = authenticate(&mut client, mechanism, "romeo", &password("romeo"), AGENT).await;
        assert!(success.is(SASL2, "success"), "{mechanism}: {success}");
        let identity = success.child(SASL2, "authorization-identifier").map(Element::text);
        assert_eq!(identity.as_deref(), Some("romeo@localhost"), "nothing was bound");
        assert!(success.child(SASL2, "additional-data").is_some(), "the server's signature: {success}");
        // Features follow at once; there is no new stream (section 2.6.3).
        client.read_features().await.unwrap();
        client.bind("orchard").await.unwrap();
    }
}

/// covers: XEP-0388 example 13
#[tokio::test]
async fn plain_needs_one_step() {
    let world = world().await;
    world.user("romeo");
    let mut client = world.secured().await;
    let response = BASE64.encode(format!("\0romeo\0{}", password("romeo")));
    client
        .send(&format!(
            "<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>{response}</initial-response>{AGENT}\
             </authenticate>"
        ))
        .await;
    client
        .expect(&format!(
            "<success xmlns='{SASL2}'><authorization-identifier>romeo@localhost</authorization-identifier></success>"
        ))
        .await;
    client.read_features().await.unwrap();
    let bind = "urn:ietf:params:xml:ns:xmpp-bind";
    assert!(client.features.child(bind, "bind").is_some(), "{}", client.features);
}

/// The hypothetical mechanism is refused, and with it what was asked for besides; the same request with a mechanism that
/// exists is granted, white space and all, and what is asked for in an unknown namespace is left alone.
/// covers: XEP-0388 example 4
#[tokio::test]
async fn unknown_inline_requests_are_left_alone() {
    let world = world().await;
    world.user("romeo");
    let request = |mechanism: &str, initial: &str| {
        format!(
            "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>\n  <initial-response>\n    {initial}\n  \
             </initial-response>\n  {AGENT}\n  <bind xmlns='urn:xmpp:bind:example'/>\n</authenticate>"
        )
    };
    let mut client = world.secured().await;
    client.send(&request("BLURDYBLOOP", "SSBzaG91bGQgbWFrZSB0aGlzIGEgY29tcGV0aXRpb24=")).await;
    client
        .expect(&format!("<failure xmlns='{SASL2}'><invalid-mechanism xmlns='{SASL}'/>{{...}}</failure>"))
        .await;
    client.send(&request("PLAIN", &BASE64.encode(format!("\0romeo\0{}", password("romeo"))))).await;
    client
        .expect(&format!(
            "<success xmlns='{SASL2}'><authorization-identifier>romeo@localhost</authorization-identifier></success>"
        ))
        .await;
    client.read_features().await.unwrap();
    client.bind("orchard").await.unwrap();
}

/// covers: XEP-0388 2.4
#[tokio::test]
async fn white_space_during_an_exchange_ends_the_stream() {
    let world = world().await;
    for space in [" ", "\n"] {
        let mut client = world.secured().await;
        let first = BASE64.encode("n,,n=romeo,r=abcdefghijklmnop");
        client
            .send(&format!(
                "<authenticate xmlns='{SASL2}' mechanism='SCRAM-SHA-256'><initial-response>{first}\
                 </initial-response></authenticate>"
            ))
            .await;
        assert!(client.next().await.unwrap().is(SASL2, "challenge"));
        client.send_raw(space).await.unwrap();
        client.expect_stream_error("policy-violation").await;
    }
    // Before and after it keeps a stream alive as ever (RFC 6120 section 4.6.1).
    let mut client = world.secured().await;
    client.send_raw(" \n").await.unwrap();
    world.user("romeo");
    let success = authenticate(&mut client, "SCRAM-SHA-256", "romeo", &password("romeo"), "").await;
    assert!(success.is(SASL2, "success"), "{success}");
    client.send_raw(" \n").await.unwrap();
    client.read_features().await.unwrap();
    client.bind("orchard").await.unwrap();
}

/// covers: XEP-0388 example 10
#[tokio::test]
async fn a_failure_says_why_and_may_be_tried_again() {
    let world = world().await;
    world.user("romeo");
    let mut client = world.secured().await;
    let failure = authenticate(&mut client, "SCRAM-SHA-256", "romeo", "wrong", "").await;
    assert!(failure.is(SASL2, "failure") && failure.child(SASL, "not-authorized").is_some(), "{failure}");
    client.send(&format!("<authenticate xmlns='{SASL2}' mechanism='SCRAM-SHA-256'><initial-response>bixiLG49cm9tZW8scj1hYmNkZWZnaGlqa2w=</initial-response></authenticate>")).await;
    let challenge = client.next().await.unwrap();
    if challenge.is(SASL2, "challenge") {
        client.send(&format!("<abort xmlns='{SASL2}'/>")).await;
        let failure = client.next().await.unwrap();
        assert!(failure.child(SASL, "aborted").is_some(), "{failure}");
    }
    let success = authenticate(&mut client, "SCRAM-SHA-256", "romeo", &password("romeo"), "").await;
    assert!(success.is(SASL2, "success"), "{success}");
}

/// covers: XEP-0386 example 2; XEP-0386 example 4
#[tokio::test]
async fn a_resource_is_bound_in_the_same_round_trip() {
    let world = world().await;
    world.user("juliet");
    let bind = format!("{AGENT}<bind xmlns='{BIND2}'><tag>AwesomeXMPP</tag></bind>");
    let (mut client, success) = signed_in(&world, "romeo", &bind).await;
    let jid = client.full().to_owned();
    assert!(
        jid.starts_with("romeo@localhost/AwesomeXMPP") && jid.len() > "romeo@localhost/AwesomeXMPP".len(),
        "{jid}"
    );
    assert!(!jid.contains("d4565fa7"), "the user agent's id must not be shown");
    let bound = success.child(BIND2, "bound").expect("bound");
    assert!(bound.child(MAM, "metadata").is_some(), "{bound}");
    client.read_features().await.unwrap();
    client.round_trip().await;
    client.send("<message to='juliet@localhost' type='chat'><body>x</body></message>").await;
    client.settle().await;
    let (_, success) = signed_in(&world, "romeo", &bind).await;
    let metadata = success.find(MAM, "metadata").expect("metadata");
    assert!(metadata.child(MAM, "end").and_then(|end| end.attr("id")).is_some(), "{metadata}");
}

/// covers: XEP-0386 example 3
#[tokio::test]
async fn features_are_switched_on_with_the_binding() {
    let world = world().await;
    let inline = format!(
        "{AGENT}<bind xmlns='{BIND2}'><tag>AwesomeXMPP</tag><enable xmlns='{CARBONS}'/><enable xmlns='{SM}' resume='true'/>\
         <inactive xmlns='urn:xmpp:csi:0'/></bind>"
    );
    let (mut client, success) = signed_in(&world, "romeo", &inline).await;
    let enabled = success.find(SM, "enabled").expect("stream management");
    assert!(enabled.attr("id").is_some(), "{enabled}");
    client.read_features().await.unwrap();
    client.send("<presence/>").await;
    client.clear().await;
    // Carbons work without having been asked for by an IQ.
    let [mut other, mut juliet] = world.all_online(["romeo/home", "juliet/balcony"]).await;
    client.clear().await;
    juliet.send("<message to='romeo@localhost/home' type='chat'><body>x</body></message>").await;
    other.expect("<message from='juliet@localhost/balcony' type='chat'><body>x</body></message>").await;
    juliet.settle().await;
    let given = client.drain().await;
    assert!(given.iter().any(|message| message.child(CARBONS, "received").is_some()), "{given:?}");
}

/// covers: XEP-0386 4 offline; XEP-0386 4 same client
#[tokio::test]
async fn a_new_binding_of_the_same_client_ends_the_old_one() {
    let world = world().await;
    world.user("juliet");
    let bind = format!("{AGENT}<bind xmlns='{BIND2}'/>");
    let (mut old, _) = signed_in(&world, "romeo", &bind).await;
    old.read_features().await.unwrap();
    let mut juliet = world.online("juliet/balcony").await;
    juliet.send("<message to='romeo@localhost' type='chat'><body>waiting</body></message>").await;
    juliet.settle().await;
    let (mut new, _) = signed_in(&world, "romeo", &bind).await;
    new.read_features().await.unwrap();
    old.expect_stream_error("conflict").await;
    // What waited is in the archive, where this client looks for it; it is not sent again.
    new.send("<presence/>").await;
    let given = new.drain().await;
    assert!(given.iter().all(|element| element.name != "message"), "{given:?}");
}

/// covers: XEP-0198 example 28
#[tokio::test]
async fn a_stream_is_resumed_in_the_same_round_trip() {
    let world = world().await;
    let inline = format!("{AGENT}<bind xmlns='{BIND2}'><enable xmlns='{SM}' resume='true'/></bind>");
    let (mut old, success) = signed_in(&world, "romeo", &inline).await;
    let id = success.find(SM, "enabled").and_then(|enabled| enabled.attr("id")).expect("an id").to_owned();
    let jid = old.full().to_owned();
    old.read_features().await.unwrap();
    old.cut();
    let mut juliet = world.online("juliet/balcony").await;
    juliet.send(&format!("<message to='{jid}' type='chat' id='m'><body>x</body></message>")).await;
    juliet.settle().await;
    let inline = format!("<resume xmlns='{SM}' h='0' previd='{id}'/>{inline}");
    let (mut new, success) = signed_in(&world, "romeo", &inline).await;
    let resumed = success.child(SM, "resumed").expect("resumed");
    assert_eq!((resumed.attr("previd"), resumed.attr("h")), (Some(id.as_str()), Some("0")), "{success}");
    assert!(success.child(BIND2, "bound").is_none(), "the request to bind is ignored: {success}");
    // No features follow; the stream goes on with what was not acknowledged.
    let message = new.next().await.unwrap();
    assert_eq!(message.attr("id"), Some("m"), "{message}");
}

/// covers: XEP-0198 example 30
#[tokio::test]
async fn what_cannot_be_resumed_is_bound_anew() {
    let world = world().await;
    let inline = format!(
        "<resume xmlns='{SM}' h='0' previd='never-existed'/><bind xmlns='{BIND2}'><enable xmlns='{SM}' resume='true'/></bind>"
    );
    let (mut client, success) = signed_in(&world, "romeo", &inline).await;
    let failed = success.child(SM, "failed").expect("failed");
    assert!(failed.child(STANZAS, "item-not-found").is_some(), "{failed}");
    let bound = success.child(BIND2, "bound").expect("bound");
    assert!(bound.child(SM, "enabled").is_some(), "{bound}");
    client.read_features().await.unwrap();
    client.round_trip().await;
}

/// A token and the mechanism that it is for.
struct Token {
    secret: String,
    mechanism: String,
}

/// Signs in with a password and asks for a token.
async fn with_token(world: &World, user: &str, mechanism: &str) -> Token {
    let inline =
        format!("{AGENT}<request-token xmlns='{FAST}' mechanism='{mechanism}'/><bind xmlns='{BIND2}'/>");
    let (_, success) = signed_in(world, user, &inline).await;
    let token = success.find(FAST, "token").unwrap_or_else(|| panic!("no token: {success}"));
    assert!(token.attr("expiry").is_some_and(|expiry| expiry.ends_with('Z')), "{token}");
    Token { secret: token.attr("token").expect("the token").to_owned(), mechanism: mechanism.to_owned() }
}

/// Signs in with a token (draft-schmaus-kitten-sasl-ht).
async fn by_token(client: &mut Client, user: &str, token: &Token, fast: &str, inline: &str) -> Element {
    let binding = match token.mechanism.as_str() {
        "HT-SHA-256-EXPR" => client.transport().exporter().unwrap(),
        _ => Vec::new(),
    };
    let proof = Hash::Sha256.mac(token.secret.as_bytes(), &[b"Initiator", &binding[..]].concat());
    let response = BASE64.encode([user.as_bytes(), b"\0", &proof].concat());
    let mechanism = &token.mechanism;
    client
        .send(&format!(
            "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{response}</initial-response>\
             {AGENT}<fast xmlns='{FAST}'{fast}/>{inline}</authenticate>"
        ))
        .await;
    let outcome = client.next().await.unwrap();
    if let Some(data) = outcome.child(SASL2, "additional-data") {
        let expected = Hash::Sha256.mac(token.secret.as_bytes(), &[b"Responder", &binding[..]].concat());
        assert_eq!(data.text().trim(), BASE64.encode(expected), "the server's proof");
    }
    outcome
}

/// The token mechanism that the server offers and that this harness speaks.
async fn token_mechanism(world: &World) -> String {
    let client = world.secured().await;
    let fast = inline(&client).child(FAST, "fast").expect("FAST");
    let offered: Vec<String> = fast.children().map(Element::text).collect();
    let spoken = ["HT-SHA-256-EXPR", "HT-SHA-256-NONE"];
    spoken
        .into_iter()
        .find(|name| offered.iter().any(|offer| offer == name))
        .expect("a known mechanism")
        .to_owned()
}

/// covers: XEP-0484 example 2; XEP-0484 example 3; XEP-0484 example 4
#[tokio::test]
async fn a_token_signs_in() {
    let world = world().await;
    let mechanism = token_mechanism(&world).await;
    let token = with_token(&world, "romeo", &mechanism).await;
    assert!(token.secret.len() >= 22, "at least 128 bits");
    for count in 1..=2 {
        let mut client = world.secured().await;
        let bind = format!("<bind xmlns='{BIND2}'><tag>AwesomeXMPP</tag></bind>");
        let success = by_token(&mut client, "romeo", &token, &format!(" count='{count}'"), &bind).await;
        assert!(success.is(SASL2, "success") && success.child(BIND2, "bound").is_some(), "{success}");
        assert!(success.child(SASL2, "additional-data").is_some(), "the server proves itself too: {success}");
    }
}

/// covers: XEP-0484 example 5
#[tokio::test]
async fn a_token_is_renewed() {
    let world = world().await;
    let mechanism = token_mechanism(&world).await;
    let token = with_token(&world, "romeo", &mechanism).await;
    let mut client = world.secured().await;
    let request = format!("<request-token xmlns='{FAST}' mechanism='{mechanism}'/>");
    let success = by_token(&mut client, "romeo", &token, "", &request).await;
    let renewed = success.find(FAST, "token").unwrap_or_else(|| panic!("no token: {success}"));
    let renewed = Token { secret: renewed.attr("token").expect("the token").to_owned(), mechanism };
    assert_ne!(renewed.secret, token.secret);
    // The old one works until the new one was used (section 3.6).
    for (secret, works) in [(&token, true), (&renewed, true), (&token, false)] {
        let mut client = world.secured().await;
        let outcome = by_token(&mut client, "romeo", secret, "", "").await;
        assert_eq!(outcome.is(SASL2, "success"), works, "{outcome}");
    }
}

/// covers: XEP-0484 example 6
#[tokio::test]
async fn a_token_is_given_back() {
    let world = world().await;
    let mechanism = token_mechanism(&world).await;
    let token = with_token(&world, "romeo", &mechanism).await;
    let mut client = world.secured().await;
    let success = by_token(&mut client, "romeo", &token, " count='1' invalidate='true'", "").await;
    assert!(success.is(SASL2, "success"), "{success}");
    let mut client = world.secured().await;
    let failure = by_token(&mut client, "romeo", &token, " count='2'", "").await;
    assert!(failure.is(SASL2, "failure"), "{failure}");
}

/// covers: XEP-0484 4 strangers; XEP-0484 4 replay; RFC 6120 6.5.3
#[tokio::test]
async fn a_token_is_for_its_user_and_its_count_rises() {
    let world = world().await;
    world.user("tybalt");
    let mechanism = token_mechanism(&world).await;
    let token = with_token(&world, "romeo", &mechanism).await;
    let mut client = world.secured().await;
    let outcome = by_token(&mut client, "tybalt", &token, "", "").await;
    assert!(outcome.is(SASL2, "failure"), "{outcome}");
    let wrong = Token { secret: "x".repeat(token.secret.len()), mechanism: token.mechanism.clone() };
    let mut client = world.secured().await;
    let outcome = by_token(&mut client, "romeo", &wrong, "", "").await;
    let expired = outcome.child(SASL, "credentials-expired").or(outcome.child(SASL, "not-authorized"));
    assert!(expired.is_some(), "{outcome}");
    for (count, works) in [(5, true), (5, false), (4, false), (6, true)] {
        let mut client = world.secured().await;
        let outcome = by_token(&mut client, "romeo", &token, &format!(" count='{count}'"), "").await;
        assert_eq!(outcome.is(SASL2, "success"), works, "count {count}: {outcome}");
    }
}

/// covers: XEP-0484 4 revocation
#[tokio::test]
async fn a_disabled_user_is_not_let_in_by_a_token() {
    let world = world().await;
    let mechanism = token_mechanism(&world).await;
    let token = with_token(&world, "romeo", &mechanism).await;
    world.server.admin(&["user", "disable", "romeo@localhost"], "").unwrap();
    let mut client = world.secured().await;
    let outcome = by_token(&mut client, "romeo", &token, "", "").await;
    assert!(outcome.is(SASL2, "failure"), "{outcome}");
}
