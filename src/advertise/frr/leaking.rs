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
mod tests {
    use super::*;

    /// FRR 10.3 with the Python agent's lines in it.
    const PYTHON: &str = include_str!("../../../tests/fixtures/golden/frr_leak/vtysh-run.txt");
    const STRETCHED: &str =
        include_str!("../../../tests/fixtures/golden/frr_leak/stretched_l2/vtysh-run.txt");
    const ROUTER_ID: Ipv4Addr = Ipv4Addr::new(172, 30, 1, 1);

    fn leaking(connected: bool, kernel: bool) -> Leaking {
        Leaking {
            asn: 64999,
            vrf: "bgp-vrf".into(),
            redistribute: Redistribute { connected, kernel },
            attributes: None,
        }
    }

    fn missing(text: &str, leaking: &Leaking) -> Vec<String> {
        leaking.missing(&Running::parse(text), ROUTER_ID).unwrap()
    }

    #[test]
    fn what_the_python_agent_left_needs_nothing() {
        assert!(missing(PYTHON, &leaking(true, false)).is_empty());
        assert!(missing(STRETCHED, &leaking(false, true)).is_empty());
    }

    #[test]
    fn b018_a_restarted_frr_gets_both_blocks() {
        let restarted = "router bgp 64999\n neighbor 192.0.2.1 remote-as internal\n !\n address-family ipv4 unicast\n  redistribute connected\n exit-address-family\nexit\n";
        let expected = [
            "router bgp 64999",
            "address-family ipv4 unicast",
            "import vrf bgp-vrf",
            "exit-address-family",
            "address-family ipv6 unicast",
            "import vrf bgp-vrf",
            "exit-address-family",
            "exit",
            "router bgp 64999 vrf bgp-vrf",
            "bgp router-id 172.30.1.1",
            "address-family ipv4 unicast",
            "redistribute connected",
            "exit-address-family",
            "address-family ipv6 unicast",
            "redistribute connected",
            "exit-address-family",
            "exit",
        ];
        assert_eq!(missing(restarted, &leaking(true, false)), expected);
    }

    #[test]
    fn only_the_line_that_is_missing_is_sent() {
        let without = PYTHON.replacen("  import vrf bgp-vrf\n", "", 1);
        let expected = [
            "router bgp 64999",
            "address-family ipv4 unicast",
            "import vrf bgp-vrf",
            "exit-address-family",
            "exit",
        ];
        assert_eq!(missing(&without, &leaking(true, false)), expected);
    }

    #[test]
    fn another_advertisement_method_changes_the_redistribution_and_leaves_none_behind() {
        let subnets = missing(PYTHON, &leaking(true, true));
        let kernel = |l: &&String| *l == "redistribute kernel";
        assert_eq!(subnets.iter().filter(kernel).count(), 2, "{subnets:?}");
        assert!(!subnets.iter().any(|l| l.starts_with("no ")));
        let back = missing(STRETCHED, &leaking(true, false));
        let gone = |l: &&String| *l == "no redistribute kernel";
        assert_eq!(back.iter().filter(gone).count(), 2, "{back:?}");
    }

    const LINE: &str = "redistribute connected route-map ovn-bgp-agent-policy";

    /// [`PYTHON`] with something else in the place of the lines of our VRF.
    fn redistributing(lines: &str) -> String {
        let (before, ours) = PYTHON.split_once("router bgp 64999 vrf bgp-vrf").unwrap();
        let ours = ours.replace("redistribute connected", lines);
        format!("{before}router bgp 64999 vrf bgp-vrf{ours}")
    }

    fn attributing(attributed: Attributed) -> Leaking {
        Leaking {
            attributes: Some(Arc::new(attributed)),
            ..leaking(true, false)
        }
    }

    fn med() -> Attributed {
        let mut attributed = Attributed::default();
        let attributes = crate::exposure::Attributes {
            med: Some(50),
            ..Default::default()
        };
        attributed.add("172.24.4.10/32".parse().unwrap(), &attributes);
        attributed
    }

    #[test]
    fn without_policies_nothing_is_said_of_them() {
        let nothing = attributing(Attributed::default());
        assert!(missing(PYTHON, &nothing).is_empty());
        let anew = missing("router bgp 64999\nexit\n", &nothing);
        assert!(!anew.iter().any(|line| line.contains("map")), "{anew:?}");
    }

