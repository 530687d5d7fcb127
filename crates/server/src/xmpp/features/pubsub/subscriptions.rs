//! Subscriptions: having them, their terms, and what owners decide about them (XEP-0060 sections 5.6, 5.7, 6.1 to 6.4, 8.7
//! and 8.8).

use waxwing_chat::pubsub::Place;
use waxwing_chat::pubsub::access::Affiliation;
use waxwing_chat::pubsub::refusal::Refusal;
use waxwing_chat::pubsub::store::{Subscription, SubscriptionState};
use waxwing_chat::pubsub::subscribing::SubscriptionChange;
use waxwing_chat::pubsub::terms::{SHOWS, Terms, Until};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::data_forms::{Form, Submission};
use super::super::{DONE, Reply, Request, Success};
use super::{bad, forms, node, place, pubsub, refusal};
use crate::xmpp::error::stanza_error;

/// The command that sends an owner the requests that wait (section 8.7).
const GET_PENDING: &str = "http://jabber.org/protocol/pubsub#get-pending";

/// The address that a request is about.
fn subscriber(asked: ElementRef<'_>) -> Result<Jid, StanzaError> {
    let jid = asked.attr("jid").ok_or_else(|| refusal(Refusal::JidRequired))?;
    Jid::new(jid).map_err(|_| StanzaError::new(Condition::JidMalformed))
}

fn element(node: &str, subscription: &Subscription) -> Element {
    let element = Element::new(ns::PUBSUB, "subscription")
        .with_attr("node", node)
        .with_attr("jid", subscription.jid.as_str())
        .with_attr("subid", &subscription.subid)
        .with_attr("subscription", subscription.state.as_str());
    match Terms::from_stored(&subscription.options).until {
        Until::At(at_ms) => element.with_attr("expiry", &waxwing_chat::time::timestamp(at_ms)),
        Until::Ended | Until::Offline => element,
    }
}

pub(super) async fn subscribe(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let jid = subscriber(asked)?;
    let options = request.payload.child(ns::PUBSUB, "options");
    let fields =
        options.map(|options| forms::fields(Some(options), ns::PUBSUB_SUBSCRIBE_OPTIONS)).transpose()?;
    let done = request.chat.subscribe(place, request.from, node(asked), &jid, fields.as_deref()).await;
    let done = done.map_err(|error| stanza_error(&error))?;
    let answer = element(node(asked), &done.subscription);
    let answer = answer.with_child(Element::new(ns::PUBSUB, "subscribe-options"));
    let mut payload = pubsub(answer);
    if fields.is_some() {
        let terms = Terms::from_stored(&done.subscription.options);
        payload.append(Element::new(ns::PUBSUB, "options").with_child(form(&terms, "result")));
    }
    // Section 6.1.7: the last item goes out behind the answer.
    Ok(Success { payload: Some(payload), after: done.last.into_iter().collect(), ..DONE })
}

pub(super) async fn unsubscribe(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let jid = subscriber(asked)?;
    let done = request.chat.unsubscribe(place, request.from, node(asked), &jid, asked.attr("subid")).await;
    let ended = element(node(asked), &done.map_err(|error| stanza_error(&error))?);
    Ok(pubsub(ended).into())
}

fn form(terms: &Terms, kind: &str) -> Element {
    let asks = kind == "form";
    let form = if asks {
        Form::asking(ns::PUBSUB_SUBSCRIBE_OPTIONS)
    } else {
        Form::result(ns::PUBSUB_SUBSCRIBE_OPTIONS)
    };
    let mut form = form.into_element();
    for (var, kind, values) in terms.fields() {
        let mut field = Element::new(ns::DATA_FORMS, "field").with_attr("var", var);
        if asks {
            field = field.with_attr("type", kind).with_attr("label", label(var));
        }
        for value in values {
            field.append(Element::new(ns::DATA_FORMS, "value").with_text(&value));
        }
        if asks && kind == "list-multi" {
            for show in SHOWS {
                let value = Element::new(ns::DATA_FORMS, "value").with_text(show);
                field.append(
                    Element::new(ns::DATA_FORMS, "option").with_attr("label", show).with_child(value),
                );
            }
        }
        form.append(field);
    }
    form
}

