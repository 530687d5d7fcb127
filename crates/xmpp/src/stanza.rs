//! Stanzas: messages, presence and IQs with their addresses (RFC 6120 section 8), and their bytes.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use crate::error::{Condition, StanzaError};
use crate::jid::Jid;
use crate::ns;
use crate::xml::{Attribute, Element, ElementRef, write_attribute, write_attributes, write_with_attributes};

/// What a stanza is, with its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Pushed to another entity.
    Message(MessageType),
    /// Broadcast to whoever is subscribed, or about subscriptions.
    Presence(PresenceType),
    /// A request or its answer.
    Iq(IqType),
}

/// RFC 6121 section 5.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// A single message; also what unknown types are handled as.
    Normal,
    /// Part of a conversation between two.
    Chat,
    /// Part of a conversation in a room.
    Groupchat,
    /// An alert that expects no reply.
    Headline,
    /// An earlier message could not be handled.
    Error,
}

/// RFC 6121 section 4.7.1; `Available` is the absence of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PresenceType {
    /// The sender is there.
    Available,
    /// The sender is no longer there.
    Unavailable,
    /// The sender asks to see the recipient's presence.
    Subscribe,
    /// The sender lets the recipient see its presence.
    Subscribed,
    /// The sender no longer wants to see the recipient's presence.
    Unsubscribe,
    /// The sender no longer lets the recipient see its presence, or refuses.
    Unsubscribed,
    /// A server asks for current presence.
    Probe,
    /// An earlier presence could not be handled.
    Error,
}

/// RFC 6120 section 8.2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IqType {
    /// Asks for information.
    Get,
    /// Asks for a change.
    Set,
    /// Answers with success.
    Result,
    /// Answers with failure.
    Error,
}

impl Kind {
    /// The kind that an element's name and `type` attribute say; nothing when it is no stanza.
    fn read(name: &str, type_: Option<&str>) -> Option<Result<Kind, StanzaError>> {
        let kind = match name {
            // Unknown types are handled as normal (RFC 6121 section 5.2.2).
            "message" => Kind::Message(match type_ {
                Some("chat") => MessageType::Chat,
                Some("groupchat") => MessageType::Groupchat,
                Some("headline") => MessageType::Headline,
                Some("error") => MessageType::Error,
                _ => MessageType::Normal,
            }),
            "presence" => Kind::Presence(match type_ {
                None => PresenceType::Available,
                Some("unavailable") => PresenceType::Unavailable,
                Some("subscribe") => PresenceType::Subscribe,
                Some("subscribed") => PresenceType::Subscribed,
                Some("unsubscribe") => PresenceType::Unsubscribe,
                Some("unsubscribed") => PresenceType::Unsubscribed,
                Some("probe") => PresenceType::Probe,
                Some("error") => PresenceType::Error,
                Some(_) => return Some(Err(bad_request("unknown type of presence"))),
            }),
            "iq" => Kind::Iq(match type_ {
                Some("get") => IqType::Get,
                Some("set") => IqType::Set,
                Some("result") => IqType::Result,
                Some("error") => IqType::Error,
                _ => {
                    return Some(Err(bad_request("an iq needs one of the types get, set, result, error")));
                }
            }),
            _ => return None,
        };
        Some(Ok(kind))
    }

