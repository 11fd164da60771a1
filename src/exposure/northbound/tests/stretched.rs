//! Stretched networks: `exposing_method` l2vni.

use super::cloud::{
    Cloud, FIP_MAC, LRP_MAC, MAC, address, balancer, fip, gateway, hosts, id, vip_port, vm,
};
use super::vpn_edits::routers_are;
use super::vpns::{L2, in_vni, tenant, words};
use crate::exposure::{Code, Layer, Method};
use crate::mac::MacAddr;
use crate::ovn::northbound::{Balancer, FipMode, Octavia, PortKind, Purpose, SwitchPort};
use crate::reconcile::Destination;

const PARENT: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0xaa]);

/// Network `provider` is stretched.
fn stretched() -> Cloud {
    let mut cloud = Cloud::new();
    cloud.options.method = Method::L2Vni;
    cloud.vpn("provider", L2);
    cloud
}

/// Claimed on host-1.
pub(super) fn virtual_port(network: &str, parents: &[&str]) -> SwitchPort {
    SwitchPort {
        kind: PortKind::Virtual,
        requested_chassis: Vec::new(),
        host_id: Some("host-1".into()),
        virtual_parents: hosts(parents).into(),
        ..vm("vip", network, &["172.24.4.90"])
    }
}

#[test]
fn l2vni_a_port_is_its_mac_and_address() {
    let mut cloud = stretched();
    cloud.port(vm("vm", "provider", &["172.24.4.10", "2001:db8::10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", "2001:db8::10/128"]);
    let exposure = cloud.exposure("172.24.4.10/32");
    assert_eq!(in_vni(&exposure), (Some(1002), Layer::Bridged));
    let address = "172.24.4.10".parse().ok();
    let (vni, mac) = (1002, MAC);
    assert_eq!(
        exposure.destination(),
        Destination::Host { vni, mac, address }
    );
    // A router of the ports is one of them, not the node.
    cloud.dhcp("dhcp", routers_are(&["172.24.4.1"]));
    cloud.port(SwitchPort {
        dhcp: [id("dhcp")].into(),
        ..vm("vm", "provider", &["172.24.4.10"])
    });
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    assert!(
        tenant(&mut cloud, 1002).networks["provider"]
            .routers
            .is_empty()
    );
}

#[test]
fn l2vni_a_port_that_moves_to_another_mac_is_another_exposure() {
    let mut cloud = stretched();
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    cloud.delta();
    cloud.port(SwitchPort {
        addresses: vec![address(PARENT, &["172.24.4.10"])],
        ..vm("vm", "provider", &[])
    });
    let delta = cloud.delta();
    assert_eq!((delta.removed.len(), delta.added.len()), (1, 1));
    assert_eq!(cloud.exposure("172.24.4.10/32").mac, Some(PARENT));
}

#[test]
fn l2vni_a_virtual_port_has_the_mac_of_the_port_that_claimed_it() {
    let mut cloud = stretched();
    let parent = |name: &str, host: &str| SwitchPort {
        addresses: vec![address(PARENT, &["172.24.4.11"])],
        requested_chassis: hosts(&[host]),
        ..vm(name, "provider", &[])
    };
    cloud.port(virtual_port("provider", &["one", "other"]));
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
    assert_eq!(cloud.withheld("172.24.4.90/32").0, Code::NoMac);
    cloud.port(parent("one", "host-1"));
    assert_eq!(cloud.exposed(), ["172.24.4.11/32", "172.24.4.90/32"]);
    assert_eq!(cloud.exposure("172.24.4.90/32").mac, Some(PARENT));
    cloud.port(parent("other", "host-1"));
    assert_eq!(cloud.withheld("172.24.4.90/32").0, Code::NoMac);
    cloud.port(parent("other", "host-2"));
    assert_eq!(cloud.exposure("172.24.4.90/32").mac, Some(PARENT));
}

#[test]
fn l2vni_a_virtual_port_is_of_the_parent_that_ovn_says() {
    let mut cloud = stretched();
    let parent = |name: &str, mac: MacAddr| SwitchPort {
        addresses: vec![address(mac, &[])],
        ..vm(name, "provider", &[])
    };
    let other = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0xbb]);
    cloud.port(virtual_port("provider", &["one", "other"]));
    cloud.port(parent("one", PARENT));
    cloud.port(parent("other", other));
    // Of two that are here, none before one has claimed it.
    assert_eq!(cloud.withheld("172.24.4.90/32").0, Code::NoMac);
    cloud.claim("vip", None);
    assert_eq!(cloud.withheld("172.24.4.90/32").0, Code::NoMac);
    for (name, mac) in [("one", PARENT), ("other", other)] {
        cloud.claim("vip", Some(name));
        assert_eq!(cloud.exposed(), ["172.24.4.90/32"]);
        assert_eq!(cloud.exposure("172.24.4.90/32").mac, Some(mac), "{name}");
    }
    // Nobody holds what the port says that is not here.
    cloud.claim("vip", Some("nobody"));
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
    assert_eq!(cloud.withheld("172.24.4.90/32").0, Code::NoMac);
}

/// The ports here without IP address.
fn stations(cloud: &mut Cloud) -> Vec<(String, Option<MacAddr>)> {
    let tenant = tenant(cloud, 1002);
    let stations = tenant.networks["provider"].stations.iter();
    stations.map(|s| (s.port.to_string(), s.mac)).collect()
}

