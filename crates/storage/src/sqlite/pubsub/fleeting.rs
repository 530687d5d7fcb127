//! What goes by itself: items whose time is over, and what goes with somebody's presence.

use rusqlite::{Connection, params};
use waxwing_chat::pubsub::store::Fleeting;
use waxwing_xmpp::jid::Jid;

use super::super::errors::Failure;
use super::super::numbers;
use super::{NODE, SUBSCRIPTION, record, subscription};

/// Where the items stand that have stayed for as long as their nodes let them.
pub(super) fn due_items(db: &Connection, now_ms: u64, limit: usize) -> Result<Vec<i64>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT i.seq FROM pubsub_node n JOIN pubsub_item i ON i.node = n.id \
         WHERE n.item_expire_s IS NOT NULL AND i.published_ms < ?1 - n.item_expire_s * 1000 LIMIT ?2",
    )?;
    let due =
        statement.query_map(params![numbers::int(now_ms), numbers::int(limit as u64)], |row| row.get(0))?;
    Ok(due.collect::<Result<_, _>>()?)
}

/// What somebody has that goes with his presence, node by node.
pub(super) fn of(db: &Connection, who: &Jid) -> Result<Vec<Fleeting>, Failure> {
    let sql = format!(
        "SELECT {NODE} FROM pubsub_node WHERE id IN \
         (SELECT node FROM pubsub_subscription WHERE bare = ?1 AND temporary = 1 \
          UNION SELECT node FROM pubsub_item WHERE purged_with = ?1) ORDER BY place, name"
    );
    let mut nodes = db.prepare_cached(&sql)?;
    let sql = format!(
        "SELECT {SUBSCRIPTION} FROM pubsub_subscription WHERE node = ?1 AND bare = ?2 AND temporary = 1 ORDER BY subid"
    );
    let mut ending = db.prepare_cached(&sql)?;
    let mut purged =
        db.prepare_cached("SELECT id FROM pubsub_item WHERE node = ?1 AND purged_with = ?2 ORDER BY seq")?;
    let mut rows = nodes.query([who.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let node = record(row)?;
        let mut subscriptions = Vec::new();
        let mut rows = ending.query(params![node.id.0, who.as_str()])?;
        while let Some(row) = rows.next()? {
            subscriptions.push(subscription(row)?);
        }
        let items = purged.query_map(params![node.id.0, who.as_str()], |row| row.get(0))?;
        let items = items.collect::<Result<_, _>>()?;
        found.push(Fleeting { node, subscriptions, items });
    }
    Ok(found)
}
