//! SASL: RFC 6120 section 6, its errors in section 6.5, SCRAM with channel binding, and what must not be told apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use waxwing_tests::login::{SASL, nonce};
use waxwing_tests::scram::{Hash, Scram};
use waxwing_tests::world::password;
use waxwing_tests::{Client, Setup, World};

use crate::world::{world, world_with};

const MECHANISMS: [&str; 7] = [
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
    "PLAIN",
];

/// Sends a request on a fresh stream; the server answers with this failure.
async fn fails(world: &World, request: &str, condition: &str) -> Client {
    let mut client = world.secured().await;
    client.send(request).await;
    client.expect(&format!("<failure xmlns='{SASL}'><{condition}/>{{...}}</failure>")).await;
    client
}

fn auth(mechanism: &str, response: impl AsRef<[u8]>) -> String {
    format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{}</auth>", BASE64.encode(response))
}

/// covers: RFC 6120 6.3.3; RFC 6120 6.4.1; RFC 6120 6.4.6; RFC 6120 6.3.2
#[tokio::test]
async fn every_mechanism_signs_in() {
    let world = world().await;
    world.user("romeo");
    for mechanism in MECHANISMS {
        let mut client = world.secured().await;
        assert!(client.mechanisms().iter().any(|offered| offered == mechanism), "{:?}", client.mechanisms());
        let outcome = client.authenticate(mechanism, "romeo", &password("romeo")).await.unwrap();
        assert!(outcome.is(SASL, "success"), "{mechanism}: {outcome}");
        let before = client.header.attr("id").map(str::to_owned);
        client.reopen().await.unwrap();
        assert_ne!(client.header.attr("id").map(str::to_owned), before, "{mechanism}");
        assert!(client.mechanisms().is_empty(), "{mechanism}: nothing to sign in with is offered again");
        client.bind("orchard").await.unwrap();
    }
}

