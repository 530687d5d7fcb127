//! What streams between servers follow. `xmpp::s2s` and `crate::xmpp::federation` carry them out.

use super::{Feature, Spec};

/// XEP-0185 and XEP-0220; RFC 6120, XEP-0178 and XEP-0368 stand beside the streams of clients.
pub const FEATURE: Feature = Feature {
    name: "federation",
    summary: "Exchanges messages, presence and requests with the people of other servers.",
    specs: &[
        Spec {
            name: "XEP-0185",
            version: "1.0",
            note: "With the length of each part, which section 3 does not have.",
        },
        Spec {
            name: "XEP-0220",
            version: "1.1.1",
            note: "Where `federation.certificates` lets it. Further pairs of domains are taken on one stream, and not asked \
                   for.",
        },
    ],
    ..Feature::EMPTY
};
