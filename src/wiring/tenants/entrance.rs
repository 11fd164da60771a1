//! The way between a provider network and a tenant's table: a device in the table, and a port of the provider bridge.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::{devices, mtu, names};
use crate::exposure::{Entry, Layer, ProviderNetwork, Tenant, TenantGateway};
use crate::mac::MacAddr;
use crate::reconcile::object::{EtherType, Flow, FlowOutput, FlowSource, Link, LinkKind, Route};
use crate::reconcile::ownership::{FLOW_COOKIE, TENANT_FLOW_COOKIE};
use crate::reconcile::{Key, Value};
use crate::wiring::underlay::{self, FLOW_PRIORITY};
use crate::wiring::{Facts, Pending};

/// Priority of the flows that lead gateways' packets into their table, the Python agent's and ours.
const GATEWAY_FLOW_PRIORITY: u16 = 1000;

/// OpenFlow numbers ports from 1. A flow on port 0 never exists: an advert that requires one waits.
const NO_PORT: u32 = 0;

/// The way between a provider network and a tenant's table.
pub(super) struct Entrance<'a> {
    tenant: &'a Tenant,
    network: &'a ProviderNetwork,
    facts: &'a Facts,
    /// In the table.
    pub(super) dev: Arc<str>,
    /// On the provider bridge; the same as `dev` if Open vSwitch makes it.
    port: Arc<str>,
    /// The hardware address of `dev`; `None` as long as it is not known, or does not matter.
    mac: Option<MacAddr>,
}

impl<'a> Entrance<'a> {
    pub(super) fn new(tenant: &'a Tenant, network: &'a ProviderNetwork, facts: &'a Facts) -> Self {
        let vni = tenant.vni;
        let vlan = network.attachment.vlan;
        let observed = |dev: &Arc<str>| facts.tenancy.macs.get(dev).copied();
        let (dev, port, mac) = match (tenant.entry, vlan) {
            (Entry::PerNetwork, _) => {
                let (dev, port) = names::pair_of_network(network.localnet);
                let routed = tenant.layer == Layer::Routed;
                let mac = routed.then(|| names::anycast_mac(vni, vlan));
                (dev, port, mac)
            }
            (Entry::PerGateway, None) => {
                let (dev, port) = names::pair_of_gateways(vni);
                let derived = || {
                    let vtep = facts.tenancy.vtep?;
                    Some(names::gateways_mac(vtep, vni))
                };
                let mac = observed(&dev).or_else(derived);
                (dev, port, mac)
            }
            (Entry::PerGateway, Some(_)) => {
                let dev = names::vlan_port(vni);
                let mac = observed(&dev);
                (Arc::clone(&dev), dev, mac)
            }
        };
        Self {
            tenant,
            network,
            facts,
            dev,
            port,
            mac,
        }
    }

    /// Its devices and everything on them that no single exposure is the reason of. `occupied` tells which addresses
    /// OVN has a port for here: the kernel must not take them.
    pub(super) fn objects(&self, occupied: impl Fn(IpAddr) -> bool) -> Vec<(Key, Value)> {
        let mut objects = self.devices();
        match (self.tenant.entry, self.tenant.layer) {
            (_, Layer::Bridged) => objects.push(devices::bridge_port(&self.dev, false)),
            (Entry::PerNetwork, Layer::Routed) => {
                objects.extend(self.forwarding());
                objects.extend(self.answering(occupied));
                objects.extend(self.rewriting());
            }
            (Entry::PerGateway, Layer::Routed) => {
                objects.extend(self.forwarding());
                if self.is_internal() {
                    objects.push(sysctl("ipv6", &self.dev, "proxy_ndp"));
                }
                let gateways = self.network.gateways.values();
                let proxied = gateways.clone().flat_map(|g| g.proxied.iter().copied());
                let proxied: BTreeSet<Ipv6Addr> = proxied.collect();
                objects.extend(proxied.into_iter().map(|address| self.proxy(address)));
                for gateway in gateways {
                    objects.extend(self.gateway(gateway));
                }
            }
        }
        objects
    }

    /// What of it must be in place before anything is advertised that is reached through it.
    pub(super) fn requires(&self) -> impl Iterator<Item = Key> {
        self.devices().into_iter().map(|(key, _)| key)
    }

    /// The flow that must be in place before `prefix`, of subnet `source` behind the gateway with this MAC, is advertised;
    /// `None` where frames are bridged, and no flow is needed.
    pub(super) fn required_flow(
        &self,
        prefix: IpNet,
        source: Option<(MacAddr, IpNet)>,
    ) -> Option<Key> {
        match (self.tenant.layer, self.tenant.entry) {
            (Layer::Bridged, _) => None,
            (Layer::Routed, Entry::PerNetwork) => Some(self.flow(family(prefix), None)),
            (Layer::Routed, Entry::PerGateway) => {
                let (mac, network) = source?;
                let network = network.trunc();
                Some(self.flow(family(prefix), Some(FlowSource { mac, network })))
            }
        }
    }

