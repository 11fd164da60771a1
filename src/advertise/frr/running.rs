//! Pure: the BGP instances, VRFs and interfaces in what `show running-config` prints, as far as is asked here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// FRR's BGP instances as they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    instances: Vec<Instance>,
    /// By `name permit|deny number`, the lines of each entry, without indentation.
    route_maps: BTreeMap<String, Vec<String>>,
    /// The lines of all prefix lists.
    prefix_lists: BTreeSet<String>,
    /// By name, the lines of each `vrf`, without indentation.
    vrfs: BTreeMap<String, Vec<String>>,
    /// By name, the lines of each `interface`, without indentation.
    interfaces: BTreeMap<String, Vec<String>>,
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
    /// By VNI, the lines of each `vni` block below `address-family l2vpn evpn`, without indentation.
    pub vnis: BTreeMap<u32, Vec<String>>,
}

impl Running {
    /// Reads the text. What is none of these, or a view, is left out.
    pub fn parse(text: &str) -> Self {
        let mut running = Self::default();
        let mut section = Section::Other;
        for line in text.lines() {
            let words = line.trim();
            if words.is_empty() || matches!(words, "!" | "exit-vrf") {
                continue;
            }
            if line.starts_with(' ') {
                running.take_in(&mut section, words);
            } else {
                section = running.open(words);
            }
        }
        running
    }

    /// A line without indentation begins a section.
    fn open(&mut self, words: &str) -> Section {
        // An interface may be said to be in a VRF.
        let name = |rest: &str| rest.split_whitespace().next().map(str::to_owned);
        if let Some(instance) = Instance::header(words) {
            self.instances.push(instance);
            Section::Instance {
                family: None,
                vni: None,
            }
        } else if let Some(entry) = words.strip_prefix("route-map ") {
            self.route_maps.entry(entry.to_owned()).or_default();
            Section::RouteMap(entry.to_owned())
        } else if let Some(vrf) = words.strip_prefix("vrf ").and_then(name) {
            self.vrfs.entry(vrf.clone()).or_default();
            Section::Vrf(vrf)
        } else if let Some(interface) = words.strip_prefix("interface ").and_then(name) {
            self.interfaces.entry(interface.clone()).or_default();
            Section::Interface(interface)
        } else {
            if words.starts_with("ip prefix-list ") || words.starts_with("ipv6 prefix-list ") {
                self.prefix_lists.insert(words.to_owned());
            }
            Section::Other
        }
    }

    fn take_in(&mut self, section: &mut Section, words: &str) {
        let lines = match section {
            Section::Instance { family, vni } => {
                let instance = self.instances.last_mut();
                instance.and_then(|instance| instance.lines_of(family, vni, words))
            }
            Section::RouteMap(entry) => self.route_maps.get_mut(entry),
            Section::Vrf(name) => self.vrfs.get_mut(name),
            Section::Interface(name) => self.interfaces.get_mut(name),
            Section::Other => None,
        };
        if let Some(lines) = lines {
            lines.push(words.to_owned());
        }
    }

    /// True for a line of a prefix list.
    pub fn has_prefix_list(&self, line: &str) -> bool {
        self.prefix_lists.contains(line)
    }

    /// The lines of all prefix lists.
    pub fn prefix_lists(&self) -> impl Iterator<Item = &str> {
        self.prefix_lists.iter().map(String::as_str)
    }

    /// The VRFs that are configured, and the lines of each.
    pub fn vrfs(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.vrfs
            .iter()
            .map(|(name, lines)| (name.as_str(), lines.as_slice()))
    }

    /// The lines of a VRF, if it is configured.
    pub fn vrf(&self, name: &str) -> Option<&[String]> {
        self.vrfs.get(name).map(Vec::as_slice)
    }

    /// The interfaces that are configured, and the lines of each.
    pub fn interfaces(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.interfaces
            .iter()
            .map(|(name, lines)| (name.as_str(), lines.as_slice()))
    }

    /// The lines of an interface, none if it is not configured.
    pub fn interface(&self, name: &str) -> &[String] {
        self.interfaces.get(name).map_or(&[], Vec::as_slice)
    }

    /// All instances of VRFs.
    pub fn of_vrfs(&self) -> impl Iterator<Item = (&str, &Instance)> {
        self.instances
            .iter()
            .filter_map(|i| Some((i.vrf.as_deref()?, i)))
    }

    /// The lines of an entry of a route map, by `name permit|deny number`.
    pub fn route_map(&self, entry: &str) -> Option<&[String]> {
        self.route_maps.get(entry).map(Vec::as_slice)
    }

    /// By `name permit|deny number`, the lines of each entry of all route maps.
    pub fn route_maps(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.route_maps
            .iter()
            .map(|(entry, lines)| (entry.as_str(), lines.as_slice()))
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

/// What the line that is being read belongs to.
enum Section {
    /// The last instance, and the address family of it.
    Instance {
        family: Option<String>,
        vni: Option<u32>,
    },
    RouteMap(String),
    Vrf(String),
    Interface(String),
    Other,
}

impl Instance {
    /// Where a line belongs, if it is one to keep.
    fn lines_of(
        &mut self,
        family: &mut Option<String>,
        vni: &mut Option<u32>,
        words: &str,
    ) -> Option<&mut Vec<String>> {
        if let Some(of) = *vni {
            if words == "exit-vni" {
                *vni = None;
                return None;
            }
            return Some(self.vnis.entry(of).or_default());
        }
        let begun = words.strip_prefix("vni ").filter(|_| family.is_some());
        if let Some(of) = begun.and_then(|number| number.parse().ok()) {
            self.vnis.entry(of).or_default();
            *vni = Some(of);
            None
        } else if let Some(name) = words.strip_prefix("address-family ") {
            self.families.entry(name.to_owned()).or_default();
            *family = Some(name.to_owned());
            None
        } else if words == "exit-address-family" {
            *family = None;
            None
        } else if let Some(name) = family {
            Some(self.families.entry(name.clone()).or_default())
        } else {
            Some(&mut self.lines)
        }
    }

    /// The lines of an address family; none if it has none.
    pub fn family(&self, name: &str) -> &[String] {
        self.families.get(name).map_or(&[], Vec::as_slice)
    }

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
    fn the_blocks_of_vnis_are_told_apart_from_their_family() {
        let text = "router bgp 64999\n address-family l2vpn evpn\n  advertise-all-vni\n  vni 2001\n   rd 10.0.0.1:7\n  \
            exit-vni\n  vni 2002\n  exit-vni\n  advertise-svi-ip\n exit-address-family\nexit\n";
        let running = Running::parse(text);
        let default = running.default_instance().unwrap();
        let evpn = ["advertise-all-vni", "advertise-svi-ip"];
        assert_eq!(default.family("l2vpn evpn"), evpn);
        assert_eq!(default.vnis[&2001], ["rd 10.0.0.1:7"]);
        assert_eq!(default.vnis[&2002], [""; 0]);
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
