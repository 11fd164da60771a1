//! The wiring of exposures.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::{Facts, Pending, Wiring, Wish};
use super::{VM_MAC, desired, exposure, facts, patch_port, proxying, texts};
use crate::exposure::{Attachment, Delta, Exposure, Kind};
use crate::mac::MacAddr;
use crate::reconcile::{Destination, Holder, Key};

fn objects(wish: &Wish) -> BTreeSet<String> {
    texts(wish.objects.iter().map(|(key, value)| (key, value)))
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

fn only(exposure: Exposure, facts: &Facts) -> Wish {
    let mut wiring = Wiring::default();
    wiring.set_facts(facts.clone());
    let mut wishes = wiring.update(&added([exposure]));
    assert_eq!(wishes.len(), 1);
    wishes.remove(0)
}

fn added<const N: usize>(exposures: [Exposure; N]) -> Delta {
    Delta {
        added: exposures.into_iter().map(Arc::new).collect(),
        removed: Vec::new(),
        ..Delta::default()
    }
}

fn on_vlan(bridge: &str, vlan: u16, exposure: Exposure) -> Exposure {
    Exposure {
        attachment: Some(Attachment {
            bridge: bridge.into(),
            vlan: Some(vlan),
            localnet: "provnet".into(),
        }),
        ..exposure
    }
}

#[test]
fn b034_rule_route_and_neighbour_and_an_advert_that_needs_them_and_the_flow() {
    let wish = only(exposure("172.24.4.10/32"), &facts());
    assert_eq!(
        objects(&wish),
        set([
            "32000: to 172.24.4.10/32 lookup 201",
            "172.24.4.10/32 dev br-ex table 201",
            "172.24.4.10 dev br-ex lladdr fa:16:3e:00:00:01",
        ])
    );
    let requires = wish.advert.unwrap().requires;
    let wished: BTreeSet<_> = wish.objects.iter().map(|(key, _)| key).collect();
    assert!(wished.iter().all(|key| requires.contains(key)));
    assert!(
        requires
            .iter()
            .any(|key| matches!(key, Key::Flow { in_port: 5, .. }))
    );
    assert_eq!(requires.len(), 4);
}

#[test]
fn b036_on_a_vlan_route_and_neighbour_are_on_its_device() {
    let wish = only(on_vlan("br-ex", 100, exposure("172.30.0.10/32")), &facts());
    assert_eq!(
        objects(&wish),
        set([
            "32000: to 172.30.0.10/32 lookup 201",
            "172.30.0.10/32 dev br-ex.100 table 201",
            "172.30.0.10 dev br-ex.100 lladdr fa:16:3e:00:00:01",
        ])
    );
}

#[test]
fn d30_the_neighbour_is_on_the_truncated_device() {
    let mut facts = facts();
    let bridge = facts.bridges["br-ex"].clone();
    facts.bridges.insert("br-provider".into(), bridge);
    let wish = only(
        on_vlan("br-provider", 1020, exposure("172.30.0.10/32")),
        &facts,
    );
    assert!(objects(&wish).contains("172.30.0.10 dev br-provide.1020 lladdr fa:16:3e:00:00:01"));
}

#[test]
fn b037_ipv6_with_proxies_for_its_gateways() {
    let exposed = proxying(exposure("2001:db8::10/128"), &["2001:db8::", "2001:db8::1"]);
    let wish = only(exposed, &facts());
    assert_eq!(
        objects(&wish),
        set([
            "32000: to 2001:db8::10/128 lookup 201",
            "2001:db8::10/128 dev br-ex table 201",
            "2001:db8::10 dev br-ex lladdr fa:16:3e:00:00:01",
            "proxy 2001:db8:: dev br-ex",
            "proxy 2001:db8::1 dev br-ex",
        ])
    );
}

#[test]
fn without_a_mac_no_neighbour_is_pinned() {
    let wish = only(
        Exposure {
            mac: None,
            ..exposure("172.24.4.10/32")
        },
        &facts(),
    );
    assert_eq!(wish.objects.len(), 2);
}

#[test]
fn b051_patch_port_absent_at_event_time() {
    let mut without = facts();
    without
        .bridges
        .get_mut("br-ex")
        .unwrap()
        .patch_ports
        .clear();
    let mut wiring = Wiring::default();
    wiring.set_facts(without);
    let prefix: IpNet = "172.24.4.10/32".parse().unwrap();
    let wishes = wiring.update(&added([exposure("172.24.4.10/32")]));
    // The kernel is wired at once; the advert requires a flow that nobody can wish yet.
    assert_eq!(wishes[0].objects.len(), 3);
    let waiting = wishes[0].advert.clone().unwrap();
    let desired_now = desired(wiring.exposures(prefix), wiring.facts());
    assert!(
        waiting
            .requires
            .iter()
            .any(|key| !desired_now.objects.contains_key(key))
    );
    assert_eq!(
        wiring.pending_for(prefix),
        Some(Pending::NoPatchPort {
            bridge: "br-ex".into(),
            localnet: "provnet".into()
        })
    );

    // As soon as it appears everything that the advert requires is wished.
    let wishes = wiring.set_facts(facts());
    assert_eq!(wishes.len(), 1);
    let advert = wishes[0].advert.clone().unwrap();
    let desired_now = desired(wiring.exposures(prefix), wiring.facts());
    assert!(
        advert
            .requires
            .iter()
            .all(|key| desired_now.objects.contains_key(key))
    );
    assert_eq!(wiring.pending().count(), 0);
}

#[test]
fn b051_the_port_number_of_another_localnet_does_not_do() {
    let mut facts = facts();
    facts.bridges.get_mut("br-ex").unwrap().patch_ports = vec![patch_port("other", 6)];
    let mut wiring = Wiring::default();
    wiring.set_facts(facts);
    wiring.update(&added([exposure("172.24.4.10/32")]));
    assert_eq!(wiring.pending().count(), 1);
}

#[test]
fn b054_withdrawing_asks_for_nothing_any_more() {
    let mut wiring = Wiring::default();
    wiring.set_facts(facts());
    let exposure = on_vlan("br-ex", 100, exposure("172.30.0.10/32"));
    let delta = added([exposure]);
    wiring.update(&delta);
    let wishes = wiring.update(&Delta {
        added: Vec::new(),
        removed: delta.added,
        ..Delta::default()
    });
    assert_eq!(
        wishes,
        [Wish {
            holder: Holder::from("172.30.0.10/32".parse::<IpNet>().unwrap()),
            objects: Vec::new(),
            advert: None,
        }]
    );
    let nothing = desired(&[], wiring.facts());
    assert_eq!(nothing.objects.len(), wiring.base().len());
}

#[test]
fn b055_a_proxy_stays_while_a_port_on_the_subnet_is_exposed() {
    let first = Arc::new(proxying(exposure("2001:db8::10/128"), &["2001:db8::"]));
    let second = Arc::new(proxying(exposure("2001:db8::11/128"), &["2001:db8::"]));
    let proxied = |exposures: &[Arc<Exposure>]| {
        let desired = desired(exposures, &facts());
        desired
            .objects
            .keys()
            .filter(|key| matches!(key, Key::Proxy { .. }))
            .count()
    };
    assert_eq!(proxied(&[first, second.clone()]), 1);
    assert_eq!(proxied(&[second]), 1);
    assert_eq!(proxied(&[]), 0);
}

#[test]
fn d45_a_prefix_with_two_reasons_stays_until_both_are_gone() {
    let vm = Arc::new(exposure("172.24.4.10/32"));
    let fip = Arc::new(Exposure {
        kind: Kind::Fip,
        mac: Some(MacAddr([2, 0, 0, 0, 0, 2])),
        port: "other".into(),
        ..exposure("172.24.4.10/32")
    });
    let both = |order: [&Arc<Exposure>; 2]| {
        let mut wiring = Wiring::default();
        wiring.set_facts(facts());
        for exposure in order {
            wiring.update(&Delta {
                added: vec![exposure.clone()],
                removed: Vec::new(),
                ..Delta::default()
            });
        }
        wiring
    };
    let wish = both([&vm, &fip]).wish(vm.prefix);
    assert_eq!(wish, both([&fip, &vm]).wish(vm.prefix), "in any order");
    assert!(objects(&wish).contains(&format!("172.24.4.10 dev br-ex lladdr {VM_MAC}")));

    let mut wiring = both([&vm, &fip]);
    let wishes = wiring.update(&Delta {
        added: Vec::new(),
        removed: vec![vm],
        ..Delta::default()
    });
    assert!(wishes[0].advert.is_some());
    assert!(objects(&wishes[0]).contains("172.24.4.10 dev br-ex lladdr 02:00:00:00:00:02"));
}

#[test]
fn of_two_reasons_the_one_that_need_not_wait_is_wired() {
    let waiting = exposure("172.24.4.10/32");
    let waiting = Exposure {
        attachment: Some(Attachment {
            localnet: "not there yet".into(),
            ..waiting.attachment.clone().unwrap()
        }),
        ..waiting
    };
    let ready = Exposure {
        kind: Kind::Fip,
        ..exposure("172.24.4.10/32")
    };
    let mut wiring = Wiring::default();
    wiring.set_facts(facts());
    wiring.update(&added([waiting, ready]));
    assert_eq!(wiring.pending().count(), 0);
}

#[test]
fn without_a_table_nothing_is_wired_and_the_advert_waits() {
    let mut facts = facts();
    facts.bridges.get_mut("br-ex").unwrap().table = None;
    let mut wiring = Wiring::default();
    wiring.set_facts(facts);
    let wishes = wiring.update(&added([exposure("172.24.4.10/32")]));
    assert!(wishes[0].objects.is_empty());
    assert!(!wishes[0].advert.clone().unwrap().requires.is_empty());
    let (_, pending) = wiring.pending().next().unwrap();
    assert!(pending.to_string().contains("routing table"), "{pending}");
}

#[test]
fn helper_addresses_are_never_advertised() {
    let exposed = [Arc::new(exposure("172.24.4.10/32"))];
    let adverts: Vec<_> = desired(&exposed, &facts()).adverts.into_keys().collect();
    assert_eq!(
        adverts,
        [Destination::Prefix("172.24.4.10/32".parse().unwrap())]
    );
}