    /// The name of the element.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Message(_) => "message",
            Kind::Presence(_) => "presence",
            Kind::Iq(_) => "iq",
        }
    }

    /// The value of the `type` attribute; none where its absence says the same.
    pub fn type_str(self) -> Option<&'static str> {
        match self {
            Kind::Message(MessageType::Normal) | Kind::Presence(PresenceType::Available) => None,
            Kind::Message(MessageType::Chat) => Some("chat"),
            Kind::Message(MessageType::Groupchat) => Some("groupchat"),
            Kind::Message(MessageType::Headline) => Some("headline"),
            Kind::Presence(PresenceType::Unavailable) => Some("unavailable"),
            Kind::Presence(PresenceType::Subscribe) => Some("subscribe"),
            Kind::Presence(PresenceType::Subscribed) => Some("subscribed"),
            Kind::Presence(PresenceType::Unsubscribe) => Some("unsubscribe"),
            Kind::Presence(PresenceType::Unsubscribed) => Some("unsubscribed"),
            Kind::Presence(PresenceType::Probe) => Some("probe"),
            Kind::Iq(IqType::Get) => Some("get"),
            Kind::Iq(IqType::Set) => Some("set"),
            Kind::Iq(IqType::Result) => Some("result"),
            Kind::Message(MessageType::Error)
            | Kind::Presence(PresenceType::Error)
            | Kind::Iq(IqType::Error) => Some("error"),
        }
    }

    /// Whether this is an error.
    pub fn is_error(self) -> bool {
        self == self.as_error()
    }

    /// Whether this is an IQ that must be answered (RFC 6120 section 8.2.3).
    pub fn is_request(self) -> bool {
        matches!(self, Kind::Iq(IqType::Get | IqType::Set))
    }

    /// The error of the same stanza.
    fn as_error(self) -> Kind {
        match self {
            Kind::Message(_) => Kind::Message(MessageType::Error),
            Kind::Presence(_) => Kind::Presence(PresenceType::Error),
            Kind::Iq(_) => Kind::Iq(IqType::Error),
        }
    }

    /// Whether an error may answer it: neither errors nor results are answered (RFC 6120 section 8.3.1).
    fn may_fail(self) -> bool {
        !self.is_error() && self != Kind::Iq(IqType::Result)
    }
}

/// A message, presence or IQ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stanza {
    /// What it is.
    pub kind: Kind,
    /// The sender, as the server stamped it.
    pub from: Option<Jid>,
    /// The addressee; none means the sender's own account.
    pub to: Option<Jid>,
    /// What the sender calls it.
    pub id: Option<Box<str>>,
    /// The language of its texts.
    pub lang: Option<Box<str>>,
    /// The root and all its content. The root's `from`, `to`, `id`, `type` and `xml:lang` are not read any more once
    /// the stanza is made: the fields above are written in their place. Its other attributes are kept.
    pub element: Element,
}

/// A stanza without its content: enough to answer it.
#[derive(Clone, Debug)]
pub struct Header {
    kind: Kind,
    from: Option<Jid>,
    to: Option<Jid>,
    id: Option<Box<str>>,
    /// The namespace of the stanza itself.
    ns: &'static str,
}

impl Header {
    /// Checks what every stanza has to keep to (RFC 6120 sections 8.1 to 8.3).
    fn read(element: &Element) -> Result<Header, StanzaError> {
        let kind = match Kind::read(element.name(), element.attr("type")) {
            Some(kind) if matches!(element.ns(), ns::CLIENT | ns::SERVER) => kind?,
            _ => return Err(bad_request("the element is no stanza")),
        };
        let address = |name: &str| match element.attr(name).map(Jid::new) {
            None => Ok(None),
            Some(Ok(jid)) => Ok(Some(jid)),
            Some(Err(reason)) => {
                Err(StanzaError::new(Condition::JidMalformed).with_text(format!("{name}: {reason}")))
            }
        };
        let (from, to) = (address("from")?, address("to")?);
        if let Kind::Iq(type_) = kind {
            if element.attr("id").is_none_or(str::is_empty) {
                return Err(bad_request("an iq needs an id"));
            }
            if matches!(type_, IqType::Get | IqType::Set) && element.children().count() != 1 {
                return Err(bad_request("an iq of this type has exactly one child element"));
            }
        }
        let id = element.attr("id").map(Into::into);
        Ok(Header { kind, from, to, id, ns: content_ns(element) })
    }

    /// Whom the stanza is for.
    pub fn to(&self) -> Option<&Jid> {
        self.to.as_ref()
    }

    /// The error that answers the stanza; none when it is itself an error or a result (RFC 6120 section 8.3.1).
    pub fn error_reply(&self, error: StanzaError) -> Option<Stanza> {
        let child = self.kind.may_fail().then(|| error.to_element(self.ns))?;
        Some(self.clone().answer(self.kind.as_error()).with_child(child))
    }

