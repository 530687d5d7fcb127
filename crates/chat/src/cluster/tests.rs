//! Three nodes over one store and one bus: what one is told on one of them, everybody sees on the others.

use std::sync::Arc;
use std::time::Duration;

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::*;
use crate::account::Role;
use crate::accounts::NewPerson;
use crate::event::{Close, Event};
use crate::memory_bus::Hub;
use crate::memory_nodes::SharedLog;
use crate::memory_store::MemoryStore;
use crate::port::{SystemClock, SystemRandom};
use crate::rosters::{Owner, RosterEdit};
use crate::session::ClientInfo;
use crate::settings::Settings;
use crate::state::StateKind;
use crate::testing::{Client, heard, jid};

/// Nodes of one installation.
pub(super) struct Nodes {
    pub(super) hub: Arc<Hub>,
    pub(super) log: Arc<SharedLog>,
    pub(super) chats: Vec<Arc<Chat>>,
    base: MemoryStore,
}

impl Nodes {
    pub(super) async fn of(count: u64, names: &[&str]) -> Self {
        let base = MemoryStore::default();
        let mut nodes = Self { hub: Arc::default(), log: Arc::default(), chats: Vec::new(), base };
        for _ in 0..count {
            nodes.add().await;
        }
        for name in names {
            let new = NewPerson { jid: jid(name), name: None, role: Role::Member, password: name };
            nodes.chats[0].create_account(new, "local").await.expect("an account");
        }
        quiet().await;
        nodes
    }

    /// One more.
    pub(super) async fn add(&mut self) {
        let node = NodeId(self.chats.len() as u64 + 1);
        let cluster = Cluster::new(self.hub.node(node));
        let turns: Arc<dyn crate::nodes::Turns> = Arc::<Cluster>::clone(&cluster);
        let store = Arc::new(self.base.for_node(node, &self.log, turns));
        let settings = Settings { scram_iterations: 4096, scram_sha1: false, ..Settings::default() };
        let chat = Chat::new(store, Arc::new(SystemClock), Arc::new(SystemRandom), settings);
        let (leases, log) = (Arc::<SharedLog>::clone(&self.log), Arc::<SharedLog>::clone(&self.log));
        chat.join(&cluster, leases, log).await.expect("it joins");
        self.chats.push(chat);
        quiet().await;
    }

    pub(super) fn cluster(&self, at: usize) -> &Arc<Cluster> {
        self.chats[at].cluster().expect("it has joined")
    }

    pub(super) async fn owner(&self, name: &str) -> Owner {
        Owner::from(&self.chats[0].account(&jid(name)).await.expect("an account"))
    }

    /// A client at one of the nodes that has sent nothing yet.
    pub(super) async fn connect(&self, at: usize, name: &str, resource: &str) -> Client {
        let chat = &self.chats[at];
        let account = chat.account(&jid(name)).await.expect("an account");
        let info = ClientInfo { since_ms: chat.now_ms(), ..ClientInfo::default() };
        let (session, events) = chat.bind(&account, None, resource, info).await.expect("a session");
        Client { chat: Arc::clone(chat), session, events }
    }

    /// One that asked for its roster, is available, has read what waited, and wants copies.
    pub(super) async fn online(&self, at: usize, name: &str, resource: &str) -> Client {
        let mut client = self.connect(at, name, resource).await;
        client.chat.roster(&client.session, None).await.expect("a roster");
        client.session.set_carbons(true);
        client.send("<presence/>").await;
        while !client.chat.replay(&client.session).await.expect("a page").is_empty() {}
        quiet().await;
        client.told();
        client
    }

    pub(super) async fn contacts(&self, one: &str, other: &str) {
        for (owner, contact) in [(one, other), (other, one)] {
            let mut item = crate::rosters::blank(jid(contact));
            (item.listed, item.subscription) = (true, crate::roster::Subscription::Both);
            let owner = self.owner(owner).await;
            self.chats[0].put_item(&owner, item, false).await.expect("an item");
        }
        quiet().await;
    }
}

/// Returns once all nodes have dealt with everything: the clock stands until nobody has anything to do.
pub(super) async fn quiet() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

pub(super) fn stanza(xml: &str) -> Stanza {
    let xml = xml.replace('~', "@localhost");
    Stanza::from_element(Element::parse(&xml).expect("XML")).expect("a stanza")
}

