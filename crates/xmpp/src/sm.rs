//! Stream management (XEP-0198) as a pure machine: who has handled how many stanzas, and what must be sent again.
//!
//! A [`Session`] outlives the streams that carry it. It counts what we handled of the peer's stanzas and keeps, in order,
//! what we sent and the peer has not acknowledged:
//!
//! ```text
//!             acked                       sent = acked + queue length        (all modulo 2^32)
//!   ──────────┼───────────────────────────┼──────▶ our stanzas
//!    forgotten│     queue: send again     │
//! ```
//!
//! 1. `acked` only rises, by what the peer reports; a report above `sent` breaks the stream.
//! 2. An item leaves the queue only when it is acknowledged, when it is withdrawn before a peer that resumes is sent it
//!    ([`Session::take_back`]), or when the session is given up with [`Session::into_parts`].
//! 3. The queue never holds more than [`Limits::unacknowledged`] items; when it is full the session can no longer promise
//!    to deliver, and its owner must give it up.

use std::collections::VecDeque;

use crate::error::{Condition, StreamCondition, StreamError};
use crate::ns;
use crate::xml::{Element, ElementRef};

/// The bounds of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many stanzas may wait for an acknowledgement.
    pub unacknowledged: usize,
    /// After how many stanzas an acknowledgement is asked for.
    pub request_after: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { unacknowledged: 2_000, request_after: 8 }
    }
}

/// The counters and the queue of one managed session; `T` is whatever the owner can send again.
#[derive(Clone, Debug)]
pub struct Session<T> {
    limits: Limits,
    handled: u32,
    acked: u32,
    queue: VecDeque<T>,
    /// How many of the queue had been sent when the last request went out; none is outstanding when `None`.
    requested_at: Option<usize>,
}

/// The queue is full: the session must be given up. Holds the item that did not fit.
#[derive(Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

/// A report that cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReport {
    /// The peer claims to have handled more than was sent.
    #[error("the peer acknowledged {h} stanzas, but only {sent} were sent")]
    TooHigh {
        /// What the peer claims.
        h: u32,
        /// How many were sent.
        sent: u32,
    },
    /// The peer goes back behind what it acknowledged before; those stanzas are gone.
    #[error("the peer went back to {h} after acknowledging {acked}")]
    Behind {
        /// What the peer claims.
        h: u32,
        /// What it had acknowledged.
        acked: u32,
    },
}

impl BadReport {
    /// The stream error that the report deserves (XEP-0198 section 6).
    pub fn stream_error(self) -> StreamError {
        let (h, other, text) = match self {
            BadReport::TooHigh { h, sent } => {
                (h, sent, format!("You acknowledged {h} stanzas, but I only sent you {sent} so far."))
            }
            BadReport::Behind { h, acked } => {
                (h, acked, format!("You acknowledged {h} stanzas after you had acknowledged {acked}."))
            }
        };
        let app = Element::new(ns::SM3, "handled-count-too-high")
            .with_attr("h", &h.to_string())
            .with_attr("send-count", &other.to_string());
        StreamError::new(StreamCondition::UndefinedCondition).with_text(text).with_app(app)
    }
}

/// The parts of a session that a server stores to go on after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts<T> {
    /// How many of the peer's stanzas were handled.
    pub handled: u32,
    /// How many of ours the peer has acknowledged.
    pub acked: u32,
    /// What was sent since, the oldest first.
    pub unacknowledged: Vec<T>,
}

impl<T> Session<T> {
    /// A session at the moment of `<enabled/>`: both counters start at zero.
    pub fn new(limits: Limits) -> Session<T> {
        Session { limits, handled: 0, acked: 0, queue: VecDeque::new(), requested_at: None }
    }

    /// A session as it was stored.
    pub fn from_parts(limits: Limits, parts: Parts<T>) -> Session<T> {
        Session {
            limits,
            handled: parts.handled,
            acked: parts.acked,
            queue: parts.unacknowledged.into(),
            requested_at: None,
        }
    }

    /// Takes the session apart, to store it or to find another way for what the peer never got.
    pub fn into_parts(self) -> Parts<T> {
        Parts { handled: self.handled, acked: self.acked, unacknowledged: self.queue.into() }
    }

