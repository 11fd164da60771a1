//! Which intervals are advertised, which are in use, and the Poll Sequence between the two (RFC 5880 §6.5, §6.8.3).

use super::packet::Interval;

/// An interval of ours: what packets say, and what we do by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered {
    pub(super) advertised: Interval,
    pub(super) in_use: Interval,
}

impl Offered {
    fn new(interval: Interval) -> Self {
        Self {
            advertised: interval,
            in_use: interval,
        }
    }

    fn settle(&mut self) {
        self.in_use = self.advertised;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    Idle,
    Running,
    /// Something changed again: the next Final may answer a packet that did not say so yet.
    RunningTwice,
}

/// What a change of intervals meets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The session is up: the remote system relies on what it was told before.
    pub(super) up: bool,
    /// The remote system is heard: it can be polled.
    pub(super) heard: bool,
}

#[derive(Debug)]
pub(super) struct Timing {
    /// Desired Min TX.
    pub(super) transmit: Offered,
    /// Required Min RX.
    pub(super) receive: Offered,
    poll: Poll,
}

impl Timing {
    pub(super) fn new(transmit: Interval, receive: Interval) -> Self {
        Self {
            transmit: Offered::new(transmit),
            receive: Offered::new(receive),
            poll: Poll::Idle,
        }
    }

    /// Set the interval at which we want to send, and the one at which we can receive. Where the remote system
    /// would miss our packets (we send less often), or we would miss its (we expect them more often), the
    /// former interval is in use until it knows.
    pub(super) fn offer(&mut self, transmit: Interval, receive: Interval, standing: Standing) {
        let before = (self.transmit.advertised, self.receive.advertised);
        if before == (transmit, receive) {
            return;
        }
        self.transmit.advertised = transmit;
        self.receive.advertised = receive;
        if !standing.up || transmit < self.transmit.in_use {
            self.transmit.settle();
        }
        if !standing.up || receive > self.receive.in_use {
            self.receive.settle();
        }
        if standing.heard {
            self.poll = match self.poll {
                Poll::Idle => Poll::Running,
                Poll::Running | Poll::RunningTwice => Poll::RunningTwice,
            };
        }
    }

    /// Do our periodic packets ask for a Final?
    pub(super) fn is_polling(&self) -> bool {
        self.poll != Poll::Idle
    }

    /// A Final has come.
    pub(super) fn finish_poll(&mut self) {
        self.poll = match self.poll {
            Poll::RunningTwice => Poll::Running,
            Poll::Running => {
                self.transmit.settle();
                self.receive.settle();
                Poll::Idle
            }
            Poll::Idle => Poll::Idle,
        };
    }

    /// The session is not up any more: nobody relies on the former intervals.
    pub(super) fn settle(&mut self) {
        self.transmit.settle();
        self.receive.settle();
    }

    /// The remote system is not heard any more: nobody answers.
    pub(super) fn abandon_poll(&mut self) {
        self.poll = Poll::Idle;
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Standing = Standing {
        up: true,
        heard: true,
    };

    fn timing() -> Timing {
        Timing::new(Interval(100), Interval(100))
    }

    #[test]
    fn what_the_other_side_would_miss_waits_for_its_final() {
        let mut timing = timing();
        timing.offer(Interval(200), Interval(50), UP);
        assert_eq!(timing.transmit.in_use, Interval(100));
        assert_eq!(timing.receive.in_use, Interval(100));
        timing.finish_poll();
        assert!(!timing.is_polling());
        assert_eq!(timing.transmit.in_use, Interval(200));
        assert_eq!(timing.receive.in_use, Interval(50));
    }

    #[test]
    fn a_final_that_may_answer_an_earlier_change_is_not_enough() {
        let mut timing = timing();
        timing.offer(Interval(200), Interval(100), UP);
        timing.offer(Interval(300), Interval(100), UP);
        timing.finish_poll();
        assert!(timing.is_polling());
        assert_eq!(timing.transmit.in_use, Interval(100));
        timing.finish_poll();
        assert!(!timing.is_polling());
        assert_eq!(timing.transmit.in_use, Interval(300));
    }

    #[test]
    fn what_the_other_side_stands_is_done_at_once_and_polled() {
        let mut timing = timing();
        timing.offer(Interval(50), Interval(200), UP);
        assert_eq!(timing.transmit.in_use, Interval(50));
        assert_eq!(timing.receive.in_use, Interval(200));
        assert!(timing.is_polling());
    }

    #[test]
    fn nothing_changed_polls_nobody() {
        let mut timing = timing();
        timing.offer(Interval(100), Interval(100), UP);
        assert!(!timing.is_polling());
        timing.finish_poll();
        assert!(!timing.is_polling());
    }

    #[test]
    fn a_system_that_is_not_heard_is_not_polled() {
        let mut timing = timing();
        let silent = Standing {
            up: false,
            heard: false,
        };
        timing.offer(Interval(200), Interval(100), silent);
        assert_eq!(timing.transmit.in_use, Interval(200));
        assert!(!timing.is_polling());
    }
}
