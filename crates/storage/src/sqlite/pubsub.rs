//! Publish-subscribe: nodes, their items, and what people are to them.

mod fleeting;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::pubsub::access::Affiliation;
use waxwing_chat::pubsub::configuration::{NodeConfiguration, SendLast};
use waxwing_chat::pubsub::store::{
    Fleeting, Item, ItemPage, ItemQuery, LastWanted, NewNode, NodeId, NodeRecord, NodeView, PubSubStore,
    Subscription, SubscriptionState, WhenFull,
};
use waxwing_chat::pubsub::terms::Terms;
use waxwing_chat::store::{StoreError, StoreResult};
use waxwing_xmpp::jid::Jid;

use super::accounts::exists;
use super::belongings::must_exist;
use super::errors::Failure;
use super::{Sqlite, numbers};

#[async_trait]
impl PubSubStore for Sqlite {
    async fn create_node(&self, node: NewNode) -> StoreResult<NodeId> {
        self.write(move |db| create(db, &node)).await
    }

    async fn nodes_created_by(&self, place: &Jid, creator: &Jid) -> StoreResult<usize> {
        let (place, creator) = (place.clone(), creator.clone());
        self.read(move |db| {
            let count = db
                .prepare_cached("SELECT count(*) FROM pubsub_node WHERE creator = ?1 AND place = ?2")?
                .query_row([creator.as_str(), place.as_str()], |row| row.get(0))?;
            Ok(size(count))
        })
        .await
    }

    async fn node(&self, place: &Jid, name: &str, who: &Jid) -> StoreResult<Option<NodeView>> {
        let (place, name, who) = (place.clone(), name.to_owned(), who.clone());
        self.read(move |db| {
            let sql = format!("SELECT {NODE} FROM pubsub_node WHERE place = ?1 AND name = ?2");
            let mut statement = db.prepare_cached(&sql)?;
            let mut rows = statement.query([place.as_str(), &name])?;
            let record = rows.next()?.map(record).transpose()?;
            record.map(|record| view(db, record, &who)).transpose()
        })
        .await
    }

    async fn nodes(
        &self,
        place: &Jid,
        who: &Jid,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<NodeView>> {
        let (place, who, after) = (place.clone(), who.clone(), after.unwrap_or_default().to_owned());
        self.read(move |db| {
            let sql = format!(
                "SELECT {NODE} FROM pubsub_node WHERE place = ?1 AND name > ?2 ORDER BY name LIMIT ?3"
            );
            let mut statement = db.prepare_cached(&sql)?;
            let mut rows = statement.query(params![place.as_str(), after, numbers::int(limit as u64)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(view(db, record(row)?, &who)?);
            }
            Ok(found)
        })
        .await
    }

    async fn configure_node(
        &self,
        id: NodeId,
        configuration: NodeConfiguration,
        keep: usize,
    ) -> StoreResult<Vec<String>> {
        self.write(move |db| {
            configure(db, id, &configuration)?;
            evict(db, id, keep)
        })
        .await
    }

    async fn delete_node(&self, id: NodeId) -> StoreResult<()> {
        self.write(move |db| {
            exists(db.execute("DELETE FROM pubsub_node WHERE id = ?1", [id.0])?)?;
            for table in ["pubsub_item", "pubsub_affiliation", "pubsub_subscription"] {
                db.execute(&format!("DELETE FROM {table} WHERE node = ?1"), [id.0])?;
            }
            Ok(())
        })
        .await
    }

    async fn publish_item(
        &self,
        id: NodeId,
        item: Item,
        keep: usize,
        full: WhenFull,
    ) -> StoreResult<Option<Vec<String>>> {
        self.write(move |db| publish(db, id, &item, keep, full)).await
    }

    async fn retract_items(&self, id: NodeId, items: &[String]) -> StoreResult<Vec<String>> {
        let items = items.to_vec();
        self.write(move |db| {
            must_be_there(db, id)?;
            let mut delete = db.prepare_cached("DELETE FROM pubsub_item WHERE node = ?1 AND id = ?2")?;
            let mut gone = Vec::new();
            for item in &items {
                if delete.execute(params![id.0, item])? > 0 {
                    gone.push(item.clone());
                }
            }
            Ok(gone)
        })
        .await
    }

    async fn purge_items(&self, id: NodeId) -> StoreResult<()> {
        self.write(move |db| {
            must_be_there(db, id)?;
            db.execute("DELETE FROM pubsub_item WHERE node = ?1", [id.0])?;
            Ok(())
        })
        .await
    }

    async fn expire_items(&self, id: NodeId, before_ms: u64) -> StoreResult<usize> {
        // Most times there is nothing to do, and reading holds up no write.
        let any = self
            .read(move |db| {
                Ok(db
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM pubsub_item WHERE node = ?1 AND published_ms < ?2)",
                    )?
                    .query_row(params![id.0, numbers::int(before_ms)], |row| row.get::<_, bool>(0))?)
            })
            .await?;
        if !any {
            return Ok(0);
        }
        self.write(move |db| {
            Ok(db.execute(
                "DELETE FROM pubsub_item WHERE node = ?1 AND published_ms < ?2",
                params![id.0, numbers::int(before_ms)],
            )?)
        })
        .await
    }