/// Sends a message, which is written without its namespace, and waits until it is safe.
pub(super) async fn send(from: &Client, xml: &str) {
    try_send(from, xml).await.expect("it is safe");
}

pub(super) async fn try_send(from: &Client, xml: &str) -> crate::Result<()> {
    let message = stanza(&xml.replacen("<message", "<message xmlns='jabber:client'", 1));
    from.chat.send(&from.session, message.with_from(from.session.jid.clone())).await?.await
}

async fn say(from: &Client, to: &str, body: &str) {
    send(from, &format!("<message type='chat' to='{to}'><body>{body}</body></message>")).await;
}

fn none() -> Vec<String> {
    Vec::new()
}

/// The log does not reach back to what a node has missed: its sessions end, and what is newer is handed to none of them.
#[tokio::test(start_paused = true)]
async fn nothing_passes_what_a_node_has_skipped() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    let mut juliet = nodes.online(0, "juliet", "one").await;
    let near = nodes.online(0, "romeo", "near").await;
    let far = nodes.online(1, "romeo", "far").await;
    nodes.hub.cut(NodeId(2), NodeId(1));
    say(&far, "juliet~", "skipped").await;
    nodes.log.forget(u64::MAX - 1);
    say(&near, "juliet~", "newer").await;
    quiet().await;
    assert_eq!(juliet.session.close_reason(), Some(Close::Reset));
    assert_eq!(heard(&mut juliet), none());
}

#[tokio::test(start_paused = true)]
async fn messages_and_copies_reach_every_device_once_and_in_order() {
    let nodes = Nodes::of(3, &["romeo", "juliet"]).await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    let mut second = nodes.online(1, "romeo", "b").await;
    let mut one = nodes.online(1, "juliet", "one").await;
    let mut two = nodes.online(2, "juliet", "two").await;
    for number in 0..20 {
        let (from, to) = if number % 2 == 0 { (&romeo, "juliet~") } else { (&one, "romeo~") };
        say(from, to, &number.to_string()).await;
    }
    quiet().await;
    let both = |even: &'static str, odd: &'static str| {
        (0..20).map(move |n| format!("{}{n}", if n % 2 == 0 { even } else { odd })).collect::<Vec<_>>()
    };
    let every = |which: usize| (which..20).step_by(2).map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(heard(&mut romeo), every(1));
    assert_eq!(heard(&mut second), both("sent ", ""));
    assert_eq!(heard(&mut one), every(0));
    assert_eq!(heard(&mut two), both("", "sent "));
}

/// RFC 6121 section 8.5.3: for one session alone, wherever it is; of type chat for the account when it has gone.
#[tokio::test(start_paused = true)]
async fn a_full_address_is_found_on_every_node() {
    let nodes = Nodes::of(3, &["romeo", "juliet"]).await;
    let romeo = nodes.online(0, "romeo", "a").await;
    let mut one = nodes.online(1, "juliet", "one").await;
    let mut two = nodes.online(2, "juliet", "two").await;
    let mut here = nodes.online(0, "juliet", "here").await;
    [&one, &two, &here].iter().for_each(|client| client.session.set_carbons(false));
    say(&romeo, "juliet~/one", "for one").await;
    quiet().await;
    assert_eq!(
        (heard(&mut one), heard(&mut two), heard(&mut here)),
        (vec!["for one".into()], none(), none())
    );
    send(&romeo, "<message to='juliet~/two'><body>normal</body></message>").await;
    quiet().await;
    assert_eq!(heard(&mut two), ["normal"]);
    one.leave().await;
    quiet().await;
    say(&romeo, "juliet~/one", "for whoever").await;
    quiet().await;
    assert_eq!((heard(&mut two), heard(&mut here)), (vec!["for whoever".into()], vec!["for whoever".into()]));
    let refused = try_send(&romeo, "<message to='juliet~/one'><body>x</body></message>").await;
    assert!(matches!(refused, Err(crate::Error::ServiceUnavailable)));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_keeps_its_place() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    let romeo = nodes.online(0, "romeo", "a").await;
    let mut second = nodes.online(1, "romeo", "b").await;
    let mut juliet = nodes.online(1, "juliet", "one").await;
    let passing = "<no-store xmlns='urn:xmpp:hints'/>";
    for number in 0..10 {
        say(&romeo, "juliet~", &format!("kept {number}")).await;
        let xml =
            format!("<message type='chat' to='juliet~'><body>passing {number}</body>{passing}</message>");
        send(&romeo, &xml).await;
    }
    quiet().await;
    let all = |word: &str| {
        (0..10).flat_map(|n| [format!("{word}kept {n}"), format!("{word}passing {n}")]).collect::<Vec<_>>()
    };
    assert_eq!(heard(&mut juliet), all(""));
    assert_eq!(heard(&mut second), all("sent "));
}

