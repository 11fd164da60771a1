//! GoBGP: one daemon from a configuration text (TOML).

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::PATIENCE;
use crate::ovsdb::text;
use crate::process::{Daemon, wait_until};
use crate::rootfs::Place;

/// A running gobgpd; its API is on port 50051 of its own namespace's loopback.
#[derive(Debug)]
pub struct Gobgp {
    place: Place,
    daemon: Daemon,
}

impl Gobgp {
    /// Starts gobgpd with `config` in `dir`, and waits until it answers. Only one per namespace.
    pub fn start(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        Self::spawn(place, dir, config, &[])
    }

    /// Starts it again after [`Self::kill`], as a restarting speaker (RFC 4724).
    pub fn restart(place: &Place, dir: &Path, config: &str) -> Result<Self> {
        Self::spawn(place, dir, config, &["-r"])
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(self) {
        self.daemon.kill();
    }

    /// The last lines it said.
    pub fn log_tail(&self) -> String {
        self.daemon.log_tail()
    }

    fn spawn(place: &Place, dir: &Path, config: &str, options: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let file = dir.join("gobgpd.toml");
        std::fs::write(&file, config)?;
        let mut command = place.command("gobgpd")?;
        command.args([
            "-f",
            &text(&file),
            "-t",
            "toml",
            "--api-hosts",
            "127.0.0.1:50051",
            "--pprof-disable",
        ]);
        command.args(options);
        let mut daemon = Daemon::spawn("gobgpd", dir, &mut command)?;
        daemon.wait_ready(PATIENCE, || place.run("gobgp", &["global"]).is_ok())?;
        Ok(Self {
            place: place.clone(),
            daemon,
        })
    }

    /// `gobgp <line>`, split at blanks.
    pub fn run(&self, line: &str) -> Result<String> {
        self.place
            .run("gobgp", &line.split_whitespace().collect::<Vec<_>>())
    }

    /// `gobgp -j <line>`, parsed.
    pub fn json(&self, line: &str) -> Result<Value> {
        let answer = self.run(&format!("-j {line}"))?;
        serde_json::from_str(&answer).with_context(|| format!("gobgp {line}: {answer}"))
    }

    /// Waits until the session with `peer` is established.
    pub fn wait_established(&self, peer: &str) -> Result<()> {
        wait_until(PATIENCE, &format!("GoBGP's session with {peer}"), || {
            self.run(&format!("neighbor {peer}")).is_ok_and(|t| {
                t.contains("BGP state = ESTABLISHED") || t.contains("BGP state = established")
            })
        })
    }

    /// The next hops of an exact prefix; empty if it is not there.
    pub fn next_hops(&self, prefix: &str) -> Result<Vec<String>> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let Ok(table) = self.json(&format!("global rib {prefix} -a {family}")) else {
            return Ok(Vec::new()); // "Network not in table"
        };
        let paths = table
            .get(prefix)
            .or_else(|| table.as_array().map(|_| &table));
        let each = paths.and_then(Value::as_array).into_iter().flatten();
        let attributes = each.flat_map(|path| path["attrs"].as_array().into_iter().flatten());
        Ok(attributes
            .filter_map(|a| a["nexthop"].as_str())
            .map(str::to_owned)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bird::Bird;
    use crate::netns::connect;
    use crate::rootfs::Generation;
    use crate::{Namespace, Need, require, scratch};

    #[test]
    fn bird_and_gobgp_of_both_generations_exchange_routes() {
        require!(
            Need::Root,
            Need::Program("bird"),
            Need::Program("gobgpd"),
            Need::Trixie
        );
        for generation in Generation::ALL {
            let (dir, a, b) = (
                scratch().unwrap(),
                Namespace::new("bird").unwrap(),
                Namespace::new("gobgp").unwrap(),
            );
            connect((&a, "eth0"), (&b, "eth0")).unwrap();
            a.address("eth0", "10.9.0.1/24").unwrap();
            b.address("eth0", "10.9.0.2/24").unwrap();
            let gobgp = "[global.config]\nas = 64999\nrouter-id = \"10.9.0.2\"\n[[neighbors]]\n[neighbors.config]\nneighbor-address = \"10.9.0.1\"\npeer-as = 64999\n\
                         [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n";
            let bird = "router id 10.9.0.1;\nprotocol device {}\nprotocol static origin { ipv4; route 198.51.100.1/32 blackhole; }\n\
                        protocol bgp gobgp1 { local as 64999; neighbor 10.9.0.2 as 64999; ipv4 { import all; export all; next hop self; }; }\n";
            let bird = Bird::start(
                &Place::inside(&a).with(generation),
                &dir.path().join("bird"),
                bird,
            )
            .unwrap();
            let gobgp = Gobgp::start(
                &Place::inside(&b).with(generation),
                &dir.path().join("gobgp"),
                gobgp,
            )
            .unwrap();
            bird.wait_established("gobgp1").unwrap();
            gobgp.wait_established("10.9.0.1").unwrap();
            gobgp
                .run("global rib add 198.51.100.2/32 nexthop 10.9.0.2")
                .unwrap();
            let there = |name: &str, cond: &mut dyn FnMut() -> bool| {
                wait_until(PATIENCE, name, cond).unwrap()
            };
            there("a route at GoBGP", &mut || {
                gobgp
                    .next_hops("198.51.100.1/32")
                    .is_ok_and(|h| h == ["10.9.0.1"])
            });
            there("a route at BIRD", &mut || {
                bird.next_hops("198.51.100.2/32")
                    .is_ok_and(|h| h == ["10.9.0.2"])
            });
            assert!(gobgp.next_hops("198.51.100.9/32").unwrap().is_empty());
            assert!(bird.next_hops("198.51.100.9/32").unwrap().is_empty());
        }
    }
}
