//! What is said in a room by somebody who has not entered it: programs that write in the name of an account.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;

use super::affiliation::Affiliation;
use super::messages::Speaker;
use super::role::Role;
use super::room::Room;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::receipt::Receipt;
use crate::rosters::Owner;

impl Room {
    /// What an account would be in the room if it entered now; refused where it could not enter, or not speak.
    fn outsider(&self, bare: &Jid) -> Result<Role> {
        let state = self.visible_to(bare)?;
        let configuration = state.configuration();
        let affiliation = state.affiliation(bare);
        if affiliation == Affiliation::Outcast {
            return Err(Error::Forbidden);
        }
        if configuration.members_only && affiliation < Affiliation::Member {
            return Err(Error::RegistrationRequired);
        }
        if configuration.password_protected && affiliation < Affiliation::Member {
            return Err(Error::NotAuthorized);
        }
        match configuration.role_of(affiliation) {
            role if role >= Role::Participant => Ok(role),
            _ => Err(Error::Forbidden),
        }
    }

    /// Which of these accounts belong here, with the nicknames that are kept for them.
    fn members_among(&self, accounts: Vec<Owner>) -> Result<Vec<(Owner, Option<String>)>> {
        let state = self.state()?;
        let belongs = |owner: Owner| {
            let known = state.affiliates.get(&owner.jid)?;
            (known.affiliation >= Affiliation::Member).then(|| (owner, known.nick.clone()))
        };
        Ok(accounts.into_iter().filter_map(belongs).collect())
    }

    async fn say_from_outside(&mut self, real: Jid, name: &str, message: Stanza) -> Result<Receipt> {
        let bare = real.to_bare();
        let role = self.outsider(&bare)?;
        let state = self.state()?;
        let own = match state.locked_nick(&bare) {
            Some(locked) => locked.to_owned(),
            None => self.free_nick(&bare, Some(name))?,
        };
        let own = self.jid.with_resource(&own).map_err(|_| Error::JidMalformed)?;
        let id = self.state()?.shown_occupant_id(&real);
        self.utter(&Speaker { own, real, role, id }, message).await
    }
}

impl Chat {
    /// Whether an account may say something in a room without being in it.
    pub(crate) async fn may_speak_in_room(&self, room: &Jid, account: &Jid) -> Result<()> {
        let account = account.clone();
        self.look_into_room_at_once(room, move |room| Box::pin(async move { room.outsider(&account) }))
            .await?
            .map(drop)
    }

    /// What an account lastingly is to a room. `NotFound` where there is none, or none that it may know of.
    pub async fn affiliation_in_room(&self, room: &Jid, account: &Jid) -> Result<Affiliation> {
        let account = account.to_bare();
        let found = self.look_into_room_at_once(room, move |room| {
            Box::pin(async move { room.visible_to(&account).map(|state| state.affiliation(&account)) })
        });
        found.await?
    }

    /// Which of these accounts belong to a room, with the nicknames that are kept for them there.
    pub(crate) async fn members_among(
        &self,
        room: &Jid,
        accounts: Vec<Owner>,
    ) -> Result<Vec<(Owner, Option<String>)>> {
        self.look_into_room_at_once(room, move |room| Box::pin(async move { room.members_among(accounts) }))
            .await?
    }

    /// Says something in a room under a name, for an account that need not be in it. The account's rights in the room hold as
    /// if it had entered; where the name is another's, a number is put behind it. With a full address those who share an
    /// account are apart for others (XEP-0421).
    pub async fn say_in_room(
        self: &Arc<Self>,
        room: &Jid,
        real: &Jid,
        name: &str,
        message: Stanza,
    ) -> Result<Receipt> {
        match self.cluster() {
            Some(cluster) => self.say_in_room_anywhere(cluster, room, real, name, message).await,
            None => self.say_in_room_here(room, real, name, message, None).await,
        }
    }

    /// The same at the room's home.
    pub(crate) async fn say_in_room_here(
        &self,
        room: &Jid,
        real: &Jid,
        name: &str,
        message: Stanza,
        token: Option<String>,
    ) -> Result<Receipt> {
        let (real, name) = (real.clone(), name.to_owned());
        let saying = self.in_room_at_once(room, move |room| {
            room.token = token;
            Box::pin(async move { room.say_from_outside(real, &name, message).await })
        });
        saying.await?
    }
}
