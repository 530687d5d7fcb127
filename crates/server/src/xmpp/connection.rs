//! One connection: a task that reads, lets the stream machine speak, passes stanzas on, and writes what comes back.
//!
//! ```text
//!  sign in ──bound or resumed──▶ steady ──lost, resumable──▶ suspended ──claimed──▶ steady of another connection
//!     │                            │                             │
//!     └────────── refused ─────────┴──── closed, failed ─────────┴──── time over ────▶ the session ends
//! ```

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use waxwing_chat::Chat;
use waxwing_chat::event::Close;
use waxwing_chat::queue::Next;
use waxwing_xmpp::c2s::{self, Event, Stream};
use waxwing_xmpp::error::{StreamCondition, StreamError};
use waxwing_xmpp::stanza::{Header, Kind, Stanza};

use super::config::Config;
use super::face::{Current, Face};
use super::link::Link;
use super::live::{self, Live};
use super::receive::{self, Outcome, Within};
use super::sign_in::SignedIn;
use super::suspended::{self, Claim};

/// A connection and the stream on it.
pub(crate) struct Connection {
    pub(crate) face: Arc<Face>,
    pub(crate) config: Arc<Config>,
    pub(crate) link: Link,
    pub(crate) stream: Stream,
    input: Vec<u8>,
    consumed: usize,
    heard: Instant,
    /// When the client was asked whether it still is there, and has not said anything since.
    asked: Option<Instant>,
    /// Until when the client may take to sign in.
    patience: Instant,
    /// When the certificate ceases to hold that the client signed in with.
    pub(crate) certified_until: Option<Instant>,
}

/// How a stream on a connection ended.
enum End {
    /// For good: closed in order, broken by the client, or ended by us.
    Over,
    /// The connection broke; the client may come back.
    Lost,
    /// Another connection takes the stream over.
    Claimed(Claim),
    /// The server stops.
    Shutdown,
}

/// What became of the next thing that the client said.
enum Step<'s> {
    /// There is none yet.
    Nothing,
    Done(Option<End>),
    /// It has to be waited for. In a box, since every connection makes room for the largest of what it waits for, and most of
    /// them idle.
    Work(Pin<Box<dyn Future<Output = io::Result<Option<End>>> + Send + 's>>),
}

impl Connection {
    /// A connection whose stream is about to begin.
    pub(crate) fn new(face: Arc<Face>, current: Current, link: Link, transport: c2s::Transport) -> Box<Self> {
        let stream = Stream::new(Arc::clone(&current.streams), transport);
        Self::with(face, current, link, stream)
    }

    /// A connection with a stream that may have begun.
    pub(crate) fn with(face: Arc<Face>, current: Current, link: Link, stream: Stream) -> Box<Self> {
        Box::new(Self {
            face,
            config: current.config,
            link,
            stream,
            input: Vec::new(),
            consumed: 0,
            heard: Instant::now(),
            asked: None,
            patience: Instant::now() + Duration::from_millis(current.authentication_timeout_ms),
            certified_until: None,
        })
    }

    /// Serves it until it ends, and its stream as long as it can be resumed.
    pub(crate) async fn serve(mut self: Box<Self>) {
        // In a box of its own, so that its memory is given back before the long time that follows.
        match Box::pin(self.begin()).await {
            Some(SignedIn::Here(live)) => {
                tracing::info!(session = %live.session.jid, "signed in");
                self.go_on(live).await;
            }
            Some(SignedIn::Elsewhere(tunnel)) => Box::pin(self.carry(tunnel)).await,
            None => {}
        }
    }

    /// Serves its stream from where that is.
    pub(crate) async fn go_on(mut self: Box<Self>, mut live: Box<Live>) {
        let end = match Box::pin(self.steady(&mut live)).await {
            Ok(end) => end,
            Err(error) => {
                tracing::debug!(%error, "the connection broke");
                End::Lost
            }
        };
        if matches!(end, End::Lost) {
            // For as long as the client may come back, nothing is held for what else could have followed.
            let face = Arc::clone(&self.face);
            drop(self);
            return Box::pin(suspended::wait(&face, live)).await;
        }
        Box::pin(self.finish(live, end)).await;
    }

