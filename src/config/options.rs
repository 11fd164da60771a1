//! The option table: every section and option, its default, its constraint, its meaning. Parsing,
//! `check` and the tables of docs/configuration.md all come from here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::choice::{Families, RemoteAs, UpdateSource};
use super::kind::*;
use super::table::{At, Effect, Row, Section, row};
use super::{Config, Secret};

/// The configuration while it is read: with what becomes a field only when all is known.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) config: Config,
    /// `[DEFAULT] bgp_AS` and `[bgp] as`.
    pub(super) default_as: u32,
    pub(super) bgp_as: Option<u32>,
    pub(super) default_router_id: Option<Ipv4Addr>,
    pub(super) bgp_router_id: Option<Ipv4Addr>,
    /// Where options without effect go.
    unneeded: (),
}

/// A neighbour while it is read; what is unset comes from `[bgp]` or the section's name.
#[derive(Default)]
pub(super) struct NeighbourDraft {
    pub(super) address: Option<IpAddr>,
    pub(super) remote_as: RemoteAs,
    pub(super) local_as: Option<u32>,
    pub(super) password: Option<Secret>,
    pub(super) port: u16,
    pub(super) passive: bool,
    pub(super) update_source: Option<UpdateSource>,
    pub(super) hold_time: Option<Duration>,
    pub(super) keepalive_time: Option<Duration>,
    pub(super) connect_retry_time: Option<Duration>,
    pub(super) multihop: Option<u8>,
    pub(super) ttl_security: Option<u8>,
    pub(super) families: Families,
    pub(super) description: String,
    pub(super) next_hop_ipv4: Option<Ipv4Addr>,
    pub(super) next_hop_ipv6: Option<Ipv6Addr>,
    pub(super) only_host_prefixes: bool,
}

const DAY: u64 = 86_400;

/// Sections of which there is one.
pub(super) static SECTIONS: &[Section<Draft>] = &[
    Section {
        names: &["DEFAULT"],
        options: DEFAULT,
    },
    Section {
        names: &["ovn"],
        options: OVN,
    },
    Section {
        names: &["bgp"],
        options: BGP,
    },
    Section {
        names: &["local_ovn_cluster"],
        options: LOCAL_OVN_CLUSTER,
    },
    Section {
        names: &["agent"],
        options: AGENT,
    },
    Section {
        names: &["privsep", "privsep_ovs_vsctl", "privsep_vtysh"],
        options: PRIVSEP,
    },
];

/// First word of a neighbour's section.
pub(super) const NEIGHBOUR_SECTION: &str = "bgp_neighbor";

