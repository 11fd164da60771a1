//! What a session wants done, carried out.

use std::sync::Arc;

use super::retention::{Lost, Step};
use super::{Event, Output, PeerId, Speaker};
use crate::session::{Action, Env, Negotiated, Session};
use crate::wire::RefreshSubtype;

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

    /// Carry out what the session of a peer wants.
    pub(super) fn perform(&mut self, id: PeerId) {
        // An action may bring on others, say a reset for too many routes.
        while !self.core.actions.is_empty() {
            for action in std::mem::take(&mut self.core.actions) {
                self.perform_one(id, action);
            }
        }
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
            Action::Update(update) => self.handle_update(id, *update),
            Action::Refresh(family) => {
                let enhanced = peer
                    .session
                    .negotiated()
                    .is_some_and(|n| n.enhanced_refresh);
                if self.groups.refresh(id, family, enhanced) {
                    let begin = RefreshSubtype::Begin;
                    let env = &mut self.core.env();
                    peer.session.send_refresh(family, begin, env);
                }
                self.unflushed = true;
            }
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
            let steps = peer.retention.returned(&negotiated, self.core.now);
            self.retain(id, steps);
        }
    }

    fn session_down(&mut self, id: PeerId, negotiated: &Negotiated, graceful: bool) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.close_families();
        self.groups.leave(id);
        let lost = Lost {
            negotiated,
            graceful,
            long_lived: peer.config.long_lived_stale,
        };
        let steps = peer.retention.lost(lost, self.core.now);
        self.retain(id, steps);
    }

    /// Do to a peer's Adj-RIB-In what its absence or return asks for.
    pub(super) fn retain(&mut self, id: PeerId, steps: impl IntoIterator<Item = Step>) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let mut changed = Vec::new();
        for step in steps {
            changed.extend(peer.retain(step));
        }
        self.decide(changed);
    }
}
