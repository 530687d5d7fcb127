//! What nodes tell each other, and how that is written: the version, the kind, how far the sender had dealt with the log, and
//! the content.
//!
//! A node of the next release may add kinds, which are skipped here, and may add to the end of a kind's content under a higher
//! version, which is not read here. It never changes what stands before.

use bytes::Bytes;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;

use super::asking::{Answer, Question};
use super::tunnels::{Part, Side};
use super::wire::{Malformed, Read, Reader, Writer};
use crate::account::AccountId;
use crate::archive::{ArchiveId, Direction};
use crate::event::{AccountEvent, Close, RosterChange};
use crate::nodes::NodeId;
use crate::roster::{RosterItem, Subscription};
use crate::state::{StateItem, StateKind};

/// The version of what is written here.
pub(crate) const VERSION: u8 = 1;

/// A session of the node that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    /// Its number on its node.
    pub(crate) session: u64,
    pub(crate) account: AccountId,
    /// Its full address.
    pub(crate) jid: Jid,
    /// `None` while it is not available.
    pub(crate) priority: Option<i8>,
    /// What it last broadcast, without addresses.
    pub(crate) presence: Option<Stanza>,
    /// When it was bound, in milliseconds since the Unix epoch: of two that hold one address the older gives way.
    pub(crate) since_ms: u64,
}

/// A message in a batch, as other nodes are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchMessage {
    pub(crate) id: ArchiveId,
    /// Whose copies there are, and which way each went.
    pub(crate) owners: Vec<(AccountId, Direction)>,
    /// The stanza, for a node that has somebody whom it concerns.
    pub(crate) xml: Option<Bytes>,
}

/// To which sessions a stanza is handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handing {
    /// To the session that it is addressed to.
    Session,
    /// The same, if that session waits for this answer from another server.
    Answer,
    /// To those that take messages.
    TakesMessages,
    /// To those that are available.
    Available,
    /// To those that know the roster.
    KnowsRoster,
}

/// What is forgotten of an account because it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cached {
    /// The profile.
    Profile,
    /// What its roster says.
    Roster,
    /// The subscriptions of its devices to pushes.
    Pushes,
    /// In which rooms it may read.
    Rooms,
    /// What it says of itself: shown anew by each node for its own sessions.
    Status,
    /// The picture in its presence, likewise.
    Photo,
    /// Its webhooks.
    Webhooks,
    /// Its messages that are to be sent later.
    Scheduled,
}

/// One frame's content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// The sender is there under this name for leases.
    Hello(NodeId),
    /// Some of the sender's sessions: all that came between the first and the last are all there are.
    Snapshot { first: bool, last: bool, sessions: Vec<Presence> },
    /// The receiver should send its sessions, since some of what it said was lost.
    SnapshotWanted,
    /// A session is there, or is otherwise than before.
    Present(Presence),
    /// A session has gone.
    Absent { session: u64, jid: Jid },
    /// A batch that the sender has committed.
    Batch { number: u64, messages: Vec<BatchMessage> },
    /// There is a batch of this number.
    Newest(u64),
    /// Presence of a session of the sender for these.
    ///
    /// A block of the sender's does not keep it from anybody where it is what tells of that block.
    Shown { stanza: Stanza, to: Vec<Jid>, past_block: bool },
    /// Somebody asks for the presence of these.
    Probe { from: Jid, contacts: Vec<Jid> },
    /// The receiver's sessions of an account are shown to a contact, or hidden from him.
    Show { owner: Jid, contact: Jid, hidden: bool },
    /// A stanza for sessions of one account.
    Hand { stanza: Stanza, to: Jid, how: Handing },
    /// A message that no archive delivers: to the recipient's sessions, and as a copy to the sender's others.
    Passing {
        message: Stanza,
        to: Jid,
        recipient: Option<Jid>,
        own: Option<Jid>,
        archived: Option<ArchiveId>,
    },
    /// A roster has changed.
    Roster { owner: Jid, version: u64, visible: bool, change: RosterChange },
    /// Addresses were added to a blocklist.
    Blocked { owner: Jid, addresses: Vec<Jid> },
    /// Addresses were taken off a blocklist; none stand for all.
    Unblocked { owner: Jid, addresses: Vec<Jid>, freed: Vec<Jid> },
    /// Something that an account's clients keep in step.
    Account { owner: Jid, event: AccountEvent },
    /// A notification of a node of an account, for those of these who are interested.
    Notice { owner: Jid, node: String, stanza: Stanza, to: Vec<Jid> },
    /// Something of an account has changed.
    Changed { owner: Jid, what: Cached },
    /// The sessions of an account end, all but one.
    End { account: Jid, reason: Close, keep: Option<Jid> },
    /// Something that the receiver answers.
    Ask { id: u64, question: Question },
    /// The answer.
    Answer { id: u64, answer: Answer },
    /// What a room says to sessions of the receiver.
    Room(super::rooms::RoomFrame),
    /// Something for the receiver could not be sent.
    Lost,
    /// An account has let a contact see its presence: his sessions are sent the account's last items.
    LastItems { owner: Jid, contact: Jid },
    /// Something that goes through a tunnel, to the end of it that the receiver has.
    Tunnel { to: Side, number: u64, part: Part },
}

