//! SASL2 (XEP-0388) with Bind 2 (XEP-0386), resumption (XEP-0198 section 9), FAST (XEP-0484) and upgrades (XEP-0480).

use super::*;
use crate::sasl::{TokenBinding, token_initial_response, token_responder_message};

const AGENT: &str = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>AwesomeXMPP</software>\
                     <device>Kiva&apos;s Phone</device></user-agent>";

fn authenticate(mechanism: &str, initial: &str, children: &str) -> String {
    format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>\
         <initial-response>{initial}</initial-response>{children}</authenticate>"
    )
}

/// A request with PLAIN, which needs one step only.
fn plain(children: &str) -> String {
    authenticate("PLAIN", &base64("\0user\0pencil"), children)
}

#[track_caller]
fn proves(peer: &mut Peer, text: &str) -> Authenticated {
    match peer.asks(text) {
        Some(Event::Authenticated(authenticated)) => authenticated,
        event => panic!("{event:?} {}", peer.hears()),
    }
}

fn accepts(peer: &mut Peer, authenticated: Authenticated, acceptance: Acceptance) -> Vec<Element> {
    peer.stream.accept(authenticated, acceptance);
    peer.heard_elements()
}

fn identity(success: &Element) -> String {
    child(success, ns::SASL2, "authorization-identifier").text().into_owned()
}

fn bound(jid: Jid) -> Bound {
    Bound { jid, enabled: None, children: Vec::new() }
}

#[track_caller]
fn refused(peer: &mut Peer, text: &str) -> String {
    assert!(peer.says(text).is_none());
    let element = peer.heard_element();
    assert_eq!(element.ns(), ns::SASL2);
    failure(&element)
}

/// XEP-0388 examples 1 and 2, XEP-0386 example 1, XEP-0484 example 1, XEP-0480 example 1, XEP-0198 example 27.
#[test]
fn the_offer() {
    let mut peer = Peer::new(Transport::direct_tls(tls()));
    let features = features(&peer.opens(&HEADER.replace("to=", "from='user@example.org' to=")));
    let authentication = child(&features, ns::SASL2, "authentication");
    assert_eq!(mechanisms(&authentication), mechanisms(&child(&features, ns::SASL, "mechanisms")));
    assert!(features.child(ns::CHANNEL_BINDING, "sasl-channel-binding").is_some());
    let inline = child(&authentication, ns::SASL2, "inline");
    assert!(inline.child(ns::SM3, "sm").is_some());
    let bind = child(&inline, ns::BIND2, "bind");
    let inner = child(&bind, ns::BIND2, "inline");
    let vars: Vec<_> = inner.children().map(|feature| feature.attr("var").unwrap().to_owned()).collect();
    assert_eq!(vars, [ns::CARBONS, ns::CLIENT_STATE, ns::SM3]);
    let fast = child(&inline, ns::FAST, "fast");
    assert_eq!(mechanisms(&fast), ["HT-SHA-256-EXPR", "HT-SHA-256-ENDP", "HT-SHA-256-NONE"]);
    assert_eq!(fast.attr("tls-0rtt"), None);
    assert_eq!(child(&authentication, ns::SASL_UPGRADE, "upgrade").text(), "UPGR-SCRAM-SHA-512");
}

/// XEP-0484 section 3.1: only what the connection can do.
#[test]
fn the_offer_without_channel_binding() {
    let mut peer = Peer::new(Transport::direct_tls(Tls::default()));
    let features = features(&peer.opens(HEADER));
    let inline = child(&child(&features, ns::SASL2, "authentication"), ns::SASL2, "inline");
    assert_eq!(mechanisms(&child(&inline, ns::FAST, "fast")), ["HT-SHA-256-NONE"]);
}

/// XEP-0388 section 3: only after TLS.
#[test]
fn only_with_tls() {
    let mut peer = Peer::new(Transport::tcp());
    peer.opens(HEADER);
    assert_eq!(refused(&mut peer, &plain("")), "encryption-required");
    let mut peer = Peer::new(Transport::trusted_loopback());
    peer.opens(HEADER);
    assert_eq!(refused(&mut peer, &plain("")), "encryption-required");
}