    /// An empty stanza back to the sender.
    fn answer(self, kind: Kind) -> Stanza {
        let element = Element::new(self.ns, kind.name());
        Stanza { kind, from: self.to, to: self.from, id: self.id, lang: None, element }
    }
}

/// The namespace of a stanza, which is one of two.
fn content_ns(stanza: &Element) -> &'static str {
    if stanza.ns() == ns::SERVER { ns::SERVER } else { ns::CLIENT }
}

/// A stanza that cannot be handled, and the answer to it.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What is wrong with it.
    pub error: StanzaError,
    /// What to send back; none when the stanza is itself an error or a result. It has no addresses yet.
    pub reply: Option<Stanza>,
}

impl Refusal {
    fn of(element: &Element, error: StanzaError) -> Refusal {
        // A type that cannot be read is no error or result, so an answer does no harm.
        let kind = match Kind::read(element.name(), element.attr("type")) {
            Some(Ok(kind)) if kind.may_fail() => Some(kind.as_error()),
            Some(Err(_)) if element.name() == "iq" => Some(Kind::Iq(IqType::Error)),
            Some(Err(_)) => Some(Kind::Presence(PresenceType::Error)),
            _ => None,
        };
        let content_ns = element.ns();
        let reply = kind.map(|kind| Stanza {
            kind,
            from: None,
            to: None,
            id: element.attr("id").map(Into::into),
            lang: None,
            element: Element::new(content_ns, kind.name()).with_child(error.to_element(content_ns)),
        });
        Refusal { error, reply }
    }
}

impl Stanza {
    /// Checks an element and takes it as a stanza (RFC 6120 sections 8.1 to 8.3).
    pub fn from_element(element: Element) -> Result<Stanza, StanzaError> {
        Ok(Stanza::with_header(Header::read(&element)?, element))
    }

    fn with_header(header: Header, element: Element) -> Stanza {
        let lang = element.lang().map(Into::into);
        Stanza { kind: header.kind, from: header.from, to: header.to, id: header.id, lang, element }
    }

    /// Like [`Stanza::from_element`], and when that fails, with the answer that the sender is owed.
    pub fn accept(element: Element) -> Result<Stanza, Box<Refusal>> {
        match Header::read(&element) {
            Ok(header) => Ok(Stanza::with_header(header, element)),
            Err(error) => Err(Box::new(Refusal::of(&element, error))),
        }
    }

    fn new(kind: Kind) -> Stanza {
        let element = Element::new(ns::CLIENT, kind.name());
        Stanza { kind, from: None, to: None, id: None, lang: None, element }
    }

    /// An empty message.
    pub fn message(type_: MessageType) -> Stanza {
        Stanza::new(Kind::Message(type_))
    }

    /// An empty presence.
    pub fn presence(type_: PresenceType) -> Stanza {
        Stanza::new(Kind::Presence(type_))
    }

    /// An empty IQ.
    pub fn iq(type_: IqType, id: &str) -> Stanza {
        Stanza::new(Kind::Iq(type_)).with_id(id)
    }

    /// This stanza to that address.
    #[must_use]
    pub fn with_to(mut self, to: Jid) -> Stanza {
        self.to = Some(to);
        self
    }

    /// This stanza from that address.
    #[must_use]
    pub fn with_from(mut self, from: Jid) -> Stanza {
        self.from = Some(from);
        self
    }

