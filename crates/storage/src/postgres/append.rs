//! What a batch of jobs is as the arguments of `append.sql`, and what its answer says of each job.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::{Bytes, BytesMut};
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, accepts, to_sql_checked};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{Append, ArchiveCopy, ArchiveId, Committed};
use waxwing_chat::nodes::{Batch, CommittedCopy, CommittedMessage, NodeId};
use waxwing_chat::state::StateChange;

use super::errors::Failure;
use super::numbers;
use super::session::Session;
use super::writer::What;
use crate::copies::{self, Kind};
use crate::keys::Keys;
use crate::{hashes, labels, words};

/// Calls the function of `append.sql`.
pub(super) const CALL: &str = "SELECT number, first_id, repeated, known_job, known_id, fenced FROM pg_temp.append_batch(\
     $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, \
     $27, $28, $29, $30)";

/// The archive's keys, and the newest id that was given out.
pub(super) async fn begin(db: &Session) -> Result<(Keys, ArchiveId), Failure> {
    let row = db.only_row("SELECT secret, last_id FROM clock", &[]).await?;
    let secret: Vec<u8> = row.try_get(0)?;
    let secret =
        secret.try_into().map_err(|_| Failure::other("the secret of the archive's keys is damaged"))?;
    Ok((Keys::new(secret), ArchiveId(numbers::uint(row.try_get(1)?))))
}

/// 128 bits of a hash, as a column of type `uuid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hash128(pub(super) [u8; 16]);

impl ToSql for Hash128 {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

/// How an owner's copy is kept, as a column.
pub(super) fn kind_number(kind: Kind) -> i16 {
    match kind {
        Kind::Archived => 0,
        Kind::ArchivedAndWaits => 1,
        Kind::Waits => 2,
    }
}

/// The rows that stand for one message in the archive's tables.
#[derive(Default)]
pub(super) struct Rows<'j> {
    job: Vec<i32>,
    sender: Vec<Option<i64>>,
    client_id: Vec<Option<Hash128>>,
    copies: Vec<Vec<u8>>,
    text: Vec<Option<&'j str>>,
    xml: Vec<&'j [u8]>,
    labels: Vec<Option<String>>,
    words_from: Vec<i32>,
    words_to: Vec<i32>,
    words: Vec<i32>,
    copy_job: Vec<i32>,
    copy_owner: Vec<i64>,
    copy_kind: Vec<i16>,
    copy_contact: Vec<i64>,
    label_job: Vec<i32>,
    label_key: Vec<i64>,
}

/// The changes of a batch to what accounts keep in step, each item once.
#[derive(Default)]
struct Changes<'j> {
    at: HashMap<(i64, i64, Hash128), usize>,
    job: Vec<i32>,
    owner: Vec<i64>,
    kind: Vec<i64>,
    hash: Vec<Hash128>,
    key: Vec<&'j str>,
    content: Vec<Option<&'j str>>,
}

/// What has to be held for some jobs of a batch.
#[derive(Default)]
struct Fences<'j> {
    job: Vec<i32>,
    what: Vec<&'j str>,
    node: Vec<i64>,
    epoch: Vec<i64>,
}

/// Messages that one sender has in a batch under one id of his: the job of the first.
type Firsts = HashMap<(i64, Hash128), usize>;

/// What a node knows a batch by before it is committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnNumber {
    pub(super) node: i64,
    /// The node's own count.
    pub(super) own: i64,
}

/// A batch that is to be committed.
pub(super) struct Arguments<'j> {
    number: OwnNumber,
    window_us: i64,
    jobs: i32,
    rows: Rows<'j>,
    changes: Changes<'j>,
    fences: Fences<'j>,
    /// Jobs that repeat another one of the batch, with that one.
    twins: Vec<(usize, usize)>,
}

impl<'j> Arguments<'j> {
    /// For some jobs; for none, it only fences off the batch of its number. Clients' own ids are remembered for `window_us` at least.
    pub(super) fn new(number: OwnNumber, jobs: &'j [What], keys: Keys, window_us: i64) -> Self {
        let mut indexing = Indexing::new(keys);
        let (rows, changes) = (Rows::default(), Changes::default());
        let (jobs_in_all, fences) = (self::number(jobs.len()), Fences::default());
        let mut made =
            Self { number, window_us, jobs: jobs_in_all, rows, changes, fences, twins: Vec::new() };
        let mut firsts = Firsts::new();
        for (job, at) in jobs.iter().zip(0..) {
            match job {
                What::Append(message) => made.message(at, message, &mut firsts, &mut indexing),
                What::State(changes) => changes.iter().for_each(|change| made.changes.add(at, change)),
            }
        }
        made
    }

