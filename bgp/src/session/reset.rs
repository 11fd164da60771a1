//! The peer broke the protocol: what to tell it, and what to tell the operator.

use super::state::State;
use crate::wire::notification::{cease_subcode, code};
use crate::wire::{DecodeError, Message, Notification};

/// A reason to end a connection with a NOTIFICATION.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) notification: Notification,
    pub(crate) why: String,
    /// Neither side shall keep routes, whatever graceful restart says (RFC 8538 §3).
    pub(crate) hard: bool,
}

impl Reset {
    pub(crate) fn new(code: u8, subcode: u8, data: &[u8], why: impl Into<String>) -> Self {
        Self {
            notification: Notification::new(code, subcode, data),
            why: why.into(),
            hard: false,
        }
    }

    /// The same, ending the session for graceful restart as well.
    pub(crate) fn hard(self) -> Self {
        Self { hard: true, ..self }
    }

    /// RFC 4271 §6.5.
    pub(crate) fn hold_timer_expired() -> Self {
        let why = "nothing heard from the peer for the hold time";
        Self::new(code::HOLD_TIMER_EXPIRED, 0, &[], why)
    }

    /// RFC 4486 §4.
    pub(crate) fn too_many_prefixes(limit: usize) -> Self {
        let why = format!("the peer sent more than {limit} routes");
        Self::new(code::CEASE, cease_subcode::MAXIMUM_PREFIXES, &[], why).hard()
    }

    /// The peer wants answers and does not read them: memory per peer is bounded.
    pub(crate) fn saturated() -> Self {
        let why = "the peer asks for more and reads nothing";
        Self::new(code::CEASE, cease_subcode::OUT_OF_RESOURCES, &[], why)
    }

    /// A message that the state does not allow (RFC 6608 §3).
    pub(crate) fn unexpected(state: State, message: &Message) -> Self {
        let name = match message {
            Message::Open(_) => "OPEN",
            Message::Update(_) => "UPDATE",
            Message::Notification(_) => "NOTIFICATION",
            Message::Keepalive => "KEEPALIVE",
            Message::RouteRefresh(_) => "ROUTE-REFRESH",
        };
        let subcode = match state {
            State::OpenSent => 1,
            State::OpenConfirm => 2,
            State::Established => 3,
            _ => 0,
        };
        let why = format!("{name} is not expected in {state}");
        Self::new(code::FINITE_STATE_MACHINE, subcode, &[], why)
    }
}

impl From<DecodeError> for Reset {
    fn from(error: DecodeError) -> Self {
        Self {
            notification: error.notification,
            why: error.reason.into_owned(),
            hard: false,
        }
    }
}
