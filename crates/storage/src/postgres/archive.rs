//! Reading the archive: pages, single messages, what waits (XEP-0313, XEP-0160).
//!
//! The tables by which messages are found only propose: a message is shown if it says itself that it is the owner's, from the
//! contact asked for, and that its text answers the question.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveBounds, ArchiveId, ArchivePage, ArchiveQuery, Archived, PageFrom};
use waxwing_chat::store::{LABELLED_BYTES_LIMIT, StoreError, StoreResult};

use super::append::word_key;
use super::attempts::reading;
use super::errors::Failure;
use super::session::Session;
use super::{Postgres, numbers, partitions};
use crate::copies::{self, Kind};
use crate::keys::Keys;
use crate::labels;
use crate::words::{self, Question};

/// The fewest messages that are asked for at a time where not all that are found need be wanted.
const SMALLEST_CHUNK: usize = 16;

/// The most.
const LARGEST_CHUNK: usize = 1_000;

impl Postgres {
    /// A page of an owner's archive.
    pub(super) async fn archive_page(&self, query: ArchiveQuery) -> StoreResult<ArchivePage> {
        if let Some(page) = self.page_of_replica(&query).await {
            return Ok(page);
        }
        reading!(self, |db| page(db, &self.keys, &query, u64::MAX).await)
    }

    /// Messages of an owner's archive that carry any of the labels, oldest first; of each label the newest `limit`.
    pub(super) async fn labelled(
        &self,
        owner: AccountId,
        labels: Vec<String>,
        limit: usize,
    ) -> StoreResult<Vec<Archived>> {
        let of_owner = self.keys.of(owner);
        let keys: Vec<i64> = labels.iter().map(|label| numbers::int(of_owner.label(label))).collect();
        reading!(self, |db| {
            let rows = db.rows(LABELLED, &[&keys, &numbers::limit(limit)]).await?;
            let mut found = Vec::with_capacity(rows.len());
            let mut read: HashMap<&str, usize> = HashMap::new();
            for row in rows.iter().rev() {
                let column: Option<&str> = row.try_get(4)?;
                let wanted =
                    labels::each(column).filter_map(|label| labels.iter().find(|wanted| *wanted == label));
                let wanted: Vec<&str> = wanted.map(String::as_str).collect();
                let Some(message) = archived(owner, Show::Archived, row)?.filter(|_| !wanted.is_empty())
                else {
                    continue;
                };
                let mut is_within = false;
                for label in wanted {
                    let bytes = read.entry(label).or_default();
                    is_within |= *bytes == 0 || *bytes + message.xml.len() <= LABELLED_BYTES_LIMIT;
                    *bytes += message.xml.len();
                }
                found.extend(Some(message).filter(|_| is_within));
            }
            found.reverse();
            Ok(found)
        })
    }

    /// Single messages of an owner's archive, in the order asked.
    pub(super) async fn archived(&self, owner: AccountId, ids: &[ArchiveId]) -> StoreResult<Vec<Archived>> {
        if let Some(found) = self.messages_of_replica(owner, ids).await {
            return Ok(found);
        }
        reading!(self, |db| messages(db, owner, ids).await)
    }

    /// The first and last message of an owner's archive.
    pub(super) async fn archive_bounds(&self, owner: AccountId) -> StoreResult<Option<ArchiveBounds>> {
        reading!(self, |db| {
            let source = Source::Owner(owner);
            let first = source.ids(db, (0, u64::MAX), 1, false).await?;
            let last = source.ids(db, (0, u64::MAX), 1, true).await?;
            let ends = first.first().zip(last.first());
            Ok(ends.map(|(first, last)| ArchiveBounds { first: ArchiveId(*first), last: ArchiveId(*last) }))
        })
    }

