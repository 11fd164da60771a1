//! What the fabric should know of a world.

use std::collections::{BTreeMap, BTreeSet};

use super::Tenants;
use super::world::{Balanced, Joint, Placed, Virtual, World};
use crate::cloud::Driver;
use crate::cloud::objects::{Gateway, Network, host_prefix};

/// Every prefix that should be told.
pub(super) type Expected = BTreeMap<String, Told>;

/// What should be told of a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The numbers of the nodes that tell it: one, but in a stretched layer 2, where all do.
    pub(super) by: BTreeSet<usize>,
    /// The next hops that will do, where it is not the node.
    pub(super) hops: BTreeSet<String>,
    /// The destination of the rule that steers its traffic into OVN, where it is steered.
    pub(super) rule: Option<String>,
}

impl World {
    /// What should be told, and by whom.
    pub(super) fn expected(&self, placed: &Placed) -> Expected {
        let mut expected = Expected::new();
        for joint in &self.joints {
            let node = placed.gateways.get(&joint.router.id);
            if let (Some(gateway), Some(node)) = (&joint.gateway, node) {
                match self.rules.driver {
                    Driver::StretchedL2 => self.stretch(joint, gateway, &mut expected),
                    _ => self.expect_behind(joint, gateway, *node, placed, &mut expected),
                }
            }
        }
        if self.rules.driver != Driver::StretchedL2 {
            self.expect_on_nodes(placed, &mut expected);
        }
        expected
    }

    /// What is where a VM is: its addresses on provider networks, its floating IP, and what it has taken or answers for.
    fn expect_on_nodes(&self, placed: &Placed, expected: &mut Expected) {
        for guest in self.guests.iter().filter(|guest| self.is_up(guest)) {
            if guest.port.network.is_provider() {
                for address in [guest.port.v4(), guest.port.v6()] {
                    host(&address, guest.node, expected);
                }
            }
            if let Some(fip) = &guest.fip {
                host(&fip.address, guest.node, expected);
            }
        }
        let provider = |v: &&Virtual| v.port.network.is_provider();
        for shared in self.virtuals.iter().filter(provider) {
            if let Some(node) = placed.virtuals.get(&shared.port.id) {
                host(&shared.port.v4(), *node, expected);
            }
        }
        let alone = |b: &&Balanced| b.router.is_none() && b.enabled;
        for balanced in self.balancers.iter().filter(alone) {
            let [member] = &balanced.balancer.members[..] else {
                continue;
            };
            let mut guests = self.guests.iter().filter(|guest| self.is_up(guest));
            if let Some(guest) = guests.find(|guest| guest.port.v4() == *member) {
                host(&balanced.balancer.vip.v4(), guest.node, expected);
            }
        }
    }

    /// What is where the gateway is: its addresses, the tenants behind it, VIPs and what is forwarded.
    fn expect_behind(
        &self,
        joint: &Joint,
        gateway: &Gateway,
        node: usize,
        placed: &Placed,
        expected: &mut Expected,
    ) {
        for address in [
            gateway.network.v4(gateway.host),
            gateway.network.v6(gateway.host),
        ] {
            host(&address, node, expected);
        }
        for network in &joint.inside {
            match self.rules.tenants {
                Tenants::Subnets => {
                    for subnet in network.subnets() {
                        let rule = subnet.clone();
                        tell(subnet, node, rule, expected);
                    }
                }
                Tenants::Hosts | Tenants::Scopes => {
                    self.expect_tenants(joint, network, node, placed, expected);
                }
            }
        }
        for balanced in self.balancers.iter().filter(|b| b.is_behind(joint)) {
            if balanced.enabled && balanced.balancer.vip.network == gateway.network {
                host(&balanced.balancer.vip.v4(), node, expected);
            }
            for fip in balanced.fip.iter() {
                host(&fip.address, node, expected);
            }
        }
        for forwarded in self.forwardings.iter().filter(|f| f.router == joint.router) {
            host(&forwarded.fip.address, node, expected);
        }
    }

    /// Hosts of one network behind a gateway.
    fn expect_tenants(
        &self,
        joint: &Joint,
        network: &Network,
        node: usize,
        placed: &Placed,
        expected: &mut Expected,
    ) {
        let guests = self.guests.iter().filter(|guest| self.is_up(guest));
        let guests = guests.map(|guest| &guest.port);
        let guests: Vec<_> = guests.filter(|port| port.network == *network).collect();
        let vips = self.balancers.iter().filter(|b| b.enabled);
        let vips = vips.filter(|b| b.is_behind(joint)).map(|b| &b.balancer.vip);
        let taken = self.virtuals.iter().map(|v| &v.port);
        let taken = taken.filter(|port| placed.virtuals.contains_key(&port.id));
        let only_v4 = vips.chain(taken).filter(|port| port.network == *network);

        let [v4, v6] = self.in_scope(network);
        let [rule4, rule6] = network.subnets();
        if v4 {
            for port in guests.iter().copied().chain(only_v4) {
                tell(host_prefix(&port.v4()), node, rule4.clone(), expected);
            }
        }
        if v6 {
            for port in guests {
                tell(host_prefix(&port.v6()), node, rule6.clone(), expected);
            }
        }
    }

    /// The networks behind a gateway that somebody hosts, and the gateway's own: by every node, with the gateway as next hop.
    fn stretch(&self, joint: &Joint, gateway: &Gateway, expected: &mut Expected) {
        let outside = &gateway.network;
        let hops = [outside.v4(gateway.host), outside.v6(gateway.host)];
        for (family, hop) in hops.into_iter().enumerate() {
            let admitted = |network: &Network| self.in_scope(network)[family];
            if !admitted(outside) {
                continue;
            }
            let behind: Vec<_> = joint.inside.iter().filter(|n| admitted(n)).collect();
            let own = (!behind.is_empty()).then_some(outside);
            for network in behind.into_iter().chain(own) {
                let [v4, v6] = network.subnets();
                let subnet = if family == 0 { v4 } else { v6 };
                let told = expected.entry(subnet).or_default();
                told.by = (0..self.rules.nodes).collect();
                told.hops.insert(hop.clone());
            }
        }
    }
}

