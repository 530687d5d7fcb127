//! What a client is told: events of its session, messages that waited, and when it is asked for an acknowledgement.

use waxwing_chat::event::{Close, Delivery, Event};

use super::connection::Connection;
use super::live::{Live, Sent};
use super::render::rendered;

/// How many events of a session are written at one time before the connection is read again.
const EVENTS_AT_ONCE: usize = 64;

/// How many bytes of them, since large stanzas are few of a kind.
const BYTES_AT_ONCE: usize = 1 << 20;

impl Connection {
    /// Writes what waits in the queue now, unless it has to wait for a replay.
    pub(super) fn pass_due(&mut self, live: &mut Live) {
        let mut due = if live.replaying { 0 } else { live.events.len() };
        while due > 0
            && let Some(event) = live.events.try_recv()
        {
            due = due.saturating_sub(self.deliver(live, event));
        }
    }

    /// What was handed over before a replay fell due must not be overtaken by it. Says whether there was something.
    pub(super) fn pass_ahead(&mut self, live: &mut Live) -> bool {
        let first = live.session.has_ahead().then(|| live.events.try_recv()).flatten();
        let passed = first.is_some();
        let mut next = first;
        while let Some(event) = next {
            self.deliver(live, event);
            next = live.events.try_recv();
        }
        passed
    }

    /// Hands what waited to the client; an empty page means that it has everything.
    pub(super) fn replay(&mut self, live: &mut Live, page: waxwing_chat::Result<Vec<Delivery>>) {
        match page {
            Ok(page) => {
                if page.is_empty() {
                    live.replayed(&self.face.chat);
                }
                for delivery in page {
                    let sent = Sent { stanza: delivery.stanza, archived: delivery.archived };
                    self.emit(live, sent);
                }
                self.request_acknowledgement(live);
            }
            Err(error) => {
                // What waits goes on waiting; the client comes back for it.
                tracing::warn!(%error, "waiting messages could not be read");
                live.session.close(Close::TooSlow);
            }
        }
    }

    /// Writes an event and those that wait behind it, as far as client state indication lets them through, and says how many
    /// were taken.
    pub(super) fn deliver(&mut self, live: &mut Live, first: Event) -> usize {
        let mut event = Some(first);
        let (mut taken, mut bytes) = (0, 0);
        while let Some(next) = event {
            for sent in rendered(next, &live.session) {
                if !live.held.is_inactive() {
                    bytes += sent.stanza.memory();
                    self.emit(live, sent);
                    continue;
                }
                for ready in live.held.pass(sent, self.config.held_stanzas_limit) {
                    bytes += ready.stanza.memory();
                    self.emit(live, ready);
                }
            }
            taken += 1;
            let more = taken < EVENTS_AT_ONCE && bytes < BYTES_AT_ONCE;
            event = if more { live.events.try_recv() } else { None };
        }
        self.request_acknowledgement(live);
        taken
    }

    /// Writes a stanza and counts it.
    pub(super) fn emit(&mut self, live: &mut Live, sent: Sent) {
        self.stream.write(&sent.stanza, &live.session.jid);
        live.count(sent);
    }

    /// Asks for an acknowledgement when enough was sent, and at once after a message: until it is confirmed it would be
    /// replayed to the account's next session.
    pub(super) fn request_acknowledgement(&mut self, live: &mut Live) {
        let Some(management) = &mut live.management else {
            return;
        };
        let newest = management.counts.unacknowledged().next_back();
        let is_message = newest.is_some_and(|sent| sent.archived.is_some());
        let due = match is_message {
            true => management.counts.should_request_when_idle(),
            false => management.counts.should_request(),
        };
        if due {
            self.stream.request_acknowledgement();
        }
    }
}
