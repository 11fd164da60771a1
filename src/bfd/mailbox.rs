//! A bounded queue between the BFD thread and the others, whose waiting is the kernel's.
//!
//! A channel would do but for one thing: the BFD thread, which may run at a real-time priority, must never
//! wait (or spin) for a thread that was interrupted half-way through an operation. It only ever tries the
//! lock; whoever holds it rings afterwards.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

#[derive(Debug)]
pub(super) struct Mailbox<T> {
    queue: Mutex<VecDeque<T>>,
    capacity: usize,
    /// An octet is written whenever there is something to look at…
    rope: UnixStream,
    /// …and comes out here.
    bell: UnixStream,
    closed: AtomicBool,
}

impl<T> Mailbox<T> {
    pub(super) fn new(capacity: usize) -> io::Result<Self> {
        let (rope, bell) = UnixStream::pair()?;
        rope.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok(Self {
            queue: Mutex::new(VecDeque::new()),
            capacity,
            rope,
            bell,
            closed: AtomicBool::new(false),
        })
    }

    /// Puts, waiting for the lock; gives the item back if there is no room.
    pub(super) fn put(&self, item: T) -> Result<(), T> {
        let put = self.push(self.lock(), item);
        self.ring();
        put
    }

    /// Puts without waiting for anybody; gives the item back if that cannot be now, or if there is no room.
    pub(super) fn try_put(&self, item: T) -> Result<(), T> {
        let Some(queue) = self.try_lock() else {
            return Err(item);
        };
        let put = self.push(queue, item);
        self.ring();
        put
    }

    /// Takes everything without waiting for anybody. Nothing if somebody is just putting: the bell rings
    /// when that is done.
    pub(super) fn try_take(&self) -> VecDeque<T> {
        self.clear();
        self.try_lock()
            .map(|mut queue| std::mem::take(&mut *queue))
            .unwrap_or_default()
    }

    /// Takes the oldest, waiting for the lock.
    pub(super) fn take_one(&self) -> Option<T> {
        self.lock().pop_front()
    }

    /// Nothing more will be put, or taken.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ring();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Readable while there may be something to take.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// The same, for a reactor.
    pub(super) fn listen(&self) -> io::Result<tokio::net::UnixStream> {
        tokio::net::UnixStream::from_std(self.bell.try_clone()?)
    }

    /// Stops the bell; before looking into the queue.
    pub(super) fn clear(&self) {
        let mut rung = [0; 256];
        // Fails when it does not ring any more.
        while matches!((&self.bell).read(&mut rung), Ok(count) if count > 0) {}
    }

    fn push(&self, mut queue: MutexGuard<'_, VecDeque<T>>, item: T) -> Result<(), T> {
        if queue.len() >= self.capacity {
            return Err(item);
        }
        queue.push_back(item);
        Ok(())
    }

    fn ring(&self) {
        // Fails when nobody has listened for long: then it rings.
        let _ = (&self.rope).write(&[0]);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        // A queue of plain values is sound whatever its holder was doing.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, VecDeque<T>>> {
        match self.queue.try_lock() {
            Ok(queue) => Some(queue),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_while_another_holds_the_lock_comes_later() {
        let mailbox = Mailbox::new(8).unwrap();
        mailbox.put(1).unwrap();
        let held = mailbox.lock();
        assert!(mailbox.try_take().is_empty());
        assert_eq!(mailbox.try_put(2), Err(2));
        drop(held);
        mailbox.try_put(2).unwrap();
        assert_eq!(mailbox.try_take(), [1, 2]);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mailbox = Mailbox::new(1).unwrap();
        mailbox.put(1).unwrap();
        assert_eq!(mailbox.put(2), Err(2));
        assert_eq!(mailbox.take_one(), Some(1));
        mailbox.put(3).unwrap();
    }
}
