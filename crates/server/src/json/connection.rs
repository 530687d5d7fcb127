//! One connection: a task that reads requests, has them done in order, and writes results and events as they come.
//!
//! ```text
//!  sign in ──a session──▶ steady ──lost──▶ absent for a moment ──▶ the session ends
//!     │                      │
//!     └──── refused ─────────┴── signed out, ended ──▶ the session ends
//! ```

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use tokio::time::{Instant, sleep_until, timeout_at};
use waxwing_chat::archive::{ArchiveId, Direction};
use waxwing_chat::event::{Close, Event};
use waxwing_chat::queue::{Events, Next};
use waxwing_chat::session::Session;

use super::client::Client;
use super::codec::{self, Id};
use super::error::{Condition, Fault};
use super::face::{Current, Face};
use super::method::{Call, Finish, InFlight, Outcome, Run};
use super::methods;
use super::render::{self, Rendered};
use super::sign_in::{self, Entered, Origin};
use super::types::{self, EndReason, What};
use crate::http::WebSocketConn;
use crate::net::paced;

/// How many events of a session are written at one time before the connection is read again.
const EVENTS_AT_ONCE: usize = 64;

/// A connection and the session on it.
struct Connection {
    call: Call,
    socket: WebSocketConn,
    live: Live,
    heard: Instant,
    /// When the client was asked whether it still is there, and has not said anything since.
    asked: Option<Instant>,
}

/// What belongs to the session and outlives its connection for a moment.
struct Live {
    events: Events,
    /// The oldest archived message that was taken from the queue and has not been written.
    unwritten: Option<ArchiveId>,
    /// Messages on their way into the store, in the order of their requests.
    in_flight: VecDeque<(Id, InFlight)>,
}

/// How a session on a connection ended.
enum End {
    /// The client said so, or the server.
    Told(EndReason),
    /// The connection broke; the client may come back.
    Lost,
}

/// Serves a connection until it ends.
pub(crate) fn serve(face: Arc<Face>, socket: WebSocketConn) -> impl Future<Output = ()> + Send {
    // Each part in a box of its own, so that only the part that goes on takes memory: most connections idle.
    let begun = Box::pin(begin(face, socket));
    async move {
        let Some(mut connection) = begun.await else { return };
        tracing::info!(session = %connection.call.session().jid, "signed in");
        let end = match Box::pin(connection.steady()).await {
            Ok(end) => end,
            Err(error) => {
                tracing::debug!(%error, "the connection broke");
                End::Lost
            }
        };
        Box::pin(connection.finish(end)).await;
    }
}

/// Has somebody sign in. Without a session the connection is over.
async fn begin(face: Arc<Face>, mut socket: WebSocketConn) -> Option<Box<Connection>> {
    let current = face.current();
    match enter(&face, &current, &mut socket).await {
        Ok(Some(entered)) => Some(Box::new(Connection {
            call: Call { face, client: entered.client, config: current.config },
            socket,
            live: Live { events: entered.events, unwritten: None, in_flight: VecDeque::new() },
            heard: Instant::now(),
            asked: None,
        })),
        Ok(None) => {
            match face.lifecycle.is_leaving() {
                true => socket.close_going_away().await,
                false => socket.close().await,
            }
            None
        }
        Err(error) => {
            tracing::debug!(%error, "the connection broke before a session was there");
            None
        }
    }
}

