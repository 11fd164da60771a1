//! Options that are no neighbour's: which of them differ, and which of these count at once.

use super::report::OptionReload;
use crate::config::{Agent, Bgp, Config, EvpnVni, ListenRange, Logging, Ovn};

/// Every option that differs.
pub(super) fn differences(old: &Config, new: &Config) -> Vec<OptionReload> {
    let mut all = agent(&old.agent, &new.agent);
    all.extend(logging(&old.logging, &new.logging));
    all.extend(ovn(&old.ovn, &new.ovn));
    all.extend(bgp(&old.bgp, &new.bgp));
    all.extend(listen_ranges(&old.listen_ranges, &new.listen_ranges));
    all.extend(evpn_vnis(&old.evpn_vnis, &new.evpn_vnis));
    all
}

/// Ranges that come, go or differ: their neighbours follow at once.
fn listen_ranges(old: &[ListenRange], new: &[ListenRange]) -> Vec<OptionReload> {
    let in_both = |range: &&ListenRange| old.contains(range) && new.contains(range);
    let differing = old.iter().chain(new).filter(|range| !in_both(range));
    let mut names: Vec<_> = differing.map(|range| range.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let option = |name: &str| OptionReload {
        option: format!("[bgp_listen {name}]"),
        needs_restart: false,
    };
    names.into_iter().map(option).collect()
}

/// Tenants' tables that come, go or differ: they do at once.
fn evpn_vnis(old: &[EvpnVni], new: &[EvpnVni]) -> Vec<OptionReload> {
    let in_both = |table: &&EvpnVni| old.contains(table) && new.contains(table);
    let differing = old.iter().chain(new).filter(|table| !in_both(table));
    let mut names: Vec<_> = differing.map(|table| table.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let option = |name: &str| OptionReload {
        option: format!("[evpn_vni {name}]"),
        needs_restart: false,
    };
    names.into_iter().map(option).collect()
}

/// The fields of a struct that differ, each taken over at once or not. The struct is taken apart, so that
/// a field that is added cannot be forgotten.
macro_rules! fields {
    ($type:ident, $section:literal, $old:expr, $new:expr;
     at_once { $($live:ident $(= $live_name:literal)?),* $(,)? }
     restart { $($still:ident $(= $still_name:literal)?),* $(,)? }
     elsewhere { $($other:ident),* $(,)? }) => {{
        let $type { $($live,)* $($still,)* $($other: _,)* } = $old;
        let mut all = Vec::new();
        $(if *$live != $new.$live {
            all.push(OptionReload { option: fields!(@name $section, $live $(, $live_name)?), needs_restart: false });
        })*
        $(if *$still != $new.$still {
            all.push(OptionReload { option: fields!(@name $section, $still $(, $still_name)?), needs_restart: true });
        })*
        all
    }};
    (@name $section:literal, $field:ident) => { format!("[{}] {}", $section, stringify!($field)) };
    (@name $section:literal, $field:ident, $name:literal) => { $name.to_owned() };
}

fn agent(old: &Agent, new: &Agent) -> Vec<OptionReload> {
    fields!(Agent, "DEFAULT", old, new;
        at_once {
            reconcile_interval,
            exposure_policy_file,
            exposure_rules = "[expose …] of exposure_policy_file",
        }
        restart {
            driver,
            exposing_method,
            bgp_backend,
            frr_reconcile_interval,
            frr_peer_as,
            frr_vtysh,
            frr_vty_socket,
            expose_tenant_networks,
            expose_ipv6_gua_tenant_networks,
            advertisement_method_tenant_networks,
            require_snat_disabled_for_tenant_networks,
            address_scopes,
            bgp_nic,
            bgp_vrf,
            bgp_vrf_table_id,
            clear_vrf_routes_on_startup,
            delete_vrf_on_disconnect,
            evpn_local_ip,
            evpn_nic,
            evpn_udp_dstport,
            control_socket,
            local_ovn_cluster = "[local_ovn_cluster]",
        }
        elsewhere {})
}

fn logging(old: &Logging, new: &Logging) -> Vec<OptionReload> {
    fields!(Logging, "DEFAULT", old, new;
        at_once { debug, default_log_levels }
        restart {
            log_file,
            log_dir,
            watch_log_file,
            use_json,
            use_journal,
            use_syslog,
            syslog_log_facility,
            use_stderr,
        }
        elsewhere {})
}

fn ovn(old: &Ovn, new: &Ovn) -> Vec<OptionReload> {
    fields!(Ovn, "ovn", old, new;
        at_once {}
        restart {
            ovsdb_connection = "[DEFAULT] ovsdb_connection",
            ovsdb_connection_timeout = "[DEFAULT] ovsdb_connection_timeout",
            northbound = "[ovn] ovn_nb_*",
            southbound = "[ovn] ovn_sb_*",
        }
        elsewhere {})
}

fn bgp(old: &Bgp, new: &Bgp) -> Vec<OptionReload> {
    fields!(Bgp, "bgp", old, new;
        at_once {
            asn = "[bgp] as",
            router_id,
            graceful_restart,
            graceful_restart_time,
            multipath = "[bgp] max_paths, multipath_relax",
            graceful_shutdown,
            originate,
            redistribute_connected,
            redistribute_as,
            fib = "[bgp] fib_*, preferred_source_*, resolve_via_default",
        }
        restart { listen, port, metrics_listen }
        // What it says shows in the rest.
        elsewhere { frr_config })
}
