//! Rooms (XEP-0045): what service discovery says of them, and where their requests are read. What rooms do is decided in
//! `waxwing_chat::rooms`.

mod administration;
mod archive;
mod avatars;
mod commands;
mod configuration;
mod discovery;
mod hats;
mod registration;
mod search;

use waxwing_chat::service::Service;
use waxwing_chat::settings::{RoomCreation, Settings};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;

use super::{Advertised, Answer, At, Feature, Handler, Spec, Target};
use crate::config::{choice, config};

pub(super) use discovery::list;

config! {
    /// Rooms, which every domain has at `rooms.` before its name.
    pub struct Config {
        /// Who may create rooms.
        creation: Creation = Creation::Members,
        /// How many rooms one account may have created that are still there. Administrators may have more.
        per_creator_limit: usize = Settings::default().rooms_per_creator_limit,
    }
}

choice! {
    /// Who may create rooms.
    pub enum Creation {
        /// Everybody with an account here.
        Members = "members",
        /// Administrators.
        Administrators = "administrators",
    }
}

impl From<Creation> for RoomCreation {
    fn from(creation: Creation) -> Self {
        match creation {
            Creation::Members => Self::Members,
            Creation::Administrators => Self::Administrators,
        }
    }
}

const SERVICE: At = At::Service(Service::Rooms);

const ROOM: &[Target] = &[Target::InService(Service::Rooms)];

const fn handler(kind: IqType, namespace: &'static str, name: &'static str, answer: Answer) -> Handler {
    Handler { kind, namespace, name, targets: ROOM, answer }
}

/// XEP-0045 and what belongs to being in a room.
pub const FEATURE: Feature = Feature {
    name: "rooms",
    summary: "Rooms in which many talk, with their roles, lists, passwords, subjects and history.",
    specs: &[
        Spec {
            name: "XEP-0045",
            version: "1.35.5",
            note: "Nobody enters by the protocol of groupchat 1.0. Registering with a room of members takes an admin's word. \
                   When the service stops, those from other servers are told; others find themselves in their rooms again.",
        },
        Spec { name: "XEP-0249", version: "1.2", note: "Passed on, and kept for those who are not there." },
        Spec { name: "XEP-0410", version: "1.1.0", note: "The room answers." },
        Spec { name: "XEP-0421", version: "1.0.1", note: "In every room." },
    ],
    advertises: &[
        Advertised { at: SERVICE, var: ns::MUC },
        Advertised { at: SERVICE, var: ns::MUC_STABLE_ID },
        Advertised { at: SERVICE, var: ns::OCCUPANT_ID },
        Advertised { at: SERVICE, var: ns::RSM },
    ],
    handles: &[
        handler(IqType::Get, ns::DISCO_INFO, "query", |request| Box::pin(discovery::info(request))),
        handler(IqType::Get, ns::DISCO_ITEMS, "query", |request| Box::pin(discovery::items(request))),
        handler(IqType::Get, ns::REGISTER, "query", |request| Box::pin(registration::form(request))),
        handler(IqType::Set, ns::REGISTER, "query", |request| Box::pin(registration::register(request))),
        handler(IqType::Get, ns::PING, "ping", |request| Box::pin(discovery::ping(request))),
    ],
    stores: &["Rooms: their configuration, subject, and who is what to them, with reasons and nicknames."],
    ..Feature::EMPTY
};

/// What moderators, admins and owners ask of a room.
pub const ADMINISTRATION: Feature = Feature {
    name: "moderation of rooms",
    summary: "Lists, roles and affiliations of a room, its configuration, and taking back what was said in it.",
    specs: &[
        Spec {
            name: "XEP-0424",
            version: "0.4.2",
            note: "The archive keeps a tombstone, and files that the sender had uploaded go with the message; between two \
                   people as far as a thousand messages back.",
        },
        Spec { name: "XEP-0425", version: "0.3.0", note: "" },
    ],
    handles: &[
        handler(IqType::Get, ns::MUC_ADMIN, "query", |request| Box::pin(administration::read(request))),
        handler(IqType::Set, ns::MUC_ADMIN, "query", |request| Box::pin(administration::change(request))),
        handler(IqType::Get, ns::MUC_OWNER, "query", |request| Box::pin(configuration::form(request))),
        handler(IqType::Set, ns::MUC_OWNER, "query", |request| Box::pin(configuration::submit(request))),
        handler(IqType::Set, ns::MODERATION, "moderate", |request| {
            Box::pin(administration::moderate(request))
        }),
    ],
    ..Feature::EMPTY
};

/// The commands of a room.
pub const COMMANDS: Feature = Feature {
    name: "commands of rooms",
    summary: "Lets a room's admins and owners run it by forms that any client shows.",
    handles: &[handler(IqType::Set, ns::COMMANDS, "command", |request| Box::pin(commands::run(request)))],
    ..Feature::EMPTY
};

/// Hats, which commands of the room make and give.
pub const HATS: Feature = Feature {
    name: "hats",
    summary: "What people are called in a room besides their roles.",
    specs: &[Spec {
        name: "XEP-0317",
        version: "0.3.1",
        note: "Made and given by a room's admins; without content of other namespaces. Who wears them only admins are told.",
    }],
    stores: &["The hats of rooms, and who wears them."],
    ..Feature::EMPTY
};

/// Avatars of rooms.
pub const AVATARS: Feature = Feature {
    name: "avatars of rooms",
    summary: "A room's vCard with its picture, set by its owners.",
    specs: &[Spec { name: "XEP-0486", version: "0.1.0", note: "" }],
    advertises: &[Advertised { at: SERVICE, var: ns::VCARD }],
    handles: &[
        handler(IqType::Get, ns::VCARD, "vCard", |request| Box::pin(avatars::get(request))),
        handler(IqType::Set, ns::VCARD, "vCard", |request| Box::pin(avatars::set(request))),
    ],
    stores: &["The vCards of rooms."],
    ..Feature::EMPTY
};

/// Searching for rooms.
pub const SEARCH: Feature = Feature {
    name: "search of rooms",
    summary: "Finds public rooms by words in their names, descriptions and addresses.",
    specs: &[Spec {
        name: "XEP-0433",
        version: "0.1.0",
        note: "Over the public rooms of the service asked, ordered by address or by occupants.",
    }],
    advertises: &[Advertised { at: SERVICE, var: ns::CHANNEL_SEARCH }],
    handles: &[Handler {
        kind: IqType::Get,
        namespace: ns::CHANNEL_SEARCH,
        name: "search",
        targets: &[Target::Service(Service::Rooms)],
        answer: |request| Box::pin(search::run(request)),
    }],
    ..Feature::EMPTY
};

/// The archives of rooms (XEP-0313 section 6.2).
pub const ARCHIVE: Feature = Feature {
    name: "archives of rooms",
    summary: "What was said in a room, for those who may enter it.",
    handles: &[
        handler(IqType::Get, ns::MAM, "query", |request| Box::pin(super::archive::fields(request))),
        handler(IqType::Set, ns::MAM, "query", |request| Box::pin(archive::query(request))),
        handler(IqType::Get, ns::MAM, "metadata", |request| Box::pin(archive::metadata(request))),
    ],
    stores: &["What is said in rooms that keep an archive."],
    ..Feature::EMPTY
};
