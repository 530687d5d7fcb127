//! The hash that stands for a client's own id of a message.

use sha2::{Digest, Sha256};

/// Stands for a client's id of a message. Nobody can make two that share one: that would lose a message.
pub(crate) fn client_id(id: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    key
}
