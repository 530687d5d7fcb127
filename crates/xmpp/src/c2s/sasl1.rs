//! The SASL profile of RFC 6120 section 6.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::authentication::{Profile, decode};
use super::{Authenticated, Event, Phase, State, Stream};
use crate::error::{StreamCondition, StreamError};
use crate::ns;
use crate::sasl::Failure;
use crate::xml::Element;

impl Stream {
    pub(super) fn sasl1_element(&mut self, element: &Element) -> Option<Event> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return None;
        };
        if negotiation.account.is_some() {
            return Some(self.failed(StreamError::new(StreamCondition::PolicyViolation)));
        }
        let phase = std::mem::replace(&mut negotiation.phase, Phase::Unauthenticated);
        match (element.name(), phase) {
            ("auth", Phase::Unauthenticated) => self.auth(element),
            ("response", Phase::Exchanging(Profile::Sasl1, exchange)) => {
                match data(&element.text()).map(Option::unwrap_or_default) {
                    Ok(data) => self.step(Profile::Sasl1, exchange, Some(&data)),
                    Err(failure) => self.authentication_failed(Profile::Sasl1, failure),
                }
            }
            ("abort", Phase::Unauthenticated | Phase::Exchanging(Profile::Sasl1, _)) => {
                self.authentication_failed(Profile::Sasl1, Failure::Aborted)
            }
            // One profile at a time (XEP-0388 section 2.4).
            (_, Phase::Exchanging(Profile::Sasl2, _) | Phase::Tasked(_)) => {
                Some(self.failed(StreamError::new(StreamCondition::PolicyViolation)))
            }
            // A response without a challenge, or a second attempt within the first.
            ("auth" | "response", _) => self.authentication_failed(Profile::Sasl1, Failure::MalformedRequest),
            _ => Some(self.failed(StreamError::new(StreamCondition::UnsupportedStanzaType))),
        }
    }

    /// Section 6.4.2.
    fn auth(&mut self, element: &Element) -> Option<Event> {
        match data(&element.text()) {
            Ok(initial) => self.begin(Profile::Sasl1, element.attr("mechanism").unwrap_or_default(), initial),
            Err(failure) => self.authentication_failed(Profile::Sasl1, failure),
        }
    }

    /// Section 6.4.6: the client restarts the stream after `<success/>`.
    pub(super) fn accept_sasl1(&mut self, authenticated: Authenticated) {
        let text = match authenticated.data {
            None => String::new(),
            Some(data) if data.is_empty() => "=".to_owned(),
            Some(data) => BASE64_STANDARD.encode(data),
        };
        self.write_element(&Element::new(ns::SASL, "success").with_text(&text));
        self.restart();
    }
}

/// Section 6.4.2: nothing means that there is no data, `=` that there are data of length zero.
fn data(text: &str) -> Result<Option<Vec<u8>>, Failure> {
    match text {
        "" => Ok(None),
        "=" => Ok(Some(Vec::new())),
        text => decode(Profile::Sasl1, text).map(Some),
    }
}
