//! The account's own webhooks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waxwing_chat::Error;
use waxwing_chat::access::Scope;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::webhooks::{Way, Webhook, WebhookOrder};
use waxwing_xmpp::jid::Jid;

use crate::rest::HOOKS_PATH;
use crate::rest::endpoint::{Call, Endpoint, address, endpoint};
use crate::rest::problem::{Condition, Problem};

pub(super) const LIST: Endpoint = endpoint!(
    "GET" "/api/v1/webhooks", "listWebhooks", "The account's webhooks", Some(Scope::Webhooks), 200, Nothing => Listed, list
);
pub(super) const ADD: Endpoint = endpoint!(
    "POST" "/api/v1/webhooks", "addWebhook", "Make a webhook: an outgoing one with a url, an incoming one without",
    Some(Scope::Webhooks), 201, Add => Added, add
);
pub(super) const REMOVE: Endpoint = endpoint!(
    "DELETE" "/api/v1/webhooks/{id}", "removeWebhook", "Withdraw a webhook, with its dead letters", Some(Scope::Webhooks),
    200, Which => Nothing, remove
);
pub(super) const DEAD: Endpoint = endpoint!(
    "GET" "/api/v1/webhooks/{id}/dead", "listDeadLetters", "What could not be delivered to a webhook",
    Some(Scope::Webhooks), 200, Which => Dead, dead
);
pub(super) const REDELIVER: Endpoint = endpoint!(
    "POST" "/api/v1/webhooks/{id}/redeliver", "redeliver", "Try once more what could not be delivered",
    Some(Scope::Webhooks), 200, Redeliver => Redelivered, redeliver
);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// All of them.
    webhooks: Vec<Shown>,
}

#[derive(Serialize, JsonSchema)]
struct Shown {
    /// Its id.
    id: String,
    /// What it is called.
    name: String,
    /// `incoming` or `outgoing`.
    way: String,
    /// The room or person.
    conversation: Option<String>,
    /// Where an outgoing one posts to.
    url: Option<String>,
    /// When it was made, in milliseconds since the epoch.
    created_ms: u64,
}

impl Shown {
    fn new(hook: &Webhook) -> Self {
        let (way, conversation, url) = match &hook.way {
            Way::Incoming { to, .. } => ("incoming", Some(to), None),
            Way::Outgoing { of, url, .. } => ("outgoing", of.as_ref(), Some(url)),
        };
        Self {
            id: hook.id.clone(),
            name: hook.name.clone(),
            way: way.to_owned(),
            conversation: conversation.map(Jid::to_string),
            url: url.cloned(),
            created_ms: hook.created_ms,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Add {
    /// What it is called. An incoming one speaks under this name.
    #[schemars(length(min = 1, max = 25))]
    name: String,
    /// The room or person; an outgoing one without it is told of every message that reaches the account.
    conversation: Option<String>,
    /// Where an outgoing one posts to.
    #[schemars(length(max = 2_048))]
    url: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Added {
    /// The webhook.
    webhook: Shown,
    /// Where an incoming one is posted to: a path of this server, with its secret. It is not shown again.
    path: Option<String>,
    /// What posts of an outgoing one are signed with. It is not shown again.
    secret: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The webhook.
    id: String,
}

#[derive(Serialize, JsonSchema)]
struct Dead {
    /// Oldest first.
    letters: Vec<Letter>,
}

#[derive(Serialize, JsonSchema)]
struct Letter {
    /// The message's id.
    message: String,
    /// Its position.
    position: u64,
    /// How often it was tried.
    attempts: u32,
    /// Why the last attempt failed.
    reason: String,
    /// When that was, in milliseconds since the epoch.
    at_ms: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Redeliver {
    /// The webhook.
    id: String,
    /// Only the message with this position.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991u64))]
    position: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Redelivered {
    /// How many were delivered now.
    delivered: usize,
    /// How many still are not.
    left: usize,
}

async fn list(call: Call, _: Nothing) -> Result<Listed, Problem> {
    let hooks = call.chat.webhooks(Some(call.jid())).await?;
    Ok(Listed { webhooks: hooks.iter().map(Shown::new).collect() })
}

async fn add(call: Call, arguments: Add) -> Result<Added, Problem> {
    let conversation =
        arguments.conversation.as_deref().map(|text| address("conversation", text)).transpose()?;
    let incoming = arguments.url.is_none();
    // Whoever is told of messages reads them, and whoever posts writes them.
    let scope = if incoming { Scope::MessagesWrite } else { Scope::MessagesRead };
    if !call.bearer.may(scope) {
        return Err(Problem::scope(scope));
    }
    if incoming && conversation.is_none() {
        return Err(Problem::new(Condition::Conflict, "An incoming webhook needs a room or a person."));
    }
    let order = WebhookOrder { name: arguments.name, url: arguments.url, conversation };
    let made = call.chat.create_webhook(&call.bearer.account, order, call.jid().as_str()).await;
    let (hook, secret) = made.map_err(|error| match error {
        Error::NotAllowed => Problem {
            field: Some("url".to_owned()),
            ..Problem::new(Condition::NotAllowed, "The address is not one that may be posted to.")
        },
        other => other.into(),
    })?;
    let path = incoming.then(|| format!("{HOOKS_PATH}{}/{secret}", hook.id));
    Ok(Added { webhook: Shown::new(&hook), path, secret: (!incoming).then_some(secret) })
}

async fn remove(call: Call, arguments: Which) -> Result<Nothing, Problem> {
    call.chat.remove_webhook(&arguments.id, Some(call.jid()), call.jid().as_str()).await?;
    Ok(Nothing {})
}

async fn dead(call: Call, arguments: Which) -> Result<Dead, Problem> {
    let letters = call.chat.dead_letters(&arguments.id, Some(call.jid())).await?;
    let ids = call.chat.archive_ids();
    let letters = letters.into_iter().map(|letter| Letter {
        message: ids.show(letter.message),
        position: letter.message.0,
        attempts: letter.attempts,
        reason: letter.reason,
        at_ms: letter.at_ms,
    });
    Ok(Dead { letters: letters.collect() })
}

async fn redeliver(call: Call, arguments: Redeliver) -> Result<Redelivered, Problem> {
    let only = arguments.position.map(ArchiveId);
    let (delivered, left) = call.chat.redeliver(&arguments.id, Some(call.jid()), only).await?;
    Ok(Redelivered { delivered, left })
}
