//! A generated corpus of certificates: what each holds for as a server's identity, and why the others hold for nothing
//! (RFC 6120 section 13.7.1.2, RFC 4985, RFC 5280, RFC 9525 sections 4 and 6).

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, NameConstraints,
};

use super::*;

const SUBJECT_ALT_NAME: [u64; 4] = [2, 5, 29, 17];
/// id-on-dnsSRV and id-on-xmppAddr, as the content of an OBJECT IDENTIFIER.
const DNS_SRV: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 8, 7];
const XMPP_ADDR: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 8, 5];
const UTF8: u8 = 0x0c;
const IA5: u8 = 0x16;

/// Somebody who issues certificates.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

type Change = Box<dyn FnOnce(&mut CertificateParams)>;

fn as_it_is() -> Change {
    Box::new(|_| {})
}

fn parameters(ca: bool) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name = rcgen::DistinguishedName::new();
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

impl Authority {
    fn root(name: &str, change: Change) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = parameters(true);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        change(&mut params);
        let certificate = params.self_signed(&key).expect("an authority");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// An authority that this one vouches for.
    fn below(&self, name: &str, change: Change) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = parameters(true);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("an authority");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, names: &[Name], change: Change) -> CertificateDer<'static> {
        let mut params = parameters(false);
        if !names.is_empty() {
            params.custom_extensions.push(alternative_names(names));
        }
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.signed_by(&key, &self.issuer).expect("a certificate").der().clone()
    }

    fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

fn trusting(roots: &[&Authority]) -> Peers {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.der()).expect("an authority");
    }
    Peers { roots: store, algorithms: aws_lc_rs::default_provider().signature_verification_algorithms }
}

