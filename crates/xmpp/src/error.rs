//! The errors of streams and stanzas (RFC 6120 sections 4.9 and 8.3).

use crate::jid::Jid;
use crate::ns;
use crate::xml::{Element, ElementRef};

/// Defines an enum of conditions whose variants have a name on the wire.
macro_rules! conditions {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $wire:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// All of them, in the order of the RFC.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name of the element that stands for it.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $wire,)* }
            }

            /// The one with that name.
            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($wire => Some($name::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

conditions! {
    /// Why a stanza was not handled (RFC 6120 section 8.3.3).
    Condition {
        /// The stanza has XML that is malformed or cannot be processed.
        BadRequest = "bad-request",
        /// Something with that name or address exists already.
        Conflict = "conflict",
        /// The feature is not there.
        FeatureNotImplemented = "feature-not-implemented",
        /// The sender may not do that.
        Forbidden = "forbidden",
        /// The recipient is at another address for good.
        Gone = "gone",
        /// The server has failed.
        InternalServerError = "internal-server-error",
        /// There is no such item.
        ItemNotFound = "item-not-found",
        /// An address violates RFC 7622.
        JidMalformed = "jid-malformed",
        /// The request makes sense but breaks a rule of the recipient.
        NotAcceptable = "not-acceptable",
        /// Nobody may do that.
        NotAllowed = "not-allowed",
        /// The sender must prove who it is first.
        NotAuthorized = "not-authorized",
        /// A local rule is violated.
        PolicyViolation = "policy-violation",
        /// The recipient is not there now.
        RecipientUnavailable = "recipient-unavailable",
        /// The recipient is at another address for now.
        Redirect = "redirect",
        /// The sender must register first.
        RegistrationRequired = "registration-required",
        /// The other server does not exist.
        RemoteServerNotFound = "remote-server-not-found",
        /// The other server cannot be reached.
        RemoteServerTimeout = "remote-server-timeout",
        /// The server is short of something.
        ResourceConstraint = "resource-constraint",
        /// The service is not provided, or the recipient does not exist.
        ServiceUnavailable = "service-unavailable",
        /// The sender must be subscribed first.
        SubscriptionRequired = "subscription-required",
        /// Something that only the application's own condition names.
        UndefinedCondition = "undefined-condition",
        /// The request came at the wrong moment.
        UnexpectedRequest = "unexpected-request",
    }
}

conditions! {
    /// Why a stream ends (RFC 6120 section 4.9.3).
    StreamCondition {
        /// XML that cannot be processed.
        BadFormat = "bad-format",
        /// A namespace prefix is missing or unsupported.
        BadNamespacePrefix = "bad-namespace-prefix",
        /// Another stream takes this one's place.
        Conflict = "conflict",
        /// The peer has been silent for too long.
        ConnectionTimeout = "connection-timeout",
        /// The domain is no longer served here.
        HostGone = "host-gone",
        /// The domain is not served here.
        HostUnknown = "host-unknown",
        /// An address is missing or malformed between servers.
        ImproperAddressing = "improper-addressing",
        /// The server has failed.
        InternalServerError = "internal-server-error",
        /// The `from` is not one that the peer may use.
        InvalidFrom = "invalid-from",
        /// The stream or content namespace is wrong.
        InvalidNamespace = "invalid-namespace",
        /// The XML violates a schema that this server checks.
        InvalidXml = "invalid-xml",
        /// Data was sent before the stream was authenticated.
        NotAuthorized = "not-authorized",
        /// The XML is not well-formed.
        NotWellFormed = "not-well-formed",
        /// A local rule is violated.
        PolicyViolation = "policy-violation",
        /// Another server, needed for this, cannot be reached.
        RemoteConnectionFailed = "remote-connection-failed",
        /// The stream's security needs to be set up anew.
        Reset = "reset",
        /// The server is short of something.
        ResourceConstraint = "resource-constraint",
        /// XML that RFC 6120 section 11.1 forbids.
        RestrictedXml = "restricted-xml",
        /// The peer shall connect elsewhere.
        SeeOtherHost = "see-other-host",
        /// The server stops.
        SystemShutdown = "system-shutdown",
        /// Something that only the application's own condition names.
        UndefinedCondition = "undefined-condition",
        /// The encoding is not UTF-8.
        UnsupportedEncoding = "unsupported-encoding",
        /// A mandatory stream feature is not supported.
        UnsupportedFeature = "unsupported-feature",
        /// A first-level element that is no stanza this server knows.
        UnsupportedStanzaType = "unsupported-stanza-type",
        /// The version of XMPP is not supported.
        UnsupportedVersion = "unsupported-version",
    }
}

conditions! {
    /// What the sender of a failed stanza may do (RFC 6120 section 8.3.2).
    ErrorType {
        /// Retry after giving credentials.
        Auth = "auth",
        /// Do not retry.
        Cancel = "cancel",
        /// Proceed: this was a warning.
        Continue = "continue",
        /// Retry after changing what was sent.
        Modify = "modify",
        /// Retry after a while.
        Wait = "wait",
    }
}

impl Condition {
    /// The code of the kind of HTTP that XEP-0086 section 3 (table 1) gives it; those that are younger have that of what
    /// comes closest.
    pub fn old_code(self) -> u16 {
        match self {
            Condition::BadRequest | Condition::JidMalformed | Condition::UnexpectedRequest => 400,
            Condition::NotAuthorized => 401,
            Condition::Gone | Condition::Redirect => 302,
            Condition::Forbidden | Condition::PolicyViolation => 403,
            Condition::ItemNotFound | Condition::RecipientUnavailable | Condition::RemoteServerNotFound => {
                404
            }
            Condition::NotAllowed => 405,
            Condition::NotAcceptable => 406,
            Condition::RegistrationRequired | Condition::SubscriptionRequired => 407,
            Condition::Conflict => 409,
            Condition::InternalServerError
            | Condition::ResourceConstraint
            | Condition::UndefinedCondition => 500,
            Condition::FeatureNotImplemented => 501,
            Condition::ServiceUnavailable => 503,
            Condition::RemoteServerTimeout => 504,
        }
    }

    /// The error type that RFC 6120 section 8.3.3 recommends.
    pub fn usual_type(self) -> ErrorType {
        match self {
            Condition::BadRequest
            | Condition::JidMalformed
            | Condition::NotAcceptable
            | Condition::PolicyViolation
            | Condition::Redirect => ErrorType::Modify,
            Condition::Forbidden
            | Condition::NotAuthorized
            | Condition::RegistrationRequired
            | Condition::SubscriptionRequired => ErrorType::Auth,
            Condition::RecipientUnavailable
            | Condition::RemoteServerTimeout
            | Condition::ResourceConstraint
            | Condition::UnexpectedRequest => ErrorType::Wait,
            Condition::Conflict
            | Condition::FeatureNotImplemented
            | Condition::Gone
            | Condition::InternalServerError
            | Condition::ItemNotFound
            | Condition::NotAllowed
            | Condition::RemoteServerNotFound
            | Condition::ServiceUnavailable
            | Condition::UndefinedCondition => ErrorType::Cancel,
        }
    }
}

/// The `<error/>` of a stanza (RFC 6120 section 8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StanzaError {
    /// What the sender may do.
    pub type_: ErrorType,
    /// The defined condition.
    pub condition: Condition,
    /// The address of [`Condition::Gone`] and [`Condition::Redirect`], as a URI.
    pub uri: Option<Box<str>>,
    /// An explanation for people.
    pub text: Option<String>,
    /// Who found the error, when it is not the addressee.
    pub by: Option<Jid>,
    /// The application's own condition.
    pub app: Option<Element>,
    /// Say the code of the kind of HTTP too, for protocols older than the conditions (XEP-0086).
    pub with_code: bool,
}

impl StanzaError {
    /// An error with the recommended type.
    pub fn new(condition: Condition) -> StanzaError {
        let type_ = condition.usual_type();
        StanzaError { type_, condition, uri: None, text: None, by: None, app: None, with_code: false }
    }

    /// This error with its old code beside the condition.
    #[must_use]
    pub fn with_old_code(mut self) -> StanzaError {
        self.with_code = true;
        self
    }

    /// This error with another type.
    #[must_use]
    pub fn with_type(mut self, type_: ErrorType) -> StanzaError {
        self.type_ = type_;
        self
    }

    /// This error with an explanation.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> StanzaError {
        self.text = Some(text.into());
        self
    }

    /// This error with an application's own condition.
    #[must_use]
    pub fn with_app(mut self, app: Element) -> StanzaError {
        self.app = Some(app);
        self
    }

    /// This error with the address of who found it.
    #[must_use]
    pub fn with_by(mut self, by: Jid) -> StanzaError {
        self.by = Some(by);
        self
    }

    /// The `<error/>` element, in the content namespace of the stanza that will hold it.
    pub fn to_element(&self, content_ns: &str) -> Element {
        let mut error = Element::new(content_ns, "error").with_attr("type", self.type_.as_str());
        if self.with_code {
            error.set_attr("code", &self.condition.old_code().to_string());
        }
        if let Some(by) = &self.by {
            error.set_attr("by", by.as_str());
        }
        let condition = Element::new(ns::STANZA_ERRORS, self.condition.as_str());
        error.append(condition.with_text(self.uri.as_deref().unwrap_or("")));
        append_details(&mut error, ns::STANZA_ERRORS, self.text.as_deref(), self.app.as_ref());
        error
    }

    /// Reads an `<error/>` element. What it does not say, or says in unknown words, is undefined-condition.
    pub fn from_element(error: ElementRef<'_>) -> StanzaError {
        let defined = |child: &ElementRef<'_>| child.ns() == ns::STANZA_ERRORS && child.name() != "text";
        let element = error.children().find(defined);
        let condition = element
            .and_then(|child| Condition::from_name(child.name()))
            .unwrap_or(Condition::UndefinedCondition);
        let (text, app) = read_details(error, ns::STANZA_ERRORS);
        StanzaError {
            type_: error.attr("type").and_then(ErrorType::from_name).unwrap_or(condition.usual_type()),
            condition,
            uri: element.map(|child| child.text()).filter(|text| !text.is_empty()).map(|text| text.into()),
            text,
            by: error.attr("by").and_then(|by| Jid::new(by).ok()),
            app,
            with_code: false,
        }
    }
}

