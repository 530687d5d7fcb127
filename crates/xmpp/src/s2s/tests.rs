//! Both ends of streams between servers, spoken to each other and to scripts.

use std::sync::Arc;

use super::*;
use crate::error::{Condition, StreamCondition};

const TLS_REQUIRED: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";

fn config(ours: &'static [&'static str], dialback: bool) -> Arc<Config> {
    Arc::new(Config {
        hosts: Box::new(|domain| match ours.contains(&domain) {
            true => Host::Served,
            false if domain == "former.example" => Host::Gone,
            false => Host::Unknown,
        }),
        admits: Box::new(|domain| domain != "denied.example"),
        default_host: ours[0].into(),
        random: Box::new(|octets| octets.fill(7)),
        secret: Secret::new([u8::try_from(ours[0].len()).unwrap(); 32]),
        dialback,
        limits_before: Limits { stanza_bytes: 4096, ..Limits::default() },
        limits: Limits::default(),
    })
}

fn montague(dialback: bool) -> Arc<Config> {
    config(&["montague.example", "rooms.montague.example"], dialback)
}

fn capulet() -> Arc<Config> {
    config(&["capulet.example"], true)
}

fn peer(valid: &'static str) -> Peer {
    Peer(Box::new(move |domain| domain == valid))
}

fn text(output: Vec<u8>) -> String {
    String::from_utf8(output).unwrap()
}

const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
    xmlns:stream='http://etherx.jabber.org/streams' from='capulet.example' to='montague.example' version='1.0'>";

/// An incoming stream after TLS whose header has been answered.
fn secured(dialback: bool, valid: &'static str) -> Incoming {
    let mut stream = Incoming::new(montague(dialback), Some(peer(valid)));
    assert!(stream.feed(HEADER.as_bytes()).1.is_none());
    stream
}

/// The condition that the rest of a stream ends with.
fn condition(stream: &mut Incoming, input: &str) -> Option<StreamCondition> {
    match stream.feed(input.as_bytes()).1 {
        Some(Event::Failed(error)) => {
            assert!(stream.is_ended());
            let output = text(stream.take_output());
            assert!(output.ends_with("</stream:stream>") && output.contains(error.condition.as_str()));
            Some(error.condition)
        }
        _ => None,
    }
}

/// RFC 6120 sections 4.7.1, 4.7.2, 4.8.2, 4.9.3.5 to 4.9.3.10, 4.9.3.25.
#[test]
fn headers_say_who_and_whom() {
    for (from, to, expected) in [
        ("from='capulet.example'", "", StreamCondition::ImproperAddressing),
        ("", "to='montague.example'", StreamCondition::ImproperAddressing),
        ("from='capulet.example'", "to='a@montague.example'", StreamCondition::ImproperAddressing),
        ("from='capulet.example/x'", "to='montague.example'", StreamCondition::ImproperAddressing),
        ("from='capulet.example'", "to='elsewhere.example'", StreamCondition::HostUnknown),
        ("from='capulet.example'", "to='former.example'", StreamCondition::HostGone),
        ("from='montague.example'", "to='montague.example'", StreamCondition::InvalidFrom),
        ("from='denied.example'", "to='montague.example'", StreamCondition::PolicyViolation),
    ] {
        let mut stream = Incoming::new(montague(true), None);
        let header = format!(
            "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' {from} {to} \
             version='1.0'>"
        );
        assert_eq!(condition(&mut stream, &header), Some(expected), "{from} {to}");
    }
    let client = HEADER.replace("jabber:server'", "jabber:client'");
    assert_eq!(
        condition(&mut Incoming::new(montague(true), None), &client),
        Some(StreamCondition::InvalidNamespace)
    );
    let old = HEADER.replace(" version='1.0'", "");
    assert_eq!(
        condition(&mut Incoming::new(montague(true), None), &old),
        Some(StreamCondition::UnsupportedVersion)
    );
}

