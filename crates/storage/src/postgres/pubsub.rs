//! Publish-subscribe: nodes, their items, and what people are to them.

mod items;

use async_trait::async_trait;
use tokio_postgres::Row;
use waxwing_chat::pubsub::access::Affiliation;
use waxwing_chat::pubsub::configuration::{NodeConfiguration, SendLast};
use waxwing_chat::pubsub::store::{
    Fleeting, Item, ItemPage, ItemQuery, LastWanted, NewNode, NodeId, NodeRecord, NodeView, PubSubStore,
    Subscription, SubscriptionState, WhenFull,
};
use waxwing_chat::pubsub::terms::Terms;
use waxwing_chat::store::{StoreError, StoreResult};
use waxwing_xmpp::jid::Jid;

use super::accounts::{exists, must_exist};
use super::attempts::{reading, reading_at_once, writing};
use super::errors::Failure;
use super::session::{Session, Values};
use super::{Postgres, numbers, statements};

#[async_trait]
impl PubSubStore for Postgres {
    async fn create_node(&self, node: NewNode) -> StoreResult<NodeId> {
        writing!(self, |db| create(db, &node).await)
    }

    async fn nodes_created_by(&self, place: &Jid, creator: &Jid) -> StoreResult<usize> {
        reading!(self, |db| {
            let sql = "SELECT count(*) FROM pubsub_node WHERE creator = $1 AND place = $2";
            let row = db.only_row(sql, &[&creator.as_str(), &place.as_str()]).await?;
            Ok(numbers::count(row.try_get(0)?))
        })
    }

    async fn node(&self, place: &Jid, name: &str, who: &Jid) -> StoreResult<Option<NodeView>> {
        reading_at_once!(self, |db| {
            let sql = format!("SELECT {NODE} FROM pubsub_node WHERE place = $1 AND name = $2");
            let found = db.rows(&sql, &[&place.as_str(), &name]).await?;
            Ok(views(db, &found, 0, who).await?.pop())
        })
    }

