//! One connection: bytes in and out, plain or TLS, holding no buffer of its own while it idles.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, BufRead as _, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Limits, Pacer, Permit, Step, paced};
use crate::observe::names;
use crate::tls::{Acceptor, TlsInfo};

/// The size of a thread's read buffer, shared by all connections it reads from.
const READ_BUFFER_BYTES: usize = 16 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BUFFER_BYTES].into());
}

/// What one connection is called in the log: counted from the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u64);

impl ConnId {
    /// The next one.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

/// A connection, plain or TLS. It reads into a buffer that all connections of a thread share, so that an idle one holds none.
pub struct Conn {
    tcp: TcpStream,
    tls: Option<Box<Tls>>,
    id: ConnId,
    peer: SocketAddr,
    local: SocketAddr,
    handshake_timeout: Duration,
    write_timeout: Duration,
    permit: Option<Permit>,
}

struct Tls {
    session: ServerConnection,
    info: Arc<TlsInfo>,
    /// Something can be handed out without reading from the socket: what came along with the handshake, or the end.
    is_due: bool,
}

impl Conn {
    /// Takes over an accepted socket. `peer` is the client, which a balancer may have named.
    pub fn new(
        tcp: TcpStream,
        peer: SocketAddr,
        limits: &Limits,
        permit: Option<Permit>,
    ) -> io::Result<Self> {
        let local = tcp.local_addr()?;
        Ok(Self {
            tcp,
            tls: None,
            id: ConnId::next(),
            peer,
            local,
            handshake_timeout: Duration::from_millis(limits.handshake_timeout_ms),
            write_timeout: Duration::from_millis(limits.write_timeout_ms),
            permit,
        })
    }

    /// Gives up the plain socket, for a server that reads and writes by itself.
    pub fn into_tcp(self) -> (TcpStream, Option<Permit>) {
        debug_assert!(self.tls.is_none(), "a TLS session cannot be taken from its socket");
        (self.tcp, self.permit)
    }

    /// What the connection is called in the log.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The address it comes from.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The address it came to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What the TLS handshake settled.
    pub fn tls_info(&self) -> Option<&Arc<TlsInfo>> {
        self.tls.as_ref().map(|tls| &tls.info)
    }

    /// The certificates that the peer showed, its own first.
    pub fn peer_chain(&self) -> Vec<CertificateDer<'static>> {
        let chain = self.tls.as_ref().and_then(|tls| tls.session.peer_certificates());
        chain.unwrap_or_default().iter().map(|certificate| certificate.clone().into_owned()).collect()
    }

    /// Where the peer stands in line to sign in.
    pub fn pacer(&self) -> Option<Pacer> {
        self.permit.as_ref().map(Permit::pacer)
    }

    /// Records that the peer has signed in, for the limits on those who have not.
    pub fn authenticated(&mut self) {
        if let Some(permit) = &mut self.permit {
            permit.authenticated();
        }
    }

    /// Waits for input and adds it to `input`; `false` when the peer has closed its side. Safe to drop and call again.
    ///
    /// TLS ended without `close_notify` is `UnexpectedEof`, since it may have been cut by someone else (RFC 8446 section 6.1).
    pub async fn receive(&mut self, input: &mut Vec<u8>) -> io::Result<bool> {
        poll_fn(|context| self.poll_receive(context, input)).await
    }

