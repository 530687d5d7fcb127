//! With whom somebody talks: the newest message that says something, of each conversation.
//!
//! Nothing is written for it with a message. The table follows in large steps (`upkeep.rs`), and what lies behind the id up to which it
//! is complete is read from the owner's newest messages.

use std::collections::HashMap;

use tokio_postgres::Row;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::numbers;
use super::session::Session;
use crate::copies::{self, Kind};

/// How the table is read, and the owner's messages that are not in it.
pub(super) const KNOWN: &str = "SELECT peer, last_id FROM conversation WHERE owner = $1 AND last_id < $2 \
     ORDER BY last_id DESC LIMIT $3";
pub(super) const RECENT: &str = "SELECT m.id, m.copies FROM (SELECT id FROM copy WHERE owner = $1 AND kind IN (0, 1) \
     AND id > (SELECT talks FROM upkeep)) c \
     CROSS JOIN LATERAL (SELECT id, copies FROM message WHERE id = c.id AND text IS NOT NULL OFFSET 0) m";

/// What appending has added since, in order.
pub(super) const NEXT: &str = "SELECT id, copies, text IS NOT NULL FROM message \
     WHERE id > $1 AND id <= (SELECT last_id FROM clock) ORDER BY id LIMIT $2";

/// Writes down what is newer than what is there.
const NOTE: &str = "INSERT INTO conversation AS c (owner, peer, last_id) \
     SELECT * FROM unnest($1::int8[], $2::text[], $3::int8[]) \
     ON CONFLICT (owner, peer) DO UPDATE SET last_id = excluded.last_id WHERE c.last_id < excluded.last_id";

/// The newest message of each conversation, by its owner and the other party's bare address.
#[derive(Default)]
pub(super) struct Talks(HashMap<(i64, String), i64>);

impl Talks {
    /// Notes a message that says something. Rooms are nobody's conversations.
    pub(super) fn add(&mut self, id: i64, column: &[u8]) {
        for entry in copies::entries(column).flatten() {
            if entry.kind() != Kind::Waits && entry.owner.0 > 0 {
                let last = self.0.entry((entry.owner.0, bare(entry.peer).to_owned())).or_default();
                *last = id.max(*last);
            }
        }
    }

    /// Writes them into the table, in one order everywhere, so that no two nodes wait for each other.
    pub(super) async fn write(self, db: &Session) -> Result<(), Failure> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_unstable();
        let owners: Vec<i64> = all.iter().map(|((owner, _), _)| *owner).collect();
        let peers: Vec<&str> = all.iter().map(|((_, peer), _)| peer.as_str()).collect();
        let ids: Vec<i64> = all.iter().map(|(_, id)| *id).collect();
        db.execute(NOTE, &[&owners, &peers, &ids]).await.map(drop)
    }
}

/// With whom an account has talked, the newest first.
pub(super) async fn conversations(
    db: &Session,
    owner: AccountId,
    before: ArchiveId,
    limit: usize,
) -> Result<Vec<(Jid, ArchiveId)>, Failure> {
    let mut recent = Talks::default();
    for row in db.rows(RECENT, &[&owner.0]).await? {
        recent.add(row.try_get(0)?, row.try_get(1)?);
    }
    recent.0.retain(|(whose, _), _| *whose == owner.0);
    let before = numbers::int(before.0);
    // Each of the recent ones may stand in the table too, with an older message.
    let rows = db.rows(KNOWN, &[&owner.0, &before, &numbers::limit(limit + recent.0.len())]).await?;
    let known = rows.iter().map(|row: &Row| Ok((row.try_get(0)?, row.try_get(1)?)));
    let mut found: Vec<(i64, String)> = Vec::new();
    for talk in known.collect::<Result<Vec<(String, i64)>, Failure>>()? {
        let newer = recent.0.contains_key(&(owner.0, talk.0.clone()));
        found.extend((!newer).then_some((talk.1, talk.0)));
    }
    found.extend(recent.0.into_iter().filter(|(_, id)| *id < before).map(|((_, peer), id)| (id, peer)));
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(limit);
    found.into_iter().map(|(id, peer)| Ok((super::jid(&peer)?, ArchiveId(numbers::uint(id))))).collect()
}

/// The bare form of an address as it stands in a message.
fn bare(address: &str) -> &str {
    address.split('/').next().unwrap_or(address)
}
