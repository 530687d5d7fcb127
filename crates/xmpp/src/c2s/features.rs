//! Stream features: what the client may negotiate next (RFC 6120 section 4.3.2).

use super::{HostPolicy, Negotiation, Phase, State, Stream};
use crate::ns;
use crate::sasl::{Hash, Mechanism, Offer, TokenBinding};
use crate::xml::{Element, Framing};

impl Stream {
    /// Writes `<stream:features/>` for the state the stream is in.
    pub(super) fn write_features(&mut self) {
        let Some(host) = self.host.clone() else { return };
        let features = match &self.state {
            State::Negotiating(negotiation) if matches!(negotiation.phase, Phase::Authenticated) => {
                let mut features = vec![
                    Element::new(ns::BIND, "bind"),
                    // RFC 3921 made clients ask for a session; draft-cridland-xmpp-session-01 tells newer ones not to.
                    Element::new(ns::SESSION, "session").with_child(Element::new(ns::SESSION, "optional")),
                ];
                session_features(&host, true, &mut features);
                features
            }
            State::Negotiating(negotiation) => sign_in_features(&host, negotiation, self.framing),
            State::Bound(session) => {
                let mut features = Vec::new();
                session_features(&host, !session.managed, &mut features);
                features
            }
            State::Closing | State::Ended => return,
        };
        self.output.push_stream_element(self.framing, "features", &features);
    }
}

fn session_features(host: &HostPolicy, manageable: bool, features: &mut Vec<Element>) {
    if host.stream_management && manageable {
        features.push(Element::new(ns::SM3, "sm"));
    }
    if host.client_state {
        features.push(Element::new(ns::CLIENT_STATE, "csi"));
    }
    features.extend(host.features_after.iter().cloned());
}

fn sign_in_features(host: &HostPolicy, negotiation: &Negotiation, framing: Framing) -> Vec<Element> {
    let mut features = Vec::new();
    if negotiation.tls.is_none() && framing == Framing::Stream && host.starttls {
        let mut starttls = Element::new(ns::TLS, "starttls");
        // RFC 6120 section 5.3.1: when TLS is required, nothing else is offered.
        if !negotiation.plaintext_sign_in {
            starttls.append(Element::new(ns::TLS, "required"));
            return vec![starttls];
        }
        features.push(starttls);
    }
    let offer = negotiation.offer(host);
    if !offer.mechanisms.is_empty() {
        features.extend(channel_binding_feature(&offer));
        let mut mechanisms = Element::new(ns::SASL, "mechanisms");
        for mechanism in &offer.mechanisms {
            mechanisms.append(Element::new(ns::SASL, "mechanism").with_text(mechanism.name()));
        }
        features.push(mechanisms);
        if negotiation.offers_sasl2(host) {
            features.push(sasl2_feature(host, negotiation, &offer));
        }
        features.extend(host.features_before.iter().cloned());
    }
    features
}

/// XEP-0440: next to the mechanisms, in both profiles.
fn channel_binding_feature(offer: &Offer) -> Option<Element> {
    if offer.bindings.is_empty() {
        return None;
    }
    let mut feature = Element::new(ns::CHANNEL_BINDING, "sasl-channel-binding");
    for kind in &offer.bindings {
        feature.append(Element::new(ns::CHANNEL_BINDING, "channel-binding").with_attr("type", kind));
    }
    Some(feature)
}

/// XEP-0388 section 2.1, with the inline features of XEP-0386, XEP-0198 and XEP-0484 and the upgrades of XEP-0480.
fn sasl2_feature(host: &HostPolicy, negotiation: &Negotiation, offer: &Offer) -> Element {
    let text = |name: &str, text: &str| Element::new(ns::SASL2, name).with_text(text);
    let mut feature = Element::new(ns::SASL2, "authentication");
    for mechanism in &offer.mechanisms {
        feature.append(text("mechanism", mechanism.name()));
    }

    let mut bindable = Element::new(ns::BIND2, "inline");
    let mut add = |var: &str| bindable.append(Element::new(ns::BIND2, "feature").with_attr("var", var));
    if host.carbons {
        add(ns::CARBONS);
    }
    if host.client_state {
        add(ns::CLIENT_STATE);
    }
    if host.stream_management {
        add(ns::SM3);
    }
    let mut inline =
        Element::new(ns::SASL2, "inline").with_child(Element::new(ns::BIND2, "bind").with_child(bindable));
    if host.stream_management {
        inline.append(Element::new(ns::SM3, "sm"));
    }
    let tokens = negotiation.tokens(host);
    if !tokens.is_empty() {
        let mut fast = Element::new(ns::FAST, "fast");
        for binding in tokens {
            fast.append(
                Element::new(ns::FAST, "mechanism").with_text(Mechanism::HashedToken(binding).name()),
            );
        }
        inline.append(fast);
    }
    feature.append(inline);
    for hash in &host.upgrades {
        feature.append(Element::new(ns::SASL_UPGRADE, "upgrade").with_text(&upgrade_task(*hash)));
    }
    feature
}

/// The name of the task that upgrades to a hash (XEP-0480 section 2.1).
pub(super) fn upgrade_task(hash: Hash) -> String {
    format!("UPGR-{}", hash.mechanism_name())
}

impl Negotiation {
    /// Whether a client may authenticate now.
    pub(super) fn may_sign_in(&self) -> bool {
        self.tls.is_some() || self.plaintext_sign_in
    }

    /// XEP-0388 section 3: only after TLS.
    pub(super) fn offers_sasl2(&self, host: &HostPolicy) -> bool {
        host.sasl2 && self.tls.is_some()
    }

    /// The mechanisms and channel bindings for this connection; the same in both profiles, so that the hash of XEP-0474
    /// is too.
    pub(super) fn offer(&self, host: &HostPolicy) -> Offer {
        let mut mechanisms = Vec::new();
        if !self.may_sign_in() {
            return Offer::default();
        }
        let tls = self.tls.as_ref();
        let certified = tls.is_some_and(|tls| tls.certified.iter().any(|jid| jid.domain() == &*host.name));
        if host.external && certified {
            mechanisms.push(Mechanism::External);
        }
        let bindings: Vec<_> = if host.scram.is_empty() {
            Vec::new()
        } else {
            tls.into_iter().flat_map(|tls| tls.bindings.names()).collect()
        };
        let scram = |plus| host.scram.iter().map(move |hash| Mechanism::Scram { hash: *hash, plus });
        if !bindings.is_empty() {
            mechanisms.extend(scram(true));
        }
        mechanisms.extend(scram(false));
        if host.plain {
            mechanisms.push(Mechanism::Plain);
        }
        Offer { mechanisms, bindings }
    }

    /// The FAST mechanisms for this connection.
    pub(super) fn tokens(&self, host: &HostPolicy) -> Vec<TokenBinding> {
        let Some(tls) = &self.tls else { return Vec::new() };
        host.tokens.iter().copied().filter(|binding| binding.data(&tls.bindings).is_some()).collect()
    }
}
