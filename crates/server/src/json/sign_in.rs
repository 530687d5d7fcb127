//! From a new connection to a session: who it is, and what the client is told about the server.

use std::net::SocketAddr;
use std::sync::Arc;

use waxwing_chat::account::Account;
use waxwing_chat::auth::{Attempt, Grant};
use waxwing_chat::bearers;
use waxwing_chat::event::Close;
use waxwing_chat::queue::Events;
use waxwing_chat::session::{ClientInfo, Session};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::Failure;

use super::client::Client;
use super::error::{Condition, Fault};
use super::face::{Current, Face};
use super::people;
use super::types::{self, Limits, SessionSignIn, SignInBy, SignedIn};
use crate::net::Step;

/// The version of the protocol.
pub(crate) const PROTOCOL: u32 = 1;

/// What the protocol has learned since its first version, by which a client that is older or newer than the server knows it.
const FEATURES: [&str; 1] = ["message.close_poll"];

/// Bytes of a client's name or version.
const NAME_BYTES_LIMIT: usize = 128;

/// Bytes of a device's id.
const DEVICE_BYTES_LIMIT: usize = 128;

/// Bytes of a password that is tried. Deriving from a longer one would only cost time.
const PASSWORD_BYTES_LIMIT: usize = 1024;

/// The client's end of the connection, as far as signing in has to know it.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) peer: SocketAddr,
    pub(crate) tls: bool,
    pub(crate) connection: String,
}

/// A client that has signed in.
pub(crate) struct Entered {
    pub(crate) client: Arc<Client>,
    pub(crate) events: Events,
    pub(crate) answer: SignedIn,
}

/// What kind of step it is to sign in by these credentials.
pub(crate) fn kind(params: &SessionSignIn) -> Step {
    match &params.credentials {
        SignInBy::Token { .. } => Step::Resuming,
        SignInBy::Password { .. } | SignInBy::Invitation { .. } => Step::UnderWay,
    }
}

/// Signs somebody in.
pub(crate) async fn sign_in(
    face: &Arc<Face>,
    current: &Current,
    origin: &Origin,
    params: SessionSignIn,
) -> Result<Entered, Fault> {
    let chat = &face.chat;
    check(&params)?;
    let device = params.client.device.clone();
    let token = match &params.credentials {
        SignInBy::Token { token } => Some(token.clone()),
        SignInBy::Password { .. } | SignInBy::Invitation { .. } => None,
    };
    let grant = grant(face, origin, &device, params.credentials).await?;
    let account = &grant.account;
    let resource = chat.resource_suffix(account, None);
    let info = client_info(origin, &params.client, &grant, chat.now_ms());
    let (session, events) =
        chat.bind(account, grant.as_of, &resource, info).await.map_err(|error| match error {
            // It could no longer sign in.
            waxwing_chat::Error::Forbidden => unauthorized(),
            error => error.into(),
        })?;
    let entered = async {
        let issued = enter(face, &session, account, &device, (token.as_deref(), params.remember)).await?;
        Ok((issued, people::own_account(chat, account).await?))
    };
    match entered.await {
        Ok((issued, shown)) => {
            let client = Arc::new(Client::new(Arc::clone(&session), device));
            let answer = SignedIn {
                account: shown,
                token: issued,
                session: session.jid.to_string(),
                server: server(face),
                limits: limits(face, current),
            };
            Ok(Entered { client, events, answer })
        }
        Err(fault) => {
            chat.unbind(&session, None).await;
            Err(fault)
        }
    }
}

/// What every client has to say about itself.
fn check(params: &SessionSignIn) -> Result<(), Fault> {
    if params.protocol != PROTOCOL {
        let sentence = format!("This server speaks version {PROTOCOL} of the protocol.");
        return Err(Fault::field("protocol", sentence));
    }
    let client = &params.client;
    let short = |field: &'static str, text: &str, limit: usize| match text.len() {
        0 => Err(Fault::field(field, "A client must say that.")),
        bytes if bytes > limit => Err(Fault::field(field, format!("At most {limit} bytes are taken."))),
        _ => Ok(()),
    };
    short("client.name", &client.name, NAME_BYTES_LIMIT)?;
    short("client.device", &client.device, DEVICE_BYTES_LIMIT)?;
    client.version.as_ref().map_or(Ok(()), |version| short("client.version", version, NAME_BYTES_LIMIT))
}

