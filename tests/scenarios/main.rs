//! Scenarios: one server and fresh users each, rules and examples named beside the test that covers them.
//!
//! A line `/// covers: ...` above a test names what it shows; `docs/coverage.md` is drawn from these lines and from the
//! lists in `tests/coverage`.

#![allow(missing_docs, reason = "tests are named by what they show")]

mod messages;
mod subscription_tables;
mod world;
