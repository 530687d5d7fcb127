//! The command line's end of the administration socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Map, Value};

use crate::admin::failure::{Code, Failure};
use crate::admin::protocol::{Reply, Request, VERSION};

/// Connects to the running server; `None` when none runs.
pub(super) fn connect(socket: &Path) -> Result<Option<UnixStream>, Failure> {
    match UnixStream::connect(socket) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Failure::new(
            Code::Denied,
            format!("{} belongs to another user: run this as that user or as root.", socket.display()),
        )),
        Err(error) => Err(Failure::new(Code::Unavailable, format!("{}: {error}.", socket.display()))),
    }
}

/// Sends a command and waits for the reply.
pub(super) fn ask(
    server: &mut UnixStream,
    command: &str,
    arguments: Map<String, Value>,
) -> Result<Value, Failure> {
    let request = Request { waxwing: VERSION, command: command.to_owned(), arguments };
    let mut line = serde_json::to_vec(&request).map_err(io::Error::other)?;
    line.push(b'\n');
    let lost = |error: &dyn std::fmt::Display| {
        Failure::new(Code::Unavailable, format!("The server did not answer: {error}."))
    };
    server.write_all(&line).map_err(|error| lost(&error))?;
    let mut text = String::new();
    let length = BufReader::new(&*server).read_line(&mut text).map_err(|error| lost(&error))?;
    if length == 0 {
        return Err(lost(&"it closed the connection, perhaps because another user owns it"));
    }
    let reply: Reply = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Code::Protocol, format!("The reply is not understood: {error}.")))?;
    reply.into()
}
