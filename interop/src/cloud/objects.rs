//! What is in a cloud: networks, ports, routers, floating IPs and load balancers, by small numbers that make their ids,
//! names and addresses.

use std::net::IpAddr;

/// An id of Neutron's: the same for the same kind and number.
fn id(kind: u16, number: u32) -> String {
    format!("{number:08x}-{kind:04x}-4000-8000-{number:012x}")
}

/// Where a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Flat on this physical network.
    Flat(&'static str),
    /// In this VLAN of this physical network.
    Vlan(&'static str, u16),
    /// In tunnels.
    Tunnelled,
}

/// A network with one subnet of each family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Neutron's id.
    pub id: String,
    /// Where it is.
    pub reach: Reach,
    number: u8,
    /// What its addresses are made of: two networks may have the same.
    plan: u8,
}

impl Network {
    /// A provider network, flat on a physical network: 172.24.`4·number`.0/24 and 2001:db8:`number·100`::/64.
    pub fn provider(number: u8, physical: &'static str) -> Self {
        Self {
            id: id(1, number.into()),
            reach: Reach::Flat(physical),
            number,
            plan: number,
        }
    }

    /// A tenant network: 10.10.`number`.0/24 and 2a05:d014:aa:`number`::/64.
    pub fn tenant(number: u8) -> Self {
        Self {
            id: id(2, number.into()),
            reach: Reach::Tunnelled,
            number,
            plan: number,
        }
    }

    /// A provider network in a VLAN (1–4094) of its physical network instead.
    #[must_use]
    pub fn tagged(self, tag: u16) -> Self {
        let reach = match self.reach {
            Reach::Flat(physical) | Reach::Vlan(physical, _) => Reach::Vlan(physical, tag),
            Reach::Tunnelled => Reach::Tunnelled,
        };
        Self { reach, ..self }
    }

    /// With the addresses of network `number` of its kind: tenants need not ask each other.
    #[must_use]
    pub fn addressed_as(self, number: u8) -> Self {
        Self {
            plan: number,
            ..self
        }
    }

    /// Whether it is outside, on a bridge.
    pub fn is_provider(&self) -> bool {
        !matches!(self.reach, Reach::Tunnelled)
    }

    /// The name of its logical switch.
    pub fn name(&self) -> String {
        format!("neutron-{}", self.id)
    }

    /// The IPv4 address of a host (1–254).
    pub fn v4(&self, host: u8) -> String {
        match self.reach {
            Reach::Flat(_) | Reach::Vlan(..) => {
                format!("172.24.{}.{host}", u16::from(self.plan) * 4)
            }
            Reach::Tunnelled => format!("10.10.{}.{host}", self.plan),
        }
    }

    /// The IPv6 address of a host.
    pub fn v6(&self, host: u8) -> String {
        match self.reach {
            Reach::Flat(_) | Reach::Vlan(..) => {
                format!("2001:db8:{}::{host:x}", u16::from(self.plan) * 100)
            }
            Reach::Tunnelled => format!("2a05:d014:aa:{:x}::{host:x}", self.plan),
        }
    }

    /// Its subnets.
    pub fn subnets(&self) -> [String; 2] {
        [
            format!("{}/24", self.v4(0)),
            format!("{}/64", self.v6(0).trim_end_matches('0')),
        ]
    }

    /// What its subnets call `gateway_ip`.
    pub fn gateways(&self) -> [String; 2] {
        [self.v4(1), self.v6(1)]
    }
}

/// A port as `openstack port create` makes it, with one address of each family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Neutron's id: the name of its row.
    pub id: String,
    /// Its network.
    pub network: Network,
    /// Its number on the network.
    pub host: u8,
    /// What Neutron calls it.
    pub name: String,
}

impl Port {
    /// The port of a VM: host `host` of the network.
    pub fn new(network: &Network, host: u8) -> Self {
        Self::again(network, host, 0)
    }

    /// [`Self::new`] with an id of its own: another port with the addresses of one that is gone.
    pub fn again(network: &Network, host: u8, generation: u16) -> Self {
        let kind = match network.reach {
            Reach::Flat(_) | Reach::Vlan(..) => 0x10,
            Reach::Tunnelled => 0x20,
        };
        let number = u32::from(generation) << 16 | u32::from(network.number) << 8 | u32::from(host);
        Self {
            id: id(kind, number),
            network: network.clone(),
            host,
            name: "vm".to_owned(),
        }
    }

    /// Its MAC.
    pub fn mac(&self) -> String {
        let tunnelled = u8::from(self.network.reach == Reach::Tunnelled);
        format!(
            "fa:16:3e:{tunnelled:02x}:{:02x}:{:02x}",
            self.network.number, self.host
        )
    }

    /// Its IPv4 address.
    pub fn v4(&self) -> String {
        self.network.v4(self.host)
    }

    /// Its IPv6 address.
    pub fn v6(&self) -> String {
        self.network.v6(self.host)
    }

    /// Both, with the lengths of their subnets.
    pub fn cidrs(&self) -> [String; 2] {
        [format!("{}/24", self.v4()), format!("{}/64", self.v6())]
    }
}

/// A router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Neutron's id.
    pub id: String,
    /// What makes its id, its ports and their MACs.
    pub number: u8,
}

impl Router {
    /// Router `number`.
    pub fn new(number: u8) -> Self {
        Self {
            id: id(3, number.into()),
            number,
        }
    }

