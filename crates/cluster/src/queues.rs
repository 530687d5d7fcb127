//! What waits to be sent, and what waits to be asked for; both count their bytes.

use std::collections::VecDeque;

use waxwing_chat::nodes::{BusEvent, NodeId};

use crate::packet::Packet;

/// What a queued packet or frame counts beside its bytes.
const ENTRY_BYTES: usize = 128;

/// What a frame of so many bytes counts.
pub(crate) fn size(frame_bytes: usize) -> usize {
    frame_bytes + ENTRY_BYTES
}

/// Packets that wait to be sent, in order.
#[derive(Default)]
pub(crate) struct Outbox {
    packets: VecDeque<Packet>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, packet: Packet) {
        self.bytes += size(packet.what.frame_bytes());
        self.packets.push_back(packet);
    }

    /// Takes out what is next, up to so many bytes or one packet.
    pub(crate) fn take(&mut self, bytes: usize, into: &mut Vec<Packet>) {
        let mut taken = 0;
        while taken < bytes
            && let Some(packet) = self.packets.pop_front()
        {
            taken += size(packet.what.frame_bytes());
            into.push(packet);
        }
        self.bytes -= taken;
    }

    /// Drops what is for one node alone.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.packets.retain(|packet| packet.to != Some(node));
        self.bytes = self.packets.iter().map(|packet| size(packet.what.frame_bytes())).sum();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

/// Events that wait to be asked for, in order. Frames count their bytes; the others are few.
#[derive(Default)]
pub(crate) struct Inbox {
    events: VecDeque<BusEvent>,
    bytes: usize,
}

impl Inbox {
    pub(crate) fn push(&mut self, event: BusEvent) {
        if let BusEvent::Frame(_, bytes) = &event {
            self.bytes += size(bytes.len());
        }
        self.events.push_back(event);
    }

    pub(crate) fn next(&mut self) -> Option<BusEvent> {
        let event = self.events.pop_front()?;
        if let BusEvent::Frame(_, bytes) = &event {
            self.bytes -= size(bytes.len());
        }
        Some(event)
    }

    pub(crate) fn last(&self) -> Option<&BusEvent> {
        self.events.back()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
