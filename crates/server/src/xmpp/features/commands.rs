//! Ad-hoc commands (XEP-0050): what a client offers its user as a menu of the server's.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use waxwing_chat::account::Role;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::{Element, ElementRef};

use self::administration::Task;
use self::registry::Desk;
use super::{Advertised, At, Feature, Handler, Reply, Request, Spec, Success, Target, invitations};
use crate::admin;
use crate::xmpp::error::stanza_error;

mod administration;
mod registry;

pub use administration::FEATURE as ADMINISTRATION;

/// The node that the commands stand below (section 2.1).
pub const NODE: &str = ns::COMMANDS;

/// XEP-0050.
pub const FEATURE: Feature = Feature {
    name: "ad-hoc commands",
    summary: "Offers a menu of commands with their forms.",
    specs: &[Spec {
        name: "XEP-0050",
        version: "1.3.0",
        note: "Commands of at most one form; the server keeps no state between the two steps.",
    }],
    advertises: &[Advertised { at: At::Server, var: ns::COMMANDS }],
    handles: &[Handler {
        kind: IqType::Set,
        namespace: ns::COMMANDS,
        name: "command",
        targets: &[Target::Server],
        answer: |request| Box::pin(run(request)),
    }],
    ..Feature::EMPTY
};

static COMMANDS: &[&Command] = &[&invitations::INVITE, &invitations::CREATE_ACCOUNT];

