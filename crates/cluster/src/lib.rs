//! The bus between nodes of one installation, twice: in one process, and on NATS.
//!
//! What makes a bus of something that carries packets is in `links`: who is there, numbers that tell losses, repeats and
//! reordering, and who is gone. It does no I/O. `local` carries its packets within a process, with faults for tests;
//! `nats` seals them under the key of the installation and carries them over NATS.

#![forbid(unsafe_code)]

mod counters;
mod links;
pub mod local;
pub mod nats;
mod packet;
mod peer;
mod port;
mod queues;
mod settings;

pub use counters::{Count, Counters};
pub use packet::Key;
pub use peer::Neighbour;
pub use settings::Settings;
