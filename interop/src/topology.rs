//! The part of a containerlab topology file (`*.clab.yml`) that the labs use, read strictly: what the runner would not
//! honour is an error here, so a file that plays means the same in containerlab.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// A topology file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// The lab's name.
    pub name: String,
    topology: Graph,
    /// The directory of the file, to which `binds` are relative.
    #[serde(skip)]
    pub dir: PathBuf,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Graph {
    #[serde(default)]
    defaults: Fields,
    #[serde(default)]
    kinds: BTreeMap<String, Fields>,
    nodes: BTreeMap<String, Option<Fields>>,
    #[serde(default)]
    links: Vec<Link>,
}

/// What a node, a kind, or the defaults say; the nearer wins.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Fields {
    kind: Option<String>,
    image: Option<String>,
    #[serde(default)]
    binds: Vec<String>,
    #[serde(default)]
    exec: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    sysctls: BTreeMap<String, serde_yaml_ng::Value>,
}

/// A cable between two interfaces.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Link {
    endpoints: Vec<String>,
}

/// A node with everything that applies to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name in the file.
    pub name: String,
    /// The container image it runs.
    pub image: String,
    /// Files of the machine and where the node sees them.
    pub binds: Vec<(PathBuf, String)>,
    /// Commands to run in it once all nodes are up.
    pub exec: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Its sysctls.
    pub sysctls: BTreeMap<String, String>,
}

/// One end of a cable: node and interface.
pub type Endpoint = (String, String);

