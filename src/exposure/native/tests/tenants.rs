//! Routers of a tenant: their routes are in its VNI, and their traffic enters through this node.

use super::*;
use crate::exposure::southbound::tests::cloud::{LRP_MAC, node};
use crate::exposure::{Entry, Layer};

fn tenant() -> Node {
    let mut node = Node::new();
    node.cloud.join("cr-lrp-gw", Some("77"), None);
    node.delta();
    node
}

#[test]
fn a_vni_on_the_routers_port_puts_its_routes_there() {
    let node = tenant();
    let net = node.exposure("10.0.0.0/24");
    assert_eq!(
        (net.vni, net.layer, net.next_hop),
        (Some(77), Layer::Routed, None)
    );
    assert_eq!(net.via, Some("172.24.4.146".parse().unwrap()));
    assert_eq!((net.mac, net.subnet), (Some(LRP_MAC), Some(net.prefix)));
    assert_eq!(net.bridge().map(|b| &**b), Some("br-ex"));
    let tenant = &node.decide().tenants[&77];
    assert_eq!((tenant.entry, tenant.asn), (Entry::PerGateway, None));
    let gateway = &tenant.networks["provider"].gateways["lrp-gw"];
    assert_eq!(gateway.mac, LRP_MAC);
    let subnets: Vec<_> = gateway.subnets.keys().map(ToString::to_string).collect();
    assert_eq!(subnets, ["10.0.0.0/24", "fd00::/64"]);
    // It learns, and this node is its next router there.
    let learning: Vec<_> = gateway.learning.iter().map(ToString::to_string).collect();
    assert_eq!(learning, NETWORKS);
}

#[test]
fn a_router_that_does_not_learn_has_no_next_router() {
    let mut node = tenant();
    let options = [ENABLED, ("dynamic-routing-no-learning", "true")];
    node.cloud.route_by("cr-lrp-gw", &options);
    node.delta();
    let tenant = &node.decide().tenants[&77];
    let gateway = &tenant.networks["provider"].gateways["lrp-gw"];
    assert_eq!(gateway.learning, [].into());
}

#[test]
fn a_router_that_advertises_nothing_makes_no_tenant() {
    let mut node = Node::new();
    node.cloud.unadvertise("router", "lrp-1", "10.0.0.0/24");
    node.cloud.unadvertise("router", "lrp-1", "fd00::/64");
    node.delta();
    node.cloud.join("cr-lrp-gw", Some("77"), None);
    // The same whether it is decided bit by bit or as a whole.
    assert!(node.delta().tenants.is_empty());
    node.cloud.advertise("router", "lrp-1", "10.0.0.0/24", None);
    assert!(node.delta().tenants.contains_key(&77));
}

#[test]
fn the_switchs_end_may_say_it_and_an_as_too() {
    let mut node = Node::new();
    node.cloud
        .join("lrp-gw on provider", Some("77"), Some("65001"));
    node.delta();
    assert_eq!(node.decide().tenants[&77].asn, Some(65001));
    node.cloud.join("lrp-gw on provider", None, None);
    let delta = node.delta();
    assert_eq!(delta.tenants.get(&77), Some(&None));
    assert_eq!(node.exposure("10.0.0.0/24").vni, None);
}

#[test]
fn a_default_route_is_advertised_and_takes_nothing_in() {
    let mut node = tenant();
    node.cloud.advertise("router", "lrp-gw", "0.0.0.0/0", None);
    node.delta();
    assert_eq!(node.exposure("0.0.0.0/0").vni, Some(77));
    let tenant = &node.decide().tenants[&77];
    let gateway = &tenant.networks["provider"].gateways["lrp-gw"];
    assert_eq!(gateway.subnets.len(), 2);
}

#[test]
fn a_vni_that_cannot_be_read_keeps_the_routes_out_of_the_default_table() {
    for (vni, asn) in [
        (Some("many"), None),
        (None, Some("65000")),
        (Some("77"), Some("x")),
    ] {
        let mut node = Node::new();
        node.cloud.join("cr-lrp-gw", vni, asn);
        node.delta();
        assert!(node.decide().exposures.is_empty());
        assert_eq!(node.withheld("10.0.0.0/24").0, Code::NoVni);
    }
}

#[test]
fn a_tenants_traffic_needs_the_provider_network_here() {
    let mut node = tenant();
    node.cloud.node = self::node("physnet9:br-9");
    assert_eq!(node.reconsider().removed.len(), 2);
    assert_eq!(node.withheld("10.0.0.0/24").0, Code::NoGateway);
}

#[test]
fn a_vni_of_another_as_is_the_first_routers() {
    let mut node = tenant();
    let cloud = &mut node.cloud;
    cloud.datapath("router-2", true);
    cloud.put_all(gateway_of(
        "router-2",
        "lrp-gw-2",
        "provider",
        &["172.24.4.147/24"],
    ));
    cloud.route_by("cr-lrp-gw-2", &[ENABLED]);
    cloud.join("cr-lrp-gw-2", Some("77"), Some("65001"));
    cloud.advertise("router-2", "lrp-gw-2", "10.2.0.0/24", None);
    node.delta();
    assert_eq!(node.withheld("10.2.0.0/24").0, Code::VniMismatch);
    node.redirect_on(Some("chassis-2"));
    node.delta();
    assert_eq!(node.exposure("10.2.0.0/24").vni, Some(77));
}
