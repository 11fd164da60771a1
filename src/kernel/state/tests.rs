use std::net::Ipv4Addr;

use netlink_packet_route::route::RouteProtocol;
use rtnetlink::{LinkUnspec, LinkVlan, RouteMessageBuilder};

use super::super::request;
use super::*;

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
