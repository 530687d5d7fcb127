//! A message in JSON and in XMPP: which field is which element, in this place only. `docs/messages.md` shows the table.

use std::collections::HashMap;

use serde_json::Value;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::conversations::folding::MessageView;
use waxwing_chat::conversations::reading::Author;
use waxwing_chat::conversations::scheduled::Due;
use waxwing_chat::webhooks::incoming::carried;
use waxwing_chat::{Chat, Result};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::types::{
    self, Attachment, Edited, Mention, MentionKind, Message, MessageKind, Payload, Poll, Reaction, Recalled,
    Replies, ReplyTo, Sender,
};

/// The type of a payload that is JSON and says no more (XEP-0335).
pub(crate) const PLAIN_JSON: &str = "json";

/// How much of a message is shown where it is answered, in characters.
const QUOTED_CHARS: usize = 200;

/// What of a message another one says anew: the content, without what it refers to.
#[derive(Debug, Default)]
pub(crate) struct Content<'a> {
    pub(crate) text: &'a str,
    pub(crate) mentions: &'a [Mention],
    pub(crate) attachments: &'a [Attachment],
    pub(crate) poll: Option<&'a Poll>,
    pub(crate) payloads: &'a [Payload],
}

/// Writes content into a stanza. Links of files on this server are written as others find them.
pub(crate) fn write(
    chat: &Chat,
    content: &Content<'_>,
    conversation: &Jid,
    domain: &str,
    message: &mut Stanza,
) {
    let text = carried(content.text);
    let links: Vec<String> =
        content.attachments.iter().map(|file| carried(&outward(chat, domain, &file.url))).collect();
    let poll = content.poll.map(spoken);
    let body = match (text.is_empty(), &poll) {
        (true, Some(poll)) => poll.clone(),
        (true, None) => links.join("\n"),
        (false, _) => text.clone(),
    };
    if !body.is_empty() {
        message.append(Element::new(ns::CLIENT, "body").with_text(&body));
    }
    if text.is_empty() && poll.is_some() {
        message.append(fallback(ns::POLL));
    } else if text.is_empty() && !links.is_empty() {
        message.append(fallback(ns::FILE_SHARING));
    }
    for mention in content.mentions {
        let to = match (mention.kind, &mention.address) {
            (MentionKind::Person, Some(address)) => address.clone(),
            (MentionKind::Online, _) => format!("{conversation}?online"),
            _ => conversation.to_string(),
        };
        message.append(
            Element::new(ns::REFERENCE, "reference")
                .with_attr("type", "mention")
                .with_attr("begin", &mention.begin.to_string())
                .with_attr("end", &mention.end.to_string())
                .with_attr("uri", &format!("xmpp:{}", carried(&to))),
        );
    }
    for (number, (file, link)) in content.attachments.iter().zip(&links).enumerate() {
        message.append(shared(chat, domain, file, link, number));
    }
    // XEP-0066 clients show a file only where the body is its link.
    if let ([link], true) = (links.as_slice(), text.is_empty() && poll.is_none()) {
        message.append(Element::new(ns::OOB, "x").with_child(Element::new(ns::OOB, "url").with_text(link)));
    }
    if let Some(poll) = content.poll {
        message.append(payload(ns::POLL, &serde_json::json!(poll)));
        if poll.closed {
            message.append(Element::new(ns::POLL, "closed"));
        }
    }
    for one in content.payloads {
        message.append(match one.kind.as_str() {
            PLAIN_JSON => json(&one.value),
            kind => payload(kind, &one.value),
        });
    }
    if body.is_empty() {
        message.append(Element::new(ns::HINTS, "store"));
    }
}

/// A question as those read it whose clients know no polls.
fn spoken(poll: &Poll) -> String {
    let options = poll.options.iter().zip(1..).map(|(option, number)| format!("\n{number}. {option}"));
    carried(&std::iter::once(poll.question.clone()).chain(options).collect::<String>())
}

/// That the whole body is there for clients that do not know what it stands for (XEP-0428).
fn fallback(stands_for: &str) -> Element {
    Element::new(ns::FALLBACK, "fallback")
        .with_attr("for", stands_for)
        .with_child(Element::new(ns::FALLBACK, "body"))
}

