//! One node at a time: of the nodes that share a database, one serves and all others stand by until it is gone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep, timeout_at};
use waxwing_chat::cluster::MEMBER;
use waxwing_chat::nodes::{Leases, NodeId};
use waxwing_chat::store::StoreError;
use waxwing_storage::postgres::Postgres;

use crate::cli;
use crate::store::Opened;

/// What the node holds that serves.
const SERVING: &str = "serving";

/// How long a node serves on without having been able to say that it is alive, and how long others wait for it then.
const LIFE: Duration = Duration::from_secs(15);

/// How often it says so.
const RENEWAL: Duration = Duration::from_secs(4);

/// How often a node that stands by looks whether it is needed.
const LOOK: Duration = Duration::from_secs(1);

/// Returns once this node is the one that serves. From then on the process ends as soon as it cannot be sure of that any more:
/// another may serve by then, and neither would hear what the other's clients say.
pub(crate) async fn await_turn(opened: &Opened, node: NodeId) -> anyhow::Result<()> {
    let Opened::Shared(store) = opened else { return Ok(()) };
    let mut told = false;
    loop {
        refuse_beside_several(store).await?;
        let asked = Instant::now();
        store.renew(node, millis(LIFE)).await.context("the database cannot be used")?;
        let held = store.hold(SERVING, node).await.context("the database cannot be used")?;
        if held.node == node {
            // Whoever came in between has not seen this one, and is seen now.
            if let Err(refused) = refuse_beside_several(store).await {
                give_up(opened, node).await;
                return Err(refused);
            }
            tokio::spawn(keep(Arc::clone(store), node, asked));
            return Ok(());
        }
        if !told {
            tracing::info!(other = %held.node, "another node serves, and this one stands by");
            told = true;
        }
        sleep(LOOK).await;
    }
}

/// Refuses to serve beside a node that serves alone: that hears nothing of what others commit.
pub(crate) async fn refuse_beside_one(opened: &Opened) -> anyhow::Result<()> {
    let Opened::Shared(store) = opened else { return Ok(()) };
    if let Some(held) = store.holder(SERVING).await.context("the database cannot be used")? {
        anyhow::bail!(
            "node {} serves this database alone, without [cluster]: stop it, and give all nodes the same [cluster]",
            held.node
        );
    }
    Ok(())
}

/// Refuses to serve alone beside nodes that hear of each other, and not of this one.
async fn refuse_beside_several(store: &Postgres) -> anyhow::Result<()> {
    if store.is_any_held(MEMBER).await.context("the database cannot be used")? {
        anyhow::bail!(
            "nodes with [cluster] serve this database: give this one the same [cluster], or stop them"
        );
    }
    Ok(())
}

/// Lets another node serve at once.
pub(crate) async fn give_up(opened: &Opened, node: NodeId) {
    if let Opened::Shared(store) = opened
        && let Err(error) = store.forget(node).await
    {
        tracing::warn!(%error, "other nodes have to wait until this one is missed");
    }
}

async fn keep(store: Arc<Postgres>, node: NodeId, mut renewed: Instant) {
    while renewed.elapsed() < LIFE {
        sleep(RENEWAL).await;
        let asked = Instant::now();
        match timeout_at(renewed + LIFE, store.renew(node, millis(LIFE))).await {
            Ok(Ok(())) => renewed = asked,
            Ok(Err(StoreError::NotFound)) | Err(_) => break,
            Ok(Err(error)) => tracing::warn!(%error, "the database was not told that this node is alive"),
        }
        if store.is_any_held(MEMBER).await.unwrap_or_default() {
            tracing::error!(
                "nodes with [cluster] serve this database now, which hear nothing of this one: it ends"
            );
            std::process::exit(i32::from(cli::FAILURE));
        }
    }
    tracing::error!("the database has not heard of this node for too long: another may serve in its place");
    std::process::exit(i32::from(cli::FAILURE));
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
