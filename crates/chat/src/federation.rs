//! Other servers: the port through which stanzas leave for them, and what becomes of those that cannot be delivered
//! (RFC 6120 section 10.4, RFC 6121 section 8).

use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{IqType, Kind, Outgoing, Stanza};

use crate::chat::Chat;
use crate::cluster::Handing;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::presence::push;
use crate::receipt::Receipt;
use crate::rooms::occupants::Seat;
use crate::service::Service;

/// The way to other servers.
pub trait Federation: Send + Sync + 'static {
    /// Queues a stanza for the server of its `to`. Both addresses are set, and the domain of `from` is one of ours. Never
    /// waits. Whoever takes it delivers it, or gives it back through [`Chat::undeliverable`].
    ///
    /// # Errors
    /// `RemoteServerNotFound` for a domain that is known not to be reachable or may not be spoken to,
    /// `RemoteServerTimeout` for one that has just not answered, `ResourceConstraint` when its queue is full.
    fn send(&self, stanza: Stanza) -> Result<()>;
}

/// The port, once there is one, and the runtime that its tasks belong to: messages leave in the callbacks of the store,
/// which run outside of it.
#[derive(Default)]
pub(crate) struct Remote(OnceLock<(Arc<dyn Federation>, Handle)>);

impl Chat {
    /// Opens the way to other servers; called within the runtime. Until then, and for a server that stays alone, none is found.
    pub fn federate(&self, federation: Arc<dyn Federation>) {
        if self.remote.0.set((federation, Handle::current())).is_err() {
            tracing::error!("there is a way to other servers already");
        }
    }

    /// Whether other servers can be reached at all.
    pub(crate) fn is_federated(&self) -> bool {
        self.remote.0.get().is_some()
    }

    /// Hands a stanza to the server of another domain: the one way out. Only what is addressed from one of our domains
    /// may leave.
    pub fn to_remote(&self, stanza: Stanza) -> Result<()> {
        let ours = stanza.from.as_ref().is_some_and(|from| self.is_ours(from.domain()));
        if !ours || stanza.to.is_none() {
            return Err(Error::BadRequest("an address is missing"));
        }
        if stanza.to.as_ref().is_some_and(|to| self.bars(to)) {
            return Err(Error::NotAllowed);
        }
        let (federation, runtime) = self.remote.0.get().ok_or(Error::RemoteServerNotFound)?;
        let _entered = runtime.enter();
        federation.send(stanza)
    }

    /// Tells the sender of a stanza that it cannot be delivered, without waiting for that.
    pub(crate) fn give_back(self: &Arc<Self>, stanza: &Stanza, condition: Condition) {
        if let Some((_, runtime)) = self.remote.0.get() {
            let (chat, stanza) = (Arc::clone(self), stanza.clone());
            runtime.spawn(async move { chat.undeliverable(&stanza, StanzaError::new(condition)).await });
        }
    }

    /// A stanza that was queued for another server has not reached it. Its sender is told in the name of the address it
    /// was for; presence is dropped silently, and so are errors and answers (RFC 6120 section 8.3.1).
    pub async fn undeliverable(self: &Arc<Self>, stanza: &Stanza, error: StanzaError) {
        if matches!(stanza.kind, Kind::Presence(_)) {
            return;
        }
        if let Some(reply) = stanza.error_reply(error)
            && let Err(error) = self.receive_error(reply).await
        {
            tracing::warn!(%error, "a sender could not be told that a stanza was not delivered");
        }
    }

    /// An error about a message or a request of a local sender. One that cannot reach the session that sent it goes to
    /// the account's others: somebody should know that a message did not arrive.
    async fn receive_error(self: &Arc<Self>, error: Stanza) -> Result<()> {
        let to = error.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        if self.service(to.domain()).is_some() {
            return self.to_service(error).await.map(drop);
        }
        if let Kind::Iq(_) = error.kind {
            return self.relay_answer(error);
        }
        if self.sessions.find(&to).is_none() && self.is_elsewhere(&to) {
            return self.hand_elsewhere(error, Handing::Session);
        }
        if let Some(session) = self.sessions.find(&to) {
            push(&session, &Arc::new(Outgoing::new(error)));
            return Ok(());
        }
        self.hand_to_others(&error, &to.to_bare(), Handing::TakesMessages);
        let error = Arc::new(Outgoing::new(error));
        self.sessions.with(&to.to_bare(), |all| {
            all.iter().filter(|session| session.takes_messages()).for_each(|session| push(session, &error));
        });
        Ok(())
    }

