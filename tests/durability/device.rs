//! A device: a client with stream management that keeps a log of what came to it and of what the server acknowledged.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use tokio::sync::Notify;
use waxwing_tests::server::Addresses;
use waxwing_tests::xml::Element;

use crate::checker::{self, Arrival, How, Message};
use crate::wire::{CARBONS, SM, SignedIn, Way, Wire, count};

const CLIENT: &str = "jabber:client";
const FORWARD: &str = "urn:xmpp:forward:0";
const STANZA_ID: &str = "urn:xmpp:sid:0";
const DELAY: &str = "urn:xmpp:delay";
const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// The query id of a page that is read for the checker and not for the device.
const AUDIT: &str = "audit";

/// A stanza that the server has not acknowledged.
struct Unacknowledged {
    xml: String,
    /// The running number, if it is one of the counted messages.
    number: Option<u64>,
}

/// A stream that can be resumed (XEP-0198).
struct Managed {
    id: String,
    /// How many of the server's stanzas were handled.
    handled: u32,
    /// How many of ours the server has acknowledged.
    acknowledged: u32,
    sent: VecDeque<Unacknowledged>,
}

/// How many messages were acknowledged, by all senders together.
#[derive(Default)]
pub(crate) struct Progress {
    count: AtomicU64,
    more: Notify,
}

