//! Devices that come with others, that stand on others, and that are somebody else's.

use super::*;

fn link(name: &str, kind: LinkKind, mac: Option<u8>) -> (Key, Value) {
    let mac = mac.map(super::mac);
    let link = Link {
        kind,
        up: true,
        mac,
        mtu: None,
    };
    (link_key(name), Value::Link(link))
}

fn master(dev: &str, of: &str) -> (Key, Value) {
    let key = Key::Master { dev: dev.into() };
    (key, Value::Master { master: of.into() })
}

fn veth() -> (Key, Value) {
    let peer = "ovs1".into();
    link("vrf1", LinkKind::Veth { peer }, None)
}

fn internal_port() -> (Key, Value) {
    let key = Key::SwitchPort {
        bridge: "br-ex".into(),
        port: "vlan-7".into(),
    };
    let value = Value::SwitchPort {
        tag: Some(7),
        internal: true,
    };
    (key, value)
}

fn take(reconciler: &mut Reconciler) -> Vec<Step> {
    let plan = reconciler.next_steps();
    assert_eq!(plan.blocked, []);
    for step in &plan.steps {
        reconciler.succeeded(step);
    }
    plan.steps
}

#[test]
fn what_another_step_brings_is_awaited_in_silence() {
    let mut reconciler = Reconciler::new();
    let wish = vec![
        link("ovs1", LinkKind::Foreign, None),
        link("vlan-7", LinkKind::Foreign, None),
        master("vlan-7", "vrf-7"),
        link("vrf-7", LinkKind::Vrf { table: 7 }, None),
        veth(),
        internal_port(),
    ];
    reconciler.hold(Holder::Base, wish);
    let made: Vec<Key> = take(&mut reconciler)
        .into_iter()
        .filter_map(|step| step.key().cloned())
        .collect();
    assert_eq!(made, [link_key("vrf-7"), veth().0, internal_port().0]);
    assert_eq!(take(&mut reconciler), []);

    let (key, value) = link("vlan-7", LinkKind::Foreign, None);
    reconciler.observe(key, Some(Found::foreign(value)));
    let (key, value) = master("vlan-7", "vrf-7");
    assert_eq!(take(&mut reconciler), [Step::Add { key, value }]);
}

#[test]
fn what_does_not_come_after_all_is_said() {
    let mut reconciler = Reconciler::new();
    let wish = vec![link("vlan-7", LinkKind::Foreign, None), internal_port()];
    reconciler.hold(Holder::Base, wish);
    take(&mut reconciler);
    reconciler.full();
    let plan = reconciler.next_steps();
    let reasons: Vec<_> = plan.blocked.iter().map(|b| b.reason.to_string()).collect();
    assert_eq!(reasons, ["interface vlan-7 does not exist; waiting for it"]);
}

#[test]
fn a_plan_supposes_that_what_a_step_brings_has_come() {
    let objects = [
        link("ovs1", LinkKind::Foreign, None),
        veth(),
        link("vlan-7", LinkKind::Foreign, None),
        internal_port(),
        master("vlan-7", "vrf-7"),
        link("vrf-7", LinkKind::Vrf { table: 7 }, None),
    ];
    let desired = Desired {
        objects: objects.into(),
        ..Desired::default()
    };
    let plan = diff(&desired, &Observed::default());
    assert_eq!(plan.blocked, []);
    let keys: Vec<&Key> = plan.steps.iter().filter_map(Step::key).collect();
    let enslaved = master("vlan-7", "vrf-7").0;
    assert_eq!(
        keys,
        [&link_key("vrf-7"), &veth().0, &enslaved, &internal_port().0]
    );
}

#[test]
fn a_device_is_enslaved_again_when_its_master_is_made_anew() {
    let mut reconciler = Reconciler::new();
    let wish = vec![
        link("br-7", LinkKind::Bridge, None),
        link("vrf-7", LinkKind::Vrf { table: 7 }, None),
        master("br-7", "vrf-7"),
    ];
    reconciler.hold(Holder::Base, wish);
    assert_eq!(take(&mut reconciler).len(), 3);
    let (key, value) = link("vrf-7", LinkKind::Vrf { table: 8 }, None);
    reconciler.observe(key, Some(Found::owned(value)));
    let steps = take(&mut reconciler);
    let (key, value) = master("br-7", "vrf-7");
    assert_eq!(steps.len(), 2, "{steps:#?}");
    assert_eq!(steps.last(), Some(&Step::Add { key, value }));
}

#[test]
fn nothing_is_enslaved_to_what_is_not_there() {
    let mut reconciler = Reconciler::new();
    let wish = vec![
        link("br-7", LinkKind::Bridge, None),
        master("br-7", "vrf-7"),
    ];
    reconciler.hold(Holder::Base, wish);
    let plan = reconciler.next_steps();
    let reasons: Vec<_> = plan.blocked.iter().map(|b| b.reason.to_string()).collect();
    assert_eq!(reasons, ["interface vrf-7 does not exist; waiting for it"]);
}

#[test]
fn somebody_elses_device_keeps_its_hardware_address() {
    let (key, there) = link("br-7", LinkKind::Bridge, Some(1));
    let (_, wish) = link("br-7", LinkKind::Bridge, Some(2));
    for (found, steps, blocked) in [
        (Found::foreign(there.clone()), 0, 1),
        (Found::owned(there.clone()), 1, 0),
    ] {
        let mut reconciler = Reconciler::new();
        reconciler.hold(Holder::Base, vec![(key.clone(), wish.clone())]);
        reconciler.observe(key.clone(), Some(found));
        let plan = reconciler.next_steps();
        assert_eq!((plan.steps.len(), plan.blocked.len()), (steps, blocked));
    }
    let (_, any) = link("br-7", LinkKind::Bridge, None);
    let mut reconciler = Reconciler::new();
    reconciler.hold(Holder::Base, vec![(key.clone(), any)]);
    reconciler.observe(key, Some(Found::foreign(there)));
    assert_eq!(reconciler.next_steps(), Plan::default());
}

