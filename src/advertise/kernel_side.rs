//! From the configuration's words to what keeps the kernel's routes, and to tenants' tables.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bgp::evpn::{Instance, Vni};
use bgp::{PrefixList, Route};

use super::{Source, TenantOrigination};
use crate::config::{Bgp, Config, ConnectedAs, EvpnVni};
use crate::fib::{Settings, connected};

/// The learned routes that are installed and the connected ones that are originated.
pub(super) fn fib_settings(bgp: &Bgp) -> Settings {
    let fib = &bgp.fib;
    Settings {
        import: imported(bgp),
        table: fib.table,
        metric: fib.metric,
        source_v4: fib.preferred_source_ipv4,
        source_v6: fib.preferred_source_ipv6,
        resolve_via_default: fib.resolve_via_default,
        connected: connected(bgp),
        router_import: fib
            .router_import
            .as_deref()
            .map_or_else(PrefixList::everything, PrefixList::clone),
        ..Settings::default()
    }
}

/// `[bgp] originate`.
pub(super) fn originated(bgp: &Bgp) -> impl Iterator<Item = Route> + '_ {
    bgp.originate
        .iter()
        .map(|prefix| Route::new(prefix.trunc()))
}

/// The tables of `[evpn_vni NAME]`.
pub(super) fn tenant_tables(config: &Config, router_id: Ipv4Addr) -> BTreeMap<Vni, Instance> {
    let tables = config.evpn_vnis.iter();
    let instance = |table: &EvpnVni| (table.vni, table.instance(config.bgp.asn, router_id));
    tables.map(instance).collect()
}

/// Originates in them what the configuration says, and nothing else that it said before.
pub(super) fn originate_in_tenant_tables(config: &Config, tenants: &TenantOrigination) {
    let mut wanted: BTreeMap<Vni, Vec<Route>> = BTreeMap::new();
    // Also where nothing is wanted any more.
    wanted.extend(tenants.vnis().into_iter().map(|vni| (vni, Vec::new())));
    for table in &config.evpn_vnis {
        let routes = table
            .originate
            .iter()
            .map(|prefix| Route::new(prefix.trunc()));
        wanted.entry(table.vni).or_default().extend(routes);
    }
    for (vni, routes) in wanted {
        tenants.replace(Source::Configuration, vni, routes);
    }
}

/// `None` when nothing could pass: then the kernel's routes are not even looked at.
fn imported(bgp: &Bgp) -> Option<PrefixList> {
    match &bgp.fib.import {
        Some(list) if list.rules.is_empty() => None,
        Some(list) => Some(PrefixList::clone(list)),
        None => Some(PrefixList::everything()),
    }
}

fn connected(bgp: &Bgp) -> connected::Settings {
    let as_prefixes = bgp.redistribute_as == ConnectedAs::Prefixes;
    connected::Settings {
        interfaces: bgp.redistribute_connected.clone(),
        hosts: !as_prefixes,
        subnets: as_prefixes,
        ..connected::Settings::default()
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::config::{Input, Loaded};

    fn settings(text: &str) -> Settings {
        let loaded = Loaded::read(&Input {
            files: vec![("a.conf".into(), format!("[bgp]\n{text}"))],
            ..Input::default()
        });
        fib_settings(&loaded.config.bgp)
    }

    #[test]
    fn the_defaults_install_default_routes_and_originate_no_address() {
        let ours = settings("");
        let expected = Settings {
            connected: connected::Settings {
                subnets: false,
                ..connected::Settings::none()
            },
            ..Settings::default()
        };
        assert_eq!(ours, expected);
    }

    #[test]
    fn everything_nothing_and_what_frr_redistributes() {
        let all = settings("fib_import = any\n").import.unwrap();
        assert!(all.permits(&"10.1.0.0/16".parse().unwrap()));
        assert!(all.permits(&"2001:db8::1/128".parse().unwrap()));
        assert_eq!(settings("fib_import = none\n").import, None);
        let routers = settings("router_import = default-only\n").router_import;
        assert_eq!(routers, PrefixList::default_routes());
        let as_frr = settings("redistribute_connected = lo, eth*\nredistribute_as = prefixes\n");
        assert_eq!(as_frr.connected.interfaces, ["lo", "eth*"]);
        assert!(as_frr.connected.subnets && !as_frr.connected.hosts);
    }
}
