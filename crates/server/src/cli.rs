//! The command line, drawn from the registry of administrator commands.

mod ask;
mod client;
mod generated;
pub(crate) mod terminal;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;
use serde_json::{Map, Value};

pub use generated::generate;

use crate::admin::failure::{Code, Failure};
use crate::admin::registry::{self, Command, Run};
use crate::admin::{Actor, Context, Program};
use crate::app;
use crate::config::Config;
use crate::data_folder;

/// It was done.
pub const OK: u8 = 0;
/// It was not done; what was written to standard error says why.
pub const FAILURE: u8 = 1;
/// The command line is not understood.
pub const USAGE: u8 = 2;
/// No server runs, and the command needs one (`EX_UNAVAILABLE` of sysexits.h).
pub const UNAVAILABLE: u8 = 69;
/// The configuration is wrong (`EX_CONFIG` of sysexits.h).
pub const CONFIGURATION: u8 = 78;

/// Runs what the command line says.
pub fn main() -> ExitCode {
    let matches = tree::command().get_matches();
    let config = matches.get_one::<PathBuf>("config").cloned();
    let status = match matches.subcommand() {
        None => app::serve(config.as_deref(), false),
        Some(("serve", matches)) => app::serve(config.as_deref(), matches.get_flag("cluster")),
        Some(("completions", matches)) => generated::print_completions(matches),
        Some(("man", matches)) => generated::print_man(matches),
        Some((name, inner)) => run(name, inner, config, matches.get_flag("json")),
    };
    ExitCode::from(status)
}

/// Finds the command that was named in the registry, runs it, and writes what came out.
fn run(name: &str, matches: &ArgMatches, config: Option<PathBuf>, json: bool) -> u8 {
    let (name, matches) = match matches.subcommand() {
        Some((inner, matches)) => (format!("{name} {inner}"), matches),
        None => (name.to_owned(), matches),
    };
    let Some(command) = registry::find(&name) else {
        terminal::error(&format!("There is no command \"{name}\"."));
        return USAGE;
    };
    let json = json || matches.get_flag("json");
    let outcome = arguments(command, matches).and_then(|arguments| execute(command, arguments, config));
    match outcome {
        Ok(value) => {
            let text = if json { pretty(&value) } else { (command.render)(&value).unwrap_or(pretty(&value)) };
            terminal::line(&text);
            // A command that looked at something may say that it found it unsound.
            if value.get("sound") == Some(&Value::Bool(false)) { FAILURE } else { OK }
        }
        Err(failure) => {
            if json {
                terminal::line(&pretty(&serde_json::json!({ "error": failure })));
            } else {
                terminal::error(&failure.message);
            }
            match failure.code {
                Code::InvalidArgument | Code::UnknownCommand => USAGE,
                Code::Unavailable => UNAVAILABLE,
                Code::Configuration => CONFIGURATION,
                _ => FAILURE,
            }
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string())
}

fn arguments(command: &Command, matches: &ArgMatches) -> Result<Map<String, Value>, Failure> {
    let mut arguments = Map::new();
    for parameter in command.parameters {
        if let Some(value) = tree::value(parameter, matches)? {
            arguments.insert(parameter.name.to_owned(), value);
        }
    }
    Ok(arguments)
}

/// Runs a command where it belongs: in the running server, on its data here, or in this process alone.
fn execute(
    command: &Command,
    arguments: Map<String, Value>,
    config: Option<PathBuf>,
) -> Result<Value, Failure> {
    if let Run::Program(function) = command.run {
        return runtime()?.block_on(function(Program { config }, Value::Object(arguments)));
    }
    let config = load(config.as_deref())?;
    let socket = config.admin_socket();
    if let Some(mut server) = client::connect(&socket)? {
        let result = client::ask(&mut server, command.name, arguments)?;
        if matches!(command.name, "drain" | "stop") {
            data_folder::wait_until_free(&config.data_dir)?;
        }
        return Ok(result);
    }
    match command.run {
        Run::Data(_) => {
            let runtime = runtime()?;
            runtime.block_on(async {
                let stopped = app::Stopped::open(&config).await?;
                let context = Context { admin: stopped.admin.clone(), actor: Actor::local() };
                let result = registry::run(context, command, arguments).await;
                stopped.close().await;
                result
            })
        }
        _ => Err(Failure::new(
            Code::Unavailable,
            format!("No server runs on {} (nothing answers on {}).", shown(&config.data_dir), shown(&socket)),
        )),
    }
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn load(file: Option<&Path>) -> Result<Config, Failure> {
    match Config::load(file) {
        Ok((config, _)) => Ok(config),
        Err(error) => Err(Failure::new(Code::Configuration, error.to_string())),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
