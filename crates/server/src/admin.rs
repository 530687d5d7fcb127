//! Everything an administrator can do, as one registry of commands, and the socket that carries them.
//!
//! A command says what it is called, what it takes, what it answers and who may use it. The command line, its
//! completions and manual pages and the reference in `docs/commands.md` are drawn from that, and so is any later way
//! in: nothing in here knows which of them is asking.

pub mod backup;
pub mod commands;
pub mod context;
pub mod failure;
pub mod parameter;
pub mod password;
pub mod protocol;
pub mod reference;
pub mod registry;
pub mod socket;
pub mod table;
pub mod transfer;

pub use context::{Actor, Admin, Context, Program};
pub use failure::{Code, Failure, domain_failure};
pub use registry::{Command, Permission, Run, all, find};
