//! `user add|list|show|password|disable|enable|delete`: accounts.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::account::{Account, Role};
use waxwing_chat::accounts::NewPerson;
use waxwing_chat::people::card::Person;
use waxwing_chat::people::headcount::Standing;
use waxwing_chat::rosters::Owner;
use waxwing_chat::time::{parse_timestamp, timestamp};
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, password, table};

const ADDRESS: Parameter = Parameter::required("address", Kind::Account, "The account's address.");
const PASSWORD: Parameter =
    Parameter::optional("password", Kind::Secret, "The password.").or("one is made and shown once");

/// `user add`.
pub(super) const ADD: Command = Command {
    name: "user add",
    summary: "Add an account",
    help: "Without a password, one of 140 bits is made and is part of the answer, this once.",
    permission: Permission::Accounts,
    parameters: &[
        ADDRESS,
        PASSWORD,
        Parameter::optional("name", Kind::Text, "The name shown to others."),
        Parameter::optional("given_name", Kind::Text, "The given name, for the account's card (XEP-0054)."),
        Parameter::optional("family_name", Kind::Text, "The family name, for the card."),
        Parameter::optional("email", Kind::Text, "The address of electronic mail, for the card."),
        Parameter::optional("administrator", Kind::Flag, "Let the account use every command."),
        Parameter::optional("expires", Kind::Time, "From when on sign-in is refused.").or("never"),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, add)),
    render: render::<Added>,
};

/// `user list`.
pub(super) const LIST: Command = Command {
    name: "user list",
    summary: "List accounts",
    help: "Accounts are listed in the order of their addresses. To go on behind a page, give its last address as \
           \"after\".",
    permission: Permission::View,
    parameters: &[
        Parameter::optional("domain", Kind::Text, "Only those of this domain."),
        Parameter::optional(
            "state",
            Kind::Choice(&["disabled", "administrator", "online", "active", "idle"]),
            "Only those in this state; see `user count` for what they mean.",
        ),
        Parameter::optional("after", Kind::Account, "Only those behind this address."),
        Parameter::optional("limit", Kind::Number { min: 1, max: 10_000 }, "How many at most.").or("1000"),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `user show`.
pub(super) const SHOW: Command = Command {
    name: "user show",
    summary: "Show an account",
    help: "",
    permission: Permission::View,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, show)),
    render: render::<Shown>,
};

/// `user password`.
pub(super) const SET_PASSWORD: Command = Command {
    name: "user password",
    summary: "Set another password",
    help: "The account's sessions end, and what its clients were given to sign in without the password is void.",
    permission: Permission::Accounts,
    parameters: &[ADDRESS, PASSWORD],
    run: Run::Data(|context, arguments| call(context, arguments, set_password)),
    render: render::<PasswordSet>,
};

/// `user disable`.
pub(super) const DISABLE: Command = Command {
    name: "user disable",
    summary: "Refuse sign-in and end all sessions",
    help: "Nothing is deleted, and messages to the account are kept for when it is enabled again. To a stranger who tries \
           to sign in, it looks like a wrong password.",
    permission: Permission::Accounts,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, disable)),
    render: render::<Changed>,
};

/// `user enable`.
pub(super) const ENABLE: Command = Command {
    name: "user enable",
    summary: "Allow sign-in again",
    help: "",
    permission: Permission::Accounts,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, enable)),
    render: render::<Changed>,
};

/// `user delete`.
pub(super) const DELETE: Command = Command {
    name: "user delete",
    summary: "Delete an account and everything that is kept for it",
    help: "Its contacts are told that it is gone. Other people's copies of messages stay. This cannot be undone except \
           from a backup.",
    permission: Permission::Accounts,
    parameters: &[ADDRESS],
    run: Run::Data(|context, arguments| call(context, arguments, delete)),
    render: render::<Changed>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    address: String,
    password: Option<String>,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    administrator: bool,
    expires: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Added {
    /// The new account's address.
    address: String,
    /// The password, if it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Added {}.", self.address)?;
        shown_once(f, self.password.as_deref())
    }
}