/// XEP-0388 example 13 ("Syntactic Equivalence"): no restart, features at once.
#[test]
fn plain_and_legacy_binding() {
    let mut peer = Peer::encrypted();
    let authenticated = proves(&mut peer, &plain(AGENT));
    assert_eq!(authenticated.jid, jid("user@example.org"));
    let agent = authenticated.user_agent.clone().unwrap();
    assert_eq!(agent.id.as_deref(), Some("d4565fa7-4d72-4749-b3d3-740edbf87770"));
    assert_eq!(agent.software.as_deref(), Some("AwesomeXMPP"));
    assert_eq!(agent.device.as_deref(), Some("Kiva's Phone"));
    let heard = accepts(&mut peer, authenticated, Acceptance::default());
    assert!(heard[0].is(ns::SASL2, "success"));
    assert_eq!(identity(&heard[0]), "user@example.org");
    assert!(heard[0].child(ns::SASL2, "additional-data").is_none());
    assert!(heard[1].is(ns::STREAMS, "features"));
    assert!(heard[1].child(ns::BIND, "bind").is_some());
    assert!(matches!(peer.says(&bind_iq("x")), Some(Event::Bind(_))));
}

/// XEP-0388 examples 3, 5 and 7: SCRAM with channel binding; the server's proof comes with the success.
#[test]
fn scram() {
    let mut peer = Peer::encrypted();
    let client = ScramClient::new(Hash::Sha1, "user", "pencil", "nonce", Some(("tls-exporter", vec![7; 32])));
    assert!(peer.asks(&authenticate("SCRAM-SHA-1-PLUS", &base64(client.first()), AGENT)).is_none());
    let challenge = peer.heard_element();
    assert!(challenge.is(ns::SASL2, "challenge"));
    let server_first =
        String::from_utf8(BASE64_STANDARD.decode(challenge.text().as_bytes()).unwrap()).unwrap();
    let (last, proof) = client.last(&server_first, None).unwrap();
    // The examples have white space around the data.
    let response = format!("<response xmlns='urn:xmpp:sasl:2'>\n  {}\n</response>", base64(last));
    let Some(Event::Authenticated(authenticated)) = peer.says(&response) else { panic!() };
    assert_eq!(authenticated.user_agent.as_ref().unwrap().software.as_deref(), Some("AwesomeXMPP"));
    let heard = accepts(&mut peer, authenticated, Acceptance::default());
    let data = child(&heard[0], ns::SASL2, "additional-data").text().into_owned();
    proof.verify(&String::from_utf8(BASE64_STANDARD.decode(data).unwrap()).unwrap()).unwrap();
}

/// XEP-0388 example 10 and section 2.6.2: a failure leaves the stream as it was, and inline requests die with it.
#[test]
fn failing_and_trying_again() {
    let mut peer = Peer::encrypted();
    let wrong = authenticate("PLAIN", &base64("\0user\0eraser"), "<bind xmlns='urn:xmpp:bind:0'/>");
    assert!(peer.asks(&wrong).is_none());
    assert_eq!(failure(&peer.heard_element()), "not-authorized");
    assert!(proves(&mut peer, &plain("")).bind.is_none());
}

/// XEP-0388 section 2.3: a mechanism that was not announced, data that are no base64, an agent that is no UUID.
#[test]
fn refused_requests() {
    assert_eq!(refused(&mut Peer::encrypted(), &authenticate("CRAM-MD5", "", "")), "invalid-mechanism");
    assert_eq!(
        refused(&mut Peer::encrypted(), "<authenticate xmlns='urn:xmpp:sasl:2'/>"),
        "invalid-mechanism"
    );
    assert_eq!(refused(&mut Peer::encrypted(), &authenticate("PLAIN", "?", "")), "incorrect-encoding");
    assert_eq!(refused(&mut Peer::encrypted(), &plain("<user-agent id='me'/>")), "malformed-request");
    assert_eq!(
        refused(&mut Peer::encrypted(), &plain("<resume xmlns='urn:xmpp:sm:3' previd='x'/>")),
        "malformed-request"
    );
    let other = authenticate("PLAIN", &base64("admin@example.org\0user\0pencil"), "");
    assert_eq!(refused(&mut Peer::encrypted(), &other), "invalid-authzid");
}

