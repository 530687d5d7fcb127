//! Cards in the database, and looking for people.

use std::collections::HashSet;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::people::card::{Card, Person};
use waxwing_chat::people::search::{PeoplePlace, PeopleQuery};
use waxwing_chat::people::store::{AccountCounts, Listed, PeopleStore};
use waxwing_chat::store::StoreResult;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::{Sqlite, belongings, grams, numbers};

/// The columns of a person, as `person` reads them.
pub(super) const PERSON: &str = "full_name, given_name, family_name, nickname, email, private";

/// Up to so many people that the index proposes are looked at each.
const FEW: usize = 1_000;

/// How many accounts are looked at in their order while the index proposes many.
const LOOKED_AT: usize = 10_000;

#[async_trait]
impl PeopleStore for Sqlite {
    async fn card(&self, owner: AccountId) -> StoreResult<Option<Card>> {
        self.read(move |db| card(db, owner)).await
    }

    async fn put_card(&self, owner: AccountId, card: Option<Card>) -> StoreResult<()> {
        self.write(move |db| put(db, owner, card.as_ref())).await
    }

    async fn photo_hash(&self, owner: AccountId) -> StoreResult<Option<String>> {
        self.read(move |db| {
            let hash = db
                .prepare_cached("SELECT photo_hash FROM card WHERE owner = ?1")?
                .query_row([owner.0], |row| row.get(0))
                .optional()?;
            Ok(hash.flatten())
        })
        .await
    }

    async fn people(&self, query: PeopleQuery) -> StoreResult<Vec<Listed>> {
        self.read(move |db| people(db, &query)).await
    }

    async fn account_counts(&self, domain: Option<&str>) -> StoreResult<AccountCounts> {
        let domain = domain.map(str::to_owned);
        self.read(move |db| {
            let counts = db
                .prepare_cached(
                    "SELECT count(*), ifnull(sum(disabled), 0) FROM account WHERE ?1 IS NULL OR domain = ?1",
                )?
                .query_row([domain], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(AccountCounts { registered: numbers::uint(counts.0), disabled: numbers::uint(counts.1) })
        })
        .await
    }
}

fn card(db: &Connection, owner: AccountId) -> Result<Option<Card>, Failure> {
    Ok(db
        .prepare_cached(&format!("SELECT {PERSON}, xml, photo_hash FROM card WHERE owner = ?1"))?
        .query_row([owner.0], |row| {
            Ok(Card { person: person(row, 0)?, xml: row.get(6)?, photo_hash: row.get(7)? })
        })
        .optional()?)
}

fn put(db: &Connection, owner: AccountId, card: Option<&Card>) -> Result<(), Failure> {
    belongings::must_exist(db, owner)?;
    let Some(Card { xml, person, photo_hash }) = card else {
        db.prepare_cached("DELETE FROM card WHERE owner = ?1")?.execute([owner.0])?;
        return grams::index(db, owner);
    };
    db.prepare_cached(&format!(
        "INSERT OR REPLACE INTO card (owner, xml, photo_hash, {PERSON}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    ))?
    .execute(params![
        owner.0,
        xml,
        photo_hash,
        person.full_name,
        person.given_name,
        person.family_name,
        person.nickname,
        person.email,
        person.private,
    ])?;
    grams::index(db, owner)
}

/// What is looked for may stand anywhere in a name and in any case. The index proposes people: if few, each is looked at. If
/// many, accounts are looked at in their order, because so many are likely to hold enough soon; and if they do not, only those
/// that the index proposes, still in their order.
fn people(db: &Connection, query: &PeopleQuery) -> Result<Vec<Listed>, Failure> {
    match grams::proposed(db, &query.wanted, FEW + 1)? {
        None => scan(db, query, usize::MAX),
        Some(few) if few.len() <= FEW => each(db, query, few),
        Some(_) => {
            let found = scan(db, query, LOOKED_AT)?;
            if found.len() >= query.limit {
                return Ok(found);
            }
            let all = grams::proposed(db, &query.wanted, usize::MAX)?.unwrap_or_default();
            in_order(db, query, &all.into_iter().collect())
        }
    }
}

/// Looks at these accounts.
fn each(db: &Connection, query: &PeopleQuery, ids: Vec<AccountId>) -> Result<Vec<Listed>, Failure> {
    let mut found = Vec::new();
    for id in ids {
        found.extend(one(db, query, id)?.filter(|listed| match &query.place {
            PeoplePlace::After(place) => place.as_ref().is_none_or(|place| listed.jid > *place),
            PeoplePlace::Before(place) => place.as_ref().is_none_or(|place| listed.jid < *place),
        }));
    }
    found.sort_unstable_by(|one, other| one.jid.cmp(&other.jid));
    match query.place {
        PeoplePlace::After(_) => found.truncate(query.limit),
        PeoplePlace::Before(_) => drop(found.drain(..found.len().saturating_sub(query.limit))),
    }
    Ok(found)
}

/// An account, if it is one of those looked for.
fn one(db: &Connection, query: &PeopleQuery, id: AccountId) -> Result<Option<Listed>, Failure> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {PERSON}, jid, name, owner FROM account LEFT JOIN card ON owner = account.id \
         WHERE id = ?1 AND domain = ?2 AND disabled = 0"
    ))?;
    let mut rows = statement.query(params![id.0, query.domain])?;
    let listed = rows.next()?.map(listed).transpose()?;
    Ok(listed.filter(|listed| query.finds(listed)))
}