    /// Neighbour solicitations for a gateway of ports are answered. Where tenants share a flat network the bridge's own
    /// interface does so, once for all of them.
    pub(super) fn proxy(&self, address: Ipv6Addr) -> (Key, Value) {
        let shared = self.tenant.entry == Entry::PerGateway && !self.is_internal();
        let dev = if shared {
            &self.network.attachment.bridge
        } else {
            &self.dev
        };
        let dev = Arc::clone(dev);
        (Key::Proxy { dev, address }, Value::Proxy {})
    }

    /// What everything that is reached through it waits for.
    pub(super) fn waits_for(&self) -> Option<Pending> {
        let attachment = &self.network.attachment;
        let bridge = Arc::clone(&attachment.bridge);
        if self.tenant.layer == Layer::Bridged {
            return None;
        }
        if self.patch_port().is_none() {
            let localnet = Arc::clone(&attachment.localnet);
            return Some(Pending::NoPatchPort { bridge, localnet });
        }
        let known = self.mac.is_some() && self.output().is_some();
        (self.tenant.entry == Entry::PerGateway && !known).then(|| Pending::NoPort {
            bridge,
            port: Arc::clone(&self.port),
        })
    }

    /// What IPv6 routers say on the network comes from here.
    pub(super) fn link_local(&self) -> Option<Ipv6Addr> {
        self.mac.map(names::anycast_link_local)
    }

    fn is_internal(&self) -> bool {
        self.dev == self.port
    }

    fn devices(&self) -> Vec<(Key, Value)> {
        let (dev, port) = (&self.dev, &self.port);
        let mut objects = Vec::new();
        if self.is_internal() {
            // Open vSwitch gives its own devices the MTU of the smallest port of the bridge, and insists.
            objects.push(link(dev, LinkKind::Foreign, None, None));
        } else {
            let mtu = mtu::of_device(self.network);
            let peer = Arc::clone(port);
            objects.push(link(dev, LinkKind::Veth { peer }, self.mac, mtu));
            let mtu = mtu::of_port(self.network);
            objects.push(link(port, LinkKind::Foreign, None, mtu));
        }
        let master = match self.tenant.layer {
            Layer::Routed => names::vrf(self.tenant.vni),
            Layer::Bridged => names::bridge(self.tenant.vni),
        };
        let dev = Arc::clone(dev);
        objects.push((Key::Master { dev }, Value::Master { master }));
        let attachment = &self.network.attachment;
        let key = Key::SwitchPort {
            bridge: Arc::clone(&attachment.bridge),
            port: Arc::clone(port),
        };
        let value = Value::SwitchPort {
            tag: attachment.vlan,
            internal: self.is_internal(),
        };
        objects.push((key, value));
        objects
    }

    fn forwarding(&self) -> [(Key, Value); 2] {
        ["ipv4", "ipv6"].map(|family| sysctl(family, &self.dev, "forwarding"))
    }

    /// The kernel is the network's router, the same on every node: it answers for the ports' gateways, and for what is
    /// routed elsewhere.
    fn answering(&self, occupied: impl Fn(IpAddr) -> bool) -> Vec<(Key, Value)> {
        let vlan = self.network.attachment.vlan.unwrap_or(0);
        let mut objects = Vec::new();
        // All nodes of the network have the same addresses: none may look for duplicates (RFC 4862 §5.4).
        let key = Key::Sysctl {
            path: format!("net/ipv6/conf/{}/accept_dad", self.dev).into(),
        };
        let value = Value::Sysctl { value: "0".into() };
        objects.push((key, value));
        underlay::answering(&self.dev, vlan, vlan, &mut objects);
        let routers = self.network.routers.iter().copied();
        let routers = routers.filter(|router| !occupied(*router)).map(IpNet::from);
        let link_local = self.link_local().map(|address| {
            // A link-local prefix is 64 bits long (RFC 4291 §2.5.6), which is in range.
            IpNet::new(address.into(), 64).unwrap_or_else(|_| IpNet::from(IpAddr::V6(address)))
        });
        for address in routers.chain(link_local) {
            let dev = Arc::clone(&self.dev);
            objects.push((Key::Address { dev, address }, Value::Address {}));
        }
        objects
    }

    /// What OVN sends out of the network goes to the kernel.
    fn rewriting(&self) -> Vec<(Key, Value)> {
        let Some(set_eth_dst) = self.mac.filter(|_| self.patch_port().is_some()) else {
            return Vec::new();
        };
        let flow = |ether_type| {
            let flow = Flow {
                cookie: FLOW_COOKIE,
                set_eth_dst,
                output: None,
            };
            (self.flow(ether_type, None), Value::Flow(flow))
        };
        [EtherType::Ipv4, EtherType::Ipv6].map(flow).into()
    }

