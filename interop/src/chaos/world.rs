//! What Neutron believes, and what the fabric should then know: the rules of the drivers once more, in the plainest words, so that the
//! agent's own cannot hide a mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Tenants;
use crate::cloud::Driver;
use crate::cloud::objects::{Balancer, Fip, Gateway, Network, Port, Router};

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

/// A load balancer, behind a router or on a provider network alone.
#[derive(Clone, Debug)]
pub(super) struct Balanced {
    pub(super) balancer: Balancer,
    pub(super) router: Option<Router>,
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

/// An address that VMs take in turns.
#[derive(Clone, Debug)]
pub(super) struct Virtual {
    pub(super) port: Port,
    /// Who may take it.
    pub(super) parents: Vec<Port>,
    /// Who took it last, if nothing has happened to that VM since.
    pub(super) taken_by: Option<Port>,
}

/// What the agents are told to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) driver: Driver,
    pub(super) tenants: Tenants,
    /// How many nodes there are.
    pub(super) nodes: usize,
}

/// Where OVN has put what it places by itself: the numbers of nodes, by the ids of routers and of virtual ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) gateways: BTreeMap<String, usize>,
    /// The same, as northd copied it to Northbound.
    pub(super) copied: BTreeMap<String, usize>,
    pub(super) virtuals: BTreeMap<String, usize>,
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
    pub(super) virtuals: Vec<Virtual>,
    /// By the id of a network: whether its subnets, IPv4 and IPv6, are *not* in the address scopes that are exposed.
    pub(super) out_of_scope: BTreeMap<String, [bool; 2]>,
    pub(super) rules: Rules,
    /// How many ports there ever were: makes ids.
    pub(super) born: u16,
}

impl World {
    pub(super) fn new(public: Network, rules: Rules) -> Self {
        Self {
            public,
            networks: Vec::new(),
            joints: Vec::new(),
            guests: Vec::new(),
            balancers: Vec::new(),
            forwardings: Vec::new(),
            virtuals: Vec::new(),
            out_of_scope: BTreeMap::new(),
            rules,
            born: 0,
        }
    }

    pub(super) fn is_up(&self, guest: &Guest) -> bool {
        // SB has no word of `enabled`
        let sees_enabled = self.rules.driver != Driver::Southbound;
        guest.plugged && (guest.enabled || !sees_enabled)
    }

    /// Whether the IPv4 and the IPv6 subnet of a network may be exposed.
    pub(super) fn in_scope(&self, network: &Network) -> [bool; 2] {
        let out = self.out_of_scope.get(&network.id);
        out.copied().unwrap_or_default().map(|out| !out)
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
        let balanced =
            |b: &Balanced| b.balancer.vip.network == *network || b.balancer.on == *network;
        self.guests.iter().any(guest)
            || self.balancers.iter().any(balanced)
            || self.forwardings.iter().any(|f| f.inside == *network)
    }

    /// Whether a virtual port is on this network.
    pub(super) fn has_virtual(&self, network: &Network) -> bool {
        self.virtuals.iter().any(|v| v.port.network == *network)
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
        let mut ports = ports.chain(self.virtuals.iter().map(|v| &v.port));
        ports.any(|port| port.network == *network && port.host == host)
    }

    /// Something happened to a VM or to these VMs: what they had taken is free.
    pub(super) fn free_of(&mut self, gone: impl Fn(&Guest) -> bool) {
        let guests = self.guests.iter().filter(|guest| gone(guest));
        let gone: BTreeSet<_> = guests.map(|guest| guest.port.id.clone()).collect();
        for shared in &mut self.virtuals {
            shared.taken_by = shared
                .taken_by
                .take()
                .filter(|port| !gone.contains(&port.id));
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} networks, {} routers, {} VMs, {} floating IPs, {} load balancers, {} forwardings, {} virtual ports",
            self.networks.len() + 1,
            self.joints.len(),
            self.guests.len(),
            self.fips().count(),
            self.balancers.len(),
            self.forwardings.len(),
            self.virtuals.len()
        )
    }
}
