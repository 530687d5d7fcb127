//! HTTP as a test needs it: requests written by hand, answers taken apart; and places for files.

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::Client;
use crate::server::PATIENCE;
use crate::world::World;
use crate::xml::{Element, escape};

const UPLOAD: &str = "urn:xmpp:http:upload:0";

/// An answer over HTTP.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status code; 0 when the connection ended without one.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// What followed.
    pub body: Vec<u8>,
}

impl Answer {
    /// Takes apart what came until the connection ended.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
        Self { status, head, body }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (given, value) = line.split_once(':')?;
            given.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Sends a request and reads the answer until the connection ends. `headers` are whole lines.
pub async fn request(world: &World, line: &str, headers: &[&str], body: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(&world.server.addresses().http).await?;
    let mut text = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await?;
    // A server that refuses does not read to the end.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let reading = async {
        let mut buffer = [0; 65_536];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    timeout(PATIENCE, reading).await.context("no answer")?;
    Ok(Answer::parse(&answer))
}

/// Gets something.
pub async fn get(world: &World, path: &str, headers: &[&str]) -> Answer {
    request(world, &format!("GET {path}"), headers, b"").await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// A place for a file (XEP-0363).
#[derive(Debug, Clone)]
pub struct Slot {
    /// The link.
    pub link: String,
    /// The link's path.
    pub path: String,
    /// The header that has to come with the content, as a whole line.
    pub authorization: String,
}

/// Asks for a place, with further attributes and children of the request.
pub async fn ask_slot(
    client: &mut Client,
    name: &str,
    size: u64,
    attributes: &str,
    children: &str,
) -> Element {
    let request = format!(
        "<request xmlns='{UPLOAD}' filename='{}' size='{size}' {attributes}>{children}</request>",
        escape(name)
    );
    let service = format!("upload.{}", client.domain);
    client.ask("get", Some(&service), &request).await
}

impl Slot {
    /// Reads the place that was granted.
    pub fn read(answer: &Element) -> Self {
        let slot = answer.child(UPLOAD, "slot").unwrap_or_else(|| panic!("no slot: {answer}"));
        let put = slot.child(UPLOAD, "put").expect("where to put it");
        let get = slot.child(UPLOAD, "get").expect("where to get it");
        let link = get.attr("url").expect("a link").to_owned();
        assert_eq!(put.attr("url"), Some(&*link));
        let header = put.child(UPLOAD, "header").expect("a secret");
        let authorization = format!("{}: {}", header.attr("name").unwrap_or_default(), header.text());
        let path = link.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("a path");
        Self { link, path, authorization }
    }

    /// Asks for a place that is granted.
    pub async fn request(client: &mut Client, name: &str, size: u64, media_type: &str) -> Self {
        let attributes = format!("content-type='{media_type}'");
        Self::read(&ask_slot(client, name, size, &attributes, "").await)
    }

    /// Puts content there.
    pub async fn put(&self, world: &World, content: &[u8]) -> Answer {
        let length = format!("Content-Length: {}", content.len());
        self.put_with(world, &[&length, &self.authorization], content).await
    }

    /// Puts content there with these headers.
    pub async fn put_with(&self, world: &World, headers: &[&str], content: &[u8]) -> Answer {
        let line = format!("PUT {}", self.path);
        request(world, &line, headers, content).await.unwrap_or_else(|error| panic!("{error:#}"))
    }
}

/// Uploads a file and gives its place.
pub async fn upload(
    world: &World,
    client: &mut Client,
    name: &str,
    media_type: &str,
    content: &[u8],
) -> Slot {
    let slot = Slot::request(client, name, content.len() as u64, media_type).await;
    let answer = slot.put(world, content).await;
    assert_eq!(answer.status, 201, "{}", answer.head);
    slot
}
