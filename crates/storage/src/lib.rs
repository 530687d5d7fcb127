//! The `Store` port of the domain on an embedded SQLite database.

mod audit_chain;
pub mod sqlite;
mod words;
