//! What somebody wants to be woken for: everything or what names him, which words, which conversations, and when not at all.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;

use crate::mentions::{self, has_any_word};

/// What somebody wants to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Notify {
    /// Everything.
    All,
    /// What is said to him alone, and what names him where many speak.
    #[default]
    Mentions,
    /// Nothing.
    Nothing,
}

/// When somebody wants to be left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    /// On which days they begin: 0 for Sunday to 6 for Saturday.
    pub days: Vec<u8>,
    /// When they begin, `HH:MM`.
    pub from: String,
    /// When they end, `HH:MM`: on the next day where that is not later than `from`.
    pub to: String,
    /// The time zone, by its name in the IANA database.
    pub zone: String,
}

impl QuietHours {
    /// Whether they hold at a moment, in milliseconds since the Unix epoch. Hours that cannot be read never do: rather a noise too
    /// many than a message that nobody hears of.
    fn hold(&self, now_ms: u64) -> bool {
        let (Some(from), Some(to)) = (minute(&self.from), minute(&self.to)) else { return false };
        let now = i64::try_from(now_ms).ok().and_then(|now_ms| Timestamp::from_millisecond(now_ms).ok());
        let (Some(now), Ok(zone)) = (now, TimeZone::get(&self.zone)) else { return false };
        let now = now.to_zoned(zone);
        let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
        let began = |days_ago: i8| {
            let day = (now.weekday().to_sunday_zero_offset() - days_ago).rem_euclid(7);
            self.days.iter().any(|begins| i8::try_from(*begins) == Ok(day))
        };
        if from < to {
            began(0) && from <= minute && minute < to
        } else {
            (began(0) && from <= minute) || (began(1) && minute < to)
        }
    }
}

/// The minute of the day that `HH:MM` is.
fn minute(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, below: i32| text.parse().ok().filter(|number| (0..below).contains(number));
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

/// Whether there is a time zone of this name.
pub fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

/// What somebody wants in one conversation, with what he wants everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// What to be told of.
    pub notify: Notify,
    /// Words that count as his name.
    pub keywords: Vec<String>,
    /// Until when the conversation is silent, in milliseconds since the Unix epoch; 0 for ever.
    pub muted_until_ms: Option<u64>,
    /// When everything is.
    pub quiet_hours: Option<QuietHours>,
    /// What was written may be shown where others may see it.
    pub previews: bool,
}

impl Default for Wishes {
    /// Of somebody who has said nothing.
    fn default() -> Self {
        Self {
            notify: Notify::default(),
            keywords: Vec::new(),
            muted_until_ms: None,
            quiet_hours: None,
            previews: true,
        }
    }
}

/// What a message is to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    /// Said to him alone.
    Alone,
    /// Said where many speak, and naming him or in a thread that he follows.
    Named,
    /// Said where many speak.
    ForAll,
}

impl Wishes {
    /// What a message is to him, when the words that he waits for count.
    pub fn meant(&self, meant: Meant, text: &str) -> Meant {
        let waits_for = || has_any_word(text, self.keywords.iter().map(String::as_str));
        if meant == Meant::ForAll && waits_for() { Meant::Named } else { meant }
    }

    /// Whether a message that is said where many speak names him, or has a word in it that counts as his name. `nick` is what he is
    /// called there.
    pub fn are_named(&self, message: &Stanza, him: &Jid, nick: Option<&str>) -> bool {
        let text = || message.child(ns::CLIENT, "body").map(|body| body.text());
        mentions::names(message, him, nick)
            || text().is_some_and(|text| self.meant(Meant::ForAll, &text) == Meant::Named)
    }

