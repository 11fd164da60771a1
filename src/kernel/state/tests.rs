mod tenants;

use std::net::Ipv4Addr;

use netlink_packet_route::route::RouteProtocol;
use rtnetlink::{
    AddressMessageBuilder, LinkDummy, LinkUnspec, LinkVlan, LinkVrf, RouteMessageBuilder,
};

use super::super::request;
use super::*;
use crate::reconcile::ownership::{Leak, PROTOCOL};

const BRIDGE: u32 = 3;
const VLAN: u32 = 32;

fn seen(state: &mut State, message: RouteNetlinkMessage) {
    state.handle(&message, &mut Touched::default());
}

/// A bridge with a VLAN device on it.
fn state() -> State {
    let mut state = State::new(Scope {
        bridges: [(Arc::from("br-ex"), 189)].into(),
        ..Scope::default()
    });
    let bridge = LinkUnspec::new_with_name("br-ex").index(BRIDGE);
    seen(&mut state, RouteNetlinkMessage::NewLink(bridge.build()));
    let vlan = LinkVlan::new("br-ex.123", BRIDGE, 123).index(VLAN);
    seen(&mut state, RouteNetlinkMessage::NewLink(vlan.build()));
    state
}

fn route(table: TableId, dev: u32, protocol: u8) -> RouteNetlinkMessage {
    let route = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(Ipv4Addr::new(172, 30, 0, 182), 32)
        .table_id(table)
        .output_interface(dev)
        .protocol(RouteProtocol::from(protocol));
    RouteNetlinkMessage::NewRoute(route.build())
}

fn is_ours(state: &State) -> bool {
    let link = link_key(&Arc::from("br-ex.123"));
    state.found(&link).is_some_and(|found| found.owned)
}

#[test]
fn a_vlan_device_of_the_python_agent_is_told_by_what_it_routes_there() {
    let mut state = state();
    assert_eq!(state.vlan_devices().count(), 1);
    seen(&mut state, route(189, VLAN, libc::RTPROT_BOOT));
    assert!(!is_ours(&state), "it does not answer for others");
    state.set_answering("br-ex.123", true);
    assert!(is_ours(&state));
}

#[test]
fn b031_an_operators_vlan_device_that_answers_for_others_is_not_ours() {
    for (table, dev, protocol) in [
        (254, VLAN, libc::RTPROT_BOOT),
        (189, BRIDGE, libc::RTPROT_BOOT),
        (189, VLAN, libc::RTPROT_STATIC),
        // We have used it.
        (189, VLAN, PROTOCOL),
    ] {
        let mut state = state();
        state.set_answering("br-ex.123", true);
        assert!(!is_ours(&state));
        seen(&mut state, route(table, dev, protocol));
        assert!(!is_ours(&state), "table {table} dev {dev} proto {protocol}");
    }
}

#[test]
fn b031_our_own_address_on_an_operators_vlan_device_does_not_make_it_ours() {
    let helper = "169.254.1.123/32".parse().unwrap();
    let mut state = state();
    seen(&mut state, request::add_address(VLAN, &helper).message);
    assert!(!is_ours(&state));

    let RouteNetlinkMessage::NewAddress(mut unmarked) = request::add_address(VLAN, &helper).message
    else {
        panic!("an address is added by another message");
    };
    unmarked.attributes.retain(|a| {
        !matches!(
            a,
            netlink_packet_route::address::AddressAttribute::Protocol(_)
        )
    });
    seen(&mut state, RouteNetlinkMessage::NewAddress(unmarked));
    assert!(is_ours(&state), "the Python agent's");
}

const VRF: u32 = 40;
const NIC: u32 = 41;

/// The Python agent's VRF and dummy device, with one address and one route.
fn leaking() -> State {
    let mut state = State::new(Scope {
        leak: Some(Leak {
            vrf: "bgp-vrf".into(),
            table: 10,
            nic: "bgp-nic".into(),
            loopback: ["169.254.255.1/31".parse().unwrap()].into(),
        }),
        ..Scope::default()
    });
    let vrf = LinkVrf::new("bgp-vrf", 10).index(VRF);
    seen(&mut state, RouteNetlinkMessage::NewLink(vrf.build()));
    seen(&mut state, nic(Some(VRF)));
    seen(&mut state, address(NIC));
    seen(&mut state, route(10, NIC, libc::RTPROT_BOOT));
    state
}

