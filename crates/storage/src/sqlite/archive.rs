//! Reading the archive: pages, single messages, what waits (XEP-0313, XEP-0160).

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveBounds, ArchiveId, ArchivePage, ArchiveQuery, Archived, PageFrom};
use waxwing_chat::store::StoreError;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::{copies, hashes, numbers};
use crate::words::{self, Question};

/// Both arms walk the primary key, and SQLite merges them, so that nothing is sorted.
const BY_OWNER: [&str; 2] = [
    "SELECT id FROM copy WHERE owner = ?1 AND waits = 0 AND id BETWEEN ?2 AND ?3 UNION ALL \
     SELECT id FROM copy WHERE owner = ?1 AND waits = 1 AND id BETWEEN ?2 AND ?3 ORDER BY id",
    "SELECT id FROM copy WHERE owner = ?1 AND waits = 0 AND id BETWEEN ?2 AND ?3 UNION ALL \
     SELECT id FROM copy WHERE owner = ?1 AND waits = 1 AND id BETWEEN ?2 AND ?3 ORDER BY id DESC",
];
const BY_CONTACT: [&str; 2] = [
    "SELECT id FROM conversation WHERE owner = ?1 AND peer = ?4 AND id BETWEEN ?2 AND ?3 ORDER BY id",
    "SELECT id FROM conversation WHERE owner = ?1 AND peer = ?4 AND id BETWEEN ?2 AND ?3 ORDER BY id DESC",
];
const BY_WORD: [&str; 2] = [
    "SELECT rowid FROM word WHERE word MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid",
    "SELECT rowid FROM word WHERE word MATCH ?1 AND rowid BETWEEN ?2 AND ?3 ORDER BY rowid DESC",
];
const WAITING: &str = "SELECT id FROM copy WHERE owner = ?1 AND waits = 1 AND id > ?2 ORDER BY id LIMIT ?3";
const IN_ARCHIVE: &str = "SELECT EXISTS (SELECT 1 FROM copy WHERE owner = ?1 AND waits = 0 AND id = ?2) \
     OR EXISTS (SELECT 1 FROM copy WHERE owner = ?1 AND waits = 1 AND id = ?2)";

/// A page of an owner's archive.
pub(super) fn page(db: &Connection, query: &ArchiveQuery) -> Result<ArchivePage, Failure> {
    let Some(range) = range(db, query)? else {
        return Ok(ArchivePage {
            items: Vec::new(),
            complete: true,
        });
    };
    let question = match &query.text {
        None => None,
        Some(text) => match words::question(query.owner, text) {
            Some(question) => Some(question),
            // A question without any word finds nothing.
            None => {
                return Ok(ArchivePage {
                    items: Vec::new(),
                    complete: true,
                });
            }
        },
    };
    let descending = matches!(query.page, PageFrom::End | PageFrom::Before(_));
    let mut page = Page {
        loader: Loader::new(db, query.owner)?,
        with: query.with.as_ref(),
        question: question.as_ref(),
        check: question.as_ref().and_then(|question| {
            let by_index = query.ids.is_empty();
            (!by_index || !question.is_exact()).then_some(Check { question, by_index })
        }),
        limit: query.limit,
        items: Vec::with_capacity(query.limit.min(256)),
        complete: true,
    };
    page.fill(db, query, range, descending)?;
    let Page {
        mut items, complete, ..
    } = page;
    if descending {
        items.reverse();
    }
    Ok(ArchivePage { items, complete })
}

/// A page while it is being filled.
struct Page<'a> {
    loader: Loader<'a>,
    with: Option<&'a Jid>,
    question: Option<&'a Question>,
    check: Option<Check<'a>>,
    limit: usize,
    items: Vec<Archived>,
    complete: bool,
}

