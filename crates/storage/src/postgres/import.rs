//! Putting messages into the archive under ids they had before: what an import needs, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveCopy, ArchiveId, ImportedMessage};
use waxwing_chat::store::StoreResult;

use super::append::{Indexing, kind_number};
use super::attempts::writing;
use super::errors::Failure;
use super::session::Session;
use super::talks::Talks;
use super::{Postgres, numbers, partitions};
use crate::keys::Keys;
use crate::{copies, labels};

/// Whoever imports holds this lock, so that no two give out the same free id.
const LOCK: i64 = 0x0077_6178_696d_706f;

impl Postgres {
    /// Adds the owner's copies. Ids in the future become the present: behind all that were given out, and kept free for this import.
    pub(super) async fn import_archive(
        &self,
        owner: AccountId,
        messages: Vec<ImportedMessage>,
    ) -> StoreResult<()> {
        if messages.is_empty() {
            return Ok(());
        }
        // In a transaction of its own: whoever appends waits for this row.
        let reserved = numbers::int(messages.len() as u64);
        let newest: i64 = writing!(self, |db| {
            let sql = "UPDATE clock SET last_id = greatest(last_id, \
                 (extract(epoch FROM clock_timestamp()) * 1000000)::int8) + $1 RETURNING last_id - $1";
            Ok(db.only_row(sql, &[&reserved]).await?.try_get(0)?)
        })?;
        let ids = messages.iter().map(|message| ArchiveId(message.id.0.min(numbers::uint(newest))));
        let mut parts: BTreeSet<_> = ids.map(partitions::of).collect();
        // The next free id may lie behind the end of one.
        parts.insert(partitions::of(ArchiveId(numbers::uint(newest + reserved))));
        let parts: Vec<u64> = parts.into_iter().collect();
        partitions::make(&self.primary, &parts).await?;
        writing!(self, |db| {
            db.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
            let mut import = Import::begin(db, owner, &messages, newest).await?;
            for message in &messages {
                import.place(db, message).await?;
            }
            import.write(db, self.keys).await
        })
    }
}

/// A message as it is, or is to be.
struct Placed<'m> {
    copies: Vec<u8>,
    xml: Vec<u8>,
    /// What is new about it: the whole message, or the copy alone.
    new: Option<(bool, &'m ImportedMessage)>,
}

/// An import under way.
struct Import<'m> {
    owner: AccountId,
    newest: i64,
    /// What is known of the ids that were looked at; `None` where there is no message.
    placed: BTreeMap<i64, Option<Placed<'m>>>,
}

impl<'m> Import<'m> {
    async fn begin(
        db: &Session,
        owner: AccountId,
        messages: &[ImportedMessage],
        newest: i64,
    ) -> Result<Self, Failure> {
        let mut import = Self { owner, newest, placed: BTreeMap::new() };
        let ids: Vec<i64> = messages.iter().map(|message| import.wanted(message)).collect();
        import.look_at(db, &ids).await?;
        Ok(import)
    }

    fn wanted(&self, message: &ImportedMessage) -> i64 {
        numbers::int(message.id.0).min(self.newest)
    }

    async fn look_at(&mut self, db: &Session, ids: &[i64]) -> Result<(), Failure> {
        let sql = "SELECT id, copies, xml FROM message WHERE id = ANY ($1)";
        let mut found = HashMap::new();
        for row in db.rows(sql, &[&ids]).await? {
            let placed = Placed { copies: row.try_get(1)?, xml: row.try_get(2)?, new: None };
            found.insert(row.try_get::<_, i64>(0)?, placed);
        }
        for id in ids {
            // Several may want the same.
            let there = found.remove(id);
            self.placed.entry(*id).or_insert(there);
        }
        Ok(())
    }

    /// Finds the place of one message.
    async fn place(&mut self, db: &Session, message: &'m ImportedMessage) -> Result<(), Failure> {
        let copy = copy(self.owner, message);
        let mut id = self.wanted(message);
        loop {
            if !self.placed.contains_key(&id) {
                self.look_at(db, &[id]).await?;
            }
            let place = self.placed.entry(id).or_default();
            match place {
                None => {
                    let mut column = Vec::new();
                    copies::encode(std::slice::from_ref(&copy), &mut column);
                    let xml = message.xml.clone();
                    *place = Some(Placed { copies: column, xml, new: Some((true, message)) });
                    return Ok(());
                }
                Some(placed) if placed.xml == message.xml => {
                    // A copy that is there already was imported before, and stays as it is.
                    if !copies::entries(&placed.copies).flatten().any(|entry| entry.owner == self.owner) {
                        copies::encode(std::slice::from_ref(&copy), &mut placed.copies);
                        placed.new = Some((false, message));
                    }
                    return Ok(());
                }
                // Another message has this id: the next free one keeps the order within the microsecond.
                Some(_) => id += 1,
            }
        }
    }

    async fn write(self, db: &Session, keys: Keys) -> Result<(), Failure> {
        let mut indexing = Indexing::new(keys);
        let mut talks = Talks::default();
        let mut added = Vec::new();
        for (id, placed) in self.placed {
            let Some(Placed { copies, new: Some((whole, message)), .. }) = placed else { continue };
            let copy = copy(self.owner, message);
            indexing.read(message.text.as_deref(), message.labels.iter().map(String::as_str));
            let words: Vec<i32> = indexing.words_of(self.owner).collect();
            if whole {
                added.push(id);
                let words = (!words.is_empty()).then_some(words);
                let labels = labels::column(&message.labels);
                let sql = "INSERT INTO message (id, copies, words, text, xml, labels) VALUES ($1, $2, $3, $4, $5, $6)";
                db.execute(sql, &[&id, &copies, &words, &message.text, &message.xml, &labels]).await?;
            } else {
                let sql = "UPDATE message SET copies = $2, words = words || $3 WHERE id = $1";
                db.execute(sql, &[&id, &copies, &words]).await?;
            }
            if message.text.is_some() {
                let mut own = Vec::new();
                copies::encode(std::slice::from_ref(&copy), &mut own);
                talks.add(id, &own);
            }
            let Some(kind) = copies::kind(&copy) else { continue };
            db.execute(
                "INSERT INTO copy (owner, id, contact, kind) VALUES ($1, $2, $3, $4)",
                &[&self.owner.0, &id, &indexing.contact(&copy), &kind_number(kind)],
            )
            .await?;
            for key in indexing.labels_of(self.owner) {
                let sql = "INSERT INTO label (key, id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                db.execute(sql, &[&key, &id]).await?;
            }
        }
        talks.write(db).await?;
        // Last, because appending waits for this row.
        let sql = "UPDATE clock SET messages = messages + \
             (SELECT count(*) FROM unnest($1::int8[]) a(id) WHERE a.id >= horizon)";
        db.execute(sql, &[&added]).await.map(drop)
    }
}

fn copy(owner: AccountId, message: &ImportedMessage) -> ArchiveCopy {
    ArchiveCopy {
        owner,
        peer: message.peer.clone(),
        direction: message.direction,
        kept: true,
        waits: message.waits,
    }
}
