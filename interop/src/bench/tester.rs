//! The neutral tester: any number of BGP peers on one thread, which dial the daemon under test and note
//! what it tells them and when.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::wire::{self, Family, Said};

/// AS of every peer of the tester.
pub(super) const ASN: u32 = 65000;
/// AS of the daemon under test.
pub(super) const DUT_ASN: u32 = 65001;
/// Address of the daemon under test.
pub(super) const DUT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Address of the tester's peer number `n`.
pub(super) fn address(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, 10 + u8::try_from(n).unwrap_or(0))
}

/// Which numbered routes are there.
#[derive(Debug, Default, Clone)]
pub(super) struct Set {
    bits: Vec<u64>,
    count: usize,
}

impl Set {
    fn put(&mut self, i: u32, there: bool) {
        let (word, bit) = (i as usize / 64, 1u64 << (i % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let was = self.bits[word] & bit != 0;
        if there && !was {
            self.bits[word] |= bit;
            self.count += 1;
        } else if !there && was {
            self.bits[word] &= !bit;
            self.count -= 1;
        }
    }

    pub(super) fn has(&self, i: u32) -> bool {
        let word = self.bits.get(i as usize / 64).copied().unwrap_or(0);
        word & (1 << (i % 64)) != 0
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}

/// One peer.
#[derive(Debug)]
pub(super) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    pub(super) v4: Set,
    pub(super) v6: Set,
    /// A KEEPALIVE came: the session is Established.
    pub(super) up: bool,
    pub(super) end_of_rib: [bool; 2],
    /// Reads nothing while set: its window fills.
    pub(super) stalled: bool,
    /// Why there is nothing more to hear.
    pub(super) gone: Option<String>,
    outbox: Vec<u8>,
}

/// All peers.
#[derive(Debug)]
pub(super) struct Tester {
    pub(super) peers: Vec<Peer>,
    keepalive_at: Instant,
    chunk: Vec<u8>,
}

impl Tester {
    /// Dials `peers` sessions, in the calling thread's namespace, until each is accepted.
    pub(super) fn dial(peers: usize, patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        let mut all = Vec::with_capacity(peers);
        for n in 0..peers {
            all.push(Peer::dial(n, deadline)?);
        }
        Ok(Self {
            peers: all,
            keepalive_at: Instant::now() + Duration::from_secs(20),
            chunk: vec![0; 256 * 1024],
        })
    }

    /// Dials, and waits until all sessions are Established.
    pub(super) fn establish(peers: usize, patience: Duration) -> Result<Self> {
        let mut this = Self::dial(peers, patience)?;
        this.all_up(patience)?;
        Ok(this)
    }

    /// Waits until all sessions are Established. A daemon that is not through with its start may refuse a
    /// session: that one is dialled again.
    pub(super) fn all_up(&mut self, patience: Duration) -> Result<Instant> {
        let deadline = Instant::now() + patience;
        let mut now = Instant::now();
        while !self.peers.iter().all(|p| p.up && p.gone.is_none()) {
            ensure!(now < deadline, "all sessions up: not within {patience:?}");
            now = self.pump(Duration::from_millis(10))?;
            for (n, peer) in self.peers.iter_mut().enumerate() {
                if peer.gone.is_some() {
                    *peer = Peer::dial(n, deadline)?;
                }
            }
        }
        Ok(now)
    }

    /// Listens until `done`; when that was, by the clock of the last read.
    pub(super) fn until(
        &mut self,
        what: &str,
        patience: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<Instant> {
        let deadline = Instant::now() + patience;
        let mut now = Instant::now();
        while !done(self) {
            if let Some((n, why)) = self.lost() {
                bail!("{what}: peer {n} lost its session: {why}");
            }
            ensure!(
                now < deadline,
                "{what}: not within {patience:?}: {}",
                self.counts()
            );
            now = self.pump(Duration::from_millis(100))?;
        }
        Ok(now)
    }

    /// Listens for so long.
    pub(super) fn listen(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            if left.is_zero() {
                break;
            }
            self.pump(left)?;
        }
        Ok(())
    }

    /// Queues octets for one peer; [`Self::until`] and [`Self::listen`] send them.
    pub(super) fn send(&mut self, peer: usize, bytes: &[u8]) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.outbox.extend(bytes);
        }
    }

    /// True when everything queued is with the kernel.
    pub(super) fn sent(&self) -> bool {
        self.peers.iter().all(|p| p.outbox.is_empty())
    }

    fn lost(&self) -> Option<(usize, &str)> {
        let lost = self
            .peers
            .iter()
            .enumerate()
            .find(|(_, p)| p.gone.is_some());
        lost.and_then(|(n, p)| Some((n, p.gone.as_deref()?)))
    }

