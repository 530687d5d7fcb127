//! A request that the server answers itself (XEP-0199), one in flight on each connection.

use std::rc::Rc;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::client::Client;
use crate::exchange::{Exchange, Span};
use crate::report::Report;
use crate::sessions::{self, Setup, Task};
use crate::split::attribute;
use crate::target::Target;

/// Options of `ping`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Connections that ask
    #[arg(long, default_value_t = 100)]
    pub(crate) connections: usize,
    #[command(flatten)]
    pub(crate) span: Span,
}

/// Asks again as soon as the answer is there.
async fn ask(mut client: Client, exchange: Rc<Exchange>, domain: String) -> Result<()> {
    let scope = client.scope();
    loop {
        if exchange.is_stopping() {
            return Ok(());
        }
        let began = exchange.now();
        let id = format!("l{began:x}");
        client.queue(&format!(
            "<iq{scope} type='get' to='{domain}' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>"
        ));
        client.flush().await?;
        loop {
            let answer = client.next().await?;
            if attribute(answer, "id") == Some(id.as_bytes()) {
                if attribute(answer, "type") == Some(b"error") {
                    bail!("refused: {}", String::from_utf8_lossy(answer));
                }
                break;
            }
        }
        exchange.done(began);
    }
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.connections > 0, "--connections is at least 1");
    let mut clients = sessions::sessions(target, options.connections, Setup::default()).await?;
    let count = clients.len();
    target.progress("measuring");
    if target.options.floor {
        for client in &mut clients {
            client.queue_raw(b"echo\n");
        }
    }
    let exchange = Exchange::new();
    let domain = &target.options.domain;
    let tasks: Vec<Task> = clients
        .into_iter()
        .map(|client| exchange.spawn(ask(client, Rc::clone(&exchange), domain.clone())))
        .collect();
    let measure = exchange.measure(target, options.span, "requests answered").await?;
    drop(tasks);
    let mut report = Report::new(target, "ping", count);
    report.measures.push(measure);
    exchange.conclude(&mut report);
    Ok(report)
}
