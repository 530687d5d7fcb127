//! What is said in a room: who may, what is kept, and that everybody hears it in the order of the archive (XEP-0045
//! sections 7.4 and 8.1).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use super::joining;
use super::listening::Saying;
use super::news::RoomEvent;
use super::occupants::Seat;
use super::private;
use super::role::Role;
use super::room::{Room, State};
use super::store::{RoomChange, Subject};
use super::telling;
use crate::archive::{Append, ArchiveCopy, ArchiveId, Committed, Direction};
use crate::cluster::rooms::Place;
use crate::deliver::stanza_id;
use crate::error::{Error, Result};
use crate::hints::{self, Keeping};
use crate::labels;
use crate::receipt::Receipt;
use crate::store::StoreResult;
use crate::time::timestamp;

/// Bytes of a subject.
pub(super) const SUBJECT_BYTES_LIMIT: usize = 4096;

/// Who says something, as the room knows him.
pub(super) struct Speaker {
    pub(super) own: Jid,
    pub(super) real: Jid,
    pub(super) role: Role,
    pub(super) id: Box<str>,
}

impl Room {
    /// Takes a message addressed to the room or somebody in it.
    pub(super) async fn message(&mut self, seat: Seat, message: Stanza) -> Result<Receipt> {
        let Kind::Message(kind) = message.kind else {
            return Err(Error::BadRequest("not a message"));
        };
        let to = message.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        if kind != MessageType::Groupchat {
            // Whatever is not said to all waits until what was said to all is safe.
            self.settle().await;
            if kind == MessageType::Error && private::is_undelivered(&message) {
                // Section 14.4: whoever cannot be reached is not there.
                self.leave(seat.jid(), &joining::bare_leave(), vec![333]).await?;
                return Ok(Receipt::DONE);
            }
            if to.is_full() {
                self.whisper(&seat, &message)?;
            } else {
                self.for_the_room(&seat, message).await?;
            }
            return Ok(Receipt::DONE);
        }
        if to.is_full() {
            // Section 7.5.
            return Err(Error::BadRequest("a message to one occupant is no groupchat"));
        }
        self.groupchat(&seat, message).await
    }

    /// The occupant at a seat; whoever is not in the room is told `not-acceptable` (section 7.4).
    pub(super) fn speaker(&self, seat: &Seat) -> Result<Speaker> {
        let occupants = self.floor.occupants();
        let occupant = occupants.at(seat.jid()).ok_or(Error::NotAcceptable("you are not in the room"))?;
        Ok(Speaker {
            own: occupant.jid.clone(),
            real: seat.jid().clone(),
            role: occupant.role,
            id: occupant.shown_id().into(),
        })
    }

    async fn groupchat(&mut self, seat: &Seat, message: Stanza) -> Result<Receipt> {
        let speaker = self.speaker_or_member(seat).await?;
        self.utter(&speaker, message).await
    }

    /// Says something to everybody in the room.
    pub(super) async fn utter(&mut self, speaker: &Speaker, message: Stanza) -> Result<Receipt> {
        let state = self.state()?;
        if state.configuration().archived {
            return Err(Error::NotAllowed);
        }
        let subject = subject(&message);
        match &subject {
            Some(_) if state.configuration().subject_by_anyone && speaker.role >= Role::Participant => {}
            Some(_) if speaker.role < Role::Moderator => return Err(Error::Forbidden),
            Some(text) if text.len() > SUBJECT_BYTES_LIMIT => {
                return Err(Error::NotAcceptable("the subject is too long"));
            }
            Some(_) => {}
            None if speaker.role < Role::Participant => return Err(Error::Forbidden),
            None => {}
        }
        let retracted = match self.retracts(&message) {
            Some(id) => self.retractable(speaker, id).await?,
            None => None,
        };
        let said = self.said(speaker, message);
        if subject.is_some() {
            self.settle().await;
            self.set_subject(&said).await?;
        }
        let receipt = self.append(speaker, said.clone()).await?;
        if let Some(id) = retracted {
            self.settle().await;
            self.leave_tombstone(id, &said, None).await?;
        }
        Ok(receipt)
    }

    /// A message as everybody gets it, but for its id in the archive.
    fn said(&self, speaker: &Speaker, message: Stanza) -> Stanza {
        let id = message.id.clone().unwrap_or_else(|| self.chat.token().into());
        let element = telling::cleaned(&message.element, |domain| self.chat.is_ours(domain));
        let element = match element.ns() {
            ns::CLIENT => element,
            // From another server: the content namespace of clients, as everything that is kept.
            _ => in_client_namespace(&element),
        };
        Stanza {
            kind: Kind::Message(MessageType::Groupchat),
            from: Some(speaker.own.clone()),
            to: None,
            id: Some(id),
            lang: message.lang,
            element,
        }
        .with_child(telling::occupant_id(&speaker.id))
    }

