//! Belonging to a room without being in it: who does, what he may, under which name he speaks, and when that ends.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;

use super::affiliation::Affiliation;
use super::messages::Speaker;
use super::news::{Membership, RoomEvent};
use super::nicknames::{check_nick, tidy_nick};
use super::occupants::Seat;
use super::role::Role;
use super::room::Room;
use super::store::{Affiliate, Belonging, RoomChange, RoomId};
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::cluster::Away;
use crate::cluster::rooms::{Audience, News, RoomEventFrame};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::rosters::Owner;
use crate::session::Session;

/// How often the list of somebody's rooms is read again because it changed meanwhile.
const READING_ATTEMPTS: usize = 20;

/// How many numbers are tried behind a name that others have.
const NICK_ATTEMPTS: usize = 50;

impl Room {
    /// The role that a client has which belongs to the room and is not in it.
    pub(super) fn absent_role(&self, asker: &Jid) -> Result<Role> {
        let state = self.state()?;
        let session =
            Some(asker).filter(|asker| asker.is_full()).and_then(|jid| self.chat.sessions.find(jid));
        Ok(match session {
            Some(session) if self.has_member(&session) => {
                state.configuration().role_of(state.affiliation(&session.bare))
            }
            _ => Role::None,
        })
    }

    /// Whether a session is one of those that belong to the room without being in it.
    fn has_member(&self, session: &Session) -> bool {
        let Ok(state) = self.state() else { return false };
        session.attends()
            && match state.affiliation(&session.bare) {
                Affiliation::Outcast => false,
                Affiliation::None => self.floor.listeners.has(session),
                _ => !state.record.locked || state.affiliation(&session.bare) == Affiliation::Owner,
            }
    }

    /// Who speaks from a seat: somebody in the room, or one who belongs to it.
    pub(super) async fn speaker_or_member(&mut self, seat: &Seat) -> Result<Speaker> {
        match (self.speaker(seat), seat) {
            (Err(Error::NotAcceptable(_)), Seat::Local(session)) if session.attends() => {
                self.absent_speaker(&session.jid).await
            }
            (Err(Error::NotAcceptable(_)), Seat::Node(away)) if away.attends => {
                self.speaker_from_elsewhere(away).await
            }
            (speaker, _) => speaker,
        }
    }

    /// Somebody who belongs to the room and is not in it, as the room knows him: as his other clients that are in it, if
    /// there are any.
    pub(super) async fn absent_speaker(&mut self, jid: &Jid) -> Result<Speaker> {
        const STRANGER: Error = Error::NotAcceptable("you do not belong to the room");
        let session = self.chat.sessions.find(jid).ok_or(STRANGER)?;
        if !self.has_member(&session) {
            return Err(STRANGER);
        }
        self.member_speaker(jid).await
    }

    /// The same for one whose session is at another node, which says that it attends.
    async fn speaker_from_elsewhere(&mut self, away: &Away) -> Result<Speaker> {
        let state = self.state()?;
        let may = match state.affiliation(&away.jid.to_bare()) {
            Affiliation::Outcast => false,
            Affiliation::None => away.listens,
            affiliation => !state.record.locked || affiliation == Affiliation::Owner,
        };
        if !may {
            return Err(Error::NotAcceptable("you do not belong to the room"));
        }
        self.member_speaker(&away.jid).await
    }

    async fn member_speaker(&mut self, jid: &Jid) -> Result<Speaker> {
        let bare = jid.to_bare();
        let present = {
            let occupants = self.floor.occupants();
            let own = occupants.iter().filter(|occupant| occupant.bare == bare);
            own.max_by_key(|own| own.role).map(|own| Speaker {
                own: own.jid.clone(),
                real: jid.clone(),
                role: own.role,
                id: own.shown_id().into(),
            })
        };
        if let Some(present) = present {
            return Ok(present);
        }
        let nick = self.absent_nick(&bare).await?;
        let own = self.jid.with_resource(&nick).map_err(|_| Error::JidMalformed)?;
        let state = self.state()?;
        let role = state.configuration().role_of(state.affiliation(&bare));
        let id = state.shown_occupant_id(&bare);
        Ok(Speaker { own, real: jid.clone(), role, id })
    }

    /// The nickname of somebody who is not in the room: the one kept for him. For a member without one, one is kept from now
    /// on, so that he has the same whenever he speaks and nobody else takes it.
    async fn absent_nick(&mut self, person: &Jid) -> Result<String> {
        let known = self.state()?.affiliates.get(person).cloned();
        let kept = known.as_ref().and_then(|known| known.nick.clone());
        if let Some(kept) = kept.filter(|nick| self.is_free(nick, person)) {
            return Ok(kept);
        }
        let account = self.chat.store.account(person).await?.ok_or(Error::Forbidden)?;
        let nick = self.free_nick(person, account.name.as_deref())?;
        if let Some(known) = known.filter(|known| known.nick.is_none()) {
            let affiliate = Affiliate { nick: Some(nick.clone()), ..known };
            self.keep(RoomChange::Affiliates(vec![affiliate.clone()])).await?;
            self.state_mut()?.keep(affiliate);
        }
        Ok(nick)
    }

