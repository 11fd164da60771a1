//! Tenants' devices, by the messages that tell of them.

use std::net::IpAddr;

use netlink_packet_core::DefaultNla;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{
    InfoData, InfoVxlan, LinkAttribute, LinkInfo, LinkMessage, LinkProtoInfoBridge,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use netlink_packet_route::route::RouteAttribute;
use rtnetlink::LinkBridge;

use super::*;
use crate::kernel::message::RouteId;
use crate::mac::MacAddr;
use crate::reconcile::Found;
use crate::reconcile::object::{LinkKind, Route, Value};
use crate::reconcile::ownership::{LINK_ALIAS, TenantScope};

const VNI: u32 = 1001;
const TENANT_VRF: u32 = 50;
const TENANT_BRIDGE: u32 = 51;
const VXLAN: u32 = 52;
const ENTRY: u32 = 53;
const PEER: u32 = 54;

fn local() -> IpAddr {
    "172.30.1.1".parse().unwrap()
}

fn new_link(mut message: LinkMessage, index: u32, more: Vec<LinkAttribute>) -> RouteNetlinkMessage {
    message.header.index = index;
    message.attributes.extend(more);
    RouteNetlinkMessage::NewLink(message)
}

fn veth(name: &str, peer: u32) -> LinkMessage {
    let mut message = request::veth(name, "x");
    message.attributes.push(LinkAttribute::Link(peer));
    message
}

/// The Python agent's VRF with its devices, unmarked.
fn tenants() -> State {
    let mut state = State::new(Scope {
        tenants: Some(TenantScope {
            keeps_vrfs: false,
            speaks: true,
            ..TenantScope::default()
        }),
        ..Scope::default()
    });
    let slave = |master| vec![LinkAttribute::Controller(master)];
    let vxlan = request::vxlan("vxlan-1001", VNI, 4789, local());
    let bridge = LinkBridge::new("br-1001").build();
    for message in [
        new_link(request::vrf("vrf-1001", VNI), TENANT_VRF, vec![]),
        new_link(bridge, TENANT_BRIDGE, slave(TENANT_VRF)),
        new_link(vxlan, VXLAN, slave(TENANT_BRIDGE)),
        new_link(veth("ovsb4113ba2-78", ENTRY), PEER, vec![]),
        new_link(veth("vrfb4113ba2-78", PEER), ENTRY, slave(TENANT_VRF)),
    ] {
        seen(&mut state, message);
    }
    state
}

fn found(state: &State, name: &str) -> Option<(LinkKind, bool)> {
    let found = state.found(&link_key(&Arc::from(name)))?;
    match found.value {
        Value::Link(link) => Some((link.kind, found.owned)),
        _ => None,
    }
}

#[test]
fn b118_devices_of_the_python_agent_are_ours_as_long_as_they_hang_together() {
    let mut state = tenants();
    let vxlan = LinkKind::Vxlan {
        vni: VNI,
        port: 4789,
        local: local(),
    };
    let peer = "ovsb4113ba2-78".into();
    let vrf = LinkKind::Vrf { table: VNI };
    assert_eq!(found(&state, "vxlan-1001"), Some((vxlan.clone(), true)));
    assert_eq!(found(&state, "br-1001"), Some((LinkKind::Bridge, true)));
    assert_eq!(found(&state, "vrf-1001"), Some((vrf.clone(), true)));
    let entry = found(&state, "vrfb4113ba2-78");
    assert_eq!(entry, Some((LinkKind::Veth { peer }, true)));
    let end = found(&state, "ovsb4113ba2-78");
    assert_eq!(
        end.map(|(_, ours)| ours),
        Some(false),
        "goes with the other"
    );

    // An operator puts a device of his own into the VRF.
    let guest = LinkDummy::new("eth1").build();
    let guest = new_link(guest, 60, vec![LinkAttribute::Controller(TENANT_VRF)]);
    let mut touched = Touched::default();
    state.handle(&guest, &mut touched);
    assert!(touched.stale, "what is in it has another owner");
    assert_eq!(found(&state, "vxlan-1001"), Some((vxlan, false)));
    assert_eq!(found(&state, "vrf-1001"), Some((vrf, false)));
}

#[test]
fn a_vxlan_device_that_learns_is_not_as_ours() {
    let mut state = tenants();
    let mut learns = request::vxlan("vxlan-1001", VNI, 4789, local());
    for attribute in &mut learns.attributes {
        if let LinkAttribute::LinkInfo(infos) = attribute {
            for info in infos {
                if let LinkInfo::Data(InfoData::Vxlan(vxlan)) = info {
                    vxlan.retain(|v| !matches!(v, InfoVxlan::Learning(_)));
                    vxlan.push(InfoVxlan::Learning(true));
                }
            }
        }
    }
    let alias = LinkAttribute::IfAlias(LINK_ALIAS.into());
    seen(&mut state, new_link(learns, VXLAN, vec![alias]));
    assert_eq!(found(&state, "vxlan-1001"), Some((LinkKind::Foreign, true)));
}

#[test]
fn a_renamed_end_changes_the_kind_of_the_other() {
    let mut state = tenants();
    let mut touched = Touched::default();
    let renamed = new_link(veth("other", ENTRY), PEER, vec![]);
    state.handle(&renamed, &mut touched);
    let entry = link_key(&Arc::from("vrfb4113ba2-78"));
    assert!(touched.keys.contains(&entry));
    let peer = "other".into();
    let kind = found(&state, "vrfb4113ba2-78").map(|(kind, _)| kind);
    assert_eq!(kind, Some(LinkKind::Veth { peer }));
}

fn of_bridge(index: u32, flags: &[(u16, u8)]) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = index;
    let told = flags
        .iter()
        .map(|(kind, on)| LinkProtoInfoBridge::Other(DefaultNla::new(*kind, vec![*on])));
    message.attributes = vec![LinkAttribute::ProtoInfoBridge(told.collect())];
    message
}

