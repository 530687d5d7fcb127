//! Clients of other makers against the built server. They are skipped, loudly, unless `cargo xtask test` has fetched
//! them and sets `WAXWING_TEST_ALL`.

#![allow(missing_docs, clippy::print_stdout, reason = "tests are named by what they show")]

mod balancers;
mod browser;
mod examples;
mod federation;
mod rest;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use waxwing_tests::object_storage::{BUCKET, ObjectStorageServer};
use waxwing_tests::web::{get, upload};
use waxwing_tests::world::password;
use waxwing_tests::{Setup, World};

fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|path| path.join("tests/interop").is_dir())
        .map_or_else(|| PathBuf::from("tests/interop"), |root| root.join("tests/interop"))
}

/// The folder with what `cargo xtask test` has fetched, or nothing when the foreign clients are to be skipped.
fn fetched(what: &str) -> Option<PathBuf> {
    if std::env::var_os("WAXWING_TEST_ALL").is_none() {
        eprintln!("SKIPPED: {what} needs `cargo xtask test`, which fetches it");
        return None;
    }
    let folder =
        std::env::var_os("WAXWING_INTEROP").expect("`cargo xtask test` names the folder in WAXWING_INTEROP");
    Some(PathBuf::from(folder))
}

/// A server with the accounts romeo and juliet.
async fn world(setup: Setup) -> World {
    let world = World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await;
    world.user("romeo");
    world.user("juliet");
    world
}

/// Writes the server's certificate where other programs can be told to trust it.
async fn certificate(world: &World) -> PathBuf {
    use base64::Engine as _;
    let client = world.secured().await;
    let der = client.transport().certificate().expect("a certificate").to_vec();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    let path = world.server.folder().join("certificate.pem");
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    std::fs::write(&path, pem).expect("the test's folder is writable");
    path
}

/// Runs a program that must succeed.
fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}");
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
}

/// covers: interop slixmpp
#[tokio::test]
async fn the_integration_tests_of_slixmpp() {
    let Some(folder) = fetched("slixmpp") else { return };
    // Its tests expect the registered ports; an address of the loopback network that nobody else uses has them free.
    let address = "127.0.91.17";
    let world = world(Setup::default().address(address)).await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/friend", "juliet/friend"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    romeo.close().await;
    juliet.close().await;
    let certificate = certificate(&world).await;
    run(Command::new(folder.join("venv/bin/python"))
        .arg(interop().join("slixmpp/run.py"))
        .arg(folder.join("slixmpp"))
        .arg(address)
        .arg(certificate)
        .env("CI_ACCOUNT1", "romeo@localhost")
        .env("CI_ACCOUNT1_PASSWORD", password("romeo"))
        .env("CI_ACCOUNT2", "juliet@localhost")
        .env("CI_ACCOUNT2_PASSWORD", password("juliet")));
}

/// Channel binding by tls-exporter with OpenSSL at the other end: both must export the same.
/// covers: RFC 9266 2 TLS 1.2; RFC 9266 2 TLS 1.3
#[tokio::test]
async fn channel_binding_with_another_tls_library() {
    let Some(folder) = fetched("pyOpenSSL") else { return };
    let world = world(Setup::default()).await;
    let (host, port) = world.server.addresses().xmpp.rsplit_once(':').expect("an address and a port");
    run(Command::new(folder.join("venv/bin/python")).arg(interop().join("binding.py")).args([
        host,
        port,
        "romeo",
        &password("romeo"),
    ]));
}

/// covers: interop profanity; interop go-sendxmpp
#[tokio::test]
async fn profanity_and_go_sendxmpp() {
    if fetched("profanity").is_none() {
        return;
    }
    let world = world(Setup::default()).await;
    let (host, port) = world.server.addresses().xmpp.rsplit_once(':').expect("an address");
    run(Command::new(interop().join("profanity.sh")).args([
        host,
        port,
        &password("romeo"),
        &password("juliet"),
    ]));
}

