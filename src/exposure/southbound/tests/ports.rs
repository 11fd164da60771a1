//! Section 8.9, ports of provider networks.

use super::cloud::{Cloud, MAC, id, localnet, nets, node, vm};
use crate::exposure::{Attachment, Code, Kind};
use crate::ovn::southbound::{BindingAddress, BindingKind, PortBinding};

const NOTHING: [&str; 0] = [];
const IP: &str = "172.24.4.10/32";

fn port() -> PortBinding {
    vm("vm", "provider", &["172.24.4.10"])
}

fn on(chassis: Option<&str>) -> PortBinding {
    PortBinding {
        chassis: chassis.map(id),
        ..port()
    }
}

#[test]
fn b132_a_bound_port_of_a_provider_network_is_exposed_without_neighbour() {
    let mut cloud = Cloud::new();
    cloud.put(port());
    assert_eq!(cloud.exposed(), [IP]);
    let exposure = cloud.exposure(IP);
    assert_eq!((exposure.kind, exposure.mac), (Kind::Provider, None));
    assert_eq!(&*exposure.network, "provider");
    let attachment = Attachment {
        bridge: "br-ex".into(),
        vlan: None,
        localnet: "physnet1 of provider".into(),
    };
    assert_eq!(exposure.attachment, Some(attachment));
    assert_eq!(
        exposure.reason.to_string(),
        "port vm is up on chassis-1, on a provider network mapped here"
    );
}

#[test]
fn b132_by_way_of_the_networks_vlan() {
    let mut cloud = Cloud::new();
    cloud.datapath("vlan", false);
    cloud.put(localnet("vlan", "physnet1", Some(100)));
    cloud.put(vm("vm", "vlan", &["172.30.0.10"]));
    assert_eq!(cloud.exposed(), ["172.30.0.10/32"]);
    assert_eq!(cloud.exposure("172.30.0.10/32").vlan(), Some(100));
}

#[test]
fn b133_it_follows_up() {
    let mut cloud = Cloud::new();
    cloud.put(PortBinding {
        up: false,
        ..port()
    });
    assert_eq!(cloud.exposed(), NOTHING);
    let (code, reason) = cloud.withheld(IP);
    assert_eq!(code, Code::PortDown);
    assert!(reason.contains("Port_Binding vm: up"), "{reason}");
    cloud.put(port());
    assert_eq!(cloud.delta().added.len(), 1);
    cloud.put(PortBinding {
        up: false,
        ..port()
    });
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn b134_it_follows_the_chassis_without_a_stop_between() {
    let mut cloud = Cloud::new();
    cloud.put(on(Some("chassis-2")));
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(IP).0, Code::ElsewhereBound);
    cloud.put(on(Some("chassis-1")));
    assert_eq!(cloud.exposed(), [IP]);
    cloud.put(on(Some("chassis-2")));
    assert_eq!(cloud.delta().removed.len(), 1);
    cloud.put(on(None));
    assert!(cloud.delta().is_empty());
    assert_eq!(cloud.withheld(IP).0, Code::NotBound);
}

#[test]
fn b135_b136_a_deleted_port_leaves_nothing_even_after_its_network() {
    for first in ["port", "datapath"] {
        let mut cloud = Cloud::new();
        cloud.put(port());
        cloud.delta();
        if first == "datapath" {
            cloud.delete("physnet1 of provider");
            cloud.delete_datapath("provider");
        }
        cloud.delete("vm");
        let delta = cloud.delta();
        assert_eq!((delta.removed.len(), delta.added.len()), (1, 0), "{first}");
    }
}

#[test]
fn b135_a_network_that_loses_its_localnet_port_is_withdrawn() {
    let mut cloud = Cloud::new();
    cloud.put(port());
    cloud.delta();
    cloud.delete("physnet1 of provider");
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.withheld(IP).0, Code::TenantNetworksDisabled);
}

#[test]
fn b137_gateways_of_a_virtual_ports_ipv6_subnet_are_proxied_while_it_is_here() {
    let virtual_port = |chassis: &str| PortBinding {
        kind: BindingKind::Virtual,
        chassis: Some(id(chassis)),
        cidrs: nets(&["2001:db8::10/64"]),
        ..vm("vip", "provider", &["2001:db8::10"])
    };
    let mut cloud = Cloud::new();
    cloud.put(virtual_port("chassis-1"));
    assert_eq!(cloud.exposed(), ["2001:db8::10/128"]);
    let proxied = cloud.exposure("2001:db8::10/128").proxied.to_vec();
    assert_eq!(
        proxied,
        ["2001:db8::", "2001:db8::1"].map(|ip| ip.parse::<std::net::Ipv6Addr>().unwrap())
    );
    cloud.put(virtual_port("chassis-2"));
    assert_eq!(cloud.delta().removed.len(), 1);
}

