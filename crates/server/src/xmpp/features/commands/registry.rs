//! Every command of the registry that suits, as an ad-hoc command: a form drawn from what it takes, and a form drawn
//! from what it answers.

use serde_json::{Map, Value};
use std::sync::Arc;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::Step;
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::{self, Actor, Admin, Code, Context, Failure, Permission, Run};
use crate::xmpp::features::Request;
use crate::xmpp::features::data_forms::{Form, Question, Submission};

/// What the nodes of the registry's commands begin with, and what their forms are of.
const PREFIX: &str = "urn:waxwing:command:";

/// How many rows a table has at most; the command itself has ways to ask for others.
const ROWS_LIMIT: usize = 1000;

/// How many lines of an answer are also given as a note for people.
const NOTE_LINES_LIMIT: usize = 4;

/// Where an administrator sits who uses commands.
pub(super) struct Desk {
    admin: Arc<Admin>,
    actor: Actor,
    /// The domain that was addressed.
    pub(super) domain: String,
}

impl Desk {
    /// The desk of whoever asks, who is known to be an administrator.
    pub(super) fn of(request: &Request<'_>) -> Result<Self, StanzaError> {
        let admin = request.admin.ok_or_else(|| StanzaError::new(Condition::ServiceUnavailable))?;
        Ok(Self {
            admin: Arc::clone(admin),
            actor: Actor::administrator(&request.account()),
            domain: request.to().domain().to_owned(),
        })
    }

    /// Runs a command of the registry.
    pub(super) async fn run(&self, name: &str, arguments: Value) -> Result<Value, Failure> {
        let command = admin::find(name)
            .ok_or_else(|| Failure::new(Code::UnknownCommand, format!("There is no command \"{name}\".")))?;
        let Value::Object(arguments) = arguments else {
            return Err(Failure::new(Code::InvalidArgument, "Arguments have names."));
        };
        let context = Context { admin: Arc::clone(&self.admin), actor: self.actor.clone() };
        // Nothing that was not said is an argument.
        let said = arguments.into_iter().filter(|(_, value)| !value.is_null()).collect();
        admin::registry::run(context, command, said).await
    }
}

/// How a failed command reads on the XMPP face. The sentence is for the administrator.
pub(super) fn refusal(failure: &Failure) -> StanzaError {
    let condition = match failure.code {
        Code::InvalidArgument => Condition::NotAcceptable,
        Code::UnknownCommand | Code::NotFound => Condition::ItemNotFound,
        Code::Conflict => Condition::Conflict,
        Code::Denied => Condition::Forbidden,
        Code::Refused | Code::Configuration => Condition::NotAllowed,
        Code::Unavailable => Condition::ServiceUnavailable,
        Code::Protocol | Code::Failed => Condition::InternalServerError,
    };
    StanzaError::new(condition).with_text(failure.message.clone())
}

/// The commands that can be used from afar: those of the server that name no file of its machine.
pub(super) fn offered() -> impl Iterator<Item = &'static admin::Command> {
    admin::all().iter().filter(|command| {
        let path = |parameter: &Parameter| parameter.kind == Kind::Path;
        !matches!(command.run, Run::Program(_)) && !command.parameters.iter().any(path)
    })
}

/// The node of a command.
pub(super) fn node(command: &admin::Command) -> String {
    format!("{PREFIX}{}", command.name.replace(' ', "-"))
}

/// Asks for what the command takes, and runs it. What only looks and takes nothing runs at once; anything else is
/// confirmed by a form, if an empty one.
pub(super) async fn run(
    command: &'static admin::Command,
    desk: &Desk,
    form: Option<ElementRef<'_>>,
) -> Result<Step, StanzaError> {
    let arguments = match form {
        Some(form) => read(command, form)?,
        None if command.parameters.is_empty() && command.permission == Permission::View => Map::new(),
        None => return Ok(Step::Ask(ask(command))),
    };
    let result = desk.run(command.name, Value::Object(arguments)).await;
    let result = result.map_err(|failure| refusal(&failure))?;
    let text = (command.render)(&result).unwrap_or_default();
    Ok(Step::Done(render(command, &result, &text)))
}