/// RFC 6120 section 5.3.1, and section 5.4.3.3: plain text behind `<starttls/>` is an attack.
#[test]
fn nothing_but_tls_is_offered_before_tls() {
    let mut stream = Incoming::new(montague(true), None);
    assert!(stream.feed(HEADER.as_bytes()).1.is_none());
    let output = text(stream.take_output());
    assert!(output.contains(&format!("<stream:features>{TLS_REQUIRED}</stream:features>")), "{output}");
    let starttls = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    let pipelined =
        format!("{starttls}<db:result from='capulet.example' to='montague.example'>k</db:result>");
    assert_eq!(condition(&mut stream, &pipelined), Some(StreamCondition::PolicyViolation));
    let mut stream = Incoming::new(montague(true), None);
    let (_, event) = stream.feed(format!("{HEADER}{starttls}\n").as_bytes());
    let Some(Event::StartTls(question)) = event else { panic!("{event:?}") };
    assert_eq!(stream.feed(b"<presence/>").0, 0, "nothing is read until the handshake is over");
    stream.tls_established(question, peer("capulet.example"));
    stream.take_output();
    assert!(stream.feed(HEADER.as_bytes()).1.is_none(), "a new stream begins");
    assert!(text(stream.take_output()).contains("EXTERNAL"));
}

/// XEP-0220 section 2.4.2: with TLS required, dialback before it is refused, and the stream stays.
#[test]
fn dialback_before_tls_is_a_matter_of_policy() {
    let mut stream = Incoming::new(montague(true), None);
    stream.feed(HEADER.as_bytes());
    stream.take_output();
    let key = "<db:result from='capulet.example' to='montague.example'>k</db:result>";
    assert!(stream.feed(key.as_bytes()).1.is_none());
    let output = text(stream.take_output());
    assert!(output.contains("type='error'") && output.contains("policy-violation"), "{output}");
}

/// XEP-0178 section 3, RFC 6120 section 6: the identity is that of the header and of the certificate.
#[test]
fn external_takes_whom_the_certificate_names() {
    let auth = |authzid: &str| {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        let text = if authzid.is_empty() { "=".to_owned() } else { BASE64_STANDARD.encode(authzid) };
        format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{text}</auth>")
    };
    for authzid in ["", "capulet.example", "Capulet.Example"] {
        let mut stream = secured(false, "capulet.example");
        let event = stream.feed(auth(authzid).as_bytes()).1;
        assert!(matches!(event, Some(Event::Ready(_, Proof::Certificate))), "{authzid}: {event:?}");
        stream.take_output();
        assert!(stream.feed(HEADER.as_bytes()).1.is_none());
        assert!(!text(stream.take_output()).contains("EXTERNAL"));
        let message =
            "<message from='juliet@capulet.example/b' to='romeo@montague.example'><body>hi</body></message>";
        let Some(Event::Stanza(stanza)) = stream.feed(message.as_bytes()).1 else { panic!("no stanza") };
        assert_eq!(
            stanza.child(ns::CLIENT, "body").map(|body| body.text().into_owned()).as_deref(),
            Some("hi")
        );
    }
    for (valid, authzid, failure) in [
        ("capulet.example", "tybalt.example", "invalid-authzid"),
        ("capulet.example", "juliet@capulet.example", "invalid-authzid"),
        ("other.example", "capulet.example", "not-authorized"),
    ] {
        let mut stream = secured(true, valid);
        stream.take_output();
        assert!(stream.feed(auth(authzid).as_bytes()).1.is_none());
        assert!(text(stream.take_output()).contains(failure), "{valid} {authzid}");
        assert!(!stream.is_authenticated());
        assert_eq!(condition(&mut stream, &auth(authzid)), Some(StreamCondition::PolicyViolation));
    }
    // Section 4.9.3.9: after authentication the header must stay with who it was.
    let mut stream = secured(false, "capulet.example");
    stream.feed(auth("").as_bytes());
    let other = HEADER.replace("capulet.example", "tybalt.example");
    assert_eq!(condition(&mut stream, &other), Some(StreamCondition::InvalidFrom));
}

