//! Streams that can be resumed (XEP-0198): where a new connection finds the one it takes over from, in this process
//! or, after a restart, in the store.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use waxwing_chat::Chat;
use waxwing_chat::account::{Account, AccountId};
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::event::Close;
use waxwing_chat::queue::Next;
use waxwing_chat::session::{ClientInfo, Session};
use waxwing_chat::store::SavedStream;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sm;
use waxwing_xmpp::stanza::{Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use super::face::Face;
use super::live::{self, Live, Management, Refusal, Sent};
use super::render::rendered;

/// Asks the task that owns a stream to hand it over.
pub(crate) type Claim = oneshot::Sender<Box<Live>>;

/// The streams of this process that can be resumed, by their resumption id.
#[derive(Debug, Default)]
pub(crate) struct Resumable {
    streams: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug, Clone)]
struct Entry {
    account: AccountId,
    claims: Claims,
}

/// The claims on a stream that its owner has not seen yet: one for each connection that waits for it, nearly always none.
#[derive(Debug, Clone, Default)]
struct Claims(Arc<Mutex<Claimed>>);

#[derive(Debug, Default)]
struct Claimed {
    claims: VecDeque<Claim>,
    owner: Option<Waker>,
    /// There is nothing to claim any more.
    over: bool,
}

impl Claims {
    /// Adds one. Once the stream is over the claim is dropped, and with it whatever waits for its answer.
    fn add(&self, claim: Claim) {
        let mut state = self.lock();
        if !state.over {
            state.claims.push_back(claim);
        }
        let owner = state.owner.take();
        drop(state);
        if let Some(waker) = owner {
            waker.wake();
        }
    }

