//! The six states of RFC 4271 §8.2.2, and why a session left the last one.

use std::fmt;

use crate::wire::Notification;
use crate::wire::notification::{cease_subcode, code};

/// State of a peer: that of its most advanced connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Refusing the peer: removed, or held back after an error.
    Idle,
    /// A TCP connection is being opened.
    Connect,
    /// Waiting for the peer to connect, or for the next attempt.
    Active,
    /// OPEN sent, the peer's OPEN awaited.
    OpenSent,
    /// OPENs exchanged, KEEPALIVE awaited.
    OpenConfirm,
    /// UPDATEs flow.
    Established,
}

impl State {
    /// The RFC's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a connection ended, in words for an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownReason {
    /// The peer ended it with a NOTIFICATION.
    #[error("peer sent NOTIFICATION {0}{words}", words = words(.0))]
    NotificationReceived(Notification),
    /// We ended it with a NOTIFICATION.
    #[error("sent NOTIFICATION {notification}: {why}")]
    NotificationSent {
        /// What was sent.
        notification: Notification,
        /// What the peer did.
        why: String,
    },
    /// TCP could not be opened.
    #[error("connection failed: {0}")]
    ConnectFailed(String),
    /// TCP ended without a NOTIFICATION.
    #[error("connection closed: {0}")]
    ConnectionClosed(String),
    /// The peer took no bytes for the send hold time (RFC 9687).
    #[error("send hold timer expired: the peer reads nothing")]
    SendHoldExpired,
    /// A second connection of the same peer was kept instead (RFC 4271 §6.8).
    #[error("connection collision: the other connection was kept")]
    Collision,
    /// The peer opened a new session while this one looked alive: it restarted (RFC 4724 §5).
    #[error("peer restarted: it opened a new session")]
    PeerRestarted,
    /// Discovery found the neighbour at another address of its link.
    #[error("the neighbour's address changed")]
    NeighbourMoved,
    /// Nobody is on the neighbour's link any more.
    #[error("the neighbour is no longer on its link")]
    NeighbourGone,
    /// The operator reset the session here.
    #[error("reset by the operator")]
    ResetHere,
    /// The neighbour was shut down here.
    #[error("administratively shut down")]
    ShutDown,
    /// A change of the neighbour's configuration needs a new session.
    #[error("the configuration changed")]
    Reconfigured,
    /// BFD says that the path to the peer is down (RFC 9384).
    #[error("BFD: the path to the peer is down")]
    BfdDown,
    /// The neighbour was removed or stopped here.
    #[error("stopped by configuration")]
    Stopped,
}

impl DownReason {
    /// The peer keeps another connection of the same start (RFC 4271 §6.8): it had not seen ours established yet when it
    /// compared the two. No session ended by that.
    pub(crate) fn is_collision(&self) -> bool {
        let Self::NotificationReceived(notification) = self else {
            return matches!(self, Self::Collision);
        };
        let subcode = cease_subcode::CONNECTION_COLLISION;
        (notification.code, notification.subcode) == (code::CEASE, subcode)
    }
}

/// The operator's words that may come with a Cease (RFC 9003). Control characters of a stranger do not
/// belong in a log line.
fn words(notification: &Notification) -> String {
    if let Some(inner) = notification.inner().filter(|inner| !inner.is_hard_reset()) {
        return format!(": {inner}{}", words(&inner));
    }
    notification
        .shutdown_communication()
        .map_or_else(String::new, |words| {
            let words: String = words.chars().filter(|c| !c.is_control()).collect();
            format!(": \"{words}\"")
        })
}
