//! Pages of an account's archive (XEP-0313), from its end to its beginning.

use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::client::Client;
use crate::exchange::{Exchange, Span};
use crate::report::Report;
use crate::scenarios::chat::body;
use crate::sessions::{self, Setup, Task};
use crate::split::attribute;
use crate::target::Target;

const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";

/// Options of `archive`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Accounts that read their archives
    #[arg(long, default_value_t = 20)]
    pub(crate) users: usize,
    /// Messages that each archive holds at least
    #[arg(long, default_value_t = 500)]
    pub(crate) messages: usize,
    /// Messages on a page
    #[arg(long, default_value_t = 50)]
    pub(crate) page: usize,
    /// Letters in the body of each message
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) body_bytes: usize,
    #[command(flatten)]
    pub(crate) span: Span,
}

/// One page.
struct Page {
    results: usize,
    first: Option<String>,
}

/// Asks for the page before an id, or for the last one.
async fn page(client: &mut Client, number: u64, size: usize, before: &str) -> Result<Page> {
    let scope = client.scope();
    client.queue(&format!(
        "<iq{scope} type='set' id='l{number:x}'><query xmlns='{MAM}' queryid='l{number:x}'><set xmlns='{RSM}'>\
         <max>{size}</max><before>{before}</before></set></query></iq>"
    ));
    client.flush().await?;
    let id = format!("l{number:x}");
    let mut results = 0;
    loop {
        let stanza = client.next().await?;
        if stanza.starts_with(b"<message") {
            results += usize::from(memchr::memmem::find(stanza, b"<forwarded").is_some());
        } else if stanza.starts_with(b"<iq") && attribute(stanza, "id") == Some(id.as_bytes()) {
            let answer = std::str::from_utf8(stanza)?;
            ensure!(attribute(stanza, "type") == Some(b"result"), "refused: {answer}");
            let first =
                answer.split_once("<first").and_then(|(_, rest)| rest.split_once('>')?.1.split_once('<'));
            return Ok(Page { results, first: first.map(|(id, _)| id.to_owned()) });
        }
    }
}

/// Writes to a partner until the archive holds as many as are wanted.
async fn fill(client: &mut Client, to: &str, options: &Options) -> Result<()> {
    let mut held = 0;
    let mut before = String::new();
    let mut number = 0;
    while held < options.messages {
        let page = page(client, number, options.page, &before).await?;
        number += 1;
        held += page.results;
        match page.first {
            Some(first) if page.results == options.page => before = first,
            _ => break,
        }
    }
    let (scope, body) = (client.scope(), body(options.body_bytes));
    for _ in held..options.messages {
        client.queue(&format!("<message{scope} to='{to}' type='chat'><body>{body}</body></message>"));
        client.flush().await?;
    }
    let domain = client.target.options.domain.clone();
    client.request("get", &domain, "<ping xmlns='urn:xmpp:ping'/>").await?;
    Ok(())
}

/// Reads from the end to the beginning, again and again.
async fn read(mut client: Client, exchange: Rc<Exchange>, options: Options) -> Result<()> {
    let mut number = 1 << 32;
    loop {
        let mut before = String::new();
        for _ in 0..options.messages / options.page {
            if exchange.is_stopping() {
                return Ok(());
            }
            let began = exchange.now();
            let page = page(&mut client, number, options.page, &before).await?;
            ensure!(page.results == options.page, "a page holds {} of {}", page.results, options.page);
            exchange.done(began);
            before = page.first.context("a page without its first id")?;
            number += 1;
        }
    }
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.page > 0 && options.messages >= options.page, "--messages is at least --page");
    ensure!(!target.options.floor, "the floor keeps nothing");
    sessions::register(target, 2 * options.users).await?;
    let setup = Setup { presence: true, ..Setup::default() };
    let mut clients = sessions::signed_in(target, options.users, setup).await?;
    target.progress("filling the archives");
    for (number, client) in clients.iter_mut().enumerate() {
        let to = target.address_of(options.users + number);
        sessions::more_patiently(target, 10, "filling an archive", fill(client, &to, options)).await?;
    }
    target.progress("measuring");
    let (exchange, count) = (Exchange::new(), clients.len());
    let tasks: Vec<Task> = clients
        .into_iter()
        .map(|client| exchange.spawn(read(client, Rc::clone(&exchange), options.clone())))
        .collect();
    let measure = exchange.measure(target, options.span, "pages").await?;
    drop(tasks);
    let mut report = Report::new(target, "archive", count);
    report.measures.push(measure);
    exchange.conclude(&mut report);
    Ok(report)
}