const DEFAULT: &[Row<Draft>] = &[
    row(
        "driver",
        Some("ovn_bgp_driver"),
        &At(Word::new(), |d: &mut Draft| &mut d.config.agent.driver),
        "which OVN database decides, and how; this version has nb_ovn_bgp_driver only, so it must be set",
    ),
    row(
        "exposing_method",
        Some("underlay"),
        &At(Word::new(), |d: &mut Draft| {
            &mut d.config.agent.exposing_method
        }),
        "how the node is wired; this version has underlay only",
    ),
    row(
        "bgp_backend",
        Some("embedded"),
        &At(Word::new(), |d: &mut Draft| &mut d.config.agent.bgp_backend),
        "who carries the BGP sessions (new); this version has embedded only",
    ),
    row(
        "bgp_AS",
        Some("64999"),
        &At(AsNumber, |d: &mut Draft| &mut d.default_as),
        "our AS number, unless [bgp] as is set",
    ),
    row(
        "bgp_router_id",
        None,
        &At(RouterId, |d: &mut Draft| &mut d.default_router_id),
        "our router-id, unless [bgp] router_id is set",
    ),
    row(
        "reconcile_interval",
        Some("300"),
        &At(Seconds(1, DAY), |d: &mut Draft| {
            &mut d.config.agent.reconcile_interval
        }),
        "between two full comparisons of the node with what it should be; changes do not wait for it",
    ),
    row(
        "ovsdb_connection",
        Some("unix:/usr/local/var/run/openvswitch/db.sock"),
        &At(Remotes, |d: &mut Draft| &mut d.config.ovn.ovsdb_connection),
        "the local Open_vSwitch database",
    ),
    row(
        "ovsdb_connection_timeout",
        Some("180"),
        &At(Seconds(1, DAY), |d: &mut Draft| {
            &mut d.config.ovn.ovsdb_connection_timeout
        }),
        "how long a connection attempt or a transaction may take",
    ),
    row(
        "control_socket",
        Some("/run/ovn-bgp-agent/control.sock"),
        &At(FilePath, |d: &mut Draft| &mut d.config.agent.control_socket),
        "unix socket of show and explain (new); empty turns it off",
    ),
    row(
        "bgp_nic",
        Some("bgp-nic"),
        &At(Device, |d: &mut Draft| &mut d.config.agent.bgp_nic),
        "the dummy device that the Python agent puts addresses on",
    ),
    row(
        "bgp_vrf",
        Some("bgp-vrf"),
        &At(Device, |d: &mut Draft| &mut d.config.agent.bgp_vrf),
        "the VRF device that the Python agent leaks from",
    ),
    row(
        "bgp_vrf_table_id",
        Some("10"),
        &At(Table, |d: &mut Draft| &mut d.config.agent.bgp_vrf_table_id),
        "routing table of bgp_vrf; tables of bridges avoid it",
    ),
    row(
        "clear_vrf_routes_on_startup",
        Some("false"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.clear_vrf_routes_on_startup
        }),
        "remove at start what table bgp_vrf_table_id holds, but routes of BGP and of the kernel",
    ),
    row(
        "expose_tenant_networks",
        Some("false"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.expose_tenant_networks
        }),
        "expose addresses of tenant networks",
    )
    .later(),
    row(
        "expose_ipv6_gua_tenant_networks",
        Some("false"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.expose_ipv6_gua_tenant_networks
        }),
        "expose global IPv6 addresses of tenant networks",
    )
    .later(),
    row(
        "advertisement_method_tenant_networks",
        Some("host"),
        &At(Word::new(), |d: &mut Draft| {
            &mut d.config.agent.advertisement_method_tenant_networks
        }),
        "one route per port or per subnet of a tenant network",
    )
    .later(),
    row(
        "require_snat_disabled_for_tenant_networks",
        Some("false"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.require_snat_disabled_for_tenant_networks
        }),
        "leave out tenant subnets behind SNAT",
    )
    .later(),
    row(
        "address_scopes",
        None,
        &At(List(Text), |d: &mut Draft| {
            &mut d.config.agent.address_scopes
        }),
        "expose tenant networks of these address scopes only",
    )
    .later(),
    row(
        "delete_vrf_on_disconnect",
        Some("true"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.delete_vrf_on_disconnect
        }),
        "exposing_method vrf: remove a VRF with its last route",
    )
    .later(),
    row(
        "evpn_local_ip",
        None,
        &At(Ip, |d: &mut Draft| &mut d.config.agent.evpn_local_ip),
        "EVPN: source address of the VTEP",
    )
    .later(),
    row(
        "evpn_nic",
        None,
        &At(Device, |d: &mut Draft| &mut d.config.agent.evpn_nic),
        "EVPN: device whose first address is the VTEP's",
    )
    .later(),
    row(
        "evpn_udp_dstport",
        Some("4789"),
        &At(Port(0), |d: &mut Draft| {
            &mut d.config.agent.evpn_udp_dstport
        }),
        "EVPN: UDP destination port of VXLAN",
    )
    .later(),
    row(
        "frr_reconcile_interval",
        Some("15"),
        &At(Seconds(1, DAY), |d: &mut Draft| {
            &mut d.config.agent.frr_reconcile_interval
        }),
        "bgp_backend frr: between two checks of its configuration",
    )
    .later(),
    row(
        "debug",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.debug),
        "log at DEBUG instead of INFO",
    ),
    row(
        "log_file",
        None,
        &At(FilePath, |d: &mut Draft| &mut d.config.logging.log_file),
        "log to this file, relative to log_dir",
    ),
    row(
        "log_dir",
        None,
        &At(FilePath, |d: &mut Draft| &mut d.config.logging.log_dir),
        "directory of log_file; alone, of ovn-bgp-agent.log",
    ),
    row(
        "watch_log_file",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.watch_log_file),
        "open the log file anew when it was moved away",
    ),
    row(
        "use_stderr",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.use_stderr),
        "log to stderr as well when the log goes elsewhere",
    ),
    row(
        "use_json",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.use_json),
        "one JSON object per log line",
    ),
    row(
        "use_journal",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.use_journal),
        "log to systemd-journald",
    ),
    row(
        "use_syslog",
        Some("false"),
        &At(Flag, |d: &mut Draft| &mut d.config.logging.use_syslog),
        "log to /dev/log",
    ),
    row(
        "syslog_log_facility",
        Some("LOG_USER"),
        &At(Text, |d: &mut Draft| {
            &mut d.config.logging.syslog_log_facility
        }),
        "facility of use_syslog",
    ),
    row(
        "default_log_levels",
        None,
        &At(List(Text), |d: &mut Draft| {
            &mut d.config.logging.default_log_levels
        }),
        "levels by module, as module=DEBUG; names of Python modules match nothing",
    ),
    unneeded(
        "graceful_shutdown_timeout",
        Some("60"),
        "the agent stops at once and leaves what it wired",
    ),
    unneeded(
        "log_options",
        Some("true"),
        "'check' prints the configuration's problems",
    ),
    unneeded(
        "backdoor_port",
        None,
        "there is no Python interpreter to open",
    ),
    unneeded(
        "backdoor_socket",
        None,
        "there is no Python interpreter to open",
    ),
    unneeded(
        "log_config_append",
        None,
        "Python's logging configuration means nothing here",
    ),
    unneeded("log_date_format", Some("%Y-%m-%d %H:%M:%S"), FORMAT),
    unneeded("log_color", Some("false"), FORMAT),
    unneeded("logging_context_format_string", None, FORMAT),
    unneeded("logging_default_format_string", None, FORMAT),
    unneeded("logging_debug_format_suffix", None, FORMAT),
    unneeded("logging_exception_prefix", None, FORMAT),
    unneeded("logging_user_identity_format", None, FORMAT),
    unneeded("instance_format", None, FORMAT),
    unneeded("instance_uuid_format", None, FORMAT),
    unneeded("publish_errors", Some("false"), "there is no message bus"),
    unneeded("fatal_deprecations", Some("false"), "nothing is deprecated"),
    unneeded("log_rotate_interval", Some("1"), ROTATE),
    unneeded("log_rotate_interval_type", Some("days"), ROTATE),
    unneeded("log_rotation_type", Some("none"), ROTATE),
    unneeded("max_logfile_count", Some("30"), ROTATE),
    unneeded("max_logfile_size_mb", Some("200"), ROTATE),
    unneeded("rate_limit_interval", Some("0"), RATE),
    unneeded("rate_limit_burst", Some("0"), RATE),
    unneeded("rate_limit_except_level", Some("CRITICAL"), RATE),
];