#[test]
fn a_port_that_leaves_its_bridge_is_still_an_interface() {
    let mut state = tenants();
    let port = Key::BridgePort {
        dev: "vxlan-1001".into(),
    };
    let told = of_bridge(VXLAN, &[(8, 0), (32, 1)]);
    let mut touched = Touched::default();
    state.handle(&RouteNetlinkMessage::NewLink(told), &mut touched);
    assert!(touched.keys.contains(&port));
    let value = Value::BridgePort {
        learning: false,
        neigh_suppress: true,
    };
    let is = state.found(&port).map(|found| (found.value, found.owned));
    assert_eq!(is, Some((value, false)));

    // The kernel says so with a message that deletes, of the family of bridges.
    let left = RouteNetlinkMessage::DelLink(of_bridge(VXLAN, &[]));
    seen(&mut state, left);
    assert_eq!(state.found(&port), None);
    assert!(found(&state, "vxlan-1001").is_some());
}

/// An entry towards a VTEP as the kernel tells it: one message for each table, that of the VXLAN device first.
fn halves(mac: MacAddr, vtep: IpAddr) -> [NeighbourMessage; 2] {
    let added = request::add_fdb(VXLAN, mac, Some(vtep)).message;
    let RouteNetlinkMessage::NewNeighbour(both) = added else {
        panic!("an entry is added by another message");
    };
    let mut own = both.clone();
    own.header.flags = NeighbourFlags::Own | NeighbourFlags::ExtLearned;
    let mut in_bridge = both;
    in_bridge.header.flags = NeighbourFlags::ExtLearned;
    let attributes = &mut in_bridge.attributes;
    attributes.retain(|a| !matches!(a, NeighbourAttribute::Destination(_)));
    attributes.push(NeighbourAttribute::Controller(TENANT_BRIDGE));
    [own, in_bridge]
}

#[test]
fn an_entry_towards_a_vtep_is_whole_in_both_tables() {
    let mut state = tenants();
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let vtep: IpAddr = "10.255.0.1".parse().unwrap();
    let key = Key::Fdb {
        dev: "vxlan-1001".into(),
        mac,
    };
    let [own, in_bridge] = halves(mac, vtep);
    seen(&mut state, RouteNetlinkMessage::NewNeighbour(own));
    let half = state.found(&key).map(|found| found.value);
    assert!(matches!(half, Some(Value::Stray { .. })), "{half:?}");

    seen(&mut state, RouteNetlinkMessage::NewNeighbour(in_bridge));
    let whole = state.found(&key).map(|found| (found.value, found.owned));
    assert_eq!(whole, Some((Value::Fdb { vtep: Some(vtep) }, true)));
}

/// The flags and states that the two tables tell of an entry towards a VTEP.
fn told_as(own: (NeighbourFlags, u16), in_bridge: (NeighbourFlags, u16)) -> State {
    let mut state = tenants();
    let halves = halves(TOLD, "10.255.0.1".parse().unwrap());
    for (mut half, (flags, told)) in halves.into_iter().zip([own, in_bridge]) {
        half.header.flags = flags;
        half.header.state = told.into();
        seen(&mut state, RouteNetlinkMessage::NewNeighbour(half));
    }
    state
}

