//! The VRF of a VNI and its BGP instance.

use std::collections::{BTreeMap, BTreeSet};

use bgp::wire::evpn::{RouteDistinguisher, RouteTarget};

use super::{CannotHost, Tenant, redistribution};
use crate::advertise::frr::attributed::{self, Attributed};
use crate::advertise::frr::leaking::{Block, CannotLeak, FAMILIES};
use crate::advertise::frr::running::{Instance, Running};

pub(super) const EVPN: &str = "l2vpn evpn";

/// What of the instance's routes becomes type 5.
const ADVERTISED: [&str; 2] = ["advertise ipv4 unicast", "advertise ipv6 unicast"];

/// Which way a route target works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Import,
    Export,
}

impl Tenant {
    /// The commands that are missing, and those that take back what a former RD, RT or AS needed.
    pub(super) fn missing(&self, vni: u32, running: &Running) -> Result<Vec<String>, CannotHost> {
        let vrf = name(vni);
        let (mut commands, existing) = self.instance(vni, running)?;
        if commands.is_empty() {
            commands.extend(vni_difference(&vrf, vni, running));
        } else {
            commands.extend(block(format!("vrf {vrf}"), [format!("vni {vni}")]));
        }
        let asn = existing.map_or_else(|| self.asn.to_string(), |instance| instance.asn.clone());
        let policy = self.policy(vni, existing, running);
        commands.extend(policy.before);
        let mut block = Block::new(format!("router bgp {asn} vrf {vrf}"));
        for family in FAMILIES {
            let attributes = &self.attributes;
            let lines = self.redistributed;
            lines.difference(vni, attributes, existing, family, &mut block);
        }
        for line in ADVERTISED {
            if !existing.is_some_and(|instance| instance.has(EVPN, line)) {
                block.in_family(EVPN, line.to_owned());
            }
        }
        let running = existing.map_or(&[][..], |instance| instance.family(EVPN));
        for line in self.identity(running) {
            block.in_family(EVPN, line);
        }
        commands.extend(block.commands());
        commands.extend(policy.after);
        Ok(commands)
    }

    /// The route map of the table, where a line can have it.
    fn policy(
        &self,
        vni: u32,
        existing: Option<&Instance>,
        running: &Running,
    ) -> attributed::Commands {
        let rest = self.redistributed.rest();
        let lines = self.redistributed.count();
        let passes = self.redistributed.theirs(vni, existing).count() < lines;
        let nothing = Attributed::nothing();
        let wanted = if passes { &self.attributes } else { &nothing };
        attributed::difference(&attributed::of_vni(vni), wanted, &rest, running)
    }

    /// Lines of others, for which attributes do not pass.
    pub(super) fn complete(&self, vni: u32, running: &Running) -> Result<(), CannotLeak> {
        let vrf = name(vni);
        let Some(instance) = running.of_vrf(&vrf).filter(|_| !self.attributes.is_empty()) else {
            return Ok(());
        };
        let theirs = self.redistributed.theirs(vni, Some(instance));
        let theirs = theirs.map(|(family, line)| format!("'{line}' ({family})"));
        let lines: Vec<String> = theirs.collect();
        if lines.is_empty() {
            return Ok(());
        }
        let asn = instance.asn.clone();
        Err(CannotLeak::OwnRedistribution { asn, vrf, lines })
    }

    /// The instance to build on. One of another AS has to go first, and its VNI before it: FRR refuses otherwise.
    fn instance<'a>(
        &self,
        vni: u32,
        running: &'a Running,
    ) -> Result<(Vec<String>, Option<&'a Instance>), CannotHost> {
        let vrf = name(vni);
        let existing = running.of_vrf(&vrf);
        let Some(other) = existing.filter(|i| i.as_number() != Some(self.asn)) else {
            return Ok((Vec::new(), existing));
        };
        if !is_ours_alone(other) {
            let (asn, found) = (self.asn, other.asn.clone());
            return Err(CannotHost::OtherAs { vrf, asn, found });
        }
        let mut commands = without_vni(&vrf, running.vrf(&vrf).unwrap_or_default());
        commands.push(format!("no router bgp {} vrf {vrf}", other.asn));
        Ok((commands, None))
    }

    /// The lines about distinguisher and targets that are missing, and those that take back what is too many.
    pub(super) fn identity(&self, running: &[String]) -> Vec<String> {
        let mut lines: Vec<String> = self.distinguisher(running).into_iter().collect();
        lines.extend(self.targets(running));
        lines
    }

    /// FRR puts a new one in the place of the old.
    fn distinguisher(&self, running: &[String]) -> Option<String> {
        let there = running.iter().find_map(|line| line.strip_prefix("rd "));
        let normal = |text: &str| {
            let parsed = text.parse::<RouteDistinguisher>();
            parsed.map_or_else(|_| text.to_owned(), |rd| rd.to_string())
        };
        match (self.rd.map(|rd| rd.to_string()), there) {
            (Some(rd), Some(there)) if normal(there) == rd => None,
            (Some(rd), _) => Some(format!("rd {rd}")),
            (None, Some(there)) => Some(format!("no rd {there}")),
            (None, None) => None,
        }
    }

    /// Never `route-target both`: FRR 8.4's bgpd keeps one object for the two and dies of its removal.
    ///
    /// New ones come before old ones go, so that FRR does not make its own in between.
    fn targets(&self, running: &[String]) -> Vec<String> {
        let wanted = |direction, targets: &BTreeSet<RouteTarget>| {
            let texts = targets.iter().map(ToString::to_string);
            texts.map(|text| (direction, text)).collect::<Vec<_>>()
        };
        let wanted: BTreeSet<_> = wanted(Direction::Import, &self.import)
            .into_iter()
            .chain(wanted(Direction::Export, &self.export))
            .collect();
        let there = running_targets(running);
        let missing = wanted.iter().filter(|target| !there.contains_key(*target));
        let unwanted = there.iter().filter(|(target, _)| !wanted.contains(*target));
        let unwanted = unwanted.map(|(_, text)| format!("no {text}"));
        missing.map(line).chain(unwanted).collect()
    }
}

