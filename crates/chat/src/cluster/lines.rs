//! What the sessions of this node do in rooms: room by room in one line, to wherever the room's home is at the moment.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{Outgoing, Stanza};

use super::homes::{HOME_TIMEOUT, Hearing};
use super::rooms::{Audience, Deed, News, Refused, RoomAnswer, RoomFrame, RoomQuestion, SeatAt};
use super::{ANSWER_TIMEOUT, Answer, Cluster, Content, Question, lock};
use crate::archive::Direction;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::nodes::NodeId;
use crate::receipt::Receipt;
use crate::rooms::ROOMS_PER_SESSION_LIMIT;
use crate::rooms::affiliation::Affiliation;
use crate::rooms::listening::Saying;
use crate::rooms::occupants::Seat;
use crate::rooms::store::RoomId;

/// How much may wait for one room at one node; whoever comes later is refused.
pub const LINE_LIMIT: usize = 1024;

/// How much may be on its way to a room's home and unanswered.
const FLYING_LIMIT: usize = 64;

/// How long a line stays that nobody uses.
const LINE_IDLE: Duration = Duration::from_secs(30);

/// How long is waited before a home is looked for once more.
const LINE_PATIENCE: Duration = Duration::from_millis(50);

/// Who is told what came of something.
#[derive(Debug)]
enum Reply {
    Here(oneshot::Sender<Result<Receipt>>),
    Node(NodeId, u64),
}

#[derive(Debug)]
struct Op {
    deed: Deed,
    reply: Reply,
    /// Until when it is tried.
    until: Instant,
}

impl Op {
    fn new(deed: Deed, reply: Reply) -> Self {
        Self { deed, reply, until: Instant::now() + HOME_TIMEOUT }
    }
}

struct Flying {
    op: Op,
    answered: oneshot::Receiver<Answer>,
}

/// What a line goes on with.
enum Next {
    Op(Op),
    /// The oldest that is on its way has been answered, or its home is gone.
    Landed(Option<Answer>),
}

/// The lines of this node.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<Jid, mpsc::Sender<Op>>);

/// A line at work.
struct Line {
    cluster: Arc<Cluster>,
    chat: Arc<Chat>,
    room: Jid,
    flying: VecDeque<Flying>,
    home: Option<NodeId>,
}

impl Cluster {
    /// Has something done in a room, in the order in which this node asks for it.
    async fn do_in_room(self: &Arc<Self>, chat: &Arc<Chat>, room: &Jid, deed: Deed) -> Result<Receipt> {
        let (reply, replied) = oneshot::channel();
        if !self.put_in_line(chat, room, Op::new(deed, Reply::Here(reply))) {
            return Err(Error::ResourceConstraint("too much waits for the room"));
        }
        replied.await.map_err(|_| Error::ResourceConstraint("the room cannot be reached"))?
    }

