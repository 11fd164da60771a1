//! What a node's kernel and switch must have for what it tells, read with other eyes than the agent's: `plan` would agree with a mistake
//! that the agent makes always.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;

use super::audit::differ;
use super::expected::Expected;
use crate::cloud::{BRIDGES, Node};

/// Fails with the first thing that is not there, or should not be. `wired`: the driver steers traffic into OVN.
pub(super) fn check(node: &Node, expected: &Expected, wired: bool) -> Result<()> {
    let seen = Seen::of(node)?;
    let own = expected
        .values()
        .filter(|told| told.by.contains(&node.number));
    let wanted: BTreeSet<String> = own.filter_map(|told| told.rule.clone()).collect();
    let rules: BTreeSet<String> = seen.rules.iter().map(|(to, _)| to.to_string()).collect();
    ensure!(
        rules.len() == seen.rules.len(),
        "two rules to one destination: {:?}",
        seen.rules
    );
    differ("rules", &wanted, &rules)?;
    let routes: BTreeSet<_> = seen.routes.iter().cloned().collect();
    let steered: BTreeSet<_> = seen.rules.iter().cloned().collect();
    differ("routes of the bridges' tables", &steered, &routes)?;
    for address in &seen.addresses {
        let network = IpNet::from(address.addr()).to_string();
        ensure!(
            !expected.contains_key(&network),
            "{address} is an address of the node, and should be OVN's"
        );
    }
    BRIDGES
        .iter()
        .try_for_each(|bridge| check_flows(node, bridge, wired))
}

/// Two flows for each patch port to OVN, and none for anything else.
fn check_flows(node: &Node, bridge: &str, wired: bool) -> Result<()> {
    let switch = &node.chassis.switch;
    let ports = switch.vsctl(&["list-ports", bridge])?;
    let mut wanted = BTreeMap::new();
    for port in ports.lines().filter(|port| port.starts_with("patch-")) {
        let number = switch.vsctl(&["get", "interface", port, "ofport"])?;
        wanted.insert(number.trim().to_owned(), 2 * usize::from(wired));
    }
    wanted.retain(|_, count| *count > 0);
    let mut found = BTreeMap::<String, usize>::new();
    for flow in switch.flows(bridge)? {
        if let Some((_, rest)) = flow.split_once("in_port=")
            && flow.contains("cookie=0x3e7,")
        {
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            *found.entry(port).or_default() += 1;
        }
    }
    differ(&format!("flows of {bridge} by port"), &wanted, &found)
}

/// What the kernel has.
#[derive(Debug, Default)]
struct Seen {
    /// Destinations of the rules of priority 32000, with their tables.
    rules: Vec<(IpNet, String)>,
    /// Destinations in those tables and in those of the bridges, but the default routes.
    routes: Vec<(IpNet, String)>,
    addresses: Vec<IpNet>,
}

impl Seen {
    fn of(node: &Node) -> Result<Self> {
        let text = node.namespace.sh(
            "ip rule; ip -6 rule; echo; ip -o address; echo; ip route show table all; ip -6 route show table all",
        )?;
        let tables = node.tables()?;
        Self::parse(&text, &tables).with_context(|| text.clone())
    }

    /// `tables`: numbers of the bridges' tables.
    fn parse(text: &str, tables: &BTreeSet<String>) -> Result<Self> {
        let mut parts = text.split("\n\n");
        let mut part = || parts.next().context("an output is missing");
        let (rules, addresses, routes) = (part()?, part()?, part()?);
        let mut seen = Self::default();
        for line in rules.lines() {
            let Some((_, rule)) = line.split_once("32000:\tfrom all to ") else {
                continue;
            };
            let mut words = rule.split_whitespace();
            let (to, _, table) = (words.next(), words.next(), words.next());
            let (to, table) = to.zip(table).context("a rule without table")?;
            seen.rules.push((net(to)?, table.to_owned()));
        }
        for line in addresses.lines() {
            let word = line.split_whitespace().nth(3).context("an address")?;
            seen.addresses.push(net(word)?);
        }
        for line in routes.lines().filter(|line| !line.starts_with("default")) {
            let Some((_, rest)) = line.split_once(" table ") else {
                continue;
            };
            let table: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
            let to = line.split_whitespace().next().context("a route")?;
            if tables.contains(&table) {
                seen.routes.push((net(to)?, table));
            }
        }
        Ok(seen)
    }
}

/// `1.2.3.4` or `1.2.3.4/24`, as `ip` prints it.
fn net(text: &str) -> Result<IpNet> {
    let host = text.parse::<IpAddr>().map(IpNet::from);
    let net = host.or_else(|_| text.parse::<IpNet>());
    net.with_context(|| format!("{text} is no prefix"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
0:\tfrom all lookup local
32000:\tfrom all to 172.24.4.10 lookup 189 proto 215
32766:\tfrom all lookup main
32000:\tfrom all to 2a05:d014:aa:8::/64 lookup 189 proto 215

1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
3: br-ex    inet6 fe80::1/64 scope link \\       valid_lft forever preferred_lft forever

default dev br-ex table 189 proto 215 scope link
172.24.4.10 dev br-ex table 189 proto 215 scope link
192.0.2.0/29 dev up0 proto kernel scope link src 192.0.2.2
local 192.0.2.2 dev up0 table local proto kernel scope host src 192.0.2.2
2a05:d014:aa:8::/64 via 2001:db8:100::28 dev br-ex table 189 proto 215 metric 1024 onlink pref medium
";

    #[test]
    fn rules_of_the_agents_priority_and_routes_of_the_bridges_tables_are_seen() {
        let tables = BTreeSet::from(["189".to_owned()]);
        let seen = Seen::parse(TEXT, &tables).unwrap();
        let both = ["172.24.4.10/32", "2a05:d014:aa:8::/64"]
            .map(|to| (to.parse().unwrap(), "189".to_owned()));
        assert_eq!(seen.rules, both);
        assert_eq!(seen.routes, both);
        assert_eq!(seen.addresses.len(), 2);
    }

    #[test]
    fn an_output_that_is_missing_is_an_error() {
        let cut = TEXT.split("\n\n").next().unwrap();
        assert!(Seen::parse(cut, &BTreeSet::new()).is_err());
        let odd = TEXT.replace("172.24.4.10 lookup", "somewhere lookup");
        let error = Seen::parse(&odd, &BTreeSet::new()).unwrap_err();
        assert!(error.to_string().contains("somewhere"), "{error}");
    }
}
