//! Plays a topology here: nodes become network namespaces, images become Debian's packages, links become veths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::bird::Bird;
use crate::frr::Frr;
use crate::gobgp::Gobgp;
use crate::netns::connect;
use crate::ovn::{Central, Chassis, Identity};
use crate::topology::{Node, Topology};
use crate::{Daemon, Generation, Namespace, Place};

/// What an image stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// FRR, configured by `/etc/frr/frr.conf`.
    Frr(Generation),
    /// BIRD, configured by `/etc/bird/bird.conf`.
    Bird(Generation),
    /// GoBGP, configured by `/etc/gobgp/gobgpd.toml`.
    Gobgp(Generation),
    /// OVN's databases and northd, on TCP 6641 and 6642.
    Central(Generation),
    /// OVS and ovn-controller, with the agent.
    Chassis(Generation),
    /// Nothing but a network.
    Host(Generation),
}

/// Images by what their name starts with. The first that fits counts.
const IMAGES: &[(&str, Role)] = &[
    ("quay.io/frrouting/frr:8.", Role::Frr(Generation::Bookworm)),
    ("quay.io/frrouting/frr:10.", Role::Frr(Generation::Trixie)),
    (
        "ovn-bgp-agent/bird:bookworm",
        Role::Bird(Generation::Bookworm),
    ),
    ("ovn-bgp-agent/bird:trixie", Role::Bird(Generation::Trixie)),
    (
        "ovn-bgp-agent/gobgp:bookworm",
        Role::Gobgp(Generation::Bookworm),
    ),
    (
        "ovn-bgp-agent/gobgp:trixie",
        Role::Gobgp(Generation::Trixie),
    ),
    (
        "ovn-bgp-agent/central:trixie",
        Role::Central(Generation::Trixie),
    ),
    (
        "ovn-bgp-agent/chassis:trixie",
        Role::Chassis(Generation::Trixie),
    ),
    ("debian:bookworm", Role::Host(Generation::Bookworm)),
    ("debian:trixie", Role::Host(Generation::Trixie)),
];

impl Role {
    /// The role of an image; an error names those that are known.
    pub fn of(image: &str) -> Result<Self> {
        let found = IMAGES.iter().find(|(start, _)| image.starts_with(start));
        let Some((_, role)) = found else {
            let known: Vec<&str> = IMAGES.iter().map(|(start, _)| *start).collect();
            bail!(
                "no packages stand for the image {image}; known: {}",
                known.join(", ")
            );
        };
        Ok(*role)
    }

    fn generation(self) -> Generation {
        match self {
            Self::Frr(g)
            | Self::Bird(g)
            | Self::Gobgp(g)
            | Self::Central(g)
            | Self::Chassis(g)
            | Self::Host(g) => g,
        }
    }
}

/// A lab that plays. Dropping it ends everything.
#[derive(Debug)]
pub struct Lab {
    nodes: BTreeMap<String, Playing>,
    _dir: tempfile::TempDir,
}

/// A node that plays. The processes end before their namespace.
#[derive(Debug)]
struct Playing {
    agent: Option<Daemon>,
    _daemons: Daemons,
    /// Where commands run, with the sockets of the node's daemons where their clients look.
    place: Place,
    namespace: Namespace,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held so that they run")]
enum Daemons {
    Frr(Frr),
    Bird(Bird),
    Gobgp(Gobgp),
    Central(Central),
    Chassis(Chassis),
    None,
}

impl Lab {
    /// Starts every node, then runs every `exec`. `agent` is the agent's binary for the chassis; without one they run none.
    pub fn up(topology: &Topology, agent: Option<&Path>) -> Result<Self> {
        let dir = crate::scratch()?;
        let nodes = topology.nodes()?;
        let mut namespaces = BTreeMap::new();
        for node in &nodes {
            namespaces.insert(node.name.clone(), wired(node)?);
        }
        for ((a, a_if), (b, b_if)) in topology.links()? {
            connect((&namespaces[&a], &a_if), (&namespaces[&b], &b_if))?;
        }
        let mut this = Self {
            nodes: BTreeMap::new(),
            _dir: dir,
        };
        for node in &nodes {
            let namespace = namespaces
                .remove(&node.name)
                .context("two nodes of one name")?;
            let dir = this._dir.path().join(&node.name);
            std::fs::create_dir(&dir)?;
            let playing =
                start(node, namespace, &dir).with_context(|| format!("node {}", node.name))?;
            this.nodes.insert(node.name.clone(), playing);
        }
        for node in &nodes {
            for line in &node.exec {
                this.exec(&node.name, &["sh", "-c", line])?;
            }
        }
        if let Some(agent) = agent {
            this.start_agents(&nodes, agent)?;
        }
        Ok(this)
    }

    /// Runs a command in a node and returns its output.
    pub fn exec(&self, node: &str, words: &[&str]) -> Result<String> {
        crate::output(&mut self.command(node, words)?)
    }

    /// A command that will run in a node.
    pub fn command(&self, node: &str, words: &[&str]) -> Result<Command> {
        let playing = self
            .nodes
            .get(node)
            .with_context(|| format!("no node {node}"))?;
        let (program, rest) = words.split_first().context("no command")?;
        let mut command = playing.place.command(program)?;
        command.args(rest);
        Ok(command)
    }