fn nic(master: Option<u32>) -> RouteNetlinkMessage {
    let nic = LinkDummy::new("bgp-nic").index(NIC);
    let nic = master
        .into_iter()
        .fold(nic, |nic, master| nic.controller(master));
    RouteNetlinkMessage::NewLink(nic.build())
}

fn address(index: u32) -> RouteNetlinkMessage {
    let address = AddressMessageBuilder::<Ipv4Addr>::new()
        .index(index)
        .address(Ipv4Addr::new(172, 24, 4, 10), 32);
    RouteNetlinkMessage::NewAddress(address.build())
}

fn owned(state: &State) -> Vec<String> {
    let objects = state.objects();
    let owned = objects.iter().filter(|(_, found)| found.owned);
    owned.map(|(key, _)| key.to_string()).collect()
}

#[test]
fn what_the_python_agent_had_frr_leak_is_ours() {
    let mut all = owned(&leaking());
    all.sort();
    let expected = [
        "address 172.24.4.10/32 dev bgp-nic",
        "link bgp-nic",
        "link bgp-vrf",
        "master of bgp-nic",
        "route 172.30.0.182/32 table 10",
    ];
    assert_eq!(all, expected);
}

#[test]
fn of_the_loopback_addresses_only_those_for_frr_are_ours() {
    let mut state = leaking();
    let lo = LinkUnspec::new_with_name("lo").index(1);
    seen(&mut state, RouteNetlinkMessage::NewLink(lo.build()));
    for (address, length) in [
        ([127, 0, 0, 1], 8),
        ([172, 30, 1, 1], 32),
        ([169, 254, 255, 1], 31),
    ] {
        let address = AddressMessageBuilder::<Ipv4Addr>::new()
            .index(1)
            .address(Ipv4Addr::from(address), length);
        seen(&mut state, RouteNetlinkMessage::NewAddress(address.build()));
    }
    let owned = owned(&state);
    let on_lo: Vec<_> = owned.iter().filter(|key| key.ends_with("dev lo")).collect();
    assert_eq!(on_lo, ["address 169.254.255.1/31 dev lo"]);
}

#[test]
fn a_dummy_that_leaves_the_vrf_is_noticed_and_dumped_for() {
    let mut state = leaking();
    let mut touched = Touched::default();
    state.handle(&nic(None), &mut touched);
    assert!(touched.stale, "the kernel flushed its routes unannounced");
    let master = Key::Master {
        dev: "bgp-nic".into(),
    };
    assert!(touched.keys.contains(&master));
    assert_eq!(state.found(&master), None);
    assert!(
        !owned(&state).contains(&"link bgp-nic".to_owned()),
        "an operator's, now"
    );
}

#[test]
fn a_vrf_that_others_use_is_not_ours() {
    let mut state = leaking();
    let other = LinkUnspec::new_with_name("eth7").index(50).controller(VRF);
    let mut touched = Touched::default();
    state.handle(&RouteNetlinkMessage::NewLink(other.build()), &mut touched);
    let vrf = link_key(&Arc::from("bgp-vrf"));
    assert!(touched.keys.contains(&vrf));
    assert!(state.found(&vrf).is_some_and(|found| !found.owned));
}

#[test]
fn only_the_last_ipv4_address_takes_routes_with_it() {
    let mut state = leaking();
    let gone = |state: &mut State, last: u8| {
        let address = AddressMessageBuilder::<Ipv4Addr>::new()
            .index(NIC)
            .address(Ipv4Addr::new(172, 24, 4, last), 32);
        let mut touched = Touched::default();
        state.handle(
            &RouteNetlinkMessage::DelAddress(address.build()),
            &mut touched,
        );
        touched.stale
    };
    let second = AddressMessageBuilder::<Ipv4Addr>::new()
        .index(NIC)
        .address(Ipv4Addr::new(172, 24, 4, 11), 32);
    seen(&mut state, RouteNetlinkMessage::NewAddress(second.build()));
    assert!(!gone(&mut state, 10));
    assert!(gone(&mut state, 11));
}