    async fn nodes(
        &self,
        place: &Jid,
        who: &Jid,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<NodeView>> {
        reading_at_once!(self, |db| {
            let sql = format!(
                "SELECT {NODE} FROM pubsub_node WHERE place = $1 AND name > $2 ORDER BY name LIMIT $3"
            );
            let values: Values<'_> = &[&place.as_str(), &after.unwrap_or_default(), &numbers::limit(limit)];
            let found = db.rows(&sql, values).await?;
            views(db, &found, 0, who).await
        })
    }

    async fn configure_node(
        &self,
        id: NodeId,
        configuration: NodeConfiguration,
        keep: usize,
    ) -> StoreResult<Vec<String>> {
        writing!(self, |db| {
            configure(db, id, &configuration).await?;
            items::evict(db, id, keep).await
        })
    }

    async fn delete_node(&self, id: NodeId) -> StoreResult<()> {
        writing!(self, |db| exists(db.execute("DELETE FROM pubsub_node WHERE id = $1", &[&id.0]).await?))
    }

    async fn publish_item(
        &self,
        id: NodeId,
        item: Item,
        keep: usize,
        full: WhenFull,
    ) -> StoreResult<Option<Vec<String>>> {
        writing!(self, |db| items::publish(db, id, &item, keep, full).await)
    }

    async fn retract_items(&self, id: NodeId, items: &[String]) -> StoreResult<Vec<String>> {
        writing!(self, |db| items::retract(db, id, items).await)
    }

    async fn purge_items(&self, id: NodeId) -> StoreResult<()> {
        writing!(self, |db| {
            lock(db, id).await?;
            db.execute("DELETE FROM pubsub_item WHERE node = $1", &[&id.0]).await.map(drop)
        })
    }

    async fn expire_items(&self, id: NodeId, before_ms: u64) -> StoreResult<usize> {
        writing!(self, |db| {
            let sql = "DELETE FROM pubsub_item WHERE node = $1 AND published_ms < $2";
            let gone = db.execute(sql, &[&id.0, &numbers::int(before_ms)]).await?;
            Ok(usize::try_from(gone).unwrap_or(usize::MAX))
        })
    }

    async fn expire_due_items(&self, now_ms: u64, limit: usize) -> StoreResult<usize> {
        writing!(self, |db| {
            let sql = "DELETE FROM pubsub_item WHERE seq IN (SELECT i.seq FROM pubsub_node n \
                 JOIN pubsub_item i ON i.node = n.id WHERE n.item_expire_s IS NOT NULL \
                 AND i.published_ms < $1 - n.item_expire_s * 1000 LIMIT $2)";
            let gone = db.execute(sql, &[&numbers::int(now_ms), &numbers::limit(limit)]).await?;
            Ok(usize::try_from(gone).unwrap_or(usize::MAX))
        })
    }

    async fn bound_to_presence(&self) -> StoreResult<Vec<Jid>> {
        reading!(self, |db| {
            let sql = "SELECT bare FROM pubsub_subscription WHERE temporary \
                 UNION SELECT purged_with FROM pubsub_item WHERE purged_with IS NOT NULL ORDER BY 1";
            db.rows(sql, &[]).await?.iter().map(|row| super::jid(row.try_get(0)?)).collect()
        })
    }

    async fn goes_with_presence(&self, who: &Jid) -> StoreResult<Vec<Fleeting>> {
        reading_at_once!(self, |db| fleeting(db, who).await)
    }

    async fn items(&self, id: NodeId, query: ItemQuery) -> StoreResult<ItemPage> {
        reading_at_once!(self, |db| items::page(db, id, &query).await)
    }

    async fn items_by_id(&self, id: NodeId, items: &[String]) -> StoreResult<Vec<Item>> {
        reading!(self, |db| items::by_id(db, id, items).await)
    }

    async fn places_with_last_items(&self) -> StoreResult<Vec<Jid>> {
        reading!(self, |db| {
            let sql = "SELECT DISTINCT place FROM pubsub_node WHERE on_presence";
            db.rows(sql, &[]).await?.iter().map(|row| super::jid(row.try_get(0)?)).collect()
        })
    }

    async fn last_items(&self, wanted: LastWanted) -> StoreResult<Vec<(NodeView, Item)>> {
        reading_at_once!(self, |db| items::last(db, &wanted).await)
    }

    async fn node_affiliations(&self, id: NodeId) -> StoreResult<Vec<(Jid, Affiliation)>> {
        reading!(self, |db| affiliations(db, id).await)
    }

    async fn put_node_affiliations(&self, id: NodeId, who: Vec<(Jid, Affiliation)>) -> StoreResult<()> {
        writing!(self, |db| put_affiliations(db, id, &who).await)
    }

    async fn nodes_of(&self, place: &Jid, who: &Jid) -> StoreResult<Vec<NodeView>> {
        reading_at_once!(self, |db| {
            let sql = format!(
                "SELECT {NODE} FROM pubsub_node WHERE place = $1 AND id IN \
                 (SELECT node FROM pubsub_affiliation WHERE jid = $2 \
                  UNION SELECT node FROM pubsub_subscription WHERE bare = $2) ORDER BY name"
            );
            let found = db.rows(&sql, &[&place.as_str(), &who.as_str()]).await?;
            views(db, &found, 0, who).await
        })
    }

    async fn audience(&self, id: NodeId) -> StoreResult<(Vec<(Jid, Affiliation)>, Vec<Subscription>)> {
        reading_at_once!(self, |db| {
            Ok::<_, Failure>((affiliations(db, id).await?, subscriptions(db, id).await?))
        })
    }

    async fn subscriptions(&self, id: NodeId) -> StoreResult<Vec<Subscription>> {
        reading!(self, |db| subscriptions(db, id).await)
    }

    async fn put_subscription(&self, id: NodeId, subscription: Subscription) -> StoreResult<()> {
        writing!(self, |db| {
            lock(db, id).await?;
            let values: Values<'_> = &[
                &id.0,
                &subscription.subid,
                &subscription.jid.as_str(),
                &subscription.jid.bare_str(),
                &subscription.state.number(),
                &subscription.options,
                &Terms::from_stored(&subscription.options).is_temporary(),
            ];
            let others = "jid, bare, state, options, temporary";
            let sql = statements::put("pubsub_subscription", "node, subid", others);
            db.execute(&sql, values).await.map(drop)
        })
    }

