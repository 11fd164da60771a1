//! The table against a kernel that is a map: whatever happens in whatever order, in the end it has what is wanted.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp::wire::{Family, NextHop, PathAttributes, RouterId};
use bgp::{LearnedPath, PathSource, PrefixList, PrefixRule};
use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteMessage, RouteProtocol, RouteScope};
use proptest::prelude::*;

use super::connected;
use super::message::{self, Put};
use super::observe::Dump;
use super::route::{Hop, KernelRoute, PROTOCOL, Place};
use super::settings::Settings;
use super::snapshot::{RouteState, Snapshot};
use super::table::{Step, Table};
use crate::kernel::connection::Refusal;
use crate::peering::LearnedNews;

const STATIC: u8 = libc::RTPROT_STATIC;
const KERNEL: u8 = libc::RTPROT_KERNEL;
const DEFAULT: &str = "0.0.0.0/0";
const DEFAULT6: &str = "::/0";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Everything is imported.
pub(super) fn all() -> PrefixList {
    let any = [net(DEFAULT), net(DEFAULT6)].map(|prefix| PrefixRule {
        permit: true,
        prefix,
        ge: Some(0),
        le: None,
    });
    PrefixList {
        name: "all".into(),
        rules: any.into(),
    }
}

fn hop(via: &str, link: u32) -> Hop {
    Hop {
        via: Some(ip(via)),
        link,
        onlink: false,
    }
}

fn next_hop(text: &str) -> NextHop {
    match ip(text) {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// A path to `next_hop`, over a session on `link` where that is given.
fn path(next_hop: NextHop, link: Option<&str>) -> LearnedPath {
    let source = PathSource {
        peer: "leaf".into(),
        address: ip("192.0.2.254"),
        link: link.map(Arc::from),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 254)),
        external: true,
    };
    LearnedPath::new(
        Arc::new(source),
        next_hop,
        Arc::new(PathAttributes::default()),
    )
}

/// A kernel in which eth1 has 10.1.0.1/24 and fd00:1::1/64, eth2 the same with a 2.
struct Kernel {
    links: BTreeMap<u32, (String, bool)>,
    addresses: Vec<(u32, IpNet)>,
    /// With the protocol and the metric.
    routes: BTreeMap<(IpNet, u32), (u8, KernelRoute)>,
}

impl Kernel {
    fn new() -> Self {
        let mut this = Self {
            links: BTreeMap::from([(1, ("lo".to_owned(), true))]),
            addresses: vec![(1, net("127.0.0.1/8")), (1, net("192.0.2.77/32"))],
            routes: BTreeMap::new(),
        };
        for n in 1..=2 {
            let link = n + 1;
            this.links.insert(link, (format!("eth{n}"), true));
            for (address, metric) in [
                (format!("10.{n}.0.1/24"), 0),
                (format!("fd00:{n}::1/64"), 256),
            ] {
                this.addresses.push((link, net(&address)));
                let connected = Hop {
                    via: None,
                    link,
                    onlink: false,
                };
                let route = KernelRoute::new(vec![connected], None);
                this.routes
                    .insert((net(&address).trunc(), metric), (KERNEL, route));
            }
        }
        this
    }

    fn link(&self, index: u32) -> LinkMessage {
        let (name, up) = &self.links[&index];
        let mut message = LinkMessage::default();
        message.header.index = index;
        if *up {
            message.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        }
        message.attributes = vec![LinkAttribute::IfName(name.clone())];
        message
    }

    fn dump(&self, place: Place) -> Dump {
        let mut dump = Dump::new(place);
        for index in self.links.keys() {
            dump.take(&RouteNetlinkMessage::NewLink(self.link(*index)));
        }
        for (index, net) in &self.addresses {
            dump.take(&RouteNetlinkMessage::NewAddress(address(*index, *net)));
        }
        for ((prefix, metric), (protocol, route)) in &self.routes {
            let message = route_message(*prefix, *metric, *protocol, route);
            dump.take(&RouteNetlinkMessage::NewRoute(message));
        }
        dump
    }

    /// Takes steps as the kernel does.
    fn take(&mut self, change: &super::table::Change) -> Result<(), Refusal> {
        let key = (change.prefix, change.place.metric_of(&change.prefix));
        let refuse = |errno| Err(Refusal { errno, text: None });
        match &change.step {
            Step::Put(route, put) => {
                if *put == Put::New && self.routes.contains_key(&key) {
                    return refuse(libc::EEXIST);
                }
                if !route.hops.iter().all(|hop| self.links[&hop.link].1) {
                    return refuse(libc::ENETDOWN);
                }
                let there = self.routes.get(&key).map(|(protocol, _)| *protocol);
                assert!(
                    there.is_none_or(|protocol| protocol == PROTOCOL),
                    "a route of others is overwritten"
                );
                self.routes
                    .insert(key, (PROTOCOL, KernelRoute::clone(route)));
                Ok(())
            }
            Step::Remove => match self.routes.get(&key) {
                Some((PROTOCOL, _)) => {
                    self.routes.remove(&key);
                    Ok(())
                }
                _ => refuse(libc::ESRCH),
            },
        }
    }

