//! Opening connections, each for its one purpose.

use std::ffi::c_int;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::Options;

/// Marks a database as ours: `WXWG`.
pub(super) const APPLICATION_ID: i32 = 0x5758_5747;

/// Keeps the index of the WAL in memory and the database to this process. In a file of its own beside the database, readers
/// would write their marks into it, and a disk that hangs would stop reading too.
const VFS: &str = "unix-excl";

/// Statements kept prepared by each connection.
const STATEMENTS: usize = 128;

/// The connection that writes. It never checkpoints: that would hold up commits.
pub(super) fn writer(path: &Path, options: &Options, synchronous: &str) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags_and_vfs(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        VFS,
    )?;
    apply_settings(&db, options.writer_cache_bytes)?;
    {
        // The pragma answers before it commits. Only the step behind its answer tells of a failed sync.
        let mut pragma = db.prepare("PRAGMA journal_mode = WAL")?;
        let mut rows = pragma.query([])?;
        while rows.next()?.is_some() {}
    }
    // What is in use shows after the first read.
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mode: String = db.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR),
            Some(format!("the write-ahead log could not be turned on (journal mode {mode})")),
        ));
    }
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(db)
}

/// Keeps `pages` at the number of pages in the WAL after the connection's last commit.
pub(super) fn watch_wal(db: &mut Connection, pages: Arc<AtomicU64>) -> rusqlite::Result<()> {
    db.wal_hook(Some(move |_: &mut Wal, count: c_int| {
        pages.store(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))
}

/// A connection that reads only.
pub(super) fn reader(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags_and_vfs(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        VFS,
    )?;
    apply_settings(&db, options.reader_cache_bytes)?;
    db.pragma_update(None, "mmap_size", i64::try_from(options.reader_map_bytes).unwrap_or(i64::MAX))?;
    Ok(db)
}

/// The connection that moves pages from the WAL into the database file.
pub(super) fn checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags_and_vfs(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        VFS,
    )?;
    apply_settings(&db, 0)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(db)
}

fn apply_settings(db: &Connection, cache_bytes: usize) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without this SQLite looks at the values bound to a statement that compares a range, and prepares it anew each time.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    // Negative: in KiB rather than pages.
    db.pragma_update(None, "cache_size", -i64::try_from(cache_bytes / 1024).unwrap_or(i64::MAX).max(64))?;
    // Temporary files would fail on a full disk in ways of their own.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "trusted_schema", false)
}

/// A connection to a file that nobody writes, which leaves no files beside it.
pub(super) fn immutable(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(*byte))
            }
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags)
}
