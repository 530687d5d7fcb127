//! `token create|list|revoke`: secrets by which programs act for accounts.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::access::{AccessToken, Scope, Scopes, TokenOrder};
use waxwing_chat::time::timestamp;
use waxwing_xmpp::jid::Jid;

use crate::admin::context::Context;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter, duration_ms};
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};

/// `token create`.
pub(super) const CREATE: Command = Command {
    name: "token create",
    summary: "Make a token by which a program acts for an account",
    help: "The token is shown once and only its hash is kept. What it may do is said by scopes, with spaces between: \
           `messages:read`, `messages:write`, `rooms:read`, `rooms:write`, `people`, `files`, `webhooks`, and for accounts of \
           administrators `admin:view`, `admin:accounts` and `admin:installation`. Give a program an account of its own, \
           and no scope that it does not need.",
    permission: Permission::Installation,
    parameters: &[
        Parameter::required("address", Kind::Account, "The account it acts for."),
        Parameter::required("name", Kind::Text, "What it is called, for people."),
        Parameter::required("scopes", Kind::Text, "What it may do."),
        Parameter::optional("lifetime", Kind::Duration, "How long it is good for.").or("until it is revoked"),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, create)),
    render: render::<Made>,
};

/// `token list`.
pub(super) const LIST: Command = Command {
    name: "token list",
    summary: "List tokens by which programs act for accounts",
    help: "",
    permission: Permission::Accounts,
    parameters: &[
        Parameter::optional("address", Kind::Account, "Only those of this account."),
        Parameter::optional("after", Kind::Text, "Begin behind the token with this id."),
    ],
    run: Run::Data(|context, arguments| call(context, arguments, list)),
    render: render::<Listed>,
};

/// `token revoke`.
pub(super) const REVOKE: Command = Command {
    name: "token revoke",
    summary: "Withdraw a token",
    help: "It is refused from the next request on.",
    permission: Permission::Accounts,
    parameters: &[Parameter::required("id", Kind::Text, "The token's id, as `token list` shows it.")],
    run: Run::Data(|context, arguments| call(context, arguments, revoke)),
    render: render::<Revoked>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    address: String,
    name: String,
    scopes: String,
    lifetime: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Its id.
    id: String,
    /// The account it acts for.
    address: String,
    /// What it is called.
    name: String,
    /// What it may do.
    scopes: String,
    /// When it was made.
    created: String,
    /// From when on it is refused.
    expires: Option<String>,
    /// About when it was last used.
    used: Option<String>,
}

impl Line {
    fn new(token: AccessToken) -> Self {
        Self {
            id: token.id,
            address: token.owner.jid.to_string(),
            name: token.name,
            scopes: token.scopes.to_string(),
            created: timestamp(token.created_ms),
            expires: token.expires_ms.map(timestamp),
            used: token.used_ms.map(timestamp),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Made {
    /// The token.
    token: Line,
    /// The secret, which is shown this once.
    secret: String,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { id, address, scopes, .. } = &self.token;
        write!(f, "{}\nToken {id} acts for {address}: {scopes}. It is not shown again.", self.secret)
    }
}

fn account(text: &str) -> Result<Jid, Failure> {
    Jid::new(text).map_err(|error| Failure::invalid("address", format!("{error}.")))
}

async fn create(context: Context, arguments: Create) -> Result<Made, Failure> {
    let chat = &context.admin.chat;
    let scopes: Scopes = arguments.scopes.parse().map_err(|_| {
        let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        Failure::invalid("scopes", format!("The scopes are {}.", all.join(", ")))
    })?;
    let beyond = |scope: &Scope| match scope {
        Scope::AdminView => !context.actor.may(Permission::View),
        Scope::AdminAccounts => !context.actor.may(Permission::Accounts),
        Scope::AdminInstallation => !context.actor.may(Permission::Installation),
        _ => false,
    };
    if let Some(scope) = scopes.iter().find(beyond) {
        let why = format!("{} may not give the scope {}.", context.actor.name, scope.as_str());
        return Err(Failure::argument(Code::Denied, "scopes", why));
    }
    let lifetime = arguments.lifetime.as_deref().map(duration_ms).transpose();
    let lifetime = lifetime.map_err(|why| Failure::invalid("lifetime", why))?;
    let expires_ms = lifetime.map(|ms| chat.now_ms().saturating_add(ms));
    let none = |error| domain_failure(error, "address", "There is no such account.");
    let account = chat.account(&account(&arguments.address)?).await.map_err(none)?;
    let order = TokenOrder { name: arguments.name, scopes, expires_ms };
    let made = chat.create_access_token(&account, order, &context.actor.name).await;
    let (token, secret) = made.map_err(|error| match error {
        waxwing_chat::Error::Forbidden => Failure::argument(
            Code::Refused,
            "scopes",
            "Only a token of an administrator's account can have administrative scopes.",
        ),
        other => domain_failure(other, "address", ""),
    })?;
    Ok(Made { token: Line::new(token), secret })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    address: Option<String>,
    after: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    /// The tokens.
    tokens: Vec<Line>,
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |time: &Option<String>| time.as_deref().and_then(|t| t.get(..10)).unwrap_or("-").to_owned();
        let rows: Vec<Vec<String>> = self
            .tokens
            .iter()
            .map(|line| {
                let Line { id, address, name, scopes, expires, used, .. } = line;
                vec![id.clone(), address.clone(), name.clone(), day(used), day(expires), scopes.clone()]
            })
            .collect();
        table::write(f, &["ID", "ACCOUNT", "NAME", "LAST USED", "UNTIL", "SCOPES"], &rows)
    }
}

async fn list(context: Context, arguments: List) -> Result<Listed, Failure> {
    let chat = &context.admin.chat;
    let owner = match arguments.address {
        Some(text) => {
            let none = |error| domain_failure(error, "address", "There is no such account.");
            Some(chat.account(&account(&text)?).await.map_err(none)?.id)
        }
        None => None,
    };
    let tokens = chat.access_tokens(owner, arguments.after.as_deref()).await;
    let tokens = tokens.map_err(|error| domain_failure(error, "", ""))?;
    Ok(Listed { tokens: tokens.into_iter().map(Line::new).collect() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    id: String,
}

#[derive(Serialize, Deserialize)]
struct Revoked {}

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The token is withdrawn.")
    }
}

async fn revoke(context: Context, arguments: Revoke) -> Result<Revoked, Failure> {
    let done = context.admin.chat.revoke_access_token(&arguments.id, None, &context.actor.name).await;
    done.map_err(|error| domain_failure(error, "id", "There is no such token."))?;
    Ok(Revoked {})
}
