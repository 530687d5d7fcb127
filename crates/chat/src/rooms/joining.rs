//! Presence in a room: entering, leaving, another nickname, another state (XEP-0045 sections 7.2, 7.6, 7.7 and 7.14).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, PresenceType, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::affiliation::Affiliation;
use super::configuration::{Configuration, OCCUPANTS_RESERVE};
use super::history::Wanted;
use super::kept_presence::KeptPresence;
use super::nicknames::{check_nick, tidy_nick};
use super::occupants::{Occupant, Seat};
use super::role::Role;
use super::room::{Floor, Room, SECRET_BYTES, State};
use super::store::{Affiliate, RoomId, RoomRecord};
use super::telling::{self, Notice};
use crate::account;
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::people::photo_hash::Repictured;
use crate::session::Session;
use crate::settings::RoomCreation;

/// Bytes of the presence that is kept of an occupant.
pub(super) const PRESENCE_BYTES_LIMIT: usize = 8192;

impl Room {
    /// Takes presence addressed to the room or somebody in it.
    pub(super) async fn presence(&mut self, seat: Seat, stanza: Stanza) -> Result<()> {
        let Kind::Presence(kind) = stanza.kind else {
            return Err(Error::BadRequest("not a presence stanza"));
        };
        match kind {
            PresenceType::Available => self.available(seat, stanza).await,
            // A session that has come anew elsewhere under the same address is there still.
            PresenceType::Unavailable if self.sits_elsewhere(&seat) => Ok(()),
            PresenceType::Unavailable => self.leave(seat.jid(), &stanza, Vec::new()).await,
            // Section 18.1.2 of the notes on ghosts: whoever cannot be reached is not there.
            PresenceType::Error => self.leave(seat.jid(), &bare_leave(), vec![333]).await,
            // Nobody subscribes to a room, and what it knows of somebody it tells those in it.
            _ => Ok(()),
        }
    }

    async fn available(&mut self, seat: Seat, stanza: Stanza) -> Result<()> {
        let to = stanza.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        let nick = to.resource().ok_or(Error::JidMalformed)?;
        check_nick(nick)?;
        if stanza.element.memory() > PRESENCE_BYTES_LIMIT {
            return Err(Error::NotAcceptable("the presence is too large"));
        }
        let join = stanza.child(ns::MUC, "x");
        let present = self.floor.occupants().at(seat.jid()).map(|occupant| occupant.jid.clone());
        if let Some(own) = &present
            && self.sits_elsewhere(&seat)
        {
            self.floor.occupants().reseat(&seat);
            seat.enter(&self.chat, own, self.floor.heard());
        }
        let tidied = self.jid.with_resource(&tidy_nick(nick)).map_err(|_| Error::JidMalformed)?;
        match (present, join) {
            (Some(own), None) if own == tidied => self.update(&seat, &stanza),
            (Some(own), Some(join))
                if own.resource() == Some(&*self.allowed_nick(&seat.jid().to_bare(), nick)) =>
            {
                // Section 7.2.1: the client has lost track, and is told everything once more.
                let wanted = Wanted::read(Some(join));
                self.update_quietly(&seat, &stanza);
                // Its node may have lost track as well.
                seat.stay(&self.chat, &own, &own, self.floor.heard());
                self.welcome(&seat, &own, wanted, Vec::new(), stanza.id.clone()).await
            }
            (Some(_), _) => self.rename(&seat, nick, &stanza),
            // Section 7.2.17: whoever thinks he is here is told that he is not.
            (None, None) => {
                turn_away(&self.chat, &seat, &to);
                Ok(())
            }
            (None, Some(join)) => self.enter(seat, nick, join, &stanza).await,
        }
    }

    /// Whether the room knows another session under this address: one of another node, or an older one.
    fn sits_elsewhere(&self, seat: &Seat) -> bool {
        let occupants = self.floor.occupants();
        let known = occupants
            .at(seat.jid())
            .and_then(|occupant| occupant.seats.iter().find(|known| known.jid() == seat.jid()));
        known.is_some_and(|known| !known.is_of(&self.chat, seat))
    }