/// XEP-0388 section 2.3: the identity must be the one that the stream was opened from.
#[test]
fn the_identity_fits_the_stream() {
    let opened = |from: &str| {
        let mut peer = Peer::new(Transport::direct_tls(tls()));
        peer.opens(&HEADER.replace("to=", &format!("from='{from}' to=")));
        peer
    };
    assert_eq!(refused(&mut opened("other@example.org"), &plain("")), "invalid-authzid");
    proves(&mut opened("USER@example.org"), &plain(""));
}

/// XEP-0388 section 4.5.
#[test]
fn aborting() {
    let mut peer = Peer::encrypted();
    assert!(peer.says("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>").is_none());
    assert!(peer.heard_element().is(ns::SASL2, "challenge"));
    assert_eq!(
        refused(&mut peer, "<abort xmlns='urn:xmpp:sasl:2'><text>Changed my mind</text></abort>"),
        "aborted"
    );
    proves(&mut peer, &plain(""));
}

/// XEP-0388 section 2.4: nothing else while an exchange is under way; section 4.8: nor a second one after the first.
#[test]
fn out_of_order() {
    let begun = || {
        let mut peer = Peer::encrypted();
        assert!(peer.says("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>").is_none());
        peer.hears();
        peer
    };
    assert_eq!(begun().fails("<message/>"), StreamCondition::NotAuthorized);
    assert_eq!(begun().fails("<a xmlns='urn:xmpp:sm:3' h='0'/>"), StreamCondition::PolicyViolation);
    assert_eq!(begun().fails("<next xmlns='urn:xmpp:sasl:2' task='x'/>"), StreamCondition::PolicyViolation);
    assert_eq!(begun().fails(&plain("")), StreamCondition::PolicyViolation);
    for space in [" ", "\n"] {
        assert_eq!(begun().fails(space), StreamCondition::PolicyViolation, "{space:?}");
    }
    let abort = format!("<abort xmlns='{}'/>", ns::SASL);
    assert_eq!(begun().fails(&abort), StreamCondition::PolicyViolation);
    assert_eq!(
        Peer::encrypted().fails("<response xmlns='urn:xmpp:sasl:2'/>"),
        StreamCondition::PolicyViolation
    );
    assert_eq!(Peer::authenticated().fails(&plain("")), StreamCondition::PolicyViolation);
    assert_eq!(Peer::bound().fails(&plain("")), StreamCondition::PolicyViolation);
}

/// XEP-0386 examples 2 and 4: one round trip from TLS to a bound session.
#[test]
fn binding_inline() {
    let mut peer = Peer::encrypted();
    let authenticated =
        proves(&mut peer, &plain("<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag></bind>"));
    let bind = authenticated.bind.clone().unwrap();
    assert_eq!(bind.tag.as_deref(), Some("AwesomeXMPP"));
    assert!(!bind.carbons && !bind.inactive && bind.enable.is_none());
    let full = bind.resource(&authenticated.jid, "4232f4d4").unwrap();
    assert_eq!(full, jid("user@example.org/AwesomeXMPP/4232f4d4"));
    let metadata =
        "<metadata xmlns='urn:xmpp:mam:2'><start id='YWxwaGEg' timestamp='2008-08-22T21:09:04Z'/></metadata>";
    let metadata = Element::parse(metadata).unwrap();
    let bound = Bound { jid: full.clone(), enabled: None, children: vec![metadata.clone()] };
    let heard = accepts(&mut peer, authenticated, Acceptance { bound: Some(bound), ..Acceptance::default() });
    assert_eq!(identity(&heard[0]), "user@example.org/AwesomeXMPP/4232f4d4");
    assert_eq!(child(&child(&heard[0], ns::BIND2, "bound"), ns::MAM, "metadata"), metadata);
    assert!(heard[1].child(ns::BIND, "bind").is_none());
    assert_eq!(peer.stream.jid(), Some(&full));
    assert!(matches!(peer.says("<presence/>"), Some(Event::Stanza(stanza)) if stanza.from == Some(full)));
}

