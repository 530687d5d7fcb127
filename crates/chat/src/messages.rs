//! Sending a message: check the policy, stamp it, archive it, deliver it, in this order and in this place only.

use std::sync::Arc;

use waxwing_xmpp::error::Condition;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Stanza};

use crate::archive::{Append, ArchiveCopy, Committed, Direction};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::hints::{self, Keeping};
use crate::labels;
use crate::profile::Profile;
use crate::receipt::Receipt;
use crate::rooms::occupants::Seat;
use crate::route::Destination;
use crate::service::Service;
use crate::session::Session;
use crate::store::StoreResult;

/// A message whose policy has been checked, ready to be delivered.
pub(crate) struct Checked {
    pub(crate) message: Stanza,
    /// The sender's address: the server stamped it, or another server vouches for it.
    pub(crate) from: Jid,
    /// The sender, if he is one of ours.
    pub(crate) sender: Option<Sender>,
    /// Its address as the sender gave it; his own account when he gave none (RFC 6121 section 8.1.1).
    pub(crate) to: Jid,
    /// The account it reaches; none if that is on another server.
    pub(crate) recipient: Option<Arc<Profile>>,
    /// A copy of it is the sender's own.
    pub(crate) own_copy: bool,
}

/// A local client that sends a message.
pub(crate) struct Sender {
    pub(crate) session: Arc<Session>,
    /// Its account.
    pub(crate) account: Arc<Profile>,
}

impl Chat {
    /// Sends a message of a local session. Every error goes back to the sender, and nothing was delivered then.
    ///
    /// What the caller awaits in the `Receipt` is the promise: committed and synced. Delivery happens in the store's
    /// commit order, so that everyone sees an account's messages in the order its archive has them.
    ///
    /// What few messages need is in boxes, since its size is part of every connection's.
    pub async fn send(self: &Arc<Self>, sender: &Arc<Session>, message: Stanza) -> Result<Receipt> {
        let message = self.publish_displayed(sender, message).await;
        self.note_marker(sender, &message);
        if let Some(to) = &message.to
            && let Destination::Service(Service::Rooms) = self.locate(to)
        {
            let sending = self.own_profile(sender).await?.ok_or(Error::Forbidden)?;
            if sending.blocks(to) {
                return Err(Error::Blocked);
            }
            return Box::pin(self.room_message(Seat::Local(Arc::clone(sender)), message)).await;
        }
        if let Some(taken) = self.subscription_answered(&sender.jid, &message).await {
            return taken.map(|()| Receipt::DONE);
        }
        let checked = self.check(sender, message).await?;
        if Self::retracts(&checked.message) {
            Box::pin(self.take_back(&checked)).await?;
        }
        self.keep_and_deliver(checked).await
    }

    /// Takes a message from another server, whose right to its `from` has been checked, for an account of ours. An error
    /// goes back to the sender, and nothing was delivered then.
    pub async fn receive_message(self: &Arc<Self>, message: Stanza) -> Result<Receipt> {
        if message.to.as_ref().is_some_and(|to| self.service(to.domain()).is_some()) {
            return self.to_service(message).await;
        }
        if let (true, Some(from), Some(to)) = (message.kind.is_error(), &message.from, &message.to) {
            self.gone_elsewhere(to, from);
        }
        let checked = self.check_received(message).await?;
        self.take_back(&checked).await?;
        self.keep_and_deliver(checked).await
    }

    async fn keep_and_deliver(self: &Arc<Self>, mut checked: Checked) -> Result<Receipt> {
        let Some(append) = self.archival(&checked).await? else {
            if checked.recipient.is_none() {
                self.to_remote(checked.message.clone())?;
            }
            self.deliver(checked, None);
            return Ok(Receipt::DONE);
        };
        checked.own_copy = append.copies.iter().any(|copy| copy.direction == Direction::Outgoing);
        let (promise, receipt) = Receipt::new();
        let chat = Arc::clone(self);
        let on_commit = Box::new(move |committed: StoreResult<Committed>| {
            let outcome = committed.map(|committed| {
                if let Committed::New(id) = committed {
                    chat.send_on(&checked);
                    chat.set_off(&checked, id);
                    chat.deliver(checked, Some(id));
                }
                Some(committed.id())
            });
            promise.keep(outcome);
        });
        self.store.append(append, on_commit);
        Ok(receipt)
    }

