//! A small cloud to decide about: host-1 (this node), host-2; physnet1 on br-ex.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::super::{Inputs, Standing, decide};
use crate::exposure::{Code, Decision, Delta, Exposure, Node, Options, TenantExposure};
use crate::mac::MacAddr;
use crate::ovn::northbound::{
    Balancer, DhcpOptions, Fip, FipMode, Interface, Nat, Octavia, PortAddress, PortKind, Purpose,
    Router, RouterPort, Row, Snat, StaticRoute, Switch, SwitchPort, Table, Told,
};
use crate::ovn::southbound::{Chassis, PortBinding};
use crate::ovn::{
    AddressScopes, Annotations, BridgeMappings, Northbound, Southbound, Vip, Vpn, southbound,
};

pub(super) const MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
pub(super) const FIP_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0xf1]);
pub(super) const LRP_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0x10]);

pub(super) struct Cloud {
    pub(super) nb: Northbound,
    pub(super) sb: Option<Southbound>,
    pub(super) node: Node,
    pub(super) options: Options,
    pub(super) standing: Standing,
    /// What rows say of routes, by their ids, whenever they are there.
    said: BTreeMap<Uuid, Annotations>,
    /// What rows of networks say of their VPN, likewise.
    vpns: BTreeMap<Uuid, Vpn>,
    /// What the standing exposures were decided with; OVN_Southbound or not.
    decided_by: Option<(Node, Options, bool)>,
}

impl Cloud {
    /// Networks `provider` (flat on physnet1) and `tenant`.
    pub(super) fn new() -> Self {
        let mut cloud = Self {
            nb: Northbound::default(),
            sb: None,
            node: node("physnet1:br-ex"),
            options: Options::default(),
            standing: Standing::default(),
            said: BTreeMap::new(),
            vpns: BTreeMap::new(),
            decided_by: None,
        };
        cloud.network("provider", Some(("physnet1", None)));
        cloud.network("tenant", None);
        cloud
    }

    /// A logical switch, and its localnet port if it has a physical network (and VLAN).
    pub(super) fn network(&mut self, name: &str, localnet: Option<(&str, Option<u16>)>) {
        let mut ports = Vec::new();
        if let Some((physical_network, vlan)) = localnet {
            let port = localnet_port(name, physical_network, vlan);
            ports.push(port.uuid);
            self.port(port);
        }
        let uuid = id(name);
        let name = name.into();
        self.switch(Switch {
            uuid,
            name,
            ports,
            annotations: Annotations::default(),
            vpn: Vpn::default(),
            mtu: crate::ovn::Mtu::default(),
        });
    }

    fn switch(&mut self, mut switch: Switch) {
        switch.annotations = self.said_by(switch.uuid);
        switch.vpn = self.vpns.get(&switch.uuid).cloned().unwrap_or_default();
        let row = Row::Switch(switch.clone());
        self.nb.replace(Table::Switch, switch.uuid, Some(row));
    }

    /// From now on the row of this name (a floating IP's is its address) says so in `external_ids`.
    pub(super) fn say(&mut self, name: &str, said: &[(&str, &str)]) {
        let uuid = id(name);
        let annotations = Annotations::of_external_ids(said.iter().copied());
        self.said.insert(uuid, annotations);
        if let Some(row) = self.nb.port(uuid).cloned() {
            self.port((*row).clone());
        }
        if let Some(row) = self.nb.router_port(uuid).cloned() {
            self.router_port((*row).clone());
        }
        if let Some(row) = self.nb.fip(uuid).cloned() {
            self.nat(row);
        }
        if let Some(row) = self.nb.balancer(uuid).cloned() {
            self.balancer((*row).clone());
        }
        if let Some(row) = self.nb.switch_named(name).cloned() {
            self.switch((*row).clone());
        }
        if let Some(row) = self.nb.router_by_id(name).cloned() {
            self.put_router((*row).clone());
        }
    }

    /// From now on the row of this network says so of its VPN: keys without `neutron_bgpvpn:`.
    pub(super) fn vpn(&mut self, network: &str, said: &[(&str, &str)]) {
        let said = said.iter();
        let said: Vec<_> = said
            .map(|(key, value)| (format!("neutron_bgpvpn:{key}"), *value))
            .collect();
        let said = said.iter().map(|(key, value)| (key.as_str(), *value));
        self.vpns.insert(id(network), Vpn::of_external_ids(said));
        if let Some(row) = self.nb.switch_named(network).cloned() {
            self.switch((*row).clone());
        }
    }

    /// What ports with this row among their `dhcp` are told.
    pub(super) fn dhcp(&mut self, row: &str, told: Told) {
        let uuid = id(row);
        let row = Row::DhcpOptions(DhcpOptions { uuid, told });
        self.nb.replace(Table::DhcpOptions, uuid, Some(row));
    }