/// XEP-0386 example 3: carbons, stream management and client state along with it.
#[test]
fn binding_with_features() {
    let mut peer = Peer::encrypted();
    let request = "<bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:carbons:2'/>\
                   <enable xmlns='urn:xmpp:sm:3' resume='true' max='60'/><inactive xmlns='urn:xmpp:csi:0'/></bind>";
    let authenticated = proves(&mut peer, &plain(request));
    let bind = authenticated.bind.as_ref().unwrap();
    assert!(bind.carbons && bind.inactive);
    assert_eq!(bind.enable, Some(sm::Enable { resume: true, max: Some(60) }));
    assert_eq!(bind.requested.len(), 4);
    let enabled = sm::Enabled { id: Some("id".into()), max: Some(60), location: None };
    let bound = Bound { enabled: Some(Ok(enabled.clone())), ..bound(jid("user@example.org/x")) };
    let heard = accepts(&mut peer, authenticated, Acceptance { bound: Some(bound), ..Acceptance::default() });
    let answer = child(&child(&heard[0], ns::BIND2, "bound"), ns::SM3, "enabled");
    assert_eq!(sm::Enabled::parse(answer.root()), enabled);
    assert!(heard[1].child(ns::SM3, "sm").is_none());
    assert!(peer.stream.is_managed());
    assert!(matches!(peer.says("<r xmlns='urn:xmpp:sm:3'/>"), Some(Event::AcknowledgementRequested)));
}

/// XEP-0386 section 3.2.1: a tag that cannot be part of an address, or is empty.
#[test]
fn tags() {
    let bind = |tag: &str| InlineBind { tag: Some(tag.into()), ..InlineBind::default() };
    assert_eq!(bind("a\u{7}").resource(&jid("a@b"), "x"), None);
    assert_eq!(bind(" ").resource(&jid("a@b"), "x"), Some(jid("a@b/x")));
    assert_eq!(InlineBind::default().resource(&jid("a@b"), "x"), Some(jid("a@b/x")));
}

/// The server has no reason of its own to refuse; the stream can tell the client all the same.
/// covers: XEP-0198 example 29
#[test]
fn enabling_fails_inline() {
    let mut peer = Peer::encrypted();
    let request = "<bind xmlns='urn:xmpp:bind:0'><enable xmlns='urn:xmpp:sm:3'/></bind>";
    let authenticated = proves(&mut peer, &plain(request));
    let bound =
        Bound { enabled: Some(Err(Condition::InternalServerError)), ..bound(jid("user@example.org/x")) };
    let heard = accepts(&mut peer, authenticated, Acceptance { bound: Some(bound), ..Acceptance::default() });
    let failed = child(&child(&heard[0], ns::BIND2, "bound"), ns::SM3, "failed");
    assert!(failed.child(ns::STANZA_ERRORS, "internal-server-error").is_some());
    assert!(!peer.stream.is_managed());
}

const RESUME: &str = "<resume xmlns='urn:xmpp:sm:3' h='5' previd='124'/>\
                      <bind xmlns='urn:xmpp:bind:0'><tag>AwesomeXMPP</tag><enable xmlns='urn:xmpp:sm:3'/></bind>";

