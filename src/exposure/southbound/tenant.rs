//! Hosts of tenant networks, on the chassis of their router's gateway.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::router::{self, Way};
use super::{Inputs, Verdict, Why, on_link, place, port};
use crate::exposure::{Code, Exposure, Kind, Reason, TenantExposure, Withheld, is_routable};
use crate::ovn::southbound::{Interface, PortBinding};

/// Decides about a port's addresses behind each router interface on its network.
pub(super) fn decide(inputs: Inputs<'_>, binding: &PortBinding, verdict: &mut Verdict) {
    let Some(switch) = binding.datapath else {
        return;
    };
    let nothing = inputs.options.tenants == TenantExposure::Nothing;
    if binding.vip_of.is_some() || (nothing && !verdict.explains()) {
        return;
    }
    let bound = place::bound(inputs, binding);
    for ip in addresses(binding) {
        let ways = match &bound {
            Ok(_) => ways(inputs, switch, ip),
            Err(why) => blocked(inputs, switch, why.clone()),
        };
        let reason = |way: &Way<'_>| Reason::TenantBehindGateway {
            port: binding.logical_port.clone(),
            lrp: way.lrp.clone(),
        };
        let candidate = (ip, Kind::Tenant, &binding.logical_port);
        conclude(candidate, ways, reason, verdict);
    }
}

/// The ways to an address of a network, one for each interface that covers it, with the subnet.
pub(super) type Ways<'a> = Vec<Result<(Way<'a>, IpNet), Why>>;

/// The ways to an address of a network. Empty when it is no candidate: on a provider network that no
/// interface covers.
pub(super) fn ways<'a>(inputs: Inputs<'a>, switch: Uuid, ip: IpAddr) -> Ways<'a> {
    let interfaces = inputs.southbound.interfaces_on(switch);
    let ways = interfaces.filter_map(|interface| way(inputs, &interface, ip));
    let ways: Ways<'a> = ways.collect();
    if !ways.is_empty() || !is_tenant(inputs, switch) {
        return ways;
    }
    vec![Err(if inputs.options.tenants == TenantExposure::Nothing {
        let why = "expose_tenant_networks is off";
        (Code::TenantNetworksDisabled, why.to_owned())
    } else {
        not_routed(inputs, switch)
    })]
}

/// What to say of an address of a tenant network that no router reaches.
pub(in crate::exposure) fn not_routed(inputs: Inputs<'_>, switch: Uuid) -> Why {
    let network = inputs.southbound.network_name(switch);
    let why = format!("no router interface on network {network} covers it");
    (Code::NotRouted, why)
}

/// The ways to an address through one interface; `None` if that does not cover it.
pub(super) fn way<'a>(
    inputs: Inputs<'a>,
    interface: &Interface<'_>,
    ip: IpAddr,
) -> Option<Result<(Way<'a>, IpNet), Why>> {
    let subnet = interface.nets().find(|net| net.contains(&ip))?.trunc();
    Some(router::way(inputs, interface, ip.into()).and_then(|way| {
        if inputs.options.hosts() {
            return Ok((way, subnet));
        }
        let why = format!("advertisement_method_tenant_networks is subnet: {subnet} is exposed");
        Err((Code::SubnetAdvertised, why))
    }))
}

/// Exposes an address by each way, or says why there is none.
pub(super) fn conclude(
    (ip, kind, port): (IpAddr, Kind, &Arc<str>),
    ways: Ways<'_>,
    reason: impl Fn(&Way<'_>) -> Reason,
    verdict: &mut Verdict,
) {
    for way in ways {
        match way {
            Ok((way, subnet)) => {
                let reason = reason(&way);
                verdict.expose(Exposure {
                    via: Some(way.via),
                    mac: Some(way.mac),
                    subnet: Some(subnet),
                    ..on_link(ip.into(), kind, port, way.network, way.attachment, reason)
                });
            }
            Err((code, reason)) => verdict.withhold(|| Withheld {
                prefix: ip.into(),
                kind,
                port: port.clone(),
                code,
                reason,
            }),
        }
    }
}

/// Why a port that is not up anywhere is no tenant host: only said of tenant networks.
fn blocked<'a>(inputs: Inputs<'_>, switch: Uuid, why: Why) -> Ways<'a> {
    if is_tenant(inputs, switch) {
        vec![Err(why)]
    } else {
        Vec::new()
    }
}

/// Whether a network has no localnet port.
pub(in crate::exposure) fn is_tenant(inputs: Inputs<'_>, switch: Uuid) -> bool {
    inputs.southbound.localnets_on(switch).next().is_none()
}

/// A port's addresses; with port security off, OVN knows none, and Neutron's word counts.
pub(in crate::exposure) fn addresses(binding: &PortBinding) -> Vec<IpAddr> {
    let addresses = port::addresses(binding);
    if !addresses.is_empty() || !binding.unknown {
        return addresses;
    }
    let addresses = binding.cidrs.iter().map(IpNet::addr);
    addresses.filter(|ip| is_routable(*ip)).collect()
}
