//! Rooms: what they are, and what people lastingly are to them.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveId, Fence};
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::configuration::Configuration;
use waxwing_chat::rooms::store::{
    Affiliate, Belonging, RoomChange, RoomFilter, RoomId, RoomRecord, RoomStore, Subject,
};
use waxwing_chat::store::{StoreError, StoreResult};
use waxwing_xmpp::jid::Jid;

use super::accounts::exists;
use super::belongings::put_document;
use super::errors::Failure;
use super::{Sqlite, answered, numbers};
use crate::{copies, kinds};

#[async_trait]
impl RoomStore for Sqlite {
    async fn create_room(&self, room: RoomRecord, owner: Affiliate) -> StoreResult<RoomId> {
        self.write(move |db| create(db, &room, &owner)).await
    }

    async fn room(&self, jid: &Jid) -> StoreResult<Option<RoomRecord>> {
        let jid = jid.clone();
        self.read(move |db| one(db, &jid)).await
    }

    async fn room_of(&self, id: RoomId) -> StoreResult<Option<RoomRecord>> {
        self.read(move |db| {
            let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} WHERE id = ?1"))?;
            let mut rows = statement.query([id.0])?;
            rows.next()?.map(record).transpose()
        })
        .await
    }

    async fn rooms(
        &self,
        filter: RoomFilter,
        after: Option<&Jid>,
        limit: usize,
    ) -> StoreResult<Vec<RoomRecord>> {
        let after = after.map(|jid| jid.as_str().to_owned()).unwrap_or_default();
        self.read(move |db| list(db, &filter, &after, limit)).await
    }

    async fn rooms_created_by(&self, creator: &Jid) -> StoreResult<usize> {
        let creator = creator.clone();
        self.read(move |db| {
            let count = db
                .prepare_cached("SELECT count(*) FROM room WHERE creator = ?1")?
                .query_row([creator.as_str()], |row| row.get(0))?;
            Ok(usize::try_from(numbers::uint(count)).unwrap_or(usize::MAX))
        })
        .await
    }

    // One node alone writes to this store, so nothing that it holds is another's.
    async fn change_room(&self, id: RoomId, change: RoomChange, _: Option<Fence>) -> StoreResult<()> {
        self.write(move |db| self::change(db, id, &change)).await
    }

    async fn delete_room(&self, id: RoomId, _: Option<Fence>) -> StoreResult<()> {
        self.write(move |db| {
            exists(db.execute("DELETE FROM room WHERE id = ?1", [id.0])?)?;
            db.execute("DELETE FROM room_affiliate WHERE room = ?1", [id.0])?;
            db.execute("DELETE FROM document WHERE owner = ?1", [id.archive().0])?;
            db.execute("INSERT INTO erasing (owner) VALUES (?1)", [id.archive().0])?;
            Ok(())
        })
        .await?;
        answered(self.erase(id.archive())?).await
    }

    async fn affiliates(&self, id: RoomId) -> StoreResult<Vec<Affiliate>> {
        self.read(move |db| affiliates(db, id)).await
    }

    async fn affiliations_of(&self, jid: &Jid) -> StoreResult<Vec<Belonging>> {
        let jid = jid.clone();
        self.read(move |db| affiliations_of(db, &jid)).await
    }

    async fn set_seen(&self, id: RoomId, jid: &Jid, seen: ArchiveId) -> StoreResult<()> {
        let jid = jid.clone();
        self.write(move |db| {
            db.prepare_cached("UPDATE room_affiliate SET seen = max(seen, ?3) WHERE room = ?1 AND jid = ?2")?
                .execute(params![id.0, jid.as_str(), numbers::int(seen.0)])?;
            Ok(())
        })
        .await
    }

    async fn replace_archived(&self, owner: AccountId, id: ArchiveId, xml: Vec<u8>) -> StoreResult<()> {
        self.write(move |db| replace(db, owner, id, &xml)).await
    }
}

fn create(db: &Connection, room: &RoomRecord, owner: &Affiliate) -> Result<RoomId, Failure> {
    let taken = db
        .prepare_cached("SELECT 1 FROM room WHERE jid = ?1")?
        .query_row([room.jid.as_str()], |_| Ok(()))
        .optional()?;
    if taken.is_some() {
        return Err(StoreError::Conflict.into());
    }
    db.prepare_cached(
        "INSERT INTO room (jid, service, creator, created_ms, locked, public, persistent, configuration, subject, \
         subject_ms, secret) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        room.jid.as_str(),
        room.jid.domain(),
        room.creator.as_str(),
        numbers::int(room.created_ms),
        room.locked,
        room.configuration.is_listed(),
        room.configuration.persistent,
        room.configuration.to_stored(),
        room.subject.as_ref().map(|subject| &subject.xml),
        room.subject.as_ref().map(|subject| numbers::int(subject.at_ms)),
        room.secret,
    ])?;
    let id = RoomId(db.last_insert_rowid());
    put_affiliates(db, id, std::slice::from_ref(owner))?;
    Ok(id)
}

const COLUMNS: &str =
    "id, jid, creator, created_ms, locked, configuration, subject, subject_ms, secret FROM room";

fn one(db: &Connection, jid: &Jid) -> Result<Option<RoomRecord>, Failure> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} WHERE jid = ?1"))?;
    let mut rows = statement.query([jid.as_str()])?;
    rows.next()?.map(record).transpose()
}

