//! What belongs to one connection: its phase, its unanswered requests, its bytes to send.

use std::time::Instant;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::ovsdb::event::Method;

/// What belongs to one connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) phase: Phase,
    pub(super) method: Method,
    pub(super) next_id: u64,
    pub(super) pending: FxHashMap<u64, Pending>,
    pub(super) transmit: Vec<u8>,
    pub(super) began: Instant,
    pub(super) received: Instant,
    /// When the probe was sent that has not been answered.
    pub(super) probed: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    Greeting,
    Dumping,
    Live,
}

#[derive(Debug)]
pub(super) enum Pending {
    ChangeAware,
    ServerMonitor,
    Schema,
    Monitor,
    ConditionChange,
    Probe,
    Transaction {
        token: u64,
        operations: usize,
        deadline: Instant,
    },
}

impl Link {
    pub(super) fn new(phase: Phase, now: Instant) -> Self {
        Self {
            phase,
            method: Method::CondSince,
            next_id: 0,
            pending: FxHashMap::default(),
            transmit: Vec::new(),
            began: now,
            received: now,
            probed: None,
        }
    }

    pub(super) fn request(&mut self, method: &str, params: &impl Serialize, pending: Pending) {
        #[derive(Serialize)]
        struct Request<'a, P> {
            id: u64,
            method: &'a str,
            params: &'a P,
        }
        let id = self.next_id;
        self.next_id += 1;
        let start = self.transmit.len();
        match serde_json::to_writer(&mut self.transmit, &Request { id, method, params }) {
            Ok(()) => drop(self.pending.insert(id, pending)),
            Err(_) => self.transmit.truncate(start),
        }
    }
}
