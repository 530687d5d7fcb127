//! A model of a client: it signs in, sends, acknowledges, loses its connection, resumes, and sends again what it must.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::line::{Line, SIGN_IN_PATIENCE, header};
use super::random::Random;
use super::record::{Message, Receipt};
use super::world::{DOMAIN, Phase, World};

/// How long it waits for any sign of life when everything else is calm.
const PATIENCE: Duration = Duration::from_secs(100);

/// A device of an account.
pub(crate) struct Device {
    pub(crate) index: usize,
    pub(crate) account: usize,
    pub(crate) world: Arc<World>,
    pub(crate) random: Random,
    /// What is still to be written by its user.
    pub(crate) to_write: u64,
    written: u64,
    /// Written, and not yet sent in this session.
    outbox: VecDeque<String>,
    session: u64,
    management: Option<Management>,
    /// How often the server had died when the connection was made.
    deaths: u64,
    /// Lost once on purpose, to prove that it is noticed.
    pub(crate) careless: bool,
}

/// What a client keeps of a managed stream.
#[derive(Debug, Default)]
struct Management {
    /// Present if the stream can be resumed.
    id: Option<String>,
    /// How many stanzas it has handled.
    handled: u32,
    /// How many of its own the server has handled.
    acked: u32,
    /// Its own since then.
    queue: VecDeque<Sent>,
    /// The messages among what it has handled, each with its number.
    got: VecDeque<(u32, String)>,
    /// How many it had reported handled at each of its requests that is not answered yet.
    asked: VecDeque<u32>,
    reported: u32,
}

#[derive(Debug, Clone)]
enum Sent {
    Message(String),
    Other(String),
}

/// How a connection ended.
enum End {
    /// It may be resumed.
    Lost,
    /// The session is over.
    Over,
    /// The world is at its end.
    Done,
}

impl Device {
    pub(crate) fn new(
        index: usize,
        account: usize,
        world: Arc<World>,
        random: Random,
        to_write: u64,
    ) -> Self {
        Self {
            index,
            account,
            world,
            random,
            to_write,
            written: 0,
            outbox: VecDeque::new(),
            session: 0,
            management: None,
            deaths: 0,
            careless: false,
        }
    }

    /// Lives until the world says that it is over.
    pub(crate) async fn run(mut self) {
        loop {
            let end = match self.connection().await {
                Ok(end) => end,
                Err(error) => {
                    self.note("lost", &format!("{:?}", error.kind()));
                    End::Lost
                }
            };
            match end {
                End::Done => return,
                End::Over => self.give_up(),
                End::Lost if self.management.as_ref().is_none_or(|m| m.id.is_none()) => self.give_up(),
                End::Lost => {}
            }
            let pause = if self.random.one_in(3) { 0 } else { self.random.below(4_000) };
            sleep(Duration::from_millis(pause)).await;
        }
    }

    fn note(&self, what: &'static str, detail: &str) {
        self.world.record().note(what, self.index, detail);
    }

    /// The session is over: what the server did not count has to be sent again in the next.
    fn give_up(&mut self) {
        let Some(management) = self.management.take() else { return };
        self.note("session over", "");
        let record = self.world.record();
        for sent in management.queue.into_iter().rev() {
            if let Sent::Message(id) = sent
                && !record.messages.get(&id).is_some_and(|message| message.refused)
            {
                self.outbox.push_front(id);
            }
        }
    }

    fn line(&self) -> io::Result<Line> {
        Ok(Line::new(self.world.connect(self.account).ok_or(io::ErrorKind::ConnectionRefused)?))
    }

    /// One connection from its first byte to its last.
    async fn connection(&mut self) -> io::Result<End> {
        let mut line = self.line()?;
        self.deaths = self.world.record().deaths;
        self.sign_in(&mut line).await?;
        if !self.resume(&mut line).await? {
            self.bind(&mut line).await?;
        }
        self.steady(&mut line).await
    }

