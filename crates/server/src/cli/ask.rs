//! Passwords: asked for without echo, read from standard input, or left to the server to make. Never an argument.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::admin::failure::{Code, Failure};

/// Reads the first line of standard input as the password.
pub(super) fn from_stdin() -> Result<String, Failure> {
    first_line(&mut io::stdin().lock())
}

/// Asks for a new password twice on the terminal.
pub(super) fn from_terminal(option: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::argument(
            Code::InvalidArgument,
            option,
            format!(
                "There is no terminal to ask for the password on: use --{option}-stdin to read it from standard \
                 input, or --generate to have one made."
            ),
        ));
    }
    let first = prompt("New password: ")?;
    if first.is_empty() {
        return Err(Failure::invalid(option, "The password must not be empty."));
    }
    if prompt("The same again: ")? != first {
        return Err(Failure::invalid(option, "The two passwords are not the same."));
    }
    Ok(first)
}

fn prompt(text: &str) -> Result<String, Failure> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).map_err(io::Error::from)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    let mut err = io::stderr();
    write!(err, "{text}")?;
    err.flush()?;
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(io::Error::from)?;
    let line = first_line(&mut stdin.lock());
    tcsetattr(&stdin, OptionalActions::Flush, &before).map_err(io::Error::from)?;
    line
}

fn first_line(input: &mut dyn BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_as_it_stands() {
        assert_eq!(first_line(&mut &b" pass word \r\nnext\n"[..]).expect("read"), " pass word ");
        assert_eq!(first_line(&mut &b"no newline"[..]).expect("read"), "no newline");
    }
}
