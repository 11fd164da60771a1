//! The decision process (RFC 4271 §9.1.2) among paths that peers taught.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr};

use super::learned_path::{LearnedPath, Via};
use crate::hash::AddressSet;
use crate::speaker::Multipath;
use crate::wire::{Origin, RouterId};

/// What a decision depends on besides the paths.
pub(crate) struct Decision<'a> {
    pub(crate) multipath: Multipath,
    /// Where no way leads at present.
    pub(crate) unreachable: &'a AddressSet<Via>,
}

impl Decision<'_> {
    /// Leaves the paths to use: the best first, then those that are equally good.
    ///
    /// MED is compared only between paths of one neighbouring AS (§9.1.2.2 c), which makes the order
    /// partial: a path is out when any other in the running beats it, as the RFC's elimination has it. The age of a
    /// path plays no part: the same paths give the same choice, in whatever order they came.
    pub(crate) fn choose(&self, running: &mut Vec<&LearnedPath>) {
        self.leave_reachable(running);
        if running.len() < 2 {
            return;
        }
        keep_greatest(running, preference);
        lose_by_med(running);
        keep_greatest(running, |path| path.source.external);
        // Step e compares interior costs, of which a host without an IGP has none.
        running.sort_by_key(|path| tie_break(path));
        self.keep_equal(running);
    }

    /// Eligible at all (§9.1.2.1). Where none is, all stay: a host passes nothing on, and who installs the route says
    /// why it cannot be used.
    fn leave_reachable(&self, running: &mut Vec<&LearnedPath>) {
        let is_reachable = |path: &&LearnedPath| !self.unreachable.contains(&path.via());
        if !self.unreachable.is_empty() && running.iter().any(is_reachable) {
            running.retain(is_reachable);
        }
    }

    /// What shares the load with the best, which is the first: each next hop once.
    fn keep_equal(&self, running: &mut Vec<&LearnedPath>) {
        let Some((best, others)) = running.split_first() else {
            return;
        };
        let mut kept = vec![*best];
        for path in others {
            if kept.len() >= self.multipath.max_paths {
                break;
            }
            let same_as_path = path.attributes.as_path == best.attributes.as_path;
            let same_hop = |other: &&LearnedPath| {
                (other.next_hop, &other.source.link) == (path.next_hop, &path.source.link)
            };
            if (self.multipath.relax_as_path || same_as_path) && !kept.iter().any(same_hop) {
                kept.push(path);
            }
        }
        *running = kept;
    }
}

/// Before the steps of §9.1.2.2 the degree of preference, then a and b. Higher is better.
fn preference(path: &LearnedPath) -> (bool, u32, Reverse<u32>, Reverse<Origin>) {
    (
        !path.is_last_resort(),
        path.local_pref(),
        Reverse(path.path_length()),
        Reverse(path.origin()),
    )
}

/// Step c.
fn lose_by_med(running: &mut Vec<&LearnedPath>) {
    if running.iter().all(|path| path.med() == 0) {
        return;
    }
    let rivals = running.clone();
    running.retain(|path| {
        !rivals
            .iter()
            .any(|rival| rival.neighbor_as() == path.neighbor_as() && rival.med() < path.med())
    });
}

/// Steps f and g, lower is better: the identifier of the router that brought the route into our AS, the fewer
/// reflections (RFC 4456 §9), the peer's address. The link is for peers that share a link-local one.
fn tie_break<'a>(path: &&'a LearnedPath) -> (RouterId, usize, IpAddr, Option<&'a str>) {
    let source = &path.source;
    let reflections: &[Ipv4Addr] = path.cluster_list();
    (
        path.originator(),
        reflections.len(),
        source.address,
        source.link.as_deref(),
    )
}

