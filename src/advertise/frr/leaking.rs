//! Pure: the lines that make FRR leak our VRF into its default instance, and the difference to what runs.
//!
//! ```text
//! router bgp AS
//!  address-family ipv4|ipv6 unicast
//!   import vrf VRF
//! router bgp AS vrf VRF
//!  bgp router-id ID
//!  address-family ipv4|ipv6 unicast
//!   redistribute connected|kernel
//! ```
//!
//! These are the Python agent's (upstream.md 6.1), with a route map where policies say something of routes
//! ([`super::attributed`]). They are in no file: a restarted FRR has lost them.
//! All else in FRR's configuration is the operator's.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::attributed::{self, Attributed, LEAKED, Redistribution, Through};
use super::running::{Instance, Running};

pub(super) const FAMILIES: [&str; 2] = ["ipv4 unicast", "ipv6 unicast"];

/// What FRR takes from the VRF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redistribute {
    /// Addresses of the device: one per host.
    pub connected: bool,
    /// Routes of the device: one per subnet.
    pub kernel: bool,
}

/// What is to be leaked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaking {
    pub asn: u32,
    pub vrf: String,
    pub redistribute: Redistribute,
    /// What policies say of the routes; `None` while that is not known, when what an agent before this one made of it
    /// stays.
    pub attributes: Option<Arc<Attributed>>,
}

/// Why FRR cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotLeak {
    #[error(
        "FRR has no 'router bgp {asn}': it has not read its configuration yet, or lacks it; configure it in frr.conf"
    )]
    NoInstance { asn: u32 },
    #[error("FRR runs 'router bgp {found}', and bgp_AS is {asn}: make them equal")]
    OtherAs { asn: u32, found: String },
    #[error(
        "no router-id for the routes leaked from {vrf}: FRR has none ('bgp router-id', or an IPv4 neighbour); set bgp_router_id"
    )]
    NoRouterId { vrf: String },
    #[error(
        "FRR would announce a next hop that only this node knows to its iBGP neighbours {}: configure next-hop-self for them",
        .0.join(", ")
    )]
    NoNextHopSelf(Vec<String>),
    #[error(
        "communities, MED and LOCAL_PREF of policies do not pass 'router bgp {asn} vrf {vrf}', which has {} of others: it \
         stays; take the line out of FRR, or set them there", .lines.join(", ")
    )]
    OwnRedistribution {
        asn: String,
        vrf: String,
        lines: Vec<String>,
    },
}

impl Leaking {
    /// The commands that are missing, as typed after `configure terminal`; none when all is in place.
    ///
    /// # Errors
    /// Those of `default_instance`.
    pub fn missing(
        &self,
        running: &Running,
        router_id: Ipv4Addr,
    ) -> Result<Vec<String>, CannotLeak> {
        let default = default_instance(running, self.asn)?;
        let mut commands = Vec::new();
        let mut block = Block::new(format!("router bgp {}", default.asn));
        for family in FAMILIES {
            let import = format!("import vrf {}", self.vrf);
            if !default.has(family, &import) {
                block.in_family(family, import);
            }
        }
        commands.extend(block.commands());
        // The Python agent, and FRR itself on `import vrf`, give the VRF's instance the default's AS.
        let existing = running.of_vrf(&self.vrf);
        let asn = existing.map_or(&default.asn, |instance| &instance.asn);
        let attributed = self.attributed(existing);
        let policy = attributed.map(|of| attributed::difference(LEAKED, of, &[vec![]], running));
        let policy = policy.unwrap_or_default();
        commands.extend(policy.before);
        let mut block = Block::new(format!("router bgp {asn} vrf {}", self.vrf));
        if existing.and_then(Instance::router_id) != Some(router_id) {
            block.line(format!("bgp router-id {router_id}"));
        }
        for family in FAMILIES {
            self.redistribution(existing, family, &mut block);
        }
        commands.extend(block.commands());
        commands.extend(policy.after);
        Ok(commands)
    }

    /// What can be said of routes, once it is known: nothing where no line of the instance is ours.
    fn attributed(&self, existing: Option<&Instance>) -> Option<&Attributed> {
        const NOTHING: &Attributed = &Attributed::nothing();
        let wanted = self.attributes.as_deref()?;
        let mut lines = self.redistributions();
        let passes = lines.any(|(family, line)| line.theirs(existing, family).is_none());
        Some(if passes { wanted } else { NOTHING })
    }

