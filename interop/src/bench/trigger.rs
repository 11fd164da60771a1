//! A thread that asks the daemon while the tester listens, and says when it did.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use anyhow::{Context, Result};

use super::dut::{Dut, Order};

/// The tester's end.
pub(super) struct Trigger {
    orders: Sender<Order>,
    done: Receiver<Result<Instant>>,
}

impl Trigger {
    /// Asks; returns at once.
    pub(super) fn pull(&mut self, order: Order) -> Result<()> {
        self.orders.send(order).ok().context("the trigger is gone")
    }

    /// When the last order began to be asked; waits until it has been.
    pub(super) fn asked(&mut self) -> Result<Instant> {
        self.done.recv().context("the trigger is gone")?
    }
}

/// Lends the daemon to a thread while `work` runs.
pub(super) fn with<T: Send>(
    dut: &mut (dyn Dut + Send),
    work: impl FnOnce(&mut Trigger) -> Result<T> + Send,
) -> Result<T> {
    let (orders, inbox) = channel::<Order>();
    let (outbox, done) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for order in inbox {
                let asked = dut.words(&order).and_then(|words| {
                    let at = Instant::now();
                    dut.tell(&words).map(|()| at)
                });
                if outbox.send(asked).is_err() {
                    return;
                }
            }
        });
        // The thread ends when `orders` is dropped.
        work(&mut Trigger { orders, done })
    })
}