/// What a node stands for.
enum Offer {
    /// A command of a feature.
    Feature(&'static Command),
    /// A use case of XEP-0133.
    Task(&'static Task),
    /// A command of the registry.
    Registered(&'static admin::Command),
}

impl Offer {
    /// Everything there is, in the order in which it is listed.
    fn all() -> impl Iterator<Item = Self> {
        let own = COMMANDS.iter().copied().map(Self::Feature);
        let tasks = administration::TASKS.iter().map(Self::Task);
        own.chain(tasks).chain(registry::offered().map(Self::Registered))
    }

    fn find(node: &str) -> Option<Self> {
        Self::all().find(|offer| offer.node() == node)
    }

    fn node(&self) -> Cow<'static, str> {
        match self {
            Self::Feature(command) => command.node.into(),
            Self::Task(task) => task.node().into(),
            Self::Registered(command) => registry::node(command).into(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Feature(command) => command.name,
            Self::Task(task) => task.name,
            Self::Registered(command) => command.summary,
        }
    }

    fn least_role(&self) -> Role {
        match self {
            Self::Feature(command) => command.least_role,
            Self::Task(_) | Self::Registered(_) => Role::Administrator,
        }
    }

    async fn run(&self, request: &Request<'_>, form: Option<ElementRef<'_>>) -> Result<Step, StanzaError> {
        match self {
            Self::Feature(command) => (command.run)(request, form).await,
            Self::Task(task) => task.run(&Desk::of(request)?, form).await,
            Self::Registered(command) => registry::run(command, &Desk::of(request)?, form).await,
        }
    }
}

/// A command.
pub struct Command {
    /// The node it is known by.
    pub node: &'static str,
    /// What a person reads in the menu.
    pub name: &'static str,
    /// Who may run it.
    pub least_role: Role,
    /// Carries it out.
    pub run: Run,
}

/// Carries a command out. The form is the one filled in, `None` at the first step.
pub type Run = for<'a> fn(&'a Request<'a>, Option<ElementRef<'a>>) -> Running<'a>;

/// A command on its way.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Step, StanzaError>> + Send + 'a>>;

/// What a step of a command leads to.
#[derive(Debug)]
pub enum Step {
    /// A form has to be filled in.
    Ask(Element),
    /// It is done, and this is the result: a form, notes, or nothing.
    Done(Vec<Element>),
}

/// What the requester is here; whoever comes from another server is nothing.
async fn role(request: &Request<'_>) -> Result<Option<Role>, StanzaError> {
    if request.session.is_none() {
        return Ok(None);
    }
    let account = request.chat.account(&request.account()).await.map_err(|error| stanza_error(&error))?;
    Ok(Some(account.role))
}

/// Members may use the commands of members, administrators all.
fn allowed(role: Option<Role>, offer: &Offer) -> bool {
    role.is_some_and(|role| role == Role::Administrator || offer.least_role() == Role::Member)
}

/// Section 2.1: the commands that the requester may run.
pub async fn list(request: &Request<'_>) -> Result<Element, StanzaError> {
    let role = role(request).await?;
    let mut query = Element::new(ns::DISCO_ITEMS, "query");
    for offer in Offer::all().filter(|offer| allowed(role, offer)) {
        let item = Element::new(ns::DISCO_ITEMS, "item")
            .with_attr("jid", request.to().as_str())
            .with_attr("node", &offer.node())
            .with_attr("name", offer.name());
        query.append(item);
    }
    Ok(query)
}

/// What service discovery says about the list of commands, or one of them, as the kind of the identity says.
pub(super) fn described(kind: &str, name: &str) -> Element {
    let identity = Element::new(ns::DISCO_INFO, "identity")
        .with_attr("category", "automation")
        .with_attr("type", kind)
        .with_attr("name", name);
    let feature = |var| Element::new(ns::DISCO_INFO, "feature").with_attr("var", var);
    Element::new(ns::DISCO_INFO, "query")
        .with_child(identity)
        .with_child(feature(ns::DISCO_INFO))
        .with_child(feature(ns::COMMANDS))
        .with_child(feature(ns::DATA_FORMS))
}

/// Section 2.2: what service discovery says about the list and about a command; `None` for any other node.
pub async fn info(request: &Request<'_>, node: &str) -> Result<Option<Element>, StanzaError> {
    if node == NODE {
        return Ok(Some(described("command-list", "Commands")));
    }
    let Some(offer) = Offer::find(node) else {
        return Ok(None);
    };
    if !allowed(role(request).await?, &offer) {
        return Err(StanzaError::new(Condition::Forbidden));
    }
    Ok(Some(described("command-node", offer.name())))
}

/// The command of a node, if the requester may run it. Whoever is no administrator learns nothing about what
/// administrators have.
async fn find(request: &Request<'_>, node: &str) -> Result<Offer, StanzaError> {
    let role = role(request).await?;
    match Offer::find(node) {
        Some(offer) if allowed(role, &offer) => Ok(offer),
        None if administration::is_task(node) && role == Some(Role::Administrator) => {
            // XEP-0133 section 5.
            Err(StanzaError::new(Condition::FeatureNotImplemented))
        }
        None if !administration::is_task(node) => Err(StanzaError::new(Condition::ItemNotFound)),
        _ => Err(StanzaError::new(Condition::Forbidden)),
    }
}

async fn run(request: Request<'_>) -> Reply {
    let node = request.payload.attr("node").ok_or_else(|| StanzaError::new(Condition::BadRequest))?;
    let offer = find(&request, node).await?;
    if is_cancelled(&request)? {
        return Ok(answer(&request, node, None));
    }
    let form = request.payload.child(ns::DATA_FORMS, "x");
    let step = offer.run(&request, form).await?;
    Ok(answer(&request, node, Some(step)))
}

/// Whether the requester gives up; a command of one form has no other actions than to begin and to end.
pub(super) fn is_cancelled(request: &Request<'_>) -> Result<bool, StanzaError> {
    match request.payload.attr("action") {
        // Section 3.4: with one form, "execute" and "complete" are the same.
        None | Some("execute" | "complete") => Ok(false),
        Some("cancel") => Ok(true),
        Some("prev" | "next") => Err(refused("bad-action")),
        Some(_) => Err(refused("malformed-action")),
    }
}

/// What a step of a command is answered with; `None` when it was given up.
pub(super) fn answer(request: &Request<'_>, node: &str, step: Option<Step>) -> Success {
    let sessionid = request.payload.attr("sessionid");
    let answer = |status| {
        let answer =
            Element::new(ns::COMMANDS, "command").with_attr("node", node).with_attr("status", status);
        match sessionid {
            Some(sessionid) => answer.with_attr("sessionid", sessionid),
            None => answer.with_attr("sessionid", &request.chat.token()),
        }
    };
    match step {
        None => answer("canceled"),
        Some(Step::Ask(form)) => {
            let complete = Element::new(ns::COMMANDS, "complete");
            let actions = Element::new(ns::COMMANDS, "actions").with_attr("execute", "complete");
            answer("executing").with_child(actions.with_child(complete)).with_child(form)
        }
        Some(Step::Done(results)) => results.into_iter().fold(answer("completed"), Element::with_child),
    }
    .into()
}

/// Section 4.5.
fn refused(condition: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_app(Element::new(ns::COMMANDS, condition))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::testing::House;
    use super::*;

    #[test]
    fn every_command_has_a_node_of_its_own() {
        let nodes: HashSet<_> = Offer::all().map(|offer| offer.node()).collect();
        assert_eq!(nodes.len(), Offer::all().count());
        let invite = Offer::find(invitations::INVITE.node);
        assert!(invite.is_some_and(|offer| offer.least_role() == Role::Member));
        assert!(Offer::find("urn:x").is_none());
    }

    /// Section 4.5.
    #[test]
    fn a_bad_action_is_a_bad_request() {
        let error = refused("bad-action");
        assert_eq!(error.condition, Condition::BadRequest);
        assert!(error.app.is_some_and(|app| app.is(ns::COMMANDS, "bad-action")));
    }

    const ITEMS: &str = "<query xmlns='http://jabber.org/protocol/disco#items' \
        node='http://jabber.org/protocol/commands'/>";

    /// Sections 2.1 and 2.2.
    #[tokio::test]
    async fn everybody_sees_the_commands_he_may_run() {
        let house = House::of(&["romeo/orchard", "admin/desk"]).await;
        let nodes = |items: String| {
            let items = Element::parse(&items).unwrap();
            items.children().map(|item| item.attr("node").unwrap().to_owned()).collect::<Vec<_>>()
        };
        let member = nodes(house.ask("romeo/orchard", "get", "localhost", ITEMS).await.unwrap());
        assert_eq!(member, [invitations::INVITE.node]);
        let administrator = nodes(house.ask("admin/desk", "get", "localhost", ITEMS).await.unwrap());
        assert_eq!(administrator[..2], [invitations::INVITE.node, invitations::CREATE_ACCOUNT.node]);
        for node in ["http://jabber.org/protocol/admin#add-user", "urn:waxwing:command:user-add"] {
            assert!(administrator.iter().any(|listed| listed == node), "{node}");
        }
        let info =
            |node: &str| format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>");
        let list = house.ask("romeo/orchard", "get", "localhost", &info(NODE)).await.unwrap();
        assert!(list.contains("command-list"), "{list}");
        let one =
            house.ask("romeo/orchard", "get", "localhost", &info(invitations::INVITE.node)).await.unwrap();
        assert!(one.contains("command-node"), "{one}");
        let other =
            house.ask("romeo/orchard", "get", "localhost", &info(invitations::CREATE_ACCOUNT.node)).await;
        assert_eq!(other, Err("forbidden".to_owned()));
    }

    /// Sections 3.4 and 4.5.
    #[tokio::test]
    async fn commands_are_cancelled_and_unknown_ones_not_found() {
        let house = House::of(&["admin/desk"]).await;
        let run = |node: &str, action: &str| {
            format!(
                "<command xmlns='http://jabber.org/protocol/commands' node='{node}' action='{action}' sessionid='s'/>"
            )
        };
        let node = invitations::CREATE_ACCOUNT.node;
        let cancelled = house.ask("admin/desk", "set", "localhost", &run(node, "cancel")).await.unwrap();
        let cancelled = Element::parse(&cancelled).unwrap();
        assert_eq!((cancelled.attr("status"), cancelled.attr("sessionid")), (Some("canceled"), Some("s")));
        let unknown = house.ask("admin/desk", "set", "localhost", &run("urn:x", "execute")).await;
        assert_eq!(unknown, Err("item-not-found".to_owned()));
        for action in ["next", "dance"] {
            let refused = house.ask("admin/desk", "set", "localhost", &run(node, action)).await;
            assert_eq!(refused, Err("bad-request".to_owned()));
        }
    }
}