    /// Has the client sign in. Without a session the connection is over.
    async fn begin(&mut self) -> Option<SignedIn> {
        match self.sign_in().await {
            Ok(Some(signed_in)) => return Some(signed_in),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                self.fail(StreamCondition::ConnectionTimeout);
            }
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                tracing::debug!(%error, "turned away");
                self.fail(StreamCondition::ResourceConstraint);
            }
            Err(error) => {
                tracing::debug!(%error, "the connection broke before a session was there");
                return None;
            }
        }
        self.hang_up().await;
        None
    }

    /// What follows the end of the stream on this connection.
    async fn finish(mut self: Box<Self>, live: Box<Live>, end: End) {
        let face = Arc::clone(&self.face);
        match end {
            End::Over => suspended::end(&face, live).await,
            End::Lost => return suspended::wait(&face, live).await,
            End::Claimed(claim) => {
                self.fail(StreamCondition::Conflict);
                suspended::hand_over(&face, live, claim).await;
            }
            End::Shutdown => {
                suspended::save(&face, live).await;
                self.say_goodbye();
            }
        }
        self.hang_up().await;
    }

    /// The next event of a client that signs in; waits for input as long as its patience lasts. Only this waiting is ever
    /// given up: whatever else is begun for a client runs to its end, so that no session is left behind half made. An
    /// error means that the connection is gone.
    pub(crate) async fn next(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.parsed() {
                return Ok(event);
            }
            self.flush().await?;
            let mut drain = self.face.lifecycle.drain_signal();
            let received = tokio::select! {
                biased;
                () = drain.draining() => {
                    self.say_goodbye();
                    return Ok(Event::Closed);
                }
                received = self.link.receive(&mut self.input) => received?,
                () = sleep_until(self.patience) => return Err(io::ErrorKind::TimedOut.into()),
            };
            if !received {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The next event in the input that is there. When it is used up its memory is given back.
    fn parsed(&mut self) -> Option<Event> {
        if self.consumed < self.input.len() {
            let (used, event) = self.stream.feed(&self.input[self.consumed..]);
            self.consumed += used;
            if event.is_some() {
                return event;
            }
            if self.link.has_messages()
                && let Some(event) = self.stream.end_of_frame()
            {
                return Some(event);
            }
        }
        self.input = Vec::new();
        self.consumed = 0;
        None
    }

    /// Whether there is input that nobody has read.
    pub(super) fn has_input(&self) -> bool {
        self.consumed < self.input.len()
    }

    /// The input that nobody has read.
    pub(super) fn rest(&self) -> &[u8] {
        &self.input[self.consumed..]
    }

    /// So much of it has been read. When it is used up its memory is given back.
    pub(super) fn consume(&mut self, length: usize) {
        self.consumed += length;
        if !self.has_input() {
            self.input = Vec::new();
            self.consumed = 0;
        }
    }

    /// Waits for more of it; `false` when the peer has closed. Safe to drop and call again.
    pub(super) async fn receive_more(&mut self) -> io::Result<bool> {
        self.link.receive(&mut self.input).await
    }

    /// Writes what the stream has to say.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        let output = self.stream.take_output();
        if output.is_empty() { Ok(()) } else { self.link.send(output).await }
    }

    /// Writes what the stream has to say, unless the session ends or moves to another connection meanwhile: a client that
    /// comes back must not wait until its dead connection is given up.
    async fn flush_unless_ended(&mut self, live: &mut Live) -> io::Result<Option<End>> {
        let output = self.stream.take_output();
        let end = tokio::select! {
            biased;
            sent = self.link.send(output) => {
                sent?;
                live.flushed(&self.face.chat);
                return Ok(None);
            }
            claim = live::claimed(&live.management) => End::Claimed(claim),
            reason = live.events.ended() => self.closed(reason),
        };
        // What was written ends in the middle of something; nothing may follow it.
        self.link = Link::Broken;
        Ok(Some(end))
    }

    /// Ends the stream with an error.
    pub(crate) fn fail(&mut self, condition: StreamCondition) {
        self.stream.fail(&StreamError::new(condition));
    }

    /// Sends what is left and closes the connection.
    pub(super) async fn hang_up(&mut self) {
        if self.flush().await.is_ok() {
            self.link.close(self.face.lifecycle.is_leaving()).await;
        }
    }

    /// Tells the client that the server stops, and where to go instead if there is such a place.
    pub(super) fn say_goodbye(&mut self) {
        let error = match &self.config.see_other_host {
            Some(host) => StreamError::see_other_host(host.as_str()),
            None => StreamError::new(StreamCondition::SystemShutdown),
        };
        self.stream.fail(&error);
    }

    /// Passes stanzas both ways until the stream ends.
    async fn steady(&mut self, live: &mut Live) -> io::Result<End> {
        if self.face.lifecycle.is_draining() {
            // Whoever was bound before is told by his session.
            return Ok(End::Shutdown);
        }
        let session = Arc::clone(&live.session);
        // One timer for the whole stream, which is looked at again when it fires: setting it anew at each stanza would cost
        // more than the stanza's own way through here.
        let check = sleep_until(self.next_check());
        tokio::pin!(check);
        let mut has_read = false;
        loop {
            let step = match self.step(live) {
                Step::Nothing => None,
                Step::Done(end) => Some(end),
                Step::Work(work) => Some(work.await?),
            };
            match step {
                Some(Some(end)) => return Ok(end),
                Some(None) => continue,
                None => {}
            }
            if self.stream.has_output()
                && let Some(end) = Box::pin(self.flush_unless_ended(live)).await?
            {
                return Ok(end);
            }
            let in_flight_full = live.in_flight.len() >= self.config.in_flight_limit;
            let hurry = in_flight_full || live.acknowledgement_owed;
            // By turns: a client that never stops sending must not keep back what it is told.
            let must_tell = has_read && live.events.is_due(!live.replaying);
            let reading = !in_flight_full && !must_tell;
            has_read = false;
            let replaying = live.replaying && !live.is_behind(self.config.unacknowledged_limit);
            if replaying && self.pass_ahead(live) {
                continue;
            }
            let Live { in_flight, management, events, replaying: in_replay, .. } = live;
            tokio::select! {
                biased;
                claim = live::claimed(management) => return Ok(End::Claimed(claim)),
                (header, outcome) = live::settled(in_flight, hurry) => self.settle(live, &header, outcome),
                page = self.face.chat.replay(&session), if replaying => self.replay(live, page),
                received = self.link.receive(&mut self.input), if reading => {
                    if !received? {
                        return Ok(End::Lost);
                    }
                    has_read = true;
                }
                next = events.next(!*in_replay) => match next {
                    Next::End(reason) => return Ok(self.ended(live, reason)),
                    Next::Event(event) => {
                        self.deliver(live, event);
                    }
                },
                () = &mut check => {
                    if self.certified_until.is_some_and(|until| until <= Instant::now()) {
                        // RFC 6120 section 13.7.2.3.
                        return Ok(self.closed(Close::Reset));
                    }
                    if self.next_check() <= Instant::now() && self.check_alive(live).is_err() {
                        return Ok(End::Lost);
                    }
                    check.as_mut().reset(self.next_check());
                }
            }
        }
    }

    /// Takes up the next event of the stream, unless too much is in flight.
    fn step<'s>(&'s mut self, live: &'s mut Live) -> Step<'s> {
        if live.in_flight.len() >= self.config.in_flight_limit {
            return Step::Nothing;
        }
        let Some(event) = self.parsed() else { return Step::Nothing };
        self.heard = Instant::now();
        self.asked = None;
        match event {
            Event::Stanza(stanza) => Step::Work(Box::pin(async move {
                self.receive(live, stanza).await?;
                Ok(None)
            })),
            Event::AcknowledgementRequested => {
                live.acknowledgement_owed = true;
                self.acknowledge_if_due(live);
                Step::Done(None)
            }
            Event::Acknowledged(h) => Step::Done(self.acknowledged(live, h)),
            event => Step::Work(Box::pin(self.handle(live, event))),
        }
    }

    /// Deals with one of the rarer events of the stream; says so when it was the last.
    async fn handle(&mut self, live: &mut Live, event: Event) -> io::Result<Option<End>> {
        match event {
            Event::Answered(answer) => {
                self.settle_all(live).await?;
                live.handled();
                if let Some(answer) = answer {
                    self.emit(live, answer.into());
                }
            }
            Event::Active(active) => self.active(live, active),
            Event::Enable(request) => {
                // XEP-0198 section 4: what was sent before does not count.
                self.settle_all(live).await?;
                self.enable(live, request);
            }
            Event::Closed => {
                self.settle_all(live).await?;
                return Ok(Some(End::Over));
            }
            Event::Failed(error) => {
                tracing::debug!(condition = ?error.condition, "the client broke the stream");
                return Ok(Some(End::Over));
            }
            Event::PeerFailed(_) => return Ok(Some(End::Over)),
            // The first three are taken up at once, and the stream machine lets none of the others through once a session is bound.
            Event::Stanza(_)
            | Event::AcknowledgementRequested
            | Event::Acknowledged(_)
            | Event::StartTls(_)
            | Event::Credentials(_)
            | Event::Authenticated(_)
            | Event::Task(_)
            | Event::Upgraded(..)
            | Event::Bind(_)
            | Event::Resume(_)
            | Event::Registration(_) => {
                self.fail(StreamCondition::UnsupportedStanzaType);
                return Ok(Some(End::Over));
            }
        }
        Ok(None)
    }

    /// Takes a stanza of the client. Messages may be in flight together; anything else waits until they are safe.
    async fn receive(&mut self, live: &mut Live, stanza: Stanza) -> io::Result<()> {
        let is_message = matches!(stanza.kind, Kind::Message(_));
        if !is_message {
            self.settle_all(live).await?;
            self.catch_up(live).await?;
        } else if Chat::retracts(&stanza) {
            // What it takes back may still be on its way into the archive.
            self.settle_all(live).await?;
        }
        let face = Arc::clone(&self.face);
        let within = Within { chat: &face.chat, config: &self.config, admin: face.admin.get() };
        match receive::receive(within, &live.session, stanza).await {
            // Nothing of it is kept and nothing is before it: it is dealt with.
            Outcome::InFlight(message) if message.receipt.is_done() && live.in_flight.is_empty() => {
                live.handled();
            }
            Outcome::InFlight(message) => live.in_flight.push_back(message),
            Outcome::Done(answers) => {
                // An error to a message must not overtake what is in flight before it.
                self.settle_all(live).await?;
                for answer in answers {
                    // All that answers a message is that it was refused.
                    if is_message {
                        live.refusing();
                    }
                    self.emit(live, answer.into());
                }
                live.handled();
                // Whoever only asks, as one who reads a long archive does, is told nothing else that would ask him.
                self.request_acknowledgement(live);
            }
        }
        live.replaying |= live.session.replay_due();
        Ok(())
    }

    /// Writes what the client is owed from before its next request: an answer tells it that all that went before is
    /// behind it, and pushes never come after a roster that is newer than they are.
    async fn catch_up(&mut self, live: &mut Live) -> io::Result<()> {
        while live.replaying
            && live.session.close_reason().is_none()
            && !live.is_behind(self.config.unacknowledged_limit)
        {
            self.pass_ahead(live);
            let page = self.face.chat.replay(&live.session).await;
            self.replay(live, page);
            self.flush().await?;
            live.flushed(&self.face.chat);
        }
        self.pass_due(live);
        Ok(())
    }

    /// Waits until every message in flight is safe or refused.
    async fn settle_all(&mut self, live: &mut Live) -> io::Result<()> {
        while !live.in_flight.is_empty() {
            let (header, outcome) = live::settled(&mut live.in_flight, true).await;
            self.settle(live, &header, outcome);
        }
        Ok(())
    }

    /// A message is safe, or its sender is told that it is not.
    fn settle(&mut self, live: &mut Live, header: &Header, outcome: waxwing_chat::Result<()>) {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a message could not be stored");
            for refusal in receive::refusal(header, &error) {
                live.refusing();
                self.emit(live, refusal.into());
            }
        }
        live.handled();
        self.acknowledge_if_due(live);
    }

    fn acknowledge_if_due(&mut self, live: &mut Live) {
        if live.acknowledgement_owed
            && live.in_flight.is_empty()
            && let Some(management) = &live.management
        {
            self.stream.acknowledge(management.counts.handled());
            live.acknowledgement_owed = false;
        }
    }

    fn acknowledged(&mut self, live: &mut Live, h: u32) -> Option<End> {
        match live.management.as_mut()?.counts.acknowledge(h) {
            Ok(stanzas) => {
                live.confirmed(&self.face.chat, &stanzas);
                None
            }
            Err(report) => {
                self.stream.fail(&report.stream_error());
                Some(End::Over)
            }
        }
    }

    fn active(&mut self, live: &mut Live, active: bool) {
        live.session.set_attended(active);
        for ready in live.held.set_active(active) {
            self.emit(live, ready);
        }
    }

    fn enable(&mut self, live: &mut Live, request: c2s::EnableRequest) {
        match self.manage(live, request.enable) {
            Ok(enabled) => self.stream.enabled(request, &enabled),
            Err(condition) => self.stream.enable_failed(request, condition),
        }
    }

    /// When the connection has to be looked at, if nothing happens before.
    fn next_check(&self) -> Instant {
        let silent = match self.asked {
            Some(asked) => asked + Duration::from_millis(self.config.response_timeout_ms),
            None => self.heard + Duration::from_millis(self.config.idle_timeout_ms),
        };
        self.certified_until.map_or(silent, |until| until.min(silent))
    }

    /// Asks a silent client whether it is there; an error when it did not answer.
    fn check_alive(&mut self, live: &mut Live) -> Result<(), ()> {
        if self.asked.is_some() {
            self.fail(StreamCondition::ConnectionTimeout);
            return Err(());
        }
        self.asked = Some(Instant::now());
        match &live.management {
            Some(_) => self.stream.request_acknowledgement(),
            None => {
                let ping = receive::ping(&live.session, &self.face.chat.token());
                self.emit(live, ping.into());
            }
        }
        Ok(())
    }

    /// The session is to end. At a shutdown its client still gets what waits for it, such as that something could not be
    /// delivered: nobody will say it again.
    fn ended(&mut self, live: &mut Live, reason: Close) -> End {
        if reason == Close::Shutdown {
            self.pass_due(live);
        }
        self.closed(reason)
    }

    fn closed(&mut self, reason: Close) -> End {
        let condition = match reason {
            Close::Replaced => StreamCondition::Conflict,
            Close::TooSlow => StreamCondition::ResourceConstraint,
            Close::Revoked | Close::SignedOut => StreamCondition::NotAuthorized,
            Close::Ended => StreamCondition::PolicyViolation,
            Close::HostGone => StreamCondition::HostGone,
            Close::Reset => StreamCondition::Reset,
            Close::Shutdown => return End::Shutdown,
        };
        self.fail(condition);
        End::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<'a, F: Future>(_: impl FnOnce(&'a mut Connection) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_task<F: Future>(_: impl FnOnce(Box<Connection>) -> F) -> usize {
        size_of::<F>()
    }

    fn size_of_life<'a, 'b, F: Future>(_: impl FnOnce(&'a mut Connection, &'b mut Live) -> F) -> usize {
        size_of::<F>()
    }

    /// What a stranger's connection holds while it waits: its task and the step it is in. The limit on connections that have
    /// not signed in is as generous as this is small.
    #[test]
    fn the_task_of_a_connection_is_small() {
        let (connection, step) = (size_of::<Connection>(), size(Connection::begin));
        assert!(connection <= 800, "{connection} bytes for the connection");
        assert!(step <= 4096, "{step} bytes for signing in");
    }

    /// What a connection holds that idles, beside its session: most of them do so nearly always.
    #[test]
    fn the_task_of_an_idle_connection_is_small() {
        let (task, life) = (size_of_task(Connection::serve), size_of_life(Connection::steady));
        assert!(task <= 128, "{task} bytes for the task");
        // Of which 232 are for the connections in memory that tests make.
        assert!(life <= 832, "{life} bytes for its life");
    }
}
