//! What administrators tell everybody: an announcement to those who are there, the message of the day, and the welcome to
//! whoever comes for the first time (XEP-0133 sections 4.23 to 4.28).

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::presence::push;
use crate::session::Session;
use crate::store::DocumentKind;

/// Bytes of one such text.
pub const NOTICE_BYTES_LIMIT: usize = 10_000;

/// The names of the two that stand, as settings of the installation and as what an account has seen.
const MOTD: &str = "motd";
const WELCOME: &str = "welcome";

/// A text that stands until it is taken down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it says.
    pub text: String,
    /// Since when, in milliseconds since the Unix epoch; whoever has seen it is known by this.
    pub since_ms: u64,
}

impl Notice {
    fn parse(kept: Option<&str>) -> Option<Self> {
        let (since, text) = kept?.split_once('\n')?;
        Some(Self { since_ms: since.parse().ok()?, text: text.to_owned() })
    }

    fn to_setting(notice: Option<&Self>) -> String {
        notice.map_or_else(String::new, |notice| format!("{}\n{}", notice.since_ms, notice.text))
    }
}

/// What stands now, read from the store when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Notices(RwLock<Option<Arc<Standing>>>);

#[derive(Debug, Default)]
struct Standing {
    motd: Option<Notice>,
    welcome: Option<Notice>,
}

impl Chat {
    async fn standing(&self) -> Result<Arc<Standing>> {
        let known = self.notices.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let motd = Notice::parse(self.store.setting(MOTD).await?.as_deref());
        let welcome = Notice::parse(self.store.setting(WELCOME).await?.as_deref());
        let mut kept = self.notices.0.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(kept.get_or_insert_with(|| Arc::new(Standing { motd, welcome }))))
    }

    async fn set_notice(&self, key: &str, notice: Option<Notice>, action: &str, actor: &str) -> Result<()> {
        let before = self.standing().await?;
        self.store.put_setting(key, &Notice::to_setting(notice.as_ref())).await?;
        let mut standing = Standing { motd: before.motd.clone(), welcome: before.welcome.clone() };
        *(if key == MOTD { &mut standing.motd } else { &mut standing.welcome }) = notice;
        *self.notices.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(standing));
        self.record(actor, action, "", "").await
    }

    /// The message of the day.
    pub async fn motd(&self) -> Result<Option<Notice>> {
        Ok(self.standing().await?.motd.clone())
    }

    /// Puts up another message of the day: everybody gets it once, those who are there at once. Returns how many those are.
    pub async fn set_motd(&self, text: &str, actor: &str) -> Result<usize> {
        let notice = Notice { text: checked(text)?, since_ms: self.now_ms() };
        self.set_notice(MOTD, Some(notice), "motd.set", actor).await?;
        let mut told = BTreeSet::new();
        for session in self.sessions.all().iter().filter(|session| session.takes_messages()) {
            if told.insert(session.bare.clone()) {
                self.greet(session).await;
            }
        }
        Ok(told.len())
    }

    /// Changes the message of the day for those who have not got it. `NotFound` when there is none.
    pub async fn edit_motd(&self, text: &str, actor: &str) -> Result<()> {
        let standing = self.standing().await?;
        let since_ms = standing.motd.as_ref().ok_or(Error::NotFound)?.since_ms;
        self.set_notice(MOTD, Some(Notice { text: checked(text)?, since_ms }), "motd.edit", actor).await
    }

    /// Takes the message of the day down. `NotFound` when there is none.
    pub async fn delete_motd(&self, actor: &str) -> Result<()> {
        self.motd().await?.ok_or(Error::NotFound)?;
        self.set_notice(MOTD, None, "motd.delete", actor).await
    }

    /// What whoever comes for the first time is told.
    pub async fn welcome(&self) -> Result<Option<Notice>> {
        Ok(self.standing().await?.welcome.clone())
    }

    /// Decides what whoever comes for the first time is told.
    pub async fn set_welcome(&self, text: &str, actor: &str) -> Result<()> {
        let notice = Notice { text: checked(text)?, since_ms: self.now_ms() };
        self.set_notice(WELCOME, Some(notice), "welcome.set", actor).await
    }

    /// Nobody is told anything any more when he comes for the first time. `NotFound` when nobody was.
    pub async fn delete_welcome(&self, actor: &str) -> Result<()> {
        self.welcome().await?.ok_or(Error::NotFound)?;
        self.set_notice(WELCOME, None, "welcome.delete", actor).await
    }

    /// Tells everybody who is there, at one domain or all. It is kept for nobody. Returns how many accounts are told.
    pub async fn announce(&self, domain: Option<&str>, text: &str, actor: &str) -> Result<usize> {
        let text = checked(text)?;
        let mut told = BTreeSet::new();
        for session in self.sessions.all() {
            let here = domain.is_none_or(|domain| session.jid.domain() == domain);
            if here && session.takes_messages() {
                let message = message(MessageType::Headline, &session.bare, &text)?;
                push(&session, &Arc::new(Outgoing::new(message.with_to(session.jid.clone()))));
                told.insert(session.bare.clone());
            }
        }
        self.record(actor, "announce", domain.unwrap_or("all domains"), "").await?;
        Ok(told.len())
    }

    /// Tells a session that has just begun to take messages what its account has not been told yet.
    pub(crate) async fn greet(&self, session: &Arc<Session>) {
        if let Err(error) = self.try_greet(session).await {
            tracing::warn!(%error, account = %session.bare, "somebody could not be told what stands for everybody");
        }
    }

    async fn try_greet(&self, session: &Arc<Session>) -> Result<()> {
        let standing = self.standing().await?;
        if standing.motd.is_none() && standing.welcome.is_none() {
            return Ok(());
        }
        // Two sessions that come at the same time are told once.
        let _lock = self.rosters.lock(&session.bare).await;
        if let Some(welcome) = &standing.welcome
            && self.store.document(session.account, DocumentKind::Notices, WELCOME).await?.is_none()
        {
            // Whoever was here before is no newcomer.
            let new = self.account(&session.bare).await?.last_seen_ms.is_none();
            self.store.put_document(session.account, DocumentKind::Notices, WELCOME, Some("told")).await?;
            if new {
                let greeting = message(MessageType::Normal, &session.bare, &welcome.text)?;
                self.send_from_service(greeting).await?;
            }
        }
        if let Some(motd) = &standing.motd {
            let seen = self.store.document(session.account, DocumentKind::Notices, MOTD).await?;
            let since = motd.since_ms.to_string();
            if seen.as_deref() != Some(&since) {
                let message = message(MessageType::Normal, &session.bare, &motd.text)?;
                push(session, &Arc::new(Outgoing::new(message.with_to(session.jid.clone()))));
                self.store.put_document(session.account, DocumentKind::Notices, MOTD, Some(&since)).await?;
            }
        }
        Ok(())
    }
}

