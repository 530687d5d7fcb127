//! Messages: sending them, and what is done to them afterwards.

use std::collections::HashSet;

use waxwing_chat::archive::ArchiveId;
use waxwing_chat::conversations::folding::MessageView;
use waxwing_chat::conversations::keeping::Item;
use waxwing_chat::polls::is_vote;
use waxwing_chat::state::StateKind;
use waxwing_chat::webhooks::incoming::carried;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use super::address_in;
use crate::json::codec;
use crate::json::conversations::{self, Pin, key};
use crate::json::error::{Condition, Fault};
use crate::json::message::{self as mapping, Content, Names};
use crate::json::method::{Call, InFlight, Method, Outcome, method, sending};
use crate::json::types::{
    Attachment, Mention, MentionKind, Message, MessageEdit, MessageGot, MessageKind, MessageNamed,
    MessagePin, MessageReact, MessageReaders, MessageRecall, MessageSave, MessageSend, MessageVersions,
    Payload, Person, Poll, Sender,
};

/// Bytes of the id that a client gives a message.
const CLIENT_ID_BYTES_LIMIT: usize = 128;

/// Bytes of the name of a file, of its media type, and of its link.
const NAME_BYTES_LIMIT: usize = 1_024;

/// How many answers a poll may have: as many as there are keycaps to vote with.
const POLL_OPTIONS_LIMIT: usize = 10;

/// Characters of an emoji: the longest of Unicode's have ten.
const EMOJI_CHARS_LIMIT: usize = 16;

/// The methods.
pub(super) const METHODS: &[Method] = &[
    sending!(
        "message.send",
        "Sends a message. It is answered once the message is safe; sent again with the same `client_id` it is the same message.",
        MessageSend => MessageGot,
        send
    ),
    method!("message.get", "Tells a message.", MessageNamed => MessageGot, get),
    method!("message.edit", "Has an own message say something else.", MessageEdit => MessageGot, edit),
    method!(
        "message.recall",
        "Takes a message back: an own one, or as a moderator of a room anybody's.",
        MessageRecall => MessageGot,
        recall
    ),
    method!(
        "message.react",
        "Reacts to a message; what one thought of it before counts no more.",
        MessageReact => MessageGot,
        react
    ),
    method!(
        "message.close_poll",
        "Ends the voting in an own poll, for good.",
        MessageNamed => MessageGot,
        close_poll
    ),
    method!("message.versions", "Lists what a message has said.", MessageNamed => MessageVersions, versions),
    method!(
        "message.readers",
        "Lists who has read a message, and who has not.",
        MessageNamed => MessageReaders,
        readers
    ),
    method!("message.pin", "Pins a message, or takes it off.", MessagePin => MessageGot, pin),
    method!("message.save", "Saves a message for oneself, or no longer.", MessageSave => MessageGot, save),
];

/// The place of a message that a request names.
pub(super) fn place(call: &Call, field: &'static str, id: &str) -> Result<ArchiveId, Fault> {
    let none = || Fault::new(Condition::NotFound).saying("There is no such message.").about(field);
    call.chat().archive_ids().read(id).ok_or_else(none)
}

/// A message that a request names, as it now is.
async fn found(call: &Call, conversation: &Jid, field: &'static str, id: &str) -> Result<MessageView, Fault> {
    let at = place(call, field, id)?;
    call.chat().conversation_message(call.session(), conversation, at).await.map_err(|error| match error {
        waxwing_chat::Error::NotFound => {
            Fault::new(Condition::NotFound).saying("There is no such message.").about(field)
        }
        error => error.into(),
    })
}

async fn told(call: &Call, conversation: &Jid, id: ArchiveId) -> Result<MessageGot, Fault> {
    let view = call.chat().conversation_message(call.session(), conversation, id).await?;
    Ok(MessageGot { message: conversations::one(call, &view).await? })
}

/// What others call a message, where they speak of it.
fn called(call: &Call, view: &MessageView) -> String {
    match view.in_room {
        true => call.chat().archive_ids().show(view.id),
        false => mapping::client_id(&view.original).unwrap_or_default(),
    }
}

