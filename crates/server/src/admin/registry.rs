//! The registry: what a command is, the list of all of them, and the one function that runs one.

use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::commands;
use super::context::{Context, Program};
use super::failure::{Code, Failure};
use super::parameter::{Parameter, check_arguments};

/// What a command's author must be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Look at things that are no secret.
    View,
    /// Change accounts and what belongs to them.
    Accounts,
    /// Act on the installation as a whole, or take all of its data away.
    Installation,
}

/// A command that has been started.
pub type Pending = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send>>;

/// Where a command runs, and the function that does it.
#[derive(Clone, Copy)]
pub enum Run {
    /// In the running server, because it is about what runs.
    Server(fn(Context, Value) -> Pending),
    /// In the running server; when none runs, on its data in the process that was called.
    Data(fn(Context, Value) -> Pending),
    /// In the process that was called. Only a command line can offer it.
    Program(fn(Program, Value) -> Pending),
}

/// One administrator command.
#[derive(Clone, Copy)]
pub struct Command {
    /// Its name, such as `user add`.
    pub name: &'static str,
    /// What it does, in one line without a full stop.
    pub summary: &'static str,
    /// What else there is to know; paragraphs are parted by an empty line. May be empty.
    pub help: &'static str,
    /// What its author must be allowed to do.
    pub permission: Permission,
    /// What it takes. Those required and not secret come first, in the order a person would say them.
    pub parameters: &'static [Parameter],
    /// Where it runs, and what does it.
    pub run: Run,
    /// Writes a result for a person.
    pub render: fn(&Value) -> Result<String, serde_json::Error>,
}

/// All commands, in the order in which they are documented.
pub fn all() -> &'static [Command] {
    commands::ALL
}

/// The command of this name.
pub fn find(name: &str) -> Option<&'static Command> {
    all().iter().find(|command| command.name == name)
}

/// Runs a command in the server or on its data: permission, arguments, then the command itself.
pub async fn run(
    context: Context,
    command: &Command,
    arguments: Map<String, Value>,
) -> Result<Value, Failure> {
    let (Run::Server(handler) | Run::Data(handler)) = command.run else {
        return Err(Failure::new(
            Code::UnknownCommand,
            format!("\"{}\" is for the command line only.", command.name),
        ));
    };
    if !context.actor.may(command.permission) {
        return Err(Failure::new(
            Code::Denied,
            format!("{} may not use \"{}\".", context.actor.name, command.name),
        ));
    }
    check_arguments(command.parameters, &arguments)?;
    handler(context, Value::Object(arguments)).await
}

/// Joins a command's typed function to the untyped registry.
pub fn call<C, A, R, F>(context: C, arguments: Value, function: fn(C, A) -> F) -> Pending
where
    C: Send + 'static,
    A: DeserializeOwned + Send + 'static,
    R: Serialize,
    F: Future<Output = Result<R, Failure>> + Send + 'static,
{
    let arguments = serde_json::from_value::<A>(arguments);
    Box::pin(async move {
        let arguments = arguments.map_err(|error| Failure::new(Code::InvalidArgument, error.to_string()))?;
        let result = function(context, arguments).await?;
        serde_json::to_value(result).map_err(|error| Failure::new(Code::Failed, error.to_string()))
    })
}

/// Writes a result for a person, by the `Display` of its type.
pub fn render<R: DeserializeOwned + std::fmt::Display>(result: &Value) -> Result<String, serde_json::Error> {
    R::deserialize(result).map(|result| result.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::admin::parameter::Kind;

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut seen = HashSet::new();
        for command in all() {
            assert!(seen.insert(command.name), "{} is there twice", command.name);
            assert!(command.name.split(' ').count() <= 2, "{}", command.name);
            assert!(
                command.name.chars().all(|c| c.is_ascii_lowercase() || c == ' ' || c == '-'),
                "{}",
                command.name
            );
            assert!(!command.summary.ends_with('.') && !command.summary.is_empty(), "{}", command.name);
            let mut names = HashSet::new();
            for parameter in command.parameters {
                assert!(names.insert(parameter.name), "{}: {}", command.name, parameter.name);
                assert!(parameter.help.ends_with('.'), "{}: {}", command.name, parameter.name);
            }
        }
    }

    /// A command line makes required parameters, and paths, positional, so that none may follow an optional one.
    #[test]
    fn required_parameters_come_first() {
        for command in all() {
            let optional_from = command.parameters.iter().position(|p| !p.required);
            let required_to = command.parameters.iter().rposition(|p| p.required);
            if let (Some(first), Some(last)) = (optional_from, required_to) {
                assert!(last < first, "{}", command.name);
            }
            assert!(
                !command.parameters.iter().any(|p| p.required && matches!(p.kind, Kind::Secret | Kind::Flag)),
                "{}: a secret or a flag cannot be required",
                command.name
            );
        }
    }
}
