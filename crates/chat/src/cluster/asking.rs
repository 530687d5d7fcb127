//! Questions that one node asks another, and the answers: each question once, with a deadline.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use waxwing_xmpp::jid::Jid;

use super::Cluster;
use super::frame::{Content, close_number, read_close};
use super::rooms::{RoomAnswer, RoomQuestion};
use super::wire::{Malformed, Read, Reader, Writer};
use crate::archive::ArchiveId;
use crate::event::Close;
use crate::nodes::NodeId;
use crate::session::ClientInfo;

/// How long an answer of another node is waited for.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What one node asks another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Question {
    /// How far have the messages of this account come with you? The session with this full address that has been there since this
    /// moment, if you have it still, gives way to one that was bound here, before you answer.
    Mark { account: Jid, replaced: Option<(Jid, u64)> },
    /// Does somebody look at a client of this account, and which devices of it are connected?
    Attention { account: Jid },
    /// Which sessions do you have, of one account or all?
    Sessions { account: Option<Jid> },
    /// End the session with this full address.
    End { session: Jid, reason: Close },
    /// Go on with a stream of this account, whose client has come here, through the tunnel with this number. What is asked is in the
    /// form of the face.
    Resume { account: Jid, tunnel: u64, asked: Vec<u8> },
    /// Something that a room does at its home.
    Room(RoomQuestion),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// The account has no session there, or its messages have come so far.
    Mark(Option<ArchiveId>),
    Attention {
        attended: bool,
        connected: Vec<String>,
    },
    Sessions(Vec<ListedSession>),
    /// How many have been ended.
    Ended(u64),
    /// The stream goes on, in the form its face chose; or there is none.
    Resumed(Option<Vec<u8>>),
    Room(RoomAnswer),
    /// A question that only a newer node understands, or one that could not be answered.
    Nothing,
}

/// A session of any node, as it is shown in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// Its node.
    pub node: NodeId,
    /// Its full address.
    pub jid: Jid,
    /// The priority of its presence; `None` while it is not available.
    pub priority: Option<i8>,
    /// What is known about its client.
    pub info: ClientInfo,
    /// Since when no connection carries it, in milliseconds since the Unix epoch.
    pub suspended_since_ms: Option<u64>,
}

impl Question {
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Self::Mark { account, replaced } => {
                out.byte(0);
                out.jid(account);
                out.option(replaced.as_ref(), |out, (session, since_ms)| {
                    out.jid(session);
                    out.number(*since_ms);
                });
            }
            Self::Attention { account } => {
                out.byte(1);
                out.jid(account);
            }
            Self::Sessions { account } => {
                out.byte(2);
                out.option(account.as_ref(), Writer::jid);
            }
            Self::End { session, reason } => {
                out.byte(3);
                out.jid(session);
                out.byte(close_number(*reason));
            }
            Self::Resume { account, tunnel, asked } => {
                out.byte(4);
                out.jid(account);
                out.number(*tunnel);
                out.octets(asked);
            }
            Self::Room(question) => {
                out.byte(5);
                question.write(out);
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Read<Self> {
        let session = |from: &mut Reader<'_>| Ok((from.jid()?, from.number()?));
        Ok(match from.byte()? {
            0 => Self::Mark { account: from.jid()?, replaced: from.option(session)? },
            1 => Self::Attention { account: from.jid()? },
            2 => Self::Sessions { account: from.option(Reader::jid)? },
            3 => Self::End { session: from.jid()?, reason: read_close(from)? },
            4 => {
                Self::Resume { account: from.jid()?, tunnel: from.number()?, asked: from.octets()?.to_vec() }
            }
            5 => Self::Room(RoomQuestion::read(from)?),
            _ => return Err(Malformed),
        })
    }
}

impl Answer {
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Self::Mark(mark) => {
                out.byte(0);
                out.option(*mark, |out, id| out.number(id.0));
            }
            Self::Attention { attended, connected } => {
                out.byte(1);
                out.flag(*attended);
                out.list(connected, |out, device| out.text(device));
            }
            Self::Sessions(sessions) => {
                out.byte(2);
                out.list(sessions, |out, session| session.write(out));
            }
            Self::Ended(count) => {
                out.byte(3);
                out.number(*count);
            }
            Self::Resumed(answer) => {
                out.byte(4);
                out.option(answer.as_deref(), Writer::octets);
            }
            Self::Room(answer) => {
                out.byte(5);
                answer.write(out);
            }
            Self::Nothing => out.byte(6),
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(match from.byte()? {
            0 => Self::Mark(from.option(|from| from.number().map(ArchiveId))?),
            1 => Self::Attention { attended: from.flag()?, connected: from.list(Reader::string)? },
            2 => Self::Sessions(from.list(ListedSession::read)?),
            3 => Self::Ended(from.number()?),
            4 => Self::Resumed(from.option(|from| from.octets().map(<[u8]>::to_vec))?),
            5 => Self::Room(RoomAnswer::read(from)?),
            6 => Self::Nothing,
            _ => return Err(Malformed),
        })
    }
}

