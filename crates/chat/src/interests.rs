//! What clients want to be told of: the nodes that they name with `+notify` in their entity capabilities (XEP-0060 section
//! 9.2, XEP-0115), learned once for each kind of client.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use crate::chat::Chat;
use crate::error::Result;
use crate::presence::push;
use crate::pubsub::personal::Newcomer;
use crate::session::Session;

/// How many kinds of client are remembered in each of the two generations of the cache.
pub const KINDS_LIMIT: usize = 10_000;

/// How many nodes one client may be interested in; of more, the rest is ignored.
pub const INTERESTS_LIMIT: usize = 100;

/// How many clients of one unknown kind wait for the answer of another.
pub const WAITING_LIMIT: usize = 10_000;

/// How many clients of one unknown kind are asked at one time.
pub const ASKED_AT_ONCE_LIMIT: usize = 3;

/// How many kinds may be being asked for at one time.
pub const ASKING_LIMIT: usize = 10_000;

/// After so many milliseconds without an answer others of the same kind are asked.
pub const ANSWER_TIMEOUT_MS: u64 = 30_000;

/// How many clients of other servers are remembered with their interests, for all accounts together.
pub const REMOTE_LIMIT: usize = 100_000;

/// The nodes that a kind of client is interested in, in order.
pub type Interests = Arc<[Box<str>]>;

/// How what a client announces is told from another announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// XEP-0115 with SHA-1.
    Sha1,
    /// XEP-0115 with SHA-256.
    Sha256,
    /// XEP-0390 with SHA-256.
    Caps2,
    /// Without a hash that could be checked: it says something about this one client only.
    Unchecked,
}

/// What a client announces in its presence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caps {
    /// How it is checked.
    pub kind: Announcement,
    /// The hash.
    pub hash: Box<str>,
    /// Whom it says something about, if it cannot be checked.
    of: Option<Jid>,
}

/// What presence announces, with the node of service discovery that it is asked for by.
fn announced(presence: &Stanza) -> Option<(Caps, String)> {
    if let Some(c) = presence.child(ns::CAPS, "c") {
        let (node, ver) = (c.attr("node")?, c.attr("ver")?);
        let kind = match c.attr("hash") {
            Some("sha-1") => Announcement::Sha1,
            Some("sha-256") => Announcement::Sha256,
            _ => Announcement::Unchecked,
        };
        let of = presence.from.clone().filter(|_| kind == Announcement::Unchecked);
        return Some((Caps { kind, hash: ver.into(), of }, format!("{node}#{ver}")));
    }
    let c = presence.child(ns::CAPS2, "c")?;
    let mut hashes = c.children().filter(|child| child.is(ns::HASHES, "hash"));
    let hash = hashes.find(|hash| hash.attr("algo") == Some("sha-256"))?.text().into_owned();
    let node = format!("urn:xmpp:caps#sha-256.{hash}");
    Some((Caps { kind: Announcement::Caps2, hash: hash.into(), of: None }, node))
}

/// Somebody whose interests are being asked for.
#[derive(Debug, Clone)]
enum Waiting {
    Local(Weak<Session>),
    /// A client of another server, and the account that it shows itself to.
    Remote(Jid, Jid),
}

#[derive(Debug, Default)]
struct Asking {
    /// Who has been asked, by which id, when, milliseconds since the Unix epoch.
    asked: Vec<(Jid, String, u64)>,
    node: String,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug, Default)]
struct State {
    young: HashMap<Caps, Interests>,
    old: HashMap<Caps, Interests>,
    asking: HashMap<Caps, Asking>,
    /// The interested clients of other servers that show themselves to an account.
    remote: HashMap<Jid, Vec<(Jid, Interests)>>,
    remote_count: usize,
}

impl State {
    fn known(&mut self, caps: &Caps) -> Option<Interests> {
        if let Some(found) = self.young.get(caps) {
            return Some(Arc::clone(found));
        }
        let found = self.old.remove(caps)?;
        self.remember(caps.clone(), Arc::clone(&found));
        Some(found)
    }

    fn remember(&mut self, caps: Caps, interests: Interests) {
        if self.young.len() >= KINDS_LIMIT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(caps, interests);
    }