/// One name in a subjectAltName.
#[derive(Clone, Copy)]
enum Name {
    Dns(&'static str),
    Srv(&'static str),
    Xmpp(&'static str),
    /// An otherName of this kind whose text has this type.
    Other(&'static [u8], u8, &'static str),
    Mail(&'static str),
    Uri(&'static str),
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ 0..0x80) => out.push(short),
        Ok(long) => out.extend_from_slice(&[0x81, long]),
        Err(_) => {
            let [high, low] = u16::try_from(content.len()).expect("a small certificate").to_be_bytes();
            out.extend_from_slice(&[0x82, high, low]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// RFC 5280 section 4.2.1.6.
fn alternative_names(names: &[Name]) -> CustomExtension {
    let other = |kind: &[u8], text_type: u8, text: &str| {
        let text = der(0xa0, &der(text_type, text.as_bytes()));
        der(0xa0, &[der(0x06, kind), text].concat())
    };
    let encoded = names.iter().map(|name| match *name {
        Name::Dns(text) => der(0x82, text.as_bytes()),
        Name::Mail(text) => der(0x81, text.as_bytes()),
        Name::Uri(text) => der(0x86, text.as_bytes()),
        Name::Srv(text) => other(DNS_SRV, IA5, text),
        Name::Xmpp(text) => other(XMPP_ADDR, UTF8, text),
        Name::Other(kind, text_type, text) => other(kind, text_type, text),
    });
    let content: Vec<u8> = encoded.flatten().collect();
    CustomExtension::from_oid_content(&SUBJECT_ALT_NAME, der(0x30, &content))
}

/// What a certificate says it is, and whether it then holds for `im.example.org`.
#[test]
fn identities() {
    use Name::{Dns, Mail, Other, Srv, Uri, Xmpp};
    let root = Authority::root("an authority", as_it_is());
    let peers = trusting(&[&root]);
    let cases: &[(&str, &[Name], bool)] = &[
        ("DNS-ID", &[Dns("im.example.org")], true),
        ("DNS-ID in other letters", &[Dns("IM.Example.ORG")], true),
        ("DNS-ID among others", &[Dns("a.example"), Dns("im.example.org"), Dns("b.example")], true),
        ("DNS-ID of the domain above", &[Dns("example.org")], false),
        ("DNS-ID of a domain below", &[Dns("a.im.example.org")], false),
        ("DNS-ID that only ends so", &[Dns("xim.example.org")], false),
        ("wildcard", &[Dns("*.example.org")], true),
        ("wildcard one level too high", &[Dns("*.org")], false),
        ("wildcard for the domain itself", &[Dns("*.im.example.org")], false),
        ("wildcard within a label", &[Dns("i*.example.org")], false),
        ("wildcard not at the left", &[Dns("im.*.org")], false),
        ("SRV-ID", &[Srv("_xmpp-server.im.example.org")], true),
        ("SRV-ID for direct TLS", &[Srv("_xmpps-server.im.example.org")], true),
        ("SRV-ID in other letters", &[Srv("_XMPP-Server.IM.example.org")], true),
        ("SRV-ID with a wildcard", &[Srv("_xmpp-server.*.example.org")], true),
        ("SRV-ID for clients", &[Srv("_xmpp-client.im.example.org")], false),
        ("SRV-ID of another service", &[Srv("_imaps.im.example.org")], false),
        ("SRV-ID of another name", &[Srv("_xmpp-server.example.org")], false),
        ("SRV-ID without service", &[Srv("im.example.org")], false),
        ("SRV-ID as UTF8String", &[Other(DNS_SRV, UTF8, "_xmpp-server.im.example.org")], false),
        ("xmppAddr", &[Xmpp("im.example.org")], true),
        ("xmppAddr in other letters", &[Xmpp("IM.example.org")], true),
        ("xmppAddr of a user", &[Xmpp("juliet@im.example.org")], false),
        ("xmppAddr with a resource", &[Xmpp("im.example.org/x")], false),
        ("xmppAddr with a wildcard", &[Xmpp("*.example.org")], false),
        ("xmppAddr as IA5String", &[Other(XMPP_ADDR, IA5, "im.example.org")], false),
        ("xmppAddr that goes on behind a NUL", &[Xmpp("im.example.org\0.evil.example")], false),
        ("another kind of otherName", &[Other(&[0x2b, 6, 1, 5, 5, 7, 8, 9], UTF8, "im.example.org")], false),
        ("mail address", &[Mail("im.example.org")], false),
        ("URI-ID", &[Uri("xmpp:im.example.org")], false),
        ("SRV-ID beside another DNS-ID", &[Dns("a.example"), Srv("_xmpp-server.im.example.org")], true),
    ];
    for (what, names, expected) in cases {
        let chain = [root.issue(names, as_it_is())];
        assert_eq!(peers.holds(&chain, "im.example.org").is_ok(), *expected, "{what}");
    }
    let common = root.issue(
        &[],
        Box::new(|params| params.distinguished_name.push(rcgen::DnType::CommonName, "im.example.org")),
    );
    assert!(peers.holds(&[common], "im.example.org").is_err(), "a CommonName");
}

/// RFC 6120 section 13.7.1.2.1, RFC 5890: internationalised names, in both their forms.
#[test]
fn internationalised_names() {
    use Name::{Dns, Srv, Xmpp};
    let root = Authority::root("an authority", as_it_is());
    let peers = trusting(&[&root]);
    for (what, name, expected) in [
        ("A-label", Dns("xn--mnchen-3ya.example"), true),
        ("SRV-ID with an A-label", Srv("_xmpp-server.xn--mnchen-3ya.example"), true),
        ("xmppAddr with a U-label", Xmpp("münchen.example"), true),
        ("a look-alike", Dns("xn--mnchen-5za.example"), false),
    ] {
        let chain = [root.issue(&[name], as_it_is())];
        assert_eq!(peers.holds(&chain, "münchen.example").is_ok(), expected, "{what}");
    }
}

fn from_to(first: i32, last: i32) -> Change {
    Box::new(move |params| {
        params.not_before = rcgen::date_time_ymd(first, 1, 1);
        params.not_after = rcgen::date_time_ymd(last, 1, 1);
    })
}

/// RFC 5280 section 6: who vouches for it, whether everybody on the way may, and whether it is in force.
#[test]
fn chains() {
    let own = [Name::Dns("im.example.org")];
    let root = Authority::root("an authority", as_it_is());
    let stranger = Authority::root("a stranger", as_it_is());
    let namesake = Authority::root("an authority", as_it_is());
    let middle = root.below("in between", as_it_is());
    let over = root.below("over", from_to(2001, 2002));
    let no_authority = root.below("no authority", Box::new(|params| params.is_ca = IsCa::ExplicitNoCa));
    let lowest = Box::new(|params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let last = root.below("the last", lowest);
    let beyond = last.below("beyond the last", as_it_is());
    let key = KeyPair::generate().expect("a key");
    let mut params = parameters(false);
    params.custom_extensions.push(alternative_names(&own));
    let itself = params.self_signed(&key).expect("a certificate").der().clone();
    let purpose = |purpose| -> Change {
        Box::new(move |params: &mut CertificateParams| params.extended_key_usages = vec![purpose])
    };
    let peers = trusting(&[&root]);
    let plain = |authority: &Authority| authority.issue(&own, as_it_is());
    let cases: Vec<(&str, Vec<CertificateDer<'static>>, bool)> = vec![
        ("by a root", vec![plain(&root)], true),
        ("by one in between, who is shown", vec![plain(&middle), middle.der()], true),
        ("the root shown too", vec![plain(&middle), middle.der(), root.der()], true),
        ("with one that has nothing to do with it", vec![plain(&middle), stranger.der(), middle.der()], true),
        ("by one in between, who is missing", vec![plain(&middle)], false),
        ("self-signed", vec![itself], false),
        ("by a stranger", vec![plain(&stranger)], false),
        ("by a stranger, who is shown", vec![plain(&stranger), stranger.der()], false),
        ("by a namesake of the root", vec![plain(&namesake), namesake.der()], false),
        ("by one who is no authority", vec![plain(&no_authority), no_authority.der()], false),
        ("by one below the last who may", vec![plain(&beyond), beyond.der(), last.der()], false),
        ("by one who is over", vec![plain(&over), over.der()], false),
        ("over", vec![root.issue(&own, from_to(2001, 2002))], false),
        ("not yet in force", vec![root.issue(&own, from_to(2200, 2201))], false),
        ("for servers", vec![root.issue(&own, purpose(ExtendedKeyUsagePurpose::ServerAuth))], true),
        ("for clients alone", vec![root.issue(&own, purpose(ExtendedKeyUsagePurpose::ClientAuth))], false),
        ("for signing code", vec![root.issue(&own, purpose(ExtendedKeyUsagePurpose::CodeSigning))], false),
        ("nothing shown", vec![], false),
        ("no certificate", vec![CertificateDer::from(b"nothing of the kind".to_vec())], false),
        ("the authority itself", vec![root.der()], false),
    ];
    for (what, chain, expected) in cases {
        assert_eq!(peers.holds(&chain, "im.example.org").is_ok(), expected, "{what}");
    }
}

/// RFC 5280 section 4.2.1.10. What the verifier of chains cannot hold against constraints does not count.
#[test]
fn constraints_on_names() {
    let only = |name: &'static str| -> Change {
        Box::new(move |params: &mut CertificateParams| {
            let permitted_subtrees = vec![GeneralSubtree::DnsName(name.to_owned())];
            params.name_constraints =
                Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        })
    };
    let not = |name: &'static str| -> Change {
        Box::new(move |params: &mut CertificateParams| {
            let excluded_subtrees = vec![GeneralSubtree::DnsName(name.to_owned())];
            params.name_constraints =
                Some(NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees });
        })
    };
    let root = Authority::root("an authority", as_it_is());
    let peers = trusting(&[&root]);
    let cases: Vec<(&str, Change, Name, bool)> = vec![
        ("within", only("example.org"), Name::Dns("im.example.org"), true),
        ("beyond", only("example.com"), Name::Dns("im.example.org"), false),
        ("not excluded", not("example.com"), Name::Dns("im.example.org"), true),
        ("excluded", not("example.org"), Name::Dns("im.example.org"), false),
        ("SRV-ID beyond", only("example.com"), Name::Srv("_xmpp-server.im.example.org"), false),
        ("SRV-ID within", only("example.org"), Name::Srv("_xmpp-server.im.example.org"), false),
        ("xmppAddr beyond", only("example.com"), Name::Xmpp("im.example.org"), false),
        ("xmppAddr excluded", not("example.org"), Name::Xmpp("im.example.org"), false),
    ];
    for (what, change, name, expected) in cases {
        let middle = root.below("constrained", change);
        let chain = [middle.issue(&[name], as_it_is()), middle.der()];
        assert_eq!(peers.holds(&chain, "im.example.org").is_ok(), expected, "{what}");
    }
    // Constraints of the root itself, which nobody shows.
    let constrained = Authority::root("a constrained authority", only("example.com"));
    let peers = trusting(&[&root, &constrained]);
    for name in
        [Name::Dns("im.example.org"), Name::Srv("_xmpp-server.im.example.org"), Name::Xmpp("im.example.org")]
    {
        assert!(peers.holds(&[constrained.issue(&[name], as_it_is())], "im.example.org").is_err());
    }
    assert!(
        peers.holds(&[root.issue(&[Name::Xmpp("im.example.org")], as_it_is())], "im.example.org").is_ok()
    );
}
