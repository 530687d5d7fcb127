//! Blobs in a folder: written beside their place, synced with the folder that holds their name, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use waxwing_chat::files::blobs::{BlobError, BlobKey, BlobReader, BlobResult, BlobWriter, Blobs};

/// Bytes gathered before they are written, and read at once.
pub const BUFFER_BYTES: usize = 256 * 1024;

/// Where blobs are before they are whole.
const INCOMING: &str = "incoming";

/// Blobs in a folder, each in the subfolder of its first two letters.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    count: AtomicU64,
}

impl Folder {
    /// Opens the folder, creating it (mode 0700) as needed. What was being written when the server stopped last is removed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let incoming = path.join(INCOMING);
        make(&incoming)?;
        for left in fs::read_dir(&incoming)? {
            fs::remove_file(left?.path())?;
        }
        Ok(Self { path: path.to_owned(), count: AtomicU64::new(0) })
    }

    /// A folder that is only read from, such as one in a backup. Nothing is created or removed in it.
    pub fn to_read(path: &Path) -> Self {
        Self { path: path.to_owned(), count: AtomicU64::new(0) }
    }

    fn place(&self, key: &BlobKey) -> PathBuf {
        let shelf = key.as_str().get(..2).unwrap_or("00");
        self.path.join(shelf).join(key.as_str())
    }
}

fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failure(error: io::Error) -> BlobError {
    match error.kind() {
        ErrorKind::NotFound => BlobError::NotFound,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BlobError::Full,
        _ => BlobError::failed(error),
    }
}

/// Runs what may wait for a disk where waiting holds nobody up.
async fn waiting<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> BlobResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(failure),
        Err(error) => Err(BlobError::failed(error)),
    }
}

#[async_trait]
impl Blobs for Folder {
    async fn create(&self, key: &BlobKey, _size: u64) -> BlobResult<Box<dyn BlobWriter>> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let incoming = self.path.join(INCOMING).join(format!("{}.{number}", key.as_str()));
        let place = self.place(key);
        let writing = waiting(move || {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&incoming)?;
            Ok(Writing { file, incoming, place, kept: false })
        });
        Ok(Box::new(Writer { writing: Some(writing.await?), buffer: BytesMut::new() }))
    }

    async fn read(&self, key: &BlobKey, range: Range<u64>) -> BlobResult<Box<dyn BlobReader>> {
        let place = self.place(key);
        let file = waiting(move || {
            let mut file = File::open(place)?;
            file.seek(SeekFrom::Start(range.start))?;
            Ok(file)
        });
        let left = range.end.saturating_sub(range.start);
        Ok(Box::new(Reader { file: Some(file.await?), left }))
    }

    async fn delete(&self, key: &BlobKey) -> BlobResult<()> {
        let place = self.place(key);
        waiting(move || match fs::remove_file(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            // A name that came back after a power cut would keep content that its owner had removed.
            Ok(()) => place.parent().map_or(Ok(()), sync_folder),
        })
        .await
    }

    async fn check(&self) -> BlobResult<()> {
        let incoming = self.path.join(INCOMING);
        waiting(move || sync_folder(&incoming)).await
    }
}

/// A file beside its place. It is removed when it is dropped before it has its name.
struct Writing {
    file: File,
    incoming: PathBuf,
    place: PathBuf,
    kept: bool,
}

impl Writing {
    fn keep(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let shelf = self.place.parent().unwrap_or(Path::new("."));
        if !shelf.is_dir() {
            make(shelf)?;
            shelf.parent().map_or(Ok(()), sync_folder)?;
        }
        fs::rename(&self.incoming, &self.place)?;
        self.kept = true;
        sync_folder(shelf)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.incoming);
        }
    }
}

struct Writer {
    /// Absent while a thread has it, and after a failure.
    writing: Option<Writing>,
    buffer: BytesMut,
}

impl Writer {
    async fn flush(&mut self) -> BlobResult<()> {
        let bytes = self.buffer.split().freeze();
        let Some(mut writing) = self.writing.take() else {
            return Err(BlobError::failed("writing failed before"));
        };
        let written = waiting(move || {
            writing.file.write_all(&bytes)?;
            Ok(writing)
        });
        self.writing = Some(written.await?);
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> BlobResult<()> {
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn finish(mut self: Box<Self>) -> BlobResult<()> {
        self.flush().await?;
        match self.writing.take() {
            Some(writing) => waiting(move || writing.keep()).await,
            None => Err(BlobError::failed("writing failed before")),
        }
    }
}

struct Reader {
    /// Absent while a thread has it, and after a failure.
    file: Option<File>,
    left: u64,
}

#[async_trait]
impl BlobReader for Reader {
    async fn next(&mut self) -> BlobResult<Option<Bytes>> {
        let Some(mut file) = self.file.take() else {
            return Err(BlobError::failed("reading failed before"));
        };
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        let (file, bytes) = waiting(move || {
            let mut bytes = vec![0; most];
            let read = file.read(&mut bytes)?;
            bytes.truncate(read);
            Ok((file, bytes))
        })
        .await?;
        self.file = Some(file);
        self.left -= bytes.len() as u64;
        Ok((!bytes.is_empty()).then(|| Bytes::from(bytes)))
    }
}