    /// Section 7.2.
    async fn enter(&mut self, seat: Seat, wanted: &str, join: ElementRef<'_>, stanza: &Stanza) -> Result<()> {
        let bare = seat.jid().to_bare();
        let mut statuses = Vec::new();
        if self.state.is_none() {
            self.create(&bare).await?;
            statuses.push(201);
        }
        let nick = self.allowed_nick(&bare, wanted);
        if nick != wanted {
            // Section 7.2.3.
            statuses.push(210);
        }
        let entered = self.try_enter(&seat, &nick, join, stanza, statuses).await;
        if entered.is_err() {
            self.end_if_deserted().await?;
        }
        entered
    }

    /// The nickname that somebody gets who wants this one: without spaces that are too many, and where nicknames are locked
    /// the one that is kept for him.
    fn allowed_nick(&self, bare: &Jid, wanted: &str) -> String {
        let kept = self.state.as_ref().and_then(|state| state.locked_nick(bare));
        kept.map_or_else(|| tidy_nick(wanted), str::to_owned)
    }

    async fn try_enter(
        &mut self,
        seat: &Seat,
        nick: &str,
        join: ElementRef<'_>,
        stanza: &Stanza,
        statuses: Vec<u16>,
    ) -> Result<()> {
        let bare = seat.jid().to_bare();
        let own = self.jid.with_resource(nick).map_err(|_| Error::JidMalformed)?;
        let password = join.child(ns::MUC, "password").map(|password| password.text().into_owned());
        let affiliation = self.admit(&bare, nick, password.as_deref())?;
        if !seat.enter(&self.chat, &own, self.floor.heard()) {
            return Err(Error::ResourceConstraint("the session is in too many rooms"));
        }
        let content = telling::presence_content(&stanza.element, |domain| self.chat.is_ours(domain));
        let seated = self.sit_down(seat, &own, affiliation, content);
        if seated.is_err() {
            seat.leave(&self.chat, &own);
        }
        seated?;
        self.welcome(seat, &own, Wanted::read(Some(join)), statuses, stanza.id.clone()).await
    }

    /// Whether somebody may enter (sections 7.2.5 to 7.2.10), in the order in which less is given away.
    fn admit(&self, bare: &Jid, nick: &str, password: Option<&str>) -> Result<Affiliation> {
        let state = self.visible_to(bare)?;
        let configuration = state.configuration();
        let affiliation = state.affiliation(bare);
        if affiliation == Affiliation::Outcast {
            return Err(Error::Forbidden);
        }
        if configuration.members_only && affiliation < Affiliation::Member {
            return Err(Error::RegistrationRequired);
        }
        // The one who has just created the room cannot know what its password is going to be.
        if configuration.password_protected
            && !state.record.locked
            && !password.is_some_and(|given| same(given, &configuration.password))
        {
            return Err(Error::NotAuthorized);
        }
        if state.is_reserved_from(nick, bare) {
            return Err(Error::Conflict);
        }
        let occupants = self.floor.occupants();
        match occupants.claimed(nick) {
            Some(other) if other.bare != *bare => return Err(Error::Conflict),
            // His own, but written so that it only looks the same.
            Some(other) if occupants.named(nick).is_none_or(|same| same.jid != other.jid) => {
                return Err(Error::Conflict);
            }
            Some(_) => return Ok(affiliation),
            None => {}
        }
        // Section 7.2.9: some places are kept for those who keep order.
        let reserve = if affiliation >= Affiliation::Admin { OCCUPANTS_RESERVE } else { 0 };
        if occupants.len() >= configuration.occupants_limit + reserve {
            return Err(Error::Crowded);
        }
        Ok(affiliation)
    }

    /// Gives somebody his place: a new one, or one beside another of his clients (section 7.2.8).
    fn sit_down(&mut self, seat: &Seat, own: &Jid, affiliation: Affiliation, content: Element) -> Result<()> {
        let state = self.state()?;
        let nick = own.resource().unwrap_or_default();
        let mut occupants = self.floor.occupants();
        if occupants.named(nick).is_some() {
            let content = occupants.kept(&content);
            if let Some(present) = occupants.named_mut(nick) {
                present.presence = content;
            }
            return occupants.join(nick, seat.clone());
        }
        let bare = seat.jid().to_bare();
        let presence = occupants.kept(&content);
        occupants.add(Occupant {
            jid: own.clone(),
            id: state.occupant_id(&bare),
            affiliation,
            role: state.configuration().role_of(affiliation),
            hats: state.hats.of(&bare),
            bare,
            seats: vec![seat.clone()],
            presence,
        });
        Ok(())
    }

