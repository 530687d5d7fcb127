//! DNS questions, sent to the resolver that the configuration names.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use crate::config::config;

config! {
    /// The resolver that DNS questions go to.
    pub struct Config {
        /// The resolver's IP address. Unset: the resolvers of the system (`/etc/resolv.conf`).
        /// Example: "127.0.0.1"
        address: Option<IpAddr> = None,
        /// The resolver's port; used only with `address`.
        port: u16 = 53,
        /// How long one question may take.
        timeout_ms: u64 = 5_000,
    }
}

/// Asks DNS.
#[derive(Clone)]
pub struct Resolver {
    resolver: TokioResolver,
}

/// One SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Lower ones are tried first.
    pub priority: u16,
    /// Among equal priorities, the share of the clients.
    pub weight: u16,
    /// The host, without the dot at the end; empty when the service is said not to exist.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// DNS could not be asked, or did not answer. (That there is no such record is an answer.)
#[derive(Debug, Clone, thiserror::Error)]
#[error("DNS: {0}")]
pub struct DnsError(String);

impl Resolver {
    /// Asks the configured resolver, or those of the system.
    pub fn new(config: &Config) -> Result<Self, DnsError> {
        let failed = |e: NetError| DnsError(e.to_string());
        let mut builder = match config.address {
            None => TokioResolver::builder_tokio().map_err(failed)?,
            Some(address) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = config.port;
                    connection
                });
                let server = NameServerConfig::new(address, true, connections.to_vec());
                let servers = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                let mut builder =
                    TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default());
                // Who names a resolver wants its answers, not those of /etc/hosts.
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
        };
        let options = builder.options_mut();
        options.attempts = 2;
        options.timeout = Duration::from_millis(config.timeout_ms) / 2;
        Ok(Self { resolver: builder.build().map_err(failed)? })
    }

    /// The SRV records of a name such as `_xmpp-client._tcp.example.org`, by priority. None is an empty list.
    pub async fn services(&self, name: &str) -> Result<Vec<Service>, DnsError> {
        let answer = match self.resolver.srv_lookup(absolute(name)).await {
            Ok(answer) => answer,
            Err(error) => return nothing(error),
        };
        let records = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(Service {
                priority: srv.priority,
                weight: srv.weight,
                host: srv.target.to_utf8().trim_end_matches('.').to_owned(),
                port: srv.port,
            }),
            _ => None,
        });
        let mut services: Vec<Service> = records.collect();
        services.sort_by_key(|service| (service.priority, std::cmp::Reverse(service.weight)));
        Ok(services)
    }

    /// The addresses of a host. None is an empty list.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        match self.resolver.lookup_ip(absolute(host)).await {
            Ok(answer) => Ok(answer.iter().collect()),
            Err(error) => nothing(error),
        }
    }
}

/// With its dot at the end a name is not looked for in the search domains of /etc/resolv.conf.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

