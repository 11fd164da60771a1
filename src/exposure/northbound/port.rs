//! Ports of VMs: on a provider network where they are, on a tenant network behind its routers.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::place::{self, Absent, Place, Site};
use super::{Inputs, Refusal, Verdict, exposure, policy, proxied, subnet, tenant};
use crate::exposure::{
    Code, Exposure, Kind, Layer, Reason, Station, TenantExposure, Withheld, is_routable,
};
use crate::mac::MacAddr;
use crate::ovn::northbound::{PortKind, SwitchPort};

/// Decides about a switch port: its own addresses, or what is behind it.
pub(super) fn decide(inputs: Inputs<'_>, port: &SwitchPort, verdict: &mut Verdict) {
    match &port.kind {
        // The addresses of a VIP's port are the load balancer's.
        PortKind::Vif if port.is_vip => {}
        PortKind::Vif | PortKind::Virtual => own_addresses(inputs, port, verdict),
        PortKind::Router => subnet::decide(inputs, port, verdict),
        PortKind::Other(kind) if &**kind == "external" => {
            for (ip, _) in addresses(port) {
                let why = "type is external: its traffic does not pass through OVN on any node";
                let refusal = (Code::NotSupported, why.to_owned());
                withhold(port, ip, Kind::Provider, refusal, verdict);
            }
        }
        PortKind::Localnet | PortKind::Other(_) => {}
    }
}

fn own_addresses(inputs: Inputs<'_>, port: &SwitchPort, verdict: &mut Verdict) {
    let Some(network) = inputs.northbound.network_of(port) else {
        return;
    };
    let explained = verdict.withheld.is_some();
    let provider = Provider::of(inputs, port, network);
    if let Provider::Here { network, site, .. } = &provider
        && site.is_stretched()
    {
        verdict
            .stations
            .extend(stations(inputs, port, (network, site)));
    }
    let behind_routers = explained || inputs.options.tenants != TenantExposure::Nothing;
    for (ip, mac) in addresses(port) {
        let mut exposures = Vec::new();
        let mut refusal = None;
        match &provider {
            Provider::Here { .. } => exposures.extend(provider.exposure(port, ip, mac)),
            Provider::Refused(why) if explained => refusal = Some((Kind::Provider, why.clone())),
            Provider::Tenant if explained => {
                refusal = not_stretched(inputs, network).map(|why| (Kind::Tenant, why));
            }
            Provider::NotHere(absent) if explained => {
                let why = (absent.code(), absent.to_string());
                refusal = Some((Kind::Provider, why));
            }
            Provider::NotMapped if explained => {
                let why = place::not_mapped(inputs, network);
                refusal = Some((Kind::Provider, (Code::PhysicalNetworkNotMapped, why)));
            }
            Provider::Refused(_)
            | Provider::NotHere(_)
            | Provider::NotMapped
            | Provider::Tenant => {}
        }
        if behind_routers {
            for decided in tenant::decide(inputs, port, network, ip) {
                match decided {
                    Ok(exposure) => exposures.push(exposure),
                    Err(why) => drop(refusal.get_or_insert((Kind::Tenant, why))),
                }
            }
        }
        if exposures.is_empty() && explained {
            let not_routed = || (Kind::Tenant, tenant::not_routed(inputs, network));
            let (kind, why) = refusal.unwrap_or_else(not_routed);
            withhold(port, ip, kind, why, verdict);
        }
        verdict.exposures.extend(tenant::once(exposures));
    }
}

/// A port's place on its network, if that is a provider network.
enum Provider {
    Here {
        network: Arc<str>,
        site: Site,
        host: Arc<str>,
        /// Who has claimed a virtual port of a stretched network.
        parent: Option<MacAddr>,
        proxied: Arc<[std::net::Ipv6Addr]>,
    },
    Refused(Refusal),
    NotHere(Absent),
    NotMapped,
    Tenant,
}

impl Provider {
    fn of(inputs: Inputs<'_>, port: &SwitchPort, network: &Arc<str>) -> Self {
        match (place::network(inputs, network), place::here(inputs, port)) {
            (Place::Tenant, _) => Self::Tenant,
            (_, Err(absent)) => Self::NotHere(absent),
            (Place::NotMapped, Ok(_)) => Self::NotMapped,
            (Place::Refused(refusal), Ok(_)) => Self::Refused(refusal),
            (Place::Attached(site), Ok(host)) => Self::Here {
                network: network.clone(),
                parent: parent(inputs, port).filter(|_| site.is_stretched()),
                site,
                host,
                proxied: proxied::of(inputs.northbound, network, &port.cidrs),
            },
        }
    }

