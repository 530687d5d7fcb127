//! One-to-one chat: pairs that write to each other, one message in flight each, or at a fixed rate.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use tokio::time::Instant;

use crate::client::Client;
use crate::exchange::{Exchange, Span};
use crate::json;
use crate::ledger::{Ledger, Tally};
use crate::random;
use crate::report::Report;
use crate::sessions::{self, RESOURCE, Setup, Task};
use crate::split::attribute;
use crate::target::Target;

/// Options of `chat`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Pairs of accounts that write to each other
    #[arg(long, default_value_t = 100)]
    pub(crate) pairs: usize,
    #[command(flatten)]
    pub(crate) span: Span,
    /// Messages a second of all together, sent whether or not the ones before have arrived; without it, each pair has one
    /// message in flight
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,
    /// Letters in the body of each message
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) body_bytes: usize,
    /// Turn stream management on and ask for an acknowledgement of every message (XEP-0198)
    #[arg(long)]
    pub(crate) stream_management: bool,
    /// Turn carbons on (XEP-0280)
    #[arg(long)]
    pub(crate) carbons: bool,
    /// Give each message an origin-id (XEP-0359)
    #[arg(long)]
    pub(crate) origin_id: bool,
    /// Ask the server to keep nothing of the messages (XEP-0334)
    #[arg(long)]
    pub(crate) no_store: bool,
    /// Whether messages go to accounts or to their resources
    #[arg(long, value_enum, default_value = "bare")]
    pub(crate) to: Addressing,
}

/// Which address messages are sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Addressing {
    Bare,
    Full,
}

/// What messages look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) body_bytes: usize,
    pub(crate) origin_id: bool,
    pub(crate) no_store: bool,
}

/// When messages are sent that do not wait for others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) first: Instant,
    pub(crate) every: Duration,
}

/// One end of a pair.
pub(crate) struct End {
    exchange: Rc<Exchange>,
    /// What this end has sent, and what the other has sent.
    sent: Rc<RefCell<Ledger>>,
    arriving: Rc<RefCell<Ledger>>,
    template: Template,
    text: String,
}

/// The parts of a message around its id.
struct Template {
    head: String,
    /// What ends the id.
    id_end: String,
    /// What ends the id by which a server recognises a message that is sent again, if there is one: in another run the same
    /// would be taken for the same message.
    origin_id: Option<String>,
    tail: String,
}

impl Template {
    fn new(client: &Client, to: &str, message: Message) -> Self {
        if client.target.speaks_json() {
            return Self {
                head: format!(
                    r#"{{"jsonrpc":"2.0","id":0,"method":"message.send","params":{{"conversation":"{to}","text":"{}","client_id":""#,
                    body(message.body_bytes)
                ),
                // A server takes the same id in another run for the same message.
                id_end: format!(".{}\"", random::token()),
                origin_id: None,
                tail: "}}".to_owned(),
            };
        }
        Self {
            head: format!("<message{} to='{to}' type='chat' id='", client.scope()),
            id_end: "'>".to_owned(),
            origin_id: message.origin_id.then(random::token),
            tail: format!(
                "<body>{}</body>{}</message>",
                body(message.body_bytes),
                if message.no_store { "<no-store xmlns='urn:xmpp:hints'/>" } else { "" }
            ),
        }
    }

    fn write(&self, number: u64, now: u64, text: &mut String) {
        text.clear();
        text.push_str(&self.head);
        // Writing to a string cannot fail.
        let _ = write!(text, "l{number:x}.{now:x}{}", self.id_end);
        if let Some(run) = &self.origin_id {
            let _ = write!(text, "<origin-id xmlns='urn:xmpp:sid:0' id='{number:x}.{now:x}.{run}'/>");
        }
        text.push_str(&self.tail);
    }
}

/// So many letters, as words.
pub(crate) fn body(bytes: usize) -> String {
    "the quick brown fox jumps over the lazy dog ".chars().cycle().take(bytes).collect()
}

