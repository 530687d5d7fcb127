//! Presence: who is told that a session is there, how it is, and that it has gone (RFC 6121 section 4).
//!
//! Presence leaves an account's sessions under the lock of its roster (see `rosters`), so that everyone gets it in the
//! order in which it was sent, and nobody gets any from a session that has been taken out.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::last::status;
use crate::people::photo_hash::with_photo_hash;
use crate::profile::Profile;
use crate::pubsub::fleeting::Departure;
use crate::rooms::occupants::Seat;
use crate::rosters::{Contacts, Owner};
use crate::route::Destination;
use crate::service::Service;
use crate::session::Session;

/// What came of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probed {
    /// Somebody was shown.
    Shown,
    /// Whoever asks may know, and nobody is there.
    Nobody,
    /// Whoever asks may not know.
    Refused,
    /// There is no answer.
    Silent,
}

impl Chat {
    /// Takes a presence stanza of a client, of whatever type. Its `from` is stamped here.
    pub async fn presence(&self, session: &Arc<Session>, mut stanza: Stanza) -> Result<()> {
        let Kind::Presence(type_) = stanza.kind else {
            return Err(Error::BadRequest("not a presence stanza"));
        };
        stanza.from = Some(session.jid.clone());
        if let Some(to) = &stanza.to
            && let Destination::Service(Service::Rooms) = self.locate(to)
        {
            // A probe of a room is answered by nobody: whoever is in it is told what he may know.
            return match type_ {
                PresenceType::Available | PresenceType::Unavailable | PresenceType::Error => {
                    self.directed_to_room(session, stanza).await
                }
                _ => Ok(()),
            };
        }
        match (type_, stanza.to.clone()) {
            (PresenceType::Available, None) => self.available(session, stanza).await,
            (PresenceType::Unavailable, None) => self.unavailable(session, stanza).await,
            (PresenceType::Available | PresenceType::Unavailable, Some(to)) => {
                self.directed(session, stanza, &to).await
            }
            (PresenceType::Probe, Some(to)) => self.probe(session, &to).await,
            (PresenceType::Error, Some(to)) => {
                let sender = self.profile(&session.jid.to_bare()).await?;
                self.show(sender.as_deref(), &stanza, &to).await
            }
            (PresenceType::Probe | PresenceType::Error, None) => {
                Err(Error::BadRequest("an address is missing"))
            }
            (_, to) => {
                let to = to.ok_or(Error::BadRequest("an address is missing"))?;
                self.manage_subscription(session, stanza, &to.to_bare()).await
            }
        }
    }

    /// Takes a presence stanza from another server, whose right to its `from` has been checked.
    pub async fn receive_presence(&self, stanza: Stanza) -> Result<()> {
        let (Kind::Presence(type_), Some(from), Some(to)) =
            (stanza.kind, stanza.from.clone(), stanza.to.clone())
        else {
            return Err(Error::BadRequest("an address is missing"));
        };
        if let Destination::Service(Service::Rooms) = self.locate(&to) {
            return self.room_presence(Seat::Remote(from), stanza).await;
        }
        if type_ == PresenceType::Unavailable {
            let place = to.to_bare();
            self.went_offline(Departure { jid: &from, last: true, place: Some(&place) }).await;
        }
        match type_ {
            PresenceType::Available | PresenceType::Unavailable | PresenceType::Error => {
                self.show(None, &stanza, &to).await?;
                self.remote_presence(type_, &stanza, &from, &to.to_bare()).await
            }
            PresenceType::Probe => self.answer_probe(&from, &to, true).await,
            _ => {
                // RFC 6121 section 3.1.3: what is sent to a full address is meant for the account.
                let stanza = stanza.with_from(from.to_bare()).with_to(to.to_bare());
                let _pair = self.lock_pair(&from, &to).await;
                self.pass_subscription(stanza).await;
                Ok(())
            }
        }
    }

    /// What a client of another server is interested in counts if it sees the account's presence.
    async fn remote_presence(
        &self,
        type_: PresenceType,
        stanza: &Stanza,
        from: &Jid,
        account: &Jid,
    ) -> Result<()> {
        if type_ == PresenceType::Error || from.is_bare() {
            return Ok(());
        }
        let shown = match self.profile(account).await? {
            Some(profile) if type_ == PresenceType::Available && !profile.blocks(from) => {
                self.shows_presence_to(&Owner::from(&*profile), from).await?
            }
            _ => false,
        };
        self.note_remote_interests(account, from, Some(stanza).filter(|_| shown)).await;
        Ok(())
    }

    /// Initial presence, or a change of it (RFC 6121 sections 4.2.2 and 4.4.2).
    async fn available(&self, session: &Arc<Session>, stanza: Stanza) -> Result<()> {
        let priority = priority(&stanza)?;
        let owner = Owner::from(&**session);
        let lock = self.rosters.lock(&owner.jid).await;
        let Some(profile) = self.present(session, &owner).await? else {
            return Ok(());
        };
        let stanza = with_photo_hash(stanza, profile.photo_hash.as_deref());
        let stanza = self.with_status(session, &owner, stanza).await?;
        let contacts = self.contacts(&owner).await?;
        let initial = !session.is_available();
        let delivered = self.sessions.mark(&owner.jid).map_or(ArchiveId(0), |mark| mark.reached());
        session.set_presence(Some((priority, Arc::new(Outgoing::new(stanza.clone())))), delivered);
        self.tell_presence(session);
        self.broadcast(&profile, &contacts, &stanza).await;
        if !initial {
            drop(lock);
            self.note_interests(session, &stanza).await;
            return Ok(());
        }
        for other in self.sessions.of(&owner.jid).iter().filter(|other| other.id != session.id) {
            if let Some(presence) = other.presence() {
                push(
                    session,
                    &Arc::new(Outgoing::new(presence.stanza().clone().with_to(session.jid.clone()))),
                );
            }
        }
        if contacts.requests {
            self.repeat_requests(session, &profile).await?;
        }
        drop(lock);
        self.probe_contacts(session, &contacts).await;
        self.ask_again(&owner, &contacts).await;
        if priority >= 0 {
            self.greet(session).await;
        }
        self.note_interests(session, &stanza).await;
        Ok(())
    }