    /// Archives a message and hands it to everybody, in the order in which the store commits.
    pub(super) async fn append(&mut self, speaker: &Speaker, said: Stanza) -> Result<Receipt> {
        let state = self.state.as_ref().ok_or(Error::NotFound)?;
        let keep = self.chat.settings().archive
            && state.configuration().logging
            && hints::keeping_in_room(&said) == Keeping::Archive;
        if !keep {
            // It must not overtake what is on its way to the store.
            self.settle().await;
            self.say_passing(speaker, said);
            return Ok(Receipt::DONE);
        }
        let fence = self.fence()?;
        let append = Append { fence, ..to_append(state, speaker, &said, self.token.take()) };
        let (promise, receipt) = Receipt::new();
        let openly = state.configuration().non_anonymous;
        let by = speaker.real.clone();
        let (chat, floor, room) = (Arc::clone(&self.chat), Arc::clone(&self.floor), self.jid.clone());
        let (archive, real) = (state.archive(), speaker.real.clone());
        floor.take_off();
        let landing = Landing(Arc::clone(&floor));
        self.chat.store.append(
            append,
            Box::new(move |committed: StoreResult<Committed>| {
                let outcome = committed.map(|committed| {
                    let place = committed.id();
                    if let Committed::New(id) = committed {
                        chat.rooms.newest.note(archive, id);
                        let after = floor.hears(id);
                        chat.set_off_in_room(archive, &room, &real, &said, id);
                        let said = said.with_child(stanza_id(&chat.archive_ids().show(id), &room));
                        let stanza = &Arc::new(Outgoing::for_many(said));
                        telling::shared(&chat, &floor.occupants(), stanza, Some(Place { id, after }));
                        let archived = Some(id);
                        let (room, by) = (&room, &by);
                        let saying = Saying { room, stanza, archive, archived, by, openly };
                        floor.listeners.hear(&saying);
                        saying.tell_others(&chat);
                    }
                    Some(place)
                });
                promise.keep(outcome);
                drop(landing);
            }),
        );
        Ok(receipt)
    }

    /// Section 8.1. It is kept apart from the archive, whose messages go with age.
    async fn set_subject(&mut self, said: &Stanza) -> Result<()> {
        let mut xml = Vec::new();
        said.write(&mut xml, "");
        let subject = Subject { xml, at_ms: self.chat.now_ms() };
        self.keep(RoomChange::Subject(subject.clone())).await?;
        self.state_mut()?.record.subject = Some(subject);
        self.tell_listeners(RoomEvent::Changed(self.jid.clone()));
        Ok(())
    }

    /// The subject as a newcomer is told it (section 7.2.15); an empty one if there is none.
    pub(super) fn subject(&self, state: &State) -> Stanza {
        let kept = state.record.subject.as_ref().and_then(|subject| {
            let element = Element::parse(std::str::from_utf8(&subject.xml).ok()?).ok()?;
            let delay = Element::new(ns::DELAY, "delay")
                .with_attr("from", self.jid.as_str())
                .with_attr("stamp", &timestamp(subject.at_ms));
            Some(Stanza::from_element(element).ok()?.with_child(delay))
        });
        kept.unwrap_or_else(|| {
            Stanza::message(MessageType::Groupchat)
                .with_from(self.jid.clone())
                .with_child(Element::new(ns::CLIENT, "subject"))
        })
    }
}

/// Says when a message has come down from the store, whatever became of it.
struct Landing(Arc<super::room::Floor>);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.land();
    }
}

/// One copy, the room's own. The other party is who really said it, which the archive shows to those who may know.
fn to_append(state: &State, speaker: &Speaker, said: &Stanza, token: Option<String>) -> Append {
    let owner = state.archive();
    let mut xml = Vec::with_capacity(512);
    said.write(&mut xml, "");
    let origin = said.child(ns::STANZA_ID, "origin-id").and_then(|origin| origin.attr("id"));
    // Apart for each sender: a client that repeats itself must not silence another that chose the same id.
    let sent_as = |id: &str| format!("{} {id}", speaker.real.bare_str());
    // A message that its node sends once more, since the room's home was lost, has what tells it from others.
    let dedupe = origin.map(sent_as).or_else(|| token.map(|token| format!(" {token}")));
    let dedupe = dedupe.map(|key| (owner, key));
    Append {
        copies: vec![ArchiveCopy {
            owner,
            peer: speaker.real.clone(),
            direction: Direction::Incoming,
            kept: true,
            waits: false,
        }],
        dedupe,
        xml,
        text: said.child(ns::CLIENT, "body").map(|body| body.text().into_owned()),
        labels: labels::of(said),
        fence: None,
    }
}

/// A change of subject has neither body nor thread (section 8.1).
fn subject(message: &Stanza) -> Option<String> {
    let content = message.element.ns();
    let has = |name| message.child(content, name).is_some();
    let subject = message.child(content, "subject").filter(|_| !has("body") && !has("thread"))?;
    Some(subject.text().into_owned())
}

/// An element of a server's stream as it stands in a client's.
pub(super) fn in_client_namespace(element: &Element) -> Element {
    let mut out = Element::new(ns::CLIENT, element.name());
    for child in element.children() {
        if child.ns() == element.ns() {
            let mut renamed = Element::new(ns::CLIENT, child.name());
            if let Some(lang) = child.lang() {
                renamed.set_attr_ns(ns::XML, "lang", lang);
            }
            renamed.push_text(&child.text());
            out.append(renamed);
        } else {
            out.append_copy(child);
        }
    }
    out
}

/// The newest archived id that a client sees on a message, read back.
pub(super) fn read_id(room: &Room, shown: &str) -> Option<ArchiveId> {
    room.chat.archive_ids().read(shown)
}
