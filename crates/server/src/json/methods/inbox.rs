//! What concerns one from everywhere: mentions, and what was saved.

use waxwing_chat::Error;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::conversations::finding::Wanted;
use waxwing_chat::state::StateKind;

use crate::json::conversations::{self, named};
use crate::json::error::Fault;
use crate::json::method::{Call, Method, method};
use crate::json::types::{MessagesPage, Paged};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!("inbox.mentions", "Lists messages that mention one, the newest first.", Paged => MessagesPage, mentions),
    method!(
        "inbox.saved",
        "Lists the messages that one has saved, those saved last first.",
        Paged => MessagesPage,
        saved
    ),
];

async fn mentions(call: Call, params: Paged) -> Result<MessagesPage, Fault> {
    let wanted = Wanted { mentioning: true, ..Wanted::default() };
    let (before, limit) = (params.before.map(ArchiveId), call.page(params.limit));
    let (views, more) = call.chat().find_messages(call.session(), &wanted, before, limit).await?;
    let next = views.last().map(|last| last.id.0).filter(|_| more);
    Ok(MessagesPage { messages: conversations::messages(&call, &views).await?, more, next })
}

async fn saved(call: Call, params: Paged) -> Result<MessagesPage, Fault> {
    let limit = call.page(params.limit);
    let mut items = call.chat().all_in_step(&call.owner(), StateKind::Saved).await?;
    items.retain(|item| params.before.is_none_or(|before| item.position.0 < before));
    items.sort_by_key(|item| std::cmp::Reverse(item.position));
    let more = items.len() > limit;
    items.truncate(limit);
    let mut views = Vec::with_capacity(items.len());
    for item in &items {
        let place = named(&item.key)
            .and_then(|(conversation, id)| Some((conversation, call.chat().archive_ids().read(id)?)));
        let Some((conversation, id)) = place else { continue };
        match call.chat().conversation_message(call.session(), &conversation, id).await {
            Ok(view) => views.push(view),
            // It is gone by age, or stands in a room that one has left.
            Err(Error::NotFound | Error::Forbidden) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let next = items.last().map(|last| last.position.0).filter(|_| more);
    Ok(MessagesPage { messages: conversations::messages(&call, &views).await?, more, next })
}
