//! The paths in use to every prefix that peers teach (Loc-RIB, RFC 4271 §3.2).

use std::sync::Arc;

use ipnet::IpNet;

use super::best_path::Decision;
use super::learned_path::{LearnedPath, Via};
use crate::hash::{AddressMap, AddressSet};
use crate::speaker::Multipath;

/// What is in use.
#[derive(Debug)]
pub(crate) struct LocRib {
    paths: AddressMap<IpNet, Arc<[LearnedPath]>>,
    /// What was chosen last: routes of one UPDATE mostly share it.
    recent: Option<Arc<[LearnedPath]>>,
    multipath: Multipath,
    /// Where no way leads at present; a handful.
    unreachable: AddressSet<Via>,
}

/// What choosing again has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Unchanged,
    Changed(Arc<[LearnedPath]>),
    Lost,
}

impl LocRib {
    pub(crate) fn new(multipath: Multipath) -> Self {
        Self {
            paths: AddressMap::default(),
            recent: None,
            multipath,
            unreachable: AddressSet::default(),
        }
    }

    /// Choose among all paths to a prefix.
    pub(crate) fn decide<'a>(
        &mut self,
        prefix: IpNet,
        mut candidates: impl Iterator<Item = &'a LearnedPath>,
    ) -> Choice {
        let decision = Decision {
            multipath: self.multipath,
            unreachable: &self.unreachable,
        };
        let (alone, mut many);
        let chosen: &[&LearnedPath] = match (candidates.next(), candidates.next()) {
            // Most prefixes are taught once.
            (Some(path), None) => {
                alone = [path];
                &alone
            }
            (first, second) => {
                many = first.into_iter().chain(second).chain(candidates).collect();
                decision.choose(&mut many);
                &many
            }
        };
        self.settle(prefix, chosen)
    }

    /// These are the paths in use, from now on or still.
    fn settle(&mut self, prefix: IpNet, candidates: &[&LearnedPath]) -> Choice {
        if candidates.is_empty() {
            return match self.paths.remove(&prefix) {
                Some(_) => Choice::Lost,
                None => Choice::Unchanged,
            };
        }
        let same = |paths: &Arc<[LearnedPath]>| paths.iter().eq(candidates.iter().copied());
        if self.paths.get(&prefix).is_some_and(same) {
            return Choice::Unchanged;
        }
        let chosen = match &self.recent {
            Some(recent) if same(recent) => Arc::clone(recent),
            _ => candidates.iter().copied().cloned().collect(),
        };
        self.recent = Some(Arc::clone(&chosen));
        self.paths.insert(prefix, Arc::clone(&chosen));
        Choice::Changed(chosen)
    }

    /// Whether there is a way; true when that is news.
    pub(crate) fn set_reachable(&mut self, via: &Via, reachable: bool) -> bool {
        if reachable {
            self.unreachable.remove(via)
        } else {
            self.unreachable.insert(via.clone())
        }
    }

    /// Another number of paths, or another idea of what is equal; true when that is news.
    pub(crate) fn set_multipath(&mut self, multipath: Multipath) -> bool {
        std::mem::replace(&mut self.multipath, multipath) != multipath
    }

    /// The paths in use, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNet, &Arc<[LearnedPath]>)> {
        self.paths.iter()
    }

    pub(crate) fn get(&self, prefix: &IpNet) -> Option<&Arc<[LearnedPath]>> {
        self.paths.get(prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::rib::PathSource;
    use crate::wire::{NextHop, PathAttributes, RouterId};

    fn path(last: u8) -> LearnedPath {
        let source = PathSource {
            peer: "leaf".into(),
            address: Ipv4Addr::new(10, 0, 0, last).into(),
            link: None,
            router_id: RouterId(Ipv4Addr::new(192, 0, 2, last)),
            external: true,
        };
        let next_hop = NextHop::V4(Ipv4Addr::new(10, 0, 0, last));
        LearnedPath::new(source.into(), next_hop, PathAttributes::default().into())
    }

    fn net(last: u8) -> IpNet {
        IpAddr::from([192, 0, 2, last]).into()
    }

    #[test]
    fn only_a_new_choice_is_a_change() {
        let mut rib = LocRib::new(Multipath::default());
        let (one, other) = (path(1), path(2));
        let changed = |choice| matches!(choice, Choice::Changed(_));
        assert!(changed(rib.decide(net(1), [&one].into_iter())));
        assert_eq!(rib.decide(net(1), [&one].into_iter()), Choice::Unchanged);
        assert!(changed(rib.decide(net(1), [&one, &other].into_iter())));
        assert_eq!(
            rib.decide(net(1), [&other, &one].into_iter()),
            Choice::Unchanged,
            "the order in which they come plays no part"
        );
        assert_eq!(rib.decide(net(1), std::iter::empty()), Choice::Lost);
        assert_eq!(rib.decide(net(1), std::iter::empty()), Choice::Unchanged);
    }

    #[test]
    fn prefixes_with_equal_paths_share_them() {
        let mut rib = LocRib::new(Multipath::default());
        rib.decide(net(1), [&path(1)].into_iter());
        rib.decide(net(2), [&path(1)].into_iter());
        let [one, other] = [net(1), net(2)].map(|prefix| rib.get(&prefix).cloned());
        assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
    }
}
