//! The netlink socket below every connection of rtnetlink's: prepared as we need it, read in
//! bounded turns, and deaf to announcements that cannot concern us.
//!
//! netlink-proto reads a socket until it is empty, decodes all of it and queues that without bound.
//! A node with a full BGP table announces a million routes, so what is not for us is dropped
//! here, before it is decoded, and a turn ends after [`TURN`] datagrams.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use netlink_sys::{AsyncSocket, Socket as Inner, SocketAddr, TokioSocket};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};

use super::request::short_table;
use crate::reconcile::object::TableId;

/// Receive buffer: acknowledgements of a whole batch, or a bridge that comes back and re-announces
/// everything. The kernel uses only what there is.
const BUFFER: usize = 16 << 20;

/// Datagrams read before what they brought is looked at.
const TURN: u32 = 64;

/// One datagram: the kernel fills dumps to at most 32 KiB.
const DATAGRAM: usize = 64 << 10;

const NETLINK_HEADER: usize = 16;

/// A netlink socket.
pub(crate) struct Socket {
    inner: TokioSocket,
    interest: Option<Interest>,
    turn: Cell<u32>,
    datagram: Cell<BytesMut>,
}

/// Which announcements to hear, told by their fixed headers alone.
pub(crate) struct Interest {
    /// As in `rtm_table`: 252 stands for all that do not fit a byte.
    tables: Vec<u8>,
    /// Also what concerns tenants: all tables but `default`, `main` and `local`, which a VRF may get while we listen,
    /// and the forwarding tables of bridges and VXLAN devices.
    tenants: bool,
    /// Who made the route changes that are not news (`nlmsg_pid`).
    own: Option<u32>,
}

impl Interest {
    pub(crate) fn in_tables(tables: impl Iterator<Item = TableId>) -> Self {
        Self {
            tables: tables.map(short_table).collect(),
            tenants: false,
            own: None,
        }
    }

    /// Hears, or does not hear, of tenants.
    pub(crate) fn with_tenants(self, tenants: bool) -> Self {
        Self { tenants, ..self }
    }

    fn has_table(&self, table: u8) -> bool {
        self.tables.contains(&table) || (self.tenants && table < libc::RT_TABLE_DEFAULT)
    }

    /// Deaf to the echo of what this port changes: whoever has installed 50,000 routes need not hear of each.
    pub(crate) fn without_echo(self, port: Option<u32>) -> Self {
        Self { own: port, ..self }
    }

    /// True unless the datagram is one message that cannot concern us.
    fn includes(&self, datagram: &[u8]) -> bool {
        let length = datagram.first_chunk().map(|b| u32::from_ne_bytes(*b));
        let kind = datagram.get(4..6).and_then(|b| b.first_chunk());
        let (Some(length), Some(kind)) = (length, kind) else {
            return true;
        };
        if length as usize != datagram.len() {
            return true;
        }
        let body = datagram.get(NETLINK_HEADER..).unwrap_or_default();
        match u16::from_ne_bytes(*kind) {
            // struct rtmsg: the table is its fifth byte.
            libc::RTM_NEWROUTE | libc::RTM_DELROUTE => {
                let author = datagram.get(12..16).and_then(|b| b.first_chunk());
                let author = author.map(|b| u32::from_ne_bytes(*b));
                body.get(4).is_none_or(|table| self.has_table(*table))
                    && (author.is_none() || author != self.own)
            }
            // struct ndmsg: the family comes first; AF_BRIDGE tells of learned MAC addresses.
            libc::RTM_NEWNEIGH | libc::RTM_DELNEIGH => {
                let of_bridge = |family: &u8| i32::from(*family) == libc::AF_BRIDGE;
                self.tenants || !body.first().is_some_and(of_bridge)
            }
            _ => true,
        }
    }
}

impl Socket {
    /// Hears only this of what is announced.
    pub(super) fn listen_for(&mut self, interest: Interest) {
        self.interest = Some(interest);
    }

    /// Counts a datagram; pending, and woken again, when there have been enough of them.
    fn poll_turn(&self, cx: &Context<'_>) -> Poll<()> {
        let read = self.turn.get();
        if read == TURN {
            self.turn.set(0);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.turn.set(read + 1);
        Poll::Ready(())
    }

    fn poll_datagram(
        &self,
        cx: &mut Context<'_>,
        datagram: &mut BytesMut,
    ) -> Poll<io::Result<SocketAddr>> {
        loop {
            ready!(self.poll_turn(cx));
            datagram.clear();
            datagram.reserve(DATAGRAM);
            let from = ready!(self.inner.poll_recv_from(cx, datagram))?;
            if self.interest.as_ref().is_none_or(|i| i.includes(datagram)) {
                return Poll::Ready(Ok(from));
            }
        }
    }
}

impl AsyncSocket for Socket {
    fn new(protocol: isize) -> io::Result<Self> {
        let mut inner = TokioSocket::new(protocol)?;
        let socket = inner.socket_mut();
        // Kernels before 4.20 lack these; the dumps are then longer and the errors terser.
        let _ = socket.set_netlink_get_strict_chk(true);
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        // Beyond net.core.rmem_max where we may (CAP_NET_ADMIN in the first user namespace).
        if setsockopt(socket, RcvBufForce, &BUFFER).is_err() {
            let _ = socket.set_rx_buf_sz(BUFFER as libc::c_int);
        }
        Ok(Self {
            inner,
            interest: None,
            turn: Cell::new(0),
            datagram: Cell::default(),
        })
    }

