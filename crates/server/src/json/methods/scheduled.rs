//! Messages that are to be sent later.

use waxwing_chat::conversations::scheduled::Due;
use waxwing_xmpp::jid::Jid;

use super::address_in;
use super::message::stanza;
use crate::json::error::{Condition, Fault};
use crate::json::message::{self as mapping, Content};
use crate::json::method::{Call, Method, method};
use crate::json::types::{
    Attachment, Nothing, Scheduled, ScheduledChange, ScheduledCreate, ScheduledGot, ScheduledListed,
    ScheduledNamed,
};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!("scheduled.create", "Sends a message at a later time.", ScheduledCreate => ScheduledGot, create),
    method!(
        "scheduled.change",
        "Has a message that waits say something else, or be sent at another time.",
        ScheduledChange => ScheduledGot,
        change
    ),
    method!("scheduled.delete", "Does not send a message that waits.", ScheduledNamed => Nothing, delete),
    method!("scheduled.list", "Lists the messages that wait to be sent.", Nothing => ScheduledListed, list),
];

/// All that wait.
pub(super) async fn all(call: &Call) -> Result<Vec<Scheduled>, Fault> {
    let mut shown = Vec::new();
    for due in call.chat().scheduled(&call.owner()).await? {
        shown.extend(mapping::scheduled(call.chat(), &due).await?);
    }
    Ok(shown)
}

async fn list(call: Call, Nothing {}: Nothing) -> Result<ScheduledListed, Fault> {
    Ok(ScheduledListed { scheduled: all(&call).await? })
}

/// Keeps a message to be sent.
async fn keep(
    call: &Call,
    (id, at_ms): (String, u64),
    conversation: &Jid,
    (text, attachments): (&str, &[Attachment]),
    replaces: bool,
) -> Result<ScheduledGot, Fault> {
    let content = Content { text, attachments, ..Content::default() };
    super::message::check_content(call, &content)?;
    if text.trim().is_empty() && attachments.is_empty() {
        return Err(Fault::field("text", "A message must say something."));
    }
    let in_room = call.chat().reading(call.session(), conversation).await?.room;
    let mut message = stanza(call, conversation, in_room, &id);
    mapping::write(call.chat(), &content, conversation, call.session().jid.domain(), &mut message);
    let due = Due { id, at_ms, failed: None, message };
    call.chat().schedule(call.session(), &due, replaces).await.map_err(|error| match error {
        waxwing_chat::Error::NotAcceptable(_) => Fault::from(error).about("at_ms"),
        error => error.into(),
    })?;
    let shown = mapping::scheduled(call.chat(), &due).await?;
    Ok(ScheduledGot { scheduled: shown.ok_or(Condition::Internal)? })
}

async fn create(call: Call, params: ScheduledCreate) -> Result<ScheduledGot, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let place = (call.chat().token(), params.at_ms);
    keep(&call, place, &conversation, (&params.text, &params.attachments), false).await
}

async fn change(call: Call, params: ScheduledChange) -> Result<ScheduledGot, Fault> {
    let waiting = call.chat().scheduled(&call.owner()).await?;
    let due = waiting.into_iter().find(|due| due.id == params.id);
    let due = due.ok_or_else(|| Fault::new(Condition::NotFound).about("id"))?;
    let shown = mapping::scheduled(call.chat(), &due).await?.ok_or(Condition::Internal)?;
    let conversation = address_in("conversation", &shown.conversation)?;
    let place = (due.id, params.at_ms.unwrap_or(due.at_ms));
    let text = params.text.unwrap_or(shown.text);
    keep(&call, place, &conversation, (&text, &shown.attachments), true).await
}

async fn delete(call: Call, params: ScheduledNamed) -> Result<Nothing, Fault> {
    let removed = call.chat().unschedule(&call.owner(), &params.id).await;
    removed.map_err(|error| Fault::from(error).about("id"))?;
    Ok(Nothing {})
}
