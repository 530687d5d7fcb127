//! Presence as JSON clients see it, and what a JSON client's own presence is.

use std::sync::Arc;

use waxwing_chat::rosters::Owner;
use waxwing_chat::status::{self, Status};
use waxwing_chat::time::{parse_timestamp, timestamp};
use waxwing_chat::{Chat, Result};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use super::client::Client;
use super::types::{Presence, Show};

/// Sends the presence of a client to whoever may see it.
pub(crate) async fn announce(chat: &Arc<Chat>, client: &Client) -> Result<()> {
    // How the person is, is put in by the domain (`waxwing_chat::status`); away where nobody looks.
    let mut presence = Stanza::presence(PresenceType::Available);
    if !client.is_active() {
        let since = timestamp(chat.now_ms());
        presence = presence.with_child(Element::new(ns::IDLE, "idle").with_attr("since", &since));
    }
    chat.presence(&client.session, presence).await
}

/// Presence of an account from a stanza of one of its clients that a session got. Of an account of this server all clients are
/// looked at; but where the session's account may see none of them, the stanza was for it alone, or hides them from it.
pub(crate) async fn of(chat: &Chat, viewer: &Jid, stanza: &Stanza) -> Result<Option<Presence>> {
    let Some(from) = &stanza.from else { return Ok(None) };
    let Kind::Presence(PresenceType::Available | PresenceType::Unavailable) = stanza.kind else {
        return Ok(None);
    };
    let account = from.to_bare();
    if !chat.is_local(from.domain()) || (account != *viewer && !sees(chat, viewer, &account).await?) {
        return Ok(Some(shown(stanza)));
    }
    Ok(Some(of_account(chat, &account)))
}

/// Whether somebody is told of the presence of an account of this server.
async fn sees(chat: &Chat, viewer: &Jid, account: &Jid) -> Result<bool> {
    let Some(profile) = chat.profile(account).await?.filter(|profile| !profile.blocks(viewer)) else {
        return Ok(false);
    };
    chat.tells_presence_to(&Owner::from(&*profile), viewer).await
}

/// Presence of an account of this server as somebody is told of it who has it in his roster: none, where it blocks him.
pub(crate) async fn of_account_for(chat: &Chat, viewer: &Jid, account: &Jid) -> Result<Presence> {
    let blocked = chat.profile(account).await?.is_none_or(|profile| profile.blocks(viewer));
    Ok(match blocked {
        true => Presence { address: account.to_string(), ..Presence::default() },
        false => of_account(chat, account),
    })
}

/// Presence of an account of this server, of all its clients together.
pub(crate) fn of_account(chat: &Chat, address: &Jid) -> Presence {
    let offline = Presence { address: address.to_string(), ..Presence::default() };
    let each: Vec<Presence> = chat.presences_of(address).iter().map(shown).collect();
    let best = each.iter().rev().max_by_key(|presence| rank(presence.show));
    let Some(mut best) = best.cloned() else { return offline };
    // What is said on one device is said by the person.
    if best.text.is_none()
        && best.emoji.is_none()
        && let Some(said) = each.iter().find(|presence| presence.text.is_some() || presence.emoji.is_some())
    {
        (best.text, best.emoji, best.until_ms) = (said.text.clone(), said.emoji.clone(), said.until_ms);
    }
    best
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
    let Status { show, text, emoji, until_ms } = Status::of(stanza);
    let show = match (stanza.kind, show) {
        (Kind::Presence(PresenceType::Unavailable), _) => Show::Offline,
        (_, status::Show::Away) => Show::Away,
        (_, status::Show::Busy) => Show::Busy,
        (_, status::Show::Online) => Show::Online,
    };
    let idle = stanza.child(ns::IDLE, "idle");
    let since = idle.and_then(|idle| idle.attr("since").and_then(parse_timestamp));
    Presence {
        address: stanza.from.as_ref().map(|from| from.to_bare().to_string()).unwrap_or_default(),
        show,
        text,
        emoji,
        until_ms,
        idle_since_ms: since.filter(|_| show == Show::Away),
        last_seen_ms: None,
    }
}
