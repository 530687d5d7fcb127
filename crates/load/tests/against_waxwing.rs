//! The generator against a real server: nothing is lost, and every scenario ends by itself. Nothing here is timed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use waxwing_tests::{Server, Setup};

/// A server open for measuring; none where its binary was not built, which the whole test suite does not allow.
fn server() -> Option<Server> {
    server_with(|setup| setup)
}

fn server_with(change: impl FnOnce(Setup) -> Setup) -> Option<Server> {
    let binary = Path::new(env!("CARGO_BIN_EXE_waxwing-load")).with_file_name("waxwing");
    if !binary.exists() {
        assert!(std::env::var_os("WAXWING_TEST_ALL").is_none(), "{} is not built", binary.display());
        eprintln!("SKIPPED: {} is not built", binary.display());
        return None;
    }
    let setup = Setup::default()
        .section("open_registration = true\ndelay_attempts = false\n[xmpp]\nplaintext_on_loopback = true");
    Some(Server::start(binary, &change(setup)).expect("the server starts"))
}

/// Runs the generator, which has to succeed, and returns its report.
fn load(server: &Server, address: &str, arguments: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_waxwing-load"))
        .args(["--json", "--register", "--insecure", "--server", address, "--server-pid"])
        .arg(server.pid().to_string())
        .args(arguments.split_ascii_whitespace())
        .output()
        .expect("the generator starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {}{errors}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).expect("a report")
}

/// Each message arrived, once, and the server's CPU time was seen.
fn assert_whole(report: &Value) {
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64);
    assert!(number("/tally/sent") > Some(0), "{report}");
    assert_eq!(number("/tally/sent"), number("/tally/received"), "{report}");
    assert_eq!(
        (
            number("/tally/lost"),
            number("/tally/duplicates"),
            number("/tally/out_of_order"),
            number("/errors")
        ),
        (Some(0), Some(0), Some(0), Some(0)),
        "{report}"
    );
    assert!(report.pointer("/measures/0/server_cpu/seconds").is_some_and(Value::is_number), "{report}");
}

#[test]
fn chat_loses_nothing() {
    let Some(server) = server() else { return };
    let addresses = server.addresses().clone();
    let chat = "chat --pairs 5 --warm-up 0 --seconds 1";
    let managed = format!("{chat} --stream-management --carbons --origin-id");
    assert_whole(&load(&server, &addresses.xmpp, &format!("--transport tcp {chat}")));
    assert_whole(&load(&server, &addresses.xmpp, &format!("--transport starttls {managed}")));
    assert_whole(&load(&server, &addresses.xmpps, &format!("--transport tls {chat} --to full --rate 50")));
    assert_whole(&load(&server, &addresses.http, &format!("--transport ws {managed}")));
}

#[test]
fn other_loads_end_as_they_should() {
    let Some(server) = server() else { return };
    let xmpp = server.addresses().xmpp.clone();
    let run = |arguments: &str| load(&server, &xmpp, &format!("--transport tcp {arguments}"));
    assert_whole(&run("--accounts friend presence --contacts 3 --groups 2 --warm-up 0 --seconds 1"));
    assert_whole(&run("--accounts guest rooms --rooms 3 --occupants 4 --warm-up 0 --seconds 1"));
    assert_whole(&run("--accounts away offline --pairs 3 --messages 10"));
    let counts = |report: Value| report.pointer("/measures/0/operations").and_then(Value::as_u64);
    assert!(counts(run("ping --connections 3 --warm-up 0 --seconds 1")) > Some(0));
    assert!(counts(run("login --users 3 --roster 2 --warm-up 0 --seconds 1")) > Some(0));
    let pages = "archive --users 2 --messages 10 --page 5 --warm-up 0 --seconds 1";
    assert!(counts(run(&format!("--accounts reader {pages}"))) > Some(0));
    assert_eq!(counts(run("idle --connections 5 --settle 0")), Some(5));
}

/// A thousand clients that lose their connection at the same moment all come back.
#[test]
fn nobody_is_lost_in_a_storm() {
    let Some(server) = server() else { return };
    let storm = "--transport tls --mechanism plain storm --users 1000 --settle 0.5 --bare";
    let report = load(&server, &server.addresses().xmpps, storm);
    let count = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64);
    assert_eq!((count("/measures/0/operations"), count("/measures/1/operations")), (Some(1000), Some(1000)));
    assert_eq!(count("/errors"), Some(0), "{report}");
    eprintln!("{report:#}");
}

/// Every file comes back as it was sent.
#[test]
fn files_come_back() {
    let url = "[files]\nurl = \"http://127.0.80.1:5280/files/\"";
    let Some(server) = server_with(|setup| setup.address("127.0.80.1").section(url)) else { return };
    let xmpp = server.addresses().xmpp.clone();
    let files = "files --accounts-at-once 3 --files 4 --file-bytes 300000 --downloads 2";
    let report = load(&server, &xmpp, &format!("--transport tcp {files}"));
    let count = |pointer: &str| report.pointer(pointer).and_then(Value::as_u64);
    assert_eq!((count("/measures/0/operations"), count("/measures/1/operations")), (Some(12), Some(24)));
    assert_eq!(count("/errors"), Some(0));
}
