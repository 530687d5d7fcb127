//! What a command works with: the installation, the running server if there is one, and who is asking.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use waxwing_chat::Chat;
use waxwing_chat::access::{Bearer, Scope};
use waxwing_cluster::nats::Nats;
use waxwing_xmpp::jid::Jid;

use super::failure::{Code, Failure};
use super::registry::Permission;
use crate::tls::Tls;
use crate::xmpp::federation::Federation;

/// The installation as commands see it.
pub struct Admin {
    /// The domain.
    pub chat: Arc<Chat>,
    /// Where the data is.
    pub data_dir: PathBuf,
    /// The running server; `None` when a command works on the data of a stopped one.
    pub running: Option<Running>,
}

impl Admin {
    /// The running server, for commands that are about nothing else.
    pub fn running(&self) -> Result<&Running, Failure> {
        self.running.as_ref().ok_or_else(|| Failure::new(Code::Unavailable, "No server runs."))
    }
}

/// The running server: facts, and a way to steer it.
pub struct Running {
    /// When it began.
    pub started: Instant,
    /// What it listens on.
    pub listeners: Vec<Listening>,
    /// Its certificates.
    pub tls: Arc<Tls>,
    /// The way to other servers, unless it is off.
    pub federation: Option<Arc<Federation>>,
    /// The bus to other nodes, where there are any.
    pub bus: Option<Arc<Nats>>,
    /// Steers it.
    pub steering: mpsc::Sender<Steer>,
}

impl Running {
    /// Asks the main task for something and waits for its word.
    pub async fn steer<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Steer) -> Result<T, Failure> {
        let (sender, receiver) = oneshot::channel();
        let stopping = || Failure::new(Code::Unavailable, "The server is stopping.");
        self.steering.send(ask(sender)).await.map_err(|_| stopping())?;
        receiver.await.map_err(|_| stopping())
    }
}

/// One address the server listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listening {
    /// What is spoken there: `xmpp`, `xmpps`, `xmpp-server`, `xmpps-server`, `http`, `https`.
    pub protocol: String,
    /// The address and port.
    pub address: String,
}

/// What an administrator may ask of the running server's main task.
pub enum Steer {
    /// Read the configuration and the certificates again; the answer says what changed, or what is wrong.
    Reload(oneshot::Sender<Result<Vec<String>, String>>),
    /// Read the certificates again, forget what lets TLS sessions be resumed, and end the sessions at a domain, or all,
    /// so that they negotiate anew; the answer says how many.
    Reset(Option<String>, oneshot::Sender<Result<usize, String>>),
    /// Leave: say that nobody new is wanted, send clients away over time, then stop; the answer comes when that begins.
    Leave(oneshot::Sender<()>),
    /// Drain and stop; the answer comes when the drain begins.
    Stop(oneshot::Sender<()>),
    /// The same, and start anew.
    Restart(oneshot::Sender<()>),
}

/// Who uses a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name in the audit log: an address, or `local`.
    pub name: String,
    permissions: Vec<Permission>,
}

impl Actor {
    /// Whoever can open the administration socket, or the data folder itself: may do everything.
    pub fn local() -> Self {
        Self {
            name: "local".to_owned(),
            permissions: vec![Permission::View, Permission::Accounts, Permission::Installation],
        }
    }

    /// An administrator of this installation, by the bare address of his account: may do everything.
    pub fn administrator(account: &Jid) -> Self {
        Self { name: account.bare_str().to_owned(), ..Self::local() }
    }

    /// A program that has shown an access token: may do what an administrator may, as far as its scopes go.
    pub fn program(bearer: &Bearer) -> Self {
        let scopes = [
            (Scope::AdminView, Permission::View),
            (Scope::AdminAccounts, Permission::Accounts),
            (Scope::AdminInstallation, Permission::Installation),
        ];
        let may =
            scopes.into_iter().filter(|(scope, _)| bearer.may(*scope)).map(|(_, permission)| permission);
        Self { name: format!("{} token {}", bearer.account.jid, bearer.token.id), permissions: may.collect() }
    }

    /// Whether a command of this kind is allowed.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}

/// What a command inside the server, or on its data, is given.
#[derive(Clone)]
pub struct Context {
    /// The installation.
    pub admin: Arc<Admin>,
    /// Who is asking.
    pub actor: Actor,
}

/// What a command in the calling process is given.
#[derive(Debug, Clone)]
pub struct Program {
    /// The configuration file that was named, if any.
    pub config: Option<PathBuf>,
}
