//! Wishes told to a reconciler: wired before advertised, withdrawn before unwired.

use ipnet::IpNet;

use super::node::Node;
use super::{exposure, facts, proxying};
use crate::reconcile::{Key, Step};

fn advertises(steps: &[Step]) -> bool {
    steps
        .iter()
        .any(|step| matches!(step, Step::Advertise { .. }))
}

fn withdraws(steps: &[Step]) -> bool {
    steps
        .iter()
        .any(|step| matches!(step, Step::Withdraw { .. }))
}

#[test]
fn b034_b054_wired_then_advertised_and_withdrawn_then_unwired() {
    let mut node = Node::new(facts());
    let steps = node.add(exposure("172.24.4.10/32"));
    assert_eq!(steps.len(), 4, "{steps:?}");
    assert!(matches!(steps[3], Step::Advertise { .. }));

    let steps = node.remove(exposure("172.24.4.10/32"));
    assert_eq!(steps.len(), 4, "{steps:?}");
    assert!(matches!(steps[0], Step::Withdraw { .. }));
    assert!(
        steps[1..]
            .iter()
            .all(|step| matches!(step, Step::Remove { .. }))
    );
}

#[test]
fn b051_patch_port_absent_at_event_time_is_advertised_when_it_appears() {
    let mut without = facts();
    without
        .bridges
        .get_mut("br-ex")
        .unwrap()
        .patch_ports
        .clear();
    let mut node = Node::new(without.clone());
    let steps = node.add(exposure("172.24.4.10/32"));
    assert_eq!(steps.len(), 3, "rule, route and neighbour: {steps:?}");
    let steps = node.facts(facts());
    assert_eq!(steps.len(), 3, "two flows and the advert: {steps:?}");
    assert!(advertises(&steps));
    // An advert that is out stays out when the port goes: fail static.
    assert!(!withdraws(&node.facts(without)));
    // And is not sent again when it is back.
    assert!(!advertises(&node.facts(facts())));
}

#[test]
fn b030_a_changed_bridge_mac_rewrites_the_flows_and_withdraws_nothing() {
    let mut node = Node::new(facts());
    node.add(exposure("172.24.4.10/32"));
    let mut changed = facts();
    changed.bridges.get_mut("br-ex").unwrap().mac = Some(super::VM_MAC);
    let steps = node.facts(changed);
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert!(
        steps
            .iter()
            .all(|step| matches!(step, Step::Replace { .. }))
    );
}

#[test]
fn b055_the_last_port_of_a_subnet_takes_the_proxy_with_it() {
    let mut node = Node::new(facts());
    let first = proxying(exposure("2001:db8::10/128"), &["2001:db8::"]);
    let second = proxying(exposure("2001:db8::11/128"), &["2001:db8::"]);
    node.add(first.clone());
    node.add(second.clone());
    let unproxies = |steps: &[Step]| {
        let removed = steps.iter().filter_map(Step::key);
        removed
            .filter(|key| matches!(key, Key::Proxy { .. }))
            .count()
    };
    assert_eq!(unproxies(&node.remove(first)), 0);
    assert_eq!(unproxies(&node.remove(second)), 1);
}

#[test]
fn b014_the_same_wishes_again_are_no_step() {
    let mut node = Node::new(facts());
    node.add(exposure("172.24.4.10/32"));
    let wish = node.wiring.wish("172.24.4.10/32".parse::<IpNet>().unwrap());
    assert!(node.tell(vec![wish]).is_empty());
    assert!(node.facts(facts()).is_empty());
    node.reconciler.full();
    assert!(node.tell(Vec::new()).is_empty());
}
