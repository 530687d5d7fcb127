//! Saying to push services who sends (RFC 8292): a key pair made once and kept in the store, and a signed statement.

use anyhow::{Context as _, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use waxwing_chat::Chat;

use super::Config;

/// Where the store keeps the key pair.
const SETTING: &str = "push.key";

/// How long a statement is good for: at most a day (section 2).
const LIFETIME_S: u64 = 12 * 3_600;

/// The server's key pair for push services.
pub struct Vapid {
    pair: EcdsaKeyPair,
    /// The public key, in base 64 for URLs, as pages give it to their browser.
    public: String,
    contact: String,
}

impl Vapid {
    /// The key pair of this installation, made when there is none.
    pub async fn load(chat: &Chat, config: &Config) -> Result<Self> {
        let kept = match chat.store().setting(SETTING).await? {
            Some(kept) => kept,
            None => {
                let made =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                let made = made.map_err(|_| anyhow::anyhow!("no key could be made"))?;
                chat.store().setting_or(SETTING, &URL_SAFE_NO_PAD.encode(made.as_ref())).await?
            }
        };
        let document = URL_SAFE_NO_PAD.decode(&kept).context("the key kept for pushes cannot be read")?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document)
            .map_err(|_| anyhow::anyhow!("the key kept for pushes is none"))?;
        let page =
            chat.settings().domains.first().map(|domain| format!("https://{domain}")).unwrap_or_default();
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(Self { pair, public, contact: config.push_contact.clone().unwrap_or(page) })
    }

    /// The public key.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The value of the header Authorization for the push service of this origin (section 3).
    pub fn authorization(&self, origin: &str, now_ms: u64) -> Result<String> {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"typ": "JWT", "alg": "ES256"}));
        let claims = part(json!({"aud": origin, "exp": now_ms / 1000 + LIFETIME_S, "sub": self.contact}));
        let signed = format!("{header}.{claims}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| anyhow::anyhow!("the statement could not be signed"))?;
        let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
        Ok(format!("vapid t={signed}.{signature}, k={}", self.public))
    }
}
