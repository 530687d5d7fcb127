//! Conversations: listing, reading, and what their owner keeps about them.

use waxwing_chat::archive::ArchiveId;
use waxwing_chat::conversations::keeping::Item;
use waxwing_chat::conversations::reading::Span;
use waxwing_chat::state::StateKind;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use super::address_in;
use super::preferences::check_keywords;
use crate::json::conversations::{self, by_address, kept, named};
use crate::json::error::Fault;
use crate::json::method::{Call, Method, method};
use crate::json::types::{
    ConversationConfigure, ConversationDraft, ConversationGot, ConversationHistory, ConversationList,
    ConversationNamed, ConversationPlace, ConversationSettings, ConversationTyping, ConversationsGot, Draft,
    HistoryGot, MessagesGot, Nothing, Patch, Typing,
};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!(
        "conversation.list",
        "Lists conversations with people, those that were last talked in first; with the first page come all rooms.",
        ConversationList => ConversationsGot,
        list
    ),
    method!("conversation.get", "Tells of a conversation.", ConversationNamed => ConversationGot, get),
    method!(
        "conversation.open",
        "Has a conversation with a person stand in the list, although nothing was said in it.",
        ConversationNamed => ConversationGot,
        open
    ),
    method!(
        "conversation.history",
        "Tells a part of a conversation, oldest message first.",
        ConversationHistory => HistoryGot,
        history
    ),
    method!(
        "conversation.read",
        "Has read everything up to a place. Whoever wrote it may see that.",
        ConversationPlace => ConversationGot,
        read
    ),
    method!(
        "conversation.unread",
        "Has a conversation count as unread from a place on.",
        ConversationPlace => ConversationGot,
        unread
    ),
    method!(
        "conversation.configure",
        "Keeps a conversation otherwise.",
        ConversationConfigure => ConversationGot,
        configure
    ),
    method!(
        "conversation.draft",
        "Keeps what one has begun to write, for all devices.",
        ConversationDraft => Nothing,
        draft
    ),
    method!(
        "conversation.typing",
        "Tells the others that one writes, or has stopped.",
        ConversationTyping => Nothing,
        typing
    ),
    method!(
        "conversation.pins",
        "Lists the messages that are pinned, the newest pin first.",
        ConversationNamed => MessagesGot,
        pins
    ),
];

fn conversation(text: &str) -> Result<Jid, Fault> {
    address_in("conversation", text)
}

async fn list(call: Call, params: ConversationList) -> Result<ConversationsGot, Fault> {
    let limit = call.page(params.limit);
    let listing = call.chat().conversations(call.session(), params.before.map(ArchiveId), limit).await?;
    let (conversations, missing) = conversations::shown(&call, listing.conversations).await?;
    Ok(ConversationsGot {
        conversations,
        missing,
        more: listing.next.is_some(),
        next: listing.next.map(|next| next.0),
    })
}

async fn told(call: &Call, address: &Jid) -> Result<ConversationGot, Fault> {
    Ok(ConversationGot { conversation: by_address(call, address).await? })
}

async fn get(call: Call, params: ConversationNamed) -> Result<ConversationGot, Fault> {
    told(&call, &conversation(&params.conversation)?).await
}

async fn open(call: Call, params: ConversationNamed) -> Result<ConversationGot, Fault> {
    let address = conversation(&params.conversation)?;
    call.chat().open_conversation(call.session(), &address).await?;
    told(&call, &address).await
}

async fn history(call: Call, params: ConversationHistory) -> Result<HistoryGot, Fault> {
    let address = conversation(&params.conversation)?;
    let span = match (params.before, params.after, params.around) {
        (None, None, None) => Span::Newest,
        (Some(before), None, None) => Span::Before(ArchiveId(before)),
        (None, Some(after), None) => Span::After(ArchiveId(after)),
        (None, None, Some(around)) => Span::Around(ArchiveId(around)),
        _ => return Err(Fault::field("before", "Of `before`, `after` and `around` only one may be there.")),
    };
    let limit = call.page(params.limit);
    let part = call.chat().conversation_part(call.session(), &address, span, limit).await?;
    Ok(HistoryGot {
        messages: conversations::messages(&call, &part.messages).await?,
        more_before: part.more_before,
        more_after: part.more_after,
    })
}

async fn read(call: Call, params: ConversationPlace) -> Result<ConversationGot, Fault> {
    let address = conversation(&params.conversation)?;
    call.chat().mark_read(call.session(), &address, ArchiveId(params.position)).await?;
    change_settings(&call, &address, |settings| settings.marked_unread = false).await?;
    told(&call, &address).await
}