fn ask(command: &admin::Command) -> Element {
    let form = Form::asking(&node(command)).titled(command.summary, command.help);
    let form = command.parameters.iter().fold(form, |form, parameter| {
        let about = match parameter.default {
            Some(default) => format!("{} Left out: {default}.", parameter.help),
            None => parameter.help.to_owned(),
        };
        let (kind, options) = match parameter.kind {
            Kind::Account | Kind::Address => ("jid-single", &[][..]),
            Kind::Flag => ("boolean", &[][..]),
            Kind::Choice(words) => ("list-single", words),
            Kind::Secret => ("text-private", &[][..]),
            Kind::Text if parameter.name == "text" => ("text-multi", &[][..]),
            Kind::Text | Kind::Number { .. } | Kind::Duration | Kind::Time | Kind::Path => {
                ("text-single", &[][..])
            }
        };
        form.explained(&Question {
            var: parameter.name,
            kind,
            label: &label(parameter.name),
            about: &about,
            required: parameter.required,
            options,
            values: &[],
        })
    });
    form.into_element()
}

fn read(command: &admin::Command, form: ElementRef<'_>) -> Result<Map<String, Value>, StanzaError> {
    let form = Submission::untyped(form)?;
    let mut arguments = Map::new();
    for (var, _) in &form.fields {
        let Some(text) = form.lines(var) else { continue };
        let parameter = command.parameters.iter().find(|parameter| parameter.name == var);
        let Some(parameter) = parameter else {
            return Err(bad_payload(&format!("\"{var}\" is not asked for")));
        };
        let value = parameter.kind.from_text(&text);
        let value = value.map_err(|why| bad_payload(&format!("\"{var}\": {why}")))?;
        arguments.insert(var.clone(), value);
    }
    Ok(arguments)
}

/// XEP-0050 section 4.5.
pub(super) fn bad_payload(why: &str) -> StanzaError {
    let error = StanzaError::new(Condition::BadRequest).with_text(why);
    error.with_app(Element::new(ns::COMMANDS, "bad-payload"))
}

/// A note for people (XEP-0050 section 4.3).
pub(super) fn note(kind: &str, text: &str) -> Element {
    Element::new(ns::COMMANDS, "note").with_attr("type", kind).with_text(text)
}

/// A result as a form: its values as fields, its first list of things as a table, and as a note what a person would read if
/// that is short.
fn render(command: &admin::Command, result: &Value, text: &str) -> Vec<Element> {
    let mut fields = Vec::new();
    let mut table = None;
    flatten("", result, &mut fields, &mut table);
    let mut notes = Vec::new();
    let mut form = Form::result(&node(command));
    for (var, values) in &fields {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let kind = if values.len() > 1 { "text-multi" } else { "text-single" };
        let label = &label(var);
        form = form.explained(&Question { var, kind, label, values: &values, ..Question::default() });
    }
    if let Some(rows) = table {
        let names = columns(rows);
        let labels: Vec<String> = names.iter().map(|name| label(name)).collect();
        let columns: Vec<(&str, &str, &str)> =
            names.iter().zip(&labels).map(|(name, label)| (*name, "text-single", label.as_str())).collect();
        let cells = |row: &Value| names.iter().map(|name| plain(row.get(*name))).collect();
        let cells: Vec<Vec<String>> = rows.iter().take(ROWS_LIMIT).map(cells).collect();
        if rows.len() > ROWS_LIMIT {
            notes.push(note("warn", &format!("These are the first {ROWS_LIMIT} of {}.", rows.len())));
        }
        form = form.items(&columns, &cells);
    }
    if table.is_none() && text.lines().count() <= NOTE_LINES_LIMIT {
        notes.push(note("info", text));
    }
    std::iter::once(form.into_element()).chain(notes).collect()
}

type Fields = Vec<(String, Vec<String>)>;

/// Sorts what a result holds into fields and the first table.
fn flatten<'a>(name: &str, value: &'a Value, fields: &mut Fields, table: &mut Option<&'a [Value]>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                flatten(&name, value, fields, table);
            }
        }
        Value::Array(items) if table.is_none() && items.first().is_some_and(Value::is_object) => {
            *table = Some(items);
        }
        Value::Array(items) => {
            fields.push((name.to_owned(), items.iter().map(|item| plain(Some(item))).collect()));
        }
        Value::Null => {}
        value => fields.push((name.to_owned(), vec![plain(Some(value))])),
    }
}

/// The names that the rows of a table have between them, in the order in which they come up.
fn columns(rows: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows.iter().filter_map(Value::as_object) {
        for name in row.keys() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    names
}

/// A value on one line.
fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| plain(Some(item))).collect::<Vec<_>>().join(", ")
        }
        Some(Value::Object(members)) => {
            let pair = |(name, value): (&String, &Value)| format!("{name}={}", plain(Some(value)));
            members.iter().map(pair).collect::<Vec<_>>().join(", ")
        }
        Some(value) => value.to_string(),
    }
}

