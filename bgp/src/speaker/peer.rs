//! One neighbour: its session and its RIBs.

use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::config::PeerConfig;
use super::limits::Pressure;
use super::port::{PeerId, Withheld};
use super::retention::{Retention, Step};
use crate::rib::{
    AdjRibIn, ExportContext, ExportProfile, ImportMemo, Importer, LearnedPath, PathSource,
    Received, Window,
};
use crate::session::{LocalSpeaker, Session};
use crate::wire::evpn::EvpnRoute;
use crate::wire::{Asn, DecodedUpdate, Family, Nlri};

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) name: Arc<str>,
    /// Nobody configured it: it is forgotten with its session.
    pub(crate) dynamic: bool,
    pub(crate) config: Arc<PeerConfig>,
    pub(crate) session: Session,
    pub(crate) adj_in: AdjRibIn,
    pub(crate) retention: Retention,
    pub(crate) import_memo: ImportMemo,
    pub(crate) withheld: Vec<(Family, Withheld)>,
    pub(crate) source: Option<Arc<PathSource>>,
    /// How near it is to its limit, as far as that was said.
    pub(crate) pressure: Pressure,
    /// Routes above its limit that were not taken since that was last looked at.
    pub(crate) refused: usize,
}

impl Peer {
    /// The session came up. Gives the profiles under which it is told our routes.
    pub(crate) fn open_families(
        &mut self,
        asn: Asn,
        graceful_shutdown: bool,
    ) -> Vec<ExportProfile> {
        self.withheld.clear();
        self.source = None;
        let Some(connection) = self.session.established() else {
            return Vec::new();
        };
        let Some(negotiated) = connection.negotiated.as_deref() else {
            return Vec::new();
        };
        self.source = Some(Arc::new(PathSource {
            peer: Arc::clone(&self.name),
            address: connection.ends.remote,
            link: self.config.link.clone(),
            router_id: negotiated.remote_id,
            external: !negotiated.is_internal(),
        }));
        let missing = |family: &&Family| !negotiated.families.contains(family);
        let missing = self.config.families.iter().filter(missing);
        self.withheld
            .extend(missing.map(|family| (*family, Withheld::NotNegotiated)));
        let profiles = self.export_profiles(asn, graceful_shutdown);
        // A tenant's routes have their VTEP as next hop, whatever the session's addresses are.
        let of_session = |profile: &&ExportProfile| profile.family != Family::L2VPN_EVPN;
        let mut without = profiles.iter().filter(of_session);
        for profile in without.by_ref().filter(|profile| !profile.has_next_hop()) {
            self.withheld.push((profile.family, Withheld::NoNextHop));
        }
        profiles
    }

    /// What decides how our routes look to this peer, for each family of its session.
    pub(crate) fn export_profiles(&self, asn: Asn, graceful_shutdown: bool) -> Vec<ExportProfile> {
        let Some(connection) = self.session.established() else {
            return Vec::new();
        };
        let Some(negotiated) = connection.negotiated.as_deref() else {
            return Vec::new();
        };
        let context = ExportContext {
            config: &self.config,
            negotiated,
            ends: &connection.ends,
            asn,
            graceful_shutdown,
        };
        let families = self.config.families.iter();
        let negotiated = families.filter(|family| negotiated.families.contains(family));
        negotiated.map(|family| context.profile(*family)).collect()
    }

    /// How much of what was sent it has yet to read.
    pub(crate) fn window(&self) -> Window {
        match self.session.established() {
            Some(connection) if connection.has_room() => Window::Open,
            Some(connection) if !connection.is_choked() => Window::Full,
            _ => Window::Choked,
        }
    }

    /// The session went down: nothing has been told. What it taught is [`Self::retain`]'s concern.
    pub(crate) fn close_families(&mut self) {
        self.withheld.clear();
        self.source = None;
        self.import_memo.forget();
    }

    /// Do this to what the peer has taught; returns the prefixes that need a new decision.
    pub(crate) fn retain(&mut self, step: Step) -> Vec<IpNet> {
        match step {
            Step::MarkStale(family) => self.adj_in.mark_stale(family),
            Step::MarkLongLived(family) => self.adj_in.mark_long_lived(family),
            Step::Purge(family) => self.adj_in.purge_unconfirmed(family),
            Step::ExpectAgain(family) => {
                self.adj_in.expect_again(family);
                Vec::new()
            }
            Step::Forget(family) => {
                self.adj_in.expect_again(family);
                self.adj_in.purge_unconfirmed(family)
            }
        }
    }

    /// Forget what an UPDATE withdraws, or announces with an error that makes it withdrawn (RFC 7606 §2). Appends
    /// the prefixes whose paths changed by that.
    pub(crate) fn forget_withdrawn(&mut self, update: &DecodedUpdate, changed: &mut Vec<IpNet>) {
        for (_, nlri) in update.withdrawals() {
            for nlri in nlri {
                if self.adj_in.remove(&nlri.prefix, nlri.path_id.unwrap_or(0)) {
                    changed.push(nlri.prefix);
                }
            }
        }
    }

    /// Take in what the peer says of these destinations. Appends the prefixes whose paths changed by that.
    pub(crate) fn learn(
        &mut self,
        received: &Arc<Received>,
        family: Family,
        nlri: &[Nlri],
        local: &LocalSpeaker,
        changed: &mut Vec<IpNet>,
    ) {
        let Some((mut importer, adj_in)) = self.importer(local) else {
            return;
        };
        if !importer.negotiated.families.contains(&family) {
            return;
        }
        let allowed = importer.config.max_prefixes;
        let mut refused = 0;
        for nlri in nlri {
            let path_id = nlri.path_id.unwrap_or(0);
            if allowed.warn_only
                && adj_in.len() >= allowed.limit
                && !adj_in.contains(&nlri.prefix, path_id)
            {
                refused += 1;
                continue;
            }
            let path = importer.path(&nlri.prefix, received);
            if adj_in.insert(nlri.prefix, path_id, received, path) {
                changed.push(nlri.prefix);
            }
        }
        self.refused += refused;
    }

    /// The path that a route of EVPN has; `None` when it must not be used.
    pub(crate) fn evpn_path(
        &mut self,
        route: &EvpnRoute,
        received: &Arc<Received>,
        local: &LocalSpeaker,
    ) -> Option<Arc<LearnedPath>> {
        let (mut importer, _) = self.importer(local)?;
        importer.evpn_path(route, received)
    }

    /// The import policy changed; returns the prefixes for which it says something else now.
    pub(crate) fn reevaluate_in(&mut self, local: &LocalSpeaker) -> Vec<IpNet> {
        self.import_memo.forget();
        match self.importer(local) {
            Some((mut importer, adj_in)) => adj_in.reevaluate(&mut importer),
            None => Vec::new(),
        }
    }

    fn importer(&mut self, local: &LocalSpeaker) -> Option<(Importer<'_>, &mut AdjRibIn)> {
        let connection = self.session.established()?;
        let importer = Importer {
            config: &self.config,
            negotiated: connection.negotiated.as_deref()?,
            ends: &connection.ends,
            source: self.source.as_ref()?,
            asn: local.asn,
            router_id: local.router_id,
            memo: &mut self.import_memo,
        };
        Some((importer, &mut self.adj_in))
    }

    /// A dynamic peer's session is over, and nothing is kept for its return.
    pub(crate) fn has_vanished(&self) -> bool {
        self.dynamic && self.session.is_done() && self.retention.deadline().is_none()
    }

    /// When its timers want to be looked at.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timers = [self.session.deadline(), self.retention.deadline()];
        timers.into_iter().flatten().min()
    }
}
