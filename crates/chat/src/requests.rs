//! Requests and answers (IQ) between clients: passed to exactly the session addressed, or refused (RFC 6121 section 8.5.3).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{IqType, Kind, Outgoing, Stanza};

use crate::chat::Chat;
use crate::cluster::Handing;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::rooms::occupants::Seat;
use crate::route::Destination;
use crate::service::Service;

impl Chat {
    /// Passes a request or an answer to another client. A request that reaches nobody is refused; an answer that reaches
    /// nobody is dropped (RFC 6120 section 8.2.3).
    ///
    /// `sender` is the full address of a local client, or whatever address another server vouches for.
    pub async fn relay(&self, sender: &Jid, stanza: Stanza) -> Result<()> {
        let answer = matches!(stanza.kind, Kind::Iq(IqType::Result | IqType::Error));
        match self.pass_on(sender, stanza).await {
            Err(_) if answer => Ok(()),
            outcome => outcome,
        }
    }

    async fn pass_on(&self, sender: &Jid, stanza: Stanza) -> Result<()> {
        let to = stanza.to.as_ref().ok_or(Error::ServiceUnavailable)?;
        let session = match self.locate(to) {
            Destination::Service(Service::Rooms) if to.is_full() => {
                let seat = self.seat(sender).ok_or(Error::Forbidden)?;
                return self.room_iq(seat, stanza).await;
            }
            Destination::Session(session) => Some(session),
            Destination::Elsewhere(_) => None,
            Destination::Remote => return self.request_remote(sender, stanza).await,
            Destination::Account(_) | Destination::Server | Destination::Service(_) => {
                return Err(Error::ServiceUnavailable);
            }
        };
        if self.is_forged_push(sender, &stanza) {
            return Err(Error::ServiceUnavailable);
        }
        if !to.same_bare(sender) {
            self.check_own_block(sender, to).await?;
            let receiving = self.profile(&to.to_bare()).await?.ok_or(Error::ServiceUnavailable)?;
            if receiving.blocks(sender) {
                return Err(Error::ServiceUnavailable);
            }
        }
        let Some(session) = session else {
            return self.hand_elsewhere(stanza, Handing::Session);
        };
        let delivery = Delivery { stanza: Arc::new(Outgoing::new(stanza)), archived: None };
        if session.push(Event::Stanza(delivery)) { Ok(()) } else { Err(Error::ServiceUnavailable) }
    }

    /// The server itself asks somebody: a client of its own that is connected under this very address, or somebody elsewhere.
    pub fn ask_for_the_server(&self, iq: Stanza) -> Result<()> {
        let to = iq.to.as_ref().ok_or(Error::JidMalformed)?;
        match self.locate(to) {
            Destination::Remote => self.to_remote(iq),
            Destination::Elsewhere(_) => self.hand_elsewhere(iq, Handing::Session),
            Destination::Session(session) => {
                let delivery = Delivery { stanza: Arc::new(Outgoing::new(iq)), archived: None };
                if session.push(Event::Stanza(delivery)) { Ok(()) } else { Err(Error::ServiceUnavailable) }
            }
            _ => Err(Error::ServiceUnavailable),
        }
    }

    /// A client asks somebody at another server, or answers him. The session remembers what it asked, since only that
    /// may be answered.
    async fn request_remote(&self, sender: &Jid, stanza: Stanza) -> Result<()> {
        if !self.is_ours(sender.domain()) {
            return Err(Error::ServiceUnavailable);
        }
        let to = stanza.to.clone().ok_or(Error::ServiceUnavailable)?;
        self.check_own_block(sender, &to).await?;
        let asked = stanza.kind.is_request().then(|| stanza.id.clone()).flatten();
        let asked = asked.and_then(|id| Some((self.sessions.find(sender)?, id)));
        if let Some((session, id)) = &asked {
            session.note_asked(&to, id);
        }
        let sent = self.to_remote(stanza);
        if let (Err(_), Some((session, id))) = (&sent, &asked) {
            session.asked(&to, id);
        }
        sent
    }

    /// Whom an address stands for in a room; none for a session of ours that has gone.
    fn seat(&self, address: &Jid) -> Option<Seat> {
        if self.is_local(address.domain()) {
            self.sessions.find(address).map(Seat::Local)
        } else {
            Some(Seat::Remote(address.clone()))
        }
    }

    /// XEP-0191 section 3.2: nobody writes to whom he blocks.
    async fn check_own_block(&self, sender: &Jid, to: &Jid) -> Result<()> {
        if !self.is_local(sender.domain()) {
            return Ok(());
        }
        let sending = self.profile(&sender.to_bare()).await?.ok_or(Error::Forbidden)?;
        if sending.blocks(to) { Err(Error::Blocked) } else { Ok(()) }
    }
}
