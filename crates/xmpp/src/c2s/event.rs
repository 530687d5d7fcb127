//! What a stream tells its caller, and what the caller answers.

use std::sync::Arc;

use crate::error::{Condition, StreamError};
use crate::jid::Jid;
use crate::sasl::{Hash, Mechanism, Question, TokenBinding, Verifier};
use crate::sm::{Enable, Enabled, Resume, ResumeFailed};
use crate::stanza::Stanza;
use crate::xml::Element;

/// What happened on a stream. Variants that hold a question stop the stream: it reads nothing more until the question
/// is given back to the method named.
#[derive(Debug)]
pub enum Event {
    /// The client asked for TLS and `<proceed/>` is in the output: write it, shake hands, call
    /// [`Stream::tls_established`](super::Stream::tls_established).
    StartTls(StartTls),
    /// Someone claims to be a user: answer the question and give the step to
    /// [`Stream::advance`](super::Stream::advance).
    Credentials(Credentials),
    /// The user is who it claims to be: [`Stream::accept`](super::Stream::accept),
    /// [`Stream::refuse`](super::Stream::refuse), [`Stream::demand`](super::Stream::demand) or
    /// [`Stream::upgrade`](super::Stream::upgrade).
    Authenticated(Authenticated),
    /// The client works on a task that was demanded: [`Stream::task_data`](super::Stream::task_data), or as above.
    Task(Task),
    /// The client sent the material for a new verifier (XEP-0480): store it, then as above.
    Upgraded(Verifier, Authenticated),
    /// The client wants to be bound to a resource: [`Stream::bound`](super::Stream::bound) or
    /// [`Stream::bind_failed`](super::Stream::bind_failed).
    Bind(BindRequest),
    /// The client wants an earlier session back: [`Stream::resumed`](super::Stream::resumed) or
    /// [`Stream::resume_failed`](super::Stream::resume_failed).
    Resume(ResumeRequest),
    /// The client wants stream management: [`Stream::enabled`](super::Stream::enabled) or
    /// [`Stream::enable_failed`](super::Stream::enable_failed).
    Enable(EnableRequest),
    /// A stanza of the bound client; `from` is its full address.
    Stanza(Stanza),
    /// A stanza that the stream has dealt with by itself. Count it as handled, and send the answer, if any, the way all
    /// stanzas to this client are sent.
    Answered(Option<Stanza>),
    /// An IQ before authentication, in one of the namespaces that the host lets through; reply with
    /// [`Stream::send`](super::Stream::send).
    Registration(Stanza),
    /// `<r/>`: answer with [`Stream::acknowledge`](super::Stream::acknowledge).
    AcknowledgementRequested,
    /// `<a/>`: the client has handled that many stanzas.
    Acknowledged(u32),
    /// The client says that its user looks (`true`) or looks away (XEP-0352).
    Active(bool),
    /// The client closed the stream in order, and so did we: flush the output and hang up. The session is over.
    Closed,
    /// The client reported a stream error and is gone; the output holds our closing tag.
    PeerFailed(Element),
    /// The stream broke a rule. The error and the closing tag are in the output: flush and hang up.
    Failed(StreamError),
}

/// The permission to report a finished handshake.
#[derive(Debug)]
pub struct StartTls(pub(super) ());

/// What is needed to check who a client is.
#[derive(Debug)]
pub struct Credentials {
    /// The question of the mechanism; its answer is a step for [`Stream::advance`](super::Stream::advance).
    pub question: Question,
    /// The host addressed.
    pub host: Arc<str>,
    /// The client installation, when it said so (XEP-0388). FAST tokens belong to one.
    pub user_agent: Option<Arc<UserAgent>>,
    /// How a token is used (XEP-0484 section 3.4).
    pub fast: Option<FastUse>,
}

/// The client software and installation (XEP-0388 section 2.3). Not for other entities' eyes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserAgent {
    /// The stable identifier of the installation, a UUID.
    pub id: Option<String>,
    /// The name of the software.
    pub software: Option<String>,
    /// The name of the device.
    pub device: Option<String>,
}

/// The attributes of `<fast/>` in a request that authenticates by token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FastUse {
    /// The client's counter for this token: refuse one that is not above the last.
    pub count: Option<u32>,
    /// Whether the token is to die with this use.
    pub invalidate: bool,
}

