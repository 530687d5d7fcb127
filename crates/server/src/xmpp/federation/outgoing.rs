//! The queues to other domains, one for each pair, and the tasks that empty them. When the process drains they have a while
//! to send what waits; what is left then comes back to its senders.
//!
//! ```text
//!  (nothing) ──first stanza──▶ Open ──connected, idle──▶ (nothing)
//!                               │
//!                               └──no stream──▶ Resting ──time over, next stanza──▶ Open
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use waxwing_chat::error::{Error, Result};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::s2s::{Event, Pair};
use waxwing_xmpp::stanza::Stanza;

use super::connect::{self, Connection};
use super::{Config, Current, Federation};
use crate::observe::names;

/// How many stanzas are written at one time.
const BATCH: usize = 64;

/// A stream that breaks sooner than this after it was made counts as one that could not be made.
const SHORT: Duration = Duration::from_secs(2);

/// How long the senders of what could not be sent may take to be told, at a drain.
const TELLING: Duration = Duration::from_secs(1);

/// All pairs that have a queue, or that are left alone for a while.
#[derive(Default)]
pub(super) struct Queues {
    pairs: Mutex<HashMap<Pair, State>>,
    /// How many tasks empty a queue.
    tasks: watch::Sender<usize>,
    /// Whether the time to send is over.
    over: watch::Sender<bool>,
}

enum State {
    Open(Sender<Stanza>, u32),
    Resting { until: Instant, failures: u32, condition: Condition },
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, HashMap<Pair, State>> {
        // The map is whole after every statement.
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing waits for other domains, up to `limit`; what is left then is given back. The process drains.
    pub(super) async fn emptied(&self, limit: Duration) {
        let mut tasks = self.tasks.subscribe();
        if timeout(limit, tasks.wait_for(|count| *count == 0)).await.is_ok() {
            return;
        }
        self.over.send_replace(true);
        let _ = timeout(TELLING, tasks.wait_for(|count| *count == 0)).await;
    }
}

/// Counts a task that empties a queue.
struct Running(Arc<Federation>);

impl Running {
    fn new(federation: &Arc<Federation>) -> Self {
        federation.queues.tasks.send_modify(|count| *count += 1);
        Self(Arc::clone(federation))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.queues.tasks.send_modify(|count| *count -= 1);
    }
}

/// Puts a stanza into the queue of its pair, and starts the task that empties it.
pub(super) fn send(federation: &Arc<Federation>, pair: Pair, stanza: Stanza) -> Result<()> {
    let current = federation.current();
    let mut queues = federation.queues.lock();
    let failures = match queues.get(&pair) {
        Some(State::Open(sender, _)) => {
            return sender.try_send(stanza).map_err(|error| match error {
                TrySendError::Full(_) => Error::ResourceConstraint("too much waits for that domain"),
                TrySendError::Closed(_) => Error::RemoteServerTimeout,
            });
        }
        Some(State::Resting { until, condition, .. }) if *until > Instant::now() => {
            return Err(match condition {
                Condition::RemoteServerNotFound => Error::RemoteServerNotFound,
                _ => Error::RemoteServerTimeout,
            });
        }
        Some(State::Resting { failures, .. }) => *failures,
        None => 0,
    };
    if queues.len() >= current.config.queues_limit {
        let now = Instant::now();
        queues.retain(|_, state| !matches!(state, State::Resting { until, .. } if *until <= now));
        if queues.len() >= current.config.queues_limit {
            return Err(Error::ResourceConstraint("too many domains are waited for"));
        }
    }
    if federation.lifecycle.is_draining() {
        return Err(Error::RemoteServerTimeout);
    }
    let (sender, stanzas) = mpsc::channel(current.config.queue_limit);
    sender.try_send(stanza).map_err(|_| Error::ResourceConstraint("too much waits for that domain"))?;
    queues.insert(pair.clone(), State::Open(sender, failures));
    drop(queues);
    let (federation, running) = (Arc::clone(federation), Running::new(federation));
    federation.lifecycle.clone().spawn(async move {
        run(federation, pair, stanzas).await;
        drop(running);
    });
    Ok(())
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// There was nothing more to send.
    Idle,
    /// It broke, or the peer closed it.
    Broken,
    /// The server stops, and everything is sent.
    Drained,
    /// The server stops, and the other one takes nothing.
    Cut,
}

/// Empties the queue of a pair until nothing has come for a while.
async fn run(federation: Arc<Federation>, pair: Pair, mut stanzas: Receiver<Stanza>) {
    let mut drain = federation.lifecycle.drain_signal();
    loop {
        let current = federation.current();
        let opened = tokio::select! {
            biased;
            opened = connect::open(&federation, &current, &pair) => opened,
            () = drain.draining() => return give_up(&federation, &pair, stanzas, Condition::RemoteServerTimeout).await,
        };
        let (mut connection, proof) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                tracing::info!(%pair, reason = failure.reason, "another server cannot be reached");
                metrics::counter!(names::FEDERATION_FAILURES).increment(1);
                return give_up(&federation, &pair, stanzas, failure.condition).await;
            }
        };
        tracing::info!(%pair, proof = proof.name(), "stanzas may be sent to another server");
        let began = Instant::now();
        let address = connection.address.to_string();
        let entry = federation.connections.add("out", &pair, proof, address, federation.chat.now_ms());
        let end = relay(&federation, &current, &mut connection, &mut stanzas).await;
        drop(entry);
        if end != End::Cut {
            connection.hang_up().await;
        }
        match end {
            End::Broken if began.elapsed() < SHORT => {
                return give_up(&federation, &pair, stanzas, Condition::RemoteServerTimeout).await;
            }
            End::Drained | End::Cut => {
                return give_up(&federation, &pair, stanzas, Condition::RemoteServerTimeout).await;
            }
            End::Idle | End::Broken => {
                // Whoever sends holds the same lock, so nothing can come in between.
                let mut queues = federation.queues.lock();
                if stanzas.is_empty() {
                    queues.remove(&pair);
                    return;
                }
                if let Some(State::Open(_, failures)) = queues.get_mut(&pair) {
                    *failures = 0;
                }
            }
        }
    }
}

