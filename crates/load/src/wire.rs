//! One TCP connection, with or without TLS, that holds no buffer while nothing arrives.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Poll, ready};

use rustls::ClientConnection;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;

/// How much one read of a socket takes at most.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A connection to the server.
pub(crate) struct Wire {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, tls: None }
    }

    /// Speaks TLS from here on.
    pub(crate) async fn start_tls(&mut self, tls: ClientConnection) -> io::Result<()> {
        self.tls = Some(Box::new(tls));
        let mut early = Vec::new();
        loop {
            self.flush_tls().await?;
            if self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking()) {
                return Ok(());
            }
            if self.read_some(&mut early).await? == Arrived::Nothing {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Appends what has arrived, waiting for at least one byte. `false` when the connection has ended.
    pub(crate) async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            match self.read_some(into).await? {
                Arrived::Data => return Ok(true),
                Arrived::Nothing => return Ok(false),
                // What TLS has to answer (a key update, an alert) goes out with the next write.
                Arrived::Handshake => {}
            }
        }
    }

    async fn read_some(&mut self, into: &mut Vec<u8>) -> io::Result<Arrived> {
        let Self { socket, tls } = self;
        poll_fn(|context| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *socket).poll_read(context, &mut buffer))?;
                let bytes = buffer.filled();
                Poll::Ready(match tls {
                    _ if bytes.is_empty() => Ok(Arrived::Nothing),
                    None => {
                        into.extend_from_slice(bytes);
                        Ok(Arrived::Data)
                    }
                    Some(tls) => decrypt(tls, bytes, into),
                })
            })
        })
        .await
    }

    /// Writes all of it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            None => write_all(&self.socket, bytes).await,
            Some(tls) => {
                tls.writer().write_all(bytes)?;
                self.flush_tls().await
            }
        }
    }

    async fn flush_tls(&mut self) -> io::Result<()> {
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            let mut out = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut out)?;
            }
            write_all(&self.socket, &out).await?;
        }
        Ok(())
    }
}

/// What one read brought.
#[derive(PartialEq, Eq)]
enum Arrived {
    Data,
    Handshake,
    Nothing,
}

fn decrypt(tls: &mut ClientConnection, mut bytes: &[u8], into: &mut Vec<u8>) -> io::Result<Arrived> {
    let before = into.len();
    while !bytes.is_empty() {
        tls.read_tls(&mut bytes)?;
        let state =
            tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        let there = state.plaintext_bytes_to_read();
        if there > 0 {
            let start = into.len();
            into.resize(start + there, 0);
            tls.reader().read_exact(&mut into[start..])?;
        } else if state.peer_has_closed() {
            return Ok(Arrived::Nothing);
        }
    }
    Ok(if into.len() > before { Arrived::Data } else { Arrived::Handshake })
}

/// Writes all of it; a read at the same time is not held up.
pub(crate) async fn write_all(socket: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