    /// Counts one stanza of the peer as handled: call it when responsibility for it is taken, not when it arrives.
    pub fn count_handled(&mut self) {
        self.handled = self.handled.wrapping_add(1);
    }

    /// What to report in `<a/>`, `<resumed/>` and `<failed/>`.
    pub fn handled(&self) -> u32 {
        self.handled
    }

    /// How many stanzas were sent.
    pub fn sent(&self) -> u32 {
        self.acked.wrapping_add(self.queue.len() as u32)
    }

    /// How many stanzas the peer has acknowledged.
    pub fn acked(&self) -> u32 {
        self.acked
    }

    /// Keeps a stanza that is being sent, also while no stream carries the session.
    pub fn push(&mut self, item: T) -> Result<(), Full<T>> {
        if self.queue.len() >= self.limits.unacknowledged {
            return Err(Full(item));
        }
        self.queue.push_back(item);
        Ok(())
    }

    /// Whether it is time for `<r/>`; at most one is under way. Ask after each batch of writes, and write `<r/>` if so.
    pub fn should_request(&mut self) -> bool {
        let due = match self.requested_at {
            Some(_) => false,
            None => self.queue.len() >= self.limits.request_after.max(1),
        };
        if due {
            self.requested_at = Some(self.queue.len());
        }
        due
    }

    /// Like [`Session::should_request`], for a connection that has nothing else to say: anything unacknowledged is
    /// reason enough.
    pub fn should_request_when_idle(&mut self) -> bool {
        let due = self.requested_at.is_none() && !self.queue.is_empty();
        if due {
            self.requested_at = Some(self.queue.len());
        }
        due
    }

    /// Takes the peer's report and returns what it has handled. A report that goes back is ignored, as acknowledgements
    /// may overtake nothing but the peer's own memory.
    pub fn acknowledge(&mut self, h: u32) -> Result<Vec<T>, BadReport> {
        match self.take_report(h) {
            Err(BadReport::Behind { .. }) => Ok(Vec::new()),
            result => result,
        }
    }

    /// Takes the report of a peer that resumes; afterwards all of [`Session::unacknowledged`] must be sent again. A peer
    /// that goes back has lost stanzas that are no longer here: it must not be told that its session goes on.
    pub fn resume(&mut self, h: u32) -> Result<Vec<T>, BadReport> {
        let done = self.take_report(h)?;
        self.requested_at = None;
        Ok(done)
    }

    /// Goes back to an earlier count of the peer's stanzas, and withdraws those of ours for which `withdrawn` says so; it is
    /// given the number that each was sent with. Only right after [`Session::resume`], before the peer is told the count
    /// and sent the rest: it then sends again what it does not find counted, and numbers what it gets from there on.
    pub fn take_back(&mut self, handled: u32, mut withdrawn: impl FnMut(u32) -> bool) {
        self.handled = handled;
        let mut number = self.acked;
        self.queue.retain(|_| {
            number = number.wrapping_add(1);
            !withdrawn(number)
        });
    }

    fn take_report(&mut self, h: u32) -> Result<Vec<T>, BadReport> {
        let newly = h.wrapping_sub(self.acked);
        if newly as usize > self.queue.len() {
            // Of the two halves of the circle, the nearer one tells what the peer means.
            return Err(if newly > u32::MAX / 2 {
                BadReport::Behind { h, acked: self.acked }
            } else {
                BadReport::TooHigh { h, sent: self.sent() }
            });
        }
        self.acked = h;
        self.requested_at = match self.requested_at {
            Some(at) if at > newly as usize => Some(at - newly as usize),
            _ => None,
        };
        Ok(self.queue.drain(..newly as usize).collect())
    }

    /// What the peer has not acknowledged, the oldest first.
    pub fn unacknowledged(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator {
        self.queue.iter()
    }
}

/// `<enable/>` (XEP-0198 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enable {
    /// Whether the client wants to be able to resume.
    pub resume: bool,
    /// For how many seconds it would like that.
    pub max: Option<u32>,
}

