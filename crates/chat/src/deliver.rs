//! Delivering a message: which sessions get it, which get a copy, and what waits for later (RFC 6121 section 8.5,
//! XEP-0160, XEP-0280).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use crate::archive::{Append, ArchiveCopy, ArchiveId, Archived, Committed, Direction};
use crate::archive_ids::ArchiveIds;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::hints;
use crate::messages::Checked;
use crate::session::Session;
use crate::store::{StoreError, StoreResult};

/// How many waiting messages one step of a replay reads.
pub const REPLAY_PAGE: usize = 100;

/// How many bytes of them it hands over; at least one message.
pub const REPLAY_BYTES: usize = 1 << 20;

/// Between whom a message goes, as far as they have sessions here.
pub(crate) struct Parties<'a> {
    /// Its address.
    pub(crate) to: &'a Jid,
    /// The account that it reaches.
    pub(crate) recipient: Option<&'a Jid>,
    /// The account that sends it.
    pub(crate) own: Option<&'a Jid>,
    /// The session that sends it, if that is one of this node.
    pub(crate) sender: Option<&'a Session>,
}

impl Chat {
    /// Hands a checked message to the recipient's sessions and copies to both sides' others. Runs in commit order for
    /// what is archived; never waits.
    pub(crate) fn deliver(&self, checked: Checked, archived: Option<ArchiveId>) {
        if let Some(cluster) = self.cluster() {
            cluster.pass(&checked, archived);
        }
        let Checked { message, sender, to, recipient, .. } = checked;
        let sender = sender.as_ref().map(|sender| &*sender.session);
        let parties = Parties {
            to: &to,
            recipient: recipient.as_ref().map(|account| &account.jid),
            own: sender.map(|sender| &sender.bare),
            sender,
        };
        self.hand_to_sessions(message, parties, archived);
    }

    /// The same for the sessions of this node: of a message that was taken here, or by another node of the cluster.
    pub(crate) fn hand_to_sessions(
        &self,
        message: Stanza,
        parties: Parties<'_>,
        archived: Option<ArchiveId>,
    ) {
        let Parties { to, recipient, own, sender } = parties;
        let to_self = recipient.is_some() && recipient == own;
        let copied = hints::copied(&message);
        let kind = message.kind;
        let archived_as = archived.map(|id| (id, self.archive_ids()));
        let sessions = recipient.map_or_else(Vec::new, |account| self.sessions.of(account));
        let addressed = to.is_full() && sessions.iter().any(|session| session.jid == *to);
        if kind.is_error() && !addressed {
            // 8.5.2.1.1, 8.5.3.2.1: an error is for the session that it names, or for nobody, and makes no copies.
            return;
        }
        let addressed = addressed || (to.is_full() && self.is_elsewhere(to));
        let reached = |session: &Session| receives(session, to, kind, addressed);
        let others = match own {
            Some(own) if copied && !sender.is_some_and(Session::is_alone) => self.sessions.of(own),
            _ => Vec::new(),
        };
        let from = if sender.is_none() { message.from.clone() } else { None };
        let mut others = others.iter().filter(|session| {
            let sends = match sender {
                Some(sender) => sender.id == session.id,
                None => from.as_ref() == Some(&session.jid),
            };
            session.carbons() && !(sends || (to_self && reached(session)))
        });
        let first = others.next();
        let sent = first.filter(|_| !to_self).zip(own);
        let sent = sent.map(|(_, own)| delivery(message.clone(), own, archived_as));
        // What goes to another server is nobody's here but the sender's own.
        let Some(owner) = recipient.or(own) else {
            return;
        };
        let delivery = delivery(message, owner, archived_as);
        for session in &sessions {
            if reached(session) {
                push(session, Event::Stanza(delivery.clone()), archived);
            } else if copied && session.carbons() && !to_self {
                push(session, Event::Carbon(Direction::Incoming, delivery.clone()), archived);
            }
        }
        let sent = sent.unwrap_or(delivery);
        for session in first.into_iter().chain(others) {
            push(session, Event::Carbon(Direction::Outgoing, sent.clone()), archived);
        }
    }

