//! What discovery knows of a link, in the operator's words.

use std::fmt;
use std::net::Ipv6Addr;

/// What is known of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The node has no interface of that name.
    Missing,
    /// The interface is down.
    Down,
    /// The interface has no usable link-local address.
    NoAddress {
        /// The one it had belongs to another node.
        duplicate: bool,
    },
    /// Nobody has advertised itself.
    Waiting,
    /// There is another router than before; whether the former are still there is not known yet.
    Asking(Vec<Ipv6Addr>),
    /// More than one is there: none is taken.
    Several(Vec<Ipv6Addr>),
    /// The peer.
    Peer {
        /// Its address.
        peer: Ipv6Addr,
        /// Others that advertise themselves while the session is up.
        others: Vec<Ipv6Addr>,
    },
}

impl Finding {
    /// The finding about the interface of that name.
    pub fn on<'a>(&'a self, interface: &'a str) -> impl fmt::Display + 'a {
        Words {
            finding: self,
            interface,
        }
    }
}

struct Words<'a> {
    finding: &'a Finding,
    interface: &'a str,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.interface;
        match self.finding {
            Finding::Missing => write!(f, "there is no interface {name}"),
            Finding::Down => write!(f, "{name} is down"),
            Finding::NoAddress { duplicate: false } => {
                write!(
                    f,
                    "{name} has no link-local address yet: IPv6 may be disabled on it"
                )
            }
            Finding::NoAddress { duplicate: true } => {
                write!(
                    f,
                    "the link-local address of {name} is in use by another node"
                )
            }
            Finding::Waiting => write!(f, "waiting for a router advertisement on {name}"),
            Finding::Asking(routers) => {
                write!(
                    f,
                    "asking which routers are left on {name}: {}",
                    list(routers)
                )
            }
            Finding::Several(routers) => write!(
                f,
                "{} routers on {name}: {}: no session until only one is left",
                routers.len(),
                list(routers)
            ),
            Finding::Peer { peer, others } if others.is_empty() => {
                write!(f, "{peer} on {name}")
            }
            Finding::Peer { peer, others } => write!(
                f,
                "{peer} on {name}, where other routers are as well: {}: once this session ends, none is taken until only one is left",
                list(others)
            ),
        }
    }
}

fn list(addresses: &[Ipv6Addr]) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}
