//! A server with accounts, and clients that are already as far as a test needs them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, SharedCaptures};
use crate::server::{Server, Setup};
use crate::transport::{Tls, Transport};
use crate::xml::CLIENT;

/// A server of one's own, and the names captured by its clients.
pub struct World {
    /// The server.
    pub server: Server,
    captures: SharedCaptures,
    domain: String,
    users: Mutex<BTreeSet<String>>,
}

/// The password of every account that a world makes.
pub fn password(user: &str) -> String {
    format!("{user}-wherefore-art-thou")
}

impl World {
    /// Starts a server.
    pub async fn start(binary: impl AsRef<Path>, setup: &Setup) -> Self {
        let server = Server::start(binary, setup).unwrap_or_else(|error| panic!("{error:#}"));
        let domain = setup.domains[0].clone();
        Self { server, captures: SharedCaptures::default(), domain, users: Mutex::default() }
    }

    /// Makes an account, if the world has not made it before: `romeo`, or `romeo@other.domain`.
    pub fn user(&self, name: &str) {
        let jid = if name.contains('@') { name.to_owned() } else { format!("{name}@{}", self.domain) };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.insert(jid.clone()) {
            let secret = password(jid.split('@').next().unwrap_or_default());
            let added = self.server.admin(&["user", "add", &jid, "--password-stdin"], &format!("{secret}\n"));
            added.unwrap_or_else(|error| panic!("{error:#}"));
        }
    }

    /// A connected resource of an account that came from elsewhere with the password that a world would give it.
    pub async fn existing(&self, who: &str) -> Client {
        self.has(who.split('/').next().unwrap_or(who));
        self.connected(who).await
    }

    /// An account came from elsewhere with the password that a world would give it.
    pub fn has(&self, name: &str) {
        let jid = if name.contains('@') { name.to_owned() } else { format!("{name}@{}", self.domain) };
        self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(jid);
    }

    fn client(&self, transport: Result<Transport>, domain: &str) -> Client {
        let transport = transport.unwrap_or_else(|error| panic!("{error:#}\n{}", self.server.log()));
        Client::new(transport, domain, Arc::clone(&self.captures))
    }

    /// A TCP connection on which nothing was said yet.
    pub async fn plain(&self) -> Client {
        self.client(Transport::plain(&self.server.addresses().xmpp).await, &self.domain)
    }

    /// A direct TLS connection (XEP-0368) on which nothing was said yet.
    pub async fn direct_tls(&self, tls: &Tls) -> Client {
        self.client(Transport::tls(&self.server.addresses().xmpps, tls).await, &self.domain)
    }

    /// A WebSocket on which nothing was said yet.
    pub async fn websocket(&self) -> Client {
        let address = &self.server.addresses().https;
        let tls = Tls::default();
        self.client(Transport::websocket(address, Some(&tls), "/xmpp-websocket", None).await, &self.domain)
    }

    /// A WebSocket from a page of this origin, or why there is none.
    pub async fn websocket_from(&self, origin: &str) -> Result<Client> {
        let transport =
            Transport::websocket(&self.server.addresses().http, None, "/xmpp-websocket", Some(origin))
                .await?;
        Ok(self.client(Ok(transport), &self.domain))
    }

    /// Gets a page over HTTP: the status line and headers, and the body.
    pub async fn get(&self, path: &str) -> Result<(String, String)> {
        let mut stream = TcpStream::connect(&self.server.addresses().http).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.domain);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        Ok((head.to_owned(), body.to_owned()))
    }

    /// A stream after STARTTLS: SASL comes next.
    pub async fn secured(&self) -> Client {
        self.secured_to(&self.domain.clone()).await
    }

    /// The same to another of the server's domains.
    pub async fn secured_to(&self, domain: &str) -> Client {
        let mut client = self.client(Transport::plain(&self.server.addresses().xmpp).await, domain);
        let tls = Tls { name: Some(domain.to_owned()), ..Tls::default() };
        client.open().await.unwrap_or_else(|error| panic!("{error:#}"));
        client.starttls(&tls).await.unwrap_or_else(|error| panic!("{error:#}"));
        client
    }

    /// A stream that is authenticated as this user and opened anew: binding comes next.
    pub async fn authenticated(&self, user: &str) -> Client {
        self.user(user);
        let mut client = self.secured().await;
        let outcome = client.authenticate("SCRAM-SHA-256", user, &password(user)).await;
        let success = outcome.as_ref().is_ok_and(|outcome| outcome.name == "success");
        assert!(success, "signing in as {user}: {outcome:?}\n{}", client.said());
        client.reopen().await.unwrap_or_else(|error| panic!("{error:#}"));
        client
    }

    /// A connected resource (RFC 6120 section 7) that has not sent presence. `who` is `user/resource`, or
    /// `user@domain/resource`; the account is made when it does not exist.
    pub async fn connected(&self, who: &str) -> Client {
        let (account, resource) = who.split_once('/').unwrap_or((who, ""));
        self.user(account);
        let (user, domain) = account.split_once('@').unwrap_or((account, &self.domain));
        let mut client = self.secured_to(domain).await;
        let done = client.sign_in(user, &password(user), resource).await;
        done.unwrap_or_else(|error| panic!("{error:#}"));
        client
    }

    /// An available and interested resource: it has asked for the roster and sent presence (RFC 6121 sections 2.2
    /// and 4.2). The presence of its own account is taken out of its inbox; all else that the server sent stays.
    pub async fn online(&self, who: &str) -> Client {
        let mut client = self.connected(who).await;
        client.ask("get", None, "<query xmlns='jabber:iq:roster'/>").await;
        client.send("<presence/>").await;
        client.round_trip().await;
        let bare = client.bare().to_owned();
        client.discard(|element| {
            let from = element.attr("from").unwrap_or_default();
            element.is(CLIENT, "presence") && from.split('/').next() == Some(&bare)
        });
        client
    }

    /// Several available resources, with empty inboxes.
    pub async fn all_online<const N: usize>(&self, who: [&str; N]) -> [Client; N] {
        let mut clients = Vec::with_capacity(N);
        for who in who {
            clients.push(self.online(who).await);
        }
        for client in &mut clients {
            client.clear().await;
        }
        clients.try_into().unwrap_or_else(|_| unreachable!("as many clients as names"))
    }

    /// Makes two available users subscribe to each other's presence, and empties their inboxes.
    pub async fn befriend(&self, one: &mut Client, other: &mut Client) {
        subscribe(one, other).await;
        subscribe(other, one).await;
        one.settle().await;
        other.settle().await;
        one.clear().await;
        other.clear().await;
    }
}

/// Subscribes a user to a contact's presence, with the contact's approval.
pub async fn subscribe(user: &mut Client, contact: &mut Client) {
    let (from, to) = (user.bare().to_owned(), contact.bare().to_owned());
    user.send(&format!("<presence to='{to}' type='subscribe'/>")).await;
    user.settle().await;
    contact.send(&format!("<presence to='{from}' type='subscribed'/>")).await;
    contact.settle().await;
}
