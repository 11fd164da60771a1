//! OpenBGPD as a [`Router`].

use std::fmt::Write as _;
use std::path::{Path as FilePath, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Network, Path, Remote, Router, Session, Setup, community_number};
use crate::Place;
use crate::openbgpd::Openbgpd;

pub(super) struct OpenbgpdRouter {
    place: Place,
    dir: PathBuf,
    setup: Setup,
    bgpd: Option<Openbgpd>,
}

impl OpenbgpdRouter {
    pub(super) fn start(place: &Place, dir: &FilePath, setup: Setup) -> Result<Self> {
        let bgpd = Openbgpd::start(place, dir, &config(&setup)?)?;
        Ok(Self {
            place: place.clone(),
            dir: dir.to_owned(),
            setup,
            bgpd: Some(bgpd),
        })
    }

    fn bgpd(&self) -> Result<&Openbgpd> {
        self.bgpd.as_ref().context("OpenBGPD was killed")
    }

    fn reconfigure(&self) -> Result<()> {
        self.bgpd()?.configure(&config(&self.setup)?)
    }
}

impl Router for OpenbgpdRouter {
    fn is_established(&self, remote: &Remote) -> bool {
        let shown = peer(remote)
            .and_then(|peer| self.bgpd()?.json(&format!("show neighbor {peer}")))
            .unwrap_or_default();
        shown["neighbors"][0]["state"] == "Established"
    }

    fn paths(&self, prefix: &str) -> Result<Vec<Path>> {
        let shown = self.bgpd()?.json(&format!("show rib detail {prefix}"))?;
        let paths = shown["rib"].as_array().into_iter().flatten();
        Ok(paths
            .filter(|path| path["prefix"] == prefix && path["neighbor"]["description"] != "LOCAL")
            .map(path)
            .collect())
    }

    fn announce(&mut self, network: &Network) -> Result<()> {
        self.setup.replace(network);
        self.reconfigure()
    }

    fn withdraw(&mut self, prefix: &str) -> Result<()> {
        self.setup.remove(prefix);
        self.reconfigure()
    }

    fn refresh(&mut self, remote: &Remote) -> Result<()> {
        self.bgpd()?
            .bgpctl(&format!("neighbor {} refresh", peer(remote)?))
            .map(drop)
    }

    fn drain(&mut self) -> Result<()> {
        self.setup.draining = true;
        self.reconfigure()
    }

    fn kill(&mut self) {
        if let Some(bgpd) = self.bgpd.take() {
            bgpd.kill();
        }
    }

    fn restart(&mut self) -> Result<()> {
        let config = config(&self.setup)?;
        self.bgpd = Some(Openbgpd::start(&self.place, &self.dir, &config)?);
        Ok(())
    }

    fn report(&self) -> String {
        let show = |what| self.bgpd().and_then(|bgpd| bgpd.bgpctl(what));
        let said = ["show neighbor", "show rib detail", "show nexthop"];
        let said = said.map(|what| show(what).unwrap_or_else(|e| format!("{e:#}")));
        let log = self.bgpd().map(Openbgpd::log_tail).unwrap_or_default();
        config(&self.setup).unwrap_or_default() + &said.join("\n") + &log
    }
}

fn peer(remote: &Remote) -> Result<String> {
    remote.scoped_address("OpenBGPD")
}

fn config(setup: &Setup) -> Result<String> {
    let mut text = format!(
        "AS {}\nrouter-id {}\nfib-update no\nlisten on 0.0.0.0\nlisten on ::\n",
        setup.asn, setup.router_id
    );
    for network in &setup.networks {
        let _ = write!(text, "network {}", network.prefix);
        let communities = network.communities(setup);
        let words = communities.iter().map(|c| format!("community {c} "));
        let large = network.large_communities.iter();
        let words: String = words
            .chain(large.map(|c| format!("large-community {c} ")))
            .collect();
        if !words.is_empty() {
            let _ = write!(text, " set {{ {words}}}");
        }
        text.push('\n');
    }
    for session in &setup.sessions {
        text.push_str(&neighbor(session)?);
    }
    Ok(text + "allow from any\nallow to any\n")
}

fn neighbor(session: &Session) -> Result<String> {
    let mut text = format!(
        "neighbor {} {{\n remote-as {}\n holdtime 9\n holdtime min 3\n announce IPv4 unicast\n announce IPv6 unicast\n",
        peer(&session.remote)?,
        session.remote_as
    );
    match &session.remote {
        Remote::Address { local, .. } => {
            let _ = writeln!(text, " local-address {local}");
        }
        Remote::LinkLocal {
            local, interface, ..
        } => {
            let _ = writeln!(text, " local-address {local}%{interface}");
        }
        Remote::Interface(_) => {}
    }
    if let Some(password) = session.password {
        let _ = writeln!(text, " tcp md5sig password {password}");
    }
    if session.extended_next_hop {
        text.push_str(" announce extended nexthop yes\n");
    }
    if session.extended_messages {
        text.push_str(" announce extended message yes\n");
    }
    if session.add_path {
        text.push_str(" announce add-path send all\n");
    }
    Ok(text + "}\n")
}

fn path(path: &Value) -> Path {
    let words = |name: &str| {
        let list = path[name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str)
            .map(community_number)
            .collect()
    };
    let ases = path["aspath"].as_str().unwrap_or_default();
    Path {
        next_hops: path["true_nexthop"]
            .as_str()
            .and_then(|hop| hop.split('%').next()?.parse().ok())
            .into_iter()
            .collect(),
        as_path: ases
            .split_whitespace()
            .filter_map(|asn| asn.parse().ok())
            .collect(),
        communities: words("communities"),
        large_communities: words("large_communities"),
    }
}
