//! The queues to other domains, one for each pair, and the tasks that empty them.
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
use tokio::time::{Instant, sleep_until};
use waxwing_chat::error::{Error, Result};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::s2s::{Event, Pair};
use waxwing_xmpp::stanza::Stanza;

use super::connect::{self, Connection};
use super::{Current, Federation};
use crate::observe::names;

/// How many stanzas are written at one time.
const BATCH: usize = 64;

/// A stream that breaks sooner than this after it was made counts as one that could not be made.
const SHORT: Duration = Duration::from_secs(2);

/// All pairs that have a queue, or that are left alone for a while.
#[derive(Default)]
pub(super) struct Queues(Mutex<HashMap<Pair, State>>);

enum State {
    Open(Sender<Stanza>, u32),
    Resting { until: Instant, failures: u32, condition: Condition },
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, HashMap<Pair, State>> {
        // The map is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    federation.lifecycle.spawn(run(Arc::clone(federation), pair, stanzas));
    Ok(())
}

/// How a stream ended.
enum End {
    /// There was nothing more to send.
    Idle,
    /// It broke, or the peer closed it.
    Broken,
    /// The server stops.
    Drained,
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
        if let Some(State::Open(_, failures)) = federation.queues.lock().get_mut(&pair) {
            *failures = 0;
        }
        let address = connection.address.to_string();
        let entry = federation.connections.add("out", &pair, proof, address, federation.chat.now_ms());
        let end = relay(&federation, &current, &mut connection, &mut stanzas).await;
        drop(entry);
        connection.hang_up().await;
        match end {
            End::Broken if began.elapsed() < SHORT => {
                return give_up(&federation, &pair, stanzas, Condition::RemoteServerTimeout).await;
            }
            End::Drained => {
                return give_up(&federation, &pair, stanzas, Condition::RemoteServerTimeout).await;
            }
            End::Idle | End::Broken => {
                // Whoever sends holds the same lock, so nothing can come in between.
                let mut queues = federation.queues.lock();
                if stanzas.is_empty() {
                    queues.remove(&pair);
                    return;
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
        let config = &federation.current().config;
        let mut queues = federation.queues.lock();
        let failures = match queues.get(pair) {
            Some(State::Open(_, failures)) => failures.saturating_add(1),
            _ => 1,
        };
        let pause = config.retry_after_ms.saturating_mul(1 << failures.min(16).saturating_sub(1));
        let until = Instant::now() + Duration::from_millis(pause.min(config.retry_limit_ms));
        queues.insert(pair.clone(), State::Resting { until, failures, condition });
    }
    while let Ok(stanza) = stanzas.try_recv() {
        give_back(federation, &stanza, condition).await;
    }
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
                if !write(connection, &batch).await {
                    for stanza in &batch {
                        give_back(federation, stanza, Condition::RemoteServerTimeout).await;
                    }
                    return End::Broken;
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
