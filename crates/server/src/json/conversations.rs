//! Conversations and their messages in the words of this face, with what their reader keeps about them.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use waxwing_chat::Result;
use waxwing_chat::conversations::folding::MessageView;
use waxwing_chat::conversations::listing::{ConversationView, Party};
use waxwing_chat::conversations::threads::ThreadView;
use waxwing_chat::state::{StateItem, StateKind};
use waxwing_xmpp::jid::Jid;

use super::codec;
use super::message::{self, Names};
use super::method::Call;
use super::rooms;
use super::types::{self, Address, Conversation, ConversationKind, Message, Pinned};

/// The key under which something is kept about a message.
pub(crate) fn key(conversation: &Jid, id: &str) -> String {
    format!("{conversation} {id}")
}

/// The conversation and the message that a key names.
pub(crate) fn named(key: &str) -> Option<(Jid, &str)> {
    let (conversation, id) = key.split_once(' ')?;
    Some((Jid::new(conversation).ok()?, id))
}

/// That a message is pinned, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pin {
    /// The bare address of whoever did it.
    pub(crate) by: String,
    /// When.
    pub(crate) at_ms: u64,
}

/// A message as it is told to everybody: without what its reader alone keeps about it.
pub(crate) async fn message(call: &Call, view: &MessageView, names: &mut Names) -> Result<Message> {
    let mut shown = message::shown(call.chat(), view, names).await?;
    let key = key(&view.conversation, &shown.id);
    let pin = call.chat().pinned(call.session(), &view.conversation, &key).await?;
    shown.pinned = pin.and_then(|pin| read_pin(call, view, &pin));
    Ok(shown)
}

/// Who may not know who is who in a room sees that the room has it pinned, unless he has done so himself.
fn read_pin(call: &Call, view: &MessageView, content: &str) -> Option<Pinned> {
    let Pin { by, at_ms } = serde_json::from_str(content).ok()?;
    let known = view.knows_people || by == call.session().bare.as_str();
    Some(Pinned { by: if known { by } else { view.conversation.to_string() }, at_ms })
}

/// Messages as one reader has them.
pub(crate) async fn messages(call: &Call, views: &[MessageView]) -> Result<Vec<Message>> {
    let mut names = Names::default();
    let saved = keys(call.chat().all_in_step(&call.owner(), StateKind::Saved).await?);
    let mut pins: HashMap<Jid, HashMap<String, String>> = HashMap::new();
    let mut shown = Vec::with_capacity(views.len());
    for view in views {
        if !pins.contains_key(&view.conversation) {
            let kept = call.chat().pins(call.session(), &view.conversation).await?;
            let kept = kept.into_iter().filter_map(|item| Some((item.key, item.content?))).collect();
            pins.insert(view.conversation.clone(), kept);
        }
        let mut message = message::shown(call.chat(), view, &mut names).await?;
        let key = key(&view.conversation, &message.id);
        message.saved = saved.contains(&key);
        message.pinned = pins
            .get(&view.conversation)
            .and_then(|pins| pins.get(&key))
            .and_then(|pin| read_pin(call, view, pin));
        shown.push(message);
    }
    Ok(shown)
}

/// One message as its reader has it.
pub(crate) async fn one(call: &Call, view: &MessageView) -> Result<Message> {
    let mut shown = message(call, view, &mut Names::default()).await?;
    let key = key(&view.conversation, &shown.id);
    shown.saved = call.chat().kept_in_step(&call.owner(), StateKind::Saved, &key).await?.is_some();
    Ok(shown)
}

fn keys(items: Vec<StateItem>) -> HashSet<String> {
    items.into_iter().map(|item| item.key).collect()
}

/// Conversations as their owner has them, the first ones as far as `conversation_bytes` of the configuration reach, and the
/// addresses of the others.
pub(crate) async fn shown(
    call: &Call,
    views: Vec<ConversationView>,
) -> Result<(Vec<Conversation>, Vec<Address>)> {
    let mut names = Names::default();
    let (mut shown, mut missing) = (Vec::with_capacity(views.len()), Vec::new());
    let mut room = call.config.conversation_bytes;
    for view in views {
        // Whatever comes behind the first that was left out is left out too, so that nothing newer is missing than what is there.
        if !missing.is_empty() {
            missing.push(view.address.to_string());
            continue;
        }
        let conversation = conversation(call, view, &mut names).await?;
        let bytes = codec::written(&conversation).len();
        if bytes > room && !shown.is_empty() {
            missing.push(conversation.address);
            continue;
        }
        room = room.saturating_sub(bytes);
        shown.push(conversation);
    }
    Ok((shown, missing))
}

/// A conversation as its owner has it.
pub(crate) async fn conversation(
    call: &Call,
    view: ConversationView,
    names: &mut Names,
) -> Result<Conversation> {
    let name = match (view.name, view.party) {
        (Some(name), _) => name,
        (None, Party::Room) => view.address.local().unwrap_or_default().to_owned(),
        (None, _) => names.of(call.chat(), &view.address).await?,
    };
    let last = match &view.last {
        Some(last) => Some(message::shown(call.chat(), last, names).await?),
        None => None,
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(Conversation {
        address: view.address.to_string(),
        kind: match view.party {
            Party::Person => ConversationKind::Direct,
            Party::Room => ConversationKind::Room,
            Party::Oneself => ConversationKind::Own,
        },
        name,
        avatar: view.avatar,
        last,
        seen: view.seen.0,
        unread: count(view.unread),
        mentions: count(view.mentions),
        peer_seen: view.peer_seen.map(|seen| seen.0),
        settings: kept(view.settings.as_deref()).unwrap_or_default(),
        draft: kept(view.draft.as_deref()),
        room: view.room.map(rooms::room),
    })
}

/// A thread as somebody has it.
pub(crate) async fn thread(call: &Call, view: ThreadView) -> Result<types::Thread> {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(types::Thread {
        conversation: view.root.conversation.to_string(),
        root: one(call, &view.root).await?,
        seen: view.seen.0,
        unread: count(view.unread),
        mentions: count(view.mentions),
        following: view.following,
        last: view.last.0,
    })
}

/// What this face has kept as JSON. What cannot be read any more counts as not there.
pub(crate) fn kept<T: serde::de::DeserializeOwned>(content: Option<&str>) -> Option<T> {
    let content = content?;
    serde_json::from_str(content)
        .inspect_err(|error| tracing::warn!(%error, "what an account keeps cannot be read"))
        .ok()
}

/// A conversation by its address, as its owner has it.
pub(crate) async fn by_address(call: &Call, address: &Jid) -> Result<types::Conversation> {
    let view = call.chat().conversation(call.session(), address).await?;
    conversation(call, view, &mut Names::default()).await
}
