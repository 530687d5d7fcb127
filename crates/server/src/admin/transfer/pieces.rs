//! Reads a file of XEP-0227 piece by piece, however large it is, following XInclude (XEP-0227 section 5).
//!
//! A file from another server may hold comments and processing instructions and be of any size, which the stream
//! scanner rightly refuses. So this splits the file with a general parser, and each piece then passes the strict scanner.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use quick_xml::NsReader;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{PrefixDeclaration, ResolveResult};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::{BLOCKING, INCLUDE, PIE, PIE_ARCHIVE, PRIVATE, ROSTER};

/// The largest single piece, in bytes: one message, one contact, one vCard.
const PIECE_BYTES: usize = 8 * 1024 * 1024;

/// How deep files may include each other: the file, a host, a user, a part of a user.
const INCLUDE_DEPTH: usize = 4;

/// What the file holds, in its order.
#[derive(Debug)]
pub(super) enum Piece {
    /// The users that follow belong to this domain.
    Host(String),
    /// What follows, up to `UserEnd`, belongs to this user.
    User {
        /// The local part of the address.
        name: String,
        /// The password in the clear, which XEP-0227 allows and advises against.
        password: Option<String>,
    },
    /// A child of the user's element.
    Part(Element),
    /// A child of one of those children that may be large.
    Item(Container, Element),
    /// The user is complete.
    UserEnd,
    /// Something that was passed over, with the reason.
    Ignored(String),
}

/// Children of a user whose own children are given one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Roster,
    Private,
    Blocklist,
    Offline,
    Archive,
    /// What nodes of publish-subscribe are, and what is in them.
    Nodes,
}

/// Where in the file an element stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Document,
    ServerData,
    Host,
    User,
    Inside(Container),
}

/// What ends the children of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Tag,
    File,
}

/// Why a file cannot be read, and where, once that is known.
#[derive(Debug)]
struct Fault {
    place: Option<String>,
    why: String,
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self { place: None, why }
    }
}

type Reader = NsReader<BufReader<File>>;
type Step = Result<(), Fault>;

/// Reads a file and gives its pieces away until there are no more, or the taker wants none.
pub(super) fn read(path: &Path, give: &mut dyn FnMut(Piece) -> Result<(), String>) -> Result<(), String> {
    let mut source = Source { give, files: Vec::new(), begun: false };
    let result = source.file(path, Level::Document);
    let result = result.and_then(|()| match source.begun {
        true => Ok(()),
        false => Err(Fault {
            place: Some(path.display().to_string()),
            why: "there is no <server-data/> in it".to_owned(),
        }),
    });
    result.map_err(|fault| match fault.place {
        Some(place) => format!("{place}: {}", fault.why),
        None => fault.why,
    })
}

struct Source<'a> {
    give: &'a mut dyn FnMut(Piece) -> Result<(), String>,
    /// The files being read, each included by the one before.
    files: Vec<PathBuf>,
    /// The root has been seen.
    begun: bool,
}

impl Source<'_> {
    fn give(&mut self, piece: Piece) -> Step {
        (self.give)(piece).map_err(Fault::from)
    }

    fn file(&mut self, path: &Path, level: Level) -> Step {
        let place = path.display().to_string();
        if self.files.len() >= INCLUDE_DEPTH {
            return Err(Fault { place: Some(place), why: "too many files include each other".to_owned() });
        }
        let mut reader = match Reader::from_file(path) {
            Ok(reader) => reader,
            Err(error) => return Err(Fault { place: Some(place), why: error.to_string() }),
        };
        reader.config_mut().expand_empty_elements = true;
        self.files.push(path.to_owned());
        let result = self.children(&mut reader, level, End::File);
        self.files.pop();
        result.map_err(|fault| match fault.place {
            Some(_) => fault,
            None => {
                Fault { place: Some(format!("{place}, near byte {}", reader.buffer_position())), ..fault }
            }
        })
    }

    /// Reads what stands at this level, up to its end.
    fn children(&mut self, reader: &mut Reader, level: Level, end: End) -> Step {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let (namespace, event) =
                reader.read_resolved_event_into(&mut buffer).map_err(|error| error.to_string())?;
            match event {
                Event::Start(start) => {
                    let namespace = match namespace {
                        ResolveResult::Bound(namespace) => namespace.0.to_owned(),
                        ResolveResult::Unbound => String::new(),
                        ResolveResult::Unknown(_) => return Err("a prefix is not bound".to_owned().into()),
                    };
                    let start = start.into_owned();
                    self.element(reader, level, &namespace, &start)?;
                }
                Event::End(_) => return Ok(()),
                Event::Eof if end == End::File => return Ok(()),
                Event::Eof => return Err("the file ends too early".to_owned().into()),
                Event::DocType(_) => return Err("a document type is not accepted".to_owned().into()),
                _ => {}
            }
        }
    }

    fn element(
        &mut self,
        reader: &mut Reader,
        level: Level,
        namespace: &str,
        start: &BytesStart<'static>,
    ) -> Step {
        let name = start.local_name().into_inner().to_owned();
        match (level, namespace, name.as_str()) {
            (Level::Document, PIE, "server-data") => {
                self.begun = true;
                self.children(reader, Level::ServerData, End::Tag)
            }
            (Level::Document, _, _) => Err(format!("the root is <{name}/> and not <server-data/>").into()),
            (Level::ServerData | Level::Host | Level::User, INCLUDE, "include") => {
                let included = self.target(start)?;
                skip(reader, start)?;
                self.file(&included, level)
            }
            (Level::ServerData, PIE, "host") => {
                self.give(Piece::Host(required(start, "jid")?))?;
                self.children(reader, Level::Host, End::Tag)
            }
            (Level::Host, PIE, "user") => {
                let password = attribute(start, "password")?;
                self.give(Piece::User { name: required(start, "name")?, password })?;
                self.children(reader, Level::User, End::Tag)?;
                self.give(Piece::UserEnd)
            }
            (Level::ServerData | Level::Host, _, _) => {
                skip(reader, start)?;
                self.give(Piece::Ignored(format!("<{name} xmlns='{namespace}'/>")))
            }
            (Level::User, _, _) => match container(namespace, &name) {
                Some(container) => self.children(reader, Level::Inside(container), End::Tag),
                None => self.piece(reader, start, Piece::Part),
            },
            (Level::Inside(container), _, _) => {
                self.piece(reader, start, |element| Piece::Item(container, element))
            }
        }
    }

    /// Gives one element away whole.
    fn piece(
        &mut self,
        reader: &mut Reader,
        start: &BytesStart<'static>,
        make: impl FnOnce(Element) -> Piece,
    ) -> Step {
        let text = subtree(reader, start)?;
        match Element::parse(&text) {
            Ok(element) => self.give(make(element)),
            Err(error) => {
                let name = start.name().0.to_owned();
                self.give(Piece::Ignored(format!("<{name}/>, which is not valid here ({error})")))
            }
        }
    }

    /// The file that an include names: beside or below the file that includes it.
    fn target(&self, start: &BytesStart<'_>) -> Result<PathBuf, String> {
        if attribute(start, "parse")?.is_some() || attribute(start, "xpointer")?.is_some() {
            return Err("an include with parse or xpointer is not supported".to_owned());
        }
        let href = required(start, "href")?;
        let relative =
            percent_decoded(&href).ok_or_else(|| format!("\"{href}\" is not a relative address"))?;
        let plain = Path::new(&relative).components().all(|c| matches!(c, std::path::Component::Normal(_)));
        if !plain || relative.is_empty() {
            return Err(format!("\"{href}\" does not lie beside or below the file that includes it"));
        }
        let folder = self.files.last().and_then(|file| file.parent()).unwrap_or(Path::new("."));
        Ok(folder.join(relative))
    }
}

