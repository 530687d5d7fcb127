//! Rooms under power cuts and kills: what was said and acknowledged is in the room's archive afterwards, once and in order,
//! everybody in the room heard it so, and who was banned stays banned.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use waxwing_tests::server::Addresses;
use waxwing_tests::xml::{Element, STREAMS};

use crate::device::Progress;
use crate::faults::{Disk, need, trials};
use crate::seed::Seed;
use crate::stage::{SENDERS, Stage, moment};
use crate::wire::{SM, Way, Wire, count};

const MUC: &str = "http://jabber.org/protocol/muc";
const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";
const ROOM: &str = "hall@rooms.localhost";
const STANZA_ID: &str = "urn:xmpp:sid:0";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// Something that was heard in the room: the room's id of it, and what was said.
type Heard = (String, String);

/// Somebody who speaks in the room, and what he knows of what he said.
pub(crate) struct Speaker {
    user: &'static str,
    wire: Option<Wire>,
    /// The number of what he says next.
    next: u64,
    /// What he said on this stream, in order; `None` for other stanzas.
    sent: Vec<Option<u64>>,
    acknowledged: BTreeSet<u64>,
    /// What came back, and is not said again.
    refused: BTreeSet<u64>,
    /// What he heard, apart by his stays in the room.
    stays: Vec<Vec<Heard>>,
    received: u32,
    /// Bans that were carried out, and their ids.
    bans: BTreeSet<u64>,
    progress: Arc<Progress>,
}

impl Speaker {
    pub(crate) fn new(user: &'static str, progress: &Arc<Progress>) -> Self {
        Self {
            user,
            wire: None,
            next: 0,
            sent: Vec::new(),
            acknowledged: BTreeSet::new(),
            refused: BTreeSet::new(),
            stays: Vec::new(),
            received: 0,
            bans: BTreeSet::new(),
            progress: Arc::clone(progress),
        }
    }

    async fn send(&mut self, what: Option<u64>, text: &str) -> Result<()> {
        self.sent.push(what);
        self.wire.as_mut().context("not connected")?.send(text).await
    }

    pub(crate) fn disconnect(&mut self) {
        self.wire = None;
    }

    /// Signs in, enters, and says again what was not acknowledged.
    pub(crate) async fn connect(&mut self, to: &Addresses) -> Result<()> {
        let mut wire = Wire::connect(to, Way::StepByStep).await?;
        wire.sign_in(self.user, "hall", None).await?;
        self.wire = Some(wire);
        (self.sent, self.received) = (Vec::new(), 0);
        self.stays.push(Vec::new());
        let user = self.user;
        let join =
            format!("<presence to='{ROOM}/{user}'><x xmlns='{MUC}'><history maxstanzas='0'/></x></presence>");
        self.send(None, &join).await?;
        let is_open = |number: &u64| !self.acknowledged.contains(number) && !self.refused.contains(number);
        let missing: Vec<u64> = (0..self.next).filter(is_open).collect();
        for number in missing {
            self.say(number).await?;
        }
        Ok(())
    }

    async fn say(&mut self, number: u64) -> Result<()> {
        let id = format!("{}-{number}", self.user);
        let message = format!(
            "<message to='{ROOM}' type='groupchat' id='{id}'><body>{id}</body>\
             <origin-id xmlns='urn:xmpp:sid:0' id='{id}'/></message><r xmlns='{SM}'/>"
        );
        self.send(Some(number), &message).await
    }

    /// Takes what comes next.
    async fn hear(&mut self) -> Result<Element> {
        let element = self.wire.as_mut().context("not connected")?.element().await?;
        ensure!(!element.is(STREAMS, "error"), "the stream ends: {element}");
        if element.is(SM, "a") {
            let handled = count(&element)? as usize;
            ensure!(handled <= self.sent.len(), "more was handled than was sent");
            for number in self.sent[..handled].iter().flatten() {
                // What came back is handled, but it is no promise.
                if !self.refused.contains(number) && self.acknowledged.insert(*number) {
                    self.progress.one_more();
                }
            }
        } else if element.is(SM, "r") {
            let answer = format!("<a xmlns='{SM}' h='{}'/>", self.received);
            self.wire.as_mut().context("not connected")?.send(&answer).await?;
        } else {
            self.received = self.received.wrapping_add(1);
        }
        if element.name == "message" {
            self.take_message(&element)?;
        }
        if element.name == "iq" && element.attr("type") == Some("result") {
            let ban = element.attr("id").and_then(|id| id.strip_prefix("ban-"));
            self.bans.extend(ban.and_then(|ban| ban.parse::<u64>().ok()));
        }
        Ok(element)
    }

    fn take_message(&mut self, message: &Element) -> Result<()> {
        if message.attr("type") == Some("error") {
            let number =
                message.attr("id").and_then(|id| id.rsplit_once('-')).context("an error without id")?;
            let number = number.1.parse()?;
            self.acknowledged.remove(&number);
            self.refused.insert(number);
            ensure!(message.find(STANZAS, "not-acceptable").is_none(), "not in the room any more: {message}");
            return Ok(());
        }
        let id = message
            .children()
            .find(|child| child.is(STANZA_ID, "stanza-id") && child.attr("by") == Some(ROOM));
        let body = message.child("jabber:client", "body");
        if let (Some("groupchat"), Some(id), Some(body)) = (message.attr("type"), id, body) {
            let id = id.attr("id").context("no id")?.to_owned();
            self.stays.last_mut().context("not in the room")?.push((id, body.text()));
        }
        Ok(())
    }

