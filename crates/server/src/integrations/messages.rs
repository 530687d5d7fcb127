//! A message as programs get to see it in JSON: by the bots' API and by outgoing webhooks.

use schemars::JsonSchema;
use serde::Serialize;
use waxwing_chat::Chat;
use waxwing_chat::archive::ArchiveId;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

/// A message, or what somebody did to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Message {
    /// Its id: the `stanza-id` of XMPP.
    pub id: String,
    /// Its place in the order of all messages, in microseconds since the epoch.
    pub position: u64,
    /// When it was sent, in milliseconds since the epoch.
    pub at_ms: u64,
    /// The room or person it belongs to.
    pub conversation: String,
    /// Who sent it.
    pub from: Sender,
    /// What it says; empty where it only does something to another message.
    pub text: String,
    /// The id that its sender gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The thread it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The message whose text it replaces, by the id that its sender gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The message it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recalls: Option<String>,
    /// The message has been taken back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub recalled: bool,
    /// A reaction to another message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reaction: Option<Reaction>,
    /// Files that it carries, by their links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<String>,
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sender {
    /// His address; in a room where addresses are hidden, that of the room with his nickname.
    pub address: String,
    /// His nickname in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
}

/// A reaction: all that its sender now thinks of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Reaction {
    /// The message.
    pub id: String,
    /// The emoji; none takes all back.
    pub emojis: Vec<String>,
}

/// What a message of the archive is read with.
pub struct Archived<'a> {
    /// Its place.
    pub id: ArchiveId,
    /// The room or person.
    pub conversation: &'a Jid,
    /// Who really sent it, if that may be told.
    pub real: Option<&'a Jid>,
    /// In a room, whose nicknames stand in addresses.
    pub in_room: bool,
}

/// The stanza of a message of the archive.
pub fn stanza(xml: &[u8]) -> Option<Stanza> {
    Stanza::from_element(Element::parse(std::str::from_utf8(xml).ok()?).ok()?).ok()
}

impl Message {
    /// Reads a message.
    pub fn new(chat: &Chat, archived: &Archived<'_>, message: &Stanza) -> Self {
        let text = |namespace: &str, name: &str| {
            message
                .child(namespace, name)
                .map(|child| child.text().into_owned())
                .filter(|text| !text.is_empty())
        };
        let id_in = |namespace: &str, name: &str| {
            message.child(namespace, name).and_then(|child| child.attr("id").map(str::to_owned))
        };
        let reaction = message.child(ns::REACTIONS, "reactions").and_then(|reactions| {
            let emojis = reactions.children().filter(|child| child.is(ns::REACTIONS, "reaction"));
            let emojis = emojis.map(|child| child.text().into_owned()).collect();
            Some(Reaction { id: reactions.attr("id")?.to_owned(), emojis })
        });
        let links = message.children().filter(|child| child.is(ns::OOB, "x"));
        let links = links.filter_map(|child| Some(child.child(ns::OOB, "url")?.text().into_owned()));
        let from = message.from.as_ref();
        let shown = match (archived.real, from) {
            (Some(real), _) => real.bare_str().to_owned(),
            (None, Some(from)) if archived.in_room => from.to_string(),
            (None, Some(from)) => from.bare_str().to_owned(),
            (None, None) => archived.conversation.to_string(),
        };
        let nick = from.filter(|_| archived.in_room).and_then(|from| from.resource());
        Self {
            id: chat.archive_ids().show(archived.id),
            position: archived.id.0,
            at_ms: archived.id.stamp_ms(),
            conversation: archived.conversation.to_string(),
            from: Sender { address: shown, nick: nick.map(str::to_owned).or(text(ns::NICK, "nick")) },
            text: text(ns::CLIENT, "body").unwrap_or_default(),
            client_id: id_in(ns::STANZA_ID, "origin-id").or(message.id.as_deref().map(str::to_owned)),
            reply_to: id_in(ns::REPLY, "reply"),
            thread: text(ns::CLIENT, "thread"),
            replaces: id_in(ns::CORRECTION, "replace"),
            recalls: id_in(ns::RETRACTION, "retract"),
            recalled: message.child(ns::RETRACTION, "retracted").is_some(),
            reaction,
            attachments: links.collect(),
        }
    }
}