/// Where the message is that another one is about.
fn about(call: &Call, view: &MessageView) -> Element {
    Element::new(ns::MESSAGE, "about").with_attr("id", &call.chat().archive_ids().show(view.id))
}

pub(super) fn check_content(call: &Call, content: &Content<'_>) -> Result<(), Fault> {
    let config = &call.config;
    if content.text.len() > config.text_bytes {
        return Err(Fault::field("text", format!("It may have {} bytes.", config.text_bytes)));
    }
    let few = |field: &'static str, count: usize, limit: usize| match count > limit {
        true => Err(Fault::field(field, format!("There may be {limit} of them."))),
        false => Ok(()),
    };
    few("mentions", content.mentions.len(), config.mentions)?;
    few("attachments", content.attachments.len(), config.attachments)?;
    few("payloads", content.payloads.len(), config.payloads)?;
    let letters = u32::try_from(content.text.chars().count()).unwrap_or(u32::MAX);
    for mention in content.mentions {
        check_mention(mention, letters)?;
    }
    content.attachments.iter().try_for_each(check_attachment)?;
    content.poll.map_or(Ok(()), check_poll)?;
    content.payloads.iter().try_for_each(check_payload)
}

fn check_mention(mention: &Mention, letters: u32) -> Result<(), Fault> {
    if mention.begin >= mention.end || mention.end > letters {
        return Err(Fault::field("mentions", "A mention must be a part of the text, in code points."));
    }
    let named = mention.address.as_deref().map(Jid::new);
    match (mention.kind, named) {
        (MentionKind::Person, Some(Ok(_))) | (MentionKind::Room | MentionKind::Online, None) => Ok(()),
        _ => Err(Fault::field("mentions", "A person has an address, and nobody else has one.")),
    }
}

fn check_attachment(file: &Attachment) -> Result<(), Fault> {
    let is_link =
        file.url.starts_with('/') || file.url.starts_with("https://") || file.url.starts_with("http://");
    let short = [&file.url, &file.name, &file.media_type].iter().all(|text| text.len() <= NAME_BYTES_LIMIT);
    if !is_link || !short || file.missing {
        return Err(Fault::field(
            "attachments",
            "A file needs a link, a name and a type of reasonable length.",
        ));
    }
    Ok(())
}

fn check_poll(poll: &Poll) -> Result<(), Fault> {
    let options = &poll.options;
    let distinct: HashSet<&String> = options.iter().collect();
    let said = |text: &String| !text.trim().is_empty() && text.len() <= NAME_BYTES_LIMIT;
    let fits = (2..=POLL_OPTIONS_LIMIT).contains(&options.len()) && distinct.len() == options.len();
    if poll.closed {
        return Err(Fault::field("poll", "It begins open."));
    }
    if fits && options.iter().all(said) && said(&poll.question) {
        return Ok(());
    }
    Err(Fault::field("poll", format!("It needs a question and 2 to {POLL_OPTIONS_LIMIT} different answers.")))
}

/// Whether these reactions hold other votes than the caller has given so far.
fn changes_vote(call: &Call, view: &MessageView, emojis: &[String]) -> bool {
    let own = &call.session().bare;
    let given = view.reactions.iter().filter(|reaction| reaction.by.contains(own));
    let given: HashSet<&str> =
        given.map(|reaction| &*reaction.emoji).filter(|emoji| is_vote(emoji)).collect();
    given != emojis.iter().map(String::as_str).filter(|emoji| is_vote(emoji)).collect()
}

fn check_payload(payload: &Payload) -> Result<(), Fault> {
    if payload.kind.is_empty() || payload.kind.len() > NAME_BYTES_LIMIT || payload.kind == ns::POLL {
        return Err(Fault::field("payloads", "Data needs a type, which is no poll's."));
    }
    Ok(())
}

/// A message of the client to a conversation, with what it says.
pub(super) fn stanza(call: &Call, conversation: &Jid, in_room: bool, client_id: &str) -> Stanza {
    let id = carried(client_id);
    let kind = if in_room { MessageType::Groupchat } else { MessageType::Chat };
    Stanza::message(kind)
        .with_to(conversation.clone())
        .with_from(call.session().jid.clone())
        .with_id(&id)
        .with_child(Element::new(ns::STANZA_ID, "origin-id").with_attr("id", &id))
}

