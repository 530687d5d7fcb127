//! Changing what people are to a room, lastingly or for now (XEP-0045 sections 8.2 to 8.5, 9 and 10.3 to 10.8).

use std::collections::HashMap;
use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::nicknames::{check_nick, nick_key};
use super::role::Role;
use super::room::{AFFILIATIONS_LIMIT, Room};
use super::store::{Affiliate, RoomChange};
use super::telling;
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};

/// How many changes one request may hold.
pub const CHANGES_LIMIT: usize = 100;

/// Bytes of a reason.
pub const REASON_BYTES_LIMIT: usize = 1024;

/// Whom a change concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// Whoever has this nickname.
    Nick(String),
    /// This address.
    Jid(Jid),
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whom it concerns.
    pub who: Named,
    /// The role he is to have.
    pub role: Option<Role>,
    /// The affiliation he is to have.
    pub affiliation: Option<Affiliation>,
    /// The nickname that is kept for him; an empty one is kept no longer.
    pub nick: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// His address, if the asker may know it.
    pub jid: Option<Jid>,
    /// His nickname in the room, or the one kept for him.
    pub nick: Option<String>,
    /// What he lastingly is.
    pub affiliation: Affiliation,
    /// What he is for now, if he is in the room.
    pub role: Option<Role>,
    /// Why.
    pub reason: Option<String>,
}

/// A change that was found to be allowed.
enum Allowed {
    Role { nick: String, to: Role, reason: Option<String> },
    Affiliation { affiliate: Affiliate, before: Affiliation },
}

impl Room {
    /// The list of those with an affiliation (sections 9.2, 9.5, 10.5 and 10.8).
    pub(super) fn affiliated(&self, asker: &Jid, affiliation: Affiliation) -> Result<Vec<Listed>> {
        let standing = self.standing(asker)?;
        let state = self.visible_to(asker)?;
        let configuration = state.configuration();
        let by_role = standing.role != Role::None && configuration.gives_member_list(standing.role);
        let everybody_is_known = configuration.non_anonymous
            && (by_role || standing.role == Role::None)
            && (configuration.members_only || standing.affiliation >= Affiliation::Member);
        if !standing.affiliation.may_list(affiliation, everybody_is_known) {
            return Err(Error::Forbidden);
        }
        let occupants = self.floor.occupants();
        let present: HashMap<&Jid, _> = occupants.iter().map(|occupant| (&occupant.bare, occupant)).collect();
        let mut list: Vec<Listed> = state
            .affiliates
            .values()
            .filter(|affiliate| affiliate.affiliation == affiliation)
            .map(|affiliate| {
                let present = present.get(&affiliate.jid);
                Listed {
                    jid: Some(affiliate.jid.clone()),
                    nick: present.map(|p| p.nick().to_owned()).or_else(|| affiliate.nick.clone()),
                    affiliation,
                    role: present.map(|p| p.role),
                    reason: affiliate.reason.clone(),
                }
            })
            .collect();
        list.sort_by(|a, b| a.jid.cmp(&b.jid));
        Ok(list)
    }

    /// The list of those with a role (sections 8.5 and 9.8).
    pub(super) fn in_role(&self, asker: &Jid, role: Role) -> Result<Vec<Listed>> {
        let standing = self.standing(asker)?;
        self.visible_to(asker)?;
        let may = match role {
            Role::Moderator => standing.affiliation >= Affiliation::Admin,
            _ => standing.is_moderating(),
        };
        if !may {
            return Err(Error::Forbidden);
        }
        let occupants = self.floor.occupants();
        let of_role = occupants.iter().filter(|occupant| occupant.role == role);
        Ok(of_role
            .map(|occupant| Listed {
                jid: occupant.seats.last().map(|seat| seat.jid().clone()),
                nick: Some(occupant.nick().to_owned()),
                affiliation: occupant.affiliation,
                role: Some(role),
                reason: None,
            })
            .collect())
    }

