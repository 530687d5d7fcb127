//! A network in memory: connections that delay, cut to pieces, stall, break and go silent as a seed says.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::random::Random;

/// One end of a connection.
pub(crate) struct Socket {
    incoming: Arc<Pipe>,
    outgoing: Arc<Pipe>,
    write_timeout: Duration,
}

/// What can be done to a connection from outside.
#[derive(Clone)]
pub(crate) struct Cable([Arc<Pipe>; 2]);

/// One direction of a connection.
struct Pipe {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    capacity: usize,
    random: Random,
    longest_delay_ms: u64,
    /// The sender says that no more comes.
    finished: bool,
    /// The receiver is gone.
    unread: bool,
    /// Nothing arrives until this moment.
    stalled: Option<Instant>,
    /// Nothing arrives any more, and nobody is told.
    silent: bool,
    /// Both ends are told that the connection is gone; what was on its way is lost.
    broken: bool,
}

impl Pipe {
    fn new(random: Random, capacity: usize, longest_delay_ms: u64) -> Arc<Self> {
        let state = State {
            pieces: VecDeque::new(),
            bytes: 0,
            capacity,
            random,
            longest_delay_ms,
            finished: false,
            unread: false,
            stalled: None,
            silent: false,
            broken: false,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_waiters();
    }

    /// What has arrived; none of it when the sender has finished.
    async fn receive(&self) -> io::Result<Vec<u8>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let next = {
                let mut state = self.lock();
                if state.broken {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                let now = Instant::now();
                let due =
                    state.pieces.front().map(|(at, _)| state.stalled.map_or(*at, |until| until.max(*at)));
                match due {
                    _ if state.silent => None,
                    Some(at) if at <= now => {
                        let (_, piece) = state.pieces.pop_front().unwrap_or((now, Vec::new()));
                        state.bytes -= piece.len();
                        drop(state);
                        self.changed.notify_waiters();
                        return Ok(piece);
                    }
                    None if state.finished => return Ok(Vec::new()),
                    due => due,
                }
            };
            match next {
                Some(at) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let room = {
                let mut state = self.lock();
                if state.broken || (state.unread && !state.silent) {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                let room = state.capacity.saturating_sub(state.bytes);
                if room > 0 {
                    let longest = room.min(bytes.len());
                    let length =
                        if state.random.one_in(4) { state.random.up_to(longest) + 1 } else { longest };
                    let (now, later) = bytes.split_at(length.min(longest));
                    bytes = later;
                    let limit = state.longest_delay_ms;
                    let delay = Duration::from_millis(state.random.below(limit + 1));
                    let newest = state.pieces.back().map(|(at, _)| *at);
                    let at = (Instant::now() + delay).max(newest.unwrap_or_else(Instant::now));
                    state.bytes += now.len();
                    state.pieces.push_back((at, now.to_vec()));
                }
                room
            };
            if room > 0 { self.changed.notify_waiters() } else { changed.await }
        }
        Ok(())
    }
}

impl Socket {
    /// A connection: the client's end, the server's end, and a hold on what lies between.
    pub(crate) fn pair(random: &mut Random, write_timeout: Duration) -> (Self, Self, Cable) {
        let capacity = [300, 2_000, 64_000][random.up_to(2)];
        let delay = [0, 3, 80][random.up_to(2)];
        let up = Pipe::new(random.fork(), capacity, delay);
        let down = Pipe::new(random.fork(), capacity, delay);
        let cable = Cable([Arc::clone(&up), Arc::clone(&down)]);
        let client = Self { incoming: Arc::clone(&down), outgoing: Arc::clone(&up), write_timeout };
        (client, Self { incoming: up, outgoing: down, write_timeout }, cable)
    }

    /// Waits for input and adds it to `input`; `false` when the peer has finished. Safe to drop and call again.
    pub(crate) async fn receive(&mut self, input: &mut Vec<u8>) -> io::Result<bool> {
        let piece = self.incoming.receive().await?;
        input.extend_from_slice(&piece);
        Ok(!piece.is_empty())
    }

    /// Writes all, or gives up as a TCP connection does whose peer takes nothing.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = timeout(self.write_timeout, self.outgoing.send(bytes)).await;
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Says that no more comes.
    pub(crate) fn finish(&self) {
        self.outgoing.change(|state| state.finished = true);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.finish();
        self.incoming.change(|state| state.unread = true);
    }
}

impl Cable {
    /// Both ends learn at once that the connection is gone, and what was on its way is lost.
    pub(crate) fn cut(&self) {
        for pipe in &self.0 {
            pipe.change(|state| {
                state.broken = true;
                state.pieces.clear();
            });
        }
    }

    /// Nothing gets through any more, either way, and nobody is told.
    pub(crate) fn go_silent(&self) {
        for pipe in &self.0 {
            pipe.change(|state| state.silent = true);
        }
    }

    /// Nothing gets through for a while, one way or both.
    pub(crate) fn stall(&self, direction: Option<usize>, time: Duration) {
        for (index, pipe) in self.0.iter().enumerate() {
            if direction.is_none_or(|only| only == index) {
                pipe.change(|state| state.stalled = Some(Instant::now() + time));
            }
        }
    }
}
