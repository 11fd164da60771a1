//! What `check` looks at. Plain data: whoever gathers it decides nothing, whoever judges it sees nothing else.

mod cloud;
mod databases;
mod listening;
mod machine;
mod permission;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bgp::evpn::Vni;
use ipnet::IpNet;

pub use cloud::{Cloud, Exposed, Rows, VniNetwork};
pub use databases::gather;
pub use permission::{Denial, Owner};

/// The state of a node, as far as `check` judges it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    pub machine: Machine,
    /// `/etc/iproute2/rt_tables`.
    pub rt_tables: File,
    /// The local Open_vSwitch database.
    pub vswitch: Database,
    /// `Open_vSwitch.external_ids`; empty when it cannot be reached.
    pub external_ids: BTreeMap<String, String>,
    /// OVS bridges.
    pub bridges: BTreeSet<String>,
    /// The OVN databases that the driver asks.
    pub ovn: Vec<Database>,
    /// What these say, where they could be read.
    pub cloud: Cloud,
    /// Looked at only where FRR has a part.
    pub frr: Option<FrrFacts>,
    /// Whether an agent answers at the control socket: then its ports are ours.
    pub agent_runs: bool,
}

/// A file's text, or why it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    Text(String),
    Unreadable(String),
}

impl Default for File {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// What the machine itself tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The machine's name.
    pub hostname: Option<String>,
    /// By dotted name, as `net.ipv4.conf.br-ex.rp_filter`; a dot in a device name is a `/`.
    pub sysctls: BTreeMap<String, String>,
    /// Whether `/proc/sys` is mounted read-only.
    pub sysctls_read_only: bool,
    /// Effective capabilities of this process (`CAP_NET_ADMIN` …).
    pub capabilities: BTreeSet<String>,
    /// Network devices by name.
    pub devices: BTreeMap<String, Device>,
    pub modules: Modules,
    /// Where somebody listens for TCP.
    pub tcp: BTreeSet<SocketAddr>,
    /// UDP ports somebody has.
    pub udp: BTreeSet<u16>,
    /// Programs that concern us and run in this network namespace, by the name they are looked for with.
    pub programs: BTreeMap<Program, u32>,
    /// What could not be looked at, and why.
    pub unseen: Vec<(String, String)>,
}

/// A program that may get in our way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// FRR's bgpd.
    Bgpd,
    /// FRR's bfdd.
    Bfdd,
    /// `ovn-bgp-agent` in Python.
    PythonAgent,
}

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    pub is_up: bool,
    /// `DEVTYPE` of its uevent: `bridge`, `vlan`, `vrf`, `vxlan` …; `None` for most.
    pub kind: Option<String>,
    /// In bytes.
    pub mtu: u32,
    pub addresses: Vec<IpAddr>,
    /// The networks of these, masked.
    pub networks: Vec<IpNet>,
    /// Whether NetworkManager manages it.
    pub managed: bool,
    /// Of a VXLAN device.
    pub tunnel: Option<Tunnel>,
}

/// What a VXLAN device has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    pub vni: Vni,
    /// UDP.
    pub port: u16,
    /// All VNIs of its port, as Open vSwitch's.
    pub external: bool,
}

/// Kernel modules, with `_` for `-`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modules {
    pub loaded: BTreeSet<String>,
    /// Built in, or in files that the kernel would load; `None` where /lib/modules has nothing of this kernel.
    pub available: Option<BTreeSet<String>>,
}

/// The FRR beside the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrrFacts {
    /// bgpd's socket.
    pub bgpd: Reach,
    /// Its running configuration, or why vtysh cannot tell.
    pub running: Result<String, String>,
}

/// A database, and how its servers answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    /// As servers know it.
    pub name: String,
    /// The option with its remotes.
    pub option: String,
    /// One for each remote, in the order of the list; empty where nothing says where it is.
    pub servers: Vec<Server>,
}

/// One server of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// `unix:…`, `tcp:…`, `ssl:…`.
    pub remote: String,
    pub reach: Reach,
    /// Columns that the driver reads and the server has not, as `Table.column`; `Table` where all of it is missing.
    pub missing: BTreeSet<String>,
    /// Whether it sends only the rows that are asked for.
    pub has_conditions: bool,
}

/// Whether something can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It answers.
    Answers,
    /// Nobody listens, or nobody answers: the error.
    Away(String),
    /// Permissions keep this user out.
    Denied(Denial),
    /// TLS fails: the error.
    Tls(String),
    /// It answers, and not as it should: the error.
    Refused(String),
    /// Nobody has tried.
    #[default]
    Untried,
}

impl Database {
    /// Whether one of its servers answers.
    pub fn answers(&self) -> bool {
        self.servers
            .iter()
            .any(|server| server.reach == Reach::Answers)
    }
}

impl Machine {
    /// Addresses with their devices, as the router-id is taken from them.
    pub fn ipv4(&self) -> impl Iterator<Item = (&str, Ipv4Addr)> {
        self.devices.iter().flat_map(|(name, device)| {
            let addresses = device.addresses.iter();
            addresses.filter_map(move |address| match address {
                IpAddr::V4(address) => Some((name.as_str(), *address)),
                IpAddr::V6(_) => None,
            })
        })
    }
}
