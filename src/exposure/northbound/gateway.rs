//! Gateway ports (cr-lrp): a router's addresses on a provider network, on the chassis that hosts it.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::router::{self, Gateway};
use super::{Inputs, Verdict, exposure, proxied};
use crate::exposure::{Code, Exposure, Kind, Reason, Withheld, is_routable};
use crate::ovn::northbound::RouterPort;

/// Decides about a router port's addresses, if it is a gateway.
pub(super) fn decide(inputs: Inputs<'_>, port: &Arc<RouterPort>, verdict: &mut Verdict) {
    if !router::is_gateway(inputs, port) {
        return;
    }
    let router = inputs.northbound.router_of_port(port.uuid);
    let working = router.map_or(Ok(()), |router| router::enabled(router));
    match router::hosted(inputs, port).and_then(|gateway| working.map(|()| gateway)) {
        Ok(gateway) => expose(inputs, &gateway, verdict),
        Err((code, why)) if verdict.withheld.is_some() => {
            let why = format!("Logical_Router_Port {}: {why}", port.name);
            withhold(port, code, &why, verdict);
        }
        Err(_) => {}
    }
}

fn expose(inputs: Inputs<'_>, gateway: &Gateway<'_>, verdict: &mut Verdict) {
    let port = gateway.port;
    let proxied = proxied::of(inputs.northbound, gateway.network, &port.networks);
    for ip in addresses(port) {
        let reason = Reason::GatewayHere {
            lrp: port.name.clone(),
            chassis: inputs.node.chassis.clone(),
        };
        let place = (gateway.network, gateway.site.clone());
        verdict.expose(Exposure {
            mac: Some(port.mac),
            proxied: match ip {
                IpAddr::V4(_) => proxied::none(),
                IpAddr::V6(_) => proxied.clone(),
            },
            ..exposure(ip.into(), Kind::Gateway, &port.name, place, reason)
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
