//! What `show fib` and `show routes` print, as of one moment.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::RouteProtocol;
use serde::{Deserialize, Serialize};

use super::resolve::Target;
use super::route::{Hop, KernelRoute};
use super::table::{Installed, Table, Wanted, Withheld};
use super::tables::Tables;

/// Learned routes and what the kernel has of them, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The routing table.
    pub table: u32,
    /// The metric of our routes in it.
    pub metric: u32,
    /// What is wrong as a whole.
    pub problems: Vec<String>,
    /// Every prefix that is learned or installed, sorted.
    pub routes: Vec<RouteSnapshot>,
    /// The node's own prefixes that are originated, sorted.
    pub connected: Vec<IpNet>,
    /// Writes asked of the kernel since the start.
    pub writes: u64,
    /// The tables of OVN's routers, by their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routers: Vec<RouterSnapshot>,
}

/// The table in which ovn-controller looks for what a router of OVN learns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterSnapshot {
    /// The routing table.
    pub table: u32,
    /// The router; `None`: it has gone, and its routes go.
    pub router: Option<String>,
    /// The VNI that teaches it; `None` is the default instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vni: Option<u32>,
    /// Every prefix that is learned or installed, sorted.
    pub routes: Vec<RouteSnapshot>,
}

/// What has become of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteState {
    /// The kernel has it as wanted.
    Installed,
    /// On the way to the kernel.
    Pending,
    /// An earlier process's, kept until the peers have told all they have.
    Held,
    /// Not in the kernel, for a reason.
    Withheld,
    /// The kernel has refused it.
    Refused,
}

/// One prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSnapshot {
    /// Where to.
    pub prefix: IpNet,
    /// Whether it is in the kernel.
    pub state: RouteState,
    /// Why not.
    pub reason: Option<String>,
    /// How, in the kernel or wanted there.
    pub next_hops: Vec<HopSnapshot>,
    /// Preferred source address.
    pub source: Option<IpAddr>,
    /// Paths that are not used.
    pub unused: Vec<UnusedPath>,
}

/// Where a route, or a part of it, leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopSnapshot {
    /// The next router.
    pub via: Option<IpAddr>,
    /// The interface.
    pub interface: String,
}

/// A path that is not used, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedPath {
    /// The neighbour that taught it.
    pub peer: String,
    /// What it says.
    pub next_hop: String,
    /// Why it is not used.
    pub reason: String,
}

/// How many prefixes are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub installed: usize,
    pub pending: usize,
    pub held: usize,
    pub withheld: usize,
    pub refused: usize,
}

impl Snapshot {
    /// The node's own table, and those of routers.
    pub(super) fn of_all(tables: &mut Tables) -> Self {
        let mut snapshot = Self::of(&mut tables.main);
        snapshot.problems.extend(tables.problems());
        let routers = tables.routers_mut().map(|(number, table)| RouterSnapshot {
            table: number,
            router: table.learning.as_ref().map(|l| l.router.to_string()),
            vni: table.learning.as_ref().and_then(|l| Some(l.lessons()?.vni)),
            routes: routes(table),
        });
        snapshot.routers = routers.collect();
        snapshot
    }

    pub(super) fn of(table: &mut Table) -> Self {
        let place = table.place();
        Self {
            table: place.table,
            metric: place.metric,
            problems: problems(table),
            routes: routes(table),
            ..Self::default()
        }
    }

    /// Takes off a part with so many routes, of the node's own table and of routers' ones; the first has all the rest.
    pub fn take_part(&mut self, most: usize) -> Self {
        let mut part = std::mem::take(self);
        self.routes = part.routes.split_off(part.routes.len().min(most));
        let mut room = most - part.routes.len();
        for mut router in std::mem::take(&mut part.routers) {
            if room == 0 {
                self.routers.push(router);
                continue;
            }
            let left = router.routes.split_off(router.routes.len().min(room));
            // One without routes takes its line all the same.
            room -= router.routes.len().max(1);
            if !left.is_empty() {
                self.routers.push(RouterSnapshot {
                    table: router.table,
                    router: router.router.clone(),
                    vni: router.vni,
                    routes: left,
                });
            }
            part.routers.push(router);
        }
        part
    }

    /// Whether nothing is left to take off.
    pub fn is_told(&self) -> bool {
        self.routes.is_empty() && self.routers.is_empty()
    }

    /// Puts the next part behind those before it.
    pub fn join(&mut self, part: Self) {
        self.routes.extend(part.routes);
        for router in part.routers {
            match self.routers.last_mut() {
                Some(last) if last.table == router.table => last.routes.extend(router.routes),
                _ => self.routers.push(router),
            }
        }
    }

    /// How many prefixes are in which state.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.routes)
    }
}

impl Counts {
    /// Of these.
    pub fn of(routes: &[RouteSnapshot]) -> Self {
        let mut counts = Self::default();
        for route in routes {
            let count = match route.state {
                RouteState::Installed => &mut counts.installed,
                RouteState::Pending => &mut counts.pending,
                RouteState::Held => &mut counts.held,
                RouteState::Withheld => &mut counts.withheld,
                RouteState::Refused => &mut counts.refused,
            };
            *count += 1;
        }
        counts
    }
}

fn routes(table: &mut Table) -> Vec<RouteSnapshot> {
    let mut prefixes: Vec<IpNet> = table.learned.keys().copied().collect();
    let unlearned = table
        .installed
        .keys()
        .filter(|p| !table.learned.contains_key(*p));
    prefixes.extend(unlearned);
    prefixes.sort_unstable();
    let snapshots = prefixes.into_iter().map(|p| RouteSnapshot::of(table, p));
    snapshots.collect()
}