const OVN: &[Row<Draft>] = &[
    row(
        "ovn_nb_connection",
        None,
        &At(Remotes, |d: &mut Draft| {
            &mut d.config.ovn.northbound.connection
        }),
        "the OVN Northbound database; unset takes external_ids:ovn-nb-remote of the local Open_vSwitch",
    ),
    row(
        "ovn_nb_private_key",
        Some("/etc/pki/tls/private/ovn_bgp_agent.key"),
        &At(FilePath, |d: &mut Draft| {
            &mut d.config.ovn.northbound.tls.private_key
        }),
        "TLS key (PEM) for ssl: remotes",
    ),
    row(
        "ovn_nb_certificate",
        Some("/etc/pki/tls/certs/ovn_bgp_agent.crt"),
        &At(FilePath, |d: &mut Draft| {
            &mut d.config.ovn.northbound.tls.certificate
        }),
        "TLS certificate (PEM) for ssl: remotes",
    ),
    row(
        "ovn_nb_ca_cert",
        Some("/etc/ipa/ca.crt"),
        &At(FilePath, |d: &mut Draft| {
            &mut d.config.ovn.northbound.tls.ca_cert
        }),
        "CA certificates (PEM) that sign the servers'",
    ),
    row(
        "ovn_sb_connection",
        None,
        &At(Remotes, |d: &mut Draft| {
            &mut d.config.ovn.southbound.connection
        }),
        "the OVN Southbound database; unset takes external_ids:ovn-remote of the local Open_vSwitch",
    ),
    row(
        "ovn_sb_private_key",
        Some("/etc/pki/tls/private/ovn_bgp_agent.key"),
        &At(FilePath, |d: &mut Draft| {
            &mut d.config.ovn.southbound.tls.private_key
        }),
        "TLS key (PEM) for ssl: remotes",
    ),
    row(
        "ovn_sb_certificate",
        Some("/etc/pki/tls/certs/ovn_bgp_agent.crt"),
        &At(FilePath, |d: &mut Draft| {
            &mut d.config.ovn.southbound.tls.certificate
        }),
        "TLS certificate (PEM) for ssl: remotes",
    ),
    row(
        "ovn_sb_ca_cert",
        Some("/etc/ipa/ca.crt"),
        &At(FilePath, |d: &mut Draft| {
            &mut d.config.ovn.southbound.tls.ca_cert
        }),
        "CA certificates (PEM) that sign the servers'",
    ),
];

