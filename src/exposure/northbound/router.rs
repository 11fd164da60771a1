//! Routers seen from this node: which of their gateway ports are here, and the way in through them.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::place::{self, Place, Site};
use super::{Inputs, Refusal};
use crate::exposure::{Code, is_routable};
use crate::mac::MacAddr;
use crate::ovn::northbound::{Router, RouterPort};

/// A gateway port (cr-lrp) that this chassis hosts.
#[derive(Clone)]
pub(super) struct Gateway<'a> {
    pub(super) port: &'a Arc<RouterPort>,
    /// The provider network it is on.
    pub(super) network: &'a Arc<str>,
    pub(super) site: Site,
}

impl Gateway<'_> {
    /// A stretched network has addresses by the MAC that answers for them. Elsewhere the kernel asks for that of
    /// VIPs and forwarded floating IPs.
    pub(super) fn mac_if_stretched(&self) -> Option<MacAddr> {
        self.site.is_stretched().then_some(self.port.mac)
    }
}

/// The way to what is behind a router.
pub(super) struct WayIn<'a> {
    pub(super) gateway: Gateway<'a>,
    /// The gateway's address, of the family asked for.
    pub(super) via: IpAddr,
}

/// Whether a router port is a gateway, wherever it is hosted.
pub(super) fn is_gateway(inputs: Inputs<'_>, port: &RouterPort) -> bool {
    port.is_gateway || port.hosting_chassis.is_some() || binding(inputs, port).is_some()
}

/// A gateway port, if this chassis hosts it; else why that does not count. Whether its router works is
/// for the caller to ask.
pub(super) fn hosted<'a>(
    inputs: Inputs<'a>,
    port: &'a Arc<RouterPort>,
) -> Result<Gateway<'a>, Refusal> {
    here(inputs, port)?;
    if !port.enabled {
        return Err((Code::RouterDisabled, "enabled is false".to_owned()));
    }
    let not_mapped = |why| (Code::PhysicalNetworkNotMapped, why);
    let Some(network) = &port.network else {
        let why = "external_ids:neutron:network_name is not set";
        return Err(not_mapped(why.to_owned()));
    };
    match place::network(inputs, network) {
        Place::Attached(site) => Ok(Gateway {
            port,
            network,
            site,
        }),
        Place::Refused(refusal) => Err(refusal),
        Place::NotMapped => Err(not_mapped(place::not_mapped(inputs, network))),
        Place::Tenant => Err(not_mapped(format!(
            "network {network} has no localnet port"
        ))),
    }
}

/// Nothing behind a disabled router is reached.
pub(super) fn enabled(router: &Router) -> Result<(), Refusal> {
    if router.enabled {
        return Ok(());
    }
    let why = format!("enabled of Logical_Router {} is false", router.name);
    Err((Code::RouterDisabled, why))
}

fn here(inputs: Inputs<'_>, port: &RouterPort) -> Result<(), Refusal> {
    let own = &inputs.node.chassis;
    // The Southbound database knows first; `status` is northd's copy of it.
    if let Some(chassis) = binding(inputs, port) {
        let why = |what| (Code::ElsewhereBound, what);
        return match chassis {
            Some(chassis) if chassis == own => Ok(()),
            Some(chassis) => Err(why(format!("its Port_Binding.chassis is {chassis}"))),
            None => Err((
                Code::NotBound,
                "its Port_Binding.chassis is not set".to_owned(),
            )),
        };
    }
    match &port.hosting_chassis {
        Some(chassis) if chassis == own => Ok(()),
        Some(chassis) => {
            let why = format!("status:hosting-chassis is {chassis}");
            Err((Code::ElsewhereBound, why))
        }
        None if inputs.northbound.lacks_hosting_chassis() => {
            let why = "the server has no column status, which says where a gateway is: OVN 23.09 \
                       or newer is needed";
            Err((Code::NotSupported, why.to_owned()))
        }
        None => {
            let why = "status:hosting-chassis is not set";
            Err((Code::NotBound, why.to_owned()))
        }
    }
}

/// Where SB says that a gateway port is, if it knows the port.
fn binding<'a>(inputs: Inputs<'a>, port: &RouterPort) -> Option<Option<&'a Arc<str>>> {
    let southbound = inputs.southbound?;
    let name = format!("cr-{}", port.name);
    southbound.binding_named(&name)?;
    Some(southbound.chassis_of(&name))
}

