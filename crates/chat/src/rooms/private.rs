//! Messages between two in a room, and messages for the room itself (XEP-0045 sections 7.5, 7.8 and 7.13).

use std::sync::Arc;

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Outgoing, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::messages::in_client_namespace;
use super::moderation::{Change, Named};
use super::occupants::{Occupants, Seat};
use super::registration;
use super::role::Role;
use super::room::Room;
use super::telling;
use crate::error::{Error, Result};
use crate::hints;

impl Room {
    /// A message from one occupant to another (section 7.5).
    pub(super) fn whisper(&self, seat: &Seat, message: &Stanza) -> Result<()> {
        let speaker = self.speaker(seat)?;
        let error = message.kind == Kind::Message(MessageType::Error);
        if !error && !self.state()?.configuration().private_messages.allow(speaker.role) {
            return Err(Error::Forbidden);
        }
        let nick = message.to.as_ref().and_then(|to| to.resource()).ok_or(Error::NotFound)?;
        let occupants = self.floor.occupants();
        let other = occupants.named(nick).ok_or(Error::NotFound)?;
        let mut element = telling::cleaned(&message.element, |domain| self.chat.is_ours(domain));
        if element.ns() != ns::CLIENT {
            element = in_client_namespace(&element);
        }
        element.append(Element::new(ns::MUC_USER, "x"));
        element.append(telling::occupant_id(&speaker.id));
        let whispered = Stanza { from: Some(speaker.own), to: None, element, ..message.clone() };
        let whispered = Arc::new(Outgoing::for_many(whispered));
        for seat in &other.seats {
            seat.push(&self.chat, &whispered);
        }
        if !error {
            self.copy_to_own_others(&occupants, seat, message);
        }
        Ok(())
    }

    /// XEP-0280 section 6.1: what somebody whispers is copied to those of his clients that share his nickname. What he is
    /// told reaches each of them anyhow.
    fn copy_to_own_others(&self, occupants: &Occupants, seat: &Seat, message: &Stanza) {
        let Some(own) = occupants.at(seat.jid()).filter(|own| own.seats.len() > 1) else { return };
        if !hints::copied(message) {
            return;
        }
        let sent = Arc::new(Outgoing::new(message.clone()));
        for other in own.seats.iter().filter(|other| other.jid() != seat.jid()) {
            other.copy(&self.chat, &sent);
        }
    }

    /// A message for the room itself: invitations, their refusal, voice asked for and given.
    pub(super) async fn for_the_room(&mut self, seat: &Seat, message: Stanza) -> Result<()> {
        if message.kind == Kind::Message(MessageType::Error) {
            return Ok(());
        }
        if let Some(x) = message.child(ns::MUC_USER, "x") {
            if x.child(ns::MUC_USER, "invite").is_some() {
                return self.invite(seat, x).await;
            }
            if let Some(decline) = x.child(ns::MUC_USER, "decline") {
                return self.decline(seat, decline);
            }
        }
        if let Some(form) = message.child(ns::DATA_FORMS, "x") {
            if registration::is_approval(form) {
                return self.approve(seat, form).await;
            }
            if field(form, "FORM_TYPE").as_deref() == Some(ns::MUC_REQUEST) {
                return self.voice(seat, form).await;
            }
        }
        // Section 7.4: "a service MAY ignore or reject messages that do not have a type of groupchat".
        self.speaker(seat)?;
        Err(Error::BadRequest("a message to the room is of type groupchat"))
    }

    /// Section 7.13 from one without voice, section 8.6 from a moderator.
    async fn voice(&mut self, seat: &Seat, form: ElementRef<'_>) -> Result<()> {
        let speaker = self.speaker(seat)?;
        if speaker.role == Role::Moderator && field(form, "muc#request_allow").is_some() {
            let allowed = matches!(field(form, "muc#request_allow").as_deref(), Some("1" | "true"));
            let nick = field(form, "muc#roomnick").ok_or(Error::BadRequest("a nickname is missing"))?;
            if !allowed {
                return Ok(());
            }
            let change = Change {
                who: Named::Nick(nick),
                role: Some(Role::Participant),
                affiliation: None,
                nick: None,
                reason: None,
            };
            return self.change(seat.jid(), vec![change]).await;
        }
        if speaker.role >= Role::Participant {
            return Err(Error::NotAcceptable("you have voice already"));
        }
        let occupants = self.floor.occupants();
        let asking = approval(speaker.real.as_str(), speaker.own.resource().unwrap_or_default());
        let asking = Stanza::message(MessageType::Normal).with_from(self.jid.clone()).with_child(asking);
        let asking = Arc::new(Outgoing::for_many(asking));
        for moderator in occupants.iter().filter(|other| other.role == Role::Moderator) {
            for seat in &moderator.seats {
                seat.push(&self.chat, &asking);
            }
        }
        Ok(())
    }
}

/// The first value of a field.
pub(super) fn field(form: ElementRef<'_>, var: &str) -> Option<String> {
    let field = form.children().find(|field| field.attr("var") == Some(var))?;
    Some(field.child(ns::DATA_FORMS, "value")?.text().into_owned())
}

fn text(name: &str, text: &str) -> Element {
    Element::new(ns::DATA_FORMS, name).with_text(text)
}

/// A field of a form, with its value.
pub(super) fn form_field(var: &str, kind: &str, label: &str, value: &str) -> Element {
    let mut field = Element::new(ns::DATA_FORMS, "field").with_attr("var", var).with_attr("type", kind);
    if !label.is_empty() {
        field.set_attr("label", label);
    }
    field.with_child(text("value", value))
}

/// Whether an error says that a stanza could not be delivered (section 18.1.2's list).
pub(super) fn is_undelivered(message: &Stanza) -> bool {
    let error =
        message.children().find(|child| child.name() == "error" && child.ns() == message.element.ns());
    error.is_some_and(|error| {
        error
            .children()
            .any(|condition| condition.ns() == ns::STANZA_ERRORS && UNDELIVERED.contains(&condition.name()))
    })
}

const UNDELIVERED: &[&str] = &[
    "gone",
    "item-not-found",
    "recipient-unavailable",
    "redirect",
    "remote-server-not-found",
    "remote-server-timeout",
];

/// Section 8.6, its example.
fn approval(jid: &str, nick: &str) -> Element {
    let field = form_field;
    Element::new(ns::DATA_FORMS, "x")
        .with_attr("type", "form")
        .with_child(text("title", "Request for voice"))
        .with_child(text("instructions", "Somebody without voice would like to speak."))
        .with_child(field("FORM_TYPE", "hidden", "", ns::MUC_REQUEST))
        .with_child(field("muc#role", "list-single", "Requested role", "participant"))
        .with_child(field("muc#jid", "jid-single", "Address", jid))
        .with_child(field("muc#roomnick", "text-single", "Nickname", nick))
        .with_child(field("muc#request_allow", "boolean", "Grant voice to this person?", "false"))
}
