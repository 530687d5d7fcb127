//! `invite create|list|revoke`: links that let a person make an account (XEP-0401, XEP-0379).

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::invitation::Invitation;
use waxwing_chat::invitations::InvitationOrder;
use waxwing_chat::settings::Settings;
use waxwing_chat::time::timestamp;
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::Failure;
use crate::admin::parameter::{Kind, Parameter, duration_ms};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

/// `invite create`.
pub(super) const CREATE: Command = Command {
    name: "invite create",
    summary: "Make a link that lets a person make an account",
    help: "Send the person the https link: the page behind it says which app to install, and opens the invitation in it. \
           The xmpp link goes into an app directly, which registers the account. Whoever has either can use it: send it on \
           a way you trust.",
    permission: Permission::Accounts,
    parameters: &[
        Parameter::optional("domain", Kind::Text, "At which domain.").or("the first domain of the server"),
        Parameter::optional("username", Kind::Text, "Set this name aside for the person.")
            .or("the person chooses"),
        Parameter::optional("contact", Kind::Account, "This account and the new one become contacts."),
        Parameter::optional("lifetime", Kind::Duration, "How long the link is good for.").or("7d"),
        Parameter::optional("uses", Kind::Number { min: 1, max: 1000 }, "How many may use it.").or("1"),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, create)),
    render: render::<Invited>,
};

/// `invite list`.
pub(super) const LIST: Command = Command {
    name: "invite list",
    summary: "List invitations that can still be used",
    help: "",
    permission: Permission::Accounts,
    parameters: &[],
    run: Run::Data(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `invite revoke`.
pub(super) const REVOKE: Command = Command {
    name: "invite revoke",
    summary: "Withdraw an invitation",
    help: "Accounts that were made with it stay.",
    permission: Permission::Accounts,
    parameters: &[Parameter::required(
        "token",
        Kind::Text,
        "The invitation's token, the last part of its link.",
    )],
    run: Run::Data(|context, arguments| call(context, arguments, revoke)),
    render: render::<Revoked>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    domain: Option<String>,
    username: Option<String>,
    contact: Option<String>,
    lifetime: Option<String>,
    #[serde(default = "once")]
    uses: u32,
}

fn once() -> u32 {
    1
}

#[derive(Serialize, Deserialize)]
struct Invited {
    /// The link that a client opens.
    uri: String,
    /// The page for a browser, when this server has one.
    page: Option<String>,
    /// The secret in it.
    token: String,
    /// The domain an account may be made at.
    domain: Option<String>,
    /// The name that is set aside.
    username: Option<String>,
    /// Who becomes a contact.
    contact: Option<String>,
    /// Until when it is good.
    expires: String,
    /// How many may still use it.
    uses_left: u32,
}

impl Invited {
    fn new(invitation: Invitation, settings: &Settings) -> Self {
        Self {
            uri: invitation.uri(),
            page: invitation.page(settings),
            token: invitation.token,
            domain: invitation.register_at,
            username: invitation.username,
            contact: invitation.inviter.map(|jid| jid.to_string()),
            expires: timestamp(invitation.expires_ms),
            uses_left: invitation.uses_left,
        }
    }
}

impl Invited {
    fn until(&self) -> String {
        self.expires.get(..16).unwrap_or(&self.expires).replace('T', " ")
    }
}

impl fmt::Display for Invited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(page) = &self.page {
            writeln!(f, "{page}")?;
        }
        write!(f, "{}\nGood until {} UTC.", self.uri, self.until())
    }
}

async fn create(context: Context, arguments: Create) -> Result<Invited, Failure> {
    let chat = &context.admin.chat;
    let lifetime_ms = match arguments.lifetime.as_deref().map(duration_ms) {
        Some(Err(why)) => return Err(Failure::invalid("lifetime", why)),
        Some(Ok(ms)) => Some(ms),
        None => None,
    };
    let order = InvitationOrder {
        inviter: arguments.contact.as_deref().and_then(|text| Jid::new(text).ok()),
        register_at: arguments.domain.or_else(|| chat.settings().domains.first().cloned()),
        username: arguments.username,
        lifetime_ms,
        uses: arguments.uses,
    };
    let made = chat.invite(order, &context.actor.name).await;
    made.map(|invitation| Invited::new(invitation, &chat.settings()))
        .map_err(|error| domain_failure(error, "username", "The name is taken."))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Listed {
    /// Those that can still be used.
    invitations: Vec<Invited>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<Vec<String>> = self
            .invitations
            .iter()
            .map(|invited| {
                let made_for = match (&invited.username, &invited.domain) {
                    (Some(username), Some(domain)) => format!("{username}@{domain}"),
                    (_, Some(domain)) => format!("anyone at {domain}"),
                    _ => "a contact".to_owned(),
                };
                vec![
                    invited.token.clone(),
                    made_for,
                    invited.contact.clone().unwrap_or_else(|| "-".to_owned()),
                    invited.until(),
                    invited.uses_left.to_string(),
                ]
            })
            .collect();
        table::write(f, &["TOKEN", "FOR", "CONTACT", "UNTIL", "USES LEFT"], &rows)
    }
}

async fn list(context: Context, _: Nothing) -> Result<Listed, Failure> {
    let invitations =
        context.admin.chat.invitations().await.map_err(|error| domain_failure(error, "", ""))?;
    let settings = context.admin.chat.settings();
    let listed = invitations.into_iter().map(|invitation| Invited::new(invitation, &settings));
    Ok(Listed { invitations: listed.collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    token: String,
}

#[derive(Serialize, Deserialize)]
struct Revoked {}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The invitation is withdrawn.")
    }
}

async fn revoke(context: Context, arguments: Revoke) -> Result<Revoked, Failure> {
    let done = context.admin.chat.revoke_invitation(&arguments.token, &context.actor.name).await;
    done.map_err(|error| domain_failure(error, "token", "There is no such invitation."))?;
    Ok(Revoked {})
}
