//! Subnets of tenant networks, where those are advertised in place of their hosts.

use ipnet::IpNet;

use super::{Inputs, Verdict, on_link, router};
use crate::exposure::{Exposure, Kind, Reason, Withheld, is_routable};
use crate::ovn::southbound::{Interface, PortBinding};

/// Decides about the networks of a router's port, if that is an interface.
pub(super) fn decide(inputs: Inputs<'_>, port: &PortBinding, verdict: &mut Verdict) {
    if inputs.options.hosts() {
        return;
    }
    let Some(interface) = inputs.southbound.interface(port) else {
        return;
    };
    for net in interface.nets().filter(|net| is_routable(net.addr())) {
        one(inputs, &interface, net.trunc(), verdict);
    }
}

fn one(inputs: Inputs<'_>, interface: &Interface<'_>, prefix: IpNet, verdict: &mut Verdict) {
    let name = &interface.port.logical_port;
    match router::way(inputs, interface, prefix) {
        Ok(way) => {
            let reason = Reason::SubnetBehindGateway {
                interface: name.clone(),
                lrp: way.lrp.clone(),
            };
            verdict.expose(Exposure {
                via: Some(way.via),
                mac: Some(way.mac),
                subnet: Some(prefix),
                ..on_link(
                    prefix,
                    Kind::Subnet,
                    name,
                    way.network,
                    way.attachment,
                    reason,
                )
            });
        }
        Err((code, reason)) => verdict.withhold(|| Withheld {
            prefix,
            kind: Kind::Subnet,
            port: name.clone(),
            code,
            reason,
        }),
    }
}
