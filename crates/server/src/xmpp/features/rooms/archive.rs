//! Reading the archive of a room (XEP-0313 section 6.2).

use waxwing_chat::rooms::directory::RoomPage;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::super::archive::{fin, read, render_bounds, result_from};
use super::super::{DONE, Reply, Request, Success};
use crate::xmpp::error::stanza_error;

pub(super) async fn query(request: Request<'_>) -> Reply {
    let ids = request.chat.archive_ids();
    let asked = read(request.payload, ids)?;
    let room = request.to();
    let read = request.chat.room_history(&room, request.from, asked).await;
    let RoomPage { page, with_addresses } = read.map_err(|error| stanza_error(&error))?;
    let queryid = request.payload.attr("queryid");
    let mut before: Vec<Stanza> = page
        .items
        .iter()
        .map(|message| {
            result_from(&room, message, queryid, request.from, ids, |original| {
                // What the room itself said has no sender who would be hidden.
                let by_occupant = original.attr("from").is_some_and(|from| from != room.as_str());
                if with_addresses && by_occupant {
                    let item = Element::new(ns::MUC_USER, "item").with_attr("jid", message.peer.as_str());
                    original.append(Element::new(ns::MUC_USER, "x").with_child(item));
                }
            })
        })
        .collect();
    if request.payload.child(ns::MAM, "flip-page").is_some() {
        before.reverse();
    }
    Ok(Success { before, payload: Some(fin(&page, ids)), ..DONE })
}

pub(super) async fn metadata(request: Request<'_>) -> Reply {
    let bounds = request.chat.room_history_bounds(&request.to(), request.from).await;
    Ok(render_bounds(bounds.map_err(|error| stanza_error(&error))?, request.chat.archive_ids()).into())
}
