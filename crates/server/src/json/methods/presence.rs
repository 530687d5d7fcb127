//! How one is, said on all devices.

use waxwing_chat::rosters::Owner;
use waxwing_chat::status::{self, Status};
use waxwing_chat::watching::WATCHED_LIMIT;

use super::people::seen;
use crate::json::error::{Condition, Fault};
use crate::json::method::{Call, Method, method};
use crate::json::types::{PresenceGot, PresenceSet, PresenceWatch, PresencesGot, Show};
use crate::json::{people, presence};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!(
        "presence.set",
        "Says how one is, on all devices of this face, until something else is said or the time is over.",
        PresenceSet => PresenceGot,
        set
    ),
    method!(
        "presence.watch",
        "Has this connection be told how these colleagues are, contacts or not, for as long as it names them.",
        PresenceWatch => PresencesGot,
        watch
    ),
];

async fn set(call: Call, params: PresenceSet) -> Result<PresenceGot, Fault> {
    let show = match params.show {
        Show::Online => status::Show::Online,
        Show::Away => status::Show::Away,
        Show::Busy => status::Show::Busy,
        Show::Offline => {
            return Err(Fault::field("show", "Nobody is offline who is connected: sign out for that."));
        }
    };
    for (field, text, limit) in [
        ("text", &params.text, status::TEXT_BYTES_LIMIT),
        ("emoji", &params.emoji, status::EMOJI_BYTES_LIMIT),
    ] {
        let text = text.as_deref().unwrap_or_default();
        people::writable(field, text)?;
        if text.len() > limit {
            return Err(Fault::field(field, format!("At most {limit} bytes are taken.")));
        }
    }
    if params.emoji.as_deref().unwrap_or_default().trim().contains(char::is_whitespace) {
        return Err(Fault::field("emoji", "It has to be one emoji."));
    }
    if params.until_ms.is_some_and(|until_ms| until_ms <= call.chat().now_ms()) {
        return Err(Fault::field("until_ms", "That time has passed."));
    }
    let said = Status { show, text: params.text, emoji: params.emoji, until_ms: params.until_ms };
    call.chat().set_status(&Owner::from(&**call.session()), said).await?;
    if call.session().close_reason().is_some() {
        return Err(Condition::Unauthorized.into());
    }
    Ok(PresenceGot { presence: presence::of_account(call.chat(), &call.session().bare) })
}

async fn watch(call: Call, params: PresenceWatch) -> Result<PresencesGot, Fault> {
    let mut people = Vec::with_capacity(params.addresses.len().min(WATCHED_LIMIT));
    if params.addresses.len() > WATCHED_LIMIT {
        return Err(Fault::new(Condition::LimitExceeded)
            .saying(format!("At most {WATCHED_LIMIT} people can be watched at a time."))
            .about("addresses"));
    }
    for text in &params.addresses {
        people.push(super::address_in("addresses", text)?.to_bare());
    }
    // First, so that nothing which happens meanwhile is missed.
    call.chat().watch(call.session(), people.clone())?;
    let mut presences = Vec::new();
    for person in &people {
        presences.extend(seen(&call, person).await?);
    }
    Ok(PresencesGot { presences })
}