use crate::ns;

/// RFC 6120 sections 4.9.3.12, 8.1.1.2 and 8.1.2.2.
#[test]
fn stanzas_belong_to_an_authenticated_pair() {
    let message = |from: &str, to: &str| format!("<message {from} {to}/>");
    let mut stream = secured(true, "nobody.example");
    let early = message("from='juliet@capulet.example'", "to='romeo@montague.example'");
    assert_eq!(condition(&mut stream, &early), Some(StreamCondition::NotAuthorized));
    for (from, to, expected) in [
        ("", "to='romeo@montague.example'", StreamCondition::ImproperAddressing),
        ("from='juliet@capulet.example'", "", StreamCondition::ImproperAddressing),
        ("from='@'", "to='romeo@montague.example'", StreamCondition::ImproperAddressing),
        ("from='x@tybalt.example'", "to='romeo@montague.example'", StreamCondition::InvalidFrom),
        ("from='x@montague.example'", "to='romeo@montague.example'", StreamCondition::InvalidFrom),
        ("from='juliet@capulet.example'", "to='a@rooms.montague.example'", StreamCondition::HostUnknown),
        ("from='juliet@capulet.example'", "to='a@elsewhere.example'", StreamCondition::HostUnknown),
    ] {
        let mut stream = authenticated();
        assert_eq!(condition(&mut stream, &message(from, to)), Some(expected), "{from} {to}");
    }
    let mut stream = authenticated();
    let client = "<message xmlns='jabber:client' from='juliet@capulet.example' to='romeo@montague.example'/>";
    assert_eq!(condition(&mut stream, client), Some(StreamCondition::UnsupportedStanzaType));
}

/// A stream whose pair is verified by dialback.
fn authenticated() -> Incoming {
    let mut stream = secured(true, "nobody.example");
    let key = "<db:result from='capulet.example' to='montague.example'>k</db:result>";
    let Some(Event::Key(key)) = stream.feed(key.as_bytes()).1 else { panic!("no key") };
    assert!(matches!(stream.verified(&key.pair, Verdict::Valid), Some(Event::Ready(_, Proof::Dialback))));
    stream.take_output();
    stream
}

/// XEP-0220 sections 2.2.1, 2.4.2 and 3.1.
#[test]
fn keys_are_taken_from_pairs_that_may_send() {
    for (from, to, expected) in [
        ("capulet.example", "elsewhere.example", "item-not-found"),
        ("montague.example", "montague.example", "not-acceptable"),
        ("denied.example", "montague.example", "policy-violation"),
    ] {
        let mut stream = authenticated();
        let key = format!("<db:result from='{from}' to='{to}'>k</db:result>");
        assert!(stream.feed(key.as_bytes()).1.is_none());
        let output = text(stream.take_output());
        assert!(output.contains(expected) && output.contains("type='error'"), "{output}");
        assert!(!stream.is_ended());
    }
    let mut stream = authenticated();
    let unasked = "<db:result from='tybalt.example' to='montague.example' type='valid'/>";
    assert_eq!(condition(&mut stream, unasked), Some(StreamCondition::PolicyViolation));
    // A pair nobody waits for is not made valid by a verdict.
    let mut stream = authenticated();
    assert!(stream.verified(&Pair::new("tybalt.example", "montague.example"), Verdict::Valid).is_none());
    assert_eq!(stream.pairs().len(), 1);
    // Section 2.2.1: who lies at once is sent away, who has another pair is not.
    let mut stream = secured(true, "nobody.example");
    stream.feed(b"<db:result from='capulet.example' to='montague.example'>k</db:result>");
    let pair = Pair::new("capulet.example", "montague.example");
    assert!(matches!(stream.verified(&pair, Verdict::Invalid), Some(Event::Closed)));
    // Without dialback, and without a certificate, there is no proof.
    let mut stream = secured(false, "nobody.example");
    stream.take_output();
    stream.feed(b"<db:result from='capulet.example' to='montague.example'>k</db:result>");
    assert!(text(stream.take_output()).contains("not-authorized"));
    let mut stream = authenticated();
    for number in 0..=PENDING_PAIRS_LIMIT {
        stream.feed(
            format!("<db:result from='a{number}.example' to='montague.example'>k</db:result>").as_bytes(),
        );
    }
    assert!(text(stream.take_output()).contains("resource-constraint"));
}

