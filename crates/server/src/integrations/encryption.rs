//! Encrypting what is pushed for the device alone (RFC 8291, in the coding aes128gcm of RFC 8188).

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

/// The size of the one record there is (RFC 8291 section 4).
const RECORD_BYTES: u32 = 4_096;

/// How much may be pushed, so that it fits into what every push service takes (RFC 8030 section 7.2).
pub const PLAIN_BYTES_LIMIT: usize = 3_993;

/// Closes the last record (RFC 8188 section 2).
const LAST_RECORD: u8 = 2;

/// A number of octets, as the key derivation wants it.
struct Octets(usize);

impl KeyType for Octets {
    fn len(&self) -> usize {
        self.0
    }
}

/// Encrypts for a device's key and secret.
pub fn encrypt(plain: &[u8], device: &[u8], auth: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt)?;
    encrypt_with(&PrivateKey::generate(&ECDH_P256)?, salt, plain, device, auth)
}

fn encrypt_with(
    own: &PrivateKey,
    salt: [u8; 16],
    plain: &[u8],
    device: &[u8],
    auth: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    if plain.len() > PLAIN_BYTES_LIMIT {
        return Err(Unspecified);
    }
    let public = own.compute_public_key()?;
    let public = public.as_ref();
    // Section 3.3 and 3.4.
    let peer = UnparsedPublicKey::new(&ECDH_P256, device);
    let input = agree(own, peer, Unspecified, |shared| {
        let info = [b"WebPush: info\0".as_slice(), device, public];
        derive(auth, shared, &info, 32)
    })?;
    let key = derive(&salt, &input, &[b"Content-Encoding: aes128gcm\0"], 16)?;
    let nonce = derive(&salt, &input, &[b"Content-Encoding: nonce\0"], 12)?;
    let mut sealed = plain.to_vec();
    sealed.push(LAST_RECORD);
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce)?;
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed)?;
    let mut out = Vec::with_capacity(21 + public.len() + sealed.len());
    out.extend_from_slice(&salt);
    out.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    out.push(u8::try_from(public.len()).map_err(|_| Unspecified)?);
    out.extend_from_slice(public);
    out.extend_from_slice(&sealed);
    Ok(out)
}

pub(super) fn derive(
    salt: &[u8],
    input: &[u8],
    info: &[&[u8]],
    octets: usize,
) -> Result<Vec<u8>, Unspecified> {
    let mut out = vec![0; octets];
    Salt::new(HKDF_SHA256, salt).extract(input).expand(info, Octets(octets))?.fill(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).expect("base 64")
    }

    #[test]
    fn rfc_8291_appendix_a() {
        let own =
            PrivateKey::from_private_key(&ECDH_P256, &bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
                .expect("a key");
        let device =
            bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg");
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().expect("16 octets");
        let plain = b"When I grow up, I want to be a watermelon";
        let sealed = encrypt_with(&own, salt, plain, &device, &auth).expect("encrypted");
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tl\
                        zAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sealed), expected);
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        assert!(encrypt(b"x", &[4; 65], &[0; 16]).is_err());
        assert!(encrypt(&[0; PLAIN_BYTES_LIMIT + 1], &[4; 65], &[0; 16]).is_err());
    }

    #[test]
    fn no_two_are_alike() {
        let device =
            PrivateKey::generate(&ECDH_P256).expect("a key").compute_public_key().expect("its public part");
        let sealed = || encrypt(b"the same", device.as_ref(), &[7; 16]).expect("encrypted");
        assert_ne!(sealed(), sealed());
    }
}