    async fn sign_in(&mut self, line: &mut Line) -> io::Result<()> {
        line.send(&header()).await?;
        line.answer().await?;
        line.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>").await?;
        if line.answer().await?.name() != "success" {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        line.restart();
        line.send(&header()).await?;
        line.answer().await.map(drop)
    }

    /// XEP-0198 section 5; `false` when there is nothing to resume.
    async fn resume(&mut self, line: &mut Line) -> io::Result<bool> {
        let Some(management) = &self.management else { return Ok(false) };
        let Some(id) = management.id.as_ref() else { return Ok(false) };
        let h = management.handled;
        line.send(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{h}'/>")).await?;
        let answer = line.answer().await?;
        if !answer.is(ns::SM3, "resumed") {
            self.note("not resumed", answer.name());
            self.give_up();
            return Ok(false);
        }
        self.note("resumed", answer.attr("h").unwrap_or_default());
        if let Some(management) = &mut self.management {
            management.reported = h;
            management.asked.clear();
        }
        self.confirmed(h);
        self.acknowledged(&answer);
        let again: Vec<Sent> =
            self.management.as_ref().map(|m| m.queue.iter().cloned().collect()).unwrap_or_default();
        for sent in again {
            if let Sent::Message(id) = &sent
                && let Some(message) = self.world.record().messages.get_mut(id)
            {
                message.attempts += 1;
            }
            let text = self.text(&sent);
            line.send(&text).await?;
        }
        Ok(true)
    }

    async fn bind(&mut self, line: &mut Line) -> io::Result<()> {
        let resource = match self.world.fresh_resources {
            true => String::new(),
            false => format!("<resource>d{}</resource>", self.index),
        };
        line.send(&format!(
            "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>{resource}</bind></iq>"
        ))
        .await?;
        let answer = line.answer().await?;
        if answer.attr("type") != Some("result") {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        line.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await?;
        let enabled = line.answer().await?;
        if !enabled.is(ns::SM3, "enabled") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.session += 1;
        self.note("bound", "");
        // Until it has shown that it takes messages, nothing is due to it.
        self.world.record().sessions.insert(self.index, (self.session, u64::MAX));
        let id = enabled.attr("id").map(str::to_owned);
        self.management = Some(Management { id, ..Management::default() });
        self.send(line, Sent::Other("<presence/>".to_owned())).await?;
        self.ping(line, "ready").await?;
        self.send_outbox(line).await
    }

    async fn ping(&mut self, line: &mut Line, id: &str) -> io::Result<()> {
        let ping = format!("<iq type='get' id='{id}' to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>");
        self.send(line, Sent::Other(ping)).await
    }

    fn text(&self, sent: &Sent) -> String {
        match sent {
            Sent::Other(text) => text.clone(),
            Sent::Message(id) => {
                let to = self.world.record().messages.get(id).map_or(0, |message| message.to);
                let padding = "x".repeat(id.len() * 37 % 900);
                format!(
                    "<message to='a{to}@{DOMAIN}' type='chat' id='{id}'><body>{id} {padding}</body>\
                     <origin-id xmlns='urn:xmpp:sid:0' id='{id}'/></message>"
                )
            }
        }
    }

    /// Sends a stanza and keeps it until the server has counted it.
    async fn send(&mut self, line: &mut Line, sent: Sent) -> io::Result<()> {
        let text = self.text(&sent);
        if let Some(management) = &mut self.management {
            management.queue.push_back(sent);
        }
        line.send(&text).await
    }

    /// Sends what is left from before, which nothing new may overtake.
    async fn send_outbox(&mut self, line: &mut Line) -> io::Result<()> {
        while let Some(id) = self.outbox.pop_front() {
            if let Some(message) = self.world.record().messages.get_mut(&id) {
                message.attempts += 1;
            }
            self.send(line, Sent::Message(id)).await?;
        }
        Ok(())
    }

    async fn write_message(&mut self, line: &mut Line) -> io::Result<()> {
        self.send_outbox(line).await?;
        self.written += 1;
        let id = format!("m-{}-{}", self.index, self.written);
        let others = self.world.accounts - 1;
        let to = (self.account + 1 + self.random.up_to(others - 1)) % self.world.accounts;
        {
            let mut record = self.world.record();
            let first_sent = record.tick();
            let message = Message {
                sender: self.index,
                to,
                first_sent,
                attempts: 1,
                acknowledged: false,
                refused: false,
                disk_refused: false,
            };
            record.messages.insert(id.clone(), message);
            record.note("sent", self.index, &id);
        }
        self.send(line, Sent::Message(id)).await
    }

    /// Takes `h` of `<a/>` or `<resumed/>` (XEP-0198 section 4).
    fn acknowledged(&mut self, element: &Element) {
        let Some(management) = &mut self.management else { return };
        let h: u32 = element.attr("h").and_then(|h| h.parse().ok()).unwrap_or_default();
        let newly = h.wrapping_sub(management.acked) as usize;
        let mut record = self.world.record();
        if newly > management.queue.len() {
            let sent = management.acked as usize + management.queue.len();
            record.violate(format!("device {}: {h} stanzas counted, {sent} were sent", self.index));
            return;
        }
        management.acked = h;
        for sent in management.queue.drain(..newly) {
            if let Sent::Message(id) = sent
                && let Some(message) = record.messages.get_mut(&id)
            {
                message.acknowledged = true;
                record.note("acknowledged", self.index, &id);
            }
        }
    }

    async fn request(&mut self, line: &mut Line) -> io::Result<()> {
        if let Some(management) = &mut self.management {
            management.asked.push_back(management.reported);
        }
        line.send("<r xmlns='urn:xmpp:sm:3'/>").await
    }

    /// The server knows that so many stanzas were handled: it answers a request after what came before it. What is read of its
    /// answers after it has died says nothing about its next life.
    fn confirmed(&mut self, h: u32) {
        let Some(management) = &mut self.management else { return };
        let mut record = self.world.record();
        while let Some((_, id)) = management.got.pop_front_if(|(number, _)| *number <= h) {
            if record.deaths == self.deaths {
                record.confirmed.insert((self.index, id));
            }
        }
    }

    /// Passes the time until the connection ends.
    async fn steady(&mut self, line: &mut Line) -> io::Result<End> {
        let mut heard = Instant::now();
        let mut act = Instant::now();
        let mut swept = false;
        loop {
            let phase = self.world.phase();
            if phase == Phase::End {
                return self.leave(line).await;
            }
            let changed = self.world.phase_changed();
            tokio::select! {
                biased;
                element = line.next() => {
                    heard = Instant::now();
                    if let Some(end) = self.hear(line, &element?).await? {
                        return Ok(end);
                    }
                }
                () = changed => {}
                () = sleep_until(act) => {
                    if heard + PATIENCE < Instant::now() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    match phase {
                        Phase::Chaos => {
                            if let Some(end) = self.act(line).await? {
                                return Ok(end);
                            }
                        }
                        Phase::Calm => self.finish_writing(line).await?,
                        Phase::Sweep if !swept => {
                            swept = true;
                            self.ping(line, "swept").await?;
                        }
                        Phase::Sweep | Phase::End => self.request(line).await?,
                    }
                    act = Instant::now() + Duration::from_millis(self.random.below(self.world.pace_ms) + 1);
                }
            }
        }
    }

    /// Sends all that is left, and says so when the server has it.
    async fn finish_writing(&mut self, line: &mut Line) -> io::Result<()> {
        self.send_outbox(line).await?;
        if self.written < self.to_write {
            return self.write_message(line).await;
        }
        let owed = self.management.as_ref().map_or(0, |management| management.queue.len());
        match owed {
            0 => self.world.settled(self.index),
            _ => self.request(line).await?,
        }
        Ok(())
    }

    /// Does something that clients do, or that happens to them.
    async fn act(&mut self, line: &mut Line) -> io::Result<Option<End>> {
        if self.random.one_in(self.world.trouble_one_in) {
            return self.trouble(line).await;
        }
        if self.random.one_in(5) {
            self.request(line).await?;
        }
        for _ in 0..self.random.below(4) {
            if self.written < self.to_write {
                self.write_message(line).await?;
            }
        }
        Ok(None)
    }

    async fn trouble(&mut self, line: &mut Line) -> io::Result<Option<End>> {
        let time = Duration::from_millis(self.random.below(self.world.longest_trouble_ms));
        let end = match self.random.below(8) {
            0 => {
                self.note("cut", "");
                line.cable.cut();
                End::Lost
            }
            // Its connection lives on at the server, and it comes back by another.
            1 => {
                self.note("goes silent", "");
                line.cable.go_silent();
                End::Lost
            }
            2 => {
                self.note("hangs up", "");
                End::Lost
            }
            3 => {
                let direction = [None, Some(0), Some(1)][self.random.up_to(2)];
                self.note("stalls", "");
                line.cable.stall(direction, time);
                return Ok(None);
            }
            4 => {
                self.note("does not read", "");
                sleep(time).await;
                return Ok(None);
            }
            5 => {
                self.note("closes", "");
                line.send("</stream:stream>").await?;
                let by = Instant::now() + SIGN_IN_PATIENCE;
                while let Ok(Ok(element)) = timeout_at(by, line.next()).await {
                    self.hear(line, &element).await?;
                }
                End::Over
            }
            6 => {
                self.note("forgets its stream", "");
                line.cable.go_silent();
                End::Over
            }
            _ => {
                self.note("is cut and away", "");
                line.cable.cut();
                sleep(time).await;
                End::Lost
            }
        };
        Ok(Some(end))
    }

    /// Takes one element of the server.
    async fn hear(&mut self, line: &mut Line, element: &Element) -> io::Result<Option<End>> {
        match (element.ns(), element.name()) {
            (ns::SM3, "r") => {
                let h = self.management.as_mut().map_or(0, |management| {
                    management.reported = management.handled;
                    management.handled
                });
                line.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>")).await?;
            }
            (ns::SM3, "a") => {
                self.acknowledged(element);
                if let Some(h) = self.management.as_mut().and_then(|management| management.asked.pop_front())
                {
                    self.confirmed(h);
                }
            }
            (ns::CLIENT, name) => {
                if let Some(management) = &mut self.management {
                    management.handled = management.handled.wrapping_add(1);
                }
                match name {
                    "message" => self.hear_message(element),
                    "iq" => self.hear_iq(line, element).await?,
                    _ => {}
                }
            }
            (_, "error") => return Ok(Some(self.stream_error(element))),
            _ => {}
        }
        Ok(None)
    }

    fn stream_error(&self, element: &Element) -> End {
        let condition = element.children().next().map(|c| c.name().to_owned()).unwrap_or_default();
        self.note("stream error", &condition);
        match condition.as_str() {
            // Replaced by itself, too slow, or the server stops: all of which happen.
            "conflict" | "resource-constraint" | "system-shutdown" | "connection-timeout" => {}
            other => self.world.record().violate(format!("device {}: stream error {other}", self.index)),
        }
        match condition.as_str() {
            "resource-constraint" => End::Over,
            _ => End::Lost,
        }
    }

    fn hear_message(&mut self, element: &Element) {
        let id = element.attr("id").unwrap_or_default().to_owned();
        let mut record = self.world.record();
        record.tick();
        if element.attr("type") == Some("error") {
            record.note("refused", self.index, &id);
            match record.messages.get_mut(&id) {
                Some(message) => message.refused = true,
                None => record.violate(format!("an error for {id}, which nobody sent")),
            }
            return;
        }
        if self.careless && record.messages.len() > 20 {
            self.careless = false;
            return;
        }
        let by = format!("a{}@{DOMAIN}", self.account);
        let archive =
            element.children().find(|c| c.is(ns::STANZA_ID, "stanza-id") && c.attr("by") == Some(&by));
        let archive = archive.and_then(|c| c.attr("id").map(str::to_owned));
        let Some(archive) = archive.and_then(|id| id.parse().ok()) else {
            return record.violate(format!("{id} came without a place in the archive"));
        };
        record.note("received", self.index, &id);
        if let Some(management) = &mut self.management {
            management.got.push_back((management.handled, id.clone()));
        }
        // Where an account has several clients, what one of them did not confirm may come to all of them once more.
        let alone = record.owners.iter().filter(|owner| **owner == self.account).count() == 1;
        if alone && !self.world.fresh_resources && record.confirmed.contains(&(self.index, id.clone())) {
            record.violate(format!("device {}: {id} came again after it was confirmed", self.index));
        }
        record.receipts.push(Receipt { device: self.index, session: self.session, id, archive });
    }

    async fn hear_iq(&mut self, line: &mut Line, element: &Element) -> io::Result<()> {
        let id = element.attr("id").unwrap_or_default().to_owned();
        match (element.attr("type"), id.as_str()) {
            (Some("get"), _) => {
                let result = format!("<iq type='result' id='{id}' to='{DOMAIN}'/>");
                self.send(line, Sent::Other(result)).await
            }
            (Some("result"), "ready") => {
                let mut record = self.world.record();
                let now = record.tick();
                // A resumed stream may be told once more.
                let ready = record.sessions.entry(self.index).or_insert((self.session, now));
                ready.1 = ready.1.min(now);
                Ok(())
            }
            (Some("result"), "swept") => {
                self.world.swept(self.index);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The end of the world: half of the clients say goodbye, and the others are just gone.
    async fn leave(&mut self, line: &mut Line) -> io::Result<End> {
        match self.random.below(3) {
            0 => {
                line.send("</stream:stream>").await?;
                line.socket.finish();
                sleep(Duration::from_secs(1)).await;
            }
            1 => line.cable.go_silent(),
            _ => {}
        }
        Ok(End::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hear_all(device: &mut Device, line: &mut Line) {
        let until = Instant::now() + Duration::from_secs(5);
        while let Ok(element) = timeout_at(until, line.next()).await {
            let heard = device.hear(line, &element.expect("the connection lasts")).await.expect("an answer");
            assert!(heard.is_none());
        }
    }

    /// Two messages are on their way into the store when their sender's connection breaks. The first is refused, the
    /// second is safe. XEP-0198 section 5: neither is counted when the stream is resumed, so that the client sends both
    /// again; the first is kept now, and of the second there is no other copy.
    async fn refused_while_away() {
        let world = World::quiet().await;
        let mut device = Device::new(0, 0, Arc::clone(&world), Random::new(1), 2);
        let mut line = device.line().expect("a connection");
        device.sign_in(&mut line).await.expect("signed in");
        device.bind(&mut line).await.expect("bound");
        hear_all(&mut device, &mut line).await;
        for _ in 0..2 {
            device.write_message(&mut line).await.expect("sent");
        }
        while world.store().held() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
        line.cable.cut();
        drop(line);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(world.store().refuse(1).len(), 1);
        world.store().commit(1);
        sleep(Duration::from_secs(1)).await;
        let mut line = device.line().expect("a connection");
        device.sign_in(&mut line).await.expect("signed in");
        assert!(device.resume(&mut line).await.expect("an answer"), "the stream goes on");
        let told = |id: &str| {
            let record = world.record();
            let message = &record.messages[id];
            (message.acknowledged, message.refused)
        };
        assert_eq!([told("m-0-1"), told("m-0-2")], [(false, false), (false, false)], "neither is counted");
        hear_all(&mut device, &mut line).await;
        world.store().commit(usize::MAX);
        device.request(&mut line).await.expect("asked");
        hear_all(&mut device, &mut line).await;
        assert_eq!([told("m-0-1"), told("m-0-2")], [(true, false), (true, false)], "both are safe");
        let archives = world.archives().await;
        assert_eq!(archives.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2], "each is kept once");
        assert!(world.record().violations.is_empty(), "{:?}", world.record().violations);
        world.shut_down().await;
    }

    #[test]
    fn a_message_refused_while_its_sender_is_away_is_sent_again_when_it_resumes() {
        super::super::runtime().block_on(refused_while_away());
    }
}
