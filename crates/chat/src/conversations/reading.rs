//! Where the messages of a conversation are kept, who may read them, and pages of them.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::folding::MessageView;
use crate::account::AccountId;
use crate::archive::{ArchiveId, ArchiveQuery, Archived, Direction, PageFrom};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::history::PAGE_BYTES_LIMIT;
use crate::labels;
use crate::route::Destination;
use crate::service::Service;
use crate::session::Session;
use crate::store::StoreError;

/// How many pages of the archive are looked through for one page of messages that say something. What lies between them are
/// reactions, corrections and marks.
pub const SCAN_PAGES: usize = 50;

/// How many messages of the archive are read at a time.
const SCAN: usize = 100;

/// How many messages of a direct conversation are looked through, from the newest on, for one that its sender's id names.
pub const NAMED_REACH: usize = 1_000;

/// An archive as one person reads it: a room's, or what of his own belongs to his conversations with people.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The only conversation that is read; none for all those with people.
    pub conversation: Option<Jid>,
    /// It is a room's archive.
    pub room: bool,
    /// Whose archive.
    pub(super) owner: AccountId,
    /// The bare address of whoever reads.
    pub(super) reader: Jid,
    /// He may know who is who.
    pub(super) knows_people: bool,
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The bare address; in a room that does not tell it, the address in the room.
    pub address: Jid,
    /// The nickname in the room.
    pub nick: Option<String>,
    /// It is whoever reads.
    pub own: bool,
}

/// A message of the archive with its stanza.
#[derive(Debug, Clone)]
pub struct Said {
    pub(super) id: ArchiveId,
    /// The other party; in a room, who really said it.
    pub(super) peer: Jid,
    pub(super) direction: Direction,
    pub(crate) stanza: Stanza,
}

impl Said {
    /// Reads what the archive keeps; `None` where it cannot be read, which the log tells.
    pub(crate) fn read(archived: &Archived) -> Option<Self> {
        let parsed = std::str::from_utf8(&archived.xml).ok().and_then(|xml| Element::parse(xml).ok());
        let Some(stanza) = parsed.and_then(|element| Stanza::from_element(element).ok()) else {
            tracing::error!(id = %archived.id, "an archived message cannot be read");
            return None;
        };
        Some(Self { id: archived.id, peer: archived.peer.clone(), direction: archived.direction, stanza })
    }
}

/// Which part of a conversation is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Its end.
    Newest,
    /// Directly before this place.
    Before(ArchiveId),
    /// Directly behind this place.
    After(ArchiveId),
    /// On both sides of this place, which counts among the earlier ones.
    Around(ArchiveId),
}

/// A part of a conversation.
#[derive(Debug, Clone)]
pub struct Part {
    /// The messages, oldest first.
    pub messages: Vec<MessageView>,
    /// There are earlier ones.
    pub more_before: bool,
    /// There are later ones.
    pub more_after: bool,
}

/// From where on, and which way, messages are looked for; both ends are inclusive.
#[derive(Debug, Clone, Copy)]
enum Way {
    Backwards(ArchiveId),
    Forwards(ArchiveId),
}

impl Reading {
    /// The archive of a room, for one who may read it.
    pub(super) fn of_room(room: Jid, owner: AccountId, reader: Jid, knows_people: bool) -> Self {
        Self { conversation: Some(room), room: true, owner, reader, knows_people }
    }

    /// The question for a page of it, which is to be narrowed down.
    pub(super) fn query(&self, page: PageFrom, limit: usize) -> ArchiveQuery {
        let with = self.conversation.clone().filter(|_| !self.room);
        ArchiveQuery { with, ..ArchiveQuery::page(self.owner, page, limit) }
    }

    /// Whether the archive can be asked for what one person wrote: a room's by whoever may know who wrote, one's own for what
    /// others wrote.
    pub(super) fn keeps_apart(&self, person: &Jid) -> bool {
        if self.room { self.knows_people } else { !person.same_bare(&self.reader) }
    }

    /// The conversation that a message belongs to.
    pub(super) fn conversation_of(&self, said: &Said) -> Jid {
        self.conversation.clone().unwrap_or_else(|| said.peer.to_bare())
    }

