//! Presence: one user's presence goes to all contacts that are online; what one delivery costs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::client::Client;
use crate::contacts;
use crate::exchange::{Exchange, Span};
use crate::ledger::{Ledger, Tally};
use crate::report::Report;
use crate::sessions::{self, Setup, Task};
use crate::split::attribute;
use crate::target::Target;

/// Options of `presence`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Contacts of each user, all of them online
    #[arg(long, default_value_t = 50)]
    pub(crate) contacts: usize,
    /// Groups of users; in each, everyone is everyone's contact
    #[arg(long, default_value_t = 4)]
    pub(crate) groups: usize,
    #[command(flatten)]
    pub(crate) span: Span,
}

/// One group: its members send in turn, each when the presence of the one before has reached it.
struct Group {
    exchange: Rc<Exchange>,
    sent: Cell<u64>,
    size: u64,
    /// What each member has received of each: a row for each receiver. Only what one sender sends to one receiver has an
    /// order (RFC 6120 section 10.1).
    ledgers: Vec<RefCell<Ledger>>,
}

impl Group {
    /// Sends one presence, which everyone in the group has to receive, its sender too (RFC 6121 section 4.4.2).
    async fn send(&self, client: &mut Client) -> Result<()> {
        let number = self.sent.replace(self.sent.get() + 1);
        for receiver in 0..self.size {
            self.ledger(receiver, number).borrow_mut().send();
        }
        let (scope, now) = (client.scope(), self.exchange.now());
        client.queue(&format!("<presence{scope} id='l{number:x}.{now:x}'><show>away</show></presence>"));
        client.flush().await
    }

    /// Where a receiver keeps what comes from the sender of this number: they send in turn.
    #[allow(clippy::cast_possible_truncation, reason = "a group is a few dozen")]
    fn ledger(&self, receiver: u64, number: u64) -> &RefCell<Ledger> {
        &self.ledgers[(receiver * self.size + number % self.size) as usize]
    }

    async fn member(self: Rc<Self>, mut client: Client, place: u64) -> Result<()> {
        if place == 0 {
            self.send(&mut client).await?;
        }
        loop {
            let Some((number, began)) = numbers(client.next().await?) else { continue };
            if self.ledger(place, number).borrow_mut().receive(number / self.size) {
                self.exchange.done(began);
            }
            if (number + 1) % self.size == place && !self.exchange.is_stopping() {
                self.send(&mut client).await?;
            }
        }
    }
}

/// The number of a presence and when it was sent.
fn numbers(stanza: &[u8]) -> Option<(u64, u64)> {
    if !stanza.starts_with(b"<presence") || attribute(stanza, "type").is_some() {
        return None;
    }
    let id = std::str::from_utf8(attribute(stanza, "id")?).ok()?;
    let (number, sent) = id.strip_prefix('l')?.split_once('.')?;
    Some((u64::from_str_radix(number, 16).ok()?, u64::from_str_radix(sent, 16).ok()?))
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.contacts > 0 && options.groups > 0, "--contacts and --groups are at least 1");
    ensure!(!target.options.floor, "the floor knows no presence");
    let size = options.contacts + 1;
    let clients = sessions::sessions(target, size * options.groups, Setup::default()).await?;
    let mut clients = contacts::befriend(target, clients, size).await?;
    let count = clients.len();
    target.progress("measuring");
    let exchange = Exchange::new();
    let (mut groups, mut tasks): (Vec<Rc<Group>>, Vec<Task>) = Default::default();
    while !clients.is_empty() {
        let rest = clients.split_off(size.min(clients.len()));
        let group = Rc::new(Group {
            exchange: Rc::clone(&exchange),
            sent: Cell::new(0),
            size: size as u64,
            ledgers: (0..size * size).map(|_| RefCell::default()).collect(),
        });
        for (place, client) in clients.into_iter().enumerate() {
            tasks.push(exchange.spawn(Rc::clone(&group).member(client, place as u64)));
        }
        groups.push(group);
        clients = rest;
    }
    let measure = exchange.measure(target, options.span, "presences delivered").await?;
    let settled = |group: &Rc<Group>| group.ledgers.iter().all(|ledger| ledger.borrow().is_settled());
    exchange.settle(target, || groups.iter().all(settled)).await;
    drop(tasks);
    let mut tally = Tally::default();
    groups.iter().flat_map(|group| &group.ledgers).for_each(|ledger| tally.add(&ledger.borrow()));
    groups.first().context("no group")?;
    let mut report = Report::new(target, "presence", count);
    report.measures.push(measure);
    report.tally = Some(tally);
    exchange.conclude(&mut report);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_available_presence_counts() {
        assert_eq!(numbers(b"<presence from='a@b/c' id='l1f.2'><show>away</show></presence>"), Some((31, 2)));
        assert_eq!(numbers(b"<presence id='l1.2' type='unavailable'/>"), None);
        assert_eq!(numbers(b"<presence from='a@b/c'/>"), None);
        assert_eq!(numbers(b"<message id='l1.2'/>"), None);
    }
}