impl std::fmt::Display for StanzaError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_summary(formatter, self.condition.as_str(), self.text.as_deref())
    }
}

impl std::error::Error for StanzaError {}

/// The `<stream:error/>` that ends a stream (RFC 6120 section 4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// The defined condition.
    pub condition: StreamCondition,
    /// Where to connect instead: host and perhaps port, for [`StreamCondition::SeeOtherHost`] (section 4.9.3.19).
    pub other_host: Option<String>,
    /// An explanation for people.
    pub text: Option<String>,
    /// The application's own condition.
    pub app: Option<Element>,
}

impl StreamError {
    /// An error with just its condition.
    pub fn new(condition: StreamCondition) -> StreamError {
        StreamError { condition, other_host: None, text: None, app: None }
    }

    /// An error that sends the peer to another host.
    pub fn see_other_host(host: impl Into<String>) -> StreamError {
        let other_host = Some(host.into());
        StreamError { other_host, ..StreamError::new(StreamCondition::SeeOtherHost) }
    }

    /// This error with an explanation.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> StreamError {
        self.text = Some(text.into());
        self
    }

    /// This error with an application's own condition.
    #[must_use]
    pub fn with_app(mut self, app: Element) -> StreamError {
        self.app = Some(app);
        self
    }

    /// The `<stream:error/>` element.
    pub fn to_element(&self) -> Element {
        let condition = Element::new(ns::STREAM_ERRORS, self.condition.as_str());
        let condition = condition.with_text(self.other_host.as_deref().unwrap_or(""));
        let mut error = Element::new(ns::STREAMS, "error").with_child(condition);
        append_details(&mut error, ns::STREAM_ERRORS, self.text.as_deref(), self.app.as_ref());
        error
    }

    /// Reads a `<stream:error/>` element. What it does not say, or says in unknown words, is undefined-condition.
    pub fn from_element(error: ElementRef<'_>) -> StreamError {
        let defined = |child: &ElementRef<'_>| child.ns() == ns::STREAM_ERRORS && child.name() != "text";
        let element = error.children().find(defined);
        let condition = element
            .and_then(|child| StreamCondition::from_name(child.name()))
            .unwrap_or(StreamCondition::UndefinedCondition);
        let (text, app) = read_details(error, ns::STREAM_ERRORS);
        let other_host =
            element.map(|child| child.text()).filter(|text| !text.is_empty()).map(|text| text.into_owned());
        StreamError { condition, other_host, text, app }
    }
}

