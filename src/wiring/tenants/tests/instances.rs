//! What the speaker is told.

use std::net::Ipv4Addr;

use bgp::evpn::{Import, Instance};
use bgp::wire::evpn::RouteTarget;

use super::*;
use crate::exposure::RouterAdvertisement;

const ROUTER: MacAddr = MacAddr([0x7e, 0xb, 0x6f, 0xad, 0xd, 0x7b]);

fn seen(vnis: &[Vni]) -> Facts {
    let mut facts = facts();
    let macs = vnis
        .iter()
        .map(|vni| (super::super::names::bridge(*vni), ROUTER));
    facts.tenancy.macs = macs.collect();
    facts
}

/// The instance of a tenant of which something is exposed.
fn instance(tenant: Tenant) -> Instance {
    let vni = tenant.vni;
    let mut node = Node::new(seen(&[vni]));
    node.tenant(tenant);
    node.add(exposure(vni, "172.24.4.10/32"));
    node.wiring.instances().remove(&vni).unwrap()
}

fn targets(texts: &[&str]) -> BTreeSet<RouteTarget> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn b112_rd_and_targets_are_derived_of_vtep_as_and_vni() {
    let instance = instance(tenant(1001));
    assert_eq!(instance.rd.to_string(), "172.30.1.1:1001");
    assert_eq!(instance.vtep, ip(VTEP));
    assert_eq!(instance.export, targets(&["64999:1001"]));
    assert_eq!(instance.import, [Import::Derived(1001)].into());
    assert_eq!(
        instance.router_mac().unwrap().to_string(),
        ROUTER.to_string()
    );
}

#[test]
fn b112_what_is_annotated_is_taken() {
    let instance = instance(Tenant {
        rd: Some("65001:7".parse().unwrap()),
        export: targets(&["64999:100", "64999:101"]),
        import: targets(&["64999:100"]),
        ..tenant(1001)
    });
    assert_eq!(instance.rd.to_string(), "65001:7");
    assert_eq!(instance.export, targets(&["64999:100", "64999:101"]));
    let wanted = Import::Target("64999:100".parse().unwrap());
    assert_eq!(instance.import, [wanted].into());
}

#[test]
fn b153_the_as_of_the_tenant_comes_before_the_nodes() {
    let mut node = Node::new(seen(&[77]));
    node.tenant(shared(77, None));
    let instances = node.wiring.instances();
    assert_eq!(instances[&77].export, targets(&["65000:77"]));
}

#[test]
fn b114_rd_and_targets_change_at_run_time_and_nothing_is_wired_anew() {
    let mut node = Node::new(seen(&[1001]));
    node.tenant(tenant(1001));
    node.add(exposure(1001, "172.24.4.10/32"));
    let steps = node.tenant(Tenant {
        rd: Some("65001:7".parse().unwrap()),
        import: targets(&["64999:100"]),
        ..tenant(1001)
    });
    assert_eq!(steps, []);
    assert_eq!(node.wiring.instances()[&1001].rd.to_string(), "65001:7");
}

#[test]
fn there_is_none_before_the_routers_mac_is_known_nor_without_devices() {
    let mut node = node_of(tenant(1001));
    node.add(exposure(1001, "172.24.4.10/32"));
    assert_eq!(node.wiring.instances(), BTreeMap::new());
    node.facts(seen(&[1001]));
    assert_eq!(node.wiring.instances().len(), 1);
    node.remove(exposure(1001, "172.24.4.10/32"));
    assert_eq!(node.wiring.instances(), BTreeMap::new());
}

#[test]
fn a_bridged_tenant_needs_no_routers_mac() {
    let mut node = node_of(Tenant {
        layer: Layer::Bridged,
        ..tenant(2001)
    });
    node.add(Exposure {
        layer: Layer::Bridged,
        ..exposure(2001, "172.24.4.10/32")
    });
    let instances = node.wiring.instances();
    assert_eq!(instances[&2001].router_mac(), None);
    assert_eq!(instances[&2001].rd.to_string(), "172.30.1.1:2001");
}

