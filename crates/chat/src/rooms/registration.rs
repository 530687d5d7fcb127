//! Registering with a room, which keeps a nickname (XEP-0045 sections 7.10 and 7.12).

use waxwing_xmpp::jid::Jid;

use super::affiliation::Affiliation;
use super::room::Room;
use crate::chat::Chat;
use crate::error::{Error, Result};

/// What somebody who would like to register is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whether he has an affiliation already.
    pub registered: bool,
    /// The nickname that is kept for him.
    pub nick: Option<String>,
}

impl Room {
    fn registration(&self, asker: &Jid) -> Result<Registration> {
        let state = self.visible_to(asker)?;
        let bare = asker.to_bare();
        match state.affiliation(&bare) {
            Affiliation::Outcast => return Err(Error::Forbidden),
            // Section 7.10: admission to such a room is the admins' business.
            Affiliation::None if state.configuration().members_only => return Err(Error::NotAllowed),
            _ => {}
        }
        let known = state.affiliates.get(&bare);
        Ok(Registration { registered: known.is_some(), nick: known.and_then(|known| known.nick.clone()) })
    }

    async fn register(&mut self, asker: &Jid, nick: String) -> Result<()> {
        self.registration(asker)?;
        let bare = asker.to_bare();
        if nick.is_empty() {
            return Err(Error::NotAcceptable("the nickname is empty"));
        }
        let taken = self.floor.occupants().named(&nick).is_some_and(|occupant| occupant.bare != bare);
        if taken {
            return Err(Error::Conflict);
        }
        let to = self.state()?.affiliation(&bare).max(Affiliation::Member);
        self.affiliate(&bare, to, Some(nick), None).await
    }
}

impl Chat {
    /// What somebody is told who would like to register with a room.
    pub async fn room_registration(&self, room: &Jid, asker: &Jid) -> Result<Registration> {
        let asker = asker.clone();
        self.in_room(room, move |room| Box::pin(async move { room.registration(&asker) })).await?
    }

    /// Registers somebody with a room under a nickname. `Conflict` when that is another's.
    pub async fn register_with_room(&self, room: &Jid, asker: &Jid, nick: String) -> Result<()> {
        let asker = asker.clone();
        self.in_room(room, move |room| Box::pin(async move { room.register(&asker, nick).await })).await?
    }

    /// Ends a registration. Admins and owners have to be made something else first.
    pub async fn unregister_from_room(&self, room: &Jid, asker: &Jid) -> Result<()> {
        let bare = asker.to_bare();
        self.in_room(room, move |room| {
            Box::pin(async move {
                match room.visible_to(&bare)?.affiliation(&bare) {
                    Affiliation::Member => room.affiliate(&bare, Affiliation::None, None, None).await,
                    Affiliation::None => Err(Error::RegistrationRequired),
                    _ => Err(Error::NotAllowed),
                }
            })
        })
        .await?
    }
}
