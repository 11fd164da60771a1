//! What the ports of a network in a VNI are told is their router: with BGP to the host that is this node, wherever
//! something of the network is. All nodes advertise it, and each answers its own ports.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::place::{self, Place, Site};
use super::{Inputs, Verdict, exposure};
use crate::exposure::policy::northbound::{Decided, rule};
use crate::exposure::{Code, Kind, Layer, Reason, Withheld, is_routable};
use crate::ovn::northbound::SwitchPort;

/// Decides about the router addresses of a network of which something is exposed here.
pub(super) fn decide(inputs: Inputs<'_>, network: &Arc<str>, verdict: &mut Verdict) {
    let Place::Attached(site) = place::network(inputs, network) else {
        return;
    };
    if site.vni.is_none() || site.layer != Layer::Routed {
        return;
    }
    let from = verdict.exposures.len();
    let mut known = BTreeSet::new();
    for (dhcp, ip) in told(inputs, network) {
        if !known.insert(ip) {
            continue;
        }
        match owner(inputs, network, ip) {
            None => expose(network, &site, dhcp, ip, verdict),
            Some(port) => verdict.withhold(|| Withheld {
                prefix: IpNet::from(ip),
                kind: Kind::Gateway,
                port: port.name.clone(),
                code: Code::AddressTaken,
                reason: format!(
                    "Logical_Switch_Port {}: a router has the address that DHCP_Options {dhcp} tells ports on {network} \
                     is their router",
                    port.name
                ),
            }),
        }
    }
    let Verdict {
        exposures,
        withheld,
        ..
    } = verdict;
    rule(inputs, Decided::Network, exposures, from, withheld);
}

/// The router addresses that this node is to have on a network.
pub(super) fn addresses(inputs: Inputs<'_>, network: &str) -> BTreeSet<IpAddr> {
    let told = told(inputs, network).map(|(_, ip)| ip);
    told.filter(|ip| owner(inputs, network, *ip).is_none())
        .collect()
}

fn expose(network: &Arc<str>, site: &Site, dhcp: Uuid, ip: IpAddr, verdict: &mut Verdict) {
    let reason = Reason::RouterOfPorts {
        network: network.clone(),
        dhcp,
    };
    let place = (network, site.clone());
    let port = &site.attachment.localnet;
    verdict.expose(exposure(ip.into(), Kind::Gateway, port, place, reason));
}

/// Each with the row that says it, in the order of the rows' ids.
fn told<'a>(inputs: Inputs<'a>, network: &str) -> impl Iterator<Item = (Uuid, IpAddr)> + use<'a> {
    let rows: Vec<_> = inputs.northbound.dhcp_of(network).collect();
    let told = rows
        .into_iter()
        .flat_map(|row| row.routers().map(|ip| (row.uuid, ip)));
    told.filter(|(_, ip)| is_routable(*ip))
}

/// A router of OVN that answers for the address on the network. What the switch's side of its interface says is
/// there wherever ports of the network are followed.
fn owner<'a>(inputs: Inputs<'a>, network: &str, ip: IpAddr) -> Option<&'a Arc<SwitchPort>> {
    let mut interfaces = inputs.northbound.interfaces(network);
    interfaces.find(|port| port.cidrs.iter().any(|cidr| cidr.addr() == ip))
}