    /// Tells a newcomer who is there, himself last, then what was said, then the subject; and everybody else of him
    /// (section 7.1).
    async fn welcome(
        &mut self,
        seat: &Seat,
        own: &Jid,
        wanted: Wanted,
        mut statuses: Vec<u16>,
        id: Option<Box<str>>,
    ) -> Result<()> {
        let state = self.state()?;
        // Read before anybody hears of him: nothing is said meanwhile, as the room does one thing at a time.
        let past = self.past(state, wanted).await?;
        let configuration = state.configuration();
        if configuration.non_anonymous {
            statuses.push(100);
        }
        if configuration.logging {
            statuses.push(170);
        }
        let occupants = self.floor.occupants();
        let Some(himself) = occupants.at(seat.jid()).filter(|occupant| occupant.jid == *own) else {
            return Err(Error::NotFound);
        };
        let with_jid = telling::sees_addresses(configuration, himself.role);
        let others = occupants.iter().filter(|other| other.jid != himself.jid);
        let mut told: Vec<Stanza> = others
            .filter(|other| configuration.shows(other.role))
            .map(|other| telling::current_presence(other, with_jid))
            .collect();
        let content = himself.presence.content();
        let notice = Notice {
            real: Some(seat.jid()),
            own_statuses: statuses,
            id,
            ..Notice::of(himself, PresenceType::Available, &content)
        };
        told.push(telling::own_presence(&notice));
        told.extend(past);
        told.push(self.subject(state));
        seat.push_all(&self.chat, told);
        // The others, and his other clients; he himself has it already.
        let rest: Vec<Seat> =
            himself.seats.iter().filter(|other| other.jid() != seat.jid()).cloned().collect();
        let shadow = Occupant {
            jid: himself.jid.clone(),
            bare: himself.bare.clone(),
            affiliation: himself.affiliation,
            role: himself.role,
            id: himself.id,
            seats: rest,
            presence: himself.presence.clone(),
            hats: himself.hats.clone(),
        };
        let notice =
            Notice { real: Some(seat.jid()), ..Notice::of(&shadow, PresenceType::Available, &content) };
        self.tell(&occupants, &notice);
        Ok(())
    }

    /// Section 7.7.
    fn update(&mut self, seat: &Seat, stanza: &Stanza) -> Result<()> {
        self.update_quietly(seat, stanza);
        let occupants = self.floor.occupants();
        if let Some(occupant) = occupants.at(seat.jid()) {
            let content = occupant.presence.content();
            let notice =
                Notice { id: stanza.id.clone(), ..Notice::of(occupant, PresenceType::Available, &content) };
            self.tell(&occupants, &notice);
        }
        Ok(())
    }

    /// Tells everybody of another picture of somebody who is here (XEP-0398 section 4). What he said when he came in stays as it
    /// was but for that.
    pub(crate) fn another_picture(
        &mut self,
        seat: &Seat,
        before: Option<&str>,
        hash: Option<&str>,
    ) -> Result<()> {
        let kept = self.floor.occupants().at(seat.jid()).map(|occupant| occupant.presence.content());
        let Some(kept) = kept else { return Ok(()) };
        let said = kept.children().fold(Stanza::presence(PresenceType::Available), |stanza, child| {
            stanza.with_child(child.to_element())
        });
        let now = Repictured::of(said.clone(), before, hash);
        if now.shown != said {
            self.update(seat, &now.shown)?;
            self.update_quietly(seat, &now.kept);
        }
        Ok(())
    }

    fn update_quietly(&mut self, seat: &Seat, stanza: &Stanza) {
        let content = telling::presence_content(&stanza.element, |domain| self.chat.is_ours(domain));
        let mut occupants = self.floor.occupants();
        let content = occupants.kept(&content);
        if let Some(occupant) = occupants.at_mut(seat.jid()) {
            occupant.presence = content;
        }
    }