async fn send(call: Call, params: MessageSend) -> Result<Outcome, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    if params.client_id.is_empty() || params.client_id.len() > CLIENT_ID_BYTES_LIMIT {
        let sentence = format!("It needs 1 to {CLIENT_ID_BYTES_LIMIT} bytes.");
        return Err(Fault::field("client_id", sentence));
    }
    let content = Content {
        text: &params.text,
        mentions: &params.mentions,
        attachments: &params.attachments,
        poll: params.poll.as_ref(),
        payloads: &params.payloads,
    };
    check_content(&call, &content)?;
    let is_empty = params.text.trim().is_empty()
        && params.attachments.is_empty()
        && params.poll.is_none()
        && params.payloads.is_empty();
    if is_empty {
        return Err(Fault::field("text", "A message must say something."));
    }
    let in_room = call.chat().is_room(&conversation);
    let mut message = stanza(&call, &conversation, in_room, &params.client_id);
    let domain = call.session().jid.domain();
    mapping::write(call.chat(), &content, &conversation, domain, &mut message);
    if !in_room {
        message.append(Element::new(ns::CHAT_MARKERS, "markable"));
    }
    let answered = match &params.reply_to {
        Some(id) => Some(found(&call, &conversation, "reply_to", id).await?),
        None => None,
    };
    if let Some(view) = &answered {
        let to = view.original.from.as_ref().filter(|_| in_room).unwrap_or(&view.author.address);
        message.append(
            Element::new(ns::REPLY, "reply")
                .with_attr("id", &called(&call, view))
                .with_attr("to", to.as_str()),
        );
        message.append(about(&call, view));
    }
    let thread = match &params.thread {
        Some(root) => Some(begun_by(&call, &conversation, root, &params.mentions).await?),
        None => None,
    };
    if let Some(root) = thread {
        message.append(Element::new(ns::CLIENT, "thread").with_text(&call.chat().archive_ids().show(root)));
    }
    let mut shown = draft_of(&call, &conversation, &message, &params).await?;
    shown.thread = thread.map(|root| call.chat().archive_ids().show(root));
    if let Some(view) = &answered {
        shown.reply_to = Some(mapping::quoted(call.chat(), view, &mut Names::default()).await?);
    }
    let receipt = call.chat().send(call.session(), message).await?;
    let ids = call.chat().archive_ids();
    let finish = move |place: Option<ArchiveId>| {
        let place = place.ok_or_else(unkept)?;
        shown.id = ids.show(place);
        shown.position = place.0;
        Ok(codec::written(&MessageGot { message: shown }))
    };
    Ok(Outcome::InFlight(InFlight { place: Box::pin(receipt.place()), finish: Box::new(finish) }))
}

/// The first message of the thread that one answers in; those whom it concerns follow it from now on.
async fn begun_by(
    call: &Call,
    conversation: &Jid,
    root: &str,
    mentions: &[Mention],
) -> Result<ArchiveId, Fault> {
    let mut view = found(call, conversation, "thread", root).await?;
    // An answer to an answer belongs to the same thread.
    if let Some(root) = view.thread {
        view = call.chat().conversation_message(call.session(), conversation, root).await?;
    }
    let mentioned = mentions.iter().filter_map(|mention| Jid::new(mention.address.as_ref()?).ok());
    let mentioned: Vec<Jid> = mentioned.collect();
    call.chat().concern_by_answer(call.session(), &view, &mentioned).await?;
    Ok(view.id)
}

fn unkept() -> Fault {
    Fault::new(Condition::NotAllowed).saying("It was sent, and is not kept where it could be shown.")
}

