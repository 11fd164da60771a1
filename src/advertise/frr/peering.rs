//! Pure: what makes FRR take the speaker of this process as a neighbour, and announce with itself as next hop.
//!
//! ```text
//! route-map ovn-bgp-agent permit 10
//!  set as-path exclude PEER_AS          as if FRR had originated it
//!  set distance 255                     announced, and not in FRR's own forwarding table
//! route-map ovn-bgp-agent-none deny 10
//! router bgp AS
//!  neighbor 127.0.0.1 remote-as PEER_AS
//!  neighbor 127.0.0.1 passive
//!  neighbor 127.0.0.1 disable-connected-check
//!  address-family ipv4|ipv6 unicast
//!   neighbor 127.0.0.1 activate
//!   neighbor 127.0.0.1 route-map ovn-bgp-agent in
//!   neighbor 127.0.0.1 route-map ovn-bgp-agent-none out
//! ```
//!
//! Towards iBGP neighbours FRR keeps a next hop unless it is told otherwise, and these are the operator's: that
//! they lack `next-hop-self` is said, not changed.

use super::leaking::{Block, CannotLeak, default_instance};
use super::running::{Instance, Running};
use crate::config::frr_peer::OUR_ADDRESS;

const FAMILIES: [&str; 2] = ["ipv4 unicast", "ipv6 unicast"];

/// Name of the route map for what FRR is told.
const IN: &str = "ovn-bgp-agent";

/// Name of the route map for what FRR tells.
const OUT: &str = "ovn-bgp-agent-none";

/// The session between FRR and this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peering {
    /// FRR's AS number.
    pub asn: u32,
    /// Ours towards FRR: `frr_peer_as`.
    pub peer_asn: u32,
}

impl Peering {
    /// The commands that are missing, as typed after `configure terminal`; none when all is in place.
    ///
    /// # Errors
    /// FRR's default instance is missing, or has another AS number.
    pub fn missing(&self, running: &Running) -> Result<Vec<String>, CannotLeak> {
        let default = default_instance(running, self.asn)?;
        let mut commands = self.route_maps(running);
        let mut block = Block::new(format!("router bgp {}", default.asn));
        for line in [
            format!("neighbor {OUR_ADDRESS} remote-as {}", self.peer_asn),
            format!("neighbor {OUR_ADDRESS} passive"),
            format!("neighbor {OUR_ADDRESS} disable-connected-check"),
        ] {
            if !default.lines.contains(&line) {
                block.line(line);
            }
        }
        for family in FAMILIES {
            for line in family_lines() {
                // FRR leaves out what its default says (`bgp default ipv4-unicast`).
                let implied = line.ends_with(" activate")
                    && family == "ipv4 unicast"
                    && default.activates_ipv4()
                    && default.lines.iter().any(|l| l.starts_with(&neighbour()));
                if !default.has(family, &line) && !implied {
                    block.in_family(family, line);
                }
            }
        }
        commands.extend(block.commands());
        Ok(commands)
    }

    fn route_maps(&self, running: &Running) -> Vec<String> {
        let accept = vec![
            format!("set as-path exclude {}", self.peer_asn),
            "set distance 255".to_owned(),
        ];
        let mut commands = Vec::new();
        for (entry, lines) in [(accepting(), accept), (refusing(), Vec::new())] {
            let there = running.route_map(&entry);
            if there.is_some_and(|there| lines.iter().all(|line| there.contains(line))) {
                continue;
            }
            commands.push(format!("route-map {entry}"));
            commands.extend(lines);
            commands.push("exit".to_owned());
        }
        commands
    }

    /// iBGP neighbours and groups to which FRR would announce a next hop that only this node knows.
    pub fn without_next_hop_self(&self, running: &Running) -> Vec<String> {
        let Some(default) = running.default_instance() else {
            return Vec::new();
        };
        let mut found: Vec<String> = Vec::new();
        for name in internal(default) {
            let lacks = |family: &&'static str| {
                default.has(family, &format!("neighbor {name} activate"))
                    && !default.has(family, &format!("neighbor {name} next-hop-self"))
            };
            let lacking = FAMILIES.into_iter().filter(lacks);
            found.extend(lacking.map(|family| format!("{name} ({family})")));
        }
        found
    }
}

