//! A neutral BGP receiver: it accepts one session at a time, holds what the peer announces and
//! notes when each prefix came. It shares no code with the speaker under test, so that a mistake
//! in our codec cannot hide behind itself.

mod tenants;
mod wire;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipnet::IpNet;

pub use tenants::{TenantPrefix, TenantRoute};
use wire::{message_of, next_message, open, take};

/// What the peer announced for a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub next_hop: IpAddr,
    pub as_path: Vec<u32>,
    /// MULTI_EXIT_DISC, LOCAL_PREF and communities of all kinds: their values, by attribute type.
    pub others: BTreeMap<u8, Vec<u8>>,
    /// When the UPDATE was read.
    pub at: Instant,
}

/// One thing that happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Up,
    Announced(IpNet),
    Withdrawn(IpNet),
    /// A route of type 5.
    TenantAnnounced(TenantPrefix),
    TenantWithdrawn(TenantPrefix),
    /// AFI (1 IPv4, 2 IPv6, 25 EVPN) of an End-of-RIB marker, RFC 4724 §2.
    EndOfRib(u16),
    /// NOTIFICATION code and subcode the peer sent.
    Notified(u8, u8),
    Down,
}

/// State that tests read.
#[derive(Default)]
pub struct Table {
    pub up: bool,
    pub routes: BTreeMap<IpNet, Route>,
    /// Routes of type 5, of all tenants.
    pub tenants: BTreeMap<TenantPrefix, TenantRoute>,
    /// Everything so far, with its time; grows until [`Collector::forget`].
    pub history: Vec<(Instant, Event)>,
}

impl Table {
    fn note(&mut self, at: Instant, event: Event) {
        self.history.push((at, event));
    }
}

/// What the collector lets itself be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Families {
    /// IPv4 and IPv6.
    Unicast,
    UnicastAndEvpn,
}

struct Shared {
    families: Families,
    table: Mutex<Table>,
    changed: Condvar,
    stop: AtomicBool,
    /// Keep routes when the session drops, as a graceful-restart helper would.
    keep: bool,
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A passive BGP receiver on its own thread; stops when dropped.
pub struct Collector {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Serves `listener` (make it in the network namespace it belongs to) as router `id` of `asn`.
    /// `keep` routes across session losses, as a graceful-restart helper does.
    pub fn start(listener: TcpListener, asn: u32, id: Ipv4Addr, keep: bool) -> io::Result<Self> {
        Self::start_with(listener, asn, id, keep, Families::Unicast)
    }

    /// The same with EVPN besides, of which it reads routes of type 5.
    pub fn start_evpn(
        listener: TcpListener,
        asn: u32,
        id: Ipv4Addr,
        keep: bool,
    ) -> io::Result<Self> {
        Self::start_with(listener, asn, id, keep, Families::UnicastAndEvpn)
    }

    fn start_with(
        listener: TcpListener,
        asn: u32,
        id: Ipv4Addr,
        keep: bool,
        families: Families,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            families,
            table: Mutex::default(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            keep,
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("collector".into())
            .spawn(move || serve(&listener, asn, id, &theirs))?;
        Ok(Self {
            shared,
            address,
            thread: Some(thread),
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until `condition` holds; `None` when `timeout` passes first.
    pub fn wait<T>(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&Table) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut table = self.shared.table();
        loop {
            if let Some(found) = condition(&table) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            table = self
                .shared
                .changed
                .wait_timeout(table, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until exactly `wanted` is announced; the table's prefixes when time runs out.
    pub fn wait_for_routes(&self, timeout: Duration, wanted: &[IpNet]) -> Result<(), Vec<IpNet>> {
        let mut wanted = wanted.to_vec();
        wanted.sort();
        self.wait(timeout, |table| {
            table.routes.keys().eq(wanted.iter()).then_some(())
        })
        .ok_or_else(|| self.shared.table().routes.keys().copied().collect())
    }

    /// Looks at the table.
    pub fn with<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.shared.table())
    }

    /// Forgets the history.
    pub fn forget(&self) {
        self.shared.table().history.clear();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, asn: u32, id: Ipv4Addr, shared: &Shared) {
    while !shared.stop.load(Ordering::SeqCst) {
        match wait_readable(listener, Duration::from_millis(100)).and_then(|()| listener.accept()) {
            Ok((stream, _)) => {
                let _ = session(stream, listener, asn, id, shared);
                let mut table = shared.table();
                if table.up {
                    table.up = false;
                    table.note(Instant::now(), Event::Down);
                }
                if !shared.keep {
                    table.routes.clear();
                    table.tenants.clear();
                }
                shared.changed.notify_all();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Waits for a connection without a thread that could not be stopped.
fn wait_readable(listener: &TcpListener, timeout: Duration) -> io::Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let millis = u16::try_from(timeout.as_millis()).unwrap_or(u16::MAX);
    poll(
        &mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)],
        PollTimeout::from(millis),
    )?;
    Ok(())
}

fn session(
    mut stream: TcpStream,
    listener: &TcpListener,
    asn: u32,
    id: Ipv4Addr,
    shared: &Shared,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    stream.write_all(&open(asn, id, shared.families))?;
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 65536];
    let mut keepalive = Instant::now();
    loop {
        if shared.stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        // A peer that was killed and comes back opens a new connection; it takes over.
        if wait_readable(listener, Duration::ZERO)
            .and_then(|()| peek_pending(listener))
            .unwrap_or(false)
        {
            return Ok(());
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => buffer.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) => {}
            Err(error) => return Err(error),
        }
        let at = Instant::now();
        while let Some(message) = next_message(&mut buffer)? {
            if message.first() == Some(&1) {
                stream.write_all(&message_of(4, &[]))?;
            }
            take(&message, at, &mut shared.table())?;
            shared.changed.notify_all();
        }
        if keepalive.elapsed() > Duration::from_secs(1) {
            stream.write_all(&message_of(4, &[]))?;
            keepalive = Instant::now();
        }
    }
}

fn peek_pending(listener: &TcpListener) -> io::Result<bool> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}
