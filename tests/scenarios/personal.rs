//! What accounts keep at well-known nodes, and its older forms: XEP-0084, XEP-0398, XEP-0292, XEP-0384, XEP-0402, XEP-0048,
//! XEP-0049, XEP-0490, XEP-0492.

use waxwing_tests::Client;
use waxwing_tests::xml::Element;

use crate::world::world;

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const DATA: &str = "urn:xmpp:avatar:data";
const METADATA: &str = "urn:xmpp:avatar:metadata";
const VCARD4: &str = "urn:ietf:params:xml:ns:vcard-4.0";
const BOOKMARKS: &str = "urn:xmpp:bookmarks:1";
const STORAGE: &str = "storage:bookmarks";
const DISPLAYED: &str = "urn:xmpp:mds:displayed:0";
const MUC: &str = "http://jabber.org/protocol/muc";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// `abc`, whose SHA-1 is well known.
const PICTURE: &str = "YWJj";
const HASH: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

/// Publishes an item, with these options of the node.
async fn publish(
    client: &mut Client,
    node: &str,
    id: &str,
    payload: &str,
    options: &[(&str, &str)],
) -> Element {
    let field =
        |(var, value): &(&str, &str)| format!("<field var='pubsub#{var}'><value>{value}</value></field>");
    let fields: String = options.iter().map(field).collect();
    let options = match fields.is_empty() {
        true => String::new(),
        false => format!(
            "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
             <value>http://jabber.org/protocol/pubsub#publish-options</value></field>{fields}</x></publish-options>"
        ),
    };
    let id = if id.is_empty() { String::new() } else { format!(" id='{id}'") };
    let payload = format!(
        "<pubsub xmlns='{PUBSUB}'><publish node='{node}'><item{id}>{payload}</item></publish>{options}</pubsub>"
    );
    let answer = client.ask("set", None, &payload).await;
    assert_eq!(answer.attr("type"), Some("result"), "{node}: {answer}");
    answer
}

async fn retract(client: &mut Client, node: &str, id: &str) {
    let payload = format!(
        "<pubsub xmlns='{PUBSUB}'><retract node='{node}' notify='true'><item id='{id}'/></retract></pubsub>"
    );
    let answer = client.ask("set", None, &payload).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
}

/// The items of a node, each with its payload; `None` if they cannot be read.
async fn items(client: &mut Client, of: &str, node: &str) -> Option<Vec<(String, Element)>> {
    let answer = client
        .ask("get", Some(of), &format!("<pubsub xmlns='{PUBSUB}'><items node='{node}'/></pubsub>"))
        .await;
    let items = answer.find(PUBSUB, "items")?;
    let item = |item: &Element| {
        let payload = item.children().next().unwrap_or_else(|| panic!("no payload: {item}"));
        (item.attr("id").unwrap_or_default().to_owned(), payload.clone())
    };
    Some(items.children().map(item).collect())
}

async fn card(client: &mut Client, of: &str) -> Element {
    let answer = client.ask("get", Some(of), "<vCard xmlns='vcard-temp'/>").await;
    answer.find("vcard-temp", "vCard").cloned().unwrap_or_default()
}

fn text(element: &Element, namespace: &str, name: &str) -> Option<String> {
    element.find(namespace, name).map(Element::text)
}

/// The hash that somebody's presence shows to a contact.
fn shown(stanzas: &[Element]) -> Vec<String> {
    stanzas.iter().filter_map(|stanza| text(stanza, "vcard-temp:x:update", "photo")).collect()
}

fn data() -> String {
    format!("<data xmlns='{DATA}'>{PICTURE}</data>")
}

fn metadata() -> String {
    format!(
        "<metadata xmlns='{METADATA}'><info bytes='3' id='{HASH}' type='image/png' height='1' width='1'/></metadata>"
    )
}

