//! Graceful shutdown of the node (RFC 8326): peers are asked to prefer any other path before ours go.

use std::time::Instant;

use super::Speaker;

impl Speaker {
    /// Everything is told again with GRACEFUL_SHUTDOWN and, to internal peers, the least preference, and so is what is
    /// originated from now on: traffic goes elsewhere before it has to. Withdrawing is the caller's next step.
    pub fn drain(&mut self, now: Instant) {
        self.core.now = now;
        self.drained = true;
        self.tell_graceful_shutdown();
    }

    /// The end of [`Self::drain`].
    pub fn undrain(&mut self, now: Instant) {
        self.core.now = now;
        self.drained = false;
        self.tell_graceful_shutdown();
    }

    /// Are peers asked to prefer other paths, by [`Self::drain`] or by configuration?
    pub fn is_draining(&self) -> bool {
        self.drained || self.drained_by_configuration
    }

    pub(super) fn tell_graceful_shutdown(&mut self) {
        let wanted = self.is_draining();
        if wanted != self.graceful_shutdown {
            self.set_graceful_shutdown(wanted);
        }
    }
}