#[test]
fn l2vni_a_port_without_ip_address_is_its_mac_alone() {
    let mut cloud = stretched();
    let bare = |unknown| SwitchPort {
        unknown,
        ..vm("bare", "provider", &[])
    };
    let only_mac = vec![("bare".to_owned(), Some(MAC))];
    for unknown in [false, true] {
        cloud.port(bare(unknown));
        assert_eq!(cloud.exposed(), [] as [&str; 0]);
        assert_eq!(
            stations(&mut cloud),
            only_mac,
            "unknown beside it: {unknown}"
        );
    }
    // `unknown` alone: it gets what is flooded.
    cloud.port(SwitchPort {
        addresses: Vec::new(),
        ..bare(true)
    });
    assert_eq!(stations(&mut cloud), [("bare".to_owned(), None)]);
    // With an IP address it is that, and a MAC address beside it that has none.
    cloud.port(SwitchPort {
        addresses: vec![address(MAC, &["172.24.4.10"]), address(PARENT, &[])],
        ..bare(true)
    });
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    assert_eq!(stations(&mut cloud), [("bare".to_owned(), Some(PARENT))]);
}

#[test]
fn l2vni_a_port_without_ip_address_counts_where_it_is_up_and_is_to_be_advertised() {
    let mut cloud = stretched();
    let bare = || vm("bare", "provider", &[]);
    for row in [
        SwitchPort {
            up: false,
            ..bare()
        },
        SwitchPort {
            requested_chassis: hosts(&["host-2"]),
            ..bare()
        },
        SwitchPort {
            network: Some("tenant".into()),
            ..bare()
        },
    ] {
        cloud.port(bare());
        assert_eq!(stations(&mut cloud).len(), 1);
        cloud.port(row);
        assert_eq!(stations(&mut cloud), []);
    }
    cloud.port(bare());
    assert_eq!(stations(&mut cloud).len(), 1);
    cloud.say("bare", &[("bgp:advertise", "false")]);
    assert_eq!(stations(&mut cloud), []);
    cloud.say("bare", &[]);
    assert_eq!(stations(&mut cloud).len(), 1);
    cloud.delete_port("bare");
    assert_eq!(stations(&mut cloud), []);
}

#[test]
fn l2vni_a_migrating_port_is_where_the_list_begins() {
    let mut cloud = stretched();
    let at = |list: &[&str]| SwitchPort {
        requested_chassis: hosts(list),
        ..vm("vm", "provider", &["172.24.4.10"])
    };
    cloud.port(at(&["host-1", "host-2"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    cloud.port(at(&["host-2", "host-1"]));
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
    cloud.port(at(&["host-1"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
}

#[test]
fn l2vni_what_a_gateway_answers_for_has_its_mac() {
    let mut cloud = stretched();
    cloud.fip_mode(FipMode::Centralised);
    cloud.router_port(gateway("lrp-gw", &["172.24.4.146/24"]));
    cloud.router(true, &["lrp-gw"], &["172.24.4.100"]);
    cloud.port(vm("vm", "tenant", &["10.0.0.5"]));
    cloud.nat(fip("172.24.4.100", "vm"));
    cloud.port(vip_port("vip-port", "provider"));
    cloud.balancer(balancer("lb", &[("172.24.4.50", &["10.0.0.5"])]));
    cloud.balancer(Balancer {
        purpose: Purpose::PortForwarding {
            router: Some("router".into()),
        },
        ..balancer("pf", &[("172.24.4.60", &["10.0.0.5"])])
    });
    let all = [
        "172.24.4.50/32",
        "172.24.4.60/32",
        "172.24.4.100/32",
        "172.24.4.146/32",
    ];
    assert_eq!(cloud.exposed(), all);
    for prefix in all {
        assert_eq!(cloud.exposure(prefix).mac, Some(LRP_MAC), "{prefix}");
    }
    cloud.fip_mode(FipMode::Distributed);
    assert_eq!(cloud.exposure("172.24.4.100/32").mac, Some(FIP_MAC));
}

#[test]
fn l2vni_a_balancer_without_router_has_the_mac_of_its_member() {
    let mut cloud = stretched();
    cloud.port(vip_port("vip-port", "provider"));
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    cloud.balancer(Balancer {
        purpose: Purpose::LoadBalancing(Octavia {
            vip: "172.24.4.50".parse().ok(),
            fip: None,
            port: "vip-port".into(),
            router: None,
        }),
        ..balancer("lb", &[("172.24.4.50", &["172.24.4.10"])])
    });
    assert_eq!(cloud.exposure("172.24.4.50/32").mac, Some(MAC));
    cloud.exposed();
}

#[test]
fn l2vni_what_is_behind_routers_has_no_mac_there() {
    let mut cloud = Cloud::routed();
    cloud.options.method = Method::L2Vni;
    cloud.vpn("provider", L2);
    cloud.port(vm("vm", "tenant", &["10.0.0.5"]));
    assert_eq!(cloud.exposed(), ["172.24.4.146/32", "2001:db8::146/128"]);
    let (code, why) = cloud.withheld("10.0.0.5/32");
    assert_eq!(code, Code::BehindStretched);
    assert!(why.contains("lrp-gw"), "{why}");
}

#[test]
fn l2vni_a_tenant_network_cannot_be_stretched() {
    let mut cloud = stretched();
    cloud.vpn("tenant", &[("type", "l2"), ("vni", "1003")]);
    cloud.port(vm("vm", "tenant", &["10.0.0.5"]));
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
    let (code, why) = cloud.withheld("10.0.0.5/32");
    assert_eq!(code, Code::NotSupported);
    assert!(why.contains("no localnet port"), "{why}");
    assert_eq!(words(cloud.decide().tenants.keys()), ["1002"]);
}
