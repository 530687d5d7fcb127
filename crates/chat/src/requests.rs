//! Requests and answers (IQ) between clients: passed to exactly the session addressed, or refused (RFC 6121 section 8.5.3).

use std::sync::Arc;

use waxwing_xmpp::stanza::{IqType, Kind, Outgoing, Stanza};

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::rooms::occupants::Seat;
use crate::route::Destination;
use crate::service::Service;
use crate::session::Session;

impl Chat {
    /// Passes a request or an answer to another client. A request that reaches nobody is refused; an answer that reaches
    /// nobody is dropped (RFC 6120 section 8.2.3).
    pub async fn relay(&self, sender: &Arc<Session>, stanza: Stanza) -> Result<()> {
        let answer = matches!(stanza.kind, Kind::Iq(IqType::Result | IqType::Error));
        match self.pass_on(sender, stanza).await {
            Err(_) if answer => Ok(()),
            outcome => outcome,
        }
    }

    async fn pass_on(&self, sender: &Arc<Session>, stanza: Stanza) -> Result<()> {
        let to = stanza.to.as_ref().ok_or(Error::ServiceUnavailable)?;
        let session = match self.locate(to) {
            Destination::Service(Service::Rooms) if to.is_full() => {
                return self.room_iq(Seat::Local(Arc::clone(sender)), stanza).await;
            }
            Destination::Session(session) => session,
            Destination::Remote => return Err(Error::RemoteServerNotFound),
            Destination::Account(_) | Destination::Server | Destination::Service(_) => {
                return Err(Error::ServiceUnavailable);
            }
        };
        if !session.jid.same_bare(&sender.jid) {
            let sending = self.profile(&sender.jid.to_bare()).await?.ok_or(Error::Forbidden)?;
            if sending.blocks(to) {
                return Err(Error::Blocked);
            }
            let receiving = self.profile(&to.to_bare()).await?.ok_or(Error::ServiceUnavailable)?;
            if receiving.blocks(&sender.jid) {
                return Err(Error::ServiceUnavailable);
            }
        }
        let delivery = Delivery { stanza: Arc::new(Outgoing::new(stanza)), archived: None };
        if session.push(Event::Stanza(delivery)) { Ok(()) } else { Err(Error::ServiceUnavailable) }
    }
}
