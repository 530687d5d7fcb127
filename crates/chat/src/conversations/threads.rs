//! Threads: a message and what was answered under it, as those see them who follow.

use std::collections::HashSet;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;

use super::folding::{ABOUT_LIMIT, MessageView};
use super::keeping::Item;
use super::reading::{Reading, Said, is_shown};
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::labels;
use crate::push::wishes::Wishes;
use crate::rosters::Owner;
use crate::session::Session;
use crate::state::{StateItem, StateKind};

/// How many of the threads that somebody follows are looked at for one page of them: those whose state changed last.
pub const FOLLOWED_REACH: usize = 300;

/// How many people are made to follow a thread by one answer in it.
const FOLLOWERS_AT_ONCE: usize = 50;

/// A thread as somebody sees it.
#[derive(Debug, Clone)]
pub struct ThreadView {
    /// The message that it began with.
    pub root: MessageView,
    /// Everything up to here was read.
    pub seen: ArchiveId,
    /// How many messages of others came since.
    pub unread: usize,
    /// How many of them mention the reader, or have a word in them that counts as his name.
    pub mentions: usize,
    /// Whether the reader is told of it.
    pub following: bool,
    /// The newest message in it; the root where there is none.
    pub last: ArchiveId,
}

/// A page of a thread.
#[derive(Debug, Clone)]
pub struct ThreadPart {
    /// The thread.
    pub thread: ThreadView,
    /// Its messages without the first, oldest first.
    pub messages: Vec<MessageView>,
    /// There are earlier ones.
    pub more: bool,
}

/// What somebody keeps about a thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Followed {
    following: bool,
    seen: ArchiveId,
}

impl Followed {
    fn read(content: &str) -> Self {
        let (word, seen) = content.split_once(' ').unwrap_or((content, "0"));
        Self { following: word == "follows", seen: ArchiveId(seen.parse().unwrap_or_default()) }
    }

    fn written(self) -> String {
        let word = if self.following { "follows" } else { "knows" };
        format!("{word} {}", self.seen)
    }
}

impl Chat {
    fn thread_key(&self, conversation: &Jid, root: ArchiveId) -> String {
        format!("{} {}", conversation.bare_str(), self.archive_ids().show(root))
    }

    /// A page of a thread, the newest messages before a place. `NotFound` where the conversation has no such message.
    pub async fn thread(
        &self,
        session: &Session,
        conversation: &Jid,
        root: ArchiveId,
        before: Option<ArchiveId>,
        limit: usize,
    ) -> Result<ThreadPart> {
        let reading = self.reading(session, conversation).await?;
        let root = self.message_view(&reading, root).await?;
        let answers = self.answers(&reading, &root).await?;
        let thread = self.thread_view(&Owner::from(session), &reading, root, &answers).await?;
        let mut said: Vec<Said> =
            answers.into_iter().filter(|one| before.is_none_or(|before| one.id < before)).collect();
        let more = said.len() > limit;
        said.drain(..said.len().saturating_sub(limit));
        Ok(ThreadPart { thread, messages: self.folded(&reading, said).await?, more })
    }

    /// What was said in a thread, oldest first.
    async fn answers(&self, reading: &Reading, root: &MessageView) -> Result<Vec<Said>> {
        let label = labels::thread(&self.archive_ids().show(root.id));
        let found = self.store.labelled(reading.owner, vec![label], ABOUT_LIMIT).await?;
        let belongs = |one: &Said| reading.holds(one) && is_shown(&one.stanza) && one.id > root.id;
        Ok(found.iter().filter_map(Said::read).filter(belongs).collect())
    }

    async fn thread_view(
        &self,
        owner: &Owner,
        reading: &Reading,
        root: MessageView,
        answers: &[Said],
    ) -> Result<ThreadView> {
        let key = self.thread_key(&root.conversation, root.id);
        let kept = self.kept_in_step(owner, StateKind::Thread, &key).await?;
        let followed = kept.as_deref().map(Followed::read).unwrap_or_default();
        let mut view = ThreadView {
            seen: followed.seen.max(root.id),
            unread: 0,
            mentions: 0,
            following: followed.following,
            last: answers.last().map_or(root.id, |last| last.id),
            root,
        };
        let wishes = match reading.room {
            true => self.wishes(owner, &view.root.conversation).await?,
            false => Wishes::default(),
        };
        // Whoever has answered has read what came before.
        let own = answers.iter().filter(|one| reading.author(one).own).map(|one| one.id).max();
        view.seen = view.seen.max(own.unwrap_or_default());
        for one in answers.iter().filter(|one| one.id > view.seen) {
            view.unread += 1;
            view.mentions += usize::from(wishes.are_named(&one.stanza, &reading.reader, None));
        }
        Ok(view)
    }

    /// Follows a thread, or no longer.
    pub async fn follow_thread(
        &self,
        session: &Session,
        conversation: &Jid,
        root: ArchiveId,
        following: bool,
    ) -> Result<ThreadView> {
        self.change_thread(session, conversation, root, |followed| followed.following = following).await
    }

    /// Has read a thread up to a place.
    pub async fn read_thread(
        &self,
        session: &Session,
        conversation: &Jid,
        root: ArchiveId,
        up_to: ArchiveId,
    ) -> Result<ThreadView> {
        let up_to = up_to.min(self.store.position());
        self.change_thread(session, conversation, root, |followed| followed.seen = followed.seen.max(up_to))
            .await
    }

