//! Software version (XEP-0092) and the same in service discovery (XEP-0232).

use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::Element;

use super::data_forms::Form;
use super::{Advertised, At, Feature, Handler, Reply, Request, Spec, Target};

/// The name of this software.
pub const NAME: &str = "Waxwing";

/// Its version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// XEP-0092 and XEP-0232.
pub const FEATURE: Feature = Feature {
    name: "software version",
    summary: "Tells the name and version of the server.",
    specs: &[
        Spec { name: "XEP-0092", version: "1.1", note: "The operating system is never told." },
        Spec { name: "XEP-0232", version: "0.3", note: "Name and version only." },
    ],
    advertises: &[Advertised { at: At::Server, var: ns::VERSION }],
    handles: &[Handler {
        kind: IqType::Get,
        namespace: ns::VERSION,
        name: "query",
        targets: &[Target::Server],
        answer: |request| Box::pin(version(request)),
    }],
    ..Feature::EMPTY
};

async fn version(_: Request<'_>) -> Reply {
    let text = |name, text| Element::new(ns::VERSION, name).with_text(text);
    let query = Element::new(ns::VERSION, "query");
    Ok(query.with_child(text("name", NAME)).with_child(text("version", VERSION)).into())
}

/// The form that stands in the server's service discovery (XEP-0232 section 2).
pub fn software_info() -> Element {
    Form::result(ns::SOFTWARE_INFO)
        .field("software", &[NAME])
        .field("software_version", &[VERSION])
        .into_element()
}
