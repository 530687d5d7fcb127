//! Moving an installation from the embedded database to PostgreSQL: in one transaction, committed only if both databases list the
//! same afterwards.
//!
//! What is interrupted leaves an empty database, and can be begun anew. A database that is not empty is refused.

mod copying;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::sync::mpsc;

use super::append::{self, Indexing};
use super::errors::Failure;
use super::pool::{Durability, Pool};
use super::session::Session;
use super::{OpenError, Options, migrations, numbers, partitions, pool};
pub use crate::listing::Listing;
use crate::listing::{CLOCK, Hasher, Kind, MESSAGE, NUMBERED, Row, SENT, TABLES, Table, USED, Value};
use crate::lists;
use crate::sqlite::{self, Sqlite};
use copying::{Encoded, copy};

/// Pieces of the listing that may wait to be written.
const WAITING: usize = 4;

/// How long one statement may take: sorting a large table takes its time.
const STATEMENT_LIMIT: Duration = Duration::from_secs(600);

/// Why an installation was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The embedded database could not be opened.
    #[error(transparent)]
    Source(#[from] sqlite::OpenError),
    /// The embedded database could not be read.
    #[error("the embedded database could not be read: {0}")]
    Reading(String),
    /// PostgreSQL could not be opened.
    #[error(transparent)]
    Target(#[from] OpenError),
    /// There is something in PostgreSQL's database already.
    #[error("the database on PostgreSQL is not empty (there is something in \"{0}\"): move into a new one")]
    NotEmpty(&'static str),
    /// Writing failed; nothing has been written.
    #[error("nothing was moved, for \"{table}\" could not be written: {cause}")]
    Writing {
        /// The table of the listing.
        table: &'static str,
        /// What went wrong.
        cause: String,
    },
    /// Both do not list the same; nothing has been written.
    #[error("nothing was moved, for both databases do not hold the same afterwards: \"{0}\" differs")]
    Differs(&'static str),
    /// Nobody knows whether it was written.
    #[error(
        "the connection was lost while everything was being committed: if the database on PostgreSQL is empty, begin anew"
    )]
    Unknown,
}

/// Moves everything in the embedded database at `path` into an empty one on PostgreSQL, and tells the hash of the listing that both
/// share. No server may have the embedded database open; it stays as it is.
pub async fn sqlite_to_postgres(path: &Path, options: Options) -> Result<Listing, MoveError> {
    let source = Arc::new(Sqlite::open(path, sqlite::Options::default())?);
    let options = Options { answer_timeout: STATEMENT_LIMIT, ..options };
    let opened = Pool::primary(&options, Durability::Full)?;
    prepare(&opened).await?;
    let spans = {
        let source = Arc::clone(&source);
        let spans = tokio::task::spawn_blocking(move || source.spans(partitions::PARTITION_US)).await;
        spans.map_err(|error| MoveError::Reading(error.to_string()))?.map_err(MoveError::Reading)?
    };
    partitions::make(&opened, &spans).await.map_err(OpenError::from)?;
    let mut db = opened.session().await.map_err(OpenError::from)?;
    db.begin("BEGIN");
    let written = Mover::new(&db, &options).await.map_err(OpenError::from)?.fill(source).await?;
    let found = list(&db).await.map_err(OpenError::from)?;
    if let Some(table) = difference(&written, &found) {
        return Err(MoveError::Differs(table));
    }
    db.commit().await.map_err(|failure| match failure.at_commit() {
        Failure::Unknown => MoveError::Unknown,
        failure => OpenError::from(failure).into(),
    })?;
    Ok(found.whole)
}

/// Makes the schema, and looks whether anything is there.
async fn prepare(opened: &Pool) -> Result<(), MoveError> {
    let db = opened.session().await.map_err(OpenError::from)?;
    pool::check_server(&db, Durability::Full).await?;
    migrations::migrate(&db).await?;
    for table in TABLES {
        must_be_empty(&db, table).await?;
    }
    Ok(())
}

/// The listing of a whole database, and that of each of its tables.
struct Listings {
    whole: Listing,
    tables: Vec<(&'static str, Listing)>,
}

/// Makes the hash of everything, and of each table.
struct Hashers {
    whole: Hasher,
    tables: Vec<(&'static str, Hasher)>,
}

impl Hashers {
    fn new() -> Self {
        Self { whole: Hasher::new(), tables: Vec::new() }
    }

    fn add(&mut self, table: &'static Table, rows: &[Row]) {
        if self.tables.last().is_none_or(|(name, _)| *name != table.name) {
            self.whole.table(table);
            let mut hasher = Hasher::new();
            hasher.table(table);
            self.tables.push((table.name, hasher));
        }
        if let Some((_, hasher)) = self.tables.last_mut() {
            for row in rows {
                self.whole.row(row);
                hasher.row(row);
            }
        }
    }

    fn finish(self) -> Listings {
        let tables = self.tables.into_iter().map(|(name, hasher)| (name, hasher.finish())).collect();
        Listings { whole: self.whole.finish(), tables }
    }
}

/// The first table that two listings have different.
fn difference(one: &Listings, other: &Listings) -> Option<&'static str> {
    if one.whole == other.whole {
        return None;
    }
    let mut tables = one.tables.iter().zip(&other.tables);
    Some(tables.find(|(one, other)| one != other).map_or(USED, |((name, _), _)| *name))
}

async fn must_be_empty(db: &Session, table: &'static Table) -> Result<(), MoveError> {
    let tables: &[&str] = match table.name {
        SENT => &["sent_0", "sent_1"],
        USED => &[],
        name => &[name],
    };
    for name in tables {
        let row = db.row(&format!("SELECT 1 FROM {name} LIMIT 1"), &[]).await.map_err(OpenError::from)?;
        if row.is_some() {
            return Err(MoveError::NotEmpty(table.name));
        }
    }
    Ok(())
}

/// Writes what is moved.
struct Mover<'d> {
    db: &'d Session,
    indexing: Indexing,
    /// The table of clients' own ids that is written at the moment.
    sent: &'static str,
    messages: i64,
    last_id: i64,
}

impl<'d> Mover<'d> {
    async fn new(db: &'d Session, options: &Options) -> Result<Self, Failure> {
        db.batch("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
        let (keys, _) = append::begin(db).await?;
        let window = u64::try_from(options.dedupe_window.as_micros()).unwrap_or(u64::MAX).max(1);
        let generation = (options.now_us)() / window;
        let sql = "UPDATE clock SET generation = $1";
        db.execute(sql, &[&numbers::int(generation)]).await?;
        let sent = if generation.is_multiple_of(2) { "sent_0" } else { "sent_1" };
        Ok(Self { db, indexing: Indexing::new(keys), sent, messages: 0, last_id: 0 })
    }

    /// Writes everything, and lists it on its way.
    async fn fill(mut self, source: Arc<Sqlite>) -> Result<Listings, MoveError> {
        let (pieces, mut next) = mpsc::channel::<(&'static Table, Vec<Row>)>(WAITING);
        let reading = tokio::task::spawn_blocking(move || {
            source.list(|table, rows| pieces.blocking_send((table, rows)).is_ok())
        });
        let mut hashers = Hashers::new();
        while let Some((table, rows)) = next.recv().await {
            hashers.add(table, &rows);
            self.write(table, &rows)
                .await
                .map_err(|failure| MoveError::Writing { table: table.name, cause: cause(failure) })?;
        }
        match reading.await {
            Ok(Ok(())) => Ok(hashers.finish()),
            Ok(Err(cause)) => Err(MoveError::Reading(cause)),
            Err(error) => Err(MoveError::Reading(error.to_string())),
        }
    }

    async fn write(&mut self, table: &'static Table, rows: &[Row]) -> Result<(), Failure> {
        match table.name {
            MESSAGE => self.write_messages(rows).await,
            USED => self.write_used(rows).await,
            "state" => copying::states(self.db, table, rows).await,
            SENT => copy(self.db, self.sent, &columns(table), &Encoded::of(table, rows)).await,
            name => copy(self.db, name, &columns(table), &Encoded::of(table, rows)).await,
        }
    }

    async fn write_messages(&mut self, rows: &[Row]) -> Result<(), Failure> {
        let tables = copying::messages(rows, &mut self.indexing)?;
        copy(self.db, MESSAGE, "id, copies, words, text, xml, labels", &tables.messages).await?;
        copy(self.db, "copy", "owner, id, contact, kind", &tables.copies).await?;
        copy(self.db, "label", "key, id", &tables.labels).await?;
        self.messages += i64::try_from(rows.len()).unwrap_or(0);
        if let Some(Value::Int(id)) = rows.last().and_then(|row| row.first()) {
            self.last_id = *id;
        }
        Ok(())
    }

    async fn write_used(&mut self, rows: &[Row]) -> Result<(), Failure> {
        for row in rows {
            let [Value::Text(name), Value::Int(number)] = row.as_slice() else { continue };
            if name == CLOCK {
                let sql = "UPDATE clock SET last_id = $1, messages = $2";
                self.db.execute(sql, &[number, &self.messages]).await?;
                // Conversations are complete up to the newest message.
                self.db.execute("UPDATE upkeep SET talks = $1", &[&self.last_id.max(*number)]).await?;
            } else if let Some((table, column)) = NUMBERED.iter().find(|(table, _)| table == name)
                && *number > 0
            {
                let sql = format!("SELECT setval(pg_get_serial_sequence('{table}', '{column}'), $1)");
                self.db.only_row(&sql, &[number]).await?;
            }
        }
        Ok(())
    }
}

fn columns(table: &Table) -> String {
    table.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn cause(failure: Failure) -> String {
    match failure {
        Failure::Sql(error) => error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string),
        other => waxwing_chat::store::StoreError::from(other).to_string(),
    }
}

/// Lists what the database holds.
async fn list(db: &Session) -> Result<Listings, Failure> {
    let mut hashers = Hashers::new();
    for table in TABLES {
        hashers.add(table, &[]);
        if table.name == USED {
            hashers.add(table, &used(db).await?);
            continue;
        }
        let statement = db.in_time(db.client().prepare(&listing(table))).await?;
        let none: [i64; 0] = [];
        let rows = db.in_time(db.client().query_raw(&statement, none)).await?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = db.in_time(rows.try_next()).await? {
            let mut values = Vec::with_capacity(table.columns.len());
            for (at, (_, kind)) in table.columns.iter().enumerate() {
                values.push(value(&row, at, *kind)?);
            }
            hashers.add(table, &[values]);
        }
    }
    Ok(hashers.finish())
}

/// The statement that lists a table.
fn listing(table: &Table) -> String {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|(name, kind)| match kind {
            Kind::Bool => format!("{name}::int::int8"),
            Kind::Hash => format!("uuid_send({name})"),
            Kind::Int | Kind::Text | Kind::Bytes | Kind::List => (*name).to_owned(),
        })
        .collect();
    let from = match table.name {
        SENT => "(SELECT * FROM sent_0 UNION ALL SELECT * FROM sent_1) sent",
        name => name,
    };
    format!("SELECT {} FROM {from} ORDER BY {}", columns.join(", "), table.order)
}

fn value(row: &tokio_postgres::Row, at: usize, kind: Kind) -> Result<Value, Failure> {
    Ok(match kind {
        Kind::Int | Kind::Bool => row.try_get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Int),
        Kind::Text => row.try_get::<_, Option<String>>(at)?.map_or(Value::Null, Value::Text),
        Kind::Bytes | Kind::Hash => row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Value::Null, Value::Bytes),
        Kind::List => row
            .try_get::<_, Option<Vec<String>>>(at)?
            .map_or(Value::Null, |list| Value::Text(lists::join(&list))),
    })
}

async fn used(db: &Session) -> Result<Vec<Row>, Failure> {
    let mut used = std::collections::BTreeMap::new();
    for (table, column) in NUMBERED {
        let sequence = format!("{table}_{column}_seq");
        let row = db.only_row(&format!("SELECT last_value, is_called FROM {sequence}"), &[]).await?;
        used.insert(table, if row.try_get(1)? { row.try_get(0)? } else { 0 });
    }
    let clock = db.only_row("SELECT last_id FROM clock", &[]).await?;
    used.insert(CLOCK, clock.try_get::<_, i64>(0)?);
    Ok(used
        .into_iter()
        .map(|(name, number)| vec![Value::Text(name.to_owned()), Value::Int(number)])
        .collect())
}