/// A frame as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    /// The newest batch that the sender had dealt with: the receiver deals with it before it acts on this.
    pub(crate) behind: u64,
    pub(crate) content: Content,
}

impl Content {
    fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 0,
            Self::Snapshot { .. } => 1,
            Self::SnapshotWanted => 2,
            Self::Present(_) => 3,
            Self::Absent { .. } => 4,
            Self::Batch { .. } => 5,
            Self::Newest(_) => 6,
            Self::Shown { .. } => 7,
            Self::Probe { .. } => 8,
            Self::Show { .. } => 9,
            Self::Hand { .. } => 10,
            Self::Passing { .. } => 11,
            Self::Roster { .. } => 12,
            Self::Blocked { .. } => 13,
            Self::Unblocked { .. } => 14,
            Self::Account { .. } => 15,
            Self::Notice { .. } => 16,
            Self::Changed { .. } => 17,
            Self::End { .. } => 18,
            Self::Ask { .. } => 19,
            Self::Answer { .. } => 20,
            Self::Room(_) => 21,
            Self::Lost => 22,
            Self::LastItems { .. } => 23,
            Self::Tunnel { .. } => 24,
        }
    }

    /// The frame.
    pub(crate) fn encode(&self, behind: u64) -> Bytes {
        let mut out = Writer::default();
        out.byte(VERSION);
        out.byte(self.kind());
        out.number(behind);
        self.write(&mut out);
        out.finish()
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Self::Hello(life) => out.number(life.0),
            Self::Snapshot { first, last, sessions } => {
                out.flag(*first);
                out.flag(*last);
                out.list(sessions, |out, one| one.write(out));
            }
            Self::SnapshotWanted | Self::Lost => {}
            Self::Present(presence) => presence.write(out),
            Self::Absent { session, jid } => {
                out.number(*session);
                out.jid(jid);
            }
            Self::Batch { number, messages } => {
                out.number(*number);
                out.list(messages, |out, message| message.write(out));
            }
            Self::Newest(number) => out.number(*number),
            Self::Shown { stanza, to, past_block } => {
                out.stanza(stanza);
                out.list(to, Writer::jid);
                out.flag(*past_block);
            }
            Self::Probe { from, contacts } => {
                out.jid(from);
                out.list(contacts, Writer::jid);
            }
            Self::Hand { stanza, to, how } => {
                out.stanza(stanza);
                out.jid(to);
                out.byte(*how as u8);
            }
            Self::Passing { message, to, recipient, own, archived } => {
                out.stanza(message);
                out.jid(to);
                out.option(recipient.as_ref(), Writer::jid);
                out.option(own.as_ref(), Writer::jid);
                out.option(*archived, |out, id| out.number(id.0));
            }
            Self::Ask { id, question } => {
                out.number(*id);
                question.write(out);
            }
            Self::Answer { id, answer } => {
                out.number(*id);
                answer.write(out);
            }
            Self::Room(frame) => frame.write(out),
            Self::Tunnel { to, number, part } => {
                out.flag(*to == Side::Stream);
                out.number(*number);
                part.write(out);
            }
            about_an_account => about_an_account.write_about_account(out),
        }
    }

    /// The same for what is about one account.
    fn write_about_account(&self, out: &mut Writer) {
        match self {
            Self::Show { owner, contact, hidden } => {
                out.jid(owner);
                out.jid(contact);
                out.flag(*hidden);
            }
            Self::Roster { owner, version, visible, change } => {
                out.jid(owner);
                out.number(*version);
                out.flag(*visible);
                write_change(out, change);
            }
            Self::Blocked { owner, addresses } => {
                out.jid(owner);
                out.list(addresses, Writer::jid);
            }
            Self::Unblocked { owner, addresses, freed } => {
                out.jid(owner);
                out.list(addresses, Writer::jid);
                out.list(freed, Writer::jid);
            }
            Self::Account { owner, event } => {
                out.jid(owner);
                write_event(out, event);
            }
            Self::Notice { owner, node, stanza, to } => {
                out.jid(owner);
                out.text(node);
                out.stanza(stanza);
                out.list(to, Writer::jid);
            }
            Self::Changed { owner, what } => {
                out.jid(owner);
                out.byte(*what as u8);
            }
            Self::End { account, reason, keep } => {
                out.jid(account);
                out.byte(close_number(*reason));
                out.option(keep.as_ref(), Writer::jid);
            }
            Self::LastItems { owner, contact } => {
                out.jid(owner);
                out.jid(contact);
            }
            _ => {}
        }
    }

    fn read(kind: u8, from: &mut Reader<'_>) -> Read<Option<Self>> {
        Ok(Some(match kind {
            0 => Self::Hello(NodeId(from.number()?)),
            1 => Self::Snapshot {
                first: from.flag()?,
                last: from.flag()?,
                sessions: from.list(Presence::read)?,
            },
            2 => Self::SnapshotWanted,
            3 => Self::Present(Presence::read(from)?),
            4 => Self::Absent { session: from.number()?, jid: from.jid()? },
            5 => Self::Batch { number: from.number()?, messages: from.list(BatchMessage::read)? },
            6 => Self::Newest(from.number()?),
            7 => {
                Self::Shown { stanza: from.stanza()?, to: from.list(Reader::jid)?, past_block: from.flag()? }
            }
            8 => Self::Probe { from: from.jid()?, contacts: from.list(Reader::jid)? },
            9 => Self::Show { owner: from.jid()?, contact: from.jid()?, hidden: from.flag()? },
            10 => Self::Hand { stanza: from.stanza()?, to: from.jid()?, how: Handing::read(from)? },
            11 => Self::Passing {
                message: from.stanza()?,
                to: from.jid()?,
                recipient: from.option(Reader::jid)?,
                own: from.option(Reader::jid)?,
                archived: from.option(|from| from.number().map(ArchiveId))?,
            },
            12 => Self::Roster {
                owner: from.jid()?,
                version: from.number()?,
                visible: from.flag()?,
                change: read_change(from)?,
            },
            13 => Self::Blocked { owner: from.jid()?, addresses: from.list(Reader::jid)? },
            14 => Self::Unblocked {
                owner: from.jid()?,
                addresses: from.list(Reader::jid)?,
                freed: from.list(Reader::jid)?,
            },
            15 => Self::Account { owner: from.jid()?, event: read_event(from)? },
            16 => Self::Notice {
                owner: from.jid()?,
                node: from.string()?,
                stanza: from.stanza()?,
                to: from.list(Reader::jid)?,
            },
            17 => Self::Changed { owner: from.jid()?, what: Cached::read(from)? },
            18 => {
                Self::End { account: from.jid()?, reason: read_close(from)?, keep: from.option(Reader::jid)? }
            }
            19 => Self::Ask { id: from.number()?, question: Question::read(from)? },
            20 => Self::Answer { id: from.number()?, answer: Answer::read(from)? },
            21 => Self::Room(super::rooms::RoomFrame::read(from)?),
            22 => Self::Lost,
            23 => Self::LastItems { owner: from.jid()?, contact: from.jid()? },
            24 => Self::Tunnel {
                to: if from.flag()? { Side::Stream } else { Side::Client },
                number: from.number()?,
                part: Part::read(from)?,
            },
            _ => return Ok(None),
        }))
    }
}