fn problems(table: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    if !table.read {
        problems.push("the kernel's routes have not been read yet: see the log".to_owned());
    }
    if table.node.is_full() {
        let words = "there are more than 100000 routes of others in the main table: next hops are looked for among the first";
        problems.push(words.to_owned());
    }
    problems
}

impl RouteSnapshot {
    fn of(table: &mut Table, prefix: IpNet) -> Self {
        let wanted = table.wanted(&prefix);
        let installed = match table.installed.get(&prefix) {
            Some(Installed::As(route)) => Some(KernelRoute::clone(route)),
            _ => None,
        };
        let refused = table
            .refused
            .get(&prefix)
            .map(|words| format!("the kernel refused it: {words}"));
        let (state, reason, route) = match wanted {
            Wanted::Held => (RouteState::Held, None, installed),
            Wanted::Nothing(why) => (RouteState::Withheld, Some(words(why)), None),
            Wanted::Route(route) if installed.as_ref() == Some(&route) => {
                (RouteState::Installed, None, installed)
            }
            Wanted::Route(route) if refused.is_some() => {
                (RouteState::Refused, refused, Some(route))
            }
            Wanted::Route(route) => (RouteState::Pending, None, Some(route)),
        };
        Self {
            prefix,
            state,
            reason,
            next_hops: route
                .as_ref()
                .map_or_else(Vec::new, |route| HopSnapshot::all(table, route)),
            source: route.as_ref().and_then(|route| route.source),
            unused: unused(table, &prefix),
        }
    }
}

impl HopSnapshot {
    /// Those of a route.
    pub(super) fn all(table: &Table, route: &KernelRoute) -> Vec<Self> {
        let hops = route.hops.iter();
        hops.map(|hop| Self::of(table, hop)).collect()
    }

    fn of(table: &Table, hop: &Hop) -> Self {
        Self {
            via: hop.via,
            interface: table.node.name(hop.link).to_string(),
        }
    }
}

fn unused(table: &Table, prefix: &IpNet) -> Vec<UnusedPath> {
    let paths = table.learned.get(prefix);
    let paths = paths.into_iter().flat_map(|paths| paths.iter());
    let unused = paths.filter_map(|path| {
        let resolution = table.resolved.get(&Target::of(path))?;
        let why = resolution.as_ref().err()?;
        Some(UnusedPath {
            peer: path.source.peer.to_string(),
            next_hop: path.next_hop.to_string(),
            reason: why.to_string(),
        })
    });
    unused.collect()
}

/// Why a route is not wanted in the kernel.
pub(super) fn words(why: Withheld) -> String {
    match why {
        Withheld::NotLearned => "no peer teaches it any more".to_owned(),
        Withheld::NotImported => "the configuration keeps it out of the kernel".to_owned(),
        Withheld::Unreachable => "no next hop can be used".to_owned(),
        Withheld::Own => "the router wants it advertised itself (Advertised_Route)".to_owned(),
        Withheld::OwnNetwork => "it is a network of the router's own".to_owned(),
        Withheld::OffNetwork => {
            "no next hop is on a network of the router's learning ports, or by the device that \
                                 dynamic-routing-port-name names"
                .to_owned()
        }
        Withheld::NoEntrance => {
            "the VNI has no entrance here by which this node could be the router's next one (`plan` tells why), or the \
             router has no address of its family, or dynamic-routing-port-name means no interface here"
                .to_owned()
        }
        Withheld::Full => {
            "the table has as many routes as it may have: let less into router_import".to_owned()
        }
        Withheld::Taken { protocol } => format!(
            "the kernel has a route of somebody else's with the same prefix and metric (protocol {}): remove it, or \
             give ours another metric",
            RouteProtocol::from(protocol)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(count: u8) -> Vec<RouteSnapshot> {
        let route = |n: u8| RouteSnapshot {
            prefix: IpNet::from(IpAddr::from([10, 0, 0, n])),
            state: RouteState::Installed,
            reason: None,
            next_hops: Vec::new(),
            source: None,
            unused: Vec::new(),
        };
        (0..count).map(route).collect()
    }

    fn snapshot(own: u8, routers: &[u8]) -> Snapshot {
        let router = |(n, count): (usize, &u8)| RouterSnapshot {
            vni: None,
            table: 1000 + n as u32,
            router: Some(format!("r{n}")),
            routes: routes(*count),
        };
        Snapshot {
            table: 254,
            writes: 7,
            routes: routes(own),
            routers: routers.iter().enumerate().map(router).collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn no_part_has_more_routes_than_it_may_and_together_they_are_the_whole() {
        for (own, routers) in [
            (0, vec![]),
            (3, vec![]),
            (2, vec![9, 0, 1]),
            (0, vec![0, 0, 0, 0, 4]),
            (4, vec![4, 4]),
        ] {
            let whole = snapshot(own, &routers);
            let mut left = whole.clone();
            let mut joined = left.take_part(4);
            let mut parts = vec![joined.clone()];
            while !left.is_told() {
                let part = left.take_part(4);
                parts.push(part.clone());
                joined.join(part);
            }
            assert_eq!(joined, whole, "{own} {routers:?}");
            for part in parts {
                let of_routers = part.routers.iter().map(|r| r.routes.len());
                let count = part.routes.len() + of_routers.sum::<usize>();
                assert!(count <= 4 && part.routers.len() <= 4, "{part:?}");
            }
        }
    }
}
