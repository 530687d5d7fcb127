//! Ping (XEP-0199): a request that only asks for an answer.

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;

use super::{Advertised, At, DONE, Feature, Handler, Reply, Request, Spec, Target};

/// XEP-0199.
pub const FEATURE: Feature = Feature {
    name: "ping",
    summary: "Answers pings, so that a client can tell whether its stream is alive.",
    specs: &[Spec { name: "XEP-0199", version: "2.0.1", note: "" }],
    advertises: &[
        Advertised { at: At::Server, var: ns::PING },
        Advertised { at: At::Account, var: ns::PING },
    ],
    handles: &[Handler {
        kind: IqType::Get,
        namespace: ns::PING,
        name: "ping",
        targets: &[Target::Server, Target::OwnAccount],
        answer: |request| Box::pin(ping(request)),
    }],
    ..Feature::EMPTY
};

async fn ping(_: Request<'_>) -> Reply {
    Ok(DONE)
}
