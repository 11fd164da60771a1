//! A neutral BGP receiver: it accepts one session at a time, holds what the peer announces and
//! notes when each prefix came. It shares no code with the speaker under test, so that a mistake
//! in our codec cannot hide behind itself.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What the peer announced for a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub next_hop: IpAddr,
    pub as_path: Vec<u32>,
    /// When the UPDATE was read.
    pub at: Instant,
}

/// One thing that happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Up,
    Announced(IpNet),
    Withdrawn(IpNet),
    /// AFI (1 IPv4, 2 IPv6) of an End-of-RIB marker, RFC 4724 §2.
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
    /// Everything so far, with its time; grows until [`Collector::forget`].
    pub history: Vec<(Instant, Event)>,
}

impl Table {
    fn note(&mut self, at: Instant, event: Event) {
        self.history.push((at, event));
    }
}

struct Shared {
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
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
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

const HEADER: usize = 19;

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
    stream.write_all(&open(asn, id))?;
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

fn message_of(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
    let mut message = vec![0xff; 16];
    message.extend(length.to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

/// OPEN with IPv4 and IPv6 unicast, 4-octet AS, route refresh and graceful restart (helper only).
fn open(asn: u32, id: Ipv4Addr) -> Vec<u8> {
    let mut capabilities = vec![1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1, 2, 0, 65, 4];
    capabilities.extend(asn.to_be_bytes());
    capabilities.extend([64, 2, 0, 120]);
    let short = u16::try_from(asn).unwrap_or(23456);
    let mut body = vec![4];
    body.extend(short.to_be_bytes());
    body.extend(90u16.to_be_bytes());
    body.extend(id.octets());
    let length = u8::try_from(capabilities.len()).unwrap_or(0);
    body.extend([length + 2, 2, length]);
    body.extend(capabilities);
    message_of(1, &body)
}

/// The next whole message: its type octet, then its body.
fn next_message(buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some(header) = buffer.get(..HEADER) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    if !(HEADER..=65535).contains(&length) || header[..16] != [0xff; 16] {
        return Err(io::Error::other("bad BGP header"));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let message: Vec<u8> = buffer.drain(..length).skip(HEADER - 1).collect();
    Ok(Some(message))
}

fn short() -> io::Error {
    io::Error::other("truncated BGP message")
}

fn take(message: &[u8], at: Instant, table: &mut Table) -> io::Result<()> {
    match message.split_first() {
        Some((2, body)) => update(body, at, table),
        Some((3, body)) => {
            table.note(
                at,
                Event::Notified(
                    body.first().copied().unwrap_or(0),
                    body.get(1).copied().unwrap_or(0),
                ),
            );
            Ok(())
        }
        Some((4, _)) => {
            if !table.up {
                table.up = true;
                table.note(at, Event::Up);
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn octet(&mut self) -> io::Result<u8> {
        self.take(1)?.first().copied().ok_or_else(short)
    }

    fn short(&mut self) -> io::Result<u16> {
        Ok(u16::from_be_bytes(
            self.take(2)?.try_into().map_err(|_| short())?,
        ))
    }

    fn prefixes(&mut self, six: bool) -> io::Result<Vec<IpNet>> {
        let mut prefixes = Vec::new();
        while !self.0.is_empty() {
            let length = self.octet()?;
            let octets = self.take(usize::from(length).div_ceil(8))?;
            prefixes.push(prefix(octets, length, six).ok_or_else(short)?);
        }
        Ok(prefixes)
    }
}

fn prefix(octets: &[u8], length: u8, six: bool) -> Option<IpNet> {
    let mut full = [0; 16];
    full.get_mut(..octets.len())?.copy_from_slice(octets);
    if six {
        return Ipv6Net::new(Ipv6Addr::from(full), length)
            .ok()
            .map(IpNet::V6);
    }
    let four: [u8; 4] = full.get(..4)?.try_into().ok()?;
    Ipv4Net::new(Ipv4Addr::from(four), length)
        .ok()
        .map(IpNet::V4)
}

fn update(body: &[u8], at: Instant, table: &mut Table) -> io::Result<()> {
    let mut bytes = Bytes(body);
    let length = bytes.short()?;
    let withdrawn = Bytes(bytes.take(usize::from(length))?).prefixes(false)?;
    let length = bytes.short()?;
    let mut attributes = Bytes(bytes.take(usize::from(length))?);
    let announced = bytes.prefixes(false)?;
    if withdrawn.is_empty() && attributes.0.is_empty() && announced.is_empty() {
        table.note(at, Event::EndOfRib(1));
    }
    withdraw(withdrawn, at, table);
    let (mut next_hop, mut as_path) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), Vec::new());
    let mut reach: Option<(IpAddr, Vec<IpNet>)> = None;
    while !attributes.0.is_empty() {
        let (flags, code) = (attributes.octet()?, attributes.octet()?);
        let length = if flags & 0x10 == 0 {
            u16::from(attributes.octet()?)
        } else {
            attributes.short()?
        };
        let mut value = Bytes(attributes.take(usize::from(length))?);
        match code {
            2 => as_path = path(&mut value)?,
            3 => next_hop = IpAddr::V4(<[u8; 4]>::try_from(value.0).map_err(|_| short())?.into()),
            14 => reach = Some(mp_reach(&mut value)?),
            15 => {
                let afi = value.short()?;
                value.octet()?;
                if value.0.is_empty() {
                    table.note(at, Event::EndOfRib(afi));
                }
                withdraw(value.prefixes(afi == 2)?, at, table);
            }
            _ => {}
        }
    }
    announce(announced, next_hop, &as_path, at, table);
    if let Some((next_hop, prefixes)) = reach {
        announce(prefixes, next_hop, &as_path, at, table);
    }
    Ok(())
}

fn mp_reach(value: &mut Bytes<'_>) -> io::Result<(IpAddr, Vec<IpNet>)> {
    let afi = value.short()?;
    value.octet()?;
    let length = value.octet()?;
    let next_hop = value.take(usize::from(length))?;
    value.octet()?;
    let next_hop = match (
        <[u8; 4]>::try_from(next_hop),
        next_hop.get(..16).map(<[u8; 16]>::try_from),
    ) {
        (Ok(four), _) => IpAddr::V4(four.into()),
        (_, Some(Ok(six))) => IpAddr::V6(six.into()),
        _ => return Err(short()),
    };
    Ok((next_hop, value.prefixes(afi == 2)?))
}

fn path(value: &mut Bytes<'_>) -> io::Result<Vec<u32>> {
    let mut path = Vec::new();
    while !value.0.is_empty() {
        value.octet()?;
        for _ in 0..value.octet()? {
            path.push(u32::from_be_bytes(
                value.take(4)?.try_into().map_err(|_| short())?,
            ));
        }
    }
    Ok(path)
}

fn announce(
    prefixes: Vec<IpNet>,
    next_hop: IpAddr,
    as_path: &[u32],
    at: Instant,
    table: &mut Table,
) {
    for prefix in prefixes {
        table.routes.insert(
            prefix,
            Route {
                next_hop,
                as_path: as_path.to_vec(),
                at,
            },
        );
        table.note(at, Event::Announced(prefix));
    }
}

fn withdraw(prefixes: Vec<IpNet>, at: Instant, table: &mut Table) {
    for prefix in prefixes {
        table.routes.remove(&prefix);
        table.note(at, Event::Withdrawn(prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_update_with_both_families() {
        let mut table = Table::default();
        // ORIGIN, AS_PATH (65001), NEXT_HOP 192.0.2.1, MP_REACH 2001:db8::1/128 via 2001:db8::fe
        let mut attributes = vec![
            0x40, 1, 1, 2, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1,
        ];
        attributes.extend([0x80, 14, 38, 0, 2, 1, 16]);
        attributes.extend("2001:db8::fe".parse::<Ipv6Addr>().unwrap().octets());
        attributes.extend([0, 128]);
        attributes.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        let mut body = vec![0, 0];
        body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
        body.extend(&attributes);
        body.extend([32, 198, 51, 100, 7]);
        let at = Instant::now();
        update(&body, at, &mut table).unwrap();
        let four = table
            .routes
            .get(&"198.51.100.7/32".parse::<IpNet>().unwrap())
            .unwrap();
        assert_eq!(
            (four.next_hop, four.as_path.as_slice()),
            ("192.0.2.1".parse().unwrap(), [65001].as_slice())
        );
        assert!(
            table
                .routes
                .contains_key(&"2001:db8::1/128".parse().unwrap())
        );
        update(&[0, 5, 32, 198, 51, 100, 7, 0, 0], at, &mut table).unwrap();
        assert_eq!(table.routes.len(), 1);
        update(&[0, 0, 0, 0], at, &mut table).unwrap();
        assert_eq!(table.history.last().unwrap().1, Event::EndOfRib(1));
    }

    #[test]
    fn refuses_truncated_updates() {
        for body in [&[][..], &[0], &[0, 9, 32], &[0, 0, 0, 4, 0x40, 3, 4, 1]] {
            assert!(
                update(body, Instant::now(), &mut Table::default()).is_err(),
                "{body:?}"
            );
        }
    }
}