const TOLD: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const OWN: NeighbourFlags = NeighbourFlags::Own;
const TAUGHT: NeighbourFlags = NeighbourFlags::ExtLearned;
/// neighbour.h: `NUD_REACHABLE`, `NUD_NOARP`, `NUD_PERMANENT`.
const REACHABLE: u16 = 0x02;
const NOARP: u16 = 0x40;
const PERMANENT: u16 = 0x80;

/// Whether it is as wished, and of which tables it goes before it is.
fn judged(state: &State) -> (bool, bool, bool) {
    let key = Key::Fdb {
        dev: "vxlan-1001".into(),
        mac: TOLD,
    };
    let vtep = Some("10.255.0.1".parse().unwrap());
    let found = state.found(&key).map(|found| found.value);
    let way = state.in_the_way(VXLAN, TOLD, vtep);
    let as_wished = found == Some(Value::Fdb { vtep });
    (as_wished, way.of_bridge, way.of_vxlan)
}

#[test]
fn an_entry_is_as_wished_if_it_stays_as_long_as_its_device_is_up() {
    let ours = (OWN | TAUGHT, REACHABLE);
    let in_bridge = (TAUGHT, REACHABLE);
    let as_wished = (true, false, false);
    for (own, in_bridge, expected) in [
        (ours, in_bridge, as_wished),
        // Zebra's of an address that does not move.
        (
            (OWN, REACHABLE | NOARP),
            (NeighbourFlags::Sticky, NOARP),
            as_wished,
        ),
        (ours, (TAUGHT, NOARP), as_wished),
        ((OWN | TAUGHT, PERMANENT), in_bridge, (false, false, true)),
        (
            (OWN | TAUGHT, PERMANENT | NOARP),
            in_bridge,
            (false, false, true),
        ),
        ((OWN, PERMANENT), in_bridge, (false, false, true)),
        ((OWN, REACHABLE), in_bridge, (false, false, true)),
        (ours, (TAUGHT, PERMANENT), (false, true, false)),
        (
            ours,
            (NeighbourFlags::empty(), PERMANENT),
            (false, true, false),
        ),
        (
            ours,
            (NeighbourFlags::empty(), REACHABLE),
            (false, false, false),
        ),
    ] {
        let judged = judged(&told_as(own, in_bridge));
        assert_eq!(judged, expected, "{own:?} {in_bridge:?}");
    }
}

#[test]
fn what_frames_teach_and_ports_own_addresses_are_no_entries() {
    for told in [REACHABLE, PERMANENT] {
        let mut state = tenants();
        let [_, mut in_bridge] = halves(TOLD, local());
        in_bridge.header.flags = NeighbourFlags::empty();
        in_bridge.header.state = told.into();
        let mut touched = Touched::default();
        state.handle(&RouteNetlinkMessage::NewNeighbour(in_bridge), &mut touched);
        assert_eq!(touched, Touched::default(), "{told}");
        let entries = state.objects().into_iter();
        let entries = entries.filter(|(key, _)| matches!(key, Key::Fdb { .. }));
        assert_eq!(entries.count(), 0, "{told}");
    }
}

/// The kernel has one state for all that an address leads to, and tells it with the first.
#[test]
fn that_floods_age_is_seen_of_all_when_it_is_told_of_one() {
    let mut state = tenants();
    let vteps: [IpAddr; 2] = ["10.255.0.1", "10.255.0.2"].map(|v| v.parse().unwrap());
    let keys = vteps.map(|vtep| Key::Flood {
        dev: "vxlan-1001".into(),
        vtep,
    });
    let flood = |vtep: IpAddr| {
        let added = request::add_flood(VXLAN, vtep).message;
        let RouteNetlinkMessage::NewNeighbour(message) = added else {
            panic!("a flood is added by another message");
        };
        message
    };
    let values = |state: &State| -> Vec<Option<Value>> {
        let values = keys.iter().map(|key| state.found(key));
        values.map(|found| Some(found?.value)).collect()
    };
    let [first, second] = vteps.map(flood);
    for message in [&first, &second] {
        seen(
            &mut state,
            RouteNetlinkMessage::NewNeighbour(message.clone()),
        );
    }
    let as_wished = [Some(Value::Flood {}), Some(Value::Flood {})];
    assert_eq!(values(&state), as_wished);

    let mut ages = first.clone();
    ages.header.state = REACHABLE.into();
    let mut touched = Touched::default();
    state.handle(&RouteNetlinkMessage::NewNeighbour(ages), &mut touched);
    let strays = |values: Vec<Option<Value>>| {
        let is = |value: &Option<Value>| matches!(value, Some(Value::Stray { .. }));
        values.iter().filter(|value| is(value)).count()
    };
    assert_eq!(strays(values(&state)), 2);
    assert!(keys.iter().all(|key| touched.keys.contains(key)));

    let mut touched = Touched::default();
    state.handle(&RouteNetlinkMessage::NewNeighbour(first), &mut touched);
    assert_eq!(values(&state), as_wished);
    assert!(keys.iter().all(|key| touched.keys.contains(key)));
}