    /// Hands an archived message to the server it is for. That it cannot be is told to its sender by an error, since
    /// the message itself has been acknowledged.
    fn send_on(self: &Arc<Self>, checked: &Checked) {
        if checked.recipient.is_some() {
            return;
        }
        if let Err(error) = self.to_remote(checked.message.clone()) {
            let condition = match error {
                Error::RemoteServerNotFound => Condition::RemoteServerNotFound,
                Error::RemoteServerTimeout => Condition::RemoteServerTimeout,
                _ => Condition::ResourceConstraint,
            };
            self.give_back(&checked.message, condition);
        }
    }

    /// The policy for what comes from another server: whom it reaches, and what it may not claim.
    async fn check_received(&self, mut message: Stanza) -> Result<Checked> {
        let (Some(from), Some(to)) = (message.from.clone(), message.to.clone()) else {
            return Err(Error::BadRequest("an address is missing"));
        };
        match self.locate(&to) {
            Destination::Account(_) | Destination::Session(_) | Destination::Elsewhere(_) => {}
            _ => return Err(Error::ServiceUnavailable),
        }
        let recipient = self.profile(&to.to_bare()).await?.ok_or(Error::ServiceUnavailable)?;
        if recipient.blocks(&from) || !self.accepts(&message, &to) {
            return Err(Error::ServiceUnavailable);
        }
        self.remove_claims(&mut message, &to);
        Ok(Checked { message, from, sender: None, to, recipient: Some(recipient), own_copy: false })
    }

    /// The policy: who may write to whom, and what a client may not claim in a message.
    async fn check(&self, sender: &Arc<Session>, mut message: Stanza) -> Result<Checked> {
        let own = &sender.bare;
        let to = message.to.clone().unwrap_or_else(|| own.clone());
        let remote = match self.locate(&to) {
            Destination::Remote if !self.is_federated() => return Err(Error::RemoteServerNotFound),
            Destination::Remote if self.bars(&to) => return Err(Error::NotAllowed),
            Destination::Remote => true,
            // Nothing at the server itself reads messages (RFC 6120 section 10.5.2).
            Destination::Server | Destination::Service(_) => return Err(Error::ServiceUnavailable),
            Destination::Account(_) | Destination::Session(_) | Destination::Elsewhere(_) => false,
        };
        let sending = self.own_profile(sender).await?.ok_or(Error::Forbidden)?;
        if sending.blocks(&to) {
            return Err(Error::Blocked);
        }
        let recipient = if remote {
            None
        } else if to.same_bare(own) {
            Some(Arc::clone(&sending))
        } else {
            Some(self.profile(&to.to_bare()).await?.ok_or(Error::ServiceUnavailable)?)
        };
        if let Some(recipient) = &recipient
            && (recipient.blocks(&sender.jid) || !self.accepts(&message, &to))
        {
            return Err(Error::ServiceUnavailable);
        }
        self.remove_claims(&mut message, &to);
        let from = sender.jid.clone();
        let sender = Some(Sender { session: Arc::clone(sender), account: sending });
        Ok(Checked { message, from, sender, to, recipient, own_copy: false })
    }

    /// The rows of RFC 6121 section 8.5 in which the sender is told that nobody takes the message.
    fn accepts(&self, message: &Stanza, to: &Jid) -> bool {
        let Kind::Message(kind) = message.kind else {
            return false;
        };
        let found =
            to.is_full() && matches!(self.locate(to), Destination::Session(_) | Destination::Elsewhere(_));
        match kind {
            // 8.5.2.1.1 and 8.5.2.2.1: a room's message is for one session. 8.5.3.2.1 likewise.
            MessageType::Groupchat => found,
            // 8.5.3.2.1: not treated as sent to the account, as only type "chat" is.
            MessageType::Normal => to.is_bare() || found,
            // 8.5.2.2.1 would let a message nobody keeps vanish or bounce; chat states should not bounce.
            MessageType::Chat | MessageType::Headline | MessageType::Error => true,
        }
    }

