//! What an administrator decides about the domain; one snapshot is in force at a time.

use waxwing_xmpp::sasl::{Hash, Mechanism, TokenBinding};

use crate::files::FileSettings;
use crate::people::PeopleSettings;
use crate::pubsub::PubSubSettings;
use crate::push::PushSettings;
use crate::service::Service;
use crate::webhooks::WebhookSettings;

/// How well a client has to prove who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// By any mechanism that is offered.
    #[default]
    Any,
    /// Not by PLAIN: the server never gets to see the password.
    Scram,
    /// By SCRAM with SHA-256 or SHA-512, a token, or a certificate.
    ScramSha256,
    /// By one that is bound to the TLS connection, so that nobody in between can use it.
    ChannelBound,
}

impl Proof {
    /// Whether this mechanism is enough.
    pub fn accepts(self, mechanism: Mechanism) -> bool {
        match (self, mechanism) {
            (Self::Any, _) | (_, Mechanism::External) => true,
            (_, Mechanism::Plain) => false,
            (Self::Scram, _) => true,
            (Self::ScramSha256, Mechanism::Scram { hash, .. }) => hash != Hash::Sha1,
            (Self::ScramSha256, Mechanism::HashedToken(_)) => true,
            (Self::ChannelBound, Mechanism::Scram { hash, plus }) => plus && hash != Hash::Sha1,
            (Self::ChannelBound, Mechanism::HashedToken(binding)) => binding != TokenBinding::None,
        }
    }
}

/// Who may create rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoomCreation {
    /// Everybody with an account.
    #[default]
    Members,
    /// Administrators.
    Administrators,
}

/// Settings of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The domains this server answers for; the first is the default.
    pub domains: Vec<String>,
    /// The services beside each of them.
    pub services: Vec<Service>,
    /// Messages are archived.
    pub archive: bool,
    /// How many contacts one roster may hold.
    pub roster_items_limit: usize,
    /// How many addresses one blocklist may hold.
    pub blocklist_limit: usize,
    /// Bytes of one document of private XML storage.
    pub private_document_bytes_limit: usize,
    /// How many documents of private XML storage one account may keep.
    pub private_documents_limit: usize,
    /// Anybody may register an account without an invitation (XEP-0077).
    pub open_registration: bool,
    /// Those who fail to sign in again and again, or register many accounts, are delayed.
    pub delay_attempts: bool,
    /// Password verifiers are made for SCRAM-SHA-1 too, for clients that know nothing newer.
    pub scram_sha1: bool,
    /// Rounds of PBKDF2 for new password verifiers.
    pub scram_iterations: u32,
    /// How well administrators have to prove who they are.
    pub administrators_proof: Proof,
    /// Milliseconds a sign-in token of XEP-0484 is good for.
    pub token_lifetime_ms: u64,
    /// Milliseconds an invitation is good for unless it says otherwise.
    pub invitation_lifetime_ms: u64,
    /// Where the pages of invitations are found; `{domain}` stands for the domain, and the token follows.
    pub invitation_url: Option<String>,
    /// Files.
    pub files: FileSettings,
    /// What people say about themselves, and how they are found.
    pub people: PeopleSettings,
    /// Who may create rooms.
    pub room_creation: RoomCreation,
    /// How many rooms one account may have created that are still there.
    pub rooms_per_creator_limit: usize,
    /// Publish-subscribe.
    pub pubsub: PubSubSettings,
    /// Pushes.
    pub push: PushSettings,
    /// Webhooks.
    pub webhooks: WebhookSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            domains: vec!["localhost".to_owned()],
            services: vec![Service::Rooms, Service::PubSub],
            archive: true,
            roster_items_limit: 2000,
            blocklist_limit: 1000,
            private_document_bytes_limit: 65_536,
            private_documents_limit: 200,
            open_registration: false,
            delay_attempts: true,
            scram_sha1: true,
            scram_iterations: waxwing_xmpp::sasl::DEFAULT_ITERATIONS,
            administrators_proof: Proof::Any,
            token_lifetime_ms: 30 * 24 * 3600 * 1000,
            invitation_lifetime_ms: 7 * 24 * 3600 * 1000,
            invitation_url: None,
            files: FileSettings::default(),
            people: PeopleSettings::default(),
            room_creation: RoomCreation::Members,
            rooms_per_creator_limit: 100,
            pubsub: PubSubSettings::default(),
            push: PushSettings::default(),
            webhooks: WebhookSettings::default(),
        }
    }
}
