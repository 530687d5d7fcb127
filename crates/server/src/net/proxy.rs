//! The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt, section 2): who stands behind a balancer's connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// The longest header of version 1, its CRLF included (section 2.1).
const LINE_BYTES: usize = 107;

/// The longest header taken. The specification knows at most 536 bytes to fit a packet; what is beyond are certificates
/// in TLVs, of which nothing is read.
pub const HEADER_BYTES_LIMIT: usize = 2_048;

const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, version and command, family and transport, and the length of what follows.
const FIXED_BYTES: usize = 16;

/// What stands in front of a connection is no header of this protocol, or one that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no valid header of the PROXY protocol")]
pub struct Malformed;

/// A header that has come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How many bytes it takes.
    pub bytes: usize,
    /// Where the client comes from; `None` when the balancer speaks for itself (LOCAL), or does not know (UNKNOWN, UNSPEC,
    /// a Unix socket).
    pub client: Option<SocketAddr>,
}

impl Header {
    /// Looks for a header at the beginning of `input`; `None` as long as all of `input` belongs to one that has not ended.
    pub fn scan(input: &[u8]) -> Result<Option<Self>, Malformed> {
        if begins_alike(input, LINE_START) {
            scan_line(input)
        } else if begins_alike(input, SIGNATURE) {
            scan_binary(input)
        } else {
            Err(Malformed)
        }
    }
}

/// Whether two texts are the same as far as both go.
fn begins_alike(input: &[u8], start: &[u8]) -> bool {
    input.iter().zip(start).all(|(is, ought)| is == ought)
}

/// Version 1 (section 2.1): one line of text.
fn scan_line(input: &[u8]) -> Result<Option<Header>, Malformed> {
    let line = &input[..input.len().min(LINE_BYTES)];
    let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
        return if input.len() < LINE_BYTES { Ok(None) } else { Err(Malformed) };
    };
    let text = line[..end].strip_suffix(b"\r").ok_or(Malformed)?;
    let text = text.strip_prefix(LINE_START).ok_or(Malformed)?;
    let header = |client| Ok(Some(Header { bytes: end + 1, client }));
    // What follows this word is to be ignored, whatever it is.
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        return header(None);
    }
    let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or(Malformed);
    let client = match word()? {
        "TCP4" => endpoints::<Ipv4Addr>([word()?, word()?], [word()?, word()?])?,
        "TCP6" => endpoints::<Ipv6Addr>([word()?, word()?], [word()?, word()?])?,
        _ => return Err(Malformed),
    };
    match words.next() {
        None => header(Some(client)),
        Some(_) => Err(Malformed),
    }
}

/// The source of a line; the destination is read only to be sure that the line is well formed.
fn endpoints<A: FromStr + Into<IpAddr>>(
    addresses: [&str; 2],
    ports: [&str; 2],
) -> Result<SocketAddr, Malformed> {
    let [source, destination] = addresses.map(|address| address.parse::<A>().map_err(|_| Malformed));
    destination?;
    let [port, destination] = ports.map(port);
    destination?;
    Ok(SocketAddr::new(source?.into(), port?))
}

/// A decimal number without a sign or zeros before it.
fn port(text: &str) -> Result<u16, Malformed> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(Malformed)
}

/// Version 2 (section 2.2): a fixed part, addresses, and TLVs, which are skipped.
fn scan_binary(input: &[u8]) -> Result<Option<Header>, Malformed> {
    let command = input.get(SIGNATURE.len());
    if command.is_some_and(|byte| !matches!(byte, 0x20 | 0x21)) {
        return Err(Malformed);
    }
    let Some((fixed, rest)) = input.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let bytes = FIXED_BYTES + length;
    if bytes > HEADER_BYTES_LIMIT {
        return Err(Malformed);
    }
    let client = match (fixed[12], fixed[13]) {
        // LOCAL: whatever follows, its family included, is to be ignored.
        (0x20, _) => None,
        (_, family) => Some(family),
    };
    let Some(block) = rest.get(..length) else {
        return Ok(None);
    };
    let client = client.map_or(Ok(None), |family| source(family, block))?;
    Ok(Some(Header { bytes, client }))
}

