//! The homes of rooms. A room is awake at one node at a time, which holds a lease on it; everybody else reaches it there.
//!
//! ```text
//!          the lease is free: all are asked who sits in it
//!   (no home) ──────────────────────────────────────────────▶ Taking ──▶ Mine ──▶ Giving ──▶ (no home)
//!          it is another's: that one gives it up with all who are in it ─▲          │
//!                                              nobody is in it, or another wants it ┘
//! ```
//!
//! What is said in a room, and who comes and goes, is sent to its home; whoever has something else done there becomes its home.
//! Those in it notice nothing: each node knows which of its sessions are in which room, and up to where they have heard it.

mod hearing;
mod missed;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use waxwing_xmpp::jid::Jid;

pub(super) use hearing::Hearing;
use hearing::Seats;

use super::rooms::{Deed, RoomAnswer, RoomQuestion, SeatAt, Sitting};
use super::{Answer, Away, Cluster, Question, lock};
use crate::account::AccountId;
use crate::archive::{ArchiveId, Fence};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::nodes::{Held, NodeId};
use crate::rooms::occupants::Seat;
use crate::session::Session;

/// How long somebody who needs a room waits until it has a home: longer than the life of one that died.
pub const HOME_TIMEOUT: Duration = Duration::from_secs(20);

/// How long is waited before a home is looked for once more.
const HOME_PATIENCE: Duration = Duration::from_millis(20);

/// A home, or one on its way.
#[derive(Debug)]
enum Home {
    Taking,
    Mine(Held, Option<Arrivals>),
    Giving(Held, Option<Arrivals>),
}

/// Who is in a room that gets a home.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals {
    pub(crate) sitting: Vec<Sitting>,
    /// The former home has told all there is: roles that were given for now hold, and nobody is missing.
    pub(crate) whole: bool,
    /// The addresses of those who were believed to be there.
    pub(crate) seen: BTreeSet<Jid>,
    /// The nodes that have not answered who of theirs is there.
    pub(crate) silent: Vec<NodeId>,
}

/// What a node knows of rooms.
#[derive(Debug, Default)]
pub(super) struct Homes {
    homes: HashMap<Jid, Home>,
    seats: HashMap<Jid, Seats>,
    /// The rooms that are awake here by whose archives are theirs.
    archives: HashMap<AccountId, Jid>,
    archive_of: HashMap<Jid, AccountId>,
    /// The rooms that have their home here of which these nodes have not said yet who of theirs is there.
    silent: HashMap<Jid, BTreeSet<NodeId>>,
}

/// Somebody tries to become a room's home: whoever gives up, even half way, leaves that to the next.
struct Attempt<'a> {
    cluster: &'a Cluster,
    room: &'a Jid,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut homes = lock(&self.cluster.homes);
        if matches!(homes.homes.get(self.room), Some(Home::Taking)) {
            homes.homes.remove(self.room);
        }
    }
}

fn lease_of(room: &Jid) -> String {
    format!("room/{}", room.as_str())
}

impl Cluster {
    /// Whether this node is a room's home.
    pub(crate) fn is_home(&self, room: &Jid) -> bool {
        self.is_alive() && matches!(lock(&self.homes).homes.get(room), Some(Home::Mine(..)))
    }

    /// Becomes a room's home, unless it is.
    pub(crate) async fn come_home(&self, chat: &Arc<Chat>, room: &Jid) -> Result<()> {
        let deadline = Instant::now() + HOME_TIMEOUT;
        loop {
            let free = {
                let mut homes = lock(&self.homes);
                match homes.homes.get(room) {
                    Some(Home::Mine(..)) if self.is_alive() => return Ok(()),
                    Some(_) => false,
                    None => {
                        homes.homes.insert(room.clone(), Home::Taking);
                        true
                    }
                }
            };
            if free {
                let (chat, room) = (Arc::clone(chat), room.clone());
                // In a task of its own: whoever asked may give up half way, when those of this node have stood up already.
                let taken = tokio::spawn(async move {
                    match chat.cluster() {
                        Some(cluster) => cluster.attempt_home(&chat, &room).await,
                        None => Ok(false),
                    }
                });
                if taken.await.map_err(|_| Error::ServiceUnavailable)?? {
                    return Ok(());
                }
            }
            if Instant::now() >= deadline {
                return Err(Error::ResourceConstraint("the room cannot be reached"));
            }
            sleep(HOME_PATIENCE).await;
        }
    }