    /// Sends a message of a service beside a domain to somebody, for whom it waits if he is not there.
    pub(crate) async fn send_from_service(&self, message: Stanza) -> Result<()> {
        let to = message.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        if !self.is_local(to.domain()) {
            return self.to_remote(message);
        }
        let from = message.from.clone().ok_or(Error::BadRequest("an address is missing"))?;
        let recipient = self.profile(&to.to_bare()).await?.ok_or(Error::NotFound)?;
        if recipient.blocks(&from) {
            // The sender does not learn that (XEP-0191 section 3.2).
            return Ok(());
        }
        let chat = self.itself().ok_or(Error::ServiceUnavailable)?;
        let mut xml = Vec::with_capacity(512);
        message.write(&mut xml, "");
        let owner = recipient.account;
        let copy = ArchiveCopy { owner, peer: from, direction: Direction::Incoming, kept: true, waits: true };
        let append =
            Append { copies: vec![copy], dedupe: None, xml, text: None, labels: Vec::new(), fence: None };
        let on_commit = move |committed: StoreResult<Committed>| match committed {
            Ok(Committed::New(id)) => {
                let archived_as = Some((id, chat.archive_ids()));
                let delivery = delivery(message, &recipient.jid, archived_as);
                for session in chat.sessions.of(&recipient.jid).iter().filter(|s| s.takes_messages()) {
                    push(session, Event::Stanza(delivery.clone()), Some(id));
                }
            }
            Ok(Committed::Duplicate(_)) => {}
            Err(error) => tracing::warn!(%error, "a message of a service could not be kept"),
        };
        self.store.append(append, Box::new(on_commit));
        Ok(())
    }

    /// A client has confirmed everything it was given up to this archived message.
    pub fn delivered(&self, session: &Session, id: ArchiveId) {
        // What reached a session out of turn says nothing about the messages that wait before it.
        if session.is_replaying() && id > session.replayed() {
            return;
        }
        session.delivered.advance(id);
    }

    /// A session ends without its client having confirmed this archived message and those after it. Unless another
    /// session of the account had its chance at them, they wait again.
    pub(crate) fn undelivered(&self, session: &Session, oldest: ArchiveId) {
        let others = self
            .sessions
            .with(&session.bare, |all| all.iter().any(|s| s.id != session.id && s.takes_messages()))
            .unwrap_or(false)
            || self.cluster().is_some_and(|cluster| cluster.directory.takes_messages(&session.bare));
        if !others {
            session.delivered.rewind(ArchiveId(oldest.0.saturating_sub(1)));
        }
    }

    /// Up to which message everything has been handed to a session, if that can be said. `newest` is the newest archived
    /// message that its client was sent or will be sent again; its queue must be empty.
    pub fn handed(
        &self,
        session: &Session,
        mark: Option<ArchiveId>,
        newest: Option<ArchiveId>,
    ) -> Option<ArchiveId> {
        if session.is_replaying() {
            return Some(session.replayed()).filter(|id| *id > ArchiveId::default());
        }
        // What another session confirmed had been put into this one's queue as well.
        mark.max(newest)
    }

    /// How far the messages of a session's account have come.
    pub fn mark(&self, session: &Session) -> Option<ArchiveId> {
        self.sessions.mark(&session.bare).map(|mark| mark.reached())
    }

    /// Tells a session that was brought back up to where it was handed everything, whatever other sessions of its account
    /// have confirmed since, and what its client still has to confirm, so that no replay repeats it.
    pub fn restore(
        &self,
        session: &Session,
        handed: Option<ArchiveId>,
        unconfirmed: impl Iterator<Item = ArchiveId>,
    ) {
        if let Some(id) = handed {
            session.continue_behind(id);
        }
        unconfirmed.for_each(|id| session.note_ahead(id));
    }

