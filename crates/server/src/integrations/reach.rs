//! Posting to an address that somebody else chose: https to public addresses, looked at after DNS was asked and then
//! connected to as they are; no redirect is followed, and of an answer only its head counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Config;
use crate::config::Network;
use crate::dns::Resolver;
use crate::tls::pem_certificates;

/// The largest head of an answer that is read.
const HEAD_BYTES: usize = 16_384;

/// How many addresses of one host are tried.
const ADDRESSES_TRIED: usize = 3;

/// Why an address could not be reached, in words that are fit for whoever chose it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// It may not be reached, now or later.
    #[error("{0}")]
    Refused(&'static str),
    /// It cannot be at the moment.
    #[error("{0}")]
    Failed(&'static str),
}

/// An answer, as far as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// When to come back, in milliseconds from now, if it says so in seconds.
    pub retry_after_ms: Option<u64>,
}

/// Where to, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    https: bool,
    host: String,
    port: u16,
    /// Host and port as they stand in the header.
    authority: String,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self, Unreached> {
        let wrong = Unreached::Refused("this is no address of the form https://host/path");
        let uri: Uri = url.parse().map_err(|_| wrong.clone())?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong),
        };
        let authority = uri.authority().ok_or_else(|| wrong.clone())?;
        if authority.as_str().contains('@') || authority.host().is_empty() || url.contains('#') {
            return Err(wrong);
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { https, host, port, authority: authority.as_str().to_owned(), path })
    }
}

/// The scheme, host and port of an address (RFC 6454), by which a push service knows itself.
pub fn origin(url: &str) -> Option<String> {
    let target = Target::parse(url).ok()?;
    let scheme = if target.https { "https" } else { "http" };
    Some(format!("{scheme}://{}", target.authority))
}

/// What may be reached, and the way there.
pub struct Reach {
    resolver: Resolver,
    tls: Arc<ClientConfig>,
    private_networks: Vec<Network>,
    timeout: Duration,
}

impl Reach {
    /// Takes authorities of the system and those configured.
    pub fn new(config: &Config, resolver: Resolver) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for path in &config.authorities {
            for certificate in pem_certificates(path)? {
                roots.add(certificate)?;
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            resolver,
            tls: Arc::new(tls),
            private_networks: config.private_networks.clone(),
            timeout: Duration::from_millis(config.timeout_ms),
        })
    }

    /// Whether an address may be reached, as far as that can be said without asking DNS.
    pub fn accepts(&self, url: &str) -> bool {
        let Ok(target) = Target::parse(url) else { return false };
        match target.host.parse::<IpAddr>() {
            Ok(ip) => self.permits(ip, target.https),
            Err(_) => (target.https || !self.private_networks.is_empty()) && !is_local_name(&target.host),
        }
    }

    fn permits(&self, ip: IpAddr, https: bool) -> bool {
        let listed = self.private_networks.iter().any(|network| network.contains(ip));
        listed || (https && is_public(ip))
    }

    /// Posts, and tells how that was answered.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, Unreached> {
        let target = Target::parse(url)?;
        match tokio::time::timeout(self.timeout, self.try_post(&target, headers, body)).await {
            Ok(done) => done,
            Err(_) => Err(Unreached::Failed("there was no answer in time")),
        }
    }

    async fn try_post(&self, target: &Target, headers: HeaderMap, body: Bytes) -> Result<Answer, Unreached> {
        let tcp = self.connect(target).await?;
        if !target.https {
            return exchange(tcp, target, headers, body).await;
        }
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| Unreached::Refused("the host is no name that a certificate could have"))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, tcp).await.map_err(|error| {
            tracing::debug!(%error, host = target.host, "TLS with somebody's address failed");
            Unreached::Failed("TLS failed: the certificate has to be one that is trusted")
        })?;
        exchange(stream, target, headers, body).await
    }

    /// Connects to one of the addresses that may be reached; what DNS says later does not count.
    async fn connect(&self, target: &Target) -> Result<TcpStream, Unreached> {
        let found = match target.host.parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) if is_local_name(&target.host) => Vec::new(),
            Err(_) => self
                .resolver
                .addresses(&target.host)
                .await
                .map_err(|_| Unreached::Failed("the host's address could not be asked for"))?,
        };
        let permitted: Vec<IpAddr> =
            found.into_iter().filter(|ip| self.permits(*ip, target.https)).take(ADDRESSES_TRIED).collect();
        if permitted.is_empty() {
            return Err(Unreached::Refused("the host has no address that may be reached"));
        }
        for ip in permitted {
            if let Ok(stream) = TcpStream::connect(SocketAddr::new(ip, target.port)).await {
                return Ok(stream);
            }
        }
        Err(Unreached::Failed("the host does not take connections"))
    }
}

