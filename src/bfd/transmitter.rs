//! The socket that a session sends from, with a source port of its own (RFC 5881 §4).

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use bgp::bfd::{ControlPacket, SOURCE_PORTS, SessionKey, TTL};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::receiver::Kind;

/// CS6, "network control": the class that routers' own protocols travel in.
const TRAFFIC_CLASS: u32 = 0xc0;

/// The highest priority in our own queues that needs no privilege.
const QUEUE_PRIORITY: libc::c_int = 6;

/// Attempts at a free port before the packet is given up.
const PORTS_TRIED: usize = 16;

/// Source ports in use.
#[derive(Debug, Default)]
pub(super) struct Ports(BTreeSet<u16>);

impl Ports {
    fn draw(&mut self) -> u16 {
        loop {
            // There are sixteen times as many ports as sessions.
            let port = fastrand::u16(SOURCE_PORTS);
            if self.0.insert(port) {
                return port;
            }
        }
    }

    fn free(&mut self, port: u16) {
        self.0.remove(&port);
    }
}

#[derive(Debug)]
pub(super) struct Transmitter {
    port: u16,
    open: Option<(Socket, SockAddr)>,
}

impl Transmitter {
    pub(super) fn new(ports: &mut Ports) -> Self {
        Self {
            port: ports.draw(),
            open: None,
        }
    }

    /// Sends one packet. After an error the next one finds a fresh socket: addresses and interfaces come and
    /// go.
    pub(super) fn send(
        &mut self,
        key: &SessionKey,
        packet: &ControlPacket,
        ports: &mut Ports,
    ) -> Result<(), String> {
        if self.open.is_none() {
            self.open(key, ports)?;
        }
        let Some((socket, remote)) = &self.open else {
            return Ok(());
        };
        match socket.send_to(&packet.encode(), remote) {
            Ok(_) => Ok(()),
            // The queue is full: as if it had been lost on the way.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => {
                self.open = None;
                Err(format!("cannot send to {key}: {error}"))
            }
        }
    }

    /// The session has ended.
    pub(super) fn close(self, ports: &mut Ports) {
        ports.free(self.port);
    }

    fn open(&mut self, key: &SessionKey, ports: &mut Ports) -> Result<(), String> {
        let remote = destination(key)?;
        for _ in 0..PORTS_TRIED {
            match bound(key, self.port) {
                Ok(socket) => {
                    self.open = Some((socket, remote.into()));
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    ports.free(self.port);
                    self.port = ports.draw();
                }
                Err(error) => return Err(explain(key, &error)),
            }
        }
        Err(format!("no free source port for {key}"))
    }
}

fn destination(key: &SessionKey) -> Result<SocketAddr, String> {
    let port = Kind::of(key).port();
    match (key.remote, &key.interface) {
        (IpAddr::V6(remote), Some(interface)) if remote.is_unicast_link_local() => {
            let index = if_nametoindex(interface.as_ref())
                .map_err(|_| format!("{key}: there is no interface {interface}"))?;
            Ok(SocketAddrV6::new(remote, port, 0, index).into())
        }
        (remote, _) => Ok(SocketAddr::new(remote, port)),
    }
}

fn bound(key: &SessionKey, port: u16) -> io::Result<Socket> {
    let (domain, any): (_, IpAddr) = if key.remote.is_ipv6() {
        (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into())
    } else {
        (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into())
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if key.remote.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_unicast_hops_v6(TTL.into())?;
        socket.set_tclass_v6(TRAFFIC_CLASS)?;
    } else {
        socket.set_ttl_v4(TTL.into())?;
        socket.set_tos_v4(TRAFFIC_CLASS)?;
    }
    setsockopt(&socket, sockopt::Priority, &QUEUE_PRIORITY)?;
    // Nothing is read here: let the kernel keep as little as it can.
    socket.set_recv_buffer_size(0)?;
    if let Some(interface) = &key.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    let local = match (key.local.unwrap_or(any), &key.interface) {
        (IpAddr::V6(local), Some(interface)) if local.is_unicast_link_local() => {
            SocketAddrV6::new(local, port, 0, if_nametoindex(interface.as_ref())?).into()
        }
        (local, _) => SocketAddr::new(local, port),
    };
    socket.bind(&local.into())?;
    Ok(socket)
}

fn explain(key: &SessionKey, error: &io::Error) -> String {
    match (error.kind(), &key.local, &key.interface) {
        (io::ErrorKind::AddrNotAvailable, Some(local), _) => {
            format!("{key}: this node does not have the address {local}")
        }
        (_, _, Some(interface)) if error.raw_os_error() == Some(libc::ENODEV) => {
            format!("{key}: there is no interface {interface}")
        }
        _ => format!("{key}: cannot open a socket: {error}"),
    }
}
