//! What a client of Waxwing's JSON face says: JSON-RPC 2.0, one request in a frame.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::client::Client;

/// Where the face is.
pub(crate) const PATH: &str = "/api/socket";

/// What it speaks.
pub(crate) const SUBPROTOCOL: &str = "waxwing.v1";

/// Makes a request and waits for its result; what arrives before that is dropped.
async fn ask(client: &mut Client, method: &str, params: &Value) -> Result<Value> {
    client.queue(&json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params}).to_string());
    client.flush().await?;
    loop {
        let answer: Value = serde_json::from_slice(client.next().await?)?;
        if answer["id"] == method {
            ensure!(answer["error"].is_null(), "{method} was refused: {}", answer["error"]);
            return Ok(answer["result"].clone());
        }
    }
}

/// Signs in by the password.
pub(crate) async fn sign_in(client: &mut Client) -> Result<()> {
    let options = &client.target.options;
    let params = json!({
        "protocol": 1,
        "credentials": {
            "type": "password",
            "address": format!("{}@{}", client.username, options.domain),
            "password": options.password,
        },
        "client": {"name": "waxwing-load", "device": client.username},
    });
    let signed_in = ask(client, "session.sign_in", &params).await?;
    client.jid = signed_in["session"].as_str().context("the server named no session")?.to_owned();
    Ok(())
}

/// Comes in step: from then on the client is online and told what happens.
pub(crate) async fn come_in_step(client: &mut Client) -> Result<()> {
    ask(client, "sync.open", &json!({})).await.map(drop)
}

/// Signs out.
pub(crate) async fn sign_out(client: &mut Client) -> Result<()> {
    ask(client, "session.sign_out", &json!({})).await.map(drop)
}

/// The value of a member whose value is a text without escapes, wherever it stands.
pub(crate) fn text<'a>(frame: &'a [u8], member: &str) -> Option<&'a [u8]> {
    let key = format!("\"{member}\":\"");
    let start = memchr::memmem::find(frame, key.as_bytes())? + key.len();
    let end = start + memchr::memchr(b'"', &frame[start..])?;
    Some(&frame[start..end])
}

/// Whether a frame tells an event.
pub(crate) fn is_event(frame: &[u8]) -> bool {
    frame.starts_with(br#"{"jsonrpc":"2.0","method":"event""#)
}

/// Whether a frame says that a request was refused.
pub(crate) fn is_refusal(frame: &[u8]) -> bool {
    !is_event(frame) && memchr::memmem::find(frame, br#""error":{"#).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_frames() {
        let event = br#"{"jsonrpc":"2.0","method":"event","params":{"type":"message","message":{"client_id":"l1.2"}}}"#;
        assert!(is_event(event) && !is_refusal(event));
        assert_eq!(text(event, "client_id"), Some(&b"l1.2"[..]));
        assert_eq!(text(event, "nothing"), None);
        assert!(is_refusal(br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32003}}"#));
    }
}
