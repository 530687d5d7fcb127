//! By which name a node holds leases, and until when it may act on them.

use std::time::Duration;

use tokio::time::Instant;

use super::{Cluster, Content, LIFE_MS, Life, lock};
use crate::nodes::{Leases, NodeId};
use crate::store::{StoreError, StoreResult};

/// What the name of the lease begins with that each node of a cluster holds, so that whoever knows nothing of a bus sees that
/// there are others.
pub const MEMBER: &str = "member/";

/// A node is alive under a new name.
async fn begin(leases: &dyn Leases, name: NodeId) -> StoreResult<()> {
    leases.renew(name, LIFE_MS).await?;
    leases.hold(&format!("{MEMBER}{name}"), name).await.map(drop)
}

impl Cluster {
    /// Says that this node is alive. One that was found dead meanwhile begins anew under another name, with nothing held.
    pub(super) async fn renew(&self) {
        let Some(parts) = self.parts.get() else { return };
        let known = *lock(&self.life);
        let name = known.map_or_else(|| self.new_name(), |life| life.name);
        let asked_at = Instant::now();
        let renewed = match known {
            Some(_) => parts.leases.renew(name, LIFE_MS).await,
            None => begin(&*parts.leases, name).await,
        };
        match renewed {
            Ok(()) => self.live(name, asked_at, known.is_none()),
            Err(StoreError::NotFound) => {
                tracing::error!("this node was found dead, and begins anew");
                *lock(&self.life) = None;
                self.give_up_homes().await;
                let (name, asked_at) = (self.new_name(), Instant::now());
                if begin(&*parts.leases, name).await.is_ok() {
                    self.live(name, asked_at, true);
                }
            }
            Err(error) => tracing::warn!(%error, "this node could not say that it is alive"),
        }
        if !self.is_alive() {
            self.give_up_homes().await;
        }
    }

    /// This node is alive under a name, counted from before it asked.
    fn live(&self, name: NodeId, asked_at: Instant, is_new: bool) {
        *lock(&self.life) = Some(Life { name, until: asked_at + Duration::from_millis(LIFE_MS) });
        if is_new {
            self.broadcast(&Content::Hello(name));
        }
    }

    fn new_name(&self) -> NodeId {
        let mut octets = [0; 8];
        if let Some(chat) = self.chat() {
            chat.fill_random(&mut octets);
        }
        NodeId(u64::from_le_bytes(octets))
    }
}
