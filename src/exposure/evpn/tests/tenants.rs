//! What is wired of a tenant, whether or not a host of it is advertised.

use super::*;
use crate::exposure::southbound::tests::cloud::LRP_MAC;
use crate::exposure::{Entry, Layer, TenantGateway};

fn gateway(node: &Node, vni: u32, lrp: &str) -> TenantGateway {
    let tenant = node.tenant(vni);
    tenant.networks["provider"].gateways[lrp].clone()
}

#[test]
fn b153_a_tenant_has_its_gateways_with_their_subnets() {
    let mut node = Node::new();
    node.cloud.delete("vm");
    node.delta();
    let tenant = node.tenant(77);
    assert_eq!(
        (tenant.vni, tenant.layer, tenant.entry, tenant.asn),
        (77, Layer::Routed, Entry::PerGateway, Some(65000))
    );
    assert_eq!(tenant.rd, None);
    assert!(tenant.import.is_empty() && tenant.export.is_empty());
    let network = &tenant.networks["provider"];
    assert_eq!(&*network.attachment.bridge, "br-ex");
    assert_eq!(network.localnet, id("physnet1 of provider"));
    let expected = TenantGateway {
        mac: LRP_MAC,
        addresses: ["172.24.4.146", "2001:db8:4::146"]
            .map(|ip| ip.parse().unwrap())
            .into(),
        subnets: [
            ("10.0.0.0/24", "172.24.4.146"),
            ("fd00::/64", "2001:db8:4::146"),
        ]
        .map(|(subnet, via)| (subnet.parse().unwrap(), via.parse().unwrap()))
        .into(),
        proxied: ["2001:db8:4::", "2001:db8:4::1"]
            .map(|ip| ip.parse().unwrap())
            .into(),
        learning: [].into(),
    };
    assert_eq!(gateway(&node, 77, "lrp-gw"), expected);
}

#[test]
fn b155_a_subnet_of_another_tenant_is_not_behind_the_gateway() {
    let mut node = Node::new();
    node.join(INTERFACE_PORT, "78", "65000");
    node.delta();
    assert!(gateway(&node, 77, "lrp-gw").subnets.is_empty());
    assert!(!node.decide().tenants.contains_key(&78));
}

#[test]
fn subnets_that_come_and_go_change_the_tenant() {
    let mut node = Node::new();
    node.delta();
    node.cloud
        .put_all(link("router", "lrp-9", "tenant", &["10.9.0.1/24"]));
    assert!(node.delta().tenants.is_empty());
    node.join("lrp-9 on tenant", "77", "65000");
    assert!(matches!(node.delta().tenants.get(&77), Some(Some(_))));
    assert_eq!(gateway(&node, 77, "lrp-gw").subnets.len(), 3);
    node.cloud.delete("lrp-9");
    assert!(matches!(node.delta().tenants.get(&77), Some(Some(_))));
    assert_eq!(gateway(&node, 77, "lrp-gw").subnets.len(), 2);
}

#[test]
fn routers_may_share_a_vni() {
    let mut node = Node::with_other("77", "65000");
    node.delta();
    let tenant = node.tenant(77);
    let gateways: Vec<_> = tenant.networks["provider"].gateways.keys().collect();
    assert_eq!(gateways, [&Arc::from("lrp-gw"), &Arc::from("lrp-gw-2")]);
    node.cloud.delete("cr-lrp-gw-2");
    node.delta();
    assert_eq!(node.tenant(77).networks["provider"].gateways.len(), 1);
}

#[test]
fn a_vnis_devices_lead_from_one_provider_network() {
    let mut node = Node::with_other("77", "65000");
    let cloud = &mut node.cloud;
    cloud.datapath("provider-2", false);
    cloud.put(localnet("provider-2", "physnet1", Some(7)));
    cloud.put_all(gateway_of(
        "router-2",
        "lrp-gw-3",
        "provider-2",
        &["172.25.0.2/24"],
    ));
    for port in ["cr-lrp-gw-2", "lrp-gw-2", "lrp-gw-2 on provider"] {
        cloud.delete(port);
    }
    node.join("lrp-gw-3 on provider-2", "77", "65000");
    assert_eq!(node.exposed(), ["77 10.0.0.5/32", "77 fd00::5/128"]);
    assert_eq!(node.tenant(77).networks.len(), 1);
    let decision = node.decide();
    let other = decision.withheld.iter().find(|w| &*w.port == "vm-2");
    assert_eq!(
        other.map(|w| w.code),
        Some(Code::VniMismatch),
        "{decision:#?}"
    );
}

#[test]
fn b158_an_as_or_vni_that_changes_is_followed() {
    let mut node = Node::new();
    node.delta();
    for port in [GATEWAY_PORT, INTERFACE_PORT] {
        node.join(port, "77", "65001");
    }
    let delta = node.delta();
    assert!(
        delta.added.is_empty() && delta.removed.is_empty(),
        "{delta:?}"
    );
    assert_eq!(node.tenant(77).asn, Some(65001));
    for port in [GATEWAY_PORT, INTERFACE_PORT] {
        node.join(port, "78", "65001");
    }
    let delta = node.delta();
    assert_eq!((delta.added.len(), delta.removed.len()), (2, 2));
    let tenants: Vec<_> = delta
        .tenants
        .iter()
        .map(|(v, t)| (*v, t.is_some()))
        .collect();
    assert_eq!(tenants, [(77, false), (78, true)]);
}