fn label(var: &str) -> &'static str {
    match var {
        "pubsub#deliver" => "Whether to be told of what is published",
        "pubsub#expire" => "When the subscription ends",
        _ => "The presence in which to be told; none for any",
    }
}

pub(super) async fn terms(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let jid = subscriber(asked)?;
    let found =
        request.chat.subscription_terms(place, request.from, node(asked), &jid, asked.attr("subid")).await;
    let form = form(&found.map_err(|error| stanza_error(&error))?, "form");
    let options =
        Element::new(ns::PUBSUB, "options").with_attr("node", node(asked)).with_attr("jid", jid.as_str());
    Ok(pubsub(options.with_child(form)).into())
}

pub(super) async fn set_terms(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let jid = subscriber(asked)?;
    if forms::is_cancelled(asked)? {
        return Ok(DONE);
    }
    let fields = forms::fields(Some(asked), ns::PUBSUB_SUBSCRIBE_OPTIONS)?;
    let (from, subid) = (request.from, asked.attr("subid"));
    let done = request.chat.set_subscription_terms(place, from, node(asked), &jid, subid, &fields).await;
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}

/// The terms of a new subscription (section 6.4).
pub(super) async fn default_terms(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let seen = request.chat.check_sees_place(place, request.from).await;
    seen.map_err(|error| stanza_error(&error))?;
    let default = Element::new(ns::PUBSUB, "default");
    let default = match asked.attr("node") {
        Some(node) => default.with_attr("node", node),
        None => default,
    };
    Ok(pubsub(default.with_child(form(&Terms::default(), "form"))).into())
}

/// The requester's own subscriptions (section 5.6).
pub(super) async fn own(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let list = own_list(asked, "subscriptions");
    let views = request.chat.own_views(place, request.from, asked.attr("node")).await;
    let list = views.map_err(|error| stanza_error(&error))?.iter().fold(list, |list, view| {
        view.subscriptions.iter().fold(list, |list, known| list.with_child(element(&view.node.name, known)))
    });
    Ok(pubsub(list).into())
}

/// What the requester is to nodes (section 5.7).
pub(super) async fn own_affiliations(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let list = own_list(asked, "affiliations");
    let views = request.chat.own_views(place, request.from, asked.attr("node")).await;
    let views = views.map_err(|error| stanza_error(&error))?;
    let said = views.iter().filter(|view| view.affiliation != Affiliation::None);
    Ok(pubsub(said.fold(list, |list, view| {
        let one = Element::new(ns::PUBSUB, "affiliation")
            .with_attr("node", &view.node.name)
            .with_attr("affiliation", view.affiliation.as_str());
        list.with_child(one)
    }))
    .into())
}

fn own_list(asked: ElementRef<'_>, name: &str) -> Element {
    let list = Element::new(ns::PUBSUB, name);
    match asked.attr("node") {
        Some(node) => list.with_attr("node", node),
        None => list,
    }
}

/// All subscriptions of a node, for its owner (section 8.8.1).
pub(super) async fn of_node(request: &Request<'_>, place: &Place, name: &str) -> Reply {
    let all = request.chat.subscriptions_of_node(place, request.from, name).await;
    let list = Element::new(ns::PUBSUB_OWNER, "subscriptions").with_attr("node", name);
    let list = all.map_err(|error| stanza_error(&error))?.iter().fold(list, |list, known| {
        let one = Element::new(ns::PUBSUB_OWNER, "subscription")
            .with_attr("jid", known.jid.as_str())
            .with_attr("subscription", known.state.as_str())
            .with_attr("subid", &known.subid);
        list.with_child(one)
    });
    Ok(pubsub(list).into())
}

