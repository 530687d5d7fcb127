//! `webhook add|list|remove|dead|redeliver`: addresses at which programs say something, and such that are told.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::time::timestamp;
use waxwing_chat::webhooks::{DeadLetter, Way, Webhook, WebhookOrder};
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

/// Where programs post to incoming webhooks; the id and the secret follow.
pub(crate) const INCOMING_PATH: &str = "/hooks/";

/// `webhook add`.
pub(super) const ADD: Command = Command {
    name: "webhook add",
    summary: "Make a webhook",
    help: "Without `url` it is an incoming one: whoever knows its path, which is shown once, posts into the conversation. With \
           `url` it is an outgoing one: what is said in the conversation, or to the account where none is named, is posted \
           there, signed with the secret that is shown once. The account's own rights hold: it has to belong to a room \
           that is not open to everybody.",
    permission: Permission::Installation,
    parameters: &[
        Parameter::required("address", Kind::Account, "The account that speaks or reads."),
        Parameter::required("name", Kind::Text, "What it is called. An incoming one speaks under this name."),
        Parameter::optional("conversation", Kind::Account, "The room or person."),
        Parameter::optional("url", Kind::Text, "Where an outgoing one posts to."),
    ],
    run: Run::Server(|context, arguments| call(context, arguments, add)),
    render: render::<Added>,
};