    /// Takes out what only a server may say: ids it did not assign (XEP-0359 section 7), occupants' identities
    /// (XEP-0421), and results and copies that would pass for its own (XEP-0280 section 11, XEP-0313).
    ///
    /// Another server speaks for its own occupants, and may answer a client of ours that reads an archive there.
    fn remove_claims(&self, message: &mut Stanza, to: &Jid) {
        let from = message.from.as_ref().filter(|from| !self.is_ours(from.domain()));
        let asked = |from: &Jid| {
            let session = self.sessions.find(to);
            session.is_some_and(|session| session.is_asking(from))
        };
        let elsewhere = from.is_some();
        let queried = from.is_some_and(asked);
        let forged = |namespace: &str, name: &str, by: Option<&str>| match (namespace, name) {
            (ns::STANZA_ID, "stanza-id") => {
                by.and_then(|by| Jid::new(by).ok()).is_none_or(|by| self.is_ours(by.domain()))
            }
            (ns::CARBONS, "sent" | "received") => true,
            (ns::RETRACTION, "retracted") => true,
            (ns::MAM, "result") => !queried,
            (ns::OCCUPANT_ID, _) => !elsewhere,
            _ => false,
        };
        if message.children().any(|c| forged(c.ns(), c.name(), c.attr("by"))) {
            message.element.retain_children(|c| !forged(c.ns(), c.name(), c.attr("by")));
        }
    }

    /// What of the message is kept for whom; `None` when nothing is.
    async fn archival(&self, checked: &Checked) -> Result<Option<Append>> {
        let message = &checked.message;
        let keeping = hints::keeping(message);
        if keeping == Keeping::Nowhere {
            return Ok(None);
        }
        let archive = self.settings().archive && keeping == Keeping::Archive;
        let mut copies = Vec::with_capacity(2);
        if let Some(Sender { account, .. }) = &checked.sender
            && archive
            && !checked.to.same_bare(&account.jid)
            && self.keeps(account, &checked.to).await?
        {
            copies.push(ArchiveCopy {
                owner: account.account,
                peer: checked.to.clone(),
                direction: Direction::Outgoing,
                kept: true,
                waits: false,
            });
        }
        if let Some(recipient) = &checked.recipient {
            let kept = archive && self.keeps(recipient, &checked.from).await?;
            copies.push(ArchiveCopy {
                owner: recipient.account,
                peer: checked.from.clone(),
                direction: Direction::Incoming,
                kept,
                waits: true,
            });
        }
        if copies.is_empty() {
            return Ok(None);
        }
        let mut xml = Vec::with_capacity(512);
        message.write(&mut xml, "");
        // A retry of a client of ours; what another server sends twice is two messages.
        let sender = checked.sender.as_ref().map(|sender| sender.session.account);
        let origin = message.child(ns::STANZA_ID, "origin-id").and_then(|o| o.attr("id"));
        Ok(Some(Append {
            copies,
            dedupe: sender.zip(origin).map(|(account, id)| (account, id.to_owned())),
            xml,
            text: message.child(ns::CLIENT, "body").map(|body| body.text().into_owned()),
            labels: labels::of(message),
            fence: None,
        }))
    }

