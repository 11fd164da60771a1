//! What of a Northbound row says which others are needed.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::ovn::VpnKind;
use crate::ovn::interest::Own;
use crate::ovn::interest::columns::Cells;
use crate::ovn::interest::put;
use crate::ovn::northbound::SwitchPort;

/// What says that a network belongs to a VNI, and to which kind.
pub(super) const VPN_TYPE: &str = "neutron_bgpvpn:type";

/// `neutron:device_owner` of the switch's side of a router's interface.
const INTERFACE: &str = "network:router_interface";

/// Of a `Logical_Switch_Port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: Option<Arc<str>>,
    pub(super) kind: Kind,
    /// `parent_name` of a subport.
    pub(super) parent: Option<Arc<str>>,
    /// `options:requested-chassis`: one name, or a list while it migrates.
    pub(super) requested: Option<Arc<str>>,
    /// `external_ids:neutron:host_id`.
    pub(super) host_id: Option<Arc<str>>,
    /// `external_ids:neutron:network_name`; Neutron writes none on localnet ports.
    pub(super) network: Option<Arc<str>>,
    /// `options:router-port`: the router port behind it.
    pub(super) peer: Option<Arc<str>>,
    /// What it is told of its network.
    pub(super) dhcp: Box<[Uuid]>,
    pub(super) has_ipv6: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A VM, a container, or a virtual port.
    Workload,
    /// It reserves the VIP of a load balancer.
    Vip,
    Localnet,
    /// The switch's side of a router's interface that is no gateway; the router's id, where Neutron wrote one.
    Interface(Option<Arc<str>>),
    Other,
}

impl Port {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        let cidrs = cells.entry("external_ids", "neutron:cidrs");
        Self {
            name: cells.text("name").cloned(),
            kind: Kind::read(cells),
            parent: cells.text("parent_name").cloned(),
            requested: cells.entry("options", "requested-chassis").cloned(),
            host_id: cells.entry("external_ids", "neutron:host_id").cloned(),
            network: cells.entry("external_ids", "neutron:network_name").cloned(),
            peer: cells.entry("options", "router-port").cloned(),
            dhcp: SwitchPort::DHCP
                .iter()
                .flat_map(|column| cells.rows(column))
                .collect(),
            has_ipv6: cidrs.is_some_and(|cidrs| cidrs.contains(':')),
        }
    }

    /// Whether it can be on a node.
    pub(super) fn is_workload(&self) -> bool {
        matches!(self.kind, Kind::Workload | Kind::Vip)
    }

    /// Whether its own row names this node so that a clause finds it by that. A list of hosts is none: a port
    /// that is found by other means must not count as here for what keeps it found.
    pub(super) fn names(&self, own: &Own) -> bool {
        let mut hosts = self.requested.iter().chain(&self.host_id);
        hosts.any(|host| own.is(host))
    }

    pub(super) fn migrates(&self) -> bool {
        self.requested
            .as_ref()
            .is_some_and(|list| list.contains(','))
    }
}

impl Kind {
    fn read(cells: &Cells<'_>) -> Self {
        let entry = |key| cells.entry("external_ids", key);
        let is_vip = || {
            let name = entry("neutron:port_name");
            name.is_some_and(|name| name.starts_with("ovn-lb-vip-"))
        };
        match cells.text("type").map_or("", |kind| kind) {
            "" if is_vip() => Self::Vip,
            "" | "virtual" => Self::Workload,
            "localnet" => Self::Localnet,
            "router" => {
                let owner = entry("neutron:device_owner");
                match owner.is_none_or(|owner| **owner == *INTERFACE) {
                    true => Self::Interface(entry("neutron:device_id").cloned()),
                    false => Self::Other,
                }
            }
            _ => Self::Other,
        }
    }
}

/// Of a `Logical_Router_Port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RouterPort {
    pub(super) name: Option<Arc<str>>,
    /// `status:hosting-chassis`.
    pub(super) hosting: Option<Arc<str>>,
    pub(super) network: Option<Arc<str>>,
    pub(super) has_ipv6: bool,
}

