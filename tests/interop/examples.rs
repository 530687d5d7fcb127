//! The examples of the documents, run as they stand there: what they show has to be so.

use std::process::{Command, Stdio};

use waxwing_tests::Setup;
use waxwing_tests::world::password;

use crate::{fetched, interop, run, world};

/// One in Python says something, one in TypeScript repeats it, and both end.
/// covers: interop websockets; interop TypeScript
#[tokio::test]
async fn programs_talk_over_the_json_face() {
    let Some(folder) = fetched("websockets") else { return };
    let world = world(Setup::default()).await;
    let root = interop().ancestors().nth(2).expect("the workspace").to_owned();
    let examples = root.join("docs/examples");
    let out = world.server.folder().join("examples");
    run(Command::new(root.join("web/node_modules/.bin/tsc"))
        .args(["--ignoreConfig", "--strict", "--target", "es2022", "--module", "esnext"])
        .args(["--moduleResolution", "bundler", "--lib", "es2022,dom"])
        .arg("--outDir")
        .arg(&out)
        .arg(examples.join("json_echo.ts")));
    std::fs::write(out.join("package.json"), "{\"type\": \"module\"}").expect("the folder is writable");
    let url = format!("ws://{}", world.server.addresses().http);
    let mut echo = Command::new("node")
        .arg("--experimental-websocket")
        .arg(out.join("json_echo.js"))
        .args([&url, "juliet@localhost", "1"])
        .env("WAXWING_PASSWORD", password("juliet"))
        .stdin(Stdio::null())
        .spawn()
        .expect("node");
    // Whether it is there already makes no difference but in time: what is said before is told when it comes.
    run(Command::new(folder.join("json/bin/python"))
        .arg(examples.join("json_hello.py"))
        .args([&url, "romeo@localhost", "juliet@localhost", "But soft"])
        .env("WAXWING_PASSWORD", password("romeo")));
    assert!(echo.wait().expect("it ends").success());
}
