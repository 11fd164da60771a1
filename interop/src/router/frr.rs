//! FRR as a [`Router`].

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path as FilePath;

use anyhow::Result;
use serde_json::Value;

use super::{Network, Path, Remote, Router, Setup, community_number};
use crate::Place;
use crate::frr::Frr;

pub(super) struct FrrRouter {
    frr: Frr,
    setup: Setup,
}

impl FrrRouter {
    pub(super) fn start(place: &Place, dir: &FilePath, setup: Setup) -> Result<Self> {
        let bfd = setup.sessions.iter().any(|session| session.bfd);
        let daemons: &[&str] = if bfd {
            &["zebra", "bgpd", "bfdd"]
        } else {
            &["zebra", "bgpd"]
        };
        let frr = Frr::start_daemons(place, dir, &config(&setup), daemons)?;
        Ok(Self { frr, setup })
    }
}

impl Router for FrrRouter {
    fn is_established(&self, remote: &Remote) -> bool {
        self.frr.is_established(&peer(remote))
    }

    fn paths(&self, prefix: &str) -> Result<Vec<Path>> {
        let table = self
            .frr
            .json(&format!("show bgp {} unicast {prefix}", family(prefix)))?;
        let paths = table["paths"].as_array().into_iter().flatten();
        Ok(paths
            .filter(|path| path["peer"]["type"] != "local" && path["sourced"] != true)
            .map(path)
            .collect())
    }

    fn announce(&mut self, network: &Network) -> Result<()> {
        self.setup.replace(network);
        self.configure(network_lines(&self.setup))
    }

    fn withdraw(&mut self, prefix: &str) -> Result<()> {
        self.setup.remove(prefix);
        self.configure(format!(
            "router bgp {}\n address-family {} unicast\n  no network {prefix}\n",
            self.setup.asn,
            family(prefix)
        ))
    }

    fn refresh(&mut self, remote: &Remote) -> Result<()> {
        for family in ["ipv4", "ipv6"] {
            self.frr
                .vtysh(&format!("clear bgp {family} unicast {} in", peer(remote)))?;
        }
        Ok(())
    }

    /// Natively: `bgp graceful-shutdown` marks every route that it sends.
    fn drain(&mut self) -> Result<()> {
        self.setup.draining = true;
        self.configure(format!(
            "router bgp {}\n bgp graceful-shutdown\n",
            self.setup.asn
        ))
    }

    fn bfd_is_up(&self, remote: &Remote) -> Result<bool> {
        let peers = self.frr.json("show bfd peers")?;
        let mut peers = peers.as_array().into_iter().flatten();
        Ok(peers.any(|one| one["peer"] == peer(remote) && one["status"] == "up"))
    }

    fn freeze(&mut self) -> Result<()> {
        self.frr.freeze()
    }

    fn kill(&mut self) {
        self.frr.kill("bgpd");
    }

    fn restart(&mut self) -> Result<()> {
        std::fs::write(self.frr.dir().join("frr.conf"), config(&self.setup))?;
        self.frr.revive("bgpd")
    }

    fn report(&self) -> String {
        let show = |what| self.frr.vtysh(what).unwrap_or_else(|e| format!("{e:#}"));
        format!(
            "{}{}{}",
            config(&self.setup),
            show("show bgp summary"),
            show("show bgp all")
        )
    }
}

impl FrrRouter {
    fn configure(&self, lines: impl AsRef<str>) -> Result<()> {
        self.frr
            .configure(&lines.as_ref().lines().collect::<Vec<_>>())
    }
}

fn family(prefix: &str) -> &'static str {
    if prefix.contains(':') { "ipv6" } else { "ipv4" }
}

/// A session's name in FRR's configuration.
fn peer(remote: &Remote) -> String {
    match remote {
        Remote::Address { remote, .. } => remote.to_string(),
        Remote::LinkLocal { remote, .. } => remote.to_string(),
        Remote::Interface(interface) => (*interface).to_owned(),
    }
}

fn config(setup: &Setup) -> String {
    let mut text = String::new();
    if setup.sessions.iter().any(|session| session.bfd) {
        text.push_str(
            "bfd\n profile fast\n  transmit-interval 100\n  receive-interval 100\n  detect-multiplier 3\n exit\nexit\n",
        );
    }
    let _ = write!(
        text,
        "router bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
         no bgp network import-check\n timers bgp 3 9\n",
        setup.asn, setup.router_id
    );
    if setup.graceful_restart {
        text.push_str(" bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n");
    }
    if setup.draining {
        text.push_str(" bgp graceful-shutdown\n");
    }
    for session in &setup.sessions {
        let peer = peer(&session.remote);
        let remote_as = session.remote_as;
        let _ = match session.remote {
            Remote::Interface(_) => {
                writeln!(text, " neighbor {peer} interface remote-as {remote_as}")
            }
            _ => writeln!(text, " neighbor {peer} remote-as {remote_as}"),
        };
        let mut line = |more: &str| {
            let _ = writeln!(text, " neighbor {peer} {more}");
        };
        line("timers connect 1");
        line("advertisement-interval 0");
        if let Remote::LinkLocal { interface, .. } = session.remote {
            line(&format!("interface {interface}"));
        }
        if let Some(password) = session.password {
            line(&format!("password {password}"));
        }
        if session.bfd {
            line("bfd");
            line("bfd profile fast");
        }
        if session.extended_next_hop {
            line("capability extended-nexthop");
        }
    }
    for family in ["ipv4", "ipv6"] {
        let _ = writeln!(text, " address-family {family} unicast");
        for session in &setup.sessions {
            let peer = peer(&session.remote);
            let _ = writeln!(text, "  neighbor {peer} activate");
            if session.add_path {
                let _ = writeln!(text, "  neighbor {peer} addpath-tx-all-paths");
            }
        }
        text.push_str(" exit-address-family\n");
    }
    text.push_str("exit\n");
    text + &network_lines(setup)
}

/// Every network with a route-map of its own, which says its communities.
fn network_lines(setup: &Setup) -> String {
    let mut text = String::new();
    for (at, network) in setup.networks.iter().enumerate() {
        let _ = writeln!(text, "route-map NETWORK{at} permit 10");
        let mut set = |what: &str, values: &[String]| {
            if !values.is_empty() {
                let _ = writeln!(text, " set {what} {}", values.join(" "));
            }
        };
        set("community", &network.communities);
        set("large-community", &network.large_communities);
        let _ = write!(
            text,
            "exit\nrouter bgp {}\n address-family {} unicast\n  network {} route-map NETWORK{at}\n exit-address-family\nexit\n",
            setup.asn,
            family(&network.prefix),
            network.prefix
        );
    }
    text
}

fn path(path: &Value) -> Path {
    let segments = path["aspath"]["segments"].as_array().into_iter().flatten();
    let ases = segments.flat_map(|segment| segment["list"].as_array().into_iter().flatten());
    let hops = path["nexthops"].as_array().into_iter().flatten();
    let words = |kind: &str| -> BTreeSet<String> {
        let list = path[kind]["list"].as_array().into_iter().flatten();
        list.filter_map(Value::as_str)
            .map(community_number)
            .collect()
    };
    Path {
        next_hops: hops
            .filter_map(|hop| hop["ip"].as_str()?.parse().ok())
            .collect(),
        as_path: ases
            .filter_map(|asn| u32::try_from(asn.as_u64()?).ok())
            .collect(),
        communities: words("community"),
        large_communities: words("largeCommunity"),
    }
}
