//! Which accounts have which three characters in a row somewhere in their names, so that a search for a part of a name looks at
//! few of them.
//!
//! An index of SQLite finds words from their beginning. This one holds, for every account, each three neighbouring characters
//! of its texts, and the one or two at an end: a part of three characters or more has all its own among them, and a shorter
//! one is the beginning of some. It only proposes: whoever asks looks at the texts themselves.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::people::card::Person;
use waxwing_chat::people::search::Wanted;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::people::{PERSON, person};

/// How many neighbouring characters are looked for together.
const LENGTH: usize = 3;

/// How many accounts are indexed in one transaction when all of them are.
const INDEXED_AT_ONCE: i64 = 2_000;

/// Puts the texts of an account, as they are now, into the index; takes them out of it if it is gone.
pub(super) fn index(db: &Connection, id: AccountId) -> Result<(), Failure> {
    let sql = format!(
        "SELECT {PERSON}, jid, name, owner FROM account LEFT JOIN card ON owner = account.id WHERE id = ?1"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let texts = statement.query_row([id.0], |row| {
        let named = row.get::<_, Option<i64>>(8)?.map(|_| person(row, 0)).transpose()?;
        Ok(words(&row.get::<_, String>(6)?, row.get(7)?, named.as_ref()))
    });
    match texts.optional()? {
        Some(words) => {
            db.prepare_cached("INSERT OR REPLACE INTO person_gram (rowid, grams) VALUES (?1, ?2)")?
                .execute(params![id.0, words])?;
        }
        None => {
            db.prepare_cached("DELETE FROM person_gram WHERE rowid = ?1")?.execute([id.0])?;
        }
    }
    Ok(())
}

/// Indexes the accounts of a database that was made before there was an index.
pub(super) fn complete(db: &Connection) -> Result<(), Failure> {
    loop {
        let mut statement = db.prepare(
            "SELECT id FROM account WHERE id > (SELECT ifnull(max(rowid), 0) FROM person_gram_docsize) \
             ORDER BY id LIMIT ?1",
        )?;
        let missing = statement.query_map([INDEXED_AT_ONCE], |row| row.get(0).map(AccountId))?;
        let missing: Vec<AccountId> = missing.collect::<Result<_, _>>()?;
        drop(statement);
        if missing.is_empty() {
            return Ok(());
        }
        let transaction = db.unchecked_transaction()?;
        for id in missing {
            index(&transaction, id)?;
        }
        transaction.commit()?;
    }
}

/// The accounts that may have all that is wanted somewhere in their texts, at most `limit`, in no order; `None` when nothing is
/// wanted.
pub(super) fn proposed(
    db: &Connection,
    wanted: &Wanted,
    limit: usize,
) -> Result<Option<Vec<AccountId>>, Failure> {
    let Wanted { given_name, family_name, nickname, email, any_name } = wanted;
    let parts = [given_name, family_name, nickname, email, any_name];
    let terms: BTreeSet<String> = parts.into_iter().flat_map(|part| terms(part)).collect();
    if terms.is_empty() {
        return Ok(None);
    }
    let question = terms.into_iter().collect::<Vec<_>>().join(" ");
    let mut statement =
        db.prepare_cached("SELECT rowid FROM person_gram WHERE person_gram MATCH ?1 LIMIT ?2")?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map(params![question, limit], |row| row.get(0).map(AccountId))?;
    Ok(Some(found.collect::<Result<_, _>>()?))
}

/// The characters of a word of the index: letters and digits alone, and none is the beginning of another.
fn word(characters: &[char]) -> String {
    characters.iter().map(|c| format!("{:x}z", u32::from(*c))).collect()
}

/// What the texts of somebody hold, as words of the index.
fn words(jid: &str, name: Option<String>, named: Option<&Person>) -> String {
    let local = Jid::new(jid).ok().and_then(|jid| jid.local().map(str::to_owned));
    let mut texts: Vec<String> = local.into_iter().chain(name).collect();
    if let Some(Person { full_name, given_name, family_name, nickname, email, .. }) = named {
        texts.extend([full_name, nickname, email].map(Clone::clone));
        texts.push(format!("{given_name} {family_name}"));
    }
    let mut words = BTreeSet::new();
    for text in texts {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let ends = (0..text.len()).map(|at| (at, (at + LENGTH).min(text.len())));
        words.extend(ends.map(|(from, to)| word(&text[from..to])));
    }
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// What the index is asked for, for something that is wanted.
fn terms(part: &str) -> Vec<String> {
    let characters: Vec<char> = part.chars().collect();
    match characters.len() {
        0 => Vec::new(),
        short if short < LENGTH => vec![format!("\"{}\" *", word(&characters))],
        _ => characters.windows(LENGTH).map(|three| format!("\"{}\"", word(three))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_text_is_found() {
        let named = Person { given_name: "小明".into(), family_name: "Wáng".into(), ..Person::default() };
        let words = words("xm@b.example", Some("Xiǎo".to_owned()), Some(&named));
        let words: BTreeSet<&str> = words.split(' ').collect();
        for part in ["x", "xm", "iǎo", "小明", "明 w", "wáng", "g", "ng", "小明 wáng"] {
            for term in terms(part) {
                let (start, rest) = term[1..].split_once('"').unwrap();
                let found = match rest {
                    " *" => words.iter().any(|word| word.starts_with(start)),
                    _ => words.contains(start),
                };
                assert!(found, "{part}: {term}");
            }
        }
        assert!(terms("xiao").iter().any(|term| !words.contains(&term[1..term.len() - 1])));
    }
}
