//! Reading the archive: pages, single messages, what waits (XEP-0313, XEP-0160).

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Rows, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveBounds, ArchiveId, ArchivePage, ArchiveQuery, Archived, PageFrom};
use waxwing_chat::store::StoreError;

use super::copies::Kind;
use super::errors::Failure;
use super::tail::Entry;
use super::{copies, hashes, numbers};
use crate::words::{self, Question};

/// Both arms walk the primary key, and SQLite merges them, so that nothing is sorted.
const BY_OWNER: [&str; 2] = [
    "SELECT id FROM copy WHERE owner = ?1 AND kind = 0 AND id BETWEEN ?2 AND ?3 UNION ALL \
     SELECT id FROM copy WHERE owner = ?1 AND kind = 1 AND id BETWEEN ?2 AND ?3 ORDER BY id",
    "SELECT id FROM copy WHERE owner = ?1 AND kind = 0 AND id BETWEEN ?2 AND ?3 UNION ALL \
     SELECT id FROM copy WHERE owner = ?1 AND kind = 1 AND id BETWEEN ?2 AND ?3 ORDER BY id DESC",
];
const BY_CONTACT: [&str; 2] = [
    "SELECT id FROM conversation WHERE owner = ?1 AND peer = ?4 AND id BETWEEN ?2 AND ?3 ORDER BY id",
    "SELECT id FROM conversation WHERE owner = ?1 AND peer = ?4 AND id BETWEEN ?2 AND ?3 ORDER BY id DESC",
];
const BY_WORD: [&str; 2] = [
    "SELECT rowid FROM word WHERE word MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid",
    "SELECT rowid FROM word WHERE word MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid DESC",
];
const WAITING: &str = "SELECT id FROM copy WHERE owner = ?1 AND kind = 1 AND id > ?2 UNION ALL \
     SELECT id FROM copy WHERE owner = ?1 AND kind = 2 AND id > ?3 ORDER BY id";
/// A page of an owner's archive. `tail` are the owner's entries in the tail, taken before the snapshot.
pub(super) fn page(db: &Connection, query: &ArchiveQuery, tail: &[Entry]) -> Result<ArchivePage, Failure> {
    let mut loader = Loader::new(db, query.owner)?;
    let range = range(&mut loader, query)?;
    let question = query.text.as_ref().map(|text| words::question(query.owner, text));
    let (Some((low, high)), None | Some(Some(_))) = (range, &question) else {
        // Nothing is in the range, or the question has no word in it and finds nothing.
        return Ok(ArchivePage { items: Vec::new(), complete: true });
    };
    let question = question.flatten();
    let mut page = Page {
        db,
        loader,
        query,
        tail,
        question: question.as_ref(),
        descending: matches!(query.page, PageFrom::End | PageFrom::Before(_)),
        items: Vec::with_capacity(query.limit.min(256)),
        complete: true,
    };
    page.fill(low, high)?;
    if page.descending {
        page.items.reverse();
    }
    Ok(ArchivePage { items: page.items, complete: page.complete })
}

/// A page while it is being filled.
struct Page<'a> {
    db: &'a Connection,
    loader: Loader<'a>,
    query: &'a ArchiveQuery,
    tail: &'a [Entry],
    question: Option<&'a Question>,
    descending: bool,
    items: Vec<Archived>,
    complete: bool,
}