    /// This stanza with that id.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Stanza {
        self.id = Some(id.into());
        self
    }

    /// This stanza in that language.
    #[must_use]
    pub fn with_lang(mut self, lang: &str) -> Stanza {
        self.lang = Some(lang.into());
        self
    }

    /// This stanza with another child at its end.
    #[must_use]
    pub fn with_child(mut self, child: Element) -> Stanza {
        self.append(child);
        self
    }

    /// Adds a child at the end.
    pub fn append(&mut self, child: Element) {
        self.element.append(child);
    }

    /// The child elements.
    pub fn children(&self) -> impl Iterator<Item = ElementRef<'_>> {
        self.element.children()
    }

    /// The first child element with that expanded name.
    pub fn child(&self, ns: &str, name: &str) -> Option<ElementRef<'_>> {
        self.element.child(ns, name)
    }

    /// The first child element: the payload of an IQ.
    pub fn payload(&self) -> Option<ElementRef<'_>> {
        self.children().next()
    }

    /// The error, when this stanza is one.
    pub fn error(&self) -> Option<StanzaError> {
        if !self.kind.is_error() {
            return None;
        }
        let error = self.child(self.element.ns(), "error");
        Some(error.map_or(StanzaError::new(Condition::UndefinedCondition), StanzaError::from_element))
    }

    /// The result of this IQ request, still empty.
    pub fn reply(&self) -> Stanza {
        self.header().answer(Kind::Iq(IqType::Result))
    }

    /// This answer as an error, behind what it holds.
    #[must_use]
    pub fn refused(mut self, error: StanzaError) -> Stanza {
        self.kind = self.kind.as_error();
        let child = error.to_element(content_ns(&self.element));
        self.with_child(child)
    }

    /// The error that answers this stanza; none when it is itself an error or a result (RFC 6120 section 8.3.1).
    pub fn error_reply(&self, error: StanzaError) -> Option<Stanza> {
        self.header().error_reply(error)
    }

    /// What an answer needs to know of this stanza.
    pub fn header(&self) -> Header {
        Header {
            kind: self.kind,
            from: self.from.clone(),
            to: self.to.clone(),
            id: self.id.clone(),
            ns: content_ns(&self.element),
        }
    }

    /// The whole stanza as an element, for putting it into another.
    pub fn to_element(&self) -> Element {
        let mut element = self.element.clone();
        let header = [
            ("from", self.from.as_ref().map(Jid::as_str)),
            ("to", self.to.as_ref().map(Jid::as_str)),
            ("id", self.id.as_deref()),
            ("type", self.kind.type_str()),
        ];
        for (name, value) in header {
            match value {
                Some(value) => element.set_attr(name, value),
                None => element.remove_attr(name),
            }
        }
        if let Some(lang) = &self.lang {
            element.set_attr_ns(ns::XML, "lang", lang);
        }
        element
    }

    /// Writes canonical XML. `scope_ns` is the default namespace in force where it is put, empty for none.
    pub fn write(&self, out: &mut Vec<u8>, scope_ns: &str) {
        self.write_marking_to(out, scope_ns);
    }

    /// Does so, and says where in `out` the attribute `to` stands, or would stand.
    fn write_marking_to(&self, out: &mut Vec<u8>, scope_ns: &str) -> usize {
        let mut place = 0;
        write_with_attributes(self.element.root(), out, scope_ns, |out| {
            if let Some(from) = &self.from {
                write_attribute("", "from", from.as_str(), out);
            }
            place = out.len();
            let mut attribute = |prefix: &str, name: &str, value: Option<&str>| {
                if let Some(value) = value {
                    write_attribute(prefix, name, value, out);
                }
            };
            attribute("", "to", self.to.as_ref().map(Jid::as_str));
            attribute("", "id", self.id.as_deref());
            attribute("", "type", self.kind.type_str());
            attribute("xml:", "lang", self.lang.as_deref());
            write_attributes(self.element.attrs().filter(|other| !is_header(other)), out);
        });
        place
    }
}

/// Whether a stanza's own field is written in place of an attribute.
fn is_header(attribute: &Attribute<'_>) -> bool {
    match attribute.ns {
        "" => matches!(attribute.name, "from" | "to" | "id" | "type"),
        ns::XML => attribute.name == "lang",
        _ => false,
    }
}

fn bad_request(text: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_text(text)
}

/// How a stanza is put on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Inside a stream whose header declared `jabber:client` as the default namespace.
    Stream,
    /// On its own, as in a WebSocket message (RFC 7395 section 3.3).
    WebSocket,
}

