//! Adverts in the speaker's words. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp::evpn::{LocalHost, Vni};
use bgp::wire::evpn::Mac;
use bgp::{Route, RouteAttributes};
use ipnet::IpNet;

use crate::mac::MacAddr;
use crate::reconcile::{Announcement, Destination};

/// What the speaker is told when adverts come and go.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) routes: Vec<Route>,
    pub(super) withdrawn: Vec<IpNet>,
    pub(super) tenants: BTreeMap<Vni, Vec<Route>>,
    pub(super) tenants_withdrawn: BTreeMap<Vni, Vec<IpNet>>,
    /// Hosts of which something changed, as they are now.
    pub(super) hosts: BTreeMap<Vni, Vec<(Mac, LocalHost)>>,
    /// Hosts of which nothing is left.
    pub(super) hosts_gone: BTreeMap<Vni, Vec<Mac>>,
}

impl Told {
    /// What follows from these; `adverts` are all, as they are afterwards.
    pub(super) fn of(
        adverts: &BTreeMap<Destination, Announcement>,
        originate: &[(Destination, &Announcement)],
        withdraw: &[Destination],
    ) -> Self {
        let mut told = Self::default();
        let mut hosts = BTreeSet::new();
        for (destination, said) in originate {
            match *destination {
                Destination::Prefix(prefix) => told.routes.push(route(prefix, said, false)),
                Destination::Tenant { vni, prefix } => {
                    let routes = told.tenants.entry(vni).or_default();
                    routes.push(route(prefix, said, true));
                }
                Destination::Host { vni, mac, .. } => drop(hosts.insert((vni, mac))),
            }
        }
        for destination in withdraw {
            match *destination {
                Destination::Prefix(prefix) => told.withdrawn.push(prefix),
                Destination::Tenant { vni, prefix } => {
                    let withdrawn = told.tenants_withdrawn.entry(vni);
                    withdrawn.or_default().push(prefix);
                }
                Destination::Host { vni, mac, .. } => drop(hosts.insert((vni, mac))),
            }
        }
        for (vni, mac) in hosts {
            match host(adverts, vni, mac) {
                Some(host) => told.hosts.entry(vni).or_default().push((Mac(mac.0), host)),
                None => told.hosts_gone.entry(vni).or_default().push(Mac(mac.0)),
            }
        }
        told
    }
}

/// A host with every address that is advertised of it; `None` when nothing is.
fn host(
    adverts: &BTreeMap<Destination, Announcement>,
    vni: Vni,
    mac: MacAddr,
) -> Option<LocalHost> {
    let first = Destination::Host {
        vni,
        mac,
        address: None,
    };
    let of_host = |destination: &Destination| match *destination {
        Destination::Host {
            vni: of,
            mac: at,
            address,
        } if (of, at) == (vni, mac) => Some(address),
        _ => None,
    };
    let mut all = adverts
        .range(first..)
        .map_while(|(destination, _)| of_host(destination))
        .peekable();
    all.peek()?;
    Some(LocalHost {
        addresses: all.flatten().collect(),
        ..LocalHost::default()
    })
}

/// What the speaker originates for an advert. A tenant's prefixes are wanted whatever their length.
fn route(prefix: IpNet, announcement: &Announcement, of_tenant: bool) -> Route {
    let as_network = !of_tenant && !bgp::is_host_prefix(&prefix);
    if !as_network && *announcement == Announcement::default() {
        // One copy for all of these.
        return Route::new(prefix);
    }
    let attributes = &announcement.attributes;
    let communities = attributes
        .communities
        .as_deref()
        .cloned()
        .unwrap_or_default();
    Route {
        prefix,
        attributes: Arc::new(RouteAttributes {
            next_hop: announcement.next_hop,
            communities: communities.standard,
            extended_communities: communities.extended,
            large_communities: communities.large,
            local_pref: attributes.local_pref,
            med: attributes.med,
            // Tenant subnets and stretched networks are exposed on purpose.
            as_network,
            ..RouteAttributes::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(last: u8, address: Option<&str>) -> Destination {
        Destination::Host {
            vni: 7,
            mac: MacAddr([2, 0, 0, 0, 0, last]),
            address: address.map(|text| text.parse().unwrap()),
        }
    }

    fn all(destinations: &[Destination]) -> BTreeMap<Destination, Announcement> {
        let one = |destination: &Destination| (*destination, Announcement::default());
        destinations.iter().map(one).collect()
    }

    #[test]
    fn a_host_is_told_with_every_address_that_it_has() {
        let (v4, v6) = (
            host_of(1, Some("10.0.0.5")),
            host_of(1, Some("2001:db8::5")),
        );
        let adverts = all(&[v4, v6, host_of(2, None)]);
        let told = Told::of(&adverts, &[(v6, &Announcement::default())], &[]);
        let [(mac, host)] = told.hosts[&7].as_slice() else {
            panic!("{told:?}");
        };
        assert_eq!(mac.0, [2, 0, 0, 0, 0, 1]);
        assert_eq!(host.addresses.len(), 2);
        assert!(told.hosts_gone.is_empty());
    }

    #[test]
    fn a_host_goes_with_the_last_of_its_addresses() {
        let (v4, v6) = (
            host_of(1, Some("10.0.0.5")),
            host_of(1, Some("2001:db8::5")),
        );
        let told = Told::of(&all(&[v6, host_of(2, None)]), &[], &[v4]);
        assert_eq!(told.hosts[&7].len(), 1);
        let told = Told::of(&all(&[host_of(2, None)]), &[], &[v6]);
        assert_eq!(told.hosts_gone[&7], [Mac([2, 0, 0, 0, 0, 1])]);
        assert!(told.hosts.is_empty());
    }

    #[test]
    fn a_host_without_an_address_is_told_by_its_mac_address() {
        let alone = host_of(2, None);
        let told = Told::of(&all(&[alone]), &[(alone, &Announcement::default())], &[]);
        assert!(told.hosts[&7][0].1.addresses.is_empty());
    }

    #[test]
    fn the_same_prefix_is_told_apart_by_its_table() {
        let prefix: IpNet = "10.0.0.5/32".parse().unwrap();
        let (own, tenant) = (
            Destination::Prefix(prefix),
            Destination::Tenant { vni: 7, prefix },
        );
        let said = Announcement::default();
        let told = Told::of(&BTreeMap::new(), &[(own, &said)], &[tenant]);
        assert_eq!(told.routes.len(), 1);
        assert!(told.withdrawn.is_empty());
        assert_eq!(told.tenants_withdrawn[&7], [prefix]);
    }
}
