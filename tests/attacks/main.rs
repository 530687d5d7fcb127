//! Known attacks, each against the built binary over real sockets.
//!
//! What is asserted is what a test can know for certain: the condition that the RFC prescribes, that the connection is
//! closed, that nobody came in who must not, how much memory the server holds, how much processor time it used. How long
//! something took is printed as a figure and never asserted. `docs/security.md` lists every attack with its test and its
//! figure; `cargo test -p waxwing-server --test attacks -- --nocapture` prints the figures, and with
//! `WAXWING_ATTACKS=full` runs the attacks at their full size.

#![allow(missing_docs, clippy::print_stdout, reason = "tests are named by what they show")]

mod bytes;
mod connections;
mod federation;
mod files;
mod forgery;
mod guessing;
mod http;
mod json;
mod middle;
mod negotiation;
mod overload;
mod provoke;
mod proxy;
mod pubsub;
mod rooms;
mod sign_in;
mod tls_scan;
mod tokens;
mod world;
mod xml_bombs;
