//! A small cloud to decide about: chassis-1 (this node), chassis-2; physnet1 on br-ex; networks `provider`
//! and `tenant`, and router `router`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::super::{Inputs, Standing, decide};
use crate::exposure::{Code, Decision, Delta, Exposure, Node, Options, TenantExposure};
use crate::mac::MacAddr;
use crate::ovn::southbound::{
    AdvertisedRoute, Affected, Bgpvpn, BindingAddress, BindingKind, Chassis, Datapath,
    DatapathGroup, DynamicRouting, LoadBalancer, Localnet, NatAddress, Patch, PortBinding, Row,
    Table,
};
use crate::ovn::{AddressScopes, Annotations, BridgeMappings, Southbound, Vip};

pub(in crate::exposure) const MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
pub(in crate::exposure) const LRP_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0x10]);

pub(in crate::exposure) struct Cloud {
    pub(in crate::exposure) sb: Southbound,
    pub(in crate::exposure) node: Node,
    pub(in crate::exposure) options: Options,
    standing: Standing,
    /// What port bindings say of routes, whenever they are there.
    said: BTreeMap<Uuid, Annotations>,
    /// What they say of their VNI.
    bgpvpn: BTreeMap<Uuid, Bgpvpn>,
    /// What they say of dynamic routing.
    routing: BTreeMap<Uuid, DynamicRouting>,
}

impl Cloud {
    pub(in crate::exposure) fn new() -> Self {
        let mut cloud = Self {
            sb: Southbound::default(),
            node: node("physnet1:br-ex"),
            options: Options::default(),
            standing: Standing::default(),
            said: BTreeMap::new(),
            bgpvpn: BTreeMap::new(),
            routing: BTreeMap::new(),
        };
        cloud.chassis("chassis-1");
        cloud.chassis("chassis-2");
        cloud.datapath("provider", false);
        cloud.put(localnet("provider", "physnet1", None));
        cloud.datapath("tenant", false);
        cloud.datapath("router", true);
        cloud
    }

    /// The same, with `expose_tenant_networks`, the router's gateway `lrp-gw` (172.24.4.146,
    /// 2001:db8:4::146) on chassis-1, and its interface `lrp-1` (10.0.0.1/24) on `tenant`.
    pub(in crate::exposure) fn with_tenant() -> Self {
        let mut cloud = Self::new();
        cloud.options.tenants = TenantExposure::Everything;
        cloud.put_all(gateway(
            "lrp-gw",
            &["172.24.4.146/24", "2001:db8:4::146/64"],
        ));
        cloud.put_all(interface("lrp-1", "tenant", &["10.0.0.1/24"]));
        cloud
    }

    pub(in crate::exposure) fn chassis(&mut self, name: &str) {
        let uuid = id(name);
        let row = Row::Chassis(Chassis {
            uuid,
            name: name.into(),
        });
        self.sb.replace(Table::Chassis, uuid, Some(row));
    }

    pub(in crate::exposure) fn delete_chassis(&mut self, name: &str) {
        self.sb.replace(Table::Chassis, id(name), None);
    }

    pub(in crate::exposure) fn datapath(&mut self, name: &str, is_router: bool) {
        let uuid = id(name);
        let row = Row::Datapath(Datapath {
            uuid,
            is_router,
            name: name.into(),
            table: 7,
            mtu: crate::ovn::Mtu::default(),
        });
        self.sb.replace(Table::Datapath, uuid, Some(row));
    }

    pub(in crate::exposure) fn delete_datapath(&mut self, name: &str) {
        self.sb.replace(Table::Datapath, id(name), None);
    }

    /// From now on the port binding of this name says so in `external_ids`.
    pub(in crate::exposure) fn say(&mut self, name: &str, said: &[(&str, &str)]) {
        let annotations = Annotations::of_external_ids(said.iter().copied());
        self.said.insert(id(name), annotations);
        if let Some(row) = self.sb.binding(id(name)).cloned() {
            self.put((*row).clone());
        }
    }

