//! Offline messages (XEP-0160): what is sent to someone who is away waits in the archive.

use waxwing_xmpp::ns;

use super::{Advertised, At, Feature, Spec};

/// XEP-0160; `waxwing_chat::deliver` replays what waits.
pub const FEATURE: Feature = Feature {
    name: "offline messages",
    summary: "Delivers what was sent to someone away once he is back, in order and once.",
    specs: &[Spec { name: "XEP-0160", version: "1.0.1", note: "" }],
    advertises: &[Advertised { at: At::Server, var: ns::OFFLINE }],
    stores: &["How far each account's messages have been delivered."],
    ..Feature::EMPTY
};
