use super::*;
use crate::exposure::{Attributes, Reason};
use crate::reconcile::diff;
use crate::reconcile::{Desired, Observed};

fn names() -> Names {
    Names {
        vrf: "bgp-vrf".into(),
        table: 10,
        nic: "bgp-nic".into(),
        loopback: crate::config::frr_peer::addresses().into(),
    }
}

/// Another backend, once the neighbours have all from it.
fn other() -> Leak {
    let mut leak = Leak::new(names(), Backend::Embedded);
    leak.sweep();
    leak
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn exposure(prefix: &str, kind: Kind, next_hop: Option<&str>) -> Exposure {
    Exposure {
        prefix: net(prefix),
        kind,
        port: "p".into(),
        network: "n".into(),
        attachment: None,
        vni: None,
        layer: crate::exposure::Layer::default(),
        via: None,
        subnet: None,
        next_hop: next_hop.map(|hop| hop.parse().unwrap()),
        mac: None,
        proxied: [].into(),
        attributes: Attributes::default(),
        reason: Reason::StretchedNetwork { lrp: "lrp".into() },
    }
}

/// Does what it is told, on a node where all of it succeeds.
fn obey(leak: &mut Leak) -> Vec<String> {
    let mut taken = Vec::new();
    loop {
        let plan = leak.next_steps();
        if plan.steps.is_empty() {
            return taken;
        }
        for step in plan.steps {
            leak.succeeded(&step);
            let word = match &step {
                Step::Add { .. } => "add",
                Step::Replace { .. } => "replace",
                _ => "remove",
            };
            let key = step.key().map(ToString::to_string).unwrap_or_default();
            taken.push(format!("{word} {key}"));
        }
    }
}

/// The node as the Python agent leaves it, with these announcements.
fn python(announced: Vec<(Key, Value)>) -> Vec<(Key, Found)> {
    let objects = devices(&names()).into_iter().chain(announced);
    objects.map(|(k, v)| (k, Found::owned(v))).collect()
}

fn address(text: &str) -> (Key, Value) {
    announcement(&names(), net(text), None)
}

#[test]
fn the_device_is_in_its_vrf_before_anything_is_on_it() {
    let mut leak = Leak::new(names(), Backend::Frr);
    leak.announce(net("172.24.4.10/32"), None);
    let expected = [
        "add link bgp-nic",
        "add link bgp-vrf",
        "add master of bgp-nic",
        "add address 172.24.4.10/32 dev bgp-nic",
    ];
    assert_eq!(obey(&mut leak), expected);
    assert!(leak.is_out(&net("172.24.4.10/32")));
}

#[test]
fn without_the_vrf_no_address_becomes_the_nodes_own() {
    let mut leak = Leak::new(names(), Backend::Frr);
    leak.announce(net("172.24.4.10/32"), None);
    loop {
        let plan = leak.next_steps();
        if plan.steps.is_empty() {
            break;
        }
        for step in &plan.steps {
            match step.key() {
                Some(Key::Link { name }) if &**name == "bgp-nic" => leak.succeeded(step),
                Some(Key::Address { .. }) => panic!("an address outside the VRF"),
                _ => drop(leak.failed(step, "Operation not supported")),
            }
        }
    }
    assert!(!leak.is_out(&net("172.24.4.10/32")));
    assert!(leak.problem().unwrap().contains("Operation not supported"));
}

#[test]
fn a_device_that_somebody_takes_out_of_the_vrf_is_put_back_or_emptied() {
    let mut leak = Leak::new(names(), Backend::Frr);
    leak.announce(net("172.24.4.10/32"), None);
    obey(&mut leak);
    let master = Key::Master {
        dev: "bgp-nic".into(),
    };
    leak.observe(master.clone(), None);
    assert_eq!(obey(&mut leak), ["add master of bgp-nic"]);
    leak.observe(master, None);
    let plan = leak.next_steps();
    assert_eq!(plan.steps.len(), 1);
    leak.failed(&plan.steps[0], "refused");
    let emptied = ["remove address 172.24.4.10/32 dev bgp-nic"];
    assert_eq!(obey(&mut leak), emptied);
    leak.retry();
    let back = [
        "add master of bgp-nic",
        "add address 172.24.4.10/32 dev bgp-nic",
    ];
    assert_eq!(obey(&mut leak), back);
}

#[test]
fn adoption_of_what_the_python_agent_left_writes_nothing() {
    let mut leak = Leak::new(names(), Backend::Frr);
    leak.observe_all(python(vec![
        address("172.24.4.10/32"),
        address("2001:db8::1/128"),
    ]));
    assert_eq!(leak.found().len(), 2);
    leak.adopt();
    for prefix in leak.found() {
        leak.announce(prefix, None);
    }
    assert_eq!(obey(&mut leak), [""; 0]);
    assert!(leak.is_out(&net("2001:db8::1/128")));
}

#[test]
fn what_is_adopted_stays_until_it_is_withdrawn() {
    let mut leak = Leak::new(names(), Backend::Frr);
    leak.observe_all(python(vec![address("172.24.4.10/32")]));
    leak.adopt();
    assert_eq!(obey(&mut leak), [""; 0], "its wiring may not be ready yet");
    leak.withdraw(net("172.24.4.10/32"));
    assert_eq!(
        obey(&mut leak),
        ["remove address 172.24.4.10/32 dev bgp-nic"]
    );
}

#[test]
fn b010_an_address_that_somebody_removes_is_back() {
    let mut leak = Leak::new(names(), Backend::Frr);
    leak.announce(net("172.24.4.10/32"), None);
    obey(&mut leak);
    let (key, _) = address("172.24.4.10/32");
    leak.observe(key, None);
    assert_eq!(obey(&mut leak), ["add address 172.24.4.10/32 dev bgp-nic"]);
}

#[test]
fn b011_an_address_that_somebody_adds_goes() {
    let mut leak = Leak::new(names(), Backend::Frr);
    obey(&mut leak);
    let (key, value) = address("192.0.2.66/32");
    leak.observe(key, Some(Found::owned(value)));
    assert_eq!(
        obey(&mut leak),
        ["remove address 192.0.2.66/32 dev bgp-nic"]
    );
}

#[test]
fn b087_a_subnet_is_one_on_link_route_in_the_vrf() {
    let subnet = exposure("10.0.0.0/24", Kind::Subnet, None);
    let (key, value) = announcement(&names(), subnet.prefix, Some(&subnet));
    assert_eq!(key.to_string(), "route 10.0.0.0/24 table 10");
    let Value::Route(route) = value else {
        panic!("{value:?}")
    };
    assert_eq!((&*route.dev, route.via), ("bgp-nic", Arc::default()));
}

#[test]
fn b161_a_stretched_network_goes_by_way_of_its_gateway_and_the_gateways_own_is_on_link() {
    let via = |prefix: &str, hop: &str| {
        let network = exposure(prefix, Kind::L2Subnet, Some(hop));
        match announcement(&names(), network.prefix, Some(&network)) {
            (Key::Route { table: 10, .. }, Value::Route(route)) => route.via,
            other => panic!("{other:?}"),
        }
    };
    let gateway = "111.111.111.17";
    assert_eq!(
        via("192.168.0.0/24", gateway),
        Arc::from([gateway.parse().unwrap()])
    );
    assert_eq!(via("111.111.111.0/24", gateway), Arc::from([]));
    let gateway = "2001:db8:1::17";
    assert_eq!(
        via("2001:db8:2::/64", gateway),
        Arc::from([gateway.parse().unwrap()])
    );
    assert_eq!(via("2001:db8:1::/64", gateway), Arc::from([]));
}

#[test]
fn another_backend_leaves_nothing_of_it_behind() {
    let mut leak = other();
    leak.observe_all(python(vec![address("172.24.4.10/32")]));
    let swept = obey(&mut leak);
    let expected = [
        "remove address 172.24.4.10/32 dev bgp-nic",
        "remove link bgp-nic",
        "remove master of bgp-nic",
        "remove link bgp-vrf",
    ];
    assert_eq!(swept, expected);
    assert_eq!(obey(&mut leak), [""; 0]);
}

#[test]
fn what_a_former_backend_left_stays_until_the_neighbours_have_it_from_elsewhere() {
    let mut leak = Leak::new(names(), Backend::Embedded);
    let left = || python(vec![address("172.24.4.10/32")]);
    leak.observe_all(left());
    assert!(leak.is_patient());
    assert_eq!(obey(&mut leak), [""; 0]);
    leak.sweep();
    leak.observe_all(left());
    assert_eq!(obey(&mut leak).len(), 4);
}

#[test]
fn a_neighbour_on_this_node_is_two_addresses_on_the_loopback_device() {
    let mut leak = Leak::new(names(), Backend::FrrPeer);
    let expected = [
        "add address 169.254.255.1/31 dev lo",
        "add address fd53:d91e:400:7f17:ffff::1/127 dev lo",
    ];
    let lo = Link {
        kind: LinkKind::Foreign,
        up: true,
        mac: None,
        mtu: None,
    };
    let key = Key::Link { name: "lo".into() };
    assert!(leak.takes(&key));
    leak.observe(key, Some(Found::foreign(Value::Link(lo))));
    assert_eq!(obey(&mut leak), expected);
    let mut after = other();
    let left = base(&names(), Backend::FrrPeer).into_iter();
    after.observe_all(left.map(|(k, v)| (k, Found::owned(v))));
    assert_eq!(obey(&mut after).len(), 2, "swept by another backend");
}

#[test]
fn what_is_not_ours_stays_with_every_backend() {
    let foreign = |objects: Vec<(Key, Value)>| {
        let objects = objects.into_iter();
        objects
            .map(|(k, v)| (k, Found::foreign(v)))
            .collect::<Vec<_>>()
    };
    let mut leak = other();
    leak.observe_all(foreign(devices(&names())));
    assert_eq!(obey(&mut leak), [""; 0]);
}

#[test]
fn what_it_wishes_for_is_taken_by_nobody_else() {
    let leak = Leak::new(names(), Backend::Frr);
    let subnet = exposure("10.0.0.0/24", Kind::Subnet, None);
    let route = announcement(&names(), subnet.prefix, Some(&subnet));
    let all = devices(&names())
        .into_iter()
        .chain([address("172.24.4.10/32"), route]);
    for (key, _) in all {
        assert!(leak.takes(&key), "{key}");
    }
    for name in ["br-ex", "bgp-nic2"] {
        assert!(!leak.takes(&Key::Link { name: name.into() }));
    }
}

#[test]
fn the_whole_diff_agrees() {
    let desired = Desired {
        objects: devices(&names()).into_iter().collect(),
        ..Desired::default()
    };
    let mut leak = Leak::new(names(), Backend::Frr);
    let whole = diff(&desired, &Observed::default()).steps;
    assert_eq!(leak.next_steps().steps, whole);
}

#[test]
fn where_all_is_in_tenants_tables_no_device_is_made_and_what_was_goes() {
    let mut leak = Leak::new(names(), Backend::Frr).of_tenants_alone();
    assert!(leak.is_wanted(), "the sessions are FRR's all the same");
    leak.observe_all([]);
    assert_eq!(leak.next_steps().steps, []);
    let found = |(key, value)| (key, Found { value, owned: true });
    leak.observe_all(devices(&names()).into_iter().map(found));
    let steps = leak.next_steps().steps;
    assert!(
        !steps.is_empty() && steps.iter().all(|step| matches!(step, Step::Remove { .. })),
        "{steps:?}"
    );
}
