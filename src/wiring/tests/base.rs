//! Section 8.2: what a node has whether or not anything is exposed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{BridgeFacts, BridgeRole, Facts, underlay};
use super::{BRIDGE_MAC, TABLE, facts, localnet, patch_port, texts};
use crate::mac::MacAddr;
use crate::ovn::BridgeMappings;

fn base(facts: &Facts) -> BTreeSet<String> {
    let objects = underlay::base(facts, &BTreeSet::new());
    texts(objects.iter().map(|(key, value)| (key, value)))
}

#[track_caller]
fn has(facts: &Facts, expected: &[&str]) {
    let base = base(facts);
    for text in expected {
        assert!(base.contains(*text), "{text} is not in {base:#?}");
    }
}

fn mapped(mappings: &str) -> Facts {
    let mappings = BridgeMappings::parse(mappings);
    let bridges = mappings.entries().iter().map(|m| {
        let facts = BridgeFacts {
            table: Some(200 + u32::from(m.position)),
            ..BridgeFacts::default()
        };
        (m.bridge.clone(), facts)
    });
    Facts {
        bridges: bridges.collect(),
        mappings: mappings.clone(),
        ..Facts::default()
    }
}

#[test]
fn b020_a_mapped_bridge_is_up_and_answers_for_gateways() {
    let expected = [
        "link br-ex Foreign",
        "169.254.1.1/32 dev br-ex",
        "fd53:d91e:400:7f17::1:1/128 dev br-ex",
        "net/ipv4/conf/br-ex/proxy_arp=1",
        "net/ipv6/conf/br-ex/proxy_ndp=1",
    ];
    has(&mapped("physnet1:br-ex"), &expected);
}

#[test]
fn b021_helper_addresses_of_the_second_mapping() {
    let facts = mapped("physnet1:br-ex,physnet2:br-ex2");
    has(
        &facts,
        &[
            "169.254.2.2/32 dev br-ex2",
            "fd53:d91e:400:7f17::2:2/128 dev br-ex2",
        ],
    );
}

#[test]
fn b007_an_invalid_mapping_counts_in_helper_addresses() {
    has(
        &mapped("bad,physnet2:br-ex2"),
        &["169.254.2.2/32 dev br-ex2"],
    );
}

#[test]
fn b022_a_localnet_tag_makes_a_vlan_device() {
    let mut facts = mapped("physnet1:br-ex");
    facts.localnets = vec![
        localnet("physnet1", Some(100)),
        localnet("physnet9", Some(9)),
    ];
    has(
        &facts,
        &[
            "link br-ex.100 Vlan { parent: \"br-ex\", id: 100 }",
            "169.254.1.100/32 dev br-ex.100",
            "fd53:d91e:400:7f17::1:64/128 dev br-ex.100",
            "net/ipv4/conf/br-ex.100/proxy_arp=1",
            "net/ipv6/conf/br-ex.100/proxy_ndp=1",
        ],
    );
    assert!(!base(&facts).iter().any(|text| text.contains("br-ex.9 ")));
}

#[test]
fn b023_a_vlan_device_has_ten_characters_of_its_bridge() {
    let mut facts = mapped("physnet1:br-provider");
    facts.localnets = vec![localnet("physnet1", Some(1020))];
    has(
        &facts,
        &["link br-provide.1020 Vlan { parent: \"br-provider\", id: 1020 }"],
    );
}

#[test]
fn b024_helper_addresses_take_the_tag_modulo_256() {
    let mut facts = mapped("physnet1:br-ex");
    facts.localnets = vec![localnet("physnet1", Some(300))];
    has(
        &facts,
        &[
            "169.254.1.44/32 dev br-ex.300",
            "fd53:d91e:400:7f17::1:2c/128 dev br-ex.300",
        ],
    );
}

