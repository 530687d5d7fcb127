//! Pushes to the device that asks (RFC 8030, 8291, 8292).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use waxwing_chat::push::subscriptions::Channel;
use waxwing_chat::rosters::Owner;

use crate::json::error::Fault;
use crate::json::method::{Call, Method, method};
use crate::json::types::{Nothing, PushKey, PushSubscribe, PushUnsubscribe};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!(
        "push.key",
        "Tells the key by which push services know this server.",
        Nothing => PushKey,
        key
    ),
    method!(
        "push.subscribe",
        "Pushes to this device from now on.",
        PushSubscribe => Nothing,
        subscribe
    ),
    method!(
        "push.unsubscribe",
        "No longer pushes by a subscription.",
        PushUnsubscribe => Nothing,
        unsubscribe
    ),
];

async fn key(call: Call, Nothing {}: Nothing) -> Result<PushKey, Fault> {
    Ok(PushKey { key: call.chat().push_key()? })
}

/// Browsers leave the padding out; others do not.
fn octets(field: &'static str, text: &str) -> Result<Vec<u8>, Fault> {
    let text = text.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Fault::field(field, "It has to be base 64 for URLs."))
}

async fn subscribe(call: Call, params: PushSubscribe) -> Result<Nothing, Fault> {
    let channel = Channel::Web {
        endpoint: params.endpoint,
        p256dh: octets("keys.p256dh", &params.keys.p256dh)?,
        auth: octets("keys.auth", &params.keys.auth)?,
    };
    let owner = Owner::from(&**call.session());
    call.chat().subscribe_to_pushes(&owner, &call.client.device, channel).await?;
    Ok(Nothing {})
}

async fn unsubscribe(call: Call, params: PushUnsubscribe) -> Result<Nothing, Fault> {
    let owner = Owner::from(&**call.session());
    call.chat().unsubscribe_from_pushes(&owner, &params.endpoint).await?;
    Ok(Nothing {})
}
