//! When an account was last there, for those who may see its presence (XEP-0012).

use waxwing_xmpp::jid::Jid;

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rosters::Owner;

/// The answer to when somebody was last there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastActivity {
    /// Seconds since then; zero when he is connected.
    pub seconds: u64,
    /// What his last unavailable presence said.
    pub status: Option<String>,
}

impl Chat {
    /// When an account was last there (XEP-0012 section 3). Whoever may not see its presence learns nothing, not even
    /// whether it exists (section 8).
    pub async fn last_activity(&self, viewer: &Jid, account: &Jid) -> Result<LastActivity> {
        let Some(profile) = self.profile(&account.to_bare()).await? else {
            return Err(Error::Forbidden);
        };
        if !viewer.same_bare(account) && profile.blocks(viewer) {
            return Err(Error::ServiceUnavailable);
        }
        if !self.shows_presence_to(&Owner::from(&*profile), viewer).await? {
            return Err(Error::Forbidden);
        }
        if self.sessions.with(&profile.jid, |sessions| !sessions.is_empty()) == Some(true) {
            return Ok(LastActivity { seconds: 0, status: None });
        }
        let account = self.account(&profile.jid).await?;
        // Somebody who was never there was last seen when he got his account.
        let at_ms = account.last_seen_ms.unwrap_or(account.created_ms);
        Ok(LastActivity { seconds: self.now_ms().saturating_sub(at_ms) / 1000, status: account.last_status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    /// XEP-0012 sections 3 and 8.
    #[tokio::test]
    async fn only_watchers_learn_when_somebody_left() {
        let world = World::of(&["juliet", "romeo", "tybalt"]).await;
        world.contacts("juliet", "from", "romeo").await;
        let chat = &world.chat;
        let ask = async |viewer: &str| chat.last_activity(&jid(viewer), &jid("juliet")).await;
        world.pass(7000);
        assert_eq!(ask("romeo/orchard").await.unwrap(), LastActivity { seconds: 7, status: None });
        let juliet = world.online("juliet", "balcony").await;
        world.pass(7000);
        assert_eq!(ask("romeo").await.unwrap(), LastActivity { seconds: 0, status: None });
        juliet.send("<presence type='unavailable'><status>Heading Home</status></presence>").await;
        juliet.leave().await;
        world.pass(903_999);
        let left = LastActivity { seconds: 903, status: Some("Heading Home".to_owned()) };
        assert_eq!(ask("romeo").await.unwrap(), left);
        assert_eq!(ask("juliet/chamber").await.unwrap(), left);
        assert!(matches!(ask("tybalt").await, Err(Error::Forbidden)));
        assert!(matches!(chat.last_activity(&jid("tybalt"), &jid("nobody")).await, Err(Error::Forbidden)));
        chat.block(&world.owner("juliet").await, vec![jid("romeo")]).await.unwrap();
        assert!(matches!(ask("romeo").await, Err(Error::ServiceUnavailable)));
    }
}
