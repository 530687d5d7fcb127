//! A room that has its home at another node than before: who is in it goes on being in it, and hears all that was said
//! meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::occupants::{Occupant, Seat};
use super::role::Role;
use super::room::Room;
use super::{Doing, joining};
use crate::archive::{ArchiveId, ArchiveQuery, Archived, PageFrom};
use crate::chat::Chat;
use crate::cluster::rooms::{News, SeatAt, Sitting};
use crate::cluster::{Arrivals, Cluster};
use crate::deliver::stanza_id;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::nodes::NodeId;
use crate::session::Session;

/// How many messages those of one node in a room are handed at most that they have not heard: hardly more than a session's queue
/// holds. Where there are more they leave the room, so that they know of it, and find them in its archive.
const MISSED_LIMIT: usize = 2000;

/// They are out of the room because of an error, and not by their own will (XEP-0045, status code 333).
const PUT_OUT: u16 = 333;

impl Room {
    /// Seats those who were in the room before. Nobody is told of that; those who have gone with their node are seen to leave.
    pub(super) async fn resettle(&mut self, arrivals: Arrivals) -> Result<()> {
        let Some(cluster) = self.chat.cluster().cloned() else { return Ok(()) };
        let Some(state) = &self.state else { return Ok(()) };
        let archive = state.archive();
        cluster.note_archive(&self.jid, archive);
        if let Some(bounds) = self.chat.store.archive_bounds(archive).await? {
            self.caught_up = bounds.last;
        }
        let Arrivals { sitting, whole, heard, seen, .. } = arrivals;
        let mut seated = BTreeSet::new();
        for one in sitting {
            let was_there = self.floor.occupants().named(one.own.resource().unwrap_or_default()).is_some();
            if let Some(sessions) = self.seat_again(&cluster, &one)? {
                for session in sessions {
                    session.enter_room(one.own.clone());
                }
                if whole && !was_there && one.as_told {
                    // The former home believed him gone, and said so.
                    let occupants = self.floor.occupants();
                    if let Some(back) = occupants.named(one.own.resource().unwrap_or_default()) {
                        self.tell_current(&occupants, back, None);
                    }
                }
                seated.insert(one.own);
            }
        }
        if !whole {
            seen.difference(&seated).for_each(|own| self.never_came_back(own));
        }
        for (node, heard) in heard {
            self.catch_up(node, heard).await?;
        }
        if !whole {
            self.end_if_deserted().await?;
        }
        Ok(())
    }

    /// Seats somebody, and gives back those of his sessions that are of this node; `None` where he cannot be there any more.
    fn seat_again(&mut self, cluster: &Cluster, one: &Sitting) -> Result<Option<Vec<Arc<Session>>>> {
        let seats: Vec<Seat> = one.seats.iter().filter_map(|seat| self.seat_of(cluster, seat)).collect();
        let Some(first) = seats.first() else { return Ok(None) };
        let bare = first.jid().to_bare();
        let state = self.state()?;
        let affiliation = state.affiliation(&bare);
        if affiliation == Affiliation::Outcast
            || (state.configuration().members_only && affiliation < Affiliation::Member)
        {
            return Ok(None);
        }
        // A role that was given for now holds as long as the affiliation that it was given beside.
        let given = Some(one.role).filter(|role| *role != Role::None && one.affiliation == affiliation);
        let role = given.unwrap_or_else(|| state.configuration().role_of(affiliation));
        let (id, hats) = (state.occupant_id(&bare), state.hats.of(&bare));
        let presence = Element::parse(&one.presence).unwrap_or_else(|_| super::telling::empty_presence());
        let presence = super::telling::presence_content(&presence, |domain| self.chat.is_ours(domain));
        let nick = one.own.resource().unwrap_or_default();
        let mut occupants = self.floor.occupants();
        let own = seats.iter().filter_map(|seat| match seat {
            Seat::Local(session) => Some(Arc::clone(session)),
            _ => None,
        });
        let own: Vec<Arc<Session>> = own.collect();
        if let Some(present) = occupants.named(nick) {
            if present.bare != bare {
                return Ok(None);
            }
            for seat in seats {
                if occupants.at(seat.jid()).is_none() {
                    occupants.join(nick, seat)?;
                }
            }
            return Ok(Some(own));
        }
        let presence = occupants.kept(&presence);
        occupants.add(Occupant { jid: one.own.clone(), bare, affiliation, role, id, seats, presence, hats });
        Ok(Some(own))
    }

