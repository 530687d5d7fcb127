//! The reference of all commands, `docs/commands.md`.

use std::fmt::Write;

use super::parameter::Kind;
use super::registry::{self, Command, Permission, Run};

/// The page.
pub fn page() -> String {
    let mut page = String::from(
        "# Commands\n\n\
         <!-- Generated from the registry of administrator commands by `cargo xtask generate`. Do not edit. -->\n\n\
         Every command is written as `waxwing COMMAND`, takes `--config FILE` and `--json`, and exits with 0 when it was \
         done, 1 when it failed, 2 when the command line is wrong, 69 when it needs a running server and none runs, and \
         78 when the configuration is wrong. Without a command, or with `serve`, the server starts. \
         `waxwing completions bash|zsh|fish` and `waxwing man [COMMAND]` write completions and manual pages.\n\n\
         | command | what it does | where it works |\n|---|---|---|\n",
    );
    for command in registry::all() {
        let anchor = command.name.replace(' ', "-");
        let _ =
            writeln!(page, "| [`{}`](#{anchor}) | {} | {} |", command.name, command.summary, place(command));
    }
    for command in registry::all() {
        section(&mut page, command);
    }
    page
}

fn place(command: &Command) -> &'static str {
    match command.run {
        Run::Server(_) => "running server",
        Run::Data(_) => "running server, or its data when none runs",
        Run::Program(_) => "on its own",
    }
}

fn section(page: &mut String, command: &Command) {
    let permission = match command.permission {
        Permission::View => "view",
        Permission::Accounts => "accounts",
        Permission::Installation => "installation",
    };
    let _ = write!(page, "\n## {}\n\n{}.\n", command.name, command.summary);
    if !command.help.is_empty() {
        let _ = write!(page, "\n{}\n", command.help);
    }
    let _ = write!(page, "\nPermission: {permission}. Works: {}.\n", place(command));
    if command.parameters.is_empty() {
        return;
    }
    page.push_str(
        "\n| argument | on the command line | takes | default | meaning |\n|---|---|---|---|---|\n",
    );
    for parameter in command.parameters {
        let option = parameter.name.replace('_', "-");
        let line = match (parameter.kind, parameter.required) {
            (Kind::Secret, _) => format!("asked for, `--{option}-stdin` or `--generate`"),
            (Kind::Flag, _) => format!("`--{option}`"),
            (_, true) => format!("`{}`", parameter.name.to_uppercase()),
            (Kind::Path, false) => format!("`[{}]`", parameter.name.to_uppercase()),
            (kind, false) => format!("`--{option} {}`", kind.noun()),
        };
        let default = match (parameter.default, parameter.required) {
            (_, true) => "required",
            (Some(default), false) => default,
            (None, false) => "",
        };
        let _ = writeln!(
            page,
            "| `{}` | {line} | {} | {default} | {} |",
            parameter.name,
            takes(parameter.kind),
            parameter.help
        );
    }
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".into(),
        Kind::Account => "an account's address".into(),
        Kind::Address => "an address, with or without a resource".into(),
        Kind::Number { min, max } => format!("a whole number, {min} to {max}"),
        Kind::Flag => "present or not".into(),
        Kind::Duration => "a length of time: `90s`, `30m`, `12h`, `7d`".into(),
        Kind::Time => "a point in time, UTC: `2026-12-31` or `2026-12-31T18:00:00Z`".into(),
        Kind::Choice(words) => words.join(", "),
        Kind::Path => "a path".into(),
        Kind::Secret => "a password".into(),
    }
}