    /// The name of its row.
    pub fn name(&self) -> String {
        format!("neutron-{}", self.id)
    }

    /// The name of its port on a network for one family, `v4` or `v6`; a gateway port has both.
    pub(super) fn port(&self, network: &Network, family: &str) -> String {
        let kind = match (network.reach, family) {
            (Reach::Flat(_) | Reach::Vlan(..), _) => 0x31,
            (Reach::Tunnelled, "v4") => 0x32,
            (Reach::Tunnelled, _) => 0x33,
        };
        let number = u32::from(self.number) << 8 | u32::from(network.number);
        format!("lrp-{}", id(kind, number))
    }

    /// The MAC of its port on a network for one family, `v4` or `v6`; a gateway port has one for both, that of `v4`.
    pub fn mac(&self, network: &Network, family: &str) -> String {
        let kind = match (network.reach, family) {
            (Reach::Flat(_) | Reach::Vlan(..), _) => 1,
            (Reach::Tunnelled, "v4") => 2,
            (Reach::Tunnelled, _) => 3,
        };
        format!(
            "fa:16:3e:f{kind}:{:02x}:{:02x}",
            self.number, network.number
        )
    }
}

/// A router's way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The provider network.
    pub network: Network,
    /// The router's number there.
    pub host: u8,
    /// System ids of the chassis that may host it, the preferred one first.
    pub chassis: Vec<String>,
    /// `enable_snat`: tenants leave with the gateway's IPv4 address.
    pub snat: bool,
}

/// A floating IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fip {
    /// Its address.
    pub address: String,
    /// Its MAC, where it is distributed.
    pub mac: String,
    pub(super) id: String,
}

impl Fip {
    /// The floating IP `host` of a provider network.
    pub fn new(network: &Network, host: u8) -> Self {
        Self::at(network, network.v4(host), host)
    }

    /// One for IPv6: Neutron has none, OVN has.
    pub fn v6(network: &Network, host: u8) -> Self {
        Self::at(network, network.v6(host), host)
    }

    fn at(network: &Network, address: String, host: u8) -> Self {
        let six = u8::from(address.contains(':'));
        let number = u32::from(six) << 16 | u32::from(network.number) << 8 | u32::from(host);
        Self {
            address,
            mac: format!("fa:16:3e:e{six}:{:02x}:{host:02x}", network.number),
            id: id(4, number),
        }
    }

    /// The prefix that is advertised.
    pub fn prefix(&self) -> String {
        host_prefix(&self.address)
    }
}

/// A load balancer of Octavia's OVN provider: TCP port 80 of its VIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// Octavia's id: the name of its row.
    pub id: String,
    /// The port that has the VIP; never plugged.
    pub vip: Port,
    /// The network that it is on: the members', which is the VIP's too but for a VIP outside with members inside.
    pub on: Network,
    /// IPv4 addresses of its members.
    pub members: Vec<String>,
}

impl Balancer {
    /// On host `host` of a network, before these ports.
    pub fn new(network: &Network, host: u8, members: &[&Port]) -> Self {
        let mut vip = Port::again(network, host, 0x4c42);
        let id = id(5, u32::from(network.number) << 8 | u32::from(host));
        vip.name = format!("ovn-lb-vip-{id}");
        Self {
            id,
            vip,
            on: members
                .first()
                .map_or(network, |member| &member.network)
                .clone(),
            members: members.iter().map(|port| port.v4()).collect(),
        }
    }
}

/// An address as the prefix that is advertised for it.
pub fn host_prefix(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V6(_)) => format!("{address}/128"),
        _ => format!("{address}/32"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_known_by_their_numbers() {
        let (public, tenant) = (Network::provider(1, "physnet1"), Network::tenant(8));
        assert_eq!(public.subnets(), ["172.24.4.0/24", "2001:db8:100::/64"]);
        assert_eq!(tenant.subnets(), ["10.10.8.0/24", "2a05:d014:aa:8::/64"]);
        let port = Port::new(&tenant, 170);
        assert_eq!(port.cidrs(), ["10.10.8.170/24", "2a05:d014:aa:8::aa/64"]);
        assert_ne!(port.id, Port::again(&tenant, 170, 1).id);
        assert_eq!(Fip::new(&public, 200).prefix(), "172.24.4.200/32");
    }

    #[test]
    fn networks_of_two_tenants_differ_in_all_but_their_addresses() {
        let one = Network::provider(1, "physnet1");
        let other = Network::provider(2, "physnet1").tagged(100).addressed_as(1);
        assert_eq!(one.subnets(), other.subnets());
        assert_ne!(one.name(), other.name());
        assert!(other.is_provider());
        let [one, other] = [one, other].map(|network| Port::new(&network, 9));
        assert_eq!(one.cidrs(), other.cidrs());
        assert_ne!((one.mac(), one.id), (other.mac(), other.id));
    }

    /// The name of a tap device is made of the first characters of a port's id.
    #[test]
    fn ids_of_ports_differ_early() {
        let start = |port: Port| port.id[..8].to_owned();
        let tenant = Network::tenant(8);
        assert_ne!(start(Port::new(&tenant, 1)), start(Port::new(&tenant, 2)));
        let public = Network::provider(8, "physnet1");
        let (one, other) = (Port::new(&tenant, 1).id, Port::new(&public, 1).id);
        assert_ne!(one[..13], other[..13]);
    }
}
