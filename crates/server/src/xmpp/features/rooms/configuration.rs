//! The form in which owners configure a room, and the request to end it (XEP-0045 sections 10.1, 10.2 and 10.9).

use waxwing_chat::rooms::configuration::{OPTIONS, OptionKind};
use waxwing_chat::rooms::ownership::{ADMINS_FIELD, Configured, Farewell, OWNERS_FIELD};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::data_forms::{Form, Submission};
use super::super::{DONE, Reply, Request};
use crate::xmpp::error::stanza_error;

fn bad(why: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_text(why)
}

pub(super) async fn form(request: Request<'_>) -> Reply {
    Ok(Element::new(ns::MUC_OWNER, "query").with_child(asked(&request).await?).into())
}

/// The form with what the room is like now.
pub(super) async fn asked(request: &Request<'_>) -> Result<Element, StanzaError> {
    let configured = request.chat.room_configuration(&request.to(), request.from).await;
    Ok(render(&configured.map_err(|error| stanza_error(&error))?))
}

fn render(configured: &Configured) -> Element {
    let form = Form::asking(ns::MUC_ROOMCONFIG)
        .titled("Configuration of the room", "What is left as it is stays so.");
    let mut form = form.into_element();
    for option in OPTIONS {
        let kind = match option.kind {
            OptionKind::Flag => "boolean",
            OptionKind::Text => "text-single",
            OptionKind::Secret => "text-private",
            OptionKind::Choice(_) => "list-single",
            OptionKind::Choices(_) => "list-multi",
        };
        let mut field = field(option.var, kind, option.label, &option.values(&configured.configuration));
        if let OptionKind::Choice(words) | OptionKind::Choices(words) = option.kind {
            for word in words {
                let value = Element::new(ns::DATA_FORMS, "value").with_text(word);
                field.append(
                    Element::new(ns::DATA_FORMS, "option").with_attr("label", word).with_child(value),
                );
            }
        }
        form.append(field);
    }
    let addresses = |list: &[Jid]| list.iter().map(|jid| jid.as_str().to_owned()).collect::<Vec<_>>();
    form.append(field(ADMINS_FIELD, "jid-multi", "Admins", &addresses(&configured.admins)));
    form.append(field(OWNERS_FIELD, "jid-multi", "Owners", &addresses(&configured.owners)));
    form
}

fn field(var: &str, kind: &str, label: &str, values: &[String]) -> Element {
    let field = Element::new(ns::DATA_FORMS, "field")
        .with_attr("var", var)
        .with_attr("type", kind)
        .with_attr("label", label);
    values
        .iter()
        .fold(field, |field, value| field.with_child(Element::new(ns::DATA_FORMS, "value").with_text(value)))
}

pub(super) async fn submit(request: Request<'_>) -> Reply {
    let room = request.to();
    let done = if let Some(destroy) = request.payload.child(ns::MUC_OWNER, "destroy") {
        request.chat.destroy_room(&room, Some(request.from), farewell(destroy)?).await
    } else {
        let form = request.payload.child(ns::DATA_FORMS, "x").ok_or_else(|| bad("the form is missing"))?;
        match form.attr("type") {
            Some("cancel") => request.chat.cancel_configuration(&room, request.from).await,
            _ => request.chat.configure_room(&room, Some(request.from), submitted(form)?).await,
        }
    };
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}

/// A form without fields accepts the room as it is (section 10.1.2).
pub(super) fn submitted(form: ElementRef<'_>) -> Result<Vec<(String, Vec<String>)>, StanzaError> {
    if form.children().next().is_none() {
        return Submission::untyped(form).map(|submission| submission.fields);
    }
    Submission::read(form, ns::MUC_ROOMCONFIG).map(|submission| submission.fields)
}

fn farewell(destroy: ElementRef<'_>) -> Result<Farewell, StanzaError> {
    let text = |name| destroy.child(ns::MUC_OWNER, name).map(|child| child.text().into_owned());
    let alternate = destroy.attr("jid").map(Jid::new).transpose();
    Ok(Farewell {
        alternate: alternate.map_err(|_| StanzaError::new(Condition::JidMalformed))?,
        password: text("password").filter(|text| !text.is_empty()),
        reason: text("reason").filter(|text| !text.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 10.1.3: what a client sends back unchanged is what it was given.
    #[test]
    fn the_form_reads_back_as_it_was_written() {
        let configured = Configured {
            configuration: Default::default(),
            owners: vec![Jid::new("crone1@shakespeare.lit").unwrap()],
            admins: Vec::new(),
        };
        let mut form = render(&configured);
        form.set_attr("type", "submit");
        let fields = submitted(form.root()).unwrap();
        let mut read =
            waxwing_chat::rooms::configuration::Configuration { persistent: true, ..Default::default() };
        for (var, values) in &fields {
            if ![OWNERS_FIELD, ADMINS_FIELD].contains(&var.as_str()) {
                assert!(read.set(var, values).unwrap(), "{var}");
            }
        }
        assert_eq!(read, configured.configuration);
        assert!(fields.contains(&(OWNERS_FIELD.to_owned(), vec!["crone1@shakespeare.lit".to_owned()])));
    }
}