impl Page<'_> {
    fn fill(&mut self, low: i64, high: i64) -> Result<(), Failure> {
        if !self.query.ids.is_empty() {
            return self.fill_from_ids(low, high);
        }
        let Some(question) = self.question else {
            return self.fill_from_entries(low, high, None).map(drop);
        };
        // The search index ends somewhere; what is newer is read and compared.
        let end = numbers::int(numbers::counter(self.db, "searchable")?);
        let (indexed, newer) = ((low, high.min(end)), (low.max(end.saturating_add(1)), high));
        if self.descending {
            if self.fill_by_reading(newer, question)? {
                self.fill_from_words(indexed, question)?;
            }
        } else if self.fill_from_words(indexed, question)? {
            self.fill_by_reading(newer, question)?;
        }
        Ok(())
    }

    fn fill_from_words(&mut self, (low, high): (i64, i64), question: &Question) -> Result<bool, Failure> {
        let check = (!question.is_exact()).then_some(Check { question, by_index: true });
        let mut statement = self.db.prepare_cached(BY_WORD[usize::from(self.descending)])?;
        let rows = statement.query(params![question.fts, low, high])?;
        self.take_from(Candidates::new(rows, Vec::new(), self.descending)?, check)
    }

    fn fill_by_reading(&mut self, (low, high): (i64, i64), question: &Question) -> Result<bool, Failure> {
        self.fill_from_entries(low, high, Some(Check { question, by_index: false }))
    }

    fn fill_from_entries(&mut self, low: i64, high: i64, check: Option<Check<'_>>) -> Result<bool, Failure> {
        if low > high {
            return Ok(true);
        }
        let turn = usize::from(self.descending);
        let owner = self.query.owner.0;
        let peer = self.query.with.as_ref().map(|with| hashes::peer(with.bare_str()));
        let in_range = |e: &&Entry| {
            e.kind.is_kept() && (low..=high).contains(&e.id) && peer.is_none_or(|peer| e.peer == peer)
        };
        let recent = self.tail.iter().filter(in_range).map(|e| e.id).collect();
        let mut statement =
            self.db.prepare_cached(if peer.is_some() { BY_CONTACT } else { BY_OWNER }[turn])?;
        let rows = match peer {
            Some(peer) => statement.query(params![owner, low, high, peer])?,
            None => statement.query(params![owner, low, high])?,
        };
        self.take_from(Candidates::new(rows, recent, self.descending)?, check)
    }

    fn fill_from_ids(&mut self, low: i64, high: i64) -> Result<(), Failure> {
        let mut ids: Vec<i64> = self.query.ids.iter().map(|id| numbers::int(id.0)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| (low..=high).contains(id));
        if self.descending {
            ids.reverse();
        }
        let check = self.question.map(|question| Check { question, by_index: false });
        for id in ids {
            if !self.offer(id, check)? {
                break;
            }
        }
        Ok(())
    }

    /// Offers candidates until there are no more, or no room; says whether there is room.
    fn take_from(&mut self, mut ids: Candidates<'_>, check: Option<Check<'_>>) -> Result<bool, Failure> {
        while let Some(id) = ids.next()? {
            if !self.offer(id, check)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes a message onto the page if it meets all conditions; says whether there is room for more.
    fn offer(&mut self, id: i64, check: Option<Check<'_>>) -> Result<bool, Failure> {
        let Some(message) = self.loader.load(id, check)? else {
            return Ok(true);
        };
        let matches = match &self.query.with {
            None => true,
            Some(with) if with.is_bare() => message.peer.same_bare(with),
            Some(with) => message.peer == *with,
        };
        if !matches {
            return Ok(true);
        }
        if self.items.len() >= self.query.limit {
            self.complete = false;
            return Ok(false);
        }
        self.items.push(message);
        Ok(true)
    }
}

/// Ids from an index table and from the tail, in order, each once.
struct Candidates<'s> {
    rows: Rows<'s>,
    row: Option<i64>,
    recent: Vec<i64>,
    descending: bool,
}

impl<'s> Candidates<'s> {
    /// `recent` oldest first, the rows in the order wanted.
    fn new(rows: Rows<'s>, mut recent: Vec<i64>, descending: bool) -> rusqlite::Result<Self> {
        if !descending {
            recent.reverse();
        }
        let mut new = Self { rows, row: None, recent, descending };
        new.row = new.next_row()?;
        Ok(new)
    }

    fn next_row(&mut self) -> rusqlite::Result<Option<i64>> {
        self.rows.next()?.map(|row| row.get(0)).transpose()
    }

    fn next(&mut self) -> rusqlite::Result<Option<i64>> {
        let first = match (self.row, self.recent.last().copied()) {
            (Some(row), Some(recent)) if self.descending => row.max(recent),
            (Some(row), Some(recent)) => row.min(recent),
            (Some(id), None) | (None, Some(id)) => id,
            (None, None) => return Ok(None),
        };
        if self.recent.last() == Some(&first) {
            self.recent.pop();
        }
        if self.row == Some(first) {
            self.row = self.next_row()?;
        }
        Ok(Some(first))
    }
}

