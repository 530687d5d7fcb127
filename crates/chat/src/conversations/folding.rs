//! A message together with all that was done to it since: corrections (XEP-0308), reactions (XEP-0444), retraction (XEP-0424,
//! XEP-0425), answers in its thread.

use std::collections::{BTreeMap, HashMap};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;

use super::reading::{Author, Reading, Said, names};
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::Result;
use crate::labels::{self, Deed};
use crate::polls;
use crate::time::parse_timestamp;

/// How many messages of each kind about one message are looked at, the newest.
pub const ABOUT_LIMIT: usize = 500;

/// How many people are named who have answered in a thread.
pub const REPLIERS_LIMIT: usize = 5;

/// How many different emoji a message shows.
pub const EMOJI_LIMIT: usize = 50;

/// A message as somebody reads it now.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// Its place in the archive.
    pub id: ArchiveId,
    /// The conversation it belongs to.
    pub conversation: Jid,
    /// It stands in a room.
    pub in_room: bool,
    /// The reader may know who the people in it are.
    pub knows_people: bool,
    /// Who wrote it.
    pub author: Author,
    /// As it was sent.
    pub original: Stanza,
    /// What it says now: its newest correction, if there is one.
    pub content: Stanza,
    /// That it was corrected.
    pub edited: Option<Edited>,
    /// That the poll in it was closed, for good: no later correction opens it, and no later vote counts.
    pub closed: Option<Closed>,
    /// That it was taken back; nothing of what it said is left then.
    pub retracted: Option<Retracted>,
    /// What others think of it, the emoji that came first before the others.
    pub reactions: Vec<Reaction>,
    /// The message that it answers.
    pub answers: Option<Answered>,
    /// The first message of the thread it is in, if this conversation has it.
    pub thread: Option<ArchiveId>,
    /// What was said in the thread that began with it.
    pub replies: Option<Replies>,
}

/// That a message was corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edited {
    /// Where the newest correction is.
    pub at: ArchiveId,
    /// How many there are.
    pub count: usize,
}

/// That a poll was closed.
#[derive(Debug, Clone)]
pub struct Closed {
    /// Where the correction is that did it.
    pub at: ArchiveId,
    /// The poll as it was then.
    pub content: Stanza,
}

/// That a message was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retracted {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The moderator's address in the room, if it was one.
    pub by: Option<Jid>,
    /// Why.
    pub reason: Option<String>,
}

/// An emoji and who thinks so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Their addresses, whoever came first before the others.
    pub by: Vec<Jid>,
}

/// A message that another one answers.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The message, if the conversation has it.
    pub found: Option<Quoted>,
}

/// A message as it is quoted by one that answers it.
#[derive(Debug, Clone)]
pub struct Quoted {
    /// Its place.
    pub id: ArchiveId,
    /// Who wrote it.
    pub author: Author,
    /// What it says now.
    pub content: Stanza,
    said: Said,
}

/// What was said in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replies {
    /// How many messages, its first not counted, at most [`ABOUT_LIMIT`].
    pub count: usize,
    /// The newest of them.
    pub last: ArchiveId,
    /// Who wrote them, the newest first, at most [`REPLIERS_LIMIT`].
    pub people: Vec<Jid>,
}

/// One of several things that were done to messages, and which of them it may be about.
struct About<'a> {
    said: &'a Said,
    targets: &'a [usize],
}

impl Chat {
    /// Puts messages together with what was done to them.
    pub(super) async fn folded(&self, reading: &Reading, said: Vec<Said>) -> Result<Vec<MessageView>> {
        if said.is_empty() {
            return Ok(Vec::new());
        }
        let mut called: HashMap<String, Vec<usize>> = HashMap::new();
        let mut wanted = Vec::new();
        for (at, one) in said.iter().enumerate() {
            let shown = self.archive_ids().show(one.id);
            wanted.push(labels::thread(&shown));
            for name in names(reading.room, &shown, &one.stanza) {
                wanted.push(labels::about(&name));
                called.entry(name).or_default().push(at);
            }
            let by_place = called.entry(shown).or_default();
            if by_place.last() != Some(&at) {
                by_place.push(at);
            }
        }
        let found = self.store.labelled(reading.owner, wanted, ABOUT_LIMIT).await?;
        let found: Vec<Said> = found.iter().filter_map(Said::read).filter(|one| reading.holds(one)).collect();
        let mut views = Vec::with_capacity(said.len());
        for one in &said {
            views.push(self.fresh(reading, one, &said).await?);
        }
        for one in &found {
            let named = labels::deed(&one.stanza).map(|(deed, name)| (Some(deed), name.to_owned()));
            let thread = || Some((None, one.stanza.child(ns::CLIENT, "thread")?.text().into_owned()));
            let Some((deed, name)) = named.or_else(thread) else { continue };
            let Some(targets) = called.get(&name) else { continue };
            let about = About { said: one, targets };
            match deed {
                Some(Deed::Corrects) => correct(reading, &said, &mut views, &about),
                Some(Deed::Retracts) => retract(reading, &said, &mut views, &about),
                Some(Deed::Reacts) => {}
                None => reply(reading, &mut views, &about),
            }
        }
        react(reading, &found, &called, &mut views);
        self.quote_as_corrected(reading, &mut views).await?;
        Ok(views)
    }

