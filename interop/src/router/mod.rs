//! Routers behind one face: what a neighbour of ours is to be in neutral words, written in each router's own
//! language, and its tables read back in neutral words.
//!
//! A test of the interop matrix says what it wants once and runs against every [`Kind`].

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod openbgpd;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path as FilePath;

use anyhow::{Result, bail};

use crate::process::wait_until;
use crate::{Generation, Need, PATIENCE, Place};

/// The routers of the matrix, by the versions that the two Debian generations package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// FRR 8.4 of Debian 12.
    Frr8,
    /// FRR 10.3 of Debian 13.
    Frr10,
    /// BIRD 2.0.12 of Debian 12.
    Bird2,
    /// BIRD 3.1 of Debian 13.
    Bird3,
    /// GoBGP 3.10 of Debian 12.
    Gobgp310,
    /// GoBGP 3.36 of Debian 13.
    Gobgp336,
    /// OpenBGPD 8.8 of Debian 13.
    Openbgpd,
    /// ExaBGP 4.2 of Debian 12.
    Exabgp,
}

impl Kind {
    /// All, in the order of the table's columns.
    pub const ALL: [Self; 8] = [
        Self::Frr8,
        Self::Frr10,
        Self::Bird2,
        Self::Bird3,
        Self::Gobgp310,
        Self::Gobgp336,
        Self::Openbgpd,
        Self::Exabgp,
    ];

    /// Name and version, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frr8 => "FRR 8.4",
            Self::Frr10 => "FRR 10.3",
            Self::Bird2 => "BIRD 2.0.12",
            Self::Bird3 => "BIRD 3.1",
            Self::Gobgp310 => "GoBGP 3.10",
            Self::Gobgp336 => "GoBGP 3.36",
            Self::Openbgpd => "OpenBGPD 8.8",
            Self::Exabgp => "ExaBGP 4.2",
        }
    }

    /// Name and version as an identifier: module of its tests, file of its results.
    pub fn id(self) -> &'static str {
        match self {
            Self::Frr8 => "frr_8_4",
            Self::Frr10 => "frr_10_3",
            Self::Bird2 => "bird_2_0_12",
            Self::Bird3 => "bird_3_1",
            Self::Gobgp310 => "gobgp_3_10",
            Self::Gobgp336 => "gobgp_3_36",
            Self::Openbgpd => "openbgpd_8_8",
            Self::Exabgp => "exabgp_4_2",
        }
    }

    /// Whose programs it runs.
    pub fn generation(self) -> Generation {
        match self {
            Self::Frr8 | Self::Bird2 | Self::Gobgp310 | Self::Exabgp => Generation::Bookworm,
            Self::Frr10 | Self::Bird3 | Self::Gobgp336 | Self::Openbgpd => Generation::Trixie,
        }
    }

    /// What it needs beside root and `ip`.
    pub fn need(self) -> Need {
        match self {
            Self::Frr8 => Need::Program("/usr/lib/frr/bgpd"),
            Self::Bird2 => Need::Program("bird"),
            Self::Gobgp310 => Need::Program("gobgpd"),
            Self::Exabgp => Need::Program("exabgp"),
            Self::Frr10 | Self::Bird3 | Self::Gobgp336 | Self::Openbgpd => Need::Trixie,
        }
    }

    /// Starts it at `place` (its namespace), with its files in `dir`.
    pub fn start(self, place: &Place, dir: &FilePath, setup: Setup) -> Result<Box<dyn Router>> {
        let place = place.clone().with(self.generation());
        Ok(match self {
            Self::Frr8 | Self::Frr10 => Box::new(frr::FrrRouter::start(&place, dir, setup)?),
            Self::Bird2 | Self::Bird3 => Box::new(bird::BirdRouter::start(&place, dir, setup)?),
            Self::Gobgp310 | Self::Gobgp336 => {
                Box::new(gobgp::GobgpRouter::start(&place, dir, setup)?)
            }
            Self::Openbgpd => Box::new(openbgpd::OpenbgpdRouter::start(&place, dir, setup)?),
            Self::Exabgp => Box::new(exabgp::ExabgpRouter::start(&place, dir, setup)?),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A router as a test wants it. Every session carries IPv4 and IPv6 unicast, filters nothing, and comes up within
/// seconds: hold time 9 s, connections tried again every second.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its AS number.
    pub asn: u32,
    /// BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Its IPv4 address on the first link.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address on the first link.
    pub ipv6: Ipv6Addr,
    /// Sessions, in order; the first is the one a test is about.
    pub sessions: Vec<Session>,
    /// What it originates.
    pub networks: Vec<Network>,
    /// Graceful restart as the restarting side, with preserved forwarding state (RFC 4724).
    pub graceful_restart: bool,
    /// Its networks carry GRACEFUL_SHUTDOWN (RFC 8326).
    pub draining: bool,
}

impl Setup {
    /// A router with one session and nothing to say; its IPv4 address is its BGP Identifier too.
    pub fn new(asn: u32, ipv4: Ipv4Addr, ipv6: Ipv6Addr, session: Session) -> Self {
        Self {
            asn,
            router_id: ipv4,
            ipv4,
            ipv6,
            sessions: vec![session],
            networks: Vec::new(),
            graceful_restart: false,
            draining: false,
        }
    }

    /// The same router, originating this too.
    #[must_use]
    pub fn with(mut self, network: Network) -> Self {
        self.networks.push(network);
        self
    }

    fn replace(&mut self, network: &Network) {
        self.remove(&network.prefix);
        self.networks.push(network.clone());
    }

    fn remove(&mut self, prefix: &str) {
        self.networks.retain(|known| known.prefix != prefix);
    }
}

/// How the other end of a session is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// By address, from an address.
    Address {
        /// The other end's.
        remote: IpAddr,
        /// Its own.
        local: IpAddr,
    },
    /// By a link-local address on an interface.
    LinkLocal {
        /// The other end's.
        remote: Ipv6Addr,
        /// Its own.
        local: Ipv6Addr,
        /// The interface.
        interface: &'static str,
    },
    /// By the interface alone: whoever sends router advertisements there.
    Interface(&'static str),
}

impl Remote {
    /// The address as most routers write it, with its interface where it is link-local. `router` knows no neighbours by
    /// interface: it neither sends router advertisements nor listens to them.
    fn scoped_address(&self, router: &str) -> Result<String> {
        Ok(match self {
            Self::Address { remote, .. } => remote.to_string(),
            Self::LinkLocal {
                remote, interface, ..
            } => format!("{remote}%{interface}"),
            Self::Interface(_) => {
                bail!("{router} neither sends router advertisements nor listens to them")
            }
        })
    }
}

/// One session, seen from the router.
#[derive(Clone, Debug)]
pub struct Session {
    /// With whom.
    pub remote: Remote,
    /// The other end's AS.
    pub remote_as: u32,
    /// TCP-MD5 (RFC 2385).
    pub password: Option<&'static str>,
    /// IPv4 routes with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// BFD, 3 × 100 ms.
    pub bfd: bool,
    /// Send every path (RFC 7911).
    pub add_path: bool,
    /// Messages of up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
}

impl Session {
    /// A session without options.
    pub fn new(remote: Remote, remote_as: u32) -> Self {
        Self {
            remote,
            remote_as,
            password: None,
            extended_next_hop: false,
            bfd: false,
            add_path: false,
            extended_messages: false,
        }
    }
}

/// A route that a router originates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The prefix.
    pub prefix: String,
    /// Standard communities, `65001:7`.
    pub communities: Vec<String>,
    /// Large communities, `65001:7:8`.
    pub large_communities: Vec<String>,
}

impl Network {
    /// A prefix without communities.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            ..Self::default()
        }
    }

    fn is_v6(&self) -> bool {
        self.prefix.contains(':')
    }

    /// Its communities, with GRACEFUL_SHUTDOWN while the router drains.
    fn communities(&self, setup: &Setup) -> Vec<String> {
        let mut all = self.communities.clone();
        all.extend(setup.draining.then(|| GRACEFUL_SHUTDOWN.to_owned()));
        all
    }
}

