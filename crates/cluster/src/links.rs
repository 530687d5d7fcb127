//! Makes a bus of something that carries packets: links between nodes, order, losses, and who is gone. No I/O, no clock.
//!
//! # Links
//!
//! A node's id is drawn anew whenever its process starts. Whoever holds the key could still play back what a node that is gone once
//! sealed, so a node believes in another only when that has named a number that the node has just drawn. Of two nodes the one
//! with the lower id greets:
//!
//! ```text
//!   lower                                      higher
//!     |  <------------- Announce (all, each beat) |
//!     |  Greet { nonce } -----------------------> |   it is asked to prove that it lives
//!     |  <------- Accept { echo = nonce, link }   |   it does, and asks for the same
//!  Joined                                         |
//!     |  Beat { link } -------------------------> |
//!     |                                         Joined
//!     |  <------------------- Beat { link } ----> |   each beat, both ways
//! ```
//!
//! A node that has no link with one that announces itself greets it, or announces itself to it alone if its own id is the higher,
//! which has it greeted. Either can have given the other up: then a Greet names another link than the one it comes upon, the two
//! begin anew, and both tell `Gone` and `Joined`. A Greet that names the link that is there changes nothing.
//!
//! # Order
//!
//! A node numbers all that it sends in one row, and each frame names the number before it *for the same receiver*. A broadcast, which
//! is one packet for all, names the broadcast before it, and by name those receivers that were sent something since. So frames
//! that go by two subjects form one sequence at each receiver: it puts back in order what comes out of order, drops what
//! comes again, and knows what it lacks. A Beat tells the last number, so that what was lost last is noticed too.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Duration, Instant};
use waxwing_chat::nodes::{BusError, BusEvent, FRAME_BYTES_LIMIT, NodeId};

use crate::counters::Counters;
use crate::packet::{NODES_LIMIT, Packet, What};
use crate::peer::{Accepting, Arrival, Link, Neighbour, Peer, REORDER_WAIT};
use crate::queues::{Inbox, Outbox, size};
use crate::settings::Settings;

/// Nodes that may be heard of without a link.
const STRANGERS_LIMIT: usize = 64;
/// How many times as long a node may seem silent while what has come is not all read: a flood must not make the living seem gone,
/// nor keep the dead.
const BEHIND_PATIENCE: u32 = 4;
/// A node is greeted, or asked to greet, no more often than this.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Numbers for greetings, drawn so that nobody guesses them.
pub(crate) type Draw = Box<dyn FnMut() -> u64 + Send>;

/// One node's links with all others.
pub(crate) struct Links {
    me: NodeId,
    settings: Settings,
    counters: Arc<Counters>,
    draw: Draw,
    peers: BTreeMap<NodeId, Peer>,
    others: Arc<[NodeId]>,
    /// The number of the last frame sent to anybody.
    number: u64,
    /// What a broadcast names as the one before it to those whom it does not name.
    last_broadcast: u64,
    outbox: Outbox,
    inbox: Inbox,
    cut: bool,
    closed: bool,
    /// Since when more has come than the carrier has put in.
    behind_since: Option<Instant>,
    next_beat: Instant,
    /// When `tick` is called next, unless something else happens first.
    expected: Instant,
}

impl Links {
    pub(crate) fn new(
        me: NodeId,
        settings: Settings,
        counters: Arc<Counters>,
        draw: Draw,
        now: Instant,
    ) -> Links {
        Links {
            me,
            settings,
            counters,
            draw,
            peers: BTreeMap::new(),
            others: Arc::new([]),
            number: 0,
            last_broadcast: 0,
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            cut: false,
            closed: false,
            behind_since: None,
            next_beat: now,
            expected: now,
        }
    }

