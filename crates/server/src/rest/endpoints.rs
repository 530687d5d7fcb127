//! The endpoints, one file for a few that belong together, and the list of them.

mod conversations;
mod files;
mod me;
mod messages;
mod people;
mod rooms;
mod webhooks;

use super::endpoint::Endpoint;

/// All endpoints but the administrator's commands, in the order of the description.
pub(super) fn all() -> &'static [Endpoint] {
    &ALL
}

static ALL: [Endpoint; 22] = [
    me::ME,
    conversations::LIST,
    messages::HISTORY,
    messages::GET,
    messages::SEND,
    messages::EDIT,
    messages::RECALL,
    messages::REACT,
    rooms::LIST,
    rooms::CREATE,
    rooms::GET,
    rooms::CHANGE,
    rooms::DESTROY,
    rooms::MEMBERS,
    rooms::SET_MEMBER,
    people::SEARCH,
    files::UPLOAD,
    webhooks::LIST,
    webhooks::ADD,
    webhooks::REMOVE,
    webhooks::DEAD,
    webhooks::REDELIVER,
];
