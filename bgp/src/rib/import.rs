//! What can be used of what a peer teaches: loop detection and the import policy.

use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::adj_in::Received;
use super::essence::keep_essence;
use super::learned_path::{LearnedPath, PathSource, address};
use crate::policy::{Candidate, Verdict};
use crate::session::{Ends, Negotiated};
use crate::speaker::{AllowAsIn, PeerConfig};
use crate::wire::evpn::EvpnRoute;
use crate::wire::{Asn, Community, Family, NextHop, PathAttributes, RouterId};

/// LOCAL_PREF of what is about to be withdrawn (RFC 8326 §4.2).
const GRACEFUL_SHUTDOWN_PREFERENCE: u32 = 0;

/// What is remembered of earlier routes; more than the attribute sets that peers of a host use at a time.
const MEMO_MAX: usize = 256;

/// The session that routes come by, and what is configured for it.
pub(crate) struct Importer<'a> {
    pub(crate) config: &'a PeerConfig,
    pub(crate) negotiated: &'a Negotiated,
    pub(crate) ends: &'a Ends,
    pub(crate) source: &'a Arc<PathSource>,
    pub(crate) asn: Asn,
    pub(crate) router_id: RouterId,
    pub(crate) memo: &'a mut ImportMemo,
}

/// What was made of attributes already seen: their routes share the outcome. To be forgotten with the session,
/// and whenever its configuration changes.
#[derive(Debug, Default)]
pub(crate) struct ImportMemo {
    /// By the address of what was received, and whether it was for EVPN.
    judged: FxHashMap<(usize, bool), Judged>,
}

#[derive(Debug)]
struct Judged {
    /// Keeps the key's address from being given to another.
    received: Arc<Received>,
    /// Absent when the route must not be used.
    attributes: Option<Arc<PathAttributes>>,
    outcomes: Vec<(Verdict, Arc<LearnedPath>)>,
}

