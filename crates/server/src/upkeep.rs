//! What is done now and then while the server runs: marks written down, and what has expired removed.

use std::sync::Arc;
use std::time::Duration;

use waxwing_chat::Chat;

use crate::config::Live;

/// How often it is written down how far messages were delivered.
const MARKS: Duration = Duration::from_secs(5);

/// What else need not be done at once is done in every so many of these rounds.
const UPKEEP_ROUNDS: u64 = 6;

/// How long after a start rooms are ended that nobody is in and nothing keeps, in milliseconds: longer than a stream can be
/// resumed.
const DESERTED_AFTER_MS: u64 = 3_600_000;

/// When what has expired is first removed after a start, unless the interval is shorter.
const FIRST_REMOVAL: Duration = Duration::from_secs(600);

/// Does now and then what need not be done at once: writes down how far messages were delivered (what a crash forgets of
/// that is delivered again), and less often ends the sessions of accounts that have expired.
pub(crate) async fn upkeep(chat: Arc<Chat>) {
    let mut tick = tokio::time::interval(MARKS);
    for round in 0u64.. {
        tick.tick().await;
        chat.write_marks().await;
        if !round.is_multiple_of(UPKEEP_ROUNDS) {
            continue;
        }
        if let Err(error) = chat.end_expired().await {
            tracing::warn!(%error, "expired accounts could not be looked up");
        }
        // What these streams still held waits in the archive; only the means to resume them go.
        match chat.store().take_expired_streams(chat.now_ms()).await {
            Ok(streams) => {
                for stream in &streams {
                    crate::xmpp::stream_expired(&chat, stream).await;
                }
            }
            Err(error) => tracing::warn!(%error, "streams that nobody resumed could not be removed"),
        }
        // Not before everybody had time to come back to where he was.
        if chat.uptime_ms() > DESERTED_AFTER_MS {
            if let Err(error) = chat.end_deserted_rooms().await {
                tracing::warn!(%error, "rooms that nobody is in could not be ended");
            }
            if let Err(error) = chat.end_left_behind().await {
                tracing::warn!(%error, "what goes with the presence of those who are gone could not be ended");
            }
        }
    }
}

/// Removes what has expired, every day unless the configuration says otherwise; the command `upkeep` does so at once.
pub(crate) async fn remove_expired(chat: Arc<Chat>, live: Live) {
    let interval = || Duration::from_millis(live.current().accounts.removal_interval_ms);
    let mut pause = FIRST_REMOVAL.min(interval());
    loop {
        tokio::time::sleep(pause).await;
        match chat.remove_expired().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "expired tokens, invitations and items were removed"),
            Err(error) => {
                tracing::warn!(%error, "expired tokens, invitations and items could not be removed")
            }
        }
        pause = interval();
    }
}