fn checked(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::NotAcceptable("there is nothing to say"));
    }
    if text.len() > NOTICE_BYTES_LIMIT {
        return Err(Error::NotAcceptable("the text is too long"));
    }
    Ok(text.to_owned())
}

/// A message from an account's domain to it.
fn message(kind: MessageType, to: &Jid, text: &str) -> Result<Stanza> {
    let body = Element::new(ns::CLIENT, "body").with_text(text);
    Ok(Stanza::message(kind).with_from(to.to_domain()).with_to(to.clone()).with_child(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Client, World, heard};

    async fn arrive(world: &World, name: &str, resource: &str) -> Client {
        let client = world.connect(name, resource).await;
        client.send("<presence/>").await;
        client
    }

    /// XEP-0133 section 4.23.
    #[tokio::test]
    async fn an_announcement_reaches_those_who_are_there() {
        let world = World::of(&["romeo", "juliet"]).await;
        let mut romeo = world.online("romeo", "a").await;
        assert_eq!(world.chat.announce(Some("localhost"), "the play begins", "local").await.unwrap(), 1);
        assert_eq!(world.chat.announce(Some("other.example"), "not here", "local").await.unwrap(), 0);
        assert_eq!(heard(&mut romeo), ["the play begins"]);
        let mut juliet = arrive(&world, "juliet", "b").await;
        assert!(heard(&mut juliet).is_empty());
        assert!(matches!(world.chat.announce(None, "  ", "local").await, Err(Error::NotAcceptable(_))));
    }

    /// XEP-0133 sections 4.24 to 4.26.
    #[tokio::test]
    async fn the_message_of_the_day_is_told_once_to_everybody() {
        let world = World::of(&["romeo", "juliet", "nurse"]).await;
        let mut romeo = world.online("romeo", "a").await;
        assert_eq!(world.chat.set_motd("the globe opens", "local").await.unwrap(), 1);
        assert_eq!(heard(&mut romeo), ["the globe opens"]);
        let mut juliet = arrive(&world, "juliet", "b").await;
        assert_eq!(heard(&mut juliet), ["the globe opens"]);
        let mut second = arrive(&world, "juliet", "c").await;
        assert!(heard(&mut second).is_empty());
        world.chat.edit_motd("the globe reopens", "local").await.unwrap();
        assert!(heard(&mut arrive(&world, "romeo", "d").await).is_empty());
        assert_eq!(heard(&mut arrive(&world, "nurse", "e").await), ["the globe reopens"]);
        world.chat.delete_motd("local").await.unwrap();
        assert!(matches!(world.chat.delete_motd("local").await, Err(Error::NotFound)));
        assert!(matches!(world.chat.edit_motd("x", "local").await, Err(Error::NotFound)));
    }

    /// XEP-0133 sections 4.27 and 4.28.
    #[tokio::test]
    async fn newcomers_are_welcomed_once() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "a").await;
        romeo.leave().await;
        world.chat.set_welcome("be welcome", "local").await.unwrap();
        let welcomed = async |name: &str| {
            let client = arrive(&world, name, "x").await;
            let page = client.chat.replay(&client.session).await.unwrap();
            page.len()
        };
        assert_eq!(welcomed("juliet").await, 1);
        assert_eq!(welcomed("romeo").await, 0, "he was here before");
        world.chat.delete_welcome("local").await.unwrap();
        assert_eq!(world.chat.welcome().await.unwrap(), None);
    }
}
