//! The commands of a room that make, change and give its hats (XEP-0317).

use waxwing_chat::rooms::hats::{Hat, HatChange, Hats};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::commands::{self, Step};
use super::super::data_forms::{Form, Submission};
use super::super::{Reply, Request};
use crate::xmpp::error::stanza_error;

const PREFIX: &str = "urn:xmpp:hats:commands:";
const TITLE: &str = "hats#title";
const URI: &str = "hats#uri";
const HUE: &str = "hats#hue";
const JID: &str = "hats#jid";

/// A command of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Create,
    Destroy,
    List,
    Assign,
    Unassign,
    ListAssigned,
}

/// Each with the end of its node and what a person reads.
const COMMANDS: &[(Command, &str, &str)] = &[
    (Command::List, "list", "List hats"),
    (Command::Create, "create", "Create or change a hat"),
    (Command::Destroy, "destroy", "Destroy a hat"),
    (Command::Assign, "assign", "Give somebody a hat"),
    (Command::Unassign, "unassign", "Take a hat from somebody"),
    (Command::ListAssigned, "list-assigned", "List who wears hats"),
];

fn find(node: &str) -> Option<(Command, &'static str)> {
    let end = node.strip_prefix(PREFIX)?;
    COMMANDS.iter().find(|(_, known, _)| *known == end).map(|(command, _, name)| (*command, *name))
}

async fn may(request: &Request<'_>, command: Command) -> Result<(), StanzaError> {
    let may = match command {
        Command::List => request.chat.room_hats(&request.to(), request.from).await.map(drop),
        _ => request.chat.must_administer_room(&request.to(), request.from).await,
    };
    may.map_err(|error| stanza_error(&error))
}

/// The commands that the requester may run.
pub(super) async fn list(request: &Request<'_>) -> Element {
    let mut query = Element::new(ns::DISCO_ITEMS, "query");
    for (command, end, name) in COMMANDS {
        if may(request, *command).await.is_ok() {
            let item = Element::new(ns::DISCO_ITEMS, "item")
                .with_attr("jid", request.to().as_str())
                .with_attr("node", &format!("{PREFIX}{end}"))
                .with_attr("name", name);
            query.append(item);
        }
    }
    query
}

/// What service discovery says about a command; `None` for any other node.
pub(super) async fn describe(request: &Request<'_>, node: &str) -> Result<Option<Element>, StanzaError> {
    let Some((command, name)) = find(node) else { return Ok(None) };
    may(request, command).await?;
    Ok(Some(commands::described("command-node", name)))
}

pub(super) async fn run(request: Request<'_>, node: &str) -> Reply {
    let (command, _) = find(node).ok_or_else(|| StanzaError::new(Condition::ItemNotFound))?;
    may(&request, command).await?;
    if commands::is_cancelled(&request)? {
        return Ok(commands::answer(&request, node, None));
    }
    let hats = request.chat.room_hats(&request.to(), request.from).await;
    let hats = hats.map_err(|error| stanza_error(&error))?;
    let step = match (command, request.payload.child(ns::DATA_FORMS, "x")) {
        (Command::List, _) => Step::Done(vec![listed(&hats)]),
        (Command::ListAssigned, _) => Step::Done(vec![assigned(&hats)]),
        (command, None) => Step::Ask(asked(command, &hats)),
        (command, Some(form)) => {
            let change = read(command, form)?;
            let done = request.chat.change_room_hats(&request.to(), request.from, change).await;
            done.map_err(|error| stanza_error(&error))?;
            Step::Done(vec![
                Element::new(ns::COMMANDS, "note").with_attr("type", "info").with_text("It is done."),
            ])
        }
    };
    Ok(commands::answer(&request, node, Some(step)))
}

