//! What `check` looks at on the node. The thin shell: it reads, and decides nothing.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::kernel::rt_tables;

/// How long a database may take to accept a connection.
const PROBE: Duration = Duration::from_secs(3);

/// The state of a node, as far as `check` judges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// By dotted name, as `net.ipv4.conf.br-ex.rp_filter`; a dot in a device name is a `/`.
    pub sysctls: BTreeMap<String, String>,
    /// Effective capabilities of this process (`CAP_NET_ADMIN` …).
    pub capabilities: Vec<String>,
    /// The local Open_vSwitch database.
    pub ovsdb: SocketFact,
    /// `Open_vSwitch.external_ids`; empty when it cannot be reached.
    pub external_ids: BTreeMap<String, String>,
    /// OVS bridges by name.
    pub bridges: BTreeMap<String, BridgeFact>,
    /// Text of `/etc/iproute2/rt_tables`, or why it cannot be read.
    pub rt_tables: Result<String, String>,
    /// The machine's name.
    pub hostname: Option<String>,
    /// Looked at only where FRR has a part.
    pub frr: Option<FrrFacts>,
}

/// The FRR beside the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrrFacts {
    /// bgpd's socket.
    pub bgpd: SocketFact,
    /// Its running configuration, or why vtysh cannot tell.
    pub running: Result<String, String>,
}

/// An OVS bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeFact {
    /// Whether its device is up.
    pub is_up: bool,
}

/// Whether a database can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SocketFact {
    Reachable,
    #[default]
    Missing,
    Denied,
    Failed(String),
}

impl NodeFacts {
    /// Reads what the machine itself tells. `ovsdb`, `external_ids` and `bridges` are for the
    /// caller, who speaks OVSDB; [`NodeFacts::bridge`] helps with the last.
    pub fn read() -> Self {
        Self {
            sysctls: sysctls(Path::new("/proc/sys")),
            capabilities: capabilities(),
            rt_tables: tables(),
            hostname: fs::read_to_string("/proc/sys/kernel/hostname")
                .ok()
                .map(|name| name.trim().to_owned()),
            frr: None,
            ovsdb: SocketFact::default(),
            external_ids: BTreeMap::new(),
            bridges: BTreeMap::new(),
        }
    }

    /// Adds an OVS bridge, with the state of its device.
    pub fn bridge(&mut self, name: &str) {
        // IFF_UP is bit 0 of the flags (linux/if.h).
        let flags = fs::read_to_string(Path::new("/sys/class/net").join(name).join("flags"));
        let is_up = flags.is_ok_and(|text| {
            let digits = text.trim().trim_start_matches("0x");
            u32::from_str_radix(digits, 16).is_ok_and(|flags| flags & 1 == 1)
        });
        self.bridges.insert(name.to_owned(), BridgeFact { is_up });
    }
}

impl SocketFact {
    /// Connects to the first of `remotes` and hangs up. A host name needs a resolver, so `tcp:`
    /// and `ssl:` are tried with addresses only.
    pub fn probe(remotes: &str) -> Self {
        let first = remotes.split(',').next().unwrap_or_default().trim();
        if let Some(path) = first.strip_prefix("unix:") {
            return UnixStream::connect(path).map(drop).into();
        }
        let address = first
            .strip_prefix("tcp:")
            .or_else(|| first.strip_prefix("ssl:"));
        match address.and_then(|a| a.parse().ok()) {
            Some(address) => TcpStream::connect_timeout(&address, PROBE).map(drop).into(),
            None => Self::Failed(format!("'{first}' is not scheme:address:port")),
        }
    }
}

impl From<std::io::Result<()>> for SocketFact {
    fn from(result: std::io::Result<()>) -> Self {
        use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
        match result {
            Ok(()) => Self::Reachable,
            Err(error) => match error.kind() {
                NotFound | ConnectionRefused => Self::Missing,
                PermissionDenied => Self::Denied,
                _ => Self::Failed(error.to_string()),
            },
        }
    }
}

fn sysctls(root: &Path) -> BTreeMap<String, String> {
    let mut paths = vec![
        "net/ipv4/ip_forward".to_owned(),
        "net/ipv6/conf/all/forwarding".to_owned(),
    ];
    let devices = fs::read_dir(root.join("net/ipv4/conf"))
        .into_iter()
        .flatten();
    for device in devices.filter_map(|d| d.ok()?.file_name().into_string().ok()) {
        paths.push(format!("net/ipv4/conf/{device}/rp_filter"));
    }
    let value = |path: &String| {
        let text = fs::read_to_string(root.join(path)).ok()?;
        Some((dotted(path), text.trim().to_owned()))
    };
    paths.iter().filter_map(value).collect()
}

/// sysctl(8): `/` and `.` change places.
fn dotted(path: &str) -> String {
    let swapped = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    path.chars().map(swapped).collect()
}

fn capabilities() -> Vec<String> {
    let effective = caps::read(None, caps::CapSet::Effective).unwrap_or_default();
    effective.iter().map(ToString::to_string).collect()
}

/// A file that does not exist names no table: iproute2 since 6.5 ships none in /etc, and the agent
/// creates it.
fn tables() -> Result<String, String> {
    rt_tables::read(Path::new(rt_tables::DEFAULT_PATH)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysctls_are_named_as_sysctl_8_names_them() {
        let root = tempfile::tempdir().unwrap();
        let conf = root.path().join("net/ipv4/conf/br-ex.100");
        fs::create_dir_all(&conf).unwrap();
        fs::write(conf.join("rp_filter"), "1\n").unwrap();
        let expected = [(
            "net.ipv4.conf.br-ex/100.rp_filter".to_owned(),
            "1".to_owned(),
        )];
        assert_eq!(sysctls(root.path()), expected.into());
    }

    #[test]
    fn a_socket_is_told_by_its_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db.sock");
        let remote = format!("unix:{},tcp:192.0.2.1:1", path.display());
        assert_eq!(SocketFact::probe(&remote), SocketFact::Missing);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(SocketFact::probe(&remote), SocketFact::Reachable);
        drop(listener);
        assert_eq!(SocketFact::probe(&remote), SocketFact::Missing);
        assert!(matches!(
            SocketFact::probe("tcp:host"),
            SocketFact::Failed(_)
        ));
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(SocketFact::from(Err(denied)), SocketFact::Denied);
    }
}
