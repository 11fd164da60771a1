//! The option table: every section and option, its default, its constraint, its meaning. Parsing,
//! `check` and the tables of docs/configuration.md all come from here.

mod bgp;
mod evpn;
mod log;
mod section;
mod session;

use std::net::Ipv4Addr;

pub(super) use bgp::{
    LISTEN, ListenDraft, NEIGHBOUR, NeighbourDraft, POLICY, PREFIX_LIST, PROFILE,
};
pub(super) use evpn::{EVPN_VNI, EvpnVniDraft, VNI};
pub(super) use section::{BGP_SECTION, Named, option, options};
pub(super) use session::{SESSION, SessionDraft};

use super::Config;
use super::choice::Prefixes;
use super::kind::*;
use super::table::{At, Effect, Row, Section, row};

/// The configuration while it is read: with what becomes a field only when all is known.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) config: Config,
    /// `[DEFAULT] bgp_AS` and `[bgp] as`.
    pub(super) default_as: u32,
    pub(super) bgp_as: Option<u32>,
    pub(super) default_router_id: Option<Ipv4Addr>,
    pub(super) bgp_router_id: Option<Ipv4Addr>,
    pub(super) fib_import: Option<Prefixes>,
    pub(super) router_import: Option<Prefixes>,
    /// Where options without effect go.
    unneeded: (),
}

const DAY: u64 = 86_400;

/// Sections of which there is one.
pub(super) static SECTIONS: &[Section<Draft>] = &[
    Section {
        names: &["DEFAULT"],
        options: DEFAULT,
    },
    Section {
        names: &["DEFAULT"],
        options: log::LOG,
    },
    Section {
        names: &["ovn"],
        options: OVN,
    },
    Section {
        names: &["bgp"],
        options: bgp::BGP,
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

const DEFAULT: &[Row<Draft>] = &[
    row(
        "driver",
        Some("ovn_bgp_driver"),
        &At(Word::new(), |d: &mut Draft| &mut d.config.agent.driver),
        "which OVN database decides, and how",
    ),
    row(
        "exposing_method",
        Some("underlay"),
        &At(Word::new(), |d: &mut Draft| {
            &mut d.config.agent.exposing_method
        }),
        "how the node is wired: underlay for every driver; vrf, l2vni and dynamic put the provider networks of nb_ovn_bgp_driver into VNIs; this version lacks ovn",
    ),
    row(
        "bgp_backend",
        Some("embedded"),
        &At(Word::new(), |d: &mut Draft| &mut d.config.agent.bgp_backend),
        "who carries the BGP sessions (new): the speaker in this process, an FRR on this node that takes addresses and routes from bgp_vrf, or an FRR on this node that the speaker feeds over a session of theirs",
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
        "time for a connection attempt (10 s at most), a transaction, and how long plan waits for a database that it does not reach (15 s at most)",
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
        "bgp_backend frr: the dummy device whose addresses and routes FRR advertises; other backends remove it",
    ),
    row(
        "bgp_vrf",
        Some("bgp-vrf"),
        &At(Device, |d: &mut Draft| &mut d.config.agent.bgp_vrf),
        "bgp_backend frr: the VRF device that FRR leaks from; other backends remove it",
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
        "remove at start the IPv4 and IPv6 routes of table bgp_vrf_table_id, but those of protocol bgp (186) and of scope host",
    ),
    row(
        "expose_tenant_networks",
        Some("false"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.expose_tenant_networks
        }),
        "expose addresses of tenant networks, on the chassis of their router's gateway",
    ),
    row(
        "expose_ipv6_gua_tenant_networks",
        Some("false"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.expose_ipv6_gua_tenant_networks
        }),
        "expose global IPv6 addresses of tenant networks",
    ),
    row(
        "advertisement_method_tenant_networks",
        Some("host"),
        &At(Word::new(), |d: &mut Draft| {
            &mut d.config.agent.advertisement_method_tenant_networks
        }),
        "one route per port or per subnet of a tenant network",
    ),
    row(
        "require_snat_disabled_for_tenant_networks",
        Some("false"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.require_snat_disabled_for_tenant_networks
        }),
        "leave out what of tenant networks is behind SNAT; nb_ovn_bgp_driver only",
    ),
    row(
        "address_scopes",
        None,
        &At(List(Text), |d: &mut Draft| {
            &mut d.config.agent.address_scopes
        }),
        "expose tenant networks of these address scopes only",
    ),
    row(
        "exposure_policy_file",
        None,
        &At(FilePath, |d: &mut Draft| {
            &mut d.config.agent.exposure_policy_file
        }),
        "what is said of single routes, by network, project, prefix or port (docs/policy.md; new)",
    ),
    row(
        "delete_vrf_on_disconnect",
        Some("true"),
        &At(Flag, |d: &mut Draft| {
            &mut d.config.agent.delete_vrf_on_disconnect
        }),
        "EVPN: remove a VRF with the last of its tenant's prefixes here",
    ),
    row(
        "evpn_local_ip",
        None,
        &At(Ip, |d: &mut Draft| &mut d.config.agent.evpn_local_ip),
        "EVPN: where this node's tunnels end (ovn_evpn_driver and ovn_native: else the first address of evpn_nic, else the first /32 of lo)",
    ),
    row(
        "evpn_nic",
        None,
        &At(Device, |d: &mut Draft| &mut d.config.agent.evpn_nic),
        "ovn_evpn_driver and ovn_native: device whose first address is the VTEP's",
    ),
    row(
        "evpn_udp_dstport",
        Some("4789"),
        &At(Port(0), |d: &mut Draft| {
            &mut d.config.agent.evpn_udp_dstport
        }),
        "EVPN: UDP destination port of VXLAN",
    ),
    row(
        "frr_reconcile_interval",
        Some("15"),
        &At(Seconds(1, DAY), |d: &mut Draft| {
            &mut d.config.agent.frr_reconcile_interval
        }),
        "between two checks of FRR's configuration; its restart is noticed at once",
    ),
    row(
        "frr_peer_as",
        Some("4200000000"),
        &At(AsNumber, |d: &mut Draft| &mut d.config.agent.frr_peer_as),
        "bgp_backend frr-peer: our AS number towards the FRR on this node, which takes it out of paths again (new)",
    ),
    row(
        "frr_vtysh",
        Some("/usr/bin/vtysh"),
        &At(FilePath, |d: &mut Draft| &mut d.config.agent.frr_vtysh),
        "the program that talks to FRR (new)",
    ),
    row(
        "frr_vty_socket",
        Some("/run/frr/"),
        &At(FilePath, |d: &mut Draft| &mut d.config.agent.frr_vty_socket),
        "the directory with the sockets of FRR's daemons (new)",
    ),
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
