//! Where what is learned is put for ovn-controller.

use super::*;

fn learned(node: &Node, mapping: &str) -> Vec<(u32, String, Option<Vec<String>>)> {
    let tables = learning(inputs(&node.cloud), &Devices::parse(mapping));
    let shown = tables.into_iter().map(|(table, learning)| {
        let devices = learning.devices;
        let devices = devices.map(|d| d.iter().map(ToString::to_string).collect());
        (table, learning.vrf.to_string(), devices)
    });
    shown.collect()
}

#[test]
fn a_router_here_learns_in_its_table() {
    let mut node = Node::new();
    assert_eq!(learned(&node, ""), [(7, "ovnvrf7".to_owned(), None)]);
    node.cloud.route_by(
        "cr-lrp-gw",
        &[ENABLED, ("dynamic-routing-vrf-name", "fabric")],
    );
    assert_eq!(learned(&node, ""), [(7, "fabric".to_owned(), None)]);
    node.redirect_on(Some("chassis-2"));
    assert_eq!(learned(&node, ""), []);
}

#[test]
fn a_router_that_wants_nothing_learns_nothing() {
    let mut node = Node::new();
    node.cloud.route_by(
        "cr-lrp-gw",
        &[ENABLED, ("dynamic-routing-no-learning", "true")],
    );
    assert_eq!(learned(&node, ""), []);
    node.cloud.route_by("cr-lrp-gw", &[]);
    assert_eq!(learned(&node, ""), []);
}

#[test]
fn a_tenants_router_is_taught_by_its_vni() {
    let mut node = Node::new();
    assert_eq!(the_one(&node, "").teacher, Teacher::Fabric);
    node.cloud.join("cr-lrp-gw", Some("77"), None);
    let lessons = |node: &Node| the_one(node, "").lessons().cloned().unwrap();
    let ports = |ports: &[&str]| ports.iter().map(|port| Arc::from(*port)).collect();
    let expected = Lessons {
        vni: 77,
        ports: ports(&["lrp-gw"]),
        ..Lessons::default()
    };
    assert_eq!(lessons(&node), expected);
    let nets: Vec<_> = the_one(&node, "").networks.into_iter().collect();
    assert_eq!(nets, NETWORKS.map(|net| net.parse().unwrap()));
    // A table is of one instance: that of a port without a VNI, if there is one that learns.
    node.cloud.put_all(gateway_of(
        "router",
        "lrp-gw-2",
        "provider",
        &["172.24.4.147/24"],
    ));
    node.cloud.route_by("cr-lrp-gw-2", &[ENABLED]);
    let learning = the_one(&node, "");
    assert_eq!(
        (learning.teacher, learning.networks.len()),
        (Teacher::Fabric, 1)
    );
    node.cloud.join("cr-lrp-gw-2", Some("78"), None);
    assert_eq!(lessons(&node), expected);
    node.cloud.join("cr-lrp-gw-2", Some("77"), None);
    assert_eq!(lessons(&node).ports, ports(&["lrp-gw", "lrp-gw-2"]));
}

#[test]
fn routers_of_two_tenants_have_no_table_in_common() {
    let mut node = Node::new();
    node.cloud.datapath("router-2", true);
    node.cloud.put_all(gateway_of(
        "router-2",
        "lrp-gw-2",
        "provider",
        &["172.24.4.147/24"],
    ));
    node.cloud.route_by("cr-lrp-gw-2", &[ENABLED]);
    node.cloud.join("cr-lrp-gw", Some("77"), None);
    assert_eq!(the_one(&node, "").teacher, Teacher::Several);
    node.cloud.join("cr-lrp-gw-2", Some("77"), None);
    let ports = the_one(&node, "").lessons().unwrap().ports.len();
    assert_eq!(ports, 2);
}

#[test]
fn a_port_name_is_a_device_where_the_node_maps_it() {
    let mut node = Node::new();
    node.cloud.route_by(
        "cr-lrp-gw",
        &[ENABLED, ("dynamic-routing-port-name", "fabric1")],
    );
    let devices = |devices: &[&str]| {
        let devices = devices.iter().map(ToString::to_string).collect();
        [(7, "ovnvrf7".to_owned(), Some(devices))]
    };
    assert_eq!(
        learned(&node, "fabric1=eth1, fabric2=eth2"),
        devices(&["eth1"])
    );
    // Unknown here: by no device.
    assert_eq!(learned(&node, "fabric2=eth2"), devices(&[]));
    // A second port that names none does not widen it.
    node.cloud.put_all(gateway_of(
        "router",
        "lrp-gw-2",
        "provider",
        &["172.24.4.147/24"],
    ));
    node.cloud.route_by("cr-lrp-gw-2", &[ENABLED]);
    assert_eq!(learned(&node, "fabric1=eth1"), devices(&["eth1"]));
}

#[test]
fn two_routers_of_one_table_share_it() {
    let mut node = Node::new();
    node.cloud.datapath("router-2", true);
    node.cloud.put_all(gateway_of(
        "router-2",
        "lrp-gw-2",
        "provider",
        &["172.24.4.147/24"],
    ));
    let by = |name| [ENABLED, ("dynamic-routing-port-name", name)];
    node.cloud.route_by("cr-lrp-gw", &by("fabric1"));
    node.cloud.route_by("cr-lrp-gw-2", &by("fabric2"));
    let devices = Some(vec!["eth1".to_owned(), "eth2".to_owned()]);
    assert_eq!(
        learned(&node, "fabric1=eth1,fabric2=eth2"),
        [(7, "ovnvrf7".to_owned(), devices)]
    );
}

#[test]
fn pairs_of_the_mapping_that_are_none_are_left_out() {
    let devices = Devices::parse("a=eth0,,b,=c,d=, e = eth1 ");
    assert_eq!(devices, Devices::parse("e=eth1,a=eth0"));
}

fn the_one(node: &Node, mapping: &str) -> Learning {
    let tables = learning(inputs(&node.cloud), &Devices::parse(mapping));
    let (_, learning) = tables.into_iter().next().unwrap();
    learning
}

#[test]
fn what_leads_to_a_next_router_on_the_routers_own_network_is_learned_by_any_device() {
    let learning = the_one(&Node::new(), "");
    let leads = |via: &str, device| learning.leads(via.parse().unwrap(), device);
    assert!(leads("172.24.4.1", "br-ex") && leads("2001:db8:4::1", "eth7"));
    // Not on its network: OVN would have the route leave by the port all the same.
    assert!(!leads("10.1.0.254", "eth1") && !leads("fe80::1", "br-ex"));
    assert!(!leads("172.24.4.146", "br-ex"), "its own address");
}

#[test]
fn a_device_that_is_named_leads_wherever_it_does() {
    let mut node = Node::new();
    let options = [ENABLED, ("dynamic-routing-port-name", "fabric1")];
    node.cloud.route_by("cr-lrp-gw", &options);
    let learning = the_one(&node, "fabric1=eth1");
    let leads = |via: &str, device| learning.leads(via.parse().unwrap(), device);
    assert!(leads("fe80::1", "eth1") && leads("172.24.4.1", "eth1"));
    assert!(!leads("172.24.4.1", "br-ex") && !leads("172.24.4.146", "eth1"));
}

#[test]
fn what_the_router_wants_advertised_is_not_for_it_to_learn() {
    let learning = the_one(&Node::new(), "");
    let advertised: Vec<_> = learning
        .advertised
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(advertised, ["10.0.0.0/24", "fd00::/64"]);
}