    /// Whether nobody but this person has a nickname, or one that looks like it.
    fn is_free(&self, nick: &str, person: &Jid) -> bool {
        let reserved = self.state.as_ref().is_some_and(|state| state.is_reserved_from(nick, person));
        !reserved && self.floor.occupants().claimed(nick).is_none_or(|other| other.bare == *person)
    }

    /// A nickname for somebody that nobody else has: his name, or the first part of his address, with a number if need be.
    pub(super) fn free_nick(&self, person: &Jid, name: Option<&str>) -> Result<String> {
        let names: Vec<String> = name.into_iter().chain(person.local()).map(tidy_nick).collect();
        let usable = |nick: &str| check_nick(nick).is_ok() && self.jid.with_resource(nick).is_ok();
        for name in names.iter().filter(|name| usable(name)) {
            let numbered = (2..=NICK_ATTEMPTS).map(|number| format!("{name} {number}"));
            let mut wanted = std::iter::once(name.clone()).chain(numbered);
            if let Some(free) = wanted.find(|nick| usable(nick) && self.is_free(nick, person)) {
                return Ok(free);
            }
        }
        let token = self.chat.token();
        let nick = tidy_nick(&token[..token.len().min(12)]);
        if usable(&nick) { Ok(nick) } else { Err(Error::Conflict) }
    }

    /// People are something else to the room than before, which has been written down: who hears it follows.
    pub(super) fn belongs_otherwise(&self, changes: &[(Affiliate, Affiliation)], by: Option<Jid>) {
        let Ok(state) = self.state() else { return };
        for (affiliate, _) in changes {
            self.chat.rooms.listening.changed_for(&affiliate.jid);
        }
        let openly = state.configuration().non_anonymous;
        for (affiliate, before) in changes {
            let (person, after) = (&affiliate.jid, affiliate.affiliation);
            if after >= Affiliation::Member && *before < Affiliation::Member {
                let by = by.clone().filter(|by| openly && by != person);
                self.begin_to_belong(state.id(), affiliate, by);
            } else if after >= Affiliation::Member {
                self.floor.listeners.rank(person, after >= Affiliation::Admin);
                self.tell_person(person, after, RoomEvent::Changed(self.jid.clone()));
            }
        }
        let fallen = |person: &Jid| {
            let is = |jid: &Jid| changes.iter().any(|(affiliate, _)| affiliate.jid == *jid);
            state.affiliation(person) < Affiliation::Member && (is(person) || is(&person.to_domain()))
        };
        self.dismiss(state.id(), |person| !fallen(person));
        let changes = changes.iter().map(|(affiliate, _)| Membership {
            person: affiliate.jid.clone(),
            affiliation: affiliate.affiliation,
            nick: affiliate.nick.clone(),
        });
        let event = RoomEvent::Members { room: self.jid.clone(), changes: changes.collect() };
        if openly {
            self.tell_listeners(event);
        } else {
            self.tell_others(Audience::Ranked, &event);
            self.floor.listeners.tell_ranked(event);
        }
    }

    /// Tells those who hear the room without being in it.
    pub(super) fn tell_listeners(&self, event: RoomEvent) {
        self.tell_others(Audience::Listeners, &event);
        self.floor.listeners.tell(event);
    }

    /// Tells those at other nodes.
    fn tell_others(&self, audience: Audience, event: &RoomEvent) {
        if let (Ok(state), Some(cluster), Some(event)) =
            (self.state(), self.chat.cluster(), RoomEventFrame::of(event))
        {
            cluster.tell_room(&self.jid, News::Told { archive: state.archive(), audience, event });
        }
    }

    fn begin_to_belong(&self, id: RoomId, affiliate: &Affiliate, by: Option<Jid>) {
        let ranked = affiliate.affiliation >= Affiliation::Admin;
        let sessions = self.chat.sessions.of(&affiliate.jid);
        for session in sessions.iter().filter(|session| session.attends()) {
            self.chat.rooms.listening.add(session, id, ranked);
        }
        let (room, reason) = (self.jid.clone(), affiliate.reason.clone());
        self.tell_person(&affiliate.jid, affiliate.affiliation, RoomEvent::Belongs { room, by, reason });
    }

    /// Tells the attending sessions of one person.
    fn tell_person(&self, person: &Jid, affiliation: Affiliation, event: RoomEvent) {
        self.tell_others(Audience::Person(person.clone(), affiliation), &event);
        let event = Arc::new(event);
        let sessions = self.chat.sessions.of(person);
        for session in sessions.iter().filter(|session| session.attends()) {
            session.push(Event::Room(Arc::clone(&event)));
        }
    }

    /// Takes those off the list who may not hear the room any more, and tells them.
    fn dismiss(&self, id: RoomId, stays: impl Fn(&Jid) -> bool) {
        self.tell_others(Audience::Recheck, &RoomEvent::Left(self.jid.clone()));
        let left = Arc::new(RoomEvent::Left(self.jid.clone()));
        for session in self.floor.listeners.retain(stays) {
            session.remove_listens_to(id);
            session.push(Event::Room(Arc::clone(&left)));
        }
    }