    /// Makes changes, all or none (section 9.2: "SHOULD NOT apply any of the requested changes").
    pub(super) async fn change(&mut self, actor: &Jid, changes: Vec<Change>) -> Result<()> {
        if changes.len() > CHANGES_LIMIT {
            return Err(Error::NotAcceptable("too many changes at one time"));
        }
        let mut allowed = Vec::with_capacity(changes.len());
        for change in changes {
            if change.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_LIMIT) {
                return Err(Error::NotAcceptable("the reason is too long"));
            }
            allowed.push(match (change.affiliation, change.role) {
                (Some(to), None) => self.check_affiliation(actor, change, to)?,
                (None, Some(to)) => self.check_role(actor, change, to)?,
                _ => return Err(Error::BadRequest("an item has either an affiliation or a role")),
            });
        }
        self.carry_out(Some(actor), allowed).await
    }

    fn check_role(&self, actor: &Jid, change: Change, to: Role) -> Result<Allowed> {
        let standing = self.standing(actor)?;
        if !standing.is_moderating() {
            return Err(Error::Forbidden);
        }
        let occupants = self.floor.occupants();
        let other = match &change.who {
            Named::Nick(nick) => occupants.named(nick),
            Named::Jid(jid) => occupants.at(jid),
        };
        let other = other.ok_or(Error::NotFound)?;
        if !standing.may_change_role(other.standing(), to) {
            // Section 9.6: moderators are made by admins alone.
            let granting = to == Role::Moderator && standing.affiliation < Affiliation::Admin;
            return Err(if granting { Error::Forbidden } else { Error::NotAllowed });
        }
        Ok(Allowed::Role { nick: other.nick().to_owned(), to, reason: change.reason })
    }

    /// Whom a change of affiliation concerns: always a bare address (section 10.3), or a domain that is banned.
    fn subject_of(&self, who: &Named) -> Result<Jid> {
        match who {
            Named::Jid(jid) => Ok(jid.to_bare()),
            Named::Nick(nick) => {
                let state = self.state()?;
                let occupants = self.floor.occupants();
                let present = occupants.named(nick).map(|occupant| occupant.bare.clone());
                present.or_else(|| state.reserved.get(&nick_key(nick)).cloned()).ok_or(Error::NotFound)
            }
        }
    }

    fn check_affiliation(&self, actor: &Jid, change: Change, to: Affiliation) -> Result<Allowed> {
        let standing = self.standing(actor)?;
        if standing.affiliation < Affiliation::Admin {
            return Err(Error::Forbidden);
        }
        let subject = self.subject_of(&change.who)?;
        let state = self.state()?;
        let known = state.affiliates.get(&subject);
        let before = known.map(|known| known.affiliation).unwrap_or_default();
        if subject.same_bare(actor) && to == Affiliation::Outcast {
            // Section 9.1.
            return Err(Error::Conflict);
        }
        if !standing.affiliation.may_change(before, to) {
            // Section 9.1 for bans and section 9.4 for those above; sections 10.5 and 10.8 for the lists of owners and admins.
            let above = before >= Affiliation::Admin && to < Affiliation::Member;
            return Err(if above { Error::NotAllowed } else { Error::Forbidden });
        }
        if subject.local().is_none() && !matches!(to, Affiliation::Outcast | Affiliation::None) {
            return Err(Error::NotAcceptable("a whole domain can only be banned"));
        }
        let nick = self.reservation(&subject, known, change.nick, to)?;
        let seen = known.map_or(ArchiveId::default(), |known| known.seen);
        let affiliate = Affiliate { jid: subject, affiliation: to, nick, reason: change.reason, seen };
        Ok(Allowed::Affiliation { affiliate, before })
    }

    /// The nickname that is kept for somebody (section 9.5); those who are banned keep none (section 9.1).
    fn reservation(
        &self,
        subject: &Jid,
        known: Option<&Affiliate>,
        wanted: Option<String>,
        to: Affiliation,
    ) -> Result<Option<String>> {
        if to <= Affiliation::None {
            return Ok(None);
        }
        match wanted {
            None => Ok(known.and_then(|known| known.nick.clone())),
            Some(nick) if nick.is_empty() => Ok(None),
            Some(nick) => {
                check_nick(&nick)?;
                self.jid.with_resource(&nick).map_err(|_| Error::JidMalformed)?;
                if self.state()?.is_reserved_from(&nick, subject) {
                    return Err(Error::Conflict);
                }
                Ok(Some(nick))
            }
        }
    }

    async fn carry_out(&mut self, actor: Option<&Jid>, allowed: Vec<Allowed>) -> Result<()> {
        let by = actor.map(Jid::to_bare);
        let actor = actor.and_then(|actor| {
            let occupants = self.floor.occupants();
            let present = occupants.at(actor).or_else(|| occupants.iter().find(|o| o.bare.same_bare(actor)));
            present.map(|occupant| occupant.nick().to_owned())
        });
        let mut affiliates = Vec::new();
        let mut roles = Vec::new();
        for change in allowed {
            match change {
                Allowed::Role { nick, to, reason } => roles.push((nick, to, reason)),
                Allowed::Affiliation { affiliate, before } => affiliates.push((affiliate, before)),
            }
        }
        self.mark_as_seen(&mut affiliates).await?;
        self.write(&affiliates).await?;
        for (affiliate, _) in &affiliates {
            self.state_mut()?.keep(affiliate.clone());
        }
        self.belongs_otherwise(&affiliates, by);
        for (affiliate, before) in affiliates {
            if !self.affiliation_changed(&affiliate, actor.as_deref()) {
                self.tell_of_absent(&affiliate, before);
            }
            self.welcome_member(&affiliate, before).await;
        }
        for (nick, to, reason) in roles {
            self.role_changed(&nick, to, actor.as_deref(), reason.as_deref());
        }
        self.end_if_deserted().await
    }

    /// Whoever begins to belong has nothing left to read of what was said before.
    async fn mark_as_seen(&self, affiliates: &mut [(Affiliate, Affiliation)]) -> Result<()> {
        let begins = |(affiliate, before): &(Affiliate, Affiliation)| {
            *before < Affiliation::Member && affiliate.affiliation >= Affiliation::Member
        };
        if !affiliates.iter().any(begins) {
            return Ok(());
        }
        let last = self.chat.store.archive_bounds(self.state()?.archive()).await?.map(|bounds| bounds.last);
        for (affiliate, _) in affiliates.iter_mut().filter(|one| begins(one)) {
            affiliate.seen = affiliate.seen.max(last.unwrap_or_default());
        }
        Ok(())
    }

    /// Refuses a room without owners (section 10.4) and one with too many people, and keeps the rest.
    async fn write(&self, affiliates: &[(Affiliate, Affiliation)]) -> Result<()> {
        if affiliates.is_empty() {
            return Ok(());
        }
        let state = self.state()?;
        let mut after: HashMap<&Jid, Affiliation> =
            state.affiliates.iter().map(|(jid, known)| (jid, known.affiliation)).collect();
        after.extend(affiliates.iter().map(|(affiliate, _)| (&affiliate.jid, affiliate.affiliation)));
        if !after.values().any(|affiliation| *affiliation == Affiliation::Owner) {
            return Err(Error::Conflict);
        }
        if after.len() > AFFILIATIONS_LIMIT {
            return Err(Error::ResourceConstraint("too many people have an affiliation with the room"));
        }
        let list = affiliates.iter().map(|(affiliate, _)| affiliate.clone()).collect();
        self.keep(RoomChange::Affiliates(list)).await
    }

    /// Tells those who may know addresses that somebody who is not here has another affiliation (sections 10.3 to 10.7).
    fn tell_of_absent(&self, affiliate: &Affiliate, before: Affiliation) {
        let Ok(state) = self.state() else { return };
        if affiliate.affiliation == before {
            return;
        }
        let item = Element::new(ns::MUC_USER, "item")
            .with_attr("affiliation", affiliate.affiliation.as_str())
            .with_attr("jid", affiliate.jid.as_str())
            .with_attr("role", Role::None.as_str());
        let message = Stanza::message(MessageType::Normal)
            .with_from(self.jid.clone())
            .with_child(Element::new(ns::MUC_USER, "x").with_child(item));
        let message = Arc::new(Outgoing::for_many(message));
        let occupants = self.floor.occupants();
        for knows in occupants.iter().filter(|one| telling::sees_addresses(state.configuration(), one.role)) {
            for seat in &knows.seats {
                seat.push(&self.chat, &message);
            }
        }
    }

    /// What a new affiliation does to those who are in the room; says whether there are any.
    fn affiliation_changed(&self, affiliate: &Affiliate, actor: Option<&str>) -> bool {
        let Ok(state) = self.state() else { return false };
        let configuration = state.configuration();
        let mut occupants = self.floor.occupants();
        let concerned: Vec<String> = occupants
            .iter()
            .filter(|o| o.bare == affiliate.jid || o.bare.to_domain() == affiliate.jid)
            .map(|o| o.nick().to_owned())
            .collect();
        let reason = affiliate.reason.as_deref();
        let present = !concerned.is_empty();
        for nick in concerned {
            let Some(occupant) = occupants.named_mut(&nick) else { continue };
            let to = state.affiliation(&occupant.bare);
            if to == occupant.affiliation {
                continue;
            }
            match to {
                Affiliation::Outcast => self.put_out(&mut occupants, &nick, 301, actor, reason),
                // Section 9.4: only the latter of the two.
                Affiliation::None if configuration.members_only => {
                    self.put_out(&mut occupants, &nick, 321, actor, reason);
                }
                _ => {
                    let entering = configuration.role_of(to);
                    // Whoever loses his rank loses the role that came with it; whoever was given a role keeps it.
                    let ranked = occupant.affiliation >= Affiliation::Admin;
                    occupant.role = if ranked { entering } else { occupant.role.max(entering) };
                    occupant.affiliation = to;
                    if let Some(occupant) = occupants.named(&nick) {
                        self.tell_current(&occupants, occupant, reason);
                    }
                }
            }
        }
        present
    }

    fn role_changed(&self, nick: &str, to: Role, actor: Option<&str>, reason: Option<&str>) {
        let mut occupants = self.floor.occupants();
        if to == Role::None {
            return self.put_out(&mut occupants, nick, 307, actor, reason);
        }
        let Some(occupant) = occupants.named_mut(nick) else { return };
        occupant.role = to;
        if let Some(occupant) = occupants.named(nick) {
            self.tell_current(&occupants, occupant, reason);
        }
    }

    /// Gives somebody an affiliation in the name of the room or the server itself.
    pub(super) async fn affiliate(
        &mut self,
        subject: &Jid,
        to: Affiliation,
        nick: Option<String>,
        reason: Option<String>,
    ) -> Result<()> {
        self.affiliate_as(None, subject, to, nick, reason).await
    }

    /// The same in the name of somebody who may, which has been found out.
    pub(super) async fn affiliate_as(
        &mut self,
        actor: Option<&Jid>,
        subject: &Jid,
        to: Affiliation,
        nick: Option<String>,
        reason: Option<String>,
    ) -> Result<()> {
        let known = self.state()?.affiliates.get(subject).cloned();
        let before = known.as_ref().map(|known| known.affiliation).unwrap_or_default();
        let nick = self.reservation(subject, known.as_ref(), nick, to)?;
        let seen = known.map_or(ArchiveId::default(), |known| known.seen);
        let affiliate = Affiliate { jid: subject.clone(), affiliation: to, nick, reason, seen };
        self.carry_out(actor, vec![Allowed::Affiliation { affiliate, before }]).await
    }
}