/// What a name of the registry is called for people.
fn label(name: &str) -> String {
    let words = name.replace(['_', '.'], " ");
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::features::testing::House;

    fn command(name: &str, content: &str) -> String {
        let node = node(admin::find(name).unwrap());
        format!("<command xmlns='http://jabber.org/protocol/commands' node='{node}'>{content}</command>")
    }

    fn form(fields: &[(&str, &str)]) -> String {
        let field =
            |(var, value): &(&str, &str)| format!("<field var='{var}'><value>{value}</value></field>");
        let fields: String = fields.iter().map(field).collect();
        format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
    }

    /// Whatever names a file of the server's machine is for its command line.
    #[test]
    fn files_of_the_machine_are_not_reached() {
        let names: Vec<&str> = offered().map(|command| command.name).collect();
        for name in ["user add", "room destroy", "stop", "audit", "announce"] {
            assert!(names.contains(&name), "{name}");
        }
        for name in ["backup", "restore", "export", "import", "version", "check"] {
            assert!(!names.contains(&name), "{name}");
        }
    }

    /// XEP-0050 section 2.4: a form is drawn from what the command takes, and its answer from what it gives.
    #[tokio::test]
    async fn an_administrator_uses_the_registry() {
        let house = House::of(&["admin/desk", "romeo/orchard"]).await;
        let asked = house.ask("admin/desk", "set", "localhost", &command("user add", "")).await.unwrap();
        let asked = Element::parse(&asked).unwrap();
        assert_eq!(asked.attr("status"), Some("executing"));
        let fields: Vec<(String, String)> = asked
            .child(ns::DATA_FORMS, "x")
            .unwrap()
            .children()
            .filter(|child| child.name() == "field")
            .map(|field| (field.attr("var").unwrap().to_owned(), field.attr("type").unwrap().to_owned()))
            .collect();
        for (var, kind) in
            [("address", "jid-single"), ("password", "text-private"), ("administrator", "boolean")]
        {
            assert!(fields.contains(&(var.to_owned(), kind.to_owned())), "{fields:?}");
        }
        let filled =
            form(&[("address", "juliet@localhost"), ("password", "s3cret-enough"), ("given_name", "Juliet")]);
        let done = house.ask("admin/desk", "set", "localhost", &command("user add", &filled)).await.unwrap();
        assert!(done.contains("completed") && done.contains("Added juliet@localhost."), "{done}");
        let again = house.ask("admin/desk", "set", "localhost", &command("user add", &filled)).await;
        assert_eq!(again, Err("conflict".to_owned()));
        let listed =
            house.ask("admin/desk", "set", "localhost", &command("user list", &form(&[]))).await.unwrap();
        let listed = Element::parse(&listed).unwrap();
        let table = listed.child(ns::DATA_FORMS, "x").unwrap();
        assert!(table.child(ns::DATA_FORMS, "reported").is_some());
        assert_eq!(table.children().filter(|child| child.name() == "item").count(), 3);
        let log = house.chat.store().audit(None, 1).await.unwrap();
        assert_eq!(log[0].entry.actor, "admin@localhost");
    }

    #[tokio::test]
    async fn what_looks_runs_at_once_and_what_acts_is_confirmed() {
        let house = House::of(&["admin/desk"]).await;
        let done = house.ask("admin/desk", "set", "localhost", &command("motd show", "")).await.unwrap();
        assert!(done.contains("completed") && done.contains("There is none."), "{done}");
        let asked = house.ask("admin/desk", "set", "localhost", &command("motd delete", "")).await.unwrap();
        assert!(asked.contains("executing"), "{asked}");
        let gone = house.ask("admin/desk", "set", "localhost", &command("motd delete", &form(&[]))).await;
        assert_eq!(gone, Err("item-not-found".to_owned()));
    }

    #[tokio::test]
    async fn wrong_forms_and_other_people_are_refused() {
        let house = House::of(&["admin/desk", "romeo/orchard"]).await;
        for fields in [[("address", "no address")], [("colour", "red")]] {
            let refused =
                house.ask("admin/desk", "set", "localhost", &command("user show", &form(&fields))).await;
            assert_eq!(refused, Err("bad-request".to_owned()), "{fields:?}");
        }
        let missing = house.ask("admin/desk", "set", "localhost", &command("user show", &form(&[]))).await;
        assert_eq!(missing, Err("not-acceptable".to_owned()));
        let other = house.ask("romeo/orchard", "set", "localhost", &command("user list", "")).await;
        assert_eq!(other, Err("forbidden".to_owned()));
    }
}
