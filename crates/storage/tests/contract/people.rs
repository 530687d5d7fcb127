//! Contract: cards, looking for people, and counting accounts.

use super::*;
use waxwing_chat::account::AccountChange;
use waxwing_chat::people::Findable;
use waxwing_chat::people::card::{Card, Person};
use waxwing_chat::people::search::{PeoplePlace, PeopleQuery, Wanted};
use waxwing_chat::store::StoreError;

fn card(given_name: &str, private: bool) -> Card {
    let person = Person { given_name: given_name.to_owned(), private, ..Person::default() };
    let xml = format!("<vCard xmlns='vcard-temp'><N><GIVEN>{given_name}</GIVEN></N></vCard>");
    Card { xml, person, photo_hash: Some("00ff".to_owned()) }
}

pub(crate) async fn keeps_cards(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await;
    assert_eq!(store.card(owner.id).await.unwrap(), None);
    store.put_card(owner.id, Some(card("Julia", true))).await.unwrap();
    store.put_card(owner.id, Some(card("Juliet", false))).await.unwrap();
    assert_eq!(store.card(owner.id).await.unwrap(), Some(card("Juliet", false)));
    assert_eq!(store.photo_hash(owner.id).await.unwrap().as_deref(), Some("00ff"));
    store.put_card(owner.id, None).await.unwrap();
    assert_eq!(store.card(owner.id).await.unwrap(), None);
    assert_eq!(store.photo_hash(owner.id).await.unwrap(), None);
    store.put_card(owner.id, Some(card("Juliet", false))).await.unwrap();
    store.delete_account(owner.id).await.unwrap();
    assert_eq!(store.card(owner.id).await.unwrap(), None);
    let gone = store.put_card(owner.id, Some(card("Juliet", false))).await;
    assert!(matches!(gone, Err(StoreError::NotFound)));
}

pub(crate) async fn finds_people(store: Arc<dyn Store>) {
    for (address, given_name, private) in [
        ("a@b.example", Some("Ärla"), false),
        ("b@b.example", Some("Arla"), true),
        ("c@b.example", None, false),
        ("d@b.example", Some("Starling"), false),
        ("e@b.example", Some("Darling"), false),
        ("a@c.example", Some("Arling"), false),
    ] {
        let owner = account(&store, address).await.id;
        if let Some(given_name) = given_name {
            store.put_card(owner, Some(card(given_name, private))).await.unwrap();
        }
        if address == "e@b.example" {
            store.change_account(owner, AccountChange::Disabled(true)).await.unwrap();
        }
    }
    let find = async |wanted: Wanted, place: PeoplePlace, findable, limit| {
        let query = PeopleQuery { domain: "b.example".to_owned(), findable, wanted, place, limit };
        let found = store.people(query).await.unwrap();
        found.iter().map(|listed| listed.jid.local().unwrap().to_owned()).collect::<String>()
    };
    let start = PeoplePlace::After(None);
    let given = |word: &str| Wanted { given_name: word.to_owned(), ..Wanted::default() };
    let any = || Wanted::default();
    assert_eq!(find(given("rl"), start.clone(), Findable::Everyone, 9).await, "ad");
    assert_eq!(find(given("ärl"), start.clone(), Findable::Everyone, 9).await, "a");
    assert_eq!(find(any(), start.clone(), Findable::Everyone, 9).await, "acd");
    assert_eq!(find(any(), start.clone(), Findable::WithCard, 9).await, "ad");
    assert_eq!(find(any(), start, Findable::Everyone, 2).await, "ac");
    let after = PeoplePlace::After(Some(jid("a@b.example")));
    assert_eq!(find(any(), after, Findable::Everyone, 9).await, "cd");
    assert_eq!(find(any(), PeoplePlace::Before(None), Findable::Everyone, 2).await, "cd");
    let before = PeoplePlace::Before(Some(jid("c@b.example")));
    assert_eq!(find(any(), before, Findable::Everyone, 2).await, "a");
}

/// Any part of a name finds, however short, and what changed is found as it is now.
pub(crate) async fn finds_parts_of_names(store: Arc<dyn Store>) {
    for number in 0..60 {
        let owner = account(&store, &format!("member{number:02}@b.example")).await.id;
        store.put_card(owner, Some(card("Robin", false))).await.unwrap();
    }
    let wang = account(&store, "wang@b.example").await.id;
    store.change_account(wang, AccountChange::Name(Some("王小明".to_owned()))).await.unwrap();
    let find = async |word: &str, place: PeoplePlace, limit| {
        let wanted = Wanted { any_name: word.to_owned(), ..Wanted::default() };
        let findable = Findable::Everyone;
        let query = PeopleQuery { domain: "b.example".to_owned(), findable, wanted, place, limit };
        let found = store.people(query).await.unwrap();
        found.iter().map(|listed| listed.jid.local().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let start = || PeoplePlace::After(None);
    for word in ["王", "小明", "王小明", "wang", "an", "g"] {
        assert_eq!(find(word, start(), 9).await, ["wang"], "{word}");
    }
    for word in ["王明", "小王", "wong", "robins"] {
        assert!(find(word, start(), 9).await.is_empty(), "{word}");
    }
    assert_eq!(find("obi", start(), 2).await, ["member00", "member01"]);
    assert_eq!(find("in", PeoplePlace::Before(None), 2).await, ["member58", "member59"]);
    let behind = PeoplePlace::After(Some(jid("member57@b.example")));
    assert_eq!(find("robin", behind, 9).await, ["member58", "member59"]);
    let before = PeoplePlace::Before(Some(jid("member02@b.example")));
    assert_eq!(find("robin", before, 9).await, ["member00", "member01"]);
    store.change_account(wang, AccountChange::Name(Some("Robina".to_owned()))).await.unwrap();
    assert!(find("小明", start(), 9).await.is_empty());
    assert_eq!(find("bina", start(), 9).await, ["wang"]);
    store.put_card(wang, Some(card("Starling", false))).await.unwrap();
    assert_eq!(find("tarl", start(), 9).await, ["wang"]);
    store.put_card(wang, None).await.unwrap();
    assert!(find("tarl", start(), 9).await.is_empty());
    store.delete_account(wang).await.unwrap();
    assert!(find("bina", start(), 9).await.is_empty());
}

pub(crate) async fn counts_accounts(store: Arc<dyn Store>) {
    for address in ["a@b.example", "b@b.example", "c@c.example"] {
        account(&store, address).await;
    }
    let owner = store.account(&jid("a@b.example")).await.unwrap().unwrap().id;
    store.change_account(owner, AccountChange::Disabled(true)).await.unwrap();
    for (domain, registered, disabled) in
        [(None, 3, 1), (Some("b.example"), 2, 1), (Some("c.example"), 1, 0), (Some("d.example"), 0, 0)]
    {
        let counts = store.account_counts(domain).await.unwrap();
        assert_eq!((counts.registered, counts.disabled), (registered, disabled), "{domain:?}");
    }
}