/// The well-known community of RFC 8326, as a number.
pub const GRACEFUL_SHUTDOWN: &str = "65535:0";

/// One path in a router's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Every next hop it names: one, or a global and a link-local address.
    pub next_hops: Vec<IpAddr>,
    /// The ASes on the way, nearest first.
    pub as_path: Vec<u32>,
    /// Standard communities, `65001:7`, by number.
    pub communities: BTreeSet<String>,
    /// Large communities, `65001:7:8`.
    pub large_communities: BTreeSet<String>,
}

/// Words of routers for the community of RFC 8326, as the number that it is.
fn community_number(word: &str) -> String {
    let plain = word.to_ascii_lowercase().replace(['-', '_'], "");
    if plain == "gracefulshutdown" {
        GRACEFUL_SHUTDOWN.to_owned()
    } else {
        word.to_owned()
    }
}

/// A router that runs. What a router cannot do is an error that says so.
pub trait Router {
    /// Whether the session is established.
    fn is_established(&self, remote: &Remote) -> bool;

    /// The paths to exactly this prefix that peers have taught it.
    fn paths(&self, prefix: &str) -> Result<Vec<Path>>;

    /// Originates a network too, or with other communities.
    fn announce(&mut self, network: &Network) -> Result<()>;

    /// Stops originating a prefix.
    fn withdraw(&mut self, prefix: &str) -> Result<()>;

    /// Asks the other end for all its routes again (RFC 2918).
    fn refresh(&mut self, remote: &Remote) -> Result<()>;

    /// Marks what it originates with GRACEFUL_SHUTDOWN (RFC 8326).
    fn drain(&mut self) -> Result<()>;

    /// Whether its BFD session beside this one is up.
    fn bfd_is_up(&self, remote: &Remote) -> Result<bool> {
        bail!("no BFD with {remote:?}")
    }

    /// Stops it where it stands, without a word to anybody (SIGSTOP).
    fn freeze(&mut self) -> Result<()> {
        bail!("this router is not frozen in any test")
    }

    /// Ends its BGP daemon at once (SIGKILL).
    fn kill(&mut self);

    /// Starts it again after [`Router::kill`], as a restarting speaker where that was asked for.
    fn restart(&mut self) -> Result<()>;

    /// What it says about itself, for a test that failed.
    fn report(&self) -> String;

    /// Waits for [`Router::is_established`].
    fn wait_established(&self, remote: &Remote) -> Result<()> {
        let up = wait_until(PATIENCE, "the router's session", || {
            self.is_established(remote)
        });
        if let Err(error) = up {
            bail!("{error:#}\n{}", self.report());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_community_of_a_graceful_shutdown_is_one_number_in_every_words() {
        for word in [
            "graceful-shutdown",
            "GRACEFUL_SHUTDOWN",
            "gracefulShutdown",
            "65535:0",
        ] {
            assert_eq!(community_number(word), GRACEFUL_SHUTDOWN);
        }
        assert_eq!(community_number("65001:7"), "65001:7");
    }
}
