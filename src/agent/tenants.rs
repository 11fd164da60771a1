//! EVPN's tenants: where this node's tunnels end, and who is told of their tables besides the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::{Import, Instance, Vni};
use ipnet::IpNet;
use nix::ifaddrs::InterfaceAddress;

use super::Agent;
use super::core::Told;
use crate::advertise::frr;
use crate::advertise::{Embedded, Source};
use crate::config::{self, Backend, Driver};
use crate::ports;
use crate::reconcile::Domain;
use crate::router_advertisement::{Advertisement, Assignment};
use crate::wiring::{AdvertisedRouter, Tenancy};

impl Agent {
    /// Looks for the address of the VTEP, where tenants have tables and it is not known yet. Without one nothing of a
    /// tenant is wired; all else works (b105).
    pub(super) fn find_vtep(&mut self) {
        let agent = &self.config.agent;
        if !agent.has_tenant_tables() {
            return;
        }
        let addresses = own_addresses();
        let pairs = addresses
            .iter()
            .map(|(device, net)| (device.as_str(), *net));
        let vtep = match config::vtep(agent, pairs) {
            Ok(vtep) => Some(vtep),
            Err(error) => {
                if !self.no_vtep_said {
                    tracing::error!("nothing is exposed in a VNI: {error}");
                }
                self.no_vtep_said = true;
                // A device that is away for a moment takes no tunnel down.
                self.core.vtep()
            }
        };
        self.core.set_tenancy(Tenancy {
            vtep,
            udp_port: agent.evpn_udp_dstport,
            asn: self.config.bgp.asn,
            router_id: self.config.bgp.router_id,
            delete_vrf_on_disconnect: agent.delete_vrf_on_disconnect,
            ..Tenancy::default()
        });
    }

    /// Takes in the ports of Open vSwitch's bridges, once these or the kernel's interfaces may have changed.
    pub(super) fn observe_ports(&mut self) {
        let (false, Some(scope)) = (self.ports_are_seen, self.core.tenant_scope()) else {
            return;
        };
        self.ports_are_seen = true;
        let kernel = &self.inputs.kernel;
        let in_our_vrf = |name: &str| kernel.is_tenant_member(name);
        let objects = ports::objects(self.core.vswitch(), scope, in_our_vrf);
        let reconciler = self.core.reconciler_mut();
        reconciler.observe_all(&Domain::Ports, objects);
    }

    /// Tells whoever carries BGP which tables there are, and the hosts of provider networks which routers.
    pub(super) fn tell_tenants(&mut self, speaker: &Embedded) {
        let Some(told) = self.core.take_tenants() else {
            return;
        };
        let Told { instances, routers } = told;
        let advertisements: BTreeMap<_, _> = routers
            .into_iter()
            .map(|(device, router)| (device, advertisement(router)))
            .collect();
        if self.config.agent.bgp_backend == Backend::Frr {
            self.frr_tenants = self.config.agent.has_tenant_tables().then(|| {
                Arc::new(frr::Tenants {
                    asn: self.config.bgp.asn,
                    tenants: self.hosted_by_frr(&instances),
                    advertisements,
                })
            });
            self.change_frr();
        } else {
            self.routers.set(advertisements);
        }
        let tenants = speaker.tenants();
        tenants.set_instances(Source::Ovn, instances);
    }

    /// FRR has what is in the tenants' VRFs.
    fn hosted_by_frr(&self, instances: &BTreeMap<Vni, Instance>) -> BTreeMap<Vni, frr::Tenant> {
        let wiring = self.core.wiring();
        let hosted = |(vni, instance): (&Vni, &Instance)| {
            let tenant = wiring.tenant(*vni)?;
            instance.router_mac()?;
            let hosted = frr::Tenant {
                asn: tenant.asn.unwrap_or(self.config.bgp.asn),
                rd: Some(instance.rd),
                import: instance.import.iter().filter_map(explicit).collect(),
                // None is what FRR derives, which is the same.
                export: tenant.export.clone(),
                redistribute: redistributed(self.config.agent.driver),
            };
            Some((*vni, hosted))
        };
        instances.iter().filter_map(hosted).collect()
    }
}

fn explicit(import: &Import) -> Option<bgp::wire::evpn::RouteTarget> {
    match import {
        Import::Target(target) => Some(*target),
        Import::Derived(_) => None,
    }
}

/// Hosts behind gateways are routes of ours (`kernel`), and so is what else there is but addresses of the node itself.
fn redistributed(driver: Driver) -> frr::Redistribute {
    frr::Redistribute {
        connected: driver != Driver::Evpn,
        kernel: true,
    }
}

fn advertisement(router: AdvertisedRouter) -> Advertisement {
    let prefixes = router.advertisements.iter().map(|said| {
        let assignment = match said.autonomous {
            true => Assignment::Autonomous,
            false => Assignment::Dhcp,
        };
        (said.prefix, assignment)
    });
    let mut seen = BTreeSet::new();
    let servers = router
        .advertisements
        .iter()
        .flat_map(|said| &said.dns_servers);
    Advertisement {
        source: router.source,
        prefixes: prefixes.collect(),
        dns_servers: servers
            .copied()
            .filter(|server| seen.insert(*server))
            .collect(),
    }
}

/// The node's addresses by device, in the kernel's order.
fn own_addresses() -> Vec<(String, IpNet)> {
    let all = match nix::ifaddrs::getifaddrs() {
        Ok(all) => all,
        Err(error) => {
            tracing::warn!(%error, "the node's addresses cannot be read");
            return Vec::new();
        }
    };
    all.filter_map(|address| Some((address.interface_name.clone(), network(&address)?)))
        .collect()
}

fn network(address: &InterfaceAddress) -> Option<IpNet> {
    let (own, mask) = (address.address.as_ref()?, address.netmask.as_ref()?);
    if let (Some(own), Some(mask)) = (own.as_sockaddr_in(), mask.as_sockaddr_in()) {
        return IpNet::with_netmask(IpAddr::V4(own.ip()), IpAddr::V4(mask.ip())).ok();
    }
    let (own, mask) = (own.as_sockaddr_in6()?, mask.as_sockaddr_in6()?);
    IpNet::with_netmask(IpAddr::V6(own.ip()), IpAddr::V6(mask.ip())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::RouterAdvertisement;

    #[test]
    fn the_nodes_addresses_have_their_prefix_lengths() {
        let found = own_addresses();
        let loopback: IpNet = "127.0.0.1/8".parse().unwrap();
        assert!(found.contains(&("lo".to_owned(), loopback)), "{found:?}");
    }

    #[test]
    fn b120_hosts_are_told_every_prefix_and_each_server_once() {
        let said = |prefix: &str, autonomous| RouterAdvertisement {
            prefix: prefix.parse().unwrap(),
            autonomous,
            dns_servers: vec!["2001:db8::53".parse().unwrap()],
        };
        let advertisement = advertisement(AdvertisedRouter {
            source: None,
            advertisements: vec![
                said("2001:db8:1::/64", false),
                said("2001:db8:2::/64", true),
            ],
        });
        assert_eq!(advertisement.dns_servers.len(), 1);
        let assigned: Vec<_> = advertisement.prefixes.into_values().collect();
        assert!(matches!(
            assigned.as_slice(),
            [Assignment::Dhcp, Assignment::Autonomous]
        ));
    }
}