fn json(value: &Value) -> Element {
    Element::new(ns::JSON, "json").with_text(&carried(&value.to_string()))
}

fn payload(kind: &str, value: &Value) -> Element {
    Element::new(ns::JSON_MESSAGE, "payload").with_attr("datatype", &carried(kind)).with_child(json(value))
}

/// A file as XEP-0447 shares it. Several have ids to tell them apart.
fn shared(chat: &Chat, domain: &str, file: &Attachment, link: &str, number: usize) -> Element {
    let mut about = Element::new(ns::FILE_METADATA, "file");
    let mut say = |name: &str, text: String| {
        about.append(Element::new(ns::FILE_METADATA, name).with_text(&carried(&text)));
    };
    say("media-type", file.media_type.clone());
    say("name", file.name.clone());
    say("size", file.bytes.to_string());
    for (name, number) in [("width", file.width), ("height", file.height)] {
        if let Some(number) = number {
            say(name, number.to_string());
        }
    }
    if let Some(length) = file.duration_ms {
        say("length", length.to_string());
    }
    if let Some(thumbnail) = &file.thumbnail {
        let uri = carried(&outward(chat, domain, thumbnail));
        about.append(Element::new(ns::THUMBS, "thumbnail").with_attr("uri", &uri));
    }
    if file.voice {
        about.append(Element::new(ns::MESSAGE, "voice"));
    }
    let shown = ["image/", "audio/", "video/"].iter().any(|kind| file.media_type.starts_with(kind));
    let source = Element::new(ns::URL_DATA, "url-data").with_attr("target", link);
    Element::new(ns::FILE_SHARING, "file-sharing")
        .with_attr("disposition", if shown { "inline" } else { "attachment" })
        .with_attr("id", &number.to_string())
        .with_child(about)
        .with_child(Element::new(ns::FILE_SHARING, "sources").with_child(source))
}

/// A link as others find it: paths on this origin become whole.
fn outward(chat: &Chat, domain: &str, url: &str) -> String {
    chat.settings().files.link_of_path(domain, url).unwrap_or_else(|| url.to_owned())
}

/// A link as a page of this server finds it, whatever address the page came from.
fn inward(chat: &Chat, link: &str) -> String {
    let settings = chat.settings();
    settings.files.path_of_link(&settings.domains, link).unwrap_or_else(|| link.to_owned())
}

/// The names of people, each looked up once.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<Jid, String>);

impl Names {
    /// The name to show for an address.
    pub(crate) async fn of(&mut self, chat: &Chat, address: &Jid) -> Result<String> {
        if let Some(known) = self.0.get(address) {
            return Ok(known.clone());
        }
        let known = chat.name_of(address).await?;
        let name = known.unwrap_or_else(|| address.local().unwrap_or(address.domain()).to_owned());
        self.0.insert(address.clone(), name.clone());
        Ok(name)
    }

    async fn sender(&mut self, chat: &Chat, author: &Author) -> Result<Sender> {
        let name = match (&author.nick, author.address.is_bare()) {
            // Whoever may not know the person knows the nickname.
            (Some(nick), false) => nick.clone(),
            _ => self.of(chat, &author.address).await?,
        };
        Ok(Sender { address: author.address.to_string(), name, nick: author.nick.clone() })
    }
}

