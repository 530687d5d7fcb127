//! What service discovery says about rooms and who is in them (XEP-0045 sections 6.3 to 6.5 and 7.12).

use waxwing_chat::rooms::configuration::Configuration;
use waxwing_chat::rooms::directory::{About, ROOMS_PAGE};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::super::commands;
use super::super::data_forms::Form;
use super::super::disco::{feature, identity, mirrored};
use super::super::paging::{self, Place};
use super::super::{DONE, Reply, Request};
use super::commands as room_commands;
use crate::xmpp::error::stanza_error;

/// The node that would tell which content the room takes out of what is said; it takes out none (section 17.1).
const TRAFFIC: &str = "http://jabber.org/protocol/muc#traffic";

/// The node that tells somebody the nickname kept for him.
const RESERVED_NICK: &str = "x-roomuser-item";

/// What every room can do.
const FEATURES: &[&str] = &[
    ns::DISCO_INFO,
    ns::DISCO_ITEMS,
    ns::MUC,
    ns::MUC_STABLE_ID,
    ns::MUC_SELF_PING,
    ns::MUC_REQUEST,
    ns::OCCUPANT_ID,
    ns::STANZA_ID,
    ns::PING,
    ns::MODERATION,
    ns::RETRACTION,
    ns::RETRACTION_TOMBSTONE,
    ns::COMMANDS,
    ns::HATS,
    ns::VCARD,
];

/// What one with an archive can do besides.
const ARCHIVE_FEATURES: &[&str] = &[ns::MAM, ns::MAM_EXTENDED, ns::MAM_FULLTEXT, ns::RSM];

pub(super) async fn info(request: Request<'_>) -> Reply {
    let node = request.payload.attr("node");
    let room = request.to();
    match node {
        None => {
            let about = request.chat.about_room(&room, request.from).await;
            Ok(render(&about.map_err(|error| stanza_error(&error))?).into())
        }
        Some(RESERVED_NICK) => {
            let registration = request.chat.room_registration(&room, request.from).await;
            let registration = registration.map_err(|error| stanza_error(&error))?;
            let query = Element::new(ns::DISCO_INFO, "query");
            let query = match registration.nick {
                Some(nick) => query.with_child(identity("conference", "text").with_attr("name", &nick)),
                None => query,
            };
            Ok(mirrored(query, node))
        }
        Some(TRAFFIC) => Err(StanzaError::new(Condition::ServiceUnavailable)),
        Some(other) => match room_commands::describe(&request, other).await? {
            Some(info) => Ok(mirrored(info, node)),
            None => Err(StanzaError::new(Condition::ItemNotFound)),
        },
    }
}

pub(super) async fn items(request: Request<'_>) -> Reply {
    match request.payload.attr("node") {
        None => {}
        Some(commands::NODE) => {
            return Ok(mirrored(room_commands::list(&request).await, Some(commands::NODE)));
        }
        Some(_) => return Err(StanzaError::new(Condition::ItemNotFound)),
    }
    let nicknames = request.chat.room_nicknames(&request.to(), request.from).await;
    let nicknames = nicknames.map_err(|error| stanza_error(&error))?;
    Ok(nicknames
        .iter()
        .fold(Element::new(ns::DISCO_ITEMS, "query"), |query, occupant| {
            query.with_child(Element::new(ns::DISCO_ITEMS, "item").with_attr("jid", occupant.as_str()))
        })
        .into())
}

/// A ping to the room itself is answered as long as there is one.
pub(super) async fn ping(request: Request<'_>) -> Reply {
    let about = request.chat.about_room(&request.to(), request.from).await;
    about.map(|_| DONE).map_err(|error| stanza_error(&error))
}

