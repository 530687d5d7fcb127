//! The `Store` port on SQLite: one thread writes, several read, one checkpoints.

mod accounts;
mod append;
mod archive;
mod audit;
mod backup;
mod belongings;
mod checkpoint;
mod connect;
mod errors;
mod files;
mod filter;
mod grams;
mod import;
mod index;
mod integrations;
mod listing;
mod migrations;
mod numbers;
mod passing;
mod people;
mod postings;
mod pubsub;
mod readers;
mod remove;
mod rooms;
mod rosters;
mod runs;
mod sent;
mod shared_files;
mod state;
mod store;
mod tail;
mod talks;
mod upkeep;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;
use waxwing_chat::account::AccountId;
use waxwing_chat::store::{StoreError, StoreResult};
use waxwing_xmpp::jid::Jid;

pub use backup::{RestoreError, files_in, restore};

use crate::keys::Keys;
use crate::queue::Queue;
use checkpoint::Checkpoints;
use errors::Failure;
use files::Lock;
use readers::Question;
use remove::Step;
use runs::RunNumbers;
use runs::filter::Filters;
use tail::{Entry, Tail};
use writer::Job;

/// What can be chosen about the store. Each limit bounds memory or disk; the defaults suit a server of some thousand users.
#[derive(Clone)]
pub struct Options {
    /// Threads that answer queries, each with a connection. Default 4.
    pub readers: usize,
    /// Most jobs in one transaction. Default 256.
    pub batch_jobs: usize,
    /// Most writes that may wait; further ones are refused as `Unavailable`. Default 16,384.
    pub write_queue_jobs: usize,
    /// Most bytes of messages that may wait to be written. Default 64 MiB.
    pub write_queue_bytes: usize,
    /// Most queries that may wait. Default 4,096.
    pub read_queue_jobs: usize,
    /// The size of the write-ahead log from which its pages are moved into the database. Default 4 MiB.
    pub wal_start_bytes: u64,
    /// The size of the write-ahead log at which writing waits until it has been moved. Default 64 MiB.
    pub wal_max_bytes: u64,
    /// Page cache of the writing connection. Default 64 MiB.
    pub writer_cache_bytes: usize,
    /// Page cache of each reading connection. Default 32 MiB.
    pub reader_cache_bytes: usize,
    /// How much of the database file readers map into memory instead of copying; SQLite maps 2 GiB at most. A page that the
    /// disk fails to read then ends the process, where otherwise a query fails. Default 0.
    pub reader_map_bytes: u64,
    /// Copies of messages that gather in memory before they become a run of the index; more make appending cheaper, and
    /// starting and searching slower. Each takes some 500 bytes. Default 32,768.
    pub tail_copies: usize,
    /// Memory for the filters that tell which runs of the index need not be read. A run takes about a byte for each key that it
    /// has; those beyond the limit, the largest first, have none and are read. Default 64 MiB.
    pub filter_bytes: usize,
    /// How long a client's own message id is remembered at least; it may be twice as long. Default 7 days.
    pub dedupe_window: Duration,
    /// The clock for archive ids: microseconds since the Unix epoch.
    pub now_us: fn() -> u64,
    /// Told once when nothing can be promised any more: a write or sync failed. The process is expected to end.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 4,
            batch_jobs: 256,
            write_queue_jobs: 16_384,
            write_queue_bytes: 64 << 20,
            read_queue_jobs: 4096,
            wal_start_bytes: 4 << 20,
            wal_max_bytes: 64 << 20,
            writer_cache_bytes: 64 << 20,
            reader_cache_bytes: 32 << 20,
            reader_map_bytes: 0,
            tail_copies: 32_768,
            filter_bytes: 64 << 20,
            dedupe_window: Duration::from_secs(7 * 24 * 60 * 60),
            now_us: crate::clock::now_us,
            on_fatal: Arc::new(|cause| {
                tracing::error!(cause, "the store failed and the process ends");
                std::process::exit(74)
            }),
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data in {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A later version has written it, or migrating it failed.
    #[error("{0}")]
    Schema(String),
    /// A file could not be made or read.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, #[source] io::Error),
    /// The database could not be opened.
    #[error("the database could not be opened: {0}")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// The store on SQLite.
pub struct Sqlite {
    path: PathBuf,
    options: Options,
    writes: Arc<Queue<Job>>,
    questions: Arc<Queue<Question>>,
    tail: Arc<Tail>,
    numbers: Arc<RunNumbers>,
    keys: Keys,
    filters: Arc<Filters>,
    checkpoints: Arc<Checkpoints>,
    account_changes: Arc<AtomicU64>,
    /// The newest position that was committed.
    position: Arc<AtomicU64>,
    threads: Arc<Mutex<Threads>>,
}

/// What has to end, in this order, before the store is closed.
#[derive(Default)]
struct Threads {
    writer: Option<JoinHandle<()>>,
    checkpointer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
    lock: Option<Lock>,
}

impl Sqlite {
    /// Opens the database at `path`, creating and migrating it as needed, and starts its threads.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_syncing(path, options, "FULL")
    }

    /// Loses acknowledged messages at a power cut. The negative control of the power-cut test, and nothing else.
    #[doc(hidden)]
    pub fn open_losing_messages_at_power_cuts(path: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_syncing(path, options, "NORMAL")
    }

    fn open_syncing(path: &Path, options: Options, synchronous: &str) -> Result<Self, OpenError> {
        let file_error = |error| OpenError::File(path.to_owned(), error);
        let lock = Lock::take(path)?;
        backup::finish_restore(path).map_err(file_error)?;
        files::create_missing(path).map_err(file_error)?;
        let mut writer = connect::writer(path, &options, synchronous)?;
        let wal_pages = Arc::new(AtomicU64::new(0));
        connect::watch_wal(&mut writer, wal_pages.clone())?;
        migrations::migrate(&writer).map_err(|error| OpenError::Schema(error.to_string()))?;
        grams::complete(&writer).map_err(|error| OpenError::Database(StoreError::from(error).into()))?;
        let page: u64 = writer.pragma_query_value(None, "page_size", |row| row.get(0).map(numbers::uint))?;
        let checkpoints = Checkpoints::new(options.wal_start_bytes / page, options.wal_max_bytes / page);
        let store = Self {
            path: path.to_owned(),
            writes: Arc::new(Queue::new(options.write_queue_jobs, options.write_queue_bytes)),
            questions: Arc::new(Queue::new(options.read_queue_jobs, usize::MAX)),
            tail: Arc::default(),
            numbers: Arc::default(),
            keys: postings::keys(&writer)?,
            filters: Arc::new(Filters::new(options.filter_bytes)),
            checkpoints: Arc::new(checkpoints),
            account_changes: Arc::default(),
            position: Arc::default(),
            threads: Arc::default(),
            options,
        };
        let erasing =
            remove::erasing(&writer).map_err(|error| OpenError::Database(StoreError::from(error).into()))?;
        store.start(writer, wal_pages, lock)?;
        for owner in erasing {
            // What is refused now is taken up at the next start.
            let _ = store.erase(owner);
        }
        Ok(store)
    }

    fn start(&self, writer: Connection, wal_pages: Arc<AtomicU64>, lock: Lock) -> Result<(), OpenError> {
        let checkpointer = connect::checkpointer(&self.path)?;
        let readers: Vec<_> = (0..self.options.readers.max(1))
            .map(|_| connect::reader(&self.path, &self.options))
            .collect::<Result<_, _>>()?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.lock = Some(lock);
        let shared = writer::Shared {
            tail: self.tail.clone(),
            numbers: self.numbers.clone(),
            position: self.position.clone(),
        };
        let (queue, checkpoints, options) =
            (self.writes.clone(), self.checkpoints.clone(), self.options.clone());
        let (opened, ready) = mpsc::sync_channel(1);
        threads.writer = Some(spawn("store-writer", move || {
            let ready = move |result| drop(opened.send(result));
            writer::run(&writer, &queue, shared, &options, ready, &|| {
                checkpoints.note(wal_pages.load(Ordering::Relaxed))
            });
        })?);
        ready.recv().map_err(|error| OpenError::Database(Box::new(error)))??;
        let (queue, checkpoints, on_fatal) =
            (self.writes.clone(), self.checkpoints.clone(), self.options.on_fatal.clone());
        threads.checkpointer = Some(spawn("store-checkpoint", move || {
            if let Err(cause) = checkpoints.run(&checkpointer) {
                // Before the process learns of it, so that the writer acknowledges nothing more meanwhile.
                queue.abandon();
                on_fatal(&cause);
                checkpoints.stop();
            }
        })?);
        for reader in readers {
            let questions = self.questions.clone();
            threads.readers.push(spawn("store-reader", move || readers::run(&reader, &questions))?);
        }
        Ok(())
    }

    /// Begins to remove a deleted account's copies of messages; answers when all are gone.
    fn erase(&self, owner: AccountId) -> StoreResult<oneshot::Receiver<StoreResult<()>>> {
        let (done, answer) = oneshot::channel();
        let erasing = remove::Erasing {
            owner,
            writes: Arc::downgrade(&self.writes),
            done,
            step: Ok(Step::All),
            behind: 0,
        };
        self.writes.push(0, Job::Indexed(Box::new(erasing))).map_err(|_| StoreError::Unavailable)?;
        Ok(answer)
    }

    /// Asks a reader.
    async fn read<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (question, answer) = readers::ask(work);
        self.questions.push(0, question).map_err(|_| StoreError::Unavailable)?;
        answered(answer).await
    }