#[test]
fn large_vnis_are_told_apart_by_16_bits() {
    let numbers = super::super::instance::numbers(
        [7, 8, 65543, 131_079, 70_000].into_iter(),
        &Tenancy::default(),
    );
    assert_eq!(numbers[&7], 7);
    assert_eq!(numbers[&8], 8);
    assert_eq!(numbers[&70_000], 4464);
    // 65543 and 131079 have the lower bits of 7.
    let distinct: BTreeSet<_> = numbers.values().collect();
    assert_eq!(distinct.len(), 5);
}

#[test]
fn an_ipv6_vtep_is_distinguished_by_the_router_id() {
    let mut facts = seen(&[1001]);
    facts.tenancy.vtep = Some(ip("2001:db8::1"));
    let mut node = Node::new(facts.clone());
    node.tenant(tenant(1001));
    node.add(exposure(1001, "172.24.4.10/32"));
    assert_eq!(node.wiring.instances(), BTreeMap::new());
    facts.tenancy.router_id = Some(Ipv4Addr::new(192, 0, 2, 1));
    node.facts(facts);
    let instances = node.wiring.instances();
    assert_eq!(instances[&1001].rd.to_string(), "192.0.2.1:1001");
}

#[test]
fn b120_routers_speak_on_the_networks_that_are_wired() {
    let word = RouterAdvertisement {
        prefix: "2001:db8:100::/64".parse().unwrap(),
        autonomous: false,
        dns_servers: vec!["2001:db8::53".parse().unwrap()],
    };
    let mut with_subnet = tenant(1001);
    let public = with_subnet.networks.get_mut("public").unwrap();
    public.advertisements.insert(word.clone());
    let mut node = node_of(with_subnet);
    assert_eq!(node.wiring.advertised_routers(), BTreeMap::new());
    node.add(exposure(1001, "172.24.4.10/32"));
    let routers = node.wiring.advertised_routers();
    let router = &routers["vrf11111111-11"];
    assert_eq!(router.source, Some("fe80::200:3e9:0".parse().unwrap()));
    assert_eq!(router.advertisements, [word]);
}

/// A table of the configuration with VNI 66537, whose low 16 bits are 1001.
fn beside_a_table(rd: &str) -> Facts {
    let mut facts = seen(&[1001, 66_537, 132_073]);
    facts.tenancy.distinguishers = BTreeMap::from([(rd.parse().unwrap(), 66_537)]);
    facts
}

#[test]
fn a_vni_whose_distinguisher_a_table_of_the_configuration_has_waits_and_says_so() {
    let mut node = Node::new(beside_a_table("172.30.1.1:1001"));
    node.tenant(tenant(1001));
    let exposed = exposure(1001, "172.24.4.10/32");
    assert_eq!(advertises(&node.add(exposed.clone())), 0);
    assert_eq!(node.objects(), BTreeSet::new());
    assert!(node.wiring.instances().is_empty());
    let pending = node.wiring.pending_for(exposed.destination()).unwrap();
    let said = pending.to_string();
    for part in ["VNI 1001", "172.30.1.1:1001", "VNI 66537", "rd"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // The table is given another.
    assert_eq!(advertises(&node.facts(beside_a_table("65001:9"))), 1);
    assert_eq!(node.wiring.instances().len(), 1);
    // And the network's own annotation clashes as well.
    let annotated = Tenant {
        rd: Some("65001:9".parse().unwrap()),
        ..tenant(1001)
    };
    node.tenant(annotated);
    assert!(node.wiring.instances().is_empty());
}

#[test]
fn a_vni_of_more_than_16_bits_takes_a_number_that_no_table_of_the_configuration_has() {
    let mut node = Node::new(beside_a_table("172.30.1.1:1001"));
    node.tenant(tenant(132_073));
    node.add(exposure(132_073, "172.24.4.10/32"));
    let instance = node.wiring.instances().remove(&132_073).unwrap();
    assert_eq!(instance.rd.to_string(), "172.30.1.1:1002");
}

/// Both are the same table: which instance counts is the origins' business.
#[test]
fn the_same_vni_in_the_configuration_keeps_nothing_waiting() {
    let mut facts = seen(&[1001]);
    facts.tenancy.distinguishers = [("172.30.1.1:1001".parse().unwrap(), 1001)].into();
    let mut node = Node::new(facts);
    node.tenant(tenant(1001));
    assert_eq!(advertises(&node.add(exposure(1001, "172.24.4.10/32"))), 1);
}