    fn ours(&self) -> BTreeMap<IpNet, KernelRoute> {
        let ours = self
            .routes
            .iter()
            .filter(|(_, (protocol, _))| *protocol == PROTOCOL);
        ours.map(|((prefix, _), (_, route))| (*prefix, route.clone()))
            .collect()
    }
}

fn address(index: u32, net: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = net.prefix_len();
    message.attributes = vec![AddressAttribute::Address(net.addr())];
    message
}

fn route_message(prefix: IpNet, metric: u32, protocol: u8, route: &KernelRoute) -> RouteMessage {
    let place = Place { table: 254, metric };
    let RouteNetlinkMessage::NewRoute(mut message) =
        message::put(&prefix, place, route, Put::New).message
    else {
        panic!("a route is put by RTM_NEWROUTE");
    };
    message.header.protocol = RouteProtocol::from(protocol);
    message.header.scope = RouteScope::Universe;
    message
}

/// A table and its kernel.
struct Lab {
    table: Table,
    kernel: Kernel,
    now: Instant,
    steps: usize,
}

impl Lab {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        Self::on(Kernel::new(), change)
    }

    fn on(kernel: Kernel, change: impl FnOnce(&mut Settings)) -> Self {
        let now = Instant::now();
        let mut settings = Settings {
            import: Some(all()),
            ..Settings::default()
        };
        change(&mut settings);
        let mut table = Table::new(settings, now);
        table.read(kernel.dump(table.place()));
        Self {
            table,
            kernel,
            now,
            steps: 0,
        }
    }

    fn learn(&mut self, prefix: &str, paths: impl IntoIterator<Item = LearnedPath>) {
        let paths: Vec<LearnedPath> = paths.into_iter().collect();
        let paths = (!paths.is_empty()).then(|| Arc::from(paths));
        let mut news = LearnedNews::default();
        news.routes.insert(net(prefix), paths);
        self.table.learn(news);
    }

    fn teach(&mut self, prefix: &str, next_hops: &[&str]) {
        self.learn(
            prefix,
            next_hops.iter().map(|text| path(next_hop(text), None)),
        );
    }

    fn converge(&mut self, family: Family) {
        self.table.learn(LearnedNews {
            converged: vec![family],
            ..LearnedNews::default()
        });
    }

    fn set_link(&mut self, index: u32, up: bool) {
        self.kernel.links.get_mut(&index).unwrap().1 = up;
        if !up {
            // As the kernel does, without a word for IPv4: next hops go, and routes with their last one.
            for (_, route) in self.kernel.routes.values_mut() {
                route.hops.retain(|hop| hop.link != index);
            }
            self.kernel
                .routes
                .retain(|_, (_, route)| !route.hops.is_empty());
        }
        let message = RouteNetlinkMessage::NewLink(self.kernel.link(index));
        self.table.observe(&message);
    }

    fn foreign(&mut self, prefix: &str, metric: u32, protocol: u8, hops: Vec<Hop>) {
        let route = KernelRoute::new(hops, None);
        let message = route_message(net(prefix), metric, protocol, &route);
        self.kernel
            .routes
            .insert((net(prefix), metric), (protocol, route));
        self.table.observe(&RouteNetlinkMessage::NewRoute(message));
    }

    fn remove_foreign(&mut self, prefix: &str, metric: u32) {
        if let Some((protocol, route)) = self.kernel.routes.remove(&(net(prefix), metric)) {
            let message = route_message(net(prefix), metric, protocol, &route);
            self.table.observe(&RouteNetlinkMessage::DelRoute(message));
        }
    }

    fn add_address(&mut self, index: u32, text: &str) {
        self.kernel.addresses.push((index, net(text)));
        let message = address(index, net(text));
        self.table
            .observe(&RouteNetlinkMessage::NewAddress(message));
    }

    fn remove_address(&mut self, index: u32, text: &str) {
        self.kernel
            .addresses
            .retain(|known| *known != (index, net(text)));
        let message = address(index, net(text));
        self.table
            .observe(&RouteNetlinkMessage::DelAddress(message));
    }

    /// Takes all steps, reading again when that is asked for. No step takes away what is wanted.
    fn settle(&mut self) {
        for _ in 0..100 {
            let batch = self.table.next(3);
            for change in &batch {
                self.steps += 1;
                let outcome = self.kernel.take(change);
                self.table.settle(change, outcome);
            }
            if batch.is_empty() && self.table.doubtful {
                self.table.read(self.kernel.dump(self.table.place()));
            } else if batch.is_empty() {
                return;
            }
        }
        panic!("the table does not come to rest: {:?}", self.table);
    }

    fn hops(&self, prefix: &str) -> Vec<Hop> {
        let ours = self.kernel.ours();
        ours.get(&net(prefix))
            .map_or_else(Vec::new, |route| route.hops.clone())
    }

    fn state(&mut self, prefix: &str) -> (RouteState, String) {
        let snapshot = Snapshot::of(&mut self.table);
        let route = snapshot
            .routes
            .into_iter()
            .find(|route| route.prefix == net(prefix));
        let route = route.unwrap();
        let unused = route.unused.first().map(|path| path.reason.clone());
        (route.state, unused.or(route.reason).unwrap_or_default())
    }
}

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

