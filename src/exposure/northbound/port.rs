//! Ports of provider networks.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::place::{self, Absent, Place};
use super::{Inputs, Verdict, fip, proxied};
use crate::exposure::{
    Attachment, Attributes, Code, Exposure, Kind, Reason, Withheld, is_routable,
};
use crate::mac::MacAddr;
use crate::ovn::northbound::{PortKind, SwitchPort};

/// Decides about a switch port's own addresses and its floating IPs.
pub(super) fn decide(inputs: Inputs<'_>, port: &SwitchPort, verdict: &mut Verdict) {
    match &port.kind {
        PortKind::Vif | PortKind::Virtual => {
            let here = place::here(inputs, port);
            own_addresses(inputs, port, &here, verdict);
            fip::decide(inputs, port, &here, verdict);
        }
        PortKind::Other(kind) if &**kind == "external" => {
            withhold(port, Kind::Provider, Code::NotSupported, verdict, || {
                "type is external: its traffic does not pass through OVN on any node".to_owned()
            });
        }
        PortKind::Localnet | PortKind::Router | PortKind::Other(_) => {}
    }
}

fn own_addresses(
    inputs: Inputs<'_>,
    port: &SwitchPort,
    here: &Result<Arc<str>, Absent>,
    verdict: &mut Verdict,
) {
    if here.is_err() && verdict.withheld.is_none() {
        return;
    }
    let Some(network) = inputs.northbound.network_of(port) else {
        return;
    };
    let (kind, code) = match (place::network(inputs, network), here) {
        (Place::Attached(attachment), Ok(host)) => {
            return expose(inputs, port, network, &attachment, host, verdict);
        }
        (Place::Tenant, _) => (Kind::Tenant, Code::TenantNetworksDisabled),
        (_, Err(absent)) => (Kind::Provider, absent.code()),
        (Place::NotMapped, Ok(_)) => (Kind::Provider, Code::PhysicalNetworkNotMapped),
    };
    withhold(port, kind, code, verdict, || match (code, here) {
        (Code::TenantNetworksDisabled, _) => {
            format!("network {network} has no localnet port, and expose_tenant_networks is off")
        }
        (_, Err(absent)) => absent.to_string(),
        (_, Ok(_)) => place::not_mapped(inputs, network),
    });
}

fn expose(
    inputs: Inputs<'_>,
    port: &SwitchPort,
    network: &Arc<str>,
    attachment: &Attachment,
    host: &Arc<str>,
    verdict: &mut Verdict,
) {
    let proxied = proxied::of(inputs.northbound, network, &port.cidrs);
    for (ip, mac) in addresses(port) {
        verdict.expose(Exposure {
            prefix: IpNet::from(ip),
            kind: Kind::Provider,
            port: port.name.clone(),
            network: network.clone(),
            attachment: Some(attachment.clone()),
            vni: None,
            via: None,
            subnet: None,
            next_hop: None,
            // A virtual port's address is answered for by whichever parent holds it, with the
            // parent's MAC: OVN drops frames to the virtual port's own.
            mac: (port.kind != PortKind::Virtual).then_some(mac),
            proxied: match ip {
                IpAddr::V4(_) => proxied::none(),
                IpAddr::V6(_) => proxied.clone(),
            },
            attributes: Attributes::default(),
            reason: Reason::PortHere {
                port: port.name.clone(),
                host: host.clone(),
            },
        });
    }
}

/// A port's addresses that can be routed to, each once, with the MAC of its first entry.
fn addresses(port: &SwitchPort) -> Vec<(IpAddr, MacAddr)> {
    let mut addresses: Vec<(IpAddr, _)> = Vec::new();
    for (ip, mac) in port.ips() {
        let known = addresses.iter().any(|(other, _)| *other == ip);
        if !known && is_routable(ip) {
            addresses.push((ip, mac));
        }
    }
    addresses
}

fn withhold(
    port: &SwitchPort,
    kind: Kind,
    code: Code,
    verdict: &mut Verdict,
    why: impl Fn() -> String,
) {
    for (ip, _) in addresses(port) {
        verdict.withhold(|| Withheld {
            prefix: IpNet::from(ip),
            kind,
            port: port.name.clone(),
            code,
            reason: format!("Logical_Switch_Port {}: {}", port.name, why()),
        });
    }
}
