//! What owners ask: creating, configuring, emptying and deleting nodes, and who is what to them (XEP-0060 section 8).

use waxwing_chat::pubsub::Place;
use waxwing_chat::pubsub::access::Affiliation;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::{DONE, Reply, Request};
use super::{action, bad, forms, node, place, pubsub, subscriptions};
use crate::xmpp::error::stanza_error;

pub(super) async fn create(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let configure = request.payload.child(ns::PUBSUB, "configure");
    let fields = forms::fields(configure, ns::PUBSUB_NODE_CONFIG)?;
    let named = asked.attr("node").filter(|node| !node.is_empty());
    let created = request.chat.create_node(place, request.from, named, &fields).await;
    let created = created.map_err(|error| stanza_error(&error))?;
    Ok(match named {
        Some(_) => DONE,
        // Section 8.1.1: the name that the server made.
        None => pubsub(Element::new(ns::PUBSUB, "create").with_attr("node", &created)).into(),
    })
}

pub(super) async fn read(request: Request<'_>) -> Reply {
    let asked = action(&request, ns::PUBSUB_OWNER)?;
    let place = place(&request).await?;
    let name = node(asked);
    match asked.name() {
        "configure" => {
            let configuration = request.chat.node_configuration(&place, request.from, name).await;
            let form = forms::configuration(&configuration.map_err(|error| stanza_error(&error))?);
            let configure = Element::new(ns::PUBSUB_OWNER, "configure").with_attr("node", name);
            Ok(pubsub(configure.with_child(form)).into())
        }
        "default" => forms::default(&request, &place).await,
        "affiliations" => {
            let all = request.chat.affiliations_of_node(&place, request.from, name).await;
            let list = Element::new(ns::PUBSUB_OWNER, "affiliations").with_attr("node", name);
            let list = all.map_err(|error| stanza_error(&error))?.iter().fold(list, |list, (jid, is)| {
                let one = Element::new(ns::PUBSUB_OWNER, "affiliation")
                    .with_attr("jid", jid.as_str())
                    .with_attr("affiliation", is.as_str());
                list.with_child(one)
            });
            Ok(pubsub(list).into())
        }
        "subscriptions" => subscriptions::of_node(&request, &place, name).await,
        _ => Err(bad("nobody knows this request")),
    }
}

pub(super) async fn change(request: Request<'_>) -> Reply {
    let asked = action(&request, ns::PUBSUB_OWNER)?;
    let place = place(&request).await?;
    let (chat, from, name) = (request.chat, request.from, node(asked));
    let done = match asked.name() {
        "configure" => {
            if forms::is_cancelled(asked)? {
                return Ok(DONE);
            }
            let fields = forms::fields(Some(asked), ns::PUBSUB_NODE_CONFIG)?;
            chat.configure_node(&place, from, name, &fields).await
        }
        "purge" => chat.purge(&place, from, name).await,
        "delete" => {
            let redirect =
                asked.child(ns::PUBSUB_OWNER, "redirect").and_then(|redirect| redirect.attr("uri"));
            chat.delete_node(&place, from, name, redirect).await
        }
        "subscriptions" => return subscriptions::rule(&request, &place, asked).await,
        "affiliations" => {
            let refused = chat.set_node_affiliations(&place, from, name, affiliations(asked)?).await;
            let list = Element::new(ns::PUBSUB_OWNER, "affiliations").with_attr("node", name);
            let refused = refused.map_err(|error| stanza_error(&error))?;
            return Ok(subscriptions::stays(list, &refused, |(jid, is)| {
                Element::new(ns::PUBSUB_OWNER, "affiliation")
                    .with_attr("jid", jid.as_str())
                    .with_attr("affiliation", is.as_str())
            }));
        }
        _ => return Err(bad("nobody knows this request")),
    };
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}

fn affiliations(asked: ElementRef<'_>) -> Result<Vec<(Jid, Affiliation)>, StanzaError> {
    let all = asked.children().filter(|child| child.is(ns::PUBSUB_OWNER, "affiliation"));
    all.map(|one| {
        let jid = Jid::new(one.attr("jid").unwrap_or_default());
        let jid = jid.map_err(|_| StanzaError::new(Condition::JidMalformed))?;
        let affiliation = one.attr("affiliation").and_then(Affiliation::from_name);
        Ok((jid, affiliation.ok_or_else(|| bad("no such affiliation"))?))
    })
    .collect()
}
