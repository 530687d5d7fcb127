//! The checker: compares what was acknowledged, what the archives hold and what each device was given. It knows the logs
//! and nothing of how they came about.

use std::collections::{HashMap, HashSet};

/// A message: who sent it, and the sender's running number.
pub(crate) type Message = (String, u64);

/// How a message came to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Delivered, or copied from another device of the account.
    Live,
    /// Delivered later, with the time it was sent.
    Delayed,
    /// Asked for, from the archive.
    Archive,
}

/// Something that came to a device.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) how: How,
    /// The id that the account's archive has for it.
    pub(crate) archived: String,
    pub(crate) message: Message,
    /// The connection that it came over, for whoever looks for the reason.
    pub(crate) over: String,
}

/// An account's archive from beginning to end: ids and messages.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub(crate) account: String,
    pub(crate) held: Vec<(String, Message)>,
}

/// All that came to a device over all its connections, in the order in which it took it in.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) arrivals: Vec<Arrival>,
}

/// What is compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logs {
    /// The account that everybody else writes to.
    pub(crate) recipient: String,
    /// What the server has told the senders that it has handled.
    pub(crate) acknowledged: Vec<Message>,
    pub(crate) archives: Vec<Archive>,
    pub(crate) devices: Vec<Device>,
}

/// What was found, each list naming the cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How many messages were acknowledged.
    pub(crate) acknowledged: usize,
    /// Acknowledged, but not in an archive, or not at a device.
    pub(crate) lost: Vec<String>,
    /// More than once in one archive.
    pub(crate) copies: Vec<String>,
    /// At a device more than once, and not to be recognised by its archive id as a repeat.
    pub(crate) duplicates: Vec<String>,
    /// Delivered to a device more than once under the same archive id, which XEP-0359 lets it recognise.
    pub(crate) repeats: Vec<String>,
    /// Later messages of a sender before earlier ones, in an archive or at a device.
    pub(crate) inversions: Vec<String>,
    /// At a device but not in its account's archive under that id.
    pub(crate) invented: Vec<String>,
}

impl Verdict {
    /// Nothing was found that may never be.
    pub(crate) fn is_clean(&self) -> bool {
        let found = [&self.lost, &self.copies, &self.duplicates, &self.inversions, &self.invented];
        found.iter().all(|cases| cases.is_empty())
    }
}

impl Logs {
    /// Whether an account has part in a message: the recipient has in all, a sender in his own.
    fn concerns(&self, account: &str, message: &Message) -> bool {
        account == self.recipient || message.0 == account
    }

    /// Compares everything.
    pub(crate) fn check(&self) -> Verdict {
        let acknowledged: HashSet<&Message> = self.acknowledged.iter().collect();
        let mut verdict = Verdict { acknowledged: acknowledged.len(), ..Verdict::default() };
        for archive in &self.archives {
            let place = format!("the archive of {}", archive.account);
            let held: Vec<&Message> = archive.held.iter().map(|(_, message)| message).collect();
            self.check_presence(&place, &archive.account, &acknowledged, &held, &mut verdict);
            verdict.copies.extend(repeated(&held).map(|message| format!("{message:?} in {place}")));
            inversions(&place, &held, &mut verdict);
        }
        for device in &self.devices {
            self.check_device(device, &acknowledged, &mut verdict);
        }
        verdict
    }

    fn check_presence(
        &self,
        place: &str,
        account: &str,
        acknowledged: &HashSet<&Message>,
        there: &[&Message],
        verdict: &mut Verdict,
    ) {
        let there: HashSet<&Message> = there.iter().copied().collect();
        let wanted = acknowledged.iter().filter(|message| self.concerns(account, message));
        let lost = wanted.filter(|message| !there.contains(**message));
        verdict.lost.extend(lost.map(|message| format!("{message:?} in {place}")));
    }

    fn check_device(&self, device: &Device, acknowledged: &HashSet<&Message>, verdict: &mut Verdict) {
        let place = format!("device {} of {}", device.name, device.account);
        let archive = self.archives.iter().find(|archive| archive.account == device.account);
        let archived: HashMap<&str, &Message> =
            archive.iter().flat_map(|a| &a.held).map(|(id, message)| (id.as_str(), message)).collect();
        let mut known = HashSet::new();
        let mut delivered = HashMap::new();
        let mut shown = Vec::new();
        for Arrival { how, archived: id, message, over } in &device.arrivals {
            if archived.get(id.as_str()) != Some(&message) {
                verdict.invented.push(format!("{message:?} as {id} at {place}"));
            }
            if *how != How::Archive
                && let Some(before) = delivered.insert(id, over)
            {
                let repeat = format!("{message:?} as {id}, {how:?}, at {place}, over {over} and {before}");
                verdict.repeats.push(repeat);
            }
            if known.insert(id) {
                shown.push(message);
            }
        }
        verdict.duplicates.extend(repeated(&shown).map(|message| format!("{message:?} at {place}")));
        self.check_presence(&place, &device.account, acknowledged, &shown, verdict);
        inversions(&place, &shown, verdict);
    }
}

