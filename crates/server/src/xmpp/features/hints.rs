//! Message processing hints (XEP-0334): a sender's word on whether a message is kept and copied.

use waxwing_xmpp::ns;

use super::{Advertised, At, Feature, Spec};

/// XEP-0334; `waxwing_chat::hints` reads them.
pub const FEATURE: Feature = Feature {
    name: "message hints",
    summary: "Follows a sender's hints on what is archived, waits or is copied.",
    specs: &[Spec { name: "XEP-0334", version: "1.0.0", note: "" }],
    advertises: &[Advertised { at: At::Account, var: ns::HINTS }],
    ..Feature::EMPTY
};