impl Importer<'_> {
    /// The path to `prefix` that comes of what was received; `None` when it must not be used.
    pub(crate) fn path(
        &mut self,
        prefix: &IpNet,
        received: &Arc<Received>,
    ) -> Option<Arc<LearnedPath>> {
        self.path_of(Family::of(prefix), Some(prefix), received)
    }

    /// The path of a route of EVPN that comes of what was received; `None` when it must not be used.
    pub(crate) fn evpn_path(
        &mut self,
        route: &EvpnRoute,
        received: &Arc<Received>,
    ) -> Option<Arc<LearnedPath>> {
        self.path_of(Family::L2VPN_EVPN, route.about().as_ref(), received)
    }

    fn path_of(
        &mut self,
        family: Family,
        prefix: Option<&IpNet>,
        received: &Arc<Received>,
    ) -> Option<Arc<LearnedPath>> {
        let filter = self.config.import.of(family);
        let of_evpn = family == Family::L2VPN_EVPN;
        let key = (Arc::as_ptr(received).addr(), of_evpn);
        if !self.memo.judged.contains_key(&key) {
            let judged = self.judge(received);
            self.memo.remember(of_evpn, judged);
        }
        let judged = self.memo.judged.get_mut(&key)?;
        let attributes = judged.attributes.as_ref()?;
        let verdict = filter.judge(&Candidate {
            prefix,
            next_hop: Some(received.next_hop),
            attributes,
            as_network: false,
        });
        if verdict == Verdict::Denied {
            return None;
        }
        // Filters of the two families of unicast may give equal verdicts and yet differ, but one UPDATE's attributes
        // with one next hop are of one of them.
        let mut known = judged.outcomes.iter();
        if let Some((_, path)) = known.find(|(of, _)| *of == verdict) {
            return Some(Arc::clone(path));
        }
        let mut changed = (**attributes).clone();
        let mut next_hop = Some(received.next_hop);
        filter.apply(verdict, &mut changed, &mut next_hop);
        if of_evpn {
            next_hop = Some(received.next_hop);
            keep_essence(attributes, &mut changed);
        }
        let path = Arc::new(finish(self.source, received, attributes, changed, next_hop));
        judged.outcomes.push((verdict, Arc::clone(&path)));
        Some(path)
    }

    fn judge(&self, received: &Arc<Received>) -> Judged {
        let attributes = self.is_eligible(received).then(|| {
            let external = !self.negotiated.is_internal();
            match self.config.local_as {
                Some(local) if local.prepend_received && external => {
                    let mut attributes = (*received.attributes).clone();
                    attributes.as_path.prepend(local.asn);
                    Arc::new(attributes)
                }
                _ => Arc::clone(&received.attributes),
            }
        });
        Judged {
            received: Arc::clone(received),
            attributes,
            outcomes: Vec::with_capacity(1),
        }
    }

    fn is_eligible(&self, received: &Received) -> bool {
        let attributes = &received.attributes;
        // RFC 4456 §8: we are in no cluster but our own.
        let reflected = attributes.originator_id == Some(self.router_id)
            || attributes.cluster_list.contains(&self.router_id.0);
        !reflected
            && !self.is_as_loop(attributes)
            && !self.leads_here(received)
            && !self.is_deprecated(attributes)
    }

    /// RFC 9774 §3: as if it had been withdrawn.
    fn is_deprecated(&self, attributes: &PathAttributes) -> bool {
        attributes.as_path.has_sets() && !self.config.accept_as_sets
    }

    /// RFC 4271 §9.1.2, loosened as configured. An AS that is ours towards this peer only counts as well.
    fn is_as_loop(&self, attributes: &PathAttributes) -> bool {
        let path = &attributes.as_path;
        let ours = [self.asn, self.negotiated.local_as];
        let allowed = match self.config.allowas_in {
            AllowAsIn::Never => 0,
            AllowAsIn::Times(times) => times.into(),
            AllowAsIn::Origin if path.origin().is_some_and(|asn| ours.contains(&asn)) => {
                return false;
            }
            AllowAsIn::Origin => 0,
        };
        ours.iter().any(|asn| path.count(*asn) > allowed)
    }

    /// RFC 4271 §5.1.3: a route is not used when it leads to the receiver itself.
    fn leads_here(&self, received: &Received) -> bool {
        let next_hop = address(received.next_hop);
        let interface = [
            self.ends.local_v4.map(Into::into),
            self.ends.local_v6.map(Into::into),
        ];
        next_hop == self.ends.local || interface.contains(&Some(next_hop))
    }
}

/// What the policy left, as a path: shared with what was received if it left all as it was.
fn finish(
    source: &Arc<PathSource>,
    received: &Received,
    before: &Arc<PathAttributes>,
    mut after: PathAttributes,
    next_hop: Option<NextHop>,
) -> LearnedPath {
    // RFC 8326 §4.2, for routes from other ASes: within ours LOCAL_PREF says it. After the policy, which must not
    // undo what keeps traffic off a link that goes down.
    if source.external && after.communities.contains(&Community::GRACEFUL_SHUTDOWN) {
        after.local_pref = Some(GRACEFUL_SHUTDOWN_PREFERENCE);
    }
    let attributes = if after == **before {
        Arc::clone(before)
    } else {
        Arc::new(after)
    };
    let next_hop = next_hop.unwrap_or(received.next_hop);
    LearnedPath::new(Arc::clone(source), next_hop, attributes)
}

impl ImportMemo {
    fn remember(&mut self, of_evpn: bool, judged: Judged) {
        if self.judged.len() >= MEMO_MAX {
            self.judged.clear();
        }
        let received = Arc::as_ptr(&judged.received).addr();
        self.judged.insert((received, of_evpn), judged);
    }

    /// Nothing said so far holds any more.
    pub(crate) fn forget(&mut self) {
        self.judged.clear();
    }
}