/// The ids that a query may return, both ends inclusive; `None` when there can be none.
fn range(loader: &mut Loader<'_>, query: &ArchiveQuery) -> Result<Option<(i64, i64)>, Failure> {
    let mut must_exist = |id: ArchiveId| -> Result<u64, Failure> {
        if loader.has(numbers::int(id.0))? { Ok(id.0) } else { Err(StoreError::NotFound.into()) }
    };
    let mut low = query.start.map_or(0, |id| id.0);
    let mut high = query.end.map_or(u64::MAX, |id| id.0);
    if let Some(id) = query.after_id {
        low = low.max(must_exist(id)? + 1);
    }
    if let Some(id) = query.before_id {
        high = high.min(must_exist(id)?.saturating_sub(1));
    }
    match query.page {
        PageFrom::After(id) => low = low.max(must_exist(id)? + 1),
        PageFrom::Before(id) => high = high.min(must_exist(id)?.saturating_sub(1)),
        PageFrom::Start | PageFrom::End => {}
    }
    for id in &query.ids {
        must_exist(*id)?;
    }
    Ok((low <= high).then(|| (numbers::int(low), numbers::int(high))))
}

/// Single messages of an owner's archive, in the order asked.
pub(super) fn messages(
    db: &Connection,
    owner: AccountId,
    ids: &[ArchiveId],
) -> Result<Vec<Archived>, Failure> {
    let mut loader = Loader::new(db, owner)?;
    ids.iter()
        .map(|id| loader.load(numbers::int(id.0), None)?.ok_or(Failure::Answer(StoreError::NotFound)))
        .collect()
}

/// The first and last message of an owner's archive.
pub(super) fn bounds(
    db: &Connection,
    owner: AccountId,
    tail: &[Entry],
) -> Result<Option<ArchiveBounds>, Failure> {
    let mut ends = db.prepare_cached(
        "SELECT (SELECT min(id) FROM copy WHERE owner = ?1 AND kind = ?2), \
                (SELECT max(id) FROM copy WHERE owner = ?1 AND kind = ?2)",
    )?;
    let mut found = Vec::new();
    for kind in [0, 1] {
        let (first, last): (Option<i64>, Option<i64>) =
            ends.query_row(params![owner.0, kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.extend(first.into_iter().chain(last));
    }
    // The tail may know messages that are gone.
    let mut loader = Loader::new(db, owner)?;
    for entry in tail {
        if loader.has(entry.id)? {
            found.push(entry.id);
            break;
        }
    }
    for entry in tail.iter().rev() {
        if loader.has(entry.id)? {
            found.push(entry.id);
            break;
        }
    }
    let (first, last) = (found.iter().min(), found.iter().max());
    Ok(first.zip(last).map(|(first, last)| ArchiveBounds {
        first: ArchiveId(numbers::uint(*first)),
        last: ArchiveId(numbers::uint(*last)),
    }))
}

/// What waits for the owner behind an id, oldest first.
pub(super) fn waiting(
    db: &Connection,
    owner: AccountId,
    after: ArchiveId,
    limit: usize,
    tail: &[Entry],
) -> Result<Vec<Archived>, Failure> {
    let mut loader = Loader::waiting(db, owner)?;
    let after = numbers::int(after.0);
    let delivered: Option<i64> = db
        .prepare_cached("SELECT delivered FROM account WHERE id = ?1")?
        .query_row([owner.0], |row| row.get(0))
        .optional()?;
    // What only waits and has been delivered may not all be removed yet.
    let after_delivered = after.max(delivered.unwrap_or(i64::MAX));
    let waits = |e: &&Entry| match e.kind {
        Kind::Archived => false,
        Kind::ArchivedAndWaits => e.id > after,
        Kind::Waits => e.id > after_delivered,
    };
    let recent = tail.iter().filter(waits).map(|e| e.id).collect();
    let mut statement = db.prepare_cached(WAITING)?;
    let rows = statement.query(params![owner.0, after, after_delivered])?;
    let mut ids = Candidates::new(rows, recent, false)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(id) = ids.next()?
    {
        found.extend(loader.load(id, None)?);
    }
    Ok(found)
}

/// What a message's text must be asked besides the index.
#[derive(Clone, Copy)]
struct Check<'a> {
    question: &'a Question,
    /// The message was found by the index, and only the rest is left to check.
    by_index: bool,
}

impl Check<'_> {
    fn passes(self, text: &str) -> bool {
        if self.by_index { self.question.holds_runs(text) } else { self.question.is_answered_by(text) }
    }
}

