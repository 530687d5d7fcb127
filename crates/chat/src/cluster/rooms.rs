//! Rooms of a cluster: what a room's home and the nodes of those in it tell each other, and how it is written.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;

use super::wire::{Malformed, Read, Reader, Writer};
use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::error::Error;
use crate::nodes::NodeId;
use crate::rooms::affiliation::Affiliation;
use crate::rooms::news::{Membership, RoomEvent};
use crate::rooms::role::Role;

/// A client at another node than the room's home, as the home knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// Its node.
    pub node: NodeId,
    /// Its full address.
    pub jid: Jid,
    /// Belongs to its person's rooms without entering them.
    pub attends: bool,
    /// Hears this room.
    pub listens: bool,
}

/// Where somebody sits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SeatAt {
    /// At a node of the cluster.
    Node(Away),
    /// At another server.
    Remote(Jid),
}

/// Somebody in a room, as one node tells another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sitting {
    /// His address in the room.
    pub(crate) own: Jid,
    pub(crate) affiliation: Affiliation,
    pub(crate) role: Role,
    /// If his own node says so, which knows no more than what he was told there: up to where he has been handed the room's archive.
    pub(crate) heard: Option<ArchiveId>,
    /// His presence, as canonical XML.
    pub(crate) presence: String,
    pub(crate) seats: Vec<SeatAt>,
}

/// What the home of a room is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Deed {
    Presence {
        seat: SeatAt,
        stanza: Stanza,
    },
    /// A message of a client. The token is the same when it is asked once more.
    Message {
        seat: SeatAt,
        stanza: Stanza,
        token: String,
    },
    Iq {
        seat: SeatAt,
        stanza: Stanza,
    },
    /// Something that is said by an account which need not be in the room.
    Say {
        real: Jid,
        name: String,
        stanza: Stanza,
        token: String,
    },
    /// Who is in it? A home that yields is one no longer when it has answered.
    Occupants {
        yields: bool,
    },
    /// Which of your sessions are in it, and up to where have they been handed its archive? Asked by a home; by a new one of
    /// everybody, of whom one may believe still to be its home.
    Sitting {
        anew: bool,
    },
    /// These of my sessions are in it: seat whoever is missing, and hand each what he has not heard.
    Seat(Vec<Sitting>),
}

/// A question about a room.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RoomQuestion {
    pub(crate) room: Jid,
    pub(crate) deed: Deed,
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RoomAnswer {
    /// It is done; a message is kept here.
    Done(Option<ArchiveId>),
    /// The room's home is elsewhere by now.
    NotHome,
    Refused(Refused),
    Occupants(Vec<Sitting>),
    /// Those of a node who are in it, and who they believe is there.
    Sitting {
        sitting: Vec<Sitting>,
        seen: Vec<Jid>,
    },
}

/// An error as it crosses nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused(u8);

/// An event of a room, as it crosses nodes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RoomEventFrame {
    Changed,
    Members(Vec<Membership>),
    Pinned { key: String, at: ArchiveId },
    Belongs { by: Option<Jid>, reason: Option<String> },
    Left,
}

/// Who of a node's sessions is told something of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    /// All who hear it.
    Listeners,
    /// Those of them who know who is who.
    Ranked,
    /// The attending sessions of one person, who is this to the room.
    Person(Jid, Affiliation),
    /// Those who hear it and may not any more.
    Recheck,
}

/// Where a message stands in a room's archive. Whoever has not been handed what came before it has missed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: ArchiveId,
    /// What the room said before it.
    pub(crate) after: ArchiveId,
}

/// What a room does to sessions of another node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum News {
    /// One stanza for all of these.
    Stanza { to: Vec<Jid>, stanza: Stanza, place: Option<Place> },
    /// Several stanzas at once for one.
    Batch { to: Jid, stanzas: Vec<Stanza> },
    /// What another client of the same person has whispered.
    Carbon { to: Jid, stanza: Stanza },
    /// A session is in the room under this address from now on, and is told what is said behind this place of its archive; behind
    /// what it has heard already, unless it comes anew.
    Entered { session: Jid, own: Jid, heard: ArchiveId, anew: bool },
    /// A session is not in the room under this address any more.
    Left { session: Jid, own: Jid },
    /// Something was said, for those who hear it without being in it.
    Heard { stanza: Stanza, archive: AccountId, archived: Option<ArchiveId>, by: Jid, openly: bool },
    /// Something happened to it, for the same.
    Told { archive: AccountId, audience: Audience, event: RoomEventFrame },
}