/// covers: XEP-0398 2; XEP-0398 3.1; XEP-0398 4; XEP-0084 3.1; XEP-0084 3.2
#[tokio::test]
async fn a_published_picture_is_on_the_card() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    world.befriend(&mut juliet, &mut romeo).await;
    let info = juliet.ask("get", Some("juliet@localhost"), &format!("<query xmlns='{INFO}'/>")).await;
    let query = info.find(INFO, "query").unwrap();
    for var in
        ["urn:xmpp:pep-vcard-conversion:0", "urn:xmpp:bookmarks:1#compat", "urn:xmpp:mds:server-assist:0"]
    {
        assert!(query.children().any(|child| child.attr("var") == Some(var)), "{var}: {info}");
    }
    let open: &[(&str, &str)] = &[("access_model", "open")];
    publish(&mut juliet, DATA, HASH, &data(), open).await;
    publish(&mut juliet, METADATA, HASH, &metadata(), open).await;
    assert_eq!(
        text(&card(&mut romeo, "juliet@localhost").await, "vcard-temp", "BINVAL").as_deref(),
        Some(PICTURE)
    );
    assert_eq!(shown(&romeo.drain().await), [HASH]);
    // It is hidden for a while.
    publish(&mut juliet, METADATA, "none", &format!("<metadata xmlns='{METADATA}'/>"), &[]).await;
    assert_eq!(card(&mut romeo, "juliet@localhost").await.find("vcard-temp", "PHOTO"), None);
}

/// Section 5.1 of XEP-0398 has clients send their presence again for rooms to learn of another picture; here the server does it,
/// after either conversion.
/// covers: XEP-0398 3.1; XEP-0398 3.2; XEP-0398 5.1
#[tokio::test]
async fn rooms_learn_of_another_picture() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    for (client, nick) in [(&mut romeo, "romeo"), (&mut juliet, "jule")] {
        let enter = format!(
            "<presence to='hall@rooms.localhost/{nick}'><show>away</show><x xmlns='{MUC}'/></presence>"
        );
        client.send(&enter).await;
        client.settle().await;
        let open = format!("<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>");
        client.ask("set", Some("hall@rooms.localhost"), &open).await;
    }
    romeo.clear().await;
    let told = async |romeo: &mut Client, hash: &str| {
        romeo.settle().await;
        let stanzas = romeo.drain().await;
        assert_eq!(shown(&stanzas), [hash], "{stanzas:?}");
        // What she said in the room stays.
        assert_eq!(text(&stanzas[0], "jabber:client", "show").as_deref(), Some("away"));
    };
    // From the card.
    let photo = "<PHOTO><TYPE>image/png</TYPE><BINVAL>YWJk</BINVAL></PHOTO>";
    juliet.ask("set", None, &format!("<vCard xmlns='vcard-temp'>{photo}</vCard>")).await;
    told(&mut romeo, "cb4cc28df0fdbe0ecf9d9662e294b118092a5735").await;
    // From what is published.
    publish(&mut juliet, DATA, HASH, &data(), &[]).await;
    publish(&mut juliet, METADATA, HASH, &metadata(), &[]).await;
    told(&mut romeo, HASH).await;
    // There is none any more, and one again.
    publish(&mut juliet, METADATA, "none", &format!("<metadata xmlns='{METADATA}'/>"), &[]).await;
    told(&mut romeo, "").await;
    publish(&mut juliet, METADATA, HASH, &metadata(), &[]).await;
    told(&mut romeo, HASH).await;
}

/// Whoever may read the card may read the picture on it.
/// covers: XEP-0398 6
#[tokio::test]
async fn a_picture_for_contacts_is_not_shown_to_everybody() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    publish(&mut juliet, DATA, HASH, &data(), &[]).await;
    publish(&mut juliet, METADATA, HASH, &metadata(), &[]).await;
    assert_eq!(card(&mut romeo, "juliet@localhost").await.find("vcard-temp", "PHOTO"), None);
    assert_eq!(items(&mut romeo, "juliet@localhost", DATA).await, None);
}

