//! The subscription states of RFC 6121 Appendix A, as two pure functions of state and stanza.
//!
//! Without the pending flags, which add to them freely, the states are these; `->` is a stanza that leaves the owner,
//! `<-` one that arrives:
//!
//! ```text
//!            <- subscribed (if pending out)            -> subscribed (if pending in)
//!   None ────────────────────────────────▶ To ────────────────────────────────────▶ Both
//!     ▲  ◀──────────────────────────────── ▲  ◀──────────────────────────────────── │
//!     │     -> unsubscribe, <- unsubscribed        -> unsubscribed, <- unsubscribe  │
//!     │                                                                             │
//!     └── From: the mirror image of To, reached by "-> subscribed" from None ◀──────┘
//! ```

use crate::roster::{RosterItem, Subscription};

/// The state of a subscription, seen from the owner of a roster (RFC 6121 A.1), and the pre-approval of section 3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct State {
    /// Who sees whom.
    pub subscription: Subscription,
    /// The owner asked and has no answer yet.
    pub pending_out: bool,
    /// The contact asked and has no answer yet.
    pub pending_in: bool,
    /// The owner approves the contact's next request in advance.
    pub approved: bool,
}

/// A presence stanza that manages a subscription (RFC 6121 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Asks to see the other's presence.
    Subscribe,
    /// Lets the other see one's presence.
    Subscribed,
    /// No longer wants to see the other's presence.
    Unsubscribe,
    /// No longer lets the other see one's presence, or refuses a request.
    Unsubscribed,
}

/// What the contact is shown of the owner's sessions because of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Showing {
    /// Nothing.
    Nothing,
    /// The presence of every available session (section 3.1.5).
    Current,
    /// That every available session is gone (sections 3.2.2 and 3.3.3).
    Unavailable,
}

/// What a stanza does to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state afterwards.
    pub state: State,
    /// The stanza goes on: to the contact when it leaves the owner, to the owner's clients when it arrives.
    pub forward: bool,
    /// What is answered in the owner's name.
    pub reply: Option<Act>,
    /// What the contact is shown.
    pub showing: Showing,
}

impl State {
    /// The state in a roster item; without one there is no subscription at all.
    pub fn of(item: Option<&RosterItem>) -> Self {
        item.map_or_else(Self::default, |item| Self {
            subscription: item.subscription,
            pending_out: item.ask,
            pending_in: item.request.is_some(),
            approved: item.approved,
        })
    }

    /// The owner sees the contact's presence.
    pub fn sees(self) -> bool {
        self.subscription.sees()
    }

    /// The contact sees the owner's presence.
    pub fn shows(self) -> bool {
        self.subscription.shows()
    }

    /// Whether clients see a difference: a roster item carries no sign of a pending inbound request
    /// (RFC 6121 section 3.1.3).
    pub fn looks_like(self, other: Self) -> bool {
        (self.subscription, self.pending_out, self.approved)
            == (other.subscription, other.pending_out, other.approved)
    }
}

impl Subscription {
    /// The owner sees the contact's presence.
    pub fn sees(self) -> bool {
        matches!(self, Self::To | Self::Both)
    }

    /// The contact sees the owner's presence.
    pub fn shows(self) -> bool {
        matches!(self, Self::From | Self::Both)
    }

    fn with(sees: bool, shows: bool) -> Self {
        match (sees, shows) {
            (false, false) => Self::None,
            (true, false) => Self::To,
            (false, true) => Self::From,
            (true, true) => Self::Both,
        }
    }
}

fn seeing(state: State, sees: bool) -> State {
    State { subscription: Subscription::with(sees, state.shows()), pending_out: false, ..state }
}

fn showing(state: State, shows: bool) -> State {
    State { subscription: Subscription::with(state.sees(), shows), pending_in: false, ..state }
}

/// The owner sends `act` to the contact (RFC 6121 A.2).
pub fn outbound(state: State, act: Act) -> Transition {
    let still = Transition { state, forward: true, reply: None, showing: Showing::Nothing };
    match act {
        // A.2.1: routed in every state, so that a contact who lost the state can answer.
        Act::Subscribe if state.sees() => still,
        Act::Subscribe => Transition { state: State { pending_out: true, ..state }, ..still },
        // A.2.2: likewise.
        Act::Unsubscribe => Transition { state: seeing(state, false), ..still },
        // A.2.3: answers a request; without one it approves in advance (section 3.4.2) and stays here.
        Act::Subscribed if state.pending_in => {
            Transition { state: showing(state, true), showing: Showing::Current, ..still }
        }
        Act::Subscribed if state.shows() => Transition { forward: false, ..still },
        Act::Subscribed => Transition { state: State { approved: true, ..state }, forward: false, ..still },
        // A.2.4: cancels, refuses, or takes the approval in advance back.
        Act::Unsubscribed => Transition {
            state: State { approved: false, ..showing(state, false) },
            forward: state.shows() || state.pending_in,
            showing: if state.shows() { Showing::Unavailable } else { Showing::Nothing },
            ..still
        },
    }
}

