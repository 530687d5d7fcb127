//! The rooms of the `Store` in memory, for tests.

use std::collections::BTreeMap;

use async_trait::async_trait;
use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::archive::{ArchiveId, Fence};
use crate::memory_store::{MemoryStore, Tables};
use crate::rooms::affiliation::Affiliation;
use crate::rooms::store::{Affiliate, Belonging, RoomChange, RoomFilter, RoomId, RoomRecord, RoomStore};
use crate::store::{DocumentKind, StoreError, StoreResult};

#[derive(Debug, Default)]
pub(crate) struct RoomTables {
    last: i64,
    rooms: BTreeMap<Jid, RoomRecord>,
    affiliates: BTreeMap<(RoomId, Jid), Affiliate>,
}

impl RoomTables {
    fn by_id(&mut self, id: RoomId) -> StoreResult<&mut RoomRecord> {
        self.rooms.values_mut().find(|room| room.id == id).ok_or(StoreError::NotFound)
    }

    fn put_affiliates(&mut self, id: RoomId, affiliates: Vec<Affiliate>) {
        for affiliate in affiliates {
            let key = (id, affiliate.jid.clone());
            if affiliate.affiliation == Affiliation::None {
                self.affiliates.remove(&key);
            } else {
                let seen = self.affiliates.get(&key).map_or(affiliate.seen, |known| known.seen);
                self.affiliates.insert(key, Affiliate { seen, ..affiliate });
            }
        }
    }

    /// Whether a room has this archive.
    pub(crate) fn has_archive(&self, owner: AccountId) -> bool {
        self.rooms.values().any(|room| room.id.archive() == owner)
    }

    fn matches(&self, room: &RoomRecord, filter: &RoomFilter) -> bool {
        match filter {
            RoomFilter::All => true,
            RoomFilter::Public(service) => {
                room.jid.domain() == service && room.configuration.is_listed() && !room.locked
            }
            RoomFilter::Of(jid) => self
                .affiliates
                .get(&(room.id, jid.clone()))
                .is_some_and(|affiliate| affiliate.affiliation > Affiliation::None),
            RoomFilter::Passing => room.locked || !room.configuration.persistent,
        }
    }
}

impl Tables {
    pub(crate) fn put_document(
        &mut self,
        owner: AccountId,
        kind: DocumentKind,
        key: &str,
        content: Option<String>,
    ) {
        let key = (owner, kind, key.to_owned());
        match content {
            Some(content) => self.documents.insert(key, content),
            None => self.documents.remove(&key),
        };
    }

    /// Puts other content in the place of a message of an owner's archive.
    pub(crate) fn replace(&mut self, owner: AccountId, id: ArchiveId, xml: Vec<u8>) -> StoreResult<()> {
        let message = self.messages.get_mut(&id).ok_or(StoreError::NotFound)?;
        if !message.copies.iter().any(|copy| copy.owner == owner && copy.kept) {
            return Err(StoreError::NotFound);
        }
        (message.xml, message.text) = (xml, None);
        Ok(())
    }
}

#[async_trait]
impl RoomStore for MemoryStore {
    async fn create_room(&self, room: RoomRecord, owner: Affiliate) -> StoreResult<RoomId> {
        let mut tables = self.tables()?;
        let rooms = &mut tables.rooms;
        if rooms.rooms.contains_key(&room.jid) {
            return Err(StoreError::Conflict);
        }
        rooms.last += 1;
        let id = RoomId(rooms.last);
        rooms.affiliates.insert((id, owner.jid.clone()), owner);
        rooms.rooms.insert(room.jid.clone(), RoomRecord { id, ..room });
        Ok(id)
    }

    async fn room(&self, jid: &Jid) -> StoreResult<Option<RoomRecord>> {
        Ok(self.tables()?.rooms.rooms.get(jid).cloned())
    }

    async fn room_of(&self, id: RoomId) -> StoreResult<Option<RoomRecord>> {
        Ok(self.tables()?.rooms.rooms.values().find(|room| room.id == id).cloned())
    }

    async fn rooms(
        &self,
        filter: RoomFilter,
        after: Option<&Jid>,
        limit: usize,
    ) -> StoreResult<Vec<RoomRecord>> {
        let tables = self.tables()?;
        let all = tables.rooms.rooms.values();
        let found = all.filter(|room| after.is_none_or(|after| room.jid > *after));
        let found = found.filter(|room| tables.rooms.matches(room, &filter));
        Ok(found.take(limit).cloned().collect())
    }

    async fn rooms_created_by(&self, creator: &Jid) -> StoreResult<usize> {
        Ok(self.tables()?.rooms.rooms.values().filter(|room| room.creator == *creator).count())
    }

    async fn change_room(&self, id: RoomId, change: RoomChange, fence: Option<Fence>) -> StoreResult<()> {
        let mut tables = self.tables()?;
        self.must_hold(fence.as_ref())?;
        let room = tables.rooms.by_id(id)?;
        match change {
            RoomChange::Configuration(configuration) => {
                room.configuration = configuration;
                room.locked = false;
            }
            RoomChange::Subject(subject) => room.subject = Some(subject),
            RoomChange::Affiliates(affiliates) => tables.rooms.put_affiliates(id, affiliates),
            RoomChange::Document(kind, key, content) => tables.put_document(id.archive(), kind, key, content),
        }
        Ok(())
    }

    async fn delete_room(&self, id: RoomId, fence: Option<Fence>) -> StoreResult<()> {
        let mut tables = self.tables()?;
        self.must_hold(fence.as_ref())?;
        let jid = tables.rooms.by_id(id)?.jid.clone();
        tables.rooms.rooms.remove(&jid);
        tables.rooms.affiliates.retain(|(room, _), _| *room != id);
        tables.erase(id.archive());
        tables.documents.retain(|(owner, ..), _| *owner != id.archive());
        Ok(())
    }

    async fn affiliates(&self, id: RoomId) -> StoreResult<Vec<Affiliate>> {
        let tables = self.tables()?;
        let all = tables.rooms.affiliates.iter().filter(|((room, _), _)| *room == id);
        Ok(all.map(|(_, affiliate)| affiliate.clone()).collect())
    }

    async fn affiliations_of(&self, jid: &Jid) -> StoreResult<Vec<Belonging>> {
        let tables = self.tables()?;
        let rooms = tables.rooms.rooms.values();
        let found = rooms.filter_map(|room| {
            let own = tables.rooms.affiliates.get(&(room.id, jid.clone()))?;
            Some(Belonging {
                id: room.id,
                room: room.jid.clone(),
                affiliation: own.affiliation,
                nick: own.nick.clone(),
                seen: own.seen,
            })
        });
        Ok(found.collect())
    }

    async fn set_seen(&self, id: RoomId, jid: &Jid, seen: ArchiveId) -> StoreResult<()> {
        let mut tables = self.tables()?;
        if let Some(affiliate) = tables.rooms.affiliates.get_mut(&(id, jid.clone())) {
            affiliate.seen = affiliate.seen.max(seen);
        }
        Ok(())
    }

    async fn replace_archived(&self, owner: AccountId, id: ArchiveId, xml: Vec<u8>) -> StoreResult<()> {
        self.tables()?.replace(owner, id, xml)
    }
}
