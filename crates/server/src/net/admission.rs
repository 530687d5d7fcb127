//! Who may connect: the number of connections in all and from one address, and of those not signed in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Limits, Pacer, Pacing};

/// Counts connections against the limits. One for all listeners; cheap to clone.
#[derive(Clone)]
pub struct Admission {
    state: Arc<Mutex<State>>,
    pacing: Pacing,
}

struct State {
    limits: Arc<Limits>,
    all: Count,
    by_address: HashMap<IpAddr, Count>,
}

#[derive(Default, Clone, Copy)]
struct Count {
    connections: usize,
    unauthenticated: usize,
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `limits.connections`
    #[error("limits.connections is reached")]
    Connections,
    /// `limits.connections_per_address`
    #[error("limits.connections_per_address is reached")]
    ConnectionsPerAddress,
    /// `limits.unauthenticated`
    #[error("limits.unauthenticated is reached")]
    Unauthenticated,
    /// `limits.unauthenticated_per_address`
    #[error("limits.unauthenticated_per_address is reached")]
    UnauthenticatedPerAddress,
}

/// The place of one connection. Dropping it gives the place back.
pub struct Permit {
    admission: Admission,
    /// Whose place it is; `None` while that is not known.
    address: Option<IpAddr>,
    authenticated: bool,
}

impl Admission {
    /// Counts against these limits.
    pub fn new(limits: &Limits) -> Self {
        let state =
            State { limits: Arc::new(limits.clone()), all: Count::default(), by_address: HashMap::new() };
        Self { state: Arc::new(Mutex::new(state)), pacing: Pacing::new(limits) }
    }

    /// Puts new limits in force. Connections that are already there stay.
    pub fn set_limits(&self, limits: &Limits) {
        self.lock().limits = Arc::new(limits.clone());
        self.pacing.set_limits(limits);
    }

    /// The limits in force.
    pub fn limits(&self) -> Arc<Limits> {
        self.lock().limits.clone()
    }

    /// Admits a connection that has not signed in, or says which limit is reached.
    pub fn admit(&self, address: IpAddr) -> Result<Permit, Refusal> {
        let mut permit = self.admit_unknown()?;
        permit.belongs_to(address)?;
        Ok(permit)
    }

    /// Admits a connection of which it is not known yet whose it is, such as one from a balancer.
    pub fn admit_unknown(&self) -> Result<Permit, Refusal> {
        let mut state = self.lock();
        let State { limits, all, .. } = &mut *state;
        if all.connections >= limits.connections {
            return Err(Refusal::Connections);
        }
        if all.unauthenticated >= limits.unauthenticated {
            return Err(Refusal::Unauthenticated);
        }
        all.connections += 1;
        all.unauthenticated += 1;
        Ok(Permit { admission: self.clone(), address: None, authenticated: false })
    }