impl Enable {
    /// Reads the element.
    pub fn parse(element: ElementRef<'_>) -> Enable {
        Enable {
            resume: matches!(element.attr("resume"), Some("true" | "1")),
            max: element.attr("max").and_then(|max| max.parse().ok()).filter(|max| *max > 0),
        }
    }

    /// Builds the element.
    pub fn to_element(self) -> Element {
        let mut element = Element::new(ns::SM3, "enable");
        if self.resume {
            element.set_attr("resume", "true");
        }
        if let Some(max) = self.max {
            element.set_attr("max", &max.to_string());
        }
        element
    }
}

/// `<enabled/>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enabled {
    /// The identifier with which the session can be resumed; `None` when it cannot. At least 128 random bits.
    pub id: Option<String>,
    /// For how many seconds it can be resumed.
    pub max: Option<u32>,
    /// Where to reconnect, as `domain:port`.
    pub location: Option<String>,
}

impl Enabled {
    /// Builds the element.
    pub fn to_element(&self) -> Element {
        let mut element = Element::new(ns::SM3, "enabled");
        if let Some(id) = &self.id {
            element.set_attr("id", id);
            element.set_attr("resume", "true");
            if let Some(max) = self.max {
                element.set_attr("max", &max.to_string());
            }
            if let Some(location) = &self.location {
                element.set_attr("location", location);
            }
        }
        element
    }

    /// Reads the element.
    pub fn parse(element: ElementRef<'_>) -> Enabled {
        let resume = matches!(element.attr("resume"), Some("true" | "1"));
        Enabled {
            id: element.attr("id").filter(|_| resume).map(str::to_owned),
            max: element.attr("max").and_then(|max| max.parse().ok()),
            location: element.attr("location").map(str::to_owned),
        }
    }
}

/// `<resume/>` (XEP-0198 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The identifier of the former session.
    pub previd: String,
    /// How many of our stanzas the client has handled.
    pub h: u32,
}

impl Resume {
    /// Reads the element; both attributes are required.
    pub fn parse(element: ElementRef<'_>) -> Option<Resume> {
        Some(Resume { previd: element.attr("previd")?.to_owned(), h: count(element)? })
    }

    /// Builds the element.
    pub fn to_element(&self) -> Element {
        Element::new(ns::SM3, "resume").with_attr("previd", &self.previd).with_attr("h", &self.h.to_string())
    }

    /// Builds the `<resumed/>` with which the server agrees.
    pub fn resumed(previd: &str, h: u32) -> Element {
        Element::new(ns::SM3, "resumed").with_attr("previd", previd).with_attr("h", &h.to_string())
    }
}

/// Why a session is not resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeFailed {
    /// The condition: `item-not-found` for a session that is not, or no longer, there.
    pub condition: Condition,
    /// For a session that timed out: how many of the client's stanzas had been handled.
    pub h: Option<u32>,
}

impl ResumeFailed {
    /// The answer to an identifier that is unknown, or that belongs to somebody else.
    pub const NOT_FOUND: ResumeFailed = ResumeFailed { condition: Condition::ItemNotFound, h: None };

    /// Builds the element.
    pub fn to_element(self) -> Element {
        let mut element = failed(self.condition);
        if let Some(h) = self.h {
            element.set_attr("h", &h.to_string());
        }
        element
    }
}

/// `<failed/>` with a condition (XEP-0198 section 6).
pub fn failed(condition: Condition) -> Element {
    Element::new(ns::SM3, "failed").with_child(Element::new(ns::STANZA_ERRORS, condition.as_str()))
}

/// Writes `<r/>`: how many stanzas are handled? (XEP-0198 section 4)
pub fn write_request(out: &mut Vec<u8>) {
    out.extend_from_slice(b"<r xmlns='urn:xmpp:sm:3'/>");
}

/// Writes `<a/>`, the answer to `<r/>`: that many are.
pub fn write_answer(h: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<a xmlns='{}' h='{h}'/>", ns::SM3).as_bytes());
}

