//! A DNS server of a few records, for servers that look for each other.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const A: u16 = 1;
const SRV: u16 = 33;

/// Records by name. What is not there does not exist (NXDOMAIN).
#[derive(Debug, Default)]
pub struct Records(HashMap<Vec<u8>, Vec<(u16, Vec<u8>)>>);

/// A running server; dropped, it ends.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// A name in the form of RFC 1035 section 3.1.
fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).expect("a short label"));
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

impl Records {
    fn add(mut self, name: &str, kind: u16, data: Vec<u8>) -> Self {
        self.0.entry(labels(name)).or_default().push((kind, data));
        self
    }

    /// Adds the address of a host.
    pub fn a(self, name: &str, address: Ipv4Addr) -> Self {
        self.add(name, A, address.octets().to_vec())
    }

    /// Adds a service (RFC 2782) of weight 0; the host `.` says that there is none.
    pub fn srv(self, name: &str, priority: u16, port: u16, host: &str) -> Self {
        let mut data = Vec::new();
        for number in [priority, 0, port] {
            data.extend_from_slice(&number.to_be_bytes());
        }
        data.extend_from_slice(&labels(host));
        self.add(name, SRV, data)
    }

    /// Starts a server that tells them.
    pub async fn serve(self) -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("bound");
        let task = tokio::spawn(async move {
            let mut query = [0u8; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut query).await {
                if let Some(answer) = self.answer(&query[..length]) {
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        });
        Dns { address, task }
    }

    /// RFC 1035 section 4.1: header, question, answers.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let end = 12 + query.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
        let name = query[12..end].to_ascii_lowercase();
        let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
        let known = self.0.get(&name);
        let data: Vec<&(u16, Vec<u8>)> = known.into_iter().flatten().filter(|(k, _)| *k == kind).collect();
        let mut out = query[..2].to_vec();
        out.extend_from_slice(&[0x84, if known.is_some() { 0 } else { 3 }, 0, 1]);
        out.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 0]);
        out.extend_from_slice(query.get(12..end + 4)?);
        for (kind, data) in data {
            out.extend_from_slice(&[0xC0, 12]);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            out.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
            out.extend_from_slice(data);
        }
        Some(out)
    }
}

impl Dns {
    /// The section of a configuration that has a server ask here.
    pub fn section(&self) -> String {
        format!("[dns]\naddress = \"{}\"\nport = {}\n", self.address.ip(), self.address.port())
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}
