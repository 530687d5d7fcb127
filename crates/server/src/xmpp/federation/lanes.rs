//! The lanes of an incoming stream: what two people exchange stays in order, and does not wait for what others do.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use tokio::sync::mpsc;
use waxwing_chat::Chat;
use waxwing_xmpp::stanza::{Kind, Stanza};

use crate::lifecycle::Lifecycle;
use crate::xmpp::live::InFlight;
use crate::xmpp::receive;

/// How many lanes one stream has.
const LANES: usize = 8;

/// How many stanzas may wait in a lane; then the stream is not read further.
const LANE_LIMIT: usize = 32;

/// How many messages of a lane may be on their way into the store together.
const IN_FLIGHT_LIMIT: usize = 32;

/// The lanes of one stream. When they are dropped, what is in them is still dealt with.
pub(super) struct Lanes {
    chat: Arc<Chat>,
    config: Arc<crate::xmpp::Config>,
    lifecycle: Lifecycle,
    hasher: RandomState,
    lanes: [Option<mpsc::Sender<Stanza>>; LANES],
}

impl Lanes {
    pub(super) fn new(chat: &Arc<Chat>, config: &Arc<crate::xmpp::Config>, lifecycle: &Lifecycle) -> Self {
        Self {
            chat: Arc::clone(chat),
            config: Arc::clone(config),
            lifecycle: lifecycle.clone(),
            hasher: RandomState::new(),
            lanes: [const { None }; LANES],
        }
    }

    /// Puts a stanza into the lane of its conversation; waits while that is full.
    pub(super) async fn push(&mut self, stanza: Stanza) {
        let bare = |jid: &Option<waxwing_xmpp::jid::Jid>| {
            jid.as_ref().map(|jid| self.hasher.hash_one(jid.bare_str())).unwrap_or_default()
        };
        let hash = bare(&stanza.from) ^ bare(&stanza.to).rotate_left(1);
        let lane = usize::try_from(hash % LANES as u64).unwrap_or_default();
        let sender = self.lanes[lane].get_or_insert_with(|| {
            let (sender, stanzas) = mpsc::channel(LANE_LIMIT);
            self.lifecycle.spawn(run(Arc::clone(&self.chat), Arc::clone(&self.config), stanzas));
            sender
        });
        if sender.send(stanza).await.is_err() {
            tracing::error!("a lane has ended before its stream");
        }
    }
}

/// Deals with the stanzas of a lane in order. Messages may be in flight together; anything else waits until they are safe.
async fn run(chat: Arc<Chat>, config: Arc<crate::xmpp::Config>, mut stanzas: mpsc::Receiver<Stanza>) {
    let mut in_flight = VecDeque::new();
    loop {
        let next = match in_flight.is_empty() {
            true => stanzas.recv().await,
            false => stanzas.try_recv().ok(),
        };
        let Some(stanza) = next else {
            if in_flight.is_empty() {
                return;
            }
            settle(&chat, &mut in_flight, 0).await;
            continue;
        };
        if !matches!(stanza.kind, Kind::Message(_)) {
            settle(&chat, &mut in_flight, 0).await;
        }
        let (answers, pending) = receive::receive_remote(&chat, &config, stanza).await;
        if !answers.is_empty() {
            // An error to a message must not overtake what is in flight before it.
            settle(&chat, &mut in_flight, 0).await;
        }
        answer(&chat, answers);
        in_flight.extend(pending);
        settle(&chat, &mut in_flight, IN_FLIGHT_LIMIT).await;
    }
}

/// Waits until no more messages than that are on their way into the store.
async fn settle(chat: &Arc<Chat>, in_flight: &mut VecDeque<InFlight>, left: usize) {
    while in_flight.len() > left
        && let Some(InFlight { header, receipt, .. }) = in_flight.pop_front()
    {
        if let Err(error) = receipt.await {
            answer(chat, receive::refusal(&header, &error));
        }
    }
}

fn answer(chat: &Chat, answers: Vec<Stanza>) {
    for answer in answers {
        if let Err(error) = chat.to_remote(answer) {
            tracing::debug!(%error, "an answer to another server was dropped");
        }
    }
}