/// What an owner makes of them (section 8.8.2).
pub(super) async fn rule(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let (from, name) = (request.from, node(asked));
    let refused = request.chat.set_node_subscriptions(place, from, name, changes(asked)?).await;
    let list = Element::new(ns::PUBSUB_OWNER, "subscriptions").with_attr("node", name);
    Ok(stays(list, &refused.map_err(|error| stanza_error(&error))?, |(jid, state)| {
        Element::new(ns::PUBSUB_OWNER, "subscription")
            .with_attr("jid", jid.as_str())
            .with_attr("subscription", state.as_str())
    }))
}

/// The answer to several changes: which of them were not made, and what stays (sections 8.8.2.4 and 8.9.2.4).
pub(super) fn stays<T>(list: Element, refused: &[T], element: impl Fn(&T) -> Element) -> Success {
    if refused.is_empty() {
        return DONE;
    }
    let list = refused.iter().fold(list, |list, one| list.with_child(element(one)));
    let error = StanzaError::new(Condition::NotAcceptable);
    Success { payload: Some(pubsub(list)), refused: Some(error), ..DONE }
}

fn changes(asked: ElementRef<'_>) -> Result<Vec<SubscriptionChange>, StanzaError> {
    let all = asked.children().filter(|child| child.is(ns::PUBSUB_OWNER, "subscription"));
    all.map(|one| {
        let jid = Jid::new(one.attr("jid").unwrap_or_default());
        let jid = jid.map_err(|_| StanzaError::new(Condition::JidMalformed))?;
        let state = one.attr("subscription").and_then(SubscriptionState::from_name);
        let state = state.ok_or_else(|| bad("no such state of a subscription"))?;
        Ok(SubscriptionChange { jid, subid: one.attr("subid").map(str::to_owned), state })
    })
    .collect()
}

/// The command by which an owner gets the requests that wait once more (section 8.7).
pub(super) async fn get_pending(request: Request<'_>) -> Reply {
    if request.payload.attr("node") != Some(GET_PENDING) {
        return Err(StanzaError::new(Condition::ItemNotFound));
    }
    let place = place(&request).await?;
    let answer = |status: &str| {
        let session = request.payload.attr("sessionid").map_or_else(|| request.chat.token(), str::to_owned);
        Element::new(ns::COMMANDS, "command")
            .with_attr("node", GET_PENDING)
            .with_attr("status", status)
            .with_attr("sessionid", &session)
    };
    match (request.payload.attr("action"), request.payload.child(ns::DATA_FORMS, "x")) {
        (Some("cancel"), _) => Ok(answer("canceled").into()),
        (_, Some(form)) => {
            let filled = Submission::untyped(form)?;
            let node = filled.single("pubsub#node").ok_or_else(|| refusal(Refusal::NodeIdRequired))?;
            let done = request.chat.repeat_subscription_requests(&place, request.from, node).await;
            done.map(|()| answer("completed").into()).map_err(|error| stanza_error(&error))
        }
        (_, None) => {
            let nodes = request.chat.nodes_with_requests(&place, request.from).await;
            let mut field = Element::new(ns::DATA_FORMS, "field")
                .with_attr("var", "pubsub#node")
                .with_attr("type", "list-single")
                .with_attr("label", "The node whose requests to see");
            for node in nodes.map_err(|error| stanza_error(&error))? {
                let value = Element::new(ns::DATA_FORMS, "value").with_text(&node);
                field.append(Element::new(ns::DATA_FORMS, "option").with_child(value));
            }
            let mut form = Form::asking(ns::PUBSUB_SUBSCRIBE_AUTHORIZATION).into_element();
            form.append(field);
            let actions = Element::new(ns::COMMANDS, "actions")
                .with_attr("execute", "complete")
                .with_child(Element::new(ns::COMMANDS, "complete"));
            Ok(answer("executing").with_child(actions).with_child(form).into())
        }
    }
}
