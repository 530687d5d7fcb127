//! What changed behind a position, for a client that comes back: messages of people and rooms, and what the account keeps in
//! step, in one order and page by page.
//!
//! The cost goes by what changed. A room in which nothing was said since costs a look at a number in memory; the archives of
//! the others are read in small pieces, and a page ends where the first of them was not read any further.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use waxwing_xmpp::jid::Jid;

use super::folding::{MessageView, hint};
use super::reading::{Reading, Said, fitting, is_shown};
use crate::account::AccountId;
use crate::archive::{ArchiveId, ArchiveQuery, PageFrom};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::history::PAGE_BYTES_LIMIT;
use crate::labels;
use crate::rosters::Owner;
use crate::session::Session;
use crate::state::StateItem;

/// About how many changes a page has.
pub const CHANGES_PAGE: usize = 500;

/// How many are read of one archive at least, however many have changed.
const PIECE: usize = 20;

/// Up to how long ago, in milliseconds, changes are told; whoever was away for longer reads everything anew. What is removed is
/// remembered for as long.
pub const CHANGES_KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// Something that changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// A message is new, or otherwise than before.
    Message(Box<MessageView>),
    /// The account keeps something otherwise.
    State(StateItem),
    /// A message of a room was pinned, or is not any more; the key under which that is kept.
    Pinned(String),
}

/// What changed.
#[derive(Debug, Clone)]
pub struct Changes {
    /// In order, each with its position.
    pub changes: Vec<(ArchiveId, Change)>,
    /// Everything up to here has been told.
    pub version: ArchiveId,
    /// There is more behind it.
    pub more: bool,
    /// The position cannot be told from: everything has to be read anew.
    pub reset: bool,
}

/// The newest message of each room's archive that anybody asked for, so that rooms in which nothing happened are not read.
#[derive(Debug, Default)]
pub(crate) struct NewestInRooms(Mutex<HashMap<AccountId, ArchiveId>>);

impl NewestInRooms {
    /// Notes a message that was committed.
    pub(crate) fn note(&self, archive: AccountId, id: ArchiveId) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = newest.entry(archive).or_default();
        *known = id.max(*known);
    }

    fn get(&self, archive: AccountId) -> Option<ArchiveId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&archive).copied()
    }
}

/// How far before the position that a client names changes are told once more where there are several nodes, in milliseconds: longer
/// than a frame is on its way, or a lost node is not missed.
const OVERLAP_MS: u64 = 60_000;

/// A piece of an archive behind a position.
struct Piece {
    reading: Reading,
    said: Vec<Said>,
    /// What was pinned in a room.
    pins: Vec<StateItem>,
    /// Up to where it was read; all of it if that is behind the end.
    read_to: ArchiveId,
}

impl Chat {
    /// A position that everything which was committed is at or below, and nothing will be that is committed from now on. It
    /// is not much older than now, so that changes behind it can be told even where nothing happens for months.
    pub fn version(&self) -> ArchiveId {
        let recent = ArchiveId::at_ms(self.now_ms().saturating_sub(CHANGES_KEPT_MS / 2));
        self.store.position().max(recent)
    }

    /// What changed for an account behind a position, up to now.
    pub async fn changes(&self, session: &Session, since: ArchiveId) -> Result<Changes> {
        let until = self.version();
        // What nodes commit is told in an order of each node's own: a little before what was told may be what was not.
        let since = match self.cluster() {
            Some(_) => ArchiveId(since.0.saturating_sub(ArchiveId::at_ms(OVERLAP_MS).0)),
            None => since,
        };
        let oldest = ArchiveId::at_ms(self.now_ms().saturating_sub(CHANGES_KEPT_MS));
        if since > until || since < oldest {
            return Ok(Changes { changes: Vec::new(), version: until, more: false, reset: true });
        }
        let owner = Owner::from(session);
        let mut readings = vec![self.reading_all(session)];
        for belonging in self.belongings(&owner).await? {
            if self.newest_in_room(belonging.id.archive()).await? <= since {
                continue;
            }
            match self.reading(session, &belonging.room).await {
                Ok(reading) => readings.push(reading),
                Err(Error::NotFound | Error::Forbidden) => {}
                Err(error) => return Err(error),
            }
        }
        let piece = (CHANGES_PAGE / readings.len()).max(PIECE);
        let bytes = PAGE_BYTES_LIMIT / readings.len();
        let mut pieces = Vec::with_capacity(readings.len());
        for reading in readings {
            pieces.push(self.piece(reading, (since, until), (piece, bytes)).await?);
        }
        let state = self.store.state_since(owner.account, since, piece).await?;
        let state_to =
            if state.len() < piece { until } else { state.last().map_or(until, |last| last.position) };
        let to = pieces.iter().map(|piece| piece.read_to).chain([state_to, until]).min().unwrap_or(until);
        let mut changes = Vec::new();
        for Piece { reading, said, pins, .. } in pieces {
            let pins = pins.into_iter().filter(|pin| pin.position <= to);
            changes.extend(pins.map(|pin| (pin.position, Change::Pinned(pin.key))));
            let said = said.into_iter().filter(|said| said.id <= to).collect();
            changes.extend(self.changed_messages(&reading, said).await?);
        }
        let state = state.into_iter().filter(|item| item.position <= to);
        changes.extend(state.map(|item| (item.position, Change::State(item))));
        changes.sort_by_key(|(at, _)| *at);
        Ok(Changes { changes, version: to, more: to < until, reset: false })
    }