#[test]
fn next_hops_are_compared_whatever_their_order() {
    let prefix = "198.51.100.0/24".parse().unwrap();
    let id = RouteId::plain(VNI, prefix);
    let vteps = |texts: [&str; 2]| texts.map(|t| t.parse::<IpAddr>().unwrap());
    let key = Key::Route { table: VNI, prefix };
    for order in [["10.255.0.2", "10.255.0.1"], ["10.255.0.1", "10.255.0.2"]] {
        let mut state = tenants();
        let request = request::add_route(&id, TENANT_BRIDGE, &vteps(order)).unwrap();
        seen(&mut state, request.message);
        let Some(Value::Route(route)) = state.found(&key).map(|found| found.value) else {
            panic!("no route with next hops");
        };
        assert_eq!(*route.via, vteps(["10.255.0.1", "10.255.0.2"]));
        assert_eq!(&*route.dev, "br-1001");
    }
}

#[test]
fn b153_only_our_unreachable_route_is_one() {
    let prefix = "0.0.0.0/0".parse().unwrap();
    let key = Key::Unreachable { table: VNI, prefix };
    let mut state = tenants();
    let id = RouteId::of(&key).unwrap();
    let other = RouteId { metric: 7, ..id };
    let other = request::add_unreachable(&other).unwrap().message;
    seen(&mut state, other);
    assert_eq!(state.found(&key), None);
    let ours = request::add_unreachable(&id).unwrap().message;
    seen(&mut state, ours);
    let found = state.found(&key).map(|found| (found.value, found.owned));
    assert_eq!(found, Some((Value::Unreachable {}, true)));
}

#[test]
fn a_table_without_its_vrf_is_nobodys() {
    let mut state = State::new(Scope {
        tenants: Some(TenantScope::default()),
        ..Scope::default()
    });
    let id = RouteId::plain(VNI, "198.51.100.0/24".parse().unwrap());
    let request = request::add_route(&id, 1, &[]).unwrap();
    seen(&mut state, request.message);
    assert_eq!(state.objects(), []);
}

/// Zebra's, which has next hops as objects of their own and says them all the same (golden/nb_ovn_bgp_driver-vrf).
fn zebras_route(dev: u32) -> RouteNetlinkMessage {
    let mut route = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(Ipv4Addr::new(198, 51, 100, 0), 24)
        .gateway(Ipv4Addr::new(10, 255, 0, 1))
        .output_interface(dev)
        .table_id(VNI)
        .priority(20)
        .protocol(RouteProtocol::Bgp)
        .build();
    route.attributes.push(RouteAttribute::NhId(19));
    RouteNetlinkMessage::NewRoute(route)
}

#[test]
fn what_an_frr_was_taught_is_seen_where_our_own_speaker_takes_over_and_is_not_ours() {
    let key = Key::StrayRoute {
        table: VNI,
        prefix: "198.51.100.0/24".parse().unwrap(),
        metric: 20,
        tos: 0,
    };
    let route = Value::Route(Route {
        dev: "br-1001".into(),
        via: ["10.255.0.1".parse().unwrap()].into(),
    });
    let mut state = tenants();
    seen(&mut state, zebras_route(TENANT_BRIDGE));
    assert_eq!(state.found(&key), Some(Found::foreign(route)));
    // By another way it is no VTEP's; where an FRR speaks, its routes are its own business.
    let mut state = tenants();
    seen(&mut state, zebras_route(ENTRY));
    assert_eq!(state.found(&key), None);
    let mut state = tenants();
    state.scope.tenants = Some(TenantScope::default());
    seen(&mut state, zebras_route(TENANT_BRIDGE));
    assert_eq!(state.found(&key), None);
}

/// The kernel announces of each table by itself. What was taken out of both is not to be taken out again for it.
#[test]
fn of_an_address_that_was_taken_off_a_device_no_half_is_left_over() {
    let mut state = tenants();
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let key = Key::Fdb {
        dev: "vxlan-1001".into(),
        mac,
    };
    let both = halves(mac, "10.255.0.1".parse().unwrap());
    for half in both.clone() {
        seen(&mut state, RouteNetlinkMessage::NewNeighbour(half));
    }
    assert!(state.found(&key).is_some());
    state.forget_fdb("vxlan-1001", mac);
    for half in both {
        assert_eq!(state.found(&key), None);
        seen(&mut state, RouteNetlinkMessage::DelNeighbour(half));
    }
    assert_eq!(state.found(&key), None);
}
