//! Presence: who is told that a session is there, how it is, and that it has gone (RFC 6121 section 4).
//!
//! Presence leaves an account's sessions under the lock of its roster (see `rosters`), so that everyone gets it in the
//! order in which it was sent, and nobody gets any from a session that has been taken out.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use crate::account::AccountChange;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::profile::Profile;
use crate::rosters::{Contacts, Owner};
use crate::session::Session;
use crate::store::StoreError;

impl Chat {
    /// Takes a presence stanza of a client, of whatever type. Its `from` is stamped here.
    pub async fn presence(&self, session: &Arc<Session>, mut stanza: Stanza) -> Result<()> {
        let Kind::Presence(type_) = stanza.kind else {
            return Err(Error::BadRequest("not a presence stanza"));
        };
        stanza.from = Some(session.jid.clone());
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
        match type_ {
            PresenceType::Available | PresenceType::Unavailable | PresenceType::Error => {
                self.show(None, &stanza, &to).await
            }
            PresenceType::Probe => self.answer_probe(&from, &to, true).await,
            _ => {
                // RFC 6121 section 3.1.3: what is sent to a full address is meant for the account.
                let stanza = stanza.with_from(from.to_bare()).with_to(to.to_bare());
                let _pair = self.rosters.lock_pair(&from, &to).await;
                self.pass_subscription(stanza).await;
                Ok(())
            }
        }
    }

    /// Initial presence, or a change of it (RFC 6121 sections 4.2.2 and 4.4.2).
    async fn available(&self, session: &Arc<Session>, stanza: Stanza) -> Result<()> {
        let priority = priority(&stanza)?;
        let owner = Owner::from(&**session);
        let lock = self.rosters.lock(&owner.jid).await;
        let Some(profile) = self.present(session, &owner).await? else {
            return Ok(());
        };
        let contacts = self.contacts(&owner).await?;
        let initial = !session.is_available();
        session.set_presence(Some((priority, Arc::new(Outgoing::new(stanza.clone())))));
        self.broadcast(&profile, &contacts, &stanza).await;
        if !initial {
            return Ok(());
        }
        for other in self
            .sessions
            .of(&owner.jid)
            .iter()
            .filter(|other| other.id != session.id)
        {
            if let Some(presence) = other.presence() {
                push(
                    session,
                    &Arc::new(Outgoing::new(
                        presence.stanza().clone().with_to(session.jid.clone()),
                    )),
                );
            }
        }
        if contacts.requests {
            self.repeat_requests(session, &profile).await?;
        }
        drop(lock);
        self.probe_contacts(session, &contacts).await;
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
        if last {
            self.note_last_seen(&owner, status(&stanza)).await
        } else {
            Ok(())
        }
    }

