//! Whatever happens in whatever order, in the end the kernel has what is wanted.

use proptest::prelude::*;

use super::*;

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
