//! Floating IPs that a router's gateway answers for: all while they are centralised, always those of a
//! load balancer and of its members.

use std::sync::Arc;

use super::router::{self, Gateway};
use super::{Inputs, Refusal, exposure};
use crate::exposure::{Code, Exposure, Kind, Reason};
use crate::ovn::northbound::{Fip, Router, RouterPort};

/// On the chassis of the gateway, wherever the VM is.
pub(super) fn exposure_of(inputs: Inputs<'_>, fip: &Fip, kind: Kind) -> Result<Exposure, Refusal> {
    let nb = inputs.northbound;
    let by_gateway = || nb.router_of_port(fip.gateway_port?);
    let router = nb.router_of_nat(fip.uuid).or_else(by_gateway);
    let router = router.ok_or_else(|| {
        let why = "no Logical_Router has it";
        (Code::NoGateway, why.to_owned())
    })?;
    router::enabled(router)?;
    let gateway = gateway(inputs, fip, router)?;
    let lrp = &gateway.port.name;
    let reason = Reason::FipOnGatewayHere {
        nat: Arc::from(fip.uuid.to_string()),
        lrp: lrp.clone(),
    };
    let port = fip.logical_port.as_ref().unwrap_or(lrp);
    let place = (gateway.network, gateway.site);
    Ok(Exposure {
        mac: Some(gateway.port.mac),
        ..exposure(fip.external_ip.into(), kind, port, place, reason)
    })
}

/// The gateway that answers: the one the row names, else one on its network, there rather one with the
/// address in its subnet.
fn gateway<'a>(inputs: Inputs<'a>, fip: &Fip, router: &'a Router) -> Result<Gateway<'a>, Refusal> {
    let mut gateways = router::gateways(inputs, router);
    if let Some(named) = fip.gateway_port {
        gateways.retain(|(port, _)| port.uuid == named);
    } else if let Some(network) = &fip.network {
        gateways.retain(|(port, _)| port.network.as_ref() == Some(network));
    }
    let covers = |port: &RouterPort| port.networks.iter().any(|n| n.contains(&fip.external_ip));
    if gateways.iter().any(|(port, _)| covers(port)) {
        gateways.retain(|(port, _)| covers(port));
    }
    router::first_here(gateways, || {
        let network = fip.network.as_deref().unwrap_or("any");
        format!(
            "Logical_Router {} has no gateway port on its network ({network})",
            router.name
        )
    })
}
