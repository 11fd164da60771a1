//! One neighbour: its session and its RIBs.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::config::PeerConfig;
use super::port::{PeerId, Withheld};
use crate::rib::{
    AdjRibIn, AdjRibOut, Batch, ExportContext, ImportMemo, Importer, NextHops, PathSource,
    Received, RouteAttributes,
};
use crate::session::{LocalSpeaker, Session};
use crate::wire::{DecodedUpdate, Family, NextHop, Nlri};

/// Prefixes encoded at a time: a few messages, so that the window is respected to within their size.
const BATCH: usize = 2048;

pub(crate) type Originated = BTreeMap<IpNet, Arc<RouteAttributes>>;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<PeerConfig>,
    pub(crate) session: Session,
    pub(crate) adj_in: AdjRibIn,
    pub(crate) import_memo: ImportMemo,
    pub(crate) out: Vec<FamilyOut>,
    pub(crate) withheld: Vec<(Family, Withheld)>,
    pub(crate) source: Option<Arc<PathSource>>,
}

/// One family's way out to an established peer.
#[derive(Debug)]
pub(crate) struct FamilyOut {
    pub(crate) family: Family,
    next_hop: Option<NextHop>,
    pub(crate) rib: AdjRibOut,
}

impl Peer {
    /// The session came up: everything originated is due, then End-of-RIB.
    pub(crate) fn open_families(&mut self, originated: &Originated) {
        self.out.clear();
        self.withheld.clear();
        let Some(connection) = self.session.established() else {
            return;
        };
        let Some(negotiated) = connection.negotiated.as_deref() else {
            return;
        };
        let next_hops = NextHops::new(&self.config, &connection.ends);
        self.source = Some(Arc::new(PathSource {
            peer: Arc::clone(&self.name),
            address: connection.ends.remote,
            link: self.config.link.clone(),
            router_id: negotiated.remote_id,
            external: !negotiated.is_internal(),
        }));
        for family in &self.config.families {
            if !negotiated.families.contains(family) {
                self.withheld.push((*family, Withheld::NotNegotiated));
                continue;
            }
            let next_hop = next_hops.of(*family);
            if next_hop.is_none() {
                self.withheld.push((*family, Withheld::NoNextHop));
            }
            let family = *family;
            let rib = AdjRibOut::default();
            self.out.push(FamilyOut {
                family,
                next_hop,
                rib,
            });
        }
        for (prefix, attributes) in originated {
            self.offer(*prefix, Some(attributes));
        }
        for out in &mut self.out {
            out.rib.end_of_rib_after_pending();
        }
    }

    /// The session went down; returns the prefixes it had taught.
    pub(crate) fn close_families(&mut self) -> Vec<IpNet> {
        self.out.clear();
        self.withheld.clear();
        self.source = None;
        self.import_memo.forget();
        self.adj_in.clear()
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
        for nlri in nlri {
            let path = importer.path(&nlri.prefix, received);
            if adj_in.insert(nlri.prefix, nlri.path_id.unwrap_or(0), received, path) {
                changed.push(nlri.prefix);
            }
        }
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

    /// A route of ours changed: let the policy decide what this peer should have.
    pub(crate) fn offer(&mut self, prefix: IpNet, route: Option<&Arc<RouteAttributes>>) {
        let permitted =
            route.filter(|_| self.config.export.of(Family::of(&prefix)).permits(&prefix));
        let family = Family::of(&prefix);
        let out = self.out.iter_mut().find(|out| out.family == family);
        if let Some(out) = out.filter(|out| out.next_hop.is_some()) {
            out.rib.set(prefix, permitted);
        }
    }

    /// The peer lost what we told it of a family.
    pub(crate) fn resend(&mut self, family: Family) {
        for out in self.out.iter_mut().filter(|out| out.family == family) {
            out.rib.resend();
        }
    }

    /// The next messages to send, encoded: one batch, if the window has room and anything waits.
    pub(crate) fn next_update(&mut self) -> Option<(Batch, bytes::Bytes, usize)> {
        let connection = self.session.established()?;
        if !connection.has_room() {
            return None;
        }
        let negotiated = connection.negotiated.as_deref()?;
        loop {
            let out = self.out.iter_mut().find(|out| out.rib.has_pending())?;
            let batch = out.rib.next_batch(BATCH)?;
            let context = ExportContext {
                negotiated,
                family: out.family,
                next_hop: out.next_hop,
            };
            match context.encode(&batch) {
                Ok((bytes, messages)) => return Some((batch, bytes, messages)),
                // Only attributes that fill a whole message come here; the routes stay unsent.
                Err(error) => {
                    tracing::error!(peer = %self.name, %error, "routes cannot be encoded and are not sent");
                }
            }
        }
    }

    pub(crate) fn has(&self, prefix: &IpNet) -> bool {
        self.out.iter().any(|out| out.rib.contains(prefix))
    }
}
