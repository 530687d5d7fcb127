//! Items of nodes in the database.

use tokio_postgres::Row;
use waxwing_chat::pubsub::store::{Item, ItemPage, ItemQuery, LastWanted, NodeId, NodeView, WhenFull};
use waxwing_chat::store::StoreError;
use waxwing_xmpp::jid::Jid;

use super::super::errors::Failure;
use super::super::numbers;
use super::super::session::{Session, Values};
use super::{NODE, lock, views};

const ITEM: &str = "id, publisher, published_ms, payload";

pub(super) async fn publish(
    db: &Session,
    id: NodeId,
    item: &Item,
    keep: usize,
    full: WhenFull,
) -> Result<Option<Vec<String>>, Failure> {
    lock(db, id).await?;
    if full == WhenFull::Refuse {
        let sql = "SELECT count(*) FROM pubsub_item WHERE node = $1 AND id <> $2";
        let others = db.only_row(sql, &[&id.0, &item.id]).await?.try_get(0)?;
        if numbers::count(others) >= keep {
            return Ok(None);
        }
    }
    // A new row, so that it is the newest also in place of an older one.
    db.execute("DELETE FROM pubsub_item WHERE node = $1 AND id = $2", &[&id.0, &item.id]).await?;
    let sql = format!(
        "INSERT INTO pubsub_item (node, {ITEM}, purged_with) \
         SELECT $1::int8, $2::text, $3::text, $4::int8, $5::text, CASE WHEN purge_offline THEN $6::text END FROM pubsub_node WHERE id = $1"
    );
    let values: Values<'_> = &[
        &id.0,
        &item.id,
        &item.publisher.as_str(),
        &numbers::int(item.published_ms),
        &item.payload.as_deref(),
        &item.publisher.bare_str(),
    ];
    db.execute(&sql, values).await?;
    evict(db, id, keep).await.map(Some)
}

/// Removes the oldest items but `keep`; returns their ids.
pub(super) async fn evict(db: &Session, id: NodeId, keep: usize) -> Result<Vec<String>, Failure> {
    let sql = "DELETE FROM pubsub_item WHERE node = $1 AND seq <= \
         (SELECT seq FROM pubsub_item WHERE node = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2) RETURNING id, seq";
    let mut gone = Vec::new();
    for row in db.rows(sql, &[&id.0, &numbers::limit(keep)]).await? {
        gone.push((row.try_get::<_, i64>(1)?, row.try_get(0)?));
    }
    gone.sort();
    Ok(gone.into_iter().map(|(_, id)| id).collect())
}

pub(super) async fn retract(db: &Session, id: NodeId, items: &[String]) -> Result<Vec<String>, Failure> {
    lock(db, id).await?;
    let mut gone = Vec::new();
    for item in items {
        let sql = "DELETE FROM pubsub_item WHERE node = $1 AND id = $2";
        if db.execute(sql, &[&id.0, item]).await? > 0 {
            gone.push(item.clone());
        }
    }
    Ok(gone)
}

/// Single items, in the order asked.
pub(super) async fn by_id(db: &Session, id: NodeId, items: &[String]) -> Result<Vec<Item>, Failure> {
    let sql = format!(
        "SELECT {ITEM} FROM unnest($2::text[]) WITH ORDINALITY AS wanted (item, place) \
         JOIN pubsub_item ON node = $1 AND id = item COLLATE \"C\" ORDER BY place"
    );
    db.rows(&sql, &[&id.0, &items]).await?.iter().map(item).collect()
}

pub(super) async fn page(db: &Session, id: NodeId, query: &ItemQuery) -> Result<ItemPage, Failure> {
    let (beside, limit, newest) = match query {
        ItemQuery::Last(n) => (None, *n, true),
        ItemQuery::First(n) => (None, *n, false),
        ItemQuery::After(item, n) => (Some(place_of(db, id, item).await?), *n, false),
        ItemQuery::Before(item, n) => (Some(place_of(db, id, item).await?), *n, true),
    };
    let (after, before) = match (beside, newest) {
        (Some(seq), false) => (seq, i64::MAX),
        (Some(seq), true) => (0, seq),
        (None, _) => (0, i64::MAX),
    };
    let order = if newest { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {ITEM}, seq FROM pubsub_item WHERE node = $1 AND seq > $2 AND seq < $3 ORDER BY seq {order} LIMIT $4"
    );
    let mut rows = db.rows(&sql, &[&id.0, &after, &before, &numbers::limit(limit)]).await?;
    if newest {
        rows.reverse();
    }
    let first: i64 = rows.first().map_or(Ok(0), |row| row.try_get(4))?;
    let sql = "SELECT count(*), count(*) FILTER (WHERE seq < $2) FROM pubsub_item WHERE node = $1";
    let counts = db.only_row(sql, &[&id.0, &first]).await?;
    Ok(ItemPage {
        items: rows.iter().map(item).collect::<Result<_, _>>()?,
        first_index: numbers::count(counts.try_get(1)?),
        count: numbers::count(counts.try_get(0)?),
    })
}

async fn place_of(db: &Session, id: NodeId, item: &str) -> Result<i64, Failure> {
    let row = db.row("SELECT seq FROM pubsub_item WHERE node = $1 AND id = $2", &[&id.0, &item]).await?;
    Ok(row.ok_or(StoreError::NotFound)?.try_get(0)?)
}

/// The last item of each node that is wanted, in the order of their places.
pub(super) async fn last(db: &Session, wanted: &LastWanted) -> Result<Vec<(NodeView, Item)>, Failure> {
    let places: Vec<&str> = wanted.places.iter().map(Jid::as_str).collect();
    let names: Vec<&str> = wanted.nodes.iter().map(|name| &**name).collect();
    let columns =
        NODE.split(", ").map(|column| format!("pubsub_node.{column}")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT newest.id, newest.publisher, newest.published_ms, newest.payload, {columns} \
         FROM unnest($1::text[]) WITH ORDINALITY AS wanted (at, number) \
         JOIN pubsub_node ON pubsub_node.place = at COLLATE \"C\" AND on_presence AND pubsub_node.name = ANY($2) \
         CROSS JOIN LATERAL (SELECT {ITEM} FROM pubsub_item WHERE node = pubsub_node.id ORDER BY seq DESC LIMIT 1) \
         AS newest ORDER BY number, pubsub_node.id LIMIT $3"
    );
    let rows = db.rows(&sql, &[&places, &names, &numbers::limit(wanted.items)]).await?;
    let mut items = Vec::new();
    let mut bytes = 0;
    for row in &rows {
        if bytes > wanted.bytes {
            break;
        }
        let item = item(row)?;
        bytes += item.payload.as_ref().map_or(0, |payload| payload.len());
        items.push(item);
    }
    let views = views(db, &rows[..items.len()], 4, &wanted.who).await?;
    Ok(views.into_iter().zip(items).collect())
}

fn item(row: &Row) -> Result<Item, Failure> {
    Ok(Item {
        id: row.try_get(0)?,
        publisher: super::super::jid(row.try_get(1)?)?,
        published_ms: numbers::uint(row.try_get(2)?),
        payload: row.try_get::<_, Option<String>>(3)?.map(Into::into),
    })
}
