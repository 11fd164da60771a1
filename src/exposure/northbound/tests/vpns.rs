//! Networks in VNIs: `exposing_method` vrf, l2vni and dynamic.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::{Conflict, Inputs, conflicts, left_out};
use super::cloud::{Cloud, FIP_MAC, LRP_MAC, MAC, fip, gateway, id, node, vm};
use super::vpn_edits::routers_are;
use crate::exposure::{Code, Exposure, Kind, Layer, Method, Tenant};
use crate::ovn::northbound::{RouterPort, SwitchPort, Told};
use crate::reconcile::Destination;

const VPN: &[(&str, &str)] = &[("type", "l3"), ("vni", "1001")];
pub(super) const L2: &[(&str, &str)] = &[("type", "l2"), ("vni", "1002")];

/// Network `provider` is in VNI 1001.
fn vrf() -> Cloud {
    let mut cloud = Cloud::new();
    cloud.options.method = Method::Vrf;
    cloud.vpn("provider", VPN);
    cloud
}

/// [`Cloud::routed`] with network `provider` in VNI 1001.
fn routed_vrf() -> Cloud {
    let mut cloud = Cloud::routed();
    cloud.options.method = Method::Vrf;
    cloud.vpn("provider", VPN);
    cloud
}

pub(super) fn tenant(cloud: &mut Cloud, vni: u32) -> Tenant {
    cloud.delta();
    let tenants = cloud.decide().tenants;
    (**tenants.get(&vni).expect("a tenant")).clone()
}

pub(super) fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

pub(super) fn in_vni(exposure: &Exposure) -> (Option<u32>, Layer) {
    (exposure.vni, exposure.layer)
}

fn inputs(cloud: &Cloud) -> Inputs<'_> {
    Inputs {
        northbound: &cloud.nb,
        southbound: None,
        node: &cloud.node,
        options: &cloud.options,
    }
}

#[test]
fn b106_a_network_in_a_vni_with_nothing_to_expose_is_a_tenant_without_exposures() {
    let mut cloud = vrf();
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
    let tenant = tenant(&mut cloud, 1001);
    let network = &tenant.networks["provider"];
    assert_eq!(network.localnet, id("provnet-provider"));
    assert_eq!(&*network.attachment.bridge, "br-ex");
    assert_eq!((tenant.layer, tenant.asn), (Layer::Routed, None));
}

