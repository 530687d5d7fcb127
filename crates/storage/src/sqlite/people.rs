//! Cards in the database, and looking for people.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::people::card::{Card, Person};
use waxwing_chat::people::search::{PeoplePlace, PeopleQuery};
use waxwing_chat::people::store::{AccountCounts, Listed, PeopleStore};
use waxwing_chat::store::StoreResult;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::{Sqlite, belongings, numbers};

/// The columns of a person, as `person` reads them.
const PERSON: &str = "full_name, given_name, family_name, nickname, email, private";

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
        return Ok(());
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
    Ok(())
}

/// Looks at the accounts of the domain one after the other until there are enough: what is looked for may stand anywhere
/// in a name and in any case, which no index of SQLite finds.
fn people(db: &Connection, query: &PeopleQuery) -> Result<Vec<Listed>, Failure> {
    let (bound, order, place) = match &query.place {
        PeoplePlace::After(place) => (">", "ASC", place),
        PeoplePlace::Before(place) => ("<", "DESC", place),
    };
    let mut statement = db.prepare_cached(&format!(
        "SELECT {PERSON}, jid, name, owner FROM account LEFT JOIN card ON owner = account.id \
         WHERE domain = ?1 AND disabled = 0 AND (?2 IS NULL OR jid {bound} ?2) ORDER BY jid {order}"
    ))?;
    let mut rows = statement.query(params![query.domain, place.as_ref().map(Jid::bare_str)])?;
    let mut found = Vec::new();
    while found.len() < query.limit
        && let Some(row) = rows.next()?
    {
        let listed = Listed {
            jid: super::jid(row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?)?,
            name: row.get(7)?,
            person: row.get::<_, Option<i64>>(8)?.map(|_| person(row, 0)).transpose()?,
        };
        if query.finds(&listed) {
            found.push(listed);
        }
    }
    if order == "DESC" {
        found.reverse();
    }
    Ok(found)
}

fn person(row: &Row<'_>, first: usize) -> rusqlite::Result<Person> {
    Ok(Person {
        full_name: row.get(first)?,
        given_name: row.get(first + 1)?,
        family_name: row.get(first + 2)?,
        nickname: row.get(first + 3)?,
        email: row.get(first + 4)?,
        private: row.get(first + 5)?,
    })
}