    /// Asks a reader for something that may be in the tail of an owner's archive.
    async fn read_with_tail<T, F>(&self, owner: AccountId, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &[Entry]) -> Result<T, Failure> + Send + 'static,
    {
        let tail = self.tail.clone();
        let (question, answer) = readers::ask_after(move || tail.of(owner.0), |db, tail| work(db, tail));
        self.questions.push(0, question).map_err(|_| StoreError::Unavailable)?;
        answered(answer).await
    }

    /// Has the writer do something that changes what the index holds.
    async fn write_indexed<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (call, answer) = writer::Ask::new(work);
        self.writes.push(0, Job::Indexed(Box::new(call))).map_err(|_| StoreError::Unavailable)?;
        answered(answer).await
    }

    /// Has the writer do something that changes an account, and waits until that is durable.
    async fn write_account<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (call, answer) = writer::Ask::new(work);
        let call = Box::new(call.counted(&self.account_changes));
        self.writes.push(0, Job::Call(call)).map_err(|_| StoreError::Unavailable)?;
        answered(answer).await
    }

    /// Has the writer do something, and waits until that is durable.
    async fn write<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (call, answer) = writer::Ask::new(work);
        self.writes.push(0, Job::Call(Box::new(call))).map_err(|_| StoreError::Unavailable)?;
        answered(answer).await
    }
}

async fn answered<T>(answer: oneshot::Receiver<StoreResult<T>>) -> StoreResult<T> {
    answer.await.unwrap_or(Err(StoreError::Unavailable))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| OpenError::Database(Box::new(error)))
}

/// Finishes what was taken, in order, and lets go of the files.
fn shut_down(
    writes: &Queue<Job>,
    questions: &Queue<Question>,
    checkpoints: &Checkpoints,
    threads: &Mutex<Threads>,
) {
    writes.close();
    let mut threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
    let join = |thread: JoinHandle<()>| {
        // The last owner of the store may be a callback that runs on one of its own threads.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("a thread of the store panicked");
        }
    };
    threads.writer.take().map(join);
    checkpoints.stop();
    questions.close();
    threads.checkpointer.take().map(join);
    threads.readers.drain(..).for_each(join);
    threads.lock = None;
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        shut_down(&self.writes, &self.questions, &self.checkpoints, &self.threads);
    }
}

/// Reads an address that was an address when it was written.
fn jid(text: &str) -> Result<Jid, Failure> {
    Jid::new(text).map_err(|error| Failure::other(format!("the stored address {text}: {error}")))
}
