//! Pure: the route maps by which FRR gives routes the attributes that policies say, and the difference to what runs.
//!
//! ```text
//! ip prefix-list ovn-bgp-agent-policy-1 seq 1 permit 172.24.4.10/32          ipv6 likewise
//! route-map ovn-bgp-agent-policy permit 1
//!  match ip address prefix-list ovn-bgp-agent-policy-1
//!  set community 65000:100 65535:65281
//!  set metric 50
//! route-map ovn-bgp-agent-policy permit 65535                                everything else as it is
//! router bgp AS vrf VRF
//!  address-family ipv4|ipv6 unicast
//!   redistribute connected|kernel route-map ovn-bgp-agent-policy
//! ```
//!
//! One entry for each family and set of attributes, with a prefix list of its number. A tenant has a map of its own,
//! `ovn-bgp-agent-policy-vni-VNI`: one prefix may be in two tables. At the redistribution the attributes are those of
//! the route from its beginning, so that they come through `import vrf` and `advertise … unicast` alike.
//!
//! FRR applies what changes of a map that is in use after `bgp route-map delay-timer` (5 s) to the routes it has, and
//! at once to new ones.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::leaking::Block;
use super::running::{Instance, Running};
use crate::exposure::Attributes;
use words::Said;
pub use words::lost_in_frr;

/// Name of the map for what is leaked; every name here begins so.
pub(super) const LEAKED: &str = "ovn-bgp-agent-policy";

/// The last entry of a map, and the one before it where that is needed.
const LAST: [u16; 2] = [65534, 65535];

/// What policies say of the routes of one table, as far as FRR can pass it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributed {
    sets: BTreeMap<(Family, Said), BTreeSet<IpNet>>,
}

/// As the lines of maps and lists begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Ip,
    Ipv6,
}

impl Family {
    const ALL: [Self; 2] = [Self::Ip, Self::Ipv6];

    fn word(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ipv6 => "ipv6",
        }
    }
}

impl Attributed {
    /// Nothing is said of any route.
    pub const fn nothing() -> Self {
        Self {
            sets: BTreeMap::new(),
        }
    }

    /// The route to `prefix` has these.
    pub fn add(&mut self, prefix: IpNet, attributes: &Attributes) {
        let said = Said::of(attributes);
        if said.is_empty() {
            return;
        }
        let family = match prefix {
            IpNet::V4(_) => Family::Ip,
            IpNet::V6(_) => Family::Ipv6,
        };
        let prefixes = self.sets.entry((family, said)).or_default();
        prefixes.insert(prefix.trunc());
    }

    /// Whether nothing is said of any route.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

/// Name of the map of a tenant.
pub(super) fn of_vni(vni: u32) -> String {
    format!("{LEAKED}-vni-{vni}")
}

/// The VNIs whose map, or lists of it, run.
pub(super) fn running_vnis(running: &Running) -> BTreeSet<u32> {
    let vni = |name: &str| {
        let rest = name.strip_prefix(LEAKED)?.strip_prefix("-vni-")?;
        rest.split('-').next()?.parse().ok()
    };
    let maps = running
        .route_maps()
        .filter_map(|(entry, _)| vni(entry.split(' ').next()?));
    let lists = running
        .prefix_lists()
        .filter_map(|line| vni(ListLine::parse(line)?.name));
    maps.chain(lists).collect()
}

/// What is to be sent before the map is used, and what after it is used no more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Commands {
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
}

/// Makes the map `name` say what is wished; `rest` are its last entries, for routes that no policy speaks of. What runs
/// and is right keeps its number, so that an agent that starts again writes nothing.
pub(super) fn difference(
    name: &str,
    wished: &Attributed,
    rest: &[Vec<String>],
    running: &Running,
) -> Commands {
    if wished.is_empty() {
        return Commands {
            after: removal(name, running),
            ..Commands::default()
        };
    }
    let map = Map::of(name, running);
    let mut commands = Commands::default();
    let (lists, entries) = map.numbered(wished);
    map.lists(&lists, running, &mut commands);
    for (number, lines) in &entries {
        map.entry(*number, lines, &mut commands.before);
    }
    let first = LAST.len().saturating_sub(rest.len());
    for (number, lines) in LAST.iter().skip(first).zip(rest) {
        map.entry(*number, lines, &mut commands.before);
    }
    let kept = |number: &u16| LAST[first..].contains(number) || entries.contains_key(number);
    let stale = map.there.iter().filter(|(number, _)| !kept(number));
    let stale =
        stale.map(|(number, entry)| format!("no route-map {name} {} {number}", entry.action));
    // The entry before its list.
    commands.after.splice(..0, stale);
    commands
}