    fn poll_receive(&mut self, context: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<io::Result<bool>> {
        if let Some(tls) = self.tls.as_mut().filter(|tls| tls.is_due) {
            return Poll::Ready(tls.take_plaintext(input).map(|taken| taken != Taken::End));
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            loop {
                let mut read = ReadBuf::new(buffer);
                // Unlike `try_read`, this remembers after a buffer that was not filled that nothing is left in the socket,
                // and spares the system call that would only say so.
                match ready!(Pin::new(&mut self.tcp).poll_read(context, &mut read)) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    outcome => outcome?,
                }
                let Some(tls) = &mut self.tls else {
                    input.extend_from_slice(read.filled());
                    return Poll::Ready(Ok(!read.filled().is_empty()));
                };
                match tls.receive(&self.tcp, read.filled(), input)? {
                    Taken::Some => return Poll::Ready(Ok(true)),
                    Taken::End => return Poll::Ready(Ok(false)),
                    Taken::Nothing => {}
                }
            }
        })
    }

    /// Whether bytes lie in the socket already. After `<starttls/>` and before the answer this means that the
    /// peer pipelined plaintext, which RFC 6120 section 5.4.3.3 has us refuse rather than read inside TLS.
    pub fn has_input(&self) -> io::Result<bool> {
        let mut byte = [0u8; 1];
        let mut cx = Context::from_waker(Waker::noop());
        match self.tcp.poll_peek(&mut cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(n)) => Ok(n > 0),
            Poll::Ready(Err(e)) => Err(e),
            Poll::Pending => Ok(false),
        }
    }

    /// Writes all of `bytes`. Not safe to drop half-way: what was written then is unknown.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Nearly always the socket takes everything at once, and no timer is needed.
        let taken = match &mut self.tls {
            None => or_nothing(self.tcp.try_write(bytes))?,
            Some(tls) => tls.write_at_once(&self.tcp, bytes)?,
        };
        let rest = &bytes[taken..];
        let written = match &mut self.tls {
            None if rest.is_empty() => return Ok(()),
            None => timeout(self.write_timeout, write_plain(&self.tcp, rest)).await,
            Some(tls) if rest.is_empty() && !tls.session.wants_write() => return Ok(()),
            Some(tls) => timeout(self.write_timeout, tls.write(&self.tcp, rest)).await,
        };
        written.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "limits.write_timeout_ms is over"))
        })
    }

    /// Makes the TLS handshake as the server; the connection is encrypted afterwards.
    pub async fn start_tls(mut self, acceptor: &Acceptor) -> io::Result<Self> {
        let accepting = acceptor.begin()?;
        let mut session = accepting.session;
        let (began, pacer) = (Instant::now(), self.pacer());
        let shaking = async {
            // A turn is not needed before there is something to do.
            self.tcp.readable().await?;
            let handshake = handshake(&self.tcp, &mut session);
            paced(pacer.as_ref(), Step::Arriving, handshake).await?
        };
        let shaken = timeout(self.handshake_timeout, shaking).await;
        let (result, shaken) = match shaken {
            Ok(Ok(())) => ("ok", Ok(())),
            Ok(Err(error)) => ("failed", Err(error)),
            Err(_) => (
                "timeout",
                Err(io::Error::new(io::ErrorKind::TimedOut, "limits.handshake_timeout_ms is over")),
            ),
        };
        metrics::counter!(names::TLS_HANDSHAKES, "result" => result).increment(1);
        shaken?;
        metrics::histogram!(names::TLS_HANDSHAKE_SECONDS).record(began.elapsed());
        let state = session.process_new_packets().map_err(tls_error)?;
        let is_due = state.plaintext_bytes_to_read() > 0 || state.peer_has_closed();
        let info = Arc::new(accepting.certificates.describe(&session));
        self.tls = Some(Box::new(Tls { session, info, is_due }));
        Ok(self)
    }

    /// Says that no more is coming: `close_notify` under TLS, then the end of the TCP stream.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.session.send_close_notify();
            let _ = timeout(self.write_timeout, tls.flush(&self.tcp)).await;
        }
        tokio::io::AsyncWriteExt::shutdown(&mut self.tcp).await
    }
}

/// What became of encrypted bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// They hold nothing for us, or not all of it.
    Nothing,
    /// There is something new.
    Some,
    /// The peer has closed its side.
    End,
}

impl Tls {
    /// Decrypts what came from the socket; nothing if that has ended.
    fn receive(&mut self, tcp: &TcpStream, mut encrypted: &[u8], input: &mut Vec<u8>) -> io::Result<Taken> {
        let mut taken = Taken::Nothing;
        loop {
            // It takes a part at a time.
            self.session.read_tls(&mut encrypted)?;
            if let Err(error) = self.session.process_new_packets() {
                // The peer is owed the alert (RFC 8446 section 6.2); if it does not fit now it is not worth more.
                let _ = self.session.write_tls(&mut Socket(tcp));
                return Err(tls_error(error));
            }
            let new = self.take_plaintext(input)?;
            if taken == Taken::Nothing {
                taken = new;
            }
            if encrypted.is_empty() || self.is_due {
                break;
            }
        }
        // Answers to key updates. What the socket does not take now goes out with the next write.
        self.flush_at_once(tcp)?;
        Ok(taken)
    }