/// What a room tells another node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RoomFrame {
    pub(crate) room: Jid,
    pub(crate) news: News,
}

impl Away {
    fn write(&self, out: &mut Writer) {
        out.number(self.node.0);
        out.jid(&self.jid);
        out.flag(self.attends);
        out.flag(self.listens);
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            node: NodeId(from.number()?),
            jid: from.jid()?,
            attends: from.flag()?,
            listens: from.flag()?,
        })
    }
}

impl SeatAt {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Node(away) => {
                out.flag(true);
                away.write(out);
            }
            Self::Remote(jid) => {
                out.flag(false);
                out.jid(jid);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(if from.flag()? { Self::Node(Away::read(from)?) } else { Self::Remote(from.jid()?) })
    }
}

const AFFILIATIONS: [Affiliation; 5] =
    [Affiliation::Outcast, Affiliation::None, Affiliation::Member, Affiliation::Admin, Affiliation::Owner];

fn write_affiliation(out: &mut Writer, affiliation: Affiliation) {
    out.byte(AFFILIATIONS.iter().position(|known| *known == affiliation).unwrap_or(1) as u8);
}

fn read_affiliation(from: &mut Reader<'_>) -> Read<Affiliation> {
    AFFILIATIONS.get(usize::from(from.byte()?)).copied().ok_or(Malformed)
}

const ROLES: [Role; 4] = [Role::None, Role::Visitor, Role::Participant, Role::Moderator];

fn place(from: &mut Reader<'_>) -> Read<ArchiveId> {
    from.number().map(ArchiveId)
}

impl Sitting {
    fn write(&self, out: &mut Writer) {
        out.jid(&self.own);
        write_affiliation(out, self.affiliation);
        out.byte(ROLES.iter().position(|known| *known == self.role).unwrap_or_default() as u8);
        out.option(self.heard, |out, id| out.number(id.0));
        out.text(&self.presence);
        out.list(&self.seats, |out, seat| seat.write(out));
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            own: from.jid()?,
            affiliation: read_affiliation(from)?,
            role: ROLES.get(usize::from(from.byte()?)).copied().ok_or(Malformed)?,
            heard: from.option(place)?,
            presence: from.string()?,
            seats: from.list(SeatAt::read)?,
        })
    }
}

