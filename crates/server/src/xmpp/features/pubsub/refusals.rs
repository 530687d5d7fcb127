//! How the refusals of publish-subscribe read (XEP-0060 section 17.2 and the error cases of each use case).

use waxwing_chat::pubsub::refusal::Refusal;
use waxwing_xmpp::error::{Condition, ErrorType, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

/// The stanza error for a refusal.
pub(crate) fn refusal(refusal: Refusal) -> StanzaError {
    use Condition::{
        BadRequest, Conflict, FeatureNotImplemented, NotAcceptable, NotAllowed, NotAuthorized,
        PolicyViolation, UnexpectedRequest,
    };
    use ErrorType::{Auth, Cancel, Modify, Wait};
    let (type_, condition, detail) = match refusal {
        Refusal::PresenceRequired => (Auth, NotAuthorized, "presence-subscription-required"),
        Refusal::NotInRosterGroup => (Auth, NotAuthorized, "not-in-roster-group"),
        Refusal::Closed => (Cancel, NotAllowed, "closed-node"),
        Refusal::PendingSubscription => (Auth, NotAuthorized, "pending-subscription"),
        Refusal::TooManySubscriptions => (Wait, PolicyViolation, "too-many-subscriptions"),
        Refusal::InvalidJid => (Modify, BadRequest, "invalid-jid"),
        Refusal::SubIdRequired => (Modify, BadRequest, "subid-required"),
        Refusal::InvalidSubId => (Modify, NotAcceptable, "invalid-subid"),
        Refusal::NotSubscribed => (Cancel, UnexpectedRequest, "not-subscribed"),
        Refusal::SubscriptionRequired => (Auth, NotAuthorized, "not-subscribed"),
        Refusal::JidRequired => (Modify, BadRequest, "jid-required"),
        Refusal::InvalidOptions => (Modify, BadRequest, "invalid-options"),
        Refusal::NodeIdRequired => (Modify, BadRequest, "nodeid-required"),
        Refusal::ItemRequired => (Modify, BadRequest, "item-required"),
        Refusal::ItemForbidden => (Modify, BadRequest, "item-forbidden"),
        Refusal::PayloadRequired => (Modify, BadRequest, "payload-required"),
        Refusal::InvalidPayload => (Modify, BadRequest, "invalid-payload"),
        Refusal::PayloadTooBig => (Modify, NotAcceptable, "payload-too-big"),
        Refusal::NodeFull => (Cancel, Conflict, "node-full"),
        Refusal::PreconditionNotMet => (Cancel, Conflict, "precondition-not-met"),
        Refusal::TooManyNodes => (Cancel, NotAllowed, "max-nodes-exceeded"),
        Refusal::UnsupportedAccessModel => (Modify, NotAcceptable, "unsupported-access-model"),
        Refusal::Unsupported(_) => (Cancel, FeatureNotImplemented, "unsupported"),
    };
    let detail = Element::new(ns::PUBSUB_ERRORS, detail);
    let detail = match refusal {
        Refusal::Unsupported(feature) => detail.with_attr("feature", feature),
        _ => detail,
    };
    StanzaError::new(condition).with_type(type_).with_app(detail)
}
