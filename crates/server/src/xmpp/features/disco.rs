//! Service discovery (XEP-0030): what this server and its accounts offer, and what stands below them.

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::Element;

use super::{Advertised, At, FEATURES, Feature, Handler, Reply, Request, Spec, Target};

/// XEP-0030.
pub const FEATURE: Feature = Feature {
    name: "service discovery",
    summary: "Tells clients what the server and the accounts on it offer.",
    specs: &[Spec { name: "XEP-0030", version: "2.5rc3", note: "" }],
    advertises: &[
        Advertised { at: At::Server, var: ns::DISCO_INFO },
        Advertised { at: At::Server, var: ns::DISCO_ITEMS },
        Advertised { at: At::Account, var: ns::DISCO_INFO },
        Advertised { at: At::Account, var: ns::DISCO_ITEMS },
    ],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::DISCO_INFO,
            name: "query",
            targets: &[Target::Server, Target::OwnAccount, Target::OtherAccount],
            answer: |request| Box::pin(info(request)),
        },
        Handler {
            kind: IqType::Get,
            namespace: ns::DISCO_ITEMS,
            name: "query",
            targets: &[Target::Server, Target::OwnAccount, Target::OtherAccount],
            answer: |request| Box::pin(items(request)),
        },
    ],
    stores: &[],
};
