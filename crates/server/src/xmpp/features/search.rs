//! Search of people (XEP-0055): the directory of a domain, asked by the fields of the text or by a form.

use waxwing_chat::people::search::{PeoplePage, PeoplePlace, Wanted};
use waxwing_chat::people::store::Listed;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::data_forms::{Form, Submission};
use super::paging::{self, Place};
use super::{Feature, Handler, Reply, Request, Spec, Target};
use crate::xmpp::error::stanza_error;

/// XEP-0055. Service discovery tells of it where it is on (`disco.rs`).
pub const FEATURE: Feature = Feature {
    name: "search of people",
    summary: "Finds people of one's own domain by their names.",
    specs: &[Spec {
        name: "XEP-0055",
        version: "1.3",
        note: "Answers come in pages (XEP-0059). A field of our own looks in all names at once.",
    }],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::SEARCH,
            name: "query",
            targets: &[Target::Server],
            answer: |request| Box::pin(fields(request)),
        },
        Handler {
            kind: IqType::Set,
            namespace: ns::SEARCH,
            name: "query",
            targets: &[Target::Server],
            answer: |request| Box::pin(search(request)),
        },
    ],
    ..Feature::EMPTY
};

/// The fields of the text, and ours, which looks in all names (XEP-0068 section 3.4 has such names begin with `x-`).
const FIELDS: [(&str, &str); 4] =
    [("first", "Given Name"), ("last", "Family Name"), ("nick", "Nickname"), ("email", "Email Address")];
const ANY_NAME: (&str, &str) = ("x-name", "Any name");

const INSTRUCTIONS: &str = "Fill in one or more fields. A part of a name is enough.";

fn refused(error: &waxwing_chat::Error) -> StanzaError {
    stanza_error(error)
}

/// Section 2.1, and section 3 for the form.
async fn fields(request: Request<'_>) -> Reply {
    request.chat.may_search(request.from, request.to().domain()).map_err(|error| refused(&error))?;
    let mut query = Element::new(ns::SEARCH, "query")
        .with_child(Element::new(ns::SEARCH, "instructions").with_text(INSTRUCTIONS));
    for (name, _) in FIELDS {
        query.append(Element::new(ns::SEARCH, name));
    }
    let form = Form::asking(ns::SEARCH).titled("People", INSTRUCTIONS);
    let form = std::iter::once(ANY_NAME)
        .chain(FIELDS)
        .fold(form, |form, (var, label)| form.question(var, "text-single", label, false));
    Ok(query.with_child(form.into_element()).into())
}

async fn search(request: Request<'_>) -> Reply {
    let domain = request.to().domain().to_owned();
    let form = request.payload.child(ns::DATA_FORMS, "x");
    let wanted = match form {
        Some(form) => from_form(&Submission::read(form, ns::SEARCH)?),
        None => from_fields(request.payload),
    };
    let asked = request.payload.child(ns::RSM, "set").map(paging::read).transpose()?;
    let paged = asked.is_some();
    let asked = asked.unwrap_or_default();
    let place = place(asked.place)?;
    let found = request.chat.find_people(request.from, &domain, wanted, place, asked.max).await;
    let page = found.map_err(|error| refused(&error))?;
    let mut query = Element::new(ns::SEARCH, "query");
    match form {
        Some(_) => query.append(table(&page)),
        None => page.people.iter().for_each(|person| query.append(item(person))),
    }
    // Whoever does not know pages is told that there are more by the set that he does not read.
    if paged || !page.complete {
        let ends = page.people.first().zip(page.people.last());
        query.append(paging::answer(ends.map(|(first, last)| (first.jid.as_str(), last.jid.as_str()))));
    }
    Ok(query.into())
}

fn from_fields(query: ElementRef<'_>) -> Wanted {
    let text =
        |name| query.child(ns::SEARCH, name).map_or_else(String::new, |field| field.text().into_owned());
    Wanted {
        given_name: text("first"),
        family_name: text("last"),
        nickname: text("nick"),
        email: text("email"),
        any_name: String::new(),
    }
}

fn from_form(form: &Submission) -> Wanted {
    let text = |name| form.single(name).unwrap_or_default().to_owned();
    Wanted {
        given_name: text("first"),
        family_name: text("last"),
        nickname: text("nick"),
        email: text("email"),
        any_name: text(ANY_NAME.0),
    }
}

/// Items are told apart by their addresses. XEP-0059 section 2.4: one that is not there is not found.
fn place(place: Place) -> Result<PeoplePlace, StanzaError> {
    let address = |text: String| {
        let address = Jid::new(&text).map_err(|_| StanzaError::new(Condition::ItemNotFound))?;
        Ok(Some(address))
    };
    Ok(match place {
        Place::First => PeoplePlace::After(None),
        Place::After(text) => PeoplePlace::After(address(text)?),
        Place::Last => PeoplePlace::Before(None),
        Place::Before(text) => PeoplePlace::Before(address(text)?),
    })
}