impl Frame {
    /// Reads a frame; `None` for a kind that only a newer release knows.
    pub(crate) fn decode(octets: &[u8]) -> Read<Option<Self>> {
        let mut from = Reader::new(octets);
        let version = from.byte()?;
        if version == 0 {
            return Err(Malformed);
        }
        let kind = from.byte()?;
        let behind = from.number()?;
        let Some(content) = Content::read(kind, &mut from)? else {
            return if version > VERSION { Ok(None) } else { Err(Malformed) };
        };
        if version <= VERSION && !from.is_empty() {
            return Err(Malformed);
        }
        Ok(Some(Self { behind, content }))
    }
}

impl Presence {
    fn write(&self, out: &mut Writer) {
        out.number(self.session);
        out.signed(self.account.0);
        out.jid(&self.jid);
        out.option(self.priority, |out, priority| out.signed(priority.into()));
        out.option(self.presence.as_ref(), Writer::stanza);
        out.number(self.since_ms);
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(Self {
            session: from.number()?,
            account: AccountId(from.signed()?),
            jid: from.jid().and_then(|jid| if jid.is_full() { Ok(jid) } else { Err(Malformed) })?,
            priority: from.option(|from| i8::try_from(from.signed()?).map_err(|_| Malformed))?,
            presence: from.option(Reader::stanza)?,
            since_ms: from.number()?,
        })
    }

