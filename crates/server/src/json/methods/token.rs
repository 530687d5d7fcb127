//! Tokens by which programs act for the account.

use waxwing_chat::Error;
use waxwing_chat::access::{self, Scope as Allowed, Scopes, TokenOrder};

use crate::json::error::{Condition, Fault};
use crate::json::method::{Call, Method, method};
use crate::json::types::{AccessToken, Nothing, TokenCreate, TokenCreated, TokenDelete, TokenListed};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!("token.list", "Lists the account's tokens for programs.", Nothing => TokenListed, list),
    method!(
        "token.create",
        "Makes a token by which a program acts for the account.",
        TokenCreate => TokenCreated,
        create
    ),
    method!("token.delete", "Withdraws a token.", TokenDelete => Nothing, delete),
];

fn shown(token: access::AccessToken) -> AccessToken {
    AccessToken {
        id: token.id,
        name: token.name,
        scopes: token.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created_ms: token.created_ms,
        expires_ms: token.expires_ms,
        used_ms: token.used_ms,
    }
}

async fn list(call: Call, Nothing {}: Nothing) -> Result<TokenListed, Fault> {
    let tokens = call.chat().access_tokens(Some(call.session().account), None).await?;
    Ok(TokenListed { tokens: tokens.into_iter().map(shown).collect() })
}

async fn create(call: Call, params: TokenCreate) -> Result<TokenCreated, Fault> {
    let scopes: Result<Scopes, Error> = params.scopes.iter().map(|word| word.parse::<Allowed>()).collect();
    let scopes = scopes.map_err(|_| {
        let known: Vec<&str> = Allowed::ALL.iter().map(|scope| scope.as_str()).collect();
        Fault::field("scopes", format!("The scopes are {}.", known.join(", ")))
    })?;
    let account = call.chat().account(&call.session().bare).await?;
    let order = TokenOrder { name: params.name, scopes, expires_ms: params.expires_ms };
    let (token, secret) = call.chat().create_access_token(&account, order, account.jid.as_str()).await?;
    Ok(TokenCreated { token: shown(token), secret })
}

async fn delete(call: Call, params: TokenDelete) -> Result<Nothing, Fault> {
    let session = call.session();
    let done =
        call.chat().revoke_access_token(&params.id, Some(session.account), session.bare.as_str()).await;
    match done {
        Err(Error::NotFound) => Err(Fault::new(Condition::NotFound).about("id")),
        done => Ok(done.map(|()| Nothing {})?),
    }
}
