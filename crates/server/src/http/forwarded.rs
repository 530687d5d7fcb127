//! For whom a proxy asks: `X-Forwarded-For` and `Forwarded` (RFC 7239), believed of listed addresses only.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Extension, Request};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{Config, Facts, ForwardedHeader};
use crate::config::Network;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies that are believed, and the header that they set.
pub(super) struct Forwarders {
    networks: Vec<Network>,
    header: ForwardedHeader,
}

/// Who asks, and whether he came over TLS; `tls` is `None` where that was not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Client {
    address: SocketAddr,
    tls: Option<bool>,
}

/// Puts the client in the place of the proxy, in what is known of the connection.
pub(super) async fn find_client(
    Extension(facts): Extension<Arc<Facts>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(forwarders) = &facts.forwarders
        && let Some(client) = forwarders.client(request.headers())
    {
        let told = facts.on_behalf_of(client.address, client.tls.unwrap_or(facts.tls));
        request.extensions_mut().insert(Arc::new(told));
    }
    next.run(request).await
}

impl Forwarders {
    pub(super) fn new(config: &Config) -> Self {
        Self { networks: config.forwarded_from.clone(), header: config.forwarded_header }
    }

    pub(super) fn networks(&self) -> &[Network] {
        &self.networks
    }

    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// The client that the proxies tell of. Each proxy adds to the end whom it was asked by, so that from there on all is
    /// true up to the first address that is no proxy of ours: that is the client, and what stands before it he may have made up.
    fn client(&self, headers: &HeaderMap) -> Option<Client> {
        match self.header {
            ForwardedHeader::XForwardedFor => {
                let client = |element: &str| Some(Client { address: address(element)?, tls: None });
                let mut client = self.first_stranger(elements(headers, &X_FORWARDED_FOR), client)?;
                client.tls = elements(headers, &X_FORWARDED_PROTO).next().map(is_https);
                Some(client)
            }
            ForwardedHeader::Forwarded => {
                self.first_stranger(elements(headers, &header::FORWARDED), forwarded_element)
            }
        }
    }

    /// The first client that is none of the proxies; where nothing more can be read, the last one that could be.
    fn first_stranger<'a>(
        &self,
        elements: impl Iterator<Item = &'a str>,
        read: impl Fn(&str) -> Option<Client>,
    ) -> Option<Client> {
        let mut found = None;
        for element in elements {
            let Some(client) = read(element) else { break };
            found = Some(client);
            if !self.contain(client.address.ip()) {
                break;
            }
        }
        found
    }
}

/// The elements of a header's list, all of its lines together, the last one first.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines: Vec<&str> =
        headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
    lines.into_iter().rev().flat_map(|line| line.rsplit(',').map(str::trim))
}

fn is_https(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

/// One element of `Forwarded` (RFC 7239 section 4). Quoted strings with commas or semicolons in them are not read, since no
/// address and no scheme has any.
fn forwarded_element(element: &str) -> Option<Client> {
    let parameter = |wanted: &str| {
        let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| unquoted(value))
    };
    Some(Client { address: address(parameter("for")?)?, tls: parameter("proto").map(is_https) })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// An address with or without a port; port 0 where there is none. `unknown` and made-up names (RFC 7239 section 6) are none.
fn address(text: &str) -> Option<SocketAddr> {
    let with_port = || text.parse::<SocketAddr>().ok();
    let alone = || {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0))
    };
    let found = with_port().or_else(alone)?;
    Some(SocketAddr::new(found.ip().to_canonical(), found.port()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn told(header: ForwardedHeader, lines: &[(&HeaderName, &str)]) -> Option<(String, Option<bool>)> {
        let config = Config {
            forwarded_from: vec!["10.0.0.0/8".parse().expect("one"), "2001:db8:1::/48".parse().expect("one")],
            forwarded_header: header,
            ..Config::default()
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        let client = Forwarders::new(&config).client(&headers)?;
        Some((client.address.to_string(), client.tls))
    }

    fn x_forwarded_for(lines: &[&str]) -> Option<String> {
        let name = X_FORWARDED_FOR;
        let lines: Vec<_> = lines.iter().map(|line| (&name, *line)).collect();
        told(ForwardedHeader::XForwardedFor, &lines).map(|(address, _)| address)
    }

    #[test]
    fn the_client_is_who_asked_the_first_proxy_of_ours() {
        let cases: [(&[&str], Option<&str>); 13] = [
            (&[], None),
            (&["192.0.2.1"], Some("192.0.2.1:0")),
            (&["192.0.2.1, 10.0.0.2"], Some("192.0.2.1:0")),
            (&["192.0.2.1,10.0.0.2,2001:db8:1::2"], Some("192.0.2.1:0")),
            (&["2001:db8::7"], Some("[2001:db8::7]:0")),
            (&["192.0.2.1:4711"], Some("192.0.2.1:4711")),
            (&["[2001:db8::7]:4711"], Some("[2001:db8::7]:4711")),
            (&["::ffff:192.0.2.1"], Some("192.0.2.1:0")),
            // What the client sent himself stands before it.
            (&["127.0.0.1, 192.0.2.1"], Some("192.0.2.1:0")),
            (&["127.0.0.1", "192.0.2.1, 10.0.0.2"], Some("192.0.2.1:0")),
            (&["127.0.0.1, unknown, 10.0.0.2"], Some("10.0.0.2:0")),
            (&["127.0.0.1, "], None),
            (&["10.0.0.3, 10.0.0.2"], Some("10.0.0.3:0")),
        ];
        for (lines, client) in cases {
            assert_eq!(x_forwarded_for(lines).as_deref(), client, "{lines:?}");
        }
    }

    #[test]
    fn rfc_7239_4_forwarded_tells_address_and_scheme() {
        let cases = [
            ("for=192.0.2.1", Some(("192.0.2.1:0", None))),
            ("for=192.0.2.1;proto=https;by=203.0.113.43", Some(("192.0.2.1:0", Some(true)))),
            ("proto=http;FOR=\"192.0.2.1:47011\"", Some(("192.0.2.1:47011", Some(false)))),
            ("For=\"[2001:db8::17]:4711\"", Some(("[2001:db8::17]:4711", None))),
            ("for=127.0.0.1, for=192.0.2.1;proto=https, for=10.0.0.2", Some(("192.0.2.1:0", Some(true)))),
            ("for=unknown", None),
            ("for=_hidden", None),
            ("by=203.0.113.43", None),
            ("", None),
        ];
        for (line, client) in cases {
            let heard = told(ForwardedHeader::Forwarded, &[(&header::FORWARDED, line)]);
            assert_eq!(heard, client.map(|(address, tls)| (address.to_owned(), tls)), "{line}");
        }
    }

    #[test]
    fn the_header_that_is_not_configured_says_nothing() {
        let both = [(&header::FORWARDED, "for=127.0.0.1;proto=http"), (&X_FORWARDED_FOR, "192.0.2.1")];
        let heard = told(ForwardedHeader::XForwardedFor, &both);
        assert_eq!(heard, Some(("192.0.2.1:0".to_owned(), None)));
        let with_scheme = [(&X_FORWARDED_PROTO, "https"), (&X_FORWARDED_FOR, "192.0.2.1")];
        let heard = told(ForwardedHeader::XForwardedFor, &with_scheme);
        assert_eq!(heard, Some(("192.0.2.1:0".to_owned(), Some(true))));
        assert_eq!(told(ForwardedHeader::Forwarded, &with_scheme), None);
    }
}
