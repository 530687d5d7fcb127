//! As much of HTTP/1.1 as putting and getting files needs (RFC 9112), on connections that are kept.

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How large the head of an answer may be.
const HEAD_BYTES_LIMIT: usize = 64 * 1024;

/// How much is read at one time.
const READ_BYTES: usize = 256 * 1024;

/// An address of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    host: String,
    port: u16,
    path: String,
}

impl Link {
    /// Reads a URL. HTTP alone is put under load: TLS is measured by other scenarios.
    pub(crate) fn read(url: &str) -> Result<Self> {
        let rest =
            url.strip_prefix("http://").with_context(|| format!("only http:// is put under load: {url}"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().with_context(|| format!("the port of {url}"))?),
            None => (authority, 80),
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }
}

/// A connection to where files are.
pub(crate) struct Connection {
    stream: TcpStream,
    place: (String, u16),
    /// The server keeps it after the last answer.
    kept: bool,
    buffer: Vec<u8>,
}

/// The head of an answer.
struct Head {
    status: u16,
    /// None where the end of the connection is that of the content.
    length: Option<usize>,
    kept: bool,
}

impl Connection {
    /// The connection that is there, if it leads to the place and is kept, or a new one.
    pub(crate) async fn reuse(open: Option<Self>, link: &Link) -> Result<Self> {
        let place = (link.host.clone(), link.port);
        if let Some(open) = open.filter(|open| open.kept && open.place == place) {
            return Ok(open);
        }
        let stream = TcpStream::connect((&*place.0, place.1)).await.context("connecting for files")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, place, kept: true, buffer: Vec::new() })
    }

    /// Puts content somewhere; answers the status.
    pub(crate) async fn put(
        &mut self,
        link: &Link,
        media_type: &str,
        headers: &[(String, String)],
        content: &[u8],
    ) -> Result<u16> {
        let mut head = format!(
            "PUT {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n",
            link.path,
            link.host,
            link.port,
            content.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(content).await?;
        let head = self.head().await?;
        self.body(head.length).await?;
        self.kept = head.kept;
        Ok(head.status)
    }

    /// Gets all that is somewhere.
    pub(crate) async fn get(&mut self, link: &Link) -> Result<Vec<u8>> {
        let head = format!("GET {} HTTP/1.1\r\nHost: {}:{}\r\n\r\n", link.path, link.host, link.port);
        self.stream.write_all(head.as_bytes()).await?;
        let head = self.head().await?;
        let body = self.body(head.length).await?;
        self.kept = head.kept;
        ensure!(head.status == 200, "a download was answered with {}", head.status);
        Ok(body)
    }

    async fn read(&mut self) -> Result<bool> {
        let start = self.buffer.len();
        self.buffer.reserve(READ_BYTES);
        let read = self.stream.read_buf(&mut self.buffer).await?;
        debug_assert_eq!(self.buffer.len(), start + read);
        Ok(read > 0)
    }

    async fn head(&mut self) -> Result<Head> {
        loop {
            let end = memchr::memmem::find(&self.buffer, b"\r\n\r\n");
            if let Some(end) = end {
                let head = parse(&self.buffer[..end])?;
                self.buffer.drain(..end + 4);
                return Ok(head);
            }
            ensure!(self.buffer.len() < HEAD_BYTES_LIMIT, "the head of an answer does not end");
            ensure!(self.read().await?, "the connection ended before an answer");
        }
    }

    async fn body(&mut self, length: Option<usize>) -> Result<Vec<u8>> {
        let Some(length) = length else {
            while self.read().await? {}
            return Ok(std::mem::take(&mut self.buffer));
        };
        self.buffer.reserve(length.saturating_sub(self.buffer.len()));
        while self.buffer.len() < length {
            ensure!(self.read().await?, "the connection ended in the middle of an answer");
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }
}

fn parse(head: &[u8]) -> Result<Head> {
    let text = std::str::from_utf8(head).context("the head of an answer")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no answer in HTTP: {text}"))?;
    let (mut length, mut kept) = (None, text.starts_with("HTTP/1.1"));
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("Content-Length") {
            length = Some(value.parse().context("a length")?);
        } else if name.eq_ignore_ascii_case("Connection") {
            kept = !value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("Transfer-Encoding") {
            bail!("{value} content is not read here");
        }
    }
    if matches!(status, 204 | 304) {
        length = Some(0);
    }
    Ok(Head { status, length, kept: kept && length.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read() {
        let link = Link::read("http://localhost:5280/files/a/b.bin").unwrap();
        assert_eq!((&*link.host, link.port, &*link.path), ("localhost", 5280, "/files/a/b.bin"));
        assert_eq!(Link::read("http://localhost").unwrap().path, "/");
        assert!(Link::read("https://localhost/").is_err() && Link::read("http://localhost:x/").is_err());
    }

    #[test]
    fn heads_are_read() {
        let head = parse(b"HTTP/1.1 201 Created\r\ncontent-length: 3\r\nConnection: close").unwrap();
        assert_eq!((head.status, head.length, head.kept), (201, Some(3), false));
        let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 0").unwrap();
        assert!(head.kept);
        assert!(!parse(b"HTTP/1.1 200 OK\r\nServer: x").unwrap().kept, "its end is that of the connection");
        assert!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked").is_err());
        assert!(parse(b"220 smtp").is_err());
    }
}
