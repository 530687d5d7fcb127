//! Rooms (XEP-0045): who is active, and how everybody else reaches them.
//!
//! A room that has somebody in it, or is asked something, is a task of its own with a bounded mailbox: its one point of
//! order. One that sleeps is nothing but its rows in the store.
//!
//! ```text
//!            asked, entered                    first in
//!  asleep ───────────────────▶ awake, empty ─────────────▶ awake, somebody in it
//!     ▲                          │      ▲                        │
//!     └───── nobody asks ────────┘      └─────── last out ───────┘ (and gone for good, unless it is persistent)
//! ```

pub mod affiliation;
pub mod avatars;
pub mod belonging;
#[cfg(test)]
mod belonging_tests;
pub mod configuration;
pub mod directory;
pub mod hats;
pub mod history;
pub mod invitations;
mod joining;
pub mod kept_presence;
pub(crate) mod listening;
pub mod membership;
mod messages;
pub mod moderation;
pub mod news;
pub mod nicknames;
pub mod occupants;
pub mod opening;
mod outsiders;
pub mod ownership;
mod private;
pub mod registration;
mod requests;
mod resettling;
pub mod retraction;
pub mod role;
pub mod room;
pub mod store;
mod telling;
#[cfg(test)]
mod tests;
pub mod unread;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;

use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::cluster::HOME_TIMEOUT;
use crate::cluster::rooms::Sitting;
use crate::conversations::changes::NewestInRooms;
use crate::error::{Error, Result};
use crate::receipt::Receipt;
use crate::session::Session;
use listening::Listening;
use occupants::Seat;
use room::Room;

/// How much may wait for one room; whoever comes later waits himself, and holds nothing meanwhile.
pub const MAILBOX_LIMIT: usize = 256;

/// How many rooms may be awake at once.
pub const ACTIVE_LIMIT: usize = 50_000;

/// How many rooms one session may be in.
pub const ROOMS_PER_SESSION_LIMIT: usize = 1000;

/// How long an empty room stays awake after it was last asked something.
const DROWSY: Duration = Duration::from_secs(5);

/// How long one stays awake that does not exist.
const DROWSY_ABSENT: Duration = Duration::from_millis(100);

/// How long is waited for a room that is being given to another node.
const YIELDING_PATIENCE: Duration = Duration::from_millis(5);

/// Work that a room does for somebody.
pub(crate) type Doing<'r, T> = Pin<Box<dyn Future<Output = T> + Send + 'r>>;

type Work = Box<dyn for<'r> FnOnce(&'r mut Room) -> Doing<'r, ()> + Send>;

/// The rooms of this node that are awake.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    active: Mutex<HashMap<Jid, Arc<Mailbox>>>,
    /// Who hears them without being in them.
    pub(crate) listening: Listening,
    /// Where each was last spoken in.
    pub(crate) newest: NewestInRooms,
}

/// The way to a room. Whoever holds one keeps its room awake.
struct Mailbox(mpsc::Sender<Work>);

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailbox")
    }
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, HashMap<Jid, Arc<Mailbox>>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are awake.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn is_awake(&self, jid: &Jid) -> bool {
        self.lock().contains_key(jid)
    }

    /// The way to a room, which is woken if it sleeps.
    fn mailbox(&self, chat: &Chat, jid: &Jid) -> Result<Arc<Mailbox>> {
        let mut active = self.lock();
        if let Some(mailbox) = active.get(jid) {
            return Ok(Arc::clone(mailbox));
        }
        if active.len() >= ACTIVE_LIMIT {
            return Err(Error::ResourceConstraint("too many rooms are active"));
        }
        let chat = chat.itself().ok_or(Error::ResourceConstraint("the server stops"))?;
        let (sender, inbox) = mpsc::channel(MAILBOX_LIMIT);
        let mailbox = Arc::new(Mailbox(sender));
        active.insert(jid.clone(), Arc::clone(&mailbox));
        tokio::spawn(live(chat, jid.clone(), inbox));
        Ok(mailbox)
    }

    /// Lets a room sleep, unless somebody is on his way to it: he would hold its mailbox.
    fn let_sleep(&self, jid: &Jid) -> bool {
        let mut active = self.lock();
        let unwanted = active.get(jid).is_none_or(|mailbox| Arc::strong_count(mailbox) == 1);
        if unwanted {
            active.remove(jid);
        }
        unwanted
    }
}

