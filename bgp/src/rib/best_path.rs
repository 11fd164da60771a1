//! The decision process (RFC 4271 §9.1.2.2) among paths that peers taught.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;

use crate::wire::{Asn, RouterId};

/// Where a path was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSource {
    /// The peer's configured name.
    pub peer: Arc<str>,
    /// Its address, the last tie-break.
    pub address: IpAddr,
    /// Its BGP Identifier.
    pub router_id: RouterId,
    /// The interface of a link-local session: where its link-local next hops are.
    pub link: Option<Arc<str>>,
    /// Learned over eBGP.
    pub external: bool,
}

/// One peer's path to a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedPath {
    /// Who taught it.
    pub source: Arc<PathSource>,
    /// Where its traffic goes.
    pub next_hop: IpAddr,
    /// LOCAL_PREF; 100 when the peer is external or did not say.
    pub local_pref: u32,
    /// AS_PATH length: a set counts one (RFC 4271 §9.1.2.2 a).
    pub path_length: u32,
    /// ORIGIN: 0 IGP, 1 EGP, 2 incomplete.
    pub origin: u8,
    /// MULTI_EXIT_DISC; 0 when absent.
    pub med: u32,
    /// The neighbouring AS: MEDs compare only within it.
    pub neighbor_as: Option<Asn>,
    /// AS_PATH flattened, for display.
    pub as_path: Arc<[Asn]>,
}

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
            .any(|rival| rival.neighbor_as == path.neighbor_as && rival.med < path.med)
    });
    running.into_iter().min_by_key(|path| after_med(path))
}

/// Steps a and b, higher is better.
fn before_med(path: &LearnedPath) -> (u32, Reverse<u32>, Reverse<u8>) {
    (
        path.local_pref,
        Reverse(path.path_length),
        Reverse(path.origin),
    )
}

/// Steps d, f and g, lower is better; e (interior cost) needs the kernel's routes, which come with
/// the import.
fn after_med(path: &LearnedPath) -> (bool, RouterId, IpAddr) {
    let source = &path.source;
    (!source.external, source.router_id, source.address)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn path(id: u8) -> LearnedPath {
        LearnedPath {
            source: Arc::new(PathSource {
                peer: format!("leaf{id}").into(),
                address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, id)),
                router_id: RouterId(Ipv4Addr::new(192, 0, 2, id)),
                link: None,
                external: true,
            }),
            next_hop: IpAddr::V4(Ipv4Addr::new(10, 0, 0, id)),
            local_pref: 100,
            path_length: 1,
            origin: 0,
            med: 0,
            neighbor_as: Some(Asn(65000)),
            as_path: Arc::from([Asn(65000)]),
        }
    }

    fn winner(paths: &[LearnedPath]) -> RouterId {
        best(paths.iter()).unwrap().source.router_id
    }

    #[test]
    fn each_step_decides_before_the_next() {
        let base = path(1);
        let mut preferred = path(2);
        preferred.local_pref = 200;
        preferred.path_length = 9;
        assert_eq!(
            winner(&[base.clone(), preferred.clone()]),
            preferred.source.router_id
        );
        let mut shorter = path(2);
        shorter.path_length = 0;
        shorter.origin = 2;
        assert_eq!(
            winner(&[base.clone(), shorter.clone()]),
            shorter.source.router_id
        );
        let mut worse_origin = path(1);
        worse_origin.origin = 2;
        assert_eq!(winner(&[worse_origin, path(2)]), path(2).source.router_id);
        assert_eq!(winner(&[path(2), base.clone()]), base.source.router_id);
    }

    #[test]
    fn med_compares_only_within_one_neighbouring_as() {
        let mut high = path(1);
        high.med = 50;
        assert_eq!(winner(&[high.clone(), path(2)]), path(2).source.router_id);
        high.neighbor_as = Some(Asn(65009));
        assert_eq!(winner(&[high.clone(), path(2)]), high.source.router_id);
    }

    #[test]
    fn external_beats_internal() {
        let mut internal = path(1);
        internal.source = Arc::new(PathSource {
            external: false,
            ..(*internal.source).clone()
        });
        assert_eq!(winner(&[internal, path(2)]), path(2).source.router_id);
    }

    #[test]
    fn nothing_wins_among_none() {
        assert!(best([].iter()).is_none());
    }
}
