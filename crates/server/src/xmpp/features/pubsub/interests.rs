//! Clients' answers to the question what they announce in their presence (XEP-0115 section 6.2, XEP-0390 section 5.6).

use waxwing_chat::Chat;
use waxwing_chat::interests::{Announcement, interests_of};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Kind, Stanza};
use waxwing_xmpp::xml::ElementRef;

use super::super::caps;

/// Takes an answer that is addressed to one of this server's domains. What nobody asked for is nothing.
pub(crate) async fn answered(chat: &Chat, answer: &Stanza) {
    let (Some(from), Some(id)) = (&answer.from, &answer.id) else { return };
    let Some(asked) = chat.asked_caps(from, id) else { return };
    let info = answer.child(ns::DISCO_INFO, "query").filter(|_| answer.kind == Kind::Iq(IqType::Result));
    let Some(info) = info else {
        return chat.caps_answered(from, &asked, false, None).await;
    };
    let element = info.to_element();
    let checked = match asked.kind {
        Announcement::Sha1 => caps::verification_string(&element) == *asked.hash,
        Announcement::Sha256 => caps::verification_string_sha256(&element) == *asked.hash,
        Announcement::Caps2 => caps::hash(&element) == *asked.hash,
        Announcement::Unchecked => true,
    };
    let features = info.children().filter(|child| child.is(ns::DISCO_INFO, "feature"));
    let interests = interests_of(features.filter_map(|feature: ElementRef<'_>| feature.attr("var")));
    chat.caps_answered(from, &asked, checked, Some(interests)).await;
}
