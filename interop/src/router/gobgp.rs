//! GoBGP as a [`Router`].

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path as FilePath, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Network, Path, Remote, Router, Setup};
use crate::Place;
use crate::gobgp::Gobgp;

pub(super) struct GobgpRouter {
    place: Place,
    dir: PathBuf,
    setup: Setup,
    gobgp: Option<Gobgp>,
}

impl GobgpRouter {
    pub(super) fn start(place: &Place, dir: &FilePath, setup: Setup) -> Result<Self> {
        let gobgp = Gobgp::start(place, dir, &config(&setup)?)?;
        let this = Self {
            place: place.clone(),
            dir: dir.to_owned(),
            setup,
            gobgp: Some(gobgp),
        };
        this.add_networks()?;
        Ok(this)
    }

    fn gobgp(&self) -> Result<&Gobgp> {
        self.gobgp.as_ref().context("GoBGP was killed")
    }

    fn add_networks(&self) -> Result<()> {
        let mut networks = self.setup.networks.iter();
        networks.try_for_each(|network| self.add(network))
    }

    fn add(&self, network: &Network) -> Result<()> {
        let mut line = format!("global rib -a {} add {}", family(network), network.prefix);
        if network.is_v6() {
            // over an IPv4 session GoBGP knows no IPv6 address of its own
            let _ = write!(line, " nexthop {}", self.setup.ipv6);
        }
        let mut say = |what: &str, values: &[String]| {
            if !values.is_empty() {
                let _ = write!(line, " {what} {}", values.join(","));
            }
        };
        say("community", &network.communities(&self.setup));
        say("large-community", &network.large_communities);
        self.gobgp()?.run(&line).map(drop)
    }
}

impl Router for GobgpRouter {
    fn is_established(&self, remote: &Remote) -> bool {
        let said = peer(remote)
            .and_then(|peer| self.gobgp()?.run(&format!("neighbor {peer}")))
            .unwrap_or_default();
        said.to_ascii_lowercase().contains("established,")
    }

    fn paths(&self, prefix: &str) -> Result<Vec<Path>> {
        let family = family(&Network::new(prefix));
        let Ok(table) = self
            .gobgp()?
            .json(&format!("global rib {prefix} -a {family}"))
        else {
            return Ok(Vec::new()); // "Network not in table"
        };
        let paths = table.get(prefix).unwrap_or(&table);
        Ok(paths.as_array().into_iter().flatten().map(path).collect())
    }

    fn announce(&mut self, network: &Network) -> Result<()> {
        self.setup.replace(network);
        self.add(network)
    }

    fn withdraw(&mut self, prefix: &str) -> Result<()> {
        self.setup.remove(prefix);
        let family = family(&Network::new(prefix));
        self.gobgp()?
            .run(&format!("global rib -a {family} del {prefix}"))
            .map(drop)
    }

    fn refresh(&mut self, _: &Remote) -> Result<()> {
        bail!("GoBGP's softresetin looks at what it was told before: it never asks again")
    }

    fn drain(&mut self) -> Result<()> {
        self.setup.draining = true;
        self.add_networks()
    }

    fn kill(&mut self) {
        if let Some(gobgp) = self.gobgp.take() {
            gobgp.kill();
        }
    }

    fn restart(&mut self) -> Result<()> {
        let config = config(&self.setup)?;
        self.gobgp = Some(Gobgp::restart(&self.place, &self.dir, &config)?);
        self.add_networks()
    }

    fn report(&self) -> String {
        let show = |what| self.gobgp().and_then(|gobgp| gobgp.run(what));
        let said = ["neighbor", "global rib -a ipv4", "global rib -a ipv6"];
        let said = said.map(|what| show(what).unwrap_or_else(|e| format!("{e:#}")));
        let log = self.gobgp().map(Gobgp::log_tail).unwrap_or_default();
        config(&self.setup).unwrap_or_default() + &said.join("\n") + &log
    }
}

fn family(network: &Network) -> &'static str {
    if network.is_v6() { "ipv6" } else { "ipv4" }
}

fn peer(remote: &Remote) -> Result<String> {
    remote.scoped_address("GoBGP")
}

fn config(setup: &Setup) -> Result<String> {
    let mut text = format!(
        "[global.config]\nas = {}\nrouter-id = \"{}\"\n",
        setup.asn, setup.router_id
    );
    for session in &setup.sessions {
        let _ = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\n",
            peer(&session.remote)?,
            session.remote_as
        );
        if let Some(password) = session.password {
            let _ = writeln!(text, "auth-password = \"{password}\"");
        }
        text.push_str(
            "[neighbors.timers.config]\nconnect-retry = 1\nhold-time = 9\nkeepalive-interval = 3\nidle-hold-time-after-reset = 1\n",
        );
        if let Remote::Address { local, .. } = session.remote {
            let _ = writeln!(
                text,
                "[neighbors.transport.config]\nlocal-address = \"{local}\""
            );
        }
        // without it GoBGP is not even a helper
        text.push_str("[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 60\n");
        for family in ["ipv4-unicast", "ipv6-unicast"] {
            let _ = writeln!(
                text,
                "[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}\""
            );
            if setup.graceful_restart {
                text.push_str("[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n");
            }
            if session.add_path {
                text.push_str("[neighbors.afi-safis.add-paths.config]\nsend-max = 8\n");
            }
        }
    }
    Ok(text)
}

fn path(path: &Value) -> Path {
    let mut read = Path::default();
    for attribute in path["attrs"].as_array().into_iter().flatten() {
        let list = |name: &str| attribute[name].as_array().into_iter().flatten();
        let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
        if let Some(hop) = attribute["nexthop"].as_str() {
            read.next_hops.extend(hop.parse::<IpAddr>().ok());
        }
        match attribute["type"].as_u64() {
            Some(2) => {
                read.as_path = list("as_paths")
                    .flat_map(|segment| segment["asns"].as_array().into_iter().flatten())
                    .filter_map(number)
                    .collect();
            }
            Some(8) => {
                read.communities = list("communities")
                    .filter_map(number)
                    .map(|value| format!("{}:{}", value >> 16, value & 0xffff))
                    .collect();
            }
            Some(32) => {
                let parts = ["ASN", "LocalData1", "LocalData2"];
                read.large_communities = list("value")
                    .map(|value| parts.map(|part| value[part].to_string()).join(":"))
                    .collect::<BTreeSet<_>>();
            }
            _ => {}
        }
    }
    read
}
