//! Two nodes with one or two links between them: our speaker on one, a router on the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::Result;
use interop::netns::{Namespace, connect};
use interop::router::{Kind, Network, Remote, Router, Session, Setup};
use interop::{Place, scratch};

use crate::speaker::{Configuration, Speaker};

/// How long a cell waits for a condition: timers are short, and a cell that cannot work shall not hold up the rest.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const OUR_AS: u32 = 65001;
pub(crate) const THEIR_AS: u32 = 65002;

/// What we originate.
pub(crate) const OURS_V4: &str = "198.51.100.7/32";
pub(crate) const OURS_V6: &str = "2001:db8:7::1/128";

/// What the router originates.
pub(crate) const THEIRS_V4: &str = "192.0.2.0/24";
pub(crate) const THEIRS_V6: &str = "2001:db8:9::/48";

/// Interfaces, the same on both nodes.
pub(crate) const LINKS: [&str; 2] = ["eth0", "eth1"];

/// The ends of a link.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Ours = 1,
    Theirs = 2,
}

impl End {
    fn number(self) -> u16 {
        self as u16
    }

    pub(crate) fn v4(self, link: usize) -> Ipv4Addr {
        let [link, end] = [link, usize::from(self.number())].map(|n| u8::try_from(n).unwrap());
        Ipv4Addr::new(10, 9, link, end)
    }

    pub(crate) fn v6(self, link: usize) -> Ipv6Addr {
        let link = u16::try_from(link).unwrap();
        Ipv6Addr::new(0xfd00, 9, link, 0, 0, 0, 0, self.number())
    }

    /// The same on every link, as on switches.
    pub(crate) fn link_local(self) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, self.number())
    }
}

/// How a session over a link is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    V4,
    V6,
    LinkLocal,
    Unnumbered,
}

impl Way {
    /// The session over a link, seen from the router.
    pub(crate) fn seen_from_router(self, link: usize) -> Remote {
        let (ours, theirs) = (End::Ours, End::Theirs);
        match self {
            Self::V4 => Remote::Address {
                remote: IpAddr::V4(ours.v4(link)),
                local: IpAddr::V4(theirs.v4(link)),
            },
            Self::V6 => Remote::Address {
                remote: IpAddr::V6(ours.v6(link)),
                local: IpAddr::V6(theirs.v6(link)),
            },
            Self::LinkLocal => Remote::LinkLocal {
                remote: ours.link_local(),
                local: theirs.link_local(),
                interface: LINKS[link],
            },
            Self::Unnumbered => Remote::Interface(LINKS[link]),
        }
    }

    pub(crate) fn session(self) -> Session {
        Session::new(self.seen_from_router(0), OUR_AS)
    }
}

pub(crate) struct Lab {
    kind: Kind,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) ours: Namespace,
    pub(crate) theirs: Namespace,
}

impl Lab {
    /// Both nodes, and both links with addresses of every sort.
    pub(crate) fn new(kind: Kind) -> Result<Self> {
        let (ours, theirs) = (Namespace::new("us")?, Namespace::new("router")?);
        for (link, name) in LINKS.into_iter().enumerate() {
            connect((&ours, name), (&theirs, name))?;
            for (node, end) in [(&ours, End::Ours), (&theirs, End::Theirs)] {
                node.address(name, &format!("{}/24", end.v4(link)))?;
                node.address(name, &format!("{}/64", end.v6(link)))?;
                // one that is known beforehand, in place of the one made of the MAC address
                node.ip(&format!("-6 address flush dev {name} scope link"))?;
                node.address(name, &format!("{}/64", end.link_local()))?;
            }
        }
        Ok(Self {
            kind,
            dir: scratch()?,
            ours,
            theirs,
        })
    }

    /// The router with one session, on the first link, and a network of each family; `change` it before it starts.
    pub(crate) fn router(
        &self,
        way: Way,
        change: impl FnOnce(&mut Setup),
    ) -> Result<Box<dyn Router>> {
        let mut setup = Setup::new(
            THEIR_AS,
            End::Theirs.v4(0),
            End::Theirs.v6(0),
            way.session(),
        )
        .with(Network::new(THEIRS_V4))
        .with(Network::new(THEIRS_V6));
        change(&mut setup);
        let place = Place::inside(&self.theirs);
        self.kind
            .start(&place, &self.dir.path().join("router"), setup)
    }

    /// Our speaker with one neighbour, the router on the first link; `change` its configuration before it starts.
    pub(crate) fn speaker(
        &self,
        way: Way,
        change: impl FnOnce(&mut Configuration),
    ) -> Result<Speaker<'_>> {
        let mut configuration = Configuration::new(way);
        change(&mut configuration);
        Speaker::start(&self.ours, &self.dir.path().join("ours"), configuration)
    }
}
