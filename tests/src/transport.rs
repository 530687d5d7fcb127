//! The ways to a server: plain TCP, TLS, and WebSocket over either.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How a client does TLS. Any certificate is accepted: tests look at the certificate themselves.
#[derive(Default)]
pub struct Tls {
    /// The name in the SNI extension; `localhost` if unset.
    pub name: Option<String>,
    /// The ALPN protocols offered.
    pub alpn: Vec<Vec<u8>>,
    /// The versions offered; all if empty.
    pub versions: Vec<&'static SupportedProtocolVersion>,
    /// The client's certificate and key (DER, PKCS #8).
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// A connection.
pub enum Transport {
    /// TCP without protection.
    Plain(TcpStream),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// WebSocket on TCP.
    Ws(Box<WebSocketStream<TcpStream>>),
    /// WebSocket on TLS.
    Wss(Box<WebSocketStream<TlsStream<TcpStream>>>),
}

impl Transport {
    /// Connects by TCP.
    pub async fn plain(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self::Plain(stream))
    }

    /// Connects by TCP from this address of the machine, and sends something before all else: as a balancer does.
    pub async fn plain_from(source: IpAddr, address: &str, preface: &[u8]) -> Result<Self> {
        Ok(Self::Plain(connect_from(source, address, preface).await?))
    }

    /// Connects by TCP and does TLS at once.
    pub async fn tls(address: &str, tls: &Tls) -> Result<Self> {
        Self::plain(address).await?.upgrade(tls).await
    }

    /// Starts TLS on a plain connection.
    pub async fn upgrade(self, tls: &Tls) -> Result<Self> {
        let Self::Plain(stream) = self else { bail!("TLS runs on a plain connection only") };
        Ok(Self::Tls(Box::new(handshake(stream, tls).await?)))
    }

    /// Opens a WebSocket (RFC 7395) at `/xmpp-websocket`. `origin` is the header of a browser.
    pub async fn websocket(
        address: &str,
        tls: Option<&Tls>,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Self::websocket_on(stream, address, tls, path, origin).await
    }

    /// The same on a connection that is there already.
    pub async fn websocket_on(
        stream: TcpStream,
        address: &str,
        tls: Option<&Tls>,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self> {
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let mut request = format!("{scheme}://{address}{path}").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("xmpp"));
        if let Some(origin) = origin {
            request.headers_mut().insert("Origin", HeaderValue::from_str(origin)?);
        }
        let (transport, response) = match tls {
            None => {
                let (socket, response) = client_async(request, stream).await?;
                (Self::Ws(Box::new(socket)), response)
            }
            Some(tls) => {
                let (socket, response) = client_async(request, handshake(stream, tls).await?).await?;
                (Self::Wss(Box::new(socket)), response)
            }
        };
        let chosen = response.headers().get("Sec-WebSocket-Protocol").map(HeaderValue::as_bytes);
        ensure!(
            chosen == Some(b"xmpp".as_slice()),
            "the server must choose the subprotocol xmpp: {chosen:?}"
        );
        Ok(transport)
    }

    /// Whether stanzas travel in WebSocket frames.
    pub fn is_websocket(&self) -> bool {
        matches!(self, Self::Ws(_) | Self::Wss(_))
    }

    /// Reads what is there: some bytes of a stream, or one whole frame. `None` at the end.
    pub async fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; 16 << 10];
        let n = match self {
            Self::Plain(stream) => stream.read(&mut buffer).await,
            Self::Tls(stream) => stream.read(&mut buffer).await,
            Self::Ws(socket) => return next_frame(socket.next().await),
            Self::Wss(socket) => return next_frame(socket.next().await),
        };
        // A reset after the server closed says no more than an end of file does.
        let n = n.unwrap_or(0);
        buffer.truncate(n);
        Ok((n > 0).then_some(buffer))
    }

    /// Writes bytes, or one frame.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await?,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
            Self::Ws(socket) => socket.send(Message::text(std::str::from_utf8(bytes)?)).await?,
            Self::Wss(socket) => socket.send(Message::text(std::str::from_utf8(bytes)?)).await?,
        }
        Ok(())
    }

    /// Sends a WebSocket message that is not text.
    pub async fn write_message(&mut self, message: Message) -> Result<()> {
        match self {
            Self::Ws(socket) => socket.send(message).await?,
            Self::Wss(socket) => socket.send(message).await?,
            Self::Plain(_) | Self::Tls(_) => bail!("not a WebSocket"),
        }
        Ok(())
    }

    /// The TLS state, if the connection is protected.
    pub fn tls_state(&self) -> Option<&rustls::ClientConnection> {
        match self {
            Self::Tls(stream) => Some(stream.get_ref().1),
            Self::Wss(socket) => Some(socket.get_ref().get_ref().1),
            Self::Plain(_) | Self::Ws(_) => None,
        }
    }

    /// The server's certificate.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls_state()?.peer_certificates()?.first()
    }

    /// Channel-binding data of type tls-exporter (RFC 9266).
    pub fn exporter(&self) -> Result<Vec<u8>> {
        let state = self.tls_state().context("no TLS")?;
        Ok(state.export_keying_material([0u8; 32], b"EXPORTER-Channel-Binding", None)?.to_vec())
    }
}

/// Connects by TCP from this address of the machine, and sends something before all else.
pub async fn connect_from(source: IpAddr, address: &str, preface: &[u8]) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    let connected = socket.connect(address.parse()?).await;
    let mut stream = connected.with_context(|| format!("connecting from {source} to {address}"))?;
    stream.set_nodelay(true)?;
    stream.write_all(preface).await?;
    Ok(stream)
}

type Frame = tokio_tungstenite::tungstenite::Result<Message>;

fn next_frame(frame: Option<Frame>) -> Result<Option<Vec<u8>>> {
    match frame {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_bytes().to_vec())),
        // The library answers pings itself; a close frame ends the connection.
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Some(Vec::new())),
        Some(Ok(Message::Close(_)) | Err(_)) | None => Ok(None),
        Some(Ok(other)) => bail!("RFC 7395 section 3.2 allows text frames only, got {other:?}"),
    }
}

async fn handshake(stream: TcpStream, tls: &Tls) -> Result<TlsStream<TcpStream>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = match tls.versions.is_empty() {
        true => builder.with_safe_default_protocol_versions()?,
        false => builder.with_protocol_versions(&tls.versions)?,
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)));
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::Pkcs8(key.clone().into());
            builder.with_client_auth_cert(vec![CertificateDer::from(certificate.clone())], key)?
        }
    };
    config.alpn_protocols.clone_from(&tls.alpn);
    let name = tls.name.clone().unwrap_or_else(|| "localhost".to_owned());
    Ok(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name)?, stream).await?)
}

/// Accepts every certificate, but checks that the server holds its key.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