    /// Whether a message of the archive belongs to the conversation.
    pub(super) fn holds(&self, said: &Said) -> bool {
        self.room || self.conversation.as_ref().is_none_or(|with| said.peer.same_bare(with))
    }

    /// Who wrote a message, as the reader may know it.
    pub(super) fn author(&self, said: &Said) -> Author {
        if !self.room {
            let own = said.direction == Direction::Outgoing || said.peer.same_bare(&self.reader);
            let address = if own { self.reader.clone() } else { said.peer.to_bare() };
            return Author { address, nick: None, own };
        }
        let own = said.peer.same_bare(&self.reader);
        let nick = said.stanza.from.as_ref().and_then(|from| from.resource()).map(str::to_owned);
        let address = match (&said.stanza.from, own || self.knows_people) {
            // What the room says itself nobody else does.
            (Some(from), _) if nick.is_none() => from.clone(),
            (Some(from), false) => from.clone(),
            _ => said.peer.to_bare(),
        };
        Author { address, nick, own }
    }

    /// Whether two messages have one sender.
    pub(super) fn same_sender(&self, one: &Said, other: &Said) -> bool {
        match self.room {
            true => one.peer.same_bare(&other.peer),
            false => one.peer.same_bare(&other.peer) && one.direction == other.direction,
        }
    }
}

/// Whether a message is shown as one, and does not only do something to another.
pub fn is_shown(message: &Stanza) -> bool {
    labels::says_something(message)
        || (labels::deed(message).is_none()
            && message.children().any(|child| {
                matches!(
                    (child.ns(), child.name()),
                    (ns::FILE_SHARING, "file-sharing")
                        | (ns::OOB, "x")
                        | (ns::JSON_MESSAGE, "payload")
                        | (ns::ENCRYPTION, "encryption")
                        | (ns::OMEMO | ns::OMEMO_LEGACY, "encrypted")
                )
            }))
}

/// How many of these messages are within so many bytes; one at least, or nobody could ever read past it.
pub(super) fn fitting(items: &[Archived], bytes: usize) -> usize {
    let mut sum = 0;
    let within = |item: &&Archived| {
        sum += item.xml.len();
        sum <= bytes
    };
    items.iter().take_while(within).count().max(1).min(items.len())
}

/// What others call a message by: the room's id of it, or those that its sender gave it.
pub(crate) fn names(room: bool, shown: &str, message: &Stanza) -> Vec<String> {
    let origin = message.child(ns::STANZA_ID, "origin-id").and_then(|o| o.attr("id").map(str::to_owned));
    let id = message.id.as_deref().map(str::to_owned);
    let mut names: Vec<String> = room.then(|| shown.to_owned()).into_iter().chain(origin).chain(id).collect();
    names.dedup();
    names
}

impl Chat {
    /// The archive of a conversation for one who reads it. `Forbidden` or `NotFound` for a room that he may not read.
    pub async fn reading(&self, session: &Session, conversation: &Jid) -> Result<Reading> {
        let conversation = conversation.to_bare();
        let reader = session.bare.clone();
        match self.locate(&conversation) {
            Destination::Service(Service::Rooms) if conversation.local().is_some() => {
                let readable = self.readable_room(&conversation, &session.jid).await;
                if matches!(readable, Err(Error::Forbidden)) {
                    // Whoever may not know that a room is there is told that there is none.
                    self.room_view(&conversation, &session.jid).await?;
                }
                let (owner, knows_people) = readable?;
                Ok(Reading::of_room(conversation, owner.account, reader, knows_people))
            }
            Destination::Server | Destination::Service(_) => Err(Error::NotFound),
            Destination::Account(_)
            | Destination::Session(_)
            | Destination::Elsewhere(_)
            | Destination::Remote => Ok(Reading {
                conversation: Some(conversation),
                room: false,
                owner: session.account,
                reader,
                knows_people: true,
            }),
        }
    }