/// What has arrived.
#[derive(Debug, PartialEq, Eq)]
enum Arrival {
    Message { number: u64, sent: u64 },
    Error,
    Other,
}

/// Reads the number and the time that our own ids hold.
fn arrival(stanza: &[u8]) -> Arrival {
    if stanza.starts_with(b"{") {
        let id = json::text(stanza, "client_id").filter(|_| json::is_event(stanza));
        return match id.and_then(numbers) {
            Some((number, sent)) => Arrival::Message { number, sent },
            None if json::is_refusal(stanza) => Arrival::Error,
            None => Arrival::Other,
        };
    }
    if !stanza.starts_with(b"<message") {
        return Arrival::Other;
    }
    if attribute(stanza, "type") == Some(b"error") {
        return Arrival::Error;
    }
    let found = attribute(stanza, "id").and_then(numbers);
    found.map_or(Arrival::Other, |(number, sent)| Arrival::Message { number, sent })
}

/// The numbers in an id of ours.
fn numbers(id: &[u8]) -> Option<(u64, u64)> {
    let (number, sent) = std::str::from_utf8(id).ok()?.strip_prefix('l')?.split_once('.')?;
    let sent = sent.split('.').next()?;
    Some((u64::from_str_radix(number, 16).ok()?, u64::from_str_radix(sent, 16).ok()?))
}

impl End {
    /// The end that this client holds. The ledgers are of what it sends and of what arrives.
    pub(crate) fn new(
        exchange: &Rc<Exchange>,
        client: &Client,
        [sent, arriving]: [&Rc<RefCell<Ledger>>; 2],
        (to, message): (&str, Message),
    ) -> Self {
        Self {
            exchange: Rc::clone(exchange),
            sent: Rc::clone(sent),
            arriving: Rc::clone(arriving),
            template: Template::new(client, to, message),
            text: String::new(),
        }
    }

    async fn send(&mut self, client: &mut Client) -> Result<()> {
        let number = self.sent.borrow_mut().send();
        self.template.write(number, self.exchange.now(), &mut self.text);
        client.queue(&self.text);
        client.queue_request_for_count();
        client.flush().await
    }

    /// Waits for a message of the other end.
    async fn receive(&self, client: &mut Client) -> Result<()> {
        loop {
            let stanza = client.next().await?;
            match arrival(stanza) {
                Arrival::Message { number, sent } => {
                    if self.arriving.borrow_mut().receive(number) {
                        self.exchange.done(sent);
                        return Ok(());
                    }
                }
                Arrival::Error => {
                    let what = String::from_utf8_lossy(stanza).into_owned();
                    self.exchange.error(|| what);
                }
                Arrival::Other => {}
            }
        }
    }

    /// Answers each message with another, until it is to stop.
    async fn answer(mut self, mut client: Client, begins: bool) -> Result<()> {
        if begins {
            self.send(&mut client).await?;
        }
        loop {
            self.receive(&mut client).await?;
            if !self.exchange.is_stopping() {
                self.send(&mut client).await?;
            }
        }
    }

    /// Sends at fixed moments, whatever arrives.
    pub(crate) async fn pace(mut self, mut client: Client, pace: Pace) -> Result<()> {
        let mut next = pace.first;
        loop {
            tokio::select! {
                received = self.receive(&mut client) => received?,
                () = tokio::time::sleep_until(next), if !self.exchange.is_stopping() => {
                    self.send(&mut client).await?;
                    next += pace.every;
                }
            }
        }
    }
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.pairs > 0, "--pairs is at least 1");
    ensure!(options.rate.is_none_or(|rate| rate > 0.0), "--rate is above 0");
    let setup = Setup {
        presence: true,
        carbons: options.carbons,
        stream_management: options.stream_management,
        ..Setup::default()
    };
    let clients = sessions::sessions(target, 2 * options.pairs, setup).await?;
    let count = clients.len();
    target.progress("measuring");
    let exchange = Exchange::new();
    let (tasks, ledgers) = start(target, clients, options, &exchange).await?;
    let measure = exchange.measure(target, options.span, "messages delivered").await?;
    exchange.settle(target, || ledgers.iter().all(|ledger| ledger.borrow().is_settled())).await;
    drop(tasks);
    let mut tally = Tally::default();
    ledgers.iter().for_each(|ledger| tally.add(&ledger.borrow()));
    let mut report = Report::new(target, "chat", count);
    report.measures.push(measure);
    report.tally = Some(tally);
    exchange.conclude(&mut report);
    Ok(report)
}