    fn forget_remote(&mut self, account: &Jid, jid: &Jid) {
        let Some(all) = self.remote.get_mut(account) else { return };
        let before = all.len();
        all.retain(|(known, _)| known != jid);
        self.remote_count -= before - all.len();
        if all.is_empty() {
            self.remote.remove(account);
        }
    }
}

/// What is known of the interests of clients.
#[derive(Debug, Default)]
pub(crate) struct KnownInterests(Mutex<State>);

impl KnownInterests {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked did so between whole changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clients of other servers that show themselves to an account and are interested in a node.
    pub(crate) fn remote_interested(&self, account: &Jid, node: &str) -> Vec<Jid> {
        let state = self.lock();
        let all = state.remote.get(account).into_iter().flatten();
        all.filter(|(_, interests)| contains(interests, node)).map(|(jid, _)| jid.clone()).collect()
    }

    /// The clients of one contact at another server that show themselves to an account.
    pub(crate) fn remote_of(&self, account: &Jid, contact: &Jid) -> Vec<(Jid, Interests)> {
        let state = self.lock();
        let all = state.remote.get(account).into_iter().flatten();
        all.filter(|(jid, _)| jid.same_bare(contact)).cloned().collect()
    }

    /// Notes the interests of a client of another server; says whether they are new.
    fn note_remote(&self, account: &Jid, jid: &Jid, interests: &Interests) -> bool {
        let mut state = self.lock();
        let known = state
            .remote
            .get(account)
            .into_iter()
            .flatten()
            .any(|(known, old)| known == jid && old == interests);
        if known {
            return false;
        }
        state.forget_remote(account, jid);
        if interests.is_empty() || state.remote_count >= REMOTE_LIMIT {
            return false;
        }
        state.remote_count += 1;
        state.remote.entry(account.clone()).or_default().push((jid.clone(), Arc::clone(interests)));
        true
    }
}

pub(crate) fn contains(interests: &Interests, node: &str) -> bool {
    interests.binary_search_by(|known| (**known).cmp(node)).is_ok()
}

/// Sorts out what a client is interested in from its features.
pub fn interests_of<'a>(features: impl Iterator<Item = &'a str>) -> Interests {
    let mut nodes: Vec<Box<str>> = features
        .filter_map(|var| var.strip_suffix("+notify"))
        .take(INTERESTS_LIMIT)
        .map(Into::into)
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.into()
}

impl Chat {
    /// A session is available, or changed its presence: what it announces is noted, and it is sent the last items of what
    /// it is newly interested in. The caller holds no lock.
    pub(crate) async fn note_interests(&self, session: &Arc<Session>, presence: &Stanza) {
        let Some((caps, node)) = announced(presence) else {
            session.set_interests(None);
            return;
        };
        let known = {
            let mut state = self.interests.lock();
            let known = state.known(&caps);
            if known.is_none() {
                self.ask(&mut state, &caps, node, Waiting::Local(Arc::downgrade(session)));
            }
            known
        };
        if let Some(interests) = known {
            self.interested(session, interests).await;
        }
    }

    /// A client of another server shows itself to an account, or does so no longer.
    pub(crate) async fn note_remote_interests(&self, account: &Jid, jid: &Jid, presence: Option<&Stanza>) {
        let Some((caps, node)) = presence.and_then(announced) else {
            self.interests.lock().forget_remote(account, jid);
            return;
        };
        let known = {
            let mut state = self.interests.lock();
            let known = state.known(&caps);
            if known.is_none() {
                self.ask(&mut state, &caps, node, Waiting::Remote(jid.clone(), account.clone()));
            }
            known
        };
        if let Some(interests) = known {
            self.remote_interested(account, jid, interests).await;
        }
    }

    /// Another server answers something that an account has sent with an error: the client is told nothing more until it
    /// shows itself again (XEP-0163 section 4.3.2).
    pub(crate) fn gone_elsewhere(&self, account: &Jid, jid: &Jid) {
        if account.is_bare() && jid.is_full() {
            self.interests.lock().forget_remote(account, jid);
        }
    }

