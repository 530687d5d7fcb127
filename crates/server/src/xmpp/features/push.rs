//! Push notifications by way of a service of the client's maker (XEP-0357).

use std::sync::Arc;

use waxwing_chat::Chat;
use waxwing_chat::push::subscriptions::{Channel, Subscription, xmpp_key};
use waxwing_chat::push::{News, Push};
use waxwing_chat::rosters::Owner;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Kind, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::data_forms::{Form, Submission};
use super::{Advertised, Answer, At, DONE, Feature, Handler, Reply, Request, Spec, Target, stanza_error};

/// XEP-0357.
pub const FEATURE: Feature = Feature {
    name: "push notifications",
    summary: "Tells the push service of a client's maker when something has come that nobody looks at.",
    specs: &[Spec {
        name: "XEP-0357",
        version: "0.4.1",
        note: "The summary holds what the server's and the account's settings let it. Pending subscription requests are not counted.",
    }],
    advertises: &[Advertised { at: At::Account, var: ns::PUSH }],
    handles: &[
        own("enable", |request| Box::pin(enable(request))),
        own("disable", |request| Box::pin(disable(request))),
        others("enable"),
        others("disable"),
    ],
    stores: &["the push services that its clients have named"],
    ..Feature::EMPTY
};

/// The form with options that a service wants to have back (section 5).
const PUBLISH_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";

/// What the ids of published notifications begin with.
const ID_PREFIX: &str = "push:";

const fn own(name: &'static str, answer: Answer) -> Handler {
    Handler { kind: IqType::Set, namespace: ns::PUSH, name, targets: &[Target::OwnAccount], answer }
}

/// Nobody decides on another's pushes.
const fn others(name: &'static str) -> Handler {
    Handler {
        kind: IqType::Set,
        namespace: ns::PUSH,
        name,
        targets: &[Target::OtherAccount],
        answer: |_| Box::pin(async { Err(StanzaError::new(Condition::NotAllowed)) }),
    }
}

/// What a client names: the service, the node there, and the options as they stand.
fn read(payload: ElementRef<'_>) -> Result<(Jid, Option<String>, Option<String>), StanzaError> {
    let wrong = |text: &str| StanzaError::new(Condition::BadRequest).with_text(text);
    let service = payload.attr("jid").ok_or_else(|| wrong("the address of a push service is missing"))?;
    let service = Jid::new(service).map_err(|_| StanzaError::new(Condition::JidMalformed))?;
    let node = payload.attr("node").map(str::to_owned);
    let options = match payload.child(ns::DATA_FORMS, "x") {
        Some(form) => {
            Submission::read(form, PUBLISH_OPTIONS)?;
            let mut xml = Vec::new();
            form.to_element().write(&mut xml, "");
            Some(String::from_utf8(xml).map_err(|_| wrong("the options cannot be read"))?)
        }
        None => None,
    };
    Ok((service, node, options))
}

/// Section 5. What was named before is replaced.
async fn enable(request: Request<'_>) -> Reply {
    let session = request.session()?;
    let (service, node, options) = read(request.payload)?;
    let device = session.jid.resource().unwrap_or_default().to_owned();
    let channel = Channel::Xmpp { service, node: node.unwrap_or_default(), options };
    let done = request.chat.subscribe_to_pushes(&Owner::from(&**session), &device, channel).await;
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}

/// Section 6: one node of a service, or all.
async fn disable(request: Request<'_>) -> Reply {
    let owner = Owner::from(&**request.session()?);
    let (service, node, _) = read(request.payload)?;
    for known in request.chat.push_subscriptions(&owner) {
        let Channel::Xmpp { service: at, node: there, .. } = &known.channel else { continue };
        if *at == service && node.as_ref().is_none_or(|node| node == there) {
            let done = request.chat.unsubscribe_from_pushes(&owner, &xmpp_key(at, there)).await;
            done.map_err(|error| stanza_error(&error))?;
        }
    }
    Ok(DONE)
}

/// Publishes what is pushed (section 7).
pub fn publish(chat: &Arc<Chat>, push: &Push) {
    if let Some(iq) = publication(push)
        && let Err(error) = chat.ask_for_the_server(iq)
    {
        tracing::debug!(%error, "a push service cannot be reached");
    }
}