impl Topology {
    /// Reads and checks a file.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let mut this = Self::parse(&text).with_context(|| file.display().to_string())?;
        let parent = file.parent().filter(|p| !p.as_os_str().is_empty());
        this.dir = parent.unwrap_or_else(|| Path::new(".")).canonicalize()?;
        Ok(this)
    }

    /// Parses and checks a text.
    pub fn parse(text: &str) -> Result<Self> {
        let this: Self = serde_yaml_ng::from_str(text)?;
        check_name("lab", &this.name)?;
        ensure!(!this.topology.nodes.is_empty(), "topology.nodes is empty");
        this.nodes()?;
        this.links()?;
        Ok(this)
    }

    /// The nodes, by name.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        self.topology
            .nodes
            .iter()
            .map(|(name, own)| self.node(name, &own.clone().unwrap_or_default()))
            .collect()
    }

    /// The cables.
    pub fn links(&self) -> Result<Vec<(Endpoint, Endpoint)>> {
        let mut used = BTreeSet::new();
        let mut all = Vec::new();
        for link in &self.topology.links {
            let [a, b] = link.endpoints.as_slice() else {
                bail!("a link has two endpoints, not {}", link.endpoints.len());
            };
            let ends = (self.endpoint(a)?, self.endpoint(b)?);
            for end in [&ends.0, &ends.1] {
                ensure!(
                    used.insert(end.clone()),
                    "{}:{} is in two links",
                    end.0,
                    end.1
                );
            }
            all.push(ends);
        }
        Ok(all)
    }

    fn node(&self, name: &str, own: &Fields) -> Result<Node> {
        check_name("node", name)?;
        let defaults = &self.topology.defaults;
        let kind = own.kind.as_deref().or(defaults.kind.as_deref());
        let kind = kind.with_context(|| format!("node {name} has no kind"))?;
        ensure!(
            kind == "linux",
            "node {name}: kind {kind} is not played here, only linux"
        );
        let none = Fields::default();
        let layers = [
            defaults,
            self.topology.kinds.get(kind).unwrap_or(&none),
            own,
        ];
        let image = layers.iter().rev().find_map(|l| l.image.clone());
        let binds = layers
            .iter()
            .flat_map(|l| &l.binds)
            .map(|b| self.bind(name, b));
        let scalar = |v: &serde_yaml_ng::Value| {
            v.as_str()
                .map_or_else(|| v.as_i64().unwrap_or_default().to_string(), str::to_owned)
        };
        Ok(Node {
            name: name.to_owned(),
            image: image.with_context(|| format!("node {name} has no image"))?,
            binds: binds.collect::<Result<_>>()?,
            exec: layers.iter().flat_map(|l| l.exec.clone()).collect(),
            env: layers.iter().flat_map(|l| l.env.clone()).collect(),
            sysctls: layers
                .iter()
                .flat_map(|l| &l.sysctls)
                .map(|(k, v)| (k.clone(), scalar(v)))
                .collect(),
        })
    }

    /// `host:container[:options]`; a relative host path starts at the file's directory.
    fn bind(&self, node: &str, text: &str) -> Result<(PathBuf, String)> {
        let mut parts = text.split(':');
        match (parts.next(), parts.next()) {
            (Some(host), Some(inside)) if inside.starts_with('/') => {
                Ok((self.dir.join(host), inside.to_owned()))
            }
            _ => bail!("node {node}: bind {text} is not host:/path"),
        }
    }

    fn endpoint(&self, text: &str) -> Result<Endpoint> {
        let (node, interface) = text
            .split_once(':')
            .with_context(|| format!("endpoint {text} is not node:interface"))?;
        ensure!(
            self.topology.nodes.contains_key(node),
            "endpoint {text}: no node {node}"
        );
        ensure!(
            (1..=15).contains(&interface.len()),
            "endpoint {text}: an interface name has 1 to 15 characters"
        );
        // in containerlab eth0 is the management network's
        ensure!(
            interface != "eth0",
            "endpoint {text}: eth0 is taken by the management network"
        );
        Ok((node.to_owned(), interface.to_owned()))
    }
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    ensure!(
        fits,
        "{what} name {name:?}: letters, digits, '-', '.', '_', first a letter or digit"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
name: two
topology:
  defaults: {kind: linux, env: {A: one}}
  kinds:
    linux: {image: debian:trixie-slim, exec: [ip link]}
  nodes:
    a:
    b: {image: quay.io/frrouting/frr:10.3.1, binds: ['b/frr.conf:/etc/frr/frr.conf:ro'], exec: [ip route], env: {A: two}, sysctls: {net.ipv4.ip_forward: 1}}
  links:
    - endpoints: ['a:eth1', 'b:eth1']
";

    #[test]
    fn the_nearer_level_wins_and_lists_add_up() {
        let nodes = Topology::parse(TWO).unwrap().nodes().unwrap();
        assert_eq!(
            (nodes[0].image.as_str(), nodes[0].env["A"].as_str()),
            ("debian:trixie-slim", "one")
        );
        assert_eq!(
            (nodes[1].image.as_str(), nodes[1].env["A"].as_str()),
            ("quay.io/frrouting/frr:10.3.1", "two")
        );
        assert_eq!(nodes[1].exec, ["ip link", "ip route"]);
        assert_eq!(nodes[1].binds[0].1, "/etc/frr/frr.conf");
        assert_eq!(nodes[1].sysctls["net.ipv4.ip_forward"], "1");
    }

    #[test]
    fn a_cable_joins_two_interfaces() {
        let links = Topology::parse(TWO).unwrap().links().unwrap();
        assert_eq!(
            links,
            [(("a".into(), "eth1".into()), ("b".into(), "eth1".into()))]
        );
    }

    #[test]
    fn what_would_not_be_honoured_is_refused() {
        let wrong = [
            ("    a:\n", "    a: {kind: srl}\n", "srl"),
            ("    a:\n", "    a: {startup-config: x}\n", "startup-config"),
            ("    a:\n", "    'a b':\n", "a b"),
            ("'a:eth1', ", "'c:eth1', ", "no node c"),
            ("'a:eth1', ", "'a:eth0', ", "eth0"),
            ("'a:eth1', ", "", "two endpoints"),
            ("'a:eth1', ", "'b:eth1', ", "two links"),
            ("'a:eth1', ", "'a:averyveryverylongname', ", "15"),
            ("b/frr.conf:/etc/frr/frr.conf:ro", "b/frr.conf", "bind"),
            ("image: debian:trixie-slim, ", "", "image"),
        ];
        for (from, to, wanted) in wrong {
            assert!(TWO.contains(from), "{from}");
            let error = format!("{:#}", Topology::parse(&TWO.replace(from, to)).unwrap_err());
            assert!(error.contains(wanted), "{to}: {error}");
        }
    }

    #[test]
    fn every_topology_of_the_project_reads_and_its_files_are_there() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies");
        let mut count = 0;
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            if entry.path().to_string_lossy().ends_with(".clab.yml") {
                let topology = Topology::read(&entry.path()).unwrap();
                for node in topology.nodes().unwrap() {
                    crate::runner::Role::of(&node.image).unwrap();
                    assert!(
                        node.binds.iter().all(|(host, _)| host.exists()),
                        "{:?}",
                        node.binds
                    );
                }
                count += 1;
            }
        }
        assert!(count >= 4);
    }
}
