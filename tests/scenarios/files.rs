//! Files: places asked for over XMPP, content put and read over HTTP (XEP-0363), and how clients share them.

use waxwing_tests::web::{self, Slot, ask_slot, get, request, upload};
use waxwing_tests::{Setup, World};

use crate::world::world;

const UPLOAD: &str = "urn:xmpp:http:upload:0";
const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

async fn world_with(section: &str) -> World {
    World::start(env!("CARGO_BIN_EXE_waxwing"), &Setup::default().section(section)).await
}

/// covers: XEP-0363 example 1; XEP-0363 example 2; XEP-0363 example 3; XEP-0363 example 4
#[tokio::test]
async fn the_service_is_found() {
    let world = world_with("[files]\nfile_bytes_limit = 5_242_880\npermanent = true").await;
    let mut romeo = world.online("romeo/garden").await;
    let items = romeo.ask("get", Some("localhost"), &format!("<query xmlns='{DISCO_ITEMS}'/>")).await;
    let query = items.child(DISCO_ITEMS, "query").expect("items");
    assert!(query.children().any(|item| item.attr("jid") == Some("upload.localhost")), "{query}");
    let info = romeo.ask("get", Some("upload.localhost"), &format!("<query xmlns='{DISCO_INFO}'/>")).await;
    let query = info.child(DISCO_INFO, "query").expect("information");
    let identity = query.child(DISCO_INFO, "identity").expect("an identity");
    assert_eq!((identity.attr("category"), identity.attr("type")), (Some("store"), Some("file")));
    let purposes = ["#message", "#profile", "#ephemeral", "#permanent"];
    for var in
        [UPLOAD.to_owned()].into_iter().chain(purposes.map(|p| format!("urn:xmpp:http:upload:purpose:0{p}")))
    {
        assert!(query.children().any(|feature| feature.attr("var") == Some(&var)), "{var}: {query}");
    }
    let form = query.child("jabber:x:data", "x").expect("a form");
    let value = |var: &str| {
        let field = form.children().find(|field| field.attr("var") == Some(var)).expect("a field");
        field.children().map(|value| value.text()).collect::<String>()
    };
    assert_eq!(value("FORM_TYPE"), UPLOAD);
    assert_eq!(value("max-file-size"), "5242880");
}

/// covers: XEP-0363 example 5; XEP-0363 example 6; XEP-0363 7 length; XEP-0363 7 201
#[tokio::test]
async fn a_file_is_put_and_read() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let content: Vec<u8> = (0..1_000_003u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let slot = Slot::request(&mut romeo, "très cool.jpg", content.len() as u64, "image/jpeg").await;
    assert!(
        slot.link.starts_with("https://localhost:") && slot.link.ends_with("/tr%C3%A8s%20cool.jpg"),
        "{slot:?}"
    );
    assert_eq!(get(&world, &slot.path, &[]).await.status, 404, "nothing is there yet");
    let type_ = "Content-Type: image/jpeg";
    let length = format!("Content-Length: {}", content.len());
    let put = slot.put_with(&world, &[&length, type_, &slot.authorization], &content).await;
    assert_eq!(put.status, 201, "{}", put.head);
    let answer = get(&world, &slot.path, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.body == content, "the content came back changed");
    for (name, value) in [
        ("Content-Type", "image/jpeg"),
        ("X-Content-Type-Options", "nosniff"),
        ("Accept-Ranges", "bytes"),
        ("Access-Control-Allow-Origin", "*"),
        ("Cache-Control", "private, max-age=86400, immutable"),
        ("Content-Disposition", "inline; filename=\"tr_s cool.jpg\"; filename*=UTF-8''tr%C3%A8s%20cool.jpg"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{}", answer.head);
    }
    assert!(answer.header("Content-Security-Policy").is_some_and(|policy| policy.contains("sandbox")));
    let head = request(&world, &format!("HEAD {}", slot.path), &[], b"").await.unwrap();
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("1000003")), "{}", head.head);
    assert!(head.body.is_empty());
}

