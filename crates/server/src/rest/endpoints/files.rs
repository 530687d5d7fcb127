//! Uploading: a place for a file, which is then put there as by any client (XEP-0363).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waxwing_chat::access::Scope;
use waxwing_chat::files::Purpose;
use waxwing_chat::files::slots::FileOrder;

use crate::rest::endpoint::{Call, Endpoint, endpoint};
use crate::rest::problem::Problem;

pub(super) const UPLOAD: Endpoint = endpoint!(
    "POST" "/api/v1/files", "uploadFile", "Ask for a place for a file, whose content is then put there",
    Some(Scope::Files), 201, Order => Place, upload
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    /// Its name.
    #[schemars(length(min = 1, max = 200))]
    name: String,
    /// Its length.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991u64))]
    bytes: u64,
    /// Its media type.
    #[serde(rename = "type")]
    #[schemars(regex(pattern = "^[a-z]{1,20}/[a-z0-9]{1,60}$"))]
    media_type: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Place {
    /// Where the content is put, once, with these headers.
    put: Put,
    /// Where it is read from then on, and what `attachments` of a message name.
    url: String,
}

#[derive(Serialize, JsonSchema)]
struct Put {
    /// The link.
    url: String,
    /// Headers of the request.
    headers: BTreeMap<String, String>,
}

async fn upload(call: Call, arguments: Order) -> Result<Place, Problem> {
    let order = FileOrder {
        name: arguments.name,
        size: arguments.bytes,
        media_type: arguments.media_type,
        purpose: Purpose::Message,
        expires_ms: None,
    };
    let slot = call.chat.request_slot(&call.owner(), order).await?;
    let headers = BTreeMap::from([("Authorization".to_owned(), format!("Bearer {}", slot.token))]);
    Ok(Place { put: Put { url: slot.link.clone(), headers }, url: slot.link })
}
