//! What hosts of a network are told, of the subnets that OVN's DHCP options describe.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::exposure::RouterAdvertisement;

/// More servers than any host asks (glibc three, systemd-resolved sixteen), so that a message fits into 1280 octets.
const MOST_SERVERS: usize = 16;

/// What is said on one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// The link-local address by which hosts know their router: nothing is said before the device has it. `None`:
    /// whichever the device has.
    pub source: Option<Ipv6Addr>,
    /// Prefixes that are on-link, and how hosts get addresses of them.
    pub prefixes: BTreeMap<Ipv6Net, Assignment>,
    /// Recursive DNS servers, the best first; at most sixteen are told.
    pub dns_servers: Vec<Ipv6Addr>,
}

/// How hosts get an address of a prefix. They are told to use DHCPv6 in any case (the managed flag).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignment {
    /// By DHCPv6 alone.
    Dhcp,
    /// They make one too (RFC 4862): `dhcpv6_stateless` is `true`.
    Autonomous,
}

/// What of a subnet cannot be told to hosts, and is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NotTold {
    /// Hosts must not take it for one (RFC 4861 §4.6.2, §6.3.4).
    #[error(
        "column cidr of DHCP_Options: {0} is no prefix that a link can have, and hosts are not told of it; correct the subnet"
    )]
    Prefix(Ipv6Net),
    /// Nobody there answers.
    #[error(
        "column options of DHCP_Options, key dns_server: {0} is no server's address, and hosts are not told of it; correct \
         the subnet's DNS servers"
    )]
    Server(Ipv6Addr),
    /// Hosts would not ask it.
    #[error(
        "column options of DHCP_Options, key dns_server: {0} is one too many, hosts are told of {MOST_SERVERS}; remove some"
    )]
    TooManyServers(Ipv6Addr),
}

impl Advertisement {
    /// What the hosts of these subnets are told, and what of it is left out.
    pub fn of<'a>(
        source: Option<Ipv6Addr>,
        subnets: impl IntoIterator<Item = &'a RouterAdvertisement>,
    ) -> (Self, Vec<NotTold>) {
        let mut advertisement = Self {
            source,
            ..Self::default()
        };
        let mut left_out = Vec::new();
        for subnet in subnets {
            left_out.extend(advertisement.add_prefix(subnet).err());
            let servers = subnet.dns_servers.iter();
            left_out.extend(servers.filter_map(|server| advertisement.add_server(*server).err()));
        }
        (advertisement, left_out)
    }

    fn add_prefix(&mut self, subnet: &RouterAdvertisement) -> Result<(), NotTold> {
        let prefix = subnet.prefix.trunc();
        if !is_of_a_link(prefix) {
            return Err(NotTold::Prefix(prefix));
        }
        let assignment = match subnet.autonomous {
            true => Assignment::Autonomous,
            false => Assignment::Dhcp,
        };
        let known = self.prefixes.entry(prefix).or_insert(assignment);
        *known = assignment.max(*known);
        Ok(())
    }

    fn add_server(&mut self, server: Ipv6Addr) -> Result<(), NotTold> {
        if server.is_multicast() || server.is_unspecified() || server.is_loopback() {
            return Err(NotTold::Server(server));
        }
        if self.dns_servers.contains(&server) {
            return Ok(());
        }
        if self.dns_servers.len() >= MOST_SERVERS {
            return Err(NotTold::TooManyServers(server));
        }
        self.dns_servers.push(server);
        Ok(())
    }

    /// The servers that are told.
    pub fn told_servers(&self) -> &[Ipv6Addr] {
        self.dns_servers
            .get(..MOST_SERVERS)
            .unwrap_or(&self.dns_servers)
    }
}

fn is_of_a_link(prefix: Ipv6Net) -> bool {
    let address = prefix.network();
    prefix.prefix_len() > 0 && !address.is_multicast() && !address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "2001:db8:5::/64";

    fn subnet(prefix: &str, autonomous: bool, servers: &[&str]) -> RouterAdvertisement {
        RouterAdvertisement {
            prefix: prefix.parse().unwrap(),
            autonomous,
            dns_servers: servers
                .iter()
                .map(|server| server.parse().unwrap())
                .collect(),
        }
    }

    #[test]
    fn b120_a_prefix_is_for_dhcp_unless_hosts_may_choose() {
        for (autonomous, expected) in [(false, Assignment::Dhcp), (true, Assignment::Autonomous)] {
            let (told, left_out) = Advertisement::of(None, &[subnet(PREFIX, autonomous, &[])]);
            let prefix = PREFIX.parse().unwrap();
            assert_eq!(told.prefixes, BTreeMap::from([(prefix, expected)]));
            assert_eq!(left_out, []);
        }
    }

    #[test]
    fn b120_the_subnets_of_a_network_add_up() {
        let subnets = [
            subnet(PREFIX, false, &["fd00::53"]),
            subnet("2001:db8:6::1/64", false, &["fd00::54", "fd00::53"]),
            subnet(PREFIX, true, &[]),
        ];
        let source = "fe80::200:3e9:0".parse().ok();
        let (told, left_out) = Advertisement::of(source, &subnets);
        let expected = [
            (PREFIX.parse().unwrap(), Assignment::Autonomous),
            ("2001:db8:6::/64".parse().unwrap(), Assignment::Dhcp),
        ];
        assert_eq!(told.source, source);
        assert_eq!(told.prefixes, BTreeMap::from(expected));
        let servers = ["fd00::53", "fd00::54"].map(|server| server.parse::<Ipv6Addr>().unwrap());
        assert_eq!(told.dns_servers, servers);
        assert_eq!(left_out, []);
    }

    #[test]
    fn what_is_no_prefix_of_a_link_is_named() {
        for prefix in ["::/0", "fe80::/64", "ff00::/8"] {
            let (told, left_out) = Advertisement::of(None, &[subnet(prefix, false, &["fd00::53"])]);
            assert_eq!(left_out, [NotTold::Prefix(prefix.parse().unwrap())]);
            assert!(told.prefixes.is_empty() && told.dns_servers.len() == 1);
        }
    }

    #[test]
    fn a_server_that_is_none_is_named_and_the_others_told() {
        let servers = ["ff02::1", "fd00::53", "::", "::1"];
        let (told, left_out) = Advertisement::of(None, &[subnet(PREFIX, false, &servers)]);
        assert_eq!(told.told_servers().len(), 1);
        let expected = ["ff02::1", "::", "::1"].map(|s| NotTold::Server(s.parse().unwrap()));
        assert_eq!(left_out, expected);
    }

    #[test]
    fn the_seventeenth_server_is_named() {
        let many: Vec<String> = (1..=17).map(|n| format!("fd00::{n:x}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (told, left_out) = Advertisement::of(None, &[subnet(PREFIX, false, &many)]);
        assert_eq!(told.dns_servers.len(), MOST_SERVERS);
        assert_eq!(
            left_out,
            [NotTold::TooManyServers("fd00::11".parse().unwrap())]
        );
    }
}