impl Wire {
    /// The default namespace in force around a stanza; empty for none.
    fn scope_ns(self) -> &'static str {
        match self {
            Wire::Stream => ns::CLIENT,
            Wire::WebSocket => "",
        }
    }
}

/// A stanza shared by all who receive it, encoded at most once for each kind of connection.
#[derive(Debug)]
pub struct Outgoing {
    stanza: Stanza,
    stream: OnceLock<Encoded>,
    websocket: OnceLock<Encoded>,
    to: To,
}

/// Whose address a shared stanza bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    /// The one that the stanza says.
    Said,
    /// Each receiver's own.
    Receiver,
    /// The bare one of each receiver.
    Account,
}

impl To {
    /// What is put in for a receiver.
    fn of(self, receiver: &Jid) -> Option<&str> {
        match self {
            Self::Said => None,
            Self::Receiver => Some(receiver.as_str()),
            Self::Account => Some(receiver.bare_str()),
        }
    }
}

/// The bytes, and where in them the attribute `to` belongs.
type Encoded = (Box<[u8]>, usize);

impl Outgoing {
    /// A stanza that will not change any more.
    pub fn new(stanza: Stanza) -> Outgoing {
        Outgoing { stanza, stream: OnceLock::new(), websocket: OnceLock::new(), to: To::Said }
    }

    /// A stanza that goes to many, each of whom gets it with his own address in it. It is still encoded once: the address
    /// is put in while the bytes are copied to a connection ([`Outgoing::write`]).
    pub fn for_many(mut stanza: Stanza) -> Outgoing {
        stanza.to = None;
        Outgoing { to: To::Receiver, ..Outgoing::new(stanza) }
    }

    /// The same with the bare address of each in it: what is sent to accounts, and all their sessions get.
    pub fn for_accounts(mut stanza: Stanza) -> Outgoing {
        stanza.to = None;
        Outgoing { to: To::Account, ..Outgoing::new(stanza) }
    }

    /// The stanza, without its address if it is one for many.
    pub fn stanza(&self) -> &Stanza {
        &self.stanza
    }