    async fn expire_due_items(&self, now_ms: u64, limit: usize) -> StoreResult<usize> {
        // Most times there is nothing to do, and reading holds up no write.
        if self.read(move |db| fleeting::due_items(db, now_ms, 1)).await?.is_empty() {
            return Ok(0);
        }
        self.write(move |db| {
            let due = fleeting::due_items(db, now_ms, limit)?;
            let mut delete = db.prepare_cached("DELETE FROM pubsub_item WHERE seq = ?1")?;
            for seq in &due {
                delete.execute([seq])?;
            }
            Ok(due.len())
        })
        .await
    }

    async fn bound_to_presence(&self) -> StoreResult<Vec<Jid>> {
        self.read(|db| {
            let mut statement = db.prepare_cached(
                "SELECT bare FROM pubsub_subscription WHERE temporary = 1 \
                 UNION SELECT purged_with FROM pubsub_item WHERE purged_with IS NOT NULL ORDER BY 1",
            )?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(jid_at(row, 0)?);
            }
            Ok(found)
        })
        .await
    }

    async fn goes_with_presence(&self, who: &Jid) -> StoreResult<Vec<Fleeting>> {
        let who = who.clone();
        self.read(move |db| fleeting::of(db, &who)).await
    }

    async fn items(&self, id: NodeId, query: ItemQuery) -> StoreResult<ItemPage> {
        self.read(move |db| page(db, id, &query)).await
    }

    async fn items_by_id(&self, id: NodeId, items: &[String]) -> StoreResult<Vec<Item>> {
        let items = items.to_vec();
        self.read(move |db| {
            let sql = format!("SELECT {ITEM} FROM pubsub_item WHERE node = ?1 AND id = ?2");
            let mut statement = db.prepare_cached(&sql)?;
            let mut found = Vec::new();
            for wanted in &items {
                let mut rows = statement.query(params![id.0, wanted])?;
                found.extend(rows.next()?.map(item).transpose()?);
            }
            Ok(found)
        })
        .await
    }

    async fn places_with_last_items(&self) -> StoreResult<Vec<Jid>> {
        self.read(|db| {
            let mut statement =
                db.prepare_cached("SELECT DISTINCT place FROM pubsub_node WHERE on_presence = 1")?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(jid_at(row, 0)?);
            }
            Ok(found)
        })
        .await
    }

    async fn last_items(&self, wanted: LastWanted) -> StoreResult<Vec<(NodeView, Item)>> {
        self.read(move |db| last(db, &wanted)).await
    }

    async fn node_affiliations(&self, id: NodeId) -> StoreResult<Vec<(Jid, Affiliation)>> {
        self.read(move |db| affiliations(db, id)).await
    }

    async fn put_node_affiliations(&self, id: NodeId, who: Vec<(Jid, Affiliation)>) -> StoreResult<()> {
        self.write(move |db| put_affiliations(db, id, &who)).await
    }

    async fn nodes_of(&self, place: &Jid, who: &Jid) -> StoreResult<Vec<NodeView>> {
        let (place, who) = (place.clone(), who.clone());
        self.read(move |db| {
            let sql = format!(
                "SELECT {NODE} FROM pubsub_node WHERE place = ?1 AND id IN \
                 (SELECT node FROM pubsub_affiliation WHERE jid = ?2 \
                  UNION SELECT node FROM pubsub_subscription WHERE bare = ?2) ORDER BY name"
            );
            let mut statement = db.prepare_cached(&sql)?;
            let mut rows = statement.query([place.as_str(), who.as_str()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(view(db, record(row)?, &who)?);
            }
            Ok(found)
        })
        .await
    }

    async fn audience(&self, id: NodeId) -> StoreResult<(Vec<(Jid, Affiliation)>, Vec<Subscription>)> {
        self.read(move |db| Ok((affiliations(db, id)?, subscriptions(db, id)?))).await
    }

    async fn subscriptions(&self, id: NodeId) -> StoreResult<Vec<Subscription>> {
        self.read(move |db| subscriptions(db, id)).await
    }

    async fn put_subscription(&self, id: NodeId, subscription: Subscription) -> StoreResult<()> {
        self.write(move |db| {
            must_be_there(db, id)?;
            db.prepare_cached(
                "INSERT OR REPLACE INTO pubsub_subscription (node, subid, jid, bare, state, options, temporary) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                id.0,
                subscription.subid,
                subscription.jid.as_str(),
                subscription.jid.bare_str(),
                subscription.state.number(),
                subscription.options,
                Terms::from_stored(&subscription.options).is_temporary(),
            ])?;
            Ok(())
        })
        .await
    }

    async fn delete_subscription(&self, id: NodeId, subid: &str) -> StoreResult<()> {
        let subid = subid.to_owned();
        self.write(move |db| {
            db.prepare_cached("DELETE FROM pubsub_subscription WHERE node = ?1 AND subid = ?2")?
                .execute(params![id.0, subid])?;
            Ok(())
        })
        .await
    }
}

