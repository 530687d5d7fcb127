//! The SASL profile of RFC 6120 section 6.

use super::*;

fn auth(mechanism: &str, data: &str) -> String {
    format!("<auth xmlns='{}' mechanism='{mechanism}'>{data}</auth>", ns::SASL)
}

fn response(data: &str) -> String {
    format!("<response xmlns='{}'>{data}</response>", ns::SASL)
}

/// The condition with which one request fails, without an event.
#[track_caller]
fn refused(peer: &mut Peer, text: &str) -> String {
    assert!(peer.says(text).is_none());
    failure(&peer.heard_element())
}

/// Section 6.3.4 and XEP-0440: what is offered depends on the host and on the connection.
#[test]
fn offers() {
    let answer = Peer::new(Transport::direct_tls(tls())).opens(HEADER);
    let features = features(&answer);
    assert_eq!(
        mechanisms(&child(&features, ns::SASL, "mechanisms")),
        ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
    );
    let types: Vec<_> = child(&features, ns::CHANNEL_BINDING, "sasl-channel-binding")
        .children()
        .map(|child| child.attr("type").unwrap().to_owned())
        .collect();
    assert_eq!(types, ["tls-exporter", "tls-server-end-point"]);

    let answer = Peer::new(Transport::direct_tls(Tls::default())).opens(HEADER);
    let features = super::features(&answer);
    assert_eq!(
        mechanisms(&child(&features, ns::SASL, "mechanisms")),
        ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
    );
    assert!(features.child(ns::CHANNEL_BINDING, "sasl-channel-binding").is_none());

    let certified = Tls { certified: vec![jid("user@example.org")], ..Tls::default() };
    let answer = Peer::new(Transport::direct_tls(certified)).opens(HEADER);
    assert_eq!(mechanisms(&child(&super::features(&answer), ns::SASL, "mechanisms"))[0], "EXTERNAL");
}

/// Section 6.5.4: nothing before TLS, unless the administrator trusts the loopback.
#[test]
fn encryption_required() {
    let mut peer = Peer::new(Transport::tcp());
    peer.opens(HEADER);
    assert_eq!(refused(&mut peer, &auth("PLAIN", &base64("\0user\0pencil"))), "encryption-required");

    let mut peer = Peer::new(Transport::trusted_loopback());
    let answer = peer.opens(HEADER);
    let features = features(&answer);
    assert!(child(&features, ns::TLS, "starttls").child(ns::TLS, "required").is_none());
    assert!(features.child(ns::SASL2, "authentication").is_none());
    peer.signs_in("\0user\0pencil");
}

/// Sections 6.4.2 to 6.4.6: a whole exchange, with channel binding, then the restart.
#[test]
fn scram() {
    let mut peer = Peer::encrypted();
    let client =
        ScramClient::new(Hash::Sha256, "user", "pencil", "nonce", Some(("tls-exporter", vec![7; 32])));
    assert!(peer.asks(&auth("SCRAM-SHA-256-PLUS", &base64(client.first()))).is_none());
    let challenge = peer.heard_element();
    assert!(challenge.is(ns::SASL, "challenge"));
    let server_first =
        String::from_utf8(BASE64_STANDARD.decode(challenge.text().as_bytes()).unwrap()).unwrap();
    let scram = |hash, plus| Mechanism::Scram { hash, plus };
    let offer = Offer {
        mechanisms: vec![
            scram(Hash::Sha256, true),
            scram(Hash::Sha1, true),
            scram(Hash::Sha256, false),
            scram(Hash::Sha1, false),
            Mechanism::Plain,
        ],
        bindings: vec!["tls-exporter", "tls-server-end-point"],
    };
    let (last, proof) = client.last(&server_first, Some(&offer)).unwrap();
    let Some(Event::Authenticated(authenticated)) = peer.says(&response(&base64(last))) else { panic!() };
    assert_eq!(authenticated.jid, jid("user@example.org"));
    assert_eq!(authenticated.mechanism, scram(Hash::Sha256, true));
    peer.stream.accept(authenticated, Acceptance::default());
    let success = peer.heard_element();
    assert!(success.is(ns::SASL, "success"));
    let data = String::from_utf8(BASE64_STANDARD.decode(success.text().as_bytes()).unwrap()).unwrap();
    proof.verify(&data).unwrap();

    let answer = peer.opens(HEADER);
    assert!(answer.starts_with("<?xml"));
    let features = features(&answer);
    assert!(features.child(ns::SASL, "mechanisms").is_none());
    assert!(features.child(ns::BIND, "bind").is_some());
    assert!(child(&features, ns::SESSION, "session").child(ns::SESSION, "optional").is_some());
    assert!(features.child(ns::SM3, "sm").is_some());
    assert!(features.child(ns::CLIENT_STATE, "csi").is_some());
}