    pub(crate) fn others(&self) -> Arc<[NodeId]> {
        self.others.clone()
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn neighbours(&self, now: Instant) -> Vec<Neighbour> {
        let linked = self.peers.iter().filter_map(|(node, peer)| Some((*node, peer.link.as_ref()?)));
        let neighbour = |(node, link): (NodeId, &Link)| Neighbour {
            node,
            linked_for: now.saturating_duration_since(link.since),
            heard_ago: now.saturating_duration_since(link.heard),
        };
        linked.map(neighbour).collect()
    }

    // What leaves.

    pub(crate) fn send(&mut self, to: NodeId, bytes: Bytes) -> Result<(), BusError> {
        self.admit(&bytes)?;
        let link = self.peers.get_mut(&to).and_then(|peer| peer.link.as_mut()).ok_or(BusError::Gone)?;
        self.number += 1;
        let previous = std::mem::replace(&mut link.out_last, self.number);
        self.count_sent(&bytes);
        self.push(Some(to), What::Frame { number: self.number, previous, bytes });
        Ok(())
    }

    pub(crate) fn broadcast(&mut self, bytes: Bytes) -> Result<(), BusError> {
        self.admit(&bytes)?;
        if self.others.is_empty() {
            return Ok(());
        }
        self.number += 1;
        let previous = std::mem::replace(&mut self.last_broadcast, self.number);
        let mut exceptions = Vec::new();
        for (node, peer) in &mut self.peers {
            if let Some(link) = &mut peer.link {
                let last = std::mem::replace(&mut link.out_last, self.number);
                if last != previous {
                    exceptions.push((*node, last));
                }
            }
        }
        self.count_sent(&bytes);
        self.push(None, What::Broadcast { number: self.number, previous, exceptions, bytes });
        Ok(())
    }

    fn admit(&self, bytes: &Bytes) -> Result<(), BusError> {
        if bytes.len() > FRAME_BYTES_LIMIT {
            return Err(BusError::TooLarge);
        }
        if self.closed {
            return Err(BusError::Gone);
        }
        if self.outbox.bytes() + size(bytes.len()) > self.settings.queue_bytes {
            self.counters.full.add(1);
            return Err(BusError::Full);
        }
        Ok(())
    }

    fn count_sent(&self, bytes: &Bytes) {
        self.counters.frames_sent.add(1);
        self.counters.bytes_sent.add(bytes.len() as u64);
    }

    fn push(&mut self, to: Option<NodeId>, what: What) {
        self.outbox.push(Packet { from: self.me, to, what });
    }

    /// Queues what is no frame. All of it is said again some time, and must not fill the queue whoever provokes it.
    fn say(&mut self, to: Option<NodeId>, what: What) {
        if self.outbox.bytes() < self.settings.queue_bytes / 2 {
            self.push(to, what);
        }
    }

    /// Takes out what is to be sent, up to so many bytes or one packet.
    pub(crate) fn take_outgoing(&mut self, bytes: usize, into: &mut Vec<Packet>) {
        self.outbox.take(bytes, into);
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !self.outbox.is_empty()
    }

    // What is handed out.

    pub(crate) fn next(&mut self) -> Option<BusEvent> {
        self.inbox.next()
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.inbox.is_empty()
    }

    fn hand_out(&mut self, from: NodeId, bytes: Bytes) {
        let full = self.inbox.bytes() + size(bytes.len()) > self.settings.inbox_bytes;
        let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut()) else { return };
        if full {
            link.overflowed = true;
            self.counters.overflowed.add(1);
            return;
        }
        if std::mem::take(&mut link.overflowed) {
            self.miss(from);
        }
        self.counters.frames_received.add(1);
        self.counters.bytes_received.add(bytes.len() as u64);
        self.inbox.push(BusEvent::Frame(from, bytes));
    }

    fn miss(&mut self, from: NodeId) {
        self.counters.missed.add(1);
        if self.inbox.last() != Some(&BusEvent::Missed(from)) {
            self.inbox.push(BusEvent::Missed(from));
        }
    }

    // What comes.