    async fn newest_in_room(&self, archive: AccountId) -> Result<ArchiveId> {
        if let Some(known) = self.rooms.newest.get(archive) {
            return Ok(known);
        }
        let last = self.store.archive_bounds(archive).await?.map(|bounds| bounds.last).unwrap_or_default();
        self.rooms.newest.note(archive, last);
        Ok(self.rooms.newest.get(archive).unwrap_or(last))
    }

    async fn piece(
        &self,
        reading: Reading,
        (since, until): (ArchiveId, ArchiveId),
        (size, bytes): (usize, usize),
    ) -> Result<Piece> {
        let start = Some(ArchiveId(since.0.saturating_add(1)));
        let query = ArchiveQuery { start, end: Some(until), ..reading.query(PageFrom::Start, size) };
        let mut page = self.store.archive_page(query).await?;
        let all = page.items.len();
        page.items.truncate(fitting(&page.items, bytes));
        page.complete &= page.items.len() == all;
        let last = page.items.last().map(|last| last.id);
        let mut read_to = last.filter(|_| !page.complete).unwrap_or(until);
        let said = page.items.iter().filter_map(Said::read).collect();
        let mut pins = Vec::new();
        if reading.room {
            pins = self.store.state_since(reading.owner, since, size).await?;
            if let Some(last) = pins.last().filter(|_| pins.len() == size) {
                read_to = read_to.min(last.position);
            }
        }
        Ok(Piece { reading, said, pins, read_to })
    }

    /// The messages that are new, or to which something was done, each once and where it last changed.
    async fn changed_messages(&self, reading: &Reading, said: Vec<Said>) -> Result<Vec<(ArchiveId, Change)>> {
        let mut changed_at: BTreeMap<ArchiveId, ArchiveId> = BTreeMap::new();
        let mut messages: BTreeMap<ArchiveId, Said> = BTreeMap::new();
        let mut elsewhere: BTreeSet<(Jid, String, Option<String>, ArchiveId)> = BTreeSet::new();
        for one in said {
            let conversation = reading.conversation_of(&one);
            if !reading.room && self.service(conversation.domain()).is_some() {
                continue;
            }
            if let Some((_, name)) = labels::deed(&one.stanza) {
                let hint = hint(&one.stanza).map(str::to_owned);
                elsewhere.insert((conversation, name.to_owned(), hint, one.id));
            } else if is_shown(&one.stanza) {
                changed_at.insert(one.id, one.id);
                let thread = one.stanza.child(waxwing_xmpp::ns::CLIENT, "thread");
                let root = thread.and_then(|thread| self.archive_ids().read(&thread.text()));
                if let Some(root) = root.filter(|root| *root < one.id) {
                    changed_at.insert(root, one.id);
                }
                messages.insert(one.id, one);
            }
        }
        for (conversation, name, hint, at) in elsewhere {
            if let Some(target) = self.named(reading, &conversation, &name, hint.as_deref()).await? {
                let changed = changed_at.entry(target.id).or_insert(at);
                *changed = at.max(*changed);
                messages.entry(target.id).or_insert(target);
            }
        }
        for root in changed_at.keys() {
            if !messages.contains_key(root)
                && let Some(said) = self.kept(reading, *root).await?.filter(|said| is_shown(&said.stanza))
            {
                messages.insert(*root, said);
            }
        }
        let views = self.folded(reading, messages.into_values().collect()).await?;
        let at = |view: &MessageView| changed_at.get(&view.id).copied().unwrap_or(view.id);
        Ok(views.into_iter().map(|view| (at(&view), Change::Message(Box::new(view)))).collect())
    }
}