    /// Whether he wants to be woken for such a message at this moment, in milliseconds since the Unix epoch.
    pub fn wake(&self, meant: Meant, now_ms: u64) -> bool {
        let muted = self.muted_until_ms.is_some_and(|until_ms| until_ms == 0 || until_ms > now_ms);
        let wanted = match self.notify {
            Notify::All => true,
            Notify::Mentions => meant != Meant::ForAll,
            Notify::Nothing => false,
        };
        wanted && !muted && !self.quiet_hours.as_ref().is_some_and(|quiet| quiet.hold(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Meant; 3] = [Meant::Alone, Meant::Named, Meant::ForAll];

    fn at(text: &str) -> u64 {
        crate::time::parse_timestamp(text).expect("a moment")
    }

    #[test]
    fn the_level_decides_what_wakes() {
        for (notify, woken) in [
            (Notify::All, [true, true, true]),
            (Notify::Mentions, [true, true, false]),
            (Notify::Nothing, [false, false, false]),
        ] {
            let wishes = Wishes { notify, ..Wishes::default() };
            assert_eq!(ALL.map(|meant| wishes.wake(meant, 1000)), woken, "{notify:?}");
        }
    }

    #[test]
    fn words_count_as_names_where_many_speak() {
        let wishes =
            Wishes { keywords: vec!["release".to_owned(), "构建".to_owned()], ..Wishes::default() };
        for (text, meant) in [
            ("The Release is out", Meant::Named),
            ("请看一下构建结果", Meant::Named),
            ("released", Meant::ForAll),
            ("", Meant::ForAll),
        ] {
            assert_eq!(wishes.meant(Meant::ForAll, text), meant, "{text}");
        }
        assert_eq!(wishes.meant(Meant::Alone, "release"), Meant::Alone);
        assert_eq!(Wishes::default().meant(Meant::ForAll, "release"), Meant::ForAll);
    }

    #[test]
    fn what_is_muted_is_silent_until_its_time() {
        for (until_ms, woken) in [(None, true), (Some(0), false), (Some(1001), false), (Some(1000), true)] {
            let wishes = Wishes { notify: Notify::All, muted_until_ms: until_ms, ..Wishes::default() };
            for meant in ALL {
                assert_eq!(wishes.wake(meant, 1000), woken, "{until_ms:?}");
            }
        }
    }

    #[test]
    fn quiet_hours_hold_on_their_days() {
        let quiet = |days: &[u8], from: &str, to: &str, zone: &str| QuietHours {
            days: days.to_vec(),
            from: from.to_owned(),
            to: to.to_owned(),
            zone: zone.to_owned(),
        };
        let week: Vec<u8> = (0..7).collect();
        // 2026-11-27 is a Friday, day 5.
        let cases = [
            (quiet(&week, "22:00", "07:00", "UTC"), "2026-11-27T21:59:59Z", false),
            (quiet(&week, "22:00", "07:00", "UTC"), "2026-11-27T22:00:00Z", true),
            (quiet(&week, "22:00", "07:00", "UTC"), "2026-11-28T06:59:59Z", true),
            (quiet(&week, "22:00", "07:00", "UTC"), "2026-11-28T07:00:00Z", false),
            (quiet(&[5], "22:00", "07:00", "UTC"), "2026-11-28T06:00:00Z", true),
            (quiet(&[5], "22:00", "07:00", "UTC"), "2026-11-27T06:00:00Z", false),
            (quiet(&[5], "22:00", "07:00", "UTC"), "2026-11-28T22:00:00Z", false),
            (quiet(&[6], "22:00", "07:00", "UTC"), "2026-11-29T06:00:00Z", true),
            (quiet(&[5], "12:00", "13:00", "UTC"), "2026-11-27T12:30:00Z", true),
            (quiet(&[5], "12:00", "13:00", "UTC"), "2026-11-27T13:00:00Z", false),
            (quiet(&[6], "12:00", "13:00", "UTC"), "2026-11-27T12:30:00Z", false),
            // A whole day.
            (quiet(&[0], "00:00", "00:00", "UTC"), "2026-11-29T23:59:59Z", true),
            (quiet(&[0], "00:00", "00:00", "UTC"), "2026-11-30T00:00:00Z", false),
            (quiet(&[], "00:00", "00:00", "UTC"), "2026-11-29T12:00:00Z", false),
            // Elsewhere it is another hour, and another day.
            (quiet(&[6], "06:00", "07:00", "Asia/Shanghai"), "2026-11-27T22:30:00Z", true),
            (quiet(&week, "22:00", "07:00", "America/New_York"), "2026-11-27T22:30:00Z", false),
            // Summer time begins on 2026-03-29 in Berlin: what was 21:30 there is 22:30.
            (quiet(&week, "22:00", "07:00", "Europe/Berlin"), "2026-03-28T20:30:00Z", false),
            (quiet(&week, "22:00", "07:00", "Europe/Berlin"), "2026-03-29T20:30:00Z", true),
            // What cannot be read silences nobody.
            (quiet(&week, "00:00", "00:00", "Nowhere/Land"), "2026-11-27T12:00:00Z", false),
            (quiet(&week, "0", "24:00", "UTC"), "2026-11-27T12:00:00Z", false),
        ];
        for (quiet, now, silent) in cases {
            let wishes =
                Wishes { quiet_hours: Some(quiet.clone()), notify: Notify::All, ..Wishes::default() };
            for meant in ALL {
                assert_eq!(wishes.wake(meant, at(now)), !silent, "{quiet:?} at {now}");
            }
        }
    }

    #[test]
    fn zones_are_known_without_the_system() {
        assert!(is_zone("Asia/Shanghai") && is_zone("Europe/Berlin") && is_zone("UTC"));
        assert!(!is_zone("Nowhere/Land") && !is_zone(""));
    }
}
