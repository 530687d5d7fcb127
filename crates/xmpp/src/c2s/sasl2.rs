//! The extensible SASL profile (XEP-0388) with what is negotiated inside it: Bind 2 (XEP-0386), resumption (XEP-0198),
//! tokens (XEP-0484) and upgrades of verifiers (XEP-0480).

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::authentication::{Profile, decode};
use super::features::upgrade_task;
use super::{Acceptance, Authenticated, Bound, Event, FastUse, HostPolicy, InlineBind, Phase, State, Stream};
use super::{Task, Upgrade, UserAgent};
use crate::error::{StreamCondition, StreamError};
use crate::ns;
use crate::sasl::{Failure, Hash, Mechanism, TokenBinding, Verifier};
use crate::sm;
use crate::xml::{Element, ElementRef};

/// The namespace of the SCRAM upgrade task (XEP-0480 section 3).
const SCRAM_UPGRADE: &str = "urn:xmpp:scram-upgrade:0";

/// What a client may say about itself is kept short: it is shown in lists of devices.
const MAX_LABEL_OCTETS: usize = 256;

/// What `<authenticate/>` asks for besides authentication.
#[derive(Debug, Default)]
pub(super) struct Inline {
    pub(super) user_agent: Option<Arc<UserAgent>>,
    pub(super) fast: Option<FastUse>,
    pub(super) request_token: Option<TokenBinding>,
    pub(super) upgrades: Vec<Hash>,
    pub(super) resume: Option<sm::Resume>,
    pub(super) bind: Option<InlineBind>,
}

/// What a client has to do before it is let in.
pub(super) struct Tasked {
    authenticated: Authenticated,
    /// The tasks it may begin.
    offered: Vec<String>,
    /// The task it is at.
    current: Option<String>,
    /// When the task is an upgrade, its parameters.
    upgrade: Option<Upgrade>,
}

impl Stream {
    pub(super) fn sasl2_element(&mut self, element: Element) -> Option<Event> {
        let State::Negotiating(negotiation) = &mut self.state else {
            return None;
        };
        let offered = self.host.as_ref().is_some_and(|host| negotiation.offers_sasl2(host));
        // Section 4.8: once somebody is authenticated, asking again is an error of the stream.
        if negotiation.account.is_some() {
            return Some(self.failed(StreamError::new(StreamCondition::PolicyViolation)));
        }
        let phase = std::mem::replace(&mut negotiation.phase, Phase::Unauthenticated);
        match (element.name(), phase) {
            ("authenticate", Phase::Unauthenticated) if offered => self.authenticate(&element),
            ("authenticate", Phase::Unauthenticated) => {
                let failure = if negotiation.tls.is_none() {
                    Failure::EncryptionRequired
                } else {
                    Failure::InvalidMechanism
                };
                self.authentication_failed(Profile::Sasl2, failure)
            }
            ("response", Phase::Exchanging(Profile::Sasl2, exchange)) => {
                match decode(Profile::Sasl2, &element.text()) {
                    Ok(data) => self.step(Profile::Sasl2, exchange, Some(&data)),
                    Err(failure) => self.authentication_failed(Profile::Sasl2, failure),
                }
            }
            ("abort", Phase::Unauthenticated | Phase::Exchanging(Profile::Sasl2, _) | Phase::Tasked(_)) => {
                self.authentication_failed(Profile::Sasl2, Failure::Aborted)
            }
            ("next" | "task-data", Phase::Tasked(tasked)) => self.task(*tasked, element),
            // Section 2.4.
            _ => Some(self.failed(StreamError::new(StreamCondition::PolicyViolation))),
        }
    }

    /// Section 2.3.
    fn authenticate(&mut self, element: &Element) -> Option<Event> {
        let (State::Negotiating(negotiation), Some(host)) = (&mut self.state, &self.host) else {
            return None;
        };
        let inline = match Inline::parse(element, host, &negotiation.tokens(host)) {
            Ok(inline) => inline,
            Err(failure) => return self.authentication_failed(Profile::Sasl2, failure),
        };
        negotiation.inline = Some(Box::new(inline));
        let initial = element
            .child(ns::SASL2, "initial-response")
            .map(|initial| decode(Profile::Sasl2, &initial.text()));
        match initial.transpose() {
            Ok(initial) => self.begin(Profile::Sasl2, element.attr("mechanism").unwrap_or_default(), initial),
            Err(failure) => self.authentication_failed(Profile::Sasl2, failure),
        }
    }