/// The faces by the names they go by: what came from elsewhere is named by one of these.
const FACES: [&str; 5] = ["xmpp", "websocket", "bosh", "json", ""];

impl ListedSession {
    fn write(&self, out: &mut Writer) {
        out.number(self.node.0);
        out.jid(&self.jid);
        out.option(self.priority, |out, priority| out.signed(priority.into()));
        out.text(self.info.face);
        out.option(self.info.address.map(|address| address.to_string()).as_deref(), Writer::text);
        out.option(self.info.tls.as_deref(), Writer::text);
        out.text(&self.info.mechanism);
        out.option(self.info.software.as_deref(), Writer::text);
        out.option(self.info.agent.as_deref(), Writer::text);
        out.text(&self.info.connection);
        out.number(self.info.since_ms);
        out.option(self.suspended_since_ms, Writer::number);
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        let node = NodeId(from.number()?);
        let jid = from.jid()?;
        let priority = from.option(|from| i8::try_from(from.signed()?).map_err(|_| Malformed))?;
        let face = from.text()?;
        let info = ClientInfo {
            face: FACES.iter().find(|known| **known == face).copied().unwrap_or_default(),
            address: from.option(Reader::string)?.and_then(|address| address.parse().ok()),
            tls: from.option(Reader::string)?,
            mechanism: from.string()?,
            software: from.option(Reader::string)?,
            agent: from.option(Reader::string)?,
            connection: from.string()?,
            since_ms: from.number()?,
        };
        let suspended_since_ms = from.option(Reader::number)?;
        Ok(Self { node, jid, priority, info, suspended_since_ms })
    }
}

/// The questions that are not answered yet.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, (NodeId, oneshot::Sender<Answer>)>>,
}

impl Asked {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, (NodeId, oneshot::Sender<Answer>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, node: NodeId) -> (u64, oneshot::Receiver<Answer>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.lock().insert(id, (node, answer));
        (id, answered)
    }

    /// The answer of a node has come.
    pub(super) fn answered(&self, node: NodeId, id: u64, answer: Answer) {
        let mut waiting = self.lock();
        // Nobody answers for another.
        if waiting.get(&id).is_some_and(|(asked, _)| *asked == node)
            && let Some((_, waits)) = waiting.remove(&id)
        {
            drop(waits.send(answer));
        }
    }

    /// A node is gone, or lost what it was sent: it answers nothing any more.
    pub(super) fn gone(&self, node: NodeId) {
        self.lock().retain(|_, (asked, _)| *asked != node);
    }
}

impl Cluster {
    /// Asks another node; `None` when it is gone or does not answer in time.
    pub(crate) async fn ask(&self, node: NodeId, question: Question) -> Option<Answer> {
        let answered = self.ask_ahead(node, question)?;
        tokio::time::timeout(ANSWER_TIMEOUT, answered).await.ok()?.ok()
    }

    /// Sends the question, in its place among the other frames for that node, and leaves waiting to the caller.
    pub(crate) fn ask_ahead(&self, node: NodeId, question: Question) -> Option<oneshot::Receiver<Answer>> {
        let (id, answered) = self.asked.put(node);
        if self.send(node, &Content::Ask { id, question }) {
            return Some(answered);
        }
        self.asked.lock().remove(&id);
        None
    }

    /// Asks several nodes at once, and gives back what they answered in time.
    pub(crate) async fn ask_all(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
        question: &Question,
    ) -> Vec<Answer> {
        let asked: Vec<_> =
            nodes.into_iter().filter_map(|node| self.ask_ahead(node, question.clone())).collect();
        let deadline = tokio::time::Instant::now() + ANSWER_TIMEOUT;
        let mut answers = Vec::with_capacity(asked.len());
        for answered in asked {
            if let Ok(Ok(answer)) = tokio::time::timeout_at(deadline, answered).await {
                answers.push(answer);
            }
        }
        answers
    }
}
