//! The commands of a room (XEP-0050): for its admins and owners, what XEP-0045 sections 8 to 10 let them do, in forms that any
//! client shows; and those of its hats (XEP-0317).

use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::moderation::{Change, Listed, Named};
use waxwing_chat::rooms::ownership::Farewell;
use waxwing_chat::rooms::role::Role;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::commands::{self, Step};
use super::super::data_forms::{Form, Question, Submission};
use super::super::{Reply, Request};
use super::{configuration, hats};
use crate::xmpp::error::stanza_error;

const PREFIX: &str = "urn:waxwing:room:";

const PEOPLE: &str = "people";
const NICK: &str = "nick";
const AFFILIATION: &str = "affiliation";
const ROLE: &str = "role";
const REASON: &str = "reason";
const SUBJECT: &str = "subject";
const ALTERNATE: &str = "alternate";
const PASSWORD: &str = "password";

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Affiliated,
    Affiliate,
    Occupants,
    ChangeRole,
    SetSubject,
    Configure,
    Destroy,
}

/// Each with the end of its node, what a person reads, and who may run it.
const COMMANDS: &[(Command, &str, &str, Affiliation)] = &[
    (Command::Affiliated, "affiliated", "List who is what to the room", Affiliation::Admin),
    (Command::Affiliate, "affiliate", "Change what people are to the room", Affiliation::Admin),
    (Command::Occupants, "occupants", "List who is in the room", Affiliation::Admin),
    (Command::ChangeRole, "change-role", "Change somebody's role, or put him out", Affiliation::Admin),
    (Command::SetSubject, "set-subject", "Set the subject", Affiliation::Admin),
    (Command::Configure, "configure", "Configure the room", Affiliation::Owner),
    (Command::Destroy, "destroy", "Destroy the room", Affiliation::Owner),
];

fn find(node: &str) -> Option<(Command, &'static str, Affiliation)> {
    let end = node.strip_prefix(PREFIX)?;
    let found = COMMANDS.iter().find(|(_, known, ..)| *known == end);
    found.map(|(command, _, name, least)| (*command, *name, *least))
}

/// What the requester is to the room.
async fn affiliation(request: &Request<'_>) -> Result<Affiliation, StanzaError> {
    let found = request.chat.affiliation_in_room(&request.to(), &request.account()).await;
    found.map_err(|error| stanza_error(&error))
}

async fn must_be(request: &Request<'_>, least: Affiliation) -> Result<(), StanzaError> {
    match affiliation(request).await? >= least {
        true => Ok(()),
        false => Err(StanzaError::new(Condition::Forbidden)),
    }
}

/// The commands that the requester may run.
pub(super) async fn list(request: &Request<'_>) -> Element {
    let mut query = hats::list(request).await;
    let own = affiliation(request).await.unwrap_or(Affiliation::None);
    for (_, end, name, _) in COMMANDS.iter().filter(|(.., least)| own >= *least) {
        let item = Element::new(ns::DISCO_ITEMS, "item")
            .with_attr("jid", request.to().as_str())
            .with_attr("node", &format!("{PREFIX}{end}"))
            .with_attr("name", name);
        query.append(item);
    }
    query
}

/// What service discovery says about the list and about a command; `None` for any other node.
pub(super) async fn describe(request: &Request<'_>, node: &str) -> Result<Option<Element>, StanzaError> {
    if node == commands::NODE {
        return Ok(Some(commands::described("command-list", "Commands")));
    }
    let Some((_, name, least)) = find(node) else { return hats::describe(request, node).await };
    must_be(request, least).await?;
    Ok(Some(commands::described("command-node", name)))
}

pub(super) async fn run(request: Request<'_>) -> Reply {
    let node = request.payload.attr("node").ok_or_else(|| StanzaError::new(Condition::BadRequest))?;
    let Some((command, name, least)) = find(node) else { return hats::run(request, node).await };
    must_be(&request, least).await?;
    if commands::is_cancelled(&request)? {
        return Ok(commands::answer(&request, node, None));
    }
    let step = match (command, request.payload.child(ns::DATA_FORMS, "x")) {
        (Command::Affiliated, _) => Step::Done(vec![affiliated(&request).await?]),
        (Command::Occupants, _) => Step::Done(vec![occupants(&request).await?]),
        (Command::Configure, None) => Step::Ask(configuration::asked(&request).await?),
        (command, None) => Step::Ask(asked(command, node, name)),
        (command, Some(form)) => {
            carry_out(&request, command, form).await?;
            Step::Done(vec![
                Element::new(ns::COMMANDS, "note").with_attr("type", "info").with_text("It is done."),
            ])
        }
    };
    Ok(commands::answer(&request, node, Some(step)))
}