    /// Says whether there was room for it.
    fn put_in_line(self: &Arc<Self>, chat: &Arc<Chat>, room: &Jid, op: Op) -> bool {
        let mut lines = lock(&self.lines);
        let op = match lines.0.get(room) {
            Some(line) => match line.try_send(op) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Full(_)) => return false,
                Err(mpsc::error::TrySendError::Closed(op)) => op,
            },
            None => op,
        };
        let (line, waiting) = mpsc::channel(LINE_LIMIT);
        drop(line.try_send(op));
        lines.0.insert(room.clone(), line);
        let line = Line {
            cluster: Arc::clone(self),
            chat: Arc::clone(chat),
            room: room.clone(),
            flying: VecDeque::new(),
            home: None,
        };
        tokio::spawn(line.run(waiting));
        true
    }

    /// Another node asks something of a room.
    pub(super) fn room_asked(
        self: &Arc<Self>,
        chat: &Arc<Chat>,
        node: NodeId,
        id: u64,
        question: RoomQuestion,
    ) {
        let RoomQuestion { room, deed } = question;
        let (cluster, chat) = (Arc::clone(self), Arc::clone(chat));
        let answer = move |answer: RoomAnswer| {
            cluster.send(node, &Content::Answer { id, answer: Answer::Room(answer) });
        };
        match deed {
            Deed::Occupants { yields } => {
                let cluster = Arc::clone(self);
                tokio::spawn(async move {
                    let sitting = match yields {
                        true => {
                            let given = cluster.give_home(&chat, &room).await;
                            if given.is_none() {
                                cluster.release_unused(&room).await;
                            }
                            given
                        }
                        false if cluster.is_home(&room) => Some(chat.sitting_in_room(&room).await),
                        false => None,
                    };
                    answer(sitting.map_or(RoomAnswer::NotHome, RoomAnswer::Occupants));
                });
            }
            Deed::Sitting { anew } => {
                let cluster = Arc::clone(self);
                tokio::spawn(async move {
                    // Another has taken what this node may have believed to hold: then it tells of all who are in it.
                    let given = if anew { cluster.give_home(&chat, &room).await } else { None };
                    let (own, seen) = cluster.sitting_here(&chat, &room, node);
                    let others = given.into_iter().flatten();
                    answer(RoomAnswer::Sitting { sitting: others.chain(own).collect(), seen });
                });
            }
            Deed::Seat(sitting) => {
                let cluster = Arc::clone(self);
                tokio::spawn(async move {
                    let seated =
                        cluster.is_home(&room) && chat.seat_in_room(&room, node, sitting).await.is_ok();
                    if !seated {
                        cluster.release_unused(&room).await;
                    }
                    answer(if seated { RoomAnswer::Done(None) } else { RoomAnswer::NotHome });
                });
            }
            deed => {
                if !self.put_in_line(&chat, &room, Op::new(deed, Reply::Node(node, id))) {
                    answer(RoomAnswer::Refused(Refused::from(&Error::Wait)));
                }
            }
        }
    }

    /// A room that has its home elsewhere says something to sessions of this node.
    pub(super) async fn room_told(self: &Arc<Self>, chat: &Arc<Chat>, node: NodeId, frame: RoomFrame) {
        let RoomFrame { room, news } = frame;
        match news {
            News::Stanza { to, stanza, place } => {
                let Hearing { to, lacking } = self.hears(chat, node, &room, (&to, &stanza, place));
                if !to.is_empty() {
                    let stanza = Arc::new(Outgoing::for_many(stanza));
                    for session in to {
                        let delivery = Delivery { stanza: Arc::clone(&stanza), archived: None };
                        session.push(Event::Stanza(delivery));
                    }
                }
                if lacking {
                    let (cluster, chat) = (Arc::clone(self), Arc::clone(chat));
                    tokio::spawn(async move { cluster.say_who_sits(&chat, room).await });
                }
            }
            News::Batch { to, stanzas } => {
                let mut receiver = None;
                for stanza in &stanzas {
                    let Hearing { to, .. } =
                        self.hears(chat, node, &room, (std::slice::from_ref(&to), stanza, None));
                    receiver = to.into_iter().next();
                }
                if let Some(session) = receiver {
                    let stanzas = stanzas.into_iter().map(|stanza| Arc::new(Outgoing::for_many(stanza)));
                    session.push(Event::Batch(stanzas.collect()));
                }
            }
            News::Carbon { to, stanza } => {
                if let Some(session) = chat.sessions.find(&to).filter(|session| session.carbons()) {
                    let delivery = Delivery { stanza: Arc::new(Outgoing::new(stanza)), archived: None };
                    session.push(Event::Carbon(Direction::Outgoing, delivery));
                }
            }
            News::Entered { session, own, heard, anew } => {
                if let Some(session) = chat.sessions.find(&session) {
                    self.seated(&session, node, &own, heard, anew);
                    self.seat_late(chat, &room);
                }
            }
            News::Left { session, own } => {
                self.unseated(&room, &session);
                if let Some(session) = chat.sessions.find(&session) {
                    session.leave_room(&own);
                }
            }
            News::Heard { stanza, archive, archived, by, openly } => {
                let id = RoomId(archive.0.saturating_neg());
                let stanza = Arc::new(Outgoing::for_many(stanza));
                let (room, stanza, by) = (&room, &stanza, &by);
                let saying = Saying { room, stanza, archive, archived, by, openly };
                chat.rooms.listening.of(id).hear(&saying);
                chat.rooms.listening.asleep(id);
            }
            News::Told { archive, audience, event } => {
                let id = RoomId(archive.0.saturating_neg());
                let event = event.in_room(room);
                match audience {
                    Audience::Listeners => chat.rooms.listening.of(id).tell(event),
                    Audience::Ranked => chat.rooms.listening.of(id).tell_ranked(event),
                    Audience::Person(person, affiliation) => {
                        chat.tell_member(id, &person, affiliation, event);
                    }
                    Audience::Recheck => chat.recheck_listeners(id, event).await,
                }
                chat.rooms.listening.asleep(id);
            }
        }
    }

    /// Tells the sessions of other nodes something of a room.
    pub(crate) fn tell_room(&self, room: &Jid, news: News) {
        if !self.bus.others().is_empty() {
            self.broadcast(&Content::Room(RoomFrame { room: room.clone(), news }));
        }
    }

    /// Tells those of one node something of a room.
    pub(crate) fn tell_room_at(&self, node: NodeId, room: &Jid, news: News) {
        self.send(node, &Content::Room(RoomFrame { room: room.clone(), news }));
    }
}

