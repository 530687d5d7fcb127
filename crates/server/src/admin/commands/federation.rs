//! `federation` and `federation block|unblock|blocked`: the connections with other servers, and whom nothing is taken from.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::time::timestamp;
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};
use crate::xmpp::federation::Connected;

/// `federation`.
pub(super) const LIST: Command = Command {
    name: "federation",
    summary: "List the connections with other servers",
    help: "Each line is a pair of domains that may send on a connection. `in` are connections that the other server opened, \
           `out` ours: stanzas flow one way on each. The proof is how the side that connected has shown who it is.",
    permission: Permission::View,
    parameters: &[],
    run: Run::Server(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `federation block`.
pub(super) const BLOCK: Command = Command {
    name: "federation block",
    summary: "Have nothing to do with an address elsewhere, or with a whole domain",
    help: "Nothing is taken from it and nothing sent to it, for everybody here, from now on and over restarts. Which domains the \
           server speaks to at all is configured in its file, in `federation.allow` and `federation.deny`.",
    permission: Permission::Installation,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, block)),
    render: render::<Changed>,
};

/// `federation unblock`.
pub(super) const UNBLOCK: Command = Command {
    name: "federation unblock",
    summary: "Speak again with an address or domain that was blocked",
    help: "",
    permission: Permission::Installation,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, unblock)),
    render: render::<Changed>,
};

/// `federation blocked`.
pub(super) const BLOCKED: Command = Command {
    name: "federation blocked",
    summary: "List the addresses and domains that are blocked",
    help: "",
    permission: Permission::View,
    parameters: &[],
    run: Run::Data(|context, arguments| call(context, arguments, blocked)),
    render: render::<Blocked>,
};

const ADDRESS: Parameter =
    Parameter::required("address", Kind::Text, "A domain, an account, or an account with a resource.");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Listed {
    /// In the order in which they were made.
    connections: Vec<Connected>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<Vec<String>> = self
            .connections
            .iter()
            .map(|pair| {
                vec![
                    pair.direction.clone(),
                    pair.from.clone(),
                    pair.to.clone(),
                    pair.address.clone(),
                    pair.proof.clone(),
                    timestamp(pair.since_ms),
                ]
            })
            .collect();
        table::write(f, &["WAY", "FROM", "TO", "ADDRESS", "PROOF", "SINCE"], &rows)
    }
}

async fn list(context: Context, _: Nothing) -> Result<Listed, Failure> {
    let federation = context.admin.running()?.federation.as_ref();
    Ok(Listed { connections: federation.map_or_else(Vec::new, |federation| federation.connected()) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    address: String,
}

#[derive(Serialize, Deserialize)]
struct Changed {
    /// Which.
    address: String,
    /// What was done: `blocked` or `unblocked`.
    done: String,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}.", self.address, self.done)
    }
}

#[derive(Serialize, Deserialize)]
struct Blocked {
    /// In their order.
    addresses: Vec<String>,
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses.as_slice() {
            [] => f.write_str("Nobody is blocked."),
            addresses => f.write_str(&addresses.join("\n")),
        }
    }
}

fn address(arguments: &One) -> Result<Jid, Failure> {
    let text = &arguments.address;
    Jid::new(text).map_err(|error| Failure::invalid("address", format!("\"{text}\": {error}.")))
}

/// Reads the list, which nobody has done on the data of a stopped server.
async fn load(context: &Context) -> Result<(), Failure> {
    context.admin.chat.load_barred().await.map_err(|error| domain_failure(error, "", ""))
}

async fn block(context: Context, arguments: One) -> Result<Changed, Failure> {
    let jid = address(&arguments)?;
    load(&context).await?;
    let done = context.admin.chat.change_barred(std::slice::from_ref(&jid), &[], &context.actor.name).await;
    done.map_err(|error| domain_failure(error, "address", ""))?;
    Ok(Changed { address: jid.to_string(), done: "blocked".to_owned() })
}

async fn unblock(context: Context, arguments: One) -> Result<Changed, Failure> {
    let jid = address(&arguments)?;
    let chat = &context.admin.chat;
    load(&context).await?;
    if !chat.barred().contains(&jid) {
        return Err(Failure::argument(Code::NotFound, "address", format!("{jid} is not blocked.")));
    }
    let done = chat.change_barred(&[], std::slice::from_ref(&jid), &context.actor.name).await;
    done.map_err(|error| domain_failure(error, "address", ""))?;
    Ok(Changed { address: jid.to_string(), done: "unblocked".to_owned() })
}

async fn blocked(context: Context, _: Nothing) -> Result<Blocked, Failure> {
    let chat = &context.admin.chat;
    load(&context).await?;
    Ok(Blocked { addresses: chat.barred().iter().map(Jid::to_string).collect() })
}