    /// What waits for the owner behind an id, oldest first.
    pub(super) async fn waiting(
        &self,
        owner: AccountId,
        after: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<Archived>> {
        reading!(self, |db| {
            let (low, limit) = (numbers::int(after.0).saturating_add(1), numbers::limit(limit));
            let rows = db.rows(WAITING, &[&owner.0, &low, &limit]).await?;
            let found: Result<Vec<_>, Failure> =
                rows.iter().map(|row| archived(owner, Show::Waiting, row)).collect();
            Ok(found?.into_iter().flatten().collect())
        })
    }
}

/// How many messages there are.
pub(super) async fn count(db: &Session) -> Result<u64, Failure> {
    Ok(numbers::uint(db.only_row("SELECT messages FROM clock", &[]).await?.try_get(0)?))
}

/// The columns by which `archived` knows a message.
macro_rules! message_columns {
    () => {
        "m.id, m.copies, m.xml, m.text, m.labels"
    };
}

/// The message under an id; `OFFSET 0` keeps the planner from doing anything but looking it up.
macro_rules! message_of {
    ($id:literal) => {
        concat!("CROSS JOIN LATERAL (SELECT * FROM message WHERE id = ", $id, " OFFSET 0) m")
    };
}

/// What is not below the archive's horizon.
macro_rules! above_horizon {
    () => {
        "id >= (SELECT horizon FROM clock)"
    };
}

pub(super) const LABELLED: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM (SELECT DISTINCT x.id FROM unnest($1::int8[]) k(key) CROSS JOIN LATERAL (SELECT id FROM label \
     WHERE key = k.key AND ",
    above_horizon!(),
    " ORDER BY id DESC LIMIT $2) x) c ",
    message_of!("c.id"),
    " ORDER BY m.id"
);

pub(super) const WAITING: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM ((SELECT id FROM copy WHERE owner = $1 AND kind = 1 AND id >= $2 AND ",
    above_horizon!(),
    " ORDER BY id LIMIT $3) UNION ALL (SELECT id FROM copy WHERE owner = $1 AND kind = 2 AND id >= $2 AND ",
    above_horizon!(),
    " ORDER BY id LIMIT $3) ORDER BY id LIMIT $3) c ",
    message_of!("c.id"),
    " ORDER BY m.id"
);

pub(super) const BY_IDS: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM unnest($1::int8[]) c(id) ",
    message_of!("c.id"),
    " WHERE m.",
    above_horizon!(),
);

/// Which ids of some the owner's archive holds.
pub(super) const HELD: &str = concat!(
    "SELECT id FROM copy WHERE owner = $1 AND kind IN (0, 1) AND id = ANY ($2) AND ",
    above_horizon!()
);

/// What proposes messages.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// All that an owner has archived.
    Owner(AccountId),
    /// By the key of a conversation.
    Contact(i64),
    /// By the key of a label.
    Label(i64),
    /// By the keys of words.
    Words(Vec<i32>),
}

impl Source {
    fn of(query: &ArchiveQuery, keys: &Keys, question: Option<&Question>) -> Self {
        let of_owner = keys.of(query.owner);
        if let Some(question) = question {
            let mut words: Vec<_> =
                question.words().map(|word| word_key(of_owner.word(keys.word(word)))).collect();
            words.sort_unstable();
            return Self::Words(words);
        }
        if let Some(label) = query.labels.first() {
            return Self::Label(numbers::int(of_owner.label(label)));
        }
        match &query.with {
            Some(with) => Self::Contact(numbers::int(of_owner.contact(with.bare_str()))),
            None => Self::Owner(query.owner),
        }
    }

    /// The statement that gives ids of it; $1 is what is sought, $2 and $3 are the range, both ends inclusive, $4 is the limit. Words
    /// are sought in one partition.
    pub(super) fn sql(&self, descending: bool, partition: u64) -> String {
        let order = if descending { "DESC" } else { "ASC" };
        let range = concat!("id BETWEEN $2 AND $3 AND ", above_horizon!());
        let end = format!("ORDER BY id {order} LIMIT $4");
        match self {
            Self::Owner(_) => {
                let kind = |kind| {
                    format!("(SELECT id FROM copy WHERE owner = $1 AND kind = {kind} AND {range} {end})")
                };
                format!("{} UNION ALL {} {end}", kind(0), kind(1))
            }
            Self::Contact(_) => {
                format!("SELECT id FROM copy WHERE contact = $1 AND kind < 2 AND {range} {end}")
            }
            Self::Label(_) => format!("SELECT id FROM label WHERE key = $1 AND {range} {end}"),
            // The planner might else walk all messages in order until enough of them have the words.
            Self::Words(_) => format!(
                "WITH hits AS MATERIALIZED (SELECT id FROM message_{partition} WHERE words @> $1) \
                 SELECT id FROM hits WHERE {range} {end}"
            ),
        }
    }

    fn sought(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Owner(owner) => &owner.0,
            Self::Contact(key) | Self::Label(key) => key,
            Self::Words(words) => words,
        }
    }

