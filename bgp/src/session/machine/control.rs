//! What the configuration, the operator, the link and BFD say: start, stop, where the peer is.

use std::net::IpAddr;
use std::sync::Arc;

use super::ending::hardened;
use super::{Action, Ending, Env, FIRST_DELAY, Phase, Session};
use crate::session::backoff::Backoff;
use crate::session::idle::IdleReason;
use crate::session::reset::Reset;
use crate::session::state::{DownReason, State};
use crate::speaker::{MaxPrefixes, PeerConfig};
use crate::wire::Notification;
use crate::wire::notification::cease_subcode;

impl Session {
    /// ManualStart or AutomaticStart.
    pub(crate) fn start(&mut self, env: &mut Env<'_>) {
        if matches!(self.phase, Phase::Idle(IdleReason::Stopped)) {
            self.dial_or_wait(env);
            self.report(None, env);
        }
    }

    /// ManualStop, with a NOTIFICATION that makes the peer drop our routes at once.
    pub(crate) fn stop(&mut self, farewell: &Notification, env: &mut Env<'_>) {
        self.close_all(Some(farewell), Ending::Final, env);
        self.phase = Phase::Idle(IdleReason::Stopped);
        self.report(Some(DownReason::Stopped), env);
    }

    /// The operator ends the session and lets it come back; or a hold, with which he has dealt.
    pub(crate) fn reset_by_operator(&mut self, words: &str, env: &mut Env<'_>) {
        let farewell = Notification::administrative(cease_subcode::ADMINISTRATIVE_RESET, words);
        self.retry.reset();
        self.idle_hold.reset();
        self.begin_anew(Some(&farewell), Ending::Final, DownReason::ResetHere, env);
    }

    /// Other settings. Those that concern an agreement with the peer need a `restart`: the session ends, but a peer
    /// that understands that (RFC 8538) keeps our routes meanwhile, as we keep its.
    pub(crate) fn configure(&mut self, config: Arc<PeerConfig>, restart: bool, env: &mut Env<'_>) {
        let was_shut = self.config.shutdown.is_some();
        let another_limit = self.config.max_prefixes != config.max_prefixes;
        if self.config.connect_retry != config.connect_retry {
            self.retry = Backoff::new(FIRST_DELAY, config.connect_retry);
        }
        if self.config.idle_hold != config.idle_hold {
            self.idle_hold = Backoff::new(FIRST_DELAY, config.idle_hold);
        }
        if self.config.remote_address != config.remote_address {
            self.remote = config.remote_address;
        }
        self.config = config;
        match &self.config.shutdown {
            Some(words) if !was_shut => {
                let subcode = cease_subcode::ADMINISTRATIVE_SHUTDOWN;
                let farewell = Notification::administrative(subcode, words);
                let reason = DownReason::ShutDown;
                self.begin_anew(Some(&farewell), Ending::Final, reason, env);
            }
            None if was_shut || restart => self.restart(env),
            _ => self.reconsider(another_limit, env),
        }
    }

    /// What kept the peer waiting may be over: it need not wait for the operator as well.
    fn reconsider(&mut self, another_limit: bool, env: &mut Env<'_>) {
        let waits = match self.phase {
            Phase::Idle(IdleReason::TooManyRoutes(_)) => another_limit,
            Phase::Waiting(None) => !self.config.passive && self.connections.is_empty(),
            _ => false,
        };
        if waits {
            self.dial_or_wait(env);
            self.report(None, env);
        }
    }

    /// Where the peer is now; `None`: nobody is on its link. A session with another address is over: whoever
    /// answers there now has none.
    pub(crate) fn set_remote(&mut self, remote: Option<IpAddr>, env: &mut Env<'_>) {
        if self.remote == remote {
            return;
        }
        self.remote = remote;
        let reason = match remote {
            Some(_) => DownReason::NeighbourMoved,
            None => DownReason::NeighbourGone,
        };
        if !matches!(self.phase, Phase::Idle(penalty) if penalty.is_penalty()) {
            self.begin_anew(None, Ending::Lost, reason, env);
        }
    }

    /// BFD says that the path to the peer is down. While the session is up nobody is known to restart: it is
    /// forwarding that fails, and nothing is kept (RFC 5882 §4.3.2.2, RFC 9384). False where no session was up.
    pub(crate) fn bfd_down(&mut self, env: &mut Env<'_>) -> bool {
        let Some(connection) = self.established() else {
            return false;
        };
        let id = connection.id;
        let farewell = Notification::cease(cease_subcode::BFD_DOWN);
        let sent = hardened(&farewell, connection.negotiated.as_deref());
        self.send_notification(id, &sent, env);
        self.close(id, DownReason::BfdDown, Ending::Final, env);
        true
    }

    /// The peer taught more routes than it may.
    pub(crate) fn refuse_routes(&mut self, allowed: &MaxPrefixes, env: &mut Env<'_>) {
        self.reset_established(Reset::too_many_prefixes(allowed.limit), env);
        if self.connections.is_empty() {
            let until = allowed.restart.map(|after| env.now + after);
            self.phase = Phase::Idle(IdleReason::TooManyRoutes(until));
        }
    }

    /// End whatever there is, and start again unless something keeps the peer idle.
    fn begin_anew(
        &mut self,
        farewell: Option<&Notification>,
        ending: Ending<'_>,
        reason: DownReason,
        env: &mut Env<'_>,
    ) {
        if matches!(self.phase, Phase::Idle(IdleReason::Stopped)) {
            return;
        }
        let nothing_ends = self.idle_reason().is_some();
        if !self.connections.is_empty() {
            self.last_error = Some((env.now, reason.clone()));
        }
        self.close_all(farewell, ending, env);
        self.dial_or_wait(env);
        self.report((!nothing_ends).then_some(reason), env);
    }

    /// Give up every connection and attempt.
    fn close_all(
        &mut self,
        farewell: Option<&Notification>,
        ending: Ending<'_>,
        env: &mut Env<'_>,
    ) {
        self.abandon_dial(env);
        while let Some(connection) = self.connections.pop() {
            // Before that the peer would not know whose words these are.
            let told = farewell.filter(|_| connection.state >= State::OpenConfirm);
            if let Some(farewell) = told {
                let agreed = connection.negotiated.as_deref();
                let farewell = match ending {
                    Ending::Final => hardened(farewell, agreed),
                    Ending::Lost | Ending::Notified(_) => farewell.clone(),
                };
                self.send_notification(connection.id, &farewell, env);
            }
            env.actions.push(Action::Close(connection.id));
            self.bury(&connection, ending, env);
        }
    }

    /// Something that the speaker's own OPEN says has changed.
    pub(crate) fn restart(&mut self, env: &mut Env<'_>) {
        let farewell = Notification::cease(cease_subcode::OTHER_CONFIGURATION_CHANGE);
        let ending = Ending::Notified(&farewell);
        self.begin_anew(Some(&farewell), ending, DownReason::Reconfigured, env);
    }

    /// There was a connection and is none, and nothing is held against the peer.
    pub(crate) fn is_done(&self) -> bool {
        let connected_once = self.counters.sent.opens > 0;
        connected_once && self.connections.is_empty() && matches!(self.phase, Phase::Waiting(_))
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
