//! What accounts keep for themselves and show their contacts at nodes that every client knows: pictures, nicknames, keys,
//! bookmarks, how far they have read. `waxwing_chat::people` brings their forms together.

use waxwing_xmpp::ns;

use super::{Advertised, At, Feature, Spec};

const ACCOUNT: At = At::Account;

/// XEP-0048, XEP-0084, XEP-0172, XEP-0292, XEP-0384, XEP-0398, XEP-0402, XEP-0490 and XEP-0492.
pub const FEATURE: Feature = Feature {
    name: "personal nodes",
    summary: "Keeps pictures, cards, keys, bookmarks and how far somebody has read where each client looks for them.",
    specs: &[
        Spec {
            name: "XEP-0048",
            version: "1.2",
            note: "The list is made from the items of XEP-0402, in publish-subscribe and in private storage.",
        },
        Spec { name: "XEP-0084", version: "1.1.4", note: "" },
        Spec { name: "XEP-0172", version: "1.1", note: "Between clients; kept as the last item." },
        Spec {
            name: "XEP-0292",
            version: "0.12.0",
            note: "Made from vcard-temp and the other way round, by its section 7.",
        },
        Spec {
            name: "XEP-0384",
            version: "0.9.1",
            note: "Between clients; lists of devices and their keys are open unless a client says otherwise.",
        },
        Spec {
            name: "XEP-0398",
            version: "1.0.0",
            note: "Both ways. Pictures that not everybody may read stay where they are.",
        },
        Spec { name: "XEP-0402", version: "1.2.0", note: "One with XEP-0048 and XEP-0049." },
        Spec { name: "XEP-0490", version: "1.0.1", note: "With the server's assistance." },
        Spec {
            name: "XEP-0492",
            version: "0.2.0",
            note: "Between clients; kept in the extensions of bookmarks.",
        },
    ],
    advertises: &[
        Advertised { at: ACCOUNT, var: ns::AVATAR_CONVERSION },
        Advertised { at: ACCOUNT, var: ns::BOOKMARKS_COMPAT },
        Advertised { at: ACCOUNT, var: ns::BOOKMARKS_COMPAT_PEP },
        Advertised { at: ACCOUNT, var: ns::DISPLAYED_ASSIST },
    ],
    ..Feature::EMPTY
};
