//! A node with two uplinks, each to a leaf of its own, and the thread under test in it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bgp::wire::{NextHop, PathAttributes, RouterId};
use bgp::{LearnedPath, PathSource, PrefixList, PrefixRule};
use interop::netns::{Namespace, connect};
use interop::scratch;
use ipnet::IpNet;
use ovn_bgp_agent::advertise::{Origination, Source};
use ovn_bgp_agent::fib::{Fib, RouteSnapshot, Routers, Settings, Snapshot, Start, TablesNote};
use ovn_bgp_agent::peering::LearnedRoutes;
use tokio::sync::watch;

pub(crate) const DEFAULT: &str = "0.0.0.0/0";
pub(crate) const DEFAULT6: &str = "::/0";
/// What both leaves have, beyond the links.
pub(crate) const BEYOND: &str = "198.51.100.1";
pub(crate) const BEYOND6: &str = "2001:db8:100::1";

pub(crate) struct Lab {
    /// Where notes for the next process are.
    dir: tempfile::TempDir,
    pub(crate) node: Namespace,
    pub(crate) leaves: [Namespace; 2],
}

/// The leaf's address on uplink `n`.
pub(crate) fn leaf(n: usize) -> String {
    format!("10.{n}.0.254")
}

pub(crate) fn leaf6(n: usize) -> String {
    format!("fd00:{n}::254")
}

impl Lab {
    pub(crate) fn new() -> Self {
        let this = Self {
            dir: scratch().unwrap(),
            node: Namespace::new("fib").unwrap(),
            leaves: ["leaf1", "leaf2"].map(|label| Namespace::new(label).unwrap()),
        };
        for (n, leaf) in (1..).zip(&this.leaves) {
            let uplink = format!("eth{n}");
            connect((&this.node, &uplink), (leaf, "eth0")).unwrap();
            this.node
                .address(&uplink, &format!("10.{n}.0.1/24"))
                .unwrap();
            this.node
                .address(&uplink, &format!("fd00:{n}::1/64"))
                .unwrap();
            leaf.address("eth0", &format!("10.{n}.0.254/24")).unwrap();
            leaf.address("eth0", &format!("fd00:{n}::254/64")).unwrap();
            leaf.address("lo", &format!("{BEYOND}/32")).unwrap();
            leaf.address("lo", &format!("{BEYOND6}/128")).unwrap();
        }
        this
    }

    /// Everything is imported.
    pub(crate) fn run(&self) -> Running {
        self.run_with(|_| {})
    }

    pub(crate) fn run_with(&self, change: impl FnOnce(&mut Settings)) -> Running {
        let mut settings = Settings {
            import: Some(all()),
            ..Settings::default()
        };
        change(&mut settings);
        self.run_for(settings, Some(Routers::default()))
    }

    /// With these routers of OVN; `None`: not known yet.
    pub(crate) fn run_for(&self, settings: Settings, routers: Option<Routers>) -> Running {
        let (learned, origination) = (LearnedRoutes::default(), Origination::default());
        let routers = watch::Sender::new(routers.map(Arc::new));
        let start = Start {
            learned: learned.clone(),
            origination: origination.clone(),
            routers: routers.subscribe(),
            note: TablesNote::beside(&self.dir.path().join("control.sock")),
        };
        let spawn = || Fib::spawn(settings, start);
        let fib = self.node.inside(spawn).unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Running {
            fib,
            learned,
            origination,
            routers,
            runtime: runtime.unwrap(),
        }
    }

    /// `ip route show <args>`, one line for each route, with its next hops in it.
    pub(crate) fn routes(&self, args: &str) -> Vec<String> {
        let family = if args.contains(':') { "-6" } else { "-4" };
        let shown = self.node.ip(&format!("{family} -o route show {args}"));
        // A table without any route does not exist.
        let shown = shown.unwrap_or_default();
        let lines = shown.lines().map(|line| line.replace('\\', " "));
        let words = |line: String| {
            let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
            words.replace(" pref medium", "")
        };
        lines.map(words).collect()
    }

    pub(crate) fn pings(&self, to: &str) -> bool {
        self.node.pings(to.parse().unwrap(), None)
    }
}

/// The thread under test, its feed, and what it has originated.
pub(crate) struct Running {
    pub(crate) fib: Fib,
    pub(crate) learned: LearnedRoutes,
    pub(crate) origination: Origination,
    routers: watch::Sender<Option<Arc<Routers>>>,
    runtime: tokio::runtime::Runtime,
}

impl Running {
    /// Peers teach `prefix` with these next hops, none any more if there are none.
    pub(crate) fn teach(&self, prefix: &str, next_hops: &[&str]) {
        self.learn(prefix, next_hops.iter().map(|text| path(text, None)));
    }

    pub(crate) fn learn(&self, prefix: &str, paths: impl IntoIterator<Item = LearnedPath>) {
        let paths: Vec<LearnedPath> = paths.into_iter().collect();
        let paths = (!paths.is_empty()).then(|| Arc::from(paths));
        self.learned.put(prefix.parse().unwrap(), paths);
    }

    /// OVN wants other routers to learn.
    pub(crate) fn route_for(&self, routers: Routers) {
        self.routers.send_replace(Some(Arc::new(routers)));
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.runtime.block_on(self.fib.status()).unwrap()
    }

    pub(crate) fn route(&self, prefix: &str) -> Option<RouteSnapshot> {
        let prefix: IpNet = prefix.parse().unwrap();
        let mut routes = self.snapshot().routes.into_iter();
        routes.find(|route| route.prefix == prefix)
    }

    pub(crate) fn reconfigure(&self, settings: Settings) {
        self.runtime
            .block_on(self.fib.reconfigure(settings))
            .unwrap();
    }

    pub(crate) fn originated(&self) -> Vec<String> {
        let told = |origins: &ovn_bgp_agent::advertise::Origins| {
            let prefixes = origins.of(Source::Connected);
            let sorted: BTreeSet<String> = prefixes.map(|prefix| prefix.to_string()).collect();
            sorted.into_iter().collect()
        };
        self.origination.with(told)
    }
}

/// A path of an external peer.
pub(crate) fn path(next_hop: &str, link: Option<&str>) -> LearnedPath {
    let next_hop: IpAddr = next_hop.parse().unwrap();
    let source = PathSource {
        peer: "leaf".into(),
        address: next_hop,
        link: link.map(Arc::from),
        router_id: RouterId(Ipv4Addr::new(192, 0, 2, 254)),
        external: true,
    };
    let next_hop = match next_hop {
        IpAddr::V4(v4) => NextHop::from(v4),
        IpAddr::V6(v6) => NextHop::from(v6),
    };
    LearnedPath::new(
        Arc::new(source),
        next_hop,
        Arc::new(PathAttributes::default()),
    )
}

pub(crate) fn all() -> PrefixList {
    let any = [DEFAULT, DEFAULT6].map(|prefix| PrefixRule {
        permit: true,
        prefix: prefix.parse().unwrap(),
        ge: Some(0),
        le: None,
    });
    PrefixList {
        name: "all".into(),
        rules: any.into(),
    }
}
