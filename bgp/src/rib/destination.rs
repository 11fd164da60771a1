//! What routes lead to: the prefixes of unicast, the routes of EVPN. The RIB that faces the peers is the same for both.

use std::fmt::Debug;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::wire::evpn::{EvpnRoute, RouteDistinguisher};
use crate::wire::{Family, Nlri, pack};

/// What a route of ours leads to.
pub(crate) trait Destination: Copy + Debug + Eq + Hash + 'static {
    /// How an UPDATE names it.
    type Nlri: pack::Destination;

    /// Its family.
    fn family(&self) -> Family;

    /// What filters judge; `None` for what is no prefix.
    fn prefix(&self) -> Option<IpNet>;

    /// As an UPDATE names it.
    fn nlri(&self) -> Self::Nlri;

    /// The longest there is in a family.
    fn longest(family: Family) -> Self::Nlri;

    /// Octets that one takes, mostly.
    fn octets(family: Family) -> usize;
}

/// Prefixes of ours have no host bits set: [`crate::Speaker::originate`] sees to that.
impl Destination for IpNet {
    type Nlri = Nlri;

    fn family(&self) -> Family {
        Family::of(self)
    }

    fn prefix(&self) -> Option<IpNet> {
        Some(*self)
    }

    fn nlri(&self) -> Nlri {
        Nlri {
            prefix: *self,
            path_id: None,
        }
    }

    fn longest(family: Family) -> Nlri {
        let host = if family == Family::IPV6_UNICAST {
            IpAddr::from(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::from(Ipv4Addr::UNSPECIFIED)
        };
        Nlri {
            prefix: host.into(),
            path_id: None,
        }
    }

    fn octets(family: Family) -> usize {
        if family == Family::IPV6_UNICAST {
            17
        } else {
            5
        }
    }
}

/// With its labels: a route of ours whose label changed is withdrawn and told anew.
impl Destination for EvpnRoute {
    type Nlri = Self;

    fn family(&self) -> Family {
        Family::L2VPN_EVPN
    }

    fn prefix(&self) -> Option<IpNet> {
        self.about()
    }

    fn nlri(&self) -> Self {
        *self
    }

    fn longest(_: Family) -> Self {
        use crate::wire::evpn::{Esi, IpPrefix, Label};
        Self::IpPrefix(IpPrefix {
            rd: RouteDistinguisher([0; 8]),
            esi: Esi::SINGLE_HOMED,
            tag: 0,
            prefix: IpAddr::from(Ipv6Addr::UNSPECIFIED).into(),
            gateway: None,
            label: Label::default(),
        })
    }

    fn octets(_: Family) -> usize {
        39
    }
}
