//! Homes that are gone, and what rooms may have said meanwhile that did not come here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use waxwing_xmpp::jid::Jid;

use super::{HOME_TIMEOUT, lease_of};
use crate::chat::Chat;
use crate::cluster::rooms::{Deed, RoomAnswer, RoomQuestion};
use crate::cluster::{Answer, Cluster, Question, lock};
use crate::nodes::NodeId;

/// How often a node looks whether a room whose home is gone may be taken.
const ORPHAN_PATIENCE: Duration = Duration::from_millis(500);

impl Cluster {
    /// A node is gone. Those of its sessions that are in rooms here leave them; rooms that had their home there get another, which
    /// hears who of this node is in them.
    pub(in crate::cluster) fn room_homes_gone(self: &Arc<Self>, node: NodeId) {
        let Some(chat) = self.chat() else { return };
        let (mine, orphans) = {
            let homes = lock(&self.homes);
            (homes.mine(), homes.seats.keys().cloned().collect::<Vec<_>>())
        };
        for room in mine {
            let chat = Arc::clone(&chat);
            tokio::spawn(async move {
                if let Err(error) = chat.node_left_room(&room, node).await {
                    tracing::warn!(%error, %room, "those of a node that is gone could not be taken out of a room");
                }
            });
        }
        if !orphans.is_empty() {
            let cluster = Arc::clone(self);
            tokio::spawn(async move { cluster.adopt(&chat, node, orphans).await });
        }
    }

    /// Takes those of these rooms whose home is gone, unless another does. That may not know of those whom only the lost node knew.
    async fn adopt(self: &Arc<Self>, chat: &Arc<Chat>, gone: NodeId, mut rooms: Vec<Jid>) {
        let deadline = Instant::now() + HOME_TIMEOUT;
        while !rooms.is_empty() && Instant::now() < deadline {
            let mut waiting = Vec::new();
            for room in rooms {
                if !self.has_home_alive(chat, &room).await {
                    waiting.push(room);
                } else if lock(&self.homes).is_known_to(&room, gone) {
                    self.say_who_sits(chat, room).await;
                }
            }
            rooms = waiting;
            if !rooms.is_empty() {
                sleep(ORPHAN_PATIENCE).await;
            }
        }
    }

    /// Whether a room has its home at a node that is alive: if it has none, this node becomes it.
    async fn has_home_alive(&self, chat: &Arc<Chat>, room: &Jid) -> bool {
        let Some((leases, _)) = self.leases() else { return false };
        match leases.holder(&lease_of(room)).await {
            Ok(Some(held)) => self.holder(held.node).is_some(),
            Ok(None) => self.has_woken(chat, room).await,
            Err(_) => false,
        }
    }

    /// Has a room wake here, with all who are in it seated and handed what they had not heard.
    async fn has_woken(&self, chat: &Arc<Chat>, room: &Jid) -> bool {
        let woken = chat.in_room_at_once(room, |_| Box::pin(async {})).await;
        if let Err(error) = &woken {
            tracing::warn!(%error, %room, "a room without a home could not be taken");
        }
        woken.is_ok()
    }

    /// Frames of a node were lost, and with them maybe what rooms said that have their home there: they hear who sits here, and up
    /// to where he has heard them.
    pub(in crate::cluster) async fn rooms_missed(self: Arc<Self>, chat: Arc<Chat>, node: NodeId) {
        let (known, mine) = {
            let homes = lock(&self.homes);
            let known = homes.seats.keys().filter(|room| homes.is_known_to(room, node));
            (known.cloned().collect::<Vec<_>>(), homes.mine())
        };
        for room in known {
            self.say_who_sits(&chat, room).await;
        }
        // Its answer to who of its sessions are in the rooms here may have been lost as well.
        for room in mine {
            self.ask_who_sits_in(&chat, &room, node, false).await;
        }
    }

    /// Tells a room's home who of this node sits in it, unless somebody else does. If that fails it goes on by itself until the home
    /// has seated them, and handed each what he had not heard.
    pub(in crate::cluster) async fn say_who_sits(self: &Arc<Self>, chat: &Arc<Chat>, room: Jid) {
        if !lock(&self.homes).begin_asking(&room) || self.has_said_who_sits(chat, &room).await {
            return;
        }
        let (cluster, chat) = (Arc::clone(self), Arc::clone(chat));
        tokio::spawn(async move {
            while !cluster.order.is_over() {
                sleep(ORPHAN_PATIENCE).await;
                if cluster.has_said_who_sits(&chat, &room).await {
                    return;
                }
            }
        });
    }

    async fn has_said_who_sits(&self, chat: &Arc<Chat>, room: &Jid) -> bool {
        self.is_seated_at_home(chat, room).await && lock(&self.homes).end_asking(room)
    }

    /// Says whether the room's home knows who of this node sits in it.
    async fn is_seated_at_home(&self, chat: &Arc<Chat>, room: &Jid) -> bool {
        let Some(home) = self.home_of(chat, room).await else { return false };
        if home == self.bus.node() {
            return self.has_woken(chat, room).await;
        }
        let (sitting, _) = self.sitting_here(chat, room, home);
        if sitting.is_empty() {
            return true;
        }
        let question = Question::Room(RoomQuestion { room: room.clone(), deed: Deed::Seat(sitting) });
        matches!(self.ask(home, question).await, Some(Answer::Room(RoomAnswer::Done(_))))
    }

    /// Asks a node who of its sessions is in a room that has its home here, and seats them. Says whether the node has answered.
    async fn ask_who_sits_in(&self, chat: &Arc<Chat>, room: &Jid, node: NodeId, anew: bool) -> bool {
        let question = Question::Room(RoomQuestion { room: room.clone(), deed: Deed::Sitting { anew } });
        let Some(Answer::Room(RoomAnswer::Sitting { sitting, .. })) = self.ask(node, question).await else {
            return false;
        };
        if let Err(error) = chat.seat_in_room(room, node, sitting).await {
            tracing::warn!(%error, %room, "who of another node sits in a room is not known");
        }
        true
    }

    /// Asks those nodes once more that have not answered a new home of a room who of theirs is in it, until each has answered or is
    /// gone, or the room has its home elsewhere.
    pub(super) fn ask_silent(&self, chat: &Arc<Chat>, room: &Jid, silent: Vec<NodeId>) {
        for node in silent {
            let (chat, room) = (Arc::clone(chat), room.clone());
            tokio::spawn(async move {
                let Some(cluster) = chat.cluster() else { return };
                while cluster.bus.others().contains(&node) {
                    if !cluster.is_home(&room) {
                        return;
                    }
                    if cluster.ask_who_sits_in(&chat, &room, node, true).await {
                        break;
                    }
                    sleep(ORPHAN_PATIENCE).await;
                }
                if lock(&cluster.homes).is_silent_no_more(&room, node)
                    && cluster.is_home(&room)
                    && let Err(error) = chat.all_in_room_are_known(&room).await
                {
                    tracing::warn!(%error, %room, "a room in which nobody may be is not ended");
                }
            });
        }
    }
}