#[test]
fn d43_tags_with_one_helper_address_do_not_collide() {
    let mut facts = mapped("physnet1:br-ex");
    facts.localnets = vec![
        localnet("physnet1", Some(10)),
        localnet("physnet1", Some(266)),
    ];
    has(
        &facts,
        &[
            "169.254.1.10/32 dev br-ex.10",
            "169.254.1.10/32 dev br-ex.266",
        ],
    );
}

#[test]
fn b026_the_bridges_table_has_default_routes_into_the_bridge() {
    has(
        &facts(),
        &[
            "table 201 br-ex",
            "0.0.0.0/0 dev br-ex table 201",
            "::/0 dev br-ex table 201",
        ],
    );
}

#[test]
fn b028_a_patch_port_has_a_flow_per_family() {
    has(
        &facts(),
        &[
            "br-ex: cookie=0x3e7, priority=900, Ipv4, in_port=5, mod_dl_dst:52:00:00:00:00:01",
            "br-ex: cookie=0x3e7, priority=900, Ipv6, in_port=5, mod_dl_dst:52:00:00:00:00:01",
        ],
    );
}

#[test]
fn where_routers_learn_solicitations_go_to_the_group_of_their_target_and_nothing_else_is_wired() {
    let native = Facts {
        role: BridgeRole::Nothing,
        routers_learn: true,
        ..facts()
    };
    let flow = "br-ex: cookie=0x3e7, priority=900, Nd, in_port=5, mod_dl_dst:33:33:ff:00:00:00";
    assert_eq!(base(&native), BTreeSet::from([flow.to_owned()]));
    let other = Facts {
        routers_learn: false,
        ..native
    };
    assert_eq!(base(&other), BTreeSet::new());
}

#[test]
fn b029_a_vanished_patch_port_has_no_flow() {
    let mut facts = facts();
    facts.bridges.insert(
        "br-ex".into(),
        BridgeFacts {
            table: Some(TABLE),
            mac: Some(BRIDGE_MAC),
            patch_ports: Vec::new(),
        },
    );
    assert!(!base(&facts).iter().any(|text| text.contains("cookie")));
}

#[test]
fn b030_flows_follow_the_bridges_mac() {
    let mut facts = facts();
    let changed = BridgeFacts {
        table: Some(TABLE),
        mac: Some(MacAddr([0x52, 0, 0, 0, 0, 2])),
        patch_ports: vec![patch_port("provnet", 5)],
    };
    facts.bridges.insert("br-ex".into(), changed);
    let flows: Vec<_> = base(&facts)
        .into_iter()
        .filter(|t| t.contains("cookie"))
        .collect();
    assert_eq!(flows.len(), 2);
    assert!(
        flows.iter().all(|t| t.ends_with("52:00:00:00:00:02")),
        "{flows:?}"
    );
}

#[test]
fn b031_b032_vlan_devices_follow_the_localnet_ports() {
    let mut facts = mapped("physnet1:br-ex");
    let device = |facts: &Facts| {
        base(facts)
            .iter()
            .any(|text| text.starts_with("link br-ex.100"))
    };
    facts.localnets = vec![localnet("physnet1", Some(100)), localnet("physnet1", None)];
    assert!(device(&facts));
    facts.localnets.remove(0);
    assert!(!device(&facts));
}

#[test]
fn two_physical_networks_on_one_bridge_share_its_objects() {
    let mappings = BridgeMappings::parse("physnet1:br-ex,physnet2:br-ex");
    let facts = Facts {
        mappings,
        bridges: BTreeMap::from([(
            Arc::from("br-ex"),
            BridgeFacts {
                table: Some(TABLE),
                ..BridgeFacts::default()
            },
        )]),
        localnets: vec![localnet("physnet1", Some(5)), localnet("physnet2", Some(5))],
        ..Facts::default()
    };
    let objects = underlay::base(&facts, &BTreeSet::new());
    assert_eq!(objects.len(), base(&facts).len(), "no key is there twice");
}