fn container(namespace: &str, name: &str) -> Option<Container> {
    match (namespace, name) {
        (ROSTER, "query") => Some(Container::Roster),
        (PRIVATE, "query") => Some(Container::Private),
        (BLOCKING, "blocklist") => Some(Container::Blocklist),
        (ns::PUBSUB_OWNER | ns::PUBSUB, "pubsub") => Some(Container::Nodes),
        (PIE, "offline-messages") => Some(Container::Offline),
        (PIE_ARCHIVE, "archive") => Some(Container::Archive),
        _ => None,
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    let found = start.try_get_attribute(name).map_err(|error| error.to_string())?;
    found
        .map(|attribute| {
            attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).map(|value| value.into_owned())
        })
        .transpose()
        .map_err(|error| error.to_string())
}

fn required(start: &BytesStart<'_>, name: &str) -> Result<String, String> {
    attribute(start, name)?.ok_or_else(|| format!("<{}/> has no \"{name}\"", start.name().0))
}

fn skip(reader: &mut Reader, start: &BytesStart<'static>) -> Result<(), String> {
    let mut buffer = Vec::new();
    reader.read_to_end_into(start.name(), &mut buffer).map(|_| ()).map_err(|error| error.to_string())
}

/// Copies an element with all that is inside, and declares on it the prefixes that were bound around it, so that it
/// stands alone. Comments and processing instructions are left out.
fn subtree(reader: &mut Reader, start: &BytesStart<'static>) -> Result<String, String> {
    let mut out = format!("<{}", &**start);
    for (declaration, namespace) in reader.resolver().bindings() {
        let name = match declaration {
            PrefixDeclaration::Default => "xmlns".to_owned(),
            PrefixDeclaration::Named(prefix) => format!("xmlns:{prefix}"),
        };
        if start.try_get_attribute(name.as_str()).map_err(|error| error.to_string())?.is_none() {
            out.push_str(&format!(" {name}=\"{}\"", escape(namespace.0)));
        }
    }
    out.push('>');
    let mut depth = 1usize;
    let mut buffer = Vec::new();
    while depth > 0 {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(|error| error.to_string())? {
            Event::Start(inner) => {
                depth += 1;
                out.push_str(&format!("<{}>", &*inner));
            }
            Event::End(inner) => {
                depth -= 1;
                out.push_str(&format!("</{}>", inner.name().0));
            }
            Event::Text(text) => out.push_str(&text),
            Event::CData(text) => out.push_str(&format!("<![CDATA[{}]]>", &*text)),
            Event::GeneralRef(reference) => out.push_str(&format!("&{};", &*reference)),
            Event::Eof => return Err("the file ends too early".to_owned()),
            _ => {}
        }
        if out.len() > PIECE_BYTES {
            return Err(format!("<{}/> is larger than {PIECE_BYTES} bytes", start.name().0));
        }
    }
    Ok(out)
}

/// A relative reference (RFC 3986 section 4.2) as a path; `None` when it is something else.
fn percent_decoded(href: &str) -> Option<String> {
    if href.contains(['?', '#', '\\', '\0']) || href.starts_with('/') || href.split('/').next()?.contains(':')
    {
        return None;
    }
    let mut out = Vec::with_capacity(href.len());
    let mut bytes = href.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok().filter(|path| !path.contains('\0'))
}
