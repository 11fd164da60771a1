//! Sysctls: files below `/proc/sys`. The kernel announces no change of theirs, so they are read
//! with every dump and whenever an interface comes.
//!
//! `/proc/sys/net` follows the network namespace of the thread that reads it.

use std::io;
use std::path::Path;
use std::sync::Arc;

const ROOT: &str = "/proc/sys";

/// The value without its newline; `None` when there is no such sysctl, as before its interface exists.
pub(super) fn read(path: &str) -> Option<Arc<str>> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(path)).ok()?;
    Some(Arc::from(text.trim_end()))
}

/// True for an interface that answers both ARP and NDP for others.
pub(super) fn answers(interface: &str) -> bool {
    [("ipv4", "proxy_arp"), ("ipv6", "proxy_ndp")]
        .iter()
        .map(|(family, name)| read(&format!("net/{family}/conf/{interface}/{name}")))
        .all(|value| value.as_deref() == Some("1"))
}

pub(super) fn write(path: &str, value: &str) -> io::Result<()> {
    std::fs::write(Path::new(ROOT).join(path), value)
}