/// Whether nothing else is changed by these commands.
pub(super) fn is_about(commands: &[String]) -> bool {
    let within = ["match ", "set ", "router bgp ", "address-family ", "exit"];
    let about =
        |line: &String| line.contains(LEAKED) || within.iter().any(|words| line.starts_with(words));
    commands.iter().all(about)
}

/// What takes the map and its lists away.
pub(super) fn removal(name: &str, running: &Running) -> Vec<String> {
    let map = Map::of(name, running);
    let mut commands = Vec::new();
    if !map.there.is_empty() {
        commands.push(format!("no route-map {name}"));
    }
    let lists = running.prefix_lists().filter_map(ListLine::parse);
    let lists: BTreeSet<(Family, &str)> = lists
        .filter(|line| map.number_of(line.name).is_some())
        .map(|line| (line.family, line.name))
        .collect();
    let words = |(family, list): (Family, &str)| format!("no {} prefix-list {list}", family.word());
    commands.extend(lists.into_iter().map(words));
    commands
}

/// An entry of a route map as it runs.
struct Entry<'a> {
    action: &'a str,
    lines: &'a [String],
}

/// A route map as it runs, by the numbers of its entries.
struct Map<'a> {
    name: &'a str,
    there: BTreeMap<u16, Entry<'a>>,
}

type Lists<'a> = BTreeMap<(Family, u16), &'a BTreeSet<IpNet>>;

impl<'a> Map<'a> {
    fn of(name: &'a str, running: &'a Running) -> Self {
        let entry = |(entry, lines): (&'a str, &'a [String])| {
            let (action, number) = entry
                .strip_prefix(name)?
                .strip_prefix(' ')?
                .split_once(' ')?;
            Some((number.parse().ok()?, Entry { action, lines }))
        };
        let there = running.route_maps().filter_map(entry).collect();
        Self { name, there }
    }

    /// The number in the name of a list of this map.
    fn number_of(&self, list: &str) -> Option<u16> {
        list.strip_prefix(self.name)?
            .strip_prefix('-')?
            .parse()
            .ok()
    }

    fn match_line(&self, family: Family, number: u16) -> String {
        let word = family.word();
        format!("match {word} address prefix-list {}-{number}", self.name)
    }

    /// What an entry that runs says of which family, if it is one that we would write.
    fn said(&self, number: u16, entry: &Entry<'_>) -> Option<(Family, Said)> {
        let mut families = Family::ALL.into_iter();
        let of = |family: &Family| entry.lines.contains(&self.match_line(*family, number));
        let family = families.find(of).filter(|_| entry.action == "permit")?;
        let line = self.match_line(family, number);
        let rest = entry.lines.iter().filter(|there| **there != line);
        Some((family, Said::running(rest)))
    }

    /// A number for each set: its own, or a new one behind all others, where an entry that is not complete yet takes no
    /// route from another.
    fn numbered<'b>(&self, wished: &'b Attributed) -> (Lists<'b>, BTreeMap<u16, Vec<String>>) {
        let known = self.there.iter();
        let known: BTreeMap<_, u16> = known
            .filter_map(|(number, entry)| Some((self.said(*number, entry)?, *number)))
            .collect();
        let below = LAST[0];
        let used = self.there.range(..below).next_back();
        let highest = used.map_or(0, |(number, _)| *number);
        let free = (highest + 1..below).chain(1..=highest);
        let mut free = free.filter(|number| !self.there.contains_key(number));
        let (mut lists, mut entries) = (BTreeMap::new(), BTreeMap::new());
        for (set, prefixes) in &wished.sets {
            // Of more sets than a map has numbers the last go without.
            let Some(number) = known.get(set).copied().or_else(|| free.next()) else {
                break;
            };
            let (family, said) = set;
            let lines = std::iter::once(self.match_line(*family, number));
            let lines = lines.chain(said.lines().iter().cloned()).collect();
            entries.insert(number, lines);
            lists.insert((*family, number), prefixes);
        }
        (lists, entries)
    }

    /// The lines of prefix lists that are missing, and those that are too many.
    fn lists(&self, wished: &Lists<'_>, running: &Running, commands: &mut Commands) {
        let mut there: BTreeMap<(Family, u16), Vec<ListLine<'_>>> = BTreeMap::new();
        for line in running.prefix_lists().filter_map(ListLine::parse) {
            if let Some(number) = self.number_of(line.name) {
                there.entry((line.family, number)).or_default().push(line);
            }
        }
        for (key, prefixes) in wished {
            let lines = there.remove(key).unwrap_or_default();
            self.list(*key, prefixes, &lines, commands);
        }
        for ((family, number), _) in there {
            let list = format!("{} prefix-list {}-{number}", family.word(), self.name);
            commands.after.push(format!("no {list}"));
        }
    }

    fn list(
        &self,
        (family, number): (Family, u16),
        wished: &BTreeSet<IpNet>,
        there: &[ListLine<'_>],
        commands: &mut Commands,
    ) {
        let mut found: BTreeSet<IpNet> = BTreeSet::new();
        for line in there {
            let prefix = line.prefix.filter(|prefix| wished.contains(prefix));
            if !prefix.is_some_and(|prefix| found.insert(prefix)) {
                commands.after.push(format!("no {}", line.text));
            }
        }
        let used: BTreeSet<u32> = there.iter().map(|line| line.sequence).collect();
        let highest = used.last().copied().unwrap_or_default();
        let free = (highest.saturating_add(1)..=u32::MAX).chain(1..=highest);
        // Given by us, because FRR would look through the list for each.
        let free = free.filter(|sequence| !used.contains(sequence));
        let (word, name) = (family.word(), self.name);
        for (prefix, sequence) in wished.difference(&found).zip(free) {
            commands.before.push(format!(
                "{word} prefix-list {name}-{number} seq {sequence} permit {prefix}"
            ));
        }
    }

    fn entry(&self, number: u16, lines: &[String], commands: &mut Vec<String>) {
        let name = self.name;
        if let Some(there) = self.there.get(&number) {
            let same = Said::running(there.lines.iter()) == Said::running(lines.iter());
            if same && there.action == "permit" {
                return;
            }
            commands.push(format!("no route-map {name} {} {number}", there.action));
        }
        commands.push(format!("route-map {name} permit {number}"));
        commands.extend_from_slice(lines);
        commands.push("exit".to_owned());
    }
}