    /// Lets what waits for an account count as delivered, because the client of this session reads it from the archive
    /// (XEP-0386 section 4). If anything waits that the archive does not show, nothing is changed and all is replayed.
    pub async fn leave_to_archive(&self, session: &Session) -> Result<()> {
        let mut reached = session.delivered.reached();
        loop {
            let page = self.store.waiting(session.account, reached, REPLAY_PAGE).await?;
            let ids: Vec<ArchiveId> = page.iter().map(|message| message.id).collect();
            let Some(last) = ids.last() else { break };
            match self.store.archived(session.account, &ids).await {
                Ok(_) => reached = *last,
                Err(StoreError::NotFound) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        session.delivered.advance(reached);
        Ok(())
    }

    /// The client of a session has read its whole archive up to here, so the replay that is due begins behind it. It begins
    /// before the first message that waits and that the archive does not show.
    pub(crate) async fn known_from_archive(&self, session: &Session, known: ArchiveId) -> Result<()> {
        let Some(mark) = self.sessions.mark(&session.bare) else {
            return Ok(());
        };
        loop {
            let from = mark.reached().max(session.replayed());
            if from >= known {
                return Ok(());
            }
            let page = self.store.waiting(session.account, from, REPLAY_PAGE).await?;
            let ids: Vec<ArchiveId> =
                page.iter().map(|message| message.id).filter(|id| *id <= known).collect();
            let Some(last) = ids.last() else { return Ok(()) };
            match self.store.archived(session.account, &ids).await {
                Ok(_) => session.set_replayed(*last),
                Err(StoreError::NotFound) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next messages that wait for a session's account, oldest first (XEP-0160 section 3). Called by the session's
    /// own task while `Session::replay_due`, page by page as its client takes them; an empty page ends the replay.
    pub async fn replay(&self, session: &Session) -> Result<Vec<Delivery>> {
        loop {
            let mut page =
                self.store.waiting(session.account, session.replay_position(), REPLAY_PAGE).await?;
            let mut bytes = 0;
            let fits = page.iter().take_while(|message| {
                bytes += message.xml.len();
                bytes <= REPLAY_BYTES
            });
            let fits = fits.count().max(1);
            page.truncate(fits);
            let Some(last) = page.last().map(|message| message.id) else {
                // What is committed from here on comes through the queue; what came between the two reads is read now.
                if session.end_replay() {
                    continue;
                }
                return Ok(Vec::new());
            };
            session.set_replayed(last);
            let ready: Vec<Delivery> = page
                .into_iter()
                .filter(|message| session.lacks(message.id))
                .filter_map(|message| from_archive(&message, &session.bare, self.archive_ids()))
                .collect();
            if !ready.is_empty() {
                return Ok(ready);
            }
        }
    }
}

/// RFC 6121 section 8.5: who of the account's sessions gets the message itself.
fn receives(session: &Session, to: &Jid, kind: Kind, addressed: bool) -> bool {
    if addressed {
        // 8.5.3.1: exactly the session addressed.
        return session.jid == *to;
    }
    match kind {
        // 8.5.2.1.1: to every session with a priority of zero or more; 8.5.3.2.1: type "chat" to a session that is gone
        // goes the same way.
        Kind::Message(MessageType::Chat) => session.takes_messages(),
        Kind::Message(MessageType::Normal | MessageType::Headline) => {
            to.is_bare() && session.takes_messages()
        }
        _ => false,
    }
}

fn push(session: &Session, event: Event, archived: Option<ArchiveId>) {
    match archived {
        Some(id) => session.push_archived(event, id),
        None => drop(session.push(event)),
    }
}

/// The message as the sessions of `owner` get it: with the id it has in that account's archive (XEP-0359 section 3.1).
fn delivery(mut stanza: Stanza, owner: &Jid, archived: Option<(ArchiveId, ArchiveIds)>) -> Delivery {
    if let Some((id, ids)) = archived {
        stanza.append(stanza_id(&ids.show(id), owner));
    }
    Delivery { stanza: Arc::new(Outgoing::new(stanza)), archived: archived.map(|(id, _)| id) }
}

/// The id of an archived message, as it stands in the message.
pub(crate) fn stanza_id(shown: &str, by: &Jid) -> Element {
    Element::new(ns::STANZA_ID, "stanza-id").with_attr("id", shown).with_attr("by", by.as_str())
}

/// A waiting message as it is replayed: with its id and the time it was sent (XEP-0160 section 3, XEP-0203).
fn from_archive(message: &Archived, owner: &Jid, ids: ArchiveIds) -> Option<Delivery> {
    let parsed = std::str::from_utf8(&message.xml).ok().and_then(|xml| Element::parse(xml).ok());
    let stanza = parsed.and_then(|element| Stanza::from_element(element).ok());
    let Some(mut stanza) = stanza else {
        tracing::error!(id = %message.id, "an archived message cannot be read");
        return None;
    };
    stanza.append(stanza_id(&ids.show(message.id), owner));
    stanza.append(
        Element::new(ns::DELAY, "delay")
            .with_attr("from", owner.domain())
            .with_attr("stamp", &crate::time::timestamp(message.id.stamp_ms())),
    );
    Some(Delivery { stanza: Arc::new(Outgoing::new(stanza)), archived: Some(message.id) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HistoryQuery;
    use crate::testing::{Client, World, heard, jid};

    async fn send(from: &Client, to: &str, attributes: &str, content: &str) -> Result<()> {
        let xml = format!("<message xmlns='jabber:client' {attributes}>{content}</message>");
        let stanza = Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza");
        let stanza = stanza.with_to(jid(to)).with_from(from.session.jid.clone());
        from.chat.send(&from.session, stanza).await?.await
    }

    async fn say(from: &Client, to: &str, body: &str) {
        send(from, to, "type='chat'", &format!("<body>{body}</body>")).await.expect("it is sent");
    }

    async fn replayed(client: &Client) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let page = client.chat.replay(&client.session).await.expect("a page");
            if page.is_empty() {
                return bodies;
            }
            let body =
                |d: &Delivery| d.stanza.stanza().child(ns::CLIENT, "body").map(|b| b.text().into_owned());
            bodies.extend(page.iter().filter_map(body));
        }
    }

    /// A client that has been given everything that waited.
    async fn ready(world: &World, name: &str, resource: &str, presence: &str) -> Client {
        let mut client = world.connect(name, resource).await;
        client.send(presence).await;
        replayed(&client).await;
        heard(&mut client);
        client
    }

    /// RFC 6121 section 8.5.2.1.1: to all with a priority of zero or more, and not to those below.
    #[tokio::test]
    async fn a_message_to_an_account_reaches_all_who_take_messages() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let mut one = ready(&world, "juliet", "one", "<presence/>").await;
        let mut two = ready(&world, "juliet", "two", "<presence><priority>5</priority></presence>").await;
        let mut below =
            ready(&world, "juliet", "below", "<presence><priority>-1</priority></presence>").await;
        let mut absent = world.connect("juliet", "absent").await;
        say(&romeo, "juliet", "hi").await;
        assert_eq!(heard(&mut one), ["hi"]);
        assert_eq!(heard(&mut two), ["hi"]);
        assert!(heard(&mut below).is_empty());
        assert!(heard(&mut absent).is_empty());
    }

    /// RFC 6121 section 8.5.3.1 and 8.5.3.2.1.
    #[tokio::test]
    async fn a_message_to_a_session_reaches_it_alone_and_falls_back_only_as_chat() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let mut one = ready(&world, "juliet", "one", "<presence/>").await;
        let mut two = ready(&world, "juliet", "two", "<presence/>").await;
        say(&romeo, "juliet/one", "for one").await;
        assert_eq!(heard(&mut one), ["for one"]);
        assert!(heard(&mut two).is_empty());
        say(&romeo, "juliet/gone", "for whoever").await;
        assert_eq!(
            (heard(&mut one), heard(&mut two)),
            (vec!["for whoever".to_owned()], vec!["for whoever".to_owned()])
        );
        for kind in ["normal", "groupchat"] {
            let refused = send(&romeo, "juliet/gone", &format!("type='{kind}'"), "<body>x</body>").await;
            assert!(matches!(refused, Err(crate::Error::ServiceUnavailable)), "{kind}");
        }
        send(&romeo, "juliet/gone", "type='headline'", "<body>x</body>")
            .await
            .expect("it is dropped in silence");
        assert!(heard(&mut one).is_empty() && heard(&mut two).is_empty());
    }

    /// XEP-0280 sections 7 and 8.
    #[tokio::test]
    async fn other_sessions_get_copies_of_both_directions() {
        let world = World::of(&["romeo", "juliet"]).await;
        let mut romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let mut second = ready(&world, "romeo", "b", "<presence/>").await;
        let mut plain = ready(&world, "romeo", "c", "<presence/>").await;
        let mut juliet = ready(&world, "juliet", "one", "<presence/>").await;
        romeo.session.set_carbons(true);
        second.session.set_carbons(true);
        say(&romeo, "juliet/one", "out").await;
        say(&juliet, "romeo/a", "in").await;
        assert_eq!(heard(&mut juliet), ["out"]);
        assert_eq!(heard(&mut romeo), ["in"]);
        assert_eq!(heard(&mut second), ["sent out", "received in"]);
        assert!(heard(&mut plain).is_empty());
        send(&romeo, "juliet/one", "type='chat'", "<body>x</body><private xmlns='urn:xmpp:carbons:2'/>")
            .await
            .expect("it is sent");
        assert!(heard(&mut second).is_empty());
    }

    /// RFC 6121 sections 8.5.2.1.1 and 8.5.3.2.1: an error reaches the session that it names, with copies as XEP-0280 section 6
    /// has it, and is ignored in silence otherwise.
    #[tokio::test]
    async fn an_error_is_for_the_session_it_names() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let mut second = ready(&world, "romeo", "b", "<presence/>").await;
        let mut one = ready(&world, "juliet", "one", "<presence/>").await;
        let mut two = ready(&world, "juliet", "two", "<presence/>").await;
        second.session.set_carbons(true);
        two.session.set_carbons(true);
        for to in ["juliet", "juliet/gone"] {
            send(&romeo, to, "type='error'", "<body>x</body>").await.expect("it is ignored");
            assert!(heard(&mut one).is_empty() && heard(&mut two).is_empty(), "{to}");
            assert!(heard(&mut second).is_empty(), "{to}");
        }
        send(&romeo, "juliet/one", "type='error'", "<body>x</body>").await.expect("it is sent");
        assert_eq!(heard(&mut one), ["x"]);
        assert_eq!(heard(&mut two), ["received x"]);
        assert_eq!(heard(&mut second), ["sent x"]);
    }

    /// XEP-0160: what waits is replayed once, to the first session that takes messages, in order and without a gap.
    #[tokio::test]
    async fn what_waits_is_replayed_once_confirmed() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        for body in ["one", "two", "three"] {
            say(&romeo, "juliet", body).await;
        }
        let mut below = world.connect("juliet", "below").await;
        below.send("<presence><priority>-1</priority></presence>").await;
        assert!(!below.session.replay_due());
        let mut first = world.connect("juliet", "first").await;
        first.send("<presence/>").await;
        assert!(first.session.replay_due());
        say(&romeo, "juliet", "four").await;
        assert!(heard(&mut first).is_empty(), "it must not overtake those that wait");
        assert_eq!(replayed(&first).await, ["one", "two", "three", "four"]);
        say(&romeo, "juliet", "five").await;
        assert_eq!(heard(&mut first), ["five"]);
        assert!(heard(&mut below).is_empty());
        // Nothing was confirmed yet, so another session is given everything; afterwards nothing waits any more.
        let second = world.connect("juliet", "second").await;
        second.send("<presence/>").await;
        assert_eq!(replayed(&second).await.len(), 5);
        first.chat.delivered(&first.session, second.session.replayed());
        let third = world.connect("juliet", "third").await;
        third.send("<presence/>").await;
        assert!(replayed(&third).await.is_empty());
    }

    /// XEP-0386 section 4: what the archive shows is not sent; what it does not show is.
    #[tokio::test]
    async fn a_client_that_reads_the_archive_is_not_sent_what_it_shows() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        say(&romeo, "juliet", "archived").await;
        let juliet = world.connect("juliet", "one").await;
        juliet.chat.leave_to_archive(&juliet.session).await.expect("it is left");
        say(&romeo, "juliet", "later").await;
        juliet.send("<presence/>").await;
        assert_eq!(replayed(&juliet).await, ["later"]);
        juliet.leave().await;
        let only_waits = "<body>off the record</body><no-permanent-store xmlns='urn:xmpp:hints'/>";
        send(&romeo, "juliet", "type='chat'", only_waits).await.expect("it is sent");
        let juliet = world.connect("juliet", "two").await;
        juliet.chat.leave_to_archive(&juliet.session).await.expect("nothing happens");
        juliet.send("<presence/>").await;
        assert!(replayed(&juliet).await.contains(&"off the record".to_owned()));
    }

