//! The forms of publish-subscribe: the configuration of a node (XEP-0060 sections 8.2 and 8.3).

use waxwing_chat::pubsub::Place;
use waxwing_chat::pubsub::configuration::{NodeConfiguration, OPTIONS, Question};
use waxwing_xmpp::error::StanzaError;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::data_forms::{Form, Submission};
use super::super::{Reply, Request};
use super::{bad, pubsub};
use crate::xmpp::error::stanza_error;

/// The form of a node's configuration.
pub(crate) fn configuration(configuration: &NodeConfiguration) -> Element {
    let mut form = Form::asking(ns::PUBSUB_NODE_CONFIG)
        .titled("Configuration of the node", "What is left as it is stays so.")
        .into_element();
    for option in OPTIONS {
        let (kind, words): (_, &[&str]) = match option.question {
            Question::Text => ("text-single", &[]),
            Question::Texts => ("text-multi", &[]),
            Question::Jids => ("jid-multi", &[]),
            Question::Boolean => ("boolean", &[]),
            Question::Choice(words) => ("list-single", words),
        };
        let mut field = Element::new(ns::DATA_FORMS, "field")
            .with_attr("var", option.var)
            .with_attr("type", kind)
            .with_attr("label", option.label);
        for value in (option.read)(configuration) {
            field.append(Element::new(ns::DATA_FORMS, "value").with_text(&value));
        }
        for word in words {
            let value = Element::new(ns::DATA_FORMS, "value").with_text(word);
            field.append(Element::new(ns::DATA_FORMS, "option").with_attr("label", word).with_child(value));
        }
        form.append(field);
    }
    form
}

/// What a node is like unless its owner says otherwise (section 8.3), asked for by anybody.
pub(super) async fn default(request: &Request<'_>, place: &Place) -> Reply {
    let seen = request.chat.check_sees_place(place, request.from).await;
    seen.map_err(|error| stanza_error(&error))?;
    let form = configuration(&request.chat.default_node_configuration(place, None));
    let namespace = request.payload.ns();
    Ok(pubsub(Element::new(namespace, "default").with_child(form)).into())
}

/// The fields of the form in an element; none if it holds no form.
pub(super) fn fields(
    holder: Option<ElementRef<'_>>,
    form_type: &str,
) -> Result<Vec<(String, Vec<String>)>, StanzaError> {
    let Some(form) = holder.and_then(|holder| holder.child(ns::DATA_FORMS, "x")) else {
        return Ok(Vec::new());
    };
    if form.children().next().is_none() {
        return Ok(Vec::new());
    }
    Submission::read(form, form_type).map(|submission| submission.fields)
}

/// Whether somebody sends a form back to give up (XEP-0004 section 3.1).
pub(super) fn is_cancelled(holder: ElementRef<'_>) -> Result<bool, StanzaError> {
    let form = holder.child(ns::DATA_FORMS, "x").ok_or_else(|| bad("the form is missing"))?;
    Ok(form.attr("type") == Some("cancel"))
}
