//! Which ports somebody has: `/proc/net/tcp` and its like (proc(5)), which everybody may read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// `TCP_LISTEN` of the kernel.
const LISTEN: &str = "0A";

/// TCP ports that somebody listens on, by IPv4 or IPv6.
pub(super) fn tcp(net: &Path) -> BTreeSet<u16> {
    ports(net, ["tcp", "tcp6"], |state| state == LISTEN)
}

/// UDP ports that somebody has.
pub(super) fn udp(net: &Path) -> BTreeSet<u16> {
    ports(net, ["udp", "udp6"], |_| true)
}

fn ports(net: &Path, files: [&str; 2], counts: fn(&str) -> bool) -> BTreeSet<u16> {
    let texts = files.map(|file| fs::read_to_string(net.join(file)).unwrap_or_default());
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.filter_map(|line| port(line, counts)).collect()
}

/// `  0: 00000000:00B3 00000000:0000 0A …`: number, local address, remote address, state.
fn port(line: &str, counts: fn(&str) -> bool) -> Option<u16> {
    let mut words = line.split_whitespace().skip(1);
    let (_, port) = words.next()?.rsplit_once(':')?;
    let state = words.nth(1)?;
    counts(state).then(|| u16::from_str_radix(port, 16).ok())?
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
        assert_eq!(tcp(dir.path()), [179].into());
    }

    #[test]
    fn whoever_has_a_udp_socket_has_its_port() {
        let dir = tempfile::tempdir().unwrap();
        let line = "  9: 00000000000000000000000000000000:0EC8 00000000000000000000000000000000:0000 07 x\n";
        fs::write(dir.path().join("udp6"), line).unwrap();
        assert_eq!(udp(dir.path()), [3784].into());
    }
}
