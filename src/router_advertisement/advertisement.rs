//! What hosts of a network are told, and how it follows from OVN's DHCP options.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use ipnet::{IpNet, Ipv6Net};

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

/// What of a row of OVN's DHCP_Options cannot be told to hosts, and is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOption {
    /// Neutron writes the subnet there.
    #[error("column cidr: '{0}' is no prefix: correct the subnet, hosts are told nothing of it")]
    Cidr(String),
    /// Hosts must not take it for one (RFC 4861 §4.6.2, §6.3.4).
    #[error("column cidr: {0} is no prefix that a link can have: hosts are told nothing of it")]
    NoLinkPrefix(Ipv6Net),
    /// An entry of the list.
    #[error(
        "column options, key dns_server: '{0}' is no IPv6 address of a server: hosts are told of the others; \
         correct the subnet's DNS servers"
    )]
    DnsServer(String),
    /// Hosts would not ask it.
    #[error(
        "column options, key dns_server: {0} is one too many, {MOST_SERVERS} are told: remove some"
    )]
    TooManyServers(Ipv6Addr),
}

impl Advertisement {
    /// Adds what one row of DHCP_Options says: its column `cidr`, and its column `options` by key. A row of IPv4
    /// says nothing. Answers what is left out.
    pub fn add_dhcp_options<'a>(
        &mut self,
        cidr: &str,
        options: impl Fn(&str) -> Option<&'a str>,
    ) -> Vec<InvalidOption> {
        let prefix = match cidr.trim().parse() {
            Ok(IpNet::V6(prefix)) => prefix.trunc(),
            Ok(IpNet::V4(_)) => return Vec::new(),
            Err(_) => return vec![InvalidOption::Cidr(cidr.to_owned())],
        };
        if !is_of_a_link(prefix) {
            return vec![InvalidOption::NoLinkPrefix(prefix)];
        }
        // ovn-controller reads its booleans regardless of case.
        let stateless = options("dhcpv6_stateless")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let assignment = match stateless {
            true => Assignment::Autonomous,
            false => Assignment::Dhcp,
        };
        let known = self.prefixes.entry(prefix).or_insert(assignment);
        *known = assignment.max(*known);
        let servers = options("dns_server").map(addresses).into_iter().flatten();
        servers
            .filter_map(|word| self.add_server(word).err())
            .collect()
    }

    fn add_server(&mut self, word: &str) -> Result<(), InvalidOption> {
        let address: Option<Ipv6Addr> = word.parse().ok();
        let unusable = |a: &Ipv6Addr| a.is_multicast() || a.is_unspecified() || a.is_loopback();
        let Some(address) = address.filter(|address| !unusable(address)) else {
            return Err(InvalidOption::DnsServer(word.to_owned()));
        };
        if self.dns_servers.contains(&address) {
            return Ok(());
        }
        if self.dns_servers.len() >= MOST_SERVERS {
            return Err(InvalidOption::TooManyServers(address));
        }
        self.dns_servers.push(address);
        Ok(())
    }

    /// The servers that are told.
    pub fn told_servers(&self) -> &[Ipv6Addr] {
        self.dns_servers
            .get(..MOST_SERVERS)
            .unwrap_or(&self.dns_servers)
    }
}

/// `{a, b}`, or one without braces: Neutron writes both.
fn addresses(value: &str) -> impl Iterator<Item = &str> {
    let value = value.trim();
    let inside = value
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    let words = inside
        .unwrap_or(value)
        .split(|c: char| c == ',' || c.is_whitespace());
    words.filter(|word| !word.is_empty())
}

