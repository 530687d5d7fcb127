//! The `Store` port of the domain on an embedded SQLite database, and the `Blobs` port in a folder and in object storage.

mod audit_chain;
pub mod blobs;
pub mod sqlite;
mod words;
