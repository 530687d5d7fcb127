//! What is measured, with which load, and what it should come to.

use super::servers::Kind;

/// Which of a server's two instances is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Archive {
    /// Messages are archived: Waxwing as it comes, the peers with their archive in SQLite.
    On,
    /// Nothing is archived.
    Off,
}

impl Line {
    /// Which instance of a server is measured.
    pub(super) fn instance(&self, kind: Kind) -> Archive {
        match kind {
            Kind::Waxwing => self.archive,
            Kind::Ejabberd | Kind::Prosody => self.peers,
            Kind::Floor => Archive::Off,
        }
    }
}

impl Line {
    /// Whether a server can carry it.
    pub(super) fn is_for(&self, kind: Kind) -> bool {
        match kind {
            Kind::Waxwing => true,
            Kind::Floor => self.floor,
            Kind::Ejabberd | Kind::Prosody => self.way != Way::Json,
        }
    }
}

/// How the generator connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Tcp,
    Tls,
    WebSocket,
    /// JSON over WebSocket, which Waxwing alone speaks.
    Json,
}

/// One load.
pub(super) struct Line {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    /// Waxwing's instance, and the peers'.
    pub(super) archive: Archive,
    pub(super) peers: Archive,
    pub(super) way: Way,
    /// The accounts it uses, and how many.
    pub(super) accounts: (&'static str, usize),
    pub(super) mechanism: &'static str,
    /// The scenario and its arguments, without how long it takes.
    pub(super) scenario: &'static [&'static str],
    /// Whether the scenario takes `--seconds`.
    pub(super) timed: bool,
    /// Whether the floor can carry it.
    pub(super) floor: bool,
    /// How many rounds are enough, for what hardly varies and takes long.
    pub(super) most_rounds: usize,
    pub(super) figures: &'static [Figure],
}

/// One figure of a line.
pub(super) struct Figure {
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    /// Where it stands in the generator's report (RFC 6901).
    pub(super) pointer: &'static str,
    pub(super) bounds: &'static [Bound],
}

/// What a figure is counted in; less is better in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Microseconds of CPU time for each operation.
    Cpu,
    /// Microseconds of waiting.
    Latency,
    /// Bytes.
    Memory,
}

/// What Waxwing's figure should come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// At most this, in the figure's own unit.
    AtMost(f64),
    /// At most so many times the floor's.
    TimesFloor(f64),
    /// At most so many times Waxwing's own figure of another line.
    TimesLine(f64, &'static str),
    /// So many times less than ejabberd's.
    LessThanEjabberd(f64),
    /// So many times less than each peer's.
    LessThanEither(f64),
}

use Bound::{AtMost, LessThanEither, LessThanEjabberd, TimesFloor, TimesLine};

const CPU: &str = "/measures/0/server_cpu_us";

const fn cpu(title: &'static str, bounds: &'static [Bound]) -> Figure {
    Figure { title, unit: Unit::Cpu, pointer: CPU, bounds }
}

const fn latency(title: &'static str, pointer: &'static str, bounds: &'static [Bound]) -> Figure {
    Figure { title, unit: Unit::Latency, pointer, bounds }
}

const fn memory(bounds: &'static [Bound]) -> Figure {
    Figure {
        title: "memory of a connection",
        unit: Unit::Memory,
        pointer: "/memory/pss_bytes_per_connection",
        bounds,
    }
}

const SCRAM: &str = "scram-sha-256";
/// Accounts that only chat.
const TALKERS: (&str, usize) = ("talker", 2000);
/// Accounts that are in rooms.
const GUESTS: (&str, usize) = ("guest", 2000);
/// Two groups of 51, in each of which everyone is everyone's contact.
const FRIENDS: (&str, usize) = ("friend", 102);

