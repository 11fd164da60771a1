//! Messages counted by type, as operators expect them in `show neighbors`.

use crate::wire::Message;

/// Messages of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCount {
    /// OPENs.
    pub opens: u64,
    /// UPDATEs.
    pub updates: u64,
    /// NOTIFICATIONs.
    pub notifications: u64,
    /// KEEPALIVEs.
    pub keepalives: u64,
    /// ROUTE-REFRESHes.
    pub route_refreshes: u64,
}

impl MessageCount {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.opens + self.updates + self.notifications + self.keepalives + self.route_refreshes
    }
}

/// Messages exchanged with a peer since it was configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCounters {
    /// Received.
    pub received: MessageCount,
    /// Sent.
    pub sent: MessageCount,
}

impl MessageCounters {
    pub(crate) fn count_received(&mut self, message: &Message) {
        let received = &mut self.received;
        let counter = match message {
            Message::Open(_) => &mut received.opens,
            Message::Update(_) => &mut received.updates,
            Message::Notification(_) => &mut received.notifications,
            Message::Keepalive => &mut received.keepalives,
            Message::RouteRefresh(_) => &mut received.route_refreshes,
        };
        *counter += 1;
    }
}
