//! What streams between servers follow. `xmpp::s2s` and `crate::xmpp::federation` carry them out.

use super::{Feature, Spec};

/// RFC 6120 between servers, XEP-0178, XEP-0185, XEP-0220 and XEP-0368.
pub const FEATURE: Feature = Feature {
    name: "federation",
    summary: "Exchanges messages, presence and requests with the people of other servers.",
    specs: &[
        Spec { name: "RFC 6120", version: "", note: "Between servers; STARTTLS is required." },
        Spec { name: "XEP-0178", version: "1.2", note: "EXTERNAL with a server's certificate." },
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
        Spec { name: "XEP-0368", version: "1.1.0", note: "Direct TLS between servers." },
    ],
    ..Feature::EMPTY
};