    pub(super) fn delete_dhcp(&mut self, row: &str) {
        self.nb.replace(Table::DhcpOptions, id(row), None);
    }

    fn said_by(&self, row: Uuid) -> Annotations {
        self.said.get(&row).cloned().unwrap_or_default()
    }

    pub(super) fn port(&mut self, mut port: SwitchPort) {
        port.annotations = self.said_by(port.uuid);
        let row = Row::SwitchPort(port.clone());
        self.nb.replace(Table::SwitchPort, port.uuid, Some(row));
    }

    pub(super) fn delete_port(&mut self, name: &str) {
        self.nb.replace(Table::SwitchPort, id(name), None);
    }

    pub(super) fn delete_network(&mut self, name: &str) {
        self.nb.replace(Table::Switch, id(name), None);
        self.delete_port(&format!("provnet-{name}"));
    }

    pub(super) fn nat(&mut self, mut fip: Fip) {
        fip.annotations = self.said_by(fip.uuid);
        let row = Row::Nat(Nat::Fip(fip.clone()));
        self.nb.replace(Table::Nat, fip.uuid, Some(row));
    }

    pub(super) fn delete_nat(&mut self, ip: &str) {
        self.nb.replace(Table::Nat, id(ip), None);
    }

    pub(super) fn router_port(&mut self, mut port: RouterPort) {
        port.annotations = self.said_by(port.uuid);
        let row = Row::RouterPort(port.clone());
        self.nb.replace(Table::RouterPort, port.uuid, Some(row));
    }

    pub(super) fn delete_router_port(&mut self, name: &str) {
        self.nb.replace(Table::RouterPort, id(name), None);
    }

    /// Router `router`, with the names of its ports, the addresses of its NAT rows, and the next hops of
    /// its default routes.
    pub(super) fn router_with(
        &mut self,
        enabled: bool,
        ports: &[&str],
        nat: &[&str],
        routes: &[&str],
    ) {
        self.router_named("router", enabled, ports, nat, routes);
    }

    pub(super) fn router_named(
        &mut self,
        name: &str,
        enabled: bool,
        ports: &[&str],
        nat: &[&str],
        routes: &[&str],
    ) {
        let ids = |names: &[&str]| {
            let mut ids: Vec<_> = names.iter().map(|name| id(name)).collect();
            ids.sort();
            ids
        };
        self.put_router(Router {
            uuid: id(name),
            name: format!("neutron-{name}").into(),
            enabled,
            ports: ids(ports),
            nat: ids(nat),
            static_routes: ids(routes),
            annotations: Annotations::default(),
        });
    }

    fn put_router(&mut self, mut router: Router) {
        router.annotations = self.said_by(router.uuid);
        let row = Row::Router(router.clone());
        self.nb.replace(Table::Router, router.uuid, Some(row));
    }

    pub(super) fn router(&mut self, enabled: bool, ports: &[&str], nat: &[&str]) {
        self.router_with(enabled, ports, nat, &[]);
    }

    /// A router interface to a network: the router port `lrp-<name>` and the switch port `<name>`.
    pub(super) fn interface(&mut self, name: &str, network: &str, addresses: &[&str]) {
        self.router_port(inner_port(name, network, addresses));
        self.port(interface(name, network));
    }

    /// What a router hides of a subnet.
    pub(super) fn snat(&mut self, subnet: &str) {
        let (uuid, logical_ip) = (id(subnet), subnet.parse().unwrap());
        let row = Row::Nat(Nat::Snat(Snat { uuid, logical_ip }));
        self.nb.replace(Table::Nat, uuid, Some(row));
    }

    pub(super) fn delete_router(&mut self, name: &str) {
        self.nb.replace(Table::Router, id(name), None);
    }

    pub(super) fn balancer(&mut self, mut row: Balancer) {
        let uuid = row.uuid;
        row.annotations = self.said_by(uuid);
        self.nb
            .replace(Table::Balancer, uuid, Some(Row::Balancer(row)));
    }

    pub(super) fn delete_balancer(&mut self, name: &str) {
        self.nb.replace(Table::Balancer, id(name), None);
    }

    /// Network `tenant` (10.0.0.0/24, fd00::/64) behind router `router`, whose gateway `lrp-gw`
    /// (172.24.4.146, 2001:db8::146) is here; tenant networks are exposed.
    pub(super) fn routed() -> Self {
        let mut cloud = Self::new();
        cloud.options.tenants = TenantExposure::Everything;
        cloud.router_port(gateway("lrp-gw", &["172.24.4.146/24", "2001:db8::146/64"]));
        cloud.interface("if", "tenant", &["10.0.0.1/24", "fd00::1/64"]);
        cloud.router(true, &["lrp-gw", "lrp-if"], &[]);
        cloud
    }

