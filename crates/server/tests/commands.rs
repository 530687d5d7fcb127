//! The real program on a folder of its own: it starts, answers commands, drains, and comes back.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_waxwing");

/// An installation in a folder that is removed at the end.
struct Installation(PathBuf);

impl Installation {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("waxwing-commands-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        let config = format!(
            "data_dir = {:?}\n[listen]\nxmpp = [\"127.0.0.1:0\"]\nxmpp_tls = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n\
             https = []\nfederation = []\nfederation_tls = []\n[accounts]\nscram_iterations = 4096\n",
            folder.join("data")
        );
        std::fs::write(folder.join("waxwing.toml"), config).expect("written");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(&self.0).args(["--config", "waxwing.toml"]).args(line.split_whitespace());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("the program runs")
    }

    /// Runs a command that has to succeed, and gives its result.
    fn done(&self, line: &str) -> Value {
        let output = self.run(&format!("{line} --json"));
        assert!(output.status.success(), "{line}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Runs a command that has to fail; gives its exit status and the error's code.
    fn refused(&self, line: &str) -> (i32, String) {
        let output = self.run(&format!("{line} --json"));
        let error: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (
            output.status.code().expect("not killed"),
            error["error"]["code"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// Starts the server; returns with what it says until it is ready.
    fn start(&self) -> (Server, String) {
        let mut child =
            self.command("").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let mut said = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        while !said.contains("Stop: Ctrl+C") {
            let length = out.read_line(&mut said).expect("read");
            if length == 0 {
                let mut why = String::new();
                let _ = std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut why);
                panic!("the server ended early: {said}{why}");
            }
        }
        (Server { child, _out: out }, said)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Server {
    child: Child,
    _out: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("waited").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn password_in(said: &str) -> Option<&str> {
    said.lines().find_map(|line| line.trim().strip_prefix("Password")).map(str::trim)
}

#[test]
fn the_first_start_makes_an_administrator_and_the_second_finds_everything() {
    let installation = Installation::new();
    let (server, said) = installation.start();
    assert!(said.contains("admin@localhost") && said.contains("self-signed"), "{said}");
    assert_eq!(password_in(&said).map(str::len), Some(34), "{said}");
    let addresses = std::fs::read(installation.path("data/addresses.json")).expect("there when ready");
    let addresses: Value = serde_json::from_slice(&addresses).expect("JSON");
    assert!(said.contains(addresses["xmpp"].as_str().expect("an address")), "{said}");
    assert!(addresses.get("https").is_none(), "a listener that is off is left out");

    let stopped = installation.done("stop");
    assert_eq!(stopped["pid"], server.child.id());
    assert_eq!(server.ended(), Some(0));
    assert!(!installation.path("data/addresses.json").exists());
    assert!(!installation.path("data/admin.sock").exists());

    let (server, said) = installation.start();
    assert_eq!(password_in(&said), None, "{said}");
    assert_eq!(installation.done("user list")["users"][0]["address"], "admin@localhost");
    installation.done("stop");
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn accounts_are_administered_with_and_without_a_server() {
    let installation = Installation::new();
    // Before the first start: the command itself opens the data.
    assert_eq!(
        installation.done("user add first@localhost --generate")["password"].as_str().map(str::len),
        Some(34)
    );
    let (server, said) = installation.start();
    assert!(!said.contains("admin@localhost"), "somebody is there, so that nobody is made up: {said}");

    let mut child = installation
        .command("user add alice@localhost --password-stdin --administrator")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    child.stdin.take().expect("piped").write_all(b"wonder land\nignored\n").expect("sent");
    assert!(child.wait().expect("ended").success());
    let alice = installation.done("user show alice@localhost");
    assert_eq!((&alice["administrator"], &alice["disabled"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(installation.done("user disable alice@localhost")["done"], "disabled");
    assert_eq!(installation.done("user show alice@localhost")["disabled"], true);
    installation.done("user enable alice@localhost");
    installation.done("user password alice@localhost --generate");

    let conflict = installation.refused("user add alice@localhost --generate");
    assert_eq!(conflict, (1, "conflict".to_owned()));
    assert_eq!(installation.refused("user show nobody@localhost"), (1, "not-found".to_owned()));
    assert_eq!(
        installation.refused("user add alice@elsewhere.example --generate"),
        (2, "invalid-argument".to_owned())
    );
    assert_eq!(installation.refused("user add alice").0, 2);
    assert_eq!(installation.refused("user add bob@localhost").0, 2, "no terminal to ask for a password on");
    assert_eq!(installation.refused("user add bob@localhost --password secret").0, 2, "never as an argument");
    assert_eq!(installation.refused("sessions end alice@localhost"), (1, "not-found".to_owned()));

    installation.done("user delete alice@localhost");
    let log = installation.done("audit");
    let actions: Vec<&str> = log["records"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|record| record["action"].as_str().expect("a word"))
        .collect();
    let expected =
        ["user.delete", "user.password", "user.enable", "user.disable", "user.create", "user.create"];
    assert_eq!(actions, expected);
    assert_eq!(installation.done("audit verify")["records"], 6);
    installation.done("stop");
    assert_eq!(server.ended(), Some(0));
    assert_eq!(installation.refused("status"), (69, "unavailable".to_owned()));
    assert_eq!(installation.done("user list")["users"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_backed_up_while_running_comes_back() {
    let installation = Installation::new();
    let (server, _) = installation.start();
    installation.done("user add kept@localhost --generate");
    let certificate = installation.done("status")["certificates"][0]["sha256"].clone();
    installation.done("backup saved");
    assert_eq!(installation.refused("backup saved"), (1, "conflict".to_owned()));
    installation.done("user add lost@localhost --generate");
    assert_eq!(installation.refused("restore saved --replace"), (1, "refused".to_owned()), "the server runs");
    installation.done("stop");
    assert_eq!(server.ended(), Some(0));

    assert_eq!(installation.refused("restore saved"), (1, "refused".to_owned()), "there is data");
    installation.done("restore saved --replace");
    let users = installation.done("user list");
    let users: Vec<&str> = users["users"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|user| user["address"].as_str())
        .collect();
    assert_eq!(users, ["admin@localhost", "kept@localhost"]);

    // Onto another machine: an empty data folder, the same certificate for clients that trust it.
    std::fs::remove_dir_all(installation.path("data")).expect("removed");
    installation.done("restore saved");
    let (server, said) = installation.start();
    assert_eq!(password_in(&said), None);
    assert_eq!(installation.done("status")["certificates"][0]["sha256"], certificate);
    installation.done("stop");
    assert_eq!(server.ended(), Some(0));

    // A backup that was tampered with is refused before anything is changed.
    let file = installation.path("saved/tls/localhost.crt");
    std::fs::write(&file, "something else").expect("written");
    assert_eq!(installation.refused("restore saved --replace").0, 1);
    assert_eq!(installation.done("user list")["users"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_reload_takes_what_is_right_and_refuses_what_is_wrong() {
    let installation = Installation::new();
    let (server, _) = installation.start();
    let config = std::fs::read_to_string(installation.path("waxwing.toml")).expect("read");
    let write = |text: &str| std::fs::write(installation.path("waxwing.toml"), text).expect("written");

    write(&format!("{config}[shutdown]\ndrain_grace_ms = \"soon\"\n"));
    assert_eq!(installation.refused("user list").0, 78, "the command line reads the same file");
    // Asked over the socket, so that only the server reads the file.
    let reply =
        over_socket(&installation.path("data/admin.sock"), "{\"waxwing\":1,\"command\":\"reload\"}\n");
    assert_eq!(reply["error"]["code"], "refused", "{reply}");

    write(&format!("{config}\n[[domain]]\nname = \"localhost\"\n[[domain]]\nname = \"second.example\"\n"));
    installation.done("reload");
    assert_eq!(installation.done("status")["domains"], serde_json::json!(["localhost", "second.example"]));
    installation.done("user add somebody@second.example --generate");
    installation.done("stop");
    assert_eq!(server.ended(), Some(0));
}

fn over_socket(path: &Path, line: &str) -> Value {
    let mut stream = std::os::unix::net::UnixStream::connect(path).expect("connected");
    stream.write_all(line.as_bytes()).expect("sent");
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).expect("answered");
    serde_json::from_str(&reply).expect("JSON")
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let installation = Installation::new();
    let (server, _) = installation.start();
    let second = installation.run("serve");
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains(&server.child.id().to_string()), "{said}");
    assert!(installation.run("status").status.success(), "the first is not disturbed");
}
