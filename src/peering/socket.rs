//! Listening and connecting, with the options a neighbour asks for.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::AsFd;

use bgp::Ends;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::connection::words;
use super::settings::Neighbour;
use super::sockopt;

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 128;

/// A socket bound to `address`, not listening yet: its keys come first.
pub(super) fn bind_listener(address: SocketAddr) -> io::Result<Socket> {
    let socket = new_socket(address.ip())?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Let peers connect.
pub(super) fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connect to a neighbour from its configured source, over its link if it has one.
pub(super) async fn dial(neighbour: Neighbour, remote: IpAddr, asn: u32) -> io::Result<TcpStream> {
    let socket = new_socket(remote)?;
    let link = neighbour.peer.link.as_deref();
    if let Some(device) = link.or(neighbour.interface.as_deref()) {
        let bound = socket.bind_device(Some(device.as_bytes()));
        bound.map_err(|error| about(device, &error))?;
    }
    let scope = link.map(nix::net::if_::if_nametoindex).transpose()?;
    if let Some(local) = source_of(&neighbour, remote)? {
        let bound = socket.bind(&scoped(local, 0, scope).into());
        bound.map_err(|error| about(local, &error))?;
    }
    if neighbour.password.is_some() {
        sockopt::set_md5(socket.as_fd(), remote.into(), neighbour.password.as_ref())?;
    }
    limit_hops(SockRef::from(&socket), &neighbour, remote, asn)?;
    let socket = TcpSocket::from_std_stream(socket.into());
    let stream = socket
        .connect(scoped(remote, neighbour.port, scope))
        .await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The source of connections to a neighbour: the configured address, or one of the configured interface. `None`: the
/// kernel's choice.
///
/// # Errors
/// The interface has no address of the neighbour's family.
pub(super) fn source_of(neighbour: &Neighbour, remote: IpAddr) -> io::Result<Option<IpAddr>> {
    let Some(interface) = &neighbour.source_interface else {
        return Ok(neighbour.local_address);
    };
    // On a link, only the link's own addresses mean anything, of which the kernel takes the right one.
    if is_link_local(remote) {
        return Ok(neighbour.local_address);
    }
    let addresses = sockopt::addresses_of(interface);
    let source = nearest(&addresses, remote).ok_or_else(|| {
        let family = if remote.is_ipv4() { "IPv4" } else { "IPv6" };
        let why = format!("{interface}, the update_source, has no {family} address for a session");
        io::Error::new(io::ErrorKind::AddrNotAvailable, why)
    })?;
    Ok(Some(source))
}

/// Of the addresses that others can reach, the one that has most in common with `remote`; of several, the first.
fn nearest(addresses: &[IpAddr], remote: IpAddr) -> Option<IpAddr> {
    let fit = |address: &&IpAddr| {
        address.is_ipv4() == remote.is_ipv4()
            && address.is_loopback() == remote.is_loopback()
            && !is_link_local(**address)
    };
    let usable = addresses.iter().filter(fit);
    // `max_by_key` takes the last of equals.
    usable
        .rev()
        .max_by_key(|address| common_bits(**address, remote))
        .copied()
}

fn common_bits(one: IpAddr, other: IpAddr) -> u32 {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => 0,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// An error that names the device or address it is about.
fn about(what: impl std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {}", words(error)))
}

/// A link-local address needs its link, others must not have one.
fn scoped(address: IpAddr, port: u16, scope: Option<u32>) -> SocketAddr {
    match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            SocketAddrV6::new(address, port, 0, scope.unwrap_or(0)).into()
        }
        _ => SocketAddr::new(address, port),
    }
}

/// The interface of a link-local address as the kernel gave it, which names its number.
pub(super) fn link_of(address: SocketAddr) -> Option<String> {
    let SocketAddr::V6(address) = address else {
        return None;
    };
    // Zero for all but link-local addresses; libc gives that an empty name instead of an error.
    let scope = Some(address.scope_id()).filter(|scope| *scope != 0)?;
    let name = nix::net::if_::if_indextoname(scope).ok()?;
    name.into_string().ok()
}

/// Give an accepted connection the neighbour's options.
pub(super) fn adopt(
    stream: &TcpStream,
    neighbour: &Neighbour,
    remote: IpAddr,
    asn: u32,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    limit_hops(SockRef::from(stream), neighbour, remote, asn)
}

/// The addresses of a connection, and those beside ours for next hops of the other family.
pub(super) fn ends(stream: &TcpStream) -> io::Result<Ends> {
    let local_address = stream.local_addr()?;
    let local = local_address.ip();
    let beside = sockopt::addresses_beside(local, link_of(local_address).as_deref());
    let local_v4 = beside.iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    });
    let local_v6 = beside.iter().find_map(|address| match address {
        IpAddr::V6(address) if !address.is_unicast_link_local() => Some(*address),
        _ => None,
    });
    Ok(Ends {
        local,
        remote: stream.peer_addr()?.ip(),
        local_v4,
        local_v6,
    })
}

fn new_socket(address: IpAddr) -> io::Result<Socket> {
    let domain = if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn limit_hops(
    socket: SockRef<'_>,
    neighbour: &Neighbour,
    remote: IpAddr,
    asn: u32,
) -> io::Result<()> {
    if let Some(ttl) = neighbour.ttl(asn) {
        match remote {
            IpAddr::V4(_) => socket.set_ttl_v4(ttl.into())?,
            IpAddr::V6(_) => socket.set_unicast_hops_v6(ttl.into())?,
        }
    }
    if let Some(hops) = neighbour.ttl_security {
        let minimum = u8::MAX - hops.saturating_sub(1);
        sockopt::set_minimum_ttl(socket.as_fd(), remote, minimum)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_the_nearest_address_that_others_can_reach() {
        let all = [
            "127.0.0.1",
            "::1",
            "192.0.2.1",
            "10.9.0.1",
            "10.0.0.1",
            "fe80::1",
            "2001:db8::1",
        ];
        let all = all.map(|address| address.parse().unwrap());
        let to = |remote: &str| {
            let source = nearest(&all, remote.parse().unwrap());
            source.map_or_else(String::new, |source| source.to_string())
        };
        assert_eq!(to("10.9.7.2"), "10.9.0.1");
        assert_eq!(to("172.16.0.1"), "192.0.2.1", "all are as far");
        assert_eq!(to("2001:db8:9::9"), "2001:db8::1");
        assert_eq!(to("127.0.0.2"), "127.0.0.1");
        assert_eq!(nearest(&all[..2], "10.9.7.2".parse().unwrap()), None);
    }

    #[test]
    fn only_a_scoped_address_has_a_link() {
        let link = |text: &str| link_of(text.parse().unwrap());
        assert_eq!(link("[fe80::1%1]:179"), Some("lo".to_owned()));
        assert_eq!(link("[2001:db8::1]:179"), None);
        assert_eq!(link("192.0.2.1:179"), None);
    }
}