impl Progress {
    /// Waits until there are so many.
    pub(crate) async fn reach(&self, enough: u64) {
        loop {
            let more = self.more.notified();
            if self.count() >= enough {
                return;
            }
            more.await;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn one_more(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.more.notify_one();
    }
}

/// One device of an account.
pub(crate) struct Device {
    pub(crate) user: String,
    pub(crate) resource: String,
    way: Way,
    /// Whether it keeps what it is sent, and asks the archive for what it missed. One that only sends does not.
    keeps: bool,
    wire: Option<Wire>,
    stream: Option<Managed>,
    /// How many connections there were, and what the one that is there is called in the log.
    connections: u32,
    over: String,
    /// What came, in the order in which it was taken in.
    pub(crate) arrivals: Vec<Arrival>,
    /// What came live while the archive was still being asked for what came before it.
    early: Vec<Arrival>,
    caught_up: bool,
    /// Whether what a client does at the beginning of a session is done.
    begun: bool,
    audited: Vec<(String, Message)>,
    answers: VecDeque<Element>,
    asked: u64,
    next: u64,
    /// Counted messages that were not acknowledged, over all streams, the oldest first.
    pending: VecDeque<u64>,
    /// Counted messages that were.
    pub(crate) acknowledged: Vec<u64>,
    /// Counted messages that came back, with the condition.
    pub(crate) refused: Vec<(u64, String)>,
    progress: Arc<Progress>,
}

impl Device {
    pub(crate) fn new(user: &str, resource: &str, way: Way, keeps: bool, progress: &Arc<Progress>) -> Self {
        Self {
            user: user.to_owned(),
            resource: resource.to_owned(),
            way,
            keeps,
            wire: None,
            stream: None,
            connections: 0,
            over: String::new(),
            arrivals: Vec::new(),
            early: Vec::new(),
            caught_up: false,
            begun: false,
            audited: Vec::new(),
            answers: VecDeque::new(),
            asked: 0,
            next: 0,
            pending: VecDeque::new(),
            acknowledged: Vec::new(),
            refused: Vec::new(),
            progress: Arc::clone(progress),
        }
    }

    /// What the checker reads.
    pub(crate) fn log(&self) -> checker::Device {
        let arrivals = self.arrivals.iter().chain(&self.early).cloned().collect();
        checker::Device { name: self.resource.clone(), account: self.user.clone(), arrivals }
    }

    /// Loses the connection; the stream may be resumed.
    pub(crate) fn disconnect(&mut self) {
        self.wire = None;
    }

    /// Forgets the stream, so that the next connection signs in anew.
    pub(crate) fn forget_stream(&mut self) {
        self.disconnect();
        self.stream = None;
    }

    /// The id under which the stream can be resumed.
    pub(crate) fn stream_id(&self) -> String {
        self.stream.as_ref().map(|stream| stream.id.clone()).unwrap_or_default()
    }

    /// Loses the connection, and will ask for another stream, or claim to have handled so many stanzas more than it has.
    pub(crate) fn claim(&mut self, id: Option<String>, more: u32) {
        self.disconnect();
        if let Some(stream) = &mut self.stream {
            stream.id = id.unwrap_or_else(|| stream.id.clone());
            stream.handled = stream.handled.wrapping_add(more);
        }
    }

    /// How many stanzas of the server this device has handled on its stream.
    pub(crate) fn handled(&self) -> u32 {
        self.stream.as_ref().map_or(0, |stream| stream.handled)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.wire.is_some()
    }

    /// Connects: resumes the stream, or signs in anew and asks the archive for what was missed. Says whether it resumed.
    pub(crate) async fn connect(&mut self, address: &Addresses) -> Result<bool> {
        let mut wire = Wire::connect(address, self.way).await?;
        let resume = self.stream.as_ref().map(|stream| (stream.id.as_str(), stream.handled));
        self.connections += 1;
        match wire.sign_in(&self.user, &self.resource, resume).await? {
            SignedIn::Resumed(h) => {
                self.wire = Some(wire);
                self.over = format!("connection {} that resumed {}", self.connections, self.stream_id());
                self.take_acknowledgement(h)?;
                let again: String = self
                    .stream
                    .iter()
                    .flat_map(|stream| &stream.sent)
                    .map(|sent| sent.xml.as_str())
                    .collect();
                self.send(&format!("{again}<r xmlns='{SM}'/>")).await?;
                if !self.begun {
                    self.begin().await?;
                }
                Ok(true)
            }
            SignedIn::Anew(id) => {
                self.wire = Some(wire);
                self.over = format!("connection {} with {id}", self.connections);
                self.stream = Some(Managed { id, handled: 0, acknowledged: 0, sent: VecDeque::new() });
                self.answers.clear();
                (self.caught_up, self.begun) = (false, false);
                self.begin().await?;
                Ok(false)
            }
        }
    }

    /// What a client does at the beginning of a session.
    async fn begin(&mut self) -> Result<()> {
        match self.way {
            Way::AtOnce => {
                self.stanza("<presence/>".to_owned(), None).await?;
                self.catch_up().await?;
            }
            Way::StepByStep => {
                self.ask("set", &format!("<enable xmlns='{CARBONS}'/>")).await?;
                self.catch_up().await?;
                self.stanza("<presence/>".to_owned(), None).await?;
            }
        }
        let again: Vec<u64> = self.pending.iter().copied().collect();
        for number in again {
            self.stanza(self.message(number), Some(number)).await?;
        }
        self.begun = true;
        self.send(&format!("<r xmlns='{SM}'/>")).await
    }

    async fn send(&mut self, text: &str) -> Result<()> {
        let sent = self.wire.as_mut().context("there is no connection")?.send(text).await;
        if sent.is_err() {
            self.wire = None;
        }
        sent
    }

    async fn stanza(&mut self, xml: String, number: Option<u64>) -> Result<()> {
        let stream = self.stream.as_mut().context("there is no stream")?;
        stream.sent.push_back(Unacknowledged { xml: xml.clone(), number });
        self.send(&xml).await
    }

    /// The counted message with this number; the same whenever it is sent.
    fn message(&self, number: u64) -> String {
        let id = format!("{}-{number}", self.user);
        let body = format!("message {number} {}", "of several words ".repeat((number % 20) as usize));
        format!(
            "<message to='{RECIPIENT}@localhost' type='chat' id='{id}'><body>{body}</body>\
             <origin-id xmlns='{STANZA_ID}' id='{id}'/></message>"
        )
    }

    /// Sends so many further counted messages and asks for an acknowledgement.
    pub(crate) async fn say(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.next += 1;
            self.pending.push_back(self.next);
            self.stanza(self.message(self.next), Some(self.next)).await?;
        }
        self.send(&format!("<r xmlns='{SM}'/>")).await
    }

    /// Reads until everything that was said has been acknowledged or refused.
    pub(crate) async fn hear_acknowledgements(&mut self) -> Result<()> {
        while !self.pending.is_empty() {
            self.read().await?;
        }
        Ok(())
    }

    /// Says something in portions until the connection breaks.
    pub(crate) async fn say_until_broken(&mut self, mut portion: impl FnMut() -> u64) {
        while self.is_connected() {
            if self.say(portion()).await.is_err() || self.hear_acknowledgements().await.is_err() {
                self.disconnect();
            }
        }
    }

    /// Reads until the connection breaks, or until so many elements have come. Says whether it still is there.
    pub(crate) async fn listen(&mut self, mut enough: u64) -> bool {
        while self.is_connected() && enough > 0 {
            if self.read().await.is_err() {
                self.disconnect();
            }
            enough -= 1;
        }
        self.is_connected()
    }

    /// Reads and takes one element.
    pub(crate) async fn read(&mut self) -> Result<()> {
        let element = match self.wire.as_mut().context("there is no connection")?.element().await {
            Ok(element) => element,
            Err(error) => {
                self.wire = None;
                return Err(error);
            }
        };
        if element.is(SM, "r") {
            let handled = self.handled();
            return self.send(&format!("<a xmlns='{SM}' h='{handled}'/>")).await;
        }
        if element.is(SM, "a") {
            return self.take_acknowledgement(count(&element)?);
        }
        if element.ns == CLIENT
            && let Some(stream) = &mut self.stream
        {
            stream.handled = stream.handled.wrapping_add(1);
        }
        if element.is(CLIENT, "message") {
            self.take_message(&element)?;
        } else if element.is(CLIENT, "iq") {
            self.answers.push_back(element);
        } else {
            ensure!(element.is(CLIENT, "presence"), "unexpected: {element}");
        }
        Ok(())
    }

    fn take_acknowledgement(&mut self, h: u32) -> Result<()> {
        let stream = self.stream.as_mut().context("there is no stream")?;
        let newly = h.wrapping_sub(stream.acknowledged);
        ensure!(newly as usize <= stream.sent.len(), "the server acknowledges what it was not sent");
        stream.acknowledged = h;
        let done: Vec<Unacknowledged> = stream.sent.drain(..newly as usize).collect();
        for number in done.into_iter().filter_map(|sent| sent.number) {
            // One that came back is handled, but it is no promise.
            if self.pending.front() == Some(&number) {
                self.pending.pop_front();
                self.acknowledged.push(number);
                self.progress.one_more();
            }
        }
        Ok(())
    }

    fn take_message(&mut self, message: &Element) -> Result<()> {
        if message.attr("type") == Some("error") {
            let (_, number) = parse(message.attr("id").context("no id")?)?;
            let condition = message.child(CLIENT, "error").and_then(|error| {
                error.children().find(|child| child.ns == STANZAS).map(|child| child.name.clone())
            });
            self.pending.retain(|pending| *pending != number);
            self.refused.push((number, condition.unwrap_or_default()));
            return Ok(());
        }
        if let Some(result) = message.child(MAM, "result") {
            let id = result.attr("id").context("a result without id")?.to_owned();
            let inner = result.find(CLIENT, "message").context("a result without message")?;
            let message = parse(inner.attr("id").context("no id")?)?;
            match result.attr("queryid") {
                Some(AUDIT) => self.audited.push((id, message)),
                _ => {
                    let over = self.over.clone();
                    self.arrivals.push(Arrival { how: How::Archive, archived: id, message, over });
                }
            }
            return Ok(());
        }
        let copied = ["received", "sent"].iter().find_map(|name| message.child(CARBONS, name));
        let inner = match copied {
            Some(carbon) => carbon
                .child(FORWARD, "forwarded")
                .and_then(|f| f.child(CLIENT, "message"))
                .context("an empty carbon")?,
            None => message,
        };
        let by = format!("{}@localhost", self.user);
        let archived = inner
            .children()
            .find(|child| child.is(STANZA_ID, "stanza-id") && child.attr("by") == Some(&by))
            .and_then(|child| child.attr("id"))
            .with_context(|| format!("not archived: {message}"))?;
        let how = if inner.child(DELAY, "delay").is_some() { How::Delayed } else { How::Live };
        let message = parse(inner.attr("id").context("no id")?)?;
        let arrival = Arrival { how, archived: archived.to_owned(), message, over: self.over.clone() };
        match self.caught_up || !self.keeps {
            true => self.arrivals.push(arrival),
            false => self.early.push(arrival),
        }
        Ok(())
    }

    /// Asks the server; reads until the answer comes.
    pub(crate) async fn ask(&mut self, kind: &str, payload: &str) -> Result<Element> {
        self.asked += 1;
        let id = format!("ask-{}", self.asked);
        self.stanza(format!("<iq type='{kind}' id='{id}'>{payload}</iq>"), None).await?;
        loop {
            if let Some(answer) = self.answers.pop_front() {
                if answer.attr("id") == Some(&id) {
                    return Ok(answer);
                }
                continue;
            }
            self.read().await?;
        }
    }

    /// One round trip: whatever was delivered before has come, and is acknowledged.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let answer = self.ask("get", "<ping xmlns='urn:xmpp:ping'/>").await?;
        ensure!(answer.attr("type") == Some("result"), "{answer}");
        let handled = self.handled();
        self.send(&format!("<a xmlns='{SM}' h='{handled}'/><r xmlns='{SM}'/>")).await
    }

