//! Instances, against routes that others teach.

mod hosts;
mod prefixes;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::rib::{LearnedPath, PathSource, Received};
use crate::speaker::PeerId;
use crate::wire::evpn::{
    Esi, EvpnCommunity, InclusiveMulticast, IpPrefix, Label, MacIp, RouteDistinguisher,
    RouteTarget, tunnel,
};
use crate::wire::{ExtendedCommunity, NextHop, PathAttributes, RouterId};

pub(super) const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 5));
pub(super) const LEAF: PeerId = PeerId(1);
pub(super) const OTHER_LEAF: PeerId = PeerId(2);

pub(super) fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

pub(super) fn vtep(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

pub(super) fn target(number: u32) -> RouteTarget {
    RouteTarget::As(65001, number)
}

pub(super) fn routed(vni: Vni) -> Instance {
    instance(vni, Kind::Routed { router_mac: mac(5) })
}

pub(super) fn bridged(vni: Vni) -> Instance {
    instance(vni, Kind::Bridged)
}

fn instance(vni: Vni, kind: Kind) -> Instance {
    Instance {
        rd: RouteDistinguisher::of_address(vtep(5), u16::try_from(vni).unwrap()),
        vtep: OURS,
        export: [target(vni)].into(),
        import: [Import::Target(target(vni))].into(),
        kind,
    }
}

/// What another VTEP says.
pub(super) struct Said {
    pub(super) vtep: u8,
    pub(super) communities: Vec<EvpnCommunity>,
    pub(super) local_pref: Option<u32>,
}

impl Said {
    /// With a target and a router MAC.
    pub(super) fn by(vtep: u8, number: u32) -> Self {
        let communities = vec![
            EvpnCommunity::Encapsulation(tunnel::VXLAN),
            EvpnCommunity::RouteTarget(target(number)),
            EvpnCommunity::RouterMac(mac(vtep)),
        ];
        Self {
            vtep,
            communities,
            local_pref: None,
        }
    }

    pub(super) fn moved(mut self, sequence: u32) -> Self {
        let mobility = Mobility {
            sticky: false,
            sequence,
        };
        self.communities.push(EvpnCommunity::Mobility(mobility));
        self
    }

    pub(super) fn marked_gateway(mut self) -> Self {
        self.communities.push(EvpnCommunity::DefaultGateway);
        self
    }

    pub(super) fn rd(&self) -> RouteDistinguisher {
        RouteDistinguisher::of_address(vtep(self.vtep), 1)
    }

    pub(super) fn prefix(&self, prefix: &str, label: Vni) -> EvpnRoute {
        EvpnRoute::IpPrefix(IpPrefix {
            rd: self.rd(),
            esi: Esi::SINGLE_HOMED,
            tag: 0,
            prefix: prefix.parse().unwrap(),
            gateway: None,
            label: Label::of_vni(label).unwrap(),
        })
    }

    pub(super) fn host(&self, last: u8, ip: Option<&str>, labels: &[Vni]) -> EvpnRoute {
        let label = |at: usize| labels.get(at).and_then(|vni| Label::of_vni(*vni));
        EvpnRoute::MacIp(MacIp {
            rd: self.rd(),
            esi: Esi::SINGLE_HOMED,
            tag: 0,
            mac: mac(last),
            ip: ip.map(|ip| ip.parse().unwrap()),
            label: label(0).unwrap(),
            routing_label: label(1),
        })
    }

    pub(super) fn flood(&self) -> EvpnRoute {
        EvpnRoute::InclusiveMulticast(InclusiveMulticast {
            rd: self.rd(),
            tag: 0,
            originator: vtep(self.vtep).into(),
        })
    }

    pub(super) fn received(&self) -> Arc<Received> {
        let path = self.learned(LEAF);
        Arc::new(Received {
            next_hop: path.next_hop,
            attributes: Arc::clone(&path.attributes),
        })
    }

    pub(super) fn learned(&self, peer: PeerId) -> Arc<LearnedPath> {
        let last = u8::try_from(peer.0).unwrap();
        let source = PathSource {
            peer: format!("leaf{last}").into(),
            address: Ipv4Addr::new(10, 0, 0, last).into(),
            link: None,
            router_id: RouterId(Ipv4Addr::new(10, 0, 0, last)),
            external: false,
        };
        let communities = self.communities.iter().copied();
        let attributes = PathAttributes {
            local_pref: self.local_pref,
            extended_communities: communities.map(ExtendedCommunity::from).collect(),
            ..PathAttributes::default()
        };
        let next_hop = NextHop::V4(vtep(self.vtep));
        Arc::new(LearnedPath::new(source.into(), next_hop, attributes.into()))
    }
}

impl Evpn {
    /// A peer teaches a route of another VTEP.
    pub(super) fn hear(&mut self, peer: PeerId, said: &Said, route: EvpnRoute) {
        let learned = said.learned(peer);
        let received = said.received();
        if self
            .learned_mut()
            .insert(peer, route, &received, Some(learned))
        {
            self.decide(&[route.key()], Instant::now());
        }
    }

    pub(super) fn unhear(&mut self, peer: PeerId, route: EvpnRoute) {
        if self.learned_mut().remove(peer, &route.key()) {
            self.decide(&[route.key()], Instant::now());
        }
    }

    /// These are the prefixes that are here, and no others.
    pub(super) fn set_prefixes(&mut self, vni: Vni, prefixes: &[&str]) {
        let wanted: Vec<IpNet> = prefixes.iter().map(|p| p.parse().unwrap()).collect();
        let here = self.here.get(&vni);
        let known = here.map_or_else(Vec::new, |here| here.prefixes.keys().copied().collect());
        for gone in known.into_iter().filter(|known| !wanted.contains(known)) {
            self.remove_prefix(vni, gone);
        }
        for prefix in wanted {
            self.add_prefix(vni, prefix, RouteAttributes::none());
        }
    }

    /// These are the hosts that are here, and no others.
    pub(super) fn set_hosts(&mut self, vni: Vni, hosts: BTreeMap<Mac, LocalHost>, now: Instant) {
        let here = self.here.get(&vni);
        let known = here.map_or_else(Vec::new, |here| here.hosts.keys().copied().collect());
        for gone in known.into_iter().filter(|known| !hosts.contains_key(known)) {
            self.remove_host(vni, gone, now);
        }
        for (mac, host) in hosts {
            self.add_host(vni, mac, host, now);
        }
    }

    /// These are the instances.
    pub(super) fn instances_are(&mut self, wanted: impl IntoIterator<Item = (Vni, Instance)>) {
        self.set_instances(wanted.into_iter().collect(), Instant::now());
    }

    pub(super) fn events(&mut self) -> Vec<EvpnEvent> {
        std::iter::from_fn(|| self.next_event()).collect()
    }

    /// Offers as routers print them: with `-` what is withdrawn, with the communities what is told.
    pub(super) fn said(&mut self) -> Vec<String> {
        let show = |(route, attributes): Offer| match attributes {
            None => format!("-{route}"),
            Some(attributes) => {
                let communities = attributes.extended_communities.iter().copied();
                let communities = communities.filter_map(EvpnCommunity::read);
                let words: Vec<_> = communities.map(|c| c.to_string()).collect();
                format!("{route} {}", words.join(" "))
            }
        };
        self.take_offers().into_iter().map(show).collect()
    }
}

pub(super) fn with(instances: impl IntoIterator<Item = (Vni, Instance)>) -> Evpn {
    let mut evpn = Evpn::default();
    evpn.instances_are(instances);
    evpn
}