impl RoomQuestion {
    pub(super) fn write(&self, out: &mut Writer) {
        out.jid(&self.room);
        match &self.deed {
            Deed::Presence { seat, stanza } => {
                out.byte(0);
                seat.write(out);
                out.stanza(stanza);
            }
            Deed::Message { seat, stanza, token } => {
                out.byte(1);
                seat.write(out);
                out.stanza(stanza);
                out.text(token);
            }
            Deed::Iq { seat, stanza } => {
                out.byte(2);
                seat.write(out);
                out.stanza(stanza);
            }
            Deed::Say { real, name, stanza, token } => {
                out.byte(3);
                out.jid(real);
                out.text(name);
                out.stanza(stanza);
                out.text(token);
            }
            Deed::Occupants { yields } => {
                out.byte(4);
                out.flag(*yields);
            }
            Deed::Sitting { anew } => {
                out.byte(5);
                out.flag(*anew);
            }
            Deed::Seat(sitting) => {
                out.byte(6);
                out.list(sitting, |out, one| one.write(out));
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Read<Self> {
        let room = from.jid()?;
        let deed = match from.byte()? {
            0 => Deed::Presence { seat: SeatAt::read(from)?, stanza: from.stanza()? },
            1 => Deed::Message { seat: SeatAt::read(from)?, stanza: from.stanza()?, token: from.string()? },
            2 => Deed::Iq { seat: SeatAt::read(from)?, stanza: from.stanza()? },
            3 => Deed::Say {
                real: from.jid()?,
                name: from.string()?,
                stanza: from.stanza()?,
                token: from.string()?,
            },
            4 => Deed::Occupants { yields: from.flag()? },
            5 => Deed::Sitting { anew: from.flag()? },
            6 => Deed::Seat(from.list(Sitting::read)?),
            _ => return Err(Malformed),
        };
        Ok(Self { room, deed })
    }
}

impl RoomAnswer {
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Self::Done(place) => {
                out.byte(0);
                out.option(*place, |out, id| out.number(id.0));
            }
            Self::NotHome => out.byte(1),
            Self::Refused(refused) => {
                out.byte(2);
                out.byte(refused.0);
            }
            Self::Occupants(all) => {
                out.byte(3);
                out.list(all, |out, one| one.write(out));
            }
            Self::Sitting { sitting, seen } => {
                out.byte(4);
                out.list(sitting, |out, one| one.write(out));
                out.list(seen, Writer::jid);
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(match from.byte()? {
            0 => Self::Done(from.option(place)?),
            1 => Self::NotHome,
            2 => Self::Refused(Refused(from.byte()?)),
            3 => Self::Occupants(from.list(Sitting::read)?),
            4 => Self::Sitting { sitting: from.list(Sitting::read)?, seen: from.list(Reader::jid)? },
            _ => return Err(Malformed),
        })
    }
}

impl From<&Error> for Refused {
    fn from(error: &Error) -> Self {
        Self(match error {
            Error::BadRequest(_) | Error::PubSub(_) => 0,
            Error::Conflict => 1,
            Error::Forbidden => 2,
            Error::NotAllowed => 3,
            Error::NotAuthorized => 4,
            Error::RegistrationRequired => 5,
            Error::JidMalformed => 6,
            Error::Crowded => 7,
            Error::NotFound => 8,
            Error::NotAcceptable(_) => 9,
            Error::Blocked => 10,
            Error::ServiceUnavailable => 11,
            Error::RemoteServerNotFound => 12,
            Error::RemoteServerTimeout => 13,
            Error::ResourceConstraint(_) => 14,
            Error::Wait => 15,
            Error::Internal(_) => 16,
        })
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused.0 {
            0 => Self::BadRequest("the room's node refuses it"),
            1 => Self::Conflict,
            2 => Self::Forbidden,
            3 => Self::NotAllowed,
            4 => Self::NotAuthorized,
            5 => Self::RegistrationRequired,
            6 => Self::JidMalformed,
            7 => Self::Crowded,
            8 => Self::NotFound,
            9 => Self::NotAcceptable("the room refuses it"),
            10 => Self::Blocked,
            11 => Self::ServiceUnavailable,
            12 => Self::RemoteServerNotFound,
            13 => Self::RemoteServerTimeout,
            15 => Self::Wait,
            _ => Self::ResourceConstraint("the room cannot be reached"),
        }
    }
}

impl RoomEventFrame {
    /// `None` for what was said, which goes another way.
    pub(crate) fn of(event: &RoomEvent) -> Option<Self> {
        Some(match event {
            RoomEvent::Said(_) => return None,
            RoomEvent::Changed(_) => Self::Changed,
            RoomEvent::Members { changes, .. } => Self::Members(changes.clone()),
            RoomEvent::Pinned { key, at, .. } => Self::Pinned { key: key.clone(), at: *at },
            RoomEvent::Belongs { by, reason, .. } => Self::Belongs { by: by.clone(), reason: reason.clone() },
            RoomEvent::Left(_) => Self::Left,
        })
    }

    /// The event of a room.
    pub(crate) fn in_room(self, room: Jid) -> RoomEvent {
        match self {
            Self::Changed => RoomEvent::Changed(room),
            Self::Members(changes) => RoomEvent::Members { room, changes },
            Self::Pinned { key, at } => RoomEvent::Pinned { room, key, at },
            Self::Belongs { by, reason } => RoomEvent::Belongs { room, by, reason },
            Self::Left => RoomEvent::Left(room),
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Self::Changed => out.byte(0),
            Self::Members(changes) => {
                out.byte(1);
                out.list(changes, |out, one| {
                    out.jid(&one.person);
                    write_affiliation(out, one.affiliation);
                    out.option(one.nick.as_deref(), Writer::text);
                });
            }
            Self::Pinned { key, at } => {
                out.byte(2);
                out.text(key);
                out.number(at.0);
            }
            Self::Belongs { by, reason } => {
                out.byte(3);
                out.option(by.as_ref(), Writer::jid);
                out.option(reason.as_deref(), Writer::text);
            }
            Self::Left => out.byte(4),
        }
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        let member = |from: &mut Reader<'_>| {
            Ok(Membership {
                person: from.jid()?,
                affiliation: read_affiliation(from)?,
                nick: from.option(Reader::string)?,
            })
        };
        Ok(match from.byte()? {
            0 => Self::Changed,
            1 => Self::Members(from.list(member)?),
            2 => Self::Pinned { key: from.string()?, at: ArchiveId(from.number()?) },
            3 => Self::Belongs { by: from.option(Reader::jid)?, reason: from.option(Reader::string)? },
            4 => Self::Left,
            _ => return Err(Malformed),
        })
    }
}

impl Audience {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Listeners => out.byte(0),
            Self::Ranked => out.byte(1),
            Self::Person(person, affiliation) => {
                out.byte(2);
                out.jid(person);
                write_affiliation(out, *affiliation);
            }
            Self::Recheck => out.byte(3),
        }
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(match from.byte()? {
            0 => Self::Listeners,
            1 => Self::Ranked,
            2 => Self::Person(from.jid()?, read_affiliation(from)?),
            3 => Self::Recheck,
            _ => return Err(Malformed),
        })
    }
}