/// The life of a room that is awake.
async fn live(chat: Arc<Chat>, jid: Jid, mut inbox: mpsc::Receiver<Work>) {
    let mut room = match Room::wake(Arc::clone(&chat), jid.clone()).await {
        Ok(room) => room,
        Err(error) => {
            tracing::error!(%error, room = %jid, "a room cannot be read");
            chat.rooms.lock().remove(&jid);
            return;
        }
    };
    loop {
        let patience = if room.exists() { DROWSY } else { DROWSY_ABSENT };
        let next = match room.is_empty() {
            true => timeout(patience, inbox.recv()).await,
            false => Ok(inbox.recv().await),
        };
        if !room.is_at_home() {
            // It was given to another node while it woke: whoever has something done looks for it there.
            chat.rooms.lock().remove(&jid);
            break;
        }
        match next {
            Ok(Some(work)) => work(&mut room).await,
            Ok(None) => break,
            Err(_) if fall_asleep(&chat, &jid).await => break,
            Err(_) => {}
        }
        if let Some(answer) = room.yielding.take() {
            // Whoever is on his way finds the room elsewhere.
            inbox.close();
            while let Some(work) = inbox.recv().await {
                work(&mut room).await;
            }
            room.settle().await;
            chat.rooms.lock().remove(&jid);
            drop(answer.send((room.sitting(), room.floor.heard())));
            break;
        }
    }
    let id = room.id();
    drop(room);
    if let Some(id) = id {
        chat.rooms.listening.asleep(id);
    }
}

/// Lets a room sleep that nobody needs. In a cluster it has no home then.
async fn fall_asleep(chat: &Chat, jid: &Jid) -> bool {
    let Some(cluster) = chat.cluster() else {
        return chat.rooms.let_sleep(jid);
    };
    let Some(held) = cluster.leave_home(jid) else { return false };
    let asleep = chat.rooms.let_sleep(jid);
    match asleep {
        true => cluster.release_home(jid, held).await,
        false => cluster.stay_home(jid, held),
    }
    asleep
}

