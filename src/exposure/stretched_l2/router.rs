//! The networks of one router: those behind it, and with the first of a family its gateway's own.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::Inputs;
use crate::exposure::verdict::Verdict;
use crate::exposure::{Attributes, Code, Exposure, Kind, Reason, Withheld, is_routable};
use crate::ovn::AddressScopes;
use crate::ovn::southbound::{Gateway, Interface};

/// Decides about the networks of a router, through each of its gateways.
pub(super) fn decide(inputs: Inputs<'_>, router: Uuid, verdict: &mut Verdict) {
    let sb = inputs.southbound;
    let gateways: Vec<_> = sb.gateways(router).collect();
    for interface in sb.interfaces(router) {
        let name = &interface.port.logical_port;
        if gateways.is_empty() {
            let router = sb.network_name(router);
            let why = (
                Code::NoGateway,
                format!("router {router} has no gateway port"),
            );
            for net in nets(&interface) {
                withhold(net, name, why.clone(), verdict);
            }
        }
    }
    for gateway in &gateways {
        through(inputs, router, gateway, verdict);
    }
}

/// The networks behind a gateway, and those of its own that they need.
fn through(inputs: Inputs<'_>, router: Uuid, gateway: &Gateway<'_>, verdict: &mut Verdict) {
    let mut used = BTreeSet::new();
    for interface in inputs.southbound.interfaces(router) {
        let name = &interface.port.logical_port;
        for net in nets(&interface) {
            match next_hop(inputs, gateway, &interface, net) {
                Ok(own) => {
                    used.insert(own);
                    expose(inputs, net.trunc(), gateway, name, own.addr(), verdict);
                }
                Err(why) => withhold(net, name, why, verdict),
            }
        }
    }
    // The gateway's address is the next hop of its own network too. A router on that network has it
    // connected and prefers that, one that is not cannot resolve the next hop and leaves the route
    // alone. This node as next hop would draw to it what it has no way to deliver.
    for own in used {
        expose(
            inputs,
            own.trunc(),
            gateway,
            gateway.lrp,
            own.addr(),
            verdict,
        );
    }
}

/// The gateway's address, with its network, through which a network behind it is reached; else why not.
fn next_hop(
    inputs: Inputs<'_>,
    gateway: &Gateway<'_>,
    interface: &Interface<'_>,
    net: IpNet,
) -> Result<IpNet, (Code, String)> {
    if inputs.southbound.chassis_name(gateway.redirect).is_none() {
        let port = &gateway.redirect.logical_port;
        return Err((
            Code::NotBound,
            format!("Port_Binding {port}: chassis is not set"),
        ));
    }
    if gateway.has(net.addr()) {
        let why = "the address is the gateway's own".to_owned();
        return Err((Code::GatewayAddress, why));
    }
    let mut own = gateway.nets().map(|(own, _)| own);
    let own = own.find(|own| is_routable(own.addr()) && is_v4(*own) == is_v4(net));
    let own = own.ok_or_else(|| {
        let lrp = gateway.lrp;
        let why = format!("gateway port {lrp} has no address of its family");
        (Code::NoNextHop, why)
    })?;
    same_scope(inputs, gateway, interface, net)?;
    Ok(own)
}

fn is_v4(net: IpNet) -> bool {
    matches!(net, IpNet::V4(_))
}

/// With `address_scopes`, the gateway's scope must be the network's, and in the list.
fn same_scope(
    inputs: Inputs<'_>,
    gateway: &Gateway<'_>,
    interface: &Interface<'_>,
    net: IpNet,
) -> Result<(), (Code, String)> {
    let list = &inputs.options.address_scopes;
    if list.is_empty() {
        return Ok(());
    }
    let of = |scopes: Option<&AddressScopes>| scopes.and_then(|scopes| scopes.of(net).cloned());
    let (own, behind) = (of(gateway.scopes()), of(interface.scopes()));
    match (own, behind) {
        (Some(own), Some(behind)) if own == behind && list.contains(&own) => Ok(()),
        (own, behind) => {
            let text = |scope: Option<Arc<str>>| scope.unwrap_or_else(|| "none".into());
            let why = format!(
                "its address scope is {}, that of gateway port {} is {}: they must be one, of \
                 address_scopes",
                text(behind),
                gateway.lrp,
                text(own)
            );
            Err((Code::AddressScope, why))
        }
    }
}

fn nets<'a>(interface: &Interface<'a>) -> impl Iterator<Item = IpNet> + use<'a> {
    let nets = interface.nets();
    nets.filter(|net| is_routable(net.addr()))
}

fn expose(
    inputs: Inputs<'_>,
    prefix: IpNet,
    gateway: &Gateway<'_>,
    port: &Arc<str>,
    next_hop: IpAddr,
    verdict: &mut Verdict,
) {
    let network = gateway.switch().map_or_else(
        || Arc::from(""),
        |switch| inputs.southbound.network_name(switch),
    );
    verdict.expose(Exposure {
        prefix,
        kind: Kind::L2Subnet,
        port: port.clone(),
        network,
        attachment: None,
        vni: None,
        layer: crate::exposure::Layer::default(),
        via: None,
        subnet: None,
        next_hop: Some(next_hop),
        mac: None,
        proxied: Arc::from([]),
        attributes: Attributes::default(),
        reason: Reason::StretchedNetwork {
            lrp: gateway.lrp.clone(),
        },
    });
}

fn withhold(net: IpNet, port: &Arc<str>, (code, reason): (Code, String), verdict: &mut Verdict) {
    verdict.withhold(|| Withheld {
        prefix: net.trunc(),
        kind: Kind::L2Subnet,
        port: port.clone(),
        code,
        reason,
    });
}
