//! The commands, one file each (or one file for a few that belong together), and the list of them.

mod installation;
mod status;
mod version;

use super::registry::Command;

/// All commands, in the order in which they are documented.
pub const ALL: &[Command] = &[
    status::STATUS,
    installation::RELOAD,
    installation::STOP,
    version::VERSION,
];
