//! What neither std nor socket2 offers: TCP-MD5 keys, minimum TTL, the addresses of an interface, the priority of
//! a thread.
//!
//! The only file of the shell with `unsafe`; every block says why it holds.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;

use super::settings::Password;

/// `struct tcp_md5sig` of linux/tcp.h; libc has only the option's number.
#[repr(C, align(8))]
struct TcpMd5Sig {
    /// A `sockaddr_storage`.
    address: [u8; 128],
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    ifindex: i32,
    key: [u8; Password::MAX_LEN],
}

/// linux/tcp.h: `prefix_len` counts.
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;

/// Sign and require TCP-MD5 signatures (RFC 2385) between the socket and `peer`; on a listening socket,
/// for connections from `peer`, which may be a network. `None` removes the key, if there is one.
///
/// The kernel knows no scope here: a link-local address has one key on all links.
pub(super) fn set_md5(
    socket: BorrowedFd<'_>,
    peer: IpNet,
    password: Option<&Password>,
) -> io::Result<()> {
    let key = password.map_or(&[][..], Password::octets);
    let is_network = peer.prefix_len() < peer.max_prefix_len();
    let mut option = TcpMd5Sig {
        address: sockaddr(peer.addr()),
        flags: u8::from(is_network) * TCP_MD5SIG_FLAG_PREFIX,
        prefix_len: u8::from(is_network) * peer.prefix_len(),
        // At most Password::MAX_LEN.
        key_len: u16::try_from(key.len()).unwrap_or(0),
        ifindex: 0,
        key: [0; Password::MAX_LEN],
    };
    for (slot, octet) in option.key.iter_mut().zip(key) {
        *slot = *octet;
    }
    let name = if is_network {
        libc::TCP_MD5SIG_EXT
    } else {
        libc::TCP_MD5SIG
    };
    match set(socket, libc::IPPROTO_TCP, name, &option) {
        Err(error) if password.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// `ICMP6_FILTER` of RFC 3542 §3.2; libc has neither the option nor its structure.
const ICMP6_FILTER: libc::c_int = 1;

/// Let a raw ICMPv6 socket receive messages of these types, and nothing else.
pub(crate) fn receive_icmpv6_only(socket: BorrowedFd<'_>, types: &[u8]) -> io::Result<()> {
    // A set bit blocks; bit n of word n / 32 is type n.
    let mut blocked = [u32::MAX; 8];
    for kind in types {
        if let Some(word) = blocked.get_mut(usize::from(kind / 32)) {
            *word &= !(1 << (kind % 32));
        }
    }
    set(socket, libc::IPPROTO_ICMPV6, ICMP6_FILTER, &blocked)
}

/// Drop packets that arrive with a TTL or hop limit below `minimum` (GTSM, RFC 5082 §3).
pub(super) fn set_minimum_ttl(socket: BorrowedFd<'_>, peer: IpAddr, minimum: u8) -> io::Result<()> {
    let minimum = libc::c_int::from(minimum);
    match peer {
        IpAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &minimum),
        IpAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, &minimum),
    }
}

/// The addresses of the interface that has `local`, in the kernel's order; empty if none has it. Several
/// interfaces may have one link-local address: `interface` says which is meant.
pub(super) fn addresses_beside(local: IpAddr, interface: Option<&str>) -> Vec<IpAddr> {
    let all = interface_addresses().unwrap_or_default();
    let mut holders = all
        .iter()
        .filter(|(name, _)| interface.is_none_or(|interface| name == interface));
    let Some((name, _)) = holders.find(|(_, address)| *address == local) else {
        return Vec::new();
    };
    let beside = all.iter().filter(|(other, _)| other == name);
    beside.map(|(_, address)| *address).collect()
}

/// The addresses of an interface, in the kernel's order; empty where there is none.
pub(super) fn addresses_of(interface: &str) -> Vec<IpAddr> {
    let all = interface_addresses().unwrap_or_default();
    // An address with a label has that for a name: the device, a colon, and more.
    let of_it = all
        .into_iter()
        .filter(|(name, _)| name.split(':').next() == Some(interface));
    of_it.map(|(_, address)| address).collect()
}