/// The commands that take FRR's side of the session away.
pub(super) fn removal(running: &Running) -> Vec<String> {
    let mut commands = Vec::new();
    if let Some(default) = running.default_instance() {
        let in_map = format!("neighbor {OUR_ADDRESS} route-map {IN} in");
        if FAMILIES.iter().any(|family| default.has(family, &in_map)) {
            let mut block = Block::new(format!("router bgp {}", default.asn));
            block.line(format!("no neighbor {OUR_ADDRESS}"));
            commands.extend(block.commands());
        }
    }
    for entry in [accepting(), refusing()] {
        if running.route_map(&entry).is_some() {
            commands.push(format!("no route-map {entry}"));
        }
    }
    commands
}

fn neighbour() -> String {
    format!("neighbor {OUR_ADDRESS} ")
}

fn accepting() -> String {
    format!("{IN} permit 10")
}

fn refusing() -> String {
    format!("{OUT} deny 10")
}

fn family_lines() -> [String; 3] {
    [
        format!("neighbor {OUR_ADDRESS} activate"),
        format!("neighbor {OUR_ADDRESS} route-map {IN} in"),
        format!("neighbor {OUR_ADDRESS} route-map {OUT} out"),
    ]
}

/// Neighbours and groups of FRR's own AS.
fn internal(instance: &Instance) -> impl Iterator<Item = &str> {
    instance.lines.iter().filter_map(|line| {
        let (name, rest) = line.strip_prefix("neighbor ")?.split_once(' ')?;
        let remote = rest.strip_prefix("interface ").unwrap_or(rest);
        let remote_as = remote.strip_prefix("remote-as ")?;
        (remote_as == "internal" || remote_as == instance.asn).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEERING: Peering = Peering {
        asn: 64999,
        peer_asn: 4_200_000_000,
    };

    const NODE: &str = "router bgp 64999\n bgp router-id 172.30.1.1\n no bgp default ipv4-unicast\n \
        neighbor uplink peer-group\n neighbor uplink remote-as internal\n neighbor eth1 interface peer-group uplink\n \
        neighbor evpn remote-as 65000\n !\n address-family ipv4 unicast\n  neighbor uplink activate\n  \
        neighbor uplink next-hop-self\n  neighbor evpn activate\n exit-address-family\n !\n \
        address-family ipv6 unicast\n  neighbor uplink activate\n exit-address-family\nexit\n";

    /// What FRR 8.4 shows once it has taken all commands.
    const PEERED: &str = "router bgp 64999\n neighbor 127.0.0.1 remote-as 4200000000\n neighbor 127.0.0.1 passive\n \
        neighbor 127.0.0.1 disable-connected-check\n !\n address-family ipv4 unicast\n  neighbor 127.0.0.1 route-map ovn-bgp-agent in\n  \
        neighbor 127.0.0.1 route-map ovn-bgp-agent-none out\n exit-address-family\n !\n address-family ipv6 unicast\n  \
        neighbor 127.0.0.1 activate\n  neighbor 127.0.0.1 route-map ovn-bgp-agent in\n  \
        neighbor 127.0.0.1 route-map ovn-bgp-agent-none out\n exit-address-family\nexit\n!\n\
        route-map ovn-bgp-agent permit 10\n set as-path exclude 4200000000\n set distance 255\nexit\n!\n\
        route-map ovn-bgp-agent-none deny 10\nexit\n";

    #[test]
    fn frr_is_told_all_of_it_once() {
        let commands = PEERING.missing(&Running::parse(NODE)).unwrap();
        assert_eq!(
            commands
                .iter()
                .filter(|c| c.starts_with("route-map "))
                .count(),
            2
        );
        assert_eq!(
            commands.iter().filter(|c| c.ends_with(" activate")).count(),
            2
        );
        assert!(PEERING.missing(&Running::parse(PEERED)).unwrap().is_empty());
    }

    #[test]
    fn what_was_told_is_taken_away_and_nothing_else() {
        let expected = [
            "router bgp 64999",
            "no neighbor 127.0.0.1",
            "exit",
            "no route-map ovn-bgp-agent permit 10",
            "no route-map ovn-bgp-agent-none deny 10",
        ];
        assert_eq!(removal(&Running::parse(PEERED)), expected);
        assert!(removal(&Running::parse(NODE)).is_empty());
        let theirs = "router bgp 64999\n neighbor 127.0.0.1 remote-as 65000\nexit\n";
        assert!(
            removal(&Running::parse(theirs)).is_empty(),
            "an operator's own"
        );
    }

    #[test]
    fn internal_neighbours_that_would_get_our_next_hop_are_named() {
        let running = Running::parse(NODE);
        let found = PEERING.without_next_hop_self(&running);
        assert_eq!(found, ["uplink (ipv6 unicast)"]);
    }
}