    /// XEP-0313 section 6.1.1: a client that reads the archive before it takes messages does not get them twice, and still gets
    /// what the archive does not show.
    #[tokio::test]
    async fn what_a_client_has_read_from_the_archive_is_not_replayed() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        for body in ["one", "two", "three"] {
            say(&romeo, "juliet", body).await;
        }
        let juliet = world.connect("juliet", "one").await;
        let first = HistoryQuery { limit: Some(2), ..HistoryQuery::default() };
        let page = juliet.chat.read_history(&juliet.session, first).await.expect("a page");
        let other = world.connect("juliet", "other").await;
        juliet.send("<presence/>").await;
        assert_eq!(replayed(&juliet).await, ["three"]);
        let up_to_date =
            HistoryQuery { after_id: page.items.last().map(|last| last.id), ..HistoryQuery::default() };
        other.chat.read_history(&other.session, up_to_date).await.expect("a page");
        let only_waits = "<body>off the record</body><no-permanent-store xmlns='urn:xmpp:hints'/>";
        send(&romeo, "juliet", "type='chat'", only_waits).await.expect("it is sent");
        other.send("<presence/>").await;
        assert_eq!(replayed(&other).await, ["off the record"]);
    }

    /// A session that ends with something unconfirmed leaves it to the next, unless another was there.
    #[tokio::test]
    async fn what_was_not_confirmed_waits_again() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let mut one = ready(&world, "juliet", "one", "<presence/>").await;
        let mut ids = Vec::new();
        for body in ["kept", "lost"] {
            say(&romeo, "juliet", body).await;
            if let Some(Event::Stanza(delivery)) = one.events.try_recv() {
                ids.extend(delivery.archived);
            }
        }
        one.chat.delivered(&one.session, ids[0]);
        one.chat.unbind(&one.session, Some(ids[1])).await;
        let two = world.connect("juliet", "two").await;
        two.send("<presence/>").await;
        assert_eq!(replayed(&two).await, ["lost"]);
    }

    /// A message for one session that is not available reaches it at once, and its replay does not repeat it.
    #[tokio::test]
    async fn what_came_ahead_of_the_replay_is_not_repeated() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        say(&romeo, "juliet", "waits").await;
        let mut juliet = world.connect("juliet", "one").await;
        say(&romeo, "juliet/one", "ahead").await;
        assert_eq!(heard(&mut juliet), ["ahead"]);
        juliet.send("<presence/>").await;
        assert_eq!(replayed(&juliet).await, ["waits"]);
    }

    /// What is committed between the end of a replay and its last read is in the queue and in that read: were the queue taken
    /// first, as if it held what came out of turn, it would come twice, and before what waits.
    #[tokio::test]
    async fn nothing_is_ahead_of_the_last_read_of_a_replay() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let mut juliet = world.connect("juliet", "one").await;
        say(&romeo, "juliet/one", "ahead").await;
        juliet.send("<presence/>").await;
        assert!(juliet.session.has_ahead());
        juliet.session.end_replay();
        say(&romeo, "juliet", "between").await;
        assert!(!juliet.session.has_ahead(), "the queue waits for the last read");
        assert_eq!(replayed(&juliet).await, ["between"]);
        let mut fresh = Vec::new();
        while let Some(event) = juliet.events.try_recv() {
            let Event::Stanza(Delivery { archived: Some(id), .. }) = event else { continue };
            fresh.push(!juliet.session.is_repeated(id));
        }
        assert_eq!(fresh, [true, false], "what came ahead once, and the other not again");
    }

    /// While one session's replay is due, another gets a message at once and confirms it: the first is still to have it.
    #[tokio::test]
    async fn what_another_session_confirms_meanwhile_is_replayed_all_the_same() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let mut phone = ready(&world, "juliet", "phone", "<presence/>").await;
        let desk = world.connect("juliet", "desk").await;
        desk.send("<presence/>").await;
        heard(&mut phone);
        say(&romeo, "juliet", "hi").await;
        let Some(Event::Stanza(delivery)) = phone.events.try_recv() else { panic!("nothing came") };
        phone.chat.delivered(&phone.session, delivery.archived.expect("it is archived"));
        assert_eq!(replayed(&desk).await, ["hi"]);
    }

    /// A copy that came before a replay was due stands in the queue; one that comes later is left to the replay, so that
    /// neither overtakes the other.
    #[tokio::test]
    async fn copies_keep_their_place_beside_a_replay() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let _phone = ready(&world, "juliet", "phone", "<presence/>").await;
        let mut desk = world.connect("juliet", "desk").await;
        desk.session.set_carbons(true);
        say(&romeo, "juliet/phone", "before").await;
        desk.send("<presence/>").await;
        say(&romeo, "juliet", "then").await;
        say(&romeo, "juliet/phone", "later").await;
        assert!(desk.session.has_ahead());
        assert_eq!(heard(&mut desk), ["received before"]);
        assert_eq!(replayed(&desk).await, ["then", "later"]);
        say(&romeo, "juliet/phone", "afterwards").await;
        assert_eq!(heard(&mut desk), ["received afterwards"]);
    }

    /// The ids of the messages that came since the last time.
    fn archived(client: &mut Client) -> Vec<ArchiveId> {
        let mut ids = Vec::new();
        while let Some(event) = client.events.try_recv() {
            if let Event::Stanza(delivery) = event {
                ids.extend(delivery.archived);
            }
        }
        ids
    }

    async fn unavailable(client: &Client) {
        client.send("<presence type='unavailable'/>").await;
    }

    /// What waits while a session takes no messages is not passed by what reaches it by its own address meanwhile.
    #[tokio::test]
    async fn what_comes_to_a_session_that_takes_nothing_leaves_the_mark() {
        for away in ["<presence type='unavailable'/>", "<presence><priority>-1</priority></presence>"] {
            let world = World::of(&["romeo", "juliet"]).await;
            let romeo = ready(&world, "romeo", "a", "<presence/>").await;
            let mut juliet = ready(&world, "juliet", "one", "<presence/>").await;
            juliet.send(away).await;
            say(&romeo, "juliet", "waits").await;
            say(&romeo, "juliet/one", "direct").await;
            let direct = archived(&mut juliet);
            assert_eq!(direct.len(), 1);
            juliet.chat.delivered(&juliet.session, direct[0]);
            juliet.send("<presence/>").await;
            assert_eq!(replayed(&juliet).await, ["waits"], "{away}");
        }
    }

    /// Going away and coming back repeats nothing, whether the client has taken it, has confirmed it, or not; and what still
    /// stands in the queue comes before what waited behind it.
    #[tokio::test]
    async fn a_session_that_comes_back_is_not_sent_again_what_it_has() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let mut juliet = ready(&world, "juliet", "one", "<presence/>").await;
        say(&romeo, "juliet", "taken").await;
        let taken = archived(&mut juliet)[0];
        say(&romeo, "juliet", "queued").await;
        unavailable(&juliet).await;
        say(&romeo, "juliet", "waits").await;
        juliet.chat.delivered(&juliet.session, taken);
        assert_eq!(juliet.session.delivered.reached(), taken);
        juliet.send("<presence/>").await;
        assert!(juliet.session.has_ahead());
        assert_eq!(replayed(&juliet).await, ["waits"]);
        let queued = archived(&mut juliet);
        assert_eq!(queued.len(), 1);
        assert!(!juliet.session.is_repeated(queued[0]));
        unavailable(&juliet).await;
        juliet.send("<presence/>").await;
        assert!(replayed(&juliet).await.is_empty());
    }

    /// A session that was brought back after a restart goes on from where it was once, and from its account's mark afterwards.
    #[tokio::test]
    async fn a_session_that_was_brought_back_is_replayed_to_like_others_later() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        say(&romeo, "juliet", "before").await;
        let juliet = world.connect("juliet", "one").await;
        juliet.chat.restore(&juliet.session, Some(ArchiveId(1)), std::iter::empty());
        juliet.send("<presence/>").await;
        assert_eq!(replayed(&juliet).await, ["before"]);
        unavailable(&juliet).await;
        let mut other = ready(&world, "juliet", "other", "<presence/>").await;
        say(&romeo, "juliet", "to another").await;
        let confirmed = archived(&mut other)[0];
        other.chat.delivered(&other.session, confirmed);
        juliet.send("<presence/>").await;
        assert!(replayed(&juliet).await.is_empty(), "the other has confirmed it");
    }

    /// What a session gives up half way, between the end of a replay and its last read, the next replay reads.
    #[tokio::test]
    async fn a_replay_without_its_last_read_is_made_up_for() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let juliet = world.connect("juliet", "one").await;
        juliet.send("<presence/>").await;
        say(&romeo, "juliet", "left to the last read").await;
        juliet.session.end_replay();
        say(&romeo, "juliet", "queued").await;
        unavailable(&juliet).await;
        juliet.send("<presence/>").await;
        assert_eq!(replayed(&juliet).await, ["left to the last read"]);
    }

    /// A full queue closes the session; the sender is not held up, and everything is there for the next session.
    #[tokio::test]
    async fn a_session_that_does_not_read_is_closed_and_loses_nothing() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = ready(&world, "romeo", "a", "<presence/>").await;
        let slow = ready(&world, "juliet", "slow", "<presence/>").await;
        let count = crate::queue::QUEUE_LIMIT + 10;
        for n in 0..count {
            say(&romeo, "juliet", &n.to_string()).await;
        }
        assert_eq!(slow.session.close_reason(), Some(crate::event::Close::TooSlow));
        slow.chat.unbind(&slow.session, None).await;
        let next = world.connect("juliet", "next").await;
        next.send("<presence/>").await;
        let all: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        assert_eq!(replayed(&next).await, all);
    }
}