impl Balanced {
    fn is_behind(&self, joint: &Joint) -> bool {
        self.router.as_ref() == Some(&joint.router)
    }
}

/// An address on a provider network: it is steered by itself.
fn host(address: &str, node: usize, expected: &mut Expected) {
    let prefix = host_prefix(address);
    tell(prefix.clone(), node, prefix, expected);
}

/// The last one counts: no address has two places.
fn tell(prefix: String, node: usize, rule: String, expected: &mut Expected) {
    let told = Told {
        by: BTreeSet::from([node]),
        hops: BTreeSet::new(),
        rule: Some(rule),
    };
    expected.insert(prefix, told);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::world::{Guest, Rules};
    use crate::cloud::objects::{Balancer, Fip, Port, Router};

    fn world(driver: Driver, tenants: Tenants) -> World {
        let (public, tenant) = (Network::provider(1, "physnet1"), Network::tenant(8));
        let rules = Rules {
            driver,
            tenants,
            nodes: 3,
        };
        let mut world = World::new(public.clone(), rules);
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
        world.guests.push(guest(&tenant, 10, 2));
        world.guests[0].fip = Some(Fip::new(&public, 150));
        world
    }

    fn guest(network: &Network, host: u8, node: usize) -> Guest {
        Guest {
            port: Port::new(network, host),
            node,
            plugged: true,
            enabled: true,
            fip: None,
        }
    }

    fn gateway_on(node: usize) -> Placed {
        Placed {
            gateways: BTreeMap::from([(Router::new(1).id, node)]),
            ..Placed::default()
        }
    }

    fn place(expected: &Expected, prefix: &str) -> Option<usize> {
        let told = expected.get(prefix)?;
        told.by.first().copied()
    }

    #[test]
    fn what_is_behind_a_gateway_is_where_the_gateway_is_and_a_fip_where_its_vm_is() {
        let world = world(Driver::Northbound, Tenants::Hosts);
        let expected = world.expected(&gateway_on(1));
        assert_eq!(place(&expected, "172.24.4.40/32"), Some(1));
        assert_eq!(place(&expected, "10.10.8.10/32"), Some(1));
        assert_eq!(place(&expected, "172.24.4.150/32"), Some(2));
        let rule = expected["10.10.8.10/32"].rule.as_deref();
        assert_eq!(rule, Some("10.10.8.0/24"));
        let nowhere = world.expected(&Placed::default());
        assert_eq!(nowhere.len(), 1, "only the floating IP needs no gateway");
    }

    #[test]
    fn subnets_are_there_instead_of_hosts_and_scopes_hide_one_family() {
        let subnets = world(Driver::Northbound, Tenants::Subnets);
        let expected = subnets.expected(&gateway_on(0));
        assert_eq!(place(&expected, "10.10.8.0/24"), Some(0));
        assert!(!expected.contains_key("10.10.8.10/32"));

        let mut scopes = world(Driver::Southbound, Tenants::Scopes);
        let tenant = Network::tenant(8).id;
        scopes.out_of_scope.insert(tenant, [true, false]);
        let expected = scopes.expected(&gateway_on(0));
        assert!(!expected.contains_key("10.10.8.10/32"));
        assert_eq!(place(&expected, "2a05:d014:aa:8::a/128"), Some(0));
    }

    #[test]
    fn a_stretched_layer_2_is_told_by_every_node_with_the_gateways_address() {
        let mut world = world(Driver::StretchedL2, Tenants::Scopes);
        let prefixes = |world: &World| -> Vec<String> {
            let expected = world.expected(&gateway_on(0));
            assert!(expected.values().all(|told| told.by.len() == 3));
            expected.into_keys().collect()
        };
        let all = [
            "10.10.8.0/24",
            "172.24.4.0/24",
            "2001:db8:100::/64",
            "2a05:d014:aa:8::/64",
        ];
        assert_eq!(prefixes(&world), all);
        let public = world.public.id.clone();
        world.out_of_scope.insert(public, [true, false]);
        assert_eq!(prefixes(&world), all[2..]);
        assert!(world.expected(&Placed::default()).is_empty());
    }

    #[test]
    fn a_vip_without_router_is_where_its_one_member_is_and_a_virtual_port_where_it_was_taken() {
        let mut world = world(Driver::Northbound, Tenants::Hosts);
        let member = guest(&world.public, 11, 2);
        let balancer = Balancer::new(&world.public, 202, &[&member.port]);
        world.guests.push(member);
        world.balancers.push(Balanced {
            balancer,
            router: None,
            enabled: true,
            fip: None,
        });
        let shared = Port::new(&world.public, 210);
        world.virtuals.push(Virtual {
            port: shared.clone(),
            parents: Vec::new(),
            taken_by: None,
        });
        let mut placed = gateway_on(1);
        let expected = world.expected(&placed);
        assert_eq!(place(&expected, "172.24.4.202/32"), Some(2));
        assert_eq!(place(&expected, "172.24.4.210/32"), None);
        placed.virtuals.insert(shared.id, 0);
        assert_eq!(place(&world.expected(&placed), "172.24.4.210/32"), Some(0));
        world.guests[1].plugged = false;
        assert_eq!(place(&world.expected(&placed), "172.24.4.202/32"), None);
    }
}
