//! Taking the entries of erased owners out of runs.
//!
//! Which they are is known while the owner's messages are erased, and noted in `erased_entry`. Afterwards each block that
//! holds some of them is written anew without them: the one change that blocks see. It costs in proportion to what the
//! owner had, not to the archive.

use rusqlite::{Connection, params};

use super::Posting;
use super::block::Encoder;
use super::build::block_bytes;
use super::walk::Blocks;
use crate::sqlite::numbers;

/// Notes entries for removal.
pub(crate) fn note(db: &Connection, postings: &[Posting]) -> rusqlite::Result<()> {
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO erased_entry (key, message) VALUES (?1, ?2)")?;
    for posting in postings {
        insert.execute(params![posting.key().cast_signed(), numbers::int(posting.id())])?;
    }
    Ok(())
}

/// Whether entries are noted.
pub(crate) fn is_due(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM erased_entry)")?.query_row([], |row| row.get(0))
}

/// Removes up to `limit` of the noted entries from `runs`, which must be all that have any.
pub(crate) fn step(db: &Connection, runs: &[i64], limit: usize) -> rusqlite::Result<()> {
    let noted: Vec<Posting> = db
        .prepare_cached("SELECT key, message FROM erased_entry ORDER BY key, message LIMIT ?1")?
        .query_map([numbers::int(limit as u64)], |row| {
            Ok(Posting::new(row.get::<_, i64>(0)?.cast_unsigned(), numbers::uint(row.get(1)?)))
        })?
        .collect::<Result<_, _>>()?;
    let Some(last) = noted.last() else { return Ok(()) };
    for run in runs {
        purge(db, *run, &noted)?;
    }
    db.prepare_cached("DELETE FROM erased_entry WHERE (key, message) <= (?1, ?2)")?
        .execute(params![last.key().cast_signed(), numbers::int(last.id())])
        .map(drop)
}

/// Removes entries, given in order, from one run.
fn purge(db: &Connection, run: i64, noted: &[Posting]) -> rusqlite::Result<()> {
    let mut blocks = Blocks::new(db)?;
    let mut rest = noted;
    let mut entries = Vec::new();
    let mut removed = 0;
    while let Some(next) = rest.first() {
        entries.clear();
        let found = blocks.holding(run, *next, |posting| {
            entries.push(posting);
            true
        })?;
        let last = entries.last().copied().unwrap_or_default();
        let here = rest.partition_point(|posting| *posting <= last).max(1);
        let (gone, after) = rest.split_at(here);
        rest = after;
        let Some((_, row)) = found else { continue };
        let before = entries.len();
        entries.retain(|posting| gone.binary_search(posting).is_err());
        if entries.len() < before {
            removed += before - entries.len();
            write(db, row, &entries)?;
        }
    }
    if removed > 0 {
        db.prepare_cached("UPDATE run SET entries = max(entries - ?2, 0) WHERE id = ?1")?
            .execute(params![run, numbers::int(removed as u64)])?;
        db.prepare_cached("DELETE FROM run WHERE id = ?1 AND entries = 0")?.execute([run])?;
    }
    Ok(())
}

/// Writes a block anew with what is left of it.
fn write(db: &Connection, row: i64, entries: &[Posting]) -> rusqlite::Result<()> {
    let base = entries.iter().map(|posting| posting.id()).min().unwrap_or(0);
    // It was within the bound with more entries, and counting from the smallest id makes none longer.
    let mut encoder = Encoder::new(block_bytes(db)?.max(entries.len() * 20), base);
    for posting in entries {
        encoder.push(*posting);
    }
    match encoder.block() {
        None => db.prepare_cached("DELETE FROM run_block WHERE id = ?1")?.execute([row]).map(drop),
        Some(block) => db
            .prepare_cached("UPDATE run_block SET key = ?2, message = ?3, block = ?4 WHERE id = ?1")?
            .execute(params![
                row,
                block.first.key().cast_signed(),
                numbers::int(block.first.id()),
                block.bytes
            ])
            .map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::write_run;
    use super::super::filter::Filters;
    use super::super::published;
    use super::super::walk::Walk;
    use super::*;
    use crate::sqlite::migrations::migrate;

    #[test]
    fn takes_out_what_is_noted_and_nothing_else() {
        let db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "page_size", 512).unwrap();
        migrate(&db).unwrap();
        let all: Vec<_> = (0..3000).map(|n| Posting::new(n % 3 * 1_000_000, 1 + n / 3)).collect();
        write_run(&db, 1, all[..1800].to_vec()).unwrap();
        write_run(&db, 2, all[1500..].to_vec()).unwrap();
        write_run(&db, 3, vec![Posting::new(1_000_000, 77)]).unwrap();
        let gone: Vec<_> = all
            .iter()
            .filter(|p| p.key() == 1_000_000 || (p.key() == 0 && p.id() % 2 == 0))
            .copied()
            .collect();
        note(&db, &gone).unwrap();
        assert!(is_due(&db).unwrap());
        while is_due(&db).unwrap() {
            step(&db, &[1, 2, 3], 37).unwrap();
        }
        let runs = published(&db).unwrap();
        assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [1, 2], "an empty run is none");
        let filters = Filters::new(1 << 20).of(&db, &runs).unwrap();
        let mut blocks = Blocks::new(&db).unwrap();
        for key in [0, 1_000_000, 2_000_000] {
            let mut walk = Walk::new(&runs, &filters, key, (0, 9999), false);
            let mut found = Vec::new();
            while let Some(id) = walk.peek(&mut blocks).unwrap() {
                found.push(Posting::new(key, id));
                walk.pass(id);
            }
            let mut wanted: Vec<_> = all.iter().filter(|p| p.key() == key).copied().collect();
            wanted.retain(|posting| !gone.contains(posting));
            assert_eq!(found, wanted, "key {key}");
        }
        let twice = all[1500..1800].iter().filter(|p| !gone.contains(p)).count();
        let left: u64 = runs.iter().map(|run| run.entries).sum();
        assert_eq!(left as usize, all.len() - gone.len() + twice);
    }
}
