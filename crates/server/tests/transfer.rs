//! Accounts leave through an export and come back through an import, unchanged (XEP-0227); other servers' files come in too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use waxwing_chat::Chat;
use waxwing_chat::account::{Account, AccountChange, NewAccount, Role};
use waxwing_chat::archive::{ArchiveId, Direction, ImportedMessage};
use waxwing_chat::port::{SystemClock, SystemRandom};
use waxwing_chat::pubsub::Place;
use waxwing_chat::pubsub::access::Affiliation;
use waxwing_chat::pubsub::publishing::NewItem;
use waxwing_chat::roster::{RosterItem, Subscription};
use waxwing_chat::rosters::Owner;
use waxwing_chat::settings::Settings;
use waxwing_chat::store::DocumentKind;
use waxwing_server::admin::transfer::export::export;
use waxwing_server::admin::transfer::import::{Imported, import};
use waxwing_storage::sqlite::{Options, Sqlite};
use waxwing_xmpp::jid::Jid;

/// A folder of its own for a test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("waxwing-transfer-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("made");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
        path
    }

    fn chat(&self) -> Arc<Chat> {
        let store = Sqlite::open(&self.0.join("waxwing.db"), Options::default()).expect("opened");
        let settings = Settings {
            domains: vec!["capulet.example".to_owned(), "montague.example".to_owned()],
            scram_iterations: 4096,
            ..Settings::default()
        };
        Chat::new(Arc::new(store), Arc::new(SystemClock), Arc::new(SystemRandom), settings)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn jid(text: &str) -> Jid {
    Jid::new(text).expect("valid")
}

async fn exported(chat: &Chat) -> String {
    let mut out = Vec::new();
    export(chat, &chat.settings().domains, true, &mut out).await.expect("exported");
    String::from_utf8(out).expect("UTF-8")
}

async fn imported(chat: &Chat, path: &Path) -> Imported {
    import(chat, path, "local").await.expect("imported")
}

async fn account(chat: &Chat, address: &str, role: Role) -> Account {
    let new = NewAccount {
        jid: jid(address),
        name: Some("Somebody <&'\">".to_owned()),
        role,
        verifiers: vec![
            "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
             wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
                .to_owned(),
        ],
        created_ms: 1_700_000_000_123,
    };
    chat.store().create_account(new).await.expect("created")
}

fn contact(address: &str, subscription: Subscription) -> RosterItem {
    RosterItem {
        jid: jid(address),
        name: Some("A & B".to_owned()),
        groups: vec!["Friends".to_owned(), "<Foes>".to_owned()],
        subscription,
        ask: subscription == Subscription::None,
        approved: subscription == Subscription::To,
        request: None,
        listed: true,
    }
}

fn message(id: u64, direction: Direction, waits: bool, body: &str) -> ImportedMessage {
    ImportedMessage {
        id: ArchiveId(id),
        peer: match direction {
            Direction::Incoming => jid("romeo@montague.example/orchard"),
            Direction::Outgoing => jid("juliet@capulet.example"),
        },
        direction,
        waits,
        xml: format!(
            "<message xmlns='jabber:client' from='romeo@montague.example/orchard' to='juliet@capulet.example' \
             type='chat'><body>{body}</body></message>"
        )
        .into_bytes(),
        text: Some(body.to_owned()), labels: Vec::new() }
}

/// Two accounts that have everything an account can have.
async fn furnish(chat: &Chat) {
    let store = chat.store();
    let juliet = account(chat, "juliet@capulet.example", Role::Administrator).await;
    let romeo = account(chat, "romeo@montague.example", Role::Member).await;
    for (address, subscription) in [
        ("romeo@montague.example", Subscription::Both),
        ("nurse@capulet.example", Subscription::To),
        ("paris@verona.example", Subscription::None),
    ] {
        store.put_roster_item(juliet.id, contact(address, subscription)).await.expect("kept");
    }
    let request = "<presence xmlns='jabber:client' from='mercutio@montague.example' to='juliet@capulet.example' \
                   type='subscribe'><status>Queen Mab</status></presence>";
    let stranger = RosterItem {
        name: None,
        groups: Vec::new(),
        ask: false,
        request: Some(request.as_bytes().to_vec()),
        listed: false,
        ..contact("mercutio@montague.example", Subscription::None)
    };
    store.put_roster_item(juliet.id, stranger).await.expect("kept");
    let private = "<exodus xmlns='exodus:prefs'><defaultnick>Juliet</defaultnick></exodus>";
    let put = store.put_document(juliet.id, DocumentKind::PrivateXml, "{exodus:prefs}exodus", Some(private));
    put.await.expect("kept");
    let preferences = "default roster\nalways romeo@montague.example\n";
    let put = store.put_document(juliet.id, DocumentKind::ArchivePreferences, "", Some(preferences));
    put.await.expect("kept");
    store.block(juliet.id, &[jid("tybalt@capulet.example"), jid("spam.example")]).await.expect("kept");
    publish(chat, &juliet).await;

    // The last message waits for Juliet; the first was sent by Romeo and is in both archives under one id.
    let hers = vec![
        message(1_700_000_001_000_001, Direction::Incoming, true, "By a name"),
        message(1_700_000_001_000_002, Direction::Incoming, true, "I know not how"),
        message(1_700_000_002_000_000, Direction::Incoming, true, "to tell thee who I am"),
    ];
    store.import_archive(juliet.id, hers).await.expect("kept");
    store.set_delivered(juliet.id, ArchiveId(1_700_000_001_000_002)).await.expect("kept");
    let his = vec![message(1_700_000_001_000_001, Direction::Outgoing, false, "By a name")];
    store.import_archive(romeo.id, his).await.expect("kept");
    for change in [
        AccountChange::Disabled(true),
        AccountChange::Expires(Some(1_900_000_000_000)),
        AccountChange::LastSeen { at_ms: 1_700_000_003_000, status: Some("Gone <hunting>".to_owned()) },
    ] {
        store.change_account(romeo.id, change).await.expect("changed");
    }
}

/// A node with more items than one piece of a file holds, somebody who is cast out, and somebody who has subscribed.
async fn publish(chat: &Chat, owner: &Account) {
    let owner = Owner::from(owner);
    let options = [("access_model", "open"), ("max_items", "max"), ("title", "Words <&'\"> of mine")];
    let options = options.map(|(var, value)| (format!("pubsub#{var}"), vec![value.to_owned()]));
    for number in 0..40 {
        let payload = format!("<word xmlns='urn:word'>{number} &lt;</word>");
        let item = NewItem { id: Some(format!("<{number}>")), payload: Some(payload.into()) };
        chat.pep_publish(&owner, "urn:word", item, &options).await.expect("published");
    }
    let place = Place::of(owner.clone());
    let outcast = vec![(jid("paris@verona.example"), Affiliation::Outcast)];
    chat.set_node_affiliations(&place, &owner.jid, "urn:word", outcast).await.expect("set");
    let romeo = jid("romeo@montague.example");
    chat.subscribe(&place, &romeo, "urn:word", &romeo, None).await.expect("subscribed");
}

#[tokio::test]
async fn an_export_imported_elsewhere_exports_the_same() {
    let (here, there) = (Folder::new(), Folder::new());
    let chat = here.chat();
    furnish(&chat).await;
    let before = exported(&chat).await;
    let file = here.write("export.xml", &before);

    let other = there.chat();
    let report = imported(&other, &file).await;
    assert_eq!((report.accounts, report.contacts, report.messages), (2, 4, 5), "{report:?}");
    assert!(report.skipped.is_empty() && report.ignored.is_empty(), "{report:?}");
    assert_eq!(exported(&other).await, before);

    let juliet = other.account(&jid("juliet@capulet.example")).await.expect("there");
    let waiting = other.store().waiting(juliet.id, juliet.delivered, 10).await.expect("read");
    assert_eq!(waiting.len(), 1, "what was delivered there is not delivered again");
    assert_eq!(other.store().status().await.expect("read").messages, 3, "a shared message is kept once");

    let again = imported(&other, &file).await;
    assert_eq!((again.accounts, again.skipped.len()), (0, 2), "{again:?}");
    assert_eq!(exported(&other).await, before);
}

/// XEP-0227 sections 4 and 5, as ejabberd and Prosody write: split into files, passwords in the clear, privacy lists,
/// things that have no place here, and prefixes declared far outside.
#[tokio::test]
async fn files_of_other_servers_come_in() {
    let folder = Folder::new();
    let main = folder.write(
        "all.xml",
        "<?xml version='1.0' encoding='UTF-8'?>\n<!-- dumped -->\n<server-data xmlns='urn:xmpp:pie:0' \
         xmlns:xi='http://www.w3.org/2001/XInclude'>\n  <xi:include href='capulet.example.xml'/>\n\
         <host jid='verona.example'><user name='paris' password='x'/></host></server-data>",
    );
    folder.write(
        "capulet.example.xml",
        "<?xml version='1.0' encoding='UTF-8'?><host xmlns='urn:xmpp:pie:0' \
         xmlns:xi='http://www.w3.org/2001/XInclude' jid='capulet.example'>\
         <xi:include href='capulet.example/juliet.xml'/><user name='nurse' password='an&amp;on'/></host>",
    );
    folder.write("capulet.example/juliet.xml", JULIET);
    let chat = folder.chat();
    let report = imported(&chat, &main).await;
    assert_eq!(report.accounts, 2, "{report:?}");
    assert_eq!(report.skipped, [("verona.example".to_owned(), "the domain is not served here".to_owned())]);
    assert!(report.ignored.contains_key("<privacy xmlns='jabber:iq:privacy'/>"), "{report:?}");

    let store = chat.store();
    let juliet = chat.account(&jid("juliet@capulet.example")).await.expect("there");
    assert_eq!(juliet.verifiers.len(), 1);
    assert!(juliet.verifiers[0].starts_with("SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$"), "{:?}", juliet.verifiers);
    let nurse = chat.account(&jid("nurse@capulet.example")).await.expect("there");
    assert!(!nurse.verifiers.is_empty(), "the password in the clear became verifiers");

    let card = store.card(juliet.id).await.expect("read").expect("a card");
    assert_eq!(card.person.full_name, "Juliet Capulet");
    let roster = store.roster(juliet.id).await.expect("read").items;
    let romeo = roster.iter().find(|item| item.jid.as_str() == "romeo@montague.example").expect("a contact");
    assert_eq!((romeo.subscription, romeo.groups.len()), (Subscription::Both, 1));
    assert!(romeo.request.is_some() && romeo.listed, "the request came before the item and was kept");
    assert_eq!(store.blocked(juliet.id).await.expect("read"), [jid("tybalt@capulet.example")]);
    let private = store.documents(juliet.id, DocumentKind::PrivateXml).await.expect("read");
    assert_eq!(private.len(), 1);
    assert!(private[0].1.contains("Juliet") && private[0].1.contains("urn:example:pref"), "{private:?}");
    let waiting = store.waiting(juliet.id, juliet.delivered, 10).await.expect("read");
    assert_eq!(waiting.len(), 1);
    let xml = String::from_utf8_lossy(&waiting[0].xml).into_owned();
    assert!(xml.contains("Neither, fair saint") && !xml.contains("urn:xmpp:delay"), "{xml}");
    assert_eq!(waiting[0].id.stamp_ms(), 1_278_803_365_000);
}

const JULIET: &str = "<user xmlns='urn:xmpp:pie:0' xmlns:p='urn:example:pref' name='juliet'>\
    <presence xmlns='jabber:client' type='subscribe' from='romeo@montague.example'/>\
    <scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'>\
    <server-key>D+CSWLOshSulAsxiupA+qs2/fTE=</server-key><stored-key>6dlGYMOdZcOPutkcNY8U2g7vK9Y=</stored-key>\
    <iter-count>4096</iter-count><salt>QSXCR+Q6sek8bf92</salt></scram-credentials>\
    <query xmlns='jabber:iq:roster'><item jid='romeo@montague.example' name='Romeo' subscription='both'>\
    <group>Friends</group></item></query>\
    <query xmlns='jabber:iq:private'><p:prefs><p:nick><![CDATA[Juliet]]></p:nick></p:prefs></query>\
    <query xmlns='jabber:iq:privacy'><default name='public'/><list name='public'>\
    <item type='jid' value='tybalt@capulet.example' action='deny' order='1'/><item action='allow' order='2'/></list></query>\
    <vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard>\
    <privacy xmlns='jabber:iq:privacy'/><pubsub xmlns='http://jabber.org/protocol/pubsub'/>\
    <offline-messages><message xmlns='jabber:client' from='romeo@montague.example/orchard' \
    to='juliet@capulet.example/balcony' type='chat'><body>Neither, fair saint, if either thee dislike.</body>\
    <delay xmlns='urn:xmpp:delay' from='capulet.example' stamp='2010-07-10T23:09:25Z'>Offline Storage</delay></message>\
    </offline-messages></user>";

/// XEP-0227 section 5 and its security considerations: only files beside or below the main one are read.
#[tokio::test]
async fn what_is_not_such_a_file_is_refused() {
    let folder = Folder::new();
    let chat = folder.chat();
    folder.write("loop.xml", "<include xmlns='http://www.w3.org/2001/XInclude' href='loop.xml'/>");
    let include = |href: &str| {
        format!(
            "<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'>\
             <xi:include href='{href}'/></server-data>"
        )
    };
    for (text, why) in [
        (String::new(), "no <server-data/>"),
        ("<html/>".to_owned(), "<html/>"),
        ("<server-data xmlns='urn:xmpp:pie:0'><host jid='capulet.example'>".to_owned(), "too early"),
        ("<!DOCTYPE a><server-data xmlns='urn:xmpp:pie:0'/>".to_owned(), "document type"),
        (include("../secret.xml"), "beside or below"),
        (include("/etc/passwd"), "relative"),
        (include("file:///etc/passwd"), "relative"),
        (include("%2e%2e/secret.xml"), "beside or below"),
        (include("loop.xml"), "include each other"),
    ] {
        let file = folder.write("self.xml", &text);
        let error = import(&chat, &file, "local").await.expect_err("refused").to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[tokio::test]
async fn an_import_that_stops_leaves_no_half_account() {
    let folder = Folder::new();
    let chat = folder.chat();
    let file = folder.write(
        "cut.xml",
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='capulet.example'><user name='nurse' password='anon'/>\
         <user name='juliet'><query xmlns='jabber:iq:roster'><item jid='romeo@montague.example'/>",
    );
    assert!(import(&chat, &file, "local").await.is_err());
    assert!(chat.account(&jid("nurse@capulet.example")).await.is_ok(), "what was complete stays");
    assert!(chat.account(&jid("juliet@capulet.example")).await.is_err());
}