/// A picture that was for everybody and is so no longer goes from the card.
/// covers: XEP-0398 6 closed
#[tokio::test]
async fn a_picture_that_is_closed_goes_from_the_card() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    let open: &[(&str, &str)] = &[("access_model", "open")];
    publish(&mut juliet, DATA, HASH, &data(), open).await;
    publish(&mut juliet, METADATA, HASH, &metadata(), open).await;
    assert!(card(&mut romeo, "juliet@localhost").await.find("vcard-temp", "PHOTO").is_some());
    let configure = format!(
        "<pubsub xmlns='{PUBSUB}#owner'><configure node='{DATA}'><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>\
         <field var='pubsub#access_model'><value>whitelist</value></field></x></configure></pubsub>"
    );
    let answer = juliet.ask("set", None, &configure).await;
    assert_eq!(answer.attr("type"), Some("result"), "{answer}");
    assert_eq!(card(&mut romeo, "juliet@localhost").await.find("vcard-temp", "PHOTO"), None);
}

/// covers: XEP-0398 3.2; XEP-0292 3.1; XEP-0292 7
#[tokio::test]
async fn a_card_is_published_in_every_format() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    let vcard = format!(
        "<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><N><FAMILY>Capulet</FAMILY><GIVEN>Juliet</GIVEN></N>\
         <PHOTO><TYPE>image/png</TYPE><BINVAL>{PICTURE}</BINVAL></PHOTO><CLASS><PRIVATE/></CLASS></vCard>"
    );
    juliet.ask("set", None, &vcard).await;
    let published = items(&mut romeo, "juliet@localhost", METADATA).await.expect("a picture");
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].0, HASH);
    let info = published[0].1.find(METADATA, "info").unwrap();
    assert_eq!(
        (info.attr("id"), info.attr("bytes"), info.attr("type")),
        (Some(HASH), Some("3"), Some("image/png"))
    );
    let picture = items(&mut romeo, "juliet@localhost", DATA).await.expect("a picture");
    assert_eq!(picture[0].1.text(), PICTURE);
    let four = items(&mut romeo, "juliet@localhost", "urn:xmpp:vcard4").await.expect("a card");
    assert_eq!(text(&four[0].1, VCARD4, "given").as_deref(), Some("Juliet"));
    // The other way round; the picture stays, and that the card is private.
    let changed = format!(
        "<vcard xmlns='{VCARD4}'><fn><text>Juliet Montague</text></fn><title><text>Wife</text></title></vcard>"
    );
    publish(&mut juliet, "urn:xmpp:vcard4", "current", &changed, &[]).await;
    let vcard = card(&mut romeo, "juliet@localhost").await;
    assert_eq!(text(&vcard, "vcard-temp", "FN").as_deref(), Some("Juliet Montague"));
    assert_eq!(text(&vcard, "vcard-temp", "TITLE").as_deref(), Some("Wife"));
    assert!(
        vcard.find("vcard-temp", "PRIVATE").is_some() && vcard.find("vcard-temp", "BINVAL").is_some(),
        "{vcard}"
    );
    let search = "<query xmlns='jabber:iq:search'><nick>x</nick></query>";
    romeo.ask("set", Some("localhost"), search).await;
}

async fn private(client: &mut Client) -> Element {
    let answer = client
        .ask("get", None, "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query>")
        .await;
    answer.find(STORAGE, "storage").cloned().unwrap_or_else(|| panic!("{answer}"))
}

fn rooms(storage: &Element) -> Vec<String> {
    let conference = storage.children().filter(|child| child.name == "conference");
    conference.filter_map(|child| child.attr("jid").map(str::to_owned)).collect()
}

const HALL: &str = "hall@rooms.localhost";
const ORCHARD: &str = "orchard@rooms.localhost";

