//! Distributed floating IPs. The NAT rows decide, all of those that name the port: Neutron keeps but
//! one of them in the port's `neutron:port_fip`, and clears that when any is deleted.

use std::sync::Arc;

use ipnet::IpNet;

use super::place::{self, Absent, Place};
use super::{Inputs, Verdict, proxied};
use crate::exposure::{Attributes, Code, Exposure, Kind, Reason, Withheld};
use crate::ovn::northbound::{FipMode, Nat, SwitchPort};

/// Decides about the floating IPs of a port.
pub(super) fn decide(
    inputs: Inputs<'_>,
    port: &SwitchPort,
    here: &Result<Arc<str>, Absent>,
    verdict: &mut Verdict,
) {
    if here.is_err() && verdict.withheld.is_none() {
        return;
    }
    for nat in inputs.northbound.nats_of_port(&port.name) {
        match exposure(inputs, port, here, nat) {
            Ok(exposure) => verdict.expose(exposure),
            Err((code, why)) => withhold(nat, &port.name, code, verdict, || why),
        }
    }
}

/// Candidates that no port accounts for: without `logical_port`, or with one that is not there.
pub(super) fn without_port(inputs: Inputs<'_>, nat: &Nat, verdict: &mut Verdict) {
    match &nat.logical_port {
        Some(name) if inputs.northbound.port_named(name).is_some() => {}
        Some(name) => withhold(nat, name, Code::NotBound, verdict, || {
            format!("logical_port is {name}, and there is no such port")
        }),
        None => withhold(nat, "", Code::NotSupported, verdict, || {
            "logical_port is not set: floating IPs on the gateway are not supported yet".to_owned()
        }),
    }
}

fn exposure(
    inputs: Inputs<'_>,
    port: &SwitchPort,
    here: &Result<Arc<str>, Absent>,
    nat: &Nat,
) -> Result<Exposure, (Code, String)> {
    let nb = inputs.northbound;
    let withheld = |code, why: &str| (code, why.to_owned());
    if nb.fip_mode() == FipMode::Centralised {
        let why = "NB_Global.external_ids:neutron:fip-distributed is not True: centralised \
                   floating IPs are not supported yet";
        return Err(withheld(Code::NotSupported, why));
    }
    let host = here.as_ref().map_err(|absent| {
        let why = format!("Logical_Switch_Port {}: {absent}", port.name);
        (absent.code(), why)
    })?;
    if let Some(router) = nb.router_of_nat(nat.uuid).filter(|router| !router.enabled) {
        let why = format!("Logical_Router {}: enabled is false", router.name);
        return Err((Code::RouterDisabled, why));
    }
    let mac = nat.external_mac.ok_or_else(|| {
        let why = "external_mac is not set: Neutron sets it once the VM is up";
        withheld(Code::FipWithoutMac, why)
    })?;
    let key = "external_ids:neutron:fip_network_id";
    let network = nat.network.as_ref();
    let network =
        network.ok_or_else(|| withheld(Code::FipWithoutNetwork, &format!("{key} is not set")))?;
    let attachment = match place::network(inputs, network) {
        Place::Attached(attachment) => attachment,
        Place::NotMapped => {
            let why = place::not_mapped(inputs, network);
            return Err((Code::PhysicalNetworkNotMapped, why));
        }
        Place::Tenant => {
            let why = format!("{key}: {network} has no localnet port");
            return Err((Code::FipWithoutNetwork, why));
        }
    };
    Ok(Exposure {
        prefix: IpNet::from(nat.external_ip),
        kind: Kind::Fip,
        port: port.name.clone(),
        network: network.clone(),
        attachment: Some(attachment),
        vni: None,
        via: None,
        subnet: None,
        next_hop: None,
        mac: Some(mac),
        proxied: proxied::none(),
        attributes: Attributes::default(),
        reason: Reason::FipOfPortHere {
            nat: nat.uuid,
            port: port.name.clone(),
            host: host.clone(),
        },
    })
}

fn withhold(
    nat: &Nat,
    port: &str,
    code: Code,
    verdict: &mut Verdict,
    why: impl FnOnce() -> String,
) {
    verdict.withhold(|| Withheld {
        prefix: IpNet::from(nat.external_ip),
        kind: Kind::Fip,
        port: port.into(),
        code,
        reason: format!("NAT {}: {}", nat.uuid, why()),
    });
}