impl RouterPort {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        Self {
            name: cells.text("name").cloned(),
            network: cells.entry("external_ids", "neutron:network_name").cloned(),
            hosting: cells.entry("status", "hosting-chassis").cloned(),
            has_ipv6: cells.texts("networks").any(|net| net.contains(':')),
        }
    }
}

/// Of a `Logical_Router`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Router {
    pub(super) name: Option<Arc<str>>,
    pub(super) ports: Box<[Uuid]>,
    pub(super) nat: Box<[Uuid]>,
    pub(super) static_routes: Box<[Uuid]>,
}

impl Router {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        Self {
            name: cells.text("name").cloned(),
            ports: cells.rows("ports"),
            nat: cells.rows("nat"),
            static_routes: cells.rows("static_routes"),
        }
    }
}

/// Of a `NAT` row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nat {
    /// `logical_port`.
    pub(super) port: Option<Arc<str>>,
    /// `gateway_port`.
    pub(super) gateway: Option<Uuid>,
    /// `external_ids:neutron:fip_network_id`: the network of the floating IP, by its id.
    pub(super) network: Option<Arc<str>>,
}

impl Nat {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        Self {
            port: cells.text("logical_port").cloned(),
            gateway: cells.rows("gateway_port").first().copied(),
            network: cells
                .entry("external_ids", "neutron:fip_network_id")
                .cloned(),
        }
    }
}

/// Of a `Load_Balancer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Balancer {
    /// `external_ids:neutron:vip_port_id`, the name of the VIP's switch port.
    pub(super) vip_port: Option<Arc<str>>,
    /// `external_ids:lr_ref` is set.
    pub(super) has_router: bool,
}

impl Balancer {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        let entry = |key| cells.entry("external_ids", key);
        Self {
            vip_port: entry("neutron:vip_port_id").cloned(),
            has_router: entry("lr_ref").is_some(),
        }
    }
}

/// Of a `Logical_Switch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Switch {
    pub(super) name: Option<Arc<str>>,
    pub(super) balancers: Box<[Uuid]>,
    /// Its prefixes are those of a VNI.
    pub(super) is_routed_vpn: bool,
}

impl Switch {
    pub(super) fn read(cells: &Cells<'_>) -> Self {
        Self {
            name: cells.text("name").cloned(),
            balancers: cells.rows("load_balancer"),
            is_routed_vpn: cells
                .entry("external_ids", VPN_TYPE)
                .is_some_and(|kind| **kind == *VpnKind::L3.name()),
        }
    }
}

/// Leads by row. The rows that are there under the conditions in force.
#[derive(Clone, Debug, Default)]
pub(super) struct Leads {
    pub(super) ports: FxHashMap<Uuid, Port>,
    pub(super) router_ports: FxHashMap<Uuid, RouterPort>,
    pub(super) routers: FxHashMap<Uuid, Router>,
    pub(super) nats: FxHashMap<Uuid, Nat>,
    pub(super) balancers: FxHashMap<Uuid, Balancer>,
    pub(super) switches: FxHashMap<Uuid, Switch>,
    ports_by_name: FxHashMap<Arc<str>, Uuid>,
}

impl Leads {
    pub(super) fn port_named(&self, name: &str) -> Option<(Uuid, &Port)> {
        let uuid = *self.ports_by_name.get(name)?;
        Some((uuid, self.ports.get(&uuid)?))
    }

    /// Puts a port in place of what is there. True if that differs.
    pub(super) fn put_port(&mut self, uuid: Uuid, new: Option<Port>) -> bool {
        let old = self.ports.get(&uuid);
        if old == new.as_ref() {
            return false;
        }
        if let Some(name) = old.and_then(|port| port.name.as_ref())
            && self.ports_by_name.get(name) == Some(&uuid)
        {
            self.ports_by_name.remove(&Arc::clone(name));
        }
        if let Some(name) = new.as_ref().and_then(|port| port.name.as_ref()) {
            self.ports_by_name.insert(Arc::clone(name), uuid);
        }
        put(&mut self.ports, uuid, new)
    }
}