/// The source address in the block of a family and transport; `None` where that is none of the internet's.
fn source(family: u8, block: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    match family {
        0x11 => first_of::<4>(block).map(Some),
        0x21 => first_of::<16>(block).map(Some),
        // Unspecified, and Unix streams: whoever it is, it has no address.
        0x00 | 0x31 => Ok(None),
        // Datagrams do not come on a stream, and everything else is unassigned.
        _ => Err(Malformed),
    }
}

/// The first of two endpoints: source address, destination address, source port, destination port.
fn first_of<const N: usize>(block: &[u8]) -> Result<SocketAddr, Malformed>
where
    [u8; N]: Into<IpAddr>,
{
    let (source, rest) = block.split_first_chunk::<N>().ok_or(Malformed)?;
    let (_, rest) = rest.split_first_chunk::<N>().ok_or(Malformed)?;
    let (ports, _) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
    Ok(SocketAddr::new((*source).into(), u16::from_be_bytes([ports[0], ports[1]])))
}

/// Reads the header from the front of a connection, and nothing of what is behind it. Not bounded in time.
pub async fn receive(tcp: &mut TcpStream) -> io::Result<Header> {
    let mut buffer = vec![0; HEADER_BYTES_LIMIT];
    let mut have = 0;
    loop {
        // A header that is not whole ends before the buffer does, so there always is room for more.
        let seen = tcp.peek(&mut buffer[have..]).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let scanned = Header::scan(&buffer[..have + seen]);
        let header = scanned.map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?;
        let own = header.map_or(seen, |header| header.bytes - have);
        tcp.read_exact(&mut buffer[have..have + own]).await?;
        have += own;
        if let Some(header) = header {
            return Ok(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    /// A header of version 2.
    fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(block.len()).expect("short").to_be_bytes());
        header.extend(block);
        header
    }

    fn block4() -> Vec<u8> {
        [&[192, 0, 2, 1, 198, 51, 100, 2][..], &54_321u16.to_be_bytes(), &5222u16.to_be_bytes()].concat()
    }

    fn block6() -> Vec<u8> {
        let (source, destination): (Ipv6Addr, Ipv6Addr) =
            ("2001:db8::1".parse().expect("one"), "2001:db8::2".parse().expect("one"));
        [&source.octets()[..], &destination.octets()[..], &54_321u16.to_be_bytes(), &5222u16.to_be_bytes()]
            .concat()
    }

    /// All that are taken, each with the client it tells of.
    fn valid() -> Vec<(Vec<u8>, Option<SocketAddr>)> {
        let line = |text: &str| text.as_bytes().to_vec();
        let (four, six) = (Some(address("192.0.2.1:54321")), Some(address("[2001:db8::1]:54321")));
        let with_tlvs = |block: Vec<u8>| [block, vec![0x04, 0, 3, 1, 2, 3], vec![0x20; 600]].concat();
        vec![
            (line("PROXY TCP4 192.0.2.1 198.51.100.2 54321 5222\r\n"), four),
            (line("PROXY TCP6 2001:db8::1 2001:DB8::2 54321 5222\r\n"), six),
            (
                line("PROXY TCP4 255.255.255.255 255.255.255.255 0 65535\r\n"),
                Some(address("255.255.255.255:0")),
            ),
            (line("PROXY UNKNOWN\r\n"), None),
            (line("PROXY UNKNOWN ffff::1 \u{fc} anything at all 7\r\n"), None),
            (binary(0x21, 0x11, &block4()), four),
            (binary(0x21, 0x21, &block6()), six),
            (binary(0x21, 0x11, &with_tlvs(block4())), four),
            (binary(0x21, 0x21, &with_tlvs(block6())), six),
            (binary(0x21, 0x00, &[]), None),
            (binary(0x21, 0x31, &[b'x'; 216]), None),
            (binary(0x20, 0x00, &[]), None),
            (binary(0x20, 0x11, &block4()), None),
            (binary(0x20, 0xff, &[1, 2, 3]), None),
        ]
    }

    #[test]
    fn every_form_is_read_and_nothing_behind_it() {
        for (header, client) in valid() {
            let bytes = header.len();
            for behind in ["", "<stream:stream>", "\r\n"] {
                let input = [&header[..], behind.as_bytes()].concat();
                assert_eq!(Header::scan(&input), Ok(Some(Header { bytes, client })), "{header:?}");
            }
            for cut in 0..bytes {
                assert_eq!(Header::scan(&header[..cut]), Ok(None), "{:?}", &header[..cut]);
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_at_once() {
        let lines = [
            "GET / HTTP/1.1\r\n",
            "<stream:stream",
            "\u{16}\u{3}\u{1}",
            "PROXX",
            "proxy TCP4 ",
            "PROXY TCP4 192.0.2.1 198.51.100.2 54321 5222\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 54321 5222 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 54321\r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.2 54321 5222\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.2 54321 5222\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 054321 5222\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +54321 5222\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 65536 5222\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 54321 65536\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 54321 5222\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 54321 5222\r\n",
            "PROXY TCP6 2001:db8::1%eth0 2001:db8::2 54321 5222\r\n",
            "PROXY TCP4 192.0.2.1 elsewhere 54321 5222\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.2 54321 5222\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
            "PROXY\r\n",
        ];
        for line in lines {
            assert_eq!(Header::scan(line.as_bytes()), Err(Malformed), "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(LINE_BYTES));
        assert_eq!(Header::scan(long.as_bytes()), Err(Malformed), "a line without an end");
        let binaries = [
            binary(0x11, 0x11, &block4()),
            binary(0x22, 0x11, &block4()),
            binary(0x2f, 0x11, &block4()),
            binary(0x21, 0x12, &block4()),
            binary(0x21, 0x22, &block6()),
            binary(0x21, 0x32, &[0; 216]),
            binary(0x21, 0x41, &block6()),
            binary(0x21, 0x13, &block4()),
            binary(0x21, 0x11, &block4()[..11]),
            binary(0x21, 0x21, &block4()),
            binary(0x21, 0x21, &block6()[..35]),
            binary(0x21, 0x11, &[0; HEADER_BYTES_LIMIT]),
        ];
        for header in binaries {
            assert_eq!(Header::scan(&header), Err(Malformed), "{header:?}");
        }
    }

    /// Whatever comes: no panic, and never a header that is longer than the input or than the limit.
    #[test]
    fn any_input_is_read_within_bounds() {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or_default() % below.max(1)
        };
        let valid = valid();
        for _ in 0..200_000 {
            let mut input = valid[random(valid.len())].0.clone();
            for _ in 0..random(4) {
                let at = random(input.len());
                match random(3) {
                    0 => input[at] = u8::try_from(random(256)).unwrap_or_default(),
                    1 => input.truncate(at.max(1)),
                    _ => input.insert(at, b" 0:.\r\nx\xff"[random(8)]),
                }
            }
            match Header::scan(&input) {
                Ok(Some(header)) => {
                    assert!(header.bytes <= input.len() && header.bytes <= HEADER_BYTES_LIMIT);
                    assert_eq!(Header::scan(&input[..header.bytes]), Ok(Some(header)));
                }
                Ok(None) => assert!(input.len() < HEADER_BYTES_LIMIT, "it waits for more than it can hold"),
                Err(Malformed) => {}
            }
        }
    }

    #[tokio::test]
    async fn reading_stops_where_the_header_does() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        for (header, client) in valid() {
            let mut sender = TcpStream::connect(address).await.expect("connected");
            sender.set_nodelay(true).expect("a socket");
            let (mut receiver, _) = listener.accept().await.expect("accepted");
            let sent = [&header[..], b"behind"].concat();
            let (first, rest) = sent.split_at(sent.len() / 3);
            let (heard, ()) = tokio::join!(receive(&mut receiver), async {
                sender.write_all(first).await.expect("written");
                tokio::task::yield_now().await;
                sender.write_all(rest).await.expect("written");
            });
            assert_eq!(heard.expect("a header"), Header { bytes: header.len(), client });
            let mut behind = [0; 6];
            receiver.read_exact(&mut behind).await.expect("what is behind");
            assert_eq!(&behind, b"behind");
        }
        let mut sender = TcpStream::connect(address).await.expect("connected");
        let (mut receiver, _) = listener.accept().await.expect("accepted");
        sender.write_all(b"PROXY TCP4 ").await.expect("written");
        drop(sender);
        assert_eq!(
            receive(&mut receiver).await.expect_err("half a header").kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