async fn add(context: Context, arguments: Add) -> Result<Added, Failure> {
    let jid = address(&arguments.address)?;
    let expires = arguments.expires.as_deref().map(time).transpose()?;
    let chat = &context.admin.chat;
    if !chat.is_local(jid.domain()) {
        return Err(Failure::invalid(
            "address",
            format!(
                "{} is not a domain of this server: it serves {}.",
                jid.domain(),
                chat.settings().domains.join(", ")
            ),
        ));
    }
    let made = arguments.password.is_none().then(|| password::generate(chat));
    let new = NewPerson {
        jid: jid.clone(),
        name: arguments.name,
        role: if arguments.administrator { Role::Administrator } else { Role::Member },
        password: arguments.password.as_deref().or(made.as_deref()).unwrap_or_default(),
    };
    let failed = |error| domain_failure(error, "address", &format!("{jid} exists already."));
    let account = chat.create_account(new, &context.actor.name).await.map_err(failed)?;
    let person = Person {
        given_name: arguments.given_name.unwrap_or_default(),
        family_name: arguments.family_name.unwrap_or_default(),
        email: arguments.email.unwrap_or_default(),
        ..Person::default()
    };
    if person != Person::default() {
        chat.set_card(&Owner::from(&account), person.to_vcard().root()).await.map_err(failed)?;
    }
    if expires.is_some() {
        chat.set_expiry(&jid, expires, &context.actor.name).await.map_err(failed)?;
    }
    Ok(Added { address: jid.to_string(), password: made })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    domain: Option<String>,
    state: Option<String>,
    after: Option<String>,
    #[serde(default = "page")]
    limit: usize,
}

fn page() -> usize {
    1000
}

#[derive(Serialize, Deserialize)]
struct Listed {
    /// The accounts of this page.
    users: Vec<User>,
    /// There are more behind the last one.
    more: bool,
}

#[derive(Serialize, Deserialize)]
struct User {
    address: String,
    name: Option<String>,
    administrator: bool,
    disabled: bool,
    expired: bool,
    created: String,
    last_seen: Option<String>,
    /// How many sessions it has now.
    sessions: usize,
}

impl User {
    fn state(&self) -> &'static str {
        match (self.disabled, self.expired, self.sessions) {
            (true, _, _) => "disabled",
            (_, true, _) => "expired",
            (_, _, 0) => "offline",
            _ => "online",
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<Vec<String>> = self
            .users
            .iter()
            .map(|user| {
                let role = if user.administrator { "administrator" } else { "member" };
                vec![
                    user.address.clone(),
                    user.name.clone().unwrap_or_default(),
                    role.to_owned(),
                    user.state().to_owned(),
                    short(user.last_seen.as_deref()),
                ]
            })
            .collect();
        table::write(f, &["ADDRESS", "NAME", "ROLE", "STATE", "LAST SEEN"], &rows)?;
        if self.more {
            write!(f, "\nThere are more: use --after with the last address.")?;
        }
        Ok(())
    }
}

async fn list(context: Context, arguments: List) -> Result<Listed, Failure> {
    let after = arguments.after.as_deref().map(address).transpose()?;
    let chat = &context.admin.chat;
    let (domain, limit) = (arguments.domain.as_deref(), arguments.limit + 1);
    let found = match standing(arguments.state.as_deref()) {
        Some(standing) => chat.accounts_standing(standing, domain, after.as_ref(), limit).await,
        None => chat.accounts(domain, after.as_ref(), limit).await,
    };
    let mut accounts = found.map_err(|error| domain_failure(error, "domain", ""))?;
    let more = accounts.len() > arguments.limit;
    accounts.truncate(arguments.limit);
    let users = accounts.iter().map(|account| user(&context, account)).collect();
    Ok(Listed { users, more })
}

fn standing(word: Option<&str>) -> Option<Standing> {
    Some(match word? {
        "disabled" => Standing::Disabled,
        "administrator" => Standing::Administrator,
        "active" => Standing::Active,
        "idle" => Standing::Idle,
        _ => Standing::Online,
    })
}

fn user(context: &Context, account: &Account) -> User {
    let chat = &context.admin.chat;
    User {
        address: account.jid.to_string(),
        name: account.name.clone(),
        administrator: account.role == Role::Administrator,
        disabled: account.disabled,
        expired: account.expires_ms.is_some_and(|at| at <= chat.now_ms()),
        created: timestamp(account.created_ms),
        last_seen: account.last_seen_ms.map(timestamp),
        sessions: chat.count_sessions(&account.jid),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    address: String,
}

#[derive(Serialize, Deserialize)]
struct Shown {
    /// What a list shows of it.
    #[serde(flatten)]
    user: User,
    /// From when on sign-in is refused.
    expires: Option<String>,
    /// The mechanisms its password can be used with.
    mechanisms: Vec<String>,
    /// How many contacts its roster has.
    contacts: usize,
    /// The oldest message of its archive.
    archive_from: Option<String>,
    /// The newest message of its archive.
    archive_to: Option<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = &self.user;
        let role = if user.administrator { "administrator" } else { "member" };
        let state = match user.sessions {
            0 => user.state().to_owned(),
            n => format!("{}, {n} {}", user.state(), if n == 1 { "session" } else { "sessions" }),
        };
        let mut pairs = vec![
            ("Address", user.address.clone()),
            ("Name", user.name.clone().unwrap_or_else(|| "-".to_owned())),
            ("Role", role.to_owned()),
            ("State", state),
            ("Created", short(Some(&user.created))),
            ("Last seen", short(user.last_seen.as_deref())),
            ("Contacts", self.contacts.to_string()),
            (
                "Passwords",
                if self.mechanisms.is_empty() { "none".into() } else { self.mechanisms.join(", ") },
            ),
        ];
        if let Some(expires) = &self.expires {
            pairs.push(("Expires", short(Some(expires))));
        }
        if let (Some(from), Some(to)) = (&self.archive_from, &self.archive_to) {
            pairs.push(("Archive", format!("{} to {}", short(Some(from)), short(Some(to)))));
        }
        table::write_pairs(f, &pairs)
    }
}