/// covers: XEP-0363 durable
#[tokio::test]
async fn a_file_outlives_the_process() {
    let mut world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let slot = upload(&world, &mut romeo, "letter.txt", "text/plain", b"O Romeo").await;
    world.server.kill().unwrap();
    world.server.launch().unwrap();
    assert_eq!(get(&world, &slot.path, &[]).await.body, b"O Romeo");
    let answer = slot.put(&world, b"O Tybal").await;
    assert_eq!(answer.status, 409, "a stored file is never overwritten");
    assert_eq!(get(&world, &slot.path, &[]).await.body, b"O Romeo");
}

/// RFC 9110 sections 13 and 14.
/// covers: RFC 9110 13 conditions; RFC 9110 14 ranges
#[tokio::test]
async fn parts_and_conditions() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let slot = upload(&world, &mut romeo, "a.bin", "application/zip", b"0123456789").await;
    let whole = get(&world, &slot.path, &[]).await;
    let (etag, modified) = (whole.header("ETag").unwrap(), whole.header("Last-Modified").unwrap());
    let strong = format!("If-Range: {etag}");
    for (headers, status, body, range) in [
        (&["Range: bytes=2-4"][..], 206, "234", Some("bytes 2-4/10")),
        (&["Range: bytes=-3"], 206, "789", Some("bytes 7-9/10")),
        (&["Range: bytes=8-"], 206, "89", Some("bytes 8-9/10")),
        (&["Range: bytes=10-"], 416, "", Some("bytes */10")),
        (&["Range: bytes=0-1,4-5"], 200, "0123456789", None),
        (&["Range: bytes=0-1", &strong], 206, "01", Some("bytes 0-1/10")),
        (&["Range: bytes=0-1", "If-Range: \"other\""], 200, "0123456789", None),
        (&[&format!("If-None-Match: {etag}")], 304, "", None),
        (&[&format!("If-None-Match: W/{etag}, \"x\"")], 304, "", None),
        (&["If-None-Match: \"x\""], 200, "0123456789", None),
        (&[&format!("If-Modified-Since: {modified}")], 304, "", None),
        (&["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"], 200, "0123456789", None),
    ] {
        let answer = get(&world, &slot.path, headers).await;
        let body = body.as_bytes();
        assert_eq!((answer.status, &answer.body[..]), (status, body), "{headers:?}: {}", answer.head);
        assert_eq!(answer.header("Content-Range"), range, "{headers:?}");
    }
}

/// covers: XEP-0363 example 7; XEP-0363 example 8; XEP-0363 example 9; XEP-0363 example 10
#[tokio::test]
async fn files_have_a_purpose() {
    let world = world_with("[files]\npermanent = true").await;
    let mut romeo = world.online("romeo/garden").await;
    let purpose = |what: &str| format!("<{what} xmlns='urn:xmpp:http:upload:purpose:0'/>");
    for what in ["message", "profile", "permanent", "ephemeral expire-before='2099-09-10T23:08:25Z'"] {
        Slot::read(&ask_slot(&mut romeo, "a.jpg", 100, "", &purpose(what)).await);
    }
    for (what, condition) in [
        ("ephemeral", "bad-request"),
        ("ephemeral expire-before='2001-01-01T00:00:00Z'", "bad-request"),
        ("else", "feature-not-implemented"),
    ] {
        let answer = ask_slot(&mut romeo, "a.jpg", 100, "", &purpose(what)).await;
        assert!(answer.find(STANZAS, condition).is_some(), "{what}: {answer}");
    }
}

