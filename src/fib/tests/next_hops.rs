//! From what peers say to the kernel's next hops.

use super::*;

#[test]
fn a_link_that_goes_takes_its_path_and_leaves_the_rest() {
    let mut lab = Lab::new(|_| {});
    lab.teach(DEFAULT, &["10.1.0.254", "10.2.0.254"]);
    lab.settle();
    lab.set_link(2, false);
    lab.settle();
    assert_eq!(lab.hops(DEFAULT), [hop("10.2.0.254", 3)]);
    lab.set_link(3, false);
    lab.settle();
    assert_eq!(lab.hops(DEFAULT), []);
    let (state, why) = lab.state(DEFAULT);
    assert_eq!(state, RouteState::Withheld);
    assert!(
        why == "interface eth1 is down" || why == "no route to the next hop",
        "{why}"
    );
}

#[test]
fn ipv4_routes_may_have_ipv6_routers_but_not_the_reverse() {
    let mut lab = Lab::new(|_| {});
    let unnumbered = || path(next_hop("fe80::1"), Some("eth2"));
    lab.learn(DEFAULT, [unnumbered()]);
    lab.learn("198.51.100.0/24", [path(next_hop("fd00:1::9"), None)]);
    lab.learn(DEFAULT6, [path(next_hop("10.1.0.254"), None)]);
    lab.settle();
    assert_eq!(lab.hops(DEFAULT), [hop("fe80::1", 3)]);
    assert_eq!(lab.hops("198.51.100.0/24"), [hop("fd00:1::9", 2)]);
    assert_eq!(lab.hops(DEFAULT6), []);
}

#[test]
fn of_two_ipv6_next_hops_the_link_local_one_is_used_where_its_link_is_known() {
    let both = NextHop::V6 {
        address: "fd00:1::9".parse().unwrap(),
        link_local: Some("fe80::9".parse().unwrap()),
    };
    let mut lab = Lab::new(|_| {});
    lab.learn(DEFAULT6, [path(both, Some("eth1"))]);
    lab.learn("2001:db8::/32", [path(both, None)]);
    lab.learn("2001:db8::/48", [path(next_hop("fe80::9"), None)]);
    lab.settle();
    assert_eq!(lab.hops(DEFAULT6), [hop("fe80::9", 2)]);
    assert_eq!(lab.hops("2001:db8::/32"), [hop("fd00:1::9", 2)]);
    let (_, why) = lab.state("2001:db8::/48");
    assert_eq!(
        why,
        "a link-local next hop over a session that is not bound to an interface"
    );
}

#[test]
fn an_external_peer_on_an_unnumbered_link_is_on_the_link() {
    let mut lab = Lab::new(|_| {});
    lab.learn(DEFAULT, [path(next_hop("203.0.113.1"), Some("eth1"))]);
    lab.settle();
    let onlink = Hop {
        onlink: true,
        ..hop("203.0.113.1", 2)
    };
    assert_eq!(lab.hops(DEFAULT), [onlink]);
}

#[test]
fn next_hops_are_found_through_other_routes() {
    let mut lab = Lab::new(|_| {});
    lab.foreign("10.99.0.0/16", 0, STATIC, vec![hop("10.2.0.9", 3)]);
    lab.teach("198.51.100.0/24", &["10.99.0.1"]);
    lab.settle();
    assert_eq!(lab.hops("198.51.100.0/24"), [hop("10.2.0.9", 3)]);
    lab.foreign("10.99.0.0/24", 0, STATIC, vec![hop("10.1.0.9", 2)]);
    lab.settle();
    assert_eq!(lab.hops("198.51.100.0/24"), [hop("10.1.0.9", 2)]);
    lab.remove_foreign("10.99.0.0/24", 0);
    lab.remove_foreign("10.99.0.0/16", 0);
    lab.settle();
    assert_eq!(lab.state("198.51.100.0/24").1, "no route to the next hop");
    lab.foreign("10.99.0.0/16", 0, STATIC, vec![]);
    lab.settle();
    assert!(lab.hops("198.51.100.0/24").is_empty());
}

#[test]
fn next_hops_are_found_through_the_imported_default_if_that_is_allowed() {
    let mut lab = Lab::new(|_| {});
    lab.teach("198.51.100.0/24", &["172.16.0.1"]);
    lab.settle();
    assert_eq!(lab.state("198.51.100.0/24").1, "no route to the next hop");
    lab.teach(DEFAULT, &["10.1.0.254"]);
    lab.settle();
    assert_eq!(lab.hops("198.51.100.0/24"), [hop("10.1.0.254", 2)]);
    lab.teach(DEFAULT, &["10.2.0.254"]);
    lab.settle();
    assert_eq!(lab.hops("198.51.100.0/24"), [hop("10.2.0.254", 3)]);
    let settings = Settings {
        resolve_via_default: false,
        ..lab.table.settings.clone()
    };
    lab.table.reconfigure(settings);
    lab.settle();
    assert!(lab.hops("198.51.100.0/24").is_empty());
    assert!(
        lab.state("198.51.100.0/24")
            .1
            .contains("resolve_via_default is off")
    );
}