impl From<StreamCondition> for StreamError {
    fn from(condition: StreamCondition) -> StreamError {
        StreamError::new(condition)
    }
}

impl std::fmt::Display for StreamError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_summary(formatter, self.condition.as_str(), self.text.as_deref())
    }
}

impl std::error::Error for StreamError {}

/// Adds what both kinds of error have after their condition: a text in English, and the application's own element.
fn append_details(error: &mut Element, errors_ns: &str, text: Option<&str>, app: Option<&Element>) {
    if let Some(text) = text {
        error.append(Element::new(errors_ns, "text").with_attr_ns(ns::XML, "lang", "en").with_text(text));
    }
    if let Some(app) = app {
        error.append_copy(app.root());
    }
}

fn read_details(error: ElementRef<'_>, errors_ns: &str) -> (Option<String>, Option<Element>) {
    let text = error.child(errors_ns, "text").map(|text| text.text().into_owned());
    let app = error.children().find(|child| child.ns() != errors_ns).map(ElementRef::to_element);
    (text, app)
}

fn write_summary(
    formatter: &mut std::fmt::Formatter<'_>,
    condition: &str,
    text: Option<&str>,
) -> std::fmt::Result {
    match text {
        Some(text) => write!(formatter, "{condition}: {text}"),
        None => formatter.write_str(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        assert_eq!((Condition::ALL.len(), StreamCondition::ALL.len(), ErrorType::ALL.len()), (22, 25, 5));
        assert!(Condition::ALL.iter().all(|each| Condition::from_name(each.as_str()) == Some(*each)));
        assert!(
            StreamCondition::ALL.iter().all(|each| StreamCondition::from_name(each.as_str()) == Some(*each))
        );
        assert!(ErrorType::ALL.iter().all(|each| ErrorType::from_name(each.as_str()) == Some(*each)));
        assert_eq!(Condition::from_name("text"), None);
    }

    /// RFC 6120 section 8.3.2.
    #[test]
    fn a_stanza_error_goes_both_ways() {
        let mut error = StanzaError::new(Condition::Gone)
            .with_text("moved < away")
            .with_by("example.com".parse().unwrap())
            .with_app(Element::new("urn:app", "reason"));
        error.uri = Some("xmpp:romeo@example.net".into());
        let element = error.to_element(ns::CLIENT);
        assert_eq!(
            element.to_xml(),
            "<error xmlns='jabber:client' type='cancel' by='example.com'>\
             <gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:romeo@example.net</gone>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>moved &lt; away</text>\
             <reason xmlns='urn:app'/></error>"
        );
        assert_eq!(StanzaError::from_element(element.root()), error);
    }

    #[test]
    fn unknown_errors_are_undefined_conditions() {
        for xml in [
            "<error xmlns='jabber:client'/>",
            "<error xmlns='jabber:client' type='odd'><gone/></error>",
            "<error xmlns='jabber:client'><odd xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
        ] {
            let error = StanzaError::from_element(Element::parse(xml).unwrap().root());
            assert_eq!(
                (error.condition, error.type_),
                (Condition::UndefinedCondition, ErrorType::Cancel),
                "{xml}"
            );
        }
    }

    /// RFC 6120 sections 4.9.2 and 4.9.3.19.
    #[test]
    fn a_stream_error_goes_both_ways() {
        let error = StreamError::see_other_host("[2001:db8::1]:5222").with_text("draining");
        assert_eq!(
            error.to_element().to_xml(),
            "<stream:error xmlns:stream='http://etherx.jabber.org/streams'>\
             <see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>[2001:db8::1]:5222</see-other-host>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>draining</text></stream:error>"
        );
        assert_eq!(StreamError::from_element(error.to_element().root()), error);
        let plain = StreamError::from(StreamCondition::Conflict).with_app(Element::new("urn:app", "reason"));
        assert_eq!(StreamError::from_element(plain.to_element().root()), plain);
        assert_eq!(plain.to_string(), "conflict");
    }
}