    fn socket_ref(&self) -> &Inner {
        self.inner.socket_ref()
    }

    fn socket_mut(&mut self) -> &mut Inner {
        self.inner.socket_mut()
    }

    fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner.poll_send(cx, bytes)
    }

    fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        to: &SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_send_to(cx, bytes, to)
    }

    fn poll_recv<B: BufMut>(&self, cx: &mut Context<'_>, out: &mut B) -> Poll<io::Result<()>> {
        self.poll_recv_from(cx, out).map_ok(drop)
    }

    fn poll_recv_from<B: BufMut>(
        &self,
        cx: &mut Context<'_>,
        out: &mut B,
    ) -> Poll<io::Result<SocketAddr>> {
        let mut datagram = self.datagram.take();
        let polled = self.poll_datagram(cx, &mut datagram);
        match &polled {
            Poll::Ready(Ok(_)) => out.put_slice(&datagram),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.turn.set(0),
        }
        self.datagram.set(datagram);
        polled
    }

    fn poll_recv_from_full(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        let mut out = Vec::new();
        self.poll_recv_from(cx, &mut out).map_ok(|from| (out, from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = (NETLINK_HEADER + body.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(NETLINK_HEADER, 0);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn announcements_of_other_tables_and_of_bridge_macs_are_not_heard() {
        let interest = Interest::in_tables([189, 70_000].into_iter());
        let route = |table| datagram(libc::RTM_NEWROUTE, &[2, 32, 0, 0, table, 3, 0, 1]);
        let neighbour = |family| datagram(libc::RTM_DELNEIGH, &[family, 0, 0, 0, 7, 0, 0, 0]);
        assert!(interest.includes(&route(189)));
        assert!(interest.includes(&route(libc::RT_TABLE_COMPAT)));
        assert!(!interest.includes(&route(254)));
        assert!(interest.includes(&neighbour(libc::AF_INET as u8)));
        assert!(!interest.includes(&neighbour(libc::AF_BRIDGE as u8)));
        assert!(interest.includes(&datagram(libc::RTM_NEWLINK, &[0; 16])));
    }

    #[test]
    fn where_there_are_tenants_their_tables_and_macs_are_heard() {
        let interest = Interest::in_tables([189].into_iter()).with_tenants(true);
        let route = |table| datagram(libc::RTM_NEWROUTE, &[2, 32, 0, 0, table, 3, 0, 1]);
        assert!(interest.includes(&route(libc::RT_TABLE_COMPAT)));
        assert!(interest.includes(&route(77)));
        assert!(!interest.includes(&route(libc::RT_TABLE_MAIN)));
        assert!(!interest.includes(&route(libc::RT_TABLE_LOCAL)));
        let learned = datagram(libc::RTM_NEWNEIGH, &[libc::AF_BRIDGE as u8, 0, 0, 0]);
        assert!(interest.includes(&learned));
    }

    #[test]
    fn the_echo_of_ones_own_routes_is_not_heard() {
        let interest = Interest::in_tables([254].into_iter()).without_echo(Some(77));
        let by = |port: u32| {
            let mut echo = datagram(libc::RTM_NEWROUTE, &[2, 32, 0, 0, 254, 186, 0, 1]);
            echo.splice(12..16, port.to_ne_bytes());
            echo
        };
        assert!(!interest.includes(&by(77)));
        assert!(interest.includes(&by(78)));
        assert!(interest.includes(&by(0)), "the kernel's own changes");
    }

    #[test]
    fn what_is_not_one_whole_message_is_left_to_the_decoder() {
        let interest = Interest::in_tables([189].into_iter());
        let foreign = datagram(libc::RTM_NEWROUTE, &[2, 32, 0, 0, 254, 3, 0, 1]);
        let two = [foreign.clone(), foreign.clone()].concat();
        assert!(interest.includes(&two));
        for cut in 0..foreign.len() {
            assert!(interest.includes(foreign.get(..cut).unwrap()));
        }
    }
}