#[test]
fn b107_a_port_of_a_network_in_a_vni_is_exposed_in_it() {
    let mut cloud = vrf();
    cloud.port(vm("vm", "provider", &["172.24.4.10", "2001:db8::10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", "2001:db8::10/128"]);
    let exposure = cloud.exposure("172.24.4.10/32");
    assert_eq!(in_vni(&exposure), (Some(1001), Layer::Routed));
    assert_eq!(exposure.mac, Some(MAC));
    let prefix = exposure.prefix;
    assert_eq!(
        exposure.destination(),
        Destination::Tenant { vni: 1001, prefix }
    );
}

#[test]
fn b108_b111_two_vlan_networks_of_one_vni_are_one_tenant_with_two_networks() {
    let mut cloud = vrf();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.vpn("vlan", VPN);
    cloud.port(vm("vm", "vlan", &["172.30.0.10"]));
    assert_eq!(cloud.exposure("172.30.0.10/32").vlan(), Some(100));
    let networks = tenant(&mut cloud, 1001).networks;
    assert_eq!(words(networks.keys()), ["provider", "vlan"]);
    assert_eq!(networks["vlan"].attachment.vlan, Some(100));
}

#[test]
fn b111_the_same_prefix_in_two_vnis_is_two_exposures() {
    let mut cloud = vrf();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.vpn("vlan", &[("type", "l3"), ("vni", "1002")]);
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    cloud.port(vm("other", "vlan", &["172.24.4.10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", "172.24.4.10/32"]);
    let exposures = cloud.decide().exposures;
    let vnis: BTreeSet<_> = exposures.iter().map(|e| e.vni).collect();
    assert_eq!(vnis, [Some(1001), Some(1002)].into());
    // Withdrawn in one, it stays in the other.
    cloud.delete_port("vm");
    assert_eq!(cloud.delta().removed.len(), 1);
    assert_eq!(cloud.exposure("172.24.4.10/32").vni, Some(1002));
}

#[test]
fn b111_tenants_of_two_vnis_with_one_subnet_are_two_exposures() {
    let mut cloud = routed_vrf();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.vpn("vlan", &[("type", "l3"), ("vni", "1002")]);
    cloud.network("tenant2", None);
    cloud.router_port(RouterPort {
        network: Some("vlan".into()),
        ..gateway("lrp-gw2", &["172.30.0.146/24"])
    });
    cloud.interface("if2", "tenant2", &["10.0.0.1/24"]);
    let mut interface = super::cloud::interface("if2", "tenant2");
    if let Some(inside) = &mut interface.interface {
        inside.router = Some("second".into());
    }
    cloud.port(interface);
    cloud.router_named("second", true, &["lrp-gw2", "lrp-if2"], &[], &[]);
    cloud.port(vm("vm", "tenant", &["10.0.0.5"]));
    cloud.port(vm("vm2", "tenant2", &["10.0.0.5"]));
    cloud.delta();
    let exposures = cloud.decide().exposures;
    let hosts = exposures
        .iter()
        .filter(|e| e.prefix == "10.0.0.5/32".parse().unwrap());
    let ways: BTreeSet<_> = hosts.map(|e| (e.vni, e.via)).collect();
    let way = |vni, via: &str| (Some(vni), via.parse::<IpAddr>().ok());
    assert_eq!(
        ways,
        [way(1001, "172.24.4.146"), way(1002, "172.30.0.146")].into()
    );
}

#[test]
fn b112_targets_of_the_networks_of_a_vni_are_joined() {
    let mut cloud = vrf();
    assert_eq!(tenant(&mut cloud, 1001).rd, None);
    cloud.vpn(
        "provider",
        &[VPN, &[("rt", "['65000:1']"), ("it", "['65000:9']")]].concat(),
    );
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.vpn(
        "vlan",
        &[VPN, &[("rd", "['65000:7']"), ("et", "65000:8")]].concat(),
    );
    let tenant = tenant(&mut cloud, 1001);
    assert_eq!(words(tenant.import), ["65000:1", "65000:9"]);
    assert_eq!(words(tenant.export), ["65000:1", "65000:8"]);
    assert_eq!(
        tenant.rd.map(|rd| rd.to_string()).as_deref(),
        Some("65000:7")
    );
    assert_eq!(conflicts(inputs(&cloud)), []);
}

#[test]
fn b112_of_two_distinguishers_the_first_by_name_counts_and_the_other_is_told() {
    let mut cloud = vrf();
    cloud.network("vlan", Some(("physnet9", Some(100))));
    cloud.vpn("vlan", &[VPN, &[("rd", "['65000:7']")]].concat());
    cloud.vpn("provider", &[VPN, &[("rd", "['65000:8']")]].concat());
    let rd = tenant(&mut cloud, 1001).rd;
    assert_eq!(rd.map(|rd| rd.to_string()).as_deref(), Some("65000:8"));
    let found = conflicts(inputs(&cloud));
    assert_eq!(
        words(&found),
        [
            "VNI 1001: Logical_Switch vlan says external_ids:neutron_bgpvpn:rd 65000:7 and provider says 65000:8, which \
          counts: give networks of one VNI one route distinguisher"
        ]
    );
    assert!(matches!(&found[..], [Conflict { vni: 1001, .. }]));
}

#[test]
fn b113_a_malformed_target_takes_its_network_out_and_no_other() {
    let mut cloud = vrf();
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.vpn("vlan", &[VPN, &[("rt", "['nonsense'")]].concat());
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    cloud.port(vm("other", "vlan", &["172.30.0.10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    let (code, why) = cloud.withheld("172.30.0.10/32");
    assert_eq!(code, Code::VniUnusable);
    for word in ["Logical_Switch vlan", "neutron_bgpvpn:rt", "['nonsense'"] {
        assert!(why.contains(word), "{why}");
    }
    assert_eq!(
        words(tenant(&mut cloud, 1001).networks.keys()),
        ["provider"]
    );
}

#[test]
fn b114_targets_and_distinguisher_change_at_run_time() {
    let mut cloud = vrf();
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    cloud.delta();
    cloud.vpn(
        "provider",
        &[VPN, &[("rt", "['65000:1']"), ("rd", "65000:5")]].concat(),
    );
    let delta = cloud.delta();
    assert_eq!((delta.added, delta.removed), (Vec::new(), Vec::new()));
    let tenant = delta.tenants[&1001].clone().unwrap();
    assert_eq!(words(&tenant.import), ["65000:1"]);
    cloud.vpn("provider", VPN);
    let tenant = cloud.delta().tenants[&1001].clone().unwrap();
    assert_eq!((tenant.import.len(), tenant.rd), (0, None));
    assert!(cloud.delta().is_empty());
}

#[test]
fn b115_another_vni_moves_everything() {
    let mut cloud = routed_vrf();
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    cloud.port(vm("inner", "tenant", &["10.0.0.5"]));
    let before = cloud.exposed();
    cloud.vpn("provider", &[("type", "l3"), ("vni", "1005")]);
    let delta = cloud.delta();
    assert_eq!(delta.removed.len(), before.len());
    assert!(delta.removed.iter().all(|e| e.vni == Some(1001)));
    assert!(delta.added.iter().all(|e| e.vni == Some(1005)));
    assert_eq!(words(delta.tenants.keys()), ["1001", "1005"]);
    assert_eq!(delta.tenants[&1001], None);
    assert_eq!(cloud.exposed(), before);
}

#[test]
fn b116_without_the_annotation_or_the_network_nothing_is_left() {
    for delete in [true, false] {
        let mut cloud = routed_vrf();
        cloud.port(vm("vm", "provider", &["172.24.4.10"]));
        cloud.port(vm("inner", "tenant", &["10.0.0.5"]));
        assert!(!cloud.exposed().is_empty());
        if delete {
            cloud.delete_network("provider");
        } else {
            cloud.vpn("provider", &[]);
        }
        assert_eq!(cloud.delta().tenants[&1001], None);
        assert_eq!(cloud.exposed(), [] as [&str; 0]);
        assert!(cloud.decide().tenants.is_empty());
    }
}

#[test]
fn b117_the_last_exposure_of_a_network_takes_its_router_address_along() {
    let mut cloud = vrf();
    cloud.dhcp("dhcp", routers_are(&["172.24.4.1"]));
    cloud.port(SwitchPort {
        dhcp: [id("dhcp")].into(),
        ..vm("vm", "provider", &["172.24.4.10"])
    });
    assert_eq!(cloud.exposed(), ["172.24.4.1/32", "172.24.4.10/32"]);
    cloud.delete_port("vm");
    assert_eq!(cloud.delta().removed.len(), 2);
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
}

#[test]
fn b119_the_router_that_dhcp_tells_is_exposed_where_something_of_the_network_is() {
    let mut cloud = vrf();
    cloud.dhcp("dhcp", routers_are(&["172.24.4.1"]));
    // The row is told by a port elsewhere; here is but a gateway.
    cloud.port(SwitchPort {
        dhcp: [id("dhcp")].into(),
        requested_chassis: vec!["host-2".into()],
        ..vm("vm", "provider", &["172.24.4.10"])
    });
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
    assert!(
        tenant(&mut cloud, 1001).networks["provider"]
            .routers
            .is_empty()
    );
    cloud.router_port(gateway("lrp", &["172.24.4.146/24"]));
    assert_eq!(cloud.exposed(), ["172.24.4.1/32", "172.24.4.146/32"]);
    let exposure = cloud.exposure("172.24.4.1/32");
    assert_eq!((exposure.kind, exposure.mac), (Kind::Gateway, None));
    assert!(exposure.reason.is_own_address());
    assert_eq!(in_vni(&exposure), (Some(1001), Layer::Routed));
    let routers = tenant(&mut cloud, 1001).networks["provider"]
        .routers
        .clone();
    assert_eq!(words(routers), ["172.24.4.1"]);
    cloud.delta();
    cloud.delete_dhcp("dhcp");
    let delta = cloud.delta();
    assert_eq!((delta.removed.len(), delta.tenants.len()), (1, 1));
    assert_eq!(cloud.exposed(), ["172.24.4.146/32"]);
}

#[test]
fn b119_an_address_that_a_router_in_ovn_has_is_that_routers() {
    let mut cloud = vrf();
    cloud.dhcp("dhcp", routers_are(&["172.24.4.1"]));
    cloud.port(SwitchPort {
        dhcp: [id("dhcp")].into(),
        ..vm("vm", "provider", &["172.24.4.10"])
    });
    cloud.port(SwitchPort {
        cidrs: super::cloud::cidrs(&["172.24.4.1/24"]),
        ..super::cloud::interface("inner", "provider")
    });
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    let withheld = cloud.decide().withheld;
    let taken = withheld.iter().find(|w| w.code == Code::AddressTaken);
    let taken = taken.map(|w| (w.prefix.to_string(), &*w.port));
    assert_eq!(taken, Some(("172.24.4.1/32".to_owned(), "inner")));
    cloud.delete_port("inner");
    assert_eq!(cloud.exposed(), ["172.24.4.1/32", "172.24.4.10/32"]);
}

#[test]
fn b120_ipv6_subnets_are_advertised_to_ports_as_their_dhcp_rows_say() {
    let mut cloud = vrf();
    let dns: Vec<_> = ["2001:db8::53"].map(|ip| ip.parse().unwrap()).into();
    cloud.dhcp(
        "dhcp6",
        Told::Subnet {
            prefix: "2001:db8::/64".parse().unwrap(),
            stateless: true,
            dns_servers: dns.clone(),
        },
    );
    cloud.port(SwitchPort {
        dhcp: [id("dhcp6")].into(),
        ..vm("vm", "provider", &["2001:db8::10"])
    });
    let tenant = tenant(&mut cloud, 1001);
    let network = &tenant.networks["provider"];
    let [advertisement] = &network.advertisements.iter().collect::<Vec<_>>()[..] else {
        panic!("{network:?}");
    };
    assert_eq!(advertisement.prefix.to_string(), "2001:db8::/64");
    assert!(advertisement.autonomous);
    assert_eq!(advertisement.dns_servers, dns);
}

#[test]
fn b121_gateways_and_what_is_behind_them_are_in_the_vni_of_their_network() {
    let mut cloud = routed_vrf();
    cloud.port(vm("vm", "tenant", &["10.0.0.5", "fd00::5"]));
    let router = ["10.0.0.1/32", "fd00::1/128"];
    let all = [
        "10.0.0.1/32",
        "10.0.0.5/32",
        "172.24.4.146/32",
        "2001:db8::146/128",
        "fd00::1/128",
        "fd00::5/128",
    ];
    assert_eq!(cloud.exposed(), all);
    for prefix in all {
        assert_eq!(cloud.exposure(prefix).vni, Some(1001), "{prefix}");
    }
    for prefix in router {
        let exposure = cloud.exposure(prefix);
        assert_eq!((exposure.kind, &*exposure.port), (Kind::Tenant, "if"));
        assert_eq!(exposure.mac, Some(LRP_MAC));
        assert!(exposure.subnet.unwrap().contains(&exposure.prefix));
    }
    assert_eq!(
        cloud.exposure("10.0.0.5/32").via,
        "172.24.4.146".parse().ok()
    );
    cloud.options.advertisement = crate::config::TenantAdvertisement::Subnet;
    assert_eq!(
        cloud.exposed(),
        [
            "10.0.0.0/24",
            "172.24.4.146/32",
            "2001:db8::146/128",
            "fd00::/64"
        ]
    );
    assert_eq!(cloud.exposure("10.0.0.0/24").vni, Some(1001));
}

#[test]
fn b122_a_gateway_that_moves_takes_all_of_it_along() {
    let mut cloud = routed_vrf();
    cloud.port(vm("vm", "tenant", &["10.0.0.5", "fd00::5"]));
    assert_eq!(cloud.exposed().len(), 6);
    cloud.gateway_at(Some("chassis-2"));
    assert_eq!(cloud.delta().removed.len(), 6);
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
    assert_eq!(cloud.withheld("10.0.0.1/32").0, Code::GatewayElsewhere);
}

#[test]
fn b123_a_network_without_vni_is_withheld_and_others_are_not() {
    let mut cloud = vrf();
    for (network, vlan, said) in [
        ("plain", 100, &[][..]),
        ("novni", 101, &[("type", "l3")]),
        ("notype", 102, &[("vni", "1009")]),
        ("l2", 103, &[("type", "l2"), ("vni", "1010")]),
    ] {
        cloud.network(network, Some(("physnet1", Some(vlan))));
        cloud.vpn(network, said);
        cloud.port(vm(
            &format!("vm-{network}"),
            network,
            &[&format!("172.30.{vlan}.1")],
        ));
    }
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    for (vlan, word) in [
        (100, "neutron_bgpvpn:vni are not set"),
        (101, "neutron_bgpvpn:vni is not set"),
        (102, "neutron_bgpvpn:type is not"),
        (103, "exposing_method = vrf does not expose"),
    ] {
        let (code, why) = cloud.withheld(&format!("172.30.{vlan}.1/32"));
        assert_eq!(code, Code::NoVni);
        assert!(why.contains(word), "{why}");
    }
    // For the log: what was meant to be in a VNI.
    let left_out = left_out(inputs(&cloud));
    let networks = ["l2", "notype", "novni"].map(|name| format!("Logical_Switch {name}: "));
    assert_eq!(left_out.len(), networks.len(), "{left_out:?}");
    for (why, network) in left_out.iter().zip(networks) {
        assert!(why.starts_with(&network), "{why}");
    }
    assert_eq!(words(cloud.decide().tenants.keys()), ["1001"]);
}

#[test]
fn b124_a_floating_ip_is_in_the_vni_of_its_network() {
    let mut cloud = vrf();
    cloud.port(vm("vm", "tenant", &["10.0.0.5"]));
    cloud.nat(fip("172.24.4.100", "vm"));
    assert_eq!(cloud.exposed(), ["172.24.4.100/32"]);
    let exposure = cloud.exposure("172.24.4.100/32");
    assert_eq!(in_vni(&exposure), (Some(1001), Layer::Routed));
    assert_eq!((exposure.mac, exposure.via), (Some(FIP_MAC), None));
}

#[test]
fn a_network_that_is_not_mapped_here_is_no_tenant_here() {
    let mut cloud = vrf();
    cloud.node = node("physnet9:br-other");
    assert!(cloud.decide().tenants.is_empty());
    cloud.delta();
    cloud.node = node("physnet1:br-ex");
    assert!(cloud.delta().tenants[&1001].is_some());
}

#[test]
fn a_vni_is_of_one_layer_and_the_first_network_by_name_says_which() {
    let mut cloud = vrf();
    cloud.options.method = Method::Dynamic;
    cloud.network("vlan", Some(("physnet1", Some(100))));
    cloud.vpn("vlan", &[("type", "l2"), ("vni", "1001")]);
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    cloud.port(vm("other", "vlan", &["172.30.0.10"]));
    assert_eq!(cloud.exposed(), ["172.24.4.10/32"]);
    let (code, why) = cloud.withheld("172.30.0.10/32");
    assert_eq!(code, Code::VniUnusable);
    assert!(why.contains("network provider has VNI 1001"), "{why}");
    cloud.vpn("provider", &[]);
    assert_eq!(cloud.exposed(), ["172.24.4.10/32", "172.30.0.10/32"]);
    assert_eq!(tenant(&mut cloud, 1001).layer, Layer::Bridged);
}

#[test]
fn dynamic_each_network_is_exposed_as_it_is_annotated() {
    let mut cloud = Cloud::routed();
    cloud.options.method = Method::Dynamic;
    for (network, vlan, said) in [
        ("l3", 100, VPN),
        ("l2", 101, L2),
        ("novni", 102, &[("type", "l3")]),
    ] {
        cloud.network(network, Some(("physnet1", Some(vlan))));
        cloud.vpn(network, said);
        cloud.port(vm(
            &format!("vm-{network}"),
            network,
            &[&format!("172.30.{vlan}.1")],
        ));
    }
    cloud.port(vm("vm", "provider", &["172.24.4.10"]));
    cloud.port(vm("inner", "tenant", &["10.0.0.5"]));
    assert_eq!(
        cloud.exposed(),
        [
            "10.0.0.5/32",
            "172.24.4.10/32",
            "172.24.4.146/32",
            "172.30.100.1/32",
            "172.30.101.1/32",
            "2001:db8::146/128"
        ]
    );
    assert_eq!(cloud.exposure("172.24.4.10/32").vni, None);
    assert_eq!(cloud.exposure("10.0.0.5/32").vni, None);
    let l3 = cloud.exposure("172.30.100.1/32");
    assert_eq!(in_vni(&l3), (Some(1001), Layer::Routed));
    let l2 = cloud.exposure("172.30.101.1/32");
    assert_eq!(in_vni(&l2), (Some(1002), Layer::Bridged));
    assert_eq!(cloud.withheld("172.30.102.1/32").0, Code::NoVni);
    // The tenants of a gateway follow its network.
    cloud.vpn("provider", &[("type", "l3"), ("vni", "1005")]);
    assert_eq!(cloud.exposed().len(), 8, "and the router's own addresses");
    assert_eq!(cloud.exposure("10.0.0.5/32").vni, Some(1005));
    assert_eq!(cloud.exposure("10.0.0.1/32").vni, Some(1005));
}

#[test]
fn a_policy_takes_exposures_of_a_vni_away_and_the_router_address_with_the_last() {
    let mut cloud = vrf();
    cloud.dhcp("dhcp", routers_are(&["172.24.4.1"]));
    cloud.port(SwitchPort {
        dhcp: [id("dhcp")].into(),
        ..vm("vm", "provider", &["172.24.4.10"])
    });
    assert_eq!(cloud.exposed().len(), 2);
    cloud.say("vm", &[("bgp:advertise", "false")]);
    assert_eq!(cloud.exposed(), [] as [&str; 0]);
    cloud.say("vm", &[]);
    cloud.say("provider", &[("bgp:med", "7")]);
    cloud.delta();
    assert_eq!(cloud.exposure("172.24.4.1/32").attributes.med, Some(7));
}