const BGP: &[Row<Draft>] = &[
    row(
        "as",
        None,
        &At(AsNumber, |d: &mut Draft| &mut d.bgp_as),
        "our AS number; unset takes [DEFAULT] bgp_AS",
    ),
    row(
        "router_id",
        None,
        &At(RouterId, |d: &mut Draft| &mut d.bgp_router_id),
        "our router-id; unset takes [DEFAULT] bgp_router_id, else the highest IPv4 address of lo (127.0.0.0/8 apart), else of any device",
    ),
    row(
        "listen",
        Some("0.0.0.0, ::"),
        &At(List(Ip), |d: &mut Draft| &mut d.config.bgp.listen),
        "local addresses that accept sessions; empty accepts none",
    ),
    row(
        "port",
        Some("179"),
        &At(Port(1), |d: &mut Draft| &mut d.config.bgp.port),
        "TCP port of the listeners",
    ),
    row(
        "hold_time",
        Some("90"),
        &At(HoldTime, |d: &mut Draft| &mut d.config.bgp.hold_time),
        "proposed hold time; a silent neighbour is lost after it",
    ),
    row(
        "keepalive_time",
        None,
        &At(Seconds(1, 21845), |d: &mut Draft| {
            &mut d.config.bgp.keepalive_time
        }),
        "between two KEEPALIVEs; unset is a third of the negotiated hold time",
    ),
    row(
        "connect_retry_time",
        Some("5"),
        &At(Seconds(1, 3600), |d: &mut Draft| {
            &mut d.config.bgp.connect_retry_time
        }),
        "between two attempts to connect",
    ),
    row(
        "graceful_restart",
        Some("true"),
        &At(Flag, |d: &mut Draft| &mut d.config.bgp.graceful_restart),
        "ask neighbours to keep forwarding while the agent restarts (RFC 4724)",
    ),
    row(
        "graceful_restart_time",
        Some("120"),
        &At(Seconds(1, 4095), |d: &mut Draft| {
            &mut d.config.bgp.graceful_restart_time
        }),
        "how long they wait for its return",
    ),
    row(
        "next_hop_ipv4",
        None,
        &At(V4, |d: &mut Draft| &mut d.config.bgp.next_hop_ipv4),
        "next hop of IPv4 routes; unset is the session's own address",
    ),
    row(
        "next_hop_ipv6",
        None,
        &At(V6, |d: &mut Draft| &mut d.config.bgp.next_hop_ipv6),
        "next hop of IPv6 routes; unset is the session's own address",
    ),
];

