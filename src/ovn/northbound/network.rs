//! What is known of one logical switch, gathered from the rows that name it.

use std::net::Ipv6Addr;

use bgp::AddressMap;
use ipnet::{IpNet, Ipv6Net};
use uuid::Uuid;

use super::rows::{RouterPort, SwitchPort};

/// A logical switch and what is on it. Exists as long as some row names it.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Switch ports on it, sorted.
    pub(super) ports: Vec<Uuid>,
    /// Router ports on it, sorted.
    pub(super) router_ports: Vec<Uuid>,
    /// NAT rows whose floating IP belongs to it, sorted.
    pub(super) nats: Vec<Uuid>,
    /// Its localnet ports, sorted.
    pub(super) localnets: Vec<Uuid>,
    /// Its ports of type `router`, sorted.
    pub(super) interfaces: Vec<Uuid>,
    /// IPv6 addresses of ports on it, with how many ports have them.
    owned: AddressMap<Ipv6Addr, u32>,
    /// IPv6 subnets of ports on it, with how many ports are in them.
    subnets: AddressMap<Ipv6Net, u32>,
    /// `DHCP_Options` of ports on it, with how many ports have them. Few, however many ports there are.
    dhcp: Vec<(Uuid, u32)>,
}

impl Network {
    /// Switch ports on it, sorted.
    pub fn ports(&self) -> &[Uuid] {
        &self.ports
    }

    /// Router ports on it, sorted.
    pub fn router_ports(&self) -> &[Uuid] {
        &self.router_ports
    }

    /// NAT rows whose floating IP belongs to it, sorted.
    pub fn nats(&self) -> &[Uuid] {
        &self.nats
    }

    /// Whether a port on it has this address.
    pub fn owns(&self, address: Ipv6Addr) -> bool {
        self.owned.contains_key(&address)
    }

    /// `DHCP_Options` of ports on it, sorted.
    pub fn dhcp_options(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.dhcp.iter().map(|(row, _)| *row)
    }

    /// Notes what a port on it is told. True if the first is told so, or the last was.
    pub(super) fn note_dhcp(&mut self, rows: &[Uuid], present: bool) -> bool {
        let before = self.dhcp.len();
        for row in rows {
            let place = self.dhcp.binary_search_by_key(row, |(row, _)| *row);
            match place {
                Ok(at) => {
                    if let Some((_, ports)) = self.dhcp.get_mut(at) {
                        *ports = if present { *ports + 1 } else { *ports - 1 };
                    }
                }
                Err(at) if present => self.dhcp.insert(at, (*row, 1)),
                Err(_) => {}
            }
        }
        self.dhcp.retain(|(_, ports)| *ports > 0);
        self.dhcp.len() != before
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ports.is_empty()
            && self.router_ports.is_empty()
            && self.nats.is_empty()
            && self.localnets.is_empty()
    }

    /// Whether a subnet of its ports contains the address.
    pub(super) fn covers(&self, address: Ipv6Addr) -> bool {
        self.subnets.keys().any(|subnet| subnet.contains(&address))
    }

    /// Notes a port's addresses and subnets. True if that may change what the node answers
    /// neighbour solicitations for on this network.
    pub(super) fn note(&mut self, port: &impl OnNetwork, present: bool) -> bool {
        let mut matters = false;
        for subnet in port.subnets() {
            count(&mut self.subnets, subnet, present);
        }
        for address in port.addresses() {
            if count(&mut self.owned, address, present) {
                matters |= self.is_gateway_like(address);
            }
        }
        matters
    }

    /// Whether the address is one that ports could use as their gateway by convention: the first
    /// two of a subnet.
    fn is_gateway_like(&self, address: Ipv6Addr) -> bool {
        self.subnets
            .keys()
            .any(|s| s.contains(&address) && u128::from(address) - u128::from(s.network()) <= 1)
    }
}

/// A row that puts addresses on a network.
pub(super) trait OnNetwork {
    fn addresses(&self) -> impl Iterator<Item = Ipv6Addr>;
    fn subnets(&self) -> impl Iterator<Item = Ipv6Net>;
}

impl OnNetwork for SwitchPort {
    fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.ips().filter_map(|(ip, _)| match ip {
            std::net::IpAddr::V6(ip) => Some(ip),
            std::net::IpAddr::V4(_) => None,
        })
    }

    fn subnets(&self) -> impl Iterator<Item = Ipv6Net> {
        self.cidrs.iter().filter_map(ipv6)
    }
}

impl OnNetwork for RouterPort {
    fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.networks.iter().filter_map(|net| match net {
            IpNet::V6(net) => Some(net.addr()),
            IpNet::V4(_) => None,
        })
    }

    fn subnets(&self) -> impl Iterator<Item = Ipv6Net> {
        self.networks.iter().filter_map(ipv6)
    }
}

fn ipv6(net: &IpNet) -> Option<Ipv6Net> {
    match net {
        IpNet::V6(net) => Some(net.trunc()),
        IpNet::V4(_) => None,
    }
}

/// Counts up or down; true if the key appeared or went.
fn count<K: std::hash::Hash + Eq>(counts: &mut AddressMap<K, u32>, key: K, present: bool) -> bool {
    use std::collections::hash_map::Entry;
    match counts.entry(key) {
        Entry::Vacant(entry) => {
            if present {
                entry.insert(1);
            }
            present
        }
        Entry::Occupied(mut entry) if present => {
            *entry.get_mut() += 1;
            false
        }
        Entry::Occupied(mut entry) => {
            *entry.get_mut() -= 1;
            let gone = *entry.get() == 0;
            if gone {
                entry.remove();
            }
            gone
        }
    }
}