    /// Hands out what is decrypted. The end comes after it.
    fn take_plaintext(&mut self, input: &mut Vec<u8>) -> io::Result<Taken> {
        let before = input.len();
        let mut reader = self.session.reader();
        self.is_due = loop {
            match reader.fill_buf() {
                Ok([]) => break true,
                Ok(bytes) => {
                    input.extend_from_slice(bytes);
                    let length = bytes.len();
                    reader.consume(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                Err(error) => return Err(error),
            }
        };
        Ok(match input.len() > before {
            true => Taken::Some,
            false if self.is_due => Taken::End,
            false => Taken::Nothing,
        })
    }

    /// Encrypts as much as rustls takes, hands it to the socket as far as that goes at once, and says how much was taken.
    fn write_at_once(&mut self, tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.session.writer().write(bytes)?;
        self.flush_at_once(tcp)?;
        Ok(taken)
    }

    fn flush_at_once(&mut self, tcp: &TcpStream) -> io::Result<()> {
        while self.session.wants_write() && or_nothing(self.session.write_tls(&mut Socket(tcp)))? > 0 {}
        Ok(())
    }

    async fn write(&mut self, tcp: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        self.flush(tcp).await?;
        while !bytes.is_empty() {
            // rustls takes as much as its buffer limit allows; the rest waits until that is out.
            let taken = self.session.writer().write(bytes)?;
            bytes = &bytes[taken..];
            self.flush(tcp).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, tcp: &TcpStream) -> io::Result<()> {
        flush(&mut self.session, tcp).await
    }
}

/// What does not go without waiting counts as nothing done.
fn or_nothing(outcome: io::Result<usize>) -> io::Result<usize> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        outcome => outcome,
    }
}

/// The socket as rustls wants to see it: reads and writes that do not wait.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }
    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match bufs {
            // One record, as nearly always: the plain system call is the cheaper one.
            [only] => self.0.try_write(only),
            _ => self.0.try_write_vectored(bufs),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn write_plain(tcp: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match tcp.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => tcp.writable().await?,
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

async fn flush(session: &mut ServerConnection, tcp: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        match session.write_tls(&mut Socket(tcp)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => tcp.writable().await?,
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

async fn handshake(tcp: &TcpStream, session: &mut ServerConnection) -> io::Result<()> {
    loop {
        flush(session, tcp).await?;
        if !session.is_handshaking() {
            return Ok(());
        }
        match session.read_tls(&mut Socket(tcp)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                tcp.readable().await?;
                continue;
            }
            Err(e) => return Err(e),
        }
        if let Err(error) = session.process_new_packets() {
            let _ = flush(session, tcp).await;
            return Err(tls_error(error));
        }
    }
}

fn tls_error(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::net::{Listener, listen};
    use crate::tls::testing::{self, Scratch};
    use crate::tls::{Purpose, Tls};

    const BOTH: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    const ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

    fn listener() -> Listener {
        listen("127.0.0.1:0".parse().expect("an address"), 16).expect("a free port")
    }

    async fn accept(listener: Listener) -> Conn {
        let (tcp, peer) = listener.into_tcp().accept().await.expect("a connection");
        Conn::new(tcp, peer, &Limits::default(), None).expect("a connection")
    }

    async fn read_exactly(conn: &mut Conn, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < length {
            assert!(conn.receive(&mut all).await.expect("readable"), "closed after {} bytes", all.len());
        }
        all
    }

    /// Reads to the end and says what came before it.
    async fn read_to_end(conn: &mut Conn) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while conn.receive(&mut all).await? {}
        Ok(all)
    }

    fn is_waiting(conn: &mut Conn) -> bool {
        let mut input = Vec::new();
        let receiving = std::pin::pin!(conn.receive(&mut input));
        receiving.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn a_plain_connection_reads_writes_and_ends() {
        let listener = listener();
        let mut client = TcpStream::connect(listener.address()).await.expect("connected");
        let mut conn = accept(listener).await;
        assert!(!conn.is_tls());
        assert!(is_waiting(&mut conn), "nothing came yet");
        client.write_all(b"hello").await.expect("written");
        assert_eq!(read_exactly(&mut conn, 5).await, b"hello");
        conn.write_all(b"world").await.expect("written");
        conn.shutdown().await.expect("ended");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("read to the end");
        assert_eq!(answer, "world");
        drop(client);
        assert!(read_to_end(&mut conn).await.expect("closed").is_empty());
    }

    #[tokio::test]
    async fn a_connection_turns_to_tls_in_place_and_carries_more_than_a_record() {
        let scratch = Scratch::new();
        let tls = Tls::load(&testing::settings(&scratch, &["localhost"])).expect("TLS");
        let listener = listener();
        let address = listener.address();
        let sent: Vec<u8> = (0..1_000_000u32).map(|i| i as u8).collect();
        let expected = sent.clone();
        let client = tokio::spawn({
            let config = testing::client_config(&scratch, BOTH);
            async move {
                let mut stream = testing::connect(address, config, "localhost").await.expect("handshake");
                stream.write_all(&sent).await.expect("written");
                let mut back = vec![0; sent.len()];
                stream.read_exact(&mut back).await.expect("read");
                stream.shutdown().await.expect("ended");
                back
            }
        });
        let mut conn =
            accept(listener).await.start_tls(&tls.acceptor(Purpose::StartTls)).await.expect("handshake");
        let received = read_exactly(&mut conn, expected.len()).await;
        assert!(received == expected, "what arrives is what was sent");
        conn.write_all(&received).await.expect("written");
        assert!(read_to_end(&mut conn).await.expect("close_notify").is_empty());
        assert!(!conn.receive(&mut Vec::new()).await.expect("ended"), "the end stays the end");
        assert!(client.await.expect("client") == expected);
    }

    #[tokio::test]
    async fn rfc_8446_6_1_an_end_without_close_notify_is_an_error() {
        let scratch = Scratch::new();
        let tls = Tls::load(&testing::settings(&scratch, &["localhost"])).expect("TLS");
        let listener = listener();
        let connecting =
            testing::connect(listener.address(), testing::client_config(&scratch, BOTH), "localhost");
        let acceptor = tls.acceptor(Purpose::StartTls);
        let (client, conn) =
            tokio::join!(connecting, async { accept(listener).await.start_tls(&acceptor).await });
        let (mut tcp, _) = client.expect("handshake").into_inner();
        tcp.shutdown().await.expect("the TCP stream ended");
        let mut conn = conn.expect("handshake");
        let error = read_to_end(&mut conn).await.expect_err("cut off");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn rfc_9266_both_ends_export_the_same_binding() {
        for versions in [BOTH, ONLY_12] {
            let scratch = Scratch::new();
            let tls = Tls::load(&testing::settings(&scratch, &["localhost"])).expect("TLS");
            let listener = listener();
            let config = testing::client_config(&scratch, versions);
            let connecting = testing::connect(listener.address(), config, "localhost");
            let acceptor = tls.acceptor(Purpose::StartTls);
            let (client, conn) =
                tokio::join!(connecting, async { accept(listener).await.start_tls(&acceptor).await });
            let (client, conn) = (client.expect("handshake"), conn.expect("handshake"));
            let (_, session) = client.get_ref();
            let theirs = session
                .export_keying_material([0u8; 32], b"EXPORTER-Channel-Binding", Some(b""))
                .expect("exported");
            let info = conn.tls_info().expect("TLS").clone();
            assert_eq!(info.exporter, Some(theirs), "{}", info.version);
            let served = &session.peer_certificates().expect("certificates")[0];
            assert_eq!(info.server_end_point, crate::tls::server_end_point(served));
            assert_eq!(info.sni.as_deref(), Some("localhost"));
        }
    }

    #[tokio::test]
    async fn a_handshake_that_never_comes_is_given_up() {
        let scratch = Scratch::new();
        let tls = Tls::load(&testing::settings(&scratch, &["localhost"])).expect("TLS");
        let listener = listener();
        let _client = TcpStream::connect(listener.address()).await.expect("connected");
        let (tcp, peer) = listener.into_tcp().accept().await.expect("a connection");
        let limits = Limits { handshake_timeout_ms: 100, ..Limits::default() };
        let conn = Conn::new(tcp, peer, &limits, None).expect("a connection");
        let error = conn.start_tls(&tls.acceptor(Purpose::StartTls)).await.err().expect("given up");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_given_up() {
        let listener = listener();
        let _client = TcpStream::connect(listener.address()).await.expect("connected");
        let (tcp, peer) = listener.into_tcp().accept().await.expect("a connection");
        let limits = Limits { write_timeout_ms: 200, ..Limits::default() };
        let mut conn = Conn::new(tcp, peer, &limits, None).expect("a connection");
        let error = conn.write_all(&vec![0; 64_000_000]).await.expect_err("given up");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn rfc_6120_5_4_3_3_pipelined_plaintext_is_seen() {
        let listener = listener();
        let mut client = TcpStream::connect(listener.address()).await.expect("connected");
        let mut conn = accept(listener).await;
        assert!(!conn.has_input().expect("nothing yet"));
        client.write_all(b"<starttls/>").await.expect("written");
        assert_eq!(read_exactly(&mut conn, 11).await, b"<starttls/>");
        assert!(!conn.has_input().expect("nothing more"));
        client.write_all(b"<iq/>").await.expect("written");
        conn.tcp.readable().await.expect("readable");
        assert!(conn.has_input().expect("the rest lies there"));
    }
}