    /// Routes to a gateway and to the subnets behind it, and the flows that lead packets of those into the table.
    fn gateway(&self, gateway: &TenantGateway) -> Vec<(Key, Value)> {
        let mut objects = Vec::new();
        let TenantGateway { mac, .. } = *gateway;
        for &address in &gateway.addresses {
            objects.push(self.route(IpNet::from(address), None));
            objects.push(neighbour(&self.dev, address, mac));
        }
        for (&subnet, &via) in &gateway.subnets {
            objects.push(self.route(subnet, Some(via)));
            objects.extend(self.entering(mac, subnet));
        }
        for address in self.next_routers(gateway) {
            objects.extend(self.being(address));
            objects.extend(self.asking(mac, address));
        }
        objects
    }

    /// The addresses by which this node is the gateway's next router.
    pub(super) fn next_routers(&self, gateway: &TenantGateway) -> BTreeSet<IpAddr> {
        let vtep = self.facts.tenancy.vtep;
        let nets = gateway.learning.iter();
        let next = nets.filter_map(|net| names::next_router(*net, vtep?, self.tenant.vni));
        next.collect()
    }

    /// The kernel has the address here.
    fn being(&self, address: IpAddr) -> Option<(Key, Value)> {
        let length = if address.is_ipv4() { 32 } else { 64 };
        let dev = Arc::clone(&self.dev);
        let address = IpNet::new(address, length).ok()?;
        Some((Key::Address { dev, address }, Value::Address {}))
    }

    /// Who asks for it asks this entrance alone: with IPv4 other nodes and tenants may have the same address on the network,
    /// and must not answer. IPv6 addresses are told apart; but OVN (25.03) sends solicitations for the next router of what
    /// it has learned to the group of the packet's destination, where nobody listens.
    fn asking(&self, mac: MacAddr, address: IpAddr) -> Option<(Key, Value)> {
        let network = IpNet::from(address);
        let ether_type = match address {
            IpAddr::V4(_) => EtherType::Arp,
            IpAddr::V6(_) => EtherType::Nd,
        };
        let key = self.flow(ether_type, Some(FlowSource { mac, network }));
        Some((key, Value::Flow(self.inwards()?)))
    }

    fn entering(&self, mac: MacAddr, subnet: IpNet) -> Option<(Key, Value)> {
        let network = subnet.trunc();
        let key = self.flow(family(network), Some(FlowSource { mac, network }));
        Some((key, Value::Flow(self.inwards()?)))
    }

    /// What comes from OVN goes to the device in the table, once the numbers of the ports are known.
    fn inwards(&self) -> Option<Flow> {
        self.patch_port()?;
        Some(Flow {
            cookie: TENANT_FLOW_COOKIE,
            set_eth_dst: self.mac?,
            output: Some(FlowOutput {
                port: self.output()?,
                strip_vlan: self.network.attachment.vlan.is_some(),
            }),
        })
    }

    /// A route of the table that leads here.
    pub(super) fn route(&self, prefix: IpNet, via: Option<IpAddr>) -> (Key, Value) {
        let key = Key::Route {
            table: self.tenant.vni,
            prefix: prefix.trunc(),
        };
        let route = Route::new(Arc::clone(&self.dev), via);
        (key, Value::Route(route))
    }

    fn flow(&self, ether_type: EtherType, source: Option<FlowSource>) -> Key {
        Key::Flow {
            bridge: Arc::clone(&self.network.attachment.bridge),
            priority: match source {
                None => FLOW_PRIORITY,
                Some(_) => GATEWAY_FLOW_PRIORITY,
            },
            in_port: self.patch_port().unwrap_or(NO_PORT),
            ether_type,
            source,
        }
    }

    fn patch_port(&self) -> Option<u32> {
        let attachment = &self.network.attachment;
        let bridge = self.facts.bridges.get(&attachment.bridge)?;
        bridge.ofport(&attachment.localnet)
    }

    /// The OpenFlow number of its own port.
    fn output(&self) -> Option<u32> {
        self.facts.tenancy.ports.get(&self.port).copied()
    }
}

/// A device that is to be up.
pub(super) fn link(
    name: &Arc<str>,
    kind: LinkKind,
    mac: Option<MacAddr>,
    mtu: Option<u32>,
) -> (Key, Value) {
    let name = Arc::clone(name);
    let link = Link {
        mac,
        mtu,
        ..Link::up(kind)
    };
    (Key::Link { name }, Value::Link(link))
}

/// A permanent neighbour.
pub(super) fn neighbour(dev: &Arc<str>, address: IpAddr, mac: MacAddr) -> (Key, Value) {
    let dev = Arc::clone(dev);
    (Key::Neighbour { dev, address }, Value::Neighbour { mac })
}

/// A sysctl of a device that is to be on.
pub(super) fn sysctl(family: &str, dev: &str, name: &str) -> (Key, Value) {
    let path = format!("net/{family}/conf/{dev}/{name}").into();
    let value = Value::Sysctl { value: "1".into() };
    (Key::Sysctl { path }, value)
}

fn family(prefix: IpNet) -> EtherType {
    match prefix {
        IpNet::V4(_) => EtherType::Ipv4,
        IpNet::V6(_) => EtherType::Ipv6,
    }
}
