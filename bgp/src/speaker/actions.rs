//! What a session wants done, carried out.

use std::sync::Arc;

use super::limits::Pressure;
use super::peer::Peer;
use super::retention::{Lost, Step};
use super::{Event, Output, PeerId, Speaker};
use crate::session::{Action, Env, Negotiated, Session};
use crate::wire::{Family, RefreshSubtype};

impl Speaker {
    pub(super) fn with_session(
        &mut self,
        id: PeerId,
        act: impl FnOnce(&mut Session, &mut Env<'_>),
    ) {
        if let Some(peer) = self.peers.get_mut(&id) {
            act(&mut peer.session, &mut self.core.env());
            self.perform(id);
        }
    }

    /// What an input did to a peer is done: note when it wants to be looked at again, and whether it is still there.
    pub(super) fn settle(&mut self, id: PeerId) {
        self.drop_if_vanished(id);
        let deadline = self.peers.get(&id).and_then(Peer::deadline);
        self.timers.set(id, deadline);
    }

    /// Carry out what the session of a peer wants.
    pub(super) fn perform(&mut self, id: PeerId) {
        // An action may bring on others, say a reset for too many routes.
        while !self.core.actions.is_empty() {
            for action in std::mem::take(&mut self.core.actions) {
                self.perform_one(id, action);
            }
        }
        self.settle(id);
    }

    fn perform_one(&mut self, id: PeerId, action: Action) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        match action {
            Action::Connect(connection, remote) => {
                self.connections.insert(connection, id);
                self.outputs.push_back(Output::Connect {
                    peer: id,
                    connection,
                    remote,
                    link: peer.config.link.clone(),
                });
            }
            Action::Send(connection, bytes) => {
                self.outputs.push_back(Output::Send { connection, bytes })
            }
            Action::Close(connection) => {
                self.connections.remove(&connection);
                self.outputs.push_back(Output::Close { connection });
            }
            Action::StateChanged { from, to, reason } => {
                let name = Arc::clone(&peer.name);
                self.outputs.push_back(Output::Event(Event::StateChanged {
                    peer: id,
                    name,
                    from,
                    to,
                    reason,
                }));
            }
            Action::Up => self.session_up(id),
            Action::Down {
                negotiated,
                graceful,
            } => self.session_down(id, &negotiated, graceful),
            Action::Update(update) => self.handle_update(id, update),
            Action::Refresh(family) => self.tell_again(id, family),
            Action::RefreshBegins(family) => {
                let step = peer.retention.refresh_begins(family, self.core.now);
                self.retain(id, [step]);
            }
            Action::RefreshEnds(family) => {
                let step = peer.retention.refresh_ends(family);
                self.retain(id, step);
            }
        }
    }

    fn session_up(&mut self, id: PeerId) {
        self.open_families(id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if let Some(negotiated) = peer.session.negotiated().cloned() {
            let now = self.core.now;
            self.convergence.up(id, &negotiated.families, now);
            let steps = peer.retention.returned(&negotiated, self.core.now);
            self.retain(id, steps);
            self.report_convergence();
        }
    }

    fn session_down(&mut self, id: PeerId, negotiated: &Negotiated, graceful: bool) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.close_families();
        peer.pressure = Pressure::default();
        self.groups.leave(id);
        self.tenants.groups.leave(id);
        self.convergence.down(id);
        let lost = Lost {
            negotiated,
            graceful,
            long_lived: peer.config.long_lived_stale,
        };
        let steps = peer.retention.lost(lost, self.core.now);
        self.retain(id, steps);
    }

    /// A peer wants to hear a family again (RFC 2918 §4, RFC 7313 §4).
    pub(super) fn tell_again(&mut self, id: PeerId, family: Family) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let negotiated = peer.session.negotiated();
        let enhanced = negotiated.is_some_and(|negotiated| negotiated.enhanced_refresh);
        let bracketed = if family == Family::L2VPN_EVPN {
            self.tenants.groups.refresh(id, family, enhanced)
        } else {
            self.groups.refresh(id, family, enhanced)
        };
        if bracketed {
            let begin = RefreshSubtype::Begin;
            let env = &mut self.core.env();
            peer.session.send_refresh(family, begin, env);
        }
        self.unflushed = true;
    }

    /// Do to a peer's Adj-RIB-In what its absence or return asks for.
    pub(super) fn retain(&mut self, id: PeerId, steps: impl IntoIterator<Item = Step>) {
        let mut changed = Vec::new();
        for step in steps {
            if step.family() == Family::L2VPN_EVPN {
                self.retain_evpn(id, step);
            } else if let Some(peer) = self.peers.get_mut(&id) {
                changed.extend(peer.retain(step));
            }
        }
        self.decide(changed);
    }

    /// The peer has told all it has of a family.
    pub(super) fn end_of_rib(&mut self, id: PeerId, family: Family) {
        let peer = id;
        self.outputs
            .push_back(Output::Event(Event::EndOfRib { peer, family }));
        if let Some(peer) = self.peers.get_mut(&id) {
            let step = peer.retention.end_of_rib(family);
            self.retain(id, step);
        }
        self.convergence.end_of_rib(id, family);
        self.report_convergence();
    }

    /// After a start: say which families have converged.
    pub(super) fn report_convergence(&mut self) {
        for family in self.convergence.take_converged(self.core.now) {
            let event = Event::Converged { family };
            self.outputs.push_back(Output::Event(event));
        }
        self.core.local.converged = self.convergence.is_over();
    }
}
