//! `nodes`: the nodes of the installation, as this one knows them.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::nodes::Bus as _;

use crate::admin::context::Context;
use crate::admin::failure::Failure;
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::table;

/// `nodes`.
pub(super) const NODES: Command = Command {
    name: "nodes",
    summary: "List the nodes of the installation",
    help: "As the node that is asked knows them, itself first. A node is one process: started again, it has another name.",
    permission: Permission::View,
    parameters: &[],
    run: Run::Server(|context, arguments| call(context, arguments, nodes)),
    render: render::<Nodes>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Nodes {
    /// Whether the server belongs to a cluster.
    cluster: bool,
    /// Whether the bus between the nodes can be reached.
    reachable: bool,
    /// The nodes, the one that is asked first.
    nodes: Vec<Node>,
}

#[derive(Serialize, Deserialize)]
struct Node {
    /// Its name: 16 hexadecimal digits.
    node: String,
    /// It is the one that is asked.
    this: bool,
    /// For how many milliseconds it has been known.
    known_ms: u64,
    /// How many milliseconds ago it was heard.
    heard_ms: u64,
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.cluster {
            return f.write_str("This server is no part of a cluster.");
        }
        if !self.reachable {
            writeln!(f, "The bus between the nodes cannot be reached; what is known is from before.\n")?;
        }
        let row = |node: &Node| {
            let heard = if node.this { "this node".to_owned() } else { format!("{} ms ago", node.heard_ms) };
            vec![node.node.clone(), table::length(node.known_ms), heard]
        };
        table::write(f, &["NODE", "KNOWN FOR", "HEARD"], &self.nodes.iter().map(row).collect::<Vec<_>>())
    }
}

async fn nodes(context: Context, _: Nothing) -> Result<Nodes, Failure> {
    let running = context.admin.running()?;
    let Some(bus) = &running.bus else {
        return Ok(Nodes { cluster: false, reachable: false, nodes: Vec::new() });
    };
    let milliseconds = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let this = Node {
        node: bus.node().to_string(),
        this: true,
        known_ms: milliseconds(running.started.elapsed()),
        heard_ms: 0,
    };
    let others = bus.neighbours().into_iter().map(|neighbour| Node {
        node: neighbour.node.to_string(),
        this: false,
        known_ms: milliseconds(neighbour.linked_for),
        heard_ms: milliseconds(neighbour.heard_ago),
    });
    Ok(Nodes {
        cluster: true,
        reachable: bus.is_reachable(),
        nodes: std::iter::once(this).chain(others).collect(),
    })
}
