//! Durability of the whole server: power cuts, kills, failing syncs, full and hung disks, lost connections, nodes, partitions. What was
//! acknowledged is there afterwards, once and in order.
//!
//! The numbers of trials are environment variables; `docs/durability.md` says which.

#![allow(missing_docs, reason = "tests are named by what they show")]

mod checker;
mod connections;
mod device;
mod disks;
mod installation;
mod network;
mod nodes;
mod outages;
mod publications;
mod rooms;
mod seed;
mod stage;
mod uploads;
mod wire;

// The means to break a disk are those of the store's own suite.
#[path = "../../crates/storage/tests/faults/mod.rs"]
mod faults;
#[path = "../../crates/storage/tests/server/mod.rs"]
mod postgres;
#[path = "../../crates/storage/tests/scratch/mod.rs"]
mod scratch;
