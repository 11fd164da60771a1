//! Which of the node's own addresses are originated. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bgp::RouteAttributes;
use ipnet::IpNet;
use wildmatch::WildMatch;

use super::node::{Address, Node};
use crate::kernel::LinkFacts;
use crate::reconcile::ownership::{LINK_ALIAS, is_helper_address};

/// The Python agent's dummy device: what is on it is OVN's, and told by OVN.
const AGENT_DEVICE: &str = "bgp-nic";

/// Which interfaces' addresses are originated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Names, in which `*` and `?` stand for any characters and for any one; none: nothing is originated.
    pub interfaces: Vec<String>,
    /// Of those, the ones that are left out.
    pub exclude: Vec<String>,
    /// Each address as a host prefix, whatever its subnet.
    pub hosts: bool,
    /// The connected subnets as well, for neighbours whose export filter lets more pass than host prefixes.
    pub subnets: bool,
    /// What the routes carry.
    pub attributes: Arc<RouteAttributes>,
}

impl Default for Settings {
    /// The loopback's: the addresses by which the node is known, whichever link is up.
    fn default() -> Self {
        Self {
            interfaces: vec!["lo".to_owned()],
            exclude: Vec::new(),
            hosts: true,
            subnets: true,
            attributes: RouteAttributes::none(),
        }
    }
}

impl Settings {
    /// No interface's.
    pub fn none() -> Self {
        Self {
            interfaces: Vec::new(),
            ..Self::default()
        }
    }

    fn covers(&self, link: &LinkFacts) -> bool {
        let matches = |pattern: &String| WildMatch::new(pattern).matches(&link.name);
        let agents = *link.name == *AGENT_DEVICE || link.alias.as_deref() == Some(LINK_ALIAS);
        self.interfaces.iter().any(matches) && !self.exclude.iter().any(matches) && !agents
    }

    /// The prefixes to originate: each address as a host prefix, its subnet, or both. An address counts
    /// while its interface is administratively up: the node answers for it over any link.
    pub(super) fn prefixes(&self, node: &Node) -> BTreeSet<IpNet> {
        let covered = |index| {
            node.link(index)
                .is_some_and(|link| link.up && self.covers(link))
        };
        let addresses = node.addresses().filter(|a| covered(a.index) && is_told(a));
        let prefixes = addresses.flat_map(|address| {
            let host = Some(IpNet::from(address.net.addr())).filter(|_| self.hosts);
            let subnet = Some(address.net.trunc()).filter(|_| self.subnets);
            host.into_iter().chain(subnet)
        });
        prefixes.collect()
    }
}

/// False for what means nothing outside this node or its link, for the helper addresses that all nodes share,
/// and for what may yet prove to be somebody else's (RFC 4862 §5.4) or goes soon (RFC 8981).
fn is_told(address: &Address) -> bool {
    let scoped = match address.net.addr() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
    };
    let host = IpNet::from(address.net.addr());
    !scoped && !is_helper_address(&host) && address.usable && !address.temporary
}