    fn message(&mut self, at: usize, message: &'j Append, firsts: &mut Firsts, indexing: &mut Indexing) {
        let sent = message.dedupe.as_ref().map(|(owner, id)| (owner.0, Hash128(hashes::client_id(id))));
        if let Some(sent) = sent {
            match firsts.entry(sent) {
                Entry::Occupied(first) => return self.twins.push((at, *first.get())),
                Entry::Vacant(none) => none.insert(at),
            };
        }
        if let Some(fence) = &message.fence {
            self.fences.job.push(self::number(at));
            self.fences.what.push(&fence.what);
            self.fences.node.push(fence.held.node.0.cast_signed());
            self.fences.epoch.push(numbers::int(fence.held.epoch));
        }
        self.rows.add(at, sent, message, indexing);
    }

    /// The values of `CALL`.
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 30] {
        let (rows, changes, fences) = (&self.rows, &self.changes, &self.fences);
        [
            &self.number.node,
            &self.number.own,
            &self.jobs,
            &self.window_us,
            &rows.job,
            &rows.sender,
            &rows.client_id,
            &rows.copies,
            &rows.text,
            &rows.xml,
            &rows.labels,
            &rows.words_from,
            &rows.words_to,
            &rows.words,
            &rows.copy_job,
            &rows.copy_owner,
            &rows.copy_kind,
            &rows.copy_contact,
            &rows.label_job,
            &rows.label_key,
            &changes.job,
            &changes.owner,
            &changes.kind,
            &changes.hash,
            &changes.key,
            &changes.content,
            &fences.job,
            &fences.what,
            &fences.node,
            &fences.epoch,
        ]
    }

    /// What an answer of `CALL` says.
    pub(super) fn outcome(&self, row: &Row) -> Result<Outcome, Failure> {
        let first = numbers::uint(row.try_get(1)?);
        let count = usize::try_from(self.jobs).unwrap_or(0);
        let mut jobs: Vec<_> = (first..).map(|id| Some(Committed::New(ArchiveId(id)))).take(count).collect();
        let known: Vec<i32> = row.try_get(3)?;
        let ids: Option<Vec<i64>> = row.try_get(4)?;
        for (job, id) in known.into_iter().zip(ids.unwrap_or_default()) {
            let job = usize::try_from(job).ok().and_then(|at| jobs.get_mut(at));
            let job = job.ok_or_else(|| Failure::other("an answer about a job that there was not"))?;
            *job = Some(Committed::Duplicate(ArchiveId(numbers::uint(id))));
        }
        let fenced: Vec<i32> = row.try_get(5)?;
        for job in fenced {
            let job = usize::try_from(job).ok().and_then(|at| jobs.get_mut(at));
            *job.ok_or_else(|| Failure::other("an answer about a job that there was not"))? = None;
        }
        for (twin, first) in &self.twins {
            jobs[*twin] = jobs[*first].map(|first| Committed::Duplicate(first.id()));
        }
        Ok(Outcome {
            number: numbers::uint(row.try_get(0)?),
            repeated: row.try_get(2)?,
            last: ArchiveId((first + count as u64).saturating_sub(1)),
            jobs,
        })
    }
}

impl<'j> Rows<'j> {
    fn add(&mut self, at: usize, sent: Option<(i64, Hash128)>, message: &'j Append, indexing: &mut Indexing) {
        let job = number(at);
        let mut column = Vec::with_capacity(64 * message.copies.len());
        copies::encode(&message.copies, &mut column);
        self.job.push(job);
        self.sender.push(sent.map(|(owner, _)| owner));
        self.client_id.push(sent.map(|(_, id)| id));
        self.copies.push(column);
        self.text.push(message.text.as_deref());
        self.xml.push(&message.xml);
        self.labels.push(labels::column(&message.labels));
        indexing.read(message.text.as_deref(), message.labels.iter().map(String::as_str));
        self.words_from.push(number(self.words.len() + 1));
        for copy in &message.copies {
            let Some(kind) = copies::kind(copy) else { continue };
            self.copy_job.push(job);
            self.copy_owner.push(copy.owner.0);
            self.copy_kind.push(kind_number(kind));
            self.copy_contact.push(indexing.contact(copy));
            if kind.is_kept() {
                self.words.extend(indexing.words_of(copy.owner));
                let before = self.label_key.len();
                self.label_key.extend(indexing.labels_of(copy.owner));
                self.label_job.resize(self.label_job.len() + self.label_key.len() - before, job);
            }
        }
        self.words_to.push(number(self.words.len()));
    }
}

