//! Backup while the store is in use, and restore while it is not.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use waxwing_chat::files::{FileId, StoredFile};
use waxwing_chat::store::StoreError;

use super::errors::Failure;
use super::files::{self, Lock};
use super::{OpenError, connect, migrations, shared_files};

/// Pages copied in one step.
const STEP_PAGES: i32 = 1024;

/// Why a backup was not restored; what was there before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store is open in another process, most likely the server.
    #[error("the data in {} is in use: stop the server first", .0.display())]
    InUse(PathBuf),
    /// The file is no backup of ours, or is damaged.
    #[error("{} is not a sound backup: {reason}", .path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file system failed.
    #[error("the backup could not be copied: {0}")]
    Io(#[from] io::Error),
}

/// Writes a consistent copy to a new file. Holds one read transaction throughout, so that commits need not be copied twice;
/// the WAL cannot start over meanwhile.
pub(super) fn backup(source: &Connection, target: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Answer(StoreError::Conflict),
        io::ErrorKind::StorageFull => Failure::Answer(StoreError::Full),
        _ => Failure::Answer(StoreError::Failed(Box::new(error))),
    };
    files::create_new(target).map_err(failed)?;
    let copied = copy(source, target).and_then(|()| files::sync(target).map_err(failed));
    if copied.is_err() {
        // What is incomplete must not be mistaken for a backup.
        let _ = fs::remove_file(target);
    }
    copied
}

fn copy(source: &Connection, target: &Path) -> Result<(), Failure> {
    let mut copy = Connection::open_with_flags(
        target,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // The copy is synced as a whole when it is complete.
    copy.pragma_update(None, "synchronous", "OFF")?;
    copy.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    source.execute_batch("BEGIN; SELECT 1 FROM setting LIMIT 1")?;
    let backup = Backup::new(source, &mut copy)?;
    while backup.step(STEP_PAGES)? == StepResult::More {}
    drop(backup);
    source.execute_batch("COMMIT")?;
    Ok(())
}

/// Replaces the database at `path`, or puts one there, by a backup that has been found sound. The store must be closed.
///
/// Once the copy is complete it stands beside the database under a name of its own, and from then on a crash leads
/// forward: opening the store finishes the restore.
pub fn restore(backup: &Path, path: &Path) -> Result<(), RestoreError> {
    let _lock = Lock::take(path).map_err(|error| match error {
        OpenError::InUse(path) => RestoreError::InUse(path),
        other => RestoreError::Io(io::Error::other(other)),
    })?;
    verify(backup)?;
    let partial = files::beside(path, ".partial");
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => files::create_new(&partial)?,
    }
    let copied = copy_file(backup, &partial).and_then(|()| files::sync(&partial));
    if let Err(error) = copied {
        let _ = fs::remove_file(&partial);
        return Err(error.into());
    }
    // What was read while verifying may differ from what has arrived.
    verify(&partial)?;
    fs::rename(&partial, files::beside(path, RESTORED))?;
    files::sync_folder(path)?;
    finish_restore(path)?;
    Ok(())
}

/// Files that can be read according to a database that nobody uses, such as a backup, in the order of their ids; at most
/// `limit`, behind `after`.
pub fn files_in(path: &Path, after: Option<&FileId>, limit: usize) -> Result<Vec<StoredFile>, RestoreError> {
    let read = || -> Result<Vec<StoredFile>, Failure> {
        // What a server that was killed has committed may stand in the log alone.
        let db = match files::beside(path, "-wal").exists() {
            true => connect::checkpointer(path)?,
            false => connect::immutable(path)?,
        };
        // A backup of an earlier release may know nothing of files.
        match db.table_exists(None, "file")? {
            true => shared_files::list(&db, None, after, limit),
            false => Ok(Vec::new()),
        }
    };
    read().map_err(|error| RestoreError::Unsound { path: path.to_owned(), reason: format!("{error:?}") })
}

const RESTORED: &str = ".restored";

/// Puts a complete copy in the database's place, if there is one. The WAL belongs to the old database and must go first.
pub(super) fn finish_restore(path: &Path) -> io::Result<()> {
    let restored = files::beside(path, RESTORED);
    if !restored.try_exists()? {
        return Ok(());
    }
    for suffix in ["-wal", "-shm", "-journal"] {
        match fs::remove_file(files::beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    files::sync_folder(path)?;
    fs::rename(&restored, path)?;
    files::sync_folder(path)
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut to = File::options().write(true).open(to)?;
    io::copy(&mut File::open(from)?, &mut to).map(drop)
}

/// Checks that a file is a complete database of ours with a schema that this build knows.
fn verify(path: &Path) -> Result<(), RestoreError> {
    let unsound = |reason: String| RestoreError::Unsound { path: path.to_owned(), reason };
    if !path.is_file() {
        return Err(unsound("there is no such file".into()));
    }
    let check = || -> rusqlite::Result<(i32, u32, String)> {
        let db = connect::immutable(path)?;
        Ok((
            db.pragma_query_value(None, "application_id", |row| row.get(0))?,
            migrations::version(&db)?,
            db.pragma_query_value(None, "integrity_check", |row| row.get(0))?,
        ))
    };
    let (application, schema, integrity) = check().map_err(|error| unsound(error.to_string()))?;
    if application != connect::APPLICATION_ID || schema == 0 {
        return Err(unsound("it was not made by Waxwing".into()));
    }
    if schema > migrations::CURRENT {
        return Err(unsound(migrations::MigrationError::Newer { found: schema }.to_string()));
    }
    if integrity != "ok" {
        return Err(unsound(integrity));
    }
    Ok(())
}
