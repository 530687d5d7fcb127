//! Rooms: what they are, and what people lastingly are to them.

use async_trait::async_trait;
use tokio_postgres::Row;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveId, Fence};
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::configuration::Configuration;
use waxwing_chat::rooms::store::{
    Affiliate, Belonging, RoomChange, RoomFilter, RoomId, RoomRecord, RoomStore, Subject,
};
use waxwing_chat::store::{StoreError, StoreResult};
use waxwing_xmpp::jid::Jid;

use super::accounts::{exists, note_for_erasing};
use super::attempts::{reading, writing};
use super::belongings::put_document;
use super::errors::Failure;
use super::leases::must_hold;
use super::session::{Session, Values};
use super::{Postgres, numbers};
use crate::kinds;

#[async_trait]
impl RoomStore for Postgres {
    async fn create_room(&self, room: RoomRecord, owner: Affiliate) -> StoreResult<RoomId> {
        writing!(self, |db| create(db, &room, &owner).await)
    }

    async fn room(&self, jid: &Jid) -> StoreResult<Option<RoomRecord>> {
        reading!(self, |db| {
            let row = db.row(&format!("SELECT {COLUMNS} WHERE jid = $1"), &[&jid.as_str()]).await?;
            row.as_ref().map(record).transpose()
        })
    }

    async fn room_of(&self, id: RoomId) -> StoreResult<Option<RoomRecord>> {
        reading!(self, |db| {
            let row = db.row(&format!("SELECT {COLUMNS} WHERE id = $1"), &[&id.0]).await?;
            row.as_ref().map(record).transpose()
        })
    }

    async fn rooms(
        &self,
        filter: RoomFilter,
        after: Option<&Jid>,
        limit: usize,
    ) -> StoreResult<Vec<RoomRecord>> {
        reading!(self, |db| list(db, &filter, after.map_or("", Jid::as_str), limit).await)
    }

    async fn rooms_created_by(&self, creator: &Jid) -> StoreResult<usize> {
        reading!(self, |db| {
            let row =
                db.only_row("SELECT count(*) FROM room WHERE creator = $1", &[&creator.as_str()]).await?;
            Ok(numbers::count(row.try_get(0)?))
        })
    }

    async fn change_room(&self, id: RoomId, change: RoomChange, fence: Option<Fence>) -> StoreResult<()> {
        writing!(self, |db| {
            must_hold(db, fence.as_ref()).await?;
            alter(db, id, &change).await
        })
    }

    async fn delete_room(&self, id: RoomId, fence: Option<Fence>) -> StoreResult<()> {
        writing!(self, |db| {
            must_hold(db, fence.as_ref()).await?;
            exists(db.execute("DELETE FROM room WHERE id = $1", &[&id.0]).await?)?;
            db.execute("DELETE FROM document WHERE owner = $1", &[&id.archive().0]).await?;
            note_for_erasing(db, id.archive()).await
        })?;
        self.erase(id.archive()).await
    }

    async fn affiliates(&self, id: RoomId) -> StoreResult<Vec<Affiliate>> {
        reading!(self, |db| {
            let sql = "SELECT jid, affiliation, nick, reason, seen FROM room_affiliate WHERE room = $1 ORDER BY jid";
            db.rows(sql, &[&id.0]).await?.iter().map(affiliate).collect()
        })
    }

    async fn affiliations_of(&self, jid: &Jid) -> StoreResult<Vec<Belonging>> {
        reading!(self, |db| {
            let sql = "SELECT room.id, room.jid, affiliation, nick, seen FROM room_affiliate \
                 JOIN room ON room.id = room_affiliate.room WHERE room_affiliate.jid = $1 ORDER BY room.jid";
            db.rows(sql, &[&jid.as_str()]).await?.iter().map(belonging).collect()
        })
    }

    async fn set_seen(&self, id: RoomId, jid: &Jid, seen: ArchiveId) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "UPDATE room_affiliate SET seen = $3 WHERE room = $1 AND jid = $2 AND seen < $3";
            db.execute(sql, &[&id.0, &jid.as_str(), &numbers::int(seen.0)]).await.map(drop)
        })
    }

    async fn replace_archived(&self, owner: AccountId, id: ArchiveId, xml: Vec<u8>) -> StoreResult<()> {
        Self::replace_archived(self, owner, id, xml).await
    }
}

async fn create(db: &Session, room: &RoomRecord, owner: &Affiliate) -> Result<RoomId, Failure> {
    let sql = "INSERT INTO room (jid, service, creator, created_ms, locked, public, persistent, configuration, \
         subject, subject_ms, secret) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (jid) DO NOTHING RETURNING id";
    let values: Values<'_> = &[
        &room.jid.as_str(),
        &room.jid.domain(),
        &room.creator.as_str(),
        &numbers::int(room.created_ms),
        &room.locked,
        &room.configuration.is_listed(),
        &room.configuration.persistent,
        &room.configuration.to_stored(),
        &room.subject.as_ref().map(|subject| &subject.xml),
        &room.subject.as_ref().map(|subject| numbers::int(subject.at_ms)),
        &room.secret,
    ];
    let row = db.row(sql, values).await?.ok_or(StoreError::Conflict)?;
    let id = RoomId(row.try_get(0)?);
    put_affiliates(db, id, std::slice::from_ref(owner)).await?;
    Ok(id)
}

