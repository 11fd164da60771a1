//! What this node says of its own: prefixes, hosts, and that it floods.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::instance::{Instance, Vni};
use super::table::Subject;
use crate::rib::RouteAttributes;
use crate::wire::evpn::{
    Esi, EvpnCommunity, EvpnRoute, InclusiveMulticast, IpPrefix, Label, Mac, MacIp, Mobility,
    tunnel,
};
use crate::wire::{ExtendedCommunity, Origin};

/// A host of this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalHost {
    /// Its IP addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// It does not move: who else claims its MAC address is wrong (RFC 7432 §15.2).
    pub sticky: bool,
    /// It is a default gateway of the network, and told as that (RFC 7432 §10.1). Where another node says the same of
    /// its MAC address, both have it: that is no move.
    pub gateway: bool,
}

/// What this node has in one VNI, whether or not there is an instance of it at present.
#[derive(Debug, Default)]
pub(super) struct Here {
    /// With the attributes that their originator chooses: communities and the like.
    pub(super) prefixes: BTreeMap<IpNet, Arc<RouteAttributes>>,
    pub(super) hosts: BTreeMap<Mac, LocalHost>,
}

impl Here {
    pub(super) fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.hosts.is_empty()
    }

    /// All that something may be said of.
    pub(super) fn subjects(&self) -> impl Iterator<Item = Subject> {
        let prefixes = self.prefixes.keys().copied().map(Subject::Prefix);
        let hosts = self.hosts.keys().copied().map(Subject::Host);
        prefixes.chain(hosts).chain([Subject::Flood])
    }
}

impl Instance {
    /// What goes with every route of the instance; `more` comes behind the targets, in the order of FRR.
    fn attributes(&self, base: &RouteAttributes, more: &[EvpnCommunity]) -> RouteAttributes {
        let targets = self.export.iter().copied().map(EvpnCommunity::RouteTarget);
        let own = [EvpnCommunity::Encapsulation(tunnel::VXLAN)];
        let all = own.into_iter().chain(targets).chain(more.iter().copied());
        let chosen = base.extended_communities.iter().copied();
        let extended_communities = all.map(ExtendedCommunity::from).chain(chosen).collect();
        RouteAttributes {
            next_hop: Some(self.vtep),
            extended_communities,
            pmsi_tunnel: None,
            ..base.clone()
        }
    }

    /// Type 5 (RFC 9136 §3.1), interface-less: the way is this node's VTEP and router MAC (§4.4.1).
    pub(super) fn prefix(&self, vni: Vni, prefix: IpNet) -> Option<EvpnRoute> {
        let route = IpPrefix {
            rd: self.rd,
            esi: Esi::SINGLE_HOMED,
            tag: 0,
            prefix: prefix.trunc(),
            gateway: None,
            label: Label::of_vni(vni)?,
        };
        Some(EvpnRoute::IpPrefix(route))
    }

    /// What a prefix is told with; nothing where frames are bridged.
    pub(super) fn prefix_attributes(&self, base: &RouteAttributes) -> Option<RouteAttributes> {
        let router_mac = EvpnCommunity::RouterMac(self.router_mac()?);
        Some(self.attributes(base, &[router_mac]))
    }

    /// Type 2 (RFC 7432 §7.2), one label: the network is bridged.
    pub(super) fn host(&self, vni: Vni, mac: Mac, ip: Option<IpAddr>) -> Option<EvpnRoute> {
        let route = MacIp {
            rd: self.rd,
            esi: Esi::SINGLE_HOMED,
            tag: 0,
            mac,
            ip,
            label: Label::of_vni(vni)?,
            routing_label: None,
        };
        Some(EvpnRoute::MacIp(route))
    }

    /// What a host is told with. RFC 7432 §7.7: an address that never moved goes without a sequence; §10.1: a default
    /// gateway is marked as one.
    pub(super) fn host_attributes(&self, mobility: Mobility, gateway: bool) -> RouteAttributes {
        let moved = (mobility != Mobility::default()).then_some(EvpnCommunity::Mobility(mobility));
        let gateway = gateway.then_some(EvpnCommunity::DefaultGateway);
        let more: Vec<_> = moved.into_iter().chain(gateway).collect();
        self.attributes(&igp(), &more)
    }

    /// Type 3 (RFC 7432 §7.3), with the tunnel that it must have (§11.1).
    pub(super) fn flood(&self, vni: Vni) -> Option<(EvpnRoute, RouteAttributes)> {
        let label = Label::of_vni(vni)?;
        let route = InclusiveMulticast {
            rd: self.rd,
            tag: 0,
            originator: self.vtep,
        };
        let attributes = RouteAttributes {
            pmsi_tunnel: Some((label, self.vtep)),
            ..self.attributes(&igp(), &[])
        };
        Some((EvpnRoute::InclusiveMulticast(route), attributes))
    }
}

/// What begins here.
fn igp() -> RouteAttributes {
    RouteAttributes {
        origin: Origin::Igp,
        ..RouteAttributes::default()
    }
}