/// covers: XEP-0363 example 11; XEP-0363 example 12; XEP-0363 6 quota; XEP-0363 6 type
#[tokio::test]
async fn limits_are_told() {
    let limits = "file_bytes_limit = 20_000\nquota_bytes = 30_000\nfiles_per_hour_limit = 3\nmedia_types = [\"image/*\"]";
    let world = world_with(&format!("[files]\n{limits}")).await;
    let mut romeo = world.online("romeo/garden").await;
    let image = "content-type='image/jpeg'";
    let large = ask_slot(&mut romeo, "très cool.jpg", 23_456, image, "").await;
    assert!(large.find(STANZAS, "not-acceptable").is_some(), "{large}");
    let most = large.find(UPLOAD, "file-too-large").expect("how large it may be");
    assert_eq!(most.child(UPLOAD, "max-file-size").map(|size| size.text()).as_deref(), Some("20000"));
    let html = ask_slot(&mut romeo, "a.html", 100, "content-type='text/html'", "").await;
    assert!(html.find(STANZAS, "not-acceptable").is_some(), "{html}");
    Slot::read(&ask_slot(&mut romeo, "a.jpg", 20_000, image, "").await);
    let full = ask_slot(&mut romeo, "a.jpg", 10_001, image, "").await;
    let error = full.children().find(|child| child.name == "error").expect("an error");
    assert_eq!(error.attr("type"), Some("wait"));
    assert!(full.find(STANZAS, "resource-constraint").is_some(), "{full}");
    for _ in 0..2 {
        Slot::read(&ask_slot(&mut romeo, "a.jpg", 1, image, "").await);
    }
    let often = ask_slot(&mut romeo, "a.jpg", 1, image, "").await;
    let retry = often.find(UPLOAD, "retry").unwrap_or_else(|| panic!("when to come back: {often}"));
    assert!(retry.attr("stamp").is_some_and(|stamp| stamp.ends_with('Z') && stamp.len() == 20), "{often}");
}

/// A client of the same domain only, and nobody by way of the domain itself.
#[tokio::test]
async fn other_addresses_give_no_places() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let ask = format!("<request xmlns='{UPLOAD}' filename='a' size='1'/>");
    for to in ["localhost", "romeo@localhost", "proxy.localhost", "upload.elsewhere.example"] {
        let answer = romeo.ask("get", Some(to), &ask).await;
        assert_eq!(answer.attr("type"), Some("error"), "{to}: {answer}");
    }
}

/// covers: XEP-0363 8 CORS
#[tokio::test]
async fn pages_of_other_origins_may_put_and_read() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let slot = upload(&world, &mut romeo, "a.png", "image/png", b"x").await;
    let origin = "Origin: https://chat.example";
    let asks =
        [origin, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization"];
    let preflight = request(&world, &format!("OPTIONS {}", slot.path), &asks, b"").await.unwrap();
    assert_eq!(preflight.status, 204, "{}", preflight.head);
    assert_eq!(preflight.header("Access-Control-Allow-Origin"), Some("*"));
    assert!(preflight.header("Access-Control-Allow-Methods").is_some_and(|methods| methods.contains("PUT")));
    assert!(
        preflight.header("Access-Control-Allow-Headers").is_some_and(|names| names.contains("Authorization"))
    );
    for path in [&*slot.path, "/files/abcdefghijklmnopqrstuvwxyz234567/a"] {
        let answer = get(&world, path, &[origin]).await;
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"), "{}", answer.head);
        assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
    }
    // What is not a file stays closed to them.
    for path in ["/files", "/files/", "/health/live"] {
        assert_eq!(get(&world, path, &[origin]).await.header("Access-Control-Allow-Origin"), None, "{path}");
    }
}

