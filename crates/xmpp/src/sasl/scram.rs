//! The server's side of SCRAM (RFC 5802, RFC 7677), with channel binding and the downgrade protection of XEP-0474.
//!
//! ```text
//! client-first  n,,n=user,r=<client nonce>
//! server-first  r=<both nonces>,s=<salt>,i=<rounds>,h=<hash of what was offered>
//! client-final  c=<channel binding>,r=<both nonces>,p=<proof>
//! server-final  v=<signature>
//! ```

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::verifier::equal;
use super::{Context, Exchange, Failure, Hash, Mechanism, Question, State, Step, Success, Verifier};

/// The verifier of a user is needed.
#[derive(Debug)]
pub struct VerifierQuestion {
    username: String,
    mechanism: Mechanism,
    hash: Hash,
    first: ClientFirst,
    context: Context,
}

impl VerifierQuestion {
    /// The user, prepared for look-up.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Which of the user's verifiers.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Answers with the user's verifier and whether the account may be used. For a user that does not exist, or has no
    /// verifier of that hash, answer with [`Verifier::decoy`] and `false`; for a disabled one with its own and `false`.
    /// The exchange goes on to its end all the same.
    pub fn answer(self, verifier: Verifier, usable: bool) -> Step {
        if verifier.hash() != self.hash {
            return Step::Failure(Failure::TemporaryAuthFailure);
        }
        let nonce = format!("{}{}", self.first.nonce, self.context.nonce);
        let server_first = format!(
            "r={},s={},i={},h={}",
            nonce,
            BASE64_STANDARD.encode(verifier.salt()),
            verifier.iterations(),
            self.context.offer.downgrade_hash(self.hash),
        );
        let bytes = server_first.clone().into_bytes();
        let awaiting = AwaitingFinal {
            username: self.username,
            mechanism: self.mechanism,
            usable,
            verifier,
            nonce,
            channel_binding: self.first.channel_binding,
            signed: format!("{},{}", self.first.bare, server_first),
        };
        Step::Challenge(bytes, Exchange(State::ScramFinal(Box::new(awaiting))))
    }
}

/// The exchange after the server's first message.
#[derive(Debug)]
pub(super) struct AwaitingFinal {
    username: String,
    mechanism: Mechanism,
    usable: bool,
    verifier: Verifier,
    nonce: String,
    channel_binding: Vec<u8>,
    signed: String,
}

#[derive(Debug)]
struct ClientFirst {
    /// The message without its GS2 header; both sides sign it.
    bare: String,
    nonce: String,
    /// What the `c` attribute of the final message must hold: the GS2 header and the data of the binding.
    channel_binding: Vec<u8>,
}

/// The first message: `gs2-cbind-flag "," [authzid] "," [reserved-mext ","] username "," nonce ["," extensions]`.
pub(super) fn first(
    mechanism: Mechanism,
    hash: Hash,
    plus: bool,
    context: Context,
    input: &[u8],
) -> Result<Step, Failure> {
    let text = std::str::from_utf8(input).map_err(|_| Failure::MalformedRequest)?;
    let (flag, rest) = text.split_once(',').ok_or(Failure::MalformedRequest)?;
    let (authzid, bare) = rest.split_once(',').ok_or(Failure::MalformedRequest)?;
    let header = &text[..text.len() - bare.len()];

    let mut channel_binding = header.as_bytes().to_vec();
    match flag {
        // RFC 5802 section 6: the -PLUS name goes with the p flag, and only with it.
        "n" if !plus => {}
        // The client believes we cannot bind; when we said that we can, somebody stripped our offer.
        "y" if !plus && context.offer.binds_channel() => return Err(Failure::NotAuthorized),
        "y" if !plus => {}
        _ => match flag.strip_prefix("p=") {
            Some(kind) if plus => {
                let data = context.bindings.get(kind).ok_or(Failure::MalformedRequest)?;
                channel_binding.extend_from_slice(data);
            }
            _ => return Err(Failure::MalformedRequest),
        },
    }

    let authzid = match authzid {
        "" => String::new(),
        _ => saslname(authzid.strip_prefix("a=").ok_or(Failure::MalformedRequest)?)?,
    };
    // The extension attribute `m` comes before the user name and is mandatory to understand: none is defined, so a
    // message that has one does not start with `n=` and fails here (RFC 5802 section 5.1).
    let mut attributes = bare.split(',');
    let raw_name =
        attributes.next().and_then(|text| text.strip_prefix("n=")).ok_or(Failure::MalformedRequest)?;
    let nonce =
        attributes.next().and_then(|text| text.strip_prefix("r=")).ok_or(Failure::MalformedRequest)?;
    if !is_nonce(nonce) || !attributes.all(is_extension) {
        return Err(Failure::MalformedRequest);
    }
    let username = context.username(&saslname(raw_name)?)?;
    context.check_authzid(&authzid, &username)?;
    let first = ClientFirst { bare: bare.to_owned(), nonce: nonce.to_owned(), channel_binding };
    Ok(Step::Need(Question::Verifier(VerifierQuestion { username, mechanism, hash, first, context })))
}