/// A message as it will be shown, but for its place.
async fn draft_of(
    call: &Call,
    conversation: &Jid,
    stanza: &Stanza,
    params: &MessageSend,
) -> Result<Message, Fault> {
    let own = &call.session().bare;
    let name = Names::default().of(call.chat(), own).await?;
    Ok(Message {
        id: String::new(),
        conversation: conversation.to_string(),
        position: 0,
        client_id: stanza.id.as_deref().map(str::to_owned),
        from: Sender { address: own.to_string(), name, nick: None },
        kind: MessageKind::Message,
        text: carried(&params.text),
        mentions: params.mentions.clone(),
        attachments: params.attachments.clone(),
        reply_to: None,
        thread: None,
        replies: None,
        reactions: Vec::new(),
        edited: None,
        recalled: None,
        pinned: None,
        poll: params.poll.clone(),
        payloads: params.payloads.clone(),
        encrypted: false,
        saved: false,
    })
}

async fn get(call: Call, params: MessageNamed) -> Result<MessageGot, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let view = found(&call, &conversation, "id", &params.id).await?;
    Ok(MessageGot { message: conversations::one(&call, &view).await? })
}

/// An own message that still may be changed.
async fn own(call: &Call, conversation: &Jid, id: &str, within_ms: u64) -> Result<MessageView, Fault> {
    let view = found(call, conversation, "id", id).await?;
    if !view.author.own {
        return Err(Fault::new(Condition::Forbidden).saying("Somebody else has said that.").about("id"));
    }
    if view.retracted.is_some() {
        return Err(Fault::new(Condition::Gone).saying("The message has been taken back.").about("id"));
    }
    if within_ms > 0 && call.chat().now_ms() > view.id.stamp_ms().saturating_add(within_ms) {
        return Err(Fault::new(Condition::NotAllowed).saying("That was too long ago.").about("id"));
    }
    Ok(view)
}

/// Sends what does something to a message, waits until that is safe, and tells the message as it then is.
async fn deed(call: &Call, view: &MessageView, message: Stanza) -> Result<MessageGot, Fault> {
    call.chat().send(call.session(), message).await?.await?;
    told(call, &view.conversation, view.id).await
}

async fn edit(call: Call, params: MessageEdit) -> Result<MessageGot, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let content = Content { text: &params.text, mentions: &params.mentions, ..Content::default() };
    check_content(&call, &content)?;
    if params.text.trim().is_empty() {
        return Err(Fault::field("text", "A message must say something."));
    }
    let view = own(&call, &conversation, &params.id, call.config.edit_ms).await?;
    correct(&call, &view, &content).await
}

/// Has an own message say something else (XEP-0308).
async fn correct(call: &Call, view: &MessageView, content: &Content<'_>) -> Result<MessageGot, Fault> {
    let mut message = stanza(call, &view.conversation, view.in_room, &call.chat().token());
    mapping::write(call.chat(), content, &view.conversation, call.session().jid.domain(), &mut message);
    // XEP-0308 section 3: what is corrected is always the first of all, by the id its stanza has.
    let first = view.original.id.as_deref().unwrap_or_default();
    message.append(Element::new(ns::CORRECTION, "replace").with_attr("id", first));
    message.append(about(call, view));
    deed(call, view, message).await
}

async fn close_poll(call: Call, params: MessageNamed) -> Result<MessageGot, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    // However long ago it was asked.
    let view = own(&call, &conversation, &params.id, 0).await?;
    let Some(poll) = mapping::poll_of(&view) else {
        return Err(Fault::field("id", "The message is no poll."));
    };
    if poll.closed {
        return told(&call, &conversation, view.id).await;
    }
    let closed = Poll { closed: true, ..poll };
    let (text, mentions) = (mapping::text(&view.content), mapping::mentions(&view.content, &conversation));
    let content = Content { text: &text, mentions: &mentions, poll: Some(&closed), ..Content::default() };
    correct(&call, &view, &content).await
}

async fn recall(call: Call, params: MessageRecall) -> Result<MessageGot, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let view = found(&call, &conversation, "id", &params.id).await?;
    if view.in_room && !view.author.own {
        let (asker, shown) = (&call.session().jid, params.id.clone());
        call.chat().moderate_in_room(&conversation, asker, shown, params.reason).await?;
        return told(&call, &conversation, view.id).await;
    }
    let view = own(&call, &conversation, &params.id, call.config.recall_ms).await?;
    let message = stanza(&call, &conversation, view.in_room, &call.chat().token())
        .with_child(Element::new(ns::RETRACTION, "retract").with_attr("id", &called(&call, &view)))
        .with_child(about(&call, &view))
        .with_child(Element::new(ns::HINTS, "store"));
    deed(&call, &view, message).await
}

