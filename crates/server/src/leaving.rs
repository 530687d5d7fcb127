//! Leaving an installation of several nodes: balancers notice first, then clients are sent away a few at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waxwing_chat::Chat;
use waxwing_chat::event::Close;

use crate::lifecycle::{Config, Lifecycle};
use crate::service;

/// How long it is from one share of clients to the next.
const SHARE_INTERVAL: Duration = Duration::from_millis(100);

/// Says that nobody new is wanted, serves everybody for as long as balancers take to notice, then accepts nobody any more and
/// sends away who is there. Streams that can be resumed are kept for the node that their clients come back to.
pub(crate) async fn leave(chat: &Arc<Chat>, lifecycle: &Lifecycle, config: &Config) {
    let (announce, spread) =
        (Duration::from_millis(config.announce_ms), Duration::from_millis(config.spread_ms));
    tracing::info!(?announce, ?spread, "leaving");
    service::stops_within(announce + spread + Duration::from_millis(config.drain_grace_ms));
    lifecycle.leave();
    tokio::time::sleep(announce).await;
    lifecycle.close();
    let end = Instant::now() + spread;
    let mut tick = tokio::time::interval(SHARE_INTERVAL);
    while chat.sessions().count() > 0 && Instant::now() < end {
        tick.tick().await;
        let left = end.saturating_duration_since(Instant::now());
        let shares = left.as_millis() / SHARE_INTERVAL.as_millis();
        chat.sessions().close_share(usize::try_from(shares).unwrap_or(usize::MAX), Close::Shutdown);
    }
}