impl Page<'_> {
    fn fill(
        &mut self,
        db: &Connection,
        query: &ArchiveQuery,
        (low, high): (i64, i64),
        descending: bool,
    ) -> Result<(), Failure> {
        let turn = usize::from(descending);
        let owner = query.owner.0;
        if !query.ids.is_empty() {
            return self.fill_from_ids(&query.ids, (low, high), descending);
        }
        let mut statement;
        let mut rows = if let Some(question) = self.question {
            statement = db.prepare_cached(BY_WORD[turn])?;
            statement.query(params![question.fts, low, high])?
        } else if let Some(with) = self.with {
            statement = db.prepare_cached(BY_CONTACT[turn])?;
            statement.query(params![owner, low, high, hashes::peer(with.bare_str())])?
        } else {
            statement = db.prepare_cached(BY_OWNER[turn])?;
            statement.query(params![owner, low, high])?
        };
        while let Some(row) = rows.next()? {
            if !self.offer(row.get(0)?)? {
                break;
            }
        }
        Ok(())
    }

    fn fill_from_ids(
        &mut self,
        ids: &[ArchiveId],
        (low, high): (i64, i64),
        descending: bool,
    ) -> Result<(), Failure> {
        let mut ids: Vec<i64> = ids.iter().map(|id| numbers::int(id.0)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| (low..=high).contains(id));
        if descending {
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
    fn offer(&mut self, id: i64) -> Result<bool, Failure> {
        let Some(message) = self.loader.load(id, self.check)? else {
            return Ok(true);
        };
        let matches = match self.with {
            None => true,
            Some(with) if with.is_bare() => message.peer.same_bare(with),
            Some(with) => message.peer == *with,
        };
        if !matches {
            return Ok(true);
        }
        if self.items.len() >= self.limit {
            self.complete = false;
            return Ok(false);
        }
        self.items.push(message);
        Ok(true)
    }
}

/// The ids that a query may return, both ends inclusive; `None` when there can be none.
fn range(db: &Connection, query: &ArchiveQuery) -> Result<Option<(i64, i64)>, Failure> {
    let mut exists = db.prepare_cached(IN_ARCHIVE)?;
    let mut must_exist = |id: ArchiveId| -> Result<u64, Failure> {
        let found: bool = exists.query_row(params![query.owner.0, numbers::int(id.0)], |row| row.get(0))?;
        if found {
            Ok(id.0)
        } else {
            Err(StoreError::NotFound.into())
        }
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
        .map(|id| {
            loader
                .load(numbers::int(id.0), None)?
                .ok_or(Failure::Answer(StoreError::NotFound))
        })
        .collect()
}

/// The first and last message of an owner's archive.
pub(super) fn bounds(db: &Connection, owner: AccountId) -> Result<Option<ArchiveBounds>, Failure> {
    let mut ends = db.prepare_cached(
        "SELECT (SELECT min(id) FROM copy WHERE owner = ?1 AND waits = ?2), \
                (SELECT max(id) FROM copy WHERE owner = ?1 AND waits = ?2)",
    )?;
    let mut bounds: Option<(i64, i64)> = None;
    for waits in [0, 1] {
        let (first, last): (Option<i64>, Option<i64>) =
            ends.query_row(params![owner.0, waits], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let (Some(first), Some(last)) = (first, last) {
            bounds = Some(bounds.map_or((first, last), |b| (b.0.min(first), b.1.max(last))));
        }
    }
    Ok(bounds.map(|(first, last)| ArchiveBounds {
        first: ArchiveId(numbers::uint(first)),
        last: ArchiveId(numbers::uint(last)),
    }))
}

/// What waits for the owner behind an id, oldest first.
pub(super) fn waiting(
    db: &Connection,
    owner: AccountId,
    after: ArchiveId,
    limit: usize,
) -> Result<Vec<Archived>, Failure> {
    let mut loader = Loader::new(db, owner)?;
    let mut statement = db.prepare_cached(WAITING)?;
    let limit = numbers::int(limit as u64);
    let mut rows = statement.query(params![owner.0, numbers::int(after.0), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(loader.load(row.get(0)?, None)?);
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
        if self.by_index {
            self.question.holds_runs(text)
        } else {
            self.question.is_answered_by(text)
        }
    }
}

/// Fetches messages of one owner.
struct Loader<'c> {
    owner: AccountId,
    plain: CachedStatement<'c>,
    with_text: CachedStatement<'c>,
}

impl<'c> Loader<'c> {
    fn new(db: &'c Connection, owner: AccountId) -> rusqlite::Result<Self> {
        Ok(Self {
            owner,
            plain: db.prepare_cached("SELECT copies, xml FROM message WHERE id = ?1")?,
            with_text: db.prepare_cached("SELECT copies, xml, text FROM message WHERE id = ?1")?,
        })
    }

    /// The message under this id, if it is the owner's and holds what is asked for.
    fn load(&mut self, id: i64, check: Option<Check<'_>>) -> Result<Option<Archived>, Failure> {
        let owner = self.owner;
        let read = |row: &Row<'_>| -> rusqlite::Result<Result<Option<Archived>, Failure>> {
            if let Some(check) = check {
                let text = row.get_ref(2)?.as_str_or_null()?.unwrap_or("");
                if !check.passes(text) {
                    return Ok(Ok(None));
                }
            }
            Ok(archived(
                owner,
                id,
                row.get_ref(0)?.as_blob()?,
                row.get_ref(1)?.as_blob()?,
            ))
        };
        let statement = if check.is_some() {
            &mut self.with_text
        } else {
            &mut self.plain
        };
        statement.query_row([id], read).optional()?.unwrap_or(Ok(None))
    }
}

fn archived(owner: AccountId, id: i64, column: &[u8], xml: &[u8]) -> Result<Option<Archived>, Failure> {
    for entry in copies::entries(column) {
        let entry = entry.ok_or_else(|| Failure::other(format!("message {id} has damaged copies")))?;
        if entry.owner == owner {
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
        let all = BY_OWNER
            .iter()
            .chain(&BY_CONTACT)
            .chain(&BY_WORD)
            .chain([&WAITING, &IN_ARCHIVE]);
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