    /// A session has been taken out: whoever saw it is told in its name (RFC 6121 section 4.5.2).
    pub async fn session_gone(&self, session: &Arc<Session>) {
        let owner = Owner::from(&**session);
        let stanza = Stanza::presence(PresenceType::Unavailable).with_from(session.jid.clone());
        let lock = self.rosters.lock(&owner.jid).await;
        let left = self.leave(session, &owner, &stanza).await;
        drop(lock);
        let noted = match left {
            Ok(true) => self.note_last_seen(&owner, None).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, session = %session.jid, "the end of a session could not be told to everyone");
        }
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
            session.set_presence(None);
        }
        for to in directed {
            // Section 4.6.3 rule 2: unless it got it with the broadcast.
            if !(was_available && contacts.is_watcher(&to.to_bare())) {
                self.show(profile.as_deref(), stanza, &to).await?;
            }
        }
        let others = self
            .sessions
            .with(&owner.jid, |all| all.iter().any(|s| s.is_available()))
            .unwrap_or(false);
        Ok(was_available && !others && profile.is_some())
    }

    async fn note_last_seen(&self, owner: &Owner, status: Option<String>) -> Result<()> {
        let change = AccountChange::LastSeen {
            at_ms: self.now_ms(),
            status,
        };
        match self.store.change_account(owner.account, change).await {
            Err(StoreError::NotFound) => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// Shows a session's presence to the account's own sessions, itself included (RFC 6121 section 4.2.2), and to all
    /// contacts with a subscription. One contact who cannot be reached does not keep it from the others.
    async fn broadcast(&self, profile: &Profile, contacts: &Contacts, stanza: &Stanza) {
        for to in std::iter::once(&profile.jid).chain(&contacts.watchers) {
            if let Err(error) = self.show(Some(profile), stanza, to).await {
                tracing::warn!(%error, "presence could not be shown to a contact");
            }
        }
    }

    /// Presence for one address (RFC 6121 section 4.6).
    async fn directed(&self, session: &Arc<Session>, stanza: Stanza, to: &Jid) -> Result<()> {
        let owner = Owner::from(&**session);
        let _lock = self.rosters.lock(&owner.jid).await;
        let Some(profile) = self.present(session, &owner).await? else {
            return Ok(());
        };
        if !to.same_bare(&owner.jid) {
            if profile.blocks(to) {
                return Err(Error::Blocked);
            }
            if !self.is_local(to.domain()) {
                return self.to_remote(stanza);
            }
            // Section 4.6.3: rule 1 for those who see the session anyway, rules 2 and 3 for all others.
            let sees = session.is_available() && self.contacts(&owner).await?.is_watcher(&to.to_bare());
            if stanza.kind == Kind::Presence(PresenceType::Unavailable) {
                session.remove_directed(to);
            } else if !sees && !session.add_directed(to.clone()) {
                return Err(Error::ResourceConstraint("too much directed presence"));
            }
        }
        self.show(Some(&profile), &stanza, to).await
    }

    /// A client asks for somebody's presence itself.
    async fn probe(&self, session: &Arc<Session>, to: &Jid) -> Result<()> {
        let own = self
            .profile(&session.jid.to_bare())
            .await?
            .ok_or(Error::Forbidden)?;
        if own.blocks(to) {
            return Err(Error::Blocked);
        }
        if !self.is_local(to.domain()) {
            let probe = Stanza::presence(PresenceType::Probe)
                .with_from(session.jid.clone())
                .with_to(to.clone());
            return self.to_remote(probe);
        }
        self.answer_probe(&session.jid, to, true).await
    }

    /// Asks for the presence of everyone the account sees, for a session that has just become available
    /// (RFC 6121 section 4.2.2).
    async fn probe_contacts(&self, session: &Session, contacts: &Contacts) {
        for contact in &contacts.watched {
            let answered = if !self.is_local(contact.domain()) {
                self.to_remote(
                    Stanza::presence(PresenceType::Probe)
                        .with_from(session.jid.clone())
                        .with_to(contact.clone()),
                )
            } else if self
                .sessions
                .with(contact, |all| all.iter().any(|s| s.is_available()))
                == Some(true)
            {
                self.answer_probe(&session.jid, contact, false).await
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

    /// Answers a probe for a local account (RFC 6121 section 4.3.2). With `always`, also says that nobody is there.
    pub(crate) async fn answer_probe(&self, from: &Jid, to: &Jid, always: bool) -> Result<()> {
        if to.local().is_none() {
            return Ok(());
        }
        let Some(profile) = self.profile(&to.to_bare()).await? else {
            // Rule 1: an account that does not exist answers like one that does not show itself.
            return self.refuse_probe(from, to).await;
        };
        // XEP-0191 section 3.2: no answer at all for whoever is blocked.
        if profile.blocks(from) && !from.same_bare(to) {
            return Ok(());
        }
        let owner = Owner::from(&*profile);
        let lock = self.rosters.lock(&owner.jid).await;
        let sessions = self.sessions.of(&owner.jid);
        if !self.shows_presence_to(&owner, from).await? {
            // Section 4.6: who got directed presence of a session may ask whether that session is still there.
            let shown: Vec<_> = sessions.iter().filter(|s| s.has_directed(from)).collect();
            if shown.is_empty() {
                drop(lock);
                return self.refuse_probe(from, to).await;
            }
            for session in shown {
                let here = Stanza::presence(PresenceType::Available).with_from(session.jid.clone());
                self.show(Some(&profile), &here, from).await?;
            }
            return Ok(());
        }
        let mut answered = false;
        // A probe for a full address asks for that session only.
        for session in &sessions {
            if (to.is_bare() || session.jid == *to)
                && let Some(presence) = session.presence()
            {
                answered = true;
                self.show(Some(&profile), presence.stanza(), from).await?;
            }
        }
        if !answered && always {
            let absent = Stanza::presence(PresenceType::Unavailable).with_from(to.clone());
            self.show(Some(&profile), &absent, from).await?;
        }
        Ok(())
    }

    /// RFC 6121 section 4.3.2 rule 1: whoever believes to have a subscription and has none is told so.
    async fn refuse_probe(&self, from: &Jid, to: &Jid) -> Result<()> {
        let (from, to) = (from.to_bare(), to.to_bare());
        let _pair = self.rosters.lock_pair(&from, &to).await;
        let owner = self.profile(&to).await?.map(|profile| Owner::from(&*profile));
        if let Some(owner) = owner
            && self.shows_presence_to(&owner, &from).await?
        {
            // It was granted in between, and presence came with it.
            return Ok(());
        }
        self.pass_subscription(
            Stanza::presence(PresenceType::Unsubscribed)
                .with_from(to)
                .with_to(from),
        )
        .await;
        Ok(())
    }

    /// Shows a contact the presence of every available session. The caller holds the owner's lock.
    pub(crate) async fn show_current(&self, owner: &Owner, contact: &Jid) -> Result<()> {
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
        if !self.is_local(to.domain()) {
            // Presence that nobody asked for brings no error back.
            return self.to_remote(stanza.clone().with_to(to.clone())).or(Ok(()));
        }
        let account = to.to_bare();
        let receives = |session: &Session| {
            if to.is_full() {
                session.jid == *to
            } else {
                session.is_available()
            }
        };
        let anybody = self
            .sessions
            .with(&account, |all| all.iter().any(|s| receives(s)));
        if anybody != Some(true) {
            return Ok(());
        }
        let to_self = stanza.from.as_ref().is_some_and(|from| from.same_bare(to));
        if !to_self {
            let Some(receiver) = self.profile(&account).await? else {
                return Ok(());
            };
            if stanza.from.as_ref().is_some_and(|from| receiver.blocks(from)) {
                return Ok(());
            }
        }
        // XEP-0191 section 3.2 lets nothing pass to a blocked address; a single resource of it may be the blocked one.
        let hidden = |session: &Session| !to_self && sender.is_some_and(|sender| sender.blocks(&session.jid));
        // Section 4.4.2 speaks of a stanza sent to the contact, and clients sort presence by `to` when they hold several
        // accounts: so it is stamped, and encoded once for all sessions of the contact.
        let stanza = Arc::new(Outgoing::new(stanza.clone().with_to(to.clone())));
        self.sessions.with(&account, |all| {
            for session in all.iter().filter(|s| receives(s) && !hidden(s)) {
                push(session, &stanza);
            }
        });
        Ok(())
    }

    /// Stanzas for other servers, which cannot be reached from here.
    pub(crate) fn to_remote(&self, _stanza: Stanza) -> Result<()> {
        Err(Error::RemoteServerNotFound)
    }

    /// The owner's profile, if the session is still one of his: what a replaced session still had to say is dropped,
    /// because its end has been announced.
    async fn present(&self, session: &Session, owner: &Owner) -> Result<Option<Arc<Profile>>> {
        let there = self
            .sessions
            .find(&session.jid)
            .is_some_and(|found| found.id == session.id);
        if there {
            self.profile(&owner.jid).await
        } else {
            Ok(None)
        }
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
    session.push(Event::Stanza(Delivery {
        stanza: Arc::clone(stanza),
        archived: None,
    }));
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

/// Bytes of a status text that are remembered for XEP-0012.
const STATUS_BYTES_LIMIT: usize = 1024;

fn status(stanza: &Stanza) -> Option<String> {
    let text = stanza.child(ns::CLIENT, "status")?.text();
    let end = (0..=STATUS_BYTES_LIMIT.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))?;
    Some(text[..end].to_owned()).filter(|text| !text.is_empty())
}