    /// Has messages that are answered say what they were corrected to.
    pub(super) async fn quote_as_corrected(
        &self,
        reading: &Reading,
        views: &mut [MessageView],
    ) -> Result<()> {
        let mut wanted = Vec::new();
        let names_of = |said: &Said| names(reading.room, &self.archive_ids().show(said.id), &said.stanza);
        for quoted in views.iter().filter_map(|view| view.answers.as_ref()?.found.as_ref()) {
            wanted.extend(names_of(&quoted.said).iter().map(|name| labels::about(name)));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        wanted.sort_unstable();
        wanted.dedup();
        let found = self.store.labelled(reading.owner, wanted, ABOUT_LIMIT).await?;
        for one in found.iter().filter_map(Said::read) {
            let Some((Deed::Corrects, name)) = labels::deed(&one.stanza) else { continue };
            for view in views.iter_mut() {
                let Some(quoted) = view.answers.as_mut().and_then(|answers| answers.found.as_mut()) else {
                    continue;
                };
                let meant = one.id > quoted.id && names_of(&quoted.said).iter().any(|known| known == name);
                let gone = quoted.content.child(ns::RETRACTION, "retracted").is_some();
                if meant && !gone && reading.same_sender(&quoted.said, &one) {
                    quoted.content = one.stanza.clone();
                }
            }
        }
        Ok(())
    }

    /// A message to which nothing has been done yet. What it answers is looked for among `others` first.
    pub(super) async fn fresh(&self, reading: &Reading, said: &Said, others: &[Said]) -> Result<MessageView> {
        let conversation = reading.conversation_of(said);
        let thread = said.stanza.child(ns::CLIENT, "thread").map(|thread| thread.text().into_owned());
        let thread = thread.and_then(|shown| self.archive_ids().read(&shown)).filter(|root| *root < said.id);
        let reply = said.stanza.child(ns::REPLY, "reply").and_then(|reply| reply.attr("id"));
        let answers = match reply {
            Some(name) => Some(self.answered(reading, said, name, others).await?),
            None => None,
        };
        Ok(MessageView {
            id: said.id,
            in_room: reading.room,
            knows_people: reading.knows_people,
            author: reading.author(said),
            original: said.stanza.clone(),
            content: said.stanza.clone(),
            edited: None,
            closed: None,
            retracted: tombstone(said),
            reactions: Vec::new(),
            answers,
            thread,
            replies: None,
            conversation,
        })
    }

    async fn answered(
        &self,
        reading: &Reading,
        said: &Said,
        name: &str,
        others: &[Said],
    ) -> Result<Answered> {
        let conversation = reading.conversation_of(said);
        let is_named = |other: &&Said| {
            let shown = self.archive_ids().show(other.id);
            other.id != said.id
                && reading.conversation_of(other) == conversation
                && names(reading.room, &shown, &other.stanza).iter().any(|known| known == name)
        };
        let near = others.iter().find(is_named).cloned();
        let found = match near {
            Some(near) => Some(near),
            None => self.named(reading, &conversation, name, hint(&said.stanza)).await?,
        };
        let found = found.map(|said| Quoted {
            id: said.id,
            author: reading.author(&said),
            content: said.stanza.clone(),
            said,
        });
        Ok(Answered { found })
    }
}

/// The place that a client of this server says another message has which it is about.
pub(crate) fn hint(message: &Stanza) -> Option<&str> {
    message.child(ns::MESSAGE, "about")?.attr("id")
}

/// What a tombstone tells.
fn tombstone(said: &Said) -> Option<Retracted> {
    let retracted = said.stanza.child(ns::RETRACTION, "retracted")?;
    let moderated = retracted.child(ns::MODERATION, "moderated");
    let reason = retracted.child(ns::RETRACTION, "reason").map(|reason| reason.text().into_owned());
    Some(Retracted {
        at_ms: retracted.attr("stamp").and_then(parse_timestamp).unwrap_or(said.id.stamp_ms()),
        by: moderated.and_then(|moderated| Jid::new(moderated.attr("by")?).ok()),
        reason: reason.filter(|reason| !reason.is_empty()),
    })
}

/// XEP-0308 section 3: only whoever said it corrects it, and the newest correction counts.
fn correct(reading: &Reading, said: &[Said], views: &mut [MessageView], about: &About<'_>) {
    for at in about.targets {
        let (target, view) = (&said[*at], &mut views[*at]);
        if view.retracted.is_some() || about.said.id < target.id || !reading.same_sender(target, about.said) {
            continue;
        }
        let count = view.edited.map_or(0, |edited| edited.count) + 1;
        view.edited = Some(Edited { at: about.said.id, count });
        view.content = about.said.stanza.clone();
        if view.closed.is_none() && polls::closes(&view.content) && polls::asks(&view.original) {
            view.closed = Some(Closed { at: about.said.id, content: view.content.clone() });
        }
    }
}

/// XEP-0424 section 5. The archive has a tombstone in the message's place already, unless it lay too far back.
fn retract(reading: &Reading, said: &[Said], views: &mut [MessageView], about: &About<'_>) {
    for at in about.targets {
        let (target, view) = (&said[*at], &mut views[*at]);
        let moderated = about.said.stanza.child(ns::RETRACTION, "retract");
        let moderated = moderated.and_then(|retract| {
            let by = retract.child(ns::MODERATION, "moderated")?;
            let reason = retract.child(ns::RETRACTION, "reason").map(|reason| reason.text().into_owned());
            Some((Jid::new(by.attr("by")?).ok(), reason.filter(|reason| !reason.is_empty())))
        });
        // Only a room says that a moderator did it, and what it says has no nickname.
        let by_room =
            reading.room && about.said.stanza.from.as_ref().is_some_and(|from| from.resource().is_none());
        let (by, reason) = match moderated.filter(|_| by_room) {
            Some(moderated) => moderated,
            None if reading.same_sender(target, about.said) => (None, None),
            None => continue,
        };
        let at_ms = view.retracted.as_ref().map_or(about.said.id.stamp_ms(), |known| known.at_ms);
        view.retracted = Some(Retracted { at_ms, by, reason });
    }
}

/// Which of somebody's reactions count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counts {
    All,
    Votes,
    Others,
}

