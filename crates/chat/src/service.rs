//! Services beside each domain, at addresses of their own: what they are called, and which address belongs to which.

use crate::chat::Chat;

/// A service that each domain has, at a name below its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Rooms (XEP-0045).
    Rooms,
    /// Publishing and subscribing (XEP-0060).
    PubSub,
    /// Places for files (XEP-0363).
    Upload,
    /// Bytes between two clients that cannot reach each other (XEP-0065).
    Proxy,
}

impl Service {
    /// The label in front of the domain: `rooms` for `rooms.example.org`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rooms => "rooms",
            Self::PubSub => "pubsub",
            Self::Upload => "upload",
            Self::Proxy => "proxy",
        }
    }

    /// Its address beside a domain.
    pub fn address(self, domain: &str) -> String {
        format!("{}.{domain}", self.label())
    }
}

impl Chat {
    /// The service that has this domain as its address, if it is one of those offered beside a domain of this server. A
    /// name that the administrator has made a domain of its own is none.
    pub fn service(&self, domain: &str) -> Option<Service> {
        let (label, host) = domain.split_once('.')?;
        let settings = self.settings();
        let local = |name: &str| settings.domains.iter().any(|domain| domain == name);
        if !local(host) || local(domain) {
            return None;
        }
        settings.services.iter().copied().find(|service| service.label() == label)
    }

    /// Whether this server speaks in the name of this domain: one with accounts, or a service beside one.
    pub fn is_ours(&self, domain: &str) -> bool {
        self.is_local(domain) || self.service(domain).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::testing::World;

    #[tokio::test]
    async fn services_stand_beside_the_domains_that_are_served() {
        let world = World::of(&[]).await;
        let domains = ["localhost", "example.org", "upload.example.org"].map(str::to_owned).to_vec();
        let services = vec![Service::Rooms, Service::Upload];
        world.chat.reload(Settings { domains, services, ..Settings::default() });
        for (domain, expected) in [
            ("rooms.localhost", Some(Service::Rooms)),
            ("rooms.example.org", Some(Service::Rooms)),
            ("upload.localhost", Some(Service::Upload)),
            // A domain with accounts of its own.
            ("upload.example.org", None),
            // Not offered, not ours, and no service at all.
            ("pubsub.localhost", None),
            ("rooms.example.com", None),
            ("other.localhost", None),
            ("localhost", None),
        ] {
            assert_eq!(world.chat.service(domain), expected, "{domain}");
        }
        assert!(world.chat.is_ours("rooms.localhost") && world.chat.is_ours("localhost"));
        assert!(!world.chat.is_ours("example.com"));
    }
}