    /// The archive of all conversations of one person with people.
    pub(super) fn reading_all(&self, session: &Session) -> Reading {
        Reading {
            conversation: None,
            room: false,
            owner: session.account,
            reader: session.bare.clone(),
            knows_people: true,
        }
    }

    /// A part of a conversation, with all that was done to its messages since.
    pub async fn conversation_part(
        &self,
        session: &Session,
        conversation: &Jid,
        span: Span,
        limit: usize,
    ) -> Result<Part> {
        let reading = self.reading(session, conversation).await?;
        let (said, more_before, more_after) = self.span(&reading, span, limit.max(1)).await?;
        Ok(Part { messages: self.folded(&reading, said).await?, more_before, more_after })
    }

    async fn span(&self, reading: &Reading, span: Span, limit: usize) -> Result<(Vec<Said>, bool, bool)> {
        let before = |id: ArchiveId| Way::Backwards(ArchiveId(id.0.saturating_sub(1)));
        let after = |id: ArchiveId| Way::Forwards(ArchiveId(id.0.saturating_add(1)));
        Ok(match span {
            Span::Newest => {
                let (said, more) = self.said(reading, Way::Backwards(ArchiveId(u64::MAX)), limit).await?;
                (said, more, false)
            }
            Span::Before(id) => {
                let (said, more) = self.said(reading, before(id), limit).await?;
                (said, more, true)
            }
            Span::After(id) => {
                let (said, more) = self.said(reading, after(id), limit).await?;
                (said, true, more)
            }
            Span::Around(id) => {
                let half = limit.div_ceil(2);
                let (mut said, more_before) = self.said(reading, Way::Backwards(id), half).await?;
                let (later, more_after) = self.said(reading, after(id), limit - half + 1).await?;
                said.extend(later);
                (said, more_before, more_after)
            }
        })
    }