impl AwaitingFinal {
    /// The final message: `channel-binding "," nonce ["," extensions] "," proof`.
    pub(super) fn last(self, input: &[u8]) -> Result<Step, Failure> {
        let text = std::str::from_utf8(input).map_err(|_| Failure::MalformedRequest)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Failure::MalformedRequest)?;
        let proof = BASE64_STANDARD.decode(proof).map_err(|_| Failure::MalformedRequest)?;
        let mut attributes = without_proof.split(',');
        let binding =
            attributes.next().and_then(|text| text.strip_prefix("c=")).ok_or(Failure::MalformedRequest)?;
        let binding = BASE64_STANDARD.decode(binding).map_err(|_| Failure::MalformedRequest)?;
        let nonce =
            attributes.next().and_then(|text| text.strip_prefix("r=")).ok_or(Failure::MalformedRequest)?;
        if !attributes.all(is_extension) {
            return Err(Failure::MalformedRequest);
        }

        // Everything below is computed whatever came before it, so that time says nothing about which part was wrong.
        let hash = self.verifier.hash();
        let signed = format!("{},{}", self.signed, without_proof);
        let signature = hash.hmac(self.verifier.stored_key(), &[signed.as_bytes()]);
        let mut client_key = vec![0; hash.octets()];
        for ((key, proof), signature) in client_key.iter_mut().zip(&proof).zip(&signature) {
            *key = proof ^ signature;
        }
        let proven = equal(&hash.digest(&client_key), self.verifier.stored_key());
        let bound = equal(&binding, &self.channel_binding);
        let fresh = equal(nonce.as_bytes(), self.nonce.as_bytes());
        if !(proven & bound & fresh & self.usable & (proof.len() == hash.octets())) {
            return Err(Failure::NotAuthorized);
        }
        let server_signature = hash.hmac(self.verifier.server_key(), &[signed.as_bytes()]);
        let data = format!("v={}", BASE64_STANDARD.encode(server_signature));
        Ok(Step::Success(Success {
            username: self.username,
            mechanism: self.mechanism,
            data: Some(data.into_bytes()),
            token: None,
        }))
    }
}

/// `saslname`: `=2C` stands for a comma and `=3D` for an equals sign; no other use of `=` is allowed.
fn saslname(text: &str) -> Result<String, Failure> {
    let mut name = String::with_capacity(text.len());
    let mut pieces = text.split('=');
    name.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (decoded, rest) = match piece.get(..2) {
            Some("2C") => (',', &piece[2..]),
            Some("3D") => ('=', &piece[2..]),
            _ => return Err(Failure::MalformedRequest),
        };
        name.push(decoded);
        name.push_str(rest);
    }
    if name.is_empty() || name.contains('\0') { Err(Failure::MalformedRequest) } else { Ok(name) }
}

/// Printable ASCII without the comma (RFC 5802 section 7).
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| matches!(octet, 0x21..=0x2b | 0x2d..=0x7e))
}