/// Bookmarks bring both back into the room, and each fetches the file that the other shared.
/// covers: interop poezio; interop profanity room
#[tokio::test]
async fn profanity_and_poezio_in_a_room() {
    let Some(folder) = fetched("poezio") else { return };
    let world = world(Setup::default()).await;
    let (host, port) = world.server.addresses().xmpp.rsplit_once(':').expect("an address and a port");
    run(Command::new(interop().join("poezio/room.sh"))
        .arg(folder.join("poezio/bin/python"))
        .args([host, port])
        .arg(certificate(&world).await)
        .args([password("romeo"), password("juliet")]));
}

/// covers: interop @xmpp/client
#[tokio::test]
async fn xmpp_js_over_tcp_and_websocket() {
    let Some(folder) = fetched("@xmpp/client") else {
        return;
    };
    let world = world(Setup::default()).await;
    let certificate = certificate(&world).await;
    let addresses = world.server.addresses();
    let localhost = |address: &str| address.replace("127.0.0.1", "localhost");
    run(Command::new("node")
        .arg("--experimental-websocket")
        .arg(folder.join("xmppjs/chat.mjs"))
        .args([localhost(&addresses.xmpp), localhost(&addresses.xmpps)])
        .arg(format!("wss://{}/xmpp-websocket", localhost(&addresses.https)))
        .args([password("romeo"), password("juliet")])
        .env("NODE_EXTRA_CA_CERTS", certificate));
}

/// Runs a script of two slixmpp clients, Romeo and Juliet.
async fn slixmpp(script: &str) {
    let Some(folder) = fetched("slixmpp") else { return };
    let world = world(Setup::default()).await;
    let certificate = certificate(&world).await;
    let (host, port) = world.server.addresses().xmpp.rsplit_once(':').expect("an address and a port");
    run(Command::new(folder.join("venv/bin/python"))
        .arg(interop().join(script))
        .args([host, port])
        .arg(&certificate)
        .args([password("romeo"), password("juliet")])
        .current_dir(world.server.folder())
        .env("SSL_CERT_FILE", &certificate));
}

/// covers: interop slixmpp files
#[tokio::test]
async fn slixmpp_uploads_and_downloads() {
    slixmpp("files.py").await;
}

/// covers: interop slixmpp room
#[tokio::test]
async fn slixmpp_talks_in_a_room() {
    slixmpp("room.py").await;
}

/// covers: interop slixmpp publish-subscribe
#[tokio::test]
async fn slixmpp_publishes_and_subscribes() {
    slixmpp("personal_eventing.py").await;
}

/// covers: interop slixmpp-omemo
#[tokio::test]
async fn slixmpp_encrypts_end_to_end() {
    slixmpp("encryption.py").await;
}

/// Files in a bucket: written in parts, read in parts, removed.
/// covers: interop object storage
#[tokio::test]
async fn files_in_object_storage() {
    let Some(storage) = ObjectStorageServer::start().expect("object storage") else { return };
    let key = std::env::temp_dir().join(format!("waxwing-s3-key-{}", std::process::id()));
    std::fs::write(&key, "secret\n").expect("a key");
    let section = format!(
        "[files.s3]\nbucket = \"{BUCKET}\"\nendpoint = \"{}\"\naccess_key_id = \"waxwing\"\nsecret_access_key_file = {key:?}",
        storage.endpoint
    );
    let world = world(Setup::default().section(&section)).await;
    let mut romeo = world.online("romeo/garden").await;
    let content: Vec<u8> = (0..20_000_000u32).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect();
    let slot = upload(&world, &mut romeo, "large.bin", "application/zip", &content).await;
    assert!(get(&world, &slot.path, &[]).await.body == content, "the content came back changed");
    let part = get(&world, &slot.path, &["Range: bytes=8388600-8388700"]).await;
    assert_eq!((part.status, &part.body[..]), (206, &content[8_388_600..=8_388_700]));
    world.server.admin(&["file", "delete", &slot.link], "").expect("deleted");
    assert_eq!(get(&world, &slot.path, &[]).await.status, 404);
    let _ = std::fs::remove_file(key);
}
