//! Routes through the speaker: learned from UPDATEs, decided upon, told to the peers.

use std::sync::Arc;

use ipnet::IpNet;

use super::peer::Peer;
use super::{Core, Event, Output, PeerId, Speaker};
use crate::rib::{Batch, ImportContext, best, import};
use crate::session::Reset;
use crate::wire::DecodedUpdate;

impl Speaker {
    pub(super) fn handle_update(&mut self, id: PeerId, update: &DecodedUpdate) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if !update.errors.is_empty() {
            let errors = update.errors.iter().map(ToString::to_string).collect();
            self.outputs
                .push_back(Output::Event(Event::UpdateErrors { peer: id, errors }));
        }
        if let Some((family, error)) = update.disabled_families().next() {
            // RFC 7606 §5.3 allows either; a reset is what an operator notices.
            let notification = error.notification();
            let reset = Reset {
                notification,
                why: format!("{error} ({family} cannot be read)"),
            };
            peer.session.reset_established(reset, &mut self.core.env());
            return;
        }
        if let Some(family) = update.end_of_rib() {
            self.outputs
                .push_back(Output::Event(Event::EndOfRib { peer: id, family }));
            return;
        }
        let changed = Self::learn(peer, update, &mut self.core);
        self.decide(changed);
    }

    /// Apply an UPDATE to the peer's Adj-RIB-In; returns the prefixes it changed.
    fn learn(peer: &mut Peer, update: &DecodedUpdate, core: &mut Core) -> Vec<IpNet> {
        let Some(connection) = peer.session.established() else {
            return Vec::new();
        };
        let (Some(negotiated), Some(source)) = (&connection.negotiated, &peer.source) else {
            return Vec::new();
        };
        let context = ImportContext {
            negotiated,
            source,
            ends: &connection.ends,
            router_id: core.local.router_id,
        };
        let imported = import(update, &context);
        let mut changed = Vec::new();
        changed.extend(
            imported
                .withdrawn
                .into_iter()
                .filter(|prefix| peer.adj_in.remove(prefix)),
        );
        for (prefix, path) in imported.announced {
            if peer.adj_in.insert(prefix, path) {
                changed.push(prefix);
            }
        }
        if peer.adj_in.len() > peer.config.max_prefixes.limit {
            let reset = Reset::too_many_prefixes(peer.config.max_prefixes.limit);
            peer.session.reset_established(reset, &mut core.env());
        }
        changed
    }

    /// Choose again among the peers' paths to these prefixes.
    pub(super) fn decide(&mut self, prefixes: Vec<IpNet>) {
        for prefix in prefixes {
            let paths = self
                .peers
                .values()
                .filter_map(|peer| peer.adj_in.get(&prefix));
            let event = match best(paths) {
                Some(path)
                    if self
                        .learned
                        .get(&prefix)
                        .is_some_and(|known| **known == [path.clone()]) =>
                {
                    continue;
                }
                Some(path) => {
                    let paths = Arc::from([path.clone()]);
                    self.learned.insert(prefix, Arc::clone(&paths));
                    Event::RouteLearned { prefix, paths }
                }
                None if self.learned.remove(&prefix).is_some() => Event::RouteLost { prefix },
                None => continue,
            };
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Hand every peer what it is due, as far as its window allows.
    pub(super) fn flush(&mut self) {
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            while let Some(peer) = self.peers.get_mut(&id)
                && let Some((batch, bytes, messages)) = peer.next_update()
            {
                peer.session
                    .send_update(bytes, messages, &mut self.core.env());
                self.perform(id);
                let event = match batch {
                    Batch::Announce(_, prefixes) => Event::Advertised {
                        peer: id,
                        prefixes: prefixes.into(),
                    },
                    Batch::Withdraw(prefixes) => Event::Withdrawn {
                        peer: id,
                        prefixes: prefixes.into(),
                    },
                    Batch::EndOfRib => continue,
                };
                self.outputs.push_back(Output::Event(event));
            }
        }
    }
}