/// XEP-0388 example 9 and XEP-0198 example 28: resumed in one round trip; no features, and no second binding.
#[test]
fn resuming_inline() {
    let mut peer = Peer::encrypted();
    let authenticated = proves(&mut peer, &plain(RESUME));
    assert_eq!(authenticated.resume, Some(sm::Resume { previd: "124".into(), h: 5 }));
    assert!(authenticated.bind.is_some());
    let resumption = Resumption { jid: jid("user@example.org/former"), previd: "124".into(), h: 345 };
    let acceptance = Acceptance {
        resumption: Some(Ok(resumption)),
        bound: Some(bound(jid("user@example.org/ignored"))),
        token: None,
    };
    let heard = accepts(&mut peer, authenticated, acceptance);
    assert_eq!(heard.len(), 1);
    assert_eq!(identity(&heard[0]), "user@example.org");
    assert_eq!(child(&heard[0], ns::SM3, "resumed"), sm::Resume::resumed("124", 345));
    assert!(heard[0].child(ns::BIND2, "bound").is_none());
    assert_eq!(peer.stream.jid(), Some(&jid("user@example.org/former")));
    assert!(peer.stream.is_managed());
}

/// XEP-0198 example 30: the session is gone; a new one takes its place.
#[test]
fn resuming_fails_inline() {
    let mut peer = Peer::encrypted();
    let authenticated = proves(&mut peer, &plain(RESUME));
    let bound = Bound { enabled: Some(Ok(sm::Enabled::default())), ..bound(jid("user@example.org/new")) };
    let acceptance = Acceptance {
        resumption: Some(Err(sm::ResumeFailed { condition: Condition::ItemNotFound, h: Some(7) })),
        bound: Some(bound),
        token: None,
    };
    let heard = accepts(&mut peer, authenticated, acceptance);
    let failed = child(&heard[0], ns::SM3, "failed");
    assert_eq!(failed.attr("h"), Some("7"));
    assert!(failed.child(ns::STANZA_ERRORS, "item-not-found").is_some());
    assert!(child(&heard[0], ns::BIND2, "bound").child(ns::SM3, "enabled").is_some());
    assert_eq!(identity(&heard[0]), "user@example.org/new");
    assert!(heard[1].is(ns::STREAMS, "features"));
}

/// Neither resumed nor managed, but bound.
/// covers: XEP-0198 example 31
#[test]
fn resuming_and_enabling_fail_inline() {
    let mut peer = Peer::encrypted();
    let authenticated = proves(&mut peer, &plain(RESUME));
    let bound =
        Bound { enabled: Some(Err(Condition::InternalServerError)), ..bound(jid("user@example.org/new")) };
    let acceptance = Acceptance {
        resumption: Some(Err(sm::ResumeFailed { condition: Condition::ItemNotFound, h: Some(7) })),
        bound: Some(bound),
        token: None,
    };
    let heard = accepts(&mut peer, authenticated, acceptance);
    let failed = child(&heard[0], ns::SM3, "failed");
    assert!(failed.child(ns::STANZA_ERRORS, "item-not-found").is_some());
    let failed = child(&child(&heard[0], ns::BIND2, "bound"), ns::SM3, "failed");
    assert!(failed.child(ns::STANZA_ERRORS, "internal-server-error").is_some());
    assert_eq!(identity(&heard[0]), "user@example.org/new");
    assert!(!peer.stream.is_managed());
}

/// XEP-0484 examples 2 and 3: a token on request, for a mechanism that was offered.
#[test]
fn requesting_a_token() {
    let request = |mechanism: &str, agent: &str| {
        let children = format!("{agent}<request-token xmlns='urn:xmpp:fast:0' mechanism='{mechanism}'/>");
        let mut peer = Peer::encrypted();
        let authenticated = proves(&mut peer, &plain(&children));
        (peer, authenticated)
    };
    let (mut peer, authenticated) = request("HT-SHA-256-ENDP", AGENT);
    assert_eq!(authenticated.request_token, Some(TokenBinding::ServerEndPoint));
    let token = IssuedToken {
        token: "WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm".into(),
        expiry: "2020-03-12T14:36:15Z".into(),
    };
    let acceptance = Acceptance { token: Some(token), ..Acceptance::default() };
    let heard = accepts(&mut peer, authenticated, acceptance);
    let token = child(&heard[0], ns::FAST, "token");
    assert_eq!(token.attr("token"), Some("WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm"));
    assert_eq!(token.attr("expiry"), Some("2020-03-12T14:36:15Z"));
    // Not offered, not of the family, or by a client that cannot be told from another.
    assert_eq!(request("HT-SHA-512-ENDP", AGENT).1.request_token, None);
    assert_eq!(request("PLAIN", AGENT).1.request_token, None);
    assert_eq!(request("HT-SHA-256-ENDP", "").1.request_token, None);
}