#[test]
fn no_two_learned_routes_lead_to_each_other() {
    let mut lab = Lab::new(|_| {});
    lab.teach("10.50.0.0/16", &["10.60.0.1"]);
    lab.teach("10.60.0.0/16", &["10.50.0.1"]);
    lab.settle();
    assert!(lab.kernel.ours().is_empty());
    lab.teach("10.70.0.0/16", &["10.70.0.1"]);
    lab.settle();
    assert!(lab.kernel.ours().is_empty());
}

#[test]
fn an_address_of_this_node_is_no_next_hop() {
    let mut lab = Lab::new(|_| {});
    lab.teach(DEFAULT, &["10.1.0.1"]);
    lab.settle();
    assert_eq!(
        lab.state(DEFAULT).1,
        "the next hop is an address of this node"
    );
}

#[test]
fn the_preferred_source_comes_and_goes_with_the_address() {
    let source = Ipv4Addr::new(192, 0, 2, 1);
    let mut lab = Lab::new(|settings| settings.source_v4 = Some(source));
    let seen = |lab: &Lab| lab.kernel.ours()[&net(DEFAULT)].source;
    lab.teach(DEFAULT, &["10.1.0.254"]);
    lab.settle();
    assert_eq!(seen(&lab), None);
    lab.add_address(1, "192.0.2.1/32");
    lab.settle();
    assert_eq!(seen(&lab), Some(IpAddr::V4(source)));
    // As the kernel does, without a word.
    lab.kernel
        .routes
        .retain(|_, (_, route)| route.source.is_none());
    lab.remove_address(1, "192.0.2.1/32");
    lab.settle();
    assert_eq!(seen(&lab), None);
}

#[test]
fn a_learned_route_that_leads_better_to_a_next_hop_is_followed_but_never_off_the_link() {
    let mut lab = Lab::new(|_| {});
    lab.foreign(DEFAULT, 0, STATIC, vec![hop("10.2.0.9", 3)]);
    lab.teach("10.99.0.0/16", &["198.51.100.1"]);
    lab.settle();
    assert_eq!(lab.hops("10.99.0.0/16"), [hop("10.2.0.9", 3)]);
    lab.teach("198.51.100.0/24", &["10.1.0.254"]);
    lab.teach("10.1.0.254/32", &["10.2.0.254"]);
    lab.settle();
    assert_eq!(lab.hops("10.99.0.0/16"), [hop("10.1.0.254", 2)]);
    assert_eq!(lab.hops("198.51.100.0/24"), [hop("10.1.0.254", 2)]);
}

/// What the speaker is told depends on the node alone: a default route learned from the other uplink leads to the lost
/// router as well, and must not bring its path back.
#[test]
fn the_speaker_hears_of_next_hops_that_the_node_has_lost() {
    let mut lab = Lab::new(|_| {});
    let [first, second] = ["10.1.0.254", "10.2.0.254"].map(|hop| path(next_hop(hop), None));
    let mut nowhere = path(next_hop("203.0.113.9"), None);
    // An internal peer's may be found through learned routes.
    let source = Arc::make_mut(&mut nowhere.source);
    source.external = false;
    lab.learn(DEFAULT, [first.clone(), second.clone()]);
    lab.learn("198.51.100.0/24", [nowhere]);
    lab.settle();
    assert_eq!(lab.table.verdicts(), []);
    lab.set_link(2, false);
    lab.settle();
    assert_eq!(lab.table.verdicts(), [(first.via(), false)]);
    assert_eq!(lab.table.verdicts(), [], "once");
    // So the speaker chooses among the others.
    lab.learn(DEFAULT, [second]);
    lab.settle();
    assert_eq!(lab.table.verdicts(), []);
    lab.set_link(2, true);
    let on_link = Hop {
        via: None,
        ..hop("10.1.0.0", 2)
    };
    lab.foreign("10.1.0.0/24", 0, KERNEL, vec![on_link]);
    lab.settle();
    assert_eq!(lab.table.verdicts(), [(first.via(), true)]);
}

/// Peers may teach ever new next hops: those that are followed though nobody uses them are bounded.
#[test]
fn lost_next_hops_that_nobody_uses_are_forgotten_beyond_a_bound() {
    let mut lab = Lab::new(|_| {});
    lab.set_link(2, false);
    let hop = |n: u32| {
        path(
            next_hop(&format!("10.1.{}.{}", n / 250, n % 250 + 1)),
            Some("eth1"),
        )
    };
    let mut told = 0_i64;
    for n in 0..2500 {
        lab.learn(DEFAULT, [hop(n)]);
        lab.settle();
        for (_, eligible) in lab.table.verdicts() {
            told += if eligible { -1 } else { 1 };
        }
    }
    assert!((1..=1026).contains(&told), "{told}");
    assert!(
        lab.table.resolved.len() <= 1026,
        "{}",
        lab.table.resolved.len()
    );
}
