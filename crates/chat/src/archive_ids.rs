//! Archive ids as others see them: the number under a permutation that only this installation knows.
//!
//! A number that rises with time would let an observer tell when and how much was archived, and guess the next one.
//! XEP-0313 section 3.1 wants ids that are unpredictable, XEP-0359 section 7 that nothing can be inferred from them. Within
//! the server the number stays what it is, so that the archive's index goes by it.
//!
//! The permutation is a Feistel network of eight rounds over the two halves of the number, whose round function is
//! SipHash-2-4 with a secret key.

use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::Result;

/// Where the key is kept.
const SETTING: &str = "archive-id-key";

const ROUNDS: u8 = 8;

/// Shows archive ids to clients and reads what they send. Without a key the numbers show as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArchiveIds {
    key: Option<[u64; 2]>,
}

impl ArchiveIds {
    /// With the key of an installation.
    pub fn with_key(key: u128) -> Self {
        Self { key: Some([key as u64, (key >> 64) as u64]) }
    }

    /// The id as clients see it.
    pub fn show(self, id: ArchiveId) -> String {
        match self.key {
            None => id.to_string(),
            Some(key) => {
                let (mut left, mut right) = halves(id.0);
                for round in 0..ROUNDS {
                    (left, right) = (right, left ^ mix(key, round, right));
                }
                format!("{:016x}", whole(left, right))
            }
        }
    }

    /// The id that a client means; `None` when no message can have it.
    pub fn read(self, text: &str) -> Option<ArchiveId> {
        let Some(key) = self.key else { return text.parse().ok() };
        let is_digit = |octet: u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return None;
        }
        let (mut left, mut right) = halves(u64::from_str_radix(text, 16).ok()?);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ mix(key, round, left), left);
        }
        Some(ArchiveId(whole(left, right)))
    }
}

fn halves(number: u64) -> (u32, u32) {
    ((number >> 32) as u32, number as u32)
}

fn whole(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// The round function: the number of the round and one half, five octets, under the key.
fn mix(key: [u64; 2], round: u8, half: u32) -> u32 {
    let block = 5 << 56 | u64::from(round) << 32 | u64::from(half);
    sip_hash(key, &[block]) as u32
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012) of a message that is padded to whole blocks already.
fn sip_hash(key: [u64; 2], blocks: &[u64]) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    for block in blocks {
        v[3] ^= block;
        sip_round(&mut v);
        sip_round(&mut v);
        v[0] ^= block;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        sip_round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn sip_round(v: &mut [u64; 4]) {
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

impl Chat {
    /// How archive ids are shown and read.
    pub fn archive_ids(&self) -> ArchiveIds {
        self.archive_ids.get().copied().unwrap_or_default()
    }

    /// Hides archive ids under the key of this installation, which is made at the first call and kept. To be called before
    /// anybody is served; a later call changes nothing.
    pub async fn hide_archive_ids(&self) -> Result<()> {
        let mut fresh = [0; 16];
        self.fill_random(&mut fresh);
        let fresh = u128::from_le_bytes(fresh);
        let kept = self.store.setting_or(SETTING, &format!("{fresh:032x}")).await?;
        let key = match u128::from_str_radix(&kept, 16) {
            Ok(key) => key,
            Err(_) => {
                self.store.put_setting(SETTING, &format!("{fresh:032x}")).await?;
                fresh
            }
        };
        let _ = self.archive_ids.set(ArchiveIds::with_key(key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::testing::World;

    /// The test vectors of the reference implementation: key 00..0f, messages of 0, 7 and 8 octets that count up.
    #[test]
    fn sip_hash_is_that_of_its_authors() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        assert_eq!(sip_hash(key, &[0]), 0x726f_db47_dd0e_0e31);
        assert_eq!(
            sip_hash(key, &[0x0706_0504_0302_0100 & (u64::MAX >> 8) | 7 << 56]),
            0xab02_00f5_8b01_d137
        );
        assert_eq!(sip_hash(key, &[0x0706_0504_0302_0100, 8 << 56]), 0x93f5_f579_9a93_2462);
    }

    /// XEP-0313 section 3.1, XEP-0359 section 7: no two alike, none near its neighbour, and all of them come back.
    #[test]
    fn ids_are_a_permutation_that_tells_nothing() {
        let ids = ArchiveIds::with_key(0x0123_4567_89ab_cdef_0f1e_2d3c_4b5a_6978);
        let start = 1_790_000_000_000_000;
        let mut seen = HashSet::new();
        let mut last: Option<String> = None;
        let (mut higher, mut bits) = (0_u32, 0_u32);
        for number in start..start + 1000 {
            let shown = ids.show(ArchiveId(number));
            assert_eq!(ids.read(&shown), Some(ArchiveId(number)));
            let value = |text: &str| u64::from_str_radix(text, 16).unwrap();
            if let Some(last) = &last {
                higher += u32::from(shown > *last);
                bits += (value(&shown) ^ value(last)).count_ones();
            }
            assert!(seen.insert(shown.clone()));
            last = Some(shown);
        }
        assert!((400..600).contains(&higher), "the order does not show: {higher}");
        assert!((30_000..34_000).contains(&bits), "half of the bits differ: {bits}");
        assert_ne!(
            ArchiveIds::with_key(1).show(ArchiveId(start)),
            ArchiveIds::with_key(2).show(ArchiveId(start))
        );
    }

    #[test]
    fn what_is_no_id_is_none() {
        let ids = ArchiveIds::with_key(7);
        for text in ["", "7", "0123456789ABCDEF", "+123456789abcdef", "0123456789abcdef0", "0123456789abcdeg"]
        {
            assert_eq!(ids.read(text), None, "{text}");
        }
        assert_eq!(ArchiveIds::default().read("7"), Some(ArchiveId(7)));
    }

    #[tokio::test]
    async fn the_key_is_kept() {
        let world = World::of(&["romeo"]).await;
        world.chat.hide_archive_ids().await.unwrap();
        let shown = world.chat.archive_ids().show(ArchiveId(7));
        let kept = world.chat.store().setting(SETTING).await.unwrap().unwrap();
        let again = ArchiveIds::with_key(u128::from_str_radix(&kept, 16).unwrap());
        assert_eq!((again.show(ArchiveId(7)), shown.len()), (shown, 16));
    }
}