    /// From now on the port binding of this name is of this VNI and AS.
    pub(in crate::exposure) fn join(&mut self, name: &str, vni: Option<&str>, asn: Option<&str>) {
        let vni = vni.map(|vni| ("neutron_bgpvpn:vni", vni));
        let asn = asn.map(|asn| ("neutron_bgpvpn:as", asn));
        let bgpvpn = Bgpvpn::of_external_ids(vni.into_iter().chain(asn));
        self.bgpvpn.insert(id(name), bgpvpn);
        if let Some(row) = self.sb.binding(id(name)).cloned() {
            self.put((*row).clone());
        }
    }

    /// From now on the port binding of this name has these `options`.
    pub(in crate::exposure) fn route_by(&mut self, name: &str, options: &[(&str, &str)]) {
        let routing = DynamicRouting::of_options(options.iter().copied());
        self.routing.insert(id(name), routing);
        if let Some(row) = self.sb.binding(id(name)).cloned() {
            self.put((*row).clone());
        }
    }

    /// northd wants a prefix of a router to be advertised, which leaves by a port.
    pub(in crate::exposure) fn advertise(
        &mut self,
        router: &str,
        port: &str,
        prefix: &str,
        tracked: Option<&str>,
    ) {
        let uuid = route_id(router, port, prefix);
        let row = Row::AdvertisedRoute(AdvertisedRoute {
            uuid,
            router: id(router),
            port: id(port),
            prefix: prefix.parse().unwrap(),
            tracked: tracked.map(id),
        });
        self.sb.replace(Table::AdvertisedRoute, uuid, Some(row));
    }

    pub(in crate::exposure) fn unadvertise(&mut self, router: &str, port: &str, prefix: &str) {
        let uuid = route_id(router, port, prefix);
        self.sb.replace(Table::AdvertisedRoute, uuid, None);
    }

    pub(in crate::exposure) fn put(&mut self, mut binding: PortBinding) {
        let uuid = binding.uuid;
        binding.annotations = self.said.get(&uuid).cloned().unwrap_or_default();
        binding.bgpvpn = self.bgpvpn.get(&uuid).cloned().unwrap_or_default();
        binding.routing = self.routing.get(&uuid).cloned().unwrap_or_default();
        let row = Row::PortBinding(binding);
        self.sb.replace(Table::PortBinding, uuid, Some(row));
    }

    pub(in crate::exposure) fn put_all(&mut self, bindings: impl IntoIterator<Item = PortBinding>) {
        for binding in bindings {
            self.put(binding);
        }
    }

    pub(in crate::exposure) fn delete(&mut self, port: &str) {
        self.sb.replace(Table::PortBinding, id(port), None);
    }

    /// A load balancer in a datapath group of its own.
    pub(in crate::exposure) fn balancer(&mut self, balancer: LoadBalancer, datapaths: &[&str]) {
        let uuid = id(&format!("group of {}", balancer.uuid));
        let mut datapaths: Vec<_> = datapaths.iter().map(|name| id(name)).collect();
        datapaths.sort();
        let group = Row::DatapathGroup(DatapathGroup { uuid, datapaths });
        self.sb.replace(Table::DatapathGroup, uuid, Some(group));
        let balancer = LoadBalancer {
            groups: vec![uuid],
            ..balancer
        };
        self.ungrouped_balancer(balancer);
    }

    pub(in crate::exposure) fn ungrouped_balancer(&mut self, balancer: LoadBalancer) {
        let uuid = balancer.uuid;
        let row = Row::LoadBalancer(balancer);
        self.sb.replace(Table::LoadBalancer, uuid, Some(row));
    }

    pub(in crate::exposure) fn delete_balancer(&mut self, name: &str) {
        self.sb.replace(Table::LoadBalancer, id(name), None);
    }

    /// Takes another node or other options: everything is decided again.
    pub(in crate::exposure) fn reconsider(&mut self) -> Delta {
        self.sb.take_affected();
        self.update(Affected {
            everything: true,
            ..Affected::default()
        })
    }

    pub(in crate::exposure) fn decide(&self) -> Decision {
        decide(self.inputs())
    }

    /// The change since the last call, checked against the whole decision.
    pub(in crate::exposure) fn delta(&mut self) -> Delta {
        let affected = self.sb.take_affected();
        self.update(affected)
    }

