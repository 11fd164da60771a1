//! ExaBGP as a [`Router`]: it has no table of its own, so what its peers said is played back here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path as FilePath, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Network, Path, Remote, Router, Session, Setup};
use crate::Place;
use crate::exabgp::{Exabgp, PROCESS};

pub(super) struct ExabgpRouter {
    place: Place,
    dir: PathBuf,
    setup: Setup,
    exabgp: Option<Exabgp>,
}

impl ExabgpRouter {
    pub(super) fn start(place: &Place, dir: &FilePath, setup: Setup) -> Result<Self> {
        let exabgp = Exabgp::start(place, dir, &config(&setup)?)?;
        Ok(Self {
            place: place.clone(),
            dir: dir.to_owned(),
            setup,
            exabgp: Some(exabgp),
        })
    }

    fn exabgp(&self) -> Result<&Exabgp> {
        self.exabgp.as_ref().context("ExaBGP was killed")
    }

    /// `neighbor X announce …` or `… withdraw …` for every session.
    fn tell(&self, verb: &str, network: &Network) -> Result<()> {
        for session in &self.setup.sessions {
            let (remote, _) = addresses(&session.remote)?;
            let route = route(0, network, session, &self.setup)?;
            self.exabgp()?
                .command(&format!("neighbor {remote} {verb} {route}"))?;
        }
        Ok(())
    }
}

impl Router for ExabgpRouter {
    fn is_established(&self, remote: &Remote) -> bool {
        let said = addresses(remote).and_then(|(remote, _)| {
            let events = self.exabgp()?.events()?;
            Ok(Table::of(&events).up.get(&remote).copied())
        });
        said.is_ok_and(|up| up == Some(true))
    }

    fn paths(&self, prefix: &str) -> Result<Vec<Path>> {
        let events = self.exabgp()?.events()?;
        let routes = Table::of(&events).routes.into_iter();
        let wanted = routes.filter(|((_, known), _)| known == prefix);
        Ok(wanted.map(|(_, path)| path).collect())
    }

    fn announce(&mut self, network: &Network) -> Result<()> {
        self.setup.replace(network);
        self.tell("announce", network)
    }

    fn withdraw(&mut self, prefix: &str) -> Result<()> {
        self.setup.remove(prefix);
        self.tell("withdraw", &Network::new(prefix))
    }