    /// RFC 6121 section 4.5.2.
    async fn unavailable(&self, session: &Arc<Session>, stanza: Stanza) -> Result<()> {
        let owner = Owner::from(&**session);
        let lock = self.rosters.lock(&owner.jid).await;
        if self.present(session, &owner).await?.is_none() {
            return Ok(());
        }
        let last = self.leave(session, &owner, &stanza).await?;
        drop(lock);
        self.leave_rooms(session, &stanza).await;
        self.end_with_presence(session).await;
        if last {
            self.note_last_seen(owner.account, status(&stanza)).await;
        }
        Ok(())
    }

    /// A session has been taken out: whoever saw it is told in its name (RFC 6121 section 4.5.2).
    pub async fn session_gone(&self, session: &Arc<Session>) {
        self.rooms.listening.stop(session);
        self.watching.stop(session);
        let owner = Owner::from(&**session);
        let stanza = Stanza::presence(PresenceType::Unavailable).with_from(session.jid.clone());
        let lock = self.rosters.lock(&owner.jid).await;
        let left = self.leave(session, &owner, &stanza).await;
        drop(lock);
        self.leave_rooms(session, &stanza).await;
        self.end_with_presence(session).await;
        match left {
            Ok(true) => self.note_last_seen(owner.account, None).await,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, session = %session.jid, "the end of a session could not be told to everyone");
            }
        }
    }

    /// Ends what a session's account has for as long as it is online.
    async fn end_with_presence(&self, session: &Session) {
        let others = self.sessions.with(&session.bare, |all| all.iter().any(|s| s.is_available()));
        let last = !others.unwrap_or(false);
        self.went_offline(Departure { jid: &session.jid, last, place: None }).await;
    }

    /// Tells everyone who sees the session that it is not available any more. Answers whether it was, and was the last
    /// one of its account. The caller holds the owner's lock.
    async fn leave(&self, session: &Session, owner: &Owner, stanza: &Stanza) -> Result<bool> {
        let was_available = session.is_available();
        let directed = session.take_directed();
        if !was_available && directed.is_empty() {
            return Ok(false);
        }
        let profile = self.profile(&owner.jid).await?;
        let contacts = match &profile {
            Some(_) => self.contacts(owner).await?,
            // The account was deleted; its contacts were told then.
            None => Arc::default(),
        };
        if was_available {
            if let Some(profile) = &profile {
                self.broadcast(profile, &contacts, stanza).await;
            }
            session.set_presence(None, ArchiveId(0));
            self.tell_presence(session);
            session.set_interests(None);
        }
        for to in directed {
            // Section 4.6.3 rule 2: unless it got it with the broadcast.
            if !(was_available && contacts.is_watcher(&to.to_bare())) {
                self.show(profile.as_deref(), stanza, &to).await?;
            }
        }
        Ok(was_available && !self.is_online(&owner.jid) && profile.is_some())
    }

    /// Shows a session's presence to the account's own sessions, itself included (RFC 6121 section 4.2.2), and to all
    /// contacts with a subscription. One contact who cannot be reached does not keep it from the others.
    pub(crate) async fn broadcast(&self, profile: &Profile, contacts: &Contacts, stanza: &Stanza) {
        if let Some(cluster) = self.cluster() {
            let local = contacts.watchers.iter().filter(|contact| self.is_local(contact.domain()));
            cluster.broadcast_presence(stanza, std::iter::once(&profile.jid).chain(local));
        }
        // Section 4.4.2 speaks of a stanza sent to the contact, and clients sort presence by `to` when they hold several
        // accounts: each contact's address is stamped, on what is encoded once for all of them.
        let shared = Arc::new(Outgoing::for_accounts(stanza.clone()));
        for to in std::iter::once(&profile.jid).chain(&contacts.watchers) {
            if !self.is_local(to.domain()) {
                self.show_remote(Some(profile), stanza, to);
                continue;
            }
            let shown = self.seers(Some(profile), stanza.from.as_ref(), to).await;
            match shown {
                Ok(seers) => seers.iter().for_each(|session| push(session, &shared)),
                Err(error) => tracing::warn!(%error, "presence could not be shown to a contact"),
            }
        }
        self.tell_watching(profile, contacts, stanza).await;
    }

    /// Presence for one address (RFC 6121 section 4.6).
    async fn directed(&self, session: &Arc<Session>, stanza: Stanza, to: &Jid) -> Result<()> {
        let owner = Owner::from(&**session);
        let _lock = self.rosters.lock(&owner.jid).await;
        let Some(profile) = self.present(session, &owner).await? else {
            return Ok(());
        };
        let stanza = with_photo_hash(stanza, profile.photo_hash.as_deref());
        if !to.same_bare(&owner.jid) {
            if profile.blocks(to) {
                return Err(Error::Blocked);
            }
            // Section 4.6.3: rule 1 for those who see the session anyway, rules 2 and 3 for all others.
            let sees = session.is_available() && self.contacts(&owner).await?.is_watcher(&to.to_bare());
            if stanza.kind == Kind::Presence(PresenceType::Unavailable) {
                session.remove_directed(to);
            } else if !sees && !session.add_directed(to.clone()) {
                return Err(Error::ResourceConstraint("too much directed presence"));
            }
        }
        if !self.is_local(to.domain()) {
            return self.to_remote(stanza);
        }
        self.show(Some(&profile), &stanza, to).await
    }

    /// Presence for a room. A session that has been taken out enters none.
    async fn directed_to_room(&self, session: &Arc<Session>, stanza: Stanza) -> Result<()> {
        let owner = Owner::from(&**session);
        let Some(profile) = self.present(session, &owner).await? else {
            return Ok(());
        };
        if stanza.to.as_ref().is_some_and(|to| profile.blocks(to)) {
            return Err(Error::Blocked);
        }
        let stanza = with_photo_hash(stanza, profile.photo_hash.as_deref());
        self.room_presence(Seat::Local(Arc::clone(session)), stanza).await?;
        if self.present(session, &owner).await?.is_none() {
            // It went while it entered, and was in no room then.
            let gone = Stanza::presence(PresenceType::Unavailable).with_from(session.jid.clone());
            self.leave_rooms(session, &gone).await;
        }
        Ok(())
    }

    /// A client asks for somebody's presence itself.
    async fn probe(&self, session: &Arc<Session>, to: &Jid) -> Result<()> {
        let own = self.profile(&session.jid.to_bare()).await?.ok_or(Error::Forbidden)?;
        if own.blocks(to) {
            return Err(Error::Blocked);
        }
        if !self.is_local(to.domain()) {
            let probe =
                Stanza::presence(PresenceType::Probe).with_from(session.jid.clone()).with_to(to.clone());
            return self.to_remote(probe);
        }
        self.answer_probe(&session.jid, to, true).await
    }

    /// Asks for the presence of everyone the account sees, for a session that has just become available
    /// (RFC 6121 section 4.2.2).
    async fn probe_contacts(&self, session: &Session, contacts: &Contacts) {
        if let Some(cluster) = self.cluster() {
            let local = contacts.watched.iter().filter(|contact| self.is_local(contact.domain()));
            cluster.probe(&session.jid, std::iter::once(&session.bare).chain(local));
        }
        for contact in &contacts.watched {
            let answered = if !self.is_local(contact.domain()) {
                self.to_remote(
                    Stanza::presence(PresenceType::Probe)
                        .with_from(session.jid.clone())
                        .with_to(contact.clone()),
                )
            } else if self.sessions.with(contact, |all| all.iter().any(|s| s.is_available())) == Some(true) {
                match self.answer_probe_here(&session.jid, contact).await {
                    Ok(Probed::Refused) => self.refuse_probe(&session.jid, contact).await,
                    answered => answered.map(drop),
                }
            } else {
                // Section 4.3.2 rule 3 leaves it to the server whether to say that nobody is there. Saying nothing
                // means the same to a client that has just come, and spares it a stanza for each absent contact.
                Ok(())
            };
            if let Err(error) = answered
                && !matches!(error, Error::RemoteServerNotFound)
            {
                tracing::warn!(%error, "a contact's presence could not be asked for");
            }
        }
    }

    /// Repeats the requests that contacts at other servers have not answered: one that was on its way when a server or the
    /// line between them failed is not lost for good (RFC 6121 section 3.1.2).
    async fn ask_again(&self, owner: &Owner, contacts: &Contacts) {
        for contact in contacts.asked.iter().filter(|contact| !self.is_local(contact.domain())) {
            let request = Stanza::presence(PresenceType::Subscribe)
                .with_from(owner.jid.clone())
                .with_to(contact.clone());
            if let Err(error) = self.to_remote(request) {
                tracing::debug!(%error, "a request for presence could not be repeated");
            }
        }
    }

    /// Answers a probe for a local account (RFC 6121 section 4.3.2). With `always`, also says that nobody is there.
    pub(crate) async fn answer_probe(&self, from: &Jid, to: &Jid, always: bool) -> Result<()> {
        // Each node answers for its own sessions.
        let elsewhere = self.cluster().is_some_and(|cluster| cluster.probe(from, std::iter::once(to)));
        match self.answer_probe_here(from, to).await? {
            Probed::Refused if !elsewhere => self.refuse_probe(from, to).await,
            Probed::Nobody if always && !elsewhere => {
                let profile = self.profile(&to.to_bare()).await?;
                let absent = Stanza::presence(PresenceType::Unavailable).with_from(to.clone());
                self.show(profile.as_deref(), &absent, from).await
            }
            _ => Ok(()),
        }
    }

    /// The same for the sessions of this node.
    pub(crate) async fn answer_probe_here(&self, from: &Jid, to: &Jid) -> Result<Probed> {
        if to.local().is_none() {
            return Ok(Probed::Silent);
        }
        let Some(profile) = self.profile(&to.to_bare()).await? else {
            // Rule 1: an account that does not exist answers like one that does not show itself.
            return Ok(Probed::Refused);
        };
        // XEP-0191 section 3.2: no answer at all for whoever is blocked.
        if profile.blocks(from) && !from.same_bare(to) {
            return Ok(Probed::Silent);
        }
        let owner = Owner::from(&*profile);
        let _lock = self.rosters.lock(&owner.jid).await;
        let sessions = self.sessions.of(&owner.jid);
        if !self.shows_presence_to(&owner, from).await? {
            // Section 4.6: who got directed presence of a session may ask whether that session is still there.
            let shown: Vec<_> = sessions.into_iter().filter(|s| s.has_directed(from)).collect();
            if shown.is_empty() {
                return Ok(Probed::Refused);
            }
            for session in shown {
                let here = Stanza::presence(PresenceType::Available).with_from(session.jid.clone());
                self.show(Some(&profile), &here, from).await?;
            }
            return Ok(Probed::Shown);
        }
        let mut answered = false;
        for session in sessions {
            // A probe for a full address asks for that session only.
            if (to.is_bare() || session.jid == *to)
                && let Some(presence) = session.presence()
            {
                answered = true;
                self.show(Some(&profile), presence.stanza(), from).await?;
            }
        }
        Ok(if answered { Probed::Shown } else { Probed::Nobody })
    }

    /// RFC 6121 section 4.3.2 rule 1: whoever believes to have a subscription and has none is told so.
    async fn refuse_probe(&self, from: &Jid, to: &Jid) -> Result<()> {
        let (from, to) = (from.to_bare(), to.to_bare());
        let _pair = self.lock_pair(&from, &to).await;
        let owner = self.profile(&to).await?.map(|profile| Owner::from(&*profile));
        if let Some(owner) = owner
            && self.shows_presence_to(&owner, &from).await?
        {
            // It was granted in between, and presence came with it.
            return Ok(());
        }
        self.pass_subscription(Stanza::presence(PresenceType::Unsubscribed).with_from(to).with_to(from))
            .await;
        Ok(())
    }

    /// Shows a contact the presence of every available session. The caller holds the owner's lock.
    pub(crate) async fn show_current(&self, owner: &Owner, contact: &Jid) -> Result<()> {
        if let Some(cluster) = self.cluster() {
            cluster.have_shown(&owner.jid, contact, false);
        }
        self.show_current_here(owner, contact).await
    }

    /// The same for the sessions of this node.
    pub(crate) async fn show_current_here(&self, owner: &Owner, contact: &Jid) -> Result<()> {
        let Some(profile) = self.profile(&owner.jid).await? else {
            return Ok(());
        };
        for session in self.sessions.of(&owner.jid) {
            if let Some(presence) = session.presence() {
                self.show(Some(&profile), presence.stanza(), contact).await?;
            }
        }
        Ok(())
    }

    /// Tells a contact of every available session that it is gone. The caller holds the owner's lock.
    pub(crate) async fn show_unavailable(&self, owner: &Owner, contact: &Jid) -> Result<()> {
        if let Some(cluster) = self.cluster() {
            cluster.have_shown(&owner.jid, contact, true);
        }
        self.show_unavailable_here(owner, contact).await
    }

    /// The same for the sessions of this node.
    pub(crate) async fn show_unavailable_here(&self, owner: &Owner, contact: &Jid) -> Result<()> {
        let Some(profile) = self.profile(&owner.jid).await? else {
            return Ok(());
        };
        for session in self.sessions.of(&owner.jid) {
            if session.is_available() {
                let gone = Stanza::presence(PresenceType::Unavailable).with_from(session.jid.clone());
                self.show(Some(&profile), &gone, contact).await?;
            }
        }
        Ok(())
    }

    /// Hands presence, or an error about presence, to the local sessions an address stands for: a full address to that
    /// session, available or not (RFC 6121 section 8.5.3.1); a bare one to every available session (8.5.2.1.2). What
    /// reaches nobody is dropped silently (8.5.1, 8.5.2.2.2, 8.5.3.2.2). `sender` is a local sender's profile.
    pub(crate) async fn show(&self, sender: Option<&Profile>, stanza: &Stanza, to: &Jid) -> Result<()> {
        let here = || to.is_full() && self.sessions.find(to).is_some();
        if let Some(cluster) = self.cluster().filter(|_| self.is_local(to.domain()) && !here()) {
            cluster.show(stanza, to, sender.is_none());
        }
        self.show_here(sender, stanza, to).await
    }

    /// The same for the sessions of this node, and for other servers.
    pub(crate) async fn show_here(&self, sender: Option<&Profile>, stanza: &Stanza, to: &Jid) -> Result<()> {
        if !self.is_local(to.domain()) {
            self.show_remote(sender, stanza, to);
            return Ok(());
        }
        let seers = self.seers(sender, stanza.from.as_ref(), to).await?;
        if !seers.is_empty() {
            let stanza = Arc::new(Outgoing::new(stanza.clone().with_to(to.clone())));
            seers.iter().for_each(|session| push(session, &stanza));
        }
        Ok(())
    }

    /// Presence for somebody at another server. What nobody asked for brings no error back.
    fn show_remote(&self, sender: Option<&Profile>, stanza: &Stanza, to: &Jid) {
        if !sender.is_some_and(|sender| sender.blocks(to)) {
            let _ = self.to_remote(stanza.clone().with_to(to.clone()));
        }
    }

    /// The sessions of this node that get presence of `from` for a local address.
    async fn seers(
        &self,
        sender: Option<&Profile>,
        from: Option<&Jid>,
        to: &Jid,
    ) -> Result<Vec<Arc<Session>>> {
        let account = to.to_bare();
        let to_self = from.is_some_and(|from| from.same_bare(to));
        // XEP-0191 section 3.2 lets nothing pass to a blocked address; a single resource of it may be the blocked one.
        let hidden = |session: &Session| !to_self && sender.is_some_and(|sender| sender.blocks(&session.jid));
        let receives = |session: &Session| {
            let meant = if to.is_full() { session.jid == *to } else { session.is_available() };
            meant && !hidden(session)
        };
        let seers: Vec<_> = self
            .sessions
            .with(&account, |all| all.iter().filter(|s| receives(s)).cloned().collect())
            .unwrap_or_default();
        if seers.is_empty() || to_self {
            return Ok(seers);
        }
        let barred = match self.profile(&account).await? {
            Some(receiver) => from.is_some_and(|from| receiver.blocks(from)),
            None => true,
        };
        Ok(if barred { Vec::new() } else { seers })
    }

    /// The owner's profile, if the session is still one of his: what a replaced session still had to say is dropped,
    /// because its end has been announced.
    async fn present(&self, session: &Session, owner: &Owner) -> Result<Option<Arc<Profile>>> {
        let there = self.sessions.find(&session.jid).is_some_and(|found| found.id == session.id);
        if there { self.profile(&owner.jid).await } else { Ok(None) }
    }

    /// RFC 6121 section 3.1.3 rule 4: requests that wait are delivered at each login until they are answered.
    async fn repeat_requests(&self, session: &Session, own: &Profile) -> Result<()> {
        let roster = self.store.roster(own.account).await?;
        for item in roster.items.into_iter().filter(|item| !own.blocks(&item.jid)) {
            let Some(xml) = item.request else { continue };
            match read(&xml) {
                Some(request) => push(session, &Arc::new(Outgoing::new(request))),
                None => tracing::error!(contact = %item.jid, "a waiting subscription request cannot be read"),
            }
        }
        Ok(())
    }
}

