//! What, of all that exists on a node, is ours or the Python agent's. Pure predicates.
//!
//! Everything the agent creates carries [`PROTOCOL`] where the kernel has a place for it. The
//! Python agent marked nothing, so its objects are told by their shape (upstream.md 3.0.1), as far
//! as nobody else's could have it. In doubt an object is foreign: it may be used, never removed.

pub mod tenants;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::object::TableId;
pub use tenants::{Claim, TenantDevice, TenantScope};

/// Our mark on routes (`rtm_protocol`), rules (`FRA_PROTOCOL`), neighbours and proxies
/// (`NDA_PROTOCOL`), and addresses (`IFA_PROTO`, Linux 5.18). Not in iproute2's `rt_protos`, nor used by FRR (186–198) or BIRD (12).
/// The Python agent's routes say `boot` (3); a route equal but for its protocol is adopted unwritten.
pub const PROTOCOL: u8 = 215;

/// Priority of our rules, and of the Python agent's.
pub const RULE_PRIORITY: u32 = 32000;

/// Cookie of our flows, and of the Python agent's: 999.
pub const FLOW_COOKIE: u64 = 0x3e7;

/// Cookie of the flows that lead a tenant's packets into its table, the Python agent's `ovn_evpn_driver`'s and ours: 998.
pub const TENANT_FLOW_COOKIE: u64 = 0x3e6;

/// `IFLA_IFALIAS` of the devices we create.
pub const LINK_ALIAS: &str = "ovn-bgp-agent";

/// `RTPROT_OVN` (rtnetlink.h): ovn-controller's blackholes for `Advertised_Route`. A router's table is numbered by its
/// tunnel key, and may be that of a bridge.
const RTPROT_OVN: u8 = 84;

/// `RTPROT_BGP`: zebra's routes of BGP.
const BGP: u8 = 186;

/// Route protocols that are never ours, whatever the table: the kernel's, BGP's and OVN's.
const FOREIGN_PROTOCOLS: [u8; 3] = [libc::RTPROT_KERNEL, BGP, RTPROT_OVN];

/// The part of the node that concerns the agent. Changing it calls for a new dump. What leaves it
/// is forgotten, not removed: take a bridge out only once its wiring is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The bridges of `ovn-bridge-mappings`, with their routing tables.
    pub bridges: BTreeMap<Arc<str>, TableId>,
    /// The IPv6 networks for which this process answers, or has answered, neighbour solicitations.
    pub proxied: Vec<IpNet>,
    /// The sysctls to watch, below `/proc/sys`.
    pub sysctls: Vec<Arc<str>>,
    /// Other interfaces whose state is wanted, which have no object of ours on them.
    pub interfaces: Vec<Arc<str>>,
    /// Where FRR is told what to advertise, or was by a former backend.
    pub leak: Option<Leak>,
    /// The devices of tenants, by their names; `None` where nobody asks for them.
    pub tenants: Option<TenantScope>,
}

/// The VRF that FRR leaks into its default instance, and the dummy device in it: what is an address or
/// a route of that device is advertised (upstream.md 6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// `bgp_vrf`
    pub vrf: Arc<str>,
    /// `bgp_vrf_table_id`
    pub table: TableId,
    /// `bgp_nic`
    pub nic: Arc<str>,
    /// What `bgp_backend = frr-peer` puts on [`LOOPBACK`].
    pub loopback: Arc<[IpNet]>,
}

/// The loopback device.
pub const LOOPBACK: &str = "lo";

/// A device with the name of [`Leak::nic`], as far as ownership asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NicFacts<'a> {
    pub is_dummy: bool,
    pub alias: Option<&'a str>,
    /// The device it is enslaved to.
    pub master: Option<&'a str>,
}

/// A routing rule, as far as ownership asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFacts {
    /// `lookup` of this table.
    pub table: TableId,
    /// It has a destination and no other selector, and is not inverted.
    pub destination_only: bool,
}

/// A VLAN device, as far as ownership asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanFacts<'a> {
    pub name: &'a str,
    pub parent: &'a str,
    /// 802.1Q id, 0–4094.
    pub id: u16,
    pub alias: Option<&'a str>,
    /// It carries a helper address without our mark.
    pub has_helper_address: bool,
    /// It answers ARP and NDP for others, and a route of its bridge's table leads to it that says
    /// `boot`, as whoever sets no protocol leaves it.
    pub answers_for_others: bool,
}

/// The name of the VLAN device for tag `id` on `bridge`: the first ten characters, a dot, the tag.
pub fn vlan_device_name(bridge: &str, id: u16) -> String {
    let short: String = bridge.chars().take(10).collect();
    format!("{short}.{id}")
}

