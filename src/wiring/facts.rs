//! What wiring depends on besides exposures.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bgp::evpn::Vni;
use bgp::wire::evpn::RouteDistinguisher;

use super::tenants::names;
use crate::mac::MacAddr;
use crate::ovn::vswitch::PatchPort;
use crate::ovn::{BridgeMappings, Northbound, Southbound, Vswitch};
use crate::reconcile::object::{LinkKind, TableId};
use crate::reconcile::{Found, Key, Value};

/// What wiring depends on besides exposures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub role: BridgeRole,
    /// OVN's routers go by what they learn (`ovn_native`).
    pub routers_learn: bool,
    pub tenancy: Tenancy,
    pub mappings: BridgeMappings,
    /// The localnet ports of all provider networks, sorted.
    pub localnets: Vec<Localnet>,
    /// The bridges of `mappings`, as far as they are known.
    pub bridges: BTreeMap<Arc<str>, BridgeFacts>,
}

/// What the kernel's interfaces of the mapped bridges are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BridgeRole {
    /// The kernel routes through them what belongs to no tenant: methods `underlay` and `dynamic`, `ovn_bgp_driver`.
    #[default]
    Routes,
    /// They answer for the gateways of ports: `ovn_evpn_driver`.
    Answers,
    /// Nothing: methods `vrf` and `l2vni`.
    Nothing,
}

/// What tenants of EVPN depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenancy {
    /// Where this node's tunnels begin; without one nothing of a tenant is wired.
    pub vtep: Option<IpAddr>,
    /// `evpn_udp_dstport`, 1–65535.
    pub udp_port: u16,
    /// `bgp_AS`, of which targets are derived.
    pub asn: u32,
    /// What distinguishes this node's routes if its VTEP is an IPv6 address.
    pub router_id: Option<Ipv4Addr>,
    /// `delete_vrf_on_disconnect`: a VRF goes with the last of its tenant.
    pub delete_vrf_on_disconnect: bool,
    /// Hardware addresses of the devices of tenants that exist, by name.
    pub macs: BTreeMap<Arc<str>, MacAddr>,
    /// The VNIs of which there is a VRF of ours.
    pub vrfs: BTreeSet<Vni>,
    /// OpenFlow numbers of the ports of gateways: [`Vswitch::ofports`].
    pub ports: BTreeMap<Arc<str>, u32>,
    /// Routing tables with another purpose here, a bridge's or FRR's: no tenant can have one.
    pub taken: BTreeSet<TableId>,
    /// The route distinguishers of the configuration's tables (`[evpn_vni NAME]`), each with the VNI of its table: no
    /// tenant with another VNI can have one, or peers would take the routes of the two for the same.
    pub distinguishers: BTreeMap<RouteDistinguisher, Vni>,
}

impl Default for Tenancy {
    fn default() -> Self {
        Self {
            vtep: None,
            udp_port: 4789,
            asn: 0,
            router_id: None,
            delete_vrf_on_disconnect: true,
            macs: BTreeMap::new(),
            vrfs: BTreeSet::new(),
            ports: BTreeMap::new(),
            taken: BTreeSet::new(),
            distinguishers: BTreeMap::new(),
        }
    }
}

impl Tenancy {
    /// The address that derived route distinguishers begin with (RFC 4364 §4.2): a type that has room for IPv4 alone.
    pub fn distinguisher(&self) -> Option<Ipv4Addr> {
        match self.vtep? {
            IpAddr::V4(vtep) => Some(vtep),
            IpAddr::V6(_) => self.router_id,
        }
    }

    /// The VNI of the configuration's table that has this route distinguisher, which a tenant with `vni` therefore cannot
    /// have.
    pub(super) fn distinguished(&self, rd: RouteDistinguisher, vni: Vni) -> Option<Vni> {
        let by = self.distinguishers.get(&rd).copied();
        by.filter(|by| *by != vni)
    }

