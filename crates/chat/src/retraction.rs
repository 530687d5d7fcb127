//! Taking back what was said to one person (XEP-0424): a tombstone stands in its place in the archives, and the files that
//! went with it are removed. In rooms, see `rooms/retraction.rs`.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use crate::account::AccountId;
use crate::archive::{ArchiveId, ArchiveQuery, Archived, Direction, PageFrom};
use crate::chat::Chat;
use crate::conversations::folding::ABOUT_LIMIT;
use crate::conversations::folding::hint;
use crate::conversations::reading::{Said, names};
use crate::error::Result;
use crate::history::PAGE_LIMIT;
use crate::labels::{self, Deed};
use crate::messages::Checked;
use crate::store::StoreError;
use crate::time::timestamp;

/// How many messages of a conversation are looked through, from the newest on, for the one that is taken back, where its place
/// is not said.
pub const RETRACTION_REACH: usize = 1_000;

impl Chat {
    /// Whether a message takes another one back, which has to be safe before.
    pub fn retracts(message: &Stanza) -> bool {
        retracted(message).is_some()
    }

    /// Takes back the message that this one names, before it goes on its way: whoever hears of the retraction must not
    /// find the message any more. Only what the same bare address said to the same one is taken back (XEP-0424 section 5);
    /// what is not found, or longer ago than [`RETRACTION_REACH`] messages, is left to clients.
    pub(crate) async fn take_back(&self, checked: &Checked) -> Result<()> {
        let Some(id) = retracted(&checked.message) else {
            return Ok(());
        };
        let own = checked.sender.as_ref().map(|sender| &sender.account);
        let mut archives = Vec::with_capacity(2);
        if let Some(own) = own.filter(|own| !own.jid.same_bare(&checked.to)) {
            archives.push((own.account, &checked.to, Direction::Outgoing));
        }
        // What somebody wrote to himself is in his archive once, as what he received.
        if let Some(recipient) = &checked.recipient {
            archives.push((recipient.account, &checked.from, Direction::Incoming));
        }
        let mut found = None;
        for (owner, peer, direction) in archives {
            let at = hint(&checked.message).and_then(|place| self.archive_ids().read(place));
            let said = match self.said_at(owner, (&peer.to_bare(), direction), id, at).await? {
                Some(said) => Some(said),
                None => self.find_said(owner, &peer.to_bare(), direction, id).await?,
            };
            found = said.map(|said| (owner, said));
            if found.is_some() {
                break;
            }
        }
        let Some((owner, (found, original))) = found else {
            return Ok(());
        };
        if let Some(own) = own {
            self.delete_files_of(&original.element, &own.jid, own.jid.as_str()).await?;
        }
        for (correction, stanza) in self.corrections(owner, &found, &original, false).await? {
            if let Some(own) = own {
                self.delete_files_of(&stanza.element, &own.jid, own.jid.as_str()).await?;
            }
            self.put_tombstone(owner, correction.id, stanza, &checked.message).await?;
        }
        self.put_tombstone(owner, found.id, original, &checked.message).await
    }

    async fn put_tombstone(
        &self,
        owner: AccountId,
        id: ArchiveId,
        original: Stanza,
        retraction: &Stanza,
    ) -> Result<()> {
        let mut xml = Vec::new();
        tombstone(original, retraction, self.now_ms()).write(&mut xml, "");
        Ok(self.store.replace_archived(owner, id, xml).await?)
    }

    /// What a message was corrected to by whoever said it (XEP-0308), oldest first: it says the same, or nearly, and goes with it.
    pub(crate) async fn corrections(
        &self,
        owner: AccountId,
        message: &Archived,
        stanza: &Stanza,
        in_room: bool,
    ) -> Result<Vec<(Archived, Stanza)>> {
        let names = names(in_room, &self.archive_ids().show(message.id), stanza);
        let wanted = names.iter().map(|name| labels::about(name)).collect();
        let mut found = Vec::new();
        for item in self.store.labelled(owner, wanted, ABOUT_LIMIT).await? {
            let same = item.id > message.id
                && item.peer.same_bare(&message.peer)
                && item.direction == message.direction;
            let Some(said) = Said::read(&item).filter(|_| same) else { continue };
            let corrects = labels::deed(&said.stanza).is_some_and(|(deed, name)| {
                deed == Deed::Corrects && names.iter().any(|known| known == name)
            });
            if corrects {
                found.push((item, said.stanza));
            }
        }
        Ok(found)
    }

