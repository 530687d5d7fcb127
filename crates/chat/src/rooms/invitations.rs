//! Invitations that a room passes on (XEP-0045 section 7.8.2), and those it sends to new members (section 9.5).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Outgoing, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::affiliation::Affiliation;
use super::moderation::REASON_BYTES_LIMIT;
use super::occupants::Seat;
use super::room::Room;
use super::store::Affiliate;
use super::telling;
use crate::error::{Error, Result};

/// How many may be invited by one message.
pub const INVITED_LIMIT: usize = 20;

impl Room {
    pub(super) async fn invite(&mut self, seat: &Seat, x: ElementRef<'_>) -> Result<()> {
        let speaker = self.speaker_or_member(seat).await?;
        let standing = self.standing(seat.jid())?;
        let state = self.state()?;
        let configuration = state.configuration();
        if configuration.members_only
            && standing.affiliation < Affiliation::Admin
            && !(configuration.members_invite && standing.affiliation >= Affiliation::Member)
        {
            return Err(Error::Forbidden);
        }
        let members_only = configuration.members_only;
        let inviter = if configuration.non_anonymous { speaker.real.to_bare() } else { speaker.own };
        let invites: Vec<_> = x.children().filter(|child| child.is(ns::MUC_USER, "invite")).collect();
        if invites.len() > INVITED_LIMIT {
            return Err(Error::NotAcceptable("too many are invited at one time"));
        }
        for invite in invites {
            let to = invite.attr("to").and_then(|to| Jid::new(to).ok()).ok_or(Error::JidMalformed)?;
            let bare = to.to_bare();
            let reason = invite.child(ns::MUC_USER, "reason").map(|reason| reason.text().into_owned());
            if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_LIMIT) {
                return Err(Error::NotAcceptable("the reason is too long"));
            }
            if self.chat.is_local(bare.domain()) && self.chat.profile(&bare).await?.is_none() {
                return Err(Error::NotFound);
            }
            let known = self.state()?.affiliation(&bare);
            if known == Affiliation::Outcast {
                return Err(Error::Forbidden);
            }
            let carried = invite.child(ns::MUC_USER, "continue").map(|child| child.to_element());
            self.send_invitation(&bare, Some(&inviter), reason.as_deref(), carried).await?;
            if members_only && known == Affiliation::None {
                // Told already; becoming a member brings no second invitation.
                self.affiliate(&bare, Affiliation::Member, None, None).await?;
            }
        }
        Ok(())
    }

    /// Section 9.5: whoever becomes a member of a members-only room, and is not in it, is invited.
    pub(super) async fn welcome_member(&self, affiliate: &Affiliate, before: Affiliation) {
        let Ok(state) = self.state() else { return };
        let new = before == Affiliation::None && affiliate.affiliation == Affiliation::Member;
        let present = self.floor.occupants().iter().any(|occupant| occupant.bare == affiliate.jid);
        if !new || present || !state.configuration().members_only || state.record.locked {
            return;
        }
        // The membership stands, whether or not there is somebody who can be told of it.
        if let Err(error) =
            self.send_invitation(&affiliate.jid, None, affiliate.reason.as_deref(), None).await
        {
            tracing::debug!(%error, member = %affiliate.jid, "a new member could not be invited");
        }
    }

    pub(super) async fn send_invitation(
        &self,
        to: &Jid,
        inviter: Option<&Jid>,
        reason: Option<&str>,
        carried: Option<Element>,
    ) -> Result<()> {
        let state = self.state()?;
        let from = inviter.unwrap_or(&self.jid);
        let mut invite = Element::new(ns::MUC_USER, "invite").with_attr("from", from.as_str());
        if let Some(text) = reason {
            invite.append(telling::reason(text));
        }
        if let Some(carried) = carried {
            invite.append(carried);
        }
        let mut x = Element::new(ns::MUC_USER, "x").with_child(invite);
        if state.configuration().password_protected {
            let password = Element::new(ns::MUC_USER, "password");
            x.append(password.with_text(&state.configuration().password));
        }
        let message = Stanza::message(MessageType::Normal)
            .with_from(self.jid.clone())
            .with_to(to.clone())
            .with_id(&self.chat.token())
            .with_child(x);
        self.chat.send_from_service(message).await
    }

    /// Section 7.8.2: the inviter is told that somebody does not come. Only whoever is in the room can be told.
    pub(super) fn decline(&self, seat: &Seat, decline: ElementRef<'_>) -> Result<()> {
        let to = decline.attr("to").and_then(|to| Jid::new(to).ok()).ok_or(Error::JidMalformed)?;
        let reason = decline.child(ns::MUC_USER, "reason").map(|reason| reason.text().into_owned());
        let state = self.state()?;
        if state.affiliation(&seat.jid().to_bare()) == Affiliation::Outcast {
            return Err(Error::Forbidden);
        }
        let mut declined = Element::new(ns::MUC_USER, "decline").with_attr("from", seat.jid().bare_str());
        if let Some(text) = reason.filter(|reason| reason.len() <= REASON_BYTES_LIMIT) {
            declined.append(telling::reason(&text));
        }
        let message = Stanza::message(MessageType::Normal)
            .with_from(self.jid.clone())
            .with_child(Element::new(ns::MUC_USER, "x").with_child(declined));
        let message = Arc::new(Outgoing::for_many(message));
        let occupants = self.floor.occupants();
        let inviter = occupants.iter().find(|occupant| occupant.jid == to || occupant.bare.same_bare(&to));
        // Whether he is there nobody is told who need not be.
        for seat in inviter.iter().flat_map(|inviter| &inviter.seats) {
            seat.push(&self.chat, &message);
        }
        Ok(())
    }
}
