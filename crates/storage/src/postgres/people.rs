//! Cards in the database, and looking for people.

use async_trait::async_trait;
use tokio_postgres::Row;
use waxwing_chat::account::AccountId;
use waxwing_chat::people::card::{Card, Person};
use waxwing_chat::people::search::{PeoplePlace, PeopleQuery};
use waxwing_chat::people::store::{AccountCounts, Listed, PeopleStore};
use waxwing_chat::store::StoreResult;

use super::attempts::{reading, writing};
use super::errors::Failure;
use super::session::Session;
use super::{Postgres, accounts, numbers, statements};

/// The columns of a person, as `person` reads them.
const PERSON: &str = "full_name, given_name, family_name, nickname, email, private";

/// Accounts that are looked at in one question.
const LOOKED_AT: usize = 1000;

#[async_trait]
impl PeopleStore for Postgres {
    async fn card(&self, owner: AccountId) -> StoreResult<Option<Card>> {
        reading!(self, |db| card(db, owner).await)
    }

    async fn put_card(&self, owner: AccountId, card: Option<Card>) -> StoreResult<()> {
        writing!(self, |db| put(db, owner, card.as_ref()).await)
    }

    async fn photo_hash(&self, owner: AccountId) -> StoreResult<Option<String>> {
        reading!(self, |db| {
            let row = db.row("SELECT photo_hash FROM card WHERE owner = $1", &[&owner.0]).await?;
            row.map_or(Ok(None), |row| Ok(row.try_get(0)?))
        })
    }

    async fn people(&self, query: PeopleQuery) -> StoreResult<Vec<Listed>> {
        reading!(self, |db| people(db, &query).await)
    }

    async fn account_counts(&self, domain: Option<&str>) -> StoreResult<AccountCounts> {
        reading!(self, |db| {
            let sql = "SELECT count(*), count(*) FILTER (WHERE disabled) FROM account \
                 WHERE $1::text IS NULL OR domain = $1";
            let row = db.only_row(sql, &[&domain]).await?;
            let (registered, disabled) = (numbers::uint(row.try_get(0)?), numbers::uint(row.try_get(1)?));
            Ok(AccountCounts { registered, disabled })
        })
    }
}

async fn card(db: &Session, owner: AccountId) -> Result<Option<Card>, Failure> {
    let row =
        db.row(&format!("SELECT {PERSON}, xml, photo_hash FROM card WHERE owner = $1"), &[&owner.0]).await?;
    row.map(|row| Ok(Card { person: person(&row)?, xml: row.try_get(6)?, photo_hash: row.try_get(7)? }))
        .transpose()
}

async fn put(db: &Session, owner: AccountId, card: Option<&Card>) -> Result<(), Failure> {
    accounts::must_exist(db, owner).await?;
    let Some(Card { xml, person, photo_hash }) = card else {
        return db.execute("DELETE FROM card WHERE owner = $1", &[&owner.0]).await.map(drop);
    };
    let sql = statements::put("card", "owner", &format!("xml, photo_hash, {PERSON}"));
    let values: super::session::Values<'_> = &[
        &owner.0,
        xml,
        photo_hash,
        &person.full_name,
        &person.given_name,
        &person.family_name,
        &person.nickname,
        &person.email,
        &person.private,
    ];
    db.execute(&sql, values).await.map(drop)
}

/// Looks at the accounts of the domain one after the other until there are enough: what is looked for may stand anywhere
/// in a name and in any case, by rules that are the domain's.
async fn people(db: &Session, query: &PeopleQuery) -> Result<Vec<Listed>, Failure> {
    let (bound, order, place) = match &query.place {
        PeoplePlace::After(place) => (">", "ASC", place),
        PeoplePlace::Before(place) => ("<", "DESC", place),
    };
    let sql = format!(
        "SELECT {PERSON}, jid, account.name, owner FROM account LEFT JOIN card ON owner = account.id \
         WHERE domain = $1 AND NOT disabled AND ($2::text IS NULL OR jid {bound} $2) ORDER BY jid {order} LIMIT $3"
    );
    let mut place: Option<String> = place.as_ref().map(|jid| jid.bare_str().to_owned());
    let mut found = Vec::new();
    loop {
        let rows = db.rows(&sql, &[&query.domain, &place, &numbers::limit(LOOKED_AT)]).await?;
        for row in &rows {
            let listed = listed(row)?;
            if found.len() < query.limit && query.finds(&listed) {
                found.push(listed);
            }
        }
        match rows.last() {
            Some(last) if rows.len() == LOOKED_AT && found.len() < query.limit => {
                place = Some(last.try_get(6)?);
            }
            _ => break,
        }
    }
    if order == "DESC" {
        found.reverse();
    }
    Ok(found)
}

fn listed(row: &Row) -> Result<Listed, Failure> {
    let has_card = row.try_get::<_, Option<i64>>(8)?.is_some();
    Ok(Listed {
        jid: super::jid(row.try_get(6)?)?,
        name: row.try_get(7)?,
        person: has_card.then(|| person(row)).transpose()?,
    })
}

fn person(row: &Row) -> Result<Person, Failure> {
    Ok(Person {
        full_name: row.try_get(0)?,
        given_name: row.try_get(1)?,
        family_name: row.try_get(2)?,
        nickname: row.try_get(3)?,
        email: row.try_get(4)?,
        private: row.try_get(5)?,
    })
}
