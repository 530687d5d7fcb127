//! Coming to belong to rooms and ceasing to, looking at them and at who belongs to them, for people who do not enter.

use std::collections::HashSet;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;

use super::affiliation::Affiliation;
use super::configuration::Configuration;
use super::invitations::INVITED_LIMIT;
use super::moderation::{Change, Named, REASON_BYTES_LIMIT};
use super::news::Membership;
use super::role::Role;
use super::room::Room;
use super::store::{Affiliate, RoomId};
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rosters::Owner;
use crate::service::Service;
use crate::session::Session;

/// How many members one page holds at most.
pub const MEMBERS_PAGE_LIMIT: usize = 500;

/// How many public rooms are looked at for one page of those that hold a text.
pub const BROWSE_SCAN_LIMIT: usize = 2_000;

/// A room as somebody may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// Its identity.
    pub id: RoomId,
    /// Its address.
    pub room: Jid,
    /// How it is configured, without its password.
    pub configuration: Configuration,
    /// What it is about at the moment.
    pub subject: String,
    /// What the viewer is to it.
    pub affiliation: Affiliation,
    /// He may write.
    pub may_write: bool,
    /// He may bring others in.
    pub may_invite: bool,
    /// He may change what it is about.
    pub may_change_topic: bool,
    /// How many belong to it.
    pub members: usize,
    /// The hash of its picture.
    pub avatar: Option<String>,
}

/// Somebody who belongs to a room, or is banned from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// His address; where the viewer may not know it, his address in the room.
    pub address: Jid,
    /// What he is called.
    pub name: String,
    /// What he is to the room.
    pub affiliation: Affiliation,
    /// The nickname kept for him, or that he has in the room.
    pub nick: Option<String>,
    /// He is there.
    pub online: bool,
    /// Everything up to here has been seen by him.
    pub seen: ArchiveId,
}

/// A page of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersPage {
    /// In the order of their addresses.
    pub members: Vec<Member>,
    /// There are more behind them.
    pub more: bool,
}

/// Who has read a message, and who has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readers {
    /// Those who have.
    pub read: Vec<Member>,
    /// Those who have not.
    pub unread: Vec<Member>,
}

/// A page of rooms that can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomsPage {
    /// In the order of their addresses.
    pub rooms: Vec<RoomView>,
    /// There are more behind `last`.
    pub more: bool,
    /// The last one that was looked at.
    pub last: Option<Jid>,
}

/// Members as a room has them, with what it takes to show them.
struct Roll {
    affiliates: Vec<(Affiliate, bool)>,
    with_addresses: bool,
}

impl Room {
    /// Refuses whoever may not know that the room is there, as if it were not.
    fn seen_by_asker(&self, asker: &Jid) -> Result<()> {
        let standing = self.standing(asker)?;
        let state = self.visible_to(asker)?;
        let hidden = !state.configuration().public;
        let belongs = standing.affiliation >= Affiliation::Member || standing.role > Role::None;
        if standing.affiliation == Affiliation::Outcast || (hidden && !belongs) {
            return Err(Error::NotFound);
        }
        Ok(())
    }

    fn view(&self, asker: &Jid) -> Result<RoomView> {
        self.seen_by_asker(asker)?;
        let standing = self.standing(asker)?;
        let state = self.state()?;
        let configuration = state.configuration();
        let subject = self.subject(state);
        let subject = subject.child(ns::CLIENT, "subject");
        let writes = standing.role >= Role::Participant && !configuration.archived;
        Ok(RoomView {
            id: state.id(),
            room: self.jid.clone(),
            configuration: Configuration { password: String::new(), ..configuration.clone() },
            subject: subject.map(|subject| subject.text().into_owned()).unwrap_or_default(),
            affiliation: standing.affiliation,
            may_write: writes,
            may_invite: self.may_bring_in(standing.affiliation),
            may_change_topic: writes && (configuration.subject_by_anyone || standing.role == Role::Moderator),
            members: state.affiliates.values().filter(|one| one.affiliation >= Affiliation::Member).count(),
            avatar: state.avatar.first().cloned(),
        })
    }

    fn may_bring_in(&self, affiliation: Affiliation) -> bool {
        self.state().is_ok_and(|state| {
            let configuration = state.configuration();
            let members = configuration.members_invite || configuration.is_open();
            !configuration.archived
                && (affiliation >= Affiliation::Admin || (affiliation >= Affiliation::Member && members))
        })
    }