/// Passes octets both ways until both ends are silent; TLS is taken for granted.
fn converse(out: &mut Outgoing, inc: &mut Incoming, valid: (&'static str, &'static str)) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let mut silent = true;
        for event in pump(&out.take_output(), |input| inc.feed(input), &mut silent) {
            match event {
                Event::StartTls(question) => {
                    let answer = text(inc.take_output());
                    let (_, event) = out.feed(answer.as_bytes());
                    let Some(Event::StartTls(ours)) = event else { panic!("{event:?}") };
                    inc.tls_established(question, peer(valid.0));
                    out.tls_established(ours, peer(valid.1));
                }
                event => events.push(event),
            }
        }
        events.extend(pump(&inc.take_output(), |input| out.feed(input), &mut silent));
        if silent {
            return events;
        }
    }
}

fn pump(
    input: &[u8],
    mut feed: impl FnMut(&[u8]) -> (usize, Option<Event>),
    silent: &mut bool,
) -> Vec<Event> {
    let (mut at, mut events) = (0, Vec::new());
    while at < input.len() {
        *silent = false;
        let (used, event) = feed(&input[at..]);
        at += used;
        match event {
            Some(event) => events.push(event),
            None if used == 0 => break,
            None => {}
        }
    }
    events
}

fn out(purpose: Purpose) -> Outgoing {
    Outgoing::new(capulet(), Pair::new("capulet.example", "montague.example"), purpose, None)
}

/// RFC 6120 section 9.2: the whole negotiation, and a stanza through it.
#[test]
fn both_ends_agree_on_external() {
    let mut inc = Incoming::new(montague(false), None);
    let mut out = out(Purpose::Stanzas { certificate: true });
    let events = converse(&mut out, &mut inc, ("capulet.example", "montague.example"));
    let ready = events.iter().filter(|event| matches!(event, Event::Ready(_, Proof::Certificate))).count();
    assert_eq!(ready, 2, "{events:?}");
    out.write(
        b"<message from='juliet@capulet.example' to='romeo@montague.example'><body>hi</body></message>",
    );
    let events = converse(&mut out, &mut inc, ("", ""));
    assert!(matches!(&events[..], [Event::Stanza(_)]), "{events:?}");
    out.close();
    let events = converse(&mut out, &mut inc, ("", ""));
    assert!(matches!(&events[..], [Event::Closed, Event::Closed]), "{events:?}");
}

/// XEP-0220 section 2: without a certificate the key is asked about, and only its maker says that it is valid.
#[test]
fn both_ends_agree_on_dialback() {
    for honest in [true, false] {
        let mut inc = Incoming::new(montague(true), None);
        let mut stream = out(Purpose::Stanzas { certificate: false });
        let events = converse(&mut stream, &mut inc, ("", ""));
        let [Event::Key(key)] = &events[..] else { panic!("{events:?}") };
        let mut key = key.clone();
        if !honest {
            key.key = key.key.replace('a', "b");
        }
        // The receiving server asks the authoritative one on a stream of its own.
        let asked = Pair::new("montague.example", "capulet.example");
        let mut question = Outgoing::new(montague(true), asked, Purpose::Verify(key.clone()), None);
        let mut authority = Incoming::new(capulet(), None);
        let events = converse(&mut question, &mut authority, ("", ""));
        let expected = if honest { Verdict::Valid } else { Verdict::Invalid };
        assert!(matches!(&events[0], Event::Verdict(verdict) if *verdict == expected), "{events:?}");
        inc.verified(&key.pair, expected);
        let events = converse(&mut stream, &mut inc, ("", ""));
        match honest {
            true => assert!(matches!(&events[..], [Event::Ready(_, Proof::Dialback)]), "{events:?}"),
            false => assert!(matches!(
                &events[0],
                Event::Refused(refusal) if refusal.condition() == Condition::InternalServerError
            )),
        }
    }
}