fn keep_greatest<K: Ord>(running: &mut Vec<&LearnedPath>, key: impl Fn(&LearnedPath) -> K) {
    let greatest = running.iter().map(|path| key(path)).max();
    running.retain(|path| Some(key(path)) == greatest);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;
    use crate::rib::{PathSource, Stale};
    use crate::wire::{
        AsPath, AsPathSegment, Asn, Community, NextHop, PathAttributes, SegmentKind,
    };

    fn source(id: u8) -> PathSource {
        PathSource {
            peer: format!("leaf{id}").into(),
            address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, id)),
            link: None,
            router_id: RouterId(Ipv4Addr::new(192, 0, 2, id)),
            external: true,
        }
    }

    fn path(id: u8, change: impl FnOnce(&mut PathSource, &mut PathAttributes)) -> LearnedPath {
        let mut source = source(id);
        let mut attributes = PathAttributes {
            as_path: AsPath::sequence([Asn(65000)]),
            ..PathAttributes::default()
        };
        change(&mut source, &mut attributes);
        let next_hop = NextHop::V4(Ipv4Addr::new(10, 0, 0, id));
        LearnedPath::new(Arc::new(source), next_hop, Arc::new(attributes))
    }

    /// Who wins, and who shares the load, while no way leads to some of the routers.
    fn chosen(paths: &[LearnedPath], multipath: Multipath, lost: &[u8]) -> Vec<u8> {
        let unreachable = lost.iter().map(|id| path(*id, |_, _| {}).via()).collect();
        let decision = Decision {
            multipath,
            unreachable: &unreachable,
        };
        let mut running: Vec<_> = paths.iter().collect();
        decision.choose(&mut running);
        let ids = running.iter().map(|path| match path.source.address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => 0,
        });
        ids.collect()
    }

    fn winner(paths: &[LearnedPath]) -> Option<u8> {
        chosen(paths, Multipath::default(), &[]).first().copied()
    }

    #[test]
    fn each_step_decides_before_the_next() {
        let base = path(1, |_, _| {});
        let preferred = path(2, |_, attributes| {
            attributes.local_pref = Some(200);
            attributes.as_path = AsPath::sequence((1..9).map(Asn));
        });
        assert_eq!(winner(&[base.clone(), preferred]), Some(2));
        let shorter = path(2, |_, attributes| {
            attributes.as_path = AsPath::default();
            attributes.origin = Origin::Incomplete;
        });
        assert_eq!(winner(&[base.clone(), shorter]), Some(2));
        let worse_origin = path(1, |_, attributes| attributes.origin = Origin::Incomplete);
        assert_eq!(winner(&[worse_origin, path(2, |_, _| {})]), Some(2));
        assert_eq!(winner(&[path(2, |_, _| {}), base]), Some(1));
    }

    #[test]
    fn med_compares_only_within_one_neighbouring_as() {
        let other = path(2, |_, _| {});
        let high = path(1, |_, attributes| attributes.med = Some(50));
        assert_eq!(winner(&[high, other.clone()]), Some(2));
        let elsewhere = path(1, |_, attributes| {
            attributes.med = Some(50);
            attributes.as_path = AsPath::sequence([Asn(65009)]);
        });
        assert_eq!(winner(&[elsewhere, other]), Some(1));
    }

    #[test]
    fn external_beats_internal() {
        let internal = path(1, |source, _| source.external = false);
        assert_eq!(winner(&[internal, path(2, |_, _| {})]), Some(2));
    }

    #[test]
    fn an_as_set_counts_as_one_as() {
        let set = AsPathSegment {
            kind: SegmentKind::Set,
            asns: (1..5).map(Asn).collect(),
        };
        let aggregated = path(2, |_, attributes| attributes.as_path.segments.push(set));
        let longer = path(1, |_, attributes| {
            attributes.as_path = AsPath::sequence((1..4).map(Asn));
        });
        assert_eq!(winner(&[longer, aggregated]), Some(2));
    }

    #[test]
    fn what_cannot_be_reached_is_out_as_long_as_anything_can() {
        let worse = path(2, |_, attributes| {
            attributes.as_path = AsPath::sequence((1..4).map(Asn));
        });
        let paths = [path(1, |_, _| {}), worse, path(3, |_, _| {})];
        assert_eq!(chosen(&paths, Multipath::default(), &[1]), [3]);
        assert_eq!(chosen(&paths, Multipath::default(), &[1, 3]), [2]);
        assert_eq!(chosen(&paths, Multipath::default(), &[1, 2, 3]), [1, 3]);
    }

    #[test]
    fn a_reflected_route_competes_under_its_originators_identifier() {
        let reflected = path(1, |_, attributes| {
            attributes.originator_id = Some(RouterId(Ipv4Addr::new(203, 0, 113, 1)));
        });
        assert_eq!(winner(&[reflected.clone(), path(2, |_, _| {})]), Some(2));
        let twice = path(2, |source, attributes| {
            source.router_id = RouterId(Ipv4Addr::new(203, 0, 113, 1));
            attributes.cluster_list = vec![Ipv4Addr::new(1, 1, 1, 1)];
        });
        assert_eq!(winner(&[twice, reflected]), Some(1), "fewer reflections");
    }

    #[test]
    fn the_peers_address_breaks_the_last_tie() {
        let same_id = |id| {
            path(id, |source, _| {
                source.router_id = RouterId(Ipv4Addr::new(192, 0, 2, 1))
            })
        };
        assert_eq!(winner(&[same_id(4), same_id(3)]), Some(3));
    }

    #[test]
    fn what_is_kept_for_an_absent_peer_is_used_only_where_there_is_nothing_else() {
        let stale =
            path(1, |_, attributes| attributes.local_pref = Some(500)).kept(Stale::LongLived);
        let passed_on = path(2, |_, attributes| {
            attributes.communities = vec![Community::LLGR_STALE]
        });
        assert_eq!(winner(&[stale.clone(), path(3, |_, _| {})]), Some(3));
        assert_eq!(winner(&[passed_on, path(3, |_, _| {})]), Some(3));
        assert_eq!(winner(&[stale]), Some(1));
    }

    #[test]
    fn equally_good_paths_share_the_load_up_to_the_limit() {
        let paths = [3, 1, 2].map(|id| path(id, |_, _| {}));
        assert_eq!(chosen(&paths, Multipath::default(), &[]), [1, 2, 3]);
        let two = Multipath {
            max_paths: 2,
            ..Multipath::default()
        };
        assert_eq!(chosen(&paths, two, &[]), [1, 2]);
        let internal = path(4, |source, _| source.external = false);
        let mixed = [paths[0].clone(), internal];
        assert_eq!(chosen(&mixed, Multipath::default(), &[]), [3]);
    }

    #[test]
    fn other_ases_of_the_same_number_share_only_when_that_is_relaxed() {
        let elsewhere = path(2, |_, attributes| {
            attributes.as_path = AsPath::sequence([Asn(65009)]);
        });
        let paths = [path(1, |_, _| {}), elsewhere];
        assert_eq!(chosen(&paths, Multipath::default(), &[]), [1, 2]);
        let strict = Multipath {
            relax_as_path: false,
            ..Multipath::default()
        };
        assert_eq!(chosen(&paths, strict, &[]), [1]);
    }

    #[test]
    fn one_next_hop_is_used_once() {
        let mut twin = path(2, |_, _| {});
        twin.next_hop = NextHop::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(
            chosen(&[path(1, |_, _| {}), twin], Multipath::default(), &[]),
            [1]
        );
    }

    #[test]
    fn nothing_wins_among_none() {
        assert_eq!(winner(&[]), None);
    }
}
