//! Messages that are to be sent later.

use crate::json::error::Fault;
use crate::json::method::{Call, Method};
use crate::json::types::Scheduled;

/// The methods.
pub(super) const METHODS: &[Method] = &[];

/// All that wait.
pub(super) async fn all(_call: &Call) -> Result<Vec<Scheduled>, Fault> {
    Ok(Vec::new())
}
