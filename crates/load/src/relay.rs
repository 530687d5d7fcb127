//! The floor: a relay that copies bytes between sockets and does nothing else, to measure servers against.
//!
//! The first line on a connection says what it is for: `pair N` is connected with the other connection that says so,
//! `echo` gets its own bytes back.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};

use anyhow::Result;
use clap::Args;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::tls;
use crate::wire::write_all;

/// Options of `relay`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:5299", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// Speak TLS
    #[arg(long)]
    tls: bool,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// The side of a connection that is written to.
struct Out {
    socket: OwnedWriteHalf,
    tls: Option<RefCell<ServerConnection>>,
}

/// A connection that waits for its other end.
type Waiting = Rc<RefCell<HashMap<String, (OwnedReadHalf, Rc<Out>, Vec<u8>)>>>;

/// Serves until it is stopped.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let config = options.tls.then(tls::server).transpose()?;
    let listener = TcpListener::bind(options.listen).await?;
    let waiting = Waiting::default();
    loop {
        let (socket, _) = listener.accept().await?;
        let (config, waiting) = (config.clone(), Rc::clone(&waiting));
        tokio::task::spawn_local(async move {
            // A connection that ends ends its own task.
            let _ = connection(socket, config, waiting).await;
        });
    }
}

async fn connection(socket: TcpStream, config: Option<Arc<ServerConfig>>, waiting: Waiting) -> Result<()> {
    socket.set_nodelay(true)?;
    let tls = config.map(ServerConnection::new).transpose()?.map(RefCell::new);
    let (mut read, socket) = socket.into_split();
    let out = Rc::new(Out { socket, tls });
    let mut first = Vec::new();
    let end = loop {
        if let Some(end) = first.iter().position(|byte| *byte == b'\n') {
            break end;
        }
        if !out.read(&mut read, &mut first).await? {
            return Ok(());
        }
    };
    let rest = first.split_off(end + 1);
    let purpose = String::from_utf8(first)?;
    if purpose == "echo\n" {
        return Ok(copy(read, Rc::clone(&out), out, rest).await?);
    }
    let partner = waiting.borrow_mut().remove(&purpose);
    let Some((other_read, other, other_rest)) = partner else {
        waiting.borrow_mut().insert(purpose, (read, out, rest));
        return Ok(());
    };
    tokio::task::spawn_local(copy(other_read, Rc::clone(&other), Rc::clone(&out), other_rest));
    Ok(copy(read, out, other, rest).await?)
}

/// Copies what arrives from one side to the other. `from` is the writing side of where it comes from, for TLS.
async fn copy(mut read: OwnedReadHalf, from: Rc<Out>, to: Rc<Out>, rest: Vec<u8>) -> io::Result<()> {
    let mut bytes = rest;
    loop {
        if !bytes.is_empty() {
            to.write(&bytes).await?;
            bytes.clear();
        }
        if !from.read(&mut read, &mut bytes).await? {
            return Ok(());
        }
    }
}

impl Out {
    /// Appends what arrives; `false` at the end.
    async fn read(&self, read: &mut OwnedReadHalf, into: &mut Vec<u8>) -> io::Result<bool> {
        let more: bool = poll_fn(|context| -> Poll<io::Result<bool>> {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                ready!(Pin::new(&mut *read).poll_read(context, &mut buffer))?;
                let mut bytes = buffer.filled();
                if bytes.is_empty() {
                    return Poll::Ready(Ok(false));
                }
                let Some(tls) = &self.tls else {
                    into.extend_from_slice(bytes);
                    return Poll::Ready(Ok(true));
                };
                let mut tls = tls.borrow_mut();
                while !bytes.is_empty() {
                    tls.read_tls(&mut bytes)?;
                    let state = tls
                        .process_new_packets()
                        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
                    let there = state.plaintext_bytes_to_read();
                    let start = into.len();
                    into.resize(start + there, 0);
                    tls.reader().read_exact(&mut into[start..])?;
                    if there == 0 && state.peer_has_closed() {
                        return Poll::Ready(Ok(false));
                    }
                }
                Poll::Ready(Ok(true))
            })
        })
        .await?;
        if self.tls.as_ref().is_some_and(|tls| tls.borrow().wants_write()) {
            self.flush().await?;
        }
        Ok(more)
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match &self.tls {
            None => write_all(self.socket.as_ref(), bytes).await,
            Some(tls) => {
                tls.borrow_mut().writer().write_all(bytes)?;
                self.flush().await
            }
        }
    }

    async fn flush(&self) -> io::Result<()> {
        let mut encrypted = Vec::new();
        if let Some(tls) = &self.tls {
            let mut tls = tls.borrow_mut();
            while tls.wants_write() {
                tls.write_tls(&mut encrypted)?;
            }
        }
        write_all(self.socket.as_ref(), &encrypted).await
    }
}