    /// Whoever likes may not enter any more: strangers who listened do so no longer.
    pub(super) fn close_to_strangers(&self) {
        let Ok(state) = self.state() else { return };
        self.chat.rooms.listening.changed_for_all();
        self.dismiss(state.id(), |person| state.affiliation(person) >= Affiliation::Member);
    }

    /// The room has ended, and is gone from the store.
    pub(super) fn ended(&mut self) {
        let Some(state) = &self.state else { return };
        let id = state.id();
        for person in state.affiliates.keys() {
            self.chat.rooms.listening.changed_for(person);
        }
        self.dismiss(id, |_| false);
        self.state = None;
        // Another one may be made at this address, which has another list.
        self.floor = Arc::default();
        self.chat.rooms.listening.asleep(id);
    }
}

impl Chat {
    /// Tells those who hear a room without being in it.
    pub(crate) async fn tell_listeners(&self, room: &Jid, event: RoomEvent) -> Result<()> {
        if let (Some(cluster), Some(frame)) = (self.cluster(), RoomEventFrame::of(&event)) {
            // Those who hear it without being in it are known at every node.
            let record = self.store.room(&room.to_bare()).await?.ok_or(Error::NotFound)?;
            let (archive, audience) = (record.id.archive(), Audience::Listeners);
            cluster.tell_room(room, News::Told { archive, audience, event: frame });
            self.rooms.listening.of(record.id).tell(event);
            return Ok(());
        }
        let tell = |room: &mut Room| room.floor.listeners.tell(event);
        self.in_room_at_once(room, move |room| Box::pin(async move { tell(room) })).await
    }

    /// Has a session hear everything that is said in the rooms of its person, from here on, without entering them, and
    /// write there. It goes on until the session ends; as its person begins or ceases to belong to rooms, it follows.
    pub async fn attend(&self, session: &Arc<Session>) -> Result<()> {
        session.set_listens_to(session.listens_to());
        let owner = Owner::from(&**session);
        for _ in 0..READING_ATTEMPTS {
            let before = self.rooms.listening.changes(&owner.jid);
            let rooms = self.belongings(&owner).await?;
            let rooms: Vec<(RoomId, Affiliation)> =
                rooms.into_iter().map(|room| (room.id, room.affiliation)).collect();
            self.rooms.listening.set(session, &rooms);
            if self.rooms.listening.changes(&owner.jid) == before {
                return Ok(());
            }
        }
        // What was read may be out of date, and nobody hears what he may not.
        self.rooms.listening.set(session, &[]);
        Err(Error::Wait)
    }

    /// The rooms of this installation that an account belongs to, in the order of their addresses: those it is a member of,
    /// and open ones that it keeps among its bookmarks to enter by itself.
    pub async fn belongings(&self, owner: &Owner) -> Result<Vec<Belonging>> {
        let own = self.store.affiliations_of(&owner.jid).await?;
        let followed = self.bookmarked_rooms(owner).await?;
        let known = |room: &Jid| own.iter().any(|one| one.room == *room);
        let followed: Vec<Jid> = followed.into_iter().filter(|room| !known(room)).collect();
        let mut rooms: Vec<Belonging> =
            own.into_iter().filter(|one| one.affiliation >= Affiliation::Member).collect();
        if followed.is_empty() {
            return Ok(rooms);
        }
        let barred = self.store.affiliations_of(&owner.jid.to_domain()).await?;
        for room in followed {
            let Some(record) = self.store.room(&room).await? else { continue };
            if record.configuration.is_open()
                && !record.locked
                && !barred.iter().any(|one| one.id == record.id)
            {
                rooms.push(Belonging {
                    id: record.id,
                    room,
                    affiliation: Affiliation::None,
                    nick: None,
                    seen: ArchiveId::default(),
                });
            }
        }
        rooms.sort_by(|one, other| one.room.cmp(&other.room));
        Ok(rooms)
    }

    /// An account has other bookmarks than before: its sessions hear the rooms that follow from them.
    pub(crate) async fn listen_to_bookmarked(&self, owner: &Owner) -> Result<()> {
        for session in self.sessions.of(&owner.jid).iter().filter(|session| session.attends()) {
            let before = session.listens_to();
            self.attend(session).await?;
            let after = session.listens_to();
            if before == after {
                continue;
            }
            for room in self.belongings(owner).await?.iter().filter(|room| !before.contains(&room.id)) {
                let event = RoomEvent::Belongs { room: room.room.clone(), by: None, reason: None };
                session.push(Event::Room(Arc::new(event)));
            }
            for id in before.iter().filter(|id| !after.contains(id)) {
                if let Some(record) = self.store.room_of(*id).await? {
                    session.push(Event::Room(Arc::new(RoomEvent::Left(record.jid))));
                }
            }
        }
        Ok(())
    }
}