    /// Section 2.6.1: `<success/>` with the answers to everything asked inline, then features, and no restart.
    pub(super) fn accept_sasl2(&mut self, authenticated: Authenticated, acceptance: Acceptance) {
        let mut success = Element::new(ns::SASL2, "success");
        if let Some(data) = &authenticated.data {
            success
                .append(Element::new(ns::SASL2, "additional-data").with_text(&BASE64_STANDARD.encode(data)));
        }
        let resumed = acceptance.resumption.as_ref().and_then(|resumption| resumption.as_ref().ok());
        // XEP-0386 section 3.2: a session that was resumed is bound already.
        let bound = acceptance.bound.as_ref().filter(|_| resumed.is_none());
        let identity = bound.map_or(authenticated.jid.as_str(), |bound| bound.jid.as_str());
        success.append(Element::new(ns::SASL2, "authorization-identifier").with_text(identity));
        match &acceptance.resumption {
            Some(Ok(resumption)) => success.append(sm::Resume::resumed(&resumption.previd, resumption.h)),
            Some(Err(failed)) => success.append(failed.to_element()),
            None => {}
        }
        if let Some(bound) = bound {
            success.append(bound_element(bound));
        }
        if let Some(token) = &acceptance.token {
            let token = Element::new(ns::FAST, "token")
                .with_attr("token", &token.token)
                .with_attr("expiry", &token.expiry);
            success.append(token);
        }
        self.write_element(&success);

        self.answered(Phase::Authenticated);
        if let Some(resumed) = resumed {
            // XEP-0198 section 9.2: the stream is re-established here, and features are not sent.
            self.enter_session(resumed.jid.clone(), true);
            return;
        }
        if let Some(bound) = bound {
            self.enter_session(bound.jid.clone(), matches!(bound.enabled, Some(Ok(_))));
        }
        self.write_features();
    }

    /// Demands that the client does one of these tasks before it is let in (XEP-0388 section 2.6.3). Only for a client
    /// that [`Authenticated::can_do_tasks`]; any other is turned away.
    pub fn demand(
        &mut self,
        authenticated: Authenticated,
        tasks: &[&str],
        text: Option<&str>,
    ) -> Option<Event> {
        self.continue_with(authenticated, tasks.iter().map(|task| (*task).to_owned()).collect(), text, None)
    }

    /// Has the client send the material for a new verifier; afterwards comes [`Event::Upgraded`] (XEP-0480).
    pub fn upgrade(&mut self, authenticated: Authenticated, upgrade: Upgrade) -> Option<Event> {
        self.continue_with(authenticated, vec![upgrade_task(upgrade.hash)], None, Some(upgrade))
    }

    fn continue_with(
        &mut self,
        mut authenticated: Authenticated,
        offered: Vec<String>,
        text: Option<&str>,
        upgrade: Option<Upgrade>,
    ) -> Option<Event> {
        if !authenticated.can_do_tasks() {
            return self.refuse(authenticated, Failure::NotAuthorized);
        }
        let mut element = Element::new(ns::SASL2, "continue");
        if let Some(data) = authenticated.data.take() {
            element
                .append(Element::new(ns::SASL2, "additional-data").with_text(&BASE64_STANDARD.encode(data)));
        }
        let mut tasks = Element::new(ns::SASL2, "tasks");
        for task in &offered {
            tasks.append(Element::new(ns::SASL2, "task").with_text(task));
        }
        element.append(tasks);
        if let Some(text) = text {
            element.append(Element::new(ns::SASL2, "text").with_text(text));
        }
        self.write_element(&element);
        self.answered(Phase::Tasked(Box::new(Tasked { authenticated, offered, current: None, upgrade })));
        None
    }

    /// Sends the client what a task needs to go on.
    pub fn task_data(&mut self, task: Task, children: Vec<Element>) {
        self.write_task_data(children);
        self.answered(Phase::Tasked(Box::new(Tasked {
            authenticated: task.authenticated,
            offered: Vec::new(),
            current: Some(task.name),
            upgrade: None,
        })));
    }

    fn write_task_data(&mut self, children: Vec<Element>) {
        let mut element = Element::new(ns::SASL2, "task-data");
        for child in children {
            element.append(child);
        }
        self.write_element(&element);
    }

    fn task(&mut self, tasked: Tasked, element: Element) -> Option<Event> {
        let name = match (element.name(), tasked.current) {
            ("next", None) => tasked.offered.into_iter().find(|task| element.attr("task") == Some(task)),
            ("task-data", Some(current)) => Some(current),
            _ => None,
        };
        let Some(name) = name else {
            return self.authentication_failed(Profile::Sasl2, Failure::MalformedRequest);
        };
        let authenticated = tasked.authenticated;
        let Some(upgrade) = tasked.upgrade else {
            self.answered(Phase::Asking(Some(Profile::Sasl2)));
            return Some(Event::Task(Task { name, element, authenticated }));
        };
        if element.name() == "next" {
            let salt = Element::new(SCRAM_UPGRADE, "salt")
                .with_attr("iterations", &upgrade.iterations.to_string())
                .with_text(&BASE64_STANDARD.encode(&upgrade.salt));
            self.write_task_data(vec![salt]);
            let tasked =
                Tasked { authenticated, offered: Vec::new(), current: Some(name), upgrade: Some(upgrade) };
            self.answered(Phase::Tasked(Box::new(tasked)));
            return None;
        }
        let salted = element.child(SCRAM_UPGRADE, "hash").map(|hash| decode(Profile::Sasl2, &hash.text()));
        match salted {
            Some(Ok(salted)) if salted.len() == upgrade.hash.octets() => {
                self.answered(Phase::Asking(Some(Profile::Sasl2)));
                let Upgrade { hash, salt, iterations } = upgrade;
                let verifier = Verifier::from_salted_password(hash, &salted, &salt, iterations);
                Some(Event::Upgraded(verifier, authenticated))
            }
            Some(Err(failure)) => self.authentication_failed(Profile::Sasl2, failure),
            _ => self.authentication_failed(Profile::Sasl2, Failure::MalformedRequest),
        }
    }
}

