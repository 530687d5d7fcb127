//! Addresses and DNS: whether the ports are free, and whether clients find them from the domain's name.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;

use super::Findings;
use crate::config::{Address, Config};
use crate::dns::{Resolver, Service};
use crate::net::can_listen;

/// How clients and servers look for a way in: the service, the key of the listeners it must lead to, and who defines it.
const SERVICES: [(&str, &str, &str); 4] = [
    ("_xmpp-client._tcp", "xmpp", "RFC 6120 section 3.2.1"),
    ("_xmpps-client._tcp", "xmpp_tls", "XEP-0368"),
    ("_xmpp-server._tcp", "federation", "RFC 6120 section 3.2.1"),
    ("_xmpps-server._tcp", "federation_tls", "XEP-0368"),
];

/// The port of a domain without SRV records (RFC 6120 section 3.2.2).
const FALLBACK_PORT: u16 = 5222;

pub(super) async fn examine(config: &Config, findings: &mut Findings) {
    ports(config, findings);
    let public: Vec<&str> = config.domain_names().filter(|name| !is_local(name)).collect();
    if public.is_empty() {
        return;
    }
    only_loopback(config, findings);
    match Resolver::new(&config.dns) {
        Err(error) => findings.warning("dns", error, "Set dns.address, or correct /etc/resolv.conf."),
        Ok(resolver) => {
            for domain in public {
                if let Err(error) = records(config, &resolver, domain, findings).await {
                    findings.warning(
                        format!("domain {domain}"),
                        error,
                        "Is the resolver reachable (dns.address)?",
                    );
                }
            }
        }
    }
}

/// RFC 6761 and RFC 6762: names that are not in the public DNS.
fn is_local(name: &str) -> bool {
    name == "localhost" || [".localhost", ".local", ".test"].iter().any(|suffix| name.ends_with(suffix))
}

fn lists(config: &Config) -> [(&'static str, &[Address]); 6] {
    let listen = &config.listen;
    let (federation, federation_tls): (&[Address], &[Address]) = match config.federation.enabled {
        true => (&listen.federation, &listen.federation_tls),
        false => (&[], &[]),
    };
    [
        ("xmpp", &listen.xmpp),
        ("xmpp_tls", &listen.xmpp_tls),
        ("federation", federation),
        ("federation_tls", federation_tls),
        ("http", &listen.http),
        ("https", &listen.https),
    ]
}

fn ports(config: &Config, findings: &mut Findings) {
    let running = UnixStream::connect(config.admin_socket()).is_ok();
    for (list, addresses) in lists(config) {
        for Address(address) in addresses {
            let subject = format!("listen.{list} {address}");
            match can_listen(*address) {
                Ok(()) => findings.ok(subject, "is free"),
                Err(error) => port_problem(subject, *address, &error, running, findings),
            }
        }
    }
}

fn port_problem(
    subject: String,
    address: SocketAddr,
    error: &io::Error,
    running: bool,
    findings: &mut Findings,
) {
    match error.kind() {
        io::ErrorKind::AddrInUse if running => {
            findings.ok(subject, "is taken while the server of this configuration runs");
        }
        io::ErrorKind::AddrInUse if held_by_systemd(address.port()) => {
            findings.ok(subject, "is held by systemd, which passes it to the server");
        }
        io::ErrorKind::AddrInUse => findings.error(
            subject,
            "is taken by another program",
            format!(
                "`ss -ltnp 'sport = :{}'` shows which. Stop it or choose another port, unless it is systemd that holds \
                 it for the server.",
                address.port()
            ),
        ),
        io::ErrorKind::PermissionDenied => findings.error(
            subject,
            "may not be listened on by this user",
            "Ports below 1024 need CAP_NET_BIND_SERVICE or a systemd socket; see docs/administration.md.",
        ),
        io::ErrorKind::AddrNotAvailable => findings.error(
            subject,
            "is not an address of this machine",
            "`ip address` shows them. Use \"[::]\" or \"0.0.0.0\" for all.",
        ),
        _ => findings.error(subject, error, "The server does not start."),
    }
}

/// Whether the process that listens on this port is the service manager (socket activation). Only root can see that.
fn held_by_systemd(port: u16) -> bool {
    let Ok(files) = std::fs::read_dir("/proc/1/fd") else { return false };
    let held: Vec<String> = files
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok()?.into_os_string().into_string().ok())
        .collect();
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<String> = tables.iter().flat_map(|table| listening(table, port)).collect();
    sockets.iter().any(|inode| held.contains(&format!("socket:[{inode}]")))
}

