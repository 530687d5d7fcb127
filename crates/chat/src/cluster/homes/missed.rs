//! Homes that are gone, and what rooms may have said meanwhile that did not come here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use waxwing_xmpp::jid::Jid;

use super::{HOME_TIMEOUT, Home, lease_of};
use crate::chat::Chat;
use crate::cluster::rooms::{Deed, RoomAnswer, RoomQuestion};
use crate::cluster::{Answer, Cluster, Question, lock};
use crate::nodes::NodeId;

/// How often a node looks whether a room whose home is gone may be taken.
const ORPHAN_PATIENCE: Duration = Duration::from_millis(500);

impl Cluster {
    /// A node is gone. Those of its sessions that are in rooms here leave them; rooms that had their home there get another.
    pub(in crate::cluster) fn room_homes_gone(self: &Arc<Self>, node: NodeId) {
        let Some(chat) = self.chat() else { return };
        let (mine, orphans) = {
            let homes = lock(&self.homes);
            let mine = homes.homes.iter().filter(|(_, home)| matches!(home, Home::Mine(..)));
            let mine: Vec<Jid> = mine.map(|(room, _)| room.clone()).collect();
            (mine, homes.seats.keys().cloned().collect::<Vec<_>>())
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
            tokio::spawn(async move { cluster.adopt(&chat, orphans).await });
        }
    }

    /// Takes those of these rooms whose home is gone, unless another does.
    async fn adopt(&self, chat: &Arc<Chat>, mut rooms: Vec<Jid>) {
        let deadline = Instant::now() + HOME_TIMEOUT;
        while !rooms.is_empty() && Instant::now() < deadline {
            let mut waiting = Vec::new();
            for room in rooms {
                let Some((leases, _)) = self.leases() else {
                    waiting.push(room);
                    continue;
                };
                match leases.holder(&lease_of(&room)).await {
                    Ok(Some(held)) if self.holder(held.node).is_some() => {}
                    Ok(None) => {
                        // It wakes, and has those in it seated.
                        let woken = chat.in_room_at_once(&room, |_| Box::pin(async {})).await;
                        if let Err(error) = woken {
                            tracing::warn!(%error, %room, "a room without a home could not be taken");
                        }
                    }
                    _ => waiting.push(room),
                }
            }
            rooms = waiting;
            if !rooms.is_empty() {
                sleep(ORPHAN_PATIENCE).await;
            }
        }
    }

    /// Frames of a node were lost, and with them maybe what rooms there said.
    pub(in crate::cluster) fn note_gap(&self, node: NodeId) {
        for seats in lock(&self.homes).seats.values_mut() {
            seats.gap.insert(node);
        }
    }

    /// Makes up for what rooms may have said that have their home at a node of which frames were lost: it gives up those that have
    /// sessions of this node in them, and this node, which then asks all where they are, hands everybody what he lacks.
    pub(in crate::cluster) async fn rooms_missed(self: Arc<Self>, chat: Arc<Chat>, node: NodeId) {
        while self.bus.others().contains(&node) && !self.order.is_over() {
            let mut left = false;
            for room in self.rooms_with_gap(node) {
                let Some((leases, _)) = self.leases() else {
                    left = true;
                    continue;
                };
                let Ok(held) = leases.holder(&lease_of(&room)).await else {
                    left = true;
                    continue;
                };
                let home = held.map(|held| self.holder(held.node));
                match home {
                    // It is there still, or has given the room up: waking here, that hands everybody what he has not heard.
                    None => left |= !self.take_over(&chat, &room).await,
                    Some(Some(home)) if home == node => left |= !self.take_over(&chat, &room).await,
                    // Whoever else is its home hands on what it says behind what has been heard.
                    Some(Some(_)) => self.close_gap(&room, node),
                    Some(None) => left = true,
                }
            }
            if !left {
                return self.ask_who_sits(&chat, node).await;
            }
            sleep(ORPHAN_PATIENCE).await;
        }
    }

    /// Says whether it is done.
    async fn take_over(&self, chat: &Arc<Chat>, room: &Jid) -> bool {
        let woken = chat.in_room_at_once(room, |_| Box::pin(async {})).await;
        if let Err(error) = &woken {
            tracing::warn!(%error, %room, "what a room said meanwhile is not heard");
        }
        woken.is_ok()
    }

    fn rooms_with_gap(&self, node: NodeId) -> Vec<Jid> {
        let homes = lock(&self.homes);
        let waiting = homes.seats.iter().filter(|(_, seats)| seats.gap.contains(&node));
        waiting.map(|(room, _)| room.clone()).collect()
    }

    fn close_gap(&self, room: &Jid, node: NodeId) {
        if let Some(seats) = lock(&self.homes).seats.get_mut(room) {
            seats.gap.remove(&node);
        }
    }

    /// Frames of a node were lost, and with them maybe its answer to who of its sessions are in the rooms that have their home
    /// here: it is asked once more.
    async fn ask_who_sits(&self, chat: &Arc<Chat>, node: NodeId) {
        let mine: Vec<Jid> = {
            let homes = lock(&self.homes);
            let mine = homes.homes.iter().filter(|(_, home)| matches!(home, Home::Mine(..)));
            mine.map(|(room, _)| room.clone()).collect()
        };
        for room in mine {
            self.ask_who_sits_in(chat, &room, node, false).await;
        }
    }

    /// The same for one room. Says whether the node has answered.
    async fn ask_who_sits_in(&self, chat: &Arc<Chat>, room: &Jid, node: NodeId, anew: bool) -> bool {
        let question = Question::Room(RoomQuestion { room: room.clone(), deed: Deed::Sitting { anew } });
        let Some(Answer::Room(RoomAnswer::Sitting { sitting, heard, .. })) = self.ask(node, question).await
        else {
            return false;
        };
        if let Err(error) = chat.seat_in_room(room, node, sitting, heard).await {
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
                while cluster.is_home(&room) && cluster.bus.others().contains(&node) {
                    if cluster.ask_who_sits_in(&chat, &room, node, true).await {
                        return;
                    }
                    sleep(ORPHAN_PATIENCE).await;
                }
            });
        }
    }
}