    /// The first ids in a range, both ends inclusive, from its lower or from its upper end.
    async fn ids(
        &self,
        db: &Session,
        range: (u64, u64),
        limit: usize,
        descending: bool,
    ) -> Result<Vec<u64>, Failure> {
        if !matches!(self, Self::Words(_)) {
            return self.ids_in(db, range, limit, descending, 0).await;
        }
        let mut parts = partitions::existing(db).await?;
        let (first, last) = (partitions::of(ArchiveId(range.0)), partitions::of(ArchiveId(range.1)));
        parts.retain(|number| (first..=last).contains(number));
        if descending {
            parts.reverse();
        }
        let mut found = Vec::new();
        for number in parts {
            if found.len() < limit {
                found.extend(self.ids_in(db, range, limit - found.len(), descending, number).await?);
            }
        }
        Ok(found)
    }

    async fn ids_in(
        &self,
        db: &Session,
        (low, high): (u64, u64),
        limit: usize,
        descending: bool,
        partition: u64,
    ) -> Result<Vec<u64>, Failure> {
        let sql = self.sql(descending, partition);
        let (low, high) = (numbers::int(low), numbers::int(high));
        let rows = db.rows(&sql, &[self.sought(), &low, &high, &numbers::limit(limit)]).await?;
        rows.iter().map(|row| Ok(numbers::uint(row.try_get(0)?))).collect()
    }
}

/// A page of an owner's archive, of what is not above `newest`.
pub(super) async fn page(
    db: &Session,
    keys: &Keys,
    query: &ArchiveQuery,
    newest: u64,
) -> Result<ArchivePage, Failure> {
    let range = range(db, query).await?;
    let question = query.text.as_ref().map(|text| words::question(text));
    let (Some((low, high)), None | Some(Some(_))) = (range, &question) else {
        // Nothing is in the range, or the question has no word in it and finds nothing.
        return Ok(ArchivePage { items: Vec::new(), complete: true });
    };
    let question = question.flatten();
    let mut page = Page {
        query,
        question: question.as_ref(),
        descending: matches!(query.page, PageFrom::End | PageFrom::Before(_)),
        items: Vec::with_capacity(query.limit.min(256)),
        complete: true,
    };
    let range = (low, high.min(newest));
    if query.ids.is_empty() {
        page.fill(db, Source::of(query, keys, page.question), range).await?;
    } else {
        page.fill_from_ids(db, range).await?;
    }
    if page.descending {
        page.items.reverse();
    }
    Ok(ArchivePage { items: page.items, complete: page.complete })
}

/// A page while it is being filled.
struct Page<'a> {
    query: &'a ArchiveQuery,
    question: Option<&'a Question>,
    descending: bool,
    items: Vec<Archived>,
    complete: bool,
}

impl Page<'_> {
    async fn fill(
        &mut self,
        db: &Session,
        source: Source,
        (mut low, mut high): (u64, u64),
    ) -> Result<(), Failure> {
        // One more than the page takes tells whether it is the last.
        let mut chunk = self.query.limit.saturating_add(1).min(LARGEST_CHUNK);
        while low <= high {
            let ids = source.ids(db, (low, high), chunk, self.descending).await?;
            let Some(last) = ids.last().copied() else { return Ok(()) };
            if !self.offer_all(db, &ids).await? || ids.len() < chunk {
                return Ok(());
            }
            if self.descending {
                high = last.saturating_sub(1);
            } else {
                low = last + 1;
            }
            chunk = (chunk * 2).clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        }
        Ok(())
    }

    async fn fill_from_ids(&mut self, db: &Session, (low, high): (u64, u64)) -> Result<(), Failure> {
        let mut ids: Vec<u64> = self.query.ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| (low..=high).contains(id));
        if self.descending {
            ids.reverse();
        }
        self.offer_all(db, &ids).await.map(drop)
    }

    /// Takes messages onto the page, those that meet all conditions; says whether there is room for more.
    async fn offer_all(&mut self, db: &Session, ids: &[u64]) -> Result<bool, Failure> {
        let rows = load(db, ids).await?;
        for id in ids {
            let Some(row) = rows.get(id) else { continue };
            if !self.is_answer(row)? {
                continue;
            }
            let Some(message) = archived(self.query.owner, Show::Archived, row)? else { continue };
            let matches = match &self.query.with {
                None => true,
                Some(with) if with.is_bare() => message.peer.same_bare(with),
                Some(with) => message.peer == *with,
            };
            if !matches {
                continue;
            }
            if self.items.len() >= self.query.limit {
                self.complete = false;
                return Ok(false);
            }
            self.items.push(message);
        }
        Ok(true)
    }

    fn is_answer(&self, row: &Row) -> Result<bool, Failure> {
        let (text, column): (Option<&str>, Option<&str>) = (row.try_get(3)?, row.try_get(4)?);
        Ok(self.question.is_none_or(|question| question.is_answered_by(text.unwrap_or("")))
            && self.query.labels.iter().all(|wanted| labels::each(column).any(|label| label == wanted)))
    }
}