    fn through(&self) -> Through<'static> {
        match self.attributes.as_deref() {
            None => Through::Unknown,
            Some(attributed) if attributed.is_empty() => Through::Plain(None),
            Some(_) => Through::Policy,
        }
    }

    /// The lines that are wanted.
    fn redistributions(&self) -> impl Iterator<Item = (&'static str, Redistribution<'static>)> {
        let Redistribute { connected, kernel } = self.redistribute;
        let through = self.through();
        let all = [("connected", connected), ("kernel", kernel)];
        let wanted = all.into_iter().filter(|(_, wanted)| *wanted);
        wanted.flat_map(move |(what, _)| {
            FAMILIES.map(|family| {
                let line = Redistribution {
                    what,
                    policy: LEAKED,
                    usual: None,
                    insists: false,
                    through,
                };
                (family, line)
            })
        })
    }

    /// What keeps attributes from passing although FRR has all of [`Self::missing`].
    ///
    /// # Errors
    /// Lines of the operator's.
    pub fn complete(&self, running: &Running) -> Result<(), CannotLeak> {
        let existing = running.of_vrf(&self.vrf);
        let (Some(instance), Through::Policy) = (existing, self.through()) else {
            return Ok(());
        };
        let theirs = |(family, line): (&str, Redistribution<'_>)| {
            let line = line.theirs(existing, family)?;
            Some(format!("'{line}' ({family})"))
        };
        let lines: Vec<String> = self.redistributions().filter_map(theirs).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let (asn, vrf) = (instance.asn.clone(), self.vrf.clone());
        Err(CannotLeak::OwnRedistribution { asn, vrf, lines })
    }

    fn redistribution(&self, existing: Option<&Instance>, family: &str, block: &mut Block) {
        let wanted = self.redistributions().filter(|(of, _)| *of == family);
        for (_, line) in wanted {
            line.difference(existing, family, block);
        }
        let Redistribute { connected, kernel } = self.redistribute;
        for (what, wanted) in [("connected", connected), ("kernel", kernel)] {
            let line = format!("redistribute {what}");
            if !wanted && existing.is_some_and(|i| i.has(family, &line)) {
                block.in_family(family, format!("no {line}"));
            }
        }
    }
}

/// Whether FRR runs what our lines build on.
///
/// # Errors
/// Its default instance is missing, or has another AS number. It is never made here: FRR would refuse the
/// operator's own if ours came first.
pub(super) fn default_instance(running: &Running, asn: u32) -> Result<&Instance, CannotLeak> {
    let default = running.default_instance();
    let default = default.ok_or(CannotLeak::NoInstance { asn })?;
    if default.as_number() != Some(asn) {
        let found = default.asn.clone();
        return Err(CannotLeak::OtherAs { asn, found });
    }
    Ok(default)
}

/// The commands that take the leaking out of FRR's running configuration, after another backend or the
/// Python agent. A VRF's instance that has more in it than we put there stays, without our lines.
pub(super) fn removal(running: &Running, vrf: &str) -> Vec<String> {
    let mut commands = Vec::new();
    if let Some(default) = running.default_instance() {
        let mut block = Block::new(format!("router bgp {}", default.asn));
        for family in FAMILIES {
            let import = format!("import vrf {vrf}");
            if default.has(family, &import) {
                block.in_family(family, format!("no {import}"));
            }
        }
        commands.extend(block.commands());
    }
    if let Some(instance) = running.of_vrf(vrf) {
        let router = format!("router bgp {} vrf {vrf}", instance.asn);
        if is_ours_alone(instance) {
            commands.push(format!("no {router}"));
        } else {
            let mut block = Block::new(router);
            for family in FAMILIES {
                for line in ["redistribute connected", "redistribute kernel"] {
                    if instance.has(family, line) {
                        block.in_family(family, format!("no {line}"));
                    }
                }
            }
            commands.extend(block.commands());
        }
    }
    commands.extend(attributed::removal(LEAKED, running));
    commands
}

fn is_ours_alone(instance: &Instance) -> bool {
    let redistribution = |line: &String| {
        let map = format!(" route-map {LEAKED}");
        matches!(
            line.strip_suffix(&map).unwrap_or(line),
            "redistribute connected" | "redistribute kernel"
        )
    };
    instance
        .lines
        .iter()
        .all(|line| line.starts_with("bgp router-id "))
        && instance.families.iter().all(|(family, lines)| {
            FAMILIES.contains(&family.as_str()) && lines.iter().all(redistribution)
        })
}

/// Commands below one `router bgp`, `vrf` or `interface`.
pub(super) struct Block {
    header: String,
    lines: Vec<String>,
    family: Option<String>,
}

impl Block {
    pub(super) fn new(header: String) -> Self {
        Self {
            header,
            lines: Vec::new(),
            family: None,
        }
    }

    pub(super) fn line(&mut self, line: String) {
        self.leave_family();
        self.lines.push(line);
    }

    pub(super) fn in_family(&mut self, family: &str, line: String) {
        if self.family.as_deref() != Some(family) {
            self.leave_family();
            self.lines.push(format!("address-family {family}"));
            self.family = Some(family.to_owned());
        }
        self.lines.push(line);
    }

    fn leave_family(&mut self) {
        if self.family.take().is_some() {
            self.lines.push("exit-address-family".to_owned());
        }
    }

    /// None if nothing was added.
    pub(super) fn commands(mut self) -> Vec<String> {
        if self.lines.is_empty() {
            return Vec::new();
        }
        self.leave_family();
        let exit = "exit".to_owned();
        [vec![self.header], self.lines, vec![exit]].concat()
    }
}

#[cfg(test)]
mod tests;
