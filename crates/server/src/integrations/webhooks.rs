//! Posting to outgoing webhooks: the message as JSON, signed with the webhook's secret over the time and the content.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::StatusCode;
use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;
use waxwing_chat::Chat;
use waxwing_chat::route::Destination;
use waxwing_chat::service::Service;
use waxwing_chat::webhooks::outgoing::{Outcome, Outlet, Told};
use waxwing_chat::webhooks::{Way, Webhook};

use super::messages::{Archived, Message};
use super::reach::{self, Answer, Reach, Unreached};

/// The way to webhooks' addresses.
pub struct Outgoing {
    chat: Arc<Chat>,
    reach: Arc<Reach>,
}

impl Outgoing {
    /// A way for messages of this domain.
    pub fn new(chat: &Arc<Chat>, reach: Arc<Reach>) -> Self {
        Self { chat: Arc::clone(chat), reach }
    }
}

#[async_trait]
impl Outlet for Outgoing {
    fn accepts(&self, url: &str) -> bool {
        self.reach.accepts(url)
    }

    async fn deliver(&self, hook: &Webhook, told: &Told) -> Outcome {
        let Way::Outgoing { url, secret, .. } = &hook.way else {
            return Outcome::Refused("the webhook is an incoming one".to_owned());
        };
        let in_room = matches!(self.chat.locate(&told.conversation), Destination::Service(Service::Rooms));
        let archived = Archived { id: told.id, conversation: &told.conversation, real: None, in_room };
        let message = Message::new(&self.chat, &archived, &told.message);
        let body = json!({
            "type": "message",
            "webhook": hook.id,
            "account": hook.owner.jid.as_str(),
            "message": message,
        })
        .to_string();
        let time = (self.chat.now_ms() / 1000).to_string();
        let headers = reach::headers(&[
            ("content-type", "application/json"),
            ("waxwing-webhook", &hook.id),
            ("waxwing-delivery", &message.id),
            ("waxwing-timestamp", &time),
            ("waxwing-signature", &signature(secret, &time, &body)),
        ]);
        match self.reach.post(url, headers, Bytes::from(body)).await {
            Ok(answer) => judge(&answer),
            // What DNS says may change, so this too is tried again.
            Err(Unreached::Failed(why) | Unreached::Refused(why)) => Outcome::Again(why.to_owned(), None),
        }
    }
}

/// The code over the time and the content, as the receiver computes it too.
fn signature(secret: &str, time: &str, body: &str) -> String {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("{time}.{body}").as_bytes());
    let code: String = mac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
    format!("v1={code}")
}

fn judge(answer: &Answer) -> Outcome {
    let status = answer.status;
    let reason = || format!("the address answered {}", status.as_u16());
    match status {
        status if status.is_success() => Outcome::Delivered,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Again(reason(), answer.retry_after_ms)
        }
        status if status.is_server_error() => Outcome::Again(reason(), answer.retry_after_ms),
        _ => Outcome::Refused(reason()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hmac.
    #[test]
    fn the_signature_is_what_a_receiver_computes() {
        let made = signature("secret", "1700000000", "{}");
        assert_eq!(made, "v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163");
    }

    #[test]
    fn answers_are_judged() {
        let judged = |status: u16| {
            judge(&Answer { status: StatusCode::from_u16(status).expect("a status"), retry_after_ms: None })
        };
        assert_eq!(judged(204), Outcome::Delivered);
        for again in [408, 425, 429, 500, 503] {
            assert!(matches!(judged(again), Outcome::Again(..)), "{again}");
        }
        for never in [301, 400, 401, 404, 410, 413] {
            assert!(matches!(judged(never), Outcome::Refused(_)), "{never}");
        }
    }
}
