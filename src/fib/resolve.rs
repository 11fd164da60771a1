//! From a BGP next hop to the kernel's: which interface, which router. Pure.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bgp::wire::NextHop;
use bgp::{LearnedPath, Via};
use ipnet::IpNet;

use super::node::Node;
use super::route::Hop;

/// What a path says about where its traffic goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target(pub(super) Via);

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) hops: Vec<Hop>,
    /// By a route that is not the link's own, so that a learned one may come to lead there instead.
    by_route: bool,
}

/// Why a path is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the session's interface {0} does not exist")]
    NoLink(Arc<str>),
    #[error("interface {0} is down")]
    LinkDown(Arc<str>),
    #[error("a link-local next hop over a session that is not bound to an interface")]
    NoInterface,
    #[error("the next hop is an address of this node")]
    OwnAddress,
    #[error("no route to the next hop")]
    NoRoute,
    #[error("only the default route leads to the next hop, and resolve_via_default is off")]
    OnlyDefault,
    #[error("the route to the next hop refuses traffic (unreachable, prohibit or blackhole)")]
    Refused,
}

impl Unusable {
    /// No learned route can change it, or none should: the next hop of an external peer is on the link.
    fn is_final(&self, external: bool) -> bool {
        match self {
            Self::NoLink(_)
            | Self::LinkDown(_)
            | Self::NoInterface
            | Self::OwnAddress
            | Self::Refused => true,
            Self::NoRoute | Self::OnlyDefault => external,
        }
    }
}

pub(super) type Resolution = Result<Resolved, Unusable>;

/// A learned route that is itself reached without any learned route.
pub(super) struct Firm {
    pub(super) metric: u32,
    pub(super) hops: Vec<Hop>,
}

/// How a next hop was found.
enum Match {
    OnLink(Vec<Hop>),
    Through(Vec<Hop>),
}

impl Target {
    pub(super) fn of(path: &LearnedPath) -> Self {
        Self(path.via())
    }

    fn address(&self) -> IpAddr {
        match self.0.next_hop {
            NextHop::V4(address) => address.into(),
            NextHop::V6 { address, .. } => address.into(),
        }
    }

    /// RFC 2545 §3: 32 octets bring the link-local address besides; an unnumbered neighbour may send it alone.
    fn link_local(&self) -> Option<Ipv6Addr> {
        match self.0.next_hop {
            NextHop::V4(_) => None,
            NextHop::V6 {
                address,
                link_local,
            } => Some(address)
                .filter(Ipv6Addr::is_unicast_link_local)
                .or(link_local),
        }
    }
}

impl Target {
    /// Whether paths that lead there may be chosen, by the node alone. Learned routes have no say: the choice would
    /// depend on itself, and two paths to a prefix could take turns for ever. Where only learned routes may lead, they
    /// may be chosen.
    pub(super) fn is_eligible(&self, node: &Node, via_default: bool) -> bool {
        let found = self.resolve(node, via_default, |_| None);
        found.map_or_else(|why| !why.is_final(self.0.external), |_| true)
    }

    /// Resolves it. `learned` is asked for learned routes to a prefix, where those may help.
    pub(super) fn resolve(
        &self,
        node: &Node,
        via_default: bool,
        learned: impl Fn(&IpNet) -> Option<Firm>,
    ) -> Resolution {
        if let Some(resolution) = self.on_session_link(node) {
            return resolution.map(Resolved::direct);
        }
        if node.owns(self.address()) {
            return Err(Unusable::OwnAddress);
        }
        let found = lookup(node, self.address(), via_default, learned);
        match (found, &self.0.link) {
            (Ok(Match::OnLink(hops)), _) => Ok(Resolved {
                hops,
                by_route: false,
            }),
            // The peer itself, although nothing says that it is on the link.
            (_, Some(link)) if self.0.external => {
                let hop = usable(node, link)?;
                Ok(Resolved::direct(Hop {
                    via: Some(self.address()),
                    link: hop,
                    onlink: true,
                }))
            }
            (Ok(Match::Through(hops)), _) => Ok(Resolved {
                hops,
                by_route: true,
            }),
            (Err(why), _) => Err(why),
        }
    }

