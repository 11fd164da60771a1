//! Subnets of tenant networks as a whole, with `advertisement_method_tenant_networks = subnet`.

use ipnet::IpNet;

use super::interface::{self, Interface};
use super::{Inputs, Refusal, Verdict, exposure};
use crate::exposure::{Exposure, Kind, Reason, Withheld};
use crate::ovn::northbound::SwitchPort;

/// Decides about the subnets behind a port of type `router`.
pub(super) fn decide(inputs: Inputs<'_>, port: &SwitchPort, verdict: &mut Verdict) {
    if inputs.options.hosts() {
        return;
    }
    let Some(interface) = interface::of(inputs, port) else {
        return;
    };
    for address in interface.addresses() {
        match subnet(inputs, interface, address) {
            Ok(exposure) => verdict.expose(exposure),
            Err((code, why)) => verdict.withhold(|| Withheld {
                prefix: address.trunc(),
                kind: Kind::Subnet,
                port: port.name.clone(),
                code,
                reason: why,
            }),
        }
    }
}

fn subnet(
    inputs: Inputs<'_>,
    interface: Interface<'_>,
    address: IpNet,
) -> Result<Exposure, Refusal> {
    let subnet = address.trunc();
    let way = interface.admit(inputs, subnet, address.addr())?;
    let name = &interface.port.name;
    let reason = Reason::SubnetBehindGateway {
        interface: name.clone(),
        lrp: way.gateway.port.name.clone(),
    };
    let place = (way.gateway.network, way.gateway.attachment);
    Ok(Exposure {
        via: Some(way.via),
        mac: Some(way.gateway.port.mac),
        subnet: Some(subnet),
        ..exposure(subnet, Kind::Subnet, name, place, reason)
    })
}