/// Those that occur more than once.
fn repeated<'m>(messages: &[&'m Message]) -> impl Iterator<Item = &'m Message> {
    let mut seen = HashSet::new();
    messages.iter().copied().filter(move |message| !seen.insert(*message)).collect::<Vec<_>>().into_iter()
}

/// Within the conversation of one sender with the recipient, numbers rise.
fn inversions(place: &str, messages: &[&Message], verdict: &mut Verdict) {
    let mut highest: HashMap<&str, u64> = HashMap::new();
    for (sender, number) in messages {
        let highest = highest.entry(sender).or_default();
        if *number < *highest {
            verdict.inversions.push(format!("{sender} {number} after {highest} in {place}"));
        }
        *highest = (*highest).max(*number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sender: &str, number: u64) -> Message {
        (sender.to_owned(), number)
    }

    fn archive(account: &str, numbers: &[u64]) -> Archive {
        let held = numbers.iter().enumerate();
        let held = held.map(|(place, n)| ((100 + place).to_string(), message("romeo", *n))).collect();
        Archive { account: account.to_owned(), held }
    }

    fn arrival(how: How, archived: u64, number: u64) -> Arrival {
        let (message, over) = (message("romeo", number), "a connection".to_owned());
        Arrival { how, archived: archived.to_string(), message, over }
    }

    /// Three messages, all where they belong.
    fn sound() -> Logs {
        let arrivals = vec![
            arrival(How::Live, 100, 1),
            arrival(How::Delayed, 101, 2),
            arrival(How::Archive, 102, 3),
            arrival(How::Archive, 101, 2),
        ];
        Logs {
            recipient: "juliet".to_owned(),
            acknowledged: [1, 2, 3].map(|n| message("romeo", n)).into(),
            archives: vec![archive("juliet", &[1, 2, 3]), archive("romeo", &[1, 2, 3])],
            devices: vec![Device { name: "phone".to_owned(), account: "juliet".to_owned(), arrivals }],
        }
    }

    #[test]
    fn sound_logs_are_clean() {
        let verdict = sound().check();
        assert_eq!(verdict, Verdict { acknowledged: 3, ..Verdict::default() });
        assert!(verdict.is_clean());
    }

    #[test]
    fn a_message_that_an_archive_lacks_is_found() {
        for which in 0..2 {
            let mut logs = sound();
            logs.archives[which].held.remove(2);
            logs.devices.clear();
            assert_eq!(logs.check().lost.len(), 1);
            assert!(!logs.check().is_clean());
        }
    }

    #[test]
    fn a_message_that_a_device_lacks_is_found() {
        let mut logs = sound();
        logs.devices[0].arrivals.remove(0);
        assert_eq!(logs.check().lost, ["(\"romeo\", 1) in device phone of juliet"]);
        assert!(!logs.check().is_clean());
    }

    #[test]
    fn a_second_copy_is_found() {
        let mut logs = sound();
        logs.archives[0].held.push(("103".to_owned(), message("romeo", 3)));
        logs.devices[0].arrivals.push(arrival(How::Live, 103, 3));
        let verdict = logs.check();
        assert_eq!((verdict.copies.len(), verdict.duplicates.len()), (1, 1));
        assert!(!verdict.is_clean());
    }

    #[test]
    fn a_repeated_delivery_is_found() {
        let mut logs = sound();
        logs.devices[0].arrivals.push(arrival(How::Delayed, 100, 1));
        assert_eq!(logs.check().repeats.len(), 1);
    }

    #[test]
    fn an_inversion_is_found() {
        let mut logs = sound();
        logs.devices[0].arrivals.swap(0, 1);
        assert_eq!(logs.check().inversions, ["romeo 1 after 2 in device phone of juliet"]);
        let mut logs = sound();
        logs.archives[1].held.swap(1, 2);
        assert_eq!(logs.check().inversions.len(), 1);
        assert!(!logs.check().is_clean());
    }

    #[test]
    fn what_no_archive_holds_is_found() {
        let mut logs = sound();
        logs.devices[0].arrivals.push(arrival(How::Live, 999, 4));
        assert_eq!(logs.check().invented.len(), 1);
        assert!(!logs.check().is_clean());
    }
}
