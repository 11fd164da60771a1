//! How connections end, what that means for the peer's routes, and what is held against the peer
//! (RFC 4271 §8.1.3, DampPeerOscillations).

use std::time::Instant;

use super::{Action, Env, Phase, STABLE_AFTER, Session};
use crate::session::connection::{Connection, ConnectionId, Expired};
use crate::session::idle::IdleReason;
use crate::session::negotiation::Negotiated;
use crate::session::reset::Reset;
use crate::session::state::{DownReason, State};
use crate::wire::Notification;
use crate::wire::notification::code;

/// How an established session ended, as far as graceful restart is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending<'a> {
    /// Without a word: the peer may have restarted (RFC 4724 §4.2).
    Lost,
    /// With this NOTIFICATION from either side.
    Notified(&'a Notification),
    /// For good.
    Final,
}

impl Session {
    pub(super) fn expire(&mut self, id: ConnectionId, env: &mut Env<'_>) {
        while let Some(at) = self.position(id) {
            match self.connections[at].expire(env.now) {
                None => return,
                Some(Expired::Keepalive) => self.send_keepalive(id, env),
                Some(Expired::Hold) => self.reset(id, Reset::hold_timer_expired(), env),
                Some(Expired::SendHold) => {
                    let farewell = Notification::new(code::SEND_HOLD_TIMER_EXPIRED, 0, &[]);
                    self.send_notification(id, &farewell, env);
                    let ending = Ending::Notified(&farewell);
                    self.close(id, DownReason::SendHoldExpired, ending, env);
                }
            }
        }
    }

    /// Send the reason, then close; the peer is held in Idle.
    pub(super) fn reset(&mut self, id: ConnectionId, reset: Reset, env: &mut Env<'_>) {
        let Reset {
            notification,
            why,
            hard,
        } = reset;
        let connection = self.connections.iter().find(|c| c.id == id);
        let agreed = connection.and_then(|c| c.negotiated.as_deref());
        let (sent, ending) = if hard {
            (hardened(&notification, agreed), Ending::Final)
        } else {
            (notification.clone(), Ending::Notified(&notification))
        };
        self.send_notification(id, &sent, env);
        let reason = DownReason::NotificationSent {
            notification: notification.clone(),
            why,
        };
        self.close(id, reason, ending, env);
    }

    pub(super) fn close(
        &mut self,
        id: ConnectionId,
        reason: DownReason,
        ending: Ending<'_>,
        env: &mut Env<'_>,
    ) {
        if let Some(at) = self.position(id) {
            let connection = self.connections.swap_remove(at);
            env.actions.push(Action::Close(id));
            self.bury(&connection, ending, env);
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
            env.actions.push(Action::Close(id));
            self.bury(&connection, Ending::Lost, env);
            self.report(Some(reason), env);
        }
    }

    /// A connection that has been taken out: if it was established, the session is over.
    pub(super) fn bury(&mut self, connection: &Connection, ending: Ending<'_>, env: &mut Env<'_>) {
        let Some(negotiated) = connection.negotiated.clone() else {
            return;
        };
        if connection.state != State::Established {
            return;
        }
        self.forgive_if_stable(env.now);
        let graceful = match ending {
            Ending::Lost => true,
            Ending::Notified(notification) => {
                negotiated.graceful_notification && !notification.is_hard_reset()
            }
            Ending::Final => false,
        };
        env.actions.push(Action::Down {
            negotiated,
            graceful: graceful && self.config.graceful_restart_helper,
        });
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

    /// A session that lasted ends the memory of earlier failures: it comes back quickly.
    fn forgive_if_stable(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) >= STABLE_AFTER {
            self.idle_hold.reset();
            self.retry.reset();
        }
    }
}

/// A NOTIFICATION that ends the session for graceful restart as well (RFC 8538 §3): a peer that takes the plain one
/// for a restart needs a hard reset.
pub(super) fn hardened(notification: &Notification, agreed: Option<&Negotiated>) -> Notification {
    if agreed.is_some_and(|agreed| agreed.graceful_notification) {
        notification.hard_reset()
    } else {
        notification.clone()
    }
}
