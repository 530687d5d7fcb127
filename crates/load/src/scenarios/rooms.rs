//! Rooms (XEP-0045): in each, everybody hears what one says; what one delivery costs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tokio::sync::Notify;

use super::chat::body;
use crate::client::Client;
use crate::exchange::{Exchange, Span};
use crate::ledger::{Ledger, Tally};
use crate::report::Report;
use crate::sessions::{self, Setup, Task};
use crate::split::attribute;
use crate::target::Target;

const MUC: &str = "http://jabber.org/protocol/muc";

/// How many times the patience of the target a room of many may take to fill: everybody is told of everybody.
const FILLING: u32 = 10;

/// Options of `rooms`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Rooms
    #[arg(long, default_value_t = 50)]
    pub(crate) rooms: usize,
    /// People in each, all of them online
    #[arg(long, default_value_t = 40)]
    pub(crate) occupants: usize,
    /// The service that has the rooms; without it, the one that the server lists
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) service: Option<String>,
    /// Letters in the body of each message
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) body_bytes: usize,
    /// Ask the server to keep nothing of the messages (XEP-0334)
    #[arg(long)]
    pub(crate) no_store: bool,
    #[command(flatten)]
    pub(crate) span: Span,
}

/// One room: its people enter one after the other, then speak in turn, each when he has heard the one before.
struct Room {
    exchange: Rc<Exchange>,
    address: String,
    /// What stands in a message behind its id.
    content: String,
    /// How many have entered.
    inside: Cell<usize>,
    /// Whether they may speak.
    open: Cell<bool>,
    changed: Rc<Notify>,
    sent: Cell<u64>,
    size: u64,
    /// What each has heard; a room has one order for all (XEP-0045 section 7.4).
    ledgers: Vec<RefCell<Ledger>>,
}

/// What a client was told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// It is inside, and perhaps has made the room.
    Inside {
        created: bool,
    },
    /// Its room is configured.
    Configured,
    Message {
        number: u64,
        began: u64,
    },
    Other,
}

impl Room {
    async fn say(&self, client: &mut Client) -> Result<()> {
        let number = self.sent.replace(self.sent.get() + 1);
        for ledger in &self.ledgers {
            ledger.borrow_mut().send();
        }
        let (scope, now) = (client.scope(), self.exchange.now());
        client.queue(&format!(
            "<message{scope} to='{}' type='groupchat' id='l{number:x}.{now:x}'>{}</message>",
            self.address, self.content
        ));
        client.flush().await
    }

    async fn enter(&self, client: &mut Client) -> Result<()> {
        let (scope, nick) = (client.scope(), client.username.clone());
        let room = &self.address;
        client.queue(&format!(
            "<presence{scope} to='{room}/{nick}'><x xmlns='{MUC}'><history maxstanzas='0'/></x></presence>"
        ));
        client.flush().await
    }

    fn entered(&self) {
        self.inside.set(self.inside.get() + 1);
        self.changed.notify_waiters();
    }

    async fn occupant(self: Rc<Self>, mut client: Client, place: usize) -> Result<()> {
        let (mut asked, mut began) = (false, false);
        loop {
            let changed = self.changed.notified();
            if !asked && self.inside.get() == place {
                asked = true;
                self.enter(&mut client).await?;
            }
            if place == 0 && self.open.get() && !began {
                began = true;
                self.say(&mut client).await?;
            }
            let told = tokio::select! {
                () = changed => continue,
                stanza = client.next() => told(stanza?),
            };
            match told {
                Told::Inside { created: true } => {
                    let (scope, room) = (client.scope(), &self.address);
                    client.queue(&format!(
                        "<iq{scope} type='set' to='{room}' id='configured'><query xmlns='{MUC}#owner'>\
                         <x xmlns='jabber:x:data' type='submit'/></query></iq>"
                    ));
                    client.flush().await?;
                }
                Told::Inside { created: false } | Told::Configured => self.entered(),
                Told::Message { number, began } => self.heard(&mut client, place, number, began).await?,
                Told::Other => {}
            }
        }
    }

    async fn heard(&self, client: &mut Client, place: usize, number: u64, began: u64) -> Result<()> {
        if self.ledgers[place].borrow_mut().receive(number) {
            self.exchange.done(began);
        }
        let next = (number + 1) % self.size == place as u64;
        if next && !self.exchange.is_stopping() { self.say(client).await } else { Ok(()) }
    }
}

fn told(stanza: &[u8]) -> Told {
    let has = |text: &[u8]| stanza.windows(text.len()).any(|window| window == text);
    let code =
        |code: &str| ['\'', '"'].iter().any(|quote| has(format!("code={quote}{code}{quote}").as_bytes()));
    if stanza.starts_with(b"<presence") && attribute(stanza, "type").is_none() && code("110") {
        return Told::Inside { created: code("201") };
    }
    if stanza.starts_with(b"<iq") && attribute(stanza, "id") == Some(b"configured") {
        return Told::Configured;
    }
    let message = || {
        let stanza = stanza.starts_with(b"<message").then_some(stanza)?;
        let id = std::str::from_utf8(attribute(stanza, "id")?).ok()?;
        let (number, sent) = id.strip_prefix('l')?.split_once('.')?;
        let (number, began) = (u64::from_str_radix(number, 16).ok()?, u64::from_str_radix(sent, 16).ok()?);
        Some(Told::Message { number, began })
    };
    message().unwrap_or(Told::Other)
}