/// The contact's `act` arrives for the owner (RFC 6121 A.3).
pub fn inbound(state: State, act: Act) -> Transition {
    let ignored = Transition { state, forward: false, reply: None, showing: Showing::Nothing };
    match act {
        // A.3.1 with its notes: who is allowed already is told so. His server may have lost the state, and with it what
        // it knew of the owner's presence, so that is sent as well.
        Act::Subscribe if state.shows() => {
            Transition { reply: Some(Act::Subscribed), showing: Showing::Current, ..ignored }
        }
        Act::Subscribe if state.approved => Transition {
            state: showing(state, true),
            reply: Some(Act::Subscribed),
            showing: Showing::Current,
            ..ignored
        },
        Act::Subscribe if state.pending_in => ignored,
        Act::Subscribe => Transition { state: State { pending_in: true, ..state }, forward: true, ..ignored },
        // A.3.2.
        Act::Unsubscribe if state.shows() || state.pending_in => Transition {
            state: showing(state, false),
            forward: true,
            showing: if state.shows() { Showing::Unavailable } else { Showing::Nothing },
            ..ignored
        },
        // A.3.3: an approval nobody asked for changes nothing.
        Act::Subscribed if state.pending_out => {
            Transition { state: seeing(state, true), forward: true, ..ignored }
        }
        // A.3.4.
        Act::Unsubscribed if state.sees() || state.pending_out => {
            Transition { state: seeing(state, false), forward: true, ..ignored }
        }
        Act::Unsubscribe | Act::Subscribed | Act::Unsubscribed => ignored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nine states of RFC 6121 A.1, by their names there.
    const STATES: [(&str, Subscription, bool, bool); 9] = [
        ("None", Subscription::None, false, false),
        ("None + Pending Out", Subscription::None, true, false),
        ("None + Pending In", Subscription::None, false, true),
        ("None + Pending Out+In", Subscription::None, true, true),
        ("To", Subscription::To, false, false),
        ("To + Pending In", Subscription::To, false, true),
        ("From", Subscription::From, false, false),
        ("From + Pending Out", Subscription::From, true, false),
        ("Both", Subscription::Both, false, false),
    ];

    /// One table: for each of the states in order, whether the stanza goes on, and the new state ("" = no change).
    type Table = [(bool, &'static str); 9];

    const OUTBOUND: [(Act, Table); 4] = [
        // A.2.1
        (
            Act::Subscribe,
            [
                (true, "None + Pending Out"),
                (true, ""),
                (true, "None + Pending Out+In"),
                (true, ""),
                (true, ""),
                (true, ""),
                (true, "From + Pending Out"),
                (true, ""),
                (true, ""),
            ],
        ),
        // A.2.2
        (
            Act::Unsubscribe,
            [
                (true, ""),
                (true, "None"),
                (true, ""),
                (true, "None + Pending In"),
                (true, "None"),
                (true, "None + Pending In"),
                (true, ""),
                (true, "From"),
                (true, "From"),
            ],
        ),
        // A.2.3
        (
            Act::Subscribed,
            [
                (false, ""),
                (false, ""),
                (true, "From"),
                (true, "From + Pending Out"),
                (false, ""),
                (true, "Both"),
                (false, ""),
                (false, ""),
                (false, ""),
            ],
        ),
        // A.2.4
        (
            Act::Unsubscribed,
            [
                (false, ""),
                (false, ""),
                (true, "None"),
                (true, "None + Pending Out"),
                (false, ""),
                (true, "To"),
                (true, "None"),
                (true, "None + Pending Out"),
                (true, "To"),
            ],
        ),
    ];

    const INBOUND: [(Act, Table); 4] = [
        // A.3.1
        (
            Act::Subscribe,
            [
                (true, "None + Pending In"),
                (true, "None + Pending Out+In"),
                (false, ""),
                (false, ""),
                (true, "To + Pending In"),
                (false, ""),
                (false, ""),
                (false, ""),
                (false, ""),
            ],
        ),
        // A.3.2
        (
            Act::Unsubscribe,
            [
                (false, ""),
                (false, ""),
                (true, "None"),
                (true, "None + Pending Out"),
                (false, ""),
                (true, "To"),
                (true, "None"),
                (true, "None + Pending Out"),
                (true, "To"),
            ],
        ),
        // A.3.3
        (
            Act::Subscribed,
            [
                (false, ""),
                (true, "To"),
                (false, ""),
                (true, "To + Pending In"),
                (false, ""),
                (false, ""),
                (false, ""),
                (true, "Both"),
                (false, ""),
            ],
        ),
        // A.3.4
        (
            Act::Unsubscribed,
            [
                (false, ""),
                (true, "None"),
                (false, ""),
                (true, "None + Pending In"),
                (true, "None"),
                (true, "None + Pending In"),
                (false, ""),
                (true, "From"),
                (true, "From"),
            ],
        ),
    ];

    fn state(name: &str) -> State {
        let (_, subscription, pending_out, pending_in) =
            *STATES.iter().find(|(n, ..)| *n == name).expect("a state of A.1");
        State { subscription, pending_out, pending_in, approved: false }
    }

    fn check(tables: &[(Act, Table)], step: fn(State, Act) -> Transition, approves: Option<Act>) {
        for (act, table) in tables {
            for ((name, ..), (forward, next)) in STATES.iter().zip(table) {
                let before = state(name);
                let after = step(before, *act);
                let expected = state(if next.is_empty() { name } else { next });
                assert_eq!(after.forward, *forward, "{name}, {act:?}");
                let approved = approves == Some(*act) && !before.shows() && !before.pending_in;
                assert_eq!(after.state, State { approved, ..expected }, "{name}, {act:?}");
            }
        }
    }

    /// RFC 6121 A.2.1 to A.2.4: nine states, four stanzas. "Subscribed" without a request approves in advance (3.4.2).
    #[test]
    fn outbound_follows_the_tables() {
        check(&OUTBOUND, outbound, Some(Act::Subscribed));
    }

    /// RFC 6121 A.3.1 to A.3.4.
    #[test]
    fn inbound_follows_the_tables() {
        check(&INBOUND, inbound, None);
    }

    /// RFC 6121 A.3.1, note 2, and section 3.1.3 rule 2: who has a subscription is told so again.
    #[test]
    fn a_request_that_was_granted_is_answered() {
        for (name, subscription, ..) in STATES {
            let answer = inbound(state(name), Act::Subscribe).reply;
            assert_eq!(answer, subscription.shows().then_some(Act::Subscribed), "{name}");
        }
    }

    /// RFC 6121 section 3.4.2: a request that was approved in advance is answered and never shown.
    #[test]
    fn approval_in_advance_answers_the_request() {
        for (before, after) in
            [("None", "From"), ("None + Pending Out", "From + Pending Out"), ("To", "Both")]
        {
            let transition = inbound(State { approved: true, ..state(before) }, Act::Subscribe);
            assert_eq!(transition.state, State { approved: true, ..state(after) });
            assert_eq!(
                (transition.forward, transition.reply, transition.showing),
                (false, Some(Act::Subscribed), Showing::Current)
            );
        }
    }

    /// RFC 6121 section 3.4.2: "unsubscribed" takes the approval back, without telling the contact.
    #[test]
    fn approval_in_advance_is_taken_back() {
        let approved = outbound(state("None"), Act::Subscribed).state;
        assert!(approved.approved);
        let withdrawn = outbound(approved, Act::Unsubscribed);
        assert_eq!((withdrawn.state, withdrawn.forward), (state("None"), false));
        assert!(!withdrawn.state.looks_like(approved));
    }

    /// RFC 6121 sections 3.1.5, 3.2.2, 3.3.3: presence follows an approval, its absence a cancellation.
    #[test]
    fn presence_follows_the_right_to_see_it() {
        for (name, subscription, _, pending_in) in STATES {
            let shown = |transition: Transition| transition.showing;
            let granted = if pending_in { Showing::Current } else { Showing::Nothing };
            let ended = if subscription.shows() { Showing::Unavailable } else { Showing::Nothing };
            assert_eq!(shown(outbound(state(name), Act::Subscribed)), granted, "{name}");
            assert_eq!(shown(outbound(state(name), Act::Unsubscribed)), ended, "{name}");
            assert_eq!(shown(inbound(state(name), Act::Unsubscribe)), ended, "{name}");
            assert_eq!(shown(outbound(state(name), Act::Subscribe)), Showing::Nothing, "{name}");
            assert_eq!(shown(inbound(state(name), Act::Subscribed)), Showing::Nothing, "{name}");
            assert_eq!(shown(inbound(state(name), Act::Unsubscribed)), Showing::Nothing, "{name}");
        }
    }
}
