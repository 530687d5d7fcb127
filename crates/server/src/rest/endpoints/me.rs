//! Who the bot is, and what its token may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waxwing_chat::access::Scope;
use waxwing_chat::account::Role;

use crate::rest::endpoint::{Call, Endpoint, endpoint};
use crate::rest::problem::Problem;

pub(super) const ME: Endpoint = endpoint!(
    "GET" "/api/v1/me", "me", "Who the token acts for, and what it may do", None, 200, Nothing => Me, me
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
struct Me {
    /// The account's address.
    address: String,
    /// Its name.
    name: Option<String>,
    /// `user` or `administrator`.
    role: String,
    /// The token's id.
    token: String,
    /// What it may do.
    scopes: Vec<String>,
    /// From when on it is refused, in milliseconds since the epoch.
    expires_ms: Option<u64>,
}

async fn me(call: Call, _: Nothing) -> Result<Me, Problem> {
    let bearer = &call.bearer;
    let scopes = Scope::ALL.iter().filter(|scope| bearer.may(**scope));
    Ok(Me {
        address: bearer.account.jid.to_string(),
        name: bearer.account.name.clone(),
        role: if bearer.account.role == Role::Administrator { "administrator" } else { "user" }.to_owned(),
        token: bearer.token.id.clone(),
        scopes: scopes.map(|scope| scope.as_str().to_owned()).collect(),
        expires_ms: bearer.token.expires_ms,
    })
}
