//! What the stream itself follows: its framing, encryption, sign-in and management. `xmpp::c2s` and `xmpp::sm` carry
//! them out.

use super::{Feature, Spec};

/// RFC 6120 and what belongs to opening a connection.
pub const CORE: Feature = Feature {
    name: "streams",
    summary: "Opens and keeps connections of clients: over TCP with TLS, and over WebSocket.",
    specs: &[
        Spec {
            name: "RFC 6120",
            version: "",
            note: "With clients and with other servers; STARTTLS is required.",
        },
        Spec { name: "RFC 7590", version: "", note: "" },
        Spec { name: "RFC 7622", version: "", note: "" },
        Spec { name: "RFC 7395", version: "", note: "" },
        Spec { name: "XEP-0082", version: "1.1.1", note: "" },
        Spec { name: "XEP-0156", version: "1.4.0", note: "host-meta for WebSocket." },
        Spec { name: "XEP-0368", version: "1.1.0", note: "Direct TLS for clients and between servers." },
    ],
    ..Feature::EMPTY
};

/// SASL and what builds on it.
pub const SIGN_IN: Feature = Feature {
    name: "sign-in",
    summary: "Lets clients prove who they are, in one round trip if they can.",
    specs: &[
        Spec { name: "RFC 5802", version: "", note: "With SHA-1, SHA-256 and SHA-512." },
        Spec { name: "RFC 9266", version: "", note: "" },
        Spec {
            name: "XEP-0178",
            version: "1.2",
            note: "EXTERNAL with the certificate of a client or a server.",
        },
        Spec { name: "XEP-0386", version: "1.1.0", note: "" },
        Spec { name: "XEP-0388", version: "1.0.4", note: "" },
        Spec { name: "XEP-0440", version: "1.0.0", note: "" },
        Spec { name: "XEP-0474", version: "0.5.0", note: "" },
        Spec { name: "XEP-0480", version: "0.2.0", note: "" },
        Spec { name: "XEP-0484", version: "0.2.0", note: "" },
    ],
    stores: &["Sign-in tokens of clients, until they expire."],
    ..Feature::EMPTY
};

/// XEP-0198.
pub const MANAGEMENT: Feature = Feature {
    name: "stream management",
    summary: "Acknowledges stanzas, and resumes a lost stream where it was, even on a restarted server.",
    specs: &[Spec {
        name: "XEP-0198",
        version: "1.6.3",
        note: "Of several nodes, a stream is resumed at any.",
    }],
    stores: &["Suspended streams while the server restarts."],
    ..Feature::EMPTY
};
