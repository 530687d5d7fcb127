//! A canonical listing of everything that a store keeps: the same rows, in the same order, whichever database they come from.
//!
//! Listed is what was put in, and not what follows from it: no index, no secret of an index, no partition.

use sha2::{Digest, Sha256};

/// A table of the listing, which has the same name in both databases unless its reader knows better.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The columns that its rows are in the order of.
    pub(crate) order: &'static str,
    pub(crate) columns: &'static [Column],
}

/// A column: its name and what is in it.
pub(crate) type Column = (&'static str, Kind);

/// What is in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number.
    Int,
    /// Yes or no, 1 or 0.
    Bool,
    /// A text.
    Text,
    /// Octets.
    Bytes,
    /// Texts (see lists.rs).
    List,
    /// 16 octets.
    Hash,
}

use Kind::{Bool, Bytes, Hash, Int, List, Text};

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// One row.
pub(crate) type Row = Vec<Value>;

/// The hash of a listing, and what it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// SHA-256 over everything, in hexadecimal.
    pub hash: String,
    /// How many rows each table has, in the order of the listing.
    pub rows: Vec<(&'static str, u64)>,
}

/// Makes the hash of a listing while it passes.
pub(crate) struct Hasher {
    sha: Sha256,
    rows: Vec<(&'static str, u64)>,
}

impl Hasher {
    pub(crate) fn new() -> Self {
        Self { sha: Sha256::new(), rows: Vec::new() }
    }

    /// The rows of this table follow.
    pub(crate) fn table(&mut self, table: &Table) {
        self.sha.update([0]);
        self.field(table.name.as_bytes());
        self.rows.push((table.name, 0));
    }

    /// The next row of the table.
    pub(crate) fn row(&mut self, row: &[Value]) {
        self.sha.update([1]);
        for value in row {
            match value {
                Value::Null => self.sha.update([0]),
                Value::Int(n) => {
                    self.sha.update([1]);
                    self.sha.update(n.to_be_bytes());
                }
                Value::Text(text) => {
                    self.sha.update([2]);
                    self.field(text.as_bytes());
                }
                Value::Bytes(bytes) => {
                    self.sha.update([3]);
                    self.field(bytes);
                }
            }
        }
        if let Some((_, count)) = self.rows.last_mut() {
            *count += 1;
        }
    }

    /// Octets behind their length, so that no two listings run into each other.
    fn field(&mut self, bytes: &[u8]) {
        self.sha.update((bytes.len() as u64).to_be_bytes());
        self.sha.update(bytes);
    }