    /// What was said, and neither acknowledged nor refused.
    fn is_waiting(&self) -> bool {
        self.acknowledged.len() + self.refused.len() < self.next as usize
    }

    /// Speaks until the connection breaks; the owner bans somebody now and then.
    pub(crate) async fn speak(&mut self, mut seed: Seed) -> Result<()> {
        loop {
            if self.user == SENDERS[0] && seed.below(8) == 0 {
                let number = self.next;
                let ban = format!(
                    "<iq type='set' to='{ROOM}' id='ban-{number}'><query xmlns='{MUC}#admin'>\
                     <item affiliation='outcast' jid='b{number}@x.example'/></query></iq>"
                );
                self.send(None, &ban).await?;
            }
            for _ in 0..=seed.below(6) {
                let number = self.next;
                self.next += 1;
                self.say(number).await?;
            }
            while self.is_waiting() {
                self.hear().await?;
            }
        }
    }

    /// Waits until all is acknowledged.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        while self.is_waiting() {
            self.hear().await?;
        }
        Ok(())
    }

    /// Makes the room, in which he is, one that stays.
    pub(crate) async fn found(&mut self) -> Result<()> {
        let form = format!(
            "<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'>\
             <field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>\
             <field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
        );
        self.ask("set", "made", &form).await.map(drop)
    }

    async fn ask(&mut self, kind: &str, id: &str, payload: &str) -> Result<(Vec<Element>, Element)> {
        self.send(None, &format!("<iq type='{kind}' to='{ROOM}' id='{id}'>{payload}</iq>")).await?;
        let mut before = Vec::new();
        loop {
            let element = self.hear().await?;
            if element.name == "iq" && element.attr("id") == Some(id) {
                ensure!(element.attr("type") == Some("result"), "refused: {element}");
                return Ok((before, element));
            }
            before.push(element);
        }
    }

    /// What the room's archive holds: the ids of all messages, in order.
    async fn archive(&mut self) -> Result<Vec<String>> {
        let mut held = Vec::new();
        let mut after = String::new();
        loop {
            let set = format!("<set xmlns='{RSM}'><max>100</max>{after}</set>");
            let query = format!("<query xmlns='{MAM}'>{set}</query>");
            let (messages, end) = self.ask("set", &format!("mam-{}", held.len()), &query).await?;
            let results = messages.iter().filter_map(|message| message.find(MAM, "result"));
            held.extend(results.filter_map(|result| {
                let body = result.find("jabber:client", "body")?;
                Some(body.text())
            }));
            let fin = end.find(MAM, "fin").context("no end of the page")?;
            match fin.find(RSM, "last") {
                Some(last) if fin.attr("complete") != Some("true") => {
                    after = format!("<after>{}</after>", last.text());
                }
                _ => return Ok(held),
            }
        }
    }
}

/// What the archive, the list of the banned and those in the room lack or have too much of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    lost: usize,
    copies: usize,
    inversions: usize,
    bans_lost: usize,
    /// Heard twice by one device.
    twice: usize,
    /// Said during somebody's stay, between things that he heard, and not heard by him.
    unheard: usize,
    /// Heard behind what is behind it in the archive, or not in the archive.
    astray: usize,
}

/// All that was found out of a room.
pub(crate) struct Findings {
    speakers: Vec<Speaker>,
    archive: Vec<String>,
    banned: String,
}

impl Findings {
    /// Asks for the archive and for the banned. The speakers are in the room.
    pub(crate) async fn of(mut speakers: Vec<Speaker>) -> Result<Self> {
        let archive = speakers[0].archive().await?;
        let list = format!("<query xmlns='{MUC}#admin'><item affiliation='outcast'/></query>");
        let (_, banned) = speakers[0].ask("get", "banned", &list).await?;
        Ok(Self { speakers, archive, banned: banned.standalone() })
    }

    pub(crate) fn check(&self) -> Verdict {
        let mut verdict = check(&self.speakers, &self.archive, &self.banned);
        let places: HashMap<&str, usize> =
            self.archive.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
        for speaker in &self.speakers {
            let mut ever: HashSet<&str> = HashSet::new();
            for stay in &speaker.stays {
                let mut last: Option<usize> = None;
                for (_, said) in stay {
                    verdict.twice += usize::from(!ever.insert(said));
                    match (places.get(said.as_str()), last) {
                        (None, _) => verdict.astray += 1,
                        (Some(place), Some(last)) if *place <= last => verdict.astray += 1,
                        (Some(place), before) => {
                            verdict.unheard += before.map_or(0, |before| place - before - 1);
                            last = Some(*place);
                        }
                    }
                }
            }
        }
        verdict
    }

