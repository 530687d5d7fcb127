//! Two servers on two loopback addresses that find each other: RFC 6120 between servers, XEP-0178, XEP-0220, XEP-0368.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

use waxwing_tests::{Client, Setup, World};

use crate::world::world_with;

/// How two servers are to prove who they are.
pub(crate) enum Proof {
    /// Self-signed certificates, so by dialback.
    Dialback,
    /// Certificates of an authority that both trust, and nothing else counts.
    Certificates(PathBuf),
}

/// The servers of verona.example and mantua.example, each with its own address.
pub(crate) async fn two(proof: Proof, direct_tls: bool) -> (World, World) {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let base = NEXT.fetch_add(2, Ordering::Relaxed);
    let address = |number: u8| format!("127.0.78.{number}");
    let server = |domain: &'static str, own: u8, other_domain: &str, other: u8| {
        let port = if direct_tls { 5270 } else { 5269 };
        let mut section = "[federation]\nretry_after_ms = 10\nretry_limit_ms = 10\n".to_owned();
        match &proof {
            Proof::Dialback => section.push_str("certificates = \"dialback\"\n"),
            Proof::Certificates(folder) => {
                let authority = folder.join("authority.pem");
                let _ = writeln!(section, "authorities = [{authority:?}]\nsystem_authorities = false");
            }
        }
        let to = format!("{}:{port}", address(other));
        let _ = write!(
            section,
            "[[federation.route]]\ndomain = {other_domain:?}\naddress = {to:?}\ndirect_tls = {direct_tls}\n\
             [[federation.route]]\ndomain = \"rooms.{other_domain}\"\naddress = {to:?}\ndirect_tls = {direct_tls}\n"
        );
        let setup = Setup::default().domains(&[domain]).address(&address(own)).section(&section);
        match &proof {
            Proof::Dialback => setup,
            Proof::Certificates(folder) => setup
                .certificate(&folder.join(format!("{domain}.crt")), &folder.join(format!("{domain}.key"))),
        }
    };
    let verona = world_with(server("verona.example", base, "mantua.example", base + 1)).await;
    let mantua = world_with(server("mantua.example", base + 1, "verona.example", base)).await;
    (verona, mantua)
}

/// An authority, and certificates by it for each of these domains; `names` says which name stands in which.
fn authority(folder: &Path, names: &[(&str, &str)]) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let write = |name: String, text: String| std::fs::write(folder.join(name), text).expect("writable");
    std::fs::create_dir_all(folder).expect("writable");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, "An authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("authority.pem".to_owned(), params.self_signed(&key).expect("an authority").pem());
    let issuer = Issuer::new(params, key);
    for (domain, name) in names {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![(*name).to_owned()]).expect("parameters");
        write(format!("{domain}.crt"), params.signed_by(&key, &issuer).expect("a certificate").pem());
        write(format!("{domain}.key"), key.serialize_pem());
    }
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("waxwing-federation-{}-{name}", std::process::id()))
}

/// Says something to somebody at the other server, who gets it as it was said.
async fn say(from: &mut Client, to: &mut Client, text: &str) {
    let (sender, receiver) = (from.full().to_owned(), to.bare().to_owned());
    from.send(&format!("<message to='{receiver}' type='chat' id='{text}'><body>{text}</body></message>"))
        .await;
    to.expect(&format!(
        "<message from='{sender}' to='{receiver}' type='chat' id='{text}'><body>{text}</body></message>"
    ))
    .await;
}

/// covers: XEP-0220 2.1; XEP-0220 2.2
#[tokio::test]
async fn two_servers_talk_by_dialback() {
    let (verona, mantua) = two(Proof::Dialback, false).await;
    let mut romeo = verona.online("romeo/orchard").await;
    let mut friar = mantua.online("friar/cell").await;
    for number in 0..20 {
        say(&mut romeo, &mut friar, &format!("there-{number}")).await;
        say(&mut friar, &mut romeo, &format!("back-{number}")).await;
    }
    // RFC 6121 section 8.5.1: nobody of that name, said as for an account that does not take it.
    romeo.send("<message to='nobody@mantua.example' type='chat' id='n'><body>hi</body></message>").await;
    romeo
        .expect(
            "<message from='nobody@mantua.example' type='error' id='n'><error type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
        )
        .await;
}