/// XEP-0220 section 3.1: answers to questions that were not asked end the stream.
#[test]
fn unasked_answers_are_refused() {
    for answer in [
        "<db:result from='tybalt.example' to='capulet.example' type='valid'/>",
        "<db:verify from='montague.example' to='capulet.example' id='1' type='valid'/>",
        "<message from='romeo@montague.example' to='juliet@capulet.example'/>",
    ] {
        let mut inc = Incoming::new(montague(true), None);
        let mut stream = out(Purpose::Stanzas { certificate: false });
        converse(&mut stream, &mut inc, ("", ""));
        let event = stream.feed(answer.as_bytes()).1;
        assert!(matches!(event, Some(Event::Failed(_))), "{answer}: {event:?}");
    }
}

/// RFC 6120 section 5: no TLS, no stanzas; and section 13.7: no certificate, no stanzas where it is required.
#[test]
fn what_is_not_safe_is_not_used() {
    let mut stream = out(Purpose::Stanzas { certificate: true });
    let header =
        HEADER.replace("from='capulet.example' to='montague.example'", "from='montague.example' id='1'");
    let event = stream.feed(format!("{header}<stream:features/>").as_bytes()).1;
    assert!(matches!(event, Some(Event::Refused(Refusal::NoTls))), "{event:?}");
    let pair = Pair::new("montague.example", "capulet.example");
    let mut strict = Outgoing::new(
        montague(false),
        pair,
        Purpose::Stanzas { certificate: true },
        Some(peer("other.example")),
    );
    let header = HEADER.replace("to='montague.example'", "to='montague.example' id='1'");
    let event = strict.feed(format!("{header}<stream:features/>").as_bytes()).1;
    assert!(matches!(event, Some(Event::Refused(Refusal::Certificate))), "{event:?}");
}

/// RFC 6120 section 4.4: what the peer said before it heard that the stream is closed is heard; it can agree on nothing more.
#[test]
fn a_closed_stream_is_read_to_its_end() {
    for error in [None, Some(StreamError::new(StreamCondition::SystemShutdown))] {
        let mut stream = authenticated();
        stream.take_output();
        stream.close_and_linger(error.as_ref());
        let said = text(stream.take_output());
        assert!(
            said.ends_with("</stream:stream>") && said.contains("system-shutdown") == error.is_some(),
            "{said}"
        );
        let late = "<message from='a@capulet.example' to='b@montague.example'/>";
        assert!(matches!(stream.feed(late.as_bytes()).1, Some(Event::Stanza(_))));
        let more = "<db:result from='capulet.example' to='rooms.montague.example'>k</db:result>";
        assert!(stream.feed(more.as_bytes()).1.is_none());
        assert!(!stream.is_ended() && stream.take_output().is_empty());
        assert!(matches!(stream.feed(b"</stream:stream>").1, Some(Event::Closed)));
        assert!(stream.is_ended());
    }
    let mut fresh = Incoming::new(montague(true), None);
    fresh.close_and_linger(Some(&StreamError::new(StreamCondition::SystemShutdown)));
    assert!(fresh.is_ended() && text(fresh.take_output()).contains("system-shutdown"));
}