/// Starts a task for each client. The ledgers are those of all directions.
async fn start(
    target: &Target,
    clients: Vec<Client>,
    options: &Options,
    exchange: &Rc<Exchange>,
) -> Result<(Vec<Task>, Vec<Rc<RefCell<Ledger>>>)> {
    let count = clients.len();
    let ledgers: Vec<Rc<RefCell<Ledger>>> = (0..count).map(|_| Rc::default()).collect();
    let begin = Instant::now() + Duration::from_millis(100);
    let mut tasks = Vec::with_capacity(count);
    for (number, mut client) in clients.into_iter().enumerate() {
        let other = number ^ 1;
        let to = match options.to {
            Addressing::Bare => target.address_of(other),
            Addressing::Full => format!("{}/{RESOURCE}", target.address_of(other)),
        };
        if target.options.floor {
            client.queue_raw(format!("pair {}\n", number / 2).as_bytes());
            client.flush().await?;
        }
        let message = Message {
            body_bytes: options.body_bytes,
            origin_id: options.origin_id,
            no_store: options.no_store,
        };
        let end = End::new(exchange, &client, [&ledgers[number], &ledgers[other]], (&to, message));
        tasks.push(match options.rate {
            None => exchange.spawn(end.answer(client, number % 2 == 0)),
            Some(rate) => {
                let (first, every) = schedule(number, count, rate);
                exchange.spawn(end.pace(client, Pace { first: begin + first, every }))
            }
        });
    }
    Ok((tasks, ledgers))
}

/// When one of `count` senders sends first, and how often, so that all together send evenly.
#[allow(clippy::cast_precision_loss, reason = "numbers of clients are small")]
fn schedule(number: usize, count: usize, rate: f64) -> (Duration, Duration) {
    (Duration::from_secs_f64(number as f64 / rate), Duration::from_secs_f64(count as f64 / rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were_written() {
        let template = Template {
            head: "<message to='a' id='".to_owned(),
            id_end: "'>".to_owned(),
            origin_id: Some("run".to_owned()),
            tail: "</message>".to_owned(),
        };
        let mut text = String::new();
        template.write(0x1f, 0xabc, &mut text);
        assert_eq!(
            text,
            "<message to='a' id='l1f.abc'><origin-id xmlns='urn:xmpp:sid:0' id='1f.abc.run'/></message>"
        );
        assert_eq!(arrival(text.as_bytes()), Arrival::Message { number: 0x1f, sent: 0xabc });
        let event = br#"{"jsonrpc":"2.0","method":"event","params":{"message":{"client_id":"l1f.abc.run"}}}"#;
        assert_eq!(arrival(event), Arrival::Message { number: 0x1f, sent: 0xabc });
        assert_eq!(arrival(b"<message type=\"error\" id='l1.2'/>"), Arrival::Error);
        assert_eq!(arrival(b"<message id='another'/>"), Arrival::Other);
        assert_eq!(arrival(b"<presence id='l1.2'/>"), Arrival::Other);
    }

    #[test]
    fn senders_are_spread_evenly() {
        let (first, every) = schedule(3, 10, 100.0);
        assert_eq!((first, every), (Duration::from_millis(30), Duration::from_millis(100)));
    }

    #[test]
    fn a_body_has_its_length() {
        assert_eq!(body(100).len(), 100);
        assert_eq!(body(0), "");
    }
}