/// covers: XEP-0402 3.2; XEP-0402 3.4; XEP-0402 4; XEP-0048 3; XEP-0492 3
#[tokio::test]
async fn bookmarks_are_the_same_everywhere() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    world.befriend(&mut juliet, &mut romeo).await;
    let notify =
        "<extensions><notify xmlns='urn:xmpp:notification-settings:1'><never/></notify></extensions>";
    let bookmark = format!(
        "<conference xmlns='{BOOKMARKS}' name='Hall' autojoin='true'><nick>JC</nick>{notify}</conference>"
    );
    publish(&mut juliet, BOOKMARKS, HALL, &bookmark, &[]).await;
    let list = private(&mut juliet).await;
    let conference = list.find(STORAGE, "conference").unwrap_or_else(|| panic!("{list}"));
    assert_eq!(
        (conference.attr("jid"), conference.attr("name"), conference.attr("autojoin")),
        (Some(HALL), Some("Hall"), Some("true"))
    );
    assert_eq!(text(conference, STORAGE, "nick").as_deref(), Some("JC"));
    let item = items(&mut juliet, "juliet@localhost", STORAGE).await.expect("the list in one item");
    assert_eq!(rooms(&item[0].1), [HALL]);
    // An older client writes the whole list, with a link that items have no place for.
    let written = format!(
        "<query xmlns='jabber:iq:private'><storage xmlns='{STORAGE}'><url name='Verona' url='https://verona.example/'/>\
         <conference jid='{HALL}' name='Great hall' autojoin='true'><nick>JC</nick></conference>\
         <conference jid='{ORCHARD}'/></storage></query>"
    );
    juliet.ask("set", None, &written).await;
    let all = items(&mut juliet, "juliet@localhost", BOOKMARKS).await.expect("bookmarks");
    assert_eq!(all.len(), 2);
    let (_, hall) = all.iter().find(|(id, _)| id == HALL).expect("the hall");
    assert_eq!(hall.attr("name"), Some("Great hall"));
    assert!(
        hall.find("urn:xmpp:notification-settings:1", "never").is_some(),
        "what it does not know stays: {hall}"
    );
    // Another writes the list in one item.
    let list = format!("<storage xmlns='{STORAGE}'><conference jid='{ORCHARD}' name='Orchard'/></storage>");
    publish(&mut juliet, STORAGE, "current", &list, &[]).await;
    let all = items(&mut juliet, "juliet@localhost", BOOKMARKS).await.expect("bookmarks");
    assert_eq!(all.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), [ORCHARD]);
    assert_eq!(rooms(&private(&mut juliet).await), [ORCHARD]);
    retract(&mut juliet, BOOKMARKS, ORCHARD).await;
    assert!(rooms(&private(&mut juliet).await).is_empty());
    // They are nobody else's business.
    for node in [BOOKMARKS, STORAGE] {
        assert_eq!(items(&mut romeo, "juliet@localhost", node).await, None);
    }
    romeo.expect_nothing().await;
}

/// What an older client has left in private storage is there for a newer one, and is not lost by its first bookmark.
#[tokio::test]
async fn old_bookmarks_are_taken_along() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let written = format!(
        "<query xmlns='jabber:iq:private'><storage xmlns='{STORAGE}'><conference jid='{HALL}' name='Hall'/></storage></query>"
    );
    juliet.ask("set", None, &written).await;
    let bookmark = format!("<conference xmlns='{BOOKMARKS}' name='Orchard'/>");
    publish(&mut juliet, BOOKMARKS, ORCHARD, &bookmark, &[]).await;
    assert_eq!(items(&mut juliet, "juliet@localhost", BOOKMARKS).await.expect("bookmarks").len(), 2);
    assert_eq!(rooms(&private(&mut juliet).await), [HALL, ORCHARD]);
}

