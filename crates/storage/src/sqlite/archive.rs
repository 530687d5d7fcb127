//! Reading the archive: pages, single messages, what waits (XEP-0313, XEP-0160).
//!
//! The index only proposes: a message is shown if it says itself that it is the owner's, from the contact asked for, and
//! that its text answers the question.

use std::collections::BTreeMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveBounds, ArchiveId, ArchivePage, ArchiveQuery, Archived, PageFrom};
use waxwing_chat::store::{LABELLED_BYTES_LIMIT, StoreError};

use super::errors::Failure;
use super::runs::filter::Filters;
use super::runs::walk::{Blocks, Intersection};
use super::tail::Entry;
use super::{numbers, passing, runs};
use crate::copies::Kind;
use crate::keys::Keys;
use crate::words::{self, Question};
use crate::{copies, labels};

/// A page of an owner's archive. `tail` are the owner's entries in the tail, taken before the snapshot.
pub(super) fn page(
    db: &Connection,
    (keys, filters): (Keys, &Filters),
    query: &ArchiveQuery,
    tail: &[Entry],
) -> Result<ArchivePage, Failure> {
    let mut loader = Loader::new(db, query.owner, Show::Archived)?;
    let range = range(&mut loader, query)?;
    let question = query.text.as_ref().map(|text| words::question(text));
    let (Some(range), None | Some(Some(_))) = (range, &question) else {
        // Nothing is in the range, or the question has no word in it and finds nothing.
        return Ok(ArchivePage { items: Vec::new(), complete: true });
    };
    let question = question.flatten();
    let mut page = Page {
        loader,
        query,
        wanted: Wanted { question: question.as_ref(), labels: &query.labels },
        descending: matches!(query.page, PageFrom::End | PageFrom::Before(_)),
        items: Vec::with_capacity(query.limit.min(256)),
        complete: true,
    };
    page.fill(db, (keys, filters), range, tail)?;
    if page.descending {
        page.items.reverse();
    }
    Ok(ArchivePage { items: page.items, complete: page.complete })
}

/// A page while it is being filled.
struct Page<'a> {
    loader: Loader<'a>,
    query: &'a ArchiveQuery,
    wanted: Wanted<'a>,
    descending: bool,
    items: Vec<Archived>,
    complete: bool,
}

