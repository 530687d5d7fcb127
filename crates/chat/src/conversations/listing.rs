//! The conversations of an account: with whom, what was said last, and what of it has not been read.

use std::collections::HashMap;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;

use super::folding::MessageView;
use super::keeping::Item;
use super::marks::Mark;
use super::reading::{Reading, SCAN_PAGES, Said, is_shown};
use crate::archive::{ArchiveId, ArchiveQuery, PageFrom};
use crate::at_once::{Work, gathered};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rooms::membership::RoomView;
use crate::rooms::store::Belonging;
use crate::rosters::Owner;
use crate::session::Session;
use crate::state::{StateItem, StateKind};

/// Up to how many unread messages are counted; more is as good as that.
pub const UNREAD_COUNTED: usize = 100;

/// How many messages are read for the newest of a conversation, before more are read to count those that are unread.
const GLANCE: usize = 10;

/// With whom one talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// With one person.
    Person,
    /// In a room.
    Room,
    /// With oneself.
    Oneself,
}

/// A conversation as its owner sees it.
#[derive(Debug, Clone)]
pub struct ConversationView {
    /// The person's or the room's address.
    pub address: Jid,
    /// With whom one talks.
    pub party: Party,
    /// The name to show, where one is known.
    pub name: Option<String>,
    /// The hash of its picture.
    pub avatar: Option<String>,
    /// The newest message.
    pub last: Option<MessageView>,
    /// Everything up to here was read.
    pub seen: ArchiveId,
    /// How many messages of others came since, at most [`UNREAD_COUNTED`].
    pub unread: usize,
    /// How many of them mention the owner, or have a word in them that counts as his name.
    pub mentions: usize,
    /// How far the other has read, where that is known.
    pub peer_seen: Option<ArchiveId>,
    /// How its owner keeps it, as a face wrote it.
    pub settings: Option<String>,
    /// What its owner has begun to write, as a face wrote it.
    pub draft: Option<String>,
    /// The room, if it is one.
    pub room: Option<RoomView>,
}

/// A page of conversations.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The conversations, those that were last talked in first.
    pub conversations: Vec<ConversationView>,
    /// Where to go on, if there are more with people.
    pub next: Option<ArchiveId>,
}

/// What an account keeps about its conversations, read at one time for many of them.
#[derive(Debug, Default)]
struct Kept {
    preferences: Option<String>,
    marks: HashMap<String, String>,
    settings: HashMap<String, String>,
    drafts: HashMap<String, String>,
}

fn by_key(items: Vec<StateItem>) -> HashMap<String, String> {
    items.into_iter().filter_map(|item| Some((item.key, item.content?))).collect()
}

/// What has not been read of a conversation.
struct Counted {
    last: Option<Said>,
    mark: Mark,
    unread: usize,
    mentions: usize,
}

impl Chat {
    /// The conversations with people, older than a place, and with the first page all rooms.
    pub async fn conversations(
        &self,
        session: &Session,
        before: Option<ArchiveId>,
        limit: usize,
    ) -> Result<Listing> {
        let owner = Owner::from(session);
        let kept = Kept {
            preferences: self.kept_in_step(&owner, StateKind::Preferences, "").await?,
            marks: by_key(self.all_in_step(&owner, StateKind::Read).await?),
            settings: by_key(self.all_in_step(&owner, StateKind::Settings).await?),
            drafts: by_key(self.all_in_step(&owner, StateKind::Draft).await?),
        };
        let end = before.unwrap_or(ArchiveId(u64::MAX));
        let mut talks = self.store.conversations(owner.account, end, limit + 1).await?;
        // Rooms that were written to as if they were people are none.
        let more = talks.len() > limit;
        talks.truncate(limit);
        let next = talks.last().filter(|_| more).map(|(_, last)| *last);
        let mut people: Vec<Jid> = talks.into_iter().map(|(person, _)| person).collect();
        if before.is_none() {
            let opened = self.all_in_step(&owner, StateKind::Opened).await?;
            let opened = opened.iter().filter_map(|item| Jid::new(&item.key).ok());
            for person in opened.filter(|person| !people.contains(person)).collect::<Vec<_>>() {
                people.push(person);
            }
        }
        let rooms = if before.is_none() { self.belongings(&owner).await? } else { Vec::new() };
        people.retain(|person| self.service(person.domain()).is_none());
        let mut work: Vec<Work<'_, Result<ConversationView>>> =
            Vec::with_capacity(people.len() + rooms.len());
        for person in &people {
            work.push(Box::pin(self.with_person(session, person, &kept)));
        }
        for belonging in &rooms {
            work.push(Box::pin(self.of_room(session, belonging, &kept)));
        }
        let mut found = there(gathered(work).await)?;
        found.sort_by_key(|one| std::cmp::Reverse(one.last.as_ref().map(|last| last.id)));
        Ok(Listing { conversations: found, next })
    }

