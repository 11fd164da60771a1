//! Ways into what is behind a router: through each of its gateways that this chassis hosts.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::place::{self, Place};
use super::{Inputs, Why};
use crate::exposure::{Attachment, Code, is_routable};
use crate::mac::MacAddr;
use crate::ovn::southbound::{Gateway, Interface};

/// Where a gateway that this chassis hosts is attached.
pub(super) struct Host {
    /// The provider switch.
    pub(super) switch: Uuid,
    pub(super) network: Arc<str>,
    pub(super) attachment: Attachment,
}

/// Where a gateway is attached here; else why it is not.
pub(super) fn hosted(inputs: Inputs<'_>, gateway: &Gateway<'_>) -> Result<Host, Why> {
    let sb = inputs.southbound;
    let name = &gateway.redirect.logical_port;
    // `up` does not count: the chassis that has claimed a gateway answers for it from then on.
    let because = |code, why: String| (code, format!("Port_Binding {name}: {why}"));
    let Some(chassis) = sb.chassis_name(gateway.redirect) else {
        return Err(because(Code::NotBound, "chassis is not set".to_owned()));
    };
    if *chassis != inputs.node.chassis {
        let why = format!("chassis is {chassis}");
        return Err(because(Code::ElsewhereBound, why));
    }
    let Some(switch) = gateway.switch() else {
        let why = format!("there is no switch port whose peer is {}", gateway.lrp);
        return Err(because(Code::PhysicalNetworkNotMapped, why));
    };
    let network = sb.network_name(switch);
    match place::network(inputs, switch) {
        Place::Attached(attachment) => Ok(Host {
            switch,
            network,
            attachment,
        }),
        Place::NotMapped => Err(place::not_mapped(inputs, switch)),
        Place::Tenant => {
            let why = format!("network {network} has no localnet port");
            Err(because(Code::PhysicalNetworkNotMapped, why))
        }
    }
}

/// A way into a tenant network.
pub(super) struct Way<'a> {
    /// The gateway's router port.
    pub(super) lrp: &'a Arc<str>,
    pub(super) network: Arc<str>,
    pub(super) attachment: Attachment,
    /// Next hop, of the prefix's family.
    pub(super) via: IpAddr,
    /// The gateway's.
    pub(super) mac: MacAddr,
}

/// The ways to a prefix behind a router interface, one for each gateway of the router that is here;
/// else why there is none.
pub(super) fn ways<'a>(
    inputs: Inputs<'a>,
    interface: &Interface<'_>,
    prefix: IpNet,
) -> Result<Vec<Way<'a>>, Why> {
    admit(inputs, interface, prefix)?;
    let mut ways = Vec::new();
    let mut obstacle = None;
    for gateway in inputs.southbound.gateways(interface.router) {
        match way(inputs, gateway, prefix) {
            Ok(way) => ways.push(way),
            // What keeps a gateway that is here says more than that another is elsewhere.
            Err(why) => {
                if obstacle.is_none() || why.0 != Code::GatewayElsewhere {
                    obstacle = Some(why);
                }
            }
        }
    }
    if !ways.is_empty() {
        return Ok(ways);
    }
    Err(obstacle.unwrap_or_else(|| {
        let router = inputs.southbound.network_name(interface.router);
        (
            Code::NoGateway,
            format!("router {router} has no gateway port"),
        )
    }))
}

/// Whether the options admit a prefix behind an interface.
fn admit(inputs: Inputs<'_>, interface: &Interface<'_>, prefix: IpNet) -> Result<(), Why> {
    let scopes = interface.scopes().cloned().unwrap_or_default();
    let admitted = inputs.options.admit(prefix, &scopes);
    admitted.map_err(|(code, why)| (code, format!("{}: {why}", interface.port.logical_port)))
}

fn way<'a>(inputs: Inputs<'a>, gateway: Gateway<'a>, prefix: IpNet) -> Result<Way<'a>, Why> {
    let host = hosted(inputs, &gateway).map_err(|(code, why)| match code {
        Code::ElsewhereBound | Code::NotBound => (Code::GatewayElsewhere, why),
        _ => (code, why),
    })?;
    let (via, mac) = answering(&gateway, prefix).ok_or_else(|| {
        let why = format!("gateway port {} has no address of its family", gateway.lrp);
        (Code::NoNextHop, why)
    })?;
    Ok(Way {
        lrp: gateway.lrp,
        network: host.network,
        attachment: host.attachment,
        via,
        mac,
    })
}

/// The gateway's first address of the prefix's family, and the MAC that answers for it.
fn answering(gateway: &Gateway<'_>, prefix: IpNet) -> Option<(IpAddr, MacAddr)> {
    let addresses = gateway.nets().map(|(net, mac)| (net.addr(), mac));
    let mut addresses = addresses.filter(|(ip, _)| is_routable(*ip));
    addresses.find(|(ip, _)| ip.is_ipv4() == prefix.addr().is_ipv4())
}
