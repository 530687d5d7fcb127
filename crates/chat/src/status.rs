//! What somebody says of himself on all his clients that attend: busy or away, in words, with a picture, for a while. It is
//! kept, put into the presence of those clients, and taken back by itself when its time is over.
//!
//! XMPP clients see `<show/>` and `<status/>` as ever. What these have no word for stands beside them in an element of ours.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::cluster::Cached;
use crate::error::{Error, Result};
use crate::people::facts::unwritable;
use crate::receipt::Receipt;
use crate::rosters::Owner;
use crate::session::Session;
use crate::state::{StateChange, StateKind};
use crate::time::{parse_timestamp, timestamp};

/// Bytes of what somebody says.
pub const TEXT_BYTES_LIMIT: usize = 512;

/// Bytes of the picture beside it: one emoji, though it be put together from many.
pub const EMOJI_BYTES_LIMIT: usize = 64;

/// The longest time that is waited for at once; a clock that is set is noticed after it.
const NAP: Duration = Duration::from_secs(3600);

/// How somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// There, as far as his clients know.
    #[default]
    Online,
    /// Not looking, whatever his clients know.
    Away,
    /// Not to be disturbed.
    Busy,
}

/// What somebody says of himself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// How he is.
    pub show: Show,
    /// In words, one line.
    pub text: Option<String>,
    /// As a picture.
    pub emoji: Option<String>,
    /// Until when, in milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
}

impl Status {
    /// Reads the stored form. What cannot be read says nothing.
    fn parse(stored: &str) -> Self {
        let mut status = Self::default();
        for line in stored.lines() {
            match line.split_once(' ') {
                Some(("show", "away")) => status.show = Show::Away,
                Some(("show", "busy")) => status.show = Show::Busy,
                Some(("text", text)) => status.text = Some(text.to_owned()),
                Some(("emoji", emoji)) => status.emoji = Some(emoji.to_owned()),
                Some(("until", until)) => status.until_ms = until.parse().ok(),
                _ => {}
            }
        }
        status
    }

    /// A line for each thing that is said; nothing when nothing is.
    fn to_stored(&self) -> Option<String> {
        let show = match self.show {
            Show::Online => None,
            Show::Away => Some("away".to_owned()),
            Show::Busy => Some("busy".to_owned()),
        };
        let said = [("show", show), ("text", self.text.clone()), ("emoji", self.emoji.clone())];
        let lines: Vec<String> =
            said.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
        let until = self.until_ms.map(|until| format!("until {until}"));
        (!lines.is_empty()).then(|| lines.into_iter().chain(until).collect::<Vec<_>>().join("\n"))
    }

    fn check(&mut self, now_ms: u64) -> Result<()> {
        let trimmed = |text: &mut Option<String>| {
            *text = text.take().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        };
        trimmed(&mut self.text);
        trimmed(&mut self.emoji);
        let long = |text: &Option<String>, limit| text.as_ref().is_some_and(|text| text.len() > limit);
        if long(&self.text, TEXT_BYTES_LIMIT) || long(&self.emoji, EMOJI_BYTES_LIMIT) {
            return Err(Error::NotAcceptable("the status is too long"));
        }
        let emoji = self.emoji.as_deref().unwrap_or_default();
        if self.text.iter().flat_map(|text| text.chars()).chain(emoji.chars()).any(unwritable) {
            return Err(Error::NotAcceptable("the status holds control characters"));
        }
        if emoji.chars().any(char::is_whitespace) {
            return Err(Error::NotAcceptable("the emoji is more than one"));
        }
        if self.until_ms.is_some_and(|until| until <= now_ms) {
            return Err(Error::NotAcceptable("that time has passed"));
        }
        Ok(())
    }

    /// Puts it into the presence of a client, in place of what stood there. A client at which nobody has looked for a while
    /// (XEP-0319) is away, whatever is said.
    fn put_into(&self, mut presence: Stanza) -> Stanza {
        presence.element.retain_children(|child| {
            let own = child.is(ns::CLIENT, "show") || child.is(ns::CLIENT, "status");
            !(own || child.is(ns::STATUS, "status"))
        });
        let idle = presence.child(ns::IDLE, "idle").is_some();
        let show = match self.show {
            Show::Busy => Some("dnd"),
            Show::Away => Some("away"),
            Show::Online if idle => Some("away"),
            Show::Online => None,
        };
        if let Some(show) = show {
            presence = presence.with_child(Element::new(ns::CLIENT, "show").with_text(show));
        }
        let words: Vec<&str> = self.emoji.iter().chain(&self.text).map(String::as_str).collect();
        if !words.is_empty() {
            presence = presence.with_child(Element::new(ns::CLIENT, "status").with_text(&words.join(" ")));
        }
        if self.emoji.is_none() && self.until_ms.is_none() {
            return presence;
        }
        let mut beside = Element::new(ns::STATUS, "status");
        if let Some(emoji) = &self.emoji {
            beside.set_attr("emoji", emoji);
        }
        if let Some(until_ms) = self.until_ms {
            beside.set_attr("until", &timestamp(until_ms));
        }
        presence.with_child(beside)
    }

