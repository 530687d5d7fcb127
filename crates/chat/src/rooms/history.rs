//! What was said before somebody came (XEP-0045 sections 7.2.13 and 7.2.14), read from the room's archive.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::configuration::HISTORY_LIMIT;
use super::room::{Room, State};
use crate::archive::{ArchiveId, ArchiveQuery, Archived, PageFrom};
use crate::deliver::stanza_id;
use crate::error::Result;
use crate::time::{parse_timestamp, timestamp};

/// How much of the past somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    max_chars: Option<usize>,
    max_stanzas: Option<usize>,
    seconds: Option<u64>,
    since_ms: Option<u64>,
}

impl Wanted {
    /// Reads `<history/>` of a client that enters. What cannot be read asks for nothing in particular.
    pub(super) fn read(join: Option<ElementRef<'_>>) -> Self {
        let Some(history) = join.as_ref().and_then(|join| join.child(ns::MUC, "history")) else {
            return Self::default();
        };
        Self {
            max_chars: history.attr("maxchars").and_then(|n| n.parse().ok()),
            max_stanzas: history.attr("maxstanzas").and_then(|n| n.parse().ok()),
            seconds: history.attr("seconds").and_then(|n| n.parse().ok()),
            since_ms: history.attr("since").and_then(parse_timestamp),
        }
    }

    /// Everything since a moment.
    pub(super) fn since(ms: u64) -> Self {
        Self { since_ms: Some(ms), max_stanzas: Some(HISTORY_LIMIT), ..Self::default() }
    }

    /// The smallest amount that meets all that was asked (section 7.2.14).
    fn choose(self, past: Vec<(Stanza, usize)>, limit: usize) -> Vec<Stanza> {
        let (mut chars, mut bytes) = (0usize, 0usize);
        let most = self.max_stanzas.unwrap_or(usize::MAX).min(limit);
        let mut chosen: Vec<Stanza> = past
            .into_iter()
            .rev()
            .take(most)
            .take_while(|(stanza, length)| {
                chars = chars.saturating_add(*length);
                bytes = bytes.saturating_add(stanza.element.memory());
                let fits = bytes <= HISTORY_BYTES_LIMIT || bytes == stanza.element.memory();
                fits && self.max_chars.is_none_or(|most| chars <= most)
            })
            .map(|(stanza, _)| stanza)
            .collect();
        chosen.reverse();
        chosen
    }
}

/// About how many bytes of memory the past has that somebody is told who enters; the newest message is told in any case.
pub const HISTORY_BYTES_LIMIT: usize = 4 * 1024 * 1024;

impl Room {
    /// The past as somebody who enters wants it, oldest first.
    pub(super) async fn past(&self, state: &State, wanted: Wanted) -> Result<Vec<Stanza>> {
        let own = state.configuration().history_limit;
        // Whoever says how much he wants may have more than the room would send unasked.
        let limit = if wanted.max_stanzas.is_some() { HISTORY_LIMIT } else { own };
        let nothing = limit == 0 || wanted.max_stanzas == Some(0) || wanted.max_chars == Some(0);
        if nothing || own == 0 || !state.configuration().logging {
            return Ok(Vec::new());
        }
        let last = wanted.seconds.map(|s| self.chat.now_ms().saturating_sub(s.saturating_mul(1000)));
        let start = last.max(wanted.since_ms).map(ArchiveId::at_ms);
        // Some of what is archived is no history: subjects, reactions.
        let page = ArchiveQuery::page(state.archive(), PageFrom::End, limit.saturating_mul(2));
        let page = self.chat.store.archive_page(ArchiveQuery { start, ..page }).await?;
        let past = page.items.iter().filter_map(|message| self.as_past(state, message)).collect();
        Ok(wanted.choose(past, limit))
    }

    /// A message as a newcomer is told it, with its length; `None` for what is no part of the discussion.
    fn as_past(&self, state: &State, message: &Archived) -> Option<(Stanza, usize)> {
        let element = Element::parse(std::str::from_utf8(&message.xml).ok()?).ok()?;
        let stanza = Stanza::from_element(element).ok()?;
        if stanza.kind != Kind::Message(MessageType::Groupchat) || stanza.child(ns::CLIENT, "body").is_none()
        {
            return None;
        }
        let delay = Element::new(ns::DELAY, "delay")
            .with_attr("from", self.jid.as_str())
            .with_attr("stamp", &timestamp(message.id.stamp_ms()));
        let id = stanza_id(&self.chat.archive_ids().show(message.id), &self.jid);
        let mut stanza = stanza.with_child(id).with_child(delay);
        // Section 7.2.13: where nobody is anonymous, who really said it. What the room said itself nobody did.
        if state.configuration().non_anonymous && stanza.from.as_ref().is_some_and(Jid::is_full) {
            let address = Element::new(ns::ADDRESS, "address")
                .with_attr("type", "ofrom")
                .with_attr("jid", message.peer.as_str());
            stanza.append(Element::new(ns::ADDRESS, "addresses").with_child(address));
        }
        Some((stanza, message.xml.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(attributes: &str) -> Wanted {
        let join = format!("<x xmlns='http://jabber.org/protocol/muc'><history {attributes}/></x>");
        Wanted::read(Some(Element::parse(&join).unwrap().root()))
    }

    /// Section 7.2.14, its examples.
    #[test]
    fn the_wish_is_read() {
        assert_eq!(wanted("maxchars='65000'").max_chars, Some(65_000));
        assert_eq!(wanted("maxstanzas='20'").max_stanzas, Some(20));
        assert_eq!(wanted("seconds='180'").seconds, Some(180));
        assert_eq!(wanted("since='1970-01-01T00:00:00Z'").since_ms, Some(0));
        assert_eq!(wanted("maxstanzas='many'"), Wanted::default());
        assert_eq!(Wanted::read(None), Wanted::default());
    }

    /// Section 7.2.14: "the largest number of complete stanzas that results in a number of characters less than or equal".
    #[test]
    fn the_newest_that_fit_are_chosen() {
        let past = || (0..5).map(|n| (Stanza::message(MessageType::Groupchat).with_id(&n.to_string()), 10));
        let ids = |wanted: Wanted, limit| {
            let chosen = wanted.choose(past().collect(), limit);
            chosen.iter().map(|stanza| stanza.id.as_deref().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(Wanted::default(), 3), ["2", "3", "4"]);
        assert_eq!(ids(wanted("maxstanzas='2'"), 20), ["3", "4"]);
        assert_eq!(ids(wanted("maxchars='25'"), 20), ["3", "4"]);
        assert_eq!(ids(wanted("maxchars='25' maxstanzas='1'"), 20), ["4"]);
        assert!(ids(wanted("maxchars='5'"), 20).is_empty());
    }
}