    #[test]
    fn the_map_is_there_before_it_is_used_and_after() {
        let commands = missing(PYTHON, &attributing(med()));
        let at = |line: &str| commands.iter().position(|c| c == line).unwrap();
        assert_eq!(
            commands[0],
            "ip prefix-list ovn-bgp-agent-policy-1 seq 1 permit 172.24.4.10/32"
        );
        assert!(at("route-map ovn-bgp-agent-policy permit 65535") < at(LINE));
        let lines = commands.iter().filter(|line| *line == LINE);
        assert_eq!(lines.count(), 2, "{commands:?}");

        let running = redistributing(LINE)
            + "route-map ovn-bgp-agent-policy permit 1\n match ip address prefix-list \
            ovn-bgp-agent-policy-1\n set metric 50\nexit\nroute-map ovn-bgp-agent-policy permit 65535\nexit\n\
            ip prefix-list ovn-bgp-agent-policy-1 seq 1 permit 172.24.4.10/32\n";
        assert!(missing(&running, &attributing(med())).is_empty());
        assert!(
            missing(&running, &leaking(true, false)).is_empty(),
            "nothing is known yet"
        );

        let gone = missing(&running, &attributing(Attributed::default()));
        let of = |line: &str| gone.iter().filter(|command| *command == line).count();
        assert_eq!(of("no redistribute connected"), 2);
        assert_eq!(of("redistribute connected"), 2);
        let last = [
            "exit",
            "no route-map ovn-bgp-agent-policy",
            "no ip prefix-list ovn-bgp-agent-policy-1",
        ];
        assert_eq!(gone[gone.len() - 3..], last);
        let removed = removal(&Running::parse(&running), "bgp-vrf");
        let last = [
            "no router bgp 64999 vrf bgp-vrf",
            "no route-map ovn-bgp-agent-policy",
            "no ip prefix-list ovn-bgp-agent-policy-1",
        ];
        assert_eq!(removed[removed.len() - 3..], last);
    }

    #[test]
    fn where_the_operator_has_a_route_map_attributes_do_not_pass_and_that_is_said() {
        let theirs = redistributing("redistribute connected route-map tag");
        let wanted = attributing(med());
        assert!(missing(&theirs, &wanted).is_empty());
        let said = wanted.complete(&Running::parse(&theirs)).unwrap_err();
        let said = said.to_string();
        assert!(
            said.contains("'redistribute connected route-map tag' (ipv4 unicast)"),
            "{said}"
        );
        let nothing = attributing(Attributed::default());
        assert_eq!(nothing.complete(&Running::parse(&theirs)), Ok(()));
    }

    #[test]
    fn an_operators_route_map_on_our_line_stays() {
        let with = PYTHON.replace(
            "  redistribute connected\n exit-address-family\n !\n address-family ipv6 unicast\n  redistribute connected\n exit-address-family\nexit\n!\nip protocol",
            "  redistribute connected route-map tag\n exit-address-family\n !\n address-family ipv6 unicast\n  redistribute connected\n exit-address-family\nexit\n!\nip protocol",
        );
        assert_ne!(with, PYTHON);
        assert!(missing(&with, &leaking(true, false)).is_empty());
    }

    #[test]
    fn another_as_or_no_instance_is_said_and_nothing_is_sent() {
        let refused = |text: &str| {
            let running = Running::parse(text);
            leaking(true, false)
                .missing(&running, ROUTER_ID)
                .unwrap_err()
        };
        assert_eq!(
            refused("router bgp 65001\nexit\n"),
            CannotLeak::OtherAs {
                asn: 64999,
                found: "65001".into()
            }
        );
        assert_eq!(refused(""), CannotLeak::NoInstance { asn: 64999 });
    }

    #[test]
    fn the_removal_leaves_the_operators_configuration() {
        let commands = removal(&Running::parse(PYTHON), "bgp-vrf");
        let expected = [
            "router bgp 64999",
            "address-family ipv4 unicast",
            "no import vrf bgp-vrf",
            "exit-address-family",
            "address-family ipv6 unicast",
            "no import vrf bgp-vrf",
            "exit-address-family",
            "exit",
            "no router bgp 64999 vrf bgp-vrf",
        ];
        assert_eq!(commands, expected);
        let clean = "router bgp 64999\n address-family ipv4 unicast\n  import vrf blue\n exit-address-family\nexit\n";
        assert!(removal(&Running::parse(clean), "bgp-vrf").is_empty());
    }

    #[test]
    fn a_vrf_instance_with_neighbours_of_the_operators_stays() {
        let shared = PYTHON.replace(
            "router bgp 64999 vrf bgp-vrf\n",
            "router bgp 64999 vrf bgp-vrf\n neighbor 192.0.2.7 remote-as 65007\n",
        );
        let commands = removal(&Running::parse(&shared), "bgp-vrf");
        assert!(!commands.iter().any(|c| c.starts_with("no router")));
        let gone = |c: &&String| *c == "no redistribute connected";
        assert_eq!(commands.iter().filter(gone).count(), 2, "{commands:?}");
    }
}
