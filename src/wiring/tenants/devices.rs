//! What a tenant's table is made of on this node, whatever is in it.
//!
//! `vrf-<vni>` with the table of the VNI's number, `br-<vni>` in it, `vxlan-<vni>` in that. A bridged tenant has a VRF too, empty:
//! `br-<vni>` would let its hosts speak to the node itself otherwise. What the table has no route to goes nowhere, lest
//! the rules of the node lead it into the main table.

use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;

use super::entrance::{link, sysctl};
use super::{mtu, names};
use crate::exposure::{Layer, Tenant};
use crate::reconcile::object::LinkKind;
use crate::reconcile::ownership::default_prefix;
use crate::reconcile::{Key, Value};
use crate::wiring::Facts;

/// The devices and what belongs to them.
pub(super) fn objects(tenant: &Tenant, vtep: IpAddr, facts: &Facts) -> Vec<(Key, Value)> {
    let Tenant { vni, layer, .. } = *tenant;
    let bridge = names::bridge(vni);
    let mut objects = chain(vni, vtep, mtu::of_vni(tenant), facts);
    objects.push(bridge_port(&names::vxlan(vni), true));
    for v6 in [false, true] {
        let key = Key::Unreachable {
            table: vni,
            prefix: default_prefix(v6),
        };
        objects.push((key, Value::Unreachable {}));
    }
    if layer == Layer::Routed {
        objects.extend(["ipv4", "ipv6"].map(|family| sysctl(family, &bridge, "forwarding")));
        for path in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
            let value = Value::Sysctl { value: "1".into() };
            objects.push((Key::Sysctl { path: path.into() }, value));
        }
    }
    objects
}

/// What must be in place before anything of the table is advertised.
pub(super) fn requires(vni: Vni, vtep: IpAddr, facts: &Facts) -> impl Iterator<Item = Key> {
    let chain = chain(vni, vtep, None, facts);
    chain.into_iter().map(|(key, _)| key)
}

/// The VRF alone, which `delete_vrf_on_disconnect = false` leaves behind.
pub(super) fn vrf(vni: Vni) -> (Key, Value) {
    link(&names::vrf(vni), LinkKind::Vrf { table: vni }, None, None)
}

/// How a bridge treats a port of a tenant's: it learns nothing, because OVN and the peers say where hosts are.
pub(super) fn bridge_port(dev: &Arc<str>, neigh_suppress: bool) -> (Key, Value) {
    let dev = Arc::clone(dev);
    let value = Value::BridgePort {
        learning: false,
        neigh_suppress,
    };
    (Key::BridgePort { dev }, value)
}

fn chain(vni: Vni, vtep: IpAddr, mtu: Option<u32>, facts: &Facts) -> Vec<(Key, Value)> {
    let tenancy = &facts.tenancy;
    let (vrf_name, bridge, vxlan) = (names::vrf(vni), names::bridge(vni), names::vxlan(vni));
    // A bridge that is there keeps its address: peers send to it.
    let observed = tenancy.macs.get(&bridge).copied();
    let mac = observed.unwrap_or_else(|| names::router_mac(vtep, vni));
    let kind = LinkKind::Vxlan {
        vni,
        port: tenancy.udp_port,
        local: vtep,
    };
    let member = |dev: &Arc<str>, master: &Arc<str>| {
        let (dev, master) = (Arc::clone(dev), Arc::clone(master));
        (Key::Master { dev }, Value::Master { master })
    };
    vec![
        vrf(vni),
        link(&bridge, LinkKind::Bridge, Some(mac), mtu),
        link(&vxlan, kind, None, mtu),
        member(&bridge, &vrf_name),
        member(&vxlan, &bridge),
    ]
}
