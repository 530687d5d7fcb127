//! The data folder: made with mode 0700, and locked so that one process at a time works on what is in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The data folder, held by this process until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    lock: File,
}

/// Why the data folder could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process holds it.
    #[error("{path} is in use by a running server (process {process})", path = .0.display(), process = .1)]
    Busy(PathBuf, String),
    /// It cannot be made or opened.
    #[error("{path} cannot be used: {error}", path = .0.display(), error = .1)]
    Io(PathBuf, #[source] io::Error),
}

impl DataFolder {
    /// Takes the folder; makes it when it does not exist.
    pub fn take(path: &Path) -> Result<Self, DataFolderError> {
        let failed = |error| DataFolderError::Io(path.to_owned(), error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let mut lock = open_lock(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                let _ = lock.read_to_string(&mut process);
                return Err(DataFolderError::Busy(path, process.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        lock.rewind().and_then(|()| lock.set_len(0)).map_err(failed)?;
        writeln!(lock, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { path, lock })
    }

    /// Where it is, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataFolder {
    /// Closing alone would leave the lock to a process that is just being started and has not yet closed what it
    /// inherited.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

/// Waits until no process holds the folder.
pub fn wait_until_free(path: &Path) -> io::Result<()> {
    match open_lock(path) {
        Ok(lock) => lock.lock(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The lock file stays when its holder ends: removing it would let two processes lock two files of one name.
fn open_lock(folder: &Path) -> io::Result<File> {
    let path = folder.join("lock");
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let path = std::env::temp_dir().join(format!("waxwing-folder-{}", std::process::id()));
        let folder = DataFolder::take(&path).expect("taken");
        let mode = std::fs::metadata(folder.path()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let refused = DataFolder::take(&path).expect_err("held already").to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        drop(folder);
        wait_until_free(&path).expect("free");
        DataFolder::take(&path).expect("taken again");
        std::fs::remove_dir_all(&path).expect("removed");
    }
}
