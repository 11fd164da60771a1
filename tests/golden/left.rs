//! What the Python agent left: outputs of `ip`, `ovs-ofctl` and `sysctl`, read as sets of objects in the words of these tools.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// The files of one node.
pub(crate) struct Left {
    dir: &'static str,
}

pub(crate) const NORTHBOUND: Left = Left { dir: "nb_underlay" };
pub(crate) const SOUTHBOUND: Left = Left { dir: "sb_underlay" };
pub(crate) const STRETCHED: Left = Left {
    dir: "frr_leak/stretched_l2",
};

impl Left {
    pub(crate) const fn of(dir: &'static str) -> Self {
        Self { dir }
    }

    /// The text of a file.
    pub(crate) fn text(&self, file: &str) -> String {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden");
        let path = format!("{root}/{}/{file}", self.dir);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn lines(&self, file: &str) -> Vec<String> {
        let text = self.text(file);
        text.lines().map(|l| l.trim_end().to_owned()).collect()
    }

    /// `to` of the rules at priority 32000, as they are written.
    pub(crate) fn rules(&self) -> BTreeSet<String> {
        let rules = ["ip-rule.txt", "ip-6-rule.txt"].map(|file| self.lines(file));
        let ours = |line: String| {
            let rest = line.strip_prefix("32000:\tfrom all to ")?.to_owned();
            let (to, table) = rest.split_once(" lookup ")?;
            assert_eq!(table, "br-ex");
            Some(to.to_owned())
        };
        rules.into_iter().flatten().filter_map(ours).collect()
    }

    /// `PREFIX [via NEXT_HOP] dev DEVICE` of the routes of a table that are not the kernel's own.
    pub(crate) fn routes(&self, table: &str) -> BTreeSet<String> {
        let word = format!(" table {table}");
        let route = |line: &String| {
            let (route, rest) = line.split_once(&word)?;
            if rest.contains("proto kernel") {
                return None;
            }
            let (to, way) = route.split_once(' ')?;
            let any = if rest.contains("metric") {
                "::/0"
            } else {
                "0.0.0.0/0"
            };
            let to = if to == "default" {
                any.to_owned()
            } else {
                prefix(to).to_string()
            };
            Some(format!("{to} {way}"))
        };
        self.lines("ip-route-all.txt")
            .iter()
            .filter_map(route)
            .collect()
    }

    /// `ADDRESS dev DEVICE lladdr MAC` of the permanent neighbours.
    pub(crate) fn neighbours(&self) -> BTreeSet<String> {
        let lines = self.lines("ip-neigh.txt").into_iter();
        lines
            .filter_map(|line| line.strip_suffix(" PERMANENT").map(str::to_owned))
            .collect()
    }

    /// `ADDRESS dev DEVICE proxy`.
    pub(crate) fn proxies(&self) -> BTreeSet<String> {
        self.lines("ip-neigh-proxy.txt").into_iter().collect()
    }

    /// The flows of br-ex with the agent's cookie, from their priority on.
    pub(crate) fn flows(&self) -> BTreeSet<String> {
        let lines = self.lines("flows-br-ex.txt").into_iter();
        lines
            .filter(|line| line.contains("cookie=0x3e7,"))
            .map(|line| line.split_once("priority=").unwrap().1.to_owned())
            .collect()
    }

    /// The sysctls that are 1: what the agent sets is 0 before it comes.
    pub(crate) fn sysctls(&self) -> BTreeSet<String> {
        let lines = self.lines("sysctl.txt").into_iter();
        lines
            .filter_map(|line| line.strip_suffix(" = 1").map(str::to_owned))
            .collect()
    }

    /// The global addresses of a device, with their lengths.
    pub(crate) fn addresses(&self, device: &str) -> BTreeSet<String> {
        let text = self.text("ip-addr.txt");
        let head = format!(": {device}");
        let is_head = |line: &&str| {
            line.split_once(&head)
                .is_some_and(|(number, rest)| !number.contains(' ') && rest.starts_with([':', '@']))
        };
        let own = text.lines().skip_while(|line| !is_head(line)).skip(1);
        let own = own.take_while(|line| line.starts_with(' '));
        let address = |line: &str| {
            let mut words = line.split_whitespace();
            let family = words.next()?;
            let global = line.contains("scope global");
            (family.starts_with("inet") && global).then(|| words.next().map(str::to_owned))?
        };
        own.filter_map(address).collect()
    }

    /// The devices and their states, without what only this run had (numbers, MACs).
    pub(crate) fn devices(&self) -> BTreeSet<String> {
        let text = self.text("ip-addr.txt");
        let heads = text.lines().filter(|line| !line.starts_with(' '));
        let name = |line: &str| {
            let (_, rest) = line.split_once(": ")?;
            let (name, flags) = rest.split_once(": <")?;
            let up = flags.split_once('>')?.0.split(',').any(|flag| flag == "UP");
            Some(format!("{name} {}", if up { "up" } else { "down" }))
        };
        heads.filter_map(name).collect()
    }

    /// What the leaf has learned from the node.
    pub(crate) fn learned(&self) -> BTreeSet<IpNet> {
        let lines = self.lines("leaf-routes.txt").into_iter();
        lines
            .filter(|line| line.contains("proto bird"))
            .map(|line| prefix(line.split_once(' ').unwrap().0))
            .collect()
    }

    /// The number of the table of br-ex.
    pub(crate) fn table(&self) -> u32 {
        let lines = self.lines("rt_tables.txt");
        let number = lines.iter().find_map(|line| line.strip_suffix(" br-ex"));
        number.unwrap().parse().unwrap()
    }

    /// The MAC of br-ex.
    pub(crate) fn bridge_mac(&self) -> String {
        let text = self.text("ip-addr.txt");
        let (_, rest) = text.split_once(": br-ex: <").unwrap();
        let (_, mac) = rest.split_once("link/ether ").unwrap();
        mac.split_once(' ').unwrap().0.to_owned()
    }
}

/// `1.2.3.4` or `1.2.3.4/24`, as `ip` prints destinations.
pub(crate) fn prefix(text: &str) -> IpNet {
    let host = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse()
        .ok()
        .unwrap_or_else(|| host().unwrap_or_else(|_| panic!("{text} is no prefix")))
}
