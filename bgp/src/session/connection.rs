//! One TCP connection of a peer: its state, its input not yet parsed, its timers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::negotiation::Negotiated;
use super::reset::Reset;
use super::state::State;
use crate::wire::{self, CodecOptions, Message};

/// Identifies a TCP connection between the speaker and its shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What the shell knows of a TCP connection when it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// Our address.
    pub local: IpAddr,
    /// The peer's.
    pub remote: IpAddr,
    /// A global IPv4 address of the local interface: next hop of IPv4 routes on an IPv6 session.
    pub local_v4: Option<Ipv4Addr>,
    /// A global IPv6 address of the local interface: next hop of IPv6 routes on an IPv4 session.
    pub local_v6: Option<Ipv6Addr>,
}

/// OPEN must arrive within this (RFC 4271 §8.2.2 suggests 4 minutes for the large hold time).
const OPEN_HOLD: Duration = Duration::from_secs(240);

/// UPDATEs are handed to the shell only while less than this is unread: the rest waits where it
/// still collapses.
const WINDOW: usize = 128 * 1024;

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) passive: bool,
    pub(crate) ends: Ends,
    pub(crate) state: State,
    pub(crate) inbox: BytesMut,
    pub(crate) negotiated: Option<Arc<Negotiated>>,
    hold_at: Option<Instant>,
    keepalive_at: Option<Instant>,
    send_hold_at: Option<Instant>,
    in_flight: usize,
}

/// A timer of a connection that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    Hold,
    Keepalive,
    SendHold,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId, passive: bool, ends: Ends, now: Instant) -> Self {
        Self {
            id,
            passive,
            ends,
            state: State::OpenSent,
            inbox: BytesMut::new(),
            negotiated: None,
            hold_at: Some(now + OPEN_HOLD),
            keepalive_at: None,
            send_hold_at: None,
            in_flight: 0,
        }
    }

    /// The next whole message of the input, if there is one.
    pub(crate) fn next_message(&mut self) -> Result<Option<Message>, Reset> {
        let unagreed = CodecOptions::default();
        let codec = self.negotiated.as_ref().map_or(&unagreed, |n| &n.codec);
        let raw = wire::frame::next_message(&mut self.inbox, codec.max_message_len())?;
        let Some(raw) = raw else { return Ok(None) };
        Ok(Some(wire::decode(&raw, codec)?))
    }

    /// OPENs agree: wait for KEEPALIVE under the negotiated hold time.
    pub(crate) fn confirm(&mut self, negotiated: Arc<Negotiated>, now: Instant) {
        self.state = State::OpenConfirm;
        self.negotiated = Some(negotiated);
        self.restart_hold(now);
    }

    /// The peer was heard (RFC 4271 §4.4): zero hold time means it need not be.
    pub(crate) fn restart_hold(&mut self, now: Instant) {
        let Some(negotiated) = &self.negotiated else {
            return;
        };
        self.hold_at = (!negotiated.hold_time.is_zero()).then(|| now + negotiated.hold_time);
    }

    /// The next KEEPALIVE is due `after` from now; `None` when none are sent.
    pub(crate) fn restart_keepalive(&mut self, after: Option<Duration>, now: Instant) {
        self.keepalive_at = after.map(|after| now + after);
    }

    /// `bytes` more are on their way to the peer.
    pub(crate) fn count_sent(&mut self, bytes: usize, send_hold: Duration, now: Instant) {
        if self.in_flight == 0 && !send_hold.is_zero() {
            self.send_hold_at = Some(now + send_hold);
        }
        self.in_flight += bytes;
    }

    /// The kernel took `bytes`: progress, so the send hold timer starts again (RFC 9687 §3).
    pub(crate) fn count_flushed(&mut self, bytes: usize, send_hold: Duration, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(bytes);
        let watch = self.in_flight > 0 && !send_hold.is_zero();
        self.send_hold_at = watch.then(|| now + send_hold);
    }

    /// May another UPDATE be handed over?
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight < WINDOW
    }

    /// So much is unread that the peer cannot be keeping up with anybody.
    pub(crate) fn is_choked(&self) -> bool {
        self.in_flight >= 4 * WINDOW
    }

    /// More than any window is unread: the peer makes us say more, say by asking for refreshes, and reads nothing.
    pub(crate) fn is_saturated(&self) -> bool {
        self.in_flight >= 16 * WINDOW
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.hold_at, self.keepalive_at, self.send_hold_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// The first timer that ran out by `now`, disarmed.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        let due = |at: &Option<Instant>| at.is_some_and(|at| at <= now);
        if due(&self.hold_at) {
            self.hold_at = None;
            return Some(Expired::Hold);
        }
        if due(&self.send_hold_at) {
            self.send_hold_at = None;
            return Some(Expired::SendHold);
        }
        if due(&self.keepalive_at) {
            self.keepalive_at = None;
            return Some(Expired::Keepalive);
        }
        None
    }
}
