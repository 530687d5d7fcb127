//! What happened in a world, and what must be true of it whatever happened.

use std::collections::{BTreeMap, HashMap, HashSet};

use waxwing_chat::archive::Archived;

/// Everything that clients saw, in the order in which they saw it.
#[derive(Debug, Default)]
pub(crate) struct Record {
    tick: u64,
    pub(crate) messages: BTreeMap<String, Message>,
    pub(crate) receipts: Vec<Receipt>,
    /// What the server is known to have been told, by device: it need not be sent to it again. Forgotten when the server
    /// dies, since how far messages were delivered is written down late.
    pub(crate) confirmed: HashSet<(usize, String)>,
    /// How often the server has died.
    pub(crate) deaths: u64,
    /// The last session of each device, and when it began to take messages.
    pub(crate) sessions: HashMap<usize, (u64, u64)>,
    /// How many accounts there are, and whose each device is.
    pub(crate) owners: Vec<usize>,
    /// What broke a rule as it happened.
    pub(crate) violations: Vec<String>,
    /// A fingerprint of the whole run: the same seed gives the same one.
    pub(crate) fingerprint: u64,
    /// How often what happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

/// One message of a client.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) sender: usize,
    /// The account it is for.
    pub(crate) to: usize,
    pub(crate) first_sent: u64,
    /// How often it was sent: in several sessions, or again when a stream was resumed.
    pub(crate) attempts: u64,
    /// The server counted it as handled.
    pub(crate) acknowledged: bool,
    /// The sender was told that it could not be kept.
    pub(crate) refused: bool,
    /// The disk refused it once.
    pub(crate) disk_refused: bool,
}

/// A message that arrived at a device, by its stream.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    pub(crate) device: usize,
    /// Counts the device's sessions; resuming goes on with the same one.
    pub(crate) session: u64,
    pub(crate) id: String,
    pub(crate) archive: u64,
}

impl Record {
    /// The next moment.
    pub(crate) fn tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    /// Notes that something happened.
    pub(crate) fn note(&mut self, what: &'static str, device: usize, detail: &str) {
        *self.counts.entry(what).or_default() += 1;
        for octet in what.bytes().chain(detail.bytes()).chain([u8::try_from(device).unwrap_or(255)]) {
            self.fingerprint = (self.fingerprint ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
        if std::env::var_os("WAXWING_SIMULATION_TRACE").is_some() {
            eprintln!("{:>6} device {device}: {what} {detail}", self.tick);
        }
    }

    /// Notes that a rule was broken.
    pub(crate) fn violate(&mut self, what: String) {
        self.violations.push(what);
    }

    /// Checks the whole run against the archives of all accounts, in the order of `owners`.
    pub(crate) fn check(&mut self, archives: &[Vec<Archived>]) {
        let archived: Vec<HashMap<String, usize>> = archives.iter().map(|archive| ids(archive)).collect();
        let mut violations = Vec::new();
        for (id, message) in &self.messages {
            let from = self.owners[message.sender];
            let kept = |account: usize| archived[account].get(id).copied().unwrap_or_default();
            let arrived = self.receipts.iter().filter(|receipt| receipt.id == *id).count();
            if message.refused {
                // Sent twice, it may be refused once and safe by the other.
                if message.attempts == 1 && kept(from) + kept(message.to) + arrived > 0 {
                    violations.push(format!("{id} was refused, and kept or delivered all the same"));
                }
                if !message.disk_refused {
                    violations.push(format!("{id} was refused although the disk had nothing against it"));
                }
            } else if message.acknowledged {
                let (mine, theirs) = (kept(from), kept(message.to));
                if mine != 1 || theirs != 1 {
                    violations
                        .push(format!("{id} was acknowledged and is archived {mine} and {theirs} times"));
                }
                if arrived == 0 {
                    violations.push(format!("{id} was acknowledged and reached no device"));
                }
            } else {
                violations.push(format!("{id} was neither acknowledged nor refused"));
            }
        }
        violations.extend(self.order());
        violations.extend(self.presence());
        self.violations.extend(violations);
    }

    /// Archive order is delivery order, and nothing comes twice: within a session the archive's ids only rise. And the
    /// messages of one sender come in the order they were sent, but for those that were refused in between.
    fn order(&self) -> Vec<String> {
        let mut violations = Vec::new();
        let mut newest: HashMap<(usize, u64), (u64, &str)> = HashMap::new();
        let mut conversations: HashMap<(usize, u64, usize), u64> = HashMap::new();
        for Receipt { device, session, id, archive } in &self.receipts {
            if let Some((before, other)) = newest.insert((*device, *session), (*archive, id))
                && before >= *archive
            {
                violations.push(format!("device {device}: {id} came after {other} in session {session}"));
            }
            let Some(message) = self.messages.get(id).filter(|message| !message.disk_refused) else {
                continue;
            };
            let number = id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
            let last = conversations.entry((*device, *session, message.sender)).or_default();
            if number <= *last {
                violations.push(format!("device {device}: {id} came after number {last} of its sender"));
            }
            *last = number;
        }
        violations
    }

    /// What was sent while a session took messages, and that session lasted, reached it.
    fn presence(&self) -> Vec<String> {
        let got: HashSet<(usize, u64, &str)> =
            self.receipts.iter().map(|r| (r.device, r.session, r.id.as_str())).collect();
        let mut violations = Vec::new();
        for (device, (session, ready)) in &self.sessions {
            let account = self.owners[*device];
            for (id, message) in &self.messages {
                let due = message.to == account && message.first_sent > *ready && !message.refused;
                if due && !got.contains(&(*device, *session, id.as_str())) {
                    violations.push(format!("device {device} took messages all the time and lacks {id}"));
                }
            }
        }
        violations
    }
}

/// How often each message stands in an archive, by the id its sender gave it.
fn ids(archive: &[Archived]) -> HashMap<String, usize> {
    let mut ids = HashMap::new();
    for archived in archive {
        *ids.entry(id_of(&archived.xml)).or_default() += 1;
    }
    ids
}

/// The id in a message's body.
pub(crate) fn id_of(xml: &[u8]) -> String {
    let text = String::from_utf8_lossy(xml);
    let id = text.split_once("<body>").and_then(|(_, rest)| rest.split_once(' ')).map(|(id, _)| id);
    id.unwrap_or_default().to_owned()
}