    fn seat_of(&self, cluster: &Cluster, seat: &SeatAt) -> Option<Seat> {
        match seat {
            SeatAt::Remote(jid) => Some(Seat::Remote(jid.clone())),
            SeatAt::Node(away) if away.node == cluster.node() => {
                self.chat.sessions.find(&away.jid).map(Seat::Local)
            }
            SeatAt::Node(away) if cluster.others().contains(&away.node) => Some(Seat::Node(away.clone())),
            SeatAt::Node(_) => None,
        }
    }

    /// Hands those of one node what was said behind this place of the archive.
    async fn catch_up(&mut self, node: NodeId, heard: ArchiveId) -> Result<()> {
        let Some(cluster) = self.chat.cluster().cloned() else { return Ok(()) };
        let archive = self.state()?.archive();
        let start = Some(ArchiveId(heard.0.saturating_add(1)));
        let query = ArchiveQuery { start, ..ArchiveQuery::page(archive, PageFrom::Start, MISSED_LIMIT) };
        let page = self.chat.store.archive_page(query).await?;
        if !page.complete {
            tracing::warn!(room = %self.jid, %node, "too much was said while a node was away; its people have to enter anew");
            return self.leave_all_of(node).await;
        }
        let occupants = self.floor.occupants();
        for message in &page.items {
            let Some(stanza) = self.as_said(message) else { continue };
            let stanza = Arc::new(Outgoing::for_many(stanza));
            let mut to = Vec::new();
            for seat in occupants.iter().flat_map(|occupant| &occupant.seats) {
                match seat {
                    Seat::Local(session) if node == cluster.node() => {
                        let delivery = Delivery { stanza: Arc::clone(&stanza), archived: None };
                        session.push(Event::Stanza(delivery));
                    }
                    Seat::Node(away) if away.node == node => to.push(away.jid.clone()),
                    _ => {}
                }
            }
            if !to.is_empty() {
                let (stanza, archived) = (stanza.stanza().clone(), Some(message.id));
                cluster.tell_room_at(node, &self.jid, News::Stanza { to, stanza, archived });
            }
        }
        Ok(())
    }

    /// Those of one node leave.
    async fn leave_all_of(&mut self, node: NodeId) -> Result<()> {
        let Some(cluster) = self.chat.cluster().cloned() else { return Ok(()) };
        let is_there = |seat: &&Seat| match seat {
            Seat::Local(_) => node == cluster.node(),
            Seat::Node(away) => away.node == node,
            Seat::Remote(_) => false,
        };
        let gone: Vec<Jid> = {
            let occupants = self.floor.occupants();
            let seats = occupants.iter().flat_map(|occupant| &occupant.seats);
            seats.filter(is_there).map(|seat| seat.jid().clone()).collect()
        };
        for jid in gone {
            self.leave(&jid, &joining::bare_leave(), vec![PUT_OUT]).await?;
        }
        Ok(())
    }

    /// A node that had this room and lost it has kept a message all the same: everybody here hears it from this one.
    async fn kept_elsewhere(&mut self, id: ArchiveId) -> Result<()> {
        if id <= self.caught_up {
            return Ok(());
        }
        self.caught_up = id;
        let archive = self.state()?.archive();
        let found = self.chat.store.archived(archive, &[id]).await?;
        for stanza in found.iter().filter_map(|message| self.as_said(message)) {
            let stanza = Arc::new(Outgoing::for_many(stanza));
            super::telling::shared(&self.chat, &self.floor.occupants(), &stanza, Some(id));
        }
        Ok(())
    }

    /// A message of the archive as everybody got it who was there.
    fn as_said(&self, message: &Archived) -> Option<Stanza> {
        let element = Element::parse(std::str::from_utf8(&message.xml).ok()?).ok()?;
        let stanza = Stanza::from_element(element).ok()?;
        let shown = self.chat.archive_ids().show(message.id);
        Some(stanza.with_child(stanza_id(&shown, &self.jid)))
    }

    /// The newest message of its archive that everybody here has been handed.
    pub(super) fn heard(&self) -> ArchiveId {
        self.caught_up.max(self.floor.heard())
    }

    /// Everybody in the room, as another node is told of them.
    pub(super) fn sitting(&self) -> Vec<Sitting> {
        let Some(cluster) = self.chat.cluster() else { return Vec::new() };
        let occupants = self.floor.occupants();
        let one = |occupant: &Occupant| Sitting {
            own: occupant.jid.clone(),
            affiliation: occupant.affiliation,
            role: occupant.role,
            as_told: false,
            presence: occupant.presence.content().to_xml(),
            seats: occupant.seats.iter().map(|seat| cluster.seat_at(seat)).collect(),
        };
        occupants.iter().map(one).collect()
    }