/// Answers until somebody has signed in; `None` when the connection is to be closed before.
async fn enter(
    face: &Arc<Face>,
    current: &Current,
    socket: &mut WebSocketConn,
) -> io::Result<Option<Entered>> {
    let patience = Instant::now() + Duration::from_millis(current.authentication_timeout_ms);
    let origin =
        Origin { peer: socket.peer_addr(), tls: socket.is_tls(), connection: socket.id().to_string() };
    let pacer = socket.pacer();
    let mut drain = face.lifecycle.drain_signal();
    for _ in 0..current.config.sign_in_attempts {
        let frame = tokio::select! {
            biased;
            () = drain.draining() => None,
            received = timeout_at(patience, socket.receive()) => received.unwrap_or(Ok(None))?,
        };
        let Some(frame) = frame else { return Ok(None) };
        let (id, fault) = match codec::request(&frame) {
            Ok(request) => {
                let id = request.id.clone();
                let outcome =
                    match methods::find(&request.method).map(|method| &method.run) {
                        Some(Run::SignIn) => match request.params() {
                            // It runs to its end: given up in the middle, it could leave a session behind.
                            Ok(params) => {
                                let kind = sign_in::kind(&params);
                                let entered = Box::pin(sign_in::sign_in(face, current, &origin, params));
                                paced(pacer.as_ref(), kind, entered).await.unwrap_or_else(|_| Err(crowded()))
                            }
                            Err(fault) => Err(fault),
                        },
                        _ => Err(Fault::new(Condition::Unauthorized)
                            .saying("Sign in first, with `session.sign_in`.")),
                    };
                match outcome {
                    Ok(entered) => {
                        socket.authenticated();
                        let answer = codec::result(&id, &codec::written(&entered.answer));
                        if let Err(error) = socket.send(&answer).await {
                            face.chat.unbind(&entered.client.session, None).await;
                            return Err(error);
                        }
                        return Ok(Some(entered));
                    }
                    Err(fault) => (Some(id), fault),
                }
            }
            Err(malformed) => (malformed.id, malformed.fault),
        };
        socket.send(&codec::error(id.as_ref(), &fault)).await?;
    }
    Ok(None)
}

fn crowded() -> Fault {
    Fault::new(Condition::Unavailable).saying("Too many sign in at this moment. Come back a little later.")
}

impl Connection {
    /// What follows the end of the session on this connection.
    async fn finish(self: Box<Self>, end: End) {
        let Self { mut socket, mut live, call, .. } = *self;
        match end {
            End::Told(reason) => {
                live.finish(&call.face, &call.client).await;
                let ended = types::Event::from(What::Ended { reason });
                if socket.send(&codec::event(&ended)).await.is_ok() {
                    match reason {
                        EndReason::Shutdown => socket.close_going_away().await,
                        _ => socket.close().await,
                    }
                }
            }
            End::Lost => {
                drop(socket);
                let grace = Duration::from_millis(call.config.absence_grace_ms);
                Box::pin(live.linger(&call.face, &call.client, grace)).await;
                live.finish(&call.face, &call.client).await;
            }
        }
    }

    /// Does requests and tells events until the session ends.
    async fn steady(&mut self) -> io::Result<End> {
        let check = sleep_until(self.next_check());
        tokio::pin!(check);
        let mut waiting: Option<Utf8Bytes> = None;
        let mut has_read = false;
        loop {
            if self.live.in_flight.len() < self.call.config.messages_in_flight
                && let Some(frame) = waiting.take()
            {
                if let Some(end) = Box::pin(self.request(frame)).await? {
                    return Ok(end);
                }
                continue;
            }
            if self.call.session().replay_due()
                && let Some(end) = Box::pin(self.replay()).await?
            {
                return Ok(end);
            }
            // By turns: a client that never stops asking must not keep back what it is told.
            let must_tell = has_read && self.live.events.is_due(true);
            has_read = false;
            let Self { live: Live { events, in_flight, .. }, socket, .. } = self;
            tokio::select! {
                biased;
                (id, finish, outcome) = settled(in_flight) => {
                    let answer = answer(&id, finish, outcome);
                    if let Some(end) = self.write(&answer).await? {
                        return Ok(end);
                    }
                }
                received = socket.receive(), if waiting.is_none() && !must_tell => {
                    let Some(frame) = received? else { return Ok(End::Lost) };
                    self.heard = Instant::now();
                    self.asked = None;
                    has_read = true;
                    waiting = Some(frame);
                }
                next = events.next(true) => match next {
                    Next::End(reason) => return Ok(End::Told(render::end_reason(reason))),
                    Next::Event(event) => {
                        if let Some(end) = Box::pin(self.tell(event)).await? {
                            return Ok(end);
                        }
                    }
                },
                () = &mut check => {
                    if self.next_check() <= Instant::now() {
                        if self.asked.is_some() {
                            return Ok(End::Lost);
                        }
                        self.asked = Some(Instant::now());
                        self.socket.ping().await?;
                    }
                    check.as_mut().reset(self.next_check());
                }
            }
        }
    }