    /// Moves the gateway `lrp-gw`.
    pub(super) fn gateway_at(&mut self, chassis: Option<&str>) {
        self.router_port(RouterPort {
            hosting_chassis: chassis.map(Into::into),
            ..gateway("lrp-gw", &["172.24.4.146/24", "2001:db8::146/64"])
        });
    }

    pub(super) fn default_route(&mut self, gateway: &str) {
        let route = StaticRoute {
            uuid: id(gateway),
            default_gateway: Some(gateway.parse().unwrap()),
        };
        self.nb.replace(
            Table::StaticRoute,
            route.uuid,
            Some(Row::StaticRoute(route)),
        );
    }

    pub(super) fn fip_mode(&mut self, mode: FipMode) {
        self.nb
            .replace(Table::Global, id("global"), Some(Row::Global(mode)));
    }

    /// Connects SB, with the port bound to this chassis.
    pub(super) fn bind(&mut self, port: &str, chassis: &str) {
        let sb = self.sb.get_or_insert_default();
        let uuid = id(chassis);
        let name = chassis.into();
        let chassis = southbound::Row::Chassis(Chassis { uuid, name });
        sb.replace(southbound::Table::Chassis, uuid, Some(chassis));
        let binding = PortBinding {
            chassis: Some(uuid),
            ..PortBinding::unbound(id(port), port)
        };
        let binding = southbound::Row::PortBinding(binding);
        sb.replace(southbound::Table::PortBinding, id(port), Some(binding));
        for name in sb.take_affected().rebound {
            self.nb.affect_port_named(&name);
        }
    }

    /// Connects SB, with the virtual port bound to this chassis by this port.
    pub(super) fn claim(&mut self, port: &str, parent: Option<&str>) {
        self.bind(port, "chassis-1");
        let Some(sb) = &mut self.sb else { return };
        let binding = sb.binding_named(port).map(|binding| PortBinding {
            virtual_parent: parent.map(Into::into),
            ..(**binding).clone()
        });
        let binding = binding.map(southbound::Row::PortBinding);
        sb.replace(southbound::Table::PortBinding, id(port), binding);
        for name in sb.take_affected().rebound {
            self.nb.affect_port_named(&name);
        }
    }

    pub(super) fn decide(&self) -> Decision {
        decide(Inputs {
            northbound: &self.nb,
            southbound: self.sb.as_ref(),
            node: &self.node,
            options: &self.options,
        })
    }

    /// The change since the last call, checked against the whole decision.
    pub(super) fn delta(&mut self) -> Delta {
        let mut affected = self.nb.take_affected();
        // Which database says where ports are is one of them.
        let deciders = Some((self.node.clone(), self.options.clone(), self.sb.is_some()));
        affected.everything |= self.decided_by != deciders;
        self.decided_by = deciders;
        let inputs = Inputs {
            northbound: &self.nb,
            southbound: self.sb.as_ref(),
            node: &self.node,
            options: &self.options,
        };
        let delta = self.standing.update(inputs, affected);
        let mut kept: Vec<_> = self.standing.exposures().cloned().collect();
        kept.sort();
        let decision = self.decide();
        assert_eq!(kept, decision.exposures);
        assert_eq!(*self.standing.tenants(), decision.tenants);
        delta
    }

    /// The exposed prefixes, checked to be the standing ones too.
    pub(super) fn exposed(&mut self) -> Vec<String> {
        self.delta();
        let exposures = self.decide().exposures;
        exposures.iter().map(|e| e.prefix.to_string()).collect()
    }

    pub(super) fn exposure(&self, prefix: &str) -> Arc<Exposure> {
        let prefix: IpNet = prefix.parse().unwrap();
        let decision = self.decide();
        let found = decision.exposures.iter().find(|e| e.prefix == prefix);
        found
            .unwrap_or_else(|| panic!("{prefix} is not exposed: {decision:#?}"))
            .clone()
    }

    pub(super) fn proxied(&self, prefix: &str) -> Vec<Ipv6Addr> {
        self.exposure(prefix).proxied.to_vec()
    }

    /// The code and the reason for which a prefix is withheld.
    pub(super) fn withheld(&self, prefix: &str) -> (Code, String) {
        let prefix: IpNet = prefix.parse().unwrap();
        let decision = self.decide();
        let found = decision.withheld.iter().find(|w| w.prefix == prefix);
        let found = found.unwrap_or_else(|| panic!("{prefix} is not withheld: {decision:#?}"));
        (found.code, found.reason.clone())
    }
}