/// The inodes of the sockets that listen on a port, from a table of proc(5): local address, remote address, state (0A is
/// LISTEN), and in the tenth column the inode.
fn listening(table: &str, port: u16) -> impl Iterator<Item = String> {
    let port = format!(":{port:04X}");
    table.lines().skip(1).filter_map(move |line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens = columns.get(1)?.ends_with(&port) && *columns.get(3)? == "0A";
        listens.then(|| columns.get(9).map(|inode| (*inode).to_owned())).flatten()
    })
}

fn only_loopback(config: &Config, findings: &mut Findings) {
    let reachable = |list: &[Address]| list.iter().any(|address| !address.0.ip().is_loopback());
    if !reachable(&config.listen.xmpp) && !reachable(&config.listen.xmpp_tls) {
        findings.warning(
            "listen",
            "the XMPP listeners are on loopback only: nobody else can connect",
            "Set listen.xmpp = [\"[::]:5222\"] and listen.xmpp_tls = [\"[::]:5223\"].",
        );
    }
}

async fn records(
    config: &Config,
    resolver: &Resolver,
    domain: &str,
    findings: &mut Findings,
) -> Result<(), crate::dns::DnsError> {
    let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
    let mut found = false;
    for (service, list, source) in SERVICES {
        let name = format!("{service}.{ascii}");
        let services = resolver.services(&name).await?;
        let ours =
            lists(config).into_iter().find(|(name, _)| *name == list).map_or(&[][..], |(_, list)| list);
        if services.is_empty() {
            if !ours.is_empty() {
                let port = ours.first().map_or(0, |address| address.0.port());
                findings.note(
                    &name,
                    format!("there is no SRV record ({source})"),
                    format!("Add: {name}. IN SRV 0 0 {port} <the host name of this server>."),
                );
            }
            continue;
        }
        found |= list.starts_with("xmpp");
        for service in services {
            one_record(resolver, &name, &service, ours, findings).await?;
        }
    }
    if !found {
        fallback(config, resolver, domain, &ascii, findings).await?;
    }
    Ok(())
}

async fn one_record(
    resolver: &Resolver,
    name: &str,
    service: &Service,
    ours: &[Address],
    findings: &mut Findings,
) -> Result<(), crate::dns::DnsError> {
    if service.host.is_empty() {
        // RFC 2782: the target "." says that the service decidedly does not exist.
        findings.warning(name, "the record says that there is no such service", "Point it to this server.");
        return Ok(());
    }
    let subject = format!("{name} -> {}:{}", service.host, service.port);
    let addresses = resolver.addresses(&service.host).await?;
    if addresses.is_empty() {
        findings.error(
            &subject,
            "the host has no address",
            "Add its A or AAAA record, or correct the SRV record.",
        );
    } else if ours.is_empty() {
        findings.warning(
            &subject,
            "leads to a service that is not listened for",
            "Remove the record, or listen.",
        );
    } else if !ours.iter().any(|address| address.0.port() == service.port) {
        let ports: Vec<String> = ours.iter().map(|address| address.0.port().to_string()).collect();
        findings.warning(
            &subject,
            format!("leads to port {}, but this server listens on {}", service.port, ports.join(", ")),
            "Correct the record, unless another device forwards the port.",
        );
    } else {
        findings.ok(&subject, format!("has {}", shown(&addresses)));
    }
    Ok(())
}

async fn fallback(
    config: &Config,
    resolver: &Resolver,
    domain: &str,
    ascii: &str,
    findings: &mut Findings,
) -> Result<(), crate::dns::DnsError> {
    let addresses = resolver.addresses(ascii).await?;
    let subject = format!("domain {domain}");
    if addresses.is_empty() {
        findings.error(
            subject,
            "has neither SRV records nor an address: clients cannot find the server",
            format!("Add: _xmpp-client._tcp.{ascii}. IN SRV 0 0 5222 <the host name of this server>."),
        );
    } else if config.listen.xmpp.iter().any(|address| address.0.port() == FALLBACK_PORT) {
        findings.ok(subject, format!("has {}, which clients try on port {FALLBACK_PORT}", shown(&addresses)));
    } else {
        findings.warning(
            subject,
            format!("has no SRV record, so clients try port {FALLBACK_PORT}, which is not listened on"),
            "Add an SRV record with the port.",
        );
    }
    Ok(())
}

