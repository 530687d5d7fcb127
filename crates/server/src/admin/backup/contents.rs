//! The content of files in backups: a folder as the server itself would keep it, whatever the content is kept in.

use std::collections::BTreeMap;
use std::path::Path;

use waxwing_chat::files::blobs::{BlobError, BlobKey, Blobs};
use waxwing_chat::files::{FileId, StoredFile, Thumbnail};
use waxwing_storage::blobs::folder::Folder;
use waxwing_storage::sqlite;

use super::{BackupError, DATABASE, at, digest};

/// The folder in a backup.
pub(super) const FILES: &str = "files";

/// How many files are looked up in a database at one time.
const STEP: usize = 256;

/// Whether a path in a backup is that of a file's content.
pub(super) fn is_content(name: &str) -> bool {
    key_in(name).is_some()
}

/// The blob that a path in a backup holds: `files/ab/abc…`, with or without `-thumbnail`.
fn key_in(name: &str) -> Option<BlobKey> {
    let (shelf, file) = name.strip_prefix(FILES)?.strip_prefix('/')?.split_once('/')?;
    let id = FileId::parse(file.strip_suffix("-thumbnail").unwrap_or(file))?;
    let key = if file.len() > FileId::LENGTH { id.thumbnail() } else { id.content() };
    (key.as_str() == file && file.get(..2) == Some(shelf)).then_some(key)
}

fn path_of(key: &BlobKey) -> String {
    let name = key.as_str();
    format!("{FILES}/{}/{name}", name.get(..2).unwrap_or("00"))
}

/// All files that can be read according to a database that nobody uses.
fn stored(database: &Path, mut each: impl FnMut(StoredFile)) -> Result<(), BackupError> {
    let mut after = None;
    loop {
        let step = sqlite::files_in(database, after.as_ref(), STEP)?;
        let (count, last) = (step.len(), step.last().map(|file| file.id.clone()));
        step.into_iter().for_each(&mut each);
        if count < STEP {
            return Ok(());
        }
        after = last;
    }
}

/// The blobs of a file, with their sizes; that of a small picture is not known, and small.
fn blobs_of(file: &StoredFile) -> impl Iterator<Item = (BlobKey, u64)> {
    let thumbnail = matches!(file.thumbnail, Thumbnail::Png | Thumbnail::Jpeg);
    let thumbnail = thumbnail.then(|| (file.id.thumbnail(), 0));
    [Some((file.id.content(), file.size)), thumbnail].into_iter().flatten()
}

/// Copies the content of every file that the database in a backup knows, and notes each in `files`. Nothing may remove
/// content since the database was copied. One that is missing is left out, with a warning.
pub(super) async fn save(
    blobs: &dyn Blobs,
    backup: &Path,
    files: &mut BTreeMap<String, String>,
) -> Result<(), BackupError> {
    let mut wanted = Vec::new();
    stored(&backup.join(DATABASE), |file| wanted.extend(blobs_of(&file)))?;
    if wanted.is_empty() {
        return Ok(());
    }
    let folder = backup.join(FILES);
    let target = Folder::open(&folder).map_err(at(&folder))?;
    for (key, size) in wanted {
        match copy(blobs, &target, &key, size).await {
            Ok(()) => {
                let name = path_of(&key);
                let path = backup.join(&name);
                let digest = tokio::task::spawn_blocking(move || digest(&path)).await;
                files.insert(name, digest.map_err(BlobError::failed)??);
            }
            Err(BlobError::NotFound) => {
                tracing::warn!(
                    file = key.as_str(),
                    "the content of a file is missing, and not in the backup"
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    // Where it wrote before everything had its name; a backup has nothing there.
    let incoming = folder.join("incoming");
    std::fs::remove_dir(&incoming).map_err(at(&incoming))
}

/// Puts the content in a backup where the server keeps it. What is there of the same name is the same.
pub(super) async fn put_back<'a>(
    backup: &Path,
    names: impl Iterator<Item = &'a String>,
    blobs: &dyn Blobs,
) -> Result<(), BackupError> {
    let keys: Vec<BlobKey> = names.filter_map(|name| key_in(name)).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let source = Folder::to_read(&backup.join(FILES));
    for key in keys {
        let path = backup.join(path_of(&key));
        let size = std::fs::metadata(&path).map_err(at(&path))?.len();
        copy(&source, blobs, &key, size).await?;
    }
    Ok(())
}

/// The blobs of every file in a database; none if it is no database.
pub(super) fn known(database: &Path) -> Vec<BlobKey> {
    let mut all = Vec::new();
    if database.exists()
        && let Err(error) = stored(database, |file| all.extend([file.id.content(), file.id.thumbnail()]))
    {
        tracing::warn!(%error, "the database that is replaced cannot be read; the content of its files stays");
    }
    all
}

/// Removes what was content of the data that a restore has replaced.
pub(super) async fn remove_replaced(
    before: Vec<BlobKey>,
    database: &Path,
    blobs: &dyn Blobs,
) -> Result<(), BackupError> {
    let now: std::collections::HashSet<BlobKey> = known(database).into_iter().collect();
    for key in before.iter().filter(|key| !now.contains(key)) {
        blobs.delete(key).await?;
    }
    Ok(())
}

/// Copies one blob, a piece at a time.
async fn copy(from: &dyn Blobs, to: &dyn Blobs, key: &BlobKey, size: u64) -> Result<(), BlobError> {
    let mut reader = from.read(key, 0..u64::MAX).await?;
    let mut writer = to.create(key, size).await?;
    while let Some(bytes) = reader.next().await? {
        writer.write(bytes).await?;
    }
    writer.finish().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_content_and_nothing_else() {
        let id = "abcdefghijklmnopqrstuvwxyz234567";
        for (name, expected) in [
            (format!("files/ab/{id}"), true),
            (format!("files/ab/{id}-thumbnail"), true),
            (format!("files/xy/{id}"), false),
            (format!("files/ab/{id}-other"), false),
            (format!("files/../{id}"), false),
            (format!("files/ab/../{id}"), false),
            (format!("other/ab/{id}"), false),
            ("files/ab/".to_owned(), false),
            ("files/../../etc/passwd".to_owned(), false),
        ] {
            assert_eq!(is_content(&name), expected, "{name}");
        }
    }
}
