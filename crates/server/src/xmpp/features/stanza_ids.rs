//! Unique and stable stanza ids (XEP-0359): the id a message has in its receiver's archive, which nobody can forge.

use waxwing_xmpp::ns;

use super::{Advertised, At, Feature, Spec};

/// XEP-0359; `waxwing_chat::messages` removes what claims to be an id of ours, `waxwing_chat::deliver` adds them.
pub const FEATURE: Feature = Feature {
    name: "stable stanza ids",
    summary: "Marks each archived message with its id in the archive.",
    specs: &[Spec { name: "XEP-0359", version: "0.7.0", note: "Ids are unpredictable and tell nothing." }],
    advertises: &[
        Advertised { at: At::Server, var: ns::STANZA_ID },
        Advertised { at: At::Account, var: ns::STANZA_ID },
    ],
    ..Feature::EMPTY
};