    /// About how many bytes it takes in a frame.
    pub(crate) fn size(&self) -> usize {
        let presence = self.presence.as_ref().map_or(0, |presence| presence.element.memory());
        64 + self.jid.as_str().len() + presence
    }
}

impl BatchMessage {
    fn write(&self, out: &mut Writer) {
        out.number(self.id.0);
        out.list(&self.owners, |out, (owner, direction)| {
            out.signed(owner.0);
            out.flag(*direction == Direction::Incoming);
        });
        out.option(self.xml.as_ref(), |out, xml| out.octets(xml));
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        let owner = |from: &mut Reader<'_>| {
            let account = AccountId(from.signed()?);
            Ok((account, if from.flag()? { Direction::Incoming } else { Direction::Outgoing }))
        };
        Ok(Self {
            id: ArchiveId(from.number()?),
            owners: from.list(owner)?,
            xml: from.option(|from| from.octets().map(Bytes::copy_from_slice))?,
        })
    }
}

impl Handing {
    fn read(from: &mut Reader<'_>) -> Read<Self> {
        const ALL: [Handing; 5] = [
            Handing::Session,
            Handing::Answer,
            Handing::TakesMessages,
            Handing::Available,
            Handing::KnowsRoster,
        ];
        ALL.get(usize::from(from.byte()?)).copied().ok_or(Malformed)
    }
}

impl Cached {
    fn read(from: &mut Reader<'_>) -> Read<Self> {
        const ALL: [Cached; 8] = [
            Cached::Profile,
            Cached::Roster,
            Cached::Pushes,
            Cached::Rooms,
            Cached::Status,
            Cached::Photo,
            Cached::Webhooks,
            Cached::Scheduled,
        ];
        ALL.get(usize::from(from.byte()?)).copied().ok_or(Malformed)
    }
}

const CLOSES: [Close; 8] = [
    Close::Replaced,
    Close::TooSlow,
    Close::Revoked,
    Close::SignedOut,
    Close::Ended,
    Close::HostGone,
    Close::Reset,
    Close::Shutdown,
];

pub(super) fn close_number(reason: Close) -> u8 {
    CLOSES.iter().position(|known| *known == reason).unwrap_or_default() as u8
}

pub(super) fn read_close(from: &mut Reader<'_>) -> Read<Close> {
    CLOSES.get(usize::from(from.byte()?)).copied().ok_or(Malformed)
}

const SUBSCRIPTIONS: [Subscription; 4] =
    [Subscription::None, Subscription::To, Subscription::From, Subscription::Both];

fn write_change(out: &mut Writer, change: &RosterChange) {
    match change {
        RosterChange::Removed(jid) => {
            out.flag(false);
            out.jid(jid);
        }
        RosterChange::Set(item) => {
            out.flag(true);
            out.jid(&item.jid);
            out.option(item.name.as_deref(), Writer::text);
            out.list(&item.groups, |out, group| out.text(group));
            let subscription = SUBSCRIPTIONS.iter().position(|known| *known == item.subscription);
            out.byte(subscription.unwrap_or_default() as u8);
            out.flag(item.ask);
            out.flag(item.approved);
            out.option(item.request.as_deref(), Writer::octets);
            out.flag(item.listed);
        }
    }
}

fn read_change(from: &mut Reader<'_>) -> Read<RosterChange> {
    if !from.flag()? {
        return from.jid().map(RosterChange::Removed);
    }
    Ok(RosterChange::Set(RosterItem {
        jid: from.jid()?,
        name: from.option(Reader::string)?,
        groups: from.list(Reader::string)?,
        subscription: SUBSCRIPTIONS.get(usize::from(from.byte()?)).copied().ok_or(Malformed)?,
        ask: from.flag()?,
        approved: from.flag()?,
        request: from.option(|from| from.octets().map(<[u8]>::to_vec))?,
        listed: from.flag()?,
    }))
}

