//! Backups as folders: the database, the content of files, the certificates, and a list that says what has to be in them.

mod contents;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use waxwing_chat::Chat;
use waxwing_chat::files::blobs::{BlobError, Blobs};
use waxwing_chat::port::{Clock, SystemClock};
use waxwing_chat::store::StoreError;
use waxwing_chat::time::timestamp;
use waxwing_storage::sqlite;

/// The database, in the data folder and in a backup.
pub const DATABASE: &str = "waxwing.db";

/// Folders of certificates and keys that the server made or got by itself, in the data folder and in a backup.
const CERTIFICATES: [&str; 2] = ["acme", "tls"];

/// The list of the backup's files. Written last: a folder without it is no backup.
const LIST: &str = "backup.json";

/// The version of the list.
const VERSION: u32 = 1;

/// What a backup says about itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The version of this list.
    version: u32,
    /// The release that wrote it.
    waxwing: String,
    /// When.
    made: String,
    /// Every file, by its path in the folder, with its SHA-256 in hexadecimal.
    files: BTreeMap<String, String>,
}

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is at the place where the backup should be.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// There is data where the backup should be restored.
    #[error("{} holds data; with --replace it is lost", .0.display())]
    Occupied(PathBuf),
    /// The folder is no backup, or not as it was written.
    #[error("{}: {}", .0.display(), .1)]
    Unsound(PathBuf, String),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The database could not be restored.
    #[error("{0}")]
    Database(#[from] sqlite::RestoreError),
    /// The content of a file could not be read or written.
    #[error("the content of a file: {0}")]
    Contents(#[from] BlobError),
    /// A file could not be read or written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, #[source] io::Error),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError + '_ {
    move |error| BackupError::File(path.to_owned(), error)
}

/// Writes a backup into a new folder, with the content of files if asked to; returns its size in bytes. When it fails,
/// nothing is left behind.
pub async fn write(chat: &Chat, data: &Path, folder: &Path, files: bool) -> Result<u64, BackupError> {
    if folder.exists() {
        return Err(BackupError::Exists(folder.to_owned()));
    }
    make_folder(folder)?;
    let result = fill(chat, data, folder, files).await;
    if result.is_err() {
        let _ = fs::remove_dir_all(folder);
    }
    result
}

async fn fill(chat: &Chat, data: &Path, folder: &Path, with_files: bool) -> Result<u64, BackupError> {
    // What the database that is copied knows must be there until it is copied as well.
    let held = chat.hold_contents();
    let database = folder.join(DATABASE);
    chat.store().backup(&database).await?;
    let mut files = BTreeMap::from([(DATABASE.to_owned(), digest(&database)?)]);
    if with_files && let Some(blobs) = chat.contents() {
        contents::save(&**blobs, folder, &mut files).await?;
    }
    drop(held);
    for name in certificates(data)? {
        let target = folder.join(&name);
        if let Some(parent) = target.parent() {
            make_folder(parent)?;
        }
        copy(&data.join(&name), &target)?;
        files.insert(name, digest(&target)?);
    }
    let mut bytes = 0;
    for name in files.keys() {
        bytes += fs::metadata(folder.join(name)).map_err(at(folder))?.len();
    }
    let manifest = Manifest {
        version: VERSION,
        waxwing: env!("CARGO_PKG_VERSION").to_owned(),
        made: timestamp(SystemClock.now_ms()),
        files,
    };
    let list = folder.join(LIST);
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other).map_err(at(&list))?;
    let mut file = create(&list)?;
    file.write_all(&text).and_then(|()| file.sync_all()).map_err(at(&list))?;
    sync_folder(folder)?;
    Ok(bytes)
}

/// Puts a backup in the place of what is in the data folder, which the caller holds, and among `blobs`; returns when it was
/// made.
pub async fn restore(
    folder: &Path,
    data: &Path,
    blobs: &dyn Blobs,
    replace: bool,
) -> Result<String, BackupError> {
    let manifest = check(folder)?;
    let database = data.join(DATABASE);
    if database.exists() && !replace {
        return Err(BackupError::Occupied(data.to_owned()));
    }
    // Content first: beside the old database it does no harm, and the restored one finds it there.
    contents::put_back(folder, manifest.files.keys(), blobs).await?;
    let before = contents::known(&database);
    // Certificates too: with the old ones the restored data would still be served, the other way round as well.
    for name in manifest.files.keys().filter(|name| *name != DATABASE && !contents::is_content(name)) {
        let target = data.join(name);
        if let Some(parent) = target.parent() {
            make_folder(parent)?;
        }
        let partial = target.with_extension("partial");
        let _ = fs::remove_file(&partial);
        copy(&folder.join(name), &partial)?;
        fs::rename(&partial, &target).map_err(at(&target))?;
    }
    sqlite::restore(&folder.join(DATABASE), &database)?;
    sync_folder(data)?;
    contents::remove_replaced(before, &database, blobs).await?;
    Ok(manifest.made)
}

/// Checks that a folder is a whole backup.
fn check(folder: &Path) -> Result<Manifest, BackupError> {
    let unsound = |why: String| BackupError::Unsound(folder.to_owned(), why);
    let list = folder.join(LIST);
    let text = match fs::read(&list) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(unsound(format!("this is no backup, or not a complete one: it has no {LIST}")));
        }
        Err(error) => return Err(at(&list)(error)),
    };
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|error| unsound(format!("{LIST} is not understood: {error}")))?;
    if manifest.version != VERSION {
        return Err(unsound(format!(
            "it is of version {}, and this program knows {VERSION}",
            manifest.version
        )));
    }
    if !manifest.files.contains_key(DATABASE) {
        return Err(unsound(format!("{LIST} names no {DATABASE}")));
    }
    for (name, expected) in &manifest.files {
        let inside = name == DATABASE
            || contents::is_content(name)
            || (CERTIFICATES.iter().any(|folder| Path::new(name).starts_with(folder))
                && Path::new(name).components().all(|c| matches!(c, Component::Normal(_))));
        if !inside {
            return Err(unsound(format!("{LIST} names \"{name}\", which does not belong into a backup")));
        }
        if digest(&folder.join(name))? != *expected {
            return Err(unsound(format!("{name} is not as it was written")));
        }
    }
    Ok(manifest)
}

/// The certificates and keys of a data folder, as paths in it.
fn certificates(data: &Path) -> Result<Vec<String>, BackupError> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = CERTIFICATES.iter().map(|name| data.join(name)).collect();
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at(&folder)(error)),
        };
        for entry in entries {
            let path = entry.map_err(at(&folder))?.path();
            let kind = fs::symlink_metadata(&path).map_err(at(&path))?.file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && let Some(name) = path.strip_prefix(data).ok().and_then(Path::to_str)
            {
                found.push(name.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn make_folder(folder: &Path) -> Result<(), BackupError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))
}

fn create(path: &Path) -> Result<File, BackupError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at(path))
}

fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut source = File::open(from).map_err(at(from))?;
    let mut target = create(to)?;
    io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(at(to))
}

fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn digest(path: &Path) -> Result<String, BackupError> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut buffer).map_err(at(path))?;
        if length == 0 {
            break;
        }
        hash.update(&buffer[..length]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
