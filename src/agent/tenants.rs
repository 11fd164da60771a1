//! EVPN's tenants: where this node's tunnels end, and who is told of their tables besides the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bgp::evpn::{Instance, Vni};
use ipnet::IpNet;
use nix::ifaddrs::InterfaceAddress;

use super::Agent;
use super::core::Told;
use crate::advertise::frr;
use crate::advertise::{Embedded, Source};
use crate::config::{self, Backend, Bgp, Driver};
use crate::exposure::Layer;
use crate::ports;
use crate::reconcile::Domain;
use crate::router_advertisement::Advertisement;
use crate::wiring::tenants::names;
use crate::wiring::{AdvertisedRouter, Tenancy};

/// How long hosts of a network that is no more keep the node from going on. Mostly their message is sent at once.
const LAST_WORDS: Duration = Duration::from_millis(200);

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
        let known = self.core.tenancy();
        let router_id = identifier(&self.config.bgp, known.router_id, pairs.clone());
        let vtep = match config::vtep(agent, pairs) {
            Ok(vtep) => {
                self.no_vtep_said = false;
                Some(vtep)
            }
            Err(error) => {
                // OVN's own routing needs one for routers with a VNI alone, and `explain` says so of those.
                let say = !self.no_vtep_said && agent.driver != Driver::Native;
                match known.vtep {
                    // A device that is away for a moment takes no tunnel down.
                    Some(vtep) if say => tracing::warn!("tunnels still begin at {vtep}: {error}"),
                    None if say => tracing::error!("nothing is exposed in a VNI: {error}"),
                    _ => {}
                }
                self.no_vtep_said = true;
                known.vtep
            }
        };
        let tables = router_id.filter(|_| agent.bgp_backend != Backend::Frr);
        let tables = tables.map(|router_id| {
            let tables = self.config.evpn_vnis.iter();
            tables.map(move |table| (table.rd(router_id), table.vni))
        });
        self.core.set_tenancy(Tenancy {
            vtep,
            distinguishers: tables.into_iter().flatten().collect(),
            udp_port: agent.evpn_udp_dstport,
            asn: self.config.bgp.asn,
            router_id,
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

    /// Tells whoever carries BGP which tables there are, and the hosts of provider networks which routers. True where the
    /// tables are others than before.
    /// Hosts of a network that is no more have heard so when this returns: the device is about to go.
    pub(super) async fn tell_tenants(&mut self, speaker: &Embedded) -> bool {
        let Some(told) = self.core.take_tenants() else {
            return false;
        };
        let Told { instances, routers } = told;
        let advertisements = self.advertisements(&routers);
        if self.config.agent.bgp_backend == Backend::Frr {
            self.frr_tenants = self.config.agent.has_tenant_tables().then(|| {
                Arc::new(frr::Tenants {
                    asn: self.config.bgp.asn,
                    tenants: self.hosted_by_frr(&instances, Layer::Routed),
                    bridged: self.hosted_by_frr(&instances, Layer::Bridged),
                    node: self.core.wiring().facts().tenancy.distinguisher(),
                    advertisements,
                })
            });
            self.change_frr();
        } else {
            let devices = self.devices_of_networks();
            let has_network = |device: &str| devices.contains(device);
            let last_words = self.routers.follow(advertisements, has_network);
            // Not for ever: the next message may be due in 3 s only (RFC 4861 §6.2.6), and others wait.
            let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
        }
        speaker.tenants().set_instances(Source::Ovn, instances)
    }

    /// What hosts are told, by device. What of it cannot be is said once, as long as it lasts.
    fn advertisements(
        &mut self,
        routers: &BTreeMap<Arc<str>, AdvertisedRouter>,
    ) -> BTreeMap<Arc<str>, Advertisement> {
        let mut not_told = BTreeSet::new();
        let mut advertisements = BTreeMap::new();
        for (device, router) in routers {
            let (told, left_out) = Advertisement::of(router.source, &router.advertisements);
            advertisements.insert(Arc::clone(device), told);
            not_told.extend(left_out.into_iter().map(|why| (Arc::clone(device), why)));
        }
        for (device, why) in not_told.difference(&self.not_told) {
            tracing::warn!(%device, "{why}");
        }
        self.not_told = not_told;
        advertisements
    }

    /// The devices of all provider networks that there are, whether or not this node has anything of them.
    fn devices_of_networks(&self) -> BTreeSet<Arc<str>> {
        let wiring = self.core.wiring();
        let tenants = wiring.vnis().filter_map(|vni| wiring.tenant(vni));
        let networks = tenants.flat_map(|tenant| tenant.networks.values());
        networks
            .map(|network| names::pair_of_network(network.localnet).0)
            .collect()
    }

    /// FRR has what is in the tenants' VRFs, and in their bridges.
    fn hosted_by_frr(
        &self,
        instances: &BTreeMap<Vni, Instance>,
        layer: Layer,
    ) -> BTreeMap<Vni, frr::Tenant> {
        let wiring = self.core.wiring();
        let asn = self.config.bgp.asn;
        let hosted = |(vni, instance): (&Vni, &Instance)| {
            let tenant = wiring.tenant(*vni).filter(|tenant| tenant.layer == layer)?;
            Some((*vni, frr::Tenant::of(tenant, asn, Some(instance.rd))))
        };
        instances.iter().filter_map(hosted).collect()
    }
}

/// What tells this node's routes apart if its VTEP is an IPv6 address: the BGP identifier that is configured, else the one
/// that it goes by already, else one that the speaker would choose of the node's addresses.
fn identifier<'a>(
    bgp: &Bgp,
    known: Option<Ipv4Addr>,
    addresses: impl Iterator<Item = (&'a str, IpNet)>,
) -> Option<Ipv4Addr> {
    let four = addresses.filter_map(|(device, net)| match net {
        IpNet::V4(net) => Some((device, net.addr())),
        IpNet::V6(_) => None,
    });
    let known = bgp.router_id.or(known);
    known.or_else(|| bgp.router_id_from(four))
}

/// The node's addresses by device, in the kernel's order.
pub(crate) fn own_addresses() -> Vec<(String, IpNet)> {
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

    #[test]
    fn the_nodes_addresses_have_their_prefix_lengths() {
        let found = own_addresses();
        let loopback: IpNet = "127.0.0.1/8".parse().unwrap();
        assert!(found.contains(&("lo".to_owned(), loopback)), "{found:?}");
    }

    #[test]
    fn without_a_configured_one_the_identifier_is_the_speakers_choice_and_stays() {
        let nets = [
            ("lo", "127.0.0.1/8"),
            ("eth0", "192.0.2.7/24"),
            ("eth0", "2001:db8::7/64"),
        ];
        let nets = nets.map(|(device, net)| (device, net.parse().unwrap()));
        let (chosen, other) = (Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::new(192, 0, 2, 9));
        let mut bgp = Bgp::default();
        assert_eq!(identifier(&bgp, None, nets.into_iter()), Some(chosen));
        assert_eq!(identifier(&bgp, Some(other), nets.into_iter()), Some(other));
        bgp.router_id = Some(chosen);
        assert_eq!(identifier(&bgp, Some(other), [].into_iter()), Some(chosen));
    }
}