/// What is told of somebody, in the order of the fields. Who has no card goes by the name of his account.
fn parts(person: &Listed) -> [String; 4] {
    match &person.person {
        Some(card) => [&card.given_name, &card.family_name, &card.nickname, &card.email].map(String::clone),
        None => [String::new(), String::new(), person.name.clone().unwrap_or_default(), String::new()],
    }
}

fn whole_name(person: &Listed) -> String {
    let card = person.person.as_ref();
    let full = card.map(|card| card.full_name.clone()).filter(|name| !name.is_empty());
    let whole = card.map(|card| format!("{} {}", card.given_name, card.family_name).trim().to_owned());
    full.or_else(|| person.name.clone()).or(whole).unwrap_or_default()
}

/// Section 2.1, the example "Receiving Search Results".
fn item(person: &Listed) -> Element {
    let item = Element::new(ns::SEARCH, "item").with_attr("jid", person.jid.as_str());
    FIELDS.iter().zip(parts(person)).fold(item, |item, ((name, _), text)| {
        item.with_child(Element::new(ns::SEARCH, name).with_text(&text))
    })
}

/// Section 3, the example "Service Returns Search Results".
fn table(page: &PeoplePage) -> Element {
    let mut columns = vec![("jid", "jid-single", "Jabber ID"), (ANY_NAME.0, "text-single", "Name")];
    columns.extend(FIELDS.iter().map(|(var, label)| (*var, "text-single", *label)));
    let row = |person: &Listed| {
        let mut row = vec![person.jid.to_string(), whole_name(person)];
        row.extend(parts(person));
        row
    };
    let rows: Vec<Vec<String>> = page.people.iter().map(row).collect();
    Form::result(ns::SEARCH).items(&columns, &rows).into_element()
}

#[cfg(test)]
mod tests {
    use super::super::testing::House;
    use super::*;

    async fn house() -> House {
        let house = House::of(&["romeo/orchard", "juliet/balcony", "tybalt/street"]).await;
        for (client, given) in [("juliet/balcony", "Juliet"), ("tybalt/street", "Tybalt")] {
            let card = format!(
                "<vCard xmlns='vcard-temp'><N><FAMILY>Capulet</FAMILY><GIVEN>{given}</GIVEN></N></vCard>"
            );
            house.ask(client, "set", "", &card).await.unwrap();
        }
        house
    }

    fn query(content: &str) -> String {
        format!("<query xmlns='jabber:iq:search'>{content}</query>")
    }

    /// Section 2.1.
    #[tokio::test]
    async fn people_are_found_by_the_fields_of_the_text() {
        let house = house().await;
        let asked = house.ask("romeo/orchard", "get", "localhost", &query("")).await.unwrap();
        let asked = Element::parse(&asked).unwrap();
        for name in ["instructions", "first", "last", "nick", "email"] {
            assert!(asked.child(ns::SEARCH, name).is_some(), "{name}");
        }
        assert!(asked.child(ns::DATA_FORMS, "x").is_some());
        let found = house.ask("romeo/orchard", "set", "localhost", &query("<last>capulet</last>")).await;
        let found = Element::parse(&found.unwrap()).unwrap();
        let expected = "<item xmlns='jabber:iq:search' jid='juliet@localhost'><first>Juliet</first><last>Capulet</last><nick/><email/></item>";
        assert_eq!(found.children().next().unwrap().to_element(), Element::parse(expected).unwrap());
        assert_eq!(found.children().count(), 2);
        let none = house.ask("romeo/orchard", "set", "localhost", &query("<last>montague</last>")).await;
        assert_eq!(Element::parse(&none.unwrap()).unwrap().children().count(), 0);
        let nothing = house.ask("romeo/orchard", "set", "localhost", &query("")).await;
        assert_eq!(nothing, Err("not-acceptable".to_owned()));
    }

    /// Section 3, and XEP-0059.
    #[tokio::test]
    async fn people_are_found_by_a_form_and_page_by_page() {
        let house = house().await;
        let form = "<x xmlns='jabber:x:data' type='submit'>\
            <field var='FORM_TYPE' type='hidden'><value>jabber:iq:search</value></field>\
            <field var='x-name'><value>capu</value></field></x>";
        let page = |place: &str| {
            query(&format!("{form}<set xmlns='http://jabber.org/protocol/rsm'><max>1</max>{place}</set>"))
        };
        let ask = async |place: &str| {
            let answer = house.ask("romeo/orchard", "set", "localhost", &page(place)).await.unwrap();
            let answer = Element::parse(&answer).unwrap();
            let set = answer.child(ns::RSM, "set").unwrap();
            set.child(ns::RSM, "last").map(|last| last.text().into_owned())
        };
        assert_eq!(ask("").await.as_deref(), Some("juliet@localhost"));
        assert_eq!(ask("<after>juliet@localhost</after>").await.as_deref(), Some("tybalt@localhost"));
        assert_eq!(ask("<after>tybalt@localhost</after>").await, None);
        assert_eq!(ask("<before/>").await.as_deref(), Some("tybalt@localhost"));
    }
}
