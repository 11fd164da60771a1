//! Neutron's port forwardings: floating IPs of which the router's gateway forwards some ports.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::router::{self, Gateway};
use super::{Inputs, Refusal, Verdict, balancer, exposure};
use crate::exposure::{Code, Exposure, Kind, Reason, Withheld, is_routable};
use crate::ovn::northbound::{Balancer, Router};

/// Decides about the floating IPs of a `pf-floatingip-…` row of `Load_Balancer`.
pub(super) fn decide(
    inputs: Inputs<'_>,
    row: &Balancer,
    router: Option<&Arc<str>>,
    verdict: &mut Verdict,
) {
    for fip in row.addresses().into_iter().filter(|ip| is_routable(*ip)) {
        match forwarded(inputs, row, router, fip) {
            Ok(exposure) => verdict.expose(exposure),
            Err((code, why)) => verdict.withhold(|| Withheld {
                prefix: IpNet::from(fip),
                kind: Kind::PortForwarding,
                port: row.name.clone(),
                code,
                reason: format!("Load_Balancer {}: {why}", balancer::label(row)),
            }),
        }
    }
}

fn forwarded(
    inputs: Inputs<'_>,
    row: &Balancer,
    router: Option<&Arc<str>>,
    fip: IpAddr,
) -> Result<Exposure, Refusal> {
    let key = "external_ids:neutron:router_name";
    let id = router.ok_or_else(|| (Code::NotRouted, format!("{key} is not set")))?;
    let router = inputs.northbound.router_by_id(id).ok_or_else(|| {
        let why = format!("{key} is {id}, and there is no such router");
        (Code::NotRouted, why)
    })?;
    router::enabled(router)?;
    let gateway = gateway(inputs, router, fip)?;
    let lrp = &gateway.port.name;
    let reason = Reason::ForwardedByGateway {
        balancer: balancer::label(row),
        lrp: lrp.clone(),
    };
    let mac = gateway.mac_if_stretched();
    let place = (gateway.network, gateway.site);
    Ok(Exposure {
        mac,
        ..exposure(fip.into(), Kind::PortForwarding, lrp, place, reason)
    })
}

/// A gateway with the address in its subnet; where there is none, any: the floating IP may be of another
/// subnet of the network.
fn gateway<'a>(
    inputs: Inputs<'a>,
    router: &'a Router,
    fip: IpAddr,
) -> Result<Gateway<'a>, Refusal> {
    let mut gateways = router::gateways(inputs, router);
    let covers = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&fip));
    if gateways.iter().any(|(port, _)| covers(&port.networks)) {
        gateways.retain(|(port, _)| covers(&port.networks));
    }
    router::first_here(gateways, || {
        format!("Logical_Router {} has no gateway port", router.name)
    })
}