/// Decides by the credentials. Whoever may not come in is told the same, whatever the reason.
async fn grant(face: &Face, origin: &Origin, device: &str, by: SignInBy) -> Result<Grant, Fault> {
    let chat = &face.chat;
    let address = Some(origin.peer.ip());
    let outcome = match by {
        SignInBy::Password { address: account, password } => {
            if password.len() > PASSWORD_BYTES_LIMIT {
                return Err(unauthorized());
            }
            let jid = Jid::new(&account).ok().filter(Jid::is_bare);
            let parts = jid.as_ref().and_then(|jid| Some((jid.local()?, jid.domain())));
            let Some((username, domain)) = parts else {
                return Err(Fault::field("credentials", "The address must be like romeo@example.org."));
            };
            chat.sign_in(&mut Attempt::new(domain, address), username, &password).await
        }
        SignInBy::Token { token } => {
            chat.sign_in_by_bearer(&mut Attempt::new("", address), device, &token).await
        }
        SignInBy::Invitation { token, name, password } => {
            let found = chat.invitation(&token).await?;
            let invited = found.as_ref().and_then(|i| Some((i, i.register_at.as_deref()?)));
            let Some((invitation, domain)) = invited else {
                return Err(Fault::new(Condition::Gone)
                    .saying("This invitation is not good any more.")
                    .about("credentials"));
            };
            let made = chat.register(domain, &name, &password, Some(invitation), address).await;
            made.map_err(|error| Fault::from(error).about("credentials"))?;
            chat.sign_in(&mut Attempt::new(domain, address), &name, &password).await
        }
    };
    outcome.map_err(|failure| {
        tracing::info!(address = ?origin.peer.ip(), %failure, "sign-in refused");
        match failure {
            Failure::TemporaryAuthFailure => {
                Fault::new(Condition::Unavailable).saying("Signing in is not possible now. Wait a moment.")
            }
            Failure::MechanismTooWeak => Fault::new(Condition::NotAllowed)
                .saying("Administrators must sign in here in another way.")
                .about("credentials"),
            _ => unauthorized(),
        }
    })
}

fn unauthorized() -> Fault {
    Fault::new(Condition::Unauthorized).about("credentials")
}

/// What is to be done once the session can be found: looks at the token again, and gives another one.
async fn enter(
    face: &Face,
    session: &Arc<Session>,
    account: &Account,
    device: &str,
    (token, remember): (Option<&str>, bool),
) -> Result<Option<String>, Fault> {
    let chat = &face.chat;
    session.set_carbons(true);
    session.set_roster_wanted();
    session.set_blocklist_wanted();
    let mut issue = remember;
    if let Some(token) = token {
        let Some(age_ms) = chat.bearer_age_ms(account.id, device, token).await? else {
            return Err(unauthorized());
        };
        issue |= age_ms >= chat.settings().token_lifetime_ms / 2;
    }
    chat.attend(session).await?;
    match issue {
        true => Ok(Some(chat.issue_bearer(account, device).await?.text)),
        false => Ok(None),
    }
}

/// Ends what is left of the same device's last connection, now that this one is seen.
pub(crate) fn replace_absent(face: &Face, session: &Arc<Session>) {
    let agent = session.info().agent;
    for other in face.chat.sessions().of(&session.bare) {
        if other.id != session.id && other.suspended_since_ms().is_some() && other.info().agent == agent {
            other.close(Close::Replaced);
        }
    }
    if face.chat.cluster().is_some() {
        let (chat, session) = (Arc::clone(&face.chat), Arc::clone(session));
        tokio::spawn(async move {
            for other in chat.sessions_everywhere(Some(&session.bare)).await {
                let absent = other.suspended_since_ms.is_some() && other.info.agent == agent;
                if absent && other.jid != session.jid {
                    chat.end_session(&other.jid, Close::Replaced).await;
                }
            }
        });
    }
}

fn client_info(origin: &Origin, client: &types::Client, grant: &Grant, now_ms: u64) -> ClientInfo {
    let software = match &client.version {
        Some(version) => format!("{} {version}", client.name),
        None => client.name.clone(),
    };
    ClientInfo {
        face: "json",
        address: Some(origin.peer),
        tls: origin.tls.then(|| "https".to_owned()),
        mechanism: if grant.knows_password() { "PASSWORD" } else { bearers::MECHANISM }.to_owned(),
        software: Some(software),
        agent: Some(bearers::agent(&client.device)),
        connection: origin.connection.clone(),
        since_ms: now_ms,
    }
}

fn server(face: &Face) -> types::Server {
    let domains = face.chat.settings().domains.clone();
    types::Server {
        name: domains.first().cloned().unwrap_or_default(),
        domains,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        time_ms: face.chat.now_ms(),
        features: FEATURES.map(str::to_owned).into(),
    }
}

/// What is allowed, from the settings that are enforced.
pub(crate) fn limits(face: &Face, current: &Current) -> Limits {
    let config = &current.config;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Limits {
        frame_bytes: config.frame_bytes as u64,
        page: count(config.page),
        text_bytes: count(config.text_bytes),
        attachments: count(config.attachments),
        mentions: count(config.mentions),
        payloads: count(config.payloads),
        reactions: count(config.reactions),
        upload_bytes: face.chat.settings().files.file_bytes_limit,
        recall_ms: config.recall_ms,
        edit_ms: config.edit_ms,
    }
}
