//! A small house with a store in memory, in which the features are asked as clients ask them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use waxwing_chat::Chat;
use waxwing_chat::account::{NewAccount, Role};
use waxwing_chat::event::Event;
use waxwing_chat::memory_store::MemoryStore;
use waxwing_chat::port::{SystemClock, SystemRandom};
use waxwing_chat::queue::Events;
use waxwing_chat::session::{ClientInfo, Session};
use waxwing_chat::settings::Settings;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use crate::admin::Admin;
use crate::xmpp::config::Config;
use crate::xmpp::receive::{Outcome, Within, receive};

/// The server at `localhost`.
pub(crate) struct House {
    pub(crate) chat: Arc<Chat>,
    pub(crate) config: Arc<Config>,
    admin: Arc<Admin>,
    sessions: Mutex<HashMap<Jid, Arc<Session>>>,
    events: Mutex<HashMap<Jid, Events>>,
}

impl House {
    /// A house in which these clients are connected and available, such as `romeo/orchard`.
    pub(crate) async fn of(clients: &[&str]) -> Self {
        let store = Arc::new(MemoryStore::default());
        let settings = Settings { scram_sha1: false, ..Settings::default() };
        let chat = Chat::new(store, Arc::new(SystemClock), Arc::new(SystemRandom), settings);
        let admin = Admin { chat: Arc::clone(&chat), data_dir: std::env::temp_dir(), running: None };
        let house = Self {
            chat,
            admin: Arc::new(admin),
            config: Arc::new(Config::default()),
            sessions: Mutex::default(),
            events: Mutex::default(),
        };
        for client in clients {
            house.enter(client).await;
        }
        house
    }

    async fn enter(&self, client: &str) {
        let (user, resource) = client.split_once('/').unwrap();
        let jid = Jid::from_parts(Some(user), "localhost", None).unwrap();
        let account = match self.chat.store().account(&jid).await.unwrap() {
            Some(account) => account,
            None => {
                let new = NewAccount {
                    jid,
                    name: None,
                    role: if user == "admin" { Role::Administrator } else { Role::Member },
                    verifiers: Vec::new(),
                    created_ms: self.chat.now_ms(),
                };
                self.chat.store().create_account(new).await.unwrap()
            }
        };
        let info = ClientInfo { tls: Some("TLS 1.3".to_owned()), ..ClientInfo::default() };
        let (session, events) = self.chat.bind(&account, None, resource, info).await.unwrap();
        self.events.lock().unwrap().insert(session.jid.clone(), events);
        self.sessions.lock().unwrap().insert(session.jid.clone(), session);
        self.say(client, "<presence/>").await;
    }

    pub(crate) fn session(&self, client: &str) -> Arc<Session> {
        let (user, resource) = client.split_once('/').unwrap();
        let jid = Jid::from_parts(Some(user), "localhost", Some(resource)).unwrap();
        Arc::clone(&self.sessions.lock().unwrap()[&jid])
    }

    /// What a client's session has been told since it was last asked.
    pub(crate) fn events(&self, client: &str) -> Vec<Event> {
        let jid = self.session(client).jid.clone();
        let mut events = self.events.lock().unwrap();
        let events = events.get_mut(&jid).unwrap();
        std::iter::from_fn(|| events.try_recv()).collect()
    }

    /// Takes a stanza of a client as a connection would, and gives back what goes to that client directly.
    pub(crate) async fn say(&self, client: &str, xml: &str) -> Vec<Element> {
        let session = self.session(client);
        let name = xml[1..].split([' ', '>', '/']).next().unwrap();
        let xml = xml.replacen(name, &format!("{name} xmlns='jabber:client'"), 1);
        let mut stanza = Stanza::from_element(Element::parse(&xml).unwrap()).unwrap();
        stanza.from = Some(session.jid.clone());
        let within = Within { chat: &self.chat, config: &self.config, admin: Some(&self.admin) };
        match receive(within, &session, stanza).await {
            Outcome::Done(answers) => answers.iter().map(Stanza::to_element).collect(),
            Outcome::InFlight(in_flight) => {
                in_flight.receipt.await.unwrap();
                Vec::new()
            }
        }
    }

    /// Asks as a client asks, with the `to` that is given or none, and gives back every answer.
    pub(crate) async fn answers(&self, client: &str, kind: &str, to: &str, payload: &str) -> Vec<Element> {
        let to = if to.is_empty() { String::new() } else { format!(" to='{to}'") };
        self.say(client, &format!("<iq type='{kind}' id='q'{to}>{payload}</iq>")).await
    }

    /// Asks for a single answer: its payload, or the name of the error's condition.
    pub(crate) async fn ask(
        &self,
        client: &str,
        kind: &str,
        to: &str,
        payload: &str,
    ) -> Result<String, String> {
        let answers = self.answers(client, kind, to, payload).await;
        let [answer] = &answers[..] else { panic!("not one answer: {answers:?}") };
        assert_eq!(answer.attr("id"), Some("q"));
        if answer.attr("type") == Some("result") {
            return Ok(answer.children().map(|child| child.to_element().to_xml()).collect());
        }
        let error = answer.children().find(|child| child.name() == "error").unwrap();
        Err(error.children().next().unwrap().name().to_owned())
    }

    /// Lets two clients' accounts see each other's presence.
    pub(crate) async fn befriend(&self, one: &str, other: &str) {
        for (asking, asked) in [(one, other), (other, one)] {
            let bare = |client: &str| format!("{}@localhost", client.split('/').next().unwrap());
            self.say(asking, &format!("<presence type='subscribe' to='{}'/>", bare(asked))).await;
            self.say(asked, &format!("<presence type='subscribed' to='{}'/>", bare(asking))).await;
        }
        self.events(one);
        self.events(other);
    }
}
