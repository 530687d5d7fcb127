//! Messages: reading, sending, changing, taking back, reacting.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waxwing_chat::access::Scope;
use waxwing_chat::archive::{ArchiveId, ArchivePage, Archived, Direction, PageFrom};
use waxwing_chat::history::HistoryQuery;
use waxwing_chat::webhooks::incoming::{TEXT_BYTES_LIMIT, carried};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use crate::integrations::messages::{self, Message};
use crate::rest::endpoint::{Call, Endpoint, address, endpoint};
use crate::rest::problem::{Condition, Problem};

/// How many messages a page has unless the request says otherwise.
const PAGE: usize = 50;

pub(super) const HISTORY: Endpoint = endpoint!(
    "GET" "/api/v1/conversations/{conversation}/messages", "listMessages", "A page of a conversation, oldest message first",
    Some(Scope::MessagesRead), 200, History => Page, history
);
pub(super) const GET: Endpoint = endpoint!(
    "GET" "/api/v1/conversations/{conversation}/messages/{id}", "getMessage", "One message",
    Some(Scope::MessagesRead), 200, One => Sent, get
);
pub(super) const SEND: Endpoint = endpoint!(
    "POST" "/api/v1/conversations/{conversation}/messages", "sendMessage", "Send a message to a room or a person",
    Some(Scope::MessagesWrite), 201, Send => Sent, send
);
pub(super) const EDIT: Endpoint = endpoint!(
    "PATCH" "/api/v1/conversations/{conversation}/messages/{id}", "editMessage", "Replace the text of an own message",
    Some(Scope::MessagesWrite), 200, Edit => Sent, edit
);
pub(super) const RECALL: Endpoint = endpoint!(
    "DELETE" "/api/v1/conversations/{conversation}/messages/{id}", "recallMessage", "Take an own message back",
    Some(Scope::MessagesWrite), 200, One => Sent, recall
);
pub(super) const REACT: Endpoint = endpoint!(
    "PUT" "/api/v1/conversations/{conversation}/messages/{id}/reactions", "react",
    "Say all that the account now thinks of a message", Some(Scope::MessagesWrite), 200, React => Sent, react
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct History {
    /// The room's or person's address.
    conversation: String,
    /// Only messages before this one.
    before: Option<String>,
    /// Only messages behind this one.
    after: Option<String>,
    /// How many at most.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Page {
    /// The messages, oldest first.
    messages: Vec<Message>,
    /// There are more in the direction that was asked for.
    more: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct One {
    /// The room's or person's address.
    conversation: String,
    /// The message.
    id: String,
}

#[derive(Serialize, JsonSchema)]
struct Sent {
    /// The message.
    message: Message,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Send {
    /// The room's or person's address.
    conversation: String,
    /// What it says. Styling as in XEP-0393; characters that XML cannot hold become U+FFFD.
    #[schemars(length(min = 1, max = 10_000))]
    text: String,
    /// The message it answers.
    reply_to: Option<String>,
    /// The thread it belongs to.
    #[schemars(length(min = 1, max = 200))]
    thread: Option<String>,
    /// Links of files that were uploaded.
    #[schemars(length(max = 10), inner(length(min = 1, max = 2_048)))]
    attachments: Option<Vec<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// The room's or person's address.
    conversation: String,
    /// The message.
    id: String,
    /// What it says from now on.
    #[schemars(length(min = 1, max = 10_000))]
    text: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct React {
    /// The room's or person's address.
    conversation: String,
    /// The message.
    id: String,
    /// Emoji; none takes all back.
    #[schemars(length(max = 20), inner(length(min = 1, max = 16)))]
    emojis: Vec<String>,
}

/// The place of a message that a request names.
fn place(call: &Call, field: &str, id: &str) -> Result<ArchiveId, Problem> {
    let none = || Problem::not_found(field, "There is no such message.");
    call.chat.archive_ids().read(id).ok_or_else(none)
}

/// A page of a conversation, with the right to know who really said what.
async fn page(call: &Call, conversation: &Jid, query: HistoryQuery) -> Result<(ArchivePage, bool), Problem> {
    if call.is_room(conversation) {
        let found = call.chat.room_history(conversation, call.jid(), query).await?;
        return Ok((found.page, found.with_addresses));
    }
    let query = HistoryQuery { with: Some(conversation.clone()), ..query };
    Ok((call.chat.history(&call.owner(), query).await?, true))
}

fn read(call: &Call, conversation: &Jid, archived: &Archived, with_addresses: bool) -> Option<Message> {
    let stanza = messages::stanza(&archived.xml)?;
    let in_room = call.is_room(conversation);
    let real = (in_room && with_addresses).then_some(&archived.peer);
    let place = messages::Archived { id: archived.id, conversation, real, in_room };
    Some(Message::new(&call.chat, &place, &stanza))
}

/// One message with its stanza.
async fn one(
    call: &Call,
    conversation: &Jid,
    field: &str,
    id: &str,
) -> Result<(Archived, Stanza, Message), Problem> {
    let none = || Problem::not_found(field, "There is no such message.");
    let ids = vec![place(call, field, id)?];
    let (found, with_addresses) =
        page(call, conversation, HistoryQuery { ids, ..HistoryQuery::default() }).await?;
    let archived = found.items.into_iter().next().ok_or_else(none)?;
    let stanza = messages::stanza(&archived.xml).ok_or_else(none)?;
    let message = read(call, conversation, &archived, with_addresses).ok_or_else(none)?;
    Ok((archived, stanza, message))
}

/// The same, if the account has said it itself.
async fn own(call: &Call, conversation: &Jid, id: &str) -> Result<(Stanza, Message), Problem> {
    let (archived, stanza, message) = one(call, conversation, "id", id).await?;
    let himself = conversation == call.jid();
    let own = match call.is_room(conversation) {
        true => archived.peer.same_bare(call.jid()),
        false => himself || archived.direction == Direction::Outgoing,
    };
    if own {
        Ok((stanza, message))
    } else {
        Err(Problem::new(Condition::Forbidden, "Somebody else has said that."))
    }
}

async fn history(call: Call, arguments: History) -> Result<Page, Problem> {
    let conversation = address("conversation", &arguments.conversation)?;
    let from = match (&arguments.before, &arguments.after) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid("after", "It cannot stand beside before: a page goes one way."));
        }
        (Some(id), None) => PageFrom::Before(place(&call, "before", id)?),
        (None, Some(id)) => PageFrom::After(place(&call, "after", id)?),
        (None, None) => PageFrom::End,
    };
    let limit = arguments.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let query = HistoryQuery { page: from, limit: Some(limit), ..HistoryQuery::default() };
    let (found, with_addresses) = page(&call, &conversation, query).await?;
    let messages = found.items.iter().filter_map(|item| read(&call, &conversation, item, with_addresses));
    Ok(Page { messages: messages.collect(), more: !found.complete })
}

async fn get(call: Call, arguments: One) -> Result<Sent, Problem> {
    let conversation = address("conversation", &arguments.conversation)?;
    let (.., message) = one(&call, &conversation, "id", &arguments.id).await?;
    Ok(Sent { message })
}

fn body(text: &str) -> Result<Element, Problem> {
    if text.len() > TEXT_BYTES_LIMIT {
        return Err(Problem::invalid("text", format!("It may have {TEXT_BYTES_LIMIT} bytes.")));
    }
    Ok(Element::new(ns::CLIENT, "body").with_text(&carried(text)))
}

async fn send(call: Call, arguments: Send) -> Result<Sent, Problem> {
    let conversation = address("conversation", &arguments.conversation)?;
    let mut message = Stanza::message(MessageType::Chat).with_child(body(&arguments.text)?);
    if let Some(id) = &arguments.reply_to {
        let (_, answered, _) = one(&call, &conversation, "reply_to", id).await?;
        let named = if call.is_room(&conversation) { id.clone() } else { called(&answered) };
        let mut reply = Element::new(ns::REPLY, "reply").with_attr("id", &named);
        if let Some(from) = &answered.from {
            reply.set_attr("to", if call.is_room(&conversation) { from.as_str() } else { from.bare_str() });
        }
        message.append(reply);
    }
    if let Some(thread) = &arguments.thread {
        message.append(Element::new(ns::CLIENT, "thread").with_text(&carried(thread)));
    }
    for link in arguments.attachments.iter().flatten() {
        let url = Element::new(ns::OOB, "url").with_text(&carried(link));
        message.append(Element::new(ns::OOB, "x").with_child(url));
    }
    write(&call, &conversation, message).await
}

/// What its sender calls a message: by that others refer to it outside of rooms.
fn called(message: &Stanza) -> String {
    let origin =
        message.child(ns::STANZA_ID, "origin-id").and_then(|origin| origin.attr("id").map(str::to_owned));
    origin.or(message.id.as_deref().map(str::to_owned)).unwrap_or_default()
}

async fn edit(call: Call, arguments: Edit) -> Result<Sent, Problem> {
    let conversation = address("conversation", &arguments.conversation)?;
    let (original, message) = own(&call, &conversation, &arguments.id).await?;
    if message.recalled {
        return Err(Problem::new(Condition::Conflict, "The message has been taken back."));
    }
    // XEP-0308 section 3: what is corrected is always the first of all.
    let first = message.replaces.or(original.id.as_deref().map(str::to_owned)).unwrap_or_default();
    let replace = Element::new(ns::CORRECTION, "replace").with_attr("id", &first);
    let edited = Stanza::message(MessageType::Chat).with_child(body(&arguments.text)?).with_child(replace);
    write(&call, &conversation, edited).await
}

fn stored() -> Element {
    Element::new(ns::HINTS, "store")
}

async fn recall(call: Call, arguments: One) -> Result<Sent, Problem> {
    let conversation = address("conversation", &arguments.conversation)?;
    let (original, message) = own(&call, &conversation, &arguments.id).await?;
    if message.recalled {
        return Err(Problem::new(Condition::Conflict, "The message has been taken back."));
    }
    let named = if call.is_room(&conversation) { arguments.id } else { called(&original) };
    let retract = Element::new(ns::RETRACTION, "retract").with_attr("id", &named);
    write(&call, &conversation, Stanza::message(MessageType::Chat).with_child(retract).with_child(stored()))
        .await
}

async fn react(call: Call, arguments: React) -> Result<Sent, Problem> {
    let conversation = address("conversation", &arguments.conversation)?;
    let (_, stanza, _) = one(&call, &conversation, "id", &arguments.id).await?;
    let named = if call.is_room(&conversation) { arguments.id } else { called(&stanza) };
    let mut reactions = Element::new(ns::REACTIONS, "reactions").with_attr("id", &named);
    for emoji in &arguments.emojis {
        reactions.append(Element::new(ns::REACTIONS, "reaction").with_text(&carried(emoji)));
    }
    write(&call, &conversation, Stanza::message(MessageType::Chat).with_child(reactions).with_child(stored()))
        .await
}

/// Sends, waits until it is safe, and answers what was sent.
async fn write(call: &Call, conversation: &Jid, message: Stanza) -> Result<Sent, Problem> {
    let id =
        call.key.clone().map_or_else(|| call.chat.token(), |key| format!("{}:{key}", call.bearer.token.id));
    let origin = Element::new(ns::STANZA_ID, "origin-id").with_attr("id", &id);
    let message = message.with_id(&id).with_child(origin);
    let receipt = if call.is_room(conversation) {
        let name = call.bearer.account.name.clone();
        let name = name.or(call.jid().local().map(str::to_owned)).unwrap_or_default();
        call.chat.say_in_room(conversation, call.jid(), &name, message).await?
    } else {
        let session = call.session().await?;
        let message = message.with_from(session.jid.clone()).with_to(conversation.clone());
        call.chat.send(&session, message).await?
    };
    let unkept =
        || Problem::new(Condition::Conflict, "It was sent, and is not kept where it could be shown.");
    let place = receipt.place().await?.ok_or_else(unkept)?;
    let id = call.chat.archive_ids().show(place);
    let (_, _, message) = one(call, conversation, "id", &id).await.map_err(|_| unkept())?;
    Ok(Sent { message })
}
