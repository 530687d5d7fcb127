//! A server of object storage by another maker (moto), which speaks the protocol of S3.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use anyhow::{Context as _, Result, ensure};

use crate::server::PATIENCE;

/// The bucket that is there from the start.
pub const BUCKET: &str = "waxwing";

/// A server of object storage. It ends when it is dropped.
pub struct ObjectStorageServer {
    child: Child,
    /// Its address.
    pub endpoint: String,
}

impl ObjectStorageServer {
    /// Starts one, or nothing when it is to be skipped: only `cargo xtask test` fetches it.
    pub fn start() -> Result<Option<Self>> {
        if std::env::var_os("WAXWING_TEST_ALL").is_none() {
            eprintln!("SKIPPED: object storage needs `cargo xtask test`, which fetches a server of it");
            return Ok(None);
        }
        let folder = std::env::var_os("WAXWING_INTEROP").context("WAXWING_INTEROP names what was fetched")?;
        let program = PathBuf::from(folder).join("object-storage/bin/moto_server");
        let mut child = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let stderr = child.stderr.take().context("its standard error is read")?;
        let (told, heard) = mpsc::channel();
        // Read to its end, so that it never waits for somebody to read what it says.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("Running on http://") {
                    let _ = told.send(address.trim().to_owned());
                }
            }
        });
        let mut server = Self { child, endpoint: String::new() };
        let address = heard.recv_timeout(PATIENCE).context("it does not say where it listens")?;
        server.endpoint = format!("http://{address}");
        let mut stream = TcpStream::connect(&address)?;
        let request = format!(
            "PUT /{BUCKET} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "no bucket: {answer}");
        Ok(Some(server))
    }
}

impl Drop for ObjectStorageServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