fn is_of_a_link(prefix: Ipv6Net) -> bool {
    let address = prefix.network();
    prefix.prefix_len() > 0 && !address.is_multicast() && !address.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "2001:db8:5::/64";

    fn told(rows: &[(&str, &[(&str, &'static str)])]) -> (Advertisement, Vec<InvalidOption>) {
        let mut advertisement = Advertisement::default();
        let mut left_out = Vec::new();
        for (cidr, options) in rows {
            let value = |key: &str| options.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
            left_out.extend(advertisement.add_dhcp_options(cidr, value));
        }
        (advertisement, left_out)
    }

    fn servers(value: &'static str) -> (Vec<String>, Vec<InvalidOption>) {
        let (advertisement, left_out) = told(&[(PREFIX, &[("dns_server", value)])]);
        let servers = advertisement.dns_servers.iter();
        (servers.map(ToString::to_string).collect(), left_out)
    }

    #[test]
    fn b120_a_prefix_is_for_dhcp_unless_stateless_is_true() {
        for (options, expected) in [
            (&[][..], Assignment::Dhcp),
            (&[("dhcpv6_stateless", "false")], Assignment::Dhcp),
            (&[("dhcpv6_stateless", "")], Assignment::Dhcp),
            (&[("dhcpv6_stateless", "true")], Assignment::Autonomous),
            (&[("dhcpv6_stateless", "True")], Assignment::Autonomous),
        ] {
            let (advertisement, left_out) = told(&[(PREFIX, options)]);
            let prefix = PREFIX.parse().unwrap();
            assert_eq!(advertisement.prefixes, BTreeMap::from([(prefix, expected)]));
            assert_eq!(left_out, []);
        }
    }

    #[test]
    fn b120_dns_servers_come_from_a_list_and_from_a_bare_address() {
        let both = vec!["2001:db8::53".to_owned(), "fd00::53".to_owned()];
        for value in [
            "{2001:db8::53, fd00::53}",
            " { 2001:db8::53 ,fd00::53 } ",
            "2001:db8::53, fd00::53",
            "{2001:db8::53, fd00::53, 2001:db8::53}",
        ] {
            assert_eq!(servers(value), (both.clone(), vec![]), "{value}");
        }
        // The Python agent makes 001:db8::5 of it.
        assert_eq!(servers("2001:db8::53"), (both[..1].to_vec(), vec![]));
        assert_eq!(servers(""), (vec![], vec![]));
        assert_eq!(servers("{}"), (vec![], vec![]));
    }

    #[test]
    fn b120_a_server_that_is_none_is_named_and_the_others_told() {
        let expected = ["192.0.2.53", "nonsense", "ff02::1", "::"];
        let (found, left_out) = servers("{192.0.2.53, nonsense, fd00::53, ff02::1, ::}");
        assert_eq!(found, ["fd00::53"]);
        let expected = expected.map(|word| InvalidOption::DnsServer(word.to_owned()));
        assert_eq!(left_out, expected);
    }

    #[test]
    fn rows_of_ipv4_say_nothing() {
        let row: &[_] = &[("dns_server", "{192.0.2.53}"), ("router", "192.0.2.1")];
        let (advertisement, left_out) = told(&[("192.0.2.0/24", row)]);
        assert_eq!(
            (advertisement, left_out),
            (Advertisement::default(), vec![])
        );
    }

    #[test]
    fn what_is_no_prefix_of_a_link_is_named() {
        for cidr in ["", "2001:db8::/129", "subnet"] {
            let (advertisement, left_out) = told(&[(cidr, &[("dns_server", "fd00::53")])]);
            assert_eq!(left_out, [InvalidOption::Cidr(cidr.to_owned())]);
            assert_eq!(advertisement, Advertisement::default());
        }
        for cidr in ["::/0", "fe80::/64", "ff00::/8"] {
            let (_, left_out) = told(&[(cidr, &[])]);
            assert_eq!(
                left_out,
                [InvalidOption::NoLinkPrefix(cidr.parse().unwrap())]
            );
        }
    }

    #[test]
    fn several_rows_add_up() {
        let (advertisement, left_out) = told(&[
            (PREFIX, &[("dns_server", "fd00::53")]),
            (
                "2001:db8:6::1/64",
                &[("dns_server", "{fd00::54, fd00::53}")],
            ),
            (PREFIX, &[("dhcpv6_stateless", "true")]),
        ]);
        let prefixes: Vec<_> = advertisement.prefixes.iter().collect();
        let other = "2001:db8:6::/64".parse().unwrap();
        let first = PREFIX.parse().unwrap();
        let expected = [
            (&first, &Assignment::Autonomous),
            (&other, &Assignment::Dhcp),
        ];
        assert_eq!(prefixes, expected);
        assert_eq!(advertisement.dns_servers.len(), 2);
        assert_eq!(left_out, []);
    }

    #[test]
    fn the_seventeenth_server_is_named() {
        let many: Vec<String> = (1..=17).map(|n| format!("fd00::{n:x}")).collect();
        let value: &'static str = Box::leak(format!("{{{}}}", many.join(", ")).into_boxed_str());
        let (found, left_out) = servers(value);
        assert_eq!(found.len(), MOST_SERVERS);
        assert_eq!(
            left_out,
            [InvalidOption::TooManyServers("fd00::11".parse().unwrap())]
        );
    }
}
