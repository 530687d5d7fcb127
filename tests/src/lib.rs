//! The harness of the black-box tests: a server of one's own, and clients that say exactly what a test tells them.
//!
//! A test starts a [`World`]: the real `waxwing` binary on a fresh folder, every port chosen by the system. Its
//! [`Client`]s send XML as it is written in the RFCs, and compare what arrives with [`pattern`]s. Nothing here uses the
//! server's own code, so that a mistake cannot cancel itself out.
//!
//! ```text
//! let world = world().await;
//! let mut romeo = world.online("romeo/orchard").await;
//! let mut juliet = world.online("juliet/balcony").await;
//! romeo.send("<message to='juliet@localhost/balcony' type='chat'><body>hi</body></message>").await;
//! juliet.expect("<message from='romeo@localhost/orchard' type='chat'><body>hi</body></message>").await;
//! ```
//!
//! Nothing sleeps. That something does *not* arrive is shown by a round trip: see [`Client::expect_nothing_from`].

pub mod client;
pub mod dns;
pub mod json;
pub mod login;
pub mod object_storage;
pub mod pattern;
pub mod process;
pub mod receiver;
pub mod scram;
pub mod server;
pub mod transport;
pub mod web;
pub mod world;
pub mod xml;

pub use client::Client;
pub use process::Process;
pub use server::{Server, Setup};
pub use world::World;