    /// One conversation, whether or not anything has been said in it.
    pub async fn conversation(&self, session: &Session, address: &Jid) -> Result<ConversationView> {
        let (owner, address) = (Owner::from(session), address.to_bare());
        let key = address.as_str();
        let one = |content: Option<String>| {
            content.into_iter().map(|content| (key.to_owned(), content)).collect::<HashMap<_, _>>()
        };
        let kept = Kept {
            preferences: self.kept_in_step(&owner, StateKind::Preferences, "").await?,
            marks: one(self.kept_in_step(&owner, StateKind::Read, key).await?),
            settings: one(self.kept_in_step(&owner, StateKind::Settings, key).await?),
            drafts: one(self.kept_in_step(&owner, StateKind::Draft, key).await?),
        };
        if self.service(address.domain()).is_none() {
            return self.with_person(session, &address, &kept).await;
        }
        let own = self.belongings(&owner).await?.into_iter().find(|one| one.room == address);
        match own {
            Some(belonging) => self.of_room(session, &belonging, &kept).await,
            None => Err(Error::NotFound),
        }
    }

    /// Has a conversation with somebody stand in the list although nothing was said in it. `NotFound` where this server
    /// would have to have the account, and has none.
    pub async fn open_conversation(&self, session: &Session, person: &Jid) -> Result<ConversationView> {
        let person = person.to_bare();
        if person.local().is_none() || self.service(person.domain()).is_some() {
            return Err(Error::NotFound);
        }
        let may_know = self.may_search(&session.bare, person.domain()).is_ok();
        if may_know && self.is_local(person.domain()) && self.profile(&person).await?.is_none() {
            return Err(Error::NotFound);
        }
        let owner = Owner::from(session);
        if self.kept_in_step(&owner, StateKind::Opened, person.as_str()).await?.is_none() {
            let (kind, key) = (StateKind::Opened, person.as_str().to_owned());
            self.keep_in_step(vec![Item { owner, kind, key, content: Some(String::new()) }]).await?;
        }
        self.conversation(session, &person).await
    }

    async fn with_person(&self, session: &Session, person: &Jid, kept: &Kept) -> Result<ConversationView> {
        let reading = self.reading(session, person).await?;
        let counted = self.counted(&reading, kept.mark(person), |_| false).await?;
        let own = *person == session.bare;
        let profile = match self.is_local(person.domain()) {
            true => self.profile(person).await?.filter(|profile| own || !profile.blocks(&session.bare)),
            false => None,
        };
        // Whoever may not look for people of that domain hears of those only who have written to him.
        let known = own || counted.last.is_some() || self.may_search(&session.bare, person.domain()).is_ok();
        let shown = profile.as_ref().filter(|_| known);
        let peer_seen = match &profile {
            Some(profile) if !own => {
                let peer = Owner { account: profile.account, jid: person.clone() };
                Some(self.mark_of(&peer, &session.bare).await?).filter(|seen| *seen > ArchiveId::default())
            }
            _ => None,
        };
        Ok(ConversationView {
            party: if own { Party::Oneself } else { Party::Person },
            name: shown.and_then(|profile| profile.name.as_deref().map(str::to_owned)),
            avatar: shown.and_then(|profile| profile.photo_hash.clone()),
            peer_seen,
            ..self.counted_view(&reading, person, counted, kept).await?
        })
    }