const COLUMNS: &str =
    "id, jid, creator, created_ms, locked, configuration, subject, subject_ms, secret FROM room";

async fn list(
    db: &Session,
    filter: &RoomFilter,
    after: &str,
    limit: usize,
) -> Result<Vec<RoomRecord>, Failure> {
    let (condition, argument) = match filter {
        RoomFilter::All => ("$3::text IS NULL", None),
        RoomFilter::Public(service) => ("service = $3 AND public AND NOT locked", Some(service.as_str())),
        RoomFilter::Of(jid) => {
            ("id IN (SELECT room FROM room_affiliate WHERE jid = $3 AND affiliation > 1)", Some(jid.as_str()))
        }
        RoomFilter::Passing => ("(NOT persistent OR locked) AND $3::text IS NULL", None),
    };
    let sql = format!("SELECT {COLUMNS} WHERE jid > $1 AND {condition} ORDER BY jid LIMIT $2");
    db.rows(&sql, &[&after, &numbers::limit(limit), &argument]).await?.iter().map(record).collect()
}

fn record(row: &Row) -> Result<RoomRecord, Failure> {
    let subject: Option<Vec<u8>> = row.try_get(6)?;
    let at_ms = numbers::uint(row.try_get::<_, Option<i64>>(7)?.unwrap_or(0));
    Ok(RoomRecord {
        id: RoomId(row.try_get(0)?),
        jid: super::jid(row.try_get(1)?)?,
        creator: super::jid(row.try_get(2)?)?,
        created_ms: numbers::uint(row.try_get(3)?),
        locked: row.try_get(4)?,
        configuration: Configuration::from_stored(row.try_get(5)?),
        subject: subject.map(|xml| Subject { xml, at_ms }),
        secret: row.try_get(8)?,
    })
}

async fn alter(db: &Session, id: RoomId, change: &RoomChange) -> Result<(), Failure> {
    exists(match change {
        RoomChange::Configuration(configuration) => {
            let sql = "UPDATE room SET configuration = $2, public = $3, persistent = $4, locked = false WHERE id = $1";
            let (listed, persistent) = (configuration.is_listed(), configuration.persistent);
            db.execute(sql, &[&id.0, &configuration.to_stored(), &listed, &persistent]).await?
        }
        RoomChange::Subject(subject) => {
            let sql = "UPDATE room SET subject = $2, subject_ms = $3 WHERE id = $1";
            db.execute(sql, &[&id.0, &subject.xml, &numbers::int(subject.at_ms)]).await?
        }
        RoomChange::Affiliates(affiliates) => return put_affiliates(db, id, affiliates).await,
        RoomChange::Document(kind, key, content) => {
            return put_document(db, id.archive(), *kind, key, content.as_deref()).await;
        }
    })
}

fn affiliate(row: &Row) -> Result<Affiliate, Failure> {
    Ok(Affiliate {
        jid: super::jid(row.try_get(0)?)?,
        affiliation: kinds::affiliation(row.try_get(1)?),
        nick: row.try_get(2)?,
        reason: row.try_get(3)?,
        seen: ArchiveId(numbers::uint(row.try_get(4)?)),
    })
}

fn belonging(row: &Row) -> Result<Belonging, Failure> {
    Ok(Belonging {
        id: RoomId(row.try_get(0)?),
        room: super::jid(row.try_get(1)?)?,
        affiliation: kinds::affiliation(row.try_get(2)?),
        nick: row.try_get(3)?,
        seen: ArchiveId(numbers::uint(row.try_get(4)?)),
    })
}

async fn put_affiliates(db: &Session, id: RoomId, affiliates: &[Affiliate]) -> Result<(), Failure> {
    // Changes to one room come one after the other.
    let room = db.row("SELECT 1 FROM room WHERE id = $1 FOR NO KEY UPDATE", &[&id.0]).await?;
    room.ok_or(StoreError::NotFound)?;
    let remove = "DELETE FROM room_affiliate WHERE room = $1 AND jid = $2";
    let put = "INSERT INTO room_affiliate (room, jid, affiliation, nick, reason, seen) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (room, jid) DO UPDATE SET \
         affiliation = excluded.affiliation, nick = excluded.nick, reason = excluded.reason";
    for affiliate in affiliates {
        let jid = affiliate.jid.as_str();
        if affiliate.affiliation == Affiliation::None {
            db.execute(remove, &[&id.0, &jid]).await?;
        } else {
            let (number, seen) =
                (kinds::of_affiliation(affiliate.affiliation), numbers::int(affiliate.seen.0));
            db.execute(put, &[&id.0, &jid, &number, &affiliate.nick, &affiliate.reason, &seen]).await?;
        }
    }
    Ok(())
}
