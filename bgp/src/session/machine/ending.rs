//! How connections end, and what is held against the peer (RFC 4271 §8.1.3, DampPeerOscillations).

use std::time::Instant;

use super::{Action, Env, Phase, STABLE_AFTER, Session};
use crate::session::connection::{Connection, ConnectionId, Expired};
use crate::session::idle::IdleReason;
use crate::session::reset::Reset;
use crate::session::state::{DownReason, State};
use crate::wire::Notification;
use crate::wire::notification::code;

impl Session {
    pub(super) fn expire(&mut self, id: ConnectionId, env: &mut Env<'_>) {
        while let Some(at) = self.position(id) {
            match self.connections[at].expire(env.now) {
                None => return,
                Some(Expired::Keepalive) => self.send_keepalive(id, env),
                Some(Expired::Hold) => self.reset(id, Reset::hold_timer_expired(), env),
                Some(Expired::SendHold) => {
                    self.send_notification(
                        id,
                        &Notification::new(code::SEND_HOLD_TIMER_EXPIRED, 0, &[]),
                        env,
                    );
                    self.close(id, DownReason::SendHoldExpired, env);
                }
            }
        }
    }

    /// Send the reason, then close; the peer is held in Idle.
    pub(super) fn reset(&mut self, id: ConnectionId, reset: Reset, env: &mut Env<'_>) {
        self.send_notification(id, &reset.notification, env);
        let reason = DownReason::NotificationSent {
            notification: reset.notification,
            why: reset.why,
        };
        self.close(id, reason, env);
    }

    pub(super) fn close(&mut self, id: ConnectionId, reason: DownReason, env: &mut Env<'_>) {
        if let Some(at) = self.position(id) {
            let connection = self.connections.swap_remove(at);
            if connection.state == State::Established {
                self.forgive_if_stable(env.now);
            }
            self.bury(&connection, env);
            self.fail(reason, env);
        }
    }

    /// Close one of two connections: the other goes on, so nothing is held against the peer.
    pub(super) fn close_silently(
        &mut self,
        id: ConnectionId,
        reason: DownReason,
        env: &mut Env<'_>,
    ) {
        if let Some(at) = self.position(id) {
            let connection = self.connections.swap_remove(at);
            self.bury(&connection, env);
            self.report(Some(reason), env);
        }
    }

    pub(super) fn bury(&mut self, connection: &Connection, env: &mut Env<'_>) {
        env.actions.push(Action::Close(connection.id));
        if connection.state == State::Established {
            env.actions.push(Action::Down);
        }
    }

    /// A connection or an attempt failed: decide when to try again.
    pub(super) fn fail(&mut self, reason: DownReason, env: &mut Env<'_>) {
        if self.connections.is_empty() && matches!(self.phase, Phase::Waiting(_)) {
            let ours = matches!(
                reason,
                DownReason::NotificationSent { .. } | DownReason::SendHoldExpired
            );
            self.phase = if ours {
                Phase::Idle(IdleReason::Held(
                    env.now + self.idle_hold.advance(env.jitter),
                ))
            } else {
                let delay = self.retry.advance(env.jitter);
                Phase::Waiting((!self.config.passive).then(|| env.now + delay))
            };
        }
        self.last_error = Some((env.now, reason.clone()));
        self.report(Some(reason), env);
    }

    pub(super) fn forgive_if_stable(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) >= STABLE_AFTER {
            self.idle_hold.reset();
        }
    }
}
