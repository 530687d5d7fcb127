//! Registering with a room (XEP-0045 section 7.10).

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::super::data_forms::{Form, Submission};
use super::super::{DONE, Reply, Request};
use crate::xmpp::error::stanza_error;

const NICK: &str = "muc#register_roomnick";

pub(super) async fn form(request: Request<'_>) -> Reply {
    let registration = request.chat.room_registration(&request.to(), request.from).await;
    let registration = registration.map_err(|error| stanza_error(&error))?;
    let mut query = Element::new(ns::REGISTER, "query");
    if registration.registered {
        query.append(Element::new(ns::REGISTER, "registered"));
        let nick = registration.nick.as_deref().unwrap_or_default();
        query.append(Element::new(ns::REGISTER, "username").with_text(nick));
    }
    let text = "The nickname that is kept for you in this room.";
    query.append(Element::new(ns::REGISTER, "instructions").with_text(text));
    let form = Form::asking(ns::MUC_REGISTER).titled("Registration", text).question(
        NICK,
        "text-single",
        "Nickname",
        true,
    );
    Ok(query.with_child(form.into_element()).into())
}

pub(super) async fn register(request: Request<'_>) -> Reply {
    let room = request.to();
    let done = if request.payload.child(ns::REGISTER, "remove").is_some() {
        request.chat.unregister_from_room(&room, request.from).await
    } else {
        let bad = |why: &str| StanzaError::new(Condition::BadRequest).with_text(why);
        let form = request.payload.child(ns::DATA_FORMS, "x").ok_or_else(|| bad("the form is missing"))?;
        if form.attr("type") == Some("cancel") {
            return Ok(DONE);
        }
        let form = Submission::read(form, ns::MUC_REGISTER)?;
        let nick = form.single(NICK).ok_or_else(|| bad("the nickname is missing"))?;
        request.chat.register_with_room(&room, request.from, nick.to_owned()).await
    };
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}
