//! Presence as JSON clients see it, and what a JSON client's own presence is.

use std::sync::Arc;

use waxwing_chat::{Chat, Result};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use super::client::Client;
use super::types::{Presence, Show};

/// Sends the presence of a client to whoever may see it.
pub(crate) async fn announce(chat: &Arc<Chat>, client: &Client) -> Result<()> {
    let mut presence = Stanza::presence(PresenceType::Available);
    if !client.is_active() {
        presence = presence.with_child(Element::new(ns::CLIENT, "show").with_text("away"));
    }
    chat.presence(&client.session, presence).await
}

/// Presence of an account from a stanza of one of its clients. Of an account of this server all clients are looked at.
pub(crate) fn of(chat: &Chat, stanza: &Stanza) -> Option<Presence> {
    let from = stanza.from.as_ref()?;
    let Kind::Presence(PresenceType::Available | PresenceType::Unavailable) = stanza.kind else {
        return None;
    };
    if chat.is_local(from.domain()) { Some(of_account(chat, &from.to_bare())) } else { Some(shown(stanza)) }
}

/// Presence of an account of this server, of all its clients together.
pub(crate) fn of_account(chat: &Chat, address: &Jid) -> Presence {
    let offline = Presence { address: address.to_string(), ..Presence::default() };
    let all = chat.sessions().of(address);
    let each = all.iter().filter_map(|session| session.presence()).map(|stanza| shown(stanza.stanza()));
    each.fold(offline, |best, next| if rank(next.show) > rank(best.show) { next } else { best })
}

/// Who is not to be disturbed on one device is not on any; otherwise the device counts that is most there.
fn rank(show: Show) -> u8 {
    match show {
        Show::Offline => 0,
        Show::Away => 1,
        Show::Online => 2,
        Show::Busy => 3,
    }
}

/// What one stanza says.
fn shown(stanza: &Stanza) -> Presence {
    let text = |name| stanza.child(ns::CLIENT, name).map(|child| child.text().into_owned());
    let show = match (stanza.kind, text("show").as_deref()) {
        (Kind::Presence(PresenceType::Unavailable), _) => Show::Offline,
        (_, Some("away" | "xa")) => Show::Away,
        (_, Some("dnd")) => Show::Busy,
        _ => Show::Online,
    };
    Presence {
        address: stanza.from.as_ref().map(|from| from.to_bare().to_string()).unwrap_or_default(),
        show,
        text: text("status").filter(|text| !text.is_empty()),
        ..Presence::default()
    }
}