    /// Messages that are shown, oldest first, and whether there may be more that way.
    async fn said(&self, reading: &Reading, mut way: Way, limit: usize) -> Result<(Vec<Said>, bool)> {
        let mut found = Vec::with_capacity(limit);
        let (mut more, mut bytes) = (true, 0);
        'scan: for _ in 0..SCAN_PAGES {
            let query = match way {
                Way::Backwards(end) => ArchiveQuery { end: Some(end), ..reading.query(PageFrom::End, SCAN) },
                Way::Forwards(start) => {
                    ArchiveQuery { start: Some(start), ..reading.query(PageFrom::Start, SCAN) }
                }
            };
            let mut page = self.store.archive_page(query).await?;
            if matches!(way, Way::Backwards(_)) {
                page.items.reverse();
            }
            let last = page.items.last().map(|item| item.id);
            for item in page.items {
                let Some(said) = Said::read(&item).filter(|said| is_shown(&said.stanza)) else { continue };
                bytes += item.xml.len();
                if found.len() == limit || (bytes > PAGE_BYTES_LIMIT && !found.is_empty()) {
                    break 'scan;
                }
                found.push(said);
            }
            let Some(last) = last.filter(|_| !page.complete) else {
                more = false;
                break;
            };
            way = match way {
                Way::Backwards(_) => Way::Backwards(ArchiveId(last.0.saturating_sub(1))),
                Way::Forwards(_) => Way::Forwards(ArchiveId(last.0.saturating_add(1))),
            };
        }
        if matches!(way, Way::Backwards(_)) {
            found.reverse();
        }
        Ok((found, more))
    }

    /// One message of a conversation. `NotFound` where there is none that is shown.
    pub async fn conversation_message(
        &self,
        session: &Session,
        conversation: &Jid,
        id: ArchiveId,
    ) -> Result<MessageView> {
        let reading = self.reading(session, conversation).await?;
        self.message_view(&reading, id).await
    }

    /// What a message has said, the oldest first, and since when.
    pub async fn versions(
        &self,
        session: &Session,
        conversation: &Jid,
        id: ArchiveId,
    ) -> Result<Vec<(ArchiveId, Stanza)>> {
        let reading = self.reading(session, conversation).await?;
        let said = self.kept(&reading, id).await?.filter(|said| is_shown(&said.stanza));
        let said = said.ok_or(Error::NotFound)?;
        if self.message_view(&reading, id).await?.retracted.is_some() {
            return Err(Error::NotFound);
        }
        let shown = self.archive_ids().show(id);
        let names = names(reading.room, &shown, &said.stanza);
        let wanted = names.iter().map(|name| labels::about(name)).collect();
        let found = self.store.labelled(reading.owner, wanted, super::folding::ABOUT_LIMIT).await?;
        let mut versions = vec![(said.id, said.stanza.clone())];
        for one in found.iter().filter_map(Said::read).filter(|one| reading.holds(one) && one.id > said.id) {
            let corrects = matches!(labels::deed(&one.stanza), Some((labels::Deed::Corrects, _)));
            if corrects && reading.same_sender(&said, &one) {
                versions.push((one.id, one.stanza));
            }
        }
        Ok(versions)
    }

    /// Whether an address is that of a room of this installation, whether or not there is one.
    pub fn is_room(&self, address: &Jid) -> bool {
        matches!(self.locate(&address.to_bare()), Destination::Service(Service::Rooms))
            && address.local().is_some()
    }

    pub(super) async fn message_view(&self, reading: &Reading, id: ArchiveId) -> Result<MessageView> {
        let said = self.kept(reading, id).await?.filter(|said| is_shown(&said.stanza));
        let said = said.ok_or(Error::NotFound)?;
        self.folded(reading, vec![said]).await?.pop().ok_or(Error::NotFound)
    }

    /// A message by its place, if the conversation has it.
    pub(super) async fn kept(&self, reading: &Reading, id: ArchiveId) -> Result<Option<Said>> {
        match self.store.archived(reading.owner, &[id]).await {
            Ok(found) => Ok(found.first().and_then(Said::read).filter(|said| reading.holds(said))),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The message that another one names. Clients of this server say its place as well (`ns::MESSAGE`), which is believed
    /// where the names agree; for others the conversation is looked through, as far as [`NAMED_REACH`].
    pub(super) async fn named(
        &self,
        reading: &Reading,
        conversation: &Jid,
        name: &str,
        hint: Option<&str>,
    ) -> Result<Option<Said>> {
        if name.len() > NAME_BYTES_LIMIT {
            return Ok(None);
        }
        let is_named = |said: &Said| {
            let shown = self.archive_ids().show(said.id);
            names(reading.room, &shown, &said.stanza).iter().any(|known| known == name)
        };
        for place in [hint, Some(name).filter(|_| reading.room)].into_iter().flatten() {
            if let Some(id) = self.archive_ids().read(place)
                && let Some(said) = self.kept(reading, id).await?.filter(is_named)
            {
                return Ok(Some(said));
            }
        }
        let with = (!reading.room).then(|| conversation.clone());
        let mut end = ArchiveId(u64::MAX);
        for _ in 0..NAMED_REACH / SCAN {
            let page = ArchiveQuery {
                end: Some(end),
                with: with.clone(),
                ..ArchiveQuery::page(reading.owner, PageFrom::End, SCAN)
            };
            let page = self.store.archive_page(page).await?;
            let Some(oldest) = page.items.first().map(|item| item.id) else { break };
            let holds = |item: &&Archived| holds_bytes(&item.xml, name.as_bytes());
            for item in page.items.iter().rev().filter(holds) {
                if let Some(said) = Said::read(item).filter(|said| is_shown(&said.stanza) && is_named(said)) {
                    return Ok(Some(said));
                }
            }
            if page.complete {
                break;
            }
            end = ArchiveId(oldest.0.saturating_sub(1));
        }
        Ok(None)
    }
}

/// How many bytes the id has at most by which one message names another. Nothing that has a longer one is found.
const NAME_BYTES_LIMIT: usize = 1024;

/// Whether a name can stand in a message at all; one with letters that XML writes otherwise is looked for by parsing.
fn holds_bytes(xml: &[u8], name: &[u8]) -> bool {
    let plain = !name.iter().any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'\'' | b'"'));
    !plain || memchr::memmem::find(xml, name).is_some()
}
