//! On a machine that is used for other things too, a line is measured while a command such as `flock FILE` lets it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::shell;

/// The turn to measure; over when it is dropped.
pub(super) struct Turn(Option<Child>);

impl Turn {
    /// Waits until the command runs what it is given. Without a command it is our turn always.
    pub(super) fn wait(command: &[String]) -> Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Ok(Self(None));
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut held = shell::command(program, &arguments);
        // It says that it is running, and runs until its input ends.
        held.args(["sh", "-c", "echo; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut held = held.spawn().with_context(|| format!("{program} cannot be started"))?;
        let mut line = String::new();
        if let Some(output) = held.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        ensure!(!line.is_empty(), "{program} did not run what it was given");
        Ok(Self(Some(held)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mut held) = self.0.take() {
            drop(held.stdin.take());
            // However it ended, the turn is over.
            let _ = held.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_waited_for_and_given_back() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(Turn::wait(&[]).unwrap().0.is_none());
        drop(Turn::wait(&words("env A=1")).unwrap());
        assert!(Turn::wait(&words("true")).is_err(), "it ran nothing");
        assert!(Turn::wait(&words("/nowhere/to/be/found")).is_err());
    }
}
