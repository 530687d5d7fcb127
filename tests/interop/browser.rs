//! The web client as the server serves it, in a browser: two people at two pages, and what one does is seen by the other.

use std::process::Command;

use waxwing_tests::Setup;
use waxwing_tests::web::get;
use waxwing_tests::world::password;

use crate::{fetched, interop, run, world};

/// How the script calls itself in what it prints.
const SCRIPT: &str = "e2e/run.js";

#[tokio::test]
async fn two_people_at_two_browsers() {
    if fetched("Chromium").is_none() {
        return;
    }
    let world = world(Setup::default()).await;
    let page = get(&world, "/", &[]).await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("/assets/"), "the binary has no web client: {page}");
    let web = interop().ancestors().nth(2).expect("the workspace").join("web");
    // By name: pages of names that the server does not serve may not connect.
    let (_, port) = world.server.addresses().http.rsplit_once(':').expect("an address");
    let url = format!("http://localhost:{port}/");
    run(Command::new("node").current_dir(web).args([
        SCRIPT,
        "two-people",
        &url,
        "romeo@localhost",
        &password("romeo"),
        "juliet@localhost",
        &password("juliet"),
    ]));
}