    fn update(&mut self, affected: Affected) -> Delta {
        let inputs = Inputs {
            southbound: &self.sb,
            node: &self.node,
            options: &self.options,
        };
        let delta = self.standing.update(inputs, affected);
        let mut kept: Vec<_> = self.standing.exposures().cloned().collect();
        kept.sort();
        assert_eq!(kept, self.decide().exposures);
        delta
    }

    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            southbound: &self.sb,
            node: &self.node,
            options: &self.options,
        }
    }

    /// The exposed prefixes, checked to be the standing ones too.
    pub(in crate::exposure) fn exposed(&mut self) -> Vec<String> {
        self.delta();
        let exposures = self.decide().exposures;
        exposures.iter().map(|e| e.prefix.to_string()).collect()
    }

    /// Those of them that are not the gateway's own.
    pub(in crate::exposure) fn exposed_behind(&mut self) -> Vec<String> {
        let mut exposed = self.exposed();
        exposed.retain(|prefix| !GATEWAY.contains(&&**prefix));
        exposed
    }

    pub(in crate::exposure) fn exposure(&self, prefix: &str) -> Arc<Exposure> {
        let prefix: IpNet = prefix.parse().unwrap();
        let decision = self.decide();
        let found = decision.exposures.iter().find(|e| e.prefix == prefix);
        found
            .unwrap_or_else(|| panic!("{prefix} is not exposed: {decision:#?}"))
            .clone()
    }

    /// The code and the reason for which a prefix is withheld.
    pub(in crate::exposure) fn withheld(&self, prefix: &str) -> (Code, String) {
        let prefix: IpNet = prefix.parse().unwrap();
        let decision = self.decide();
        let found = decision.withheld.iter().find(|w| w.prefix == prefix);
        let found = found.unwrap_or_else(|| panic!("{prefix} is not withheld: {decision:#?}"));
        (found.code, found.reason.clone())
    }
}

/// What the gateway of [`Cloud::with_tenant`] has of its own.
pub(in crate::exposure) const GATEWAY: [&str; 2] = ["172.24.4.146/32", "2001:db8:4::146/128"];

/// chassis-1.
pub(in crate::exposure) fn node(mappings: &str) -> Node {
    Node {
        hostname: "host-1".into(),
        chassis: "chassis-1".into(),
        mappings: BridgeMappings::parse(mappings),
    }
}

fn route_id(router: &str, port: &str, prefix: &str) -> Uuid {
    id(&format!("{prefix} of {router} by {port}"))
}

/// One row id per name.
pub(in crate::exposure) fn id(name: &str) -> Uuid {
    let mut bytes = [0_u8; 16];
    for (i, byte) in name.bytes().enumerate() {
        let place = &mut bytes[i % 16];
        *place = place.wrapping_mul(31).wrapping_add(byte);
    }
    Uuid::from_bytes(bytes)
}

pub(in crate::exposure) fn nets(nets: &[&str]) -> Vec<IpNet> {
    nets.iter().map(|net| net.parse().unwrap()).collect()
}

fn binding(name: &str, datapath: &str, kind: BindingKind) -> PortBinding {
    PortBinding {
        kind,
        datapath: Some(id(datapath)),
        ..PortBinding::unbound(id(name), name)
    }
}

/// A VM's port, up on chassis-1.
pub(in crate::exposure) fn vm(name: &str, network: &str, ips: &[&str]) -> PortBinding {
    let hosts = ips
        .iter()
        .map(|ip| IpNet::from(ip.parse::<std::net::IpAddr>().unwrap()));
    PortBinding {
        chassis: Some(id("chassis-1")),
        up: true,
        addresses: vec![BindingAddress {
            mac: MAC,
            nets: hosts.collect(),
        }],
        ..binding(name, network, BindingKind::Vif)
    }
}

/// The port that reserves a load balancer's VIPs: it has no address of its own.
pub(in crate::exposure) fn vip_port(balancer: &str, network: &str, cidrs: &[&str]) -> PortBinding {
    PortBinding {
        cidrs: nets(cidrs),
        vip_of: Some(balancer.into()),
        ..binding(&format!("vip of {balancer}"), network, BindingKind::Vif)
    }
}

pub(in crate::exposure) fn localnet(
    network: &str,
    physical_network: &str,
    vlan: Option<u16>,
) -> PortBinding {
    let kind = BindingKind::Localnet(Localnet {
        physical_network: Some(physical_network.into()),
        vlan,
        mtu: crate::ovn::Mtu::default(),
    });
    binding(&format!("{physical_network} of {network}"), network, kind)
}

