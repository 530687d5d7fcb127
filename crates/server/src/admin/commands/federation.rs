//! `federation` and `federation block|unblock|blocked|admit|dismiss|admitted`: the connections with other servers, and whom
//! this one has to do with.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::barring::Listing;
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

/// `federation admit`.
pub(super) const ADMIT: Command = Command {
    name: "federation admit",
    summary: "Have to do only with an address elsewhere, or a whole domain, and others that are admitted",
    help: "While anybody is admitted, nothing is taken from anybody else and nothing sent to him, for everybody here, from now on \
           and over restarts. Whoever is blocked stays so. Domains that `federation.allow` and `federation.deny` of the \
           configuration exclude stay excluded.",
    permission: Permission::Installation,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, admit)),
    render: render::<Changed>,
};

/// `federation dismiss`.
pub(super) const DISMISS: Command = Command {
    name: "federation dismiss",
    summary: "Take an address or domain off the list of those who are admitted",
    help: "When the last is taken off, everybody is admitted who is not blocked.",
    permission: Permission::Installation,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, dismiss)),
    render: render::<Changed>,
};

/// `federation admitted`.
pub(super) const ADMITTED: Command = Command {
    name: "federation admitted",
    summary: "List the addresses and domains that alone are admitted",
    help: "",
    permission: Permission::View,
    parameters: &[],
    run: Run::Data(|context, arguments| call(context, arguments, admitted)),
    render: render::<Admitted>,
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
    /// What was done: `blocked`, `unblocked`, `admitted` or `dismissed`.
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

#[derive(Serialize, Deserialize)]
struct Admitted {
    /// In their order; none when everybody is admitted.
    addresses: Vec<String>,
}

impl fmt::Display for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses.as_slice() {
            [] => f.write_str("Everybody is admitted who is not blocked."),
            addresses => f.write_str(&addresses.join("\n")),
        }
    }
}

fn address(arguments: &One) -> Result<Jid, Failure> {
    let text = &arguments.address;
    Jid::new(text).map_err(|error| Failure::invalid("address", format!("\"{text}\": {error}.")))
}

/// Reads the lists, which nobody has done on the data of a stopped server.
async fn load(context: &Context) -> Result<(), Failure> {
    context.admin.chat.load_barred().await.map_err(|error| domain_failure(error, "", ""))
}

/// Puts an address on a list, or takes it off; `missing` says that it is not there.
async fn change(
    context: &Context,
    listing: Listing,
    arguments: &One,
    (on, done, missing): (bool, &str, &str),
) -> Result<Changed, Failure> {
    let jid = address(arguments)?;
    let chat = &context.admin.chat;
    load(context).await?;
    if !on && !chat.listed_addresses(listing).contains(&jid) {
        return Err(Failure::argument(Code::NotFound, "address", format!("{jid} is not {missing}.")));
    }
    let one = std::slice::from_ref(&jid);
    let (add, remove) = if on { (one, &[][..]) } else { (&[][..], one) };
    let changed = chat.change_listed(listing, add, remove, &context.actor.name).await;
    changed.map_err(|error| domain_failure(error, "address", ""))?;
    Ok(Changed { address: jid.to_string(), done: done.to_owned() })
}

async fn block(context: Context, arguments: One) -> Result<Changed, Failure> {
    change(&context, Listing::Blacklist, &arguments, (true, "blocked", "")).await
}

async fn unblock(context: Context, arguments: One) -> Result<Changed, Failure> {
    change(&context, Listing::Blacklist, &arguments, (false, "unblocked", "blocked")).await
}

async fn admit(context: Context, arguments: One) -> Result<Changed, Failure> {
    change(&context, Listing::Whitelist, &arguments, (true, "admitted", "")).await
}

async fn dismiss(context: Context, arguments: One) -> Result<Changed, Failure> {
    change(&context, Listing::Whitelist, &arguments, (false, "dismissed", "admitted")).await
}

async fn listed(context: &Context, listing: Listing) -> Result<Vec<String>, Failure> {
    load(context).await?;
    Ok(context.admin.chat.listed_addresses(listing).iter().map(Jid::to_string).collect())
}

async fn blocked(context: Context, _: Nothing) -> Result<Blocked, Failure> {
    Ok(Blocked { addresses: listed(&context, Listing::Blacklist).await? })
}

async fn admitted(context: Context, _: Nothing) -> Result<Admitted, Failure> {
    Ok(Admitted { addresses: listed(&context, Listing::Whitelist).await? })
}
