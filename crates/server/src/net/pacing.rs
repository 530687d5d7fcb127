//! Signing in by turns: what many clients cost that come at once is what they cost one after the other.
//!
//! Signing in is a row of steps, each of which computes for a moment and then waits for the client or the store. A step needs
//! a turn only while it computes, so that nobody holds one up by being slow; there is a turn for each processor but one. Who
//! has begun goes before who has not: clients get in one after the other, instead of all of them being half way when their
//! patience ends. Who comes back to a stream or with a token goes first of all. Among equals, networks take turns.
//!
//! ```text
//!  resuming ──▶ ┐
//!  under way ─▶ ├─▶ a turn for one step ─▶ the client or the store is waited for ─▶ under way
//!  arriving ──▶ ┘
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Limits;
use crate::observe::names;

/// How many processors a crowd leaves to those who are there already. With a turn for every processor nobody would ever wait
/// for one, since no more steps compute at a time than there are processors, and the order would be anybody's.
const SPARED_PROCESSORS: usize = 1;

/// What kind of step waits; the first goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A stream is resumed (XEP-0198), or a token is shown (XEP-0484).
    Resuming,
    /// Somebody whose handshake is made signs in.
    UnderWay,
    /// A TLS handshake begins.
    Arriving,
}

const KINDS: usize = 3;

/// Why a step is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// `limits.sign_ins_waiting`
    #[error("limits.sign_ins_waiting is reached")]
    TooMany,
    /// `limits.sign_in_wait_ms`
    #[error("limits.sign_in_wait_ms is over")]
    TooLong,
}

impl From<Crowded> for io::Error {
    fn from(crowded: Crowded) -> Self {
        Self::new(io::ErrorKind::ResourceBusy, crowded)
    }
}

/// Gives turns to steps of signing in. One for all listeners; cheap to clone.
#[derive(Clone)]
pub struct Pacing {
    state: Arc<Mutex<State>>,
}

struct State {
    /// Turns that nobody has.
    free: usize,
    queues: [Queue; KINDS],
    waiting: usize,
    waiting_limit: usize,
    patience: Duration,
    last_ticket: u64,
}

/// Who waits for a step of one kind: networks in turn, and the connections of one in the order they came.
#[derive(Default)]
struct Queue {
    networks: HashMap<IpAddr, BTreeMap<u64, oneshot::Sender<Turn>>>,
    order: VecDeque<IpAddr>,
}

impl Queue {
    fn push(&mut self, network: IpAddr, ticket: u64, sender: oneshot::Sender<Turn>) {
        let waiting = self.networks.entry(network).or_default();
        if waiting.is_empty() {
            self.order.push_back(network);
        }
        waiting.insert(ticket, sender);
    }

    fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        let network = self.order.pop_front()?;
        let waiting = self.networks.get_mut(&network)?;
        let first = waiting.pop_first().map(|(_, sender)| sender);
        match waiting.is_empty() {
            true => drop(self.networks.remove(&network)),
            false => self.order.push_back(network),
        }
        first
    }

    /// Whether it was there.
    fn remove(&mut self, network: IpAddr, ticket: u64) -> bool {
        let Some(waiting) = self.networks.get_mut(&network) else { return false };
        let was_there = waiting.remove(&ticket).is_some();
        if waiting.is_empty() {
            self.networks.remove(&network);
            self.order.retain(|other| *other != network);
        }
        was_there
    }
}

/// The right to do one step; dropping it passes it on.
struct Turn {
    /// `None` when it was passed on.
    pacing: Option<Pacing>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(pacing) = self.pacing.take() {
            pacing.pass_on();
        }
    }
}

/// A place in a queue; dropping it leaves the queue.
struct Ticket<'a> {
    pacing: &'a Pacing,
    step: Step,
    network: IpAddr,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.pacing.lock();
        if state.queues[self.step as usize].remove(self.network, self.number) {
            state.waiting -= 1;
        }
    }
}

