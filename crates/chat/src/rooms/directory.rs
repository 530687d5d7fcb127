//! Finding rooms and learning about them, each as far as he may (XEP-0045 sections 6.3 to 6.5), and reading their
//! archives (XEP-0313 section 6.2).

use waxwing_xmpp::jid::Jid;

use super::affiliation::Affiliation;
use super::configuration::Configuration;
use super::role::Role;
use super::room::{Room, State};
use super::store::{RoomFilter, RoomRecord};
use crate::archive::{ArchiveBounds, ArchivePage};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::history::HistoryQuery;
use crate::rosters::Owner;

/// How many rooms one answer lists.
pub const ROOMS_PAGE: usize = 100;

/// What is told about a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// How it is configured.
    pub configuration: Configuration,
    /// How many are in it.
    pub occupants: usize,
    /// What it is about at the moment.
    pub subject: String,
    /// Whether the asker may change that.
    pub subject_modifiable: bool,
    /// Its owners, where nobody is anonymous.
    pub owners: Vec<Jid>,
    /// The hashes of the pictures in its vCard (XEP-0486).
    pub avatar: Vec<String>,
    /// What tells that its hats are others than before (XEP-0317); none without hats.
    pub hats: Option<String>,
}

/// What one may read in a room's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPage {
    /// The messages.
    pub page: ArchivePage,
    /// The reader may know who really said each.
    pub with_addresses: bool,
}

impl Room {
    fn about(&self, asker: &Jid) -> Result<About> {
        let state = self.visible_to(asker)?;
        if state.affiliation(&asker.to_bare()) == Affiliation::Outcast {
            return Err(Error::Forbidden);
        }
        let standing = self.standing(asker)?;
        let subject = self.subject(state);
        let subject = subject.child(waxwing_xmpp::ns::CLIENT, "subject");
        Ok(About {
            configuration: Configuration { password: String::new(), ..state.configuration().clone() },
            occupants: self.floor.occupants().len(),
            subject: subject.map(|subject| subject.text().into_owned()).unwrap_or_default(),
            owners: if state.configuration().non_anonymous { self.owners(state) } else { Vec::new() },
            avatar: state.avatar.clone(),
            hats: state.hats.hash(),
            subject_modifiable: state.configuration().subject_by_anyone || standing.role == Role::Moderator,
        })
    }

    fn owners(&self, state: &State) -> Vec<Jid> {
        let owners = state.affiliates.values().filter(|one| one.affiliation == Affiliation::Owner);
        let mut owners: Vec<Jid> = owners.map(|one| one.jid.clone()).collect();
        owners.sort();
        owners
    }

    /// Who is in the room, for those who are in it or belong to it; for all others nobody (section 6.5).
    fn nicknames(&self, asker: &Jid) -> Result<Vec<Jid>> {
        let standing = self.standing(asker)?;
        self.visible_to(asker)?;
        if standing.role == Role::None && standing.affiliation < Affiliation::Member {
            return Ok(Vec::new());
        }
        let occupants = self.floor.occupants();
        Ok(occupants.iter().map(|occupant| occupant.jid.clone()).collect())
    }

    /// Whose archive this is, if somebody may read it: who could enter (XEP-0313 section 6.2).
    fn readable(&self, asker: &Jid) -> Result<(Owner, bool)> {
        let standing = self.standing(asker)?;
        let state = self.visible_to(asker)?;
        let configuration = state.configuration();
        let belongs = standing.affiliation >= Affiliation::Member;
        let closed = configuration.members_only || configuration.password_protected;
        if standing.affiliation == Affiliation::Outcast || (closed && !belongs && standing.role == Role::None)
        {
            return Err(Error::Forbidden);
        }
        let with_addresses = configuration.non_anonymous
            || standing.role == Role::Moderator
            || standing.affiliation >= Affiliation::Admin;
        Ok((Owner { account: state.archive(), jid: self.jid.clone() }, with_addresses))
    }
}

impl Chat {
    /// Rooms of a service that can be found, in the order of their addresses, beginning behind `after`.
    pub async fn public_rooms(&self, service: &str, after: Option<&Jid>) -> Result<Vec<RoomRecord>> {
        Ok(self.store.rooms(RoomFilter::Public(service.to_owned()), after, ROOMS_PAGE).await?)
    }

    /// How many are in a room, without waking it.
    pub async fn occupants_of(&self, room: &Jid) -> usize {
        if !self.rooms.is_awake(room) && self.cluster().is_none() {
            return 0;
        }
        let count = |room: &mut Room| room.floor.occupants().len();
        self.look_into_room_at_once(room, move |room| Box::pin(async move { count(room) })).await.unwrap_or(0)
    }

    /// What somebody may know about a room.
    pub async fn about_room(&self, room: &Jid, asker: &Jid) -> Result<About> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.about(&asker) })).await?
    }

    /// The occupants of a room that somebody may know.
    pub async fn room_nicknames(&self, room: &Jid, asker: &Jid) -> Result<Vec<Jid>> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.nicknames(&asker) })).await?
    }

    /// Whose archive a room's is, if somebody may read it, and whether he may know who really said what.
    pub(crate) async fn readable_room(&self, room: &Jid, asker: &Jid) -> Result<(Owner, bool)> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.readable(&asker) })).await?
    }

    /// A page of a room's archive. To ask for what one person said takes the right to know who said what.
    pub async fn room_history(&self, room: &Jid, asker: &Jid, query: HistoryQuery) -> Result<RoomPage> {
        let (owner, with_addresses) = self.readable_room(room, asker).await?;
        if query.with.is_some() && !with_addresses {
            return Err(Error::Forbidden);
        }
        let page = self.history(&owner, query).await?;
        Ok(RoomPage { page, with_addresses })
    }

    /// The first and last message of a room's archive.
    pub async fn room_history_bounds(&self, room: &Jid, asker: &Jid) -> Result<Option<ArchiveBounds>> {
        let (owner, _) = self.readable_room(room, asker).await?;
        self.history_bounds(&owner).await
    }
}