    /// Has one request done. Messages may be on their way into the store together; anything else waits until they are safe,
    /// so that what one request has done is seen by the next.
    async fn request(&mut self, frame: Utf8Bytes) -> io::Result<Option<End>> {
        let request = match codec::request(&frame) {
            Ok(request) => request,
            Err(malformed) => return self.refuse(malformed.id.as_ref(), &malformed.fault).await,
        };
        let Some(method) = methods::find(&request.method) else {
            let fault = Fault::new(Condition::MethodNotFound)
                .saying(format!("There is no method `{}`.", shortened(&request.method)))
                .about("method");
            return self.refuse(Some(&request.id), &fault).await;
        };
        let Run::Call(run) = &method.run else {
            let fault = Fault::new(Condition::NotAllowed).saying("Somebody has signed in already.");
            return self.refuse(Some(&request.id), &fault).await;
        };
        if method.name != methods::SEND
            && let Some(end) = self.settle_all().await?
        {
            return Ok(Some(end));
        }
        match run(self.call.clone(), request.raw_params()).await {
            Ok(Outcome::InFlight(in_flight)) => {
                self.live.in_flight.push_back((request.id, in_flight));
                Ok(None)
            }
            Ok(Outcome::Done(result)) => {
                if let Some(end) = self.settle_all().await? {
                    return Ok(Some(end));
                }
                let end = self.write(&codec::result(&request.id, &result)).await?;
                let left = self.call.client.has_signed_out().then_some(End::Told(EndReason::SignedOut));
                Ok(end.or(left))
            }
            Err(fault) => self.refuse(Some(&request.id), &fault).await,
        }
    }

    /// Says that a request was refused, behind the answers to those before it.
    async fn refuse(&mut self, id: Option<&Id>, fault: &Fault) -> io::Result<Option<End>> {
        if let Some(end) = self.settle_all().await? {
            return Ok(Some(end));
        }
        self.write(&codec::error(id, fault)).await
    }

