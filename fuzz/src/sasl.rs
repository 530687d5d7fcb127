//! SASL exchanges without a stream around them: whatever a client sends, only who knows the secret gets in.

use std::sync::Arc;

use waxwing_xmpp::sasl::{
    ChannelBindings, Context, Exchange, Hash, Mechanism, Offer, Step, Verifier, prepare_password,
    prepare_username,
};

use crate::negotiation::answer;

fn context(bindings: ChannelBindings) -> Context {
    let offer = Offer { mechanisms: Mechanism::all().collect(), bindings: bindings.names().collect() };
    Context {
        host: "example.org".into(),
        bindings: Arc::new(bindings),
        offer: Arc::new(offer),
        certified: Arc::from(["user@example.org".to_owned()]),
        nonce: "servernonceservernonce".into(),
    }
}

/// The first byte chooses the mechanism and the second the bindings; the messages of the client follow, cut at 0xFF.
pub fn sasl(input: &[u8]) {
    let [mechanism, bound, messages @ ..] = input else { return };
    let mechanisms: Vec<Mechanism> = Mechanism::all().collect();
    let mechanism = mechanisms[usize::from(*mechanism) % mechanisms.len()];
    let bindings = match bound % 2 {
        0 => ChannelBindings::default(),
        _ => ChannelBindings { exporter: Some([7; 32]), server_end_point: Some(vec![9; 32].into()) },
    };
    let mut exchange = Exchange::new(mechanism, context(bindings));
    for message in messages.split(|octet| *octet == 0xFF) {
        let mut step = exchange.step((message != b"=").then_some(message));
        while let Step::Need(question) = step {
            assert!(!question.username().is_empty());
            assert_eq!(prepare_username(question.username()).as_deref(), Ok(question.username()));
            step = answer(question);
        }
        match step {
            Step::Challenge(bytes, next) => {
                assert!(bytes.is_empty() || bytes.starts_with(b"r="), "only SCRAM asks back");
                exchange = next;
            }
            Step::Success(success) => {
                assert_eq!(success.mechanism, mechanism);
                assert_ne!(success.username, "disabled");
                if mechanism == Mechanism::Plain {
                    assert!(message.ends_with(b"\0pencil"), "{}", message.escape_ascii());
                }
                return;
            }
            Step::Failure(_) | Step::Need(_) => return,
        }
    }
    preparation(messages);
}

/// Prepared names and passwords are their own prepared form, and a verifier's text reads back as the same verifier.
fn preparation(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(name) = prepare_username(text) {
        assert_eq!(prepare_username(&name).as_ref(), Ok(&name));
    }
    if let Ok(password) = prepare_password(text) {
        assert_eq!(prepare_password(&password).as_deref(), Ok(&*password));
    }
    if let Ok(verifier) = text.parse::<Verifier>() {
        let again = verifier.to_string().parse::<Verifier>().expect("what was written");
        assert_eq!((again.hash(), again.salt()), (verifier.hash(), verifier.salt()));
        assert_eq!(again.iterations(), verifier.iterations());
        assert!(matches!(verifier.hash(), Hash::Sha1 | Hash::Sha256 | Hash::Sha512));
    }
}
