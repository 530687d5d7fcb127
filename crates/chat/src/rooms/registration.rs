//! Registering with a room, which keeps a nickname (XEP-0045 sections 7.10 and 7.12), and the admins' word on it where only
//! members may enter (section 9.9).

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::affiliation::Affiliation;
use super::nicknames::{check_nick, nick_key, tidy_nick};
use super::occupants::Seat;
use super::private::{field, form_field};
use super::room::Room;
use super::store::RoomChange;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::store::DocumentKind;

/// How many may wait for the admins of one room to let them register.
pub const REGISTRATIONS_LIMIT: usize = 100;

/// How many owners and admins are asked about each.
pub const APPROVERS_LIMIT: usize = 50;

/// Under which key those who wait are kept.
pub(super) const DOCUMENT: &str = "registrations";

const ROOM_NICK: &str = "muc#register_roomnick";
const ALLOW: &str = "muc#register_allow";
const ADDRESS: &str = "muc#jid";

/// What somebody who would like to register is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whether he has an affiliation already.
    pub registered: bool,
    /// The nickname that is kept for him.
    pub nick: Option<String>,
}

/// Somebody who waits for an admin to let him register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applicant {
    jid: Jid,
    nick: String,
}

/// Reads the form that is kept: a line for each.
pub(super) fn from_stored(stored: &str) -> Vec<Applicant> {
    let lines = stored.lines().filter_map(|line| line.split_once('\t'));
    lines
        .filter_map(|(jid, nick)| Some(Applicant { jid: Jid::new(jid).ok()?, nick: nick.to_owned() }))
        .collect()
}

impl Room {
    fn registration(&self, asker: &Jid) -> Result<Registration> {
        let state = self.visible_to(asker)?;
        let bare = asker.to_bare();
        if state.affiliation(&bare) == Affiliation::Outcast {
            return Err(Error::NotAllowed);
        }
        let known = state.affiliates.get(&bare);
        Ok(Registration { registered: known.is_some(), nick: known.and_then(|known| known.nick.clone()) })
    }

    async fn register(&mut self, asker: &Jid, nick: String) -> Result<()> {
        self.registration(asker)?;
        let bare = asker.to_bare();
        let nick = tidy_nick(&nick);
        check_nick(&nick)?;
        self.jid.with_resource(&nick).map_err(|_| Error::JidMalformed)?;
        let taken = self.floor.occupants().claimed(&nick).is_some_and(|occupant| occupant.bare != bare);
        let state = self.state()?;
        if taken || state.is_reserved_from(&nick, &bare) {
            return Err(Error::Conflict);
        }
        let before = state.affiliation(&bare);
        if before == Affiliation::None && state.configuration().members_only {
            return self.apply(bare, nick).await;
        }
        self.affiliate(&bare, before.max(Affiliation::Member), Some(nick), None).await
    }

    /// Somebody would like to belong to a room of members: its admins are asked, once.
    async fn apply(&mut self, jid: Jid, nick: String) -> Result<()> {
        let applicants = &self.state()?.applicants;
        let same = |other: &Applicant| nick_key(&other.nick) == nick_key(&nick);
        if applicants.iter().any(|other| other.jid != jid && same(other)) {
            return Err(Error::Conflict);
        }
        if applicants.iter().any(|other| other.jid == jid && same(other)) {
            return Ok(());
        }
        let mut applicants: Vec<_> = applicants.iter().filter(|other| other.jid != jid).cloned().collect();
        if applicants.len() >= REGISTRATIONS_LIMIT {
            return Err(Error::ResourceConstraint("too many wait to be registered"));
        }
        let form = approval(&jid, &nick);
        applicants.push(Applicant { jid, nick });
        self.keep_applicants(applicants).await?;
        let approvers = self.state()?.affiliates.values().filter(|one| one.affiliation >= Affiliation::Admin);
        let approvers: Vec<Jid> = approvers.map(|one| one.jid.clone()).take(APPROVERS_LIMIT).collect();
        for approver in approvers {
            let message = Stanza::message(MessageType::Normal)
                .with_from(self.jid.clone())
                .with_to(approver.clone())
                .with_id(&self.chat.token())
                .with_child(form.clone());
            if let Err(error) = self.chat.send_from_service(message).await {
                tracing::debug!(%error, %approver, "an admin could not be asked about a registration");
            }
        }
        Ok(())
    }

    async fn keep_applicants(&mut self, applicants: Vec<Applicant>) -> Result<()> {
        let lines: String = applicants.iter().map(|one| format!("{}\t{}\n", one.jid, one.nick)).collect();
        let kept = Some(lines).filter(|lines| !lines.is_empty());
        self.keep(RoomChange::Document(DocumentKind::Room, DOCUMENT, kept)).await?;
        self.state_mut()?.applicants = applicants;
        Ok(())
    }

    /// An admin's word on somebody who would like to be registered (section 9.9).
    pub(super) async fn approve(&mut self, seat: &Seat, form: ElementRef<'_>) -> Result<()> {
        if self.standing(seat.jid())?.affiliation < Affiliation::Admin {
            return Err(Error::Forbidden);
        }
        let jid = field(form, ADDRESS).ok_or(Error::BadRequest("an address is missing"))?;
        let jid = Jid::new(&jid).map_err(|_| Error::JidMalformed)?.to_bare();
        let applicants = &self.state()?.applicants;
        let applicant = applicants.iter().find(|one| one.jid == jid).cloned().ok_or(Error::NotFound)?;
        let rest = applicants.iter().filter(|one| one.jid != jid).cloned().collect();
        self.keep_applicants(rest).await?;
        if !matches!(field(form, ALLOW).as_deref(), Some("1" | "true")) {
            return Ok(());
        }
        let to = self.state()?.affiliation(&jid).max(Affiliation::Member);
        self.affiliate(&jid, to, Some(applicant.nick), None).await
    }
}

/// Whether a form is an admin's word on a registration.
pub(super) fn is_approval(form: ElementRef<'_>) -> bool {
    field(form, "FORM_TYPE").as_deref() == Some(ns::MUC_REGISTER) && field(form, ALLOW).is_some()
}

/// Section 9.9, its example, with the address, without which nobody could tell who asks.
fn approval(jid: &Jid, nick: &str) -> Element {
    let text = |name: &str, text: &str| Element::new(ns::DATA_FORMS, name).with_text(text);
    Element::new(ns::DATA_FORMS, "x")
        .with_attr("type", "form")
        .with_child(text("title", "Request for registration"))
        .with_child(text("instructions", "Somebody would like to become a member of this room."))
        .with_child(form_field("FORM_TYPE", "hidden", "", ns::MUC_REGISTER))
        .with_child(form_field(ROOM_NICK, "text-single", "Nickname", nick))
        .with_child(form_field(ADDRESS, "jid-single", "Address", jid.as_str()))
        .with_child(form_field(ALLOW, "boolean", "Allow this person to register with the room?", "0"))
}

impl Chat {
    /// What somebody is told who would like to register with a room.
    pub async fn room_registration(&self, room: &Jid, asker: &Jid) -> Result<Registration> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.registration(&asker) })).await?
    }

    /// Registers somebody with a room under a nickname, or asks its admins to. `Conflict` when that is another's.
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
