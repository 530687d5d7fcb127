//! Finding messages wherever somebody may read: by words, by whom they are from, by what they hold, by whom they mention.
//!
//! His own archive and the rooms he belongs to are asked one by one, each for its newest that fit, and the newest of all are
//! shown. What he may not read any more is not asked.

use waxwing_xmpp::jid::Jid;

use super::folding::MessageView;
use super::reading::{Reading, Said, is_shown};
use crate::archive::{ArchiveId, ArchiveQuery, PageFrom};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::labels;
use crate::mentions;
use crate::rosters::Owner;
use crate::session::Session;

/// How many pages of one archive are looked through for messages that fit.
pub const FINDING_PAGES: usize = 20;

/// How many messages are read at a time.
const PAGE: usize = 100;

/// What messages are looked for. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Their words.
    pub text: Option<String>,
    /// Only in this conversation.
    pub conversation: Option<Jid>,
    /// Only from this person.
    pub from: Option<Jid>,
    /// Only those that hold something of this kind: `file`, `image`, `link`, `poll`.
    pub has: Option<String>,
    /// Only those that mention whoever looks, or, in rooms, have a word in them that counts as his name.
    pub mentioning: bool,
    /// Only those that answer in a thread.
    pub in_thread: bool,
    /// Only from this moment on, in milliseconds since the Unix epoch.
    pub after_ms: Option<u64>,
    /// Only before this moment, in milliseconds since the Unix epoch.
    pub before_ms: Option<u64>,
}

/// What an archive is asked for.
#[derive(Debug, Clone)]
struct Asked {
    labels: Vec<String>,
    text: Option<String>,
    /// A word that has to be in it as it is written, which the archive looks for more loosely.
    word: Option<String>,
}

impl Asked {
    fn has_word(&self, said: &Said) -> bool {
        let body = said.stanza.child(waxwing_xmpp::ns::CLIENT, "body");
        let has = |word: &String| body.is_some_and(|body| mentions::has_word(&body.text(), word));
        self.word.as_ref().is_none_or(has)
    }
}

impl Chat {
    /// The newest messages before a place that fit, the newest first; and whether there are more.
    pub async fn find_messages(
        &self,
        session: &Session,
        wanted: &Wanted,
        before: Option<ArchiveId>,
        limit: usize,
    ) -> Result<(Vec<MessageView>, bool)> {
        let mut found: Vec<(Reading, Said)> = Vec::new();
        for (reading, nick) in self.readings(session, wanted).await? {
            let questions = self.questions(session, &reading, nick, wanted).await?;
            let said = self.find_in(&reading, questions, wanted, before, limit + 1).await?;
            found.extend(said.into_iter().map(|said| (reading.clone(), said)));
        }
        found.sort_by_key(|(_, said)| std::cmp::Reverse(said.id));
        let more = found.len() > limit;
        found.truncate(limit);
        let mut views = Vec::with_capacity(found.len());
        // Those of one archive are put together at one time.
        while let Some((reading, _)) = found.first() {
            let reading = reading.clone();
            let same =
                |other: &Reading| other.owner == reading.owner && other.conversation == reading.conversation;
            let (now, later): (Vec<_>, Vec<_>) = found.into_iter().partition(|(other, _)| same(other));
            views.extend(self.folded(&reading, now.into_iter().map(|(_, said)| said).collect()).await?);
            found = later;
        }
        views.sort_by_key(|view| std::cmp::Reverse(view.id));
        Ok((views, more))
    }