/// XEP-0484 example 4: signing in with a token, with the counter, in one step.
#[test]
fn signing_in_with_a_token() {
    let mut peer = Peer::encrypted();
    let message = base64(token_initial_response("user", "current", &[7; 32]));
    let children = format!("{AGENT}<fast xmlns='urn:xmpp:fast:0' count='123'/>");
    let Some(Event::Credentials(credentials)) =
        peer.says(&authenticate("HT-SHA-256-EXPR", &message, &children))
    else {
        panic!()
    };
    assert_eq!(credentials.fast, Some(FastUse { count: Some(123), invalidate: false }));
    assert_eq!(
        credentials.user_agent.as_ref().and_then(|agent| agent.id.as_deref()),
        Some("d4565fa7-4d72-4749-b3d3-740edbf87770")
    );
    let Some(Event::Authenticated(authenticated)) = peer.stream.advance(answer(credentials.question)) else {
        panic!()
    };
    assert_eq!(authenticated.mechanism, Mechanism::HashedToken(TokenBinding::Exporter));
    assert_eq!(authenticated.token, Some(1));
    assert_eq!(authenticated.fast, Some(FastUse { count: Some(123), invalidate: false }));
    let heard = accepts(&mut peer, authenticated, Acceptance::default());
    let data = child(&heard[0], ns::SASL2, "additional-data").text().into_owned();
    assert_eq!(BASE64_STANDARD.decode(data).unwrap(), token_responder_message("current", &[7; 32]));
}

/// XEP-0484 section 3.4: a token goes with `<fast/>`, and `<fast/>` with a token; section 4.1: and with an installation.
#[test]
fn tokens_and_fast_go_together() {
    let message = base64(token_initial_response("user", "current", &[7; 32]));
    let fast = "<fast xmlns='urn:xmpp:fast:0'/>";
    let request = |mechanism: &str, children: &str| {
        refused(&mut Peer::encrypted(), &authenticate(mechanism, &message, children))
    };
    assert_eq!(request("HT-SHA-256-EXPR", AGENT), "invalid-mechanism");
    assert_eq!(request("PLAIN", &format!("{AGENT}{fast}")), "invalid-mechanism");
    assert_eq!(request("HT-SHA-256-EXPR", fast), "malformed-request");
    let bad_count = format!("{AGENT}<fast xmlns='urn:xmpp:fast:0' count='-1'/>");
    assert_eq!(request("HT-SHA-256-EXPR", &bad_count), "malformed-request");
}

/// XEP-0484 example 6.
#[test]
fn invalidating_a_token() {
    let message = base64(token_initial_response("user", "new", &[]));
    let children = format!("{AGENT}<fast xmlns='urn:xmpp:fast:0' count='123' invalidate='true'/>");
    let authenticated = proves(&mut Peer::encrypted(), &authenticate("HT-SHA-256-NONE", &message, &children));
    assert!(authenticated.fast.unwrap().invalidate);
    assert_eq!((authenticated.token, authenticated.request_token), (Some(0), None));
}

/// XEP-0484 section 4.2: a token that is no longer trusted.
#[test]
fn an_expired_token() {
    let mut peer = Peer::encrypted();
    let message = base64(token_initial_response("user", "current", &[]));
    let children = format!("{AGENT}<fast xmlns='urn:xmpp:fast:0'/>");
    let Some(Event::Credentials(credentials)) =
        peer.says(&authenticate("HT-SHA-256-NONE", &message, &children))
    else {
        panic!()
    };
    assert!(peer.stream.advance(credentials.question.refuse(Failure::CredentialsExpired)).is_none());
    assert_eq!(failure(&peer.heard_element()), "credentials-expired");
    proves(&mut peer, &plain(AGENT));
}

