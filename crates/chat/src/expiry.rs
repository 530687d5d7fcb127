//! Removing what has expired and nobody can use any more.

use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::conversations::changes::CHANGES_KEPT_MS;
use crate::error::Result;

/// For how much longer removals are remembered than anybody is told of them, in milliseconds: a page that is being read is read
/// to its end.
const FORGOTTEN_LATER_MS: u64 = 60 * 60 * 1000;

/// How many tokens, how many invitations and how many items are removed in one transaction.
const REMOVED_AT_ONCE: usize = 256;

impl Chat {
    /// Removes tokens, invitations and published items that have expired, and what is remembered of things that accounts have
    /// removed, a few at a time; returns how many there were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove_expired(&self) -> Result<usize> {
        let mut removed = 0;
        // Whoever was away for longer is not told what changed.
        let forgotten = ArchiveId::at_ms(self.now_ms().saturating_sub(CHANGES_KEPT_MS + FORGOTTEN_LATER_MS));
        loop {
            let step = self.store.sweep_state(forgotten, REMOVED_AT_ONCE).await?;
            removed += step;
            if step < REMOVED_AT_ONCE {
                break;
            }
        }
        loop {
            let step = self.store.expire_due_items(self.now_ms(), REMOVED_AT_ONCE).await?;
            removed += step;
            if step < REMOVED_AT_ONCE {
                break;
            }
        }
        loop {
            let step = self.store.remove_expired(self.now_ms(), REMOVED_AT_ONCE).await?;
            removed += step;
            if step < REMOVED_AT_ONCE {
                return Ok(removed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::invitations::InvitationOrder;
    use crate::testing::World;

    /// All that has expired goes, in however many steps, and what is good stays.
    #[tokio::test]
    async fn what_has_expired_goes() {
        let world = World::of(&["romeo"]).await;
        let order = |lifetime_ms| InvitationOrder {
            inviter: None,
            register_at: Some("localhost".to_owned()),
            username: None,
            lifetime_ms: Some(lifetime_ms),
            uses: 1,
        };
        for _ in 0..300 {
            world.chat.invite(order(1), "test").await.expect("an invitation");
        }
        let good = world.chat.invite(order(3_600_000), "test").await.expect("an invitation");
        world.pass(1000);
        assert_eq!(world.chat.remove_expired().await.expect("a count"), 300);
        assert_eq!(world.chat.remove_expired().await.expect("a count"), 0);
        assert!(world.chat.store.invitation(&good.token).await.expect("an answer").is_some());
    }
}