    /// Says whether this node has become a room's home.
    async fn attempt_home(&self, chat: &Arc<Chat>, room: &Jid) -> Result<bool> {
        let _attempt = Attempt { cluster: self, room };
        if let Some((held, mut arrivals)) = self.take_home(chat, room).await? {
            let silent = std::mem::take(&mut arrivals.silent);
            let home = Home::Mine(held, Some(arrivals));
            {
                let mut homes = lock(&self.homes);
                if !silent.is_empty() {
                    homes.silent.insert(room.clone(), silent.iter().copied().collect());
                }
                homes.homes.insert(room.clone(), home);
            }
            self.seat_late(chat, room);
            self.ask_silent(chat, room, silent);
            return Ok(true);
        }
        Ok(false)
    }

    async fn take_home(&self, chat: &Arc<Chat>, room: &Jid) -> Result<Option<(Held, Arrivals)>> {
        let Some((leases, name)) = self.leases() else { return Ok(None) };
        let what = lease_of(room);
        let held = leases.hold(&what, name).await?;
        if held.node == name {
            return Ok(Some((held, self.gather(chat, room).await)));
        }
        let Some(node) = self.holder(held.node).filter(|node| self.bus.others().contains(node)) else {
            return Ok(None);
        };
        let deed = Deed::Occupants { yields: true };
        let question = Question::Room(RoomQuestion { room: room.clone(), deed });
        let Some(Answer::Room(RoomAnswer::Occupants(sitting))) = self.ask(node, question).await else {
            return Ok(None);
        };
        let held = leases.hold(&what, name).await?;
        if held.node != name {
            return Ok(None);
        }
        // What the former home said last may still be on its way to others, and come behind what is said here. And it may have
        // believed people gone who were only cut off.
        let gathered = self.gather(chat, room).await;
        let sitting = sitting.into_iter().chain(gathered.sitting).collect();
        Ok(Some((held, Arrivals { sitting, whole: true, seen: BTreeSet::new(), ..gathered })))
    }

    /// Whether this node is the one that does something which one node does for all. It stays so until this node goes.
    async fn has_duty(&self, name: &str) -> bool {
        let Some((leases, own)) = self.leases() else { return false };
        match leases.hold(&format!("duty/{name}"), own).await {
            Ok(held) => held.node == own,
            Err(error) => {
                tracing::warn!(%error, duty = name, "who has a duty could not be read");
                false
            }
        }
    }

    /// Whether a room has its home at any node that is alive.
    pub(crate) async fn has_home(&self, room: &Jid) -> Result<bool> {
        let Some((leases, _)) = self.leases() else { return Ok(true) };
        Ok(leases.holder(&lease_of(room)).await?.is_some())
    }

    /// Who is in a room that has its home at another node; nobody where it has none.
    pub(crate) async fn occupants_elsewhere(&self, room: &Jid) -> Result<Vec<Sitting>> {
        let Some((leases, _)) = self.leases() else { return Ok(Vec::new()) };
        let Some(held) = leases.holder(&lease_of(room)).await? else { return Ok(Vec::new()) };
        let Some(node) = self.holder(held.node) else { return Ok(Vec::new()) };
        let deed = Deed::Occupants { yields: false };
        let question = Question::Room(RoomQuestion { room: room.clone(), deed });
        Ok(match self.ask(node, question).await {
            Some(Answer::Room(RoomAnswer::Occupants(sitting))) => sitting,
            _ => Vec::new(),
        })
    }

    /// Asks everybody who is in a room whose home is gone.
    async fn gather(&self, chat: &Chat, room: &Jid) -> Arrivals {
        let mut arrivals = Arrivals::default();
        let (own, seen) = self.stand_up(chat, room);
        arrivals.take(own, seen);
        let question =
            Question::Room(RoomQuestion { room: room.clone(), deed: Deed::Sitting { anew: true } });
        arrivals.silent.extend(self.bus.others().iter());
        for (node, answer) in self.ask_each(arrivals.silent.clone(), &question).await {
            if let Answer::Room(RoomAnswer::Sitting { sitting, seen }) = answer {
                arrivals.take(sitting, seen);
                arrivals.silent.retain(|silent| *silent != node);
            }
        }
        arrivals
    }

    /// A session of this node, as a room elsewhere knows it.
    pub(super) fn away(&self, session: &Session) -> Away {
        let attends = session.attends();
        Away { node: self.bus.node(), jid: session.jid.clone(), attends, listens: attends }
    }

    /// A seat as other nodes are told of it.
    pub(crate) fn seat_at(&self, seat: &Seat) -> SeatAt {
        match seat {
            Seat::Local(session) => SeatAt::Node(self.away(session)),
            Seat::Node(away) => SeatAt::Node(away.clone()),
            Seat::Remote(jid) => SeatAt::Remote(jid.clone()),
        }
    }