    /// Connections, and those among them that have not signed in.
    pub fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.all.connections, state.all.unauthenticated)
    }

    /// How many steps of signing in wait for their turn.
    pub fn sign_ins_waiting(&self) -> usize {
        self.pacing.waiting()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The counts are whole after every statement; a panic elsewhere cannot have left them half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Counts a connection that nobody's was known to be to this address, or says which limit is reached there. Of one
    /// whose address is known already nothing changes.
    pub fn belongs_to(&mut self, address: IpAddr) -> Result<(), Refusal> {
        if self.address.is_some() {
            return Ok(());
        }
        let address = network_of(address);
        let unauthenticated = usize::from(!self.authenticated);
        let mut state = self.admission.lock();
        let State { limits, by_address, .. } = &mut *state;
        let here = by_address.get(&address).copied().unwrap_or_default();
        if here.connections >= limits.connections_per_address {
            return Err(Refusal::ConnectionsPerAddress);
        }
        if here.unauthenticated + unauthenticated > limits.unauthenticated_per_address {
            return Err(Refusal::UnauthenticatedPerAddress);
        }
        let here = by_address.entry(address).or_default();
        here.connections += 1;
        here.unauthenticated += unauthenticated;
        drop(state);
        self.address = Some(address);
        Ok(())
    }

    /// Where the connection stands in line to sign in. Those of whom nothing is known stand there as one.
    pub fn pacer(&self) -> Pacer {
        let network = self.address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        Pacer { pacing: self.admission.pacing.clone(), network }
    }

    /// Records that the connection has signed in: it no longer counts as unauthenticated.
    pub fn authenticated(&mut self) {
        if !self.authenticated {
            self.authenticated = true;
            self.release(|count| count.unauthenticated -= 1);
        }
    }

    fn release(&self, change: impl Fn(&mut Count)) {
        let mut state = self.admission.lock();
        change(&mut state.all);
        if let Some(address) = self.address
            && let Some(count) = state.by_address.get_mut(&address)
        {
            change(count);
            if count.connections == 0 {
                state.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let unauthenticated = usize::from(!self.authenticated);
        self.release(|count| {
            count.connections -= 1;
            count.unauthenticated -= unauthenticated;
        });
    }
}

/// What counts as one address: a host has a whole /64 of IPv6 addresses to choose from, so they count together.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let s = v6.segments();
                IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            connections: 4,
            connections_per_address: 3,
            unauthenticated: 3,
            unauthenticated_per_address: 2,
            ..Limits::default()
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn each_limit_refuses_by_its_own_name() {
        let admission = Admission::new(&limits());
        let (one, two) = (address("192.0.2.1"), address("192.0.2.2"));
        let mut a = admission.admit(one).expect("first");
        let mut b = admission.admit(one).expect("second");
        assert_eq!(admission.admit(one).err(), Some(Refusal::UnauthenticatedPerAddress));
        a.authenticated();
        b.authenticated();
        b.authenticated();
        let _c = admission.admit(one).expect("third, since two have signed in");
        assert_eq!(admission.admit(one).err(), Some(Refusal::ConnectionsPerAddress));
        let _d = admission.admit(two).expect("another address");
        assert_eq!(admission.admit(two).err(), Some(Refusal::Connections));
        assert_eq!(admission.counts(), (4, 2));
    }

    #[test]
    fn a_dropped_permit_gives_its_place_back_and_nothing_is_kept() {
        let admission = Admission::new(&limits());
        for round in 0..1_000 {
            let mut permit = admission.admit(address("192.0.2.1")).expect("the place is free again");
            if round % 2 == 0 {
                permit.authenticated();
            }
        }
        assert_eq!(admission.counts(), (0, 0));
        assert!(admission.lock().by_address.is_empty());
    }

    #[test]
    fn a_connection_counts_to_its_address_once_that_is_known() {
        let admission = Admission::new(&limits());
        let mut behind = admission.admit_unknown().expect("somebody behind a balancer");
        let _other = admission.admit_unknown().expect("another");
        assert!(admission.lock().by_address.is_empty());
        behind.authenticated();
        let _first = admission.admit(address("192.0.2.1")).expect("first");
        assert_eq!(behind.belongs_to(address("192.0.2.1")), Ok(()));
        assert_eq!(behind.belongs_to(address("192.0.2.2")), Ok(()), "which changes nothing");
        assert_eq!(admission.lock().by_address.len(), 1);
        let _second = admission.admit(address("192.0.2.1")).expect("two have not signed in");
        assert_eq!(admission.counts(), (4, 3));
        assert_eq!(admission.admit_unknown().err(), Some(Refusal::Connections));
        drop((behind, _first, _second));
        assert_eq!(admission.counts(), (1, 1));
        assert!(admission.lock().by_address.is_empty());
    }

    #[test]
    fn ipv6_counts_by_network_and_mapped_ipv4_as_ipv4() {
        let admission = Admission::new(&limits());
        let _a = admission.admit(address("2001:db8::1")).expect("first");
        let _b = admission.admit(address("2001:db8::2")).expect("second");
        assert_eq!(admission.admit(address("2001:db8::3")).err(), Some(Refusal::UnauthenticatedPerAddress));
        assert_eq!(network_of(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