/// Whatever the bus loses is read from the log: frames cut both ways, and healed.
#[tokio::test(start_paused = true)]
async fn lost_frames_lose_no_message() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    let romeo = nodes.online(0, "romeo", "a").await;
    let mut juliet = nodes.online(1, "juliet", "one").await;
    let (one, two) = (NodeId(1), NodeId(2));
    say(&romeo, "juliet~", "0").await;
    nodes.hub.cut(one, two);
    say(&romeo, "juliet~", "1").await;
    quiet().await;
    assert_eq!(heard(&mut juliet), ["0"]);
    // Her own node commits something: it sees that a batch before it is missing.
    let nobody = nodes.online(1, "romeo", "b").await;
    say(&nobody, "romeo~", "to himself").await;
    quiet().await;
    assert_eq!(heard(&mut juliet), ["1"]);
    say(&romeo, "juliet~", "2").await;
    nodes.hub.heal(one, two);
    say(&romeo, "juliet~", "3").await;
    quiet().await;
    assert_eq!(heard(&mut juliet), ["2", "3"]);
}

/// A directory that knows nothing makes no difference: the header alone brings the message.
/// What comes behind a batch that is missing does not put off that it is read, however often it comes.
#[tokio::test(start_paused = true)]
async fn a_gap_is_filled_while_more_comes_all_the_time() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    let romeo = nodes.online(0, "romeo", "a").await;
    let mut juliet = nodes.online(1, "juliet", "one").await;
    nodes.hub.cut(NodeId(1), NodeId(2));
    say(&romeo, "juliet~", "missing").await;
    nodes.hub.heal(NodeId(1), NodeId(2));
    for number in 0..50 {
        say(&romeo, "juliet~", &number.to_string()).await;
        tokio::time::sleep(order::GAP_PATIENCE / 4).await;
    }
    let heard = heard(&mut juliet);
    assert_eq!(heard.first().map(String::as_str), Some("missing"), "{heard:?}");
    assert!(heard.len() > 25, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn the_directory_is_only_a_hint() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    let romeo = nodes.online(0, "romeo", "a").await;
    let mut juliet = nodes.online(1, "juliet", "one").await;
    nodes.cluster(0).directory.sweep(NodeId(2), |_| false, false);
    assert_eq!(nodes.cluster(0).sessions_elsewhere(), 0);
    say(&romeo, "juliet~", "hi").await;
    quiet().await;
    assert_eq!(heard(&mut juliet), ["hi"]);
}

/// A node that joins is told who is there.
#[tokio::test(start_paused = true)]
async fn whoever_joins_knows_who_is_there() {
    let mut nodes = Nodes::of(1, &["romeo", "juliet"]).await;
    nodes.contacts("romeo", "juliet").await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    nodes.add().await;
    assert_eq!(nodes.cluster(1).sessions_elsewhere(), 1);
    let mut juliet = nodes.connect(1, "juliet", "one").await;
    juliet.send("<presence/>").await;
    quiet().await;
    assert_eq!(juliet.told(), ["available juliet/one -> juliet", "available romeo/a -> juliet/one"]);
    assert_eq!(romeo.told(), ["available juliet/one -> romeo"]);
}

