//! From the peer's OPEN to Established, and which of two connections gets there.

use std::sync::Arc;

use super::{Action, Env, Phase, Session};
use crate::session::collision::{Claim, ours_survives};
use crate::session::connection::ConnectionId;
use crate::session::negotiation::{Negotiated, negotiate};
use crate::session::reset::Reset;
use crate::session::state::{DownReason, State};
use crate::wire::notification::cease_subcode;
use crate::wire::{Notification, Open};

impl Session {
    /// RFC 4271 §6.2, then §6.8.
    pub(super) fn handle_open(
        &mut self,
        id: ConnectionId,
        open: &Open,
        env: &mut Env<'_>,
    ) -> Result<(), Reset> {
        let Some(at) = self.position(id) else {
            return Ok(());
        };
        let ends = &self.connections[at].ends;
        let negotiated = Arc::new(negotiate(&self.config, env.local, ends, open)?);
        let remote = Claim {
            router_id: negotiated.remote_id,
            asn: negotiated.remote_as,
        };
        if !self.survives_collision(id, remote, &negotiated, env) {
            return Ok(());
        }
        let Some(at) = self.position(id) else {
            return Ok(());
        };
        let connection = &mut self.connections[at];
        connection.confirm(negotiated, env.now);
        self.send_keepalive(id, env);
        self.report(None, env);
        Ok(())
    }

    /// Settle this connection against the peer's other one; false when this one was closed.
    fn survives_collision(
        &mut self,
        id: ConnectionId,
        remote: Claim,
        negotiated: &Negotiated,
        env: &mut Env<'_>,
    ) -> bool {
        let Some(other) = self.connections.iter().find(|c| c.id != id) else {
            return true;
        };
        let (other, other_passive) = (other.id, other.passive);
        let this_passive = self.connections.iter().any(|c| c.id == id && c.passive);
        match self
            .connections
            .iter()
            .find(|c| c.id == other)
            .map(|c| c.state)
        {
            Some(State::Established) => {
                if negotiated.graceful_restart.is_some() {
                    // RFC 4724 §5: a peer that opens a new session has restarted; the old one is a husk.
                    self.close_silently(other, DownReason::PeerRestarted, env);
                    return true;
                }
                self.collide(id, env);
                false
            }
            Some(State::OpenConfirm) => {
                let local = Claim {
                    router_id: env.local.router_id,
                    asn: negotiated.local_as,
                };
                // Two connections from the same side: the newer is the one the peer believes in.
                let keep_this = if this_passive == other_passive {
                    true
                } else {
                    ours_survives(local, remote) != this_passive
                };
                self.collide(if keep_this { other } else { id }, env);
                keep_this
            }
            _ => true,
        }
    }

    fn collide(&mut self, loser: ConnectionId, env: &mut Env<'_>) {
        self.send_notification(
            loser,
            &Notification::cease(cease_subcode::CONNECTION_COLLISION),
            env,
        );
        self.close_silently(loser, DownReason::Collision, env);
    }

    pub(super) fn establish(&mut self, id: ConnectionId, env: &mut Env<'_>) {
        let Some(at) = self.position(id) else { return };
        self.connections[at].state = State::Established;
        self.connections[at].restart_hold(env.now);
        let losers: Vec<_> = self.connections.iter().map(|c| c.id).collect();
        for loser in losers.into_iter().filter(|loser| *loser != id) {
            self.collide(loser, env);
        }
        self.abandon_dial(env);
        self.phase = Phase::Waiting(None);
        self.report(None, env);
        env.actions.push(Action::Up);
    }
}
