//! What an owner does with his room: configuring it and ending it (XEP-0045 sections 10.1, 10.2 and 10.9).

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::configuration::Configuration;
use super::moderation::{CHANGES_LIMIT, Change, Named, REASON_BYTES_LIMIT};
use super::news::RoomEvent;
use super::role::Role;
use super::room::Room;
use super::store::RoomChange;
use super::telling;
use crate::chat::Chat;
use crate::error::{Error, Result};

/// The field with all owners of a room.
pub const OWNERS_FIELD: &str = "muc#roomconfig_roomowners";

/// The field with all its admins.
pub const ADMINS_FIELD: &str = "muc#roomconfig_roomadmins";

/// How a room is configured, with those who keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// The options.
    pub configuration: Configuration,
    /// Its owners.
    pub owners: Vec<Jid>,
    /// Its admins.
    pub admins: Vec<Jid>,
}

/// What those who are in a room that ends are told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Farewell {
    /// Where to go instead.
    pub alternate: Option<Jid>,
    /// The password of that place.
    pub password: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl Room {
    pub(super) fn must_own(&self, asker: &Jid) -> Result<()> {
        let affiliation = self.visible_to(asker)?.affiliation(&asker.to_bare());
        if affiliation == Affiliation::Owner { Ok(()) } else { Err(Error::Forbidden) }
    }

    fn configured(&self) -> Result<Configured> {
        let state = self.state()?;
        let all = |wanted: Affiliation| {
            let mut list: Vec<Jid> = state
                .affiliates
                .values()
                .filter(|affiliate| affiliate.affiliation == wanted)
                .map(|affiliate| affiliate.jid.clone())
                .collect();
            list.sort();
            list
        };
        Ok(Configured {
            configuration: state.configuration().clone(),
            owners: all(Affiliation::Owner),
            admins: all(Affiliation::Admin),
        })
    }

    /// Takes a filled-in form; without fields the room is as it stands (section 10.1.2).
    pub(super) async fn configure(
        &mut self,
        actor: Option<&Jid>,
        fields: Vec<(String, Vec<String>)>,
    ) -> Result<()> {
        if let Some(actor) = actor {
            self.must_own(actor)?;
        }
        let before = self.state()?.configuration().clone();
        let mut after = before.clone();
        let mut lists = Vec::new();
        for (var, values) in &fields {
            match var.as_str() {
                OWNERS_FIELD => lists.push((Affiliation::Owner, values)),
                ADMINS_FIELD => lists.push((Affiliation::Admin, values)),
                // A form may have grown meanwhile: what is not known changes nothing.
                var => drop(after.set(var, values)?),
            }
        }
        after.check()?;
        let mut changes = Vec::new();
        for (affiliation, values) in lists {
            self.compare(affiliation, values, &mut changes)?;
        }
        if let Some(actor) = actor
            && !changes.is_empty()
        {
            self.change(actor, changes).await?;
        }
        self.keep(RoomChange::Configuration(after.clone())).await?;
        let record = &mut self.state_mut()?.record;
        record.configuration = after.clone();
        record.locked = false;
        self.configuration_changed(&before, &after);
        self.end_if_deserted().await
    }

    /// Turns a full list into changes. Whoever is on neither list any more becomes a member.
    fn compare(&self, affiliation: Affiliation, values: &[String], changes: &mut Vec<Change>) -> Result<()> {
        let mut wanted = Vec::new();
        for value in values.iter().filter(|value| !value.is_empty()) {
            wanted.push(Jid::new(value).map_err(|_| Error::JidMalformed)?.to_bare());
        }
        let state = self.state()?;
        let mut push = |jid: &Jid, affiliation| {
            changes.retain(|change: &Change| {
                change.who != Named::Jid(jid.clone()) || change.affiliation != Some(Affiliation::Member)
            });
            changes.push(Change {
                who: Named::Jid(jid.clone()),
                role: None,
                affiliation: Some(affiliation),
                nick: None,
                reason: None,
            });
        };
        for jid in &wanted {
            if state.affiliation(jid) != affiliation {
                push(jid, affiliation);
            }
        }
        for (jid, known) in &state.affiliates {
            if known.affiliation == affiliation && !wanted.contains(jid) {
                push(jid, Affiliation::Member);
            }
        }
        if changes.len() > CHANGES_LIMIT {
            return Err(Error::NotAcceptable("too many changes at one time"));
        }
        Ok(())
    }

    /// Section 10.2: who may no longer be here goes, and everybody hears what concerns him.
    fn configuration_changed(&self, before: &Configuration, after: &Configuration) {
        let mut codes = Vec::new();
        let mut changed = |was: bool, is: bool, on: u16, off: u16| {
            if was != is {
                codes.push(if is { on } else { off });
            }
        };
        changed(before.logging, after.logging, 170, 171);
        changed(before.non_anonymous, after.non_anonymous, 172, 173);
        let others =
            Configuration { logging: after.logging, non_anonymous: after.non_anonymous, ..before.clone() };
        if others != *after {
            codes.push(104);
        }
        if after.members_only && !before.members_only {
            let mut occupants = self.floor.occupants();
            let strangers: Vec<String> = occupants
                .iter()
                .filter(|occupant| occupant.affiliation < Affiliation::Member)
                .map(|occupant| occupant.nick().to_owned())
                .collect();
            for nick in strangers {
                self.put_out(&mut occupants, &nick, 322, None, None);
            }
        }
        if before.is_open() && !after.is_open() {
            self.close_to_strangers();
        }
        self.give_voice(before, after);
        if !codes.is_empty() {
            self.say(telling::statuses(&self.jid, &codes));
            self.tell_listeners(RoomEvent::Changed(self.jid.clone()));
        }
        if before.non_anonymous != after.non_anonymous {
            self.tell_everybody_anew();
        }
    }

    /// Who has a voice only because of how the room was configured has it, or loses it, with the configuration. Nobody is
    /// without voice in a room that is not moderated (section 5.1.3).
    fn give_voice(&self, before: &Configuration, after: &Configuration) {
        let freed = before.has_listeners() && !after.has_listeners();
        let mut occupants = self.floor.occupants();
        let mut changed = Vec::new();
        for occupant in occupants.iter_mut().filter(|occupant| occupant.role < Role::Moderator) {
            let (was, is) = (before.role_of(occupant.affiliation), after.role_of(occupant.affiliation));
            let follows = was != is && occupant.role == was && after.announcements != before.announcements;
            let to = if freed { Role::Participant } else { is };
            if (freed || follows) && occupant.role != to {
                occupant.role = to;
                changed.push(occupant.nick().to_owned());
            }
        }
        for nick in changed {
            if let Some(occupant) = occupants.named(&nick) {
                self.tell_current(&occupants, occupant, None);
            }
        }
    }

    async fn destroy(&mut self, actor: Option<&Jid>, farewell: Farewell) -> Result<()> {
        match actor {
            Some(actor) => self.must_own(actor)?,
            None => drop(self.state()?),
        }
        let mut destroy = Element::new(ns::MUC_USER, "destroy");
        if let Some(alternate) = &farewell.alternate {
            destroy.set_attr("jid", alternate.as_str());
        }
        if let Some(password) = &farewell.password {
            destroy.append(Element::new(ns::MUC_USER, "password").with_text(password));
        }
        if let Some(text) = farewell.reason.filter(|reason| reason.len() <= REASON_BYTES_LIMIT) {
            destroy.append(telling::reason(&text));
        }
        self.end(destroy).await
    }
}