fn publication(push: &Push) -> Option<Stanza> {
    let Channel::Xmpp { service, node, options } = &push.subscription.channel else { return None };
    let News::Message(preview) = &push.news else { return None };
    let mut form = Form::result(ns::PUSH_SUMMARY).field("message-count", &[&preview.count.to_string()]);
    if preview.sender.is_some() {
        form = form.field("last-message-sender", &[push.conversation.as_str()]);
    }
    if let Some(text) = &preview.text {
        form = form.field("last-message-body", &[text]);
    }
    let notification = Element::new(ns::PUSH, "notification").with_child(form.into_element());
    let mut publish = Element::new(ns::PUBSUB, "publish");
    if !node.is_empty() {
        publish.set_attr("node", node);
    }
    publish.append(Element::new(ns::PUBSUB, "item").with_child(notification));
    let mut pubsub = Element::new(ns::PUBSUB, "pubsub").with_child(publish);
    if let Some(options) = options.as_deref().and_then(|xml| Element::parse(xml).ok()) {
        pubsub.append(Element::new(ns::PUBSUB, "publish-options").with_child(options));
    }
    let from = push.subscription.owner.jid.to_domain();
    let iq = Stanza::iq(IqType::Set, &id(&push.subscription)).with_child(pubsub);
    Some(iq.with_from(from).with_to(service.clone()))
}

/// The id of everything that is published for a subscription, so that an answer says whose it is.
fn id(subscription: &Subscription) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(format!("{} {}", subscription.owner.jid, subscription.key()));
    let shown: String = digest.iter().take(12).map(|octet| format!("{octet:02x}")).collect();
    format!("{ID_PREFIX}{shown}")
}

/// An answer to the server: a service that refuses what was published is not asked any more (section 7.1), but for reasons
/// that pass.
pub async fn answered(chat: &Arc<Chat>, answer: &Stanza) {
    let (Some(from), Some(given)) = (&answer.from, answer.id.as_deref()) else { return };
    if answer.kind != Kind::Iq(IqType::Error) || !given.starts_with(ID_PREFIX) {
        return;
    }
    let error = answer.child(answer.element.ns(), "error");
    if error.is_some_and(|error| error.attr("type") == Some("wait")) {
        return;
    }
    for subscription in chat.push_subscriptions_at(from) {
        if id(&subscription) == given {
            let removed = chat.unsubscribe_from_pushes(&subscription.owner, &subscription.key()).await;
            if let Err(error) = removed {
                tracing::warn!(%error, "a subscription that has ended could not be removed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use waxwing_chat::account::AccountId;
    use waxwing_chat::archive::ArchiveId;
    use waxwing_chat::push::Preview;

    use super::*;

    fn enable(content: &str) -> Result<(Jid, Option<String>, Option<String>), StanzaError> {
        let xml = format!("<enable xmlns='urn:xmpp:push:0' {content}</enable>");
        read(Element::parse(&xml).expect("XML").root())
    }

    /// Section 5, its examples.
    #[test]
    fn what_clients_name_is_read() {
        let (service, node, options) = enable("jid='push-5.client.example' node='yxs'>").expect("read");
        assert_eq!(
            (service.as_str(), node.as_deref(), options),
            ("push-5.client.example", Some("yxs"), None)
        );
        let form = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/\
                    pubsub#publish-options</value></field><field var='secret'><value>eruio</value></field></x>";
        let (.., options) = enable(&format!("jid='push-5.client.example'>{form}")).expect("read");
        assert!(options.expect("options").contains("eruio"));
        assert!(enable("node='yxs'>").is_err(), "a service must be named");
        assert!(enable("jid='@'>").is_err());
        assert!(enable("jid='a.example'><x xmlns='jabber:x:data' type='form'/>").is_err());
    }

    /// Section 7, its example with options.
    #[test]
    fn what_is_published_is_what_may_be_told() {
        let owner = Owner { account: AccountId(1), jid: Jid::new("user@example.com").expect("an address") };
        let options =
            "<x xmlns='jabber:x:data' type='submit'><field var='secret'><value>eruio</value></field></x>";
        let channel = Channel::Xmpp {
            service: Jid::new("push-5.client.example").expect("an address"),
            node: "yxs".to_owned(),
            options: Some(options.to_owned()),
        };
        let preview = Preview {
            position: ArchiveId(1),
            id: "1".to_owned(),
            count: 2,
            sender: Some("Juliet".to_owned()),
            text: Some("Wherefore art thou, Romeo?".to_owned()),
            urgent: true,
            named: false,
        };
        let mut push = Push {
            subscription: Subscription { owner, device: "mobile".to_owned(), created_ms: 0, channel },
            conversation: Jid::new("juliet@capulet.example").expect("an address"),
            news: News::Message(preview.clone()),
        };
        let written = |push: &Push| {
            let mut xml = Vec::new();
            publication(push).expect("published").write(&mut xml, "");
            String::from_utf8(xml).expect("text")
        };
        let xml = written(&push);
        for part in
            ["from='example.com'", "to='push-5.client.example'", "node='yxs'", "Wherefore", "eruio", ">2<"]
        {
            assert!(xml.contains(part), "{part} in {xml}");
        }
        push.news = News::Message(Preview { sender: None, text: None, ..preview });
        let xml = written(&push);
        assert!(!xml.contains("juliet") && !xml.contains("Wherefore"), "{xml}");
        push.news = News::Read;
        assert!(publication(&push).is_none());
    }
}