/// XEP-0388 examples 11, 12 and 15 ("Advanced Usage"): a second factor after a right password.
#[test]
fn tasks() {
    let mut peer = Peer::encrypted();
    let authenticated = proves(&mut peer, &plain("<bind xmlns='urn:xmpp:bind:0'/>"));
    assert!(authenticated.can_do_tasks());
    let text = Some("This account requires 2FA");
    assert!(peer.stream.demand(authenticated, &["HOTP-EXAMPLE", "TOTP-EXAMPLE"], text).is_none());
    let heard = peer.heard_element();
    assert!(heard.is(ns::SASL2, "continue"));
    let tasks = child(&heard, ns::SASL2, "tasks");
    let names: Vec<_> = tasks.children().map(|task| task.text().into_owned()).collect();
    assert_eq!(names, ["HOTP-EXAMPLE", "TOTP-EXAMPLE"]);
    assert_eq!(child(&heard, ns::SASL2, "text").text(), "This account requires 2FA");

    let next =
        "<next xmlns='urn:xmpp:sasl:2' task='TOTP-EXAMPLE'><totp xmlns='urn:totp:example'>SSd2</totp></next>";
    let Some(Event::Task(task)) = peer.says(next) else { panic!() };
    assert_eq!(task.name, "TOTP-EXAMPLE");
    assert_eq!(child(&task.element, "urn:totp:example", "totp").text(), "SSd2");
    peer.stream.task_data(task, vec![Element::new("urn:totp:example", "totp").with_text("94d2")]);
    let data = peer.heard_element();
    assert!(data.is(ns::SASL2, "task-data"));
    assert_eq!(child(&data, "urn:totp:example", "totp").text(), "94d2");

    let reply = "<task-data xmlns='urn:xmpp:sasl:2'><totp xmlns='urn:totp:example'>OTRk</totp></task-data>";
    let Some(Event::Task(task)) = peer.says(reply) else { panic!() };
    assert_eq!(task.name, "TOTP-EXAMPLE");
    // What was asked inline at the beginning is still there at the end.
    assert!(task.authenticated.bind.is_some());
    let acceptance = Acceptance { bound: Some(bound(jid("user@example.org/x"))), ..Acceptance::default() };
    let heard = accepts(&mut peer, task.authenticated, acceptance);
    assert_eq!(identity(&heard[0]), "user@example.org/x");
}

/// XEP-0388 section 2.6.3: a task that fails, that was not offered, or that is given up.
#[test]
fn tasks_fail() {
    let demanded = || {
        let mut peer = Peer::encrypted();
        let authenticated = proves(&mut peer, &plain(""));
        assert!(peer.stream.demand(authenticated, &["TOTP"], None).is_none());
        peer.hears();
        peer
    };
    assert_eq!(refused(&mut demanded(), "<next xmlns='urn:xmpp:sasl:2' task='OTHER'/>"), "malformed-request");
    assert_eq!(refused(&mut demanded(), "<task-data xmlns='urn:xmpp:sasl:2'/>"), "malformed-request");
    assert_eq!(refused(&mut demanded(), "<abort xmlns='urn:xmpp:sasl:2'/>"), "aborted");
    assert_eq!(demanded().fails("<presence/>"), StreamCondition::NotAuthorized);
    assert_eq!(demanded().fails(&plain("")), StreamCondition::PolicyViolation);
    let mut peer = demanded();
    let Some(Event::Task(task)) = peer.says("<next xmlns='urn:xmpp:sasl:2' task='TOTP'/>") else { panic!() };
    assert!(peer.stream.refuse(task.authenticated, Failure::NotAuthorized).is_none());
    assert_eq!(failure(&peer.heard_element()), "not-authorized");
    assert_eq!(peer.stream.account(), None);
}

