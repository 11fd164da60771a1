//! Which routes are advertised here, with which next hop.

use super::*;
use crate::config::ExposeRule;
use crate::exposure::southbound::tests::cloud::node;
use crate::exposure::{Kind, Policy};
use crate::route_settings::RouteSettings;

const BOTH: [&str; 2] = ["10.0.0.0/24 172.24.4.146", "fd00::/64 2001:db8:4::146"];
const NOTHING: [&str; 0] = [];

#[test]
fn what_northd_wants_advertised_is_exposed_where_the_routers_port_is() {
    let mut node = Node::new();
    assert_eq!(node.exposed(), BOTH);
    let net = node.exposure("10.0.0.0/24");
    assert_eq!((net.kind, &*net.port), (Kind::Subnet, "lrp-gw"));
    assert_eq!(&*net.network, "provider");
    assert_eq!(
        (net.attachment.as_ref(), net.via, net.vni),
        (None, None, None)
    );
    let reason = net.reason.to_string();
    assert!(
        reason.contains("router router") && reason.contains("lrp-gw"),
        "{reason}"
    );
}

#[test]
fn a_row_that_comes_and_goes_is_followed() {
    let mut node = Node::new();
    node.delta();
    node.cloud
        .advertise("router", "lrp-gw", "172.24.4.50/32", None);
    assert_eq!(node.delta().added.len(), 1);
    assert_eq!(node.exposure("172.24.4.50/32").kind, Kind::Fip);
    node.cloud.unadvertise("router", "lrp-gw", "172.24.4.50/32");
    assert_eq!(node.delta().removed.len(), 1);
    assert_eq!(node.exposed(), BOTH);
}

#[test]
fn a_prefix_on_several_rows_is_one_exposure() {
    let mut node = Node::new();
    for port in ["lrp-gw", "lrp-1"] {
        node.cloud
            .advertise("router", port, "172.24.4.50/32", Some("lrp-gw"));
    }
    node.delta();
    let decision = node.decide();
    let same = decision.exposures.iter().filter(|e| e.kind == Kind::Fip);
    assert_eq!(same.count(), 1);
    node.cloud.unadvertise("router", "lrp-gw", "172.24.4.50/32");
    assert!(node.delta().is_empty());
}

#[test]
fn what_a_prefix_is_follows_from_the_routers_own_networks() {
    let mut node = Node::new();
    for (prefix, kind) in [
        ("10.0.0.5/32", Kind::Tenant),
        ("fd00::5/128", Kind::Tenant),
        ("10.0.0.1/32", Kind::Gateway),
        ("172.24.4.146/32", Kind::Gateway),
        ("172.24.4.60/32", Kind::Fip),
        ("0.0.0.0/0", Kind::Subnet),
    ] {
        node.cloud.advertise("router", "lrp-1", prefix, None);
        node.delta();
        assert_eq!(node.exposure(prefix).kind, kind, "{prefix}");
    }
}

#[test]
fn the_router_on_another_chassis_is_advertised_there() {
    let mut node = Node::new();
    node.delta();
    for chassis in [Some("chassis-2"), None] {
        node.redirect_on(chassis);
        assert_eq!(node.delta().removed.len(), 2);
        let (code, why) = node.withheld("10.0.0.0/24");
        assert_eq!(code, Code::GatewayElsewhere);
        assert!(why.contains("cr-lrp-gw: chassis is"), "{why}");
        node.redirect_on(Some("chassis-1"));
        assert_eq!(node.delta().added.len(), 2);
    }
}

#[test]
fn without_dynamic_routing_on_a_port_that_faces_the_fabric_nothing_is_advertised() {
    let mut node = Node::new();
    node.delta();
    node.cloud
        .route_by("cr-lrp-gw", &[("dynamic-routing", "false")]);
    assert_eq!(node.delta().removed.len(), 2);
    assert_eq!(node.withheld("fd00::/64").0, Code::NoGateway);
    node.cloud.route_by("cr-lrp-gw", &[ENABLED]);
    assert_eq!(node.exposed(), BOTH);
    // A network without localnet port is no way to the fabric.
    node.cloud.delete("physnet1 of provider");
    assert_eq!(node.exposed(), NOTHING);
    assert_eq!(node.withheld("fd00::/64").0, Code::NoGateway);
    node.cloud.put(localnet("provider", "physnet1", None));
    assert_eq!(node.exposed(), BOTH);
}

#[test]
fn the_node_needs_no_mapping_for_what_does_not_enter_through_it() {
    let mut node = Node::new();
    node.cloud.node = self::node("");
    node.reconsider();
    assert_eq!(node.exposed(), BOTH);
}

#[test]
fn without_an_address_of_the_family_there_is_no_next_hop() {
    let mut node = Node::new();
    node.cloud
        .put_all(gateway_of("router", "lrp-gw", "provider", &NETWORKS[..1]));
    assert_eq!(node.exposed(), BOTH[..1]);
    assert_eq!(node.withheld("fd00::/64").0, Code::NoNextHop);
}

