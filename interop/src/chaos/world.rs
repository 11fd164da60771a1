//! What Neutron believes, and what the fabric should then know: the rules of the drivers once more, in the plainest words, so that the
//! agent's own cannot hide a mistake.

use std::collections::BTreeMap;
use std::fmt;

use crate::cloud::objects::{Balancer, Fip, Gateway, Network, Port, Router, host_prefix};

/// A VM's port.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) port: Port,
    /// The number of its node.
    pub(super) node: usize,
    pub(super) plugged: bool,
    pub(super) enabled: bool,
    pub(super) fip: Option<Fip>,
}

/// A router with what it joins.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    pub(super) router: Router,
    pub(super) gateway: Option<Gateway>,
    pub(super) inside: Vec<Network>,
}

/// A load balancer behind a router.
#[derive(Clone, Debug)]
pub(super) struct Balanced {
    pub(super) balancer: Balancer,
    pub(super) router: Router,
    pub(super) enabled: bool,
    pub(super) fip: Option<Fip>,
}

/// Ports of a floating IP that are forwarded, of one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forwarded {
    pub(super) fip: Fip,
    pub(super) protocol: &'static str,
    pub(super) router: Router,
    pub(super) inside: Network,
    pub(super) target: String,
}

/// The whole cloud.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// The network of gateways and floating IPs; always there.
    pub(super) public: Network,
    /// Every other network.
    pub(super) networks: Vec<Network>,
    pub(super) joints: Vec<Joint>,
    pub(super) guests: Vec<Guest>,
    pub(super) balancers: Vec<Balanced>,
    pub(super) forwardings: Vec<Forwarded>,
    /// Whether the driver withholds ports with `enabled = false`.
    sees_enabled: bool,
    /// How many ports there ever were: makes ids.
    pub(super) born: u16,
}

impl World {
    pub(super) fn new(public: Network, sees_enabled: bool) -> Self {
        Self {
            public,
            sees_enabled,
            networks: Vec::new(),
            joints: Vec::new(),
            guests: Vec::new(),
            balancers: Vec::new(),
            forwardings: Vec::new(),
            born: 0,
        }
    }

    /// Which node has which prefix, if `hosting` tells where a router's gateway is.
    pub(super) fn expected(
        &self,
        hosting: impl Fn(&Router) -> Option<usize>,
    ) -> BTreeMap<String, usize> {
        let mut expected = BTreeMap::new();
        for joint in &self.joints {
            let Some(gateway) = &joint.gateway else {
                continue;
            };
            if let Some(node) = hosting(&joint.router) {
                self.expect_behind(joint, gateway, node, &mut expected);
            }
        }
        for guest in self.guests.iter().filter(|guest| self.is_up(guest)) {
            if guest.port.network.is_provider() {
                for address in [guest.port.v4(), guest.port.v6()] {
                    expected.insert(host_prefix(&address), guest.node);
                }
            }
            if let Some(fip) = &guest.fip {
                expected.insert(fip.prefix(), guest.node);
            }
        }
        expected
    }

    /// What is where the gateway is: its addresses, the tenants behind it, VIPs and what is forwarded.
    fn expect_behind(
        &self,
        joint: &Joint,
        gateway: &Gateway,
        node: usize,
        expected: &mut BTreeMap<String, usize>,
    ) {
        let mut addresses = vec![
            gateway.network.v4(gateway.host),
            gateway.network.v6(gateway.host),
        ];
        let inside =
            |guest: &&Guest| self.is_up(guest) && joint.inside.contains(&guest.port.network);
        for guest in self.guests.iter().filter(inside) {
            addresses.extend([guest.port.v4(), guest.port.v6()]);
        }
        for balanced in self.balancers.iter().filter(|b| b.router == joint.router) {
            if balanced.enabled {
                addresses.push(balanced.balancer.vip.v4());
            }
            addresses.extend(balanced.fip.iter().map(|fip| fip.address.clone()));
        }
        let forwarded = self.forwardings.iter().filter(|f| f.router == joint.router);
        addresses.extend(forwarded.map(|f| f.fip.address.clone()));
        expected.extend(addresses.iter().map(|address| (host_prefix(address), node)));
    }

    fn is_up(&self, guest: &Guest) -> bool {
        guest.plugged && (guest.enabled || !self.sees_enabled)
    }

    /// The router that a tenant network is behind.
    pub(super) fn joint_of(&self, network: &Network) -> Option<&Joint> {
        self.joints
            .iter()
            .find(|joint| joint.inside.contains(network))
    }

    /// Whether something needs the way from this network out: floating IPs, load balancers, forwarded ports.
    pub(super) fn needs_way(&self, network: &Network) -> bool {
        let guest = |guest: &Guest| guest.port.network == *network && guest.fip.is_some();
        self.guests.iter().any(guest)
            || self
                .balancers
                .iter()
                .any(|b| b.balancer.vip.network == *network)
            || self.forwardings.iter().any(|f| f.inside == *network)
    }

    /// Floating IPs in use.
    pub(super) fn fips(&self) -> impl Iterator<Item = &Fip> {
        let guests = self.guests.iter().filter_map(|guest| guest.fip.as_ref());
        let balancers = self.balancers.iter().filter_map(|b| b.fip.as_ref());
        let forwardings = self.forwardings.iter().map(|f| &f.fip);
        guests.chain(balancers).chain(forwardings)
    }

    /// Whether a network has this host already.
    pub(super) fn is_taken(&self, network: &Network, host: u8) -> bool {
        let vips = self.balancers.iter().map(|b| &b.balancer.vip);
        let ports = self.guests.iter().map(|guest| &guest.port).chain(vips);
        { ports }.any(|port| port.network == *network && port.host == host)
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} networks, {} routers, {} VMs, {} floating IPs, {} load balancers, {} forwardings",
            self.networks.len() + 1,
            self.joints.len(),
            self.guests.len(),
            self.fips().count(),
            self.balancers.len(),
            self.forwardings.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_gateway_is_where_the_gateway_is_and_a_fip_where_its_vm_is() {
        let (public, tenant) = (Network::provider(1, "physnet1"), Network::tenant(8));
        let mut world = World::new(public.clone(), true);
        world.joints.push(Joint {
            router: Router::new(1),
            gateway: Some(Gateway {
                network: public.clone(),
                host: 40,
                chassis: Vec::new(),
                snat: true,
            }),
            inside: vec![tenant.clone()],
        });
        world.guests.push(Guest {
            port: Port::new(&tenant, 10),
            node: 2,
            plugged: true,
            enabled: true,
            fip: Some(Fip::new(&public, 150)),
        });
        let expected = world.expected(|_| Some(1));
        let there = |prefix: &str| expected.get(prefix).copied();
        assert_eq!(there("172.24.4.40/32"), Some(1));
        assert_eq!(there("10.10.8.10/32"), Some(1));
        assert_eq!(there("172.24.4.150/32"), Some(2));
        let nowhere = world.expected(|_| None);
        assert_eq!(nowhere.len(), 1, "only the floating IP needs no gateway");
    }
}
