//! The registry as a tree of clap commands.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command as Clap, value_parser};
use serde_json::Value;

use super::ask;
use crate::admin::failure::Failure;
use crate::admin::parameter::{Kind, Parameter};
use crate::admin::registry::{self, Command, Run};

const AFTER_HELP: &str = "Without a command, the server starts. With no configuration at all it serves the domain \
localhost on loopback and keeps its data in ./waxwing-data.

Exit status: 0 done, 1 failed, 2 the command line is wrong, 69 no server runs and the command needs one, 78 the \
configuration is wrong.";

/// The whole command line.
pub(super) fn command() -> Clap {
    let mut root = Clap::new("waxwing")
        .about("Messaging that an organisation owns: an XMPP server in one binary")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(AFTER_HELP)
        .subcommand_required(false)
        .arg(
            Arg::new("config")
                .short('c')
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(std::path::PathBuf))
                .global(true)
                .help("The configuration file [default: ./waxwing.toml, if there is one]"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .global(true)
                .help("Write the result, or the error, as JSON"),
        )
        .subcommand(Clap::new("serve").about("Start the server (also without any command)").arg(
            Arg::new("cluster").long("cluster").action(ArgAction::SetTrue).help(
                "As a node of an installation: refuse to start where the configuration names no bus in [cluster]",
            ),
        ));
    for command in registry::all() {
        root = add(root, command);
    }
    root.subcommand(
        Clap::new("completions")
            .about("Write the completions of a shell")
            .arg(Arg::new("shell").required(true).value_parser(["bash", "zsh", "fish"]).help("The shell.")),
    )
    .subcommand(Clap::new("man").about("Write a manual page, in roff").arg(
        Arg::new("command").num_args(0..=2).value_name("COMMAND").help("Of which command; of all without."),
    ))
}

/// Hangs a command into the tree: `user add` becomes `add` under `user`.
fn add(root: Clap, command: &Command) -> Clap {
    match command.name.split_once(' ') {
        None => root.subcommand(leaf(command.name, command)),
        Some((group, name)) => {
            let child = leaf(name, command);
            if root.find_subcommand(group).is_some() {
                root.mut_subcommand(group, |parent| {
                    parent.args_conflicts_with_subcommands(true).subcommand(child)
                })
            } else {
                root.subcommand(
                    Clap::new(group).about(group_summary(group)).subcommand_required(true).subcommand(child),
                )
            }
        }
    }
}

/// What a group of commands is about, where no command has the group's own name.
fn group_summary(group: &str) -> &'static str {
    match group {
        "user" => "Accounts: add, list, show, change, delete",
        "invite" => "Invitations: create, list, revoke",
        _ => "",
    }
}

fn leaf(name: &'static str, command: &Command) -> Clap {
    let mut long = command.summary.to_owned();
    for paragraph in [command.help, place(command.run)] {
        if !paragraph.is_empty() {
            long.push_str("\n\n");
            long.push_str(paragraph);
        }
    }
    let mut clap = Clap::new(name).about(command.summary).long_about(long);
    for parameter in command.parameters {
        for arg in arguments(parameter) {
            clap = clap.arg(arg);
        }
    }
    clap
}

fn place(run: Run) -> &'static str {
    match run {
        Run::Server(_) => "Needs the running server.",
        Run::Data(_) => "Works in the running server, and on its data when none runs.",
        Run::Program(_) => "",
    }
}

/// The options, or the position, that a parameter has on the command line.
fn arguments(parameter: &Parameter) -> Vec<Arg> {
    let kind = parameter.kind;
    let help = match parameter.default {
        Some(default) => format!("{} [default: {default}]", parameter.help),
        None => parameter.help.to_owned(),
    };
    let long = parameter.name.replace('_', "-");
    if kind == Kind::Secret {
        let stdin = Arg::new(format!("{}-stdin", parameter.name))
            .long(format!("{long}-stdin"))
            .action(ArgAction::SetTrue)
            .help("Read the password from the first line of standard input");
        let generate = Arg::new("generate")
            .long("generate")
            .action(ArgAction::SetTrue)
            .conflicts_with(format!("{}-stdin", parameter.name))
            .help("Have a password made, and shown once");
        return vec![stdin, generate];
    }
    let arg = Arg::new(parameter.name).help(help).value_name(kind.noun());
    let position = parameter.name.to_uppercase();
    let arg = match (kind, parameter.required) {
        (Kind::Flag, _) => return vec![arg.long(long).action(ArgAction::SetTrue)],
        (_, true) => arg.required(true).value_name(position),
        (Kind::Path, false) => arg.value_name(position),
        (_, false) => arg.long(long),
    };
    vec![match kind {
        Kind::Choice(words) => arg.value_parser(PossibleValuesParser::new(words).map(Value::from)),
        Kind::Path => arg.value_hint(clap::ValueHint::AnyPath).value_parser(absolute),
        _ => arg.value_parser(move |text: &str| kind.from_text(text)),
    }]
}

fn absolute(text: &str) -> Result<Value, String> {
    let path = std::path::absolute(text).map_err(|error| error.to_string())?;
    path.to_str().map(Value::from).ok_or_else(|| "is not UTF-8".to_owned())
}

/// What the command line gave for a parameter.
pub(super) fn value(parameter: &Parameter, matches: &ArgMatches) -> Result<Option<Value>, Failure> {
    match parameter.kind {
        Kind::Flag => Ok(matches.get_flag(parameter.name).then_some(Value::Bool(true))),
        Kind::Secret if matches.get_flag("generate") => Ok(None),
        Kind::Secret if matches.get_flag(&format!("{}-stdin", parameter.name)) => {
            ask::from_stdin().map(|password| Some(Value::from(password)))
        }
        Kind::Secret => ask::from_terminal(parameter.name).map(|password| Some(Value::from(password))),
        _ => Ok(matches.get_one::<Value>(parameter.name).cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound_and_has_every_command() {
        let mut tree = command();
        tree.build();
        tree.clone().debug_assert();
        for command in registry::all() {
            let mut node = &tree;
            for word in command.name.split(' ') {
                node = node.find_subcommand(word).unwrap_or_else(|| panic!("{} is missing", command.name));
            }
        }
    }

    #[test]
    fn a_password_cannot_be_given_as_an_argument() {
        for command in registry::all() {
            for parameter in command.parameters.iter().filter(|p| p.kind == Kind::Secret) {
                assert!(
                    arguments(parameter).iter().all(|arg| !arg.get_action().takes_values()),
                    "{}",
                    command.name
                );
            }
        }
    }
}
