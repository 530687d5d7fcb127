//! What a client that keeps in step is told of a message as it comes: the message that was said, or the one that something
//! was done to, as it is now.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;

use super::folding::{MessageView, hint};
use super::reading::{Reading, Said, is_shown};
use crate::archive::{ArchiveId, Direction};
use crate::chat::Chat;
use crate::error::Result;
use crate::labels;
use crate::rooms::news;
use crate::session::Session;

impl Chat {
    /// The messages that are new or otherwise than before because of one that came or went between two people. Empty
    /// where it neither says something nor does anything to another.
    pub async fn told_by_message(
        &self,
        session: &Session,
        stanza: &Stanza,
        direction: Direction,
        id: ArchiveId,
    ) -> Result<Vec<MessageView>> {
        let peer = match direction {
            Direction::Incoming => stanza.from.as_ref(),
            Direction::Outgoing => stanza.to.as_ref(),
        };
        let Some(peer) = peer.cloned() else { return Ok(Vec::new()) };
        if self.service(peer.domain()).is_some() {
            return Ok(Vec::new());
        }
        let mut reading = self.reading_all(session);
        reading.conversation = Some(peer.to_bare());
        self.told(&reading, Said { id, peer, direction, stanza: stanza.clone() }).await
    }

    /// The same for what is said in a room.
    pub async fn told_by_room(&self, session: &Session, said: &news::Said) -> Result<Vec<MessageView>> {
        let (Some(id), stanza) = (said.archived, said.stanza.stanza()) else { return Ok(Vec::new()) };
        let reading = Reading::heard(said, session.bare.clone());
        let peer = said.by.clone().or_else(|| stanza.from.clone()).unwrap_or_else(|| said.room.clone());
        let said = Said { id, peer, direction: Direction::Incoming, stanza: stanza.clone() };
        self.told(&reading, said).await
    }

    async fn told(&self, reading: &Reading, said: Said) -> Result<Vec<MessageView>> {
        let conversation = reading.conversation_of(&said);
        if let Some((_, name)) = labels::deed(&said.stanza) {
            let target = self.named(reading, &conversation, name, hint(&said.stanza)).await?;
            return match target {
                Some(target) => self.folded(reading, vec![target]).await,
                None => Ok(Vec::new()),
            };
        }
        if !is_shown(&said.stanza) {
            return Ok(Vec::new());
        }
        let fresh = self.fresh(reading, &said, &[]).await?;
        let mut told = Vec::with_capacity(2);
        if let Some(root) = fresh.thread
            && said.stanza.child(ns::CLIENT, "thread").is_some()
            && let Some(root) = self.kept(reading, root).await?.filter(|root| is_shown(&root.stanza))
        {
            told.extend(self.folded(reading, vec![root]).await?);
        }
        told.push(fresh);
        self.quote_as_corrected(reading, &mut told).await?;
        Ok(told)
    }
}

impl Reading {
    /// The archive of a room for one who has heard something there, and so may read it.
    fn heard(said: &news::Said, reader: Jid) -> Self {
        Self::of_room(said.room.clone(), said.archive, reader, said.knows_people)
    }
}