    /// The message at the place that a client of this server names, if it is the one that it means.
    async fn said_at(
        &self,
        owner: AccountId,
        (peer, direction): (&Jid, Direction),
        id: &str,
        at: Option<ArchiveId>,
    ) -> Result<Option<(Archived, Stanza)>> {
        let Some(at) = at else { return Ok(None) };
        let item = match self.store.archived(owner, &[at]).await {
            Ok(mut found) => found.pop(),
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let item = item.filter(|item| item.peer.same_bare(peer) && item.direction == direction);
        Ok(item.and_then(|item| {
            let stanza = Said::read(&item)?.stanza;
            is_called(&stanza, id).then_some((item, stanza))
        }))
    }

    /// The newest message of a conversation that goes this way and has this id of its sender.
    async fn find_said(
        &self,
        owner: AccountId,
        peer: &Jid,
        direction: Direction,
        id: &str,
    ) -> Result<Option<(Archived, Stanza)>> {
        let mut page = PageFrom::End;
        for _ in 0..RETRACTION_REACH / PAGE_LIMIT {
            let query =
                ArchiveQuery { with: Some(peer.clone()), ..ArchiveQuery::page(owner, page, PAGE_LIMIT) };
            let found = self.store.archive_page(query).await?;
            let Some(oldest) = found.items.first().map(|item| item.id) else { break };
            for item in found.items.into_iter().rev().filter(|item| item.direction == direction) {
                // Parsing is for those that may be it.
                let Ok(xml) = std::str::from_utf8(&item.xml) else { continue };
                let parsed = Element::parse(xml).ok().and_then(|element| Stanza::from_element(element).ok());
                if let Some(stanza) = parsed.filter(|stanza| is_called(stanza, id)) {
                    return Ok(Some((item, stanza)));
                }
            }
            if found.complete {
                break;
            }
            page = PageFrom::Before(oldest);
        }
        Ok(None)
    }
}

/// The id of the message that another one takes back.
fn retracted(message: &Stanza) -> Option<&str> {
    message.child(ns::RETRACTION, "retract")?.attr("id")
}

/// Whether its sender gave a message this id. One that has an origin-id (XEP-0359) is known by it alone.
fn is_called(message: &Stanza, id: &str) -> bool {
    match message.child(ns::STANZA_ID, "origin-id").and_then(|origin| origin.attr("id")) {
        Some(origin) => origin == id,
        None => message.id.as_deref() == Some(id),
    }
}

/// What stands in the place of a message (XEP-0424 section 4): nothing of what was said, and by which it is known.
fn tombstone(mut original: Stanza, retraction: &Stanza, now_ms: u64) -> Stanza {
    // What one corrects that goes with the message that it corrected it goes on doing, so that it is not shown as a message.
    original
        .element
        .retain_children(|child| child.is(ns::STANZA_ID, "origin-id") || child.is(ns::CORRECTION, "replace"));
    let mut retracted = Element::new(ns::RETRACTION, "retracted").with_attr("stamp", &timestamp(now_ms));
    if let Some(id) = &retraction.id {
        retracted.set_attr("id", id);
    }
    original.append(retracted);
    original
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HistoryQuery;
    use crate::testing::{Client, World, jid};

    async fn send(from: &Client, to: &str, id: &str, content: &str) {
        let xml = format!("<message xmlns='jabber:client' type='chat' id='{id}'>{content}</message>");
        let stanza = Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza");
        let stanza = stanza.with_to(jid(to)).with_from(from.session.jid.clone());
        from.chat.send(&from.session, stanza).await.expect("taken").await.expect("safe");
    }

    async fn archive(world: &World, name: &str) -> Vec<String> {
        let page =
            world.chat.history(&world.owner(name).await, HistoryQuery::default()).await.expect("a page");
        page.items.into_iter().map(|item| String::from_utf8(item.xml).expect("text")).collect()
    }

    fn retract(id: &str) -> String {
        format!("<retract xmlns='{}' id='{id}'/>", ns::RETRACTION)
    }

    /// XEP-0424 sections 3 and 4: by the id or the origin-id, in both archives.
    #[tokio::test]
    async fn a_tombstone_stands_in_both_archives() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "a").await;
        send(&romeo, "juliet", "one", "<body>secret one</body>").await;
        let origin = "<origin-id xmlns='urn:xmpp:sid:0' id='origin-two'/>";
        send(&romeo, "juliet", "two", &format!("<body>secret two</body>{origin}")).await;
        send(&romeo, "juliet", "three", "<body>stays</body>").await;
        // One with an origin-id is not known by its id.
        send(&romeo, "juliet", "r0", &retract("two")).await;
        assert!(archive(&world, "juliet").await[1].contains("secret"));
        send(&romeo, "juliet", "r1", &retract("one")).await;
        send(&romeo, "juliet", "r2", &retract("origin-two")).await;
        for name in ["romeo", "juliet"] {
            let kept = archive(&world, name).await;
            assert_eq!(kept.len(), 6, "the retractions are kept too");
            assert!(kept[0].contains("<retracted ") && kept[0].contains("id='r1'"), "{}", kept[0]);
            assert!(kept[1].contains("origin-two") && kept[1].contains("<retracted "), "{}", kept[1]);
            assert!(kept[2].contains("stays") && !kept[..2].concat().contains("secret"), "{kept:?}");
        }
    }

    /// XEP-0424 sections 5 and 6: nobody takes back what another said, or what was said elsewhere.
    #[tokio::test]
    async fn nobody_takes_back_what_is_not_his() {
        let world = World::of(&["romeo", "juliet", "tybalt"]).await;
        let [romeo, juliet, tybalt] = [
            world.online("romeo", "a").await,
            world.online("juliet", "a").await,
            world.online("tybalt", "a").await,
        ];
        send(&romeo, "juliet", "one", "<body>hi</body>").await;
        send(&juliet, "romeo", "r1", &retract("one")).await;
        send(&tybalt, "juliet", "r2", &retract("one")).await;
        send(&romeo, "tybalt", "r3", &retract("one")).await;
        send(&romeo, "juliet", "r4", &retract("two")).await;
        assert!(archive(&world, "juliet").await[0].contains("hi"));
        send(&romeo, "juliet/elsewhere", "r5", &retract("one")).await;
        assert!(!archive(&world, "juliet").await[0].contains("hi"), "the conversation is with the account");
        send(&romeo, "romeo", "note", "<body>to myself</body>").await;
        send(&romeo, "romeo", "r6", &retract("note")).await;
        assert!(!archive(&world, "romeo").await.concat().contains("to myself"));
    }

    /// XEP-0424 section 5 between servers: what somebody elsewhere said, he alone may take back.
    #[tokio::test]
    async fn those_of_other_servers_take_back_what_they_said() {
        let world = World::of(&["romeo"]).await;
        let receive = async |from: &str, id: &str, content: &str| {
            let xml = format!(
                "<message xmlns='jabber:client' type='chat' id='{id}' from='{from}' to='romeo@localhost'>{content}</message>"
            );
            let stanza = Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza");
            world.chat.receive_message(stanza).await.expect("taken").await.expect("safe");
        };
        receive("friar@elsewhere.example/cell", "one", "<body>secret</body>").await;
        receive("tybalt@elsewhere.example/cell", "r1", &retract("one")).await;
        assert!(archive(&world, "romeo").await[0].contains("secret"));
        receive("friar@elsewhere.example/garden", "r2", &retract("one")).await;
        let kept = archive(&world, "romeo").await;
        assert!(
            kept[0].contains("<retracted ") && !kept[0].contains("secret") && kept.len() == 3,
            "{kept:?}"
        );
    }

    /// Further than the reach nothing is looked for, and the retraction goes on its way.
    #[tokio::test]
    async fn the_reach_is_bounded() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "a").await;
        send(&romeo, "juliet", "old", "<body>old</body>").await;
        for number in 1..RETRACTION_REACH {
            send(&romeo, "juliet", &number.to_string(), "<body>x</body>").await;
        }
        send(&romeo, "juliet", "within", &retract("1")).await;
        send(&romeo, "juliet", "beyond", &retract("old")).await;
        let kept = archive(&world, "romeo").await;
        assert!(kept[0].contains("old") && kept[1].contains("<retracted "), "{kept:?}");
    }

    /// However far back a message lies, its place leads to it; a place that leads elsewhere does not count.
    #[tokio::test]
    async fn a_place_leads_to_a_message_of_long_ago() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "a").await;
        send(&romeo, "juliet", "first", "<body>secret</body>").await;
        for number in 0..=RETRACTION_REACH {
            send(&romeo, "juliet", &format!("m{number}"), "<body>x</body>").await;
        }
        let page =
            world.chat.history(&world.owner("romeo").await, HistoryQuery::default()).await.expect("a page");
        let place = |at: usize| {
            let id = world.chat.archive_ids().show(page.items[at].id);
            format!("{}<about xmlns='{}' id='{id}'/>", retract("first"), ns::MESSAGE)
        };
        for (elsewhere, gone) in [(1, false), (0, true)] {
            send(&romeo, "juliet", "r", &place(elsewhere)).await;
            assert_eq!(!archive(&world, "juliet").await[0].contains("secret"), gone);
        }
    }
}