    /// Waits until every message in flight is safe or refused, and says so.
    async fn settle_all(&mut self) -> io::Result<Option<End>> {
        while !self.live.in_flight.is_empty() {
            let (id, finish, outcome) = settled(&mut self.live.in_flight).await;
            if let Some(end) = self.write(&answer(&id, finish, outcome)).await? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Tells what waits for the account and the archive does not show, and what came while the client came in step.
    async fn replay(&mut self) -> io::Result<Option<End>> {
        loop {
            // What was handed over before the replay fell due must not be overtaken by it.
            while self.call.session().has_ahead()
                && let Some(event) = self.live.events.try_recv()
            {
                if !is_repeated(self.call.session(), &event)
                    && let Some(end) = self.tell_one(event).await?
                {
                    return Ok(Some(end));
                }
            }
            let page = self.call.chat().replay(self.call.session()).await.map_err(io::Error::other)?;
            if page.is_empty() {
                return Ok(None);
            }
            for delivery in page {
                if let Some(end) = self.tell_one(Event::Stanza(delivery)).await? {
                    return Ok(Some(end));
                }
            }
        }
    }

    /// Tells an event and those that wait behind it.
    async fn tell(&mut self, first: Event) -> io::Result<Option<End>> {
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(event) = next {
            if !is_repeated(self.call.session(), &event)
                && let Some(end) = self.tell_one(event).await?
            {
                return Ok(Some(end));
            }
            taken += 1;
            next = if taken < EVENTS_AT_ONCE { self.live.events.try_recv() } else { None };
        }
        Ok(None)
    }

    async fn tell_one(&mut self, event: Event) -> io::Result<Option<End>> {
        self.live.unwritten = self.live.unwritten.or(archived(&event));
        // In a box of its own, so that a connection on which nothing happens does not hold the room for it.
        // Where it cannot be told the connection ends, so that the client comes in step by what is kept.
        let rendered = Box::pin(render::rendered(&self.call, event)).await;
        let Rendered { frames, archived } = rendered.map_err(io::Error::other)?;
        for frame in frames {
            if let Some(end) = self.write(&frame).await? {
                return Ok(Some(end));
            }
        }
        if let Some(id) = archived {
            self.call.chat().delivered(self.call.session(), id);
        }
        self.live.unwritten = None;
        Ok(None)
    }

    /// Writes one frame, unless the session ends meanwhile: a client that takes nothing must not keep a session that is
    /// over.
    async fn write(&mut self, frame: &str) -> io::Result<Option<End>> {
        let Self { live: Live { events, .. }, socket, .. } = self;
        tokio::select! {
            biased;
            sent = socket.send(frame) => sent.map(|()| None),
            reason = events.ended() => {
                // What was written ends in the middle of a frame; nothing may follow it.
                Err(io::Error::other(format!("the session ended while it was written to: {reason:?}")))
            }
        }
    }

    /// When the connection has to be looked at, if nothing happens before.
    fn next_check(&self) -> Instant {
        match self.asked {
            Some(asked) => asked + Duration::from_millis(self.call.config.response_timeout_ms),
            None => self.heard + Duration::from_millis(self.call.config.idle_timeout_ms),
        }
    }
}

impl Live {
    /// Keeps a session whose connection was lost for a moment, so that others do not see its owner leave and come back.
    async fn linger(&mut self, face: &Face, client: &Client, grace: Duration) {
        client.session.suspend(face.chat.now_ms());
        let mut drain = face.lifecycle.drain_signal();
        tokio::select! {
            () = tokio::time::sleep(grace) => {}
            _ = self.events.ended() => {}
            () = drain.draining() => {}
        }
    }

    /// Takes the session out. What it was not told waits in the archive.
    async fn finish(&mut self, face: &Face, client: &Client) {
        // Nothing is put into the queue any more once it counts as ended.
        client.session.close(Close::Ended);
        let mut oldest = self.unwritten;
        while let Some(event) = self.events.try_recv() {
            oldest = oldest.or(archived(&event));
        }
        face.chat.unbind(&client.session, oldest).await;
    }
}

/// Whether the replay has told already what comes by the queue.
fn is_repeated(session: &Session, event: &Event) -> bool {
    match event {
        Event::Stanza(delivery) | Event::Carbon(Direction::Incoming, delivery) => {
            delivery.archived.is_some_and(|id| session.is_repeated(id))
        }
        _ => false,
    }
}

/// The archived message of an event.
fn archived(event: &Event) -> Option<ArchiveId> {
    match event {
        Event::Stanza(delivery) => delivery.archived,
        _ => None,
    }
}

/// Waits until the oldest message in flight is safe or refused. Safe to drop and call again; never resolves when nothing is
/// in flight.
async fn settled(
    in_flight: &mut VecDeque<(Id, InFlight)>,
) -> (Id, Finish, waxwing_chat::Result<Option<ArchiveId>>) {
    let outcome = poll_fn(|context| match in_flight.front_mut() {
        Some((_, oldest)) => oldest.place.as_mut().poll(context),
        None => Poll::Pending,
    })
    .await;
    match in_flight.pop_front() {
        Some((id, oldest)) => (id, oldest.finish, outcome),
        None => std::future::pending().await,
    }
}

/// The answer to a message that is safe or refused.
fn answer(id: &Id, finish: Finish, outcome: waxwing_chat::Result<Option<ArchiveId>>) -> String {
    let result = outcome.map_err(|error| {
        tracing::warn!(%error, "a message could not be stored");
        Fault::from(error)
    });
    match result.and_then(finish) {
        Ok(result) => codec::result(id, &result),
        Err(fault) => codec::error(Some(id), &fault),
    }
}

/// The beginning of what a client sent, to be shown to it.
fn shortened(text: &str) -> String {
    text.chars().take(64).filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that a connection holds for its task while nothing happens.
    const STEADY_BYTES_LIMIT: usize = 2_048;

    #[test]
    fn an_idle_client_takes_little_memory() {
        fn size<'a, F>(_: impl FnOnce(&'a mut Connection) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(|connection| connection.steady());
        assert!(bytes <= STEADY_BYTES_LIMIT, "{bytes} bytes");
    }
}