#[test]
fn of_two_ports_here_the_one_a_route_leaves_by_is_its_next_hop() {
    let mut node = Node::new();
    node.cloud.put_all(gateway_of(
        "router",
        "lrp-gw-2",
        "provider",
        &["172.24.4.147/24"],
    ));
    node.cloud.route_by("cr-lrp-gw-2", &[ENABLED]);
    node.cloud
        .advertise("router", "lrp-gw-2", "172.24.4.50/32", None);
    let fip = "172.24.4.50/32 172.24.4.147";
    assert_eq!(node.exposed(), [BOTH[0], fip, BOTH[1]]);
    // The other port's IPv6 address is the only one.
    node.cloud
        .advertise("router", "lrp-gw-2", "fd01::/64", None);
    assert!(
        node.exposed()
            .contains(&"fd01::/64 2001:db8:4::146".to_owned())
    );
    // It moves: what leaves by it is advertised where it is.
    let [redirect, ..] = gateway_of("router", "lrp-gw-2", "provider", &["172.24.4.147/24"]);
    node.cloud.put(PortBinding {
        chassis: Some(id("chassis-2")),
        ..redirect
    });
    assert_eq!(node.exposed(), BOTH);
    assert_eq!(node.withheld("172.24.4.50/32").0, Code::GatewayElsewhere);
}

#[test]
fn every_port_of_a_gateway_router_has_dynamic_routing_and_one_faces_the_fabric() {
    let mut node = Node::new();
    let cloud = &mut node.cloud;
    cloud.datapath("router-2", true);
    cloud.datapath("other", false);
    let outside = gateway_router_port("router-2", "lrp-out", "provider", &["172.24.4.9/24"]);
    cloud.put_all(outside.clone());
    cloud.put_all(gateway_router_port(
        "router-2",
        "lrp-in",
        "other",
        &["10.2.0.1/24"],
    ));
    for port in ["lrp-out", "lrp-in"] {
        cloud.route_by(port, &[ENABLED]);
    }
    cloud.advertise("router-2", "lrp-in", "10.2.0.0/24", None);
    let routed = "10.2.0.0/24 172.24.4.9";
    assert_eq!(node.exposed(), [BOTH[0], routed, BOTH[1]]);
    node.cloud.delete("lrp-out on provider");
    assert_eq!(node.exposed(), BOTH);
    let [_, switch_end] = outside;
    node.cloud.put(switch_end);
    assert_eq!(node.exposed(), [BOTH[0], routed, BOTH[1]]);
}

fn med(node: &Node, prefix: &str) -> Option<u32> {
    node.exposure(prefix).attributes.med
}

#[test]
fn a_host_here_is_preferred_over_the_same_by_way_of_another_chassis() {
    let mut node = Node::new();
    let on = |chassis: &str| PortBinding {
        chassis: Some(id(chassis)),
        ..vm("vm", "tenant", &["10.0.0.5"])
    };
    node.cloud.put(on("chassis-1"));
    node.cloud
        .advertise("router", "lrp-1", "10.0.0.5/32", Some("vm"));
    node.delta();
    assert_eq!(med(&node, "10.0.0.5/32"), Some(100));
    assert_eq!(med(&node, "10.0.0.0/24"), Some(1000));
    node.cloud.put(on("chassis-2"));
    assert_eq!(node.delta().added.len(), 1);
    assert_eq!(med(&node, "10.0.0.5/32"), Some(1000));
    // Where it alone is to be advertised, it is not here.
    node.cloud.route_by(
        "lrp-1",
        &[("dynamic-routing-redistribute-local-only", "true")],
    );
    assert_eq!(node.delta().removed.len(), 1);
    let (code, why) = node.withheld("10.0.0.5/32");
    assert_eq!(code, Code::ElsewhereBound);
    assert!(why.contains("local-only"), "{why}");
    node.cloud.put(on("chassis-1"));
    node.delta();
    assert_eq!(med(&node, "10.0.0.5/32"), Some(100));
}

#[test]
fn an_address_of_a_router_here_is_here() {
    let mut node = Node::new();
    node.cloud
        .advertise("router", "lrp-1", "172.24.4.60/32", Some("lrp-gw"));
    node.delta();
    assert_eq!(med(&node, "172.24.4.60/32"), Some(100));
}

#[test]
fn what_a_policy_says_of_preference_counts() {
    let mut node = Node::new();
    let rule = |settings| ExposeRule {
        name: "rule".into(),
        routers: Some(vec!["router".into()]),
        settings,
        ..ExposeRule::default()
    };
    let settings = RouteSettings {
        med: Some(7),
        ..RouteSettings::default()
    };
    node.cloud.options.policy = Policy {
        file: "/policy.conf".into(),
        rules: [rule(settings)].into(),
    };
    node.reconsider();
    assert_eq!(med(&node, "10.0.0.0/24"), Some(7));
    let settings = RouteSettings {
        advertise: Some(false),
        ..RouteSettings::default()
    };
    node.cloud.options.policy.rules = [rule(settings)].into();
    node.reconsider();
    assert_eq!(node.exposed(), NOTHING);
    assert_eq!(node.withheld("10.0.0.0/24").0, Code::Policy);
}
