//! Routes in FRR's words: copied on the speaker's thread, sorted, filtered and put into words here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use bgp::wire::evpn::EvpnRoute;
use bgp::wire::{NextHop, Origin, PathAttributes};
use bgp::{ExportedRoute, LearnedPath, PeerId, RouteAttributes, State};
use ipnet::IpNet;

use super::neighbors::peers;
use crate::advertise::{Live, Origination, Source};
use crate::control::message::{Hop, OfNeighbor, RouteLine, RoutesQuery};
use crate::peering::{Ended, Handle};

/// Lookups on the speaker's thread in one go: well below a millisecond's worth.
const LOOKUPS: usize = 4096;

/// What the speaker had for a prefix when it was asked.
#[derive(Clone, Debug)]
enum Copied {
    Own(Arc<RouteAttributes>),
    Used(Arc<[LearnedPath]>),
    Taught(LearnedPath),
    Told(Arc<ExportedRoute>),
}

/// The answer to `show routes`, to be read part by part.
#[derive(Debug)]
pub(crate) struct Table {
    /// Sorted by prefix, the last first.
    left: Vec<(IpNet, Copied)>,
    speaker: Option<Handle>,
    origination: Origination,
    peers: usize,
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoTable {
    #[error(transparent)]
    Ended(#[from] Ended),
    #[error("no neighbor is called '{asked}'; there are: {known}")]
    NoNeighbor { asked: String, known: String },
}

impl Table {
    /// Copies what is asked for.
    pub(crate) async fn copy(
        live: &Live,
        origination: &Origination,
        query: &RoutesQuery,
    ) -> Result<Self, NoTable> {
        let (mut left, peers) = match &live.speaker {
            Some(speaker) => copied(speaker, query).await?,
            None => (Vec::new(), 0),
        };
        left.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(Self {
            left,
            speaker: live.speaker.clone(),
            origination: origination.clone(),
            peers,
        })
    }

    /// Whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next routes: at least one, unless everything was read.
    pub(crate) async fn next(&mut self) -> Result<Vec<RouteLine>, Ended> {
        let some = (LOOKUPS / self.peers.max(4)).max(1);
        let at = self.left.len().saturating_sub(some);
        let mut part = self.left.split_off(at);
        part.reverse();
        let own: Vec<IpNet> = part
            .iter()
            .filter(|(_, copied)| matches!(copied, Copied::Own(_)))
            .map(|(prefix, _)| *prefix)
            .collect();
        let mut advertised = self.advertised(own).await?.into_iter();
        let mut lines = Vec::with_capacity(part.len());
        for (prefix, copied) in part {
            match copied {
                Copied::Own(attributes) => lines.push(RouteLine {
                    sources: self.sources(&prefix),
                    advertised_to: advertised.next().unwrap_or_default(),
                    ..own_line(prefix, &attributes)
                }),
                Copied::Told(route) => lines.push(RouteLine {
                    sources: self.sources(&prefix),
                    nexthops: hops(route.next_hop, None),
                    bestpath: true,
                    ..line(prefix, &route.attributes)
                }),
                Copied::Taught(path) => lines.push(learned_line(prefix, &path)),
                Copied::Used(paths) => {
                    lines.extend(paths.iter().enumerate().map(|(rank, path)| RouteLine {
                        bestpath: rank == 0,
                        multipath: paths.len() > 1,
                        ..learned_line(prefix, path)
                    }));
                }
            }
        }
        Ok(lines)
    }

    /// To whom each of these prefixes is advertised.
    async fn advertised(&self, prefixes: Vec<IpNet>) -> Result<Vec<Vec<String>>, Ended> {
        match &self.speaker {
            Some(speaker) if !prefixes.is_empty() => {
                speaker
                    .look(move |view| {
                        let to = |prefix| {
                            let peers = view.speaker.advertised_to(prefix);
                            peers.map(ToString::to_string).collect()
                        };
                        prefixes.iter().map(to).collect()
                    })
                    .await
            }
            _ => Ok(Vec::new()),
        }
    }

    fn sources(&self, prefix: &IpNet) -> Vec<String> {
        let name = |source| match source {
            Source::Configuration => "configuration",
            Source::Connected => "connected",
            Source::Ovn => "ovn",
            Source::Operator => "operator",
        };
        self.origination.with(|origins| {
            let sources = origins.sources(prefix);
            sources.map(|source| name(source).to_owned()).collect()
        })
    }
}

/// The neighbours that have been told of something that covers `ip`, and those that are Established.
/// Whom the speaker has told of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Names of the neighbours that have been sent it in the default table.
    pub to: Vec<String>,
    /// The same by tenant.
    pub tenants: BTreeMap<Vni, Vec<String>>,
    /// Names of the neighbours that are Established.
    pub established: Vec<String>,
}

pub(crate) async fn told(speaker: &Handle, ip: Option<IpAddr>) -> Result<Told, Ended> {
    speaker
        .look(move |view| {
            let routes = view.speaker.routes();
            let covers = routes.filter(|(prefix, _)| ip.is_some_and(|ip| prefix.contains(&ip)));
            let to = covers.flat_map(|(prefix, _)| view.speaker.advertised_to(prefix));
            let to: BTreeSet<String> = to.map(ToString::to_string).collect();
            let mut told = Told {
                to: to.into_iter().collect(),
                ..Told::default()
            };
            let peers = view.speaker.peers();
            for peer in peers.filter(|peer| peer.state == State::Established) {
                let sent = view.speaker.evpn_sent(peer.id);
                let vnis = sent.filter_map(|route| vni_with(route, ip?));
                for vni in vnis.collect::<BTreeSet<_>>() {
                    let to = told.tenants.entry(vni).or_default();
                    to.push(peer.name.to_string());
                }
                told.established.push(peer.name.to_string());
            }
            told
        })
        .await
}

/// The VNI in which a route of EVPN says where an address is.
fn vni_with(route: &EvpnRoute, ip: IpAddr) -> Option<Vni> {
    match route {
        EvpnRoute::IpPrefix(route) if route.prefix.contains(&ip) => Some(route.label.vni()),
        EvpnRoute::MacIp(route) if route.ip == Some(ip) => Some(route.label.vni()),
        _ => None,
    }
}

async fn copied(
    speaker: &Handle,
    query: &RoutesQuery,
) -> Result<(Vec<(IpNet, Copied)>, usize), NoTable> {
    let known = peers(speaker).await?;
    let id = |name: &str| {
        let peer = known.iter().find(|peer| *peer.name == *name);
        peer.map(|peer| peer.id).ok_or_else(|| {
            let known: Vec<&str> = known.iter().map(|peer| &*peer.name).collect();
            NoTable::NoNeighbor {
                asked: name.to_owned(),
                known: known.join(", "),
            }
        })
    };
    let wanted = query.prefix;
    let wanted = move |prefix: &IpNet| wanted.is_none_or(|wanted| prefix.contains(&wanted));
    let table = match &query.of {
        None => used(speaker, wanted).await?,
        Some(OfNeighbor::Received(name)) => taught(speaker, id(name)?, wanted).await?,
        Some(OfNeighbor::Advertised(name)) => told_to(speaker, id(name)?, wanted).await?,
    };
    Ok((table, known.len()))
}

async fn used(
    speaker: &Handle,
    wanted: impl Fn(&IpNet) -> bool + Copy + Send + 'static,
) -> Result<Vec<(IpNet, Copied)>, Ended> {
    let mut table: Vec<_> = speaker
        .look(move |view| {
            let routes = view.speaker.routes().filter(|(prefix, _)| wanted(prefix));
            let own = |(prefix, attributes): (&IpNet, &Arc<_>)| {
                (*prefix, Copied::Own(Arc::clone(attributes)))
            };
            routes.map(own).collect()
        })
        .await?;
    let learned = speaker.look(move |view| {
        let routes = view.speaker.learned().filter(|(prefix, _)| wanted(prefix));
        let used = |(prefix, paths): (&IpNet, &Arc<_>)| (*prefix, Copied::Used(Arc::clone(paths)));
        routes.map(used).collect::<Vec<_>>()
    });
    table.extend(learned.await?);
    Ok(table)
}

async fn taught(
    speaker: &Handle,
    peer: PeerId,
    wanted: impl Fn(&IpNet) -> bool + Send + 'static,
) -> Result<Vec<(IpNet, Copied)>, Ended> {
    speaker
        .look(move |view| {
            let routes = view.speaker.adj_rib_in(peer);
            let routes = routes.filter(|(prefix, _)| wanted(prefix));
            routes
                .map(|(prefix, path)| (*prefix, Copied::Taught(path.clone())))
                .collect()
        })
        .await
}

async fn told_to(
    speaker: &Handle,
    peer: PeerId,
    wanted: impl Fn(&IpNet) -> bool + Send + 'static,
) -> Result<Vec<(IpNet, Copied)>, Ended> {
    speaker
        .look(move |view| {
            let routes = view.speaker.adj_rib_out(peer);
            let routes = routes.filter(|(prefix, _)| wanted(prefix));
            routes
                .map(|(prefix, attributes)| (*prefix, Copied::Told(Arc::clone(attributes))))
                .collect()
        })
        .await
}

fn own_line(prefix: IpNet, attributes: &RouteAttributes) -> RouteLine {
    let hop = |ip| Hop {
        ip,
        interface: None,
    };
    RouteLine {
        prefix,
        nexthops: attributes.next_hop.into_iter().map(hop).collect(),
        origin: origin(attributes.origin).to_owned(),
        loc_prf: attributes.local_pref,
        metric: attributes.med,
        community: texts(&attributes.communities),
        extended_community: texts(&attributes.extended_communities),
        large_community: texts(&attributes.large_communities),
        bestpath: true,
        ..RouteLine::default()
    }
}

/// A path of a neighbour, in words.
pub(crate) fn learned_line(prefix: IpNet, path: &LearnedPath) -> RouteLine {
    RouteLine {
        peer: Some(path.source.peer.to_string()),
        nexthops: hops(path.next_hop, path.source.link.as_deref()),
        loc_prf: Some(path.local_pref()),
        stale: path.stale.is_some(),
        ..line(prefix, &path.attributes)
    }
}

fn line(prefix: IpNet, attributes: &PathAttributes) -> RouteLine {
    RouteLine {
        prefix,
        path: attributes.as_path.to_string(),
        origin: origin(attributes.origin).to_owned(),
        loc_prf: attributes.local_pref,
        metric: attributes.med,
        community: texts(&attributes.communities),
        extended_community: texts(&attributes.extended_communities),
        large_community: texts(&attributes.large_communities),
        ..RouteLine::default()
    }
}

fn hops(next_hop: NextHop, link: Option<&str>) -> Vec<Hop> {
    let hop = |ip: IpAddr| Hop {
        ip,
        interface: link.map(str::to_owned),
    };
    match next_hop {
        NextHop::V4(address) => vec![hop(address.into())],
        NextHop::V6 {
            address,
            link_local,
        } => {
            let both = [Some(address), link_local];
            let both = both.into_iter().flatten();
            both.map(|ip| hop(ip.into())).collect()
        }
    }
}

/// FRR's spelling.
fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Igp => "IGP",
        Origin::Egp => "EGP",
        Origin::Incomplete => "incomplete",
    }
}

fn texts(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
