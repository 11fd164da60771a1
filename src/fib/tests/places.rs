//! Whose route is in a place, and for how long.

use super::*;

#[test]
fn paths_that_are_equally_good_are_one_route() {
    let mut lab = Lab::new(|_| {});
    lab.teach(DEFAULT, &["10.2.0.254", "10.1.0.254"]);
    lab.teach(DEFAULT6, &["fd00:1::254", "fd00:2::254"]);
    lab.settle();
    assert_eq!(
        lab.hops(DEFAULT),
        [hop("10.1.0.254", 2), hop("10.2.0.254", 3)]
    );
    assert_eq!(
        lab.hops(DEFAULT6),
        [hop("fd00:1::254", 2), hop("fd00:2::254", 3)]
    );
    assert_eq!(lab.state(DEFAULT), (RouteState::Installed, String::new()));
    assert_eq!(lab.steps, 2);
}

#[test]
fn a_route_of_somebody_elses_keeps_its_place() {
    let mut lab = Lab::new(|_| {});
    lab.foreign(DEFAULT, 20, STATIC, vec![hop("10.2.0.1", 3)]);
    lab.foreign(DEFAULT6, 100, STATIC, vec![hop("fd00:2::1", 3)]);
    lab.teach(DEFAULT, &["10.1.0.254"]);
    lab.teach(DEFAULT6, &["fd00:1::254"]);
    lab.settle();
    assert!(lab.hops(DEFAULT).is_empty(), "metric 20 is taken");
    assert_eq!(lab.hops(DEFAULT6).len(), 1, "metric 20 is free");
    let (state, why) = lab.state(DEFAULT);
    assert_eq!(state, RouteState::Withheld);
    assert!(why.contains("(protocol static)"), "{why}");
    lab.remove_foreign(DEFAULT, 20);
    lab.settle();
    assert_eq!(lab.hops(DEFAULT), [hop("10.1.0.254", 2)]);
}

#[test]
fn a_route_of_ours_that_somebody_replaced_for_a_moment_is_put_back() {
    let mut lab = Lab::new(|_| {});
    lab.teach(DEFAULT, &["10.1.0.254"]);
    lab.settle();
    // Before there was time for a step.
    lab.foreign(DEFAULT, 20, STATIC, vec![hop("10.2.0.1", 3)]);
    lab.remove_foreign(DEFAULT, 20);
    lab.settle();
    assert_eq!(lab.hops(DEFAULT), [hop("10.1.0.254", 2)]);
}

#[test]
fn a_route_that_was_there_first_without_being_seen_is_found_out() {
    let mut lab = Lab::new(|_| {});
    lab.teach(DEFAULT, &["10.1.0.254"]);
    let theirs = KernelRoute::new(vec![hop("10.2.0.1", 3)], None);
    lab.kernel
        .routes
        .insert((net(DEFAULT), 20), (STATIC, theirs));
    lab.settle();
    assert!(lab.state(DEFAULT).1.contains("somebody else's"));
    assert_eq!(lab.kernel.routes[&(net(DEFAULT), 20)].0, STATIC);
}

#[test]
fn what_an_earlier_process_left_stays_until_the_peers_have_told_all() {
    let mut kernel = Kernel::new();
    let left = |via, link| (PROTOCOL, KernelRoute::new(vec![hop(via, link)], None));
    kernel
        .routes
        .insert((net(DEFAULT), 20), left("10.1.0.254", 2));
    kernel
        .routes
        .insert((net("198.51.100.0/24"), 20), left("10.1.0.254", 2));
    kernel
        .routes
        .insert((net("203.0.113.0/24"), 20), left("10.1.0.254", 2));
    kernel
        .routes
        .insert((net(DEFAULT6), 20), left("fd00:1::254", 2));
    let mut lab = Lab::on(kernel, |_| {});
    lab.settle();
    assert_eq!((lab.steps, lab.kernel.ours().len()), (0, 4));
    assert_eq!(lab.state(DEFAULT).0, RouteState::Held);
    lab.teach(DEFAULT, &["10.1.0.254"]);
    lab.teach("203.0.113.0/24", &["10.2.0.254"]);
    lab.settle();
    assert_eq!(
        lab.steps, 1,
        "only the route that is otherwise now is written"
    );
    lab.converge(Family::IPV4_UNICAST);
    lab.settle();
    let ours: Vec<IpNet> = lab.kernel.ours().into_keys().collect();
    assert_eq!(ours, [net(DEFAULT), net("203.0.113.0/24"), net(DEFAULT6)]);
    lab.table.expire(lab.now + Duration::from_secs(119));
    lab.settle();
    assert_eq!(lab.state(DEFAULT6).0, RouteState::Held);
    lab.table.expire(lab.now + Duration::from_secs(120));
    lab.settle();
    assert_eq!(lab.kernel.ours().len(), 2);
    assert_eq!(lab.table.deadline(), None);
}

#[test]
fn tenants_that_are_told_all_end_no_hold_of_the_nodes_own_routes() {
    let mut kernel = Kernel::new();
    let left = KernelRoute::new(vec![hop("10.1.0.254", 2)], None);
    kernel.routes.insert((net(DEFAULT), 20), (PROTOCOL, left));
    let mut lab = Lab::on(kernel, |_| {});
    // A peer without EVPN has told all of it as soon as the session is up.
    lab.converge(Family::L2VPN_EVPN);
    lab.settle();
    assert_eq!(lab.state(DEFAULT).0, RouteState::Held);
    assert_eq!(lab.steps, 0);
}