    pub(crate) fn finish(self) -> Listing {
        let hash = self.sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Listing { hash, rows: self.rows }
    }
}

/// The tables with numbers that are never given out again; the listing's table `used` has the highest of each.
pub(crate) const NUMBERED: [(&str, &str); 4] =
    [("account", "id"), ("pubsub_item", "seq"), ("pubsub_node", "id"), ("room", "id")];

/// Clients' own ids of messages, each with the message it led to.
pub(crate) const SENT: &str = "sent";

/// The highest numbers that were given out.
pub(crate) const USED: &str = "used";

/// The archive.
pub(crate) const MESSAGE: &str = "message";

/// With whom people talk.
pub(crate) const CONVERSATION: &str = "conversation";

/// The name under which `USED` has the archive's clock.
pub(crate) const CLOCK: &str = "archive";

/// Everything, in an order in which no row refers to one that comes later.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "account",
        order: "id",
        columns: &[
            ("id", Int),
            ("jid", Text),
            ("domain", Text),
            ("name", Text),
            ("role", Int),
            ("verifiers", List),
            ("created_ms", Int),
            ("disabled", Bool),
            ("expires_ms", Int),
            ("last_seen_ms", Int),
            ("last_status", Text),
            ("delivered", Int),
            ("roster_version", Int),
            ("roster_floor", Int),
        ],
    },
    Table { name: "erasing", order: "owner", columns: &[("owner", Int)] },
    Table {
        name: "roster_item",
        order: "owner, contact",
        columns: &[
            ("owner", Int),
            ("contact", Text),
            ("version", Int),
            ("name", Text),
            ("groups", List),
            ("subscription", Int),
            ("ask", Bool),
            ("approved", Bool),
            ("request", Bytes),
            ("listed", Bool),
        ],
    },
    Table {
        name: "roster_removal",
        order: "owner, version",
        columns: &[("owner", Int), ("version", Int), ("contact", Text)],
    },
    Table { name: "blocked", order: "owner, contact", columns: &[("owner", Int), ("contact", Text)] },
    Table {
        name: "document",
        order: "owner, kind, key",
        columns: &[("owner", Int), ("kind", Int), ("key", Text), ("content", Text)],
    },
    Table {
        name: "token",
        order: "owner, agent, secret",
        columns: &[
            ("owner", Int),
            ("agent", Text),
            ("secret", Text),
            ("mechanism", Text),
            ("created_ms", Int),
            ("expires_ms", Int),
            ("count", Int),
        ],
    },
    Table {
        name: "invitation",
        order: "token",
        columns: &[
            ("token", Text),
            ("register_at", Text),
            ("username", Text),
            ("inviter", Text),
            ("created_ms", Int),
            ("expires_ms", Int),
            ("uses_left", Int),
        ],
    },
    Table {
        name: "saved_stream",
        order: "id",
        columns: &[("id", Text), ("owner", Int), ("expires_ms", Int), ("state", Bytes)],
    },
    Table { name: "setting", order: "key", columns: &[("key", Text), ("value", Text)] },
    Table {
        name: "audit",
        order: "number",
        columns: &[
            ("number", Int),
            ("at_ms", Int),
            ("actor", Text),
            ("action", Text),
            ("target", Text),
            ("detail", Text),
            ("hash", Text),
        ],
    },
    Table {
        name: "file",
        order: "id",
        columns: &[
            ("id", Text),
            ("owner", Int),
            ("owner_jid", Text),
            ("name", Text),
            ("media_type", Text),
            ("size", Int),
            ("purpose", Int),
            ("token", Text),
            ("created_ms", Int),
            ("open_until_ms", Int),
            ("stored_ms", Int),
            ("expires_ms", Int),
            ("state", Int),
            ("thumbnail", Int),
        ],
    },
    Table {
        name: "room",
        order: "id",
        columns: &[
            ("id", Int),
            ("jid", Text),
            ("service", Text),
            ("creator", Text),
            ("created_ms", Int),
            ("locked", Bool),
            ("public", Bool),
            ("persistent", Bool),
            ("configuration", Text),
            ("subject", Bytes),
            ("subject_ms", Int),
            ("secret", Bytes),
        ],
    },
    Table {
        name: "room_affiliate",
        order: "room, jid",
        columns: &[
            ("room", Int),
            ("jid", Text),
            ("affiliation", Int),
            ("nick", Text),
            ("reason", Text),
            ("seen", Int),
        ],
    },
    Table {
        name: "pubsub_node",
        order: "id",
        columns: &[
            ("id", Int),
            ("place", Text),
            ("account", Int),
            ("name", Text),
            ("creator", Text),
            ("created_ms", Int),
            ("on_presence", Bool),
            ("configuration", Text),
            ("item_expire_s", Int),
            ("purge_offline", Bool),
        ],
    },
    Table {
        name: "pubsub_item",
        order: "seq",
        columns: &[
            ("seq", Int),
            ("node", Int),
            ("id", Text),
            ("publisher", Text),
            ("published_ms", Int),
            ("payload", Text),
            ("purged_with", Text),
        ],
    },
    Table {
        name: "pubsub_affiliation",
        order: "node, jid",
        columns: &[("node", Int), ("jid", Text), ("affiliation", Int)],
    },
    Table {
        name: "pubsub_subscription",
        order: "node, subid",
        columns: &[
            ("node", Int),
            ("subid", Text),
            ("jid", Text),
            ("bare", Text),
            ("state", Int),
            ("options", Text),
            ("temporary", Bool),
        ],
    },
    Table {
        name: "card",
        order: "owner",
        columns: &[
            ("owner", Int),
            ("xml", Text),
            ("full_name", Text),
            ("given_name", Text),
            ("family_name", Text),
            ("nickname", Text),
            ("email", Text),
            ("private", Bool),
            ("photo_hash", Text),
        ],
    },
    Table {
        name: "access_token",
        order: "id",
        columns: &[
            ("id", Text),
            ("owner", Int),
            ("jid", Text),
            ("name", Text),
            ("scopes", Text),
            ("hash", Bytes),
            ("created_ms", Int),
            ("expires_ms", Int),
            ("used_ms", Int),
        ],
    },
    Table {
        name: "push_subscription",
        order: "owner, key",
        columns: &[
            ("owner", Int),
            ("key", Text),
            ("jid", Text),
            ("device", Text),
            ("created_ms", Int),
            ("p256dh", Bytes),
            ("auth", Bytes),
            ("service", Text),
            ("node", Text),
            ("options", Text),
        ],
    },
    Table {
        name: "webhook",
        order: "id",
        columns: &[
            ("id", Text),
            ("owner", Int),
            ("jid", Text),
            ("name", Text),
            ("created_ms", Int),
            ("conversation", Text),
            ("hash", Bytes),
            ("url", Text),
            ("secret", Text),
            ("position", Int),
        ],
    },
    Table {
        name: "dead_letter",
        order: "webhook, message",
        columns: &[("webhook", Text), ("message", Int), ("attempts", Int), ("reason", Text), ("at_ms", Int)],
    },
    Table {
        name: "state",
        order: "owner, kind, key",
        columns: &[("owner", Int), ("kind", Int), ("key", Text), ("position", Int), ("content", Text)],
    },
    Table {
        name: MESSAGE,
        order: "id",
        columns: &[("id", Int), ("copies", Bytes), ("text", Text), ("xml", Bytes), ("labels", Text)],
    },
    Table {
        name: SENT,
        order: "owner, client_id",
        columns: &[("owner", Int), ("client_id", Hash), ("id", Int)],
    },
    Table {
        name: CONVERSATION,
        order: "owner, peer",
        columns: &[("owner", Int), ("peer", Text), ("last_id", Int)],
    },
    Table { name: USED, order: "name", columns: &[("name", Text), ("number", Int)] },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(rows: &[Row]) -> Listing {
        let mut hasher = Hasher::new();
        hasher.table(&TABLES[1]);
        rows.iter().for_each(|row| hasher.row(row));
        hasher.finish()
    }

    #[test]
    fn different_rows_have_different_hashes() {
        let text = |text: &str| Value::Text(text.to_owned());
        let listings = [
            listed(&[]),
            listed(&[vec![]]),
            listed(&[vec![Value::Null]]),
            listed(&[vec![Value::Int(0)]]),
            listed(&[vec![text("ab"), text("c")]]),
            listed(&[vec![text("a"), text("bc")]]),
            listed(&[vec![text("ab")], vec![text("c")]]),
            listed(&[vec![Value::Bytes(b"ab".to_vec())], vec![text("c")]]),
        ];
        for (at, one) in listings.iter().enumerate() {
            for other in &listings[at + 1..] {
                assert_ne!(one.hash, other.hash);
            }
        }
        assert_eq!(listings[6].rows, [("erasing", 2)]);
    }
}
