//! The little of SOCKS5 that bytestreams use (RFC 1928, XEP-0065 section 9.2): a name is told, and nothing is connected to.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const VERSION: u8 = 5;

/// Without authentication: whoever knows the name of a stream may connect to it, and a client of this server decides.
const NO_AUTHENTICATION: u8 = 0;
const NO_METHOD: u8 = 0xff;

const CONNECT: u8 = 1;
const DOMAIN_NAME: u8 = 3;

const NOT_ALLOWED: u8 = 2;
const COMMAND_NOT_SUPPORTED: u8 = 7;
const ADDRESS_NOT_SUPPORTED: u8 = 8;

/// Length of SHA-1 in hexadecimal.
const NAME_LENGTH: usize = 40;

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Reads which stream a connection is for. What is asked for otherwise is refused in SOCKS's words: above all another host.
pub(super) async fn receive(tcp: &mut TcpStream) -> io::Result<String> {
    if tcp.read_u8().await? != VERSION {
        return Err(refused("this is not SOCKS5"));
    }
    let mut methods = vec![0; usize::from(tcp.read_u8().await?)];
    tcp.read_exact(&mut methods).await?;
    if !methods.contains(&NO_AUTHENTICATION) {
        tcp.write_all(&[VERSION, NO_METHOD]).await?;
        return Err(refused("no method in common"));
    }
    tcp.write_all(&[VERSION, NO_AUTHENTICATION]).await?;
    let mut request = [0; 4];
    tcp.read_exact(&mut request).await?;
    let [version, command, _, kind] = request;
    let word = match (version, command, kind) {
        (VERSION, CONNECT, DOMAIN_NAME) => None,
        (VERSION, CONNECT, _) => Some(ADDRESS_NOT_SUPPORTED),
        _ => Some(COMMAND_NOT_SUPPORTED),
    };
    if let Some(word) = word {
        tcp.write_all(&[VERSION, word, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        return Err(refused("only streams are served"));
    }
    let mut name = vec![0; usize::from(tcp.read_u8().await?)];
    tcp.read_exact(&mut name).await?;
    let port = tcp.read_u16().await?;
    let well_formed = name.len() == NAME_LENGTH && name.iter().all(u8::is_ascii_hexdigit) && port == 0;
    match String::from_utf8(name) {
        Ok(name) if well_formed => Ok(name.to_ascii_lowercase()),
        _ => {
            tcp.write_all(&[VERSION, NOT_ALLOWED, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
            Err(refused("that is no name of a stream"))
        }
    }
}

/// The answer to a connection that waits from now on: it repeats what was asked for (XEP-0065 section 5.3.2).
pub(super) fn granted(name: &str) -> Vec<u8> {
    let mut reply = vec![VERSION, 0, 0, DOMAIN_NAME, NAME_LENGTH as u8];
    reply.extend_from_slice(name.as_bytes());
    reply.extend_from_slice(&[0, 0]);
    reply
}

/// Writes an answer that fits into any send buffer; false if it did not.
pub(super) fn reply(tcp: &TcpStream, reply: &[u8]) -> bool {
    tcp.try_write(reply).is_ok_and(|written| written == reply.len())
}
