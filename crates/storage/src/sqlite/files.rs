//! Files: their names, modes and syncing, and the lock that keeps a second process out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::OpenError;

/// Only the user the server runs as may read or write.
const MODE: u32 = 0o600;

/// The name of a file that belongs to the database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Creates an empty file that must not exist yet.
pub(super) fn create_new(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(MODE).open(path).map(drop)
}

/// Creates the database file if there is none, durably. SQLite gives its other files the same mode.
pub(super) fn create_missing(path: &Path) -> io::Result<()> {
    match create_new(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Syncs a file and its name.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path)?.sync_all()?;
    sync_folder(path)
}

/// Syncs the folder a file is in.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The bytes that the database takes on disk.
pub(super) fn bytes_on_disk(path: &Path) -> u64 {
    ["", "-wal", "-shm"]
        .iter()
        .filter_map(|suffix| fs::metadata(beside(path, suffix)).ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Held while the store is open. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let name = beside(path, ".lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(&name)
            .map_err(|error| OpenError::File(name.clone(), error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(OpenError::File(name, error)),
        }
    }
}

impl Drop for Lock {
    /// Closing alone would leave the lock to a process that is just being started and has not yet closed what it
    /// inherited.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}
