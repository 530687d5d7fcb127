//! Contract: rooms, who is what to them, and their archives.

use super::*;
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::configuration::Configuration;
use waxwing_chat::rooms::store::{Affiliate, Belonging, RoomChange, RoomFilter, RoomId, RoomRecord, Subject};
use waxwing_chat::store::{DocumentKind, StoreError};

const SERVICE: &str = "rooms.capulet.example";

pub(crate) fn affiliate(address: &str, affiliation: Affiliation) -> Affiliate {
    Affiliate { jid: jid(address), affiliation, nick: None, reason: None, seen: ArchiveId(0) }
}

fn record(name: &str) -> RoomRecord {
    RoomRecord {
        id: RoomId(0),
        jid: jid(&format!("{name}@{SERVICE}")),
        creator: jid("juliet@capulet.example"),
        created_ms: 5,
        locked: true,
        configuration: Configuration::default(),
        subject: None,
        secret: vec![7; 32],
    }
}

pub(crate) async fn make(store: &Arc<dyn Store>, name: &str) -> RoomRecord {
    let owner = affiliate("juliet@capulet.example", Affiliation::Owner);
    let id = store.create_room(record(name), owner).await.unwrap();
    RoomRecord { id, ..record(name) }
}

pub(crate) async fn keeps_rooms(store: Arc<dyn Store>) {
    let mut room = make(&store, "orchard").await;
    let owner = affiliate("paris@x.example", Affiliation::Owner);
    let taken = store.create_room(record("orchard"), owner).await;
    assert!(matches!(taken, Err(StoreError::Conflict)));
    assert_eq!(store.room(&room.jid).await.unwrap(), Some(room.clone()));
    room.configuration.persistent = true;
    room.locked = false;
    store.change_room(room.id, RoomChange::Configuration(room.configuration.clone()), None).await.unwrap();
    let subject = Subject { xml: b"<message/>".to_vec(), at_ms: 9 };
    store.change_room(room.id, RoomChange::Subject(subject.clone()), None).await.unwrap();
    room.subject = Some(subject);
    assert_eq!(store.room(&room.jid).await.unwrap(), Some(room));
    assert_eq!(store.rooms_created_by(&jid("juliet@capulet.example")).await.unwrap(), 1);
    assert_eq!(store.rooms_created_by(&jid("paris@x.example")).await.unwrap(), 0);
}