    /// Waits for the next. Safe to drop and call again.
    async fn next(&self) -> Claim {
        poll_fn(|context| {
            let mut state = self.lock();
            if let Some(claim) = state.claims.pop_front() {
                return Poll::Ready(claim);
            }
            match &mut state.owner {
                Some(waker) => waker.clone_from(context.waker()),
                owner => *owner = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    fn end(&self) {
        let mut state = self.lock();
        let left = std::mem::take(&mut *state);
        state.over = true;
        drop(state);
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, Claimed> {
        // Whoever panicked did so between whole changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a stream resumable; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Registration {
    id: String,
    resumable: Arc<Resumable>,
    claims: Claims,
}

impl Registration {
    /// The resumption id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Waits for a connection that claims the stream. Safe to drop and call again.
    pub(crate) async fn claimed(&self) -> Claim {
        self.claims.next().await
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.resumable.streams.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.claims.end();
    }
}

impl Resumable {
    /// Makes a stream resumable under an id that nobody can guess; `None` when there are `limit` already.
    pub(crate) fn register(
        self: &Arc<Self>,
        id: String,
        account: AccountId,
        limit: usize,
    ) -> Option<Registration> {
        let claims = Claims::default();
        let entry = Entry { account, claims: claims.clone() };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.len() >= limit {
            return None;
        }
        streams.insert(id.clone(), entry);
        Some(Registration { id, resumable: Arc::clone(self), claims })
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes a stream over from the task that owns it. `None` when there is none with this id for this account: what
    /// belongs to somebody else answers like what does not exist.
    pub(crate) async fn claim(&self, id: &str, account: AccountId) -> Option<Box<Live>> {
        let claims = {
            let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = streams.get(id).filter(|entry| entry.account == account)?;
            entry.claims.clone()
        };
        let (claim, handed_over) = oneshot::channel();
        claims.add(claim);
        handed_over.await.ok()
    }
}

/// A stream as it is kept over a restart.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// The full address it was bound to.
    pub(crate) jid: String,
    /// How many stanzas of the client were handled.
    pub(crate) received: u32,
    /// How many stanzas the client has acknowledged.
    pub(crate) acknowledged: u32,
    /// What it has not acknowledged, oldest first.
    pub(crate) waiting: Vec<SavedStanza>,
    /// The refusals among that.
    #[serde(default)]
    pub(crate) refusals: Vec<Refusal>,
    /// Everything up to this place in the archive was handed to it.
    pub(crate) handed: Option<u64>,
    /// Its presence, if it was available.
    pub(crate) presence: Option<String>,
    /// Whom it sent directed presence.
    pub(crate) directed: Vec<String>,
    /// The rooms it was in, each by its own address there.
    #[serde(default)]
    pub(crate) rooms: Vec<String>,
    pub(crate) carbons: bool,
    pub(crate) roster_wanted: bool,
    pub(crate) blocklist_wanted: bool,
    /// Said that nobody looks at it (XEP-0352).
    pub(crate) inactive: bool,
    /// The client's own lasting id (XEP-0388 user-agent).
    pub(crate) agent: Option<String>,
    /// The name of its software.
    pub(crate) software: Option<String>,
    /// When it was saved, in milliseconds since the Unix epoch: what its rooms said since, it has not heard.
    #[serde(default)]
    pub(crate) saved_ms: u64,
}

/// A stanza that was not acknowledged.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedStanza {
    /// In canonical form, standing alone.
    pub(crate) xml: String,
    /// Its place in the archive, if it has one.
    pub(crate) archived: Option<u64>,
}

impl Saved {
    /// The form that is stored.
    fn to_stored(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the stored form; `None` when another version of the server wrote it and it means nothing now.
    fn from_stored(stored: &[u8]) -> Option<Self> {
        serde_json::from_slice(stored).ok()
    }

    fn jid(&self) -> Option<Jid> {
        Jid::new(&self.jid).ok()
    }
}

impl SavedStanza {
    fn new(sent: &Sent, receiver: &Jid) -> Self {
        Self { xml: text(&sent.stanza.stanza_for(receiver)), archived: sent.archived.map(|id| id.0) }
    }

    fn to_sent(&self) -> Option<Sent> {
        let stanza = Arc::new(Outgoing::new(parse(&self.xml)?));
        Some(Sent { stanza, archived: self.archived.map(ArchiveId) })
    }
}

/// Keeps a stream that lost its connection until a new one claims it or its time is over.
pub(crate) async fn wait(face: &Arc<Face>, mut live: Box<Live>) {
    let patience = live.management.as_ref().filter(|m| m.registration.is_some()).map(|m| m.patience);
    let Some(patience) = patience else {
        return end(face, live).await;
    };
    release(&mut live);
    live.session.suspend(face.chat.now_ms());
    let deadline = Instant::now() + patience;
    let session = Arc::clone(&live.session);
    loop {
        let Live { in_flight, management, events, replaying, .. } = &mut *live;
        tokio::select! {
            biased;
            claim = live::claimed(management) => return hand_over(face, live, claim).await,
            (header, outcome) = live::settled(in_flight, true) => live.conclude(&header, outcome),
            next = events.next(!*replaying) => match next {
                Next::End(Close::Shutdown) => return save(face, live).await,
                Next::End(_) => return end(face, live).await,
                Next::Event(event) => {
                    for sent in rendered(event, &session) {
                        live.count(sent);
                    }
                }
            },
            () = sleep_until(deadline) => return end(face, live).await,
        }
    }
}

/// What a client is told of a stream that goes on: its address, and how many of its stanzas have been handled. What the client
/// has handled is confirmed. `None` ends the stream: its client counts what was never sent, or has forgotten what it confirmed, and
/// nothing can be made of that.
pub(crate) async fn go_on(
    face: &Arc<Face>,
    mut live: Box<Live>,
    info: ClientInfo,
    h: u32,
) -> Option<(Box<Live>, u32)> {
    face.chat.resumed(&live.session, info);
    let outcome = live.management.as_mut().map(|management| management.counts.resume(h));
    let Some(Ok(confirmed)) = outcome else {
        end(face, live).await;
        return None;
    };
    live.confirmed(&face.chat, &confirmed);
    live.take_back_refused();
    let handled = live.management.as_ref().map_or(0, |management| management.counts.handled());
    Some((live, handled))
}

/// Gives a stream to the connection that claims it. If that is gone by now the stream waits for the next.
pub(crate) async fn hand_over(face: &Arc<Face>, mut live: Box<Live>, claim: Claim) {
    settle(&mut live).await;
    release(&mut live);
    if let Err(live) = claim.send(live) {
        Box::pin(wait(face, live)).await;
    }
}

/// Ends a session; what its client did not confirm waits for the account's next one.
pub(crate) async fn end(face: &Arc<Face>, mut live: Box<Live>) {
    settle(&mut live).await;
    let oldest = live.oldest_unconfirmed();
    face.chat.unbind(&live.session, oldest).await;
}

/// Keeps a stream over a restart if it can be resumed, and ends the session in this process.
pub(crate) async fn save(face: &Arc<Face>, mut live: Box<Live>) {
    settle(&mut live).await;
    let stream = saved(face, &mut live);
    // Where nothing is kept, what its client did not confirm waits for the account's next session.
    let oldest = live.oldest_unconfirmed().filter(|_| stream.is_none());
    if let Some(stream) = stream {
        // Whoever lost the race for the resource has nothing to save.
        let is_current =
            face.chat.sessions().find(&live.session.jid).is_some_and(|s| s.id == live.session.id);
        if is_current {
            match face.chat.store().save_streams(vec![stream]).await {
                // It stays in its rooms, and is put back into them when it is resumed.
                Ok(()) => drop(live.session.take_rooms()),
                Err(error) => {
                    tracing::warn!(%error, "a stream could not be saved; its client signs in anew");
                }
            }
        }
    }
    face.chat.unbind(&live.session, oldest).await;
}

/// A resumed stream is active again (XEP-0352 section 5.1): what was held back counts as sent, in its place before what
/// comes from now on.
fn release(live: &mut Live) {
    for sent in live.held.set_active(true) {
        live.count(sent);
    }
}

/// Waits for the messages in flight, so that what was handled is counted.
async fn settle(live: &mut Live) {
    while !live.in_flight.is_empty() {
        let (header, outcome) = live::settled(&mut live.in_flight, true).await;
        live.conclude(&header, outcome);
    }
}

/// A stream in the form that is kept; what was queued or held back counts as sent.
fn saved(face: &Face, live: &mut Live) -> Option<SavedStream> {
    if !live.is_resumable() {
        return None;
    }
    for sent in live.held.set_active(true) {
        live.count(sent);
    }
    // Both are read before the queue is emptied: what has been confirmed by now was in it, and what is said from now on may not be.
    let saved_ms = face.chat.now_ms();
    let mark = face.chat.mark(&live.session);
    while let Some(event) = live.events.try_recv() {
        for sent in rendered(event, &live.session) {
            live.count(sent);
        }
    }
    if live.has_overflowed {
        return None;
    }
    let session = &live.session;
    let management = live.management.as_ref()?;
    let info = session.info();
    let saved = Saved {
        jid: session.jid.as_str().to_owned(),
        received: management.counts.handled(),
        acknowledged: management.counts.acked(),
        waiting: management
            .counts
            .unacknowledged()
            .map(|sent| SavedStanza::new(sent, &session.jid))
            .collect(),
        refusals: management.refusals.clone(),
        handed: face.chat.handed(session, mark, live.newest).map(|id| id.0),
        presence: session.presence().map(|presence| text(presence.stanza())),
        directed: session.directed().iter().map(|jid| jid.as_str().to_owned()).collect(),
        rooms: session.rooms().iter().map(|jid| jid.as_str().to_owned()).collect(),
        carbons: session.carbons(),
        roster_wanted: session.roster_wanted(),
        blocklist_wanted: session.blocklist_wanted(),
        inactive: live.held.is_inactive(),
        agent: info.agent,
        software: info.software,
        saved_ms,
    };
    Some(SavedStream {
        id: management.registration.as_ref()?.id().to_owned(),
        owner: session.account,
        expires_ms: face.chat.now_ms() + u64::try_from(management.patience.as_millis()).unwrap_or(u64::MAX),
        state: saved.to_stored(),
    })
}

fn text(stanza: &Stanza) -> String {
    let mut xml = Vec::new();
    stanza.write(&mut xml, "");
    String::from_utf8(xml).unwrap_or_default()
}

/// A stream that was kept over a restart.
async fn found(face: &Face, account: &Account, id: &str) -> waxwing_chat::Result<Option<Saved>> {
    let Some(stream) = face.chat.store().take_stream(id).await? else { return Ok(None) };
    let usable = stream.owner == account.id && stream.expires_ms > face.chat.now_ms();
    let saved = Saved::from_stored(&stream.state).filter(|_| usable);
    if stream.owner != account.id {
        // Someone tried another account's id; its owner must still find the stream.
        face.chat.store().save_streams(vec![stream]).await?;
    }
    Ok(saved)
}

/// Brings back a stream that was kept over a restart: the same address, the same counts, the same presence.
pub(crate) async fn restore(
    face: &Arc<Face>,
    account: &Account,
    id: &str,
    info: ClientInfo,
) -> waxwing_chat::Result<Option<Box<Live>>> {
    let Some(saved) = found(face, account, id).await? else { return Ok(None) };
    let Some(jid) = saved.jid() else { return Ok(None) };
    let Some(resource) = jid.resource() else { return Ok(None) };
    let (session, events) = face.chat.bind(account, None, resource, info).await?;
    let mut live = Box::new(Live::new(Arc::clone(&session), events));
    let config = face.current().config;
    let unacknowledged: Vec<Sent> = saved.waiting.iter().filter_map(SavedStanza::to_sent).collect();
    live.newest = saved.handed.map(ArchiveId);
    face.chat.restore(&session, live.newest, unacknowledged.iter().filter_map(|sent| sent.archived));
    let bytes = unacknowledged.iter().map(|sent| sent.stanza.memory()).sum();
    let parts = sm::Parts { handled: saved.received, acked: saved.acknowledged, unacknowledged };
    live.management = Some(Management {
        counts: sm::Session::from_parts(config.management_limits(), parts),
        bytes,
        refusals: saved.refusals.clone(),
        registration: face.resumable.register(id.to_owned(), account.id, config.resumable_streams_limit),
        patience: Duration::from_millis(config.resume_timeout_ms),
    });
    session.set_carbons(saved.carbons);
    if saved.roster_wanted {
        session.set_roster_wanted();
    }
    if saved.blocklist_wanted {
        session.set_blocklist_wanted();
    }
    drop(live.held.set_active(!saved.inactive));
    let directed = saved.directed.iter().filter_map(|to| Jid::new(to).ok());
    let stanzas = saved.presence.iter().filter_map(|xml| parse(xml)).flat_map(|presence| {
        let directed = directed.clone().map({
            let presence = presence.clone();
            move |to| presence.clone().with_to(to)
        });
        std::iter::once(presence.clone()).chain(directed).collect::<Vec<_>>()
    });
    for presence in stanzas {
        // The account's contacts were told that it went when the server stopped.
        if let Err(error) = face.chat.presence(&session, presence).await {
            tracing::warn!(%error, "a resumed stream's presence could not be sent");
        }
    }
    enter_again(face, &session, &saved).await;
    live.replaying = session.replay_due();
    Ok(Some(live))
}

/// Those who are in the same rooms never knew that it was away.
async fn enter_again(face: &Face, session: &Arc<Session>, saved: &Saved) {
    let presence = saved.presence.as_deref().and_then(parse);
    let presence = presence.unwrap_or_else(|| Stanza::presence(PresenceType::Available)).element;
    for own in saved.rooms.iter().filter_map(|own| Jid::new(own).ok()) {
        face.chat.reenter_room(session, &own, presence.clone(), saved.saved_ms).await;
    }
}

/// A stream that was kept over a restart was not resumed in time: the rooms it was in are told.
pub(crate) async fn expired(chat: &Chat, stream: &SavedStream) {
    let rooms = Saved::from_stored(&stream.state).map(|saved| saved.rooms).unwrap_or_default();
    for own in rooms.iter().filter_map(|own| Jid::new(own).ok()) {
        if let Err(error) = chat.never_came_back(&own).await {
            tracing::warn!(%error, room = %own, "a room could not be told that somebody does not come back");
        }
    }
}

fn parse(xml: &str) -> Option<Stanza> {
    Stanza::from_element(Element::parse(xml).ok()?).ok()
}
