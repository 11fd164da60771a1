//! Gateway ports (cr-lrp): a router's addresses on a provider network, on the chassis that hosts it.

use ipnet::IpNet;

use super::router::{self, Host};
use super::{Inputs, Verdict, on_link, proxied};
use crate::exposure::{Exposure, Kind, Reason, Withheld, is_routable};
use crate::ovn::southbound::{Gateway, PortBinding};

/// Decides about the addresses of a chassis-redirect port, if it is a router's.
pub(super) fn decide(inputs: Inputs<'_>, redirect: &PortBinding, verdict: &mut Verdict) {
    let Some(gateway) = inputs.southbound.gateway(redirect) else {
        return;
    };
    match router::hosted(inputs, &gateway) {
        Ok(host) => expose(inputs, &gateway, &host, verdict),
        Err((code, why)) => {
            for net in nets(&gateway) {
                verdict.withhold(|| Withheld {
                    prefix: IpNet::from(net.addr()),
                    kind: Kind::Gateway,
                    port: gateway.lrp.clone(),
                    code,
                    reason: why.clone(),
                });
            }
        }
    }
}

fn expose(inputs: Inputs<'_>, gateway: &Gateway<'_>, host: &Host, verdict: &mut Verdict) {
    for (net, mac) in gateway.nets().filter(|(net, _)| is_routable(net.addr())) {
        let reason = Reason::GatewayHere {
            lrp: gateway.lrp.clone(),
            chassis: inputs.node.chassis.clone(),
        };
        verdict.expose(Exposure {
            mac: Some(mac),
            proxied: proxied::for_address(net.addr(), inputs, host.switch, nets(gateway)),
            ..on_link(
                net.addr().into(),
                Kind::Gateway,
                gateway.lrp,
                host.network.clone(),
                host.attachment.clone(),
                reason,
            )
        });
    }
}

fn nets<'a>(gateway: &Gateway<'a>) -> impl Iterator<Item = IpNet> + use<'a> {
    let nets = gateway.nets().map(|(net, _)| net);
    nets.filter(|net| is_routable(net.addr()))
}
