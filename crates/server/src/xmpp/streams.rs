//! What the stream machine offers on this server: the hosts, their mechanisms and their features.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use waxwing_chat::Chat;
use waxwing_xmpp::c2s::{self, Host, HostPolicy};
use waxwing_xmpp::ns;
use waxwing_xmpp::sasl::Hash;
use waxwing_xmpp::xml::Limits;

use super::features::{self, When, caps};

/// Elements, attributes and runs of text in what a client sends before it is bound. The longest request there is, SASL2
/// with all that can be asked for inline, has about a hundred; each holds 28 bytes while it is read.
const ITEMS_BEFORE_SIGNING_IN: usize = 512;

/// What streams that begin from now on are told. `known` are the domains that this installation serves or has served.
pub(super) fn config(
    chat: &Arc<Chat>,
    settings: &crate::config::Config,
    config: &Arc<super::Config>,
    known: BTreeSet<String>,
) -> c2s::Config {
    let hosts: HashMap<String, Arc<HostPolicy>> = settings
        .domain_names()
        .map(|name| (name.to_owned(), Arc::new(policy(name, config, settings.accounts.scram_sha1))))
        .collect();
    let default_host = settings.domain_names().next().unwrap_or("localhost").into();
    let chat = Arc::clone(chat);
    c2s::Config {
        hosts: Box::new(move |name| match hosts.get(name) {
            Some(host) => Host::Served(host.clone()),
            // RFC 6120 section 4.9.3.5.
            None if known.contains(name) => Host::Gone,
            None => Host::Unknown,
        }),
        default_host,
        random: Box::new(move |buffer| chat.fill_random(buffer)),
        limits_before: Limits {
            stanza_bytes: config.unauthenticated_stanza_bytes,
            items: ITEMS_BEFORE_SIGNING_IN,
            ..Limits::default()
        },
        limits: Limits { stanza_bytes: config.stanza_bytes, ..Limits::default() },
        attempts: u8::try_from(config.sign_in_attempts).unwrap_or(u8::MAX),
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