    fn counts(&self) -> String {
        let counts = self
            .peers
            .iter()
            .map(|p| format!("{}+{}", p.v4.len(), p.v6.len()));
        counts.collect::<Vec<_>>().join(" ")
    }

    /// One round of poll; returns the time after the reads.
    fn pump(&mut self, patience: Duration) -> Result<Instant> {
        if Instant::now() >= self.keepalive_at {
            self.keepalive_at = Instant::now() + Duration::from_secs(20);
            for peer in self.peers.iter_mut().filter(|p| p.gone.is_none()) {
                peer.outbox.extend(wire::keepalive());
            }
        }
        let mut which = Vec::with_capacity(self.peers.len());
        let mut fds = Vec::with_capacity(self.peers.len());
        for (n, peer) in self.peers.iter().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, !peer.stalled);
            flags.set(PollFlags::POLLOUT, !peer.outbox.is_empty());
            if peer.gone.is_none() && !flags.is_empty() {
                which.push(n);
                fds.push(PollFd::new(peer.stream.as_fd(), flags));
            }
        }
        let millis = u16::try_from(patience.as_millis()).unwrap_or(u16::MAX);
        poll(&mut fds, PollTimeout::from(millis))?;
        let ready: Vec<(usize, PollFlags)> = which
            .into_iter()
            .zip(
                fds.iter()
                    .map(|fd| fd.revents().unwrap_or(PollFlags::empty())),
            )
            .collect();
        for (n, flags) in ready {
            let peer = &mut self.peers[n];
            if flags.contains(PollFlags::POLLOUT) {
                peer.flush();
            }
            if !peer.stalled
                && flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR)
            {
                peer.read(&mut self.chunk);
            }
        }
        Ok(Instant::now())
    }
}

impl Peer {
    fn dial(n: usize, deadline: Instant) -> Result<Self> {
        let to = SocketAddr::new(DUT.into(), 179);
        let stream = loop {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket
                .bind(&SocketAddr::new(address(n).into(), 0).into())
                .with_context(|| format!("address {}", address(n)))?;
            match socket.connect(&to.into()) {
                Ok(()) => break TcpStream::from(socket),
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).context("the daemon does not accept");
                }
                Err(_) => std::thread::sleep(Duration::from_micros(500)),
            }
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            v4: Set::default(),
            v6: Set::default(),
            up: false,
            end_of_rib: [false; 2],
            stalled: false,
            gone: None,
            outbox: wire::open(ASN, address(n)),
        })
    }

    pub(super) fn set(&self, family: Family) -> &Set {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn flush(&mut self) {
        match self.stream.write(&self.outbox) {
            Ok(n) => drop(self.outbox.drain(..n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.gone = Some(error.to_string()),
        }
    }

    fn read(&mut self, chunk: &mut [u8]) {
        match self.stream.read(chunk) {
            Ok(0) => self.gone = Some("closed".into()),
            Ok(n) => {
                let new = chunk.get(..n).unwrap_or_default();
                if self.buffer.is_empty() {
                    let used = self.hear(new);
                    self.buffer
                        .extend_from_slice(new.get(used..).unwrap_or_default());
                } else {
                    self.buffer.extend_from_slice(new);
                    let all = std::mem::take(&mut self.buffer);
                    let used = self.hear(&all);
                    self.buffer
                        .extend_from_slice(all.get(used..).unwrap_or_default());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.gone = Some(error.to_string()),
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> usize {
        let (v4, v6) = (&mut self.v4, &mut self.v6);
        let (up, end, gone, outbox) = (
            &mut self.up,
            &mut self.end_of_rib,
            &mut self.gone,
            &mut self.outbox,
        );
        let heard = wire::read(bytes, &mut |said| match said {
            Said::Open => outbox.extend(wire::keepalive()),
            Said::Keepalive => *up = true,
            Said::Announced(Family::V4, i) => v4.put(i, true),
            Said::Announced(Family::V6, i) => v6.put(i, true),
            Said::Withdrawn(Family::V4, i) => v4.put(i, false),
            Said::Withdrawn(Family::V6, i) => v6.put(i, false),
            Said::EndOfRib(Family::V4) => end[0] = true,
            Said::EndOfRib(Family::V6) => end[1] = true,
            Said::Notification(code, subcode) => {
                *gone = Some(format!("NOTIFICATION {code}/{subcode}"));
            }
        });
        match heard {
            Ok(used) => used,
            Err(error) => {
                self.gone = Some(error.to_string());
                bytes.len()
            }
        }
    }
}