/// A message as it is shown. What only its reader keeps about it, and that it is pinned, is added by whoever knows.
pub(crate) async fn shown(chat: &Chat, view: &MessageView, names: &mut Names) -> Result<Message> {
    let show = |id: ArchiveId| chat.archive_ids().show(id);
    let content = &view.content;
    let reply_to = match &view.answers {
        None => None,
        Some(answered) => Some(reply_to(chat, answered, view, names).await?),
    };
    let is_from_room = view.in_room && view.author.address == view.conversation;
    let mut message = Message {
        id: show(view.id),
        conversation: view.conversation.to_string(),
        position: view.id.0,
        client_id: client_id(&view.original),
        from: names.sender(chat, &view.author).await?,
        kind: if is_from_room { MessageKind::System } else { MessageKind::Message },
        text: text(content),
        mentions: Vec::new(),
        attachments: Vec::new(),
        reply_to,
        thread: view.thread.map(show),
        replies: view.replies.as_ref().map(|replies| Replies {
            count: u32::try_from(replies.count).unwrap_or(u32::MAX),
            last: replies.last.0,
            people: replies.people.iter().map(ToString::to_string).collect(),
        }),
        reactions: view
            .reactions
            .iter()
            .map(|reaction| Reaction {
                emoji: reaction.emoji.clone(),
                by: reaction.by.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        edited: view.edited.map(|edited| Edited {
            at_ms: edited.at.stamp_ms(),
            count: u32::try_from(edited.count).unwrap_or(u32::MAX),
        }),
        recalled: view.retracted.as_ref().map(|retracted| Recalled {
            at_ms: retracted.at_ms,
            by: retracted.by.as_ref().map(ToString::to_string),
            reason: retracted.reason.clone(),
        }),
        pinned: None,
        poll: None,
        payloads: Vec::new(),
        encrypted: is_encrypted(content),
        saved: false,
    };
    if message.recalled.is_some() {
        message.text = String::new();
        return Ok(message);
    }
    if message.encrypted {
        message.text = String::new();
    }
    message.mentions = mentions(content, &view.conversation);
    // A correction says the text anew; files and data of the first stay unless it brings others.
    let files = attachments(chat, content).await?;
    message.attachments = if files.is_empty() { attachments(chat, &view.original).await? } else { files };
    message.poll = poll_of(view);
    message.payloads = payloads(if has_payload(content) { content } else { &view.original });
    Ok(message)
}

async fn reply_to(
    chat: &Chat,
    answered: &waxwing_chat::conversations::folding::Answered,
    view: &MessageView,
    names: &mut Names,
) -> Result<ReplyTo> {
    let Some(quoted) = &answered.found else {
        let named = view.original.child(ns::REPLY, "reply").and_then(|reply| reply.attr("id"));
        let id = named.unwrap_or_default().to_owned();
        return Ok(ReplyTo { id, from: None, text: None, missing: true });
    };
    let said: String = text(&quoted.content).chars().take(QUOTED_CHARS).collect();
    let gone = quoted.content.child(ns::RETRACTION, "retracted").is_some();
    Ok(ReplyTo {
        id: chat.archive_ids().show(quoted.id),
        from: Some(names.sender(chat, &quoted.author).await?),
        text: Some(said).filter(|_| !gone),
        missing: gone,
    })
}

/// A message as it is quoted by one that answers it.
pub(crate) async fn quoted(chat: &Chat, view: &MessageView, names: &mut Names) -> Result<ReplyTo> {
    let said: String = text(&view.content).chars().take(QUOTED_CHARS).collect();
    let gone = view.retracted.is_some();
    Ok(ReplyTo {
        id: chat.archive_ids().show(view.id),
        from: Some(names.sender(chat, &view.author).await?),
        text: Some(said).filter(|_| !gone),
        missing: gone,
    })
}

/// The id that its sender's client gave a message.
pub(crate) fn client_id(stanza: &Stanza) -> Option<String> {
    let origin = stanza.child(ns::STANZA_ID, "origin-id").and_then(|o| o.attr("id").map(str::to_owned));
    origin.or_else(|| stanza.id.as_deref().map(str::to_owned))
}

/// What a message says, without what stands there for clients that do not know better (XEP-0428).
pub(crate) fn text(stanza: &Stanza) -> String {
    let Some(body) = stanza.child(ns::CLIENT, "body").map(|body| body.text().into_owned()) else {
        return String::new();
    };
    // XEP-0066: the body repeats the link.
    let links = stanza.children().filter(|child| child.is(ns::OOB, "x"));
    let links: Vec<_> = links.filter_map(|x| Some(x.child(ns::OOB, "url")?.text().into_owned())).collect();
    if links.iter().any(|link| *link == body.trim()) {
        return String::new();
    }
    let cut = cut_out(stanza);
    if cut.is_empty() {
        return body;
    }
    let kept = body.chars().zip(0u32..).filter(|(_, at)| !cut.iter().any(|(from, to)| at >= from && at < to));
    kept.map(|(letter, _)| letter).collect()
}

/// How many parts of a body are cut out at most; who has more is shown the rest as it is.
const FALLBACK_PARTS_LIMIT: usize = 16;

/// The parts of a body that stand for something this face shows otherwise, in code points (XEP-0426).
fn cut_out(stanza: &Stanza) -> Vec<(u32, u32)> {
    let known = [ns::REPLY, ns::FILE_SHARING, ns::POLL];
    let mut parts = Vec::new();
    for fallback in stanza.children().filter(|child| child.is(ns::FALLBACK, "fallback")) {
        if parts.len() >= FALLBACK_PARTS_LIMIT {
            break;
        }
        if !fallback.attr("for").is_some_and(|stands_for| known.contains(&stands_for)) {
            continue;
        }
        let mut bodies = fallback.children().filter(|child| child.is(ns::FALLBACK, "body")).peekable();
        if bodies.peek().is_none() && fallback.children().next().is_none() {
            parts.push((0, u32::MAX));
        }
        for body in bodies.take(FALLBACK_PARTS_LIMIT) {
            let at =
                |name: &str, otherwise| body.attr(name).and_then(|n| n.parse().ok()).unwrap_or(otherwise);
            parts.push((at("start", 0), at("end", u32::MAX)));
        }
    }
    parts
}

/// Who is mentioned, and where in the text as it is shown.
pub(crate) fn mentions(stanza: &Stanza, conversation: &Jid) -> Vec<Mention> {
    let cut = cut_out(stanza);
    let moved = |at: u32| {
        let gone = cut.iter().map(|(from, to)| (*to).min(at).saturating_sub((*from).min(at))).sum::<u32>();
        at.saturating_sub(gone)
    };
    let read = |child: ElementRef<'_>| {
        let uri = child.attr("uri").filter(|_| child.is(ns::REFERENCE, "reference"))?;
        let to = uri.strip_prefix("xmpp:").filter(|_| child.attr("type") == Some("mention"))?;
        let (address, query) = to.split_once('?').unwrap_or((to, ""));
        let address = Jid::new(address).ok()?;
        let kind = match address == *conversation {
            true if query == "online" => MentionKind::Online,
            true => MentionKind::Room,
            false => MentionKind::Person,
        };
        let place = |name| child.attr(name).and_then(|n| n.parse().ok()).map(moved);
        Some(Mention {
            kind,
            address: (kind == MentionKind::Person).then(|| address.to_string()),
            begin: place("begin").unwrap_or_default(),
            end: place("end").unwrap_or_default(),
        })
    };
    stanza.children().filter_map(read).collect()
}

/// The files of a message: shared by XEP-0447, or named by a link alone (XEP-0066).
async fn attachments(chat: &Chat, stanza: &Stanza) -> Result<Vec<Attachment>> {
    let shared = stanza.children().filter(|child| child.is(ns::FILE_SHARING, "file-sharing"));
    let mut files: Vec<Attachment> = shared.filter_map(|child| read_shared(chat, child)).collect();
    if !files.is_empty() {
        return Ok(files);
    }
    let links = stanza.children().filter(|child| child.is(ns::OOB, "x"));
    let links = links.filter_map(|x| Some(x.child(ns::OOB, "url")?.text().into_owned()));
    for link in links.filter(|link| is_link(link)).collect::<Vec<_>>() {
        let name = link.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let mut file =
            Attachment { name: name.to_owned(), url: inward(chat, &link), ..Attachment::default() };
        match chat.file_behind(&link).await? {
            Some(known) => {
                file.name = known.name;
                file.bytes = known.size;
                file.media_type = known.media_type.unwrap_or_else(|| OCTETS.to_owned());
            }
            None => file.media_type = OCTETS.to_owned(),
        }
        files.push(file);
    }
    Ok(files)
}

/// The type of whatever says no more.
const OCTETS: &str = "application/octet-stream";

/// Whether a page may show a link: others could run what they hold.
fn is_link(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("http://")
}

fn read_shared(chat: &Chat, shared: ElementRef<'_>) -> Option<Attachment> {
    let about = shared.child(ns::FILE_METADATA, "file")?;
    let said = |name: &str| {
        about
            .child(ns::FILE_METADATA, name)
            .map(|child| child.text().trim().to_owned())
            .filter(|t| !t.is_empty())
    };
    let source = shared.child(ns::FILE_SHARING, "sources").and_then(|sources| {
        sources.child(ns::URL_DATA, "url-data").and_then(|data| data.attr("target").map(str::to_owned))
    });
    let thumbnail =
        about.child(ns::THUMBS, "thumbnail").and_then(|thumb| thumb.attr("uri").map(str::to_owned));
    let url = source.filter(|link| is_link(link));
    Some(Attachment {
        missing: url.is_none(),
        url: url.map(|url| inward(chat, &url)).unwrap_or_default(),
        name: said("name").unwrap_or_default(),
        media_type: said("media-type").unwrap_or_else(|| OCTETS.to_owned()),
        bytes: said("size").and_then(|n| n.parse().ok()).unwrap_or_default(),
        width: said("width").and_then(|n| n.parse().ok()),
        height: said("height").and_then(|n| n.parse().ok()),
        duration_ms: said("length").and_then(|n| n.parse().ok()),
        voice: about.child(ns::MESSAGE, "voice").is_some(),
        thumbnail: thumbnail.filter(|link| is_link(link)).map(|link| inward(chat, &link)),
    })
}

/// Whether it holds data for programs, polls aside.
fn has_payload(stanza: &Stanza) -> bool {
    stanza.children().any(|child| {
        child.is(ns::JSON, "json")
            || child.is(ns::JSON_MESSAGE, "payload") && child.attr("datatype") != Some(ns::POLL)
    })
}

/// The JSON in an element.
fn value(holder: ElementRef<'_>) -> Option<Value> {
    serde_json::from_str(&holder.text()).ok()
}

/// The question that a message asks, as it now is, or as it was when it was closed.
pub(crate) fn poll_of(view: &MessageView) -> Option<Poll> {
    let newest = view.closed.as_ref().map_or(&view.content, |closed| &closed.content);
    let poll = poll(newest).or_else(|| poll(&view.original))?;
    Some(Poll { closed: view.closed.is_some(), ..poll })
}

fn poll(stanza: &Stanza) -> Option<Poll> {
    let mut payloads = stanza.children().filter(|child| child.is(ns::JSON_MESSAGE, "payload"));
    let poll = payloads.find(|child| child.attr("datatype") == Some(ns::POLL))?;
    serde_json::from_value(value(poll.child(ns::JSON, "json")?)?).ok()
}

/// Data for programs (XEP-0335, XEP-0432); what is no JSON is left out.
fn payloads(stanza: &Stanza) -> Vec<Payload> {
    let read = |child: ElementRef<'_>| {
        if child.is(ns::JSON, "json") {
            return Some(Payload { kind: PLAIN_JSON.to_owned(), value: value(child)? });
        }
        let kind = child.attr("datatype").filter(|_| child.is(ns::JSON_MESSAGE, "payload"))?;
        if kind == ns::POLL {
            return None;
        }
        Some(Payload { kind: kind.to_owned(), value: value(child.child(ns::JSON, "json")?)? })
    };
    stanza.children().filter_map(read).collect()
}

/// Encrypted from end to end (XEP-0380, XEP-0384, XEP-0373).
fn is_encrypted(stanza: &Stanza) -> bool {
    stanza.children().any(|child| {
        matches!(
            (child.ns(), child.name()),
            (ns::ENCRYPTION, "encryption")
                | (ns::OMEMO | ns::OMEMO_LEGACY, "encrypted")
                | (ns::OPENPGP, "openpgp")
        )
    })
}

/// A message that is to be sent later; `None` where it cannot be read.
pub(crate) async fn scheduled(chat: &Chat, due: &Due) -> Result<Option<types::Scheduled>> {
    let Some(to) = &due.message.to else { return Ok(None) };
    Ok(Some(types::Scheduled {
        id: due.id.clone(),
        conversation: to.bare_str().to_owned(),
        at_ms: due.at_ms,
        text: text(&due.message),
        attachments: attachments(chat, &due.message).await?,
        failed: due.failed.clone(),
    }))
}

/// What a message said in each of its versions.
pub(crate) fn version(stanza: &Stanza, at: ArchiveId) -> types::MessageVersion {
    types::MessageVersion { text: text(stanza), at_ms: at.stamp_ms() }
}