async fn show(context: Context, arguments: One) -> Result<Shown, Failure> {
    let jid = address(&arguments.address)?;
    let chat = &context.admin.chat;
    let failed = |error| domain_failure(error, "address", &missing(&jid));
    let account = chat.account(&jid).await.map_err(failed)?;
    let contacts = chat.store().roster_size(account.id).await.map_err(|error| failed(error.into()))?;
    let bounds = chat.store().archive_bounds(account.id).await.map_err(|error| failed(error.into()))?;
    let mechanism = |verifier: &String| verifier.split('$').next().unwrap_or_default().to_owned();
    Ok(Shown {
        user: user(&context, &account),
        expires: account.expires_ms.map(timestamp),
        mechanisms: account.verifiers.iter().map(mechanism).collect(),
        contacts,
        archive_from: bounds.map(|bounds| timestamp(bounds.first.stamp_ms())),
        archive_to: bounds.map(|bounds| timestamp(bounds.last.stamp_ms())),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    address: String,
    password: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PasswordSet {
    /// Whose.
    address: String,
    /// The password, if it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl fmt::Display for PasswordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has another password.", self.address)?;
        shown_once(f, self.password.as_deref())
    }
}

async fn set_password(context: Context, arguments: Password) -> Result<PasswordSet, Failure> {
    let jid = address(&arguments.address)?;
    let chat = &context.admin.chat;
    let made = arguments.password.is_none().then(|| password::generate(chat));
    let password = arguments.password.as_deref().or(made.as_deref()).unwrap_or_default();
    chat.set_password(&jid, password, &context.actor.name)
        .await
        .map_err(|error| domain_failure(error, "address", &missing(&jid)))?;
    Ok(PasswordSet { address: jid.to_string(), password: made })
}

#[derive(Serialize, Deserialize)]
struct Changed {
    /// Whose account.
    address: String,
    /// What was done: `disabled`, `enabled` or `deleted`.
    done: String,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}.", self.address, self.done)
    }
}

async fn disable(context: Context, arguments: One) -> Result<Changed, Failure> {
    set_disabled(context, arguments, true).await
}

async fn enable(context: Context, arguments: One) -> Result<Changed, Failure> {
    set_disabled(context, arguments, false).await
}

async fn set_disabled(context: Context, arguments: One, disabled: bool) -> Result<Changed, Failure> {
    let jid = address(&arguments.address)?;
    let done = context.admin.chat.set_disabled(&jid, disabled, &context.actor.name).await;
    done.map_err(|error| domain_failure(error, "address", &missing(&jid)))?;
    Ok(Changed { address: jid.to_string(), done: if disabled { "disabled" } else { "enabled" }.to_owned() })
}

async fn delete(context: Context, arguments: One) -> Result<Changed, Failure> {
    let jid = address(&arguments.address)?;
    let done = context.admin.chat.delete_account(&jid, &context.actor.name).await;
    done.map_err(|error| domain_failure(error, "address", &missing(&jid)))?;
    Ok(Changed { address: jid.to_string(), done: "deleted".to_owned() })
}

fn shown_once(f: &mut fmt::Formatter<'_>, password: Option<&str>) -> fmt::Result {
    match password {
        Some(password) => write!(f, "\nPassword: {password}\nIt is shown only now."),
        None => Ok(()),
    }
}

/// Reads an address that has been checked to be an account's.
fn address(text: &str) -> Result<Jid, Failure> {
    Jid::new(text).map_err(|error| Failure::new(Code::InvalidArgument, format!("\"{text}\": {error}.")))
}

fn time(text: &str) -> Result<u64, Failure> {
    parse_timestamp(text)
        .or_else(|| parse_timestamp(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| Failure::invalid("expires", format!("\"{text}\" is no point in time.")))
}

fn missing(jid: &Jid) -> String {
    format!("There is no account {jid}.")
}

/// A timestamp for a table: to the minute.
fn short(time: Option<&str>) -> String {
    match time {
        Some(time) => time.get(..16).unwrap_or(time).replace('T', " "),
        None => "never".to_owned(),
    }
}