    /// What a stanza of presence says, whoever sent it.
    pub fn of(presence: &Stanza) -> Self {
        let text = |name| presence.child(ns::CLIENT, name).map(|child| child.text().trim().to_owned());
        let beside = presence.child(ns::STATUS, "status");
        let beside = |name: &str| beside.and_then(|beside| beside.attr(name).map(str::to_owned));
        let emoji = beside("emoji").filter(|emoji| emoji.len() <= EMOJI_BYTES_LIMIT && !emoji.is_empty());
        let said = text("status").unwrap_or_default();
        let said = emoji.as_deref().and_then(|emoji| said.strip_prefix(emoji)).unwrap_or(&said).trim();
        Self {
            show: match text("show").as_deref() {
                Some("away" | "xa") => Show::Away,
                Some("dnd") => Show::Busy,
                _ => Show::Online,
            },
            text: Some(said.to_owned()).filter(|said| !said.is_empty()),
            emoji,
            until_ms: beside("until").and_then(|until| parse_timestamp(&until)),
        }
    }
}

/// The ends that are waited for, one for each account at most.
#[derive(Debug, Default)]
pub(crate) struct Ends(Mutex<HashMap<AccountId, (u64, AbortHandle)>>);

impl Chat {
    /// Says something of an account on all its clients that attend, in place of what was said before.
    pub async fn set_status(&self, owner: &Owner, mut status: Status) -> Result<()> {
        status.check(self.now_ms())?;
        self.keep_status(owner, status.to_stored()).await?;
        self.tell_changed(&owner.jid, Cached::Status);
        self.show_status(owner).await
    }

    async fn keep_status(&self, owner: &Owner, content: Option<String>) -> Result<()> {
        let (promise, receipt) = Receipt::new();
        let kind = StateKind::Status;
        let change = StateChange { owner: owner.account, kind, key: String::new(), content };
        self.store.put_state(vec![change], Box::new(move |put| promise.keep(put.map(Some))));
        receipt.place().await.map(drop)
    }

    /// What an account says of itself now.
    pub async fn status(&self, owner: &Owner) -> Result<Status> {
        let kept = self.store.state_item(owner.account, StateKind::Status, "").await?;
        let status = kept.and_then(|kept| kept.content).map(|content| Status::parse(&content));
        let now_ms = self.now_ms();
        Ok(status.filter(|status| status.until_ms.is_none_or(|until| until > now_ms)).unwrap_or_default())
    }

    /// The presence of a session with what its account says of itself, if it is one that says that. The caller holds the
    /// owner's lock.
    pub(crate) async fn with_status(
        &self,
        session: &Session,
        owner: &Owner,
        presence: Stanza,
    ) -> Result<Stanza> {
        if !session.attends() || presence.kind != Kind::Presence(PresenceType::Available) {
            return Ok(presence);
        }
        let status = self.status(owner).await?;
        self.wait_for_end(owner, status.until_ms);
        Ok(status.put_into(presence))
    }

    /// Shows everybody who sees an account's sessions what it says of itself now.
    pub(crate) async fn show_status(&self, owner: &Owner) -> Result<()> {
        let _lock = self.rosters.lock(&owner.jid).await;
        let Some(profile) = self.profile(&owner.jid).await? else {
            return Ok(());
        };
        let status = self.status(owner).await?;
        let contacts = self.contacts(owner).await?;
        let delivered = self.sessions.mark(&owner.jid).map_or(ArchiveId(0), |mark| mark.reached());
        for session in self.sessions.of(&owner.jid).iter().filter(|session| session.attends()) {
            if let (Some(presence), Some(priority)) = (session.presence(), session.priority()) {
                let shown = status.put_into(presence.stanza().clone());
                session.set_presence(Some((priority, Arc::new(Outgoing::new(shown.clone())))), delivered);
                self.tell_presence(session);
                self.broadcast(&profile, &contacts, &shown).await;
            }
        }
        self.wait_for_end(owner, status.until_ms);
        Ok(())
    }