    async fn admit_member(&mut self, person: &Jid) -> Result<String> {
        let state = self.visible_to(person)?;
        let configuration = state.configuration();
        let name = configuration.name.clone();
        match state.affiliation(person) {
            Affiliation::Outcast if configuration.public => return Err(Error::Forbidden),
            Affiliation::Outcast => return Err(Error::NotFound),
            Affiliation::None => {}
            _ => return Ok(name),
        }
        if configuration.members_only {
            return Err(if configuration.public { Error::RegistrationRequired } else { Error::NotFound });
        }
        if configuration.password_protected {
            return Err(Error::NotAuthorized);
        }
        if configuration.archived {
            return Err(Error::NotAllowed);
        }
        self.affiliate(person, Affiliation::Member, None, None).await?;
        Ok(name)
    }

    async fn release_member(&mut self, person: &Jid) -> Result<()> {
        match self.state()?.affiliation(person) {
            // As if there were no such room.
            Affiliation::Outcast | Affiliation::None => Err(Error::NotFound),
            _ => self.affiliate(person, Affiliation::None, None, None).await,
        }
    }

    /// Brings people in; gives back those who could not be.
    async fn bring_in(&mut self, actor: &Jid, people: Vec<Jid>, reason: Option<String>) -> Result<Vec<Jid>> {
        self.seen_by_asker(actor)?;
        let standing = self.standing(actor)?;
        if !self.may_bring_in(standing.affiliation) {
            return Err(Error::Forbidden);
        }
        let mut refused = Vec::new();
        for person in people {
            let before = self.state()?.affiliation(&person);
            if before >= Affiliation::Member {
                continue;
            }
            let local = self.chat.is_local(person.domain());
            let profile = if local { self.chat.profile(&person).await? } else { None };
            let unknown = local && profile.is_none();
            let unwilling = profile.is_some_and(|profile| profile.blocks(actor) || profile.blocks(&self.jid));
            if before == Affiliation::Outcast || unknown || unwilling || person.local().is_none() {
                refused.push(person);
                continue;
            }
            self.enrol(actor, &person, reason.clone()).await?;
        }
        Ok(refused)
    }

    /// Makes somebody a member in another's name, and tells him.
    async fn enrol(&mut self, actor: &Jid, person: &Jid, reason: Option<String>) -> Result<()> {
        // In a members-only room becoming a member brings the invitation with it (section 9.5).
        let told = self.state()?.configuration().members_only;
        self.affiliate_as(Some(actor), person, Affiliation::Member, None, reason.clone()).await?;
        if told {
            return Ok(());
        }
        let openly = self.state()?.configuration().non_anonymous;
        let inviter = actor.to_bare();
        self.send_invitation(person, Some(&inviter).filter(|_| openly), reason.as_deref(), None).await
    }

    /// Those who belong to the room, for somebody who may know them.
    fn roll(&self, asker: &Jid) -> Result<Roll> {
        self.seen_by_asker(asker)?;
        let standing = self.standing(asker)?;
        let state = self.state()?;
        if standing.affiliation < Affiliation::Member && standing.role == Role::None {
            return Err(if state.configuration().public { Error::Forbidden } else { Error::NotFound });
        }
        let admin = standing.affiliation >= Affiliation::Admin;
        let with_addresses = state.configuration().non_anonymous || admin;
        let present: HashSet<Jid> =
            self.floor.occupants().iter().map(|occupant| occupant.bare.clone()).collect();
        let least = if admin { Affiliation::Outcast } else { Affiliation::Member };
        let mut affiliates: Vec<(Affiliate, bool)> = state
            .affiliates
            .values()
            .filter(|one| one.affiliation >= least)
            .map(|one| (one.clone(), present.contains(&one.jid)))
            .collect();
        affiliates.sort_by(|(one, _), (other, _)| one.jid.cmp(&other.jid));
        Ok(Roll { affiliates, with_addresses })
    }

    async fn set_affiliation_of(&mut self, actor: &Jid, person: Jid, to: Affiliation) -> Result<()> {
        self.seen_by_asker(actor)?;
        let reason = None;
        let change =
            Change { who: Named::Jid(person), role: None, affiliation: Some(to), nick: None, reason };
        self.change(actor, vec![change]).await
    }
}