    async fn of_room(
        &self,
        session: &Session,
        belonging: &Belonging,
        kept: &Kept,
    ) -> Result<ConversationView> {
        let room = &belonging.room;
        let view = self.room_view(room, &session.jid).await?;
        let reading = self.reading(session, room).await?;
        let mut mark = kept.mark(room);
        mark.raise(belonging.seen);
        let settings = kept.settings.get(room.as_str());
        let wishes = self.wishes_as_kept(kept.preferences.as_deref(), settings.map(String::as_str));
        let named = |message: &Stanza| wishes.are_named(message, &session.bare, belonging.nick.as_deref());
        let counted = self.counted(&reading, mark, named).await?;
        Ok(ConversationView {
            party: Party::Room,
            name: Some(view.configuration.name.clone()).filter(|name| !name.is_empty()),
            avatar: view.avatar.clone(),
            room: Some(view),
            ..self.counted_view(&reading, room, counted, kept).await?
        })
    }

    async fn counted_view(
        &self,
        reading: &Reading,
        address: &Jid,
        counted: Counted,
        kept: &Kept,
    ) -> Result<ConversationView> {
        let last = counted.last.into_iter().collect();
        Ok(ConversationView {
            address: address.clone(),
            party: Party::Person,
            name: None,
            avatar: None,
            last: self.folded(reading, last).await?.pop(),
            seen: counted.mark.seen,
            unread: counted.unread,
            mentions: counted.mentions,
            peer_seen: None,
            settings: kept.settings.get(address.as_str()).cloned(),
            draft: kept.drafts.get(address.as_str()).cloned(),
            room: None,
        })
    }

    /// The newest message, how many of others came behind a mark, and how many of them name the reader. Whoever has answered has
    /// read what came before.
    async fn counted(
        &self,
        reading: &Reading,
        mark: Mark,
        named: impl Fn(&Stanza) -> bool,
    ) -> Result<Counted> {
        let mut counted = Counted { last: None, mark, unread: 0, mentions: 0 };
        let (mut end, mut size) = (ArchiveId(u64::MAX), GLANCE);
        // What is not shown is not counted, however much of it there is.
        for _ in 0..SCAN_PAGES {
            let query = ArchiveQuery { end: Some(end), ..reading.query(PageFrom::End, size) };
            let page = self.store.archive_page(query).await?;
            for item in page.items.iter().rev() {
                if counted.last.is_some()
                    && (item.id <= counted.mark.seen || counted.unread == UNREAD_COUNTED)
                {
                    return Ok(counted);
                }
                let Some(said) = Said::read(item).filter(|said| is_shown(&said.stanza)) else { continue };
                let author = reading.author(&said);
                if author.own {
                    counted.mark.raise(said.id);
                } else if said.id > counted.mark.seen {
                    counted.unread += 1;
                    counted.mentions += usize::from(named(&said.stanza));
                }
                counted.last.get_or_insert(said);
            }
            match page.items.first() {
                Some(first) if !page.complete => end = ArchiveId(first.id.0.saturating_sub(1)),
                _ => return Ok(counted),
            }
            size = UNREAD_COUNTED;
        }
        Ok(counted)
    }
}

/// Those that are still there: a room has ended, or somebody was put out of it, since the list of them was read.
fn there(found: Vec<Result<ConversationView>>) -> Result<Vec<ConversationView>> {
    let gone = |one: &Result<ConversationView>| matches!(one, Err(Error::NotFound | Error::Forbidden));
    found.into_iter().filter(|one| !gone(one)).collect()
}

impl Kept {
    fn mark(&self, conversation: &Jid) -> Mark {
        self.marks.get(conversation.as_str()).map(|mark| Mark::read(mark)).unwrap_or_default()
    }
}
