//! The way into what is behind a router: through one of its gateways that this chassis hosts.

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
pub(in crate::exposure) struct Host {
    /// The provider switch.
    pub(in crate::exposure) switch: Uuid,
    pub(in crate::exposure) network: Arc<str>,
    pub(in crate::exposure) attachment: Attachment,
}

/// Where a gateway is attached here; else why it is not.
pub(in crate::exposure) fn hosted(inputs: Inputs<'_>, gateway: &Gateway<'_>) -> Result<Host, Why> {
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
pub(in crate::exposure) struct Way<'a> {
    /// The gateway's router port.
    pub(in crate::exposure) lrp: &'a Arc<str>,
    pub(in crate::exposure) network: Arc<str>,
    pub(in crate::exposure) attachment: Attachment,
    /// Next hop, of the prefix's family.
    pub(in crate::exposure) via: IpAddr,
    /// The gateway's.
    pub(in crate::exposure) mac: MacAddr,
}

/// The way to a prefix behind a router interface: through the first of the router's gateways here, by
/// name, that has an address of the prefix's family; else why there is none.
pub(in crate::exposure) fn way<'a>(
    inputs: Inputs<'a>,
    interface: &Interface<'_>,
    prefix: IpNet,
) -> Result<Way<'a>, Why> {
    admit(inputs, interface, prefix)?;
    let gateways = inputs.southbound.gateways(interface.router);
    let way = first(gateways, |gateway| through(inputs, gateway, prefix));
    way.unwrap_or_else(|| Err(no_gateway(inputs, interface.router)))
}

/// What to say of a router without gateway.
pub(in crate::exposure) fn no_gateway(inputs: Inputs<'_>, router: Uuid) -> Why {
    let router = inputs.southbound.network_name(router);
    (
        Code::NoGateway,
        format!("router {router} has no gateway port"),
    )
}

/// The first gateway, by name, for which there is an answer; else why there is none for the first that
/// is here, or for any. `None` without gateways.
pub(in crate::exposure) fn first<'a, T>(
    gateways: impl Iterator<Item = Gateway<'a>>,
    answer: impl Fn(&Gateway<'a>) -> Result<T, Why>,
) -> Option<Result<T, Why>> {
    let mut gateways: Vec<_> = gateways.collect();
    gateways.sort_by_key(|gateway| gateway.lrp);
    let mut refusals = Vec::new();
    for gateway in &gateways {
        match answer(gateway) {
            Ok(answer) => return Some(Ok(answer)),
            Err((code, why)) => refusals.push((behind(code), why)),
        }
    }
    let here = |(code, _): &Why| *code != Code::GatewayElsewhere;
    let told = refusals.iter().position(here).unwrap_or_default();
    refusals.into_iter().nth(told).map(Err)
}

/// What it means for those behind a gateway that it is not here.
fn behind(code: Code) -> Code {
    match code {
        Code::ElsewhereBound | Code::NotBound => Code::GatewayElsewhere,
        Code::PhysicalNetworkNotMapped => Code::NoGateway,
        other => other,
    }
}

/// Whether the options admit a prefix behind an interface.
fn admit(inputs: Inputs<'_>, interface: &Interface<'_>, prefix: IpNet) -> Result<(), Why> {
    let scopes = interface.scopes().cloned().unwrap_or_default();
    let admitted = inputs.options.admit(prefix, &scopes);
    admitted.map_err(|(code, why)| (code, format!("{}: {why}", interface.port.logical_port)))
}

fn through<'a>(inputs: Inputs<'a>, gateway: &Gateway<'a>, prefix: IpNet) -> Result<Way<'a>, Why> {
    enter(gateway, hosted(inputs, gateway)?, prefix)
}

/// The way through a gateway that is attached here; else why it leads nowhere.
pub(in crate::exposure) fn enter<'a>(
    gateway: &Gateway<'a>,
    host: Host,
    prefix: IpNet,
) -> Result<Way<'a>, Why> {
    let (via, mac) = answering(gateway, prefix).ok_or_else(|| {
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