#[test]
fn without_an_import_the_kernel_is_left_alone() {
    let mut kernel = Kernel::new();
    let zebras = KernelRoute::new(vec![hop("10.1.0.254", 2)], None);
    kernel.routes.insert((net(DEFAULT), 20), (PROTOCOL, zebras));
    let mut lab = Lab::on(kernel, |settings| settings.import = None);
    lab.teach(DEFAULT, &["10.2.0.254"]);
    lab.teach(DEFAULT6, &["fd00:2::254"]);
    lab.converge(Family::IPV4_UNICAST);
    lab.settle();
    assert_eq!((lab.steps, lab.kernel.ours().len()), (0, 1));
}

#[test]
fn only_what_is_imported_is_installed() {
    let mut lab = Lab::new(|settings| settings.import = Some(PrefixList::default_routes()));
    lab.teach(DEFAULT, &["10.1.0.254"]);
    lab.teach("198.51.100.0/24", &["10.1.0.254"]);
    lab.settle();
    assert_eq!(lab.kernel.ours().len(), 1);
    assert_eq!(
        lab.state("198.51.100.0/24").1,
        "the configuration keeps it out of the kernel"
    );
    let settings = Settings {
        import: Some(all()),
        ..lab.table.settings.clone()
    };
    lab.table.reconfigure(settings);
    lab.settle();
    assert_eq!(lab.kernel.ours().len(), 2);
}

#[test]
fn another_metric_moves_the_routes_new_ones_first() {
    let mut lab = Lab::new(|_| {});
    lab.teach(DEFAULT, &["10.1.0.254"]);
    lab.settle();
    let settings = Settings {
        metric: 50,
        ..lab.table.settings.clone()
    };
    lab.table.reconfigure(settings);
    lab.table.read(lab.kernel.dump(lab.table.place()));
    let mut metrics = Vec::new();
    while let batch = lab.table.next(9)
        && !batch.is_empty()
    {
        for change in &batch {
            let outcome = lab.kernel.take(change);
            lab.table.settle(change, outcome);
            let defaults = lab
                .kernel
                .routes
                .keys()
                .filter(|(prefix, _)| *prefix == net(DEFAULT));
            metrics.push(defaults.map(|(_, metric)| *metric).collect::<Vec<_>>());
        }
    }
    assert_eq!(metrics, [vec![20, 50], vec![50]]);
}

#[test]
fn a_route_that_the_kernel_refuses_is_shown_and_tried_again() {
    let mut lab = Lab::new(|_| {});
    lab.teach(DEFAULT, &["10.1.0.254"]);
    let batch = lab.table.next(9);
    let text = Some("Nexthop has invalid gateway".to_owned());
    let refusal = Refusal {
        errno: libc::ENETUNREACH,
        text,
    };
    lab.table.settle(&batch[0], Err(refusal));
    let (state, why) = lab.state(DEFAULT);
    assert_eq!(state, RouteState::Refused);
    assert!(
        why.contains("Network is unreachable") && why.contains("invalid gateway"),
        "{why}"
    );
    lab.settle();
    assert!(
        lab.hops(DEFAULT).is_empty(),
        "not before it is time to try again"
    );
    lab.table.retry();
    lab.settle();
    assert_eq!(lab.hops(DEFAULT).len(), 1);
}

#[test]
fn addresses_of_chosen_interfaces_are_told() {
    let mut lab = Lab::new(|_| {});
    for (index, text) in [
        (1, "192.0.2.1/32"),
        (1, "2001:db8::1/128"),
        (1, "169.254.0.1/32"),
        (1, "fd53:d91e:400:7f17::1/128"),
        (1, "fe80::1/64"),
        (1, "::1/128"),
    ] {
        lab.add_address(index, text);
    }
    let told = |lab: &Lab, settings: &connected::Settings| -> Vec<String> {
        settings
            .prefixes(&lab.table.node)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    let lo = connected::Settings::default();
    assert_eq!(
        told(&lab, &lo),
        ["192.0.2.1/32", "192.0.2.77/32", "2001:db8::1/128"]
    );
    let uplinks = connected::Settings {
        interfaces: vec!["eth*".to_owned()],
        exclude: vec!["eth2".to_owned()],
        ..connected::Settings::default()
    };
    assert_eq!(
        told(&lab, &uplinks),
        ["10.1.0.0/24", "10.1.0.1/32", "fd00:1::/64", "fd00:1::1/128"]
    );
    let hosts = connected::Settings {
        subnets: false,
        ..uplinks.clone()
    };
    assert_eq!(told(&lab, &hosts), ["10.1.0.1/32", "fd00:1::1/128"]);
    assert!(told(&lab, &connected::Settings::none()).is_empty());
    lab.set_link(2, false);
    assert!(told(&lab, &uplinks).is_empty());
}

#[test]
fn next_hops_and_routes_that_nothing_uses_are_forgotten() {
    let mut lab = Lab::new(|_| {});
    for n in 0..3_000u32 {
        let address = Ipv4Addr::from(0x0a01_0000 + n);
        lab.learn(DEFAULT, [path(address.into(), None)]);
        lab.table.wanted(&net(DEFAULT));
        lab.table
            .shared
            .share(KernelRoute::new(vec![hop(&address.to_string(), 2)], None));
    }
    let (hops, routes) = (lab.table.resolved.len(), lab.table.shared.len());
    assert!(
        hops <= 1026 && routes <= 1026,
        "{hops} next hops, {routes} routes"
    );
}