impl Chat {
    /// A room as somebody may see it: `asker` is the full address of a session, so that one which attends counts as there.
    /// `NotFound` for whoever may not know of it.
    pub async fn room_view(&self, room: &Jid, asker: &Jid) -> Result<RoomView> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.view(&asker) })).await?
    }

    /// The person of a session belongs to a room from now on, and his other clients will enter it by themselves.
    /// `RegistrationRequired` where somebody has to let him in.
    pub async fn join_room(&self, session: &Session, room: &Jid) -> Result<()> {
        let owner = Owner::from(session);
        let person = owner.jid.clone();
        let name = self
            .in_room(room, move |room| Box::pin(async move { room.admit_member(&person).await }))
            .await??;
        self.bookmark_room(&owner, room, &name).await
    }

    /// The person of a session belongs to a room no longer. `Conflict` for its last owner, `NotFound` for whoever does not
    /// belong to it, whether there is such a room or not.
    pub async fn leave_room(&self, session: &Session, room: &Jid) -> Result<()> {
        let owner = Owner::from(session);
        let person = owner.jid.clone();
        let released = self
            .in_room(room, move |room| Box::pin(async move { room.release_member(&person).await }))
            .await?;
        match released {
            Ok(()) => self.forget_room(&owner, room).await.map(drop),
            // Of a room that is kept among the bookmarks alone there is only that to give up.
            Err(Error::NotFound) if self.forget_room(&owner, room).await? => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Brings people into a room: they belong to it at once, and are told by whom. Gives back those who could not be brought
    /// in: unknown, banned, or unwilling.
    pub async fn invite_to_room(
        &self,
        room: &Jid,
        actor: &Jid,
        people: Vec<Jid>,
        reason: Option<String>,
    ) -> Result<Vec<Jid>> {
        if people.len() > INVITED_LIMIT {
            return Err(Error::NotAcceptable("too many are invited at one time"));
        }
        if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_LIMIT) {
            return Err(Error::NotAcceptable("the reason is too long"));
        }
        let (actor, people) = (actor.clone(), people.iter().map(Jid::to_bare).collect());
        self.in_room(room, move |room| Box::pin(async move { room.bring_in(&actor, people, reason).await }))
            .await?
    }

    /// Makes somebody something else to a room, in another's name.
    pub async fn set_room_affiliation(
        &self,
        room: &Jid,
        actor: &Jid,
        person: &Jid,
        to: Affiliation,
    ) -> Result<()> {
        let (actor, person) = (actor.clone(), person.to_bare());
        self.in_room(room, move |room| {
            Box::pin(async move { room.set_affiliation_of(&actor, person, to).await })
        })
        .await?
    }

    /// A page of those who belong to a room, whose names or addresses hold a text, behind an address.
    pub async fn room_members(
        &self,
        room: &Jid,
        asker: &Jid,
        after: Option<&Jid>,
        limit: usize,
        text: &str,
    ) -> Result<MembersPage> {
        let (viewer, limit) = (asker.clone(), limit.clamp(1, MEMBERS_PAGE_LIMIT));
        let roll =
            self.look_into_room(room, move |room| Box::pin(async move { room.roll(&viewer) })).await??;
        let seen = self.seen_marks(room).await?;
        let text = text.trim().to_lowercase();
        let mut members = Vec::new();
        for (affiliate, present) in roll.affiliates {
            let mark = seen.get(&affiliate.jid).copied().unwrap_or(affiliate.seen);
            let Some(member) = self.as_member(room, affiliate, present, mark, roll.with_addresses).await?
            else {
                continue;
            };
            let holds = |part: &str| part.to_lowercase().contains(&text);
            let nick = member.nick.as_deref().unwrap_or_default();
            let wanted = holds(&member.name) || holds(member.address.as_str()) || holds(nick);
            if !wanted || after.is_some_and(|after| member.address <= *after) {
                continue;
            }
            if members.len() == limit {
                return Ok(MembersPage { members, more: true });
            }
            members.push(member);
        }
        Ok(MembersPage { members, more: false })
    }

    /// Who of a room has read up to a message of its archive, and who has not; whoever wrote it is in neither list.
    pub async fn room_readers(&self, room: &Jid, asker: &Jid, message: ArchiveId) -> Result<Readers> {
        let viewer = asker.clone();
        let (roll, archive) = self
            .look_into_room(room, move |room| {
                Box::pin(async move {
                    let roll = room.roll(&viewer)?;
                    Ok::<_, Error>((roll, room.state()?.archive()))
                })
            })
            .await??;
        let found = self.store.archived(archive, &[message]).await?;
        let author = found.first().ok_or(Error::NotFound)?.peer.to_bare();
        let seen = self.seen_marks(room).await?;
        let mut readers = Readers { read: Vec::new(), unread: Vec::new() };
        for (affiliate, present) in roll.affiliates {
            if affiliate.jid == author || affiliate.affiliation < Affiliation::Member {
                continue;
            }
            let mark = seen.get(&affiliate.jid).copied().unwrap_or(affiliate.seen);
            let member = self.as_member(room, affiliate, present, mark, roll.with_addresses).await?;
            let list = if mark >= message { &mut readers.read } else { &mut readers.unread };
            list.extend(member);
        }
        Ok(readers)
    }

    /// Public rooms of the viewer's domain whose name, description or address holds a text.
    pub async fn browse_rooms(
        &self,
        viewer: &Jid,
        text: &str,
        after: Option<&Jid>,
        limit: usize,
    ) -> Result<RoomsPage> {
        let service = Service::Rooms.address(viewer.domain());
        let text = text.trim().to_lowercase();
        let mut place = after.cloned();
        let (mut rooms, mut scanned) = (Vec::new(), 0);
        while scanned < BROWSE_SCAN_LIMIT {
            let page = self.public_rooms(&service, place.as_ref()).await?;
            if page.is_empty() {
                return Ok(RoomsPage { rooms, more: false, last: place });
            }
            scanned += page.len();
            for record in page {
                let configuration = &record.configuration;
                let local = record.jid.local().unwrap_or_default();
                let parts = [configuration.name.as_str(), configuration.description.as_str(), local];
                if parts.iter().any(|part| part.to_lowercase().contains(&text)) {
                    if rooms.len() == limit {
                        return Ok(RoomsPage { rooms, more: true, last: place });
                    }
                    match self.room_view(&record.jid, viewer).await {
                        Ok(view) => rooms.push(view),
                        // Banned, or gone since.
                        Err(Error::NotFound) => {}
                        Err(error) => return Err(error),
                    }
                }
                place = Some(record.jid);
            }
        }
        Ok(RoomsPage { rooms, more: true, last: place })
    }

    /// Somebody of a room as those see him who are told of a change.
    pub async fn room_member(&self, room: &Jid, change: &Membership) -> Result<Member> {
        let affiliate = Affiliate {
            jid: change.person.clone(),
            affiliation: change.affiliation,
            nick: change.nick.clone(),
            reason: None,
            seen: ArchiveId::default(),
        };
        self.as_member(room, affiliate, false, ArchiveId::default(), true).await?.ok_or(Error::NotFound)
    }

    /// How far each has seen a room, as it is kept.
    async fn seen_marks(&self, room: &Jid) -> Result<std::collections::HashMap<Jid, ArchiveId>> {
        let record = self.store.room(&room.to_bare()).await?.ok_or(Error::NotFound)?;
        let affiliates = self.store.affiliates(record.id).await?;
        Ok(affiliates.into_iter().map(|one| (one.jid, one.seen)).collect())
    }

    /// Somebody of a room as others see him; `None` where he has no name that they may know.
    async fn as_member(
        &self,
        room: &Jid,
        affiliate: Affiliate,
        present: bool,
        seen: ArchiveId,
        with_address: bool,
    ) -> Result<Option<Member>> {
        let Affiliate { jid, affiliation, nick, .. } = affiliate;
        let online = present || self.is_online(&jid);
        if !with_address {
            let Some(address) = nick.as_deref().and_then(|nick| room.with_resource(nick).ok()) else {
                return Ok(None);
            };
            let name = nick.clone().unwrap_or_default();
            return Ok(Some(Member { address, name, affiliation, nick, online, seen }));
        }
        let name = self.name_of(&jid).await?.or_else(|| nick.clone());
        let name = name.unwrap_or_else(|| jid.local().unwrap_or(jid.domain()).to_owned());
        Ok(Some(Member { address: jid, name, affiliation, nick, online, seen }))
    }
}
