//! The `Store` port of the domain on an embedded SQLite database, and the `Blobs` port in a folder and in object storage.

mod audit_chain;
pub mod blobs;
mod copies;
mod hashes;
mod keys;
mod labels;
mod queue;
pub mod sqlite;
mod words;