    /// Asks a client what it announces, or lets it wait for the answer of others who announce the same.
    fn ask(&self, state: &mut State, caps: &Caps, node: String, who: Waiting) {
        let now_ms = self.now_ms();
        if state.asking.len() >= ASKING_LIMIT && !state.asking.contains_key(caps) {
            state.asking.retain(|_, asking| {
                asking.asked.iter().any(|(.., at_ms)| now_ms.saturating_sub(*at_ms) < ANSWER_TIMEOUT_MS)
            });
            if state.asking.len() >= ASKING_LIMIT {
                return;
            }
        }
        let asking = state.asking.entry(caps.clone()).or_default();
        asking.node = node;
        if asking.waiting.len() >= WAITING_LIMIT {
            asking.waiting.pop_front();
        }
        asking.waiting.push_back(who.clone());
        asking.asked.retain(|(.., at_ms)| now_ms.saturating_sub(*at_ms) < ANSWER_TIMEOUT_MS);
        if asking.asked.len() < ASKED_AT_ONCE_LIMIT {
            self.ask_one(asking, &who);
        }
    }

    fn ask_one(&self, asking: &mut Asking, who: &Waiting) {
        let (session, jid, domain) = match who {
            Waiting::Local(session) => match session.upgrade() {
                Some(session) => (Some(Arc::clone(&session)), session.jid.clone(), session.jid.to_domain()),
                None => return,
            },
            Waiting::Remote(jid, account) => (None, jid.clone(), account.to_domain()),
        };
        let id = self.token();
        let query = Element::new(ns::DISCO_INFO, "query").with_attr("node", &asking.node);
        let iq = Stanza::iq(IqType::Get, &id).with_from(domain).with_to(jid.clone()).with_child(query);
        let sent = match session {
            Some(session) => {
                push(&session, &Arc::new(Outgoing::new(iq)));
                true
            }
            None => self.to_remote(iq).is_ok(),
        };
        if sent {
            asking.asked.push((jid, id, self.now_ms()));
        }
    }

    /// What the answer to one of the server's questions is about: `None` when nobody asked.
    pub fn asked_caps(&self, from: &Jid, id: &str) -> Option<Caps> {
        let state = self.interests.lock();
        let mut all = state.asking.iter();
        let asked = |asking: &Asking| asking.asked.iter().any(|(jid, known, _)| jid == from && known == id);
        all.find(|(_, asking)| asked(asking)).map(|(caps, _)| caps.clone())
    }