/// covers: XEP-0045 example 207; XEP-0045 example 205; XEP-0045 example 206
#[tokio::test]
async fn a_room_tells_those_from_elsewhere_that_its_server_stops() {
    let (mut verona, mantua) = two(Proof::Dialback, false).await;
    let room = "orchard@rooms.verona.example";
    let muc = "http://jabber.org/protocol/muc";
    let mut romeo = verona.online("romeo/orchard").await;
    let mut friar = mantua.online("friar/cell").await;
    friar.clear().await;
    romeo.send(&format!("<presence to='{room}/romeo'><x xmlns='{muc}'/></presence>")).await;
    let form = "<x xmlns='jabber:x:data' type='submit'/>";
    romeo.ask("set", Some(room), &format!("<query xmlns='{muc}#owner'>{form}</query>")).await;
    friar.send(&format!("<presence to='{room}/friar'><x xmlns='{muc}'/></presence>")).await;
    friar
        .expect(&format!(
            "<presence from='{room}/romeo'>{{...}}<x xmlns='{muc}#user'>\
             <item affiliation='owner' role='moderator'/></x></presence>"
        ))
        .await;
    friar
        .expect(&format!(
            "<presence from='{room}/friar'>{{...}}<x xmlns='{muc}#user'>\
             <item affiliation='none' role='participant' _='...'/>{{...}}<status code='110'/></x></presence>"
        ))
        .await;
    friar.expect(&format!("<message from='{room}' type='groupchat'><subject/></message>")).await;
    friar
        .send(&format!("<message to='{room}' type='groupchat' id='m'><body>benedicite</body></message>"))
        .await;
    friar
        .expect(&format!(
            "<message from='{room}/friar' type='groupchat' id='m'><body>benedicite</body>{{...}}</message>"
        ))
        .await;
    verona.server.terminate().expect("it stops");
    friar
        .expect(&format!(
            "<presence from='{room}/friar' type='unavailable'>{{...}}<x xmlns='{muc}#user'>\
             <item affiliation='none' role='none' _='...'/><status code='110'/><status code='332'/></x></presence>"
        ))
        .await;
}

