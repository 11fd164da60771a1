//! What this node says of its own: prefixes, hosts, and that it floods.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::instance::{Instance, Kind, Vni};
use crate::rib::RouteAttributes;
use crate::wire::evpn::{
    Esi, EvpnCommunity, EvpnRoute, InclusiveMulticast, IpPrefix, Label, Mac, MacIp, Mobility,
    tunnel,
};
use crate::wire::{ExtendedCommunity, Origin};

/// Attributes of a tenant's prefix that its originator chooses: communities and the like.
pub type Prefixes = BTreeMap<IpNet, Arc<RouteAttributes>>;

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
    pub(super) fn prefix(
        &self,
        vni: Vni,
        prefix: IpNet,
        base: &RouteAttributes,
    ) -> Option<(EvpnRoute, RouteAttributes)> {
        let Kind::Routed { router_mac } = self.kind else {
            return None;
        };
        let route = IpPrefix {
            rd: self.rd,
            esi: Esi::SINGLE_HOMED,
            tag: 0,
            prefix: prefix.trunc(),
            gateway: None,
            label: Label::of_vni(vni)?,
        };
        let attributes = self.attributes(base, &[EvpnCommunity::RouterMac(router_mac)]);
        Some((EvpnRoute::IpPrefix(route), attributes))
    }

    /// Type 2 (RFC 7432 §7.2), one label: the network is bridged.
    pub(super) fn host(
        &self,
        vni: Vni,
        mac: Mac,
        ip: Option<IpAddr>,
        mobility: Mobility,
    ) -> Option<(EvpnRoute, RouteAttributes)> {
        let route = MacIp {
            rd: self.rd,
            esi: Esi::SINGLE_HOMED,
            tag: 0,
            mac,
            ip,
            label: Label::of_vni(vni)?,
            routing_label: None,
        };
        // RFC 7432 §7.7: an address that never moved goes without.
        let moved = (mobility != Mobility::default()).then_some(EvpnCommunity::Mobility(mobility));
        let attributes = self.attributes(&igp(), moved.as_slice());
        Some((EvpnRoute::MacIp(route), attributes))
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