#[test]
fn b137_an_address_that_a_port_has_is_not_proxied() {
    let mut cloud = Cloud::new();
    let with_cidr = |name: &str, ip: &str| PortBinding {
        cidrs: nets(&[&format!("{ip}/64")]),
        ..vm(name, "provider", &[ip])
    };
    cloud.put(with_cidr("vm", "2001:db8::10"));
    cloud.delta();
    cloud.put(with_cidr("router", "2001:db8::1"));
    cloud.delta();
    let proxied = |cloud: &Cloud| cloud.exposure("2001:db8::10/128").proxied.len();
    assert_eq!(proxied(&cloud), 1);
    cloud.delete("router");
    cloud.delta();
    assert_eq!(proxied(&cloud), 2);
}

#[test]
fn b151_a_localnet_port_that_comes_and_goes_is_followed() {
    let mut cloud = Cloud::new();
    cloud.put(port());
    assert_eq!(cloud.exposed(), [IP]);
    cloud.delete("physnet1 of provider");
    assert_eq!(cloud.exposed(), NOTHING);
    cloud.put(localnet("provider", "physnet1", Some(7)));
    assert!(cloud.sb.take_affected().localnets);
    cloud.reconsider();
    assert_eq!(cloud.exposure(IP).vlan(), Some(7));
}

#[test]
fn b152_the_own_chassis_made_anew_is_recognised_at_once() {
    let mut cloud = Cloud::new();
    cloud.put(port());
    assert_eq!(cloud.exposed(), [IP]);
    cloud.delete_chassis("chassis-1");
    assert_eq!(cloud.exposed(), NOTHING);
    assert_eq!(cloud.withheld(IP).0, Code::NotBound);
    cloud.chassis("chassis-1");
    assert_eq!(cloud.exposed(), [IP]);
}

#[test]
fn bugs_b11_of_several_localnet_ports_the_one_mapped_here_counts() {
    let mut cloud = Cloud::new();
    cloud.node = node("physnet2:br-two");
    cloud.put(port());
    assert_eq!(cloud.exposed(), NOTHING);
    let (code, reason) = cloud.withheld(IP);
    assert_eq!(code, Code::PhysicalNetworkNotMapped);
    assert!(reason.contains("physnet1"), "{reason}");
    cloud.put(localnet("provider", "physnet2", None));
    assert_eq!(cloud.exposed(), [IP]);
    assert_eq!(cloud.exposure(IP).bridge().map(|b| &**b), Some("br-two"));
}

#[test]
fn bugs_b21_a_subport_is_exposed_where_it_is_bound() {
    let mut cloud = Cloud::new();
    cloud.put(vm("subport", "provider", &["172.24.4.11"]));
    assert_eq!(cloud.exposed(), ["172.24.4.11/32"]);
}

#[test]
fn decision_d2_every_entry_of_mac_counts_and_each_address_once() {
    let entry = |ips: &[&str]| BindingAddress {
        mac: MAC,
        nets: nets(ips),
    };
    let mut cloud = Cloud::new();
    cloud.put(PortBinding {
        addresses: vec![
            entry(&["172.24.4.10/32", "fe80::1/128"]),
            entry(&["172.24.4.10/32", "172.24.4.11/32"]),
        ],
        unknown: true,
        ..port()
    });
    assert_eq!(cloud.exposed(), [IP, "172.24.4.11/32"]);
}

#[test]
fn decision_d4_other_types_are_not_exposed() {
    let mut cloud = Cloud::new();
    for kind in ["external", "localport", "l2gateway"] {
        cloud.put(PortBinding {
            kind: BindingKind::Other(kind.into()),
            ..port()
        });
        assert_eq!(cloud.exposed(), NOTHING, "{kind}");
    }
    cloud.put(PortBinding {
        kind: BindingKind::Other("external".into()),
        ..port()
    });
    assert_eq!(cloud.withheld(IP).0, Code::NotSupported);
}