    pub(crate) async fn keeps(&self, owner: &Profile, peer: &Jid) -> Result<bool> {
        match owner.archive.keeps(peer) {
            Some(keeps) => Ok(keeps),
            None => {
                let item = self.store.roster_item(owner.account, &peer.to_bare()).await?;
                Ok(item.is_some_and(|item| item.listed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{ArchiveQuery, PageFrom};
    use crate::event::Event;
    use crate::testing::{Client, World, jid};
    use waxwing_xmpp::xml::Element;

    async fn send(from: &Client, to: &str, content: &str) -> Result<()> {
        let xml = format!("<message xmlns='jabber:client' type='chat'>{content}</message>");
        let stanza = Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza");
        from.chat
            .send(&from.session, stanza.with_to(jid(to)).with_from(from.session.jid.clone()))
            .await?
            .await
    }

    async fn archived(world: &World, name: &str) -> Vec<String> {
        let query = ArchiveQuery::page(world.owner(name).await.account, PageFrom::Start, 100);
        let page = world.chat.store.archive_page(query).await.expect("a page");
        page.items.into_iter().map(|item| String::from_utf8(item.xml).expect("text")).collect()
    }

    fn received(client: &mut Client) -> Vec<Stanza> {
        let mut stanzas = Vec::new();
        while let Some(event) = client.events.try_recv() {
            if let Event::Stanza(delivery) = event
                && matches!(delivery.stanza.stanza().kind, Kind::Message(_))
            {
                stanzas.push(delivery.stanza.stanza().clone());
            }
        }
        stanzas
    }

    async fn couple(world: &World) -> (Client, Client) {
        let romeo = world.online("romeo", "a").await;
        let juliet = world.online("juliet", "one").await;
        while !romeo.chat.replay(&juliet.session).await.expect("a page").is_empty() {}
        (romeo, juliet)
    }

    #[tokio::test]
    async fn both_sides_archive_a_message_once() {
        let world = World::of(&["romeo", "juliet"]).await;
        let (romeo, mut juliet) = couple(&world).await;
        send(&romeo, "juliet", "<body>hi</body>").await.expect("it is sent");
        let stanzas = received(&mut juliet);
        let id = stanzas[0].child(ns::STANZA_ID, "stanza-id").expect("an id");
        assert_eq!(id.attr("by"), Some("juliet@localhost"));
        for name in ["romeo", "juliet"] {
            let kept = archived(&world, name).await;
            assert_eq!(kept.len(), 1, "{name}");
            assert!(!kept[0].contains("stanza-id"), "{}", kept[0]);
        }
    }

    /// A retry with the same origin-id makes no copy, in the archive or on the way.
    #[tokio::test]
    async fn a_retry_is_delivered_once() {
        let world = World::of(&["romeo", "juliet"]).await;
        let (romeo, mut juliet) = couple(&world).await;
        for _ in 0..3 {
            send(&romeo, "juliet", "<body>hi</body><origin-id xmlns='urn:xmpp:sid:0' id='one'/>")
                .await
                .expect("it is safe");
        }
        assert_eq!(received(&mut juliet).len(), 1);
        assert_eq!(archived(&world, "juliet").await.len(), 1);
    }

    /// XEP-0359 section 7, XEP-0280 section 11: what only a server may say is taken out.
    #[tokio::test]
    async fn forged_claims_do_not_arrive() {
        let world = World::of(&["romeo", "juliet"]).await;
        let (romeo, mut juliet) = couple(&world).await;
        let forged = "<body>hi</body>\
            <stanza-id xmlns='urn:xmpp:sid:0' by='juliet@localhost' id='666'/>\
            <stanza-id xmlns='urn:xmpp:sid:0' by='room.elsewhere.example' id='7'/>\
            <received xmlns='urn:xmpp:carbons:2'/><sent xmlns='urn:xmpp:carbons:2'/>\
            <result xmlns='urn:xmpp:mam:2' id='1'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='x'/>";
        send(&romeo, "juliet", forged).await.expect("it is sent");
        let stanza = received(&mut juliet).remove(0);
        let ids: Vec<_> =
            stanza.children().filter(|c| c.name() == "stanza-id").filter_map(|c| c.attr("id")).collect();
        assert_eq!(ids.len(), 2, "{ids:?}");
        assert!(ids.contains(&"7") && !ids.contains(&"666"));
        assert_eq!(stanza.children().count(), 3);
    }

    /// RFC 6121 section 8.5.1, XEP-0191 section 3.2, RFC 6120 section 10.4.
    #[tokio::test]
    async fn the_sender_is_told_what_cannot_be() {
        let world = World::of(&["romeo", "juliet", "nurse"]).await;
        let (romeo, _juliet) = couple(&world).await;
        let nurse = world.online("nurse", "a").await;
        romeo.chat.block(&world.owner("romeo").await, vec![jid("nurse")]).await.expect("blocked");
        for (from, to, expected) in [
            (&romeo, "nobody", "ServiceUnavailable"),
            (&romeo, "romeo@elsewhere.example", "RemoteServerNotFound"),
            (&romeo, "nurse", "Blocked"),
            (&nurse, "romeo", "ServiceUnavailable"),
        ] {
            let error = send(from, to, "<body>hi</body>").await.expect_err(to);
            assert!(format!("{error:?}").starts_with(expected), "{to}: {error:?}");
        }
    }

    /// XEP-0334 section 4.2: kept nowhere; section 4.1: kept until delivered.
    #[tokio::test]
    async fn hints_decide_what_is_kept() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "a").await;
        send(&romeo, "juliet", "<body>a</body><no-store xmlns='urn:xmpp:hints'/>").await.expect("it is sent");
        send(&romeo, "juliet", "<body>b</body><no-permanent-store xmlns='urn:xmpp:hints'/>")
            .await
            .expect("it is sent");
        assert!(archived(&world, "juliet").await.is_empty());
        let juliet = world.online("juliet", "one").await;
        let waiting = juliet.chat.replay(&juliet.session).await.expect("a page");
        assert_eq!(waiting.len(), 1);
    }
}