    /// A client has answered what it announces. If the answer has the hash that was announced (`checked`), it holds for all
    /// clients that announce the same; otherwise for this one, and another is asked. `None` stands for no answer.
    pub async fn caps_answered(&self, from: &Jid, caps: &Caps, checked: bool, interests: Option<Interests>) {
        let told: Vec<Waiting> = {
            let mut state = self.interests.lock();
            let Some(mut asking) = state.asking.remove(caps) else { return };
            if checked && let Some(interests) = &interests {
                if caps.kind != Announcement::Unchecked {
                    state.remember(caps.clone(), Arc::clone(interests));
                }
                asking.waiting.into()
            } else {
                asking.asked.retain(|(jid, ..)| jid != from);
                let is_from = |waiting: &Waiting| match waiting {
                    Waiting::Local(session) => session.upgrade().is_none_or(|session| session.jid == *from),
                    Waiting::Remote(jid, _) => jid == from,
                };
                let (answered, others): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut asking.waiting).into_iter().partition(is_from);
                asking.waiting = others.into();
                if asking.asked.is_empty()
                    && let Some(next) = asking.waiting.pop_front()
                {
                    self.ask_one(&mut asking, &next);
                    asking.waiting.push_back(next);
                }
                if !asking.waiting.is_empty() {
                    state.asking.insert(caps.clone(), asking);
                }
                answered
            }
        };
        let Some(interests) = interests else { return };
        for waiting in told {
            match waiting {
                Waiting::Local(session) => {
                    if let Some(session) = session.upgrade().filter(|session| session.is_available()) {
                        self.interested(&session, Arc::clone(&interests)).await;
                    }
                }
                Waiting::Remote(jid, account) => {
                    self.remote_interested(&account, &jid, Arc::clone(&interests)).await;
                }
            }
        }
    }

    async fn interested(&self, session: &Arc<Session>, interests: Interests) {
        let before = session.set_interests(Some(Arc::clone(&interests)));
        let new: Interests = match before {
            Some(before) => interests.iter().filter(|node| !contains(&before, node)).cloned().collect(),
            None => interests,
        };
        if let Err(error) = self.send_last_items(session, new).await {
            tracing::warn!(%error, session = %session.jid, "last items could not be sent");
        }
    }

    async fn remote_interested(&self, account: &Jid, jid: &Jid, interests: Interests) {
        if !self.interests.note_remote(account, jid, &interests) {
            return;
        }
        let sent: Result<()> =
            self.send_last_of(Newcomer::Remote(jid), vec![account.clone()], interests).await;
        if let Err(error) = sent {
            tracing::warn!(%error, "last items could not be sent to a client of another server");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Client, World};

    const CAPS: &str =
        "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:c' ver='v'/></presence>";

    /// The questions that came, by their ids.
    fn asked(client: &mut Client) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(event) = client.events.try_recv() {
            if let crate::event::Event::Stanza(delivery) = event
                && delivery.stanza.stanza().child(ns::DISCO_INFO, "query").is_some()
            {
                asked.push(delivery.stanza.stanza().id.as_deref().unwrap_or_default().to_owned());
            }
        }
        asked
    }

    async fn answer(client: &Client, id: &str, checked: bool, features: Option<&[&str]>) {
        let chat = &client.chat;
        let caps = chat.asked_caps(&client.session.jid, id).expect("it was asked");
        let interests = features.map(|features| interests_of(features.iter().copied()));
        chat.caps_answered(&client.session.jid, &caps, checked, interests).await;
    }

    #[test]
    fn interests_are_the_features_that_end_so() {
        let interests = interests_of(["b+notify", "a", "a+notify", "b+notify"].into_iter());
        assert_eq!(&*interests, [Box::from("a"), Box::from("b")]);
        assert!(contains(&interests, "a") && !contains(&interests, "c"));
        let many: Vec<String> = (0..INTERESTS_LIMIT * 2).map(|n| format!("{n}+notify")).collect();
        assert_eq!(interests_of(many.iter().map(String::as_str)).len(), INTERESTS_LIMIT);
    }

    /// XEP-0115 section 6.2: of many clients of one kind few are asked, and the answer of one is enough.
    #[tokio::test]
    async fn one_answer_is_enough_for_all() {
        let names: Vec<String> = (0..ASKED_AT_ONCE_LIMIT + 2).map(|n| format!("u{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let world = World::of(&names).await;
        let mut clients = Vec::new();
        for name in &names {
            let client = world.online(name, "a").await;
            client.send(CAPS).await;
            clients.push(client);
        }
        let ids: Vec<Vec<String>> = clients.iter_mut().map(asked).collect();
        assert_eq!(ids.iter().flatten().count(), ASKED_AT_ONCE_LIMIT);
        answer(&clients[1], &ids[1][0], true, Some(&["urn:x+notify"])).await;
        assert!(clients.iter().all(|client| client.session.is_interested_in("urn:x")));
        let mut late = world.online("u0", "b").await;
        late.send(CAPS).await;
        assert!(asked(&mut late).is_empty() && late.session.is_interested_in("urn:x"));
        late.send("<presence/>").await;
        assert!(!late.session.is_interested_in("urn:x"));
    }

    /// XEP-0115 section 8.1: whoever answers something else than he announced speaks for himself, and another is asked.
    #[tokio::test]
    async fn another_is_asked_when_an_answer_is_wrong() {
        let names: Vec<String> = (0..=ASKED_AT_ONCE_LIMIT).map(|n| format!("u{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let world = World::of(&names).await;
        let mut clients = Vec::new();
        for name in &names {
            let client = world.online(name, "a").await;
            client.send(CAPS).await;
            clients.push(client);
        }
        let ids: Vec<Vec<String>> = clients.iter_mut().map(asked).collect();
        answer(&clients[0], &ids[0][0], false, Some(&["urn:forged+notify"])).await;
        answer(&clients[1], &ids[1][0], false, None).await;
        answer(&clients[2], &ids[2][0], false, None).await;
        assert!(clients[0].session.is_interested_in("urn:forged"));
        assert!(!clients[3].session.is_interested_in("urn:forged"));
        let last = clients.last_mut().expect("one");
        let id = asked(last).pop().expect("it is asked now");
        answer(last, &id, true, Some(&["urn:x+notify"])).await;
        assert!(last.session.is_interested_in("urn:x"));
        assert!(world.chat.asked_caps(&last.session.jid, &id).is_none());
    }
}
