//! The web client as the server serves it, in browsers: every feature with two people at pages and one on profanity, and somebody at a
//! page with somebody on slixmpp; its states, its first start, pushes, hostile texts. Pictures are left in `target/web-pictures`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use waxwing_tests::web::get;
use waxwing_tests::world::password;
use waxwing_tests::{Setup, World};

use crate::{certificate, fetched, interop, run, world};

/// The folder of the client, and the one for pictures.
fn folders() -> (PathBuf, PathBuf) {
    let root = interop().ancestors().nth(2).expect("the workspace").to_owned();
    let pictures = root.join("target/web-pictures");
    std::fs::create_dir_all(&pictures).expect("the folder of pictures");
    (root.join("web"), pictures)
}

/// A server that has the client in it, and where a browser finds it: by name, since pages of names that the server does not serve
/// may not connect.
async fn served() -> (World, String) {
    let world = world(Setup::default()).await;
    let page = get(&world, "/", &[]).await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("/assets/"), "the binary has no web client: {page}");
    let port = world.server.addresses().http.rsplit_once(':').expect("an address").1.to_owned();
    (world, format!("http://localhost:{port}/"))
}

fn script(name: &str) -> Command {
    let mut command = Command::new("node");
    command.current_dir(folders().0).args(["e2e/run.js", name]);
    command
}

/// Runs a script that starts servers of its own, if browsers are there.
fn on_its_own(name: &str) {
    if fetched("Chromium").is_none() {
        return;
    }
    run(script(name).arg(env!("CARGO_BIN_EXE_waxwing")).arg(folders().1));
}

/// Each group of features in one look of eight.
/// covers: interop profanity web client
#[test]
fn every_feature_with_three_people() {
    on_its_own("features");
}

#[test]
fn a_first_message_within_two_minutes() {
    on_its_own("first-run");
}

#[test]
fn tabs_share_a_connection_and_what_was_read_is_there_without_one() {
    on_its_own("tabs");
}

/// Pushed by the server, decrypted by a push service of the test, shown by the browser.
#[test]
fn pushes_are_shown_until_they_are_read() {
    on_its_own("push");
}

#[test]
fn nothing_hostile_runs() {
    on_its_own("hostile");
}

/// Two looks of eight: nothing in any state keeps people out. The pictures are for whoever looks at them.
#[test]
fn every_state_can_be_used_by_everybody() {
    on_its_own("states");
}

/// At the width of a desktop and of a phone, by day and by night.
/// covers: interop slixmpp web client
#[tokio::test]
async fn a_browser_and_slixmpp() {
    let Some(folder) = fetched("slixmpp and Chromium") else { return };
    for (width, scheme) in [("wide", "light"), ("phone", "dark")] {
        let (world, url) = served().await;
        world.user("nurse");
        let (host, port) = world.server.addresses().xmpp.rsplit_once(':').expect("an address");
        let mut nurse = Command::new(folder.join("venv/bin/python"))
            .arg(interop().join("with_browser.py"))
            .args([host, port])
            .arg(certificate(&world).await)
            .args([&*password("nurse"), "romeo@localhost", "hall@rooms.localhost"])
            .stdin(Stdio::null())
            .spawn()
            .expect("slixmpp");
        run(script("with-xmpp")
            .args([&url, "romeo@localhost", &password("romeo"), width, scheme])
            .arg(folders().1));
        assert!(nurse.wait().expect("it ends").success());
    }
}
