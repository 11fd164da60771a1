//! A route of EVPN as a peer told it, read once: what the tables ask of it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::rib::LearnedPath;
use crate::wire::PathAttributes;
use crate::wire::evpn::{EvpnCommunity, EvpnRoute, Mac, Mobility, RouteTarget, tunnel};

/// A route, and how it was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvpnPath {
    /// The route, with its labels.
    pub route: EvpnRoute,
    /// Who taught it, its VTEP, its attributes.
    pub learned: Arc<LearnedPath>,
    /// What its extended communities say.
    pub(super) says: Arc<Says>,
}

/// What the extended communities of routes say, once for all routes of an UPDATE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) targets: Vec<RouteTarget>,
    pub(super) router_mac: Option<Mac>,
    pub(super) mobility: Mobility,
    pub(super) gateway: bool,
    tunnels: Vec<u16>,
}

impl Says {
    pub(super) fn of(attributes: &PathAttributes) -> Self {
        let mut says = Self::default();
        let communities = attributes.extended_communities.iter().copied();
        for community in communities.filter_map(EvpnCommunity::read) {
            match community {
                EvpnCommunity::RouteTarget(target) => says.targets.push(target),
                // RFC 9135 §8.1 says nothing of a second one: the first counts, as everywhere.
                EvpnCommunity::RouterMac(mac) => {
                    says.router_mac.get_or_insert(mac);
                }
                EvpnCommunity::Mobility(mobility) => says.mobility = mobility,
                EvpnCommunity::DefaultGateway => says.gateway = true,
                EvpnCommunity::Encapsulation(kind) => says.tunnels.push(kind),
            }
        }
        says
    }

    /// RFC 8365 §5.1.3: VXLAN is among the tunnels offered. Who says nothing is believed to mean it: EVPN over MPLS does
    /// not reach a host.
    pub(super) fn offers_vxlan(&self) -> bool {
        self.tunnels.is_empty() || self.tunnels.contains(&tunnel::VXLAN)
    }
}

impl EvpnPath {
    pub(super) fn new(route: EvpnRoute, learned: Arc<LearnedPath>, says: Arc<Says>) -> Self {
        Self {
            route,
            learned,
            says,
        }
    }

    /// Where its traffic goes.
    #[must_use]
    pub fn vtep(&self) -> IpAddr {
        self.learned.next_hop_address()
    }

    /// Its route targets.
    #[must_use]
    pub fn targets(&self) -> &[RouteTarget] {
        &self.says.targets
    }

    /// The inner destination of what is routed there, if it was told.
    #[must_use]
    pub fn router_mac(&self) -> Option<Mac> {
        self.says.router_mac
    }

    /// How often its MAC address has moved.
    #[must_use]
    pub fn mobility(&self) -> Mobility {
        self.says.mobility
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ExtendedCommunity;

    fn says(communities: &[EvpnCommunity]) -> Says {
        let extended_communities = communities.iter().copied().map(ExtendedCommunity::from);
        Says::of(&PathAttributes {
            extended_communities: extended_communities.collect(),
            ..PathAttributes::default()
        })
    }

    #[test]
    fn only_who_offers_other_tunnels_alone_is_no_vtep() {
        use EvpnCommunity::Encapsulation;
        const MPLS: u16 = 10;
        assert!(says(&[]).offers_vxlan());
        assert!(says(&[Encapsulation(MPLS), Encapsulation(tunnel::VXLAN)]).offers_vxlan());
        assert!(!says(&[Encapsulation(MPLS)]).offers_vxlan());
    }

    #[test]
    fn the_first_router_mac_counts() {
        let macs = [1, 2].map(|last| EvpnCommunity::RouterMac(Mac([2, 0, 0, 0, 0, last])));
        assert_eq!(says(&macs).router_mac, Some(Mac([2, 0, 0, 0, 0, 1])));
    }
}
