//! Pure: the BGP instances in what `show running-config` prints, as far as leaking asks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// FRR's BGP instances as they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    instances: Vec<Instance>,
    /// By `name permit|deny number`, the lines of each entry, without indentation.
    route_maps: BTreeMap<String, Vec<String>>,
}

/// One `router bgp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// As FRR writes it: a number, or two with a dot (RFC 5396).
    pub asn: String,
    /// `None` for the default instance.
    pub vrf: Option<String>,
    /// Its own lines, without indentation.
    pub lines: Vec<String>,
    /// By `ipv4 unicast` and its like, the lines of each address family, without indentation.
    pub families: BTreeMap<String, Vec<String>>,
}

impl Running {
    /// Reads the text. What is no BGP instance, or a view, is left out.
    pub fn parse(text: &str) -> Self {
        let mut instances: Vec<Instance> = Vec::new();
        let mut route_maps: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut inside = false;
        let mut route_map: Option<String> = None;
        let mut family: Option<String> = None;
        for line in text.lines() {
            let words = line.trim();
            if words.is_empty() || words == "!" {
                continue;
            }
            if !line.starts_with(' ') {
                family = None;
                let instance = Instance::header(words);
                inside = instance.is_some();
                instances.extend(instance);
                route_map = words.strip_prefix("route-map ").map(str::to_owned);
                if let Some(entry) = &route_map {
                    route_maps.entry(entry.clone()).or_default();
                }
                continue;
            }
            if let Some(lines) = route_map.as_ref().and_then(|m| route_maps.get_mut(m)) {
                lines.push(words.to_owned());
                continue;
            }
            let Some(instance) = instances.last_mut().filter(|_| inside) else {
                continue;
            };
            if let Some(name) = words.strip_prefix("address-family ") {
                instance.families.entry(name.to_owned()).or_default();
                family = Some(name.to_owned());
            } else if words == "exit-address-family" {
                family = None;
            } else if let Some(name) = &family {
                let lines = instance.families.entry(name.clone()).or_default();
                lines.push(words.to_owned());
            } else {
                instance.lines.push(words.to_owned());
            }
        }
        Self {
            instances,
            route_maps,
        }
    }

    /// The lines of an entry of a route map, by `name permit|deny number`.
    pub fn route_map(&self, entry: &str) -> Option<&[String]> {
        self.route_maps.get(entry).map(Vec::as_slice)
    }

    /// The instance of the default VRF.
    pub fn default_instance(&self) -> Option<&Instance> {
        self.instances.iter().find(|i| i.vrf.is_none())
    }

    /// The instance of a VRF.
    pub fn of_vrf(&self, vrf: &str) -> Option<&Instance> {
        let mut instances = self.instances.iter();
        instances.find(|i| i.vrf.as_deref() == Some(vrf))
    }
}

impl Instance {
    fn header(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("router bgp ")?.split_whitespace();
        let asn = words.next()?.to_owned();
        let mut vrf = None;
        while let Some(word) = words.next() {
            match word {
                "vrf" => vrf = Some(words.next()?.to_owned()),
                "view" => return None,
                _ => {}
            }
        }
        Some(Self {
            asn,
            vrf,
            ..Self::default()
        })
    }

    /// Its AS number as one number.
    pub fn as_number(&self) -> Option<u32> {
        match self.asn.split_once('.') {
            None => self.asn.parse().ok(),
            Some((high, low)) => {
                let (high, low): (u16, u16) = (high.parse().ok()?, low.parse().ok()?);
                Some(u32::from(high) << 16 | u32::from(low))
            }
        }
    }

    /// `bgp router-id`
    pub fn router_id(&self) -> Option<Ipv4Addr> {
        let mut lines = self.lines.iter();
        lines.find_map(|line| line.strip_prefix("bgp router-id ")?.trim().parse().ok())
    }

    /// True unless IPv4 unicast has to be activated per neighbour.
    pub fn activates_ipv4(&self) -> bool {
        !self
            .lines
            .iter()
            .any(|line| line == "no bgp default ipv4-unicast")
    }

    /// True for a line of an address family that is these words, or begins with them.
    pub fn has(&self, family: &str, words: &str) -> bool {
        let is = |line: &String| {
            let rest = line.strip_prefix(words);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        self.families
            .get(family)
            .is_some_and(|lines| lines.iter().any(is))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FRR 10.3 with the Python agent's lines in it.
    const PYTHON: &str = include_str!("../../../tests/fixtures/golden/frr_leak/vtysh-run.txt");

    #[test]
    fn instances_are_told_apart_with_their_families() {
        let running = Running::parse(PYTHON);
        let default = running.default_instance().unwrap();
        assert_eq!(default.as_number(), Some(64999));
        assert_eq!(default.router_id(), Some(Ipv4Addr::new(172, 30, 1, 1)));
        assert!(default.has("ipv4 unicast", "import vrf bgp-vrf"));
        assert!(default.has("ipv6 unicast", "neighbor uplink prefix-list"));
        assert!(!default.has("ipv6 unicast", "neighbor up"));
        let leaked = running.of_vrf("bgp-vrf").unwrap();
        assert!(leaked.has("ipv6 unicast", "redistribute connected"));
        assert!(!leaked.has("ipv6 unicast", "redistribute kernel"));
        assert_eq!(running.of_vrf("vrf-x"), None);
    }

    #[test]
    fn an_as_number_may_have_a_dot() {
        let running = Running::parse("router bgp 1.10 as-notation dot\nexit\n");
        let default = running.default_instance().unwrap();
        assert_eq!(default.as_number(), Some(65546));
    }

    #[test]
    fn views_and_other_routers_are_not_the_default_instance() {
        let text = "router ospf\n bgp router-id 192.0.2.9\nexit\nrouter bgp 65001 view looking-glass\nexit\n";
        assert_eq!(Running::parse(text), Running::default());
    }

    #[test]
    fn an_instance_ends_where_another_section_begins() {
        // FRR 7 writes no "exit".
        let text = "router bgp 64999\n neighbor x remote-as 1\n!\nroute-map a permit 10\n set src 192.0.2.1\n!\n";
        let running = Running::parse(text);
        assert_eq!(running.default_instance().unwrap().lines.len(), 1);
    }
}
