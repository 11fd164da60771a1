//! VIPs of load balancers of Octavia's OVN provider. A VIP is an address among the keys of `vips`,
//! nothing else: a disabled load balancer has none.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::place::{self, Place, Site};
use super::{Inputs, Refusal, Verdict, exposure, forwarding, interface, port, router, tenant};
use crate::exposure::{Code, Exposure, Kind, Reason, Withheld, is_routable};
use crate::mac::MacAddr;
use crate::ovn::northbound::{Balancer, Octavia, PortKind, Purpose, Router, SwitchPort};

/// Decides about the addresses of a load balancer.
pub(super) fn decide(inputs: Inputs<'_>, row: &Balancer, verdict: &mut Verdict) {
    let octavia = match &row.purpose {
        Purpose::LoadBalancing(octavia) => octavia,
        Purpose::PortForwarding { router } => {
            return forwarding::decide(inputs, row, router.as_ref(), verdict);
        }
        Purpose::Other => return,
    };
    let withhold = |ip: IpAddr, (code, why): Refusal, verdict: &mut Verdict| {
        verdict.withhold(|| Withheld {
            prefix: IpNet::from(ip),
            kind: Kind::LbVip,
            port: octavia.port.clone(),
            code,
            reason: format!("Load_Balancer {}: {why}", label(row)),
        });
    };
    // The floating IP of the VIP is among the keys as well; its NAT row decides about it.
    let vips = row
        .addresses()
        .into_iter()
        .filter(|ip| octavia.fip != Some(*ip));
    for ip in vips.filter(|ip| is_routable(*ip)) {
        match vip(inputs, row, octavia, ip) {
            Ok(exposure) => verdict.expose(exposure),
            Err(refusal) => withhold(ip, refusal, verdict),
        }
    }
    if let Some(ip) = octavia.vip.filter(|ip| !row.serves(*ip)) {
        let why = "vips does not have it: the load balancer is disabled, or has no listener";
        withhold(ip, (Code::BalancerDisabled, why.to_owned()), verdict);
    }
}

/// Name and row: there is one row for each protocol, with the same name.
pub(super) fn label(row: &Balancer) -> Arc<str> {
    format!("{} (row {})", row.name, row.uuid).into()
}

fn vip(
    inputs: Inputs<'_>,
    row: &Balancer,
    octavia: &Octavia,
    ip: IpAddr,
) -> Result<Exposure, Refusal> {
    let nb = inputs.northbound;
    let missing = |why: String| (Code::VipPortMissing, why);
    let name = &octavia.port;
    let port = nb.port_named(name).ok_or_else(|| {
        missing(format!(
            "neutron:vip_port_id is {name}, and there is no such port"
        ))
    })?;
    let network = nb
        .network_of(port)
        .ok_or_else(|| missing(format!("port {name} is on no network")))?;
    match &octavia.router {
        Some(id) => {
            let router = nb.router_by_id(id).ok_or_else(|| {
                let why = format!("lr_ref is {id}, and there is no such router");
                (Code::NotRouted, why)
            })?;
            on_router(inputs, row, (port, network), router, ip)
        }
        None => match place::network(inputs, network) {
            Place::Attached(site) => on_member(inputs, row, (port, network), site, ip),
            Place::Refused(refusal) => Err(refusal),
            Place::NotMapped => {
                let why = place::not_mapped(inputs, network);
                Err((Code::PhysicalNetworkNotMapped, why))
            }
            Place::Tenant => Err(tenant::not_routed(inputs, network)),
        },
    }
}

/// Behind the router, like a host, if it has an interface to the VIP's network; else on its gateway, if
/// that is on the network.
fn on_router(
    inputs: Inputs<'_>,
    row: &Balancer,
    (port, network): (&SwitchPort, &Arc<str>),
    router: &Router,
    ip: IpAddr,
) -> Result<Exposure, Refusal> {
    let reason = |lrp: &Arc<str>| Reason::VipBehindGateway {
        balancer: label(row),
        lrp: lrp.clone(),
    };
    let mut interfaces = interface::on(inputs, network).filter(|i| i.is_of(router));
    if let Some((interface, covering)) =
        interfaces.find_map(|interface| Some((interface, interface.covering(ip)?)))
    {
        let way = interface.admit(inputs, ip.into(), ip)?;
        if !inputs.options.hosts() {
            return Err(tenant::subnet_advertised());
        }
        let place = (way.gateway.network, way.gateway.site);
        let reason = reason(&way.gateway.port.name);
        return Ok(Exposure {
            via: Some(way.via),
            mac: Some(way.gateway.port.mac),
            subnet: Some(covering.trunc()),
            ..exposure(ip.into(), Kind::LbVip, &port.name, place, reason)
        });
    }
    if matches!(place::network(inputs, network), Place::Tenant) {
        return Err(tenant::not_routed(inputs, network));
    }
    router::enabled(router)?;
    let mut gateways = router::gateways(inputs, router);
    gateways.retain(|(gateway, _)| gateway.network.as_ref() == Some(network));
    let gateway = router::first_here(gateways, || {
        format!(
            "Logical_Router {} has no gateway port on the VIP's network {network}",
            router.name
        )
    })?;
    let reason = reason(&gateway.port.name);
    let mac = gateway.mac_if_stretched();
    let place = (gateway.network, gateway.site);
    Ok(Exposure {
        mac,
        ..exposure(ip.into(), Kind::LbVip, &port.name, place, reason)
    })
}

/// Without a router: the switch rewrites the address but not the destination MAC, and nothing answers
/// ARP for the VIP. Only a single member can be reached so, by its own MAC, where it is.
fn on_member(
    inputs: Inputs<'_>,
    row: &Balancer,
    (vip_port, network): (&SwitchPort, &Arc<str>),
    site: Site,
    ip: IpAddr,
) -> Result<Exposure, Refusal> {
    let refuse = |why: String| (Code::NoSingleMemberHere, format!("without router, {why}"));
    let rows = inputs.northbound.balancers_of_port(&vip_port.name);
    let members: BTreeSet<IpAddr> = rows
        .flat_map(|row| &row.vips)
        .flat_map(|vip| vip.members.iter().copied())
        .collect();
    let mut members = members.into_iter();
    let (Some(member), None) = (members.next(), members.next()) else {
        let why = "its VIP must have exactly one member over all its rows".to_owned();
        return Err(refuse(why));
    };
    let (member, mac) = member_port(inputs, network, member).ok_or_else(|| {
        refuse(format!(
            "and no port of network {network} has its member's address {member}"
        ))
    })?;
    place::here(inputs, member)
        .map_err(|absent| refuse(format!("and its member {}: {absent}", member.name)))?;
    let reason = Reason::VipOfMemberHere {
        balancer: label(row),
        member: member.name.clone(),
    };
    let place = (network, site);
    Ok(Exposure {
        mac: Some(mac),
        ..exposure(ip.into(), Kind::LbVip, &vip_port.name, place, reason)
    })
}

fn member_port<'a>(
    inputs: Inputs<'a>,
    network: &str,
    member: IpAddr,
) -> Option<(&'a SwitchPort, MacAddr)> {
    let nb = inputs.northbound;
    let ports = nb.network(network)?.ports().iter();
    let ports = ports.filter_map(|uuid| nb.port(*uuid));
    let mut ports = ports.filter(|port| port.kind == PortKind::Vif && !port.is_vip);
    ports.find_map(|port| {
        let mut addresses = port::addresses(port).into_iter();
        let (_, mac) = addresses.find(|(ip, _)| *ip == member)?;
        Some((&**port, mac))
    })
}
