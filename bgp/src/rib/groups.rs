//! All update groups, and which peer is in which.

use std::sync::Arc;

use ipnet::IpNet;

use super::attributes::RouteAttributes;
use super::destination::Destination;
use super::export::{ExportProfile, ExportedRoute};
use super::group::{Told, UpdateGroup, Window};
use super::intern::Interner;
use crate::hash::AddressMap;
use crate::speaker::PeerId;
use crate::wire::Family;

/// What this node originates.
pub(crate) type Originated<D = IpNet> = AddressMap<D, Arc<RouteAttributes>>;

/// The update groups of all families.
#[derive(Debug)]
pub(crate) struct UpdateGroups<D = IpNet> {
    groups: Vec<UpdateGroup<D>>,
    routes: Interner<ExportedRoute>,
}

impl<D> Default for UpdateGroups<D> {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            routes: Interner::default(),
        }
    }
}

impl<D: Destination> UpdateGroups<D> {
    /// A route of ours changed, or is gone.
    pub(crate) fn offer(&mut self, prefix: D, route: Option<&Arc<RouteAttributes>>) {
        let family = prefix.family();
        let groups = self.groups.iter_mut();
        for group in groups.filter(|group| group.profile().family == family) {
            group.offer(prefix, route, &mut self.routes);
        }
    }

    /// A peer came up: in this family it is told everything, then End-of-RIB.
    pub(crate) fn join(
        &mut self,
        peer: PeerId,
        profile: ExportProfile,
        originated: &Originated<D>,
    ) {
        self.group(profile, originated).join(peer);
    }

    /// A peer went down.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        for group in &mut self.groups {
            group.leave(peer);
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// These peers are to be told under these profiles from now on: each is due what differs for it.
    pub(crate) fn regroup(
        &mut self,
        wanted: &[(PeerId, ExportProfile)],
        originated: &Originated<D>,
    ) {
        self.change_whole_groups(wanted, originated);
        for (peer, profile) in wanted {
            let mut groups = self.groups.iter_mut();
            let current = groups.find(|group| {
                group.profile().family == profile.family && group.peers().any(|p| p == *peer)
            });
            let left = current
                .filter(|group| group.profile() != profile)
                .and_then(|group| group.hand_over(*peer));
            if let Some(left) = left {
                self.group(profile.clone(), originated).take_over(left);
            }
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// Where all members of a group change in the same way they stay together.
    fn change_whole_groups(
        &mut self,
        wanted: &[(PeerId, ExportProfile)],
        originated: &Originated<D>,
    ) {
        for position in 0..self.groups.len() {
            let Some(profile) = self
                .groups
                .get(position)
                .and_then(|group| common(group, wanted))
            else {
                continue;
            };
            let exists = self.groups.iter().any(|group| group.profile() == profile);
            if let Some(group) = self.groups.get_mut(position).filter(|_| !exists) {
                let routes = of_family(originated, profile.family);
                group.change_profile(profile.clone(), routes, &mut self.routes);
            }
        }
    }

    /// The peer lost what it was told of a family; see [`UpdateGroup::refresh`].
    pub(crate) fn refresh(&mut self, peer: PeerId, family: Family, enhanced: bool) -> bool {
        let mut groups = self.groups.iter_mut();
        let of_family = groups.find(|group| {
            group.profile().family == family && group.peers().any(|member| member == peer)
        });
        of_family.is_some_and(|group| group.refresh(peer, enhanced))
    }

    /// The next to be told to anybody, as far as the windows allow.
    pub(crate) fn next(&mut self, window: &impl Fn(PeerId) -> Window) -> Option<Told<D>> {
        self.groups.iter_mut().find_map(|group| group.next(window))
    }

    /// What a peer has been sent, in no particular order.
    pub(crate) fn sent(&self, peer: PeerId) -> impl Iterator<Item = (&D, &Arc<ExportedRoute>)> {
        self.groups.iter().flat_map(move |group| group.sent(peer))
    }

    /// The peers that have been sent a prefix.
    pub(crate) fn holders<'a>(&'a self, prefix: &'a D) -> impl Iterator<Item = PeerId> + 'a {
        let family = prefix.family();
        let groups = self.groups.iter();
        let of_family = groups.filter(move |group| group.profile().family == family);
        of_family.flat_map(|group| group.holders(prefix))
    }

    /// How many prefixes a peer has been sent, and how many changes wait for it.
    pub(crate) fn counts(&self, peer: PeerId) -> (usize, usize) {
        let counts = self.groups.iter().filter_map(|group| group.counts(peer));
        counts.fold((0, 0), |(sent, pending), (s, p)| (sent + s, pending + p))
    }

    /// The group of a profile, made if there is none.
    fn group(&mut self, profile: ExportProfile, originated: &Originated<D>) -> &mut UpdateGroup<D> {
        let known = self
            .groups
            .iter()
            .position(|group| *group.profile() == profile);
        let position = known.unwrap_or_else(|| {
            let routes = of_family(originated, profile.family);
            self.groups
                .push(UpdateGroup::new(profile, routes, &mut self.routes));
            self.groups.len() - 1
        });
        &mut self.groups[position]
    }
}

/// The profile that all members of a group want, if it is another than they have.
fn common<'a, D: Destination>(
    group: &UpdateGroup<D>,
    wanted: &'a [(PeerId, ExportProfile)],
) -> Option<&'a ExportProfile> {
    let mut profiles = group.peers().map(|peer| {
        let of_peer = |(of, profile): &&(PeerId, ExportProfile)| {
            *of == peer && profile.family == group.profile().family
        };
        wanted.iter().find(of_peer).map(|(_, profile)| profile)
    });
    let first = profiles.next()??;
    let is_common = profiles.all(|profile| profile == Some(first));
    (is_common && first != group.profile()).then_some(first)
}

fn of_family<D: Destination>(
    originated: &Originated<D>,
    family: Family,
) -> impl Iterator<Item = (&D, &Arc<RouteAttributes>)> {
    originated
        .iter()
        .filter(move |(prefix, _)| prefix.family() == family)
}

#[cfg(test)]
mod tests;