/// Looks at those of the accounts of the domain, in their order, that are among these.
fn in_order(
    db: &Connection,
    query: &PeopleQuery,
    among: &HashSet<AccountId>,
) -> Result<Vec<Listed>, Failure> {
    let (bound, order, place) = direction(query);
    // The index by address answers this alone.
    let mut statement = db.prepare_cached(&format!(
        "SELECT id FROM account WHERE domain = ?1 AND (?2 IS NULL OR jid {bound} ?2) ORDER BY jid {order}"
    ))?;
    let mut rows = statement.query(params![query.domain, place])?;
    let mut found = Vec::new();
    while found.len() < query.limit
        && let Some(row) = rows.next()?
    {
        let id = AccountId(row.get(0)?);
        if among.contains(&id) {
            found.extend(one(db, query, id)?);
        }
    }
    if order == "DESC" {
        found.reverse();
    }
    Ok(found)
}

fn direction(query: &PeopleQuery) -> (&'static str, &'static str, Option<&str>) {
    match &query.place {
        PeoplePlace::After(place) => (">", "ASC", place.as_ref().map(Jid::bare_str)),
        PeoplePlace::Before(place) => ("<", "DESC", place.as_ref().map(Jid::bare_str)),
    }
}

/// Looks at the accounts of the domain one after the other until there are enough, or this many were looked at.
fn scan(db: &Connection, query: &PeopleQuery, most: usize) -> Result<Vec<Listed>, Failure> {
    let (bound, order, place) = direction(query);
    let mut statement = db.prepare_cached(&format!(
        "SELECT {PERSON}, jid, name, owner FROM account LEFT JOIN card ON owner = account.id \
         WHERE domain = ?1 AND disabled = 0 AND (?2 IS NULL OR jid {bound} ?2) ORDER BY jid {order}"
    ))?;
    let mut rows = statement.query(params![query.domain, place])?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    while found.len() < query.limit
        && looked_at < most
        && let Some(row) = rows.next()?
    {
        looked_at += 1;
        let listed = listed(row)?;
        if query.finds(&listed) {
            found.push(listed);
        }
    }
    if order == "DESC" {
        found.reverse();
    }
    Ok(found)
}

fn listed(row: &Row<'_>) -> Result<Listed, Failure> {
    Ok(Listed {
        jid: super::jid(row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?)?,
        name: row.get(7)?,
        person: row.get::<_, Option<i64>>(8)?.map(|_| person(row, 0)).transpose()?,
    })
}

pub(super) fn person(row: &Row<'_>, first: usize) -> rusqlite::Result<Person> {
    Ok(Person {
        full_name: row.get(first)?,
        given_name: row.get(first + 1)?,
        family_name: row.get(first + 2)?,
        nickname: row.get(first + 3)?,
        email: row.get(first + 4)?,
        private: row.get(first + 5)?,
    })
}