    /// Those of this node whom a former home has let in are in a room that has come here meanwhile.
    pub(super) fn seat_late(&self, chat: &Arc<Chat>, room: &Jid) {
        if !matches!(lock(&self.homes).homes.get(room), Some(Home::Mine(..))) {
            return;
        }
        let (late, _) = self.stand_up(chat, room);
        if late.is_empty() {
            return;
        }
        let (chat, room, own) = (Arc::clone(chat), room.clone(), self.bus.node());
        tokio::spawn(async move {
            if let Err(error) = chat.seat_in_room(&room, own, late).await {
                tracing::warn!(%error, %room, "somebody who was let in elsewhere is not in the room");
            }
        });
    }

    /// Those who have to be seated when a room wakes here.
    pub(crate) fn arrivals(&self, room: &Jid) -> Option<Arrivals> {
        match lock(&self.homes).homes.get(room) {
            Some(Home::Mine(_, arrivals) | Home::Giving(_, arrivals)) => arrivals.clone(),
            _ => None,
        }
    }

    /// Whether every node has said who of its sessions is in a room that has its home here: nobody is missing there.
    pub(crate) fn knows_all_in(&self, room: &Jid) -> bool {
        !lock(&self.homes).silent.contains_key(room)
    }

    /// They have been seated.
    pub(crate) fn have_arrived(&self, room: &Jid) {
        if let Some(Home::Mine(_, arrivals) | Home::Giving(_, arrivals)) =
            lock(&self.homes).homes.get_mut(room)
        {
            *arrivals = None;
        }
    }

    /// What has to be so for what a room says here to be kept; `None` where it has no home here.
    pub(crate) fn fence(&self, room: &Jid) -> Option<Fence> {
        match lock(&self.homes).homes.get(room) {
            Some(Home::Mine(held, _) | Home::Giving(held, _)) => {
                Some(Fence { what: lease_of(room), held: *held })
            }
            _ => None,
        }
    }

    /// Whether another node has taken a room whose home this one believed to be: then it is given up.
    pub(crate) async fn has_lost_home(&self, chat: &Arc<Chat>, room: &Jid) -> bool {
        let Some(fence) = self.fence(room) else { return true };
        let Some((leases, _)) = self.leases() else { return true };
        if !leases.holder(&fence.what).await.is_ok_and(|held| held.is_some_and(|held| held != fence.held)) {
            return false;
        }
        self.give_home(chat, room).await;
        true
    }

    /// Whether a room that is awake here may stay so: one that is being given away is told by whoever gives it.
    pub(crate) fn keeps_home(&self, room: &Jid) -> bool {
        matches!(lock(&self.homes).homes.get(room), Some(Home::Mine(..) | Home::Giving(..)))
    }

    /// A room that is awake here has this archive.
    pub(crate) fn note_archive(&self, room: &Jid, archive: AccountId) {
        let mut homes = lock(&self.homes);
        homes.archives.insert(archive, room.clone());
        homes.archive_of.insert(room.clone(), archive);
    }

    /// Another node has kept something in an archive: if it is that of a room here, that has to hear of it.
    pub(super) fn kept_elsewhere(&self, chat: &Arc<Chat>, archive: AccountId, id: ArchiveId) {
        let room = lock(&self.homes).archives.get(&archive).cloned();
        let Some(room) = room.filter(|room| self.is_home(room)) else { return };
        let chat = Arc::clone(chat);
        tokio::spawn(async move {
            if let Err(error) = chat.kept_elsewhere(&room, id).await {
                tracing::warn!(%error, %room, "what another node has kept of a room is not heard");
            }
        });
    }

    /// Nobody is in a room any more: from here on nobody finds it awake. Taken back by `stay_home`.
    pub(crate) fn leave_home(&self, room: &Jid) -> Option<Held> {
        let mut homes = lock(&self.homes);
        match homes.homes.get(room) {
            Some(Home::Mine(held, _)) => {
                let held = *held;
                homes.homes.insert(room.clone(), Home::Giving(held, None));
                Some(held)
            }
            _ => None,
        }
    }

    /// Somebody has come after all.
    pub(crate) fn stay_home(&self, room: &Jid, held: Held) {
        lock(&self.homes).homes.insert(room.clone(), Home::Mine(held, None));
    }

