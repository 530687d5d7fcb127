//! The session itself: signing in and out, and what keeps it going.

use waxwing_chat::Error;
use waxwing_chat::rosters::Owner;

use crate::json::error::Fault;
use crate::json::method::{Call, Method, Run, method};
use crate::json::presence;
use crate::json::types::{Nothing, SessionActive, SessionPong, SessionRenewed, SessionSignIn, SignedIn};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    Method {
        name: "session.sign_in",
        summary: "Signs in. The first request on a connection, and the only one until it has succeeded.",
        params: |generator| generator.subschema_for::<SessionSignIn>(),
        result: |generator| generator.subschema_for::<SignedIn>(),
        run: Run::SignIn,
    },
    method!(
        "session.sign_out",
        "Signs out: the token is withdrawn, and the connection ends.",
        Nothing => Nothing,
        sign_out
    ),
    method!("session.ping", "Answers with the server's clock.", Nothing => SessionPong, ping),
    method!(
        "session.active",
        "Says whether somebody looks at this client. When nobody looks at any of them, one is shown as away.",
        SessionActive => Nothing,
        active
    ),
    method!(
        "session.renew",
        "Gives a new token for the next time, in place of the one before.",
        Nothing => SessionRenewed,
        renew
    ),
];

async fn sign_out(call: Call, Nothing {}: Nothing) -> Result<Nothing, Fault> {
    call.chat().withdraw_bearer(call.session().account, &call.client.device).await?;
    call.chat().unsubscribe_device(&Owner::from(&**call.session()), &call.client.device).await?;
    call.client.sign_out();
    Ok(Nothing {})
}

async fn ping(call: Call, Nothing {}: Nothing) -> Result<SessionPong, Fault> {
    Ok(SessionPong { time_ms: call.chat().now_ms() })
}

async fn active(call: Call, params: SessionActive) -> Result<Nothing, Fault> {
    call.session().set_attended(params.active);
    if call.client.set_active(params.active) && call.client.is_in_step() {
        presence::announce(call.chat(), &call.client).await?;
    }
    Ok(Nothing {})
}

async fn renew(call: Call, Nothing {}: Nothing) -> Result<SessionRenewed, Fault> {
    let account = call.chat().account(&call.session().bare).await?;
    if call.session().close_reason().is_some() {
        return Err(Error::NotAuthorized.into());
    }
    let bearer = call.chat().issue_bearer(&account, &call.client.device).await?;
    Ok(SessionRenewed { token: bearer.text })
}
