//! Which routes of a tenant's table FRR advertises.
//!
//! Where tenants share a provider network their tables have more than what is exposed: the gateways' addresses, which
//! are on the link, and the subnets behind them. Only hosts are advertised, as without FRR:
//!
//! ```text
//! ip prefix-list ovn-bgp-agent-hosts      /32                  ipv6 likewise, /128
//! ip prefix-list ovn-bgp-agent-gateways   any but 0.0.0.0      ipv6 likewise, ::
//! route-map ovn-bgp-agent-hosts permit 10
//!  match ip address prefix-list ovn-bgp-agent-hosts
//!  match ip next-hop prefix-list ovn-bgp-agent-gateways
//! route-map ovn-bgp-agent-hosts permit 20                      the same of IPv6
//! ```

use crate::advertise::frr::attributed::{self, Attributed, Redistribution, Through};
use crate::advertise::frr::leaking::{Block, FAMILIES};
use crate::advertise::frr::running::{Instance, Running};

const HOSTS: &str = "ovn-bgp-agent-hosts";
const GATEWAYS: &str = "ovn-bgp-agent-gateways";

const CONNECTED: &str = "redistribute connected";
const KERNEL: &str = "redistribute kernel";

/// Which routes of a tenant's table are advertised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redistributed {
    /// All that are connected or the kernel's.
    #[default]
    Everything,
    /// Kernel routes to a single address by way of a gateway.
    Hosts,
}

impl Redistributed {
    /// The lines of an address family that are missing or too many. A route map of the operator's stays.
    pub(super) fn difference(
        self,
        vni: u32,
        attributes: &Attributed,
        existing: Option<&Instance>,
        family: &str,
        block: &mut Block,
    ) {
        let policy = attributed::of_vni(vni);
        let through = match attributes.is_empty() {
            true => Through::Plain((self == Self::Hosts).then_some(HOSTS)),
            false => Through::Policy,
        };
        for line in self.lines(&policy, through) {
            line.difference(existing, family, block);
        }
        let unwanted = self == Self::Hosts;
        if unwanted && existing.is_some_and(|instance| instance.has(family, CONNECTED)) {
            block.in_family(family, format!("no {CONNECTED}"));
        }
    }

    /// Lines of others that stay where policies say something of routes.
    pub(super) fn theirs(
        self,
        vni: u32,
        existing: Option<&Instance>,
    ) -> impl Iterator<Item = (&'static str, &String)> {
        let policy = attributed::of_vni(vni);
        FAMILIES.into_iter().flat_map(move |family| {
            let lines = self.lines(&policy, Through::Policy);
            let theirs = lines
                .iter()
                .filter_map(|line| line.theirs(existing, family));
            theirs.map(|line| (family, line)).collect::<Vec<_>>()
        })
    }

    fn lines<'a>(self, policy: &'a str, through: Through<'a>) -> Vec<Redistribution<'a>> {
        let line = |what| Redistribution {
            what,
            policy,
            usual: Some(HOSTS),
            insists: self == Self::Hosts,
            through,
        };
        match self {
            Self::Everything => vec![line("connected"), line("kernel")],
            Self::Hosts => vec![line("kernel")],
        }
    }

    /// How many lines are wanted, in both families.
    pub(super) fn count(self) -> usize {
        self.lines("", Through::Policy).len() * FAMILIES.len()
    }

    /// The last entries of the map of a table with policies: what passes without one.
    pub(super) fn rest(self) -> Vec<Vec<String>> {
        match self {
            Self::Everything => vec![Vec::new()],
            Self::Hosts => entries().map(|(_, lines)| lines.to_vec()).to_vec(),
        }
    }
}

/// True for what [`Redistributed::difference`] writes.
pub(super) fn is_our_line(line: &str) -> bool {
    let map = line.split_once(" route-map ").map(|(_, map)| map);
    let of_policy = map.is_some_and(|map| map.starts_with(attributed::LEAKED));
    let plain = if of_policy {
        line.split(" route-map ").next()
    } else {
        None
    };
    let plain = plain.unwrap_or(line);
    plain == CONNECTED || plain == KERNEL || line == filtered_line()
}

/// The commands that make the route map, as far as they are missing.
pub(super) fn missing_filter(running: &Running) -> Vec<String> {
    let lists = prefix_lists().into_iter();
    let mut commands: Vec<String> = lists
        .filter(|line| !running.has_prefix_list(line))
        .collect();
    for (entry, lines) in entries() {
        let there = running.route_map(&entry).unwrap_or_default();
        let mut block = Block::new(format!("route-map {entry}"));
        for line in lines.into_iter().filter(|line| !there.contains(line)) {
            block.line(line);
        }
        commands.extend(block.commands());
    }
    commands
}

/// The commands that take away what of it is there.
pub(super) fn unused_filter(running: &Running) -> Vec<String> {
    let entries = entries().into_iter().map(|(entry, _)| entry);
    let entries = entries.filter(|entry| running.route_map(entry).is_some());
    let entries = entries.map(|entry| format!("no route-map {entry}"));
    let lists = prefix_lists().into_iter();
    let lists = lists.filter(|line| running.has_prefix_list(line));
    entries
        .chain(lists.map(|line| format!("no {line}")))
        .collect()
}

fn filtered_line() -> String {
    format!("{KERNEL} route-map {HOSTS}")
}

fn prefix_lists() -> [String; 6] {
    [
        format!("ip prefix-list {HOSTS} seq 5 permit 0.0.0.0/0 ge 32"),
        format!("ip prefix-list {GATEWAYS} seq 5 deny 0.0.0.0/32"),
        format!("ip prefix-list {GATEWAYS} seq 10 permit any"),
        format!("ipv6 prefix-list {HOSTS} seq 5 permit ::/0 ge 128"),
        format!("ipv6 prefix-list {GATEWAYS} seq 5 deny ::/128"),
        format!("ipv6 prefix-list {GATEWAYS} seq 10 permit any"),
    ]
}

fn entries() -> [(String, [String; 2]); 2] {
    [("ip", 10), ("ipv6", 20)].map(|(family, number)| {
        let lines = [
            format!("match {family} address prefix-list {HOSTS}"),
            format!("match {family} next-hop prefix-list {GATEWAYS}"),
        ];
        (format!("{HOSTS} permit {number}"), lines)
    })
}