/// The form of a command.
fn asked(command: Command, node: &str, name: &str) -> Element {
    let question =
        |var, kind, label, required| Question { var, kind, label, required, ..Question::default() };
    let reason = question(REASON, "text-single", "Reason", false);
    let (about, questions) = match command {
        Command::Affiliate => (
            "Outcasts are kept out; whoever is made nothing is no member any more.",
            vec![
                question(PEOPLE, "jid-multi", "Addresses", true),
                Question {
                    options: &["outcast", "none", "member", "admin", "owner"],
                    ..question(AFFILIATION, "list-single", "What they are to be", true)
                },
                reason,
            ],
        ),
        Command::ChangeRole => (
            "With the role \"none\" he is put out of the room, and may come back.",
            vec![
                question(NICK, "text-single", "Nickname", true),
                Question {
                    options: &["none", "visitor", "participant", "moderator"],
                    ..question(ROLE, "list-single", "The role he is to have", true)
                },
                reason,
            ],
        ),
        Command::SetSubject => ("", vec![question(SUBJECT, "text-single", "Subject", false)]),
        _ => (
            "Everybody is put out, and all that the room keeps is gone.",
            vec![
                reason,
                question(ALTERNATE, "jid-single", "The room to go to instead", false),
                question(PASSWORD, "text-single", "The password of that room", false),
            ],
        ),
    };
    let form = Form::asking(node).titled(name, about);
    questions.iter().fold(form, Form::explained).into_element()
}

fn bad(why: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_text(why)
}

fn jid(text: &str) -> Result<Jid, StanzaError> {
    Jid::new(text).map_err(|_| StanzaError::new(Condition::JidMalformed))
}

async fn carry_out(request: &Request<'_>, command: Command, form: ElementRef<'_>) -> Result<(), StanzaError> {
    let (chat, room, from) = (request.chat, request.to(), request.from);
    let text = |form: &Submission, var| form.single(var).map(str::to_owned);
    let done = match command {
        Command::Configure => chat.configure_room(&room, Some(from), configuration::submitted(form)?).await,
        Command::Destroy => {
            let form = Submission::untyped(form)?;
            let alternate = form.single(ALTERNATE).map(jid).transpose()?;
            let (password, reason) = (text(&form, PASSWORD), text(&form, REASON));
            chat.destroy_room(&room, Some(from), Farewell { alternate, password, reason }).await
        }
        Command::SetSubject => {
            let subject = Submission::untyped(form)?.lines(SUBJECT).unwrap_or_default();
            let element = Element::new(ns::CLIENT, "subject").with_text(&subject);
            let said = Stanza::message(MessageType::Groupchat).with_id(&chat.token()).with_child(element);
            let name = from.local().unwrap_or(from.domain());
            match chat.say_in_room(&room, from, name, said).await {
                Ok(receipt) => receipt.await,
                Err(error) => Err(error),
            }
        }
        _ => chat.change_in_room(&room, from, changes(command, &Submission::untyped(form)?)?).await,
    };
    done.map_err(|error| stanza_error(&error))
}

fn changes(command: Command, form: &Submission) -> Result<Vec<Change>, StanzaError> {
    let reason = form.single(REASON).map(str::to_owned);
    let change = |who| Change { who, role: None, affiliation: None, nick: None, reason: reason.clone() };
    if command == Command::ChangeRole {
        let nick = form.single(NICK).ok_or_else(|| bad("the nickname is missing"))?;
        let role = form.single(ROLE).and_then(Role::from_word);
        let role = role.ok_or_else(|| bad("there is no such role"))?;
        return Ok(vec![Change { role: Some(role), ..change(Named::Nick(nick.to_owned())) }]);
    }
    let affiliation = form.single(AFFILIATION).and_then(Affiliation::from_word);
    let affiliation = affiliation.ok_or_else(|| bad("there is no such affiliation"))?;
    let people = form.values(PEOPLE);
    if people.is_empty() {
        return Err(bad("nobody is named"));
    }
    let each = people
        .into_iter()
        .map(|one| Ok(Change { affiliation: Some(affiliation), ..change(Named::Jid(jid(one)?)) }));
    each.collect()
}

/// Everybody with an affiliation, as far as the requester may know.
async fn affiliated(request: &Request<'_>) -> Result<Element, StanzaError> {
    let mut all = Vec::new();
    for affiliation in Affiliation::ALL.into_iter().rev().filter(|one| *one != Affiliation::None) {
        // Admins see no list of owners and admins where these are not known to everybody (section 10.5).
        let listed = request.chat.room_affiliated(&request.to(), request.from, affiliation).await;
        all.extend(listed.into_iter().flatten());
    }
    Ok(table(&all))
}

/// Everybody who is in the room.
async fn occupants(request: &Request<'_>) -> Result<Element, StanzaError> {
    let mut all = Vec::new();
    for role in [Role::Moderator, Role::Participant, Role::Visitor] {
        let listed = request.chat.room_in_role(&request.to(), request.from, role).await;
        all.extend(listed.map_err(|error| stanza_error(&error))?);
    }
    Ok(table(&all))
}

fn table(listed: &[Listed]) -> Element {
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|one| {
            vec![
                one.jid.as_ref().map(ToString::to_string).unwrap_or_default(),
                one.nick.clone().unwrap_or_default(),
                one.affiliation.as_str().to_owned(),
                one.role.map(|role| role.as_str().to_owned()).unwrap_or_default(),
                one.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let columns = [
        ("jid", "jid-single", "Address"),
        (NICK, "text-single", "Nickname"),
        (AFFILIATION, "text-single", "Affiliation"),
        (ROLE, "text-single", "Role"),
        (REASON, "text-single", "Reason"),
    ];
    Form::result(&format!("{PREFIX}{PEOPLE}")).items(&columns, &rows).into_element()
}
