//! `announce`, `motd show|set|edit|delete` and `welcome show|set|delete`: what everybody is told.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::people::notices::Notice;
use waxwing_chat::time::timestamp;

use crate::admin::context::Context;
use crate::admin::domain_failure;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};

const TEXT: Parameter = Parameter::required("text", Kind::Text, "What it says.");

/// `announce`.
pub(super) const ANNOUNCE: Command = Command {
    name: "announce",
    summary: "Tell everybody who is connected something",
    help: "It comes from the domain, as a message of the type headline. It is kept for nobody: whoever is not there does not \
           get it. For what everybody should read, use `motd set`.",
    permission: Permission::Installation,
    parameters: &[
        TEXT,
        Parameter::optional("domain", Kind::Text, "Only those of this domain.").or("all domains"),
    ],
    run: Run::Server(|context, arguments| call(context, arguments, announce)),
    render: render::<Told>,
};

/// `motd show`.
pub(super) const MOTD_SHOW: Command = Command {
    name: "motd show",
    summary: "Show the message of the day",
    help: "",
    permission: Permission::View,
    parameters: &[],
    run: Run::Data(|context, arguments| call(context, arguments, motd)),
    render: render::<Shown>,
};

/// `motd set`.
pub(super) const MOTD_SET: Command = Command {
    name: "motd set",
    summary: "Put up a message of the day",
    help: "Everybody gets it once: those who are connected at once, all others when they next come. It stands until it is deleted \
           or another one is set.",
    permission: Permission::Installation,
    parameters: &[TEXT],
    run: Run::Server(|context, arguments| call(context, arguments, set_motd)),
    render: render::<Told>,
};

/// `motd edit`.
pub(super) const MOTD_EDIT: Command = Command {
    name: "motd edit",
    summary: "Change the message of the day",
    help: "Whoever has got it does not get it again.",
    permission: Permission::Installation,
    parameters: &[TEXT],
    run: Run::Server(|context, arguments| call(context, arguments, edit_motd)),
    render: render::<Done>,
};

/// `motd delete`.
pub(super) const MOTD_DELETE: Command = Command {
    name: "motd delete",
    summary: "Take the message of the day down",
    help: "",
    permission: Permission::Installation,
    parameters: &[],
    run: Run::Server(|context, arguments| call(context, arguments, delete_motd)),
    render: render::<Done>,
};

/// `welcome show`.
pub(super) const WELCOME_SHOW: Command = Command {
    name: "welcome show",
    summary: "Show what newcomers are told",
    help: "",
    permission: Permission::View,
    parameters: &[],
    run: Run::Data(|context, arguments| call(context, arguments, welcome)),
    render: render::<Shown>,
};

/// `welcome set`.
pub(super) const WELCOME_SET: Command = Command {
    name: "welcome set",
    summary: "Decide what newcomers are told",
    help: "Each account gets it when it signs in for the first time.",
    permission: Permission::Installation,
    parameters: &[TEXT],
    run: Run::Server(|context, arguments| call(context, arguments, set_welcome)),
    render: render::<Done>,
};

/// `welcome delete`.
pub(super) const WELCOME_DELETE: Command = Command {
    name: "welcome delete",
    summary: "Tell newcomers nothing any more",
    help: "",
    permission: Permission::Installation,
    parameters: &[],
    run: Run::Server(|context, arguments| call(context, arguments, delete_welcome)),
    render: render::<Done>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Announce {
    text: String,
    domain: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Told {
    /// How many accounts were told at once.
    told: usize,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.told {
            1 => f.write_str("1 account was told."),
            n => write!(f, "{n} accounts were told."),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Shown {
    /// What it says.
    text: Option<String>,
    /// Since when.
    since: Option<String>,
}

impl Shown {
    fn new(notice: Option<Notice>) -> Self {
        let since = notice.as_ref().map(|notice| timestamp(notice.since_ms));
        Self { text: notice.map(|notice| notice.text), since }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.text, &self.since) {
            (Some(text), Some(since)) => write!(f, "{text}\nSince {since}."),
            _ => f.write_str("There is none."),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Done {
    /// What was done: `edited`, `set` or `deleted`.
    done: String,
}

impl Done {
    fn new(done: &str) -> Self {
        Self { done: done.to_owned() }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "It is {}.", self.done)
    }
}

fn failed(error: waxwing_chat::Error) -> Failure {
    match error {
        waxwing_chat::Error::NotFound => Failure::new(Code::NotFound, "There is none."),
        error => domain_failure(error, "text", ""),
    }
}

async fn announce(context: Context, arguments: Announce) -> Result<Told, Failure> {
    let chat = &context.admin.chat;
    if let Some(domain) = arguments.domain.as_deref().filter(|domain| !chat.is_local(domain)) {
        return Err(Failure::argument(Code::NotFound, "domain", format!("{domain} is not served here.")));
    }
    let told = chat.announce(arguments.domain.as_deref(), &arguments.text, &context.actor.name).await;
    Ok(Told { told: told.map_err(failed)? })
}

async fn motd(context: Context, _: Nothing) -> Result<Shown, Failure> {
    Ok(Shown::new(context.admin.chat.motd().await.map_err(failed)?))
}

async fn set_motd(context: Context, arguments: Text) -> Result<Told, Failure> {
    let told = context.admin.chat.set_motd(&arguments.text, &context.actor.name).await;
    Ok(Told { told: told.map_err(failed)? })
}

async fn edit_motd(context: Context, arguments: Text) -> Result<Done, Failure> {
    context.admin.chat.edit_motd(&arguments.text, &context.actor.name).await.map_err(failed)?;
    Ok(Done::new("edited"))
}

async fn delete_motd(context: Context, _: Nothing) -> Result<Done, Failure> {
    context.admin.chat.delete_motd(&context.actor.name).await.map_err(failed)?;
    Ok(Done::new("deleted"))
}

async fn welcome(context: Context, _: Nothing) -> Result<Shown, Failure> {
    Ok(Shown::new(context.admin.chat.welcome().await.map_err(failed)?))
}

async fn set_welcome(context: Context, arguments: Text) -> Result<Done, Failure> {
    context.admin.chat.set_welcome(&arguments.text, &context.actor.name).await.map_err(failed)?;
    Ok(Done::new("set"))
}

async fn delete_welcome(context: Context, _: Nothing) -> Result<Done, Failure> {
    context.admin.chat.delete_welcome(&context.actor.name).await.map_err(failed)?;
    Ok(Done::new("deleted"))
}