/// A router's gateway ports, by name, each with whether it is here.
pub(super) fn gateways<'a>(
    inputs: Inputs<'a>,
    router: &'a Router,
) -> Vec<(&'a Arc<RouterPort>, Result<Gateway<'a>, Refusal>)> {
    let ports = inputs.northbound.ports_of_router(router);
    let mut ports: Vec<_> = ports.filter(|port| is_gateway(inputs, port)).collect();
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    ports
        .into_iter()
        .map(|port| (port, hosted(inputs, port)))
        .collect()
}

/// The first of these gateways that is here, else why what is behind them is not reached through this
/// node. `what` says which gateways were looked for.
pub(super) fn first_here<'a>(
    gateways: Vec<(&'a Arc<RouterPort>, Result<Gateway<'a>, Refusal>)>,
    what: impl FnOnce() -> String,
) -> Result<Gateway<'a>, Refusal> {
    let mut refusal = None;
    for (port, gateway) in gateways {
        match gateway {
            Ok(gateway) => return Ok(gateway),
            Err((code, why)) => {
                refusal.get_or_insert_with(|| (behind(code), format!("{}: {why}", port.name)));
            }
        }
    }
    Err(refusal.unwrap_or_else(|| (Code::NoGateway, what())))
}

/// What it means for those behind a gateway that it is not here.
fn behind(code: Code) -> Code {
    match code {
        Code::ElsewhereBound | Code::NotBound => Code::GatewayElsewhere,
        Code::PhysicalNetworkNotMapped => Code::NoGateway,
        other => other,
    }
}

/// The way to a prefix behind a router, through one of its gateways here that has an address of the
/// prefix's family.
pub(super) fn way_in<'a>(
    inputs: Inputs<'a>,
    router: &'a Router,
    prefix: IpNet,
) -> Result<WayIn<'a>, Refusal> {
    enabled(router)?;
    let gateways = gateways(inputs, router).into_iter();
    let gateways: Vec<_> = gateways
        .map(|(port, gateway)| (port, gateway.and_then(routed)))
        .collect();
    let here = gateways
        .iter()
        .filter_map(|(_, gateway)| gateway.as_ref().ok());
    if let Some((gateway, via)) = next_hop(inputs, router, prefix, here) {
        let gateway = gateway.clone();
        return Ok(WayIn { gateway, via });
    }
    let gateway = first_here(gateways, || {
        format!("Logical_Router {} has no gateway port", router.name)
    })?;
    let why = format!(
        "gateway port {} has no address of this family to be the next hop",
        gateway.port.name
    );
    Err((Code::NoNextHop, why))
}

/// A stretched network has hosts and no routes: what is behind a gateway on it is the tenant's own affair.
fn routed(gateway: Gateway<'_>) -> Result<Gateway<'_>, Refusal> {
    if !gateway.site.is_stretched() {
        return Ok(gateway);
    }
    let why = format!(
        "its network {} is stretched (neutron_bgpvpn:type is l2): what is behind routers on it has no MAC address there",
        gateway.network
    );
    Err((Code::BehindStretched, why))
}

/// The gateway address that is on the link of the router's default route, else the first: a router with
/// several answers where it also sends.
fn next_hop<'a, 'g>(
    inputs: Inputs<'_>,
    router: &Router,
    prefix: IpNet,
    gateways: impl Iterator<Item = &'g Gateway<'a>>,
) -> Option<(&'g Gateway<'a>, IpAddr)>
where
    'a: 'g,
{
    let same_family = |net: &&IpNet| {
        matches!(
            (prefix, net),
            (IpNet::V4(_), IpNet::V4(_)) | (IpNet::V6(_), IpNet::V6(_))
        )
    };
    let mut first = None;
    for gateway in gateways {
        let networks = gateway.port.networks.iter().filter(same_family);
        for network in networks.filter(|network| is_routable(network.addr())) {
            let mut routes = inputs.northbound.default_gateways(router);
            if routes.any(|next_hop| network.contains(&next_hop)) {
                return Some((gateway, network.addr()));
            }
            first.get_or_insert_with(|| (gateway, network.addr()));
        }
    }
    first
}