/// covers: XEP-0490 4.1; XEP-0490 4.2; XEP-0490 4.4; XEP-0490 4.5
#[tokio::test]
async fn how_far_one_has_read_is_known_to_all_clients() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    world.befriend(&mut juliet, &mut romeo).await;
    let displayed = |id: &str| {
        format!(
            "<displayed xmlns='{DISPLAYED}'><stanza-id xmlns='urn:xmpp:sid:0' by='juliet@localhost' id='{id}'/></displayed>"
        )
    };
    for contact in ["romeo@localhost", "nurse@localhost"] {
        publish(&mut juliet, DISPLAYED, contact, &displayed("one"), &[]).await;
    }
    let marker = "<displayed xmlns='urn:xmpp:chat-markers:0' id='the-msg-1'/>";
    juliet.send(&format!("<message to='romeo@localhost'>{marker}{}</message>", displayed("two"))).await;
    romeo
        .expect(&format!("<message from='juliet@localhost/balcony' to='romeo@localhost'>{marker}</message>"))
        .await;
    let mut chamber = world.online("juliet/chamber").await;
    let mut all = items(&mut chamber, "juliet@localhost", DISPLAYED).await.expect("what was read");
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let ids: Vec<_> = all
        .iter()
        .map(|(contact, read)| {
            (contact.as_str(), read.find("urn:xmpp:sid:0", "stanza-id").and_then(|id| id.attr("id")))
        })
        .collect();
    assert_eq!(ids, [("nurse@localhost", Some("one")), ("romeo@localhost", Some("two"))]);
    assert_eq!(items(&mut romeo, "juliet@localhost", DISPLAYED).await, None);
}

/// Whoever writes first has to find the keys, also where a client does not say that they are open.
/// covers: XEP-0384 5.3.1; XEP-0384 5.3.2
#[tokio::test]
async fn keys_of_devices_are_found_by_strangers() {
    let world = world().await;
    let [mut juliet, mut stranger] = world.all_online(["juliet/balcony", "tybalt/street"]).await;
    let devices = "<devices xmlns='urn:xmpp:omemo:2'><device id='1'/><device id='2'/></devices>";
    publish(&mut juliet, "urn:xmpp:omemo:2:devices", "current", devices, &[]).await;
    for device in ["1", "2"] {
        let bundle = "<bundle xmlns='urn:xmpp:omemo:2'><spk id='0'>AAAA</spk></bundle>";
        publish(&mut juliet, "urn:xmpp:omemo:2:bundles", device, bundle, &[("max_items", "max")]).await;
    }
    let list = "<list xmlns='eu.siacs.conversations.axolotl'><device id='1'/></list>";
    publish(&mut juliet, "eu.siacs.conversations.axolotl.devicelist", "current", list, &[]).await;
    let bundle = "<bundle xmlns='eu.siacs.conversations.axolotl'/>";
    publish(
        &mut juliet,
        "eu.siacs.conversations.axolotl.bundles:1",
        "current",
        bundle,
        &[("access_model", "open")],
    )
    .await;
    for (node, number) in [
        ("urn:xmpp:omemo:2:devices", 1),
        ("urn:xmpp:omemo:2:bundles", 2),
        ("eu.siacs.conversations.axolotl.devicelist", 1),
        ("eu.siacs.conversations.axolotl.bundles:1", 1),
    ] {
        let found = items(&mut stranger, "juliet@localhost", node).await.unwrap_or_else(|| panic!("{node}"));
        assert_eq!(found.len(), number, "{node}");
    }
    let forged = format!(
        "<pubsub xmlns='{PUBSUB}'><publish node='urn:xmpp:omemo:2:devices'><item id='current'>{devices}</item></publish></pubsub>"
    );
    let refused = stranger.ask("set", Some("juliet@localhost"), &forged).await;
    assert!(refused.find(STANZAS, "forbidden").is_some(), "{refused}");
}

/// A nickname is there for contacts, and for nobody else.
/// covers: XEP-0172 4.4
#[tokio::test]
async fn a_nickname_is_for_contacts() {
    let world = world().await;
    let [mut juliet, mut romeo] = world.all_online(["juliet/balcony", "romeo/orchard"]).await;
    world.befriend(&mut juliet, &mut romeo).await;
    let nick = "http://jabber.org/protocol/nick";
    publish(&mut juliet, nick, "current", &format!("<nick xmlns='{nick}'>Jule</nick>"), &[]).await;
    assert_eq!(items(&mut romeo, "juliet@localhost", nick).await.expect("a nickname")[0].1.text(), "Jule");
}