/// XEP-0066, XEP-0385, XEP-0447: what clients say about files is passed on and archived as it is.
/// covers: XEP-0066 passed; XEP-0385 passed; XEP-0447 passed
#[tokio::test]
async fn what_is_said_about_files_is_passed_on_and_archived() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/garden", "juliet/balcony"]).await;
    let slot = upload(&world, &mut romeo, "a.png", "image/png", b"x").await;
    let link = &slot.link;
    let payloads = [
        format!("<x xmlns='jabber:x:oob'><url>{link}</url></x>"),
        format!(
            "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline' id='1'><file xmlns='urn:xmpp:file:metadata:0'>\
             <media-type>image/png</media-type><name>a.png</name><size>1</size></file><sources>\
             <url-data xmlns='http://jabber.org/protocol/url-data' target='{link}'/></sources></file-sharing>"
        ),
        format!(
            "<reference xmlns='urn:xmpp:reference:0' begin='0' end='1' type='data'><media-sharing xmlns='urn:xmpp:sims:1'>\
             <file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><media-type>image/png</media-type></file><sources>\
             <reference xmlns='urn:xmpp:reference:0' type='data' uri='{link}'/></sources></media-sharing></reference>"
        ),
    ];
    for payload in &payloads {
        romeo
            .send(&format!(
                "<message to='juliet@localhost' type='chat'><body>{link}</body>{payload}</message>"
            ))
            .await;
        let got = juliet.next().await.unwrap();
        let xml = got.to_string();
        assert!(payload_of(payload, &got), "{xml}");
    }
    romeo.settle().await;
    juliet.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>").await;
    for payload in &payloads {
        let kept = juliet.next().await.unwrap();
        let message = kept.find("jabber:client", "message").expect("an archived message");
        assert!(payload_of(payload, message), "{kept}");
    }
}

/// Whether a message has this payload, with all that is in it.
fn payload_of(payload: &str, message: &waxwing_tests::xml::Element) -> bool {
    let wanted = waxwing_tests::xml::Element::parse(payload).expect("a payload");
    message.child(&wanted.ns, &wanted.name).is_some_and(|found| found.standalone() == wanted.standalone())
}

/// covers: files admin
#[tokio::test]
async fn administrators_list_and_delete_files() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let slot = upload(&world, &mut romeo, "a.png", "image/png", b"xyz").await;
    let listed = world.server.admin(&["file", "list", "--owner", "romeo@localhost"], "").unwrap();
    let id = slot.path.split('/').nth(2).unwrap();
    assert!(
        listed.contains(id) && listed.contains("a.png") && listed.contains("1 files, 3 bytes"),
        "{listed}"
    );
    world.server.admin(&["file", "delete", &slot.link], "").unwrap();
    assert_eq!(get(&world, &slot.path, &[]).await.status, 404);
    assert!(!world.server.run(&["file", "delete", id], "").unwrap().status.success());
    let audit = world.server.admin(&["audit"], "").unwrap();
    assert!(audit.contains("file.delete"), "{audit}");
    let kept: Vec<_> = std::fs::read_dir(world.server.data().join("files").join(&id[..2]))
        .map(|entries| entries.flatten().collect())
        .unwrap_or_default();
    assert!(kept.is_empty(), "the content is gone too: {kept:?}");
}

/// Deleting an account takes its files with it.
/// covers: files deletion
#[tokio::test]
async fn files_go_with_their_account() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let slot = upload(&world, &mut romeo, "a.png", "image/png", b"xyz").await;
    world.server.admin(&["user", "delete", "romeo@localhost"], "").unwrap();
    assert_eq!(get(&world, &slot.path, &[]).await.status, 404);
}

/// The smallest PNG there is: one pixel.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff\xff\x7f\x03\0\x09|\x03~N\xbb\x1b]\0\0\0\0IEND\xaeB`\x82";

/// covers: files thumbnails
#[tokio::test]
async fn pictures_have_small_pictures() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let slot = upload(&world, &mut romeo, "a.png", "image/png", PIXEL).await;
    let ask = format!("{}?thumbnail", slot.path);
    for _ in 0..2 {
        let answer = get(&world, &ask, &[]).await;
        assert_eq!(
            (answer.status, answer.header("Content-Type")),
            (200, Some("image/png")),
            "{}",
            answer.head
        );
        assert!(answer.body.starts_with(b"\x89PNG"));
    }
    let text = upload(&world, &mut romeo, "a.txt", "text/plain", b"no picture").await;
    assert_eq!(web::get(&world, &format!("{}?thumbnail", text.path), &[]).await.status, 404);
}