    /// Takes over `macs` and `vrfs` from what there is: [`crate::reconcile::Reconciler::all_observed`], or what of it can
    /// have changed.
    pub fn observe<'a>(&mut self, objects: impl IntoIterator<Item = (&'a Key, &'a Found)>) {
        self.macs.clear();
        self.vrfs.clear();
        for (key, found) in objects {
            let (Key::Link { name }, Value::Link(link)) = (key, &found.value) else {
                continue;
            };
            if let LinkKind::Vrf { table } = link.kind {
                if found.owned && *name == names::vrf(table) {
                    self.vrfs.insert(table);
                }
            } else if names::has_awaited_mac(name)
                && let Some(mac) = link.mac
            {
                self.macs.insert(Arc::clone(name), mac);
            }
        }
    }

    /// Whether the VRF of a VNI stays although nothing of its tenant is here.
    pub(super) fn keeps_vrf(&self, vni: Vni) -> bool {
        !self.delete_vrf_on_disconnect && self.vrfs.contains(&vni)
    }
}

/// A localnet port: a physical network and the VLAN on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Localnet {
    pub physical_network: Arc<str>,
    /// 1–4094.
    pub vlan: Option<u16>,
}

/// What this node knows of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BridgeFacts {
    /// Its routing table, from `rt_tables`.
    pub table: Option<TableId>,
    /// The MAC of its kernel interface.
    pub mac: Option<MacAddr>,
    /// Its patch ports to OVN, sorted.
    pub patch_ports: Vec<PatchPort>,
}

impl Facts {
    /// Gathers the facts: `tables` are those of `rt_tables` by bridge, `mac` tells the MAC of an
    /// interface of the kernel.
    pub fn gather(
        mappings: &BridgeMappings,
        nb: &Northbound,
        vswitch: &Vswitch,
        tables: &BTreeMap<Arc<str>, TableId>,
        mac: impl Fn(&str) -> Option<MacAddr>,
    ) -> Self {
        let bridges = mappings.entries().iter().map(|mapping| {
            let bridge = &mapping.bridge;
            let facts = BridgeFacts {
                table: tables.get(bridge).copied(),
                mac: mac(bridge),
                patch_ports: vswitch.patch_ports(bridge),
            };
            (bridge.clone(), facts)
        });
        Self {
            bridges: bridges.collect(),
            localnets: localnets(nb),
            mappings: mappings.clone(),
            ..Self::default()
        }
    }
}

impl BridgeFacts {
    /// The OpenFlow port of a localnet port's patch port.
    pub fn ofport(&self, localnet: &str) -> Option<u32> {
        let mut ports = self.patch_ports.iter();
        ports.find(|p| &*p.localnet == localnet).map(|p| p.ofport)
    }
}

/// The localnet ports of all provider networks, as [`Facts`] wants them. They change when
/// [`crate::ovn::northbound::Affected::localnets`] says so.
pub fn localnets(nb: &Northbound) -> Vec<Localnet> {
    let ports = nb.all_localnets();
    sorted(ports.map(|port| (port.physical_network.as_ref(), port.tag)))
}

/// The same from the Southbound database.
pub fn southbound_localnets(sb: &Southbound) -> Vec<Localnet> {
    let ports = sb.all_localnets();
    sorted(ports.map(|port| (port.physical_network.as_ref(), port.vlan)))
}

fn sorted<'a>(ports: impl Iterator<Item = (Option<&'a Arc<str>>, Option<u16>)>) -> Vec<Localnet> {
    let localnet = |(physical_network, tag): (Option<&Arc<str>>, Option<u16>)| {
        Some(Localnet {
            physical_network: physical_network?.clone(),
            vlan: tag.filter(|tag| *tag != 0),
        })
    };
    let localnets: BTreeSet<_> = ports.filter_map(localnet).collect();
    localnets.into_iter().collect()
}