/// Fetches messages of one owner.
struct Loader<'c> {
    owner: AccountId,
    /// Also what is not part of the archive, and only waits.
    unkept: bool,
    copies: CachedStatement<'c>,
    plain: CachedStatement<'c>,
    with_text: CachedStatement<'c>,
}

impl<'c> Loader<'c> {
    fn new(db: &'c Connection, owner: AccountId) -> rusqlite::Result<Self> {
        Ok(Self {
            owner,
            unkept: false,
            copies: db.prepare_cached("SELECT copies FROM message WHERE id = ?1")?,
            plain: db.prepare_cached("SELECT copies, xml FROM message WHERE id = ?1")?,
            with_text: db.prepare_cached("SELECT copies, xml, text FROM message WHERE id = ?1")?,
        })
    }

    /// Fetches also what only waits.
    fn waiting(db: &'c Connection, owner: AccountId) -> rusqlite::Result<Self> {
        Ok(Self { unkept: true, ..Self::new(db, owner)? })
    }

    /// Whether the owner's archive holds a message under this id.
    fn has(&mut self, id: i64) -> rusqlite::Result<bool> {
        let owner = self.owner;
        let read =
            |row: &Row<'_>| Ok(copies::readers(row.get_ref(0)?.as_blob()?).any(|reader| reader == owner));
        Ok(self.copies.query_row([id], read).optional()?.unwrap_or(false))
    }

    /// The message under this id, if it is the owner's and holds what is asked for.
    fn load(&mut self, id: i64, check: Option<Check<'_>>) -> Result<Option<Archived>, Failure> {
        let (owner, unkept) = (self.owner, self.unkept);
        let read = |row: &Row<'_>| -> rusqlite::Result<Result<Option<Archived>, Failure>> {
            if let Some(check) = check {
                let text = row.get_ref(2)?.as_str_or_null()?.unwrap_or("");
                if !check.passes(text) {
                    return Ok(Ok(None));
                }
            }
            Ok(archived(owner, unkept, id, row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?))
        };
        let statement = if check.is_some() { &mut self.with_text } else { &mut self.plain };
        statement.query_row([id], read).optional()?.unwrap_or(Ok(None))
    }
}

fn archived(
    owner: AccountId,
    unkept: bool,
    id: i64,
    column: &[u8],
    xml: &[u8],
) -> Result<Option<Archived>, Failure> {
    for entry in copies::entries(column) {
        let entry = entry.ok_or_else(|| Failure::other(format!("message {id} has damaged copies")))?;
        if entry.owner == owner && (unkept || entry.kind().is_kept()) {
            return Ok(Some(Archived {
                id: ArchiveId(numbers::uint(id)),
                peer: super::jid(entry.peer)?,
                direction: entry.direction(),
                xml: xml.to_vec(),
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to ask walks an index in the order wanted: no scan of a table, no sorting.
    #[test]
    fn queries_are_bound_by_indexes() {
        let db = Connection::open_in_memory().unwrap();
        super::super::migrations::migrate(&db).unwrap();
        let all = BY_OWNER.iter().chain(&BY_CONTACT).chain(&BY_WORD).chain([&WAITING]);
        for sql in all {
            let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            for n in 1..=explain.parameter_count() {
                explain.raw_bind_parameter(n, 1).unwrap();
            }
            let mut rows = explain.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get(3).unwrap();
                let virtual_table = step.starts_with("SCAN word VIRTUAL TABLE");
                assert!(!step.contains("TEMP B-TREE"), "{sql}: {step}");
                assert!(
                    !step.starts_with("SCAN") || virtual_table || step == "SCAN CONSTANT ROW",
                    "{sql}: {step}"
                );
            }
        }
    }
}