#[test]
fn interfaces_are_found_without_looking_at_all_else() {
    let mut reconciler = Reconciler::new();
    let (key, value) = link("vrf-7", LinkKind::Vrf { table: 7 }, None);
    reconciler.observe(key.clone(), Some(Found::owned(value.clone())));
    for (rule, value) in (0..100).map(rule_to) {
        reconciler.observe(rule, Some(Found::owned(value)));
    }
    let found = Found::owned(value);
    assert_eq!(reconciler.links().collect::<Vec<_>>(), [(&key, &found)]);
    reconciler.observe(key, None);
    assert_eq!(reconciler.links().count(), 0);
    let (key, value) = veth();
    reconciler.succeeded(&Step::Add { key, value });
    assert_eq!(reconciler.links().count(), 1, "what a step has made");
    reconciler.observe_all(&Domain::Kernel, []);
    assert_eq!(reconciler.links().count(), 0, "a dump without it");
}

fn rule_to(last: u8) -> (Key, Value) {
    let key = Key::Rule {
        priority: 32000,
        to: IpNet::from(IpAddr::from([10, 0, 0, last])),
        table: 7,
    };
    (key, Value::Rule {})
}

/// Takes what steps there are, whatever is blocked.
fn settle(reconciler: &mut Reconciler) -> Vec<Step> {
    let mut taken = Vec::new();
    loop {
        let steps = reconciler.next_steps().steps;
        if steps.is_empty() {
            return taken;
        }
        for step in steps {
            reconciler.succeeded(&step);
            taken.push(step);
        }
    }
}

/// A node on which ports come and go for years must not remember each.
#[test]
fn what_waits_for_an_interface_is_forgotten_when_nobody_wishes_it_any_more() {
    let mut reconciler = Reconciler::new();
    for round in 0..100 {
        let objects = vec![
            master(&format!("dev-{round}"), "vrf-7"),
            link(&format!("dev-{round}"), LinkKind::Foreign, None),
        ];
        reconciler.hold(Holder::Base, objects);
        settle(&mut reconciler);
        assert_eq!(reconciler.waiting(), 2, "{round}");
    }
    reconciler.hold(Holder::Base, Vec::new());
    settle(&mut reconciler);
    assert_eq!(reconciler.waiting(), 0);
}

/// It waits for one interface after the other.
#[test]
fn what_waits_is_looked_at_again_with_each_interface_that_comes() {
    let mut reconciler = Reconciler::new();
    reconciler.hold(Holder::Base, vec![master("dev", "vrf-7")]);
    settle(&mut reconciler);
    for (name, waiting) in [("dev", 1), ("vrf-7", 0)] {
        let (key, value) = link(name, LinkKind::Foreign, None);
        reconciler.observe(key, Some(Found::foreign(value)));
        let steps = settle(&mut reconciler);
        assert_eq!(steps.len(), 1 - waiting, "{name}");
        assert_eq!(reconciler.waiting(), waiting, "{name}");
    }
}

#[test]
fn an_mtu_is_set_where_it_differs_and_of_somebody_elses_device_it_is_left() {
    let sized = |mtu| {
        let (key, mut value) = link("vxlan-7", LinkKind::Bridge, None);
        if let Value::Link(link) = &mut value {
            link.mtu = mtu;
        }
        (key, value)
    };
    let mut reconciler = Reconciler::new();
    let (key, found) = sized(Some(1500));
    reconciler.observe(key.clone(), Some(Found::owned(found.clone())));
    reconciler.hold(Holder::Base, vec![sized(None)]);
    assert_eq!(take(&mut reconciler), [], "nothing is said of it");
    let value = sized(Some(9000)).1;
    reconciler.hold(Holder::Base, vec![sized(Some(9000))]);
    let step = Step::Replace {
        key: key.clone(),
        value,
    };
    assert_eq!(take(&mut reconciler), [step]);

    reconciler.observe(key, Some(Found::foreign(found)));
    assert_eq!(reconciler.next_steps().steps, []);
    let reasons: Vec<_> = reconciler
        .blocked()
        .map(|(_, why)| why.to_string())
        .collect();
    assert!(reasons[0].contains("MTU"), "{reasons:?}");
}

/// Outside its VRF its addresses are in the local table, and what is for them ends here.
#[test]
fn a_device_that_goes_is_not_taken_out_of_its_vrf_before() {
    let there = [
        link("lo-1001", LinkKind::Dummy, None),
        master("lo-1001", "vrf-1001"),
        master("veth-vrf-1001", "vrf-1001"),
    ];
    let mut reconciler = Reconciler::new();
    let mut observed = Observed::default();
    for (key, value) in there.clone() {
        let found = Found::owned(value);
        observed.objects.insert(key.clone(), found.clone());
        reconciler.observe(key, Some(found));
    }
    let [loopback, of_loopback, other] = there.map(|(key, value)| Step::Remove { key, value });
    let expected = [other, loopback, of_loopback];
    assert_eq!(take(&mut reconciler), expected);
    assert_eq!(diff(&Desired::default(), &observed).steps, expected);
}
