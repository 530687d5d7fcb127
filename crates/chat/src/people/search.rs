//! Looking for people (XEP-0055): who may look where, and who is found.

use waxwing_xmpp::jid::Jid;

use super::card::Person;
use super::store::Listed;
use super::{Findable, Scope};
use crate::chat::Chat;
use crate::error::{Error, Result};

/// Bytes of one word that is looked for.
pub const WORD_BYTES_LIMIT: usize = 256;

/// What is looked for: each part that is not empty has to be found somewhere in the same part of a person, whatever its case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// In the given name.
    pub given_name: String,
    /// In the family name.
    pub family_name: String,
    /// In the nickname.
    pub nickname: String,
    /// In the address of electronic mail.
    pub email: String,
    /// In any name he goes by, or the local part of his address.
    pub any_name: String,
}

impl Wanted {
    fn parts(&mut self) -> [&mut String; 5] {
        let Self { given_name, family_name, nickname, email, any_name } = self;
        [given_name, family_name, nickname, email, any_name]
    }
}

/// Where a page of people lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeoplePlace {
    /// Behind this address; at the beginning without one.
    After(Option<Jid>),
    /// Before this address; at the end without one.
    Before(Option<Jid>),
}

/// A question to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleQuery {
    /// Whose accounts.
    pub domain: String,
    /// Who is found.
    pub findable: Findable,
    /// What is looked for, in lower case.
    pub wanted: Wanted,
    /// Where the page lies.
    pub place: PeoplePlace,
    /// How many people at most.
    pub limit: usize,
}

impl PeopleQuery {
    /// Whether somebody is found.
    pub fn finds(&self, listed: &Listed) -> bool {
        let filled_in = listed.person.as_ref().is_some_and(|person| *person != Person::default());
        let private = listed.person.as_ref().is_some_and(|person| person.private);
        if private || (self.findable == Findable::WithCard && !filled_in) {
            return false;
        }
        let holds = |text: &str, wanted: &str| wanted.is_empty() || text.to_lowercase().contains(wanted);
        let name = listed.name.as_deref().unwrap_or_default();
        let Wanted { given_name, family_name, nickname, email, any_name } = &self.wanted;
        let Some(person) = &listed.person else {
            // What the account is called says nothing about its parts.
            let parts = [given_name, family_name, nickname, email];
            let local = listed.jid.local().unwrap_or_default();
            return parts.iter().all(|part| part.is_empty())
                && (holds(name, any_name) || holds(local, any_name));
        };
        let whole = format!("{} {}", person.given_name, person.family_name);
        let local = listed.jid.local().unwrap_or_default();
        holds(&person.given_name, given_name)
            && holds(&person.family_name, family_name)
            && holds(&person.nickname, nickname)
            && holds(&person.email, email)
            && [name, &person.full_name, &person.nickname, &whole, local]
                .iter()
                .any(|text| holds(text, any_name))
    }
}

/// A page of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeoplePage {
    /// In the order of their addresses.
    pub people: Vec<Listed>,
    /// Nobody lies beyond it in the direction that was asked.
    pub complete: bool,
}

impl Chat {
    /// A page of the people of one of our domains, for a client of this server (XEP-0055 section 2.1). Whoever blocks the
    /// one who looks is not found.
    ///
    /// # Errors
    /// `ServiceUnavailable` where searching is off, `Forbidden` for strangers and for other domains, `NotAcceptable` when
    /// nothing is looked for, or too much.
    pub async fn find_people(
        &self,
        viewer: &Jid,
        domain: &str,
        mut wanted: Wanted,
        place: PeoplePlace,
        limit: Option<usize>,
    ) -> Result<PeoplePage> {
        self.may_search(viewer, domain)?;
        for part in wanted.parts() {
            if part.len() > WORD_BYTES_LIMIT {
                return Err(Error::NotAcceptable("what is looked for is too long"));
            }
            *part = part.trim().to_lowercase();
        }
        if wanted == Wanted::default() {
            return Err(Error::NotAcceptable("nothing is looked for"));
        }
        self.list_people(viewer, domain, wanted, place, limit).await
    }

    /// The same, and everybody where nothing is looked for. What is looked for is in lower case.
    pub async fn list_people(
        &self,
        viewer: &Jid,
        domain: &str,
        wanted: Wanted,
        place: PeoplePlace,
        limit: Option<usize>,
    ) -> Result<PeoplePage> {
        self.may_search(viewer, domain)?;
        let settings = &self.settings().people;
        let limit = limit.unwrap_or(settings.page_limit).min(settings.page_limit);
        let backwards = matches!(place, PeoplePlace::Before(_));
        let findable = settings.findable;
        let query = PeopleQuery { domain: domain.to_owned(), findable, wanted, place, limit: limit + 1 };
        let mut people = self.store.people(query).await?;
        let complete = people.len() <= limit;
        if !complete {
            let surplus = people.len() - limit;
            if backwards { drop(people.drain(..surplus)) } else { people.truncate(limit) }
        }
        let mut found = Vec::with_capacity(people.len());
        for person in people {
            let profile = self.profile(&person.jid).await?;
            if profile.is_some_and(|profile| !profile.blocks(viewer)) {
                found.push(person);
            }
        }
        Ok(PeoplePage { people: found, complete })
    }