/// A client of RFC 6120's profile cannot be asked for more: it is turned away like one with a wrong password.
#[test]
fn tasks_need_sasl2() {
    let mut peer = Peer::encrypted();
    let auth = format!("<auth xmlns='{}' mechanism='PLAIN'>{}</auth>", ns::SASL, base64("\0user\0pencil"));
    let Some(Event::Authenticated(authenticated)) = peer.asks(&auth) else { panic!() };
    assert!(!authenticated.can_do_tasks());
    assert!(peer.stream.demand(authenticated, &["TOTP"], None).is_none());
    assert_eq!(failure(&peer.heard_element()), "not-authorized");
}

/// XEP-0480 section 3: the client computes the new verifier's material; the password stays with it.
#[test]
fn upgrading() {
    let mut peer = Peer::encrypted();
    let requested = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>\
                     <upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-BLOOP2</upgrade>";
    let authenticated = proves(&mut peer, &plain(requested));
    assert_eq!(authenticated.upgrades, [Hash::Sha512]);
    let upgrade = Upgrade { hash: Hash::Sha512, salt: b"A_SXCRQa6sek8bf_Z".to_vec(), iterations: 4096 };
    assert!(peer.stream.upgrade(authenticated, upgrade).is_none());
    let tasks = child(&peer.heard_element(), ns::SASL2, "tasks");
    assert_eq!(child(&tasks, ns::SASL2, "task").text(), "UPGR-SCRAM-SHA-512");

    assert!(peer.says("<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-512'/>").is_none());
    let data = peer.heard_element();
    let salt = child(&data, "urn:xmpp:scram-upgrade:0", "salt");
    assert_eq!(salt.attr("iterations"), Some("4096"));
    assert_eq!(salt.text(), "QV9TWENSUWE2c2VrOGJmX1o=");

    let expected = Verifier::derive(Hash::Sha512, "pencil", b"A_SXCRQa6sek8bf_Z", 4096).unwrap();
    let hash = |data: &str| {
        format!(
            "<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>{data}</hash></task-data>"
        )
    };
    // PBKDF2-HMAC-SHA-512 of this password and salt, by another implementation (Python's hashlib).
    let salted = "TUQBTMJ/IJBlVSN1CmQ1Sf2Hg6+An/L9zf43i7bkZIQwvoVx2liB7qRTs4tEBetnoFTJL1XySim6ZSgYIZT4XA==";
    let Some(Event::Upgraded(verifier, authenticated)) = peer.says(&hash(salted)) else { panic!() };
    assert_eq!(verifier, expected);
    let heard = accepts(&mut peer, authenticated, Acceptance::default());
    assert!(heard[0].is(ns::SASL2, "success"));
}

/// XEP-0480 section 3: material that cannot be right ends the attempt.
#[test]
fn upgrading_fails() {
    for data in ["", "QUJD", "?"] {
        let mut peer = Peer::encrypted();
        let requested = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>";
        let authenticated = proves(&mut peer, &plain(requested));
        let upgrade = Upgrade { hash: Hash::Sha512, salt: vec![1; 16], iterations: 4096 };
        assert!(peer.stream.upgrade(authenticated, upgrade).is_none());
        assert!(peer.says("<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-512'/>").is_none());
        peer.hears();
        let text = format!(
            "<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>{data}</hash></task-data>"
        );
        let condition = refused(&mut peer, &text);
        assert!(["malformed-request", "incorrect-encoding"].contains(&condition.as_str()));
    }
}

/// XEP-0388 section 2.3 ("pipelined"): a client that remembers the features sends everything with its header.
#[test]
fn everything_in_one_write() {
    let mut peer = Peer::new(Transport::direct_tls(tls()));
    let text = format!("{HEADER}{}", plain("<bind xmlns='urn:xmpp:bind:0'/>"));
    let (used, Some(Event::Credentials(credentials))) = peer.says_at_once(&text) else { panic!() };
    assert_eq!(used, text.len());
    let Some(Event::Authenticated(authenticated)) = peer.stream.advance(answer(credentials.question)) else {
        panic!()
    };
    let acceptance = Acceptance { bound: Some(bound(jid("user@example.org/x"))), ..Acceptance::default() };
    peer.hears();
    assert_eq!(identity(&accepts(&mut peer, authenticated, acceptance)[0]), "user@example.org/x");
}