    pub(crate) fn receive(&mut self, packet: Packet, now: Instant) {
        let Packet { from, to, what } = packet;
        if self.closed || from == self.me || to.is_some_and(|to| to != self.me) {
            return;
        }
        match what {
            What::Announce => self.heard_of(from, to.is_some(), now),
            What::Greet { nonce, link } => self.greeted(from, nonce, link, now),
            What::Accept { echo, link, start } => self.accepted(from, echo, link, start, now),
            What::Beat { link, start, last, count } => self.beat(from, [link, start, last, count], now),
            What::Frame { number, previous, bytes } => self.frame(from, number, previous, bytes, now),
            What::Broadcast { number, previous, exceptions, bytes } => {
                let own = exceptions.iter().find(|(node, _)| *node == self.me);
                self.frame(from, number, own.map_or(previous, |(_, previous)| *previous), bytes, now);
            }
            What::Bye { link, last } => {
                let current = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut());
                match current.filter(|current| current.id == link) {
                    Some(current) => {
                        current.bye = Some(last);
                        current.in_known = current.in_known.max(last);
                        self.settle(from, now);
                    }
                    None => self.counters.strays.add(1),
                }
            }
        }
    }

    /// The carrier has put in what it has read, and says whether more lies there. What is lacking may be among that, and what
    /// somebody says who seems silent: neither is judged before all of it was looked at.
    pub(crate) fn read(&mut self, more: bool, now: Instant) {
        if more {
            self.behind_since.get_or_insert(now);
        } else if let Some(since) = self.behind_since.take() {
            let behind = now.saturating_duration_since(since);
            for link in self.peers.values_mut().filter_map(|peer| peer.link.as_mut()) {
                link.gap_since = link.gap_since.map(|_| now);
                link.heard = (link.heard + behind).min(now);
            }
        }
    }

    /// The entry of a node that may not be linked; none where too many such are there.
    fn stranger(&mut self, node: NodeId, now: Instant) -> Option<&mut Peer> {
        if !self.peers.contains_key(&node) {
            let strangers = self.peers.values().filter(|peer| peer.link.is_none()).count();
            if strangers >= STRANGERS_LIMIT || self.peers.len() >= NODES_LIMIT {
                self.counters.strays.add(1);
                return None;
            }
        }
        let peer = self.peers.entry(node).or_default();
        peer.heard_of = Some(now);
        Some(peer)
    }

    fn heard_of(&mut self, from: NodeId, alone: bool, now: Instant) {
        let current = self.peers.get(&from).and_then(|peer| peer.link.as_ref()).map(|link| link.id);
        if current.is_some() && !alone {
            return;
        }
        let (greets, fresh) = (self.me < from, (self.draw)());
        if !greets && current.is_some() {
            return;
        }
        let Some(peer) = self.stranger(from, now) else { return };
        if peer.asked.is_some_and(|at| now < at + ASK_EVERY) {
            return;
        }
        peer.asked = Some(now);
        if !greets {
            return self.say(Some(from), What::Announce);
        }
        if peer.greeting.is_none() && peer.link.is_none() {
            peer.parked.clear();
        }
        let nonce = *peer.greeting.get_or_insert(fresh);
        self.say(Some(from), What::Greet { nonce, link: current.unwrap_or(0) });
    }

    fn greeted(&mut self, from: NodeId, nonce: u64, theirs: u64, now: Instant) {
        let current = self.peers.get(&from).and_then(|peer| peer.link.as_ref()).map(|link| link.id);
        if current.is_some_and(|current| current == theirs) {
            return;
        }
        let (link, start) = ((self.draw)(), self.number);
        let Some(peer) = self.stranger(from, now) else { return };
        if peer.accepting.as_ref().is_none_or(|accepting| accepting.echo != nonce) {
            peer.accepting = Some(Accepting { echo: nonce, link, start });
            if peer.link.is_none() {
                peer.parked.clear();
            }
        }
        if let Some(Accepting { link, start, .. }) = peer.accepting {
            self.say(Some(from), What::Accept { echo: nonce, link, start });
        }
    }

    fn accepted(&mut self, from: NodeId, echo: u64, link: u64, start: u64, now: Instant) {
        let greeting = self.peers.get(&from).and_then(|peer| peer.greeting);
        if greeting.is_none_or(|nonce| nonce != echo) {
            self.counters.repeated.add(1);
            return;
        }
        let own = self.number;
        self.link(from, link, own, own, start, now);
        self.beat_to(from);
    }

    /// A link is there from now on: our numbers on it are behind `out_start`, and were `out_last` the last time; those of
    /// the other are behind `in_start`.
    fn link(&mut self, with: NodeId, id: u64, out_start: u64, out_last: u64, in_start: u64, now: Instant) {
        let peer = self.peers.entry(with).or_default();
        // What has come on a link before does not come again, whatever the other believes.
        let before = peer.link.as_ref().map(|link| link.in_last);
        let in_start = in_start.max(before.unwrap_or(0));
        if before.is_some() {
            self.inbox.push(BusEvent::Gone(with));
        }
        (peer.greeting, peer.accepting) = (None, None);
        peer.link = Some(Link {
            id,
            since: now,
            out_start,
            out_last,
            out_beats: 0,
            in_last: in_start,
            in_known: in_start,
            in_beats: 0,
            heard: now,
            gap_since: None,
            deserted_since: None,
            bye: None,
            overflowed: false,
        });
        self.inbox.push(BusEvent::Joined(with));
        self.list_others();
        self.settle(with, now);
    }

    fn beat(&mut self, from: NodeId, [id, start, last, count]: [u64; 4], now: Instant) {
        let accepting = self.peers.get(&from).and_then(|peer| peer.accepting.as_ref());
        if let Some(accepting) = accepting.filter(|accepting| accepting.link == id) {
            // Broadcasts have counted for it since, and what it was sent alone on a link that it had given up.
            let before =
                self.peers.get(&from).and_then(|peer| peer.link.as_ref()).map_or(0, |link| link.out_last);
            let out_start = accepting.start;
            let out_last = out_start.max(self.last_broadcast).max(before);
            self.link(from, id, out_start, out_last, start, now);
            self.beat_to(from);
        }
        let current = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut());
        let Some(link) = current.filter(|link| link.id == id) else {
            self.counters.strays.add(1);
            return self.heard_of(from, true, now);
        };
        if count <= link.in_beats {
            self.counters.repeated.add(1);
            return;
        }
        link.in_beats = count;
        link.in_known = link.in_known.max(last);
        link.heard = now;
        link.deserted_since = None;
        self.settle(from, now);
    }

    fn frame(&mut self, from: NodeId, number: u64, previous: u64, bytes: Bytes, now: Instant) {
        let Some(peer) = self.peers.get_mut(&from) else {
            return self.counters.strays.add(1);
        };
        let Some(link) = &mut peer.link else {
            // Frames behind what makes the link may overtake it by the other subject.
            let greeted = peer.accepting.is_some() || peer.greeting.is_some();
            if greeted && !peer.parked.is_full_for_strangers() && previous < number {
                peer.parked.put(number, previous, bytes);
            } else {
                self.counters.strays.add(1);
            }
            return;
        };
        match link.arrive(&mut peer.parked, number, previous, bytes, now) {
            Arrival::Next(bytes) => {
                let waiting = link.gap_since.is_some() || link.bye.is_some();
                self.hand_out(from, bytes);
                if waiting {
                    self.settle(from, now);
                }
            }
            Arrival::Early => {
                if peer.parked.is_full() {
                    self.give_up(from, now);
                }
                self.settle(from, now);
            }
            Arrival::Repeated => self.counters.repeated.add(1),
        }
    }

    /// Hands out what waits and lacks nothing any more, and lets go who has said that he goes.
    fn settle(&mut self, from: NodeId, now: Instant) {
        loop {
            let Some(peer) = self.peers.get_mut(&from) else { return };
            let Some(link) = &mut peer.link else { return };
            if let Some(bytes) = link.settle(&mut peer.parked, now) {
                self.hand_out(from, bytes);
                continue;
            }
            if link.bye.is_some_and(|last| link.in_last >= last) {
                self.gone(from);
            }
            return;
        }
    }

    fn give_up(&mut self, from: NodeId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&from)
            && let Some(link) = &mut peer.link
        {
            link.give_up(&peer.parked);
            link.overflowed = false;
            self.miss(from);
            self.settle(from, now);
        }
    }

    fn gone(&mut self, node: NodeId) {
        if self.peers.remove(&node).is_some_and(|peer| peer.link.is_some()) {
            self.inbox.push(BusEvent::Gone(node));
            self.outbox.forget(node);
            self.list_others();
            // It may be there and believe in the link still. Broadcasts name it no more, so it must find a gap before the next.
            self.last_broadcast = self.number;
        }
    }

    fn list_others(&mut self) {
        let linked = self.peers.iter().filter(|(_, peer)| peer.link.is_some());
        self.others = linked.map(|(node, _)| *node).collect();
    }

    // What time brings.

    fn beat_to(&mut self, node: NodeId) {
        let Some(link) = self.peers.get_mut(&node).and_then(|peer| peer.link.as_mut()) else { return };
        link.out_beats += 1;
        let beat =
            What::Beat { link: link.id, start: link.out_start, last: link.out_last, count: link.out_beats };
        self.say(Some(node), beat);
    }

    /// Does what is due. Call it at `deadline`, and whenever else.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        // A process that was stopped itself has heard nobody meanwhile, and what they said is still to be read.
        let late = now.saturating_duration_since(self.expected);
        if late >= self.settings.beat {
            for link in self.peers.values_mut().filter_map(|peer| peer.link.as_mut()) {
                link.heard += late;
                link.deserted_since = None;
                link.gap_since = link.gap_since.map(|since| since + late);
            }
        }
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in &nodes {
            self.look_at(*node, now);
        }
        if now >= self.next_beat {
            self.next_beat = now + self.settings.beat;
            if !self.cut {
                self.say(None, What::Announce);
                for node in nodes {
                    self.beat_to(node);
                }
            }
        }
        self.expected = self.deadline();
    }

    fn look_at(&mut self, node: NodeId, now: Instant) {
        let room = self.inbox.bytes() < self.settings.inbox_bytes / 2;
        let (timeout, beat) = (self.settings.node_timeout, self.settings.beat);
        let behind = self.behind_since.is_some();
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let Some(link) = &mut peer.link else {
            if peer.heard_of.is_none_or(|at| now >= at + timeout) {
                self.peers.remove(&node);
            }
            return;
        };
        let told = room && std::mem::take(&mut link.overflowed);
        let lost = !behind && link.gap_since.is_some_and(|since| now >= since + REORDER_WAIT);
        let silent = now >= link.heard + if behind { timeout * BEHIND_PATIENCE } else { timeout };
        let deserted = !behind && link.deserted_until(beat).is_some_and(|until| now >= until);
        if told {
            self.miss(node);
        }
        if lost {
            self.give_up(node, now);
        }
        if (silent || deserted) && !self.cut {
            self.gone(node);
        }
    }

    /// When `tick` has something to do.
    pub(crate) fn deadline(&self) -> Instant {
        if self.behind_since.is_some() {
            return self.next_beat;
        }
        let linked = self.peers.values().filter_map(|peer| peer.link.as_ref());
        let own = |link: &Link| {
            let gap = link.gap_since.map(|since| since + REORDER_WAIT);
            [gap, link.deserted_until(self.settings.beat)]
        };
        linked.flat_map(own).flatten().fold(self.next_beat, Instant::min)
    }

    /// A packet for this node met nobody.
    pub(crate) fn deserted(&mut self, node: NodeId, now: Instant) {
        if !self.cut
            && let Some(link) = self.peers.get_mut(&node).and_then(|peer| peer.link.as_mut())
        {
            link.deserted_since.get_or_insert(now);
        }
    }

    pub(crate) fn cut(&mut self) {
        if !std::mem::replace(&mut self.cut, true) {
            self.inbox.push(BusEvent::Cut);
            for link in self.peers.values_mut().filter_map(|peer| peer.link.as_mut()) {
                link.deserted_since = None;
            }
        }
    }

    pub(crate) fn healed(&mut self, now: Instant) {
        if std::mem::replace(&mut self.cut, false) {
            self.inbox.push(BusEvent::Healed);
            for link in self.peers.values_mut().filter_map(|peer| peer.link.as_mut()) {
                link.heard = now;
                link.deserted_since = None;
            }
            self.next_beat = now;
        }
    }

    /// Says that this node goes, and takes nothing more.
    pub(crate) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let linked = self.peers.iter().filter_map(|(node, peer)| Some((*node, peer.link.as_ref()?)));
        let byes: Vec<_> =
            linked.map(|(node, link)| (node, What::Bye { link: link.id, last: link.out_last })).collect();
        for (node, bye) in byes {
            self.push(Some(node), bye);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u64, now: Instant) -> Links {
        let mut drawn = id * 1000;
        let draw = Box::new(move || {
            drawn += 1;
            drawn
        });
        Links::new(NodeId(id), Settings::default(), Arc::default(), draw, now)
    }

    fn outgoing(links: &mut Links) -> Vec<Packet> {
        let mut packets = Vec::new();
        links.take_outgoing(usize::MAX, &mut packets);
        packets
    }

    fn linked(now: Instant) -> [Links; 2] {
        let [mut one, mut other] = [node(1, now), node(2, now)];
        one.tick(now);
        other.tick(now);
        loop {
            let (to_other, to_one) = (outgoing(&mut one), outgoing(&mut other));
            if to_other.is_empty() && to_one.is_empty() {
                break;
            }
            to_other.into_iter().for_each(|packet| other.receive(packet, now));
            to_one.into_iter().for_each(|packet| one.receive(packet, now));
        }
        assert_eq!(one.next(), Some(BusEvent::Joined(NodeId(2))));
        assert_eq!(other.next(), Some(BusEvent::Joined(NodeId(1))));
        [one, other]
    }

    #[test]
    fn nothing_counts_as_lost_while_more_is_to_be_read() {
        let mut now = Instant::now();
        let [mut from, mut to] = linked(now);
        from.broadcast("all".into()).unwrap();
        from.send(NodeId(2), "one".into()).unwrap();
        let [all, one] = outgoing(&mut from).try_into().unwrap();
        to.receive(one, now);
        to.read(true, now);
        for _ in 0..8 {
            now += REORDER_WAIT / 2;
            to.tick(now);
            assert_eq!(to.next(), None);
        }
        to.receive(all, now);
        to.read(false, now);
        assert_eq!(to.next(), Some(BusEvent::Frame(NodeId(1), "all".into())));
        assert_eq!(to.next(), Some(BusEvent::Frame(NodeId(1), "one".into())));

        from.broadcast("lost".into()).unwrap();
        from.send(NodeId(2), "after it".into()).unwrap();
        let [_, after] = outgoing(&mut from).try_into().unwrap();
        to.receive(after, now);
        to.read(true, now);
        now += REORDER_WAIT * 2;
        to.read(false, now);
        to.tick(now);
        assert_eq!(to.next(), None);
        now += REORDER_WAIT;
        to.tick(now);
        assert_eq!(to.next(), Some(BusEvent::Missed(NodeId(1))));
        assert_eq!(to.next(), Some(BusEvent::Frame(NodeId(1), "after it".into())));
    }

    #[test]
    fn nobody_counts_as_gone_while_more_is_to_be_read() {
        let mut now = Instant::now();
        let [_, mut to] = linked(now);
        let Settings { beat, node_timeout, .. } = Settings::default();
        let mut pass = |to: &mut Links, time: Duration| {
            let end = now + time;
            while now < end {
                now += beat / 2;
                to.tick(now);
            }
            now
        };
        let begun = pass(&mut to, beat);
        to.read(true, begun);
        let caught_up = pass(&mut to, node_timeout * 2);
        to.read(false, caught_up);
        pass(&mut to, node_timeout - beat * 2);
        assert_eq!(to.next(), None);
        pass(&mut to, beat * 2);
        assert_eq!(to.next(), Some(BusEvent::Gone(NodeId(1))));

        let mut now = Instant::now();
        let [_, mut to] = linked(now);
        to.read(true, now);
        while to.next().is_none() {
            now += beat / 2;
            to.tick(now);
        }
        assert!(!to.has_events() && to.others().is_empty(), "a flood does not keep the dead");
    }
}