/// A gateway of `router` on `provider`, hosted by chassis-1: `cr-NAME`, `NAME`, `NAME on provider`.
pub(in crate::exposure) fn gateway(name: &str, networks: &[&str]) -> [PortBinding; 3] {
    gateway_of("router", name, "provider", networks)
}

pub(in crate::exposure) fn gateway_of(
    router: &str,
    name: &str,
    network: &str,
    networks: &[&str],
) -> [PortBinding; 3] {
    let redirect = PortBinding {
        chassis: Some(id("chassis-1")),
        up: true,
        addresses: lrp_addresses(networks),
        ..binding(
            &format!("cr-{name}"),
            router,
            BindingKind::ChassisRedirect {
                distributed_port: Some(name.into()),
            },
        )
    };
    let [mut lrp, switch_port] = link(router, name, network, networks);
    if let BindingKind::Patch(patch) = &mut lrp.kind {
        patch.redirect = Some(format!("cr-{name}").into());
    }
    [redirect, lrp, switch_port]
}

/// The chassis-redirect port of that gateway, on another chassis or none.
pub(in crate::exposure) fn redirect_on(chassis: Option<&str>, networks: &[&str]) -> PortBinding {
    let [redirect, ..] = gateway("lrp-gw", networks);
    PortBinding {
        chassis: chassis.map(id),
        ..redirect
    }
}

/// An interface of `router`: `NAME`, `NAME on NETWORK`.
pub(in crate::exposure) fn interface(
    name: &str,
    network: &str,
    networks: &[&str],
) -> [PortBinding; 2] {
    link("router", name, network, networks)
}

pub(in crate::exposure) fn link(
    router: &str,
    name: &str,
    network: &str,
    networks: &[&str],
) -> [PortBinding; 2] {
    let other = format!("{name} on {network}");
    let patch = |peer: &str| {
        BindingKind::Patch(Patch {
            peer: Some(peer.into()),
            ..Patch::default()
        })
    };
    let lrp = PortBinding {
        addresses: lrp_addresses(networks),
        ..binding(name, router, patch(&other))
    };
    let switch_port = PortBinding {
        cidrs: nets(networks),
        ..binding(&other, network, patch(name))
    };
    [lrp, switch_port]
}

fn lrp_addresses(networks: &[&str]) -> Vec<BindingAddress> {
    vec![BindingAddress {
        mac: LRP_MAC,
        nets: nets(networks),
    }]
}

/// The switch's end of a link, with address scopes.
pub(in crate::exposure) fn scoped(
    mut switch_port: PortBinding,
    v4: Option<&str>,
    v6: Option<&str>,
) -> PortBinding {
    if let BindingKind::Patch(patch) = &mut switch_port.kind {
        patch.scopes = AddressScopes {
            v4: v4.map(Into::into),
            v6: v6.map(Into::into),
        };
    }
    switch_port
}

/// The provider's end of gateway `lrp-gw`, with `nat_addresses`: IP and the port it is answered for at.
pub(in crate::exposure) fn answering(entries: &[(&str, Option<&str>)]) -> PortBinding {
    let [.., mut switch_port] = gateway("lrp-gw", &["172.24.4.146/24", "2001:db8:4::146/64"]);
    if let BindingKind::Patch(patch) = &mut switch_port.kind {
        let entries = entries.iter().map(|(ip, resident)| NatAddress {
            ips: vec![ip.parse().unwrap()],
            resident: resident.map(Into::into),
        });
        patch.nat_addresses = entries.collect();
    }
    switch_port
}

/// A load balancer with these VIPs and their members.
pub(in crate::exposure) fn balancer(name: &str, vips: &[(&str, &[&str])]) -> LoadBalancer {
    let vips = vips.iter().map(|(address, members)| Vip {
        address: address.parse().unwrap(),
        members: members.iter().map(|ip| ip.parse().unwrap()).collect(),
    });
    LoadBalancer {
        uuid: id(name),
        name: name.into(),
        vips: vips.collect(),
        datapaths: Vec::new(),
        groups: Vec::new(),
    }
}