fn read(xml: &[u8]) -> Option<Stanza> {
    let element = Element::parse(std::str::from_utf8(xml).ok()?).ok()?;
    Stanza::from_element(element).ok()
}

pub(crate) fn push(session: &Session, stanza: &Arc<Outgoing>) {
    session.push(Event::Stanza(Delivery { stanza: Arc::clone(stanza), archived: None }));
}

/// RFC 6121 section 4.7.2.3: an integer from -128 to 127, zero when there is none, and at most one.
fn priority(stanza: &Stanza) -> Result<i8> {
    let mut found = stanza.children().filter(|child| child.is(ns::CLIENT, "priority"));
    let Some(priority) = found.next() else {
        return Ok(0);
    };
    if found.next().is_some() {
        return Err(Error::BadRequest("more than one priority"));
    }
    priority
        .text()
        .trim()
        .parse()
        .map_err(|_| Error::BadRequest("the priority is not a number from -128 to 127"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START_MS, World, jid, told};

    fn none() -> Vec<String> {
        Vec::new()
    }

    /// RFC 6121 section 4.2.2: to contacts with "from" or "both", to the own sessions, itself included; and the presence
    /// of contacts with "to" or "both" comes back.
    #[tokio::test]
    async fn initial_presence_goes_to_watchers_and_brings_the_watched() {
        let world = World::of(&["romeo", "juliet", "nurse", "tybalt", "paris"]).await;
        world.contacts("romeo", "both", "juliet").await;
        world.contacts("romeo", "from", "nurse").await;
        world.contacts("romeo", "to", "tybalt").await;
        world.contacts("romeo", "none", "paris").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut nurse = world.online("nurse", "hall").await;
        let mut tybalt = world.online("tybalt", "street").await;
        let mut paris = world.online("paris", "hall").await;
        let mut romeo = world.connect("romeo", "orchard").await;
        romeo.send("<presence><status>here</status></presence>").await;
        assert_eq!(juliet.told(), ["available romeo/orchard -> juliet (here)"]);
        assert_eq!(nurse.told(), ["available romeo/orchard -> nurse (here)"]);
        assert_eq!(tybalt.told(), none());
        assert_eq!(paris.told(), none());
        assert_eq!(
            romeo.told(),
            [
                "available romeo/orchard -> romeo (here)",
                "available juliet/balcony -> romeo/orchard",
                "available tybalt/street -> romeo/orchard",
            ]
        );
    }

    /// RFC 6121 section 4.2.2: an account is subscribed to itself.
    #[tokio::test]
    async fn own_sessions_see_each_other() {
        let world = World::of(&["romeo"]).await;
        let mut orchard = world.online("romeo", "orchard").await;
        let mut silent = world.connect("romeo", "silent").await;
        let mut garden = world.connect("romeo", "garden").await;
        garden.send("<presence/>").await;
        assert_eq!(orchard.told(), ["available romeo/garden -> romeo"]);
        assert_eq!(
            garden.told(),
            ["available romeo/garden -> romeo", "available romeo/orchard -> romeo/garden"]
        );
        assert_eq!(silent.told(), none());
    }

    /// RFC 6121 section 4.4.2: a change goes where initial presence went, and asks nobody again.
    #[tokio::test]
    async fn a_change_of_presence_is_broadcast_without_probes() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut romeo = world.online("romeo", "orchard").await;
        juliet.told();
        romeo.send("<presence><show>away</show><status>out</status></presence>").await;
        assert_eq!(juliet.told(), ["available romeo/orchard -> juliet (out)"]);
        assert_eq!(romeo.told(), ["available romeo/orchard -> romeo (out)"]);
    }

    /// RFC 6121 section 4.5.2, and 4.5.3 on the receiving side.
    #[tokio::test]
    async fn unavailable_presence_is_broadcast_with_its_status() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut romeo = world.online("romeo", "orchard").await;
        juliet.told();
        romeo.send("<presence type='unavailable'><status>bye</status></presence>").await;
        assert_eq!(juliet.told(), ["unavailable romeo/orchard -> juliet (bye)"]);
        assert_eq!(romeo.told(), ["unavailable romeo/orchard -> romeo (bye)"]);
        assert!(!romeo.session.is_available());
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        assert_eq!((account.last_seen_ms, account.last_status.as_deref()), (Some(START_MS), Some("bye")));
        // It is gone already; ending the session says nothing more.
        world.pass(5000);
        romeo.leave().await;
        assert_eq!(juliet.told(), none());
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        assert_eq!((account.last_seen_ms, account.last_status.as_deref()), (Some(START_MS), Some("bye")));
    }

    /// RFC 6121 section 4.5.2: the server says it for a session that ends without a word.
    #[tokio::test]
    async fn a_session_that_ends_is_announced() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let garden = world.online("romeo", "garden").await;
        let orchard = world.online("romeo", "orchard").await;
        juliet.told();
        orchard.leave().await;
        assert_eq!(juliet.told(), ["unavailable romeo/orchard -> juliet"]);
        assert_eq!(world.chat.account(&jid("romeo")).await.unwrap().last_seen_ms, None);
        world.pass(60_000);
        garden.leave().await;
        assert_eq!(world.chat.account(&jid("romeo")).await.unwrap().last_seen_ms, Some(START_MS + 60_000));
    }

    /// RFC 6120 section 7.7.2.2: what the replaced session still sends is nobody's.
    #[tokio::test]
    async fn a_replaced_session_is_announced_once_and_silenced() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let old = world.online("romeo", "orchard").await;
        juliet.told();
        let _new = world.connect("romeo", "orchard").await;
        assert_eq!(juliet.told(), ["unavailable romeo/orchard -> juliet"]);
        old.send("<presence/>").await;
        old.send("<presence to='juliet~'/>").await;
        old.leave().await;
        assert_eq!(juliet.told(), none());
    }

    /// RFC 6121 section 4.6.3 rules 2 and 3: strangers get what was sent to them, no broadcasts, and the end.
    #[tokio::test]
    async fn directed_presence_is_cleaned_up() {
        let world = World::of(&["romeo", "juliet", "nurse"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut nurse = world.online("nurse", "hall").await;
        let romeo = world.online("romeo", "orchard").await;
        juliet.told();
        romeo.send("<presence to='nurse~/hall'><status>psst</status></presence>").await;
        romeo.send("<presence to='juliet~'><status>only you</status></presence>").await;
        assert_eq!(nurse.told(), ["available romeo/orchard -> nurse/hall (psst)"]);
        assert_eq!(juliet.told(), ["available romeo/orchard -> juliet (only you)"]);
        romeo.send("<presence><show>away</show></presence>").await;
        assert_eq!(nurse.told(), none());
        romeo.send("<presence type='unavailable'><status>bye</status></presence>").await;
        assert_eq!(nurse.told(), ["unavailable romeo/orchard -> nurse/hall (bye)"]);
        // Rule 1: once, although she got directed presence too.
        assert_eq!(
            juliet.told(),
            ["available romeo/orchard -> juliet", "unavailable romeo/orchard -> juliet (bye)"]
        );
    }

    /// RFC 6121 section 4.6.3 rule 3: also of a session that never was available; and not after it said so itself.
    #[tokio::test]
    async fn directed_presence_works_without_initial_presence() {
        let world = World::of(&["romeo", "juliet", "nurse"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut nurse = world.online("nurse", "hall").await;
        let romeo = world.connect("romeo", "orchard").await;
        romeo.send("<presence to='nurse~'/>").await;
        romeo.send("<presence to='juliet~'/>").await;
        romeo.send("<presence to='nurse~' type='unavailable'/>").await;
        assert_eq!(nurse.told(), ["available romeo/orchard -> nurse", "unavailable romeo/orchard -> nurse"]);
        juliet.told();
        romeo.leave().await;
        assert_eq!(nurse.told(), none());
        assert_eq!(juliet.told(), ["unavailable romeo/orchard -> juliet"]);
    }

    #[tokio::test]
    async fn directed_presence_is_limited() {
        let world = World::of(&["romeo"]).await;
        let romeo = world.online("romeo", "orchard").await;
        for i in 0..crate::session::DIRECTED_PRESENCE_LIMIT {
            romeo.send(&format!("<presence to='u{i}~'/>")).await;
        }
        assert!(matches!(
            romeo.try_send("<presence to='one-more~'/>").await,
            Err(Error::ResourceConstraint(_))
        ));
    }

    /// RFC 6121 section 8.5: rows for presence. Bare: every available session (8.5.2.1.2). Full: that session, available
    /// or not (8.5.3.1). Nobody there, no such account: silence (8.5.1, 8.5.2.2.2, 8.5.3.2.2).
    #[tokio::test]
    async fn presence_reaches_what_the_address_stands_for() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "orchard").await;
        let mut balcony = world.online("juliet", "balcony").await;
        let mut chamber = world.online("juliet", "chamber").await;
        let mut silent = world.connect("juliet", "silent").await;
        balcony.told();
        romeo.send("<presence to='juliet~'/>").await;
        assert_eq!(balcony.told(), ["available romeo/orchard -> juliet"]);
        assert_eq!(chamber.told(), ["available romeo/orchard -> juliet"]);
        assert_eq!(silent.told(), none());
        romeo.send("<presence to='juliet~/silent'/>").await;
        romeo.send("<presence to='juliet~/nowhere'/>").await;
        romeo.send("<presence to='nobody~'/>").await;
        romeo.send("<presence to='nobody~' type='subscribe'/>").await;
        romeo.send("<presence to='localhost'/>").await;
        assert_eq!(silent.told(), ["available romeo/orchard -> juliet/silent"]);
        assert_eq!((balcony.told(), chamber.told()), (none(), none()));
    }

    /// RFC 6121 section 4.7.2.3.
    #[tokio::test]
    async fn priority_is_a_small_number() {
        let world = World::of(&["romeo"]).await;
        let romeo = world.connect("romeo", "orchard").await;
        for (text, expected) in [("-128", Some(-128)), ("127", Some(127)), (" 5 ", Some(5)), ("0", Some(0))] {
            romeo.send(&format!("<presence><priority>{text}</priority></presence>")).await;
            assert_eq!(romeo.session.priority(), expected, "{text}");
        }
        for text in ["128", "-129", "", "1.5", "high", "1</priority><priority>2"] {
            let sent = romeo.try_send(&format!("<presence><priority>{text}</priority></presence>")).await;
            assert!(matches!(sent, Err(Error::BadRequest(_))), "{text}");
        }
        assert_eq!(romeo.session.priority(), Some(0));
        romeo.send("<presence/>").await;
        assert_eq!(romeo.session.priority(), Some(0));
    }

    /// RFC 6121 section 4.3.2: rule 1 for strangers and for accounts that do not exist alike, rule 3 for who is away,
    /// rule 4 with the last presence of every session.
    #[tokio::test]
    async fn probes_are_answered() {
        let world = World::of(&["romeo", "juliet", "nurse", "tybalt"]).await;
        world.contacts("romeo", "to", "juliet").await;
        world.contacts("romeo", "to", "nurse").await;
        let mut romeo = world.online("romeo", "orchard").await;
        let _balcony = world.online("juliet", "balcony").await;
        let chamber = world.online("juliet", "chamber").await;
        let _tybalt = world.online("tybalt", "street").await;
        chamber.send("<presence><status>asleep</status></presence>").await;
        romeo.told();
        romeo.send("<presence to='juliet~' type='probe'/>").await;
        let mut told = romeo.told();
        told.sort();
        assert_eq!(
            told,
            [
                "available juliet/balcony -> romeo/orchard",
                "available juliet/chamber -> romeo/orchard (asleep)"
            ]
        );
        romeo.send("<presence to='juliet~/chamber' type='probe'/>").await;
        assert_eq!(romeo.told(), ["available juliet/chamber -> romeo/orchard (asleep)"]);
        romeo.send("<presence to='nurse~' type='probe'/>").await;
        assert_eq!(romeo.told(), ["unavailable nurse -> romeo/orchard"]);
        // Neither has a subscription to lose, so both answers end in the account (A.3.4: not delivered).
        romeo.send("<presence to='tybalt~' type='probe'/>").await;
        romeo.send("<presence to='nobody~' type='probe'/>").await;
        assert_eq!(romeo.told(), none());
    }

    /// RFC 6121 section 4.3.2 rule 1: a subscription that only one side believes in ends.
    #[tokio::test]
    async fn a_probe_heals_a_lost_subscription() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "to", "juliet").await;
        let juliet = world.owner("juliet").await;
        world.chat.drop_item(&juliet, &jid("romeo")).await.unwrap();
        let _balcony = world.online("juliet", "balcony").await;
        let mut romeo = world.connect("romeo", "orchard").await;
        world.chat.roster(&romeo.session, None).await.unwrap();
        romeo.send("<presence/>").await;
        assert_eq!(
            romeo.told(),
            ["available romeo/orchard -> romeo", "roster juliet none", "unsubscribed juliet -> romeo"]
        );
    }

    /// RFC 6121 section 4.6: who got directed presence of a session may ask after it.
    #[tokio::test]
    async fn a_probe_is_answered_by_directed_presence() {
        let world = World::of(&["romeo", "nurse"]).await;
        let romeo = world.online("romeo", "orchard").await;
        let _other = world.online("romeo", "garden").await;
        let mut nurse = world.online("nurse", "hall").await;
        romeo.send("<presence to='nurse~'/>").await;
        nurse.told();
        nurse.send("<presence to='romeo~' type='probe'/>").await;
        assert_eq!(nurse.told(), ["available romeo/orchard -> nurse/hall"]);
    }

    /// XEP-0191 section 3.3: no presence from a blocked address, none to it, no answer to its probes, and an error for
    /// who writes to an address he blocks.
    #[tokio::test]
    async fn nothing_passes_a_block() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        world.chat.block(&world.owner("juliet").await, vec![jid("romeo")]).await.unwrap();
        let mut juliet = world.online("juliet", "balcony").await;
        let mut romeo = world.online("romeo", "orchard").await;
        romeo.send("<presence to='juliet~'/>").await;
        romeo.send("<presence to='juliet~' type='probe'/>").await;
        romeo.send("<presence to='juliet~' type='subscribe'/>").await;
        juliet.send("<presence><show>away</show></presence>").await;
        assert_eq!(juliet.told(), ["available juliet/balcony -> juliet"]);
        assert_eq!(romeo.told(), none());
        assert!(matches!(juliet.try_send("<presence to='romeo~'/>").await, Err(Error::Blocked)));
        assert!(matches!(
            juliet.try_send("<presence to='romeo~' type='subscribed'/>").await,
            Err(Error::Blocked)
        ));
    }

    /// A block of one resource is no block of the others.
    #[tokio::test]
    async fn a_blocked_resource_is_not_the_whole_contact() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        world.chat.block(&world.owner("juliet").await, vec![jid("romeo/orchard")]).await.unwrap();
        let mut juliet = world.online("juliet", "balcony").await;
        let mut orchard = world.online("romeo", "orchard").await;
        let mut garden = world.online("romeo", "garden").await;
        orchard.told();
        assert_eq!(juliet.told(), ["available romeo/garden -> juliet"]);
        juliet.send("<presence><status>hm</status></presence>").await;
        assert_eq!(orchard.told(), none());
        assert_eq!(garden.told(), ["available juliet/balcony -> romeo (hm)"]);
    }

    /// RFC 6120 section 8.1.2.1: whatever `from` a client writes, the server's counts.
    #[tokio::test]
    async fn from_is_stamped() {
        let world = World::of(&["romeo", "juliet"]).await;
        let mut juliet = world.online("juliet", "balcony").await;
        let romeo = world.online("romeo", "orchard").await;
        romeo.send("<presence from='nurse~/hall' to='juliet~'/>").await;
        romeo.send("<presence from='nurse~' to='juliet~' type='subscribe'/>").await;
        assert_eq!(juliet.told(), ["available romeo/orchard -> juliet", "subscribe romeo -> juliet"]);
    }

    /// RFC 6120 section 10.4: another domain that cannot be reached is named to who asked for it, not to who broadcasts.
    #[tokio::test]
    async fn other_domains_are_not_found() {
        let world = World::of(&["romeo"]).await;
        world.add("romeo", "juliet@capulet.lit").await.unwrap();
        let mut romeo = world.online("romeo", "orchard").await;
        for type_ in ["", "type='subscribe'", "type='probe'"] {
            let sent = romeo.try_send(&format!("<presence to='juliet@capulet.lit' {type_}/>")).await;
            assert!(matches!(sent, Err(Error::RemoteServerNotFound)), "{type_}");
        }
        assert_eq!(romeo.told(), ["roster juliet@capulet.lit none ask"]);
        romeo.send("<presence><show>away</show></presence>").await;
    }

    #[tokio::test]
    async fn presence_without_an_address_or_with_a_wrong_kind_is_refused() {
        let world = World::of(&["romeo"]).await;
        let romeo = world.online("romeo", "orchard").await;
        for type_ in ["subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"] {
            let sent = romeo.try_send(&format!("<presence type='{type_}'/>")).await;
            assert!(matches!(sent, Err(Error::BadRequest(_))), "{type_}");
        }
        let message = Stanza::message(waxwing_xmpp::stanza::MessageType::Chat);
        assert!(matches!(world.chat.presence(&romeo.session, message).await, Err(Error::BadRequest(_))));
    }

    /// RFC 6121 section 4.4.2: all sessions of a contact share one stanza, encoded once.
    #[tokio::test]
    async fn sessions_of_a_contact_share_the_stanza() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut balcony = world.online("juliet", "balcony").await;
        let mut chamber = world.online("juliet", "chamber").await;
        let romeo = world.connect("romeo", "orchard").await;
        balcony.told();
        romeo.send("<presence/>").await;
        let (Some(Event::Stanza(one)), Some(Event::Stanza(other))) =
            (balcony.events.try_recv(), chamber.events.try_recv())
        else {
            panic!("both are told");
        };
        assert!(Arc::ptr_eq(&one.stanza, &other.stanza));
    }

    /// Unavailable presence that a client sends while it is not available goes nowhere.
    #[tokio::test]
    async fn unavailable_twice_is_said_once() {
        let world = World::of(&["romeo", "juliet"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let romeo = world.online("romeo", "orchard").await;
        juliet.told();
        romeo.send("<presence type='unavailable'/>").await;
        romeo.send("<presence type='unavailable'/>").await;
        assert_eq!(juliet.told(), ["unavailable romeo/orchard -> juliet"]);
        let mut events = romeo.leave().await;
        assert_eq!(told(&jid("romeo/orchard"), &mut events), ["unavailable romeo/orchard -> romeo"]);
    }

    #[test]
    fn long_status_texts_are_cut_between_characters() {
        let stanza = Stanza::presence(PresenceType::Unavailable)
            .with_child(Element::new(ns::CLIENT, "status").with_text(&"é".repeat(600)));
        assert_eq!(status(&stanza).unwrap().chars().count(), 512);
        assert_eq!(status(&Stanza::presence(PresenceType::Unavailable)), None);
    }
}
