//! The raw ICMPv6 socket of one interface.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};

use bgp::discovery::{ALL_NODES, ALL_ROUTERS, Arrival};
use nix::libc::in6_pktinfo;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::peering::sockopt;

/// More than any link's usual MTU. What does not fit is no advertisement to believe in.
const LONGEST: usize = 9216;

/// The ICMPv6 types that are received: solicitations and advertisements.
const RECEIVED: &[u8] = &[133, 134];

/// Sends and receives solicitations and advertisements, nothing else, on one interface.
#[derive(Debug)]
pub(crate) struct RouterSocket {
    /// tokio's readiness for any datagram socket; only recvmsg(2) and sendmsg(2) are used on it.
    socket: UdpSocket,
    index: u32,
    local: Ipv6Addr,
    buffer: Vec<u8>,
}

impl RouterSocket {
    /// Sends from `local`. Needs CAP_NET_RAW, and a runtime.
    pub(crate) fn open(interface: &str, index: u32, local: Ipv6Addr) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        // First: nothing else is to be queued.
        sockopt::receive_icmpv6_only(socket.as_fd(), RECEIVED)?;
        socket.set_nonblocking(true)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_multicast_if_v6(index)?;
        socket.set_multicast_hops_v6(u8::MAX.into())?;
        socket.set_multicast_loop_v6(false)?;
        socket.set_recv_hoplimit_v6(true)?;
        socket.join_multicast_v6(&ALL_NODES, index)?;
        socket.join_multicast_v6(&ALL_ROUTERS, index)?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
            index,
            local,
            buffer: vec![0; LONGEST],
        })
    }

    /// Sends without waiting: a queue that is full loses what the next interval brings again.
    pub(crate) fn send(&self, to: Ipv6Addr, octets: &[u8]) -> io::Result<()> {
        let source = in6_pktinfo {
            ipi6_addr: libc::in6_addr {
                s6_addr: self.local.octets(),
            },
            ipi6_ifindex: self.index,
        };
        let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, self.index));
        sendmsg(
            self.socket.as_raw_fd(),
            &[IoSlice::new(octets)],
            &[ControlMessage::Ipv6PacketInfo(&source)],
            MsgFlags::MSG_DONTWAIT,
            Some(&to),
        )?;
        Ok(())
    }

    /// Waits for a message and hands it over. May be dropped while it waits.
    pub(crate) async fn receive(&mut self, take_in: impl FnOnce(&Arrival<'_>)) -> io::Result<()> {
        let buffer = &mut self.buffer;
        loop {
            let read = || receive(&self.socket, buffer);
            let received = self.socket.async_io(Interest::READABLE, read).await?;
            if let Some((source, hop_limit, length)) = received {
                let octets = buffer.get(..length).unwrap_or_default();
                take_in(&Arrival {
                    source,
                    hop_limit,
                    octets,
                });
                return Ok(());
            }
        }
    }
}

/// Source, hop limit and length of one message; `None` for one that lacks them or does not fit.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<(Ipv6Addr, u8, usize)>> {
    let mut control = nix::cmsg_space!(libc::c_int);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn6>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let hop_limit = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv6HopLimit(hops) => u8::try_from(hops).ok(),
        _ => None,
    });
    let whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
    let source = message.address.map(|address| address.ip());
    let found = source.zip(hop_limit).filter(|_| whole);
    Ok(found.map(|(source, hop_limit)| (source, hop_limit, message.bytes)))
}