/// Let the calling thread run before others: at a real-time priority, or else at the best ordinary one. Returns
/// what was granted.
pub(crate) fn prefer_this_thread() -> io::Result<&'static str> {
    /// Half-way: below the kernel's own interrupt threads (50), above what else a node runs.
    const PRIORITY: libc::c_int = 40;
    const NICEST: libc::c_int = -20;
    // SAFETY: sched_param is plain data, for which all zeroes are valid.
    let mut wanted: libc::sched_param = unsafe { std::mem::zeroed() };
    wanted.sched_priority = PRIORITY;
    // SAFETY: `pthread_self` is the calling thread, and `wanted` outlives the call.
    let refused = unsafe {
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const wanted)
    };
    if refused == 0 {
        return Ok("SCHED_FIFO");
    }
    // SAFETY: plain values; on Linux, 0 means the calling thread only (setpriority(2)).
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICEST) } == 0 {
        return Ok("nice -20");
    }
    Err(io::Error::from_raw_os_error(refused))
}

fn set<T>(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    // setsockopt fails with EINVAL on a length it does not like; the options here are under 1 kB.
    let len = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let pointer = std::ptr::from_ref(value).cast();
    // SAFETY: the descriptor is borrowed, so open; `pointer` and `len` describe `value`, which outlives the
    // call, and every T used in this file is plain data without padding read by the kernel.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, len) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A `sockaddr_in` or `sockaddr_in6` with port zero, in a `sockaddr_storage`.
fn sockaddr(address: IpAddr) -> [u8; 128] {
    let mut storage = [0; 128];
    let (family, offset, octets) = match address {
        IpAddr::V4(address) => (libc::AF_INET, 4, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, 8, address.octets().to_vec()),
    };
    // Address families are small; sa_family_t is in host order.
    let family = u16::try_from(family).unwrap_or(0).to_ne_bytes();
    for (slot, octet) in storage.iter_mut().zip(family) {
        *slot = octet;
    }
    for (slot, octet) in storage.iter_mut().skip(offset).zip(octets) {
        *slot = octet;
    }
    storage
}

fn interface_addresses() -> io::Result<Vec<(String, IpAddr)>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes one pointer into `list`.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut next = list;
    // SAFETY: getifaddrs gave a list that ends with null and is ours until freeifaddrs below; names are
    // C strings and `ifa_addr` is null or a sockaddr of the family it names.
    while let Some(entry) = unsafe { next.as_ref() } {
        let address = unsafe { ip_of(entry.ifa_addr) };
        if let Some(address) = address {
            let name = unsafe { CStr::from_ptr(entry.ifa_name) };
            addresses.push((name.to_string_lossy().into_owned(), address));
        }
        next = entry.ifa_next;
    }
    // SAFETY: `list` came from getifaddrs and nothing refers to it any more.
    unsafe { libc::freeifaddrs(list) };
    Ok(addresses)
}

/// # Safety
/// `address` is null or points to a sockaddr as long as its family requires.
unsafe fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: by the contract above; read_unaligned because sockaddr promises less alignment.
    unsafe {
        match i32::from(address.as_ref()?.sa_family) {
            libc::AF_INET => {
                let v4 = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let v6 = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn key(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    /// Connects to a listener that wants `theirs` with a socket that signs with `ours`.
    fn connects(local: IpAddr, theirs: &str, ours: Option<&str>) -> bool {
        let listener = TcpListener::bind((local, 0)).unwrap();
        set_md5(listener.as_fd(), local.into(), Some(&key(theirs))).unwrap();
        let domain = if local.is_ipv4() {
            Domain::IPV4
        } else {
            Domain::IPV6
        };
        let socket = Socket::new(domain, Type::STREAM, None).unwrap();
        if let Some(ours) = ours {
            set_md5(socket.as_fd(), local.into(), Some(&key(ours))).unwrap();
        }
        let address = listener.local_addr().unwrap().into();
        let connected = socket
            .connect_timeout(&address, Duration::from_millis(300))
            .is_ok();
        drop(TcpStream::from(socket));
        connected
    }

    #[test]
    fn only_the_right_key_connects() {
        for local in [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ] {
            assert!(connects(local, "secret", Some("secret")));
            assert!(!connects(local, "secret", Some("Secret")));
            assert!(!connects(local, "secret", None));
        }
    }

    #[test]
    fn the_loopback_has_both_families() {
        let beside = addresses_beside(IpAddr::V4(Ipv4Addr::LOCALHOST), None);
        assert!(beside.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(addresses_beside("192.0.2.255".parse().unwrap(), None).is_empty());
    }

    #[test]
    fn a_minimum_ttl_can_be_set() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_minimum_ttl(listener.as_fd(), IpAddr::V4(Ipv4Addr::LOCALHOST), 255).unwrap();
    }
}
