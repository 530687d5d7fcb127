//! What members have not seen, whether or not they were there: counted behind a mark when it is asked for, and stored for
//! nobody.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::store::RoomFilter;
use crate::archive::{ArchiveId, ArchiveQuery, Archived, PageFrom};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::mentions;

/// Up to how many messages are counted; more is as good as that.
pub const UNREAD_LIMIT: usize = 1000;

/// How many are read at a time.
const PAGE: usize = 200;

/// How many pages are read at most: what says nothing is not counted, however much of it there is.
const PAGES_LIMIT: usize = 25;

/// How many memberships are looked at for one person.
pub const MEMBERSHIPS_LIMIT: usize = 1000;

/// What a member has not seen of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The room.
    pub room: Jid,
    /// How many messages, at most `UNREAD_LIMIT`.
    pub messages: usize,
    /// How many of them name him.
    pub mentions: usize,
    /// Everything up to here has been seen.
    pub seen: ArchiveId,
}

impl Chat {
    /// What somebody has not seen of the rooms that he belongs to.
    pub async fn unread_rooms(&self, member: &Jid) -> Result<Vec<Unread>> {
        let member = member.to_bare();
        let rooms = self.store.rooms(RoomFilter::Of(member.clone()), None, MEMBERSHIPS_LIMIT).await?;
        let mut unread = Vec::with_capacity(rooms.len());
        for room in rooms {
            let affiliates = self.store.affiliates(room.id).await?;
            let Some(own) = affiliates.iter().find(|affiliate| affiliate.jid == member) else { continue };
            let nick = own.nick.as_deref().or(member.local()).unwrap_or_default();
            let (messages, mentions) = self.count_unread(room.id.archive(), own.seen, &member, nick).await?;
            unread.push(Unread { room: room.jid, messages, mentions, seen: own.seen });
        }
        Ok(unread)
    }

    /// Notes that somebody has seen everything in a room up to a message.
    pub async fn seen_in_room(&self, room: &Jid, member: &Jid, up_to: ArchiveId) -> Result<()> {
        let record = self.store.room(&room.to_bare()).await?.ok_or(Error::NotFound)?;
        Ok(self.store.set_seen(record.id, &member.to_bare(), up_to).await?)
    }

    async fn count_unread(
        &self,
        archive: crate::account::AccountId,
        seen: ArchiveId,
        member: &Jid,
        nick: &str,
    ) -> Result<(usize, usize)> {
        let (mut messages, mut mentions) = (0, 0);
        let mut start = ArchiveId(seen.0.saturating_add(1));
        for _ in 0..PAGES_LIMIT {
            let query =
                ArchiveQuery { start: Some(start), ..ArchiveQuery::page(archive, PageFrom::Start, PAGE) };
            let page = self.store.archive_page(query).await?;
            for message in &page.items {
                if message.peer.same_bare(member) {
                    continue;
                }
                if let Some(mentioned) = concerns(message, member, nick) {
                    messages += 1;
                    mentions += usize::from(mentioned);
                }
            }
            match page.items.last() {
                Some(last) if !page.complete && messages < UNREAD_LIMIT => {
                    start = ArchiveId(last.id.0.saturating_add(1));
                }
                _ => break,
            }
        }
        Ok((messages.min(UNREAD_LIMIT), mentions.min(UNREAD_LIMIT)))
    }
}

/// Whether a message says something, and whether it names the member.
fn concerns(message: &Archived, member: &Jid, nick: &str) -> Option<bool> {
    let element = Element::parse(std::str::from_utf8(&message.xml).ok()?).ok()?;
    let stanza = Stanza::from_element(element).ok()?;
    stanza.child(ns::CLIENT, "body")?;
    Some(mentions::names(&stanza, member, Some(nick).filter(|nick| !nick.is_empty())))
}
