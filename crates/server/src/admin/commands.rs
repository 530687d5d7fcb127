//! The commands, one file for a few that belong together, and the list of them.

mod audit;
mod backup;
mod check;
mod federation;
mod file;
mod installation;
mod invite;
mod migrate;
mod nodes;
mod notice;
mod people;
mod pubsub;
mod room;
mod session;
mod status;
mod token;
mod transfer;
mod upkeep;
mod user;
mod version;
mod webhook;

use super::registry::Command;

pub(crate) use webhook::INCOMING_PATH;

/// All commands, in the order in which they are documented.
pub const ALL: &[Command] = &[
    status::STATUS,
    nodes::NODES,
    user::ADD,
    user::LIST,
    user::SHOW,
    user::SET_PASSWORD,
    user::DISABLE,
    user::ENABLE,
    user::DELETE,
    people::ROLE,
    people::ROSTER,
    people::COUNT,
    invite::CREATE,
    invite::LIST,
    invite::REVOKE,
    file::LIST,
    file::DELETE,
    session::LIST,
    session::END,
    session::RESET,
    pubsub::LIST,
    pubsub::SHOW,
    pubsub::DELETE,
    room::LIST,
    room::SHOW,
    room::CREATE,
    room::CONFIG,
    room::AFFILIATION,
    room::DESTROY,
    token::CREATE,
    token::LIST,
    token::REVOKE,
    webhook::ADD,
    webhook::LIST,
    webhook::REMOVE,
    webhook::DEAD,
    webhook::REDELIVER,
    federation::LIST,
    federation::BLOCK,
    federation::UNBLOCK,
    federation::BLOCKED,
    federation::ADMIT,
    federation::DISMISS,
    federation::ADMITTED,
    notice::ANNOUNCE,
    notice::MOTD_SHOW,
    notice::MOTD_SET,
    notice::MOTD_EDIT,
    notice::MOTD_DELETE,
    notice::WELCOME_SHOW,
    notice::WELCOME_SET,
    notice::WELCOME_DELETE,
    audit::LIST,
    audit::VERIFY,
    backup::BACKUP,
    backup::RESTORE,
    transfer::EXPORT,
    transfer::IMPORT,
    migrate::SQLITE_TO_POSTGRES,
    upkeep::UPKEEP,
    installation::RELOAD,
    installation::RESTART,
    installation::DRAIN,
    installation::STOP,
    check::CHECK,
    version::VERSION,
];
