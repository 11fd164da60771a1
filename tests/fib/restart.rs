//! Routes outlive the process; the next one takes them over.

use bgp::wire::Family;
use interop::{Need, eventually, require};
use ovn_bgp_agent::fib::RouteState;

use crate::lab::{DEFAULT, DEFAULT6, Lab, leaf, leaf6};

#[test]
fn routes_stay_and_are_taken_over_without_a_write() {
    require!(Need::Root);
    let lab = Lab::new();
    let running = lab.run();
    running.teach(DEFAULT, &[&leaf(1), &leaf(2)]);
    running.teach(DEFAULT6, &[&leaf6(1), &leaf6(2)]);
    running.teach("203.0.113.0/24", &[&leaf(1)]);
    eventually(3, || running.snapshot().counts().installed);
    drop(running);
    assert_eq!(
        lab.routes("proto bgp").len() + lab.routes("::/0 proto bgp").len(),
        3
    );

    let running = lab.run();
    assert_eq!(running.snapshot().counts().held, 3);
    running.teach(DEFAULT, &[&leaf(1), &leaf(2)]);
    running.teach(DEFAULT6, &[&leaf6(1), &leaf6(2)]);
    eventually(2, || running.snapshot().counts().installed);
    assert_eq!(
        running.route("203.0.113.0/24").unwrap().state,
        RouteState::Held
    );
    assert_eq!(running.snapshot().writes, 0);
    running.learned.converged(Family::IPV6_UNICAST);
    running.learned.converged(Family::IPV4_UNICAST);
    eventually(0, || lab.routes("203.0.113.0/24").len());
    assert_eq!(
        (
            running.snapshot().writes,
            running.snapshot().counts().installed
        ),
        (1, 2)
    );
}

#[test]
fn what_nobody_teaches_again_goes_when_the_hold_is_over() {
    require!(Need::Root);
    let lab = Lab::new();
    lab.node
        .ip("route add default via 10.1.0.254 proto bgp metric 20")
        .unwrap();
    lab.node
        .ip("route add 203.0.113.0/24 via 10.1.0.254 proto bgp metric 99")
        .unwrap();
    let running =
        lab.run_with(|settings| settings.stale_hold = std::time::Duration::from_millis(300));
    eventually(0, || lab.routes("default").len());
    assert_eq!(
        lab.routes("203.0.113.0/24").len(),
        1,
        "another metric is another's"
    );
    assert!(running.snapshot().routes.is_empty());
}

#[test]
fn what_zebra_left_is_taken_over_in_place_as_far_as_it_is_imported() {
    require!(Need::Root);
    let lab = Lab::new();
    lab.node
        .ip("nexthop add id 17 via 10.1.0.254 dev eth1 proto zebra")
        .unwrap();
    lab.node
        .ip("route add default nhid 17 proto bgp metric 20")
        .unwrap();
    lab.node
        .ip("route add 203.0.113.0/24 nhid 17 proto bgp metric 20")
        .unwrap();
    let defaults = || bgp::PrefixList::default_routes();
    let running = lab.run_with(|settings| settings.import = Some(defaults()));
    running.teach(DEFAULT, &[&leaf(1)]);
    running.teach("203.0.113.0/24", &[&leaf(1)]);
    let ours = "default via 10.1.0.254 dev eth1 metric 20";
    eventually(vec![ours.to_owned()], || lab.routes("default proto bgp"));
    running.learned.converged(Family::IPV4_UNICAST);
    eventually(1, || running.snapshot().counts().installed);
    assert!(lab.routes("203.0.113.0/24")[0].contains("nhid 17"));
    // One that runs is left alone.
    lab.node
        .ip("route replace default nhid 17 proto bgp metric 20")
        .unwrap();
    eventually(Some(RouteState::Withheld), || {
        running.route(DEFAULT).map(|r| r.state)
    });
    assert!(lab.routes("default proto bgp")[0].contains("nhid 17"));
}