impl Chat {
    /// How a room is configured, for one of its owners.
    pub async fn room_configuration(&self, room: &Jid, asker: &Jid) -> Result<Configured> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| {
            Box::pin(async move {
                room.must_own(&asker)?;
                room.configured()
            })
        })
        .await?
    }

    /// Configures a room, in the name of one of its owners or, with `None`, of the server itself. Fields are those of
    /// `muc#roomconfig`; none at all accepts the room as it is.
    pub async fn configure_room(
        &self,
        room: &Jid,
        actor: Option<&Jid>,
        fields: Vec<(String, Vec<String>)>,
    ) -> Result<()> {
        let actor = actor.cloned();
        self.in_room(room, move |room| Box::pin(async move { room.configure(actor.as_ref(), fields).await }))
            .await?
    }

    /// An owner gives up configuring. A room that never was configured ends with that (section 10.1.3).
    pub async fn cancel_configuration(&self, room: &Jid, actor: &Jid) -> Result<()> {
        let actor = actor.clone();
        self.in_room(room, move |room| {
            Box::pin(async move {
                room.must_own(&actor)?;
                if !room.state()?.record.locked {
                    return Ok(());
                }
                room.destroy(Some(&actor), Farewell::default()).await
            })
        })
        .await?
    }

    /// Ends a room, in the name of one of its owners or, with `None`, of the server itself.
    pub async fn destroy_room(&self, room: &Jid, actor: Option<&Jid>, farewell: Farewell) -> Result<()> {
        let actor = actor.cloned();
        self.in_room(room, move |room| Box::pin(async move { room.destroy(actor.as_ref(), farewell).await }))
            .await?
    }

    /// Makes a room that stays, in the name of the server itself. `Conflict` when there is one at this address.
    pub async fn create_room(&self, room: &Jid, owner: &Jid) -> Result<()> {
        let owner = owner.to_bare();
        self.in_room(room, move |room| {
            Box::pin(async move {
                if room.exists() {
                    return Err(Error::Conflict);
                }
                let configuration = Configuration { persistent: true, ..Configuration::default() };
                room.found(&owner, configuration, false).await
            })
        })
        .await?
    }

    /// Ends rooms that nothing keeps and nobody is in, left over from before a restart.
    pub async fn end_deserted_rooms(&self) -> Result<()> {
        for record in self.store.rooms(super::store::RoomFilter::Passing, None, DESERTED_AT_ONCE).await? {
            let elsewhere = match self.cluster() {
                Some(cluster) => cluster.has_home(&record.jid).await?,
                None => false,
            };
            if !elsewhere && !self.rooms.is_awake(&record.jid) {
                self.in_room(&record.jid, |room| Box::pin(room.end_if_deserted())).await??;
            }
        }
        Ok(())
    }
}

/// How many deserted rooms are looked at in one go.
const DESERTED_AT_ONCE: usize = 100;
