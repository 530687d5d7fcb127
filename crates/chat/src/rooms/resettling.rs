//! A room that has its home at another node than before: who is in it goes on being in it, and hears all that was said
//! meanwhile.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::cluster::rooms::{Place, SeatAt, Sitting};
use crate::cluster::{Arrivals, Cluster};
use crate::deliver::stanza_id;
use crate::error::{Error, Result};
use crate::nodes::NodeId;
use crate::session::Session;

/// How many messages somebody in a room is handed at most that he has not heard: hardly more than a session's queue holds. Where
/// there are more he leaves the room, so that he knows of it, and finds them in its archive.
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
            self.floor.hears(bounds.last);
        }
        let Arrivals { sitting, whole, seen, .. } = arrivals;
        let marks = marks(&sitting);
        let mut seated = BTreeSet::new();
        for one in sitting {
            let was_there = self.floor.occupants().named(one.own.resource().unwrap_or_default()).is_some();
            if let Some(sessions) = self.seat_again(&cluster, &one)? {
                for session in sessions {
                    session.enter_room(one.own.clone());
                }
                if whole && !was_there && one.heard.is_some() {
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
        self.catch_up(marks).await?;
        if !whole {
            self.end_if_deserted().await?;
        }
        Ok(())
    }

    /// Where a session sits.
    fn sits_at(&self, seat: &Seat) -> Option<(Jid, NodeId)> {
        let node = match seat {
            Seat::Local(_) => self.chat.cluster()?.node(),
            Seat::Node(away) => away.node,
            Seat::Remote(_) => return None,
        };
        Some((seat.jid().clone(), node))
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

    /// Hands each of these sessions what was said behind what it has heard. Where that is too much it leaves.
    async fn catch_up(&mut self, mut marks: Marks) -> Result<()> {
        let newest = self.floor.heard();
        {
            let occupants = self.floor.occupants();
            let seats = occupants.iter().flat_map(|occupant| &occupant.seats);
            let here: BTreeSet<(Jid, NodeId)> = seats.filter_map(|seat| self.sits_at(seat)).collect();
            marks.retain(|at, heard| *heard < newest && here.contains(at));
        }
        let Some(oldest) = marks.values().min().copied() else { return Ok(()) };
        let archive = self.state()?.archive();
        let start = Some(ArchiveId(oldest.0.saturating_add(1)));
        let query = ArchiveQuery {
            start,
            end: Some(newest),
            ..ArchiveQuery::page(archive, PageFrom::End, MISSED_LIMIT)
        };
        let page = self.chat.store.archive_page(query).await?;
        if let Some(first) = page.items.first().filter(|_| !page.complete) {
            tracing::warn!(room = %self.jid, "too much was said meanwhile; some people have to enter anew");
            let behind = marks.extract_if(.., |_, heard| *heard < first.id);
            for ((session, _), _) in behind.collect::<Vec<_>>() {
                self.leave(&session, &joining::bare_leave(), vec![PUT_OUT]).await?;
            }
        }
        let occupants = self.floor.occupants();
        let seats = occupants.iter().flat_map(|occupant| &occupant.seats);
        let behind: Vec<(&Seat, ArchiveId)> =
            seats.filter_map(|seat| Some((seat, *marks.get(&self.sits_at(seat)?)?))).collect();
        let mut after = oldest;
        for message in &page.items {
            let place = Place { id: message.id, after };
            let Some(stanza) = self.as_said(message) else { continue };
            let seats = behind.iter().filter(|(_, heard)| *heard < message.id).map(|(seat, _)| *seat);
            super::telling::handed(
                &self.chat,
                &self.jid,
                seats,
                &Arc::new(Outgoing::for_many(stanza)),
                place,
            );
            after = message.id;
        }
        Ok(())
    }

    /// The sessions of a node that is gone leave.
    async fn node_left(&mut self, node: NodeId) -> Result<()> {
        let is_there = |seat: &&Seat| matches!(seat, Seat::Node(away) if away.node == node);
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
        if id <= self.floor.heard() {
            return Ok(());
        }
        let archive = self.state()?.archive();
        let found = self.chat.store.archived(archive, &[id]).await?;
        for stanza in found.iter().filter_map(|message| self.as_said(message)) {
            let stanza = Arc::new(Outgoing::for_many(stanza));
            let place = Place { id, after: self.floor.hears(id) };
            super::telling::shared(&self.chat, &self.floor.occupants(), &stanza, Some(place));
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

    /// Everybody in the room, as another node is told of them.
    pub(super) fn sitting(&self) -> Vec<Sitting> {
        let Some(cluster) = self.chat.cluster() else { return Vec::new() };
        let occupants = self.floor.occupants();
        let one = |occupant: &Occupant| Sitting {
            own: occupant.jid.clone(),
            affiliation: occupant.affiliation,
            role: occupant.role,
            heard: None,
            presence: occupant.presence.content().to_xml(),
            seats: occupant.seats.iter().map(|seat| cluster.seat_at(seat)).collect(),
        };
        occupants.iter().map(one).collect()
    }

    /// A node says who of its sessions are in the room: those who are missing are seated, and those leave who are no sessions any
    /// more.
    async fn seat_missing(&mut self, node: NodeId, sitting: Vec<Sitting>) -> Result<()> {
        let Some(cluster) = self.chat.cluster().cloned() else { return Ok(()) };
        if self.state.is_none() || (node != cluster.node() && !cluster.others().contains(&node)) {
            return Ok(());
        }
        let marks = marks(&sitting);
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
        self.catch_up(marks).await
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

    /// Every node has said who of its sessions is in a room that is awake here: if nobody is, nothing may keep it.
    pub(crate) async fn all_in_room_are_known(&self, room: &Jid) -> Result<()> {
        self.in_room(room, |room| Box::pin(room.end_if_deserted())).await?
    }

    /// Those of a node that is gone leave a room that is awake here.
    pub(crate) async fn node_left_room(&self, room: &Jid, node: NodeId) -> Result<()> {
        self.in_room(room, move |room| Box::pin(async move { room.node_left(node).await })).await?
    }

    /// Seats those of a node who are in a room that is awake here and did not know of them, and hands each what he has not heard.
    pub(crate) async fn seat_in_room(&self, room: &Jid, node: NodeId, sitting: Vec<Sitting>) -> Result<()> {
        self.in_room(room, move |room| Box::pin(async move { room.seat_missing(node, sitting).await }))
            .await?
    }
}

/// Up to where sessions have heard a room, each by its address and its node: another may have it at another node by now.
type Marks = BTreeMap<(Jid, NodeId), ArchiveId>;

/// The marks of those sessions whose own nodes have said so.
fn marks(sitting: &[Sitting]) -> Marks {
    let marks = sitting.iter().filter_map(|one| Some((one, one.heard?)));
    let seats = marks.flat_map(|(one, heard)| one.seats.iter().map(move |seat| (seat, heard)));
    let sessions = seats.filter_map(|(seat, heard)| match seat {
        SeatAt::Node(away) => Some(((away.jid.clone(), away.node), heard)),
        SeatAt::Remote(_) => None,
    });
    sessions.collect()
}