/// Everything is in a backup, the content of files too, as it was at one moment; restored, the rest is gone.
/// covers: files backup
#[tokio::test]
async fn files_are_in_backups() {
    let mut world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    let picture = upload(&world, &mut romeo, "a.png", "image/png", PIXEL).await;
    assert_eq!(get(&world, &format!("{}?thumbnail", picture.path), &[]).await.status, 200);
    let large_file = upload(&world, &mut romeo, "large.bin", "application/zip", &large).await;
    let removed = upload(&world, &mut romeo, "removed.txt", "text/plain", b"gone").await;
    world.server.admin(&["file", "delete", &removed.link], "").unwrap();
    let (saved, partial) = (world.server.folder().join("saved"), world.server.folder().join("partial"));
    let (saved, partial) = (saved.to_str().unwrap(), partial.to_str().unwrap());
    world.server.admin(&["backup", saved], "").unwrap();
    world.server.admin(&["backup", partial, "--without-files"], "").unwrap();
    assert!(!std::path::Path::new(partial).join("files").exists());
    world.server.admin(&["file", "delete", &large_file.link], "").unwrap();
    let newer = upload(&world, &mut romeo, "newer.txt", "text/plain", b"newer").await;
    assert!(world.server.terminate().unwrap().success());
    // What was changed in a backup is refused before anything is.
    let id = picture.path.split('/').nth(2).unwrap();
    let content = std::path::Path::new(saved).join("files").join(&id[..2]).join(id);
    std::fs::write(&content, b"something else").unwrap();
    assert!(!world.server.run(&["restore", saved, "--replace"], "").unwrap().status.success());
    std::fs::write(&content, PIXEL).unwrap();
    world.server.admin(&["restore", saved, "--replace"], "").unwrap();
    world.server.launch().unwrap();
    for _ in 0..2 {
        assert_eq!(get(&world, &picture.path, &[]).await.body, PIXEL);
        let small = get(&world, &format!("{}?thumbnail", picture.path), &[]).await;
        assert!(small.body.starts_with(b"\x89PNG"), "{}", small.head);
        assert!(get(&world, &large_file.path, &[]).await.body == large, "what was deleted since is back");
        for gone in [&removed, &newer] {
            assert_eq!(get(&world, &gone.path, &[]).await.status, 404);
        }
        let id = newer.path.split('/').nth(2).unwrap();
        assert!(!world.server.data().join("files").join(&id[..2]).join(id).exists(), "its content is gone");
        // Onto another machine.
        assert!(world.server.terminate().unwrap().success());
        std::fs::remove_dir_all(world.server.data()).unwrap();
        world.server.admin(&["restore", saved], "").unwrap();
        world.server.launch().unwrap();
    }
}

/// Places that nobody filled, and files whose time is over, go by themselves.
/// covers: files removal timer; XEP-0363 5.3 end of time
#[tokio::test]
async fn what_is_over_is_removed_in_time() {
    let world = world_with("[files]\nremoval_interval_ms = 100").await;
    let mut romeo = world.online("romeo/garden").await;
    let stays = upload(&world, &mut romeo, "a.txt", "text/plain", b"stays").await;
    let until = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 2;
    let purpose =
        format!("<ephemeral xmlns='urn:xmpp:http:upload:purpose:0' expire-before='{}'/>", timestamp(until));
    let passing = Slot::read(&ask_slot(&mut romeo, "b.txt", 5, "", &purpose).await);
    assert_eq!(passing.put(&world, b"gone!").await.status, 201);
    let id = passing.path.split('/').nth(2).unwrap();
    let content = world.server.data().join("files").join(&id[..2]).join(id);
    assert!(content.exists());
    let removed = async {
        while content.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(waxwing_tests::server::PATIENCE, removed).await.expect("the timer fires");
    assert_eq!(get(&world, &passing.path, &[]).await.status, 404);
    assert_eq!(get(&world, &stays.path, &[]).await.body, b"stays");
}

/// Seconds since the Unix epoch as XEP-0082 has them, by the algorithm of days in the Gregorian calendar.
fn timestamp(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let rest = day - (365 * year + year / 4 - year / 100);
    let month = (5 * rest + 2) / 153;
    let (month_day, month) =
        (rest - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{month_day:02}T{:02}:{:02}:{:02}Z", time / 3600, time / 60 % 60, time % 60)
}
