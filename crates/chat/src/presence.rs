//! Presence: what a session's end means for those who see it.

use std::sync::Arc;

use crate::account::AccountChange;
use crate::chat::Chat;
use crate::session::Session;

impl Chat {
    /// A session has ended: notes when.
    pub async fn session_gone(&self, session: &Arc<Session>) {
        let change = AccountChange::LastSeen { at_ms: self.now_ms(), status: None };
        if let Err(error) = self.store.change_account(session.account, change).await {
            tracing::warn!(%error, "the end of a session could not be noted");
        }
    }
}
