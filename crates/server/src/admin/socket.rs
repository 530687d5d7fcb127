//! The administration socket: a Unix socket in the data folder that only the server's own user and root can use.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::context::{Actor, Admin, Context};
use super::failure::{Code, Failure};
use super::protocol::{LINE_BYTES, Reply, Request, VERSION};
use super::registry;
use crate::lifecycle::Lifecycle;

/// How many connections are served at once; more wait.
const CONNECTIONS: usize = 32;

/// How long a connection may stay without a request.
const IDLE: Duration = Duration::from_secs(60);

/// The bound socket. Its file is removed when it is dropped.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl Socket {
    /// Binds the socket. A file left by a server that died is replaced: the caller holds the lock of the data folder, so
    /// that no server that lives can own it.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let owner = std::fs::symlink_metadata(path)?.uid();
        Ok(Self { listener, path: path.to_owned(), owner })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves requests until it is dropped. A request that has begun is answered before the process ends.
    pub async fn serve(self, admin: Arc<Admin>, lifecycle: Lifecycle) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) if self.allows(&stream) => {
                    let (admin, lifecycle) = (Arc::clone(&admin), lifecycle.clone());
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, admin, lifecycle).await {
                            tracing::debug!(%error, "an administration connection ended");
                        }
                        drop(place);
                    });
                }
                Ok(_) => tracing::warn!("another user's connection to the administration socket was refused"),
                Err(error) => {
                    tracing::warn!(%error, "the administration socket could not accept a connection");
                    // Out of file descriptors, most likely: give others time to close theirs.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// The socket's mode keeps other users out already; this holds when somebody loosened it.
    fn allows(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| peer.uid() == self.owner || peer.uid() == 0)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(stream: UnixStream, admin: Arc<Admin>, lifecycle: Lifecycle) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(LINE_BYTES).unwrap_or(u64::MAX);
        let mut limited = (&mut read).take(limit);
        let Ok(length) = tokio::time::timeout(IDLE, limited.read_until(b'\n', &mut line)).await else {
            return Ok(());
        };
        if length? == 0 {
            return Ok(());
        }
        let _unanswered = lifecycle.guard();
        let reply = Reply::from(answer(&line, &admin).await);
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        write.write_all(&text).await?;
        if !line.ends_with(b"\n") {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], admin: &Arc<Admin>) -> Result<serde_json::Value, Failure> {
    // The version is looked at before anything else, so that a later protocol gets a clear answer.
    let value: serde_json::Value = serde_json::from_slice(line).map_err(|error| {
        Failure::new(Code::Protocol, format!("The request is not JSON on one line: {error}."))
    })?;
    match value.get("waxwing").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            return Err(Failure::new(
                Code::Protocol,
                format!(
                    "This server speaks version {VERSION} of the administration protocol, not {version}."
                ),
            ));
        }
        None => {
            return Err(Failure::new(Code::Protocol, "The request has no version (\"waxwing\")."));
        }
    }
    let request: Request = serde_json::from_value(value)
        .map_err(|error| Failure::new(Code::Protocol, format!("The request is not understood: {error}.")))?;
    let command = registry::find(&request.command).ok_or_else(|| {
        Failure::new(Code::UnknownCommand, format!("There is no command \"{}\".", request.command))
    })?;
    let context = Context { admin: Arc::clone(admin), actor: Actor::local() };
    registry::run(context, command, request.arguments).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Stopped;
    use crate::config::Config;
    use crate::tls::testing::Scratch;

    async fn ask(lines: &str) -> Vec<serde_json::Value> {
        let (client, server) = UnixStream::pair().expect("a pair");
        let scratch = Scratch::new();
        let config = Config { data_dir: scratch.path().join("data"), ..Config::default() };
        let stopped = Stopped::open(&config).await.expect("opened");
        let admin = Arc::clone(&stopped.admin);
        let serving = tokio::spawn(converse(server, admin, Lifecycle::new()));
        let (mut read, mut write) = client.into_split();
        write.write_all(lines.as_bytes()).await.expect("sent");
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).await.expect("answered");
        serving.await.expect("no panic").expect("no error");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[tokio::test]
    async fn requests_of_one_connection_are_answered_in_order() {
        let replies =
            ask("{\"waxwing\":1,\"command\":\"user list\"}\n{\"waxwing\":1,\"command\":\"nosuch\"}\n").await;
        assert_eq!(replies[0]["result"]["users"], serde_json::json!([]));
        assert_eq!(replies[1]["error"]["code"], "unknown-command");
    }

    #[tokio::test]
    async fn what_is_not_a_request_is_refused() {
        for (line, code) in [
            ("nonsense\n", "protocol"),
            ("[]\n", "protocol"),
            ("{\"command\":\"status\"}\n", "protocol"),
            ("{\"waxwing\":2,\"command\":\"status\"}\n", "protocol"),
            ("{\"waxwing\":1,\"command\":\"status\",\"more\":1}\n", "protocol"),
            ("{\"waxwing\":1,\"command\":\"status\",\"arguments\":{\"x\":1}}\n", "invalid-argument"),
            ("{\"waxwing\":1,\"command\":\"version\"}\n", "unknown-command"),
            ("{\"waxwing\":1,\"command\":\"status\"}\n", "unavailable"),
        ] {
            assert_eq!(ask(line).await[0]["error"]["code"], code, "{line}");
        }
    }

    #[tokio::test]
    async fn only_the_owner_can_open_the_socket() {
        let folder = std::env::temp_dir().join(format!("waxwing-socket-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("admin.sock");
        drop(Socket::bind(&path).expect("bound"));
        let socket = Socket::bind(&path).expect("bound again after an unclean end");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