/// `[bgp_neighbor NAME]`.
pub(super) const NEIGHBOUR: &[Row<NeighbourDraft>] = &[
    row(
        "address",
        None,
        &At(Ip, |n: &mut NeighbourDraft| &mut n.address),
        "address of the neighbour; unset takes NAME when that is an address",
    ),
    row(
        "remote_as",
        Some("auto"),
        &At(PeerAs, |n: &mut NeighbourDraft| &mut n.remote_as),
        "AS number of the neighbour: internal is ours, external any other, auto whatever it says",
    ),
    row(
        "local_as",
        None,
        &At(AsNumber, |n: &mut NeighbourDraft| &mut n.local_as),
        "AS number shown to it; unset is ours",
    ),
    row(
        "password",
        None,
        &At(Password, |n: &mut NeighbourDraft| &mut n.password),
        "TCP-MD5 key (RFC 2385); no comment may follow it and '$' is an ordinary character",
    ),
    row(
        "port",
        Some("179"),
        &At(Port(1), |n: &mut NeighbourDraft| &mut n.port),
        "TCP port it listens on",
    ),
    row(
        "passive",
        Some("false"),
        &At(Flag, |n: &mut NeighbourDraft| &mut n.passive),
        "wait for it to connect",
    ),
    row(
        "update_source",
        None,
        &At(Source, |n: &mut NeighbourDraft| &mut n.update_source),
        "local address, or device, of the session",
    ),
    row(
        "hold_time",
        None,
        &At(HoldTime, |n: &mut NeighbourDraft| &mut n.hold_time),
        "as in [bgp], whose value it takes when unset",
    ),
    row(
        "keepalive_time",
        None,
        &At(Seconds(1, 21845), |n: &mut NeighbourDraft| {
            &mut n.keepalive_time
        }),
        "as in [bgp]",
    ),
    row(
        "connect_retry_time",
        None,
        &At(Seconds(1, 3600), |n: &mut NeighbourDraft| {
            &mut n.connect_retry_time
        }),
        "as in [bgp]",
    ),
    row(
        "multihop",
        None,
        &At(Number(1, 255), |n: &mut NeighbourDraft| &mut n.multihop),
        "most hops to an eBGP neighbour; unset is 1",
    ),
    row(
        "ttl_security",
        None,
        &At(Number(1, 254), |n: &mut NeighbourDraft| &mut n.ttl_security),
        "drop what comes from further away than so many hops (GTSM, RFC 5082)",
    ),
    row(
        "families",
        Some("ipv4-unicast, ipv6-unicast"),
        &At(FamilyList, |n: &mut NeighbourDraft| &mut n.families),
        "address families offered",
    ),
    row(
        "description",
        Some(""),
        &At(Text, |n: &mut NeighbourDraft| &mut n.description),
        "for people",
    ),
    row(
        "next_hop_ipv4",
        None,
        &At(V4, |n: &mut NeighbourDraft| &mut n.next_hop_ipv4),
        "as in [bgp]",
    ),
    row(
        "next_hop_ipv6",
        None,
        &At(V6, |n: &mut NeighbourDraft| &mut n.next_hop_ipv6),
        "as in [bgp]",
    ),
    row(
        "only_host_prefixes",
        Some("true"),
        &At(Flag, |n: &mut NeighbourDraft| &mut n.only_host_prefixes),
        "nothing but /32 and /128 leaves",
    ),
];

const LOCAL_OVN_CLUSTER: &[Row<Draft>] = &[
    row(
        "ovn_nb_connection",
        Some("unix:/var/run/ovn/ovnnb_db.sock"),
        &At(Remotes, |d: &mut Draft| {
            &mut d.config.agent.local_ovn_cluster.ovn_nb_connection
        }),
        "Northbound database of the second cluster",
    )
    .later(),
    row(
        "external_nics",
        None,
        &At(List(Text), |d: &mut Draft| {
            &mut d.config.agent.local_ovn_cluster.external_nics
        }),
        "OVS ports on the fabric bridges",
    )
    .later(),
    row(
        "peer_ips",
        None,
        &At(List(Ip), |d: &mut Draft| {
            &mut d.config.agent.local_ovn_cluster.peer_ips
        }),
        "ECMP next hops",
    )
    .later(),
    row(
        "provider_networks_pool_prefixes",
        Some("192.168.0.0/16"),
        &At(List(Prefix), |d: &mut Draft| {
            &mut d
                .config
                .agent
                .local_ovn_cluster
                .provider_networks_pool_prefixes
        }),
        "prefixes steered into the second cluster",
    )
    .later(),
    row(
        "bgp_chassis_id",
        Some("bgp"),
        &At(Text, |d: &mut Draft| {
            &mut d.config.agent.local_ovn_cluster.bgp_chassis_id
        }),
        "suffix of ovn-bridge-mappings and gateway chassis of the second cluster",
    )
    .later(),
];

const AGENT: &[Row<Draft>] = &[
    unneeded("root_helper", Some("sudo"), FORKS),
    unneeded("root_helper_daemon", None, FORKS),
];

const PRIVSEP: &[Row<Draft>] = &[
    unneeded("user", None, FORKS),
    unneeded("group", None, FORKS),
    unneeded("capabilities", None, FORKS),
    unneeded("thread_pool_size", None, FORKS),
    unneeded("helper_command", None, FORKS),
    unneeded("logger_name", None, FORKS),
    unneeded("log_daemon_traceback", None, FORKS),
];

const FORKS: &str = "the agent forks nothing, so it needs no helper";
const FORMAT: &str = "the log's format is fixed";
const ROTATE: &str = "rotate with logrotate and watch_log_file";
const RATE: &str = "the log is not rate-limited";

/// A row that is accepted and does nothing.
const fn unneeded(
    name: &'static str,
    default: Option<&'static str>,
    why: &'static str,
) -> Row<Draft> {
    Row {
        name,
        default,
        field: &At(Text, |d: &mut Draft| &mut d.unneeded),
        effect: Effect::Unneeded(why),
        meaning: "accepted, without effect",
    }
}
