//! The canonical listing of an embedded database (see listing.rs at the root of the crate).

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use super::errors::Failure;
use super::postings::bare;
use super::{Sqlite, connect, numbers};
use crate::copies::{self, Kind as CopyKind};
use crate::listing::{CLOCK, CONVERSATION, Column, Kind, NUMBERED, Row, SENT, TABLES, Table, USED, Value};

/// Rows that are handed on at once, and about the bytes in them.
const CHUNK_ROWS: usize = 2000;
const CHUNK_BYTES: usize = 4 << 20;

impl Sqlite {
    /// Hands on everything as it stands at one moment, some rows at a time and each table at least once, until `each` has enough.
    /// Blocks for as long as that takes.
    pub(crate) fn list(&self, each: impl FnMut(&'static Table, Vec<Row>) -> bool) -> Result<(), String> {
        let list = || -> Result<(), Failure> {
            let db = connect::reader(&self.path, &self.options)?;
            db.execute_batch("BEGIN")?;
            let mut lister = Lister { db: &db, each };
            TABLES.iter().try_for_each(|table| lister.table(table).map(drop))
        };
        list().map_err(|failure| waxwing_chat::store::StoreError::from(failure).to_string())
    }

    /// Numbers of the 30 days, or whatever `span_us` is, in which there are messages, counted from the Unix epoch.
    pub(crate) fn spans(&self, span_us: u64) -> Result<Vec<u64>, String> {
        let spans = || -> rusqlite::Result<Vec<u64>> {
            let db = connect::reader(&self.path, &self.options)?;
            let span = numbers::int(span_us);
            let mut next = db.prepare("SELECT id / ?1 FROM message WHERE id >= ?2 ORDER BY id LIMIT 1")?;
            let mut found = Vec::new();
            let mut from = 0;
            while let Some(number) = next.query_row([span, from], |row| row.get::<_, i64>(0)).optional()? {
                found.push(numbers::uint(number));
                from = (number + 1).saturating_mul(span);
            }
            Ok(found)
        };
        spans().map_err(|error| error.to_string())
    }
}

/// Goes through the tables of one snapshot.
struct Lister<'c, F> {
    db: &'c Connection,
    each: F,
}

impl<F: FnMut(&'static Table, Vec<Row>) -> bool> Lister<'_, F> {
    /// Hands on a table; says whether more is wanted.
    fn table(&mut self, table: &'static Table) -> Result<bool, Failure> {
        match table.name {
            USED => {
                let rows = used(self.db)?;
                Ok((self.each)(table, rows))
            }
            CONVERSATION => {
                let mut rows = conversations(self.db)?.into_iter().peekable();
                loop {
                    let chunk: Vec<Row> = rows.by_ref().take(CHUNK_ROWS).collect();
                    if !(self.each)(table, chunk) {
                        return Ok(false);
                    }
                    if rows.peek().is_none() {
                        return Ok(true);
                    }
                }
            }
            SENT => {
                let indexed = numbers::counter(self.db, "indexed")?;
                // Ids of what is new stand with their messages still.
                let sql = format!(
                    "SELECT owner, client_id, min(id) FROM (SELECT owner, client_id, id FROM sent_0 UNION ALL \
                     SELECT owner, client_id, id FROM sent_1 UNION ALL SELECT sender, client_id, id FROM message \
                     WHERE id > {indexed} AND client_id IS NOT NULL AND sender IS NOT NULL) \
                     GROUP BY owner, client_id ORDER BY owner, client_id"
                );
                self.rows(table, &sql)
            }
            name => {
                let columns: Vec<&str> = table.columns.iter().map(|(column, _)| *column).collect();
                let sql = format!("SELECT {} FROM {name} ORDER BY {}", columns.join(", "), table.order);
                self.rows(table, &sql)
            }
        }
    }

    fn rows(&mut self, table: &'static Table, sql: &str) -> Result<bool, Failure> {
        let mut statement = self.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(table.columns.len());
            for (at, column) in table.columns.iter().enumerate() {
                let value = value(row.get_ref(at)?, table, *column)?;
                bytes += match &value {
                    Value::Text(text) => text.len(),
                    Value::Bytes(octets) => octets.len(),
                    Value::Null | Value::Int(_) => 8,
                };
                values.push(value);
            }
            chunk.push(values);
            if chunk.len() == CHUNK_ROWS || bytes >= CHUNK_BYTES {
                bytes = 0;
                if !(self.each)(table, std::mem::take(&mut chunk)) {
                    return Ok(false);
                }
            }
        }
        Ok((self.each)(table, chunk))
    }
}

fn value(value: ValueRef<'_>, table: &Table, (column, kind): Column) -> Result<Value, Failure> {
    let unexpected = || Failure::other(format!("{}.{column} holds what it should not", table.name));
    Ok(match (value, kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(n), Kind::Int) => Value::Int(n),
        (ValueRef::Integer(n), Kind::Bool) => Value::Int(i64::from(n != 0)),
        (ValueRef::Text(text), Kind::Text | Kind::List) => {
            Value::Text(String::from_utf8(text.to_vec()).map_err(|_| unexpected())?)
        }
        (ValueRef::Blob(octets), Kind::Bytes | Kind::Hash) => Value::Bytes(octets.to_vec()),
        _ => return Err(unexpected()),
    })
}

/// The highest numbers that were given out.
fn used(db: &Connection) -> Result<Vec<Row>, Failure> {
    let mut used = BTreeMap::new();
    for (table, _) in NUMBERED {
        let highest: Option<i64> = db
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table], |row| row.get(0))
            .optional()?;
        used.insert(table, highest.unwrap_or(0));
    }
    used.insert(CLOCK, numbers::int(numbers::counter(db, "last_archive_id")?));
    Ok(used
        .into_iter()
        .map(|(name, number)| vec![Value::Text(name.to_owned()), Value::Int(number)])
        .collect())
}

/// With whom people talk, what is not in the table yet included.
fn conversations(db: &Connection) -> Result<Vec<Row>, Failure> {
    let mut newest: BTreeMap<(i64, String), i64> = BTreeMap::new();
    let mut note = |owner: i64, peer: &str, id: i64| {
        let last = newest.entry((owner, peer.to_owned())).or_default();
        *last = id.max(*last);
    };
    let mut table = db.prepare("SELECT owner, peer, last_id FROM conversation")?;
    let mut rows = table.query([])?;
    while let Some(row) = rows.next()? {
        note(row.get(0)?, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?, row.get(2)?);
    }
    let mut messages =
        db.prepare("SELECT id, copies FROM message WHERE id > ?1 AND text IS NOT NULL ORDER BY id")?;
    let mut rows = messages.query([numbers::int(numbers::counter(db, "indexed")?)])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let copies = copies::entries(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?).flatten();
        for entry in copies.filter(|entry| entry.kind() != CopyKind::Waits && entry.owner.0 > 0) {
            note(entry.owner.0, bare(entry.peer), id);
        }
    }
    let row = |((owner, peer), id)| vec![Value::Int(owner), Value::Text(peer), Value::Int(id)];
    Ok(newest.into_iter().map(row).collect())
}