/// covers: XEP-0178 3; XEP-0368 3
#[tokio::test]
async fn two_servers_talk_by_certificates() {
    for direct in [false, true] {
        let folder = folder(if direct { "direct" } else { "starttls" });
        authority(&folder, &[("verona.example", "verona.example"), ("mantua.example", "mantua.example")]);
        let (verona, mantua) = two(Proof::Certificates(folder.clone()), direct).await;
        let mut romeo = verona.online("romeo/orchard").await;
        let mut friar = mantua.online("friar/cell").await;
        say(&mut romeo, &mut friar, "there").await;
        say(&mut friar, &mut romeo, "back").await;
        assert!(verona.server.log().contains("certificate"), "{}", verona.server.log());
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// A certificate for another name proves nothing, and without dialback nothing goes through; the sender is told.
/// covers: RFC 6120 13.7.1.2
#[tokio::test]
async fn a_certificate_of_another_name_does_not_do() {
    let folder = folder("wrong");
    authority(&folder, &[("verona.example", "verona.example"), ("mantua.example", "padua.example")]);
    let (verona, _mantua) = two(Proof::Certificates(folder.clone()), false).await;
    let mut romeo = verona.online("romeo/orchard").await;
    romeo.send("<message to='friar@mantua.example' type='chat' id='m'><body>hi</body></message>").await;
    romeo
        .expect(
            "<message from='friar@mantua.example' type='error' id='m'><error type='cancel'>\
             <remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
        )
        .await;
    let _ = std::fs::remove_dir_all(folder);
}

/// RFC 6121 section 3 across servers, and presence that follows from it.
#[tokio::test]
async fn subscriptions_and_presence_cross_servers() {
    let (verona, mantua) = two(Proof::Dialback, false).await;
    let mut romeo = verona.online("romeo/orchard").await;
    let mut friar = mantua.online("friar/cell").await;
    romeo.send("<presence to='friar@mantua.example' type='subscribe' id='s'/>").await;
    friar
        .expect("<presence from='romeo@verona.example' to='friar@mantua.example' type='subscribe' id='s'/>")
        .await;
    romeo.settle().await;
    romeo.clear().await;
    friar.send("<presence to='romeo@verona.example' type='subscribed'/>").await;
    romeo
        .expect_all(&[
            "<presence from='friar@mantua.example' to='romeo@verona.example' type='subscribed'/>",
            "<iq type='set' id='{any}'><query xmlns='jabber:iq:roster' ver='{any}'>\
             <item jid='friar@mantua.example' subscription='to'/></query></iq>",
            "<presence from='friar@mantua.example/cell' to='romeo@verona.example'/>",
        ])
        .await;
    friar.clear().await;
    friar.send("<presence><show>away</show></presence>").await;
    romeo
        .expect("<presence from='friar@mantua.example/cell' to='romeo@verona.example'><show>away</show></presence>")
        .await;
    // RFC 6121 section 4.3: whoever comes later asks for it.
    romeo.close().await;
    let mut romeo = verona.connected("romeo/balcony").await;
    romeo.send("<presence/>").await;
    romeo.expect("<presence from='romeo@verona.example/balcony'/>").await;
    romeo
        .expect("<presence from='friar@mantua.example/cell' to='romeo@verona.example/balcony'><show>away</show></presence>")
        .await;
    friar.close().await;
    romeo
        .expect("<presence from='friar@mantua.example/cell' to='romeo@verona.example' type='unavailable'/>")
        .await;
}

/// Requests and answers both ways, to the server itself and to a client; what a client did not ask for does not reach it.
/// covers: RFC 6120 8.2.3 between servers
#[tokio::test]
async fn requests_cross_servers() {
    let (verona, mantua) = two(Proof::Dialback, false).await;
    let mut romeo = verona.online("romeo/orchard").await;
    let mut friar = mantua.online("friar/cell").await;
    romeo.send("<iq type='get' to='mantua.example' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    romeo.expect("<iq type='result' from='mantua.example' id='ping'/>").await;
    let ask = "<iq type='get' to='friar@mantua.example/cell' id='v'><query xmlns='jabber:iq:version'/></iq>";
    romeo.send(ask).await;
    friar
        .expect(
            "<iq type='get' from='romeo@verona.example/orchard' id='v'><query xmlns='jabber:iq:version'/></iq>",
        )
        .await;
    friar.send("<iq type='result' to='romeo@verona.example/orchard' id='unasked'/>").await;
    friar.send("<iq type='result' to='romeo@verona.example/orchard' id='v'/>").await;
    romeo.expect("<iq type='result' from='friar@mantua.example/cell' id='v'/>").await;
    // A roster push of somebody else's server.
    friar
        .send(
            "<iq type='set' to='romeo@verona.example/orchard' id='push'><query xmlns='jabber:iq:roster'>\
             <item jid='tybalt@mantua.example' subscription='both'/></query></iq>",
        )
        .await;
    friar
        .expect(
            "<iq type='error' from='romeo@verona.example/orchard' id='push'><error type='cancel'>\
             <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        )
        .await;
    // What only Romeo's own account may ask.
    friar
        .send("<iq type='set' to='romeo@verona.example' id='mam'><query xmlns='urn:xmpp:mam:2'/></iq>")
        .await;
    let refused = friar.next().await.expect("an answer");
    assert_eq!(refused.attr("type"), Some("error"), "{refused:?}");
}

/// threats: copies, archives and ids that only the own server may claim.
/// covers: XEP-0280 11 between servers
#[tokio::test]
async fn what_another_server_may_not_claim_is_taken_out() {
    let (verona, mantua) = two(Proof::Dialback, false).await;
    let mut romeo = verona.online("romeo/orchard").await;
    let mut friar = mantua.online("friar/cell").await;
    friar
        .send(
            "<message to='romeo@verona.example/orchard' type='chat'><body>hi</body>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='romeo@verona.example' id='666'/>\
             <received xmlns='urn:xmpp:carbons:2'/><sent xmlns='urn:xmpp:carbons:2'/>\
             <result xmlns='urn:xmpp:mam:2' id='1'/></message>",
        )
        .await;
    romeo
        .expect("<message from='friar@mantua.example/cell' to='romeo@verona.example/orchard' type='chat'><body>hi</body></message>")
        .await;
}

/// A server that is away: the sender is told, and once it is back messages arrive again. What was archived here stays.
#[tokio::test]
async fn a_server_that_is_away_is_said_to_be() {
    let (verona, mut mantua) = two(Proof::Dialback, false).await;
    let mut romeo = verona.online("romeo/orchard").await;
    drop(mantua.online("friar/cell").await);
    mantua.server.terminate().expect("it ends");
    romeo.send("<message to='friar@mantua.example' type='chat' id='m'><body>hi</body></message>").await;
    romeo
        .expect(
            "<message from='friar@mantua.example' type='error' id='m'><error type='wait'>\
             <remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
        )
        .await;
    mantua.server.launch().expect("it starts again");
    let mut friar = mantua.online("friar/cell").await;
    say(&mut romeo, &mut friar, "again").await;
}

/// What people say about themselves is read from another server, too.
/// covers: XEP-0054 3.3
#[tokio::test]
async fn cards_are_read_from_elsewhere() {
    let (verona, mantua) = two(Proof::Dialback, false).await;
    let mut juliet = verona.online("juliet/balcony").await;
    let mut romeo = mantua.online("romeo/orchard").await;
    let ask = "<vCard xmlns='vcard-temp'/>";
    for to in ["juliet@verona.example", "nobody@verona.example"] {
        let none = romeo.ask("get", Some(to), ask).await;
        assert!(none.find("urn:ietf:params:xml:ns:xmpp-stanzas", "service-unavailable").is_some(), "{none}");
    }
    juliet.ask("set", None, "<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard>").await;
    juliet.close().await;
    let card = romeo.ask("get", Some("juliet@verona.example"), ask).await;
    assert!(card.find("vcard-temp", "FN").is_some(), "{card}");
    // Nor does anybody from elsewhere have commands here.
    let items =
        "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>";
    let items = romeo.ask("get", Some("verona.example"), items).await;
    assert_eq!(items.find("http://jabber.org/protocol/disco#items", "item"), None, "{items}");
    let invite = "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#invite'/>";
    let refused = romeo.ask("set", Some("verona.example"), invite).await;
    assert!(refused.find("urn:ietf:params:xml:ns:xmpp-stanzas", "forbidden").is_some(), "{refused}");
    let search = "<query xmlns='jabber:iq:search'><nick>j</nick></query>";
    let refused = romeo.ask("set", Some("verona.example"), search).await;
    assert!(refused.find("urn:ietf:params:xml:ns:xmpp-stanzas", "forbidden").is_some(), "{refused}");
}

/// An administrator ends all dealings with a domain while the server runs, and takes them up again.
/// covers: XEP-0133 4.11
#[tokio::test]
async fn a_domain_is_barred() {
    let (mut verona, mantua) = two(Proof::Dialback, false).await;
    let [mut juliet] = verona.all_online(["juliet/balcony"]).await;
    let [mut romeo] = mantua.all_online(["romeo/orchard"]).await;
    say(&mut romeo, &mut juliet, "before").await;
    verona.server.admin(&["federation", "block", "mantua.example"], "").unwrap();
    juliet.send("<message to='romeo@mantua.example' type='chat' id='no'><body>no</body></message>").await;
    let refused = juliet.next().await.unwrap();
    assert!(refused.find("urn:ietf:params:xml:ns:xmpp-stanzas", "not-allowed").is_some(), "{refused}");
    verona.server.terminate().unwrap();
    verona.server.launch().unwrap();
    let listed = verona.server.admin(&["federation", "blocked"], "").unwrap();
    assert_eq!(listed.trim(), "mantua.example");
    verona.server.admin(&["federation", "unblock", "mantua.example"], "").unwrap();
    let mut juliet = verona.online("juliet/balcony").await;
    juliet.clear().await;
    say(&mut juliet, &mut romeo, "after").await;
}

/// Only those whom an administrator admits are dealt with, also over a restart, until nobody is named any more.
/// covers: XEP-0133 4.12
#[tokio::test]
async fn a_domain_is_not_admitted() {
    let (mut verona, mantua) = two(Proof::Dialback, false).await;
    let [mut juliet] = verona.all_online(["juliet/balcony"]).await;
    let [mut romeo] = mantua.all_online(["romeo/orchard"]).await;
    verona.server.admin(&["federation", "admit", "mantua.example"], "").unwrap();
    say(&mut juliet, &mut romeo, "before").await;
    verona.server.admin(&["federation", "admit", "venice.example"], "").unwrap();
    verona.server.admin(&["federation", "dismiss", "mantua.example"], "").unwrap();
    juliet.send("<message to='romeo@mantua.example' type='chat' id='no'><body>no</body></message>").await;
    let refused = juliet.next().await.unwrap();
    assert!(refused.find("urn:ietf:params:xml:ns:xmpp-stanzas", "not-allowed").is_some(), "{refused}");
    verona.server.terminate().unwrap();
    verona.server.launch().unwrap();
    let listed = verona.server.admin(&["federation", "admitted"], "").unwrap();
    assert_eq!(listed.trim(), "venice.example");
    verona.server.admin(&["federation", "dismiss", "venice.example"], "").unwrap();
    let mut juliet = verona.online("juliet/balcony").await;
    juliet.clear().await;
    say(&mut juliet, &mut romeo, "after").await;
}