#[tokio::test(start_paused = true)]
async fn presence_is_seen_on_all_nodes() {
    let nodes = Nodes::of(3, &["romeo", "juliet", "tybalt"]).await;
    nodes.contacts("romeo", "juliet").await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    let mut tybalt = nodes.online(0, "tybalt", "t").await;
    let mut juliet = nodes.online(1, "juliet", "one").await;
    assert_eq!(romeo.told(), ["available juliet/one -> romeo"]);
    juliet.send("<presence><status>here</status></presence>").await;
    quiet().await;
    assert_eq!(romeo.told(), ["available juliet/one -> romeo (here)"]);
    let mut two = nodes.connect(2, "juliet", "two").await;
    two.send("<presence/>").await;
    quiet().await;
    juliet.told();
    assert_eq!(romeo.told(), ["available juliet/two -> romeo"]);
    let mut all = two.told();
    all.sort();
    let expected = [
        "available juliet/one -> juliet/two (here)",
        "available juliet/two -> juliet",
        "available romeo/a -> juliet/two",
    ];
    assert_eq!(all, expected);
    // Directed presence, and its end with the session (RFC 6121 section 4.6.3).
    juliet.send("<presence to='tybalt~'/>").await;
    quiet().await;
    assert_eq!(tybalt.told(), ["available juliet/one -> tybalt"]);
    romeo.send("<presence type='probe' to='juliet~'/>").await;
    quiet().await;
    let mut probed = romeo.told();
    probed.sort();
    assert_eq!(probed, ["available juliet/one -> romeo/a (here)", "available juliet/two -> romeo/a"]);
    juliet.leave().await;
    quiet().await;
    assert_eq!(tybalt.told(), ["unavailable juliet/one -> tybalt"]);
    assert_eq!(romeo.told(), ["unavailable juliet/one -> romeo"]);
    assert_eq!(two.told(), ["unavailable juliet/one -> juliet"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_goes_with_his_node_is_seen_to_go() {
    let nodes = Nodes::of(3, &["romeo", "juliet"]).await;
    nodes.contacts("romeo", "juliet").await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    let juliet = nodes.online(1, "juliet", "one").await;
    romeo.told();
    nodes.hub.kill(NodeId(2));
    quiet().await;
    assert_eq!(romeo.told(), ["unavailable juliet/one -> romeo"]);
    assert_eq!(nodes.cluster(0).sessions_elsewhere(), 0);
    say(&romeo, "juliet~", "later").await;
    drop(juliet);
    let mut again = nodes.connect(2, "juliet", "one").await;
    again.send("<presence/>").await;
    let waiting = again.chat.replay(&again.session).await.expect("a page");
    assert_eq!(waiting.len(), 1);
    quiet().await;
    assert_eq!(heard(&mut again), none());
}

/// RFC 6120 section 7.7.2.2, on two nodes.
#[tokio::test(start_paused = true)]
async fn a_resource_is_taken_over_from_another_node() {
    let nodes = Nodes::of(3, &["romeo", "juliet"]).await;
    nodes.contacts("romeo", "juliet").await;
    let mut romeo = nodes.online(2, "romeo", "a").await;
    let old = nodes.online(0, "juliet", "one").await;
    romeo.told();
    let chat = Arc::clone(&nodes.chats[0]);
    let session = Arc::clone(&old.session);
    let face = tokio::spawn(async move {
        let Client { mut events, .. } = old;
        while !matches!(events.next(true).await, crate::queue::Next::End(_)) {}
        chat.unbind(&session, None).await;
        session.close_reason()
    });
    let mut new = nodes.connect(1, "juliet", "one").await;
    assert_eq!(face.await.expect("no panic"), Some(Close::Replaced));
    new.send("<presence><status>new</status></presence>").await;
    quiet().await;
    assert_eq!(romeo.told(), ["unavailable juliet/one -> romeo", "available juliet/one -> romeo (new)"]);
    assert_eq!(new.told(), ["available juliet/one -> juliet (new)", "available romeo/a -> juliet/one"]);
}

/// What other devices have confirmed is not replayed to one that comes at another node; what none has, is.
#[tokio::test(start_paused = true)]
async fn the_delivery_mark_is_the_account_s() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    let romeo = nodes.online(0, "romeo", "a").await;
    let mut one = nodes.online(0, "juliet", "one").await;
    say(&romeo, "juliet~", "confirmed").await;
    let Some(Event::Stanza(delivery)) = one.events.try_recv() else { panic!("a message") };
    nodes.chats[0].delivered(&one.session, delivery.archived.expect("an id"));
    say(&romeo, "juliet~", "not confirmed").await;
    let two = nodes.connect(1, "juliet", "two").await;
    two.send("<presence/>").await;
    let mut bodies = Vec::new();
    loop {
        let page = two.chat.replay(&two.session).await.expect("a page");
        if page.is_empty() {
            break;
        }
        bodies.extend(
            page.iter()
                .map(|d| d.stanza.stanza().child(ns::CLIENT, "body").map(|body| body.text().into_owned())),
        );
    }
    assert_eq!(bodies, [Some("not confirmed".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn requests_and_answers_cross_nodes() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    let mut juliet = nodes.online(1, "juliet", "one").await;
    let ask = stanza("<iq xmlns='jabber:client' type='get' id='1' to='juliet~/one'><q xmlns='urn:x'/></iq>");
    let ask = ask.with_from(romeo.session.jid.clone());
    nodes.chats[0].relay(&romeo.session.jid, ask.clone()).await.expect("it is passed on");
    quiet().await;
    assert_eq!(juliet.told(), ["Iq(Get) romeo/a -> juliet/one"]);
    nodes.chats[1].relay(&juliet.session.jid, ask.reply()).await.expect("it is passed back");
    quiet().await;
    assert_eq!(romeo.told(), ["Iq(Result) juliet/one -> romeo/a"]);
    // Who is gone meanwhile answers by his node.
    nodes.hub.cut(NodeId(2), NodeId(1));
    juliet.leave().await;
    quiet().await;
    assert!(nodes.chats[0].is_elsewhere(&jid("juliet/one")));
    nodes.chats[0].relay(&romeo.session.jid, ask).await.expect("it is passed on");
    nodes.hub.heal(NodeId(2), NodeId(1));
    quiet().await;
    let refused = romeo.told();
    assert!(refused.contains(&"Iq(Error) juliet/one -> romeo/a".to_owned()), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn rosters_and_subscriptions_are_one() {
    let nodes = Nodes::of(3, &["romeo", "juliet"]).await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    let mut second = nodes.online(1, "romeo", "b").await;
    let mut juliet = nodes.online(2, "juliet", "one").await;
    [&mut romeo, &mut second].into_iter().for_each(|client| drop(client.told()));
    let owner = nodes.owner("romeo").await;
    let edit = RosterEdit { jid: jid("juliet"), name: None, groups: Vec::new() };
    nodes.chats[0].set_contact(&owner, edit).await.expect("a contact");
    quiet().await;
    assert_eq!(romeo.told(), ["roster juliet none"]);
    assert_eq!(second.told(), ["roster juliet none"]);
    romeo.send("<presence type='subscribe' to='juliet~'/>").await;
    quiet().await;
    assert_eq!(romeo.told(), ["roster juliet none ask"]);
    assert_eq!(second.told(), ["roster juliet none ask"]);
    assert_eq!(juliet.told(), ["subscribe romeo -> juliet"]);
    juliet.send("<presence type='subscribed' to='romeo~'/>").await;
    quiet().await;
    let mut expected = ["available juliet/one -> romeo", "roster juliet to", "subscribed juliet -> romeo"];
    expected.sort_unstable();
    for client in [&mut romeo, &mut second] {
        let mut all = client.told();
        all.sort();
        assert_eq!(all, expected, "{}", client.session.jid);
    }
    juliet.told();
    juliet.send("<presence type='unsubscribed' to='romeo~'/>").await;
    quiet().await;
    let gone = second.told();
    assert!(gone.contains(&"unavailable juliet/one -> romeo".to_owned()), "{gone:?}");
    juliet.send("<presence><status>unseen</status></presence>").await;
    quiet().await;
    romeo.told();
    assert_eq!(second.told(), none());
}

#[tokio::test(start_paused = true)]
async fn blocking_holds_everywhere() {
    let nodes = Nodes::of(3, &["romeo", "juliet"]).await;
    nodes.contacts("romeo", "juliet").await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    let mut one = nodes.online(1, "juliet", "one").await;
    let mut two = nodes.online(2, "juliet", "two").await;
    nodes.chats[2].blocklist(&two.session).await.expect("a list");
    [&mut romeo, &mut one, &mut two].into_iter().for_each(|client| drop(client.told()));
    let owner = nodes.owner("juliet").await;
    nodes.chats[1].block(&owner, vec![jid("romeo")]).await.expect("blocked");
    quiet().await;
    let mut gone = romeo.told();
    gone.sort();
    assert_eq!(gone, ["unavailable juliet/one -> romeo", "unavailable juliet/two -> romeo"]);
    assert_eq!(two.told(), ["blocked romeo"]);
    let refused = try_send(&romeo, "<message type='chat' to='juliet~'><body>x</body></message>").await;
    assert!(matches!(refused, Err(crate::Error::ServiceUnavailable)));
    nodes.chats[1].unblock(&owner, None).await.expect("unblocked");
    quiet().await;
    let mut back = romeo.told();
    back.sort();
    assert_eq!(back, ["available juliet/one -> romeo", "available juliet/two -> romeo"]);
    assert!(two.told().contains(&"unblocked ".to_owned()));
}

/// XEP-0163: whoever is interested is told, on whatever node.
#[tokio::test(start_paused = true)]
async fn notifications_cross_nodes() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    nodes.contacts("romeo", "juliet").await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    let mut plain = nodes.online(0, "romeo", "b").await;
    let interests = crate::interests::interests_of(["urn:x+notify"].into_iter());
    romeo.session.set_interests(Some(interests));
    [&mut romeo, &mut plain].into_iter().for_each(|client| drop(client.told()));
    let juliet = nodes.owner("juliet").await;
    let item = crate::pubsub::publishing::NewItem {
        id: Some("1".to_owned()),
        payload: Some("<x xmlns='urn:x'/>".into()),
    };
    nodes.chats[1].pep_publish(&juliet, "urn:x", item, &[]).await.expect("published");
    quiet().await;
    assert_eq!(romeo.told(), ["Message(Headline) juliet -> -"]);
    assert_eq!(plain.told(), none());
}

#[tokio::test(start_paused = true)]
async fn accounts_are_in_step_and_end_everywhere() {
    let nodes = Nodes::of(3, &["romeo"]).await;
    let here = nodes.online(0, "romeo", "a").await;
    let mut there = nodes.online(1, "romeo", "b").await;
    nodes.chats[1].attend(&there.session).await.expect("it attends");
    there.told();
    let owner = nodes.owner("romeo").await;
    let item = crate::conversations::keeping::Item {
        owner: owner.clone(),
        kind: StateKind::Draft,
        key: "juliet@localhost".to_owned(),
        content: Some("so".to_owned()),
    };
    nodes.chats[0].keep_in_step(vec![item]).await.expect("kept");
    quiet().await;
    assert_eq!(there.told(), ["keeps Draft juliet: so"]);
    // What is remembered of an account is forgotten when another node changes it.
    let before = nodes.chats[2].profile(&jid("romeo")).await.expect("read").expect("a profile");
    assert_eq!(before.name, None);
    nodes.chats[0].set_name(&jid("romeo"), Some("Romeo".to_owned()), "local").await.expect("named");
    quiet().await;
    let after = nodes.chats[2].profile(&jid("romeo")).await.expect("read").expect("a profile");
    assert_eq!(after.name.as_deref(), Some("Romeo"));
    nodes.chats[2].set_disabled(&jid("romeo"), true, "local").await.expect("disabled");
    quiet().await;
    assert_eq!(here.session.close_reason(), Some(Close::Revoked));
    assert_eq!(there.session.close_reason(), Some(Close::Revoked));
}

/// A frame that was lost makes a node read anew what it remembers, and ask for what it missed.
#[tokio::test(start_paused = true)]
async fn what_was_missed_is_made_up_for() {
    let nodes = Nodes::of(2, &["romeo", "juliet"]).await;
    nodes.contacts("romeo", "juliet").await;
    let mut romeo = nodes.online(0, "romeo", "a").await;
    let juliet = nodes.online(1, "juliet", "one").await;
    romeo.told();
    nodes.hub.cut(NodeId(2), NodeId(1));
    juliet.send("<presence><status>changed</status></presence>").await;
    let mut second = nodes.connect(1, "juliet", "two").await;
    second.send("<presence/>").await;
    let owner = nodes.owner("romeo").await;
    let edit = RosterEdit { jid: jid("juliet"), name: Some("J".to_owned()), groups: Vec::new() };
    nodes.chats[1].set_contact(&owner, edit).await.expect("changed");
    quiet().await;
    assert_eq!(romeo.told(), none());
    nodes.hub.heal(NodeId(2), NodeId(1));
    quiet().await;
    let mut made_up = romeo.told();
    made_up.sort();
    let expected = [
        "available juliet/one -> romeo/a (changed)",
        "available juliet/two -> romeo/a",
        "roster juliet both",
    ];
    assert_eq!(made_up, expected);
    second.told();
}
