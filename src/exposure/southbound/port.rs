//! Ports of provider networks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::place::{self, Place};
use super::{Inputs, Verdict, Why, on_link, proxied};
use crate::exposure::{Code, Exposure, Kind, Reason, Withheld, is_routable};
use crate::ovn::southbound::PortBinding;

/// Decides about a port's addresses on a provider network.
pub(super) fn decide(inputs: Inputs<'_>, port: &PortBinding, verdict: &mut Verdict) {
    let Some(switch) = port.datapath else {
        return;
    };
    // A VIP's port is a load balancer's to decide about.
    if port.vip_of.is_some() {
        return;
    }
    let here = place::here(inputs, port);
    if here.is_err() && !verdict.explains() {
        return;
    }
    let (attachment, host) = match (place::network(inputs, switch), here) {
        (Place::Tenant, _) => return,
        (_, Err(why)) => return withhold(port, why, verdict),
        (Place::NotMapped, Ok(_)) => {
            return withhold(port, place::not_mapped(inputs, switch), verdict);
        }
        (Place::Attached(attachment), Ok(host)) => (attachment, host),
    };
    for ip in addresses(port) {
        let reason = Reason::PortHere {
            port: port.logical_port.clone(),
            host: host.clone(),
        };
        verdict.expose(Exposure {
            proxied: proxied::for_address(ip, inputs, switch, port.cidrs.iter().copied()),
            ..on_link(
                ip.into(),
                Kind::Provider,
                &port.logical_port,
                inputs.southbound.network_name(switch),
                attachment.clone(),
                reason,
            )
        });
    }
}

/// Ports of type `external`: bare metal and SR-IOV.
pub(super) fn external(port: &PortBinding, verdict: &mut Verdict) {
    let why = "type is external: its traffic does not pass through OVN on any node";
    let why = format!("Port_Binding {}: {why}", port.logical_port);
    withhold(port, (Code::NotSupported, why), verdict);
}

/// The addresses of `mac` that can be routed to, each once.
pub(super) fn addresses(port: &PortBinding) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for (net, _) in port.nets() {
        let ip = net.addr();
        if !addresses.contains(&ip) && is_routable(ip) {
            addresses.push(ip);
        }
    }
    addresses
}

fn withhold(port: &PortBinding, (code, why): Why, verdict: &mut Verdict) {
    for ip in addresses(port) {
        verdict.withhold(|| Withheld {
            prefix: IpNet::from(ip),
            kind: Kind::Provider,
            port: port.logical_port.clone(),
            code,
            reason: why.clone(),
        });
    }
}
