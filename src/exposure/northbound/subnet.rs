//! Subnets of tenant networks as a whole, with `advertisement_method_tenant_networks = subnet`; else, in the table of
//! a VNI, the addresses that routers have in them.

use ipnet::IpNet;

use super::interface::{self, Interface};
use super::router::WayIn;
use super::{Inputs, Refusal, Verdict, exposure};
use crate::exposure::{Exposure, Kind, Method, Reason, Withheld};
use crate::ovn::northbound::SwitchPort;

/// Decides about the subnets behind a port of type `router`, or about its own addresses.
pub(super) fn decide(inputs: Inputs<'_>, port: &SwitchPort, verdict: &mut Verdict) {
    let hosts = inputs.options.hosts();
    if hosts
        && !inputs
            .options
            .method
            .exposes(crate::exposure::Layer::Routed)
    {
        return;
    }
    let Some(interface) = interface::of(inputs, port) else {
        return;
    };
    for address in interface.addresses() {
        if hosts {
            own_address(inputs, interface, address, verdict);
        } else {
            subnet(inputs, interface, address, verdict);
        }
    }
}

fn subnet(inputs: Inputs<'_>, interface: Interface<'_>, address: IpNet, verdict: &mut Verdict) {
    let (subnet, name) = (address.trunc(), &interface.port.name);
    match interface.admit(inputs, subnet, address.addr()) {
        Ok(way) => {
            let reason = Reason::SubnetBehindGateway {
                interface: name.clone(),
                lrp: way.gateway.port.name.clone(),
            };
            verdict.expose(behind(
                way,
                (subnet, Kind::Subnet),
                interface,
                address,
                reason,
            ));
        }
        Err(refusal) => withhold((subnet, Kind::Subnet), interface, refusal, verdict),
    }
}

/// In a VNI the router's own address counts as a host of the subnet; in the default table nobody sends to it.
fn own_address(
    inputs: Inputs<'_>,
    interface: Interface<'_>,
    address: IpNet,
    verdict: &mut Verdict,
) {
    let (host, name) = (IpNet::from(address.addr()), &interface.port.name);
    match interface.admit(inputs, host, address.addr()) {
        Ok(way) if way.gateway.site.vni.is_some() => {
            let reason = Reason::TenantBehindGateway {
                port: name.clone(),
                lrp: way.gateway.port.name.clone(),
            };
            verdict.expose(behind(
                way,
                (host, Kind::Tenant),
                interface,
                address,
                reason,
            ));
        }
        Err(refusal) if inputs.options.method == Method::Vrf => {
            withhold((host, Kind::Tenant), interface, refusal, verdict);
        }
        Ok(_) | Err(_) => {}
    }
}

fn behind(
    way: WayIn<'_>,
    (prefix, kind): (IpNet, Kind),
    interface: Interface<'_>,
    address: IpNet,
    reason: Reason,
) -> Exposure {
    let place = (way.gateway.network, way.gateway.site);
    Exposure {
        via: Some(way.via),
        mac: Some(way.gateway.port.mac),
        subnet: Some(address.trunc()),
        ..exposure(prefix, kind, &interface.port.name, place, reason)
    }
}

fn withhold(
    (prefix, kind): (IpNet, Kind),
    interface: Interface<'_>,
    (code, reason): Refusal,
    verdict: &mut Verdict,
) {
    verdict.withhold(|| Withheld {
        prefix,
        kind,
        port: interface.port.name.clone(),
        code,
        reason,
    });
}