/// The rooms of the service that can be found, page by page (section 6.3).
pub(in super::super) async fn list(request: &Request<'_>, mut query: Element) -> Reply {
    let set = request.payload.child(ns::RSM, "set").map(paging::read).transpose()?;
    let (max, after) = match set {
        None => (ROOMS_PAGE, None),
        Some(asked) => {
            let after = match asked.place {
                Place::First => None,
                Place::After(jid) => {
                    Some(Jid::new(&jid).map_err(|_| StanzaError::new(Condition::ItemNotFound))?)
                }
                Place::Last | Place::Before(_) => {
                    return Err(StanzaError::new(Condition::FeatureNotImplemented));
                }
            };
            (asked.max.unwrap_or(ROOMS_PAGE).min(ROOMS_PAGE), after)
        }
    };
    let service = request.to();
    let rooms = request.chat.public_rooms(service.domain(), after.as_ref()).await;
    let mut rooms = rooms.map_err(|error| stanza_error(&error))?;
    rooms.truncate(max);
    for room in &rooms {
        let name = Some(room.configuration.name.as_str()).filter(|name| !name.is_empty());
        let name = name.or(room.jid.local()).unwrap_or_default();
        query.append(
            Element::new(ns::DISCO_ITEMS, "item").with_attr("jid", room.jid.as_str()).with_attr("name", name),
        );
    }
    let ends = rooms.first().zip(rooms.last());
    query.append(paging::answer(ends.map(|(first, last)| (first.jid.as_str(), last.jid.as_str()))));
    Ok(query.into())
}

/// Section 6.4.
fn render(about: &About) -> Element {
    let configuration = &about.configuration;
    let name = Some(configuration.name.as_str()).filter(|name| !name.is_empty());
    let mut identity = identity("conference", "text");
    if let Some(name) = name {
        identity.set_attr("name", name);
    }
    let query = Element::new(ns::DISCO_INFO, "query").with_child(identity);
    let archive = if configuration.logging { ARCHIVE_FEATURES } else { &[] };
    let all = FEATURES.iter().copied().chain(archive.iter().copied()).chain(kind(configuration));
    let query = all.fold(query, |query, var| query.with_child(feature(var)));
    let flag = |on: bool| if on { "1" } else { "0" };
    let form = Form::result(ns::MUC_ROOMINFO)
        .typed("muc#roominfo_description", "text-single", &[&configuration.description])
        .typed("muc#roominfo_subject", "text-single", &[&about.subject])
        .typed("muc#roominfo_subjectmod", "boolean", &[flag(about.subject_modifiable)])
        .typed("muc#roominfo_occupants", "text-single", &[&about.occupants.to_string()])
        .typed("muc#roominfo_lang", "text-single", &[&configuration.language])
        .typed("muc#maxhistoryfetch", "text-single", &[&configuration.history_limit.to_string()])
        .typed("muc#roomconfig_roomname", "text-single", &[&configuration.name])
        .typed("muc#roomconfig_changesubject", "boolean", &[flag(configuration.subject_by_anyone)]);
    let owners: Vec<&str> = about.owners.iter().map(|owner| owner.as_str()).collect();
    let pictures: Vec<&str> = about.avatar.iter().map(String::as_str).collect();
    let more: [(&str, &str, &[&str]); 4] = [
        ("muc#roominfo_contactjid", "jid-multi", &owners),
        ("muc#roomconfig_pubsub", "text-single", &[configuration.pubsub.as_str()]),
        ("muc#roominfo_avatarhash", "text-multi", &pictures),
        ("hats#hash", "text-single", &[about.hats.as_deref().unwrap_or_default()]),
    ];
    let told = more.into_iter().filter(|(_, _, values)| values.iter().any(|value| !value.is_empty()));
    let form = told.fold(form, |form, (var, kind, values)| form.typed(var, kind, values));
    query.with_child(form.into_element())
}

/// The features of section 15.3 that tell what kind of room it is.
fn kind(configuration: &Configuration) -> impl Iterator<Item = &'static str> {
    let choose = |on: bool, yes: &'static str, no: &'static str| if on { yes } else { no };
    let kinds = [
        choose(configuration.public, "muc_public", "muc_hidden"),
        choose(configuration.members_only, "muc_membersonly", "muc_open"),
        choose(configuration.has_listeners(), "muc_moderated", "muc_unmoderated"),
        choose(configuration.non_anonymous, "muc_nonanonymous", "muc_semianonymous"),
        choose(configuration.password_protected, "muc_passwordprotected", "muc_unsecured"),
        choose(configuration.persistent, "muc_persistent", "muc_temporary"),
    ];
    kinds.into_iter().chain([ns::REGISTER])
}