    /// A node says who of its sessions are in the room: those who are missing are seated, and those leave who are no sessions any
    /// more.
    async fn seat_missing(
        &mut self,
        node: NodeId,
        sitting: Vec<Sitting>,
        heard: Option<ArchiveId>,
    ) -> Result<()> {
        let Some(cluster) = self.chat.cluster().cloned() else { return Ok(()) };
        if self.state.is_none() || (node != cluster.node() && !cluster.others().contains(&node)) {
            return Ok(());
        }
        for one in sitting {
            let nick = one.own.resource().unwrap_or_default().to_owned();
            let was_there = self.floor.occupants().named(&nick).is_some();
            let seated = self.seat_again(&cluster, &one)?;
            for session in seated.iter().flatten() {
                session.enter_room(one.own.clone());
            }
            if seated.is_some() && !was_there {
                let occupants = self.floor.occupants();
                if let Some(back) = occupants.named(&nick) {
                    self.tell_current(&occupants, back, None);
                }
            }
        }
        let gone: Vec<Jid> = {
            let occupants = self.floor.occupants();
            let seats = occupants.iter().flat_map(|occupant| &occupant.seats);
            let theirs = seats.filter(|seat| matches!(seat, Seat::Node(away) if away.node == node));
            theirs
                .map(|seat| seat.jid().clone())
                .filter(|jid| cluster.directory.find(jid).is_none_or(|found| found.node != node))
                .collect()
        };
        for jid in gone {
            self.leave(&jid, &joining::bare_leave(), vec![PUT_OUT]).await?;
        }
        match heard {
            Some(heard) => self.catch_up(node, heard).await,
            None => Ok(()),
        }
    }

    /// The sessions of a node that is gone leave.
    async fn node_left(&mut self, node: NodeId) -> Result<()> {
        self.leave_all_of(node).await
    }
}

impl Chat {
    /// Has something looked up in a room that changes nothing: where the room has its home elsewhere, in a likeness of it that is
    /// made of what is kept, and of those who are there.
    pub(crate) async fn look_into_room<T: Send + 'static>(
        &self,
        room: &Jid,
        work: impl for<'r> FnOnce(&'r mut Room) -> Doing<'r, T> + Send + 'static,
    ) -> Result<T> {
        self.look_into_room_at_once(room, |room| {
            Box::pin(async move {
                room.settle().await;
                work(room).await
            })
        })
        .await
    }

    /// The same without waiting for messages that are on their way to the store.
    pub(crate) async fn look_into_room_at_once<T: Send + 'static>(
        &self,
        room: &Jid,
        work: impl for<'r> FnOnce(&'r mut Room) -> Doing<'r, T> + Send + 'static,
    ) -> Result<T> {
        let jid = room.to_bare();
        let Some(cluster) = self.cluster().filter(|cluster| !cluster.is_home(&jid)) else {
            return self.in_room_at_once(room, work).await;
        };
        let chat = self.itself().ok_or(Error::ServiceUnavailable)?;
        let sitting = cluster.occupants_elsewhere(&jid).await?;
        let mut likeness = Room::read(chat, jid).await?;
        if likeness.exists() {
            for one in &sitting {
                likeness.seat_again(cluster, one)?;
            }
        }
        let outcome = work(&mut likeness).await;
        let id = likeness.id();
        drop(likeness);
        id.iter().for_each(|id| self.rooms.listening.asleep(*id));
        Ok(outcome)
    }

    /// Another node has kept a message of a room that is awake here.
    pub(crate) async fn kept_elsewhere(&self, room: &Jid, id: ArchiveId) -> Result<()> {
        self.in_room(room, move |room| Box::pin(async move { room.kept_elsewhere(id).await })).await?
    }

    /// Those of a node that is gone leave a room that is awake here.
    pub(crate) async fn node_left_room(&self, room: &Jid, node: NodeId) -> Result<()> {
        self.in_room(room, move |room| Box::pin(async move { room.node_left(node).await })).await?
    }

    /// Seats those of a node who are in a room that is awake here and did not know of them, and hands that node what it has not
    /// heard.
    pub(crate) async fn seat_in_room(
        &self,
        room: &Jid,
        node: NodeId,
        sitting: Vec<Sitting>,
        heard: Option<ArchiveId>,
    ) -> Result<()> {
        self.in_room(room, move |room| Box::pin(async move { room.seat_missing(node, sitting, heard).await }))
            .await?
    }
}
