//! Gateway ports (cr-lrp): a router's addresses on a provider network, on the chassis that hosts it.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::place::{self, Place};
use super::{Inputs, Verdict, proxied};
use crate::exposure::is_routable;
use crate::exposure::{Attachment, Attributes, Code, Exposure, Kind, Reason, Withheld};
use crate::ovn::northbound::RouterPort;

/// Decides about a router port's addresses, if it is a gateway.
pub(super) fn decide(inputs: Inputs<'_>, port: &RouterPort, verdict: &mut Verdict) {
    if !port.is_gateway && port.hosting_chassis.is_none() {
        return;
    }
    match hosted(inputs, port) {
        Ok((network, attachment)) => expose(inputs, port, network, &attachment, verdict),
        Err((code, why)) if verdict.withheld.is_some() => {
            let why = format!("Logical_Router_Port {}: {why}", port.name);
            withhold(port, code, &why, verdict);
        }
        Err(_) => {}
    }
}

fn hosted<'a>(
    inputs: Inputs<'_>,
    port: &'a RouterPort,
) -> Result<(&'a Arc<str>, Attachment), (Code, String)> {
    let node = inputs.node;
    let Some(chassis) = &port.hosting_chassis else {
        return Err(if inputs.northbound.lacks_hosting_chassis() {
            let why = "the server has no column status, which says where a gateway is: OVN 23.09 \
                       or newer is needed";
            (Code::NotSupported, why.to_owned())
        } else {
            (
                Code::NotBound,
                "status:hosting-chassis is not set".to_owned(),
            )
        });
    };
    if *chassis != node.chassis {
        let why = format!("status:hosting-chassis is {chassis}");
        return Err((Code::ElsewhereBound, why));
    }
    if !port.enabled {
        return Err((Code::RouterDisabled, "enabled is false".to_owned()));
    }
    if let Some(router) = inputs.northbound.router_of_port(port.uuid)
        && !router.enabled
    {
        let why = format!("enabled of Logical_Router {} is false", router.name);
        return Err((Code::RouterDisabled, why));
    }
    let not_mapped = |why| (Code::PhysicalNetworkNotMapped, why);
    let Some(network) = &port.network else {
        let why = "external_ids:neutron:network_name is not set";
        return Err(not_mapped(why.to_owned()));
    };
    match place::network(inputs, network) {
        Place::Attached(attachment) => Ok((network, attachment)),
        Place::NotMapped => Err(not_mapped(place::not_mapped(inputs, network))),
        Place::Tenant => Err(not_mapped(format!(
            "network {network} has no localnet port"
        ))),
    }
}

fn expose(
    inputs: Inputs<'_>,
    port: &RouterPort,
    network: &Arc<str>,
    attachment: &Attachment,
    verdict: &mut Verdict,
) {
    let proxied = proxied::of(inputs.northbound, network, &port.networks);
    for ip in addresses(port) {
        verdict.expose(Exposure {
            prefix: IpNet::from(ip),
            kind: Kind::Gateway,
            port: port.name.clone(),
            network: network.clone(),
            attachment: Some(attachment.clone()),
            vni: None,
            via: None,
            subnet: None,
            next_hop: None,
            mac: Some(port.mac),
            proxied: match ip {
                IpAddr::V4(_) => proxied::none(),
                IpAddr::V6(_) => proxied.clone(),
            },
            attributes: Attributes::default(),
            reason: Reason::GatewayHere {
                lrp: port.name.clone(),
                chassis: inputs.node.chassis.clone(),
            },
        });
    }
}

fn addresses(port: &RouterPort) -> impl Iterator<Item = IpAddr> {
    let addresses = port.networks.iter().map(IpNet::addr);
    addresses.filter(|ip| is_routable(*ip))
}

fn withhold(port: &RouterPort, code: Code, why: &str, verdict: &mut Verdict) {
    for ip in addresses(port) {
        verdict.withhold(|| Withheld {
            prefix: IpNet::from(ip),
            kind: Kind::Gateway,
            port: port.name.clone(),
            code,
            reason: why.to_owned(),
        });
    }
}