    /// The ends of the agents' logs, for a test that failed.
    pub fn agent_logs(&self) -> String {
        let agents = self
            .nodes
            .iter()
            .filter_map(|(n, p)| Some((n, p.agent.as_ref()?)));
        agents
            .map(|(node, agent)| format!("{node}: {}\n", agent.log_tail()))
            .collect()
    }

    /// The namespace of every node.
    pub fn namespaces(&self) -> BTreeMap<&str, &Namespace> {
        self.nodes
            .iter()
            .map(|(name, p)| (name.as_str(), &p.namespace))
            .collect()
    }

    /// The agents come last: what their configuration names is up by then.
    fn start_agents(&mut self, nodes: &[Node], agent: &Path) -> Result<()> {
        let agent = agent
            .canonicalize()
            .with_context(|| format!("no agent at {}", agent.display()))?;
        for node in nodes {
            if !matches!(Role::of(&node.image)?, Role::Chassis(_)) {
                continue;
            }
            let playing = self.nodes.get_mut(&node.name).context("node")?;
            playing.namespace.private_etc("iproute2")?;
            // the agent is built here, so it runs with this machine's libraries
            let place = playing.place.clone().with(Generation::Bookworm);
            let mut command = place.command(&agent.display().to_string())?;
            command
                .args(["--config-dir", "/etc/ovn-bgp-agent"])
                .envs(&node.env);
            playing.agent = Some(Daemon::spawn(
                "agent",
                &self._dir.path().join(&node.name),
                &mut command,
            )?);
        }
        Ok(())
    }
}

fn wired(node: &Node) -> Result<Namespace> {
    let namespace = Namespace::new(&node.name)?;
    for (key, value) in &node.sysctls {
        namespace.sysctl(key, value)?;
    }
    Ok(namespace)
}

fn start(node: &Node, namespace: Namespace, dir: &Path) -> Result<Playing> {
    let role = Role::of(&node.image)?;
    let bare = Place::inside(&namespace).with(role.generation());
    let config = |inside: &str| -> Result<String> {
        let bound = node.binds.iter().find(|(_, to)| to == inside);
        let (file, _) = bound.with_context(|| format!("nothing is bound to {inside}"))?;
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    let (daemons, sockets): (Daemons, &[&str]) = match role {
        Role::Frr(_) => (
            Daemons::Frr(Frr::start(&bare, dir, &config("/etc/frr/frr.conf")?)?),
            &["/run/frr"],
        ),
        Role::Bird(_) => (
            Daemons::Bird(Bird::start(&bare, dir, &config("/etc/bird/bird.conf")?)?),
            &["/run/bird"],
        ),
        Role::Gobgp(_) => (
            Daemons::Gobgp(Gobgp::start(
                &bare,
                dir,
                &config("/etc/gobgp/gobgpd.toml")?,
            )?),
            &[],
        ),
        Role::Central(_) => (Daemons::Central(central(&bare, dir)?), &["/run/ovn"]),
        Role::Chassis(_) => (
            Daemons::Chassis(chassis(node, &bare, dir)?),
            &["/run/openvswitch", "/run/ovn", "/run/ovn-bgp-agent"],
        ),
        Role::Host(_) => (Daemons::None, &[]),
    };
    let mut place = bare;
    for socket in sockets {
        place = place.mount(dir, socket);
    }
    for (from, to) in node.binds.iter().filter(|(from, _)| from.exists()) {
        place = place.mount(from, to);
    }
    Ok(Playing {
        agent: None,
        _daemons: daemons,
        place,
        namespace,
    })
}

/// Listens on all addresses of the node, and where `ovn-nbctl` and `ovn-sbctl` look without being told.
fn central(place: &Place, dir: &Path) -> Result<Central> {
    let mut central = Central::start(place, dir)?;
    central.northbound.listen("ptcp:6641:0.0.0.0")?;
    central.southbound.listen("ptcp:6642:0.0.0.0")?;
    for db in ["nb", "sb"] {
        std::os::unix::fs::symlink(format!("{db}.sock"), dir.join(format!("ovn{db}_db.sock")))?;
    }
    Ok(central)
}

/// The environment of the image: `OVN_REMOTE`, `OVN_ENCAP_IP`, `OVN_BRIDGE_MAPPINGS`.
fn chassis(node: &Node, place: &Place, dir: &Path) -> Result<Chassis> {
    let env = |name: &str| {
        node.env
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("env has no {name}"))
    };
    let identity = Identity {
        hostname: &node.name,
        system_id: &format!("{}-id", node.name),
        encap_ip: env("OVN_ENCAP_IP")?,
        mappings: env("OVN_BRIDGE_MAPPINGS")?,
        gateway: node.env.contains_key("OVN_GATEWAY"),
    };
    Chassis::start(place, dir, env("OVN_REMOTE")?, &identity)
}

/// Where a running `lab up` tells other commands about itself.
pub fn state_file(lab: &str) -> PathBuf {
    Path::new("/run").join(format!("lab-{lab}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_image_is_refused_with_the_known_ones() {
        let error = Role::of("vrnetlab/vr-sros:20").unwrap_err().to_string();
        assert!(error.contains("sros") && error.contains("frrouting"));
    }
}