fn shown(addresses: &[IpAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    addresses.join(", ")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::check::{Finding, Severity};
    use crate::config::Domain;
    use crate::dns::testing::{Records, a, serve, srv};
    use crate::net::listen;

    const HERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    async fn findings(records: Vec<Records<'_>>) -> Vec<Finding> {
        let config = Config {
            dns: serve(records).await,
            domain: vec![Domain { name: "example.org".to_owned(), ..Domain::default() }],
            ..Config::default()
        };
        let resolver = Resolver::new(&config.dns).expect("a resolver");
        let mut findings = Findings::default();
        super::records(&config, &resolver, "example.org", &mut findings).await.expect("answered");
        findings.0
    }

    fn has(findings: &[Finding], severity: Severity, text: &str) {
        assert!(
            findings.iter().any(|f| f.severity == severity && f.to_string().contains(text)),
            "{findings:#?}"
        );
    }

    #[tokio::test]
    async fn rfc_6120_3_2_1_records_that_lead_here_are_fine() {
        let findings = findings(vec![
            ("_xmpp-client._tcp.example.org", vec![srv(0, 5222, "x.example.org")]),
            ("_xmpps-client._tcp.example.org", vec![srv(0, 5223, "x.example.org")]),
            ("_xmpp-server._tcp.example.org", vec![srv(0, 5269, "x.example.org")]),
            ("_xmpps-server._tcp.example.org", vec![srv(0, 5270, "x.example.org")]),
            ("x.example.org", vec![a(HERE)]),
        ])
        .await;
        assert_eq!(findings.len(), 4);
        assert!(findings.iter().all(|f| f.severity == Severity::Ok), "{findings:#?}");
    }

    #[tokio::test]
    async fn records_that_lead_elsewhere_are_named() {
        let wrong_port = findings(vec![
            ("_xmpp-client._tcp.example.org", vec![srv(0, 5269, "x.example.org")]),
            ("x.example.org", vec![a(HERE)]),
        ])
        .await;
        has(&wrong_port, Severity::Warning, "leads to port 5269, but this server listens on 5222");
        let no_address =
            findings(vec![("_xmpp-client._tcp.example.org", vec![srv(0, 5222, "x.example.org")])]).await;
        has(&no_address, Severity::Error, "the host has no address");
        let denied = findings(vec![("_xmpp-client._tcp.example.org", vec![srv(0, 0, ".")])]).await;
        has(&denied, Severity::Warning, "there is no such service");
    }

    #[tokio::test]
    async fn rfc_6120_3_2_2_without_srv_the_address_of_the_domain_counts() {
        has(
            &findings(vec![("example.org", vec![a(HERE)])]).await,
            Severity::Ok,
            "192.0.2.1, which clients try",
        );
        has(&findings(Vec::new()).await, Severity::Error, "clients cannot find the server");
    }

    #[tokio::test]
    async fn the_socket_that_listens_is_found_in_the_systems_table() {
        let taken = listen("127.0.0.1:0".parse().expect("an address"), 1).expect("a free port");
        let port = taken.address().port();
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        let own: Vec<String> = std::fs::read_dir("/proc/self/fd")
            .expect("Linux")
            .filter_map(|file| {
                std::fs::read_link(file.ok()?.path()).ok()?.into_os_string().into_string().ok()
            })
            .collect();
        let found: Vec<String> = listening(&table, port).collect();
        assert!(found.iter().any(|inode| own.contains(&format!("socket:[{inode}]"))), "{found:?} {own:?}");
        assert!(!held_by_systemd(port), "it is ours");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error() {
        let taken = listen("127.0.0.1:0".parse().expect("an address"), 1).expect("a free port");
        let mut config = Config { data_dir: "/nonexistent".into(), ..Config::default() };
        config.listen.xmpp = vec![Address(taken.address())];
        config.listen.http = vec!["192.0.2.55:0".parse().expect("an address")];
        let mut findings = Findings::default();
        ports(&config, &mut findings);
        has(&findings.0, Severity::Error, "is taken by another program");
        has(&findings.0, Severity::Error, "is not an address of this machine");
    }

    #[tokio::test]
    async fn a_public_domain_on_loopback_is_warned_of() {
        let mut findings = Findings::default();
        only_loopback(&Config::default(), &mut findings);
        has(&findings.0, Severity::Warning, "nobody else can connect");
    }
}
