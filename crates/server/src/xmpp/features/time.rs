//! Entity time (XEP-0202): the server's clock.

use waxwing_chat::time::timestamp;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::Element;

use super::{Advertised, At, Feature, Handler, Reply, Request, Spec, Target};

/// XEP-0202.
pub const FEATURE: Feature = Feature {
    name: "entity time",
    summary: "Tells the server's time.",
    specs: &[Spec {
        name: "XEP-0202",
        version: "2.0",
        note: "The offset is always +00:00, so that no place is told.",
    }],
    advertises: &[Advertised { at: At::Server, var: ns::TIME }],
    handles: &[Handler {
        kind: IqType::Get,
        namespace: ns::TIME,
        name: "time",
        targets: &[Target::Server],
        answer: |request| Box::pin(time(request)),
    }],
    ..Feature::EMPTY
};

async fn time(request: Request<'_>) -> Reply {
    Ok(render(request.chat.now_ms()).into())
}

fn render(now_ms: u64) -> Element {
    Element::new(ns::TIME, "time")
        .with_child(Element::new(ns::TIME, "tzo").with_text("+00:00"))
        .with_child(Element::new(ns::TIME, "utc").with_text(&timestamp(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XEP-0202 section 2.
    #[test]
    fn tells_the_offset_and_utc() {
        let expected =
            "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>1970-01-01T00:00:01.500Z</utc></time>";
        assert_eq!(render(1500), Element::parse(expected).unwrap());
    }
}