    /// Whether the checker sees what is taken out of the middle of the archive, and of what somebody heard.
    pub(crate) fn fails_where_it_must(&mut self) -> bool {
        let middle = self.archive.len() / 2;
        let taken = self.archive.remove(middle);
        let seen = self.check().astray > 0;
        self.archive.insert(middle, taken);
        let stays = self.speakers.iter_mut().flat_map(|speaker| &mut speaker.stays);
        let Some(stay) = stays.max_by_key(|stay| stay.len()).filter(|stay| stay.len() > 2) else {
            return false;
        };
        let unheard = stay.len() / 2;
        stay.remove(unheard);
        seen && self.check().unheard > 0
    }

    /// The figures, in words.
    pub(crate) fn report(&self, verdict: &Verdict) -> String {
        let sum = |count: fn(&Speaker) -> usize| self.speakers.iter().map(count).sum::<usize>();
        format!(
            "{} messages and {} bans acknowledged in a room, {} refused, {} stays in it, {} times something was heard; lost {}, copies \
             {}, inversions {}, bans lost {}, heard twice {}, not heard {}, heard in another order {}",
            sum(|speaker| speaker.acknowledged.len()),
            sum(|speaker| speaker.bans.len()),
            sum(|speaker| speaker.refused.len()),
            sum(|speaker| speaker.stays.len()),
            sum(|speaker| speaker.stays.iter().map(Vec::len).sum()),
            verdict.lost,
            verdict.copies,
            verdict.inversions,
            verdict.bans_lost,
            verdict.twice,
            verdict.unheard,
            verdict.astray,
        )
    }
}

fn check(speakers: &[Speaker], archive: &[String], banned: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut latest: HashMap<&str, u64> = HashMap::new();
    for id in archive {
        let times = seen.entry(id.as_str()).or_default();
        *times += 1;
        verdict.copies += usize::from(*times > 1);
        let Some((user, number)) = id.rsplit_once('-') else { continue };
        let number = number.parse().unwrap_or(0);
        let before = latest.insert(user, number);
        verdict.inversions += usize::from(before.is_some_and(|before| before > number));
    }
    for speaker in speakers {
        let ids = speaker.acknowledged.iter().map(|number| format!("{}-{number}", speaker.user));
        verdict.lost += ids.filter(|id| !seen.contains_key(id.as_str())).count();
        let bans = speaker.bans.iter().map(|number| format!("'b{number}@x.example'"));
        verdict.bans_lost += bans.filter(|ban| !banned.contains(ban.as_str())).count();
    }
    verdict
}

async fn run(disk: &Disk, cut: bool, outages: u64) -> Result<Findings> {
    let mut stage = Stage::new(disk.path())?;
    stage.renew()?;
    stage.server.launch()?;
    let progress = Arc::new(Progress::default());
    let mut speakers: Vec<Speaker> = SENDERS.iter().map(|user| Speaker::new(user, &progress)).collect();
    speakers[0].connect(&stage.address()).await?;
    speakers[0].found().await?;
    speakers[1].connect(&stage.address()).await?;
    let base = Seed::from_environment();
    for outage in 0..outages {
        let mut seed = Seed::new(base.wrapping_mul(1_000_033).wrapping_add(outage));
        let enough = progress.count() + 1 + seed.below(60);
        let then = Duration::from_micros(seed.below(20_000));
        let happens = async {
            moment(&progress, enough, then).await;
            if cut {
                stage.stop()?;
                disk.cut();
            }
            stage.server.kill()
        };
        let [one, other] = speakers.as_mut_slice() else { bail!("two speak") };
        let (_, _, happened) = tokio::join!(one.speak(seed.fork()), other.speak(seed.fork()), happens);
        happened?;
        if cut {
            disk.power_up();
        }
        stage.server.launch()?;
        for speaker in &mut speakers {
            speaker.connect(&stage.address()).await.with_context(|| format!("behind outage {outage}"))?;
            speaker.settle().await?;
        }
    }
    let findings = Findings::of(speakers).await?;
    stage.server.kill()?;
    Ok(findings)
}

async fn outages(what: &str, cut: bool, variable: &str) {
    let Some(disk) = need(&format!("{what} of rooms"), Disk::ext4(64)) else { return };
    let (number, start) = (trials(variable, 6), Instant::now());
    let findings = run(&disk, cut, number).await.expect("everybody comes back");
    let verdict = findings.check();
    eprintln!(
        "{number} {what} of a room in {:.0} s: {} (no failure in N outages: below 3/N = {:.4} an outage at 95%)",
        start.elapsed().as_secs_f32(),
        findings.report(&verdict),
        3.0 / number as f64,
    );
    assert_eq!(verdict, Verdict::default());
}

/// Invariants I1 to I3 for rooms. `WAXWING_CUTS` sets the number of cuts.
#[tokio::test]
async fn power_cuts_lose_nothing_said_in_a_room() {
    outages("power cuts", true, "WAXWING_CUTS").await;
}

/// Invariants I1 to I3 for rooms. `WAXWING_KILLS` sets the number of kills.
#[tokio::test]
async fn kills_lose_nothing_said_in_a_room() {
    outages("kills", false, "WAXWING_KILLS").await;
}
