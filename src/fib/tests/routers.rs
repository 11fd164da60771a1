//! Tables of OVN's routers, against a kernel that is a map for each.

use std::collections::BTreeSet;

use super::*;
use crate::exposure::native::{Learning, Teacher};
use crate::fib::tables::{Routers, Tables};

pub(super) const ROUTER: TableId = 7;
pub(super) const OTHER: TableId = 8;
/// `RTPROT_OVN`.
const OVN: u8 = 84;
pub(super) const FABRIC: &str = "203.0.113.0/24";

/// A router whose port is 10.1.0.10 and fd00:1::10, on the network of eth1.
pub(super) fn learning() -> Learning {
    Learning {
        router: "router".into(),
        vrf: "ovnvrf7".into(),
        devices: None,
        networks: ["10.1.0.10/24", "fd00:1::10/64"].map(net).into(),
        advertised: [net("10.77.0.0/24")].into(),
        teacher: Teacher::Fabric,
    }
}

pub(super) fn routers<const N: usize>(of: [(TableId, Learning); N]) -> Arc<Routers> {
    Arc::new(of.into())
}

pub(super) struct World {
    pub(super) tables: Tables,
    pub(super) kernels: BTreeMap<TableId, Kernel>,
    now: Instant,
    pub(super) writes: usize,
}

impl World {
    /// One that has the router, and installs default routes alone in the main table.
    pub(super) fn new() -> Self {
        let mut world = Self::before(Self::kernels(), [], |_| {});
        world.follow(routers([(ROUTER, learning())]));
        world
    }

    fn kernels() -> BTreeMap<TableId, Kernel> {
        let empty = || Kernel {
            routes: BTreeMap::new(),
            ..Kernel::new()
        };
        BTreeMap::from([(254, Kernel::new()), (ROUTER, empty()), (OTHER, empty())])
    }

    /// Before it is known which routers there are.
    fn before<const N: usize>(
        kernels: BTreeMap<TableId, Kernel>,
        noted: [TableId; N],
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let now = Instant::now();
        let mut settings = Settings::default();
        change(&mut settings);
        let mut world = Self {
            tables: Tables::new(settings, noted.into(), now),
            kernels,
            now,
            writes: 0,
        };
        world.settle();
        world
    }

    /// The next process, with the note of this one.
    pub(super) fn restart(self) -> Self {
        let noted = self.tables.to_note();
        let mut next = Self::before(self.kernels, [], |_| {});
        next.tables = Tables::new(Settings::default(), noted, next.now);
        next.settle();
        next
    }

    pub(super) fn follow(&mut self, routers: Arc<Routers>) {
        self.tables.follow(routers, self.now);
        self.settle();
    }

    pub(super) fn teach(&mut self, prefix: &str, next_hops: &[&str]) {
        let paths: Vec<_> = next_hops
            .iter()
            .map(|text| path(next_hop(text), None))
            .collect();
        let mut news = LearnedNews::default();
        let paths = (!paths.is_empty()).then(|| Arc::from(paths));
        news.routes.insert(net(prefix), paths);
        self.tables.learn(news);
        self.settle();
    }

    pub(super) fn converge(&mut self) {
        self.tables.learn(LearnedNews {
            converged: vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST],
            ..LearnedNews::default()
        });
        self.settle();
    }

    pub(super) fn read(&mut self) {
        let mut dumps = self.tables.dumps();
        for (table, kernel) in &self.kernels {
            let messages = kernel.messages(*table);
            for dump in &mut dumps {
                messages.iter().for_each(|message| dump.take(message));
            }
        }
        self.tables.read(dumps);
    }

    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            let batch = self.tables.next(3);
            for change in &batch.changes {
                self.writes += 1;
                let kernel = self.kernels.get_mut(&change.place.table).unwrap();
                let outcome = kernel.take(change);
                self.tables
                    .of(batch.router)
                    .unwrap()
                    .settle(change, outcome);
            }
            self.tables.tidy();
            if batch.changes.is_empty() {
                if !self.tables.is_doubtful() {
                    return;
                }
                self.read();
            }
        }
        panic!("the tables do not come to rest: {:?}", self.tables);
    }

    /// The next routers of what is installed, by prefix.
    pub(super) fn has(&self, table: TableId) -> BTreeMap<String, Vec<String>> {
        let ours = self.kernels[&table].ours().into_iter();
        let via = |hop: &Hop| hop.via.unwrap().to_string();
        let shown = |(prefix, route): (IpNet, KernelRoute)| {
            (prefix.to_string(), route.hops.iter().map(via).collect())
        };
        ours.map(shown).collect()
    }

    pub(super) fn prefixes(&self, table: TableId) -> BTreeSet<String> {
        self.has(table).into_keys().collect()
    }

    pub(super) fn why_not(&mut self, prefix: &str) -> String {
        let snapshot = Snapshot::of_all(&mut self.tables);
        let router = snapshot.routers.into_iter().next().unwrap();
        let mut routes = router.routes.into_iter();
        let route = routes.find(|route| route.prefix == net(prefix)).unwrap();
        route.reason.unwrap()
    }
}