fn nothing<T>(error: NetError) -> Result<Vec<T>, DnsError> {
    match error.is_no_records_found() || error.is_nx_domain() {
        true => Ok(Vec::new()),
        false => Err(DnsError(error.to_string())),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A DNS server of a few records.

    use std::collections::HashMap;
    use std::net::Ipv4Addr;

    use tokio::net::UdpSocket;

    use super::Config;

    pub(crate) const A: u16 = 1;
    pub(crate) const SRV: u16 = 33;
    /// No type of records has this number.
    const FAILURE: u16 = 0;

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

    pub(crate) fn a(address: Ipv4Addr) -> (u16, Vec<u8>) {
        (A, address.octets().to_vec())
    }

    pub(crate) fn srv(priority: u16, port: u16, host: &str) -> (u16, Vec<u8>) {
        let mut data = Vec::new();
        for number in [priority, 0, port] {
            data.extend_from_slice(&number.to_be_bytes());
        }
        data.extend_from_slice(&labels(host));
        (SRV, data)
    }

    /// Makes the server fail for a name (SERVFAIL).
    pub(crate) fn failure() -> (u16, Vec<u8>) {
        (FAILURE, Vec::new())
    }

    /// A service of equal priority.
    pub(crate) fn weighted(weight: u16, port: u16) -> super::Service {
        super::Service { priority: 0, weight, host: "a.example".to_owned(), port }
    }

    /// A name, and its records: the type and the data of each.
    pub(crate) type Records<'a> = (&'a str, Vec<(u16, Vec<u8>)>);

    /// Starts the server; the configuration leads to it. What is not listed does not exist (NXDOMAIN).
    pub(crate) async fn serve(records: Vec<Records<'_>>) -> Config {
        let records: HashMap<Vec<u8>, Vec<(u16, Vec<u8>)>> =
            records.into_iter().map(|(name, data)| (labels(name), data)).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = socket.local_addr().expect("bound");
        tokio::spawn(async move {
            let mut query = [0u8; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut query).await {
                let answer = answer(&query[..length], &records);
                let _ = socket.send_to(&answer, peer).await;
            }
        });
        Config { address: Some(address.ip()), port: address.port(), timeout_ms: 2_000 }
    }

    /// RFC 1035 section 4.1: header, question, answers.
    fn answer(query: &[u8], records: &HashMap<Vec<u8>, Vec<(u16, Vec<u8>)>>) -> Vec<u8> {
        let end = 12 + query[12..].iter().position(|byte| *byte == 0).expect("a name") + 1;
        let name = query[12..end].to_ascii_lowercase();
        let kind = u16::from_be_bytes([query[end], query[end + 1]]);
        let known = records.get(&name);
        let data: Vec<&(u16, Vec<u8>)> = known.into_iter().flatten().filter(|(k, _)| *k == kind).collect();
        let mut out = query[..2].to_vec();
        let code = match known {
            None => 3,
            Some(records) if records.iter().any(|(kind, _)| *kind == FAILURE) => 2,
            Some(_) => 0,
        };
        out.extend_from_slice(&[0x84, code, 0, 1]);
        out.extend_from_slice(&u16::try_from(data.len()).expect("few").to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 0]);
        out.extend_from_slice(&query[12..end + 4]);
        for (kind, data) in data {
            out.extend_from_slice(&[0xC0, 12]);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
            out.extend_from_slice(&u16::try_from(data.len()).expect("short").to_be_bytes());
            out.extend_from_slice(data);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::testing::{a, serve, srv};
    use super::*;

    #[tokio::test]
    async fn rfc_2782_services_come_by_priority_from_the_configured_resolver() {
        let config = serve(vec![
            (
                "_xmpp-client._tcp.example.org",
                vec![srv(20, 5222, "b.example.org"), srv(10, 5222, "a.example.org")],
            ),
            ("a.example.org", vec![a(Ipv4Addr::new(192, 0, 2, 1))]),
        ])
        .await;
        let resolver = Resolver::new(&config).expect("a resolver");
        let services = resolver.services("_xmpp-client._tcp.example.org").await.expect("answered");
        assert_eq!(
            services.iter().map(|s| s.host.as_str()).collect::<Vec<_>>(),
            ["a.example.org", "b.example.org"]
        );
        assert_eq!(services[0].port, 5222);
        let addresses = resolver.addresses("a.example.org").await.expect("answered");
        assert_eq!(addresses, [IpAddr::from([192, 0, 2, 1])]);
    }

    #[tokio::test]
    async fn no_record_is_an_answer_and_no_resolver_is_not() {
        let config = serve(Vec::new()).await;
        let resolver = Resolver::new(&config).expect("a resolver");
        assert!(resolver.services("_xmpp-client._tcp.example.org").await.expect("answered").is_empty());
        assert!(resolver.addresses("example.org").await.expect("answered").is_empty());
        let dead = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let port = dead.local_addr().expect("bound").port();
        let config = Config { address: Some(IpAddr::from([127, 0, 0, 1])), port, timeout_ms: 200 };
        let resolver = Resolver::new(&config).expect("a resolver");
        assert!(resolver.addresses("example.org").await.is_err());
    }
}