/// `webhook list`.
pub(super) const LIST: Command = Command {
    name: "webhook list",
    summary: "List webhooks",
    help: "",
    permission: Permission::Accounts,
    parameters: &[Parameter::optional("address", Kind::Account, "Only those of this account.")],
    run: Run::Data(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `webhook remove`.
pub(super) const REMOVE: Command = Command {
    name: "webhook remove",
    summary: "Withdraw a webhook, with its dead letters",
    help: "",
    permission: Permission::Accounts,
    parameters: &[Parameter::required("id", Kind::Text, "The webhook's id, as `webhook list` shows it.")],
    run: Run::Data(|context, arguments| call(context, arguments, remove)),
    render: render::<Removed>,
};

/// `webhook dead`.
pub(super) const DEAD: Command = Command {
    name: "webhook dead",
    summary: "List what could not be delivered to a webhook",
    help: "",
    permission: Permission::Accounts,
    parameters: &[Parameter::required("id", Kind::Text, "The webhook's id.")],
    run: Run::Data(|context, arguments| call(context, arguments, dead)),
    render: render::<Dead>,
};

/// `webhook redeliver`.
pub(super) const REDELIVER: Command = Command {
    name: "webhook redeliver",
    summary: "Try once more what could not be delivered to a webhook",
    help: "In the order in which it was said, until one fails again.",
    permission: Permission::Accounts,
    parameters: &[
        Parameter::required("id", Kind::Text, "The webhook's id."),
        Parameter::optional(
            "message",
            Kind::Number { min: 1, max: u64::MAX >> 1 },
            "Only this message, by its position.",
        ),
    ],
    run: Run::Server(|context, arguments| call(context, arguments, redeliver)),
    render: render::<Redelivered>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    address: String,
    name: String,
    conversation: Option<String>,
    url: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Its id.
    id: String,
    /// The account that speaks or reads.
    address: String,
    /// What it is called.
    name: String,
    /// `incoming` or `outgoing`.
    way: String,
    /// The room or person.
    conversation: Option<String>,
    /// Where an outgoing one posts to.
    url: Option<String>,
    /// When it was made.
    created: String,
}

impl Line {
    fn new(hook: &Webhook) -> Self {
        let (way, conversation, url) = match &hook.way {
            Way::Incoming { to, .. } => ("incoming", Some(to), None),
            Way::Outgoing { of, url, .. } => ("outgoing", of.as_ref(), Some(url)),
        };
        Self {
            id: hook.id.clone(),
            address: hook.owner.jid.to_string(),
            name: hook.name.clone(),
            way: way.to_owned(),
            conversation: conversation.map(Jid::to_string),
            url: url.cloned(),
            created: timestamp(hook.created_ms),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Added {
    /// The webhook.
    webhook: Line,
    /// Where an incoming one is posted to: a path of this server's HTTP listeners, which holds its secret.
    path: Option<String>,
    /// What posts of an outgoing one are signed with.
    secret: Option<String>,
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.path.as_ref().or(self.secret.as_ref()).map(String::as_str).unwrap_or_default();
        write!(f, "{shown}\nWebhook {} is made. This is not shown again.", self.webhook.id)
    }
}

fn address(argument: &str, text: &str) -> Result<Jid, Failure> {
    Jid::new(text).map_err(|error| Failure::invalid(argument, format!("{error}.")))
}

async fn add(context: Context, arguments: Add) -> Result<Added, Failure> {
    let chat = &context.admin.chat;
    let none = |error| domain_failure(error, "address", "There is no such account.");
    let account = chat.account(&address("address", &arguments.address)?).await.map_err(none)?;
    let conversation = arguments.conversation.as_deref().map(|text| address("conversation", text));
    let (conversation, incoming) = (conversation.transpose()?, arguments.url.is_none());
    let order = WebhookOrder { name: arguments.name, url: arguments.url, conversation };
    let made = chat.create_webhook(&account, order, &context.actor.name).await;
    let (hook, secret) = made.map_err(|error| match error {
        waxwing_chat::Error::Forbidden | waxwing_chat::Error::RegistrationRequired => {
            Failure::argument(Code::Refused, "address", "The account may not do that in this room.")
        }
        waxwing_chat::Error::NotAllowed => {
            let why = "Only public addresses by https may be posted to, and those in integrations.private_networks.";
            Failure::argument(Code::Refused, "url", why)
        }
        other => domain_failure(other, "conversation", "There is no such room or person."),
    })?;
    let path = incoming.then(|| format!("{INCOMING_PATH}{}/{secret}", hook.id));
    Ok(Added { webhook: Line::new(&hook), path, secret: (!incoming).then_some(secret) })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    address: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    /// The webhooks.
    webhooks: Vec<Line>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let row = |line: &Line| {
            let Line { id, address, name, way, conversation, url, .. } = line;
            vec![id.clone(), address.clone(), name.clone(), way.clone(), dash(conversation), dash(url)]
        };
        let rows: Vec<Vec<String>> = self.webhooks.iter().map(row).collect();
        table::write(f, &["ID", "ACCOUNT", "NAME", "WAY", "CONVERSATION", "URL"], &rows)
    }
}

async fn list(context: Context, arguments: List) -> Result<Listed, Failure> {
    let owner = arguments.address.as_deref().map(|text| address("address", text)).transpose()?;
    let hooks = context.admin.chat.webhooks(owner.as_ref()).await;
    let hooks = hooks.map_err(|error| domain_failure(error, "", ""))?;
    Ok(Listed { webhooks: hooks.iter().map(Line::new).collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    id: String,
}

const NO_WEBHOOK: &str = "There is no such webhook.";

#[derive(Serialize, Deserialize)]
struct Removed {}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The webhook is withdrawn.")
    }
}

async fn remove(context: Context, arguments: One) -> Result<Removed, Failure> {
    let done = context.admin.chat.remove_webhook(&arguments.id, None, &context.actor.name).await;
    done.map_err(|error| domain_failure(error, "id", NO_WEBHOOK))?;
    Ok(Removed {})
}

#[derive(Serialize, Deserialize)]
struct Letter {
    /// The message, by its position.
    message: u64,
    /// How often it was tried.
    attempts: u32,
    /// Why the last attempt failed.
    reason: String,
    /// When that was.
    at: String,
}

#[derive(Serialize, Deserialize)]
struct Dead {
    /// What could not be delivered, oldest first.
    letters: Vec<Letter>,
}

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |letter: &Letter| {
            let Letter { message, attempts, reason, at } = letter;
            vec![message.to_string(), at.clone(), attempts.to_string(), reason.clone()]
        };
        let rows: Vec<Vec<String>> = self.letters.iter().map(row).collect();
        table::write(f, &["MESSAGE", "GIVEN UP", "ATTEMPTS", "REASON"], &rows)
    }
}

async fn dead(context: Context, arguments: One) -> Result<Dead, Failure> {
    let letters = context.admin.chat.dead_letters(&arguments.id, None).await;
    let letters = letters.map_err(|error| domain_failure(error, "id", NO_WEBHOOK))?;
    let shown = |DeadLetter { message, attempts, reason, at_ms }| Letter {
        message: message.0,
        attempts,
        reason,
        at: timestamp(at_ms),
    };
    Ok(Dead { letters: letters.into_iter().map(shown).collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redeliver {
    id: String,
    message: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Redelivered {
    /// How many were delivered now.
    delivered: usize,
    /// How many still are not.
    left: usize,
}

impl fmt::Display for Redelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} delivered, {} left.", self.delivered, self.left)
    }
}

async fn redeliver(context: Context, arguments: Redeliver) -> Result<Redelivered, Failure> {
    let only = arguments.message.map(ArchiveId);
    let done = context.admin.chat.redeliver(&arguments.id, None, only).await;
    let (delivered, left) =
        done.map_err(|error| domain_failure(error, "id", "There is no such webhook or message."))?;
    Ok(Redelivered { delivered, left })
}