/// host-1, chassis-1.
pub(super) fn node(mappings: &str) -> Node {
    Node {
        hostname: "host-1".into(),
        chassis: "chassis-1".into(),
        mappings: BridgeMappings::parse(mappings),
    }
}

/// One row id per name.
pub(super) fn id(name: &str) -> Uuid {
    let mut bytes = [0_u8; 16];
    for (i, byte) in name.bytes().enumerate() {
        let place = &mut bytes[i % 16];
        *place = place.wrapping_mul(31).wrapping_add(byte);
    }
    Uuid::from_bytes(bytes)
}

pub(super) fn localnet_port(
    network: &str,
    physical_network: &str,
    vlan: Option<u16>,
) -> SwitchPort {
    SwitchPort {
        kind: PortKind::Localnet,
        up: false,
        addresses: Vec::new(),
        tag: vlan,
        requested_chassis: Vec::new(),
        network: None,
        physical_network: Some(physical_network.into()),
        ..vm(&format!("provnet-{network}"), network, &[])
    }
}

/// A VM's port, up on host-1.
pub(super) fn vm(name: &str, network: &str, ips: &[&str]) -> SwitchPort {
    SwitchPort {
        uuid: id(name),
        name: name.into(),
        kind: PortKind::Vif,
        up: true,
        enabled: true,
        addresses: vec![address(MAC, ips)],
        unknown: false,
        tag: None,
        parent: None,
        requested_chassis: vec!["host-1".into()],
        host_id: None,
        network: Some(network.into()),
        cidrs: Vec::new(),
        physical_network: None,
        is_vip: false,
        interface: None,
        project: None,
        virtual_parents: Box::default(),
        dhcp: Box::default(),
        annotations: Annotations::default(),
    }
}

pub(super) fn address(mac: MacAddr, ips: &[&str]) -> PortAddress {
    PortAddress {
        mac,
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
    }
}

pub(super) fn cidrs(cidrs: &[&str]) -> Vec<IpNet> {
    cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect()
}

pub(super) fn hosts(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// A distributed floating IP of network `provider`.
pub(super) fn fip(ip: &str, port: &str) -> Fip {
    Fip {
        uuid: id(ip),
        external_ip: ip.parse().unwrap(),
        logical_port: Some(port.into()),
        external_mac: Some(FIP_MAC),
        gateway_port: None,
        network: Some("provider".into()),
        annotations: Annotations::default(),
    }
}

/// The router's side of an interface.
pub(super) fn inner_port(name: &str, network: &str, addresses: &[&str]) -> RouterPort {
    RouterPort {
        hosting_chassis: None,
        network: Some(network.into()),
        is_gateway: false,
        ..gateway(&format!("lrp-{name}"), addresses)
    }
}

/// The switch's side of an interface of router `router`.
pub(super) fn interface(name: &str, network: &str) -> SwitchPort {
    SwitchPort {
        kind: PortKind::Router,
        requested_chassis: Vec::new(),
        addresses: Vec::new(),
        interface: Some(Box::new(Interface {
            owner: Some("network:router_interface".into()),
            router: Some("router".into()),
            peer: Some(format!("lrp-{name}").into()),
            scopes: AddressScopes::default(),
        })),
        ..vm(name, network, &[])
    }
}

/// The port of a VIP.
pub(super) fn vip_port(name: &str, network: &str) -> SwitchPort {
    SwitchPort {
        up: false,
        requested_chassis: Vec::new(),
        addresses: Vec::new(),
        is_vip: true,
        ..vm(name, network, &[])
    }
}

/// A load balancer on router `router`, with its VIP on port `vip-port`.
pub(super) fn balancer(name: &str, vips: &[(&str, &[&str])]) -> Balancer {
    let ip = |text: &&str| text.parse().unwrap();
    let vips: Vec<_> = vips
        .iter()
        .map(|(address, members)| Vip {
            address: ip(address),
            members: members.iter().map(ip).collect(),
        })
        .collect();
    Balancer {
        uuid: id(name),
        name: name.into(),
        purpose: Purpose::LoadBalancing(Octavia {
            vip: vips.first().map(|vip| vip.address),
            fip: None,
            port: "vip-port".into(),
            router: Some("router".into()),
        }),
        vips,
        annotations: Annotations::default(),
    }
}

/// A gateway port on network `provider`, hosted by chassis-1.
pub(super) fn gateway(name: &str, networks: &[&str]) -> RouterPort {
    RouterPort {
        uuid: id(name),
        name: name.into(),
        mac: LRP_MAC,
        enabled: true,
        networks: cidrs(networks),
        hosting_chassis: Some("chassis-1".into()),
        network: Some("provider".into()),
        is_gateway: true,
        annotations: Annotations::default(),
    }
}
