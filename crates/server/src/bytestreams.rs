//! The relay for bytes between two clients that cannot reach each other (XEP-0065): it takes connections, and joins two that
//! came under the same name once a client of this server says so. It never connects to anything itself.

mod socks;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use waxwing_chat::bytestreams::{self, RelayRefusal};
use waxwing_xmpp::jid::Jid;

use crate::config::config;
use crate::lifecycle::Lifecycle;
use crate::net::{Conn, Permit};
use crate::observe::names;

config! {
    /// Bytes between two clients that cannot reach each other (XEP-0065). In force where `listen.bytestreams` has an
    /// address.
    pub struct Config {
        /// The host name or address that clients are told to connect to. Unset: the domain itself.
        /// Example: "proxy.example.org"
        host: Option<String> = None,
        /// Connections that wait for their stream to begin.
        waiting_limit: usize = 256,
        /// Streams at one time.
        streams_limit: usize = 256,
        /// Streams at one time that one account is answerable for.
        streams_per_account_limit: usize = 4,
        /// Bytes a second of one stream, each way.
        bytes_per_second_limit: u64 = 4_194_304,
        /// How long a connection may take to say which stream it is for, and then to wait for it to begin.
        waiting_timeout_ms: u64 = 60_000,
        /// How long a stream may be silent before it ends.
        idle_timeout_ms: u64 = 120_000,
        /// How long a stream may last.
        stream_time_ms: u64 = 3_600_000,
    }
}

/// A connection that waits for its stream to begin.
struct Half {
    number: u64,
    tcp: TcpStream,
    /// Its place among the connections of this server.
    permit: Option<Permit>,
}

#[derive(Default)]
struct State {
    waiting: HashMap<String, Vec<Half>>,
    /// How many wait.
    count: usize,
    /// Active streams by account.
    active: HashMap<Jid, usize>,
    last: u64,
}

/// Joins connections.
pub struct Relay {
    config: Config,
    port: u16,
    lifecycle: Lifecycle,
    state: Mutex<State>,
}

impl Relay {
    /// A relay that clients are told to reach at this port.
    pub fn new(config: Config, port: u16, lifecycle: Lifecycle) -> Arc<Self> {
        Arc::new(Self { config, port, lifecycle, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a connection until it waits for its stream; what does not begin in time ends.
    pub async fn serve(self: Arc<Self>, conn: Conn) {
        let (mut tcp, permit) = conn.into_tcp();
        let limit = Duration::from_millis(self.config.waiting_timeout_ms);
        let mut drain = self.lifecycle.drain_signal();
        let name = tokio::select! {
            asked = tokio::time::timeout(limit, socks::receive(&mut tcp)) => match asked {
                Ok(Ok(name)) => name,
                _ => return,
            },
            () = drain.draining() => return,
        };
        let Some(number) = self.wait(&name, tcp, permit) else { return };
        tokio::select! {
            () = tokio::time::sleep(limit) => {}
            () = drain.draining() => {}
        }
        self.give_up(&name, number);
    }

    /// Puts a connection among those that wait; not a third of a stream, and not one too many.
    fn wait(&self, name: &str, tcp: TcpStream, permit: Option<Permit>) -> Option<u64> {
        let mut state = self.state();
        if state.count >= self.config.waiting_limit {
            return None;
        }
        state.last += 1;
        let number = state.last;
        if state.waiting.get(name).is_some_and(|halves| halves.len() >= 2) {
            return None;
        }
        // Sent under the lock, which costs no waiting: whoever gets it goes on to have the stream begun, and has to be
        // found there.
        if !socks::reply(&tcp, &socks::granted(name)) {
            return None;
        }
        let half = Half { number, tcp, permit };
        state.waiting.entry(name.to_owned()).or_default().push(half);
        state.count += 1;
        Some(number)
    }

    /// Ends a connection that still waits.
    fn give_up(&self, name: &str, number: u64) {
        let mut state = self.state();
        let Some(halves) = state.waiting.get_mut(name) else { return };
        let before = halves.len();
        halves.retain(|half| half.number != number);
        let gone = before - halves.len();
        if halves.is_empty() {
            state.waiting.remove(name);
        }
        state.count -= gone;
    }

    /// Takes the two connections of a stream out, and counts it for its account.
    fn take(&self, name: &str, account: &Jid) -> Result<(Half, Half), RelayRefusal> {
        let mut state = self.state();
        match state.waiting.get(name).map(Vec::len) {
            None => return Err(RelayRefusal::Unknown),
            Some(0 | 1) => return Err(RelayRefusal::OneOnly),
            Some(_) => {}
        }
        let own = state.active.get(account).copied().unwrap_or_default();
        let all: usize = state.active.values().sum();
        if own >= self.config.streams_per_account_limit || all >= self.config.streams_limit {
            return Err(RelayRefusal::TooMany);
        }
        let mut halves = state.waiting.remove(name).unwrap_or_default().into_iter();
        let (Some(one), Some(other)) = (halves.next(), halves.next()) else {
            return Err(RelayRefusal::Unknown);
        };
        state.count -= 2;
        *state.active.entry(account.clone()).or_default() += 1;
        metrics::gauge!(names::BYTESTREAMS).set(all as f64 + 1.0);
        Ok((one, other))
    }

    fn ended(&self, account: &Jid) {
        let mut state = self.state();
        if let Some(own) = state.active.get_mut(account) {
            *own -= 1;
            if *own == 0 {
                state.active.remove(account);
            }
        }
        metrics::gauge!(names::BYTESTREAMS).set(state.active.values().sum::<usize>() as f64);
    }
}

/// Counts a stream until it is over, however it ends.
struct Active(Arc<Relay>, Jid);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.ended(&self.1);
    }
}

/// The relay as the domain knows it.
pub struct Port(pub Arc<Relay>);

impl bytestreams::Relay for Port {
    fn address(&self) -> (Option<String>, u16) {
        (self.0.config.host.clone(), self.0.port)
    }

    fn activate(&self, stream: &str, account: &Jid) -> Result<(), RelayRefusal> {
        let relay = &self.0;
        let (one, other) = relay.take(stream, account)?;
        // Before the answer, since from then on everything counts.
        stream::discard(&one.tcp);
        stream::discard(&other.tcp);
        let active = Active(Arc::clone(relay), account.clone());
        let limits = stream::Limits {
            bytes_per_second: relay.config.bytes_per_second_limit,
            idle: Duration::from_millis(relay.config.idle_timeout_ms),
            whole: Duration::from_millis(relay.config.stream_time_ms),
        };
        let mut drain = relay.lifecycle.drain_signal();
        relay.lifecycle.spawn(async move {
            let _active = active;
            let _places = (one.permit, other.permit);
            tokio::select! {
                () = stream::join(one.tcp, other.tcp, &limits) => {}
                () = drain.draining() => {}
            }
        });
        Ok(())
    }
}
