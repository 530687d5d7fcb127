//! The web client as the server serves it, in a browser: two people at two pages, and somebody at a page with somebody on an XMPP
//! client; what one does is seen by the other. Pictures of it are left in `target/web-pictures`.

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

fn script(name: &str, url: &str) -> Command {
    let mut command = Command::new("node");
    command.current_dir(folders().0).args(["e2e/run.js", name, url]);
    command
}

#[tokio::test]
async fn two_people_at_two_browsers() {
    if fetched("Chromium").is_none() {
        return;
    }
    let (_world, url) = served().await;
    run(script("two-people", &url)
        .args(["romeo@localhost", &password("romeo"), "juliet@localhost", &password("juliet")])
        .arg(folders().1));
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
        run(script("with-xmpp", &url)
            .args(["romeo@localhost", &password("romeo"), width, scheme])
            .arg(folders().1));
        assert!(nurse.wait().expect("it ends").success());
    }
}

/// Every view at both widths, by day in English and by night in Chinese, from a page that is full of life. Pages that complain
/// fail; the pictures are for whoever looks at them.
#[tokio::test]
async fn every_view_has_its_picture() {
    if fetched("Chromium").is_none() {
        return;
    }
    let (_world, url) = served().await;
    for (scheme, language) in [("light", "en"), ("dark", "zh-CN")] {
        let folder = folders().1.join(format!("{scheme}-{language}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        run(script("screens", &url).arg(&folder).args([scheme, language]));
        let pictures = std::fs::read_dir(&folder).expect("the folder").count();
        assert!(pictures > 20, "{pictures} pictures");
    }
}