impl Line {
    async fn run(mut self, mut waiting: mpsc::Receiver<Op>) {
        loop {
            let more = self.flying.len() < FLYING_LIMIT;
            let next = match self.flying.front_mut() {
                None => match timeout(LINE_IDLE, waiting.recv()).await {
                    Ok(Some(op)) => Next::Op(op),
                    Ok(None) => return,
                    Err(_) => {
                        let mut lines = lock(&self.cluster.lines);
                        match waiting.try_recv() {
                            Ok(op) => Next::Op(op),
                            Err(_) => {
                                lines.0.remove(&self.room);
                                return;
                            }
                        }
                    }
                },
                Some(front) => {
                    tokio::select! {
                        biased;
                        answer = timeout(ANSWER_TIMEOUT, &mut front.answered) => {
                            Next::Landed(answer.ok().and_then(std::result::Result::ok))
                        }
                        op = waiting.recv(), if more => match op {
                            Some(op) => Next::Op(op),
                            None => return,
                        },
                    }
                }
            };
            match next {
                Next::Op(op) => self.dispatch(op).await,
                Next::Landed(answer) => self.landed(answer).await,
            }
        }
    }

    /// The oldest that is on its way has been answered, or is not going to be: then all that are not are sent once more, in
    /// their order.
    async fn landed(&mut self, answer: Option<Answer>) {
        if let Some(outcome) = answer.and_then(outcome) {
            if let Some(flying) = self.flying.pop_front() {
                self.reply(flying.op.reply, outcome);
            }
            return;
        }
        self.home = None;
        // It may be on its way from one home to the next.
        sleep(LINE_PATIENCE).await;
        for mut flying in std::mem::take(&mut self.flying) {
            match flying.answered.try_recv().ok().and_then(outcome) {
                Some(outcome) => self.reply(flying.op.reply, outcome),
                None => self.dispatch(flying.op).await,
            }
        }
    }

    async fn dispatch(&mut self, op: Op) {
        if let Reply::Node(..) = op.reply {
            // Whoever asks finds out himself where the room's home is.
            return match self.cluster.is_home(&self.room) {
                true => self.do_here(op).await,
                false => {
                    self.cluster.release_unused(&self.room).await;
                    self.answer(op.reply, RoomAnswer::NotHome);
                }
            };
        }
        loop {
            if self.flying.is_empty() && self.cluster.is_home(&self.room) {
                self.home = Some(self.cluster.bus.node());
            }
            if self.home.is_none() && !self.flying.is_empty() {
                return self.hold(op);
            }
            if self.home.is_none() || self.home == Some(self.cluster.bus.node()) {
                self.home = self.cluster.home_of(&self.chat, &self.room).await;
            }
            match self.home {
                Some(home) if home == self.cluster.bus.node() => return self.do_here(op).await,
                Some(home) if Instant::now() < op.until => {
                    let deed = op.deed.clone();
                    let question = Question::Room(RoomQuestion { room: self.room.clone(), deed });
                    if let Some(answered) = self.cluster.ask_ahead(home, question) {
                        self.flying.push_back(Flying { op, answered });
                        return;
                    }
                    self.home = None;
                }
                _ => {}
            }
            if Instant::now() >= op.until {
                return self.reply(op.reply, Err(Error::ResourceConstraint("the room cannot be reached")));
            }
            sleep(LINE_PATIENCE).await;
        }
    }