    async fn change_thread(
        &self,
        session: &Session,
        conversation: &Jid,
        root: ArchiveId,
        change: impl FnOnce(&mut Followed) + Send,
    ) -> Result<ThreadView> {
        let part = self.thread(session, conversation, root, None, 1).await?;
        let (owner, key) = (Owner::from(session), self.thread_key(conversation, root));
        let kept = self.kept_in_step(&owner, StateKind::Thread, &key).await?;
        let before = kept.as_deref().map(Followed::read).unwrap_or_default();
        let mut followed = before;
        change(&mut followed);
        if followed != before {
            let content = Some(followed.written());
            self.keep_in_step(vec![Item { owner, kind: StateKind::Thread, key, content }]).await?;
        }
        match followed == before {
            true => Ok(part.thread),
            false => Ok(self.thread(session, conversation, root, None, 1).await?.thread),
        }
    }

    /// The threads that somebody follows and that were last answered in before a place, the newest first; and whether there
    /// are more.
    pub async fn threads(
        &self,
        session: &Session,
        before: Option<ArchiveId>,
        limit: usize,
    ) -> Result<(Vec<ThreadView>, bool)> {
        let owner = Owner::from(session);
        let mut items = self.all_in_step(&owner, StateKind::Thread).await?;
        items.sort_by_key(|item| std::cmp::Reverse(item.position));
        items.truncate(FOLLOWED_REACH);
        let mut threads = Vec::new();
        for item in items.iter().filter(|item| follows(item)) {
            let Some((conversation, root)) = self.thread_named(&item.key) else { continue };
            let found = match self.reading(session, &conversation).await {
                Ok(reading) => match self.message_view(&reading, root).await {
                    Ok(root) => Some((reading, root)),
                    Err(Error::NotFound) => None,
                    Err(error) => return Err(error),
                },
                Err(Error::NotFound | Error::Forbidden) => None,
                Err(error) => return Err(error),
            };
            let Some((reading, root)) = found else { continue };
            let answers = self.answers(&reading, &root).await?;
            let view = self.thread_view(&owner, &reading, root, &answers).await?;
            if before.is_none_or(|before| view.last < before) {
                threads.push(view);
            }
        }
        threads.sort_by_key(|thread| std::cmp::Reverse(thread.last));
        let more = threads.len() > limit;
        threads.truncate(limit);
        Ok((threads, more))
    }

    /// The conversation and the first message of the thread that a key names.
    pub fn thread_named(&self, key: &str) -> Option<(Jid, ArchiveId)> {
        let (conversation, root) = key.split_once(' ')?;
        Some((Jid::new(conversation).ok()?, self.archive_ids().read(root)?))
    }

    /// Has those follow a thread whom an answer concerns, if they have not decided otherwise: who began it, who answers, and
    /// who is mentioned.
    pub async fn concern_by_answer(
        &self,
        session: &Session,
        root: &MessageView,
        mentioned: &[Jid],
    ) -> Result<()> {
        let own = session.bare.clone();
        let mut people: HashSet<Jid> = HashSet::from([own.clone(), root.author.address.to_bare()]);
        people.extend(mentioned.iter().map(Jid::to_bare));
        people.retain(|person| person.local().is_some() && self.is_local(person.domain()));
        let mut items = Vec::new();
        for person in people.into_iter().take(FOLLOWERS_AT_ONCE) {
            let Some(profile) = self.profile(&person).await? else { continue };
            if profile.blocks(&own) {
                continue;
            }
            let owner = Owner { account: profile.account, jid: person.clone() };
            // Between two people each calls the conversation by the other's name.
            let conversation = match (root.in_room, person == own) {
                (true, _) => root.conversation.clone(),
                (false, true) => root.conversation.clone(),
                (false, false) if person == root.conversation => own.clone(),
                (false, false) => continue,
            };
            if root.in_room && person != own && !self.may_read(&conversation, &person).await? {
                continue;
            }
            let key = self.thread_key(&conversation, root.id);
            if self.kept_in_step(&owner, StateKind::Thread, &key).await?.is_none() {
                let content = Some(Followed { following: true, seen: ArchiveId::default() }.written());
                items.push(Item { owner, kind: StateKind::Thread, key, content });
            }
        }
        for item in items {
            let person = item.owner.jid.clone();
            // Whoever can keep no more does not follow it, and keeps nobody from answering.
            if let Err(error) = self.keep_in_step(vec![item]).await {
                tracing::debug!(%error, %person, "a thread is not followed by one whom it concerns");
            }
        }
        Ok(())
    }

    /// Whether somebody follows the thread of a room that a message belongs to.
    pub(crate) async fn follows_thread_of(
        &self,
        owner: &Owner,
        room: &Jid,
        message: &Stanza,
    ) -> Result<bool> {
        let named = message.child(ns::CLIENT, "thread").map(|thread| thread.text().into_owned());
        let Some(root) = named.and_then(|shown| self.archive_ids().read(&shown)) else { return Ok(false) };
        let kept = self.kept_in_step(owner, StateKind::Thread, &self.thread_key(room, root)).await?;
        Ok(kept.as_deref().is_some_and(|content| Followed::read(content).following))
    }

    /// Whether somebody may read in a room.
    async fn may_read(&self, room: &Jid, person: &Jid) -> Result<bool> {
        match self.readable_room(room, person).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound | Error::Forbidden) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn follows(item: &StateItem) -> bool {
    item.content.as_deref().is_some_and(|content| Followed::read(content).following)
}
