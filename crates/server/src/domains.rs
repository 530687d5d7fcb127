//! Which domains this installation has ever served, so that a client of one that is gone is told so (RFC 6120 section
//! 4.9.3.5), also after a restart.

use std::collections::BTreeSet;
use std::sync::Arc;

use waxwing_chat::Chat;
use waxwing_chat::store::StoreResult;

/// Where they are kept, one a line.
const SETTING: &str = "domains-served";

/// How many are remembered; an installation that has had more forgets those that sort last.
const REMEMBERED_LIMIT: usize = 1000;

/// The domains that were served when this installation last looked.
pub(crate) async fn former(chat: &Chat) -> StoreResult<BTreeSet<String>> {
    let kept = chat.store().setting(SETTING).await?.unwrap_or_default();
    Ok(kept.lines().map(str::to_owned).collect())
}

/// Adds those that are served now.
pub(crate) async fn remember(chat: Arc<Chat>) {
    let outcome = async {
        let mut known = former(&chat).await?;
        let before = known.len();
        known.extend(chat.settings().domains.iter().cloned());
        if known.len() == before || before >= REMEMBERED_LIMIT {
            return Ok(());
        }
        let text: Vec<&str> = known.iter().map(String::as_str).take(REMEMBERED_LIMIT).collect();
        chat.store().put_setting(SETTING, &text.join("\n")).await
    };
    if let Err(error) = outcome.await {
        tracing::warn!(%error, "the domains served could not be written down");
    }
}