fn asked(command: Command, hats: &Hats) -> Element {
    let form = Form::asking(ns::HATS_COMMANDS);
    match command {
        Command::Create => form
            .titled("Creating a hat", "With the URI of a hat that there is, that one is changed.")
            .question(TITLE, "text-single", "Title", true)
            .question(URI, "text-single", "URI", true)
            .question(HUE, "text-single", "Hue, an angle from 0 to 360", false)
            .into_element(),
        Command::Assign | Command::Unassign => {
            let title = if command == Command::Assign { "Giving a hat" } else { "Taking a hat" };
            let form = form.titled(title, "Whom, and which hat.");
            form.question(JID, "jid-single", "Address", true).into_element().with_child(choice(hats))
        }
        _ => form
            .titled("Destroying a hat", "Nobody will wear it any more.")
            .into_element()
            .with_child(choice(hats)),
    }
}

/// A field in which one of the hats is chosen.
fn choice(hats: &Hats) -> Element {
    let field = Element::new(ns::DATA_FORMS, "field")
        .with_attr("var", URI)
        .with_attr("type", "list-single")
        .with_attr("label", "Hat")
        .with_child(Element::new(ns::DATA_FORMS, "required"));
    hats.list.iter().fold(field, |field, hat| {
        let value = Element::new(ns::DATA_FORMS, "value").with_text(&hat.uri);
        let option = Element::new(ns::DATA_FORMS, "option").with_attr("label", &hat.title);
        field.with_child(option.with_child(value))
    })
}

fn read(command: Command, form: ElementRef<'_>) -> Result<HatChange, StanzaError> {
    let bad = |why: &str| StanzaError::new(Condition::BadRequest).with_text(why);
    let form = Submission::read(form, ns::HATS_COMMANDS)?;
    let text = |var: &str| form.single(var).map(str::to_owned);
    let uri = text(URI).ok_or_else(|| bad("the URI is missing"))?;
    let wearer = || {
        let jid = text(JID).ok_or_else(|| bad("the address is missing"))?;
        Jid::new(&jid).map(|jid| jid.to_bare()).map_err(|_| StanzaError::new(Condition::JidMalformed))
    };
    Ok(match command {
        Command::Create => {
            let title = text(TITLE).ok_or_else(|| bad("the title is missing"))?;
            HatChange::Create(Hat { uri, title, hue: text(HUE) })
        }
        Command::Assign => HatChange::Assign(wearer()?, uri),
        Command::Unassign => HatChange::Unassign(wearer()?, uri),
        _ => HatChange::Destroy(uri),
    })
}

fn table(title: &str, columns: &[&str], rows: Vec<Vec<String>>) -> Element {
    let column = |var: &str| Element::new(ns::DATA_FORMS, "field").with_attr("var", var);
    let reported = Element::new(ns::DATA_FORMS, "reported");
    let reported = columns.iter().fold(reported, |reported, var| reported.with_child(column(var)));
    let form = Element::new(ns::DATA_FORMS, "x")
        .with_attr("type", "result")
        .with_child(Element::new(ns::DATA_FORMS, "title").with_text(title))
        .with_child(reported);
    rows.iter().fold(form, |form, row| {
        let item = columns.iter().zip(row).fold(Element::new(ns::DATA_FORMS, "item"), |item, (var, text)| {
            item.with_child(column(var).with_child(Element::new(ns::DATA_FORMS, "value").with_text(text)))
        });
        form.with_child(item)
    })
}

fn row(hat: &Hat) -> Vec<String> {
    vec![hat.title.clone(), hat.uri.clone(), hat.hue.clone().unwrap_or_default()]
}

fn listed(hats: &Hats) -> Element {
    table("Hats", &[TITLE, URI, HUE], hats.list.iter().map(row).collect())
}

fn assigned(hats: &Hats) -> Element {
    let worn = hats.worn.iter().flat_map(|(wearer, uris)| {
        let known = hats.list.iter().filter(|hat| uris.contains(&hat.uri));
        known.map(|hat| [vec![wearer.as_str().to_owned()], row(hat)].concat())
    });
    table("Who wears hats", &[JID, TITLE, URI, HUE], worn.collect())
}