async fn react(call: Call, params: MessageReact) -> Result<MessageGot, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let limit = call.config.reactions;
    let is_emoji = |emoji: &String| {
        let plain = |c: char| c.is_control() || c.is_whitespace();
        !emoji.is_empty() && emoji.chars().count() <= EMOJI_CHARS_LIMIT && !emoji.contains(plain)
    };
    if params.emojis.len() > limit || !params.emojis.iter().all(is_emoji) {
        return Err(Fault::field("emojis", format!("There may be {limit} of them, each a single emoji.")));
    }
    let view = found(&call, &conversation, "id", &params.id).await?;
    if view.retracted.is_some() {
        return Err(Fault::new(Condition::Gone).saying("The message has been taken back.").about("id"));
    }
    if mapping::poll_of(&view).is_some_and(|poll| poll.closed) && changes_vote(&call, &view, &params.emojis) {
        return Err(Fault::new(Condition::NotAllowed).saying("The poll is closed.").about("emojis"));
    }
    let mut reactions = Element::new(ns::REACTIONS, "reactions").with_attr("id", &called(&call, &view));
    for emoji in &params.emojis {
        reactions.append(Element::new(ns::REACTIONS, "reaction").with_text(&carried(emoji)));
    }
    let message = stanza(&call, &conversation, view.in_room, &call.chat().token())
        .with_child(reactions)
        .with_child(about(&call, &view))
        .with_child(Element::new(ns::HINTS, "store"));
    deed(&call, &view, message).await
}

async fn versions(call: Call, params: MessageNamed) -> Result<MessageVersions, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let id = place(&call, "id", &params.id)?;
    let all = call.chat().versions(call.session(), &conversation, id).await?;
    Ok(MessageVersions { versions: all.iter().map(|(at, stanza)| mapping::version(stanza, *at)).collect() })
}

async fn readers(call: Call, params: MessageNamed) -> Result<MessageReaders, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let view = found(&call, &conversation, "id", &params.id).await?;
    if view.in_room {
        let found = call.chat().room_readers(&conversation, &call.session().jid, view.id).await?;
        let people = |members: Vec<waxwing_chat::rooms::membership::Member>| {
            members.into_iter().map(|one| person(one.address.to_string(), one.name)).collect()
        };
        return Ok(MessageReaders { read: people(found.read), unread: people(found.unread) });
    }
    let reader = if view.author.own { conversation.clone() } else { call.session().bare.clone() };
    let seen = call.chat().conversation(call.session(), &conversation).await?;
    let seen = if view.author.own { seen.peer_seen.unwrap_or_default() } else { seen.seen };
    let name = Names::default().of(call.chat(), &reader).await?;
    let one = vec![person(reader.to_string(), name)];
    Ok(match seen >= view.id {
        true => MessageReaders { read: one, unread: Vec::new() },
        false => MessageReaders { read: Vec::new(), unread: one },
    })
}

fn person(address: String, name: String) -> Person {
    Person { address, name, avatar: None, title: None, department: None, phone: None, mail: None }
}

async fn pin(call: Call, params: MessagePin) -> Result<MessageGot, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let view = found(&call, &conversation, "id", &params.id).await?;
    let pin = Pin { by: call.session().bare.to_string(), at_ms: call.chat().now_ms() };
    let content = params.pinned.then(|| codec::written(&pin));
    call.chat().pin(call.session(), &conversation, view.id, content).await?;
    told(&call, &conversation, view.id).await
}

async fn save(call: Call, params: MessageSave) -> Result<MessageGot, Fault> {
    let conversation = address_in("conversation", &params.conversation)?;
    let view = found(&call, &conversation, "id", &params.id).await?;
    let item = Item {
        owner: call.owner(),
        kind: StateKind::Saved,
        key: key(&view.conversation, &params.id),
        content: params.saved.then(String::new),
    };
    call.chat().keep_in_step(vec![item]).await?;
    told(&call, &conversation, view.id).await
}
