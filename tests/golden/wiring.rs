//! Method underlay, both drivers: the kernel's objects, the bridge's flows, and what the fabric learned.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::left::{self, Left};
use crate::ours::{self, Ours};

/// Both nodes, each with what ours wishes there.
fn nodes() -> [(Left, Ours); 2] {
    [
        (left::NORTHBOUND, ours::northbound(&left::NORTHBOUND)),
        (left::SOUTHBOUND, ours::southbound(&left::SOUTHBOUND)),
    ]
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.map(str::to_owned).into()
}

#[test]
fn rules_are_those_the_python_agent_left_without_the_host_bits_of_subnets() {
    for (left, ours) in nodes() {
        let mut there = left.rules();
        assert_eq!(there.len(), 8);
        for (with, without) in [
            ("10.10.0.1/24", "10.10.0.0/24"),
            ("2001:db8:200::1/64", "2001:db8:200::/64"),
        ] {
            assert!(there.remove(with));
            there.insert(without.to_owned());
        }
        assert_eq!(ours.rules(), there);
    }
}

#[test]
fn routes_are_those_the_python_agent_left_with_those_of_tenants_by_their_gateway() {
    for (left, ours) in nodes() {
        let there = left.routes("br-ex");
        assert_eq!(there.len(), 10);
        assert!(there.contains("10.10.0.0/24 via 172.24.4.76 dev br-ex"));
        assert_eq!(ours.routes(), there);
    }
}

#[test]
fn neighbours_are_those_the_python_agent_left() {
    for ((left, ours), count) in nodes().into_iter().zip([6, 2]) {
        let there = left.neighbours();
        assert_eq!(there.len(), count);
        assert_eq!(ours.neighbours(), there);
    }
}

#[test]
fn proxies_are_those_the_python_agent_left_and_the_subnets_other_usual_gateway() {
    for (left, ours) in nodes() {
        let mut there = left.proxies();
        assert_eq!(there.len(), 1);
        there.insert("2001:db8:100::1 dev br-ex proxy".to_owned());
        assert_eq!(ours.proxies(), there);
    }
}

#[test]
fn flows_are_those_the_python_agent_left() {
    for (left, ours) in nodes() {
        let there = left.flows();
        assert_eq!(there.len(), 4);
        assert_eq!(ours.flows(), there);
    }
}

#[test]
fn sysctls_are_those_the_python_agent_left() {
    for (left, ours) in nodes() {
        let there = left.sysctls();
        assert_eq!(there.len(), 4);
        assert_eq!(ours.sysctls(), there);
    }
}

/// What is left of the objects: devices, the name of the table, and helper addresses. 4.0.0 numbered the mapping from 0 and gave VLAN
/// devices no address; its later versions, and ours, do as upstream.md 3.0.1 says.
#[test]
fn devices_and_the_table_are_those_the_python_agent_left_and_helper_addresses_those_of_its_later_versions()
 {
    for (left, ours) in nodes() {
        let there = left.devices();
        assert!(there.contains("br-ex up") && there.contains("br-ex.123@br-ex up"));
        let old = set(["169.254.0.1/32", "fd53:d91e:400:7f17::1/128"]);
        assert_eq!(left.addresses("br-ex"), old);
        assert_eq!(left.addresses("br-ex.123"), BTreeSet::new());
        let expected = set([
            "link br-ex",
            "link br-ex.123",
            "rt_tables entry br-ex",
            "address 169.254.1.1/32 dev br-ex",
            "address 169.254.1.123/32 dev br-ex.123",
            "address fd53:d91e:400:7f17::1:1/128 dev br-ex",
            "address fd53:d91e:400:7f17::1:7b/128 dev br-ex.123",
        ]);
        assert_eq!(ours.rest(), expected);
    }
}

/// The fabric had the node's own loopbacks too, which the operator's FRR tells of, and a helper address that leaked.
#[test]
fn what_is_advertised_is_what_the_leaf_learned_of_the_python_agent() {
    for (left, ours) in nodes() {
        let others = ["172.30.1.1/32", "f00d::4/128", "fd53:d91e:400:7f17::1/128"];
        let mut there = left.learned();
        for other in others {
            assert!(there.remove(&other.parse::<IpNet>().unwrap()), "{other}");
        }
        assert_eq!(there.len(), 9);
        assert_eq!(ours.adverts(), there);
    }
}