/// XEP-0474: an offer that was changed on the way is noticed by a client that looks.
#[test]
fn downgrade_is_noticed() {
    let mut peer = Peer::encrypted();
    let client = ScramClient::new(Hash::Sha1, "user", "pencil", "nonce", None);
    assert!(peer.asks(&auth("SCRAM-SHA-1", &base64(client.first()))).is_none());
    let challenge = peer.heard_element();
    let server_first =
        String::from_utf8(BASE64_STANDARD.decode(challenge.text().as_bytes()).unwrap()).unwrap();
    let stripped =
        Offer { mechanisms: vec![Mechanism::Scram { hash: Hash::Sha1, plus: false }], bindings: vec![] };
    assert!(client.last(&server_first, Some(&stripped)).is_err());
}

/// Section 6.4.2: a missing initial response is asked for; `=` is one of no octets.
#[test]
fn initial_responses() {
    let mut peer = Peer::encrypted();
    assert!(peer.says(&auth("PLAIN", "")).is_none());
    assert_eq!(peer.hears(), "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
    assert!(matches!(peer.asks(&response(&base64("\0user\0pencil"))), Some(Event::Authenticated(_))));
    assert_eq!(refused(&mut Peer::encrypted(), &auth("PLAIN", "=")), "malformed-request");

    let certified = Tls { certified: vec![jid("user@example.org")], ..Tls::default() };
    let mut peer = Peer::new(Transport::direct_tls(certified));
    peer.opens(HEADER);
    let Some(Event::Authenticated(authenticated)) = peer.asks(&auth("EXTERNAL", "=")) else { panic!() };
    assert_eq!(authenticated.jid, jid("user@example.org"));
}

/// Sections 6.5.1 and 6.4.4.
#[test]
fn aborted() {
    let mut peer = Peer::encrypted();
    assert!(peer.says(&auth("PLAIN", "")).is_none());
    peer.hears();
    assert_eq!(refused(&mut peer, &format!("<abort xmlns='{}'/>", ns::SASL)), "aborted");
    peer.signs_in("\0user\0pencil");
}

/// Section 6.5.5.
#[test]
fn incorrect_encoding() {
    assert_eq!(refused(&mut Peer::encrypted(), &auth("PLAIN", "A B")), "incorrect-encoding");
    assert_eq!(refused(&mut Peer::encrypted(), &auth("PLAIN", "QQ")), "incorrect-encoding");
    let mut peer = Peer::encrypted();
    assert!(peer.says(&auth("PLAIN", "")).is_none());
    peer.hears();
    assert_eq!(refused(&mut peer, &response("?")), "incorrect-encoding");
}

/// Section 6.5.6 and 6.3.8.
#[test]
fn invalid_authzid() {
    let message = base64("admin@example.org\0user\0pencil");
    assert_eq!(refused(&mut Peer::encrypted(), &auth("PLAIN", &message)), "invalid-authzid");
    let message = base64("n,a=admin@example.org,n=user,r=abc");
    assert_eq!(refused(&mut Peer::encrypted(), &auth("SCRAM-SHA-256", &message)), "invalid-authzid");
}

/// Section 6.5.7.
#[test]
fn invalid_mechanism() {
    for mechanism in ["", "CRAM-MD5", "EXTERNAL", "SCRAM-SHA-512", "HT-SHA-256-NONE", "plain"] {
        assert_eq!(refused(&mut Peer::encrypted(), &auth(mechanism, "")), "invalid-mechanism", "{mechanism}");
    }
}

/// Section 6.5.8.
#[test]
fn malformed_request() {
    assert_eq!(refused(&mut Peer::encrypted(), &auth("PLAIN", &base64("user"))), "malformed-request");
    assert_eq!(refused(&mut Peer::encrypted(), &response("")), "malformed-request");
    let mut peer = Peer::encrypted();
    assert!(peer.says(&auth("PLAIN", "")).is_none());
    peer.hears();
    assert_eq!(refused(&mut peer, &auth("PLAIN", "")), "malformed-request");
}

/// Sections 6.5.2 and 6.5.10: wrong, unknown and disabled are told the same.
#[test]
fn not_authorized() {
    let mut answers = Vec::new();
    for message in ["\0user\0eraser", "\0nobody\0pencil", "\0disabled\0pencil"] {
        let mut peer = Peer::encrypted();
        assert!(peer.asks(&auth("PLAIN", &base64(message))).is_none());
        answers.push(peer.hears());
    }
    assert!(answers[0].contains("<not-authorized/>"), "{}", answers[0]);
    assert!(answers.iter().all(|answer| *answer == answers[0]));

    let mut peer = Peer::encrypted();
    let Some(Event::Authenticated(authenticated)) = peer.asks(&auth("PLAIN", &base64("\0user\0pencil")))
    else {
        panic!()
    };
    assert!(peer.stream.refuse(authenticated, Failure::AccountDisabled).is_none());
    assert_eq!(failure(&peer.heard_element()), "not-authorized");
}

/// Sections 6.5.9, 6.5.11 and 6.5.3: what only the caller can know.
#[test]
fn failures_of_the_caller() {
    for condition in [Failure::TemporaryAuthFailure, Failure::MechanismTooWeak, Failure::CredentialsExpired] {
        let mut peer = Peer::encrypted();
        let Some(Event::Credentials(credentials)) = peer.says(&auth("PLAIN", &base64("\0user\0pencil")))
        else {
            panic!()
        };
        assert_eq!(credentials.question.username(), "user");
        assert!(peer.stream.advance(credentials.question.refuse(condition)).is_none());
        assert_eq!(failure(&peer.heard_element()), condition.name());
    }
}

/// Section 6.4.5: a client may try again, but not for ever.
#[test]
fn retries_are_limited() {
    let mut peer = Peer::encrypted();
    for _ in 0..2 {
        assert_eq!(refused(&mut peer, &auth("X", "")), "invalid-mechanism");
    }
    let Some(Event::Failed(error)) = peer.says(&auth("X", "")) else { panic!() };
    assert_eq!(error.condition, StreamCondition::PolicyViolation);
    assert!(peer.hears().starts_with("<failure"));
}

/// RFC 4422 section 3.8: one sign-in for one stream.
#[test]
fn signing_in_twice() {
    let text = auth("PLAIN", &base64("\0user\0pencil"));
    assert_eq!(Peer::authenticated().fails(&text), StreamCondition::PolicyViolation);
    assert_eq!(Peer::bound().fails(&text), StreamCondition::PolicyViolation);
}

/// Section 4.9.3.9: after the restart `from` is who was authenticated, if anything.
#[test]
fn from_after_authentication() {
    let header = |from: &str| HEADER.replace("to=", &format!("from='{from}' to="));
    let mut peer = Peer::encrypted();
    peer.signs_in("\0user\0pencil");
    assert_eq!(peer.fails(&header("other@example.org")), StreamCondition::InvalidFrom);
    let mut peer = Peer::encrypted();
    peer.signs_in("\0user\0pencil");
    assert!(peer.opens(&header("User@example.org")).contains(" to='user@example.org'"));
}

/// Section 6.4.6: what is pipelined behind the last response is read as the new stream.
#[test]
fn the_restart_may_be_pipelined() {
    let mut peer = Peer::encrypted();
    let text = format!("{}{HEADER}", auth("PLAIN", &base64("\0user\0pencil")));
    let (used, Some(Event::Credentials(credentials))) = peer.says_at_once(&text) else { panic!() };
    let Some(Event::Authenticated(authenticated)) = peer.stream.advance(answer(credentials.question)) else {
        panic!()
    };
    peer.stream.accept(authenticated, Acceptance::default());
    assert!(peer.says_at_once(&text[used..]).1.is_none());
    assert!(peer.hears().contains("<stream:features>"));
}

/// go-xmpp ends its elements with a line feed: after the last of a stream it does not belong to the next one, where an
/// XML declaration could not follow it.
#[test]
fn white_space_between_streams() {
    let mut peer = Peer::encrypted();
    peer.signs_in("\0user\0pencil");
    let answer = peer.opens(&format!("\r\n {}", HEADER.replace(" to=", "\n to=")));
    assert!(features(&answer).child(ns::BIND, "bind").is_some());
    // Before the first stream there is nothing that it could belong to.
    assert_eq!(
        Peer::new(Transport::tcp()).fails(&format!("\n{}", &HEADER[..2])),
        StreamCondition::RestrictedXml
    );
}

/// During an exchange there is nothing else.
#[test]
fn other_things_during_an_exchange() {
    let begun = || {
        let mut peer = Peer::encrypted();
        assert!(peer.says(&auth("PLAIN", "")).is_none());
        peer.hears();
        peer
    };
    assert_eq!(begun().fails("<message/>"), StreamCondition::NotAuthorized);
    assert_eq!(begun().fails("<foo xmlns='bar'/>"), StreamCondition::PolicyViolation);
    assert_eq!(begun().fails(&format!("<starttls xmlns='{}'/>", ns::TLS)), StreamCondition::PolicyViolation);
    let authenticate = format!("<authenticate xmlns='{}' mechanism='PLAIN'/>", ns::SASL2);
    assert_eq!(begun().fails(&authenticate), StreamCondition::PolicyViolation);
}

/// XEP-0440 section 3, XEP-0474, RFC 5802 section 6: whoever sits between client and server, with a certificate that the
/// client believes, can strip the offer, relay, or do both, and never gets in.
#[test]
fn a_man_in_the_middle_never_gets_in() {
    // He strips the -PLUS mechanisms; the client says that it could have bound.
    let stripped = base64("y,,n=user,r=nonce");
    assert_eq!(refused(&mut Peer::encrypted(), &auth("SCRAM-SHA-256", &stripped)), "not-authorized");

    // He relays the bound exchange; the client's TLS connection is another than the server's.
    let relayed = |binding: &str, data: Vec<u8>| {
        let mut peer = Peer::encrypted();
        let client = ScramClient::new(Hash::Sha256, "user", "pencil", "nonce", Some((binding, data)));
        assert!(peer.asks(&auth("SCRAM-SHA-256-PLUS", &base64(client.first()))).is_none());
        let challenge = BASE64_STANDARD.decode(peer.heard_element().text().as_bytes()).unwrap();
        let (last, _) = client.last(&String::from_utf8(challenge).unwrap(), None).unwrap();
        refused(&mut peer, &response(&base64(last)))
    };
    assert_eq!(relayed("tls-exporter", vec![8; 32]), "not-authorized");
    assert_eq!(relayed("tls-server-end-point", vec![8; 32]), "not-authorized");

    // He strips what the client needs and, so that it does not notice, replaces the hash of the offer: then the proof
    // that the client makes is over other words than those of the server.
    let mut peer = Peer::encrypted();
    let client = ScramClient::new(Hash::Sha256, "user", "pencil", "nonce", None);
    assert!(peer.asks(&auth("SCRAM-SHA-256", &base64(client.first()))).is_none());
    let challenge = BASE64_STANDARD.decode(peer.heard_element().text().as_bytes()).unwrap();
    let challenge = String::from_utf8(challenge).unwrap();
    let seen =
        Offer { mechanisms: vec![Mechanism::Scram { hash: Hash::Sha256, plus: false }], bindings: vec![] };
    let forged =
        format!("{},h={}", challenge.split_once(",h=").unwrap().0, seen.downgrade_hash(Hash::Sha256));
    let (last, _) = client.last(&forged, Some(&seen)).unwrap();
    assert_eq!(refused(&mut peer, &response(&base64(last))), "not-authorized");
}