impl Authenticated {
    /// Whether the client speaks a profile in which more can be demanded of it.
    pub fn can_do_tasks(&self) -> bool {
        self.sasl2
    }
}

/// `<bound/>` (XEP-0386 section 3.2).
fn bound_element(bound: &Bound) -> Element {
    let mut element = Element::new(ns::BIND2, "bound");
    match &bound.enabled {
        Some(Ok(enabled)) => element.append(enabled.to_element()),
        Some(Err(condition)) => element.append(sm::failed(*condition)),
        None => {}
    }
    for child in &bound.children {
        element.append(child.clone());
    }
    element
}

impl Inline {
    fn parse(element: &Element, host: &HostPolicy, tokens: &[TokenBinding]) -> Result<Inline, Failure> {
        let user_agent = element.child(ns::SASL2, "user-agent").map(user_agent).transpose()?.map(Arc::new);
        let fast = element.child(ns::FAST, "fast").map(fast_use).transpose()?;
        // XEP-0484 section 4.1: a token belongs to an installation, which must say which it is.
        let identified = user_agent.as_ref().is_some_and(|agent| agent.id.is_some());
        if fast.is_some() && !identified {
            return Err(Failure::MalformedRequest);
        }
        let request_token = element
            .child(ns::FAST, "request-token")
            .and_then(|request| Mechanism::from_name(request.attr("mechanism")?))
            .and_then(|mechanism| match mechanism {
                Mechanism::HashedToken(binding) if identified && tokens.contains(&binding) => Some(binding),
                _ => None,
            });
        let wanted = |hash: &Hash| {
            let task = upgrade_task(*hash);
            element.children().any(|child| child.is(ns::SASL_UPGRADE, "upgrade") && child.text() == task)
        };
        Ok(Inline {
            user_agent,
            fast,
            request_token,
            upgrades: host.upgrades.iter().copied().filter(wanted).collect(),
            resume: element
                .child(ns::SM3, "resume")
                .filter(|_| host.stream_management)
                .map(|resume| sm::Resume::parse(resume).ok_or(Failure::MalformedRequest))
                .transpose()?,
            bind: element.child(ns::BIND2, "bind").map(|bind| inline_bind(bind, host)),
        })
    }
}

/// XEP-0388 section 2.3.
fn user_agent(element: ElementRef<'_>) -> Result<UserAgent, Failure> {
    let id = element.attr("id").map(str::to_owned);
    if id.as_deref().is_some_and(|id| !is_uuid(id)) {
        return Err(Failure::MalformedRequest);
    }
    let label = |name| {
        let text = element.child(ns::SASL2, name)?.text().trim().to_owned();
        (!text.is_empty() && text.len() <= MAX_LABEL_OCTETS).then_some(text)
    };
    Ok(UserAgent { id, software: label("software"), device: label("device") })
}

/// The pattern of XEP-0388's schema.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|octet| octet.is_ascii_hexdigit()))
}

/// XEP-0484 sections 3.4 and 3.6.
fn fast_use(element: ElementRef<'_>) -> Result<FastUse, Failure> {
    let count = element
        .attr("count")
        .map(|count| count.parse().map_err(|_| Failure::MalformedRequest))
        .transpose()?;
    Ok(FastUse { count, invalidate: matches!(element.attr("invalidate"), Some("true" | "1")) })
}

/// XEP-0386 section 3.2.
fn inline_bind(element: ElementRef<'_>, host: &HostPolicy) -> InlineBind {
    let tag = element.child(ns::BIND2, "tag").map(|tag| tag.text().trim().to_owned());
    InlineBind {
        tag: tag.filter(|tag| !tag.is_empty() && tag.len() <= MAX_LABEL_OCTETS),
        carbons: host.carbons && element.child(ns::CARBONS, "enable").is_some(),
        inactive: host.client_state && element.child(ns::CLIENT_STATE, "inactive").is_some(),
        enable: element.child(ns::SM3, "enable").filter(|_| host.stream_management).map(sm::Enable::parse),
        requested: element.children().map(|child| child.to_element()).collect(),
    }
}
