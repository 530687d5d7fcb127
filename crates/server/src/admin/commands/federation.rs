//! `federation`: the connections with other servers.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::time::timestamp;

use crate::admin::context::Context;
use crate::admin::failure::Failure;
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::table;
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