    /// A stanza from elsewhere for a service beside a domain, or something in it.
    pub(crate) async fn to_service(&self, stanza: Stanza) -> Result<Receipt> {
        let (Some(from), Some(to)) = (stanza.from.clone(), &stanza.to) else {
            return Err(Error::BadRequest("an address is missing"));
        };
        match (self.service(to.domain()), stanza.kind) {
            (Some(Service::Rooms), _) => {}
            (Some(Service::PubSub), Kind::Message(_)) => {
                let taken = self.subscription_answered(&from, &stanza).await;
                return taken.unwrap_or(Err(Error::ServiceUnavailable)).map(|()| Receipt::DONE);
            }
            _ => return Err(Error::ServiceUnavailable),
        }
        let seat = Seat::Remote(from);
        match stanza.kind {
            Kind::Message(_) => self.room_message(seat, stanza).await,
            Kind::Presence(_) => self.room_presence(seat, stanza).await.map(|()| Receipt::DONE),
            Kind::Iq(_) => self.room_iq(seat, stanza).await.map(|()| Receipt::DONE),
        }
    }

    /// Takes a request or an answer from another server for a client, or refuses it. Answers only come through to a
    /// session that asked: nobody else can answer in a server's or contact's place.
    pub async fn receive_iq(&self, stanza: Stanza) -> Result<()> {
        if matches!(stanza.kind, Kind::Iq(IqType::Result | IqType::Error)) {
            return self.relay_answer(stanza);
        }
        let from = stanza.from.clone().ok_or(Error::BadRequest("an address is missing"))?;
        self.relay(&from, stanza).await
    }

    fn relay_answer(&self, answer: Stanza) -> Result<()> {
        let (Some(from), Some(to)) = (&answer.from, &answer.to) else {
            return Err(Error::BadRequest("an address is missing"));
        };
        let Some(session) = self.sessions.find(to) else {
            return if self.is_elsewhere(to) { self.hand_elsewhere(answer, Handing::Answer) } else { Ok(()) };
        };
        if session.asked(from, answer.id.as_deref().unwrap_or_default()) {
            let delivery = Delivery { stanza: Arc::new(Outgoing::new(answer)), archived: None };
            session.push(Event::Stanza(delivery));
        }
        Ok(())
    }

    /// Whether something only a server may say to its own clients is in a request for one of them: roster and blocklist
    /// pushes (RFC 6121 section 2.1.6, XEP-0191 section 3.3).
    pub(crate) fn is_forged_push(&self, from: &Jid, stanza: &Stanza) -> bool {
        use waxwing_xmpp::ns;
        stanza.kind == Kind::Iq(IqType::Set)
            && !self.is_ours(from.domain())
            && stanza.payload().is_some_and(|payload| matches!(payload.ns(), ns::ROSTER | ns::BLOCKING))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use waxwing_xmpp::ns;
    use waxwing_xmpp::xml::Element;

    use super::*;
    use crate::archive::{ArchiveQuery, PageFrom};
    use crate::testing::{Client, World, jid};

    /// Another server that takes everything, except from a domain that cannot be reached.
    #[derive(Default)]
    struct Elsewhere(Mutex<Vec<Stanza>>);

    impl Federation for Elsewhere {
        fn send(&self, stanza: Stanza) -> Result<()> {
            if stanza.to.as_ref().is_some_and(|to| to.domain() == "gone.example") {
                return Err(Error::RemoteServerTimeout);
            }
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stanza);
            Ok(())
        }
    }

