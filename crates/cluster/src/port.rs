//! What callers and the carrier of a bus share: the links behind a lock, and who is woken when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use waxwing_chat::nodes::{BusError, BusEvent, NodeId};

use crate::counters::Counters;
use crate::links::{Draw, Links};
use crate::packet::Packet;
use crate::peer::Neighbour;
use crate::settings::Settings;

/// One node's side of a bus. Its carrier takes out what is to be sent, and puts in what comes.
pub(crate) struct Port {
    links: Mutex<Links>,
    /// Wakes the carrier: something is to be sent, or the bus closes.
    pub(crate) outgoing: Notify,
    /// Wakes who asks for the next event.
    incoming: Notify,
    pub(crate) counters: Arc<Counters>,
    me: NodeId,
}

impl Port {
    pub(crate) fn new(me: NodeId, settings: Settings, draw: Draw) -> Port {
        let counters = Arc::<Counters>::default();
        let links = Links::new(me, settings, counters.clone(), draw, Instant::now());
        Port { links: Mutex::new(links), outgoing: Notify::new(), incoming: Notify::new(), counters, me }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the links, and wakes whom it concerns.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Links) -> T) -> T {
        let mut links = self.links();
        let done = work(&mut links);
        let (outgoing, incoming) = (links.has_outgoing(), links.has_events() || links.is_closed());
        drop(links);
        if outgoing {
            self.outgoing.notify_one();
        }
        if incoming {
            self.incoming.notify_one();
        }
        done
    }

    /// Takes out what is to be sent: up to so many bytes, or one packet.
    pub(crate) fn take_outgoing(&self, bytes: usize, into: &mut Vec<Packet>) {
        self.links().take_outgoing(bytes, into);
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.links().deadline()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.links().is_closed()
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.links().is_cut()
    }

    pub(crate) fn neighbours(&self) -> Vec<Neighbour> {
        self.links().neighbours(Instant::now())
    }

    pub(crate) fn node(&self) -> NodeId {
        self.me
    }

    pub(crate) fn others(&self) -> Arc<[NodeId]> {
        self.links().others()
    }

    pub(crate) fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BusError> {
        let sent = self.links().send(to, frame);
        self.outgoing.notify_one();
        sent
    }

    pub(crate) fn broadcast(&self, frame: Bytes) -> Result<(), BusError> {
        let sent = self.links().broadcast(frame);
        self.outgoing.notify_one();
        sent
    }

    pub(crate) async fn next(&self) -> Option<BusEvent> {
        loop {
            {
                let mut links = self.links();
                if let Some(event) = links.next() {
                    return Some(event);
                }
                if links.is_closed() {
                    return None;
                }
            }
            self.incoming.notified().await;
        }
    }
}