    /// Whether somebody may look for people of this domain.
    pub fn may_search(&self, viewer: &Jid, domain: &str) -> Result<()> {
        match self.settings().people.scope {
            Scope::Off => Err(Error::ServiceUnavailable),
            Scope::Domain if viewer.domain() == domain => Ok(()),
            Scope::Installation if self.is_local(viewer.domain()) => Ok(()),
            _ => Err(Error::Forbidden),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};
    use waxwing_xmpp::xml::Element;

    async fn world() -> World {
        let world = World::of(&["romeo", "juliet", "tybalt", "nurse"]).await;
        for (name, given, private) in [("juliet", "Júlia", false), ("tybalt", "Tybalt", true)] {
            let person = Person {
                given_name: given.to_owned(),
                family_name: "Capulet".to_owned(),
                full_name: format!("{given} Capulet"),
                nickname: "cat".to_owned(),
                email: format!("{name}@mail.example"),
                private: false,
            };
            let mut vcard = person.to_vcard();
            if private {
                vcard.append(Element::parse("<CLASS xmlns='vcard-temp'><PRIVATE/></CLASS>").unwrap());
            }
            world.chat.set_card(&world.owner(name).await, vcard.root()).await.unwrap();
        }
        world
    }

    async fn found(world: &World, wanted: Wanted, place: PeoplePlace, limit: usize) -> (Vec<String>, bool) {
        let viewer = jid("romeo/orchard");
        let page = world.chat.find_people(&viewer, "localhost", wanted, place, Some(limit)).await.unwrap();
        let names = page.people.iter().map(|person| person.jid.local().unwrap().to_owned()).collect();
        (names, page.complete)
    }

    const START: PeoplePlace = PeoplePlace::After(None);

    #[tokio::test]
    async fn each_part_is_looked_for_whatever_its_case() {
        let world = world().await;
        let by = |set: fn(&mut Wanted, String), word: &str| {
            let mut wanted = Wanted::default();
            set(&mut wanted, word.to_owned());
            wanted
        };
        for (wanted, names) in [
            (by(|w, word| w.given_name = word, "JÚL"), vec!["juliet"]),
            (by(|w, word| w.family_name = word, "capulet"), vec!["juliet"]),
            (by(|w, word| w.nickname = word, "dog"), vec![]),
            (by(|w, word| w.email = word, "mail.example"), vec!["juliet"]),
            (by(|w, word| w.any_name = word, "r"), vec!["nurse", "romeo"]),
            (by(|w, word| w.any_name = word, "júlia cap"), vec!["juliet"]),
        ] {
            assert_eq!(
                found(&world, wanted.clone(), START, 10).await,
                (names.iter().map(|n| (*n).to_owned()).collect(), true),
                "{wanted:?}"
            );
        }
    }

    #[tokio::test]
    async fn pages_go_both_ways() {
        let world = world().await;
        let wanted = Wanted { any_name: "e".to_owned(), ..Wanted::default() };
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let after = |name| PeoplePlace::After(Some(jid(name)));
        assert_eq!(found(&world, wanted.clone(), START, 2).await, (names(&["juliet", "nurse"]), false));
        assert_eq!(found(&world, wanted.clone(), after("nurse"), 2).await, (names(&["romeo"]), true));
        let last = PeoplePlace::Before(None);
        assert_eq!(found(&world, wanted.clone(), last, 2).await, (names(&["nurse", "romeo"]), false));
        let before = PeoplePlace::Before(Some(jid("nurse")));
        assert_eq!(found(&world, wanted, before, 2).await, (names(&["juliet"]), true));
    }

    #[tokio::test]
    async fn strangers_and_the_blocked_find_nobody() {
        let world = world().await;
        let wanted = Wanted { family_name: "capulet".to_owned(), ..Wanted::default() };
        let ask = async |viewer: &str, wanted: &Wanted| {
            let viewer = Jid::new(viewer).unwrap();
            world.chat.find_people(&viewer, "localhost", wanted.clone(), START, None).await
        };
        assert!(matches!(ask("x@elsewhere.example", &wanted).await, Err(Error::Forbidden)));
        let nothing = ask("romeo@localhost", &Wanted::default()).await;
        assert!(matches!(nothing, Err(Error::NotAcceptable(_))));
        world.chat.block(&world.owner("juliet").await, vec![jid("romeo")]).await.unwrap();
        assert!(ask("romeo@localhost", &wanted).await.unwrap().people.is_empty());
        assert_eq!(ask("nurse@localhost", &wanted).await.unwrap().people.len(), 1);
    }
}