fn list(db: &Connection, filter: &RoomFilter, after: &str, limit: usize) -> Result<Vec<RoomRecord>, Failure> {
    let (condition, argument) = match filter {
        RoomFilter::All => ("?3 IS NULL", None),
        RoomFilter::Public(service) => ("service = ?3 AND public = 1 AND locked = 0", Some(service.as_str())),
        RoomFilter::Of(jid) => {
            ("id IN (SELECT room FROM room_affiliate WHERE jid = ?3 AND affiliation > 1)", Some(jid.as_str()))
        }
        RoomFilter::Passing => ("(persistent = 0 OR locked = 1) AND ?3 IS NULL", None),
    };
    let sql = format!("SELECT {COLUMNS} WHERE jid > ?1 AND {condition} ORDER BY jid LIMIT ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![after, numbers::int(limit as u64), argument])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(record(row)?);
    }
    Ok(found)
}

fn record(row: &Row<'_>) -> Result<RoomRecord, Failure> {
    let text = |at| -> Result<Jid, Failure> {
        super::jid(row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)?)
    };
    let subject: Option<Vec<u8>> = row.get(6)?;
    let at_ms = numbers::uint(row.get::<_, Option<i64>>(7)?.unwrap_or(0));
    Ok(RoomRecord {
        id: RoomId(row.get(0)?),
        jid: text(1)?,
        creator: text(2)?,
        created_ms: numbers::uint(row.get(3)?),
        locked: row.get(4)?,
        configuration: Configuration::from_stored(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?),
        subject: subject.map(|xml| Subject { xml, at_ms }),
        secret: row.get(8)?,
    })
}

fn change(db: &Connection, id: RoomId, change: &RoomChange) -> Result<(), Failure> {
    exists(match change {
        RoomChange::Configuration(configuration) => db
            .prepare_cached(
                "UPDATE room SET configuration = ?2, public = ?3, persistent = ?4, locked = 0 WHERE id = ?1",
            )?
            .execute(params![
                id.0,
                configuration.to_stored(),
                configuration.is_listed(),
                configuration.persistent
            ])?,
        RoomChange::Subject(subject) => db
            .prepare_cached("UPDATE room SET subject = ?2, subject_ms = ?3 WHERE id = ?1")?
            .execute(params![id.0, subject.xml, numbers::int(subject.at_ms)])?,
        RoomChange::Affiliates(affiliates) => return put_affiliates(db, id, affiliates),
        RoomChange::Document(kind, key, content) => {
            return put_document(db, id.archive(), *kind, key, content.as_deref());
        }
    })
}

fn affiliates(db: &Connection, id: RoomId) -> Result<Vec<Affiliate>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT jid, affiliation, nick, reason, seen FROM room_affiliate WHERE room = ?1 ORDER BY jid",
    )?;
    let mut rows = statement.query([id.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Affiliate {
            jid: super::jid(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?,
            affiliation: kinds::affiliation(row.get(1)?),
            nick: row.get(2)?,
            reason: row.get(3)?,
            seen: ArchiveId(numbers::uint(row.get(4)?)),
        });
    }
    Ok(found)
}

fn affiliations_of(db: &Connection, jid: &Jid) -> Result<Vec<Belonging>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT room.id, room.jid, affiliation, nick, seen FROM room_affiliate JOIN room ON room.id = room_affiliate.room \
         WHERE room_affiliate.jid = ?1 ORDER BY room.jid",
    )?;
    let mut rows = statement.query([jid.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Belonging {
            id: RoomId(row.get(0)?),
            room: super::jid(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?,
            affiliation: kinds::affiliation(row.get(2)?),
            nick: row.get(3)?,
            seen: ArchiveId(numbers::uint(row.get(4)?)),
        });
    }
    Ok(found)
}

fn put_affiliates(db: &Connection, id: RoomId, affiliates: &[Affiliate]) -> Result<(), Failure> {
    let there =
        db.prepare_cached("SELECT 1 FROM room WHERE id = ?1")?.query_row([id.0], |_| Ok(())).optional()?;
    if there.is_none() {
        return Err(StoreError::NotFound.into());
    }
    let mut remove = db.prepare_cached("DELETE FROM room_affiliate WHERE room = ?1 AND jid = ?2")?;
    let mut put = db.prepare_cached(
        "INSERT INTO room_affiliate (room, jid, affiliation, nick, reason, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (room, jid) DO UPDATE SET affiliation = excluded.affiliation, nick = excluded.nick, \
         reason = excluded.reason",
    )?;
    for affiliate in affiliates {
        let jid = affiliate.jid.as_str();
        if affiliate.affiliation == Affiliation::None {
            remove.execute(params![id.0, jid])?;
        } else {
            let (number, seen) =
                (kinds::of_affiliation(affiliate.affiliation), numbers::int(affiliate.seen.0));
            put.execute(params![id.0, jid, number, affiliate.nick, affiliate.reason, seen])?;
        }
    }
    Ok(())
}

/// The index goes on proposing the message for the words it had; a reader who compares finds that it has none of them.
fn replace(db: &Connection, owner: AccountId, id: ArchiveId, xml: &[u8]) -> Result<(), Failure> {
    let row = numbers::int(id.0);
    let column: Option<Vec<u8>> = db
        .prepare_cached("SELECT copies FROM message WHERE id = ?1")?
        .query_row([row], |row| row.get(0))
        .optional()?;
    if !column.is_some_and(|column| copies::readers(&column).any(|reader| reader == owner)) {
        return Err(StoreError::NotFound.into());
    }
    db.prepare_cached("UPDATE message SET xml = ?2, text = NULL WHERE id = ?1")?
        .execute(params![row, xml])?;
    Ok(())
}