impl RoomFrame {
    pub(super) fn write(&self, out: &mut Writer) {
        out.jid(&self.room);
        match &self.news {
            News::Stanza { to, stanza, place } => {
                out.byte(0);
                out.list(to, Writer::jid);
                out.stanza(stanza);
                out.option(*place, |out, place| {
                    out.number(place.id.0);
                    out.number(place.after.0);
                });
            }
            News::Batch { to, stanzas } => {
                out.byte(1);
                out.jid(to);
                out.list(stanzas, Writer::stanza);
            }
            News::Carbon { to, stanza } => {
                out.byte(2);
                out.jid(to);
                out.stanza(stanza);
            }
            News::Entered { session, own, heard, anew } => {
                out.byte(3);
                out.jid(session);
                out.jid(own);
                out.number(heard.0);
                out.flag(*anew);
            }
            News::Left { session, own } => {
                out.byte(4);
                out.jid(session);
                out.jid(own);
            }
            News::Heard { stanza, archive, archived, by, openly } => {
                out.byte(5);
                out.stanza(stanza);
                out.signed(archive.0);
                out.option(*archived, |out, id| out.number(id.0));
                out.jid(by);
                out.flag(*openly);
            }
            News::Told { archive, audience, event } => {
                out.byte(6);
                out.signed(archive.0);
                audience.write(out);
                event.write(out);
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Read<Self> {
        let room = from.jid()?;
        let news = match from.byte()? {
            0 => News::Stanza {
                to: from.list(Reader::jid)?,
                stanza: from.stanza()?,
                place: from.option(|from| Ok(Place { id: place(from)?, after: place(from)? }))?,
            },
            1 => News::Batch { to: from.jid()?, stanzas: from.list(Reader::stanza)? },
            2 => News::Carbon { to: from.jid()?, stanza: from.stanza()? },
            3 => News::Entered {
                session: from.jid()?,
                own: from.jid()?,
                heard: place(from)?,
                anew: from.flag()?,
            },
            4 => News::Left { session: from.jid()?, own: from.jid()? },
            5 => News::Heard {
                stanza: from.stanza()?,
                archive: AccountId(from.signed()?),
                archived: from.option(place)?,
                by: from.jid()?,
                openly: from.flag()?,
            },
            6 => News::Told {
                archive: AccountId(from.signed()?),
                audience: Audience::read(from)?,
                event: RoomEventFrame::read(from)?,
            },
            _ => return Err(Malformed),
        };
        Ok(Self { room, news })
    }
}
