//! The sockets that packets arrive on: one for each family and port.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use bgp::bfd::{Arrival, MULTIHOP_PORT, SINGLE_HOP_PORT, SessionKey, TTL};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

/// More than any Control packet has: its length is one octet.
const BUFFER: usize = 256;

/// Room for what arrives while the thread cannot run.
const KERNEL_BUFFER: usize = 1 << 20;

/// A family and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    ipv6: bool,
    multihop: bool,
}

impl Kind {
    /// Where packets for this session arrive.
    pub(super) fn of(key: &SessionKey) -> Self {
        Self {
            ipv6: key.remote.is_ipv6(),
            multihop: key.multihop,
        }
    }

    /// Where a session's packets go, and arrive at the other end.
    pub(super) fn port(self) -> u16 {
        if self.multihop {
            MULTIHOP_PORT
        } else {
            SINGLE_HOP_PORT
        }
    }

    fn address(self) -> SocketAddr {
        let any: IpAddr = if self.ipv6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        SocketAddr::new(any, self.port())
    }
}

/// One datagram.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) arrival: Arrival,
    /// Index of the interface it came by.
    pub(super) interface: u32,
    octets: [u8; BUFFER],
    length: usize,
}

impl Datagram {
    pub(super) fn payload(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or(&self.octets)
    }
}

#[derive(Debug)]
pub(super) struct Receiver {
    socket: Socket,
    kind: Kind,
    control: Vec<u8>,
}

impl Receiver {
    /// Not with SO_REUSEADDR: another BFD daemon on this node shall be noticed, not robbed.
    pub(super) fn open(kind: Kind) -> io::Result<Self> {
        let domain = if kind.ipv6 {
            Domain::IPV6
        } else {
            Domain::IPV4
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if kind.ipv6 {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
        }
        if !kind.multihop {
            socket.attach_filter(&only_from_the_link(kind.ipv6))?;
        }
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.bind(&kind.address().into())?;
        Ok(Self {
            socket,
            kind,
            control: nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo, libc::c_int),
        })
    }

    /// The next datagram; `None` when there is none, or it does not say what it must.
    pub(super) fn receive(&mut self) -> io::Result<Option<Datagram>> {
        let mut octets = [0; BUFFER];
        let mut buffers = [IoSliceMut::new(&mut octets)];
        let message = match recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut buffers,
            Some(&mut self.control),
            MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(message) => message,
            Err(nix::Error::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let length = message.bytes;
        let source = message.address.as_ref().and_then(ip_of);
        let (mut ttl, mut destination) = (None, None);
        for told in message.cmsgs()? {
            match told {
                ControlMessageOwned::Ipv4Ttl(hops) | ControlMessageOwned::Ipv6HopLimit(hops) => {
                    ttl = u8::try_from(hops).ok();
                }
                ControlMessageOwned::Ipv4PacketInfo(to) => {
                    let address = Ipv4Addr::from(u32::from_be(to.ipi_addr.s_addr));
                    destination =
                        Some((address.into(), u32::try_from(to.ipi_ifindex).unwrap_or(0)));
                }
                ControlMessageOwned::Ipv6PacketInfo(to) => {
                    let address = Ipv6Addr::from(to.ipi6_addr.s6_addr);
                    destination = Some((address.into(), to.ipi6_ifindex));
                }
                _ => {}
            }
        }
        let (Some(source), Some(ttl), Some((destination, interface))) = (source, ttl, destination)
        else {
            return Err(io::Error::other(
                "the kernel does not say how a packet came",
            ));
        };
        Ok(Some(Datagram {
            arrival: Arrival {
                source,
                destination,
                ttl,
                multihop: self.kind.multihop,
            },
            interface,
            octets,
            length,
        }))
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

/// A classic BPF program that drops what has crossed a router (RFC 5881 §5) before it wakes the thread: nobody
/// beyond the link shall be able to keep a thread of real-time priority busy.
fn only_from_the_link(ipv6: bool) -> [SockFilter; 4] {
    /// Offsets from here on are into the network header (`SKF_NET_OFF`).
    const NETWORK_HEADER: u32 = 0xfff0_0000;
    const LOAD_OCTET: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let hop_limit = if ipv6 { 7 } else { 8 };
    [
        SockFilter::new(LOAD_OCTET, 0, 0, NETWORK_HEADER + hop_limit),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, TTL.into()),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
