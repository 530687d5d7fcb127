//! The keys of the archive's index: hashes with a secret of the database, so that nobody can choose two that share one.
//!
//! A key is made of a hash of the owner and a hash of what is looked for, and so belongs to one owner alone.

use waxwing_chat::account::AccountId;

/// The bits of a key. Two keys may share a hash; whoever reads compares with the message.
pub(crate) const BITS: u32 = 48;

/// Makes keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    secret: (u64, u64),
    archived: u64,
    waiting: u64,
}

impl Keys {
    /// With the secret of the database.
    pub(crate) fn new(secret: [u8; 16]) -> Self {
        let half = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&secret[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let secret = (half(0), half(8));
        Self { secret, archived: hash(secret, b"archived", b'k'), waiting: hash(secret, b"waiting", b'k') }
    }

    /// The keys of one owner.
    pub(crate) fn of(&self, owner: AccountId) -> OwnerKeys {
        OwnerKeys { keys: *self, owner: hash(self.secret, &owner.0.to_le_bytes(), b'o') }
    }

    /// What stands for a label in the keys of all owners.
    pub(crate) fn label(&self, label: &str) -> u64 {
        hash(self.secret, label.as_bytes(), b'l')
    }

    /// What stands for a word in the keys of all owners.
    pub(crate) fn word(&self, word: &str) -> u64 {
        hash(self.secret, word.as_bytes(), b'w')
    }
}

/// Makes the keys of one owner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnerKeys {
    keys: Keys,
    owner: u64,
}

impl OwnerKeys {
    fn key(&self, what: u64) -> u64 {
        (self.owner ^ what) >> (64 - BITS)
    }

    /// Everything that archive queries show.
    pub(crate) fn archived(&self) -> u64 {
        self.key(self.keys.archived)
    }

    /// What waits while he is offline.
    pub(crate) fn waiting(&self) -> u64 {
        self.key(self.keys.waiting)
    }

    /// With one contact, by its bare address.
    pub(crate) fn contact(&self, bare: &str) -> u64 {
        self.key(hash(self.keys.secret, bare.as_bytes(), b'c'))
    }

    /// Messages that hold a word, or carry a label, by what stands for it.
    pub(crate) fn word(&self, word: u64) -> u64 {
        self.key(word)
    }

    /// Messages that carry a label.
    pub(crate) fn label(&self, label: &str) -> u64 {
        self.key(self.keys.label(label))
    }
}

/// SipHash-1-3 of the bytes and one that tells what they are.
fn hash((k0, k1): (u64, u64), bytes: &[u8], domain: u8) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let length = bytes.len() as u64 + 1;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        absorb(&mut v, u64::from_le_bytes(word));
    }
    let rest = chunks.remainder();
    let mut word = [0; 8];
    word[..rest.len()].copy_from_slice(rest);
    word[rest.len()] = domain;
    let word = u64::from_le_bytes(word);
    if rest.len() == 7 {
        absorb(&mut v, word);
        absorb(&mut v, length << 56);
    } else {
        absorb(&mut v, word | length << 56);
    }
    v[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn absorb(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    v[0] ^= word;
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::Hasher;

    /// The standard library's own hasher is SipHash-1-3 with the secret zero.
    #[test]
    fn is_siphash() {
        for length in 0..40_u8 {
            let bytes: Vec<_> = (0..length).map(|n| n.wrapping_mul(31)).collect();
            let mut other = std::hash::DefaultHasher::new();
            other.write(&bytes);
            other.write_u8(b'w');
            assert_eq!(hash((0, 0), &bytes, b'w'), other.finish(), "{length} bytes");
        }
    }

    #[test]
    fn keys_differ_by_owner_kind_and_secret() {
        let keys = Keys::new([7; 16]);
        let (a, b) = (keys.of(AccountId(1)), keys.of(AccountId(2)));
        let other = Keys::new([8; 16]).of(AccountId(1));
        let mut all = vec![a.archived(), b.archived(), other.archived(), a.waiting(), b.waiting()];
        all.extend([a.contact("archived"), a.word(keys.word("archived")), b.contact("archived")]);
        assert!(all.iter().all(|key| *key < 1 << BITS));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(Keys::new([7; 16]).of(AccountId(1)).archived(), a.archived());
    }
}
