//! The relay for bytes between two clients: where it is, and the word to begin (XEP-0065).

use sha1::{Digest as _, Sha1};
use waxwing_chat::bytestreams::RelayRefusal;
use waxwing_chat::service::Service;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Advertised, At, DONE, Feature, Handler, Reply, Request, Spec, Target};
use crate::xmpp::error::stanza_error;

/// XEP-0065.
pub const FEATURE: Feature = Feature {
    name: "bytestreams proxy",
    summary: "Passes bytes between two clients that cannot reach each other, once a client of this server says so.",
    specs: &[Spec { name: "XEP-0065", version: "1.8.2", note: "As a proxy, over TCP." }],
    advertises: &[Advertised { at: At::Service(Service::Proxy), var: ns::BYTESTREAMS }],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::BYTESTREAMS,
            name: "query",
            targets: &[Target::Service(Service::Proxy)],
            answer: |request| Box::pin(std::future::ready(address(&request))),
        },
        Handler {
            kind: IqType::Set,
            namespace: ns::BYTESTREAMS,
            name: "query",
            targets: &[Target::Service(Service::Proxy)],
            answer: |request| Box::pin(std::future::ready(activate(&request))),
        },
    ],
    ..Feature::EMPTY
};

/// Section 4: where the relay is.
fn address(request: &Request<'_>) -> Reply {
    let relay = request.chat.relay_for(request.from).map_err(|error| stanza_error(&error))?;
    let (host, port) = relay.address();
    let service = request.to();
    let domain = service.domain().split_once('.').map_or(service.domain(), |(_, domain)| domain);
    let streamhost = Element::new(ns::BYTESTREAMS, "streamhost")
        .with_attr("jid", service.as_str())
        .with_attr("host", host.as_deref().unwrap_or(domain))
        .with_attr("port", &port.to_string());
    Ok(Element::new(ns::BYTESTREAMS, "query").with_child(streamhost).into())
}

/// Section 6.3.5: the requester's address is the one the server has stamped, so that nobody can begin another's stream.
fn activate(request: &Request<'_>) -> Reply {
    let relay = request.chat.relay_for(request.from).map_err(|error| stanza_error(&error))?;
    let (sid, target) = read(request.payload)?;
    relay.activate(&name(&sid, request.from, &target), &request.account()).map_err(|refusal| {
        let condition = match refusal {
            RelayRefusal::Unknown => Condition::ItemNotFound,
            RelayRefusal::OneOnly => Condition::NotAllowed,
            RelayRefusal::TooMany => Condition::ResourceConstraint,
        };
        StanzaError::new(condition)
    })?;
    Ok(DONE)
}

fn read(payload: ElementRef<'_>) -> Result<(String, Jid), StanzaError> {
    let wrong = || StanzaError::new(Condition::BadRequest);
    let sid = payload.attr("sid").ok_or_else(wrong)?;
    let target = payload.child(ns::BYTESTREAMS, "activate").ok_or_else(wrong)?.text();
    let target = Jid::new(target.trim()).map_err(|_| StanzaError::new(Condition::JidMalformed))?;
    Ok((sid.to_owned(), target))
}

/// What both clients connect under: SHA1(SID + Requester JID + Target JID), in hexadecimal.
fn name(sid: &str, requester: &Jid, target: &Jid) -> String {
    let mut hash = Sha1::new();
    for part in [sid, requester.as_str(), target.as_str()] {
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 6.3.5.
    #[test]
    fn activations_are_read() {
        let of = |xml: &str| read(Element::parse(xml).unwrap().root()).map_err(|error| error.condition);
        let query = "<query xmlns='http://jabber.org/protocol/bytestreams' sid='vxf9n471bn46'><activate>target@example.org/bar</activate></query>";
        let (sid, target) = of(query).unwrap();
        assert_eq!((&*sid, target.as_str()), ("vxf9n471bn46", "target@example.org/bar"));
        assert_eq!(of(&query.replace("sid", "id")), Err(Condition::BadRequest));
        assert_eq!(of(&query.replace("activate", "active")), Err(Condition::BadRequest));
        assert_eq!(of(&query.replace("target@", "@")), Err(Condition::JidMalformed));
    }

    /// Section 5.3.2, computed with another implementation.
    #[test]
    fn a_stream_is_named_by_its_hash() {
        let (requester, target) =
            (Jid::new("requester@example.com/foo").unwrap(), Jid::new("target@example.org/bar").unwrap());
        assert_eq!(name("vxf9n471bn46", &requester, &target), "98b8d688d0f5d895fd41c5e7309a2e9e33ba32ff");
    }
}