impl Pacing {
    /// Within these limits, and with a turn for each processor but those spared, one at least.
    pub fn new(limits: &Limits) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::with_turns(limits, processors.saturating_sub(SPARED_PROCESSORS).max(1))
    }

    fn with_turns(limits: &Limits, turns: usize) -> Self {
        let state = State {
            free: turns,
            queues: Default::default(),
            waiting: 0,
            waiting_limit: 0,
            patience: Duration::ZERO,
            last_ticket: 0,
        };
        let pacing = Self { state: Arc::new(Mutex::new(state)) };
        pacing.set_limits(limits);
        pacing
    }

    /// Puts new limits in force. Who waits already waits as long as it was.
    pub fn set_limits(&self, limits: &Limits) {
        let mut state = self.lock();
        state.waiting_limit = limits.sign_ins_waiting;
        state.patience = Duration::from_millis(limits.sign_in_wait_ms);
    }

    /// How many steps wait for a turn.
    pub fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Does some work, with a turn for each of its steps. It may be refused before it has begun; once it has, it runs to its
    /// end.
    pub async fn pace<F: Future>(&self, step: Step, network: IpAddr, work: F) -> Result<F::Output, Crowded> {
        let mut work = pin!(work);
        let mut turn = self.turn_within_limits(step, network).await?;
        // Who has begun is no newcomer.
        let step = if step == Step::Arriving { Step::UnderWay } else { step };
        loop {
            let polled = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
            drop(turn);
            if let Poll::Ready(output) = polled {
                return Ok(output);
            }
            // The work has asked to be woken, and with it this task.
            let mut was_woken = false;
            poll_fn(
                |_| if std::mem::replace(&mut was_woken, true) { Poll::Ready(()) } else { Poll::Pending },
            )
            .await;
            turn = self.turn(step, network).await;
        }
    }

    /// A turn for work that has not begun.
    async fn turn_within_limits(&self, step: Step, network: IpAddr) -> Result<Turn, Crowded> {
        let patience = {
            let state = self.lock();
            if state.free == 0 && state.waiting >= state.waiting_limit {
                drop(state);
                return Err(turned_away(Crowded::TooMany));
            }
            state.patience
        };
        tokio::time::timeout(patience, self.turn(step, network))
            .await
            .map_err(|_| turned_away(Crowded::TooLong))
    }

    async fn turn(&self, step: Step, network: IpAddr) -> Turn {
        let (ticket, receiver) = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Turn { pacing: Some(self.clone()) };
            }
            let (sender, receiver) = oneshot::channel();
            state.last_ticket += 1;
            let number = state.last_ticket;
            state.queues[step as usize].push(network, number, sender);
            state.waiting += 1;
            (Ticket { pacing: self, step, network, number }, receiver)
        };
        let began = Instant::now();
        let turn = receiver.await;
        drop(ticket);
        metrics::histogram!(names::SIGN_IN_WAIT_SECONDS).record(began.elapsed());
        match turn {
            Ok(turn) => turn,
            // Only a queue that is gone drops its senders, and this one is held by `self`.
            Err(_) => std::future::pending().await,
        }
    }

    /// Gives a turn that was used to whoever is next.
    fn pass_on(&self) {
        loop {
            let mut state = self.lock();
            let Some(next) = state.queues.iter_mut().find_map(Queue::pop) else {
                state.free += 1;
                return;
            };
            state.waiting -= 1;
            drop(state);
            match next.send(Turn { pacing: Some(self.clone()) }) {
                Ok(()) => return,
                // Whoever it was has gone in this moment.
                Err(mut turn) => turn.pacing = None,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn turned_away(crowded: Crowded) -> Crowded {
    let reason = match crowded {
        Crowded::TooMany => "too many",
        Crowded::TooLong => "too long",
    };
    metrics::counter!(names::SIGN_INS_TURNED_AWAY, "reason" => reason).increment(1);
    crowded
}

/// Where a connection stands in line: the queue, and the network that it comes from.
#[derive(Clone)]
pub struct Pacer {
    pub(super) pacing: Pacing,
    pub(super) network: IpAddr,
}

impl Pacer {
    /// Does some work by turns; see [`Pacing::pace`].
    pub async fn pace<F: Future>(&self, step: Step, work: F) -> Result<F::Output, Crowded> {
        self.pacing.pace(step, self.network, work).await
    }
}

/// Does some work by turns, where there is a line to stand in.
pub async fn paced<F: Future>(pacer: Option<&Pacer>, step: Step, work: F) -> Result<F::Output, Crowded> {
    match pacer {
        Some(pacer) => pacer.pace(step, work).await,
        None => Ok(work.await),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use tokio::task::yield_now;

    use super::*;

    fn limits(waiting: usize, wait_ms: u64) -> Limits {
        Limits { sign_ins_waiting: waiting, sign_in_wait_ms: wait_ms, ..Limits::default() }
    }

    fn network(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    /// Waits until so many wait.
    async fn until_waiting(pacing: &Pacing, count: usize) {
        while pacing.waiting() != count {
            yield_now().await;
        }
    }

    type Order = Arc<StdMutex<Vec<&'static str>>>;

    /// A client whose name is written down when it has its turn.
    fn client(pacing: &Pacing, order: &Order, step: Step, network: IpAddr, name: &'static str) {
        let (pacing, order) = (pacing.clone(), Arc::clone(order));
        tokio::spawn(async move {
            let work = async { order.lock().expect("whole").push(name) };
            pacing.pace(step, network, work).await.expect("a turn");
        });
    }

    #[tokio::test]
    async fn who_resumes_goes_first_and_networks_take_turns() {
        let pacing = Pacing::with_turns(&limits(100, 60_000), 1);
        let turn = pacing.turn(Step::Arriving, network(1)).await;
        let order = Order::default();
        let clients = [
            (Step::Arriving, 1, "a crowd, first"),
            (Step::Arriving, 1, "a crowd, second"),
            (Step::Arriving, 1, "a crowd, third"),
            (Step::Arriving, 2, "somebody else"),
            (Step::UnderWay, 1, "under way"),
            (Step::Resuming, 3, "resuming"),
        ];
        for (count, (step, from, name)) in clients.into_iter().enumerate() {
            client(&pacing, &order, step, network(from), name);
            until_waiting(&pacing, count + 1).await;
        }
        drop(turn);
        until_waiting(&pacing, 0).await;
        while order.lock().expect("whole").len() < clients.len() {
            yield_now().await;
        }
        let expected =
            ["resuming", "under way", "a crowd, first", "somebody else", "a crowd, second", "a crowd, third"];
        assert_eq!(*order.lock().expect("whole"), expected);
        assert_eq!(pacing.lock().free, 1);
        assert!(pacing.lock().queues.iter().all(|queue| queue.order.is_empty() && queue.networks.is_empty()));
    }

    #[tokio::test]
    async fn nobody_holds_a_turn_while_he_waits() {
        let pacing = Pacing::with_turns(&limits(100, 60_000), 1);
        let (wake, woken) = oneshot::channel::<()>();
        let slow = pacing.clone();
        let slow = tokio::spawn(async move { slow.pace(Step::Arriving, network(1), woken).await });
        for _ in 0..1000 {
            let quick = pacing.pace(Step::Arriving, network(2), async { 7 }).await;
            assert_eq!(quick, Ok(7));
        }
        wake.send(()).expect("still there");
        assert_eq!(slow.await.expect("no panic"), Ok(Ok(())));
        assert_eq!(pacing.lock().free, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_and_too_long_are_turned_away_and_who_has_begun_never_is() {
        let pacing = Pacing::with_turns(&limits(1, 500), 1);
        let turn = pacing.turn(Step::Arriving, network(1)).await;
        let first = pacing.clone();
        let first = tokio::spawn(async move { first.pace(Step::Arriving, network(1), async {}).await });
        until_waiting(&pacing, 1).await;
        let second = pacing.pace(Step::Resuming, network(2), async {}).await;
        assert_eq!(second, Err(Crowded::TooMany));
        assert_eq!(first.await.expect("no panic"), Err(Crowded::TooLong));
        assert_eq!(pacing.waiting(), 0, "it has left the queue");
        drop(turn);
        // Begun, and then kept waiting for longer than anybody may wait who has not begun.
        let begun = pacing.clone();
        let begun = tokio::spawn(async move {
            let twice = async {
                yield_now().await;
                "done"
            };
            begun.pace(Step::Arriving, network(1), twice).await
        });
        yield_now().await;
        let turn = pacing.turn(Step::Resuming, network(2)).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(turn);
        assert_eq!(begun.await.expect("no panic"), Ok("done"));
        assert_eq!(pacing.lock().free, 1);
    }

    /// Whatever is given up in the middle, no turn is lost.
    #[tokio::test]
    async fn turns_are_not_lost() {
        let pacing = Pacing::with_turns(&limits(1000, 60_000), 2);
        for round in 0..1000 {
            let mut tasks = Vec::new();
            for n in 0..6 {
                let pacing = pacing.clone();
                tasks.push(tokio::spawn(async move {
                    let work = async {
                        for _ in 0..3 {
                            yield_now().await;
                        }
                    };
                    pacing.pace(Step::Arriving, network(n), work).await
                }));
            }
            for _ in 0..round % 11 {
                yield_now().await;
            }
            for task in tasks.iter().step_by(2) {
                task.abort();
            }
            for task in tasks {
                let _ = task.await;
            }
        }
        assert_eq!(pacing.waiting(), 0);
        assert_eq!(pacing.lock().free, 2);
    }
}
