//! The tester's one peer of EVPN.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};

use super::super::evpn_wire::{self, Key, Said};
use super::super::tester::{ASN, DUT, address};
use super::super::{PATIENCE, wire};

/// A peer that dials the daemon under test, and notes which prefixes it is told.
pub(super) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
    pub(super) routes: HashSet<Key>,
    up: bool,
    end_of_rib: bool,
    keepalive_at: Instant,
}

impl Peer {
    /// In the calling thread's namespace, until the daemon has said End-of-RIB.
    pub(super) fn establish(patience: Duration) -> Result<Self> {
        let deadline = Instant::now() + patience;
        loop {
            let tried = Self::dial().and_then(|mut peer| {
                peer.until("End-of-RIB", |p| p.up && p.end_of_rib)?;
                Ok(peer)
            });
            match tried {
                Ok(peer) => return Ok(peer),
                Err(error) if Instant::now() >= deadline => return Err(error),
                // It may not be through with its start.
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn dial() -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(address(0).into(), 0).into())?;
        socket.connect(&SocketAddr::new(DUT.into(), 179).into())?;
        let mut stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.write_all(&evpn_wire::open(ASN, address(0)))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            routes: HashSet::new(),
            up: false,
            end_of_rib: false,
            keepalive_at: Instant::now() + Duration::from_secs(20),
        })
    }

    /// Sends; the daemon reads meanwhile.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Gives an order, and listens until `done`: how long that took.
    pub(super) fn until_after(
        &mut self,
        order: impl FnOnce() -> Result<()>,
        done: impl FnMut(&Self) -> bool,
    ) -> Result<Duration> {
        let start = Instant::now();
        order()?;
        self.until("what was ordered", done)?;
        Ok(start.elapsed())
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            let count = self.routes.len();
            ensure!(
                Instant::now() < deadline,
                "{what}: not within {PATIENCE:?}, {count} routes"
            );
            self.hear(Duration::from_millis(100))?;
        }
        Ok(())
    }

    /// Listens for so long.
    pub(super) fn pump(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.hear(left)?;
        }
    }

    /// One read.
    fn hear(&mut self, patience: Duration) -> Result<()> {
        if Instant::now() >= self.keepalive_at {
            self.keepalive_at = Instant::now() + Duration::from_secs(20);
            self.send(&wire::keepalive())?;
        }
        // Less than that is zero to the kernel, which is for ever.
        let patience = patience.max(Duration::from_micros(100));
        self.stream.set_read_timeout(Some(patience))?;
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => bail!("the daemon hung up"),
            Ok(n) => self
                .buffer
                .extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(());
            }
            Err(error) => return Err(error).context("the session"),
        }
        let (mut answer, mut refused) = (false, None);
        let Self {
            buffer,
            routes,
            up,
            end_of_rib,
            ..
        } = self;
        let used = evpn_wire::read(buffer, &mut |said| match said {
            Said::Open => answer = true,
            Said::Keepalive => *up = true,
            Said::Announced(key) => drop(routes.insert(key)),
            Said::Withdrawn(key) => drop(routes.remove(&key)),
            Said::EndOfRib => *end_of_rib = true,
            Said::Notification(code, subcode) => refused = Some((code, subcode)),
        })?;
        buffer.drain(..used);
        if let Some((code, subcode)) = refused {
            bail!("NOTIFICATION {code}/{subcode}");
        }
        if answer {
            self.send(&wire::keepalive())?;
        }
        Ok(())
    }
}
