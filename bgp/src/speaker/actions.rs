//! What a session wants done, carried out.

use std::sync::Arc;

use super::{Event, Output, PeerId, Speaker};
use crate::session::{Action, Env, Session};

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
            Action::Up => {
                peer.open_families(&self.originated);
                for (family, why) in peer.withheld.clone() {
                    self.outputs.push_back(Output::Event(Event::FamilyWithheld {
                        peer: id,
                        family,
                        why,
                    }));
                }
                self.unflushed = true;
            }
            Action::Down => {
                let gone = peer.close_families();
                self.decide(gone);
            }
            Action::Update(update) => self.handle_update(id, *update),
            Action::Refresh(family) => {
                peer.resend(family);
                self.unflushed = true;
            }
        }
    }
}