    /// Leaves something behind what is on its way and is not going to be answered: all of it is sent once more, in its order.
    fn hold(&mut self, op: Op) {
        let (_, answered) = oneshot::channel();
        self.flying.push_back(Flying { op, answered });
    }

    /// Does something at the room's home, which is here.
    async fn do_here(&self, op: Op) {
        let Op { deed, reply, .. } = op;
        let chat = &self.chat;
        let done = match deed {
            Deed::Presence { seat, stanza } => {
                chat.room_presence_here(self.seat(seat), stanza).await.map(|()| Receipt::DONE)
            }
            Deed::Message { seat, stanza, token } => {
                chat.room_message_here(self.seat(seat), stanza, Some(token)).await
            }
            Deed::Iq { seat, stanza } => {
                chat.room_iq_here(self.seat(seat), stanza).await.map(|()| Receipt::DONE)
            }
            Deed::Say { real, name, stanza, token } => {
                chat.say_in_room_here(&self.room, &real, &name, stanza, Some(token)).await
            }
            // These are answered without waiting in a line.
            Deed::Occupants { .. } | Deed::Sitting { .. } | Deed::Seat(_) => Ok(Receipt::DONE),
        };
        self.reply(reply, done);
    }

    fn seat(&self, seat: SeatAt) -> Seat {
        let away = match seat {
            SeatAt::Node(away) => away,
            SeatAt::Remote(jid) => return Seat::Remote(jid),
        };
        if away.node == self.cluster.bus.node()
            && let Some(session) = self.chat.sessions.find(&away.jid)
        {
            return Seat::Local(session);
        }
        Seat::Node(away)
    }

    fn reply(&self, reply: Reply, outcome: Result<Receipt>) {
        match (reply, outcome) {
            (Reply::Here(caller), outcome) => drop(caller.send(outcome)),
            (reply @ Reply::Node(..), Err(error)) => {
                self.answer(reply, RoomAnswer::Refused(Refused::from(&error)));
            }
            (Reply::Node(node, id), Ok(receipt)) => {
                let (cluster, chat, room) =
                    (Arc::clone(&self.cluster), Arc::clone(&self.chat), self.room.clone());
                tokio::spawn(async move {
                    let answer = match receipt.place().await {
                        Ok(place) => RoomAnswer::Done(place),
                        Err(Error::ResourceConstraint(_)) if cluster.has_lost_home(&chat, &room).await => {
                            RoomAnswer::NotHome
                        }
                        Err(error) => RoomAnswer::Refused(Refused::from(&error)),
                    };
                    cluster.send(node, &Content::Answer { id, answer: Answer::Room(answer) });
                });
            }
        }
    }

    fn answer(&self, reply: Reply, answer: RoomAnswer) {
        if let Reply::Node(node, id) = reply {
            self.cluster.send(node, &Content::Answer { id, answer: Answer::Room(answer) });
        }
    }
}

/// What came of something at the room's home; `None` where it was not done there.
fn outcome(answer: Answer) -> Option<Result<Receipt>> {
    match answer {
        Answer::Room(RoomAnswer::Done(place)) => Some(Ok(Receipt::kept(place))),
        Answer::Room(RoomAnswer::Refused(refused)) => Some(Err(Error::from(refused))),
        _ => None,
    }
}

