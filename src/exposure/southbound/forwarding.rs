//! Floating IPs whose ports are forwarded: Neutron makes a load balancer per floating IP and protocol
//! of them, on the router that forwards.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Inputs, Verdict, Why, balancer, on_link, router};
use crate::exposure::{Code, Exposure, Kind, Reason, Withheld};
use crate::ovn::southbound::{Gateway, LoadBalancer};

/// How Neutron names them.
pub(super) const PREFIX: &str = "pf-floatingip-";

/// Decides about the floating IPs of such a load balancer, over all its rows.
pub(super) fn decide(inputs: Inputs<'_>, name: &str, verdict: &mut Verdict) {
    let rows: Vec<_> = inputs.southbound.balancers_named(name).collect();
    for address in balancer::addresses(&rows) {
        let decided = gateways(inputs, &rows, address).and_then(|gateways| {
            let gateways = gateways.into_iter();
            let first = router::first(gateways, |gateway| {
                on_gateway(inputs, name, gateway, address)
            });
            let none = || Err((Code::NoGateway, "its router has no gateway port".to_owned()));
            first.unwrap_or_else(none)
        });
        match decided {
            Ok(exposure) => verdict.expose(exposure),
            Err((code, why)) => verdict.withhold(|| Withheld {
                prefix: IpNet::from(address),
                kind: Kind::PortForwarding,
                port: name.into(),
                code,
                reason: format!("Load_Balancer {name}: {why}"),
            }),
        }
    }
}

/// The gateways that may answer for the address: of several, those on its network.
fn gateways<'a>(
    inputs: Inputs<'a>,
    rows: &[&Arc<LoadBalancer>],
    address: IpAddr,
) -> Result<Vec<Gateway<'a>>, Why> {
    let sb = inputs.southbound;
    let routers = balancer::routers(sb, rows, None);
    if routers.is_empty() {
        return Err((Code::NotRouted, "it is on no router".to_owned()));
    }
    let gateways = routers.iter().flat_map(|router| sb.gateways(*router));
    let mut gateways: Vec<_> = gateways.collect();
    let on_its_network =
        |gateway: &Gateway<'_>| gateway.nets().any(|(net, _)| net.contains(&address));
    if gateways.iter().any(on_its_network) {
        gateways.retain(on_its_network);
    }
    Ok(gateways)
}

fn on_gateway(
    inputs: Inputs<'_>,
    name: &str,
    gateway: &Gateway<'_>,
    address: IpAddr,
) -> Result<Exposure, Why> {
    let host = router::hosted(inputs, gateway)?;
    let reason = Reason::ForwardedByGateway {
        balancer: name.into(),
        lrp: gateway.lrp.clone(),
    };
    Ok(on_link(
        address.into(),
        Kind::PortForwarding,
        gateway.lrp,
        host.network,
        host.attachment,
        reason,
    ))
}