/// The `h` attribute; an unsigned 32-bit number.
pub fn count(element: ElementRef<'_>) -> Option<u32> {
    element.attr("h")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XEP-0198 section 5: what was not counted is sent again, and what is sent from there on is numbered from `h`.
    #[test]
    fn what_is_taken_back_is_numbered_anew() {
        let mut session = Session::from_parts(
            Limits::default(),
            Parts { handled: 9, acked: u32::MAX, unacknowledged: vec!["one", "two", "refusal", "four"] },
        );
        assert_eq!(session.resume(0).unwrap(), ["one"]);
        session.take_back(7, |number| number == 2);
        assert_eq!((session.handled(), session.sent()), (7, 2));
        assert_eq!(session.unacknowledged().copied().collect::<Vec<_>>(), ["two", "four"]);
        assert_eq!(session.acknowledge(2).unwrap(), ["two", "four"]);
    }

    fn session(sent: u32) -> Session<u32> {
        let mut session = Session::new(Limits::default());
        for item in 1..=sent {
            session.push(item).unwrap();
        }
        session
    }

    fn waiting(session: &Session<u32>) -> Vec<u32> {
        session.unacknowledged().copied().collect()
    }

    /// XEP-0198 section 4: `h` is the number of stanzas handled since stream management was enabled.
    #[test]
    fn acknowledged_items_leave_in_order() {
        let mut session = session(5);
        assert_eq!(session.acknowledge(2), Ok(vec![1, 2]));
        assert_eq!(session.acknowledge(2), Ok(vec![]));
        assert_eq!(waiting(&session), [3, 4, 5]);
        assert_eq!((session.acked(), session.sent()), (2, 5));
        assert_eq!(session.acknowledge(5), Ok(vec![3, 4, 5]));
    }

    /// XEP-0198 section 6, example 17.
    #[test]
    fn a_report_too_high_breaks_the_stream() {
        let mut session = session(8);
        let report = session.acknowledge(10).unwrap_err();
        assert_eq!(report, BadReport::TooHigh { h: 10, sent: 8 });
        assert_eq!(waiting(&session).len(), 8);
        let error = report.stream_error();
        assert_eq!(error.condition, StreamCondition::UndefinedCondition);
        let app = error.app.unwrap();
        assert!(app.is(ns::SM3, "handled-count-too-high"));
        assert_eq!((app.attr("h"), app.attr("send-count")), (Some("10"), Some("8")));
        assert_eq!(error.text.as_deref(), Some("You acknowledged 10 stanzas, but I only sent you 8 so far."));
    }

    /// XEP-0198 section 4: the counters go from 2^32 - 1 to 0.
    #[test]
    fn counters_wrap() {
        let mut session = Session::from_parts(
            Limits::default(),
            Parts { handled: u32::MAX, acked: u32::MAX - 1, unacknowledged: vec!['a', 'b', 'c'] },
        );
        session.count_handled();
        assert_eq!(session.handled(), 0);
        assert_eq!(session.sent(), 1);
        assert_eq!(session.acknowledge(u32::MAX), Ok(vec!['a']));
        assert_eq!(session.acknowledge(0), Ok(vec!['b']));
        assert_eq!(session.acknowledge(2), Err(BadReport::TooHigh { h: 2, sent: 1 }));
        assert_eq!(session.acknowledge(1), Ok(vec!['c']));
    }

    /// XEP-0198 section 5: what the peer reports is dropped, the rest is sent again.
    #[test]
    fn resumption_sends_the_rest_again() {
        let mut session = session(4);
        session.acknowledge(1).unwrap();
        assert_eq!(session.resume(3), Ok(vec![2, 3]));
        assert_eq!(waiting(&session), [4]);
        assert_eq!(session.resume(9), Err(BadReport::TooHigh { h: 9, sent: 4 }));
        assert_eq!(session.resume(1), Err(BadReport::Behind { h: 1, acked: 3 }));
        assert_eq!(session.acknowledge(1), Ok(vec![]));
        assert_eq!(waiting(&session), [4]);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut session = Session::new(Limits { unacknowledged: 2, request_after: 1 });
        session.push('a').unwrap();
        session.push('b').unwrap();
        assert_eq!(session.push('c'), Err(Full('c')));
        session.acknowledge(1).unwrap();
        assert_eq!(session.push('c'), Ok(()));
    }

    /// XEP-0198 section 8.2: one request for several stanzas, and none while one is under way.
    #[test]
    fn requests_are_sparse() {
        let mut session = Session::new(Limits { unacknowledged: 100, request_after: 3 });
        session.push(1).unwrap();
        session.push(2).unwrap();
        assert!(!session.should_request());
        session.push(3).unwrap();
        assert!(session.should_request());
        session.push(4).unwrap();
        session.push(5).unwrap();
        session.push(6).unwrap();
        assert!(!session.should_request());
        // A report from before the request does not answer it.
        session.acknowledge(1).unwrap();
        assert!(!session.should_request());
        session.acknowledge(3).unwrap();
        assert!(session.should_request());
        session.acknowledge(5).unwrap();
        assert!(!session.should_request_when_idle());
        session.acknowledge(6).unwrap();
        assert!(!session.should_request_when_idle());
        session.push(7).unwrap();
        assert!(session.should_request_when_idle());
    }

    /// What a server stores at shutdown is what it goes on with.
    #[test]
    fn a_session_survives_a_restart() {
        let mut before = session(3);
        before.count_handled();
        before.acknowledge(1).unwrap();
        let parts = before.into_parts();
        assert_eq!(parts, Parts { handled: 1, acked: 1, unacknowledged: vec![2, 3] });
        let mut after = Session::from_parts(Limits::default(), parts);
        assert_eq!(after.handled(), 1);
        assert_eq!(after.resume(2), Ok(vec![2]));
        assert_eq!(waiting(&after), [3]);
    }

    fn xml(element: Element) -> String {
        element.to_xml()
    }

    fn parsed(text: &str) -> Element {
        Element::parse(text).unwrap()
    }

    /// XEP-0198 section 3, examples 2 to 4, and section 5, examples 8 to 11.
    #[test]
    fn enable_and_enabled() {
        assert_eq!(Enable::parse(parsed("<enable xmlns='urn:xmpp:sm:3'/>").root()), Enable::default());
        let wanted = Enable { resume: true, max: Some(60) };
        assert_eq!(
            Enable::parse(parsed("<enable xmlns='urn:xmpp:sm:3' resume='1' max='60'/>").root()),
            wanted
        );
        assert_eq!(Enable::parse(wanted.to_element().root()), wanted);
        assert_eq!(xml(Enabled::default().to_element()), xml(parsed("<enabled xmlns='urn:xmpp:sm:3'/>")));
        let enabled = Enabled {
            id: Some("some-long-sm-id".into()),
            max: None,
            location: Some("[2001:41D0:1:A49b::1]:9222".into()),
        };
        assert_eq!(
            enabled.to_element(),
            parsed(
                "<enabled xmlns='urn:xmpp:sm:3' id='some-long-sm-id' location='[2001:41D0:1:A49b::1]:9222' resume='true'/>"
            )
        );
        assert_eq!(Enabled::parse(enabled.to_element().root()), enabled);
    }

    /// XEP-0198 section 5, examples 12 to 14.
    #[test]
    fn resume_resumed_and_failed() {
        let resume = parsed("<resume xmlns='urn:xmpp:sm:3' h='7' previd='some-long-sm-id'/>");
        let read = Resume::parse(resume.root()).unwrap();
        assert_eq!(read, Resume { previd: "some-long-sm-id".into(), h: 7 });
        assert_eq!(read.to_element(), resume);
        assert_eq!(Resume::parse(parsed("<resume xmlns='urn:xmpp:sm:3' previd='x'/>").root()), None);
        assert_eq!(Resume::parse(parsed("<resume xmlns='urn:xmpp:sm:3' h='-1' previd='x'/>").root()), None);
        assert_eq!(
            Resume::resumed("some-long-sm-id", 9),
            parsed("<resumed xmlns='urn:xmpp:sm:3' h='9' previd='some-long-sm-id'/>")
        );
        assert_eq!(
            ResumeFailed { condition: Condition::ItemNotFound, h: Some(3) }.to_element(),
            parsed(
                "<failed xmlns='urn:xmpp:sm:3' h='3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
            )
        );
    }
}
