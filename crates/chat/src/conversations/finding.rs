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
    /// Only those that mention whoever looks.
    pub mentioning: bool,
    /// Only those that answer in a thread.
    pub in_thread: bool,
    /// Only from this moment on, in milliseconds since the Unix epoch.
    pub after_ms: Option<u64>,
    /// Only before this moment, in milliseconds since the Unix epoch.
    pub before_ms: Option<u64>,
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
        for reading in self.readings(session, wanted).await? {
            let said = self.find_in(session, &reading, wanted, before, limit + 1).await?;
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

    /// The archives that are asked.
    async fn readings(&self, session: &Session, wanted: &Wanted) -> Result<Vec<Reading>> {
        if let Some(conversation) = &wanted.conversation {
            return Ok(vec![self.reading(session, conversation).await?]);
        }
        let mut readings = vec![self.reading_all(session)];
        for belonging in self.belongings(&Owner::from(session)).await? {
            match self.reading(session, &belonging.room).await {
                Ok(reading) => readings.push(reading),
                Err(Error::NotFound | Error::Forbidden) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(readings)
    }

    async fn find_in(
        &self,
        session: &Session,
        reading: &Reading,
        wanted: &Wanted,
        before: Option<ArchiveId>,
        limit: usize,
    ) -> Result<Vec<Said>> {
        let ends = [before, wanted.before_ms.map(ArchiveId::at_ms)];
        let end = ends.into_iter().flatten().min().unwrap_or(ArchiveId(u64::MAX));
        let mut end = ArchiveId(end.0.saturating_sub(1));
        let all_mention = [labels::mentions(session.bare.as_str())];
        let room = reading.conversation.as_ref().filter(|_| reading.room);
        let for_all = room.map(|room| labels::mentions(room.as_str()));
        // Whoever is mentioned by name, or with everybody in the room: two questions, since all labels of one must hold.
        let mut kinds: Vec<Vec<String>> = vec![wanted.has.iter().map(|kind| labels::has(kind)).collect()];
        if wanted.mentioning {
            let has = kinds.remove(0);
            for mention in all_mention.into_iter().chain(for_all) {
                kinds.push(has.iter().cloned().chain([mention]).collect());
            }
        }
        let start = wanted.after_ms.map(ArchiveId::at_ms);
        let mut found: Vec<Said> = Vec::new();
        let last_end = end;
        for labels in kinds {
            end = last_end;
            let mut count = 0;
            'pages: for _ in 0..FINDING_PAGES {
                let query = reading.query(PageFrom::End, PAGE.min(limit.max(1) * 2));
                let query = ArchiveQuery {
                    start,
                    end: Some(end),
                    text: wanted.text.clone(),
                    labels: labels.clone(),
                    with: query.with.or_else(|| wanted.from.clone().filter(|from| reading.keeps_apart(from))),
                    ..query
                };
                let page = self.store.archive_page(query).await?;
                let Some(first) = page.items.first().map(|first| first.id) else { break };
                for item in page.items.iter().rev() {
                    let Some(said) = Said::read(item).filter(|said| self.fits(reading, said, wanted)) else {
                        continue;
                    };
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