impl Chat {
    /// The list of those with an affiliation to a room, for somebody.
    pub async fn room_affiliated(
        &self,
        room: &Jid,
        asker: &Jid,
        affiliation: Affiliation,
    ) -> Result<Vec<Listed>> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.affiliated(&asker, affiliation) }))
            .await?
    }

    /// The list of those with a role in a room, for somebody.
    pub async fn room_in_role(&self, room: &Jid, asker: &Jid, role: Role) -> Result<Vec<Listed>> {
        let asker = asker.clone();
        self.look_into_room(room, move |room| Box::pin(async move { room.in_role(&asker, role) })).await?
    }

    /// Changes what people are to a room, all or none.
    pub async fn change_in_room(&self, room: &Jid, actor: &Jid, changes: Vec<Change>) -> Result<()> {
        let actor = actor.clone();
        self.in_room(room, move |room| Box::pin(async move { room.change(&actor, changes).await })).await?
    }

    /// Gives somebody an affiliation in the name of the server itself.
    pub async fn affiliate_with_room(&self, room: &Jid, subject: &Jid, to: Affiliation) -> Result<()> {
        let subject = subject.to_bare();
        self.in_room(room, move |room| {
            Box::pin(async move { room.affiliate(&subject, to, None, None).await })
        })
        .await?
    }
}
