//! The `Blobs` port twice: in a folder, and in object storage that speaks the protocol of S3.

pub mod folder;
pub mod object_storage;
