//! Taking back what was said: by whoever said it (XEP-0424), or by a moderator (XEP-0425). The archive keeps a tombstone.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use super::messages::{Speaker, read_id};
use super::moderation::REASON_BYTES_LIMIT;
use super::role::Role;
use super::room::Room;
use crate::archive::{ArchiveId, Archived};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::store::StoreError;
use crate::time::timestamp;

impl Room {
    /// The message that another one takes back.
    pub(super) fn retracts(&self, message: &Stanza) -> Option<ArchiveId> {
        let retract = message.child(ns::RETRACTION, "retract")?;
        read_id(self, retract.attr("id")?)
    }

    /// Whether the speaker said it himself; `None` when the archive does not have it (any more). What is another's is left
    /// as it is: clients see who takes it back, and leave it, too.
    pub(super) async fn retractable(&self, speaker: &Speaker, id: ArchiveId) -> Result<Option<ArchiveId>> {
        let state = self.state()?;
        match self.chat.store.archived(state.archive(), &[id]).await {
            Ok(found) => {
                let own = found.first().is_some_and(|message| message.peer.same_bare(&speaker.real));
                if own { Ok(Some(id)) } else { Err(Error::Forbidden) }
            }
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a tombstone in the place of a message, and removes the files that went with it (XEP-0424 section 5, XEP-0425
    /// section 4). `moderated` says which moderator takes it back, and how that is told; without it its sender does.
    pub(super) async fn leave_tombstone(
        &self,
        id: ArchiveId,
        retraction: &Stanza,
        moderated: Option<(&Jid, Element)>,
    ) -> Result<()> {
        let archive = self.state()?.archive();
        let mut found = match self.chat.store.archived(archive, &[id]).await {
            Ok(found) => found,
            Err(StoreError::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some(original) = found.pop() else { return Ok(()) };
        let parsed = std::str::from_utf8(&original.xml).ok().and_then(|xml| Element::parse(xml).ok());
        let Some(stanza) = parsed.and_then(|element| Stanza::from_element(element).ok()) else {
            return Ok(());
        };
        for (correction, corrected) in self.chat.corrections(archive, &original, &stanza, true).await? {
            self.put_tombstone(&correction, corrected, retraction, moderated.clone()).await?;
        }
        self.put_tombstone(&original, stanza, retraction, moderated).await
    }

    async fn put_tombstone(
        &self,
        original: &Archived,
        mut stanza: Stanza,
        retraction: &Stanza,
        moderated: Option<(&Jid, Element)>,
    ) -> Result<()> {
        let archive = self.state()?.archive();
        let actor = moderated.as_ref().map_or(&original.peer, |(moderator, _)| moderator);
        self.chat.delete_files_of(&stanza.element, &original.peer, actor.bare_str()).await?;
        // Who said it stays known, and nothing of what; a correction goes on being one, so that it is not shown as a message.
        stanza
            .element
            .retain_children(|child| child.ns() == ns::OCCUPANT_ID || child.is(ns::CORRECTION, "replace"));
        let mut retracted =
            Element::new(ns::RETRACTION, "retracted").with_attr("stamp", &timestamp(self.chat.now_ms()));
        if let Some(id) = &retraction.id {
            retracted.set_attr("id", id);
        }
        if let Some((_, moderated)) = moderated {
            retracted.append(moderated);
        }
        stanza.append(retracted);
        let mut xml = Vec::new();
        stanza.write(&mut xml, "");
        Ok(self.chat.store.replace_archived(archive, original.id, xml).await?)
    }

    async fn moderate(&mut self, actor: &Jid, shown: &str, reason: Option<String>) -> Result<()> {
        let standing = self.standing(actor)?;
        if standing.role != Role::Moderator {
            return Err(Error::Forbidden);
        }
        if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_LIMIT) {
            return Err(Error::NotAcceptable("the reason is too long"));
        }
        let id = read_id(self, shown).ok_or(Error::NotFound)?;
        let archive = self.state()?.archive();
        self.chat.store.archived(archive, &[id]).await?;
        let present = {
            let occupants = self.floor.occupants();
            let moderator = occupants
                .at(actor)
                .or_else(|| occupants.iter().find(|o| o.bare.same_bare(actor) && o.role == Role::Moderator));
            moderator.map(|moderator| Speaker {
                own: moderator.jid.clone(),
                real: actor.clone(),
                role: moderator.role,
                id: moderator.shown_id().into(),
            })
        };
        let moderator = match present {
            Some(moderator) => moderator,
            None => self.absent_speaker(actor).await.map_err(|_| Error::Forbidden)?,
        };
        let moderated = Element::new(ns::MODERATION, "moderated")
            .with_attr("by", moderator.own.as_str())
            .with_child(super::telling::occupant_id(&moderator.id));
        let mut retract =
            Element::new(ns::RETRACTION, "retract").with_attr("id", shown).with_child(moderated.clone());
        if let Some(text) = &reason {
            retract.append(Element::new(ns::RETRACTION, "reason").with_text(text));
        }
        let message = Stanza::message(MessageType::Groupchat)
            .with_from(self.jid.clone())
            .with_id(&self.chat.token())
            .with_child(retract);
        // The tombstone first: whoever hears of the retraction must not find the message any more.
        self.leave_tombstone(id, &message, Some((actor, moderated))).await?;
        self.append(&moderator, message).await?.await
    }
}

impl Chat {
    /// A moderator takes back what another has said. `NotFound` when the room's archive does not have it.
    pub async fn moderate_in_room(
        &self,
        room: &Jid,
        actor: &Jid,
        id: String,
        reason: Option<String>,
    ) -> Result<()> {
        let actor = actor.clone();
        self.in_room(room, move |room| Box::pin(async move { room.moderate(&actor, &id, reason).await }))
            .await?
    }
}