    fn refresh(&mut self, remote: &Remote) -> Result<()> {
        let (remote, _) = addresses(remote)?;
        for family in ["ipv4", "ipv6"] {
            self.exabgp()?.command(&format!(
                "neighbor {remote} announce route-refresh {family} unicast"
            ))?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        self.setup.draining = true;
        let mut networks = self.setup.networks.iter();
        networks.try_for_each(|network| self.tell("announce", network))
    }

    fn kill(&mut self) {
        if let Some(exabgp) = self.exabgp.take() {
            exabgp.kill();
        }
    }

    fn restart(&mut self) -> Result<()> {
        let config = config(&self.setup)?;
        self.exabgp = Some(Exabgp::start(&self.place, &self.dir, &config)?);
        Ok(())
    }

    fn report(&self) -> String {
        let said = self.exabgp().and_then(|exabgp| {
            let events = exabgp.events()?;
            let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
            Ok(lines.join("\n") + "\n" + &exabgp.log_tail())
        });
        config(&self.setup).unwrap_or_default() + &said.unwrap_or_else(|e| format!("{e:#}"))
    }
}

/// The other end's address and its own.
fn addresses(remote: &Remote) -> Result<(IpAddr, IpAddr)> {
    match remote {
        Remote::Address { remote, local } => Ok((*remote, *local)),
        Remote::LinkLocal { .. } => bail!("ExaBGP takes no interface with a link-local address"),
        Remote::Interface(_) => {
            bail!("ExaBGP neither sends router advertisements nor listens to them")
        }
    }
}

fn config(setup: &Setup) -> Result<String> {
    let mut text = String::new();
    for session in &setup.sessions {
        let (remote, local) = addresses(&session.remote)?;
        let _ = write!(
            text,
            "neighbor {remote} {{\n router-id {};\n local-address {local};\n local-as {};\n peer-as {};\n hold-time 9;\n",
            setup.router_id, setup.asn, session.remote_as
        );
        if let Some(password) = session.password {
            let _ = writeln!(text, " md5-password '{password}';");
        }
        text.push_str(
            " family { ipv4 unicast; ipv6 unicast; }\n capability { route-refresh enable;",
        );
        if setup.graceful_restart {
            text.push_str(" graceful-restart 60;");
        }
        if session.add_path {
            text.push_str(" add-path send;");
        }
        if session.extended_next_hop {
            text.push_str(" nexthop enable;");
        }
        let extended = if session.extended_messages {
            "enable"
        } else {
            "disable"
        };
        let _ = writeln!(text, " extended-message {extended}; }}");
        if session.add_path {
            text.push_str(" add-path { ipv4 unicast; ipv6 unicast; }\n");
        }
        if session.extended_next_hop {
            text.push_str(" nexthop { ipv4 unicast ipv6; }\n");
        }
        let _ = writeln!(
            text,
            " api {{ processes [ {PROCESS} ]; neighbor-changes; receive {{ parsed; update; notification; }} }}\n static {{"
        );
        for (at, network) in setup.networks.iter().enumerate() {
            let _ = writeln!(text, "  {};", route(at, network, session, setup)?);
        }
        text.push_str(" }\n}\n");
    }
    Ok(text)
}

/// A route in its words, the `at`th of the configuration.
fn route(at: usize, network: &Network, session: &Session, setup: &Setup) -> Result<String> {
    let (_, local) = addresses(&session.remote)?;
    let next_hop = match (network.is_v6(), local) {
        (false, IpAddr::V6(own)) if !session.extended_next_hop || own.is_unspecified() => {
            setup.ipv4.into()
        }
        (true, IpAddr::V4(_)) => setup.ipv6.into(),
        _ => local,
    };
    let mut text = format!("route {} next-hop {next_hop}", network.prefix);
    if session.add_path {
        let _ = write!(text, " path-information 0.0.0.{}", at + 1);
    }
    let mut say = |what: &str, values: &[String]| {
        if !values.is_empty() {
            let _ = write!(text, " {what} [ {} ]", values.join(" "));
        }
    };
    say("community", &network.communities(setup));
    say("large-community", &network.large_communities);
    Ok(text)
}

/// What its peers have said, added up.
#[derive(Default)]
struct Table {
    up: BTreeMap<IpAddr, bool>,
    routes: BTreeMap<(IpAddr, String), Path>,
}

impl Table {
    fn of(events: &[Value]) -> Self {
        let mut table = Self::default();
        for event in events {
            let peer = event["neighbor"]["address"]["peer"].as_str();
            if let Some(peer) = peer.and_then(|peer| peer.parse().ok()) {
                table.take(peer, event);
            }
        }
        table
    }

    fn take(&mut self, peer: IpAddr, event: &Value) {
        if let Some(state) = event["neighbor"]["state"].as_str() {
            self.up.insert(peer, state == "up");
            if state == "down" {
                self.routes.retain(|(known, _), _| *known != peer);
            }
        }
        let update = &event["neighbor"]["message"]["update"];
        for prefixes in entries(&update["withdraw"]) {
            for prefix in prefixes_of(prefixes) {
                self.routes.remove(&(peer, prefix));
            }
        }
        for by_hop in entries(&update["announce"]) {
            for (hop, prefixes) in by_hop.as_object().into_iter().flatten() {
                for prefix in prefixes_of(prefixes) {
                    let path = path(hop, &update["attribute"]);
                    self.routes.insert((peer, prefix), path);
                }
            }
        }
    }
}

/// The values of an object by family.
fn entries(families: &Value) -> impl Iterator<Item = &Value> {
    families
        .as_object()
        .into_iter()
        .flat_map(|all| all.values())
}

fn prefixes_of(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|one| one["nlri"].as_str().or_else(|| one.as_str()))
        .map(str::to_owned)
        .collect()
}

fn path(hop: &str, attributes: &Value) -> Path {
    let list = |name: &str| attributes[name].as_array().into_iter().flatten();
    // [ 65001, 7 ]
    let communities = |name: &str| {
        list(name)
            .map(|parts| {
                let parts = parts.as_array().into_iter().flatten();
                parts.map(ToString::to_string).collect::<Vec<_>>().join(":")
            })
            .collect()
    };
    Path {
        next_hops: hop.parse().into_iter().collect(),
        as_path: list("as-path")
            .filter_map(|asn| u32::try_from(asn.as_u64()?).ok())
            .collect(),
        communities: communities("community"),
        large_communities: communities("large-community"),
    }
}