/// The service with rooms that the server lists (XEP-0045 section 6.1).
async fn service(client: &mut Client, domain: &str) -> Result<String> {
    let ask = |what: &str| format!("<query xmlns='http://jabber.org/protocol/disco#{what}'/>");
    let items = client.request("get", domain, &ask("items")).await?;
    let services: Vec<String> = items
        .children()
        .flat_map(|query| query.children())
        .filter_map(|item| item.attr("jid").map(str::to_owned))
        .collect();
    for service in services {
        let Ok(info) = client.request("get", &service, &ask("info")).await else { continue };
        let mut told = info.children().flat_map(|query| query.children());
        if told.any(|child| child.name() == "identity" && child.attr("category") == Some("conference")) {
            return Ok(service);
        }
    }
    anyhow::bail!("the server lists no service with rooms: give it with --service")
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.rooms > 0 && options.occupants > 0, "--rooms and --occupants are at least 1");
    ensure!(!target.options.floor, "the floor knows no rooms");
    let count = options.rooms * options.occupants;
    let setup = Setup { presence: true, ..Setup::default() };
    let mut clients = sessions::sessions(target, count, setup).await?;
    let service = match &options.service {
        Some(service) => service.clone(),
        None => service(clients.first_mut().context("nobody")?, &target.options.domain).await?,
    };
    let exchange = Exchange::new();
    let changed = Rc::new(Notify::new());
    let hint = if options.no_store { "<no-store xmlns='urn:xmpp:hints'/>" } else { "" };
    let content = format!("<body>{}</body>{hint}", body(options.body_bytes));
    let run = std::process::id();
    let (mut rooms, mut tasks): (Vec<Rc<Room>>, Vec<Task>) = Default::default();
    for number in 0..options.rooms {
        let rest = clients.split_off(options.occupants);
        let room = Rc::new(Room {
            exchange: Rc::clone(&exchange),
            address: format!("load-{run}-{number}@{service}"),
            content: content.clone(),
            inside: Cell::new(0),
            open: Cell::new(false),
            changed: Rc::clone(&changed),
            sent: Cell::new(0),
            size: options.occupants as u64,
            ledgers: (0..options.occupants).map(|_| RefCell::default()).collect(),
        });
        for (place, client) in clients.into_iter().enumerate() {
            tasks.push(exchange.spawn(Rc::clone(&room).occupant(client, place)));
        }
        rooms.push(room);
        clients = rest;
    }
    target.progress(&format!("filling {} rooms", options.rooms));
    let full = || rooms.iter().all(|room| room.inside.get() == options.occupants);
    sessions::more_patiently(target, FILLING, "filling the rooms", async {
        while !full() && exchange.errors() == 0 {
            // Whoever fails to enter does not wake anybody.
            let _ = tokio::time::timeout(Duration::from_secs(1), changed.notified()).await;
        }
        Ok(())
    })
    .await?;
    target.progress("measuring");
    rooms.iter().for_each(|room| room.open.set(true));
    changed.notify_waiters();
    let measure = exchange.measure(target, options.span, "messages delivered").await?;
    let settled = |room: &Rc<Room>| room.ledgers.iter().all(|ledger| ledger.borrow().is_settled());
    exchange.settle(target, || rooms.iter().all(settled)).await;
    drop(tasks);
    let mut tally = Tally::default();
    rooms.iter().flat_map(|room| &room.ledgers).for_each(|ledger| tally.add(&ledger.borrow()));
    let mut report = Report::new(target, "rooms", count);
    report.measures.push(measure);
    report.tally = Some(tally);
    exchange.conclude(&mut report);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_room_says_is_understood() {
        let inside = b"<presence from='r@c/a'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>";
        assert_eq!(told(inside), Told::Inside { created: false });
        let created = br#"<presence from="r@c/a"><x><status code="201"/><status code="110"/></x></presence>"#;
        assert_eq!(told(created), Told::Inside { created: true });
        assert_eq!(told(b"<presence from='r@c/b'><x><item/></x></presence>"), Told::Other);
        assert_eq!(told(b"<iq type='result' id='configured'/>"), Told::Configured);
        let message = b"<message from='r@c/a' type='groupchat' id='l1f.2'><body>x</body></message>";
        assert_eq!(told(message), Told::Message { number: 31, began: 2 });
        assert_eq!(told(b"<message from='r@c' type='groupchat'><subject/></message>"), Told::Other);
    }
}