pub(crate) async fn lists_rooms(store: Arc<dyn Store>) {
    let orchard = make(&store, "orchard").await;
    let tomb = make(&store, "tomb").await;
    let names = async |filter, after: Option<&Jid>| {
        let list = store.rooms(filter, after, 10).await.unwrap();
        list.iter().map(|room| room.jid.local().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(RoomFilter::Public(SERVICE.to_owned()), None).await, [""; 0], "they are locked");
    let kept = Configuration { persistent: true, ..Configuration::default() };
    store.change_room(orchard.id, RoomChange::Configuration(kept.clone()), None).await.unwrap();
    let archived = Configuration { archived: true, ..kept.clone() };
    store.change_room(orchard.id, RoomChange::Configuration(archived), None).await.unwrap();
    assert_eq!(
        names(RoomFilter::Public(SERVICE.to_owned()), None).await,
        [""; 0],
        "nobody finds one that is archived"
    );
    store.change_room(orchard.id, RoomChange::Configuration(kept.clone()), None).await.unwrap();
    let hidden = Configuration { public: false, ..kept };
    store.change_room(tomb.id, RoomChange::Configuration(hidden), None).await.unwrap();
    make(&store, "street").await;
    assert_eq!(names(RoomFilter::All, None).await, ["orchard", "street", "tomb"]);
    assert_eq!(names(RoomFilter::All, Some(&orchard.jid)).await, ["street", "tomb"]);
    assert_eq!(names(RoomFilter::Public(SERVICE.to_owned()), None).await, ["orchard"]);
    assert_eq!(names(RoomFilter::Public("rooms.x.example".to_owned()), None).await, [""; 0]);
    assert_eq!(names(RoomFilter::Passing, None).await, ["street"]);
    assert_eq!(names(RoomFilter::Of(jid("juliet@capulet.example")), None).await.len(), 3);
    assert_eq!(names(RoomFilter::Of(jid("paris@x.example")), None).await, [""; 0]);
}

pub(crate) async fn keeps_affiliates(store: Arc<dyn Store>) {
    let room = make(&store, "orchard").await;
    let mut nurse = affiliate("nurse@capulet.example", Affiliation::Member);
    (nurse.nick, nurse.reason) = (Some("Nurse".to_owned()), Some("old".to_owned()));
    let paris = affiliate("x.example", Affiliation::Outcast);
    store.change_room(room.id, RoomChange::Affiliates(vec![nurse.clone(), paris]), None).await.unwrap();
    store.set_seen(room.id, &nurse.jid, ArchiveId(7)).await.unwrap();
    store.set_seen(room.id, &nurse.jid, ArchiveId(3)).await.unwrap();
    nurse.seen = ArchiveId(7);
    let list = store.affiliates(room.id).await.unwrap();
    assert!(list.len() == 3 && list.contains(&nurse));
    // Another word on her leaves what she has seen as it is.
    let again = Affiliate { affiliation: Affiliation::Admin, seen: ArchiveId(1), ..nurse.clone() };
    store.change_room(room.id, RoomChange::Affiliates(vec![again.clone()]), None).await.unwrap();
    let kept = Affiliate { seen: ArchiveId(7), ..again };
    assert!(store.affiliates(room.id).await.unwrap().contains(&kept));
    let own = |affiliation, nick: &Option<String>, seen| Belonging {
        id: room.id,
        room: room.jid.clone(),
        affiliation,
        nick: nick.clone(),
        seen: ArchiveId(seen),
    };
    let nurses = store.affiliations_of(&nurse.jid).await.unwrap();
    assert_eq!(nurses, [own(Affiliation::Admin, &nurse.nick, 7)]);
    let domain = store.affiliations_of(&Jid::new("x.example").unwrap()).await.unwrap();
    assert_eq!(domain, [own(Affiliation::Outcast, &None, 0)]);
    assert_eq!(store.room_of(room.id).await.unwrap().map(|found| found.jid), Some(room.jid.clone()));
    assert!(store.room_of(RoomId(99)).await.unwrap().is_none());
    nurse.affiliation = Affiliation::None;
    store.change_room(room.id, RoomChange::Affiliates(vec![nurse]), None).await.unwrap();
    assert_eq!(store.affiliates(room.id).await.unwrap().len(), 2);
    let gone = store
        .change_room(
            RoomId(99),
            RoomChange::Affiliates(vec![affiliate("a@x.example", Affiliation::Member)]),
            None,
        )
        .await;
    assert!(matches!(gone, Err(StoreError::NotFound)));
}

fn said(room: &RoomRecord) -> Append {
    Append {
        copies: vec![ArchiveCopy {
            owner: room.id.archive(),
            peer: jid("romeo@montague.example/orchard"),
            direction: Direction::Incoming,
            kept: true,
            waits: false,
        }],
        dedupe: None,
        xml: b"<secret/>".to_vec(),
        text: Some("secret".to_owned()),
        labels: Vec::new(),
        fence: None,
    }
}

pub(crate) async fn replaces_what_is_archived(store: Arc<dyn Store>) {
    let (room, other) = (make(&store, "orchard").await, make(&store, "tomb").await);
    let id = append(&store, said(&room)).await;
    let foreign = store.replace_archived(other.id.archive(), id, b"<x/>".to_vec()).await;
    assert!(matches!(foreign, Err(StoreError::NotFound)));
    store.replace_archived(room.id.archive(), id, b"<gone/>".to_vec()).await.unwrap();
    let page = store.archive_page(query(room.id.archive())).await.unwrap();
    assert_eq!(page.items[0].xml, b"<gone/>");
    let search = ArchiveQuery { text: Some("secret".to_owned()), ..query(room.id.archive()) };
    assert!(store.archive_page(search).await.unwrap().items.is_empty());
}

pub(crate) async fn ends_with_its_archive(store: Arc<dyn Store>) {
    let (room, other) = (make(&store, "orchard").await, make(&store, "tomb").await);
    append(&store, said(&room)).await;
    append(&store, said(&other)).await;
    let (archive, kind) = (room.id.archive(), DocumentKind::Room);
    store.put_document(archive, kind, "hats", Some("urn:hats")).await.unwrap();
    assert_eq!(store.document(archive, kind, "hats").await.unwrap().as_deref(), Some("urn:hats"));
    assert_eq!(store.documents(other.id.archive(), kind).await.unwrap(), []);
    store.delete_room(room.id, None).await.unwrap();
    assert_eq!(store.documents(archive, kind).await.unwrap(), []);
    let late = store.put_document(archive, kind, "hats", Some("urn:hats")).await;
    assert!(matches!(late, Err(StoreError::NotFound)));
    assert_eq!(store.room(&room.jid).await.unwrap(), None);
    assert!(store.affiliates(room.id).await.unwrap().is_empty());
    assert!(store.archive_page(query(room.id.archive())).await.unwrap().items.is_empty());
    assert_eq!(store.archive_page(query(other.id.archive())).await.unwrap().items.len(), 1);
    assert!(matches!(store.delete_room(room.id, None).await, Err(StoreError::NotFound)));
    assert_ne!(make(&store, "orchard").await.id, room.id, "its id is never used again");
}