impl Counts {
    fn holds(self, emoji: &str) -> bool {
        self == Counts::All || polls::is_vote(emoji) == (self == Counts::Votes)
    }
}

fn reply(reading: &Reading, views: &mut [MessageView], about: &About<'_>) {
    let author = reading.author(about.said).address;
    for at in about.targets {
        let view = &mut views[*at];
        if about.said.id <= view.id || reading.conversation_of(about.said) != view.conversation {
            continue;
        }
        let replies =
            view.replies.get_or_insert(Replies { count: 0, last: about.said.id, people: Vec::new() });
        replies.count += 1;
        replies.last = about.said.id;
        replies.people.retain(|known| *known != author);
        replies.people.insert(0, author.clone());
        replies.people.truncate(REPLIERS_LIMIT);
    }
}

/// XEP-0444 section 3.2: what somebody sent last is all that he thinks. In a poll that is closed his votes are those of before.
fn react(reading: &Reading, found: &[Said], called: &HashMap<String, Vec<usize>>, views: &mut [MessageView]) {
    let mut newest: BTreeMap<(usize, Jid, Counts), &Said> = BTreeMap::new();
    for one in found {
        let Some((Deed::Reacts, name)) = labels::deed(&one.stanza) else { continue };
        for at in called.get(name).into_iter().flatten() {
            let view = &views[*at];
            if reading.conversation_of(one) != view.conversation {
                continue;
            }
            let counts: &[Counts] = match &view.closed {
                None => &[Counts::All],
                Some(closed) if one.id < closed.at => &[Counts::Votes, Counts::Others],
                Some(_) => &[Counts::Others],
            };
            for part in counts {
                newest.insert((*at, reading.author(one).address, *part), one);
            }
        }
    }
    let mut ordered: Vec<_> = newest.into_iter().collect();
    ordered.sort_by_key(|(_, one)| one.id);
    for ((at, who, counts), one) in ordered {
        let view = &mut views[at];
        let Some(reactions) =
            one.stanza.child(ns::REACTIONS, "reactions").filter(|_| view.retracted.is_none())
        else {
            continue;
        };
        for emoji in reactions.children().filter(|child| child.is(ns::REACTIONS, "reaction")) {
            let emoji = emoji.text().into_owned();
            if !counts.holds(&emoji) {
                continue;
            }
            let known = view.reactions.iter().position(|known| known.emoji == emoji);
            if let Some(at) = known {
                let by = &mut view.reactions[at].by;
                if !by.contains(&who) {
                    by.push(who.clone());
                }
            } else if view.reactions.len() < EMOJI_LIMIT && !emoji.is_empty() {
                view.reactions.push(Reaction { emoji, by: vec![who.clone()] });
            }
        }
    }
}