    /// Reads from the archive what came after the newest message that is known, and only then takes in what came live
    /// meanwhile: what is there already is a repeat.
    async fn catch_up(&mut self) -> Result<()> {
        if self.keeps {
            let newest = self.arrivals.last().map(|arrival| arrival.archived.clone());
            self.pages("missed", newest).await?;
            let known: HashSet<&String> = self.arrivals.iter().map(|arrival| &arrival.archived).collect();
            // A live delivery is logged also when the archive had it first: the checker counts deliveries.
            let (late, new): (Vec<_>, Vec<_>) =
                std::mem::take(&mut self.early).into_iter().partition(|a| known.contains(&a.archived));
            self.insert_known(late);
            self.arrivals.extend(new);
        }
        self.caught_up = true;
        Ok(())
    }

    /// Logs deliveries of what the archive gave first where the archive gave it, so that the newest stays the last.
    fn insert_known(&mut self, late: Vec<Arrival>) {
        for arrival in late {
            let at = self.arrivals.iter().position(|known| known.archived == arrival.archived);
            self.arrivals.insert(at.map_or(0, |at| at + 1), arrival);
        }
    }

    async fn pages(&mut self, query: &str, mut after: Option<String>) -> Result<()> {
        loop {
            let place = after.as_ref().map(|id| format!("<after>{id}</after>")).unwrap_or_default();
            let answer = self
                .ask(
                    "set",
                    &format!(
                        "<query xmlns='{MAM}' queryid='{query}'><set xmlns='{RSM}'><max>100</max>{place}</set></query>"
                    ),
                )
                .await?;
            if answer.attr("type") == Some("error") && after.take().is_some() {
                // The newest message that is known is no longer there: all is read again.
                continue;
            }
            let fin = answer.child(MAM, "fin").with_context(|| format!("no page: {answer}"))?;
            if fin.attr("complete") == Some("true") {
                return Ok(());
            }
            let last = fin.child(RSM, "set").and_then(|set| set.child(RSM, "last"));
            after = Some(last.context("a page without end")?.text());
        }
    }

    /// The whole archive of the account, for the checker.
    pub(crate) async fn audit(&mut self) -> Result<checker::Archive> {
        self.audited.clear();
        self.pages(AUDIT, None).await?;
        Ok(checker::Archive { account: self.user.clone(), held: std::mem::take(&mut self.audited) })
    }
}

/// The account that everybody else writes to.
pub(crate) const RECIPIENT: &str = "juliet";

/// The sender and the number in a message's id.
fn parse(id: &str) -> Result<Message> {
    let (sender, number) = id.rsplit_once('-').with_context(|| format!("unknown id {id}"))?;
    Ok((sender.to_owned(), number.parse()?))
}
