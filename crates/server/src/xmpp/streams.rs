//! What the stream machine offers on this server: the hosts, their mechanisms and their features.

use std::collections::HashMap;
use std::sync::Arc;

use waxwing_chat::Chat;
use waxwing_xmpp::c2s::{self, Host, HostPolicy};
use waxwing_xmpp::ns;
use waxwing_xmpp::sasl::Hash;
use waxwing_xmpp::xml::Limits;

use super::face::Current;
use super::features::{self, When, caps};

impl Current {
    /// Draws up what streams that begin from now on are told.
    pub(crate) fn new(chat: &Arc<Chat>, settings: &crate::config::Config) -> Self {
        let config = Arc::new(settings.xmpp.clone());
        let hosts: HashMap<String, Arc<HostPolicy>> = settings
            .domain_names()
            .map(|name| (name.to_owned(), Arc::new(policy(name, &config, settings.accounts.scram_sha1))))
            .collect();
        let default_host = settings.domain_names().next().unwrap_or("localhost").into();
        let chat = Arc::clone(chat);
        let streams = c2s::Config {
            hosts: Box::new(move |name| {
                hosts.get(name).map_or(Host::Unknown, |host| Host::Served(host.clone()))
            }),
            default_host,
            random: Box::new(move |buffer| chat.fill_random(buffer)),
            limits_before: Limits { stanza_bytes: config.unauthenticated_stanza_bytes, ..Limits::default() },
            limits: Limits { stanza_bytes: config.stanza_bytes, ..Limits::default() },
            attempts: u8::try_from(config.sign_in_attempts).unwrap_or(u8::MAX),
        };
        Self {
            config,
            streams: Arc::new(streams),
            authentication_timeout_ms: settings.limits.authentication_timeout_ms,
        }
    }
}

fn policy(name: &str, config: &Arc<super::Config>, scram_sha1: bool) -> HostPolicy {
    let mut scram = vec![Hash::Sha512, Hash::Sha256];
    // Without verifiers for it nobody could sign in by it.
    if scram_sha1 {
        scram.push(Hash::Sha1);
    }
    let mut after = features::announced(When::SignedIn);
    after.extend(caps::stream_features(config));
    HostPolicy {
        scram,
        plain: config.plain,
        upgrades: vec![Hash::Sha512, Hash::Sha256],
        iq_before: vec![ns::REGISTER.to_owned(), ns::PREAUTH.to_owned()],
        features_before: features::announced(When::BeforeSignIn),
        features_after: after,
        ..HostPolicy::new(name)
    }
}