fn write_event(out: &mut Writer, event: &AccountEvent) {
    match event {
        AccountEvent::State(item) => {
            out.flag(true);
            out.signed(item.kind.number());
            out.text(&item.key);
            out.number(item.position.0);
            out.option(item.content.as_deref(), Writer::text);
        }
        AccountEvent::Read { conversation, by, up_to } => {
            out.flag(false);
            out.jid(conversation);
            out.jid(by);
            out.number(up_to.0);
        }
    }
}

fn read_event(from: &mut Reader<'_>) -> Read<AccountEvent> {
    if !from.flag()? {
        return Ok(AccountEvent::Read {
            conversation: from.jid()?,
            by: from.jid()?,
            up_to: ArchiveId(from.number()?),
        });
    }
    Ok(AccountEvent::State(StateItem {
        kind: StateKind::from_number(from.signed()?).ok_or(Malformed)?,
        key: from.string()?,
        position: ArchiveId(from.number()?),
        content: from.option(Reader::string)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::stanza;
    use crate::testing::jid;

    #[test]
    fn frames_come_back_and_nonsense_is_refused() {
        let message =
            stanza("<message xmlns='jabber:client' to='juliet~' type='chat'><body>hi</body></message>");
        let all = vec![
            Content::Hello(NodeId(7)),
            Content::SnapshotWanted,
            Content::Absent { session: 9, jid: jid("romeo/a") },
            Content::Newest(300),
            Content::Shown {
                stanza: message.clone(),
                to: vec![jid("romeo"), jid("juliet/b")],
                past_block: true,
            },
            Content::Probe { from: jid("romeo/a"), contacts: vec![jid("juliet")] },
            Content::Hand { stanza: message.clone(), to: jid("juliet/b"), how: Handing::KnowsRoster },
            Content::Passing {
                message: message.clone(),
                to: jid("juliet"),
                recipient: Some(jid("juliet")),
                own: None,
                archived: None,
            },
            Content::Roster {
                owner: jid("romeo"),
                version: 5,
                visible: true,
                change: RosterChange::Set(crate::rosters::blank(jid("juliet"))),
            },
            Content::Account {
                owner: jid("romeo"),
                event: AccountEvent::Read {
                    conversation: jid("juliet"),
                    by: jid("juliet"),
                    up_to: ArchiveId(7),
                },
            },
            Content::End { account: jid("romeo"), reason: Close::Reset, keep: None },
            Content::Ask {
                id: 1,
                question: Question::Mark { account: jid("romeo"), replaced: Some((jid("romeo/a"), 7)) },
            },
            Content::Answer { id: 1, answer: Answer::Mark(Some(ArchiveId(3))) },
            Content::Ask {
                id: 2,
                question: Question::Resume { account: jid("romeo"), tunnel: 300, asked: b"x".to_vec() },
            },
            Content::Tunnel {
                to: Side::Stream,
                number: 300,
                part: Part::Piece { octets: Bytes::from_static(b"<r/>"), whole: true },
            },
            Content::Tunnel { to: Side::Client, number: 300, part: Part::Taken(1234) },
            Content::Tunnel { to: Side::Client, number: 300, part: Part::Closed { goes_away: true } },
            Content::Tunnel { to: Side::Client, number: 300, part: Part::Broken },
        ];
        for content in all {
            let octets = content.encode(1234);
            let read = Frame::decode(&octets).expect("it is read").expect("it is known");
            assert_eq!(read, Frame { behind: 1234, content: content.clone() });
            for end in 0..octets.len() {
                assert!(Frame::decode(&octets[..end]).is_err(), "{content:?} cut at {end}");
            }
            let mut longer = octets.to_vec();
            longer.push(0);
            assert!(Frame::decode(&longer).is_err(), "{content:?} with more behind it");
            // A newer node may say more, and things that nobody here has heard of.
            longer[0] = VERSION + 1;
            assert_eq!(Frame::decode(&longer).map(|read| read.map(|read| read.content)), Ok(Some(content)));
            longer[1] = 200;
            assert_eq!(Frame::decode(&longer), Ok(None));
            longer[0] = VERSION;
            assert!(Frame::decode(&longer).is_err());
        }
    }
}