/// An optional attribute that nobody needs to understand; `m` is the one that all must (RFC 5802 section 5.1).
pub(super) fn is_extension(text: &str) -> bool {
    let mut octets = text.bytes();
    let name = octets.next();
    name.is_some_and(|name| name.is_ascii_alphabetic() && name != b'm') && octets.next() == Some(b'=')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{ChannelBindings, Offer, ScramClient};
    use super::*;

    fn context(nonce: &str, mechanisms: &[Mechanism], bindings: ChannelBindings) -> Context {
        let offer = Offer { mechanisms: mechanisms.to_vec(), bindings: bindings.names().collect() };
        Context {
            host: "example.org".into(),
            bindings: Arc::new(bindings),
            offer: Arc::new(offer),
            certified: Arc::default(),
            nonce: nonce.into(),
        }
    }

    fn scram(hash: Hash, plus: bool) -> Mechanism {
        Mechanism::Scram { hash, plus }
    }

    fn verifier(hash: Hash, salt: &str) -> Verifier {
        Verifier::derive(hash, "pencil", &BASE64_STANDARD.decode(salt).unwrap(), 4096).unwrap()
    }

    fn ask(mechanism: Mechanism, context: Context, message: &str) -> Result<VerifierQuestion, Failure> {
        match Exchange::new(mechanism, context).step(Some(message.as_bytes())) {
            Step::Need(Question::Verifier(question)) => Ok(question),
            Step::Failure(failure) => Err(failure),
            step => panic!("{step:?}"),
        }
    }

    fn challenge(step: Step) -> (String, Exchange) {
        match step {
            Step::Challenge(bytes, exchange) => (String::from_utf8(bytes).unwrap(), exchange),
            step => panic!("{step:?}"),
        }
    }

    fn finish(exchange: Exchange, message: &str) -> Result<String, Failure> {
        match exchange.step(Some(message.as_bytes())) {
            Step::Success(success) => Ok(String::from_utf8(success.data.unwrap()).unwrap()),
            Step::Failure(failure) => Err(failure),
            step => panic!("{step:?}"),
        }
    }

    fn plain_offer() -> Vec<Mechanism> {
        vec![scram(Hash::Sha256, false), scram(Hash::Sha1, false)]
    }

    /// The signed text of RFC 5802 and 7677 has no `h` attribute; the machine always sends one. The vectors are
    /// therefore checked against the arithmetic with the server's first message replaced.
    fn replay(
        hash: Hash,
        salt: &str,
        bare: &str,
        nonce: &str,
        server_first: &str,
        last: &str,
    ) -> Result<String, Failure> {
        let awaiting = AwaitingFinal {
            username: "user".into(),
            mechanism: scram(hash, false),
            usable: true,
            verifier: verifier(hash, salt),
            nonce: nonce.into(),
            channel_binding: b"n,,".to_vec(),
            signed: format!("{bare},{server_first}"),
        };
        finish(Exchange(State::ScramFinal(Box::new(awaiting))), last)
    }

    /// RFC 5802 section 5.
    #[test]
    fn the_example_of_rfc_5802() {
        let nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
        let last = format!("c=biws,r={nonce},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
        let server_first = format!("r={nonce},s=QSXCR+Q6sek8bf92,i=4096");
        let bare = "n=user,r=fyko+d2lbbFgONRv9qkxdawL";
        assert_eq!(
            replay(Hash::Sha1, "QSXCR+Q6sek8bf92", bare, nonce, &server_first, &last).unwrap(),
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="
        );
    }

    /// RFC 7677 section 3.
    #[test]
    fn the_example_of_rfc_7677() {
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let server_first = format!("r={nonce},s={salt},i=4096");
        assert_eq!(
            replay(Hash::Sha256, salt, "n=user,r=rOprNGfwEbeRWgbNEkqO", nonce, &server_first, &last).unwrap(),
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    /// XEP-0474 section 6.3: the whole exchange, with channel binding, the `h` attribute and an unknown extension.
    #[test]
    fn the_example_of_xep_0474() {
        let bindings =
            ChannelBindings { exporter: None, server_end_point: Some(b"THIS IS FAKE CB DATA"[..].into()) };
        let mut context = context(
            "a09117a6-ac50-4f2f-93f1-93799c2bddf6",
            &[scram(Hash::Sha1, false), scram(Hash::Sha1, true)],
            bindings,
        );
        // The example binds to tls-exporter with data that is not 32 octets long, which ours cannot hold; the offer and
        // the expected channel binding are set as the example has them.
        context.offer = Arc::new(Offer {
            mechanisms: context.offer.mechanisms.clone(),
            bindings: vec!["tls-server-end-point", "tls-exporter"],
        });
        let mut question = ask(
            scram(Hash::Sha1, true),
            context,
            "p=tls-server-end-point,,n=user,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6",
        )
        .unwrap();
        question.first.channel_binding = b"p=tls-exporter,,THIS IS FAKE CB DATA".to_vec();
        let (server_first, exchange) =
            challenge(question.answer(verifier(Hash::Sha1, "QSXCR+Q6sek8bf92"), true));
        assert_eq!(
            server_first,
            "r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08="
        );
        let last = "c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4=";
        assert_eq!(finish(exchange, last).unwrap(), "v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=");
    }

    fn bound() -> ChannelBindings {
        ChannelBindings { exporter: Some([7; 32]), server_end_point: Some(vec![9; 32].into()) }
    }

    /// RFC 5802 and 9266: our own client signs in with every hash and every binding.
    #[test]
    fn client_and_server_agree() {
        for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha512] {
            for binding in [None, Some("tls-exporter"), Some("tls-server-end-point")] {
                let plus = binding.is_some();
                let context = context("server", &[scram(hash, true), scram(hash, false)], bound());
                let offer = context.offer.clone();
                let data = binding.map(|name| (name, bound().get(name).unwrap().to_vec()));
                let client = ScramClient::new(hash, "user", "pencil", "client", data);
                let question = ask(scram(hash, plus), context, &client.first()).unwrap();
                assert_eq!(question.username(), "user");
                let (server_first, exchange) =
                    challenge(question.answer(verifier(hash, "QSXCR+Q6sek8bf92"), true));
                let (last, proof) = client.last(&server_first, Some(&offer)).unwrap();
                proof.verify(&finish(exchange, &last).unwrap()).unwrap();
            }
        }
    }

    /// RFC 5802 section 6: `y` while a -PLUS mechanism was offered is a stripped offer.
    #[test]
    fn y_fails_while_plus_is_offered() {
        let offered = [scram(Hash::Sha256, false), scram(Hash::Sha512, true)];
        let message = "y,,n=user,r=abc";
        let failure = ask(offered[0], context("s", &offered, bound()), message).unwrap_err();
        assert_eq!(failure, Failure::NotAuthorized);
        assert!(ask(offered[0], context("s", &plain_offer(), ChannelBindings::default()), message).is_ok());
    }

    /// RFC 5802 section 6: the flag and the mechanism name must agree; unknown bindings and `tls-unique` are refused.
    #[test]
    fn the_flag_goes_with_the_name() {
        let plus = scram(Hash::Sha256, true);
        let both = [plus, scram(Hash::Sha256, false)];
        for (mechanism, flag) in [
            (plus, "n"),
            (plus, "y"),
            (plus, "p=tls-unique"),
            (plus, "p="),
            (plus, "x"),
            (both[1], "p=tls-exporter"),
            (both[1], ""),
        ] {
            let message = format!("{flag},,n=user,r=abc");
            assert!(ask(mechanism, context("s", &both, bound()), &message).is_err(), "{mechanism} {flag}");
        }
    }

    /// RFC 6120 section 6.3.8: an authorization identity is this user's bare address or absent.
    #[test]
    fn nobody_acts_for_another() {
        let try_authzid = |authzid: &str| {
            let message = format!("n,{authzid},n=user,r=abc");
            ask(
                scram(Hash::Sha256, false),
                context("s", &plain_offer(), ChannelBindings::default()),
                &message,
            )
            .err()
        };
        assert_eq!(try_authzid(""), None);
        assert_eq!(try_authzid("a=user@example.org"), None);
        assert_eq!(try_authzid("a=User@EXAMPLE.org"), None);
        for other in
            ["a=admin@example.org", "a=user@example.com", "a=user", "a=example.org", "a=user@example.org/x"]
        {
            assert_eq!(try_authzid(other), Some(Failure::InvalidAuthzid), "{other}");
        }
        assert_eq!(try_authzid("user@example.org"), Some(Failure::MalformedRequest));
    }

    /// RFC 5802 sections 5.1 and 7.
    #[test]
    fn malformed_first_messages() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=user",
            "n,,r=abc,n=user",
            "n,,m=x,n=user,r=abc",
            "n,,n=user,r=abc,m=x",
            "n,,n=us=er,r=abc",
            "n,,n=us=2cer,r=abc",
            "n,,n=,r=abc",
            "n,,n=user,r=",
            "n,,n=user,r=a b",
            "n,,n=user,r=abc,",
            "n,,n=user,r=abc,1=2",
            "n,a=,n=user,r=abc",
        ] {
            let result = ask(
                scram(Hash::Sha256, false),
                context("s", &plain_offer(), ChannelBindings::default()),
                message,
            );
            assert_eq!(result.err(), Some(Failure::MalformedRequest), "{message}");
        }
        assert_eq!(saslname("a=3Db=2Cc=3D2C").unwrap(), "a=b,c=2C");
    }

    /// RFC 5802 section 3 and 5.1: wrong proof, wrong nonce, wrong binding, wrong length and a user that may not sign
    /// in all end the same.
    #[test]
    fn whatever_is_wrong_looks_the_same() {
        let run = |password: &str, usable: bool, damage: fn(String) -> String| {
            let context = context("server", &plain_offer(), ChannelBindings::default());
            let offer = context.offer.clone();
            let client = ScramClient::new(Hash::Sha256, "user", password, "client", None);
            let question = ask(scram(Hash::Sha256, false), context, &client.first()).unwrap();
            let (server_first, exchange) =
                challenge(question.answer(verifier(Hash::Sha256, "QSXCR+Q6sek8bf92"), usable));
            let (last, _) = client.last(&server_first, Some(&offer)).unwrap();
            finish(exchange, &damage(last)).err()
        };
        assert_eq!(run("pencil", true, |message| message), None);
        assert_eq!(run("eraser", true, |message| message), Some(Failure::NotAuthorized));
        assert_eq!(run("pencil", false, |message| message), Some(Failure::NotAuthorized));
        assert_eq!(
            run("pencil", true, |message| message.replace("r=client", "r=cliant")),
            Some(Failure::NotAuthorized)
        );
        assert_eq!(
            run("pencil", true, |message| message.replace("c=biws", "c=eSws")),
            Some(Failure::NotAuthorized)
        );
        let shortened = |message: String| format!("{},p=AAAA", message.rsplit_once(",p=").unwrap().0);
        assert_eq!(run("pencil", true, shortened), Some(Failure::NotAuthorized));
        assert_eq!(
            run("pencil", true, |message| message.replace(",p=", ",m=x,p=")),
            Some(Failure::MalformedRequest)
        );
        assert_eq!(
            run("pencil", true, |message| message.replace(",p=", ",q=")),
            Some(Failure::MalformedRequest)
        );
    }

    /// A man in the middle who relays the messages over his own TLS connection has other channel-binding data.
    #[test]
    fn relaying_over_another_channel_fails() {
        let hash = Hash::Sha256;
        let context = context("server", &[scram(hash, true)], bound());
        let client = ScramClient::new(hash, "user", "pencil", "client", Some(("tls-exporter", vec![8; 32])));
        let question = ask(scram(hash, true), context, &client.first()).unwrap();
        let (server_first, exchange) = challenge(question.answer(verifier(hash, "QSXCR+Q6sek8bf92"), true));
        let (last, _) = client.last(&server_first, None).unwrap();
        assert_eq!(finish(exchange, &last).err(), Some(Failure::NotAuthorized));
    }

    /// The unknown user sees a challenge like any other, twice the same salt, and the same end.
    #[test]
    fn a_decoy_runs_to_the_end() {
        let decoy = || Verifier::decoy(b"secret", "nobody", Hash::Sha256, 4096);
        let attempt = || {
            let context = context("server", &plain_offer(), ChannelBindings::default());
            let client = ScramClient::new(Hash::Sha256, "nobody", "pencil", "client", None);
            let question = ask(scram(Hash::Sha256, false), context, &client.first()).unwrap();
            let (server_first, exchange) = challenge(question.answer(decoy(), false));
            let (last, _) = client.last(&server_first, None).unwrap();
            (server_first, finish(exchange, &last).err())
        };
        assert_eq!(attempt(), attempt());
        assert_eq!(attempt().1, Some(Failure::NotAuthorized));
    }
}