    /// The stanza as this receiver gets it.
    pub fn stanza_for(&self, receiver: &Jid) -> Cow<'_, Stanza> {
        match self.to {
            To::Said => Cow::Borrowed(&self.stanza),
            To::Receiver => Cow::Owned(self.stanza.clone().with_to(receiver.clone())),
            To::Account => Cow::Owned(self.stanza.clone().with_to(receiver.to_bare())),
        }
    }

    /// Bytes that it holds in memory, the encoded form that nearly every receiver needs included.
    pub fn memory(&self) -> usize {
        2 * self.stanza.element.memory()
    }

    /// Adds its bytes for a receiver's connection. They are kept for others only where there are any: most stanzas have one
    /// receiver, for whom they are written straight into what is sent.
    pub fn write(self: &Arc<Self>, receiver: &Jid, wire: Wire, out: &mut Vec<u8>) {
        let encoded = match wire {
            Wire::Stream => &self.stream,
            Wire::WebSocket => &self.websocket,
        };
        let scope_ns = wire.scope_ns();
        let to = self.to.of(receiver);
        if to.is_none() && Arc::strong_count(self) == 1 && encoded.get().is_none() {
            return self.stanza.write(out, scope_ns);
        }
        let (bytes, place) = encoded.get_or_init(|| {
            let mut bytes = Vec::with_capacity(512);
            let place = self.stanza.write_marking_to(&mut bytes, scope_ns);
            (bytes.into(), place)
        });
        let Some(to) = to else {
            return out.extend_from_slice(bytes);
        };
        let (before, after) = bytes.split_at(*place);
        out.extend_from_slice(before);
        write_attribute("", "to", to, out);
        out.extend_from_slice(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(xml: &str) -> Result<Stanza, StanzaError> {
        Stanza::from_element(Element::parse(xml).unwrap())
    }

    fn written(stanza: &Stanza) -> String {
        let mut out = Vec::new();
        stanza.write(&mut out, ns::CLIENT);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_fields_are_written_in_place_of_the_attributes() {
        let mut message = stanza(
            "<message xmlns='jabber:client' from='forged@evil.example' to='Juliet@Example.com' id='1' type='chat' \
             xml:lang='en' xmlns:o='urn:other' o:from='kept' odd='kept'><body>hi</body></message>",
        )
        .unwrap();
        assert_eq!(message.kind, Kind::Message(MessageType::Chat));
        assert_eq!((message.id.as_deref(), message.lang.as_deref()), (Some("1"), Some("en")));
        message.from = Some("romeo@example.com/orchard".parse().unwrap());
        assert_eq!(
            written(&message),
            "<message from='romeo@example.com/orchard' to='juliet@example.com' id='1' type='chat' xml:lang='en' \
             xmlns:a0='urn:other' a0:from='kept' odd='kept'><body>hi</body></message>"
        );
    }

    #[test]
    fn types_go_both_ways() {
        let types = [
            ("message", &["", "chat", "groupchat", "headline", "error"][..]),
            (
                "presence",
                &[
                    "",
                    "unavailable",
                    "subscribe",
                    "subscribed",
                    "unsubscribe",
                    "unsubscribed",
                    "probe",
                    "error",
                ],
            ),
            ("iq", &["get", "set", "result", "error"]),
        ];
        for (name, types) in types {
            for type_ in types {
                let attribute = if type_.is_empty() { String::new() } else { format!(" type='{type_}'") };
                let xml = format!("<{name} id='1'{attribute}><x xmlns='urn:x'/></{name}>");
                let parsed = stanza(&xml.replacen(' ', " xmlns='jabber:client' ", 1)).unwrap();
                assert_eq!(written(&parsed), xml);
            }
        }
    }

    /// RFC 6121 section 5.2.2: an unknown type of message is normal.
    #[test]
    fn unknown_types_of_message_are_normal() {
        let message = stanza("<message xmlns='jabber:client' type='odd'/>").unwrap();
        assert_eq!(message.kind, Kind::Message(MessageType::Normal));
        assert_eq!(written(&message), "<message/>");
    }

    /// RFC 6120 sections 8.1.2, 8.2.3 and 8.3.3.8.
    #[test]
    fn stanzas_that_are_refused() {
        for (xml, condition) in [
            ("<message to='a@@b'/>", Condition::JidMalformed),
            ("<message to=''/>", Condition::JidMalformed),
            ("<message from='@b'/>", Condition::JidMalformed),
            ("<presence type='odd'/>", Condition::BadRequest),
            ("<iq id='1'><x/></iq>", Condition::BadRequest),
            ("<iq type='odd' id='1'><x/></iq>", Condition::BadRequest),
            ("<iq type='get'><x/></iq>", Condition::BadRequest),
            ("<iq type='get' id=''><x/></iq>", Condition::BadRequest),
            ("<iq type='get' id='1'/>", Condition::BadRequest),
            ("<iq type='set' id='1'><x/><y/></iq>", Condition::BadRequest),
            ("<other/>", Condition::BadRequest),
        ] {
            let name_end = xml.find([' ', '/']).unwrap_or(xml.len());
            let xml = format!("{} xmlns='jabber:client'{}", &xml[..name_end], &xml[name_end..]);
            assert_eq!(stanza(&xml).map_err(|error| error.condition), Err(condition), "{xml}");
        }
        assert!(stanza("<message/>").is_err());
        assert!(stanza("<message xmlns='urn:other'/>").is_err());
        assert!(stanza("<message xmlns='jabber:server' to='a@b'/>").is_ok());
    }

    /// RFC 6120 section 8.3.1: what cannot be handled is answered, but never an error or a result.
    #[test]
    fn a_refused_stanza_has_an_answer() {
        let reply = |xml| {
            let refusal = Stanza::accept(Element::parse(xml).unwrap()).unwrap_err();
            refusal.reply.map(|reply| written(&reply))
        };
        let error = "<error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>";
        let message = reply("<message xmlns='jabber:client' to='a@@b' id='7'/>").unwrap();
        assert!(message.starts_with(&format!("<message id='7' type='error'>{error}")), "{message}");
        let iq = reply("<iq xmlns='jabber:client' type='odd' id='8'/>").unwrap();
        assert!(iq.starts_with("<iq id='8' type='error'>"), "{iq}");
        assert_eq!(reply("<message xmlns='jabber:client' type='error' to='a@@b'/>"), None);
        assert_eq!(reply("<iq xmlns='jabber:client' type='result' id='1' to='a@@b'/>"), None);
        assert_eq!(reply("<presence xmlns='jabber:client' type='error' to='a@@b'/>"), None);
    }

    #[test]
    fn answers_go_back() {
        let request = stanza(
            "<iq xmlns='jabber:client' type='get' id='1' from='a@b/c' to='b'><ping xmlns='urn:xmpp:ping'/></iq>",
        )
        .unwrap();
        assert!(request.payload().unwrap().is(ns::PING, "ping"));
        assert_eq!(written(&request.reply()), "<iq from='b' to='a@b/c' id='1' type='result'/>");
        let error = request.error_reply(StanzaError::new(Condition::ServiceUnavailable)).unwrap();
        assert_eq!(
            written(&error),
            "<iq from='b' to='a@b/c' id='1' type='error'><error type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        );
        assert_eq!(error.error().map(|error| error.condition), Some(Condition::ServiceUnavailable));
        assert_eq!(error.error_reply(StanzaError::new(Condition::BadRequest)), None);
        assert_eq!(request.reply().error_reply(StanzaError::new(Condition::BadRequest)), None);
        assert_eq!(request.error(), None);
    }

    #[test]
    fn what_has_several_receivers_is_encoded_once_for_each_wire() {
        let outgoing = Arc::new(Outgoing::new(Stanza::presence(PresenceType::Available)));
        let write = |outgoing: &Arc<Outgoing>, wire| {
            let mut out = Vec::new();
            outgoing.write(&"juliet@example.com/balcony".parse().unwrap(), wire, &mut out);
            String::from_utf8(out).unwrap()
        };
        for is_shared in [false, true] {
            let _other = is_shared.then(|| Arc::clone(&outgoing));
            assert_eq!(write(&outgoing, Wire::Stream), "<presence/>");
            assert_eq!(write(&outgoing, Wire::WebSocket), "<presence xmlns='jabber:client'/>");
            assert_eq!(outgoing.stream.get().is_some(), is_shared);
            assert_eq!(outgoing.websocket.get().is_some(), is_shared);
        }
    }

    /// One encoding serves all receivers, and reads as if it had been written for each of them.
    #[test]
    fn a_stanza_for_many_carries_each_receivers_address() {
        let message = stanza(
            "<message xmlns='jabber:client' from='room@rooms.example/romeo' id='1'><body>hi</body></message>",
        );
        let message = message.unwrap();
        let many = Arc::new(Outgoing::for_many(message.clone()));
        let accounts = Arc::new(Outgoing::for_accounts(message.clone()));
        for receiver in ["juliet@example.com/o'clock", "tybalt@example.com/street"] {
            let receiver: Jid = receiver.parse().unwrap();
            for (shared, to) in [(&many, receiver.clone()), (&accounts, receiver.to_bare())] {
                let single = Arc::new(Outgoing::new(message.clone().with_to(to.clone())));
                for wire in [Wire::Stream, Wire::WebSocket] {
                    let (mut one, mut other) = (Vec::new(), Vec::new());
                    shared.write(&receiver, wire, &mut one);
                    single.write(&receiver, wire, &mut other);
                    assert_eq!(String::from_utf8(one).unwrap(), String::from_utf8(other).unwrap());
                }
                assert_eq!(shared.stanza_for(&receiver).to, Some(to));
            }
        }
    }
}