/// A user that has proven who it is, and what its client asked for along with it.
#[derive(Debug)]
pub struct Authenticated {
    /// The user's bare address.
    pub jid: Jid,
    /// How it was proven.
    pub mechanism: Mechanism,
    /// Which of the token candidates matched.
    pub token: Option<usize>,
    /// The client installation.
    pub user_agent: Option<Arc<UserAgent>>,
    /// How the token was used.
    pub fast: Option<FastUse>,
    /// The client wants a token for this mechanism.
    pub request_token: Option<TokenBinding>,
    /// The client wants to upgrade to these, and the host offers them.
    pub upgrades: Vec<Hash>,
    /// The client wants this session back; decide this before `bind` (XEP-0386 section 3.2).
    pub resume: Option<Resume>,
    /// The client wants to be bound in the same round trip.
    pub bind: Option<InlineBind>,
    pub(super) sasl2: bool,
    pub(super) data: Option<Vec<u8>>,
}

/// A Bind 2 request (XEP-0386).
#[derive(Clone, Debug, Default)]
pub struct InlineBind {
    /// A name of the software, to begin the resource with.
    pub tag: Option<String>,
    /// Whether carbons start enabled.
    pub carbons: bool,
    /// Whether the session starts inactive.
    pub inactive: bool,
    /// Whether, and how, stream management starts enabled.
    pub enable: Option<Enable>,
    /// All children of `<bind/>`, for features that this library does not know.
    pub requested: Vec<Element>,
}

impl InlineBind {
    /// The resource for this session: the tag, a slash and something made by the server (XEP-0386 section 3.2.1).
    /// `None` when the tag cannot be part of an address; then take the suffix alone.
    pub fn resource(&self, bare: &Jid, suffix: &str) -> Option<Jid> {
        let resource = match self.tag.as_deref().map(str::trim).filter(|tag| !tag.is_empty()) {
            Some(tag) => format!("{tag}/{suffix}"),
            None => suffix.to_owned(),
        };
        bare.with_resource(&resource).ok()
    }
}

/// What the server decides about an authenticated client. With the profile of RFC 6120 there is nothing to decide.
#[derive(Debug, Default)]
pub struct Acceptance {
    /// The answer to [`Authenticated::resume`].
    pub resumption: Option<Result<Resumption, ResumeFailed>>,
    /// The answer to [`Authenticated::bind`]; ignored when a session was resumed. `None` leaves the client unbound.
    pub bound: Option<Bound>,
    /// A fresh FAST token.
    pub token: Option<IssuedToken>,
}

/// A session that goes on.
#[derive(Clone, Debug)]
pub struct Resumption {
    /// The full address of the session.
    pub jid: Jid,
    /// The identifier that the client named.
    pub previd: String,
    /// How many of the client's stanzas were handled.
    pub h: u32,
}

/// A session that was bound inline.
#[derive(Debug)]
pub struct Bound {
    /// Its full address.
    pub jid: Jid,
    /// The answer to [`InlineBind::enable`].
    pub enabled: Option<Result<Enabled, Condition>>,
    /// More children of `<bound/>`, such as the archive's `<metadata/>`.
    pub children: Vec<Element>,
}

/// A FAST token for the client to keep (XEP-0484 section 3.3).
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: String,
    /// When it ends, as an XEP-0082 date and time.
    pub expiry: String,
}

/// A client's words on a task that was demanded (XEP-0388 section 2.6.3).
#[derive(Debug)]
pub struct Task {
    /// The name of the task.
    pub name: String,
    /// `<next/>` or `<task-data/>` with what the task defines.
    pub element: Element,
    /// The client whose task it is.
    pub authenticated: Authenticated,
}

/// The parameters of a new verifier (XEP-0480).
#[derive(Clone, Debug)]
pub struct Upgrade {
    /// The hash, one of [`Authenticated::upgrades`].
    pub hash: Hash,
    /// Fresh random octets.
    pub salt: Vec<u8>,
    /// The cost.
    pub iterations: u32,
}

/// A request to bind a resource (RFC 6120 section 7).
#[derive(Debug)]
pub struct BindRequest {
    /// The account.
    pub account: Jid,
    /// The full address that the client would like; otherwise the server makes one up.
    pub wanted: Option<Jid>,
    pub(super) id: Box<str>,
}

/// A request to resume a session after authentication (XEP-0198 section 5).
#[derive(Debug)]
pub struct ResumeRequest {
    /// The account; only its own sessions may be resumed.
    pub account: Jid,
    /// What the client said.
    pub resume: Resume,
}

/// A request to enable stream management (XEP-0198 section 3).
#[derive(Debug)]
pub struct EnableRequest {
    /// What the client said.
    pub enable: Enable,
}
