//! Hashes that stand for longer keys in indexes.

use sha2::{Digest, Sha256};

/// Stands for a contact's bare address. Two may share one; whoever reads compares the address itself.
pub(super) fn peer(bare: &str) -> i64 {
    // FNV-1a. A forged collision makes the victim's query step over the forger's messages, and nothing else.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bare.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash.cast_signed()
}

/// Stands for a client's id of a message. Nobody can make two that share one: that would lose a message.
pub(super) fn client_id(id: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(id.as_bytes()).into();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    key
}
