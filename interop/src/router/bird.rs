//! BIRD as a [`Router`]. It has no way to add a route but its configuration, which is written anew and read again.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path as FilePath, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Network, Path, Remote, Router, Session, Setup};
use crate::bird::Bird;
use crate::{Generation, Place};

pub(super) struct BirdRouter {
    place: Place,
    dir: PathBuf,
    setup: Setup,
    bird: Option<Bird>,
}

impl BirdRouter {
    pub(super) fn start(place: &Place, dir: &FilePath, setup: Setup) -> Result<Self> {
        let bird = Bird::start(place, dir, &config(&setup))?;
        Ok(Self {
            place: place.clone(),
            dir: dir.to_owned(),
            setup,
            bird: Some(bird),
        })
    }

    fn bird(&self) -> Result<&Bird> {
        self.bird.as_ref().context("BIRD was killed")
    }

    fn reconfigure(&self) -> Result<()> {
        std::fs::write(self.dir.join("bird.conf"), config(&self.setup))?;
        self.bird()?.control("configure").map(drop)
    }

    /// The configured protocol of a session; `None` where BIRD makes it itself.
    fn protocol(&self, remote: &Remote) -> Option<String> {
        let mut sessions = self.setup.sessions.iter();
        let at = sessions.position(|session| session.remote == *remote)?;
        (!matches!(remote, Remote::Interface(_))).then(|| format!("bgp{at}"))
    }
}

impl Router for BirdRouter {
    fn is_established(&self, remote: &Remote) -> bool {
        // what BIRD makes from a range is called dynbgpN
        let name = self.protocol(remote);
        let name = name.as_deref().unwrap_or("dynbgp");
        let shown = self.bird().and_then(|bird| bird.show("show protocols"));
        shown.is_ok_and(|text| {
            text.lines()
                .any(|line| line.starts_with(name) && line.contains("Established"))
        })
    }

    fn paths(&self, prefix: &str) -> Result<Vec<Path>> {
        let Ok(shown) = self.bird()?.show(&format!("show route for {prefix} all")) else {
            return Ok(Vec::new()); // "Network not found", with status 1
        };
        Ok(paths(prefix, &shown))
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
        let name = self.protocol(remote).unwrap_or_else(|| "all".to_owned());
        let command = match self.place.generation() {
            Generation::Bookworm => "reload in",
            Generation::Trixie => "reload bgp in",
        };
        self.bird()?.control(&format!("{command} {name}")).map(drop)
    }

    fn drain(&mut self) -> Result<()> {
        self.setup.draining = true;
        self.reconfigure()
    }

    fn bfd_is_up(&self, remote: &Remote) -> Result<bool> {
        let Remote::Address { remote, .. } = remote else {
            bail!("BFD sessions are looked up by address");
        };
        let shown = self.bird()?.show("show bfd sessions")?;
        let mut lines = shown.lines().map(|line| line.split_whitespace());
        Ok(lines.any(|mut words| {
            words.next() == Some(&remote.to_string()) && words.any(|word| word == "Up")
        }))
    }

    fn freeze(&mut self) -> Result<()> {
        self.bird()?.freeze()
    }

    fn kill(&mut self) {
        if let Some(bird) = self.bird.take() {
            bird.kill();
        }
    }

    fn restart(&mut self) -> Result<()> {
        let config = config(&self.setup);
        self.bird = Some(Bird::restart(&self.place, &self.dir, &config)?);
        Ok(())
    }

    fn report(&self) -> String {
        let show = |what| self.bird().and_then(|bird| bird.show(what));
        let said = ["show protocols all", "show route all"].map(|what| match show(what) {
            Ok(text) => text,
            Err(error) => format!("{error:#}"),
        });
        config(&self.setup) + &said.concat()
    }
}

fn config(setup: &Setup) -> String {
    let mut text = format!(
        "router id {};\ngraceful restart wait 10;\nprotocol device {{ }}\n",
        setup.router_id
    );
    if setup.sessions.iter().any(|session| session.bfd) {
        text.push_str(
            "protocol bfd { interface \"*\" { min rx interval 100 ms; min tx interval 100 ms; idle tx interval 300 ms; multiplier 3; }; }\n",
        );
    }
    for family in ["ipv4", "ipv6"] {
        let _ = writeln!(text, "protocol static static_{family} {{\n {family};");
        let wanted = setup.networks.iter();
        for network in wanted.filter(|network| network.is_v6() == (family == "ipv6")) {
            let _ = writeln!(
                text,
                " route {} blackhole {{ {}}};",
                network.prefix,
                attributes(network, setup)
            );
        }
        text.push_str("}\n");
    }
    for (at, session) in setup.sessions.iter().enumerate() {
        text.push_str(&protocol(at, session, setup));
    }
    text
}

fn attributes(network: &Network, setup: &Setup) -> String {
    let mut text = String::new();
    for community in network.communities(setup) {
        let _ = write!(
            text,
            "bgp_community.add(({})); ",
            community.replace(':', ",")
        );
    }
    for community in &network.large_communities {
        let _ = write!(
            text,
            "bgp_large_community.add(({})); ",
            community.replace(':', ",")
        );
    }
    text
}