    fn exposure(&self, port: &SwitchPort, ip: IpAddr, mac: MacAddr) -> Option<Exposure> {
        let Self::Here {
            network,
            site,
            host,
            parent,
            proxied,
        } = self
        else {
            return None;
        };
        let reason = Reason::PortHere {
            port: port.name.clone(),
            host: host.clone(),
        };
        let place = (network, site.clone());
        Some(Exposure {
            // A virtual port's address is answered for by whichever parent holds it, with the
            // parent's MAC: OVN drops frames to the virtual port's own.
            mac: match port.kind {
                PortKind::Virtual => *parent,
                _ => Some(mac),
            },
            proxied: match ip {
                IpAddr::V4(_) => proxied::none(),
                IpAddr::V6(_) => proxied.clone(),
            },
            ..exposure(ip.into(), Kind::Provider, &port.name, place, reason)
        })
    }
}

/// What of a port on a stretched network here has no IP address: MAC addresses of its own, or `unknown` alone. A virtual
/// port has the MAC of another.
fn stations(
    inputs: Inputs<'_>,
    port: &SwitchPort,
    (network, site): (&Arc<str>, &Site),
) -> Vec<(Arc<str>, Station)> {
    if port.kind != PortKind::Vif {
        return Vec::new();
    }
    let addressed: BTreeSet<MacAddr> = addresses(port).into_iter().map(|(_, mac)| mac).collect();
    let macs: BTreeSet<MacAddr> = port.addresses.iter().map(|entry| entry.mac).collect();
    let of = |mac| {
        let port = port.name.clone();
        (network.clone(), Station { port, mac })
    };
    let mut found: Vec<_> = macs
        .difference(&addressed)
        .map(|mac| of(Some(*mac)))
        .collect();
    if macs.is_empty() && port.unknown {
        found.push(of(None));
    }
    found.retain(|_| is_advertised(inputs, port, (network, site)));
    found
}

/// Whether policies have a port without IP address advertised.
fn is_advertised(
    inputs: Inputs<'_>,
    port: &SwitchPort,
    (network, site): (&Arc<str>, &Site),
) -> bool {
    let reason = Reason::PortHere {
        port: port.name.clone(),
        host: inputs.node.hostname.clone(),
    };
    let place = (network, site.clone());
    // A section that names networks of addresses is about something else.
    let any = IpNet::default();
    let exposure = exposure(any, Kind::Provider, &port.name, place, reason);
    policy::advertises(inputs, policy::Decided::Port(port.uuid), &exposure)
}

/// The MAC of the port that holds a virtual one: the one that OVN says has claimed it; where OVN_Southbound is not
/// followed, the only one of those that may claim it that is up here.
fn parent(inputs: Inputs<'_>, port: &SwitchPort) -> Option<MacAddr> {
    let nb = inputs.northbound;
    let is_here = |parent: &&Arc<SwitchPort>| place::here(inputs, parent).is_ok();
    let claimed_by = match inputs.southbound {
        Some(southbound) => {
            let binding = southbound.binding_named(&port.name)?;
            let claimed_by = nb.port_named(binding.virtual_parent.as_ref()?);
            claimed_by.filter(is_here)
        }
        None => {
            let parents = port.virtual_parents.iter();
            let mut here = parents
                .filter_map(|name| nb.port_named(name))
                .filter(is_here);
            let only = here.next();
            only.filter(|_| here.next().is_none())
        }
    };
    Some(claimed_by?.addresses.first()?.mac)
}

/// Why a tenant network that is annotated so is not stretched.
fn not_stretched(inputs: Inputs<'_>, network: &str) -> Option<Refusal> {
    let membership = inputs.northbound.vpn_of(network)?.membership()?.ok()?;
    let layer = membership.kind.into();
    if layer != Layer::Bridged || !inputs.options.method.exposes(layer) {
        return None;
    }
    let why = format!(
        "Logical_Switch {network}: external_ids:neutron_bgpvpn:type is l2, and it has no localnet port: only provider \
         networks can be stretched"
    );
    Some((Code::NotSupported, why))
}

/// A port's addresses that can be routed to, each once, with the MAC of its first entry.
pub(super) fn addresses(port: &SwitchPort) -> Vec<(IpAddr, MacAddr)> {
    let mut addresses: Vec<(IpAddr, _)> = Vec::new();
    for (ip, mac) in port.ips() {
        let known = addresses.iter().any(|(other, _)| *other == ip);
        if !known && is_routable(ip) {
            addresses.push((ip, mac));
        }
    }
    addresses
}

fn withhold(port: &SwitchPort, ip: IpAddr, kind: Kind, why: Refusal, verdict: &mut Verdict) {
    let (code, why) = why;
    verdict.withhold(|| Withheld {
        prefix: IpNet::from(ip),
        kind,
        port: port.name.clone(),
        code,
        reason: format!("Logical_Switch_Port {}: {why}", port.name),
    });
}
