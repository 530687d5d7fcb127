//! The part of authentication that both profiles share: mechanisms, exchanges, questions, retries.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};

use super::{Acceptance, Authenticated, Credentials, Event, Phase, State, Stream};
use crate::error::{StreamCondition, StreamError};
use crate::jid::Jid;
use crate::ns;
use crate::sasl::{Context, Exchange, Failure, Mechanism, Step, Success};
use crate::xml::Element;

/// In which syntax the client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// RFC 6120 section 6.
    Sasl1,
    /// XEP-0388.
    Sasl2,
}

impl Profile {
    pub(super) fn ns(self) -> &'static str {
        match self {
            Profile::Sasl1 => ns::SASL,
            Profile::Sasl2 => ns::SASL2,
        }
    }
}

/// Decodes what an element holds. The alphabet is strict (RFC 6120 section 13.9.1); XEP-0388 section 2.2 is written with
/// white space around the data, so that profile lets it be.
pub(super) fn decode(profile: Profile, text: &str) -> Result<Vec<u8>, Failure> {
    let text = match profile {
        Profile::Sasl1 => text,
        Profile::Sasl2 => text.trim_matches([' ', '\t', '\r', '\n']),
    };
    BASE64_STANDARD.decode(text).map_err(|_| Failure::IncorrectEncoding)
}

impl Stream {
    /// Begins an exchange.
    pub(super) fn begin(
        &mut self,
        profile: Profile,
        mechanism: &str,
        initial: Option<Vec<u8>>,
    ) -> Option<Event> {
        match self.exchange(profile, mechanism) {
            Ok(exchange) => self.step(profile, exchange, initial.as_deref()),
            Err(failure) => self.authentication_failed(profile, failure),
        }
    }

    pub(super) fn step(
        &mut self,
        profile: Profile,
        exchange: Exchange,
        input: Option<&[u8]>,
    ) -> Option<Event> {
        self.answered(Phase::Asking(Some(profile)));
        self.advance(exchange.step(input))
    }

    fn exchange(&self, profile: Profile, mechanism: &str) -> Result<Exchange, Failure> {
        let (State::Negotiating(negotiation), Some(host)) = (&self.state, &self.host) else {
            return Err(Failure::TemporaryAuthFailure);
        };
        // RFC 6120 section 6.5.4: what is sent in plain text before TLS is refused, whatever it is.
        if !negotiation.may_sign_in() {
            return Err(Failure::EncryptionRequired);
        }
        let offer = negotiation.offer(host);
        let mechanism = Mechanism::from_name(mechanism).ok_or(Failure::InvalidMechanism)?;
        let by_token = negotiation.inline.as_ref().is_some_and(|inline| inline.fast.is_some());
        let offered = match mechanism {
            Mechanism::HashedToken(binding) => {
                profile == Profile::Sasl2 && by_token && negotiation.tokens(host).contains(&binding)
            }
            other => !by_token && offer.mechanisms.contains(&other),
        };
        if !offered {
            return Err(Failure::InvalidMechanism);
        }
        let mut nonce = [0; 18];
        (self.config.random)(&mut nonce);
        let tls = negotiation.tls.clone().unwrap_or_default();
        let context = Context {
            host: host.name.clone(),
            bindings: Arc::new(tls.bindings),
            offer: Arc::new(offer),
            certified: tls.certified.iter().map(|jid| jid.bare_str().to_owned()).collect(),
            nonce: BASE64_URL_SAFE_NO_PAD.encode(nonce).into(),
        };
        Ok(Exchange::new(mechanism, context))
    }

    /// Takes the next step of an exchange: the answer to [`Event::Credentials`].
    pub fn advance(&mut self, step: Step) -> Option<Event> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return None;
        };
        let Phase::Asking(Some(profile)) = negotiation.phase else {
            return None;
        };
        match step {
            Step::Challenge(data, exchange) => {
                negotiation.phase = Phase::Exchanging(profile, exchange);
                let challenge =
                    Element::new(profile.ns(), "challenge").with_text(&BASE64_STANDARD.encode(data));
                self.write_element(&challenge);
                None
            }
            Step::Need(question) => {
                // XEP-0388 section 2.3: the stream's `from` and the identity must agree. As an authorization identity is
                // the authentication identity here, the latter is what to compare.
                let stated = negotiation.from.as_ref().filter(|_| profile == Profile::Sasl2);
                if stated.is_some_and(|from| from.local() != Some(question.username())) {
                    return self.authentication_failed(profile, Failure::InvalidAuthzid);
                }
                let inline = negotiation.inline.as_ref().filter(|_| profile == Profile::Sasl2);
                Some(Event::Credentials(Credentials {
                    question,
                    host: self.host.as_ref().map_or_else(|| "".into(), |host| host.name.clone()),
                    user_agent: inline.and_then(|inline| inline.user_agent.clone()),
                    fast: inline.and_then(|inline| inline.fast),
                }))
            }
            Step::Success(success) => self.proven(profile, success),
            Step::Failure(failure) => self.authentication_failed(profile, failure),
        }
    }

    fn proven(&mut self, profile: Profile, success: Success) -> Option<Event> {
        let jid = self.host.as_ref().map(|host| Jid::from_parts(Some(&success.username), &host.name, None));
        let (State::Negotiating(negotiation), Some(Ok(jid))) = (&mut self.state, jid) else {
            return self.authentication_failed(profile, Failure::NotAuthorized);
        };
        let inline = negotiation.inline.take().filter(|_| profile == Profile::Sasl2).map(|inline| *inline);
        let inline = inline.unwrap_or_default();
        Some(Event::Authenticated(Authenticated {
            jid,
            mechanism: success.mechanism,
            token: success.token,
            user_agent: inline.user_agent,
            fast: inline.fast,
            request_token: inline.request_token,
            upgrades: inline.upgrades,
            resume: inline.resume,
            bind: inline.bind,
            sasl2: profile == Profile::Sasl2,
            data: success.data,
        }))
    }

    /// Turns an authenticated user away, for instance because the account was disabled meanwhile.
    pub fn refuse(&mut self, authenticated: Authenticated, failure: Failure) -> Option<Event> {
        let profile = if authenticated.sasl2 { Profile::Sasl2 } else { Profile::Sasl1 };
        self.authentication_failed(profile, failure)
    }

    /// Lets an authenticated user in.
    pub fn accept(&mut self, authenticated: Authenticated, acceptance: Acceptance) {
        let State::Negotiating(negotiation) = &mut self.state else {
            return;
        };
        if !matches!(negotiation.phase, Phase::Asking(_)) {
            return;
        }
        negotiation.account = Some(authenticated.jid.clone());
        if authenticated.sasl2 {
            self.accept_sasl2(authenticated, acceptance);
        } else {
            self.accept_sasl1(authenticated);
        }
    }

    /// RFC 6120 section 6.5. The client may try again, up to the limit of section 6.4.5.
    pub(super) fn authentication_failed(&mut self, profile: Profile, failure: Failure) -> Option<Event> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return None;
        };
        negotiation.phase = Phase::Unauthenticated;
        negotiation.inline = None;
        negotiation.failures = negotiation.failures.saturating_add(1);
        let exhausted = negotiation.failures >= self.config.attempts;
        let failure = match failure {
            // Section 6.5.2 would tell that the account exists.
            Failure::AccountDisabled => Failure::NotAuthorized,
            failure => failure,
        };
        let element =
            Element::new(profile.ns(), "failure").with_child(Element::new(ns::SASL, failure.name()));
        self.write_element(&element);
        exhausted.then(|| self.failed(StreamError::new(StreamCondition::PolicyViolation)))
    }
}
