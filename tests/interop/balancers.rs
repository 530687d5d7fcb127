//! HAProxy and nginx in front of the built server, with the example configurations of `packaging`.

use std::fs;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use waxwing_tests::client::SharedCaptures;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::transport::{Tls, Transport, connect_from};
use waxwing_tests::web::{Answer, Slot};
use waxwing_tests::world::password;
use waxwing_tests::{Client, Setup, World};

use super::{fetched, interop};

/// Where clients of these tests come from, so that they can be told from the balancer.
const CLIENT: &str = "127.0.79.7";

fn packaging() -> PathBuf {
    interop().join("../../packaging")
}

fn client_address() -> IpAddr {
    CLIENT.parse().expect("an address")
}

/// An address of this machine with a port that was free a moment ago. Each test has addresses that nobody else listens on,
/// so that nobody takes the port meanwhile.
fn free_address(ip: &str) -> String {
    let listener = TcpListener::bind((ip, 0)).expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// A program that ends with the test.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = fs::File::create(&log).expect("the test's folder is writable");
        let out = file.try_clone().expect("a file");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(file).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")), log }
    }

    /// Waits until somebody listens there.
    async fn until_listening(&mut self, address: &str) {
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                let ended = self.child.try_wait().expect("a child of this process");
                assert!(ended.is_none(), "{ended:?}\n{}", fs::read_to_string(&self.log).unwrap_or_default());
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, listening).await.expect("it listens in time");
    }

    /// Waits until all of this stands in its log.
    async fn until_it_says(&self, texts: &[String]) {
        let said = async {
            loop {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                if texts.iter().all(|text| log.contains(text.as_str())) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, said).await.expect("it says so in time");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked to end, nginx takes its workers with it.
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "---- {} ----\n{}",
                self.log.display(),
                fs::read_to_string(&self.log).unwrap_or_default()
            );
        }
    }
}

/// The example with these pieces of text replaced, each of which has to be there.
fn example(name: &str, replacements: &[(&str, String)], to: &Path) -> PathBuf {
    let mut text = fs::read_to_string(packaging().join(name)).expect("the example");
    for (from, with) in replacements {
        assert!(text.contains(from), "{name} has no `{from}`");
        text = text.replace(from, with);
    }
    assert!(!text.contains(" 10.0.0.11:"), "every address of the first node is replaced");
    let path = to.join(name);
    fs::write(&path, text).expect("the test's folder is writable");
    path
}

/// The address that the server shows for the session with this resource.
fn shown(world: &World, resource: &str) -> String {
    let listed = world.server.admin(&["sessions", "--json"], "").expect("sessions");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let sessions = listed["sessions"].as_array().expect("a list");
    let session = sessions.iter().find(|session| session["resource"] == resource);
    session.unwrap_or_else(|| panic!("{listed}"))["ip"].as_str().expect("an address").to_owned()
}

async fn sign_in(transport: Transport, user: &str, resource: &str) -> Client {
    let mut client = Client::new(transport, "localhost", SharedCaptures::default());
    client.open().await.expect("a stream");
    if matches!(client.transport(), Transport::Plain(_)) {
        client.starttls(&Tls::default()).await.expect("TLS");
    }
    client.sign_in(user, &password(user), resource).await.expect("signed in");
    client
}

/// One request over HTTPS, and its answer.
async fn https(address: &str, head: &str, body: &[u8]) -> Answer {
    let stream = connect_from(client_address(), address, b"").await.expect("connected");
    let tls = Transport::Plain(stream).upgrade(&Tls::default()).await.expect("TLS");
    let Transport::Tls(mut stream) = tls else { panic!("TLS was asked for") };
    let request = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    stream.write_all(body).await.expect("written");
    stream.flush().await.expect("written");
    let mut heard = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("an answer in time");
    Answer::parse(&heard)
}

