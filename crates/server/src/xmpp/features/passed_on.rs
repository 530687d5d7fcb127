//! What clients say to each other and the server passes on, archives and copies as each text wants: receipts, markers,
//! chat states, corrections, reactions, replies, files.

use waxwing_xmpp::ns;

use super::{Advertised, At, Feature, Spec};

const HANDLED: &str = "Between clients; archived and copied.";

/// XEP-0066, XEP-0085, XEP-0144, XEP-0184, XEP-0308, XEP-0333, XEP-0385, XEP-0444, XEP-0447 and XEP-0461; `waxwing_chat::hints` tells what is kept of them.
pub const FEATURE: Feature = Feature {
    name: "conversations",
    summary: "Passes on what clients say about messages, and archives what changes or answers one.",
    specs: &[
        Spec { name: "XEP-0066", version: "1.5", note: HANDLED },
        Spec { name: "XEP-0085", version: "2.1", note: "Between clients; copied, never kept." },
        Spec {
            name: "XEP-0144",
            version: "1.1.1",
            note: "Between clients: the server changes no roster at another's word.",
        },
        Spec { name: "XEP-0184", version: "1.4.0", note: HANDLED },
        Spec { name: "XEP-0308", version: "1.2.1", note: HANDLED },
        Spec { name: "XEP-0333", version: "1.0.0", note: HANDLED },
        Spec { name: "XEP-0385", version: "0.2.1", note: HANDLED },
        Spec { name: "XEP-0444", version: "0.2.1", note: HANDLED },
        Spec { name: "XEP-0461", version: "0.2.1", note: HANDLED },
        Spec { name: "XEP-0447", version: "0.3.1", note: HANDLED },
    ],
    // XEP-0424 sections 2 and 4; what is done then is in `waxwing_chat::retraction`.
    advertises: &[
        Advertised { at: At::Server, var: ns::RETRACTION },
        Advertised { at: At::Account, var: ns::RETRACTION_TOMBSTONE },
    ],
    ..Feature::EMPTY
};