/// True for the addresses that make a device answer ARP and NDP: `169.254.0.0/16` with length 32
/// and `fd53:d91e:400:7f17::/64` with length 128.
pub fn is_helper_address(address: &IpNet) -> bool {
    let host = address.prefix_len() == address.max_prefix_len();
    host && match address.addr() {
        IpAddr::V4(v4) => v4.octets().starts_with(&[169, 254]),
        IpAddr::V6(v6) => v6.segments().starts_with(&[0xfd53, 0xd91e, 0x400, 0x7f17]),
    }
}

impl Scope {
    /// True for the table of a mapped bridge.
    pub fn has_table(&self, table: TableId) -> bool {
        self.bridges.values().any(|t| *t == table)
    }

    /// The tables that have routes of ours, or may have.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + '_ {
        let leak = self.leak.iter().map(|leak| leak.table);
        self.bridges.values().copied().chain(leak)
    }

    /// True for a device that can carry objects of ours: a mapped bridge, or a VLAN device on one
    /// with the name we would give it.
    pub fn has_device(&self, name: &str, vlan: Option<(&str, u16)>) -> bool {
        self.bridges.contains_key(name)
            || vlan.is_some_and(|(parent, id)| {
                self.bridges.contains_key(parent) && name == vlan_device_name(parent, id)
            })
    }

    /// Rules that select on nothing but the destination and look up a bridge's table, whatever
    /// their priority and protocol.
    pub fn owns_rule(&self, rule: &RuleFacts) -> bool {
        rule.destination_only && self.has_table(rule.table)
    }

    /// Unicast routes in a bridge's table, unless the kernel or BGP put them there (b012).
    pub fn owns_route(&self, table: TableId, protocol: u8) -> bool {
        self.has_table(table) && !FOREIGN_PROTOCOLS.contains(&protocol)
    }

    /// VLAN devices with our alias, or the Python agent's, which carry its helper address or (4.0.0
    /// gives them none) answer for what it routes to them. An operator's VLAN device does neither of
    /// itself (b031), and what we put on one is marked. Before Linux 5.18 addresses bear no mark:
    /// there an operator's device that we used is taken for the Python agent's.
    pub fn owns_vlan(&self, vlan: &VlanFacts<'_>) -> bool {
        self.has_device(vlan.name, Some((vlan.parent, vlan.id)))
            && !self.bridges.contains_key(vlan.name)
            && (vlan.alias == Some(LINK_ALIAS)
                || vlan.has_helper_address
                || vlan.answers_for_others)
    }

    /// Permanent neighbours on a device of ours with our mark, or without any when a rule or route
    /// of ours steers the address: the Python agent's.
    pub fn owns_neighbour(&self, protocol: u8, steered: bool) -> bool {
        protocol == PROTOCOL || (protocol == 0 && steered)
    }

    /// NDP proxies on a device of ours with our mark, or, as the Python agent's have none, in a
    /// network for which we answer. Its proxies for networks that vanished while no agent ran stay.
    pub fn owns_proxy(&self, protocol: u8, address: Ipv6Addr) -> bool {
        let address = IpAddr::V6(address);
        protocol == PROTOCOL
            || (protocol == 0 && self.proxied.iter().any(|net| net.contains(&address)))
    }
}

impl Leak {
    /// The VRF with the name and the table that are configured, as long as nobody else has put a device
    /// into it.
    pub fn owns_vrf(&self, name: &str, table: TableId, has_other_members: bool) -> bool {
        name == &*self.vrf && table == self.table && !has_other_members
    }

    /// A dummy device with our alias, or in the VRF: the Python agent's.
    pub fn owns_nic(&self, nic: &NicFacts<'_>) -> bool {
        nic.is_dummy && (nic.alias == Some(LINK_ALIAS) || nic.master == Some(&*self.vrf))
    }

    /// Host prefixes, whoever put them on the device (b011), but the kernel's own link-local ones.
    pub fn owns_address(&self, address: &IpNet) -> bool {
        let host = address.prefix_len() == address.max_prefix_len();
        host && match address.addr() {
            IpAddr::V4(_) => true,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        }
    }

    /// Routes of the VRF's table by way of the device with our mark or the Python agent's. Those of FRR
    /// and of the kernel are not (b012).
    pub fn owns_route(&self, table: TableId, protocol: u8) -> bool {
        table == self.table && [PROTOCOL, libc::RTPROT_BOOT].contains(&protocol)
    }
}

/// The prefix that an absent destination means.
pub fn default_prefix(v6: bool) -> IpNet {
    if v6 {
        IpNet::V6(ipnet::Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0))
    } else {
        IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0))
    }
}

#[cfg(test)]
mod tests;