/// Some megabytes that are not all the same.
fn content() -> Vec<u8> {
    (0..8_000_000u32).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

/// Uploads and downloads a file by way of this address.
async fn file_goes_up_and_down(address: &str, client: &mut Client) {
    let content = content();
    let slot = Slot::request(client, "large.bin", content.len() as u64, "application/zip").await;
    assert!(slot.link.starts_with(&format!("https://{address}/files/")), "{}", slot.link);
    let head = format!(
        "PUT {} HTTP/1.1\r\nContent-Length: {}\r\nContent-Type: application/zip\r\n{}",
        slot.path,
        content.len(),
        slot.authorization
    );
    assert_eq!(https(address, &head, &content).await.status, 201);
    let got = https(address, &format!("GET {} HTTP/1.1", slot.path), b"").await;
    assert!(got.status == 200 && got.body == content, "{}", got.head);
}

/// covers: interop HAProxy
#[tokio::test]
async fn haproxy_balances_xmpp_and_follows_readiness() {
    if fetched("haproxy").is_none() {
        return;
    }
    let [xmpp, xmpps, federation, federation_tls, web]: [String; 5] =
        std::array::from_fn(|_| free_address("127.0.79.11"));
    let setup = Setup::default()
        .section("[listen.proxy_from]\nxmpp = [\"127.0.0.1\"]\nxmpp_tls = [\"127.0.0.1\"]\nhttps = [\"127.0.0.1\"]")
        .section(&format!("[files]\nurl = \"https://{web}/files/\""))
        .section("[shutdown]\nannounce_ms = 600_000");
    let mut world = World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await;
    world.user("romeo");
    let addresses = world.server.addresses().clone();
    let http = addresses.http.rsplit(':').next().unwrap_or_default().to_owned();
    let nowhere = format!(" {} disabled", free_address("127.0.79.11"));
    let replacements = [
        // As many as the files that this process may open allow.
        ("maxconn 100000", "maxconn 1000".to_owned()),
        ("bind :5222", format!("bind {xmpp}")),
        ("bind :5223", format!("bind {xmpps}")),
        ("bind :5269", format!("bind {federation}")),
        ("bind :5270", format!("bind {federation_tls}")),
        ("bind :443", format!("bind {web}")),
        (" 10.0.0.11:5222", format!(" {}", addresses.xmpp)),
        (" 10.0.0.11:5223", format!(" {}", addresses.xmpps)),
        (" 10.0.0.11:5269", nowhere.clone()),
        (" 10.0.0.11:5270", nowhere.clone()),
        (" 10.0.0.11:5281", format!(" {}", addresses.https)),
        ("check port 5280", format!("check port {http}")),
    ];
    // The two other nodes are not there: what the balancer makes of it is tested too.
    let config = example("haproxy.cfg", &replacements, world.server.folder());
    let text = fs::read_to_string(&config).expect("the example").replace(" 10.0.0.1", " 127.0.99.1");
    fs::write(&config, text).expect("the test's folder is writable");
    let log = world.server.folder().join("haproxy.log");
    let mut haproxy = Running::start(Command::new("haproxy").args(["-db", "-f"]).arg(&config), log);
    haproxy.until_listening(&xmpp).await;
    haproxy.until_it_says(&["xmpp", "xmpps", "https"].map(|list| format!("{list}/node2 is DOWN"))).await;
    haproxy.until_it_says(&["xmpp", "xmpps", "https"].map(|list| format!("{list}/node3 is DOWN"))).await;

    let plain = Transport::plain_from(client_address(), &xmpp, b"").await.expect("connected");
    let mut romeo = sign_in(plain, "romeo", "starttls").await;
    let plain = Transport::plain_from(client_address(), &xmpps, b"").await.expect("connected");
    let tls = plain.upgrade(&Tls { alpn: vec![b"xmpp-client".to_vec()], ..Tls::default() }).await;
    let mut direct = sign_in(tls.expect("TLS"), "romeo", "direct").await;
    let stream = connect_from(client_address(), &web, b"").await.expect("connected");
    let socket = Transport::websocket_on(stream, &web, Some(&Tls::default()), "/xmpp-websocket", None).await;
    let mut socket = sign_in(socket.expect("a WebSocket"), "romeo", "websocket").await;
    for resource in ["starttls", "direct", "websocket"] {
        assert!(shown(&world, resource).starts_with(&format!("{CLIENT}:")), "{}", shown(&world, resource));
    }
    file_goes_up_and_down(&web, &mut romeo).await;

    // A node that leaves gets nobody new, and keeps who is there.
    world.server.signal("TERM").expect("told");
    let turned_away = async {
        loop {
            let plain = Transport::plain_from(client_address(), &xmpp, b"").await.expect("connected");
            let mut client = Client::new(plain, "localhost", SharedCaptures::default());
            if client.open().await.is_err() {
                return;
            }
        }
    };
    timeout(PATIENCE, turned_away).await.expect("the balancer follows readiness");
    assert!(world.get("/health/ready").await.expect("an answer").0.starts_with("HTTP/1.1 503"));
    for client in [&mut romeo, &mut direct, &mut socket] {
        client.round_trip().await;
    }
    world.server.signal("TERM").expect("told");
    romeo.expect_stream_error("system-shutdown").await;
    assert!(world.server.wait().expect("it ends").success());
}

/// covers: interop nginx
#[tokio::test]
async fn nginx_passes_on_websockets_and_large_files() {
    if fetched("nginx").is_none() {
        return;
    }
    let web = free_address("127.0.79.12");
    let setup = Setup::default()
        .section("[http]\nforwarded_from = [\"127.0.0.1\"]\nmonitoring_networks = [\"192.0.2.0/24\"]")
        .section(&format!("[files]\nurl = \"https://{web}/files/\""));
    let world = World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await;
    world.user("romeo");
    let folder = world.server.folder().to_owned();
    let tls = world.server.data().join("tls");
    let replacements = [
        ("/run/nginx.pid", folder.join("nginx.pid").display().to_string()),
        ("listen 443 ssl", format!("listen {web} ssl")),
        ("/etc/nginx/chat.example.org.crt", tls.join("localhost.crt").display().to_string()),
        ("/etc/nginx/chat.example.org.key", tls.join("localhost.key").display().to_string()),
        (" 10.0.0.11:5280", format!(" {}", world.server.addresses().http)),
        // Nobody listens there: nginx goes on to the node that is there.
        (" 10.0.0.12:5280", format!(" {}", free_address("127.0.79.12"))),
        (" 10.0.0.13:5280", format!(" {}", free_address("127.0.79.12"))),
    ];
    let config = example("nginx.conf", &replacements, &folder);
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-g", "daemon off; user root;", "-p"]).arg(&folder).arg("-c").arg(config);
    let mut nginx = Running::start(&mut command, folder.join("nginx.log"));
    nginx.until_listening(&web).await;

    let stream = connect_from(client_address(), &web, b"").await.expect("connected");
    let socket = Transport::websocket_on(stream, &web, Some(&Tls::default()), "/xmpp-websocket", None).await;
    let mut romeo = sign_in(socket.expect("a WebSocket"), "romeo", "websocket").await;
    romeo.round_trip().await;
    assert_eq!(shown(&world, "websocket"), format!("{CLIENT}:0"));
    file_goes_up_and_down(&web, &mut romeo).await;
    // What the client claims is not believed, although nginx passes it on.
    let claim = "GET /metrics HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1";
    assert_eq!(https(&web, claim, b"").await.status, 404);
    let page = https(&web, "GET / HTTP/1.1", b"").await;
    assert_eq!(page.status, 200, "{}", page.head);
    assert!(page.header("strict-transport-security").is_some(), "{}", page.head);
}