async fn unread(call: Call, params: ConversationPlace) -> Result<ConversationGot, Fault> {
    let address = conversation(&params.conversation)?;
    call.chat().mark_unread(call.session(), &address, ArchiveId(params.position)).await?;
    change_settings(&call, &address, |settings| settings.marked_unread = true).await?;
    told(&call, &address).await
}

/// Changes how a conversation is kept, if that is otherwise than before.
async fn change_settings(
    call: &Call,
    address: &Jid,
    change: impl FnOnce(&mut ConversationSettings) + Send,
) -> Result<(), Fault> {
    let (owner, key) = (call.owner(), address.to_string());
    let content = call.chat().kept_in_step(&owner, StateKind::Settings, &key).await?;
    let before: ConversationSettings = kept(content.as_deref()).unwrap_or_default();
    let mut settings = before.clone();
    change(&mut settings);
    if settings == before {
        return Ok(());
    }
    let content =
        (settings != ConversationSettings::default()).then(|| crate::json::codec::written(&settings));
    call.chat().keep_in_step(vec![Item { owner, kind: StateKind::Settings, key, content }]).await?;
    Ok(())
}

async fn configure(call: Call, params: ConversationConfigure) -> Result<ConversationGot, Fault> {
    let address = conversation(&params.conversation)?;
    call.chat().reading(call.session(), &address).await?;
    let wanted = params.settings;
    if let Patch::Set(words) = &wanted.keywords {
        check_keywords("settings.keywords", words)?;
    }
    change_settings(&call, &address, |settings| {
        wanted.favourite.apply_or_default(&mut settings.favourite);
        wanted.section.apply(&mut settings.section);
        wanted.order.apply(&mut settings.order);
        wanted.hidden.apply_or_default(&mut settings.hidden);
        wanted.muted_until_ms.apply(&mut settings.muted_until_ms);
        wanted.notify.apply(&mut settings.notify);
        wanted.keywords.apply_or_default(&mut settings.keywords);
        wanted.marked_unread.apply_or_default(&mut settings.marked_unread);
    })
    .await?;
    told(&call, &address).await
}

async fn draft(call: Call, params: ConversationDraft) -> Result<Nothing, Fault> {
    let address = conversation(&params.conversation)?;
    call.chat().reading(call.session(), &address).await?;
    if params.draft.as_ref().is_some_and(|draft| draft.text.len() > call.config.text_bytes) {
        return Err(Fault::field("draft.text", format!("It may have {} bytes.", call.config.text_bytes)));
    }
    let changed_ms = call.chat().now_ms();
    let draft = params.draft.map(|draft| Draft {
        text: draft.text,
        reply_to: draft.reply_to,
        thread: draft.thread,
        changed_ms,
    });
    let content = draft.map(|draft| crate::json::codec::written(&draft));
    let item = Item { owner: call.owner(), kind: StateKind::Draft, key: address.to_string(), content };
    call.chat().keep_in_step(vec![item]).await?;
    Ok(Nothing {})
}

async fn typing(call: Call, params: ConversationTyping) -> Result<Nothing, Fault> {
    let address = conversation(&params.conversation)?;
    let room = call.chat().reading(call.session(), &address).await?.room;
    let state = match params.state {
        Typing::Composing => "composing",
        Typing::Paused => "paused",
    };
    let kind = if room { MessageType::Groupchat } else { MessageType::Chat };
    let message = Stanza::message(kind)
        .with_to(address)
        .with_from(call.session().jid.clone())
        .with_child(Element::new(ns::CHAT_STATES, state))
        .with_child(Element::new(ns::HINTS, "no-store"));
    call.chat().send(call.session(), message).await?;
    Ok(Nothing {})
}

async fn pins(call: Call, params: ConversationNamed) -> Result<MessagesGot, Fault> {
    let address = conversation(&params.conversation)?;
    let mut pinned = call.chat().pins(call.session(), &address).await?;
    pinned.sort_by_key(|item| std::cmp::Reverse(item.position));
    let mut views = Vec::with_capacity(pinned.len());
    for item in pinned {
        let id = named(&item.key).and_then(|(_, id)| call.chat().archive_ids().read(id));
        let Some(id) = id else { continue };
        match call.chat().conversation_message(call.session(), &address, id).await {
            Ok(view) => views.push(view),
            // It is gone by age.
            Err(waxwing_chat::Error::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(MessagesGot { messages: conversations::messages(&call, &views).await? })
}
