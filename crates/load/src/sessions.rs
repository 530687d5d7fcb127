//! Many sessions at once: registering accounts, signing in, and holding the clients.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tokio::task::{JoinSet, spawn_local};
use waxwing_xmpp::ns;

use crate::client::Client;
use crate::json;
use crate::target::Target;

/// What a session does after it has signed in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) roster: bool,
    pub(crate) presence: bool,
    pub(crate) carbons: bool,
    pub(crate) stream_management: bool,
}

/// The resource of every session.
pub(crate) const RESOURCE: &str = "load";

/// How often one account is tried: a server that hashes passwords slowly may break a connection meanwhile.
const REGISTRATION_ATTEMPTS: u32 = 5;

/// How long to wait before the second attempt; doubled for each that follows.
const REGISTRATION_PAUSE: Duration = Duration::from_millis(200);

/// How long a server may take to end a stream.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

/// Does something for each number below `count`, several at the same time; the first failure ends it.
pub(crate) async fn each<F>(
    target: &Rc<Target>,
    count: usize,
    work: impl Fn(usize) -> F + 'static,
) -> Result<()>
where
    F: Future<Output = Result<()>> + 'static,
{
    let work = Rc::new(work);
    let next = Rc::new(Cell::new(0));
    let mut workers: JoinSet<Result<()>> = JoinSet::new();
    for _ in 0..target.options.concurrency.min(count) {
        let (work, next) = (Rc::clone(&work), Rc::clone(&next));
        workers.spawn_local(async move {
            loop {
                let number = next.replace(next.get() + 1);
                if number >= count {
                    return Ok(());
                }
                work(number).await?;
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(())
}

/// Gives up after the patience of the target.
pub(crate) async fn patiently<T>(
    target: &Target,
    what: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    more_patiently(target, 1, what, work).await
}

/// Gives up after so many times the patience of the target.
pub(crate) async fn more_patiently<T>(
    target: &Target,
    times: u32,
    what: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let patience = Duration::from_secs(target.options.patience) * times;
    match tokio::time::timeout(patience, work).await {
        Ok(outcome) => outcome.with_context(|| what.to_owned()),
        Err(_) => Err(anyhow!("{what}: no answer within {} s", patience.as_secs())),
    }
}

/// Registers the accounts below `count`, if that was asked for.
pub(crate) async fn register(target: &Rc<Target>, count: usize) -> Result<()> {
    if !target.options.register || target.options.floor {
        return Ok(());
    }
    target.progress(&format!("registering {count} accounts"));
    let shared = Rc::clone(target);
    each(target, count, move |number| {
        let target = Rc::clone(&shared);
        async move { register_one(&target, number).await }
    })
    .await
}

/// Registers one account, again on a new connection when one breaks: what was done before counts as done.
async fn register_one(target: &Rc<Target>, number: usize) -> Result<()> {
    let name = target.account(number);
    let what = format!("registering {name}");
    let mut pause = REGISTRATION_PAUSE;
    for attempt in 1.. {
        let outcome = patiently(target, &what, async {
            let mut client = Client::connect(target, number).await?;
            client.register(&name).await?;
            Ok(client)
        });
        match outcome.await {
            Ok(client) => {
                // The account is there, however the connection ends.
                let _ = tokio::time::timeout(CLOSING_PATIENCE, client.close()).await;
                break;
            }
            Err(error) if attempt < REGISTRATION_ATTEMPTS && is_broken(&error) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the connection failed, and not the server refused.
fn is_broken(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<std::io::Error>())
}

/// Connects one client and brings it where the setup wants it.
pub(crate) async fn session(target: &Rc<Target>, number: usize, setup: Setup) -> Result<Client> {
    let name = target.account(number);
    patiently(target, &format!("signing {name} in"), async {
        let mut client = Client::connect(target, number).await?;
        if target.options.floor {
            return Ok(client);
        }
        client.sign_in(&name, RESOURCE).await?;
        prepare(&mut client, setup).await?;
        Ok(client)
    })
    .await
}

/// What clients do after they have signed in.
pub(crate) async fn prepare(client: &mut Client, setup: Setup) -> Result<()> {
    if client.target.speaks_json() {
        return if setup.presence { json::come_in_step(client).await } else { Ok(()) };
    }
    if setup.stream_management {
        client.enable_stream_management().await?;
    }
    if setup.carbons {
        client.enable_carbons().await?;
    }
    if setup.roster {
        client.request("get", "", "<query xmlns='jabber:iq:roster'/>").await?;
    }
    if setup.presence {
        announce(client, "").await?;
    }
    Ok(())
}

/// Sends initial presence and waits until the server has sent it back (RFC 6121 section 4.2.2).
pub(crate) async fn announce(client: &mut Client, payload: &str) -> Result<()> {
    let scope = client.scope();
    client.queue(&format!("<presence{scope}>{payload}</presence>"));
    client.flush().await?;
    loop {
        let stanza = client.element().await?;
        if stanza.name() == "presence"
            && stanza.ns() == ns::CLIENT
            && stanza.attr("from") == Some(&client.jid)
        {
            return Ok(());
        }
    }
}

/// Registers the accounts if that was asked for, and signs all of them in.
pub(crate) async fn sessions(target: &Rc<Target>, count: usize, setup: Setup) -> Result<Vec<Client>> {
    register(target, count).await?;
    signed_in(target, count, setup).await
}

/// Signs the first accounts in.
pub(crate) async fn signed_in(target: &Rc<Target>, count: usize, setup: Setup) -> Result<Vec<Client>> {
    signed_in_from(target, 0, count, setup).await
}

/// Signs accounts in, beginning with the one of that number.
pub(crate) async fn signed_in_from(
    target: &Rc<Target>,
    first: usize,
    count: usize,
    setup: Setup,
) -> Result<Vec<Client>> {
    target.progress(&format!("signing {count} accounts in"));
    let clients: Rc<RefCell<Vec<Option<Client>>>> = Rc::default();
    clients.borrow_mut().resize_with(count, || None);
    let (shared, place) = (Rc::clone(target), Rc::clone(&clients));
    each(target, count, move |number| {
        let (target, clients) = (Rc::clone(&shared), Rc::clone(&place));
        async move {
            let client = session(&target, first + number, setup).await?;
            clients.borrow_mut()[number] = Some(client);
            Ok(())
        }
    })
    .await?;
    Ok(clients.take().into_iter().flatten().collect())
}

/// Whether the server has ended the connection.
pub(crate) async fn is_gone(client: &mut Client) -> bool {
    loop {
        match tokio::time::timeout(Duration::from_millis(1), client.next()).await {
            Ok(Err(_)) => return true,
            // What arrived while nobody read.
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

/// Closes all of them.
pub(crate) async fn close(target: &Rc<Target>, clients: Vec<Client>) {
    if target.options.floor {
        return;
    }
    let mut closing = JoinSet::new();
    for client in clients {
        closing.spawn_local(async move {
            let _ = tokio::time::timeout(CLOSING_PATIENCE, client.close()).await;
        });
    }
    while closing.join_next().await.is_some() {}
}

/// A task that ends when the handle is dropped.
pub(crate) struct Task(tokio::task::JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(work: impl Future<Output = ()> + 'static) -> Self {
        Self(spawn_local(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_not_a_broken_connection() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(is_broken(&anyhow::Error::from(reset).context("registering romeo")));
        assert!(!is_broken(&anyhow!("refused").context("registering romeo")));
    }
}
