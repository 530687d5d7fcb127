//! Where a domain's server is found: as configured, by SRV records of both kinds, or at the domain itself (RFC 6120
//! section 3.2, RFC 2782, XEP-0368).

use std::cmp::Reverse;
use std::net::SocketAddr;

use waxwing_xmpp::error::Condition;

use super::Config;
use super::connect::Failure;
use crate::dns::{Resolver, Service};

/// The port of a domain without SRV records (RFC 6120 section 3.2.2).
const FALLBACK_PORT: u16 = 5269;

/// How many addresses are tried for one domain.
const TARGETS_LIMIT: usize = 8;

/// One place where a domain's server may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) direct_tls: bool,
}

/// The places to try, in their order; at least one.
pub(super) async fn of(
    resolver: &Resolver,
    config: &Config,
    domain: &str,
    random: impl FnMut() -> u32,
) -> Result<Vec<Target>, Failure> {
    let configured = config.route.iter().filter(|route| route.domain == domain);
    let configured: Vec<Target> =
        configured.map(|route| Target { address: route.address.0, direct_tls: route.direct_tls }).collect();
    if !configured.is_empty() {
        return Ok(configured);
    }
    let dns = |error: crate::dns::DnsError| Failure::last(Condition::RemoteServerTimeout, error);
    let ascii = idna::domain_to_ascii(domain)
        .map_err(|error| Failure::last(Condition::RemoteServerNotFound, error))?;
    let direct = resolver.services(&format!("_xmpps-server._tcp.{ascii}")).await.map_err(dns)?;
    let plain = resolver.services(&format!("_xmpp-server._tcp.{ascii}")).await.map_err(dns)?;
    // RFC 2782: the target "." says that the service decidedly does not exist. XEP-0368 section 3: said of direct TLS, it
    // says nothing about STARTTLS.
    let nowhere = |service: &Service| service.host.is_empty();
    if plain.is_empty() && direct.iter().all(nowhere) {
        let addresses = resolver.addresses(&ascii).await.map_err(dns)?;
        let at = |ip| Target { address: SocketAddr::new(ip, FALLBACK_PORT), direct_tls: false };
        return found(addresses.into_iter().map(at).collect(), None);
    }
    let direct = direct.into_iter().map(|service| (service, true));
    let mut services: Vec<_> = direct.chain(plain.into_iter().map(|service| (service, false))).collect();
    services.retain(|(service, _)| !nowhere(service));
    order(&mut services, random);
    let (mut targets, mut failure) = (Vec::new(), None);
    for (service, direct_tls) in services {
        if targets.len() >= TARGETS_LIMIT {
            break;
        }
        match resolver.addresses(&service.host).await {
            Ok(addresses) => {
                let at = |ip| Target { address: SocketAddr::new(ip, service.port), direct_tls };
                targets.extend(addresses.into_iter().map(at));
            }
            // The others may be found all the same.
            Err(error) => failure = Some(dns(error)),
        }
    }
    found(targets, failure)
}

fn found(mut targets: Vec<Target>, failure: Option<Failure>) -> Result<Vec<Target>, Failure> {
    targets.truncate(TARGETS_LIMIT);
    match targets.is_empty() {
        false => Ok(targets),
        true => Err(failure
            .unwrap_or_else(|| Failure::last(Condition::RemoteServerNotFound, "the domain has no server"))),
    }
}