/// The ids that a query may return, both ends inclusive; `None` when there can be none.
async fn range(db: &Session, query: &ArchiveQuery) -> Result<Option<(u64, u64)>, Failure> {
    let mut named: Vec<ArchiveId> = query.ids.clone();
    named.extend(query.after_id);
    named.extend(query.before_id);
    if let PageFrom::After(id) | PageFrom::Before(id) = query.page {
        named.push(id);
    }
    must_hold(db, query.owner, &named).await?;
    let mut low = query.start.map_or(0, |id| id.0);
    let mut high = query.end.map_or(u64::MAX, |id| id.0);
    if let Some(id) = query.after_id {
        low = low.max(id.0 + 1);
    }
    if let Some(id) = query.before_id {
        high = high.min(id.0.saturating_sub(1));
    }
    match query.page {
        PageFrom::After(id) => low = low.max(id.0 + 1),
        PageFrom::Before(id) => high = high.min(id.0.saturating_sub(1)),
        PageFrom::Start | PageFrom::End => {}
    }
    Ok((low <= high).then_some((low, high)))
}

/// `NotFound` unless the owner's archive holds all of these.
pub(super) async fn must_hold(db: &Session, owner: AccountId, ids: &[ArchiveId]) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    // No message has an id beyond the range of the column.
    let mut ids: Vec<i64> = ids
        .iter()
        .map(|id| i64::try_from(id.0).map_err(|_| StoreError::NotFound))
        .collect::<Result<_, _>>()?;
    ids.sort_unstable();
    ids.dedup();
    let held = db.rows(HELD, &[&owner.0, &ids]).await?;
    if held.len() == ids.len() { Ok(()) } else { Err(StoreError::NotFound.into()) }
}

/// Single messages of an owner's archive, in the order asked.
pub(super) async fn messages(
    db: &Session,
    owner: AccountId,
    ids: &[ArchiveId],
) -> Result<Vec<Archived>, Failure> {
    let raw: Vec<u64> = ids.iter().map(|id| id.0).collect();
    let rows = load(db, &raw).await?;
    let found = raw.iter().map(|id| match rows.get(id) {
        Some(row) => archived(owner, Show::Archived, row)?.ok_or(Failure::Answer(StoreError::NotFound)),
        None => Err(StoreError::NotFound.into()),
    });
    found.collect()
}

/// Messages by their ids.
async fn load(db: &Session, ids: &[u64]) -> Result<HashMap<u64, Row>, Failure> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut ids: Vec<i64> = ids.iter().filter_map(|id| i64::try_from(*id).ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = db.rows(BY_IDS, &[&ids]).await?;
    rows.into_iter().map(|row| Ok((numbers::uint(row.try_get(0)?), row))).collect()
}

/// Which of an owner's copies are shown.
#[derive(Clone, Copy)]
enum Show {
    Archived,
    Waiting,
}

impl Show {
    fn shows(self, kind: Kind) -> bool {
        match self {
            Self::Archived => kind.is_kept(),
            Self::Waiting => kind != Kind::Archived,
        }
    }
}

/// The owner's message in a row; `None` if it is not his, or not of that kind.
fn archived(owner: AccountId, show: Show, row: &Row) -> Result<Option<Archived>, Failure> {
    let (id, column): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    for entry in copies::entries(column) {
        let entry = entry.ok_or_else(|| Failure::other(format!("message {id} has damaged copies")))?;
        if entry.owner == owner && show.shows(entry.kind()) {
            return Ok(Some(Archived {
                id: ArchiveId(numbers::uint(id)),
                peer: super::jid(entry.peer)?,
                direction: entry.direction(),
                xml: row.try_get(2)?,
            }));
        }
    }
    Ok(None)
}