/// A line of a prefix list as it runs.
struct ListLine<'a> {
    text: &'a str,
    family: Family,
    name: &'a str,
    sequence: u32,
    /// What it permits, if that is one prefix.
    prefix: Option<IpNet>,
}

impl<'a> ListLine<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        let family = match words.next()? {
            "ip" => Family::Ip,
            _ => Family::Ipv6,
        };
        let name = words.nth(1)?;
        let sequence = words.nth(1)?.parse().ok()?;
        let permits = words.next() == Some("permit");
        let prefix = words.next().and_then(|prefix| prefix.parse().ok());
        let alone = permits && words.next().is_none();
        Some(Self {
            text,
            family,
            name,
            sequence,
            prefix: prefix.filter(|_| alone),
        })
    }
}

/// Through which map a table's routes are redistributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Through<'a> {
    /// Not known yet what policies say: a map of ours stays where it is.
    Unknown,
    /// None, or one that has nothing to do with policies.
    Plain(Option<&'a str>),
    Policy,
}

/// One `redistribute WHAT` of an instance, which is wanted. `policy` is the name of its map.
pub(super) struct Redistribution<'a> {
    pub(super) what: &'a str,
    pub(super) policy: &'a str,
    /// Another map with which it is ours.
    pub(super) usual: Option<&'a str>,
    /// Nobody else's line is left there.
    pub(super) insists: bool,
    pub(super) through: Through<'a>,
}

impl Redistribution<'_> {
    /// The lines that are missing. Another's route map, or metric, stays.
    pub(super) fn difference(&self, existing: Option<&Instance>, family: &str, block: &mut Block) {
        let there = line_of(existing, family, self.what);
        let plain = format!("redistribute {}", self.what);
        let by = |map: &str| format!("{plain} route-map {map}");
        let policy = by(self.policy);
        let wanted = match self.through {
            Through::Policy => &policy,
            Through::Unknown if there == Some(&policy) => &policy,
            Through::Unknown => &plain,
            Through::Plain(map) => &map.map_or_else(|| plain.clone(), by),
        };
        match there {
            Some(line) if line == wanted => {}
            Some(line) if !self.is_ours(line) => {}
            // FRR keeps the route map of a line that comes again without one.
            Some(line) if *line != plain && *wanted == plain => {
                block.in_family(family, format!("no {plain}"));
                block.in_family(family, plain);
            }
            _ => block.in_family(family, wanted.clone()),
        }
    }

    /// The line as it runs, if it is another's.
    pub(super) fn theirs<'a>(
        &self,
        existing: Option<&'a Instance>,
        family: &str,
    ) -> Option<&'a String> {
        line_of(existing, family, self.what).filter(|line| !self.is_ours(line))
    }

    fn is_ours(&self, line: &str) -> bool {
        let plain = format!("redistribute {}", self.what);
        let Some(rest) = line.strip_prefix(&plain) else {
            return false;
        };
        let map = rest.strip_prefix(" route-map ");
        self.insists
            || rest.is_empty()
            || map.is_some_and(|map| map == self.policy || Some(map) == self.usual)
    }
}

fn line_of<'a>(existing: Option<&'a Instance>, family: &str, what: &str) -> Option<&'a String> {
    let plain = format!("redistribute {what}");
    let lines = existing?.family(family);
    lines.iter().find(|line| {
        let rest = line.strip_prefix(&plain);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    })
}

#[cfg(test)]
mod tests;
