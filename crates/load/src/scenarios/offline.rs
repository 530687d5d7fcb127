//! Messages for somebody who is not there: what storing one costs, and what fetching one costs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anyhow::{Result, ensure};
use clap::Args;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::ledger::{Ledger, Tally};
use crate::report::{Report, Window};
use crate::scenarios::chat::body;
use crate::sessions::{self, Setup};
use crate::split::attribute;
use crate::target::Target;

/// Options of `offline`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Pairs: one account writes, the other is away
    #[arg(long, default_value_t = 100)]
    pub(crate) pairs: usize,
    /// Messages for each account that is away
    #[arg(long, default_value_t = 50)]
    pub(crate) messages: u64,
    /// Letters in the body of each message
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) body_bytes: usize,
    /// How often all of it is done
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat: usize,
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.pairs > 0 && options.repeat > 0, "--pairs and --repeat are at least 1");
    ensure!(!target.options.floor, "the floor keeps nothing");
    sessions::register(target, 2 * options.pairs).await?;
    // What an earlier run left behind is fetched first.
    let clients =
        sessions::signed_in(target, 2 * options.pairs, Setup { presence: true, ..Setup::default() }).await?;
    sessions::close(target, clients).await;

    let mut report = Report::new(target, "offline", options.pairs);
    let mut tally = Tally::default();
    let (mut stored, mut fetched) = (Vec::new(), Vec::new());
    for _ in 0..options.repeat {
        let ledgers: Vec<Rc<RefCell<Ledger>>> = (0..options.pairs).map(|_| Rc::default()).collect();
        stored.push(store(target, options, &ledgers).await?);
        fetched.push(fetch(target, options, &ledgers, &mut report).await?);
        ledgers.iter().for_each(|ledger| tally.add(&ledger.borrow()));
    }
    report.measures.extend(crate::report::sum(stored));
    report.measures.extend(crate::report::sum(fetched));
    report.tally = Some(tally);
    Ok(report)
}

/// Everyone writes to somebody who is away, and knows at the end that the server has dealt with all of it.
async fn store(
    target: &Rc<Target>,
    options: &Options,
    ledgers: &[Rc<RefCell<Ledger>>],
) -> Result<crate::report::Measure> {
    let clients =
        sessions::signed_in(target, options.pairs, Setup { presence: true, ..Setup::default() }).await?;
    target.progress("storing");
    let window = Window::open(target)?;
    let mut writers = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        let to = target.address_of(options.pairs + number);
        let (ledger, options) = (Rc::clone(&ledgers[number]), options.clone());
        writers.spawn_local(write(client, to, ledger, options));
    }
    let mut clients = Vec::new();
    while let Some(done) = writers.join_next().await {
        clients.push(done??);
    }
    let sent = options.messages * options.pairs as u64;
    let measure = window.close("messages stored", sent, None)?;
    sessions::close(target, clients).await;
    Ok(measure)
}

async fn write(
    mut client: Client,
    to: String,
    ledger: Rc<RefCell<Ledger>>,
    options: Options,
) -> Result<Client> {
    let (scope, body) = (client.scope(), body(options.body_bytes));
    for _ in 0..options.messages {
        let number = ledger.borrow_mut().send();
        client.queue(&format!(
            "<message{scope} to='{to}' type='chat' id='l{number:x}'><body>{body}</body></message>"
        ));
        client.flush().await?;
    }
    // Requests of one stream are answered in order (RFC 6120 section 10.1), so this one is answered last.
    let domain = client.target.options.domain.clone();
    let target = Rc::clone(&client.target);
    let ping = client.request("get", &domain, "<ping xmlns='urn:xmpp:ping'/>");
    sessions::patiently(&target, "storing", ping).await?;
    Ok(client)
}

/// All who were away come back and get what waits for them.
async fn fetch(
    target: &Rc<Target>,
    options: &Options,
    ledgers: &[Rc<RefCell<Ledger>>],
    report: &mut Report,
) -> Result<crate::report::Measure> {
    let arrived = Rc::new(Cell::new(0));
    let clients = sessions::signed_in_from(target, options.pairs, options.pairs, Setup::default()).await?;
    target.progress("fetching");
    let window = Window::open(target)?;
    let mut readers = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        let (target, ledger, arrived) = (Rc::clone(target), Rc::clone(&ledgers[number]), Rc::clone(&arrived));
        readers.spawn_local(async move {
            sessions::patiently(&target, "fetching", read(client, &ledger, &arrived)).await
        });
    }
    let mut clients = Vec::new();
    while let Some(done) = readers.join_next().await {
        match done? {
            Ok(client) => clients.push(client),
            Err(error) => {
                report.errors += 1;
                report.notes.push(format!("{error:#}"));
            }
        }
    }
    let measure = window.close("messages fetched", arrived.get(), None)?;
    sessions::close(target, clients).await;
    Ok(measure)
}

async fn read(mut client: Client, ledger: &RefCell<Ledger>, arrived: &Cell<u64>) -> Result<Client> {
    let scope = client.scope();
    client.queue(&format!("<presence{scope}/>"));
    client.flush().await?;
    while !ledger.borrow().is_settled() {
        let stanza = client.next().await?;
        if !stanza.starts_with(b"<message") {
            continue;
        }
        let number = attribute(stanza, "id").and_then(|id| std::str::from_utf8(id).ok()?.strip_prefix('l'));
        let number = number.and_then(|number| u64::from_str_radix(number, 16).ok());
        if number.is_some_and(|number| ledger.borrow_mut().receive(number)) {
            arrived.set(arrived.get() + 1);
        }
    }
    Ok(client)
}
