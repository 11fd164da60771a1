//! bgp-agent.conf, the oslo.config dialect, into typed configuration.
//!
//! [`Config`] is what the rest of the agent reads: every value is parsed and checked before the
//! agent starts, so nothing downstream validates again. Durations are [`Duration`], whatever unit
//! the file uses. Every field is set through the one option table, and its default is the table's.

mod bgp;
mod choice;
mod convert;
mod evpn;
mod expose;
mod frr;
pub mod frr_peer;
mod given;
mod ini;
mod interpolate;
mod kind;
mod lint;
mod load;
mod markdown;
mod options;
mod policy;
mod problem;
mod resolve;
mod secret;
mod source;
mod table;
mod uses;
mod vtep;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use bgp::{BfdProfile, Bgp, Endpoint, Fib, ListenRange, Neighbour, Session};
pub use choice::{
    Backend, ConnectedAs, Driver, ExposingMethod, Families, RemoteAs, TenantAdvertisement, Ttl,
    UpdateSource,
};
pub use convert::{Converted, convert};
pub use evpn::{EvpnKind, EvpnVni, TargetWord};
pub use expose::ExposeRule;
pub use load::{Input, Loaded};
pub use markdown::option_tables;
pub use problem::{Fault, Place, Problem, Severity};
pub use secret::Secret;
pub use source::{Files, Source, read_file};
pub use vtep::{NoVtep, vtep};

/// The whole configuration, valid: what could not be accepted has stopped the start.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Config {
    /// What is exposed and how the node is wired.
    pub agent: Agent,
    /// The OVSDB servers.
    pub ovn: Ovn,
    /// This node as a BGP speaker.
    pub bgp: Bgp,
    /// `[bgp_neighbor NAME]`, in the order of the files.
    pub neighbours: Vec<Neighbour>,
    /// `[bgp_listen NAME]`, in the order of the files.
    pub listen_ranges: Vec<ListenRange>,
    /// `[evpn_vni NAME]`, in the order of the files.
    pub evpn_vnis: Vec<EvpnVni>,
    /// Where the log goes.
    pub logging: Logging,
}

/// What is exposed and how the node is wired: most of `[DEFAULT]`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Agent {
    pub driver: Driver,
    pub exposing_method: ExposingMethod,
    /// Who carries the BGP sessions.
    pub bgp_backend: Backend,
    /// Between two full comparisons; the safety net behind the notifications.
    pub reconcile_interval: Duration,
    /// Between two checks of FRR's configuration.
    pub frr_reconcile_interval: Duration,
    /// Our AS number towards the FRR on this node; only `bgp_backend = frr-peer` has any.
    pub frr_peer_as: u32,
    /// The program vtysh.
    pub frr_vtysh: PathBuf,
    /// The directory with the sockets of FRR's daemons.
    pub frr_vty_socket: PathBuf,
    pub expose_tenant_networks: bool,
    pub expose_ipv6_gua_tenant_networks: bool,
    pub advertisement_method_tenant_networks: TenantAdvertisement,
    pub require_snat_disabled_for_tenant_networks: bool,
    /// Filter for tenant networks; empty is no filter.
    pub address_scopes: Vec<String>,
    /// The policy file; `None` is none.
    pub exposure_policy_file: Option<PathBuf>,
    /// Its sections, in its order.
    pub exposure_rules: Arc<[ExposeRule]>,
    /// Name of the dummy device that has what FRR advertises.
    pub bgp_nic: String,
    /// Name of the VRF device that FRR leaks from.
    pub bgp_vrf: String,
    /// Routing table of `bgp_vrf`, 1–4294967295 but 253–255; bridge tables avoid it.
    pub bgp_vrf_table_id: u32,
    /// Empty the table of `bgp_vrf` at start, but for routes of BGP and of scope host.
    pub clear_vrf_routes_on_startup: bool,
    pub delete_vrf_on_disconnect: bool,
    /// VTEP source address.
    pub evpn_local_ip: Option<IpAddr>,
    /// Device whose first address is the VTEP source.
    pub evpn_nic: Option<String>,
    /// UDP destination port of VXLAN.
    pub evpn_udp_dstport: u16,
    /// Unix socket of `show` and `explain`; empty turns it off.
    pub control_socket: PathBuf,
    /// The second OVN cluster of `exposing_method = ovn`.
    pub local_ovn_cluster: LocalOvnCluster,
}

impl Agent {
    /// Whether the driver and its method exchange tenants' tables (EVPN) with the fabric.
    pub fn has_tenant_tables(&self) -> bool {
        let method = matches!(
            self.exposing_method,
            ExposingMethod::Vrf | ExposingMethod::L2Vni | ExposingMethod::Dynamic
        );
        method || matches!(self.driver, Driver::Evpn | Driver::Native)
    }
}

/// The second OVN cluster on the node, which `exposing_method = ovn` drives.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LocalOvnCluster {
    /// Its Northbound remote.
    pub ovn_nb_connection: String,
    /// OVS ports (physical nics) on the fabric bridges.
    pub external_nics: Vec<String>,
    /// ECMP next hops.
    pub peer_ips: Vec<IpAddr>,
    /// Prefixes steered into the local cluster.
    pub provider_networks_pool_prefixes: Vec<ipnet::IpNet>,
    /// Suffix of `ovn-bridge-mappings-<id>` and name of the gateway chassis.
    pub bgp_chassis_id: String,
}

/// The OVSDB servers.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ovn {
    /// Remote of the local Open_vSwitch database (`unix:…`, `tcp:…`, `ssl:…`).
    pub ovsdb_connection: String,
    /// Time for a connection attempt or a transaction; attempts are cut shorter, see `src/agent/inputs.rs`.
    pub ovsdb_connection_timeout: Duration,
    pub northbound: OvnDatabase,
    pub southbound: OvnDatabase,
}

/// How to reach one OVN database.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OvnDatabase {
    /// Comma-separated remotes; `None` takes `external_ids:ovn-nb-remote` (`ovn-remote` for the
    /// Southbound) of the local Open_vSwitch.
    pub connection: Option<String>,
    /// Used by `ssl:` remotes only.
    pub tls: TlsFiles,
}

/// PEM files of a TLS client. They are read on each connection, not at start.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TlsFiles {
    pub private_key: PathBuf,
    pub certificate: PathBuf,
    pub ca_cert: PathBuf,
}

/// Where the log goes and how it looks: the oslo.log options.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Logging {
    pub debug: bool,
    /// Relative to `log_dir`; `None` with a `log_dir` is `<log_dir>/ovn-bgp-agent.log`.
    pub log_file: Option<PathBuf>,
    pub log_dir: Option<PathBuf>,
    /// Reopen the file when it was moved away (logrotate).
    pub watch_log_file: bool,
    pub use_json: bool,
    pub use_journal: bool,
    pub use_syslog: bool,
    pub syslog_log_facility: String,
    /// Also to stderr when there is a log file.
    pub use_stderr: bool,
    /// `target=LEVEL` pairs.
    pub default_log_levels: Vec<String>,
}