    async fn delete_subscription(&self, id: NodeId, subid: &str) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "DELETE FROM pubsub_subscription WHERE node = $1 AND subid = $2";
            db.execute(sql, &[&id.0, &subid]).await.map(drop)
        })
    }
}

const NODE: &str = "id, place, name, creator, created_ms, configuration";
const SUBSCRIPTION: &str = "subid, jid, state, options";

/// Removes what an account was to the nodes of others; its own have gone with it.
pub(super) async fn forget(db: &Session, jid: &str) -> Result<(), Failure> {
    db.execute("DELETE FROM pubsub_affiliation WHERE jid = $1", &[&jid]).await?;
    db.execute("DELETE FROM pubsub_subscription WHERE bare = $1", &[&jid]).await.map(drop)
}

async fn affiliations(db: &Session, id: NodeId) -> Result<Vec<(Jid, Affiliation)>, Failure> {
    let sql = "SELECT jid, affiliation FROM pubsub_affiliation WHERE node = $1 ORDER BY jid";
    let one = |row: &Row| Ok((super::jid(row.try_get(0)?)?, Affiliation::from_number(row.try_get(1)?)));
    db.rows(sql, &[&id.0]).await?.iter().map(one).collect()
}

async fn subscriptions(db: &Session, id: NodeId) -> Result<Vec<Subscription>, Failure> {
    let sql = format!("SELECT {SUBSCRIPTION} FROM pubsub_subscription WHERE node = $1 ORDER BY subid");
    db.rows(&sql, &[&id.0]).await?.iter().map(subscription).collect()
}

fn on_presence(configuration: &NodeConfiguration) -> bool {
    configuration.send_last == SendLast::OnSubAndPresence
}

async fn create(db: &Session, node: &NewNode) -> Result<NodeId, Failure> {
    if let Some(account) = node.account {
        must_exist(db, account).await?;
    }
    let sql = "INSERT INTO pubsub_node (place, account, name, creator, created_ms, on_presence, configuration, \
         item_expire_s, purge_offline) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (place, name) DO NOTHING RETURNING id";
    let values: Values<'_> = &[
        &node.place.as_str(),
        &node.account.map(|account| account.0),
        &node.name,
        &node.creator.as_str(),
        &numbers::int(node.created_ms),
        &on_presence(&node.configuration),
        &node.configuration.to_stored(),
        &node.configuration.item_expire_s.map(i64::from),
        &node.configuration.purge_offline,
    ];
    let row = db.row(sql, values).await?.ok_or(StoreError::Conflict)?;
    let id = NodeId(row.try_get(0)?);
    if node.account.is_none() {
        put_affiliations(db, id, &[(node.creator.clone(), Affiliation::Owner)]).await?;
    }
    Ok(id)
}

async fn configure(db: &Session, id: NodeId, configuration: &NodeConfiguration) -> Result<(), Failure> {
    lock(db, id).await?;
    let row = db.only_row("SELECT purge_offline FROM pubsub_node WHERE id = $1", &[&id.0]).await?;
    let purged: bool = row.try_get(0)?;
    let sql = "UPDATE pubsub_node SET configuration = $2, on_presence = $3, item_expire_s = $4, \
         purge_offline = $5 WHERE id = $1";
    let values: Values<'_> = &[
        &id.0,
        &configuration.to_stored(),
        &on_presence(configuration),
        &configuration.item_expire_s.map(i64::from),
        &configuration.purge_offline,
    ];
    exists(db.execute(sql, values).await?)?;
    if purged != configuration.purge_offline {
        // The part of the address before the resource.
        let sql = "UPDATE pubsub_item SET purged_with = \
             CASE WHEN $2::bool THEN split_part(publisher, '/', 1) END WHERE node = $1";
        db.execute(sql, &[&id.0, &configuration.purge_offline]).await?;
    }
    Ok(())
}

