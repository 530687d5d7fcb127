//! What the account's clients keep in step, as they are told of it.

use waxwing_chat::archive::ArchiveId;
use waxwing_chat::conversations::scheduled::Due;
use waxwing_chat::event::AccountEvent;
use waxwing_chat::state::{StateItem, StateKind};
use waxwing_chat::{Error, Result};
use waxwing_xmpp::jid::Jid;

use super::conversations::{self, kept, named};
use super::message::{self, Names};
use super::method::Call;
use super::types::{Event, What};

/// What a client is told of something that its account keeps, or that somebody has read.
pub(crate) async fn told(call: &Call, event: &AccountEvent) -> Result<Vec<Event>> {
    match event {
        AccountEvent::State(item) => of_item(call, item).await,
        AccountEvent::Read { conversation, by, up_to } => Ok(vec![Event::from(What::Read {
            conversation: conversation.to_string(),
            address: by.to_string(),
            position: up_to.0,
        })]),
    }
}

/// What a client is told of an item that has changed.
pub(crate) async fn of_item(call: &Call, item: &StateItem) -> Result<Vec<Event>> {
    let lasting = |what| Ok(vec![Event::lasting(item.position.0, what)]);
    match item.kind {
        StateKind::Read | StateKind::Settings | StateKind::Opened => {
            let Ok(address) = Jid::new(&item.key) else { return Ok(Vec::new()) };
            match conversations::by_address(call, &address).await {
                Ok(conversation) => lasting(What::Conversation { conversation: Box::new(conversation) }),
                // A room that was left meanwhile.
                Err(Error::NotFound | Error::Forbidden) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        }
        StateKind::Draft => {
            lasting(What::Draft { conversation: item.key.clone(), draft: kept(item.content.as_deref()) })
        }
        StateKind::Saved => match named(&item.key) {
            Some((conversation, id)) => lasting(What::Saved {
                conversation: conversation.to_string(),
                id: id.to_owned(),
                saved: item.content.is_some(),
            }),
            None => Ok(Vec::new()),
        },
        StateKind::Pin => pinned(call, &item.key, item.position).await,
        StateKind::Preferences => {
            lasting(What::Preferences { preferences: kept(item.content.as_deref()).unwrap_or_default() })
        }
        StateKind::Thread => {
            let Some((conversation, root)) = call.chat().thread_named(&item.key) else {
                return Ok(Vec::new());
            };
            match call.chat().thread(call.session(), &conversation, root, None, 1).await {
                Ok(part) => {
                    let thread = Box::new(conversations::thread(call, part.thread).await?);
                    lasting(What::Thread { thread })
                }
                Err(Error::NotFound | Error::Forbidden) => Ok(Vec::new()),
                Err(error) => Err(error),
            }
        }
        StateKind::Scheduled => match Due::read(item) {
            Some(due) => match message::scheduled(call.chat(), &due).await? {
                Some(scheduled) => lasting(What::Scheduled { scheduled: Box::new(scheduled) }),
                None => Ok(Vec::new()),
            },
            None => lasting(What::ScheduledRemoved { id: item.key.clone() }),
        },
        // Told as presence.
        StateKind::Status => Ok(Vec::new()),
    }
}

/// The message that was pinned, or is not any more, as it now is.
pub(crate) async fn pinned(call: &Call, key: &str, at: ArchiveId) -> Result<Vec<Event>> {
    let place = named(key).and_then(|(room, id)| Some((room, call.chat().archive_ids().read(id)?)));
    let Some((conversation, id)) = place else { return Ok(Vec::new()) };
    match call.chat().conversation_message(call.session(), &conversation, id).await {
        Ok(view) => {
            let message = conversations::message(call, &view, &mut Names::default()).await?;
            Ok(vec![Event::lasting(at.0, What::Message { message: Box::new(message) })])
        }
        Err(Error::NotFound | Error::Forbidden) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