    /// The archives that are asked, and what whoever looks is called there.
    async fn readings(&self, session: &Session, wanted: &Wanted) -> Result<Vec<(Reading, Option<String>)>> {
        let belongings = self.belongings(&Owner::from(session)).await?;
        if let Some(conversation) = &wanted.conversation {
            let belonging = belongings.into_iter().find(|one| one.room.same_bare(conversation));
            let nick = belonging.and_then(|belonging| belonging.nick);
            return Ok(vec![(self.reading(session, conversation).await?, nick)]);
        }
        let mut readings = vec![(self.reading_all(session), None)];
        for belonging in belongings {
            match self.reading(session, &belonging.room).await {
                Ok(reading) => readings.push((reading, belonging.nick)),
                Err(Error::NotFound | Error::Forbidden) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(readings)
    }

    async fn find_in(
        &self,
        reading: &Reading,
        questions: Vec<Asked>,
        wanted: &Wanted,
        before: Option<ArchiveId>,
        limit: usize,
    ) -> Result<Vec<Said>> {
        let ends = [before, wanted.before_ms.map(ArchiveId::at_ms)];
        let end = ends.into_iter().flatten().min().unwrap_or(ArchiveId(u64::MAX));
        let mut end = ArchiveId(end.0.saturating_sub(1));
        let start = wanted.after_ms.map(ArchiveId::at_ms);
        let mut found: Vec<Said> = Vec::new();
        let last_end = end;
        for asked in questions {
            end = last_end;
            let mut count = 0;
            'pages: for _ in 0..FINDING_PAGES {
                let query = reading.query(PageFrom::End, PAGE.min(limit.max(1) * 2));
                let query = ArchiveQuery {
                    start,
                    end: Some(end),
                    text: asked.text.clone(),
                    labels: asked.labels.clone(),
                    with: query.with.or_else(|| wanted.from.clone().filter(|from| reading.keeps_apart(from))),
                    ..query
                };
                let page = self.store.archive_page(query).await?;
                let Some(first) = page.items.first().map(|first| first.id) else { break };
                for item in page.items.iter().rev() {
                    let fits = |said: &Said| self.fits(reading, said, wanted) && asked.has_word(said);
                    let Some(said) = Said::read(item).filter(fits) else { continue };
                    if !found.iter().any(|known| known.id == said.id) {
                        found.push(said);
                        count += 1;
                    }
                    if count == limit {
                        break 'pages;
                    }
                }
                if page.complete {
                    break;
                }
                end = ArchiveId(first.0.saturating_sub(1));
            }
        }
        Ok(found)
    }

    /// What an archive is asked. Who is mentioned may be so by name, with everybody in the room, or by a word that counts as his name:
    /// a question for each, since all labels and words of one must hold.
    async fn questions(
        &self,
        session: &Session,
        reading: &Reading,
        nick: Option<String>,
        wanted: &Wanted,
    ) -> Result<Vec<Asked>> {
        let labels: Vec<String> = wanted.has.iter().map(|kind| labels::has(kind)).collect();
        let asked = Asked { labels, text: wanted.text.clone(), word: None };
        if !wanted.mentioning {
            return Ok(vec![asked]);
        }
        let with = |label: String| {
            let labels = asked.labels.iter().cloned().chain([label]).collect();
            Asked { labels, ..asked.clone() }
        };
        let mut questions = vec![with(labels::mentions(session.bare.as_str()))];
        if let Some(room) = reading.conversation.as_ref().filter(|_| reading.room) {
            questions.push(with(labels::mentions(room.as_str())));
            let keywords = self.wishes(&Owner::from(session), room).await?.keywords;
            let name = nick.or_else(|| session.bare.local().map(str::to_owned));
            for word in name.into_iter().chain(keywords) {
                let text =
                    wanted.text.iter().chain([&word]).map(String::as_str).collect::<Vec<_>>().join(" ");
                questions.push(Asked { text: Some(text), word: Some(word), ..asked.clone() });
            }
        }
        Ok(questions)
    }

    /// Whether a message that the archive proposes is one to show. Who wrote it is looked at here, since an archive cannot always
    /// be asked for that.
    fn fits(&self, reading: &Reading, said: &Said, wanted: &Wanted) -> bool {
        let author = reading.author(said);
        let from = wanted.from.as_ref().is_none_or(|from| author.address.same_bare(from));
        let thread = !wanted.in_thread
            || said.stanza.child(waxwing_xmpp::ns::CLIENT, "thread").is_some_and(|thread| {
                self.archive_ids().read(&thread.text()).is_some_and(|root| root < said.id)
            });
        let elsewhere = !reading.room && self.service(said.peer.domain()).is_some();
        is_shown(&said.stanza) && from && thread && !elsewhere && !(wanted.mentioning && author.own)
    }
}
