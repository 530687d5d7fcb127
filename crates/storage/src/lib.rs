//! The `Store` port of the domain on an embedded SQLite database and on PostgreSQL, and the `Blobs` port in a folder and in
//! object storage.

mod audit_chain;
pub mod blobs;
mod clock;
mod copies;
mod hashes;
mod keys;
mod kinds;
mod labels;
mod listing;
mod lists;
pub mod postgres;
mod queue;
pub mod sqlite;
mod words;
