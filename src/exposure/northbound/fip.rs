//! Floating IPs. The NAT rows decide: Neutron keeps but one of a port's floating IPs in its
//! `neutron:port_fip`, and clears that when any is deleted.

use std::sync::Arc;

use ipnet::IpNet;

use super::place::{self, Place};
use super::{Inputs, Refusal, Verdict, exposure, fip_on_gateway, router};
use crate::exposure::{Code, Exposure, Kind, Reason, Withheld};
use crate::ovn::northbound::{Fip, FipMode, SwitchPort};

/// Decides about a floating IP.
pub(super) fn decide(inputs: Inputs<'_>, fip: &Fip, verdict: &mut Verdict) {
    let (kind, decided) = answered(inputs, fip);
    match decided {
        Ok(exposure) => verdict.expose(exposure),
        Err((code, why)) => verdict.withhold(|| Withheld {
            prefix: IpNet::from(fip.external_ip),
            kind,
            port: fip.logical_port.clone().unwrap_or_default(),
            code,
            reason: format!("NAT {}: {why}", fip.uuid),
        }),
    }
}

/// Who answers for it: the gateway, or the chassis of the VM.
fn answered(inputs: Inputs<'_>, fip: &Fip) -> (Kind, Result<Exposure, Refusal>) {
    let nb = inputs.northbound;
    let on_gateway = |kind| (kind, fip_on_gateway::exposure_of(inputs, fip, kind));
    // Neutron clears logical_port for members of a load balancer.
    let Some(name) = &fip.logical_port else {
        return on_gateway(Kind::Fip);
    };
    let port = nb.port_named(name);
    let balanced = nb.balancers_of_port(name).next().is_some();
    if balanced || port.is_some_and(|port| port.is_vip) {
        let served = nb
            .balancers_of_port(name)
            .any(|b| b.serves(fip.external_ip));
        return match served {
            true => on_gateway(Kind::LbFip),
            false => (Kind::LbFip, Err(not_served(name))),
        };
    }
    if nb.fip_mode() == FipMode::Centralised {
        return on_gateway(Kind::Fip);
    }
    let decided = match port {
        Some(port) => distributed(inputs, fip, port),
        None => {
            let why = format!("logical_port is {name}, and there is no such port");
            Err((Code::NotBound, why))
        }
    };
    (Kind::Fip, decided)
}

fn not_served(port: &str) -> Refusal {
    let why = format!(
        "no Load_Balancer with neutron:vip_port_id {port} has it among its vips: it is disabled, or \
         has no listener"
    );
    (Code::BalancerDisabled, why)
}

/// On the chassis of the VM.
fn distributed(inputs: Inputs<'_>, fip: &Fip, port: &SwitchPort) -> Result<Exposure, Refusal> {
    let nb = inputs.northbound;
    let host = place::here(inputs, port).map_err(|absent| {
        let why = format!("Logical_Switch_Port {}: {absent}", port.name);
        (absent.code(), why)
    })?;
    if let Some(router) = nb.router_of_nat(fip.uuid) {
        router::enabled(router)?;
    }
    let mac = fip.external_mac.ok_or_else(|| {
        let why = "external_mac is not set: Neutron sets it once the VM is up";
        (Code::FipWithoutMac, why.to_owned())
    })?;
    let key = "external_ids:neutron:fip_network_id";
    let network = fip.network.as_ref();
    let network = network.ok_or_else(|| (Code::FipWithoutNetwork, format!("{key} is not set")))?;
    let site = match place::network(inputs, network) {
        Place::Attached(site) => site,
        Place::Refused(refusal) => return Err(refusal),
        Place::NotMapped => {
            let why = place::not_mapped(inputs, network);
            return Err((Code::PhysicalNetworkNotMapped, why));
        }
        Place::Tenant => {
            let why = format!("{key}: {network} has no localnet port");
            return Err((Code::FipWithoutNetwork, why));
        }
    };
    let reason = Reason::FipOfPortHere {
        nat: fip.uuid,
        port: port.name.clone(),
        host: Arc::clone(&host),
    };
    let prefix = IpNet::from(fip.external_ip);
    let place = (network, site);
    Ok(Exposure {
        mac: Some(mac),
        ..exposure(prefix, Kind::Fip, &port.name, place, reason)
    })
}