/// RFC 2782: by priority, and by chance according to weight. XEP-0368 section 3 has both kinds of records in one order.
fn order(services: &mut [(Service, bool)], mut random: impl FnMut() -> u32) {
    services.sort_by_cached_key(|(service, _)| {
        // The largest of as many draws as the weight says: drawn once, from the distribution of that maximum.
        let chance = f64::from(random()) / f64::from(u32::MAX);
        let draw = chance.powf(1.0 / (f64::from(service.weight) + 0.01));
        (service.priority, Reverse((draw * 1e12) as u64))
    });
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::dns::testing::{Records, a, failure, serve, srv, weighted};
    use crate::xmpp::federation::config::Route;

    const DIRECT: &str = "_xmpps-server._tcp.verona.example";
    const PLAIN: &str = "_xmpp-server._tcp.verona.example";

    fn host(number: u8) -> (u16, Vec<u8>) {
        a(Ipv4Addr::new(192, 0, 2, number))
    }

    async fn resolved(records: Vec<Records<'_>>) -> Result<Vec<String>, Condition> {
        let resolver = Resolver::new(&serve(records).await).expect("a resolver");
        let targets = of(&resolver, &Config::default(), "verona.example", || 7).await;
        let shown =
            |target: Target| format!("{}{}", target.address, if target.direct_tls { " tls" } else { "" });
        targets.map(|all| all.into_iter().map(shown).collect()).map_err(|failure| failure.condition)
    }

    /// RFC 2782: lower priorities first; XEP-0368 section 3: both kinds of records in one order.
    #[tokio::test]
    async fn both_kinds_of_records_stand_in_one_order() {
        let targets = resolved(vec![
            (PLAIN, vec![srv(20, 5269, "c.example"), srv(5, 5269, "a.example")]),
            (DIRECT, vec![srv(10, 5270, "b.example")]),
            ("a.example", vec![host(1)]),
            ("b.example", vec![host(2)]),
            ("c.example", vec![host(3), host(4)]),
            ("verona.example", vec![host(9)]),
        ]);
        let expected = ["192.0.2.1:5269", "192.0.2.2:5270 tls", "192.0.2.3:5269", "192.0.2.4:5269"];
        assert_eq!(targets.await.expect("found"), expected);
    }

    /// RFC 6120 section 3.2.1 rules 3, 4 and 9, section 3.2.2.
    #[tokio::test]
    async fn only_a_domain_without_records_is_looked_for_at_its_own_name() {
        let own = || ("verona.example", vec![host(9)]);
        let fallback = Ok(vec!["192.0.2.9:5269".to_owned()]);
        assert_eq!(resolved(vec![own()]).await, fallback);
        for (what, records) in [
            ("said not to exist", vec![(PLAIN, vec![srv(0, 0, ".")]), own()]),
            (
                "both said not to exist",
                vec![(PLAIN, vec![srv(0, 0, ".")]), (DIRECT, vec![srv(0, 0, ".")]), own()],
            ),
            ("a host without address", vec![(PLAIN, vec![srv(0, 5269, "gone.example")]), own()]),
            ("nothing at all", vec![]),
        ] {
            assert_eq!(resolved(records).await, Err(Condition::RemoteServerNotFound), "{what}");
        }
        // XEP-0368 section 3: that there is no direct TLS says nothing about STARTTLS.
        assert_eq!(resolved(vec![(DIRECT, vec![srv(0, 0, ".")]), own()]).await, fallback);
        let direct = resolved(vec![
            (PLAIN, vec![srv(0, 0, ".")]),
            (DIRECT, vec![srv(0, 5270, "b.example")]),
            ("b.example", vec![host(2)]),
        ]);
        assert_eq!(direct.await, Ok(vec!["192.0.2.2:5270 tls".to_owned()]));
    }

    /// One host that DNS cannot tell does not hide the others; when all fail, it may be better later.
    #[tokio::test]
    async fn a_name_that_fails_does_not_hide_the_others() {
        let broken = || (PLAIN, vec![srv(1, 5269, "broken.example"), srv(2, 5269, "a.example")]);
        let targets =
            resolved(vec![broken(), ("broken.example", vec![failure()]), ("a.example", vec![host(1)])]);
        assert_eq!(targets.await.expect("found"), ["192.0.2.1:5269"]);
        let dead = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let address = dead.local_addr().expect("bound");
        let dns = crate::dns::Config { address: Some(address.ip()), port: address.port(), timeout_ms: 100 };
        let resolver = Resolver::new(&dns).expect("a resolver");
        let failure = of(&resolver, &Config::default(), "verona.example", || 7).await.expect_err("no answer");
        assert_eq!(failure.condition, Condition::RemoteServerTimeout);
    }

    #[tokio::test]
    async fn what_is_configured_needs_no_dns_and_addresses_are_bounded() {
        let resolver = Resolver::new(&serve(Vec::new()).await).expect("a resolver");
        let route = Route { domain: "verona.example".into(), ..Route::default() };
        let config = Config { route: vec![route], ..Config::default() };
        let targets = of(&resolver, &config, "verona.example", || 7).await.expect("configured");
        assert_eq!(targets, [Target { address: ([127, 0, 0, 1], 5269).into(), direct_tls: false }]);
        let many = (1..=20).map(host).collect();
        let targets = resolved(vec![(PLAIN, vec![srv(0, 5269, "a.example")]), ("a.example", many)]);
        assert_eq!(targets.await.expect("found").len(), TARGETS_LIMIT);
    }

    /// RFC 2782: among equal priorities each is chosen as often as its share of the weights says, one of weight 0 hardly.
    #[test]
    fn weights_are_shares() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 32).expect("32 bits")
        };
        let mut first = [0; 3];
        for _ in 0..10_000 {
            let mut services: Vec<(Service, bool)> =
                [(0, 70), (1, 30), (2, 0)].map(|(port, weight)| (weighted(weight, port), false)).to_vec();
            order(&mut services, &mut random);
            first[usize::from(services[0].0.port)] += 1;
        }
        assert!((6_700..7_300).contains(&first[0]), "{first:?}");
        assert!((2_700..3_300).contains(&first[1]), "{first:?}");
        assert!(first[2] < 50, "{first:?}");
    }
}
