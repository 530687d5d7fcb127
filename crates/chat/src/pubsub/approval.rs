//! An owner's answer to a request to subscribe, which comes as a message with a form (XEP-0060 section 8.6.2).

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Stanza};

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::route::Destination;
use crate::service::Service;

/// What an owner answers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    node: String,
    jid: Jid,
    subid: Option<String>,
    allow: bool,
}

/// Reads the form; `None` for any other message, and `Some(None)` for a form that is sent back without an answer.
fn read(message: &Stanza) -> Option<Result<Option<Answer>>> {
    let form = message.child(ns::DATA_FORMS, "x")?;
    let value = |var: &str| {
        let mut fields = form.children().filter(|child| child.is(ns::DATA_FORMS, "field"));
        let field = fields.find(|field| field.attr("var") == Some(var))?;
        field.child(ns::DATA_FORMS, "value").map(|value| value.text().into_owned())
    };
    if value("FORM_TYPE").as_deref() != Some(ns::PUBSUB_SUBSCRIBE_AUTHORIZATION) {
        return None;
    }
    if form.attr("type") != Some("submit") {
        return Some(Ok(None));
    }
    let answer = || {
        let node = value("pubsub#node").ok_or(Error::BadRequest("the node is missing"))?;
        let jid = value("pubsub#subscriber_jid").ok_or(Error::BadRequest("the subscriber is missing"))?;
        let jid = Jid::new(&jid).map_err(|_| Error::JidMalformed)?;
        let allow = matches!(value("pubsub#allow").as_deref(), Some("1" | "true"));
        Ok(Some(Answer { node, jid, subid: value("pubsub#subid"), allow }))
    };
    Some(answer())
}

impl Chat {
    /// Takes a message that is an owner's answer, sent to a service or by an account to itself. `None` when it is not, and
    /// is to be delivered like any other.
    pub(crate) async fn subscription_answered(&self, from: &Jid, message: &Stanza) -> Option<Result<()>> {
        let to = message.to.clone().unwrap_or_else(|| from.to_bare());
        let at_service = matches!(self.locate(&to), Destination::Service(Service::PubSub));
        let to_itself = to.is_bare() && to.same_bare(from);
        if !at_service && !to_itself {
            return None;
        }
        if message.kind == Kind::Message(MessageType::Error) {
            return match at_service {
                true => Some(Box::pin(self.notification_bounced(from, &to, message)).await),
                false => None,
            };
        }
        let answer = match read(message) {
            Some(Ok(Some(answer))) => answer,
            Some(Ok(None)) => return Some(Ok(())),
            Some(Err(error)) => return Some(Err(error)),
            // A service reads nothing else.
            None => return at_service.then_some(Err(Error::ServiceUnavailable)),
        };
        Some(Box::pin(self.take_answer(from, &to, &answer)).await)
    }

    /// A notification did not reach its subscriber. If it never will, his subscription ends (section 13.4).
    async fn notification_bounced(&self, from: &Jid, to: &Jid, message: &Stanza) -> Result<()> {
        let Some(error) = message.children().find(|child| child.name() == "error") else { return Ok(()) };
        let gone = error.attr("type") == Some("cancel") || error.child(ns::STANZA_ERRORS, "gone").is_some();
        let content = message.child(ns::PUBSUB_EVENT, "event").and_then(|event| event.children().next());
        let node = content.and_then(|content| content.attr("node")).filter(|_| gone);
        let Some(node) = node else { return Ok(()) };
        let place = self.pubsub_place(to, from).await?;
        self.subscriber_gone(&place, node, from).await
    }

    async fn take_answer(&self, from: &Jid, to: &Jid, answer: &Answer) -> Result<()> {
        let place = self.pubsub_place(to, from).await?;
        let asked = (&answer.jid, answer.subid.as_deref());
        self.answer_subscription(&place, from, &answer.node, asked, answer.allow).await
    }
}