impl<'j> Changes<'j> {
    fn add(&mut self, at: usize, change: &'j StateChange) {
        let (owner, kind) = (change.owner.0, change.kind.number());
        let hash = Hash128(hashes::client_id(&change.key));
        match self.at.entry((owner, kind, hash)) {
            Entry::Occupied(entry) => {
                // Of several changes to one item the last one stays.
                self.job[*entry.get()] = number(at);
                self.content[*entry.get()] = change.content.as_deref();
            }
            Entry::Vacant(entry) => {
                entry.insert(self.job.len());
                self.job.push(number(at));
                self.owner.push(owner);
                self.kind.push(kind);
                self.hash.push(hash);
                self.key.push(&change.key);
                self.content.push(change.content.as_deref());
            }
        }
    }
}

/// Makes the keys by which one message after the other is found.
pub(super) struct Indexing {
    keys: Keys,
    words: Vec<u64>,
    labels: Vec<u64>,
    scratch: String,
}

impl Indexing {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, words: Vec::new(), labels: Vec::new(), scratch: String::new() }
    }

    /// Turns to the next message.
    pub(super) fn read<'l>(&mut self, text: Option<&str>, labels: impl Iterator<Item = &'l str>) {
        let (keys, words) = (&self.keys, &mut self.words);
        words.clear();
        words::each_word(text.unwrap_or(""), &mut self.scratch, |word| words.push(keys.word(word)));
        words.sort_unstable();
        words.dedup();
        self.labels.clear();
        self.labels.extend(labels.map(|label| keys.label(label)));
    }

    /// The key of a copy's conversation.
    pub(super) fn contact(&self, copy: &ArchiveCopy) -> i64 {
        numbers::int(self.keys.of(copy.owner).contact(copy.peer.bare_str()))
    }

    /// The keys of its words for one of its owners.
    pub(super) fn words_of(&self, owner: AccountId) -> impl Iterator<Item = i32> {
        let keys = self.keys.of(owner);
        self.words.iter().map(move |word| word_key(keys.word(*word)))
    }

    /// The keys of its labels for one of its owners.
    pub(super) fn labels_of(&self, owner: AccountId) -> impl Iterator<Item = i64> {
        let keys = self.keys.of(owner);
        self.labels.iter().map(move |label| numbers::int(keys.word(*label)))
    }
}

/// The column has 32 bits of a key: whoever reads compares with the message.
pub(super) fn word_key(key: u64) -> i32 {
    (key as u32).cast_signed()
}

/// What a committed batch came to.
pub(super) struct Outcome {
    pub(super) number: u64,
    /// It had been committed before, by a call whose answer was lost.
    pub(super) repeated: bool,
    /// The last id that it took.
    pub(super) last: ArchiveId,
    /// Of each job; `None` where another node holds what it names.
    pub(super) jobs: Vec<Option<Committed>>,
}

impl Outcome {
    /// The batch as other nodes are told it.
    pub(super) fn batch(&self, node: NodeId, jobs: Vec<What>) -> Batch {
        let messages =
            jobs.into_iter().zip(&self.jobs).filter_map(|(job, committed)| match (job, committed) {
                (What::Append(message), Some(Committed::New(id))) => Some(CommittedMessage {
                    id: *id,
                    copies: message.copies.into_iter().map(committed_copy).collect(),
                    xml: Bytes::from(message.xml),
                }),
                _ => None,
            });
        Batch { number: self.number, node, messages: messages.collect() }
    }
}

fn committed_copy(copy: ArchiveCopy) -> CommittedCopy {
    CommittedCopy { owner: copy.owner, peer: copy.peer, direction: copy.direction, waits: copy.waits }
}

fn number(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}