    /// A room sleeps: whoever needs it next becomes its home.
    pub(crate) async fn release_home(&self, room: &Jid, held: Held) {
        if let Some((leases, _)) = self.leases()
            && let Err(error) = leases.release(&lease_of(room), held).await
        {
            tracing::warn!(%error, %room, "a room's home could not be given up");
        }
        let mut homes = lock(&self.homes);
        homes.homes.remove(room);
        homes.silent.remove(room);
        if let Some(archive) = homes.archive_of.remove(room) {
            homes.archives.remove(&archive);
        }
    }

    /// Another node takes this one for a room's home, which it is not. It may hold the lease all the same, where giving that up
    /// failed, or taking it succeeded without its being told: then it gives it up, so that somebody can be the home.
    pub(super) async fn release_unused(&self, room: &Jid) {
        let Some((leases, name)) = self.leases() else { return };
        let Ok(Some(held)) = leases.holder(&lease_of(room)).await else { return };
        if held.node != name {
            return;
        }
        {
            let mut homes = lock(&self.homes);
            if homes.homes.contains_key(room) {
                return;
            }
            homes.homes.insert(room.clone(), Home::Giving(held, None));
        }
        self.release_home(room, held).await;
    }

    /// Gives up being a room's home, with all who are in it; `None` where it is not. Those of them who are here are remembered.
    pub(super) async fn give_home(&self, chat: &Arc<Chat>, room: &Jid) -> Option<Vec<Sitting>> {
        let held = {
            let mut homes = lock(&self.homes);
            match homes.homes.remove(room) {
                Some(Home::Mine(held, arrivals)) => {
                    homes.homes.insert(room.clone(), Home::Giving(held, arrivals));
                    held
                }
                Some(other) => {
                    homes.homes.insert(room.clone(), other);
                    return None;
                }
                None => return None,
            }
        };
        let told = chat.yield_room(room).await;
        let arrivals = match lock(&self.homes).homes.get_mut(room) {
            Some(Home::Giving(_, arrivals)) => arrivals.take(),
            _ => None,
        };
        let (mut sitting, heard) = match (told, arrivals) {
            (Some(told), None) => told,
            // It never woke here.
            (_, Some(Arrivals { sitting, .. })) => (sitting, chat.store.position()),
            (None, None) => (Vec::new(), chat.store.position()),
        };
        self.sit_down_here(chat, room, &sitting, heard);
        // How far those of other nodes have heard it these say themselves.
        sitting.iter_mut().for_each(|one| one.heard = None);
        self.release_home(room, held).await;
        Some(sitting)
    }

    /// Gives up all homes: this node leaves, or cannot say any more that it is alive.
    pub(super) async fn give_up_homes(&self) {
        let Some(chat) = self.chat() else { return };
        let mine = lock(&self.homes).mine();
        for room in mine {
            self.give_home(&chat, &room).await;
        }
    }

    /// Where a room's home is; `None` when that has to be found out once more. If it has none, this node becomes it.
    pub(super) async fn home_of(&self, chat: &Arc<Chat>, room: &Jid) -> Option<NodeId> {
        if self.is_home(room) {
            return Some(self.bus.node());
        }
        let (leases, name) = self.leases()?;
        match leases.holder(&lease_of(room)).await {
            Ok(Some(held)) if held.node != name => {
                self.holder(held.node).filter(|node| self.bus.others().contains(node))
            }
            Ok(_) => {
                self.come_home(chat, room).await.ok()?;
                Some(self.bus.node())
            }
            Err(error) => {
                tracing::warn!(%error, %room, "where a room's home is could not be read");
                None
            }
        }
    }

    async fn ask_each(&self, nodes: Vec<NodeId>, question: &Question) -> Vec<(NodeId, Answer)> {
        let asked =
            nodes.into_iter().filter_map(|node| Some((node, self.ask_ahead(node, question.clone())?)));
        let asked: Vec<_> = asked.collect();
        let deadline = Instant::now() + super::ANSWER_TIMEOUT;
        let mut answers = Vec::new();
        for (node, answered) in asked {
            if let Ok(Ok(answer)) = tokio::time::timeout_at(deadline, answered).await {
                answers.push((node, answer));
            }
        }
        answers
    }
}

impl Chat {
    /// Whether it is this node that does what one node does for all: deliver a webhook, send what is due. A node that is alone
    /// does everything.
    pub async fn has_duty(&self, name: &str) -> bool {
        match self.cluster() {
            Some(cluster) => cluster.has_duty(name).await,
            None => true,
        }
    }
}

impl Arrivals {
    fn take(&mut self, sitting: Vec<Sitting>, seen: Vec<Jid>) {
        self.sitting.extend(sitting);
        self.seen.extend(seen);
    }
}