    /// Section 7.6. All clients that share the nickname get the other one.
    fn rename(&mut self, seat: &Seat, wanted: &str, stanza: &Stanza) -> Result<()> {
        let state = self.state()?;
        let bare = seat.jid().to_bare();
        if state.locked_nick(&bare).is_some_and(|kept| kept != wanted) {
            return Err(Error::NotAcceptable("nicknames are locked in this room"));
        }
        let nick = &tidy_nick(wanted);
        let own_statuses = if nick == wanted { Vec::new() } else { vec![210] };
        let new = self.jid.with_resource(nick).map_err(|_| Error::JidMalformed)?;
        let mut occupants = self.floor.occupants();
        let Some(old) = occupants.at(seat.jid()).map(|occupant| occupant.jid.clone()) else {
            return Err(Error::NotFound);
        };
        let old_nick = old.resource().unwrap_or_default();
        // The same person under a nickname that only differs in case is no conflict.
        let taken = occupants.claimed(nick).is_some_and(|other| other.jid != old);
        if taken || state.is_reserved_from(nick, &bare) {
            return Err(Error::Conflict);
        }
        let Some(mut occupant) = occupants.remove(old_nick) else { return Err(Error::NotFound) };
        let nothing = telling::empty_presence();
        let real = Some(seat.jid());
        let notice = Notice {
            real,
            statuses: vec![303],
            nick: Some(nick),
            ..Notice::of(&occupant, PresenceType::Unavailable, &nothing)
        };
        self.tell(&occupants, &notice);
        for seat in &occupant.seats {
            seat.stay(&self.chat, &old, &new, self.floor.heard());
        }
        occupant.jid = new;
        let content = telling::presence_content(&stanza.element, |domain| self.chat.is_ours(domain));
        occupant.presence = occupants.kept(&content);
        occupants.add(occupant);
        if let Some(occupant) = occupants.at(seat.jid()) {
            let notice = Notice {
                real,
                id: stanza.id.clone(),
                own_statuses,
                ..Notice::of(occupant, PresenceType::Available, &content)
            };
            self.tell(&occupants, &notice);
        }
        Ok(())
    }

    /// Section 7.14. One who is not there is not told so: he wanted to be gone.
    pub(super) async fn leave(&mut self, jid: &Jid, stanza: &Stanza, statuses: Vec<u16>) -> Result<()> {
        {
            let mut occupants = self.floor.occupants();
            let own = occupants.at(jid).map(|occupant| occupant.jid.clone());
            let content = telling::presence_content(&stanza.element, |domain| self.chat.is_ours(domain));
            match (occupants.leave(jid), own) {
                (Some(Ok(gone)), _) => {
                    gone.seats.iter().for_each(|seat| seat.leave(&self.chat, &gone.jid));
                    let id = stanza.id.clone();
                    let notice =
                        Notice { statuses, id, ..Notice::of(&gone, PresenceType::Unavailable, &content) };
                    self.tell(&occupants, &notice);
                }
                (Some(Err(seat)), Some(own)) => {
                    // Others of his clients stay, so nobody but this one is told.
                    seat.leave(&self.chat, &own);
                    if let Some(stays) = occupants.named(own.resource().unwrap_or_default()) {
                        let notice = Notice {
                            statuses,
                            id: stanza.id.clone(),
                            ..Notice::of(stays, PresenceType::Unavailable, &content)
                        };
                        seat.push_all(&self.chat, vec![telling::own_presence(&notice)]);
                    }
                }
                _ => return Ok(()),
            }
        }
        self.end_if_deserted().await
    }

    /// Section 10.1.1.
    async fn create(&mut self, creator: &Jid) -> Result<()> {
        self.chat.may_create_room(creator).await?;
        self.found(creator, Configuration::default(), true).await
    }

    /// Makes the room, with its first owner.
    pub(super) async fn found(
        &mut self,
        owner: &Jid,
        configuration: Configuration,
        locked: bool,
    ) -> Result<()> {
        let mut secret = vec![0; SECRET_BYTES];
        self.chat.fill_random(&mut secret);
        let mut record = RoomRecord {
            id: RoomId(0),
            jid: self.jid.clone(),
            creator: owner.clone(),
            created_ms: self.chat.now_ms(),
            locked,
            configuration,
            subject: None,
            secret,
        };
        let owner = Affiliate {
            jid: owner.clone(),
            affiliation: Affiliation::Owner,
            nick: None,
            reason: None,
            seen: ArchiveId::default(),
        };
        record.id = self.chat.store.create_room(record.clone(), owner.clone()).await?;
        // Whoever listened to one that was here before does not listen to this one.
        self.floor = Arc::new(Floor::new(self.chat.rooms.listening.of(record.id)));
        self.state = Some(State::new(record, vec![owner.clone()]));
        self.belongs_otherwise(&[(owner, Affiliation::None)], None);
        Ok(())
    }

