//! `pubsub list|show|delete`: what accounts and services publish.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::pubsub::configuration::OPTIONS;
use waxwing_chat::pubsub::store::{ItemQuery, NodeRecord};
use waxwing_chat::pubsub::{LISTED_LIMIT, Place};
use waxwing_chat::time::timestamp;
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::Failure;
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

const PLACE: Parameter = Parameter::required(
    "place",
    Kind::Text,
    "The address of an account, such as romeo@example.org, or of a service, such as pubsub.example.org.",
);

const NODE: Parameter = Parameter::required("node", Kind::Text, "The name of the node.");

/// `pubsub list`.
pub(super) const LIST: Command = Command {
    name: "pubsub list",
    summary: "List the nodes of an account or a service",
    help: "Private ones, too. What is in them is not shown.",
    permission: Permission::View,
    parameters: &[PLACE, Parameter::optional("after", Kind::Text, "Only nodes behind this name.")],
    run: Run::Server(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `pubsub show`.
pub(super) const SHOW: Command = Command {
    name: "pubsub show",
    summary: "Show a node: its configuration, who is what to it, and how much it holds",
    help: "What is in it is not shown.",
    permission: Permission::View,
    parameters: &[PLACE, NODE],
    run: Run::Server(|context, arguments| call(context, arguments, show)),
    render: render::<Shown>,
};

/// `pubsub delete`.
pub(super) const DELETE: Command = Command {
    name: "pubsub delete",
    summary: "Delete a node, with all that was published at it",
    help: "Its subscribers are told.",
    permission: Permission::Accounts,
    parameters: &[PLACE, NODE],
    run: Run::Server(|context, arguments| call(context, arguments, delete)),
    render: render::<Deleted>,
};

async fn place(context: &Context, text: &str) -> Result<Place, Failure> {
    let jid = Jid::new(text).map_err(|error| Failure::invalid("place", format!("\"{text}\": {error}.")))?;
    let jid = jid.to_bare();
    // Asked in its own name, an account shows everything.
    match context.admin.chat.pubsub_place(&jid, &jid).await {
        Ok(place) if !place.hidden => Ok(place),
        _ => {
            let missing = waxwing_chat::Error::NotFound;
            Err(domain_failure(missing, "place", "There is no such account or service."))
        }
    }
}

fn failed(error: waxwing_chat::Error) -> Failure {
    domain_failure(error, "node", "There is no such node.")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    place: String,
    after: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    nodes: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Its name.
    node: String,
    /// Its name for people.
    title: String,
    /// Who made it.
    creator: String,
    /// When.
    created: String,
    /// Who may read it.
    access: String,
}

impl Line {
    fn new(record: &NodeRecord) -> Self {
        Self {
            node: record.name.clone(),
            title: record.configuration.title.clone(),
            creator: record.creator.to_string(),
            created: timestamp(record.created_ms),
            access: record.configuration.access_model.as_str().to_owned(),
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |line: &Line| {
            let created = line.created.get(..10).unwrap_or_default().to_owned();
            vec![line.node.clone(), line.title.clone(), line.creator.clone(), created, line.access.clone()]
        };
        let rows: Vec<Vec<String>> = self.nodes.iter().map(row).collect();
        table::write(f, &["NODE", "TITLE", "CREATOR", "CREATED", "ACCESS"], &rows)
    }
}

async fn list(context: Context, arguments: List) -> Result<Listed, Failure> {
    let place = place(&context, &arguments.place).await?;
    let store = context.admin.chat.store();
    let nodes = store.nodes(&place.jid, &place.jid, arguments.after.as_deref(), LISTED_LIMIT).await;
    let nodes = nodes.map_err(|error| failed(error.into()))?;
    Ok(Listed { nodes: nodes.iter().map(|view| Line::new(&view.node)).collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    place: String,
    node: String,
}

#[derive(Serialize, Deserialize)]
struct Shown {
    /// The node.
    node: Line,
    /// How many items it holds.
    items: usize,
    /// How many subscriptions it has.
    subscriptions: usize,
    /// Its options, with their values.
    options: Vec<(String, Vec<String>)>,
    /// Who is what to it.
    affiliations: Vec<(String, String)>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, made by {} on {}.", self.node.node, self.node.creator, self.node.created)?;
        writeln!(f, "{} items, {} subscriptions.", self.items, self.subscriptions)?;
        for (option, values) in &self.options {
            writeln!(f, "  {option}: {}", values.join(", "))?;
        }
        let rows: Vec<Vec<String>> =
            self.affiliations.iter().map(|(jid, what)| vec![jid.clone(), what.clone()]).collect();
        table::write(f, &["ADDRESS", "AFFILIATION"], &rows)
    }
}

async fn show(context: Context, arguments: One) -> Result<Shown, Failure> {
    let place = place(&context, &arguments.place).await?;
    let store = context.admin.chat.store();
    let view = store.node(&place.jid, &arguments.node, &place.jid).await;
    let view = view.map_err(|error| failed(error.into()))?;
    let node = view.ok_or_else(|| failed(waxwing_chat::Error::NotFound))?.node;
    let store_failed = |error: waxwing_chat::store::StoreError| failed(error.into());
    let affiliations = store.node_affiliations(node.id).await.map_err(store_failed)?;
    let subscriptions = store.subscriptions(node.id).await.map_err(store_failed)?;
    let items = store.items(node.id, ItemQuery::Last(0)).await.map_err(store_failed)?;
    let values = OPTIONS.iter().map(|option| (option.var.to_owned(), (option.read)(&node.configuration)));
    Ok(Shown {
        node: Line::new(&node),
        items: items.count,
        subscriptions: subscriptions.len(),
        options: values.collect(),
        affiliations: affiliations
            .iter()
            .map(|(jid, is)| (jid.to_string(), is.as_str().to_owned()))
            .collect(),
    })
}

#[derive(Serialize, Deserialize)]
struct Deleted {
    /// The node.
    node: String,
}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is deleted.", self.node)
    }
}

async fn delete(context: Context, arguments: One) -> Result<Deleted, Failure> {
    let place = place(&context, &arguments.place).await?;
    let chat = &context.admin.chat;
    chat.remove_node(&place, &arguments.node).await.map_err(failed)?;
    let recorded =
        chat.record(&context.actor.name, "pubsub.delete", place.jid.as_str(), &arguments.node).await;
    recorded.map_err(failed)?;
    Ok(Deleted { node: arguments.node })
}
