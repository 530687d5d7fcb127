//! What a node keeps of another: how far they have greeted each other, and the order of what comes from it.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::time::{Duration, Instant};
use waxwing_chat::nodes::NodeId;

/// How long a frame waits for those before it, which come by another subject, before they count as lost.
pub(crate) const REORDER_WAIT: Duration = Duration::from_millis(200);
/// Frames of one node that wait for others.
pub(crate) const PARKED_LIMIT: usize = 4096;
/// Bytes of these.
const PARKED_BYTES_LIMIT: usize = 8 << 20;

/// Another node, as a bus sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Which.
    pub node: NodeId,
    /// Since when there is a link with it.
    pub linked_for: Duration,
    /// How long ago it was heard.
    pub heard_ago: Duration,
}

/// What a node keeps of another.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// The number in our Greet that it has not answered yet.
    pub(crate) greeting: Option<u64>,
    /// When it was greeted, or asked to greet, the last time.
    pub(crate) asked: Option<Instant>,
    /// Our answer to its Greet, until it proves that it got it.
    pub(crate) accepting: Option<Accepting>,
    /// The link, once both have proved that they are alive.
    pub(crate) link: Option<Link>,
    /// What has come before those that it follows.
    pub(crate) parked: Parked,
    /// When it was last heard of without a link.
    pub(crate) heard_of: Option<Instant>,
}

/// An answer to a Greet.
#[derive(Debug)]
pub(crate) struct Accepting {
    pub(crate) echo: u64,
    pub(crate) link: u64,
    /// Our number when we answered.
    pub(crate) start: u64,
}

/// A link: each knows that the other is alive, and where its numbers began.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: u64,
    /// Since when.
    pub(crate) since: Instant,
    /// What it is sent is numbered behind this.
    pub(crate) out_start: u64,
    /// The last number that it was sent.
    pub(crate) out_last: u64,
    pub(crate) out_beats: u64,
    /// The last number that came, or was given up.
    pub(crate) in_last: u64,
    /// The last number that it says it has sent.
    pub(crate) in_known: u64,
    pub(crate) in_beats: u64,
    /// When it was last heard.
    pub(crate) heard: Instant,
    /// Since when something is known to be lacking.
    pub(crate) gap_since: Option<Instant>,
    /// Since when nobody listens in its place.
    pub(crate) deserted_since: Option<Instant>,
    /// It goes, once this number has come.
    pub(crate) bye: Option<u64>,
    /// Frames were given up because nobody asked for what had come, and that is not told yet.
    pub(crate) overflowed: bool,
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is the next.
    Next(Bytes),
    /// It waits for those before it.
    Early,
    /// It has come before, or its turn is over.
    Repeated,
}

impl Link {
    /// Takes a frame in, if nothing before it is lacking.
    pub(crate) fn arrive(
        &mut self,
        parked: &mut Parked,
        number: u64,
        previous: u64,
        bytes: Bytes,
        now: Instant,
    ) -> Arrival {
        if number <= self.in_last || previous >= number || parked.frames.contains_key(&number) {
            return Arrival::Repeated;
        }
        self.heard = now;
        self.deserted_since = None;
        if previous <= self.in_last {
            self.in_last = number;
            return Arrival::Next(bytes);
        }
        parked.put(number, previous, bytes);
        Arrival::Early
    }

    /// The next of those that wait, if nothing before it is lacking. Once there is none, notes whether something is.
    pub(crate) fn settle(&mut self, parked: &mut Parked, now: Instant) -> Option<Bytes> {
        while let Some((&number, &(previous, _))) = parked.frames.first_key_value() {
            if number > self.in_last && previous > self.in_last {
                break;
            }
            let bytes = parked.take_first();
            if number > self.in_last {
                self.in_last = number;
                // Whatever is lacking now is something else.
                self.gap_since = None;
                return bytes;
            }
        }
        let lacking = !parked.frames.is_empty() || self.in_known > self.in_last;
        self.gap_since = if lacking { Some(self.gap_since.unwrap_or(now)) } else { None };
        None
    }

    /// When a node in whose place nobody listens counts as gone: after a beat, and not as long as it was heard a beat and a
    /// half ago. For the answer that nobody listens bears no seal, and one who only connects anew is not gone.
    pub(crate) fn deserted_until(&self, beat: Duration) -> Option<Instant> {
        Some((self.deserted_since? + beat).max(self.heard + beat * 3 / 2))
    }

    /// Gives up what is lacking before the first of those that wait.
    pub(crate) fn give_up(&mut self, parked: &Parked) {
        self.in_last = match parked.frames.first_key_value() {
            Some((_, (previous, _))) => self.in_last.max(*previous),
            None => self.in_last.max(self.in_known),
        };
        self.gap_since = None;
    }
}

/// Frames that have come before those that they follow, by number, each with the number before it.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    frames: BTreeMap<u64, (u64, Bytes)>,
    bytes: usize,
}

impl Parked {
    pub(crate) fn put(&mut self, number: u64, previous: u64, bytes: Bytes) {
        self.bytes += bytes.len();
        if let Some((_, replaced)) = self.frames.insert(number, (previous, bytes)) {
            self.bytes -= replaced.len();
        }
    }

    fn take_first(&mut self) -> Option<Bytes> {
        let (_, (_, bytes)) = self.frames.pop_first()?;
        self.bytes -= bytes.len();
        Some(bytes)
    }

    /// Whether no more may wait.
    pub(crate) fn is_full(&self) -> bool {
        self.frames.len() >= PARKED_LIMIT || self.bytes >= PARKED_BYTES_LIMIT
    }

    /// Whether no more may wait of a node with which there is no link yet.
    pub(crate) fn is_full_for_strangers(&self) -> bool {
        self.frames.len() >= PARKED_LIMIT / 16 || self.bytes >= PARKED_BYTES_LIMIT / 16
    }

    pub(crate) fn clear(&mut self) {
        *self = Parked::default();
    }
}