    impl Elsewhere {
        fn sent(&self) -> Vec<Stanza> {
            std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    async fn world() -> (World, Arc<Elsewhere>, Client) {
        let world = World::of(&["romeo", "juliet"]).await;
        let elsewhere = Arc::<Elsewhere>::default();
        world.chat.federate(Arc::<Elsewhere>::clone(&elsewhere));
        let romeo = world.online("romeo", "a").await;
        while !romeo.chat.replay(&romeo.session).await.expect("a page").is_empty() {}
        (world, elsewhere, romeo)
    }

    fn stanza(xml: &str) -> Stanza {
        let (name, rest) = xml.split_once(' ').expect("attributes");
        let xml = format!("{name} xmlns='jabber:client' {}", rest.replace('~', "@localhost"));
        Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza")
    }

    async fn archived(world: &World, name: &str) -> usize {
        let query = ArchiveQuery::page(world.owner(name).await.account, PageFrom::Start, 100);
        world.chat.store.archive_page(query).await.expect("a page").items.len()
    }

    fn stanzas(client: &mut Client) -> Vec<Stanza> {
        let mut stanzas = Vec::new();
        while let Some(event) = client.events.try_recv() {
            if let Event::Stanza(delivery) = event {
                stanzas.push(delivery.stanza.stanza().clone());
            }
        }
        stanzas
    }

    /// A message is in the sender's archive before it is queued, once however often it is tried.
    #[tokio::test]
    async fn a_message_for_elsewhere_is_kept_and_sent_once() {
        let (world, elsewhere, romeo) = world().await;
        let message = stanza(
            "<message from='romeo~/a' to='friar@elsewhere.example' type='chat'><body>hi</body>\
             <origin-id xmlns='urn:xmpp:sid:0' id='one'/></message>",
        );
        for _ in 0..2 {
            world.chat.send(&romeo.session, message.clone()).await.expect("taken").await.expect("safe");
        }
        assert_eq!(elsewhere.sent().len(), 1);
        assert_eq!(archived(&world, "romeo").await, 1);
    }

    /// RFC 6120 section 10.4: what has been acknowledged and cannot be delivered comes back as an error.
    #[tokio::test]
    async fn what_cannot_be_delivered_is_told() {
        let (world, _elsewhere, mut romeo) = world().await;
        let message =
            stanza("<message from='romeo~/a' to='friar@gone.example' type='chat'><body>hi</body></message>");
        world.chat.send(&romeo.session, message).await.expect("taken").await.expect("safe");
        let error = loop {
            if let Some(error) = stanzas(&mut romeo).pop() {
                break error;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(error.error().expect("an error").condition, Condition::RemoteServerTimeout);
        assert_eq!(error.from, Some(jid("friar@gone.example")));
    }

    /// RFC 6121 section 8.5.1, XEP-0191 section 3.2, XEP-0359 section 7, XEP-0280 section 11.
    #[tokio::test]
    async fn messages_from_elsewhere_are_taken_for_accounts() {
        let (world, _elsewhere, mut romeo) = world().await;
        let receive = |to: &str| {
            let to = to.to_owned();
            let chat = Arc::clone(&world.chat);
            async move {
                let message = stanza(&format!(
                    "<message from='friar@elsewhere.example/cell' to='{to}' type='chat'><body>hi</body>\
                     <received xmlns='urn:xmpp:carbons:2'/><result xmlns='urn:xmpp:mam:2' id='1'/>\
                     <stanza-id xmlns='urn:xmpp:sid:0' by='romeo~' id='666'/></message>"
                ));
                chat.receive_message(message).await?.await
            }
        };
        receive("romeo~/a").await.expect("taken");
        let got = stanzas(&mut romeo);
        assert_eq!(got.len(), 1);
        assert!(got[0].child(ns::CARBONS, "received").is_none() && got[0].child(ns::MAM, "result").is_none());
        let id = got[0].child(ns::STANZA_ID, "stanza-id").and_then(|id| id.attr("id"));
        assert!(id.is_some_and(|id| id != "666"));
        assert_eq!(archived(&world, "romeo").await, 1);
        assert!(matches!(receive("nobody~").await, Err(Error::ServiceUnavailable)));
        assert!(matches!(receive("x@third.example").await, Err(Error::ServiceUnavailable)));
        let blocked = vec![jid("friar@elsewhere.example")];
        world.chat.block(&world.owner("romeo").await, blocked).await.expect("blocked");
        assert!(matches!(receive("romeo~").await, Err(Error::ServiceUnavailable)));
    }

    /// CVE-2024-46957: an answer comes through to who asked, from whom he asked, once.
    #[tokio::test]
    async fn answers_belong_to_questions() {
        let (world, elsewhere, mut romeo) = world().await;
        let from = romeo.session.jid.clone();
        let ask = stanza(
            "<iq from='romeo~/a' to='friar@elsewhere.example/cell' type='get' id='q'><query xmlns='urn:x'/></iq>",
        );
        world.chat.relay(&from, ask).await.expect("sent");
        assert_eq!(elsewhere.sent().len(), 1);
        for (who, id, through) in [
            ("tybalt@elsewhere.example/cell", "q", 0),
            ("friar@elsewhere.example/cell", "other", 0),
            ("friar@elsewhere.example/cell", "q", 1),
            ("friar@elsewhere.example/cell", "q", 0),
        ] {
            let answer = stanza(&format!("<iq from='{who}' to='romeo~/a' type='result' id='{id}'/>"));
            world.chat.receive_iq(answer).await.expect("no error about an answer");
            assert_eq!(stanzas(&mut romeo).len(), through, "{who} {id}");
        }
        let push = stanza(
            "<iq from='friar@elsewhere.example' to='romeo~/a' type='set' id='p'><query xmlns='jabber:iq:roster'/></iq>",
        );
        assert!(matches!(world.chat.receive_iq(push).await, Err(Error::ServiceUnavailable)));
    }

    /// RFC 6121 sections 3.1.2 and 4.6: requests are repeated until they are answered; who got directed presence is told of
    /// its end; only addresses of ours speak.
    #[tokio::test]
    async fn presence_leaves_for_elsewhere() {
        let (world, elsewhere, romeo) = world().await;
        romeo.send("<presence to='friar@elsewhere.example' type='subscribe'/>").await;
        romeo.send("<presence to='nurse@elsewhere.example'/>").await;
        assert_eq!(elsewhere.sent().len(), 2);
        romeo.leave().await;
        let sent = elsewhere.sent();
        assert!(sent.iter().any(|s| s.to == Some(jid("nurse@elsewhere.example"))), "{sent:?}");
        let _again = world.online("romeo", "b").await;
        let asked = elsewhere.sent();
        let repeated = asked.iter().filter(|s| s.to == Some(jid("friar@elsewhere.example")));
        assert_eq!(repeated.count(), 1, "{asked:?}");
        let forged = stanza("<message from='a@third.example' to='friar@elsewhere.example'/>");
        assert!(world.chat.to_remote(forged).is_err());
    }
}
