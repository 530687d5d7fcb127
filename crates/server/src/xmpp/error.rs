//! How the domain's errors read on the XMPP face.

use waxwing_chat::Error;
use waxwing_xmpp::error::{Condition, ErrorType, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::features::pubsub;

/// The stanza error for a failure of the domain. The peer reads the condition; the cause goes to the log only.
pub fn stanza_error(error: &Error) -> StanzaError {
    match error {
        Error::BadRequest(why) => StanzaError::new(Condition::BadRequest).with_text(*why),
        Error::Conflict => StanzaError::new(Condition::Conflict),
        Error::Forbidden => StanzaError::new(Condition::Forbidden),
        Error::NotAllowed => StanzaError::new(Condition::NotAllowed),
        Error::NotAuthorized => StanzaError::new(Condition::NotAuthorized),
        Error::RegistrationRequired => StanzaError::new(Condition::RegistrationRequired),
        Error::JidMalformed => StanzaError::new(Condition::JidMalformed),
        // XEP-0045 section 7.2.9.
        Error::Crowded => StanzaError::new(Condition::ServiceUnavailable).with_type(ErrorType::Wait),
        Error::NotFound => StanzaError::new(Condition::ItemNotFound),
        Error::NotAcceptable(why) => StanzaError::new(Condition::NotAcceptable).with_text(*why),
        Error::Blocked => blocked(),
        Error::ServiceUnavailable => StanzaError::new(Condition::ServiceUnavailable),
        Error::RemoteServerNotFound => StanzaError::new(Condition::RemoteServerNotFound),
        Error::RemoteServerTimeout => StanzaError::new(Condition::RemoteServerTimeout),
        Error::ResourceConstraint(why) => StanzaError::new(Condition::ResourceConstraint).with_text(*why),
        Error::PubSub(refusal) => pubsub::refusal(*refusal),
        Error::Wait => {
            // RFC 6120 section 8.3.3.12 leaves the type to the violation: this one passes with time.
            StanzaError::new(Condition::PolicyViolation).with_type(ErrorType::Wait)
        }
        Error::Internal(cause) => {
            tracing::error!(%cause, "a request failed");
            StanzaError::new(Condition::InternalServerError)
        }
    }
}

/// XEP-0191 section 3.3: the sender blocks whom he writes to.
fn blocked() -> StanzaError {
    let error = StanzaError::new(Condition::NotAcceptable).with_type(ErrorType::Cancel);
    error.with_app(Element::new(ns::BLOCKING_ERRORS, "blocked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XEP-0191 section 3.3, the example "Error: JID is blocked".
    #[test]
    fn writing_to_someone_blocked_is_not_acceptable() {
        let error = stanza_error(&Error::Blocked);
        assert_eq!((error.condition, error.type_), (Condition::NotAcceptable, ErrorType::Cancel));
        assert!(error.app.is_some_and(|app| app.is(ns::BLOCKING_ERRORS, "blocked")));
    }

    #[test]
    fn a_cause_is_not_shown() {
        let cause = waxwing_chat::store::StoreError::Failed("secret path".into());
        let error = stanza_error(&Error::Internal(cause));
        assert_eq!((error.condition, error.text), (Condition::InternalServerError, None));
    }
}