const CHAT: Line = Line {
    key: "chat",
    title: "chat, one message in flight in each of 1,000 pairs, archive off",
    archive: Archive::Off,
    peers: Archive::Off,
    way: Way::Tcp,
    accounts: TALKERS,
    mechanism: SCRAM,
    scenario: &["chat", "--pairs", "1000", "--no-store"],
    timed: true,
    floor: true,
    most_rounds: usize::MAX,
    figures: &[cpu("a message", &[TimesFloor(2.0), LessThanEjabberd(6.0)])],
};

/// The lines, in the order of the page.
pub(super) const LINES: &[Line] = &[
    CHAT,
    Line {
        key: "chat-tls",
        title: "the same under TLS 1.3",
        way: Way::Tls,
        figures: &[cpu("a message", &[TimesFloor(2.0), LessThanEjabberd(5.0)])],
        ..CHAT
    },
    Line {
        key: "chat-archive",
        title: "the same over plain TCP with the archive on",
        archive: Archive::On,
        peers: Archive::On,
        scenario: &["chat", "--pairs", "1000"],
        figures: &[cpu("a message", &[AtMost(30.0), LessThanEither(15.0)])],
        ..CHAT
    },
    Line {
        key: "chat-managed",
        title: "archive off, with stream management and carbons",
        scenario: &["chat", "--pairs", "1000", "--no-store", "--stream-management", "--carbons"],
        floor: false,
        figures: &[cpu("a message", &[TimesLine(1.5, "chat")])],
        ..CHAT
    },
    Line {
        key: "chat-managed-tls",
        title: "the same under TLS 1.3",
        way: Way::Tls,
        scenario: &["chat", "--pairs", "1000", "--no-store", "--stream-management", "--carbons"],
        floor: false,
        figures: &[cpu("a message", &[TimesLine(1.5, "chat-tls")])],
        ..CHAT
    },
    Line {
        key: "chat-websocket",
        title: "archive off, over WebSocket without TLS",
        way: Way::WebSocket,
        floor: false,
        figures: &[cpu("a message", &[])],
        ..CHAT
    },
    Line {
        key: "chat-websocket-archive",
        title: "archive on, over WebSocket without TLS, each message with an id of its sender and acknowledged",
        archive: Archive::On,
        peers: Archive::On,
        way: Way::WebSocket,
        scenario: &["chat", "--pairs", "1000", "--origin-id", "--stream-management"],
        floor: false,
        figures: &[cpu("a message", &[])],
        ..CHAT
    },
    Line {
        key: "chat-json",
        title: "the same in JSON",
        archive: Archive::On,
        way: Way::Json,
        scenario: &["chat", "--pairs", "1000"],
        floor: false,
        figures: &[cpu("a message", &[TimesLine(1.3, "chat-websocket-archive")])],
        ..CHAT
    },
    Line {
        key: "ping",
        title: "ping, one request in flight on each of 1,000 connections",
        archive: Archive::On,
        accounts: ("idler", 1000),
        scenario: &["ping", "--connections", "1000"],
        figures: &[cpu("a request", &[TimesFloor(1.7), LessThanEjabberd(5.0)])],
        ..CHAT
    },
    Line {
        key: "presence",
        title: "presence to 50 contacts who are online",
        archive: Archive::On,
        accounts: FRIENDS,
        scenario: &["presence", "--contacts", "50", "--groups", "2"],
        floor: false,
        figures: &[cpu("a delivered presence", &[AtMost(4.0), LessThanEjabberd(8.0)])],
        ..CHAT
    },
    Line {
        key: "rooms",
        title: "50 rooms of 40, one message in flight in each, archive off",
        accounts: GUESTS,
        scenario: &["rooms", "--rooms", "50", "--occupants", "40", "--no-store"],
        floor: false,
        figures: &[cpu("a delivery", &[AtMost(4.0), LessThanEjabberd(8.0)])],
        ..CHAT
    },
    Line {
        key: "rooms-archive",
        title: "the same with the rooms' archives on",
        archive: Archive::On,
        peers: Archive::On,
        accounts: GUESTS,
        scenario: &["rooms", "--rooms", "50", "--occupants", "40"],
        floor: false,
        figures: &[cpu("a delivery", &[AtMost(6.0), LessThanEjabberd(8.0)])],
        ..CHAT
    },
    Line {
        key: "room-large",
        title: "one room of 2,000, archive off",
        most_rounds: 3,
        accounts: GUESTS,
        scenario: &["rooms", "--rooms", "1", "--occupants", "2000", "--no-store"],
        floor: false,
        figures: &[cpu("a delivery", &[AtMost(4.0), LessThanEjabberd(8.0)])],
        ..CHAT
    },
    Line {
        key: "login",
        title: "login with SCRAM-SHA-256 under TLS 1.3, roster of 50, presence",
        archive: Archive::On,
        way: Way::Tls,
        accounts: FRIENDS,
        scenario: &["login", "--users", "102", "--roster", "50"],
        floor: false,
        figures: &[cpu("a login", &[AtMost(300.0), LessThanEjabberd(8.0)])],
        ..CHAT
    },
    Line {
        key: "login-plain",
        title: "the same with PLAIN, password hash included",
        archive: Archive::On,
        way: Way::Tls,
        accounts: FRIENDS,
        mechanism: "plain",
        scenario: &["login", "--users", "102", "--roster", "50"],
        floor: false,
        figures: &[cpu("a login", &[])],
        ..CHAT
    },
    Line {
        key: "offline",
        title: "messages for somebody who is away",
        archive: Archive::On,
        accounts: ("away", 200),
        scenario: &["offline", "--pairs", "100", "--messages", "50", "--repeat", "4"],
        timed: false,
        floor: false,
        figures: &[
            cpu("a message stored", &[AtMost(25.0), LessThanEjabberd(5.0)]),
            Figure {
                title: "a message fetched",
                unit: Unit::Cpu,
                pointer: "/measures/1/server_cpu_us",
                bounds: &[AtMost(10.0), LessThanEjabberd(5.0)],
            },
        ],
        ..CHAT
    },
    Line {
        key: "archive",
        title: "pages of 50 messages from archives of 300",
        archive: Archive::On,
        peers: Archive::On,
        accounts: ("reader", 20),
        scenario: &["archive", "--users", "10", "--messages", "300"],
        floor: false,
        figures: &[cpu("a page", &[AtMost(150.0), LessThanEjabberd(15.0)])],
        ..CHAT
    },
    Line {
        key: "files",
        title: "files of 1 MB over HTTP without TLS, 8 at a time: a place, an upload and two downloads of each",
        accounts: ("uploader", 8),
        scenario: &["files", "--accounts-at-once", "8", "--files", "25", "--downloads", "2"],
        timed: false,
        floor: false,
        figures: &[
            cpu("a MB uploaded", &[]),
            Figure {
                title: "a MB downloaded",
                unit: Unit::Cpu,
                pointer: "/measures/1/server_cpu_us",
                bounds: &[],
            },
        ],
        ..CHAT
    },
    Line {
        key: "memory",
        title: "10,000 idle connections over plain TCP, three rounds",
        most_rounds: 3,
        archive: Archive::On,
        accounts: ("idler", 10_000),
        scenario: &["idle", "--connections", "10000", "--settle", "4"],
        timed: false,
        floor: false,
        figures: &[memory(&[AtMost(3000.0), LessThanEjabberd(8.0)])],
        ..CHAT
    },
    Line {
        key: "memory-tls",
        title: "10,000 idle connections under TLS 1.3, three rounds",
        most_rounds: 3,
        archive: Archive::On,
        way: Way::Tls,
        accounts: ("idler", 10_000),
        scenario: &["idle", "--connections", "10000", "--settle", "4"],
        timed: false,
        floor: false,
        figures: &[memory(&[AtMost(12_000.0), LessThanEjabberd(8.0)])],
        ..CHAT
    },
    Line {
        key: "memory-websocket",
        title: "5,000 idle connections over WebSocket without TLS, three rounds",
        most_rounds: 3,
        archive: Archive::On,
        way: Way::WebSocket,
        accounts: ("idler", 10_000),
        scenario: &["idle", "--connections", "5000", "--settle", "4"],
        timed: false,
        floor: false,
        figures: &[memory(&[])],
        ..CHAT
    },
    Line {
        key: "memory-json",
        title: "the same in JSON",
        most_rounds: 3,
        archive: Archive::On,
        way: Way::Json,
        accounts: ("idler", 10_000),
        scenario: &["idle", "--connections", "5000", "--settle", "4"],
        timed: false,
        floor: false,
        figures: &[memory(&[TimesLine(1.3, "memory-websocket")])],
        ..CHAT
    },
    Line {
        key: "latency",
        title: "1,000 messages a second, archive off",
        scenario: &["chat", "--pairs", "500", "--rate", "1000", "--no-store"],
        figures: &[
            latency("latency, half of the messages", "/measures/0/latency/p50_us", &[LessThanEither(1.0)]),
            latency(
                "latency, 99 in 100",
                "/measures/0/latency/p99_us",
                &[TimesFloor(2.0), LessThanEither(1.0)],
            ),
            latency("latency, 999 in 1,000", "/measures/0/latency/p999_us", &[LessThanEither(1.0)]),
            cpu("a message", &[]),
        ],
        ..CHAT
    },
    Line {
        key: "latency-archive",
        title: "1,000 messages a second, archive on",
        archive: Archive::On,
        peers: Archive::On,
        scenario: &["chat", "--pairs", "500", "--rate", "1000"],
        floor: false,
        figures: &[
            latency("latency, half of the messages", "/measures/0/latency/p50_us", &[LessThanEither(1.0)]),
            latency(
                "latency, 99 in 100",
                "/measures/0/latency/p99_us",
                &[AtMost(5000.0), LessThanEither(1.0)],
            ),
            latency("latency, 999 in 1,000", "/measures/0/latency/p999_us", &[LessThanEither(1.0)]),
            cpu("a message", &[]),
        ],
        ..CHAT
    },
];

