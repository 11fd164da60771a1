//! The decision process (RFC 4271 §9.1.2.2) among paths that peers taught.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::learned_path::LearnedPath;
use crate::wire::{Origin, RouterId};

/// The best of `paths`.
///
/// MED is compared only between paths of one neighbouring AS (§9.1.2.2 c), which makes the order
/// partial: a candidate loses when any other in the running beats it, as the RFC's elimination does.
pub(crate) fn best<'a>(paths: impl Iterator<Item = &'a LearnedPath>) -> Option<&'a LearnedPath> {
    let mut running: Vec<&LearnedPath> = paths.collect();
    let top = running.iter().map(|path| before_med(path)).max()?;
    running.retain(|path| before_med(path) == top);
    let rivals = running.clone();
    running.retain(|path| {
        !rivals
            .iter()
            .any(|rival| rival.neighbor_as() == path.neighbor_as() && rival.med() < path.med())
    });
    running.into_iter().min_by_key(|path| after_med(path))
}

/// Steps a and b, higher is better.
fn before_med(path: &LearnedPath) -> (u32, Reverse<u32>, Reverse<Origin>) {
    (
        path.local_pref(),
        Reverse(path.path_length()),
        Reverse(path.origin()),
    )
}

/// Steps d, f and g, lower is better.
fn after_med(path: &LearnedPath) -> (bool, RouterId, IpAddr) {
    let source = &path.source;
    (!source.external, source.router_id, source.address)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;
    use crate::rib::PathSource;
    use crate::wire::{AsPath, Asn, NextHop, PathAttributes};

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

    fn winner(paths: &[LearnedPath]) -> Option<u8> {
        let best = best(paths.iter())?;
        best.source.router_id.0.octets().last().copied()
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
    fn nothing_wins_among_none() {
        assert_eq!(winner(&[]), None);
    }
}
