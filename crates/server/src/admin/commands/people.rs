//! `user role|roster|count`: what an account may do, whom it knows, and how many accounts there are.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::account::Role;
use waxwing_chat::roster::{RosterItem, Subscription};
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

const ADDRESS: Parameter = Parameter::required("address", Kind::Account, "The account's address.");

/// `user role`.
pub(super) const ROLE: Command = Command {
    name: "user role",
    summary: "Let an account use every command, or no longer",
    help: "Administrators use commands with their client, in its menu of ad-hoc commands (XEP-0050). The last one cannot be made \
           a member that way, so that somebody is left.",
    permission: Permission::Accounts,
    parameters: &[
        ADDRESS,
        Parameter::required("role", Kind::Choice(&["member", "administrator"]), "What it is to be."),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, role)),
    render: render::<RoleSet>,
};

/// `user roster`.
pub(super) const ROSTER: Command = Command {
    name: "user roster",
    summary: "List the contacts of an account",
    help: "",
    permission: Permission::Accounts,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, roster)),
    render: render::<Roster>,
};

/// `user count`.
pub(super) const COUNT: Command = Command {
    name: "user count",
    summary: "Count accounts",
    help: "Online is who has a session. Active is who is available with some client that does not say \"away\"; everybody \
           else who is online is idle.",
    permission: Permission::View,
    parameters: &[Parameter::optional("domain", Kind::Text, "Only those of this domain.")],
    run: Run::Data(|context, arguments| call(context, arguments, count)),
    render: render::<Counted>,
};

fn address(text: &str) -> Result<Jid, Failure> {
    Jid::new(text).map_err(|error| Failure::invalid("address", format!("\"{text}\": {error}.")))
}

fn failed(jid: &Jid) -> impl Fn(waxwing_chat::Error) -> Failure + '_ {
    move |error| domain_failure(error, "address", &format!("There is no account {jid}."))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetRole {
    address: String,
    role: String,
}

#[derive(Serialize, Deserialize)]
struct RoleSet {
    /// Whose.
    address: String,
    /// What it is now.
    role: String,
}

impl fmt::Display for RoleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if self.role == "administrator" { "an" } else { "a" };
        write!(f, "{} is {article} {} now.", self.address, self.role)
    }
}

async fn role(context: Context, arguments: SetRole) -> Result<RoleSet, Failure> {
    let jid = address(&arguments.address)?;
    let role = if arguments.role == "administrator" { Role::Administrator } else { Role::Member };
    if role == Role::Member && context.actor.name == jid.as_str() {
        return Err(Failure::argument(
            Code::Refused,
            "address",
            "Nobody takes this away from himself: another administrator can.",
        ));
    }
    context.admin.chat.set_role(&jid, role, &context.actor.name).await.map_err(failed(&jid))?;
    Ok(RoleSet { address: jid.to_string(), role: arguments.role })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    address: String,
}

#[derive(Serialize, Deserialize)]
struct Roster {
    /// In the order of their addresses.
    contacts: Vec<Contact>,
}

#[derive(Serialize, Deserialize)]
struct Contact {
    address: String,
    name: Option<String>,
    /// `none`, `to`, `from` or `both` (RFC 6121 section 2.1.2.5).
    subscription: String,
    groups: Vec<String>,
}

impl Contact {
    fn new(item: RosterItem) -> Self {
        let subscription = match item.subscription {
            Subscription::None => "none",
            Subscription::To => "to",
            Subscription::From => "from",
            Subscription::Both => "both",
        };
        Self {
            address: item.jid.to_string(),
            name: item.name,
            subscription: subscription.to_owned(),
            groups: item.groups,
        }
    }
}

impl fmt::Display for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |contact: &Contact| {
            vec![
                contact.address.clone(),
                contact.name.clone().unwrap_or_default(),
                contact.subscription.clone(),
                contact.groups.join(", "),
            ]
        };
        let rows: Vec<Vec<String>> = self.contacts.iter().map(row).collect();
        table::write(f, &["ADDRESS", "NAME", "SUBSCRIPTION", "GROUPS"], &rows)
    }
}

async fn roster(context: Context, arguments: One) -> Result<Roster, Failure> {
    let jid = address(&arguments.address)?;
    let chat = &context.admin.chat;
    let account = chat.account(&jid).await.map_err(failed(&jid))?;
    let roster = chat.store().roster(account.id).await.map_err(|error| failed(&jid)(error.into()))?;
    let mut contacts: Vec<Contact> =
        roster.items.into_iter().filter(|item| item.listed).map(Contact::new).collect();
    contacts.sort_by(|a, b| a.address.cmp(&b.address));
    chat.record(&context.actor.name, "user.roster", jid.as_str(), "").await.map_err(failed(&jid))?;
    Ok(Roster { contacts })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    domain: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Counted {
    /// All accounts.
    registered: u64,
    /// Those that may not sign in.
    disabled: u64,
    /// Those with a session.
    online: u64,
    /// Those of them that are active.
    active: u64,
    /// Those of them that are not.
    idle: u64,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = [
            ("Accounts", self.registered),
            ("Disabled", self.disabled),
            ("Online", self.online),
            ("Active", self.active),
            ("Idle", self.idle),
        ];
        table::write_pairs(f, &pairs.map(|(name, number)| (name, number.to_string())))
    }
}

async fn count(context: Context, arguments: Count) -> Result<Counted, Failure> {
    let count = context.admin.chat.headcount(arguments.domain.as_deref()).await;
    let count = count.map_err(|error| domain_failure(error, "domain", ""))?;
    Ok(Counted {
        registered: count.registered,
        disabled: count.disabled,
        online: count.online,
        active: count.active,
        idle: count.idle,
    })
}