impl Bound {
    /// For people.
    pub(super) fn text(self, unit: Unit) -> String {
        match self {
            AtMost(most) => format!("at most {}", unit.text(most)),
            TimesFloor(times) => format!("at most {times} × the floor"),
            TimesLine(times, line) => format!("at most {times} × the line `{line}`"),
            LessThanEjabberd(times) => format!("{times} × less than ejabberd"),
            LessThanEither(1.0) => "less than either peer".to_owned(),
            LessThanEither(times) => format!("{times} × less than either peer"),
        }
    }
}

impl Unit {
    /// A figure with its unit.
    pub(super) fn text(self, figure: f64) -> String {
        match self {
            Unit::Memory => format!("{:.1} kB", figure / 1000.0),
            Unit::Cpu | Unit::Latency if figure < 100.0 => format!("{figure:.1} µs"),
            Unit::Cpu | Unit::Latency if figure < 10_000.0 => format!("{figure:.0} µs"),
            Unit::Cpu | Unit::Latency => format!("{:.1} ms", figure / 1000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_unique_and_known() {
        let keys: BTreeSet<&str> = LINES.iter().map(|line| line.key).collect();
        assert_eq!(keys.len(), LINES.len());
        for bound in LINES.iter().flat_map(|line| line.figures).flat_map(|figure| figure.bounds) {
            if let TimesLine(_, key) = bound {
                assert!(keys.contains(key));
            }
        }
        let needs_floor = |figure: &Figure| figure.bounds.iter().any(|bound| matches!(bound, TimesFloor(_)));
        assert!(LINES.iter().filter(|line| line.figures.iter().any(needs_floor)).all(|line| line.floor));
    }

    #[test]
    fn figures_have_units() {
        assert_eq!(Unit::Cpu.text(7.25), "7.2 µs");
        assert_eq!(Unit::Latency.text(12_345.0), "12.3 ms");
        assert_eq!(Unit::Memory.text(2500.0), "2.5 kB");
        assert_eq!(AtMost(30.0).text(Unit::Cpu), "at most 30.0 µs");
    }
}