#[test]
fn a_router_has_what_is_taught_whatever_the_node_imports_until_it_is_not() {
    let mut world = World::new();
    world.teach(FABRIC, &["10.1.0.254"]);
    world.teach("2001:db8:9::/48", &["fd00:1::254"]);
    let all = BTreeMap::from([
        (FABRIC.to_owned(), vec!["10.1.0.254".to_owned()]),
        ("2001:db8:9::/48".to_owned(), vec!["fd00:1::254".to_owned()]),
    ]);
    assert_eq!(world.has(ROUTER), all);
    assert_eq!(world.prefixes(254), BTreeSet::new());
    world.teach(FABRIC, &["10.1.0.253"]);
    assert_eq!(world.has(ROUTER)[FABRIC], ["10.1.0.253"]);
    world.teach(FABRIC, &[]);
    world.teach("2001:db8:9::/48", &[]);
    assert_eq!(world.has(ROUTER), BTreeMap::new());
}

#[test]
fn only_next_routers_that_it_can_send_to_are_for_a_router() {
    let mut world = World::new();
    world.teach(FABRIC, &["10.1.0.254", "10.2.0.254", "10.1.0.253"]);
    assert_eq!(world.has(ROUTER)[FABRIC], ["10.1.0.253", "10.1.0.254"]);
    world.teach(DEFAULT, &["10.2.0.254"]);
    assert_eq!(world.prefixes(254), [DEFAULT.to_owned()].into());
    assert_eq!(world.prefixes(ROUTER), [FABRIC.to_owned()].into());
    assert!(
        world
            .why_not(DEFAULT)
            .contains("no next hop is on a network")
    );
    // One that names a device learns by that alone.
    let by_eth2 = Learning {
        devices: Some(BTreeSet::from(["eth2".into()])),
        ..learning()
    };
    world.follow(routers([(ROUTER, by_eth2)]));
    assert_eq!(world.has(ROUTER)[FABRIC], ["10.2.0.254"]);
    assert_eq!(world.has(ROUTER)[DEFAULT], ["10.2.0.254"]);
}

#[test]
fn what_a_router_advertises_itself_is_not_put_back() {
    let mut world = World::new();
    world.teach("10.77.0.0/24", &["10.1.0.254"]);
    assert_eq!(world.has(ROUTER), BTreeMap::new());
    assert!(world.why_not("10.77.0.0/24").contains("Advertised_Route"));
    world.teach(FABRIC, &["10.1.0.254"]);
    let other = Learning {
        advertised: [net(FABRIC)].into(),
        ..learning()
    };
    world.follow(routers([(ROUTER, other)]));
    assert_eq!(world.prefixes(ROUTER), ["10.77.0.0/24".to_owned()].into());
}

#[test]
fn a_router_that_comes_learns_what_was_taught_before_and_one_that_goes_leaves_nothing() {
    let mut world = World::new();
    world.teach(FABRIC, &["10.1.0.254"]);
    world.follow(routers([(ROUTER, learning()), (OTHER, learning())]));
    assert_eq!(world.has(OTHER), world.has(ROUTER));
    assert_eq!(world.tables.to_note(), [ROUTER, OTHER].into());
    world.follow(routers([(OTHER, learning())]));
    assert_eq!(world.has(ROUTER), BTreeMap::new());
    assert_eq!(world.prefixes(OTHER), [FABRIC.to_owned()].into());
    assert_eq!(world.tables.to_note(), [OTHER].into());
    world.follow(routers([(ROUTER, learning())]));
    assert_eq!(world.prefixes(ROUTER), [FABRIC.to_owned()].into());
}

#[test]
fn the_blackholes_of_ovn_controller_are_let_be() {
    let mut world = World::new();
    let blackhole = (OVN, KernelRoute::new(Vec::new(), None));
    let router = world.kernels.get_mut(&ROUTER).unwrap();
    router.routes.insert((net(FABRIC), 1000), blackhole.clone());
    router.routes.insert((net("10.77.0.0/24"), 100), blackhole);
    world.read();
    world.teach(FABRIC, &["10.1.0.254"]);
    world.teach(FABRIC, &[]);
    world.follow(Arc::default());
    assert_eq!(world.kernels[&ROUTER].routes.len(), 2);
    assert_eq!(world.tables.to_note(), BTreeSet::new());
}

