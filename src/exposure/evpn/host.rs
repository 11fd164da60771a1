//! Hosts behind a tenant's gateway, and what is wrong with the subnets that are not behind one.

use std::net::IpAddr;

use ipnet::IpNet;
use uuid::Uuid;

use super::{Inputs, Why, gateway};
use crate::exposure::members::{Elected, admit};
use crate::exposure::southbound::router::{self, Way};
use crate::exposure::southbound::{on_link, place, tenant};
use crate::exposure::verdict::Verdict;
use crate::exposure::{Code, Exposure, Kind, Reason, Withheld};
use crate::ovn::southbound::{Gateway, Interface, Membership, PortBinding};

/// The way to a host: what leads there, the VNI, and the subnet it is in.
struct Entrance<'a> {
    way: Way<'a>,
    membership: Membership,
    subnet: IpNet,
}

/// Decides about a port's addresses behind each router interface on its network.
pub(super) fn decide(
    inputs: Inputs<'_>,
    elected: &Elected,
    binding: &PortBinding,
    verdict: &mut Verdict,
) {
    let Some(switch) = binding.datapath else {
        return;
    };
    // A VIP's port is a load balancer's, which this driver does not expose.
    if binding.vip_of.is_some() || (elected.is_empty() && !verdict.explains()) {
        return;
    }
    let bound = place::bound(inputs, binding).map(drop);
    for ip in tenant::addresses(binding) {
        for entrance in entrances(inputs, elected, switch, ip) {
            match bound.clone().and(entrance) {
                Ok(entrance) => expose(ip, &entrance, binding, verdict),
                Err((code, reason)) => verdict.withhold(|| Withheld {
                    prefix: ip.into(),
                    kind: Kind::Tenant,
                    port: binding.logical_port.clone(),
                    code,
                    reason,
                }),
            }
        }
    }
}

fn expose(ip: IpAddr, entrance: &Entrance<'_>, binding: &PortBinding, verdict: &mut Verdict) {
    let way = &entrance.way;
    let port = &binding.logical_port;
    let reason = Reason::TenantBehindGateway {
        port: port.clone(),
        lrp: way.lrp.clone(),
    };
    let (network, attachment) = (way.network.clone(), way.attachment.clone());
    verdict.expose(Exposure {
        vni: Some(entrance.membership.vni),
        via: Some(way.via),
        mac: Some(way.mac),
        subnet: Some(entrance.subnet),
        ..on_link(ip.into(), Kind::Tenant, port, network, attachment, reason)
    });
}

/// The ways to an address of a network, one for each interface that covers it. Empty when it is no candidate: on a
/// provider network that no interface covers.
fn entrances<'a>(
    inputs: Inputs<'a>,
    elected: &Elected,
    switch: Uuid,
    ip: IpAddr,
) -> Vec<Result<Entrance<'a>, Why>> {
    let interfaces = inputs.southbound.interfaces_on(switch);
    let covering = interfaces.filter_map(|interface| {
        let subnet = interface.nets().find(|net| net.contains(&ip))?.trunc();
        Some(entrance(inputs, elected, &interface, subnet))
    });
    let mut entrances: Vec<_> = covering.collect();
    if entrances.is_empty() && tenant::is_tenant(inputs, switch) {
        entrances.push(Err(tenant::not_routed(inputs, switch)));
    }
    entrances
}

/// The way to what is behind an interface: through the first of the router's gateways here, by name, that is of the
/// interface's tenant and has an address of the family; else why there is none.
fn entrance<'a>(
    inputs: Inputs<'a>,
    elected: &Elected,
    interface: &Interface<'_>,
    subnet: IpNet,
) -> Result<Entrance<'a>, Why> {
    let port = interface.switch_port;
    let membership = port.bgpvpn.membership().map_err(|why| {
        let why = format!("Port_Binding {}: {why}", port.logical_port);
        (Code::NoVni, why)
    })?;
    let gateways = inputs.southbound.gateways(interface.router);
    let through =
        |gateway: &Gateway<'a>| through(inputs, elected, gateway, port, membership, subnet);
    let way = router::first(gateways, through);
    let way = way.unwrap_or_else(|| Err(router::no_gateway(inputs, interface.router)))?;
    Ok(Entrance {
        way,
        membership,
        subnet,
    })
}

fn through<'a>(
    inputs: Inputs<'a>,
    elected: &Elected,
    gateway: &Gateway<'a>,
    port: &PortBinding,
    membership: Membership,
    subnet: IpNet,
) -> Result<Way<'a>, Why> {
    let (host, of_gateway) = gateway::hosted(inputs, gateway)?;
    if of_gateway != membership {
        let why = format!(
            "Port_Binding {}: VNI {} and AS {} are not those of gateway port {}, {} and {}",
            port.logical_port,
            membership.vni,
            membership.asn,
            gateway.lrp,
            of_gateway.vni,
            of_gateway.asn
        );
        return Err((Code::VniMismatch, why));
    }
    admit(elected, membership.vni, Some(membership.asn), &host.network)
        .map_err(|(code, why)| (code, format!("gateway port {}: {why}", gateway.lrp)))?;
    router::enter(gateway, host, subnet)
}

/// Tells of subnets that are annotated and lead nowhere. Those that do are wired with their gateway, and not advertised.
pub(super) fn decide_subnets(
    inputs: Inputs<'_>,
    elected: &Elected,
    port: &PortBinding,
    verdict: &mut Verdict,
) {
    if !verdict.explains() {
        return;
    }
    let interface = inputs.southbound.interface(port);
    let Some(interface) = interface.filter(|i| i.switch_port.bgpvpn.is_given()) else {
        return;
    };
    for prefix in gateway::subnets(&interface) {
        if let Err((code, reason)) = entrance(inputs, elected, &interface, prefix) {
            verdict.withhold(|| Withheld {
                prefix,
                kind: Kind::Subnet,
                port: port.logical_port.clone(),
                code,
                reason,
            });
        }
    }
}