    /// A link-local next hop, on the session's interface and on no other.
    fn on_session_link(&self, node: &Node) -> Option<Result<Hop, Unusable>> {
        let via = self.link_local()?;
        let Some(link) = &self.0.link else {
            let alone = self.address() == IpAddr::V6(via);
            return alone.then_some(Err(Unusable::NoInterface));
        };
        Some(usable(node, link).map(|index| Hop {
            via: Some(IpAddr::V6(via)),
            link: index,
            onlink: false,
        }))
    }
}

impl Resolved {
    fn direct(hop: Hop) -> Self {
        Self {
            hops: vec![hop],
            by_route: false,
        }
    }
}

/// True when learned routes may have a say in it.
pub(super) fn follows_learned(resolution: &Resolution) -> bool {
    resolution
        .as_ref()
        .map_or(true, |resolved| resolved.by_route)
}

fn usable(node: &Node, name: &Arc<str>) -> Result<u32, Unusable> {
    let link = node.link_named(name);
    let link = link.ok_or_else(|| Unusable::NoLink(Arc::clone(name)))?;
    if !node.carries(link.index) {
        return Err(Unusable::LinkDown(Arc::clone(name)));
    }
    Ok(link.index)
}

/// Where an address is reached: on its link, if the longest match among the routes of others says so, whatever
/// peers teach about it; else by the longest match of all, of those the one with the lowest metric.
fn lookup(
    node: &Node,
    address: IpAddr,
    via_default: bool,
    learned: impl Fn(&IpNet) -> Option<Firm>,
) -> Result<Match, Unusable> {
    let found = longest(node, address, via_default, |_| None);
    if matches!(found, Ok(Match::OnLink(_))) {
        return found;
    }
    longest(node, address, via_default, learned)
}

fn longest(
    node: &Node,
    address: IpAddr,
    via_default: bool,
    learned: impl Fn(&IpNet) -> Option<Firm>,
) -> Result<Match, Unusable> {
    let mut down = None;
    for length in (0..=IpNet::from(address).max_prefix_len()).rev() {
        let Some(prefix) = IpNet::new(address, length).ok().map(|net| net.trunc()) else {
            continue;
        };
        let firm = learned(&prefix);
        let others = node.others(&prefix);
        if others.is_empty() && firm.is_none() {
            continue;
        }
        if length == 0 && !via_default {
            return Err(down.unwrap_or(Unusable::OnlyDefault));
        }
        let before = |metric| firm.as_ref().is_none_or(|firm| metric <= firm.metric);
        for other in others.iter().filter(|other| before(other.metric)) {
            if other.hops.is_empty() {
                return Err(Unusable::Refused);
            }
            match through(node, address, &other.hops) {
                Ok(found) => return Ok(found),
                Err(why) => down = Some(why),
            }
        }
        if let Some(firm) = firm {
            return through(node, address, &firm.hops);
        }
    }
    Err(down.unwrap_or(Unusable::NoRoute))
}

/// The next hops of a route as those of what it leads to.
fn through(node: &Node, address: IpAddr, hops: &[Hop]) -> Result<Match, Unusable> {
    let (up, down): (Vec<Hop>, Vec<Hop>) = hops.iter().partition(|hop| node.carries(hop.link));
    if let (true, Some(hop)) = (up.is_empty(), down.first()) {
        return Err(Unusable::LinkDown(node.name(hop.link)));
    }
    let on_link = up.iter().all(|hop| hop.via.is_none());
    let hops = up.into_iter().map(|hop| Hop {
        via: hop.via.or(Some(address)),
        ..hop
    });
    let hops = hops.collect();
    Ok(if on_link {
        Match::OnLink(hops)
    } else {
        Match::Through(hops)
    })
}