fn protocol(at: usize, session: &Session, setup: &Setup) -> String {
    let (asn, remote_as) = (setup.asn, session.remote_as);
    let mut text = match &session.remote {
        Remote::Address { remote, local } => format!(
            "protocol bgp bgp{at} {{\n local {local} as {asn};\n neighbor {remote} as {remote_as};\n"
        ),
        Remote::LinkLocal {
            remote,
            local,
            interface,
        } => format!(
            "protocol bgp bgp{at} {{\n local {local} as {asn};\n neighbor {remote}%{interface} as {remote_as};\n"
        ),
        // BIRD before 2.19 finds nobody by router advertisements: it sends them and waits
        Remote::Interface(interface) => format!(
            "protocol radv {{ interface \"{interface}\" {{ min ra interval 3; max ra interval 4; default lifetime 0; }}; }}\n\
             protocol bgp bgp{at} {{\n local as {asn};\n neighbor range fe80::/10 as {remote_as};\n interface \"{interface}\";\n"
        ),
    };
    text.push_str(
        " hold time 9; connect retry time 1; connect delay time 0; error wait time 1,2;\n",
    );
    if let Some(password) = session.password {
        let _ = writeln!(text, " password \"{password}\";");
    }
    if setup.graceful_restart {
        text.push_str(" graceful restart on;\n");
    }
    if session.bfd {
        text.push_str(" bfd on;\n");
    }
    if session.extended_messages {
        text.push_str(" enable extended messages on;\n");
    }
    for family in ["ipv4", "ipv6"] {
        let _ = write!(text, " {family} {{ import all; export all;");
        if session.add_path {
            text.push_str(" add paths tx;");
        }
        if session.extended_next_hop && family == "ipv4" {
            text.push_str(" extended next hop on;");
        }
        text.push_str(" };\n");
    }
    text + "}\n"
}

/// The BGP paths in the answer to `show route for … all`: attributes follow the line of their path.
fn paths(prefix: &str, shown: &str) -> Vec<Path> {
    let mut paths: Vec<Path> = Vec::new();
    let mut wanted = false;
    for line in shown.lines() {
        // "198.51.100.7/32 unicast [bgp0 …", and for further paths of the prefix blanks in its place
        if line.contains(" [") && line.contains(']') {
            let first = line.split_whitespace().next().unwrap_or_default();
            wanted = first == prefix || (line.starts_with(' ') && wanted);
        }
        let Some((name, value)) = line.trim().split_once(':').filter(|_| wanted) else {
            continue;
        };
        let name = name.to_ascii_lowercase().replace("bgp.", "bgp_");
        if name == "bgp_origin" {
            paths.push(Path::default());
        }
        if let Some(path) = paths.last_mut() {
            attribute(path, &name, value);
        }
    }
    paths
}

fn attribute(path: &mut Path, name: &str, value: &str) {
    // "(65001,7) (65001,8)", of large ones "(65001, 7, 8)"
    let communities = || {
        value
            .split(')')
            .map(|one| {
                one.trim()
                    .trim_start_matches('(')
                    .replace(", ", ":")
                    .replace(',', ":")
            })
            .filter(|one| !one.is_empty())
    };
    match name {
        "bgp_as_path" | "bgp_path" => {
            path.as_path = value
                .split_whitespace()
                .filter_map(|asn| asn.parse().ok())
                .collect();
        }
        "bgp_next_hop" => {
            path.next_hops = value
                .split_whitespace()
                .filter_map(|hop| hop.parse::<IpAddr>().ok())
                .collect();
        }
        "bgp_community" => path.communities = communities().collect(),
        "bgp_large_community" => path.large_communities = communities().collect(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_both_dialects_are_read() {
        let two = "Table master4:\n198.51.100.7/32      unicast [bgp0 08:15:03.038] * (100) [AS65001i]\n\tvia 10.9.0.1 on eth0\n\
            \tType: BGP univ\n\tBGP.origin: IGP\n\tBGP.as_path: 65001\n\tBGP.next_hop: 10.9.0.1\n\tBGP.local_pref: 100\n\
            \tBGP.community: (65001,7) (65535,0)\n\tBGP.large_community: (65001, 1, 2) (65001, 1, 3)\n";
        let three = "Table master6:\n2001:db8:7::1/128    unicast [bgp0 08:15:03.038] * (100) [AS65001i]\n\tvia fd00:9::1 on eth0\n\
            \tpreference: 100\n\tbgp_origin: IGP\n\tbgp_path: 65001 65002\n\tbgp_next_hop: fd00:9::1 fe80::1\n\
            \x20                    unicast [bgp1 08:15:03.038] (100) [AS65001i]\n\tbgp_origin: IGP\n\tbgp_next_hop: fd00:9::3\n";
        let read = paths("198.51.100.7/32", two);
        assert_eq!(read.len(), 1);
        assert!(read[0].communities.iter().eq(["65001:7", "65535:0"]));
        assert!(
            read[0]
                .large_communities
                .iter()
                .eq(["65001:1:2", "65001:1:3"])
        );
        let read = paths("2001:db8:7::1/128", three);
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].next_hops.len(), read[0].as_path.as_slice()),
            (2, [65001, 65002].as_slice())
        );
        assert_eq!(read[1].next_hops, ["fd00:9::3".parse::<IpAddr>().unwrap()]);
        assert!(paths("198.51.100.9/32", two).is_empty());
    }
}
