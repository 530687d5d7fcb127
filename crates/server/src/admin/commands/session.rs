//! `sessions` and `sessions end`: who is connected.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::cluster::ListedSession;
use waxwing_chat::event::Close;
use waxwing_chat::time::timestamp;
use waxwing_xmpp::jid::Jid;

use crate::admin::context::{Context, Steer};
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

/// `sessions`.
pub(super) const LIST: Command = Command {
    name: "sessions",
    summary: "List who is connected",
    help: "A session that is connected but not available has sent no presence. One whose connection was lost is suspended, \
           as long as its client may resume it (XEP-0198).",
    permission: Permission::View,
    parameters: &[
        Parameter::optional("account", Kind::Account, "Only those of this account."),
        Parameter::optional("limit", Kind::Number { min: 1, max: 100_000 }, "How many at most.").or("1000"),
    ],
    run: Run::Server(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `sessions end`.
pub(super) const END: Command = Command {
    name: "sessions end",
    summary: "End the sessions of an account, or one of them",
    help: "The client is told and may sign in again: to keep it out, disable the account or set another password.",
    permission: Permission::Accounts,
    parameters: &[Parameter::required(
        "address",
        Kind::Address,
        "The account's address for all of its sessions, or with a resource for one.",
    )],
    run: Run::Server(|context, arguments| call(context, arguments, end)),
    render: render::<Ended>,
};

/// `sessions reset`.
pub(super) const RESET: Command = Command {
    name: "sessions reset",
    summary: "Have every client negotiate encryption and authentication anew",
    help: "For when a certificate's key has leaked and was replaced, or stricter settings are in force and must not wait \
           until clients reconnect by themselves. The certificates are read again, no TLS session can be resumed, and \
           every session ends with the stream error `reset` (RFC 6120 section 4.9.3.16). Clients come back by themselves; \
           nothing that was sent to them is lost.",
    permission: Permission::Installation,
    parameters: &[
        Parameter::optional("domain", Kind::Text, "Only sessions at this domain.").or("all domains")
    ],
    run: Run::Server(|context, arguments| call(context, arguments, reset)),
    render: render::<Ended>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    account: Option<String>,
    #[serde(default = "page")]
    limit: usize,
}

fn page() -> usize {
    1000
}

#[derive(Serialize, Deserialize)]
struct Listed {
    /// How many there are.
    total: usize,
    /// As many of them as were asked for, in the order of their addresses.
    sessions: Vec<Connected>,
}

#[derive(Serialize, Deserialize)]
struct Connected {
    /// The account.
    address: String,
    /// The resource.
    resource: String,
    /// The name of the software, if it told us.
    client: Option<String>,
    /// The way it came in.
    face: String,
    /// Where it is connected from.
    ip: Option<String>,
    /// Since when.
    since: String,
    /// The version of TLS.
    tls: Option<String>,
    /// How it signed in.
    mechanism: String,
    /// `available`; `connected` when it has sent no presence; `suspended` when its connection was lost and it may be
    /// resumed.
    state: String,
    /// Since when it is suspended.
    suspended_since: Option<String>,
    /// The connection's id in the log.
    connection: String,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let rows: Vec<Vec<String>> = self
            .sessions
            .iter()
            .map(|session| {
                vec![
                    format!("{}/{}", session.address, session.resource),
                    or_dash(&session.client),
                    or_dash(&session.ip),
                    minute(&session.since),
                    or_dash(&session.tls),
                    session.mechanism.clone(),
                    match &session.suspended_since {
                        Some(since) => format!("suspended since {}", minute(since)),
                        None => session.state.clone(),
                    },
                ]
            })
            .collect();
        table::write(f, &["SESSION", "CLIENT", "FROM", "SINCE", "TLS", "MECHANISM", "STATE"], &rows)?;
        if self.total > rows.len() {
            write!(f, "\n{} of {}.", rows.len(), self.total)?;
        }
        Ok(())
    }
}

/// A time without its seconds, for people.
fn minute(timestamp: &str) -> String {
    timestamp.get(..16).unwrap_or(timestamp).replace('T', " ")
}

async fn list(context: Context, arguments: List) -> Result<Listed, Failure> {
    let account = arguments.account.as_deref().and_then(|text| Jid::new(text).ok());
    let found = context.admin.chat.sessions_everywhere(account.as_ref()).await;
    let total = found.len();
    let sessions = found.into_iter().take(arguments.limit).map(connected).collect();
    Ok(Listed { total, sessions })
}

fn connected(session: ListedSession) -> Connected {
    let info = session.info;
    let suspended_since = session.suspended_since_ms.map(timestamp);
    let state = match (&suspended_since, session.priority.is_some()) {
        (Some(_), _) => "suspended",
        (None, true) => "available",
        (None, false) => "connected",
    };
    Connected {
        address: session.jid.bare_str().to_owned(),
        resource: session.jid.resource().unwrap_or_default().to_owned(),
        client: info.software,
        face: info.face.to_owned(),
        ip: info.address.map(|address| address.to_string()),
        since: timestamp(info.since_ms),
        tls: info.tls,
        mechanism: info.mechanism,
        state: state.to_owned(),
        suspended_since,
        connection: info.connection,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    address: String,
}

#[derive(Serialize, Deserialize)]
struct Ended {
    /// How many were told to end.
    ended: usize,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ended {
            1 => f.write_str("1 session ended."),
            n => write!(f, "{n} sessions ended."),
        }
    }
}

async fn end(context: Context, arguments: End) -> Result<Ended, Failure> {
    let jid = Jid::new(&arguments.address)
        .map_err(|error| Failure::invalid("address", format!("\"{}\": {error}.", arguments.address)))?;
    let chat = &context.admin.chat;
    let ended = match jid.is_bare() {
        true => chat.end_sessions(&jid, Close::Ended, None),
        false => usize::from(chat.end_session(&jid, Close::Ended).await),
    };
    if ended == 0 {
        return Err(Failure::argument(Code::NotFound, "address", format!("{jid} is not connected.")));
    }
    chat.record(&context.actor.name, "session.end", jid.as_str(), "")
        .await
        .map_err(|error| domain_failure(error, "address", ""))?;
    Ok(Ended { ended })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    domain: Option<String>,
}

async fn reset(context: Context, arguments: Reset) -> Result<Ended, Failure> {
    let chat = &context.admin.chat;
    if let Some(domain) = arguments.domain.as_deref().filter(|domain| !chat.is_local(domain)) {
        return Err(Failure::argument(Code::NotFound, "domain", format!("{domain} is not served here.")));
    }
    let target = arguments.domain.clone().unwrap_or_else(|| "all domains".to_owned());
    chat.record(&context.actor.name, "session.reset", &target, "")
        .await
        .map_err(|error| domain_failure(error, "domain", ""))?;
    let steered = context.admin.running()?.steer(|answer| Steer::Reset(arguments.domain, answer)).await?;
    steered.map(|ended| Ended { ended }).map_err(|error| Failure::new(Code::Refused, error))
}
