//! Scenarios: one server and fresh users each, rules and examples named beside the test that covers them.
//!
//! A line `/// covers: ...` above a test names what it shows; `docs/coverage.md` is drawn from these lines and from the
//! lists in `tests/coverage`.

#![allow(missing_docs, reason = "tests are named by what they show")]

mod accounts;
mod administration;
mod archive;
mod balancing;
mod binding;
mod blocking;
mod bots;
mod bytestreams;
mod carbons;
mod confidences;
mod discovery;
mod federation;
mod federation_ends;
mod files;
mod json;
mod json_contacts;
mod json_files;
mod json_mapping;
mod json_messages;
mod json_people;
mod json_presence;
mod json_resume;
mod messages;
mod modern_login;
mod nodes;
mod operation;
mod people;
mod personal;
mod personal_eventing;
mod presence;
mod pubsub;
mod push;
mod retraction;
mod rooms;
mod rosters;
mod sasl;
mod shared_database;
mod stream_management;
mod streams;
mod subscription_tables;
mod web_client;
mod web_push;
mod webhooks;
mod websocket;
mod world;

#[path = "../../crates/storage/tests/server/mod.rs"]
mod postgres;
