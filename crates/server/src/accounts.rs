//! The configuration of accounts: what the domain lets them do and keeps for them.

use waxwing_chat::service::Service;
use waxwing_chat::settings::{Proof, Settings};

use crate::config::{choice, config};

config! {
    /// Accounts: how passwords are kept, who may register, and what is kept for each account.
    pub struct Config {
        /// Rounds of PBKDF2 for the verifiers of new passwords. A client that signs in with SCRAM does them each time on
        /// its own device, so what a phone can bear is the measure. RFC 7677 asks for 4096 at least.
        scram_iterations: u32 = Settings::default().scram_iterations,
        /// Make verifiers for SCRAM-SHA-1 too, for clients that know nothing newer.
        scram_sha1: bool = Settings::default().scram_sha1,
        /// What an administrator has to sign in by. One who comes by something weaker is refused, although the password
        /// was right (RFC 6120 section 6.5.9).
        administrators_sign_in_by: SignInBy = SignInBy::Any,
        /// Let anybody register an account without an invitation (XEP-0077).
        open_registration: bool = Settings::default().open_registration,
        /// Delay those who fail to sign in again and again, and those who register many accounts. Off only for measuring:
        /// without it passwords can be guessed as fast as the server can answer.
        delay_attempts: bool = Settings::default().delay_attempts,
        /// How long an invitation is good for unless it says otherwise.
        invitation_lifetime_ms: u64 = Settings::default().invitation_lifetime_ms,
        /// How long a token is good for that a client got to sign in without the password (XEP-0484).
        token_lifetime_ms: u64 = Settings::default().token_lifetime_ms,
        /// How often login tokens, invitations and published items that have expired are removed. They are good for nothing from that moment
        /// on either way; the command `upkeep` removes them at once.
        removal_interval_ms: u64 = 86_400_000,
        /// Keep messages in the archives of those who sent and received them (XEP-0313).
        archive: bool = Settings::default().archive,
        /// How many contacts one roster may hold.
        roster_items_limit: usize = Settings::default().roster_items_limit,
        /// How many addresses one blocklist may hold.
        blocklist_limit: usize = Settings::default().blocklist_limit,
        /// Bytes of one document of private XML storage.
        private_document_bytes_limit: usize = Settings::default().private_document_bytes_limit,
        /// How many documents of private XML storage one account may keep.
        private_documents_limit: usize = Settings::default().private_documents_limit,
    }
}

choice! {
    /// How well somebody has to prove who he is. SASL EXTERNAL, with a certificate, is always enough.
    pub enum SignInBy {
        /// Every mechanism that is offered.
        Any = "any",
        /// SCRAM or a token, but not PLAIN: the server never gets to see the password.
        Scram = "scram",
        /// SCRAM with SHA-256 or SHA-512, or a token.
        ScramSha256 = "scram-sha-256",
        /// The same, bound to the TLS connection: SCRAM-SHA-256-PLUS or better, or a token that is bound.
        ChannelBound = "channel-bound",
    }
}

impl From<SignInBy> for Proof {
    fn from(least: SignInBy) -> Self {
        match least {
            SignInBy::Any => Self::Any,
            SignInBy::Scram => Self::Scram,
            SignInBy::ScramSha256 => Self::ScramSha256,
            SignInBy::ChannelBound => Self::ChannelBound,
        }
    }
}

/// What the configuration says to the domain.
pub fn settings(config: &crate::config::Config) -> Settings {
    let accounts = &config.accounts;
    Settings {
        domains: config.domain_names().map(str::to_owned).collect(),
        services: services(config),
        room_creation: config.rooms.creation.into(),
        rooms_per_creator_limit: config.rooms.per_creator_limit,
        people: (&config.xmpp.people).into(),
        pubsub: (&config.pubsub).into(),
        archive: accounts.archive,
        roster_items_limit: accounts.roster_items_limit,
        blocklist_limit: accounts.blocklist_limit,
        private_document_bytes_limit: accounts.private_document_bytes_limit,
        private_documents_limit: accounts.private_documents_limit,
        open_registration: accounts.open_registration,
        delay_attempts: accounts.delay_attempts,
        scram_sha1: accounts.scram_sha1,
        scram_iterations: accounts.scram_iterations,
        administrators_proof: accounts.administrators_sign_in_by.into(),
        token_lifetime_ms: accounts.token_lifetime_ms,
        invitation_lifetime_ms: accounts.invitation_lifetime_ms,
        invitation_url: invitation_url(config),
        files: crate::files::settings(config),
        push: crate::integrations::push_settings(&config.integrations),
        webhooks: crate::integrations::webhook_settings(&config.integrations),
    }
}

/// The services beside each domain.
fn services(config: &crate::config::Config) -> Vec<Service> {
    let mut services = Settings::default().services;
    if crate::files::is_offered(config) {
        services.push(Service::Upload);
    }
    if !config.listen.bytestreams.is_empty() {
        services.push(Service::Proxy);
    }
    services
}

/// Where the pages of invitations are found; `None` when HTTPS is not listened for, or on a port that nobody knows yet.
fn invitation_url(config: &crate::config::Config) -> Option<String> {
    if let Some(url) = &config.http.invitation_url {
        return Some(url.clone());
    }
    match config.listen.https.first()?.0.port() {
        0 => None,
        443 => Some("https://{domain}/invite/".to_owned()),
        port => Some(format!("https://{{domain}}:{port}/invite/")),
    }
}