async fn exchange<S>(stream: S, target: &Target, headers: HeaderMap, body: Bytes) -> Result<Answer, Unreached>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let broken = |_| Unreached::Failed("the connection was broken off");
    let handshake = http1::Builder::new().max_buf_size(HEAD_BYTES).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(broken)?;
    let mut request = Request::post(&target.path)
        .body(Full::new(body))
        .map_err(|_| Unreached::Refused("the address cannot be asked"))?;
    *request.headers_mut() = headers;
    let fixed = [
        (header::HOST, HeaderValue::from_str(&target.authority)),
        (header::USER_AGENT, HeaderValue::from_str(concat!("Waxwing/", env!("CARGO_PKG_VERSION")))),
        (header::CONNECTION, HeaderValue::from_str("close")),
    ];
    for (name, value) in fixed {
        let value = value.map_err(|_| Unreached::Refused("the address cannot be asked"))?;
        request.headers_mut().insert(name, value);
    }
    let asking = sender.send_request(request);
    tokio::pin!(asking);
    let answer = tokio::select! {
        biased;
        answer = &mut asking => answer.map_err(broken)?,
        ended = connection => {
            // The connection may have ended with the answer already handed over.
            ended.map_err(broken)?;
            asking.await.map_err(broken)?
        }
    };
    let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_ms = retry_after.and_then(|text| text.trim().parse::<u64>().ok());
    Ok(Answer {
        status: answer.status(),
        retry_after_ms: retry_after_ms.map(|seconds| seconds.saturating_mul(1000)),
    })
}

/// Headers from pairs; a value that cannot stand in one is left out.
pub fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().filter_map(|(name, value)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
    });
    pairs.collect()
}

/// Names that mean this machine or its network, whatever DNS says (RFC 6761, RFC 6762).
fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let ends = [".localhost", ".local", ".internal", ".home.arpa"];
    host == "localhost" || !host.contains('.') || ends.iter().any(|end| host.ends_with(end))
}

/// Whether an address belongs to the public internet (the IANA registries of special-purpose addresses).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240;
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // Addresses that carry one of IPv4: mapped, translated (RFC 6052), 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        // Teredo and its neighbours, documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(networks: &[&str]) -> Reach {
        let private_networks = networks.iter().map(|text| text.parse().expect("a network")).collect();
        let config = Config { private_networks, ..Config::default() };
        let dns = crate::dns::Config { address: Some(IpAddr::from([127, 0, 0, 1])), ..Default::default() };
        Reach::new(&config, Resolver::new(&dns).expect("a resolver")).expect("set up")
    }

    #[test]
    fn only_public_addresses_are_public() {
        for public in
            ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00::1", "64:ff9b::808:808"]
        {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
        let private = [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "203.0.113.1",
            "::1",
            "::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::7f00:1",
        ];
        for address in private {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn addresses_are_looked_at_before_they_are_kept() {
        let open = reach(&[]);
        for good in ["https://push.example.com/x?y=z", "https://example.com:8443", "https://1.1.1.1/"] {
            assert!(open.accepts(good), "{good}");
        }
        let bad = [
            "http://push.example.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://user@example.com/",
            "https://example.com@127.0.0.1/",
            "ftp://example.com/",
            "example.com",
            "https://",
            "https://example.com/#x",
            "https://metadata/",
            "https://x.internal/",
            "https://[::ffff:10.0.0.1]/",
            "file:///etc/passwd",
            "https://printer.local./",
        ];
        for url in bad {
            assert!(!open.accepts(url), "{url}");
        }
        let inside = reach(&["10.20.0.0/16"]);
        assert!(inside.accepts("http://10.20.1.1:9000/x") && inside.accepts("https://10.20.1.1/"));
        assert!(!inside.accepts("http://10.21.1.1/") && !inside.accepts("http://1.1.1.1/"));
    }

    #[tokio::test]
    async fn what_dns_answers_is_looked_at_too() {
        let records = vec![("inside.example", vec![crate::dns::testing::a(Ipv4Addr::new(127, 0, 0, 1))])];
        let resolver = Resolver::new(&crate::dns::testing::serve(records).await).expect("a resolver");
        let reach = Reach::new(&Config::default(), resolver).expect("set up");
        let posted = reach.post("https://inside.example/", HeaderMap::new(), Bytes::new()).await;
        assert_eq!(posted, Err(Unreached::Refused("the host has no address that may be reached")));
    }
}