/// An administrator has to come by something strong. Who has a wrong password does not learn who that is.
/// covers: RFC 6120 6.5.9
#[tokio::test]
async fn mechanism_too_weak() {
    for (policy, enough) in [
        ("scram", &["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512-PLUS"][..]),
        ("scram-sha-256", &["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]),
        ("channel-bound", &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"]),
    ] {
        let section = format!("administrators_sign_in_by = {policy:?}");
        let world = world_with(Setup::default().section(&section)).await;
        world.user("romeo");
        let boss = ["user", "add", "escalus@localhost", "--administrator", "--password-stdin"];
        world.server.admin(&boss, &format!("{}\n", password("escalus"))).unwrap();
        for mechanism in MECHANISMS {
            let mut client = world.secured().await;
            let outcome = client.authenticate(mechanism, "escalus", &password("escalus")).await.unwrap();
            if enough.contains(&mechanism) {
                assert!(outcome.is(SASL, "success"), "{policy} {mechanism}: {outcome}");
            }
            if mechanism == "PLAIN" || (policy != "scram" && mechanism == "SCRAM-SHA-1") {
                assert!(
                    outcome.child(SASL, "mechanism-too-weak").is_some(),
                    "{policy} {mechanism}: {outcome}"
                );
            }
        }
        let mut client = world.secured().await;
        let outcome = client.authenticate("PLAIN", "escalus", "wrong").await.unwrap();
        assert!(outcome.child(SASL, "not-authorized").is_some(), "{outcome}");
        let mut client = world.secured().await;
        let outcome = client.authenticate("PLAIN", "romeo", &password("romeo")).await.unwrap();
        assert!(outcome.is(SASL, "success"), "members may: {outcome}");
    }
}

/// covers: RFC 6120 6.5.10
#[tokio::test]
async fn not_authorized() {
    for mechanism in MECHANISMS {
        // Failures are delayed per account and address; each mechanism has a server that has seen none.
        let world = world().await;
        world.user("romeo");
        for (user, secret) in [("romeo", "wrong"), ("nobody", "wrong"), ("romeo", "")] {
            if mechanism == "PLAIN" && secret.is_empty() {
                continue;
            }
            let mut client = world.secured().await;
            let outcome = client.authenticate(mechanism, user, secret).await.unwrap();
            assert!(outcome.is(SASL, "failure"), "{mechanism} {user}: {outcome}");
            assert!(outcome.child(SASL, "not-authorized").is_some(), "{mechanism} {user}: {outcome}");
        }
    }
}

/// covers: RFC 6120 6.4.5
#[tokio::test]
async fn a_failure_may_be_tried_again_on_the_same_stream() {
    let world = world().await;
    world.user("romeo");
    let mut client = world.secured().await;
    let outcome = client.authenticate("SCRAM-SHA-256", "romeo", "wrong").await.unwrap();
    assert!(outcome.is(SASL, "failure"));
    let outcome = client.authenticate("SCRAM-SHA-256", "romeo", &password("romeo")).await.unwrap();
    assert!(outcome.is(SASL, "success"), "{outcome}");
}

/// Failures in a row are answered with growing delays, never with a lock.
/// covers: RFC 6120 6.5.11
#[tokio::test]
async fn temporary_auth_failure() {
    let world = world().await;
    world.user("romeo");
    let mut refused = false;
    for _ in 0..50 {
        let mut client = world.secured().await;
        let outcome = client.authenticate("SCRAM-SHA-256", "romeo", "wrong").await.unwrap();
        refused = outcome.child(SASL, "temporary-auth-failure").is_some();
        if refused {
            break;
        }
        assert!(outcome.child(SASL, "not-authorized").is_some(), "{outcome}");
    }
    assert!(refused, "50 wrong passwords in a row were all answered at once");
    // Others are not held up.
    world.connected("juliet/balcony").await;
}

/// covers: RFC 6120 6.4.5 limit
#[tokio::test]
async fn endless_attempts_end_the_stream() {
    let world = world().await;
    world.user("romeo");
    let mut client = world.secured().await;
    for _ in 0..20 {
        client.send(&auth("PLAIN", "\0romeo\0wrong")).await;
        let answer = client.next().await.unwrap();
        if !answer.is(SASL, "failure") {
            assert!(
                answer.find("urn:ietf:params:xml:ns:xmpp-streams", "policy-violation").is_some(),
                "{answer}"
            );
            return;
        }
    }
    panic!("20 attempts on one stream");
}

/// covers: RFC 6120 6.5.1
#[tokio::test]
async fn aborted() {
    let world = world().await;
    let mut client = world.secured().await;
    client.send(&auth("SCRAM-SHA-256", "n,,n=romeo,r=abcdefghijklmnop")).await;
    assert!(client.next().await.unwrap().is(SASL, "challenge"));
    client.send(&format!("<abort xmlns='{SASL}'/>")).await;
    client.expect(&format!("<failure xmlns='{SASL}'><aborted/>{{...}}</failure>")).await;
}

/// A disabled account is refused like a wrong password: nobody learns from the answer that it exists.
/// covers: RFC 6120 6.5.2
#[tokio::test]
async fn account_disabled_looks_like_a_wrong_password() {
    let world = world().await;
    world.user("romeo");
    world.server.admin(&["user", "disable", "romeo@localhost"], "").unwrap();
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN"] {
        let mut client = world.secured().await;
        let outcome = client.authenticate(mechanism, "romeo", &password("romeo")).await.unwrap();
        assert!(outcome.child(SASL, "not-authorized").is_some(), "{mechanism}: {outcome}");
    }
    world.server.admin(&["user", "enable", "romeo@localhost"], "").unwrap();
    world.connected("romeo/orchard").await;
}

/// covers: RFC 6120 6.5.4
#[tokio::test]
async fn encryption_required() {
    let world = world().await;
    world.user("romeo");
    let mut client = world.plain().await;
    client.open().await.unwrap();
    client.send(&auth("PLAIN", format!("\0romeo\0{}", password("romeo")))).await;
    client.expect(&format!("<failure xmlns='{SASL}'><encryption-required/>{{...}}</failure>")).await;
}

/// covers: RFC 6120 6.5.5
#[tokio::test]
async fn incorrect_encoding() {
    let world = world().await;
    for text in ["====", "not base64!", "AGE"] {
        fails(&world, &format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{text}</auth>"), "incorrect-encoding")
            .await;
    }
}

/// covers: RFC 6120 6.5.6; RFC 6120 6.3.8
#[tokio::test]
async fn invalid_authzid() {
    let world = world().await;
    world.user("romeo");
    world.user("juliet");
    let secret = password("romeo");
    for authzid in ["juliet@localhost", "juliet", "localhost", "romeo@other.example"] {
        fails(&world, &auth("PLAIN", format!("{authzid}\0romeo\0{secret}")), "invalid-authzid").await;
        let mut client = world.secured().await;
        let gs2 = format!("n,a={authzid},");
        let scram = Scram::new(Hash::Sha256, "romeo", &secret, &gs2, &[], &nonce());
        let outcome = client.scram("SCRAM-SHA-256", scram).await.unwrap();
        assert!(outcome.child(SASL, "invalid-authzid").is_some(), "{authzid}: {outcome}");
    }
    // One's own address is allowed.
    let mut client = world.secured().await;
    client.send(&auth("PLAIN", format!("romeo@localhost\0romeo\0{secret}"))).await;
    assert!(client.next().await.unwrap().is(SASL, "success"));
}

/// covers: RFC 6120 6.5.7
#[tokio::test]
async fn invalid_mechanism() {
    let world = world().await;
    for mechanism in ["CRAM-MD5", "DIGEST-MD5", "ANONYMOUS", "X", ""] {
        fails(&world, &auth(mechanism, "x"), "invalid-mechanism").await;
    }
}

/// covers: RFC 6120 6.5.8
#[tokio::test]
async fn malformed_request() {
    let world = world().await;
    for response in ["romeo", "\0romeo", "a\0b\0c\0d"] {
        fails(&world, &auth("PLAIN", response), "malformed-request").await;
    }
    for response in
        ["x", "n,,", "n,,n=romeo", "n,,m=x,n=romeo,r=abcdefghijkl", "p=tls-exporter,,n=romeo,r=abcdefghijkl"]
    {
        fails(&world, &auth("SCRAM-SHA-256", response), "malformed-request").await;
    }
}

/// covers: RFC 6120 6.4.2
#[tokio::test]
async fn a_request_without_an_initial_response_gets_an_empty_challenge() {
    let world = world().await;
    world.user("romeo");
    let mut client = world.secured().await;
    client.send(&format!("<auth xmlns='{SASL}' mechanism='PLAIN'/>")).await;
    let challenge = client.next().await.unwrap();
    assert!(challenge.is(SASL, "challenge") && challenge.text().is_empty(), "{challenge}");
    let response = BASE64.encode(format!("\0romeo\0{}", password("romeo")));
    client.send(&format!("<response xmlns='{SASL}'>{response}</response>")).await;
    assert!(client.next().await.unwrap().is(SASL, "success"));
}

/// The GS2 flag "y" says that the client supports channel binding and believes that the server does not: someone has
/// taken the PLUS mechanisms out of the list.
/// covers: RFC 5802 6
#[tokio::test]
async fn a_downgrade_of_channel_binding_is_refused() {
    let world = world().await;
    world.user("romeo");
    let mut client = world.secured().await;
    let scram = Scram::new(Hash::Sha256, "romeo", &password("romeo"), "y,,", &[], &nonce());
    let outcome = client.scram("SCRAM-SHA-256", scram).await.unwrap();
    assert!(outcome.is(SASL, "failure"), "{outcome}");
}

/// covers: RFC 5802 6 man in the middle; RFC 9266 2
#[tokio::test]
async fn another_connections_binding_is_refused() {
    let world = world().await;
    world.user("romeo");
    let other = world.secured().await.transport().exporter().unwrap();
    let mut client = world.secured().await;
    let scram = Scram::new(Hash::Sha256, "romeo", &password("romeo"), "p=tls-exporter,,", &other, &nonce());
    let outcome = client.scram("SCRAM-SHA-256-PLUS", scram).await.unwrap();
    assert!(outcome.child(SASL, "not-authorized").is_some(), "{outcome}");
}

/// covers: RFC 5929 4.1; XEP-0440 2
#[tokio::test]
async fn the_certificate_can_be_bound_to() {
    use sha2::Digest as _;
    let world = world().await;
    world.user("romeo");
    let mut client = world.secured().await;
    let announced = client.features.child("urn:xmpp:sasl-cb:0", "sasl-channel-binding").expect("XEP-0440");
    let types: Vec<&str> = announced.children().filter_map(|binding| binding.attr("type")).collect();
    assert!(types.contains(&"tls-exporter") && types.contains(&"tls-server-end-point"), "{types:?}");
    let binding = sha2::Sha256::digest(client.transport().certificate().expect("a certificate"));
    let gs2 = "p=tls-server-end-point,,";
    let scram = Scram::new(Hash::Sha256, "romeo", &password("romeo"), gs2, &binding, &nonce());
    let outcome = client.scram("SCRAM-SHA-256-PLUS", scram).await.unwrap();
    assert!(outcome.is(SASL, "success"), "{outcome}");
}

/// The salt of an account that does not exist is as constant as any other's.
/// covers: RFC 6120 13.11
#[tokio::test]
async fn an_unknown_user_is_challenged_like_a_known_one() {
    let world = world().await;
    world.user("romeo");
    let mut shapes = Vec::new();
    for user in ["romeo", "romeo", "nobody", "nobody", "nobody2"] {
        let mut client = world.secured().await;
        client.send(&auth("SCRAM-SHA-256", format!("n,,n={user},r=abcdefghijklmnop"))).await;
        let challenge = client.next().await.unwrap();
        let text = String::from_utf8(BASE64.decode(challenge.text()).unwrap()).unwrap();
        let fields: Vec<String> = text.split(',').skip(1).map(str::to_owned).collect();
        shapes.push((fields[0].clone(), fields[1].clone(), fields.len()));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert_eq!(shapes[2], shapes[3]);
    assert_ne!(shapes[2].0, shapes[4].0);
    assert_eq!(shapes[0].1, shapes[2].1, "the same number of iterations");
    assert_eq!(shapes[0].0.len(), shapes[2].0.len(), "salts of the same length");
}

/// covers: RFC 6120 6.4.6 user name
#[tokio::test]
async fn names_and_passwords_are_prepared() {
    let world = world().await;
    world.user("romeo");
    // RFC 7622 section 3.3 and RFC 8265: user names are case-mapped, passwords are not.
    let mut client = world.secured().await;
    let outcome = client.authenticate("SCRAM-SHA-256", "Romeo", &password("romeo")).await.unwrap();
    assert!(outcome.is(SASL, "success"), "{outcome}");
    let mut client = world.secured().await;
    let outcome =
        client.authenticate("SCRAM-SHA-256", "romeo", &password("romeo").to_uppercase()).await.unwrap();
    assert!(outcome.is(SASL, "failure"), "{outcome}");
    client.close().await;
}