impl Chat {
    /// Presence for a room of the cluster, wherever its home is.
    pub(crate) async fn room_presence_anywhere(
        &self,
        cluster: &Arc<Cluster>,
        seat: Seat,
        stanza: Stanza,
    ) -> Result<()> {
        let to = stanza.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        let chat = self.itself().ok_or(Error::ServiceUnavailable)?;
        if let Seat::Local(session) = &seat
            && stanza.child(waxwing_xmpp::ns::MUC, "x").is_some()
            && session.rooms().len() >= ROOMS_PER_SESSION_LIMIT
            && !session.rooms().iter().any(|own| own.same_bare(&to))
        {
            return Err(Error::ResourceConstraint("the session is in too many rooms"));
        }
        cluster.note_shown(&to.to_bare(), seat.jid(), &stanza);
        let deed = Deed::Presence { seat: cluster.seat_at(&seat), stanza };
        cluster.do_in_room(&chat, &to.to_bare(), deed).await.map(drop)
    }

    /// A message for a room of the cluster, wherever its home is.
    pub(crate) async fn room_message_anywhere(
        &self,
        cluster: &Arc<Cluster>,
        seat: Seat,
        stanza: Stanza,
    ) -> Result<Receipt> {
        let to = stanza.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        let chat = self.itself().ok_or(Error::ServiceUnavailable)?;
        let mut seat_at = cluster.seat_at(&seat);
        if let (SeatAt::Node(away), Seat::Local(session)) = (&mut seat_at, &seat)
            && away.attends
        {
            let record = self.store.room(&to.to_bare()).await?;
            away.listens = record.is_some_and(|record| session.listens_to().contains(&record.id));
        }
        let deed = Deed::Message { seat: seat_at, stanza, token: self.token() };
        cluster.do_in_room(&chat, &to.to_bare(), deed).await
    }

    /// A request or an answer for somebody in a room of the cluster.
    pub(crate) async fn room_iq_anywhere(
        &self,
        cluster: &Arc<Cluster>,
        seat: Seat,
        stanza: Stanza,
    ) -> Result<()> {
        let to = stanza.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        let chat = self.itself().ok_or(Error::ServiceUnavailable)?;
        let deed = Deed::Iq { seat: cluster.seat_at(&seat), stanza };
        cluster.do_in_room(&chat, &to.to_bare(), deed).await.map(drop)
    }

    /// Something said in a room of the cluster by an account that need not be in it.
    pub(crate) async fn say_in_room_anywhere(
        &self,
        cluster: &Arc<Cluster>,
        room: &Jid,
        real: &Jid,
        name: &str,
        stanza: Stanza,
    ) -> Result<Receipt> {
        let chat = self.itself().ok_or(Error::ServiceUnavailable)?;
        let (real, name) = (real.clone(), name.to_owned());
        let deed = Deed::Say { real, name, stanza, token: self.token() };
        cluster.do_in_room(&chat, &room.to_bare(), deed).await
    }

    /// Somebody is something else to a room than before: his attending sessions here hear it, and are told.
    fn tell_member(
        &self,
        id: RoomId,
        person: &Jid,
        affiliation: Affiliation,
        event: crate::rooms::news::RoomEvent,
    ) {
        let ranked = affiliation >= Affiliation::Admin;
        self.rooms.listening.changed_for(person);
        self.rooms.listening.of(id).rank(person, ranked);
        let event = Arc::new(event);
        for session in self.sessions.of(person).iter().filter(|session| session.attends()) {
            if affiliation >= Affiliation::Member {
                self.rooms.listening.add(session, id, ranked);
            }
            session.push(Event::Room(Arc::clone(&event)));
        }
    }

    /// Who may hear a room is decided anew for those here who hear it; those who may not any more are told.
    async fn recheck_listeners(&self, id: RoomId, event: crate::rooms::news::RoomEvent) {
        self.rooms.listening.changed_for_all();
        let event = Arc::new(event);
        for session in self.rooms.listening.of(id).sessions() {
            if let Err(error) = self.attend(&session).await {
                tracing::warn!(%error, session = %session.jid, "what a session may hear could not be read");
            }
            if !session.listens_to().contains(&id) {
                session.push(Event::Room(Arc::clone(&event)));
            }
        }
    }
}
