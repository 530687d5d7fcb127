//! Several nodes: the configuration of the bus, what administrators see of it, and readiness.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use waxwing_tests::{Setup, World};

use crate::world::{world, world_with};

/// A server of NATS, stopped when it is dropped.
pub(crate) struct Nats {
    port: u16,
    child: Child,
}

impl Nats {
    /// Starts one; none where there is no `nats-server`, which is said.
    pub(crate) fn start() -> Option<Nats> {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        drop(socket);
        match run(port) {
            Ok(child) => Some(Nats { port, child }),
            Err(error) => {
                assert!(std::env::var_os("WAXWING_TEST_ALL").is_none(), "nats-server is needed: {error}");
                eprintln!("SKIPPED: nats-server is needed: {error}");
                None
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn section(&self) -> String {
        format!("[cluster]\nurls = [\"nats://127.0.0.1:{}\"]", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(port: u16) -> std::io::Result<Child> {
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &port.to_string()]).stderr(Stdio::null()).spawn()
}

pub(crate) fn nodes(world: &World) -> Value {
    serde_json::from_str(&world.server.admin(&["nodes", "--json"], "").unwrap()).unwrap()
}

/// Asks until it is so.
pub(crate) async fn until<T: std::fmt::Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> T,
    so: impl Fn(&T) -> bool,
) -> T {
    let mut last = None;
    for _ in 0..2000 {
        let answer = ask().await;
        if so(&answer) {
            return answer;
        }
        last = Some(answer);
    }
    panic!("{what} never came: {last:?}");
}

async fn ready(world: &World) -> String {
    let (head, body) = world.get("/health/ready").await.unwrap();
    format!("{} {body}", head.split(' ').nth(1).unwrap_or_default())
}

/// covers: operation nodes; operation readiness of the bus
#[tokio::test]
async fn a_node_is_ready_while_it_reaches_the_bus() {
    let Some(mut nats) = Nats::start() else { return };
    let world = world_with(Setup::default().section(&nats.section())).await;
    until("the bus", async || ready(&world).await, |ready| ready.starts_with("200")).await;
    let listed = nodes(&world);
    assert_eq!((&listed["cluster"], listed["nodes"].as_array().unwrap().len()), (&Value::Bool(true), 1));
    let metrics = async || world.get("/metrics").await.unwrap().1;
    until("the metrics of the bus", metrics, |metrics| metrics.contains("waxwing_nodes 1")).await;
    nats.kill();
    let unready = until("the loss", async || ready(&world).await, |ready| ready.starts_with("503")).await;
    assert!(unready.contains("\"bus\":false") && unready.contains("\"store\":true"), "{unready}");
    assert_eq!(nodes(&world)["reachable"], Value::Bool(false));
    nats.child = run(nats.port).unwrap();
    until("the bus again", async || ready(&world).await, |ready| ready.starts_with("200")).await;
}

/// Two nodes whose store holds the same secret find each other; one of another installation finds neither.
/// covers: operation nodes
#[tokio::test]
async fn nodes_find_each_other() {
    let Some(nats) = Nats::start() else { return };
    let mut first = world_with(Setup::default().section(&nats.section())).await;
    assert!(first.server.terminate().unwrap().success());
    let copy = first.server.folder().join("second");
    copy_folder(&first.server.data(), &copy);
    first.server.launch().unwrap();
    let setup = Setup::default().section(&nats.section()).data(&copy);
    let second = world_with(setup).await;
    let stranger = world_with(Setup::default().section(&nats.section())).await;
    for world in [&first, &second] {
        let two = |listed: &Value| listed["nodes"].as_array().unwrap().len() == 2;
        let listed = until("the other", async || nodes(world), two).await;
        assert_eq!(listed["nodes"][0]["this"], Value::Bool(true));
    }
    assert_eq!(nodes(&first)["nodes"][1]["node"], nodes(&second)["nodes"][0]["node"]);
    assert_eq!(nodes(&stranger)["nodes"].as_array().unwrap().len(), 1);
    // Who stops says goodbye.
    drop(second);
    until("the end", async || nodes(&first), |listed| listed["nodes"].as_array().unwrap().len() == 1).await;
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy_folder(&entry.path(), &target),
            kind if kind.is_file() => drop(std::fs::copy(entry.path(), target).unwrap()),
            _ => {}
        }
    }
}

/// covers: operation nodes
#[tokio::test]
async fn a_server_alone_says_so() {
    let world = world().await;
    assert_eq!(nodes(&world)["cluster"], Value::Bool(false));
    let output = world.server.run(&["serve", "--cluster"], "").unwrap();
    assert_eq!(output.status.code(), Some(78), "a node needs a bus");
    assert!(String::from_utf8_lossy(&output.stderr).contains("[cluster]"));
}