    /// Takes a status back when its time is over, in place of any end that was waited for before.
    fn wait_for_end(&self, owner: &Owner, until_ms: Option<u64>) {
        let Some(chat) = self.itself() else { return };
        let mut ends = self.ends.0.lock().unwrap_or_else(PoisonError::into_inner);
        if until_ms == ends.get(&owner.account).map(|(until_ms, _)| *until_ms) {
            return;
        }
        if let Some((_, waiting)) = ends.remove(&owner.account) {
            waiting.abort();
        }
        if let Some(until_ms) = until_ms {
            let (owner, account) = (owner.clone(), owner.account);
            let waiting = tokio::spawn(async move { chat.end_status(&owner, until_ms).await });
            ends.insert(account, (until_ms, waiting.abort_handle()));
        }
    }

    async fn end_status(&self, owner: &Owner, until_ms: u64) {
        loop {
            let left = Duration::from_millis(until_ms.saturating_sub(self.now_ms()));
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(NAP)).await;
        }
        self.ends.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&owner.account);
        if let Err(error) = self.show_status(owner).await {
            tracing::warn!(%error, account = %owner.jid, "a status whose time is over is still shown");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(content: &str) -> Stanza {
        let xml = format!("<presence xmlns='jabber:client'>{content}</presence>");
        Stanza::from_element(Element::parse(&xml).unwrap()).unwrap()
    }

    fn content(stanza: &Stanza) -> String {
        stanza.children().map(|child| child.to_element().to_xml()).collect()
    }

    fn status(show: Show, text: &str, emoji: &str, until_ms: Option<u64>) -> Status {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Status { show, text: some(text), emoji: some(emoji), until_ms }
    }

    #[test]
    fn a_status_survives_storing() {
        for said in [
            status(Show::Busy, "In a meeting", "📅", Some(7)),
            status(Show::Away, "", "", None),
            status(Show::Online, "show busy", "", Some(9)),
        ] {
            assert_eq!(Status::parse(&said.to_stored().unwrap()), said);
        }
        assert_eq!(status(Show::Online, "", "", Some(9)).to_stored(), None, "nothing needs no end");
        assert_eq!(Status::parse("what is this\nuntil soon"), Status::default());
    }

    #[test]
    fn everybody_reads_in_presence_what_was_said() {
        for said in [
            status(Show::Busy, "In a meeting", "📅", Some(1_700_000_000_000)),
            status(Show::Away, "", "🌴", None),
            status(Show::Online, "Back soon", "", None),
            Status::default(),
        ] {
            let shown = said.put_into(presence("<show>xa</show><status>old</status><priority>5</priority>"));
            assert_eq!(Status::of(&shown), said);
            assert!(shown.child(ns::CLIENT, "priority").is_some());
            assert_eq!(content(&said.put_into(shown.clone())), content(&shown), "said twice");
        }
        let shown = status(Show::Busy, "Out", "🌴", None).put_into(presence(""));
        assert_eq!(shown.child(ns::CLIENT, "show").unwrap().text(), "dnd");
        assert_eq!(shown.child(ns::CLIENT, "status").unwrap().text(), "🌴 Out");
    }

    #[test]
    fn a_client_that_nobody_looks_at_is_away() {
        let idle = "<idle xmlns='urn:xmpp:idle:1' since='2026-01-01T00:00:00Z'/>";
        let shown = |said: Status| {
            let shown = said.put_into(presence(idle));
            shown.child(ns::CLIENT, "show").map(|show| show.text().into_owned())
        };
        assert_eq!(shown(Status::default()).as_deref(), Some("away"));
        assert_eq!(shown(status(Show::Busy, "", "", None)).as_deref(), Some("dnd"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let checked = |mut said: Status| said.check(1000).map(|()| said);
        assert!(checked(status(Show::Online, &"x".repeat(513), "", None)).is_err());
        assert!(checked(status(Show::Online, "two\nlines", "", None)).is_err());
        assert!(checked(status(Show::Online, "", "a b", None)).is_err());
        assert!(checked(status(Show::Online, "x", "", Some(1000))).is_err());
        let said = checked(status(Show::Online, "  x ", " ", Some(1001))).unwrap();
        assert_eq!(said, status(Show::Online, "x", "", Some(1001)));
    }
}