/// The VRFs in FRR that are ours and not wanted.
pub(super) fn leftovers(
    running: &Running,
    is_wanted: impl Fn(u32) -> bool,
) -> impl Iterator<Item = (u32, &str)> {
    let configured = running.vrfs().map(|(name, _)| name);
    let instances = running.of_vrfs().map(|(name, _)| name);
    let names: BTreeSet<&str> = configured.chain(instances).collect();
    let ours = names
        .into_iter()
        .filter_map(|name| Some((vni_of(name)?, name)));
    ours.filter(move |(vni, name)| !is_wanted(*vni) && is_ours(*vni, name, running))
}

/// The commands that take away what is ours and not wanted. FRR keeps an instance whose VRF has a VNI, and a VRF that
/// the kernel has: the former goes first, the latter when the device has gone.
pub(super) fn removal(
    running: &Running,
    active: &BTreeSet<String>,
    is_wanted: impl Fn(u32) -> bool,
) -> Vec<String> {
    let mut commands = Vec::new();
    for (_, name) in leftovers(running, is_wanted) {
        let lines = running.vrf(name);
        commands.extend(without_vni(name, lines.unwrap_or_default()));
        if let Some(instance) = running.of_vrf(name) {
            commands.extend(without_instance(name, instance));
        }
        let empty = lines.is_some_and(|lines| lines.iter().all(|line| line.starts_with("vni ")));
        if empty && !active.contains(name) {
            commands.push(format!("no vrf {name}"));
        }
    }
    commands
}

fn name(vni: u32) -> String {
    format!("vrf-{vni}")
}

/// The VNI in a name that we would give.
fn vni_of(vrf: &str) -> Option<u32> {
    let vni = vrf.strip_prefix("vrf-")?.parse().ok()?;
    ((1..1 << 24).contains(&vni) && name(vni) == vrf).then_some(vni)
}

/// By what is in it: its VNI, or an instance that could be ours, or nothing at all.
fn is_ours(vni: u32, name: &str, running: &Running) -> bool {
    let lines = running.vrf(name);
    let has_vni = lines.is_some_and(|lines| lines.contains(&format!("vni {vni}")));
    match running.of_vrf(name) {
        Some(instance) => {
            has_vni || (instance.families.contains_key(EVPN) && is_ours_alone(instance))
        }
        None => has_vni || lines.is_some_and(<[String]>::is_empty),
    }
}

fn is_ours_alone(instance: &Instance) -> bool {
    instance
        .lines
        .iter()
        .all(|line| line.starts_with("bgp router-id "))
        && instance.families.iter().all(|(family, lines)| {
            let is_ours = |line: &String| is_our_line(family, line);
            lines.iter().all(is_ours)
        })
}

fn is_our_line(family: &str, line: &str) -> bool {
    if family == EVPN {
        let begins = |words: &&str| line.starts_with(words);
        return ADVERTISED.contains(&line) || ["rd ", "route-target "].iter().any(begins);
    }
    FAMILIES.contains(&family) && redistribution::is_our_line(line)
}

/// FRR has one VNI per VRF, and refuses another before the first has gone.
fn vni_difference(vrf: &str, vni: u32, running: &Running) -> Vec<String> {
    let lines = running.vrf(vrf).unwrap_or_default();
    let wanted = format!("vni {vni}");
    if lines.contains(&wanted) {
        return Vec::new();
    }
    let others = lines.iter().filter(|line| line.starts_with("vni "));
    let others = others.map(|line| format!("no {line}"));
    block(format!("vrf {vrf}"), others.chain([wanted]))
}

fn without_vni(vrf: &str, lines: &[String]) -> Vec<String> {
    let lines = lines.iter().filter(|line| line.starts_with("vni "));
    block(format!("vrf {vrf}"), lines.map(|line| format!("no {line}")))
}

/// One with lines of others stays, without ours.
fn without_instance(vrf: &str, instance: &Instance) -> Vec<String> {
    let router = format!("router bgp {} vrf {vrf}", instance.asn);
    if is_ours_alone(instance) {
        return vec![format!("no {router}")];
    }
    let mut block = Block::new(router);
    for (family, lines) in &instance.families {
        for line in lines.iter().filter(|line| is_our_line(family, line)) {
            block.in_family(family, format!("no {line}"));
        }
    }
    block.commands()
}

fn block(header: String, lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut block = Block::new(header);
    lines.into_iter().for_each(|line| block.line(line));
    block.commands()
}

fn line((direction, target): &(Direction, String)) -> String {
    match direction {
        Direction::Import => format!("route-target import {target}"),
        Direction::Export => format!("route-target export {target}"),
    }
}

/// What runs, and the line with which it would be taken back.
fn running_targets(lines: &[String]) -> BTreeMap<(Direction, String), String> {
    let mut found = BTreeMap::new();
    for line in lines {
        let Some((direction, text)) = line
            .strip_prefix("route-target ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let directions: &[Direction] = match direction {
            "import" => &[Direction::Import],
            "export" => &[Direction::Export],
            _ => &[Direction::Import, Direction::Export],
        };
        let parsed = text.parse::<RouteTarget>();
        let normal = parsed.map_or_else(|_| text.to_owned(), |target| target.to_string());
        for direction in directions {
            let target = (*direction, normal.clone());
            let back = self::line(&(*direction, text.to_owned()));
            found.insert(target, back);
        }
    }
    found
}