/// Leaves a pair alone for a while, and tells the senders of all that waits.
async fn give_up(
    federation: &Arc<Federation>,
    pair: &Pair,
    mut stanzas: Receiver<Stanza>,
    condition: Condition,
) {
    {
        let mut octets = [0; 4];
        federation.chat.fill_random(&mut octets);
        let config = &federation.current().config;
        let mut queues = federation.queues.lock();
        let failures = match queues.get(pair) {
            Some(State::Open(_, failures)) => failures.saturating_add(1),
            _ => 1,
        };
        let until = Instant::now() + pause(config, failures, u32::from_be_bytes(octets));
        queues.insert(pair.clone(), State::Resting { until, failures, condition });
    }
    let mut count = 0;
    while let Ok(stanza) = stanzas.try_recv() {
        count += 1;
        give_back(federation, &stanza, condition).await;
    }
    if count > 0 && federation.lifecycle.is_draining() {
        tracing::warn!(%pair, count, "stanzas for another server were not sent before the end");
    }
}

/// How long a domain is left alone after so many failures in a row: twice as long after each, up to the limit, and up to
/// a quarter less by chance, so that those who lost it together do not come back together.
fn pause(config: &Config, failures: u32, random: u32) -> Duration {
    let most = config.retry_after_ms.saturating_mul(1 << failures.clamp(1, 32).saturating_sub(1));
    let most = most.min(config.retry_limit_ms);
    let less = u128::from(most / 4) * u128::from(random) / u128::from(u32::MAX);
    Duration::from_millis(most.saturating_sub(u64::try_from(less).unwrap_or_default()))
}

async fn give_back(federation: &Arc<Federation>, stanza: &Stanza, condition: Condition) {
    federation.chat.undeliverable(stanza, StanzaError::new(condition)).await;
}

/// Sends what waits, in order, until the stream ends.
async fn relay(
    federation: &Arc<Federation>,
    current: &Current,
    connection: &mut Connection,
    stanzas: &mut Receiver<Stanza>,
) -> End {
    let idle = Duration::from_millis(current.config.idle_timeout_ms);
    let mut drain = federation.lifecycle.drain_signal();
    let mut over = federation.queues.over.subscribe();
    let mut until = Instant::now() + idle;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        while let Some(event) = connection.parsed() {
            match event {
                Event::Closed | Event::PeerFailed(_) | Event::Failed(_) | Event::Refused(_) => {
                    return End::Broken;
                }
                _ => {}
            }
        }
        let draining = federation.lifecycle.is_draining();
        tokio::select! {
            biased;
            received = connection.receive() => if received.is_err() { return End::Broken },
            count = stanzas.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return End::Idle;
                }
                until = Instant::now() + idle;
                let written = tokio::select! {
                    written = write(connection, &batch) => written,
                    _ = over.wait_for(|over| *over) => false,
                };
                if !written {
                    for stanza in &batch {
                        give_back(federation, stanza, Condition::RemoteServerTimeout).await;
                    }
                    return if federation.lifecycle.is_draining() { End::Cut } else { End::Broken };
                }
                metrics::counter!(names::FEDERATED_STANZAS, "direction" => "out").increment(count as u64);
                batch.clear();
                if draining && stanzas.is_empty() {
                    return End::Drained;
                }
            }
            () = drain.draining(), if !draining || stanzas.is_empty() => {
                if stanzas.is_empty() {
                    return End::Drained;
                }
            }
            () = sleep_until(until) => return End::Idle,
        }
    }
}

async fn write(connection: &mut Connection, batch: &[Stanza]) -> bool {
    let mut bytes = Vec::new();
    for stanza in batch {
        stanza.write(&mut bytes, ns::CLIENT);
    }
    connection.stream.write(&bytes);
    connection.flush().await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6120 section 3.3: back-off that grows, is bounded, and is not the same for all.
    #[test]
    fn pauses_grow_up_to_a_bound_and_differ() {
        let config = Config { retry_after_ms: 5_000, retry_limit_ms: 300_000, ..Config::default() };
        for (failures, most) in [(1, 5_000), (2, 10_000), (3, 20_000), (7, 300_000), (u32::MAX, 300_000)] {
            assert_eq!(pause(&config, failures, 0), Duration::from_millis(most), "{failures}");
            assert_eq!(
                pause(&config, failures, u32::MAX),
                Duration::from_millis(most - most / 4),
                "{failures}"
            );
            assert_ne!(pause(&config, failures, 1 << 30), pause(&config, failures, 3 << 30), "{failures}");
        }
        let longest = Config { retry_after_ms: u64::MAX, retry_limit_ms: u64::MAX, ..Config::default() };
        assert_eq!(pause(&longest, 9, 0), Duration::from_millis(u64::MAX));
    }
}