#[derive(Clone, Debug)]
enum Act {
    Teach(usize, Vec<usize>),
    Link(u32, bool),
    Foreign(usize, u32, usize),
    RemoveForeign(usize, u32),
    Converge(bool),
    Read,
    Steps(usize),
    Retry,
}

const PREFIXES: [&str; 4] = [DEFAULT, "198.51.100.0/24", "10.99.0.0/16", "203.0.113.0/24"];
const NEXT_HOPS: [&str; 5] = [
    "10.1.0.254",
    "10.2.0.254",
    "10.99.0.1",
    "fd00:1::254",
    "198.51.100.1",
];

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..4usize, proptest::collection::vec(0..5usize, 0..3)).prop_map(|(p, hops)| Act::Teach(p, hops)),
        2 => (2..4u32, any::<bool>()).prop_map(|(link, up)| Act::Link(link, up)),
        1 => (0..4usize, prop_oneof![Just(20), Just(0)], 0..2usize).prop_map(|(p, m, h)| Act::Foreign(p, m, h)),
        1 => (0..4usize, prop_oneof![Just(20), Just(0)]).prop_map(|(p, m)| Act::RemoveForeign(p, m)),
        1 => any::<bool>().prop_map(Act::Converge),
        1 => Just(Act::Read),
        3 => (1..4usize).prop_map(Act::Steps),
        1 => Just(Act::Retry),
    ];
    proptest::collection::vec(act, 0..40)
}

impl Lab {
    fn act(&mut self, act: Act) {
        match act {
            Act::Teach(prefix, hops) => {
                let hops: Vec<&str> = hops.into_iter().map(|n| NEXT_HOPS[n]).collect();
                self.teach(PREFIXES[prefix], &hops);
            }
            Act::Link(index, up) => self.set_link(index, up),
            Act::Foreign(prefix, metric, n) => {
                let link = n as u32 + 2;
                if self.kernel.links[&link].1 {
                    let via = ["10.1.0.9", "10.2.0.9"][n];
                    self.foreign(PREFIXES[prefix], metric, STATIC, vec![hop(via, link)]);
                }
            }
            Act::RemoveForeign(prefix, metric) => {
                let theirs = self.kernel.routes.get(&(net(PREFIXES[prefix]), metric));
                if theirs.is_some_and(|(protocol, _)| *protocol == STATIC) {
                    self.remove_foreign(PREFIXES[prefix], metric);
                }
            }
            Act::Converge(v4) => {
                self.converge(if v4 {
                    Family::IPV4_UNICAST
                } else {
                    Family::IPV6_UNICAST
                });
            }
            Act::Read => self.table.read(self.kernel.dump(self.table.place())),
            Act::Steps(limit) => {
                for change in &self.table.next(limit) {
                    let outcome = self.kernel.take(change);
                    self.table.settle(change, outcome);
                }
            }
            Act::Retry => self.table.retry(),
        }
    }
}

proptest! {
    /// Whatever happened, the kernel comes to have what a table that has just read it would put there. (That no
    /// route of somebody else's is overwritten, the kernel asserts.)
    #[test]
    fn in_the_end_the_kernel_has_what_is_wanted(acts in acts()) {
        let mut lab = Lab::new(|_| {});
        for act in acts {
            lab.act(act);
        }
        lab.converge(Family::IPV4_UNICAST);
        lab.table.retry();
        lab.settle();
        lab.table.retry();
        lab.settle();

        let mut fresh = Table::new(lab.table.settings.clone(), lab.now);
        fresh.read(lab.kernel.dump(fresh.place()));
        let routes = lab.table.learned.iter().map(|(prefix, paths)| (*prefix, Some(Arc::clone(paths))));
        fresh.learn(LearnedNews {
            routes: routes.collect(),
            converged: vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST],
        });
        let left = fresh.next(100);
        prop_assert!(left.is_empty(), "{left:?}");
    }
}
