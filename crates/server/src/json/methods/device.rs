//! The devices of an account: who is signed in, and signing one out.

use waxwing_chat::bearers;
use waxwing_chat::cluster::ListedSession;
use waxwing_chat::event::Close;
use waxwing_chat::rosters::Owner;

use crate::json::error::{Condition, Fault};
use crate::json::method::{Call, Method, method};
use crate::json::types::{Device, DeviceEnd, DeviceFace, DeviceListed, Nothing};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!("device.list", "Lists the devices of the account.", Nothing => DeviceListed, list),
    method!(
        "device.end",
        "Signs a device out: its sessions end, and its token is withdrawn.",
        DeviceEnd => Nothing,
        end
    ),
];

async fn list(call: Call, Nothing {}: Nothing) -> Result<DeviceListed, Fault> {
    let now_ms = call.chat().now_ms();
    let sessions = call.chat().sessions_everywhere(Some(&call.session().bare)).await;
    let mut devices: Vec<Device> = sessions.iter().map(|session| shown(&call, session, now_ms)).collect();
    devices.sort_by(|one, other| other.current.cmp(&one.current).then_with(|| one.id.cmp(&other.id)));
    devices.dedup_by(|one, other| one.id == other.id);
    Ok(DeviceListed { devices })
}

fn shown(call: &Call, session: &ListedSession, now_ms: u64) -> Device {
    let info = &session.info;
    let client = info.software.clone().unwrap_or_default();
    Device {
        id: id(session),
        name: client.clone(),
        client,
        face: match info.face {
            "json" => DeviceFace::Json,
            "websocket" => DeviceFace::Websocket,
            _ => DeviceFace::Xmpp,
        },
        address: info.address.map(|address| address.ip().to_string()),
        last_seen_ms: session.suspended_since_ms.unwrap_or(now_ms),
        online: session.suspended_since_ms.is_none(),
        current: session.jid == call.session().jid,
    }
}

/// By what a session's device is named: its own id, or the resource of a client that has none.
fn id(session: &ListedSession) -> String {
    match session.info.agent.as_deref().and_then(bearers::device) {
        Some(device) => device.to_owned(),
        None => session.jid.resource().unwrap_or_default().to_owned(),
    }
}

async fn end(call: Call, params: DeviceEnd) -> Result<Nothing, Fault> {
    let sessions = call.chat().sessions_everywhere(Some(&call.session().bare)).await;
    let ended: Vec<_> = sessions.iter().filter(|session| id(session) == params.id).collect();
    if ended.is_empty() {
        return Err(Fault::new(Condition::NotFound).about("id"));
    }
    let owner = Owner::from(&**call.session());
    for session in ended {
        call.chat().unsubscribe_device(&owner, &params.id).await?;
        if let Some(agent) = &session.info.agent {
            // XMPP clients have their own tokens under the same name (XEP-0484).
            call.chat()
                .store()
                .delete_tokens(owner.account, Some(agent), None)
                .await
                .map_err(waxwing_chat::Error::from)?;
        }
        call.chat().end_session(&session.jid, Close::SignedOut).await;
    }
    Ok(Nothing {})
}