    /// Somebody whose stream was kept over a restart is in the room again, as if he had never left.
    async fn reenter(
        &mut self,
        session: &Arc<Session>,
        own: &Jid,
        content: Element,
        since_ms: u64,
    ) -> Result<()> {
        let seat = Seat::Local(Arc::clone(session));
        let nick = own.resource().ok_or(Error::JidMalformed)?;
        let state = self.state()?;
        let password = state.configuration().password.clone();
        let affiliation = self.admit(&session.bare, nick, Some(&password))?;
        if !session.enter_room(own.clone()) {
            return Err(Error::ResourceConstraint("the session is in too many rooms"));
        }
        let content = telling::presence_content(&content, |domain| self.chat.is_ours(domain));
        self.sit_down(&seat, own, affiliation, content)?;
        let wanted = Wanted::since(since_ms);
        self.welcome(&seat, own, wanted, Vec::new(), None).await
    }

    /// Somebody whose stream was kept over a restart has not come back: those who did still believe him here.
    pub(super) fn never_came_back(&mut self, own: &Jid) {
        let occupants = self.floor.occupants();
        let here = occupants.named(own.resource().unwrap_or_default());
        if here.is_some() || self.state.is_none() {
            return;
        }
        let gone = Occupant {
            jid: own.clone(),
            bare: own.to_bare(),
            affiliation: Affiliation::None,
            role: Role::Participant,
            id: None,
            seats: Vec::new(),
            presence: KeptPresence::empty(),
            hats: None,
        };
        let nothing = telling::empty_presence();
        self.tell(&occupants, &Notice::of(&gone, PresenceType::Unavailable, &nothing));
    }
}

impl Chat {
    /// Whether somebody may create one more room (section 10.1.1).
    pub async fn may_create_room(&self, creator: &Jid) -> Result<()> {
        let settings = self.settings();
        let account = match self.is_local(creator.domain()) {
            true => self.store.account(creator).await?,
            false => None,
        };
        let account = account.ok_or(Error::NotAllowed)?;
        if account.role == account::Role::Administrator {
            return Ok(());
        }
        if settings.room_creation == RoomCreation::Administrators
            || self.store.rooms_created_by(creator).await? >= settings.rooms_per_creator_limit
        {
            return Err(Error::NotAllowed);
        }
        Ok(())
    }

    /// Puts a session that was kept over a restart back into a room. If that cannot be, its client is told that it is out.
    ///
    /// What was said since this moment, in milliseconds since the Unix epoch, it has not heard.
    pub async fn reenter_room(&self, session: &Arc<Session>, own: &Jid, presence: Element, since_ms: u64) {
        let (seat, place) = (Arc::clone(session), own.clone());
        let done = self.in_room(own, move |room| {
            Box::pin(async move { room.reenter(&seat, &place, presence, since_ms).await })
        });
        if !matches!(done.await, Ok(Ok(()))) {
            session.leave_room(own);
            turn_away(self, &Seat::Local(Arc::clone(session)), own);
        }
    }

    /// A stream that was kept over a restart has not been resumed in time; it was in the room under this address.
    pub async fn never_came_back(&self, own: &Jid) -> Result<()> {
        let place = own.clone();
        self.in_room(own, move |room| {
            Box::pin(async move {
                room.never_came_back(&place);
                room.end_if_deserted().await
            })
        })
        .await?
    }
}

/// Tells a client that it is not in the room it thinks it is in (section 7.2.17).
fn turn_away(chat: &Chat, seat: &Seat, place: &Jid) {
    let item = Element::new(ns::MUC_USER, "item")
        .with_attr("affiliation", "none")
        .with_attr("role", "none")
        .with_child(telling::reason("You are not in the room."));
    let x =
        [SELF_CODE, "307", "333"].iter().fold(Element::new(ns::MUC_USER, "x").with_child(item), |x, code| {
            x.with_child(Element::new(ns::MUC_USER, "status").with_attr("code", code))
        });
    let away = Stanza::presence(PresenceType::Unavailable).with_from(place.clone()).with_child(x);
    seat.push_all(chat, vec![away]);
}

const SELF_CODE: &str = "110";

pub(super) fn bare_leave() -> Stanza {
    Stanza::presence(PresenceType::Unavailable)
}

/// In a time that does not depend on where they differ.
fn same(given: &str, password: &str) -> bool {
    use subtle::ConstantTimeEq;
    given.as_bytes().ct_eq(password.as_bytes()).into()
}
