//! Places for files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file that is to be uploaded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileBegin {
    /// Its name.
    pub(crate) name: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// Its media type.
    #[serde(rename = "type")]
    pub(crate) media_type: String,
}

/// A place for a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FileBegun {
    /// How its content comes there.
    pub(crate) upload: FileUpload,
    /// Where it is from then on, and what an attachment names: a path of this server.
    pub(crate) url: String,
}

/// How the content of a file comes to its place: by one request with the method PUT.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FileUpload {
    /// Where to: a path of this server.
    pub(crate) url: String,
    /// Headers that the request must have.
    pub(crate) headers: BTreeMap<String, String>,
}
