//! Hosts of tenant networks, one by one, through the gateways of the routers they are connected to.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::interface::{self, Interface};
use super::{Inputs, Refusal, exposure, place};
use crate::exposure::{Code, Exposure, Kind, Reason, TenantExposure};
use crate::ovn::northbound::SwitchPort;

/// Decides about one address of a port, once for each router interface whose subnet it is in.
pub(super) fn decide<'a>(
    inputs: Inputs<'a>,
    port: &'a SwitchPort,
    network: &'a str,
    ip: IpAddr,
) -> impl Iterator<Item = Result<Exposure, Refusal>> + use<'a> {
    interface::on(inputs, network)
        .filter_map(move |interface| Some((interface, interface.covering(ip)?)))
        .map(move |(interface, covering)| host(inputs, port, interface, ip, covering))
}

/// Why an address that no router interface covers is not exposed.
pub(super) fn not_routed(inputs: Inputs<'_>, network: &str) -> Refusal {
    if inputs.options.tenants == TenantExposure::Nothing {
        let why =
            format!("network {network} has no localnet port, and expose_tenant_networks is off");
        return (Code::TenantNetworksDisabled, why);
    }
    let why = format!("no router interface of network {network} has a subnet with this address");
    (Code::NotRouted, why)
}

fn host(
    inputs: Inputs<'_>,
    port: &SwitchPort,
    interface: Interface<'_>,
    ip: IpAddr,
    covering: IpNet,
) -> Result<Exposure, Refusal> {
    let way = interface.admit(inputs, ip.into(), ip)?;
    if !inputs.options.hosts() {
        return Err(subnet_advertised());
    }
    place::up(inputs, port).map_err(|absent| (absent.code(), absent.to_string()))?;
    let reason = Reason::TenantBehindGateway {
        port: port.name.clone(),
        lrp: way.gateway.port.name.clone(),
    };
    Ok(Exposure {
        via: Some(way.via),
        mac: Some(way.gateway.port.mac),
        subnet: Some(covering.trunc()),
        ..exposure(
            ip.into(),
            Kind::Tenant,
            &port.name,
            (way.gateway.network, way.gateway.site),
            reason,
        )
    })
}

/// The subnet stands for all that is in it.
pub(super) fn subnet_advertised() -> Refusal {
    let why = "advertisement_method_tenant_networks is subnet";
    (Code::SubnetAdvertised, why.to_owned())
}

/// One exposure for each router, however many of its interfaces have the address in a subnet.
pub(super) fn once(mut exposures: Vec<Exposure>) -> Vec<Arc<Exposure>> {
    exposures.sort();
    exposures.dedup_by(|a, b| a.reason == b.reason && a.prefix == b.prefix);
    exposures.into_iter().map(Arc::new).collect()
}