#[test]
fn the_next_process_takes_over_without_a_write_and_sweeps_what_is_not_taught_again() {
    let mut world = World::new();
    world.teach(FABRIC, &["10.1.0.254"]);
    world.teach("198.51.100.0/24", &["10.1.0.254"]);
    let mut next = world.restart();
    next.follow(routers([(ROUTER, learning())]));
    next.teach(FABRIC, &["10.1.0.254"]);
    assert_eq!((next.prefixes(ROUTER).len(), next.writes), (2, 0));
    next.converge();
    assert_eq!(next.prefixes(ROUTER), [FABRIC.to_owned()].into());
    assert_eq!(next.writes, 1);
}

#[test]
fn routers_that_went_between_two_processes_leave_nothing_but_not_before_that_is_known() {
    let mut world = World::new();
    world.teach(FABRIC, &["10.1.0.254"]);
    let mut next = world.restart();
    next.converge();
    assert_eq!(next.prefixes(ROUTER), [FABRIC.to_owned()].into());
    assert_eq!(next.tables.to_note(), [ROUTER].into());
    next.follow(Arc::default());
    assert_eq!(next.has(ROUTER), BTreeMap::new());
    assert_eq!(next.tables.to_note(), BTreeSet::new());
}

#[test]
fn a_table_has_at_most_so_many_routes_and_room_is_used() {
    let limit = |settings: &mut Settings| settings.router_limit = 4;
    let mut world = World::before(World::kernels(), [], limit);
    world.follow(routers([(ROUTER, learning())]));
    for n in 0..10 {
        world.teach(&format!("10.99.{n}.0/24"), &["10.1.0.254"]);
    }
    let four = world.prefixes(ROUTER);
    assert_eq!(four.len(), 4);
    assert!(world.why_not("10.99.9.0/24").contains("as many routes"));
    world.teach(four.first().unwrap(), &[]);
    assert_eq!(world.prefixes(ROUTER).len(), 4);
    // All at once as well.
    world.follow(routers([(OTHER, learning())]));
    assert_eq!(world.prefixes(OTHER).len(), 4);
}

#[test]
fn only_what_router_import_lets_in_is_for_routers() {
    let only = |settings: &mut Settings| settings.router_import = PrefixList::default_routes();
    let mut world = World::before(World::kernels(), [], only);
    world.follow(routers([(ROUTER, learning())]));
    world.teach(FABRIC, &["10.1.0.254"]);
    world.teach(DEFAULT, &["10.1.0.254"]);
    assert_eq!(world.prefixes(ROUTER), [DEFAULT.to_owned()].into());
    let mut settings = world.tables.main.settings.clone();
    settings.router_import = all();
    world.tables.reconfigure(settings, world.now);
    world.settle();
    assert_eq!(world.prefixes(ROUTER).len(), 2);
}

#[test]
fn a_router_does_not_get_the_nodes_own_table() {
    let mut world = World::new();
    world.follow(routers([(254, learning())]));
    world.teach(FABRIC, &["10.1.0.254"]);
    assert_eq!(world.prefixes(254), BTreeSet::new());
    let problems = Snapshot::of_all(&mut world.tables).problems;
    assert!(problems[0].contains("fib_table"), "{problems:?}");
}

#[test]
fn next_hops_that_lead_nowhere_any_more_go_from_a_router_too() {
    let mut world = World::new();
    world.teach(FABRIC, &["10.1.0.254"]);
    for kernel in world.kernels.values_mut() {
        kernel.links.get_mut(&2).unwrap().1 = false;
        kernel.routes.retain(|_, (_, route)| !route.uses_link(2));
    }
    let down = RouteNetlinkMessage::NewLink(world.kernels[&254].link(2));
    world.tables.observe(&down);
    world.settle();
    assert_eq!(world.has(ROUTER), BTreeMap::new());
    for kernel in world.kernels.values_mut() {
        kernel.links.get_mut(&2).unwrap().1 = true;
    }
    let connected = KernelRoute::new(
        vec![Hop {
            via: None,
            link: 2,
            onlink: false,
        }],
        None,
    );
    let main = world.kernels.get_mut(&254).unwrap();
    main.routes
        .insert((net("10.1.0.0/24"), 0), (KERNEL, connected));
    world
        .tables
        .observe(&RouteNetlinkMessage::NewLink(main.link(2)));
    world.read();
    world.settle();
    assert_eq!(world.prefixes(ROUTER), [FABRIC.to_owned()].into());
}
