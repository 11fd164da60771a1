//! What the configuration, the operator and the link say: start, stop, where the peer is.

use std::net::IpAddr;

use super::{Env, Phase, Session};
use crate::session::idle::IdleReason;
use crate::session::state::DownReason;
use crate::wire::Notification;

impl Session {
    /// ManualStart or AutomaticStart.
    pub(crate) fn start(&mut self, env: &mut Env<'_>) {
        if matches!(self.phase, Phase::Idle(IdleReason::Stopped)) {
            self.dial_or_wait(env);
            self.report(None, env);
        }
    }

    /// ManualStop: with a NOTIFICATION when the peer shall drop our routes at once, silently when its
    /// graceful-restart helper shall keep them.
    pub(crate) fn stop(&mut self, notification: Option<&Notification>, env: &mut Env<'_>) {
        self.abandon_dial(env);
        self.phase = Phase::Idle(IdleReason::Stopped);
        while let Some(connection) = self.connections.pop() {
            if let Some(notification) = notification {
                self.send_notification(connection.id, notification, env);
            }
            self.bury(&connection, env);
        }
        self.report(Some(DownReason::Stopped), env);
    }

    /// Where the peer is now; `None`: nobody is on its link. A session with another address is over: whoever
    /// answers there now has none.
    pub(crate) fn set_remote(&mut self, remote: Option<IpAddr>, env: &mut Env<'_>) {
        if self.remote == remote {
            return;
        }
        self.remote = remote;
        if matches!(self.phase, Phase::Idle(IdleReason::Stopped)) {
            return;
        }
        let reason = match remote {
            Some(_) => DownReason::NeighbourMoved,
            None => DownReason::NeighbourGone,
        };
        self.hang_up(reason, env);
        if !matches!(self.phase, Phase::Idle(IdleReason::Held(_))) {
            self.dial_or_wait(env);
            self.report(None, env);
        }
    }

    /// Give up every connection and attempt without a word.
    fn hang_up(&mut self, reason: DownReason, env: &mut Env<'_>) {
        self.abandon_dial(env);
        if self.connections.is_empty() {
            return;
        }
        while let Some(connection) = self.connections.pop() {
            self.bury(&connection, env);
        }
        self.last_error = Some((env.now, reason.clone()));
        self.report(Some(reason), env);
    }

    /// What keeps the peer in Idle however often it is started.
    pub(super) fn kept_idle(&self) -> Option<IdleReason> {
        if self.config.shutdown.is_some() {
            Some(IdleReason::Shutdown)
        } else if self.remote.is_none() {
            Some(IdleReason::NoNeighbour)
        } else {
            None
        }
    }

    /// Why the peer is left alone, while it is.
    pub(crate) fn idle_reason(&self) -> Option<IdleReason> {
        match self.phase {
            Phase::Idle(reason) if self.connections.is_empty() => Some(reason),
            _ => None,
        }
    }

    /// Where the peer is, as far as that is known.
    pub(crate) fn remote(&self) -> Option<IpAddr> {
        self.remote
    }
}
