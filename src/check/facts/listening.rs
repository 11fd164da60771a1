//! Which ports somebody has: `/proc/net/tcp` and its like (proc(5)), which everybody may read.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// `TCP_LISTEN` of the kernel.
const LISTEN: &str = "0A";

/// Where somebody listens for TCP, by IPv4 or IPv6.
pub(super) fn tcp(net: &Path) -> BTreeSet<SocketAddr> {
    sockets(net, ["tcp", "tcp6"], |state| state == LISTEN)
}

/// UDP ports that somebody has.
pub(super) fn udp(net: &Path) -> BTreeSet<u16> {
    let all = sockets(net, ["udp", "udp6"], |_| true);
    all.iter().map(SocketAddr::port).collect()
}

fn sockets(net: &Path, files: [&str; 2], counts: fn(&str) -> bool) -> BTreeSet<SocketAddr> {
    let texts = files.map(|file| fs::read_to_string(net.join(file)).unwrap_or_default());
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.filter_map(|line| socket(line, counts)).collect()
}

/// `  0: 00000000:00B3 00000000:0000 0A …`: number, local address, remote address, state.
fn socket(line: &str, counts: fn(&str) -> bool) -> Option<SocketAddr> {
    let mut words = line.split_whitespace().skip(1);
    let (address, port) = words.next()?.rsplit_once(':')?;
    let state = words.nth(1)?;
    let port = u16::from_str_radix(port, 16).ok()?;
    counts(state).then(|| Some(SocketAddr::new(ip(address)?, port)))?
}

/// Words of 32 bits, each as this machine has it in memory.
fn ip(hexadecimal: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = hexadecimal.get(at..at + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match hexadecimal.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
        0: 00000000:00B3 00000000:0000 0A 00000000:00000000\n   \
        1: 0100007F:1A0A 0100007F:00B4 01 00000000:00000000\n";

    #[test]
    fn only_listeners_have_a_tcp_port() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("tcp"), TABLE).unwrap();
        assert_eq!(tcp(dir.path()), ["0.0.0.0:179".parse().unwrap()].into());
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_are_read_as_the_kernel_writes_them() {
        assert_eq!(ip("0100007F"), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(
            ip("B80D0120000000000000000001000000"),
            "2001:db8::1".parse().ok()
        );
        assert_eq!(ip("01"), None);
    }

    #[test]
    fn whoever_has_a_udp_socket_has_its_port() {
        let dir = tempfile::tempdir().unwrap();
        let line = "  9: 00000000000000000000000000000000:0EC8 00000000000000000000000000000000:0000 07 x\n";
        fs::write(dir.path().join("udp6"), line).unwrap();
        assert_eq!(udp(dir.path()), [3784].into());
    }
}