const NODE: &str = "id, place, name, creator, created_ms, configuration";
const ITEM: &str = "id, publisher, published_ms, payload";
const SUBSCRIPTION: &str = "subid, jid, state, options";

/// Removes what an account had, and what it was to the nodes of others.
pub(super) fn forget_account(db: &Connection, id: AccountId, jid: &str) -> Result<(), Failure> {
    for table in ["pubsub_item", "pubsub_affiliation", "pubsub_subscription"] {
        let sql =
            format!("DELETE FROM {table} WHERE node IN (SELECT id FROM pubsub_node WHERE account = ?1)");
        db.execute(&sql, [id.0])?;
    }
    db.execute("DELETE FROM pubsub_node WHERE account = ?1", [id.0])?;
    db.execute("DELETE FROM pubsub_affiliation WHERE jid = ?1", [jid])?;
    db.execute("DELETE FROM pubsub_subscription WHERE bare = ?1", [jid])?;
    Ok(())
}

fn affiliations(db: &Connection, id: NodeId) -> Result<Vec<(Jid, Affiliation)>, Failure> {
    let mut statement =
        db.prepare_cached("SELECT jid, affiliation FROM pubsub_affiliation WHERE node = ?1 ORDER BY jid")?;
    let mut rows = statement.query([id.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((jid_at(row, 0)?, Affiliation::from_number(row.get(1)?)));
    }
    Ok(found)
}

fn subscriptions(db: &Connection, id: NodeId) -> Result<Vec<Subscription>, Failure> {
    let sql = format!("SELECT {SUBSCRIPTION} FROM pubsub_subscription WHERE node = ?1 ORDER BY subid");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([id.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(subscription(row)?);
    }
    Ok(found)
}

fn on_presence(configuration: &NodeConfiguration) -> bool {
    configuration.send_last == SendLast::OnSubAndPresence
}

fn size(count: i64) -> usize {
    usize::try_from(numbers::uint(count)).unwrap_or(usize::MAX)
}

fn create(db: &Connection, node: &NewNode) -> Result<NodeId, Failure> {
    if let Some(account) = node.account {
        must_exist(db, account)?;
    }
    let inserted = db
        .prepare_cached(
            "INSERT INTO pubsub_node (place, account, name, creator, created_ms, on_presence, configuration, \
             item_expire_s, purge_offline) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (place, name) DO NOTHING",
        )?
        .execute(params![
            node.place.as_str(),
            node.account.map(|account| account.0),
            node.name,
            node.creator.as_str(),
            numbers::int(node.created_ms),
            on_presence(&node.configuration),
            node.configuration.to_stored(),
            node.configuration.item_expire_s,
            node.configuration.purge_offline,
        ])?;
    if inserted == 0 {
        return Err(StoreError::Conflict.into());
    }
    let id = NodeId(db.last_insert_rowid());
    if node.account.is_none() {
        put_affiliations(db, id, &[(node.creator.clone(), Affiliation::Owner)])?;
    }
    Ok(id)
}

fn configure(db: &Connection, id: NodeId, configuration: &NodeConfiguration) -> Result<(), Failure> {
    let purges: Option<bool> = db
        .prepare_cached("SELECT purge_offline FROM pubsub_node WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    let changed = db
        .prepare_cached(
            "UPDATE pubsub_node SET configuration = ?2, on_presence = ?3, item_expire_s = ?4, purge_offline = ?5 \
             WHERE id = ?1",
        )?
        .execute(params![
            id.0,
            configuration.to_stored(),
            on_presence(configuration),
            configuration.item_expire_s,
            configuration.purge_offline,
        ])?;
    exists(changed)?;
    if purges != Some(configuration.purge_offline) {
        // The part of the address before the resource.
        db.execute(
            "UPDATE pubsub_item SET purged_with = \
             iif(?2, substr(publisher, 1, instr(publisher || '/', '/') - 1), NULL) WHERE node = ?1",
            params![id.0, configuration.purge_offline],
        )?;
    }
    Ok(())
}

fn must_be_there(db: &Connection, id: NodeId) -> Result<(), Failure> {
    let there: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM pubsub_node WHERE id = ?1)")?
        .query_row([id.0], |row| row.get(0))?;
    exists(usize::from(there))
}

fn put_affiliations(db: &Connection, id: NodeId, who: &[(Jid, Affiliation)]) -> Result<(), Failure> {
    must_be_there(db, id)?;
    for (jid, affiliation) in who {
        if *affiliation == Affiliation::None {
            db.prepare_cached("DELETE FROM pubsub_affiliation WHERE node = ?1 AND jid = ?2")?
                .execute(params![id.0, jid.as_str()])?;
        } else {
            db.prepare_cached(
                "INSERT OR REPLACE INTO pubsub_affiliation (node, jid, affiliation) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![id.0, jid.as_str(), affiliation.number()])?;
        }
    }
    Ok(())
}

fn publish(
    db: &Connection,
    id: NodeId,
    item: &Item,
    keep: usize,
    full: WhenFull,
) -> Result<Option<Vec<String>>, Failure> {
    let purges: Option<bool> = db
        .prepare_cached("SELECT purge_offline FROM pubsub_node WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    let purges = purges.ok_or(StoreError::NotFound)?;
    if full == WhenFull::Refuse {
        let others: i64 = db
            .prepare_cached("SELECT count(*) FROM pubsub_item WHERE node = ?1 AND id <> ?2")?
            .query_row(params![id.0, item.id], |row| row.get(0))?;
        if size(others) >= keep {
            return Ok(None);
        }
    }
    // A new row, so that it is the newest also in place of an older one.
    db.prepare_cached(
        "INSERT OR REPLACE INTO pubsub_item (node, id, publisher, published_ms, payload, purged_with) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        id.0,
        item.id,
        item.publisher.as_str(),
        numbers::int(item.published_ms),
        item.payload.as_deref(),
        purges.then(|| item.publisher.bare_str()),
    ])?;
    evict(db, id, keep).map(Some)
}

/// Removes the oldest items but `keep`; returns their ids.
fn evict(db: &Connection, id: NodeId, keep: usize) -> Result<Vec<String>, Failure> {
    let mut statement = db.prepare_cached(
        "DELETE FROM pubsub_item WHERE node = ?1 AND seq <= \
         (SELECT seq FROM pubsub_item WHERE node = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2) RETURNING id",
    )?;
    let gone = statement.query_map(params![id.0, numbers::int(keep as u64)], |row| row.get(0))?;
    Ok(gone.collect::<Result<_, _>>()?)
}

fn page(db: &Connection, id: NodeId, query: &ItemQuery) -> Result<ItemPage, Failure> {
    let place_of = |item: &str| -> Result<i64, Failure> {
        let seq = db
            .prepare_cached("SELECT seq FROM pubsub_item WHERE node = ?1 AND id = ?2")?
            .query_row(params![id.0, item], |row| row.get(0))
            .optional()?;
        seq.ok_or_else(|| StoreError::NotFound.into())
    };
    let (after, before, limit, newest) = match query {
        ItemQuery::Last(n) => (0, i64::MAX, *n, true),
        ItemQuery::First(n) => (0, i64::MAX, *n, false),
        ItemQuery::After(item, n) => (place_of(item)?, i64::MAX, *n, false),
        ItemQuery::Before(item, n) => (0, place_of(item)?, *n, true),
    };
    let order = if newest { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {ITEM}, seq FROM pubsub_item WHERE node = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq {order} LIMIT ?4"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![id.0, after, before, numbers::int(limit as u64)])?;
    let (mut items, mut seqs) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        items.push(item(row)?);
        seqs.push(row.get::<_, i64>(4)?);
    }
    if newest {
        items.reverse();
        seqs.reverse();
    }
    let count = |below: i64| -> Result<usize, Failure> {
        let count = db
            .prepare_cached("SELECT count(*) FROM pubsub_item WHERE node = ?1 AND seq < ?2")?
            .query_row([id.0, below], |row| row.get(0))?;
        Ok(size(count))
    };
    let first_index = seqs.first().map_or(Ok(0), |first| count(*first))?;
    Ok(ItemPage { items, first_index, count: count(i64::MAX)? })
}

fn last(db: &Connection, wanted: &LastWanted) -> Result<Vec<(NodeView, Item)>, Failure> {
    let sql = format!("SELECT {NODE} FROM pubsub_node WHERE place = ?1 AND on_presence = 1");
    let mut nodes = db.prepare_cached(&sql)?;
    let sql = format!("SELECT {ITEM} FROM pubsub_item WHERE node = ?1 ORDER BY seq DESC LIMIT 1");
    let mut newest = db.prepare_cached(&sql)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    for place in &wanted.places {
        let mut rows = nodes.query([place.as_str()])?;
        while let Some(row) = rows.next()? {
            if found.len() >= wanted.items || bytes > wanted.bytes {
                return Ok(found);
            }
            let name = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
            if !wanted.nodes.iter().any(|wanted| **wanted == *name) {
                continue;
            }
            let record = record(row)?;
            let mut items = newest.query([record.id.0])?;
            if let Some(row) = items.next()? {
                let item = item(row)?;
                bytes += item.payload.as_ref().map_or(0, |payload| payload.len());
                found.push((view(db, record, &wanted.who)?, item));
            }
        }
    }
    Ok(found)
}

fn view(db: &Connection, node: NodeRecord, who: &Jid) -> Result<NodeView, Failure> {
    let affiliation = db
        .prepare_cached("SELECT affiliation FROM pubsub_affiliation WHERE node = ?1 AND jid = ?2")?
        .query_row(params![node.id.0, who.as_str()], |row| row.get(0))
        .optional()?;
    let sql = format!("SELECT {SUBSCRIPTION} FROM pubsub_subscription WHERE node = ?1 AND bare = ?2");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![node.id.0, who.as_str()])?;
    let mut subscriptions = Vec::new();
    while let Some(row) = rows.next()? {
        subscriptions.push(subscription(row)?);
    }
    Ok(NodeView {
        node,
        affiliation: affiliation.map_or(Affiliation::None, Affiliation::from_number),
        subscriptions,
    })
}

fn record(row: &Row<'_>) -> Result<NodeRecord, Failure> {
    Ok(NodeRecord {
        id: NodeId(row.get(0)?),
        place: jid_at(row, 1)?,
        name: row.get(2)?,
        creator: jid_at(row, 3)?,
        created_ms: numbers::uint(row.get(4)?),
        configuration: NodeConfiguration::from_stored(
            row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?,
        ),
    })
}

fn item(row: &Row<'_>) -> Result<Item, Failure> {
    Ok(Item {
        id: row.get(0)?,
        publisher: jid_at(row, 1)?,
        published_ms: numbers::uint(row.get(2)?),
        payload: row.get::<_, Option<String>>(3)?.map(Into::into),
    })
}

fn subscription(row: &Row<'_>) -> Result<Subscription, Failure> {
    Ok(Subscription {
        subid: row.get(0)?,
        jid: jid_at(row, 1)?,
        state: SubscriptionState::from_number(row.get(2)?),
        options: row.get(3)?,
    })
}

fn jid_at(row: &Row<'_>, column: usize) -> Result<Jid, Failure> {
    super::jid(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}