impl Page<'_> {
    fn fill(
        &mut self,
        db: &Connection,
        (keys, filters): (Keys, &Filters),
        range: (u64, u64),
        tail: &[Entry],
    ) -> Result<(), Failure> {
        if !self.query.ids.is_empty() {
            return self.fill_from_ids(range);
        }
        let of_owner = keys.of(self.query.owner);
        let contact = self.query.with.as_ref().map(|with| of_owner.contact(with.bare_str()));
        let words = self.wanted.question.into_iter().flat_map(Question::words);
        let mut sought: Vec<_> = words.map(|word| of_owner.word(keys.word(word))).chain(contact).collect();
        sought.extend(self.query.labels.iter().map(|label| of_owner.label(label)));
        if sought.is_empty() {
            sought.push(of_owner.archived());
        }
        let matches = |entry: &&Entry| contact.is_none_or(|contact| entry.contact == contact);
        let recent = tail.iter().filter(matches).map(|entry| numbers::uint(entry.id)).collect();
        let mut ids = Candidates::new(db, filters, &sought, range, recent, self.descending)?;
        while let Some(id) = ids.next()? {
            if !self.offer(id)? {
                break;
            }
        }
        Ok(())
    }

    fn fill_from_ids(&mut self, (low, high): (u64, u64)) -> Result<(), Failure> {
        let mut ids: Vec<u64> = self.query.ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| (low..=high).contains(id));
        if self.descending {
            ids.reverse();
        }
        for id in ids {
            if !self.offer(id)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a message onto the page if it meets all conditions; says whether there is room for more.
    fn offer(&mut self, id: u64) -> Result<bool, Failure> {
        let Some(message) = self.loader.load(numbers::int(id), self.wanted)? else {
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

/// Ids that the runs and the tail propose, in order, each once.
struct Candidates<'c> {
    blocks: Blocks<'c>,
    shared: Intersection,
    /// The next one last.
    recent: Vec<u64>,
    descending: bool,
}

impl<'c> Candidates<'c> {
    /// What all of `keys` have, and `recent`, in any order; of both what is in the range.
    fn new(
        db: &'c Connection,
        filters: &Filters,
        keys: &[u64],
        (low, high): (u64, u64),
        mut recent: Vec<u64>,
        descending: bool,
    ) -> rusqlite::Result<Self> {
        // What is older is gone, and the runs may not know it yet.
        let low = low.max(runs::horizon(db)?);
        recent.retain(|id| (low..=high).contains(id));
        recent.sort_unstable();
        recent.dedup();
        if !descending {
            recent.reverse();
        }
        let runs = runs::published(db)?;
        let filters = filters.of(db, &runs)?;
        let shared = Intersection::new(&runs, &filters, keys, (low, high), descending);
        Ok(Self { blocks: Blocks::new(db)?, shared, recent, descending })
    }

    fn next(&mut self) -> rusqlite::Result<Option<u64>> {
        let recent = self.recent.last().copied();
        let first = match (self.shared.peek(&mut self.blocks)?, recent) {
            (Some(id), Some(recent)) if self.descending => id.max(recent),
            (Some(id), Some(recent)) => id.min(recent),
            (Some(id), None) | (None, Some(id)) => id,
            (None, None) => return Ok(None),
        };
        if recent == Some(first) {
            self.recent.pop();
        }
        self.shared.pass(first);
        Ok(Some(first))
    }
}

/// The ids that a query may return, both ends inclusive; `None` when there can be none.
fn range(loader: &mut Loader<'_>, query: &ArchiveQuery) -> Result<Option<(u64, u64)>, Failure> {
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
    Ok((low <= high).then_some((low, high)))
}

/// Single messages of an owner's archive, in the order asked.
pub(super) fn messages(
    db: &Connection,
    owner: AccountId,
    ids: &[ArchiveId],
) -> Result<Vec<Archived>, Failure> {
    let mut loader = Loader::new(db, owner, Show::Archived)?;
    ids.iter()
        .map(|id| loader.load(numbers::int(id.0), Wanted::ANY)?.ok_or(Failure::Answer(StoreError::NotFound)))
        .collect()
}

/// What carries any of the labels, each with its key and its entries in the tail, which were taken before the snapshot; oldest first,
/// each once, of each label the newest `limit`, and no more than hold `LABELLED_BYTES_LIMIT`.
pub(super) fn labelled(
    db: &Connection,
    filters: &Filters,
    owner: AccountId,
    labels: &[(String, u64, Vec<Entry>)],
    limit: usize,
) -> Result<Vec<Archived>, Failure> {
    let mut loader = Loader::new(db, owner, Show::Archived)?;
    let mut found = BTreeMap::new();
    for (label, key, tail) in labels {
        let recent = tail.iter().map(|entry| numbers::uint(entry.id)).collect();
        let mut ids = Candidates::new(db, filters, &[*key], (0, u64::MAX), recent, true)?;
        let wanted = Wanted { question: None, labels: std::slice::from_ref(label) };
        let (mut count, mut bytes) = (0, 0);
        while count < limit
            && let Some(id) = ids.next()?
        {
            if let Some(message) = loader.load(numbers::int(id), wanted)? {
                bytes += message.xml.len();
                if bytes > LABELLED_BYTES_LIMIT && count > 0 {
                    break;
                }
                count += 1;
                found.insert(id, message);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The first and last message of an owner's archive.
pub(super) fn bounds(
    db: &Connection,
    (keys, filters): (Keys, &Filters),
    owner: AccountId,
    tail: &[Entry],
) -> Result<Option<ArchiveBounds>, Failure> {
    let mut loader = Loader::new(db, owner, Show::Archived)?;
    let mut end = |descending| -> Result<Option<ArchiveId>, Failure> {
        let recent = tail.iter().map(|entry| numbers::uint(entry.id)).collect();
        let archived = [keys.of(owner).archived()];
        let mut ids = Candidates::new(db, filters, &archived, (0, u64::MAX), recent, descending)?;
        while let Some(id) = ids.next()? {
            if loader.has(numbers::int(id))? {
                return Ok(Some(ArchiveId(id)));
            }
        }
        Ok(None)
    };
    Ok(match (end(false)?, end(true)?) {
        (Some(first), Some(last)) => Some(ArchiveBounds { first, last }),
        _ => None,
    })
}

/// What waits for the owner behind an id, oldest first.
pub(super) fn waiting(
    db: &Connection,
    (keys, filters): (Keys, &Filters),
    owner: AccountId,
    after: ArchiveId,
    limit: usize,
    tail: &[Entry],
) -> Result<Vec<Archived>, Failure> {
    let mut loader = Loader::new(db, owner, Show::Waiting)?;
    let delivered: Option<i64> = db
        .prepare_cached("SELECT delivered FROM account WHERE id = ?1")?
        .query_row([owner.0], |row| row.get(0))
        .optional()?;
    // What only waits and has been delivered may not all be removed yet.
    let undelivered = numbers::int(after.0).max(delivered.unwrap_or(i64::MAX)).saturating_add(1);
    let waits = tail.iter().filter(|entry| entry.kind == Kind::ArchivedAndWaits).map(|entry| entry.id);
    let passing = passing::between(db, owner, (undelivered, i64::MAX), limit)?;
    let recent = waits.chain(passing).map(numbers::uint).collect();
    let range = (after.0.saturating_add(1), u64::MAX);
    let mut ids = Candidates::new(db, filters, &[keys.of(owner).waiting()], range, recent, false)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(id) = ids.next()?
    {
        found.extend(loader.load(numbers::int(id), Wanted::ANY)?);
    }
    Ok(found)
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

/// What a message has to answer, beyond being the owner's.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    question: Option<&'a Question>,
    labels: &'a [String],
}

impl Wanted<'_> {
    const ANY: Self = Self { question: None, labels: &[] };

    fn is_any(self) -> bool {
        self.question.is_none() && self.labels.is_empty()
    }

    fn is_answered_by(self, text: Option<&str>, labels: Option<&str>) -> bool {
        self.question.is_none_or(|question| question.is_answered_by(text.unwrap_or("")))
            && self.labels.iter().all(|wanted| labels::each(labels).any(|label| label == wanted))
    }
}

/// Fetches messages of one owner.
struct Loader<'c> {
    owner: AccountId,
    show: Show,
    copies: CachedStatement<'c>,
    plain: CachedStatement<'c>,
    with_text: CachedStatement<'c>,
}

impl<'c> Loader<'c> {
    fn new(db: &'c Connection, owner: AccountId, show: Show) -> rusqlite::Result<Self> {
        Ok(Self {
            owner,
            show,
            copies: db.prepare_cached("SELECT copies FROM message WHERE id = ?1")?,
            plain: db.prepare_cached("SELECT copies, xml FROM message WHERE id = ?1")?,
            with_text: db.prepare_cached("SELECT copies, xml, text, labels FROM message WHERE id = ?1")?,
        })
    }

    /// Whether the owner's archive holds a message under this id.
    fn has(&mut self, id: i64) -> rusqlite::Result<bool> {
        let owner = self.owner;
        let read =
            |row: &Row<'_>| Ok(copies::readers(row.get_ref(0)?.as_blob()?).any(|reader| reader == owner));
        Ok(self.copies.query_row([id], read).optional()?.unwrap_or(false))
    }

    /// The message under this id, if it is the owner's and what is wanted.
    fn load(&mut self, id: i64, wanted: Wanted<'_>) -> Result<Option<Archived>, Failure> {
        let (owner, show) = (self.owner, self.show);
        let read = |row: &Row<'_>| -> rusqlite::Result<Result<Option<Archived>, Failure>> {
            if !wanted.is_any()
                && !wanted
                    .is_answered_by(row.get_ref(2)?.as_str_or_null()?, row.get_ref(3)?.as_str_or_null()?)
            {
                return Ok(Ok(None));
            }
            Ok(archived(owner, show, id, row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?))
        };
        let statement = if wanted.is_any() { &mut self.plain } else { &mut self.with_text };
        statement.query_row([id], read).optional()?.unwrap_or(Ok(None))
    }
}

fn archived(
    owner: AccountId,
    show: Show,
    id: i64,
    column: &[u8],
    xml: &[u8],
) -> Result<Option<Archived>, Failure> {
    for entry in copies::entries(column) {
        let entry = entry.ok_or_else(|| Failure::other(format!("message {id} has damaged copies")))?;
        if entry.owner == owner && show.shows(entry.kind()) {
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
    use crate::sqlite::runs::walk::{BEHIND, HOLDING};

    /// Every question of the index walks one in the order wanted: no scan of a table, no sorting.
    #[test]
    fn queries_are_bound_by_indexes() {
        let db = Connection::open_in_memory().unwrap();
        super::super::migrations::migrate(&db).unwrap();
        let ranges = [
            (HOLDING, "SEARCH run_block USING INDEX run_block_by_key (run=? AND (key,message)<(?,?))"),
            (BEHIND, "SEARCH run_block USING INDEX run_block_by_key (run=? AND (key,message)>(?,?))"),
            (passing::BETWEEN, "SEARCH passing USING PRIMARY KEY (owner=? AND id>? AND id<?)"),
        ];
        for (sql, wanted) in ranges {
            let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            for n in 1..=explain.parameter_count() {
                explain.raw_bind_parameter(n, 1).unwrap();
            }
            let mut rows = explain.raw_query();
            let mut steps = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>(3).unwrap());
            }
            assert_eq!(steps, [wanted], "{sql}");
        }
    }
}