impl Chat {
    /// Has a room do something once every message it has taken is safe: whatever else happens in a room happens behind
    /// what was said before.
    pub(crate) async fn in_room<T: Send + 'static>(
        &self,
        room: &Jid,
        work: impl for<'r> FnOnce(&'r mut Room) -> Doing<'r, T> + Send + 'static,
    ) -> Result<T> {
        self.in_room_at_once(room, |room| {
            Box::pin(async move {
                room.settle().await;
                work(room).await
            })
        })
        .await
    }

    /// The same for messages, of which many may be on their way to the store together.
    pub(crate) async fn in_room_at_once<T: Send + 'static>(
        &self,
        room: &Jid,
        work: impl for<'r> FnOnce(&'r mut Room) -> Doing<'r, T> + Send + 'static,
    ) -> Result<T> {
        let gone = Error::ResourceConstraint("the room cannot be reached");
        let undone = Arc::new(Mutex::new(Some(work)));
        let deadline = Instant::now() + HOME_TIMEOUT;
        loop {
            if let (Some(cluster), Some(chat)) = (self.cluster(), self.itself()) {
                cluster.come_home(&chat, &room.to_bare()).await?;
            }
            // Whoever holds the mailbox keeps the room awake.
            let mailbox = self.rooms.mailbox(self, &room.to_bare())?;
            let (answer, answered) = oneshot::channel();
            let taken = Arc::clone(&undone);
            let work: Work = Box::new(move |room| {
                Box::pin(async move {
                    let work = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(work) = work {
                        // Whoever asked may have gone.
                        drop(answer.send(work(room).await));
                    }
                })
            });
            if mailbox.0.send(work).await.is_ok()
                && let Ok(outcome) = answered.await
            {
                return Ok(outcome);
            }
            // It has just given up being at home here, unless it was half done.
            let begun = undone.lock().unwrap_or_else(PoisonError::into_inner).is_none();
            if begun || self.cluster().is_none() || Instant::now() >= deadline {
                return Err(gone);
            }
            drop(mailbox);
            tokio::time::sleep(YIELDING_PATIENCE).await;
        }
    }

    /// Has a room that is awake here give up being so, and tell who is in it, and up to where they have heard it.
    /// `None` where it is not.
    pub(crate) async fn yield_room(&self, room: &Jid) -> Option<(Vec<Sitting>, ArchiveId)> {
        let mailbox = self.rooms.lock().get(room).cloned()?;
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |room| Box::pin(async move { room.yielding = Some(answer) }));
        mailbox.0.send(work).await.ok()?;
        drop(mailbox);
        answered.await.ok()
    }

    /// Who is in a room that is awake here.
    pub(crate) async fn sitting_in_room(&self, room: &Jid) -> Vec<Sitting> {
        let sitting = self.in_room(room, |room| Box::pin(async move { room.sitting() })).await;
        sitting.unwrap_or_default()
    }

    /// Presence for a room or somebody in it: entering, leaving, another nickname, another state.
    pub async fn room_presence(&self, seat: Seat, stanza: Stanza) -> Result<()> {
        match self.cluster() {
            Some(cluster) => self.room_presence_anywhere(cluster, seat, stanza).await,
            None => self.room_presence_here(seat, stanza).await,
        }
    }

    /// The same at the room's home.
    pub(crate) async fn room_presence_here(&self, seat: Seat, stanza: Stanza) -> Result<()> {
        let to = stanza.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        if to.local().is_none() {
            return Err(Error::ServiceUnavailable);
        }
        self.in_room(&to, move |room| Box::pin(room.presence(seat, stanza))).await?
    }

    /// A message for a room or somebody in it. What the caller awaits in the receipt is the promise of `Chat::send`.
    pub async fn room_message(&self, seat: Seat, message: Stanza) -> Result<Receipt> {
        match self.cluster() {
            Some(cluster) => self.room_message_anywhere(cluster, seat, message).await,
            None => self.room_message_here(seat, message, None).await,
        }
    }

    /// The same at the room's home. A message with the token of one that was kept is not kept again.
    pub(crate) async fn room_message_here(
        &self,
        seat: Seat,
        message: Stanza,
        token: Option<String>,
    ) -> Result<Receipt> {
        let to = message.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        if to.local().is_none() {
            return Err(Error::ServiceUnavailable);
        }
        self.in_room_at_once(&to, move |room| {
            room.token = token;
            Box::pin(room.message(seat, message))
        })
        .await?
    }

    /// A request or an answer for somebody in a room.
    pub async fn room_iq(&self, seat: Seat, iq: Stanza) -> Result<()> {
        match self.cluster() {
            Some(cluster) => self.room_iq_anywhere(cluster, seat, iq).await,
            None => self.room_iq_here(seat, iq).await,
        }
    }

    /// The same at the room's home.
    pub(crate) async fn room_iq_here(&self, seat: Seat, iq: Stanza) -> Result<()> {
        let to = iq.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        self.in_room(&to, move |room| Box::pin(async move { room.pass_on(&seat, iq) })).await?
    }

    /// A session has gone: it leaves every room that it is in.
    pub(crate) async fn leave_rooms(&self, session: &Arc<Session>, stanza: &Stanza) {
        for place in session.take_rooms() {
            let seat = Seat::Local(Arc::clone(session));
            let stanza = stanza.clone().with_to(place.clone());
            if let Err(error) = self.room_presence(seat, stanza).await {
                tracing::warn!(%error, room = %place, "a session could not leave a room");
            }
        }
    }

    /// The service stops: those from other servers are told that they are out (section 10.9.1's code 332). Our own clients'
    /// streams end, and those that resume them find themselves in their rooms again.
    pub async fn close_rooms(&self) {
        let awake: Vec<Jid> = self.rooms.lock().keys().cloned().collect();
        for jid in awake {
            if self.in_room_at_once(&jid, |room| Box::pin(async move { room.close() })).await.is_err() {
                tracing::debug!(room = %jid, "a room ended before it could be closed");
            }
        }
    }

    /// How many rooms are awake.
    pub fn active_rooms(&self) -> usize {
        self.rooms.count()
    }
}