async fn fleeting(db: &Session, who: &Jid) -> Result<Vec<Fleeting>, Failure> {
    let sql = format!(
        "SELECT {NODE} FROM pubsub_node WHERE id IN \
         (SELECT node FROM pubsub_subscription WHERE bare = $1 AND temporary \
          UNION SELECT node FROM pubsub_item WHERE purged_with = $1) ORDER BY place, name"
    );
    let mut found = Vec::new();
    for row in db.rows(&sql, &[&who.as_str()]).await? {
        let node = record(&row, 0)?;
        let sql = format!(
            "SELECT {SUBSCRIPTION} FROM pubsub_subscription \
             WHERE node = $1 AND bare = $2 AND temporary ORDER BY subid"
        );
        let values: Values<'_> = &[&node.id.0, &who.as_str()];
        let subscriptions =
            db.rows(&sql, values).await?.iter().map(subscription).collect::<Result<_, _>>()?;
        let sql = "SELECT id FROM pubsub_item WHERE node = $1 AND purged_with = $2 ORDER BY seq";
        let items = db.rows(sql, values).await?;
        let items = items.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        found.push(Fleeting { node, subscriptions, items });
    }
    Ok(found)
}

/// Changes to one node come one after the other, on whichever server. `NotFound` when it is gone.
async fn lock(db: &Session, id: NodeId) -> Result<(), Failure> {
    let row = db.row("SELECT 1 FROM pubsub_node WHERE id = $1 FOR NO KEY UPDATE", &[&id.0]).await?;
    row.map(drop).ok_or(Failure::Answer(StoreError::NotFound))
}

async fn put_affiliations(db: &Session, id: NodeId, who: &[(Jid, Affiliation)]) -> Result<(), Failure> {
    lock(db, id).await?;
    let put = statements::put("pubsub_affiliation", "node, jid", "affiliation");
    for (jid, affiliation) in who {
        if *affiliation == Affiliation::None {
            let sql = "DELETE FROM pubsub_affiliation WHERE node = $1 AND jid = $2";
            db.execute(sql, &[&id.0, &jid.as_str()]).await?;
        } else {
            db.execute(&put, &[&id.0, &jid.as_str(), &affiliation.number()]).await?;
        }
    }
    Ok(())
}

/// Nodes, of which `first` is the first column, each with what somebody is to it.
async fn views(db: &Session, rows: &[Row], first: usize, who: &Jid) -> Result<Vec<NodeView>, Failure> {
    let mut views: Vec<NodeView> = Vec::with_capacity(rows.len());
    for row in rows {
        views.push(NodeView {
            node: record(row, first)?,
            affiliation: Affiliation::None,
            subscriptions: Vec::new(),
        });
    }
    if views.is_empty() {
        return Ok(views);
    }
    let ids: Vec<i64> = views.iter().map(|view| view.node.id.0).collect();
    let sql = "SELECT node, affiliation FROM pubsub_affiliation WHERE jid = $1 AND node = ANY($2)";
    for row in db.rows(sql, &[&who.as_str(), &ids]).await? {
        let (node, number): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        for view in views.iter_mut().filter(|view| view.node.id.0 == node) {
            view.affiliation = Affiliation::from_number(number);
        }
    }
    let sql = format!(
        "SELECT {SUBSCRIPTION}, node FROM pubsub_subscription WHERE bare = $1 AND node = ANY($2) ORDER BY subid"
    );
    for row in db.rows(&sql, &[&who.as_str(), &ids]).await? {
        let node: i64 = row.try_get(4)?;
        for view in views.iter_mut().filter(|view| view.node.id.0 == node) {
            view.subscriptions.push(subscription(&row)?);
        }
    }
    Ok(views)
}

fn record(row: &Row, first: usize) -> Result<NodeRecord, Failure> {
    Ok(NodeRecord {
        id: NodeId(row.try_get(first)?),
        place: super::jid(row.try_get(first + 1)?)?,
        name: row.try_get(first + 2)?,
        creator: super::jid(row.try_get(first + 3)?)?,
        created_ms: numbers::uint(row.try_get(first + 4)?),
        configuration: NodeConfiguration::from_stored(row.try_get(first + 5)?),
    })
}

fn subscription(row: &Row) -> Result<Subscription, Failure> {
    Ok(Subscription {
        subid: row.try_get(0)?,
        jid: super::jid(row.try_get(1)?)?,
        state: SubscriptionState::from_number(row.try_get(2)?),
        options: row.try_get(3)?,
    })
}
